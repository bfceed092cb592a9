"""The schedules: how the learning rate changes during training.

The Trainer calls `schedule(step, total_steps)`, with steps counted from 0, and multiplies the
learning rate by the factor that it returns. Factors are plain Python floats: a NumPy scalar would
turn float32 updates into float64. Read `training/trainer.py` next, which has the loop.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Protocol

from numpymlp.validation import check_range


class Schedule(Protocol):
    """A function from step 0 ... total_steps - 1 to a factor on the learning rate."""

    def __call__(self, step: int, total_steps: int) -> float: ...


@dataclass(frozen=True)
class Constant:
    """Keep the learning rate as it is."""

    def __call__(self, step: int, total_steps: int) -> float:
        return 1.0


@dataclass(frozen=True)
class StepDecay:
    """Multiply the learning rate by `factor` after each share `every` of the steps.

    Parameters
    ----------
    factor : float in (0, 1], default 0.3
    every : float in (0, 1], default 0.2
        Share of all steps between two drops; 0.2 makes four drops.
    """

    factor: float = 0.3
    every: float = 0.2

    def __post_init__(self) -> None:
        check_range(self.factor, "StepDecay factor", 0, 1, left_open=True)
        check_range(self.every, "StepDecay every", 0, 1, left_open=True)

    def __call__(self, step: int, total_steps: int) -> float:
        # The small term keeps a step exactly at a drop from being rounded below it.
        drops = math.floor(step / (self.every * total_steps) + 1e-9)
        return float(self.factor**drops)


@dataclass(frozen=True)
class Cosine:
    """Fall from 1 to `final` along half a cosine, slowly at both ends.

    Source: Loshchilov, Hutter, "SGDR: stochastic gradient descent with warm restarts" (2016),
    equation 5, without restarts.
    """

    final: float = 0.0

    def __post_init__(self) -> None:
        check_range(self.final, "Cosine final", 0, 1)

    def __call__(self, step: int, total_steps: int) -> float:
        fall = 0.5 * (1 + math.cos(math.pi * step / total_steps))
        return float(self.final + (1 - self.final) * fall)


@dataclass(frozen=True)
class OneCycle:
    """Rise linearly to 1, then fall linearly towards 0; momentum is not cycled.

    Small steps first, while the weights are still random; large ones in between; ever smaller ones
    at the end. Source: Smith, Topin, "Super-convergence" (2017).

    Parameters
    ----------
    warmup : float in (0, 1), default 0.1
        Share of all steps that rise.
    """

    warmup: float = 0.1

    def __post_init__(self) -> None:
        check_range(self.warmup, "OneCycle warmup", 0, 1, left_open=True, right_open=True)

    def __call__(self, step: int, total_steps: int) -> float:
        peak = self.warmup * total_steps
        # step + 1 and total_steps: the first step already moves, and so does the last
        rise = (step + 1) / max(peak, 1)
        fall = (total_steps - step) / max(total_steps - peak, 1)
        # Between two steps the lines would meet a little above 1.
        return float(min(rise, fall, 1.0))
