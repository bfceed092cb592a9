"""Resuming a training run in another process, bit for bit; damaged and foreign checkpoints."""

import contextlib
import copy
import dataclasses
import json
import os
import signal
import subprocess
import sys
import textwrap
import warnings
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from attack import attack, one_short_line
from mutations import (
    ODD,
    mutated_archive,
    mutated_bytes,
    npy_bytes,
    pack,
    places_in,
    unpack,
    with_value,
)
from trainers import bits, blobs, make, stop_request_at

from numpymlp import (
    SGD,
    Adam,
    AdamW,
    BatchNorm,
    Cosine,
    Dense,
    Dropout,
    EarlyStopping,
    InputError,
    L2Penalty,
    MeanSquaredError,
    Network,
    ReLU,
    SoftmaxCrossEntropy,
    Trainer,
    TrainingDiverged,
)
from numpymlp.data import Distortion
from numpymlp.storage.archive import open_archive, write_archive
from numpymlp.storage.files import StorageError
from numpymlp.training.checkpoint import COUNTERS, VALUES, Checkpoint
from numpymlp.training.constraints import MaxNorm
from numpymlp.training.state import TrainingState

ROOT = Path(__file__).parents[2]


def data():
    rng = np.random.default_rng(5)
    y = np.arange(300) % 3
    return (rng.normal(0, 1, (300, 6)) + y[:, None]).astype(np.float32), y


def noise(x, rng):
    return x + rng.normal(0, 0.1, x.shape)


def build(path=None, minutes=None, loss=None, **options):
    """Return a Trainer with all that has a state: dropout, batch norm, Adam, early stopping, ..."""
    network = Network(
        [Dense(6, 16), BatchNorm(16), ReLU(), Dropout(0.3), Dense(16, 3)],
        rng=np.random.default_rng(0),
    )
    settings = {
        "schedule": Cosine(),
        "penalty": L2Penalty(1e-3),
        "augment": noise,
        "early_stopping": EarlyStopping(3, min_delta=0.01),
        "batch_size": 32,
        "verbose": 0,
    }
    checkpoint = None if path is None else Checkpoint(path, minutes)
    optimizer = options.pop("optimizer", Adam(0.02))
    loss = SoftmaxCrossEntropy(0.1) if loss is None else loss
    return Trainer(network, loss, optimizer, checkpoint=checkpoint, **(settings | options))


def fit(trainer, epochs=None):
    return trainer.fit(*data(), epochs, validation=0.2)


def in_each_step(trainer, action):
    """Call `action` within each update, after the weights have changed."""
    step = trainer.optimizer.step

    def wrapped(*arguments):
        step(*arguments)
        action()

    trainer.optimizer.step = wrapped
    return trainer


def at_step(trainer, n, action):
    """Call `action` within the n-th update."""
    return in_each_step(trainer, lambda: action() if trainer.state.step == n - 1 else None)


# ---- in real processes ----

PROGRAM = """
    import json, os, signal, sys
    sys.path[:0] = [sys.argv[1], os.path.dirname(sys.argv[1])]
    from test_checkpoint import at_step, bits, build, fit
    from numpymlp import Constant

    task, path = sys.argv[2], sys.argv[3]
    options = {"schedule": Constant()} if "constant" in task else {}
    trainer = build(path, stop_signals=[signal.SIGINT], **options)
    if task.startswith("SIG"):
        # Eight batches an epoch: the 36th is the fourth of the fifth epoch.
        at_step(trainer, 36, lambda: os.kill(os.getpid(), getattr(signal, task)))
    if task.startswith("resume"):
        trainer.checkpoint.load(trainer)
        print("resumes at", trainer.state.epoch, trainer.state.batch)
    fit(trainer, {"resume": None, "resume, constant": 6, "four, constant": 4}.get(task, 10))
    header, arrays = bits(trainer)
    print(header)
    print(json.dumps({name: value.hex() for name, value in arrays.items()}))
"""


