"""Exercises for 02_a_layer. Check them with: pytest tutorials/exercises -k 02

Replace each line that raises NotImplementedError by your own code. Write no loop.
Shapes: x (N, in), W (in, out), b (out,), t (N, out).
"""

import numpy as np


def gradients(x, W, b, t):
    """Give the gradients of the mean loss of a layer.

    y = x @ W + b
    L = mean over the samples of sum over the outputs of (y - t)^2 / 2

    Returns: the pair (dW, db).
    """
    raise NotImplementedError("gradients")


def safe_loss(y, t):
    """Give the mean loss of outputs with one column, whatever the shape of the targets.

    Parameters: y (N, 1); t (N,) or (N, 1).
    Returns: the mean of (y - t)^2 / 2 over the N samples, as a number.
    Raises: ValueError for a t of any other shape.
    """
    raise NotImplementedError("safe_loss")


def weighted_gradients(x, W, b, t, weight):
    """Give the gradients of a loss in which some samples count more than others.

    L = sum_n weight_n l_n / sum_n weight_n     with l_n = sum over the outputs of (y - t)^2 / 2

    Parameters: weight (N,), not negative, and the rest as in `gradients`.
    Returns: the pair (dW, db).
    """
    raise NotImplementedError("weighted_gradients")
