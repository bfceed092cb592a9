"""Plot of one pass: units and weights with the numbers of the forward pass and the gradients.

It draws what `numpymlp.explain.trace` has recorded; `units` draws the parts. Next: `network`, the
weights as images.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Collection
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from numpy.typing import NDArray

from numpymlp.explain import Trace
from numpymlp.plots.style import QUIET, SMALL, WIDTH, fit, own_style, page, plain, write
from numpymlp.plots.units import (
    BOX,
    CELL,
    FORWARD,
    HEIGHT,
    IMAGE,
    LEFT,
    TOP,
    Column,
    draw_box,
    draw_edges,
    draw_images,
    draw_line,
    draw_summary,
    draw_table,
    draw_unit,
    number,
)
from numpymlp.validation import InputError

MOST_UNITS, MOST_COLUMN = 30, 16  # a network up to this size is drawn with all units
MOST_COLUMNS = 7  # beside each other; with more, layers without weights are merged
LABELLED = 9  # most weights between two columns that are written beside their lines
ACTIVE = 7  # units drawn of a layer in a larger network
NARROW = 0.4  # inches: the gap before a column without weights


@own_style()
def pass_through(
    trace: Trace,
    *,
    row: int = 0,
    image_shape: tuple[int, int] | None = None,
    lit: Collection[int] | None = None,
    title: str = "One pass: values forward, gradients back",
) -> Figure:
    """Draw the forward and backward pass of one sample, with the numbers.

    Above, in blue, stand the values of the forward pass; below, in orange, the gradients of the
    loss. Networks of up to about thirty units are drawn whole, with every weight and bias; of
    larger ones, the most active units of each layer.

    Parameters
    ----------
    trace : Trace
        What `numpymlp.explain.trace` returned.
    row : int, default 0
        The sample of the batch; gradients of weights and biases are sums over the batch.
    image_shape : (height, width), optional
        Draws the input, and its gradient, as images.
    lit : integers, optional
        The columns that keep their colours, 0 for the input and -1 for the loss; the others fade.
        By default all do.

    Raises
    ------
    InputError
        If the batch has no such row, the input no such shape, or the drawing no such column.
    """
    if not hasattr(trace, "steps"):
        raise InputError(
            f"trace: expected what numpymlp.explain.trace(network, loss, x, y) returned, got "
            f"{type(trace).__name__}"
        )
    x = trace["x"].values
    if not 0 <= row < len(x):
        raise InputError(f"row: expected 0 to {len(x) - 1}, a sample of the batch, got {row}")
    if image_shape is not None and math.prod(image_shape) != x[row].size:
        raise InputError(
            f"image_shape: expected {x[row].size} pixels, the features of a sample, got "
            f"{image_shape}"
        )
    columns = _columns(trace, row)
    units = [len(c.values) for c in columns if c.W is not None] + [len(columns[0].values)]
    whole = image_shape is None and sum(units) <= MOST_UNITS and max(units) <= MOST_COLUMN
    if not whole or len(columns) > MOST_COLUMNS:
        columns = _merged(columns)
    if not whole:
        columns = [column._replace(shown=_most_active(column)) for column in columns]
    batch = len(x)
    note = "Blue: values. Orange: gradients of the loss. Dashed: negative weight, or closed gate."
    if batch > 1:
        title = f"{title} (sample {row} of {batch})"
        note = note.replace("of the loss", f"(of weights over {batch} samples)")
    count = len(columns) + 1  # and the loss
    for place in lit or ():
        if place not in range(-count, count):
            raise InputError(
                f"lit: expected columns from {-count} to {count - 1}, got {place!r}: 0 is the "
                f"input, -1 the loss"
            )
    faded = [] if lit is None else sorted({*range(count)} - {place % count for place in lit})
    return _drawn(columns, trace["loss"].values, whole, image_shape, plain(title), note, faded)


# ---- what is drawn ----


def _columns(trace: Trace, row: int) -> list[Column]:
    """Return a column for the input, for each layer, and for the probabilities."""
    arrays = {step.name: step.values for step in trace.steps}
    gradient = _of_row(arrays["0.dx"], row)
    columns = [_column("input", _of_row(arrays["x"], row), gradient)]
    for position in itertools.count():
        name = f"{position}.y" if f"{position}.y" in arrays else "logits"
        step = trace[name]
        after = "dlogits" if name == "logits" else f"{position + 1}.dx"
        column = _column(step.owner.split(": ", 1)[1], _of_row(step.values, row),
                         _of_row(arrays[after], row))  # fmt: skip
        before = len(columns[-1].values)
        W = arrays.get(f"{position}.W")
        if W is not None and W.shape == (before, len(column.values)):
            more = (arrays.get(f"{position}.{name}") for name in ("W", "dW", "b", "db"))
            column = Column(*column[:5], *more)
        closed = arrays.get(f"{position}.closed")
        if closed is not None:
            column = column._replace(closed=_of_row(closed, row))
        columns.append(column)
        if name == "logits":
            break
    if "probabilities" in arrays:
        p = _of_row(arrays["probabilities"], row)
        name = trace["probabilities"].where.rpartition(".")[2]  # softmax or sigmoid
        columns.append(_column(name, p, np.full(len(p), np.nan)))
    return columns


def _column(name: str, values: NDArray[Any], gradients: NDArray[Any]) -> Column:
    units = len(values)
    return Column(name, values, gradients, np.arange(units), np.zeros(units, bool))


def _of_row(values: NDArray[Any], row: int) -> NDArray[Any]:
    return np.ravel(values[row])


def _merged(columns: list[Column]) -> list[Column]:
    """Return the columns with layers that only change each unit merged into those before them."""
    merged = columns[:1]
    for column in columns[1:]:
        last = merged[-1]
        alone = column.W is None and len(column.values) == len(last.values)
        if np.isnan(column.gradients).any() or not alone:
            merged.append(column)
        elif not np.array_equal(column.values, last.values):  # more than another shape
            name, closed = f"{last.name}\n{column.name}", column.closed | last.closed
            merged[-1] = Column(name, *column[1:4], closed, *last[5:])
    return merged


def _most_active(column: Column) -> NDArray[np.intp]:
    order = np.argsort(-np.abs(column.values), kind="stable")
    shown = order[: ACTIVE if len(order) > ACTIVE + 3 else len(order)]
    return np.sort(shown)


# ---- the drawing ----


def _drawn(
    columns: list[Column],
    loss: Any,
    whole: bool,
    image: Any,
    title: str,
    note: str,
    faded: list[int],
) -> Figure:
    widths = [IMAGE if image and not n else BOX for n in range(len(columns))]
    wide = [column.W is not None for column in columns]
    narrow = NARROW * (wide.count(False) - 1)
    gap = (WIDTH - 2 * LEFT - sum(widths) - narrow - 0.5 - BOX) / max(1, wide.count(True))
    if gap < 0.2:
        raise InputError(
            f"pass_through: expected at most 7 layers with weights on a page, got "
            f"{wide.count(True)}: print(trace) shows every number"
        )
    labelled = [whole and gap > 1.15 and c.W is not None and c.W.size <= LABELLED for c in columns]
    tables = [c for c, beside in zip(columns, labelled, strict=True) if whole and not beside]
    tables = [column for column in tables if column.W is not None]
    most = max(len(column.shown) for column in columns)
    pitch = 0.6 if not whole else 1.15 if any(labelled) and most <= 4 else 0.58
    high = max(most * pitch, 2 * IMAGE + 0.5 if image else 0.0)
    names = [c.name.replace(" -> ", "\N{RIGHTWARDS ARROW}").split("\n") for c in columns]
    top_line = TOP + 0.17 * (max(map(len, names)) - 1)
    middle, bottom = top_line + high / 2, top_line + high + (0.1 if whole else 0.55)
    rows = _flow(tables)
    height = bottom + sum(0.36 * max(len(c.W) for c in row) + 0.8 for row in rows)
    figure, axes = page(height + (0.25 if tables else 0.05), title, note)
    places: list[dict[int, tuple[float, float]]] = []  # left and top of each unit of each column
    x = LEFT
    borders = [0.0]  # between columns, whose names are a little wider than boxes
    for n, column in enumerate(columns):
        x += 0.0 if not n else gap if wide[n] else NARROW
        top = middle - len(column.shown) * pitch / 2 + (pitch - HEIGHT) / 2
        places.append({int(u): (x, top + k * pitch) for k, u in enumerate(column.shown)})
        center, room = x + widths[n] / 2, gap * 0.8 + BOX if wide[n] else BOX + NARROW
        for k, line in enumerate(reversed(names[n])):
            size = fit(line, room, SMALL)
            write(
                axes, center, top_line - 0.14 - 0.17 * k, line, size, ha="center", fontweight="bold"
            )
        if image and not n:
            draw_images(axes, column, image, x, middle)
            x += widths[n]
            borders.append(x + 0.1)
            continue
        if n:
            before, alike = places[n - 1], len(columns[n - 1].values) == len(column.values)
            starts = {unit: (left + BOX, y + HEIGHT / 2) for unit, (left, y) in before.items()}
            if image and n == 1:
                starts = dict.fromkeys(before, (x - gap, middle))
            elif column.W is None and not alike:  # as pooling: units do not map one to one
                draw_line(axes, (x - NARROW, middle), (x, middle))
                starts = {}
            draw_edges(axes, column, starts, places[n], labelled[n], bool(image) and n == 1, whole)
        for unit, place in places[n].items():
            draw_unit(axes, column, unit, *place, whole=whole, bias=labelled[n])
        if not whole:
            draw_summary(
                axes, column, center, x - gap / 2, places[n][int(column.shown[-1])][1], bottom
            )
        x += widths[n]
        borders.append(x + 0.1)
    for left, top in places[-1].values():
        draw_line(axes, (left + BOX, top + HEIGHT / 2), (x + 0.5, middle), head=False)
    center = x + 0.5 + BOX / 2
    draw_box(axes, x + 0.5, middle - HEIGHT / 2, False)
    write(axes, center, middle, number(loss), SMALL, ha="center", color=FORWARD, zorder=4)
    write(axes, center, top_line - 0.14, "loss", SMALL, ha="center", fontweight="bold")
    for n in faded:
        left, right = [*borders, WIDTH][n : n + 2]
        veil = Rectangle((left, TOP - 0.4), right - left, bottom - TOP + 0.4, color="white")
        axes.add_patch(veil).set(alpha=0.8, zorder=9)
    if tables:
        text = (
            "W above, dW below: a row for each unit before the layer, a column for each of its own"
        )
        write(axes, LEFT, bottom + 0.12, text, SMALL, color=QUIET)
    y = bottom + 0.25
    for row in rows:
        left, ends = LEFT, []
        for column in row:
            ends.append(draw_table(axes, column, left, y))
            left += CELL * len(column.values) + 0.7
        y = max(ends)
    return figure


def _flow(tables: list[Column]) -> list[list[Column]]:
    """Return the tables in rows that fit the page."""
    rows: list[list[Column]] = []
    room = 0.0
    for column in tables:
        need = CELL * len(column.values) + 0.7
        if need > room:
            rows, room = [*rows, []], WIDTH - LEFT
        rows[-1].append(column)
        room -= need
    return rows
