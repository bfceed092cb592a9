"""Exercises for 00_the_data. Check them with: .venv/bin/pytest tutorials/exercises -k 00

Replace each line that raises NotImplementedError with your code. `x` is (N, pixels).

fill: write the code. explore: run an experiment and return what you found. paper: work it out by
hand and return the numbers. A * marks the hard ones.
"""

import numpy as np

# ---- fill * ----


def recentre(image):
    """Move a digit so that its centre of mass lies in the middle, as in all images of MNIST.

    A program that has learned from MNIST fails on digits that stand elsewhere. The centre of mass
    is the mean row and the mean column, each weighted by the pixels; the middle of (28, 28) is
    13.5 and 13.5. Round the distance from the centre of mass to the middle to whole pixels, with
    `round`, and move the digit by it, with `np.roll` along axis 0 and 1.

    Parameters: image (H, W), pixels of at least 0, not all 0, with enough blank paper around.
    Returns: a new image of the same shape.
    """
    raise NotImplementedError("recentre")


# ---- fill ----


def brighten(images, amount):
    """Make images brighter by `amount`, so that no pixel wraps around.

    Parameters: images of dtype uint8, any shape; amount, an integer from 0 to 255.
    Returns: a new array of dtype uint8 and of the same shape. A pixel that would exceed 255 becomes
    255.
    """
    raise NotImplementedError("brighten")


def nearest_average(x, y, x_new):
    """Give each new sample the label of the nearest class average.

    Parameters: x (N, pixels); y (N,), labels 0 ... K - 1, each of which occurs, for any K; x_new
    (M, pixels).
    Returns: (M,) integers. The distance is the sum of the squared differences.
    """
    raise NotImplementedError("nearest_average")


# ---- explore ----


def scrambled():
    """Find out how much the nearest average needs the places of the pixels.

    Take the first 2,000 training images and the first 500 test images of `load_mnist()`. How many
    of the 500 does `nearest_average` get right? Now put the pixels of all images, old and new, in
    the same random order: `x[:, order]` with `order = np.random.default_rng(0).permutation(784)`.
    How many now? Predict it before you run it.

    Returns: the two numbers of correct images, first without and then with the random order.
    """
    raise NotImplementedError("scrambled")


# ---- paper ----


def bytes_by_hand():
    """Work out by hand what bytes (dtype uint8, from 0 to 255) become. Write down numbers.

    Returns: the dict {"200 + 100": ..., "5 - 10": ..., "2 * 255": ...}.
    """
    raise NotImplementedError("bytes_by_hand")