def process(task, path):
    program = [sys.executable, "-c", textwrap.dedent(PROGRAM), str(Path(__file__).parent)]
    result = subprocess.run(
        [*program, task, str(path)],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT), "OPENBLAS_NUM_THREADS": "1"},
    )
    assert result.stderr == ""
    return result.returncode, result.stdout.splitlines()


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """Ten epochs without a break, in another process."""
    status, lines = process("whole", tmp_path_factory.mktemp("whole") / "checkpoint.npz")
    assert status == 0
    assert json.loads(lines[0])["epoch"] == 10
    return lines


def test_two_processes_give_the_same_bits(whole, tmp_path):
    assert process("again", tmp_path / "checkpoint.npz") == (0, whole)


def test_a_run_killed_in_epoch_5_resumes_in_another_process_with_the_same_bits(whole, tmp_path):
    path = tmp_path / "checkpoint.npz"
    assert process("SIGKILL", path) == (-signal.SIGKILL, [])
    status, lines = process("resume", path)
    assert lines[0] == "resumes at 4 0"
    assert (status, lines[1:]) == (0, whole)


def test_a_run_interrupted_in_epoch_5_resumes_in_the_middle_of_it(whole, tmp_path):
    path = tmp_path / "checkpoint.npz"
    status, lines = process("SIGINT", path)
    assert status == 0
    assert json.loads(lines[0])["stopped"] == "interrupted"
    status, lines = process("resume", path)
    assert lines[0] == "resumes at 4 4"
    assert (status, lines[1:]) == (0, whole)


def test_four_epochs_and_six_more_are_ten(tmp_path):
    _, ten = process("ten, constant", tmp_path / "a.npz")
    process("four, constant", tmp_path / "b.npz")
    status, lines = process("resume, constant", tmp_path / "b.npz")
    assert lines[0] == "resumes at 4 0"
    assert (status, lines[1:]) == (0, ten)


# ---- when it is written ----


def test_a_checkpoint_is_written_before_the_first_step_and_after_each_epoch(tmp_path):
    path, seen = tmp_path / "checkpoint.npz", []

    def look():
        with open_archive(path, "checkpoint") as archive:
            seen.append(archive.header["epoch"])

    fit(in_each_step(build(path), look), 3)
    assert seen == [0] * 8 + [1] * 8 + [2] * 8
    with open_archive(path, "checkpoint") as archive:
        assert archive.header["epoch"] == 3
        assert archive.header["stopped"] == "epochs"


def test_minutes_write_in_the_middle_of_an_epoch(tmp_path, monkeypatch):
    path, seen, clock = tmp_path / "checkpoint.npz", [], [0.0]
    monkeypatch.setattr("numpymlp.training.checkpoint.time.monotonic", lambda: clock[0])

    def look():
        clock[0] += 25.0
        with open_archive(path, "checkpoint") as archive:
            seen.append(archive.header["step"])

    trainer = in_each_step(build(path, minutes=1), look)
    fit(trainer, 2)
    # 25 seconds a step: due after every third one, wherever an epoch ends
    assert seen == [0, 0, 0, 3, 3, 3, 6, 6, 6, 9, 9, 9, 12, 12, 12, 15]
    with open_archive(path, "checkpoint") as archive:
        assert archive.header["step"] == 16
    plain = build()
    fit(plain, 2)
    assert bits(plain) == bits(trainer)


def test_a_resumed_run_stops_early_at_the_same_epoch_and_a_finished_one_takes_no_step(tmp_path):
    path = tmp_path / "checkpoint.npz"

    def restless(path=None, **options):
        return build(path, optimizer=Adam(0.3), schedule=None, penalty=None, **options)

    whole = restless()
    fit(whole, 40)
    assert whole.state.stopped == "early stopping"
    first = restless(path, callbacks=[stop_request_at(whole.state.epoch - 2)])
    fit(first, 40)
    assert (first.state.stopped, first.state.epoch) == ("interrupted", whole.state.epoch - 2)
    second = restless(path)
    second.checkpoint.load(second)
    fit(second)
    assert bits(second) == bits(whole)
    third = restless(path)
    third.checkpoint.load(third)
    fit(third)
    assert third.state.step == whole.state.step
    assert bits(third) == bits(whole)


