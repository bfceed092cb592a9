"""A Trainer whose network is split does what the Trainer of the whole network does."""

import copy
import json

import numpy as np
import pytest
import together
from trainers import bits, make

from numpymlp import SGD, Adam, Callback, Checkpoint, EarlyStopping, L2Penalty, mlp
from numpymlp.optimizers import AdamW
from numpymlp.training.checkpoint import state_of
from numpymlp.training.constraints import MaxNorm
from numpymlp.training.divergence import TrainingDiverged
from numpymlp.training.split_trainer import Job, train_part, train_split
from numpymlp.validation import InputError


class Plain:
    """An optimizer with what the Trainer asks for, and nothing more."""

    learning_rate, state_names, t = 0.05, ("t",), 0

    def step(self, parameters, gradients, factor=1.0):
        parameters -= self.learning_rate * factor * gradients
        self.t += 1

    def state(self):
        return {"t": self.t}

    def restore(self, state):
        self.t = state["t"]


# Float64, so that all differences are rounding: a split sum has another order.
OPTIONS = {
    "plain": {},
    "validation": {"validation": 0.2},
    "sgd": {"optimizer": lambda network: SGD(0.1, 0.9)},
    "an optimizer of one's own": {"optimizer": lambda network: Plain()},
    "decay": {"optimizer": lambda network: AdamW(0.02, 0.1, network.decay_mask)},
    "max-norm": {"constraint": MaxNorm(0.7)},
    "penalty": {"penalty": L2Penalty(0.01)},
    "early stopping": {
        "validation": 0.2, "early_stopping": EarlyStopping(1, min_delta=0.3), "epochs": 9,
    },
}  # fmt: skip


def noisy(x, rng):
    return x + rng.normal(0, 0.1, x.shape)


def build(optimizer=None, **options):
    network = mlp(
        [2, 8, 6, 3], dropout=0.1, batch_norm=True, rng=np.random.default_rng(0), dtype=np.float64
    )
    optimizer = Adam(0.02) if optimizer is None else optimizer(network)
    trainer = make(optimizer=optimizer, **options)
    trainer.network = network
    return trainer


def train(trainer, blobs, validation=None, epochs=3, workers=1):
    """Train with workers that are threads; return what the first raised, or the Trainer."""
    samples = trainer.prepare(*blobs, validation, None, None)
    if workers == 1:
        trainer.run(*samples, epochs)
        return trainer
    job = Job(trainer, *samples, epochs)
    job.share()
    jobs = [job]
    for _ in range(workers - 1):
        twin = object.__new__(Job)
        twin.__setstate__(copy.deepcopy({**job.__getstate__(), "samples": None, "shared": None}) | {
            "samples": job.shared, "batches": job.batches,
        })  # fmt: skip
        jobs.append(twin)
    together.run(workers, lambda comm: train_part(comm, jobs[comm.rank]))
    return trainer


def close(trainer, other, tolerance=1e-9):
    (header, arrays), (header2, arrays2) = state_of(trainer), state_of(other)
    assert arrays.keys() == arrays2.keys()
    for name in arrays:
        np.testing.assert_allclose(arrays[name], arrays2[name], rtol=0, atol=tolerance)
    for name in ("epoch", "batch", "step", "stopped", "best_epoch", "idle_epochs"):
        assert header[name] == header2[name], name
    assert header["random_states"] == header2["random_states"]
    for row, row2 in zip(header["history"], header2["history"], strict=True):
        for column in row.keys() - {"seconds"}:
            assert row[column] == pytest.approx(row2[column], abs=1e-9)


@pytest.mark.parametrize("workers", [2, 3])
@pytest.mark.parametrize("name", sorted(OPTIONS))
def test_a_split_run_is_the_whole_run(name, workers, blobs):
    options = dict(OPTIONS[name])
    how = {key: options.pop(key) for key in ("validation", "epochs") if key in options}
    whole = train(build(**options), blobs, **how)
    close(train(build(**options), blobs, workers=workers, **how), whole)
    if name == "early stopping":
        assert whole.state.stopped == "early stopping"


@pytest.mark.parametrize("workers", [1, 2])
def test_several_fits_go_on_where_the_last_ended(workers, blobs):
    trainer, whole = build(augment=noisy), build(augment=noisy)
    train(trainer, blobs, epochs=1, workers=2)
    train(trainer, blobs, epochs=2, workers=workers)
    train(whole, blobs, epochs=1)
    close(trainer, train(whole, blobs, epochs=2))


class Look(Callback):
    """Keep what the callback sees."""

    def __init__(self):
        self.seen = []

    def look(self, trainer):
        self.seen.append(trainer.network.parameters.copy())

    begin = step = epoch_end = end = look


def test_callbacks_see_the_whole_network(blobs):
    looks = Look(), Look()
    train(build(callbacks=[looks[0]]), blobs, workers=2, epochs=2)
    train(build(callbacks=[looks[1]]), blobs, epochs=2)
    assert len(looks[0].seen) == 1 + 20 + 2 + 1
    np.testing.assert_allclose(looks[0].seen, looks[1].seen, rtol=0, atol=1e-9)


