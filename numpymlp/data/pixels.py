"""Images kept as the bytes of their files and scaled where they are read."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


class Pixels:
    """Images (N, in) of pixels 0 to 255, which read as float32 from 0 to 1.

    ``pixels[rows]`` and ``np.asarray(pixels)`` have the same bits as those rows of the array that
    `load_folder` returns, in a quarter of its memory. A `Trainer` takes them in place of x and
    scales each batch.

    Parameters
    ----------
    values : ndarray of uint8, (N, in)
    """

    dtype = np.dtype(np.float32)

    def __init__(self, values: NDArray[np.uint8]) -> None:
        self.values = values

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the images: (N, in)."""
        return self.values.shape

    def __len__(self) -> int:
        return len(self.values)

    def __getitem__(self, rows: Any) -> NDArray[np.float32]:
        return scaled(self.values[rows])

    def take(self, rows: NDArray[Any], axis: int = 0) -> NDArray[np.float32]:
        """Return these rows, as `numpy.ndarray.take` does: faster than an index."""
        return scaled(self.values.take(rows, axis=axis))

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        if copy is False:
            raise ValueError("expected copy=None or copy=True: scaling makes a new array")
        return scaled(self.values).astype(dtype or self.dtype, copy=False)

    def min(self) -> np.float32:
        """Return the smallest scaled pixel."""
        return scaled(self.values.min())

    def max(self) -> np.float32:
        """Return the largest scaled pixel."""
        return scaled(self.values.max())


def scaled(values: Any) -> Any:
    """Return pixels 0 to 255 as float32 0 to 1."""
    return np.divide(values, np.float32(255), dtype=np.float32)
