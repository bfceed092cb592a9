"""The loop by hand and in the Trainer: order, weights, history, stopping, going on, divergence."""

import contextlib
import csv
import io
import math
import os
import signal
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from numpymlp import (
    SGD,
    Adam,
    BatchNorm,
    Checkpoint,
    Cosine,
    Dense,
    Dropout,
    EarlyStopping,
    History,
    InputError,
    L2Penalty,
    MeanSquaredError,
    Network,
    OneCycle,
    ReLU,
    SigmoidCrossEntropy,
    SoftmaxCrossEntropy,
    Trainer,
    TrainingDiverged,
    evaluate,
    load_mnist,
    minibatches,
    mlp,
)
from numpymlp.training.trainer import Samples


@pytest.fixture(scope="module")
def blobs():
    """Three classes of points in the plane, 300 of them, easy to tell apart."""
    rng = np.random.default_rng(7)
    y = np.repeat(np.arange(3), 100)
    centres = np.array([[0.0, 2.0], [2.0, -1.0], [-2.0, -1.0]])
    x = (centres[y] + rng.normal(0, 0.5, (300, 2))).astype(np.float32)
    return x, y


def make(seed=0, **options):
    network = mlp([2, 8, 3], rng=np.random.default_rng(seed))
    options = {"optimizer": Adam(0.02), "batch_size": 32, "verbose": 0} | options
    return Trainer(network, SoftmaxCrossEntropy(), **options)


# ---- mini-batches ----


