"""Convolution: layers for images, whose filters look for the same pattern at every place.

A batch of images has the shape (N, H, W, C): samples, rows, columns, channels. `Conv2D` slides its
filters over an image, and the pools shrink it. `Reshape` turns vectors into images, and `Flatten`
images into vectors, as `Dense` needs them. `models.lenet` puts them together. As in `layers.py`,
which comes first, `forward` and `backward` stand together. Read `models.py` next.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import reduce
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from numpymlp import layer_protocol as protocol
from numpymlp.initializers import he_normal
from numpymlp.layer_protocol import Layer, Shape, parameter
from numpymlp.layers import Initializer
from numpymlp.validation import (
    InputError,
    check_callable,
    check_choice,
    check_positive_integer,
    check_rng,
)

BLOCK = 100  # images at a time in evaluation, because their windows take much memory


class _Windows(Layer):
    """Base class of `Conv2D` and the pools: an output pixel comes from a window of the image."""

    size: int  # rows and columns of a window
    stride: int  # pixels from one window to the next
    padding = "valid"

    def zeros(self, length: int) -> tuple[int, int]:
        """Return how many zeros go before and after a row or column of this length."""
        if self.padding == "valid":
            return 0, 0
        last = (length - 1) // self.stride * self.stride  # where the last window begins
        missing = max(0, last + self.size - length)
        return missing // 2, missing - missing // 2

    def count(self, length: int) -> int:
        """Return how many windows lie along a row or column of this length."""
        return (length + sum(self.zeros(length)) - self.size) // self.stride + 1

    def places(self, h: int, w: int) -> Iterator[tuple[int, int, tuple[slice, ...]]]:
        """Yield each place (i, j) of a window, and the index of this place in all h x w windows.

        ``x[pixels]`` then has the shape (N, h, w, C).
        """
        s = self.stride
        for i, j in np.ndindex(self.size, self.size):
            yield i, j, np.s_[:, i : i + s * h : s, j : j + s * w : s]

    def output_shape(self, input_shape: Shape) -> Shape:
        shape: Any = input_shape
        if ... in shape:
            return shape
        if len(shape) != 3:
            raise InputError(
                f"{self} expected images of shape (N, height, width, channels), got "
                f"{protocol.shape_text(shape, 'N')}: put Reshape(28, 28, 1) before it, or the like"
            )
        h, w = self.count(shape[0]), self.count(shape[1])
        if h < 1 or w < 1:
            raise InputError(
                f"{self} expected images of at least {self.size} x {self.size} pixels, got "
                f"{shape[0]} x {shape[1]}: choose a smaller window, or fewer layers before it"
            )
        return h, w, shape[2]


class Conv2D(_Windows):
    """Every output pixel is a weighted sum of a window of the image: a filter that slides over it.

    ``y[n, r, c, f] = sum over i, j, k of x[n, s r + i, s c + j, k] W[i, j, k, f] + b[f]``, with the
    stride s. As in all libraries, the filters are not flipped. Source: LeCun, Bottou, Bengio,
    Haffner, "Gradient-based learning applied to document recognition" (1998).

    Parameters
    ----------
    channels, filters : int
        Channels of the image before and after the layer.
    size : int
        Rows and columns of a filter.
    padding : {"valid", "same"}, default "valid"
        "valid" takes windows inside the image alone. "same" frames it with zeros, so that the
        output has ceil(H / stride) rows and ceil(W / stride) columns; if the zeros
        are odd in number, the last one goes below or to the right.
    stride : int, default 1
        Pixels from one window to the next.
    initializer, rng
        As for `Dense`; a unit's inputs are the size x size x channels numbers of its window.

    Attributes
    ----------
    W, dW : ndarray of shape (size, size, channels, filters)
    b, db : ndarray of shape (filters,)
    """

    W, dW = parameter()
    b, db = parameter()

    def __init__(
        self,
        channels: int,
        filters: int,
        size: int,
        padding: str = "valid",
        stride: int = 1,
        initializer: Initializer = he_normal,
        rng: np.random.Generator | None = None,
    ) -> None:
        self.channels = check_positive_integer(channels, "Conv2D channels")
        self.filters = check_positive_integer(filters, "Conv2D filters")
        self.size = check_positive_integer(size, "Conv2D size")
        self.padding = check_choice(padding, "Conv2D padding", ("valid", "same"))
        self.stride = check_positive_integer(stride, "Conv2D stride")
        likely = "he_normal or the like"
        self.initializer = check_callable(initializer, "Conv2D initializer", likely)
        self.input_shape = (..., self.channels)
        if rng is not None:
            self.initialize(rng)

    def initialize(self, rng: np.random.Generator) -> None:
        shape = self.shapes()["W"]
        self.W = protocol.check_initial(
            self.initializer(shape, check_rng(rng)), shape, f"{self} weights"
        )
        self.b = np.zeros(self.filters)
        self.dW, self.db = np.zeros_like(self.W), np.zeros_like(self.b)

    def forward(self, x: np.ndarray, training: bool = False) -> np.ndarray:
        k, s, sides = self.size, self.stride, map(self.zeros, x.shape[1:3])
        padded = np.pad(x, [(0, 0), *sides, (0, 0)]) if self.padding == "same" else x
        # Each window becomes a row.    (N, H, W, C) -> (N, h, w, C, k, k) -> (N h w, k k C)
        windows = sliding_window_view(padded, (k, k), axis=(1, 2))[:, ::s, ::s]
        windows = windows.transpose(0, 1, 2, 4, 5, 3)  # a view, which takes no memory
        W, (n, h, w) = self.W.reshape(-1, self.filters), windows.shape[:3]
        y = np.empty((n, h, w, self.filters), np.result_type(x, W))
        at_once = n if training else BLOCK
        for i in range(0, n, at_once):
            rows = windows[i : i + at_once].reshape(-1, len(W))
            # y = rows W + b    (N h w, k k C) @ (k k C, F) + (F,) -> (N h w, F)
            np.matmul(rows, W, out=y[i : i + at_once].reshape(-1, self.filters))
        y += self.b
        self.cache = rows if training else windows, x.shape, padded.shape
        return y

    def backward(self, dy: np.ndarray, input_gradient: bool = True) -> np.ndarray | None:
        (rows, (_, height, width, _), padded), (n, h, w, _) = self.cache, dy.shape
        rows, dy = rows.reshape(n * h * w, -1), dy.reshape(n * h * w, -1)
        # dL/dW = rows^T dL/dy    (k k C, N h w) @ (N h w, F) -> (k k C, F)
        self.dW = (rows.T @ dy).reshape(self.W.shape)
        # dL/db = sum over images and pixels of dL/dy    (N h w,) @ (N h w, F) -> (F,)
        self.db = np.ones(len(dy), dy.dtype) @ dy
        if not input_gradient:
            return None
        # dL/dx: pixel (i, j) of each window gets dL/dy W[i, j]^T    (N h w, F) @ (F, C)
        dx = np.zeros(padded, dy.dtype)
        for i, j, pixels in self.places(h, w):
            dx[pixels] += (dy @ self.W[i, j].T).reshape(n, h, w, -1)
        (top, _), (left, _) = self.zeros(height), self.zeros(width)
        return dx[:, top : top + height, left : left + width]

    def shapes(self) -> dict[str, tuple[int, ...]]:
        return {"W": (self.size, self.size, self.channels, self.filters), "b": (self.filters,)}

    def output_shape(self, input_shape: Shape) -> Shape:
        shape: Any = super().output_shape(input_shape)
        return (*shape[:-1], self.filters)

    def config(self) -> dict[str, Any]:
        names = ("channels", "filters", "size", "padding", "stride")
        return {name: getattr(self, name) for name in names}

    def __repr__(self) -> str:
        same = "" if self.padding == "valid" else ", same"
        stride = "" if self.stride == 1 else f", stride {self.stride}"
        return f"Conv2D({self.channels} -> {self.filters}, {self.size} x {self.size}{same}{stride})"


class _Pool(_Windows):
    """Base class of the pooling layers: their arguments."""

    def __init__(self, size: int = 2, stride: int | None = None) -> None:
        self.size = check_positive_integer(size, f"{type(self).__name__} size")
        self.stride = self.size
        if stride is not None:
            self.stride = check_positive_integer(stride, f"{type(self).__name__} stride")

    def config(self) -> dict[str, Any]:
        return {"size": self.size, "stride": self.stride}

    def __repr__(self) -> str:
        stride = "" if self.stride == self.size else f", stride {self.stride}"
        return f"{type(self).__name__}({self.size} x {self.size}{stride})"


class MaxPool2D(_Pool):
    """The largest number of each window, channel by channel.

    Rows and columns after the last whole window are left out.

    Parameters
    ----------
    size : int, default 2
        Rows and columns of a window.
    stride : int, optional
        Pixels from one window to the next; by default `size`, so that the windows tile the image.
    """

    def forward(self, x: np.ndarray, training: bool = False) -> np.ndarray:
        _, H, W, _ = x.shape
        # y = max over the pixels of each window    (N, H, W, C) -> (N, h, w, C)
        places = self.places(self.count(H), self.count(W))
        y = reduce(np.maximum, (x[pixels] for _, _, pixels in places))
        self.cache = x, y
        return y

    def backward(self, dy: np.ndarray, input_gradient: bool = True) -> np.ndarray:
        (x, y), (_, h, w, _) = self.cache, dy.shape
        # dL/dx = dL/dy at the largest pixel of each window, the first of several; else 0
        dx, left = np.zeros(x.shape, dy.dtype), dy
        for _, _, pixels in self.places(h, w):
            share = left * (x[pixels] == y)
            dx[pixels] += share
            left = left - share
        return dx

    def kink_side(self) -> np.ndarray:
        """Return which pixel of each window was the largest in the last forward pass."""
        x, y = self.cache
        return np.argmax([x[pixels] for _, _, pixels in self.places(*y.shape[1:3])], axis=0)


class AveragePool2D(_Pool):
    """The mean of each window, channel by channel.

    Parameters and borders as for `MaxPool2D`.
    """

    def forward(self, x: np.ndarray, training: bool = False) -> np.ndarray:
        _, H, W, _ = self.cache = x.shape
        # y = mean over the pixels of each window    (N, H, W, C) -> (N, h, w, C)
        places = self.places(self.count(H), self.count(W))
        return reduce(np.add, (x[pixels] for _, _, pixels in places)) / self.size**2

    def backward(self, dy: np.ndarray, input_gradient: bool = True) -> np.ndarray:
        shape, (_, h, w, _) = self.cache, dy.shape
        # dL/dx: each pixel of a window gets its share of dL/dy
        dx, share = np.zeros(shape, dy.dtype), dy / self.size**2
        for _, _, pixels in self.places(h, w):
            dx[pixels] += share
        return dx


class Reshape(Layer):
    """Turn vectors into images: (N, height * width * channels) -> (N, height, width, channels).

    Parameters
    ----------
    height, width, channels : int
        ``Reshape(28, 28, 1)`` for MNIST.
    """

    def __init__(self, height: int, width: int, channels: int) -> None:
        self.height = check_positive_integer(height, "Reshape height")
        self.width = check_positive_integer(width, "Reshape width")
        self.channels = check_positive_integer(channels, "Reshape channels")
        self.input_shape = (height * width * channels,)

    def forward(self, x: np.ndarray, training: bool = False) -> np.ndarray:
        return x.reshape(len(x), self.height, self.width, self.channels)

    def backward(self, dy: np.ndarray, input_gradient: bool = True) -> np.ndarray:
        return dy.reshape(len(dy), -1)

    def output_shape(self, input_shape: Shape) -> Shape:
        return (self.height, self.width, self.channels)

    def config(self) -> dict[str, Any]:
        return {"height": self.height, "width": self.width, "channels": self.channels}

    def __repr__(self) -> str:
        return f"Reshape({self.height}, {self.width}, {self.channels})"


class Flatten(Layer):
    """Turn images into vectors: (N, height, width, channels) -> (N, height * width * channels)."""

    def forward(self, x: np.ndarray, training: bool = False) -> np.ndarray:
        self.cache = x.shape
        return x.reshape(len(x), -1)

    def backward(self, dy: np.ndarray, input_gradient: bool = True) -> np.ndarray:
        shape = self.cache
        return dy.reshape(shape)

    def output_shape(self, input_shape: Shape) -> Shape:
        shape: Any = input_shape
        return None if ... in shape else (math.prod(shape),)
