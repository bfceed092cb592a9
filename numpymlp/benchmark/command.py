"""`numpymlp benchmark`: run all measurements and write the results.

Each number is measured in a new process, the libraries in turn (A B A B ...), so that a slow minute
of the machine affects all of them.
"""

from __future__ import annotations

import importlib.util
import os
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from numpymlp.benchmark import machine, report
from numpymlp.benchmark.equality import STEPS, TOLERANCE, NotEqualError, prove_equality
from numpymlp.benchmark.report import Results
from numpymlp.benchmark.worker import in_fresh_process
from numpymlp.experiments.remaining import Remaining
from numpymlp.storage.files import atomic_write, counted, shown, write_bytes, write_json
from numpymlp.storage.reading import Field, check_fields, number, or_none, read_json
from numpymlp.validation import InputError, check_positive_integer

SHAPES: tuple[tuple[tuple[int, ...], int], ...] = (
    ((784, 128, 10), 32),
    ((784, 128, 10), 128),
    ((784, 100, 10), 200),
    ((784, 512, 512, 10), 128),
    ((784, 800, 10), 128),
)
# Two convolutions of 5 x 5 and max pools of 2 x 2, then 784-128-10 with their output for the 784.
FILTERS, SIZES = [8, 16], [784, 128, 10]
# The run to 98 %, the same for all libraries: tutorials/results/way_to_98.py chose its schedule on
# held-out training images, with twenty seeds.
COLD = {
    "sizes": [784, 192, 10], "batch": 128, "rate": 1e-2, "epochs": 5, "warmup": 0.2, "beta2": 0.99,
}  # fmt: skip
RESULTS = "benchmark.json"
CORES = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
PEERS_OF = {
    "epochs": (
        "numpymlp",
        "numpymlp64",
        "workers",
        "face",
        "sklearn32",
        "sklearn",
        "torch",
        "jax",
        "products",
    ),
    "convolution": ("numpymlp", "torch", "jax"),
    "predictions": ("numpymlp", "face", "sklearn", "sklearn32", "torch", "jax"),
    "cold": ("numpymlp", "sklearn32", "torch", "jax"),
    "accuracy": ("numpymlp", "face", "sklearn32"),
}
ROWS = tuple(PEERS_OF)
OPTIONAL = ("torch", "jax")  # left out where they are not installed


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

    `folder` receives ``benchmark.json``, ``benchmark.md`` and ``benchmark.png``. Rows that are not
    in the plan are kept from an earlier run in this folder, if it was made on the same machine with
    the same versions and code, so that `--only` can measure the rows one after the other.

    Returns False if the two libraries compute different numbers: nothing is timed or written.
    Raises InputError if `repeats` or `threads` is out of range.
    """
    if plan.repeats is not None:
        check_positive_integer(plan.repeats, "--repeats")
    check_positive_integer(plan.threads, "--threads")
    if plan.threads > CORES:
        raise InputError(
            f"--threads: expected 1 to {CORES}, got {plan.threads}: this machine has no more cores"
        )
    started = time.perf_counter()
    load, others = machine.load_average(), machine.Others()
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
    environment = report.environment(plan.threads)
    print(f"{report.place(environment)}; load average {load:.1f}", flush=True)
    if machine.busy(load, None):
        print(
            "Other programs ran just now: if they still run, do not rely on the times.", flush=True
        )
    results: Results = {
        "load": load,
        "others": None,
        "environment": environment,
        "quick": plan.quick,
        "commands": [" ".join(["numpymlp benchmark", *options])],
        "equality": {"settings": len(cases), "steps": STEPS, "difference": worst},
    }
    results = {**results, **_kept_rows(folder, results, plan.rows)}
    tasks = {row: _tasks(plan.quick)[row] for row in plan.rows}
    number = sum(
        len(peers) * times * len(tasks[row])
        for row in plan.rows
        for peers, times in [_turns(row, plan)]
    )
    left = Remaining(max(number, 1))
    print(f"{counted(number, 'measurement')} ({left})", flush=True)
    with _cores_limited_to(plan.threads):
        for row in plan.rows:
            results[row] = [
                {**task, "peers": _in_turn(task, row, plan, left)} for task in tasks[row]
            ]
    if (cores := others.cores()) is not None:
        results["others"] = max(results["others"] or 0.0, round(cores, 2))
    text = report.markdown(results)
    write_json(folder / RESULTS, results)
    write_bytes(folder / "benchmark.md", text.encode())
    if "epochs" in results:
        with atomic_write(folder / "benchmark.png") as file:
            report.figure(results).savefig(file, format="png")
    minutes = (time.perf_counter() - started) / 60
    print(f"\n{text}\nWritten to {folder} after {minutes:.1f} minutes.")
    return True


def _line(value: Any) -> bool:
    return isinstance(value, str) and value.isprintable() and len(value) < 1000


# What is used of an earlier run, besides its rows.
EARLIER = {
    "environment": Field("an object", lambda value: isinstance(value, dict)),
    "quick": Field("true or false", lambda value: isinstance(value, bool)),
    "load": number(0),
    "commands": Field("a list of commands", lambda v: isinstance(v, list) and all(map(_line, v))),
}
# What a report needs of each measurement of a row.
MEASURED = {
    "epochs": ("seconds", "megabytes"),
    "convolution": ("seconds", "megabytes"),
    "predictions": ("seconds", "seconds_of_one"),
    "cold": ("accuracy", "epochs", "wall"),
    "accuracy": ("accuracy", "epochs", "seconds"),
}


def _kept_rows(folder: Path, results: Results, new: Sequence[str]) -> Results:
    """Return the other rows of an earlier run in the same environment, its load and commands."""
    if not (folder / RESULTS).exists():
        return {}
    found = read_json(folder / RESULTS, "the results of a benchmark", EARLIER)
    earlier = {"others": None, **found}  # version 0.1 did not measure it
    check_fields(f"{shown(folder / RESULTS)} is altered", earlier, {"others": or_none(number(0))})
    kept = {row: earlier[row] for row in ROWS if row in earlier and row not in new}
    if not kept or any(earlier.get(name) != results[name] for name in ("environment", "quick")):
        return {}
    measured = {row: _measurements(row, results["quick"]) for row in kept}
    check_fields(f"{shown(folder / RESULTS)} is altered", kept, measured)
    return {
        **kept,
        "load": max(earlier["load"], results["load"]),
        "others": earlier["others"],
        "commands": [*earlier["commands"], *results["commands"]],
    }


def _measurements(row: str, quick: bool) -> Field:
    """Expect the tasks of a row, each with measurements of the same libraries."""
    amount = number(1e-9, 1e9)

    def accepts_peers(peers: Any) -> bool:
        return (
            isinstance(peers, dict)
            and "numpymlp" in peers
            and set(peers) <= set(PEERS_OF[row])
            and all(isinstance(samples, list) and samples for samples in peers.values())
            and all(
                isinstance(sample, dict) and amount.accepts(sample.get(name))
                for samples in peers.values()
                for sample in samples
                for name in MEASURED[row]
            )
        )

    def accepts(tasks: Any) -> bool:
        if not isinstance(tasks, list) or not all(isinstance(task, dict) for task in tasks):
            return False
        peers = [task.get("peers") for task in tasks]
        return (
            [{**task, "peers": None} for task in tasks]
            == [{**task, "peers": None} for task in _tasks(quick)[row]]
            and all(map(accepts_peers, peers))
            and all(list(each) == list(peers[0]) for each in peers)
        )

    return Field("the measurements of an earlier run", accepts)


# ---- the measurements ----


def _tasks(quick: bool) -> dict[str, list[dict[str, Any]]]:
    """Return the tasks of each group of rows; `worker.py` says what they measure."""
    shapes, rows = (SHAPES[1::2], 10_000) if quick else (SHAPES, 60_000)
    return {
        "epochs": [
            {"task": "epoch", "sizes": list(sizes), "batch": batch, "rows": rows}
            for sizes, batch in shapes
        ],
        "convolution": [
            {
                "task": "epoch",
                "sizes": SIZES,
                "filters": FILTERS,
                "batch": 128,
                "rows": 2_500 if quick else rows,
            }
        ],
        "predictions": [{"task": "predict", "sizes": [784, 128, 10]}],
        "cold": [{"task": "cold", **COLD}],
        "accuracy": [{"task": "accuracy"}],
    }


def _turns(row: str, plan: Plan) -> tuple[Sequence[str], int]:
    """Return the libraries that a row measures, and how often."""
    peers, times = _installed(PEERS_OF[row]), plan.times
    if plan.threads == 1:
        peers = [peer for peer in peers if peer != "workers"]
    if row in ("predictions", "cold") and plan.quick:
        peers = [peer for peer in peers if peer not in OPTIONAL]
    if row == "accuracy":  # over seeds, whatever the number of repeats
        peers, times = (peers[:1], 1) if plan.quick else (peers, 5)
    return peers, times


def _in_turn(
    task: dict[str, Any], row: str, plan: Plan, left: Remaining
) -> dict[str, list[dict[str, Any]]]:
    """Measure the libraries in turn, each turn with another seed."""
    peers, times = _turns(row, plan)
    samples: dict[str, list[dict[str, Any]]] = {peer: [] for peer in peers}
    for seed in range(times):
        for peer in peers:
            samples[peer].append(measure({**task, "peer": peer, "seed": seed}, plan.threads))
            left.add(1)
            print(f"  {left}", flush=True)
    return samples


def measure(task: dict[str, Any], threads: int) -> dict[str, Any]:
    """Take a measurement in a new process and print it."""
    result = in_fresh_process(task, threads)
    numbers = ", ".join(f"{name} {value:.4g}" for name, value in result.items())
    print(f"{report.title(task)}: {numbers}", flush=True)
    return result


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


def _installed(peers: Sequence[str]) -> list[str]:
    return [peer for peer in peers if peer not in OPTIONAL or importlib.util.find_spec(peer)]
