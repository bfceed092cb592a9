"""One measurement in a new process: read a task as JSON, run it, print the result as JSON.

`in_fresh_process` starts ``python -m numpymlp.benchmark.worker`` for every number, so that no
library is affected by the threads, caches or memory of another. Read `command.py`, which defines
the tasks, next.
"""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from numpymlp.benchmark.peers import PEERS, Peer
from numpymlp.data import load_mnist
from numpymlp.schedules import OneCycle, Schedule

GOAL = 0.98  # test accuracy of the cold run
THREADS = (
    "OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "BLIS_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS", "NUMEXPR_NUM_THREADS",
)  # fmt: skip
# Removed: these fix the processor type for reproducible sums, at another speed.
FIXED = ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE")
ESTIMATORS = {"sklearn32": "sklearn.neural_network", "face": "numpymlp.sklearn"}


def in_fresh_process(task: dict[str, Any], threads: int) -> dict[str, Any]:
    """Run a task in a new process with this many threads in every library.

    Returns its result, with the seconds from the start of the process to its end as "wall".
    """
    variables = {name: value for name, value in os.environ.items() if name not in FIXED}
    variables.update(dict.fromkeys(THREADS, str(threads)))
    command = [sys.executable, "-m", "numpymlp.benchmark.worker", json.dumps(task)]
    started = time.perf_counter()
    done = subprocess.run(command, env=variables, capture_output=True, text=True, check=False)
    wall = time.perf_counter() - started
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(command)} failed:\n{done.stderr}")
    return {**json.loads(done.stdout.splitlines()[-1]), "wall": wall}


def blas(task: dict[str, Any]) -> dict[str, Any]:
    """Return the name, version and chosen routines of each BLAS in this process as "names"."""
    import scipy.linalg  # noqa: F401 - loads SciPy's own BLAS, so that it is listed
    from threadpoolctl import threadpool_info

    names = {
        f"{pool['internal_api']} {pool['version']} ({pool.get('architecture', '?')})"
        for pool in threadpool_info()
        if pool["user_api"] == "blas"
    }
    return {"names": sorted(names)}


def _peer(task: dict[str, Any], schedule: Schedule | None = None) -> Peer:
    """Build the library's network; tasks that do not depend on batch and rate leave them out."""
    batch, rate = task.get("batch", 128), task.get("rate", 1e-3)
    how: dict[str, Any] = {name: task[name] for name in ("beta2", "filters") if name in task}
    return PEERS[task["peer"]](task["sizes"], batch, rate, schedule, task["seed"], **how)


def epoch(task: dict[str, Any]) -> dict[str, Any]:
    """Time the second epoch of a training run; the first warms up and compiles if needed."""
    (x, y), _ = load_mnist()
    stamps: list[float] = []

    def stamp() -> bool:
        stamps.append(time.perf_counter())
        return False

    _peer(task).train((x[: task["rows"]], y[: task["rows"]]), 2, stamp)
    return {"seconds": stamps[1] - stamps[0], "megabytes": _peak_memory()}


def _peak_memory() -> float:
    """Return the peak memory of this process in MiB; 0 where the system does not tell."""
    status = Path("/proc/self/status")
    if status.exists():
        # Unlike `ru_maxrss`, VmHWM does not start from the memory of the parent process.
        (line,) = (line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) / 2**10
    try:
        import resource
    except ModuleNotFoundError:  # Windows
        return 0.0
    unit = 2**20 if sys.platform == "darwin" else 2**10
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit


def predict(task: dict[str, Any]) -> dict[str, Any]:
    """Time the prediction of all test samples at once, and of a single one."""
    (x, y), (x_test, _) = load_mnist()
    peer = _peer(task)
    peer.train((x[:2000], y[:2000]), 1, lambda: False)
    x_test = x_test.astype(peer.dtype, copy=False)
    return {
        "seconds": _typical(lambda: peer.predict(x_test), 10),
        "seconds_of_one": _typical(lambda: peer.predict(x_test[:1]), 300),
    }


def _typical(call: Callable[[], Any], times: int) -> float:
    """Return the median time of a call in seconds, after one call to warm up."""
    seconds = []
    for _ in range(times + 1):
        started = time.perf_counter()
        call()
        seconds.append(time.perf_counter() - started)
    return float(np.median(seconds[1:]))


def cold(task: dict[str, Any]) -> dict[str, Any]:
    """Train with this package's schedule until the test accuracy after an epoch reaches `GOAL`."""
    train, (x_test, y_test) = load_mnist()
    peer = _peer(task, OneCycle(task["warmup"]))
    x_test = x_test.astype(peer.dtype, copy=False)
    accuracies: list[float] = []

    def reached() -> bool:
        accuracies.append(float((peer.predict(x_test) == y_test).mean()))
        return accuracies[-1] >= GOAL

    peer.train(train, task["epochs"], reached)
    return {"accuracy": accuracies[-1], "epochs": len(accuracies)}


def accuracy(task: dict[str, Any]) -> dict[str, Any]:
    """Train to the end, at the library's defaults; return test accuracy, epochs and seconds."""
    train, (x_test, y_test) = load_mnist()
    started = time.perf_counter()
    if task["peer"] == "numpymlp":
        from numpymlp.experiments.recipes import Recipe

        recipe = Recipe()
        model, epochs = recipe.build_network(train[0].shape[1], 10, task["seed"]), recipe.epochs
        recipe.build_trainer(model, task["seed"], verbose=0).fit(*train, epochs=epochs)
    else:
        module = importlib.import_module(ESTIMATORS[task["peer"]])
        model = module.MLPClassifier(random_state=task["seed"]).fit(*train)
        epochs = int(model.n_iter_)
    score = float((model.predict(x_test) == y_test).mean())
    return {"accuracy": score, "epochs": epochs, "seconds": time.perf_counter() - started}


TASKS = {"blas": blas, "epoch": epoch, "predict": predict, "cold": cold, "accuracy": accuracy}


if __name__ == "__main__":
    task = json.loads(sys.argv[1])
    warnings.simplefilter("ignore")
    print(json.dumps(TASKS[task["task"]](task)))