@given(st.integers(1, 40), st.integers(1, 50), st.integers(0, 2**32))
def test_an_epoch_visits_each_sample_once_and_the_last_batch_holds_the_rest(n, size, seed):
    x, y = np.arange(n)[:, None], np.arange(n)
    batches = list(minibatches(x, y, size, np.random.default_rng(seed)))
    assert sorted(np.concatenate([b[1] for b in batches])) == list(range(n))
    assert [len(b[1]) for b in batches] == [size] * (n // size) + [n % size] * (n % size > 0)
    assert all((b[0][:, 0] == b[1]).all() for b in batches)


def test_two_epochs_differ_in_who_shares_a_batch():
    x, y, rng = np.zeros((100, 1)), np.arange(100), np.random.default_rng(0)
    first, second = (
        {frozenset(batch.tolist()) for _, batch in minibatches(x, y, 10, rng)} for _ in range(2)
    )
    assert not first & second


def test_the_trainer_draws_another_order_each_epoch_and_the_same_for_the_same_seed(blobs):
    seen = []

    class Spy(SoftmaxCrossEntropy):
        def forward(self, logits, targets, sample_weight=None):
            seen.append(targets.copy())
            return super().forward(logits, targets, sample_weight)

    for _ in range(2):
        network = mlp([2, 4, 3], rng=np.random.default_rng(0))
        Trainer(network, Spy(), SGD(0.1), batch_size=300, verbose=0).fit(*blobs, 2)
    assert not (seen[0] == seen[1]).all()
    assert (seen[0] == seen[2]).all()
    assert (seen[1] == seen[3]).all()


# ---- the loop ----


def test_the_trainer_takes_the_same_steps_as_the_loop_by_hand(blobs):
    x, y = blobs
    trainer = make(schedule=Cosine(), penalty=L2Penalty(0.01))
    trainer.fit(x, y, 2)

    network = mlp([2, 8, 3], rng=np.random.default_rng(0))
    loss, optimizer, penalty = SoftmaxCrossEntropy(), Adam(0.02), L2Penalty(0.01)
    step = 0
    for epoch in range(2):
        order = np.random.default_rng((0, 1, epoch)).permutation(300)
        for start in range(0, 300, 32):
            rows = order[start : start + 32]
            loss.forward(network.forward(x[rows], training=True), y[rows])
            network.backward(loss.backward())
            penalty.forward(network.parameters, network.decay_mask)
            network.gradients += penalty.backward()
            factor = 0.5 * (1 + math.cos(math.pi * step / 20))
            optimizer.step(network.parameters, network.gradients, factor)
            step += 1
    assert trainer.step == step == 20
    np.testing.assert_array_equal(trainer.network.parameters, network.parameters)


def test_history_has_a_row_for_each_epoch_and_clean_validation_numbers(blobs):
    x, y = blobs
    trainer = make(schedule=OneCycle())
    history = trainer.fit(x, y, 4, validation=(x[::3], y[::3]))
    assert history["epoch"] == [1, 2, 3, 4]
    assert history["running_train_loss"] == sorted(history["running_train_loss"], reverse=True)
    clean = evaluate(trainer.network, trainer.loss, x[::3], y[::3])
    assert (history["validation_loss"][-1], history["validation_accuracy"][-1]) == clean
    assert clean.loss < math.log(3) / 2
    # the last of 40 steps: (40 - 39) / 36 of 0.02
    assert history["learning_rate"][-1] == pytest.approx(0.02 / 36)
    assert all(seconds > 0 for seconds in history["seconds"])


def test_validation_is_reported_without_dropout_and_label_smoothing(blobs):
    x, y = blobs
    rng = np.random.default_rng(0)
    network = mlp([2, 8, 3], dropout=0.5, rng=rng)
    trainer = Trainer(network, SoftmaxCrossEntropy(label_smoothing=0.2), Adam(0.02), verbose=0)
    history = trainer.fit(x, y, 1, validation=(x, y))
    plain = SoftmaxCrossEntropy().forward(network.forward(x), y)
    assert history["validation_loss"][0] == pytest.approx(plain, rel=1e-5)


def test_running_means_weigh_batches_by_their_samples():
    # Two batches, of 2 rows and 1 row, and a step too small to matter: the mean over all rows.
    x, y = np.array([[1.0], [2.0], [4.0]], np.float32), np.array([0.0, 0.0, 0.0])
    network = Network([Dense(1, 1)], output="identity", rng=np.random.default_rng(0))
    w = float(network.layers[0].W[0, 0])
    history = Trainer(network, MeanSquaredError(), SGD(1e-12), batch_size=2, verbose=0).fit(x, y, 1)
    # half of the mean of (w x)^2 = w^2 (1 + 4 + 16) / 3 / 2
    assert history["running_train_loss"][0] == pytest.approx(w * w * 21 / 6, rel=1e-5)
    assert history["running_train_accuracy"] == [None]


@pytest.mark.parametrize("output", ["softmax", "sigmoid", "identity"])
def test_every_kind_of_output_trains(output, blobs):
    x, y = blobs
    rng = np.random.default_rng(0)
    if output == "softmax":
        network, loss, targets = mlp([2, 8, 3], rng=rng), SoftmaxCrossEntropy(), y
    elif output == "sigmoid":
        network = mlp([2, 8, 1], output="sigmoid", rng=rng)
        loss, targets = SigmoidCrossEntropy(), (y == 1).astype(int)
    else:
        network = mlp([2, 8, 2], output="identity", rng=rng)
        loss, targets = MeanSquaredError(), x * 2
    before = evaluate(network, loss, x, targets)
    Trainer(network, loss, Adam(0.02), verbose=0).fit(x, targets, 20)
    after = evaluate(network, loss, x, targets)
    assert after.loss < before.loss / 2
    assert after.accuracy is None if output == "identity" else after.accuracy > 0.95


def test_several_sigmoid_outputs_are_right_only_if_all_are():
    network = Network([Dense(2, 2)], output="sigmoid", rng=np.random.default_rng(0))
    network.layers[0].W = np.eye(2)
    x = np.array([[1.0, 1.0], [1.0, -1.0], [-1.0, -1.0], [-1.0, 1.0]])
    y = np.array([[1, 1], [1, 1], [0, 0], [0, 0]])
    assert evaluate(network, SigmoidCrossEntropy(), x, y).accuracy == 0.5


# ---- weights of samples and classes, validation splits ----


def test_samples_of_weight_zero_have_no_part_in_training(blobs):
    x, y = blobs
    spoiled, weight = y.copy(), np.ones(300)
    spoiled[::5], weight[::5] = 0, 0
    poisoned = make(batch_size=300)
    poisoned.fit(x, spoiled, 5, sample_weight=weight)
    clean = make(batch_size=300)
    clean.fit(x, y, 5, sample_weight=weight)
    np.testing.assert_array_equal(poisoned.network.parameters, clean.network.parameters)


def test_class_weights_are_sample_weights_by_class(blobs):
    x, y = blobs
    rows = np.r_[0:100, 100:150, 200:210]  # 100, 50 and 10 samples of the classes
    x, y = x[rows], y[rows]
    runs = {}
    for name, options in {
        "balanced": {"class_weight": "balanced"},
        # N / (K n_k) with N = 160, K = 3
        "dict": {"class_weight": {0: 160 / 300, 1: 160 / 150, 2: 160 / 30}},
        "samples": {"sample_weight": np.array([160 / 300, 160 / 150, 160 / 30])[y]},
        "none": {},
    }.items():
        runs[name] = make()
        runs[name].fit(x, y, 2, **options)
    for name in ("dict", "samples"):
        np.testing.assert_array_equal(
            runs[name].network.parameters, runs["balanced"].network.parameters
        )
    assert (runs["none"].network.parameters != runs["balanced"].network.parameters).any()


def test_a_validation_fraction_is_stratified_and_kept_out_of_training(blobs):
    x, y = blobs
    trainer = make()
    train, held_out = trainer.prepare(x, y, 0.2, None, None)
    assert np.bincount(y[held_out.rows]).tolist() == [20, 20, 20]
    assert not set(train.rows) & set(held_out.rows)
    assert len(train.rows) + len(held_out.rows) == 300
    again, _ = make().prepare(x, y, 0.2, None, None)
    np.testing.assert_array_equal(train.rows, again.rows)


def test_samples_are_views_until_a_batch_is_taken(blobs):
    x, y = blobs
    samples = Samples(x, y, None, np.array([5, 3]))
    taken, targets, weight = samples.take(np.array([1]))
    assert samples.x is x
    assert taken.tolist() == [x[3].tolist()]
    assert targets.tolist() == [y[3]]
    assert weight is None


# ---- stopping ----


def test_early_stopping_counts_epochs_without_progress():
    class Stub:
        first_epoch = 0
        history = History([{"validation_loss": v} for v in (1.0, 0.8, 0.79, 0.85, 0.9)])

    assert not EarlyStopping(patience=3)(Stub())
    assert EarlyStopping(patience=2)(Stub())
    # with 0.05 to make, 0.79 is no progress over 0.8
    assert EarlyStopping(patience=3, min_delta=0.05)(Stub())


def test_early_stopping_restores_the_best_weights(blobs):
    x, y = blobs
    kept = []

    def keep(trainer):
        kept.append(trainer.network.parameters.copy())

    # So large a step that validation gets worse again at once.
    trainer = make(
        optimizer=SGD(3.0, momentum=0.9), early_stopping=EarlyStopping(3), callbacks=[keep]
    )
    history = trainer.fit(x, y, 50, validation=0.3)
    best = int(np.argmin(history["validation_loss"]))
    assert trainer.stopped == "early stopping"
    assert len(history) == best + 4
    np.testing.assert_array_equal(trainer.network.parameters, kept[best])
    assert (trainer.network.parameters != kept[-1]).any()


def test_early_stopping_by_accuracy_takes_the_first_of_equal_epochs(blobs):
    trainer = make(early_stopping=EarlyStopping(2, monitor="validation_accuracy"))
    history = trainer.fit(*blobs, 30, validation=0.3)
    column = history["validation_accuracy"]
    assert trainer.best.epoch == column.index(max(column)) + 1


def test_a_callback_that_returns_true_stops(blobs):
    trainer = make(callbacks=[lambda trainer: trainer.epoch == 3])
    assert len(trainer.fit(*blobs, 10)) == 3
    assert trainer.stopped == "callback"


def test_fit_goes_on_where_it_stopped(blobs):
    whole, parts = make(), make()
    whole.fit(*blobs, 5)
    parts.fit(*blobs, 2)
    parts.fit(*blobs, 3)
    np.testing.assert_array_equal(whole.network.parameters, parts.network.parameters)
    assert parts.history["epoch"] == [1, 2, 3, 4, 5]


def test_an_interrupt_ends_after_the_step_and_fit_goes_on_in_the_middle_of_the_epoch(blobs):
    whole = make(schedule=Cosine())
    whole.fit(*blobs, 3)

    class Interrupting(SoftmaxCrossEntropy):
        calls = 0

        def forward(self, logits, targets, sample_weight=None):
            self.calls += 1
            if self.calls == 14:  # of ten steps an epoch: the fourth of the second epoch
                os.kill(os.getpid(), signal.SIGINT)
            return super().forward(logits, targets, sample_weight)

    handler = signal.getsignal(signal.SIGINT)
    network = mlp([2, 8, 3], rng=np.random.default_rng(0))
    trainer = Trainer(
        network, Interrupting(), Adam(0.02), schedule=Cosine(), batch_size=32, verbose=0
    )
    trainer.fit(*blobs, 3)
    assert trainer.stopped == "interrupted"
    assert (trainer.epoch, trainer.batch, trainer.step) == (1, 4, 14)
    assert signal.getsignal(signal.SIGINT) is handler
    assert evaluate(network, trainer.loss, *blobs).accuracy > 0.5
    trainer.fit(*blobs, 2)
    np.testing.assert_array_equal(network.parameters, whole.network.parameters)
    assert trainer.history["running_train_loss"] == whole.history["running_train_loss"]


def test_state_and_restore_give_the_same_bits(blobs):
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

    whole = build()
    whole.fit(*blobs, 5, validation=0.2)
    first = build()
    first.callbacks.append(lambda trainer: trainer.epoch == 2)
    first.fit(*blobs, 5, validation=0.2)
    second = build()
    second.restore(*first.state())
    second.fit(*blobs, 3, validation=0.2)
    np.testing.assert_array_equal(whole.network.parameters, second.network.parameters)
    np.testing.assert_array_equal(whole.network.buffers, second.network.buffers)
    assert whole.history["validation_loss"] == second.history["validation_loss"]
    np.testing.assert_array_equal(whole.best.parameters, second.best.parameters)


# ---- when it goes wrong ----


def test_divergence_stops_says_where_and_gives_the_best_weights_back(blobs):
    trainer = make(optimizer=SGD(0.05))
    trainer.fit(*blobs, 3, validation=0.2)
    best = trainer.best.parameters.copy()
    trainer.optimizer.learning_rate = 1e30
    with pytest.raises(TrainingDiverged, match=r"step \d+ .*Dense\(8 -> 3\).*learning rate"):
        trainer.fit(*blobs, 3, validation=0.2)
    np.testing.assert_array_equal(trainer.network.parameters, best)
    assert len(trainer.history) == 3


def test_divergence_without_validation_goes_back_to_the_last_finished_epoch(blobs):
    trainer = make(optimizer=SGD(0.05))
    trainer.fit(*blobs, 2)
    last = trainer.network.parameters.copy()
    trainer.optimizer.learning_rate = 1e30
    with pytest.raises(TrainingDiverged, match="epoch 2"):
        trainer.fit(*blobs, 1)
    np.testing.assert_array_equal(trainer.network.parameters, last)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"epochs": 0}, "epochs: expected a whole number of at least 1, got 0"),
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
    arguments = {"x": x, "y": y, "epochs": 1} | change
    trainer = make()
    before = trainer.network.parameters.copy()
    with pytest.raises(InputError, match=message):
        trainer.fit(**arguments)
    np.testing.assert_array_equal(trainer.network.parameters, before)


