"""The callback protocol: order of the hooks, reasons to stop, errors in hooks; early stopping."""

import threading

import numpy as np
import pytest
from trainers import bits, make, stop_request_at

from numpymlp import SGD, Adam, Callback, Checkpoint, EarlyStopping, OneCycle, load, save
from numpymlp.storage.archive import open_archive
from numpymlp.training.state import TrainingState


class Spy(Callback):
    """Write down each hook with the counters that it sees."""

    def __init__(self, calls, name=""):
        self.calls, self.name = calls, name

    def note(self, hook, trainer):
        state = trainer.state
        self.calls.append((self.name + hook, state.epoch, state.batch, state.step, state.stopped))

    def begin(self, trainer):
        self.note("begin", trainer)

    def step(self, trainer):
        self.note("step", trainer)

    def epoch_end(self, trainer):
        self.note("epoch_end", trainer)

    def end(self, trainer):
        self.note("end", trainer)


class Stumble(Exception):
    """What the callbacks of these tests raise."""


class Stumbling(Callback):
    """Raise once, in a hook, when so many steps are done."""

    def __init__(self, hook, step, error=Stumble):
        self.at, self.error = step, error
        setattr(self, hook, self.stumble)

    def stumble(self, trainer):
        if trainer.state.step == self.at:
            self.at = None
            raise self.error


# ---- the hooks ----


def test_hooks_run_at_the_begin_after_each_step_after_each_epoch_and_at_the_end(blobs):
    calls = []
    make(batch_size=150, callbacks=[Spy(calls)]).fit(*blobs, 2)
    assert calls == [
        ("begin", 0, 0, 0, ""),
        ("step", 0, 1, 1, ""),
        ("step", 0, 2, 2, ""),
        ("epoch_end", 1, 0, 2, ""),
        ("step", 1, 1, 3, ""),
        ("step", 1, 2, 4, ""),
        ("epoch_end", 2, 0, 4, "epochs"),
        ("end", 2, 0, 4, "epochs"),
    ]


def test_callbacks_run_in_their_order_and_end_in_reverse(blobs):
    calls = []
    make(batch_size=300, callbacks=[Spy(calls, "a "), Spy(calls, "b ")]).fit(*blobs, 1)
    assert [name for name, *_ in calls] == [
        *("a begin", "b begin", "a step", "b step", "a epoch_end", "b epoch_end"),
        *("b end", "a end"),
    ]


def test_the_running_means_include_the_step(blobs):
    seen = []

    class Watch(Callback):
        def step(self, trainer):
            seen.append(trainer.state.running_columns(trainer.network)["running_train_loss"])

    history = make(callbacks=[Watch()]).fit(*blobs, 1)
    assert len(seen) == 10
    assert seen[-1] == history["running_train_loss"][0]


def test_epoch_end_sees_the_row_of_its_epoch(blobs):
    rows = []
    trainer = make(callbacks=[lambda trainer: rows.append(dict(trainer.history.rows[-1]))])
    trainer.fit(*blobs, 3, validation=0.2)
    assert rows == trainer.history.rows


def test_end_sees_the_best_weights_of_early_stopping(blobs, tmp_path):
    class Save(Callback):
        def end(self, trainer):
            save(trainer.network, tmp_path / "model.npz")

    trainer = make(
        optimizer=SGD(3.0, momentum=0.9), early_stopping=EarlyStopping(3), callbacks=[Save()]
    )
    trainer.fit(*blobs, 50, validation=0.3)
    assert trainer.state.best.epoch < trainer.state.epoch
    np.testing.assert_array_equal(
        load(tmp_path / "model.npz").parameters, trainer.state.best.parameters
    )


def test_a_plain_function_runs_after_each_epoch(blobs):
    epochs = []
    make(callbacks=[lambda trainer: epochs.append(trainer.state.epoch)]).fit(*blobs, 3)
    assert epochs == [1, 2, 3]


