"""Runs of several processes: killed, interrupted and resumed, they end as undisturbed ones."""

import contextlib
import json
import os
import random
import signal
import tempfile
import time
from pathlib import Path

import numpy as np
import pytest
from runners import SETTINGS, leftovers, result, run, start, wait_for
from small_mnist import small_mnist

from numpymlp.__main__ import main
from numpymlp.experiments.folders import CHECKPOINT, CONFIG, METRICS, MODEL
from numpymlp.experiments.parallel_runs import check_workers
from numpymlp.storage.models import load
from numpymlp.validation import InputError

pytestmark = pytest.mark.skipif(not os.path.isdir("/proc/self"), reason="looks into /proc")


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    return small_mnist(tmp_path_factory.mktemp("small-mnist"), 1000, 200)


def begin(small, folder, workers=2):
    return ["--data", small, "--output", folder, *SETTINGS, "--workers", workers]


@pytest.fixture(scope="module")
def undisturbed(small, tmp_path_factory):
    """The result of a run of two workers without interruption, and its duration."""
    folder, began = tmp_path_factory.mktemp("runs") / "run", time.monotonic()
    status, output, errors = run(begin(small, folder))
    assert (status, errors) == (0, "")
    assert "\nworkers: 2 processes, each with a share of the units\n" in output
    return result(folder), time.monotonic() - began


def other_workers(process):
    """Return the processes that a run has started as workers."""
    found = []
    for place in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            parent = int((place / "stat").read_text().rsplit(")", 1)[1].split()[1])
            if parent == process.pid and "spawn_main" in (place / "cmdline").read_text():
                found.append(int(place.name))
    return found


def is_running(pid):
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    return False


def shared_files():
    """Return the names that shared memory has or could have left behind."""
    places = [Path("/dev/shm"), Path(tempfile.gettempdir())]
    return {path for place in places if place.is_dir() for path in place.glob("py?p*-*")} | {
        path for place in places if place.is_dir() for path in place.glob("psm*")
    }


def test_two_workers_learn_what_one_learns(small, tmp_path, undisturbed):
    status, _, errors = run(begin(small, tmp_path / "one", workers=1))
    assert (status, errors) == (0, "")
    one = result(tmp_path / "one")
    assert one["config"] == {**undisturbed[0]["config"], "workers": 1}
    assert one["metrics"]["workers"] == 1
    (tmp_path / "two.npz").write_bytes(undisturbed[0]["model"])
    a, b = load(tmp_path / "two.npz"), load(tmp_path / "one" / MODEL)
    # The whole network, up to the rounding of float32 that six epochs let grow.
    np.testing.assert_allclose(a.parameters, b.parameters, atol=2e-2)
    for row, other in zip(undisturbed[0]["history"], one["history"], strict=True):
        assert float(row["validation_loss"]) == pytest.approx(float(other["validation_loss"]), 2e-2)


def kill_and_finish(small, folder, undisturbed, rank, wait):
    """Kill a worker of a run after waiting, and resume it; return the rank that was killed."""
    files = shared_files()
    process = start(begin(small, folder))
    wait(process)
    others = other_workers(process)
    first = not others or rank == 0
    with contextlib.suppress(ProcessLookupError):
        os.kill(process.pid if first else others[0], signal.SIGKILL)
    _, errors = process.communicate(timeout=60)
    deadline = time.monotonic() + 60
    while any(map(is_running, others)) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not any(map(is_running, others))
    assert shared_files() <= files
    if not first and process.returncode:
        assert process.returncode == 2
        command = f"numpymlp train --resume {folder}\n"
        assert errors.startswith("numpymlp: worker 2 of 2 was killed (SIGKILL); resume with: ")
        assert errors.endswith(command)
        assert errors.count("\n") == 1
    if (folder / CHECKPOINT).exists():
        status, _, errors = run(["--resume", folder, "--no-figures"])
    else:
        overwrite = ["--overwrite"] if (folder / CONFIG).exists() else []
        status, _, errors = run([*begin(small, folder), *overwrite])
    assert (status, errors) == (0, "")
    assert result(folder) == undisturbed[0]
    assert leftovers(folder) == []
    return 0 if first else rank


