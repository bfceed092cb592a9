import os
from pathlib import Path

import pytest

from numpymlp.data import read_digit_image, read_idx
from numpymlp.validation import InputError


@pytest.mark.parametrize("read", [read_idx, read_digit_image])
def test_what_is_no_file_is_named_and_a_pipe_does_not_hang(tmp_path, read):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "empty").touch()
    for path, message in [
        (tmp_path / "missing", "got no such file"),
        (tmp_path / "empty", "got an empty file"),
        (tmp_path, "got a folder"),
        (tmp_path / "pipe", "got a pipe"),
        (Path("/dev/zero"), "got a pipe, socket or device"),
        ("nul\0byte", "null"),
        (None, "NoneType"),
    ]:
        with pytest.raises(InputError, match=message):
            read(path)
