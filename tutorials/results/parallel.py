"""Measure what the workers of a network cost and gain: the tables of parallel.md.

    python tutorials/results/parallel.py sums       # how long a sum over two workers takes
    python tutorials/results/parallel.py epochs     # two workers against one process
    python tutorials/results/parallel.py forms      # pairs of layers, or each layer by its outputs
    python tutorials/results/parallel.py start      # how long a second worker takes to start
    python tutorials/results/parallel.py memory     # memory of two workers and of one process
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
import tempfile
import time

import numpy as np

from numpymlp import Adam, Dense, Layer, Network, ReLU, SoftmaxCrossEntropy, mlp
from numpymlp.data.pixels import Pixels
from numpymlp.experiments.fastest import seconds_in_turn
from numpymlp.experiments.folders import read_data
from numpymlp.experiments.named_recipes import RECIPES
from numpymlp.experiments.recipes import Recipe
from numpymlp.experiments.threads import blas_limited_to
from numpymlp.network import loss_and_gradient
from numpymlp.parallel import ColumnDense, Communicator, RowDense, split, units_of
from numpymlp.training.workers import Shared, keep_memory, run

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
# Between machines, assumed: 20 microseconds a message and 10 Gbit a second.
LATENCY, BYTES = 20e-6, 1.25e9
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


def fitted(times):
    """Return seconds a and b of the model a + b n of a sum, from the seconds by size n."""
    sizes, seconds = np.array(list(times)), np.array(list(times.values()))
    b, a = np.polyfit(sizes, seconds, 1, w=1 / seconds)  # relative errors count
    return a, b


def print_sums(times):
    a, b = fitted(times)
    print(f"| numbers | microseconds | {1e6 * a:.1f} + {1e6 * b:.5f} n |\n| ---: | ---: | ---: |")
    for size, seconds in times.items():
        print(f"| {size:,} | {1e6 * seconds:,.0f} | {1e6 * (a + b * size):,.0f} |")


# ---- epochs ----


def measure_epochs(names, rounds, rows, workers):
    data = read_data(None)
    data = data._replace(x=Shared.of(data.x).view())  # so that it is copied once
    all_threads = sorted({1, len(os.sched_getaffinity(0))})
    heads = [f"one process, {n} BLAS thread{'s' * (n > 1)}" for n in all_threads]
    print(f"| network | {' | '.join(heads)} | {workers} workers | ratio to the best |")
    print(f"| --- |{' ---: |' * (len(heads) + 2)}")
    for name in names or NETWORKS:
        seconds = seconds_in_turn(workers, NETWORKS[name], data, all_threads, rounds, rows)
        medians = [statistics.median(times) * 60_000 / rows for times in seconds.values()]
        cells = " | ".join(f"{value:.2f}" for value in medians)
        print(f"| {name} | {cells} | {medians[-1] / min(medians[:-1]):.2f} |", flush=True)


# ---- another form: every hidden layer is divided by its outputs ----


class Gather(Layer):
    """Make the units of all workers from those of each; on the way back, add up their gradients."""

    def __init__(self, comm):
        self.comm = comm

    def output_shape(self, input_shape):
        return (input_shape[0] * self.comm.size,)

    def forward(self, x, training=False):
        rows, units = x.shape
        # u = [u[:, mine] of worker 0, of worker 1, ...]    (N, h) -> (N, H)
        return np.hstack(self.comm.meet(x.ravel()).reshape(self.comm.size, rows, units))

    def backward(self, dy, input_gradient=True):
        parts = self.comm.meet(dy.ravel()).reshape(self.comm.size, len(dy), self.comm.size, -1)
        # dL/du[:, mine] = sum over workers of theirs    (N, H) -> (N, h)
        return parts[:, :, self.comm.rank].sum(axis=0)


def split_by_outputs(network, comm):
    """Divide all Dense layers by their outputs, but the last by its inputs."""
    dense = [layer for layer in network.layers if isinstance(layer, Dense)]
    layers = []
    for layer in dense[:-1]:
        mine = units_of(comm, layer)
        # The sum of the input gradients is that of `Gather`.
        layers += [ColumnDense(layer, mine, Communicator()), ReLU(), Gather(comm)]
    return Network([*layers[:-1], RowDense(dense[-1], mine, comm)])


def time_forms(comm, sizes, images, labels, rounds, rows=128):
    """Return the median seconds of a step in both forms, in turn; check that they agree."""
    network, loss = mlp(sizes, rng=np.random.default_rng(0)), SoftmaxCrossEntropy()
    parts = [form(network, comm) for form in (split, split_by_outputs)]
    optimizers, times = [Adam(), Adam()], [[], []]
    keep_memory()
    for step in range(rounds + 5):
        first = step * rows % (len(labels) - rows)
        x, y = images.view()[first : first + rows], labels[first : first + rows]
        logits = []
        for part, optimizer, seconds in zip(parts, optimizers, times, strict=True):
            comm.sum(np.zeros(1))
            began = time.perf_counter()
            logits.append(loss_and_gradient(part, loss, x, y).logits)
            optimizer.step(part.parameters, part.gradients)
            seconds.append(time.perf_counter() - began)
        if step == 0:
            np.testing.assert_allclose(*logits, atol=1e-4)
    return [statistics.median(seconds[5:]) for seconds in times]


def measure_forms(rounds, workers):
    data = read_data(None)
    images, labels = Shared.of(Pixels(data.x.values[:10_000])), data.y[:10_000]
    print("| network | pairs, ms a step | by outputs, ms a step | ratio |")
    print("| --- | ---: | ---: | ---: |")
    for sizes in ((784, 512, 512, 10), (784, 512, 512, 512, 10)):
        pairs, outputs = run(workers, time_forms, sizes, images, labels, 30 * rounds)
        name = "-".join(map(str, sizes))
        print(f"| {name} | {1e3 * pairs:.2f} | {1e3 * outputs:.2f} | {outputs / pairs:.2f} |")


# ---- start and memory ----


def first_sum(comm, began):
    comm.sum(np.zeros(1))
    return time.perf_counter() - began


def measure_start(rounds):
    times = [run(2, first_sum, time.perf_counter()) for _ in range(rounds)]
    print(f"a second worker takes part after {statistics.median(times):.2f} s")


def memory_of(process, tracker=False):
    """Return the MiB of a process and of all that it started; what they share counts once.

    The process that `multiprocessing` starts to clean up after the others counts apart.
    """
    total, processes = 0, [process]
    for each in processes:
        try:
            with open(f"/proc/{each}/cmdline") as file:
                cleans_up = "resource_tracker" in file.read()
            with open(f"/proc/{each}/smaps_rollup") as file:
                pss = next(int(line.split()[1]) for line in file if line.startswith("Pss:"))
            total += pss * (cleans_up == tracker)
            for thread in os.listdir(f"/proc/{each}/task"):
                with open(f"/proc/{each}/task/{thread}/children") as file:
                    processes += file.read().split()
        except (OSError, StopIteration):  # it has ended
            pass
    return total / 1024


def memory_of_training(hidden, workers):
    """Return the median memory after the epochs of a run of `numpymlp train`, but the last.

    The second number is that of the process that cleans up.
    """
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "numpymlp", "train", "--hidden", hidden]
        command += [
            "--workers",
            str(workers),
            "--epochs",
            "4",
            "--batch-size",
            "128",
            "--no-figures",
        ]
        process = subprocess.Popen(
            [*command, "--output", f"{folder}/run"], stdout=subprocess.DEVNULL
        )
        found, before = [], None
        while process.poll() is None:
            try:
                now = os.stat(f"{folder}/run/checkpoint.npz").st_ino  # a new file after each epoch
            except OSError:
                now = None
            if now != before:
                time.sleep(0.05)
                found.append((memory_of(process.pid), memory_of(process.pid, tracker=True)))
            before = now
            time.sleep(0.005)
    return np.median(found[1:-1], axis=0)  # the first checkpoint is written before the first epoch


def memory_of_import(module):
    """Return the memory that a second process adds which imports a module and nothing else."""
    code = f"import {module}, sys; print(flush=True); sys.stdin.read()"
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    both = [subprocess.Popen([sys.executable, "-c", code], **pipes) for _ in range(2)]
    for process in both:
        process.stdout.readline()
    total = sum(memory_of(process.pid) for process in both)
    both[1].communicate()
    alone = memory_of(both[0].pid)
    both[0].communicate()
    return total - alone


def measure_memory():
    print("| network | one process | two workers | ratio | process that cleans up |")
    print("| --- | ---: | ---: | ---: | ---: |")
    for hidden in ("128", "800"):
        (one, _), (two, tracker) = (memory_of_training(hidden, workers) for workers in (1, 2))
        ratio = f"{two / one:.2f} | {tracker:.0f} MiB"
        print(f"| 784-{hidden}-10 | {one:.0f} MiB | {two:.0f} MiB | {ratio} |")
    print("\nof these, a second process takes for its imports alone:")
    for module in ("numpy", "numpymlp.training.split_trainer"):
        print(f"{module}: {memory_of_import(module):.0f} MiB")


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


def time_of(function, rounds):
    """Return the median seconds of a call."""
    seconds = []
    for _ in range(rounds):
        began = time.perf_counter()
        function()
        seconds.append(time.perf_counter() - began)
    return statistics.median(seconds)


def constants(rounds):
    """Measure operations a second in matrix products, and Adam's seconds a parameter."""
    rng = np.random.default_rng(0)
    x, W = (rng.normal(size=shape).astype(np.float32) for shape in ((128, 784), (784, 800)))
    p, g = (rng.normal(size=W.size).astype(np.float32) for _ in range(2))
    adam = Adam()
    with blas_limited_to(1):
        flops = 2 * x.size * W.shape[1] / time_of(lambda: x @ W, 20 * rounds)
    return flops, time_of(lambda: adam.step(p, g), 20 * rounds) / p.size


