"""Learning curves that are redrawn during training: a callback for the Trainer.

In a notebook they appear below the cell, and in a program with a display in a window. With a path
they are written to a file, which many editors reload at every change.
"""

from __future__ import annotations

import importlib
import io
import os
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from numpymlp.plots.training import learning_curves
from numpymlp.schedules import Constant
from numpymlp.storage.files import atomic_write
from numpymlp.training.callbacks import Callback
from numpymlp.validation import InputError

EVERY = 1.0  # least seconds from one drawing to the next
SHARE = 0.02  # of the time of training, for drawing: under 3 % also where the first one takes long
GUESS = 0.25  # seconds that the first drawing takes
DPI, RATES = 100, 500  # pixels an inch, and points of the learning rate
MARGINS = {"left": 0.1, "right": 0.985, "top": 0.86, "bottom": 0.1, "wspace": 0.25, "hspace": 0.4}
Show = Callable[[bytes], None]


class Live(Callback):
    """Draw the learning curves while the network trains.

    Parameters
    ----------
    path : path-like, optional
        A PNG file to write instead of drawing in the notebook or in a window.

    Notes
    -----
    The curves are redrawn at most once a second, so rarely that drawing takes less than 3 % of the
    time of training, and once more at the end. The current epoch is drawn too, by its running
    means.

    Examples
    --------
    >>> Trainer(network, loss, optimizer, callbacks=[plots.Live()]).fit(x, y, epochs=20)
    """

    def __init__(self, path: str | os.PathLike[str] | None = None) -> None:
        self.path = path
        self._show: Show | None = None
        self._started = self._last = self._spent = 0.0
        self._cost = GUESS

    def begin(self, trainer: Any) -> None:
        self._show = _show_on(self.path)
        self._started = self._last = time.monotonic()
        self._spent, self._cost = 0.0, GUESS

    def step(self, trainer: Any) -> None:
        now = time.monotonic()
        affordable = self._spent + self._cost <= SHARE * (now - self._started)
        if affordable and now - self._last >= EVERY:
            self._draw(trainer)
            self._last = time.monotonic()
            self._cost = self._last - now
            self._spent += self._cost

    def end(self, trainer: Any) -> None:
        if trainer.state.step:
            self._draw(trainer)
        self._show = None  # a window cannot be copied or pickled with the Trainer

    def _draw(self, trainer: Any) -> None:
        if self._show is not None:
            self._show(png_of(curves(trainer)))


def png_of(figure: Figure) -> bytes:
    """Return a picture of learning curves as PNG, in a third of the time that savefig takes."""
    # The margins are known; savefig would measure every text to find them, and draw twice.
    figure.set_layout_engine("none")
    figure.subplotpars.update(**MARGINS)
    for axes in figure.axes:
        axes.set_position(axes.get_subplotspec().get_position(figure))  # type: ignore[union-attr]
    figure.set_dpi(DPI)
    canvas: Any = FigureCanvasAgg(figure)
    canvas.print_png(file := io.BytesIO())
    return file.getvalue()


def curves(trainer: Any) -> Figure:
    """Draw the learning curves of a Trainer so far, the current epoch included."""
    state, history = trainer.state, trainer.history.to_dict()
    # The mean over a few batches of a new epoch would only be noise.
    if not history or 5 * state.batch >= trainer.steps_per_epoch:
        row = {
            "epoch": state.epoch + state.batch / trainer.steps_per_epoch,
            **state.running_columns(trainer.network),
        }
        names = history or dict.fromkeys(row)
        history = {name: [*(history.get(name) or []), row.get(name)] for name in names}
    schedule = trainer.schedule or Constant()
    taken = round(history["epoch"][-1] * trainer.steps_per_epoch)
    steps = np.linspace(0, taken - 1, min(RATES, taken)).astype(int)
    rates = [trainer.first_rate * schedule(int(n), trainer.total_steps) for n in steps]
    title = f"Epoch {history['epoch'][-1]:.3g} of {state.last_epoch}"
    return learning_curves(history, rates=rates, title=title)


# ---- where the curves are shown ----


def _show_on(path: str | os.PathLike[str] | None) -> Show:
    """Return a function that shows a PNG file's bytes: in a file, a notebook or a window."""
    if path is not None:

        def write(png: bytes) -> None:
            with atomic_write(path) as file:
                file.write(png)

        return write
    if "ipykernel" in sys.modules:
        return _notebook()
    plt = importlib.import_module("matplotlib.pyplot")
    backend = importlib.import_module("matplotlib.backends").backend_registry
    kind = importlib.import_module("matplotlib.backends").BackendFilter.INTERACTIVE
    if plt.get_backend().lower() not in backend.list_builtin(kind):
        raise InputError(
            f"Live expected a notebook or a window to draw in, got matplotlib's backend "
            f"{plt.get_backend()!r:.80}: write a file with Live('curves.png')"
        )
    return _window(plt)


def _notebook() -> Show:
    display = importlib.import_module("IPython.display")
    place: Any = None

    def show(png: bytes) -> None:
        nonlocal place
        image = display.Image(data=png)
        if place is None:
            place = display.display(image, display_id=True)
        else:
            place.update(image)

    return show


def _window(plt: Any) -> Show:
    window: Any = None

    def show(png: bytes) -> None:
        nonlocal window
        image = plt.imread(io.BytesIO(png))
        if window is None:
            window = plt.figure(figsize=(image.shape[1] / DPI, image.shape[0] / DPI), dpi=DPI)
            window.show()
        window.clear()
        window.figimage(image)
        window.canvas.draw_idle()
        window.canvas.flush_events()

    return show
