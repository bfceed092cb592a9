"""Solutions of the exercises for 02_a_layer: one way among several."""

import numpy as np


def gradients(x, W, b, y):
    """Return the gradients of the mean loss of a layer."""
    dz = (x @ W + b - y) / len(x)
    return x.T @ dz, dz.sum(axis=0)


def safe_loss(z, y):
    """Return the mean loss of outputs with one column, for targets of either shape."""
    if y.shape not in ((len(z),), (len(z), 1)):
        raise ValueError(f"expected {len(z)} targets, one for each sample, got shape {y.shape}")
    return ((z - y.reshape(z.shape)) ** 2).mean() / 2


def weighted_gradients(x, W, b, y, weight):
    """Return the gradients of a loss in which some samples count more than others."""
    share = weight / weight.sum()
    dz = share[:, None] * (x @ W + b - y)
    return x.T @ dz, dz.sum(axis=0)
