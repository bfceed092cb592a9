"""Solutions of the exercises for 10_against_scikit_learn: one way among several."""

from itertools import pairwise

import numpy as np


def parameters_from_sklearn(coefs, intercepts):
    """Lay scikit-learn's parameters out as the vector of a `Network` with the same layers.

    Parameters: coefs and intercepts, two lists as MLPClassifier has them: a matrix (in, out) and a
    vector (out,) for each layer.
    Returns: one vector (P,): layer by layer, first W, row after row, then b.
    """
    parts = [part.ravel() for pair in zip(coefs, intercepts, strict=True) for part in pair]
    return np.concatenate(parts)


def multiplications(sizes, samples):
    """Count the multiplications of all matrix products in one epoch of training.

    A Dense layer has three products, each of which multiplies every weight once for every sample:
    forward x @ W, backward x.T @ dy for dW, and dy @ W.T for dx. The first layer needs no dx.

    Parameters: sizes, such as [784, 128, 10]; samples, how many one epoch has.
    Returns: an integer.
    """
    weights = [inputs * outputs for inputs, outputs in pairwise(sizes)]
    return samples * (3 * sum(weights) - weights[0])


def adam_in_place(p, g, m, v, t, scratch, learning_rate=1e-3):
    """Take step number t (from 1) of Adam without making a new array.

    m and v are the running means of page 07, with beta1 = 0.9, beta2 = 0.999. Both corrections are
    folded into the step size, learning_rate * sqrt(1 - beta2**t) / (1 - beta1**t), and
    epsilon = 1e-8 is added to the root of v as it is.

    Parameters: p, g, m, v, scratch, each (P,). p, m and v are changed in place; scratch may be
    overwritten at will; g must stay as it is. Use `np.multiply(a, b, out=scratch)`, `a *= b` and
    the like.
    """
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
