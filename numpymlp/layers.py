"""The layers: what each one computes, and how a gradient passes back through it.

In each class `forward` and `backward` stand together: `forward` takes a batch `x`, one sample a
row, and leaves in `self.cache` what `backward` needs; `backward` takes `dy`, the gradient of the
loss with respect to the layer's output, and returns `dx`, the gradient with respect to its input.
`tutorials/02_a_layer.py` and `tutorials/05_backpropagation.py` derive them step by step.
Their base class is in `layer_protocol.py`. Read `losses.py` next: a loss makes the first `dy`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from numpymlp import layer_protocol as protocol
from numpymlp.initializers import he_normal
from numpymlp.layer_protocol import Layer, Shape, buffer, parameter
from numpymlp.validation import check_callable, check_positive_integer, check_range, check_rng

ROOT = (2 / np.pi) ** 0.5  # in GELU
Initializer = Callable[[tuple[int, ...], np.random.Generator], np.ndarray]


class Dense(Layer):
    """Every output is a weighted sum of all inputs: ``y = x @ W + b``.

    Parameters
    ----------
    inputs, outputs : int
        Number of features of a sample before and after the layer.
    initializer : callable, default `he_normal`
        ``initializer(shape, rng)`` returns the first W, of shape (inputs, outputs). b starts at 0.
        Before tanh, sigmoid or the output, `mlp` uses `glorot_uniform` instead.
    rng : numpy.random.Generator, optional
        Draws the weights at once, so that the layer works alone (in float64). Without it, the
        network that contains the layer draws them.

    Attributes
    ----------
    W, dW : ndarray of shape (inputs, outputs)
    b, db : ndarray of shape (outputs,)
    """

    W, dW = parameter()
    b, db = parameter()

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
        self.W = protocol.check_initial(
            self.initializer(shape, check_rng(rng)), shape, f"{self} weights"
        )
        self.b = np.zeros(self.outputs)

    def forward(self, x: np.ndarray, training: bool = False) -> np.ndarray:
        self.cache = x
        # y = x W + b    (N, in) @ (in, out) + (out,) -> (N, out)
        y = x @ self.W
        y += self.b
        return y

    def backward(self, dy: np.ndarray, input_gradient: bool = True) -> np.ndarray | None:
        x = self.cache
        # dL/dW = x^T dL/dy    (in, N) @ (N, out) -> (in, out)
        np.matmul(x.T, dy, out=self.dW)
        # dL/db = sum over the batch of dL/dy    (N, out) -> (out,)
        dy.sum(axis=0, out=self.db)
        # dL/dx = dL/dy W^T    (N, out) @ (out, in) -> (N, in)
        return dy @ self.W.T if input_gradient else None

    def shapes(self) -> dict[str, tuple[int, ...]]:
        return {"W": (self.inputs, self.outputs), "b": (self.outputs,)}

    def output_shape(self, input_shape: Shape) -> Shape:
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

    def forward(self, x: np.ndarray, training: bool = False) -> np.ndarray:
        # With the number 0 in place of the row, NumPy would take up to three times as long.
        self.cache = y = np.maximum(x, np.zeros(x.shape[-1], x.dtype))
        return y

    def backward(self, dy: np.ndarray, input_gradient: bool = True) -> np.ndarray:
        y = self.cache
        # dL/dx = dL/dy where x > 0, else 0; x > 0 exactly where y > 0 (y >= 0 is always true)
        return dy * (y > 0)

    def kink_side(self) -> np.ndarray:
        """Return on which side of the kink each unit was in the last forward pass."""
        return self.cache > 0


class LeakyReLU(Layer):
    """ReLU with a small slope below zero, so that no unit dies: ``y = max(x, slope * x)``.

    Parameters
    ----------
    slope : float in [0, 1), default 0.01
        Source: Maas, Hannun, Ng, "Rectifier nonlinearities improve neural network acoustic
        models" (2013).
    """

    def __init__(self, slope: float = 0.01) -> None:
        self.slope = check_range(slope, "LeakyReLU slope", 0, 1, right_open=True)

    def forward(self, x: np.ndarray, training: bool = False) -> np.ndarray:
        self.cache = x
        return np.maximum(x, self.slope * x)

    def backward(self, dy: np.ndarray, input_gradient: bool = True) -> np.ndarray:
        x = self.cache
        # dL/dx = dL/dy where x > 0, else slope dL/dy
        return np.where(x > 0, dy, self.slope * dy)

    def kink_side(self) -> np.ndarray:
        """Return on which side of the kink each unit was in the last forward pass."""
        return self.cache > 0

    def config(self) -> dict[str, Any]:
        return {"slope": self.slope}

    def __repr__(self) -> str:
        return f"LeakyReLU({self.slope:g})"


class GELU(Layer):
    """A smooth ReLU with a dip below zero: ``y = x Phi(x)``, in the tanh approximation.

    Phi is the distribution function of the standard normal distribution. NumPy has no error
    function, so y is ``x (1 + tanh(u)) / 2`` with ``u = sqrt(2 / pi) (x + 0.044715 x^3)``, which
    differs from x Phi(x) by less than 5e-4. It is written with the equal
    ``(1 + tanh(u)) / 2 = sigmoid(2 u)``, which keeps its digits where tanh(u) is close to -1.
    Source: Hendrycks, Gimpel, "Gaussian error linear units" (2016), section 2. It is PyTorch's
    ``GELU(approximate="tanh")``; the default of PyTorch and Keras is x Phi(x) itself.
    """

    def forward(self, x: np.ndarray, training: bool = False) -> np.ndarray:
        z = np.clip(x, -30, 30)  # beyond, s is 0 or 1 to the last bit, and no power overflows
        # y = x s, with s = sigmoid(2 u) and u = sqrt(2 / pi) (x + 0.044715 x^3)
        s = sigmoid(2 * ROOT * z * (1 + 0.044715 * z * z))
        self.cache = x, z, s
        return x * s

    def backward(self, dy: np.ndarray, input_gradient: bool = True) -> np.ndarray:
        x, z, s = self.cache
        # dy/dx = s + x s (1 - s) 2 du/dx, with du/dx = sqrt(2 / pi) (1 + 3 * 0.044715 x^2)
        return dy * (s + x * (s * (1 - s) * 2 * ROOT * (1 + 3 * 0.044715 * z * z)))


class Sigmoid(Layer):
    """Squash to (0, 1): ``y = 1 / (1 + exp(-x))``, computed so that no x overflows."""

    def forward(self, x: np.ndarray, training: bool = False) -> np.ndarray:
        self.cache = y = sigmoid(x)
        return y

    def backward(self, dy: np.ndarray, input_gradient: bool = True) -> np.ndarray:
        y = self.cache
        # dy/dx = y (1 - y), unit by unit
        return dy * (y * (1 - y))


class Tanh(Layer):
    """Squash to (-1, 1): ``y = tanh(x)``."""

    def forward(self, x: np.ndarray, training: bool = False) -> np.ndarray:
        self.cache = y = np.tanh(x)
        return y

    def backward(self, dy: np.ndarray, input_gradient: bool = True) -> np.ndarray:
        y = self.cache
        # dy/dx = 1 - y^2, unit by unit
        return dy * (1 - y * y)


class Dropout(Layer):
    """Zero a random share of the units in training; do nothing in evaluation.

    The other units are scaled up by 1 / (1 - rate), so that the expected signal is the same in both
    modes ("inverted" dropout). Source: Srivastava, Hinton, Krizhevsky, Sutskever, Salakhutdinov,
    "Dropout: a simple way to prevent neural networks from overfitting" (2014).

    Parameters
    ----------
    rate : float in [0, 1)
        Share of the units that is zeroed.
    rng : numpy.random.Generator, optional
        Draws the masks. Without it, the network that contains the layer sets one.
    """

    def __init__(self, rate: float, rng: np.random.Generator | None = None) -> None:
        self.rate = check_range(rate, "Dropout rate", 0, 1, right_open=True)
        self.rng = None if rng is None else check_rng(rng)

    def forward(self, x: np.ndarray, training: bool = False) -> np.ndarray:
        self.cache = None
        if not training or self.rate == 0:
            return x
        # The draw is float32 whatever x is, so that a float64 copy drops the same units.
        alive = protocol.check_has_rng(self).random(x.shape, dtype=np.float32) >= self.rate
        # y = mask x, with mask = 1 / (1 - rate) for the units that stay, else 0
        self.cache = mask = alive.astype(x.dtype)
        mask /= 1 - self.rate
        return x * mask

    def backward(self, dy: np.ndarray, input_gradient: bool = True) -> np.ndarray:
        mask = self.cache
        # dL/dx = mask dL/dy; in evaluation there is no mask
        return dy if mask is None else dy * mask

    def config(self) -> dict[str, Any]:
        return {"rate": self.rate}

    def __repr__(self) -> str:
        return f"Dropout({self.rate:g})"


class BatchNorm(Layer):
    """Normalize each feature to mean 0 and variance 1 over the batch, then scale and shift it.

    ``y = gamma * (x - mean) / sqrt(variance + epsilon) + beta``, where mean and variance are taken
    over all axes but the last. Training uses the mean and the biased variance of the batch;
    evaluation uses their running averages. Source: Ioffe, Szegedy, "Batch normalization" (2015),
    algorithm 1. Their algorithm 2, and PyTorch, evaluate with the unbiased variance, N / (N - 1)
    times as large; PyTorch's momentum is 1 - momentum here.

    Parameters
    ----------
    features : int
        Length of the last axis: features of a vector, channels of an image.
    momentum : float in [0, 1), default 0.9
        Share of the running averages that is kept at each batch.
    epsilon : float >= 1e-30, default 1e-5
        Keeps the division finite where a feature is constant.

    Attributes
    ----------
    gamma, beta, dgamma, dbeta : ndarray of shape (features,)
    running_mean, running_variance : ndarray of shape (features,)
    """

    gamma, dgamma = parameter()
    beta, dbeta = parameter()
    running_mean, running_variance = buffer(), buffer()
    minimum_batch = 2

    def __init__(self, features: int, momentum: float = 0.9, epsilon: float = 1e-5) -> None:
        self.features = check_positive_integer(features, "BatchNorm features")
        self.momentum = check_range(momentum, "BatchNorm momentum", 0, 1, right_open=True)
        self.epsilon = check_range(epsilon, "BatchNorm epsilon", 1e-30, np.inf, right_open=True)
        self.input_shape = (..., self.features)
        # Nothing here is random, so the layer can start without a generator.
        self.gamma, self.beta = np.ones(features), np.zeros(features)
        self.running_mean, self.running_variance = np.zeros(features), np.ones(features)

    def forward(self, x: np.ndarray, training: bool = False) -> np.ndarray:
        mean, variance = self.running_mean, self.running_variance
        axes = tuple(range(x.ndim - 1))  # all but the features: the rows, and an image's pixels
        if training:
            protocol.check_has_variance(x)
            mean, variance = x.mean(axis=axes), x.var(axis=axes)
            # running = momentum running + (1 - momentum) batch
            self.running_mean += (1 - self.momentum) * (mean - self.running_mean)
            self.running_variance += (1 - self.momentum) * (variance - self.running_variance)
        # y = gamma x_hat + beta, with x_hat = (x - mean) / sqrt(variance + epsilon)
        inverse_std = 1 / np.sqrt(variance + self.epsilon)
        x_hat = (x - mean) * inverse_std
        self.cache = x_hat, inverse_std, training
        return self.gamma * x_hat + self.beta

    def backward(self, dy: np.ndarray, input_gradient: bool = True) -> np.ndarray:
        x_hat, inverse_std, training = self.cache
        axes = tuple(range(dy.ndim - 1))
        # dL/dgamma = sum over the batch of dL/dy x_hat; dL/dbeta = sum of dL/dy    (N, F) -> (F,)
        np.sum(dy * x_hat, axis=axes, out=self.dgamma)
        np.sum(dy, axis=axes, out=self.dbeta)
        # dL/dx_hat = gamma dL/dy
        dx_hat = self.gamma * dy
        if training:
            # x moves the batch's mean and variance too: subtract the parts of the gradient
            # along 1 and along x_hat, which normalizing undoes
            dx_hat = dx_hat - dx_hat.mean(axis=axes) - x_hat * (dx_hat * x_hat).mean(axis=axes)
        # dL/dx = dL/dx_hat / std
        return inverse_std * dx_hat

    def shapes(self) -> dict[str, tuple[int, ...]]:
        names = ("gamma", "beta", "running_mean", "running_variance")
        return {name: (self.features,) for name in names}

    def config(self) -> dict[str, Any]:
        return {"features": self.features, "momentum": self.momentum, "epsilon": self.epsilon}

    def __repr__(self) -> str:
        return f"BatchNorm({self.features})"


def sigmoid(x: np.ndarray) -> np.ndarray:
    """Compute 1 / (1 + exp(-x)); where exp overflows, the result is 0."""
    with np.errstate(over="ignore"):
        return 1 / (1 + np.exp(-x))
