"""`.npz` files of plain arrays, read so that a hostile file can neither run code nor fill memory.

`archive.py` builds the model and checkpoint format on this module.
"""

from __future__ import annotations

import math
import os
import re
import struct
import zipfile
from collections.abc import Mapping
from typing import IO, Any, NoReturn

import numpy as np
from numpy.typing import DTypeLike, NDArray

from numpymlp.storage.files import shown
from numpymlp.validation import InputError

_MEMBER_LIMIT = 64
_DIRECTORY_LIMIT = 2**14
_CHUNK = 2**20
# What zipfile raises on damaged archives.
_ZIP_FAULTS = (
    zipfile.BadZipFile, RuntimeError, EOFError, ValueError, OverflowError, struct.error, OSError,
)  # fmt: skip
# Array headers are parsed here, not by numpy.lib.format: that evaluates a header as Python text
# (`ast.literal_eval`, then a repair for Python 2), so a hostile one can raise SyntaxError,
# TokenError, RecursionError or MemoryError, and print warnings. This pattern matches exactly what
# NumPy writes for booleans, integers and floats; objects, records and text never match.
_NPY_MAGIC = b"\x93NUMPY\x01\x00"
_NPY_HEADER = re.compile(
    r"\{'descr': '([<>|][biuf]\d{1,2})', 'fortran_order': (True|False), "
    r"'shape': \(((?:\d{1,18}, ?)*(?:\d{1,18})?)\),? ?\} *\n"
)


def write_arrays(file: IO[bytes], arrays: Mapping[str, NDArray[Any]]) -> None:
    """Write arrays as an uncompressed `.npz` archive; the same arrays give the same bytes."""
    with zipfile.ZipFile(file, "w") as archive:
        for name, array in arrays.items():
            plain = np.asarray(array, dtype=array.dtype.newbyteorder("<"), order="C")
            # Fixed date, system and permissions: the bytes depend on the content alone.
            info = zipfile.ZipInfo(f"{name}.npy", date_time=(1980, 1, 1, 0, 0, 0))
            info.create_system, info.external_attr = 3, 0o644 << 16
            info.file_size = plain.nbytes + 128  # decides whether zipfile uses 64-bit sizes
            with archive.open(info, "w") as member:
                np.lib.format.write_array(member, plain, version=(1, 0), allow_pickle=False)


