"""The error for wrong input, and the checks that several modules share.

Data is checked once, where it enters the package: a loss, `Network`, `Trainer`, the metrics, the
commands. A message says what was expected, what was passed, and the likely fix. A check with one
caller is beside that caller.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray


class InputError(ValueError):
    """A value that a user passed in is not usable; the message says what was expected and passed.

    Every check of this package raises this error, so that a command can turn it into one line and
    an exit status, and a test can tell it from a fault of the package.
    """


def _got(value: Any) -> str:
    """Show a value on one short line, with what is likely wrong with its type."""
    text = " ".join(repr(value).split())
    if isinstance(value, str):
        return f"{text:.60}: a number is written without quotes"
    if isinstance(value, type) or callable(value):
        return f"{text:.60}: it has to be called, or is meant for another argument"
    if isinstance(value, np.ndarray | list | tuple):
        return f"{text:.60}: one number is expected, not several"
    return f"{text:.60}"


# ---- settings: single numbers ----


def check_positive_integer(value: Any, name: str) -> int:
    """Return a whole number of at least 1 as an int."""
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < 1:
        meant = ""
        if isinstance(value, float) and value.is_integer() and value >= 1:
            meant = f": int({value!r}) where a whole number is meant"
        raise InputError(f"{name}: expected a whole number of at least 1, got {_got(value)}{meant}")
    return int(value)


def check_range(
    value: Any,
    name: str,
    low: float,
    high: float,
    *,
    left_open: bool = False,
    right_open: bool = False,
) -> float:
    """Return a number between `low` and `high` as a plain Python float."""
    number = math.nan
    if isinstance(value, (int, float, np.integer, np.floating)) and not isinstance(value, bool):
        with contextlib.suppress(OverflowError):  # whole numbers know no bound
            number = float(value)
    above = number > low if left_open else number >= low
    below = number < high if right_open else number <= high
    if not (above and below):
        span = f"{'(' if left_open else '['}{low:g}, {high:g}{')' if right_open else ']'}"
        raise InputError(f"{name}: expected a number in {span}, got {_got(value)}")
    return number


def check_positive(value: Any, name: str) -> float:
    """Return a finite number above 0 as a plain Python float."""
    return check_range(value, name, 0, math.inf, left_open=True, right_open=True)


def check_choice(value: Any, name: str, choices: Sequence[str]) -> str:
    """Return one of the named choices."""
    if not isinstance(value, str) or value not in choices:
        raise InputError(f"{name}: expected one of {', '.join(choices)}, got {value!r:.80}")
    return value


def check_rng(rng: Any) -> np.random.Generator:
    """Return a random generator."""
    if not isinstance(rng, np.random.Generator):
        raise InputError(
            f"rng: expected a numpy.random.Generator, got {type(rng).__name__}: pass "
            f"np.random.default_rng(seed)"
        )
    return rng


def check_seed(seed: Any) -> int:
    """Return a seed: a whole number of at least 0."""
    if isinstance(seed, bool) or not isinstance(seed, (int, np.integer)) or seed < 0:
        raise InputError(f"seed: expected a whole number of at least 0, got {_got(seed)}")
    return int(seed)


def check_callable(value: Any, name: str, example: str) -> Callable[..., Any]:
    """Return something that can be called; a class that still lacks its () cannot."""
    if isinstance(value, type):
        raise InputError(f"{name}: expected {example}, got the class {value.__name__}: add ()")
    if not callable(value):
        raise InputError(f"{name}: expected {example}, got {value!r:.80}")
    return value


def check_list(value: Any, name: str, example: str) -> list[Any]:
    """Return a sequence as a list."""
    if isinstance(value, str) or not hasattr(value, "__iter__"):
        raise InputError(f"{name}: expected a list such as {example}, got {value!r:.80}")
    return list(value)


def check_dtype(dtype: Any) -> np.dtype[Any]:
    """Return float32 or float64."""
    for allowed in (np.dtype(np.float32), np.dtype(np.float64)):
        with contextlib.suppress(TypeError):  # what NumPy says of names that are no type
            if dtype is not None and np.dtype(dtype) == allowed:  # np.dtype(None) is float64
                return allowed
    raise InputError(f"dtype: expected numpy.float32 or numpy.float64, got {dtype!r:.80}")


def as_array(value: Any, name: str) -> NDArray[Any]:
    """Return any array_like as an array; rows of different lengths and masks are errors."""
    if isinstance(value, np.ma.MaskedArray) and np.ma.is_masked(value):
        raise InputError(
            f"{name}: expected plain numbers, got a masked array with masked values: fill them "
            f"first, x.filled(0)"
        )
    try:
        return np.asarray(value)
    except ValueError as error:
        raise InputError(
            f"{name}: expected an array, got rows of different lengths: every sample needs the "
            f"same number of features"
        ) from error


def own_arrays(state: dict[str, Any]) -> dict[str, Any]:
    """Return the state of a copy with arrays that it may write: those of joblib lie in a file."""
    arrays = {k: np.require(v, None, "W") for k, v in state.items() if isinstance(v, np.ndarray)}
    return state | arrays


# ---- what passes through network, loss and optimizer: checks that cost next to nothing ----


def check_logits(logits: NDArray[Any]) -> NDArray[Any]:
    """Raise unless the outputs that a loss gets are floats of shape (N, K)."""
    if not isinstance(logits, np.ndarray) or logits.ndim != 2 or logits.dtype.kind != "f":
        raise InputError(
            f"a loss expected logits as a float array of shape (N, K), got {describe(logits)}: "
            f"pass what network.forward(x) returned, logits first, targets second"
        )
    if logits.size == 0:
        raise InputError(f"a loss expected at least one row of logits, got shape {logits.shape}")
    return logits


def check_class_targets(targets: ArrayLike, logits: NDArray[Any]) -> NDArray[Any]:
    """Return the targets of a softmax: integers (N,) in range, or rows (N, K) that sum to 1."""
    y, (rows, classes) = as_array(targets, "targets"), logits.shape
    if classes == 1:
        raise InputError(
            "a softmax expected at least 2 outputs, got 1, whose probability is always 1: "
            "for yes or no use SigmoidCrossEntropy with output='sigmoid'"
        )
    if y.shape == (rows,) and y.dtype.kind in "iub":
        labels = y.astype(np.uintp)  # a negative one becomes huge, so that one look tells
        if labels.max() >= classes:
            raise InputError(
                f"expected labels from 0 to {classes - 1}, got {y.min()} to {y.max()}: the network "
                f"has {classes} outputs, one for each class; labels count from 0"
            )
        return labels.view(np.intp)
    if y.shape == (rows, classes) and y.dtype.kind in "fiub":
        soft = y.astype(logits.dtype)
        sums = soft.sum(axis=1, keepdims=True)
        if not (np.abs(sums - 1) <= 1e-3).all() or soft.min() < 0:
            raise InputError(
                f"expected each row of soft targets to be probabilities that sum to 1, got a row "
                f"that sums to {sums[np.abs(sums - 1).argmax(), 0]:g} and values from "
                f"{soft.min():g} to {soft.max():g}: are these logits, or several labels a sample? "
                f"Those need SigmoidCrossEntropy"
            )
        # The gradient p - t is right only where a row sums to 1 exactly, not as float32 rounds it.
        soft /= sums
        return soft
    raise InputError(
        f"expected integer labels of shape ({rows},) or probabilities of shape ({rows}, {classes}) "
        f"for logits {logits.shape}, got {describe(y)}{_label_cause(y, rows)}"
    )


def _label_cause(y: NDArray[Any], rows: int) -> str:
    if y.shape == (rows, 1):
        return ": flatten the column with y.ravel()"
    if y.shape == (rows,) and y.dtype.kind == "f":
        return ": labels are whole numbers; use y.astype(int)"
    if y.dtype.kind in "OUS":
        return ": turn names into integers with np.unique(y, return_inverse=True)[1]"
    if y.ndim > 0 and len(y) != rows:
        return f": {len(y)} targets for {rows} samples"
    return ": does the last layer have one output for each class?"


def check_real_targets(targets: ArrayLike, outputs: NDArray[Any]) -> NDArray[Any]:
    """Return targets in the shape of the outputs (N, K); (N,) is taken for a single output.

    Nothing is broadcast: (N,) against (N, K) would quietly become (N, N) or worse.
    """
    y = as_array(targets, "targets")
    if y.shape == outputs.shape[:1] and outputs.shape[1] == 1:
        y = y[:, None]
    if y.shape != outputs.shape or y.dtype.kind not in "fiub":
        if y.ndim == 1 and y.dtype.kind in "iu" and outputs.shape[1] > 1:
            cause = ": integer classes need SoftmaxCrossEntropy, or one-hot rows here"
        elif y.ndim > 0 and len(y) != len(outputs):
            cause = f": {len(y)} targets for {len(outputs)} samples"
        elif y.dtype.kind not in "fiub":
            cause = ": targets are numbers"
        else:
            cause = ": does the last layer have one output for each target of a sample?"
        raise InputError(
            f"expected targets of shape {outputs.shape}, that of the outputs, "
            f"got {describe(y)}{cause}"
        )
    return y.astype(outputs.dtype)


def check_binary_targets(targets: ArrayLike, logits: NDArray[Any]) -> NDArray[Any]:
    """Return the targets of a sigmoid: in [0, 1], in the shape of the logits."""
    y = check_real_targets(targets, logits)
    if not (y.min() >= 0 and y.max() <= 1):
        raise InputError(
            f"sigmoid outputs expected targets in [0, 1], got {y.min():g} to {y.max():g}: "
            f"labels are 0 and 1, not -1 and 1; other values need MeanSquaredError"
        )
    return y


def check_sample_weight(sample_weight: ArrayLike, rows: int) -> NDArray[np.float64]:
    """Return the weights of the samples as floats (N,), none negative."""
    weight = as_array(sample_weight, "sample_weight")
    if weight.shape != (rows,) or weight.dtype.kind not in "fiub":
        raise InputError(
            f"sample_weight: expected {rows} numbers, one for each sample, got {describe(weight)}"
        )
    if not (weight.min() >= 0 and weight.max() < np.inf):
        raise InputError(
            f"sample_weight: expected finite weights of at least 0, got {weight.min():g} to "
            f"{weight.max():g}"
        )
    return weight.astype(np.float64)


def refuse_probabilities() -> Any:
    """Raise where a network that gives values is asked for probabilities."""
    raise InputError(
        "predict_proba expected output='softmax' or 'sigmoid', got 'identity': a regression has "
        "values, no probabilities; use predict"
    )


def check_cache(cache: Any) -> Any:
    """Return what the forward pass of a loss left for backward."""
    if cache is None:
        raise InputError("backward expected a forward pass before it: call forward first")
    return cache


def check_same_shape(name_a: str, a: Any, name_b: str, b: Any) -> None:
    """Raise unless two arrays have one shape: nothing is broadcast."""
    if np.shape(a) != np.shape(b):
        raise InputError(
            f"{name_a} and {name_b}: expected the same shape, got {np.shape(a)} and {np.shape(b)}"
        )


@np.errstate(over="ignore")  # of the cast: what it makes infinite is named
def check_answers(logits: NDArray[Any], batch: NDArray[Any], start: int) -> NDArray[Any]:
    """Raise unless a prediction is made from finite rows (N, K): argmax of NaN is 0.

    `start` is the number of the first row of the batch in the data that it is from.
    """
    if logits.ndim != 2:
        raise InputError(
            f"expected outputs of shape (N, K), one row for each sample, got {logits.shape}: let "
            f"the network end with a layer of vectors, such as Dense"
        )
    if not np.isfinite(logits).all():
        row = first_bad_row(logits)
        cause = (
            "x holds NaN, infinity or numbers too large in that row"
            if not np.isfinite(batch[row].astype(logits.dtype)).all()
            else "has training diverged? Its parameters hold NaN, infinity or huge numbers"
        )
        raise InputError(
            f"expected finite outputs, got NaN or infinity, first in row {start + row}: {cause}"
        )
    return logits


def check_vector(value: Any, name: str, example: str) -> NDArray[Any]:
    """Return a vector (P,) of float32 or float64."""
    right = isinstance(value, np.ndarray) and value.ndim == 1
    if not right or value.dtype not in (np.float32, np.float64):
        raise InputError(
            f"{name}: expected a vector (P,) of float32 or float64, got {describe(value)}: pass "
            f"{example}"
        )
    return value


def start_step(optimizer: Any, parameters: Any, gradients: Any, factor: Any) -> float:
    """Return the rate of a step; the optimizer keeps the vector, to tell it from another's."""
    if optimizer.vector is parameters and optimizer.t:  # as in every step but the first
        alike = getattr(gradients, "shape", None) == parameters.shape
        rates = isinstance(factor, float) and isinstance(optimizer.learning_rate, float)
        if alike and gradients.dtype == parameters.dtype and rates:
            rate = optimizer.learning_rate * factor
            if 0 <= rate < math.inf:
                return rate
    rate = check_step(optimizer, parameters, gradients, factor)
    optimizer.vector = parameters
    return rate


