"""Checks the exercises of 02_a_layer: `pytest tutorials/exercises -k 02`."""

import numpy as np
import pytest
from diagnosis import expect, fail, numeric_gradient


def problem(samples):
    rng = np.random.default_rng(0)
    x, t = rng.normal(size=(samples, 3)), rng.normal(size=(samples, 2))
    return x, rng.normal(size=(3, 2)), rng.normal(size=2), t


def compare(got, f, W, b, causes):
    """Compare the pair (dW, db) with finite differences of the loss f()."""
    if not isinstance(got, tuple | list) or len(got) != 2:
        fail(f"expected the pair (dW, db), got {type(got).__name__}")
    for place, (name, array) in enumerate((("dW", W), ("db", b))):
        right = numeric_gradient(f, array)
        named = [(pair[place], diagnosis) for pair, diagnosis in causes]
        expect(name, got[place], right, named, tolerance=1e-7)


def test_gradients(exercise):
    x, W, b, t = problem(4)
    dy = (x @ W + b - t) / 4
    dW, db = x.T @ dy, dy.sum(axis=0)
    causes = [
        ((dW, dy.mean(axis=0)), "db is a sum over the batch; the mean is in dy already."),
        ((4 * dW, 4 * db), "1/N is missing: L is a mean over the samples, so dy = (y - t) / N."),
        ((dW / 4, db / 4), "you divide by N twice: the loss is already a mean, and dy has it."),
        ((dW / 2, db / 2), "you divide by N times out: the outputs are summed, not averaged."),
        ((2 * dW, 2 * db), "a factor 2 too much: the loss has a 1/2, so the gradient is y - t."),
        ((-dW, -db), "the sign is wrong: the gradient is y - t, not t - y."),
        ((dW, dy.sum(axis=1)), "db is summed over the wrong axis: one number for each neuron."),
        ((dW, dy.sum()), "db is one number for all neurons; sum over axis 0 alone."),
        ((dW, dy.sum(axis=0, keepdims=True)), "db has the shape of b, which has one axis."),
    ]
    got = exercise.gradients(x, W, b, t)
    compare(got, lambda: ((x @ W + b - t) ** 2).sum(axis=1).mean() / 2, W, b, causes)


def test_safe_loss(exercise):
    rng = np.random.default_rng(0)
    y, t = rng.normal(size=(5, 1)), rng.normal(size=5)
    right = ((y[:, 0] - t) ** 2).mean() / 2
    causes = [
        (((y - t) ** 2).mean() / 2, "y - t was (5, 5): make a column of t before you subtract."),
        (2 * right, "the half is missing."),
        (5 * right, "this is the sum over the samples; the loss is their mean."),
    ]
    expect("safe_loss with t of shape (5,)", exercise.safe_loss(y, t), right, causes)
    expect("safe_loss with t of shape (5, 1)", exercise.safe_loss(y, t[:, None]), right, causes)


@pytest.mark.parametrize("shape", [(4,), (1, 5), (5, 5), ()], ids=["few", "row", "square", "none"])
def test_safe_loss_refuses(exercise, shape):
    try:
        exercise.safe_loss(np.zeros((5, 1)), np.zeros(shape))
    except NotImplementedError:
        raise
    except ValueError:
        return
    except Exception as error:
        fail(f"safe_loss: expected a ValueError for t of shape {shape}, got {error!r}")
    fail(f"safe_loss: y is (5, 1) and t is {shape}; expected a ValueError, got a number.")


def test_weighted_gradients(exercise):
    x, W, b, t = problem(5)
    weight = np.array([0.0, 1.0, 2.0, 0.5, 3.0])

    def loss():
        return (weight * ((x @ W + b - t) ** 2).sum(axis=1) / 2).sum() / weight.sum()

    difference = x @ W + b - t

    def of(dy):
        return x.T @ dy, dy.sum(axis=0)

    causes = [
        (of(weight[:, None] * difference), "divide by the sum of the weights."),
        (of(weight[:, None] * difference / 5), "divide by the sum of the weights, not by N."),
        (of(difference / 5), "the weights make no difference; they belong into dy."),
        (
            of(weight[:, None] ** 2 * difference / weight.sum()),
            "the weights are in there twice.",
        ),
    ]
    try:
        got = exercise.weighted_gradients(x, W, b, t, weight)
    except ValueError as error:
        raise pytest.fail.Exception(
            f"weighted_gradients: {str(error).strip()}. If it is weight, of shape (5,), that does "
            "not fit y - t, of shape (5, 2): make a column of it, weight[:, None].",
            pytrace=False,
        ) from None
    compare(got, loss, W, b, causes)


def test_weighted_gradients_of_a_square_batch(exercise):
    # Two samples and two outputs: here weights (2,) broadcast along the wrong axis in silence.
    x, W, b, t = problem(2)
    weight = np.array([1.0, 3.0])
    wrong = weight * (x @ W + b - t) / 4

    def loss():
        return (weight * ((x @ W + b - t) ** 2).sum(axis=1) / 2).sum() / 4

    causes = [
        (
            (x.T @ wrong, wrong.sum(axis=0)),
            "weight (2,) was repeated along the samples and so weighs the outputs: use "
            "weight[:, None].",
        )
    ]
    compare(exercise.weighted_gradients(x, W, b, t, weight), loss, W, b, causes)
