"""Solutions of the exercises for 00_the_data: one way among several."""

import numpy as np


def write_idx(array):
    """Turn an array of bytes into the content of an IDX file: the inverse of `parse_idx`."""
    header = bytes([0, 0, 8, array.ndim])
    lengths = b"".join(n.to_bytes(4, "big") for n in array.shape)
    return header + lengths + array.tobytes()


def brighten(images, amount):
    """Make images brighter by `amount`, so that no pixel wraps around."""
    brighter = images.astype(np.int64) + amount
    return np.minimum(brighter, 255).astype(np.uint8)


def nearest_average(x, y, x_new):
    """Give each new sample the label of the nearest class average."""
    averages = [x[y == k].mean(axis=0) for k in range(y.max() + 1)]
    distances = [((x_new - average) ** 2).sum(axis=1) for average in averages]
    return np.argmin(distances, axis=0)
