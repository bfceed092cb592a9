"""Exercises for 10_when_it_goes_wrong. Check them with:

    .venv/bin/pytest tutorials/exercises -k 10

Replace each line that raises NotImplementedError with your own code. `x` is (N, features).

fill: write the code. explore: run an experiment and return what you found. paper: work it out by
hand and return the numbers. A * marks the hard ones.
"""

import numpy as np

from numpymlp import Layer

# ---- fill ----


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


# ---- explore * ----


def gradient_through_sigmoids():
    """Measure by which factor each sigmoid layer shrinks the gradient.

    Chain ten times `Dense(200, 200, rng=rng)` and `Sigmoid()` of `numpymlp`, with any seed. Set
    each W to `rng.normal(0, 200**-0.5, (200, 200))`, which keeps the size of what passes through W
    alone. Run a standard normal batch (100, 200) forward and a standard normal dy backward. The
    root mean square of dx, divided by that of dy, to the power 1/10, is the factor of a layer.

    Returns: the factor. A tenth more or less does not matter.
    """
    raise NotImplementedError("gradient_through_sigmoids")


# ---- paper ----


def read_the_curves():
    """Name the fault behind each of four runs on MNIST from its numbers alone.

    run  training loss by epoch      validation loss by epoch
    A    2.303 2.303 2.303 2.303     2.303 2.303 2.303 2.303   (equal to the last digit)
    B    2.9   48.1  3120  nan       11.2  902   nan   nan
    C    0.31  0.05  0.004 0.0003    0.33  0.36  0.52  0.71
    D    2.30  2.21  1.98  1.60      2.32  2.37  2.49  2.71

    The faults: "overfitting" on true labels, "shuffled labels", "dead units" in a whole layer,
    "learning rate too large". Each occurs once.

    Returns: the dict {"A": ..., "B": ..., "C": ..., "D": ...} with these words.
    """
    raise NotImplementedError("read_the_curves")
