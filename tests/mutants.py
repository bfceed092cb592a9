"""Deliberate faults: each is a mistake that people have made, and a named check must reject it.

Those marked `published` were in widely read code, where networks still learned with them.
"""

import math
import random
from collections.abc import Callable
from typing import Any, NamedTuple

import checks
import numpy as np

from numpymlp import (
    GELU,
    SGD,
    Adam,
    AdamW,
    AveragePool2D,
    BatchNorm,
    Conv2D,
    Dense,
    Dropout,
    Flatten,
    L2Penalty,
    Layer,
    LeakyReLU,
    MaxPool2D,
    MeanSquaredError,
    ReLU,
    Reshape,
    Sigmoid,
    SigmoidCrossEntropy,
    SoftmaxCrossEntropy,
    Tanh,
    minibatches,
    softmax,
)
from numpymlp.network import Network
from numpymlp.optimizers import blocks


class Mutant(NamedTuple):
    """A faulty class or function, the correct one, and the check that tells them apart."""

    name: str
    check: Callable[[Any], None]
    right: Any
    wrong: Any
    published: bool = False


# ---- layers ----


class ReLUGateFromOutput(ReLU):
    def backward(self, dy, input_gradient=True):
        return dy * (self.cache >= 0)  # the output is never negative


class ReLUWithoutGate(ReLU):
    def backward(self, dy, input_gradient=True):
        return dy


class LeakyReLUWithoutSlope(LeakyReLU):
    def backward(self, dy, input_gradient=True):
        return dy * (self.cache > 0)


class GELUWithoutProductRule(GELU):
    def backward(self, dy, input_gradient=True):
        return dy * self.cache[2]


class GELUWithExactSlope(GELU):
    def backward(self, dy, input_gradient=True):
        x = self.cache[0]  # the slope of x Phi(x), where forward has the approximation
        density = np.exp(-x * x / 2) / math.sqrt(2 * math.pi)
        erf = np.vectorize(math.erf)
        return dy * ((1 + erf(x / math.sqrt(2))) / 2 + x * density)


class SigmoidOfInput(Sigmoid):
    def forward(self, x, training=False):
        self.x = x
        return super().forward(x, training)

    def backward(self, dy, input_gradient=True):
        return dy * self.x * (1 - self.x)


class TanhWithoutSquare(Tanh):
    def backward(self, dy, input_gradient=True):
        return dy * (1 - self.cache)


class DenseWithoutTranspose(Dense):
    def backward(self, dy, input_gradient=True):
        super().backward(dy)
        return dy @ self.W


class DenseBiasMean(Dense):
    def backward(self, dy, input_gradient=True):
        dx = super().backward(dy)
        self.db = dy.mean(axis=0)
        return dx


class DenseMeanTwice(Dense):
    def backward(self, dy, input_gradient=True):
        dx = super().backward(dy)
        self.dW = self.cache.T @ dy / len(dy)
        return dx


class DenseWithoutBiasGradient(Dense):
    def backward(self, dy, input_gradient=True):
        np.matmul(self.cache.T, dy, out=self.dW)
        return dy @ self.W.T


class DenseAccumulates(Dense):
    def backward(self, dy, input_gradient=True):
        self.dW += self.cache.T @ dy
        self.db = dy.sum(axis=0)
        return dy @ self.W.T


class DenseWrongInTraining(Dense):
    def backward(self, dy, input_gradient=True):
        dx = super().backward(dy, input_gradient)
        if not input_gradient:  # as a network calls its first trainable layer
            self.dW /= 2
        return dx


class DropoutScaledForwardOnly(Dropout):
    def backward(self, dy, input_gradient=True):
        return dy * (self.cache > 0)


class DropoutIgnored(Dropout):
    def forward(self, x, training=False):
        return super().forward(x, False)


class DropoutAlways(Dropout):
    def forward(self, x, training=False):
        return super().forward(x, True)


class BatchNormWithoutVariance(BatchNorm):
    def backward(self, dy, input_gradient=True):
        _, inverse_std, _ = self.cache
        super().backward(dy)
        dx_hat = self.gamma * dy
        return inverse_std * (dx_hat - dx_hat.mean(axis=0))


class BatchNormWithoutMean(BatchNorm):
    def backward(self, dy, input_gradient=True):
        x_hat, inverse_std, _ = self.cache
        super().backward(dy)
        dx_hat = self.gamma * dy
        return inverse_std * (dx_hat - x_hat * (dx_hat * x_hat).mean(axis=0))


class BatchNormWithoutGamma(BatchNorm):
    def backward(self, dy, input_gradient=True):
        return super().backward(dy) / self.gamma


