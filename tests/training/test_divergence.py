"""Divergence: the step, the place, the likely cause, and the weights that are restored."""

import math
import re

import numpy as np
import pytest
from trainers import make

from numpymlp import (
    SGD,
    Adam,
    BatchNorm,
    Dense,
    Dropout,
    Layer,
    MeanSquaredError,
    Network,
    ReLU,
    SoftmaxCrossEntropy,
    Trainer,
    TrainingDiverged,
    evaluate,
)
from numpymlp.training.divergence import first_nonfinite, likely_cause, stop_if_diverged

Y = np.arange(120) % 3
X = (np.random.default_rng(3).normal(0, 1, (120, 6)) + Y[:, None]).astype(np.float32)


def network(*hidden, output="softmax", scale=1.0, seed=0):
    layers = hidden or (Dense(6, 8), ReLU())
    net = Network([*layers, Dense(8, 3)], output=output, rng=np.random.default_rng(seed))
    net.parameters *= np.float32(scale)
    return net


def trainer(net=None, loss=None, optimizer=None, **options):
    return Trainer(
        net or network(),
        loss or SoftmaxCrossEntropy(),
        optimizer or SGD(0.05),
        **({"batch_size": 20, "verbose": 0} | options),
    )


def diverges(trainer, x=X, y=Y, epochs=3, **options):
    with pytest.raises(TrainingDiverged) as caught:
        trainer.fit(x, y, epochs, **options)
    message = str(caught.value)
    assert "\n" not in message
    assert re.match(r"training diverged at step \d+ \(epoch \d+\): ", message)
    assert np.isfinite(trainer.network.parameters).all()
    assert np.isfinite(trainer.network.buffers).all()
    return message


# ---- likely causes ----


def test_a_huge_learning_rate_is_named_with_a_smaller_one():
    message = diverges(trainer(optimizer=SGD(1e25)))
    assert "the numbers first broke in the output of Dense(8 -> 3), layer 3 of 3" in message
    assert "a learning rate that is too high (it is 1e+25): try 1e+24" in message
    assert message.endswith("The network has its weights before training back.")


def test_the_learning_rate_includes_the_schedules_factor():
    message = diverges(trainer(optimizer=SGD(0.5), schedule=lambda step, total: 1e25))
    assert "(it is 5e+24)" in message


@pytest.mark.filterwarnings("ignore:training data")
def test_unscaled_inputs_are_named_with_their_size():
    message = diverges(
        trainer(network(output="identity"), MeanSquaredError(), SGD(1.0)), X * 1e9, X[:, :3]
    )
    assert "inputs that are not scaled (they reach " in message
    assert "divide pixels by 255" in message


def test_unscaled_targets_are_named_with_their_size():
    values = (X[:, :3] * 1e25).astype(np.float32)
    message = diverges(trainer(network(output="identity"), MeanSquaredError()), X, values)
    assert "the loss itself broke, behind Dense(8 -> 3): it became inf" in message
    assert "targets that are not scaled (they reach 3.33e+25): standardize" in message


def test_a_bad_initialization_is_named_with_its_size():
    message = diverges(trainer(network(scale=1e25)))
    assert "step 1 (epoch 1): the numbers first broke in the output of Dense(8 -> 3)" in message
    assert "initial weights that are too large (they reach 1.34e+25): use he_normal" in message
    assert "learning rate" not in message


def test_an_augmentation_that_gives_nan_is_named():
    message = diverges(trainer(augment=lambda x, rng: x * np.nan))
    assert "the inputs broke, in the augmentation" in message
    assert "an augment(x, rng) that returns NaN or infinity" in message


# ---- the place ----


class Poison(Layer):
    """A layer that breaks backward, or forward, from its n-th batch on."""

    def __init__(self, at, forward=False):
        self.at, self.in_forward, self.calls = at, forward, 0

    def forward(self, x, training=False):
        self.calls += training
        return x * (np.nan if self.in_forward and training and self.calls >= self.at else 1.0)

    def backward(self, dy, input_gradient=True):
        return dy * (np.inf if not self.in_forward and self.calls >= self.at else 1.0)


def test_the_layer_that_breaks_forward_is_named_and_not_the_ones_after_it():
    net = network(Dense(6, 8), Poison(4, forward=True), ReLU())
    message = diverges(trainer(net))
    assert (
        "step 4 (epoch 1): the numbers first broke in the output of Poison, layer 2 of 4" in message
    )


