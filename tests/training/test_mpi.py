"""Ranks of MPI: two of them learn what two processes learn; an error on one ends all."""

import importlib.util
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from runners import ENVIRONMENT, ROOT
from small_mnist import small_mnist

from numpymlp.__main__ import main
from numpymlp.experiments.folders import MODEL
from numpymlp.storage.models import load
from numpymlp.training import mpi

MPIEXEC = shutil.which("mpiexec", path=f"{Path(sys.executable).parent}{os.pathsep}{os.defpath}")
needs_mpi = pytest.mark.skipif(
    MPIEXEC is None or importlib.util.find_spec("mpi4py") is None,
    reason='needs mpi4py and mpiexec: pip install "mpi4py>=4.1" mpich',
)
SETTINGS = [
    *("--hidden", "33,20", "--epochs", "2", "--batch-size", "64", "--batch-norm"),
    *("--dropout", "0.2", "--rotation", "5", "--max-norm", "3", "--no-figures", "--no-check"),
]


def mpiexec(*arguments):
    """Run a Python program on two ranks; return status, standard output and standard error."""
    paths = os.pathsep.join([str(ROOT), str(ROOT / "tests"), *filter(None, sys.path)])
    result = subprocess.run(
        [MPIEXEC, "-n", "2", sys.executable, *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=120,
        env={**ENVIRONMENT, "PYTHONPATH": paths},
    )
    return result.returncode, result.stdout, result.stderr


@needs_mpi
def test_two_ranks_learn_what_two_processes_learn(tmp_path, capsys):
    small_mnist(tmp_path, 1000, 200)
    train = ["train", "--data", str(tmp_path), *SETTINGS]
    command = ["-m", "numpymlp", *train, "--workers", "mpi", "--output", tmp_path / "ranks"]
    status, output, errors = mpiexec(*command)
    assert (status, errors) == (0, "")
    assert "\nworkers: 2 ranks of MPI, each with a share of the units\n" in output
    assert output.count("test accuracy") == 1
    assert main([*train, "--workers", "2", "--output", str(tmp_path / "processes")]) == 0
    a, b = (load(tmp_path / name / MODEL) for name in ("ranks", "processes"))
    np.testing.assert_allclose(a.parameters, b.parameters, rtol=0, atol=1e-6)
    # A refused run ends all ranks with one line.
    status, _, errors = mpiexec(*command)
    assert status == 2
    assert "already holds files" in errors
    assert errors.count("\n") == 1
    # Only ranks resume a run of ranks.
    assert main(["train", "--resume", str(tmp_path / "ranks")]) == 2
    assert "expected ranks of MPI for this run, got one process" in capsys.readouterr().err
    status, output, errors = mpiexec(
        *("-m", "numpymlp", "train", "--workers", "mpi", "--resume", tmp_path / "ranks")
    )
    assert (status, errors) == (0, "")
    assert "is finished: 2 epochs" in output


@needs_mpi
@pytest.mark.parametrize("rank", [0, 1])
def test_an_error_on_one_rank_ends_all(rank):
    code = (
        "import programs; from numpymlp.training.mpi import Ranks, lead\n"
        f"lead(lambda: Ranks.current.run(programs.failing, {rank}))"
    )
    status, _, errors = mpiexec("-c", code)
    assert status != 0
    # Without the line's end: mpiexec may lose it when a rank aborts.
    assert f"numpymlp: rank {rank} failed: ZeroDivisionError: of the program" in errors


@needs_mpi
def test_sums_have_the_same_bits_on_all_ranks():
    code = (
        "import programs; from numpymlp.training.mpi import Ranks, lead\n"
        "print(lead(lambda: Ranks.current.run(programs.sums)[1].tolist()))"
    )
    status, output, errors = mpiexec("-c", code)
    assert (status, errors) == (0, "")
    # The other rank prints None, before it or in the same line.
    (numbers,) = re.findall(r"\[(.*?)\]", output)
    first, second = numbers.split(", ")
    assert first == second


@needs_mpi
def test_ranks_with_other_settings_are_refused():
    code = (
        "from numpymlp.training.mpi import Ranks, lead; from mpi4py import MPI\n"
        "lead(lambda: print('not this'), MPI.COMM_WORLD.rank)"
    )
    status, output, errors = mpiexec("-c", code)
    assert (status, output) == (1, "")
    assert "expected the same options and version of NumPy on all ranks, got others" in errors


class World:
    """The communicator of one rank."""

    def Get_rank(self):
        return 0

    def Get_size(self):
        return 1


def test_one_process_is_refused_with_the_command(monkeypatch, capsys):
    monkeypatch.setattr(mpi, "_world", World)
    assert main(["train", "--workers", "mpi"]) == 2
    assert "at least 2 ranks of MPI, got one process: start it with: mpiexec -n 2" in (
        errors := capsys.readouterr().err
    )
    assert errors.count("\n") == 1


def test_without_mpi4py_the_message_says_what_to_install(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "mpi4py", None)
    assert main(["train", "--workers", "mpi"]) == 2
    errors = capsys.readouterr().err
    assert "expected mpi4py and an MPI library" in errors
    assert errors.endswith(" -m pip install mpi4py mpich\n")
    assert errors.count("\n") == 1