def check_step(optimizer: Any, parameters: Any, gradients: Any, factor: Any) -> float:
    """Raise unless a step continues the former ones of an optimizer; return its rate."""
    check_vector(parameters, "step: parameters", "network.parameters")
    check_vector(gradients, "step: gradients", "network.gradients")
    if (parameters.shape, parameters.dtype) != (gradients.shape, gradients.dtype):
        raise InputError(
            f"step expected gradients like the parameters, {describe(parameters)}, got "
            f"{describe(gradients)}"
        )
    state = [getattr(optimizer, name) for name in optimizer.state_names]
    arrays = [value for value in state if isinstance(value, np.ndarray)]
    alike = all((a.shape, a.dtype) == (parameters.shape, parameters.dtype) for a in arrays)
    former = optimizer.vector if arrays or optimizer.t else None
    if not alike or not (former is None or np.may_share_memory(former, parameters)):
        raise InputError(
            f"{optimizer} expected the parameters of the network that it has taken steps for"
            f"{'' if alike else f', {describe(arrays[0])}'}, got those of another, "
            f"{describe(parameters)}: call optimizer.reset(), or make a new optimizer"
        )
    rate = check_range(optimizer.learning_rate, "learning_rate", 0, math.inf, right_open=True)
    return rate * check_range(factor, "step: factor", 0, math.inf, right_open=True)


