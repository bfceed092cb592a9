import json
import os
import pickle
import struct
import tracemalloc
import zipfile
from pathlib import Path

import numpy as np
import pytest
from attack import attack
from memory import peak_below
from mutations import Bomb, mutated_archive, mutated_bytes, npy_bytes, pack, saved, unpack

from numpymlp.storage.archive import FORMAT_VERSION, HEADER_LIMIT, open_archive, write_archive
from numpymlp.validation import InputError

HEADER = {"layers": [{"type": "Dense", "inputs": 3, "outputs": 2}], "epoch": 4, "loss": 0.1}
ARRAYS = {
    "parameters": np.linspace(-1, 1, 30, dtype=np.float32),
    "buffers": np.zeros(0, np.float32),
    "moments": np.arange(8.0).reshape(2, 4),
    "order": np.arange(5),
    "mask": np.array([True, False]),
}
EXPECTED = {name: (array.shape, array.dtype) for name, array in ARRAYS.items()}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    file = tmp_path / "folder" / "model.npz"
    file.parent.mkdir()
    write_archive(file, "model", HEADER, ARRAYS)
    return file


def load(path, expected=EXPECTED, kind="model"):
    with open_archive(path, kind) as archive:
        return archive.header, archive.read(expected)


def with_header(path: Path, **changes) -> Path:
    content = {"format": "numpymlp model", "version": FORMAT_VERSION, **HEADER, **changes}
    return pack(path, {**unpack(path), "header.npy": npy_bytes(json.dumps(content))})


# ---- what is written comes back, and anybody can read it ----


def test_everything_comes_back_bit_for_bit(path):
    header, arrays = load(path)
    assert header == {**HEADER, "format": "numpymlp model", "version": FORMAT_VERSION}
    assert set(arrays) == set(ARRAYS)
    for name, array in ARRAYS.items():
        assert arrays[name].dtype == array.dtype
        assert arrays[name].shape == array.shape
        assert arrays[name].tobytes() == array.tobytes()
        assert arrays[name].flags.writeable
        assert arrays[name].flags.owndata


def test_plain_numpy_reads_the_file(path):
    with np.load(path, allow_pickle=False) as file:
        assert json.loads(bytes(file["header"]))["epoch"] == 4
        for name, array in ARRAYS.items():
            np.testing.assert_array_equal(file[name], array)


def test_a_file_that_numpy_wrote_again_is_read(path):
    with np.load(path) as file:
        np.savez(path, **file)
    assert load(path)[1]["parameters"].tobytes() == ARRAYS["parameters"].tobytes()


def test_the_same_content_gives_the_same_bytes(path, tmp_path):
    write_archive(tmp_path / "again.npz", "model", HEADER, ARRAYS)
    assert (tmp_path / "again.npz").read_bytes() == path.read_bytes()
    with zipfile.ZipFile(path) as archive:
        for info in archive.infolist():
            assert info.date_time == (1980, 1, 1, 0, 0, 0)
            assert (info.create_system, info.external_attr) == (3, 0o644 << 16)


def test_other_byte_orders_and_memory_layouts_are_made_plain(tmp_path):
    table = np.arange(6.0).reshape(2, 3)
    variants = {
        "fortran": np.asfortranarray(table),
        "strided": np.arange(12.0).reshape(2, 6)[:, ::2] / 2,
        "big": table.astype(">f8"),
    }
    write_archive(tmp_path / "a.npz", "model", {}, variants)
    arrays = load(tmp_path / "a.npz", {name: ((2, 3), "f8") for name in variants})[1]
    for array in arrays.values():
        np.testing.assert_array_equal(array, table)


def test_every_array_has_the_bytes_that_numpy_writes(path):
    members = unpack(path)
    for name, array in ARRAYS.items():
        assert members[f"{name}.npy"] == saved(array, version=(1, 0))


def test_scalars_and_many_axes(tmp_path):
    arrays = {"scalar": np.array(2.5), "deep": np.ones((1,) * 30, np.int8)}
    write_archive(tmp_path / "a.npz", "model", {}, arrays)
    back = load(tmp_path / "a.npz", {n: (a.shape, a.dtype) for n, a in arrays.items()})[1]
    assert back["scalar"] == 2.5
    assert back["deep"].shape == (1,) * 30