def test_unscaled_pixels_get_a_warning_with_the_remedy(blobs):
    with pytest.warns(UserWarning, match="255"):
        make().fit(np.abs(blobs[0]) * 100, blobs[1], 1)


def test_batch_norm_and_a_last_batch_of_one_row_is_told_before_training(blobs):
    network = mlp([2, 4, 3], batch_norm=True, rng=np.random.default_rng(0))
    trainer = Trainer(network, SoftmaxCrossEntropy(), Adam(), batch_size=13, verbose=0)
    with pytest.raises(InputError, match="leave 1 at the end"):
        trainer.fit(*blobs, 1)


# ---- what people see ----


def test_history_becomes_csv_and_plain_dicts(tmp_path, blobs):
    history = make().fit(*blobs, 2)
    history.save_csv(tmp_path / "history.csv")
    rows = list(csv.DictReader(io.StringIO((tmp_path / "history.csv").read_text())))
    assert [row["epoch"] for row in rows] == ["1", "2"]
    assert float(rows[1]["running_train_loss"]) == history["running_train_loss"][1]
    assert rows[0]["validation_loss"] == ""
    assert list(history.to_dict()) == list(rows[0])
    assert repr(history) == "History(2 epochs)"


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
    assert all("train (running mean): loss" in line for line in lines)
    assert all("validation: loss" in line for line in lines)
    assert "\r" not in shown.stdout + shown.stderr
    assert shown.stderr == ""
    silent = run(0)
    assert silent.stdout + silent.stderr == ""


