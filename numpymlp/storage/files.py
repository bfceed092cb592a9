"""Files that appear whole or not at all, and a folder that one process holds at a time.

Everything that this package writes goes through `atomic_write`: a kill, a full disk or a power
cut leaves either the former file or the new one, never half of it. `storage.py` writes models
and checkpoints with it: read that next.
"""

from __future__ import annotations

import contextlib
import csv
import errno
import glob
import io
import json
import os
import secrets
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import TracebackType
from typing import IO, Any, NoReturn, Self

from numpymlp.validation import InputError, check_path

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

_DISK_FULL = (errno.ENOSPC, errno.EFBIG, getattr(errno, "EDQUOT", errno.ENOSPC))


class StorageError(OSError):
    """A file could not be written; the message says which, why, and what is still there."""


@contextlib.contextmanager
def atomic_write(path: str | os.PathLike[str]) -> Iterator[IO[bytes]]:
    """Write a file so that it appears whole or not at all, whatever happens in between.

    The bytes go to a hidden temporary file in the same folder, are forced to the disk, and only
    then take the name. After an error or an interrupt the temporary file is gone and the former
    file is as it was; after a kill or a power cut only the hidden file (`.name.*.tmp`) may be left.

    Parameters
    ----------
    path : path-like
        What to write. A symbolic link stays one: the file that it points to is replaced.

    Yields
    ------
    binary file object
        Open for writing, seekable.

    Raises
    ------
    StorageError
        If the disk is full, the folder is missing or not writable, or `path` is no regular file.
    """
    target = Path(os.path.realpath(check_path(path)))
    if target.exists() and not target.is_file():
        raise StorageError(f"{path} cannot be written: it is there and is not a regular file")
    existed = target.exists()
    temporary = target.with_name(_temporary_name(target.name[:40], secrets.token_hex(6)))
    try:
        file = open(temporary, "xb")  # noqa: SIM115 - closed below, before the rename
    except OSError as error:
        _writing_failed(path, existed, error)
    try:
        try:
            yield file
        except OSError as error:
            if error.errno in _DISK_FULL:
                _writing_failed(path, existed, error)
            raise
        try:
            file.flush()
            os.fsync(file.fileno())
            file.close()
            if existed:  # what its owner had hidden from others stays so
                os.chmod(temporary, target.stat().st_mode & 0o777)
            os.replace(temporary, target)
        except OSError as error:
            _writing_failed(path, existed, error)
    except BaseException:
        with contextlib.suppress(OSError):  # a full disk fails again while the buffer is emptied
            file.close()
        temporary.unlink(missing_ok=True)
        raise
    _sync_folder(target.parent)


def _temporary_name(name: str, chance: str) -> str:
    return f".{name}.{chance}.tmp"


def remove_leftovers(path: str | os.PathLike[str]) -> None:
    """Delete the temporary files that killed writers of this file left behind.

    Only for a folder that nobody else is writing in: see `RunLock`.
    """
    target = Path(os.path.realpath(path))
    for temporary in target.parent.glob(_temporary_name(glob.escape(target.name[:40]), "?" * 12)):
        temporary.unlink(missing_ok=True)


def _writing_failed(path: str | os.PathLike[str], existed: bool, error: OSError) -> NoReturn:
    reason = error.strerror or str(error)
    if error.errno in _DISK_FULL:
        reason = f"no room on the disk ({reason}); free some space or choose another folder"
    elif error.errno == errno.ENOENT:
        reason = "its folder does not exist"
    after = "the former file is intact" if existed else "nothing was left behind"
    raise StorageError(f"{os.fspath(path)} could not be written: {reason}; {after}") from error


def _sync_folder(folder: Path) -> None:
    """Force the new name to the disk too, where the system lets a folder be synced."""
    if sys.platform != "win32":
        # Some network file systems refuse. The file is whole all the same; only the promise that
        # it survives a power cut in the next seconds is lost.
        with contextlib.suppress(OSError):
            descriptor = os.open(folder, os.O_RDONLY)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)


def csv_text(columns: Iterable[str], rows: Iterable[Iterable[Any]]) -> str:
    """Write a table as CSV, a line for the names and one for each row; None is left empty."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(rows)
    return text.getvalue()


def write_csv(
    path: str | os.PathLike[str], columns: Iterable[str], rows: Iterable[Iterable[Any]]
) -> None:
    """Write a table as CSV, whole or not at all."""
    content = csv_text(columns, rows).encode()
    with atomic_write(path) as file:
        file.write(content)


def json_bytes(value: Any) -> bytes:
    """Write `value` as readable JSON; NaN and infinity are not JSON."""
    text = json.dumps(value, indent=2, allow_nan=False, ensure_ascii=False)
    # What is no text, as in file names of an older coding, becomes an escape that JSON knows.
    return text.encode("utf-8", "backslashreplace") + b"\n"


def write_json(path: str | os.PathLike[str], value: Any) -> None:
    """Write `value` as readable JSON, whole or not at all."""
    content = json_bytes(value)
    with atomic_write(path) as file:
        file.write(content)


def read_json(path: str | os.PathLike[str], what: str) -> dict[str, Any]:
    """Read a JSON object of at most 1 MiB; `what` names it in messages.

    Raises
    ------
    InputError
        If the file is missing, not readable, too large or no JSON object.
    """
    try:
        with open(path, "rb") as file:
            text = file.read(2**20 + 1)
        value = json.loads(text) if len(text) <= 2**20 else None
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(f"{os.fspath(path)} is not {what}: {error}") from error
    if not isinstance(value, dict):
        raise InputError(f"{os.fspath(path)} is not {what}: expected a JSON object")
    return value


class RunLock:
    """Hold a folder for this process alone: ``with RunLock(folder): ...``.

    The lock belongs to the kernel (`flock`; on Windows `msvcrt.locking`), so that it ends with
    the process however that ends; the file that it is tied to stays and means nothing.

    Parameters
    ----------
    folder : path-like
        A folder that exists.
    name : str, default ".lock"
        The file in it, if not the folder as a whole is meant.
    wait : bool, default False
        Whether to wait until the other has done with it.

    Raises
    ------
    InputError
        On entering, at once, if another process (or another RunLock of this one) holds it.
    StorageError
        If the folder is missing or not writable, or its file system knows no locks.
    """

    def __init__(
        self, folder: str | os.PathLike[str], name: str = ".lock", wait: bool = False
    ) -> None:
        self.folder, self.name, self.wait = Path(folder), name, wait
        self._descriptor: int | None = None

    def __enter__(self) -> Self:
        try:
            descriptor = os.open(self.folder / self.name, os.O_RDWR | os.O_CREAT, 0o666)
        except OSError as error:
            raise StorageError(f"{self.folder} cannot be locked: {error.strerror}") from error
        try:
            if sys.platform == "win32":
                mode = msvcrt.LK_LOCK if self.wait else msvcrt.LK_NBLCK
                msvcrt.locking(descriptor, mode, 1)
            else:
                fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if self.wait else fcntl.LOCK_NB))
        except OSError as error:
            os.close(descriptor)
            if error.errno in (errno.EWOULDBLOCK, errno.EACCES):
                raise InputError(
                    f"{self.folder} is in use: another process trains there; wait until it ends, "
                    f"or give this one another folder. Nothing was changed"
                ) from error
            raise StorageError(f"{self.folder} cannot be locked: {error.strerror}") from error
        self._descriptor = descriptor
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None
