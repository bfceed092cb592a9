"""Measure what the workers of a network cost and gain: the tables of parallel.md.

    python tutorials/results/parallel.py sums       # how long a sum over two workers takes
    python tutorials/results/parallel.py epochs     # two workers against one process
    python tutorials/results/parallel.py start      # time and memory of a second worker
    python tutorials/results/parallel.py model      # bytes, messages and times from the constants
    mpiexec -n 2 python tutorials/results/parallel.py mpi

`epochs` runs one process with one BLAS thread, the same with all, and two workers, in turn, and
prints medians. `--rounds 9 --rows 60000` measures longer; names after it choose networks. Nothing
else should run on the machine; the first line says what does.
"""

import argparse
import dataclasses
import itertools
import os
import statistics
import subprocess
import sys
import time

import numpy as np

from numpymlp import Adam, SoftmaxCrossEntropy, Trainer, mlp
from numpymlp.data.pixels import Pixels
from numpymlp.experiments.folders import RunData, read_data
from numpymlp.experiments.parallel_runs import build
from numpymlp.experiments.recipes import RECIPES, Recipe
from numpymlp.experiments.threads import blas_limited_to
from numpymlp.training.ring import Ring
from numpymlp.training.split_trainer import SplitTrainer
from numpymlp.training.workers import Shared, run

PLAIN = Recipe(learning_rate=1e-3, schedule="constant", batch_size=128)
NETWORKS = {
    "784-128-10": dataclasses.replace(PLAIN, hidden=(128,)),
    "784-128-10, batch 32": dataclasses.replace(PLAIN, hidden=(128,), batch_size=32),
    "784-800-10": dataclasses.replace(PLAIN, hidden=(800,)),
    "784-512-512-10": dataclasses.replace(PLAIN, hidden=(512, 512)),
    "record": RECIPES["record"].recipe,
    "record, images as they are": dataclasses.replace(
        RECIPES["record"].recipe, **dict.fromkeys(("shift", "rotation", "scaling", "elastic"), 0.0)
    ),
}
SIZES = (1_000, 10_000, 100_000, 1_000_000)
# Of one core here: products a second, and Adam's seconds a parameter. Between machines, assumed:
# 20 microseconds a message and 10 Gbit a second.
FLOPS, ADAM, LATENCY, BYTES = 80e9, 3e-9, 20e-6, 1.25e9
MACHINES = (2, 8, 64)


# ---- sums ----


