"""Checks of what the Trainer is given: its parts, its data, its weights, its schedule's factors.

Each runs once, before anything is changed; a message says what was expected, what was passed and
the likely fix. `trainer.py`, `samples.py` and `scoring.py` call them.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Mapping
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from numpymlp.data.pixels import Pixels
from numpymlp.network import Network
from numpymlp.optimizers import Optimizer
from numpymlp.training.warn import warn_user
from numpymlp.validation import (
    InputError,
    as_array,
    check_callable,
    check_range,
    check_sample_weight,
    check_step,
    describe,
    first_bad_row,
)

# Inputs beyond this are not what a network is made for: unscaled pixels, prices, years.
LARGE = 100.0


def check_training_data(
    network: Network, x: ArrayLike, y: ArrayLike, name: str = "training"
) -> tuple[Any, NDArray[Any]]:
    """Return samples and targets as arrays that this network can be trained or evaluated on.

    Every number is checked once: finite, scaled, labels in range. Pixels from 0 to 255 get a
    warning.
    """
    if isinstance(x, Pixels):  # scaled where a batch is read
        network.check_batch(x[:1], f"{name} data: ")
        samples: Any = x
    else:
        # Contiguous, else every batch gathers its rows from all columns.
        samples = np.ascontiguousarray(network.check_batch(x, f"{name} data: "))
    if not np.isfinite(network.parameters).all() or not np.isfinite(network.buffers).all():
        raise InputError(
            f"{name}: expected a network with finite parameters, got NaN or infinity in them: "
            f"has a training diverged? Load good weights, or build the network anew"
        )
    targets = as_array(y, "targets")
    if targets.ndim == 0 or len(targets) != len(samples):
        rows = 0 if targets.ndim == 0 else len(targets)
        raise InputError(
            f"{name} data: expected one target for each sample, got {len(samples)} samples and "
            f"{rows} targets"
        )
    # The minimum and the maximum are NaN or infinite if any number is.
    low, high = float(samples.min()), float(samples.max())
    if not (math.isfinite(low) and math.isfinite(high)):
        raise InputError(
            f"{name} data: expected finite numbers, got NaN or infinity in x, first in row "
            f"{first_bad_row(samples)}: fill or drop missing values first"
        )
    _check_scale(low, high, network, name)
    if name == "training" and len(samples) > 1 and low == high:
        raise InputError(
            f"{name} data: every number in x is {low:g}: there is nothing to learn from"
        )
    if targets.dtype.kind == "f" and not np.isfinite(targets).all():
        raise InputError(
            f"{name} data: expected finite targets, got NaN or infinity, first in row "
            f"{first_bad_row(targets.reshape(len(targets), -1))}"
        )
    outputs = network.shapes[-1]
    if outputs is not None and len(outputs) == 1 and isinstance(outputs[0], int):
        network.head.check_targets(targets, np.empty((len(targets), outputs[0]), np.float32))
        one_class = network.head.name == "softmax" and (targets == targets[0]).all()
        if name == "training" and len(targets) > 1 and one_class:
            warn_user(
                f"training data: every label is {targets[0]}: there is nothing to tell apart; were "
                f"sorted data cut off?",
            )
    return samples, targets


def _check_scale(low: float, high: float, network: Network, name: str) -> None:
    """Warn of unscaled inputs; raise for those that the network's dtype cannot hold."""
    largest = max(abs(low), abs(high))
    if largest > float(np.finfo(network.dtype).max):
        raise InputError(
            f"{name} data: expected numbers that {network.dtype} can hold, got {largest:.3g} in x: "
            f"scale the features first"
        )
    if largest > LARGE:
        warn_user(
            f"{name} data: the inputs go from {low:g} to {high:g}; a network learns badly from "
            f"numbers that large. Pixels: x = x.astype(np.float32) / 255. Other features: "
            f"x = (x - x.mean(axis=0)) / x.std(axis=0)",
        )


def check_finite_loss(loss: float) -> None:
    """Raise if the loss of an evaluation is NaN or infinite."""
    if not math.isfinite(loss):
        raise InputError(
            f"expected a network with finite outputs, got a loss of {loss}: its parameters are "
            f"huge, or the inputs are; has a training diverged?"
        )


