"""What the tests of the exercises share: a comparison that says what may be wrong."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest


def expect(
    name: str,
    got: Any,
    right: Any,
    causes: Sequence[tuple[Any, str]] = (),
    tolerance: float = 1e-9,
) -> None:
    """Fail with a diagnosis unless `got` is `right`.

    Parameters
    ----------
    name : str
        What was computed, as the learner calls it: "dW".
    got, right : array_like
    causes : sequence of (wrong value, diagnosis)
        Values that known mistakes lead to; the first that `got` agrees with is reported.
    tolerance : float
        Largest difference, relative to the largest number of `right`.
    """
    if got is None:
        fail(f"{name}: your function returned None. Does it end in a return?")
    if got is ...:
        fail(f"Still to do: {name} is the hole `...` that the file came with.")
    right = np.asarray(right)
    try:
        values = np.asarray(got)
        numeric = values.dtype.kind in "fiub"
    except ValueError:  # rows of different lengths
        numeric = False
    if not numeric:
        fail(f"{name}: expected numbers of shape {right.shape}, got {got!r:.100}")
    if _agree(values, right, tolerance):
        return
    for wrong, diagnosis in causes:
        if _agree(values, np.asarray(wrong), max(tolerance, 1e-6)):
            fail(f"{name}: {diagnosis}")
    if values.shape != right.shape:
        hint = ": is it transposed?" if values.T.shape == right.shape else ""
        fail(f"{name}: expected shape {right.shape}, got {values.shape}{hint}")
    if not np.isfinite(values.astype(float)).all():
        fail(f"{name}: expected finite numbers, got nan or inf among them.")
    difference = np.abs(values.astype(float) - right.astype(float))
    place = np.unravel_index(int(difference.argmax()), right.shape)
    where = f" at {tuple(int(i) for i in place)}" if right.ndim else ""
    fail(f"{name}: expected {float(right[place]):.6g}{where}, got {float(values[place]):.6g}")


def fail(message: str) -> None:
    """Fail the test with this message alone."""
    pytest.fail(message, pytrace=False)


def numeric_gradient(f: Callable[[], float], array: np.ndarray, h: float = 1e-5) -> np.ndarray:
    """Give the central difference of `f()` for every number of a float64 array that `f` uses."""
    gradient = np.zeros_like(array)
    for place in np.ndindex(array.shape):
        kept = array[place]
        array[place] = kept + h
        above = f()
        array[place] = kept - h
        below = f()
        array[place] = kept
        gradient[place] = (above - below) / (2 * h)
    return gradient


def _agree(values: np.ndarray, right: np.ndarray, tolerance: float) -> bool:
    if values.shape != right.shape:
        return False
    scale = float(np.abs(right.astype(float)).max(initial=0.0)) or 1.0
    with np.errstate(invalid="ignore"):
        return bool((np.abs(values.astype(float) - right) <= tolerance * scale).all())
