"""MNIST and every data set in its format: from four IDX files to arrays ready for training.

An IDX file is a short header and then plain numbers: two zero bytes, one byte for the type, one
for the number of dimensions, four bytes for each dimension, then the values in C order, the most
significant byte first. `load_mnist` reads the copy inside this package, `load_folder` any folder
of the same four files. The header is checked against the size of the file before memory is taken
for the values. `tutorials/00_the_data.py` writes such a reader in ten lines. Next: `splits.py`.
"""

from __future__ import annotations

import gzip
import math
import os
import re
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BufferedIOBase
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from numpymlp.data.files import regular_file
from numpymlp.validation import InputError

DTYPES: dict[int, np.dtype[Any]] = {
    0x08: np.dtype(">u1"),
    0x09: np.dtype(">i1"),
    0x0B: np.dtype(">i2"),
    0x0C: np.dtype(">i4"),
    0x0D: np.dtype(">f4"),
    0x0E: np.dtype(">f8"),
}
MAX_BYTES = 2**30
MAX_RANK = 64  # of a NumPy array
CHUNK = 2**20
# A match of 258 bytes costs deflate at least two bits, so nothing shrinks further than 1032 : 1.
MAX_GZIP_RATIO = 1032

ROLES = ("train-images", "train-labels", "t10k-images", "t10k-labels")
FOUR_FILES = (
    "train-images-idx3-ubyte, train-labels-idx1-ubyte, t10k-images-idx3-ubyte, "
    "t10k-labels-idx1-ubyte (plain or .gz)"
)
# EMNIST puts its variant in front and says "test" for "t10k"; some unpackers turn "-idx" to ".idx".
FILE_NAME = re.compile(
    r"(?:(?P<variant>.+)-)?(?P<part>train|t10k|test)-(?P<kind>images|labels)"
    r"[-.]idx[13]-ubyte(?P<gzip>\.gz)?"
)

Split = tuple[NDArray[np.float32], NDArray[np.int64]]


def load_mnist() -> tuple[Split, Split]:
    """Load MNIST: 60,000 digits to train on and 10,000 to test on.

    The data is part of this package; nothing is downloaded.

    Returns
    -------
    (x_train, y_train), (x_test, y_test)
        `x` float32 (N, 784), one image of 28 x 28 pixels per row, background 0 and ink up to 1;
        `y` int64 (N,), the digits 0 to 9. Together 220 MB; the peak while loading is 240 MB.

    References
    ----------
    Y. LeCun, L. Bottou, Y. Bengio, P. Haffner, "Gradient-based learning applied to document
    recognition", Proceedings of the IEEE 86 (11), 1998.
    """
    return load_folder(Path(__file__).parent / "mnist")


def load_folder(
    folder: str | os.PathLike[str], variant: str | None = None, max_bytes: int = MAX_BYTES
) -> tuple[Split, Split]:
    """Load a folder of four IDX files: Fashion-MNIST, KMNIST, EMNIST, your own.

    The files are called ``train-images-idx3-ubyte``, ``train-labels-idx1-ubyte``,
    ``t10k-images-idx3-ubyte`` and ``t10k-labels-idx1-ubyte``, plain or with ``.gz``; where both
    are there, the plain one is read. Names with ``.idx3-ubyte``, with ``test`` for ``t10k``, and
    with a variant in front (``emnist-letters-train-images-idx3-ubyte``) are understood too.

    Images may have any size. EMNIST stores its images transposed, and its letters count from 1;
    both are returned as they are stored.

    Parameters
    ----------
    folder : str or PathLike
        The folder.
    variant : str, optional
        Which data set, where the folder holds several: ``"emnist-letters"``.
    max_bytes : int
        The most bytes a file may hold when decompressed. The images returned take four times
        their bytes in the file, and loading never takes more than one file on top of that.

    Returns
    -------
    (x_train, y_train), (x_test, y_test)
        `x` float32 (N, rows * columns) in [0, 1]; `y` int64 (N,).

    Raises
    ------
    InputError
        If a file is missing, damaged, not what its name says, or does not match the others.
        All four headers are checked before the values of any are read.
    """
    headers = {role: _read_header(path, max_bytes) for role, path in _four(folder, variant).items()}
    _check_headers(headers)
    train, test = (
        (_scaled(_read_values(headers[f"{part}-images"])), _labels(headers[f"{part}-labels"]))
        for part in ("train", "t10k")
    )
    return train, test


