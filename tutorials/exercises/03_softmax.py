"""Exercises for 03_softmax. Check them with: pytest tutorials/exercises -k 03

Replace each line that raises NotImplementedError by your own code. Logits are (N, K), any finite
numbers: 1000 and -1000 must do no harm.
"""

import numpy as np


def log_sum_exp(logits):
    """Give ln(sum_k e^(z_k)) of each row.

    Returns: an array of shape (N,). What you subtract from the logits you must add again.
    """
    raise NotImplementedError("log_sum_exp")


def soft_cross_entropy(logits, targets):
    """Give the cross-entropy for targets that are probabilities themselves, and its gradient.

    L = mean over the samples of -sum_k t_k ln p_k        with p = softmax(logits)

    Parameters: targets (N, K), each row at least 0 and with the sum 1. (A picture that people
    called a 4 in 7 cases of 10 and a 9 in 3 would have 0.7 and 0.3 there.)
    Returns: the pair (L, dlogits). Work the gradient out; the sum of each row of t helps.
    """
    raise NotImplementedError("soft_cross_entropy")


def binary_cross_entropy(z, t):
    """Give the loss of answers that are yes or no, and its gradient with respect to z.

    p = 1 / (1 + e^(-z))                                   the probability of a yes
    L = mean over all z of  -t ln p - (1 - t) ln(1 - p)

    Parameters: z and t (N,); t is 1 for yes and 0 for no.
    Returns: the pair (L, dz). Two hints: ln p = -ln(1 + e^(-z)) and ln(1 - p) = -ln(1 + e^z); and
    np.logaddexp(0, z) gives ln(e^0 + e^z) without overflow.
    """
    raise NotImplementedError("binary_cross_entropy")
