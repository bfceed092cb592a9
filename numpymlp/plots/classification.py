"""Plots of metrics: confusion matrix, scores of each class, reliability diagram.

They draw the results of `numpymlp.metrics`. A good classifier is right a hundred times as often as
it is wrong, so the scales show the mistakes. Next: `training`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.ticker import FuncFormatter
from numpy.typing import ArrayLike, NDArray

from numpymlp.metrics import ClassScores, ReliabilityTable
from numpymlp.metrics.checks import as_confusion_matrix
from numpymlp.plots.style import (
    FAINT,
    INK,
    MISTAKES,
    QUIET,
    RIGHT,
    RIGHT_MARK,
    SMALL,
    TRAIN,
    WRONG,
    WRONG_MARK,
    fit,
    headline,
    legend,
    names_of,
    new_figure,
    own_style,
    percent,
    tidy,
)

SMALLEST = 5.5  # points
NUMBERED = 12  # most classes for which the cells of a confusion matrix hold numbers


@own_style()
def confusion_matrix(
    matrix: ArrayLike,
    *,
    class_names: Sequence[str] | None = None,
    title: str = "Confusion matrix",
) -> Figure:
    """Draw a confusion matrix twice: counts, and shares of each true class.

    The correct predictions, on the green diagonal, are excluded from the colour scale, so that
    single mistakes are visible beside thousands of them.

    Parameters
    ----------
    matrix : (K, K) numbers of at least 0
        Rows are true classes, as in `metrics.confusion_matrix`.
    class_names : K strings, optional
        Name of each class.
    """
    counts = as_confusion_matrix(matrix)
    names = names_of(class_names, len(counts))
    support = counts.sum(axis=1, keepdims=True)
    shares = np.divide(
        100.0 * counts, support, out=np.full(counts.shape, np.nan), where=support > 0
    )
    right = np.trace(counts) / counts.sum()
    figure = new_figure(4.95)
    headline(figure, f"{title}: {percent(right, 2)} of {counts.sum():,.0f} samples are right")
    left, second = figure.subplots(1, 2)
    _matrix_panel(figure, left, counts, names, "Samples", "mistakes (samples)")
    _matrix_panel(
        figure, second, shares, names, "Share of each true class (%)", "mistakes (% of the row)"
    )
    second.set_ylabel("")
    right_patch = Patch(color=(*to_rgba(RIGHT)[:3], 0.3), label=f"{RIGHT_MARK} right")
    wrong_patch = Patch(color=WRONG, label=f"{WRONG_MARK} mistake")
    legend(figure, 2, [right_patch, wrong_patch], top=True)
    return figure


@own_style()
def class_scores(
    scores: ClassScores,
    *,
    class_names: Sequence[str] | None = None,
    title: str = "Precision, recall and F1 of each class",
) -> Figure:
    """Draw bars of precision, recall and F1 for each class, hanging from 1.

    A bar shows the distance from the perfect score, so that small differences are visible and no
    bar is truncated. A class that never occurs has no bars.

    Parameters
    ----------
    scores : ClassScores
        As `metrics.precision_recall_f1` returns.
    class_names : K strings, optional
        Name of each class, in the order of `scores.classes`.
    """
    names = names_of(
        scores.classes.astype(str).tolist() if class_names is None else class_names,
        len(scores.classes),
    )[: len(scores.classes)]
    figure = new_figure(3.9)
    headline(figure, title)
    axes = figure.subplots()
    tidy(
        axes,
        "Bars hang from the perfect score: shorter is better",
        "class (samples)",
        "score (1 = perfect)",
        grid="y",
    )
    series = (
        ("precision (correct among predicted)", scores.precision, "#56B4E9", ""),
        ("recall (correct among true)", scores.recall, "#E69F00", "///"),
        ("F1 (harmonic mean of both)", scores.f1, "#444444", ""),
    )
    places = np.arange(len(names))
    for n, (label, values, colour, hatch) in enumerate(series):
        axes.bar(
            places + 0.27 * (n - 1),
            np.where(scores.occurs, values - 1.0, 0.0),
            bottom=1.0,
            width=0.24,
            color=colour,
            hatch=hatch,
            edgecolor="white",
            linewidth=0,
            label=label,
        )
    lowest = min(float(values[scores.occurs].min()) for _, values, _, _ in series)
    axes.set_ylim(max(1.0 - 1.08 * max(1.0 - lowest, 0.005), 0.0), 1.0)
    axes.set_xlim(-0.6, len(names) - 0.4)
    axes.spines["top"].set_visible(True)
    axes.spines["top"].set_color(QUIET)
    counted = zip(names, scores.support.tolist(), strict=True)
    ticks = [f"{name}\n({support:,.0f})" for name, support in counted]
    _name_ticks(axes, places, ticks, width=6.9 / len(names))
    legend(figure, 3)
    return figure


@own_style()
def reliability_diagram(table: ReliabilityTable, *, title: str = "Reliability") -> Figure:
    """Draw accuracy against confidence, and the number of samples at each confidence.

    Parameters
    ----------
    table : ReliabilityTable
        As `metrics.reliability_table` returns.
    """
    error = 100 * table.expected_calibration_error
    figure = new_figure(5.6)
    headline(figure, f"{title}: expected calibration error {error:.2f} %")
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=(2.4, 1))
    tidy(upper, "Accuracy against confidence", "", "accuracy (%)", grid="both")
    tidy(
        lower, "", "confidence: probability of the predicted class (%)", "samples\n(log scale)", "y"
    )
    filled = table.count > 0
    width = 100 * np.diff(table.edges)
    middle = 100 * (table.edges[:-1] + table.edges[1:]) / 2
    accuracy, confidence = 100 * table.accuracy[filled], 100 * table.confidence[filled]
    upper.bar(
        middle[filled],
        accuracy,
        width=0.94 * width[filled],
        color=TRAIN,
        alpha=0.35,
        label="accuracy of the bin",
    )
    low, high = np.minimum(accuracy, confidence), np.maximum(accuracy, confidence)
    upper.vlines(confidence, low, high, color=WRONG, lw=2)
    upper.plot(
        [0, 100], [0, 100], color=INK, linewidth=1, linestyle="--", label="perfect calibration"
    )
    label = "mean confidence of the bin, and gap"
    upper.plot(confidence, accuracy, "o", color=WRONG, markersize=5, clip_on=False, label=label)
    upper.set_xlim(0, 100)
    upper.set_ylim(0, 102)
    legend(figure, 3)
    gap = float(np.sum(table.count[filled] * (confidence - accuracy)) / table.count.sum())
    relation = f"is {abs(gap):.2f} percentage points {'above' if gap > 0 else 'below'}"
    if abs(gap) < 0.005:
        relation = "equals"
    lower.set_title(f"mean confidence {relation} accuracy", loc="right", fontsize=SMALL, color=INK)
    lower.bar(middle, table.count, width=0.94 * width, color=TRAIN, alpha=0.8)
    lower.set_yscale("log")
    lower.set_ylim(0.7, 3.5 * table.count.max())
    lower.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
    lower.minorticks_off()
    for x, count in zip(middle[filled], table.count[filled].tolist(), strict=True):
        lower.text(x, count * 1.15, f"{count:,}", ha="center", va="bottom", fontsize=SMALL)
    lower.set_xticks(np.arange(0, 101, 10))
    return figure


def _matrix_panel(
    figure: Figure, axes: Axes, cells: NDArray[Any], names: list[str], title: str, scale: str
) -> None:
    """Draw one of the two panels of a confusion matrix; `scale` labels its colour bar."""
    size = len(cells)
    diagonal = np.eye(size, dtype=bool)
    worst = np.nanmax(np.where(diagonal, 0, cells))
    heat = axes.imshow(
        np.ma.masked_where(diagonal | ~np.isfinite(cells), cells),
        cmap=MISTAKES,
        vmin=0,
        vmax=max(worst, 1e-9),
        interpolation="nearest",
    )
    green = np.zeros((size, size, 4))
    green[diagonal] = (*to_rgba(RIGHT)[:3], 0.3)
    axes.imshow(green, interpolation="nearest")
    tidy(axes, title, "predicted class", "true class")
    for side in axes.spines.values():
        side.set_visible(False)
    _name_ticks(axes, np.arange(size), names, width=3.3 / size)
    labelled = np.rint(axes.get_xticks()).astype(int)
    axes.set_yticks(labelled, [names[k] for k in labelled])
    every = -(-size // len(labelled))
    axes.tick_params(axis="y", labelsize=min(every * fit("MM", 4 / size, SMALL), SMALL))
    axes.tick_params(length=0)
    edges = np.arange(size + 1) - 0.5
    axes.hlines(edges, -0.5, size - 0.5, color=FAINT, linewidth=0.6)
    axes.vlines(edges, -0.5, size - 0.5, color=FAINT, linewidth=0.6)
    bar = figure.colorbar(heat, ax=axes, orientation="horizontal", fraction=0.04, pad=0.02)
    bar.set_label(scale, fontsize=SMALL, color=INK)
    bar.ax.tick_params(labelsize=SMALL)
    bar.outline.set_visible(False)
    if size > NUMBERED:
        return
    whole = title == "Samples"
    for row, column in np.ndindex(cells.shape):
        text = _cell(cells[row, column], whole)
        dark = row != column and cells[row, column] > 0.6 * worst
        axes.text(
            column,
            row,
            text,
            ha="center",
            va="center",
            fontsize=7.2,
            color="white" if dark else INK,
            fontweight="bold" if row == column else "normal",
            in_layout=False,  # it lies within the panel; measuring it would only cost time
        )


def _cell(value: Any, whole: bool) -> str:
    """Format the number of a cell; a 0 is left empty, so that mistakes stand out."""
    if not np.isfinite(value):
        return "\N{EN DASH}"
    if value == 0:
        return ""
    if whole:
        return f"{value:.0f}" if value == round(value) else f"{value:.1f}"
    if value < 0.05:
        return "<.1"
    if value >= 99.95:
        return "100" if value == 100 else ">99.9"
    return f"{value:.1f}"


def _name_ticks(axes: Axes, places: NDArray[Any], names: list[str], width: float) -> None:
    """Write names below an axis, each in `width` inches, or vertically if they do not fit.

    If there are very many classes, only every second (third, ...) is named.
    """
    longest = max((line for name in names for line in name.split("\n")), key=len)
    size = fit(longest + " ", width, SMALL)
    upright = size < SMALL - 2 and len(longest) > 2
    if upright:
        names = [name.replace("\n", " ") for name in names]
        size = fit("M", width, SMALL)
    every = math.ceil(SMALLEST / size)
    axes.set_xticks(places[::every], names[::every])
    axes.tick_params(axis="x", labelsize=min(size * every, SMALL), rotation=90 if upright else 0)