def describe(value: Any) -> str:
    """Return shape and dtype of an array, or the type of anything else, for a message."""
    if not isinstance(value, np.ndarray):
        return f"{type(value).__name__}"
    return f"shape {value.shape} of {value.dtype}"


def check_finite(array: NDArray[Any], name: str) -> NDArray[Any]:
    """Raise if there is NaN or infinity among these numbers, one sample a row."""
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        raise InputError(
            f"{name}: expected finite numbers, got NaN or infinity, first in row "
            f"{first_bad_row(array)}: fill or drop missing values first"
        )
    return array


def first_bad_row(array: NDArray[Any]) -> int:
    """Return the first row with NaN or infinity in it."""
    flat = array.reshape(len(array), -1)
    return int(np.flatnonzero(~np.isfinite(flat).all(axis=1))[0])


def check_pair(x: ArrayLike, y: ArrayLike) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return samples and targets as arrays with the same number of rows, at least one."""
    samples, targets = as_array(x, "x"), as_array(y, "y")
    if samples.ndim == 0 or targets.ndim == 0 or not 0 < len(samples) == len(targets):
        raise InputError(
            f"x and y: expected one row for each sample in both, got x of shape {samples.shape} "
            f"and y of shape {targets.shape}: do they come from the same data set?"
        )
    return samples, targets


def as_sample_weight(sample_weight: ArrayLike | None, rows: int) -> NDArray[np.float64] | None:
    """Return one weight of at least 0 for each sample, (N,), not all 0, or None for equal ones."""
    if sample_weight is None:
        return None
    weight = check_sample_weight(sample_weight, rows)
    if not weight.any():
        raise InputError("sample_weight: expected a weight above 0 somewhere, got only 0")
    return weight
