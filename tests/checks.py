"""The named checks: each passes for correct code and fails for the faults it is meant to find.

The tests of the modules apply them to the package, `test_mutants.py` to deliberate faults.
"""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from sklearn.neural_network._stochastic_optimizers import AdamOptimizer, SGDOptimizer

from numpymlp import (
    Dense,
    Flatten,
    Network,
    SoftmaxCrossEntropy,
    Tanh,
    check_gradients,
    check_layer,
    check_loss,
    softmax,
)
from numpymlp.optimizers import BLOCK


def random(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


# ---- layers ----


def layer_gradient(make: Callable[[], Any]) -> None:
    """Backward agrees with finite differences, for a random upstream gradient."""
    layer, rng = make(), random(1)
    for name in layer.declared("parameter"):
        setattr(layer, name, rng.normal(size=np.shape(getattr(layer, name))))
    report = check_layer(layer, rng.normal(size=(6, 3)))
    assert report.passed, str(report)


def network_gradient(make: Callable[[], Any]) -> None:
    """The layer's gradients are right as the first layer of a network, in training's pass."""
    network = Network([make(), Tanh(), Dense(3, 3)], rng=random(1))
    x, y = random(2).normal(size=(6, 3)), random(2).integers(0, 3, 6)
    report = check_gradients(network, SoftmaxCrossEntropy(), x, y, input_gradient=False)
    assert report.passed, str(report)


def gradient_inside_a_network(make: Callable[[], Any], mode: str = "entries") -> None:
    """The layer's gradients are right between others, and it leaves what is theirs alone."""
    network = Network([Dense(3, 3), make(), Dense(3, 3)], rng=random(1))
    network.parameters += random(3).normal(0, 0.3, len(network.parameters))
    x, y = random(2).normal(size=(6, 3)), random(2).integers(0, 3, 6)
    report = check_gradients(network, SoftmaxCrossEntropy(), x, y, mode=mode)
    assert report.passed, str(report)


def slope_inside_a_network(make: Callable[[], Any]) -> None:
    """The same along one direction, as before a training run."""
    gradient_inside_a_network(make, "direction")


def image_gradient(make: Callable[[], Any]) -> None:
    """Backward of a layer of images agrees with finite differences."""
    layer, rng = make(), random(1)
    for name in layer.declared("parameter"):
        setattr(layer, name, rng.normal(size=np.shape(getattr(layer, name))))
    report = check_layer(layer, rng.normal(size=(2, 7, 6, 3)), max_entries=30)
    assert report.passed, str(report)


def image_gradient_at_the_bottom(make: Callable[[], Any]) -> None:
    """The layer's gradients are right as the first layer of a network, in training's pass."""
    network = Network([make(), Tanh(), Flatten()], rng=random(1))
    x, y, loss = random(2).normal(size=(2, 7, 6, 3)), np.array([0, 2]), SoftmaxCrossEntropy()
    report = check_gradients(network, loss, x, y, input_gradient=False, max_entries=30)
    assert report.passed, str(report)


def correlates_with_its_filters(make: Callable[..., Any]) -> None:
    """Every output number is the sum over its window times a filter, zeros around the image."""
    for size, stride in [(1, 1), (3, 1), (2, 1), (4, 3), (3, 2)]:
        for padding in ("valid", "same"):
            layer = make(3, 2, size, padding, stride, rng=random(1))
            layer.b = np.array([0.5, -0.25])
            x = random(2).normal(size=(2, 7, 6, 3))
            expected = correlation_by_loop(x, layer.W, layer.b, padding, stride)
            np.testing.assert_allclose(layer.forward(x), expected, rtol=1e-12, atol=1e-14)


def correlation_by_loop(x: Any, W: Any, b: Any, padding: str, stride: int) -> np.ndarray:
    """The definition of a convolutional layer, number by number."""
    k, (H, W_) = len(W), x.shape[1:3]
    h, w = ((n - k) // stride + 1 if padding == "valid" else -(-n // stride) for n in (H, W_))
    framed = np.zeros((len(x), H + 2 * k, W_ + 2 * k, x.shape[3]))
    framed[:, k : k + H, k : k + W_] = x
    # TensorFlow's rule for "same": of an odd number of zeros, the last goes below or to the right.
    top, left = (
        k - (max(0, (m - 1) * stride + k - n) // 2 if padding == "same" else 0)
        for m, n in ((h, H), (w, W_))
    )
    y = np.empty((len(x), h, w, W.shape[3]))
    for n, r, c, f in np.ndindex(y.shape):
        i, j = top + stride * r, left + stride * c
        y[n, r, c, f] = (framed[n, i : i + k, j : j + k] * W[..., f]).sum() + b[f]
    return y


def max_pool_by_loop(make: Callable[..., Any]) -> None:
    """Every output number is the largest of its window, and gets there alone what comes back."""
    rng = random(1)
    for size, stride in [(2, None), (3, 1), (2, 3), (3, 2)]:
        layer, s = make(size, stride), stride or size
        x = rng.integers(0, 3, (2, 7, 6, 2)).astype(float)  # many ties
        y = layer.forward(x)
        dy = rng.normal(size=y.shape)
        dx = np.zeros_like(x)
        for n, r, c, f in np.ndindex(y.shape):
            window = np.s_[n, s * r : s * r + size, s * c : s * c + size, f]
            assert y[n, r, c, f] == x[window].max()
            winner = np.unravel_index(x[window].argmax(), (size, size))
            dx[window][winner] += dy[n, r, c, f]
        np.testing.assert_allclose(layer.backward(dy), dx, rtol=1e-12, atol=1e-14)


def images_keep_their_pixels(make: Callable[..., Any]) -> None:
    """Reshape reads rows of pixels as C order does: all channels of a pixel, pixel by pixel."""
    x = random(1).normal(size=(2, 24))
    images = make(4, 3, 2).forward(x)
    for n, r, c, f in np.ndindex(2, 4, 3, 2):
        assert images[n, r, c, f] == x[n, 6 * r + 2 * c + f]


def layer_gradient_at_tiny_inputs(make: Callable[[], Any]) -> None:
    """A fault in the small dW of tiny inputs shows beside the large gradients."""
    report = check_layer(make(), 1e-11 * random(1).normal(size=(6, 3)))
    assert report.passed, str(report)


def gradient_at_tiny_inputs(make: Callable[[], Any], mode: str = "entries") -> None:
    """The same in a network."""
    network = Network([make(), Tanh(), Dense(3, 3)], rng=random(1))
    x, y = 1e-11 * random(2).normal(size=(6, 3)), random(2).integers(0, 3, 6)
    report = check_gradients(network, SoftmaxCrossEntropy(), x, y, mode=mode)
    assert report.passed, str(report)


def slope_at_tiny_inputs(make: Callable[[], Any]) -> None:
    """The same along one direction."""
    gradient_at_tiny_inputs(make, "direction")


def dropout_drops_in_training_only(make: Callable[..., Any]) -> None:
    """A rate of 0.25 zeroes a quarter in training and keeps the mean; evaluation does nothing."""
    layer, x = make(0.25, rng=random(1)), np.ones((200, 100))
    y = layer.forward(x, training=True)
    # 20,000 draws: the standard deviation of the share is 0.003.
    assert (y == 0).mean() == pytest.approx(0.25, abs=0.015)
    assert y.mean() == pytest.approx(1, abs=0.02)
    np.testing.assert_array_equal(layer.forward(x, training=False), x)


def batch_norm_normalizes(make: Callable[..., Any]) -> None:
    """In training the output has mean 0 and biased variance 1 in each feature."""
    y = make(3).forward(random(1).normal(5, 2, size=(8, 3)), training=True)
    np.testing.assert_allclose(y.mean(axis=0), 0, atol=1e-12)
    np.testing.assert_allclose(y.var(axis=0), 1, atol=1e-4)  # epsilon takes a little away


# ---- losses ----


def targets_of(loss: Any, rng: np.random.Generator, rows: int, outputs: int) -> np.ndarray:
    """Targets that a loss accepts."""
    return rng.integers(0, outputs, rows) if is_softmax(loss) else rng.random((rows, outputs))


def is_softmax(loss: Any) -> bool:
    return isinstance(loss, SoftmaxCrossEntropy)


def loss_gradient(make: Callable[[], Any]) -> None:
    """The gradient is that of the value, without and with sample weights."""
    loss, rng = make(), random(1)
    logits, y = rng.normal(size=(5, 4)), targets_of(loss, rng, 5, 4)
    for weights in (None, rng.uniform(0.5, 2, 5)):
        report = check_loss(loss, logits, y, weights)
        assert report.passed, str(report)


def uniform_logits_cost_ln_k(make: Callable[[], Any]) -> None:
    """Equal logits give a loss of ln K, whatever the class."""
    for classes in (2, 3, 10):
        value = make().forward(np.full((4, classes), 0.7), np.array([0, 1, 0, 1]))
        assert value == pytest.approx(math.log(classes), rel=1e-12)


def certainty_costs_nothing(make: Callable[[], Any]) -> None:
    """A certain right answer has loss 0, a certain wrong one the margin between the logits."""
    logits = np.array([[50.0, 0.0, 0.0]])
    assert make().forward(logits, np.array([0])) == pytest.approx(0, abs=1e-12)
    assert make().forward(logits, np.array([1])) == pytest.approx(50, rel=1e-12)


def finite_at_huge_logits(make: Callable[[], Any]) -> None:
    """Value and gradient are finite at +-1e4, in both dtypes."""
    rng = random(1)
    for dtype in (np.float32, np.float64):
        loss = make()
        logits = rng.choice([-1e4, 0.0, 1e4], size=(20, 3)).astype(dtype)
        assert np.isfinite(loss.forward(logits, targets_of(loss, rng, 20, 3)))
        assert np.isfinite(loss.backward()).all()


def weights_are_relative(make: Callable[[], Any]) -> None:
    """Doubling all weights changes nothing; a weight of 2 is the same as the sample twice."""
    loss, rng = make(), random(1)
    logits, y = rng.normal(size=(5, 3)), targets_of(loss, rng, 5, 3)
    weights = np.array([1.0, 2, 3, 1, 2])
    value = loss.forward(logits, y, weights)
    gradient = loss.backward()
    for scale in (2, 0.01):
        assert loss.forward(logits, y, scale * weights) == pytest.approx(value, rel=1e-12)
        np.testing.assert_allclose(loss.backward(), gradient, rtol=1e-12)
    rows = np.repeat(np.arange(5), weights.astype(int))
    assert loss.forward(logits[rows], y[rows]) == pytest.approx(value, rel=1e-12)


def penalty_gradient(make: Callable[[float], Any]) -> None:
    """The penalty's gradient is that of its value, in a whole network."""
    network = Network([Dense(3, 4), Tanh(), Dense(4, 2)], rng=random(1))
    network.parameters += 0.3  # biases of 0 would hide whether they are decayed
    x, y = random(2).normal(size=(5, 3)), random(2).integers(0, 2, 5)
    report = check_gradients(network, SoftmaxCrossEntropy(), x, y, penalty=make(0.7))
    assert report.passed, str(report)


def penalty_spares_biases(make: Callable[[float], Any]) -> None:
    """0.7 / 2 * (1^2 + 2^2) = 1.75 for the weights; the bias of 3 costs nothing."""
    penalty = make(0.7)
    value = penalty.forward(np.array([1.0, 2.0, 3.0]), np.array([1.0, 1.0, 0.0]))
    assert value == pytest.approx(1.75, rel=1e-12)
    np.testing.assert_allclose(penalty.backward(), [0.7, 1.4, 0], rtol=1e-12)


# ---- optimizers ----

# More than two blocks, so that what is done once per block is seen.
SIZE = 2 * BLOCK + 3


def follow(ours: Any, oracle: Any, start: np.ndarray, steps: int) -> None:
    """Both reach the same parameters after some steps along the same random gradients."""
    parameters, theirs = start.copy(), oracle_parameters(start)
    for step in range(steps):
        gradients = random(step).normal(size=len(start))
        ours.step(parameters, gradients)
        # scikit-learn wants two parameter arrays here, as a network has.
        oracle.update_params(theirs, [gradients[:5], gradients[5:]])
    np.testing.assert_allclose(parameters, np.concatenate(theirs), rtol=0, atol=1e-12)


def oracle_parameters(start: np.ndarray) -> list[np.ndarray]:
    return [start[:5].copy(), start[5:].copy()]


def sgd_follows_scikit_learn(make: Callable[..., Any]) -> None:
    start = random(100).normal(size=SIZE)
    for momentum, nesterov in ((0.0, False), (0.9, False), (0.9, True)):
        oracle = SGDOptimizer(oracle_parameters(start), 0.1, "constant", momentum, nesterov)
        follow(make(0.1, momentum=momentum, nesterov=nesterov), oracle, start, steps=10)


def adam_follows_scikit_learn(make: Callable[..., Any]) -> None:
    start = random(100).normal(size=SIZE)
    oracle = AdamOptimizer(oracle_parameters(start), 0.01, epsilon=1e-3)
    follow(make(0.01, epsilon=1e-3), oracle, start, steps=10)


def decay_is_decoupled(make: Callable[..., Any]) -> None:
    """Without a gradient, weights of 1 shrink by 1 - 0.1 * 0.5 a step, biases not at all."""
    parameters, mask = np.ones(4), np.array([1.0, 0, 1, 0])
    optimizer = make(learning_rate=0.1, weight_decay=0.5, mask=mask)
    for _ in range(3):
        optimizer.step(parameters, np.zeros(4))
    np.testing.assert_allclose(parameters, [0.95**3, 1, 0.95**3, 1], rtol=1e-14)


def factor_scales_the_step(make: Callable[..., Any]) -> None:
    """A schedule's factor of 0.5 is half the learning rate."""
    slow, halved = make(0.1), make(0.2)
    a, b = np.ones(3), np.ones(3)
    for step in range(3):
        gradients = random(step).normal(size=3)
        slow.step(a, gradients)
        halved.step(b, gradients, 0.5)
    np.testing.assert_allclose(a, b, rtol=1e-14)
    assert not np.allclose(a, 1)


# ---- the loop ----


def epochs_mix_all_samples_anew(minibatches: Callable[..., Any]) -> None:
    """An epoch has every sample once; the next one groups them into other batches."""
    rng, samples, epochs = random(1), np.arange(50), []
    for _ in range(2):
        batches = [x.copy() for x, _ in minibatches(samples, samples, 8, rng)]
        assert [len(batch) for batch in batches] == [8] * 6 + [2]
        np.testing.assert_array_equal(np.sort(np.concatenate(batches)), samples)
        epochs.append({frozenset(batch.tolist()) for batch in batches})
    assert not epochs[0] & epochs[1]


def probabilities_follow_logits(predict_proba: Callable[[Network, np.ndarray], Any]) -> None:
    """The probabilities are the softmax of the logits, taken once."""
    network = Network([Dense(3, 4)], rng=random(1), dtype=np.float64)
    x = 20 * random(2).normal(size=(10, 3))
    probabilities = predict_proba(network, x)
    np.testing.assert_allclose(probabilities, softmax(network.forward(x)), rtol=1e-12)
    assert probabilities.max() > 0.99