@pytest.mark.parametrize("minutes", [None, 60])
@pytest.mark.parametrize("step", [11, 16])  # in the middle of the second epoch, and at its end
def test_an_interruption_writes_a_checkpoint_whatever_the_interval(step, minutes, tmp_path):
    path = tmp_path / "checkpoint.npz"
    whole, first, second = build(), build(path, minutes), build(path, minutes)
    fit(whole, 4)
    at_step(first, step, lambda: setattr(first, "stop_requested", True))
    fit(first, 4)
    with open_archive(path, "checkpoint") as archive:
        assert archive.header["stopped"] == "interrupted"
        assert (archive.header["epoch"], archive.header["batch"]) == divmod(step, 8)
    second.checkpoint.load(second)
    fit(second)
    assert bits(second) == bits(whole)


def test_an_error_leaves_the_checkpoint_of_the_last_finished_epoch(tmp_path):
    path = tmp_path / "checkpoint.npz"
    whole, first, second = build(), build(path), build(path)
    fit(whole, 4)
    at_step(first, 20, lambda: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        fit(first, 4)
    second.checkpoint.load(second)
    assert (second.state.epoch, second.state.batch, second.state.stopped) == (2, 0, "")
    fit(second)
    assert bits(second) == bits(whole)


def test_a_full_disk_after_an_epoch_ends_fit_and_the_next_fit_continues(tmp_path, monkeypatch):
    whole, trainer = build(), build(tmp_path / "checkpoint.npz")
    fit(whole, 4)
    written = []

    def full(*arguments):
        written.append(arguments)
        if len(written) == 3:
            raise StorageError("the disk is full")
        write_archive(*arguments)

    monkeypatch.setattr("numpymlp.training.checkpoint.write_archive", full)
    with pytest.raises(StorageError, match="the disk is full"):
        fit(trainer, 4)
    assert (trainer.state.epoch, trainer.state.stopped) == (2, "")
    fit(trainer)
    assert bits(trainer) == bits(whole)


@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_sgd_resumes_too(tmp_path, momentum):
    path = tmp_path / "checkpoint.npz"
    whole, first, second = (build(path, optimizer=SGD(0.1, momentum)) for _ in range(3))
    fit(whole, 4)
    first.callbacks.append(stop_request_at(1))
    fit(first, 4)
    second.checkpoint.load(second)
    fit(second)
    assert bits(second) == bits(whole)


def test_every_bit_generator_resumes(tmp_path):
    path = tmp_path / "checkpoint.npz"
    for kind in (np.random.MT19937, np.random.Philox, np.random.SFC64, np.random.PCG64DXSM):
        whole, first, second = build(), build(path), build(path)
        for trainer in (whole, first, second):
            trainer.network.layers[3].rng = np.random.Generator(kind(3))
        fit(whole, 2)
        first.callbacks.append(stop_request_at(1))
        fit(first, 2)
        second.network.layers[3].rng = np.random.Generator(kind(4))
        second.checkpoint.load(second)
        fit(second)
        np.testing.assert_array_equal(second.network.parameters, whole.network.parameters)


def test_fit_without_epochs_needs_a_training_to_continue():
    with pytest.raises(InputError, match="there is no training to continue"):
        fit(build())


# ---- what does not fit ----


@pytest.fixture
def saved(tmp_path):
    path = tmp_path / "folder" / "checkpoint.npz"
    path.parent.mkdir()
    fit(build(path), 2)
    return path


def refused(trainer, path, message):
    trainer.fit(*data(), 1, validation=0.2)
    before = bits(trainer)
    with pytest.raises(InputError, match=message) as caught:
        Checkpoint(path).load(trainer)
    assert str(path) in str(caught.value)
    one_short_line(str(caught.value))
    assert bits(trainer) == before


@dataclass(frozen=True)
class Nudge:
    """A custom augmentation, with what JSON cannot hold."""

    ways: tuple = (np.zeros(6, np.float32), np.ones(6, np.float32))

    def __call__(self, x, rng):
        return x + self.ways[rng.integers(2)]


def test_lists_and_tuples_of_arrays_are_not_compared(tmp_path):
    path = tmp_path / "checkpoint.npz"
    trainer = build(path, augment=Nudge())
    trainer.network.layers[2].seen = [np.zeros(2)]
    trainer.fit(*data(), 1, validation=0.2)
    again = build(path, augment=Nudge())
    Checkpoint(path).load(again)
    assert bits(again) == bits(trainer)


def test_settings_that_are_numpy_numbers_or_tuples_are_compared(tmp_path):
    options = {"constraint": MaxNorm(np.float32(3)), "augment": Distortion(image_shape=(2, 3))}
    path = tmp_path / "checkpoint.npz"
    build(path, **options).fit(*data(), 1, validation=0.2)
    again = build(path, **{**options, "constraint": MaxNorm(3)})
    Checkpoint(path).load(again)
    assert again.state.epoch == 1
    for changed in (
        {"constraint": MaxNorm(np.float32(4))},
        {"augment": Distortion(image_shape=(3, 2))},
    ):
        with pytest.raises(InputError, match="from another training run: its"):
            Checkpoint(path).load(build(path, **{**options, **changed}))


def test_a_partial_function_is_compared_with_its_arguments(tmp_path):
    def way(strength):
        return {"augment": partial(scaled, strength=strength)}

    path = tmp_path / "checkpoint.npz"
    build(path, **way(0.1)).fit(*data(), 1, validation=0.2)
    again = build(path, **way(0.1))
    Checkpoint(path).load(again)
    assert again.state.epoch == 1
    with pytest.raises(InputError, match=r"'strength': 0\.1.*'strength': 5\.0"):
        Checkpoint(path).load(build(path, **way(5.0)))


def scaled(x, rng, strength):
    return x * (1 + strength * rng.random())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"optimizer": Adam(0.01)}, "from another training run: its optimizer is .*0.02.*0.01"),
        ({"optimizer": SGD(0.02)}, "its optimizer is .*Adam.*SGD"),
        ({"schedule": None}, "its schedule is .*Cosine.* None"),
        ({"penalty": None}, "its penalty is"),
        ({"augment": None}, "its augmentation is .*noise"),
        ({"early_stopping": None}, "its early_stopping is"),
        ({"batch_size": 16}, "its batch_size is 32, this one's is 16"),
        ({"seed": 1}, "its seed is 0, this one's is 1"),
        ({"loss": SoftmaxCrossEntropy()}, "its loss is"),
    ],
)
def test_a_trainer_with_other_settings_is_refused_with_the_difference(saved, options, message):
    refused(build(**options), saved, message)


