"""The layers: what each one computes, and how a gradient passes back through it.

This is the heart of the package. In each class `forward` and `backward` stand together: `forward`
takes a batch `x`, one sample a row, and leaves in `self.kept` what `backward` will need;
`backward` takes `dy`, the gradient of the loss with respect to the layer's output, and returns
`dx`, that with respect to its input. Derived step by step in `tutorials/02_a_layer.py` and
`tutorials/04_backpropagation.py`, and built in `tutorials/05_layers_as_classes.py`. `losses.py`
makes the first `dy`; `network.py` puts layers in a row. `initializers.py` draws the first weights;
read it next, then `losses.py`.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import numpy as np

from numpymlp.initializers import he_normal
from numpymlp.validation import (
    InputError,
    check_callable,
    check_initial,
    check_positive_integer,
    check_range,
    check_rng,
)

Initializer = Callable[[tuple[int, ...], np.random.Generator], np.ndarray]


class Layer:
    """What the layers share: names for what they learn, and the bond to a network's vectors.

    A class of your own needs no base: `forward(x, training)` and `backward(dy)` are enough, with
    `parameter_names` if it learns. Deriving from `Layer` adds the rest. A class whose `dx` is
    costly may define `backward_parameters(dy)` beside `backward`: the first layer that learns is
    asked for no more than that.

    Attributes
    ----------
    parameter_names : tuple of str
        What the layer learns. The gradient of ``W`` is called ``dW``.
    buffer_names : tuple of str
        What it keeps without learning it, such as batch norm's running mean.
    input_shape : tuple of int or None
        Shape of one sample that the layer expects; None where any will do.
    minimum_batch : int
        The smallest batch that it can be trained on.
    """

    parameter_names: tuple[str, ...] = ()
    buffer_names: tuple[str, ...] = ()
    input_shape: tuple[int, ...] | None = None
    minimum_batch = 1
    kept: Any

    def forward(self, x: np.ndarray, training: bool = False) -> np.ndarray:
        raise NotImplementedError(f"{type(self).__name__} must define forward(x, training)")

    def backward(self, dy: np.ndarray) -> np.ndarray:
        raise NotImplementedError(f"{type(self).__name__} must define backward(dy)")

    def initialize(self, rng: np.random.Generator) -> None:
        """Draw the first parameters; a layer that learns nothing has nothing to draw."""

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Give the shape of every parameter and buffer, also before they exist."""
        return {}

    def output_shape(self, input_shape: tuple[int, ...]) -> tuple[int, ...]:
        """Give the shape of one output sample for one input sample of this shape."""
        return input_shape

    def config(self) -> dict[str, Any]:
        """Give the arguments that build this layer again, as JSON can hold them."""
        return {}

    def __repr__(self) -> str:
        return type(self).__name__

    # A layer inside a network owns nothing: its arrays are views into the network's vectors, and
    # `layer.W = a` must write there instead of cutting the bond.

    def bind(self, name: str, view: np.ndarray) -> None:
        """Let the attribute `name` be this view from now on; assigning to it copies into it."""
        self.__dict__.setdefault("views", {})[name] = view
        self.__dict__[name] = view

    def __setattr__(self, name: str, value: Any) -> None:
        view = self.__dict__.get("views", {}).get(name)
        if view is None:
            object.__setattr__(self, name, value)
        elif np.shape(value) == view.shape:
            view[...] = value
        else:
            raise InputError(
                f"{self}.{name} has shape {view.shape}, got {np.shape(value)}: a network's "
                f"parameters keep their shape; build a new layer for another one"
            )

    def __getattr__(self, name: str) -> Any:
        if name in type(self).parameter_names:
            raise AttributeError(
                f"{self} has no {name} yet: give it rng=np.random.default_rng(seed), "
                f"or put it into a Network, which draws its weights"
            )
        if name == "kept":
            raise AttributeError(f"{self}: backward expected a forward pass before it")
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")

    def __copy__(self) -> Layer:
        # A shallow copy would write into the network of the layer that it was made from.
        return copy.deepcopy(self)

    def __getstate__(self) -> dict[str, Any]:
        # A copy belongs to no network yet, and what forward kept to a batch that is gone.
        gone = ("kept", "views")
        return {name: value for name, value in self.__dict__.items() if name not in gone}


