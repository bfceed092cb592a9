"""Training: the loop over mini-batches, and what people expect around it.

The loop itself is four lines, forward, loss, backward, step, and stands in `Trainer._run_epoch`.
The Trainer adds validation, history, early stopping, a progress bar, and a way to go on where it
stopped. `tutorials/08_train_and_look_inside.py` shows it at work. It stands on all the rooms
before it; read `metrics` next, to judge what was learned.
"""

from __future__ import annotations

import copy
import math
import signal
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from typing import Any

import numpy as np

from numpymlp.losses import L2Penalty, Loss
from numpymlp.network import Network
from numpymlp.optimizers import Optimizer
from numpymlp.schedules import Schedule
from numpymlp.training.checkpoint import Checkpoint, Snapshot, restore_state, state_of
from numpymlp.training.divergence import TrainingDiverged, find_break, remedy
from numpymlp.training.history import EarlyStopping, History
from numpymlp.training.interrupts import StopBetweenSteps
from numpymlp.training.prefetch import Prefetch
from numpymlp.training.progress import Progress
from numpymlp.training.samples import Batch, Samples, prepare
from numpymlp.training.scoring import Mean, Running, evaluate_samples
from numpymlp.validation import (
    InputError,
    check_batches,
    check_factor,
    check_held_out,
    check_list,
    check_order,
    check_pair,
    check_parts,
    check_positive_integer,
    check_rng,
    check_seed,
)

# Each use of random numbers has a stream of its own, seeded by (seed, stream, epoch, ...).
ORDER, SPLIT, AUGMENTATION = 1, 2, 3


