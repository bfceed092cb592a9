"""A run: one training from data to a folder that holds all that came of it.

`train` carries a recipe out, step by step as a person would by hand, and writes the run folder:
`config.json` and `checkpoint.npz` while it trains, then `model.npz`, `history.csv` and
`metrics.json`. `resume` goes on with a run that was killed or interrupted, as if nothing had
happened. The command line (`__main__.py`) is a thin layer over this room.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import shlex
import shutil
import signal
import sys
import time
import zlib
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from numpymlp.data import image_shape, load_folder, load_mnist
from numpymlp.experiments.environment import environment
from numpymlp.experiments.recipes import Recipe
from numpymlp.gradient_check import check_gradients
from numpymlp.losses import SoftmaxCrossEntropy
from numpymlp.network import Network
from numpymlp.storage.files import (
    RunLock,
    atomic_write,
    json_bytes,
    read_json,
    remove_leftovers,
    write_json,
)
from numpymlp.training.checkpoint import Checkpoint
from numpymlp.training.divergence import TrainingDiverged
from numpymlp.training.interrupts import TrainingInterrupted
from numpymlp.training.samples import Samples
from numpymlp.training.scoring import evaluate
from numpymlp.training.trainer import Trainer
from numpymlp.validation import InputError, check_batches, check_label_range, check_seed

MODEL, HISTORY, METRICS, CONFIG = "model.npz", "history.csv", "metrics.json", "config.json"
CHECKPOINT = "checkpoint.npz"
CHECK_ROWS = 128  # rows of the batch on which gradients are checked before the first step
# Ctrl-C, a polite kill, and a terminal that is closed (which Windows does not know).
STOP_SIGNALS = tuple(
    getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)
)

Data = tuple[tuple[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]


class RunData(NamedTuple):
    """The data of a run, with the name to print; the image shape is None where it is square."""

    name: str
    x: np.ndarray
    y: np.ndarray
    x_test: np.ndarray
    y_test: np.ndarray
    image_shape: tuple[int, int] | None = None

    @property
    def fingerprint(self) -> int:
        """A number that changes with the data: of labels and every 97th image all bytes count.

        Of the other images the sum of the bits counts, which is quicker to see.
        """
        code = 0
        for x, y in ((self.x, self.y), (self.x_test, self.y_test)):
            sums = x.view(f"u{x.itemsize}").sum(axis=1, dtype=np.uint64)
            for part in (str(x.shape).encode(), y.tobytes(), sums.tobytes(), x[::97].tobytes()):
                code = zlib.crc32(part, code)
        return code


def load_data(folder: str | None) -> tuple[str, Data]:
    """Load MNIST, or the data set in a folder of four IDX files; with a name to print."""
    return ("MNIST", load_mnist()) if folder is None else (folder, load_folder(folder))


def shape_of(folder: str | None) -> tuple[int, int] | None:
    """Give rows and columns of the images in a folder; None for MNIST, whose images are square."""
    return None if folder is None else image_shape(folder)


def read_data(folder: str | None) -> RunData:
    """Load what `load_data` loads, with the shape of its images."""
    name, ((x, y), (x_test, y_test)) = load_data(folder)
    return RunData(name, x, y, x_test, y_test, shape_of(folder))


def new_run_folder(path: str | os.PathLike[str] | None, overwrite: bool = False) -> Path:
    """Make the folder of a new run; by default ``runs/<date and time>``, which nobody else has.

    Raises
    ------
    InputError
        If the folder already holds something and may not be overwritten.
    """
    if path is None:
        return _dated_folder()
    folder = Path(path)
    if folder.exists() and not folder.is_dir():
        raise InputError(f"{folder} is a file: --output expects a folder, new or empty")
    if folder.exists():
        _check_free(folder, overwrite)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{folder} cannot be made: {error.strerror}") from error
    return folder


def _dated_folder() -> Path:
    """Make a folder named by date and time; of two processes in one second each gets its own."""
    name = Path("runs") / f"{datetime.now():%Y-%m-%d_%H-%M-%S}"
    folder, number = name, 1
    while True:
        try:
            folder.mkdir(parents=True)
        except FileExistsError:
            number += 1
            folder = Path(f"{name}-{number}")
        except OSError as error:
            raise InputError(f"{folder} cannot be made: {error.strerror}") from error
        else:
            return folder


@contextlib.contextmanager
def fresh_folder(path: str | os.PathLike[str] | None, overwrite: bool = False) -> Iterator[Path]:
    """Make the folder of a new run, as `new_run_folder`, for the time of a block.

    One that was named here, by the date, goes again if the run never began and left it empty.
    """
    folder = new_run_folder(path, overwrite)
    try:
        yield folder
    finally:
        if path is None and all(inside.name == ".lock" for inside in folder.iterdir()):
            (folder / ".lock").unlink(missing_ok=True)
            folder.rmdir()


def _check_free(folder: Path, overwrite: bool) -> None:
    # Hidden files, the lock and what a killed writer left, do not count.
    if not overwrite and any(not path.name.startswith(".") for path in folder.iterdir()):
        raise InputError(
            f"{folder} already holds files: choose another --output, or let train --overwrite it"
        )


def find_model(run: str | os.PathLike[str]) -> Path:
    """Find the model file of a run, given its folder or the file itself."""
    path = Path(run)
    if path.is_dir():
        if not (path / MODEL).is_file():
            advice = "is it the folder of a finished run?"
            if (path / CHECKPOINT).is_file():
                advice = f"the run is not finished, go on with: {_resume_command(path)}"
            elif runs := sorted(path.glob(f"*/{MODEL}"), key=os.path.getmtime):
                advice = f"did you mean {runs[-1].parent}?"
            raise InputError(f"{path} holds no {MODEL}: {advice}")
        return path / MODEL
    if path.suffix.lower() in (".png", ".jpg", ".jpeg", ".gif", ".bmp"):
        raise InputError(
            f"{path} is a picture: the folder of a run, or its {MODEL}, comes first, then pictures"
        )
    return path


def called_as() -> str:
    """Name this program as it can be called again, for commands to paste."""
    program = sys.argv[0]
    if Path(program).name != "numpymlp":
        found = shutil.which("numpymlp") is not None
        return "numpymlp" if found else f"{shlex.quote(sys.executable)} -m numpymlp"
    if shutil.which("numpymlp") == os.path.abspath(program):
        return "numpymlp"
    return shlex.quote(os.path.relpath(program))


def _resume_command(folder: Path) -> str:
    return f"{called_as()} train --resume {shlex.quote(str(folder))}"


def train(
    recipe: Recipe,
    *,
    folder: Path,
    seed: int = 0,
    data: str | None = None,
    check: bool = True,
    figures: bool = True,
    overwrite: bool = False,
    minutes: float | None = None,
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
    overwrite : bool, default False
        Whether the folder may hold another run, whose files then go, its evaluation too.
    minutes : float, optional
        Write a checkpoint after so many minutes instead of after each epoch.
    verbose : {0, 1}, default 1
        Whether to show progress.
    say : callable, default print
        Takes each line of the report.

    Returns
    -------
    dict
        What `metrics.json` holds.

    Raises
    ------
    InputError
        If the folder is in use or not free, or the data do not fit the recipe.
    StorageError
        If a file cannot be written; those that were there are intact.
    TrainingDiverged
        After saving the last good weights, where there are any.
    TrainingInterrupted
        After Ctrl-C or SIGTERM, when the checkpoint is written.
    """
    seed = check_seed(seed)
    with RunLock(folder):
        _check_free(folder, overwrite)
        started = time.perf_counter()
        everything = _load(data, say)
        trainer = _build(
            recipe, everything, seed, Checkpoint(folder / CHECKPOINT, minutes), verbose
        )
        say(trainer.network.summary())
        say(
            f"training: {recipe.epochs} epochs in batches of {recipe.batch_size}, {trainer.loss}, "
            f"{trainer.optimizer}, {recipe.schedule} schedule, seed {seed}"
        )
        if check:
            say(_check(trainer, everything, seed))
        samples = _samples(trainer, recipe, everything)
        config = {
            "seed": seed,
            "data": None if data is None else str(Path(data).resolve()),
            "data_fingerprint": everything.fingerprint,
            "checkpoint_minutes": minutes,
        }
        _begin(folder, {**dataclasses.asdict(recipe), **config}, overwrite)
        return _carry_out(trainer, folder, samples, everything, started, recipe.epochs, figures)


