"""Compare an exercise's result with the correct one, and name the likely mistake."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NoReturn

import numpy as np
import pytest


def expect(
    name: str,
    got: Any,
    right: Any,
    causes: Sequence[tuple[Any, str]] = (),
    tolerance: float = 1e-9,
) -> None:
    """Fail with a diagnosis unless `got` equals `right`.

    Parameters
    ----------
    name : str
        Name of the result in the exercise, such as "dW".
    got, right : array_like
        The learner's result and the correct one.
    causes : sequence of (wrong value, diagnosis)
        Results of common mistakes; the first that equals `got` is reported.
    tolerance : float
        Largest difference, relative to the largest absolute value of `right`.
    """
    if diagnosis := diagnose(name, got, right, causes, tolerance):
        fail(diagnosis)


def expect_all(results: Sequence[tuple[Any, ...]], tolerance: float = 1e-9) -> None:
    """Check several results, and list each as right or wrong unless all are right.

    Parameters
    ----------
    results : sequence of (name, got, right, causes)
        As for `expect`, in the order in which they are computed: a wrong one often spoils those
        after it.
    tolerance : float
        As for `expect`.
    """
    found = {name: diagnose(name, *rest, tolerance=tolerance) for name, *rest in results}
    if not any(found.values()):
        return
    width = max(map(len, found))
    lines = [
        f"  {name:{width}}  " + (f"wrong: {text.removeprefix(f'{name}: ')}" if text else "right")
        for name, text in found.items()
    ]
    fail("\n".join(["in the order of the computation:", *lines]))


def expect_dict(got: Any, right: dict[str, Any], causes: Any = (), tolerance: float = 1e-9) -> None:
    """Check a dict of results in the order of `right`; `causes` maps a name to its causes."""
    if got is None:
        fail("expected a dict, got None: does your function end in a return?")
    if not isinstance(got, dict) or set(got) != set(right):
        keys = ", ".join(map(str, got)) if isinstance(got, dict) else type(got).__name__
        fail(f"expected a dict with the keys {', '.join(right)}, got {keys}")
    of = dict(causes)
    expect_all([(k, got[k], value, of.get(k, ())) for k, value in right.items()], tolerance)


def diagnose(
    name: str,
    got: Any,
    right: Any,
    causes: Sequence[tuple[Any, str]] = (),
    tolerance: float = 1e-9,
) -> str:
    """Say what is wrong with a result; "" if it is right. The parameters are those of `expect`."""
    if got is None:
        return f"{name}: expected a result, got None: does your function end in a return?"
    if got is ...:
        return f"Still to do: {name} is still the placeholder `...`."
    right = np.asarray(right)
    try:
        values = np.asarray(got)
        numeric = values.dtype.kind in "fiub"
    except ValueError:  # rows of different lengths
        numeric = False
    if not numeric:
        return f"{name}: expected numbers of shape {right.shape}, got {got!r:.100}"
    if _agree(values, right, tolerance):
        return ""
    for wrong, diagnosis in causes:
        if _agree(values, np.asarray(wrong), max(tolerance, 1e-6)):
            return f"{name}: {diagnosis}"
    if values.shape != right.shape:
        hint = ": is it transposed?" if values.T.shape == right.shape else ""
        return f"{name}: expected shape {right.shape}, got {values.shape}{hint}"
    if not np.isfinite(values.astype(float)).all():
        return f"{name}: expected finite numbers, got nan or inf among them."
    difference = np.abs(values.astype(float) - right.astype(float))
    place = np.unravel_index(int(difference.argmax()), right.shape)
    where = f" at {tuple(int(i) for i in place)}" if right.ndim else ""
    expected, found = _distinct(float(right[place]), float(values[place]))
    return f"{name}: expected {expected}{where}, got {found}"


def fail(message: str) -> NoReturn:
    """Fail the test with this message alone: no traceback, no earlier exception."""
    raise pytest.fail.Exception(message, pytrace=False) from None


def numeric_gradient(f: Callable[[], float], array: np.ndarray, h: float = 1e-5) -> np.ndarray:
    """Return the central difference of `f()` for every number of a float64 array that `f` uses."""
    gradient = np.zeros_like(array)
    for place in np.ndindex(array.shape):
        original = array[place]
        array[place] = original + h
        above = f()
        array[place] = original - h
        below = f()
        array[place] = original
        gradient[place] = (above - below) / (2 * h)
    return gradient


def _agree(values: np.ndarray, right: np.ndarray, tolerance: float) -> bool:
    if values.shape != right.shape:
        return False
    scale = float(np.abs(right.astype(float)).max(initial=0.0)) or 1.0
    with np.errstate(invalid="ignore"):
        return bool((np.abs(values.astype(float) - right) <= tolerance * scale).all())


def _distinct(first: float, second: float) -> tuple[str, str]:
    """Write two different numbers with as many digits as show the difference, at least six."""
    digits = 6
    while f"{first:.{digits}g}" == f"{second:.{digits}g}" and digits < 17:
        digits += 1
    return f"{first:.{digits}g}", f"{second:.{digits}g}"
