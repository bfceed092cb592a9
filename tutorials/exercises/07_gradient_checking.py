"""Exercises for 07_gradient_checking. Check them with:

    .venv/bin/pytest tutorials/exercises -k 07

Replace each line that raises NotImplementedError with your own code. The last exercise is a layer
with two faults: find them and repair them.

fill: write the code. explore: run an experiment and return what you found. paper: work it out by
hand and return the numbers. A * marks the hard ones.
"""

import numpy as np

from numpymlp.layers import Layer, parameter

# ---- fill ----


def central_difference(f, p, h=1e-5):
    """Estimate the gradient of a function of one vector.

    Parameters: f, a function: f(p) is a number; p (P,), float64, must be unchanged afterwards;
    h, the step by which one number is moved, up and down.
    Returns: (P,) the estimate of df/dp.
    """
    raise NotImplementedError("central_difference")


def slopes_along(f, p, gradient, direction, h=1e-5):
    """Compare a gradient with the function along one direction.

    Parameters: f, a function: f(p) is a number; p, gradient and direction, each (P,).
    Returns: two numbers: the slope of f along the direction by a central difference, and the slope
    that the gradient predicts. The direction is used as it is, whatever its length.
    """
    raise NotImplementedError("slopes_along")


class Scale(Layer):
    """Multiply every feature by its own factor and apply tanh: y = tanh(x * factor).

    `forward` is right, `backward` has two faults. `layer_error` of tutorial 07 checks dx; for
    dfactor, compare `numeric_gradient(loss, layer.factor)` with `layer.dfactor`. Or let
    `numpymlp.gradient_check.check_layer` check both; it says what is wrong.

    `factor, dfactor = parameter()` declares a parameter of the layer and its gradient.
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
        dz = dy * (1 - y) ** 2
        self.dfactor = (dz * x).mean(axis=0)
        return dz * self.factor


# ---- explore ----


def best_step():
    """Find the best step of a central difference, in float64 and in float32.

    Estimate the derivative of e^x at 1 with h = 10^-1, 10^-2, ... 10^-10, once with `np.float64`
    numbers and once with `np.float32` numbers for x and h. Which power of ten has the smallest
    error in each?

    Returns: the dict {"float64": exponent, "float32": exponent}, such as -3.
    """
    raise NotImplementedError("best_step")


# ---- paper ----


def errors_by_hand():
    """Work out by hand the error of two finite differences. Write down numbers.

    f(p) = p^3 at p = 2 with h = 0.1: expand (p + h)^3, and subtract the derivative 12 from
    the one-sided difference (f(p + h) - f(p)) / h and from the central one.

    Returns: the dict {"one-sided": error, "central": error}.
    """
    raise NotImplementedError("errors_by_hand")