def test_an_optimizer_with_another_mask_is_refused(tmp_path):
    def trainer(mask):
        return make(optimizer=AdamW(mask=mask), checkpoint=Checkpoint(tmp_path / "run.npz"))

    mask = make().network.decay_mask
    path = tmp_path / "run.npz"
    trainer(mask).fit(*blobs(), 1)
    for other in (None, 1 - mask):
        with pytest.raises(InputError, match="from another training run: its optimizer is"):
            Checkpoint(path).load(trainer(other))
    again = trainer(mask.copy())
    Checkpoint(path).load(again)
    assert again.state.epoch == 1


def test_a_checkpoint_holds_every_field_of_the_state():
    elsewhere = {"running", "history", "best", "last", "stopped"}  # these have a form of their own
    fields = {field.name for field in dataclasses.fields(TrainingState)}
    assert {*COUNTERS, *VALUES} == fields - elsewhere
    assert not {*COUNTERS} & {*VALUES}


def test_another_network_is_refused(saved):
    network = Network([Dense(6, 3)], rng=np.random.default_rng(0))
    trainer = Trainer(network, SoftmaxCrossEntropy(0.1), Adam(0.02), verbose=0)
    refused(trainer, saved, "its network is")


def test_other_data_in_the_middle_of_an_epoch_are_refused(tmp_path):
    path = tmp_path / "checkpoint.npz"
    trainer = build(path)
    at_step(trainer, 3, lambda: setattr(trainer, "stop_requested", True))
    fit(trainer, 2)
    again = build(path)
    again.checkpoint.load(again)
    x, y = data()
    with pytest.raises(InputError, match=r"expected the 240 training samples .* got 160"):
        again.fit(x[:200], y[:200], validation=0.2)


