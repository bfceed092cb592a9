"""Solutions of the exercises for 04_backpropagation: one way among several."""

import numpy as np


def two_layers(x, W1, b1, W2, b2, dy):
    """Go back through two layers with tanh between them."""
    h = np.tanh(x @ W1 + b1)
    dh = dy @ W2.T
    da = dh * (1 - h**2)
    return {
        "dW1": x.T @ da,
        "db1": da.sum(axis=0),
        "dW2": h.T @ dy,
        "db2": dy.sum(axis=0),
        "dx": da @ W1.T,
    }


def shortcut(x, W, b, dy):
    """Go back through a layer that x also passes by on a direct way."""
    da = dy * (x @ W + b > 0)
    return {"dW": x.T @ da, "db": da.sum(axis=0), "dx": dy + da @ W.T}


def used_twice(x, W, dy):
    """Go back through two layers that share their weights."""
    a = x @ W
    h = np.maximum(a, 0)
    da = (dy @ W.T) * (a > 0)
    return x.T @ da + h.T @ dy
