"""Pictures of two-dimensional toy problems: paths of optimizers, and a boundary as it forms.

With two weights the whole loss surface can be drawn, and with two inputs everything that a network
says; what is seen here holds in the thousands of dimensions that cannot be drawn.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patheffects import withStroke
from matplotlib.ticker import MaxNLocator
from numpy.typing import ArrayLike, NDArray

from numpymlp.plots.style import (
    INK,
    RUN_COLOURS,
    SMALL,
    TEXT,
    WIDTH,
    WRONG,
    headline,
    new_figure,
    tidy,
)
from numpymlp.validation import (
    InputError,
    as_labels,
    as_probabilities,
    check_finite,
    check_positive_integer,
    check_same_length,
)

MARKERS = ("o", "s", "^", "D", "v", "P", "X")
# Colours of classes leave out vermillion, which says "wrong" in this house.
CLASS_COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#000000", "#F0E442")


def optimizer_paths(
    w0: ArrayLike,
    w1: ArrayLike,
    loss: ArrayLike,
    paths: Mapping[str, ArrayLike],
    *,
    minimum: tuple[float, float] | None = None,
    title: str = "Paths of optimizers on one loss surface",
) -> Figure:
    """Draw the way that each optimizer takes over a loss surface of two weights.

    Parameters
    ----------
    w0 : (A,) numbers, w1 : (B,) numbers
        The grid's axes.
    loss : (B, A) numbers
        The loss at (w0[a], w1[b]) in row b and column a.
    paths : dict of (steps + 1, 2) numbers
        Weights (w0, w1) from the start on, for each optimizer by name; they may start apart.
    minimum : (w0, w1), optional
        Where the lowest loss is; otherwise the lowest grid point is marked.
    """
    x, y, surface = np.asarray(w0, float), np.asarray(w1, float), np.asarray(loss, float)
    if surface.shape != (len(y), len(x)) or not np.isfinite(surface).all():
        raise InputError(
            f"optimizer_paths: expected finite losses of shape (len(w1), len(w0)) = ({len(y)}, "
            f"{len(x)}), got {surface.shape}"
        )
    if surface.min() == surface.max():
        raise InputError(f"optimizer_paths: every loss is {surface.min():g}: there is no way down")
    ways = {name: np.asarray(path, float) for name, path in paths.items()}
    if not ways:
        raise InputError("optimizer_paths: expected at least one path, got none")
    for name, way in ways.items():
        if way.ndim != 2 or way.shape[1] != 2 or len(way) < 2:
            raise InputError(
                f"optimizer_paths: expected a path of shape (steps + 1, 2) for {name!r}, got "
                f"{way.shape}"
            )
        if not np.isfinite(way).all():
            raise InputError(
                f"optimizer_paths: expected finite weights in the path of {name!r}, got NaN or "
                f"infinity: where it diverged, draw the steps before"
            )
    if minimum is None:
        row, column = np.unravel_index(surface.argmin(), surface.shape)
        minimum = (float(x[column]), float(y[row]))
    figure = new_figure(5.6)
    headline(figure, title)
    axes = figure.subplots()
    tidy(axes, "", "weight $w_0$", "weight $w_1$")
    # Levels at equal distances in the square root: close to the minimum as many as far away.
    lowest = float(surface.min())
    levels = lowest + (np.linspace(0, 1, 17) ** 2) * (float(surface.max()) - lowest)
    filled = axes.contourf(x, y, surface, levels=levels, cmap="Greys", alpha=0.55)
    axes.contour(x, y, surface, levels=levels, colors="white", linewidths=0.6)
    bar = figure.colorbar(filled, ax=axes, pad=0.01, fraction=0.035)
    bar.set_label("loss (levels closer near the minimum)", fontsize=TEXT, color=INK)
    bar.set_ticks(levels[::4].tolist(), labels=[f"{level:.3g}" for level in levels[::4]])
    bar.ax.tick_params(labelsize=SMALL)
    handles = []
    for n, (name, way) in enumerate(ways.items()):
        colour, marker = RUN_COLOURS[n % len(RUN_COLOURS)], MARKERS[n % len(MARKERS)]
        axes.plot(way[:, 0], way[:, 1], color=colour, linewidth=1.7, zorder=3)
        axes.plot(
            way[1:, 0],
            way[1:, 1],
            marker,
            color=colour,
            markersize=3.6,
            markeredgecolor="white",
            markeredgewidth=0.4,
            linestyle="",
            zorder=3,
        )
        steps = len(way) - 1
        handles.append(
            Line2D(
                [], [], color=colour, marker=marker, markersize=5, label=f"{name}, {steps} steps"
            )
        )
    halo = [withStroke(linewidth=3, foreground="white")]
    note: dict[str, Any] = {"fontsize": TEXT, "color": INK, "path_effects": halo, "zorder": 5}
    for start in np.unique([way[0] for way in ways.values()], axis=0):
        axes.plot(*start, "o", color="white", markeredgecolor=INK, markersize=9, zorder=4)
        axes.annotate("start", start, xytext=(8, 6), textcoords="offset points", **note)
    axes.plot(*minimum, "*", color="white", markeredgecolor=INK, markersize=15, zorder=4)
    axes.annotate("minimum", minimum, xytext=(9, 7), textcoords="offset points", **note)
    axes.set_xlim(x.min(), x.max())
    axes.set_ylim(y.min(), y.max())
    figure.legend(
        handles=handles, loc="outside lower center", ncols=4, fontsize=SMALL, frameon=False
    )
    return figure


def boundary_grid(
    points: ArrayLike, *, size: int = 160, margin: float = 0.12
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Return the grid on which `decision_boundary` wants a network's answers.

    Parameters
    ----------
    points : (N, 2) numbers
        The data; the grid reaches a little farther.
    size : int
        Grid points along each axis.

    Returns
    -------
    x0 : (size,), x1 : (size,), inputs : (size * size, 2)
        The two axes and all their combinations, one row for each grid point:
        `network.predict_proba(inputs)` is a frame.
    """
    rows = np.asarray(points, float)
    if rows.ndim != 2 or rows.shape[1] != 2 or len(rows) == 0:
        raise InputError(f"points: expected shape (N, 2), got {rows.shape}")
    check_finite(rows, "points")
    size = check_positive_integer(size, "size")
    low, high = rows.min(axis=0), rows.max(axis=0)
    pad = margin * np.maximum(high - low, 1e-9)
    x0 = np.linspace(low[0] - pad[0], high[0] + pad[0], size)
    x1 = np.linspace(low[1] - pad[1], high[1] + pad[1], size)
    return x0, x1, np.stack(np.meshgrid(x0, x1), axis=-1).reshape(-1, 2)


