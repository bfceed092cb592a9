"""What a training shows: plain lines in a pipe, a bar in a terminal, nothing with verbose=0."""

import io
import pickle
import re
import subprocess
import sys

import pytest
from trainers import bits, make

from numpymlp import Callback, Checkpoint
from numpymlp.training import progress

PROGRAM = """
import numpy as np
from numpymlp import Adam, SoftmaxCrossEntropy, Trainer, mlp
x = np.random.default_rng(0).normal(size=(64, 2)); y = (x[:, 0] > 0).astype(int)
network = mlp([2, 4, 2], rng=np.random.default_rng(0))
Trainer(network, SoftmaxCrossEntropy(), Adam(), verbose=VERBOSE).fit(x, y, 2, validation=0.25)
"""


def test_piped_progress_is_one_plain_line_an_epoch_and_verbose_0_is_silent():
    def run(verbose):
        program = PROGRAM.replace("VERBOSE", str(verbose))
        return subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)

    shown = run(1)
    lines = shown.stdout.splitlines()
    assert [line.split("  ")[0] for line in lines] == ["epoch 1/2", "epoch 2/2"]
    number = r"\d\.\d{4}"
    means = rf"  train loss {number} acc {number}  val loss {number} acc {number}  \d\.\d s"
    assert all(re.search(means, line) for line in lines)
    assert "\r" not in shown.stdout + shown.stderr
    assert shown.stderr == ""
    silent = run(0)
    assert silent.stdout + silent.stderr == ""


def test_the_line_of_an_epoch_fits_80_columns(blobs, capsys):
    def long(trainer):
        row = trainer.state.history.rows[-1]
        trainer.state.last_epoch = row["epoch"] = 999
        row["seconds"] = 999.94
        for name in ("running_train_loss", "validation_loss"):
            row[name] = losses[trainer.state.epoch - 1]

    class Long(Callback):
        def epoch_end(self, trainer):
            long(trainer)

    losses = [2.345678, 123.45]
    trainer = make(verbose=1)
    trainer._all_callbacks = lambda: [Long(), progress.Progress(advice=False)]
    for _ in losses:
        trainer.fit(*blobs, 1, validation=0.25)
    lines = capsys.readouterr().out.splitlines()
    assert [len(line) <= 80 for line in lines] == [True, True], lines
    assert "val loss 123 acc" in lines[1]


def interrupted(blobs, **options):
    class Stop(Callback):
        def step(self, trainer):
            trainer.stop_requested = trainer.state.step == 14

    trainer = make(verbose=1, callbacks=[Stop()], **options)
    trainer.fit(*blobs, 3)
    return trainer


def test_after_an_interruption_a_line_says_where_and_how_to_continue(blobs, capsys):
    interrupted(blobs)
    assert capsys.readouterr().out.splitlines()[-1] == (
        "Interrupted in epoch 2, after batch 4 of 10; what was learned is kept, and fit continues "
        "from here."
    )


def test_with_a_checkpoint_the_command_says_it(blobs, capsys, tmp_path):
    interrupted(blobs, checkpoint=Checkpoint(tmp_path / "checkpoint.npz"))
    assert "Interrupted" not in capsys.readouterr().out


class Bar:
    """What tqdm is used for."""

    def __init__(self, steps, done):
        self.steps, self.done, self.closed, self.lines = steps, done, False, []
        self.described = []

    def update(self, steps):
        assert not self.closed
        self.done += steps

    def set_description_str(self, text, refresh):
        self.described.append(text)

    def write(self, text, file):
        self.lines.append(text)

    def close(self):
        self.closed = True


@pytest.fixture
def bars(monkeypatch):
    made = []
    monkeypatch.setattr(progress, "_bar", lambda *numbers: made.append(Bar(*numbers)) or made[-1])
    monkeypatch.setattr(progress, "REFRESH", -1.0)
    return made


def test_the_bar_counts_all_steps_and_a_second_fit_starts_where_the_first_ended(bars, blobs):
    trainer = make(verbose=1)
    trainer.fit(*blobs, 2)
    trainer.fit(*blobs, 1)
    first, second = bars
    assert (first.steps, first.done, first.closed, len(first.lines)) == (20, 20, True, 2)
    assert (second.steps, second.done, second.closed, len(second.lines)) == (30, 30, True, 1)
    assert second.described[0] == "epoch 3/3  67 %"
    assert second.described[-1].startswith("epoch 3/3  100 %  loss ")


def test_a_fit_that_has_nothing_left_to_train_says_so(blobs, capsys):
    trainer = make(verbose=1)
    trainer.fit(*blobs, 2)
    capsys.readouterr()
    trainer.fit(*blobs)
    line = "Nothing is left to train after epoch 2; fit(x, y, epochs=...) trains on.\n"
    assert capsys.readouterr().out == line


@pytest.mark.parametrize("hook", ["begin", "step", "epoch_end", "end"])
def test_an_error_in_another_callback_closes_the_bar(hook, bars, blobs):
    def fail(trainer):
        raise ZeroDivisionError

    class Failing(Callback):
        pass

    setattr(Failing, hook, lambda self, trainer: fail(trainer))
    with pytest.raises(ZeroDivisionError):
        make(verbose=1, callbacks=[Failing()]).fit(*blobs, 1)
    assert [bar.closed for bar in bars] == [True]


def test_a_trainer_holds_no_bar_after_fit_and_can_be_pickled(bars, blobs, monkeypatch):
    monkeypatch.setattr(Bar, "__reduce__", lambda bar: pytest.fail("the bar is pickled"))
    trainer = make(verbose=1)
    trainer.fit(*blobs, 1)
    again = pickle.loads(pickle.dumps(trainer))
    again.fit(*blobs, 1)
    trainer.fit(*blobs, 1)
    assert bits(again) == bits(trainer)


def test_verbose_0_makes_no_bar(bars, blobs):
    make().fit(*blobs, 1)
    assert bars == []


class Log:
    """A wrapper of a stream as programs write their logs with: no isatty."""

    def __init__(self):
        self.text = ""

    def write(self, text):
        self.text += text

    def flush(self):
        pass


def closed():
    stream = io.StringIO()
    stream.close()
    return stream


@pytest.mark.parametrize("name", ["stdout", "stderr"])
@pytest.mark.parametrize("stream", [lambda: None, Log, closed], ids=["None", "log", "closed"])
def test_a_program_without_a_console_trains(name, stream, blobs, monkeypatch):
    # Programs without a window have no sys.stderr, and wrappers of a log no isatty.
    own = stream()
    monkeypatch.setattr(sys, name, own)
    trainer = make(verbose=1)
    trainer.fit(*blobs, 2)
    assert trainer.state.epoch == 2
    if isinstance(own, Log) and name == "stdout":
        assert own.text.count("epoch") == 2


def test_the_bar_shows_loss_accuracy_and_time_left_in_80_columns(blobs, monkeypatch, capsys):
    shown = []

    class Terminal(Log):
        def isatty(self):
            return True

        def write(self, text):
            shown.append(text)

    monkeypatch.setattr(sys, "stderr", Terminal())
    monkeypatch.setattr(progress, "REFRESH", -1.0)
    monkeypatch.setenv("COLUMNS", "200")
    trainer = make(verbose=1)
    trainer.fit(*blobs, 20)
    lines = [text.strip("\r") for text in shown if "epoch" in text]
    assert lines[0].startswith("epoch 1/20  0 %")
    assert any("loss" in line and "acc" in line and line.endswith(" left") for line in lines)
    assert max(map(len, lines)) <= 76
