"""The ladder: every named recipe, trained over its seeds, beside the published results.

`climb` carries out what is missing and appends each finished run to a CSV file, so that it can be
stopped at any time and goes on where it was, also days later; `standings.py` makes the table of the
README from that file. Each run is an ordinary run folder (`runs.py`). `validate` judges settings
on training images that were held out: it is the only judge that may choose among them.
"""

from __future__ import annotations

import contextlib
import os
import signal
import zlib
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from numpymlp.data import five_sixths
from numpymlp.experiments import runs
from numpymlp.experiments.environment import environment
from numpymlp.experiments.recipes import RECIPES, NamedRecipe, Recipe
from numpymlp.experiments.results import (
    COLUMNS,
    VALIDATED,
    Row,
    append_result,
    describe,
    members_of,
    read_results,
    settings_of,
)
from numpymlp.losses import SoftmaxCrossEntropy
from numpymlp.network import Network
from numpymlp.storage.files import RunLock
from numpymlp.training.interrupts import TrainingInterrupted
from numpymlp.training.scoring import evaluate
from numpymlp.validation import InputError, check_choice, check_positive_integer

CHECKPOINT_MINUTES = 1.0

Say = Callable[[str], None]


def climb(
    names: Sequence[str] = tuple(RECIPES),
    *,
    folder: str | os.PathLike[str],
    results: str | os.PathLike[str],
    data: str | None = None,
    seeds: int | None = None,
    validation: bool = False,
    verbose: int = 1,
    say: Say = print,
) -> list[Row]:
    """Train each recipe over its seeds, but not what the results file has already.

    Parameters
    ----------
    names : sequence of str
        Recipes, in the order in which they are carried out.
    folder : path
        Holds a run folder for each run. If it is kept, what was interrupted goes on in the middle.
    results : path
        The CSV file.
    data : str, optional
        Folder of four IDX files; MNIST if None.
    seeds : int, optional
        How many runs of each recipe; by default as many as the recipe says.
    validation : bool, default False
        Judge by `validate` instead of the test images, without run folders or committees.
    verbose, say
        As for `runs.train`.

    Returns
    -------
    list of dict
        All rows of the file.

    Raises
    ------
    TrainingInterrupted
        After Ctrl-C or SIGTERM: called again, it goes on from there.
    """
    for name in names:
        check_choice(name, "recipe", tuple(RECIPES))
    if seeds is not None:
        check_positive_integer(seeds, "seeds")
    chosen = [RECIPES[name] for name in names if not (validation and RECIPES[name].committee)]
    if not chosen:
        raise InputError(
            "a committee has no validation: it is made of runs that are judged already"
        )
    if not Path(results).absolute().parent.is_dir():
        raise InputError(f"{results}: expected a file in a folder that exists")
    place, label = Path(folder), label_of(data, validation)
    if not validation:
        try:
            place.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InputError(
                f"{place}: expected a folder for the runs: {error.strerror}"
            ) from error
    with contextlib.nullcontext() if validation else RunLock(place):
        for named in chosen:
            for seed in range(1 if named.committee else seeds or named.seeds):
                if _is_finished(read_results(results), named, seed, label, seeds):
                    continue
                say(f"\n== {named.name}, seed {seed}: {describe(named.recipe)}")
                if validation:
                    metrics = validate(named.recipe, seed, data=data, verbose=verbose)
                elif named.committee:
                    members = seeds or members_of(named).seeds
                    metrics = _committee(named, members, place, data, label, verbose, say)
                else:
                    run = run_folder(place, named.recipe, seed, label)
                    metrics = _run(named.recipe, seed, run, data, verbose, say)
                row = _row(named, seed, label, metrics, seeds)
                append_result(results, row)
                say(f"{named.name}, seed {seed}: {float(row['test_accuracy']):.2%}")
    return read_results(results)


def label_of(data: str | None, validation: bool = False) -> str:
    """Name the data in the results file: "MNIST", or the folder's name with a sum of its content.

    So two folders of the same name, or one whose files were changed, are not taken for another.
    """
    name = "MNIST"
    if data is not None:
        name = f"{Path(data).resolve().name} {runs.read_data(data).fingerprint:08x}"
    return name + VALIDATED if validation else name


def _is_finished(
    rows: Iterable[Row], named: NamedRecipe, seed: int, label: str, seeds: int | None
) -> bool:
    """Tell whether there is a row of a run with just these settings."""
    key = (named.name, str(seed), label, settings_of(named, seeds))
    return any((row["recipe"], row["seed"], row["data"], row["settings"]) == key for row in rows)


