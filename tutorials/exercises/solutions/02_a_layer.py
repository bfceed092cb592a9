"""Solutions of the exercises for 02_a_layer: one way among several."""

import numpy as np


def gradients(x, W, b, t):
    """Give the gradients of the mean loss of a layer."""
    dy = (x @ W + b - t) / len(x)
    return x.T @ dy, dy.sum(axis=0)


def safe_loss(y, t):
    """Give the mean loss of outputs with one column, whatever the shape of the targets."""
    if t.shape not in ((len(y),), (len(y), 1)):
        raise ValueError(f"expected {len(y)} targets, one for each sample, got shape {t.shape}")
    return ((y - t.reshape(y.shape)) ** 2).mean() / 2


def weighted_gradients(x, W, b, t, weight):
    """Give the gradients of a loss in which some samples count more than others."""
    share = weight / weight.sum()
    dy = share[:, None] * (x @ W + b - t)
    return x.T @ dy, dy.sum(axis=0)
