"""Exercises for 04_backpropagation. Check them with: .venv/bin/pytest tutorials/exercises -k 04

Replace each line that raises NotImplementedError with your code. Write no loop. In each task the
forward pass is given. Here y is the output, and `dy` is the gradient of some loss with respect to
it. `dy` contains the 1/N of a mean already, so do not divide by N.
"""

import numpy as np


def two_layers(x, W1, b1, W2, b2, dy):
    """Run the backward pass of two layers with tanh between them.

    z1 = x @ W1 + b1
    hidden = np.tanh(z1)         the derivative of tanh at z1 is 1 - tanh(z1)^2
    y = hidden @ W2 + b2

    Shapes: x (N, in), W1 (in, H), W2 (H, out), dy (N, out).
    Returns: the dict {"dW1": ..., "db1": ..., "dW2": ..., "db2": ..., "dx": ...}.
    """
    raise NotImplementedError("two_layers")


def shortcut(x, W, b, dy):
    """Run the backward pass of a residual block: x is also added to the layer's output.

    y = x + np.maximum(x @ W + b, 0)

    ResNet, the network that made image classifiers of a hundred layers trainable, consists of such
    blocks.

    Shapes: x (N, F), W (F, F), b (F,), dy (N, F).
    Returns: the dict {"dW": ..., "db": ..., "dx": ...}. If a number acts along two paths, their
    slopes are added.
    """
    raise NotImplementedError("shortcut")


def used_twice(x, W, dy):
    """Run the backward pass of two layers that share their weights.

    hidden = np.maximum(x @ W, 0)
    y = hidden @ W

    Weight sharing is common: a recurrent network uses the same weights in every time step.

    Shapes: x (N, F), W (F, F), dy (N, F).
    Returns: dW (F, F).
    """
    raise NotImplementedError("used_twice")