# ---- the real thing ----


def test_one_epoch_on_the_real_mnist_reaches_its_floor():
    (x, y), (x_test, y_test) = load_mnist()
    network = mlp([784, 64, 10], rng=np.random.default_rng(0))
    trainer = Trainer(network, SoftmaxCrossEntropy(), Adam(5e-3), schedule=OneCycle(), verbose=0)
    trainer.fit(x, y, 1)
    assert evaluate(network, trainer.loss, x_test, y_test).accuracy > 0.95


# ---- going on after things went otherwise ----


def test_after_early_stopping_a_new_fit_has_its_patience_again(blobs):
    trainer = make(optimizer=SGD(3.0, momentum=0.9), early_stopping=EarlyStopping(3))
    trainer.fit(*blobs, 50, validation=0.3)
    assert trainer.stopped == "early stopping"
    before = len(trainer.history)
    trainer.fit(*blobs, 50, validation=0.3)
    assert len(trainer.history) >= before + 4


def test_after_divergence_the_next_fit_begins_the_epoch_anew(blobs):
    class Breaking(SoftmaxCrossEntropy):
        calls = 0

        def forward(self, logits, targets, sample_weight=None):
            self.calls += 1
            value = super().forward(logits, targets, sample_weight)
            return math.nan if self.calls == 15 else value  # the fifth batch of the second epoch

    network = mlp([2, 8, 3], rng=np.random.default_rng(0))
    trainer = Trainer(network, Breaking(), SGD(0.1), batch_size=32, verbose=0)
    with pytest.raises(TrainingDiverged, match="step 15"):
        trainer.fit(*blobs, 3)
    assert (trainer.epoch, trainer.batch, trainer.step) == (1, 0, 10)
    trainer.fit(*blobs, 1)
    whole = make(optimizer=SGD(0.1))
    whole.fit(*blobs, 2)
    np.testing.assert_array_equal(network.parameters, whole.network.parameters)
    assert trainer.history["running_train_loss"] == whole.history["running_train_loss"]