class Dense(Layer):
    """Every output is a weighted sum of all inputs: ``y = x @ W + b``.

    Parameters
    ----------
    inputs, outputs : int
        Number of features of a sample before and after the layer.
    initializer : callable, default `he_normal`
        ``initializer(shape, rng)`` gives the first W, of shape (inputs, outputs). b starts at 0.
    rng : numpy.random.Generator, optional
        Draws the weights at once, so that the layer works alone (in float64). Without it the
        network that it is put into draws them.

    Attributes
    ----------
    W, dW : ndarray of shape (inputs, outputs)
    b, db : ndarray of shape (outputs,)
    """

    parameter_names = ("W", "b")
    kept: np.ndarray

    def __init__(
        self,
        inputs: int,
        outputs: int,
        initializer: Initializer = he_normal,
        rng: np.random.Generator | None = None,
    ) -> None:
        self.inputs = check_positive_integer(inputs, "Dense inputs")
        self.outputs = check_positive_integer(outputs, "Dense outputs")
        self.initializer = check_callable(initializer, "Dense initializer", "he_normal or the like")
        self.input_shape = (self.inputs,)
        if rng is not None:
            self.initialize(rng)

    def initialize(self, rng: np.random.Generator) -> None:
        shape = (self.inputs, self.outputs)
        self.W = check_initial(self.initializer(shape, check_rng(rng)), shape, f"{self} weights")
        self.b = np.zeros(self.outputs)
        self.dW = np.zeros_like(self.W)
        self.db = np.zeros_like(self.b)

    def forward(self, x: np.ndarray, training: bool = False) -> np.ndarray:
        self.kept = x
        # y = x W + b    (N, in) @ (in, out) + (out,) -> (N, out)
        y: np.ndarray = x @ self.W
        y += self.b
        return y

    def backward(self, dy: np.ndarray) -> np.ndarray:
        self.backward_parameters(dy)
        # dL/dx = dL/dy W^T    (N, out) @ (out, in) -> (N, in)
        dx: np.ndarray = dy @ self.W.T
        return dx

    def backward_parameters(self, dy: np.ndarray) -> None:
        """Compute dW and db alone: all that the first layer of a network is asked for."""
        x = self.kept
        # dL/dW = x^T dL/dy    (in, N) @ (N, out) -> (in, out)
        np.matmul(x.T, dy, out=self.dW)
        # dL/db = sum over the batch of dL/dy    (N, out) -> (out,)
        np.sum(dy, axis=0, out=self.db)

    def shapes(self) -> dict[str, tuple[int, ...]]:
        return {"W": (self.inputs, self.outputs), "b": (self.outputs,)}

    def output_shape(self, input_shape: tuple[int, ...]) -> tuple[int, ...]:
        return (self.outputs,)

    def config(self) -> dict[str, Any]:
        return {"inputs": self.inputs, "outputs": self.outputs}

    def __repr__(self) -> str:
        return f"Dense({self.inputs} -> {self.outputs})"


class ReLU(Layer):
    """The positive part: ``y = max(x, 0)``.

    At the kink x = 0 the derivative is taken as 0. A unit that is 0 for every sample passes no
    gradient: it is dead and cannot learn.
    """

    kept: np.ndarray

    def forward(self, x: np.ndarray, training: bool = False) -> np.ndarray:
        y: np.ndarray = np.maximum(x, 0)
        self.kept = y
        return y

    def backward(self, dy: np.ndarray) -> np.ndarray:
        y = self.kept
        # dL/dx = dL/dy where x > 0, else 0; y > 0 says the same, y >= 0 would always be true
        dx: np.ndarray = dy * (y > 0)
        return dx

    def kink_side(self) -> np.ndarray:
        """Tell on which side of the kink each unit was in the last forward pass."""
        side: np.ndarray = self.kept > 0
        return side


