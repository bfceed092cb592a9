"""What every file is asked before it is opened: whether it is there, a file, and not empty.

`idx.py` and `images.py` start here; read those next. Asking the file system first costs nothing
and keeps a pipe or a device, which could block or never end, from being opened at all.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path

from numpymlp.validation import InputError


def regular_file(path: str | os.PathLike[str], expected: str) -> tuple[Path, int]:
    """Return the path and size in bytes of an ordinary, non-empty file.

    Parameters
    ----------
    path : str or PathLike
        The file.
    expected : str
        What the file should hold, for the message: ``"an IDX file"``.

    Raises
    ------
    InputError
        If there is no such file, or it is a folder, a pipe, a device, or empty.
    """
    try:
        path = Path(path)
        status = path.stat()
    except FileNotFoundError:
        raise InputError(f"{path}: expected {expected}, but there is no such file") from None
    except (OSError, ValueError, TypeError) as error:
        raise InputError(f"{str(path)!r}: expected {expected}, but got: {error}") from None
    if stat.S_ISDIR(status.st_mode):
        raise InputError(f"{path}: expected {expected}, got a folder")
    if not stat.S_ISREG(status.st_mode):
        raise InputError(f"{path}: expected {expected}, got a pipe, socket or device")
    if status.st_size == 0:
        raise InputError(
            f"{path}: expected {expected}, got an empty file: was a download or copy cut off?"
        )
    return path, status.st_size
