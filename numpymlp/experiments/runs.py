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
from pathlib import Path
from typing import Any

import numpy as np

from numpymlp.experiments.averaging import averaged_accuracy
from numpymlp.experiments.begun import Begun, Say, check_files, lengthened, load_data, restore
from numpymlp.experiments.environment import cores, environment
from numpymlp.experiments.folders import (
    CHECKPOINT,
    CONFIG,
    CONFIG_FIELDS,
    HISTORY,
    METRICS,
    MODEL,
    PAGE,
    RunData,
    as_stored,
    called_as,
    check_free,
    read_metrics,
    remove_reports,
    resume_command,
)
from numpymlp.experiments.parallel_runs import (
    Workers,
    build,
    check_parts,
    check_workers,
    choose_workers,
    train_on,
)
from numpymlp.experiments.recipes import Recipe
from numpymlp.experiments.snapshots import SNAPSHOTS
from numpymlp.experiments.threads import Threads, blas_limited_to, choose_threads
from numpymlp.gradient_check import check_gradients
from numpymlp.losses import SoftmaxCrossEntropy
from numpymlp.schedules import Constant
from numpymlp.storage.files import (
    RunLock,
    atomic_write,
    counted,
    json_bytes,
    quoted,
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
from numpymlp.validation import InputError, check_positive_integer, check_seed

CHECK_ROWS = 128  # batch size of the gradient check before the first step
_WRITTEN = (CHECKPOINT, METRICS, MODEL, HISTORY, SNAPSHOTS)


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
    workers : int, "auto" or "mpi", optional
        Number of processes that share the network, each with one BLAS thread; "auto": that which
        is measured to be faster; "mpi": the ranks of MPI (inside `mpi.lead`); None: 1.
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
        number, loaded = choose_workers(number, recipe, load_data(data, say), say)
        checkpoint = Checkpoint(folder / CHECKPOINT, minutes)
        trainer, split = build(recipe, loaded, seed, checkpoint, verbose)
        say(trainer.network.summary())
        say(
            f"training: {counted(recipe.epochs, 'epoch')} in batches of {recipe.batch_size}, "
            f"{trainer.loss}, {trainer.optimizer}, {recipe.schedule} schedule, seed {seed}"
        )
        parts = check_parts(trainer.network, number)
        given = threads if number == 1 else 1
        chosen = recipe.choose_threads(loaded.x.shape[1], loaded.classes, given)
        _say_processors(say, parts, number, chosen, threads)
        with blas_limited_to(chosen.number):
            if check:
                say(_check(trainer, loaded, seed))
            config = {
                **dataclasses.asdict(recipe),
                # The optimizer's own, where the recipe leaves them to it.
                "learning_rate": float(trainer.first_rate),
                "weight_decay": getattr(trainer.optimizer, "weight_decay", None),
                "seed": seed,
                "data": data and str(Path(data).resolve()),
                "data_fingerprint": loaded.fingerprint,
                "checkpoint_minutes": minutes,
                "threads": chosen.number,
                "workers": number,
            }
            _begin(folder, as_stored(config), overwrite)
            begun = Begun(recipe, trainer, split, loaded, number, chosen.number, None)
            return _finish(begun, folder, started, recipe.epochs, figures, say)


def resume(
    folder: str | os.PathLike[str],
    *,
    epochs: int | None = None,
    threads: int | None = None,
    figures: bool = True,
    verbose: int = 1,
    say: Say = print,
) -> dict[str, Any]:
    """Continue a run that was killed or interrupted, with the same bits; or lengthen one.

    Parameters
    ----------
    folder : path
        The run's folder. Recipe, seed and data are read from its `config.json`.
    epochs : int, optional
        Lengthen a finished run to so many epochs in all. The schedule then covers all of them and
        continues at the current step: a learning rate that had fallen to 0 rises again.
    threads : int, optional
        Number of BLAS threads; None takes the number with which the run was begun. Another
        number can change the last digits of the result.
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
    if epochs is not None:
        check_positive_integer(epochs, "epochs")
    check_files(run)
    with RunLock(run):
        started = time.perf_counter()
        for name in (*_WRITTEN, CONFIG):
            remove_leftovers(run / name)
        begun = restore(run, threads=threads, verbose=verbose, say=say)
        state, more = begun.trainer.state, None
        if epochs is not None and epochs != begun.recipe.epochs:
            begun = _lengthen(run, begun, epochs)
        if state.last_epoch != begun.recipe.epochs:
            more = begun.recipe.epochs - state.epoch
            say(lengthened(begun, more))
        complete = more is None and (run / METRICS).is_file() and (run / MODEL).is_file()
        if state.stopped not in ("", "interrupted") and complete:
            with contextlib.suppress(InputError):  # damaged metrics are written again
                metrics = read_metrics(run)
                if metrics["epochs"] == state.epoch:  # not those of the run before it was longer
                    say(f"{run} is finished: {counted(state.epoch, 'epoch')}")
                    return metrics
        say(
            f"resuming {run}: {state.epoch} of {counted(begun.recipe.epochs, 'epoch')} are done"
            + (f", and {counted(state.batch, 'batch')}" if state.batch else "")
        )
        former = begun.threads
        kept = former if threads is None and former is not None and former <= cores() else threads
        chosen = begun.recipe.choose_threads(begun.data.x.shape[1], begun.data.classes, kept)
        if threads is None and kept is not None:
            chosen = chosen._replace(reason="as the run was begun")
        parts = check_parts(begun.trainer.network, begun.workers)
        _say_processors(say, parts, begun.workers, chosen, threads)
        if former not in (None, chosen.number):
            say(f"the run was begun with {former}: the last digits of its result may differ")
        with blas_limited_to(chosen.number):
            return _finish(begun, run, started, more, figures, say)


def _say_processors(
    say: Say, parts: str, workers: Workers, chosen: Threads, given: int | None
) -> None:
    """Say what is not as usual: several workers, several threads, or a number that was given."""
    if workers != 1:
        say(parts)
    if chosen.number > 1 or given is not None:
        say(str(chosen))


def _lengthen(run: Path, begun: Begun, epochs: int) -> Begun:
    """Write the new number of epochs into the configuration of a finished run."""
    state, before = begun.trainer.state, begun.recipe.epochs
    if state.stopped in ("", "interrupted"):
        raise InputError(
            f"epochs: expected a finished run to lengthen, got one with {state.epoch} of "
            f"{counted(before, 'epoch')}: finish it first with: {resume_command(run)}"
        )
    if epochs <= before:
        raise InputError(
            f"epochs: expected more than the {counted(before, 'epoch')} of the run, got {epochs}"
        )
    recipe = dataclasses.replace(begun.recipe, epochs=epochs)
    config = read_json(run / CONFIG, "the configuration of a run", CONFIG_FIELDS)
    write_json(run / CONFIG, {**config, "epochs": epochs, "lengthened_from": before})
    return begun._replace(recipe=recipe, lengthened_from=before)


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
    text, was_run = json_bytes(config), any((folder / n).is_file() for n in (CONFIG, MODEL))
    remove_leftovers(folder / CONFIG)
    with atomic_write(folder / CONFIG) as file:
        file.write(text)
        file.flush()
        # The checkpoint is deleted first: without it, the other files do not look like a run.
        for name in _WRITTEN:
            remove_leftovers(folder / name)
            (folder / name).unlink(missing_ok=True)
        if overwrite and was_run:
            remove_reports(folder)


def _finish(
    begun: Begun, folder: Path, started: float, epochs: int | None, figures: bool, say: Say
) -> dict[str, Any]:
    """Train to the end, evaluate, and write the results."""
    trainer, data, workers = begun.trainer, begun.data, begun.workers
    network = trainer.network
    resumed = (folder / CHECKPOINT).is_file()  # so there may be reports on an earlier network
    try:
        train_on(workers, trainer, begun.split, epochs)
    except WorkerLost as error:
        raise WorkerLost(f"{error}; resume with: {resume_command(folder)}") from error
    except TrainingDiverged as error:
        if trainer.state.epoch == 0:
            raise
        _save(trainer, folder, resumed)
        raise TrainingDiverged(f"{error} They are in {folder / MODEL}.") from error
    state = trainer.state
    if state.stopped == "interrupted":
        raise TrainingInterrupted(
            f"interrupted in epoch {state.epoch + 1} of {state.last_epoch}; the checkpoint is "
            f"saved, resume with: {resume_command(folder)}",
            trainer.stop_signal or signal.SIGINT,
        )
    removed = _save(trainer, folder, resumed)
    loss = SoftmaxCrossEntropy()  # losses are reported without label smoothing
    on_train = evaluate(network, loss, data.x, data.y)
    on_test = evaluate(network, loss, data.x_test, data.y_test)
    averaged = averaged_accuracy(
        begun.recipe, network, data.x_test, data.y_test, data.image_shape, say
    )
    # What an answer that is the same for all images reaches.
    shares = np.bincount(data.y_test, minlength=data.classes) / len(data.y_test)
    metrics = {
        "test_accuracy": on_test.accuracy,
        "train_accuracy": on_train.accuracy,
        "chance_accuracy": float(shares.max()),
        "test_loss": on_test.loss,
        "train_loss": on_train.loss,
        "chance_loss": float(-(shares[shares > 0] * np.log(shares[shares > 0])).sum()),
        "epochs": trainer.state.epoch,
        "stopped": trainer.state.stopped,
        "parameters": network.parameters.size,
        "seconds": time.perf_counter() - started,
        "training_seconds": sum(trainer.history["seconds"]),
        "seed": trainer.seed,
        "workers": workers,
        "data": data.name,
        **environment(),
        **averaged,
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
            # Of a lengthened run, the schedule of the first epochs was another.
            rates=None
            if begun.lengthened_from
            else [
                trainer.first_rate * schedule(step, trainer.total_steps)
                for step in range(trainer.state.step)
            ],
            image_shape=data.image_shape,
        )
    write_json(folder / METRICS, metrics)  # last: this file says that the run is finished
    if gone := [name for name in removed if not (folder / name).exists()]:
        say(
            f"deleted, since they were of the network before: {', '.join(gone)}; write them again "
            f"with: {called_as()} {'page' if gone == [PAGE] else 'evaluate'} {quoted(folder)}"
        )
    if trainer.stop_signal is not None:  # it arrived with the last step; callers stop here too
        raise TrainingInterrupted(
            f"interrupted; the run in {folder} was at its end and is complete", trainer.stop_signal
        )
    return metrics


def _save(trainer: Trainer, folder: Path, resumed: bool) -> list[str]:
    """Write model and history; delete, and return, what was made from an earlier model."""
    # Without metrics the run is not finished: if it is killed here, it can be resumed.
    (folder / METRICS).unlink(missing_ok=True)
    save(trainer.network, folder / MODEL, trainer.loss)
    removed = remove_reports(folder) if resumed else []
    trainer.history.save_csv(folder / HISTORY)
    return removed
