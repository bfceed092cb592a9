"""Exercises for 00_the_data. Check them with: pytest tutorials/exercises -k 00

Replace each line that raises NotImplementedError by your own code. `x` is (N, pixels).
"""

import numpy as np


def write_idx(array):
    """Turn an array of bytes into the content of an IDX file: the way back from `parse_idx`.

    Parameters: array of dtype uint8, with any number of dimensions.
    Returns: bytes. First 00 00 08 and the number of dimensions, then each length as four bytes,
    big end first (`n.to_bytes(4, "big")` makes them), then the values (`array.tobytes()`).
    """
    raise NotImplementedError("write_idx")


def brighten(images, amount):
    """Make pictures brighter by `amount`, without a pixel that wraps around.

    Parameters: images of dtype uint8, any shape; amount, an integer from 0 to 255.
    Returns: an array of dtype uint8 and of the same shape. What would pass 255 stays at 255.
    """
    raise NotImplementedError("brighten")


def nearest_average(x, y, x_new):
    """Call each new sample what its nearest class average is.

    Parameters: x (N, pixels) and y (N,), labels 0 ... K - 1, each of which occurs; x_new
    (M, pixels).
    Returns: (M,) integers. Near means: the sum of the squared differences is small.
    """
    raise NotImplementedError("nearest_average")
