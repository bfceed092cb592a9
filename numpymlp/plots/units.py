"""Parts of the plot of one pass: units, their weights as lines and as tables, images.

`explain`, which puts them on a page, is the only user.
"""

from __future__ import annotations

import itertools
from typing import Any, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import FancyBboxPatch, Rectangle
from numpy.typing import NDArray

from numpymlp.plots.style import (
    DIVERGING,
    INK,
    QUIET,
    SMALL,
    TRAIN,
    WRONG,
    fit,
    stamp,
    write,
)

FORWARD, BACKWARD = TRAIN, WRONG
# Inches: a unit, an image, the left margin, the top of the columns, a cell of a table.
BOX, HEIGHT, IMAGE, LEFT, TOP, CELL = 0.62, 0.42, 1.35, 0.25, 1.0, 0.56


class Column(NamedTuple):
    """The units of one layer, or the input, or the probabilities.

    Attributes
    ----------
    name : str
    values, gradients : (units,) numbers
        Outputs, and the gradients of the loss with respect to them; NaN where there are none.
    shown : (n,) integers
        The units that are drawn.
    closed : (units,) bools
        Which ReLU gates are closed.
    W, dW : (units before, units) numbers, or None
        Weights from the column before, where it has some.
    b, db : (units,) numbers, or None
    """

    name: str
    values: NDArray[Any]
    gradients: NDArray[Any]
    shown: NDArray[np.intp]
    closed: NDArray[np.bool_]
    W: Any = None
    dW: Any = None
    b: Any = None
    db: Any = None


def number(value: Any) -> str:
    """Write a number in six characters or little more, with a true minus."""
    size = abs(float(value))
    text = f"{value:.0e}" if size and not 1e-3 <= size < 1e5 else f"{value + 0.0:.3g}"
    if size and 1e-3 <= size < 0.1:
        text = f"{value:.2g}"
    return text.replace("e-0", "e-").replace("e+0", "e").replace("-", "\N{MINUS SIGN}")


def draw_box(axes: Axes, left: float, top: float, closed: bool) -> None:
    """Draw the box of a unit; of a closed gate grey, with a dashed frame."""
    axes.add_patch(
        FancyBboxPatch(
            (left + 0.05, top + 0.05),
            BOX - 0.1,
            HEIGHT - 0.1,
            boxstyle="round,pad=0.05",
            linewidth=0.9,
            linestyle=(0, (3, 2)) if closed else "solid",
            facecolor="#EEEEEE" if closed else "white",
            edgecolor=QUIET if closed else INK,
            zorder=3,
        )
    )


def draw_unit(
    axes: Axes, column: Column, unit: int, left: float, top: float, *, whole: bool, bias: bool
) -> None:
    """Draw one unit: its value above, its gradient below, and its bias under the box."""
    draw_box(axes, left, top, bool(column.closed[unit]))
    center, gradient = left + BOX / 2, column.gradients[unit]
    style: dict[str, Any] = {"ha": "center", "zorder": 4}
    y = top + (HEIGHT / 2 if np.isnan(gradient) else 0.12)
    write(axes, center, y, number(column.values[unit]), SMALL, color=FORWARD, **style)
    if not np.isnan(gradient):
        write(axes, center, top + 0.3, number(gradient), SMALL, color=BACKWARD, **style)
    if not whole:
        write(axes, center, top - 0.08, f"[{unit}]", 7.0, color=QUIET, **style)
    if bias and column.b is not None:
        b, db = f"b {number(column.b[unit])}", f"db {number(column.db[unit])}"
        write(axes, center, top + HEIGHT + 0.11, b, 7.5, color=FORWARD, **style)
        write(axes, center, top + HEIGHT + 0.25, db, 7.5, color=BACKWARD, **style)


def draw_summary(
    axes: Axes, column: Column, center: float, gap: float, last: float, bottom: float
) -> None:
    """Write under a column how many units are left out, and the sizes of its weights."""
    left_out, gates = len(column.values) - len(column.shown), int((~column.closed).sum())
    lines = [f"{left_out:,} more"] if left_out else []
    lines += [f"{gates:,} of {len(column.values):,} open"] if column.closed.any() else []
    for k, line in enumerate(lines):
        write(axes, center, last + HEIGHT + 0.13 + 0.15 * k, line, 7.5, ha="center", color=QUIET)
    if column.W is None:
        return
    for k, (name, values, colour) in enumerate(
        (("W", column.W, FORWARD), ("dW", column.dW, BACKWARD))
    ):
        text = f"{name}: RMS {number(np.sqrt(np.mean(np.square(np.asarray(values, float)))))}"
        size = fit(text, 2 * (center - gap) - 0.1, SMALL)
        write(axes, gap, bottom - 0.3 + 0.18 * k, text, size, ha="center", color=colour)


