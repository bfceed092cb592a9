"""Plots of two-dimensional toy problems: optimizer paths and decision boundaries.

With two weights the whole loss surface can be drawn, with two inputs every prediction of a
network; the same happens in thousands of dimensions, which cannot be drawn.
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

from numpymlp.metrics.checks import (
    as_labels,
    as_probabilities,
    check_label_range,
    check_same_length,
)
from numpymlp.plots.style import (
    INK,
    RUN_COLOURS,
    SMALL,
    TEXT,
    WIDTH,
    WRONG,
    headline,
    legend,
    names_of,
    new_figure,
    own_style,
    plain,
    tidy,
)
from numpymlp.validation import InputError, as_array, check_positive_integer

MARKERS = ("o", "s", "^", "D", "v", "P", "X")
# The colours of classes leave out vermillion, which marks mistakes.
CLASS_COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#000000", "#F0E442")


@own_style()
def optimizer_paths(
    w0: ArrayLike,
    w1: ArrayLike,
    loss: ArrayLike,
    paths: Mapping[str, ArrayLike],
    *,
    minimum: tuple[float, float] | None = None,
    title: str = "Optimizer paths on a loss surface",
) -> Figure:
    """Draw the path of each optimizer on a loss surface of two weights.

    Parameters
    ----------
    w0 : (A,) numbers, w1 : (B,) numbers
        The grid's axes.
    loss : (B, A) numbers
        The loss at (w0[a], w1[b]) in row b and column a.
    paths : dict of (steps + 1, 2) numbers
        Weights (w0, w1) of each optimizer by name, start included; the starts may differ.
    minimum : (w0, w1), optional
        The place of the lowest loss; by default the lowest grid point.
    """
    x, y, surface = np.asarray(w0, float), np.asarray(w1, float), np.asarray(loss, float)
    if surface.shape != (len(y), len(x)) or not np.isfinite(surface).all():
        raise InputError(
            f"optimizer_paths: expected finite losses of shape (len(w1), len(w0)) = ({len(y)}, "
            f"{len(x)}), got {surface.shape}"
        )
    if surface.min() == surface.max():
        raise InputError(
            f"optimizer_paths: expected losses that differ, got {surface.min():g} everywhere"
        )
    walks = {name: np.asarray(path, float) for name, path in paths.items()}
    if not walks:
        raise InputError("optimizer_paths: expected at least one path, got none")
    for name, walk in walks.items():
        if walk.ndim != 2 or walk.shape[1] != 2 or len(walk) < 2:
            raise InputError(
                f"optimizer_paths: expected a path of shape (steps + 1, 2) for {name!r}, got "
                f"{walk.shape}"
            )
        if not np.isfinite(walk).all():
            raise InputError(
                f"optimizer_paths: expected finite weights in the path of {name!r}, got NaN or "
                f"infinity: if it diverged, draw the steps before"
            )
    if minimum is None:
        row, column = np.unravel_index(surface.argmin(), surface.shape)
        minimum = (float(x[column]), float(y[row]))
    figure = new_figure(5.6)
    headline(figure, title)
    axes = figure.subplots()
    tidy(axes, "", "weight $w_0$", "weight $w_1$")
    # Levels equally spaced in the square root of the loss, hence closer near the minimum.
    lowest = float(surface.min())
    levels = lowest + (np.linspace(0, 1, 17) ** 2) * (float(surface.max()) - lowest)
    filled = axes.contourf(x, y, surface, levels=levels, cmap="Greys", alpha=0.55)
    axes.contour(x, y, surface, levels=levels, colors="white", linewidths=0.6)
    bar = figure.colorbar(filled, ax=axes, pad=0.01, fraction=0.035)
    bar.set_label("loss (levels closer near the minimum)", fontsize=TEXT, color=INK)
    bar.set_ticks(levels[::4].tolist(), labels=[f"{level:.3g}" for level in levels[::4]])
    bar.ax.tick_params(labelsize=SMALL)
    handles = []
    for n, (name, walk) in enumerate(walks.items()):
        colour, marker = RUN_COLOURS[n % len(RUN_COLOURS)], MARKERS[n % len(MARKERS)]
        axes.plot(*walk.T, color=colour, linewidth=1.7, zorder=3)
        axes.plot(
            *walk[1:].T,
            marker,
            color=colour,
            markersize=3.6,
            markeredgecolor="white",
            markeredgewidth=0.4,
            linestyle="",
            zorder=3,
        )
        label = f"{plain(name)}, {len(walk) - 1} steps"
        handles.append(Line2D([], [], color=colour, marker=marker, markersize=5, label=label))
    halo = [withStroke(linewidth=3, foreground="white")]
    note: dict[str, Any] = {"fontsize": TEXT, "color": INK, "path_effects": halo, "zorder": 5}
    for start in np.unique([walk[0] for walk in walks.values()], axis=0):
        axes.plot(*start, "o", color="white", markeredgecolor=INK, markersize=9, zorder=4)
        axes.annotate("start", start, xytext=(8, 6), textcoords="offset points", **note)
    axes.plot(*minimum, "*", color="white", markeredgecolor=INK, markersize=15, zorder=4)
    axes.annotate(
        "minimum", minimum, xytext=(-4, -16), textcoords="offset points", ha="right", **note
    )
    axes.set_xlim(x.min(), x.max())
    axes.set_ylim(y.min(), y.max())
    legend(figure, 4, handles)
    return figure


def boundary_grid(
    points: ArrayLike, *, size: int = 160, margin: float = 0.12
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Return the grid on which `boundary_filmstrip` needs a network's probabilities.

    Parameters
    ----------
    points : (N, 2) numbers
        The data.
    size : int
        Grid points along each axis.
    margin : float
        Width of the grid beyond the data, as a share of the data's range.

    Returns
    -------
    x0 : (size,), x1 : (size,), inputs : (size * size, 2)
        The two axes and all their combinations, one row for each grid point:
        `network.predict_proba(inputs)` is a frame of `boundary_filmstrip`.
    """
    rows = _points(points)
    size = check_positive_integer(size, "size")
    low, high = rows.min(axis=0), rows.max(axis=0)
    pad = margin * np.maximum(high - low, 1e-9)
    x0 = np.linspace(low[0] - pad[0], high[0] + pad[0], size)
    x1 = np.linspace(low[1] - pad[1], high[1] + pad[1], size)
    return x0, x1, np.stack(np.meshgrid(x0, x1), axis=-1).reshape(-1, 2)