def image_shape(
    folder: str | os.PathLike[str], variant: str | None = None, max_bytes: int = MAX_BYTES
) -> tuple[int, int]:
    """Tell how many rows and columns the images of such a folder have; no values are read.

    `load_folder` gives each image as one row of numbers, from which this cannot be told.
    """
    header = _read_header(_four(folder, variant)["train-images"], max_bytes)
    if len(header.shape) != 3:
        raise InputError(
            f"{header.path}: expected images (N, rows, columns), got the shape {header.shape}"
        )
    rows, columns = header.shape[1:]
    return rows, columns


def read_idx(path: str | os.PathLike[str], max_bytes: int = MAX_BYTES) -> NDArray[Any]:
    """Read one IDX file, plain or gzip, of any type and rank.

    Parameters
    ----------
    path : str or PathLike
        The file. Whether it is compressed is seen from its bytes, not from its name.
    max_bytes : int
        The most bytes the file may hold when decompressed (1 GiB). Reading never takes more
        memory than the header promises and 4 MiB besides, and a header that promises more than
        `max_bytes` or than the file can hold is refused before anything is taken.

    Returns
    -------
    ndarray
        The values, in the byte order of this machine and the shape that the header gives.

    Raises
    ------
    InputError
        If the file is missing, not IDX, truncated, too long, too large, or damaged.
    """
    return _read_values(_read_header(path, max_bytes))


@dataclass(frozen=True)
class _Header:
    """What an IDX file says of itself, already checked against the size of the file."""

    path: Path
    gzipped: bool
    dtype: np.dtype[Any]
    shape: tuple[int, ...]

    @property
    def start(self) -> int:
        """Bytes before the first value."""
        return 4 + 4 * len(self.shape)

    @property
    def nbytes(self) -> int:
        """Bytes that the values take."""
        return math.prod(self.shape) * self.dtype.itemsize

    def __str__(self) -> str:
        return f"{self.dtype.newbyteorder('=')} of shape {self.shape}"


def _read_header(path: str | os.PathLike[str], max_bytes: int) -> _Header:
    """Read and check the header; no memory is taken for the values."""
    path, size = regular_file(path, "an IDX file")
    with _faults_named(path), path.open("rb") as file:
        gzipped = file.read(2) == b"\x1f\x8b"
    with _faults_named(path), _opened(path, gzipped) as stream:
        magic = stream.read(4)
        if len(magic) < 4 or magic[:2] != b"\0\0":
            raise InputError(
                f"{path}: expected an IDX file, which begins with two zero bytes, a type and a "
                f"rank, got {magic.hex(' ') or 'nothing'}: is it another format, or a web page "
                f"saved in place of the data?"
            )
        dtype, rank = DTYPES.get(magic[2]), magic[3]
        if dtype is None:
            known = ", ".join(f"{code:02x}" for code in DTYPES)
            raise InputError(f"{path}: expected an IDX type among {known}, got {magic[2]:02x}")
        if rank > MAX_RANK:
            raise InputError(f"{path}: expected at most {MAX_RANK} dimensions, got {rank}")
        dimensions = stream.read(4 * rank)
    if len(dimensions) < 4 * rank:
        raise InputError(
            f"{path}: expected a header of {4 + 4 * rank} bytes for {rank} dimensions, got "
            f"{4 + len(dimensions)}: the file is truncated"
        )
    shape = tuple(int(n) for n in np.frombuffer(dimensions, dtype=">u4"))
    header = _Header(path, gzipped, dtype, shape)
    _check_size(header, size, max_bytes)
    return header


def _check_size(header: _Header, size: int, max_bytes: int) -> None:
    """Compare the bytes that the header promises with `size`, those of the file on disk."""
    # A zero counts as a one here: NumPy refuses (0, 2**32, 2**32) although it holds nothing.
    if math.prod(max(n, 1) for n in header.shape) * header.dtype.itemsize > max_bytes:
        raise InputError(
            f"{header.path}: expected at most {max_bytes:,} bytes of values, but the header "
            f"promises {header}: is it damaged? (max_bytes raises the bound)"
        )
    expected = header.start + header.nbytes
    came = _gzip_length(header, size, expected) if header.gzipped else size
    if came < expected:
        raise InputError(
            f"{header.path}: expected {expected:,} bytes for {header}, got {came:,}: "
            f"the file is truncated"
        )
    if came > expected:
        raise InputError(
            f"{header.path}: expected {expected:,} bytes for {header}, got more: "
            f"the header or the file is damaged"
        )


