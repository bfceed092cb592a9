"""The initializers: random first weights, scaled so that signals neither vanish nor explode.

A layer calls `initializer(shape, rng)` once, before training; any function with this signature
works. The variances are chosen so that activations (and, for Glorot, gradients too) keep their size
from layer to layer. Read `losses.py` next.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from numpymlp.validation import check_range


def fans(shape: tuple[int, ...]) -> tuple[int, int]:
    """Count the inputs and the outputs of one unit for weights of this shape.

    Parameters
    ----------
    shape : tuple of int
        ``(in, out)`` for a dense layer. Axes in front of these two (the window of a
        convolution) multiply both counts.

    Returns
    -------
    fan_in, fan_out : int
    """
    window = math.prod(shape[:-2])
    return window * shape[-2], window * shape[-1]


def _uniform(shape: tuple[int, ...], variance: float, rng: np.random.Generator) -> np.ndarray:
    # A uniform variable on (-limit, limit) has variance limit^2 / 3.
    limit = math.sqrt(3 * variance)
    return rng.uniform(-limit, limit, shape)


def _normal(shape: tuple[int, ...], variance: float, rng: np.random.Generator) -> np.ndarray:
    return rng.normal(0.0, math.sqrt(variance), shape)


def he_normal(shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
    """Normal with variance 2 / fan_in, for ReLU, which halves the signal's power.

    Source: He, Zhang, Ren, Sun, "Delving deep into rectifiers" (2015), equation 10.
    """
    return _normal(shape, 2 / fans(shape)[0], rng)


def he_uniform(shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
    """Uniform with the variance of `he_normal`."""
    return _uniform(shape, 2 / fans(shape)[0], rng)


def glorot_normal(shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
    """Normal with variance 2 / (fan_in + fan_out), for tanh, sigmoid and output layers.

    Source: Glorot, Bengio, "Understanding the difficulty of training deep feedforward neural
    networks" (2010), equation 12.
    """
    return _normal(shape, 2 / sum(fans(shape)), rng)


def glorot_uniform(shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
    """Uniform with the variance of `glorot_normal` (equation 16 of the same paper)."""
    return _uniform(shape, 2 / sum(fans(shape)), rng)


def lecun_normal(shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
    """Normal with variance 1 / fan_in, for layers whose activation keeps the signal's size.

    Source: LeCun, Bottou, Orr, Müller, "Efficient BackProp" (1998), equation 16.
    """
    return _normal(shape, 1 / fans(shape)[0], rng)


def lecun_uniform(shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
    """Uniform with the variance of `lecun_normal`."""
    return _uniform(shape, 1 / fans(shape)[0], rng)


@dataclass(frozen=True)
class Normal:
    """Normal with the given standard deviation, whatever the shape.

    ``Normal(0.05)`` is what Simard, Steinkraus and Platt (2003) started from.

    Parameters
    ----------
    standard_deviation : float in [0, 1e18]
    """

    standard_deviation: float

    def __post_init__(self) -> None:
        check_range(self.standard_deviation, "Normal", 0, 1e18)

    def __call__(self, shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
        return _normal(shape, self.standard_deviation**2, rng)