def test_a_missing_folder_is_refused_before_the_first_step(tmp_path):
    trainer = build(tmp_path / "no" / "checkpoint.npz")
    with pytest.raises(StorageError, match="its folder does not exist"):
        fit(trainer, 1)
    assert trainer.state.step == 0


def edit(path, change):
    """Change the header of a checkpoint, with valid checksums."""
    members = unpack(path)
    header = json.loads(members["header.npy"][128:])
    change(header)
    pack(path, {**members, "header.npy": npy_bytes(json.dumps(header))})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda h: h.pop("setup"), "does not say how its training was set up"),
        (lambda h: h.pop("arrays"), "does not say what it holds"),
        (lambda h: h["arrays"].update(parameters=[[5], "<f4"]), "does not hold the vectors of"),
        (lambda h: h["arrays"].update(parameters=[[10**15], "<f4"]), "does not hold the vectors"),
        (lambda h: h["arrays"].update(parameters=[[195], "O"]), "does not say what it holds"),
        (lambda h: h["arrays"].update({"optimizer.m": [[10**15], "<f4"]}), "does not fit"),
        (lambda h: h["arrays"].update({"optimizer.x": [[1], "<f4"]}), "does not hold the arrays"),
        (lambda h: h.update(best_epoch=None), "does not hold the vectors of"),
        (lambda h: h.pop("epoch"), "fit: epoch"),
        (lambda h: h.update(epoch="four"), "epoch"),
        (lambda h: h.update(step=-1), "step"),
        (lambda h: h.update(version=1), "expected format version 2, got 1: .* by numpymlp 0.1"),
        (lambda h: h.update(stopped=[]), "stopped"),
        (lambda h: h.update(stopped="\x1b[2J"), "stopped"),
        (lambda h: h.update(idle_epochs=-1), "idle_epochs"),
        (lambda h: h.update(best_value="low"), "best_value"),
        (lambda h: h.pop("progress_value"), "progress_value"),
        (lambda h: h.update(running=[1, 2]), "does not fit"),
        (lambda h: h.update(running=[["a", 0.0], [0.0, 0.0]]), "does not fit"),
        (lambda h: h.update(history=[1]), "does not fit"),
        (lambda h: h["history"][0].pop("validation_loss"), "fit: history"),
        (lambda h: h["history"].pop(), "history"),
        (lambda h: h.update(random_states=[]), "does not fit"),
        (lambda h: h["random_states"][0].update(bit_generator="MT19937"), "does not fit"),
        (lambda h: h["random_states"][0]["state"].update(state=-1), "does not fit"),
        (lambda h: h["optimizer"].pop("t"), "'t'"),
        *[
            (lambda h, value=value: h["optimizer"].update(t=value), "optimizer t")
            for value in ("x", None, -1, -1.5, 10**400, True)
        ],
        (lambda h: h["optimizer"].update(x=1), "optimizer x"),
        *[
            (lambda h, value=value: h.update(learning_rate=value), "learning_rate")
            for value in (0, -1, None, 10**400)
        ],
        (lambda h: h.update(running=[[10**400, 0], [0, 0]]), "running"),
        (lambda h: h["history"][0].update(validation_loss=10**400), "history"),
        (lambda h: h["history"][0].update(seconds=None), "history"),
        (lambda h: h["history"][0].update(epoch=7), "history"),
        (lambda h: h.update(last_epoch=0), "last_epoch"),
        (lambda h: h.update(step=10**400), "step"),
        (lambda h: h.update(stopped="x" * 40_000), "stopped"),
        (
            lambda h: h["arrays"].update({"optimizer.\x1b\n" + "x" * 999: h["arrays"]["buffers"]}),
            "does not hold the arrays",
        ),
    ],
)
def test_an_altered_state_is_refused_and_changes_nothing(saved, change, message):
    edit(saved, change)
    refused(build(), saved, message)


