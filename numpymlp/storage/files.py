"""Atomic files, and a lock for folders.

The package writes every file with `atomic_write`: after a kill, a full disk or a power cut, the
previous file or the new one is there, never a part of it. Nothing is written through a symbolic
link: the link itself is replaced, so that a folder from somebody else cannot lead out of itself.
Text that comes from a file is shown with `shown`. `reading.py` reads JSON and CSV back.
"""

from __future__ import annotations

import contextlib
import csv
import errno
import glob
import importlib
import io
import json
import os
import re
import secrets
import shlex
import stat
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import TracebackType
from typing import IO, Any, NoReturn, Self

from numpymlp.validation import InputError

fcntl: Any
try:
    import fcntl
except ModuleNotFoundError:  # Windows
    fcntl = None

# Longest files in bytes, for writing and for reading back.
JSON_LIMIT, CSV_LIMIT = 2**20, 2**26
JUNCTION = 0xA0000003  # IO_REPARSE_TAG_MOUNT_POINT; os.path.isjunction is of Python 3.12
_NUMBER = re.compile(r"[-+]?[0-9.]+(e[-+]?[0-9]+)?%?")
_LOCKED = (errno.EWOULDBLOCK, errno.EACCES, errno.EDEADLK)
_DISK_FULL = (errno.ENOSPC, errno.EFBIG, getattr(errno, "EDQUOT", errno.ENOSPC))


class StorageError(OSError):
    """A file could not be written; the message says which, why, and what is left of it."""


def check_path(path: Any) -> str:
    """Return a path as text."""
    if not isinstance(path, str | os.PathLike):
        raise InputError(f"expected the path of a file, got {type(path).__name__}")
    return os.fsdecode(path)


def pip_install(packages: str) -> str:
    """Return the command that installs packages for this Python, from wherever it is called."""
    program = sys.executable or "python"
    with contextlib.suppress(ValueError):  # on another drive of Windows
        near = os.path.relpath(program)
        program = program if near.startswith(os.pardir) else near
    return f"{quoted(program)} -m pip install {packages}"


def quoted(text: str | Path) -> str:
    """Return a path as one word of a command, for the shell of this system."""
    return subprocess.list2cmdline([str(text)]) if os.name == "nt" else shlex.quote(str(text))


def shown(text: Any, longest: int = 200) -> str:
    """Return text from a file for one line of a message or a report.

    Control characters, and bytes that are no text, become escapes; the end of long text is cut off.
    """
    line = "".join(
        c if c.isprintable() else c.encode("unicode_escape").decode()
        for c in str(text)[: longest + 1]
    )
    return line if len(line) <= longest else f"{line[: longest - 3]}..."


def counted(number: int, noun: str) -> str:
    """Return a number with its noun, in the plural but for 1: "1 epoch", "60,000 images"."""
    ending = "" if number == 1 else "es" if noun.endswith(("s", "tch")) else "s"
    return f"{number:,} {noun}{ending}"


# ---- writing ----


@contextlib.contextmanager
def atomic_write(path: str | os.PathLike[str]) -> Iterator[IO[bytes]]:
    """Open a file for writing that appears whole or not at all.

    The bytes go to a hidden temporary file in the same folder (`.name.*.tmp`). It is synced to the
    disk, then renamed. An error or an interrupt deletes it and leaves the previous file unchanged;
    a kill or a power cut may leave it behind.

    Parameters
    ----------
    path : path-like
        The file. A symbolic link is replaced itself; its target is not touched.

    Yields
    ------
    binary file object
        Open for writing, seekable.

    Raises
    ------
    StorageError
        If the disk is full, the folder is missing or not writable, or `path` is no regular file.
    """
    target = Path(check_path(path))
    mode = _mode(target)
    regular, existed = stat.S_ISREG(mode or 0), mode is not None
    if existed and not regular and not stat.S_ISLNK(mode or 0):
        raise StorageError(
            f"{path} could not be written: expected a regular file, or none yet, got a folder, "
            f"pipe or device"
        )
    permissions = stat.S_IMODE(mode or 0) & 0o777 if regular else 0o666
    temporary = target.with_name(_temporary_name(target.name[:40], secrets.token_hex(6)))
    try:
        # From the first byte, nobody may read it who may not read the file that it replaces.
        file = open(  # noqa: SIM115 - closed below, before the rename
            temporary, "xb", opener=lambda name, flags: os.open(name, flags, permissions)
        )
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
            _sync(file.fileno())
            file.close()
            if regular:  # the umask may have taken some away
                os.chmod(temporary, permissions)
            _replace(temporary, target)
        except OSError as error:
            _writing_failed(path, existed, error)
    except BaseException:
        with contextlib.suppress(OSError):  # a full disk fails again on flush
            file.close()
        temporary.unlink(missing_ok=True)
        raise
    _sync_folder(target.parent)


def _mode(path: Path) -> int | None:
    """Return type and permissions of a file or of a link itself; None if there is none."""
    try:
        return os.lstat(path).st_mode
    except OSError:
        return None