@own_style()
def decision_boundary(
    model: Any,
    x: ArrayLike,
    y: ArrayLike,
    *,
    size: int = 160,
    title: str = "Decision boundary",
) -> Figure:
    """Draw what a network or a scikit-learn estimator predicts in the plane, with the data.

    Colour shows the most probable class, its strength the probability; black lines are decision
    boundaries, crosses mark misclassified points. A network with two outputs or one sigmoid, or an
    estimator of two classes, has one boundary.

    Parameters
    ----------
    model : Network or fitted classifier
        Anything with ``predict_proba(x)``, (N, K) or (N, 1); of an estimator, `classes_` gives the
        label of each column. Without `predict_proba`, ``predict(x)`` decides.
    x : (N, 2) numbers
    y : (N,) labels
        Integers from 0 for a network; whatever the estimator was fitted on otherwise.
    size : int, default 160
        Grid points along each axis.
    """
    if isinstance(model, type) or not hasattr(model, "predict"):
        raise InputError(
            f"model: expected a network or a fitted classifier, with predict_proba or predict, got "
            f"{model!r:.80}"
        )
    x0, x1, grid = boundary_grid(x, size=size)
    known = None if not hasattr(model, "classes_") else np.asarray(model.classes_)
    labels = as_array(y, "y")
    if known is not None:
        if len(unknown := np.setdiff1d(labels, known)):
            raise InputError(
                f"y: expected labels among the classes that the model was fitted on, "
                f"{known.tolist()!r:.80}, got {unknown[0]!r}"
            )
        labels = np.searchsorted(known, labels)
    if hasattr(model, "predict_proba"):
        frame, answers = (as_probabilities(model.predict_proba(rows)) for rows in (grid, x))
    else:
        columns = np.unique(model.predict(grid)) if known is None else known
        frame, answers = (
            1.0 * (np.asarray(model.predict(r))[:, None] == columns) for r in (grid, x)
        )
    names = None if known is None else [str(name) for name in known]
    return _boundary(
        x0, x1, [frame], x, labels, [""], title, class_names=names, answers=answers.argmax(axis=1)
    )