@pytest.mark.parametrize("rank", [0, 1])
def test_a_run_whose_worker_is_killed_is_resumed_bit_for_bit(rank, small, tmp_path, undisturbed):
    def wait(process):
        wait_for(process, "epoch 2/6")

    assert kill_and_finish(small, tmp_path / "run", undisturbed, rank, wait) == rank


@pytest.mark.slow
def test_forty_runs_whose_workers_are_killed_are_resumed_bit_for_bit(small, tmp_path, undisturbed):
    chance, killed = random.Random(0), []
    for attempt in range(40):
        seconds = chance.uniform(0.2, 1.0) * undisturbed[1]
        killed.append(
            kill_and_finish(
                small,
                tmp_path / str(attempt),
                undisturbed,
                chance.randrange(2),
                lambda process, seconds=seconds: time.sleep(seconds),
            )
        )
    assert killed.count(0) > 5
    assert killed.count(1) > 5


@pytest.mark.parametrize(
    ("number", "status", "to_all"), [(signal.SIGINT, 130, True), (signal.SIGTERM, 143, False)]
)
def test_a_signal_ends_all_workers_with_a_checkpoint(
    small, tmp_path, undisturbed, number, status, to_all
):
    folder = tmp_path / "run"
    process = start(begin(small, folder), start_new_session=True)
    wait_for(process, "epoch 2/6")
    others = other_workers(process)
    if to_all:  # as a terminal sends Ctrl-C
        os.killpg(process.pid, number)
    else:
        process.send_signal(number)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == status
    assert errors.count("\n") == 1
    assert "the checkpoint is saved, resume with: " in errors
    assert len(others) == 1
    assert not any(map(is_running, others))
    assert not (folder / METRICS).exists()
    assert run(["--resume", folder, "--no-figures"])[0] == 0
    assert result(folder) == undisturbed[0]


def test_a_resumed_run_keeps_its_number_of_workers(small, tmp_path, capsys):
    settings = ["--hidden", "7", "--epochs", "1", "--no-figures", "--no-check"]
    arguments = ["--data", str(small), "--output", str(tmp_path / "run"), *settings]
    assert main(["train", *arguments, "--workers", "2"]) == 0
    assert json.loads((tmp_path / "run" / CONFIG).read_text())["workers"] == 2
    assert json.loads((tmp_path / "run" / METRICS).read_text())["threads"] == 1
    assert main(["train", "--resume", str(tmp_path / "run"), "--workers", "2"]) == 2
    assert "--resume keeps all settings" in capsys.readouterr().err
    (tmp_path / "run" / METRICS).unlink()
    assert main(["train", "--resume", str(tmp_path / "run"), "--no-figures"]) == 0
    assert "workers: 2 processes" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--workers", "0"], "--workers: expected a whole number of at least 1, got 0"),
        (["--workers", "-2"], "--workers: expected a whole number of at least 1, got -2"),
        (["--workers", "two"], "--workers: expected a whole number, got 'two'"),
        (["--workers", "8"], "--workers: expected at most 7 for Dense(784 -> 7), one for each"),
        (["--workers", "2", "--threads", "2"], "--threads: expected 1 for several workers"),
    ],
)
def test_workers_that_cannot_be_are_refused_before_a_file_is_written(
    options, message, small, tmp_path, capsys, monkeypatch
):
    monkeypatch.setattr("numpymlp.experiments.threads.cores", lambda: 2)
    folder = tmp_path / "run"
    arguments = ["--data", str(small), "--output", str(folder), "--hidden", "7", *options]
    try:
        status = main(["train", *arguments])
    except SystemExit as stop:
        status = stop.code
    assert status == 2
    errors = capsys.readouterr().err
    assert message in errors
    assert errors.count("\n") == 1
    assert not folder.exists() or [path.name for path in folder.iterdir()] in ([], [".lock"])


def test_one_worker_is_the_default():
    assert check_workers(None) == 1
    assert check_workers(3, threads=1) == 3
    with pytest.raises(InputError, match="got 4"):
        check_workers(2, threads=4)
