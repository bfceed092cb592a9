"""A trained network judged on labelled images, and the answer written into a folder.

It joins what stands apart elsewhere: the network's probabilities, what `metrics` counts of them and
what `plots` draws. `numpymlp evaluate` and the end of `numpymlp train` are these two functions;
read `metrics` and `plots` for how each number and picture comes about.
"""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import ArrayLike, NDArray

from numpymlp import metrics, plots
from numpymlp.layers import Dense, Dropout
from numpymlp.network import Network
from numpymlp.plots.style import names_of
from numpymlp.storage.files import StorageError, atomic_write, csv_text
from numpymlp.validation import (
    InputError,
    as_labels_and_probabilities,
    check_positive_integer,
)

REPORT, CONFUSION = "report.txt", "confusion.csv"
OF_SCORES = ("confusion.png", "scores.png", "reliability.png")
OF_IMAGES = (
    "predictions.png", "mistakes.png", "confused-pairs.png", "first-layer-weights.png",
    "activations.png",
)  # fmt: skip
CURVES = "learning-curves.png"
FILES = (REPORT, CONFUSION, CURVES, *OF_SCORES, *OF_IMAGES)  # all that may be written here


def write_evaluation(
    folder: str | os.PathLike[str],
    network: Network,
    x: NDArray[Any],
    y_true: ArrayLike,
    *,
    data_name: str = "test data",
    image_shape: tuple[int, int] | None = None,
    class_names: Sequence[str] | None = None,
) -> str:
    """Judge a network on labelled samples; write report, confusion matrix and figures.

    Parameters
    ----------
    folder : path
        Gets ``report.txt``, ``confusion.csv`` and ``*.png``; each file appears whole or not at
        all. It is made, in a folder that exists, once everything has been found to fit.
    network : Network
        A classifier: its output is softmax or sigmoid.
    x : (N, in) numbers
        Samples, in the units in which the network was trained.
    y_true : (N,) integers
        Their labels, 0 ... K - 1.
    data_name : str
        What the report calls the data.
    image_shape : (height, width), optional
        Shape of a sample as an image. Needed where it is not square: without it, such samples are
        counted but not drawn.
    class_names : K strings, optional
        Name of each class.

    Returns
    -------
    str
        The text of ``report.txt``.

    Raises
    ------
    InputError
        If the network is no classifier, or made for other samples or classes than these.
    StorageError
        If a file cannot be written.
    """
    true, rows = as_labels_and_probabilities(y_true, network.predict_proba(x))
    report = evaluation_report(true, rows, data_name=data_name, class_names=class_names)
    matrix = metrics.confusion_matrix(true, rows.argmax(axis=1), rows.shape[1])
    figures = _figures_of_scores(true, rows, matrix, class_names)
    images = _as_pictures(x, image_shape)
    figures |= (
        dict.fromkeys(OF_IMAGES)
        if images is None
        else _figures_of_images(network, images, x, true, rows, class_names)
    )
    target = Path(folder)
    try:
        target.mkdir(exist_ok=True)
    except OSError as error:
        raise StorageError(f"{target} cannot be made: {error.strerror}") from error
    _write(target / REPORT, report.encode())
    _write(target / CONFUSION, _csv_of(matrix, class_names).encode())
    _write_figures(target, figures)
    return report


def write_training_figures(
    folder: str | os.PathLike[str],
    history: Mapping[str, Any],
    x: NDArray[Any],
    y_true: ArrayLike,
    probabilities: ArrayLike,
    *,
    image_shape: tuple[int, int] | None = None,
    class_names: Sequence[str] | None = None,
) -> None:
    """Draw what a training ends with: predictions, learning curves, confusion matrix.

    Parameters
    ----------
    folder : path
        An existing folder, which gets three PNG files.
    history : dict of columns
        As `plots.learning_curves` takes; ``trainer.history.to_dict()``.
    x, y_true, image_shape, class_names
        Test samples and labels, as in `write_evaluation`.
    probabilities : (N, K) floats
        What the network answers to `x`.
    """
    true, rows = as_labels_and_probabilities(y_true, probabilities)
    pred = rows.argmax(axis=1)
    matrix = metrics.confusion_matrix(true, pred, rows.shape[1])
    figures: dict[str, Figure | None] = {
        CURVES: plots.learning_curves(history),
        "confusion.png": plots.confusion_matrix(matrix, class_names=class_names),
    }
    images = _as_pictures(x, image_shape)
    figures["predictions.png"] = (
        None
        if images is None
        else plots.prediction_grid(images, true, pred, class_names=class_names)
    )
    _write_figures(Path(folder), figures)