def resume(
    folder: str | os.PathLike[str],
    *,
    figures: bool = True,
    verbose: int = 1,
    say: Callable[[str], None] = print,
) -> dict[str, Any]:
    """Go on with a run that was killed or interrupted; the result has the same bits.

    Parameters
    ----------
    folder : path
        The run's folder. Recipe, seed and data are those that it was begun with.
    figures, verbose, say
        As for `train`.

    Returns
    -------
    dict
        What `metrics.json` holds; if the run is finished already, nothing is done but this.

    Raises
    ------
    InputError
        If the folder is in use or holds no run, or the data have changed.
    """
    run = Path(folder)
    for name in (CONFIG, CHECKPOINT):
        if not (run / name).is_file():
            raise InputError(
                f"{run} holds no {name}: expected the folder of a run that was begun; one that was "
                f"killed before its first checkpoint has to be trained anew"
            )
    with RunLock(run):
        started = time.perf_counter()
        for name in (CHECKPOINT, METRICS, MODEL, HISTORY, CONFIG):
            remove_leftovers(run / name)
        config = read_json(run / CONFIG, "the configuration of a run")
        try:
            fingerprint, data = config.pop("data_fingerprint"), config.pop("data")
            seed, minutes = check_seed(config.pop("seed")), config.pop("checkpoint_minutes")
            recipe = Recipe.from_dict(config)
        except (KeyError, TypeError) as error:
            raise InputError(f"{run / CONFIG} is altered: {error} is missing or wrong") from error
        if not isinstance(data, str | None):
            raise InputError(f"{run / CONFIG} is altered: data: expected a folder, got {data!r}")
        everything = _load(data, say)
        if everything.fingerprint != fingerprint:
            raise InputError(
                f"{run} was trained on other data than {everything.name} holds now: give it back "
                f"the data of its beginning, or train anew"
            )
        trainer = _build(recipe, everything, seed, Checkpoint(run / CHECKPOINT, minutes), verbose)
        assert trainer.checkpoint is not None
        trainer.checkpoint.load(trainer)
        whole = (run / METRICS).is_file() and (run / MODEL).is_file()
        if trainer.stopped not in ("", "interrupted") and whole:
            metrics = read_json(run / METRICS, "the metrics of a run")
            if {"test_accuracy", "train_accuracy", "training_seconds", "seconds"} <= set(metrics):
                say(f"{run} is finished: {trainer.epoch} epochs")
                return metrics
        say(
            f"going on with {run}: {trainer.epoch} of {trainer.last_epoch} epochs are done"
            + (f", and {trainer.batch} batches" if trainer.batch else "")
        )
        samples = _samples(trainer, recipe, everything)
        return _carry_out(trainer, run, samples, everything, started, None, figures)


