"""Exercises for 01_one_neuron. Check them with: .venv/bin/pytest tutorials/exercises -k 01

Replace each line that raises NotImplementedError with your code. All values are single numbers.

fill: write the code. explore: run an experiment and return what you found. paper: work it out by
hand and return the numbers. A * marks the hard ones.
"""

import math

# ---- fill ----


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


# ---- explore ----


def largest_learning_rate():
    """Find the largest learning rate, to three decimals, that does not leave the valley.

    The loss is L(w) = 4.5 w^2 with the derivative 9 w, and w starts at 1. Take 200 steps, with
    `descend` or in a loop that you write, and look at |w| for many learning rates. Which is the
    largest multiple of 0.001 with which |w| ends below 1? Then say why, with the derivative's
    factor 9.

    Returns: the learning rate.
    """
    raise NotImplementedError("largest_learning_rate")


# ---- paper ----


def one_step_by_hand():
    """Take one step by hand: forward, backward, and down. Write down numbers.

    z = x w + b and L = (z - y)^2 / 2, with x = 2, w = 1, b = 0.5 and y = 1.5. The learning rate is
    0.1.

    Returns: the dict {"z": ..., "dz": ..., "dw": ..., "db": ..., "new w": ..., "new b": ...}.
    """
    raise NotImplementedError("one_step_by_hand")
