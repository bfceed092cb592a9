"""The state of a training run: everything that changes while it trains, in one dataclass.

The Trainer owns it, callbacks read it, and `checkpoint.py` saves it together with the network's
vectors and the optimizer's state. Read `trainer.py` next.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from numpymlp.network import Network
from numpymlp.training.callbacks import EarlyStopping
from numpymlp.training.history import History
from numpymlp.training.scoring import Evaluation, Running
from numpymlp.validation import InputError, check_positive_integer


class Snapshot(NamedTuple):
    """Copies of a network's parameters and buffers after an epoch; epoch 0 is before training."""

    epoch: int
    parameters: np.ndarray
    buffers: np.ndarray

    @classmethod
    def of(cls, network: Network, epoch: int) -> Snapshot:
        return cls(epoch, network.parameters.copy(), network.buffers.copy())

    def restore(self, network: Network) -> None:
        network.parameters, network.buffers = self.parameters, self.buffers


@dataclass
class TrainingState:
    """Progress and records of a training run.

    Attributes
    ----------
    epoch, batch, step : int
        Finished epochs, finished batches of the epoch under way, finished steps in all.
    last_epoch : int
        The epoch with which the last `fit` ends.
    samples : int
        Number of training samples of the last `fit`.
    stopped : str
        Why the last `fit` ended: "epochs", "early stopping", "callback" or "interrupted"; "" while
        it runs, and after an error.
    running : Running
        Loss and accuracy of the epoch under way.
    history : History
        One row for each finished epoch.
    best, last : Snapshot or None
        The network after the best epoch of the current `fit` by validation, and after its last
        finished one.
    best_value : float or None
        The monitored validation value of `best`; reset by each new `fit`.
    progress_value : float or None
        The value that early stopping compares the next epoch with.
    idle_epochs : int
        Epochs in a row without progress, as early stopping counts them.
    """

    epoch: int = 0
    batch: int = 0
    step: int = 0
    last_epoch: int = 0
    samples: int = 0
    stopped: str = ""
    running: Running = field(default_factory=Running.empty)
    history: History = field(default_factory=History)
    best: Snapshot | None = None
    last: Snapshot | None = None
    best_value: float | None = None
    progress_value: float | None = None
    idle_epochs: int = 0

    def plan(self, epochs: int | None, samples: int, steps_per_epoch: int) -> int:
        """Set the epoch to end with, and return the steps done and to come.

        None keeps the end that an earlier `fit` was asked for.
        """
        if epochs is not None:
            self.last_epoch = self.epoch + check_positive_integer(epochs, "epochs")
            self.best = self.best_value = self.progress_value = None
            self.idle_epochs = 0
        elif self.last_epoch == 0:
            raise InputError("fit expected a number of epochs: there is no training to continue")
        if epochs is not None or self.stopped == "interrupted":
            self.stopped = ""
        if self.epoch >= self.last_epoch:  # a callback raised after the last epoch
            self.stopped = self.stopped or "epochs"
        self.samples = samples
        return self.step + (self.last_epoch - self.epoch) * steps_per_epoch - self.batch

    def running_columns(self, network: Network) -> dict[str, float | None]:
        """Return the running means of the epoch under way as columns of the history."""
        loss, accuracy = self.running.evaluation(network)
        return {"running_train_loss": loss, "running_train_accuracy": accuracy}

    def finish_epoch(
        self,
        network: Network,
        validation: Evaluation | None,
        learning_rate: float,
        seconds: float,
        early_stopping: EarlyStopping | None,
    ) -> None:
        """Write the row of an epoch, count for early stopping, keep the best of this `fit`."""
        self.epoch, self.batch = self.epoch + 1, 0
        row = {
            "epoch": self.epoch,
            **self.running_columns(network),
            "validation_loss": None if validation is None else validation.loss,
            "validation_accuracy": None if validation is None else validation.accuracy,
            "learning_rate": learning_rate,
            "seconds": seconds,
        }
        self.history.rows.append(row)
        self.running = Running.empty()
        self.last = Snapshot.of(network, self.epoch)
        self.stopped = "epochs" if self.epoch >= self.last_epoch else ""
        if validation is not None:
            monitor = "validation_loss" if early_stopping is None else early_stopping.monitor
            value = row[monitor]
            assert value is not None  # the Trainer refuses to monitor what the network lacks
            if EarlyStopping(monitor=monitor).is_progress(value, self.best_value):
                self.best, self.best_value = self.last, value
            # Counted here, so that a callback that raises after this epoch changes no decision.
            if early_stopping is not None:
                if early_stopping.is_progress(value, self.progress_value):
                    self.progress_value, self.idle_epochs = value, 0
                else:
                    self.idle_epochs += 1

    def restore_best(self, network: Network) -> None:
        """Give the network the weights of its best epoch by validation."""
        if self.best is None:
            raise InputError("restore_best expected a finished epoch with validation data")
        self.best.restore(network)

    def repeat_epoch(self, network: Network) -> Snapshot:
        """Restore the last good weights, and let the epoch under way start again."""
        good = self.best or self.last
        assert good is not None  # the Trainer takes a snapshot before its first step
        good.restore(network)
        self.step, self.batch, self.running = self.step - self.batch, 0, Running.empty()
        return good
