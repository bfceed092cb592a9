"""Properties of the whole engine, before and during training."""

import math

import numpy as np
import pytest
from checks import epochs_mix_all_samples_anew, random
from hypothesis import given, settings
from strategies import Case, cases

from numpymlp import Adam, SoftmaxCrossEntropy, load_mnist, minibatches, mlp

EXAMPLES = settings().max_examples


@pytest.fixture(scope="module")
def mnist() -> tuple[np.ndarray, np.ndarray]:
    x, y = load_mnist()[0]
    return x[:1000], y[:1000]


def train(network, x: np.ndarray, y: np.ndarray, steps: int, seed: int = 0) -> list[float]:
    """Run the four-line loop; return the loss of each step."""
    rng, loss, optimizer, values = random(seed), SoftmaxCrossEntropy(), Adam(5e-3), []
    while len(values) < steps:
        for batch, labels in minibatches(x, y, 20, rng):
            values.append(loss.forward(network.forward(batch, training=True), labels))
            network.backward(loss.backward())
            optimizer.step(network.parameters, network.gradients)
    return values[:steps]


@pytest.mark.parametrize("activation", ["relu", "leaky_relu", "gelu", "sigmoid", "tanh"])
def test_the_first_loss_is_near_ln_10(activation: str, mnist) -> None:
    # Equal logits give ln 10; more means that the first weights are too large.
    x, y = mnist
    for seed in range(5):
        logits = mlp([784, 128, 10], activation, rng=random(seed)).forward(x)
        assert SoftmaxCrossEntropy().forward(logits, y) == pytest.approx(math.log(10), abs=0.4)


@pytest.mark.parametrize("batch_norm", [False, True])
def test_twenty_samples_are_learned_by_heart(batch_norm: bool, mnist) -> None:
    x, y = (array[:20] for array in mnist)
    network = mlp([784, 32, 10], batch_norm=batch_norm, rng=random())
    values = train(network, x, y, 100)
    assert values[-1] < 0.05 < values[0]
    np.testing.assert_array_equal(network.predict(x), y)


def test_the_same_seed_gives_the_same_bits(mnist) -> None:
    def result(seed: int) -> np.ndarray:
        network = mlp([784, 16, 10], dropout=0.3, batch_norm=True, rng=random(seed))
        train(network, *mnist, steps=30, seed=seed)
        return np.concatenate([network.parameters, network.buffers])

    first = result(1)
    assert first.tobytes() == result(1).tobytes()
    assert first.tobytes() != result(2).tobytes()


@settings(max_examples=EXAMPLES)
@given(cases())
def test_the_order_of_a_batch_does_not_change_loss_and_gradient(case: Case) -> None:
    # Without dropout: its masks are drawn row by row.
    network, loss, x, y, options = case.build()
    network = network.copy(np.float64)
    for layer in network.layers:
        if hasattr(layer, "rate"):
            layer.rate = 0.0
    weights, order = options["sample_weight"], random(case.seed).permutation(case.rows)
    shuffled = None if weights is None else weights[order]
    value = loss.forward(network.forward(x, case.training), y, weights)
    network.backward(loss.backward())
    gradients = network.gradients.copy()
    again = loss.forward(network.forward(x[order], case.training), y[order], shuffled)
    network.backward(loss.backward())
    assert again == pytest.approx(value, rel=1e-9)
    size = np.abs(gradients).max(initial=0)
    np.testing.assert_allclose(network.gradients, gradients, rtol=1e-6, atol=1e-8 * size)


@settings(max_examples=EXAMPLES)
@given(cases(batch_norm=False))
def test_loss_and_gradient_are_finite_at_huge_inputs(case: Case) -> None:
    network, loss, x, y, options = case.build()
    x = 1e4 * np.sign(x)
    value = loss.forward(network.forward(x, case.training), y, options["sample_weight"])
    network.backward(loss.backward())
    assert math.isfinite(value)
    assert np.isfinite(network.gradients).all()


def test_minibatches_pass_their_named_check() -> None:
    epochs_mix_all_samples_anew(minibatches)
