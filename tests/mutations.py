"""Valid, damaged and hostile `.npz` files for the tests of everything that reads files."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np

# Boundary values of length fields, counts and offsets.
NASTY = [0, 1, 0x7F, 0x80, 0xFF, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFE, 0xFFFFFFFF]
NASTY_JSON = [
    None, True, -1, 0, 1, 2**31, 2**63, 10**40, -0.5, 1e308, "", "Dense", "x" * 1000, "\x00\n",
    [], {}, [[]], [None] * 5, {"type": "Dense"}, {"type": "__import__('os').system"},
]  # fmt: skip

# A value of every kind that a field of a file could hold instead of its own.
ODD = [
    None, True, False, 0, -0.0, 1, -1, 2, -1.5, 0.5, 1e-300, 1e300, -1e300, 2**31, 2**32, 2**53,
    2**63, -(2**63), 2**64, 10**23, 10**400, -(10**400), float("nan"), float("inf"),
    -float("inf"), "", "98", "nan", "x", "\0", "\n", "\x1b[2J", "\udcff", "x" * 5000, "../..", [],
    [1], [[]], [0] * 1000, {}, {"a": 1}, {"type": "Dense"}, [None],
]  # fmt: skip


def places_in(value, path=()):
    """Every path to a value inside a JSON value."""
    pairs = value.items() if isinstance(value, dict) else enumerate(value)
    for key, child in pairs:
        yield (*path, key)
        if isinstance(child, dict | list):
            yield from places_in(child, (*path, key))


def with_value(document, path, value):
    changed = json.loads(json.dumps(document))
    *above, last = path
    holder = changed
    for key in above:
        holder = holder[key]
    holder[last] = value
    return changed


def pack(path: Path, members: dict[str, bytes], **options) -> Path:
    """Write an archive with these members without the code under test."""
    with zipfile.ZipFile(path, "w", **options) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return path


def unpack(path: Path) -> dict[str, bytes]:
    """Read the members of an archive."""
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def saved(array: np.ndarray, **options) -> bytes:
    """Give the `.npy` file of an array."""
    file = io.BytesIO()
    np.lib.format.write_array(file, array, **options)
    return file.getvalue()


def npy_bytes(text: str) -> bytes:
    """Give the `.npy` file of a header's JSON."""
    return saved(np.frombuffer(text.encode("utf-8", "surrogatepass"), np.uint8))


class Bomb:
    """Unpickling it leaves a mark on the disk."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self):
        return Path.touch, (self.mark,)


def mutated_bytes(rng: np.random.Generator, good: bytes) -> bytes:
    """Change, cut, insert, delete, copy or overwrite bytes somewhere, one to three times."""
    data = bytearray(good)
    for _ in range(rng.integers(1, 4)):
        size = max(1, len(data))
        at, length = int(rng.integers(size)), int(rng.integers(1, min(64, size) + 1))
        match rng.integers(8):
            case 0:
                data[at : at + 1] = bytes([rng.integers(256)])
            case 1:
                if data:
                    data[at] ^= 1 << int(rng.integers(8))
            case 2:
                del data[at:]
            case 3:
                del data[at : at + length]
            case 4:
                data[at:at] = rng.bytes(length)
            case 5:
                width = int(rng.choice([1, 2, 4, 8]))
                value = int(rng.choice(NASTY)) % 256**width
                data[at : at + width] = value.to_bytes(width, "little")
            case 6:
                to = int(rng.integers(size))
                data[to : to + length] = data[at : at + length]
            case 7:
                data += rng.bytes(length)
    return bytes(data)


def mutated_archive(rng: np.random.Generator, good: bytes) -> bytes:
    """Damage the members of an `.npz` file and pack them again, with correct checksums."""
    with zipfile.ZipFile(io.BytesIO(good)) as archive:
        members = [[name, archive.read(name)] for name in archive.namelist()]
    compression = zipfile.ZIP_STORED
    at = int(rng.integers(len(members)))
    match rng.integers(7):
        case 0:
            members[at][1] = mutated_bytes(rng, members[at][1])
        case 1:
            members[at][1] = members[int(rng.integers(len(members)))][1]
        case 2:
            members[at][0] = str(
                rng.choice(["x.npy", "/", "../x.npy", "header", "/etc/x", "é.npy"])
            )
        case 3:
            del members[at]
        case 4:
            members.insert(at, [f"extra{at}.npy", members[at][1]])
        case 5:
            compression = zipfile.ZIP_DEFLATED
        case 6:
            header = next(member for member in members if member[0] == "header.npy")
            header[1] = npy_bytes(json.dumps(mutated_json(rng, json.loads(header[1][128:]))))
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", compression) as archive:
        for name, data in members:
            archive.writestr(name, data)
    return target.getvalue()


def mutated_json_file(rng: np.random.Generator, good: bytes) -> bytes:
    """Damage the bytes of a JSON file or, more often, the values in it."""
    if rng.random() < 0.3:
        return mutated_bytes(rng, good)
    return json.dumps(mutated_json(rng, json.loads(good))).encode()


def mutated_json(rng: np.random.Generator, value: object) -> object:
    """Replace, remove or duplicate a part of a JSON value."""
    places = list(_places(value))
    if not places:
        return NASTY_JSON[int(rng.integers(len(NASTY_JSON)))]
    holder, key = places[int(rng.integers(len(places)))]
    match rng.integers(4):
        case 0:
            del holder[key]
        case 1 if isinstance(holder[key], int | float):
            holder[key] = holder[key] * int(rng.choice([-1, 2, 1000])) + int(rng.integers(-1, 2))
        case 2:
            other, other_key = places[int(rng.integers(len(places)))]
            holder[key] = json.loads(json.dumps(other.get(other_key) if isinstance(other, dict)
                                                else other[other_key]))  # fmt: skip
        case _:
            holder[key] = NASTY_JSON[int(rng.integers(len(NASTY_JSON)))]
    return value


def _places(value: object) -> Iterator[tuple[dict | list, object]]:
    """Yield every (container, key) inside a JSON value."""
    pairs = value.items() if isinstance(value, dict) else enumerate(value)
    for key, child in list(pairs):
        yield value, key
        if isinstance(child, dict | list):
            yield from _places(child)
