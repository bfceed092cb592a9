"""Measure what this machine needs to begin, and how many BLAS threads pay: tables of machine.md.

    python tutorials/results/machine.py start      # imports, loading, memory
    python tutorials/results/machine.py threads    # one and two BLAS threads, free and busy

Every number is the median over fresh processes (`start`) or over epochs taken in turn (`threads`).
Nothing else should run on the machine; the first line says what does.
"""

import argparse
import os
import statistics
import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path

import numpy as np

from numpymlp import Adam, SoftmaxCrossEntropy, Trainer, load_mnist, mlp
from numpymlp.benchmark.machine import load_average
from numpymlp.experiments.environment import processor
from numpymlp.experiments.threads import blas_limited_to

SIZES = {
    "784-128-10": (784, 128, 10),
    "784-512-512-10": (784, 512, 512, 10),
    "784-800-10": (784, 800, 10),
}
ROWS, BATCH = 6_000, 128
TIMED = "import time; began = time.perf_counter(); {}; print(time.perf_counter() - began)"
PEAK = "print(*[line.split()[1] for line in open('/proc/self/status') if line.startswith('VmHWM')])"
LOAD = "import numpymlp; from numpymlp.data.mnist import MNIST, load_pixels; "
TRAIN = (
    "from numpymlp.__main__ import main; "
    "main(['train', '--no-figures', '--overwrite', '--output', {!r}]); "
)
# A program that keeps one core busy, as another training run would.
BUSY = "import numpy as np\na = np.ones((400, 400))\nwhile True: a = a @ a * 0"


# ---- start ----


def last_number(code):
    """Run Python code in a fresh process with one BLAS thread; return the last number it prints."""
    variables = {**os.environ, "OPENBLAS_NUM_THREADS": "1"}
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, env=variables, stdout=subprocess.PIPE, text=True, check=True)
    return float(done.stdout.split()[-1])


def measure_start(rounds, folder):
    trained = iter(range(rounds))
    measurements = {
        "`import numpy`, milliseconds": lambda: 1e3 * last_number(TIMED.format("import numpy")),
        "`import numpymlp` after it, milliseconds": lambda: (
            1e3 * last_number("import numpy; " + TIMED.format("import numpymlp"))
        ),
        "MNIST as the commands load it, as bytes, milliseconds": lambda: (
            1e3 * last_number(LOAD + TIMED.format("load_pixels(MNIST)"))
        ),
        "`load_mnist()`, as float32, milliseconds": lambda: (
            1e3 * last_number(LOAD + TIMED.format("numpymlp.load_mnist()"))
        ),
        "peak memory of `numpymlp train --no-figures`, MiB": lambda: (
            last_number(TRAIN.format(str(folder / str(next(trained)))) + PEAK) / 2**10
        ),
    }
    print("| what | median | minimum | maximum |\n| --- | ---: | ---: | ---: |")
    for name, measure in measurements.items():
        values = [measure() for _ in range(rounds)]
        print(
            f"| {name} | {statistics.median(values):.0f} | {min(values):.0f} | {max(values):.0f} |"
        )


# ---- threads ----


def epochs_in_turn(sizes, threads, rounds):
    """Return the seconds of epochs by number of BLAS threads, measured in turn."""
    (x, y), _ = load_mnist()
    trainers = {
        n: Trainer(
            mlp(sizes, rng=np.random.default_rng(0)), SoftmaxCrossEntropy(), Adam(), verbose=0
        )
        for n in threads
    }
    seconds = {n: [] for n in threads}
    for _ in range(rounds + 1):
        for n, trainer in trainers.items():
            with blas_limited_to(n):
                trainer.fit(x[:ROWS], y[:ROWS], epochs=1)
            seconds[n].append(trainer.history["seconds"][-1])
    return {n: statistics.median(times[1:]) for n, times in seconds.items()}


def measure_threads(rounds):
    cores = len(os.sched_getaffinity(0))
    threads = sorted({1, cores})
    heads = [f"{n} thread{'s' * (n > 1)}, {how}" for how in ("free", "busy") for n in threads]
    print(f"| network | {' | '.join(heads)} |\n| --- |{' ---: |' * len(heads)}")
    for name, sizes in SIZES.items():
        free = epochs_in_turn(sizes, threads, rounds)
        with ExitStack() as stack:
            for _ in range(cores):
                program = [sys.executable, "-c", BUSY]
                other = subprocess.Popen(program, env={**os.environ, "OPENBLAS_NUM_THREADS": "1"})
                stack.callback(other.wait)
                stack.callback(other.kill)
            time.sleep(1)
            busy = epochs_in_turn(sizes, threads, rounds)
        steps = -(-ROWS // BATCH)
        cells = [f"{1e3 * times[n] / steps:.2f}" for times in (free, busy) for n in threads]
        print(f"| {name} | {' | '.join(cells)} |", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=["start", "threads"])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--folder", type=Path, default=Path("runs/machine"), help="of the runs")
    options = parser.parse_args()
    print(f"{processor()}, {len(os.sched_getaffinity(0))} cores, load {load_average():.1f}\n")
    if options.what == "start":
        measure_start(options.rounds, options.folder)
    else:
        print("Milliseconds a step, batches of 128; busy: beside as many busy programs as cores.\n")
        measure_threads(options.rounds)


if __name__ == "__main__":
    main()