def check_parts(trainer: Any) -> None:
    """Raise unless a Trainer was given what it needs, and its parts fit each other."""
    network, loss, stopping = trainer.network, trainer.loss, trainer.early_stopping
    for name, methods, example in (
        ("network", ("forward", "backward", "parameters"), "a Network"),
        ("loss", ("forward", "backward"), "a loss such as SoftmaxCrossEntropy()"),
        ("optimizer", ("step", "learning_rate"), "an optimizer such as Adam()"),
        ("penalty", ("forward", "backward"), "an L2Penalty such as L2Penalty(1e-4)"),
        ("early_stopping", ("patience", "monitor"), "EarlyStopping(patience=5)"),
        ("checkpoint", ("save", "load"), 'Checkpoint("run.npz")'),
    ):
        part, required = getattr(trainer, name), name in ("network", "loss", "optimizer")
        if isinstance(part, type):
            raise InputError(f"{name}: expected {example}, got the class {part.__name__}: add ()")
        if (required or part is not None) and not all(hasattr(part, m) for m in methods):
            raise InputError(f"{name}: expected {example}, got {part!r:.80}")
    for name, example in (
        ("schedule", "a schedule such as Cosine()"),
        ("augment", "augment(x, rng)"),
        ("order", "order(epoch, rows)"),
        ("constraint", "a constraint such as MaxNorm(3)"),
    ):
        if getattr(trainer, name) is not None:
            check_callable(getattr(trainer, name), name, example)
    output, heads = network.head.name, getattr(loss, "heads", None)
    if heads is not None and output not in heads:
        cause = "its predictions would not be what the loss trains"
        if output == "sigmoid":
            cause = (
                "that head answers 1 where a logit is above 0: use SigmoidCrossEntropy, or end the "
                "network with a Sigmoid layer and output='identity', and round what it predicts"
            )
        raise InputError(
            f"loss: {loss} expected a network with output={' or '.join(map(repr, heads))}, got "
            f"{output!r}: {cause}"
        )
    if trainer.checkpoint is not None and not hasattr(trainer.optimizer, "restore"):
        raise InputError(
            f"checkpoint: expected an optimizer with state(), restore(state) and state_names, got "
            f"{trainer.optimizer!r:.80}: derive its class from numpymlp.optimizers.Optimizer"
        )
    if stopping is not None and output == "identity" and stopping.monitor != "validation_loss":
        raise InputError(
            f"early_stopping: expected monitor='validation_loss' for values, got "
            f"{stopping.monitor!r}: only classes have an accuracy"
        )


def check_split(trainer: Any, train: Any, held_out: Any) -> None:
    """Raise if early stopping has no validation data, or if the loss does not take the targets."""
    if trainer.early_stopping is not None and held_out is None:
        raise InputError(
            "early_stopping expected validation data: pass validation=0.1, or (x, y), to fit"
        )
    outputs = trainer.network.shapes[-1]
    check_targets = getattr(trainer.loss, "check_targets", None)
    if check_targets is not None and outputs is not None and ... not in outputs:
        # One row tells, before a step moves dropout's stream and the running means of batch norm.
        check_targets(train.take(np.arange(1))[1], np.empty((1, *outputs)))
    check_takes_weights(trainer.loss, train.weight)


def check_takes_weights(loss: Any, weight: Any) -> None:
    """Raise if samples have weights and a custom loss has no argument for them."""
    if weight is not None:
        try:
            inspect.signature(loss.forward).bind(None, None, weight)
        except TypeError:
            raise InputError(
                f"sample_weight, class_weight: expected a loss with forward(logits, y, "
                f"sample_weight), got {type(loss).__name__} without the last: add it to weight the "
                f"loss and its gradient"
            ) from None


def check_validation_pair(validation: Any) -> tuple[Any, Any]:
    """Return validation data as samples and targets."""
    if isinstance(validation, np.ndarray) or len(validation) != 2:
        what = "an array" if isinstance(validation, np.ndarray) else f"{len(validation)} things"
        raise InputError(
            f"validation: expected (x, y) or a share such as 0.1, got {what}: samples and their "
            f"targets stand together in a tuple"
        )
    return validation[0], validation[1]


def check_fit_weights(
    sample_weight: ArrayLike | None, class_weight: Any, y: NDArray[Any]
) -> NDArray[Any] | None:
    """Return the weight of each training sample (N,), by sample and class, or None."""
    weight = None if sample_weight is None else check_sample_weight(sample_weight, len(y))
    names = "sample_weight" if class_weight is None else "class_weight"
    if class_weight is not None:
        by_class = check_class_weight(class_weight, y)
        if weight is not None and by_class.any():
            names = "sample_weight and class_weight"
        weight = by_class if weight is None else weight * by_class
    if weight is not None and not weight.any():
        raise InputError(
            f"{names}: expected a weight above 0 somewhere, got only 0: nothing would be learned"
        )
    return weight


