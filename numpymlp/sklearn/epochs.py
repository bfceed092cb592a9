"""The callback that updates the fitted attributes after each epoch and decides when to stop."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from numpymlp.sklearn.objective import Objective
from numpymlp.sklearn.schedules import Convergence
from numpymlp.training.callbacks import Callback
from numpymlp.training.samples import Samples

ADAPTIVE_PATIENCE = 2  # epochs without progress before an adaptive learning rate is divided


class Epochs(Callback):
    """Update the estimator's fitted attributes after each epoch; return True to stop."""

    def __init__(
        self,
        estimator: Any,
        objective: Objective,
        held_out: Samples | None,
        rows: int,
        incremental: bool,
    ) -> None:
        self.estimator, self.objective = estimator, objective
        self.held_out, self.rows = held_out, rows
        e = estimator
        e.n_iter_ = 0
        # Curves go on from call to call, in new lists: a call that fails leaves the old ones.
        losses, scores, validation_losses = (
            [*(getattr(e, name, None) or ())]
            for name in ("loss_curve_", "validation_scores_", "validation_loss_curve_")
        )
        e.loss_curve_ = losses
        # Only epochs of this call compete; the calls of partial_fit count as one.
        if not incremental or getattr(e, "best_loss_", None) is None:
            e._state.convergence = Convergence()
            e.best_loss_ = None if e.early_stopping else math.inf
        if held_out is None:
            e.validation_scores_ = e.validation_loss_curve_ = e.best_validation_score_ = None
        else:
            e.validation_scores_, e.validation_loss_curve_ = scores, validation_losses
            e.best_validation_score_ = -np.inf
        # The score, or without validation data the negative loss.
        self.best = -math.inf
        self.keeps_best = bool(e.keep_best or e.early_stopping) and not incremental
        self.best_weights: tuple[np.ndarray, np.ndarray] | None = None

    def epoch_end(self, trainer: Any) -> bool:
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
            value = e._validation_score(self.held_out, row["validation_accuracy"])
            e.validation_scores_.append(value)
            e.validation_loss_curve_.append(row["validation_loss"])
            e.best_validation_score_ = max(e.best_validation_score_, value)
            self.say(f"Validation score: {value:f}")
        if self.keeps_best and value > self.best:
            self.best = value
            self.best_weights = e.network_.parameters.copy(), e.network_.buffers.copy()
        return self.should_stop()

    def should_stop(self) -> bool:
        e, convergence = self.estimator, self.estimator._state.convergence
        adaptive = e.solver == "sgd" and e.learning_rate == "adaptive" and e.schedule is None
        patience = ADAPTIVE_PATIENCE if adaptive else e.n_iter_no_change
        value = -e.validation_scores_[-1] if e.early_stopping else e.loss_
        if not convergence.reached(value, e.tol, patience):
            return False
        what = "Validation score" if e.early_stopping else "Training loss"
        message = f"{what} did not improve more than tol={e.tol:f} for {patience} epochs in a row."
        if adaptive and convergence.slow_down(e.learning_rate_init):
            rate = e.learning_rate_init * convergence.factor
            self.say(f"{message} Setting learning rate to {rate:g}")
            return False
        self.say(f"{message} Stopping.")
        return True

    def say(self, text: str) -> None:
        if self.estimator.verbose:
            print(text)
