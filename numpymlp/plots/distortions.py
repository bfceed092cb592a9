"""Plot of augmentation: an image beside the copies that `data.Distortion` makes of it.

It shows before training whether a distortion is too weak to matter, or so strong that the label
is no longer true.
"""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import ArrayLike

from numpymlp.plots.images import as_images
from numpymlp.plots.style import (
    QUIET,
    SMALL,
    TRAIN,
    WIDTH,
    own_style,
    page,
    stamp,
    write,
)
from numpymlp.validation import InputError, check_positive_integer

TOP = 0.85  # inches: top of the images
SIDE = 1.79  # inches: width of the original, as high as two rows of copies


@own_style()
def distortions(
    image: ArrayLike,
    distorted: ArrayLike,
    *,
    columns: int = 6,
    title: str = "Distorted copies of one image",
) -> Figure:
    """Draw an image with distorted copies beside it.

    Parameters
    ----------
    image : (H, W) or (H * H,) numbers
        The original image.
    distorted : (N, H, W) or (N, H * H) numbers
        Its distorted copies; twelve fill two rows.
    columns : int
        Copies per row.

    Raises
    ------
    InputError
        If the copies differ in shape from the image.
    """
    copies, (original,) = as_images(distorted), as_images(np.asarray(image)[None])
    if copies.shape[1:] != original.shape:
        raise InputError(
            f"distorted: expected images of shape {original.shape}, as image, got "
            f"{copies.shape[1:]}: are they copies of this image?"
        )
    columns = check_positive_integer(columns, "columns")
    left = 0.15 + SIDE + 0.3
    cell = (WIDTH - left - 0.15 + 0.12) / columns
    width = cell - 0.12
    aspect = original.shape[0] / original.shape[1]
    rows = -(-len(copies) // columns)
    height = max(SIDE * aspect, rows * (width * aspect + 0.12) - 0.12)
    figure, axes = page(
        TOP + height + 0.15, title, "Every epoch draws new copies; the label stays the same"
    )
    low, high = min(original.min(), copies.min()), max(original.max(), copies.max())
    write(axes, 0.15, TOP - 0.12, "original", SMALL, color=QUIET)
    write(axes, left, TOP - 0.12, "distorted", SMALL, color=QUIET)
    stamp(axes, original, 0.15, TOP, SIDE, frame=TRAIN, frame_width=1.8, vmin=low, vmax=high)
    for n, copy in enumerate(copies):
        x, y = left + cell * (n % columns), TOP + (width * aspect + 0.12) * (n // columns)
        stamp(axes, copy, x, y, width, vmin=low, vmax=high)
    return figure
