"""Plots of a network's inside: the first layer's weights, and the activations of one image.

They take weights and activations as arrays. Next: `landscape`, two-dimensional toy problems that
show training itself.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from numpy.typing import ArrayLike, NDArray

from numpymlp.metrics.checks import as_probabilities
from numpymlp.plots.images import as_images
from numpymlp.plots.style import (
    DIVERGING,
    INK,
    QUIET,
    RIGHT,
    RIGHT_MARK,
    SEQUENTIAL,
    SMALL,
    TEXT,
    WIDTH,
    WRONG,
    WRONG_MARK,
    fit,
    headline,
    names_of,
    new_figure,
    own_style,
    page,
    percent,
    stamp,
    symmetric_limit,
    tidy,
    write,
)
from numpymlp.validation import InputError, as_array, check_positive_integer

TOP = 0.75  # inches: top of the first row of a page
MOST_BARS = 12  # most probabilities drawn; of more classes only the most probable


@own_style()
def first_layer_weights(
    W: ArrayLike,
    *,
    image_shape: tuple[int, int] | None = None,
    rows: int = 4,
    columns: int = 8,
    title: str = "Weights of the first layer",
) -> Figure:
    """Draw the weights of hidden units as images, the units with the largest weights first.

    All share one colour scale, symmetric about 0: ink on red pixels excites the unit, ink on blue
    pixels inhibits it.

    Parameters
    ----------
    W : (H * W, units) numbers
        Weights from pixels to units, as `Dense.W`.
    image_shape : (H, W), optional
        Required if images are not square.
    rows, columns : int
        At most rows * columns units are shown.
    """
    images = _unit_images(W, image_shape)
    rows = check_positive_integer(rows, "rows")
    columns = check_positive_integer(columns, "columns")
    strength = np.sqrt((images**2).mean(axis=(1, 2)))
    order = np.argsort(-strength, kind="stable")[: rows * columns]
    cell = (WIDTH - 0.2) / columns
    width = cell - 0.12
    step = width * images.shape[1] / images.shape[2] + 0.26
    figure, axes = page(
        TOP + step * -(-len(order) // columns) + 0.55,
        title,
        f"{len(order)} of {len(images)} hidden units, largest RMS weight first",
    )
    limit = symmetric_limit(images[order])
    for n, unit in enumerate(order):
        x, y = 0.15 + cell * (n % columns), TOP + step * (n // columns)
        write(axes, x, y, f"unit {unit}", size=SMALL, color=QUIET)
        stamp(axes, images[unit], x, y + 0.1, width, cmap=DIVERGING, vmin=-limit, vmax=limit)
    _weight_bar(figure, limit)
    return figure


@own_style()
def weights_filmstrip(
    snapshots: Sequence[ArrayLike],
    epochs: Sequence[int],
    *,
    image_shape: tuple[int, int] | None = None,
    units: int = 5,
    title: str = "Weights of the first layer during training",
) -> Figure:
    """Draw the weights of some hidden units, a column for each snapshot of training.

    Parameters
    ----------
    snapshots : T arrays (H * W, units)
        First-layer weights during training, T at least 2.
    epochs : T integers
        The number of epochs before each snapshot; 0 is before training.
    image_shape : (H, W), optional
        Required if images are not square.
    units : int
        Number of units shown, those that change most.
    """
    if len(snapshots) != len(epochs) or len(snapshots) < 2:
        raise InputError(
            "weights_filmstrip: expected at least two snapshots and one epoch for each, got "
            f"{len(snapshots)} snapshots and {len(epochs)} epochs"
        )
    films = [_unit_images(W, image_shape) for W in snapshots]
    if len({film.shape for film in films}) > 1:
        raise InputError(
            "weights_filmstrip: expected snapshots of one shape, got "
            f"{[np.shape(W) for W in snapshots]}"
        )
    change = np.sqrt(((films[-1] - films[0]) ** 2).mean(axis=(1, 2)))
    order = np.argsort(-change, kind="stable")[: check_positive_integer(units, "units")]
    left = 0.75
    cell = min((WIDTH - left - 0.1) / len(films), 1.2)
    width = cell - 0.08
    step = width * films[0].shape[1] / films[0].shape[2] + 0.08
    figure, axes = page(
        TOP + 0.15 + step * len(order) + 0.6,
        title,
        f"The {len(order)} of {len(films[0])} units that change most, on one colour scale",
    )
    limit = symmetric_limit(np.stack([film[order] for film in films]))
    for column, (film, epoch) in enumerate(zip(films, epochs, strict=True)):
        x = left + cell * column
        moment = "start" if epoch == 0 else f"epoch {epoch}"
        write(axes, x + width / 2, TOP, moment, ha="center", size=min(TEXT, 11 * cell))
        for row, unit in enumerate(order):
            y = TOP + 0.15 + step * row
            stamp(axes, film[unit], x, y, width, cmap=DIVERGING, vmin=-limit, vmax=limit)
    for row, unit in enumerate(order):
        y = TOP + 0.15 + step * row + width / 2
        write(axes, 0.15, y, f"unit {unit}", size=SMALL, color=QUIET)
    _weight_bar(figure, limit)
    return figure


@own_style()
def activations(
    image: ArrayLike,
    hidden: Sequence[ArrayLike],
    probabilities: ArrayLike,
    *,
    truth: int | None = None,
    layer_names: Sequence[str] | None = None,
    class_names: Sequence[str] | None = None,
    title: str = "Activations of one image",
) -> Figure:
    """Draw the activations of every layer for one image, from the pixels to the probabilities.

    Parameters
    ----------
    image : (H, W) or (H * H,) numbers
        The input.
    hidden : sequence of (units,) numbers
        Output of each hidden layer after its activation function, at least one layer.
    probabilities : (K,) numbers
        Output of the network.
    truth : int, optional
        The true label; if given, the prediction is marked as right or wrong.
    layer_names : strings, optional
        Name of each hidden layer.
    """
    picture = as_images(np.asarray(image)[None])[0]
    layers = [np.asarray(layer, dtype=float) for layer in hidden]
    given = np.asarray(probabilities, dtype=float)
    if not layers or any(layer.ndim != 1 or layer.size == 0 for layer in (*layers, given)):
        raise InputError(
            "activations: expected one row (units,) of each hidden layer and one of probabilities "
            f"(K,), got shapes {[layer.shape for layer in layers]} and {given.shape}"
        )
    output = as_probabilities(given[None])[0]
    if not all(np.isfinite(layer).all() for layer in layers):
        raise InputError("activations: expected finite numbers, got NaN or infinity in a layer")
    if truth is not None and not 0 <= truth < len(output):
        raise InputError(f"truth: expected a label from 0 to {len(output) - 1}, got {truth}")
    names = names_of(class_names, len(output))
    titles = names_of(layer_names, len(layers), "layer_names", lambda n: f"hidden layer {n + 1}")
    count = len(layers) + 2
    columns = min(count, 4 if count < 8 else 5)
    rows = -(-count // columns)
    figure = new_figure(0.5 + rows * (0.8 + WIDTH / columns))
    headline(figure, title)
    panels = figure.subplots(rows, columns).ravel()
    for axes in panels:
        axes.set_box_aspect(1)
        axes.set_anchor("N")  # leaves space for the colour scale below
    panels[0].imshow(picture, cmap="gray_r", interpolation="nearest", aspect="auto")
    under = "" if truth is None else f"truth: {names[truth]}"
    tidy(panels[0], "input", under)
    panels[0].xaxis.label.set_fontsize(fit(under, WIDTH / columns - 0.4, TEXT))
    _bare(panels[0])
    for axes, layer, name in zip(panels[1 : count - 1], layers, titles, strict=True):
        _activation_panel(figure, axes, layer, name)
    _probability_panel(panels[count - 1], output, names, truth, WIDTH / columns - 0.5)
    for axes in panels[count:]:
        axes.remove()
    return figure


def _unit_images(W: ArrayLike, image_shape: tuple[int, int] | None) -> NDArray[np.floating[Any]]:
    """Return weights (H * W, units) from pixels to units as one image for each unit."""
    weights = as_array(W, "W")
    if weights.ndim != 2 or weights.size == 0 or weights.dtype.kind != "f":
        raise InputError(
            f"W: expected float weights of shape (pixels, units), as Dense.W, got {weights.dtype} "
            f"of shape {weights.shape}"
        )
    if not np.isfinite(weights).all():
        raise InputError("W: expected finite weights, got NaN or infinity: has training diverged?")
    shape = (math.isqrt(len(weights)),) * 2 if image_shape is None else image_shape
    if math.prod(shape) != len(weights):
        raise InputError(
            f"W: expected {math.prod(shape)} weights a unit for images of shape {shape}, got "
            f"{len(weights)}: is this the first layer? pass image_shape if images are not square"
        )
    return weights.T.reshape(-1, *shape)


def _activation_panel(figure: Figure, axes: Axes, layer: NDArray[Any], name: str) -> None:
    """Draw the units of a layer as cells of a square panel, row by row."""
    columns = _columns_for(len(layer))
    cells = np.full(-(-len(layer) // columns) * columns, np.nan)
    cells[: len(layer)] = layer
    signed = layer.min() < 0
    limit = float(np.abs(layer).max()) or 1.0
    drawn = axes.imshow(
        cells.reshape(-1, columns),
        cmap=DIVERGING if signed else SEQUENTIAL,
        vmin=-limit if signed else 0.0,
        vmax=limit,
        interpolation="nearest",
        aspect="auto",
    )
    tidy(axes, name, f"{int((layer > 0).sum())} of {len(layer)} above 0")
    _bare(axes)
    bar = figure.colorbar(
        drawn, cax=axes.inset_axes((0.0, -0.24, 1.0, 0.05)), orientation="horizontal"
    )
    bar.set_label("activation", fontsize=SMALL, color=INK)
    bar.ax.tick_params(labelsize=SMALL)
    bar.ax.locator_params(nbins=4)


def _probability_panel(
    axes: Axes, output: NDArray[Any], names: list[str], truth: int | None, width: float
) -> None:
    """Draw the largest probabilities as bars, with a title at most `width` inches wide."""
    best = int(output.argmax())
    verdict, mark = INK, ""
    if truth is not None:
        verdict, mark = (RIGHT, RIGHT_MARK) if best == truth else (WRONG, WRONG_MARK)
    shown, label = list(range(len(output))), "probability (%)"
    if len(output) > MOST_BARS:
        shown, label = np.argsort(-output, kind="stable")[:MOST_BARS].tolist(), "most probable (%)"
        if truth is not None and truth not in shown:
            shown[-1] = truth
    colours = [verdict if k == best else RIGHT if k == truth else QUIET for k in shown]
    axes.barh(range(len(shown)), 100 * output[shown], color=colours, height=0.75)
    axes.set_yticks(range(len(shown)), [names[k] for k in shown])
    longest = max((names[k] for k in shown), key=len)
    axes.tick_params(axis="y", labelsize=fit(longest, 0.9, SMALL))
    axes.invert_yaxis()
    axes.set_xlim(0, 100)
    heading = f"prediction: {names[best]} {mark}".rstrip()
    if fit(heading, width, TEXT) < TEXT:
        heading = heading.replace(" ", "\n", 1)
    tidy(axes, heading, label, "", grid="x")
    size = fit(max(heading.split("\n"), key=len), width, TEXT + 0.5)
    axes.set_title(heading, loc="left", color=verdict, fontsize=size)
    value = 100 * float(output[best])
    inside = value > 55
    axes.text(
        value + (-3 if inside else 3),
        shown.index(best),
        percent(output[best]),
        ha="right" if inside else "left",
        va="center",
        fontsize=SMALL,
        color="white" if inside else INK,
    )


def _columns_for(units: int) -> int:
    """Return the columns of a rectangle about as wide as high, if possible with a full last row."""
    ideal = max(1, round(units**0.5))
    whole = [c for c in range(max(1, ideal // 2), ideal + 1) if units % c == 0]
    return whole[-1] if whole else ideal


def _bare(axes: Axes) -> None:
    axes.set_xticks([])
    axes.set_yticks([])
    for side in axes.spines.values():
        side.set_visible(True)
        side.set_color(QUIET)


def _weight_bar(figure: Figure, limit: float) -> None:
    """Draw the colour scale of the weights at the bottom of a page."""
    height = figure.get_figheight()
    scale = ScalarMappable(Normalize(-limit, limit), DIVERGING)
    axes = figure.add_axes((0.3, 0.36 / height, 0.4, 0.1 / height))
    bar = figure.colorbar(scale, cax=axes, orientation="horizontal", extend="both")
    bar.set_label("weight", fontsize=SMALL, color=INK, labelpad=1)
    bar.ax.tick_params(labelsize=SMALL)
    for x, text, side in ((0.285, "ink here inhibits", "right"), (0.715, "excites", "left")):
        figure.text(x, 0.41 / height, text, fontsize=SMALL, color=INK, ha=side, va="center")
