"""Exercises for 06_gradient_checking. Check them with: pytest tutorials/exercises -k 06

Replace each line that raises NotImplementedError by your own code. The last exercise is a layer
that somebody else wrote: find its two faults and repair them.
"""

import numpy as np


def central_difference(f, p, h=1e-5):
    """Estimate the gradient of a function of one vector.

    Parameters: f, called as f(p), gives a number; p (P,), float64, must be the same afterwards;
    h, how far one number is moved, up and down.
    Returns: (P,) the estimate of df/dp.
    """
    raise NotImplementedError("central_difference")


def slopes_along(f, p, gradient, direction, h=1e-5):
    """Compare a gradient with the function along one direction.

    Parameters: f, called as f(p), gives a number; p, gradient and direction, each (P,).
    Returns: two numbers: the slope of f along the direction by a central difference, and what the
    gradient says that this slope is. The direction is used as it is, whatever its length.
    """
    raise NotImplementedError("slopes_along")


class Scale:
    """A layer that multiplies every feature by a factor and squashes it: y = tanh(x * factor).

    Its `forward` is right, its `backward` has two faults. `layer_error` of tutorial 06 checks dx;
    for dfactor compare `numeric_gradient(loss, layer.factor)` with `layer.dfactor`. Or let
    `numpymlp.gradient_check.check_layer` check both; it says what is wrong.
    """

    parameter_names = ("factor",)

    def __init__(self, features):
        self.factor = np.linspace(0.5, 1.5, features)

    def forward(self, x, training=False):
        self.x = x
        self.y = np.tanh(x * self.factor)
        return self.y

    def backward(self, dy):
        # The derivative of tanh is 1 - tanh^2.
        squashed = dy * (1 - self.y) ** 2
        self.dfactor = (squashed * self.x).mean(axis=0)
        return squashed * self.factor
