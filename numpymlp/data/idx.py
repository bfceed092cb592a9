"""Read MNIST and other data sets in the IDX format into arrays ready for training.

An IDX file consists of two zero bytes, one byte for the type, one for the number of dimensions,
four bytes for each dimension, then the values in C order, all big-endian. `load_mnist` reads the
copy inside this package, `load_folder` any folder of the same four files. The header is checked
against the size of the file before memory is allocated for the values. `tutorials/00_the_data.py`
writes such a reader in ten lines. Next: `splits`.
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

from numpymlp.data.files import one_line, regular_file
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
MAX_GZIP_MEMBERS = 5_000  # parallel compressors write one for each 64 KiB or more
# Deflate needs at least two bits for a match of 258 bytes, so no file shrinks more than 1032 : 1.
MAX_GZIP_RATIO = 1032

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

Split = tuple[NDArray[np.float32], NDArray[np.int64]]


def load_mnist() -> tuple[Split, Split]:
    """Load MNIST: 60,000 training digits and 10,000 test digits.

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
    headers = {role: _read_header(path, max_bytes) for role, path in _four(folder, variant).items()}
    _check_headers(headers)
    train, test = (
        (_scaled(_read_values(headers[f"{part}-images"])), _labels(headers[f"{part}-labels"]))
        for part in ("train", "t10k")
    )
    return train, test


@one_line()
def image_shape(
    folder: str | os.PathLike[str], variant: str | None = None, max_bytes: int = MAX_BYTES
) -> tuple[int, int]:
    """Read the (rows, columns) of a folder's images from the header; see `load_folder`."""
    header = _read_header(_four(folder, variant)["train-images"], max_bytes)
    if len(header.shape) != 3:
        raise InputError(
            f"{header.path}: expected images (N, rows, columns), got the shape {header.shape}"
        )
    rows, columns = header.shape[1:]
    return rows, columns


@one_line()
def read_idx(path: str | os.PathLike[str], max_bytes: int = MAX_BYTES) -> NDArray[Any]:
    """Read one IDX file, plain or gzip, of any type and rank.

    Parameters
    ----------
    path : str or PathLike
        The file. Its bytes, not its name, show whether it is compressed.
    max_bytes : int
        Maximum size of the values when decompressed (1 GiB). Reading needs at most 4 MiB more
        than the header promises. A header that promises more than `max_bytes`, or more than the
        file can hold, is refused before memory is allocated.

    Returns
    -------
    ndarray
        The values, in the byte order of this machine and the shape given by the header.

    Raises
    ------
    InputError
        If the file is missing, not IDX, truncated, too long, too large, or damaged.
    """
    return _read_values(_read_header(path, max_bytes))


@dataclass(frozen=True)
class _Header:
    """The header of an IDX file, checked against the size of the file."""

    path: Path
    gzipped: bool
    dtype: np.dtype[Any]
    shape: tuple[int, ...]

    @property
    def start(self) -> int:
        """Position of the first value in the file, in bytes."""
        return 4 + 4 * len(self.shape)

    @property
    def nbytes(self) -> int:
        """Size of the values in bytes."""
        return math.prod(self.shape) * self.dtype.itemsize

    def __str__(self) -> str:
        return f"{self.dtype.newbyteorder('=')} of shape {self.shape}"


def _read_header(path: str | os.PathLike[str], max_bytes: int) -> _Header:
    """Read and check the header without allocating memory for the values."""
    path, size = regular_file(path, "an IDX file")
    with _faults_named(path), path.open("rb") as file:
        gzipped = file.read(2) == b"\x1f\x8b"
    if gzipped:
        _check_members(path)
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


def _check_members(path: Path) -> None:
    """Refuse a gzip file of very many members: each takes a tenth of a millisecond."""
    count, end = 0, b""
    with _faults_named(path), path.open("rb") as file:
        while count <= MAX_GZIP_MEMBERS and (chunk := file.read(CHUNK)):
            # Every member begins so; other data do by chance, once in 16 MiB.
            count += (end + chunk).count(b"\x1f\x8b\x08")
            end = chunk[-2:]
    if count > MAX_GZIP_MEMBERS:
        raise InputError(
            f"{path}: expected at most {MAX_GZIP_MEMBERS:,} gzip members, got more: pack it again"
        )


