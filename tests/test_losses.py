"""The losses: values worked by hand, gradients, weights, soft targets, huge logits, messages."""

import math

import checks
import numpy as np
import pytest
from checks import random
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from memory import peak_below

from numpymlp import (
    InputError,
    L2Penalty,
    MeanSquaredError,
    SigmoidCrossEntropy,
    SoftmaxCrossEntropy,
    check_loss,
    log_softmax,
    softmax,
)
from numpymlp.losses import Loss

LOSSES = [
    SoftmaxCrossEntropy,
    lambda: SoftmaxCrossEntropy(0.1),
    SigmoidCrossEntropy,
    MeanSquaredError,
]
EVERY = pytest.mark.parametrize("make", LOSSES, ids=["softmax", "smoothed", "sigmoid", "squared"])
logits_of_any_size = arrays(
    np.float64, st.tuples(st.integers(1, 5), st.integers(1, 6)), elements=st.floats(-1e4, 1e4)
)


# ---- all losses ----


@EVERY
def test_the_gradient_agrees_with_finite_differences(make) -> None:
    checks.loss_gradient(make)


@EVERY
def test_value_and_gradient_are_finite_at_huge_logits(make) -> None:
    checks.finite_at_huge_logits(make)


@EVERY
def test_only_the_ratios_of_the_weights_count(make) -> None:
    checks.weights_are_relative(make)


@EVERY
def test_a_batch_of_total_weight_0_has_loss_0_and_gradient_0(make) -> None:
    loss, rng = make(), random()
    targets = checks.targets_of(loss, rng, 4, 3)
    assert loss.forward(rng.normal(size=(4, 3)), targets, np.zeros(4)) == 0.0
    np.testing.assert_array_equal(loss.backward(), np.zeros((4, 3)))


@EVERY
def test_the_order_of_the_samples_does_not_change_the_loss(make) -> None:
    loss, rng = make(), random()
    logits, weights = rng.normal(size=(9, 3)), rng.random(9)
    targets, order = checks.targets_of(loss, rng, 9, 3), rng.permutation(9)
    value = loss.forward(logits, targets, weights)
    gradient = loss.backward()
    shuffled = loss.forward(logits[order], targets[order], weights[order])
    assert shuffled == pytest.approx(value, rel=1e-13)
    np.testing.assert_allclose(loss.backward(), gradient[order], rtol=1e-12)


@EVERY
def test_values_are_python_floats_and_gradients_have_the_dtype_of_the_logits(make) -> None:
    for dtype in (np.float32, np.float64):
        loss, rng = make(), random()
        targets = checks.targets_of(loss, rng, 4, 3)
        for weights in (None, np.arange(1, 5)):
            value = loss.forward(rng.normal(size=(4, 3)).astype(dtype), targets, weights)
            assert type(value) is float
            assert loss.backward().dtype == dtype


# ---- softmax ----


@given(logits_of_any_size)
def test_softmax_sums_to_one_and_log_softmax_is_its_logarithm(logits: np.ndarray) -> None:
    p, log_p = softmax(logits), log_softmax(logits)
    np.testing.assert_allclose(p.sum(axis=1), 1, rtol=1e-12)
    assert np.isfinite(p).all()
    assert np.isfinite(log_p).all()
    assert (log_p <= 0).all()
    np.testing.assert_allclose(np.exp(log_p), p, rtol=1e-9, atol=1e-300)


@given(logits_of_any_size, st.floats(-1e3, 1e3))
def test_softmax_ignores_a_shift(logits: np.ndarray, shift: float) -> None:
    np.testing.assert_allclose(softmax(logits + shift), softmax(logits), atol=1e-11)
    np.testing.assert_allclose(log_softmax(logits + shift), log_softmax(logits), atol=1e-10)


def test_softmax_by_hand() -> None:
    # e^0 : e^ln 2 : e^ln 5 = 1 : 2 : 5
    logits = np.log([[1.0, 2.0, 5.0]])
    np.testing.assert_allclose(softmax(logits), [[0.125, 0.25, 0.625]], rtol=1e-15)
    np.testing.assert_allclose(log_softmax(logits), np.log([[0.125, 0.25, 0.625]]), rtol=1e-14)
    # rows do not mix
    np.testing.assert_allclose(softmax(np.array([[0.0, 0.0], [0.0, 800.0]])), [[0.5] * 2, [0, 1]])


