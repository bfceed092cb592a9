"""Check the exercises: `.venv/bin/pytest tutorials/exercises -k 04`.

Each `test_NN_name.py` checks your answers in `NN_name.py`. With `--answers FOLDER` it checks the
files of another folder; `--answers tutorials/exercises/solutions` checks the solutions.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Generator
from pathlib import Path
from types import ModuleType

import pytest

HERE = Path(__file__).parent


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--answers", type=Path, default=HERE, help="folder of the answers to check (exercises)"
    )


@pytest.fixture
def exercise(request: pytest.FixtureRequest) -> ModuleType:
    """Load the learner's file as a module, anew for every test."""
    path = request.config.getoption("answers", HERE) / request.path.name.removeprefix("test_")
    # Loaded by path, because a module name cannot begin with a digit.
    spec = importlib.util.spec_from_file_location(f"exercise_{path.stem}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.hookimpl(wrapper=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> Generator[None, object, object]:
    """Report an exercise that is still open in one line, because a traceback would not help."""
    try:
        return (yield)
    except NotImplementedError as hole:
        raise pytest.fail.Exception(f"Still to do: {hole}", pytrace=False) from None
