"""Exercises for 01_one_neuron. Check them with: pytest tutorials/exercises -k 01

Replace each line that raises NotImplementedError by your own code. All values are single numbers.
"""

import math


def slope(f, at, h=1e-5):
    """Give the central difference of `f`, a function of one number, at the point `at`."""
    raise NotImplementedError("slope")


def sigmoid_neuron_gradient(x, w, b, t):
    """Give the derivatives of the loss of a neuron whose output is squashed between 0 and 1.

    z = x * w + b
    y = 1 / (1 + math.exp(-z))      this function is called the sigmoid; dy/dz = y * (1 - y)
    L = (y - t) ** 2 / 2

    Returns: the pair (dw, db). Go backwards through the three lines, with the chain rule.
    """
    raise NotImplementedError("sigmoid_neuron_gradient")


def descend(gradient, w, b, learning_rate, steps):
    """Walk downhill.

    Parameters: gradient, a function of (w, b) that returns the pair (dw, db); the first w and b;
    the learning rate; how many steps to take.
    Returns: the pair (w, b) after the last step.
    """
    raise NotImplementedError("descend")
