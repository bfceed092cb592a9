"""`numpymlp benchmark`: run all measurements and write the results.

The proof of equality comes first; if it fails, nothing is timed. Then each number is measured in a
new process, the libraries in turn (A B A B ...), so that a slow minute of the machine affects all
of them. The results are medians with minimum and maximum; see `report.py`.
"""

from __future__ import annotations

import importlib.util
import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from numpymlp.benchmark import report
from numpymlp.benchmark.equality import STEPS, TOLERANCE, NotEqualError, prove_equality
from numpymlp.benchmark.report import Results
from numpymlp.benchmark.worker import in_fresh_process
from numpymlp.storage.files import atomic_write, read_json, write_json
from numpymlp.validation import InputError, check_positive_integer

SHAPES: tuple[tuple[tuple[int, ...], int], ...] = (
    ((784, 128, 10), 32),
    ((784, 128, 10), 128),
    ((784, 100, 10), 200),
    ((784, 512, 512, 10), 128),
    ((784, 800, 10), 128),
)
# The run to 98 %: network, batch, highest learning rate of the one-cycle schedule, epochs. Of a
# dozen settings, trained on the first 50,000 training images and evaluated on the last 10,000, this
# was the fastest to pass 98 % with each of three seeds.
COLD = {"sizes": [784, 192, 10], "batch": 128, "rate": 7e-3, "epochs": 4}
RESULTS = "benchmark.json"
CORES = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
ROWS = ("epochs", "predictions", "cold", "accuracy")
NEEDS = {"torch": "torch", "jax": "jax"}

Measure = Callable[[dict[str, Any]], dict[str, Any]]


class Plan(NamedTuple):
    """What to measure: which rows, whether on less data, how often, on how many cores."""

    rows: Sequence[str] = ROWS
    quick: bool = False
    repeats: int | None = None
    threads: int = CORES

    @property
    def times(self) -> int:
        """Number of processes that measure each number."""
        return self.repeats or (1 if self.quick else 3)


def run(plan: Plan, folder: str | os.PathLike[str]) -> bool:
    """Prove equality, take the planned measurements, print and write the results.

    Parameters
    ----------
    plan : Plan
    folder : path
        Where ``benchmark.json``, ``benchmark.md`` and ``benchmark.png`` are written. Rows that are
        not in the plan are kept from an earlier run in this folder, if it was made on the same
        machine with the same versions and code.

    Returns
    -------
    bool
        False if the two libraries compute different numbers: nothing is timed or written.

    Raises
    ------
    InputError
        If `repeats` or `threads` is out of range.
    """
    if plan.repeats is not None:
        check_positive_integer(plan.repeats, "--repeats")
    check_positive_integer(plan.threads, "--threads")
    if plan.threads > CORES:
        raise InputError(
            f"--threads: expected 1 to {CORES}, got {plan.threads}: this machine has no more cores"
        )
    started = time.perf_counter()
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0
    print(f"Equality with scikit-learn, {STEPS} steps in float64 ...", flush=True)
    try:
        cases = prove_equality()
    except NotEqualError as error:
        print(f"No times taken, the two compute different numbers: {error}", file=sys.stderr)
        return False
    worst = max(case.difference for case in cases)
    print(f"{len(cases)} settings agree to {worst:.1e} (required: {TOLERANCE:g})", flush=True)
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    options = [f"--only {' '.join(plan.rows)}"] if tuple(plan.rows) != ROWS else []
    options += ["--quick"] if plan.quick else []
    options += [f"--repeats {plan.times}"]
    options += [f"--threads {plan.threads}"] if plan.threads != CORES else []
    results: Results = {
        "load": load,
        "environment": report.environment(plan.threads),
        "quick": plan.quick,
        "commands": [" ".join(["numpymlp benchmark", *options])],
        "equality": {"settings": len(cases), "steps": STEPS, "difference": worst},
    }
    results = {**results, **_kept_rows(folder, results, plan.rows)}
    with _cores_limited_to(plan.threads):
        for row in plan.rows:
            results[row] = MEASUREMENTS[row](plan, _timed(plan.threads))
    text = report.markdown(results)
    write_json(folder / RESULTS, results)
    with atomic_write(folder / "benchmark.md") as file:
        file.write(text.encode())
    if "epochs" in results:
        with atomic_write(folder / "benchmark.png") as file:
            report.figure(results).savefig(file, format="png")
    minutes = (time.perf_counter() - started) / 60
    print(f"\n{text}\nWritten to {folder} after {minutes:.1f} minutes.")
    return True


