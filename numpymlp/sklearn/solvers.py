"""The two ways to fit: "sgd" and "adam" with the Trainer, "lbfgs" with SciPy.

Only this module and `epochs.py` use the Trainer. Both solvers read the parameters of an estimator,
train its `network_` and write its fitted attributes; `FitState` carries over to the next call.
"""

from __future__ import annotations

import math
import signal
import warnings
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import scipy.optimize
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils.optimize import _check_optimize_result

from numpymlp.losses import L2Penalty
from numpymlp.network import loss_and_gradient
from numpymlp.optimizers import SGD, Adam, Optimizer
from numpymlp.schedules import Schedule
from numpymlp.sklearn.epochs import Epochs
from numpymlp.sklearn.networks import Architecture
from numpymlp.sklearn.objective import Objective
from numpymlp.sklearn.samples import RandomOrder, given_order
from numpymlp.sklearn.schedules import SCHEDULES, Convergence, InverseScaling, Planned
from numpymlp.training.divergence import TrainingDiverged
from numpymlp.training.samples import Samples, in_batches
from numpymlp.training.trainer import Trainer
from numpymlp.validation import check_callable

CHUNK = 4096  # rows per pass of L-BFGS over all samples: bounds the memory of dense copies
NOT_FINITE = (
    "Solver produced non-finite parameter weights. The input data may contain large values and "
    "need to be preprocessed."
)


@dataclass
class FitState:
    """What one call of `fit` or `partial_fit` leaves for the next, apart from the network."""

    architecture: Architecture
    random_state: np.random.RandomState
    steps: int = 0
    optimizer: Optimizer | None = None
    convergence: Convergence = field(default_factory=Convergence)
    planned: Planned | None = None
    split_state: Any = None  # of random_state, before the validation split

    def copy(self) -> FitState:
        """Return a state to change: only `random_state` is shared; optimizers are replaced."""
        return replace(self, convergence=replace(self.convergence))


# ---- "sgd" and "adam" ----