def test_validation_may_begin_later(blobs):
    trainer = make()
    trainer.fit(*blobs, 1)
    trainer.fit(*blobs, 2, validation=0.2)
    assert trainer.history["validation_loss"][0] is None
    assert trainer.best.epoch in (2, 3)


def test_validation_counts_every_sample_alike(blobs):
    x, y = blobs
    weighted, plain = make(), make()
    weighted.fit(x, y, 1, validation=0.3, class_weight={0: 0.0, 1: 1.0, 2: 5.0})
    train, held_out = plain.prepare(x, y, 0.3, None, None)
    rows = held_out.rows
    clean = evaluate(weighted.network, weighted.loss, x[rows], y[rows])
    assert weighted.history["validation_loss"] == [clean.loss]
    assert len(train.rows) == 210


def test_a_state_is_not_changed_by_what_comes_after(blobs):
    trainer = make()
    trainer.fit(*blobs, 1)
    before, state = trainer.network.parameters.copy(), trainer.state()
    trainer.fit(*blobs, 2)
    trainer.restore(*state)
    np.testing.assert_array_equal(trainer.network.parameters, before)
    assert len(trainer.history) == 1


def test_a_callback_may_answer_with_numpys_true(blobs):
    trainer = make(callbacks=[lambda trainer: np.bool_(True)])
    assert len(trainer.fit(*blobs, 3)) == 1