def test_the_layer_that_breaks_backward_is_named_before_a_step_is_taken():
    net = network(Dense(6, 8), ReLU(), Dense(8, 8), Poison(4), ReLU())
    message = diverges(trainer(net))
    assert "step 4 (epoch 1): the gradient first broke in 2.b of Dense(8 -> 8)" in message


def test_a_parameter_that_the_update_breaks_is_named():
    class Breaking(SGD):
        def step(self, parameters, gradients, factor=1.0):
            super().step(parameters, gradients, factor)
            parameters[-1] = np.nan

    message = diverges(trainer(optimizer=Breaking(0.1)))
    assert "step 2 (epoch 1): the last update broke parameter 2.b of Dense(8 -> 3)" in message


def test_a_parameter_that_the_loss_does_not_show_is_found_at_the_end_of_the_epoch():
    class Hidden(SGD):
        def step(self, parameters, gradients, factor=1.0):
            parameters[0] = -np.inf  # a dead unit: ReLU makes 0 of it where x > 0

    net = Network([Dense(1, 1), ReLU(), Dense(1, 2)], rng=np.random.default_rng(0))
    x = np.abs(X[:, :1]) + 0.1
    message = diverges(trainer(net, optimizer=Hidden(0.1)), x, Y % 2)
    assert "step 6 (epoch 1): the last update broke parameter 0.W" in message


def test_running_means_that_overflow_are_found():
    net = network(BatchNorm(6), Dense(6, 8), ReLU())
    with pytest.warns(UserWarning, match="not|numbers that large"):
        message = diverges(trainer(net), X * np.float32(1e30))
    assert "batch norm" in message or "BatchNorm" in message


def test_large_finite_gradients_are_no_divergence():
    # Their sum of squares overflows float32; they do not.
    class Tiny(SGD):
        def step(self, parameters, gradients, factor=1.0):
            assert np.isinf(gradients @ gradients)
            super().step(parameters, gradients, factor)

    net = network(output="identity")
    values = (X[:, :3] * 2e18).astype(np.float32)
    tiny = trainer(net, MeanSquaredError(), Tiny(1e-30), batch_size=120)
    tiny.fit(X * np.float32(15), values, 1)
    assert tiny.state.epoch == 1


def test_finite_numbers_are_no_divergence():
    net = network(Dense(6, 8), BatchNorm(8), ReLU(), Dropout(0.5))
    net.forward(X, training=True)
    net.backward(np.ones((120, 3), np.float32))
    assert first_nonfinite(net, X, 0.5) is None
    assert first_nonfinite(net, None, 0.5) is None
    assert "the loss itself broke" in first_nonfinite(net, None, float("nan"))


# ---- what is restored ----


def test_the_best_weights_by_validation_are_restored_and_training_can_continue():
    kept = []

    def raise_the_rate_after_six_epochs(t):
        kept.append(t.network.parameters.copy())
        if t.state.epoch == 6:
            t.optimizer.learning_rate = 1e30

    t = trainer(optimizer=Adam(1.0), callbacks=[raise_the_rate_after_six_epochs])
    message = diverges(t, epochs=9, validation=0.25)
    best = int(np.argmin(t.history["validation_loss"]))
    assert best < 5, "the best epoch is the last: the test proves nothing"
    assert f"The network has its weights of epoch {best + 1} back." in message
    np.testing.assert_array_equal(t.network.parameters, kept[best])
    # The optimizer is reset: a better setting continues from the good weights.
    assert t.optimizer.t == 0
    t.optimizer.learning_rate = 0.01
    before = evaluate(t.network, t.loss, X, Y).loss
    t.fit(X, Y, 10, validation=0.25)
    assert evaluate(t.network, t.loss, X, Y).loss < before


def test_without_validation_those_of_the_last_finished_epoch_are_restored():
    t = trainer()
    t.fit(X, Y, 2)
    last = t.network.parameters.copy()
    t.optimizer.learning_rate = 1e30
    assert "weights of epoch 2 back" in diverges(t)
    np.testing.assert_array_equal(t.network.parameters, last)
    assert len(t.history) == 2


def test_before_the_first_step_the_learning_rate_is_not_to_blame():
    message = diverges(trainer(network(Dense(6, 8), Poison(1, forward=True), ReLU())))
    assert "step 1 (epoch 1): the numbers first broke in the output of Poison" in message
    assert "a layer or a loss that divides by 0 or takes its logarithm" in message
    assert "try" not in message


