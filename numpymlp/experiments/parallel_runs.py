"""The workers of a run: how many share its network, and what all of them train.

`runs.py` calls this module, whatever the number of workers. One worker is this process.
"""

from __future__ import annotations

import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

from numpymlp.experiments.environment import cores
from numpymlp.experiments.fastest import fastest
from numpymlp.experiments.folders import MOST_WORKERS, RunData
from numpymlp.experiments.recipes import Recipe
from numpymlp.experiments.snapshots import SNAPSHOTS, Snapshots
from numpymlp.network import Network
from numpymlp.parallel import Communicator, split
from numpymlp.training.checkpoint import Checkpoint
from numpymlp.training.checks import check_run
from numpymlp.training.mpi import Ranks
from numpymlp.training.samples import Samples
from numpymlp.training.split_trainer import Job, train_part, train_split
from numpymlp.training.trainer import Trainer
from numpymlp.training.workers import Shared
from numpymlp.validation import InputError, check_positive_integer

# Ctrl-C, SIGTERM, and a closed terminal (SIGHUP, which Windows does not have).
STOP_SIGNALS = tuple(s for s in signal.Signals if s.name in ("SIGINT", "SIGTERM", "SIGHUP"))

Split = tuple[Samples, Samples | None]  # training and validation samples


MPI, AUTO = "mpi", "auto"
Workers = int | str  # a number of processes, MPI, or AUTO: what is measured to be faster


def check_workers(workers: Workers | None, threads: int | None = None) -> Workers:
    """Return the number of workers, 1 for None, MPI or AUTO; each of several has one BLAS thread.

    One is the default: which number is faster depends on the network, and on what else the machine
    does, and the last digits of a result depend on the number.
    """
    if workers == MPI:
        if Ranks.current is None:
            raise InputError(
                "workers: expected ranks of MPI for this run, got one process; resume it with: "
                "mpiexec -n 2 numpymlp train --workers mpi --resume RUN"
            )
    elif Ranks.current is not None:
        raise InputError(
            "workers: expected a run of ranks of MPI, got one that processes of one machine began: "
            "resume it without --workers mpi"
        )
    elif workers == AUTO:
        if threads is not None:
            raise InputError(
                f"threads: expected none with workers='auto', which chooses them too, got {threads}"
            )
    elif workers is not None:
        workers = check_positive_integer(workers, "workers")
        if workers > MOST_WORKERS:
            raise InputError(f"workers: expected at most {MOST_WORKERS} processes, got {workers}")
    if workers not in (None, 1) and threads not in (None, 1):
        raise InputError(
            f"threads: expected 1 for several workers, which have one core each, got {threads}"
        )
    return workers or 1


def check_parts(network: Network, workers: Workers) -> str:
    """Return a line for the report; raise InputError if so many cannot share the network."""
    number = Ranks.current.size if Ranks.current is not None else int(workers)
    if number == 1:
        return "workers: 1"
    for rank in range(number):
        split(network, Communicator(rank, number))
    if workers == MPI:
        return f"workers: {number} ranks of MPI, each with a share of the units"
    busy = f"; they are more than the {cores()} cores, and so slower" if number > cores() else ""
    return f"workers: {number} processes, each with a share of the units{busy}"


def choose_workers(
    workers: Workers, recipe: Recipe, data: RunData, say: Callable[[str], None]
) -> tuple[Workers, RunData]:
    """Return the number of workers, or MPI, and the data for them; for AUTO, measure the number."""
    if workers == AUTO:
        data = shared_data(data, AUTO)  # copied once, for all that are measured
        workers, line = fastest(recipe, data)
        say(line)
    return workers, shared_data(data, workers)


def shared_data(data: RunData, workers: Workers) -> RunData:
    """Return the data with the training images in memory that all workers see."""
    return data if workers in (1, MPI) else data._replace(x=Shared.of(data.x).view())


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


def train_on(workers: Workers, trainer: Trainer, samples: Split, epochs: int | None) -> None:
    """Train with so many workers; the Trainer has the result."""
    if workers == MPI:
        assert Ranks.current is not None
        Ranks.current.run(train_part, Job(trainer, *samples, epochs))
    else:
        train_split(int(workers), trainer, *samples, epochs)