def test_cross_entropy_by_hand() -> None:
    loss = SoftmaxCrossEntropy()
    logits, labels = np.log([[1.0, 2.0, 5.0], [1.0, 1.0, 2.0]]), np.array([1, 2])
    # -(log 2/8 + log 2/4) / 2 = (2 log 2 + log 2) / 2
    assert loss.forward(logits, labels) == pytest.approx(1.5 * math.log(2), rel=1e-14)
    # (p - y) / 2
    expected = [[0.125 / 2, -0.75 / 2, 0.625 / 2], [0.25 / 2, 0.25 / 2, -0.5 / 2]]
    np.testing.assert_allclose(loss.backward(), expected, rtol=1e-14)
    # weights 3 and 1: (3 * 2 log 2 + 1 * log 2) / 4
    weighted = loss.forward(logits, labels, np.array([3, 1]))
    assert weighted == pytest.approx(7 / 4 * math.log(2), rel=1e-14)


def test_cross_entropy_passes_its_named_checks() -> None:
    checks.uniform_logits_cost_ln_k(SoftmaxCrossEntropy)
    checks.certainty_costs_nothing(SoftmaxCrossEntropy)


def test_label_smoothing_by_hand() -> None:
    # e = 0.3, K = 3: the target (0, 1, 0) becomes (0.1, 0.8, 0.1).
    loss, logits = SoftmaxCrossEntropy(0.3), np.log([[1.0, 2.0, 5.0]])
    p = np.array([0.125, 0.25, 0.625])
    expected = -(0.1 * np.log(p[0]) + 0.8 * np.log(p[1]) + 0.1 * np.log(p[2]))
    assert loss.forward(logits, np.array([1])) == pytest.approx(expected, rel=1e-14)
    np.testing.assert_allclose(loss.backward(), [p - [0.1, 0.8, 0.1]], rtol=1e-13)
    report = check_loss(loss, random().normal(size=(5, 3)), np.arange(5) % 3)
    assert report.passed, str(report)
    # Soft targets are smoothed in the same way.
    assert loss.forward(logits, np.array([[0.0, 1.0, 0.0]])) == pytest.approx(expected, rel=1e-14)


def test_the_loss_for_evaluation_is_not_smoothed() -> None:
    smoothed, plain = SoftmaxCrossEntropy(0.3), SoftmaxCrossEntropy()
    logits = random().normal(size=(4, 3))
    clean = smoothed.for_evaluation()
    assert clean.forward(logits, np.arange(4) % 3) == plain.forward(logits, np.arange(4) % 3)
    assert plain.for_evaluation() is plain
    squared = MeanSquaredError()
    assert squared.for_evaluation() is squared


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
def test_integer_targets_need_no_rows_of_their_own(smoothing: float) -> None:
    loss, labels = SoftmaxCrossEntropy(smoothing), np.arange(1000) % 2000
    logits = random().normal(size=(1000, 2000)).astype(np.float32)
    # log_softmax has three arrays like the logits; backward the log probabilities and its result.
    with peak_below(3.2 * logits.nbytes):
        loss.forward(logits, labels)
        loss.backward()


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
def test_one_hot_rows_and_rounded_probabilities_are_valid_targets(smoothing: float) -> None:
    loss, rng = SoftmaxCrossEntropy(smoothing), random()
    logits, labels = rng.normal(size=(6, 4)), rng.integers(0, 4, 6)
    hard = loss.forward(logits, labels)
    gradient = loss.backward()
    for dtype in (int, bool, np.float32, np.float64):
        rows = np.eye(4, dtype=dtype)[labels]
        assert loss.forward(logits, rows) == pytest.approx(hard, rel=1e-14)
        np.testing.assert_allclose(loss.backward(), gradient, rtol=1e-13)
    # Rows in float32 do not sum to 1 exactly; the gradient is right nevertheless.
    soft = rng.dirichlet(np.ones(4), 6).astype(np.float32)
    report = check_loss(loss, logits, soft)
    assert report.passed, str(report)
    assert report.max_error < 1e-8