def test_divergence_restores_the_best_weights_of_the_fit_before(blobs):
    trainer = make(optimizer=SGD(0.05))
    trainer.fit(*blobs, 3, validation=0.2)
    best = trainer.state.best.parameters.copy()
    trainer.optimizer.learning_rate = 1e30
    with pytest.raises(TrainingDiverged, match=r"step \d+ .*Dense\(8 -> 3\).*learning rate"):
        trainer.fit(*blobs, 3, validation=0.2)
    np.testing.assert_array_equal(trainer.network.parameters, best)
    assert len(trainer.history) == 3


class Breaking(SoftmaxCrossEntropy):
    """Give NaN at the n-th batch, and call `watch` before each."""

    calls = 0

    def __init__(self, at, watch=lambda calls: None):
        super().__init__()
        self.at, self.watch = at, watch

    def forward(self, logits, y, sample_weight=None):
        self.calls += 1
        self.watch(self.calls)
        value = super().forward(logits, y, sample_weight)
        return math.nan if self.calls == self.at else value


def test_divergence_restores_weights_that_were_loaded_between_two_fits(blobs):
    trainer = make(optimizer=SGD(0.05))
    trainer.fit(*blobs, 2)
    trainer.network.parameters = loaded = np.linspace(-1, 1, trainer.network.parameters.size)
    trainer.optimizer.learning_rate = 1e30
    with pytest.raises(TrainingDiverged, match="weights of epoch 2 back"):
        trainer.fit(*blobs, 1)
    np.testing.assert_allclose(trainer.network.parameters, loaded, rtol=1e-6)


def test_after_divergence_the_next_fit_starts_the_epoch_again(blobs):
    # The fifth batch of the second epoch.
    trainer, whole = make(loss=Breaking(15), optimizer=SGD(0.1)), make(optimizer=SGD(0.1))
    with pytest.raises(TrainingDiverged, match="step 15"):
        trainer.fit(*blobs, 3)
    state = trainer.state
    assert (state.epoch, state.batch, state.step, state.stopped) == (1, 0, 10, "")
    trainer.fit(*blobs, 1)
    whole.fit(*blobs, 2)
    np.testing.assert_array_equal(trainer.network.parameters, whole.network.parameters)
    assert trainer.history["running_train_loss"] == whole.history["running_train_loss"]


def test_divergence_after_continuing_in_the_middle_of_an_epoch_restores_its_beginning(blobs):
    def stop(calls):
        trainer.stop_requested = calls == 13

    trainer, whole = make(loss=Breaking(15, stop), optimizer=SGD(0.1)), make(optimizer=SGD(0.1))
    trainer.fit(*blobs, 3)
    state = trainer.state
    assert (state.stopped, state.epoch, state.batch) == ("interrupted", 1, 3)
    with pytest.raises(TrainingDiverged, match="has its weights of epoch 1 back"):
        trainer.fit(*blobs)
    whole.fit(*blobs, 1)
    np.testing.assert_array_equal(trainer.network.parameters, whole.network.parameters)
    assert (state.epoch, state.batch, state.step) == (1, 0, 10)


def test_a_custom_optimizer_needs_no_reset_for_divergence_to_be_reported(blobs):
    class Wild:
        learning_rate = 1.0

        def step(self, parameters, gradients, factor=1.0):
            parameters *= np.inf

    trainer = make(optimizer=Wild())
    with pytest.raises(TrainingDiverged, match="the last update broke parameter"):
        trainer.fit(*blobs, 1)
    assert (trainer.state.batch, trainer.state.step) == (0, 0)
    assert np.isfinite(trainer.network.parameters).all()


def test_a_validation_loss_that_is_not_finite_is_a_divergence(blobs):
    class Overflow(SoftmaxCrossEntropy):
        def for_evaluation(self):
            return Breaking(1)

    message = diverges(make(loss=Overflow()), *blobs, validation=0.2)
    assert "step 8 (epoch 1): the loss itself broke" in message
    assert message.endswith("The network has its weights before training back.")


def test_finite_numbers_change_nothing_and_raise_nothing(blobs):
    trainer = make()
    trainer.fit(*blobs, 1)
    before = trainer.network.parameters.copy()
    stop_if_diverged(trainer, 0.5, 0.1)
    np.testing.assert_array_equal(trainer.network.parameters, before)
    assert trainer.state.epoch == 1


def test_several_likely_causes_are_all_named():
    net = network(scale=1e5)
    cause = likely_cause(net, X * 1e4, X[:, 0] * 1e6, 0.1, first_step=True)
    assert cause.count("; or ") == 2
    for part in ("inputs that are not scaled", "targets that are not", "initial weights that are"):
        assert part in cause