def _run(
    recipe: Recipe, seed: int, folder: Path, data: str | None, verbose: int, say: Say
) -> dict[str, Any]:
    """Carry out one run, or what is left of it."""
    try:
        if (folder / runs.CHECKPOINT).is_file():
            return runs.resume(folder, figures=False, verbose=verbose, say=say)
        folder.mkdir(exist_ok=True)
        return runs.train(
            recipe,
            folder=folder,
            seed=seed,
            data=data,
            figures=False,
            overwrite=True,
            minutes=CHECKPOINT_MINUTES,
            verbose=verbose,
            say=say,
        )
    except TrainingInterrupted as error:
        raise TrainingInterrupted(
            f"interrupted; nothing is lost: the same command goes on from {folder}", error.number
        ) from error


def run_folder(place: Path, recipe: Recipe, seed: int, label: str) -> Path:
    """Name the folder of a run, so that other settings, seeds or data (`label_of`) get another."""
    code = zlib.crc32(f"{describe(recipe)} {label}".encode())
    return place / f"{code:08x}-{seed}"


def _committee(
    named: NamedRecipe,
    members: int,
    place: Path,
    data: str | None,
    label: str,
    verbose: int,
    say: Say,
) -> dict[str, Any]:
    """Average the probabilities of the members; train those whose models are not here."""
    folders = [run_folder(place, named.recipe, seed, label) for seed in range(members)]
    metrics = [
        _run(named.recipe, seed, folder, data, verbose, say) for seed, folder in enumerate(folders)
    ]
    _, ((x, y), (x_test, y_test)) = runs.load_data(data)
    networks = [Network.load(folder / runs.MODEL) for folder in folders]
    return {
        **metrics[0],
        "test_accuracy": committee_accuracy(networks, x_test, y_test),
        "train_accuracy": committee_accuracy(networks, x, y),
        "training_seconds": sum(m["training_seconds"] for m in metrics),
    }


def committee_accuracy(networks: Sequence[Network], x: np.ndarray, y: np.ndarray) -> float:
    """Judge several networks as one: the likeliest class by the mean of their probabilities."""
    total = np.zeros((len(x), 1))
    for network in networks:
        total = total + network.predict_proba(x)
    return float((total.argmax(axis=1) == y).mean())


def _row(
    named: NamedRecipe, seed: int, label: str, metrics: dict[str, Any], seeds: int | None = None
) -> Row:
    row = {
        **metrics,
        "recipe": named.name,
        "seed": seed,
        "data": label,
        "test_accuracy": f"{metrics['test_accuracy']:.5f}",
        "train_accuracy": f"{metrics['train_accuracy']:.5f}",
        "seconds": f"{metrics['training_seconds']:.1f}",
        "settings": settings_of(named, seeds),
        "finished": f"{datetime.now(UTC):%Y-%m-%d %H:%M}",
    }
    return {column: str(row[column]) for column in COLUMNS}


# ---- to choose settings ----


def validate(
    recipe: Recipe, seed: int = 0, *, data: str | None = None, verbose: int = 0
) -> dict[str, Any]:
    """Train on the first five sixths of the training images and judge on the last sixth.

    The test images take no part.

    Returns
    -------
    dict
        What a row of the results file needs, and losses: "test_accuracy" and "test_loss" are those
        on the held-out images.
    """
    _, ((x, y), _) = runs.load_data(data)
    first = five_sixths(y)
    network = recipe.build_network(x.shape[1], int(y.max()) + 1, seed)
    trainer = recipe.build_trainer(
        network, seed, runs.shape_of(data), verbose=verbose, stop_signals=runs.STOP_SIGNALS
    )
    history = trainer.fit(x[:first], y[:first], recipe.epochs, validation=(x[first:], y[first:]))
    if trainer.stopped == "interrupted":
        number = trainer.stop_signal or signal.SIGINT
        raise TrainingInterrupted("interrupted; this run was not finished", number)
    # Not the last of the history: early stopping puts better weights back.
    held_out = evaluate(network, SoftmaxCrossEntropy(), x[first:], y[first:])
    return {
        "test_accuracy": held_out.accuracy,
        "test_loss": held_out.loss,
        "running_train_loss": history["running_train_loss"][-1],
        "train_accuracy": evaluate(network, trainer.loss, x[:first], y[:first]).accuracy,
        "epochs": trainer.epoch,
        "training_seconds": sum(history["seconds"]),
        **environment(),
    }
