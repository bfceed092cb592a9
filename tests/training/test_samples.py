"""Weights of samples and classes, validation splits, batches."""

import numpy as np
import pytest
from sklearn.utils.class_weight import compute_sample_weight
from trainers import bits, make

from numpymlp import InputError, evaluate
from numpymlp.training.checks import check_fit_weights
from numpymlp.training.samples import Samples


def test_samples_of_weight_zero_do_not_change_training(blobs):
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


def test_a_class_that_a_fold_lacks_may_have_a_weight_if_all_others_have_one(blobs):
    # A fold without the rare class made the whole cross-validation fail.
    y = blobs[1]
    fold = y != 2
    weights = []
    for class_weight in ({0: 1, 1: 2, 2: 9}, {0: 1, 1: 2}, {0: 1, 1: 2, np.int64(2): 9}):
        weights.append(check_fit_weights(None, class_weight, y[fold]))
    for weight in weights:
        np.testing.assert_array_equal(weight, np.where(y[fold] == 1, 2, 1))
    np.testing.assert_array_equal(check_fit_weights(None, {1: 2}, y), np.where(y == 1, 2, 1))
    oracle = compute_sample_weight({0: 1, 1: 2, 2: 9}, y[fold])
    np.testing.assert_array_equal(weights[0], oracle)


@pytest.mark.parametrize(
    ("class_weight", "message"),
    [
        ({0: 1, 2: 9, 3: 1}, r"class_weight: expected classes among \[0, 1, 2\], got \[3\]"),
        ({0: 1, 1: 1, 2: 1, "x": 1, 7: 1}, r"class_weight: expected classes among .*got \['x'\]"),
        ({"x": 1, 7: 1}, r"class_weight: expected classes among .*got \['x'\]"),
        ({0: None}, r"class_weight\[0\]: expected a number in \[0, inf\), got None"),
        ({0: -1}, r"class_weight\[0\]: expected a number in \[0, inf\), got -1"),
        ({0: np.inf}, r"class_weight\[0\]: expected a number in \[0, inf\), got inf"),
        ({7: "2"}, r"class_weight\[7\]: expected a number .*without quotes"),
        ({0: 0, 1: 0, 2: 0}, "class_weight: expected a weight above 0 somewhere"),
    ],
)
def test_a_bad_class_weight_is_one_error_that_names_it(class_weight, message, blobs):
    trainer = make()
    before = bits(trainer)
    with pytest.raises(InputError, match=f"^{message}"):
        trainer.fit(*blobs, 1, class_weight=class_weight)
    assert bits(trainer) == before


def test_weights_whose_product_is_0_everywhere_are_blamed_on_both(blobs):
    x, y = blobs
    with pytest.raises(
        InputError, match=r"^sample_weight and class_weight: expected a weight abov"
    ):
        make().fit(x, y, 1, sample_weight=y == 0, class_weight={0: 0, 1: 1, 2: 1})


def test_class_weights_as_an_array_are_refused(blobs):
    with pytest.raises(InputError, match="class_weight: expected a dict"):
        make().fit(*blobs, 1, class_weight=np.ones(3))


def test_a_validation_share_is_stratified_and_kept_out_of_training(blobs):
    x, y = blobs
    trainer = make()
    train, held_out = trainer.prepare(x, y, 0.2, None, None)
    assert np.bincount(y[held_out.rows]).tolist() == [20, 20, 20]
    assert not set(train.rows) & set(held_out.rows)
    assert len(train.rows) + len(held_out.rows) == 300
    again, _ = make().prepare(x, y, 0.2, None, None)
    np.testing.assert_array_equal(train.rows, again.rows)


def test_another_seed_gives_another_split(blobs):
    splits = [make(seed=seed).prepare(*blobs, 0.2, None, None)[1].rows.tolist() for seed in (0, 1)]
    assert splits[0] != splits[1]


def test_a_share_copies_no_data_until_a_batch_is_taken(blobs):
    x, y = blobs
    samples = Samples(x, y, None, np.array([5, 3]))
    taken, targets, weight = samples.take(np.array([1]))
    assert samples.x is x
    assert taken.tolist() == [x[3].tolist()]
    assert targets.tolist() == [y[3]]
    assert weight is None


def test_weights_are_taken_with_their_rows():
    samples = Samples(np.eye(4), np.arange(4), np.array([1.0, 2, 3, 4]), np.array([3, 1]))
    assert samples.take(np.array([0, 1]))[2].tolist() == [4, 2]


def test_validation_counts_every_sample_alike(blobs):
    x, y = blobs
    weighted, plain = make(), make()
    weighted.fit(x, y, 1, validation=0.3, class_weight={0: 0.0, 1: 1.0, 2: 5.0})
    train, held_out = plain.prepare(x, y, 0.3, None, None)
    rows = held_out.rows
    clean = evaluate(weighted.network, weighted.loss, x[rows], y[rows])
    assert weighted.history["validation_loss"] == [clean.loss]
    assert len(train.rows) == 210


def test_run_reads_batches_from_a_custom_class_of_samples(blobs):
    x, y = blobs

    class Reader:
        rows, taken = range(300), 0

        def take(self, chosen):
            self.taken += len(chosen)
            return x[chosen], y[chosen], None

    reader, custom, plain = Reader(), make(), make()
    custom.run(reader, None, 2)
    plain.fit(x, y, 2)
    assert reader.taken == 600
    assert bits(custom) == bits(plain)


def test_columns_are_brought_into_row_order_once_before_training(blobs):
    # A data frame's values are column-ordered, and each batch took twice as long to gather.
    x, y = blobs
    train, held_out = make().prepare(np.asfortranarray(x), y, 0.2, None, None)
    for samples in (train, held_out):
        assert samples.x.flags.c_contiguous
    ordered, _ = make().prepare(np.ascontiguousarray(x), y, None, None, None)
    assert np.shares_memory(ordered.x, x) == x.flags.c_contiguous  # rows are not copied
