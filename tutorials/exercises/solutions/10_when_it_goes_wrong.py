"""Solutions of the exercises for 10_when_it_goes_wrong: one way among several, and why."""

import numpy as np

from numpymlp import Layer

# ---- fill ----


def standardize(x_train, x_new):
    """Scale every feature to mean 0 and standard deviation 1, measured on the training set."""
    # Measured on the training set alone: the new samples are not known when a network is trained.
    mean, deviation = x_train.mean(axis=0), x_train.std(axis=0)
    deviation = np.where(deviation == 0, 1, deviation)
    return (x_train - mean) / deviation, (x_new - mean) / deviation


def dead_share(hidden):
    """Compute the share of dead units, those that are 0 for every sample of a batch."""
    # all(axis=0): over the samples.
    return (hidden == 0).all(axis=0).mean()


class Dropout(Layer):
    """Drop random units in training and scale up the others; do nothing in evaluation."""

    def __init__(self, rate, rng):
        self.rate, self.rng = rate, rng

    def forward(self, x, training=False):
        self.cache = 1.0  # in evaluation the mask is 1, and backward belongs to this forward
        if training:
            alive = self.rng.random(x.shape) >= self.rate
            self.cache = alive / (1 - self.rate)
        return x * self.cache

    def backward(self, dy, input_gradient=True):
        return dy * self.cache


# ---- explore * ----


def gradient_through_sigmoids():
    """Measure by which factor each sigmoid layer shrinks the gradient."""
    # The derivative y (1 - y) is at most 1/4: ten layers leave a millionth. Hence ReLU.
    from numpymlp import Dense, Sigmoid

    rng = np.random.default_rng(0)
    chain = [layer for _ in range(10) for layer in (Dense(200, 200, rng=rng), Sigmoid())]
    for dense in chain[::2]:
        dense.W = rng.normal(0, 200**-0.5, (200, 200))
    x, dy = rng.normal(size=(2, 100, 200))
    dx = dy
    for layer in chain:
        x = layer.forward(x)
    for layer in reversed(chain):
        dx = layer.backward(dx)
    return ((dx**2).mean() / (dy**2).mean()) ** 0.05


# ---- paper ----


def read_the_curves():
    """Name the fault behind each of four runs on MNIST from its numbers alone."""
    # A: no gradient at all; with ln 10 = 2.303 the network only guesses. B: each step overshoots.
    # C: it is good on new images first, then learns samples by heart. D: it was never better than
    # guessing on new images: nothing general can be learned from shuffled labels, only the samples.
    return {
        "A": "dead units",
        "B": "learning rate too large",
        "C": "overfitting",
        "D": "shuffled labels",
    }
