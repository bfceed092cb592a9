"""Plots of training: learning curves of one or several runs, and diagnostics of each layer.

They take columns of numbers, one entry for each epoch or step. "Running" values are measured on
the training batches while the weights change, so they are not exactly comparable with validation.
Next: `network`, which draws the weights.
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
    TEXT,
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
DEAD, RATIO = "dead units (%)", "change / weight"  # labels of two panels with special scales


@own_style()
def learning_curves(
    history: Any, *, best_epoch: int | None = None, title: str = "Learning curves"
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
    with_rate = "learning_rate" in found
    figure = new_figure(4.9 if with_rate else 3.8)
    headline(figure, title, WIDTH - 3.4)  # the legend of the dashes is beside it
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
        for run, colour in zip(runs.values(), _run_colours(len(runs)), strict=True):
            if "learning_rate" in run:
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
    _legends(figure, runs, several, found)
    return figure


@own_style()
def training_diagnostics(
    steps: ArrayLike,
    *,
    gradient_rms: Mapping[str, ArrayLike] | None = None,
    dead_share: Mapping[str, ArrayLike] | None = None,
    update_ratio: Mapping[str, ArrayLike] | None = None,
    step_name: str = "step",
    title: str = "Is every layer learning?",
) -> Figure:
    """Draw the gradients, dead units and update sizes of each layer during training.

    Each of the three is a dict from a layer's name to one number for each entry of `steps`, with
    the layers in the order of the network. An argument that is left out has no panel.

    Parameters
    ----------
    steps : (T,) numbers
        The steps at which the numbers were recorded.
    gradient_rms : dict of (T,) numbers
        Root mean square of a layer's weight gradient: unlike a sum or a norm, it does not grow
        with the size of the layer.
    dead_share : dict of (T,) numbers from 0 to 1
        Share of units that are 0 for every sample.
    update_ratio : dict of (T,) numbers
        RMS of a step's change of the weights over RMS of the weights; about 1e-3 is healthy.
    """
    given = [
        (panel, _layer_columns(values, steps, name), label, scale)
        for values, name, panel, label, scale in (
            (gradient_rms, "gradient_rms", "Gradient of the loss", "RMS per weight", 1.0),
            (dead_share, "dead_share", "Units that are 0 for every sample", DEAD, 100.0),
            (update_ratio, "update_ratio", "Size of one update", RATIO, 1.0),
        )
        if values is not None
    ]
    if not given:
        raise InputError(
            "training_diagnostics: expected at least one of gradient_rms, dead_share, update_ratio"
        )
    times = np.asarray(steps)
    marker = "o" if len(times) == 1 else ""  # a single step has no line
    layers = list(dict.fromkeys(layer for _, columns, _, _ in given for layer in columns))
    colours = dict(zip(layers, _depth_colours(len(layers)), strict=True))
    figure = new_figure(1.3 + 1.75 * len(given))
    headline(figure, title)
    rows = np.atleast_1d(figure.subplots(len(given), 1, sharex=True))
    for axes, (panel, columns, label, scale) in zip(rows, given, strict=True):
        tidy(axes, panel, "", label, grid="y")
        for layer, column in columns.items():
            axes.plot(times, scale * column, color=colours[layer], linewidth=1.6, marker=marker)
        if label == DEAD:
            axes.set_ylim(0, max(10.0, 1.1 * axes.dataLim.y1))
        elif any((column > 0).any() for column in columns.values()):
            axes.set_yscale("log")
            _mark_zeros(axes, times, columns, colours)
        if label == RATIO:
            axes.axhline(1e-3, color=INK, linewidth=1, linestyle=(0, (2, 2)))
            axes.annotate(
                "guide line: 1e-3",
                (1, 1e-3),
                xycoords=("axes fraction", "data"),
                xytext=(-2, 3),
                textcoords="offset points",
                ha="right",
                fontsize=SMALL,
                color=INK,
            )
    rows[-1].set_xlabel(step_name, fontsize=TEXT, color=INK)
    if len(times) > 1:
        rows[-1].set_xlim(times.min(), times.max())
    handles = [Line2D([], [], color=colours[layer], linewidth=3, label=layer) for layer in layers]
    legend(figure, min(5, len(layers)), handles)
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
        key: _drawable([np.nan if v is None else v for v in column])
        for key, column in given.items()
        if column is not None and any(v is not None for v in column)
    }
    if "epoch" not in columns:
        raise InputError(f"{name}: expected at least one epoch, got none: has training run?")
    lengths = {key: len(column) for key, column in columns.items()}
    if len(set(lengths.values())) > 1:
        raise InputError(f"{name}: expected columns of one length, got {lengths}")
    return columns


def _layer_columns(columns: Any, steps: ArrayLike, name: str) -> Columns:
    """Return a dict from layer names to one float for each step."""
    shape = np.shape(steps)
    if not isinstance(columns, Mapping) or not columns:
        found = type(columns).__name__
        raise InputError(f"{name}: expected a dict from layer names to numbers, got {found}")
    if len(shape) != 1 or shape == (0,):
        raise InputError(f"steps: expected shape (T,), T at least 1, got {shape}")
    for layer, column in columns.items():
        if np.shape(column) != shape:
            raise InputError(
                f"{name}[{layer!r}]: expected one number for each step, shape {shape}, got "
                f"{np.shape(column)}"
            )
    return {plain(layer): _drawable(column) for layer, column in columns.items()}


def _drawable(column: ArrayLike) -> NDArray[np.float64]:
    """Return floats whose sizes are clipped to LIMITS, beyond which matplotlib's scales fail."""
    values = np.asarray(column, dtype=np.float64)
    clipped = np.sign(values) * np.clip(np.abs(values), *LIMITS)
    return np.where(np.isfinite(values), clipped, values)


def _run_colours(count: int) -> list[Any]:
    return list(RUN_COLOURS[:count]) if count <= len(RUN_COLOURS) else _depth_colours(count)


def _depth_colours(count: int) -> list[Any]:
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


def _mark_zeros(
    axes: Axes,
    times: NDArray[Any],
    columns: Mapping[str, NDArray[Any]],
    colours: Mapping[str, Any],
) -> None:
    """Mark at the bottom of a logarithmic axis, which has no 0, the steps where a layer is 0."""
    zeros = {layer: times[c <= 0] for layer, c in columns.items() if (c <= 0).any()}
    for n, (layer, where) in enumerate(zeros.items()):
        axes.plot(
            where,
            np.full(len(where), 0.05 + 0.07 * n),
            "v",
            color=colours[layer],
            markersize=4,
            transform=axes.get_xaxis_transform(),
        )
    if zeros:
        axes.set_title(
            f"\N{BLACK DOWN-POINTING TRIANGLE} exactly 0: {', '.join(zeros)}",
            loc="right",
            fontsize=SMALL,
            color=INK,
        )


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


def _legends(figure: Figure, runs: Mapping[str, Columns], several: bool, found: set[str]) -> None:
    """Explain the dashes beside the headline and, for several runs, the colours below."""
    parts = [
        Line2D(
            [], [], color=INK if several else colour, linestyle=dashes, linewidth=1.8, label=name
        )
        for part, name, dashes, colour in PARTS
        if any(column.startswith(part) for column in found)
    ]
    legend(figure, 2, parts, top=True)
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