def test_callbacks_may_be_added_and_replaced_between_fits(blobs, tmp_path):
    path, epochs = tmp_path / "checkpoint.npz", []
    trainer = make(
        early_stopping=EarlyStopping(50), checkpoint=Checkpoint(path), callbacks=[lambda t: True]
    )
    trainer.callbacks.append(lambda trainer: epochs.append(trainer.state.epoch))
    trainer.fit(*blobs, 3, validation=0.2)
    assert (epochs, trainer.state.stopped) == ([1], "callback")
    trainer.callbacks = []
    trainer.fit(*blobs, 2, validation=0.2)
    assert (epochs, trainer.state.epoch) == ([1], 3)
    with open_archive(path, "checkpoint") as archive:  # the checkpoint is no custom callback
        assert archive.header["epoch"] == 3


# ---- reasons to stop ----


def test_a_callback_that_returns_true_stops(blobs):
    trainer = make(callbacks=[lambda trainer: trainer.state.epoch == 3])
    assert len(trainer.fit(*blobs, 10)) == 3
    assert trainer.state.stopped == "callback"


def test_a_callback_may_answer_with_numpys_true(blobs):
    trainer = make(callbacks=[lambda trainer: np.bool_(True)])
    assert len(trainer.fit(*blobs, 3)) == 1
    trainer = make(callbacks=[lambda trainer: np.array(True)])
    assert len(trainer.fit(*blobs, 3)) == 1


@pytest.mark.parametrize("answer", [None, False, np.array(False)])
def test_only_true_stops(answer, blobs):
    assert len(make(callbacks=[lambda trainer: answer]).fit(*blobs, 2)) == 2


@pytest.mark.parametrize("answer", [1, 0.0, "yes", np.ones(2), [True]])
def test_an_answer_that_is_neither_true_nor_false_goes_on_with_a_warning(answer, blobs):
    with pytest.warns(UserWarning, match="a callback returned .*: expected True to stop") as found:
        assert len(make(callbacks=[lambda trainer: answer]).fit(*blobs, 2)) == 2
    assert found[0].filename == __file__


class GoodEnough(Callback):
    reason = "good enough"

    def __init__(self, epoch=2):
        self.epoch = epoch

    def epoch_end(self, trainer):
        return trainer.state.epoch == self.epoch


def test_a_callback_stops_with_its_own_reason_and_a_checkpoint_keeps_it(blobs, tmp_path):
    def build():
        return make(callbacks=[GoodEnough()], checkpoint=Checkpoint(tmp_path / "checkpoint.npz"))

    trainer = build()
    trainer.fit(*blobs, 10)
    assert (trainer.state.epoch, trainer.state.stopped) == (2, "good enough")
    again = build()
    again.checkpoint.load(again)
    again.fit(*blobs)
    assert bits(again) == bits(trainer)


def test_all_callbacks_are_called_though_one_stops(blobs):
    calls = []
    trainer = make(batch_size=300, callbacks=[lambda trainer: True, Spy(calls)])
    trainer.fit(*blobs, 3)
    assert calls[-2:] == [("epoch_end", 1, 0, 1, "callback"), ("end", 1, 0, 1, "callback")]


def test_early_stopping_beats_a_callback_and_both_beat_the_last_epoch_and_a_request(blobs):
    def wild(epochs, **options):
        trainer = make(optimizer=SGD(3.0, momentum=0.9), **options)
        trainer.fit(*blobs, epochs, validation=0.3)
        return trainer

    last = wild(50, early_stopping=EarlyStopping(3)).state.epoch
    both = wild(last, early_stopping=EarlyStopping(3), callbacks=[GoodEnough(last)])
    assert (both.state.epoch, both.state.stopped) == (last, "early stopping")
    assert wild(last, callbacks=[GoodEnough(last)]).state.stopped == "good enough"
    assert wild(last, callbacks=[stop_request_at(last)]).state.stopped == "epochs"
    request = wild(50, callbacks=[stop_request_at(2), GoodEnough(2)])
    assert (request.state.epoch, request.state.stopped) == (2, "good enough")


