"""Check the exercises: `.venv/bin/pytest tutorials/exercises -k 05`.

Each `test_NN_name.py` checks your answers in `NN_name.py`. With `--answers FOLDER` it checks the
files of another folder; `--answers tutorials/exercises/solutions` checks the solutions.
"""

from __future__ import annotations

import ast
import importlib.util
from collections.abc import Generator
from pathlib import Path
from types import ModuleType, TracebackType

import numpy as np
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
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        raise pytest.fail.Exception(_one_line(error, path), pytrace=False) from None
    return module


@pytest.hookimpl(wrapper=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> Generator[None, object, object]:
    """Report an open exercise, or an exception in an answer, in one line without a traceback."""
    try:
        return (yield)
    except NotImplementedError as hole:
        raise pytest.fail.Exception(f"Still to do: {hole}", pytrace=False) from None
    except Exception as error:
        module = pyfuncitem.funcargs.get("exercise")
        if module is None:
            raise
        text = _one_line(error, Path(str(module.__file__)))
        raise pytest.fail.Exception(text, pytrace=False) from None


def _one_line(error: Exception, path: Path) -> str:
    """Say in one line what went wrong, and in which line of the learner's file."""
    message = str(error).strip().partition("\n")[0]
    if isinstance(error, SyntaxError):
        return f"{path.name}, line {error.lineno}: {type(error).__name__}: {error.msg}"
    place, trace = None, error.__traceback__
    while trace is not None:
        if Path(trace.tb_frame.f_code.co_filename) == path:
            place = trace
        trace = trace.tb_next
    if place is None:  # the test itself stumbled over what the answer is or returns
        if isinstance(error, TypeError) and "argument" in message:
            return f"{message}: leave the arguments as the exercise gives them."
        if isinstance(error, AttributeError) and "exercise_" in message:
            return f"{message.rpartition('attribute ')[2]} is missing in {path.name}."
        kind = type(error).__name__
        return f"The test cannot use this result ({kind}: {message}): see what to return."
    text = f"{type(error).__name__}: {message}"
    if isinstance(error, ValueError):
        text = _shapes(place, path) or text
    return f"{path.name}, line {place.tb_lineno}: {text}"


def _shapes(trace: TracebackType, path: Path) -> str:
    """Return the shapes of the two operands if an operator failed, such as x @ W; else ""."""
    positions = list(trace.tb_frame.f_code.co_positions())[trace.tb_lasti // 2]
    first, last, begin, end = positions
    if first is None or last is None:
        return ""
    lines = path.read_bytes().splitlines()[first - 1 : last]  # columns are counted in bytes
    lines[-1] = lines[-1][:end]
    lines[0] = lines[0][begin:]
    try:
        (statement,) = ast.parse(b"\n".join([b"(", *lines, b")"])).body
        operation = getattr(statement, "value", None)
        if not isinstance(operation, ast.BinOp):
            return ""
        frame = trace.tb_frame
        sides = [
            np.shape(eval(ast.unparse(side), frame.f_globals, frame.f_locals))
            for side in (operation.left, operation.right)
        ]
    except Exception:  # an explanation that fails must not hide the error
        return ""
    sign = _SIGNS.get(type(operation.op), "and")
    return f"shapes {sides[0]} {sign} {sides[1]} do not fit"


_SIGNS = {ast.MatMult: "@", ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/"}
