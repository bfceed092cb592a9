"""Plots of images with their predictions: a grid, the mistakes, the most confused classes.

Single samples show why a network fails; `classification`, the next module, shows how often.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from numpy.typing import ArrayLike, NDArray

from numpymlp.metrics import confusion_matrix, most_confused, rank_mistakes
from numpymlp.metrics.checks import (
    as_labels,
    as_labels_and_probabilities,
    check_label_range,
    check_same_length,
)
from numpymlp.plots.style import (
    FAINT,
    QUIET,
    RIGHT,
    RIGHT_MARK,
    SMALL,
    TEXT,
    WIDTH,
    WRONG,
    WRONG_MARK,
    fit,
    names_of,
    own_style,
    page,
    percent,
    stamp,
    write,
)
from numpymlp.validation import InputError, as_array, check_positive_integer

TOP = 0.72  # inches: top of the first row of a page


def as_images(images: ArrayLike) -> NDArray[Any]:
    """Return images (N, H, W), N at least 1; rows (N, H * H) become square images."""
    pictures = as_array(images, "images")
    side = math.isqrt(pictures.shape[1]) if pictures.ndim == 2 else 0
    if side and side**2 == pictures.shape[1]:
        pictures = pictures.reshape(-1, side, side)
    if pictures.ndim != 3 or pictures.size == 0:
        raise InputError(
            f"images: expected shape (N, H, W), or (N, H * H) for square images, got "
            f"{pictures.shape}: a single image needs image[None], a row reshape(-1, height, width)"
        )
    if pictures.dtype.kind not in "iufb" or not np.isfinite(pictures).all():
        found = "NaN or infinity" if pictures.dtype.kind == "f" else f"dtype {pictures.dtype}"
        raise InputError(f"images: expected finite numbers, got {found}")
    return pictures


@own_style()
def prediction_grid(
    images: ArrayLike,
    y_true: ArrayLike,
    y_pred: ArrayLike,
    *,
    rows: int = 4,
    columns: int | None = None,
    mistakes: int = 0,
    class_names: Sequence[str] | None = None,
    title: str = "Predictions",
) -> Figure:
    """Draw images titled with the prediction: green if right, red with the truth if wrong.

    Parameters
    ----------
    images : (N, H, W) or (N, H * H) numbers
        The first rows * columns are shown; the largest value is drawn black.
    y_true, y_pred : (N,) integers
        True and predicted labels.
    rows, columns : int
        Size of the grid; by default 8 columns, or 6 if classes have long names.
    mistakes : int, default 0
        Of the shown images, at least so many are wrong predictions, where there are so many: after
        the first images come the first mistakes among the others, and the title says so.
    class_names : strings, optional
        Name of each label.
    """
    pictures = as_images(images)
    true, pred = as_labels("y_true", y_true), as_labels("y_pred", y_pred)
    check_same_length("images", pictures, "y_true", true)
    check_same_length("y_true", true, "y_pred", pred)
    classes = int(max(true.max(), pred.max())) + 1
    check_label_range("y_true", true, classes)
    check_label_range("y_pred", pred, classes)
    names = names_of(class_names, classes, exactly=False)
    long = max(map(len, names)) > 2
    rows = check_positive_integer(rows, "rows")
    columns = (6 if long else 8) if columns is None else columns
    columns = check_positive_integer(columns, "columns")
    shown = min(len(true), rows * columns)
    chosen = _with_mistakes(true != pred, shown, mistakes)
    of_all = int((true != pred).sum())
    pictures, true, pred = pictures[chosen], true[chosen], pred[chosen]
    columns = min(columns, max(4, shown))
    cell = (WIDTH - 0.2) / columns
    width = cell - 0.14
    lines = 2 if long else 1
    between = "\n" if long else ", "
    labels = [
        f"{RIGHT_MARK} {names[p]}"
        if t == p
        else f"{WRONG_MARK} {names[p]}{between}truth {names[t]}"
        for t, p in zip(true, pred, strict=True)
    ]
    size = min(fit(line, cell - 0.06, TEXT) for label in labels for line in label.split("\n"))
    above = 0.19 * lines
    step = width * pictures.shape[1] / pictures.shape[2] + above + 0.12
    figure, axes = page(
        TOP + step * -(-shown // columns),
        f"{title}: {_grid_title(chosen, true == pred, of_all)}",
        f"{RIGHT_MARK} right: prediction    {WRONG_MARK} wrong: prediction and truth",
    )
    low, high = pictures.min(), pictures.max()
    for i, label in enumerate(labels):
        x, y = 0.15 + cell * (i % columns), TOP + step * (i // columns)
        is_right = true[i] == pred[i]
        colour = RIGHT if is_right else WRONG
        write(axes, x, y + above - 0.05, label, size, color=colour, va="bottom", fontweight="bold")
        stamp(
            axes,
            pictures[i],
            x,
            y + above,
            width,
            frame=FAINT if is_right else WRONG,
            frame_width=0.8 if is_right else 1.8,
            vmin=low,
            vmax=high,
        )
    return figure


def _with_mistakes(wrong: NDArray[np.bool_], shown: int, least: int) -> NDArray[np.intp]:
    """Return the first rows; in place of the last ones of them the first mistakes that follow."""
    later = shown + np.flatnonzero(wrong[shown:])
    more, most = 0, min(least, shown, len(later))
    while more < most and wrong[: shown - more].sum() + more < least:
        more += 1
    return np.concatenate([np.arange(shown - more), later[:more]])


def _grid_title(chosen: NDArray[np.intp], right: NDArray[np.bool_], of_all: int) -> str:
    """Say how many are right, or that mistakes follow the first images."""
    shown, first = len(chosen), int((chosen == np.arange(len(chosen))).sum())
    if first == shown:
        return f"{right.sum()} of {shown} right"
    return f"the first {first}, then {shown - first} of all {of_all:,} mistakes"


@own_style()
def mistakes(
    images: ArrayLike,
    y_true: ArrayLike,
    probabilities: ArrayLike,
    *,
    limit: int = 20,
    class_names: Sequence[str] | None = None,
) -> Figure:
    """Draw the misclassified images, most confident first, with their two most probable classes.

    Parameters
    ----------
    images : (N, H, W) or (N, H * H) numbers
        All samples, right and wrong.
    y_true : (N,) integers
        True labels, 0 ... K - 1.
    probabilities : (N, K) floats
        Rows that sum to 1.
    limit : int
        Maximum number of mistakes shown.

    Raises
    ------
    InputError
        If there is no mistake to show.
    """
    pictures, true, rows, ranked = _ranked_mistakes("mistakes", images, y_true, probabilities)
    shown = ranked[: check_positive_integer(limit, "limit")]
    names = names_of(class_names, rows.shape[1])
    columns = 3 if max(map(len, names)) > 4 else 4
    cell, width = (WIDTH - 0.2) / columns, 0.88
    height = width * pictures.shape[1] / pictures.shape[2]
    step = max(height, 0.95) + 0.2
    share = 100 * len(ranked) / len(true)
    figure, axes = page(
        TOP + step * -(-len(shown) // columns),
        f"Mistakes, most confident first: {len(shown)} of {len(ranked)}",
        f"{len(ranked)} of {len(true):,} samples ({share:.2f} %) are misclassified",
    )
    _class_legend(axes)
    low, high = pictures[shown].min(), pictures[shown].max()
    for n, i in enumerate(shown):
        x, y = 0.15 + cell * (n % columns), TOP + step * (n // columns)
        stamp(axes, pictures[i], x, y, width, vmin=low, vmax=high)
        x, bar = x + width + 0.1, cell - width - 0.27
        truth = f"truth: {names[true[i]]}"
        write(axes, x, y + 0.08, truth, size=fit(truth, bar + 0.1, SMALL), color=RIGHT)
        for place, k in enumerate(np.argsort(-rows[i], kind="stable")[:2]):
            if k == true[i]:
                mark, colour = RIGHT_MARK, RIGHT
            else:
                mark, colour = WRONG_MARK, WRONG if place == 0 else QUIET
            at = y + 0.36 + 0.36 * place
            line = f"{mark} {names[k]}  {percent(rows[i, k])}"
            write(axes, x, at, line, size=fit(line, bar + 0.15, SMALL), color=colour)
            for length, fill in ((bar, "#EEEEEE"), (bar * float(rows[i, k]), colour)):
                axes.add_patch(Rectangle((x, at + 0.1), length, 0.07, color=fill, linewidth=0))
    return figure


@own_style()
def confused_pairs(
    images: ArrayLike,
    y_true: ArrayLike,
    probabilities: ArrayLike,
    *,
    limit: int = 6,
    class_names: Sequence[str] | None = None,
) -> Figure:
    """Draw the most frequent mistakes: a row of confident examples for each pair of classes.

    Parameters and errors are those of `mistakes`; `limit` is the number of pairs.
    """
    pictures, true, rows, ranked = _ranked_mistakes("confused_pairs", images, y_true, probabilities)
    pred = rows.argmax(axis=1)
    pairs = most_confused(confusion_matrix(true, pred, rows.shape[1]), limit)
    names = names_of(class_names, rows.shape[1])
    left, columns = 2.2, 8
    cell = (WIDTH - left - 0.1) / columns
    width = cell - 0.06
    # A row is as high as its images, or as the text beside them if that is higher.
    step = max(width * pictures.shape[1] / pictures.shape[2], 0.5) + 0.14
    which = "This pair makes up" if len(pairs) == 1 else f"These {len(pairs)} pairs make up"
    figure, axes = page(
        TOP + step * len(pairs),
        "The most confused pairs: true \N{RIGHTWARDS ARROW} predicted",
        f"{which} {sum(pair.times for pair in pairs)} of {len(ranked)} mistakes; the most "
        "confident ones are shown",
    )
    low, high = pictures[ranked].min(), pictures[ranked].max()
    for row, pair in enumerate(pairs):
        y = TOP + step * row
        line = f"{names[pair.true]} \N{RIGHTWARDS ARROW} {names[pair.predicted]}"
        write(axes, 0.15, y + 0.17, line, size=fit(line, left - 0.2, TEXT + 1.5), fontweight="bold")
        length = 1.2 * pair.times / pairs[0].times
        axes.add_patch(Rectangle((0.15, y + 0.36), length, 0.16, color=WRONG, linewidth=0))
        times = f"{pair.times}" if row else f"{pair.times} times"
        write(axes, 0.15 + length + 0.06, y + 0.44, times, size=TEXT)
        examples = ranked[(true[ranked] == pair.true) & (pred[ranked] == pair.predicted)]
        for n, i in enumerate(examples[:columns]):
            stamp(axes, pictures[i], left + cell * n, y, width, vmin=low, vmax=high)
    return figure


def _ranked_mistakes(
    who: str, images: ArrayLike, y_true: ArrayLike, probabilities: ArrayLike
) -> tuple[NDArray[Any], NDArray[np.int64], NDArray[np.floating[Any]], NDArray[np.intp]]:
    """Return images, labels, probabilities, and the rows of the mistakes, at least one."""
    pictures = as_images(images)
    true, rows = as_labels_and_probabilities(y_true, probabilities)
    check_same_length("images", pictures, "y_true", true)
    ranked = rank_mistakes(true, rows)
    if len(ranked) == 0:
        raise InputError(
            f"{who}: expected at least one wrong prediction, got {len(true)} right ones: take more "
            "samples"
        )
    return pictures, true, rows, ranked


def _class_legend(axes: Axes) -> None:
    """Explain the three colours of `mistakes` in the upper right corner of a page."""
    for x, text, colour in (
        (5.75, f"{WRONG_MARK} predicted class", WRONG),
        (6.75, f"{RIGHT_MARK} true class", RIGHT),
        (WIDTH - 0.15, f"{WRONG_MARK} other class", QUIET),
    ):
        write(axes, x, 0.2, text, SMALL, color=colour, ha="right")
