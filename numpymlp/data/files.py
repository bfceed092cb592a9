"""Check a file before it is opened: it exists, is an ordinary file, and is not empty.

`idx`, `mnist` and `images` use this. The check costs almost nothing, and pipes and devices, which
could block or never end, are never opened.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from numpymlp.storage.files import shown
from numpymlp.validation import InputError


def regular_file(path: str | os.PathLike[str], expected: str) -> tuple[Path, int]:
    """Return the path and size in bytes of an ordinary, non-empty file.

    Parameters
    ----------
    path : str or PathLike
        The file.
    expected : str
        Content of the file, for the message: ``"an IDX file"``.

    Raises
    ------
    InputError
        If the file does not exist, or is a folder, a pipe, a device, or empty.
    """
    try:
        path = Path(path)
        status = path.stat()
    except FileNotFoundError:
        raise InputError(f"{shown(path)}: expected {expected}, got no such file") from None
    except (OSError, ValueError, TypeError) as error:
        raise InputError(f"{shown(path)!r}: expected {expected}, got: {error}") from None
    if stat.S_ISDIR(status.st_mode):
        raise InputError(f"{shown(path)}: expected {expected}, got a folder")
    if not stat.S_ISREG(status.st_mode):
        raise InputError(f"{shown(path)}: expected {expected}, got a pipe, socket or device")
    if status.st_size == 0:
        raise InputError(
            f"{shown(path)}: expected {expected}, got an empty file: was a download or a copy cut "
            f"off?"
        )
    return path, status.st_size


@contextmanager
def one_line() -> Iterator[None]:
    """Show names of files in an `InputError` without control characters."""
    try:
        yield
    except InputError as error:
        raise InputError(shown(error, longest=1000)) from None