class ArrayReader:
    """Read single arrays of an open `.npz` file, each with the dtype and shape that it must have.

    Attributes
    ----------
    sizes : dict of str to int
        Bytes of each member, by its file name, such as "W.npy". No data has been read for it.

    Raises
    ------
    InputError
        If the archive is truncated, altered, compressed or too large.
    """

    def __init__(self, path: str, file: IO[bytes]) -> None:
        self._path = path
        self._size = os.fstat(file.fileno()).st_size
        _check_directory(path, file, self._size)
        file.seek(0)
        try:
            self._zip = zipfile.ZipFile(file)
        except _ZIP_FAULTS as error:
            self.fail(shown(error), error)
        members = self._zip.infolist()
        for info in members:
            self._check_member(info)
        self.sizes = {info.filename: info.file_size for info in members}
        if sum(self.sizes.values()) > self._size:  # members that overlap could claim any size
            self.fail(f"its members claim more bytes than its {self._size:,}")
        if len(self.sizes) < len(members):
            self.fail("it holds the same member twice")

    def read(
        self, name: str, dtype: DTypeLike, shape: tuple[int, ...] | None = None
    ) -> NDArray[Any]:
        """Read an array of this dtype and shape; None accepts any shape.

        Memory is allocated only after the member was found to be exactly as long as its shape
        needs. The array owns its memory, in native byte order; all its floats are finite.
        """
        native = np.dtype(dtype)
        stored = native.newbyteorder("<")
        try:
            with self._zip.open(f"{name}.npy") as member:
                array = np.empty(self._read_shape(member, name, stored, shape), stored)
                self._fill(member, name, array.reshape(-1))
        except InputError:
            raise
        except _ZIP_FAULTS as error:
            self.fail(f"{name}: {shown(error) or 'data is missing'}", error)
        return array.astype(native, copy=False)

    def fail(self, fault: str, cause: BaseException | None = None) -> NoReturn:
        """Raise InputError for a damaged file."""
        raise InputError(f"{self._path} is truncated or altered: {fault}") from cause

    def _check_member(self, info: zipfile.ZipInfo) -> None:
        if info.flag_bits & ~0x800 or info.compress_type != zipfile.ZIP_STORED:
            self.fail(f"expected plain members, got {shown(info.filename)} compressed or encrypted")
        if info.compress_size != info.file_size or info.file_size > self._size:
            self.fail(
                f"member {shown(info.filename)} claims {info.file_size:,} bytes, "
                f"the file has {self._size:,}"
            )

    def _read_shape(
        self, member: IO[bytes], name: str, dtype: np.dtype[Any], shape: tuple[int, ...] | None
    ) -> tuple[int, ...]:
        """Check the header of a `.npy` member and return its shape."""
        start = member.read(10)
        if len(start) < 10 or start[:8] != _NPY_MAGIC:
            self.fail(f"{name} is not a plain array (.npy version 1.0)")
        length = int(struct.unpack("<H", start[8:])[0])
        text = member.read(length).decode("latin1")
        found = _NPY_HEADER.fullmatch(text)
        if found is None:
            self.fail(f"{name} is not an array of plain numbers: {shown(text.strip())}")
        found_shape = tuple(int(n) for n in found[3].replace(",", " ").split())
        shape = found_shape if shape is None else shape
        if (found_shape, found[1], found[2]) != (shape, dtype.str, "False"):
            order = " in Fortran order" if found[2] == "True" else ""
            raise InputError(
                f"{self._path}: {name} does not fit the header: expected shape {shown(shape)} of "
                f"{dtype.str}, got {shown(str(found_shape))} of {found[1]}{order}"
            )
        data, needed = self.sizes[f"{name}.npy"] - 10 - length, math.prod(shape) * dtype.itemsize
        if data != needed:
            self.fail(f"expected {needed:,} bytes for the shape of {name}, got {data:,}")
        return found_shape

    def _fill(self, member: IO[bytes], name: str, array: NDArray[Any]) -> None:
        """Read into `array` in chunks, so that memory never holds a second copy."""
        count = _CHUNK // array.itemsize
        for start in range(0, len(array), count):
            piece = array[start : start + count]
            # zipfile raises if data are missing, and checks the checksum at the last byte.
            piece[...] = np.frombuffer(member.read(piece.nbytes), piece.dtype)
            if not np.isfinite(piece).all():
                raise InputError(
                    f"{self._path}: expected finite numbers in {name}, got NaN or infinity: the "
                    f"file is altered, or its training run diverged"
                )


def _check_directory(path: str, file: IO[bytes], size: int) -> None:
    """Check the archive's central directory before zipfile allocates memory for it.

    It must be small, and the last thing in the file. Source: APPNOTE.TXT of the ZIP format,
    sections 4.3.14 to 4.3.16.
    """
    if size == 0:
        raise InputError(f"{path} is empty")
    start = file.read(4)
    if start != b"PK\x03\x04":
        raise InputError(f"{path} is not an .npz archive: it begins with {start!r}")
    file.seek(max(0, size - 98))
    tail = file.read(98)
    end = tail[-22:]
    if len(tail) < 98 or end[:4] != b"PK\x05\x06" or end[20:] != b"\0\0":
        raise InputError(
            f"{path} is truncated, or has data after its end: expected the central directory of "
            f"an .npz archive as its last bytes"
        )
    entries, length = struct.unpack("<HL", end[10:16])
    if tail[56:60] == b"PK\x06\x07":  # above 2 GiB a longer record holds the numbers
        entries, length = struct.unpack("<QQ", tail[32:48])
    if entries > _MEMBER_LIMIT or length > _DIRECTORY_LIMIT:
        raise InputError(
            f"{path} is altered: expected at most {_MEMBER_LIMIT} members, listed in "
            f"{_DIRECTORY_LIMIT:,} bytes, got {entries:,} in {length:,}"
        )
