"""Data: MNIST, the IDX reader, splits, augmentation, digits from image files.

Read `idx` first, then `mnist`, `pixels`, `splits`, `augmentation` and `images`; `files` holds what
the readers share.
"""

from numpymlp.data.augmentation import Distortion
from numpymlp.data.idx import read_idx
from numpymlp.data.images import prepare_digit, read_digit_image
from numpymlp.data.mnist import image_shape, load_folder, load_mnist
from numpymlp.data.splits import five_sixths, split_indices, train_validation_split

__all__ = [
    "Distortion",
    "five_sixths",
    "image_shape",
    "load_folder",
    "load_mnist",
    "prepare_digit",
    "read_digit_image",
    "read_idx",
    "split_indices",
    "train_validation_split",
]