def test_a_loss_without_sample_weights_is_enough(blobs):
    class Own:
        def forward(self, logits, targets):
            self.inner = SoftmaxCrossEntropy()
            return self.inner.forward(logits, targets)

        def backward(self):
            return self.inner.backward()

    network = mlp([2, 8, 3], rng=np.random.default_rng(0))
    Trainer(network, Own(), Adam(0.02), batch_size=32, verbose=0).fit(*blobs, 1, validation=0.2)
    same = make()
    same.fit(*blobs, 1, validation=0.2)
    np.testing.assert_array_equal(network.parameters, same.network.parameters)


def test_after_a_callback_that_raised_in_the_last_epoch_training_is_at_its_end(blobs):
    class Stumble(Exception):
        pass

    def stumble(trainer):
        if trainer.epoch == 2:
            raise Stumble

    trainer = make(schedule=OneCycle(), callbacks=[stumble])
    with pytest.raises(Stumble):
        trainer.fit(*blobs, 2)
    trainer.fit(*blobs)
    assert (trainer.epoch, trainer.stopped) == (2, "epochs")
    trainer.callbacks = []
    trainer.fit(*blobs, 1)
    assert trainer.epoch == 3


def test_divergence_after_going_on_in_the_middle_of_an_epoch_gives_its_beginning_back(blobs):
    class Breaking(SoftmaxCrossEntropy):
        calls = 0

        def forward(self, logits, targets, sample_weight=None):
            self.calls += 1
            trainer.stop_requested = self.calls == 13
            value = super().forward(logits, targets, sample_weight)
            return math.nan if self.calls == 15 else value

    network = mlp([2, 8, 3], rng=np.random.default_rng(0))
    trainer = Trainer(network, Breaking(), SGD(0.1), batch_size=32, verbose=0)
    trainer.fit(*blobs, 3)
    assert (trainer.stopped, trainer.epoch, trainer.batch) == ("interrupted", 1, 3)
    with pytest.raises(TrainingDiverged, match="has its weights of epoch 1 back"):
        trainer.fit(*blobs)
    whole = make(optimizer=SGD(0.1))
    whole.fit(*blobs, 1)
    np.testing.assert_array_equal(network.parameters, whole.network.parameters)
    assert (trainer.epoch, trainer.batch, trainer.step) == (1, 0, 10)


