"""Remove what surrounds a digit in a picture: frames, stripes at the sides, uneven light.

`prepare_digit` in `images` calls the three functions in this order. A picture on even paper
without a frame passes all three unchanged, bit for bit.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

MIN_CONTRAST = 0.1  # of the full scale
UNIFORM = 0.9  # of each side of a frame has its colour
CLEAR = 0.95  # of the line between a stripe and the ink is paper
UNEVEN = 0.05  # of the full scale: how much even paper may vary
LIGHT = 0.95  # of the contrast of all: a stronger change along the border is ink
SHRUNK = 64  # pixels: the longer side of the copy on which the paper is estimated
WINDOW = 0.3  # of the longer side: wider than a stroke, also that of a marker
DARKEST = 0.05  # of the full scale: light weaker than this is not divided by


def without_frame(gray: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the picture inside its uniform frames, as a view; without a frame, all of it.

    A frame encloses a border of another uniform colour, the paper. Paper encloses ink, whose
    bounding box has no such border. If the search ends in a blank picture, that is a rectangle of
    ink on its paper; or the hole of a ring, with the paper outside, where ring and paper are not a
    frame and its paper: the hole has the paper's colour, and the ring is thinner than the margin.
    """
    inside, found = gray, [(gray, np.inf)]  # pictures with uniform borders, and their colours
    while inside.size:
        sides = inside[0], inside[-1], inside[:, 0], inside[:, -1]
        colour = float(np.median(np.concatenate(sides)))
        alike = (np.mean(np.abs(side - colour) < MIN_CONTRAST) for side in sides)
        if min(alike) < UNIFORM or abs(colour - found[-1][1]) < MIN_CONTRAST:
            return found[-1][0]
        found.append((inside, colour))
        # Whole lines first, so that a wide frame does not outweigh what it encloses.
        inside = _inside(_inside(inside, colour, 1.0), colour, UNIFORM)
    (outer, first), (middle, _), (inner, last) = ([found[0]] * 2 + found[1:])[-3:]
    thin = 2 * (len(outer) - len(middle)) <= len(middle) - len(inner)
    return middle if thin or abs(first - last) >= MIN_CONTRAST else outer


def without_edges(gray: NDArray[np.float32]) -> NDArray[np.float32]:
    """Cut off stripes along one to three sides: a frame that lacks a side, the edge of a scan.

    The colour of another side is the paper. Paper lies between a stripe and the ink; without it,
    the stripe is ink too, as the bar of a 7 that fills the picture.
    """
    sides = gray, gray[::-1], gray.T, gray.T[::-1]  # the first row of each is one side
    for paper in {float(np.median(side[0])) for side in sides}:
        top, bottom, left, right = widths = [_stripe(side, paper) for side in sides]
        inside = gray[top : len(gray) - bottom, left : gray.shape[1] - right]
        if not any(widths) or min(np.divide(inside.shape, gray.shape)) < 0.5:
            continue  # of light and shade, neither is a stripe
        lines = inside[0], inside[-1], inside[:, 0], inside[:, -1]
        shares = [np.mean(np.abs(line - paper) < MIN_CONTRAST) for line in lines]
        clear = all(share >= (CLEAR if w else 0.5) for share, w in zip(shares, widths, strict=True))
        if clear and max(inside.max() - paper, paper - inside.min()) >= MIN_CONTRAST:
            return inside
    return gray


def _stripe(side: NDArray[np.float32], paper: float) -> int:
    """Count the rows before the first that is mostly paper; all if the first is not uniform."""
    uniform = np.mean(np.abs(side[0] - np.median(side[0])) < MIN_CONTRAST) >= UNIFORM
    for width, row in enumerate(side):
        if np.mean(np.abs(row - paper) < MIN_CONTRAST) >= 0.5:
            colours = np.median(side[:width], axis=1)
            flat = np.abs(colours - colours[:1]) < MIN_CONTRAST / 2
            return width if width == 0 or flat.mean() >= 0.5 else 0
        if not uniform:
            break
    return len(side)


def _inside(gray: NDArray[np.float32], colour: float, share: float) -> NDArray[np.float32]:
    """Cut off the outer rows and columns of which at least this share has the colour."""
    other = np.abs(gray - colour) >= MIN_CONTRAST
    rows, columns = (
        np.flatnonzero(other.sum(axis=a) > (1 - share) * gray.shape[a]) for a in (1, 0)
    )
    if len(rows) == 0 or len(columns) == 0:
        return gray[:0]
    return gray[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]


