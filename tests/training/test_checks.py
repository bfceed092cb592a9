"""Checks at the border: before the first step, and without changing anything.

The messages themselves are in the table of `test_validation.py`.
"""

import numpy as np
import pytest
from trainers import bits, make

from numpymlp import (
    SGD,
    Adam,
    Callback,
    Checkpoint,
    EarlyStopping,
    InputError,
    MeanSquaredError,
    Network,
    ReLU,
    SoftmaxCrossEntropy,
    Trainer,
    mlp,
)
from numpymlp.training.checks import check_training_data


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"epochs": 0}, "epochs: expected a whole number of at least 1, got 0"),
        ({"epochs": None}, "fit expected a number of epochs: there is no training to continue"),
        ({"validation": 1.5}, "1.5"),
        ({"y": np.zeros(300)}, r"y\.astype\(int\)"),
        ({"y": np.full(300, 3)}, "labels from 0 to 2, got 3 to 3"),
        ({"y": np.zeros(299, int)}, "300 samples and 299 targets"),
        ({"x": np.full((300, 2), np.nan)}, "row 0"),
        ({"x": np.ones((300, 3))}, r"\(N, 2\), got \(300, 3\)"),
        ({"sample_weight": -np.ones(300)}, "at least 0"),
        ({"class_weight": {7: 1.0}}, r"got \[7\]"),
    ],
)
def test_bad_input_is_refused_before_the_first_step(change, message, blobs):
    x, y = blobs
    trainer = make()
    before = bits(trainer)
    with pytest.raises(InputError, match=message):
        trainer.fit(**({"x": x, "y": y, "epochs": 1} | change))
    assert bits(trainer) == before


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"callbacks": print}, r"callbacks: expected a list such as \[my_callback\]"),
        ({"callbacks": None}, "callbacks: expected a list"),
        ({"callbacks": [Callback]}, r"got the class Callback: add \(\)"),
        ({"callbacks": [EarlyStopping(3)]}, r"got EarlyStopping\(.*: pass early_stopping="),
        ({"callbacks": [Checkpoint("never-written.npz")]}, "pass checkpoint="),
        ({"checkpoint": "run.npz"}, r'checkpoint: expected Checkpoint\("run.npz"\)'),
        ({"stop_signals": None}, "stop_signals: expected a list"),
    ],
)
def test_likely_mistakes_with_the_trainer_are_refused_at_once(options, message):
    with pytest.raises(InputError, match=message):
        make(**options)


def test_unscaled_pixels_get_a_warning_with_the_fix(blobs):
    with pytest.warns(UserWarning, match="255"):
        make().fit(np.abs(blobs[0]) * 100, blobs[1], 1)


def test_a_missing_value_in_an_image_is_named_by_its_row():
    images = np.zeros((5, 4, 4, 2))
    images[3, 1, 2, 0], images[0, 0, 0, 0] = np.nan, 1.0
    network = Network([ReLU()], rng=np.random.default_rng(0))
    with pytest.raises(InputError, match="got NaN or infinity in x, first in row 3"):
        check_training_data(network, images, np.zeros((5, 4, 4, 2)))


def test_batch_norm_and_a_last_batch_of_one_row_are_refused_before_training(blobs):
    network = mlp([2, 4, 3], batch_norm=True, rng=np.random.default_rng(0))
    trainer = Trainer(network, SoftmaxCrossEntropy(), Adam(), batch_size=13, verbose=0)
    with pytest.raises(InputError, match="leave 1 at the end"):
        trainer.fit(*blobs, 1)
    assert trainer.state.step == 0


def test_squared_error_does_not_fit_an_output_that_is_cut_at_0():
    network = mlp([4, 1], output="sigmoid", rng=np.random.default_rng(0))
    with pytest.raises(InputError, match="use SigmoidCrossEntropy"):
        Trainer(network, MeanSquaredError(), SGD(0.1))


def test_an_optimizer_without_restore_is_refused_only_with_a_checkpoint():
    class Custom:
        learning_rate = 1.0

        def step(self, parameters, gradients, factor=1.0):
            parameters -= gradients

    make(optimizer=Custom())
    with pytest.raises(InputError, match="checkpoint: expected an optimizer with state"):
        make(optimizer=Custom(), checkpoint=Checkpoint("never-written.npz"))
