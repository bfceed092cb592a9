"""Exercises for 03_softmax. Check them with: .venv/bin/pytest tutorials/exercises -k 03

Replace each line that raises NotImplementedError with your code. Logits are (N, K), any finite
numbers: your functions must also work for 1000 and -1000.

fill: write the code. explore: run an experiment and return what you found. paper: work it out by
hand and return the numbers. A * marks the hard ones.
"""

import numpy as np

# ---- fill ----


def log_sum_exp(logits):
    """Return ln(sum_k e^(z_k)) of each row.

    Returns: an array of shape (N,). Add what you subtract from the logits again at the end.
    """
    raise NotImplementedError("log_sum_exp")


def soft_cross_entropy(logits, y):
    """Return the cross-entropy for targets that are probabilities, and its gradient.

    L = mean over the samples of -sum_k y_k ln p_k        with p = softmax(logits)

    Parameters: y (N, K), each row at least 0 and with the sum 1. (If 7 of 10 people read an image
    as a 4 and 3 as a 9, its row has 0.7 and 0.3 there. Label smoothing also makes such rows.)
    Returns: the pair (L, dlogits). Derive the gradient; use that each row of y sums to 1.
    """
    raise NotImplementedError("soft_cross_entropy")


def binary_cross_entropy(z, y):
    """Return the loss for yes-or-no targets, and its gradient with respect to z.

    p = 1 / (1 + e^(-z))                                   the probability of a yes
    L = mean over all z of  -y ln p - (1 - y) ln(1 - p)

    Parameters: logits z (N,) and targets y (N,); y is 1 for yes and 0 for no.
    Returns: the pair (L, dz). Two hints: ln p = -ln(1 + e^(-z)) and ln(1 - p) = -ln(1 + e^z); and
    np.logaddexp(0, z) computes ln(e^0 + e^z) without overflow.
    """
    raise NotImplementedError("binary_cross_entropy")


# ---- explore * ----


def temperature():
    """Find the temperature, to two decimals, at which softmax is 90 % sure.

    Dividing all logits by a number T, the temperature, changes how sure the softmax is, but not
    which class is the largest. Cures for overconfident networks do just this. For the logits 2, 1
    and 0: at which T is the largest probability 0.9?

    Returns: T.
    """
    raise NotImplementedError("temperature")


# ---- paper ----


def softmax_by_hand():
    """Go through softmax and cross-entropy by hand. Write down numbers; `np.log` is allowed.

    One sample has the logits ln 1, ln 2 and ln 5, and the last class is the right one.

    Returns: the dict {"probabilities": (3,), "L": a number, "dlogits": (3,)}.
    """
    raise NotImplementedError("softmax_by_hand")
