"""Read files back: one check of the fields of every JSON and CSV file.

Whoever reads a file names the fields that it uses, each with a `Field` that says what is expected
and whether a value is that. Nothing else in the file is looked at, and nothing of it is used before
all its fields have been checked.
"""

from __future__ import annotations

import contextlib
import csv
import io
import json
import math
import os
import stat
import sys
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

from numpymlp.storage.files import CSV_LIMIT, JSON_LIMIT, check_path, shown
from numpymlp.validation import InputError

LARGEST = sys.float_info.max


class Field(NamedTuple):
    """What a field of a file must hold: in words for the message, and as a test of the value."""

    expected: str
    accepts: Callable[[Any], bool]


def number(low: float = -LARGEST, high: float = LARGEST) -> Field:
    """Expect a finite number in [low, high]; whole numbers that no float can hold are refused."""
    return Field(
        f"a number in [{low:g}, {high:g}]",
        lambda value: (
            isinstance(value, int | float) and not isinstance(value, bool) and low <= value <= high
        ),
    )


def whole(low: int = 0, high: int = 2**63 - 1) -> Field:
    """Expect a whole number in [low, high]."""
    return Field(
        f"a whole number from {low} to {high}",
        lambda value: (
            isinstance(value, int) and not isinstance(value, bool) and low <= value <= high
        ),
    )


def text(expected: str = "text", longest: int = 4096) -> Field:
    """Expect a string of at most `longest` characters."""
    return Field(expected, lambda value: isinstance(value, str) and len(value) <= longest)


def or_none(field: Field) -> Field:
    """Expect what `field` does, or null."""
    return Field(f"{field.expected}, or null", lambda v: v is None or field.accepts(v))


def or_off(field: Field) -> Field:
    """Expect what `field` does, or false for an option that is off; older files have null there."""
    return Field(f"{field.expected}, or false", lambda v: v in (None, False) or field.accepts(v))


def or_empty(field: Field) -> Field:
    """Expect what `field` does, or an empty cell."""
    return Field(f"{field.expected}, or nothing", lambda v: v == "" or field.accepts(v))


def written(field: Field) -> Field:
    """Expect a number that is written as text, in a cell of a table."""

    def accepts(value: Any) -> bool:
        with contextlib.suppress(ValueError, TypeError):
            return field.accepts(float(value))
        return False

    return Field(field.expected, accepts)


def check_fields(place: str, found: Mapping[str, Any], fields: Mapping[str, Field]) -> None:
    """Raise InputError, which begins with `place`, unless every field holds what is expected."""
    for name, field in fields.items():
        if name not in found:
            raise InputError(f"{place}: {name} is missing: expected {field.expected}")
        if not field.accepts(found[name]):
            raise InputError(
                f"{place}: {name}: expected {field.expected}, got {shown(repr(found[name]), 60)}"
            )


def read_bytes(path: str | os.PathLike[str], what: str, limit: int) -> bytes:
    """Read an ordinary file of at most `limit` bytes; messages call it `what`.

    A pipe or a device, which could block or never end, is not opened.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    InputError
        If it cannot be read, is no ordinary file, or is too long.
    """
    name = shown(check_path(path))
    try:
        if not stat.S_ISREG(os.stat(path).st_mode):
            raise InputError(f"{name} is not {what}: expected an ordinary file")
        with open(path, "rb") as file:
            content = file.read(limit + 1)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise InputError(f"{name} is not {what}: {error.strerror}") from error
    if len(content) > limit:
        raise InputError(f"{name} is not {what}: expected at most {limit:,} bytes")
    return content


def finite(number: str) -> float:
    """Return a number of a JSON file; raise ValueError for NaN and infinity, which we never write.

    ``1e999`` is one of them.
    """
    value = float(number)
    if not math.isfinite(value):
        raise ValueError(f"{shown(number)} is not a finite number")
    return value


def read_json(
    path: str | os.PathLike[str], what: str, fields: Mapping[str, Field]
) -> dict[str, Any]:
    """Read a JSON object of at most 1 MiB and check its fields; messages call it `what`.

    Raises
    ------
    InputError
        If the file is missing or unreadable, is no JSON object, or a field is not as expected.
    """
    name = shown(check_path(path))
    try:
        content = read_bytes(path, what, JSON_LIMIT)
        value = json.loads(content, parse_float=finite, parse_constant=finite)
    except InputError:
        raise
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(f"{name} is not {what}: {shown(error)}") from error
    if not isinstance(value, dict):
        raise InputError(f"{name} is not {what}: expected a JSON object, got {shown(value, 60)}")
    check_fields(f"{name} is altered", value, fields)
    return value


def read_csv(
    path: str | os.PathLike[str],
    what: str,
    fields: Mapping[str, Field],
    limit: int = CSV_LIMIT,
    later: int = 0,
) -> list[dict[str, str]]:
    """Read a table whose columns are the `fields`, in this order, and check every cell.

    Some of the last `later` columns may be missing, as in files of earlier versions; their cells
    are empty then.
    A table of `limit` bytes takes up to fifty times as many in memory.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    InputError
        If it is unreadable, has other columns, or a cell is not as expected.
    """
    name = shown(check_path(path))
    content = read_bytes(path, what, limit)
    try:
        # newline="" keeps a line break inside a cell as it is.
        rows = csv.reader(io.StringIO(content.decode("utf-8"), newline=""), strict=True)
        columns, lines = next(rows, []), list(rows)
    except (csv.Error, ValueError) as error:
        raise InputError(f"{name} is not {what}: {shown(error)}") from error
    absent = len(fields) - len(columns)
    if 0 < absent <= later and columns == list(fields)[:-absent]:
        columns, lines = list(fields), [line and [*line, *[""] * absent] for line in lines]
    if columns != list(fields):
        raise InputError(
            f"{name} is not {what}: expected the columns {', '.join(fields)}, got "
            f"{shown(', '.join(columns))}"
        )
    return [
        _row(f"{name} is not {what}: row {i}", line, fields)
        for i, line in enumerate(lines, 1)
        if line
    ]


def _row(place: str, line: Iterable[str], fields: Mapping[str, Field]) -> dict[str, str]:
    cells = list(line)
    if len(cells) != len(fields):
        raise InputError(f"{place}: expected {len(fields)} cells, got {len(cells)}")
    row = dict(zip(fields, cells, strict=True))
    check_fields(place, row, fields)
    return row