class LeakyReLU(Layer):
    """ReLU with a small slope below zero, so that no unit dies: ``y = max(x, slope * x)``.

    Parameters
    ----------
    slope : float in [0, 1), default 0.01
        Source: Maas, Hannun, Ng, "Rectifier nonlinearities improve neural network acoustic
        models" (2013).
    """

    kept: np.ndarray

    def __init__(self, slope: float = 0.01) -> None:
        self.slope = check_range(slope, "LeakyReLU slope", 0, 1, right_open=True)

    def forward(self, x: np.ndarray, training: bool = False) -> np.ndarray:
        self.kept = x
        y: np.ndarray = np.maximum(x, self.slope * x)
        return y

    def backward(self, dy: np.ndarray) -> np.ndarray:
        x = self.kept
        # dL/dx = dL/dy where x > 0, else slope * dL/dy
        slopes = (x > 0).astype(dy.dtype)
        dx: np.ndarray = dy * np.maximum(slopes, self.slope)
        return dx

    def kink_side(self) -> np.ndarray:
        """Tell on which side of the kink each unit was in the last forward pass."""
        side: np.ndarray = self.kept > 0
        return side

    def config(self) -> dict[str, Any]:
        return {"slope": self.slope}

    def __repr__(self) -> str:
        return f"LeakyReLU({self.slope:g})"


class Sigmoid(Layer):
    """Squash to (0, 1): ``y = 1 / (1 + exp(-x))``, computed so that no x overflows."""

    kept: np.ndarray

    def forward(self, x: np.ndarray, training: bool = False) -> np.ndarray:
        y = sigmoid(x)
        self.kept = y
        return y

    def backward(self, dy: np.ndarray) -> np.ndarray:
        y = self.kept
        # dy/dx = y (1 - y), unit by unit
        dx: np.ndarray = dy * (y * (1 - y))
        return dx


class Tanh(Layer):
    """Squash to (-1, 1): ``y = tanh(x)``."""

    kept: np.ndarray

    def forward(self, x: np.ndarray, training: bool = False) -> np.ndarray:
        y: np.ndarray = np.tanh(x)
        self.kept = y
        return y

    def backward(self, dy: np.ndarray) -> np.ndarray:
        y = self.kept
        # dy/dx = 1 - y^2, unit by unit
        dx: np.ndarray = dy * (1 - y * y)
        return dx


class Dropout(Layer):
    """Zero a random share of the units in training; do nothing in evaluation.

    What is left is scaled up by 1 / (1 - rate), so that the expected signal is the same in both
    modes ("inverted" dropout). Source: Srivastava, Hinton, Krizhevsky, Sutskever, Salakhutdinov,
    "Dropout: a simple way to prevent neural networks from overfitting" (2014).

    Parameters
    ----------
    rate : float in [0, 1)
        Share of the units that is zeroed.
    rng : numpy.random.Generator, optional
        Draws the masks. Without it the network that the layer is put into gives it one.
    """

    kept: np.ndarray | None

    def __init__(self, rate: float, rng: np.random.Generator | None = None) -> None:
        self.rate = check_range(rate, "Dropout rate", 0, 1, right_open=True)
        self.rng = None if rng is None else check_rng(rng)

    def forward(self, x: np.ndarray, training: bool = False) -> np.ndarray:
        self.kept = None
        if not training or self.rate == 0:
            return x
        if self.rng is None:
            raise InputError(
                "Dropout has no random numbers: give it rng=np.random.default_rng(seed), "
                "or put it into a Network that was given one"
            )
        # The draw is float32 whatever x is, so that a float64 copy drops the same units.
        alive = self.rng.random(x.shape, dtype=np.float32) >= self.rate
        mask = alive.astype(x.dtype)
        mask /= 1 - self.rate
        self.kept = mask
        y: np.ndarray = x * mask
        return y

    def backward(self, dy: np.ndarray) -> np.ndarray:
        mask = self.kept
        # y = mask x, hence dL/dx = mask dL/dy; in evaluation there was no mask
        return dy if mask is None else dy * mask

    def config(self) -> dict[str, Any]:
        return {"rate": self.rate}

    def __repr__(self) -> str:
        return f"Dropout({self.rate:g})"


