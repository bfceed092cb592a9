"""Callbacks: hooks that the Trainer calls at the start, after each step and epoch, and at the end.

The progress bar, early stopping and checkpoints are callbacks, with the same protocol as a custom
one. A plain function serves as a callback after each epoch. Read `state.py` next.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from numpymlp.training.warn import warn_user
from numpymlp.validation import (
    InputError,
    check_callable,
    check_choice,
    check_positive_integer,
    check_range,
)


class Callback:
    """The base class of callbacks: override the hooks that you need.

    ``trainer.state`` holds the counters and the history, ``trainer.network`` the network. A hook
    may set ``trainer.stop_requested = True`` to stop after the step under way.

    >>> class StopWhenGood(Callback):
    ...     def epoch_end(self, trainer):
    ...         return trainer.state.history.rows[-1]["validation_accuracy"] > 0.98
    """

    reason = "callback"  # `trainer.state.stopped` after this callback has stopped training
    argument = ""  # the Trainer argument that takes this callback; "" for a custom callback

    def begin(self, trainer: Any) -> None:
        """Run before the first step of a `fit`."""

    def step(self, trainer: Any) -> None:
        """Run after each step; the counters and the running means include it."""

    def epoch_end(self, trainer: Any) -> Any:
        """Run after each epoch and its validation; return True to stop training."""

    def end(self, trainer: Any) -> None:
        """Run at the end of a `fit`, also after an error (``trainer.state.stopped`` is then "").

        The hooks run in reverse order, except for a callback whose `begin` raised.
        """


class EpochFunction(Callback):
    """A plain function ``f(trainer)`` as a callback after each epoch."""

    def __init__(self, function: Callable[[Any], Any]) -> None:
        self.function = function

    def epoch_end(self, trainer: Any) -> Any:
        return self.function(trainer)


def as_callback(callback: Any) -> Callback:
    """Return a callback; a plain function runs after each epoch."""
    if isinstance(callback, Callback):
        if callback.argument:
            raise InputError(
                f"callbacks: expected custom callbacks, got {callback}: pass {callback.argument}="
            )
        return callback
    return EpochFunction(check_callable(callback, "callbacks", "Callback objects or f(trainer)"))


def wants_to_stop(answer: Any) -> bool:
    """Return whether a callback's answer ends training; warn of one that is neither yes nor no."""
    answer = answer[()] if isinstance(answer, np.ndarray) and answer.shape == () else answer
    if answer is None or isinstance(answer, bool | np.bool_):
        return bool(answer)
    warn_user(
        f"a callback returned {answer!r:.80}: expected True to stop, else False or None; training "
        f"goes on",
    )
    return False


@dataclass(frozen=True)
class EarlyStopping(Callback):
    """Stop when validation no longer improves, and restore the best weights.

    Parameters
    ----------
    patience : int, default 5
        Stop after this many epochs in a row without progress. The count restarts with each `fit`
        that is given a number of epochs.
    monitor : {"validation_loss", "validation_accuracy"}, default "validation_loss"
    min_delta : float >= 0, default 0
        How much better an epoch must be to count as progress.
    """

    patience: int = 5
    monitor: str = "validation_loss"
    min_delta: float = 0.0

    reason = "early stopping"
    argument = "early_stopping"

    def __post_init__(self) -> None:
        check_positive_integer(self.patience, "EarlyStopping patience")
        check_choice(self.monitor, "monitor", ("validation_loss", "validation_accuracy"))
        check_range(self.min_delta, "EarlyStopping min_delta", 0, np.inf, right_open=True)

    def is_progress(self, value: float, best: float | None) -> bool:
        """Return whether an epoch's value is better than the best before it, by `min_delta`."""
        sign = 1 if self.monitor == "validation_loss" else -1
        return best is None or sign * value < sign * best - self.min_delta

    def begin(self, trainer: Any) -> None:
        if trainer.state.idle_epochs >= self.patience:  # decided before an error ended training
            trainer.state.stopped = self.reason

    def epoch_end(self, trainer: Any) -> bool:
        return trainer.state.idle_epochs >= self.patience

    def end(self, trainer: Any) -> None:
        if trainer.state.stopped not in ("", "interrupted"):
            trainer.restore_best()