class UnchangedIfRefused:
    """In a ``with`` block, give a Trainer its attributes back if `fit` is refused.

    It is as long as `accepted` is False; network and optimizer are as they were by then. The error
    of a callback is no refusal: another `fit` continues.
    """

    def __init__(self, trainer: Any) -> None:
        self.trainer, self.accepted = trainer, False
        self.before = vars(trainer).copy(), vars(trainer.state).copy()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: Any, error: Any, traceback: Any) -> None:
        if isinstance(error, ValueError | OSError) and not self.accepted:
            for part, attributes in zip(
                (self.trainer, self.trainer.state), self.before, strict=True
            ):
                vars(part).clear()
                vars(part).update(attributes)


def check_run(trainer: Any, rows: int) -> None:
    """Raise if optimizer or batches do not fit, or an epoch under way began with other data."""
    state, batch_size, network = trainer.state, trainer.batch_size, trainer.network
    check_range(
        trainer.optimizer.learning_rate, "optimizer: learning_rate", 0, math.inf, right_open=True
    )
    if isinstance(trainer.optimizer, Optimizer):
        check_step(trainer.optimizer, network.parameters, network.gradients, 1.0)
    if state.batch and rows != state.samples:
        raise InputError(
            f"fit expected the {state.samples} training samples with which the epoch under way "
            f"began, got {rows}: pass the same data and the same validation share"
        )
    smallest = max(layer.minimum_batch for layer in network.layers)
    left_over = rows % batch_size or min(batch_size, rows)
    if left_over < smallest:
        raise InputError(
            f"batch norm expected batches of at least {smallest} rows, but {rows} samples in "
            f"batches of {batch_size} leave {left_over} at the end: choose another batch_size"
        )


def check_functions(trainer: Any, rows: int) -> None:
    """Raise if the first order or the first factor is wrong: no callback has changed a file yet."""
    state = trainer.state
    if not state.stopped:
        trainer.first_order = check_order(trainer.order(state.epoch, rows), rows)
        if trainer.schedule is not None:
            check_factor(trainer.schedule(state.step, trainer.total_steps))


def next_order(trainer: Any, rows: int) -> NDArray[Any]:
    """Return the positions of an epoch's samples; those of the first are already checked."""
    first = vars(trainer).pop("first_order", None)
    return check_order(trainer.order(trainer.state.epoch, rows), rows) if first is None else first


def check_class_weight(class_weight: Any, y: NDArray[Any]) -> NDArray[np.float64]:
    """Return the weight of each sample (N,) by its class."""
    if y.ndim != 1 or y.dtype.kind not in "iub":
        raise InputError(
            f"class_weight: expected integer labels (N,), got {describe(y)}: use sample_weight"
        )
    classes, inverse, counts = np.unique(y, return_inverse=True, return_counts=True)
    labels = classes.tolist()
    if isinstance(class_weight, str) and class_weight == "balanced":
        by_class = len(y) / (len(classes) * counts)
    elif isinstance(class_weight, Mapping):
        given = {
            label: check_range(weight, f"class_weight[{label!r}]", 0, math.inf, right_open=True)
            for label, weight in class_weight.items()
        }
        strange = [label for label in given if not isinstance(label, int | np.integer)]
        unknown = [label for label in given if label not in labels]
        # As scikit-learn: a class that these samples lack is no error where all others are named.
        if strange or (unknown and not given.keys() >= set(labels)):
            raise InputError(
                f"class_weight: expected classes among {labels}, got {strange or unknown}"
            )
        by_class = np.array([given.get(label, 1.0) for label in labels])
    else:
        raise InputError(
            f"class_weight: expected a dict of class to weight, or 'balanced', got "
            f"{class_weight!r:.80}"
        )
    return by_class[inverse]


def check_factor(factor: Any) -> float:
    """Return what a schedule gave as a plain Python float of at least 0."""
    if not isinstance(factor, int | float | np.number) or not 0 <= factor < math.inf:
        raise InputError(
            f"schedule: expected schedule(step, total_steps) to give a finite factor of at least "
            f"0, got {factor!r:.80}"
        )
    return float(factor)


def check_order(order: Any, rows: int) -> NDArray[Any]:
    """Return the positions of an epoch's samples."""
    positions = as_array(order, "order")
    if positions.shape != (rows,) or positions.dtype.kind not in "iu":
        raise InputError(
            f"order: expected order(epoch, rows) to give {rows} positions, got "
            f"{describe(positions)}"
        )
    if rows and not (positions.min() >= 0 and positions.max() < rows):
        raise InputError(
            f"order: expected positions from 0 to {rows - 1}, got {positions.min()} to "
            f"{positions.max()}"
        )
    return positions