def _begin(folder: Path, config: dict[str, Any], overwrite: bool) -> None:
    """Write the configuration; what an old run left goes only when the new one has its place."""
    old = [folder / name for name in (CHECKPOINT, METRICS, MODEL, HISTORY)]
    others: list[Path] = []
    if overwrite:
        from numpymlp.experiments.reports import FILES, REPORT  # brings matplotlib along

        # Reports on other data, each in a folder of its own: see `evaluate_run`.
        others = [path.parent for path in folder.glob(f"*-{'[0-9a-f]' * 8}/{REPORT}")]
        old += [place / name for place in (folder, *others) for name in FILES]
    text = json_bytes(config)
    remove_leftovers(folder / CONFIG)
    with atomic_write(folder / CONFIG) as file:
        file.write(text)
        file.flush()
        # The checkpoint first: without one, whatever else is left does not look like a run.
        for path in old:
            remove_leftovers(path)
            path.unlink(missing_ok=True)
        for place in others:
            if not any(place.iterdir()):
                place.rmdir()


def _load(data: str | None, say: Callable[[str], None]) -> RunData:
    found = read_data(data)
    classes = int(found.y.max()) + 1
    check_label_range(f"{found.name}, test labels", found.y_test, classes)
    say(
        f"data: {found.name}, {len(found.x):,} training and {len(found.x_test):,} test images, "
        f"{classes} classes"
    )
    return found


