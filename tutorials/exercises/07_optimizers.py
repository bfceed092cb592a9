"""Exercises for 07_optimizers. Check them with: pytest tutorials/exercises -k 07

Replace each line that raises NotImplementedError by your own code. `p` and `g` are vectors (P,):
all parameters, and the gradient of the loss.
"""

import numpy as np


def corrected_average(numbers, beta):
    """Follow numbers with an average that forgets, and correct it for its start at 0.

    Parameters: numbers (T,); beta, from 0 to below 1.
    Returns: (T,) the corrected average after each number.
    """
    raise NotImplementedError("corrected_average")


def momentum_step(p, g, v, learning_rate, momentum):
    """Take one step with momentum.

    Parameters: p, g, v, each (P,); v is the last step. None of them may be changed.
    Returns: the new p and the new v, each (P,).
    """
    raise NotImplementedError("momentum_step")


def adam_step(p, g, m, v, t, learning_rate, beta1=0.9, beta2=0.999, epsilon=1e-8):
    """Take step number t (from 1) of Adam, with both averages corrected.

    Parameters: p, g, m, v, each (P,). None of them may be changed.
    Returns: the new p, the new m and the new v, each (P,). The new m and v are returned without
    correction: only the step uses the corrected ones.
    """
    raise NotImplementedError("adam_step")
