from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from numpymlp import (
    Adam,
    BatchNorm,
    Dense,
    Layer,
    Network,
    ReLU,
    SoftmaxCrossEntropy,
    Trainer,
    parameter,
)
from numpymlp.training.constraints import MaxNorm
from numpymlp.validation import InputError


def network(seed=0, scale=1.0, dtype=np.float64):
    rng = np.random.default_rng(seed)
    made = Network([Dense(7, 5), BatchNorm(5), ReLU(), Dense(5, 3)], rng=rng, dtype=dtype)
    made.parameters = scale * rng.normal(size=made.parameters.size)
    return made


def weights(made):
    return [made.layers[0].W, made.layers[3].W]


@given(seed=st.integers(0, 50), limit=st.floats(0.1, 10), scale=st.floats(0.01, 100))
def test_no_column_is_longer_than_the_limit_and_short_ones_stay_bit_for_bit(seed, limit, scale):
    before, after = network(seed, scale), network(seed, scale)
    MaxNorm(limit)(after)
    for old, new in zip(weights(before), weights(after), strict=True):
        old_length, new_length = np.linalg.norm(old, axis=0), np.linalg.norm(new, axis=0)
        np.testing.assert_allclose(new_length, np.minimum(old_length, limit), rtol=1e-12)
        short = old_length < limit * (1 - 1e-12)
        np.testing.assert_array_equal(new[:, short], old[:, short])
        np.testing.assert_allclose(new * old_length, old * new_length, rtol=1e-9)  # same direction


def test_weights_whose_length_overflows_stay_as_they_are():
    made = network(dtype=np.float32)
    made.layers[3].W[:, 0] = [1e20, -2e20, 0, 0, 0]
    kept = made.layers[3].W[:, 0].copy()
    with np.errstate(over="ignore"):
        MaxNorm(3.0)(made)
    np.testing.assert_array_equal(made.layers[3].W[:, 0], kept)
    assert np.linalg.norm(made.layers[3].W[:, 1]) <= 3.001


@given(seed=st.integers(0, 50))
def test_biases_and_batch_norm_are_left_alone(seed):
    made = network(seed, 10.0)
    before = made.parameters.copy()
    MaxNorm(0.5)(made)
    spared = made.decay_mask == 0
    assert spared.sum() == 5 + 2 * 5 + 3
    np.testing.assert_array_equal(made.parameters[spared], before[spared])
    assert (made.parameters[~spared] != before[~spared]).all()


@given(seed=st.integers(0, 50), limit=st.floats(0.1, 3))
def test_it_is_the_projection_because_no_allowed_weights_are_nearer(seed, limit):
    made = network(seed, 2.0)
    before = [W.copy() for W in weights(made)]
    MaxNorm(limit)(made)
    rng = np.random.default_rng(seed)
    for old, new in zip(before, weights(made), strict=True):
        for step in (1e-3, 0.3):
            other = new + step * rng.normal(size=new.shape)
            other /= np.maximum(np.linalg.norm(other, axis=0) / limit, 1)
            assert (
                np.linalg.norm(other - old, axis=0) >= np.linalg.norm(new - old, axis=0) - 1e-12
            ).all()


def test_a_second_projection_changes_nothing_but_rounding():
    made = network(3, 5.0, np.float32)
    MaxNorm(1)(made)
    once = made.parameters.copy()
    MaxNorm(1)(made)
    np.testing.assert_allclose(made.parameters, once, rtol=1e-6)
    assert made.parameters.dtype == np.float32


def test_a_unit_of_zeros_stays_zero():
    made = network()
    made.layers[0].W = np.zeros((7, 5))
    MaxNorm(1)(made)
    assert not made.layers[0].W.any()


def test_in_other_shapes_every_axis_but_the_last_counts_as_inputs():
    class Patches(Layer):
        W, dW = parameter()

        def initialize(self, rng):
            self.W = rng.normal(size=(2, 3, 4))  # 2 x 3 inputs to each of 4 units

    made = Network([Patches()], rng=np.random.default_rng(0), dtype=np.float64)
    MaxNorm(0.5)(made)
    lengths = np.sqrt((made.layers[0].W ** 2).sum(axis=(0, 1)))
    np.testing.assert_allclose(lengths, 0.5)


def test_the_trainer_projects_after_every_step_and_changes_nothing_else():
    rng = np.random.default_rng(1)
    x, y = rng.normal(size=(40, 7)), rng.integers(0, 3, 40)
    limit = MaxNorm(0.4)

    trained = network(2, 0.5)
    trainer = Trainer(
        trained, SoftmaxCrossEntropy(), Adam(0.1), batch_size=10, constraint=limit, verbose=0
    )
    trainer.fit(x, y, 1)

    by_hand, loss, adam = network(2, 0.5), SoftmaxCrossEntropy(), Adam(0.1)
    order = trainer.order(0, 40)
    for start in range(0, 40, 10):
        rows = order[start : start + 10]
        loss.forward(by_hand.forward(x[rows], training=True), y[rows])
        by_hand.backward(loss.backward())
        adam.step(by_hand.parameters, by_hand.gradients)
        limit(by_hand)
        assert max(np.linalg.norm(W, axis=0).max() for W in weights(by_hand)) <= 0.4 * (1 + 1e-12)
    np.testing.assert_array_equal(trained.parameters, by_hand.parameters)


@pytest.mark.parametrize("limit", [0, -1, 1e39, math.inf, math.nan, "3", True])
def test_the_limit_is_a_positive_number(limit):
    with pytest.raises(InputError, match="MaxNorm limit"):
        MaxNorm(limit)
