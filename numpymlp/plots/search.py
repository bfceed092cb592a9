"""Plot of a hyperparameter search: validation error against each setting.

A setting that matters shows a trend, one that does not a cloud. See `numpymlp.experiments.search`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter, NullLocator

from numpymlp.plots.style import (
    RUN_COLOURS,
    SMALL,
    headline,
    legend,
    new_figure,
    own_style,
    plain,
    tidy,
)
from numpymlp.validation import InputError

SCORE, ROUND, EPOCHS = "validation_accuracy", "round", "epochs"
NOT_SETTINGS = (SCORE, ROUND, EPOCHS)
COLUMNS = 3


@own_style()
def search_results(
    rows: Sequence[Mapping[str, Any]], *, title: str = "Validation error against each setting"
) -> Figure:
    """Draw a panel for each setting, a point for each training run, a colour for each round.

    Parameters
    ----------
    rows : sequence of dict
        As `search.search` returns: "round", "epochs", "validation_accuracy" in [0, 1], and the
        settings: numbers, or anything else, which is shown as text.
    """
    if not rows or any(key not in row for row in rows for key in (SCORE, ROUND, EPOCHS)):
        raise InputError(
            f"rows: expected dicts with {ROUND!r}, {EPOCHS!r}, {SCORE!r} and settings, got "
            f"{list(rows[0]) if rows else 'none'}"
        )
    settings = [name for name in rows[0] if name not in NOT_SETTINGS]
    if not settings:
        raise InputError(f"rows: expected at least one setting in them, got {list(rows[0])}")
    lines = -(-len(settings) // COLUMNS)
    figure = new_figure(0.75 + 2.3 * lines)
    headline(figure, title)
    panels = figure.subplots(lines, COLUMNS, squeeze=False, sharey=True).ravel()
    for n, (axes, name) in enumerate(zip(panels, settings, strict=False)):
        _panel(axes, rows, name)
        if n % COLUMNS == 0:
            axes.set_ylabel("validation error, %", fontsize=SMALL + 1)
    for axes in panels[len(settings) :]:
        axes.set_axis_off()
    handles, labels = panels[0].get_legend_handles_labels()
    legend(figure, len(labels), handles, top=True)
    return figure


def _panel(axes: Axes, rows: Sequence[Mapping[str, Any]], name: str) -> None:
    """Draw one setting; the logarithmic error scale separates the best from the good."""
    values = [row[name] for row in rows]
    # Integers are drawn from a list, like names; only floats have a numeric axis.
    numeric = all(isinstance(v, float | np.floating) for v in values)
    names = [] if numeric else _sorted_names(values)
    places = values if numeric else [names.index(_name(v)) for v in values]
    error = np.array([100 * (1 - float(row[SCORE])) for row in rows])
    # A logarithmic scale has no 0: it is drawn below all other errors.
    error = np.maximum(error, 0.5 * min(error[error > 0], default=1.0))
    rounds = np.array([row[ROUND] for row in rows])
    for n in np.unique(rounds):
        of_round = rounds == n
        epochs = next(row[EPOCHS] for row in rows if row[ROUND] == n)
        axes.scatter(
            np.asarray(places, dtype=float)[of_round],
            error[of_round],
            s=22,
            color=RUN_COLOURS[int(n - 1) % len(RUN_COLOURS)],
            edgecolors="white",
            linewidths=0.5,
            label=f"{epochs} epoch{'s' if epochs > 1 else ''}",
            zorder=2 + n,
        )
    tidy(axes, plain(name), grid="y")
    if not numeric:
        axes.set_xticks(range(len(names)), names, rotation=45, ha="right", fontsize=SMALL)
    elif min(values) > 0 and np.median(values) < (min(values) + max(values)) / 3:
        # Most values lie at the low end: they were sampled on a logarithmic scale.
        axes.set_xscale("log")
        axes.xaxis.set_minor_formatter(NullFormatter())
    axes.set_yscale("log")
    wide = error.max() > 30 * error.min()
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5) if wide else (1, 1.5, 2, 3, 5, 7)))
    axes.yaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))


def _sorted_names(values: Sequence[Any]) -> list[str]:
    """Return each value once, as text: numbers sorted by value, others by length."""
    if all(isinstance(v, int | float | np.number) and not isinstance(v, bool) for v in values):
        return list(dict.fromkeys(_name(v) for v in sorted(values)))
    return sorted({_name(v) for v in values}, key=lambda v: (len(v), v))


def _name(value: Any) -> str:
    if isinstance(value, tuple | list):
        return plain("-".join(map(str, value))) or "none"
    return plain(value)
