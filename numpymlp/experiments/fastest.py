"""Whether several processes train a network faster than one: measured, for `--workers auto`.

Which number is faster depends on the network, and on what else the machine does just now. So a few
steps of each are timed in turn, on copies that are thrown away.
"""

from __future__ import annotations

import dataclasses
import statistics
from collections.abc import Sequence
from typing import Any

import numpy as np

from numpymlp.experiments.environment import cores
from numpymlp.experiments.folders import MOST_WORKERS, RunData
from numpymlp.experiments.recipes import Recipe
from numpymlp.experiments.threads import blas_limited_to
from numpymlp.network import Network
from numpymlp.parallel import Communicator, split
from numpymlp.training.samples import Samples
from numpymlp.training.shared_batches import SharedBatches
from numpymlp.training.split_trainer import SplitTrainer
from numpymlp.training.trainer import Trainer
from numpymlp.training.workers import Shared, run
from numpymlp.validation import InputError

STEPS, ROUNDS = 20, 5
# Several processes must save at least a twentieth of the time: the measurement is no better.
ENOUGH = 0.95


def fastest(recipe: Recipe, data: RunData) -> tuple[int, str]:
    """Return the number of processes that trains a network fastest now, and a line for the report.

    It compares one process with 2, 4, 8, ... of them, up to the number of cores.
    """
    inputs, best, findings = data.x.shape[1], (1, 1.0), []
    network = recipe.build_network(inputs, data.classes, 0, data.image_shape)
    threads = recipe.choose_threads(inputs, data.classes).number
    number = 2
    while number <= min(cores(), MOST_WORKERS) and can_be_split(network, number):
        seconds = seconds_in_turn(number, recipe, data, (threads,))
        one, several = map(statistics.median, seconds.values())
        findings.append(f"{number} processes take {several / one:.2f} of the time of one")
        if several / one < ENOUGH * best[1]:
            best = number, several / one
        number *= 2
    why = "measured just now: " + ", ".join(findings)
    if not findings:
        why = "since this process may use one core" if cores() == 1 else "since it cannot be split"
    return best[0], f"workers: {best[0]}, {why}"


def can_be_split(network: Network, number: int) -> bool:
    """Return whether so many workers can share a network."""
    try:
        split(network, Communicator(number - 1, number))
    except InputError:
        return False
    return True


def seconds_in_turn(
    workers: int,
    recipe: Recipe,
    data: RunData,
    threads: Sequence[int],
    rounds: int = ROUNDS,
    rows: int | None = None,
) -> dict[int | str, list[float]]:
    """Time some steps of one process and of several, in turn.

    Parameters
    ----------
    workers : int
        At least 2.
    recipe : Recipe
    data : RunData
    threads : sequence of int
        Numbers of BLAS threads that one process is timed with.
    rounds : int, default 5
        After a first one, which warms up.
    rows : int, optional
        Number of training samples in a round; None takes 20 batches.

    Returns
    -------
    dict
        The seconds of each round, for each number of threads, and for "split".
    """
    recipe = dataclasses.replace(recipe, validation=None, early_stopping=None)
    batches, shape = None, (recipe.batch_size, data.x.shape[1])
    if recipe.build_distortion(data.image_shape) is not None:
        dtype = np.dtype(np.float32)
        batches = SharedBatches.memory(workers, shape, dtype), shape, dtype
    rows = min(rows or STEPS * recipe.batch_size, len(data.y))
    sent = data._replace(x=Shared.of(data.x), x_test=None, y_test=data.y[:0])
    return run(workers, _time, sent, recipe, threads, rounds, rows, batches)


def _time(
    comm: Any,
    sent: RunData,
    recipe: Recipe,
    threads: Sequence[int],
    rounds: int,
    rows: int,
    batches: Any,
) -> dict[int | str, list[float]]:
    """Time on worker 0; the others sleep while one process is timed."""
    data = sent._replace(x=sent.x.view())
    samples = Samples(data.x, data.y, None, np.arange(rows))
    trainers: dict[int | str, Trainer] = {}
    names: list[int | str] = [*threads, "split"]
    for name in names:
        network = recipe.build_network(data.x.shape[1], data.classes, 0, data.image_shape)
        trainers[name] = recipe.build_trainer(network, 0, data.image_shape, verbose=0)
    shared = batches and SharedBatches(comm, *batches)
    trainers["split"] = SplitTrainer(trainers["split"], comm, shared)
    seconds: dict[int | str, list[float]] = {name: [] for name in trainers}
    for _ in range(rounds + 1):
        for name, trainer in trainers.items():
            comm.sum(np.zeros(1))
            if name == "split":
                trainer.run(samples, None, 1)
            elif comm.rank == 0:
                with blas_limited_to(int(name)):
                    trainer.run(samples, None, 1)
            if comm.rank == 0:
                seconds[name].append(trainer.history["seconds"][-1])
            comm.sum(np.zeros(1))
    return {name: times[1:] for name, times in seconds.items()}