def minibatches(
    x: np.ndarray, y: np.ndarray, batch_size: int, rng: np.random.Generator
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Give one epoch: every sample once, in a fresh random order, `batch_size` at a time.

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
    x, y = check_pair(x, y)
    starts = range(0, len(x), check_positive_integer(batch_size, "batch_size"))
    order = check_rng(rng).permutation(len(x))
    batches = (order[start : start + batch_size] for start in starts)
    return ((x[rows], y[rows]) for rows in batches)


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
        ``augment(x, rng)`` gives a distorted copy of a batch (N, in), such as `data.Distortion`.
        A thread calls it, and `order` with it, to have the next batches ready; this changes no
        result.
    constraint : callable, optional
        ``constraint(network)`` after each step puts the weights right; see `constraints`.
    order : callable, optional
        ``order(epoch, rows)`` gives the positions of an epoch's samples, (rows,); by default a
        fresh random order for each epoch.
    early_stopping : EarlyStopping, optional
        Needs validation data. The best weights are put back when training ends.
    callbacks : sequence of callables
        ``callback(trainer)`` after each epoch; returning True stops.
    checkpoint : Checkpoint, optional
        Written before the first step, after each epoch and when training is interrupted.
    seed : int >= 0, default 0
        Decides the order of the samples, the validation split and the augmentation, by epoch and
        batch, so that neither threads nor an interruption can change a result.
    verbose : {0, 1}, default 1
        Whether to show a progress bar and a line for each epoch.
    stop_signals : sequence of int, default (SIGINT,)
        Signals that end training after the step that is under way.

    Attributes
    ----------
    history : History
    epoch, batch, step : int
        Finished epochs, batches done in the epoch that has begun, and steps in all.
    last_epoch : int
        The epoch with which the last `fit` was to end.
    samples : int
        How many samples the last `fit` trained on.
    running : Running
        Loss and accuracy of the epoch that has begun.
    best, last : Snapshot or None
        The weights of the best epoch by validation, and of the last finished one.
    first_epoch : int
        The epoch behind which early stopping counts.
    first_rate : float
        The optimizer's learning rate when the Trainer was built; a callback may change it.
    stopped : str
        Why the last `fit` ended: "epochs", "early stopping", "callback" or "interrupted".
    stop_requested : bool
        Set it, from a callback or another thread, to end training after the step under way.
    stop_signal : int or None
        The signal that interrupted the last `fit`.
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
        constraint: Callable[[Network], None] | None = None,
        order: Callable[[int, int], np.ndarray] | None = None,
        early_stopping: EarlyStopping | None = None,
        callbacks: Sequence[Callable[[Trainer], Any]] = (),
        checkpoint: Checkpoint | None = None,
        seed: int = 0,
        verbose: int = 1,
        stop_signals: Sequence[int] = (signal.SIGINT,),
    ) -> None:
        self.network, self.loss, self.optimizer = network, loss, optimizer
        self.schedule, self.penalty = schedule, penalty
        self.augment, self.constraint = augment, constraint
        self.batch_size = check_positive_integer(batch_size, "batch_size")
        self.order = order or self._random_order
        self.early_stopping = early_stopping
        self.callbacks = check_list(callbacks, "callbacks", "[my_callback]")
        self.checkpoint = checkpoint
        self.stop_signals = check_list(stop_signals, "stop_signals", "(signal.SIGINT,)")
        self.seed, self.verbose = check_seed(seed), verbose
        self.history = History()
        self.epoch = self.batch = self.step = self.first_epoch = self.last_epoch = 0
        self.best: Snapshot | None = None
        self.stopped = ""
        self.stop_requested = False
        self.stop_signal: int | None = None
        self.running = Running(Mean(), Mean())
        self.samples = 0
        self.last: Snapshot | None = None
        check_parts(self)
        self.first_rate, network.loss = optimizer.learning_rate, loss

    def fit(
        self,
        x: np.ndarray,
        y: np.ndarray,
        epochs: int | None = None,
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
            How many epochs more. The schedule sees the sum of all epochs, done and to come. None
            goes on to the end that an interrupted `fit`, here or in the process that wrote the
            checkpoint, was asked for.
        validation : (x, y) or float in (0, 1), optional
            Data to judge each epoch by, or the share of the samples, drawn at random class by
            class, that is kept from training for it. There every sample counts alike.
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
            If a number became infinite or NaN. The network then has the best weights by
            validation, else those of the last finished epoch, and the optimizer begins anew.

        Notes
        -----
        Ctrl-C ends training after the step that is under way: the network keeps what it has
        learned, and another `fit` goes on in the middle of the epoch. A second Ctrl-C aborts.
        """
        train, held_out = self.prepare(x, y, validation, sample_weight, class_weight)
        return self.run(train, held_out, epochs)

    def run(self, train: Samples, held_out: Samples | None, epochs: int | None) -> History:
        """Do what `fit` does, on data that is checked and split already.

        For data of other kinds: a class of one's own in place of `Samples`, with `rows` (its
        length counts) and `take(chosen)`, may read its batches from wherever they lie.
        """
        begun = self.samples if self.batch else None
        self.samples = check_batches(self.network, len(train.rows), self.batch_size, begun)
        self._plan(epochs)
        steps_per_epoch = -(-len(train.rows) // self.batch_size)
        total_steps = self.step + (self.last_epoch - self.epoch) * steps_per_epoch - self.batch
        self.stop_requested, self.stop_signal = False, None
        if self.last is None or not self.batch:
            self.last = self._snapshot()
        if self.checkpoint is not None:
            self.checkpoint.save(self)
        progress = Progress(total_steps, self.step, self.last_epoch, self.verbose)
        try:
            with (
                StopBetweenSteps(self.stop_signals, self._request_stop),
                np.errstate(over="ignore", invalid="ignore"),
            ):
                while not self.stopped:
                    started = time.perf_counter()
                    batches = self._batches(train, self.batch, steps_per_epoch)
                    # Where batches take work, a thread prepares the next ones meanwhile.
                    with Prefetch(batches) if self.augment else nullcontext(batches) as ready:
                        rate = self._run_epoch(ready, total_steps, progress)
                    if self.stop_requested and self.batch < steps_per_epoch:
                        self.stopped = "interrupted"
                    else:
                        self._finish_epoch(held_out, rate, started)
                        progress.epoch(self.history.rows[-1])
                        self._decide_whether_to_stop()
                    if self.checkpoint is not None:
                        self.checkpoint.after_epoch(self)
        finally:
            progress.close()
        if self.stopped == "interrupted" and self.checkpoint is None:
            progress.line(
                f"Interrupted in epoch {self.epoch + 1}, after batch {self.batch} of "
                f"{steps_per_epoch}; what was learned is kept, and fit goes on from here."
            )
        elif self.early_stopping is not None and self.stopped != "interrupted":
            self.restore_best()
        return self.history

    def _plan(self, epochs: int | None) -> None:
        """Set the epoch to end with; forget why training stopped, unless it was at its end."""
        if epochs is not None:
            self.last_epoch = self.epoch + check_positive_integer(epochs, "epochs")
            if self.stopped == "early stopping":
                self.first_epoch = self.epoch
        elif self.last_epoch == 0:
            raise InputError("fit expected a number of epochs: there is no training to go on with")
        if epochs is not None or self.stopped == "interrupted":
            self.stopped = ""
        if self.epoch >= self.last_epoch:  # a callback raised after the last epoch
            self.stopped = self.stopped or "epochs"

    def _request_stop(self, number: int) -> None:
        self.stop_requested, self.stop_signal = True, number

    def _run_epoch(self, batches: Iterable[Batch], total_steps: int, progress: Progress) -> float:
        """Take the steps of one epoch, or what is left of it; return the last learning rate."""
        network, loss, optimizer = self.network, self.loss, self.optimizer
        factor = 1.0
        if self.schedule is not None:  # of the step before, should there be none left to take
            factor = check_factor(self.schedule(max(self.step - 1, 0), total_steps))
        for x, y, w in batches:
            if self.stop_requested:
                break
            if self.schedule is not None:
                factor = check_factor(self.schedule(self.step, total_steps))

            logits = network.forward(x, training=True)
            value = loss.forward(logits, *([y] if w is None else [y, w]))
            network.backward(loss.backward())
            if self.penalty is not None:
                self.penalty.forward(network.parameters, network.decay_mask)
                network.gradients += self.penalty.backward()
            # The sum of squares is the cheapest look at every number of the gradient.
            if not math.isfinite(value) or not math.isfinite(network.gradients @ network.gradients):
                self._stop_if_broken(value, optimizer.learning_rate * factor, x, y)
            optimizer.step(network.parameters, network.gradients, factor)
            if self.constraint is not None:
                self.constraint(network)

            self.step += 1
            self.batch += 1
            self.running.add(value, network, logits, y, w)
            progress.step(self.epoch + 1, self.running.columns(network))
            if self.checkpoint is not None:
                self.checkpoint.after_step(self)
        return optimizer.learning_rate * factor

    def _batches(self, train: Samples, first: int, steps: int) -> Iterator[Batch]:
        """Yield the batches of this epoch, from number `first` on."""
        order = check_order(self.order(self.epoch, len(train.rows)), len(train.rows))
        for batch in range(first, steps):
            x, y, w = train.take(order[batch * self.batch_size : (batch + 1) * self.batch_size])
            if self.augment is not None:
                x = self.augment(x, self._generator(AUGMENTATION, self.epoch, batch))
            yield x, y, w

    def _finish_epoch(self, held_out: Samples | None, rate: float, started: float) -> None:
        """Judge the epoch, write its row, keep its weights if they are the best so far."""
        clean = None if held_out is None else evaluate_samples(self.network, self.loss, held_out)
        self._stop_if_broken(0.0 if clean is None else clean.loss, rate)
        self.epoch, self.batch = self.epoch + 1, 0
        self.history.rows.append(
            {
                "epoch": self.epoch,
                **self.running.columns(self.network),
                "validation_loss": None if clean is None else clean.loss,
                "validation_accuracy": None if clean is None else clean.accuracy,
                "learning_rate": rate,
                "seconds": time.perf_counter() - started,
            }
        )
        self.running = Running(Mean(), Mean())
        self.last = self._snapshot()
        if held_out is not None:
            column = [value for value in self.history[self.monitor] if value is not None]
            best = min(column) if self.monitor == "validation_loss" else max(column)
            if column.index(best) == len(column) - 1:
                self.best = self.last

    def _decide_whether_to_stop(self) -> None:
        answers = [callback(self) for callback in self.callbacks]
        if self.early_stopping is not None and self.early_stopping(self):
            self.stopped = "early stopping"
        elif any(isinstance(answer, bool | np.bool_) and answer for answer in answers):
            self.stopped = "callback"
        elif self.epoch == self.last_epoch:
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
        header, arrays = state_of(self)
        return copy.deepcopy(header), {name: array.copy() for name, array in arrays.items()}

    def restore(self, header: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> None:
        """Take back what `state` gave, into a Trainer that was built in the same way."""
        restore_state(self, header, arrays)

    # ---- helpers ----

    def prepare(
        self,
        x: np.ndarray,
        y: np.ndarray,
        validation: tuple[np.ndarray, np.ndarray] | float | None,
        sample_weight: np.ndarray | None,
        class_weight: Mapping[int, float] | str | None,
    ) -> tuple[Samples, Samples | None]:
        """Check all data once, at the border, and split off what validation needs."""
        rng = self._generator(SPLIT)
        pieces = prepare(self.network, x, y, validation, sample_weight, class_weight, rng)
        check_held_out(self.early_stopping, pieces[1])
        return pieces

    def _random_order(self, epoch: int, rows: int) -> np.ndarray:
        return self._generator(ORDER, epoch).permutation(rows)

    def _generator(self, *stream: int) -> np.random.Generator:
        return np.random.default_rng((self.seed, *stream))

    def _snapshot(self) -> Snapshot:
        return Snapshot(self.epoch, self.network.parameters.copy(), self.network.buffers.copy())

    def _restore(self, snapshot: Snapshot) -> None:
        self.network.parameters = snapshot.parameters
        self.network.buffers = snapshot.buffers

    def _stop_if_broken(
        self,
        value: float,
        rate: float,
        x: np.ndarray | None = None,
        y: np.ndarray | None = None,
    ) -> None:
        """If a number is infinite or NaN, put the last good weights back, and say what helps."""
        where = find_break(self.network, x, value)
        if where is None:
            return
        cause = remedy(self.network, x, y, rate, first_step=self.step == 0)
        good, step = self.best or self.last, self.step
        assert good is not None  # fit takes a snapshot before its first step
        self._restore(good)
        # The epoch that failed has to be begun again.
        self.step, self.batch, self.running = self.step - self.batch, 0, Running(Mean(), Mean())
        if hasattr(self.optimizer, "reset"):
            self.optimizer.reset()
        kept = "before training" if good.epoch == 0 else f"of epoch {good.epoch}"
        raise TrainingDiverged(
            f"training diverged at step {step + (x is not None)} (epoch {self.epoch + 1}): "
            f"{where}. Likely cause: {cause}. The network has its weights {kept} back."
        )
