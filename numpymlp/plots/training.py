"""Plots of training: learning curves of one or several runs.

They take columns of numbers, one entry for each epoch or step. "Running" values are measured on
the training batches while the weights change, so they are not exactly comparable with validation.
Next: `diagnostics`, which looks at
each layer.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter
from numpy.typing import ArrayLike, NDArray

from numpymlp.plots.style import (
    INK,
    QUIET,
    RUN_COLOURS,
    SEQUENTIAL,
    SMALL,
    TEST,
    TRAIN,
    VALIDATION,
    WIDTH,
    headline,
    legend,
    new_figure,
    own_style,
    plain,
    tidy,
)
from numpymlp.validation import InputError

Columns = dict[str, NDArray[np.float64]]

# Prefix of a history's columns, label in the legend, dashes and colour of the curve.
PARTS: tuple[tuple[str, str, Any, str], ...] = (
    ("running_train", "train (running mean)", (0, (4, 1.5)), TRAIN),
    ("validation", "validation", "solid", VALIDATION),
)
QUANTITIES = (("loss", "Loss", "loss", 1.0), ("accuracy", "Accuracy", "accuracy (%)", 100.0))
LIMITS = (1e-100, 1e100)  # of the values drawn, except 0
CLIPPED = "(sizes beyond 1e\N{PLUS-MINUS SIGN}100 are drawn there)"


@own_style()
def learning_curves(
    history: Any,
    *,
    best_epoch: int | None = None,
    rates: ArrayLike | None = None,
    test: Mapping[str, float] | None = None,
    title: str = "Learning curves",
) -> Figure:
    """Draw loss, accuracy and learning rate over the epochs of one run or of several.

    Parameters
    ----------
    history : dict of columns, or dict of run names to such dicts
        Columns of one length: "epoch" and, where they exist, "running_train_loss",
        "running_train_accuracy", "validation_loss", "validation_accuracy" (0 to 1),
        "learning_rate". Columns that are missing or full of None are not drawn. A trainer's
        `history` works too.
    best_epoch : int, optional
        The epoch to mark, for one run; by default the one with the lowest validation loss.
    rates : (steps,) numbers, optional
        Learning rate of every step of one run, drawn instead of the last one of each epoch: a
        one-cycle schedule is seen to rise before it falls.
    test : dict with "loss", "accuracy" or both, optional
        Scores of one run on test data at the end, marked at the last epoch.

    Raises
    ------
    InputError
        If columns differ in length, or there is neither a loss nor an accuracy.
    """
    several = (
        isinstance(history, Mapping)
        and len(history) > 0
        and all(isinstance(_columns(run), Mapping) for run in history.values())
    )
    named = history if several else {"": history}
    runs = {plain(name): _history(run, name or "history") for name, run in named.items()}
    found = set().union(*runs.values())
    drawn = [q for q in QUANTITIES if any(f"{part[0]}_{q[0]}" in found for part in PARTS)]
    if not drawn:
        raise InputError(
            f"history: expected a column of losses or accuracies, got only {sorted(found)}"
        )
    if several and (rates is not None or test is not None):
        raise InputError("rates and test: expected the history of one run, got several runs")
    steps = None if rates is None else _rates(rates)
    scores = _scores(test, [key for key, *_ in drawn])
    with_rate = "learning_rate" in found or steps is not None
    figure = new_figure(4.9 if with_rate else 3.8)
    if any(is_clipped(column) for run in named.values() for column in _columns(run).values()):
        title = f"{title} {CLIPPED}"
    # The legend of the dashes is beside the title.
    headline(figure, title, WIDTH - (3.4 if not scores else 4.6))
    layout: list[Any] = [[key for key, *_ in drawn], ["rate"] * len(drawn)]
    panels = figure.subplot_mosaic(
        layout if with_rate else layout[:1], height_ratios=[3.4, 1] if with_rate else [1]
    )
    for key, name, label, scale in drawn:
        axes = panels[key]
        tidy(axes, name, "epoch", label, grid="y")
        for run, colour in zip(runs.values(), _run_colours(len(runs)), strict=True):
            for part, _, dashes, part_colour in PARTS:
                if f"{part}_{key}" in run:
                    axes.plot(
                        run["epoch"],
                        scale * run[f"{part}_{key}"],
                        color=colour if several else part_colour,
                        linestyle=dashes,
                        linewidth=1.8,
                        marker=_marker(run),
                    )
        _epoch_axis(axes)
    _loss_scale(panels.get("loss"))
    if with_rate:
        axes = panels["rate"]
        tidy(axes, "", "epoch", "learning rate", grid="y")
        if steps is not None:
            epochs = float(runs[""]["epoch"][-1])
            axes.plot(np.linspace(0, epochs, len(steps) + 1)[1:], steps, color=QUIET, linewidth=1.6)
        for run, colour in zip(runs.values(), _run_colours(len(runs)), strict=True):
            if "learning_rate" in run and steps is None:
                axes.plot(
                    run["epoch"],
                    run["learning_rate"],
                    color=colour if several else QUIET,
                    linewidth=1.6,
                    marker=_marker(run),
                )
        _rate_scale(axes)
        _epoch_axis(axes)
    if not several:
        _mark_best(panels, runs[""], best_epoch)
        _mark_test(panels, runs[""], scores)
    _legends(figure, runs, several, found, bool(scores))
    return figure


def _columns(history: Any) -> Any:
    """Return the dict of columns of a `training.History`; anything else is returned unchanged."""
    return history.to_dict() if hasattr(history, "to_dict") else history


def _history(history: Any, name: str) -> Columns:
    """Return the columns of a training history as floats, without those full of None."""
    given = _columns(history)
    if not isinstance(given, Mapping) or "epoch" not in given:
        found = sorted(given) if isinstance(given, Mapping) else type(given).__name__
        raise InputError(f"{name}: expected a dict of columns with 'epoch' among them, got {found}")
    columns = {
        key: drawable([np.nan if v is None else v for v in column])
        for key, column in given.items()
        if column is not None and any(v is not None for v in column)
    }
    if "epoch" not in columns:
        raise InputError(f"{name}: expected at least one epoch, got none: has training run?")
    lengths = {key: len(column) for key, column in columns.items()}
    if len(set(lengths.values())) > 1:
        raise InputError(f"{name}: expected columns of one length, got {lengths}")
    return columns


def drawable(column: ArrayLike) -> NDArray[np.float64]:
    """Return floats whose sizes are clipped to LIMITS, beyond which matplotlib's scales fail."""
    values = np.asarray(column, dtype=np.float64)
    clipped = np.sign(values) * np.clip(np.abs(values), *LIMITS)
    return np.where(np.isfinite(values), clipped, values)


