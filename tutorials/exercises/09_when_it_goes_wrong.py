"""Exercises for 09_when_it_goes_wrong. Check them with:

    .venv/bin/pytest tutorials/exercises -k 09

Replace each line that raises NotImplementedError with your own code. `x` is (N, features).
"""

import numpy as np

from numpymlp import Layer


def standardize(x_train, x_new):
    """Scale every feature to mean 0 and standard deviation 1, measured on the training set.

    Subtract the training set's mean of each feature and divide by its standard deviation (`std()`,
    which divides by N). Return new arrays; do not change the arguments.

    Treat the new samples exactly as the training samples: with the same means and the same standard
    deviations. Where a feature is constant in the training set, subtract its mean and do not
    divide.

    Parameters: x_train (N, features), x_new (M, features).
    Returns: both, standardized, of the same shapes.
    """
    raise NotImplementedError("standardize")


def dead_share(hidden):
    """Compute the share of dead units, those that are 0 for every sample of a batch.

    Parameters: hidden (N, units), the output of a ReLU layer.
    Returns: a number from 0 to 1.
    """
    raise NotImplementedError("dead_share")


class Dropout(Layer):
    """Drop random units in training and scale up the others; do nothing in evaluation.

    In training, each number of x becomes 0 with the probability `rate`, and is divided by
    1 - rate otherwise. In evaluation, return x unchanged. `self.rng.random(x.shape)` draws numbers
    from 0 to 1: draw once in each `forward`, and drop where the number is below `rate`. `backward`
    belongs to the last `forward`.
    """

    def __init__(self, rate, rng):
        self.rate, self.rng = rate, rng

    def forward(self, x, training=False):
        raise NotImplementedError("Dropout.forward")

    def backward(self, dy, input_gradient=True):
        raise NotImplementedError("Dropout.backward")
