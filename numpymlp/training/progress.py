"""The progress bar: a bar over all steps, and one line for each finished epoch.

A callback like any other; tqdm is imported only where there is a terminal or a notebook to draw in.
"""

from __future__ import annotations

import importlib.util
import sys
import time
from collections.abc import Mapping
from typing import Any

from numpymlp.training.callbacks import Callback

REFRESH = 0.1  # seconds between two changes of the numbers beside the bar


class Progress(Callback):
    """Show how far training is.

    Parameters
    ----------
    advice : bool
        Whether to say what to do after an interruption.
    """

    def __init__(self, advice: bool) -> None:
        self.advice = advice
        self._bar: Any = None
        self._shown = 0.0

    def begin(self, trainer: Any) -> None:
        state = trainer.state
        if state.stopped:
            self._line(
                f"Nothing is left to train after epoch {state.epoch}; fit(x, y, epochs=...) trains "
                f"on."
            )
        self._bar = _bar(trainer.total_steps, state.step)
        self._describe(trainer, at_once=True)

    def step(self, trainer: Any) -> None:
        if self._bar is None:
            return
        now = time.monotonic()
        if now - self._shown > REFRESH:
            self._shown = now
            self._describe(trainer)
        self._bar.update(1)

    def _describe(self, trainer: Any, at_once: bool = False) -> None:
        """Write the words before the bar: ``epoch 7/20  35 %  loss 0.03  acc 98.9 %``."""
        if self._bar is None:
            return
        state, steps = trainer.state, max(trainer.total_steps, 1)
        epoch = min(state.epoch + 1, state.last_epoch)
        words = [
            f"epoch {epoch}/{state.last_epoch}",
            f"{state.step / steps:.0%}".replace("%", " %"),
        ]
        if state.batch:
            row = state.running_columns(trainer.network)
            loss, accuracy = row["running_train_loss"], row["running_train_accuracy"]
            words.append(f"loss {loss:.3g}")
            words += [] if accuracy is None else [f"acc {100 * accuracy:.1f} %"]
        self._bar.set_description_str("  ".join(words), at_once)

    def epoch_end(self, trainer: Any) -> None:
        state = trainer.state
        row, width = state.history.rows[-1], len(str(state.last_epoch))
        self._line(
            f"epoch {row['epoch']:>{width}}/{state.last_epoch}  {_numbers(row)}  "
            f"{row['seconds']:.1f} s"
        )

    def end(self, trainer: Any) -> None:
        state = trainer.state
        if self.advice and state.stopped == "interrupted":
            self._line(
                f"Interrupted in epoch {state.epoch + 1}, after batch {state.batch} of "
                f"{trainer.steps_per_epoch}; what was learned is kept, and fit continues from here."
            )
        if self._bar is not None:
            self._bar.close()
            self._bar = None  # tqdm's bar cannot be copied or pickled with the Trainer

    def _line(self, text: str) -> None:
        """Write a line without damaging the bar."""
        if sys.stdout is None or getattr(
            sys.stdout, "closed", False
        ):  # a program without a console
            return
        if self._bar is None:
            print(text, flush=True)
        else:
            self._bar.write(text, file=sys.stdout)


def _numbers(row: Mapping[str, float | None]) -> str:
    """Name the numbers: means over the epoch while weights move, and validation after it.

    With 999 epochs of 100 seconds, the line has 80 columns.
    """
    parts = []
    for prefix, name in (("running_train", "train"), ("validation", "val")):
        loss, accuracy = row.get(f"{prefix}_loss"), row.get(f"{prefix}_accuracy")
        if loss is not None:
            share = "" if accuracy is None else f" acc {accuracy:.4f}"
            parts.append(f"{name} loss {loss:{'.4f' if loss < 10 else '.3g'}}{share}")
    return "  ".join(parts)


def _bar(steps: int, done: int) -> Any:
    """Return tqdm's bar where something can draw it, else None."""
    notebook = "ipykernel" in sys.modules and importlib.util.find_spec("ipywidgets") is not None
    if not notebook and not _is_terminal(sys.stderr):
        return None
    from tqdm.auto import tqdm

    # With 999/999 epochs and a loss of 1.23e-05, a line has 70 columns; the rest is time left.
    form = "{desc}  {bar:12}  {remaining} left"
    return tqdm(total=steps, initial=done, leave=False, dynamic_ncols=True, bar_format=form)


def _is_terminal(stream: Any) -> bool:
    """Return whether a stream is a terminal; wrappers of a log may not say, and it may be None."""
    try:
        return stream.isatty()
    except (AttributeError, ValueError):  # ValueError: it is closed
        return False
