"""Stop between two steps: what Ctrl-C and a polite kill do to a training.

The first signal only asks; the loop looks at the request after the step under way, so that no
update is ever cut in half. The second signal does what it did before: it aborts. `training.py`
uses this, and is where to go back to; a command adds SIGTERM to its `stop_signals`.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Sequence
from types import FrameType, TracebackType
from typing import Any, Self


class TrainingInterrupted(KeyboardInterrupt):
    """A command's training was stopped by a signal; the message says how to go on."""

    def __init__(self, message: str, number: int) -> None:
        super().__init__(message)
        self.number = number


class StopBetweenSteps:
    """While entered, turn the first of some signals into a call of `request`.

    Parameters
    ----------
    signals : sequence of int
        Such as ``(signal.SIGINT, signal.SIGTERM)``.
    request : callable
        Takes the number of the signal that came.
    """

    def __init__(self, signals: Sequence[int], request: Callable[[int], None]) -> None:
        self.signals, self.request = signals, request
        self._former: dict[int, Any] = {}

    def __enter__(self) -> Self:
        # Python delivers signals to the main thread only, and lets only it change handlers.
        if threading.current_thread() is threading.main_thread():
            try:
                for number in self.signals:
                    # What the caller had ignored stays ignored: nohup, jobs in the background.
                    if signal.getsignal(number) is not signal.SIG_IGN:
                        self._former[number] = signal.signal(number, self._handle)
            except (OSError, ValueError):  # SIGKILL, for one, cannot be caught
                self._put_back()
                raise
        return self

    def _handle(self, number: int, frame: FrameType | None) -> None:
        self.request(number)
        self._put_back()

    def _put_back(self) -> None:
        for number, handler in self._former.items():
            # None stands for a handler that was not set from Python, which nobody can put back.
            signal.signal(number, signal.SIG_DFL if handler is None else handler)
        self._former = {}

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._put_back()