def _gzip_length(header: _Header, size: int, expected: int) -> int:
    """Decompressed length of a gzip file, counted no further than one byte past `expected`."""
    if expected > size * MAX_GZIP_RATIO:
        raise InputError(
            f"{header.path}: expected {expected:,} bytes for {header}, got {size:,} compressed, "
            f"which cannot hold as many: the file is truncated"
        )
    with _faults_named(header.path):
        with header.path.open("rb") as file:
            file.seek(-4, os.SEEK_END)
            # gzip ends with the length of its last member modulo 2**32. Where that agrees, an
            # ordinary file is whole; where not, it has several members, or is damaged: count.
            if int.from_bytes(file.read(), "little") == expected % 2**32:
                return expected
        with _opened(header.path, gzipped=True) as stream:
            came = 0
            while came <= expected:
                chunk = stream.read(min(CHUNK, expected + 1 - came))
                if not chunk:
                    break
                came += len(chunk)
            return came


def _read_values(header: _Header) -> NDArray[Any]:
    """Read what the header promises, straight into the array that is returned."""
    values = np.empty(math.prod(header.shape), header.dtype)
    target = values.view(np.uint8).data
    done = 0
    with _faults_named(header.path), _opened(header.path, header.gzipped) as stream:
        stream.read(header.start)
        # In pieces, because gzip's readinto makes a second copy of all that it is asked for.
        while count := stream.readinto(target[done : done + CHUNK]):
            done += count
        # Reading past the end is also what makes gzip compare its checksum.
        more = stream.read(1)
    if done < len(target) or more:
        came = "more" if more else f"{header.start + done:,}"
        raise InputError(
            f"{header.path}: expected {header.start + header.nbytes:,} bytes for {header}, got "
            f"{came}: the file is damaged"
        )
    if not values.dtype.isnative:
        values = values.byteswap(inplace=True).view(header.dtype.newbyteorder("="))
    return values.reshape(header.shape)


def _opened(path: Path, gzipped: bool) -> BufferedIOBase:
    return gzip.open(path, "rb") if gzipped else path.open("rb")


@contextmanager
def _faults_named(path: Path) -> Iterator[None]:
    """Turn what can go wrong while reading into one error that names the file."""
    try:
        yield
    except EOFError:
        raise InputError(f"{path}: expected a whole gzip file, got a truncated one") from None
    except (gzip.BadGzipFile, zlib.error) as error:
        raise InputError(f"{path}: expected a sound gzip file, got a fault: {error}") from None
    except OSError as error:
        raise InputError(f"{path}: the file cannot be read: {error}") from None


def _four(folder: str | os.PathLike[str], variant: str | None) -> dict[str, Path]:
    """Find the file for each of the four roles."""
    folder = Path(folder)
    try:
        names = sorted(os.listdir(folder))
    except FileNotFoundError:
        raise InputError(f"{folder}: expected a folder with {FOUR_FILES}, got nothing") from None
    except NotADirectoryError:
        raise InputError(f"{folder}: expected a folder with {FOUR_FILES}, got a file") from None
    except (OSError, ValueError) as error:
        raise InputError(f"{str(folder)!r}: the folder cannot be read: {error}") from None

    variants: dict[str, dict[str, Path]] = {}
    for name in sorted(names, key=lambda name: name.endswith(".gz")):  # plain files first
        if (match := FILE_NAME.fullmatch(name)) and not (folder / name).is_dir():
            part = "train" if match["part"] == "train" else "t10k"
            found = variants.setdefault(match["variant"] or "", {})
            found.setdefault(f"{part}-{match['kind']}", folder / name)

    if variant is None and len(variants) > 1:
        raise InputError(
            f"{folder}: expected one data set, got {len(variants)}: choose one with variant=, "
            f"of {', '.join(map(repr, variants))}"
        )
    four = variants.get(variant, {}) if variant is not None else next(iter(variants.values()), {})
    if missing := [role for role in ROLES if role not in four]:
        seen = ", ".join(names[:8]) + (", ..." if len(names) > 8 else "")
        raise InputError(
            f"{folder}: expected the four files {FOUR_FILES}; missing {', '.join(missing)}; "
            f"the folder holds {seen or 'nothing'}"
        )
    return four


def _check_headers(headers: dict[str, _Header]) -> None:
    """Check that images are images, labels are labels, and that they belong together."""
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


def _swapped(likely: bool) -> str:
    return ": were images and labels swapped?" if likely else ""


def _scaled(images: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return pixels 0 to 255 as float32 0 to 1, one image per row: (N, rows * columns)."""
    flat = images.reshape(len(images), -1)
    return np.divide(flat, np.float32(255), dtype=np.float32)


def _labels(header: _Header) -> NDArray[np.int64]:
    return _read_values(header).astype(np.int64)