def test_a_stop_requested_after_an_epoch_ends_it_there_and_prepares_no_further_batch(blobs):
    augmented, orders = [], []

    def augment(x, rng):
        augmented.append(len(x))
        return x

    def order(epoch, rows):
        orders.append(epoch)
        return np.arange(rows)

    trainer = make(augment=augment, order=order, callbacks=[stop_request_at(2)])
    trainer.fit(*blobs, 5)
    assert (trainer.state.epoch, trainer.state.stopped) == (2, "interrupted")
    assert (len(augmented), orders) == (20, [0, 1])


def test_a_stop_requested_before_the_first_step_is_honoured(blobs):
    class Refuse(Callback):
        def begin(self, trainer):
            trainer.stop_requested = True

    trainer = make(callbacks=[Refuse()])
    trainer.fit(*blobs, 2)
    assert (trainer.state.step, trainer.state.stopped) == (0, "interrupted")


# ---- errors in hooks ----


def busy(path, callbacks=()):
    """A Trainer with everything that an error in a hook could leave in disorder."""
    return make(
        augment=lambda x, rng: x + rng.normal(0, 0.1, x.shape),
        schedule=OneCycle(),
        early_stopping=EarlyStopping(30),
        checkpoint=Checkpoint(path),
        callbacks=callbacks,
    )


@pytest.mark.parametrize("error", [Stumble, KeyboardInterrupt])
@pytest.mark.parametrize(
    ("hook", "step"),
    [
        ("begin", 0),
        ("step", 1),
        ("step", 12),
        ("step", 16),  # the last of an epoch
        ("step", 24),  # the last of all
        ("epoch_end", 16),
        ("epoch_end", 24),
        ("end", 24),
    ],
)
def test_after_an_error_in_a_hook_the_next_fit_continues_with_the_same_bits(
    hook, step, error, blobs, tmp_path
):
    threads = threading.enumerate()
    whole = busy(tmp_path / "whole.npz")
    whole.fit(*blobs, 3, validation=0.2)

    calls = []
    trainer = busy(tmp_path / "checkpoint.npz", [Spy(calls), Stumbling(hook, step, error)])
    with pytest.raises(error):
        trainer.fit(*blobs, 3, validation=0.2)
    stopped = "epochs" if hook == "end" else ""
    assert trainer.state.stopped == stopped
    assert calls[-1] == ("end", *calls[-1][1:4], stopped)
    assert threading.enumerate() == threads
    trainer.network.predict(blobs[0])
    trainer.fit(*blobs, validation=0.2)
    assert trainer.state.stopped == "epochs"
    assert bits(trainer) == bits(whole)

    again = busy(tmp_path / "checkpoint.npz", [])
    again.checkpoint.load(again)
    again.fit(*blobs, validation=0.2)
    assert bits(again) == bits(whole)


def test_an_error_ends_those_callbacks_that_have_begun_in_reverse_order(blobs):
    calls = []

    class Failing(Spy):
        def begin(self, trainer):
            raise Stumble

    callbacks = [Spy(calls, "a "), Spy(calls, "b "), Failing(calls, "c "), Spy(calls, "d ")]
    trainer = make(callbacks=callbacks)
    with pytest.raises(Stumble):
        trainer.fit(*blobs, 1)
    assert [name for name, *_ in calls] == ["a begin", "b begin", "b end", "a end"]
    assert trainer.state.stopped == ""


def test_an_error_in_one_end_lets_the_others_end(blobs):
    calls = []
    trainer = make(callbacks=[Spy(calls, "a "), Stumbling("end", 10), Spy(calls, "b ")])
    with pytest.raises(Stumble):
        trainer.fit(*blobs, 1)
    assert [name for name, *_ in calls if "end" in name[-4:]][-2:] == ["b end", "a end"]


