"""The picture of a search: what each setting alone has to do with accuracy.

A setting that matters shows a ridge, one that does not a cloud. See `numpymlp.experiments.search`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter, NullLocator

from numpymlp.plots.style import RUN_COLOURS, SMALL, headline, new_figure, tidy
from numpymlp.validation import InputError

SCORE, ROUND, EPOCHS = "validation_accuracy", "round", "epochs"
NOT_SETTINGS = (SCORE, ROUND, EPOCHS)
COLUMNS = 3


def search_results(
    rows: Sequence[Mapping[str, Any]], *, title: str = "Validation error against each setting"
) -> Figure:
    """Draw one panel for each setting, one point for each training, a colour for each round.

    Parameters
    ----------
    rows : sequence of dict
        As `search.search` gives them: "round", "epochs", "validation_accuracy" in [0, 1], and the
        settings: numbers, or anything else, which is taken as a name.
    """
    if not rows or any(key not in row for row in rows for key in (SCORE, ROUND, EPOCHS)):
        raise InputError(
            f"rows: expected dicts with {ROUND!r}, {EPOCHS!r}, {SCORE!r} and settings, got "
            f"{list(rows[0]) if rows else 'none'}"
        )
    settings = [name for name in rows[0] if name not in NOT_SETTINGS]
    if not settings:
        raise InputError(f"rows: expected at least one setting in them, got {list(rows[0])}")
    height = 0.75 + 2.3 * -(-len(settings) // COLUMNS)
    figure = new_figure(height)
    headline(figure, title)
    panels = figure.subplots(
        -(-len(settings) // COLUMNS), COLUMNS, squeeze=False, sharey=True
    ).ravel()
    for n, (axes, name) in enumerate(zip(panels, settings, strict=False)):
        _panel(axes, rows, name)
        if n % COLUMNS == 0:
            axes.set_ylabel("validation error, %", fontsize=SMALL + 1)
    for axes in panels[len(settings) :]:
        axes.set_axis_off()
    if settings:
        handles, labels = panels[0].get_legend_handles_labels()
        figure.legend(
            handles, labels, loc="upper right", ncols=len(labels), fontsize=SMALL, frameon=False
        )
    return figure


def _panel(axes: Axes, rows: Sequence[Mapping[str, Any]], name: str) -> None:
    """Draw one setting: the error on a logarithmic scale, where the best differ from the good."""
    values = [row[name] for row in rows]
    # Whole numbers are drawn from a list, as names are; only a quantity has an axis of its own.
    numeric = all(isinstance(v, float | np.floating) for v in values)
    names = [] if numeric else _sorted_names(values)
    places = values if numeric else [names.index(_name(v)) for v in values]
    error = np.array([100 * (1 - float(row[SCORE])) for row in rows])
    # An error of 0 has no place on a logarithmic scale: it stands below all others.
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
    tidy(axes, name, grid="y")
    if not numeric:
        axes.set_xticks(range(len(names)), names, rotation=45, ha="right", fontsize=SMALL)
    elif min(values) > 0 and np.median(values) < (min(values) + max(values)) / 3:
        # Most lie at the low end: they were drawn by orders of magnitude.
        axes.set_xscale("log")
        axes.xaxis.set_minor_formatter(NullFormatter())
    axes.set_yscale("log")
    wide = error.max() > 30 * error.min()
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5) if wide else (1, 1.5, 2, 3, 5, 7)))
    axes.yaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))


def _sorted_names(values: Sequence[Any]) -> list[str]:
    """Give each value once, as text: numbers by their size, others by the length of their name."""
    if all(isinstance(v, int | float | np.number) and not isinstance(v, bool) for v in values):
        return list(dict.fromkeys(_name(v) for v in sorted(values)))
    return sorted({_name(v) for v in values}, key=lambda v: (len(v), v))


def _name(value: Any) -> str:
    if isinstance(value, tuple | list):
        return "-".join(map(str, value)) or "none"
    return str(value)
