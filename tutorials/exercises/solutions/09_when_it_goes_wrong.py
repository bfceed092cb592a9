"""Solutions of the exercises for 09_when_it_goes_wrong: one way among several."""

import numpy as np


def standardize(x_train, x_new):
    """Bring every feature to mean 0 and standard deviation 1, measured on the training set.

    Subtract the training set's mean of each feature and divide by its standard deviation (`std()`,
    which divides by N). Make new arrays; leave the given ones as they are.

    The new samples are treated exactly as the training samples are: with the same means and the
    same standard deviations. A feature that is constant in training becomes 0 there, without a
    division by zero; new samples then only have the training mean taken off.

    Parameters: x_train (N, features), x_new (M, features).
    Returns: both, standardized, of the same shapes.
    """
    mean, deviation = x_train.mean(axis=0), x_train.std(axis=0)
    deviation = np.where(deviation == 0, 1, deviation)
    return (x_train - mean) / deviation, (x_new - mean) / deviation


def dead_share(hidden):
    """Tell which share of the units is dead on a batch: 0 for every sample.

    Parameters: hidden (N, units), what comes out of a ReLU.
    Returns: a number from 0 to 1.
    """
    return (hidden == 0).all(axis=0).mean()


class Dropout:
    """Dropout that scales up what is left, so that evaluation has nothing to do.

    In training, each number of x becomes 0 with the probability `rate`, and is divided by
    1 - rate otherwise. In evaluation, x passes as it is. `self.rng.random(x.shape)` gives numbers
    from 0 to 1; a number below `rate` means: dropped. `backward` belongs to the last `forward`.
    """

    def __init__(self, rate, rng):
        self.rate, self.rng = rate, rng

    def forward(self, x, training=False):
        self.factor = 1.0
        if training:
            alive = self.rng.random(x.shape) >= self.rate
            self.factor = alive / (1 - self.rate)
        return x * self.factor

    def backward(self, dy):
        return dy * self.factor