def test_the_64_bit_form_of_the_archive_is_read(path, monkeypatch):
    # What zipfile writes above 2 GiB, here in a small file.
    monkeypatch.setattr(zipfile, "ZIP64_LIMIT", 100)
    write_archive(path, "model", HEADER, ARRAYS)
    assert b"PK\x06\x06" in path.read_bytes()
    assert load(path)[1]["parameters"].tobytes() == ARRAYS["parameters"].tobytes()
    data = bytearray(path.read_bytes())
    data[-98 + 40 : -98 + 48] = struct.pack("<Q", 2**40)
    path.write_bytes(data)
    with pytest.raises(InputError, match=r"listed in 16,384 bytes, got 6 in 1,099,511,627,776"):
        load(path)


def test_what_could_not_be_read_back_is_not_written(path):
    before = path.read_bytes()
    bad = [
        (
            {},
            {"w": np.array([1.0, np.nan])},
            InputError,
            "w holds NaN or infinity and was not saved",
        ),
        (
            {},
            {"w": np.array([np.inf], np.float32)},
            InputError,
            "w holds NaN or infinity and was not saved",
        ),
        ({}, {"w": np.array([None])}, InputError, "numbers in w, got dtype object"),
        ({}, {"w": np.array(["a"])}, InputError, "numbers in w, got dtype <U1"),
        ({"loss": float("nan")}, {}, ValueError, "not JSON compliant"),
        (
            {"long": "x" * HEADER_LIMIT["model"]},
            {},
            InputError,
            "of at most 1,048,576 bytes, got 1,0",
        ),
    ]
    for header, arrays, error, message in bad:
        with pytest.raises(error, match=message):
            write_archive(path, "model", header, arrays)
    assert path.read_bytes() == before
    assert [p.name for p in path.parent.iterdir()] == ["model.npz"]


# ---- every fault has its message ----


def test_a_pickle_is_refused_and_not_run(path, tmp_path):
    mark = tmp_path / "ran"
    hidden = np.array([Bomb(mark)], dtype=object)
    (tmp_path / "plain.pkl").write_bytes(pickle.dumps(Bomb(mark)))
    pack(tmp_path / "a.npz", {**unpack(path), "parameters.npy": saved(hidden)})
    pack(tmp_path / "b.npz", {**unpack(path), "header.npy": saved(hidden)})
    np.save(tmp_path / "c.npy", hidden)
    for name in ("plain.pkl", "a.npz", "b.npz", "c.npy"):
        with pytest.raises(InputError, match=name):
            load(tmp_path / name)
    assert not mark.exists()
    with np.load(tmp_path / "a.npz", allow_pickle=True) as file:
        assert file["parameters"] is not None
    assert mark.exists(), "the bomb was a dud: this test could not fail"


def change_member(name, data):
    return lambda path: pack(path, {**unpack(path), name: data})


def drop_member(name):
    return lambda path: pack(path, {k: v for k, v in unpack(path).items() if k != name})


def change_bytes(change):
    return lambda path: path.write_bytes(change(path.read_bytes()))


def damage_last_weight(data: bytes) -> bytes:
    at = data.index(ARRAYS["parameters"].tobytes()) + 119
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]


def long_directory(path):
    pack(path, {**unpack(path), **{f"{i}.npy": b"" for i in range(100)}})


def wide_directory(path):
    with zipfile.ZipFile(path, "a") as archive:
        info = zipfile.ZipInfo("x")
        info.comment = b"c" * 60_000
        archive.writestr(info, b"")


def twice(path):
    with pytest.warns(UserWarning, match="Duplicate"), zipfile.ZipFile(path, "a") as archive:
        archive.writestr("order.npy", saved(np.arange(5)))


def encrypted(path):
    data = bytearray(path.read_bytes())
    at = data.index(b"PK\x01\x02")
    data[at + 8] |= 1
    path.write_bytes(data)


