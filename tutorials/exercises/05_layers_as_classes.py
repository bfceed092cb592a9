"""Exercises for 05_layers_as_classes. Check them with: pytest tutorials/exercises -k 05

Replace each line that raises NotImplementedError by your own code. x is (N, features).
"""

import numpy as np


class LeakyReLU:
    """ReLU that lets a little through below zero: y = x where x > 0, else slope * x."""

    def __init__(self, slope=0.1):
        self.slope = slope

    def forward(self, x):
        raise NotImplementedError("LeakyReLU.forward")

    def backward(self, dy):
        raise NotImplementedError("LeakyReLU.backward")


class Scale:
    """Each feature gets a factor and a shift of its own: y = factor * x + shift.

    It learns both. Their gradients `dfactor` and `dshift` may be views into a long vector, so
    `backward` writes into these arrays and never replaces them.
    """

    def __init__(self, features):
        self.factor, self.shift = np.ones(features), np.zeros(features)
        self.dfactor, self.dshift = np.zeros(features), np.zeros(features)

    def forward(self, x):
        raise NotImplementedError("Scale.forward")

    def backward(self, dy):
        raise NotImplementedError("Scale.backward")


class MeanSquaredError:
    """The loss: the mean over the samples of sum over the outputs of (y - t)^2 / 2."""

    def forward(self, y, t):
        """Return the loss; keep what `backward` needs."""
        raise NotImplementedError("MeanSquaredError.forward")

    def backward(self):
        """Return the gradient with respect to y."""
        raise NotImplementedError("MeanSquaredError.backward")
