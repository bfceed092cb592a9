"""Evaluate a trained network on labelled images and write the report and the figures.

`numpymlp evaluate` and the end of `numpymlp train` call these functions. The numbers come from
`metrics`, the figures from `plots`.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import ArrayLike, NDArray

from numpymlp import metrics, plots
from numpymlp.data.augmentation import Distortion
from numpymlp.experiments.averaging import mean_probabilities, saying
from numpymlp.experiments.begun import Say, load_run
from numpymlp.experiments.folders import (
    CONFIG,
    CONFUSION,
    CURVES,
    FILES,
    OF_IMAGES,
    OF_SCORES,
    REPORT,
    find_model,
    read_config,
    read_data,
    report_folder,
)
from numpymlp.experiments.recipes import Recipe
from numpymlp.layers import Dense, Dropout
from numpymlp.metrics.checks import as_labels_and_probabilities, check_names
from numpymlp.network import Network
from numpymlp.storage.files import (
    RunLock,
    StorageError,
    atomic_write,
    counted,
    encoded,
    remove_leftovers,
    remove_link,
    write_bytes,
    write_csv,
)
from numpymlp.validation import InputError, check_positive_integer

MISTAKES = 8  # of the 32 images of predictions.png, at least so many are mistakes


def evaluate_run(
    run: str | os.PathLike[str],
    data: str | None = None,
    output: str | os.PathLike[str] | None = None,
    average: int | None = None,
    say: Say = print,
) -> tuple[str, Path]:
    """Evaluate the network of a run on test images; write the report and the figures.

    Parameters
    ----------
    run : path
        Folder of a run, or its model file.
    data : str, optional
        Folder of four IDX files; None takes the data that the run was trained on. A report on
        other data goes into a subfolder named after them and their fingerprint.
    output : path, optional
        Another folder for the report, such as for a run that may not be written to.
    average : int, optional
        Number of distorted views of each image (`averaging.py`); None takes that of the recipe.
    say : callable, default print
        Called with a line before that, and if the run is not finished.

    Returns
    -------
    report : str
    folder : Path
        Where the report and the figures are.
    """
    model = find_model(run)
    network, folder, config = load_run(run, say), model.parent, {}
    recipe = Recipe()
    if (folder / CONFIG).is_file():
        config = read_config(folder)
        settings = {name: config[name] for name in Recipe.__dataclass_fields__ if name in config}
        recipe = Recipe.from_dict(settings, str(folder / CONFIG))
    loaded = read_data(data or config.get("data"))
    # Compare the content, not the path: the files there may have changed since training.
    same = config.get("data_fingerprint") == loaded.fingerprint if config else data is None
    if output is not None:
        folder = Path(output)
    elif not same:
        remove_link(folder := report_folder(folder, loaded))
    if views := recipe.average if average is None else average:
        say(saying(views))
    report = write_evaluation(
        folder,
        network,
        np.asarray(loaded.x_test),
        loaded.y_test,
        data_name=f"{loaded.name}, test images",
        image_shape=loaded.image_shape,
        views=recipe.build_views(loaded.image_shape),
        average=views,
    )
    return report, folder


def write_evaluation(
    folder: str | os.PathLike[str],
    network: Network,
    x: NDArray[Any],
    y_true: ArrayLike,
    *,
    data_name: str = "test data",
    image_shape: tuple[int, int] | None = None,
    class_names: Sequence[str] | None = None,
    views: Distortion | None = None,
    average: int = 0,
) -> str:
    """Evaluate a network on labelled samples; write report, confusion matrix and figures.

    Parameters
    ----------
    folder : path
        Gets ``report.txt``, ``confusion.csv`` and ``*.png``, each whole or not at all. It is
        created in an existing folder, once all arguments are checked.
    network : Network
        A classifier, with softmax or sigmoid output.
    x : (N, in) numbers
        Samples, scaled as for training.
    y_true : (N,) integers
        Their labels, 0 ... K - 1.
    data_name : str
        Name of the data in the report.
    image_shape : (height, width), optional
        Shape of a sample as an image. Without it, samples that are not square are not drawn.
    class_names : K strings, optional
    views : Distortion, optional
    average : int, default 0
        Number of distorted views of each image over which the probabilities are averaged.

    Returns
    -------
    str
        The content of ``report.txt``.

    Raises
    ------
    InputError
        If the network is not a classifier, does not fit the samples or the labels, or another
        process writes into the folder.
    StorageError
        If a file cannot be written.
    """
    true, rows = as_labels_and_probabilities(y_true, network.predict_proba(x))
    single = None
    if average and views is not None:
        single, rows = rows, mean_probabilities(network, x, views, average)
        data_name += f", mean over each image and {counted(average, 'distorted view')}"
    report = evaluation_report(
        true, rows, data_name=data_name, class_names=class_names, single=single
    )
    pred, images = rows.argmax(axis=1), _as_images(x, image_shape)
    matrix = metrics.confusion_matrix(true, pred, rows.shape[1])
    scores = metrics.precision_recall_f1(true, pred, rows.shape[1])
    figures = {
        "confusion.png": plots.confusion_matrix(matrix, class_names=class_names),
        "scores.png": plots.class_scores(scores, class_names=class_names),
        "reliability.png": plots.reliability_diagram(metrics.reliability_table(true, rows)),
    }
    if images is not None:
        figures |= _figures_of_images(network, images, x, true, rows, class_names)
    target = Path(folder)
    try:
        target.mkdir(exist_ok=True)
    except OSError as error:
        raise StorageError(f"{target} could not be created: {error.strerror}") from error
    names = check_names(class_names, len(matrix))
    with RunLock(target):
        for name in FILES:
            remove_leftovers(target / name)
        write_bytes(target / REPORT, encoded(report))
        write_csv(
            target / CONFUSION,
            ["true class", *(f"predicted {name}" for name in names)],
            [[name, *row] for name, row in zip(names, matrix.tolist(), strict=True)],
        )
        _write_figures(target, (*OF_SCORES, *OF_IMAGES), figures)
    return report


def write_training_figures(
    folder: str | os.PathLike[str],
    history: Mapping[str, Any],
    x: NDArray[Any],
    y_true: ArrayLike,
    probabilities: ArrayLike,
    *,
    rates: ArrayLike | None = None,
    image_shape: tuple[int, int] | None = None,
    class_names: Sequence[str] | None = None,
) -> None:
    """Draw predictions, learning curves and confusion matrix at the end of training.

    Parameters
    ----------
    folder : path
        An existing folder, which gets three PNG files.
    history : dict of columns
        ``trainer.history.to_dict()``; see `plots.learning_curves`.
    x, y_true, image_shape, class_names
        Test samples and labels, as in `write_evaluation`.
    probabilities : (N, K) floats
        The network's probabilities for `x`.
    rates : (steps,) numbers, optional
        The learning rate of every step.
    """
    true, rows = as_labels_and_probabilities(y_true, probabilities)
    pred, images = rows.argmax(axis=1), _as_images(x, image_shape)
    matrix = metrics.confusion_matrix(true, pred, rows.shape[1])
    scores = {"loss": metrics.log_loss(true, rows), "accuracy": metrics.accuracy(true, pred)}
    figures = {
        CURVES: plots.learning_curves(history, rates=rates, test=scores),
        "confusion.png": plots.confusion_matrix(matrix, class_names=class_names),
    }
    if images is not None:
        figures["predictions.png"] = plots.prediction_grid(
            images, true, pred, mistakes=MISTAKES, class_names=class_names
        )
    _write_figures(Path(folder), (CURVES, "confusion.png", "predictions.png"), figures)


def evaluation_report(
    y_true: ArrayLike,
    probabilities: ArrayLike,
    *,
    data_name: str = "test data",
    class_names: Sequence[str] | None = None,
    single: ArrayLike | None = None,
) -> str:
    """Return a page of text that evaluates probabilities (N, K) for labels (N,).

    `single` are the probabilities of the images alone, if the others are means over their views.
    """
    true, rows = as_labels_and_probabilities(y_true, probabilities)
    classes = rows.shape[1]
    names = check_names(class_names, classes)
    pred = rows.argmax(axis=1)
    table = metrics.classification_report(true, pred, classes, class_names=names, digits=4)
    confused = metrics.most_confused(metrics.confusion_matrix(true, pred, classes), limit=5)
    top_two = metrics.top_k_accuracy(true, rows, k=2)
    wrong = int((true != pred).sum())
    alone = None if single is None else metrics.accuracy(true, np.argmax(single, axis=1))
    lines = [
        f"{data_name}: {len(true):,} samples, {wrong:,} mistake{'' if wrong == 1 else 's'}",
        "",
        f"accuracy           {_percent(table.accuracy):>8}",
        *([] if alone is None else [f"  images alone     {_percent(alone):>8}"]),
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


def _percent(share: float) -> str:
    return "> 99.99%" if 0.99995 <= share < 1 else f"{share:.2%}"  # no mistake is rounded away


def _figures_of_images(
    network: Network,
    images: NDArray[Any],
    x: NDArray[Any],
    true: NDArray[Any],
    rows: NDArray[Any],
    class_names: Sequence[str] | None,
) -> dict[str, Figure]:
    """Draw the figures that show samples, weights or activations, where there are any to show."""
    pred = rows.argmax(axis=1)
    wrong = np.flatnonzero(pred != true)
    names: dict[str, Any] = {"class_names": class_names}
    figures = {
        "predictions.png": plots.prediction_grid(images, true, pred, mistakes=MISTAKES, **names)
    }
    if len(wrong):
        figures["mistakes.png"] = plots.mistakes(images, true, rows, **names)
        figures["confused-pairs.png"] = plots.confused_pairs(images, true, rows, **names)
    # The first layer after input dropout has one weight per pixel.
    first = next((layer for layer in network.layers if not isinstance(layer, Dropout)), None)
    if isinstance(first, Dense):
        figures["first-layer-weights.png"] = plots.first_layer_weights(
            first.W, image_shape=images.shape[1:]
        )
    one = int(wrong[0]) if len(wrong) else 0
    outputs = network.activations(x[one : one + 1])
    answer = network.predict_proba(x[one : one + 1])[0]  # of the image alone
    # The input of each layer with weights, except the first, is the output of a hidden layer.
    readers = [i for i, layer in enumerate(network.layers) if "W" in layer.declared("parameter")]
    if hidden := [outputs[i - 1][0] for i in readers[1:] if outputs[i - 1].ndim == 2]:
        figures["activations.png"] = plots.activations(
            images[one], hidden, answer, truth=int(true[one]), **names
        )
    return figures


def _as_images(x: NDArray[Any], shape: tuple[int, int] | None) -> NDArray[Any] | None:
    """Return samples (N, in) as images (N, H, W); None if their shape is not known."""
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


def _write_figures(folder: Path, names: Iterable[str], figures: Mapping[str, Figure]) -> None:
    """Write these figures; delete the files of the other names, left by an earlier evaluation."""
    for name in names:
        if name not in figures:
            (folder / name).unlink(missing_ok=True)
            continue
        with atomic_write(folder / name) as file:
            figures[name].savefig(file, format="png", metadata={"Software": None})