@own_style()
def boundary_filmstrip(
    x0: ArrayLike,
    x1: ArrayLike,
    frames: Sequence[ArrayLike],
    points: ArrayLike,
    labels: ArrayLike,
    *,
    frame_titles: Sequence[str] | None = None,
    title: str = "How the boundary forms",
) -> Figure:
    """Draw a network's predictions in the plane, a panel for each moment of training.

    Colour shows the most probable class, its strength the probability; black lines are decision
    boundaries, crosses mark misclassified points.

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
        Title of each frame, such as "epoch 3".
    """
    count = len(frames)
    titles = names_of(frame_titles, count, "frame_titles", lambda n: f"frame {n + 1}")
    return _boundary(x0, x1, frames, points, labels, titles, title)


def _boundary(
    x0: ArrayLike,
    x1: ArrayLike,
    frames: Sequence[ArrayLike],
    points: ArrayLike,
    labels: ArrayLike,
    titles: Sequence[str],
    title: str,
    *,
    class_names: Sequence[str] | None = None,
    answers: NDArray[Any] | None = None,
) -> Figure:
    """Draw a panel for each frame; arguments as for `boundary_filmstrip`.

    `answers` are the model's own for the points; without them, those of the nearest grid points.
    """
    x, y, dots = np.asarray(x0, float), np.asarray(x1, float), _points(points)
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
    check_label_range("labels", true, classes)
    names = names_of(class_names, classes, default=lambda k: f"class {k}")
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
        predicted = picture.argmax(axis=2)
        confidence = (picture.max(axis=2) - 1 / classes) / (1 - 1 / classes)
        strength = 0.08 + 0.42 * confidence[..., None]
        axes.imshow(
            1 - strength * (1 - palette[predicted]),
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
        wrong = (predicted[row, column] if answers is None else answers) != true
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
            f"{name}: {wrong.sum()} wrong".removeprefix(": "),
            "input $x_0$" if n // columns == rows - 1 else "",
            "input $x_1$" if leftmost else "",
        )
        axes.tick_params(labelbottom=lowest, labelleft=leftmost)
        axes.xaxis.set_major_locator(MaxNLocator(5))
    for axes in panels[len(pictures) :]:
        axes.remove()
    handles = [
        Line2D([], [], color=CLASS_COLOURS[k], marker=MARKERS[k], linestyle="", label=names[k])
        for k in range(classes)
    ]
    handles.append(Line2D([], [], color=INK, linewidth=1.2, label="boundary"))
    handles.append(Line2D([], [], color=WRONG, marker="x", linestyle="", label="misclassified"))
    legend(figure, 6, handles)
    return figure


def _points(points: ArrayLike) -> NDArray[np.float64]:
    """Return points in the plane, (N, 2) finite floats, N at least 1."""
    rows = np.asarray(points, float)
    if rows.ndim != 2 or rows.shape[1] != 2 or len(rows) == 0 or not np.isfinite(rows).all():
        found = "" if np.isfinite(rows).all() else " with NaN or infinity"
        raise InputError(f"points: expected finite numbers (N, 2), got shape {rows.shape}{found}")
    return rows


def _frame(frame: ArrayLike, width: int, height: int) -> NDArray[Any]:
    """Return the probabilities of one frame as (B, A, K), K at least 2."""
    rows = np.asarray(frame, float)
    if rows.ndim != 2 or len(rows) != width * height or not np.isfinite(rows).all():
        raise InputError(
            f"frames: expected finite probabilities of shape ({width * height}, K), one row for "
            f"each grid point, got {rows.shape}"
        )
    return as_probabilities(rows).reshape(height, width, -1)