def mutants_are_refused_or_valid(path, count, seed):
    good, rng, trainer = path.read_bytes(), np.random.default_rng(seed), build()
    mutants = (
        (mutated_archive if rng.random() < 0.7 else mutated_bytes)(rng, good) for _ in range(count)
    )
    _, accepted = attack("checkpoint.npz", path, mutants, lambda: goes_on(path, trainer))
    assert 0 < accepted < count / 2


def goes_on(path, trainer):
    """Load a checkpoint; if it is accepted, train one epoch, or end in an explained error."""
    Checkpoint(path).load(trainer)
    trainer = build(callbacks=[lambda trainer: True])
    Checkpoint(path).load(trainer)
    with contextlib.suppress(InputError, TrainingDiverged), warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        fit(trainer)


def odd_headers(path):
    """Yield the header with each of its fields set to each of the odd values."""
    header = json.loads(unpack(path)["header.npy"][128:])
    del header["setup"]  # compared as a whole
    for place in places_in(header):
        for value in ODD:
            yield with_value(header, place, value)


def fields_are_refused_or_train(saved, every):
    original, trainer = unpack(saved), build()
    setting_up = json.loads(original["header.npy"][128:])["setup"]
    texts = [json.dumps({**header, "setup": setting_up}) for header in odd_headers(saved)]
    other = saved.with_name("other.npz")

    def mutants():
        for text in texts[::every]:
            yield pack(other, {**original, "header.npy": npy_bytes(text)}).read_bytes()
        other.unlink()

    count, accepted = attack(
        "header of checkpoint.npz", saved, mutants(), lambda: goes_on(saved, trainer)
    )
    assert 0 < accepted < count / 2


def test_fields_of_a_checkpoint_set_to_odd_values_are_refused_or_train(saved):
    fields_are_refused_or_train(saved, every=7)


@pytest.mark.slow
def test_every_field_of_a_checkpoint_set_to_odd_values_is_refused_or_trains(saved):
    fields_are_refused_or_train(saved, every=1)


def test_a_thousand_mutated_checkpoints_are_refused_or_valid(saved):
    mutants_are_refused_or_valid(saved, 1_000, seed=0)


@pytest.mark.slow
def test_a_hundred_thousand_mutated_checkpoints_are_refused_or_valid(saved):
    mutants_are_refused_or_valid(saved, 100_000, seed=1)


def test_adamw_and_regression_resume(tmp_path):
    path, (x, _) = tmp_path / "checkpoint.npz", data()

    def regression(epochs, load=False, stop=None):
        network = Network(
            [Dense(6, 8), ReLU(), Dense(8, 6)], output="identity", rng=np.random.default_rng(1)
        )
        trainer = Trainer(
            network,
            MeanSquaredError(),
            AdamW(0.01, mask=network.decay_mask),
            callbacks=[] if stop is None else [stop_request_at(stop)],
            checkpoint=Checkpoint(path),
            verbose=0,
        )
        if load:
            trainer.checkpoint.load(trainer)
        trainer.fit(x, x, epochs)
        return trainer

    whole = regression(5)
    regression(5, stop=2)
    assert bits(regression(None, load=True)) == bits(whole)


def test_a_learning_rate_that_a_callback_changed_is_kept(tmp_path):
    def halve(trainer):
        trainer.optimizer.learning_rate /= 2

    whole = build(callbacks=[halve])
    fit(whole, 6)
    first = build(tmp_path / "c.npz", callbacks=[halve])
    at_step(first, 30, lambda: setattr(first, "stop_requested", True))
    fit(first, 6)
    again = build(tmp_path / "c.npz", callbacks=[halve])
    again.checkpoint.load(again)
    assert again.optimizer.learning_rate == first.optimizer.learning_rate < 0.02
    fit(again)
    assert bits(again) == bits(whole)


