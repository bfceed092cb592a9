"""The ladder: train every named recipe over its seeds and record the results.

`run_ladder` trains what is missing and appends each finished run to a CSV file, so it can be
stopped at any time and continued later. `results.py` makes the README's table from that file. Each
run has an ordinary run folder (`runs.py`). `validate` evaluates a recipe on held-out training
images: choose settings by it, not by the test images.
"""

from __future__ import annotations

import contextlib
import functools
import os
import signal
import zlib
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from numpymlp.data import five_sixths
from numpymlp.experiments import folders, runs
from numpymlp.experiments.averaging import averaged_accuracy, mean_probabilities
from numpymlp.experiments.begun import Say, load_run
from numpymlp.experiments.environment import environment
from numpymlp.experiments.jobs import check_jobs, side_by_side
from numpymlp.experiments.named_recipes import RECIPES, NamedRecipe
from numpymlp.experiments.parallel_runs import STOP_SIGNALS, Workers, check_workers
from numpymlp.experiments.recipes import Recipe
from numpymlp.experiments.remaining import Remaining
from numpymlp.experiments.results import (
    COLUMNS,
    VALIDATED,
    Row,
    append_result,
    describe,
    key,
    members_of,
    read_results,
    result_of,
    results_file,
    settings_of,
)
from numpymlp.experiments.threads import blas_limited_to
from numpymlp.losses import SoftmaxCrossEntropy
from numpymlp.storage.files import RunLock, cell, counted, remove_link
from numpymlp.training.interrupts import TrainingInterrupted
from numpymlp.training.scoring import evaluate
from numpymlp.validation import InputError, check_choice, check_positive_integer

CHECKPOINT_MINUTES = 1.0
UNKNOWN = 600.0  # seconds that a run is taken to need if no results tell