class BatchNormUnbiased(BatchNorm):
    def forward(self, x, training=False):
        y = super().forward(x, training)
        shrink = math.sqrt((len(x) - 1) / len(x)) if training else 1.0
        return (y - self.beta) * shrink + self.beta


class Softmax(Layer):
    """Softmax as a correct layer; the package has it only inside the loss."""

    def forward(self, x, training=False):
        self.cache = softmax(x)
        return self.cache

    def backward(self, dy, input_gradient=True):
        y = self.cache
        return y * (dy - (dy * y).sum(axis=1, keepdims=True))


class SoftmaxWithoutFactor(Softmax):
    def backward(self, dy, input_gradient=True):
        y = self.cache
        return dy - (dy * y).sum(axis=1, keepdims=True)  # correct for a gradient of ones: 0


# ---- layers of images ----


class ConvFlipsItsFilters(Conv2D):
    """A convolution in the mathematical sense, with a backward that fits it."""

    def forward(self, x, training=False):
        kept, self.W = self.W.copy(), self.W[::-1, ::-1].copy()
        y = super().forward(x, training)
        self.W = kept
        return y


class ConvFlipsItsFiltersBackward(Conv2D):
    def backward(self, dy, input_gradient=True):
        kept, self.W = self.W.copy(), self.W[::-1, ::-1].copy()
        dx = super().backward(dy, input_gradient)
        self.W = kept
        return dx


class ConvWithoutPadding(Conv2D):
    """The first rows and columns of the padded dx are kept, not those inside the frame."""

    def backward(self, dy, input_gradient=True):
        dx = super().backward(dy, input_gradient)
        if dx is None:
            return None
        (top, _), (left, _) = self.zeros(dx.shape[1]), self.zeros(dx.shape[2])
        return np.roll(dx, (top, left), axis=(1, 2))


class ConvPadsTheFirstSide(Conv2D):
    def zeros(self, length):
        return super().zeros(length)[::-1]  # of an odd number of zeros, the last goes in front


class ConvPadsWithTheEdge(Conv2D):
    def forward(self, x, training=False):
        sides = [self.zeros(length) for length in x.shape[1:3]]
        padded = np.pad(x, [(0, 0), *sides, (0, 0)], mode="edge")
        inner = Conv2D(self.channels, self.filters, self.size, "valid", self.stride)
        inner.W, inner.b = self.W, self.b
        return inner.forward(padded)


class ConvStrideOfOneBackward(Conv2D):
    def places(self, h, w):
        for i, j in np.ndindex(self.size, self.size):
            yield i, j, np.s_[:, i : i + h, j : j + w]


class ConvOverwritesOverlaps(Conv2D):
    def backward(self, dy, input_gradient=True):
        dx = super().backward(dy)
        for i, j, pixels in self.places(*dy.shape[1:3]):
            dx[pixels] = dy @ self.W[i, j].T
        return dx


class ConvChannelsFirst(Conv2D):
    """The rows hold channel by channel, the filters pixel by pixel."""

    def forward(self, x, training=False):
        kept, k = self.W.copy(), self.size
        self.W = kept.reshape(self.channels, k, k, -1).transpose(1, 2, 0, 3).copy()
        y = super().forward(x, training)
        self.W = kept
        return y


class ConvRowsForColumns(Conv2D):
    def backward(self, dy, input_gradient=True):
        dx = super().backward(dy, input_gradient)
        self.dW = self.dW.transpose(1, 0, 2, 3).copy()
        return dx


class ConvBiasMeanOverPixels(Conv2D):
    def backward(self, dy, input_gradient=True):
        dx = super().backward(dy, input_gradient)
        self.db = dy.mean(axis=(1, 2)).sum(axis=0)
        return dx


class ConvBiasOfTheFirstPixel(Conv2D):
    def backward(self, dy, input_gradient=True):
        dx = super().backward(dy, input_gradient)
        self.db = dy.sum(axis=0)[0, 0]
        return dx


class ConvWrongAtTheBottom(Conv2D):
    def backward(self, dy, input_gradient=True):
        dx = super().backward(dy, input_gradient)
        if not input_gradient:
            self.dW = self.dW / 2
        return dx


class MaxPoolSharesTies(MaxPool2D):
    def backward(self, dy, input_gradient=True):
        x, y = self.cache
        dx = np.zeros(x.shape, dy.dtype)
        for _, _, pixels in self.places(*dy.shape[1:3]):
            dx[pixels] += dy * (x[pixels] == y)
        return dx


class MaxPoolOverwritesOverlaps(MaxPool2D):
    def backward(self, dy, input_gradient=True):
        x, y = self.cache
        dx = np.zeros(x.shape, dy.dtype)
        for _, _, pixels in self.places(*dy.shape[1:3]):
            dx[pixels] = np.where(x[pixels] == y, dy, dx[pixels])
        return dx


