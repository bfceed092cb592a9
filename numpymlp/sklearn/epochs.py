"""After each epoch: the fitted attributes are written, and the rule when to stop is asked.

`Epochs` is the callback that `base.py` gives the Trainer, `Convergence` the rule.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from numpymlp.sklearn.solvers import Objective
from numpymlp.training.samples import Samples
from numpymlp.training.trainer import Trainer

ADAPTIVE_PATIENCE = 2  # epochs without progress before an adaptive learning rate is divided
SMALLEST_RATE = 1e-6  # below this it is not divided any more


@dataclass
class Convergence:
    """The rule when training ends: too many epochs in a row without progress.

    It also is the schedule ``learning_rate="adaptive"``: where that is asked for, the learning
    rate is divided by five instead, until it is small.

    Attributes
    ----------
    best : float
        The lowest value so far, of the loss or of the negative validation score.
    idle : int
        How many epochs in a row have brought no progress.
    factor : float
        On the learning rate.
    monitors_score : bool
        Whether the value is a validation score.
    """

    best: float = math.inf
    idle: int = 0
    factor: float = 1.0
    monitors_score: bool = False

    def __call__(self, step: int, total_steps: int) -> float:
        return self.factor

    def reached(self, value: float, tol: float, patience: float) -> bool:
        """Take note of an epoch's value; tell whether `patience` epochs have brought nothing."""
        self.idle = 0 if value <= self.best - tol else self.idle + 1
        self.best = min(self.best, value)
        return self.idle >= patience

    def slow_down(self, learning_rate: float) -> bool:
        """Divide the learning rate by five; tell whether it was large enough for that."""
        if learning_rate * self.factor <= SMALLEST_RATE:
            return False
        self.factor, self.idle = self.factor / 5, 0
        return True


class Epochs:
    """The callback that writes an epoch into the fitted attributes and says when to stop."""

    def __init__(
        self, estimator: Any, objective: Objective, held_out: Samples | None, rows: int
    ) -> None:
        self.estimator, self.objective = estimator, objective
        self.held_out, self.rows = held_out, rows
        e = estimator
        e.n_iter_ = 0
        if not hasattr(e, "loss_curve_"):
            e.loss_curve_ = []
            e.validation_scores_ = None
        # Of this call: the score, or without validation data minus the loss.
        self.best = -math.inf
        self.best_weights: tuple[np.ndarray, np.ndarray] | None = None
        monitors_score = bool(e.early_stopping)
        if e._convergence.monitors_score != monitors_score:
            e._convergence = Convergence(monitors_score=monitors_score)
        e.best_loss_ = None if monitors_score else min(e.loss_curve_, default=math.inf)
        if held_out is None:
            e.validation_scores_ = e.validation_loss_curve_ = e.best_validation_score_ = None
        elif e.validation_scores_ is None:
            e.validation_scores_, e.validation_loss_curve_ = [], []
            e.best_validation_score_ = -np.inf

    def __call__(self, trainer: Trainer) -> bool:
        e = self.estimator
        e.n_iter_ += 1
        e.t_ += self.rows
        e.loss_ = self.objective.end_epoch()
        e.loss_curve_.append(e.loss_)
        self.say(f"Iteration {e.n_iter_}, loss = {e.loss_:.8f}")
        value = -e.loss_
        if e.best_loss_ is not None:
            e.best_loss_ = min(e.best_loss_, e.loss_)
        if self.held_out is not None:
            row = trainer.history.rows[-1]
            score = e._validation_score(self.held_out, row["validation_accuracy"])
            e.validation_scores_.append(score)
            e.validation_loss_curve_.append(row["validation_loss"])
            self.say(f"Validation score: {score:f}")
            value = score
            e.best_validation_score_ = max(e.best_validation_score_, score)
        if value > self.best and (e.keep_best or e.early_stopping):
            self.best = value
            network = trainer.network
            self.best_weights = network.parameters.copy(), network.buffers.copy()
        return self.should_stop()

    def should_stop(self) -> bool:
        e = self.estimator
        adaptive = e.solver == "sgd" and e.learning_rate == "adaptive" and e.schedule is None
        patience = ADAPTIVE_PATIENCE if adaptive else e.n_iter_no_change
        value = -e.validation_scores_[-1] if e.early_stopping else e.loss_
        if not e._convergence.reached(value, e.tol, patience):
            return False
        what = "Validation score" if e.early_stopping else "Training loss"
        message = f"{what} did not improve more than tol={e.tol:f} for {patience} epochs in a row."
        if adaptive and e._convergence.slow_down(e.learning_rate_init):
            rate = e.learning_rate_init * e._convergence.factor
            self.say(f"{message} Setting learning rate to {rate:g}")
            return False
        self.say(f"{message} Stopping.")
        return True

    def say(self, text: str) -> None:
        if self.estimator.verbose:
            print(text)
