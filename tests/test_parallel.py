"""A split network computes what the whole network does; the workers are threads here."""

import copy
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import cases
from together import run

from numpymlp import (
    SGD,
    Adam,
    BatchNorm,
    Dense,
    Dropout,
    Layer,
    Network,
    ReLU,
    SoftmaxCrossEntropy,
    lenet,
    mlp,
)
from numpymlp.network import loss_and_gradient
from numpymlp.optimizers import AdamW
from numpymlp.parallel import ColumnDense, Communicator, RowDense, Share, split
from numpymlp.training.constraints import MaxNorm
from numpymlp.validation import InputError


@st.composite
def split_cases(draw):
    """Draw a number of workers, and a network with at least one unit for each."""
    workers = draw(st.integers(1, 4))
    case = draw(cases())
    hidden = tuple(replace(block, units=block.units + workers - 1) for block in case.hidden)
    return workers, replace(case, hidden=hidden, dtype="float64")


def relative(a, b):
    return np.abs(a - b).max(initial=0) / max(1.0, np.abs(b).max(initial=0))


@given(split_cases(), st.booleans())
def test_every_gradient_is_that_of_the_whole_network(case, input_gradient):
    workers, case = case
    network, loss, x, y, options = case.build()

    def program(comm):
        own, extra = copy.deepcopy((loss, options))  # threads share no caches
        part, share = split(network, comm), Share(network, comm)
        batch = loss_and_gradient(part, own, x, y, **extra)
        dx = part.backward(own.backward(), input_gradient=True) if input_gradient else None
        # The penalty is not in the second backward pass.
        return batch, part.gradients, share, dx

    parts = run(workers, program)
    expected = loss_and_gradient(network, loss, x, y, **options)
    dx = network.backward(loss.backward(), input_gradient=True) if input_gradient else None
    for batch, gradients, share, part_dx in parts:
        assert relative(batch.logits, expected.logits) < 1e-12
        assert abs(batch.loss - expected.loss) <= 1e-12 * max(1, abs(expected.loss))
        assert relative(gradients, share.scatter(network.gradients)) < 1e-12
        if input_gradient:
            assert relative(part_dx, dx) < 1e-12
    assert np.logical_or.reduce([share.mine for _, _, share, _ in parts]).all()


def train(network, loss, optimizer, x, y, options, limit, steps=60):
    constraint = MaxNorm(limit) if limit else None
    for _ in range(steps):
        loss_and_gradient(network, loss, x, y, **options)
        optimizer.step(network.parameters, network.gradients)
        if constraint:
            constraint(network)


OPTIMIZERS = {
    "SGD": (lambda mask: SGD(0.05), 1e-10),
    "momentum": (lambda mask: SGD(0.02, 0.9, nesterov=True), 1e-10),
    "Adam": (lambda mask: Adam(1e-3), 1e-8),
    "AdamW": (lambda mask: AdamW(1e-3, mask=mask), 1e-8),
}


@settings(max_examples=20)
@given(split_cases(), st.sampled_from(sorted(OPTIMIZERS)), st.sampled_from([None, 0.5, 2.0]))
def test_sixty_steps_end_with_the_weights_of_the_whole_network(case, name, limit):
    workers, case = case
    network, loss, x, y, options = case.build()
    make, tolerance = OPTIMIZERS[name]

    def program(comm):
        part, share = split(network, comm), Share(network, comm)
        optimizer = make(share.scatter(network.decay_mask))
        own, extra = copy.deepcopy((loss, options))
        train(part, own, optimizer, x, y, extra, limit)
        return part, share, Share(network, comm, "buffers")

    start = network.copy()
    parts = run(workers, program)
    assert start.parameters.tobytes() == network.parameters.tobytes()
    assert start.random_states == network.random_states
    train(network, loss, make(network.decay_mask), x, y, options, limit)
    for part, share, buffers in parts:
        assert relative(part.parameters, share.scatter(network.parameters)) < tolerance
        assert relative(part.buffers, buffers.scatter(network.buffers)) < tolerance
        assert part.random_states == network.random_states


@pytest.mark.parametrize("workers", [1, 2, 3, 4])
def test_the_masks_of_dropout_do_not_depend_on_the_number_of_workers(workers):
    network = Network(
        [Dense(4, 9), Dropout(0.5), Dense(9, 7), Dropout(0.5), Dense(7, 3)],
        rng=np.random.default_rng(0),
        dtype=np.float64,
    )
    x = np.random.default_rng(1).normal(size=(5, 4))

    def program(comm):
        part = split(network, comm)
        return [part.forward(x, training=True) for _ in range(3)]

    whole = network.copy()
    expected = [whole.forward(x, training=True) for _ in range(3)]
    for outputs in run(workers, program):
        np.testing.assert_allclose(outputs, expected, rtol=0, atol=1e-13)


def test_in_evaluation_the_parts_are_the_whole_network():
    network = mlp([5, 7, 6, 3], batch_norm=True, dropout=0.3, rng=np.random.default_rng(0))
    x = np.random.default_rng(1).normal(size=(2500, 5)).astype(np.float32)
    for answers in run(3, lambda comm: split(network, comm).predict_proba(x)):
        np.testing.assert_allclose(answers, network.predict_proba(x), atol=1e-6)


