r"""One network split between processes or machines: the units are divided, not the samples.

Every worker runs the same program on the same batches. Dense layers go in pairs. A worker owns
some outputs of the first layer of a pair (columns of W), and the inputs of the second that come
from them (rows of W). The layers between treat each unit alone, so they need no message. With two::

    worker 0                      worker 1
    x             (N, in)         x             (N, in)           the same batch
    x W1[:, :h] + b1[:h]          x W1[:, h:] + b1[h:]            ColumnDense
    ReLU          (N, h)          ReLU          (N, H - h)        each its own units
    u W2[:h]      (N, K)          u W2[h:]      (N, K)            RowDense
              \                   /
               sum over the workers  (N, K)                       the message of the step
              /                   \
    z = sum + b2  (N, K)          z = sum + b2  (N, K)            the same on both
    loss, dz                      loss, dz                        and so is all from here

Backward needs no message: dz is whole, and the gradients of a worker's rows and columns depend on
its own units alone. So a network of one or two hidden layers sends one sum a step, whatever its
width: N K numbers. Three hidden layers need three sums: a second pair sums its input gradient too.
The last of an odd number of Dense layers, and all layers outside of pairs, are whole on every
worker. Losses, optimizers and schedules do not change: to them, the part is a smaller network.

`split` makes the part of a worker, `Share` knows which entries of the whole vector it holds. A
communicator has `rank`, `size` and `sum`; `training/workers.py` has one for the processes of one
machine. Source: Shoeybi, Patwary, Puri, LeGresley, Casper, Catanzaro, "Megatron-LM: training
multi-billion parameter language models using model parallelism" (2019), section 3.
"""

from __future__ import annotations

import copy
from typing import Any

import numpy as np

from numpymlp.layer_protocol import Layer
from numpymlp.layers import GELU, BatchNorm, Dense, Dropout, LeakyReLU, ReLU, Sigmoid, Tanh
from numpymlp.network import Network
from numpymlp.validation import InputError

BLOCK = 1 << 15  # entries that are gathered at a time
UNITWISE = (ReLU, LeakyReLU, GELU, Sigmoid, Tanh)


class Communicator:
    """The workers that share a network: ``rank``, from 0, is one of ``size``; by default alone."""

    def __init__(self, rank: int = 0, size: int = 1) -> None:
        self.rank, self.size = rank, size

    def sum(self, a: np.ndarray) -> np.ndarray:
        """Return the sum of all workers' arrays of this shape, with the same bits on each."""
        return a


class ColumnDense(Dense):
    """The part of a Dense layer for some of its outputs: ``W[:, mine]`` and ``b[mine]``."""

    def __init__(self, whole: Dense, mine: slice, comm: Communicator) -> None:
        super().__init__(whole.inputs, mine.stop - mine.start, whole.initializer)
        self.comm = comm
        self.W, self.b = whole.W[:, mine], whole.b[mine]

    # forward is that of Dense: y[:, mine] = x W[:, mine] + b[mine]    (N, in) -> (N, h)

    def backward(self, dy: np.ndarray, input_gradient: bool = True) -> np.ndarray | None:
        # dL/dW[:, mine] = x^T dL/dy[:, mine], as in Dense    (in, N) @ (N, h) -> (in, h)
        dx = super().backward(dy, input_gradient)
        # dL/dx = sum over workers of dL/dy[:, mine] W[:, mine]^T    (N, h) @ (h, in) -> (N, in)
        return None if dx is None else self.comm.sum(dx)


class RowDense(Dense):
    """The part of a Dense layer for some of its inputs: ``W[mine]``; every worker has b."""

    def __init__(self, whole: Dense, mine: slice, comm: Communicator) -> None:
        super().__init__(mine.stop - mine.start, whole.outputs, whole.initializer)
        self.comm = comm
        self.W, self.b = whole.W[mine], whole.b

    def forward(self, x: np.ndarray, training: bool = False) -> np.ndarray:
        self.cache = x
        # y = sum over workers of x[:, mine] W[mine] + b    (N, h) @ (h, out) -> (N, out)
        y = self.comm.sum(x @ self.W)
        y += self.b
        return y

    # backward is that of Dense, since dy is whole:
    # dL/dW[mine] = x[:, mine]^T dL/dy    (h, N) @ (N, out) -> (h, out)
    # dL/dx[:, mine] = dL/dy W[mine]^T    (N, out) @ (out, h) -> (N, h)


