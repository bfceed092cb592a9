"""Warnings that point to the user's line, however deep in the package they arise."""

from __future__ import annotations

import os
import sys
import warnings

PACKAGE = os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + os.sep


def warn_user(message: str) -> None:
    """Warn; the line shown is the innermost that is not of this package."""
    frame, level = sys._getframe(), 1
    while frame.f_back is not None and _is_ours(frame.f_code.co_filename):
        frame, level = frame.f_back, level + 1
    warnings.warn(message, UserWarning, stacklevel=level)


def _is_ours(path: str) -> bool:
    return os.path.abspath(path).startswith(PACKAGE)
