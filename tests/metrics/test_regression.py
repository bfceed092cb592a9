import numpy as np
import pytest
import sklearn.metrics as oracle
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from messages import one_clear_error

from numpymlp import metrics

EXACT = {"rel": 1e-12, "abs": 1e-12}

finite = st.floats(-1e3, 1e3, allow_subnormal=False).map(lambda v: round(v, 3))


@given(st.data(), st.integers(2, 20), st.sampled_from([(), (1,), (3,)]))
def test_regression_metrics_equal_scikit_learn(data, size, outputs):
    y_true = data.draw(arrays(float, (size, *outputs), elements=finite))
    y_pred = data.draw(arrays(float, (size, *outputs), elements=finite) | st.just(y_true))
    weight = data.draw(st.none() | arrays(float, size, elements=st.floats(0.1, 5.0)))
    for ours, theirs in (
        (metrics.mean_squared_error, oracle.mean_squared_error),
        (metrics.mean_absolute_error, oracle.mean_absolute_error),
        (metrics.r2_score, oracle.r2_score),
    ):
        expected = theirs(y_true, y_pred, sample_weight=weight)
        assert ours(y_true, y_pred, weight) == pytest.approx(expected, **EXACT)


def test_a_constant_output_has_no_variance_even_if_its_mean_rounds():
    y = np.full(7, 0.1)
    assert metrics.r2_score(y, y) == 1
    assert metrics.r2_score(y, np.append(y[1:], 0.11)) == 0


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: metrics.r2_score([1.0, 2.0], [[1.0], [2.0, 3.0]]), "rows of different lengths"),
        (
            lambda: metrics.mean_squared_error([1.0, 2.0], [[1.0], [2.0]]),
            r"got \(2,\) and \(2, 1\).*every sample with every other",
        ),
        (lambda: metrics.mean_absolute_error([], []), r"not empty, got \(0,\)"),
        (lambda: metrics.r2_score([1.0, np.inf], [1.0, 2.0]), "y_true: expected finite numbers"),
        (lambda: metrics.r2_score([1.0], [1.0]), "at least two samples"),
        (lambda: metrics.r2_score(["1", "2"], [1, 2]), "y_true: expected numbers, got <U1"),
    ],
)
def test_bad_input_gets_one_clear_error(call, message):
    one_clear_error(call, message)
