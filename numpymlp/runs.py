"""A run: one training from data to a folder that holds all that came of it.

`train` carries a recipe out, step by step as a person would by hand, and writes the run folder:
`model.npz`, `history.csv`, `metrics.json` and `config.json`. `open_run` finds the model in it
again. The command line (`__main__.py`) is a thin layer over this room.
"""

from __future__ import annotations

import dataclasses
import os
import platform
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np

from numpymlp import __version__
from numpymlp.data import load_folder, load_mnist
from numpymlp.files import write_json
from numpymlp.gradient_check import check_gradients
from numpymlp.losses import SoftmaxCrossEntropy
from numpymlp.network import Network
from numpymlp.recipes import Recipe
from numpymlp.training import evaluate
from numpymlp.validation import InputError

MODEL, HISTORY, METRICS, CONFIG = "model.npz", "history.csv", "metrics.json", "config.json"
CHECK_ROWS = 128  # rows of the batch on which gradients are checked before the first step

Data = tuple[tuple[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]


def load_data(folder: str | None) -> tuple[str, Data]:
    """Load MNIST, or the data set in a folder of four IDX files; with a name to print."""
    return ("MNIST", load_mnist()) if folder is None else (folder, load_folder(folder))


def new_run_folder(path: str | os.PathLike[str] | None, overwrite: bool = False) -> Path:
    """Make the folder of a new run; by default ``runs/<date and time>``.

    Raises
    ------
    InputError
        If the folder already holds something and may not be overwritten.
    """
    folder = (
        Path(path) if path is not None else Path("runs") / f"{datetime.now():%Y-%m-%d_%H-%M-%S}"
    )
    if folder.exists() and not folder.is_dir():
        raise InputError(f"{folder} is a file: --output expects a folder, new or empty")
    if folder.exists() and any(folder.iterdir()) and not overwrite:
        raise InputError(
            f"{folder} already holds files: choose another --output, or add --overwrite"
        )
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{folder} cannot be made: {error.strerror}") from error
    return folder


def find_model(run: str | os.PathLike[str]) -> Path:
    """Find the model file of a run, given its folder or the file itself."""
    path = Path(run)
    if path.is_dir():
        if not (path / MODEL).is_file():
            raise InputError(f"{path} holds no {MODEL}: is it the folder of a finished run?")
        return path / MODEL
    return path


def train(
    recipe: Recipe,
    *,
    folder: Path,
    seed: int = 0,
    data: str | None = None,
    check: bool = True,
    figures: bool = True,
    verbose: int = 1,
    say: Callable[[str], None] = print,
) -> dict[str, Any]:
    """Train as the recipe says, judge the result on the test set, write the run folder.

    Parameters
    ----------
    recipe : Recipe
    folder : Path
        An existing folder; see `new_run_folder`.
    seed : int, default 0
    data : str, optional
        Folder of four IDX files; MNIST if None.
    check : bool, default True
        Compare backprop with finite differences before the first step.
    figures : bool, default True
        Draw predictions, learning curves and the confusion matrix into the folder.
    verbose : {0, 1}, default 1
        Whether to show progress.
    say : callable, default print
        Takes each line of the report.

    Returns
    -------
    dict
        What `metrics.json` holds.
    """
    started = time.perf_counter()
    name, ((x, y), (x_test, y_test)) = load_data(data)
    classes = int(y.max()) + 1
    say(f"data: {name}, {len(x):,} training and {len(x_test):,} test images, {classes} classes")
    network = recipe.build_network(x.shape[1], classes, seed)
    say(network.summary())
    trainer = recipe.build_trainer(network, seed, verbose=verbose)
    say(
        f"training: {recipe.epochs} epochs in batches of {recipe.batch_size}, {trainer.loss}, "
        f"{trainer.optimizer}, {recipe.schedule} schedule, seed {seed}"
    )
    if check:
        rows = np.random.default_rng(seed).permutation(len(x))[:CHECK_ROWS]
        report = check_gradients(
            network,
            trainer.loss,
            x[rows],
            y[rows],
            penalty=trainer.penalty,
            mode="direction",
            input_gradient=False,
        )
        if not report.passed:
            raise InputError(f"gradients are wrong, training was not begun\n{report}")
        say(f"gradients checked: relative error {report.max_error:.0e}")
    trainer.fit(x, y, recipe.epochs, validation=recipe.validation)
    network.save(folder / MODEL)
    trainer.history.save_csv(folder / HISTORY)
    write_json(folder / CONFIG, {**dataclasses.asdict(recipe), "seed": seed, "data": data})
    loss = SoftmaxCrossEntropy()
    on_train, on_test = evaluate(network, loss, x, y), evaluate(network, loss, x_test, y_test)
    metrics = {
        "test_accuracy": on_test.accuracy,
        "train_accuracy": on_train.accuracy,
        "test_loss": on_test.loss,
        "train_loss": on_train.loss,
        "epochs": trainer.epoch,
        "stopped": trainer.stopped,
        "parameters": network.parameters.size,
        "seconds": time.perf_counter() - started,
        "training_seconds": sum(trainer.history["seconds"]),
        "seed": seed,
        "data": name,
        "numpymlp": __version__,
        "numpy": np.__version__,
        "python": platform.python_version(),
    }
    write_json(folder / METRICS, metrics)
    if figures:
        from numpymlp.evaluation import write_training_figures  # brings matplotlib along

        probabilities = network.predict_proba(x_test)
        write_training_figures(folder, trainer.history.to_dict(), x_test, y_test, probabilities)
    return metrics


def evaluate_run(run: str | os.PathLike[str], data: str | None = None) -> tuple[str, Path]:
    """Judge the network of a run on test images; write the report and the figures.

    Parameters
    ----------
    run : path
        Folder of a run, or its model file.
    data : str, optional
        Folder of four IDX files, MNIST if None. Its report goes into a folder of its own within
        the run, named after it.

    Returns
    -------
    report : str
    folder : Path
        Where the report and the figures are.
    """
    from numpymlp.evaluation import write_evaluation  # brings matplotlib along

    model = find_model(run)
    network = Network.load(model)
    name, (_, (x, y)) = load_data(data)
    folder = model.parent if data is None else model.parent / Path(data).resolve().name
    folder.mkdir(exist_ok=True)
    return write_evaluation(folder, network, x, y, data_name=f"{name}, test images"), folder


def load_run(run: str | os.PathLike[str]) -> Network:
    """Load the network of a run, given its folder or its model file."""
    return Network.load(find_model(run))
