"""The state of a training run: counters, snapshots, and what each `fit` starts with."""

import dataclasses

import numpy as np
import pytest
from trainers import bits, make, stop_request_at

from numpymlp import (
    Adam,
    BatchNorm,
    Cosine,
    Dense,
    Dropout,
    EarlyStopping,
    InputError,
    Network,
    ReLU,
    SoftmaxCrossEntropy,
    Trainer,
    TrainingDiverged,
    evaluate,
)
from numpymlp.training.checkpoint import COUNTERS, VALUES, restore_state, state_of
from numpymlp.training.scoring import Evaluation
from numpymlp.training.state import Snapshot, TrainingState


def network():
    return make().network


def finish(state, net, *losses, early_stopping=None):
    """Finish one epoch for each validation loss."""
    for loss in losses:
        net.parameters[:] = loss
        state.finish_epoch(net, Evaluation(loss, 0.5), 0.1, 1.0, early_stopping)


# ---- what a fit starts with ----


def test_a_number_of_epochs_is_added_to_those_that_are_done():
    state = TrainingState(epoch=3, last_epoch=3, stopped="epochs")
    state.plan(4, 100, 10)
    assert (state.last_epoch, state.stopped, state.samples) == (7, "", 100)


def test_none_keeps_the_end_that_the_fit_before_was_asked_for():
    state = TrainingState(epoch=3, last_epoch=10, stopped="interrupted", idle_epochs=2)
    state.plan(None, 100, 10)
    assert (state.last_epoch, state.stopped, state.idle_epochs) == (10, "", 2)


@pytest.mark.parametrize("epoch", [3, 10])
@pytest.mark.parametrize("stopped", ["epochs", "early stopping", "callback"])
def test_none_does_not_continue_what_has_ended(stopped, epoch):
    state = TrainingState(epoch=epoch, last_epoch=10, stopped=stopped)
    state.plan(None, 100, 10)
    assert state.stopped == stopped


def test_none_after_an_error_behind_the_last_epoch_is_the_end():
    state = TrainingState(epoch=10, last_epoch=10, stopped="")
    state.plan(None, 100, 10)
    assert state.stopped == "epochs"


@pytest.mark.parametrize("epochs", [None, 0, 1.5])
def test_a_plan_that_is_refused_changes_nothing(epochs):
    state = TrainingState(best_value=0.5, idle_epochs=3)
    with pytest.raises(InputError, match="epochs"):
        state.plan(epochs, 100, 10)
    assert state == dataclasses.replace(state, best_value=0.5, idle_epochs=3, samples=0)


# ---- finished epochs ----


def test_the_best_epoch_of_a_fit_is_the_first_with_the_smallest_loss():
    state, net = TrainingState(), network()
    state.plan(5, 100, 10)
    finish(state, net, 3.0, 1.0, 2.0, 1.0)
    assert (state.best.epoch, state.best_value, state.last.epoch) == (2, 1.0, 4)
    assert (state.best.parameters == 1.0).all()
    state.plan(5, 100, 10)
    finish(state, net, 7.0, 8.0)
    assert (state.best.epoch, state.best_value) == (5, 7.0)


def test_without_validation_the_best_epoch_stays():
    state, net = TrainingState(last_epoch=9), network()
    finish(state, net, 3.0)
    state.finish_epoch(net, None, 0.1, 1.0, None)
    assert (state.best.epoch, state.last.epoch) == (1, 2)


def test_by_default_the_best_epoch_is_that_of_the_loss_and_early_stopping_may_choose_accuracy():
    scored = [Evaluation(1.0, 0.9), Evaluation(0.5, 0.8)]
    for stopping, best in ((None, 2), (EarlyStopping(monitor="validation_accuracy"), 1)):
        state, net = TrainingState(last_epoch=9), network()
        for each in scored:
            state.finish_epoch(net, each, 0.1, 1.0, stopping)
        assert state.best.epoch == best


def test_a_best_epoch_needs_no_min_delta():
    state, net = TrainingState(last_epoch=9), network()
    finish(state, net, 1.0, 0.99, early_stopping=EarlyStopping(5, min_delta=0.1))
    assert (state.best.epoch, state.idle_epochs, state.progress_value) == (2, 1, 1.0)


def test_a_snapshot_is_a_copy_and_restores_parameters_and_buffers():
    net = Network([Dense(2, 3), BatchNorm(3)], rng=np.random.default_rng(0))
    before = Snapshot.of(net, 4)
    W, parameters = net.layers[0].W, net.parameters.copy()
    net.parameters += 1
    net.buffers += 1
    before.restore(net)
    np.testing.assert_array_equal(net.parameters, parameters)
    assert net.buffers.tolist() == [0, 0, 0, 1, 1, 1]
    assert net.layers[0].W is W