FAULTS = {
    "empty": (change_bytes(lambda data: b""), "is empty"),
    "foreign": (change_bytes(lambda data: b"\x89PNG" + data), "not an .npz archive: it begins"),
    "half": (
        change_bytes(lambda data: data[: len(data) // 2]),
        "is truncated, or has data after its end",
    ),
    "one byte short": (
        change_bytes(lambda data: data[:-1]),
        "is truncated, or has data after its end",
    ),
    "one byte more": (
        change_bytes(lambda data: data + b"\n"),
        "is truncated, or has data after its end",
    ),
    "comment": (
        change_bytes(lambda data: data[:-2] + b"\5\0"),
        "is truncated, or has data after its end",
    ),
    "no ending": (
        lambda path: pack(
            path, {name.replace("order.npy", "order"): data for name, data in unpack(path).items()}
        ),
        "expected buffers, mask, moments, order, parameters, got .*moments.npy, order, para",
    ),
    "in front": (change_bytes(lambda data: b"#!" + data), "not an .npz archive: it begins"),
    "cut from the middle": (
        change_bytes(lambda data: data[:300] + data[400:]),
        "truncated or altered",
    ),
    "flipped bit": (change_bytes(damage_last_weight), "Bad CRC-32 for file 'parameters.npy'"),
    "many members": (long_directory, "expected at most 64 members, .* got 106 in"),
    "large directory": (wide_directory, "listed in 16,384 bytes, got 7 in 60,"),
    "member twice": (twice, "holds the same member twice"),
    "encrypted": (encrypted, "compressed or encrypted"),
    "compressed": (
        lambda path: pack(path, unpack(path), compression=zipfile.ZIP_DEFLATED),
        "compressed or encrypted",
    ),
    "no header": (
        drop_member("header.npy"),
        "not a numpymlp model: expected a header in it, got none",
    ),
    "missing array": (
        drop_member("order.npy"),
        "does not hold the arrays that its header describes",
    ),
    "array too many": (change_member("x.npy", saved(np.zeros(1))), "does not hold the arrays"),
    "hostile name": (change_member("\x1b[2J\n.npy", b""), "does not hold the arrays"),
    "not an array": (change_member("order.npy", b"hello, world"), "order is not a plain array"),
    "newer npy": (
        change_member("order.npy", saved(np.arange(5), version=(3, 0))),
        "order is not a plain array",
    ),
    "shape": (
        change_member("order.npy", saved(np.arange(6))),
        r"order does not fit the header: expected shape \(5,\) of <i8, got \(6,\) of <i8",
    ),
    "dtype": (
        change_member("parameters.npy", saved(np.zeros(30))),
        r"expected shape \(30,\) of <f4, got \(30,\) of <f8",
    ),
    "byte order": (
        change_member("moments.npy", saved(ARRAYS["moments"].astype(">f8"))),
        "got .* of >f8",
    ),
    "axes swapped": (
        change_member("moments.npy", saved(np.asfortranarray(ARRAYS["moments"]))),
        "got .* in Fortran order",
    ),
    "records": (
        change_member("order.npy", saved(np.zeros(5, dtype=[("a", "i8")]))),
        "order is not an array of plain numbers",
    ),
    "text": (change_member("order.npy", saved(np.array(["a"]))), "not an array of plain numbers"),
    "short array": (
        change_member("order.npy", saved(np.arange(5))[:-8]),
        "expected 40 bytes for the shape of order, got 32",
    ),
    "long array": (
        change_member("order.npy", saved(np.arange(5)) + b"\0"),
        "expected 40 bytes for the shape of order, got 41",
    ),
    "code for a shape": (
        change_member("order.npy", saved(np.arange(5)).replace(b"(5,)", b"f()")),
        "not an array of plain numbers",
    ),
    "NaN": (
        change_member("parameters.npy", saved(np.full(30, np.nan, np.float32))),
        "expected finite numbers in parameters, got NaN or infinity",
    ),
    "infinity": (
        change_member("moments.npy", saved(np.full((2, 4), -np.inf))),
        "expected finite numbers in moments, got NaN or infinity",
    ),
    "not JSON": (change_member("header.npy", npy_bytes("{'format': 1}")), "not valid JSON"),
    "not UTF-8": (
        change_member("header.npy", saved(np.frombuffer(b'{"a": "\xff"}', np.uint8))),
        "not valid JSON: 'utf-8' codec",
    ),
    "JSON list": (change_member("header.npy", npy_bytes("[1]")), "not a JSON object"),
    "JSON NaN": (change_member("header.npy", npy_bytes('{"a": NaN}')), "not a finite number"),
    "JSON 1e999": (change_member("header.npy", npy_bytes('{"a": 1e999}')), "not a finite number"),
    "JSON name twice": (
        change_member("header.npy", npy_bytes('{"a": 1, "a": 2}')),
        "it holds the same name twice",
    ),
    "JSON too deep": (
        change_member("header.npy", npy_bytes('{"a": ' + "[" * 100_000 + "]" * 100_000 + "}")),
        "not valid JSON: maximum recursion",
    ),
    "JSON huge integer": (
        change_member("header.npy", npy_bytes('{"a": ' + "9" * 10_000 + "}")),
        "not valid JSON: Exceeds the limit",
    ),
    "header too long": (
        change_member("header.npy", npy_bytes('{"a": "' + "x" * HEADER_LIMIT["model"] + '"}')),
        "expected a model header of at most 1,048,576 bytes, got",
    ),
    "header of floats": (
        change_member("header.npy", saved(np.zeros(3))),
        r"header does not fit the header: expected shape \(3,\) of \|u1, got \(3,\) of <f8",
    ),
    "no format": (change_member("header.npy", npy_bytes("{}")), "its header says 'None'|says None"),
    "foreign format": (lambda path: with_header(path, format="other"), "its header says 'other'"),
    "no version": (lambda path: with_header(path, version=None), "format version 2, got None"),
    "version 0": (lambda path: with_header(path, version=0), "format version 2, got 0"),
    "version true": (lambda path: with_header(path, version=True), "format version 2, got True"),
    "older version": (
        lambda path: with_header(path, version=1),
        "expected format version 2, got 1: it was written by numpymlp 0.1; train again, or use th",
    ),
    "newer version": (
        lambda path: with_header(path, version=3),
        "expected format version 2, got 3: it was written by a newer numpymlp; upgrade numpymlp",
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_every_fault_is_named(path, fault):
    damage, message = FAULTS[fault]
    damage(path)
    with pytest.raises(InputError, match=message) as caught:
        load(path)
    text = str(caught.value)
    assert str(path) in text
    assert text.isprintable(), "one line, and no control characters from the file"
    assert len(text) < 700


def test_a_checkpoint_is_no_model_and_a_model_no_checkpoint(path):
    with pytest.raises(
        InputError, match=r"not a numpymlp checkpoint.*a model has no optimizer state"
    ):
        load(path, kind="checkpoint")
    write_archive(path, "checkpoint", HEADER, ARRAYS)
    with pytest.raises(
        InputError, match=r"not a numpymlp model.*a checkpoint resumes a training run"
    ):
        load(path)
    assert load(path, kind="checkpoint")[0]["epoch"] == 4


def test_paths_that_are_no_files(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for name, message in {
        "missing.npz": "does not exist",
        "no/such/folder.npz": "does not exist",
        ".": "is not a regular file",
        "pipe": "is not a regular file",
        "nul\0byte": "cannot be read",
        "x" * 300: "cannot be read",
    }.items():
        with pytest.raises(InputError, match=message):
            load(tmp_path / name)


# ---- what a hostile file may cost ----


def forge_sizes(path: Path, name: str, size: int) -> None:
    """Let the table of contents claim that a member has this many bytes."""
    data = bytearray(path.read_bytes())
    at = data.rindex(b"PK\x01\x02", 0, data.rindex(name.encode()))
    data[at + 20 : at + 28] = struct.pack("<LL", size, size)
    path.write_bytes(data)


def test_a_member_larger_than_the_file_takes_no_memory(path):
    claim = saved(ARRAYS["order"]).replace(b"(5,), }" + b" " * 8, b"(500000000,), }")
    pack(path, {**unpack(path), "order.npy": claim})
    forge_sizes(path, "order.npy", 128 + 4_000_000_000)

    def attempt():
        with pytest.raises(InputError, match="claims 4,000,000,128 bytes, the file has"):
            load(path, {**EXPECTED, "order": ((500_000_000,), np.int64)})

    assert peak_memory(attempt) < 1_000_000


def peak_memory(action) -> int:
    tracemalloc.start()
    try:
        action()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def bombs(path: Path) -> dict[str, tuple[bytes, dict]]:
    """Small files that claim a lot, and what their reader was made to expect."""
    members = unpack(path)
    zeros = saved(np.zeros(10_000_000, np.float32))
    small = saved(ARRAYS["order"])
    huge = small.replace(b"(5,), }" + b" " * 12, b"(5000000000000,), }")
    names = {f"{i:04}.npy": b"" for i in range(20_000)}
    listing = npy_bytes('{"a": [' + "{}," * 340_000 + "{}]}")
    deflated = {"compression": zipfile.ZIP_DEFLATED, "compresslevel": 9}
    claims = {**EXPECTED, "order": ((5_000_000_000_000,), np.dtype("<i8"))}
    return {
        "compressed zeros": ({**members, "parameters.npy": zeros}, deflated, EXPECTED),
        "a large shape": ({**members, "order.npy": huge}, {}, claims),
        "a large architecture": (members, {}, claims),
        "many members": ({**members, **names}, {}, EXPECTED),
        "a header of many objects": ({**members, "header.npy": listing}, {}, EXPECTED),
    }


@pytest.mark.parametrize(
    "name",
    ["compressed zeros", "a large shape", "a large architecture", "many members",
     "a header of many objects"],
)  # fmt: skip
def test_a_bomb_takes_no_more_memory_than_stated(path, name):
    members, options, expected = bombs(path)[name]
    pack(path, members, **options)

    def attempt():
        with pytest.raises(InputError):
            load(path, expected)

    header = min(len(members["header.npy"]), HEADER_LIMIT["model"])
    # 200,000 bytes are for pytest's record of the error.
    assert peak_memory(attempt) < path.stat().st_size + 2**20 + 32 * header + 200_000


def test_reading_a_model_makes_no_second_copy_of_it(path):
    large = {"parameters": np.ones(5_000_000)}
    write_archive(path, "model", {}, large)
    peak = peak_memory(lambda: load(path, {"parameters": ((5_000_000,), np.float64)}))
    assert peak < path.stat().st_size + 3 * 2**20


# ---- fuzzing ----


def mutants_are_refused_or_valid(path: Path, count: int, seed: int) -> None:
    good, rng = path.read_bytes(), np.random.default_rng(seed)
    original = {name: array.tobytes() for name, array in ARRAYS.items()}
    packed_again = False

    def mutants():
        nonlocal packed_again
        for _ in range(count):
            packed_again = rng.random() < 0.3
            yield (mutated_archive if packed_again else mutated_bytes)(rng, good)

    def read():
        header, arrays = load(path)
        assert {name: (a.shape, a.dtype) for name, a in arrays.items()} == EXPECTED
        assert all(np.isfinite(array).all() for array in arrays.values())
        if not packed_again:  # no byte of the content may change unseen
            assert header == {**HEADER, "format": "numpymlp model", "version": FORMAT_VERSION}
            assert {name: array.tobytes() for name, array in arrays.items()} == original

    _, accepted = attack("archive", path, mutants(), read)
    assert 0 < accepted < count / 2


def test_a_thousand_mutated_archives_are_refused_or_valid(path):
    mutants_are_refused_or_valid(path, 1_000, seed=0)


@pytest.mark.slow
def test_a_hundred_thousand_mutated_archives_are_refused_or_valid(path):
    mutants_are_refused_or_valid(path, 100_000, seed=1)


def test_a_file_that_shrinks_while_it_is_read(path):
    write_archive(path, "model", {}, {"w": np.ones(300_000)})
    with open_archive(path, "model") as archive:
        os.truncate(path, 2_000_000)
        with pytest.raises(InputError, match="truncated or altered"):
            archive.read({"w": ((300_000,), np.float64)})


@pytest.mark.parametrize("kind", ["model", "checkpoint"])
def test_a_file_of_version_1_is_refused_in_one_line(tmp_path, monkeypatch, kind):
    monkeypatch.setattr("numpymlp.storage.archive.FORMAT_VERSION", 1)
    write_archive(tmp_path / "old.npz", kind, HEADER, ARRAYS)
    monkeypatch.undo()
    with pytest.raises(InputError) as caught:
        load(tmp_path / "old.npz", kind=kind)
    assert str(caught.value) == (
        f"{tmp_path / 'old.npz'}: expected format version 2, got 1: it was written by numpymlp "
        f"0.1; train again, or use that version"
    )


def test_members_that_overlap_are_refused_before_memory_is_taken(tmp_path):
    """Python before 3.11.8 reads them: a 20 MiB file could then fill a gigabyte."""
    path, plain = tmp_path / "a.npz", tmp_path / "b.npz"
    inner = saved(np.zeros(2**18))
    pack(plain, {"b.npy": inner})
    local = plain.read_bytes()[: 30 + len("b.npy") + len(inner)]
    pack(path, {"header.npy": npy_bytes("{}"), "a.npy": local})
    content = bytearray(path.read_bytes())
    end = content.rindex(b"PK\5\6")
    start = int.from_bytes(content[end + 16 : end + 20], "little")
    plain_bytes = plain.read_bytes()
    entry = bytearray(plain_bytes[plain_bytes.index(b"PK\1\2") : plain_bytes.rindex(b"PK\5\6")])
    entry[42:46] = content.index(local).to_bytes(4, "little")  # inside the member before it
    entries = bytes(content[start:end]) + bytes(entry)
    tail = bytearray(content[end:])
    tail[8:12] = (3).to_bytes(2, "little") * 2
    tail[12:16] = len(entries).to_bytes(4, "little")
    path.write_bytes(bytes(content[:start]) + entries + bytes(tail))
    with zipfile.ZipFile(path) as archive:
        assert archive.namelist() == ["header.npy", "a.npy", "b.npy"]
    with peak_below(2**19), pytest.raises(InputError, match="its members claim more bytes than"):
        open_archive(path, "model").__enter__()
