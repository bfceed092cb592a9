"""Plot of training layer by layer: gradients, dead units, and sizes of the updates.

Next: `network`, which draws the weights.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from numpy.typing import ArrayLike, NDArray

from numpymlp.plots.style import (
    INK,
    SMALL,
    TEXT,
    headline,
    legend,
    new_figure,
    own_style,
    plain,
    tidy,
)
from numpymlp.plots.training import CLIPPED, Columns, depth_colours, drawable, is_clipped
from numpymlp.validation import InputError

DEAD, RATIO = "dead units (%)", "change / weight"  # labels of two panels with special scales


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
    colours = dict(zip(layers, depth_colours(len(layers)), strict=True))
    figure = new_figure(1.3 + 1.75 * len(given))
    columns_given = (gradient_rms, dead_share, update_ratio)
    if any(is_clipped(c) for kind in columns_given if kind is not None for c in kind.values()):
        title = f"{title} {CLIPPED}"
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
    return {plain(layer): drawable(column) for layer, column in columns.items()}


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
