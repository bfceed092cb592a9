"""The optimizers: how a gradient becomes a step.

They stand in the order of rising complexity: SGD, with momentum, with Nesterov momentum; Adam;
AdamW. Each is the formula of its paper on two vectors, all parameters p and all gradients g of the
network, changed in place; a is the learning rate at this step, mu the momentum, v the velocity;
in Adam, m and v are fading sums of g and of its square.
`tutorials/08_optimizers.py` derives them step by step. Read `schedules.py` next, which moves the
learning rate.
"""

from __future__ import annotations

import copy
import inspect
import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from numpymlp.validation import (
    check_positive,
    check_range,
    check_same_shape,
    check_vector,
    own_arrays,
    start_step,
)

# Blocks of this many numbers stay in the processor's cache from one pass to the next.
BLOCK = 1 << 17
# Steps between two `clear_tiny`: 1e-30 times 0.9**100 is not yet subnormal in float32.
CLEAR = 100


class Optimizer:
    """The base class of all optimizers.

    Parameters
    ----------
    learning_rate : float > 0
        Length scale of a step. A schedule's factor is passed to `step`.

    Attributes
    ----------
    state_names : tuple of str
        The attributes that a checkpoint saves: vectors of shape (P,) or numbers.
    t : int
        Number of steps taken.
    """

    state_names: tuple[str, ...] = ()
    t = 0
    vector: np.ndarray | None = None  # the parameters that the state belongs to

    def __init__(self, learning_rate: float) -> None:
        self.learning_rate = check_positive(learning_rate, f"{type(self).__name__} learning_rate")
        self.reset()

    def reset(self) -> None:
        """Clear everything but the settings: for a new network."""
        vars(self).update(dict.fromkeys(self.state_names), t=0, vector=None)

    def step(self, parameters: np.ndarray, gradients: np.ndarray, factor: float = 1.0) -> None:
        """Move the parameters one step, in place.

        Parameters
        ----------
        parameters, gradients : ndarray of shape (P,)
            Both float32, or both float64.
        factor : float, default 1.0
            The schedule's factor on the learning rate at this step.
        """
        raise NotImplementedError(f"{type(self).__name__} must define step(parameters, gradients)")

    def state(self) -> dict[str, Any]:
        """Return copies of all that `restore` needs to continue with the same steps."""
        return copy.deepcopy({name: getattr(self, name) for name in self.state_names})

    def restore(self, state: dict[str, Any]) -> None:
        """Continue from what `state` returned, with the parameters of the next step."""
        new = copy.deepcopy({name: state[name] for name in self.state_names})
        vars(self).update(new, vector=None)

    def __repr__(self) -> str:
        """Show the learning rate, and each setting that is not the default."""
        known = [inspect.signature(kind).parameters for kind in reversed(type(self).__mro__[:-1])]
        defaults = {name: each.default for parameters in known for name, each in parameters.items()}
        changed = [
            f", {name}={vars(self)[name]}"
            for name, default in [*defaults.items()][1:]  # the first is the learning rate
            if isinstance(default, float | int) and vars(self).get(name, default) != default
        ]
        return f"{type(self).__name__}({self.learning_rate:g}{''.join(changed)})"

    def __getstate__(self) -> dict[str, Any]:
        # A copy shares no moments, and goes on with the parameters of a copied network.
        return copy.deepcopy({**vars(self), "vector": None})

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(own_arrays(state))


class SGD(Optimizer):
    """Stochastic gradient descent: a step against the gradient, plain or with momentum.

    Parameters
    ----------
    learning_rate : float > 0
    momentum : float in [0, 1), default 0
        Share of the previous step that is added to this one. With 0: ``p = p - a g``. Otherwise
        ``v = mu v - a g`` and ``p = p + v``.
    nesterov : bool, default False
        Nesterov momentum: ``p = p + mu v - a g`` with the new v.
        Source: Sutskever, Martens, Dahl, Hinton, "On the importance of initialization and momentum
        in deep learning" (2013), section 2, rewritten so that the gradient is taken
        at the current parameters.

    Notes
    -----
    The learning rate is inside the velocity, as in the paper and in scikit-learn. PyTorch keeps it
    outside, ``v = mu v + g`` and ``p = p - a v``. With a constant rate both take the same steps;
    under a schedule they do not, for there a new rate also rescales the steps of the past.
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
        a, mu = start_step(self, parameters, gradients, factor), self.momentum
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
        if self.t % CLEAR == 0:
            clear_tiny(self.v, (1 - mu) * np.finfo(self.v.dtype).eps * np.abs(parameters))


class Adam(Optimizer):
    """Adam: steps of running mean gradient over root mean square gradient, for each parameter.

    Parameters
    ----------
    learning_rate : float > 0, default 1e-3
        About the length of a step, for every parameter.
    beta1, beta2 : float in [0, 1), default 0.9 and 0.999
        Shares of the sums m of g and v of g^2 that are kept at each step.
    epsilon : float >= 1e-30, default 1e-8
        Keeps the division finite where the gradient was always 0. Below 1e-18, train in float64:
        float32 cannot hold the squares of gradients that small.

    Notes
    -----
    Source: Kingma, Ba, "Adam: a method for stochastic optimization" (2014), algorithm 1. The
    paper's running means are ``(1 - beta1) m`` and ``(1 - beta2) v``: as sums, m and v need two
    passes less over their vectors, and the correction of the means' bias is the division by the
    sum of the weights. All factors are folded into the step size (end of section 2), so epsilon is
    the paper's "epsilon hat", as in scikit-learn. PyTorch corrects v before it adds epsilon: its
    epsilon is ``epsilon * sqrt(1 - beta2**t)`` in this form, smaller in the first steps.
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
        a = start_step(self, parameters, gradients, factor)
        if self.m is None or self.v is None:
            self.m, self.v = np.zeros_like(parameters), np.zeros_like(parameters)
        self.t += 1
        beta1, beta2 = self.beta1, self.beta2
        # A sum over the sum of its weights, 1 + beta + ... + beta^(t-1), is a mean: m / w1, v / w2.
        w1, w2 = (1 - beta1**self.t) / (1 - beta1), (1 - beta2**self.t) / (1 - beta2)
        # a_t = a sqrt(w2) / w1; the paper adds epsilon to the root of (1 - beta2) v
        a, epsilon = a * math.sqrt(w2) / w1, self.epsilon / math.sqrt(1 - beta2)
        for p, g, m, v, scratch in blocks(parameters, gradients, self.m, self.v):
            # m = beta1 m + g
            m *= beta1
            m += g
            # v = beta2 v + g^2
            v *= beta2
            np.multiply(g, g, out=scratch)
            v += scratch
            # p = p - a_t m / (sqrt(v) + epsilon / sqrt(1 - beta2))
            np.sqrt(v, out=scratch)
            scratch += epsilon
            np.divide(m, scratch, out=scratch)
            scratch *= a
            p -= scratch
        if self.t % CLEAR == 0:
            negligible = float(np.finfo(self.m.dtype).eps) * self.epsilon
            clear_tiny(self.m, negligible / (1 - beta1))
            clear_tiny(self.v, negligible**2 / (1 - beta2))


