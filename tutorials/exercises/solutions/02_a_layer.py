"""Solutions of the exercises for 02_a_layer: one way among several, and why."""

import numpy as np

# ---- fill ----


def gradients(x, W, b, y):
    """Return the gradients of the mean loss of a layer."""
    # The 2 of the square cancels the half; 1/N of the mean enters here, once for all gradients.
    dz = (x @ W + b - y) / len(x)
    return x.T @ dz, dz.sum(axis=0)


def safe_loss(z, y):
    """Return the mean loss of outputs with one column, for targets of either shape."""
    if y.shape not in ((len(z),), (len(z), 1)):
        raise ValueError(f"expected {len(z)} targets, one for each sample, got shape {y.shape}")
    # (N, 1) - (N,) would be (N, N).
    return ((z - y.reshape(z.shape)) ** 2).mean() / 2


# ---- fill * ----


def weighted_gradients(x, W, b, y, weight):
    """Return the gradients of a loss in which some samples count more than others."""
    # 1/N is the share of a sample in a plain mean; here it is weight_n / sum of the weights.
    share = weight / weight.sum()
    dz = share[:, None] * (x @ W + b - y)
    return x.T @ dz, dz.sum(axis=0)


# ---- explore ----


def every_sample_twice():
    """Find out what becomes of the gradient if every sample stands in the batch twice."""
    # A mean does not change when all of its numbers are repeated; a sum doubles.
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(5, 3)), rng.normal(size=(5, 2))
    W, b = rng.normal(size=(3, 2)), np.zeros(2)
    once = gradients(x, W, b, y)[0]
    twice = gradients(np.concatenate([x, x]), W, b, np.concatenate([y, y]))[0]
    mean = (twice / once).mean()
    return {"mean": mean, "sum": mean * 10 / 5}


# ---- paper ----


def shapes_by_hand():
    """Write down the shapes, as tuples of numbers, without running anything."""
    # A gradient has the shape of its variable: dW = x.T @ dz is (784, 32) @ (32, 128).
    # a - c: (5,) becomes (1, 5), and both axes of length 1 are repeated.
    return {
        "z": (32, 128),
        "dz": (32, 128),
        "x.T": (784, 32),
        "dW": (784, 128),
        "db": (128,),
        "a - c": (5, 5),
    }
