"""Prepare pictures of digits as MNIST's were, so that a network trained on MNIST can read them.

MNIST's digits are light ink on black, cropped, fitted into 20 x 20 pixels, and centred by mass in
28 x 28. Even a good network fails on pictures without this preparation. `prepare_digit` takes an
array and needs only NumPy; `read_digit_image` reads a file, with limits on memory and time.
"""

from __future__ import annotations

import io
import os
import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import ArrayLike, NDArray

from numpymlp.data.background import (
    MIN_CONTRAST,
    averaging,
    with_even_paper,
    without_edges,
    without_frame,
)
from numpymlp.data.files import regular_file
from numpymlp.storage.files import shown
from numpymlp.validation import InputError, as_array

if TYPE_CHECKING:
    from PIL.Image import Image

SIDE = 28
BOX = 20
LINES = 0.6  # of the strongest ink: stronger marks at the border are ink
MARGIN = 1.2
EDGE = 0.3  # of the strongest ink: weaker ink does not widen the crop

# By the first bytes: the decoder and the maximum size in bytes. Other formats that Pillow reads
# are left out, because a small file can make their decoders take gigabytes or minutes.
FORMATS = {
    b"\x89PNG\r\n\x1a\n": ("PNG", 2**24),
    b"\xff\xd8\xff": ("JPEG", 2**24),
    b"BM": ("BMP", 2**24),
    b"GIF8": ("GIF", 2**22),
}
THUMBNAIL = 400
MAX_PIXELS = 25_000_000
MAX_SIDE = 20_000
# Encoders write about ten scans and as many segments; Pillow keeps every segment in memory.
MAX_JPEG_SCANS = 50
MAX_JPEG_SEGMENTS = 10_000


class BlankError(InputError):
    """A picture in which nothing differs from its border."""


def prepare_digit(gray: ArrayLike) -> NDArray[np.float32]:
    """Prepare a picture of one digit as MNIST's digits were prepared.

    A uniform frame, as round a screenshot or a box of a form, is removed, whatever its width and
    colour, and on as many sides as it has. The background is the median of the border, so dark on
    light and light on dark both
    work. Ink is what differs from it; noise as strong as the border's, and specks of one or two
    pixels, are ignored. The ink is cropped, its longer side scaled to 20 pixels by area averaging,
    its strongest pixel scaled to 1, and its centre of mass placed within half a pixel of row 14,
    column 14 of a 28 x 28 image, as in MNIST, or as near as the image's edges allow.

    Parameters
    ----------
    gray : array_like (rows, columns)
        Gray values: floats from 0 to 1, or integers from 0 to 255. Any size.

    Returns
    -------
    ndarray of float32 (784,)
        The digit in [0, 1], background 0: one row of `x`.

    Raises
    ------
    InputError
        If `gray` is no such array, or nothing differs from its border by a tenth of full scale.

    References
    ----------
    Y. LeCun, L. Bottou, Y. Bengio, P. Haffner, "Gradient-based learning applied to document
    recognition", Proceedings of the IEEE 86 (11), 1998, section III.A.
    """
    return _prepared(_as_unit_gray(gray))


def read_digit_image(path: str | os.PathLike[str]) -> NDArray[np.float32]:
    """Read a picture of one digit from a PNG, JPEG, GIF or BMP file.

    Any size and any mode work: colour, 8-bit or 16-bit gray, palette, black and white,
    transparent (on white, or on black if nothing is visible on white). The EXIF orientation is
    applied; of an animation, the first frame is read.

    Parameters
    ----------
    path : str or PathLike
        The file: at most 25 million pixels, 20,000 on a side, 16 MiB (GIF: 4 MiB). Within these
        limits, reading takes at most 500 MB and a few seconds.

    Returns
    -------
    ndarray of float32 (784,)
        The digit as `prepare_digit` returns it.

    Raises
    ------
    InputError
        If the file is missing, in another format, damaged, over the limits, or blank.
    """
    return _of_file(path, _prepared)


