"""A run: train a recipe into a folder, resume it.

`train` writes `config.json` and `checkpoint.npz` while it trains, then `model.npz`, `history.csv`
and `metrics.json`. `resume` continues a run that was killed or interrupted, with the same result
bit for bit. The command line calls these functions; `folders.py` has the names of the files,
`reports.py` evaluates a run.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from numpymlp.experiments.environment import cores, environment
from numpymlp.experiments.folders import (
    CHECKPOINT,
    CONFIG,
    HISTORY,
    METRICS,
    METRICS_FIELDS,
    MODEL,
    RunData,
    check_free,
    check_room,
    read_config,
    remove_if_empty,
    resume_command,
    training_data,
)
from numpymlp.experiments.parallel_runs import (
    Split,
    Workers,
    build,
    check_parts,
    check_workers,
    shared_data,
    train_on,
)
from numpymlp.experiments.recipes import Recipe
from numpymlp.experiments.snapshots import SNAPSHOTS
from numpymlp.experiments.threads import blas_limited_to, choose_threads
from numpymlp.gradient_check import check_gradients
from numpymlp.losses import SoftmaxCrossEntropy
from numpymlp.metrics.checks import check_label_range
from numpymlp.schedules import Constant
from numpymlp.storage.files import (
    RunLock,
    atomic_write,
    is_link,
    json_bytes,
    remove_leftovers,
    write_json,
)
from numpymlp.storage.models import save
from numpymlp.storage.reading import read_json
from numpymlp.training.checkpoint import Checkpoint
from numpymlp.training.divergence import TrainingDiverged
from numpymlp.training.interrupts import TrainingInterrupted, WorkerLost
from numpymlp.training.scoring import evaluate
from numpymlp.training.trainer import Trainer
from numpymlp.validation import InputError, check_seed

CHECK_ROWS = 128  # batch size of the gradient check before the first step
_WRITTEN = (CHECKPOINT, METRICS, MODEL, HISTORY, SNAPSHOTS)

Say = Callable[[str], None]


def train(
    recipe: Recipe,
    *,
    folder: Path,
    seed: int = 0,
    data: str | None = None,
    threads: int | None = None,
    workers: Workers | None = None,
    check: bool = True,
    figures: bool = True,
    overwrite: bool = False,
    minutes: float | None = None,
    verbose: int = 1,
    say: Say = print,
) -> dict[str, Any]:
    """Train a recipe, evaluate the network on the test set, and write the run folder.

    Parameters
    ----------
    recipe : Recipe
    folder : Path
        An existing folder; see `new_run_folder`.
    seed : int, default 0
    data : str, optional
        Folder of four IDX files; MNIST if None.
    threads : int, optional
        Number of BLAS threads; None chooses it by the size of the network (`choose_threads`).
    workers : int or "mpi", optional
        Number of processes that share the network, each with one BLAS thread, or the ranks of MPI
        (inside `mpi.lead`); None: 1.
    check : bool, default True
        Compare backprop with finite differences before the first step.
    figures : bool, default True
        Draw predictions, learning curves and the confusion matrix into the folder.
    overwrite : bool, default False
        Accept a folder that holds another run, and delete the files of that run, including its
        evaluation.
    minutes : float, optional
        Write a checkpoint every so many minutes instead of after each epoch.
    verbose : {0, 1}, default 1
        Whether to show progress.
    say : callable, default print
        Called with each line of the report.

    Returns
    -------
    dict
        The content of `metrics.json`.

    Raises
    ------
    InputError
        If the folder is in use or holds files, or the data do not fit the recipe.
    StorageError
        If a file cannot be written; the previous files are unchanged.
    TrainingDiverged
        After saving the last finite weights, if an epoch was finished.
    TrainingInterrupted
        After Ctrl-C or SIGTERM, once the checkpoint is written.
    WorkerLost
        If another worker was killed; the run can be resumed.
    """
    seed = check_seed(seed)
    choose_threads(threads)  # raises before the data are loaded
    number = check_workers(workers, threads)
    with RunLock(folder):
        check_free(folder, overwrite)
        started = time.perf_counter()
        loaded = shared_data(_load(data, say), number)
        checkpoint = Checkpoint(folder / CHECKPOINT, minutes)
        trainer, split = build(recipe, loaded, seed, checkpoint, verbose)
        say(trainer.network.summary())
        say(
            f"training: {recipe.epochs} epochs in batches of {recipe.batch_size}, {trainer.loss}, "
            f"{trainer.optimizer}, {recipe.schedule} schedule, seed {seed}"
        )
        say(check_parts(trainer.network, number))
        given = threads if number == 1 else 1
        chosen = recipe.choose_threads(loaded.x.shape[1], loaded.classes, given)
        say(str(chosen))
        with blas_limited_to(chosen.number):
            if check:
                say(_check(trainer, loaded, seed))
            config = {
                **dataclasses.asdict(recipe),
                "seed": seed,
                "data": None if data is None else str(Path(data).resolve()),
                "data_fingerprint": loaded.fingerprint,
                "checkpoint_minutes": minutes,
                "threads": chosen.number,
                "workers": number,
            }
            _begin(folder, config, overwrite)
            return _finish(number, trainer, folder, split, loaded, started, recipe.epochs, figures)


def resume(
    folder: str | os.PathLike[str],
    *,
    threads: int | None = None,
    figures: bool = True,
    verbose: int = 1,
    say: Say = print,
) -> dict[str, Any]:
    """Continue a run that was killed or interrupted; the result has the same bits.

    Parameters
    ----------
    folder : path
        The run's folder. Recipe, seed and data are read from its `config.json`.
    threads : int, optional
        Number of BLAS threads; None takes that with which the run was begun. Another number can
        change the last digits of the result.
    figures, verbose, say
        As for `train`.

    Returns
    -------
    dict
        The content of `metrics.json`. A finished run is not changed.

    Raises
    ------
    InputError
        If the folder is in use or holds no run, or the data have changed.
    """
    run = Path(folder)
    choose_threads(threads)
    for name in (CONFIG, CHECKPOINT):
        if not (run / name).is_file():
            raise InputError(
                f"{run} holds no {name}: expected the folder of a run; train again if it was "
                f"killed before its first checkpoint"
            )
    with RunLock(run):
        started = time.perf_counter()
        for name in (*_WRITTEN, CONFIG):
            remove_leftovers(run / name)
        config = read_config(run)
        fingerprint, data = config.pop("data_fingerprint"), config.pop("data")
        seed, minutes = config.pop("seed"), config.pop("checkpoint_minutes")
        begun, number = config.pop("threads"), config.pop("workers") or 1
        recipe = Recipe.from_dict(config, str(run / CONFIG))
        check_workers(number, threads)
        loaded = shared_data(_load(data, say), number)
        if loaded.fingerprint != fingerprint:
            raise InputError(
                f"{run} was trained on other data than {loaded.name} holds now: restore those "
                f"data, or train again"
            )
        check_room(run, recipe.weights(loaded.x.shape[1], loaded.classes))
        checkpoint = Checkpoint(run / CHECKPOINT, minutes)
        trainer, split = build(recipe, loaded, seed, checkpoint, verbose)
        checkpoint.load(trainer)
        if trainer.state.last_epoch != recipe.epochs:
            raise InputError(
                f"{run / CHECKPOINT} is from another training run: it ends with epoch "
                f"{trainer.state.last_epoch}, this one with epoch {recipe.epochs}"
            )
        complete = (run / METRICS).is_file() and (run / MODEL).is_file()
        if trainer.state.stopped not in ("", "interrupted") and complete:
            with contextlib.suppress(InputError):  # damaged metrics are written again
                metrics = read_json(run / METRICS, "the metrics of a run", METRICS_FIELDS)
                say(f"{run} is finished: {trainer.state.epoch} epochs")
                return metrics
        say(
            f"resuming {run}: {trainer.state.epoch} of {trainer.state.last_epoch} epochs are done"
            + (f", and {trainer.state.batch} batches" if trainer.state.batch else "")
        )
        kept = begun if threads is None and begun is not None and begun <= cores() else threads
        chosen = recipe.choose_threads(loaded.x.shape[1], loaded.classes, kept)
        say(check_parts(trainer.network, number))
        say(str(chosen))
        if begun not in (None, chosen.number):
            say(f"the run was begun with {begun}: the last digits of its result may differ")
        with blas_limited_to(chosen.number):
            return _finish(number, trainer, run, split, loaded, started, None, figures)


def _load(data: str | None, say: Say) -> RunData:
    loaded = training_data(data)
    check_label_range(f"{loaded.name}, test labels", loaded.y_test, loaded.classes)
    say(
        f"data: {loaded.name}, {len(loaded.x):,} training and {len(loaded.x_test):,} test images, "
        f"{loaded.classes} classes"
    )
    return loaded


def _check(trainer: Trainer, data: RunData, seed: int) -> str:
    """Check the gradients on a batch of training data; raise InputError if they are wrong."""
    rows = np.random.default_rng(seed).permutation(len(data.x))[:CHECK_ROWS]
    report = check_gradients(
        trainer.network,
        trainer.loss,
        data.x[rows],
        data.y[rows],
        penalty=trainer.penalty,
        mode="direction",
        input_gradient=False,
    )
    if not report.passed:
        raise InputError(f"gradients are wrong, so the training run was not started\n{report}")
    return f"gradients checked: relative error {report.max_error:.0e}"


def _begin(folder: Path, config: dict[str, Any], overwrite: bool) -> None:
    """Write the configuration; delete the files of an old run just before it takes its name."""
    old = [folder / name for name in _WRITTEN]
    others: list[Path] = []
    if overwrite:
        from numpymlp.experiments.reports import FILES, REPORT  # imports matplotlib

        # Reports on other data lie in folders of their own: see `evaluate_run`.
        reports = (path.parent for path in folder.glob(f"*-{'[0-9a-f]' * 8}/{REPORT}"))
        others = [place for place in reports if not is_link(place)]
        old += [place / name for place in (folder, *others) for name in FILES]
    text = json_bytes(config)
    remove_leftovers(folder / CONFIG)
    with atomic_write(folder / CONFIG) as file:
        file.write(text)
        file.flush()
        # The checkpoint is deleted first: without it, the other files do not look like a run.
        for path in old:
            remove_leftovers(path)
            path.unlink(missing_ok=True)
        for place in others:
            remove_if_empty(place)


def _finish(
    workers: Workers,
    trainer: Trainer,
    folder: Path,
    split: Split,
    data: RunData,
    started: float,
    epochs: int | None,
    figures: bool,
) -> dict[str, Any]:
    """Train to the end, evaluate, and write the results."""
    network = trainer.network
    try:
        train_on(workers, trainer, split, epochs)
    except WorkerLost as error:
        raise WorkerLost(f"{error}; resume with: {resume_command(folder)}") from error
    except TrainingDiverged as error:
        if trainer.state.epoch == 0:
            raise
        _save(trainer, folder)
        raise TrainingDiverged(f"{error} They are in {folder / MODEL}.") from error
    state = trainer.state
    if state.stopped == "interrupted":
        raise TrainingInterrupted(
            f"interrupted in epoch {state.epoch + 1} of {state.last_epoch}; the checkpoint is "
            f"saved, resume with: {resume_command(folder)}",
            trainer.stop_signal or signal.SIGINT,
        )
    _save(trainer, folder)
    loss = SoftmaxCrossEntropy()  # losses are reported without label smoothing
    on_train = evaluate(network, loss, data.x, data.y)
    on_test = evaluate(network, loss, data.x_test, data.y_test)
    metrics = {
        "test_accuracy": on_test.accuracy,
        "train_accuracy": on_train.accuracy,
        "test_loss": on_test.loss,
        "train_loss": on_train.loss,
        "epochs": trainer.state.epoch,
        "stopped": trainer.state.stopped,
        "parameters": network.parameters.size,
        "seconds": time.perf_counter() - started,
        "training_seconds": sum(trainer.history["seconds"]),
        "seed": trainer.seed,
        "workers": workers,
        "data": data.name,
        **environment(),
    }
    if figures:
        from numpymlp.experiments.reports import write_training_figures  # imports matplotlib

        schedule = trainer.schedule or Constant()
        write_training_figures(
            folder,
            trainer.history.to_dict(),
            x_test := np.asarray(data.x_test),
            data.y_test,
            network.predict_proba(x_test),
            rates=[
                trainer.first_rate * schedule(step, trainer.total_steps)
                for step in range(trainer.state.step)
            ],
            image_shape=data.image_shape,
        )
    write_json(folder / METRICS, metrics)  # last: this file says that the run is finished
    if trainer.stop_signal is not None:  # it arrived with the last step; callers stop here too
        raise TrainingInterrupted(
            f"interrupted; the run in {folder} was at its end and is complete", trainer.stop_signal
        )
    return metrics


def _save(trainer: Trainer, folder: Path) -> None:
    save(trainer.network, folder / MODEL, trainer.loss)
    trainer.history.save_csv(folder / HISTORY)
