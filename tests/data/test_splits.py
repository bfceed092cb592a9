import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from numpymlp.data import split_indices, train_validation_split
from numpymlp.validation import InputError


def held_out_counts(labels, held_out, classes):
    return np.bincount(np.asarray(labels)[held_out], minlength=classes)


@given(
    labels=st.lists(st.integers(-3, 4), min_size=2, max_size=200),
    fraction=st.floats(0.01, 0.99),
    seed=st.integers(0, 2**32),
)
def test_a_stratified_split_is_exact_and_fair(labels, fraction, seed):
    size = round(len(labels) * fraction)
    if not 0 < size < len(labels):
        with pytest.raises(InputError, match="too few rows"):
            split_indices(labels, fraction, np.random.default_rng(seed))
        return
    train, held_out = split_indices(labels, fraction, np.random.default_rng(seed))

    assert sorted([*train, *held_out]) == list(range(len(labels)))
    assert len(held_out) == size
    for label in set(labels):
        share = labels.count(label) * size / len(labels)
        came = sum(labels[i] == label for i in held_out)
        assert np.floor(share) <= came <= np.ceil(share)


def test_shares_worked_by_hand():
    # 5, 3 and 2 rows, 4 of 10 held out: 2, 1.2 and 0.8, so the last class is rounded up.
    labels = np.array([0] * 5 + [1] * 3 + [2] * 2)
    for seed in range(20):
        _, held_out = split_indices(labels, 0.4, np.random.default_rng(seed))
        np.testing.assert_array_equal(held_out_counts(labels, held_out, 3), [2, 1, 1])


def test_equal_remainders_are_drawn_by_lot():
    labels = np.arange(10)  # ten classes of one row each: every row must get its chance
    seen = {
        int(i)
        for seed in range(200)
        for i in split_indices(labels, 0.1, np.random.default_rng(seed))[1]
    }
    assert seen == set(range(10))


def test_every_row_has_the_same_chance_and_the_order_is_shuffled():
    labels = np.repeat([0, 1], 20)
    hits, neighbours = np.zeros(40), 0
    for seed in range(2000):
        train, held_out = split_indices(labels, 0.25, np.random.default_rng(seed))
        hits[held_out] += 1
        neighbours += int((np.diff(train) == 1).sum())
    # 500 expected, standard deviation sqrt(2000 / 4 * 3 / 4) = 19.4: five of those.
    assert np.abs(hits - 500).max() < 97
    # 29 pairs in random order are consecutive with chance about 1 / 40; in sorted order 3 / 4.
    assert 0.3 < neighbours / 2000 < 1.2


@pytest.mark.parametrize(
    "whole", [200, np.zeros((200, 1)), np.linspace(0, 1, 200), np.eye(200, dtype=int)]
)
def test_what_is_no_class_label_is_split_as_a_whole(whole):
    train, held_out = split_indices(whole, 0.3, np.random.default_rng(0))
    expected = split_indices(200, 0.3, np.random.default_rng(0))
    np.testing.assert_array_equal(held_out, expected[1])
    assert len(held_out) == 60
    assert sorted([*train, *held_out]) == list(range(200))


def test_stratify_false_ignores_the_labels():
    labels = np.repeat([0, 1], 50)
    counts = {
        int(
            labels[split_indices(labels, 0.2, np.random.default_rng(seed), stratify=False)[1]].sum()
        )
        for seed in range(20)
    }
    assert len(counts) > 1  # a stratified split would give 10 every time


def test_the_same_generator_state_gives_the_same_split():
    labels = np.tile(np.arange(10), 20)
    first, again, other = (
        split_indices(labels, 0.1, np.random.default_rng(seed))[1] for seed in (7, 7, 8)
    )
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


def test_train_validation_split_keeps_samples_with_their_targets():
    y = np.tile(np.arange(4), 25)
    x = np.stack([np.arange(100), y], axis=1).astype(np.float32)
    (x_train, y_train), (x_held_out, y_held_out) = train_validation_split(
        x, y, 0.2, np.random.default_rng(3)
    )
    assert x_train.shape == (80, 2)
    assert x_held_out.shape == (20, 2)
    assert x_train.dtype == np.float32
    np.testing.assert_array_equal(x_train[:, 1], y_train)
    np.testing.assert_array_equal(x_held_out[:, 1], y_held_out)
    np.testing.assert_array_equal(np.bincount(y_held_out), [5, 5, 5, 5])
    assert sorted([*x_train[:, 0], *x_held_out[:, 0]]) == list(range(100))


@pytest.mark.parametrize("fraction", [0, 1, 0.0, 1.0, -0.1, 1.5, np.nan, np.inf, "0.1", None, 10])
def test_a_fraction_out_of_range_is_named(fraction):
    with pytest.raises(InputError, match=r"fraction.*: expected a number in \(0, 1\)"):
        split_indices(100, fraction, np.random.default_rng(0))


@pytest.mark.parametrize(
    ("labels", "fraction"), [(0, 0.5), (1, 0.5), (4, 0.1), ([], 0.5), ([3], 0.9), ([1, 2, 3], 0.9)]
)
def test_too_few_rows_are_named(labels, fraction):
    with pytest.raises(InputError, match="too few rows"):
        split_indices(labels, fraction, np.random.default_rng(0))


@pytest.mark.parametrize("rows", [-1, 2.5, "abc", None])
def test_what_is_no_number_of_rows_is_named(rows):
    with pytest.raises(InputError, match="number of rows"):
        split_indices(rows, 0.5, np.random.default_rng(0))


def test_a_seed_in_place_of_a_generator_is_named():
    with pytest.raises(InputError, match=r"np\.random\.default_rng\(seed\)"):
        split_indices(100, 0.1, 42)


@pytest.mark.parametrize(("x", "y"), [(np.zeros((5, 2)), np.zeros(4)), (np.zeros(()), np.zeros(3))])
def test_samples_and_targets_that_differ_in_length_are_named(x, y):
    with pytest.raises(InputError, match="one row for each sample"):
        train_validation_split(x, y, 0.5, np.random.default_rng(0))
