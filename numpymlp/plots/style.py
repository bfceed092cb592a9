"""The house style of every picture: one colour code, one page, one way to say right and wrong.

Colours are those of Okabe and Ito, which colour-blind readers can tell apart; right and wrong
also carry a mark. A picture is 8 inches wide, made to be read at the width of a README. No function
touches pyplot or any global setting: each returns a `matplotlib.figure.Figure` of its own, which
`figure.savefig(path)` writes and a notebook with `%matplotlib inline` shows.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.layout_engine import ConstrainedLayoutEngine
from numpy.typing import NDArray

from numpymlp.validation import InputError

# Okabe and Ito's palette, by what it means here.
RIGHT, WRONG = "#009E73", "#D55E00"
TRAIN, VALIDATION = "#0072B2", "#E69F00"
RUN_COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#000000")
INK, QUIET, FAINT = "#222222", "#666666", "#D9D9D9"
RIGHT_MARK, WRONG_MARK = "\N{CHECK MARK}", "\N{BALLOT X}"

MISTAKES = LinearSegmentedColormap.from_list("mistakes", ["#FFFFFF", "#F7C6A3", WRONG, "#7A3400"])
DIVERGING = "RdBu_r"  # blue below 0, white at 0, red above
SEQUENTIAL = "viridis"

WIDTH, DPI = 8.0, 150  # inches; pixels an inch when saved
TITLE, TEXT, SMALL = 12.0, 9.5, 8.5  # points
FONT = "DejaVu Sans"  # comes with matplotlib and has the two marks


def new_figure(height: float) -> Figure:
    """Return an empty figure, 8 inches wide, whose panels keep clear of each other."""
    layout = ConstrainedLayoutEngine(w_pad=0.08, h_pad=0.08, wspace=0.04, hspace=0.04)
    return Figure(figsize=(WIDTH, height), dpi=DPI, facecolor="white", layout=layout)


def headline(figure: Figure, title: str, room: float = WIDTH - 0.4) -> None:
    """Write the title of a figure made by `new_figure`, smaller if it is longer than `room`."""
    size = fit(title, room, TITLE)
    figure.suptitle(title, x=0.02, ha="left", fontsize=size, fontweight="bold", color=INK)


def tidy(axes: Axes, title: str = "", xlabel: str = "", ylabel: str = "", grid: str = "") -> None:
    """Give a panel its title and labels, and take away what carries no information."""
    axes.set_title(title, loc="left", fontsize=TEXT + 0.5, color=INK)
    axes.set_xlabel(xlabel, fontsize=TEXT, color=INK)
    axes.set_ylabel(ylabel, fontsize=TEXT, color=INK)
    axes.tick_params(labelsize=SMALL, color=QUIET, labelcolor=INK)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    for side in ("left", "bottom"):
        axes.spines[side].set_color(QUIET)
    if grid:
        axes.grid(visible=True, axis=grid, color=FAINT, linewidth=0.7)  # type: ignore[arg-type]
        axes.set_axisbelow(True)


def page(height: float, title: str, note: str = "") -> tuple[Figure, Axes]:
    """Return a figure with one invisible panel measured in inches, from the top left corner.

    Many small images are placed on it one by one; panels of their own would take seconds to draw.
    """
    figure = Figure(figsize=(WIDTH, height), dpi=DPI, facecolor="white")
    axes = figure.add_axes((0.0, 0.0, 1.0, 1.0))
    axes.set_axis_off()
    axes.set_autoscale_on(False)
    axes.set_xlim(0, WIDTH)
    axes.set_ylim(height, 0)
    write(axes, 0.15, 0.2, title, size=TITLE, fontweight="bold")
    write(axes, 0.15, 0.45, note, size=TEXT, color=QUIET)
    return figure, axes


def write(axes: Axes, x: float, y: float, text: str, size: float = TEXT, **style: Any) -> None:
    """Write one line on a page, its middle at height y."""
    style = {"color": INK, "va": "center", "fontfamily": FONT} | style
    axes.text(x, y, text, fontsize=size, **style)


def stamp(
    axes: Axes,
    image: NDArray[Any],
    x: float,
    y: float,
    width: float,
    frame: str = FAINT,
    frame_width: float = 0.8,
    **scale: Any,
) -> AxesImage:
    """Place one image (H, W) on a page, its top left corner at (x, y), with a frame."""
    height = width * image.shape[0] / image.shape[1]
    drawn = axes.imshow(
        image,
        extent=(x, x + width, y + height, y),
        interpolation="nearest",
        aspect="auto",
        **({"cmap": "gray_r"} | scale),
    )
    axes.plot(
        [x, x + width, x + width, x, x],
        [y, y, y + height, y + height, y],
        color=frame,
        linewidth=frame_width,
        solid_joinstyle="miter",
    )
    return drawn


def fit(text: str, inches: float, size: float) -> float:
    """Return the font size, at most `size`, at which a line of text fits into a width."""
    return min(size, 72 * inches / (0.62 * max(1, len(text))))


def percent(share: float, digits: int = 1) -> str:
    """Write a share so that neither certainty nor impossibility is claimed by rounding."""
    value, unit = 100 * float(share), 10.0**-digits
    if value >= 100 - unit / 2:
        return f"> {100 - unit:.{digits}f} %" if value < 100 else "100 %"
    if value < unit / 2:
        return f"< {unit:.{digits}f} %" if value > 0 else "0 %"
    return f"{value:.{digits}f} %"


def names_of(class_names: Sequence[str] | None, classes: int, *, exactly: bool = True) -> list[str]:
    """Return the name of each class; its number where no names are given.

    Where the classes are only those that were seen, there may be more names.
    """
    if class_names is None:
        return [str(k) for k in range(classes)]
    if len(class_names) < classes or (exactly and len(class_names) > classes):
        raise InputError(
            f"class_names: expected a name for each of the {classes} classes, "
            f"got {len(class_names)}"
        )
    return [str(name) for name in class_names]


def symmetric_limit(values: NDArray[Any]) -> float:
    """Return the limit v of a colour scale from -v to v; one weight in 500 may lie outside."""
    return float(np.quantile(np.abs(values), 0.998)) or 1.0