class BatchNorm(Layer):
    """Bring every feature to mean 0 and variance 1 over the batch, then scale and shift it.

    ``y = gamma * (x - mean) / sqrt(variance + epsilon) + beta``. Training uses the mean and the
    biased variance of the batch; evaluation uses their running averages. Source: Ioffe, Szegedy,
    "Batch normalization" (2015), algorithm 1. Their algorithm 2, and PyTorch, evaluate with the
    unbiased variance, N / (N - 1) times as large; what PyTorch calls momentum is 1 - momentum here.

    Parameters
    ----------
    features : int
        Number of features of a sample.
    momentum : float in [0, 1), default 0.9
        How much of the running averages stays at each batch.
    epsilon : float >= 1e-30, default 1e-5
        Keeps the division finite where a feature is constant.

    Attributes
    ----------
    gamma, beta, dgamma, dbeta : ndarray of shape (features,)
    running_mean, running_variance : ndarray of shape (features,)
    """

    parameter_names = ("gamma", "beta")
    buffer_names = ("running_mean", "running_variance")
    minimum_batch = 2
    kept: tuple[np.ndarray, np.ndarray, bool]

    def __init__(self, features: int, momentum: float = 0.9, epsilon: float = 1e-5) -> None:
        self.features = check_positive_integer(features, "BatchNorm features")
        self.momentum = check_range(momentum, "BatchNorm momentum", 0, 1, right_open=True)
        self.epsilon = check_range(epsilon, "BatchNorm epsilon", 1e-30, np.inf, right_open=True)
        self.input_shape = (self.features,)
        # Nothing here is random, so the layer can begin without a generator.
        self.gamma, self.beta = np.ones(features), np.zeros(features)
        self.dgamma, self.dbeta = np.zeros(features), np.zeros(features)
        self.running_mean, self.running_variance = np.zeros(features), np.ones(features)

    def forward(self, x: np.ndarray, training: bool = False) -> np.ndarray:
        mean, variance = self.running_mean, self.running_variance
        if training:
            if len(x) < 2:
                raise InputError(
                    f"BatchNorm expected a training batch of at least 2 rows, got {len(x)}: one "
                    "row has no variance; choose a batch size that leaves no single row at the end"
                )
            mean, variance = x.mean(axis=0), x.var(axis=0)
            self.running_mean += (1 - self.momentum) * (mean - self.running_mean)
            self.running_variance += (1 - self.momentum) * (variance - self.running_variance)
        inverse_std = 1 / np.sqrt(variance + self.epsilon)
        x_hat = (x - mean) * inverse_std
        self.kept = x_hat, inverse_std, training
        return self.gamma * x_hat + self.beta

    def backward(self, dy: np.ndarray) -> np.ndarray:
        x_hat, inverse_std, training = self.kept
        # dL/dgamma = sum over the batch of dL/dy x_hat; dL/dbeta = sum of dL/dy    (N, F) -> (F,)
        np.sum(dy * x_hat, axis=0, out=self.dgamma)
        np.sum(dy, axis=0, out=self.dbeta)
        # dL/dx_hat = gamma dL/dy
        dx_hat = self.gamma * dy
        if training:
            # x moves the batch's mean and variance too: take out the parts of the gradient
            # along 1 and along x_hat, which normalizing undoes
            dx_hat = dx_hat - dx_hat.mean(axis=0) - x_hat * (dx_hat * x_hat).mean(axis=0)
        # dL/dx = dL/dx_hat / std
        dx: np.ndarray = inverse_std * dx_hat
        return dx

    def shapes(self) -> dict[str, tuple[int, ...]]:
        names = (*self.parameter_names, *self.buffer_names)
        return {name: (self.features,) for name in names}

    def config(self) -> dict[str, Any]:
        return {"features": self.features, "momentum": self.momentum, "epsilon": self.epsilon}

    def __repr__(self) -> str:
        return f"BatchNorm({self.features})"


def sigmoid(x: np.ndarray) -> np.ndarray:
    """Compute 1 / (1 + exp(-x)) for float32 or float64; below x = -87 it stays at 1.6e-38."""
    # Beyond that exp(-x) would overflow float32.
    y: np.ndarray = 1 / (1 + np.exp(-np.maximum(x, -87)))
    return y
