"""What turns the package's Trainer into scikit-learn's solvers, piece by piece.

The Trainer runs the loop; these are the objects it is given: samples that may be sparse, the order
of an epoch, a loss whose L2 term is divided by the batch, schedules. `minimize_lbfgs` stands beside
the Trainer, for it takes no mini-batches. What happens after each epoch is in `epochs.py`;
`base.py` puts all of it together.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.optimize
import scipy.special

from numpymlp.losses import L2Penalty, Loss, MeanSquaredError
from numpymlp.network import Network
from numpymlp.schedules import Cosine, OneCycle, Schedule, StepDecay
from numpymlp.training.samples import Samples

SCHEDULES: dict[str, Callable[[], Schedule]] = {
    "step_decay": StepDecay,
    "cosine": Cosine,
    "one_cycle": OneCycle,
}
CHUNK = 4096  # rows at a time where all of them are wanted: bounds the memory of dense copies


class SparseSamples(Samples):
    """Samples whose `x` is a sparse matrix in CSR form; only a batch of it is ever made dense."""

    def take(self, chosen: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
        """Copy a batch: the rows at these positions, as a dense array."""
        x, y, weight = super().take(chosen)
        csr: Any = x
        return csr.toarray(), y, weight


class RandomOrder:
    """A random order for each epoch, drawn as scikit-learn draws it: shuffled on and on."""

    def __init__(self, random_state: np.random.RandomState) -> None:
        self.random_state = random_state
        self.positions = np.arange(0)

    def __call__(self, epoch: int, rows: int) -> np.ndarray:
        if len(self.positions) != rows:
            self.positions = np.arange(rows)
        self.positions = self.positions[self.random_state.permutation(rows)]
        return self.positions


def given_order(epoch: int, rows: int) -> np.ndarray:
    """Take the samples in the order in which they came (`shuffle=False`)."""
    return np.arange(rows)


# ---- what is minimized ----


class PoissonDeviance(Loss):
    """Half the Poisson deviance, for counts: the logits are logarithms of the predicted means.

    l_i = sum_k t log(t) - t z - t + exp(z), which is 0 where exp(z) = t. Targets are at least 0.
    """

    def forward(
        self, logits: np.ndarray, targets: np.ndarray, sample_weight: np.ndarray | None = None
    ) -> float:
        t, mean = targets.astype(logits.dtype), np.exp(logits)
        weight = np.ones(len(logits)) if sample_weight is None else sample_weight
        w = (weight / (weight.sum() or 1.0)).astype(logits.dtype)
        self.kept = mean, t, w
        # l_i = sum_k l_ik    (N, K) -> (N,);  L = sum_i w_i l_i
        return float(w @ (scipy.special.xlogy(t, t) - t * logits - t + mean).sum(axis=1))

    def backward(self) -> np.ndarray:
        mean, t, w = self.kept
        # dL/dlogits = w_i (exp(z) - t)    (N, K)
        dlogits: np.ndarray = w[:, None] * (mean - t)
        return dlogits


REGRESSION_LOSSES: dict[str, type[Loss]] = {
    "squared_error": MeanSquaredError,
    "poisson": PoissonDeviance,
}


class Objective(Loss):
    """A loss that also keeps what `loss_curve_` shows: its mean over the epoch, L2 term included.

    Parameters
    ----------
    loss : Loss
    alpha : float
        Strength of the L2 term.
    l2_scaling : {"batch", "none"}
        Whether alpha is divided by the total weight of the batch, as scikit-learn does.

    Attributes
    ----------
    penalty : L2Penalty or None
        To be given to the Trainer beside this loss.
    """

    def __init__(self, loss: Loss, alpha: float, l2_scaling: str) -> None:
        self.loss = loss
        self.penalty = BatchL2(self, alpha, l2_scaling) if alpha else None
        self.rows, self.weight = 0, 0.0  # of the batch that was seen last
        self.total, self.total_rows = 0.0, 0

    def forward(
        self, logits: np.ndarray, targets: np.ndarray, sample_weight: np.ndarray | None = None
    ) -> float:
        self.rows = len(logits)
        self.weight = self.rows if sample_weight is None else float(sample_weight.sum())
        value = self.loss.forward(logits, targets, sample_weight)
        self.total += value * self.rows
        self.total_rows += self.rows
        return value

    def backward(self) -> np.ndarray:
        return self.loss.backward()

    def for_evaluation(self) -> Loss:
        return self.loss.for_evaluation()

    def end_epoch(self) -> float:
        """Give the mean over the samples since the last call."""
        mean = self.total / self.total_rows
        self.total, self.total_rows = 0.0, 0
        return mean


class BatchL2(L2Penalty):
    """An L2 penalty that is divided by the total weight of the batch its objective saw last."""

    def __init__(self, objective: Objective, alpha: float, l2_scaling: str) -> None:
        super().__init__(alpha)
        self.objective, self.alpha, self.l2_scaling = objective, alpha, l2_scaling

    def forward(self, parameters: np.ndarray, mask: np.ndarray) -> float:
        if self.l2_scaling == "batch":
            weight = self.objective.weight
            self.strength = self.alpha / weight if weight else 0.0
        value = super().forward(parameters, mask)
        self.objective.total += value * self.objective.rows
        return value


# ---- how the learning rate moves ----


@dataclass(frozen=True)
class InverseScaling:
    """The learning rate of time step t = 1, 2, ... is divided by ``t ** power``."""

    power: float

    def __call__(self, step: int, total_steps: int) -> float:
        return float((step + 1) ** -self.power)


@dataclass(frozen=True)
class Planned:
    """A schedule over a number of steps that is known beforehand, from step `start` on.

    It holds over several calls of `partial_fit`, each of which is one epoch to the Trainer, as
    long as `asked`, the parameters that it was made from, stay the same.
    """

    schedule: Schedule
    start: int
    steps: int
    asked: tuple[Any, ...]

    def __call__(self, step: int, total_steps: int) -> float:
        # The Trainer also asks for the step before the first.
        return self.schedule(min(max(step - self.start, 0), self.steps - 1), self.steps)


# ---- L-BFGS ----


def minimize_lbfgs(
    network: Network,
    loss: Loss,
    samples: Samples,
    penalty: L2Penalty,
    *,
    max_iter: int,
    max_fun: int,
    tol: float,
    verbose: bool,
) -> scipy.optimize.OptimizeResult:
    """Minimize the loss over all samples with SciPy's L-BFGS, and leave the result in the network.

    To it a network is a function of one vector. The search runs on a float64 copy: its line
    search compares losses that differ by less than float32 can tell.

    Parameters
    ----------
    network, loss, samples, penalty
        What is trained, on what.
    max_iter, max_fun : int
        At most so many iterations, and evaluations of loss and gradient.
    tol : float
        The search ends where no entry of the gradient is larger.
    verbose : bool
        Whether to print the loss of each iteration.

    Returns
    -------
    scipy.optimize.OptimizeResult
    """
    double = network.copy(np.float64)
    rows = len(samples.rows)
    total = rows if samples.weight is None else float(samples.weight.sum())

    def value_and_gradient(parameters: np.ndarray) -> tuple[float, np.ndarray]:
        double.parameters = parameters
        value = penalty.forward(double.parameters, double.decay_mask)
        gradient = penalty.backward()
        for start in range(0, rows, CHUNK):
            x, y, w = samples.take(np.arange(start, min(start + CHUNK, rows)))
            share = (len(x) if w is None else float(w.sum())) / (total or 1.0)
            value += share * loss.forward(double.forward(x, training=True), y, w)
            double.backward(loss.backward())
            gradient += share * double.gradients
        return value, gradient

    iterations = 0

    def report(intermediate_result: Any) -> None:
        nonlocal iterations
        iterations += 1
        print(f"Iteration {iterations}, loss = {intermediate_result.fun:.8f}")

    # A step of the line search may go too far; it sees the infinite loss and comes back.
    with np.errstate(over="ignore", invalid="ignore"):
        result = scipy.optimize.minimize(
            value_and_gradient,
            double.parameters.copy(),
            method="L-BFGS-B",
            jac=True,
            callback=report if verbose else None,
            options={"maxfun": max_fun, "maxiter": max_iter, "gtol": tol},
        )
    network.parameters = result.x
    return result