def test_labels_may_have_any_integer_dtype() -> None:
    logits = random().normal(size=(3, 2))
    values = {
        SoftmaxCrossEntropy().forward(logits, np.array([0, 1, 1]).astype(dtype))
        for dtype in (np.int64, np.uint8, bool)
    }
    assert len(values) == 1


# ---- sigmoid, squares, penalty ----


def test_sigmoid_cross_entropy_by_hand() -> None:
    # p = 3/4 and 1/2; -log 3/4 - log 1/2 for the targets 1 and 0, summed over the outputs
    loss, logits = SigmoidCrossEntropy(), np.array([[math.log(3), 0.0]])
    value = loss.forward(logits, np.array([[1, 0]]))
    assert value == pytest.approx(math.log(4 / 3) + math.log(2), rel=1e-14)
    np.testing.assert_allclose(loss.backward(), [[-0.25, 0.5]], rtol=1e-14)
    # at +-1e4 the loss is 0 where it is right, the margin where it is wrong
    huge = np.array([[1e4], [-1e4], [1e4], [-1e4]])
    right = loss.forward(huge, np.array([1, 0, 1, 0]))
    assert right == 0
    assert loss.forward(huge, np.array([0, 1, 0, 1])) == 1e4
    np.testing.assert_allclose(loss.backward(), [[0.25], [-0.25], [0.25], [-0.25]])


def test_sigmoid_cross_entropy_is_softmax_of_two_logits() -> None:
    # p(1) = e^z / (1 + e^z) is the softmax of (0, z)
    z, labels = random().normal(size=(7, 1)), random(1).integers(0, 2, 7)
    two = SoftmaxCrossEntropy().forward(np.hstack([np.zeros((7, 1)), z]), labels)
    assert SigmoidCrossEntropy().forward(z, labels) == pytest.approx(two, rel=1e-13)


def test_squared_error_by_hand() -> None:
    # ((1 - 0)^2 + (2 - 4)^2) / 2 = 2.5 and (0 + 3^2) / 2 = 4.5, mean 3.5
    loss, outputs = MeanSquaredError(), np.array([[1.0, 2.0], [5.0, 3.0]])
    assert loss.forward(outputs, np.array([[0, 4], [5, 0]])) == 3.5
    np.testing.assert_array_equal(loss.backward(), [[0.5, -1], [0, 1.5]])
    # weights 1 and 3: (2.5 + 3 * 4.5) / 4
    assert loss.forward(outputs, np.array([[0, 4], [5, 0]]), np.array([1, 3])) == 4.0


def test_targets_of_a_single_output_may_be_flat() -> None:
    outputs = np.array([[1.0], [3.0]])
    for loss in (MeanSquaredError(), SigmoidCrossEntropy()):
        flat = loss.forward(outputs, np.array([0, 1]))
        assert flat == loss.forward(outputs, np.array([[0], [1]]))


def test_the_penalty_passes_its_named_checks_and_refuses_bad_strengths() -> None:
    checks.penalty_gradient(L2Penalty)
    checks.penalty_spares_biases(L2Penalty)
    assert L2Penalty(0).forward(np.ones(3), np.ones(3)) == 0
    with pytest.raises(InputError, match=r"^parameters .*\bmask\b"):
        L2Penalty(1).forward(np.ones(3), np.ones(2))
    assert repr(L2Penalty(0.25)) == "L2Penalty(0.25)"
    for bad in (-1, math.inf, math.nan, "1"):
        with pytest.raises(
            InputError, match=r"L2Penalty strength: expected a number in \[0, inf\)"
        ):
            L2Penalty(bad)


# ---- settings and messages ----