def test_an_epoch_that_is_repeated_takes_its_steps_back():
    state, net = TrainingState(last_epoch=9, step=20), network()
    finish(state, net, 1.0, 2.0)
    state.step, state.batch = 24, 4
    assert state.repeat_epoch(net).epoch == 1
    assert (state.step, state.batch, state.epoch) == (20, 0, 2)
    assert (net.parameters == 1.0).all()


# ---- the whole state, moved to another Trainer ----


def test_the_state_names_are_those_that_a_checkpoint_saves():
    fields = {field.name for field in dataclasses.fields(TrainingState)}
    assert fields == {*COUNTERS, *VALUES, "stopped", "running", "history", "best", "last"}


def build():
    network = Network(
        [Dense(2, 8), BatchNorm(8), ReLU(), Dropout(0.3), Dense(8, 3)],
        rng=np.random.default_rng(0),
    )
    return Trainer(
        network,
        SoftmaxCrossEntropy(),
        Adam(0.02),
        schedule=Cosine(),
        augment=lambda x, rng: x + rng.normal(0, 0.1, x.shape),
        verbose=0,
    )


def test_a_state_that_is_moved_to_another_trainer_continues_with_the_same_bits(blobs):
    whole = build()
    whole.fit(*blobs, 5, validation=0.2)
    first = build()
    first.callbacks.append(lambda trainer: trainer.state.epoch == 2)
    first.fit(*blobs, 5, validation=0.2)
    second = build()
    restore_state(second, *state_of(first))
    second.fit(*blobs, 3, validation=0.2)
    np.testing.assert_array_equal(whole.network.parameters, second.network.parameters)
    np.testing.assert_array_equal(whole.network.buffers, second.network.buffers)
    # a fit with a number of epochs compares its own epochs only
    assert whole.history["validation_loss"] == second.history["validation_loss"]
    assert second.state.best.epoch == 3 + int(np.argmin(second.history["validation_loss"][2:]))


def test_an_interrupted_state_that_is_moved_keeps_the_best_epoch(blobs):
    whole, first, second = build(), build(), build()
    whole.fit(*blobs, 5, validation=0.2)
    first.callbacks.append(stop_request_at(2))
    first.fit(*blobs, 5, validation=0.2)
    restore_state(second, *state_of(first))
    second.fit(*blobs, validation=0.2)
    assert bits(second) == bits(whole)
    np.testing.assert_array_equal(whole.state.best.parameters, second.state.best.parameters)


def test_a_restored_trainer_does_not_change_with_the_one_that_the_state_came_from(blobs):
    first, second = build(), build()
    first.fit(*blobs, 1, validation=0.2)
    restore_state(second, *state_of(first))
    before = bits(second)
    first.fit(*blobs, 2, validation=0.2)
    assert bits(second) == before
    assert len(second.history) == 1


def test_restore_best_needs_an_epoch_with_validation(blobs):
    trainer = make()
    trainer.fit(*blobs, 1)
    with pytest.raises(InputError, match="restore_best expected a finished epoch with validation"):
        trainer.restore_best()


def test_only_epochs_of_the_current_fit_compete_for_the_best(blobs):
    # A second fit with other data ended with the weights of the first.
    x, y = blobs
    trainer = make(early_stopping=EarlyStopping(30))
    trainer.fit(x, y, 10, validation=(x, y))
    before = trainer.network.parameters.copy()
    other = (y + 1) % 3
    trainer.fit(x, other, 10, validation=(x, other))
    assert trainer.state.best.epoch > 10
    assert not np.array_equal(trainer.network.parameters, before)
    assert evaluate(trainer.network, trainer.loss, x, other).accuracy > 0.9
    trainer.early_stopping = None
    trainer.fit(x, y, 1)
    with pytest.raises(InputError, match="restore_best expected a finished epoch with validation"):
        trainer.restore_best()


def test_a_second_fit_that_diverges_restores_its_own_last_epoch(blobs):
    x, y = blobs
    trainer = make()
    trainer.fit(x, y, 3, validation=(x, y))
    trainer.network.parameters += 0.1
    before = trainer.network.parameters.copy()
    trainer.augment = lambda x, rng: x * np.nan
    with pytest.raises(TrainingDiverged):
        trainer.fit(x, y, 3)
    np.testing.assert_array_equal(trainer.network.parameters, before)