def time_sums(comm):
    """Return the median seconds of a sum of each size."""
    times = {}
    for size in SIZES:
        a, seconds = np.ones(size, np.float32), []
        for _ in range(max(20, 2_000_000 // size // 4)):
            began = time.perf_counter()
            comm.sum(a)
            seconds.append(time.perf_counter() - began)
        times[size] = statistics.median(seconds)
    return times


def print_sums(times):
    print("| numbers | microseconds |\n| ---: | ---: |")
    for size, seconds in times.items():
        print(f"| {size:,} | {1e6 * seconds:,.0f} |")


# ---- epochs ----


def epochs_in_turn(comm, data, recipe, threads, rounds, ring):
    """Return the seconds of epochs for one process by number of BLAS threads, and for the split.

    The other workers sleep while one process is measured.
    """
    trainers = {}
    for name in (*threads, "split"):
        trainer, samples = build(recipe, data, 0, None, verbose=0)
        trainers[name] = trainer
    whole = trainers["split"]
    shape, dtype = (recipe.batch_size, *data.x.shape[1:]), whole.network.dtype
    trainers["split"] = SplitTrainer(whole, comm, ring and Ring(comm, ring, shape, dtype))
    seconds = {name: [] for name in trainers}
    for _ in range(rounds + 1):
        for name, trainer in trainers.items():
            comm.sum(np.zeros(1))
            if name == "split":
                trainer.run(*samples, 1)
            elif comm.rank == 0:
                with blas_limited_to(name):
                    trainer.run(*samples, 1)
            seconds[name].append(trainer.history["seconds"][-1] if comm.rank == 0 else 0)
            comm.sum(np.zeros(1))
    return {name: times[1:] for name, times in seconds.items()}


def epochs_program(comm, images, labels, recipe, threads, rounds, ring):
    data = RunData("MNIST", images.view(), labels, images.view()[:1], labels[:1])
    return epochs_in_turn(comm, data, recipe, threads, rounds, ring)


def measure_epochs(names, rounds, rows, workers):
    data = read_data(None)
    images, labels = Shared.of(Pixels(data.x.values[:rows])), data.y[:rows]
    all_threads = sorted({1, len(os.sched_getaffinity(0))})
    heads = [f"one process, {n} BLAS thread{'s' * (n > 1)}" for n in all_threads]
    print(f"| network | {' | '.join(heads)} | {workers} workers | ratio to the best |")
    print(f"| --- |{' ---: |' * (len(heads) + 2)}")
    for name in names or NETWORKS:
        recipe = NETWORKS[name]
        ring = None
        if recipe.build_distortion() is not None:
            ring = Ring.memory(workers, (recipe.batch_size, images.shape[1]), np.dtype(np.float32))
        seconds = run(workers, epochs_program, images, labels, recipe, all_threads, rounds, ring)
        medians = [statistics.median(times) * 60_000 / rows for times in seconds.values()]
        cells = " | ".join(f"{value:.2f}" for value in medians)
        print(f"| {name} | {cells} | {medians[-1] / min(medians[:-1]):.2f} |", flush=True)


# ---- start and memory ----


def first_sum(comm, began):
    comm.sum(np.zeros(1))
    return time.perf_counter() - began


def memory_of(comm, images, labels):
    """Train a little; return the memory of all workers in MiB (what they share counts once)."""
    x = images.view()
    trainer = Trainer(
        mlp([784, 800, 10], rng=np.random.default_rng(0)), SoftmaxCrossEntropy(), Adam(), verbose=0
    )
    samples = trainer.prepare(x, labels, None, None, None)
    held = SplitTrainer(trainer, comm) if comm.size > 1 else trainer
    held.run(samples[0]._replace(rows=samples[0].rows[:12_800]), None, 1)
    with open("/proc/self/smaps_rollup") as file:
        own = next(int(line.split()[1]) for line in file if line.startswith("Pss:"))
    return float(comm.sum(np.array([own / 1024]))[0])


def measure_start(rounds):
    times = [run(2, first_sum, time.perf_counter()) for _ in range(rounds)]
    print(f"a second worker takes part after {statistics.median(times):.2f} s")
    for workers in (1, 2):  # each in a process of its own
        code = (
            "import sys; sys.path.insert(0, sys.argv[1]); import parallel\n"
            "data = parallel.read_data(None); y = data.y\n"
            "shared = parallel.Shared.of(data.x); del data\n"
            f"print(parallel.run({workers}, parallel.memory_of, shared, y))"
        )
        command = [sys.executable, "-c", code, os.path.dirname(os.path.abspath(__file__))]
        output = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        print(f"memory of {workers} worker{'s' * (workers > 1)}: {float(output):.0f} MiB")


# ---- the model ----


def messages_of(sizes, rows):
    """Return the numbers of each sum of a step, where the units are split."""
    dense = len(sizes) - 1
    pairs = [(2 * i, 2 * i + 2) for i in range(dense // 2)]
    forward = [rows * sizes[last] for _, last in pairs]
    backward = [rows * sizes[first] for first, _ in pairs[1:]]
    return forward + backward


def time_of_sum(numbers, workers):
    """Return the seconds of a sum between machines: halving and doubling, each way."""
    return 2 * np.log2(workers) * LATENCY + 2 * 4 * numbers * (1 - 1 / workers) / BYTES


def print_model(rows=128):
    print("| network | sums of numbers, units | numbers, gradients |", end="")
    for workers in MACHINES:
        print(f" {workers} machines, units | gradients |", end="")
    print("\n| --- | ---: | ---: |" + " ---: | ---: |" * len(MACHINES))
    for sizes in ((784, 128, 10), (784, 800, 10), (784, 512, 512, 10), (784, 8192, 8192, 10)):
        parameters = sum(a * b + b for a, b in itertools.pairwise(sizes))
        # Forward, the gradient of the weights, and of the inputs but for the first layer.
        operations = 2 * rows * (3 * parameters - sizes[0] * sizes[1])
        products, adam, messages = operations / FLOPS, ADAM * parameters, messages_of(sizes, rows)
        alone, cells = products + adam, []
        for workers in MACHINES:
            units = alone / workers + sum(time_of_sum(n, workers) for n in messages)
            gradients = products / workers + adam + time_of_sum(parameters, workers)
            cells += [f"{units / alone:.2f}", f"{gradients / alone:.2f}"]
        name, sent = "-".join(map(str, sizes)), " + ".join(f"{n:,}" for n in messages)
        print(f"| {name} | {sent} | {parameters:,} | {' | '.join(cells)} |")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("what", choices=("sums", "epochs", "start", "model", "mpi"))
    parser.add_argument("networks", nargs="*", help=f"of {', '.join(NETWORKS)}")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--rows", type=int, default=12_800)
    parser.add_argument("--workers", type=int, default=2)
    options = parser.parse_args()
    if options.what == "mpi":
        from numpymlp.training.mpi import Ranks, lead

        lead(lambda: print_sums(Ranks.current.run(time_sums)))
        return
    print(f"load of the last minute: {os.getloadavg()[0]:.1f}\n")
    if options.what == "sums":
        print_sums(run(options.workers, time_sums))
    elif options.what == "epochs":
        measure_epochs(options.networks, options.rounds, options.rows, options.workers)
    elif options.what == "start":
        measure_start(options.rounds)
    else:
        print_model()


if __name__ == "__main__":
    main()
