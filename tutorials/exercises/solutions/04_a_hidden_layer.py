"""Solutions of the exercises for 04_a_hidden_layer: one way among several, and why."""

import itertools

import numpy as np

# ---- fill ----


def forward(x, layers):
    """Run any number of layers, with ReLU between them, and none after the last."""
    *hidden, (W, b) = layers
    for weights, bias in hidden:
        x = np.maximum(x @ weights + bias, 0)
    # No ReLU after the last layer: a logit may be negative.
    return x @ W + b


def merge(W1, b1, W2, b2):
    """Replace two layers that have no activation function between them by one."""
    # (x W1 + b1) W2 + b2 = x (W1 W2) + (b1 W2 + b2): the first bias passes through W2 as well.
    return W1 @ W2, b1 @ W2 + b2


# ---- fill * ----


def through_points(x, y):
    """Choose the weights of a hidden layer, so that the network passes through given points."""
    # Left of x[0] all neurons are off: the output is b2, so b2 = y[0]. Right of x[k], the neurons
    # 0 to k are on, and the slope is w2[0] + ... + w2[k]. So w2[k] is the change of the slope.
    slopes = np.diff(y) / np.diff(x)
    return np.diff(slopes, prepend=0.0), y[0]


# ---- explore ----


def functions_of_one_neuron():
    """Count what one neuron can compute."""
    # 14 of 16, all but XOR and its opposite; 104 of 256. The share falls fast: 1,882 of 65,536
    # with four inputs.
    rng, found = np.random.default_rng(0), {}
    for name, inputs in (("two inputs", 2), ("three inputs", 3)):
        points = np.array(list(itertools.product([0, 1], repeat=inputs)))
        answers = points @ rng.normal(size=(inputs, 200_000)) + rng.normal(size=200_000) > 0
        found[name] = len(np.unique(answers, axis=1).T)
    return found


# ---- paper * ----


def parity_by_hand():
    """Choose the weights of a network for three inputs: is the number of ones odd?"""
    # With s ones, the hidden neurons are s, max(s - 1, 0) and max(s - 2, 0). For s = 0, 1, 2, 3 the
    # output u1 - 2 u2 + 2 u3 goes up, down and up again: 0, 1, 0, 1.
    return {
        "W1": [[1, 1, 1], [1, 1, 1], [1, 1, 1]],
        "b1": [0, -1, -2],
        "W2": [[1], [-2], [2]],
        "b2": [0],
    }
