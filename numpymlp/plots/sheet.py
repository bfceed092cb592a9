"""A sheet of pictures: the picture, the image that the network gets, the probabilities."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from numpy.typing import ArrayLike, NDArray

from numpymlp.data.images import SIDE, Picture
from numpymlp.plots.style import (
    QUIET,
    SMALL,
    TEXT,
    TRAIN,
    WIDTH,
    WRONG,
    fit,
    own_style,
    page,
    percent,
    plain,
    stamp,
    write,
)

TOP, STEP, IMAGE = 0.95, 1.85, 1.3  # inches: the first row, the distance of rows, an image
LEFT, MIDDLE, BARS = 0.15, 2.3, 4.15  # inches: left edges of the three columns
LONGEST = 2.75  # inches: the bar of probability 1
LEAST = 5e-4  # smaller shares have no number


@own_style()
def reading_sheet(
    pictures: Sequence[Picture],
    probabilities: Sequence[ArrayLike | None],
    captions: Sequence[str],
    notes: Sequence[str],
    *,
    title: str = "What the network saw",
) -> Figure:
    """Draw each picture with its ink, the 28 x 28 image, and bars of the probabilities.

    Parameters
    ----------
    pictures : sequence of Picture
        As `numpymlp.data.images.read_picture` returns them.
    probabilities : sequence of (K,) floats or None
        None for a blank picture.
    captions, notes : sequences of str
        The name of each picture, and what is said about its answer; a note may be empty.
    title : str
    """
    figure, axes = page(TOP + STEP * len(pictures), title)
    for x, text in (
        (LEFT, "picture, and the ink found"),
        (MIDDLE, f"{SIDE} x {SIDE} image"),
        (BARS, "probabilities"),
    ):
        write(axes, x, 0.5, text, SMALL, color=QUIET)
    rows = zip(pictures, probabilities, captions, notes, strict=True)
    for n, (picture, answer, caption, note) in enumerate(rows):
        y = TOP + STEP * n
        caption = plain(caption)
        # Names and notes share the line above their row.
        write(axes, LEFT, y - 0.16, caption, fit(caption, BARS - 0.4, TEXT), fontweight="bold")
        if answer is not None and not note:
            write(axes, BARS, y - 0.16, f"answer: {np.argmax(answer)}", TEXT)
        note_size = fit(note, WIDTH - BARS - 0.1, TEXT)
        write(axes, BARS, y - 0.16, plain(note), note_size, color=WRONG)
        _draw_picture(axes, picture, y)
        if picture.digit is not None:
            image = picture.digit.reshape(SIDE, SIDE)
            stamp(axes, image, MIDDLE, y, IMAGE, vmin=0, vmax=1)
        if answer is not None:
            _draw_bars(axes, np.asarray(answer), y, faint=bool(note))
    return figure


def _draw_picture(axes: Axes, picture: Picture, y: float) -> None:
    rows, columns = picture.gray.shape
    inch = min(IMAGE / rows, (MIDDLE - LEFT - 0.25) / columns)  # of one pixel
    stamp(axes, picture.gray, LEFT, y, columns * inch, cmap="gray", vmin=0, vmax=1)
    if picture.box is not None:
        top, bottom, left, right = (edge * inch for edge in picture.box)
        place = (LEFT + left, y + top)
        axes.add_patch(
            Rectangle(place, right - left, bottom - top, fill=False, color=WRONG, linewidth=1.4)
        )


def _draw_bars(axes: Axes, probabilities: NDArray[np.floating], y: float, faint: bool) -> None:
    high = IMAGE / len(probabilities)
    size = min(SMALL, 72 * high * 0.9)
    best = int(probabilities.argmax())
    for k, share in enumerate(probabilities):
        middle = y + (k + 0.5) * high
        leading = k == best and not faint
        style: dict[str, Any] = {"fontweight": "bold"} if leading else {"color": QUIET}
        write(axes, BARS, middle, str(k), size, **style)
        bars = (LONGEST, "#F2F2F2"), (LONGEST * share, TRAIN if leading else "#9DB7C9")
        for width, colour in bars:
            axes.add_patch(
                Rectangle((BARS + 0.2, middle - 0.4 * high), width, 0.8 * high, color=colour, lw=0)
            )
        if share >= LEAST:
            write(axes, BARS + 0.3 + LONGEST, middle, percent(share), size, **style)
