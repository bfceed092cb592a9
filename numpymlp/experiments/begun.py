"""A run that was begun: its Trainer in the state of the checkpoint, and its network.

`runs.resume` continues to train with it. Commands that only need the network call `load_run`, which
reads the model file, or the checkpoint of an unfinished run.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from numpymlp.experiments.folders import (
    CHECKPOINT,
    CONFIG,
    RunData,
    check_room,
    find_model,
    read_config,
    resume_command,
    training_data,
)
from numpymlp.experiments.parallel_runs import (
    Split,
    Workers,
    build,
    check_workers,
    shared_data,
)
from numpymlp.experiments.recipes import Recipe
from numpymlp.losses import Loss
from numpymlp.metrics.checks import check_label_range
from numpymlp.network import Network
from numpymlp.schedules import Constant
from numpymlp.storage.files import counted
from numpymlp.storage.models import load, load_loss
from numpymlp.training.checkpoint import Checkpoint
from numpymlp.training.trainer import Trainer
from numpymlp.validation import InputError

Say = Callable[[str], None]


class Begun(NamedTuple):
    """A run in the state of its checkpoint.

    Attributes
    ----------
    recipe : Recipe
        Its `epochs` are all epochs of the run, those to come included.
    trainer : Trainer
    split : tuple
        Training and validation samples.
    data : RunData
    workers : int or "mpi"
    threads : int or None
        BLAS threads that it was begun with; None if that was not recorded.
    lengthened_from : int or None
        Its epochs before it was lengthened.
    """

    recipe: Recipe
    trainer: Trainer
    split: Split
    data: RunData
    workers: Workers
    threads: int | None
    lengthened_from: int | None


def restore(
    run: Path,
    *,
    alone: bool = False,
    threads: int | None = None,
    verbose: int = 0,
    say: Say = lambda line: None,
) -> Begun:
    """Build the Trainer of a run again, and bring it to the state of the run's checkpoint.

    Parameters
    ----------
    run : Path
        The run's folder. Recipe, seed and data are read from its `config.json`.
    alone : bool
        Whether only this process uses the network, whatever number of workers trained it.
    threads, verbose, say
        As for `runs.resume`.

    Raises
    ------
    InputError
        If the folder holds no run, or its files or its data do not fit each other.
    """
    check_files(run)
    config = read_config(run)
    fingerprint, data = config.pop("data_fingerprint"), config.pop("data")
    seed, minutes = config.pop("seed"), config.pop("checkpoint_minutes")
    begun, workers = config.pop("threads"), config.pop("workers")
    lengthened_from = config.pop("lengthened_from")
    recipe = Recipe.from_dict(config, str(run / CONFIG))
    workers = 1 if alone else check_workers(workers, threads)
    loaded = shared_data(load_data(data, say), workers)
    if loaded.fingerprint != fingerprint:
        raise InputError(
            f"{run} was trained on other data than {loaded.name} holds now: restore those "
            f"data, or train again"
        )
    check_room(run, recipe.weights(loaded.x.shape[1], loaded.classes))
    checkpoint = Checkpoint(run / CHECKPOINT, minutes)
    trainer, split = build(recipe, loaded, seed, checkpoint, verbose)
    checkpoint.load(trainer)
    planned = trainer.state.last_epoch
    # A run may be killed between the new number of epochs and the next checkpoint.
    if planned != recipe.epochs and planned != lengthened_from:
        raise InputError(
            f"{run / CHECKPOINT} is from another training run: it ends with epoch "
            f"{planned}, this one with epoch {recipe.epochs}"
        )
    return Begun(recipe, trainer, split, loaded, workers, begun, lengthened_from)


def lengthened(begun: Begun, more: int) -> str:
    """Return a line that says at which learning rate a lengthened run goes on."""
    trainer, step = begun.trainer, begun.trainer.state.step
    schedule = trainer.schedule or Constant()
    total = step + more * -(-len(begun.split[0].rows) // trainer.batch_size)
    before, after = trainer.history["learning_rate"][-1], trainer.first_rate * schedule(step, total)
    return (
        f"lengthened from {begun.lengthened_from} to {counted(begun.recipe.epochs, 'epoch')}: the "
        f"{begun.recipe.schedule} schedule now spans all of them, so the learning rate goes on at "
        f"{after:.2g}, after {before:.2g} at the last step"
    )


def check_files(run: Path) -> None:
    """Raise InputError unless a folder has the files of a run that was begun."""
    for name in (CONFIG, CHECKPOINT):
        if not (run / name).is_file():
            raise InputError(
                f"{run} holds no {name}: expected the folder of a run; train again if it was "
                f"killed before its first checkpoint"
            )


def load_data(data: str | None, say: Say) -> RunData:
    """Load the data of a run, and say what they are."""
    loaded = training_data(data)
    check_label_range(f"{loaded.name}, test labels", loaded.y_test, loaded.classes)
    say(
        f"data: {loaded.name}, {len(loaded.x):,} training and "
        f"{counted(len(loaded.x_test), 'test image')}, {counted(loaded.classes, 'class')}"
    )
    return loaded


def load_with_loss(run: str | os.PathLike[str], say: Say = print) -> tuple[Network, Loss | None]:
    """Load the network of a run and the loss that it was trained with.

    Parameters
    ----------
    run : path
        Folder of a run, or its model file.
    say : callable, default print
        Called with a line if the network is from a checkpoint, since the run is not finished.
    """
    path = find_model(run)
    if path.name != CHECKPOINT:
        return load(path), load_loss(path)
    trainer = restore(path.parent, alone=True).trainer
    done, all_epochs = trainer.state.epoch, trainer.state.last_epoch
    part = f" and {counted(trainer.state.batch, 'batch')}" if trainer.state.batch else ""
    say(
        f"{path.parent} is not finished: this is its network after {done} of "
        f"{counted(all_epochs, 'epoch')}{part}; resume it with: {resume_command(path.parent)}"
    )
    return trainer.network, trainer.loss


def load_run(run: str | os.PathLike[str], say: Say = print) -> Network:
    """Load the network of a run; parameters as for `load_with_loss`."""
    return load_with_loss(run, say)[0]
