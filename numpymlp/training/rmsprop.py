"""RMSprop: a step against the gradient, divided by its root mean square.

Use it like the optimizers of `optimizers.py`. Adam adds momentum and a correction of the first
steps, and has replaced RMSprop in most uses.
"""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from numpymlp.optimizers import CLEAR, Optimizer, blocks, clear_tiny
from numpymlp.validation import check_range, start_step


class RMSprop(Optimizer):
    """RMSprop: each parameter's step is divided by the running root mean square of its gradient.

    ``v = rho v + (1 - rho) g^2`` and ``p = p - a g / (sqrt(v) + epsilon)``.

    Parameters
    ----------
    learning_rate : float > 0, default 1e-3
    rho : float in [0, 1), default 0.99
        Share of the running mean of squares that is kept at each step; PyTorch calls it alpha.
    epsilon : float >= 1e-30, default 1e-8
        Keeps the division finite where the gradient was always 0.

    Notes
    -----
    Source: Tieleman, Hinton, "Lecture 6.5: RMSprop", Neural networks for machine learning (2012).
    The form is PyTorch's, without momentum and centring. Keras divides by ``sqrt(v + epsilon)``,
    with epsilon inside the root and defaults of rho 0.9 and epsilon 1e-7: where gradients are far
    above the root of that, 3e-4, the steps are those of ``RMSprop(rho=0.9)``; below it, Keras'
    steps are shorter.
    """

    state_names = ("v", "t")
    formula: ClassVar = {"v": "v = rho v + (1 - rho) g^2", "p": "p = p - a g / (sqrt(v) + epsilon)"}
    v: np.ndarray | None

    def __init__(
        self, learning_rate: float = 1e-3, rho: float = 0.99, epsilon: float = 1e-8
    ) -> None:
        super().__init__(learning_rate)
        self.rho = check_range(rho, "RMSprop rho", 0, 1, right_open=True)
        self.epsilon = check_range(epsilon, "RMSprop epsilon", 1e-30, np.inf, right_open=True)

    def step(self, parameters: np.ndarray, gradients: np.ndarray, factor: float = 1.0) -> None:
        a, rho = start_step(self, parameters, gradients, factor), self.rho
        if self.v is None:
            self.v = np.zeros_like(parameters)
        self.t += 1
        for p, g, v, scratch in blocks(parameters, gradients, self.v):
            # v = rho v + (1 - rho) g^2
            v *= rho
            np.multiply(g, g, out=scratch)
            scratch *= 1 - rho
            v += scratch
            # p = p - a g / (sqrt(v) + epsilon)
            np.sqrt(v, out=scratch)
            scratch += self.epsilon
            np.divide(g, scratch, out=scratch)
            scratch *= a
            p -= scratch
        if self.t % CLEAR == 0:
            clear_tiny(self.v, (float(np.finfo(self.v.dtype).eps) * self.epsilon) ** 2)
