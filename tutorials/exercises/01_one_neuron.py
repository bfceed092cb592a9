"""Exercises for 01_one_neuron. Check them with: .venv/bin/pytest tutorials/exercises -k 01

Replace each line that raises NotImplementedError with your code. All values are single numbers.
"""

import math


def slope(f, at, h=1e-5):
    """Return the central difference of `f`, a function of one number, at the point `at`."""
    raise NotImplementedError("slope")


def sigmoid_neuron_gradient(x, w, b, y):
    """Return the derivatives of the loss of a neuron whose output lies between 0 and 1.

    z = x * w + b
    s = 1 / (1 + math.exp(-z))      this function is called the sigmoid; ds/dz = s * (1 - s)
    L = (s - y) ** 2 / 2

    Returns: the pair (dw, db). Go backwards through the three lines, with the chain rule.
    """
    raise NotImplementedError("sigmoid_neuron_gradient")


def descend(gradient, w, b, learning_rate, steps):
    """Run gradient descent.

    Parameters: gradient, a function of (w, b) that returns the pair (dw, db); the first w and b;
    the learning rate; the number of steps.
    Returns: the pair (w, b) after the last step.
    """
    raise NotImplementedError("descend")