def test_config_and_repr_tell_the_label_smoothing() -> None:
    assert SoftmaxCrossEntropy().config() == {}
    assert SoftmaxCrossEntropy(0.1).config() == {"label_smoothing": 0.1}
    assert MeanSquaredError().config() == {}
    assert repr(SoftmaxCrossEntropy(0.1)) == "SoftmaxCrossEntropy(label_smoothing=0.1)"
    assert repr(SigmoidCrossEntropy()) == "SigmoidCrossEntropy()"
    for bad in (1, -0.1, None):
        with pytest.raises(InputError, match=r"label_smoothing: expected a number in \[0, 1\)"):
            SoftmaxCrossEntropy(bad)


def test_a_custom_loss_must_define_forward_and_backward() -> None:
    class Mine(Loss):
        pass

    with pytest.raises(NotImplementedError, match="Mine must define forward"):
        Mine().forward(np.ones((1, 1)), np.ones(1))
    with pytest.raises(NotImplementedError, match="Mine must define backward"):
        Mine().backward()


def test_logits_targets_and_weights_that_do_not_fit_are_refused() -> None:
    logits = np.zeros((3, 2))
    softmax_loss, sigmoid_loss, squared = (
        *(SoftmaxCrossEntropy(), SigmoidCrossEntropy(), MeanSquaredError()),
    )
    for loss, arguments, message in [
        (softmax_loss, (np.zeros(3), np.zeros(3, int)), r"float array of shape \(N, K\)"),
        (softmax_loss, (np.zeros((3, 2), int), np.zeros(3, int)), "float array"),
        (softmax_loss, ([[0.0, 1.0]], np.zeros(1, int)), "got list"),
        (softmax_loss, (np.zeros((0, 2)), np.zeros(0, int)), "at least one row of logits"),
        (softmax_loss, (logits, np.array([0, 1, 2])), "expected labels from 0 to 1, got 0 to 2"),
        (softmax_loss, (logits, np.array([0, 1, -1])), "expected labels from 0 to 1, got -1 to 1"),
        (softmax_loss, (logits, np.array([[0], [1], [1]])), r"flatten the column with y.ravel"),
        (softmax_loss, (logits, np.array([0.0, 1, 1])), r"use y.astype\(int\)"),
        (softmax_loss, (logits, np.array(["a", "b", "a"])), "np.unique"),
        (softmax_loss, (logits, np.array([0, 1])), "2 targets for 3 samples"),
        (softmax_loss, (logits, np.zeros((3, 4))), "one output for each class"),
        (softmax_loss, (logits, np.full((3, 2), 0.6)), "sum to 1, got a row that sums to 1.2"),
        (softmax_loss, (logits, np.array([[1.5, -0.5]] * 3)), "to be probabilities"),
        (sigmoid_loss, (logits, np.full((3, 2), -1)), r"targets in \[0, 1\], got -1 to -1"),
        (sigmoid_loss, (logits, np.full((3, 2), 1.5)), r"targets in \[0, 1\]"),
        (sigmoid_loss, (logits, np.zeros(3)), r"expected targets of shape \(3, 2\)"),
        (squared, (logits, np.zeros(3)), r"expected targets of shape \(3, 2\)"),
        (squared, (logits, np.zeros(3, int)), "integer classes need SoftmaxCrossEntropy"),
        (squared, (np.zeros((3, 1)), np.zeros((1, 3))), r"of shape \(3, 1\)"),
        (squared, (logits, logits, np.ones(2)), "sample_weight: expected 3 numbers"),
        (squared, (logits, logits, np.array([1, -1, 1])), "weights of at least 0, got -1 to 1"),
        (squared, (logits, logits, np.array([1, np.nan, 1])), "finite weights"),
    ]:
        with pytest.raises(InputError, match=message):
            loss.forward(*arguments)


def test_the_evaluation_form_of_a_subclass_keeps_its_class() -> None:
    class Double(SoftmaxCrossEntropy):
        def forward(self, logits, y, sample_weight=None):
            return 2 * super().forward(logits, y, sample_weight)

    clean = Double(0.1).for_evaluation()
    logits = random().normal(size=(4, 3))
    assert isinstance(clean, Double)
    assert clean.forward(logits, np.arange(4) % 3) == 2 * SoftmaxCrossEntropy().forward(
        logits, np.arange(4) % 3
    )
