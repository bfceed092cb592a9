"""The initializers: mean and variance as their papers say, shape, and dependence on the seed."""

import math

import numpy as np
import pytest
from checks import random

from numpymlp import Dense, InputError, Network, ReLU
from numpymlp.initializers import (
    Normal,
    fans,
    glorot_normal,
    glorot_uniform,
    he_normal,
    he_uniform,
    lecun_normal,
    lecun_uniform,
)

# For 300 inputs and 200 outputs, worked by hand.
VARIANCES = [
    (he_normal, 2 / 300),
    (he_uniform, 2 / 300),
    (glorot_normal, 2 / 500),
    (glorot_uniform, 2 / 500),
    (lecun_normal, 1 / 300),
    (lecun_uniform, 1 / 300),
    (Normal(0.05), 0.0025),
]


@pytest.mark.parametrize(("initializer", "variance"), VARIANCES)
def test_mean_and_variance_are_those_of_the_paper(initializer, variance: float) -> None:
    weights = initializer((300, 200), random())
    assert weights.shape == (300, 200)
    # 60,000 draws: a normal sample's variance is off by 0.6 % in one standard deviation.
    assert weights.var() == pytest.approx(variance, rel=0.03)
    assert abs(weights.mean()) < 5 * math.sqrt(variance / weights.size)


@pytest.mark.parametrize("initializer", [he_uniform, glorot_uniform, lecun_uniform])
def test_a_uniform_fills_its_interval(initializer) -> None:
    weights = initializer((300, 200), random())
    limit = math.sqrt(3 * dict(VARIANCES)[initializer])
    assert -limit <= weights.min() < -0.99 * limit
    assert 0.99 * limit < weights.max() <= limit
    # The fourth moment tells it from a normal distribution: 9 / 5 of the variance squared, not 3.
    assert (weights**4).mean() / weights.var() ** 2 == pytest.approx(1.8, abs=0.05)


@pytest.mark.parametrize("initializer", [he_normal, glorot_normal, lecun_normal, Normal(1)])
def test_a_normal_has_tails(initializer) -> None:
    weights = initializer((300, 200), random())
    assert (weights**4).mean() / weights.var() ** 2 == pytest.approx(3, abs=0.15)


def test_the_same_seed_gives_the_same_weights() -> None:
    for initializer, _ in VARIANCES:
        first, again, other = (initializer((4, 3), random(seed)) for seed in (1, 1, 2))
        np.testing.assert_array_equal(first, again)
        assert (first != other).any()


def test_fans_count_the_inputs_and_outputs_of_one_unit() -> None:
    assert fans((300, 200)) == (300, 200)
    # A 3 x 3 convolution from 16 to 32 channels: each output sees 9 * 16 numbers.
    assert fans((3, 3, 16, 32)) == (144, 288)


def test_he_keeps_the_signal_through_relu_layers() -> None:
    layers = [layer for _ in range(10) for layer in (Dense(256, 256, he_normal), ReLU())]
    network = Network(layers, rng=random(), dtype=np.float64)
    x = random(1).normal(size=(200, 256))
    power = np.mean(network.forward(x) ** 2)
    assert 0.3 < power / np.mean(x**2) < 3  # half the variance would give 2^-10


def test_a_custom_function_is_an_initializer() -> None:
    layer = Dense(2, 3, lambda shape, rng: np.full(shape, 0.5), rng=random())
    np.testing.assert_array_equal(layer.W, np.full((2, 3), 0.5))


def test_a_name_or_a_wrong_shape_is_no_initializer() -> None:
    with pytest.raises(InputError):
        Dense(2, 3, "he_normal")
    with pytest.raises(InputError):
        Dense(2, 3, lambda shape, rng: np.ones((3, 2)), rng=random())


def test_a_standard_deviation_below_0_is_refused() -> None:
    for wrong in (-0.05, 1e200, np.inf, "small"):
        with pytest.raises(InputError, match="Normal: expected a number"):
            Normal(wrong)