def print_model(rounds, rows=128):
    flops, adam = constants(rounds)
    print(f"one core: {flops / 1e9:.0f} billion operations a second in matrix products,")
    print(f"Adam {1e9 * adam:.1f} ns a parameter; between machines, assumed: ", end="")
    print(f"{1e6 * LATENCY:.0f} microseconds a message, {8 * BYTES / 1e9:.0f} Gbit a second\n")
    sent = "| network | sums, units | KiB a sum | sums, gradients | KiB a sum |\n| --- |"
    sent += " ---: |" * 4 + "\n"
    times = "| network |" + "".join(f" {n} machines, units | gradients |" for n in MACHINES)
    times += "\n| --- |" + " ---: | ---: |" * len(MACHINES) + "\n"
    for sizes in ((784, 128, 10), (784, 800, 10), (784, 512, 512, 10), (784, 8192, 8192, 10)):
        parameters = sum(a * b + b for a, b in itertools.pairwise(sizes))
        # Forward, the gradient of the weights, and of the inputs but for the first layer.
        operations = 2 * rows * (3 * parameters - sizes[0] * sizes[1])
        products, steps, messages = operations / flops, adam * parameters, messages_of(sizes, rows)
        alone, cells = products + steps, []
        for workers in MACHINES:
            units = alone / workers + sum(time_of_sum(n, workers) for n in messages)
            gradients = products / workers + steps + time_of_sum(parameters, workers)
            cells += [f"{units / alone:.2f}", f"{gradients / alone:.2f}"]
        name, kib = "-".join(map(str, sizes)), " + ".join(f"{n / 256:,.0f}" for n in messages)
        sent += f"| {name} | {len(messages)} | {kib} | 1 | {parameters / 256:,.0f} |\n"
        times += f"| {name} | {' | '.join(cells)} |\n"
    print(sent, times, sep="\n", end="")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument(
        "what", choices=("sums", "epochs", "start", "memory", "forms", "model", "mpi")
    )
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
    elif options.what == "forms":
        measure_forms(options.rounds, options.workers)
    elif options.what == "memory":
        measure_memory()
    else:
        print_model(options.rounds)


if __name__ == "__main__":
    main()
