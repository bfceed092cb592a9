"""Stop between two steps: what Ctrl-C and SIGTERM do to a training run.

The first signal is a request; the loop looks at it after the step under way, so that no update is
cut in half. The second signal aborts as usual. Ctrl-C then raises KeyboardInterrupt, so that a loop
over several networks ends too. Commands, which end with a message of their own, name SIGINT and
SIGTERM in the Trainer's `stop_signals`.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Sequence
from types import FrameType
from typing import Any, Self


class TrainingInterrupted(KeyboardInterrupt):
    """A signal stopped the training of a command; the message says how to continue."""

    def __init__(self, message: str, number: int) -> None:
        super().__init__(message)
        self.number = number

    def __reduce__(self) -> tuple[Any, ...]:  # so that a job can send it to the process it is of
        return type(self), (str(self), self.number)


class WorkerLost(RuntimeError):
    """A process that shares the network was killed or failed."""


class StopBetweenSteps:
    """In a ``with`` block, turn the first signal into a call of `request`.

    Parameters
    ----------
    signals : sequence of int
        Such as ``(signal.SIGINT, signal.SIGTERM)``. SIGINT counts also if it is not among them; at
        the end of the block it then raises KeyboardInterrupt.
    request : callable
        Takes the number of the signal.
    """

    def __init__(self, signals: Sequence[int], request: Callable[[int], None]) -> None:
        self.signals, self.request = signals, request
        self._former: dict[int, Any] = {}
        self._interrupted = False

    def __enter__(self) -> Self:
        # Python delivers signals to the main thread only, and lets only it change handlers.
        if threading.current_thread() is threading.main_thread():
            try:
                for number in {signal.SIGINT, *self.signals}:
                    # Signals that the caller ignores stay ignored: nohup, background jobs.
                    if signal.getsignal(number) is not signal.SIG_IGN:
                        self._former[number] = signal.signal(number, self._handle)
            except (OSError, ValueError):  # SIGKILL, for example, cannot be caught
                self._restore_handlers()
                raise
        return self

    def _handle(self, number: int, frame: FrameType | None) -> None:
        self._interrupted = number not in self.signals
        self.request(number)
        self._restore_handlers()

    def _restore_handlers(self) -> None:
        for number, handler in self._former.items():
            # None stands for a handler that was not set from Python and cannot be restored.
            signal.signal(number, signal.SIG_DFL if handler is None else handler)
        self._former = {}

    def __exit__(self, kind: object, *_: object) -> None:
        self._restore_handlers()
        if self._interrupted and kind is None:
            raise KeyboardInterrupt("what was learned is kept, and fit continues from here")
