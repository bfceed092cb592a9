"""Measure the figures behind the constants of the gradient check.

    python tutorials/results/gradient_check.py

prints the figures that `gradient_report.py` names beside its constants. All of them come from
correct networks, so an error is one of the check. It takes about two minutes.
"""

from collections.abc import Iterator

import numpy as np

from numpymlp import (
    BatchNorm,
    Dense,
    MeanSquaredError,
    Network,
    SoftmaxCrossEntropy,
    Tanh,
    mlp,
)
from numpymlp import gradient_report as reports
from numpymlp.gradient_check import _LossOfOneVector, _RandomSum
from numpymlp.gradient_report import (
    LONG_STEPS,
    SHORT_STEPS,
    STEPS,
    _extrapolate,
    _finest,
    _moved,
    _relative_error,
)

NETWORKS, ENTRIES = 100, 20
Drawn = Iterator[tuple[_LossOfOneVector, np.ndarray]]


def usual_networks(*activations: str) -> Drawn:
    """Yield losses of random networks, and directions: each row moves one number."""
    rng = np.random.default_rng(0)
    for _ in range(NETWORKS):
        sizes = [int(size) for size in rng.integers(2, 8, 4)]
        activation = str(rng.choice(activations))
        network = mlp(sizes, activation, batch_norm=bool(rng.integers(2)), rng=rng)
        x, y = rng.normal(size=(6, sizes[0])), rng.normal(size=(6, sizes[-1]))
        softmax = bool(rng.integers(2))
        loss = SoftmaxCrossEntropy() if softmax else MeanSquaredError()
        batch = x, np.argmax(y, axis=1) if softmax else y, None
        f = _LossOfOneVector(network, loss, batch, None, True, training=True)
        yield f, np.eye(f.point.size)[rng.choice(f.point.size, ENTRIES)]


def rounding_inside() -> Drawn:
    """Yield losses of two batch norms in a row, which magnify the rounding of small inputs."""
    rng = np.random.default_rng(0)
    for _ in range(NETWORKS):
        layers = [Dense(3, 3), BatchNorm(3), Dense(3, 3), BatchNorm(3), Tanh(), Dense(3, 2)]
        network = Network(layers, rng=rng, dtype=np.float64)
        network.parameters += rng.normal(0, 0.3, network.parameters.size)
        network.layers[0].W *= rng.integers(2)
        x = rng.normal(size=(2, 3)) * 10.0 ** rng.choice([-8, -6, -4, 0])
        batch = x, rng.normal(size=(2, 2)), None
        f = _LossOfOneVector(network, MeanSquaredError(), batch, None, True, training=True)
        yield f, np.eye(f.point.size)[rng.choice(f.point.size, ENTRIES)]


def steps() -> None:
    first, along, rounding, nearby, bends = [], [], [], [], []
    errors, doubts = {h: [] for h in STEPS}, []
    for f, directions in usual_networks("relu", "tanh", "sigmoid"):
        floor, largest = reports._floor(f), np.abs(f.gradient).max()
        for d in directions:
            if f.slope(d, STEPS[0]) is None:
                continue
            true = f.gradient @ d
            first.append(_relative_error(true, f.slope(d, 1e-5), floor))
            rounding.append(abs(f.slope(d, 1e-9) - true) * 2e-9 / f.size / np.finfo(float).eps)
            bends.append(bend(f, d))
            for h in STEPS:
                found = _extrapolate(f, d, h)
                errors[h].append(_relative_error(true, found.value, floor))
                doubts.append(abs(found.value - true) / found.doubt)
        nearby += [np.abs(gradient - f.gradient).max() / largest for _, gradient in f.rounded()]
        along.append(reports.along_a_direction(f, np.random.default_rng(1)).error)
    line("error of the first step, 1e-5", first)
    for h in STEPS:
        line(f"STEPS: of {h:.0e}, extrapolated", errors[h])
    line("    of the best for each slope", np.min([first, *errors.values()], axis=0))
    line("    along a direction", along)
    line("ROUNDING: of a difference, in eps", rounding)
    line("DOUBTS: error / doubt", doubts)
    line("NEAR, AGAIN: change of the gradient", nearby)
    line("BEND: without a kink in the step", bends)
    batch = np.ones((1, 1)), np.ones((1, 1)), None
    # One weight beside a bias of 1e8.
    network = Network([Dense(1, 1)], rng=np.random.default_rng(0), dtype=np.float64)
    network.layers[0].b = [1e8]
    f = _LossOfOneVector(
        network, _RandomSum(np.random.default_rng(0)), batch, None, False, training=True
    )
    found = {h: f.slope(np.array([1.0, 0.0]), h) for h in (1e-5, *LONG_STEPS[:4])}
    shown = [f"{_relative_error(f.gradient[0], v, 0):.0e} of {h:.0e}" for h, v in found.items()]
    print("LONG_STEPS: errors beside a bias of 1e8: " + ", ".join(shown))


