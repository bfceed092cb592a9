"""Signals: the first is a request, the second does what it did before."""

import os
import pickle
import signal
import subprocess
import sys
import threading

import numpy as np
import pytest
from trainers import bits, make

from numpymlp import Callback, Checkpoint
from numpymlp.training.interrupts import StopBetweenSteps, TrainingInterrupted

pytestmark = pytest.mark.skipif(os.name == "nt", reason="sends signals with os.kill")

FIRST = signal.SIGUSR1 if hasattr(signal, "SIGUSR1") else signal.SIGINT


@pytest.fixture
def handled():
    """Count how often a signal reaches the handler that was there before."""
    calls = []
    before = signal.signal(FIRST, lambda number, frame: calls.append(number))
    yield calls
    signal.signal(FIRST, before)


def send(number=FIRST):
    os.kill(os.getpid(), number)


def test_the_first_signal_requests_and_the_second_reaches_the_former_handler(handled):
    requests = []
    with StopBetweenSteps((FIRST,), requests.append):
        send()
        assert (requests, handled) == ([FIRST], [])
        send()
        assert (requests, handled) == ([FIRST], [FIRST])
    send()
    assert (requests, handled) == ([FIRST], [FIRST, FIRST])


def test_without_a_signal_the_former_handler_is_back_after_the_block(handled):
    former = signal.getsignal(FIRST)
    with StopBetweenSteps((FIRST,), print):
        assert signal.getsignal(FIRST) is not former
    assert signal.getsignal(FIRST) is former
    with pytest.raises(ZeroDivisionError), StopBetweenSteps((FIRST,), print):
        raise ZeroDivisionError
    assert signal.getsignal(FIRST) is former


def test_a_signal_that_the_caller_ignores_stays_ignored():
    before = signal.signal(FIRST, signal.SIG_IGN)
    try:
        requests = []
        with StopBetweenSteps((FIRST,), requests.append):
            send()
            assert signal.getsignal(FIRST) is signal.SIG_IGN
        assert requests == []
        assert signal.getsignal(FIRST) is signal.SIG_IGN
    finally:
        signal.signal(FIRST, before)


def test_a_signal_that_cannot_be_caught_raises_and_restores_the_others(handled):
    former = signal.getsignal(FIRST)
    with pytest.raises(OSError), StopBetweenSteps((FIRST, signal.SIGKILL), print):  # noqa: PT011
        pass
    assert signal.getsignal(FIRST) is former


def test_in_another_thread_fit_leaves_all_handlers_alone(handled, blobs):
    former, seen = signal.getsignal(FIRST), []

    class Look(Callback):
        def step(self, trainer):
            seen.append(signal.getsignal(FIRST))

    trainer = make(callbacks=[Look()], stop_signals=(FIRST,))
    thread = threading.Thread(target=trainer.fit, args=(*blobs, 1))
    thread.start()
    thread.join()
    assert trainer.state.epoch == 1
    assert set(seen) == {former}


class At(Callback):
    """Send signals after the n-th step."""

    def __init__(self, step, times=1):
        self.at, self.times = step, times

    def step(self, trainer):
        if trainer.state.step == self.at:
            for _ in range(self.times):
                send()


@pytest.mark.parametrize("step", [1, 14, 20])
def test_a_signal_ends_fit_after_the_step_and_the_checkpoint_resumes_there(
    step, handled, blobs, tmp_path
):
    def build(*callbacks):
        path = tmp_path / "checkpoint.npz"
        return make(callbacks=callbacks, checkpoint=Checkpoint(path), stop_signals=(FIRST,))

    whole = make()
    whole.fit(*blobs, 3)
    trainer = build(At(step))
    trainer.fit(*blobs, 3)
    assert (trainer.state.step, trainer.state.stopped) == (step, "interrupted")
    assert (trainer.stop_signal, trainer.stop_requested) == (FIRST, True)
    # at the end of an epoch, the epoch is finished first
    assert (trainer.state.epoch, trainer.state.batch) == divmod(step, 10)
    assert handled == []
    again = build()
    again.checkpoint.load(again)
    assert again.state.stopped == "interrupted"
    again.fit(*blobs)
    assert bits(again) == bits(whole)


def test_a_signal_in_the_last_epoch_does_not_hide_that_it_is_finished(handled, blobs):
    trainer = make(callbacks=[At(20)], stop_signals=(FIRST,))
    trainer.fit(*blobs, 2)
    assert trainer.state.stopped == "epochs"


def test_a_signal_during_validation_ends_after_the_epoch(handled, blobs):
    trainer = make(stop_signals=(FIRST,))

    class Validating(type(trainer.loss)):
        def for_evaluation(self):
            send()
            return self

    trainer.loss = Validating()
    trainer.fit(*blobs, 3, validation=0.2)
    assert (trainer.state.epoch, trainer.state.batch) == (1, 0)
    assert trainer.state.stopped == "interrupted"


