"""The optimizers: how a gradient becomes a step.

They stand in the order of rising complexity: SGD, with momentum, with Nesterov's look ahead; Adam;
AdamW. Each is the formula of its paper on two vectors, all parameters and all gradients of the
network, changed in place: p the parameters, g their gradient, a the learning rate at this step,
mu the momentum and v the velocity; in Adam m and v are fading sums of g and of its square.
Derived step by step in `tutorials/07_optimizers.py`. `schedules.py` moves the learning rate; read
it next.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from numpymlp.validation import (
    check_optimizer_vectors,
    check_positive,
    check_range,
    check_vector,
)
from numpymlp.vectors import blocks, clear_tiny


class Optimizer:
    """What the optimizers share: a learning rate, and vectors as long as the parameters.

    Parameters
    ----------
    learning_rate : float > 0
        Length scale of a step. A schedule's factor is passed to `step`.

    Attributes
    ----------
    state_names : tuple of str
        The attributes that a checkpoint has to keep; vectors of shape (P,) or numbers.
    t : int
        How many steps were taken.
    """

    state_names: tuple[str, ...] = ()

    def __init__(self, learning_rate: float) -> None:
        self.learning_rate = check_positive(learning_rate, f"{type(self).__name__} learning_rate")
        self.reset()

    def reset(self) -> None:
        """Forget everything but the settings."""
        for name in self.state_names:
            setattr(self, name, None)
        self.t = 0

    def step(self, parameters: np.ndarray, gradients: np.ndarray, factor: float = 1.0) -> None:
        """Move the parameters one step, in place.

        Parameters
        ----------
        parameters, gradients : ndarray of shape (P,)
            Both float32, or both float64.
        factor : float, default 1.0
            What the schedule multiplies the learning rate by at this step.
        """
        raise NotImplementedError(f"{type(self).__name__} must define step(parameters, gradients)")

    def state(self) -> dict[str, Any]:
        """Give copies of all that `restore` needs to go on as if nothing had happened."""
        return {
            name: value.copy() if isinstance(value, np.ndarray) else value
            for name, value in ((name, getattr(self, name)) for name in self.state_names)
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Take back what `state` gave."""
        for name in self.state_names:
            value = state[name]
            setattr(self, name, value.copy() if isinstance(value, np.ndarray) else value)


class SGD(Optimizer):
    """Stochastic gradient descent: a step against the gradient, plain or with momentum.

    Parameters
    ----------
    learning_rate : float > 0
    momentum : float in [0, 1), default 0
        How much of the last step is kept. With 0: ``p = p - a g``. Otherwise
        ``v = mu v - a g`` and ``p = p + v``.
    nesterov : bool, default False
        Take the gradient's step from where momentum will have led: ``p = p + mu v - a g``
        with the new v. Source: Sutskever, Martens, Dahl, Hinton, "On the importance of
        initialization and momentum in deep learning" (2013), section 2, in the form for which
        gradient and parameters belong to the same point.
    """

    state_names = ("v", "t")
    v: np.ndarray | None

    def __init__(
        self, learning_rate: float = 0.1, momentum: float = 0.0, nesterov: bool = False
    ) -> None:
        super().__init__(learning_rate)
        self.momentum = check_range(momentum, "SGD momentum", 0, 1, right_open=True)
        self.nesterov = bool(nesterov)

    def step(self, parameters: np.ndarray, gradients: np.ndarray, factor: float = 1.0) -> None:
        check_optimizer_vectors(parameters, gradients, self.v)
        a, mu = self.learning_rate * factor, self.momentum
        if self.v is None:
            self.v = np.zeros_like(parameters)
        self.t += 1
        for p, g, v, scratch in blocks(parameters, gradients, self.v):
            np.multiply(g, a, out=scratch)
            if mu == 0:
                # p = p - a g
                p -= scratch
                continue
            # v = mu v - a g
            v *= mu
            v -= scratch
            if self.nesterov:
                # p = p + mu v - a g
                p -= scratch
                np.multiply(v, mu, out=scratch)
                p += scratch
            else:
                # p = p + v
                p += v
        clear_tiny(self.t, self.v)

    def __repr__(self) -> str:
        momentum = f", momentum={self.momentum:g}" if self.momentum else ""
        return f"SGD({self.learning_rate:g}{momentum}{', nesterov=True' if self.nesterov else ''})"