def fit_stochastic(
    estimator: Any, samples: Samples, held_out: Samples | None, incremental: bool
) -> None:
    """Train on mini-batches for `max_iter` epochs, or for one if `incremental`."""
    e, state, rows = estimator, estimator._state, len(samples.rows)
    batch_size = _batch_size(e, rows)
    objective = Objective(e._head()[0], e.alpha, e.l2_scaling)
    epochs = Epochs(e, objective, held_out, rows, incremental)
    trainer = Trainer(
        e.network_,
        objective,
        _optimizer(e),
        schedule=_schedule(e, -(-rows // batch_size), incremental),
        batch_size=batch_size,
        penalty=objective.penalty,
        order=RandomOrder(state.random_state) if e.shuffle else given_order,
        callbacks=[epochs, *(() if e.callbacks is None else e.callbacks)],
        verbose=int(e.progress_bar),
        stop_signals=(signal.SIGINT,),
    )
    trainer.state.step = state.steps
    try:
        trainer.run(samples, held_out, 1 if incremental else e.max_iter)
    except TrainingDiverged as error:
        reason = f"{NOT_FINITE} {str(error).rsplit('. ', 1)[0]}."  # without what the Trainer kept
        if epochs.best_weights is None:
            raise ValueError(reason) from error
        e.loss_ = math.nan
        warnings.warn(f"{reason} The best weights are kept.", ConvergenceWarning, stacklevel=6)
    finally:
        state.steps = trainer.state.step
    if trainer.stop_signal is not None:  # also set if the signal came during the last step
        warnings.warn("Training interrupted by user.", stacklevel=6)
    elif trainer.state.stopped == "epochs" and not incremental:
        warnings.warn(
            f"Stochastic Optimizer: Maximum iterations ({e.max_iter}) reached and the "
            f"optimization hasn't converged yet.",
            ConvergenceWarning,
            stacklevel=6,
        )
    if epochs.best_weights is not None:
        e.network_.parameters, e.network_.buffers = epochs.best_weights


def _batch_size(estimator: Any, rows: int) -> int:
    """Return the batch size; "auto" leaves no batch that is too small for batch norm."""
    size = estimator.batch_size
    if size == "auto":
        size = min(200, rows)
        smallest = max(layer.minimum_batch for layer in estimator.network_.layers)
        while 0 < rows % size < smallest:
            size += 1
    elif size > rows:
        warnings.warn(
            "Got `batch_size` less than 1 or larger than sample size. It is going to be clipped",
            stacklevel=7,
        )
        size = rows
    return size


def _optimizer(estimator: Any) -> Optimizer:
    """Build the optimizer from the current parameters; continue with the state of the last one."""
    e, last = estimator, estimator._state.optimizer
    optimizer: Optimizer
    if e.solver == "sgd":
        optimizer = SGD(e.learning_rate_init, nesterov=e.nesterovs_momentum)
        optimizer.momentum = float(e.momentum)  # scikit-learn allows 1, SGD itself does not
    else:
        optimizer = Adam(e.learning_rate_init, e.beta_1, e.beta_2, e.epsilon)
    # The moments of Adam are valid for one pair of betas only.
    betas = {(each.beta1, each.beta2) for each in (last, optimizer) if isinstance(each, Adam)}
    if last is not None and type(last) is type(optimizer) and len(betas) < 2:
        optimizer.restore(last.state())
    e._state.optimizer = optimizer
    return optimizer


def _schedule(estimator: Any, steps_per_epoch: int, incremental: bool) -> Schedule | None:
    e, state = estimator, estimator._state
    settings = (e.schedule, e.max_iter)
    if not incremental or (state.planned is not None and state.planned.settings != settings):
        state.planned = None
    if e.schedule is not None:
        if e.solver == "sgd" and e.learning_rate != "constant":
            raise ValueError(
                f"expected either schedule or learning_rate={e.learning_rate!r}, got both: leave "
                f"one of them at its default"
            )
        schedule = SCHEDULES[e.schedule]() if isinstance(e.schedule, str) else e.schedule
        check_callable(schedule, "schedule", "'cosine' or a schedule such as Cosine()")
        # Each fit has its own plan. The calls of partial_fit share one, over max_iter epochs of
        # the size of the first.
        steps = e.max_iter * steps_per_epoch
        plan = state.planned or Planned(schedule, state.steps, steps, settings)
        state.planned = plan if incremental else None
        return plan
    if e.solver == "sgd" and e.learning_rate == "invscaling":
        return InverseScaling(e.power_t)
    if e.solver == "sgd" and e.learning_rate == "adaptive":
        return state.convergence
    return None


# ---- "lbfgs" ----


def fit_lbfgs(estimator: Any, samples: Samples) -> None:
    """Minimize the loss over all samples, as a function of one vector, with SciPy's L-BFGS.

    The search runs on a float64 copy of the network: its line search compares losses whose
    differences are below the resolution of float32.
    """
    e, rows = estimator, len(samples.rows)
    total = (rows if samples.weight is None else float(samples.weight.sum())) or 1.0
    loss, network = e._head()[0], e.network_.copy(np.float64)
    penalty = L2Penalty(e.alpha if e.l2_scaling == "none" else e.alpha / total)
    iterations = 0

    def value_and_gradient(parameters: np.ndarray) -> tuple[float, np.ndarray]:
        network.parameters = parameters
        value, gradient = 0.0, np.zeros_like(parameters)
        for x, y, w in in_batches(samples, np.arange(rows), CHUNK):
            share = (len(x) if w is None else float(w.sum())) / total
            batch = loss_and_gradient(network, loss, x, y, w, penalty)
            value += share * (batch.loss + batch.penalty)
            gradient += share * network.gradients
        return value, gradient

    def report(intermediate_result: Any) -> None:
        nonlocal iterations
        iterations += 1
        print(f"Iteration {iterations}, loss = {intermediate_result.fun:.8f}")

    # The line search may step too far; it recovers from an infinite loss.
    with np.errstate(over="ignore", invalid="ignore"):
        result = scipy.optimize.minimize(
            value_and_gradient,
            network.parameters.copy(),
            method="L-BFGS-B",
            jac=True,
            callback=report if e.verbose else None,
            options={"maxfun": e.max_fun, "maxiter": e.max_iter, "gtol": e.tol},
        )
    e.network_.parameters = result.x
    e.n_iter_ = _check_optimize_result("lbfgs", result, e.max_iter)
    e.loss_ = float(result.fun)
    if not np.isfinite(e.network_.parameters).all():
        raise ValueError(NOT_FINITE)
    if not math.isfinite(e.loss_):
        raise ValueError(
            f"lbfgs expected a finite loss, got {e.loss_}: scale X and y, or lower alpha, which is "
            f"divided by the sum of sample_weight, {total:g}"
        )