def test_an_optimizer_of_ones_own_needs_no_reset_for_divergence_to_be_told(blobs):
    class Wild:
        learning_rate = 1.0

        def step(self, parameters, gradients, factor=1.0):
            parameters *= np.inf

    trainer = make(optimizer=Wild())
    with pytest.raises(TrainingDiverged, match="the last update broke parameter"):
        trainer.fit(*blobs, 1)
    assert (trainer.batch, trainer.step) == (0, 0)
    assert np.isfinite(trainer.network.parameters).all()
    with pytest.raises(InputError, match="checkpoint: expected an optimizer with state"):
        make(optimizer=Wild(), checkpoint=Checkpoint("never-written.npz"))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"callbacks": print}, r"callbacks: expected a list such as \[my_callback\]"),
        ({"callbacks": None}, "callbacks: expected a list"),
        ({"checkpoint": "run.npz"}, r'checkpoint: expected Checkpoint\("run.npz"\)'),
        ({"stop_signals": None}, "stop_signals: expected a list"),
    ],
)
def test_likely_mistakes_with_the_trainer_are_told_at_once(options, message):
    with pytest.raises(InputError, match=message):
        make(**options)


def test_squared_error_does_not_go_with_an_output_that_is_cut_at_0():
    network = mlp([4, 1], output="sigmoid", rng=np.random.default_rng(0))
    with pytest.raises(InputError, match="take SigmoidCrossEntropy"):
        Trainer(network, MeanSquaredError(), SGD(0.1))


def test_judging_between_forward_and_backward_is_told(blobs):
    network = Network(
        [Dense(2, 8), BatchNorm(8), ReLU(), Dropout(0.5), Dense(8, 3)],
        rng=np.random.default_rng(0),
    )
    loss, (x, y) = SoftmaxCrossEntropy(), blobs
    for look in (
        lambda: network.predict(x),
        lambda: network.predict_proba(x),
        lambda: network.activations(x),
        lambda: evaluate(network, loss, x, y),
        lambda: network.forward(x[:, :1]),
    ):
        loss.forward(network.forward(x, training=True), y)
        dy = loss.backward()
        network.backward(dy)
        with contextlib.suppress(InputError):
            look()
        if look.__code__.co_names[-1:] == ("forward",):
            network.backward(dy)  # refused at the border: what was kept is still there
            continue
        with pytest.raises(InputError, match=r"forward pass just before it.*predictions"):
            network.backward(dy)


def test_a_mini_batch_is_refused_where_it_is_asked_for():
    x, y, rng = np.ones((4, 2)), np.arange(4), np.random.default_rng(0)
    with pytest.raises(InputError, match="batch_size"):
        minibatches(x, y, 0, rng)
    with pytest.raises(InputError, match="got x of shape"):
        minibatches(x[:0], y[:0], 2, rng)
    seen = sorted(
        int(label)
        for _, labels in minibatches(x.tolist(), [0, 1, 2, 3], 3, rng)
        for label in labels
    )
    assert seen == [0, 1, 2, 3]


def test_weights_that_all_are_0_judge_nothing_and_huge_ones_do_not_overflow(blobs):
    network, (x, y) = mlp([2, 8, 3], rng=np.random.default_rng(0)), blobs
    with pytest.raises(InputError, match="expected a weight above 0"):
        evaluate(network, SoftmaxCrossEntropy(), x, y, np.zeros(len(x)))
    plain, loss = SoftmaxCrossEntropy(), SoftmaxCrossEntropy()
    logits = network.forward(x[:2])
    value = loss.forward(logits, y[:2], np.full(2, 1e308))
    assert value == pytest.approx(plain.forward(logits, y[:2]), rel=1e-6)
    np.testing.assert_allclose(loss.backward(), plain.backward(), rtol=1e-6)


def test_class_weights_as_an_array_are_told(blobs):
    with pytest.raises(InputError, match="class_weight: expected a dict"):
        make().fit(*blobs, 1, class_weight=np.ones(3))
