"""Data: MNIST itself, the reader of its format, splits, distortions, digits from image files.

Read `idx.py` first, then `splits.py`, `augmentation.py` and `images.py`; `files.py` holds what the
readers share.
"""

from numpymlp.data.augmentation import Distortion
from numpymlp.data.idx import image_shape, load_folder, load_mnist, read_idx
from numpymlp.data.images import prepare_digit, read_digit_image
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