def draw_edges(
    axes: Axes, column: Column, starts: Any, places: Any, labelled: bool, image: bool, whole: bool
) -> None:
    """Draw the lines from the units of the column before to those of this one."""
    stops = {unit: (left, top + HEIGHT / 2) for unit, (left, top) in places.items()}
    if column.W is None or image:
        for unit, stop in stops.items():
            if image or unit in starts:
                start = starts[unit] if not image else next(iter(starts.values()))
                draw_line(axes, start, stop)
        return
    largest, W = float(np.abs(column.W).max()) or 1.0, column.W
    lines = {(i, j): (starts[i], stops[j]) for j in stops for i in starts}
    for (i, j), line in lines.items():
        axes.plot(
            *zip(*line, strict=True),
            color=QUIET,
            linewidth=0.5 + 1.3 * abs(float(W[i, j])) / largest,
            linestyle=(0, (4, 2)) if W[i, j] < 0 else "solid",
            alpha=0.8 if labelled else 0.5 if whole else 0.35,
            zorder=1,
        )
    if not labelled:
        return
    texts = {ij: (number(W[ij]), number(column.dW[ij])) for ij in lines}
    half = {ij: 0.031 * max(map(len, text)) + 0.02 for ij, text in texts.items()}
    for ij, (x, y) in _label_places(lines, half).items():
        corner = (x - half[ij], y - 0.135)
        axes.add_patch(Rectangle(corner, 2 * half[ij], 0.27, color="white", linewidth=0, zorder=2))
        for dy, text, colour in zip((-0.065, 0.07), texts[ij], (FORWARD, BACKWARD), strict=True):
            write(axes, x, y + dy, text, 7.5, ha="center", color=colour)


def _label_places(lines: Any, half: Any) -> dict[Any, tuple[float, float]]:
    """Return a place on each line for its label, away from the other labels and lines."""
    shares = np.linspace(0.2, 0.8, 25)[:, None]
    spots = {ij: np.array(a) * (1 - shares) + np.array(b) * shares for ij, (a, b) in lines.items()}
    chosen = {ij: len(shares) // 2 for ij in lines}
    along = np.linspace(0, 1, 60)[:, None]
    for _, ij in itertools.product(range(4), lines):
        cost = 0.5 * np.abs(shares[:, 0] - 0.5)
        for other, (a, b) in lines.items():
            if other == ij:
                continue
            reach = np.array([half[ij] + half[other] + 0.04, 0.31])
            apart = (np.abs(spots[ij] - spots[other][chosen[other]]) / reach).max(axis=1)
            cost += 10.0 * (apart < 1) + 0.1 / (0.1 + apart)
            points = np.array(a) * (1 - along) + np.array(b) * along
            near = np.abs(spots[ij][:, None] - points) < (half[ij] + 0.03, 0.16)
            cost += 0.06 * near.all(axis=2).sum(axis=1)
        chosen[ij] = int(cost.argmin())
    return {ij: tuple(spots[ij][k]) for ij, k in chosen.items()}


def draw_line(
    axes: Axes, start: tuple[float, float], stop: tuple[float, float], head: bool = True
) -> None:
    """Draw a line between two boxes."""
    style = {
        "arrowstyle": "-|>" if head else "-",
        "color": QUIET,
        "linewidth": 0.8,
        "shrinkA": 1,
        "shrinkB": 1,
    }
    axes.annotate("", stop, start, arrowprops=style, zorder=1)


def draw_images(
    axes: Axes, column: Column, shape: tuple[int, int], left: float, middle: float
) -> None:
    """Draw the input as an image, and below it the gradient of the loss with respect to it."""
    height = IMAGE * shape[0] / shape[1]
    stamp(axes, column.values.reshape(shape), left, middle - height - 0.1, IMAGE)
    limit = float(np.abs(column.gradients).max()) or 1.0
    stamp(
        axes,
        column.gradients.reshape(shape),
        left,
        middle + 0.1,
        IMAGE,
        cmap=DIVERGING,
        vmin=-limit,
        vmax=limit,
    )
    text = f"gradient, largest {number(limit)}"
    y = middle + height + 0.22
    write(
        axes, left + IMAGE / 2, y, text, fit(text, IMAGE + 0.2, SMALL), ha="center", color=BACKWARD
    )


def draw_table(axes: Axes, column: Column, left: float, top: float) -> float:
    """Write weights and biases, and their gradients, as a table; return its end."""
    name = column.name.split("\n")[0].replace(" -> ", "\N{RIGHTWARDS ARROW}")
    write(axes, left, top + 0.12, name, SMALL, fontweight="bold")
    rows = [("", *pair) for pair in zip(column.W, column.dW, strict=True)]
    if column.b is not None:
        rows.append(("b", column.b, column.db))
    for k, (label, *pair) in enumerate(rows):
        y = top + 0.4 + 0.36 * k
        write(axes, left, y, label, SMALL, color=QUIET)
        for (dy, colour), values in zip(((-0.07, FORWARD), (0.08, BACKWARD)), pair, strict=True):
            for j, value in enumerate(values):
                x = left + 0.15 + CELL * (j + 0.5)
                write(axes, x, y + dy, number(value), 7.5, ha="center", color=colour)
    return top + 0.4 + 0.36 * len(rows)
