"""Pictures of the data and what a network says of it: right answers, mistakes, confusions.

They show single samples, so that one sees why a network fails before one counts how often. Next:
`scores`, where the same answers are counted.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from numpy.typing import ArrayLike

from numpymlp.metrics import confusion_matrix, most_confused, rank_mistakes
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
    page,
    percent,
    stamp,
    write,
)
from numpymlp.validation import (
    InputError,
    as_images,
    as_labels,
    as_labels_and_probabilities,
    check_label_range,
    check_positive_integer,
    check_same_length,
)

TOP = 0.72  # inches: where the first row of a page begins


def prediction_grid(
    images: ArrayLike,
    y_true: ArrayLike,
    y_pred: ArrayLike,
    *,
    rows: int = 4,
    columns: int | None = None,
    class_names: Sequence[str] | None = None,
    title: str = "Predictions",
) -> Figure:
    """Draw images titled with the prediction: green if right, red with the truth if wrong.

    Parameters
    ----------
    images : (N, H, W) or (N, H * H) numbers
        The first rows * columns are shown (columns: 8, or 6 where classes have long names); the
        largest value is drawn black.
    y_true, y_pred : (N,) integers
        True and predicted labels.
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
    columns = (6 if long else 8) if columns is None else columns
    rows = check_positive_integer(rows, "rows")
    columns = check_positive_integer(columns, "columns")
    shown = min(len(true), rows * columns)
    pictures, true, pred = pictures[:shown], true[:shown], pred[:shown]
    columns = min(columns, max(4, shown))
    cell = (WIDTH - 0.2) / columns
    width = cell - 0.14
    lines = 2 if long else 1
    labels = []
    for truth, answer in zip(true, pred, strict=True):
        label = f"{RIGHT_MARK} {names[answer]}"
        if truth != answer:
            between = ", " if lines == 1 else "\n"
            label = f"{WRONG_MARK} {names[answer]}{between}truth {names[truth]}"
        labels.append(label)
    size = min(fit(line, cell - 0.06, TEXT) for label in labels for line in label.split("\n"))
    above = 0.19 * lines
    step = width * pictures.shape[1] / pictures.shape[2] + above + 0.12
    right = int((true == pred).sum())
    note = (
        f"{RIGHT_MARK} right: the prediction    {WRONG_MARK} wrong: the prediction, and the truth"
    )
    figure, axes = page(
        TOP + step * -(-shown // columns), f"{title}: {right} of {shown} right", note
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


def mistakes(
    images: ArrayLike,
    y_true: ArrayLike,
    probabilities: ArrayLike,
    *,
    limit: int = 20,
    class_names: Sequence[str] | None = None,
) -> Figure:
    """Draw the wrongly classified images, surest first, with their two most probable classes.

    Parameters
    ----------
    images : (N, H, W) or (N, H * H) numbers
        All samples; the mistakes among them are found here.
    y_true : (N,) integers
        True labels, 0 ... K - 1.
    probabilities : (N, K) floats
        Rows that sum to 1.
    limit : int
        At most so many mistakes are shown.

    Raises
    ------
    InputError
        If there is no mistake to show.
    """
    pictures = as_images(images)
    true, rows = as_labels_and_probabilities(y_true, probabilities)
    check_same_length("images", pictures, "y_true", true)
    ranked = rank_mistakes(true, rows)
    if len(ranked) == 0:
        raise InputError(
            f"mistakes: expected at least one wrong answer to draw, got {len(true)} right ones: "
            "take more samples"
        )
    shown = ranked[: check_positive_integer(limit, "limit")]
    names = names_of(class_names, rows.shape[1])
    columns = 3 if max(map(len, names)) > 4 else 4
    cell, width = (WIDTH - 0.2) / columns, 0.88
    height = width * pictures.shape[1] / pictures.shape[2]
    step = max(height, 0.95) + 0.2
    share = 100 * len(ranked) / len(true)
    figure, axes = page(
        TOP + step * -(-len(shown) // columns),
        f"Mistakes, the surest first: {len(shown)} of {len(ranked)}",
        f"{len(ranked)} of {len(true):,} samples ({share:.2f} %) are called something else than "
        "they are",
    )
    _class_legend(axes)
    low, high = pictures[shown].min(), pictures[shown].max()
    for n, i in enumerate(shown):
        x = 0.15 + cell * (n % columns)
        y = TOP + step * (n // columns)
        stamp(axes, pictures[i], x, y, width, vmin=low, vmax=high)
        x, room = x + width + 0.1, cell - width - 0.27
        truth = f"truth: {names[true[i]]}"
        write(axes, x, y + 0.08, truth, size=fit(truth, room + 0.1, SMALL), color=RIGHT)
        for place, k in enumerate(np.argsort(-rows[i], kind="stable")[:2]):
            if k == true[i]:
                mark, colour = RIGHT_MARK, RIGHT
            else:
                mark, colour = WRONG_MARK, WRONG if place == 0 else QUIET
            at = y + 0.36 + 0.36 * place
            line = f"{mark} {names[k]}  {percent(rows[i, k])}"
            write(axes, x, at, line, size=fit(line, room + 0.15, SMALL), color=colour)
            axes.add_patch(Rectangle((x, at + 0.1), room, 0.07, color="#EEEEEE", linewidth=0))
            axes.add_patch(
                Rectangle((x, at + 0.1), room * float(rows[i, k]), 0.07, color=colour, linewidth=0)
            )
    return figure


def confused_pairs(
    images: ArrayLike,
    y_true: ArrayLike,
    probabilities: ArrayLike,
    *,
    limit: int = 6,
    class_names: Sequence[str] | None = None,
) -> Figure:
    """Draw the commonest mistakes, one row for each pair of classes, with its surest examples.

    Parameters and errors are those of `mistakes`; `limit` is the number of pairs.
    """
    pictures = as_images(images)
    true, rows = as_labels_and_probabilities(y_true, probabilities)
    check_same_length("images", pictures, "y_true", true)
    pred = rows.argmax(axis=1)
    pairs = most_confused(confusion_matrix(true, pred, rows.shape[1]), limit)
    if not pairs:
        raise InputError(
            f"confused_pairs: expected at least one wrong answer to draw, got {len(true)} right "
            "ones: take more samples"
        )
    names = names_of(class_names, rows.shape[1])
    ranked = rank_mistakes(true, rows)
    left, room = 2.2, 8
    cell = (WIDTH - left - 0.1) / room
    width = cell - 0.06
    # As high as the picture, or where that is low as the texts beside it.
    step = max(width * pictures.shape[1] / pictures.shape[2], 0.5) + 0.14
    wrong = len(ranked)
    together = sum(pair.times for pair in pairs)
    figure, axes = page(
        TOP + step * len(pairs),
        "The most confused pairs",
        f"{'This pair makes' if len(pairs) == 1 else f'These {len(pairs)} pairs make'} {together} "
        f"of {wrong} mistakes; the surest of each are shown",
    )
    low, high = pictures[ranked].min(), pictures[ranked].max()
    for row, pair in enumerate(pairs):
        y = TOP + step * row
        line = f"{names[pair.true]} called {names[pair.predicted]}"
        write(axes, 0.15, y + 0.17, line, size=fit(line, left - 0.2, TEXT + 1.5), fontweight="bold")
        length = 1.2 * pair.times / pairs[0].times
        axes.add_patch(Rectangle((0.15, y + 0.36), length, 0.16, color=WRONG, linewidth=0))
        times = f"{pair.times}" if row else f"{pair.times} times"
        write(axes, 0.15 + length + 0.06, y + 0.44, times, size=TEXT)
        examples = ranked[(true[ranked] == pair.true) & (pred[ranked] == pair.predicted)]
        for n, i in enumerate(examples[:room]):
            stamp(axes, pictures[i], left + cell * n, y, width, vmin=low, vmax=high)
    return figure


def _class_legend(axes: Axes) -> None:
    """Say in the upper right corner of a page what the three colours of `mistakes` mean."""
    for x, text, colour in (
        (5.6, f"{WRONG_MARK} the network's answer", WRONG),
        (6.75, f"{RIGHT_MARK} the true class", RIGHT),
        (WIDTH - 0.15, f"{WRONG_MARK} another class", QUIET),
    ):
        write(axes, x, 0.2, text, SMALL, color=colour, ha="right")
