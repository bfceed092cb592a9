"""Exercises for 06_layers_as_classes. Check them with: .venv/bin/pytest tutorials/exercises -k 06

Replace each line that raises NotImplementedError with your code. x is (N, features).

fill: write the code. explore: run an experiment and return what you found. paper: work it out by
hand and return the numbers. A * marks the hard ones.
"""

import numpy as np

# ---- fill ----


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


# ---- explore * ----


def one_object_twice():
    """Find out what goes wrong if one ReLU object stands at two places of a network.

    Chain layers of `numpymlp` by hand: Dense(3, 4), relu, Dense(4, 4), relu (the same object) and
    Dense(4, 2); Dense needs `rng=np.random.default_rng(0)`. Run a random x forward through all
    five, then a random dy of shape (N, 2) backward. Is dW of the three Dense layers right? Compare
    with finite differences, or with a chain that has two ReLU objects. Which are wrong, and why
    exactly these?

    Returns: a set of numbers from 1 to 3, the Dense layers whose dW is wrong.
    """
    raise NotImplementedError("one_object_twice")


# ---- paper ----


def numbers_by_hand():
    """Count by hand the numbers that a network 784-128-10 of two Dense layers holds.

    For a batch of 100 samples: its parameters, their gradients, and what the two Dense layers
    keep in their caches, each its whole input.

    Returns: the dict {"parameters": ..., "gradients": ..., "caches": ...}.
    """
    raise NotImplementedError("numbers_by_hand")
