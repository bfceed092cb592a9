"""The loop: steps, order, outputs, images, and continuing where training stopped."""

import math
import os
import signal
import sys
import threading
import time

import numpy as np
import pytest
from trainers import Pixels, bits, make

from numpymlp import (
    SGD,
    Adam,
    BatchNorm,
    Checkpoint,
    Cosine,
    Dense,
    Dropout,
    L2Penalty,
    Layer,
    MeanSquaredError,
    Network,
    OneCycle,
    ReLU,
    SigmoidCrossEntropy,
    SoftmaxCrossEntropy,
    Trainer,
    evaluate,
    load_mnist,
    mlp,
)


def test_the_trainer_takes_the_same_steps_as_the_loop_by_hand(blobs):
    x, y = blobs
    trainer = make(schedule=Cosine(), penalty=L2Penalty(0.01))
    trainer.fit(x, y, 2)

    network = mlp([2, 8, 3], rng=np.random.default_rng(0))
    loss, optimizer, penalty = SoftmaxCrossEntropy(), Adam(0.02), L2Penalty(0.01)
    step = 0
    for epoch in range(2):
        order = np.random.default_rng((0, 1, epoch)).permutation(300)
        for start in range(0, 300, 32):
            rows = order[start : start + 32]
            loss.forward(network.forward(x[rows], training=True), y[rows])
            network.backward(loss.backward())
            penalty.forward(network.parameters, network.decay_mask)
            network.gradients += penalty.backward()
            factor = 0.5 * (1 + math.cos(math.pi * step / 20))
            optimizer.step(network.parameters, network.gradients, factor)
            step += 1
    assert trainer.state.step == step == 20
    np.testing.assert_array_equal(trainer.network.parameters, network.parameters)


def test_the_trainer_draws_another_order_each_epoch_and_the_same_for_the_same_seed(blobs):
    seen = []

    class Spy(SoftmaxCrossEntropy):
        def forward(self, logits, y, sample_weight=None):
            seen.append(y.copy())
            return super().forward(logits, y, sample_weight)

    for seed in (0, 0, 1):
        make(loss=Spy(), batch_size=300, seed=seed).fit(*blobs, 2)
    assert not (seen[0] == seen[1]).all()
    assert (seen[0] == seen[2]).all()
    assert (seen[1] == seen[3]).all()
    assert not (seen[0] == seen[4]).all()


def test_a_custom_order_is_asked_once_an_epoch(blobs):
    asked, seen = [], []

    def order(epoch, rows):
        asked.append((epoch, rows))
        return np.arange(rows)[::-1]

    class Spy(SoftmaxCrossEntropy):
        def forward(self, logits, y, sample_weight=None):
            seen.append(y.copy())
            return super().forward(logits, y, sample_weight)

    make(loss=Spy(), order=order).fit(*blobs, 2)
    assert asked == [(0, 300), (1, 300)]
    np.testing.assert_array_equal(np.concatenate(seen), np.tile(blobs[1][::-1], 2))


def test_the_schedule_sees_the_step_and_all_steps_done_and_to_come(blobs):
    seen = []

    def schedule(step, total_steps):
        seen.append((step, total_steps))
        return 1.0

    trainer = make(schedule=schedule)
    trainer.fit(*blobs, 1)
    trainer.fit(*blobs, 2)
    assert {each for each in seen if each[1] == 10} == {(step, 10) for step in range(10)}
    assert {each for each in seen if each[1] == 30} == {(step, 30) for step in range(9, 30)}
    assert (trainer.total_steps, trainer.steps_per_epoch) == (30, 10)