class MaxPoolOfTheFirstBatch(MaxPool2D):
    def forward(self, x, training=False):
        y = super().forward(x, training)
        self.cache = self.first = vars(self).get("first", self.cache)
        return y


class AveragePoolSumsBackward(AveragePool2D):
    def backward(self, dy, input_gradient=True):
        return super().backward(dy) * self.size**2


class ReshapeColumnsFirst(Reshape):
    """Consistent, but rows and columns of the image change places."""

    def forward(self, x, training=False):
        shape = len(x), self.width, self.height, self.channels
        return x.reshape(shape).transpose(0, 2, 1, 3)

    def backward(self, dy, input_gradient=True):
        return dy.transpose(0, 2, 1, 3).reshape(len(dy), -1)


class ReshapeChannelsFirst(Reshape):
    def forward(self, x, training=False):
        shape = len(x), self.channels, self.height, self.width
        return x.reshape(shape).transpose(0, 2, 3, 1)


class FlattenMixesAxes(Flatten):
    def backward(self, dy, input_gradient=True):
        n, h, w, c = self.cache
        return dy.reshape(n, c, h, w).transpose(0, 2, 3, 1)


# ---- layers with a memory, layers that damage, layers that are wrong in evaluation ----


class DenseOfTheBatchBefore(Dense):
    def forward(self, x, training=False):
        self.old = vars(self).get("new", x)
        self.new = x
        return super().forward(x, training)

    def backward(self, dy, input_gradient=True):
        self.cache = self.old
        return super().backward(dy, input_gradient)


class DenseOfTheFirstBatch(Dense):
    def forward(self, x, training=False):
        y = super().forward(x, training)
        self.cache = self.first = vars(self).get("first", x)
        return y


class DenseOfTheFirstWeights(Dense):
    def forward(self, x, training=False):
        self.first = vars(self).get("first", self.W.copy())
        return super().forward(x, training)

    def backward(self, dy, input_gradient=True):
        super().backward(dy, input_gradient)
        return dy @ self.first.T


class DenseOfTheWeightsBefore(DenseOfTheFirstWeights):
    def backward(self, dy, input_gradient=True):
        dx = super().backward(dy, input_gradient)
        self.first = self.W.copy()
        return dx


class TanhOfTheFirstBatch(Tanh):
    def forward(self, x, training=False):
        y = super().forward(x, training)
        self.cache = self.first = vars(self).get("first", y)
        return y


class DenseSumsPrivately(Dense):
    def backward(self, dy, input_gradient=True):
        dx = super().backward(dy, input_gradient)
        self.total = vars(self).get("total", 0) + self.dW
        self.dW = self.total
        return dx


class DenseAveragesWithTheLast(Dense):
    def backward(self, dy, input_gradient=True):
        dx = super().backward(dy, input_gradient)
        self.last, last = self.dW.copy(), vars(self).get("last", self.dW)
        self.dW = 0.999 * self.dW + 0.001 * last
        return dx


class DenseKeepsItsFirstGradient(Dense):
    def backward(self, dy, input_gradient=True):
        dx = super().backward(dy, input_gradient)
        self.db = self.first = vars(self).get("first", self.db.copy())
        return dx


class TanhWeakensWithEachCall(Tanh):
    calls = 0

    def backward(self, dy, input_gradient=True):
        self.calls += 1
        return super().backward(dy) * (1 if self.calls < 4 else 0.9)


class DenseHalvesItsSecondBackward(Dense):
    def forward(self, x, training=False):
        self.calls = 0
        return super().forward(x, training)

    def backward(self, dy, input_gradient=True):
        dx = super().backward(dy, input_gradient)
        self.calls += 1
        self.dW /= self.calls
        return dx


class TanhUsesUpItsCache(Tanh):
    def backward(self, dy, input_gradient=True):
        dx = super().backward(dy)
        self.cache = np.zeros_like(dx)
        return dx


class DenseScaledByAThousandth(Dense):
    def backward(self, dy, input_gradient=True):
        dx = super().backward(dy, input_gradient)
        self.dW *= 1.001
        return dx


class ReLUInPlace(ReLU):
    def forward(self, x, training=False):
        self.cache = np.maximum(x, 0, out=x)
        return x


class DenseCentersItsInput(Dense):
    def forward(self, x, training=False):
        x -= x.mean(axis=0)
        return super().forward(x, training)

    def backward(self, dy, input_gradient=True):
        dx = super().backward(dy, input_gradient)
        return dx if dx is None else dx - dx.mean(axis=0)


class TanhUsesTheUpstreamGradient(Tanh):
    def backward(self, dy, input_gradient=True):
        dy *= 1 - self.cache**2
        return dy


