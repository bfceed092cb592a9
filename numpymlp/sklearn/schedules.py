"""How the learning rate changes, and the rule that ends training."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from numpymlp.schedules import Cosine, OneCycle, Schedule, StepDecay

SCHEDULES: dict[str, Callable[[], Schedule]] = {
    "step_decay": StepDecay,
    "cosine": Cosine,
    "one_cycle": OneCycle,
}
SMALLEST_RATE = 1e-6  # an adaptive learning rate at or below this is not divided any more


@dataclass(frozen=True)
class InverseScaling:
    """Divide the learning rate by ``t ** power`` at time step t = 1, 2, ..."""

    power: float

    def __call__(self, step: int, total_steps: int) -> float:
        return float((step + 1) ** -self.power)


@dataclass(frozen=True)
class Planned:
    """A schedule over a fixed number of steps, starting at step `start`.

    Several calls of `partial_fit`, each one epoch for the Trainer, share one plan as long as
    `settings`, the parameters it was made from, stay the same.
    """

    schedule: Schedule
    start: int
    steps: int
    settings: tuple[Any, ...]

    def __call__(self, step: int, total_steps: int) -> float:
        # The Trainer also evaluates the step before the first.
        return self.schedule(min(max(step - self.start, 0), self.steps - 1), self.steps)


@dataclass
class Convergence:
    """The rule that ends training: too many epochs in a row without progress.

    It is also the schedule ``learning_rate="adaptive"``, which divides the learning rate by five
    instead of stopping, until the rate is small.
    """

    best: float = math.inf  # the lowest value so far: of the loss or the negative validation score
    idle: int = 0  # epochs in a row without progress
    factor: float = 1.0  # on the learning rate

    def __call__(self, step: int, total_steps: int) -> float:
        return self.factor

    def reached(self, value: float, tol: float, patience: float) -> bool:
        """Record the value of an epoch; return whether `patience` epochs brought no progress."""
        self.idle = 0 if value <= self.best - tol else self.idle + 1
        self.best = min(self.best, value)
        return self.idle >= patience

    def slow_down(self, learning_rate: float) -> bool:
        """Divide the learning rate by five; return False, without dividing, if it is too small."""
        if learning_rate * self.factor <= SMALLEST_RATE:
            return False
        self.factor, self.idle = self.factor / 5, 0
        return True