def decision_boundary(
    x0: ArrayLike,
    x1: ArrayLike,
    frames: Sequence[ArrayLike],
    points: ArrayLike,
    labels: ArrayLike,
    *,
    frame_titles: Sequence[str] | None = None,
    title: str = "How the boundary forms",
) -> Figure:
    """Draw what a network says everywhere in the plane, as a filmstrip over training.

    Colour is the most probable class, its strength the probability; black lines are boundaries,
    points with a cross lie on the wrong side.

    Parameters
    ----------
    x0, x1 : (A,) and (B,) numbers
        The grid's axes, as `boundary_grid` returns.
    frames : sequence of (B * A, K) numbers, or (B * A, 1)
        Probabilities at the grid points, one array for each moment; one column means class 1 of 2.
    points : (N, 2) numbers
        The data.
    labels : (N,) integers
        Their classes.
    frame_titles : strings, optional
        What stands over each frame, such as "epoch 3".
    """
    x, y, dots = np.asarray(x0, float), np.asarray(x1, float), np.asarray(points, float)
    if dots.ndim != 2 or dots.shape[1] != 2:
        raise InputError(f"points: expected shape (N, 2), got {dots.shape}")
    true = as_labels("labels", labels)
    check_same_length("points", dots, "labels", true)
    pictures = [_frame(frame, len(x), len(y)) for frame in frames]
    if not pictures:
        raise InputError("frames: expected at least one array of probabilities, got none")
    classes, found = pictures[0].shape[2], {picture.shape[2] for picture in pictures}
    if len(found) > 1 or classes > len(CLASS_COLOURS):
        raise InputError(
            f"frames: expected the same number of classes in each, at most {len(CLASS_COLOURS)}, "
            f"got {sorted(found)}"
        )
    if true.min() < 0 or true.max() >= classes:
        raise InputError(
            f"labels: expected labels from 0 to {classes - 1}, got {true.min()} to {true.max()}"
        )
    titles = frame_titles or [f"frame {n + 1}" for n in range(len(pictures))]
    if len(titles) != len(pictures):
        raise InputError(
            f"frame_titles: expected one for each of {len(pictures)} frames, got {len(titles)}"
        )
    columns = min(len(pictures), 4)
    rows = -(-len(pictures) // columns)
    side = WIDTH / max(columns, 2)
    figure = new_figure(1.15 + rows * (side * 0.95 + 0.25))
    headline(figure, f"{title}: {len(true)} points")
    panels = np.atleast_1d(figure.subplots(rows, columns, sharex=True, sharey=True)).ravel()
    palette = np.array([to_rgb(colour) for colour in CLASS_COLOURS[:classes]])
    column = np.abs(x[None] - dots[:, :1]).argmin(axis=1)
    row = np.abs(y[None] - dots[:, 1:]).argmin(axis=1)
    for n, (picture, name) in enumerate(zip(pictures, titles, strict=True)):
        axes = panels[n]
        answer = picture.argmax(axis=2)
        sureness = (picture.max(axis=2) - 1 / classes) / (1 - 1 / classes)
        strength = 0.08 + 0.42 * sureness[..., None]
        axes.imshow(
            1 - strength * (1 - palette[answer]),
            extent=(x[0], x[-1], y[0], y[-1]),
            origin="lower",
            aspect="auto",
            interpolation="bilinear",
        )
        for k in range(classes if classes > 2 else 1):
            others = np.delete(picture, k, axis=2).max(axis=2)
            lead = picture[..., k] - others
            if lead.min() < 0 < lead.max():
                axes.contour(x, y, lead, levels=[0.0], colors=INK, linewidths=1.2)
        wrong = answer[row, column] != true
        for k in range(classes):
            of_class = true == k
            axes.plot(
                *dots[of_class].T,
                MARKERS[k],
                color=CLASS_COLOURS[k],
                markersize=4,
                markeredgecolor="white",
                markeredgewidth=0.5,
                linestyle="",
            )
        axes.plot(*dots[wrong].T, "x", color=WRONG, markersize=5, markeredgewidth=1.2, linestyle="")
        leftmost, lowest = n % columns == 0, n + columns >= len(pictures)
        tidy(
            axes,
            f"{name}: {wrong.sum()} wrong",
            "input $x_0$" if n // columns == rows - 1 else "",
            "input $x_1$" if leftmost else "",
        )
        axes.tick_params(labelbottom=lowest, labelleft=leftmost)
        axes.xaxis.set_major_locator(MaxNLocator(5))
    for axes in panels[len(pictures) :]:
        axes.remove()
    handles = [
        Line2D([], [], color=CLASS_COLOURS[k], marker=MARKERS[k], linestyle="", label=f"class {k}")
        for k in range(classes)
    ]
    handles.append(Line2D([], [], color=INK, linewidth=1.2, label="boundary"))
    handles.append(Line2D([], [], color=WRONG, marker="x", linestyle="", label="on the wrong side"))
    figure.legend(
        handles=handles, loc="outside lower center", ncols=6, fontsize=SMALL, frameon=False
    )
    return figure


def _frame(frame: ArrayLike, width: int, height: int) -> NDArray[Any]:
    """Return the probabilities of one frame as (B, A, K), K at least 2."""
    rows = np.asarray(frame, float)
    if rows.ndim != 2 or len(rows) != width * height or not np.isfinite(rows).all():
        raise InputError(
            f"frames: expected finite probabilities of shape ({width * height}, K), one row for "
            f"each grid point, got {rows.shape}"
        )
    return as_probabilities(rows).reshape(height, width, -1)
