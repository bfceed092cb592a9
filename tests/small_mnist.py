"""The first images of MNIST as a folder of four IDX files, for tests that train on a folder."""

import struct

import numpy as np

from numpymlp import load_mnist


def write_idx(path, array):
    header = struct.pack(">HBB", 0, 8, array.ndim) + struct.pack(f">{array.ndim}I", *array.shape)
    path.write_bytes(header + array.astype(np.uint8).tobytes())


def small_mnist(folder, train, test):
    """Write the first `train` training and `test` test images; return the folder."""
    for (x, y), n, prefix in zip(load_mnist(), (train, test), ("train", "t10k"), strict=True):
        write_idx(folder / f"{prefix}-images-idx3-ubyte", (x[:n] * 255).reshape(n, 28, 28).round())
        write_idx(folder / f"{prefix}-labels-idx1-ubyte", y[:n])
    return folder