@pytest.mark.parametrize("output", ["softmax", "sigmoid", "identity"])
def test_every_kind_of_output_trains(output, blobs):
    x, y = blobs
    rng = np.random.default_rng(0)
    if output == "softmax":
        network, loss, targets = mlp([2, 8, 3], rng=rng), SoftmaxCrossEntropy(), y
    elif output == "sigmoid":
        network = mlp([2, 8, 1], output="sigmoid", rng=rng)
        loss, targets = SigmoidCrossEntropy(), (y == 1).astype(int)
    else:
        network = mlp([2, 8, 2], output="identity", rng=rng)
        loss, targets = MeanSquaredError(), x * 2
    before = evaluate(network, loss, x, targets)
    Trainer(network, loss, Adam(0.02), verbose=0).fit(x, targets, 20)
    after = evaluate(network, loss, x, targets)
    assert after.loss < before.loss / 2
    assert after.accuracy is None if output == "identity" else after.accuracy > 0.95


def test_a_loss_without_sample_weights_is_enough(blobs):
    class Custom:
        def forward(self, logits, y):
            self.inner = SoftmaxCrossEntropy()
            return self.inner.forward(logits, y)

        def backward(self):
            return self.inner.backward()

    custom, same = make(loss=Custom()), make()
    for trainer in (custom, same):
        trainer.fit(*blobs, 1, validation=0.2)
    np.testing.assert_array_equal(custom.network.parameters, same.network.parameters)


class Mean(Layer):
    """Take the mean over an image of known size: (N, H, W, C) -> (N, C)."""

    def __init__(self, height, width, channels):
        self.input_shape = (height, width, channels)

    def forward(self, x, training=False):
        self.cache = x.shape
        return x.mean(axis=(1, 2))

    def backward(self, dy, input_gradient=True):
        n, h, w, c = self.cache
        return np.broadcast_to(dy[:, None, None] / (h * w), (n, h, w, c))

    def output_shape(self, input_shape):
        return input_shape[-1:]


def test_a_network_whose_layers_pass_images_trains_and_resumes(tmp_path):
    rng = np.random.default_rng(0)
    y = np.arange(120) % 2
    x = rng.normal(0, 1, (120, 4, 5, 2)).astype(np.float32)
    x[..., 0] += 2 * y[:, None, None]  # which of two channels is bright

    def build():
        layers = [Pixels(2, 6), BatchNorm(6), ReLU(), Dropout(0.1), Mean(4, 5, 6), Dense(6, 2)]
        network = Network(layers, rng=np.random.default_rng(1))
        loss, checkpoint = SoftmaxCrossEntropy(), Checkpoint(tmp_path / "checkpoint.npz")
        return Trainer(
            network, loss, Adam(0.02), batch_size=16, checkpoint=checkpoint, verbose=0,
            augment=lambda x, rng: np.flip(x, axis=2) if rng.random() < 0.5 else x,
        )  # fmt: skip

    whole = build()
    history = whole.fit(x, y, 5, validation=0.2)
    assert history["validation_accuracy"][-1] > 0.9
    assert evaluate(whole.network, whole.loss, x, y).accuracy > 0.9
    parts = build()
    parts.callbacks = [lambda trainer: setattr(trainer, "stop_requested", True)]
    parts.fit(x, y, 5, validation=0.2)
    again = build()
    again.checkpoint.load(again)
    assert again.state.epoch == 1
    again.fit(x, y, validation=0.2)
    assert bits(again) == bits(whole)


# ---- continuing ----


def test_fit_continues_where_it_stopped(blobs):
    whole, parts = make(), make()
    whole.fit(*blobs, 5)
    parts.fit(*blobs, 2)
    parts.fit(*blobs, 3)
    np.testing.assert_array_equal(whole.network.parameters, parts.network.parameters)
    assert parts.history["epoch"] == [1, 2, 3, 4, 5]


def test_fit_without_epochs_after_the_last_epoch_changes_nothing(blobs):
    trainer = make()
    trainer.fit(*blobs, 2)
    before = bits(trainer)
    trainer.fit(*blobs)
    assert bits(trainer) == before


