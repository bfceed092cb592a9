"""Every check of what users pass in, with the message that each mistake gets.

A check runs once, at the border where data enters (a loss, `Network`, `Trainer`, the metrics,
the commands); nothing inside the layers' arithmetic checks anything. A message says what was
expected, what came, and the likely cause. The checks of files stand where the files are read.
"""

from __future__ import annotations


class InputError(ValueError):
    """What a user passed in cannot be used; the message says what was expected and what came.

    Every check of this package raises this one error (a `ValueError`), so that a command can
    turn it into one line and an exit status, and a test can tell it from a fault of our own.
    """