def test_after_a_callback_that_raised_in_the_last_epoch_training_is_at_its_end(blobs):
    trainer = make(schedule=OneCycle(), callbacks=[Stumbling("epoch_end", 20)])
    with pytest.raises(Stumble):
        trainer.fit(*blobs, 2)
    trainer.fit(*blobs)
    assert (trainer.state.epoch, trainer.state.stopped) == (2, "epochs")
    trainer.callbacks = []
    trainer.fit(*blobs, 1)
    assert trainer.state.epoch == 3


@pytest.mark.parametrize("before", [0, 1, 2])
def test_an_error_after_an_epoch_changes_no_decision_of_early_stopping(before, blobs):
    def wild(*callbacks):
        return make(
            optimizer=SGD(3.0, momentum=0.9),
            early_stopping=EarlyStopping(3),
            callbacks=callbacks,
        )

    whole = wild()
    whole.fit(*blobs, 50, validation=0.3)
    assert whole.state.stopped == "early stopping"
    # Three idle epochs end the training; the error comes after the last of them, or before.
    step = whole.state.step * (whole.state.epoch - before) // whole.state.epoch
    trainer = wild(Stumbling("epoch_end", step))
    with pytest.raises(Stumble):
        trainer.fit(*blobs, 50, validation=0.3)
    assert trainer.state.stopped == ""
    trainer.fit(*blobs, validation=0.3)
    assert bits(trainer) == bits(whole)


# ---- early stopping ----


def count(early_stopping, values):
    """Return after which of these epochs training stops; None if after none."""
    state, network = TrainingState(last_epoch=10**6), make().network
    trainer = type("Stub", (), {"state": state})
    for epoch, value in enumerate(values):
        scored = type("Scored", (), {"loss": value, "accuracy": value})
        state.finish_epoch(network, scored, 0.1, 0.0, early_stopping)
        if early_stopping.epoch_end(trainer):
            return epoch
    return None


def test_early_stopping_counts_epochs_without_progress():
    losses = (1.0, 0.8, 0.79, 0.85, 0.9)
    assert count(EarlyStopping(patience=3), losses) is None
    assert count(EarlyStopping(patience=2), losses) == 4
    # with 0.05 to make, 0.79 is no progress over 0.8
    assert count(EarlyStopping(patience=3, min_delta=0.05), losses) == 4
    # small steps count together: 0.96 is compared with 1.0, not with 0.98
    assert count(EarlyStopping(patience=2, min_delta=0.03), (1, 0.98, 0.96, 0.95, 0.94)) == 4


def test_early_stopping_by_accuracy_waits_for_larger_values():
    accuracies = (0.5, 0.6, 0.6, 0.55, 0.7)
    accuracy = "validation_accuracy"
    assert count(EarlyStopping(patience=2, monitor=accuracy), accuracies) == 3
    assert count(EarlyStopping(patience=3, monitor=accuracy), accuracies) is None


@pytest.mark.parametrize(
    ("monitor", "value", "best", "expected"),
    [
        ("validation_loss", 1.0, None, True),
        ("validation_loss", 0.89, 1.0, True),
        ("validation_loss", 0.9, 1.0, False),  # exactly min_delta better is not enough
        ("validation_loss", 1.1, 1.0, False),
        ("validation_accuracy", 0.65, 0.5, True),
        ("validation_accuracy", 0.55, 0.5, False),
        ("validation_accuracy", 0.4, 0.5, False),
    ],
)
def test_progress_is_an_improvement_by_more_than_min_delta(monitor, value, best, expected):
    assert EarlyStopping(5, monitor, min_delta=0.1).is_progress(value, best) is expected


