"""Solutions of the exercises for 07_optimizers: one way among several."""

import numpy as np


def corrected_average(numbers, beta):
    """Compute the exponential moving average of numbers, with bias correction.

    Parameters: numbers (T,); beta, 0 <= beta < 1.
    Returns: (T,) the corrected average after each number.
    """
    average, corrected = 0.0, []
    for t, number in enumerate(numbers, start=1):
        average = beta * average + (1 - beta) * number
        corrected.append(average / (1 - beta**t))
    return np.array(corrected)


def momentum_step(p, g, v, learning_rate, momentum):
    """Take one step with momentum, as on page 07: v is a step, not a sum of gradients.

    Parameters: p, g, v, each (P,); v is the last step. Do not change them.
    Returns: the new p and the new v, each (P,).
    """
    v = momentum * v - learning_rate * g
    return p + v, v


def adam_step(p, g, m, v, t, learning_rate, beta1=0.9, beta2=0.999, epsilon=1e-8):
    """Take step number t (from 1) of Adam, with both averages corrected.

    Parameters: p, g, m, v, each (P,). Do not change them.
    Returns: the new p, the new m and the new v, each (P,). Return m and v without correction: only
    the step uses the corrected ones.
    """
    m = beta1 * m + (1 - beta1) * g
    v = beta2 * v + (1 - beta2) * g**2
    mean = m / (1 - beta1**t)
    mean_square = v / (1 - beta2**t)
    p = p - learning_rate * mean / (np.sqrt(mean_square) + epsilon)
    return p, m, v