def run_ladder(
    names: Sequence[str] = tuple(RECIPES),
    *,
    folder: str | os.PathLike[str],
    results: str | os.PathLike[str],
    data: str | None = None,
    seeds: int | None = None,
    validation: bool = False,
    jobs: int = 1,
    workers: Workers | None = None,
    verbose: int = 1,
    say: Say = print,
) -> list[Row]:
    """Train each recipe over its seeds, except the runs that the results file already has.

    Parameters
    ----------
    names : sequence of str
        Recipes, in the order of training.
    folder : path
        Gets a run folder for each run. Interrupted runs in it are resumed.
    results : path
        The CSV file.
    data : str, optional
        Folder of four IDX files; MNIST if None.
    seeds : int, optional
        Runs of each recipe; None takes the number that the recipe names.
    validation : bool, default False
        Evaluate with `validate` instead of on the test images; no run folders, no committees.
    jobs : int, default 1
        Training runs at a time; -1: as many as joblib's active backend has (`jobs.py`). More than
        one show no progress and check no gradients.
    workers : int or "auto", optional
        Number of processes that share the network of each run, as for `runs.train`; None: 1.
    verbose, say
        As for `runs.train`.

    Returns
    -------
    list of dict
        All rows of the file.

    Raises
    ------
    TrainingInterrupted
        After Ctrl-C or SIGTERM. Another call continues from there.
    """
    for name in names:
        check_choice(name, "recipe", tuple(RECIPES))
    if seeds is not None:
        check_positive_integer(seeds, "seeds")
    check_jobs(jobs)
    if check_workers(workers) != 1 and (jobs != 1 or validation):
        raise InputError(
            f"workers: expected 1 for held-out images and for runs side by side, got {workers}"
        )
    chosen = [RECIPES[name] for name in names if not (validation and RECIPES[name].committee)]
    if not chosen:
        raise InputError(
            "expected recipes of one network, got the committee alone: validate lenet-elastic"
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
    missing = _missing(chosen, seeds, label, read_results(results))
    expected = {named.name: _expected_seconds(named) for named in chosen}
    left = _remaining([expected[named.name] for named, _ in missing], max(jobs, 1))

    def finished(named: NamedRecipe, seed: int, metrics: dict[str, Any]) -> None:
        row = _row(named, seed, label, metrics, seeds)
        append_result(results, row)
        left.add(expected[named.name] or UNKNOWN)
        say(f"{named.name}, seed {seed}: {float(row['test_accuracy']):.2%}")

    train = functools.partial(
        _train,
        place=place,
        label=label,
        data=data,
        verbose=verbose,
        say=say,
        workers=workers,
    )
    with contextlib.nullcontext() if validation else RunLock(place):
        calls = [call for call in missing if jobs != 1 and not call[0].committee]
        if calls:
            say(f"\n{counted(len(calls), 'run')} side by side ({left})")
            where = None if data is None else str(Path(data).resolve())
            job = functools.partial(
                _job, place=place.resolve(), label=label, data=where, validation=validation
            )
            for result in side_by_side(job, calls, jobs):
                finished(*result)
        for named, seed in missing:
            if (named, seed) not in _missing([named], seeds, label, read_results(results)):
                continue
            say(f"\n== {named.name}, seed {seed} ({left}): {describe(named.recipe)}")
            if validation:
                metrics = validate(named.recipe, seed, data=data, verbose=verbose)
            elif named.committee:
                metrics = _committee(train, members_of(named, seeds), data)
            else:
                metrics, _ = train(named.recipe, seed)
            finished(named, seed, metrics)
    return read_results(results)


def _job(
    named: NamedRecipe, seed: int, place: Path, label: str, data: str | None, validation: bool
) -> tuple[NamedRecipe, int, dict[str, Any]]:
    """Train one of several runs at a time, maybe in another process; return it with its metrics."""
    # One BLAS thread, whatever joblib sets: the bits do not depend on the number of jobs.
    if validation:
        return named, seed, validate(named.recipe, seed, data=data, threads=1)
    # The gradient check watches the global random state, which Dask's own threads change.
    quiet: dict[str, Any] = {"verbose": 0, "say": lambda line: None, "check": False, "threads": 1}
    metrics, _ = _train(named.recipe, seed, place, label, data, **quiet)
    return named, seed, metrics


def _expected_seconds(named: NamedRecipe) -> float | None:
    """Return the seconds of a run by the results in this repository or package, if they tell."""
    if named.committee:  # it trains the members that are no recipes of the ladder
        return UNKNOWN * sum(n for m, n in members_of(named) if m.name not in RECIPES) or 1.0
    here = result_of(named, read_results(results_file()))
    return None if here is None else here.seconds


def _remaining(times: Sequence[float | None], jobs: int) -> Remaining:
    """Return the time that the missing runs take, at first as long as on the other machine."""
    total = sum(seconds or UNKNOWN for seconds in times)
    return Remaining(max(total, 1.0), guess=None if None in times else total / jobs)


def _missing(
    chosen: Sequence[NamedRecipe], seeds: int | None, label: str, rows: Sequence[Row]
) -> list[tuple[NamedRecipe, int]]:
    """Return the recipes and seeds that the results lack."""
    done = set(map(key, rows))
    return [
        (named, seed)
        for named in chosen
        for seed in range(1 if named.committee else seeds or named.seeds)
        if (named.name, settings_of(named, seeds), label, str(seed)) not in done
    ]


def label_of(data: str | None, validation: bool = False) -> str:
    """Name data in the results file: "MNIST", or the folder's name with its fingerprint.

    The fingerprint tells apart folders of the same name, and a folder before and after a change.
    """
    name = "MNIST"
    if data is not None:
        name = cell(f"{Path(data).resolve().name} {folders.read_data(data).fingerprint:08x}")
    return name + VALIDATED if validation else name


def _train(
    recipe: Recipe,
    seed: int,
    place: Path,
    label: str,
    data: str | None,
    verbose: int,
    say: Say,
    check: bool = True,
    threads: int | None = None,
    workers: Workers | None = None,
) -> tuple[dict[str, Any], Path]:
    """Train a run, or resume it if its folder has a checkpoint; return metrics and folder."""
    remove_link(folder := run_folder(place, recipe, seed, label))
    options: dict[str, Any] = {"figures": False, "verbose": verbose, "say": say}
    try:
        if (folder / folders.CHECKPOINT).is_file():
            return _with_views(runs.resume(folder, **options), recipe, folder, data), folder
        folder.mkdir(exist_ok=True)
        options |= {"seed": seed, "data": data, "overwrite": True, "minutes": CHECKPOINT_MINUTES}
        options |= {"check": check, "threads": threads, "workers": workers}
        return runs.train(recipe, folder=folder, **options), folder
    except TrainingInterrupted as error:
        raise TrainingInterrupted(
            f"interrupted; the same command resumes {folder}", error.number
        ) from error


def _with_views(
    metrics: dict[str, Any], recipe: Recipe, folder: Path, data: str | None
) -> dict[str, Any]:
    """Return the metrics of a run with the views of this recipe, which may be new."""
    if metrics.get("average") == (recipe.average or None):
        return metrics
    test = folders.read_data(data)
    views = averaged_accuracy(recipe, load_run(folder), test.x_test, test.y_test, test.image_shape)
    return {**metrics, **dict.fromkeys(("average", "averaged_test_accuracy")), **views}


def run_folder(place: Path, recipe: Recipe, seed: int, label: str) -> Path:
    """Return the folder of a run: one for each recipe, seed and data set (`label_of`)."""
    code = zlib.crc32(f"{describe(recipe)} {label}".encode())
    return place / f"{code:08x}-{seed}"


def _committee(
    train: Callable[[Recipe, int], tuple[dict[str, Any], Path]],
    members: Sequence[tuple[NamedRecipe, int]],
    data: str | None,
) -> dict[str, Any]:
    """Evaluate the mean probabilities of the members; train members that have no model yet."""
    trained = [
        (named.recipe, *train(named.recipe, seed)) for named, n in members for seed in range(n)
    ]
    networks = [(recipe, load_run(place)) for recipe, _, place in trained]
    loaded = folders.read_data(data)
    shape = loaded.image_shape

    def accuracy(x: Any, y: np.ndarray, average: bool = False) -> float:
        rows = (  # the probabilities (N, K) of each member
            mean_probabilities(network, x, recipe.build_views(shape), recipe.average * average)
            for recipe, network in networks
        )
        return float((functools.reduce(np.add, rows).argmax(axis=1) == y).mean())

    metrics = [one for _, one, _ in trained]
    result = {
        **metrics[0],
        "test_accuracy": accuracy(loaded.x_test, loaded.y_test),
        "train_accuracy": accuracy(loaded.x, loaded.y),
        "training_seconds": sum(one["training_seconds"] for one in metrics),
    }
    if any(recipe.average for recipe, _ in networks):
        result["averaged_test_accuracy"] = accuracy(loaded.x_test, loaded.y_test, average=True)
    return result


def _row(
    named: NamedRecipe, seed: int, label: str, metrics: dict[str, Any], seeds: int | None
) -> Row:
    averaged = metrics.get("averaged_test_accuracy")
    row = {
        **metrics,
        "recipe": named.name,
        "seed": seed,
        "data": label,
        "test_accuracy": f"{metrics['test_accuracy']:.5f}",
        "train_accuracy": f"{metrics['train_accuracy']:.5f}",
        "averaged_accuracy": "" if averaged is None else f"{averaged:.5f}",
        "workers": metrics["workers"] or "",  # runs of earlier versions do not tell
        "seconds": f"{metrics['training_seconds']:.1f}",
        "settings": settings_of(named, seeds),
        "finished": f"{datetime.now(UTC):%Y-%m-%d %H:%M}",
    }
    return {column: str(row[column]) for column in COLUMNS}


def validate(
    recipe: Recipe,
    seed: int = 0,
    *,
    data: str | None = None,
    verbose: int = 0,
    threads: int | None = None,
) -> dict[str, Any]:
    """Train on the first five sixths of the training images, evaluate on the last sixth.

    The test images are not used.

    Returns
    -------
    dict
        The values of a row of the results file, and losses. "test_accuracy" and "test_loss" are
        those on the held-out images.
    """
    loaded = folders.training_data(data)
    x, y, first = loaded.x, loaded.y, five_sixths(loaded.y)
    network = recipe.build_network(x.shape[1], loaded.classes, seed, loaded.image_shape)
    trainer = recipe.build_trainer(
        network, seed, loaded.image_shape, verbose=verbose, stop_signals=STOP_SIGNALS
    )
    with blas_limited_to(recipe.choose_threads(x.shape[1], loaded.classes, threads).number):
        validation = x[first:], y[first:]
        history = trainer.fit(x[:first], y[:first], recipe.epochs, validation=validation)
        if trainer.state.stopped == "interrupted":
            number = trainer.stop_signal or signal.SIGINT
            raise TrainingInterrupted("interrupted; this run was not finished", number)
        # Not the last row of the history: early stopping restores the best weights.
        held_out = evaluate(network, SoftmaxCrossEntropy(), *validation)
        return {
            "test_accuracy": held_out.accuracy,
            "test_loss": held_out.loss,
            "running_train_loss": history["running_train_loss"][-1],
            "train_accuracy": evaluate(network, trainer.loss, x[:first], y[:first]).accuracy,
            "epochs": trainer.state.epoch,
            "workers": 1,
            "training_seconds": sum(history["seconds"]),
            **environment(),
            **averaged_accuracy(recipe, network, *validation, loaded.image_shape),
        }
