"""Atomic files, and a lock for folders.

The package writes every file with `atomic_write`: after a kill, a full disk or a power cut, the
previous file or the new one is there, never a part of it.
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

from numpymlp.validation import InputError

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

_DISK_FULL = (errno.ENOSPC, errno.EFBIG, getattr(errno, "EDQUOT", errno.ENOSPC))


class StorageError(OSError):
    """A file could not be written; the message says which, why, and what is left of it."""


def check_path(path: Any) -> str:
    """Return a path as text."""
    if not isinstance(path, str | os.PathLike):
        raise InputError(f"expected the path of a file, got {type(path).__name__}")
    return str(os.fspath(path))


@contextlib.contextmanager
def atomic_write(path: str | os.PathLike[str]) -> Iterator[IO[bytes]]:
    """Open a file for writing that appears whole or not at all.

    The bytes go to a hidden temporary file in the same folder (`.name.*.tmp`). It is synced to the
    disk, then renamed. An error or an interrupt deletes it and leaves the previous file unchanged;
    a kill or a power cut may leave it behind.

    Parameters
    ----------
    path : path-like
        The file. Of a symbolic link, the target is replaced.

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
    existed = target.exists()
    if existed and not target.is_file():
        raise StorageError(
            f"{path} could not be written: expected a regular file, or none yet, got a folder, "
            f"pipe or device"
        )
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
            if existed:  # keep its permissions
                os.chmod(temporary, target.stat().st_mode & 0o777)
            os.replace(temporary, target)
        except OSError as error:
            _writing_failed(path, existed, error)
    except BaseException:
        with contextlib.suppress(OSError):  # a full disk fails again on flush
            file.close()
        temporary.unlink(missing_ok=True)
        raise
    _sync_folder(target.parent)


def _temporary_name(name: str, token: str) -> str:
    return f".{name}.{token}.tmp"


def remove_leftovers(path: str | os.PathLike[str]) -> None:
    """Delete the temporary files that killed writers of this file left.

    Hold the folder's `RunLock`: otherwise this deletes the file of a process that is still writing.
    """
    target = Path(os.path.realpath(path))
    for temporary in target.parent.glob(_temporary_name(glob.escape(target.name[:40]), "?" * 12)):
        temporary.unlink(missing_ok=True)


def _writing_failed(path: str | os.PathLike[str], existed: bool, error: OSError) -> NoReturn:
    reason = error.strerror or str(error)
    if error.errno in _DISK_FULL:
        reason = f"the disk is full ({reason}); free some space or choose another folder"
    elif error.errno == errno.ENOENT:
        reason = "its folder does not exist"
    after = "the previous file is unchanged" if existed else "no file was created"
    raise StorageError(f"{os.fspath(path)} could not be written: {reason}; {after}") from error


def _sync_folder(folder: Path) -> None:
    """Sync the new name to the disk, on systems that can sync a folder."""
    if sys.platform != "win32":
        # Some network file systems refuse. The file is still whole, but a power cut within the
        # next seconds may bring the previous one back.
        with contextlib.suppress(OSError):
            descriptor = os.open(folder, os.O_RDONLY)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)


def write_bytes(path: str | os.PathLike[str], content: bytes) -> None:
    """Write a file, whole or not at all."""
    with atomic_write(path) as file:
        file.write(content)


def csv_text(columns: Iterable[str], rows: Iterable[Iterable[Any]]) -> str:
    """Return a table as CSV: a line of names, then a line per row; None is an empty cell."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(rows)
    return text.getvalue()


def write_csv(
    path: str | os.PathLike[str], columns: Iterable[str], rows: Iterable[Iterable[Any]]
) -> None:
    """Write a table as CSV, whole or not at all."""
    write_bytes(path, csv_text(columns, rows).encode())


def json_bytes(value: Any) -> bytes:
    """Return `value` as readable JSON; NaN and infinity raise ValueError."""
    text = json.dumps(value, indent=2, allow_nan=False, ensure_ascii=False)
    # File names that are not valid UTF-8 hold lone surrogates, which JSON can hold as escapes.
    return text.encode("utf-8", "backslashreplace") + b"\n"


def write_json(path: str | os.PathLike[str], value: Any) -> None:
    """Write `value` as readable JSON, whole or not at all."""
    write_bytes(path, json_bytes(value))


def read_json(path: str | os.PathLike[str], what: str) -> dict[str, Any]:
    """Read a JSON object of at most 1 MiB; messages call it `what`.

    Raises
    ------
    InputError
        If the file is missing, unreadable or too large, or holds anything but a JSON object.
    """
    try:
        with open(path, "rb") as file:
            text = file.read(2**20 + 1)
        value = json.loads(text) if len(text) <= 2**20 else None
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(f"{os.fspath(path)} is not {what}: {error}") from error
    if not isinstance(value, dict):
        raise InputError(
            f"{os.fspath(path)} is not {what}: expected a JSON object of at most 1 MiB"
        )
    return value


class RunLock:
    """Lock a folder for this process: ``with RunLock(folder): ...``.

    The kernel holds the lock (`flock`; `msvcrt.locking` on Windows), so it ends with the process,
    even after a kill. The lock file stays; it is empty.

    Parameters
    ----------
    folder : path-like
        A folder that exists.
    name : str, default ".lock"
        The lock file in it. Another name locks something smaller than the folder.
    wait : bool, default False
        Wait until another process releases the lock, instead of raising.

    Raises
    ------
    InputError
        On entering, if another process, or another RunLock of this one, holds the lock.
    StorageError
        If the folder is missing or not writable, or its file system has no locks.
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
                    f"{self.folder} is in use by another process: wait until it ends, or choose "
                    f"another folder; nothing was changed"
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