class AdamW(Adam):
    """Adam with decoupled weight decay: the weights shrink by a fixed share at every step.

    ``p -= a weight_decay mask p`` comes before Adam's own step. Adam would divide the gradient of
    an L2 penalty by the root mean square gradient, and so shrink weights with large gradients
    less; decoupled decay is proportional to the weight alone. Source: Loshchilov, Hutter,
    "Decoupled weight decay regularization" (2017), algorithm 2, whose lambda is
    ``learning_rate weight_decay`` here.

    Parameters
    ----------
    learning_rate : float > 0, default 1e-3
    weight_decay : float >= 0, default 1e-2
    mask : ndarray of shape (P,), optional
        1 where a parameter decays, else 0. `Network.decay_mask` spares biases and batch norm;
        without a mask every parameter decays.
    **adam
        Further arguments of `Adam`.
    """

    def __init__(
        self,
        learning_rate: float = 1e-3,
        weight_decay: float = 1e-2,
        mask: np.ndarray | None = None,
        **adam: float,
    ) -> None:
        super().__init__(learning_rate, **adam)
        self.weight_decay = check_range(
            weight_decay, "AdamW weight_decay", 0, np.inf, right_open=True
        )
        self.mask = None if mask is None else check_vector(mask, "AdamW mask", "network.decay_mask")

    def step(self, parameters: np.ndarray, gradients: np.ndarray, factor: float = 1.0) -> None:
        a = start_step(self, parameters, gradients, factor)
        mask = np.ones_like(parameters) if self.mask is None else self.mask
        check_same_shape("parameters", parameters, "AdamW mask, network.decay_mask", mask)
        for p, mask_p, scratch in blocks(parameters, mask):
            # p = p - a weight_decay mask p
            np.multiply(p, mask_p, out=scratch)
            scratch *= a * self.weight_decay
            p -= scratch
        super().step(parameters, gradients, factor)


# ---- speed: blocks that fit the cache, and no subnormal numbers ----


def blocks(*vectors: np.ndarray) -> Iterator[tuple[np.ndarray, ...]]:
    """Walk along vectors of one length in blocks, with one scratch block beside them.

    Yields
    ------
    tuple of ndarray
        A view of each vector, and a scratch array of the same length and dtype, whose content
        means nothing.
    """
    length = len(vectors[0])
    scratch = np.empty(min(BLOCK, length), vectors[0].dtype)
    for start in range(0, length, BLOCK):
        stop = min(start + BLOCK, length)
        yield (*(vector[start:stop] for vector in vectors), scratch[: stop - start])


def clear_tiny(vector: np.ndarray, negligible: np.ndarray | float) -> None:
    """Set to 0 in place, every `CLEAR` steps, what will soon be subnormal and moves no parameter.

    A running mean shrinks step by step where the gradient stays 0, as it does for the weights of a
    pixel that is blank in almost every image. Below 1e-38 in float32 its numbers are subnormal,
    and many processors take longer for each: on one, an epoch of 784-128-10 in batches of 32 took
    50 % longer. Multiplying by 0.9 never brings them to 0, since the smallest of them is
    rounded back to itself. `tutorials/11_against_scikit_learn.py` measures it.

    Parameters
    ----------
    vector : ndarray of shape (P,)
        Cleared below 1e8 times the smallest normal number, 1e-30 in float32, where it is also
        below `negligible`.
    negligible : ndarray of shape (P,) or float
        What changes a step by no more than rounding, u = `numpy.finfo(dtype).eps`. For SGD: v below
        `(1 - mu) u |p|`, so that all it would still do is less than `u |p|`. In Adam, of the
        running means: m below u epsilon, less than u of a step of length a_t; and sqrt(v) below
        u epsilon, which changes the divisor sqrt(v) + epsilon by less than u of it.
    """
    limit = 1e8 * np.finfo(vector.dtype).tiny
    vector[np.abs(vector) < np.minimum(negligible, limit)] = 0
