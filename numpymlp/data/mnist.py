"""Load MNIST, or another data set of the same four files, into arrays ready for training.

`load_mnist` reads the copy inside this package, `load_folder` any folder of four IDX files. All
headers are checked before any values are read. Next: `splits`.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path
from threading import Thread
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from numpymlp.data.files import one_line
from numpymlp.data.idx import MAX_BYTES, Header, read_header, read_values
from numpymlp.data.pixels import Pixels, scaled
from numpymlp.validation import InputError

ROLES = ("train-images", "train-labels", "t10k-images", "t10k-labels")
FOUR_FILES = (
    "train-images-idx3-ubyte, train-labels-idx1-ubyte, t10k-images-idx3-ubyte, "
    "t10k-labels-idx1-ubyte (plain or .gz)"
)
# EMNIST prefixes its variant and uses "test" for "t10k"; some unpackers turn "-idx" into ".idx".
FILE_NAME = re.compile(
    r"(?:(?P<variant>.+)-)?(?P<part>train|t10k|test)-(?P<kind>images|labels)"
    r"[-.]idx[13]-ubyte(?P<gzip>\.gz)?"
)

MNIST = Path(__file__).parent / "mnist"
Split = tuple[NDArray[np.float32], NDArray[np.int64]]
PixelSplit = tuple[Pixels, NDArray[np.int64]]


A = TypeVar("A")


def load_mnist() -> tuple[Split, Split]:
    """Load MNIST: 60,000 training digits and 10,000 test digits.

    The data is part of this package; nothing is downloaded.

    Returns
    -------
    (x_train, y_train), (x_test, y_test)
        `x` float32 (N, 784), one image of 28 x 28 pixels per row, background 0 and ink up to 1;
        `y` int64 (N,), the digits 0 to 9. Together 220 MB; the peak while loading is 270 MB.

    References
    ----------
    Y. LeCun, L. Bottou, Y. Bengio, P. Haffner, "Gradient-based learning applied to document
    recognition", Proceedings of the IEEE 86 (11), 1998.
    """
    return load_folder(MNIST)


@one_line()
def load_folder(
    folder: str | os.PathLike[str], variant: str | None = None, max_bytes: int = MAX_BYTES
) -> tuple[Split, Split]:
    """Load a folder of four IDX files: Fashion-MNIST, KMNIST, EMNIST, or custom data.

    The files are those of `FOUR_FILES`; if a plain and a ``.gz`` file exist, the plain one is read.
    Names with ``.idx3-ubyte``, with ``test`` for ``t10k``, or with a variant as prefix
    (``emnist-letters-train-images-idx3-ubyte``) work too. Images may have any size. EMNIST stores
    its images transposed, and its letters count from 1; both are returned as stored.

    Parameters
    ----------
    folder : str or PathLike
    variant : str, optional
        Name of the data set if the folder holds several: ``"emnist-letters"``.
    max_bytes : int
        Maximum decompressed size of a file. The images returned take four times as much memory.

    Returns
    -------
    (x_train, y_train), (x_test, y_test)
        `x` float32 (N, rows * columns) in [0, 1]; `y` int64 (N,).

    Raises
    ------
    InputError
        If a file is missing, damaged or does not match its name or the others. All headers are
        checked before any values are read.
    """
    headers = _checked_headers(folder, variant, max_bytes)

    def load(part: str) -> Split:
        x, y = _values(headers, part)
        return scaled(x), y

    return _in_two_threads(lambda: load("train"), lambda: load("t10k"))


@one_line()
def load_test(
    folder: str | os.PathLike[str] = MNIST, variant: str | None = None, max_bytes: int = MAX_BYTES
) -> Split:
    """Load the test images and labels of a folder alone, as `load_folder` does."""
    x, y = _values(_checked_headers(folder, variant, max_bytes), "t10k")
    return scaled(x), y


@one_line()
def load_pixels(
    folder: str | os.PathLike[str], variant: str | None = None, max_bytes: int = MAX_BYTES
) -> tuple[PixelSplit, PixelSplit]:
    """Load a folder as `load_folder` does, with the images as `Pixels`: a quarter of the memory."""
    headers = _checked_headers(folder, variant, max_bytes)

    def load(part: str) -> PixelSplit:
        x, y = _values(headers, part)
        return Pixels(x), y

    return _in_two_threads(lambda: load("train"), lambda: load("t10k"))


@one_line()
def image_shape(
    folder: str | os.PathLike[str], variant: str | None = None, max_bytes: int = MAX_BYTES
) -> tuple[int, int]:
    """Read the (rows, columns) of a folder's images from the header; see `load_folder`."""
    header = read_header(_four(folder, variant)["train-images"], max_bytes)
    if len(header.shape) != 3:
        raise InputError(
            f"{header.path}: expected images (N, rows, columns), got the shape {header.shape}"
        )
    rows, columns = header.shape[1:]
    return rows, columns