class DenseClearsItsInput(Dense):
    def backward(self, dy, input_gradient=True):
        dx = super().backward(dy, input_gradient)
        self.cache[:] = 0
        return dx


class DenseStepsInBackward(Dense):
    def backward(self, dy, input_gradient=True):
        dx = super().backward(dy, input_gradient)
        self.W -= 1e-3 * self.dW
        return dx


class DenseRoundsItsWeights(Dense):
    def forward(self, x, training=False):
        np.round(self.W, 6, out=self.W)
        return super().forward(x, training)


class BatchNormAlwaysThroughTheBatch(BatchNorm):
    def backward(self, dy, input_gradient=True):
        self.cache = (*self.cache[:2], True)
        return super().backward(dy)


class BatchNormNeverThroughTheBatch(BatchNorm):
    def backward(self, dy, input_gradient=True):
        self.cache = (*self.cache[:2], False)
        return super().backward(dy)


class DropoutScalesInEvaluation(Dropout):
    def forward(self, x, training=False):
        y = super().forward(x, training)
        return y if training else y * (1 - self.rate)


class ReLUOpenInEvaluation(ReLU):
    def forward(self, x, training=False):
        self.training = training
        return super().forward(x, training)

    def backward(self, dy, input_gradient=True):
        return super().backward(dy) if self.training else dy


class DropoutFromNumPysGlobalState(Dropout):
    def forward(self, x, training=False):
        if not training:
            return super().forward(x)
        self.cache = (np.random.random(x.shape) >= self.rate) / (1 - self.rate)  # noqa: NPY002
        return x * self.cache


class DropoutSeedsNumPy(DropoutFromNumPysGlobalState):
    def forward(self, x, training=False):
        np.random.seed(0)  # noqa: NPY002
        return super().forward(x, training)


class DropoutFromPythonsGlobalState(Dropout):
    def forward(self, x, training=False):
        if training:
            self.rng = np.random.default_rng(random.getrandbits(32))
        return super().forward(x, training)


class DropoutWithoutASeed(Dropout):
    def forward(self, x, training=False):
        self.rng = np.random.default_rng()
        return super().forward(x, training)


# ---- losses ----


def rows_of(y, p):
    """Integer targets (N,) as rows (N, K) with a single 1 each."""
    return np.eye(p.shape[1])[y]


class SummedOverBatch(SoftmaxCrossEntropy):
    def backward(self):
        p, y, _ = self.cache
        return p - rows_of(y, p)


class SmoothingLeftOut(SoftmaxCrossEntropy):
    def __init__(self):
        super().__init__(label_smoothing=0.2)

    def backward(self):
        p, y, w = self.cache
        return w[:, None] * (p - rows_of(y, p))


class OnProbabilities(SoftmaxCrossEntropy):
    def forward(self, logits, y, sample_weight=None):
        return super().forward(softmax(logits), y, sample_weight)


class BinaryOverSoftmax(SoftmaxCrossEntropy):
    def forward(self, logits, y, sample_weight=None):
        super().forward(logits, y, sample_weight)
        p, y, w = self.cache
        y = rows_of(y, p)
        return float(w @ -(y * np.log(p) + (1 - y) * np.log(1 - p)).sum(axis=1))


class NaiveSoftmax(SoftmaxCrossEntropy):
    def forward(self, logits, y, sample_weight=None):
        super().forward(logits, y, sample_weight)
        _, y, w = self.cache
        with np.errstate(all="ignore"):
            powers = np.exp(logits)
            p = powers / powers.sum(axis=1, keepdims=True)
            self.cache = p, y, w
            return float(w @ -(rows_of(y, p) * np.log(p)).sum(axis=1))


class WeightsNotInGradient(MeanSquaredError):
    def backward(self):
        difference, _ = self.cache
        return difference / len(difference)


class WeightsOverN(SoftmaxCrossEntropy):
    def forward(self, logits, y, sample_weight=None):
        super().forward(logits, y, sample_weight)
        p, y, _ = self.cache
        w = np.ones(len(y)) if sample_weight is None else sample_weight
        self.cache = p, y, w / len(y)
        return float(w @ -(rows_of(y, p) * np.log(p)).sum(axis=1)) / len(y)


class SquaredErrorTwice(MeanSquaredError):
    def backward(self):
        return 2 * super().backward()


class SigmoidTwiceInGradient(SigmoidCrossEntropy):
    def backward(self):
        logits, _, _ = self.cache
        p = 1 / (1 + np.exp(-logits))
        return super().backward() * p * (1 - p)


class LossOfTheFirstTargets(MeanSquaredError):
    def forward(self, logits, y, sample_weight=None):
        value = super().forward(logits, y, sample_weight)
        self.cache = self.first = vars(self).get("first", self.cache)
        return value


