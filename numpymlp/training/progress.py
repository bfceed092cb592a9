"""What a person sees while a network trains: a bar in a terminal, plain lines in a file.

The Trainer (`training.py`) tells it of every step and every epoch. tqdm draws the bar, and is
imported only when there is a terminal or a notebook to draw it in.
"""

from __future__ import annotations

import importlib.util
import sys
import time
from collections.abc import Mapping
from typing import Any

REFRESH = 0.1  # seconds between two changes of the numbers beside the bar


class Progress:
    """A bar over all steps of a training, and one line for each finished epoch.

    Parameters
    ----------
    steps, done : int
        Steps of the whole training, and how many of them are behind it.
    epochs : int
        The number of the last epoch.
    verbose : {0, 1}
        0 shows nothing at all.
    """

    def __init__(self, steps: int, done: int, epochs: int, verbose: int) -> None:
        self.epochs, self.verbose = epochs, verbose
        self._bar = _bar(steps, done) if verbose else None
        self._shown = 0.0

    def step(self, epoch: int, running: Mapping[str, float | None]) -> None:
        """Move the bar on by one step; `running` holds the means of this epoch so far."""
        if self._bar is None:
            return
        now = time.monotonic()
        if now - self._shown > REFRESH:
            self._shown = now
            self._bar.set_description_str(f"epoch {epoch}/{self.epochs}", refresh=False)
            self._bar.set_postfix_str(_numbers(running), refresh=False)
        self._bar.update(1)

    def epoch(self, row: Mapping[str, float | None]) -> None:
        """Write the line of a finished epoch."""
        if self.verbose:
            width = len(str(self.epochs))
            self.line(
                f"epoch {row['epoch']:>{width}}/{self.epochs}  {_numbers(row)}  "
                f"{row['seconds']:.1f} s"
            )

    def line(self, text: str) -> None:
        """Write a line without tearing the bar."""
        if not self.verbose:
            return
        if self._bar is None:
            print(text, flush=True)
        else:
            self._bar.write(text, file=sys.stdout)

    def close(self) -> None:
        """Take the bar away; the lines stay."""
        if self._bar is not None:
            self._bar.close()


def _numbers(row: Mapping[str, float | None]) -> str:
    """Name the numbers as what they are: a mean over the running epoch, or a clean evaluation."""
    parts = []
    for prefix, name in (("running_train", "train (running mean)"), ("validation", "validation")):
        loss, accuracy = row.get(f"{prefix}_loss"), row.get(f"{prefix}_accuracy")
        if loss is not None:
            share = "" if accuracy is None else f", accuracy {accuracy:.4f}"
            parts.append(f"{name}: loss {loss:.4f}{share}")
    return "  ".join(parts)


def _bar(steps: int, done: int) -> Any:
    """Make tqdm's bar where something can draw it, else None."""
    notebook = "ipykernel" in sys.modules and importlib.util.find_spec("ipywidgets") is not None
    if not notebook and not sys.stderr.isatty():
        return None
    from tqdm.auto import tqdm

    return tqdm(total=steps, initial=done, unit="step", leave=False, dynamic_ncols=True)
