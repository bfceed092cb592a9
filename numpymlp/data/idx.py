"""Read arrays from files in the IDX format, such as those of MNIST.

An IDX file consists of two zero bytes, one byte for the type, one for the number of dimensions,
four bytes for each dimension, then the values in C order, all big-endian. The header is checked
against the size of the file before memory is allocated for the values. `tutorials/00_the_data.py`
writes such a reader in ten lines. Next: `mnist`, which reads the four files of a data set.
"""

from __future__ import annotations

import contextlib
import gzip
import math
import os
import zlib
from collections.abc import Iterator
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
COMPRESSED = 2**16
MAX_GZIP_MEMBERS = 5_000  # parallel compressors write one for each 64 KiB or more
# Deflate needs at least two bits for a match of 258 bytes, so no file shrinks more than 1032 : 1.
MAX_GZIP_RATIO = 1032


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
    return read_values(read_header(path, max_bytes))


@dataclass(frozen=True)
class Header:
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


def read_header(path: str | os.PathLike[str], max_bytes: int) -> Header:
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
    header = Header(path, gzipped, dtype, shape)
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


def _check_size(header: Header, size: int, max_bytes: int) -> None:
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


def _gzip_length(header: Header, size: int, expected: int) -> int:
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


def read_values(header: Header) -> NDArray[Any]:
    """Read the values straight into the array that is returned."""
    values = np.empty(math.prod(header.shape), header.dtype)
    target = values.view(np.uint8).data
    with _faults_named(header.path):
        if not (header.gzipped and _read_member(header, target)):
            _read_stream(header, target)
    if not values.dtype.isnative:
        values = values.byteswap(inplace=True).view(header.dtype.newbyteorder("="))
    return values.reshape(header.shape)


def _read_member(header: Header, target: memoryview) -> bool:
    """Read a gzip file of one member, faster than `gzip` does; return False for any other."""
    member, skip, done = zlib.decompressobj(wbits=31), header.start, 0
    with header.path.open("rb") as file, contextlib.suppress(zlib.error):
        while not member.eof and (chunk := member.unconsumed_tail or file.read(COMPRESSED)):
            values = member.decompress(chunk, CHUNK)[skip:]
            if len(values) > len(target) - done:
                return False
            target[done : done + len(values)] = values
            skip, done = 0, done + len(values)
        return member.eof and done == len(target) and not (member.unused_data or file.read(1))
    return False  # damaged: gzip says how


def _read_stream(header: Header, target: memoryview) -> None:
    """Read the values of any file, in chunks: gzip's readinto makes a second copy of each."""
    done = 0
    with _opened(header.path, header.gzipped) as stream:
        stream.read(header.start)
        while count := stream.readinto(target[done : done + CHUNK]):
            done += count
        more = stream.read(1)  # reading past the end also makes gzip verify its checksum
    if done < len(target) or more:
        found = "more" if more else f"{header.start + done:,}"
        raise InputError(
            f"{header.path}: expected {header.start + header.nbytes:,} bytes for {header}, got "
            f"{found}: the file is damaged"
        )


def _opened(path: Path, gzipped: bool) -> BufferedIOBase:
    return gzip.open(path, "rb") if gzipped else path.open("rb")


@contextlib.contextmanager
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
