"""Exercises for 13_convolution. Check them with: .venv/bin/pytest tutorials/exercises -k 13

Replace each line that raises NotImplementedError with your own code.

fill: write the code. explore: run an experiment and return what you found. paper: work it out by
hand and return the numbers. A * marks the hard ones.
"""

import numpy as np

# ---- paper ----


def lenet_for_colour():
    """Give shapes and parameters of a network for colour images of 32 x 32 pixels.

    The layers: Conv2D with 6 filters of 5 x 5, max pooling 2 x 2, Conv2D with 16 filters of 5 x 5,
    max pooling 2 x 2, Flatten. An image has three channels. The convolutions move one pixel at a
    time and have no zeros around the image.
    Give shapes without the batch, as (rows, columns, channels). Biases are parameters too.

    Returns: the dict {"shape 1": after the first convolution, "parameters 1": of the first
    convolution, "pooled 1": the shape after the first pooling, "parameters 2": of the second
    convolution, "flat": how many numbers Flatten gives}.
    """
    raise NotImplementedError("lenet_for_colour")


# ---- fill ----


def convolve(image, weights, stride):
    """Slide a filter over an image, `stride` pixels at a time.

    The first window begins at row 0 and column 0, the next one `stride` columns to the right.
    Windows that do not fit into the image are left out. Loops are welcome.

    Shapes: image (H, W), weights (k, k).
    Returns: an array of shape ((H - k) // stride + 1, (W - k) // stride + 1).
    """
    raise NotImplementedError("convolve")


def max_pool_backward(x, dy):
    """Run the backward pass of max pooling over squares of 2 x 2.

    The largest pixel of each square gets the square's dy, the others get 0. No square has two
    largest pixels. `np.repeat(array, 2, axis=...)` repeats each entry along an axis.

    Shapes: x (N, H, W, C) with even H and W, dy (N, H / 2, W / 2, C).
    Returns: dx, of the shape of x.
    """
    raise NotImplementedError("max_pool_backward")


# ---- explore ----


def receptive_field(layers, image):
    """Find how many rows of the image can influence *one* output.

    One output of a 3 x 3 convolution sees 3 rows. How many does one output of the *second* 3 x 3
    convolution see? Guess first. Then find out: run `image` forward through all layers. Take a dy
    that is 1 at one output near the middle and 0 elsewhere, and run it backward. Count the rows of
    dx that have a gradient other than 0.

    Parameters: layers, a list of the package's Conv2D; image, of shape (1, H, W, 1).
    Returns: an integer. Try strides of 2 as well: `Conv2D(1, 1, 3, stride=2, rng=rng)`.
    """
    raise NotImplementedError("receptive_field")


# ---- fill * ----


def as_dense(weights, height, width):
    """Write a filter as the weight matrix of a dense layer.

    A convolution with one filter is a dense layer whose weights are mostly 0, and the rest equal.
    Build this matrix M, such that

        image.ravel() @ M == convolution of the image, .ravel()

    Shapes: weights (k, k); M (height * width, (height - k + 1) * (width - k + 1)).
    Hint: column number r * (width - k + 1) + c belongs to the window that begins at row r and
    column c. Which pixels are in it?
    """
    raise NotImplementedError("as_dense")