class Draws:
    """A generator that draws for all units and returns those of one worker."""

    def __init__(self, rng: Any, mine: slice, width: int) -> None:
        self.rng, self.mine, self.width = rng, mine, width
        self.bit_generator = rng.bit_generator

    def random(self, shape: tuple[int, ...], dtype: Any = np.float64) -> np.ndarray:
        return self.rng.random((*shape[:-1], self.width), dtype=dtype)[..., self.mine]


def take(layer: Any, mine: slice, width: int) -> Layer:
    """Return the part of a layer inside a pair, for these units of `width`.

    A custom layer that treats each unit alone has a method ``take(mine, width)`` for this.
    """
    if hasattr(layer, "take"):
        return layer.take(mine, width)
    if type(layer) in UNITWISE:
        return copy.copy(layer)
    if type(layer) is Dropout:
        part: Any = Dropout(layer.rate)
        part.rng = Draws(copy.deepcopy(layer.rng), mine, width)
        return part
    if type(layer) is BatchNorm:
        norm = BatchNorm(mine.stop - mine.start, layer.momentum, layer.epsilon)
        for name in (*layer.declared("parameter"), *layer.declared("buffer")):
            setattr(norm, name, getattr(layer, name)[mine])
        return norm
    raise InputError(
        f"split expected layers that treat each unit alone between two Dense layers, got {layer}, "
        f"which has no take(mine, width): define it, or train with one worker"
    )


def split(network: Network, comm: Communicator) -> Network:
    """Return this worker's part of a network.

    The whole network is the same on every worker, and does not change. If all call `forward` and
    `backward` on the same batches, every part has the outputs of the whole, up to rounding.

    Raises
    ------
    InputError
        If a Dense layer has fewer units than there are workers, or a layer cannot be split.
    """
    layers: list[Layer] = []
    left = sum(type(layer) is Dense for layer in network.layers)
    mine, width = None, 0  # which units of the vector this worker has; None: all of them
    for layer in network.layers:
        if type(layer) is not Dense:
            layers.append(copy.copy(layer) if mine is None else take(layer, mine, width))
            continue
        left -= 1
        if mine is not None:
            layers.append(RowDense(layer, mine, comm))
            mine = None
        elif left and comm.size > 1:
            mine, width = units_of(comm, layer), layer.outputs
            layers.append(ColumnDense(layer, mine, comm))
        else:
            layers.append(copy.copy(layer))
    return Network(layers, output=network.head.name, dtype=network.dtype)


def units_of(comm: Communicator, layer: Dense) -> slice:
    """Return the units of a Dense layer that a worker owns: equal shares, up to one unit."""
    if comm.size > layer.outputs:
        raise InputError(
            f"workers: expected at most {layer.outputs} for {layer}, one for each unit, got "
            f"{comm.size}: choose fewer workers or a wider layer"
        )
    ends = np.linspace(0, layer.outputs, comm.size + 1).astype(int)
    return slice(int(ends[comm.rank]), int(ends[comm.rank + 1]))


class Share:
    """Which entries of the whole network's vectors a worker has: parameters, or buffers.

    To find them, it splits a network whose entries are their own positions.
    """

    def __init__(self, network: Network, comm: Communicator, kind: str = "parameters") -> None:
        self.comm, size = comm, getattr(network, kind).size
        numbers = network.copy(np.float64)
        setattr(numbers, kind, np.arange(size))
        self.mine, first = np.zeros(size, bool), np.zeros(size, bool)
        for mask, rank in ((self.mine, comm.rank), (first, 0)):
            mask[getattr(split(numbers, Communicator(rank, comm.size)), kind).astype(int)] = True
        self.sent = ~first[self.mine] | (comm.rank == 0)  # worker 0 sends what all have

    def scatter(self, whole: np.ndarray) -> np.ndarray:
        """Return this worker's entries (p,) of a whole vector (P,)."""
        return whole[self.mine]

    def gather(self, part: np.ndarray) -> np.ndarray:
        """Return the whole vector (P,) on worker 0, else an empty one; all must call it."""
        whole = np.empty(self.mine.size if self.comm.rank == 0 else 0, part.dtype)
        left = np.where(self.sent, part, 0)
        for start in range(0, self.mine.size, BLOCK):
            mine = self.mine[start : start + BLOCK]
            now, left = np.split(left, [np.count_nonzero(mine)])
            block = np.zeros(mine.size, part.dtype)
            block[mine] = now
            block, goal = self.comm.sum(block), whole[start : start + BLOCK]
            goal[:] = block[: goal.size]
        return whole
