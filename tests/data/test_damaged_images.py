"""Image files that are damaged or hostile: refused with little memory, or read."""

import io
import struct
import tomllib
import zlib
from pathlib import Path

import numpy as np
import pytest
from attack import attack
from memory import peak_below
from mutations import mutated_bytes
from PIL import Image

from numpymlp.data import read_digit_image
from numpymlp.validation import InputError


def encoded(image, name, **options):
    buffer = io.BytesIO()
    image.save(buffer, name, **options)
    return buffer.getvalue()


def chunk(kind: bytes, data: bytes) -> bytes:
    checksum = zlib.crc32(kind + data).to_bytes(4, "big")
    return len(data).to_bytes(4, "big") + kind + data + checksum


def png(width: int, height: int) -> bytes:
    """A PNG whose header promises any size, with a few rows of zeros in it."""
    start = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0))
    return (
        b"\x89PNG\r\n\x1a\n"
        + start
        + chunk(b"IDAT", zlib.compress(bytes(1000)))
        + chunk(b"IEND", b"")
    )


SQUARE = Image.fromarray(np.pad(np.zeros((20, 20), np.uint8), 10, constant_values=255))
PNG, JPEG = encoded(SQUARE, "PNG"), encoded(SQUARE, "JPEG")
BAD_FILES = {
    "empty": (b"", "empty file"),
    "text": (b"<html><body>", "PNG, JPEG, GIF or BMP image, got a file that begins with 3c 68"),
    "format left out": (encoded(SQUARE, "TIFF"), "save the picture as PNG"),
    "signature alone": (PNG[:8], "valid PNG image, got: "),
    "png cut off": (PNG[: len(PNG) // 2], "valid PNG image, got: "),
    "png checksum": (PNG[:29] + bytes(4) + PNG[33:], "valid PNG image, got: "),
    "jpeg cut off": (JPEG[: len(JPEG) // 2], "valid JPEG image, got: "),
    "jpeg signature": (JPEG[:3], "valid JPEG image, got: a bad header"),
    "blank": (encoded(Image.new("L", (50, 50), 200), "PNG"), "blank picture"),
    "transparent": (encoded(Image.new("RGBA", (50, 50)), "PNG"), "blank picture"),
    "pixels": (png(5001, 5000), "at most 25,000,000 pixels, 20,000 on a side, got 5001 x 5000"),
    "bomb": (png(2**31 - 1, 2**31 - 1), "valid PNG image, got: .*exceeds limit"),
    "long": (png(20_001, 1), "got 20001 x 1: crop the picture"),
    "no pixels": (png(0, 5), "valid PNG image, got: "),
    "scans": (JPEG[:-2] + b"\xff\xda" * 50 + JPEG[-2:], "at most 50 scans .* got 51"),
    "segments": (
        JPEG[:2] + b"\xff\xe5\0\2" * 10_001 + JPEG[2:],
        r"10,000 other segments in a JPEG, got 1 and 10,0\d\d",
    ),
    "bytes": (PNG + bytes(2**24), "at most 16,777,216 bytes of PNG, got"),
    "gif bytes": (encoded(SQUARE, "GIF") + bytes(2**22), "at most 4,194,304 bytes of GIF, got"),
}


@pytest.mark.parametrize("name", BAD_FILES)
def test_a_bad_image_gets_an_error_that_names_it_and_little_memory(tmp_path, name):
    content, message = BAD_FILES[name]
    path = tmp_path / "the-file"
    path.write_bytes(content)
    with peak_below(2e6), pytest.raises(InputError, match=message) as caught:
        read_digit_image(path)
    assert str(caught.value).startswith(f"{path}: ")


def with_checksums(data: bytes) -> bytes:
    """Repair a PNG's checksums, so that damage reaches the decoder behind them."""
    out, at = bytearray(data[:8]), 8
    while at + 12 <= len(data):
        length = int.from_bytes(data[at : at + 4], "big")
        if at + 12 + length > len(data):
            break
        out += chunk(data[at + 4 : at + 8], data[at + 8 : at + 8 + length])
        at += 12 + length
    return bytes(out + data[at:])


def damaged(rng: np.random.Generator, content: bytes) -> bytes:
    """Damage the header in half of the cases; repair a PNG's checksums in most."""
    end = 120 if rng.random() < 0.5 else len(content)
    data = content[:3] + mutated_bytes(rng, content[3:end]) + content[end:]
    return with_checksums(data) if content[:4] == PNG[:4] and rng.random() < 0.7 else data


def check_mutants(folder, count: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    ring = np.hypot(*np.mgrid[-1:1:40j, -1:1:40j])
    image = Image.fromarray(np.uint8(255 * np.clip(8 * abs(ring - 0.6), 0, 1)))
    exif = Image.Exif()
    exif[0x0112] = 3
    originals = [
        encoded(image, "PNG"),
        encoded(image.convert("RGBA"), "PNG", exif=exif),
        encoded(image.convert("P"), "PNG", transparency=3),
        encoded(Image.fromarray(np.asarray(image).astype(np.uint16) * 257), "PNG"),
        encoded(image, "JPEG", exif=exif),
        encoded(image.convert("RGB"), "JPEG", progressive=True),
        encoded(image, "GIF"),
        encoded(image.convert("RGB"), "BMP"),
        encoded(image, "BMP"),
    ]
    (folder / "folder").mkdir()
    path = folder / "folder" / "mutant"

    def read():
        digit = read_digit_image(path)
        assert digit.shape == (784,)
        assert digit.dtype == np.float32
        assert (digit.min(), digit.max()) == (0, 1)

    mutants = (damaged(rng, originals[i % len(originals)]) for i in range(count))
    _, accepted = attack("image", path, mutants, read, memory=500_000_000)
    assert 0.1 * count < accepted < 0.8 * count


def test_a_thousand_mutated_images_are_refused_or_read(tmp_path):
    check_mutants(tmp_path, 1_000, seed=0)


@pytest.mark.slow
def test_a_hundred_thousand_mutated_images_are_refused_or_read(tmp_path):
    check_mutants(tmp_path, 100_000, seed=1)


@pytest.mark.parametrize(
    ("function", "error"),
    [
        *(("_channels", error) for error in (AttributeError, ImportError, NameError)),
        *(("_gray", error) for error in (TypeError, ValueError, IndexError, ZeroDivisionError)),
    ],
)
def test_a_fault_of_the_program_is_not_called_a_damaged_file(
    tmp_path, monkeypatch, function, error
):
    """Pillow 10.0 lacks `has_transparency_data`: every image was called damaged."""

    def fail(*arguments):
        raise error("a fault of ours")

    Image.new("L", (28, 28), 255).save(tmp_path / "a.png")
    monkeypatch.setattr(f"numpymlp.data.images.{function}", fail)
    with pytest.raises(error):
        read_digit_image(tmp_path / "a.png")


def test_the_version_of_pillow_that_is_needed_is_declared():
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]
    assert "pillow>=10.1" in project["dependencies"]
