"""Tests of images kept as bytes: they train and score networks to the same bits as floats."""

import numpy as np
import pytest

from numpymlp import (
    Adam,
    BatchNorm,
    Dense,
    Dropout,
    Network,
    ReLU,
    SoftmaxCrossEntropy,
    Trainer,
    evaluate,
)
from numpymlp.data import Distortion
from numpymlp.data.pixels import Pixels
from numpymlp.training.split_trainer import train_split
from numpymlp.validation import InputError

RNG = np.random.default_rng(0)
VALUES = RNG.integers(0, 256, (500, 64), dtype=np.uint8)
FLOATS = np.divide(VALUES, np.float32(255), dtype=np.float32)
LABELS = VALUES[:, :4].argmax(axis=1).astype(np.int64)


def same_bits(a, b):
    return a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()


@pytest.mark.parametrize("rows", [slice(3, 90), np.array([7, 7, 499, 0]), 12, slice(0, 0)])
def test_rows_are_read_as_the_bits_of_an_array_scaled_as_a_whole(rows):
    assert same_bits(Pixels(VALUES)[rows], FLOATS[rows])


def test_rows_are_taken_as_from_an_array():
    rows = np.array([7, 7, 499, 0])
    assert same_bits(Pixels(VALUES).take(rows, axis=0), FLOATS.take(rows, axis=0))


def test_every_byte_is_scaled_alike_alone_and_in_an_array():
    every = np.arange(256, dtype=np.uint8)[:, None]
    assert same_bits(np.asarray(Pixels(every)), every.astype(np.float32) / np.float32(255))
    assert [Pixels(every)[i, 0] for i in range(256)] == (np.asarray(Pixels(every))[:, 0]).tolist()


def test_they_look_like_the_array_from_outside():
    pixels = Pixels(VALUES)
    assert same_bits(np.asarray(pixels), FLOATS)
    assert np.asarray(pixels, np.float64).dtype == np.float64
    assert (len(pixels), pixels.shape, pixels.dtype) == (500, (500, 64), np.float32)
    assert (pixels.min(), pixels.max()) == (FLOATS.min(), FLOATS.max())
    with pytest.raises(ValueError, match="copy"):
        np.asarray(pixels, copy=False)


def trained(x, augment=None, **how):
    layers = [Dense(64, 16), BatchNorm(16), ReLU(), Dropout(0.2), Dense(16, 4)]
    network = Network(layers, rng=np.random.default_rng(1))
    trainer = Trainer(
        network, SoftmaxCrossEntropy(), Adam(), batch_size=64, augment=augment, verbose=0
    )
    history = trainer.fit(x, LABELS, epochs=2, **how).to_dict()
    del history["seconds"]
    return network, history


@pytest.mark.parametrize(
    "how",
    [
        {},
        {"validation": 0.2},
        {"class_weight": "balanced", "validation": 0.2},
        {"sample_weight": np.arange(500) % 3},
        {"augment": Distortion(shift=1, rotation=10, alpha=5)},
    ],
    ids=["plain", "validation", "class weight", "sample weight", "augmentation"],
)
def test_training_gives_the_same_bits_as_with_scaled_floats(how):
    (a, history_a), (b, history_b) = trained(Pixels(VALUES), **how), trained(FLOATS, **how)
    assert same_bits(a.parameters, b.parameters)
    assert same_bits(a.buffers, b.buffers)
    assert repr(history_a) == repr(history_b)


def test_validation_data_and_scores_are_the_same_too():
    how = {"validation": (FLOATS[:50], LABELS[:50])}
    network, history = trained(FLOATS, **how)
    pixels = {"validation": (Pixels(VALUES[:50]), LABELS[:50])}
    assert repr(trained(Pixels(VALUES), **pixels)[1]) == repr(history)
    loss = SoftmaxCrossEntropy()
    a = evaluate(network, loss, Pixels(VALUES), LABELS)
    assert a == evaluate(network, loss, FLOATS, LABELS)


def test_scoring_scales_a_batch_at_a_time(monkeypatch):
    def refuse(self, dtype=None, copy=None):
        raise AssertionError("all images were scaled at once")

    network, _ = trained(FLOATS)
    monkeypatch.setattr(Pixels, "__array__", refuse)
    trained(Pixels(VALUES), validation=0.2)
    evaluate(network, SoftmaxCrossEntropy(), Pixels(VALUES), LABELS)


def test_they_are_checked_as_arrays_are():
    network, _ = trained(FLOATS)
    loss = SoftmaxCrossEntropy()
    with pytest.raises(InputError, match=r"expected x of shape \(N, 64\), got \(1, 63\)"):
        evaluate(network, loss, Pixels(VALUES[:, 1:]), LABELS)
    with pytest.raises(InputError, match="one target for each sample, got 500 samples and 499"):
        evaluate(network, loss, Pixels(VALUES), LABELS[1:])
    blank = Pixels(np.zeros_like(VALUES))
    with pytest.raises(InputError, match="nothing to learn from"):
        trained(blank)


def test_several_processes_train_to_the_same_bits_as_with_scaled_floats():
    def split(x):
        network = Network([Dense(64, 16), ReLU(), Dense(16, 4)], rng=np.random.default_rng(1))
        trainer = Trainer(network, SoftmaxCrossEntropy(), Adam(), batch_size=64, verbose=0)
        train_split(2, trainer, *trainer.prepare(x, LABELS, 0.2, None, None), 2)
        return network.parameters

    assert same_bits(split(Pixels(VALUES)), split(FLOATS))
