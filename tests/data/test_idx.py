import gzip
import hashlib
import time
from pathlib import Path

import numpy as np
import pytest
from attack import attack
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from memory import peak_below
from mutations import mutated_bytes

from numpymlp.data import image_shape, load_folder, load_mnist, read_idx
from numpymlp.data.mnist import MNIST, load_pixels
from numpymlp.validation import InputError

MD5 = {
    "train-images-idx3-ubyte": "6bbc9ace898e44ae57da46a324031adb",
    "train-labels-idx1-ubyte": "a25bea736e30d166cdddb491f175f624",
    "t10k-images-idx3-ubyte": "2646ac647ad5339dbf082846283269ea",
    "t10k-labels-idx1-ubyte": "27ae3e4e09519cfbb04c329615203637",
}
CODES = {"u1": 0x08, "i1": 0x09, "i2": 0x0B, "i4": 0x0C, "f4": 0x0D, "f8": 0x0E}


def header(code: int, *shape: int) -> bytes:
    return bytes([0, 0, code, len(shape)]) + b"".join(n.to_bytes(4, "big") for n in shape)


def idx_bytes(array: np.ndarray) -> bytes:
    code = CODES[array.dtype.str[1:]]
    return header(code, *array.shape) + array.astype(array.dtype.newbyteorder(">")).tobytes()


