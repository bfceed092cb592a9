from __future__ import annotations

import contextlib
import os
import signal
import threading
import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from numpymlp import Adam, SoftmaxCrossEntropy, Trainer, mlp
from numpymlp.data import Distortion
from numpymlp.training.prefetch import Prefetch
from numpymlp.training.trainer import AUGMENTATION
from numpymlp.validation import InputError


def threads():
    return [thread for thread in threading.enumerate() if thread.name == "prefetch"]


@pytest.fixture(autouse=True)
def no_thread_is_left():
    yield
    assert threads() == []


@given(items=st.lists(st.integers()), ahead=st.integers(1, 4))
def test_the_items_and_their_order_are_the_same(items, ahead):
    with Prefetch(iter(items), ahead) as ready:
        assert list(ready) == items
        assert list(ready) == []  # at the end it stays at the end
    assert threads() == []


@pytest.mark.parametrize("ahead", [1, 2, 5])
def test_it_runs_ahead_but_not_further_than_asked_for(ahead):
    prepared, reached = [], threading.Event()

    def items():
        for n in range(50):
            prepared.append(n)
            if n == ahead - 1:
                reached.set()
            yield n

    with Prefetch(items(), ahead) as ready:
        assert reached.wait(10)  # though nothing was asked for
        time.sleep(0.05)
        assert len(prepared) == ahead
        for n in ready:
            time.sleep(0.001)
            assert len(prepared) <= n + 1 + ahead


def test_items_are_read_by_one_thread_that_is_not_the_loop():
    def items():
        for _ in range(5):
            yield threading.get_ident()

    with Prefetch(items()) as ready:
        readers = set(ready)
    assert len(readers) == 1
    assert readers != {threading.get_ident()}


def test_an_error_is_raised_in_place_of_the_missing_item_at_every_call():
    def items():
        yield 1
        raise ArithmeticError("no second item")

    with Prefetch(items()) as ready:
        assert next(ready) == 1
        for _ in range(2):
            with pytest.raises(ArithmeticError, match="no second item"):
                next(ready)


@pytest.mark.parametrize("taken", [0, 1, 3])
def test_leaving_early_ends_the_thread(taken):
    with Prefetch(iter(range(10**9))) as ready:
        for _ in range(taken):
            next(ready)
        (thread,) = threads()
    assert not thread.is_alive()


def test_an_error_in_the_loop_ends_the_thread():
    def loop():
        with Prefetch(iter(range(10**9))) as ready:
            return sum(1 / n for n in ready)

    with pytest.raises(ZeroDivisionError):
        loop()
    assert threads() == []


@pytest.mark.skipif(os.name == "nt", reason="Windows delivers no SIGINT to a waiting lock")
def test_ctrl_c_while_the_loop_waits_ends_it_at_once():
    proceed = threading.Event()

    def items():
        yield 1
        proceed.wait(10)
        yield 2

    timer = threading.Timer(0.1, os.kill, (os.getpid(), signal.SIGINT))

    def loop():
        with Prefetch(items()) as ready:
            next(ready)
            timer.start()
            try:
                next(ready)
            finally:
                proceed.set()

    started = time.perf_counter()
    with pytest.raises(KeyboardInterrupt):
        loop()
    timer.join()
    assert time.perf_counter() - started < 5


def test_the_thread_sees_the_error_state_of_its_maker():
    def items():
        yield np.geterr()["over"]

    with np.errstate(over="raise"), Prefetch(items()) as ready:
        assert next(ready) == "raise"
    with np.errstate(over="ignore"), Prefetch(items()) as ready:
        assert next(ready) == "ignore"


@pytest.mark.parametrize("ahead", [0, -1, 1.5])
def test_ahead_must_be_a_number_of_items(ahead):
    with pytest.raises(InputError, match="ahead"):
        Prefetch([], ahead)


# ---- in the Trainer ----


def train(interrupt_at=None, augment=None, epochs=2):
    """Train a small network on augmented images; optionally stop in the middle and continue."""
    rng = np.random.default_rng(0)
    x, y = rng.random((90, 36), dtype=np.float32), rng.integers(0, 3, 90)
    network = mlp([36, 8, 3], rng=rng)
    augment = augment or Distortion(shift=1, rotation=20, alpha=10, sigma=2)
    trainer = Trainer(
        network, SoftmaxCrossEntropy(), Adam(1e-2), batch_size=20, augment=augment, verbose=0
    )
    if interrupt_at is not None:

        def ask_to_stop(network):  # called after each step, before it is counted
            trainer.stop_requested |= trainer.state.step == interrupt_at

        trainer.constraint = ask_to_stop
        trainer.fit(x, y, epochs)
        assert trainer.state.stopped == "interrupted"
        assert trainer.state.step == interrupt_at + 1
        trainer.constraint = None
    trainer.fit(x, y, epochs if interrupt_at is None else None)
    return network.parameters.copy(), trainer.history["running_train_loss"]


def test_results_are_bit_for_bit_those_without_the_thread(monkeypatch):
    threaded, losses = train()
    monkeypatch.setattr("numpymlp.training.trainer.Prefetch", contextlib.nullcontext)
    plain, plain_losses = train()
    np.testing.assert_array_equal(threaded, plain)
    assert losses == plain_losses


@pytest.mark.parametrize("step", [0, 2, 4, 6])
def test_an_interruption_discards_only_what_was_ready(step):
    np.testing.assert_array_equal(train(interrupt_at=step)[0], train()[0])


def test_every_batch_of_every_epoch_has_its_own_random_stream():
    drawn = []

    def record(x, rng):
        drawn.append(rng.random())
        return x

    train(augment=record)
    streams = [(0, AUGMENTATION, epoch, batch) for epoch in range(2) for batch in range(5)]
    assert drawn == [np.random.default_rng(stream).random() for stream in streams]
    assert len(set(drawn)) == 10


def test_an_error_of_augment_reaches_the_caller_of_fit():
    def broken(x, rng):
        raise RuntimeError("this augment is broken")

    with pytest.raises(RuntimeError, match="this augment is broken"):
        train(augment=broken)


def test_without_augment_there_is_no_thread(monkeypatch):
    def forbidden(batches):
        raise AssertionError("a thread without augment")

    monkeypatch.setattr("numpymlp.training.trainer.Prefetch", forbidden)
    rng = np.random.default_rng(0)
    trainer = Trainer(mlp([4, 2], rng=rng), SoftmaxCrossEntropy(), Adam(), verbose=0)
    trainer.fit(rng.random((9, 4)), rng.integers(0, 2, 9), 1)
    assert trainer.state.epoch == 1


def test_outside_of_its_block_it_neither_hangs_nor_starts():
    with pytest.raises(InputError, match="with Prefetch"):
        list(Prefetch([1, 2]))
    with Prefetch(iter(range(10))) as ready:
        assert next(ready) == 0
    assert len(list(ready)) < 10
