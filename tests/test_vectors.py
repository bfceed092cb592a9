"""Blocks cover a vector once; what is cleared is tiny, and nothing else."""

import numpy as np
import pytest
from numpymlp.vectors import BLOCK, CLEAR, blocks, clear_tiny


def test_blocks_cover_a_vector_once() -> None:
    size = 2 * BLOCK + 5
    numbers, counts = np.arange(size), np.zeros(size)
    lengths = []
    for n, c, scratch in blocks(numbers, counts):
        np.testing.assert_array_equal(numbers[n], n)
        c += 1
        lengths.append(len(scratch))
        assert scratch.dtype == numbers.dtype
    np.testing.assert_array_equal(counts, 1)
    assert lengths == [BLOCK, BLOCK, 5]
    assert [len(scratch) for _, scratch in blocks(np.zeros(3))] == [3]


@pytest.mark.parametrize(
    ("dtype", "small", "kept"), [(np.float32, 9e-31, 2e-30), (np.float64, 2e-300, 3e-300)]
)
def test_tiny_numbers_are_cleared_every_so_many_steps(dtype, small, kept) -> None:
    before = np.array([small, -small, kept, -kept, 0, 1], dtype)
    vectors = before.copy(), before[:2].copy()
    clear_tiny(CLEAR - 1, *vectors)
    np.testing.assert_array_equal(vectors[0], before)
    clear_tiny(CLEAR, *vectors)
    np.testing.assert_array_equal(vectors[0], np.array([0, 0, kept, -kept, 0, 1], dtype))
    np.testing.assert_array_equal(vectors[1], [0, 0])


def test_nothing_kept_turns_subnormal_before_it_is_looked_at_again() -> None:
    for dtype in (np.float32, np.float64):
        tiny = np.finfo(dtype).tiny
        assert 1e8 * tiny * 0.9**CLEAR > tiny