def test_a_second_ctrl_c_aborts_at_once_and_the_handler_is_back(blobs):
    former = signal.getsignal(signal.SIGINT)

    class Twice(Callback):
        def step(self, trainer):
            if trainer.state.step == 14:
                send(signal.SIGINT)
                send(signal.SIGINT)

    trainer = make(callbacks=[Twice()])
    with pytest.raises(KeyboardInterrupt):
        trainer.fit(*blobs, 3)
    assert (trainer.state.step, trainer.state.stopped) == (14, "")
    assert signal.getsignal(signal.SIGINT) is former
    whole = make()
    whole.fit(*blobs, 3)
    trainer.callbacks = []
    trainer.fit(*blobs)
    assert bits(trainer) == bits(whole)


def test_a_fit_that_was_interrupted_forgets_the_request_at_the_next(handled, blobs):
    trainer = make(callbacks=[At(14)], stop_signals=(FIRST,))
    trainer.fit(*blobs, 3)
    trainer.fit(*blobs)
    assert (trainer.state.step, trainer.state.stopped) == (30, "epochs")
    assert (trainer.stop_signal, trainer.stop_requested) == (None, False)


PROGRAM = """
import os, signal, sys
sys.path.insert(0, sys.argv[1])
from trainers import blobs, make
def kill(trainer):
    os.kill(os.getpid(), signal.SIGINT)
trainer = make(callbacks=[kill], stop_signals=[signal.SIGINT])
trainer.fit(*blobs(), 3)
print(trainer.state.epoch, trainer.state.stopped)
"""


def test_a_background_job_that_ignores_ctrl_c_trains_to_its_end():
    folder = os.path.dirname(os.path.dirname(__file__))

    def run(**options):
        result = subprocess.run(
            [sys.executable, "-c", PROGRAM, folder], capture_output=True, text=True, **options
        )
        assert result.stderr == ""
        return result.stdout

    assert run() == "1 interrupted\n"
    ignore = lambda: signal.signal(signal.SIGINT, signal.SIG_IGN)  # noqa: E731
    assert run(preexec_fn=ignore) == "3 epochs\n"


@pytest.mark.parametrize("verbose", [0, 1])
@pytest.mark.parametrize("step", [3, 20, 30])
def test_ctrl_c_keeps_what_was_learned_and_ends_a_loop_over_networks(step, verbose, blobs):
    # With verbose=0, fit returned as if it had finished, and the loop went on.
    def press(trainer):
        if trainer.state.step == step:
            os.kill(os.getpid(), signal.SIGINT)

    def train_three_networks():
        for _ in range(3):
            callback = type("Press", (Callback,), {"step": lambda self, trainer: press(trainer)})
            trainers.append(make(callbacks=[callback()], verbose=verbose))
            trainers[-1].fit(*blobs, 3)

    handler, trainers = signal.getsignal(signal.SIGINT), []
    with pytest.raises(KeyboardInterrupt, match="what was learned is kept"):
        train_three_networks()
    (trainer,) = trainers
    assert signal.getsignal(signal.SIGINT) is handler
    assert trainer.stop_signal == signal.SIGINT
    assert (trainer.state.step, trainer.state.stopped) == (
        step,
        "epochs" if step == 30 else "interrupted",
    )
    trainer.callbacks.clear()
    trainer.fit(*blobs)
    whole = make()
    whole.fit(*blobs, 3)
    assert bits(trainer) == bits(whole)


def test_an_error_after_ctrl_c_is_not_hidden(blobs):
    def press(trainer):
        os.kill(os.getpid(), signal.SIGINT)
        raise RuntimeError("of the callback")

    with pytest.raises(RuntimeError, match="of the callback"):
        make(callbacks=[press]).fit(*blobs, 3)


def test_an_interrupted_step_is_whole(handled, blobs):
    # The signal comes between loss and update: the update is still made.
    class Send(type(make().loss)):
        def backward(self):
            if trainer.state.step == 6:
                send()
            return super().backward()

    trainer, plain = make(loss=Send(), stop_signals=(FIRST,)), make()
    trainer.fit(*blobs, 1)
    plain.callbacks.append(type("Stop", (Callback,), {"step": lambda self, t: stop_at(t, 7)})())
    plain.fit(*blobs, 1)
    assert trainer.state.step == plain.state.step == 7
    np.testing.assert_array_equal(trainer.network.parameters, plain.network.parameters)


def stop_at(trainer, step):
    trainer.stop_requested = trainer.state.step >= step


def test_an_interruption_can_be_sent_to_another_process():
    error = pickle.loads(pickle.dumps(TrainingInterrupted("interrupted", 15)))
    assert (str(error), error.number) == ("interrupted", 15)
