"""Jobs side by side: on any backend of joblib, and on a Dask cluster that loses a worker."""

import importlib.util
import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from pathlib import Path

import joblib
import numpy as np
import pytest
from small_mnist import small_mnist

from numpymlp.__main__ import main
from numpymlp.experiments.environment import cores
from numpymlp.experiments.jobs import check_jobs, on_dask, side_by_side
from numpymlp.experiments.recipes import Recipe
from numpymlp.experiments.results import read_results
from numpymlp.experiments.search import search
from numpymlp.training.interrupts import WorkerLost
from numpymlp.validation import InputError

needs_dask = pytest.mark.skipif(
    importlib.util.find_spec("distributed") is None, reason="needs Dask: pip install distributed"
)
needs_two_cores = pytest.mark.skipif(cores() < 2, reason="two jobs need two cores")


@pytest.mark.parametrize("jobs", [0, -2, 1.5, None, cores() + 1])
def test_more_jobs_than_cores_or_none_are_refused(jobs):
    with pytest.raises(
        InputError, match=rf"jobs: expected a number of processes from 1 to {cores()}"
    ):
        check_jobs(jobs)


@needs_two_cores
def test_the_active_backend_of_joblib_runs_the_jobs():
    def where(number):
        return number, threading.current_thread() is threading.main_thread()

    with joblib.parallel_config("threading"):
        found = sorted(side_by_side(where, [(n,) for n in range(5)], 2))
    assert found == [(n, False) for n in range(5)]


@needs_two_cores
def test_a_killed_job_ends_in_one_error():
    with pytest.raises(WorkerLost, match=r"^jobs: a process was killed, .*; the same command"):
        list(side_by_side(os._exit, [(9,), (9,)], 2))


JOBS_THAT_SLEEP = """
import os, pathlib, sys, time
from numpymlp.experiments.jobs import side_by_side

def note_and_sleep(number, folder):
    (pathlib.Path(folder) / str(os.getpid())).touch()
    time.sleep(60)

list(side_by_side(note_and_sleep, [(0, sys.argv[1]), (1, sys.argv[1])], 2))
"""


@needs_two_cores
@pytest.mark.skipif(os.name == "nt", reason="sends signals")
def test_sigterm_ends_the_jobs_too(tmp_path):
    parent = subprocess.Popen(
        [sys.executable, "-c", JOBS_THAT_SLEEP, str(tmp_path)], stderr=subprocess.PIPE, text=True
    )
    jobs = until(lambda: len(os.listdir(tmp_path)) == 2 and list(map(int, os.listdir(tmp_path))))
    parent.terminate()
    assert "interrupted; the same command continues" in parent.communicate(timeout=30)[1]
    assert until(lambda: not any(map(runs, jobs)))


def until(condition):
    """Wait for a condition, and return what it gives."""
    end = time.monotonic() + 30
    while not (found := condition()):
        assert time.monotonic() < end
        time.sleep(0.05)
    return found


def runs(pid):
    """Return whether a process runs: not ended, and no zombie."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    status = Path(f"/proc/{pid}/stat")
    return not (status.exists() and status.read_text().rpartition(")")[2].split()[0] == "Z")


@pytest.mark.parametrize("package", ["distributed", "joblib"])
def test_without_dask_the_message_says_what_to_install(package, monkeypatch):
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(InputError, match=r"^dask: expected .* pip install distributed joblib$"):
        on_dask("tcp://127.0.0.1:1").__enter__()


def test_without_joblib_jobs_say_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "joblib", None)
    with pytest.raises(InputError, match=r"^jobs: expected .* pip install joblib$"):
        next(side_by_side(abs, [(1,)], 2))


@needs_dask
@pytest.mark.parametrize("address", ["tcp://127.0.0.1:1", "nowhere://1"])
def test_a_scheduler_that_does_not_answer_is_refused(address, monkeypatch):
    monkeypatch.setattr("numpymlp.experiments.jobs.PATIENCE", 0.2)
    with pytest.raises(InputError, match=rf"^dask: .* that answers, got {address} "):
        on_dask(address).__enter__()


@pytest.mark.parametrize("command", ["search", "ladder"])
def test_dask_and_a_number_of_jobs_exclude_each_other(command, capsys):
    assert main([command, "--dask", "tcp://127.0.0.1:1", "--jobs", "2"]) == 2
    assert capsys.readouterr().err.startswith("numpymlp: --jobs: expected none with --dask")


# ---- with a cluster ----


@contextmanager
def cluster():
    """Start a Dask cluster of two processes."""
    from distributed import LocalCluster

    with LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as two:
        yield two


class Killer:
    """Kill one worker as soon as `say` is called with a text."""

    def __init__(self, two, text):
        self.pids, self.text = [each.pid for each in two.workers.values()], text

    def say(self, line):
        if self.text in line and len(self.pids) == 2:
            os.kill(self.pids.pop(), signal.SIGKILL)


@pytest.mark.slow  # two processes import scikit-learn
@needs_dask
@pytest.mark.skipif(os.name == "nt", reason="kills with signals")
def test_a_search_on_dask_is_complete_though_a_worker_is_killed():
    rng = np.random.default_rng(0)
    y = rng.integers(0, 3, 240)
    x = (rng.normal(size=(240, 6)) + 2 * np.eye(6)[y]).astype(np.float32)
    how = {"candidates": 9, "settings": {"learning_rate_init": list(np.geomspace(1e-5, 0.1, 9))}}
    recipe = Recipe(epochs=9, batch_size=20)
    with cluster() as two, on_dask(two.scheduler_address, x, y):
        killer = Killer(two, "round 2")
        rows = search(recipe, x, y, jobs=-1, say=killer.say, **how)
    assert len(killer.pids) == 1
    assert rows == search(recipe, x, y, **how)


@pytest.mark.slow
@needs_dask
@pytest.mark.skipif(os.name == "nt", reason="kills with signals")
def test_a_ladder_on_dask_is_complete_though_a_worker_is_killed(tmp_path):
    data, place = small_mnist(tmp_path, 1000, 200), tmp_path / "runs"
    command = ["ladder", "--only", "classic", "--seeds", "2", "--data", str(data), "--quiet"]

    def kill_while_it_trains(pid):
        while not list(place.glob("*/checkpoint.npz")):
            time.sleep(0.02)
        os.kill(pid, signal.SIGKILL)

    with cluster() as two:
        pid = next(each.pid for each in two.workers.values())
        killer = threading.Thread(target=kill_while_it_trains, args=(pid,), daemon=True)
        killer.start()
        results = tmp_path / "dask.csv"
        where = ["--folder", str(place), "--results", str(results)]
        assert main([*command, *where, "--dask", two.scheduler_address]) == 0
        killer.join(10)
    here = ["--folder", str(tmp_path / "here"), "--results", str(tmp_path / "here.csv")]
    assert main([*command, *here]) == 0
    columns = ("recipe", "seed", "test_accuracy", "train_accuracy")
    found, expected = (
        sorted([row[column] for column in columns] for row in read_results(path))
        for path in (results, tmp_path / "here.csv")
    )
    assert found == expected
    assert len(found) == 2