class Picture(NamedTuple):
    """What `read_picture` finds in an image file.

    Attributes
    ----------
    gray : ndarray (rows, columns)
        The picture from 0 to 1, its longer side shrunk to at most 400 pixels.
    box : (top, bottom, left, right) or None
        Where the ink is, in pixels of `gray`; None if the picture is blank.
    digit : ndarray of float32 (784,) or None
        The ink as `prepare_digit` returns it.
    parts : int
        Number of separate shapes side by side, each at least 0.6 times as high as the highest.
    """

    gray: NDArray[np.float32]
    box: tuple[float, float, float, float] | None
    digit: NDArray[np.float32] | None
    parts: int


def read_picture(path: str | os.PathLike[str]) -> Picture:
    """Read a picture as `read_digit_image` does, and keep what the digit was made from.

    Parameters
    ----------
    path : str or PathLike
        See `read_digit_image`, also for limits and errors; a blank picture is no error here.

    Returns
    -------
    Picture
    """
    return _of_file(path, _looked_at)


def _looked_at(gray: NDArray[np.float32]) -> Picture:
    shrunk = _fit(gray, min(THUMBNAIL, max(gray.shape)))
    try:
        ink = _found(gray)
    except BlankError:
        return Picture(shrunk, None, None, 0)
    # The ink is a view into the picture: its address says where it lies.
    top, left = divmod((ink.ctypes.data - gray.ctypes.data) // gray.itemsize, gray.shape[1])
    (rows, columns), (high, wide) = ink.shape, gray.shape
    down, right = shrunk.shape[0] / high, shrunk.shape[1] / wide
    box = (top * down, (top + rows) * down, left * right, (left + columns) * right)
    return Picture(shrunk, box, _placed(ink), _side_by_side(ink))


def _of_file(path: str | os.PathLike[str], use: Callable[[NDArray[np.float32]], Any]) -> Any:
    """Return what a function makes of the gray values in a file; its errors name the file."""
    path, size = regular_file(path, "an image file")
    try:
        with path.open("rb") as file:
            start = file.read(8)
            name, max_bytes = next(
                (f for magic, f in FORMATS.items() if start.startswith(magic)), ("", 0)
            )
            if not name:
                raise InputError(
                    f"expected a PNG, JPEG, GIF or BMP image, got a file that begins with "
                    f"{start.hex(' ')}: save the picture as PNG"
                )
            if size > max_bytes:
                raise InputError(f"expected at most {max_bytes:,} bytes of {name}, got {size:,}")
            content = start + file.read(size)
        return use(_gray(*_decoded(content, name)))
    except InputError as error:
        raise InputError(f"{shown(path)}: {shown(error, 600)}") from None
    except OSError as error:
        raise InputError(f"{shown(path)}: expected a readable file, got: {error}") from None


def _decoded(content: bytes, name: str) -> tuple[NDArray[Any], NDArray[Any] | None]:
    """Return the gray values of an image file, 8 or 16 bits, and its alpha channel, if any.

    Only Pillow's part is here: an exception in it means a damaged file.
    """
    from PIL import Image, ImageOps, UnidentifiedImageError

    if name == "JPEG":
        _check_jpeg(content)
    with warnings.catch_warnings():
        # Pillow's warnings are harmless here (odd metadata) or checked below (many pixels).
        warnings.simplefilter("ignore")
        try:
            with Image.open(io.BytesIO(content), formats=[name]) as image:
                width, height = image.size
                if width * height <= MAX_PIXELS and max(width, height) <= MAX_SIDE:
                    ImageOps.exif_transpose(image, in_place=True)
                    return _channels(image)
        except (AttributeError, ImportError, NameError):
            raise  # a fault of the program or an old Pillow, not of the file
        # Decoders raise almost any other exception for damaged bytes.
        except Exception as error:
            # Pillow's message for an unreadable header shows only a memory address.
            fault = "a bad header" if isinstance(error, UnidentifiedImageError) else error
            raise InputError(
                f"expected a valid {name} image, got: {fault}: is it damaged or cut off?"
            ) from None
    raise InputError(
        f"expected at most {MAX_PIXELS:,} pixels, {MAX_SIDE:,} on a side, got {width} x {height}: "
        "crop the picture to the digit or shrink it"
    )


def _check_jpeg(content: bytes) -> None:
    """Refuse a small JPEG that is costly to decode: every scan is a pass over the whole image."""
    pair = np.frombuffer(content, np.uint8)
    kinds = pair[1:][pair[:-1] == 0xFF]
    scans, segments = np.count_nonzero(kinds == 0xDA), np.count_nonzero(kinds >= 0xDB)
    if scans > MAX_JPEG_SCANS or segments > MAX_JPEG_SEGMENTS:
        raise InputError(
            f"expected at most {MAX_JPEG_SCANS} scans and {MAX_JPEG_SEGMENTS:,} other segments in "
            f"a JPEG, got {scans:,} and {segments:,}"
        )


def _channels(image: Image) -> tuple[NDArray[Any], NDArray[Any] | None]:
    """Return the gray values of an image of any mode, and its alpha channel."""
    if image.mode.startswith("I"):  # 16 bits
        return np.asarray(image), None
    if not image.has_transparency_data:
        return np.asarray(image.convert("L")), None
    rgba = image if image.mode == "RGBA" else image.convert("RGBA")
    return np.asarray(rgba.convert("L")), np.asarray(rgba.getchannel("A"))


def _gray(values: NDArray[Any], channel: NDArray[Any] | None) -> NDArray[np.float32]:
    """Return gray values and an alpha channel as gray values (rows, columns) from 0 to 1."""
    gray = np.divide(values, 255 if values.dtype == np.uint8 else 65535, dtype=np.float32)
    if channel is None:
        return gray
    alpha = np.divide(channel, 255, dtype=np.float32)
    on_black = np.multiply(gray, alpha, out=gray)
    on_white = np.subtract(1, alpha, out=alpha)
    on_white += on_black
    return on_white if np.ptp(on_white) >= MIN_CONTRAST else on_black


def _as_unit_gray(gray: ArrayLike) -> NDArray[np.float32]:
    """Check a picture and return it as float32 in [0, 1]."""
    values = as_array(gray, "gray values")
    if values.ndim != 2 or values.size == 0:
        fix = {
            1: ": a flat row needs reshape(28, 28)",
            3: ": average the colours, image[..., :3].mean(axis=2).astype(image.dtype)",
        }.get(values.ndim, "")
        raise InputError(f"expected gray values of shape (rows, columns), got {values.shape}{fix}")
    if values.dtype.kind not in "fiub":
        raise InputError(f"expected gray values as floats or integers, got {values.dtype}")
    top = 255 if values.dtype.kind in "iu" else 1
    low, high = values.min(), values.max()
    if not (low >= 0 and high <= top):  # false for NaN too
        raise InputError(
            f"expected gray values from 0 to {top} for {values.dtype}, got {low} to {high}: "
            "integers count to 255, floats to 1"
        )
    return np.divide(values, top, dtype=np.float32)


def _prepared(gray: NDArray[np.float32]) -> NDArray[np.float32]:
    """Prepare a digit, overwriting `gray` so that a large picture is not held twice."""
    return _placed(_found(gray))


def _found(gray: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the ink, cropped: a view into `gray`, which is overwritten."""
    return _ink(with_even_paper(without_edges(without_frame(gray))))


def _placed(ink: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return cropped ink as an image (784,), scaled and centred."""
    digit = _fit(ink, BOX)
    digit /= digit.max()
    return _centred(digit).reshape(-1)


def _ink(gray: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the ink, cropped: background 0, strongest ink 1.

    `gray` is overwritten, and the result is a view into it.
    """
    border = np.concatenate([gray[0], gray[-1], gray[1:-1, 0], gray[1:-1, -1]])
    background = np.median(border)
    # The medians are robust while less than half of the border is ink; the factor 1.48 turns the
    # median deviation into the standard deviation of Gaussian noise.
    noise = 4 * 1.48 * float(np.median(np.abs(border - background)))
    ink = gray
    ink -= background
    # Cubes keep the sign, and strokes outweigh shading; einsum needs no temporary array.
    if np.einsum("ij,ij,ij->", ink, ink, ink) < 0:
        np.negative(ink, out=ink)
    np.maximum(ink, 0, out=ink)
    # Ruled lines reach opposite sides, and are weaker than the ink.
    top, bottom, left, right = (side.max() for side in (ink[0], ink[-1], ink[:, 0], ink[:, -1]))
    lines = MARGIN * float(max(min(top, bottom), min(left, right)))
    strongest = float(ink.max())
    if lines < LINES * strongest:  # stronger
        noise = max(noise, lines)
    solid = _without_specks(ink > max(min(noise, strongest / 2), MIN_CONTRAST / 4))
    # Without specks, which may be darker than the digit.
    contrast = float(ink.max(where=solid, initial=0))
    noise = min(noise, contrast / 2)
    seen = _without_specks(ink > max(noise, EDGE * contrast))
    rows, columns = np.flatnonzero(seen.any(axis=1)), np.flatnonzero(seen.any(axis=0))
    if contrast < MIN_CONTRAST or len(rows) == 0:
        raise BlankError(
            f"expected a digit that differs from the border by at least {MIN_CONTRAST:.0%} of full "
            f"scale, got a blank picture (contrast {contrast:.0%})"
        )
    cropped = ink[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    cropped /= contrast
    np.minimum(cropped, 1, out=cropped)
    cropped[cropped < noise / contrast] = 0
    return cropped


def _without_specks(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Keep the pixels that have at least two neighbours among the 3 x 3 around them."""
    padded = np.pad(mask.view(np.uint8), 1)
    across = padded[:, :-2] + padded[:, 1:-1] + padded[:, 2:]
    around = across[:-2] + across[1:-1] + across[2:]
    return mask & (around >= 3)


def _side_by_side(ink: NDArray[np.float32]) -> int:
    """Count the separate shapes side by side, without dots and bars, as 5 may have one."""
    mask = _fit(ink, min(64, max(ink.shape))) > EDGE
    labels = np.where(mask, np.arange(1, mask.size + 1).reshape(mask.shape), 0)
    before = np.zeros_like(labels)
    while (labels != before).any():  # the largest label spreads over each connected shape
        before = labels
        around = sliding_window_view(np.pad(labels, 1), (3, 3)).max(axis=(2, 3))
        labels = np.where(mask, around, 0)
    shapes = []
    for label in np.unique(labels[mask]):
        rows, columns = np.nonzero(labels == label)
        shapes.append((columns.min(), columns.max() + 1, np.ptp(rows) + 1))
    highest = max((height for *_, height in shapes), default=0)
    count, end, width = 0, 0, 0
    for first, last, height in sorted(shapes):
        if height < 0.6 * highest:
            continue
        # Shapes that share half of their columns belong to one digit, as the two parts of a 4.
        if count == 0 or end - first < min(width, last - first) / 2:
            count, end, width = count + 1, last, last - first
        else:
            end = max(end, last)
    return max(count, 1)


def _fit(ink: NDArray[np.float32], box: int) -> NDArray[np.float32]:
    """Scale the longer side to `box` pixels, keeping the aspect ratio, by area averaging."""
    rows, columns = ink.shape
    scale = box / max(rows, columns)
    vertical = averaging(rows, max(1, round(rows * scale)))
    horizontal = averaging(columns, max(1, round(columns * scale)))
    # (new rows, rows) @ (rows, columns) @ (columns, new columns)
    return np.linalg.multi_dot([vertical, ink, horizontal.T])


def _centred(digit: NDArray[np.float32]) -> NDArray[np.float32]:
    """Place the digit so that its centre of mass is nearest to row 14, column 14."""
    image = np.zeros((SIDE, SIDE), np.float32)
    place = []
    for axis in (0, 1):
        length = digit.shape[axis]
        mass = digit.sum(axis=1 - axis)
        centre = mass @ np.arange(length) / mass.sum()
        start = int(np.clip(round(SIDE / 2 - centre), 0, SIDE - length))
        place.append(slice(start, start + length))
    image[place[0], place[1]] = digit
    return image
