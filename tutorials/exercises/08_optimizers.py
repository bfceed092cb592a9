"""Exercises for 08_optimizers. Check them with:

    .venv/bin/pytest tutorials/exercises -k 08

Replace each line that raises NotImplementedError with your own code. `p` and `g` are vectors (P,):
all parameters, and the gradient of the loss.

fill: write the code. explore: run an experiment and return what you found. paper: work it out by
hand and return the numbers. A * marks the hard ones.
"""

import numpy as np

# ---- fill ----


def corrected_average(numbers, beta):
    """Compute the exponential moving average of numbers, with bias correction.

    Parameters: numbers (T,); beta, 0 <= beta < 1.
    Returns: (T,) the corrected average after each number.
    """
    raise NotImplementedError("corrected_average")


def momentum_step(p, g, v, learning_rate, momentum):
    """Take one step with momentum, as on page 08: v is a step, not a sum of gradients.

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


# ---- explore * ----


def largest_rate_with_momentum():
    """Find out whether momentum allows larger or smaller learning rates.

    The loss is p^2 / 2 with the gradient p, and p starts at 1, v at 0. Plain gradient descent
    diverges above the learning rate 2. With momentum 0.9 and `momentum_step`: which is the largest
    multiple of 0.1 with which |p| is below 1 after 2,000 steps? Predict first.

    Returns: the learning rate.
    """
    raise NotImplementedError("largest_rate_with_momentum")


# ---- paper ----


def steps_by_hand():
    """Work out by hand how far one parameter moves. Write down lengths, without a sign.

    The learning rate is 0.1 everywhere. First step of SGD, and of Adam with both averages corrected
    (epsilon is so small that it does not matter), for the gradient 50 and for 0.5; and the length
    that the steps of momentum 0.9 approach when the gradient is 1 for ever.

    Returns: the dict {"SGD, 50": ..., "SGD, 0.5": ..., "Adam, 50": ..., "Adam, 0.5": ...,
    "momentum": ...}.
    """
    raise NotImplementedError("steps_by_hand")