def write(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


def small_set() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    return {
        "train-images-idx3-ubyte": rng.integers(0, 256, (6, 3, 5), dtype=np.uint8),
        "train-labels-idx1-ubyte": rng.integers(0, 10, 6, dtype=np.uint8),
        "t10k-images-idx3-ubyte": rng.integers(0, 256, (2, 3, 5), dtype=np.uint8),
        "t10k-labels-idx1-ubyte": rng.integers(0, 10, 2, dtype=np.uint8),
    }


def write_set(folder: Path, arrays: dict[str, np.ndarray]) -> Path:
    folder.mkdir(exist_ok=True)
    for name, array in arrays.items():
        write(folder / name, idx_bytes(array))
    return folder


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder for the Hypothesis tests, which may not use one fixture per example."""
    return tmp_path_factory.mktemp("idx")


# ---- MNIST ----


@pytest.mark.parametrize("name", MD5)
def test_the_mnist_files_are_the_authors_own_byte_for_byte(name):
    content = gzip.decompress((MNIST / f"{name}.gz").read_bytes())
    assert hashlib.md5(content).hexdigest() == MD5[name]


def test_licence_and_notice_are_stored_beside_the_data():
    assert "Yann LeCun, Corinna Cortes and Christopher J. C. Burges" in (
        MNIST / "NOTICE.txt"
    ).read_text(encoding="utf-8")
    licence = (MNIST / "LICENSE-CC-BY-SA-3.0.txt").read_text(encoding="utf-8")
    assert "Attribution-ShareAlike 3.0 Unported" in licence
    assert len(licence) > 20_000


def test_load_mnist_gives_arrays_ready_for_training_and_is_lean():
    # 220 MB of float32 images, while the 47 MB of bytes of the training images are in memory.
    with peak_below(275e6):
        (x_train, y_train), (x_test, y_test) = load_mnist()
    assert (x_train.shape, x_test.shape) == ((60_000, 784), (10_000, 784))
    assert (y_train.shape, y_test.shape) == ((60_000,), (10_000,))
    for x, y in ((x_train, y_train), (x_test, y_test)):
        assert (x.dtype, y.dtype) == (np.float32, np.int64)
        assert (x.min(), x.max()) == (0, 1)
        assert set(y) == set(range(10))
        assert x.flags.c_contiguous

    # Independent of the reader: offsets into the raw file, by the definition of the format.
    raw = gzip.decompress((MNIST / "t10k-images-idx3-ubyte.gz").read_bytes())
    last = np.frombuffer(raw, np.uint8, offset=16 + 9_999 * 784)
    np.testing.assert_array_equal(x_test[-1], (last / 255).astype(np.float32))
    # The class sizes that the data set is known for.
    np.testing.assert_array_equal(
        np.bincount(y_test), [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]
    )


def test_mnist_as_pixels_takes_its_bytes_and_reads_as_the_same_floats():
    with peak_below(60e6):
        sets = load_pixels(MNIST)
    for (pixels, labels), (x, y) in zip(sets, load_mnist(), strict=True):
        np.testing.assert_array_equal(labels, y)
        np.testing.assert_array_equal(pixels[::7], x[::7])


# ---- read_idx: every type and rank ----


@given(
    array=st.sampled_from(sorted(CODES)).flatmap(
        lambda code: hnp.arrays(code, hnp.array_shapes(min_dims=0, max_dims=6, min_side=0))
    ),
    compressed=st.booleans(),
)
def test_every_type_and_rank_comes_back_as_written(folder, array, compressed):
    content = idx_bytes(array)
    path = write(folder / "a", gzip.compress(content) if compressed else content)
    back = read_idx(path)
    assert back.dtype == array.dtype
    assert back.dtype.isnative
    assert back.shape == array.shape
    np.testing.assert_array_equal(back, array)
    assert back.flags.writeable


def test_image_shape_needs_only_the_header(tmp_path):
    folder = write_set(tmp_path / "set", small_set())
    assert image_shape(folder) == (3, 5)
    assert load_folder(folder)[0][0].shape == (6, 15)
    with pytest.raises(InputError, match="expected the four files"):
        image_shape(tmp_path)


def test_the_values_of_a_file_written_by_hand(tmp_path):
    content = b"\0\0\x0b\x02" + b"\0\0\0\x01" + b"\0\0\0\x03" + b"\x01\x02" + b"\xff\xff" + b"\0\0"
    np.testing.assert_array_equal(read_idx(write(tmp_path / "a", content)), [[258, -1, 0]])


def test_rank_64_is_read_and_65_refused(tmp_path):
    assert read_idx(write(tmp_path / "a", header(8, *[1] * 64) + b"\7")).shape == (1,) * 64
    with pytest.raises(InputError, match="at most 64 dimensions, got 65"):
        read_idx(write(tmp_path / "b", header(8, *[1] * 65) + b"\7"))


def test_gzip_of_several_members_and_zero_padding_is_whole(tmp_path):
    content = idx_bytes(np.arange(1000, dtype=np.int32))
    packed = gzip.compress(content[:1500]) + gzip.compress(content[1500:]) + bytes(9)
    np.testing.assert_array_equal(read_idx(write(tmp_path / "a", packed)), np.arange(1000))


@pytest.mark.parametrize("extra", [b"", bytes(9), b"rest", gzip.compress(b"more", mtime=0)])
def test_one_member_is_read_alike_with_and_without_gzip(tmp_path, monkeypatch, extra):
    """A file of one member takes a faster way, which must refuse and return the same."""
    content = idx_bytes(np.arange(10**6, dtype=np.int32))
    path, found = write(tmp_path / "a", gzip.compress(content, 1) + extra), []
    for faster in (True, False):
        if not faster:
            monkeypatch.setattr("numpymlp.data.idx._read_member", lambda *_: False)
        try:
            found.append(read_idx(path).tobytes())
        except InputError as error:
            found.append(str(error))
    assert found[0] == found[1]
    assert isinstance(found[0], bytes) == (not extra.strip(b"\0"))


def test_values_that_compress_well_take_no_more_memory(tmp_path):
    path = write(tmp_path / "a", gzip.compress(idx_bytes(np.zeros((4000, 2500), np.uint8))))
    with peak_below(10e6 + 4 * 2**20):
        assert not read_idx(path).any()


def test_a_text_path_and_a_name_without_gz_are_read(tmp_path):
    path = write(tmp_path / "no-ending", gzip.compress(idx_bytes(np.arange(3, dtype=np.uint8))))
    np.testing.assert_array_equal(read_idx(str(path)), [0, 1, 2])


# ---- read_idx: every fault names the file ----

GOOD = idx_bytes(np.arange(100, dtype=np.uint8))
PACKED = gzip.compress(GOOD)
BAD_FILES = {
    "empty": (b"", "empty file"),
    "one byte": (b"\0", "got 00"),
    "text": (b"<!DOCTYPE html><html>", r"got 3c 21 44 4f.*web page"),
    "unknown type": (header(0x0A, 1) + b"\0", "IDX type among 08, 09, 0b, 0c, 0d, 0e, got 0a"),
    "half a header": (header(8, 2, 3)[:9], r"header of 12 bytes for 2 dimensions, got 9"),
    "truncated": (GOOD[:-1], r"expected 108 bytes for uint8 of shape \(100,\), got 107"),
    "no values": (GOOD[:8], "got 8: the file is truncated"),
    "trailing byte": (GOOD + b"\0", "expected 108 bytes .*, got more: the header"),
    "absurd size": (header(0x0E, *[2**32 - 1] * 3), "at most 1,073,741,824 bytes"),
    "absurd size of nothing": (header(8, 0, *[2**32 - 1] * 3), "at most 1,073,741,824 bytes"),
    "large for its file": (header(8, 2**30), "expected 1,073,741,832 bytes .*, got 8"),
    "gzip: cut in the header": (PACKED[:8], "truncated"),
    "gzip: cut in the values": (PACKED[:-20], "truncated"),
    "gzip: cut in the checksum": (PACKED[:-5], "truncated"),
    "gzip: wrong checksum": (PACKED[:-8] + bytes(4) + PACKED[-4:], "CRC check failed"),
    "gzip: wrong length": (PACKED[:-4] + bytes(4), "Incorrect length"),
    "gzip: trailing garbage": (PACKED + b"garbage", "Not a gzipped file"),
    "gzip: two bytes": (b"\x1f\x8b", "truncated"),
    "gzip: damaged stream": (PACKED[:10] + b"\xff" * 40 + PACKED[50:], "Error -3"),
    "gzip: nothing in it": (gzip.compress(b""), "got nothing"),
    "gzip: short values": (gzip.compress(GOOD[:-1]), "got 107: the file is truncated"),
    "gzip: long values": (gzip.compress(GOOD + b"\0"), "got more: the header"),
    "gzip: lies about length": (
        gzip.compress(GOOD[:-1])[:-4] + len(GOOD).to_bytes(4, "little"),
        "Incorrect length",
    ),
    "gzip: large for its file": (
        gzip.compress(header(8, 2**29)),
        r"expected 536,870,920 bytes .*, got \d\d compressed, which cannot hold as many",
    ),
    "gzip: large for its file and lies": (
        gzip.compress(header(8, 2**29))[:-4] + (2**29 + 8).to_bytes(4, "little"),
        "which cannot hold as many",
    ),
    "gzip: bomb": (gzip.compress(header(8, 10) + bytes(20_000_000)), "got more"),
}


@pytest.mark.parametrize("name", BAD_FILES)
def test_a_bad_file_gets_an_error_that_names_it_before_memory_is_taken(tmp_path, name):
    content, message = BAD_FILES[name]
    path = write(tmp_path / "the-file", content)
    with peak_below(2e6), pytest.raises(InputError, match=message) as caught:
        read_idx(path)
    assert str(path) in str(caught.value)


def test_half_of_mnist_is_refused_before_memory_is_taken(tmp_path):
    content = (MNIST / "t10k-images-idx3-ubyte.gz").read_bytes()
    path = write(tmp_path / "cut.gz", content[: len(content) // 2])
    # Of the 7.8 MB that the header promises, 3.9 MB are in the file.
    with peak_below(4e6), pytest.raises(InputError, match="truncated"):
        read_idx(path)


def test_max_bytes_is_the_bound_on_the_values(tmp_path):
    path = write(tmp_path / "a", GOOD)
    assert read_idx(path, max_bytes=100).shape == (100,)
    with pytest.raises(InputError, match=r"at most 99 bytes .* raise max_bytes"):
        read_idx(path, max_bytes=99)


# ---- load_folder ----


@pytest.mark.parametrize(
    "name",
    ["{}", "{}.gz", "emnist-letters-{}.gz"],
)
@pytest.mark.parametrize("dotted", [False, True])
@pytest.mark.parametrize("t10k", ["t10k", "test"])
def test_a_folder_of_four_files_by_their_usual_names(tmp_path, name, dotted, t10k):
    arrays = small_set()
    for canonical, array in arrays.items():
        file_name = name.format(canonical.replace("t10k", t10k))
        file_name = file_name.replace("-idx", ".idx") if dotted else file_name
        packed = gzip.compress if file_name.endswith(".gz") else bytes
        write(tmp_path / file_name, packed(idx_bytes(array)))
    write(tmp_path / "README.md", b"no data")
    (x_train, y_train), (x_test, y_test) = load_folder(tmp_path)
    for images, labels, x, y in (
        ("train-images-idx3-ubyte", "train-labels-idx1-ubyte", x_train, y_train),
        ("t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte", x_test, y_test),
    ):
        assert x.dtype == np.float32
        assert x.shape == (len(arrays[images]), 15)
        np.testing.assert_allclose(x * 255, arrays[images].reshape(-1, 15), rtol=1e-6)
        assert y.dtype == np.int64
        np.testing.assert_array_equal(y, arrays[labels])


def test_the_plain_file_is_read_where_both_are_there(tmp_path):
    write_set(tmp_path, small_set())
    write(tmp_path / "train-labels-idx1-ubyte.gz", b"not gzip")
    (_, y_train), _ = load_folder(tmp_path)
    np.testing.assert_array_equal(y_train, small_set()["train-labels-idx1-ubyte"])


def test_a_folder_of_the_other_spelling_hides_no_file(tmp_path):
    write_set(tmp_path, {n.replace("-idx", ".idx"): array for n, array in small_set().items()})
    for name in small_set():
        (tmp_path / name).mkdir()
    write(tmp_path / "train-labels-idx1-ubyte.gz", b"not gzip")
    (_, y_train), _ = load_folder(tmp_path)
    np.testing.assert_array_equal(y_train, small_set()["train-labels-idx1-ubyte"])


def test_one_of_several_data_sets_is_chosen_by_name(tmp_path):
    letters = {f"emnist-letters-{name}": array for name, array in small_set().items()}
    digits = {f"emnist-digits-{name}": array // 2 for name, array in small_set().items()}
    write_set(tmp_path, letters | digits)
    (_, y_train), _ = load_folder(tmp_path, variant="emnist-digits")
    np.testing.assert_array_equal(y_train, digits["emnist-digits-train-labels-idx1-ubyte"])
    with pytest.raises(InputError, match=r"got 2: .*variant='emnist-digits' or 'emnist-letters'"):
        load_folder(tmp_path)
    with pytest.raises(InputError, match="missing train-images"):
        load_folder(tmp_path, variant="emnist-balanced")


def swap(arrays, a, b):
    arrays[a], arrays[b] = arrays[b], arrays[a]


BAD_SETS = {
    "train swapped": (
        lambda a: swap(a, "train-images-idx3-ubyte", "train-labels-idx1-ubyte"),
        r"train-images-idx3-ubyte: expected images.*got uint8 of shape \(6,\): were images and",
    ),
    "images as labels": (
        lambda a: a.update({"t10k-labels-idx1-ubyte": np.zeros((2, 3, 5), np.uint8)}),
        r"t10k-labels-idx1-ubyte: expected labels.*\(2, 3, 5\): were images and labels swapped",
    ),
    "labels of other count": (
        lambda a: a.update({"t10k-labels-idx1-ubyte": np.zeros(3, np.uint8)}),
        "t10k-labels-idx1-ubyte: expected 2 labels, one for each .*, got 3",
    ),
    "images of other size": (
        lambda a: a.update({"t10k-images-idx3-ubyte": np.zeros((2, 5, 3), np.uint8)}),
        r"t10k-images-idx3-ubyte: expected images of \(3, 5\) pixels .*, got \(5, 3\)",
    ),
    "images of floats": (
        lambda a: a.update({"train-images-idx3-ubyte": np.zeros((6, 3, 5), np.float32)}),
        "expected images, uint8 .*, got float32",
    ),
    "labels of floats": (
        lambda a: a.update({"train-labels-idx1-ubyte": np.zeros(6, np.float64)}),
        "expected labels, integers .*, got float64",
    ),
    "no samples": (
        lambda a: a.update({"train-images-idx3-ubyte": np.zeros((0, 3, 5), np.uint8)}),
        "expected at least one sample",
    ),
    "no pixels": (
        lambda a: a.update({"t10k-images-idx3-ubyte": np.zeros((2, 0, 5), np.uint8)}),
        "expected at least one sample",
    ),
    "a file missing": (
        lambda a: a.pop("t10k-labels-idx1-ubyte"),
        "expected the four files .*; missing t10k-labels; the folder holds t10k-images",
    ),
    "all missing": (lambda a: a.clear(), "missing train-images, train-labels.*holds nothing"),
}


@pytest.mark.parametrize("name", BAD_SETS)
def test_files_that_do_not_belong_together_are_named(tmp_path, name):
    change, message = BAD_SETS[name]
    arrays = small_set()
    change(arrays)
    with pytest.raises(InputError, match=message):
        load_folder(write_set(tmp_path, arrays))


def test_all_headers_are_checked_before_any_values_are_read(tmp_path):
    arrays = small_set()
    arrays["train-images-idx3-ubyte"] = np.zeros((6, 2000, 2000), np.uint8)
    write_set(tmp_path, arrays)
    write(tmp_path / "t10k-labels-idx1-ubyte", b"<html>")
    with peak_below(2e6), pytest.raises(InputError, match="t10k-labels"):
        load_folder(tmp_path)


@pytest.mark.parametrize("part", ["train", "t10k"])
def test_values_that_are_damaged_are_named_whichever_thread_reads_them(tmp_path, part):
    folder = write_set(tmp_path / "set", small_set())
    path = folder / f"{part}-images-idx3-ubyte"
    packed = bytearray(gzip.compress(path.read_bytes()))
    packed[-6] ^= 1  # of the checksum
    write(path, bytes(packed))
    with pytest.raises(InputError, match=f"{part}-images-idx3-ubyte: expected a valid gzip file"):
        load_folder(folder)


def test_what_is_no_folder_is_named(tmp_path):
    file = write(tmp_path / "file", b"x")
    for path, message in [
        (tmp_path / "missing", "expected a folder with train-images.*got nothing"),
        (file, "expected a folder with train-images.*got a file"),
        ("nul\0byte", "expected a readable folder, got: "),
    ]:
        with pytest.raises(InputError, match=message):
            load_folder(path)


# ---- mutated files: only the documented error or a valid result ----


def damaged(rng: np.random.Generator, content: bytes) -> bytes:
    """Damage the header in half of the cases, because most faults are there."""
    end = 20 if rng.random() < 0.5 else len(content)
    return mutated_bytes(rng, content[:end]) + content[end:]


def check_mutants(folder: Path, count: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    originals = [idx_bytes(rng.integers(0, 100, (2, 3, 4)).astype(code)) for code in sorted(CODES)]
    originals += [gzip.compress(content) for content in originals]
    originals += [gzip.compress(bytes([0, 0, 8, 1, 0, 0, 0, 200]) + bytes(200), 0)]
    (folder / "folder").mkdir()
    path = folder / "folder" / "mutant"

    def read():
        array, content = read_idx(path), path.read_bytes()
        raw = gzip.decompress(content) if content[:2] == b"\x1f\x8b" else content
        assert idx_bytes(array) == raw

    mutants = (damaged(rng, originals[i % len(originals)]) for i in range(count))
    _, accepted = attack("IDX file", path, mutants, read)
    assert 0 < accepted < 0.7 * count


def test_a_thousand_mutated_files_are_refused_or_read(tmp_path):
    check_mutants(tmp_path, 1_000, seed=0)


@pytest.mark.slow
def test_a_hundred_thousand_mutated_files_are_refused_or_read(tmp_path):
    check_mutants(tmp_path, 100_000, seed=1)


def test_a_gzip_file_of_very_many_members_is_refused_at_once(tmp_path):
    """300,000 empty members in 6 MB took half a minute."""
    path = tmp_path / "a.gz"
    whole = gzip.compress(np.array([0, 0, 8, 1, 0, 0, 0, 1, 5], np.uint8).tobytes())
    path.write_bytes(gzip.compress(b"") * 300_000 + whole)
    began = time.monotonic()
    with pytest.raises(InputError, match="expected at most 5,000 gzip members"):
        read_idx(path)
    assert time.monotonic() - began < 1
    path.write_bytes(gzip.compress(b"") * 4_000 + whole)
    assert read_idx(path).tolist() == [5]


def test_names_are_shown_without_control_characters(tmp_path):
    folder = tmp_path / "a\n\x1b[2J"
    folder.mkdir()
    (folder / ("x" * 200 + "\r")).touch()
    for read in (load_folder, read_idx):
        with pytest.raises(InputError, match=r"a\\n\\x1b\[2J") as caught:
            read(folder)
        assert str(caught.value).isprintable()