def test_after_resuming_in_the_middle_of_an_epoch_divergence_restores_the_same_weights(tmp_path):
    class Breaking(SoftmaxCrossEntropy):
        stop = 16

        def forward(self, logits, y, sample_weight=None):
            trainer.stop_requested = trainer.state.step == self.stop
            value = super().forward(logits, y, sample_weight)
            return np.nan if trainer.state.step == 18 else value

    def start(path):
        loss = Breaking()
        return loss, build(path, loss=loss, early_stopping=None)

    loss, trainer = start(tmp_path / "whole.npz")
    loss.stop = None
    with pytest.raises(TrainingDiverged, match="weights of epoch 1 back"):
        trainer.fit(*data(), 4)
    expected = trainer.network.parameters.copy()

    loss, trainer = start(tmp_path / "parts.npz")
    trainer.fit(*data(), 4)
    assert (trainer.state.stopped, trainer.state.batch) == ("interrupted", 7)
    loss, trainer = start(tmp_path / "parts.npz")
    trainer.checkpoint.load(trainer)
    loss.stop = None
    with pytest.raises(TrainingDiverged, match="weights of epoch 1 back"):
        trainer.fit(*data())
    np.testing.assert_array_equal(trainer.network.parameters, expected)


# ---- one run for one file ----


def test_a_second_run_with_the_checkpoint_of_a_running_one_is_refused(blobs, tmp_path):
    # Two trainers with one path overwrote each other's state.
    path = tmp_path / "checkpoint.npz"
    (tmp_path / "link.npz").symlink_to(path)
    messages = []

    def start_another(trainer):
        for other in (path, tmp_path / "link.npz"):
            second = make(checkpoint=Checkpoint(other))
            before, content = bits(second), path.read_bytes()
            with pytest.raises(InputError) as error:
                second.fit(*blobs, 1)
            messages.append(str(error.value))
            assert (bits(second), path.read_bytes()) == (before, content)
        twin = copy.deepcopy(trainer)
        with pytest.raises(InputError, match="file of this run alone"):
            twin.fit(*blobs, 1)

    make(checkpoint=Checkpoint(path), callbacks=[start_another]).fit(*blobs, 1)
    assert [message.partition(",")[0] for message in messages] == [
        "checkpoint: expected a file of this run alone"
    ] * 2
    assert all("give each Trainer its own path" in message for message in messages)
    # A run that has ended, also by an error, gives the file free.
    with pytest.raises(ZeroDivisionError):
        make(checkpoint=Checkpoint(path), callbacks=[lambda _: 1 / 0]).fit(*blobs, 1)
    make(checkpoint=Checkpoint(path)).fit(*blobs, 1)


def test_another_process_with_the_same_checkpoint_is_refused(blobs, tmp_path):
    path = tmp_path / "checkpoint.npz"
    program = [sys.executable, "-c", textwrap.dedent(PROGRAM), str(Path(__file__).parent)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OPENBLAS_NUM_THREADS": "1"}

    def start_another(trainer):
        result = subprocess.run(
            [*program, "whole", str(path)], capture_output=True, text=True, env=environment
        )
        assert result.returncode == 1
        assert "file of this run alone" in result.stderr

    make(checkpoint=Checkpoint(path), callbacks=[start_another]).fit(*blobs, 1)
    assert process("again", path)[0] == 0


def test_a_state_of_adam_that_overflows_is_a_divergence_with_the_last_good_weights(tmp_path):
    rng = np.random.default_rng(0)
    x, y = rng.random((40, 3)).astype(np.float32), np.arange(40) % 2
    for minutes in (None, 1e-9):
        network = Network([Dense(3, 2)], rng=np.random.default_rng(1))
        before = network.parameters.copy()
        checkpoint = Checkpoint(tmp_path / "checkpoint.npz", minutes)
        trainer = Trainer(
            network,
            SoftmaxCrossEntropy(),
            Adam(),
            penalty=L2Penalty(1e19 * 3),
            checkpoint=checkpoint,
        )
        with (
            np.errstate(over="ignore"),
            pytest.raises(
                TrainingDiverged, match="the optimizer's v broke: gradients are too large"
            ),
        ):
            trainer.fit(x, y, 1)
        np.testing.assert_array_equal(network.parameters, before)
