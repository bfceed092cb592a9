"""The one test that every message to a user must pass."""

import pytest

from numpymlp.validation import InputError


def one_clear_error(call, message):
    """The call raises an `InputError` that matches, on one line of less than 400 characters."""
    with pytest.raises(InputError, match=message) as caught:
        call()
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 400
