"""Exercises for 07_optimizers. Check them with:

    .venv/bin/pytest tutorials/exercises -k 07

Replace each line that raises NotImplementedError with your own code. `p` and `g` are vectors (P,):
all parameters, and the gradient of the loss.
"""

import numpy as np


def corrected_average(numbers, beta):
    """Compute the exponential moving average of numbers, with bias correction.

    Parameters: numbers (T,); beta, 0 <= beta < 1.
    Returns: (T,) the corrected average after each number.
    """
    raise NotImplementedError("corrected_average")


def momentum_step(p, g, v, learning_rate, momentum):
    """Take one step with momentum, as on page 07: v is a step, not a sum of gradients.

    Parameters: p, g, v, each (P,); v is the last step. Do not change them.
    Returns: the new p and the new v, each (P,).
    """
    raise NotImplementedError("momentum_step")


def adam_step(p, g, m, v, t, learning_rate, beta1=0.9, beta2=0.999, epsilon=1e-8):
    """Take step number t (from 1) of Adam, with both averages corrected.

    Parameters: p, g, m, v, each (P,). Do not change them.
    Returns: the new p, the new m and the new v, each (P,). Return m and v without correction: only
    the step uses the corrected ones.
    """
    raise NotImplementedError("adam_step")
