import warnings

import numpy as np
import pytest
import sklearn.metrics as oracle
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from messages import one_clear_error
from sklearn.calibration import calibration_curve

from numpymlp import metrics
from numpymlp.validation import InputError

EXACT = {"rel": 1e-12, "abs": 1e-12}

GOOD = np.array([[0.9, 0.1], [0.5, 0.5]])


@st.composite
def labels_with_probabilities(draw):
    """Truth and rows that sum to 1; ties and certainties included."""
    classes = draw(st.integers(2, 6))
    size = draw(st.integers(1, 30))
    raw = draw(arrays(float, (size, classes), elements=st.sampled_from([0.0, 1e-9, 0.2, 0.5, 1.0])))
    raw[raw.sum(axis=1) == 0] = 1.0
    rows = raw / raw.sum(axis=1, keepdims=True)
    return draw(arrays(np.int64, size, elements=st.integers(0, classes - 1))), rows


def test_a_mean_of_float32_probabilities_may_exceed_one_by_rounding():
    rows = np.array([[np.float32(1.0000001), 0.0], [0.5, 0.5]], np.float32)
    assert metrics.log_loss([0, 1], rows) == pytest.approx(np.log(2) / 2)
    with pytest.raises(InputError, match="are these logits"):
        metrics.log_loss([0, 1], rows * np.float32(1.00001))


@given(labels_with_probabilities(), st.data())
def test_top_k_accuracy_equals_scikit_learn(case, data):
    y_true, rows = case
    classes = rows.shape[1]
    k = data.draw(st.integers(1, classes))
    # scikit-learn prefers the higher label in a tie: counting the labels backwards makes it ours.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it warns if k is the number of classes
        if classes == 2:
            expected = metrics.accuracy(y_true, rows.argmax(axis=1)) if k == 1 else 1.0
        else:
            expected = oracle.top_k_accuracy_score(
                classes - 1 - y_true, rows[:, ::-1], k=k, labels=np.arange(classes)
            )
    assert metrics.top_k_accuracy(y_true, rows, k) == pytest.approx(expected, **EXACT)
    assert metrics.top_k_accuracy(y_true, rows, 1) == metrics.accuracy(y_true, rows.argmax(axis=1))


@given(labels_with_probabilities(), st.sampled_from([np.float32, np.float64]))
def test_log_loss_equals_scikit_learn(case, dtype):
    y_true, rows = case
    rows = rows.astype(dtype)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = oracle.log_loss(y_true, rows, labels=np.arange(rows.shape[1]))
    tolerance = EXACT if dtype is np.float64 else {"rel": 1e-5, "abs": 1e-6}
    assert metrics.log_loss(y_true, rows) == pytest.approx(expected, **tolerance)


def test_one_sigmoid_column_is_the_probability_of_class_one():
    column = np.array([[0.9], [0.2]])
    assert metrics.log_loss([1, 0], column) == pytest.approx(-(np.log(0.9) + np.log(0.8)) / 2)
    assert metrics.log_loss([1, 0], column, [1.0, 0.0]) == pytest.approx(-np.log(0.9))


def test_certain_and_wrong_costs_what_the_docstring_says():
    for dtype, cost in ((np.float64, 36.0), (np.float32, 15.9)):
        assert metrics.log_loss([0], np.array([[0, 1]], dtype)) == pytest.approx(cost, abs=0.05)


@given(labels_with_probabilities(), st.integers(1, 12))
def test_reliability_table_equals_a_loop_and_scikit_learn(case, bins):
    y_true, rows = case
    table = metrics.reliability_table(y_true, rows, bins)
    confidence, right = rows.max(axis=1), rows.argmax(axis=1) == y_true
    gap = 0.0
    for b in range(bins):
        inside = (confidence > table.edges[b]) & (confidence <= table.edges[b + 1])
        assert table.count[b] == inside.sum()
        if inside.any():
            assert table.confidence[b] == pytest.approx(confidence[inside].mean(), **EXACT)
            assert table.accuracy[b] == pytest.approx(right[inside].mean(), **EXACT)
            gap += inside.mean() * abs(right[inside].mean() - confidence[inside].mean())
        else:
            assert np.isnan([table.confidence[b], table.accuracy[b]]).all()
    assert table.count.sum() == len(y_true)
    assert metrics.expected_calibration_error(y_true, rows, bins) == pytest.approx(gap, **EXACT)
    if 0 < right.sum() < len(right):
        accuracy, mean_confidence = calibration_curve(right, confidence, n_bins=bins)
        filled = table.count > 0
        np.testing.assert_allclose(table.accuracy[filled], accuracy, rtol=1e-12)
        np.testing.assert_allclose(table.confidence[filled], mean_confidence, rtol=1e-12)


def test_mistakes_are_ranked_most_confident_first():
    rows = np.array([[0.6, 0.4, 0], [0.1, 0.9, 0], [0.3, 0.3, 0.4], [0.0, 1.0, 0.0]])
    assert metrics.rank_mistakes([1, 0, 0, 1], rows).tolist() == [1, 0, 2]
    assert metrics.rank_mistakes([0, 1, 2, 1], rows).tolist() == []


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: metrics.log_loss([0, 1], GOOD * np.nan), "NaN or infinity, first in row 0"),
        (lambda: metrics.log_loss([0, 1], GOOD * 5), "from 0 to 1, got 0.5 to 4.5.*softmax"),
        (lambda: metrics.log_loss([0, 1], GOOD / 2), "sum to 1, got 0.5 in row 0"),
        (lambda: metrics.log_loss([0, 1], np.array([0, 1])), "expected floats, got int"),
        (lambda: metrics.log_loss([0, 1], GOOD[0]), r"expected shape \(N, K\).*got \(2,\)"),
        (lambda: metrics.log_loss([0, 2], GOOD), r"labels from 0 to 1 \(2 classes\), got.* 0 to 2"),
        (lambda: metrics.log_loss([0], GOOD), "y_true and probabilities.*got 1 and 2"),
        (lambda: metrics.top_k_accuracy([0, 1], GOOD, k=3), "k: expected 1 to 2.*got 3"),
        (
            lambda: metrics.reliability_table([0, 1], GOOD, bins=0),
            "bins: expected a whole number of at least 1",
        ),
        (lambda: metrics.top_k_accuracy([0, 1], GOOD, k=0), "k: .* at least 1, got 0"),
    ],
)
def test_bad_input_gets_one_clear_error(call, message):
    one_clear_error(call, message)
