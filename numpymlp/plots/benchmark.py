"""Plot of the benchmark: the seconds of an epoch for each library, with one chart as the headline.

One hue stands for one library, hatching for float64, so that the two are never confused.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from statistics import geometric_mean, median
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.patheffects import withStroke

from numpymlp.plots.style import (
    INK,
    QUIET,
    SMALL,
    headline,
    legend,
    new_figure,
    own_style,
    plain,
    tidy,
)
from numpymlp.validation import InputError

HUES = ("#0072B2", "#E69F00", "#D55E00", "#009E73", "#CC79A7", "#56B4E9")
OTHER = "#999999"  # what is no library, such as the matrix products alone
Seconds = Mapping[str, Sequence[float]]  # the measurements of each library, by its label


@own_style()
def benchmark_times(
    networks: Mapping[str, Seconds],
    *,
    reference: str,
    no_library: Sequence[str] = (),
    task: str = "an epoch",
    note: str = "",
) -> Figure:
    """Draw the time of a task for several networks and libraries.

    The headline chart shows geometric means over all networks, as multiples of the reference; the
    panels below show the median seconds of each network, with whiskers from minimum to maximum.

    Parameters
    ----------
    networks : dict of network name to dict of label to seconds
        A label is a library and what else matters, "scikit-learn, float64". What stands before the
        first comma decides the hue, "float64" the hatching. Every network has the same labels.
    reference : str
        The label whose time is 1 in the headline chart.
    no_library : sequence of str, optional
        Labels drawn in grey, for comparison only.
    task : str
    note : str, optional
        Lines about the machine, beside the panels.
    """
    labels = _labels(networks, reference)
    hues = dict(zip(dict.fromkeys(_library(n) for n in labels if n not in no_library), HUES,
                    strict=False))  # fmt: skip
    colours = {n: OTHER if n in no_library else hues.get(_library(n), INK) for n in labels}
    lines = math.ceil((len(networks) + bool(note)) / 2)  # the note takes the place of a panel
    figure = new_figure(1.2 + 0.28 * len(labels) + lines * (0.45 + 0.19 * len(labels)))
    headline(figure, f"Time of {task}: shorter is better")
    mosaic: Any = [["mean", "mean"], *([f"{2 * n}", f"{2 * n + 1}"] for n in range(lines))]
    ratios = [0.35 + 0.28 * len(labels), *[0.45 + 0.19 * len(labels)] * lines]
    panels = figure.subplot_mosaic(mosaic, height_ratios=ratios)
    means = {
        label: geometric_mean(
            median(seconds[label]) / median(seconds[reference]) for seconds in networks.values()
        )
        for label in labels
    }
    count = "one network" if len(networks) == 1 else f"{len(networks)} networks"
    text = f"Times as long as {reference}: geometric mean over {count}"
    _bars(
        panels["mean"],
        {n: [value] for n, value in means.items()},
        colours,
        text,
        "{:.2f} \N{MULTIPLICATION SIGN}",
    )
    panels["mean"].axvline(1, color=INK, linewidth=0.9, linestyle=(0, (2, 2)), zorder=0)
    for n, (name, seconds) in enumerate(networks.items()):
        _bars(panels[f"{n}"], seconds, colours, name, "{:.3g} s")
    for n in range(len(networks), 2 * lines):
        panels[f"{n}"].set_axis_off()
    if note:
        text = plain(note)
        panels[f"{len(networks)}"].text(0, 0.95, text, va="top", fontsize=SMALL, color=QUIET)
    handles = [Patch(color=colour, label=plain(library)) for library, colour in hues.items()]
    handles += [Patch(color=OTHER, label=plain(label)) for label in no_library if label in labels]
    if any("float64" in label for label in labels):
        handles.append(Patch(facecolor="white", edgecolor=INK, hatch="////", label="float64"))
    legend(figure, 6, handles)
    return figure


def _library(label: str) -> str:
    return label.partition(",")[0]


def _labels(networks: Mapping[str, Seconds], reference: str) -> list[str]:
    """Return the labels, which are the same for every network."""
    if not networks:
        raise InputError("benchmark_times: expected at least one network, got none")
    labels = list(next(iter(networks.values())))
    for name, seconds in networks.items():
        if list(seconds) != labels:
            raise InputError(f"{name}: expected the labels {labels}, got {list(seconds)}")
        if not all(len(v) and np.isfinite(v).all() and min(v) > 0 for v in seconds.values()):
            raise InputError(f"{name}: expected finite seconds above 0 for each label")
    if reference not in labels:
        raise InputError(f"reference: expected one of {', '.join(labels)}, got {reference!r}")
    return labels


def _bars(axes: Axes, seconds: Seconds, colours: Mapping[str, str], title: str, form: str) -> None:
    """Draw a bar for each label, the first at the top, and write its median behind it."""
    for place, (label, values) in enumerate(seconds.items()):
        middle = median(values)
        hatch = "////" if "float64" in label else ""
        axes.barh(place, middle, color=colours[label], hatch=hatch, edgecolor="white", linewidth=0,
                  height=0.74)  # fmt: skip
        if len(values) > 1:
            axes.plot([min(values), max(values)], [place, place], color=INK, linewidth=1)
        text = f" {form.format(middle)}"
        axes.text(
            max(values),
            place,
            text,
            va="center",
            fontsize=SMALL - 1,
            color=INK,
            path_effects=[withStroke(linewidth=3, foreground="white")],
        )
    axes.set_yticks(range(len(seconds)), [plain(label) for label in seconds])
    axes.invert_yaxis()
    axes.set_xlim(0, 1.2 * max(max(values) for values in seconds.values()))
    tidy(axes, plain(title))
    axes.tick_params(axis="y", length=0)
    axes.set_xticks([])
    axes.spines["bottom"].set_visible(False)