def with_even_paper(gray: NDArray[np.float32]) -> NDArray[np.float32]:
    """Remove uneven light, as a shadow, a vignette or a gradient; return even paper as it is.

    On a shrunken copy, the paper is estimated by a morphological closing, for light ink by an
    opening, over a window wider than a stroke: the strokes vanish and shades remain. Dark ink is
    divided by the paper, since light multiplies; from light ink the paper is subtracted, since
    paper near black would magnify its noise. `gray` is overwritten, and what is returned is a view
    without the outermost thirtieth.

    References
    ----------
    J. Serra, "Image Analysis and Mathematical Morphology", Academic Press, 1982, chapter XII (the
    top-hat transform).
    """
    shape = gray.shape
    if min(shape) < SHRUNK:  # a drawing, or cropped to the ink
        return gray
    scale = SHRUNK / max(shape)
    rows, columns = (max(1, round(length * scale)) for length in shape)
    down, across = averaging(shape[0], rows), averaging(shape[1], columns)
    # (rows, H) @ (H, W) @ (W, columns)
    small = np.linalg.multi_dot([down, gray, across.T])
    if np.ptp(_ring(small)) < UNEVEN:
        return gray
    reach = max(1, round(WINDOW * max(rows, columns) / 2))
    # Cubes keep the sign, and strokes outweigh shades.
    dark = ((small - _filtered(small, reach, np.median)) ** 3).sum() < 0
    paper = _filtered(small, reach, *((np.max, np.min) if dark else (np.min, np.max)))
    change = np.ptp(_ring(paper))
    strokes = np.abs(small - paper).max() >= MIN_CONTRAST
    if change < UNEVEN or (strokes and change > LIGHT * np.ptp(small)):
        return gray
    paper = _filtered(paper, 1, np.mean)
    down, across = _interpolation(shape[0], rows), _interpolation(shape[1], columns)
    wide = (paper @ across.T).astype(np.float32)  # (rows, W)
    for start in range(0, shape[0], 256):  # so that a large picture is not held twice
        part, local = gray[start : start + 256], down[start : start + 256] @ wide
        if dark:
            np.minimum(np.divide(part, np.maximum(local, DARKEST), out=part), 1, out=part)
        else:
            np.maximum(np.subtract(part, local, out=part), 0, out=part)
    # Near the edges, where paper is known on one side only, the estimate is coarse.
    edge = min(-(-2 * max(shape) // SHRUNK), min(shape) // 8)
    return gray[edge:-edge, edge:-edge]


def _ring(image: NDArray[np.floating]) -> NDArray[np.floating]:
    """Return the border of a picture, from the top row on."""
    return np.concatenate([image[0], image[-1], image[1:-1, 0], image[1:-1, -1]])


def _filtered(
    image: NDArray[np.floating], reach: int, *functions: Callable[..., Any]
) -> NDArray[np.floating]:
    """Apply functions one after another to the pixels round each pixel, along rows and columns.

    Beyond the edges the picture is continued by its border.
    """
    result = np.pad(image, reach * len(functions), mode="edge")
    for function in functions:
        for axis in (0, 1):
            windows = sliding_window_view(result, 2 * reach + 1, axis=axis)
            result = function(windows, axis=-1)
    return result


def averaging(old: int, new: int) -> NDArray[np.float32]:
    """Return the matrix (new, old) that averages a row of `old` pixels into `new` pixels."""
    edges = np.linspace(0, old, new + 1)
    pixels = np.arange(old)
    overlap = np.minimum(edges[1:, None], pixels + 1) - np.maximum(edges[:-1, None], pixels)
    return (np.maximum(overlap, 0) * (new / old)).astype(np.float32)


def _interpolation(new: int, old: int) -> NDArray[np.float32]:
    """Return the matrix (new, old) that interpolates a row of `old` pixels linearly."""
    places = (np.arange(new) + 0.5) * (old / new) - 0.5
    distance = np.abs(np.clip(places, 0, old - 1)[:, None] - np.arange(old))
    return np.maximum(1 - distance, 0).astype(np.float32)
