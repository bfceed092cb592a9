"""Measure where a training step goes: the table of the benchmark page.

    OPENBLAS_NUM_THREADS=2 python tutorials/results/benchmark/parts.py

Medians over the steps of an epoch of 12,000 images, in float32 with Adam. "Products" are the matrix
products of a step alone, as `numpymlp benchmark` measures them. Nothing else should run on the
machine.
"""

import statistics
import time

import numpy as np

from numpymlp import Adam, SoftmaxCrossEntropy, load_mnist, mlp
from numpymlp.benchmark.command import SHAPES
from numpymlp.benchmark.machine import load_average
from numpymlp.benchmark.peers import PEERS
from numpymlp.experiments.environment import blas_threads, processor

PARTS = ("batch", "forward", "loss", "backward", "Adam", "products")
ROWS = 12_000


def measure(sizes, batch, x, y):
    """Return the median microseconds of each part of a step."""
    rng = np.random.default_rng(0)
    network, loss, adam = mlp(sizes, rng=rng), SoftmaxCrossEntropy(), Adam(1e-3)
    products = PEERS["products"](list(sizes), batch, 1e-3)
    times = {part: [] for part in PARTS}
    order = rng.permutation(ROWS)
    for start in range(0, ROWS - batch + 1, batch):
        clock = [time.perf_counter()]

        def lap(clock=clock):
            clock.append(time.perf_counter())

        rows = order[start : start + batch]
        images, labels = x[rows], y[rows]
        lap()
        logits = network.forward(images, training=True)
        lap()
        loss.forward(logits, labels)
        gradient = loss.backward()
        lap()
        network.backward(gradient)
        lap()
        adam.step(network.parameters, network.gradients)
        lap()
        products.train((images, labels), 1, lambda: True)
        lap()
        for part, seconds in zip(PARTS, np.diff(clock), strict=True):
            times[part].append(1e6 * seconds)
    return {part: statistics.median(values) for part, values in times.items()}


def main() -> None:
    (x, y), _ = load_mnist()
    print(f"{processor()}, {blas_threads()} BLAS threads, load {load_average():.1f}\n")
    print(f"| network | step, microseconds | {' | '.join(PARTS)} |\n|---{'|---:' * 7}|")
    for sizes, batch in SHAPES:
        parts = measure(sizes, batch, x, y)
        whole = sum(parts[part] for part in PARTS[:-1])
        shares = " | ".join(f"{parts[part] / whole:.0%}" for part in PARTS)
        name = f"{'-'.join(map(str, sizes))}, batch {batch}"
        print(f"| {name} | {whole:,.0f} | {shares} |".replace("%", " %"), flush=True)


if __name__ == "__main__":
    main()
