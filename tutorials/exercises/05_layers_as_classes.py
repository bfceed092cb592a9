"""Exercises for 05_layers_as_classes. Check them with: .venv/bin/pytest tutorials/exercises -k 05

Replace each line that raises NotImplementedError with your code. x is (N, features).
"""

import numpy as np


class LeakyReLU:
    """A ReLU that is not 0 below zero: y = x where x > 0, else slope * x."""

    def __init__(self, slope=0.1):
        self.slope = slope

    def forward(self, x):
        raise NotImplementedError("LeakyReLU.forward")

    def backward(self, dy):
        raise NotImplementedError("LeakyReLU.backward")


class Scale:
    """Multiply each feature by its own factor and add its own shift: y = factor * x + shift.

    Both are parameters. Their gradients `dfactor` and `dshift` may be views of a longer vector, so
    `backward` must write into these arrays and never replace them.
    """

    def __init__(self, features):
        self.factor, self.shift = np.ones(features), np.zeros(features)
        self.dfactor, self.dshift = np.zeros(features), np.zeros(features)

    def forward(self, x):
        raise NotImplementedError("Scale.forward")

    def backward(self, dy):
        raise NotImplementedError("Scale.backward")


class MeanSquaredError:
    """A loss: the mean over the samples of sum over the outputs of (output - target)^2 / 2."""

    def forward(self, outputs, y):
        """Return the loss for the targets y; leave in self.cache what `backward` needs."""
        raise NotImplementedError("MeanSquaredError.forward")

    def backward(self):
        """Return the gradient of the loss with respect to the outputs."""
        raise NotImplementedError("MeanSquaredError.backward")
