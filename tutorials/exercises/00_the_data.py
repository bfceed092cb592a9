"""Exercises for 00_the_data. Check them with: .venv/bin/pytest tutorials/exercises -k 00

Replace each line that raises NotImplementedError with your code. `x` is (N, pixels).
"""

import numpy as np


def write_idx(array):
    """Turn an array of bytes into the content of an IDX file: the inverse of `parse_idx`.

    Parameters: array of dtype uint8, with any number of dimensions.
    Returns: bytes. First 00 00 08 and the number of dimensions; then the length of each dimension
    as four bytes, big end first, which `n.to_bytes(4, "big")` gives; then the values, which
    `array.tobytes()` gives.
    """
    raise NotImplementedError("write_idx")


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