def _check_size(header: _Header, size: int, max_bytes: int) -> None:
    """Compare the bytes that the header promises with `size`, the bytes on disk."""
    # A zero counts as a one, because NumPy refuses (0, 2**32, 2**32) although it is empty.
    if math.prod(max(n, 1) for n in header.shape) * header.dtype.itemsize > max_bytes:
        raise InputError(
            f"{header.path}: expected at most {max_bytes:,} bytes of values, but the header "
            f"promises {header}: is it damaged? If not, raise max_bytes of load_folder"
        )
    expected = header.start + header.nbytes
    found = _gzip_length(header, size, expected) if header.gzipped else size
    if found < expected:
        raise InputError(
            f"{header.path}: expected {expected:,} bytes for {header}, got {found:,}: "
            f"the file is truncated"
        )
    if found > expected:
        raise InputError(
            f"{header.path}: expected {expected:,} bytes for {header}, got more: "
            f"the header or the file is damaged"
        )


def _gzip_length(header: _Header, size: int, expected: int) -> int:
    """Return the decompressed length of a gzip file, counted at most to `expected` + 1."""
    if expected > size * MAX_GZIP_RATIO:
        raise InputError(
            f"{header.path}: expected {expected:,} bytes for {header}, got {size:,} compressed, "
            f"which cannot hold as many: the file is truncated"
        )
    with _faults_named(header.path):
        with header.path.open("rb") as file:
            file.seek(-4, os.SEEK_END)
            # gzip ends with the length of its last member modulo 2**32. If it agrees, a file of
            # one member is complete; if not, there are several members, or damage: count.
            if int.from_bytes(file.read(), "little") == expected % 2**32:
                return expected
        with _opened(header.path, gzipped=True) as stream:
            found = 0
            while chunk := stream.read(min(CHUNK, expected + 1 - found)):
                found += len(chunk)
            return found


def _read_values(header: _Header) -> NDArray[Any]:
    """Read the values straight into the array that is returned."""
    values = np.empty(math.prod(header.shape), header.dtype)
    target = values.view(np.uint8).data
    done = 0
    with _faults_named(header.path), _opened(header.path, header.gzipped) as stream:
        stream.read(header.start)
        # In chunks, because gzip's readinto makes a second copy of what it reads.
        while count := stream.readinto(target[done : done + CHUNK]):
            done += count
        more = stream.read(1)  # reading past the end also makes gzip verify its checksum
    if done < len(target) or more:
        found = "more" if more else f"{header.start + done:,}"
        raise InputError(
            f"{header.path}: expected {header.start + header.nbytes:,} bytes for {header}, got "
            f"{found}: the file is damaged"
        )
    if not values.dtype.isnative:
        values = values.byteswap(inplace=True).view(header.dtype.newbyteorder("="))
    return values.reshape(header.shape)


def _opened(path: Path, gzipped: bool) -> BufferedIOBase:
    return gzip.open(path, "rb") if gzipped else path.open("rb")


@contextmanager
def _faults_named(path: Path) -> Iterator[None]:
    """Turn errors while reading into an `InputError` that names the file."""
    try:
        yield
    except EOFError:
        raise InputError(f"{path}: expected a complete gzip file, got a truncated one") from None
    except (gzip.BadGzipFile, zlib.error) as error:
        raise InputError(f"{path}: expected a valid gzip file, got: {error}") from None
    except OSError as error:
        raise InputError(f"{path}: expected a readable file, got: {error}") from None


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


def _check_headers(headers: dict[str, _Header]) -> None:
    """Check that images are images, labels are labels, and that they match."""
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
    return np.divide(images.reshape(len(images), -1), np.float32(255), dtype=np.float32)


def _labels(header: _Header) -> NDArray[np.int64]:
    return _read_values(header).astype(np.int64)