def _kept_rows(folder: Path, results: Results, new: Sequence[str]) -> Results:
    """Read the other rows of an earlier run with the same environment, with its load and commands.

    This lets `--only` measure the rows one after the other.
    """
    if not (folder / RESULTS).exists():
        return {}
    earlier = read_json(folder / RESULTS, "benchmark")
    same = all(earlier.get(name) == results[name] for name in ("environment", "quick"))
    kept = {row: earlier[row] for row in ROWS if row in earlier and row not in new}
    if not same or not kept:
        return {}
    return {
        **kept,
        "load": max(earlier["load"], results["load"]),
        "commands": [*earlier["commands"], *results["commands"]],
    }


# ---- the four groups of rows ----


def epochs(plan: Plan, measure: Measure) -> list[dict[str, Any]]:
    """Measure seconds per epoch and peak memory for each shape."""
    shapes = SHAPES[1:2] + SHAPES[3:4] if plan.quick else SHAPES
    rows = 10_000 if plan.quick else 60_000
    peers = _installed("numpymlp", "numpymlp64", "sklearn32", "sklearn", "torch", "jax", "products")
    table = []
    for sizes, batch in shapes:
        task = {"task": "epoch", "sizes": list(sizes), "batch": batch, "rows": rows}
        samples = _in_turn(task, peers, plan.times, measure)
        table.append({**task, "peers": samples})
    return table


def predictions(plan: Plan, measure: Measure) -> list[dict[str, Any]]:
    """Measure the prediction of 10,000 samples and of one."""
    task = {"task": "predict", "sizes": [784, 128, 10]}
    peers = _installed("numpymlp", "face", "sklearn", "sklearn32", "torch", "jax")
    return [{**task, "peers": _in_turn(task, peers, plan.times, measure)}]


def cold(plan: Plan, measure: Measure) -> list[dict[str, Any]]:
    """Measure the wall time of whole processes until 98 % test accuracy."""
    task = {"task": "cold", **COLD}
    peers = _installed("numpymlp", "sklearn32", "torch", "jax")
    return [{**task, "peers": _in_turn(task, peers, plan.times, measure)}]


def accuracy(plan: Plan, measure: Measure) -> list[dict[str, Any]]:
    """Measure the final test accuracy over seeds, with scikit-learn's defaults and with ours."""
    peers = ["numpymlp"] if plan.quick else ["numpymlp", "face", "sklearn32"]
    task = {"task": "accuracy"}
    return [{**task, "peers": _in_turn(task, peers, 2 if plan.quick else 5, measure)}]


MEASUREMENTS = dict(zip(ROWS, (epochs, predictions, cold, accuracy), strict=True))


# ---- new processes, the libraries in turn ----


def _in_turn(
    task: dict[str, Any], peers: list[str], repeats: int, measure: Measure
) -> dict[str, list[dict[str, Any]]]:
    samples: dict[str, list[dict[str, Any]]] = {peer: [] for peer in peers}
    for seed in range(repeats):
        for peer in peers:
            samples[peer].append(measure({**task, "peer": peer, "seed": seed}))
    return samples


def _timed(threads: int) -> Measure:
    def measure(task: dict[str, Any]) -> dict[str, Any]:
        started = time.perf_counter()
        result = in_fresh_process(task, threads)
        wall = time.perf_counter() - started
        numbers = ", ".join(f"{name} {value:.4g}" for name, value in result.items())
        print(f"{report.title(task)}: {numbers}, wall {wall:.2f}", flush=True)
        return {**result, "wall": wall}

    return measure


@contextmanager
def _cores_limited_to(threads: int) -> Iterator[None]:
    """Limit this process and its child processes to this many cores."""
    if not hasattr(os, "sched_setaffinity"):
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, sorted(before)[:threads])
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def _installed(*peers: str) -> list[str]:
    return [peer for peer in peers if importlib.util.find_spec(NEEDS.get(peer, "numpy"))]
