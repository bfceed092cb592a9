"""The Trainer of a worker: the same loop on its part of the network.

`train_split` starts the workers for a Trainer. On each, a `SplitTrainer` runs the Trainer's own
loop on its part; losses, validation and early stopping are the same on every worker, because the
logits are. Callbacks run on worker 0 alone and see the original Trainer, with the whole network. It
also measures time, prints, locks and writes files. Read `parallel.py` first.
"""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

import numpy as np

from numpymlp.data.pixels import Pixels
from numpymlp.parallel import Communicator, Share, split
from numpymlp.training.callbacks import Callback, wants_to_stop
from numpymlp.training.checkpoint import Checkpoint
from numpymlp.training.divergence import TrainingDiverged, broken_optimizer, first_nonfinite
from numpymlp.training.history import History
from numpymlp.training.progress import Progress
from numpymlp.training.samples import Batch, Samples
from numpymlp.training.shared_batches import SharedBatches
from numpymlp.training.state import Snapshot, TrainingState
from numpymlp.training.trainer import Trainer
from numpymlp.training.workers import Shared, keep_memory, run, trim_memory

Change = Callable[[np.ndarray], np.ndarray]


class SplitTrainer(Trainer):
    """A Trainer for one worker's part of the network of another Trainer.

    Parameters
    ----------
    whole : Trainer
        The same on every worker, except for its callbacks. It has the state of the training run
        whenever a callback is called, and at the end.
    comm : Communicator
    shared : SharedBatches, optional
        Through it the workers share augmented batches; without it, each augments all of them.

    Notes
    -----
    A callback may read the network and request a stop, which takes effect after the next step, and
    change the learning rate after an epoch; what it changes in the network is not seen by workers.
    """

    def __init__(
        self, whole: Trainer, comm: Communicator, shared: SharedBatches | None = None
    ) -> None:
        vars(self).update(vars(whole))
        self.whole, self.comm, self.shared, self.split = whole, comm, shared, self
        self.network = split(whole.network, comm)
        self.parameters = Share(whole.network, comm)
        self.buffers = Share(whole.network, comm, "buffers")
        self.optimizer = copy.deepcopy(whole.optimizer)
        for name, value in vars(self.optimizer).items():
            if isinstance(value, np.ndarray) and value.shape == whole.network.parameters.shape:
                setattr(self.optimizer, name, self.parameters.scatter(value))
        self.state = self._state(whole.state, self.parameters.scatter, self.buffers.scatter)
        self.stop_signals = whole.stop_signals if comm.rank == 0 else []
        self.wanted = False  # whether callbacks of worker 0 want the whole network at this step
        if comm.rank > 0:  # the whole network is needed no more: free its memory
            whole.network, whole.optimizer, whole.state = self.network, self.optimizer, self.state

    def _state(self, state: TrainingState, parameters: Change, buffers: Change) -> TrainingState:
        """Return a state whose snapshots are scattered or gathered."""

        def changed(old: Snapshot | None) -> Snapshot | None:
            return old and Snapshot(old.epoch, parameters(old.parameters), buffers(old.buffers))

        last = changed(state.last)
        best = last if state.best is state.last else changed(state.best)
        return dataclasses.replace(state, best=best, last=last)

    def gather(self) -> Trainer:
        """Bring worker 0's Trainer of the whole network up to date; all workers must call it."""
        whole, network = self.whole, self.network
        parameters = self.parameters.gather(network.parameters)
        buffers = self.buffers.gather(network.buffers)
        optimizer = {name: getattr(self.optimizer, name) for name in self.optimizer.state_names}
        for name, value in optimizer.items():
            if isinstance(value, np.ndarray):
                optimizer[name] = self.parameters.gather(value)
        state = self._state(self.state, self.parameters.gather, self.buffers.gather)
        if self.comm.rank == 0:
            whole.network.parameters, whole.network.buffers = parameters, buffers
            whole.network.random_states = network.random_states
            whole.optimizer.restore(optimizer)
            vars(whole.state).update(vars(state))
            whole.total_steps, whole.steps_per_epoch = self.total_steps, self.steps_per_epoch
        return whole

    def release(self) -> None:
        """Free what only callbacks need, until the next `gather`: the moments of all weights."""
        if self.comm.rank == 0 and hasattr(self.whole.optimizer, "reset"):
            self.whole.optimizer.reset()
        trim_memory()

    def gather_broken(self) -> Trainer:
        """Gather a network with infinite or NaN numbers, and its gradients; end workers above 0."""
        gradients = self.parameters.gather(self.network.gradients)
        whole = self.gather()
        if self.comm.rank > 0:
            raise TrainingDiverged("worker 0 says where")
        whole.network.gradients = gradients
        return whole

    def agree(self, finite: bool) -> bool:
        """Return whether the gradients of all workers are finite; also agree on what comes next."""
        first = self.comm.rank == 0
        stop, wanted = first and self.whole.stop_requested, first and self._wants_whole()
        bad, stops, wants = self.comm.sum(np.array([not finite, stop, wanted], float))
        self.stop_requested, self.wanted = self.stop_requested or bool(stops), bool(wants)
        return not bad

    def any_broken(self, value: float) -> bool:
        """Return whether a worker has a number that is infinite or NaN."""
        where = first_nonfinite(self.network, None, value) or broken_optimizer(self.optimizer)
        return bool(self.comm.sum(np.array([where is not None], float))[0])

    def _wants_whole(self) -> bool:
        """Return whether a callback wants the whole network after this step."""
        return any(
            each.due() if isinstance(each, Checkpoint) else type(each).step is not Callback.step
            for each in self.whole._hooks
            if not isinstance(each, Progress)
        )

    def run(self, train: Samples, held_out: Samples | None, epochs: int | None) -> History:
        self.whole.stop_requested, self.whole.stop_signal = False, None
        keep_memory()
        if self.shared is None:
            return super().run(train, held_out, epochs)
        self.train, self.order = train, self._kept_order
        self.augment = None  # the batches come augmented
        batches = MadeTogether(*train)
        batches.take_x = self._take_x
        return super().run(batches, held_out, epochs)

    def _request_stop(self, number: int) -> None:
        self.whole.stop_requested, self.whole.stop_signal = True, number

    def _all_callbacks(self) -> list[Callback]:
        self.whole._hooks = self.whole._all_callbacks() if self.comm.rank == 0 else []
        return [Relay(self)]

    def _kept_order(self, epoch: int, rows: int) -> np.ndarray:
        """Return the order of an epoch, and keep it for `_make`."""
        self.positions: np.ndarray = self.whole.order(epoch, rows)
        return self.positions

    def _take_x(self, rows: int) -> np.ndarray:
        """Return the augmented batch of the present step."""
        assert self.shared is not None
        return self.shared.take(self.state.batch, rows, self._make)

    def _make(self, batch: int) -> np.ndarray:
        """Return this worker's batch of a group; no rows if it is not part of the run."""
        chosen = self.positions[batch * self.batch_size : (batch + 1) * self.batch_size]
        if batch < self.state.batch or len(chosen) == 0:
            return np.empty((0, *self.train.x.shape[1:]), self.network.dtype)
        return self.whole._augment(self.train.take(chosen)[0], batch)


