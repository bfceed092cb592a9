"""Exercises for 02_a_layer. Check them with: .venv/bin/pytest tutorials/exercises -k 02

Replace each line that raises NotImplementedError with your code. Write no loop.
Shapes: x (N, in), W (in, out), b (out,), z (N, out), targets y (N, out).

fill: write the code. explore: run an experiment and return what you found. paper: work it out by
hand and return the numbers. A * marks the hard ones.
"""

import numpy as np

# ---- fill ----


def gradients(x, W, b, y):
    """Return the gradients of the mean loss of a layer.

    z = x @ W + b
    L = mean over the samples of sum over the outputs of (z - y)^2 / 2

    Returns: the pair (dW, db).
    """
    raise NotImplementedError("gradients")


def safe_loss(z, y):
    """Return the mean loss of outputs with one column, for targets of either shape.

    Parameters: z (N, 1); y (N,) or (N, 1).
    Returns: the mean of (z - y)^2 / 2 over the N samples, as a number.
    Raises: ValueError for a y of any other shape.
    """
    raise NotImplementedError("safe_loss")


# ---- fill * ----


def weighted_gradients(x, W, b, y, weight):
    """Return the gradients of a loss in which some samples count more than others.

    L = sum_n weight_n L_n / sum_n weight_n     with L_n = sum over the outputs of (z - y)^2 / 2

    Parameters: weight (N,), not negative; the others as in `gradients`.
    Returns: the pair (dW, db).
    """
    raise NotImplementedError("weighted_gradients")


# ---- explore ----


def every_sample_twice():
    """Find out what becomes of the gradient if every sample stands in the batch twice.

    By which factor does dW change if the loss is the mean over the samples, as in `gradients`? And
    by which if it is the sum? Predict, then try with `np.concatenate([x, x])` and the same for y.
    (It tells you which of the two losses needs a new learning rate when the batch size changes.)

    Returns: the dict {"mean": factor, "sum": factor}.
    """
    raise NotImplementedError("every_sample_twice")


# ---- paper ----


def shapes_by_hand():
    """Write down the shapes, as tuples of numbers, without running anything.

    x has the shape (32, 784), W (784, 128), b (128,), z = x @ W + b, and dz is the gradient of the
    loss with respect to z. And for the trap of this page: a has the shape (5, 1), c the shape (5,).

    Returns: the dict {"z": ..., "dz": ..., "x.T": ..., "dW": ..., "db": ..., "a - c": ...}.
    """
    raise NotImplementedError("shapes_by_hand")
