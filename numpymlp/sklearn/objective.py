"""The losses of the regressor, and the L2 term divided by the batch size.

`Objective` wraps any loss for training. It divides the L2 term by the weight of each batch and
records the mean loss of an epoch, both as scikit-learn does.
"""

from __future__ import annotations

import numpy as np

from numpymlp.losses import L2Penalty, Loss, MeanSquaredError, Weights
from numpymlp.training.poisson import PoissonDeviance

REGRESSION_LOSSES: dict[str, type[Loss]] = {
    "squared_error": MeanSquaredError,
    "poisson": PoissonDeviance,
}


class Objective(Loss):
    """A loss that also records its mean over an epoch, L2 term included, for `loss_curve_`.

    Parameters
    ----------
    loss : Loss
    alpha : float >= 0
        Strength of the L2 term.
    l2_scaling : {"batch", "none"}
        Whether alpha is divided by the total weight of the batch, as scikit-learn does.

    Attributes
    ----------
    penalty : L2Penalty or None
        The L2 term; pass it to the Trainer together with this loss.
    """

    def __init__(self, loss: Loss, alpha: float, l2_scaling: str) -> None:
        self.loss = loss
        self.penalty = BatchL2(self, alpha, l2_scaling) if alpha else None
        self.rows, self.weight = 0, 0.0  # of the last batch
        self.total, self.total_rows = 0.0, 0

    def forward(self, logits: np.ndarray, y: np.ndarray, sample_weight: Weights = None) -> float:
        self.rows = len(logits)
        self.weight = self.rows if sample_weight is None else float(sample_weight.sum())
        value = self.loss.forward(logits, y, sample_weight)
        self.total += value * self.rows
        self.total_rows += self.rows
        return value

    def backward(self) -> np.ndarray:
        return self.loss.backward()

    def for_evaluation(self) -> Loss:
        return self.loss.for_evaluation()

    def end_epoch(self) -> float:
        """Return the mean over all samples since the last call, and start a new mean."""
        mean = self.total / self.total_rows
        self.total, self.total_rows = 0.0, 0
        return mean


class BatchL2(L2Penalty):
    """An L2 penalty divided by the total weight of the last batch of its objective."""

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
