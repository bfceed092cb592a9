"""Every field of a file is checked before it is used."""

import json
import os

import pytest
from messages import one_clear_error

from numpymlp.storage.reading import number, or_none, read_csv, read_json, text, whole, written
from numpymlp.validation import InputError

FIELDS = {"share": number(0, 1), "count": whole(1), "name": or_none(text(longest=10))}
GOOD = {"share": 0.5, "count": 3, "name": "Größe"}


def test_what_fits_is_returned_with_the_other_fields(tmp_path):
    path = tmp_path / "a.json"
    for change in ({}, {"share": 1}, {"name": None}, {"more": [1]}):
        path.write_text(json.dumps({**GOOD, **change}))
        assert read_json(path, "an example", FIELDS) == {**GOOD, **change}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"share": "98"}, r"share: expected a number in \[0, 1\], got '98'"),
        ({"share": None}, "got None"),
        ({"share": True}, "got True"),
        ({"share": 10**400}, "got 1000"),
        ({"share": -0.1}, "got -0.1"),
        ({"count": 0}, "count: expected a whole number from 1 to 9223372036854775807, got 0"),
        ({"count": 1.0}, "got 1.0"),
        ({"count": 2**63}, "got 9223372036854775808"),
        ({"count": [1]}, r"got \[1\]"),
        ({"name": "x" * 11}, "name: expected text, or null, got 'xxx"),
        ({"name": {"\x1b[2J\n": "x" * 9999}}, r"got {'\\x1b\[2J"),
    ],
)
def test_a_field_that_does_not_fit_is_named(tmp_path, change, message):
    path = tmp_path / "a.json"
    path.write_text(json.dumps({**GOOD, **change}))
    one_clear_error(
        lambda: read_json(path, "an example", FIELDS), "a.json is altered: .*" + message
    )


def test_what_is_no_such_file_is_named_and_a_pipe_does_not_hang(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    contents = {"list": b"[]", "cut": b"{", "deep": b"[" * 10**5, "long": b" " * (2**20 + 1)}
    contents |= {"latin": b'{"a": "\xff"}', "digits": b'{"share": ' + b"1" * 10**4 + b"}"}
    contents |= {"nan": b'{"x": [NaN]}', "inf": b'{"x": [-Infinity]}', "large": b'{"x": 1e999}'}
    for name, content in contents.items():
        (tmp_path / name).write_bytes(content)
    for name in (*contents, "pipe", "missing", ""):
        one_clear_error(
            lambda name=name: read_json(tmp_path / name, "an example", FIELDS), "is not an example"
        )


CELLS = {"name": text(), "share": written(number(0, 1))}


def test_a_table_comes_back_with_its_line_breaks(tmp_path):
    path = tmp_path / "a.csv"
    path.write_bytes(b'name,share\n"a\rb\r\nc",0.5\n\n,1\n')
    rows = read_csv(path, "an example", CELLS)
    assert rows == [{"name": "a\rb\r\nc", "share": "0.5"}, {"name": "", "share": "1"}]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "expected the columns name, share, got"),
        ("name\na\n", "expected the columns"),
        ("name,share\na\n", "row 1: expected 2 cells, got 1"),
        ("name,share\na,1,2\n", "row 1: expected 2 cells, got 3"),
        ("name,share\na,1\nb,nan\n", r"row 2: share: expected a number in \[0, 1\], got 'nan'"),
        ("name,share\na,inf\n", "got 'inf'"),
        ("name,share\na,x\n", "got 'x'"),
        ("name,share\n" + "a" * 5000 + ",1\n", "row 1: name: expected text"),
        ("name,share\n" + "a" * 140_000 + ",1\n", "field larger than field limit"),
        ('name,share\n"', "unexpected end of data"),
        ("\xff", "expected the columns"),
    ],
)
def test_a_table_that_does_not_fit_is_refused(tmp_path, content, message):
    path = tmp_path / "a.csv"
    path.write_text(content, encoding="utf-8")
    one_clear_error(
        lambda: read_csv(path, "an example", CELLS), "a.csv is not an example: .*" + message
    )


def test_a_missing_table_is_told_apart_from_a_damaged_one(tmp_path):
    with pytest.raises(FileNotFoundError):
        read_csv(tmp_path / "a.csv", "an example", CELLS)
    (tmp_path / "a.csv").write_bytes(b"\xff")
    with pytest.raises(InputError, match="can't decode"):
        read_csv(tmp_path / "a.csv", "an example", CELLS)
