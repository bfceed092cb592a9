"""Models and checkpoints on disk: whole or not at all, and never a program.

A file is an ordinary `.npz` archive: `numpy.load(path)` opens it, its member `header` is JSON
(``json.loads(bytes(numpy.load(path)["header"]))``), the others are plain arrays. Nothing in it is
pickled, so opening a stranger's file cannot run anything. `Network.save` and `Network.load` stand
on this room, and so does `checkpoints.py`: read that next.

Reading goes in two steps, because what a file may hold depends on what its header says:
`open_archive` reads the header, `Archive.read` takes the arrays that the caller expects, and
compares names, shapes and types with the file before it takes memory for them. A hostile file
costs at most its own size, 1 MiB, and 32 times the header limit (`HEADER_LIMIT`).
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import re
import stat
import struct
import zipfile
from collections.abc import Iterator, Mapping
from typing import IO, Any, Literal, NoReturn

import numpy as np
from numpy.typing import DTypeLike, NDArray

from numpymlp.storage.files import atomic_write
from numpymlp.validation import InputError, check_path

Kind = Literal["model", "checkpoint"]

# Raised by one whenever a reader of today could not read the files of tomorrow.
FORMAT_VERSION = 1
# Longest header in bytes. A checkpoint's holds the history, one row for each epoch.
HEADER_LIMIT: Mapping[str, int] = {"model": 2**20, "checkpoint": 2**24}

_MEMBER_LIMIT = 64
_DIRECTORY_LIMIT = 2**14
_CHUNK = 2**20
# What zipfile raises about damaged archives, besides its own error.
_ZIP_FAULTS = (
    zipfile.BadZipFile,
    NotImplementedError,
    RuntimeError,
    EOFError,
    ValueError,
    OverflowError,
    struct.error,
    OSError,
)
_NPY_MAGIC = b"\x93NUMPY\x01\x00"
_NPY_HEADER = re.compile(
    r"\{'descr': '([<>|][biuf]\d{1,2})', 'fortran_order': (True|False), "
    r"'shape': \(((?:\d{1,18}, ?)*(?:\d{1,18})?)\),? ?\} *\n"
)


# ---- writing ----


def write_archive(
    path: str | os.PathLike[str],
    kind: Kind,
    header: Mapping[str, Any],
    arrays: Mapping[str, NDArray[Any]],
) -> None:
    """Write a header and arrays into one `.npz` file, whole or not at all.

    The same content gives the same bytes, at any time and on any machine.

    Parameters
    ----------
    path : path-like
        The file; the name is taken as it is, without adding an ending.
    kind : {"model", "checkpoint"}
        Stands in the header as `format`, beside the `version` of the format.
    header : mapping
        What JSON can hold, or NumPy's arrays and numbers; finite numbers only.
    arrays : mapping of str to ndarray
        Booleans, integers or floats; floats finite, since no reader would take them back.

    Raises
    ------
    InputError
        If an array holds NaN, infinity or objects.
    StorageError
        If the file cannot be written.
    """
    content = {**header, "format": f"numpymlp {kind}", "version": FORMAT_VERSION}
    text = json.dumps(content, allow_nan=False, default=_plain).encode()
    if len(text) > HEADER_LIMIT[kind]:
        raise InputError(
            f"{path}: the header of a {kind} holds at most {HEADER_LIMIT[kind]:,} bytes, "
            f"got {len(text):,}"
        )
    for name, array in arrays.items():
        if array.dtype.kind not in "biuf":
            raise InputError(f"{path}: {name} must hold numbers, got dtype {array.dtype}")
        if not np.isfinite(array).all():
            raise InputError(
                f"{path}: {name} holds NaN or infinity and was not saved: training has diverged; "
                f"lower the learning rate, or go back to the best weights"
            )
    members = {"header": np.frombuffer(text, dtype=np.uint8), **arrays}
    with atomic_write(path) as file, zipfile.ZipFile(file, "w") as archive:
        for name, array in members.items():
            _write_member(archive, name, array)


def _plain(value: Any) -> Any:
    """Turn NumPy's arrays and numbers, such as a random generator's state, into Python's."""
    if isinstance(value, np.ndarray | np.generic):
        return value.tolist()
    raise TypeError(f"{type(value).__name__} cannot be written as JSON")


def _write_member(archive: zipfile.ZipFile, name: str, array: NDArray[Any]) -> None:
    plain = np.asarray(array, dtype=array.dtype.newbyteorder("<"))
    # Fixed date, system and permissions: nothing but the content decides the bytes.
    info = zipfile.ZipInfo(f"{name}.npy", date_time=(1980, 1, 1, 0, 0, 0))
    info.create_system, info.external_attr = 3, 0o644 << 16
    info.file_size = plain.nbytes + 128  # lets zipfile choose the 64-bit form for large members
    with archive.open(info, "w") as member:
        member.write(_npy_header(plain))
        member.write(plain.reshape(-1).view(np.uint8).data)