def test_an_interrupt_ends_after_the_step_and_fit_continues_in_the_middle_of_the_epoch(blobs):
    whole = make(schedule=Cosine())
    whole.fit(*blobs, 3)

    class Interrupting(SoftmaxCrossEntropy):
        calls = 0

        def forward(self, logits, y, sample_weight=None):
            self.calls += 1
            if self.calls == 14:  # of ten steps an epoch: the fourth of the second epoch
                os.kill(os.getpid(), signal.SIGINT)
            return super().forward(logits, y, sample_weight)

    handler = signal.getsignal(signal.SIGINT)
    trainer = make(loss=Interrupting(), schedule=Cosine())
    with pytest.raises(KeyboardInterrupt):
        trainer.fit(*blobs, 3)
    state = trainer.state
    assert (state.stopped, trainer.stop_signal) == ("interrupted", signal.SIGINT)
    assert (state.epoch, state.batch, state.step) == (1, 4, 14)
    assert signal.getsignal(signal.SIGINT) is handler
    assert evaluate(trainer.network, trainer.loss, *blobs).accuracy > 0.5
    trainer.fit(*blobs, 2)
    assert trainer.stop_signal is None
    np.testing.assert_array_equal(trainer.network.parameters, whole.network.parameters)
    assert trainer.history["running_train_loss"] == whole.history["running_train_loss"]


def test_a_trainer_may_be_given_other_parts_between_fits(blobs, capsys):
    trainer = make(schedule=OneCycle())
    trainer.fit(*blobs, 1)
    trainer.schedule, trainer.verbose = None, 1
    history = trainer.fit(*blobs, 1)
    assert history["learning_rate"][1] == 0.02
    assert capsys.readouterr().out.startswith("epoch 2/2  ")


def test_validation_may_begin_later(blobs):
    trainer = make()
    trainer.fit(*blobs, 1)
    trainer.fit(*blobs, 2, validation=0.2)
    assert trainer.history["validation_loss"][0] is None
    assert trainer.state.best.epoch in (2, 3)


def test_the_network_is_usable_after_fit_and_owns_no_part_of_the_state(blobs):
    trainer = make(optimizer=SGD(0.1))
    trainer.fit(*blobs, 1, validation=0.2)
    trainer.network.parameters[:] = 0
    assert trainer.state.best.parameters.any()
    trainer.restore_best()
    np.testing.assert_array_equal(trainer.network.parameters, trainer.state.best.parameters)


# ---- the real data ----


def test_one_epoch_on_the_real_mnist_reaches_its_floor():
    (x, y), (x_test, y_test) = load_mnist()
    network = mlp([784, 64, 10], rng=np.random.default_rng(0))
    trainer = Trainer(network, SoftmaxCrossEntropy(), Adam(5e-3), schedule=OneCycle(), verbose=0)
    trainer.fit(x, y, 1)
    assert evaluate(network, trainer.loss, x_test, y_test).accuracy > 0.95


# ---- other threads ----


def test_predictions_in_another_thread_change_nothing_in_a_training_run(blobs):
    # Predictions used the caches of the layers in training: wrong gradients, or errors.
    def train(look):
        network = mlp([2, 64, 3], dropout=0.3, batch_norm=True, rng=np.random.default_rng(0))
        trainer = Trainer(network, SoftmaxCrossEntropy(), Adam(), batch_size=32, verbose=0)
        done, errors = threading.Event(), []

        def serve():
            try:
                while not done.is_set():
                    look(trainer)
            except Exception as error:
                errors.append(error)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            trainer.fit(*blobs, 20)
        finally:
            done.set()
            thread.join()
        assert errors == []
        return bits(trainer)

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        right = train(lambda trainer: time.sleep(0.01))
        x, y = blobs[0][:50], blobs[1][:50]
        for look in (
            lambda trainer: trainer.network.predict(x),
            lambda trainer: trainer.network.activations(x),
            lambda trainer: evaluate(trainer.network, trainer.loss, x, y),
        ):
            assert train(look) == right
    finally:
        sys.setswitchinterval(interval)
