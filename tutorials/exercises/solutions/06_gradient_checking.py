"""Solutions of the exercises for 06_gradient_checking: one way among several."""

import numpy as np

from numpymlp.layers import Layer, parameter


def central_difference(f, p, h=1e-5):
    """Estimate the gradient of a function of one vector.

    Parameters: f, a function: f(p) is a number; p (P,), float64, must be unchanged afterwards;
    h, the step by which one number is moved, up and down.
    Returns: (P,) the estimate of df/dp.
    """
    gradient = np.zeros_like(p)
    for i in range(len(p)):
        step = np.zeros_like(p)
        step[i] = h
        gradient[i] = (f(p + step) - f(p - step)) / (2 * h)
    return gradient


def slopes_along(f, p, gradient, direction, h=1e-5):
    """Compare a gradient with the function along one direction.

    Parameters: f, a function: f(p) is a number; p, gradient and direction, each (P,).
    Returns: two numbers: the slope of f along the direction by a central difference, and the slope
    that the gradient predicts. The direction is used as it is, whatever its length.
    """
    measured = (f(p + h * direction) - f(p - h * direction)) / (2 * h)
    return measured, gradient @ direction


class Scale(Layer):
    """Multiply every feature by its own factor and apply tanh: y = tanh(x * factor).

    One fault was a bracket, `(1 - y) ** 2`. The other was a mean over the samples instead of a sum.
    """

    factor, dfactor = parameter()

    def __init__(self, features):
        self.factor = np.linspace(0.5, 1.5, features)

    def forward(self, x, training=False):
        y = np.tanh(x * self.factor)
        self.cache = x, y
        return y

    def backward(self, dy, input_gradient=True):
        x, y = self.cache
        # With z = x * factor: the derivative of y = tanh(z) is 1 - tanh^2.
        dz = dy * (1 - y**2)
        self.dfactor = (dz * x).sum(axis=0)
        return dz * self.factor
