"""Processes that share memory: sums, deaths, and nothing left behind."""

import multiprocessing
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import programs
import pytest

from numpymlp.data.pixels import Pixels
from numpymlp.parallel import Communicator
from numpymlp.training.interrupts import WorkerLost
from numpymlp.training.workers import Shared, run
from numpymlp.validation import InputError

TESTS = Path(__file__).parent.parent


@pytest.mark.parametrize("workers", [2, 3])
def test_sums_of_any_size_have_the_same_bits_on_all_workers(workers):
    results, codes = run(workers, programs.sums)
    assert len(set(codes)) == 1
    sizes = [(size, t) for size in (1, 3, 1280, 300_000, 700_001) for t in ("f4", "f8", "i8")]
    for result, (size, dtype) in zip(results, sizes, strict=False):
        parts = [(np.arange(size, dtype=dtype) * (r + 1) / 3).astype(dtype) for r in range(workers)]
        assert result.tobytes() == sum(parts[1:], parts[0]).tobytes()
        assert result.dtype == dtype
    np.testing.assert_allclose(results[-1], np.full((5, 7), sum(range(workers)) + 0.1 * workers))


def test_one_worker_is_this_process():
    comm, a = run(1, lambda comm: (comm, comm.sum(np.arange(3))))
    assert (type(comm), comm.rank, comm.size) == (Communicator, 0, 1)
    assert a.tolist() == [0, 1, 2]


def test_who_waits_long_sleeps():
    assert run(2, programs.late)


def test_blas_has_one_thread_on_each_worker():
    assert run(2, programs.threads_of_blas).tolist() == [1, 1]


@pytest.mark.skipif(os.name == "nt", reason="kills with signals")
def test_a_killed_worker_ends_the_others_and_is_named():
    with pytest.raises(WorkerLost, match=r"^worker 3 of 3 was killed \(SIGKILL\)$"):
        run(3, programs.killed, 2)
    assert multiprocessing.active_children() == []


def test_an_error_on_another_worker_is_reported_here():
    with pytest.raises(WorkerLost, match=r"^worker 2 of 2 failed: ZeroDivisionError: of the prog"):
        run(2, programs.failing, 1)
    assert multiprocessing.active_children() == []


@pytest.mark.skipif(os.name == "nt", reason="kills with signals")
def test_a_worker_that_is_killed_while_it_starts_is_found(monkeypatch):
    # More was sent than its pipe holds, and the first worker waited for ever.
    launch = multiprocessing.get_context("spawn").Process.start

    def start(process):
        launch(process)
        process.kill()

    monkeypatch.setattr(multiprocessing.context.SpawnProcess, "start", start)
    with pytest.raises(WorkerLost, match=r"^worker 2 of 2 was killed \(SIGKILL\)$"):
        run(2, programs.failing, np.zeros(10**6))


def test_an_error_here_ends_the_others():
    with pytest.raises(ZeroDivisionError):
        run(2, programs.failing, 0)
    assert multiprocessing.active_children() == []


def exists(pid):
    try:
        os.kill(pid, 0)
        state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except OSError:
        return False
    return state != "Z"  # a dead process whose parent has not looked yet


@pytest.mark.skipif(not os.path.isdir("/proc/self"), reason="reads /proc")
def test_when_the_first_worker_is_killed_the_others_end():
    code = "import programs; from numpymlp.training.workers import run; run(2, programs.endless)"
    paths = os.pathsep.join([str(TESTS), *filter(None, sys.path)])
    process = subprocess.Popen(
        [sys.executable, "-c", code],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": paths},
    )
    other = int(process.stdout.readline())
    assert exists(other)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    deadline = time.monotonic() + 30
    while exists(other) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not exists(other)


def test_shared_memory_has_no_name_that_could_be_left_behind():
    names = set(programs.files_of_shared_memory(Communicator()))
    inside = set(run(2, programs.files_of_shared_memory))
    assert not {name for name in inside - names if name.startswith(("pym", "psm"))}


@pytest.mark.skipif(not os.path.isdir("/proc/self"), reason="reads /proc")
def test_what_is_sent_to_a_worker_is_freed_there_and_here():
    before = programs.shared_mebibytes(Communicator(), None)
    inside = run(2, programs.shared_mebibytes, np.zeros(50 << 20, np.uint8))
    assert inside - 2 * before < 25


@pytest.mark.parametrize(("program", "times"), [("programs.late", 1), ("mine", 2)])
def test_a_worker_imports_the_script_only_if_its_program_is_defined_there(program, times, tmp_path):
    script = tmp_path / "script.py"
    script.write_text(
        "import programs; from numpymlp.training.workers import run; print('imported')\n"
        "def mine(comm): programs.late(comm)\n"
        f"if __name__ == '__main__': run(2, {program})"
    )
    paths = os.pathsep.join([str(TESTS), *filter(None, sys.path)])
    output = subprocess.run(
        [sys.executable, script],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONPATH": paths},
    ).stdout
    assert output.count("imported") == times


def test_a_program_that_cannot_be_sent_is_refused():
    with pytest.raises(InputError, match="cannot be pickled"):
        run(2, lambda comm: None)
    assert multiprocessing.active_children() == []


def test_an_array_is_shared_not_copied():
    a = np.random.default_rng(0).normal(size=(50, 4))
    shared = Shared.of(a)
    assert shared.view().tobytes() == a.tobytes()
    assert np.shares_memory(Shared.of(shared.view()).view(), shared.view())
    assert not np.shares_memory(Shared.of(shared.view()[1:]).view(), shared.view())
    np.testing.assert_allclose(run(2, programs.total, shared), 2 * a.sum(axis=0))


def test_pixels_are_shared_as_bytes():
    pixels = Pixels(np.arange(12, dtype=np.uint8).reshape(3, 4))
    shared = Shared.of(pixels)
    assert shared.view().values.dtype == np.uint8
    assert np.asarray(shared.view()).tobytes() == np.asarray(pixels).tobytes()
    assert np.shares_memory(Shared.of(shared.view()).view().values, shared.view().values)


@pytest.mark.parametrize("workers", [0, -1, 1.5, "2"])
def test_a_number_of_workers_that_is_none_is_refused(workers):
    with pytest.raises(InputError, match="workers"):
        run(workers, programs.late)