def kinks() -> None:
    bends, crossing = [], {h: [] for h in (1e-3, 1e-4, 1e-5)}
    for f, _ in usual_networks("relu"):
        for d in np.eye(f.point.size):
            if f.slope(d, SHORT_STEPS[-1]) is None:
                continue  # on a kink
            for h, found in crossing.items():
                found.append(f.slope(d, h) is None)
            if crossing[STEPS[0]][-1]:
                bends.append(bend(f, d))
    line("BEND: with one: least, 1 %, median", bends, (0, 0.01, 0.5))
    shares = [f"{np.mean(found):.2%} of {h:.0e}" for h, found in crossing.items()]
    print("SHORT_STEPS: steps across a kink: " + ", ".join(shares))
    draws = []
    for seed in range(50):
        network = mlp([2, 8, 2], rng=np.random.default_rng(seed))
        xor = np.array([[0.0, 0], [0, 1], [1, 0], [1, 1]]), np.array([0, 1, 1, 0]), None
        f = _LossOfOneVector(network, SoftmaxCrossEntropy(), xor, None, True, training=True)
        moves, move_to = [], f.move_to
        f.move_to = lambda point, moves=moves, go=move_to: (moves.append(1), go(point))
        reports.entry_by_entry(f, np.random.default_rng(0), None)
        draws.append(len(moves))
    line("DRAWS: moves that XOR needs", draws)


def doubts() -> None:
    plain, same, moved = [], [], []
    for f, directions in rounding_inside():
        floor = reports._floor(f)
        for d in directions:
            slopes = [_extrapolate(f, d, h) for h in (*STEPS, *SHORT_STEPS[:5])]
            finest, true = _finest([slope for slope in slopes if slope is not None]), f.gradient @ d
            off = max(0, abs(true - finest.value) - 1e-7 * max(abs(true), floor))
            plain.append(off / finest.doubt)
            moved.append(off / (finest.doubt + _moved(f, d, finest, true)))
            reports.SHARES, shares = (0.5,) * 4, reports.SHARES
            same.append(off / (finest.doubt + _moved(f, d, finest, true)))
            reports.SHARES = shares
    line("SHARES: error / doubt, small inputs", moved)
    line("    with shares of 0.5 alone", same)
    line("    without nearby points", plain)


def bend(f: _LossOfOneVector, d: np.ndarray) -> float:
    """Return how much the gradient bends within the first step, relative to itself."""
    below, here, above = (f.backpropagate(f.point + h * d) @ d for h in (-STEPS[0], 0, STEPS[0]))
    return abs(above + below - 2 * here) / max(abs(here), reports._floor(f))


def line(title: str, figures: list[float], shares: tuple[float, ...] = (0.5, 0.99, 1)) -> None:
    print(f"{title:<36}" + "  ".join(f"{np.quantile(figures, share):7.0e}" for share in shares))


def main() -> None:
    print(f"{'':<36} median     99 %  largest")
    with np.errstate(all="ignore"):
        steps()
        kinks()
        doubts()


if __name__ == "__main__":
    main()
