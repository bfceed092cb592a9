"""Archives: model and checkpoint files, written whole or not at all, and never unpickled.

A file is an ordinary `.npz` archive that `numpy.load(path)` opens. Its member `header` is JSON
(``json.loads(bytes(numpy.load(path)["header"]))``), the other members are plain arrays. Nothing is
pickled, so opening an untrusted file cannot run code. `models.py` and `training/checkpoint.py` use
this module.

Reading takes two steps, because the header decides which arrays a file must hold: `open_archive`
reads the header, then `Archive.read` reads the arrays. It compares names, shapes and dtypes with
those that the caller expects before it allocates memory. A hostile file costs at most its own size,
1 MiB, and 32 times the header limit (`HEADER_LIMIT`).
"""

from __future__ import annotations

import contextlib
import json
import os
import stat
from collections.abc import Iterator, Mapping
from typing import IO, Any, Literal

import numpy as np
from numpy.typing import DTypeLike, NDArray

from numpymlp.storage.files import atomic_write, check_path, shown
from numpymlp.storage.npz import ArrayReader, write_arrays
from numpymlp.storage.reading import finite
from numpymlp.validation import InputError

Kind = Literal["model", "checkpoint", "snapshots"]

# Increase it with every change after which older releases cannot read new files, or this one old.
FORMAT_VERSION = 2
# Longest header in bytes. A checkpoint's header holds the history, one row per epoch.
HEADER_LIMIT: Mapping[str, int] = {"model": 2**20, "checkpoint": 2**24, "snapshots": 2**20}
_ADVICE = {
    "numpymlp checkpoint": ": a checkpoint resumes a training run; load the model next to it",
    "numpymlp model": ": a model has no optimizer state; resume from the checkpoint of the run",
}


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
        The file. No suffix is added.
    kind : {"model", "checkpoint", "snapshots"}
        Written into the header as `format`, next to the `version` of the format.
    header : mapping
        Values that JSON can hold, NumPy arrays and NumPy numbers; finite numbers only.
    arrays : mapping of str to ndarray
        Booleans, integers or finite floats.

    Raises
    ------
    InputError
        If an array holds NaN, infinity or objects, or the header is too long.
    StorageError
        If the file cannot be written.
    """
    content = {**header, "format": f"numpymlp {kind}", "version": FORMAT_VERSION}
    text = json.dumps(content, allow_nan=False, default=_to_python).encode()
    if len(text) > HEADER_LIMIT[kind]:
        raise InputError(
            f"{path}: expected a {kind} header of at most {HEADER_LIMIT[kind]:,} bytes, "
            f"got {len(text):,}"
        )
    for name, array in arrays.items():
        if array.dtype.kind not in "biuf":
            raise InputError(f"{path}: expected numbers in {name}, got dtype {array.dtype}")
        if not np.isfinite(array).all():
            raise InputError(
                f"{path}: {name} holds NaN or infinity and was not saved: training has diverged; "
                f"lower the learning rate, or restore the best weights"
            )
    members = {"header": np.frombuffer(text, dtype=np.uint8), **arrays}
    with atomic_write(path) as file:
        write_arrays(file, members)


def _to_python(value: Any) -> Any:
    """Return NumPy arrays and numbers, as in the state of a generator, as Python values."""
    if isinstance(value, np.ndarray | np.generic):
        return value.tolist()
    raise TypeError(f"{type(value).__name__} cannot be written as JSON")


# ---- reading ----


class Archive:
    """Hold an open `.npz` file whose header is checked; `read` checks and reads the arrays.

    Attributes
    ----------
    header : dict
        The JSON of the member `header`.
    """

    def __init__(self, path: str, file: IO[bytes], kind: Kind) -> None:
        self._path = path
        self._arrays = ArrayReader(path, file)
        self.header = self._read_header(kind)

    def read(
        self, expected: Mapping[str, tuple[tuple[int, ...], DTypeLike]]
    ) -> dict[str, NDArray[Any]]:
        """Read all arrays of the file; names, shapes and dtypes must be the expected ones.

        Parameters
        ----------
        expected : mapping of str to (shape, dtype)
            What follows from the header. Memory for an array is allocated only after the file was
            found to hold exactly these names, and exactly as many bytes as the shape needs.

        Returns
        -------
        dict of str to ndarray
            Arrays that own their memory, in native byte order; all floats are finite.

        Raises
        ------
        InputError
            If the file holds anything else, or a checksum is wrong.
        """
        names = sorted(self._arrays.sizes.keys() - {"header.npy"})
        wanted = sorted(f"{name}.npy" for name in expected)
        if names != wanted or not "".join(names).isprintable():
            raise InputError(
                f"{self._path} does not hold the arrays that its header describes: expected "
                f"{shown(', '.join(sorted(expected)))}, got {shown(', '.join(names))}"
            )
        return {
            name: self._arrays.read(name, dtype, shape) for name, (shape, dtype) in expected.items()
        }

    def _read_header(self, kind: Kind) -> dict[str, Any]:
        size = self._arrays.sizes.get("header.npy")
        if size is None:
            raise InputError(
                f"{self._path} is not a numpymlp {kind}: expected a header in it, got none"
            )
        if size > HEADER_LIMIT[kind] + 128:
            self._arrays.fail(
                f"expected a {kind} header of at most {HEADER_LIMIT[kind]:,} bytes, got {size:,}"
            )
        header = _parse_json(self._path, self._arrays.read("header", np.uint8).tobytes())
        found, version = header.get("format"), header.get("version")
        if found != f"numpymlp {kind}":
            raise InputError(
                f"{self._path} is not a numpymlp {kind}, its header says "
                f"{shown(repr(found))}{_ADVICE.get(str(found), '')}"
            )
        wanted = f"expected format version {FORMAT_VERSION}, got {shown(repr(version))}"
        if type(version) is not int or version < 1:
            self._arrays.fail(wanted)
        if version != FORMAT_VERSION:
            old = version < FORMAT_VERSION
            writer = "numpymlp 0.1; train again, or use that version"
            raise InputError(
                f"{self._path}: {wanted}: it was written by "
                + (writer if old else "a newer numpymlp; upgrade numpymlp")
            )
        return header


@contextlib.contextmanager
def open_archive(path: str | os.PathLike[str], kind: Kind) -> Iterator[Archive]:
    """Open a file that `write_archive` wrote, and check its header.

    Parameters
    ----------
    path : path-like
    kind : {"model", "checkpoint", "snapshots"}
        What the file must hold.

    Yields
    ------
    Archive

    Raises
    ------
    InputError
        If there is no such file, or it is truncated, altered, of another kind or of another
        format version. The message names the file and the fault.
    """
    name = check_path(path)
    try:
        # Check before opening: opening a pipe would block until somebody writes to it.
        if not stat.S_ISREG(os.stat(path).st_mode):
            raise InputError(f"{name} is not a regular file: expected a numpymlp {kind}")
        file = open(path, "rb")  # noqa: SIM115 - closed by the with below
    except FileNotFoundError as error:
        raise InputError(f"{name} does not exist: expected a numpymlp {kind}") from error
    except (OSError, ValueError) as error:
        raise InputError(f"{name!r} cannot be read: {error}") from error
    with file:
        yield Archive(name, file, kind)


def _parse_json(path: str, text: bytes) -> dict[str, Any]:
    def no_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) != len(pairs):
            raise ValueError("it holds the same name twice")
        return found

    try:
        header = json.loads(
            text.decode("utf-8"),
            parse_float=finite,
            parse_constant=finite,
            object_pairs_hook=no_duplicates,
        )
    except (ValueError, RecursionError) as error:
        raise InputError(
            f"{path} is altered: its header is not valid JSON: {shown(error)}"
        ) from error
    if not isinstance(header, dict):
        raise InputError(f"{path} is altered: its header is not a JSON object")
    return header
