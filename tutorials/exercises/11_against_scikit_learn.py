"""Exercises for 11_against_scikit_learn. Check them with:

    .venv/bin/pytest tutorials/exercises -k 11

Replace each line that raises NotImplementedError with your own code.

fill: write the code. explore: run an experiment and return what you found. paper: work it out by
hand and return the numbers. A * marks the hard ones.
"""

import numpy as np

# ---- fill ----


def parameters_from_sklearn(coefs, intercepts):
    """Put scikit-learn's parameters into one vector, as a `Network` with the same layers has it.

    Parameters: coefs and intercepts, the two lists of an MLPClassifier: a matrix (in, out) and a
    vector (out,) for each layer.
    Returns: one vector (P,): layer by layer, first W, row after row, then b.
    """
    raise NotImplementedError("parameters_from_sklearn")


def multiplications(sizes, samples):
    """Count the multiplications of all matrix products in one epoch of training.

    A Dense layer has three products: forward x @ W, and backward x.T @ dy for dW and dy @ W.T for
    dx. Each multiplies every weight once for every sample. The first layer needs no dx.

    Parameters: sizes, such as [784, 128, 10]; samples, the number of samples in an epoch.
    Returns: an integer.
    """
    raise NotImplementedError("multiplications")


# ---- fill * ----


def adam_in_place(p, g, m, v, t, scratch, learning_rate=1e-3):
    """Take step number t (from 1) of Adam without making a new array.

    m and v are the moving averages of page 08, with beta1 = 0.9 and beta2 = 0.999. Put both
    corrections into the step size, learning_rate * sqrt(1 - beta2**t) / (1 - beta1**t), and add
    epsilon = 1e-8 to the root of the uncorrected v.

    Parameters: p, g, m, v, scratch, each (P,). Change p, m and v in place; overwrite scratch as you
    like; do not change g. Use operations such as `np.multiply(a, b, out=scratch)` and `a *= b`.
    """
    raise NotImplementedError("adam_in_place")


# ---- explore ----


def order_matters():
    """Find three float32 numbers whose sum depends on the order.

    This is why two libraries with the same formulas differ in the last digits.

    Returns: a, b and c with (a + b) + c not equal to a + (b + c) in float32.
    """
    raise NotImplementedError("order_matters")


# ---- paper ----


def speedup_by_hand():
    """Work out by hand what faster matrix products are worth. Write down numbers.

    The matrix products take 45 % of a step. How many times as fast is the step if they take no
    time at all? And if two cores halve the time of the products alone? And if two workers halve
    the time of everything, but wait for each other 10 % of the old step?

    Returns: the dict {"no time": ..., "two cores": ..., "two workers": ...}.
    """
    raise NotImplementedError("speedup_by_hand")
