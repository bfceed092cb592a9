"""Check the exercises of 02_a_layer: `.venv/bin/pytest tutorials/exercises -k 02`."""

import numpy as np
import pytest
from diagnosis import expect, expect_all, expect_dict, fail, numeric_gradient


def problem(samples, outputs):
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(samples, 3)), rng.normal(size=(samples, outputs))
    return x, rng.normal(size=(3, outputs)), rng.normal(size=outputs), y


def compare(got, f, W, b, causes):
    """Compare the pair (dW, db) with finite differences of the loss f()."""
    if not isinstance(got, tuple | list) or len(got) != 2:
        fail(f"expected the pair (dW, db), got {type(got).__name__}")
    results = []
    for place, (name, array) in enumerate((("dW", W), ("db", b))):
        named = [(pair[place], diagnosis) for pair, diagnosis in causes]
        results.append((name, got[place], numeric_gradient(f, array), named))
    expect_all(results, tolerance=1e-7)


def test_gradients(exercise):
    # Five samples and three outputs: no two factors of the diagnoses are equal.
    x, W, b, y = problem(5, 3)
    dz = (x @ W + b - y) / 5
    dW, db = x.T @ dz, dz.sum(axis=0)
    causes = [
        ((dW, dz.mean(axis=0)), "db is a sum over the batch; the mean is in dz already."),
        ((5 * dW, 5 * db), "1/N is missing: L is a mean over the samples, so dz = (z - y) / N."),
        ((dW / 5, db / 5), "you divide by N twice: dz = (z - y) / N contains the mean already."),
        ((dW / 3, db / 3), "you divide by the number of outputs; they are summed, not averaged."),
        ((dW / 2, db / 2), "a factor 1/2 is left: the derivative of (z - y)^2 / 2 is z - y."),
        ((2 * dW, 2 * db), "a factor 2 too much: the derivative of (z - y)^2 / 2 is z - y."),
        ((-dW, -db), "the sign is wrong: the derivative is z - y, not y - z."),
        ((dW, dz.sum(axis=1)), "db is summed over the wrong axis: one number for each neuron."),
        ((dW, dz.sum()), "db is one number for all neurons; sum over axis 0 only."),
        ((dW, dz.sum(axis=0, keepdims=True)), "db has the shape of b, which has one axis."),
    ]
    got = exercise.gradients(x, W, b, y)
    compare(got, lambda: ((x @ W + b - y) ** 2).sum(axis=1).mean() / 2, W, b, causes)


def test_safe_loss(exercise):
    rng = np.random.default_rng(0)
    z, y = rng.normal(size=(5, 1)), rng.normal(size=5)
    right = ((z[:, 0] - y) ** 2).mean() / 2
    causes = [
        (((z - y) ** 2).mean() / 2, "z - y was (5, 5): make y a column before you subtract."),
        (2 * right, "the half is missing."),
        (5 * right, "this is the sum over the samples; the loss is their mean."),
    ]
    expect("safe_loss with y of shape (5,)", exercise.safe_loss(z, y), right, causes)
    expect("safe_loss with y of shape (5, 1)", exercise.safe_loss(z, y[:, None]), right, causes)


@pytest.mark.parametrize("shape", [(4,), (1, 5), (5, 5), ()], ids=["few", "row", "square", "none"])
def test_safe_loss_refuses(exercise, shape):
    try:
        exercise.safe_loss(np.zeros((5, 1)), np.zeros(shape))
    except NotImplementedError:
        raise
    except ValueError:
        return
    except Exception as error:
        fail(f"safe_loss: expected a ValueError for y of shape {shape}, got {error!r}")
    fail(f"safe_loss: z is (5, 1) and y is {shape}; expected a ValueError, got a number.")


def test_weighted_gradients(exercise):
    x, W, b, y = problem(5, 3)
    weight = np.array([0.0, 1.0, 2.0, 0.5, 3.0])

    def loss():
        return (weight * ((x @ W + b - y) ** 2).sum(axis=1) / 2).sum() / weight.sum()

    difference = x @ W + b - y

    def of(dz):
        return x.T @ dz, dz.sum(axis=0)

    causes = [
        (of(weight[:, None] * difference), "divide by the sum of the weights."),
        (of(weight[:, None] * difference / 5), "divide by the sum of the weights, not by N."),
        (of(difference / 5), "the weights have no effect; multiply dz by them."),
        (
            of(weight[:, None] ** 2 * difference / weight.sum()),
            "you multiply by the weights twice.",
        ),
    ]
    try:
        got = exercise.weighted_gradients(x, W, b, y, weight)
    except ValueError as error:
        fail(
            f"weighted_gradients: {str(error).strip()}. If weight, of shape (5,), does not fit "
            "z - y, of shape (5, 3), make it a column: weight[:, None]."
        )
    compare(got, loss, W, b, causes)


def test_weighted_gradients_of_a_square_batch(exercise):
    # Two samples and two outputs: weight (2,) broadcasts along the wrong axis without an error.
    x, W, b, y = problem(2, 2)
    weight = np.array([1.0, 3.0])
    wrong = weight * (x @ W + b - y) / 4

    def loss():
        return (weight * ((x @ W + b - y) ** 2).sum(axis=1) / 2).sum() / 4

    causes = [
        (
            (x.T @ wrong, wrong.sum(axis=0)),
            "weight, of shape (2,), was repeated for every sample, so it weighs the outputs: use "
            "weight[:, None].",
        )
    ]
    compare(exercise.weighted_gradients(x, W, b, y, weight), loss, W, b, causes)


def test_every_sample_twice(exercise):
    causes = {
        "mean": [(2.0, "1/N halves when N doubles."), (0.5, "the sum in dW doubles as well.")],
        "sum": [(1.0, "without 1/N, twice as many terms are added.")],
    }
    expect_dict(exercise.every_sample_twice(), {"mean": 1.0, "sum": 2.0}, causes)


def test_shapes_by_hand(exercise):
    x, W, b = np.zeros((32, 784)), np.zeros((784, 128)), np.zeros(128)
    z = x @ W + b
    trap = np.zeros((5, 1)) - np.zeros(5)
    arrays = {"z": z, "dz": z, "x.T": x.T, "dW": x.T @ z, "db": z.sum(axis=0), "a - c": trap}
    right = {name: array.shape for name, array in arrays.items()}
    causes = {
        "dW": [((128, 784), "a gradient has the shape of its variable, W.")],
        "db": [((32, 128), "db is summed over the samples."), ((1, 128), "b has one axis.")],
        "a - c": [((5, 1), "(5,) becomes (1, 5), a row."), ((5,), "(5,) becomes (1, 5), a row.")],
    }
    expect_dict(exercise.shapes_by_hand(), right, causes)
