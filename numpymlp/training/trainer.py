"""The Trainer: the four-line loop with validation, history and callbacks.

The loop is `_run_epoch`: `loss_and_gradient` is forward, loss and backward, and `optimizer.step`
moves the weights. Validation and history surround the loop; progress bar, early stopping and
checkpoints are callbacks (`callbacks.py`). `tutorials/09_train_and_look_inside.py` uses it.
Read `metrics` next, to evaluate what was learned.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack, nullcontext
from typing import Any

import numpy as np

from numpymlp.losses import L2Penalty, Loss
from numpymlp.network import Network, loss_and_gradient
from numpymlp.optimizers import Optimizer
from numpymlp.schedules import Schedule
from numpymlp.training import checks
from numpymlp.training.callbacks import Callback, EarlyStopping, as_callback, wants_to_stop
from numpymlp.training.checkpoint import Checkpoint
from numpymlp.training.divergence import all_finite, stop_if_diverged
from numpymlp.training.history import History
from numpymlp.training.interrupts import StopBetweenSteps
from numpymlp.training.prefetch import Prefetch
from numpymlp.training.progress import Progress
from numpymlp.training.samples import Batch, Samples, in_batches, prepare
from numpymlp.training.scoring import Scoring, evaluate_samples
from numpymlp.training.state import Snapshot, TrainingState
from numpymlp.validation import check_list, check_positive_integer, check_seed

# Each use of random numbers has a stream of its own, seeded by (seed, stream, epoch, ...).
ORDER, SPLIT, AUGMENTATION = 1, 2, 3


class Trainer(Scoring):
    """Train a network: the four-line loop, with validation, history and callbacks.

    Parameters
    ----------
    network : Network
    loss : Loss
    optimizer : Optimizer
    schedule : callable, optional
        ``schedule(step, total_steps)`` returns the factor on the learning rate; see `schedules`.
    batch_size : int, default 128
    penalty : L2Penalty, optional
        Added to the loss and its gradient; the reported losses are without it.
    augment : callable, optional
        ``augment(x, rng)`` returns a distorted copy of a batch (N, in), such as `data.Distortion`.
        A second thread calls it and reads the next batches ahead; this changes no result.
    constraint : callable, optional
        ``constraint(network)`` projects the weights after each step; see `constraints`.
    order : callable, optional
        ``order(epoch, rows)`` returns the positions of an epoch's samples, (rows,); by default a
        fresh random order for each epoch.
    early_stopping : EarlyStopping, optional
        Needs validation data. The best weights are restored when training ends, except after an
        interruption or an error.
    callbacks : sequence of Callback or of callables, optional
        A plain function ``f(trainer)`` runs after each epoch; returning True stops.
    checkpoint : Checkpoint, optional
        Written before the first step, after each epoch and when training is interrupted.
    seed : int >= 0, default 0
        Decides the order of the samples, the validation split and the augmentation, by epoch and
        batch, so that neither threads nor an interruption can change a result.
    verbose : {0, 1}, default 1
        Whether to show a progress bar and a line for each epoch: means over its batches while the
        weights moved (train), then validation after it (val).
    stop_signals : sequence of int, default ()
        Signals after which `fit` ends with the step under way and returns. Ctrl-C (SIGINT) ends it
        there too, but raises KeyboardInterrupt if it is not among them.

    Attributes
    ----------
    state : TrainingState
        Counters, history, and the best weights so far.
    stop_requested : bool
        Set it, from a callback or another thread, to end training after the step under way.
    stop_signal : int or None
        The signal that interrupted the last `fit`.
    total_steps, steps_per_epoch : int
        Of the last `fit`; the schedule sees the first.
    """

    split: Any = None  # the `SplitTrainer` that this is, if several workers share the network

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
        callbacks: Sequence[Callback | Callable[[Trainer], Any]] = (),
        checkpoint: Checkpoint | None = None,
        seed: int = 0,
        verbose: int = 1,
        stop_signals: Sequence[int] = (),
    ) -> None:
        self.network, self.loss, self.optimizer = network, loss, optimizer
        self.schedule, self.penalty = schedule, penalty
        self.augment, self.constraint = augment, constraint
        self.batch_size = check_positive_integer(batch_size, "batch_size")
        self.order = order or self._random_order
        self.early_stopping, self.checkpoint = early_stopping, checkpoint
        self.seed, self.verbose = check_seed(seed), verbose
        self.stop_signals = check_list(stop_signals, "stop_signals", "[signal.SIGINT]")
        self.callbacks = check_list(callbacks, "callbacks", "[my_callback]")
        checks.check_parts(self)
        self._hooks = self._all_callbacks()
        self.state = TrainingState()
        self.first_rate = optimizer.learning_rate  # a callback may change the optimizer's
        self.total_steps = self.steps_per_epoch = 0
        self.stop_requested = False
        self.stop_signal: int | None = None

    @property
    def history(self) -> History:
        """One row for each finished epoch."""
        return self.state.history

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
        """Train for a number of epochs; called again, continue where training stopped.

        Parameters
        ----------
        x : ndarray of shape (N, in)
        y : ndarray of shape (N,) or (N, out)
            Targets as the loss takes them.
        epochs : int
            Number of epochs to train. The schedule sees all epochs, earlier ones included. None
            continues to the last epoch that an interrupted `fit` planned, in this process or in the
            one that wrote the checkpoint.
        validation : (x, y) or float in (0, 1), optional
            Data to evaluate after each epoch, or the share of the samples to hold out, drawn at
            random from each class. Validation uses no sample or class weights.
        sample_weight : ndarray of shape (N,), optional
            How much each sample counts.
        class_weight : dict of class to weight, or "balanced", optional
            How much each class counts, 1 where it is not named; "balanced" gives every class the
            same total. A class that `y` lacks may be named if all classes of `y` are, as in
            scikit-learn: a fold may lack a rare class.

        Returns
        -------
        History
            The same object as ``trainer.history``.

        Raises
        ------
        KeyboardInterrupt
            After Ctrl-C, when the step under way is done: the network keeps what it has learned,
            and another `fit` continues in the middle of the epoch. A second Ctrl-C aborts.
        TrainingDiverged
            If a number became infinite or NaN. The network then has the best weights by
            validation, else those of the last finished epoch, and the optimizer is reset.
        """
        train, held_out = self.prepare(x, y, validation, sample_weight, class_weight)
        return self.run(train, held_out, epochs)

    def prepare(self, x: np.ndarray, y: np.ndarray, *how: Any) -> tuple[Samples, Samples | None]:
        """Check all data once, before training, and split off the validation data.

        `how` is validation, sample_weight and class_weight, as for `fit`.
        """
        train, held_out = prepare(self.network, self._generator(SPLIT), x, y, *how)
        checks.check_split(self, train, held_out)
        return train, held_out

    def run(self, train: Samples, held_out: Samples | None, epochs: int | None) -> History:
        """Train as `fit` does, on data that is already checked and split.

        `train` may be a custom object with `rows`, whose length is the number of samples, and
        `take(chosen)`, which returns a batch (in a second thread, with augmentation).
        """
        state, rows = self.state, len(train.rows)
        with checks.UnchangedIfRefused(self) as start, ExitStack() as stack:
            checks.check_run(self, rows)
            self._hooks = self._all_callbacks()
            self.steps_per_epoch = -(-rows // self.batch_size)
            self.total_steps = state.plan(epochs, rows, self.steps_per_epoch)
            checks.check_functions(self, rows)
            self.stop_requested, self.stop_signal = False, None
            if state.last is None or not state.batch:
                state.last = Snapshot.of(self.network, state.epoch)
            stack.enter_context(StopBetweenSteps(self.stop_signals, self._request_stop))
            stack.enter_context(np.errstate(over="ignore", invalid="ignore"))
            try:
                for callback in self._hooks:
                    callback.begin(self)
                    stack.callback(callback.end, self)
                start.accepted = True
                while not state.stopped:
                    self._train_and_validate(train, held_out)
            except BaseException:
                state.stopped = ""
                raise
        return self.history

    def _train_and_validate(self, train: Samples, held_out: Samples | None) -> None:
        """Run one epoch, or the rest of it; then validate and call the callbacks."""
        state, network, started = self.state, self.network, time.perf_counter()
        order = checks.next_order(self, len(train.rows))
        augment = self._augment if self.augment else None
        batches = in_batches(train, order, self.batch_size, state.batch, augment)
        # Augmentation takes time: a second thread prepares the next batches meanwhile.
        with Prefetch(batches) if self.augment else nullcontext(batches) as ready:
            rate = self._run_epoch(ready)
        if self.stop_requested and state.batch < self.steps_per_epoch:
            state.stopped = "interrupted"
            return
        clean = None if held_out is None else evaluate_samples(network, self.loss, held_out)
        stop_if_diverged(self, 0.0 if clean is None else clean.loss, rate)
        state.finish_epoch(network, clean, rate, time.perf_counter() - started, self.early_stopping)
        for callback in self._hooks:
            if wants_to_stop(callback.epoch_end(self)):
                state.stopped = callback.reason
        if self.stop_requested and not state.stopped:
            state.stopped = "interrupted"

    def _run_epoch(self, batches: Iterable[Batch]) -> float:
        """Take the steps of one epoch, or what is left of it; return the last learning rate."""
        network, optimizer, state = self.network, self.optimizer, self.state
        factor = self._factor(max(state.step - 1, 0))  # of the last step, if none is left to take
        for x, y, w in batches:
            if self.stop_requested:
                break
            factor = self._factor(state.step)

            batch = loss_and_gradient(network, self.loss, x, y, w, self.penalty)
            if not all_finite(self, batch.loss):
                stop_if_diverged(self, batch.loss, optimizer.learning_rate * factor, x, y)
            optimizer.step(network.parameters, network.gradients, factor)
            if self.constraint is not None:
                self.constraint(network)

            state.step, state.batch = state.step + 1, state.batch + 1
            state.running.add(network, batch, y, w)
            for callback in self._hooks:
                callback.step(self)
        return optimizer.learning_rate * factor

    def restore_best(self) -> None:
        """Give the network the weights of its best epoch by validation."""
        self.state.restore_best(self.network)

    def _all_callbacks(self) -> list[Callback]:
        """Return all callbacks in calling order; if several stop, the last gives the reason."""
        bar = Progress(advice=self.checkpoint is None) if self.verbose else None
        every = (bar, *map(as_callback, self.callbacks), self.early_stopping, self.checkpoint)
        return [callback for callback in every if callback is not None]

    def _request_stop(self, number: int) -> None:
        self.stop_requested, self.stop_signal = True, number

    def _factor(self, step: int) -> float:
        """Return the schedule's factor on the learning rate."""
        if self.schedule is None:
            return 1.0
        return checks.check_factor(self.schedule(step, self.total_steps))

    def _augment(self, x: np.ndarray, batch: int) -> np.ndarray:
        augment: Any = self.augment
        return augment(x, self._generator(AUGMENTATION, self.state.epoch, batch))

    def _random_order(self, epoch: int, rows: int) -> np.ndarray:
        return self._generator(ORDER, epoch).permutation(rows)

    def _generator(self, *stream: int) -> np.random.Generator:
        return np.random.default_rng((self.seed, *stream))
