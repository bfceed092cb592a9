"""The workers of a run: how many share its network, and what all of them train.

`runs.py` calls this module, whatever the number of workers. One worker is this process.
"""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Any

from numpymlp.experiments.environment import cores
from numpymlp.experiments.folders import MOST_WORKERS, RunData
from numpymlp.experiments.recipes import Recipe
from numpymlp.experiments.snapshots import SNAPSHOTS, Snapshots
from numpymlp.network import Network
from numpymlp.parallel import Communicator, split
from numpymlp.training.checkpoint import Checkpoint
from numpymlp.training.checks import check_run
from numpymlp.training.samples import Samples
from numpymlp.training.split_trainer import train_split
from numpymlp.training.trainer import Trainer
from numpymlp.training.workers import Shared
from numpymlp.validation import InputError, check_positive_integer

# Ctrl-C, SIGTERM, and a closed terminal (SIGHUP, which Windows does not have).
STOP_SIGNALS = tuple(s for s in signal.Signals if s.name in ("SIGINT", "SIGTERM", "SIGHUP"))

Split = tuple[Samples, Samples | None]  # training and validation samples


def check_workers(workers: int | None, threads: int | None = None) -> int:
    """Return the number of workers, 1 for None; each of several has one BLAS thread.

    One is the default: which number is faster depends on the network, and on what else the machine
    does, which no measurement at the start can foresee; and the last digits depend on it.
    """
    number = 1 if workers is None else check_positive_integer(workers, "workers")
    if number > MOST_WORKERS:
        raise InputError(f"workers: expected at most {MOST_WORKERS} processes, got {number}")
    if number > 1 and threads not in (None, 1):
        raise InputError(
            f"threads: expected 1 for several workers, which have one core each, got {threads}"
        )
    return number


def check_parts(network: Network, workers: int) -> str:
    """Return a line for the report; raise InputError if so many cannot share the network."""
    for rank in range(workers if workers > 1 else 0):
        split(network, Communicator(rank, workers))
    if workers == 1:
        return "workers: 1"
    busy = f"; they are more than the {cores()} cores, and so slower" if workers > cores() else ""
    return f"workers: {workers} processes, each with a share of the units{busy}"


def shared_data(data: RunData, workers: int) -> RunData:
    """Return the data with the training images in memory that all workers see."""
    return data if workers == 1 else data._replace(x=Shared.of(data.x).view())


def build(
    recipe: Recipe, data: RunData, seed: int, checkpoint: Checkpoint | None, verbose: int
) -> tuple[Trainer, Split]:
    """Build the Trainer and split the data; raise InputError if they do not fit each other."""
    network = recipe.build_network(data.x.shape[1], data.classes, seed, data.image_shape)
    options: dict[str, Any] = {
        "checkpoint": checkpoint,
        "verbose": verbose,
        "stop_signals": STOP_SIGNALS,
    }
    if checkpoint is not None:
        options["callbacks"] = [Snapshots(Path(checkpoint.path).with_name(SNAPSHOTS))]
    trainer = recipe.build_trainer(network, seed, data.image_shape, **options)
    samples = trainer.prepare(data.x, data.y, recipe.validation, None, None)
    check_run(trainer, len(samples[0].rows))
    return trainer, samples


def train_on(workers: int, trainer: Trainer, samples: Split, epochs: int | None) -> None:
    """Train with so many workers; the Trainer has the result."""
    train_split(workers, trainer, *samples, epochs)
