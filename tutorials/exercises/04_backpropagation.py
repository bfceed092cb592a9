"""Exercises for 04_backpropagation. Check them with: pytest tutorials/exercises -k 04

Replace each line that raises NotImplementedError by your own code. Write no loop. In each task the
way forward is given; `dy` is the gradient of some loss with respect to the output y. It has been
divided by the number of samples where that was due, so that you need not.
"""

import numpy as np


def two_layers(x, W1, b1, W2, b2, dy):
    """Go back through two layers with tanh between them.

    a = x @ W1 + b1
    h = np.tanh(a)         the derivative of tanh at a is 1 - tanh(a)^2
    y = h @ W2 + b2

    Shapes: x (N, in), W1 (in, H), W2 (H, out), dy (N, out).
    Returns: the dict {"dW1": ..., "db1": ..., "dW2": ..., "db2": ..., "dx": ...}.
    """
    raise NotImplementedError("two_layers")


def shortcut(x, W, b, dy):
    """Go back through a layer that x also passes by on a direct way.

    y = x + np.maximum(x @ W + b, 0)

    Shapes: x (N, F), W (F, F), b (F,), dy (N, F).
    Returns: the dict {"dW": ..., "db": ..., "dx": ...}. What acts along two ways gets the sum.
    """
    raise NotImplementedError("shortcut")


def used_twice(x, W, dy):
    """Go back through two layers that share their weights.

    h = np.maximum(x @ W, 0)
    y = h @ W

    Shapes: x (N, F), W (F, F), dy (N, F).
    Returns: dW (F, F).
    """
    raise NotImplementedError("used_twice")