@pytest.mark.parametrize(
    ("sizes", "messages"),
    [([4, 3], 0), ([4, 8, 3], 1), ([4, 8, 8, 3], 1), ([4, 8, 8, 8, 3], 3), ([4, *[8] * 4, 3], 3)],
)
def test_one_or_two_hidden_layers_send_one_message_a_step(sizes, messages):
    class Counting(Communicator):
        count = 0

        def sum(self, a):
            self.count += 1
            return a

    comm = Counting(0, 2)
    part = split(mlp(sizes, rng=np.random.default_rng(0)), comm)
    part.forward(np.zeros((6, 4)))
    part.backward(np.zeros((6, 3), np.float32))
    assert comm.count == messages


def test_a_worker_holds_its_units_and_what_is_whole_everywhere():
    network = mlp([5, 7, 6, 3], rng=np.random.default_rng(0))
    parts = [split(network, Communicator(rank, 3)) for rank in range(3)]
    kinds = [type(layer) for layer in parts[0].layers]
    assert kinds == [ColumnDense, ReLU, RowDense, ReLU, Dense]
    assert [part.layers[0].outputs for part in parts] == [2, 2, 3]
    W = np.hstack([part.layers[0].W for part in parts])
    assert W.tobytes() == network.layers[0].W.tobytes()
    W = np.vstack([part.layers[2].W for part in parts])
    assert W.tobytes() == network.layers[2].W.tobytes()


@given(split_cases())
def test_what_is_scattered_can_be_gathered(case):
    workers, case = case
    network = case.build()[0]
    vector = np.random.default_rng(0).normal(size=network.parameters.size)

    def program(comm):
        share = Share(network, comm)
        return share.gather(share.scatter(vector))

    first, *others = run(workers, program)
    assert first.tobytes() == vector.tobytes()
    assert [whole.size for whole in others] == [0] * (workers - 1)


def test_what_all_workers_have_is_gathered_from_the_first():
    network = mlp([2, 4, 3], rng=np.random.default_rng(0))

    def program(comm):
        share = Share(network, comm)
        part = share.scatter(np.zeros(network.parameters.size))
        return share.gather(part + comm.rank)

    bias, whole = network.layers[-1].b.size, run(2, program)[0]
    assert (whole[-bias:] == 0).all()
    assert sorted(set(whole)) == [0, 1]


class Mixing(Layer):
    """A layer that reads other units."""

    def forward(self, x, training=False):
        return np.roll(x, 1, axis=1)

    def backward(self, dy, input_gradient=True):
        return np.roll(dy, -1, axis=1)


class Doubling(Mixing):
    def forward(self, x, training=False):
        return 2 * x

    def backward(self, dy, input_gradient=True):
        return 2 * dy

    def take(self, mine, width):
        return Doubling()


def test_a_layer_that_mixes_units_is_refused_inside_a_pair_only():
    rng = np.random.default_rng(0)
    inside = Network([Dense(2, 4), Mixing(), Dense(4, 4), Dense(4, 2)], rng=rng)
    with pytest.raises(InputError, match=r"got Mixing, which has no take\(mine, width\)"):
        split(inside, Communicator(0, 2))
    outside = Network([Mixing(), Dense(2, 4), Dense(4, 4), Mixing(), Dense(4, 2)], rng=rng)
    assert type(split(outside, Communicator(0, 2)).layers[3]) is Mixing


def test_a_custom_layer_says_how_it_is_taken():
    network = Network([Dense(2, 5), Doubling(), Dense(5, 2)], rng=np.random.default_rng(0))
    x = np.random.default_rng(1).normal(size=(3, 2))
    for logits in run(2, lambda comm: split(network, comm).forward(x)):
        np.testing.assert_allclose(logits, network.forward(x), atol=1e-6)


def test_more_workers_than_units_are_refused():
    network = mlp([2, 3, 2], rng=np.random.default_rng(0))
    with pytest.raises(InputError, match=r"at most 3 for Dense\(2 -> 3\), one for each unit"):
        split(network, Communicator(0, 4))


def test_batch_norm_keeps_its_settings_in_a_part():
    norm = BatchNorm(4, momentum=0.5, epsilon=1e-2)
    network = Network([Dense(2, 4), norm, Dense(4, 2)], rng=np.random.default_rng(0))
    part = split(network, Communicator(1, 2)).layers[1]
    assert part.config() == {"features": 2, "momentum": 0.5, "epsilon": 1e-2}


def test_convolutions_are_whole_on_every_worker():
    options = {"image_shape": (16, 16, 1), "dropout": 0.2, "dtype": np.float64}
    network = lenet((2, 3), 7, rng=np.random.default_rng(0), **options)
    rng = np.random.default_rng(1)
    x, y = rng.normal(size=(6, 256)), rng.integers(0, 10, 6)

    def program(comm):
        part = split(network, comm)
        loss_and_gradient(part, SoftmaxCrossEntropy(), x, y)
        return part.gradients, Share(network, comm)

    parts = run(3, program)
    loss_and_gradient(network, SoftmaxCrossEntropy(), x, y)
    for gradients, share in parts:
        assert relative(gradients, share.scatter(network.gradients)) < 1e-12
