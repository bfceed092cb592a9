"""Training: the loop over mini-batches, and what people expect around it.

The loop itself is four lines, forward, loss, backward, step, and stands in `Trainer._run_epoch`.
The Trainer adds validation, history, early stopping, a progress bar, and a way to go on where it
stopped. It stands on all the rooms before it; read `metrics` next, to judge what was learned.
"""

from __future__ import annotations

import csv
import io
import math
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import FrameType, TracebackType
from typing import Any, NamedTuple, Self

import numpy as np

from numpymlp.data.splits import split_indices
from numpymlp.files import atomic_write
from numpymlp.losses import L2Penalty, Loss
from numpymlp.network import BATCH, Network
from numpymlp.optimizers import Optimizer
from numpymlp.progress import Progress
from numpymlp.schedules import Schedule
from numpymlp.validation import (
    InputError,
    check_choice,
    check_class_weight,
    check_positive_integer,
    check_range,
    check_rng,
    check_sample_weight,
    check_training_data,
)

# Each use of random numbers has a stream of its own, seeded by (seed, stream, epoch, ...).
ORDER, SPLIT, AUGMENTATION = 1, 2, 3


def minibatches(
    x: np.ndarray, y: np.ndarray, batch_size: int, rng: np.random.Generator
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield one epoch: every sample once, in a fresh random order, `batch_size` at a time.

    Parameters
    ----------
    x, y : ndarray of shape (N, ...)
        Samples and targets, one a row.
    batch_size : int
        The last batch holds what is left over.
    rng : numpy.random.Generator
        Draws the order; the next epoch gets another.

    Yields
    ------
    x, y : ndarray of shape (batch_size, ...)
    """
    check_positive_integer(batch_size, "batch_size")
    if len(x) != len(y):
        raise InputError(f"x and y: expected one target for each sample, got {len(x)} and {len(y)}")
    order = check_rng(rng).permutation(len(x))
    for start in range(0, len(x), batch_size):
        rows = order[start : start + batch_size]
        yield x[rows], y[rows]


class Samples(NamedTuple):
    """Samples with targets and weights, and which rows of them count: no copy is made."""

    x: np.ndarray
    y: np.ndarray
    weight: np.ndarray | None
    rows: np.ndarray

    def take(self, chosen: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
        """Copy a batch: the rows at these positions."""
        rows = self.rows[chosen]
        return self.x[rows], self.y[rows], None if self.weight is None else self.weight[rows]


class Evaluation(NamedTuple):
    """What a network is worth on data: mean loss, share of right answers (None for values)."""

    loss: float
    accuracy: float | None


class _Mean:
    """A weighted mean that grows batch by batch."""

    def __init__(self, total: float = 0.0, weight: float = 0.0) -> None:
        self.total, self.weight = total, weight

    def add(self, value: float, weight: float) -> None:
        self.total += value * weight
        self.weight += weight

    @property
    def value(self) -> float:
        return self.total / self.weight if self.weight else 0.0


def right_answers(network: Network, logits: np.ndarray, y: np.ndarray) -> np.ndarray | None:
    """Tell for each sample whether the answer is right: (N,) booleans, None for values.

    Soft targets count as their likeliest class; of several sigmoid outputs all must be right.
    """
    right: np.ndarray
    if network.output == "identity":
        return None
    if network.output == "softmax":
        right = logits.argmax(axis=1) == (y if y.ndim == 1 else y.argmax(axis=1))
    else:
        right = ((logits > 0) == (y.reshape(logits.shape) > 0.5)).all(axis=1)
    return right


def evaluate(
    network: Network,
    loss: Loss,
    x: np.ndarray,
    y: np.ndarray,
    sample_weight: np.ndarray | None = None,
) -> Evaluation:
    """Judge a network as it is: evaluation mode, no label smoothing, bounded memory.

    Parameters
    ----------
    x : ndarray of shape (N, in)
    y : ndarray of shape (N,) or (N, out)
    sample_weight : ndarray of shape (N,), optional

    Returns
    -------
    Evaluation
        ``loss`` and ``accuracy``, means over all samples.
    """
    x, y = check_training_data(network, x, y)
    weight = check_sample_weight(sample_weight, len(x))
    return _evaluate(network, loss, Samples(x, y, weight, np.arange(len(x))))


def _evaluate(network: Network, loss: Loss, samples: Samples) -> Evaluation:
    clean = loss.for_evaluation() if hasattr(loss, "for_evaluation") else loss
    losses, accuracies = _Mean(), _Mean()
    with np.errstate(over="ignore", invalid="ignore"):
        for start in range(0, len(samples.rows), BATCH):
            x, y, w = samples.take(np.arange(start, min(start + BATCH, len(samples.rows))))
            logits = network.forward(x)
            losses.add(clean.forward(logits, y, w), _weight(x, w))
            right = right_answers(network, logits, y)
            if right is not None:
                accuracies.add(_share(right, w), _weight(x, w))
    return Evaluation(losses.value, accuracies.value if network.output != "identity" else None)


def _weight(x: np.ndarray, w: np.ndarray | None) -> float:
    return len(x) if w is None else float(w.sum())


def _share(right: np.ndarray, w: np.ndarray | None) -> float:
    if w is None:
        return float(np.count_nonzero(right)) / len(right)
    return float(w @ right / (w.sum() or 1.0))


class History:
    """What training recorded: one row for each epoch.

    The columns are ``epoch``, ``running_train_loss``, ``running_train_accuracy`` (means over the
    epoch's batches, in training mode, while the weights moved), ``validation_loss``,
    ``validation_accuracy`` (clean, after the epoch; None without validation data),
    ``learning_rate`` (of the epoch's last step) and ``seconds``. Accuracies are None where the
    network gives values.

    Attributes
    ----------
    rows : list of dict
    """

    def __init__(self, rows: Sequence[Mapping[str, Any]] = ()) -> None:
        self.rows = [dict(row) for row in rows]

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, column: str) -> list[Any]:
        return [row[column] for row in self.rows]

    def to_dict(self) -> dict[str, list[Any]]:
        """Give the columns as plain lists, for `plots` or a data frame."""
        return {name: self[name] for name in self.rows[0]} if self.rows else {}

    def to_csv(self) -> str:
        """Give the table as CSV, one line an epoch; None is left empty."""
        text = io.StringIO()
        if self.rows:
            writer = csv.DictWriter(text, list(self.rows[0]), lineterminator="\n")
            writer.writeheader()
            writer.writerows(self.rows)
        return text.getvalue()

    def save_csv(self, path: str | os.PathLike[str]) -> None:
        """Write `to_csv` to a file, whole or not at all."""
        with atomic_write(path) as file:
            file.write(self.to_csv().encode())

    def __repr__(self) -> str:
        return f"History({len(self)} epochs)"


class Snapshot(NamedTuple):
    """A network's learned state at the end of an epoch: a copy of two arrays."""

    epoch: int
    parameters: np.ndarray
    buffers: np.ndarray


@dataclass(frozen=True)
class EarlyStopping:
    """Stop when validation no longer gets better, and go back to the best weights.

    Parameters
    ----------
    patience : int, default 5
        How many epochs in a row may bring no progress.
    monitor : {"validation_loss", "validation_accuracy"}, default "validation_loss"
    min_delta : float >= 0, default 0
        How much better an epoch must be to count as progress.
    """

    patience: int = 5
    monitor: str = "validation_loss"
    min_delta: float = 0.0

    def __post_init__(self) -> None:
        check_positive_integer(self.patience, "EarlyStopping patience")
        check_choice(self.monitor, "monitor", ("validation_loss", "validation_accuracy"))
        check_range(self.min_delta, "EarlyStopping min_delta", 0, np.inf, right_open=True)

    def __call__(self, trainer: Trainer) -> bool:
        sign = 1 if self.monitor == "validation_loss" else -1
        best, idle = math.inf, 0
        for value in trainer.history[self.monitor]:
            progress = sign * value < best - self.min_delta
            best, idle = (sign * value, 0) if progress else (best, idle + 1)
        return idle >= self.patience


class TrainingDiverged(ArithmeticError):
    """The loss is no longer a finite number; the network has its last good weights back."""


class Trainer:
    """The four-line loop, with validation, history, early stopping and a progress bar.

    Parameters
    ----------
    network, loss, optimizer
        What is trained, on what, and how.
    schedule : callable, optional
        ``schedule(step, total_steps)`` gives the factor on the learning rate; see `schedules`.
    batch_size : int, default 128
    penalty : L2Penalty, optional
        Added to the loss and its gradient; the reported losses are without it.
    augment : callable, optional
        ``augment(x, rng)`` gives a distorted copy of a batch (N, in).
    order : callable, optional
        ``order(epoch, rows)`` gives the positions of an epoch's samples, (rows,); by default a
        fresh random order for each epoch.
    early_stopping : EarlyStopping, optional
        Needs validation data. The best weights are put back when training ends.
    callbacks : sequence of callables
        ``callback(trainer)`` after each epoch; returning True stops.
    seed : int, default 0
        Decides the order of the samples, the validation split and the augmentation, by epoch and
        batch, so that neither threads nor an interruption can change a result.
    verbose : {0, 1}, default 1
        Whether to show a progress bar and a line for each epoch.

    Attributes
    ----------
    history : History
    epoch, batch, step : int
        Finished epochs, batches done in the epoch that has begun, and steps in all.
    best : Snapshot or None
        The weights of the best epoch by validation.
    stopped : str
        Why the last `fit` ended: "epochs", "early stopping", "callback" or "interrupted".
    """

    def __init__(
        self,
        network: Network,
        loss: Loss,
        optimizer: Optimizer,
        *,
        schedule: Schedule | None = None,
        batch_size: int = 128,
        penalty: L2Penalty | None = None,
        augment: Callable[[np.ndarray, np.random.Generator], np.ndarray] | None = None,
        order: Callable[[int, int], np.ndarray] | None = None,
        early_stopping: EarlyStopping | None = None,
        callbacks: Sequence[Callable[[Trainer], Any]] = (),
        seed: int = 0,
        verbose: int = 1,
    ) -> None:
        self.network, self.loss, self.optimizer = network, loss, optimizer
        self.schedule, self.penalty, self.augment = schedule, penalty, augment
        self.batch_size = check_positive_integer(batch_size, "batch_size")
        self.order = order or self._random_order
        self.early_stopping, self.callbacks = early_stopping, list(callbacks)
        self.seed, self.verbose = seed, verbose
        self.history = History()
        self.epoch = self.batch = self.step = 0
        self.best: Snapshot | None = None
        self.stopped = ""
        self.stop_requested = False
        self._running = (_Mean(), _Mean())
        self._last: Snapshot | None = None
        network.loss = loss

    def fit(
        self,
        x: np.ndarray,
        y: np.ndarray,
        epochs: int,
        *,
        validation: tuple[np.ndarray, np.ndarray] | float | None = None,
        sample_weight: np.ndarray | None = None,
        class_weight: Mapping[int, float] | str | None = None,
    ) -> History:
        """Train for a number of epochs; called again, go on where training stopped.

        Parameters
        ----------
        x : ndarray of shape (N, in)
        y : ndarray of shape (N,) or (N, out)
            What the loss takes as targets.
        epochs : int
            How many epochs more. The schedule sees the sum of all epochs, done and to come.
        validation : (x, y) or float in (0, 1), optional
            Data to judge each epoch by, or the share of the samples, drawn at random class by
            class, that is kept from training for it.
        sample_weight : ndarray of shape (N,), optional
            How much each sample counts.
        class_weight : dict of class to weight, or "balanced", optional
            How much each class counts; "balanced" gives every class the same total.

        Returns
        -------
        History
            The same object as the attribute `history`.

        Raises
        ------
        TrainingDiverged
            If the loss is no longer finite. The network then has the best weights by validation,
            else those of the last finished epoch.

        Notes
        -----
        Ctrl-C ends training after the step that is under way: the network keeps what it has
        learned, and another `fit` goes on in the middle of the epoch. A second Ctrl-C aborts.
        """
        train, held_out = self._prepare(x, y, validation, sample_weight, class_weight)
        return self.run(train, held_out, epochs)

    def run(self, train: Samples, held_out: Samples | None, epochs: int) -> History:
        """Do what `fit` does, on data that is checked and split already.

        For data of other kinds: a class of one's own in place of `Samples` may read its batches
        from wherever they lie.
        """
        check_positive_integer(epochs, "epochs")
        self._check_smallest_batch(len(train.rows))
        steps_per_epoch = -(-len(train.rows) // self.batch_size)
        last_epoch = self.epoch + epochs
        total_steps = self.step + epochs * steps_per_epoch - self.batch
        progress = Progress(total_steps, self.step, last_epoch, self.verbose)
        self.stopped, self.stop_requested = "", False
        self._last = self._snapshot()
        try:
            with _InterruptBetweenSteps(self), np.errstate(over="ignore", invalid="ignore"):
                while not self.stopped:
                    started = time.perf_counter()
                    rate = self._run_epoch(train, steps_per_epoch, total_steps, progress)
                    if self.stop_requested and self.batch < steps_per_epoch:
                        self.stopped = "interrupted"
                        break
                    self._finish_epoch(held_out, rate, started)
                    progress.epoch(self.history.rows[-1])
                    self._decide_whether_to_stop(last_epoch)
        finally:
            progress.close()
        if self.stopped == "interrupted":
            progress.line(
                f"Interrupted in epoch {self.epoch + 1}, after batch {self.batch} of "
                f"{steps_per_epoch}; what was learned is kept, and fit goes on from here."
            )
        elif self.early_stopping is not None:
            self.restore_best()
        return self.history

    def _run_epoch(self, train: Samples, steps: int, total_steps: int, progress: Progress) -> float:
        """Take the steps of one epoch, or what is left of it; return the last learning rate."""
        network, loss, optimizer = self.network, self.loss, self.optimizer
        order = self.order(self.epoch, len(train.rows))
        losses, accuracies = self._running
        factor = 1.0
        while self.batch < steps and not self.stop_requested:
            start = self.batch * self.batch_size
            x, y, w = train.take(order[start : start + self.batch_size])
            if self.augment is not None:
                x = self.augment(x, self._generator(AUGMENTATION, self.epoch, self.batch))
            if self.schedule is not None:
                factor = self.schedule(self.step, total_steps)

            logits = network.forward(x, training=True)
            value = loss.forward(logits, y, w)
            network.backward(loss.backward())
            if self.penalty is not None:
                self.penalty.forward(network.parameters, network.decay_mask)
                network.gradients += self.penalty.backward()
            if not math.isfinite(value):
                self._diverged(x, value)
            optimizer.step(network.parameters, network.gradients, factor)

            self.step += 1
            self.batch += 1
            losses.add(value, _weight(x, w))
            right = right_answers(network, logits, y)
            if right is not None:
                accuracies.add(_share(right, w), _weight(x, w))
            progress.step(self.epoch + 1, self._running_means())
        return optimizer.learning_rate * factor

    def _finish_epoch(self, held_out: Samples | None, rate: float, started: float) -> None:
        """Judge the epoch, write its row, keep its weights if they are the best so far."""
        clean = Evaluation(math.nan, None)
        if held_out is not None:
            clean = _evaluate(self.network, self.loss, held_out)
        if not np.isfinite(self.network.parameters).all():
            self._diverged(None, math.nan)
        self.epoch, self.batch = self.epoch + 1, 0
        self.history.rows.append(
            {
                "epoch": self.epoch,
                **self._running_means(),
                "validation_loss": None if held_out is None else clean.loss,
                "validation_accuracy": clean.accuracy,
                "learning_rate": rate,
                "seconds": time.perf_counter() - started,
            }
        )
        self._running = (_Mean(), _Mean())
        self._last = self._snapshot()
        if held_out is not None:
            column = self.history[self.monitor]
            best = min(column) if self.monitor == "validation_loss" else max(column)
            if column.index(best) == len(column) - 1:
                self.best = self._last

    def _decide_whether_to_stop(self, last_epoch: int) -> None:
        answers = [callback(self) is True for callback in self.callbacks]
        if self.early_stopping is not None and self.early_stopping(self):
            self.stopped = "early stopping"
        elif any(answers):
            self.stopped = "callback"
        elif self.epoch == last_epoch:
            self.stopped = "epochs"
        elif self.stop_requested:
            self.stopped = "interrupted"

    @property
    def monitor(self) -> str:
        """The column of the history by which epochs are compared."""
        return "validation_loss" if self.early_stopping is None else self.early_stopping.monitor

    def restore_best(self) -> None:
        """Give the network the weights of its best epoch by validation."""
        if self.best is None:
            raise InputError("restore_best expected a finished epoch with validation data")
        self._restore(self.best)

    # ---- the state, so that a checkpoint can go on from it ----

    def state(self) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        """Give all that `restore` needs to go on as if nothing had happened.

        Returns
        -------
        header : dict
            Numbers and texts, as JSON can hold them.
        arrays : dict of str to ndarray
        """
        arrays = {"parameters": self.network.parameters, "buffers": self.network.buffers}
        optimizer = self.optimizer.state()
        numbers = {name: v for name, v in optimizer.items() if not isinstance(v, np.ndarray)}
        arrays |= {f"optimizer.{name}": optimizer[name] for name in optimizer.keys() - numbers}
        if self.best is not None:
            arrays["best.parameters"] = self.best.parameters
            arrays["best.buffers"] = self.best.buffers
        header = {
            "seed": self.seed,
            "epoch": self.epoch,
            "batch": self.batch,
            "step": self.step,
            "running": [(mean.total, mean.weight) for mean in self._running],
            "history": self.history.rows,
            "random_states": self.network.random_states,
            "optimizer": numbers,
            "best_epoch": None if self.best is None else self.best.epoch,
        }
        return header, arrays

    def restore(self, header: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> None:
        """Take back what `state` gave, into a Trainer that was built in the same way."""
        self.seed, self.epoch = header["seed"], header["epoch"]
        self.batch, self.step = header["batch"], header["step"]
        losses, accuracies = header["running"]
        self._running = _Mean(*losses), _Mean(*accuracies)
        self.history.rows = [dict(row) for row in header["history"]]
        self.network.parameters = arrays["parameters"]
        self.network.buffers = arrays["buffers"]
        self.network.random_states = header["random_states"]
        vectors = {
            name.removeprefix("optimizer."): array
            for name, array in arrays.items()
            if name.startswith("optimizer.")
        }
        self.optimizer.restore({**header["optimizer"], **vectors})
        if header["best_epoch"] is not None:
            self.best = Snapshot(
                header["best_epoch"], arrays["best.parameters"], arrays["best.buffers"]
            )

    # ---- helpers ----

    def _prepare(
        self,
        x: np.ndarray,
        y: np.ndarray,
        validation: tuple[np.ndarray, np.ndarray] | float | None,
        sample_weight: np.ndarray | None,
        class_weight: Mapping[int, float] | str | None,
    ) -> tuple[Samples, Samples | None]:
        """Check all data once, at the border, and split off what validation needs."""
        x, y = check_training_data(self.network, x, y)
        weight = check_sample_weight(sample_weight, len(x))
        if class_weight is not None:
            by_class = check_class_weight(class_weight, y)
            weight = by_class if weight is None else weight * by_class
        train, held_out = Samples(x, y, weight, np.arange(len(x))), None
        if isinstance(validation, tuple | list):
            x_val, y_val = check_training_data(self.network, *validation, name="validation")
            held_out = Samples(x_val, y_val, None, np.arange(len(x_val)))
        elif validation is not None:
            rows, held_rows = split_indices(y, validation, self._generator(SPLIT))
            train, held_out = train._replace(rows=rows), train._replace(rows=held_rows)
        if self.early_stopping is not None and held_out is None:
            raise InputError(
                "early_stopping expected validation data: pass validation=0.1, or (x, y), to fit"
            )
        return train, held_out

    def _check_smallest_batch(self, rows: int) -> None:
        smallest = max(getattr(layer, "minimum_batch", 1) for layer in self.network.layers)
        left_over = rows % self.batch_size or min(self.batch_size, rows)
        if left_over < smallest:
            raise InputError(
                f"batch norm expected batches of at least {smallest} rows, but {rows} samples in "
                f"batches of {self.batch_size} leave {left_over} at the end: choose another "
                f"batch_size"
            )

    def _random_order(self, epoch: int, rows: int) -> np.ndarray:
        return self._generator(ORDER, epoch).permutation(rows)

    def _generator(self, *stream: int) -> np.random.Generator:
        return np.random.default_rng((self.seed, *stream))

    def _running_means(self) -> dict[str, float | None]:
        losses, accuracies = self._running
        values = self.network.output == "identity"
        return {
            "running_train_loss": losses.value,
            "running_train_accuracy": None if values else accuracies.value,
        }

    def _snapshot(self) -> Snapshot:
        return Snapshot(self.epoch, self.network.parameters.copy(), self.network.buffers.copy())

    def _restore(self, snapshot: Snapshot) -> None:
        self.network.parameters = snapshot.parameters
        self.network.buffers = snapshot.buffers

    def _diverged(self, x: np.ndarray | None, value: float) -> None:
        """Put the last good weights back and say what happened, where, and what helps."""
        where = "" if x is None else _first_broken_layer(self.network, x)
        good = self.best or self._last
        assert good is not None  # fit takes a snapshot before its first step
        self._restore(good)
        kept = "before training" if good.epoch == 0 else f"of epoch {good.epoch}"
        raise TrainingDiverged(
            f"the loss became {value} at step {self.step + 1} (epoch {self.epoch + 1}){where}. "
            f"Likely causes: a learning rate that is too high (it is "
            f"{self.optimizer.learning_rate:g}: try a tenth), or inputs that are not scaled "
            f"(pixels: x / 255). The network has its weights {kept} back."
        )


def _first_broken_layer(network: Network, x: np.ndarray) -> str:
    for name, array in network.named_parameters().items():
        if not np.isfinite(array).all():
            return f"; parameter {name} holds NaN or infinity since the step before"
    for layer, output in zip(network.layers, network.activations(x), strict=True):
        if not np.isfinite(output).all():
            return f"; the numbers first broke in the output of {layer!r}"
    return ""


class _InterruptBetweenSteps:
    """Turn the first Ctrl-C into a request that the loop obeys after the step under way."""

    def __init__(self, trainer: Trainer) -> None:
        self.trainer = trainer
        self.former: Any = None

    def __enter__(self) -> Self:
        # Python delivers signals to the main thread only, and lets only it change handlers.
        if threading.current_thread() is threading.main_thread():
            self.former = signal.signal(signal.SIGINT, self._request)
        return self

    def _request(self, number: int, frame: FrameType | None) -> None:
        self.trainer.stop_requested = True
        signal.signal(signal.SIGINT, self.former)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self.former is not None:
            signal.signal(signal.SIGINT, self.former)