def _build(
    recipe: Recipe, data: RunData, seed: int, checkpoint: Checkpoint, verbose: int
) -> Trainer:
    network = recipe.build_network(data.x.shape[1], int(data.y.max()) + 1, seed)
    return recipe.build_trainer(
        network,
        seed,
        data.image_shape,
        checkpoint=checkpoint,
        verbose=verbose,
        stop_signals=STOP_SIGNALS,
    )


def _check(trainer: Trainer, data: RunData, seed: int) -> str:
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
        raise InputError(f"gradients are wrong, training was not begun\n{report}")
    return f"gradients checked: relative error {report.max_error:.0e}"


def _samples(trainer: Trainer, recipe: Recipe, data: RunData) -> tuple[Samples, Samples | None]:
    """Split the data as the recipe says; what does not fit is found before a file is touched."""
    train, held_out = trainer.prepare(data.x, data.y, recipe.validation, None, None)
    check_batches(trainer.network, len(train.rows), trainer.batch_size, None)
    return train, held_out


def _carry_out(
    trainer: Trainer,
    folder: Path,
    samples: tuple[Samples, Samples | None],
    data: RunData,
    started: float,
    epochs: int | None,
    figures: bool,
) -> dict[str, Any]:
    """Train to the end, judge, and write what is left to write."""
    network = trainer.network
    try:
        trainer.run(*samples, epochs)
    except TrainingDiverged as error:
        if trainer.epoch == 0:
            raise
        network.save(folder / MODEL)
        trainer.history.save_csv(folder / HISTORY)
        raise TrainingDiverged(f"{error} They are in {folder / MODEL}.") from error
    if trainer.stopped == "interrupted":
        raise TrainingInterrupted(
            f"interrupted in epoch {trainer.epoch + 1} of {trainer.last_epoch}; nothing is lost, "
            f"go on with: {_resume_command(folder)}",
            trainer.stop_signal or signal.SIGINT,
        )
    network.save(folder / MODEL)
    trainer.history.save_csv(folder / HISTORY)
    loss = SoftmaxCrossEntropy()
    on_train = evaluate(network, loss, data.x, data.y)
    on_test = evaluate(network, loss, data.x_test, data.y_test)
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
        "seed": trainer.seed,
        "data": data.name,
        **environment(),
    }
    if figures:
        from numpymlp.experiments.reports import write_training_figures  # brings matplotlib along

        probabilities = network.predict_proba(data.x_test)
        history = trainer.history.to_dict()
        write_training_figures(
            folder,
            history,
            data.x_test,
            data.y_test,
            probabilities,
            image_shape=data.image_shape,
        )
    # Last of all: where it stands, the run is finished.
    write_json(folder / METRICS, metrics)
    if trainer.stop_signal is not None:  # it came with the last step, and stops what comes next
        raise TrainingInterrupted(
            f"interrupted; the run in {folder} was at its end and is whole", trainer.stop_signal
        )
    return metrics


def evaluate_run(run: str | os.PathLike[str], data: str | None = None) -> tuple[str, Path]:
    """Judge the network of a run on test images; write the report and the figures.

    Parameters
    ----------
    run : path
        Folder of a run, or its model file.
    data : str, optional
        Folder of four IDX files; that of the training if None. The report on other data than those
        of the training goes into a folder of its own within the run, named after them and their
        content.

    Returns
    -------
    report : str
    folder : Path
        Where the report and the figures are.
    """
    from numpymlp.experiments.reports import write_evaluation  # brings matplotlib along

    model = find_model(run)
    network, folder, config = Network.load(model), model.parent, {}
    if (folder / CONFIG).is_file():
        config = read_json(folder / CONFIG, "the configuration of a run")
    everything = read_data(data or config.get("data"))
    # Not by the path: what lies there may have changed since.
    known = config.get("data_fingerprint") == everything.fingerprint if config else data is None
    if not known:
        folder = folder / f"{Path(everything.name).resolve().name}-{everything.fingerprint:08x}"
    report = write_evaluation(
        folder,
        network,
        everything.x_test,
        everything.y_test,
        data_name=f"{everything.name}, test images",
        image_shape=everything.image_shape,
    )
    return report, folder


def load_run(run: str | os.PathLike[str]) -> Network:
    """Load the network of a run, given its folder or its model file."""
    return Network.load(find_model(run))