class Moments(Callback):
    """Keep the sizes of Adam's vectors, as the callback sees them."""

    def __init__(self):
        self.sizes = []

    def look(self, trainer):
        self.sizes.append((np.size(trainer.optimizer.m), np.size(trainer.optimizer.v)))

    step = epoch_end = end = look


def test_callbacks_see_the_moments_of_all_weights(blobs):
    moments = Moments()
    trainer = train(build(callbacks=[moments]), blobs, epochs=2, workers=2)
    size = trainer.network.parameters.size
    assert set(moments.sizes) == {(size, size)}


def test_a_callback_stops_all_workers_after_an_epoch(blobs):
    trainer = train(build(callbacks=[lambda t: t.state.epoch == 2]), blobs, workers=3)
    assert (trainer.state.epoch, trainer.state.stopped) == (2, "callback")


class At(Callback):
    def __init__(self, step):
        self.at = step

    def step(self, trainer):
        trainer.stop_requested |= trainer.state.step == self.at


def test_a_request_stops_all_workers_after_the_next_step_and_resumes_bit_for_bit(blobs, tmp_path):
    whole = train(build(), blobs, workers=2)
    trainer = build(callbacks=[At(13)], checkpoint=Checkpoint(tmp_path / "c.npz"))
    train(trainer, blobs, workers=2)
    assert (trainer.state.step, trainer.state.stopped) == (14, "interrupted")
    again = build(checkpoint=Checkpoint(tmp_path / "c.npz"))
    again.checkpoint.load(again)
    train(again, blobs, epochs=None, workers=2)
    assert bits(again) == bits(whole)


def test_a_request_at_the_end_of_an_epoch_stops_there(blobs):
    def request(trainer):
        trainer.stop_requested = True

    trainer = train(build(callbacks=[request]), blobs, workers=2)
    assert (trainer.state.epoch, trainer.state.batch) == (1, 0)
    assert trainer.state.stopped == "interrupted"


def test_checkpoints_in_the_middle_of_an_epoch_hold_the_whole_network(blobs, tmp_path):
    path, saved = tmp_path / "c.npz", []
    checkpoint = Checkpoint(path, minutes=1e-9)

    class Count(Checkpoint):
        def save(self, trainer):
            saved.append(bits(trainer))
            super().save(trainer)

    checkpoint.__class__ = Count
    trainer = train(build(checkpoint=checkpoint), blobs, workers=2)
    assert len(saved) > 25
    other = build(checkpoint=Checkpoint(path))
    other.checkpoint.load(other)
    assert bits(other) == bits(trainer)


def test_a_learning_rate_that_a_callback_changed_holds_for_all(blobs):
    def halve(trainer):
        trainer.optimizer.learning_rate /= 2

    whole = train(build(callbacks=[halve]), blobs)
    close(train(build(callbacks=[halve]), blobs, workers=2), whole)


class BreakLastUnit:
    """A constraint that breaks a weight at the 13th step; of several workers, the last has it."""

    steps = 0

    def __call__(self, network):
        self.steps += 1
        comm = getattr(network.layers[0], "comm", None)
        if self.steps == 13 and (comm is None or comm.rank == comm.size - 1):
            network.layers[0].W[-1, -1] = np.inf


@pytest.mark.parametrize("validation", [None, 0.2])
def test_a_divergence_on_one_worker_ends_all_with_the_message_of_one_process(validation, blobs):
    messages = []
    for workers in (1, 2, 3):
        trainer = build(constraint=BreakLastUnit())
        with pytest.raises(TrainingDiverged) as error:
            train(trainer, blobs, workers=workers, validation=validation)
        assert np.isfinite(trainer.network.parameters).all()
        assert (trainer.state.epoch, trainer.state.batch) == (1, 0)
        messages.append(str(error.value))
    assert set(messages) == {messages[0]}
    assert "(epoch 2): the last update broke parameter 0.W" in messages[0]
    assert messages[0].endswith("The network has its weights of epoch 1 back.")


def test_in_processes_a_split_run_is_the_whole_run_and_repeats_its_bits(blobs):
    def run(workers):
        trainer = build(augment=noisy)
        samples = trainer.prepare(*blobs, 0.2, None, None)
        history = train_split(workers, trainer, *samples, 3)
        assert history is trainer.history
        return trainer

    first = run(2)
    close(first, run(1))
    assert bits(first) == bits(run(2))


def test_more_workers_than_units_are_refused_before_a_process_starts(blobs):
    trainer = build()
    samples = trainer.prepare(*blobs, None, None, None)
    before = json.dumps(state_of(trainer)[0], default=str)
    with pytest.raises(InputError, match="at most 8 for Dense"):
        train_split(9, trainer, *samples, 1)
    assert json.dumps(state_of(trainer)[0], default=str) == before