def variants(folder: str | os.PathLike[str]) -> list[str]:
    """Return the names of the data sets in a folder; "" without a prefix; none if unreadable."""
    try:
        return list(_data_sets(Path(folder), os.listdir(folder)))
    except (OSError, ValueError):
        return []


def _data_sets(folder: Path, names: list[str]) -> dict[str, dict[str, Path]]:
    """Return the file for each role, by the name of the data set."""
    found: dict[str, dict[str, Path]] = {}
    for name in sorted(names, key=lambda name: (name.endswith(".gz"), name)):  # plain files first
        if (match := FILE_NAME.fullmatch(name)) and not (folder / name).is_dir():
            part = "train" if match["part"] == "train" else "t10k"
            files = found.setdefault(match["variant"] or "", {})
            files.setdefault(f"{part}-{match['kind']}", folder / name)
    return found


def _four(folder: str | os.PathLike[str], variant: str | None) -> dict[str, Path]:
    """Return the file for each of the four roles."""
    folder = Path(folder)
    try:
        names = sorted(os.listdir(folder))
    except FileNotFoundError:
        raise InputError(f"{folder}: expected a folder with {FOUR_FILES}, got nothing") from None
    except NotADirectoryError:
        raise InputError(f"{folder}: expected a folder with {FOUR_FILES}, got a file") from None
    except (OSError, ValueError) as error:
        raise InputError(f"{str(folder)!r}: expected a readable folder, got: {error}") from None

    found = _data_sets(folder, names)
    if variant is None and len(found) > 1:
        first, *others = map(repr, found)
        raise InputError(
            f"{folder}: expected one data set, got {len(found)}: choose one with variant={first} "
            f"or {', '.join(others)}"
        )
    four = found.get(variant, {}) if variant is not None else next(iter(found.values()), {})
    if missing := [role for role in ROLES if role not in four]:
        seen = ", ".join(names[:8]) + (", ..." if len(names) > 8 else "")
        raise InputError(
            f"{folder}: expected the four files {FOUR_FILES}; missing {', '.join(missing)}; "
            f"the folder holds {seen or 'nothing'}"
        )
    return four


def _checked_headers(
    folder: str | os.PathLike[str], variant: str | None, max_bytes: int
) -> dict[str, Header]:
    """Read the four headers; check that images and labels are what they should be, and match."""
    headers = {role: read_header(path, max_bytes) for role, path in _four(folder, variant).items()}
    for role, header in headers.items():
        if role.endswith("images"):
            if header.dtype != np.uint8 or len(header.shape) != 3:
                raise InputError(
                    f"{header.path}: expected images, uint8 of shape (N, rows, columns), got "
                    f"{header}{_swapped(len(header.shape) == 1)}"
                )
        elif header.dtype.kind not in "iu" or len(header.shape) != 1:
            raise InputError(
                f"{header.path}: expected labels, integers of shape (N,), got "
                f"{header}{_swapped(len(header.shape) == 3)}"
            )
        if header.nbytes == 0:
            raise InputError(f"{header.path}: expected at least one sample, got {header}")
    for part in ("train", "t10k"):
        images, labels = headers[f"{part}-images"], headers[f"{part}-labels"]
        if images.shape[0] != labels.shape[0]:
            raise InputError(
                f"{labels.path}: expected {images.shape[0]:,} labels, one for each image of "
                f"{images.path.name}, got {labels.shape[0]:,}: do the files belong together?"
            )
    train, test = headers["train-images"], headers["t10k-images"]
    if train.shape[1:] != test.shape[1:]:
        raise InputError(
            f"{test.path}: expected images of {train.shape[1:]} pixels as in {train.path.name}, "
            f"got {test.shape[1:]}: do the files belong together?"
        )
    return headers


def _swapped(likely: bool) -> str:
    return ": were images and labels swapped?" if likely else ""


def _values(headers: dict[str, Header], part: str) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Return the images of a part, one per row, (N, rows * columns), and their labels."""
    images = read_values(headers[f"{part}-images"])
    return images.reshape(len(images), -1), read_values(headers[f"{part}-labels"]).astype(np.int64)


def _in_two_threads(first: Callable[[], A], second: Callable[[], A]) -> tuple[A, A]:
    """Return the results of both; a second thread computes the second meanwhile."""
    found: list[A] = []
    failed: list[Exception] = []

    def compute() -> None:
        try:
            found.append(second())
        except Exception as error:
            failed.append(error)

    thread = Thread(target=compute)
    thread.start()
    try:
        result = first()
    finally:
        thread.join()
    if failed:
        raise failed[0]
    return result, found[0]
