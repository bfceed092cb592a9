"""Solutions of the exercises for 07_gradient_checking: one way among several, and why."""

import numpy as np

from numpymlp.layers import Layer, parameter

# ---- fill ----


def central_difference(f, p, h=1e-5):
    """Estimate the gradient of a function of one vector."""
    # p + step is a new array, so p itself never changes.
    gradient = np.zeros_like(p)
    for i in range(len(p)):
        step = np.zeros_like(p)
        step[i] = h
        gradient[i] = (f(p + step) - f(p - step)) / (2 * h)
    return gradient


def slopes_along(f, p, gradient, direction, h=1e-5):
    """Compare a gradient with the function along one direction."""
    # Two evaluations check all numbers of the gradient at once, but only along one direction.
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


# ---- explore ----


def best_step():
    """Find the best step of a central difference, in float64 and in float32."""
    # The formula's error falls as h^2, rounding grows as u / h: best near the cube root of u,
    # which is 6e-6 in float64 (u = 2e-16) and 5e-3 in float32 (u = 1e-7).
    best = {}
    for kind in (np.float64, np.float32):
        errors = {}
        for exponent in range(-1, -11, -1):
            x, h = kind(1), kind(10.0**exponent)
            estimate = (np.exp(x + h) - np.exp(x - h)) / (2 * h)
            errors[exponent] = abs(float(estimate) - np.e)
        best[kind.__name__] = min(errors, key=errors.get)
    return best


# ---- paper ----


def errors_by_hand():
    """Work out by hand the error of two finite differences. Write down numbers."""
    # (p + h)^3 = p^3 + 3 p^2 h + 3 p h^2 + h^3. In the central difference, 3 p h^2 cancels.
    return {"one-sided": 3 * 2 * 0.1 + 0.1**2, "central": 0.1**2}
