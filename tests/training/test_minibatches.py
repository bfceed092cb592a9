import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from numpymlp import InputError, minibatches


@given(st.integers(1, 40), st.integers(1, 50), st.integers(0, 2**32))
def test_an_epoch_visits_each_sample_once_and_the_last_batch_holds_the_rest(n, size, seed):
    x, y = np.arange(n)[:, None], np.arange(n)
    batches = list(minibatches(x, y, size, np.random.default_rng(seed)))
    assert sorted(np.concatenate([b[1] for b in batches])) == list(range(n))
    assert [len(b[1]) for b in batches] == [size] * (n // size) + [n % size] * (n % size > 0)
    assert all((b[0][:, 0] == b[1]).all() for b in batches)


def test_two_epochs_share_no_batch():
    x, y, rng = np.zeros((100, 1)), np.arange(100), np.random.default_rng(0)
    first, second = (
        {frozenset(batch.tolist()) for _, batch in minibatches(x, y, 10, rng)} for _ in range(2)
    )
    assert not first & second


def test_the_order_is_that_of_the_generator():
    x = np.arange(10)
    batches = [
        np.concatenate([b for b, _ in minibatches(x, x, 3, np.random.default_rng(seed))]).tolist()
        for seed in (0, 0, 1)
    ]
    assert batches[0] == batches[1] == np.random.default_rng(0).permutation(10).tolist()
    assert batches[0] != batches[2]


def test_wrong_arguments_raise_at_the_call_and_not_at_the_first_batch():
    x, y, rng = np.ones((4, 2)), np.arange(4), np.random.default_rng(0)
    with pytest.raises(InputError, match="batch_size"):
        minibatches(x, y, 0, rng)
    with pytest.raises(InputError, match="got x of shape"):
        minibatches(x[:0], y[:0], 2, rng)
    with pytest.raises(InputError, match=r"rng: expected a numpy\.random\.Generator"):
        minibatches(x, y, 2, 0)


def test_lists_become_arrays():
    batches = minibatches([[1.0], [2.0], [3.0], [4.0]], [0, 1, 2, 3], 3, np.random.default_rng(0))
    assert sorted(int(label) for _, labels in batches for label in labels) == [0, 1, 2, 3]
