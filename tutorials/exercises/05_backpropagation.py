"""Exercises for 05_backpropagation. Check them with: .venv/bin/pytest tutorials/exercises -k 05

Replace each line that raises NotImplementedError with your code. Write no loop. In each task the
forward pass is given. Here y is the output, and `dy` is the gradient of some loss with respect to
it. `dy` contains the 1/N of a mean already, so do not divide by N.

fill: write the code. explore: run an experiment and return what you found. paper: work it out by
hand and return the numbers. A * marks the hard ones.
"""

import numpy as np

# ---- fill ----


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


# ---- fill * ----


def used_twice(x, W, dy):
    """Run the backward pass of two layers that share their weights.

    hidden = np.maximum(x @ W, 0)
    y = hidden @ W

    Weight sharing is common: a recurrent network uses the same weights in every time step.

    Shapes: x (N, F), W (F, F), dy (N, F).
    Returns: dW (F, F).
    """
    raise NotImplementedError("used_twice")


# ---- explore ----


def second_layer_at_zero():
    """Find out which gradients vanish if the second layer starts at zero.

    Take the network x -> x @ W1 + b1 -> ReLU -> hidden @ W2 + b2 with a random W1 and with W2 = 0,
    b1 = b2 = 0, and some random dy that is not 0. Which of dW1, db1, dW2, db2 are 0 in every entry?
    And which after one step of gradient descent, with the same dy? Predict first: can such a
    network learn, or is it as useless as one whose weights are all 0?

    Returns: two sets of names, at the start and after one step, such as {"db1", "dW2"}; an empty
    set is set().
    """
    raise NotImplementedError("second_layer_at_zero")


# ---- paper ----


def network_by_hand():
    """Go forward and backward through a network by hand. Write down numbers.

    x = (1, 2), one sample of shape (1, 2), and the target 4.
    W1 = ((1, 1), (1, -1)), b1 = (0, 0), then ReLU; W2 = ((2), (5)) of shape (2, 1), b2 = 0.
    L = (y - 4)^2 / 2 for the output y.

    Returns: the dict {"z1": (1, 2), "hidden": (1, 2), "y": a number, "dy": a number,
    "dW2": (2, 1), "dhidden": (1, 2), "dz1": (1, 2), "dW1": (2, 2), "dx": (1, 2)}, nested lists.
    """
    raise NotImplementedError("network_by_hand")
