"""The common style of all pictures: colours, fonts, pages, legends.

The colours are Okabe and Ito's, which colour-blind readers can tell apart; right and wrong also
carry a mark. A picture is 8 inches wide, legible at the width of a README. No function touches
pyplot: each returns a new `matplotlib.figure.Figure`, which `figure.savefig(path)` writes and a
notebook shows. Of the global settings of matplotlib (`rcParams`, styles), the pictures obey only
the font family: see `own_style`.
"""

from __future__ import annotations

import contextlib
import threading
import unicodedata
from collections.abc import Iterator, Sequence
from typing import Any

import matplotlib
import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.layout_engine import ConstrainedLayoutEngine
from numpy.typing import NDArray

from numpymlp.metrics.checks import check_names

# Okabe and Ito's palette, by meaning.
RIGHT, WRONG = "#009E73", "#D55E00"
TRAIN, VALIDATION, TEST = "#0072B2", "#E69F00", "#CC79A7"
RUN_COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#000000")
INK, QUIET, FAINT = "#222222", "#666666", "#D9D9D9"
RIGHT_MARK, WRONG_MARK = "\N{CHECK MARK}", "\N{BALLOT X}"

MISTAKES = LinearSegmentedColormap.from_list("mistakes", ["#FFFFFF", "#F7C6A3", WRONG, "#7A3400"])
DIVERGING = "RdBu_r"  # blue below 0, white at 0, red above
SEQUENTIAL = "viridis"

WIDTH, DPI = 8.0, 150  # inches; pixels an inch when saved
TITLE, TEXT, SMALL = 12.0, 9.5, 8.5  # points
FONT = "DejaVu Sans"  # part of matplotlib; has the two marks

# The settings by which a style could damage a picture; not the formats of files, nor the fonts.
DRAWING = (
    "axes.", "figure.", "font.", "grid.", "hatch.", "image.", "legend.", "lines.", "markers.",
    "mathtext.", "patch.", "path.", "savefig.facecolor", "savefig.edgecolor",
    "savefig.transparent", "text.", "xaxis.", "xtick.", "yaxis.", "ytick.",
)  # fmt: skip
FAMILIES = ("family", "serif", "sans-serif", "cursive", "fantasy", "monospace")
OURS = {
    name: value
    for name, value in matplotlib.rcParamsDefault.items()
    if name.startswith(DRAWING) and name not in [f"font.{family}" for family in FAMILIES]
}
_LOCK = threading.RLock()  # rcParams belong to the process: one thread at a time changes them


@contextlib.contextmanager
def own_style() -> Iterator[None]:
    """Set matplotlib's defaults within a block or a function, and keep only the font family.

    `FONT` supplies the characters that the user's font lacks.
    """
    with _LOCK:
        families = dict.fromkeys([*matplotlib.rcParams["font.family"], FONT])
        with matplotlib.rc_context({**OURS, "font.family": list(families)}):
            yield


class Picture(Figure):
    """A Figure that is drawn and saved in the style in which it was made."""

    @own_style()
    def draw(self, renderer: Any) -> None:
        super().draw(renderer)

    @own_style()
    def savefig(self, fname: Any, **options: Any) -> None:
        super().savefig(fname, **options)


def new_figure(height: float) -> Figure:
    """Return an empty figure, 8 inches wide, whose panels do not overlap."""
    layout = ConstrainedLayoutEngine(w_pad=0.08, h_pad=0.08, wspace=0.04, hspace=0.04)
    return Picture(figsize=(WIDTH, height), dpi=DPI, facecolor="white", layout=layout)


def headline(figure: Figure, title: str, width: float = WIDTH - 0.4) -> None:
    """Write the title of a figure made by `new_figure`, smaller if it exceeds `width` inches."""
    size = fit(title, width, TITLE)
    figure.suptitle(title, x=0.02, ha="left", fontsize=size, fontweight="bold", color=INK)


def legend(
    figure: Figure, columns: int, handles: Sequence[Artist] | None = None, top: bool = False
) -> None:
    """Add a legend of the handles, by default of all labelled artists, below or at the top."""
    options: dict[str, Any] = {} if handles is None else {"handles": handles}
    options["loc"] = "upper right" if top else "outside lower center"
    figure.legend(ncols=columns, fontsize=SMALL, frameon=False, **options)


def tidy(axes: Axes, title: str = "", xlabel: str = "", ylabel: str = "", grid: str = "") -> None:
    """Set a panel's title and labels, and remove the frame lines that carry no information."""
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
    """Return a figure with one invisible panel in inches, measured from the top left corner.

    It holds many small images, since a panel for each image would take seconds to draw.
    """
    figure = Picture(figsize=(WIDTH, height), dpi=DPI, facecolor="white")
    axes = figure.add_axes((0.0, 0.0, 1.0, 1.0))
    axes.set_axis_off()
    axes.set_autoscale_on(False)
    axes.set_xlim(0, WIDTH)
    axes.set_ylim(height, 0)
    write(axes, 0.15, 0.2, title, size=TITLE, fontweight="bold")
    write(axes, 0.15, 0.45, note, size=TEXT, color=QUIET)
    return figure, axes


def write(axes: Axes, x: float, y: float, text: str, size: float = TEXT, **style: Any) -> None:
    """Write one line on a page, vertically centred at y."""
    style = {"color": INK, "va": "center"} | style
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
    """Draw one framed image (H, W) on a page, its top left corner at (x, y)."""
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
    # Chinese and Japanese characters are as wide as high, others 0.62 times at most on average.
    width = sum(1.0 if unicodedata.east_asian_width(letter) in "FW" else 0.62 for letter in text)
    return min(size, 72 * inches / max(0.62, width))


def plain(text: Any) -> str:
    """Return a name for a picture, in which a dollar sign does not begin mathematics."""
    return str(text).replace("$", r"\$")


def percent(share: float, digits: int = 1) -> str:
    """Format a share as a percentage that is never rounded to 0 % or 100 %."""
    value, unit = 100 * float(share), 10.0**-digits
    if value >= 100 - unit / 2:
        return f"> {100 - unit:.{digits}f} %" if value < 100 else "100 %"
    if value < unit / 2:
        return f"< {unit:.{digits}f} %" if value > 0 else "0 %"
    return f"{value:.{digits}f} %"


def names_of(*names: Any, **options: Any) -> list[str]:
    """Return the names of classes or layers for a picture; arguments as for `check_names`."""
    return [plain(name) for name in check_names(*names, **options)]


def symmetric_limit(values: NDArray[Any]) -> float:
    """Return the limit v of a colour scale from -v to v; one value in 500 may lie outside."""
    return float(np.quantile(np.abs(values), 0.998)) or 1.0