def _replace(source: Path, target: Path) -> None:
    """Rename a file; on Windows, wait up to three seconds while a virus scanner has it open."""
    for wait in (0.1, 0.2, 0.4, 0.8, 1.6):
        try:
            return os.replace(source, target)
        except OSError as error:
            if getattr(error, "winerror", None) not in (5, 32):  # access denied, sharing violation
                raise
            time.sleep(wait)
    os.replace(source, target)


def _temporary_name(name: str, token: str) -> str:
    return f".{name}.{token}.tmp"


def remove_link(path: str | os.PathLike[str]) -> None:
    """Delete a symbolic link or a junction of Windows, but nothing that it leads to.

    What is made under its name then lies where the name says.
    """
    if is_link(path):
        os.unlink(path)


def is_link(path: str | os.PathLike[str]) -> bool:
    """Return whether a path is a symbolic link or, on Windows, a junction."""
    try:
        return os.path.islink(path) or getattr(os.lstat(path), "st_reparse_tag", 0) == JUNCTION
    except OSError:
        return False


def remove_leftovers(path: str | os.PathLike[str]) -> None:
    """Delete the temporary files that killed writers of this file left.

    Hold the folder's `RunLock`: otherwise this deletes the file of a process that is still writing.
    """
    target = Path(path)
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


def _sync(descriptor: int) -> None:
    """Sync a file to the disk; on macOS, fsync alone leaves it in the cache of the drive."""
    if hasattr(fcntl, "F_FULLFSYNC"):
        with contextlib.suppress(OSError):  # a network drive may lack it
            fcntl.fcntl(descriptor, fcntl.F_FULLFSYNC)
            return
    os.fsync(descriptor)


def _sync_folder(folder: Path) -> None:
    """Sync the new name to the disk, on systems that can sync a folder."""
    if os.name != "nt":
        # Some network file systems refuse. The file is still whole, but a power cut within the
        # next seconds may bring the previous one back.
        with contextlib.suppress(OSError):
            descriptor = os.open(folder, os.O_RDONLY)
            try:
                _sync(descriptor)
            finally:
                os.close(descriptor)


def write_bytes(path: str | os.PathLike[str], content: bytes) -> None:
    """Write a file, whole or not at all."""
    with atomic_write(path) as file:
        file.write(content)


def csv_text(columns: Iterable[str], rows: Iterable[Iterable[Any]]) -> str:
    """Return a table as CSV: a line of names, then a line per row; None is an empty cell.

    No text can become a formula in a spreadsheet, nor a line break spoil the table; see `cell`.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerows([cell(value) for value in row] for row in (columns, *rows))
    return text.getvalue()


def cell(value: Any) -> Any:
    """Return a value as it is written into a table; `cell` of a written text is the text itself."""
    if not isinstance(value, str):
        return value
    line = shown(value, longest=4096)
    if line[:1] in ("=", "+", "-", "@") and not _NUMBER.fullmatch(line):
        return f"'{line}"  # a spreadsheet would take it for a formula
    return line


def write_csv(
    path: str | os.PathLike[str],
    columns: Iterable[str],
    rows: Iterable[Iterable[Any]],
    limit: int = CSV_LIMIT,
) -> None:
    """Write a table as CSV of at most `limit` bytes, whole or not at all."""
    _write_at_most(limit, path, encoded(csv_text(columns, rows)))


def json_bytes(value: Any) -> bytes:
    """Return `value` as readable JSON; NaN and infinity raise ValueError."""
    text = json.dumps(value, indent=2, allow_nan=False, ensure_ascii=False)
    return encoded(text) + b"\n"


def encoded(text: str) -> bytes:
    """Return text as UTF-8; bytes of a file name that are none become escapes, as JSON has them."""
    return text.encode("utf-8", "backslashreplace")


def write_json(path: str | os.PathLike[str], value: Any) -> None:
    """Write `value` as readable JSON, whole or not at all."""
    _write_at_most(JSON_LIMIT, path, json_bytes(value))


def _write_at_most(limit: int, path: str | os.PathLike[str], content: bytes) -> None:
    if len(content) > limit:
        raise InputError(
            f"{path}: expected at most {limit:,} bytes, got {len(content):,}, which could not be "
            f"read back"
        )
    write_bytes(path, content)


# ---- locks ----


def _lock(descriptor: int, wait: bool) -> None:
    """Lock a file for this process; raise OSError if another one holds it, unless `wait`."""
    if fcntl is not None:
        fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        return
    msvcrt: Any = importlib.import_module("msvcrt")
    while True:
        try:
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
            return
        except OSError as error:  # LK_LOCK would give up after ten seconds
            if not wait or error.errno not in _LOCKED:
                raise
            time.sleep(0.1)


class RunLock:
    """Lock a folder for this process: ``with RunLock(folder): ...``.

    The kernel holds the lock (`flock`; `msvcrt.locking` on Windows), so it ends with the process,
    even after a kill. The lock file stays; it is empty. A symbolic link of its name is replaced.

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
        path = self.folder / self.name
        try:
            remove_link(path)
            follow = getattr(os, "O_NOFOLLOW", 0)  # which Windows does not have
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | follow, 0o666)
        except OSError as error:
            raise StorageError(f"{self.folder} cannot be locked: {error.strerror}") from error
        try:
            _lock(descriptor, self.wait)
        except OSError as error:
            os.close(descriptor)
            if error.errno in _LOCKED:
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