class Adam(Optimizer):
    """Each parameter has its own step: its mean gradient over the root of the mean square.

    Parameters
    ----------
    learning_rate : float > 0, default 1e-3
        About the length of a step, for every parameter.
    beta1, beta2 : float in [0, 1), default 0.9 and 0.999
        How slowly the two running means forget.
    epsilon : float >= 1e-30, default 1e-8
        Keeps the division finite where the gradient was always 0.

    Notes
    -----
    Source: Kingma, Ba, "Adam: a method for stochastic optimization" (2014), algorithm 1. The
    paper's running means are ``(1 - beta1) m`` and ``(1 - beta2) v``: kept as sums, m and v need
    two passes less over their vectors, and the correction of the means' bias is the division by
    the sum of the weights. All factors are folded into the step size (end of section 2), so that
    epsilon is the paper's "epsilon hat", as in scikit-learn. PyTorch corrects v before it adds
    epsilon; in this form its epsilon is ``epsilon * sqrt(1 - beta2**t)``: smaller at first, which
    shows where gradients are small, most of all in the first steps.
    """

    state_names = ("m", "v", "t")
    m: np.ndarray | None
    v: np.ndarray | None

    def __init__(
        self,
        learning_rate: float = 1e-3,
        beta1: float = 0.9,
        beta2: float = 0.999,
        epsilon: float = 1e-8,
    ) -> None:
        super().__init__(learning_rate)
        self.beta1 = check_range(beta1, "Adam beta1", 0, 1, right_open=True)
        self.beta2 = check_range(beta2, "Adam beta2", 0, 1, right_open=True)
        self.epsilon = check_range(epsilon, "Adam epsilon", 1e-30, np.inf, right_open=True)

    def step(self, parameters: np.ndarray, gradients: np.ndarray, factor: float = 1.0) -> None:
        check_optimizer_vectors(parameters, gradients, self.m)
        if self.m is None or self.v is None:
            self.m, self.v = np.zeros_like(parameters), np.zeros_like(parameters)
        self.t += 1
        beta1, beta2 = self.beta1, self.beta2
        # A fading sum over the sum of its weights, 1 + beta + ... + beta^(t-1), is a mean:
        # m_hat = m / w1, v_hat = v / w2
        w1, w2 = (1 - beta1**self.t) / (1 - beta1), (1 - beta2**self.t) / (1 - beta2)
        # a_t = a sqrt(w2) / w1
        a = self.learning_rate * factor * math.sqrt(w2) / w1
        # The paper's root is sqrt((1 - beta2) v): the factor goes out of root + epsilon
        epsilon = self.epsilon / math.sqrt(1 - beta2)
        for p, g, m, v, scratch in blocks(parameters, gradients, self.m, self.v):
            # m = beta1 m + g
            m *= beta1
            m += g
            # v = beta2 v + g^2
            v *= beta2
            np.multiply(g, g, out=scratch)
            v += scratch
            # p = p - a_t m / (sqrt(v) + epsilon)
            np.sqrt(v, out=scratch)
            scratch += epsilon
            np.divide(m, scratch, out=scratch)
            scratch *= a
            p -= scratch
        clear_tiny(self.t, self.m, self.v)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.learning_rate:g})"


class AdamW(Adam):
    """Adam, with weights that shrink a little at every step, apart from the gradient.

    ``p -= a weight_decay mask p`` goes before Adam's own step. An L2 penalty would go through
    Adam's division, and shrink weights with large gradients less; this decay is in proportion to
    the weight alone. Source: Loshchilov, Hutter, "Decoupled weight decay regularization" (2017),
    algorithm 2, whose lambda is ``learning_rate weight_decay`` here.

    Parameters
    ----------
    decay_mask : ndarray of shape (P,)
        1 where a parameter decays, else 0: `Network.decay_mask`, which spares biases and batch
        norm.
    learning_rate : float > 0, default 1e-3
    weight_decay : float >= 0, default 1e-2
    **adam
        Further arguments of `Adam`.
    """

    def __init__(
        self,
        decay_mask: np.ndarray,
        learning_rate: float = 1e-3,
        weight_decay: float = 1e-2,
        **adam: float,
    ) -> None:
        super().__init__(learning_rate, **adam)
        self.decay_mask = check_vector(decay_mask, "AdamW decay_mask", "network.decay_mask")
        self.weight_decay = check_range(
            weight_decay, "AdamW weight_decay", 0, np.inf, right_open=True
        )

    def step(self, parameters: np.ndarray, gradients: np.ndarray, factor: float = 1.0) -> None:
        check_optimizer_vectors(parameters, gradients, self.decay_mask)
        a = self.learning_rate * factor
        for p, mask, scratch in blocks(parameters, self.decay_mask):
            # p = p - a weight_decay mask p
            np.multiply(p, mask, out=scratch)
            scratch *= a * self.weight_decay
            p -= scratch
        super().step(parameters, gradients, factor)