class MadeTogether(Samples):
    """Samples whose x comes from the workers, augmented."""

    take_x: Callable[[int], np.ndarray]

    def take(self, chosen: np.ndarray) -> Batch:
        rows = self.rows[chosen]
        weight = None if self.weight is None else self.weight[rows]
        return self.take_x(len(rows)), self.y[rows], weight


class Relay(Callback):
    """Call the callbacks of the whole network's Trainer, on worker 0."""

    def __init__(self, split: SplitTrainer) -> None:
        self.whole, self.comm = split.whole, split.comm
        self._ends = ExitStack()

    def begin(self, trainer: Any) -> None:
        trainer.gather()
        with ExitStack() as ends:
            for callback in self.whole._hooks:
                callback.begin(self.whole)
                ends.callback(callback.end, self.whole)
            reason = self._agree(trainer, self.whole.state.stopped)
            self._ends = ends.pop_all()
        trainer.state.stopped = trainer.state.stopped or reason
        trainer.release()

    def step(self, trainer: Any) -> None:
        if trainer.wanted:
            trainer.gather()
        else:
            for name in ("epoch", "batch", "step", "running"):
                setattr(self.whole.state, name, getattr(trainer.state, name))
        for callback in self.whole._hooks:
            if trainer.wanted or isinstance(callback, Progress):
                callback.step(self.whole)
        if trainer.wanted:
            trainer.release()

    def epoch_end(self, trainer: Any) -> bool:
        trainer.gather()
        reason = ""
        for callback in self.whole._hooks:
            if wants_to_stop(callback.epoch_end(self.whole)):
                self.whole.state.stopped = reason = callback.reason
        self.reason = self._agree(trainer, reason)
        trainer.release()
        return bool(self.reason)

    def _agree(self, trainer: Any, reason: str) -> str:
        """Let all workers do what the callbacks of worker 0 want; return why to stop, if so."""
        news = np.array(
            [bool(reason), self.whole.stop_requested, self.whole.optimizer.learning_rate], float
        )
        stops, requests, rate = self.comm.sum(news * (self.comm.rank == 0))
        trainer.optimizer.learning_rate = float(rate)
        trainer.stop_requested = trainer.stop_requested or bool(requests)
        return reason or ("callback" if stops else "")

    def end(self, trainer: Any) -> None:
        with self._ends:
            stopped, self.whole.state.stopped = trainer.state.stopped, ""
            trainer.state.stopped = stopped
            if stopped:  # after an error, the workers no longer meet
                trainer.gather()