def is_clipped(column: Any) -> bool:
    """Return whether a column has finite numbers beyond LIMITS, apart from 0."""
    given = () if column is None else column
    sizes = np.abs(np.asarray([0 if value is None else value for value in given], np.float64))
    sizes = sizes[np.isfinite(sizes) & (sizes > 0)]
    return bool(((sizes < LIMITS[0]) | (sizes > LIMITS[1])).any())


def _rates(rates: ArrayLike) -> NDArray[np.float64]:
    """Return the rates of all steps; of very many only every n-th, which the eye cannot tell."""
    steps = np.asarray(rates, np.float64)
    if steps.ndim != 1 or len(steps) == 0:
        raise InputError(
            f"rates: expected one learning rate for each step, (steps,), got shape {steps.shape}"
        )
    return drawable(steps[:: max(1, len(steps) // 4000)])


def _scores(test: Any, keys: list[str]) -> dict[str, float]:
    """Return the test scores of the quantities that are drawn."""
    given = {} if test is None else test
    if not isinstance(given, Mapping) or not set(given) <= {"loss", "accuracy"}:
        raise InputError(f"test: expected a dict with 'loss' and 'accuracy', got {given!r:.80}")
    return {key: float(value) for key, value in given.items() if key in keys and value is not None}


def _mark_test(panels: Mapping[str, Axes], run: Columns, scores: Mapping[str, float]) -> None:
    """Mark the test scores at the last epoch, and write them above the panels."""
    for key, _, _, scale in QUANTITIES:
        if key in scores:
            axes, value = panels[key], scale * scores[key]
            axes.plot([run["epoch"][-1]], [value], "D", color=TEST, markeredgecolor=INK,
                      markersize=7, clip_on=False, zorder=5)  # fmt: skip
            text = f"test {value:.4f}" if key == "loss" else f"test {value:.2f} %"
            before = axes.get_title(loc="right")
            text = f"{before}\n{text}" if before else text
            axes.set_title(text, loc="right", fontsize=SMALL, color=INK)


def _run_colours(count: int) -> list[Any]:
    return list(RUN_COLOURS[:count]) if count <= len(RUN_COLOURS) else depth_colours(count)


def depth_colours(count: int) -> list[Any]:
    """Return colours from dark to light, for the layers from the first to the last."""
    return list(matplotlib.colormaps[SEQUENTIAL](np.linspace(0.0, 0.8, count)))


def _marker(run: Columns) -> str:
    """Return a marker for a single epoch, which has no line, and none otherwise."""
    return "o" if len(run["epoch"]) == 1 else ""


def _epoch_axis(axes: Axes) -> None:
    axes.xaxis.set_major_locator(MaxNLocator(nbins=8, integer=True, min_n_ticks=1))
    axes.margins(x=0.02)


def _loss_scale(axes: Axes | None) -> None:
    """Make the loss axis logarithmic if the losses span more than a factor of ten."""
    if axes is None:
        return
    values = np.concatenate([np.asarray(line.get_ydata(), dtype=float) for line in axes.lines])
    values = values[np.isfinite(values)]
    if len(values) and values.min() > 0 and values.max() > 10 * values.min():
        axes.set_yscale("log")
        axes.set_ylabel("loss (log scale)")
        low, high = axes.get_ylim()
        # Decimals instead of powers of ten, and fewer ticks on a long axis.
        steps = (1, 2, 5) if np.log10(high / low) < 2.5 else (1,)
        axes.yaxis.set_major_locator(LogLocator(subs=steps, numticks=12))
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axes.yaxis.set_minor_formatter(NullFormatter())


def _rate_scale(axes: Axes) -> None:
    """Start the axis at 0; make it logarithmic if the runs' rates differ by more than ten times."""
    columns = [np.asarray(line.get_ydata(), dtype=float) for line in axes.lines]
    peaks = [float(c[np.isfinite(c)].max(initial=0)) for c in columns]
    if min(peaks) > 0 and max(peaks) > 10 * min(peaks):
        axes.set_yscale("log")
        axes.set_ylim(min(peaks) / 30, 2 * max(peaks))
        axes.yaxis.set_major_locator(LogLocator(numticks=4))
        axes.yaxis.set_minor_formatter(NullFormatter())
    else:
        axes.set_ylim(0, 1.12 * max(peaks) or 1.0)
        axes.yaxis.set_major_locator(MaxNLocator(4, steps=[1, 2, 5, 10]))
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))


def _legends(
    figure: Figure, runs: Mapping[str, Columns], several: bool, found: set[str], test: bool
) -> None:
    """Explain the dashes beside the headline and, for several runs, the colours below."""
    parts = [
        Line2D(
            [], [], color=INK if several else colour, linestyle=dashes, linewidth=1.8, label=name
        )
        for part, name, dashes, colour in PARTS
        if any(column.startswith(part) for column in found)
    ]
    if test:
        label = "test, at the end"
        parts.append(
            Line2D([], [], color=TEST, marker="D", markeredgecolor=INK, linestyle="", label=label)
        )
    legend(figure, 3, parts, top=True)
    if several:
        colours = [
            Line2D([], [], color=colour, linewidth=4, label=name)
            for name, colour in zip(runs, _run_colours(len(runs)), strict=True)
        ]
        legend(figure, max(1, min(5, int(80 / (6 + max(map(len, runs)))))), colours)


def _mark_best(panels: Mapping[str, Axes], run: Columns, best_epoch: int | None) -> None:
    """Draw a line at the best epoch through all panels, and write its values above them."""
    losses, what = run.get("validation_loss"), "epoch"
    if best_epoch is None:
        if losses is None or not np.isfinite(losses).any():
            return
        best_epoch, what = int(run["epoch"][np.nanargmin(losses)]), "lowest loss, epoch"
    where = np.flatnonzero(run["epoch"] == best_epoch)
    if len(where) == 0:
        raise InputError(
            f"best_epoch: expected one of the epochs {run['epoch'][0]:.0f} to "
            f"{run['epoch'][-1]:.0f}, got {best_epoch}"
        )
    for key, _, _, scale in QUANTITIES:
        if key in panels and f"validation_{key}" in run:
            value = scale * run[f"validation_{key}"][where[0]]
            panels[key].plot(
                [best_epoch],
                [value],
                marker="*",
                markersize=13,
                color=VALIDATION,
                markeredgecolor=INK,
                linestyle="",
            )
            text = f"{value:.4f}" if key == "loss" else f"{value:.2f} %"
            panels[key].set_title(
                f"{what} {best_epoch}: {text}", loc="right", fontsize=SMALL, color=INK
            )
    for axes in panels.values():
        axes.axvline(best_epoch, color=INK, linewidth=0.9, linestyle=(0, (1, 2)))
