"""Mean loss and accuracy: running means in training, and `evaluate`."""

import contextlib

import numpy as np
import pytest
from trainers import make

from numpymlp import (
    SGD,
    Adam,
    BatchNorm,
    Dense,
    Dropout,
    InputError,
    MeanSquaredError,
    Network,
    ReLU,
    SigmoidCrossEntropy,
    SoftmaxCrossEntropy,
    Trainer,
    evaluate,
    mlp,
)


def test_validation_is_reported_without_dropout_and_label_smoothing(blobs):
    x, y = blobs
    network = mlp([2, 8, 3], dropout=0.5, rng=np.random.default_rng(0))
    trainer = Trainer(network, SoftmaxCrossEntropy(label_smoothing=0.2), Adam(0.02), verbose=0)
    history = trainer.fit(x, y, 1, validation=(x, y))
    plain = SoftmaxCrossEntropy().forward(network.forward(x), y)
    assert history["validation_loss"][0] == pytest.approx(plain, rel=1e-5)


def test_running_means_weigh_batches_by_their_samples():
    # Two batches, of 2 rows and 1 row, and a step too small to matter: the mean over all rows.
    x, y = np.array([[1.0], [2.0], [4.0]], np.float32), np.array([0.0, 0.0, 0.0])
    network = Network([Dense(1, 1)], output="identity", rng=np.random.default_rng(0))
    w = float(network.layers[0].W[0, 0])
    history = Trainer(network, MeanSquaredError(), SGD(1e-12), batch_size=2, verbose=0).fit(x, y, 1)
    # half of the mean of (w x)^2 = w^2 (1 + 4 + 16) / 3 / 2
    assert history["running_train_loss"][0] == pytest.approx(w * w * 21 / 6, rel=1e-5)
    assert history["running_train_accuracy"] == [None]


def test_running_means_weigh_samples_by_their_weights(blobs):
    x, y = blobs
    trainer = make(optimizer=SGD(1e-12))
    trainer.network.parameters += 0.1  # biases of 0 give ties, which any step decides
    weight = np.random.default_rng(1).uniform(0, 3, 300)
    before = evaluate(trainer.network, trainer.loss, x, y, weight)
    history = trainer.fit(x, y, 1, sample_weight=weight)
    assert history["running_train_loss"][0] == pytest.approx(before.loss, rel=1e-5)
    assert history["running_train_accuracy"][0] == pytest.approx(before.accuracy, rel=1e-12)


def test_a_batch_of_weight_zero_counts_nothing(blobs):
    weight = np.zeros(300)
    weight[0] = 1.0  # one batch of ten has a weight
    trainer = make(optimizer=SGD(1e-12))
    trainer.network.parameters += 0.1
    history = trainer.fit(*blobs, 1, sample_weight=weight)
    alone = evaluate(trainer.network, trainer.loss, blobs[0][:1], blobs[1][:1])
    assert history["running_train_loss"][0] == pytest.approx(alone.loss, rel=1e-5)
    assert history["running_train_accuracy"] == [alone.accuracy]


def test_several_sigmoid_outputs_are_right_only_if_all_are():
    network = Network([Dense(2, 2)], output="sigmoid", rng=np.random.default_rng(0))
    network.layers[0].W = np.eye(2)
    x = np.array([[1.0, 1.0], [1.0, -1.0], [-1.0, -1.0], [-1.0, 1.0]])
    y = np.array([[1, 1], [1, 1], [0, 0], [0, 0]])
    assert evaluate(network, SigmoidCrossEntropy(), x, y).accuracy == 0.5


def test_soft_targets_count_as_their_likeliest_class(blobs):
    trainer, (x, y) = make(), blobs
    soft = np.eye(3)[y] * 0.7 + 0.1
    hard = evaluate(trainer.network, trainer.loss, x, y)
    assert evaluate(trainer.network, trainer.loss, x, soft).accuracy == hard.accuracy


def test_evaluate_gives_the_same_in_one_piece_and_in_many(blobs, monkeypatch):
    trainer, (x, y) = make(), blobs
    weight = np.random.default_rng(0).uniform(0, 2, 300)
    whole = evaluate(trainer.network, trainer.loss, x, y, weight)
    monkeypatch.setattr("numpymlp.training.scoring.BATCH", 7)
    pieces = evaluate(trainer.network, trainer.loss, x, y, weight)
    assert pieces.loss == pytest.approx(whole.loss, rel=1e-6)
    assert pieces.accuracy == pytest.approx(whole.accuracy, rel=1e-12)


def test_evaluate_changes_neither_the_network_nor_its_loss(blobs):
    network = mlp([2, 8, 3], dropout=0.5, batch_norm=True, rng=np.random.default_rng(0))
    loss = SoftmaxCrossEntropy(label_smoothing=0.2)
    before = network.parameters.copy(), network.buffers.copy(), network.random_states
    evaluate(network, loss, *blobs)
    np.testing.assert_array_equal(network.parameters, before[0])
    np.testing.assert_array_equal(network.buffers, before[1])
    assert network.random_states == before[2]
    assert loss.label_smoothing == 0.2


def test_a_look_at_the_network_between_forward_and_backward_changes_no_gradient(blobs):
    network = Network(
        [Dense(2, 8), BatchNorm(8), ReLU(), Dropout(0.5), Dense(8, 3)],
        rng=np.random.default_rng(0),
    )
    loss, (x, y) = SoftmaxCrossEntropy(), blobs
    for look in (
        lambda: network.predict(x[:50]),
        lambda: network.predict_proba(x[:50]),
        lambda: network.activations(x[:50]),
        lambda: evaluate(network, loss, x[:50], y[:50]),
        lambda: network.forward(x[:, :1]),  # refused at the border
    ):
        plain, plain_loss = network.copy(), SoftmaxCrossEntropy()
        for each, its_loss in ((network, loss), (plain, plain_loss)):
            its_loss.forward(each.forward(x, training=True), y)
            if each is network:
                with contextlib.suppress(InputError):
                    look()
            each.backward(its_loss.backward())
        assert network.gradients.tobytes() == plain.gradients.tobytes()
        assert network.buffers.tobytes() == plain.buffers.tobytes()
        assert network.random_states == plain.random_states


def test_weights_that_are_all_0_are_refused_and_huge_ones_do_not_overflow(blobs):
    network, (x, y) = mlp([2, 8, 3], rng=np.random.default_rng(0)), blobs
    with pytest.raises(InputError, match="expected a weight above 0"):
        evaluate(network, SoftmaxCrossEntropy(), x, y, np.zeros(len(x)))
    plain, loss = SoftmaxCrossEntropy(), SoftmaxCrossEntropy()
    logits = network.forward(x[:2])
    value = loss.forward(logits, y[:2], np.full(2, 1e308))
    assert value == pytest.approx(plain.forward(logits, y[:2]), rel=1e-6)
    np.testing.assert_allclose(loss.backward(), plain.backward(), rtol=1e-6)


def test_a_loss_that_is_not_finite_is_refused(blobs):
    network = mlp([2, 8, 3], rng=np.random.default_rng(0))
    network.parameters *= np.float32(1e30)
    with pytest.raises(InputError, match="expected a network with finite outputs, got a loss of"):
        evaluate(network, SoftmaxCrossEntropy(), *blobs)