class LossInPlace(MeanSquaredError):
    def forward(self, logits, y, sample_weight=None):
        value = super().forward(logits, y, sample_weight)
        logits -= y
        return value


class LossSumsPrivately(SigmoidCrossEntropy):
    total = 0.0

    def backward(self):
        self.total = self.total + super().backward()
        return self.total


class LossUsesUpItsCache(MeanSquaredError):
    def backward(self):
        gradient = super().backward()
        self.cache = np.zeros_like(gradient), self.cache[1]
        return gradient


class PenaltyInValueOnly(L2Penalty):
    def backward(self):
        return np.zeros_like(self.cache)


class PenaltyWithoutHalf(L2Penalty):
    def backward(self):
        return 2 * super().backward()


class PenaltyOnBiases(L2Penalty):
    def forward(self, parameters, mask):
        return super().forward(parameters, np.ones_like(mask))


# ---- optimizers ----


class MomentumSign(SGD):
    def step(self, parameters, gradients, factor=1.0):
        self.v = np.zeros_like(parameters) if self.v is None else self.v
        self.v[:] = self.momentum * self.v + self.learning_rate * gradients
        parameters += self.v


class NesterovAsMomentum(SGD):
    def __init__(self, learning_rate, momentum=0.0, nesterov=False):
        super().__init__(learning_rate, momentum, nesterov=False)


class NesterovWithOldVelocity(SGD):
    def step(self, parameters, gradients, factor=1.0):
        old = np.zeros_like(parameters) if self.v is None else self.v.copy()
        if not self.nesterov:
            return super().step(parameters, gradients, factor)
        self.v = self.momentum * old - self.learning_rate * gradients
        parameters += self.momentum * old - self.learning_rate * gradients
        return None


class FactorIgnored(SGD):
    def step(self, parameters, gradients, factor=1.0):
        super().step(parameters, gradients)


class AdamFault(Adam):
    """Adam as in the paper, with one method for each place where it goes wrong."""

    def correction(self):
        return math.sqrt(1 - self.beta2**self.t) / (1 - self.beta1**self.t)

    def square(self, g):
        return g * g

    def root(self, v):
        return np.sqrt(v) + self.epsilon

    def step(self, parameters, gradients, factor=1.0):
        if self.m is None:
            self.m, self.v = np.zeros_like(parameters), np.zeros_like(parameters)
        self.t += 1
        for p, g, m, v, _ in blocks(parameters, gradients, self.m, self.v):
            m[:] = self.beta1 * m + (1 - self.beta1) * g
            v[:] = self.beta2 * v + (1 - self.beta2) * self.square(g)
            p -= self.learning_rate * factor * self.correction() * m / self.root(v)


class AdamOneMinusBeta(AdamFault):
    def correction(self):
        return math.sqrt(1 - self.beta2) / (1 - self.beta1)


class AdamUncorrected(AdamFault):
    def correction(self):
        return 1.0


class AdamCountsBlocks(AdamFault):
    def correction(self):
        value = super().correction()
        self.t += 1
        return value


class AdamEpsilonInRoot(AdamFault):
    def root(self, v):
        return np.sqrt(v + self.epsilon)


class AdamMomentumOfStep(AdamFault):
    def square(self, g):
        return np.abs(g)


class DecayThroughGradient(AdamW):
    def step(self, parameters, gradients, factor=1.0):
        decayed = gradients + self.weight_decay * self.mask * parameters
        Adam.step(self, parameters, decayed, factor)


class DecayOverBatch(AdamW):
    def step(self, parameters, gradients, factor=1.0):
        self.weight_decay, whole = self.weight_decay / 128, self.weight_decay
        super().step(parameters, gradients, factor)
        self.weight_decay = whole


class DecayOnBiases(AdamW):
    def __init__(self, mask, **settings):
        super().__init__(**settings)  # without a mask every parameter decays


# ---- the loop ----


def shuffled_starts(x, y, batch_size, rng):
    starts = np.arange(0, len(x), batch_size)
    rng.shuffle(starts[:-1])  # shuffles the order of the batches, not their samples
    for start in starts:
        yield x[start : start + batch_size], y[start : start + batch_size]


def last_batch_dropped(x, y, batch_size, rng):
    for batch in minibatches(x, y, batch_size, rng):
        if len(batch[0]) == batch_size:
            yield batch


def drawn_with_replacement(x, y, batch_size, rng):
    rows = rng.integers(0, len(x), len(x))
    for start in range(0, len(x), batch_size):
        chosen = rows[start : start + batch_size]
        yield x[chosen], y[chosen]


def softmax_twice(network, x):
    return softmax(network.predict_proba(x))