def evaluation_report(
    y_true: ArrayLike,
    probabilities: ArrayLike,
    *,
    data_name: str = "test data",
    class_names: Sequence[str] | None = None,
) -> str:
    """Say in a page of text how good probabilities (N, K) are for labels (N,)."""
    true, rows = as_labels_and_probabilities(y_true, probabilities)
    classes = rows.shape[1]
    names = names_of(class_names, classes)
    pred = rows.argmax(axis=1)
    table = metrics.classification_report(true, pred, classes, class_names=names, digits=4)
    confused = metrics.most_confused(metrics.confusion_matrix(true, pred, classes), limit=5)
    top_two = metrics.top_k_accuracy(true, rows, k=2)
    wrong = int((true != pred).sum())
    accuracy = f"{table.accuracy:.2%}"
    if wrong and table.accuracy >= 0.99995:
        accuracy = "> 99.99%"  # certainty is not claimed by rounding
    lines = [
        f"{data_name}: {len(true):,} samples, {wrong:,} mistake{'' if wrong == 1 else 's'}",
        "",
        f"accuracy           {accuracy:>8}",
        *([f"top-2 accuracy     {top_two:8.2%}"] if classes > 2 else []),
        f"calibration error  {metrics.expected_calibration_error(true, rows):8.2%}",
        f"log loss           {metrics.log_loss(true, rows):8.4f}",
        "",
        str(table),
    ]
    if confused:
        pairs = (f"{names[c.true]} called {names[c.predicted]} ({c.times})" for c in confused)
        lines += [f"most confused: {', '.join(pairs)}", ""]
    return "\n".join(lines)


def _figures_of_scores(
    true: NDArray[Any],
    rows: NDArray[Any],
    matrix: NDArray[Any],
    class_names: Sequence[str] | None,
) -> dict[str, Figure | None]:
    scores = metrics.precision_recall_f1(true, rows.argmax(axis=1), rows.shape[1])
    return {
        "confusion.png": plots.confusion_matrix(matrix, class_names=class_names),
        "scores.png": plots.class_scores(scores, class_names=class_names),
        "reliability.png": plots.reliability_diagram(metrics.reliability_table(true, rows)),
    }


def _figures_of_images(
    network: Network,
    images: NDArray[Any],
    x: NDArray[Any],
    true: NDArray[Any],
    rows: NDArray[Any],
    class_names: Sequence[str] | None,
) -> dict[str, Figure | None]:
    """Draw the pictures that show samples; None stands for one that has nothing to show."""
    pred = rows.argmax(axis=1)
    wrong = np.flatnonzero(pred != true)
    names: dict[str, Any] = {"class_names": class_names}
    figures: dict[str, Figure | None] = {
        "predictions.png": plots.prediction_grid(images, true, pred, **names),
        "mistakes.png": plots.mistakes(images, true, rows, **names) if len(wrong) else None,
        "confused-pairs.png": (
            plots.confused_pairs(images, true, rows, **names) if len(wrong) else None
        ),
    }
    # The first layer behind dropout, if that comes first, is the one that reads the pixels.
    first = next((layer for layer in network.layers if not isinstance(layer, Dropout)), None)
    figures["first-layer-weights.png"] = (
        plots.first_layer_weights(first.W, image_shape=images.shape[1:])
        if isinstance(first, Dense)
        else None
    )
    one = int(wrong[0]) if len(wrong) else 0
    outputs = network.activations(x[one : one + 1])
    # What a layer of weights reads, but for the first, is what the hidden layer before it says.
    readers = [i for i, layer in enumerate(network.layers) if _has_weights(layer)]
    hidden = [outputs[i - 1][0] for i in readers[1:]]
    figures["activations.png"] = (
        plots.activations(images[one], hidden, rows[one], truth=int(true[one]), **names)
        if hidden
        else None
    )
    return figures


def _has_weights(layer: Any) -> bool:
    return "W" in getattr(layer, "parameter_names", ())


def _as_pictures(x: NDArray[Any], shape: tuple[int, int] | None) -> NDArray[Any] | None:
    """Return samples (N, in) as images (N, H, W); None where their shape is not known."""
    samples = np.asarray(x)
    if shape is not None:
        height, width = (check_positive_integer(n, "image_shape, height and width") for n in shape)
        if height * width != samples.shape[1]:
            raise InputError(
                f"image_shape: expected height times width to be the {samples.shape[1]} features "
                f"of a sample, got {height} times {width}"
            )
    else:
        side = math.isqrt(samples.shape[1])
        shape = (side, side)
    return samples.reshape(-1, *shape) if math.prod(shape) == samples.shape[1] > 1 else None


def _csv_of(matrix: NDArray[Any], class_names: Sequence[str] | None) -> str:
    """Write a confusion matrix as CSV: a line for each true class, a column for each prediction."""
    names = names_of(class_names, len(matrix))
    rows = [[name, *row] for name, row in zip(names, matrix.tolist(), strict=True)]
    return csv_text(["true class", *(f"predicted {name}" for name in names)], rows)


def _write_figures(folder: Path, figures: Mapping[str, Figure | None]) -> None:
    for name, figure in figures.items():
        if figure is None:
            # A picture of an earlier evaluation would be taken for one of this network.
            (folder / name).unlink(missing_ok=True)
            continue
        with atomic_write(folder / name) as file:
            figure.savefig(file, format="png", metadata={"Software": None})


def _write(path: Path, content: bytes) -> None:
    with atomic_write(path) as file:
        file.write(content)
