"""Bounds of memory: checked from sizes alone, before anything is allocated."""

import pytest
from memory import peak_below

from numpymlp import InputError
from numpymlp.experiments.sizes import MOST_NUMBERS, check_convolutions, check_memory


def test_the_bounds_are_exact() -> None:
    check_memory([4, 5], MOST_NUMBERS // 9)
    with pytest.raises(InputError, match=r"rows: expected at most .* outputs of units for a batch"):
        check_memory([4, 5], MOST_NUMBERS // 9 + 1, "rows")
    # Four pixels of output, each with a window of 25 numbers and 3 filters.
    check_convolutions([3], (6, 6, 1), MOST_NUMBERS // (4 * 28))
    with pytest.raises(InputError, match="batch_size: expected at most"):
        check_convolutions([3], (6, 6, 1), MOST_NUMBERS // (4 * 28) + 1)


@pytest.mark.parametrize("filters", [[10**7], [10_000, 10_000], [10**18]])
def test_too_many_filters_take_no_memory(filters: list[int]) -> None:
    with peak_below(2**24), pytest.raises(InputError, match="filters: expected at most"):
        check_convolutions(filters, (28, 28, 1), 1)


def test_images_too_small_for_the_convolutions_are_refused() -> None:
    with pytest.raises(InputError, match="expected images of at least 5 x 5 pixels, got 4 x 4"):
        check_convolutions([8, 16, 32], (28, 28, 1), 1)
