"""Exercises for 02_a_layer. Check them with: .venv/bin/pytest tutorials/exercises -k 02

Replace each line that raises NotImplementedError with your code. Write no loop.
Shapes: x (N, in), W (in, out), b (out,), z (N, out), targets y (N, out).
"""

import numpy as np


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


def weighted_gradients(x, W, b, y, weight):
    """Return the gradients of a loss in which some samples count more than others.

    L = sum_n weight_n L_n / sum_n weight_n     with L_n = sum over the outputs of (z - y)^2 / 2

    Parameters: weight (N,), not negative; the others as in `gradients`.
    Returns: the pair (dW, db).
    """
    raise NotImplementedError("weighted_gradients")