def _npy_header(array: NDArray[Any]) -> bytes:
    """Give the first bytes of an `.npy` file: magic, version 1.0, length, a dictionary."""
    text = f"{{'descr': '{array.dtype.str}', 'fortran_order': False, 'shape': {array.shape}, }}"
    length = -(len(text) + 11) % 64 + len(text) + 1  # data begin at a multiple of 64 bytes
    return _NPY_MAGIC + struct.pack("<H", length) + text.ljust(length - 1).encode() + b"\n"


# ---- reading ----


class Archive:
    """An open `.npz` file whose header has been read and checked, and whose arrays have not.

    Attributes
    ----------
    header : dict
        The JSON of the member `header`.
    """

    def __init__(self, path: str, file: IO[bytes], kind: Kind) -> None:
        self._path = path
        self._size = os.fstat(file.fileno()).st_size
        _check_directory(path, file, self._size)
        file.seek(0)
        try:
            self._zip = zipfile.ZipFile(file)
        except _ZIP_FAULTS as error:
            raise InputError(f"{path} is truncated or altered: {error}") from error
        self._members = {info.filename: info for info in self._zip.infolist()}
        if len(self._members) < len(self._zip.infolist()):
            self._fail("a member stands twice in it")
        for info in self._members.values():
            self._check_member(info)
        self.header = self._read_header(kind)

    def read(
        self, expected: Mapping[str, tuple[tuple[int, ...], DTypeLike]]
    ) -> dict[str, NDArray[Any]]:
        """Read all arrays of the file, which must be these, with these shapes and types.

        Parameters
        ----------
        expected : mapping of str to (shape, dtype)
            What the header promises. Nothing is allocated before the file has been found to
            hold exactly this many bytes under exactly these names.

        Returns
        -------
        dict of str to ndarray
            Arrays that own their memory, in the machine's byte order; all floats are finite.

        Raises
        ------
        InputError
            If the file holds anything else, or its checksums do not fit.
        """
        names = sorted(self._members.keys() - {"header.npy"})
        if names != sorted(f"{name}.npy" for name in expected):
            raise InputError(
                f"{self._path} does not hold the arrays that its header promises: expected "
                f"{', '.join(sorted(expected))}, got {_shorten(', '.join(names))}"
            )
        return {
            name: self._read_array(name, shape, dtype) for name, (shape, dtype) in expected.items()
        }

    def _check_member(self, info: zipfile.ZipInfo) -> None:
        if info.flag_bits & ~0x800 or info.compress_type != zipfile.ZIP_STORED:
            self._fail(
                f"member {_shorten(info.filename)} is compressed or encrypted; "
                f"members of this format are stored as they are"
            )
        if info.compress_size != info.file_size or info.file_size > self._size:
            self._fail(
                f"member {_shorten(info.filename)} claims {info.file_size:,} bytes, "
                f"the file has {self._size:,}"
            )

    def _read_header(self, kind: Kind) -> dict[str, Any]:
        info = self._members.get("header.npy")
        if info is None:
            raise InputError(
                f"{self._path} is not a numpymlp {kind}: an archive, but without a header"
            )
        if info.file_size > HEADER_LIMIT[kind] + 128:
            self._fail(
                f"its header has {info.file_size:,} bytes, at most {HEADER_LIMIT[kind]:,} are "
                f"allowed in a {kind}"
            )
        header = _parse_json(self._path, self._read_array("header", None, np.uint8).tobytes())
        found, version = header.get("format"), header.get("version")
        if found != f"numpymlp {kind}":
            raise InputError(
                f"{self._path} is not a numpymlp {kind}, its header says "
                f"{_shorten(repr(found))}" + _advice(found)
            )
        if type(version) is not int or version < 1:
            self._fail(f"format version {_shorten(repr(version))} does not exist")
        if version > FORMAT_VERSION:
            raise InputError(
                f"{self._path} was written by a newer numpymlp: format version "
                f"{_shorten(str(version))}, this one reads up to {FORMAT_VERSION}; "
                f"upgrade numpymlp"
            )
        return header

    def _read_array(
        self, name: str, shape: tuple[int, ...] | None, dtype: DTypeLike
    ) -> NDArray[Any]:
        info, native = self._members[f"{name}.npy"], np.dtype(dtype)
        stored = native.newbyteorder("<")
        try:
            with self._zip.open(info) as member:
                found = self._check_array_header(member, name, shape, stored, info.file_size)
                array = np.empty(found, stored)
                self._fill(member, name, array.reshape(-1))
        except InputError:
            raise
        except _ZIP_FAULTS as error:
            self._fail(f"{name}: {str(error) or 'data is missing'}", error)
        return array.astype(native, copy=False)

    def _check_array_header(
        self,
        member: IO[bytes],
        name: str,
        shape: tuple[int, ...] | None,
        dtype: np.dtype[Any],
        size: int,
    ) -> tuple[int, ...]:
        """Return the shape of a member whose data are about to be read; None expects any."""
        start = member.read(10)
        if len(start) < 10 or start[:8] != _NPY_MAGIC:
            self._fail(f"{name} is not a plain array (.npy, version 1.0)")
        length = int(struct.unpack("<H", start[8:])[0])
        text = member.read(length).decode("latin1")
        found = _NPY_HEADER.fullmatch(text)
        if found is None:
            self._fail(f"{name} is not an array of plain numbers: {_shorten(text.strip())}")
        found_shape = tuple(int(n) for n in found[3].replace(",", " ").split())
        shape = found_shape if shape is None else shape
        if (found_shape, found[1], found[2]) != (shape, dtype.str, "False"):
            order = " in Fortran order" if found[2] == "True" else ""
            raise InputError(
                f"{self._path}: {name} does not fit the header: expected shape {shape} of "
                f"{dtype.str}, got {_shorten(str(found_shape))} of {found[1]}{order}"
            )
        data, promised = size - 10 - length, math.prod(shape) * dtype.itemsize
        if data != promised:
            self._fail(f"{name} has {data:,} bytes of data, its shape needs {promised:,}")
        return found_shape

    def _fill(self, member: IO[bytes], name: str, array: NDArray[Any]) -> None:
        """Read piece by piece into `array`, so that no second copy of it is ever in memory."""
        count = _CHUNK // array.itemsize
        for start in range(0, len(array), count):
            piece = array[start : start + count]
            # zipfile raises where data are missing, and compares the checksum at the last byte.
            piece[...] = np.frombuffer(member.read(piece.nbytes), piece.dtype)
            if not np.isfinite(piece).all():
                raise InputError(
                    f"{self._path}: {name} holds NaN or infinity: the file is altered, "
                    f"or comes from a training that diverged"
                )

    def _fail(self, fault: str, cause: BaseException | None = None) -> NoReturn:
        raise InputError(f"{self._path} is truncated or altered: {fault}") from cause


