"""Exercises for 04_a_hidden_layer. Check them with: .venv/bin/pytest tutorials/exercises -k 04

Replace each line that raises NotImplementedError with your code.

fill: write the code. explore: run an experiment and return what you found. paper: work it out by
hand and return the numbers. A * marks the hard ones.
"""

import numpy as np

# ---- fill ----


def forward(x, layers):
    """Run any number of layers, with ReLU between them, and none after the last.

    Shapes: x (N, in); layers is a list of pairs (W, b), each of shapes (in, out) and (out,).
    Returns: the output of the last layer, (N, K).
    """
    raise NotImplementedError("forward")


def merge(W1, b1, W2, b2):
    """Replace two layers that have no activation function between them by one.

    Shapes: W1 (in, H), b1 (H,), W2 (H, out), b2 (out,).
    Returns: W (in, out) and b (out,), so that x @ W + b equals (x @ W1 + b1) @ W2 + b2 for every x.
    """
    raise NotImplementedError("merge")


# ---- fill * ----


def through_points(x, y):
    """Choose the weights of a hidden layer, so that the network passes through given points.

    The network has one input, one ReLU neuron for each point but the last, and one output:

        output(s) = np.maximum(s * w1 + b1, 0) @ w2 + b2

    The points are (x[0], y[0]), (x[1], y[1]), ..., from left to right. Between two points the
    output must be a straight line. Let neuron k bend at x[k]: w1[k] = 1, b1[k] = -x[k]. What
    remains are w2 and b2. With enough neurons, such a network comes as near as you like to any
    curve.

    Shapes: x and y (H + 1,). Returns: w2 (H,) and the number b2.
    """
    raise NotImplementedError("through_points")


# ---- explore ----


def functions_of_one_neuron():
    """Count what one neuron can compute.

    With two inputs, each 0 or 1, there are four points, and so 2^4 = 16 ways to answer yes or no:
    AND, OR, XOR, always yes, and so on. How many of them can one neuron give, yes where
    x @ w + b > 0? And with three inputs, how many of 2^8 = 256? Draw w and b at random, many times,
    and collect the answers that you see.

    Returns: the dict {"two inputs": how many of 16, "three inputs": how many of 256}.
    """
    raise NotImplementedError("functions_of_one_neuron")


# ---- paper * ----


def parity_by_hand():
    """Choose the weights of a network for three inputs: is the number of ones odd?

    Each input is 0 or 1. Take three hidden neurons with ReLU. Continue the idea of the page: the
    first neuron counts the ones, and each of the others corrects the output from some number of
    ones on. The output itself, and not only its sign, must be right: 1 for an odd number of ones
    and 0 for an even number.

    Returns: the dict {"W1": (3, 3), "b1": (3,), "W2": (3, 1), "b2": (1,)}, nested lists.
    """
    raise NotImplementedError("parity_by_hand")
