"""The proof that both libraries compute the same numbers; without it no times are taken.

The speed of two programs can only be compared if they do the same work. Both estimators train from
the same weights on the same batches.
"""

from __future__ import annotations

import itertools
import warnings
from typing import Any, NamedTuple

import numpy as np
from sklearn.neural_network import MLPClassifier as PeerClassifier

from numpymlp.sklearn import MLPClassifier

SOLVERS: dict[str, dict[str, Any]] = {
    "SGD": {"solver": "sgd", "momentum": 0.0, "learning_rate_init": 0.1},
    "SGD, momentum": {"solver": "sgd", "nesterovs_momentum": False, "learning_rate_init": 0.05},
    "SGD, Nesterov": {"solver": "sgd", "nesterovs_momentum": True, "learning_rate_init": 0.05},
    "Adam": {"solver": "adam", "learning_rate_init": 0.01},
}
ACTIVATIONS = ("relu", "tanh", "logistic", "identity")
ALPHAS = (0.0, 0.1)
# More than 100 steps, because the optimizers set tiny numbers to zero every 100 steps.
STEPS, TOLERANCE = 120, 1e-12
CLASSES, FEATURES, ROWS, HIDDEN = 4, 12, 32, (16, 8)


class Case(NamedTuple):
    """One setting, and the largest difference of any weight after any step."""

    solver: str
    activation: str
    alpha: float
    difference: float


class NotEqualError(AssertionError):
    """The two libraries compute different numbers, so their times must not be compared."""


def prove_equality(steps: int = STEPS, tolerance: float = TOLERANCE) -> list[Case]:
    """Train both libraries step by step, in float64, and compare their weights after each step.

    Returns a case for each combination of solver, activation and L2 term, which is off or on.
    Raises NotEqualError after the first step that makes any two weights or biases differ by more
    than `tolerance`.
    """
    return [
        _run(solver, activation, alpha, steps, tolerance)
        for solver, activation, alpha in itertools.product(SOLVERS, ACTIVATIONS, ALPHAS)
    ]


def _run(solver: str, activation: str, alpha: float, steps: int, tolerance: float) -> Case:
    settings = {
        **SOLVERS[solver],
        "activation": activation,
        "alpha": alpha,
        "hidden_layer_sizes": HIDDEN,
        "shuffle": False,
        "random_state": 0,
    }
    ours, peer = MLPClassifier(**settings), PeerClassifier(**settings)
    rng = np.random.default_rng(0)
    truth = rng.normal(size=(FEATURES, CLASSES))
    worst = 0.0
    for step in range(1, steps + 1):
        # A call of partial_fit with at most one batch of rows is one step.
        x = rng.normal(size=(ROWS, FEATURES))
        y = (x @ truth + rng.normal(size=(ROWS, CLASSES))).argmax(axis=1)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            ours.partial_fit(x, y, classes=range(CLASSES))
            peer.partial_fit(x, y, classes=range(CLASSES))
        weights = ([*model.coefs_, *model.intercepts_] for model in (ours, peer))
        # NumPy's maximum propagates NaN, Python's does not.
        difference = float(np.max([np.abs(a - b).max() for a, b in zip(*weights, strict=True)]))
        if not difference <= tolerance:
            raise NotEqualError(
                f"{solver}, {activation}, alpha={alpha:g}: after step {step} of {steps} the "
                f"weights differ from scikit-learn's by up to {difference:.1e}, more than "
                f"{tolerance:g}"
            )
        worst = max(worst, difference)
    return Case(solver, activation, alpha, worst)