def square(make: Callable[..., Any]) -> Callable[[], Any]:
    return lambda: make(3, 3, rng=checks.random())


def sliding(make: Callable[..., Any]) -> Callable[[], Any]:
    return lambda: make(3, 2, 3, "same", 2, rng=checks.random())


def inside(make: Callable[..., Any]) -> Callable[[], Any]:
    return lambda: make(3, 2, 3, rng=checks.random())


def overlapping(make: Callable[..., Any]) -> Callable[[], Any]:
    return lambda: make(3, 2)


def half(make: Callable[..., Any]) -> Callable[[], Any]:
    return lambda: make(0.5, rng=checks.random())


def three(make: Callable[..., Any]) -> Callable[[], Any]:
    return lambda: make(3)


def smoothed() -> SoftmaxCrossEntropy:
    return SoftmaxCrossEntropy(0.2)


LAYERS = [
    Mutant(
        "ReLU gate from the output, >= 0", checks.layer_gradient, ReLU, ReLUGateFromOutput, True
    ),
    Mutant("ReLU gate left out", checks.layer_gradient, ReLU, ReLUWithoutGate),
    Mutant("leaky slope left out", checks.layer_gradient, LeakyReLU, LeakyReLUWithoutSlope),
    Mutant("GELU as a gate alone", checks.layer_gradient, GELU, GELUWithoutProductRule),
    Mutant("GELU with the exact slope", checks.layer_gradient, GELU, GELUWithExactSlope),
    Mutant("sigmoid's slope at x, not y", checks.layer_gradient, Sigmoid, SigmoidOfInput),
    Mutant("tanh's slope as 1 - y", checks.layer_gradient, Tanh, TanhWithoutSquare),
    Mutant(
        "missing transpose", checks.layer_gradient, square(Dense), square(DenseWithoutTranspose)
    ),
    Mutant("bias gradient as a mean", checks.layer_gradient, square(Dense), square(DenseBiasMean)),
    Mutant("mean taken twice", checks.layer_gradient, square(Dense), square(DenseMeanTwice)),
    Mutant(
        "bias gradient left out",
        checks.layer_gradient,
        square(Dense),
        square(DenseWithoutBiasGradient),
    ),
    Mutant(
        "gradient added to the last one",
        checks.layer_gradient,
        square(Dense),
        square(DenseAccumulates),
    ),
    Mutant(
        "wrong in the first layer only",
        checks.network_gradient,
        square(Dense),
        square(DenseWrongInTraining),
    ),
    Mutant(
        "dropout scaled forward only",
        checks.layer_gradient,
        half(Dropout),
        half(DropoutScaledForwardOnly),
        True,
    ),
    Mutant(
        "dropout accepted and ignored",
        checks.dropout_drops_in_training_only,
        Dropout,
        DropoutIgnored,
        True,
    ),
    Mutant("dropout in evaluation", checks.dropout_drops_in_training_only, Dropout, DropoutAlways),
    Mutant(
        "batch norm without the term through the variance",
        checks.layer_gradient,
        three(BatchNorm),
        three(BatchNormWithoutVariance),
    ),
    Mutant(
        "batch norm without the term through the mean",
        checks.layer_gradient,
        three(BatchNorm),
        three(BatchNormWithoutMean),
    ),
    Mutant(
        "batch norm's dx without gamma",
        checks.layer_gradient,
        three(BatchNorm),
        three(BatchNormWithoutGamma),
    ),
    Mutant(
        "batch norm with the unbiased variance",
        checks.batch_norm_normalizes,
        BatchNorm,
        BatchNormUnbiased,
    ),
    Mutant(
        "softmax backward without its factor",
        checks.layer_gradient,
        Softmax,
        SoftmaxWithoutFactor,
        True,
    ),
]
SLEEPERS: list[tuple[str, Any, Any]] = [
    ("x of the forward before", square(Dense), square(DenseOfTheBatchBefore)),
    ("x of the first forward", square(Dense), square(DenseOfTheFirstBatch)),
    ("W of the first forward", square(Dense), square(DenseOfTheFirstWeights)),
    ("W of the forward before", square(Dense), square(DenseOfTheWeightsBefore)),
    ("y of the first forward", Tanh, TanhOfTheFirstBatch),
    ("dW summed in private", square(Dense), square(DenseSumsPrivately)),
    ("dW averaged with the last", square(Dense), square(DenseAveragesWithTheLast)),
    ("db computed once", square(Dense), square(DenseKeepsItsFirstGradient)),
    ("dx depends on how often backward was called", Tanh, TanhWeakensWithEachCall),
    ("dW halved at a second backward", square(Dense), square(DenseHalvesItsSecondBackward)),
    ("backward uses up its cache", Tanh, TanhUsesUpItsCache),
    ("ReLU writes into its input", ReLU, ReLUInPlace),
    ("Dense centers its input in place", square(Dense), square(DenseCentersItsInput)),
    ("tanh writes into dy", Tanh, TanhUsesTheUpstreamGradient),
    ("backward clears the input", square(Dense), square(DenseClearsItsInput)),
    ("backward takes a step", square(Dense), square(DenseStepsInBackward)),
    ("forward rounds the weights", square(Dense), square(DenseRoundsItsWeights)),
    ("batch norm's dx as in training", three(BatchNorm), three(BatchNormAlwaysThroughTheBatch)),
    ("batch norm's dx as in evaluation", three(BatchNorm), three(BatchNormNeverThroughTheBatch)),
    ("dropout scaled in evaluation, forward only", half(Dropout), half(DropoutScalesInEvaluation)),
    ("ReLU gate left out in evaluation", ReLU, ReLUOpenInEvaluation),
    ("dropout from NumPy's state", half(Dropout), half(DropoutFromNumPysGlobalState)),
    ("dropout seeds NumPy", half(Dropout), half(DropoutSeedsNumPy)),
    ("dropout from Python's state", half(Dropout), half(DropoutFromPythonsGlobalState)),
    ("dropout without a seed", half(Dropout), half(DropoutWithoutASeed)),
]
LAYERS += [
    Mutant(f"{name}, {where}", check, right, wrong)
    for where, check in (
        ("by check_layer", checks.layer_gradient),
        ("by check_gradients", checks.gradient_inside_a_network),
        ("by a direction", checks.slope_inside_a_network),
    )
    for name, right, wrong in SLEEPERS
]
LAYERS += [
    Mutant(
        f"dW a thousandth too large at tiny inputs, {where}",
        check,
        square(Dense),
        square(DenseScaledByAThousandth),
    )
    for where, check in (
        ("by check_layer", checks.layer_gradient_at_tiny_inputs),
        ("by check_gradients", checks.gradient_at_tiny_inputs),
        ("by a direction", checks.slope_at_tiny_inputs),
    )
]
LOSSES = [
    Mutant("loss uses up its cache", checks.loss_gradient, MeanSquaredError, LossUsesUpItsCache),
    Mutant(
        "gradient of the first batch", checks.loss_gradient, MeanSquaredError, LossOfTheFirstTargets
    ),
    Mutant("loss writes into the logits", checks.loss_gradient, MeanSquaredError, LossInPlace),
    Mutant("loss sums in private", checks.loss_gradient, SigmoidCrossEntropy, LossSumsPrivately),
    Mutant("missing 1 / N", checks.loss_gradient, SoftmaxCrossEntropy, SummedOverBatch),
    Mutant("smoothing left out of the gradient", checks.loss_gradient, smoothed, SmoothingLeftOut),
    Mutant(
        "cross-entropy on probabilities", checks.loss_gradient, SoftmaxCrossEntropy, OnProbabilities
    ),
    Mutant(
        "cross-entropy on probabilities, by its value",
        checks.certainty_costs_nothing,
        SoftmaxCrossEntropy,
        OnProbabilities,
    ),
    Mutant(
        "binary cross-entropy over softmax",
        checks.uniform_logits_cost_ln_k,
        SoftmaxCrossEntropy,
        BinaryOverSoftmax,
        True,
    ),
    Mutant(
        "binary cross-entropy over softmax, by its gradient",
        checks.loss_gradient,
        SoftmaxCrossEntropy,
        BinaryOverSoftmax,
        True,
    ),
    Mutant(
        "softmax without subtracting the maximum",
        checks.finite_at_huge_logits,
        SoftmaxCrossEntropy,
        NaiveSoftmax,
    ),
    Mutant(
        "weights left out of the gradient",
        checks.loss_gradient,
        MeanSquaredError,
        WeightsNotInGradient,
    ),
    Mutant(
        "weights divided by N, not by their sum",
        checks.weights_are_relative,
        SoftmaxCrossEntropy,
        WeightsOverN,
    ),
    Mutant("squared error's 2 kept", checks.loss_gradient, MeanSquaredError, SquaredErrorTwice),
    Mutant(
        "sigmoid's slope once more",
        checks.loss_gradient,
        SigmoidCrossEntropy,
        SigmoidTwiceInGradient,
    ),
    Mutant(
        "penalty changes the cost, not the weights",
        checks.penalty_gradient,
        L2Penalty,
        PenaltyInValueOnly,
        True,
    ),
    Mutant("penalty's half left out", checks.penalty_gradient, L2Penalty, PenaltyWithoutHalf),
    Mutant("penalty on biases", checks.penalty_spares_biases, L2Penalty, PenaltyOnBiases),
]
OPTIMIZERS = [
    Mutant("momentum's sign", checks.sgd_follows_scikit_learn, SGD, MomentumSign),
    Mutant("Nesterov as momentum", checks.sgd_follows_scikit_learn, SGD, NesterovAsMomentum),
    Mutant(
        "Nesterov with the old velocity",
        checks.sgd_follows_scikit_learn,
        SGD,
        NesterovWithOldVelocity,
    ),
    Mutant("schedule's factor ignored", checks.factor_scales_the_step, SGD, FactorIgnored),
    Mutant(
        "Adam with 1 - beta", checks.adam_follows_scikit_learn, AdamFault, AdamOneMinusBeta, True
    ),
    Mutant("Adam uncorrected", checks.adam_follows_scikit_learn, AdamFault, AdamUncorrected),
    Mutant(
        "Adam's step counted per block",
        checks.adam_follows_scikit_learn,
        AdamFault,
        AdamCountsBlocks,
        True,
    ),
    Mutant("epsilon inside the root", checks.adam_follows_scikit_learn, Adam, AdamEpsilonInRoot),
    Mutant("v of |g|", checks.adam_follows_scikit_learn, Adam, AdamMomentumOfStep),
    Mutant("decay through the gradient", checks.decay_is_decoupled, AdamW, DecayThroughGradient),
    Mutant("decay scaled by batch", checks.decay_is_decoupled, AdamW, DecayOverBatch),
    Mutant("decay on biases", checks.decay_is_decoupled, AdamW, DecayOnBiases),
]
LOOP = [
    Mutant(
        "batches shuffled, not samples",
        checks.epochs_mix_all_samples_anew,
        minibatches,
        shuffled_starts,
        True,
    ),
    Mutant(
        "last batch dropped",
        checks.epochs_mix_all_samples_anew,
        minibatches,
        last_batch_dropped,
    ),
    Mutant(
        "samples drawn with replacement",
        checks.epochs_mix_all_samples_anew,
        minibatches,
        drawn_with_replacement,
    ),
    Mutant(
        "predict_proba applies softmax twice",
        checks.probabilities_follow_logits,
        Network.predict_proba,
        softmax_twice,
        True,
    ),
]
IMAGES = [
    Mutant(name, check, right, wrong)
    for check, right, mutants in (
        (
            checks.image_gradient,
            sliding(Conv2D),
            [
                ("filters flipped backward", sliding(ConvFlipsItsFiltersBackward)),
                ("dx without its crop", sliding(ConvWithoutPadding)),
                ("stride ignored backward", sliding(ConvStrideOfOneBackward)),
                ("rows and columns of dW swapped", sliding(ConvRowsForColumns)),
                ("bias gradient as a mean over pixels", sliding(ConvBiasMeanOverPixels)),
                ("bias gradient of the first pixel", sliding(ConvBiasOfTheFirstPixel)),
            ],
        ),
        (
            checks.image_gradient,
            inside(Conv2D),
            [("overlaps of windows overwritten", inside(ConvOverwritesOverlaps))],
        ),
        (
            checks.image_gradient_at_the_bottom,
            sliding(Conv2D),
            [("a convolution wrong at the bottom only", sliding(ConvWrongAtTheBottom))],
        ),
        (
            checks.correlates_with_its_filters,
            Conv2D,
            [
                ("filters flipped", ConvFlipsItsFilters),
                ("channels of the filters swapped", ConvChannelsFirst),
                ("odd zeros in front", ConvPadsTheFirstSide),
                ("padding with the edge", ConvPadsWithTheEdge),
            ],
        ),
        (
            checks.max_pool_by_loop,
            MaxPool2D,
            [
                ("winner shared among ties", MaxPoolSharesTies),
                ("overlaps of pools overwritten", MaxPoolOverwritesOverlaps),
            ],
        ),
        (
            checks.image_gradient,
            overlapping(MaxPool2D),
            [("winners of the first batch", overlapping(MaxPoolOfTheFirstBatch))],
        ),
        (
            checks.image_gradient,
            overlapping(AveragePool2D),
            [("mean only forward", overlapping(AveragePoolSumsBackward))],
        ),
        (
            checks.images_keep_their_pixels,
            Reshape,
            [
                ("rows and columns of pixels swapped", ReshapeColumnsFirst),
                ("channels before pixels", ReshapeChannelsFirst),
            ],
        ),
        (checks.image_gradient, Flatten, [("axes mixed backward", FlattenMixesAxes)]),
    )
    for name, wrong in mutants
]
MUTANTS = [*LAYERS, *IMAGES, *LOSSES, *OPTIMIZERS, *LOOP]
