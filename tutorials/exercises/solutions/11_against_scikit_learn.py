"""Solutions of the exercises for 11_against_scikit_learn: one way among several, and why."""

from itertools import pairwise

import numpy as np

# ---- fill ----


def parameters_from_sklearn(coefs, intercepts):
    """Put scikit-learn's parameters into one vector, as a `Network` with the same layers has it."""
    # W and b of a layer stand next to each other, as views into the network's one vector.
    parts = [part.ravel() for pair in zip(coefs, intercepts, strict=True) for part in pair]
    return np.concatenate(parts)


def multiplications(sizes, samples):
    """Count the multiplications of all matrix products in one epoch of training."""
    # Three products for every weight and sample, but two in the first layer.
    weights = [inputs * outputs for inputs, outputs in pairwise(sizes)]
    return samples * (3 * sum(weights) - weights[0])


# ---- fill * ----


def adam_in_place(p, g, m, v, t, scratch, learning_rate=1e-3):
    """Take step number t (from 1) of Adam without making a new array."""
    # Every line writes into an array that is there already.
    rate = learning_rate * (1 - 0.999**t) ** 0.5 / (1 - 0.9**t)
    m *= 0.9
    np.multiply(g, 1 - 0.9, out=scratch)
    m += scratch
    v *= 0.999
    np.multiply(g, g, out=scratch)
    scratch *= 1 - 0.999
    v += scratch
    np.sqrt(v, out=scratch)
    scratch += 1e-8
    np.divide(m, scratch, out=scratch)
    scratch *= rate
    p -= scratch


# ---- explore ----


def order_matters():
    """Find three float32 numbers whose sum depends on the order."""
    # 1e8 - 1e8 + 1 is 1; but -1e8 + 1 is rounded back to -1e8, because float32 has 7 digits.
    return 1e8, -1e8, 1.0


# ---- paper ----


def speedup_by_hand():
    """Work out by hand what faster matrix products are worth. Write down numbers."""
    # Amdahl's law: what is not made faster limits the gain. Hence the split of everything by units.
    return {
        "no time": 1 / 0.55,
        "two cores": 1 / (0.55 + 0.45 / 2),
        "two workers": 1 / (0.5 + 0.1),
    }