@contextlib.contextmanager
def open_archive(path: str | os.PathLike[str], kind: Kind) -> Iterator[Archive]:
    """Open a file that `write_archive` made and check its header.

    Parameters
    ----------
    path : path-like
    kind : {"model", "checkpoint"}
        What the file has to be.

    Yields
    ------
    Archive

    Raises
    ------
    InputError
        If there is no such file, or it is truncated, altered, of another kind or from a newer
        version. The message names the file and the fault; nothing in the file is ever executed.
    """
    name = check_path(path)
    try:
        # Asked before opening: opening a pipe would wait for a writer for ever.
        if not stat.S_ISREG(os.stat(path).st_mode):
            raise InputError(f"{name} is not a file: expected the path of a numpymlp {kind}")
        file = open(path, "rb")  # noqa: SIM115 - closed by the with below
    except FileNotFoundError as error:
        raise InputError(f"{name} does not exist: expected a numpymlp {kind}") from error
    except (OSError, ValueError) as error:
        raise InputError(f"{name!r} cannot be read: {error}") from error
    with file:
        yield Archive(name, file, kind)


def _check_directory(path: str, file: IO[bytes], size: int) -> None:
    """Check the archive's table of contents before zipfile takes memory for it.

    It must be small and end the file. Layout: APPNOTE.TXT of the ZIP format, sections 4.3.14
    to 4.3.16.
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
            f"{path} is truncated or has something behind its end: no table of contents where "
            f"an .npz archive has it"
        )
    entries, length = struct.unpack("<HL", end[10:16])
    if tail[56:60] == b"PK\x06\x07":  # larger than 2 GiB: the numbers stand in a longer record
        entries, length = struct.unpack("<QQ", tail[32:48])
    if entries > _MEMBER_LIMIT or length > _DIRECTORY_LIMIT:
        raise InputError(
            f"{path} is altered: its table of contents claims {entries:,} members in {length:,} "
            f"bytes, at most {_MEMBER_LIMIT} in {_DIRECTORY_LIMIT:,} are allowed"
        )


def _parse_json(path: str, text: bytes) -> dict[str, Any]:
    def finite(number: str) -> float:
        value = float(number)
        if not math.isfinite(value):
            raise ValueError(f"{_shorten(number)} is not a finite number")
        return value

    def no_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) != len(pairs):
            raise ValueError("a name stands twice in it")
        return found

    try:
        header = json.loads(
            text.decode("utf-8"),
            parse_float=finite,
            parse_constant=finite,
            object_pairs_hook=no_duplicates,
        )
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path} is altered: its header is not valid JSON: {error}") from error
    if not isinstance(header, dict):
        raise InputError(f"{path} is altered: its header is not a JSON object")
    return header


def _advice(found: object) -> str:
    if found == "numpymlp checkpoint":
        return ": a checkpoint is for resuming a training, the model lies beside it"
    if found == "numpymlp model":
        return ": a model has no optimizer state to resume from"
    return ""


def _shorten(text: str) -> str:
    """Keep a message to one line, whatever a hostile file puts into it."""
    line = ascii(text)[1:-1]
    return line if len(line) <= 200 else f"{line[:200]}..."