# ---- start ----


class Job:
    """What all workers train; the others get it without callbacks, its samples in shared memory."""

    def __init__(
        self, trainer: Trainer, train: Samples, held_out: Samples | None, epochs: int | None
    ) -> None:
        self.trainer, self.epochs = trainer, epochs
        self.samples: Any = train, held_out
        self.batches: Any = None
        self.shared = [each and (type(each), *each) for each in self.samples]

    def __getstate__(self) -> dict[str, Any]:
        trainer = copy.copy(self.trainer)
        vars(trainer).update(callbacks=[], checkpoint=None, verbose=0, _hooks=[], stop_signals=[])
        if getattr(trainer.order, "__self__", None) is self.trainer:
            trainer.order = trainer._random_order
        return {**vars(self), "trainer": trainer, "samples": self.shared}

    def share(self) -> None:
        """Bring the samples into memory that all workers see, unless they are there."""
        arrays: dict[int, Shared] = {}

        def shared(value: Any) -> Any:
            if isinstance(value, Pixels):
                return Pixels(shared(value.values))
            if not isinstance(value, np.ndarray | Pixels):
                return value
            if id(value) not in arrays:  # training and validation samples often share theirs
                arrays[id(value)] = Shared.of(value)
            return arrays[id(value)]

        self.shared = [each and (type(each), *map(shared, each)) for each in self.samples]

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        self.samples = tuple(
            each and each[0](*(_viewed(value) for value in each[1:])) for each in self.samples
        )


def _viewed(value: Any) -> Any:
    """Return what `Job.share` made of a value as it was before."""
    if isinstance(value, Pixels):
        return Pixels(_viewed(value.values))
    return value.view() if isinstance(value, Shared) else value


def train_split(
    workers: int, trainer: Trainer, train: Samples, held_out: Samples | None, epochs: int | None
) -> History:
    """Train as ``trainer.run(train, held_out, epochs)`` does, with several processes.

    Parameters
    ----------
    workers : int
        Number of processes, this one included.
    trainer : Trainer
    train, held_out : Samples
        From ``trainer.prepare``.
    epochs : int or None

    Returns
    -------
    History
        The same object as ``trainer.history``; the Trainer has the trained network.

    Raises
    ------
    WorkerLost
        If a worker was killed or failed. Then build a new Trainer, which can continue from
        a checkpoint.
    InputError
        If the network cannot be split among so many.
    """
    if workers == 1:
        return trainer.run(train, held_out, epochs)
    for rank in range(workers):
        split(trainer.network, Communicator(rank, workers))
    job = Job(trainer, train, held_out, epochs)
    job.share()
    if trainer.augment is not None:
        shape, dtype = (trainer.batch_size, *train.x.shape[1:]), trainer.network.dtype
        job.batches = SharedBatches.memory(workers, shape, dtype), shape, dtype
    return run(workers, train_part, job)


def train_part(comm: Any, job: Job) -> History:
    """Train one worker's part: the program that all workers run."""
    shared = None if job.batches is None else SharedBatches(comm, *job.batches)
    train, held_out = job.samples
    return SplitTrainer(job.trainer, comm, shared).run(train, held_out, job.epochs)