def test_early_stopping_restores_the_best_weights(blobs):
    kept = []
    # So large a step that validation gets worse again at once.
    trainer = make(
        optimizer=SGD(3.0, momentum=0.9),
        early_stopping=EarlyStopping(3),
        callbacks=[lambda trainer: kept.append(trainer.network.parameters.copy())],
    )
    history = trainer.fit(*blobs, 50, validation=0.3)
    best = int(np.argmin(history["validation_loss"]))
    assert trainer.state.stopped == "early stopping"
    assert len(history) == best + 4
    np.testing.assert_array_equal(trainer.network.parameters, kept[best])
    assert (trainer.network.parameters != kept[-1]).any()


def test_the_best_weights_are_restored_after_the_last_epoch_but_not_after_an_interruption(blobs):
    def wild(*callbacks):
        return make(
            optimizer=SGD(3.0, momentum=0.9),
            early_stopping=EarlyStopping(50),
            callbacks=callbacks,
        )

    whole = wild()
    whole.fit(*blobs, 6, validation=0.3)
    assert whole.state.best.epoch < 6, "the best epoch is the last: the test proves nothing"
    np.testing.assert_array_equal(whole.network.parameters, whole.state.best.parameters)

    parts = wild(stop_request_at(5))
    parts.fit(*blobs, 6, validation=0.3)
    np.testing.assert_array_equal(parts.network.parameters, parts.state.last.parameters)
    parts.fit(*blobs, validation=0.3)
    assert bits(parts) == bits(whole)


def test_the_first_of_equal_epochs_is_the_best(blobs):
    trainer = make(early_stopping=EarlyStopping(2, monitor="validation_accuracy"))
    history = trainer.fit(*blobs, 30, validation=0.3)
    column = history["validation_accuracy"]
    assert trainer.state.best.epoch == column.index(max(column)) + 1


def test_after_early_stopping_a_new_fit_has_its_whole_patience(blobs):
    trainer = make(optimizer=SGD(3.0, momentum=0.9), early_stopping=EarlyStopping(3))
    trainer.fit(*blobs, 50, validation=0.3)
    assert trainer.state.stopped == "early stopping"
    before = len(trainer.history)
    trainer.fit(*blobs, 50, validation=0.3)
    assert len(trainer.history) >= before + 4


def test_only_epochs_of_this_fit_compete_for_the_best_weights(blobs):
    x, y = blobs
    trainer = make(early_stopping=EarlyStopping(3))
    trainer.fit(x, y, 10, validation=0.2)
    first = trainer.state.best
    # Labels at random: no epoch is as good as any before, and the first fit's are of no use.
    other = np.random.default_rng(0).integers(0, 3, 300)
    trainer.fit(x, other, 10, validation=0.2)
    new = trainer.history["validation_loss"][10:]
    assert min(new) > max(trainer.history["validation_loss"][:10])
    assert trainer.state.best.epoch == 11 + int(np.argmin(new))
    assert (trainer.network.parameters != first.parameters).any()
    np.testing.assert_array_equal(trainer.network.parameters, trainer.state.best.parameters)


def test_early_stopping_does_not_read_the_history(blobs):
    class Row(dict):
        def __getitem__(self, column):
            raise AssertionError("an old row is read again")

    class Forget(Callback):
        def step(self, trainer):
            rows = trainer.history.rows
            rows[:] = [Row(row) for row in rows]

    trainer = make(
        optimizer=SGD(3.0, momentum=0.9), early_stopping=EarlyStopping(3), callbacks=[Forget()]
    )
    trainer.fit(*blobs, 50, validation=0.3)
    assert trainer.state.stopped == "early stopping"


@pytest.mark.parametrize("epochs", [3, 12])
def test_early_stopping_compares_an_epoch_once_however_long_the_history(epochs, blobs):
    compared = []

    class Counting(EarlyStopping):
        def is_progress(self, value, best):
            compared.append(value)
            return super().is_progress(value, best)

    trainer = make(early_stopping=Counting(50), optimizer=Adam(0.001))
    history = trainer.fit(*blobs, epochs, validation=0.2)
    assert compared == history["validation_loss"]
