"""Measure the figures behind the constants of the gradient check.

    python tutorials/results/gradient_check.py

prints, for correct networks of random sizes, activations and losses: the error of the first step,
1e-5, and of each extrapolated step, against backpropagation, in units of the largest gradient; and
by how many times the doubt of a slope its error exceeds it at most. It takes a few seconds.
"""

import numpy as np

from numpymlp import MeanSquaredError, SoftmaxCrossEntropy, mlp
from numpymlp.gradient_check import _LossOfOneVector
from numpymlp.gradient_report import STEPS, _extrapolate

NETWORKS, ENTRIES = 100, 20


def main() -> None:
    rng = np.random.default_rng(0)
    plain, errors, doubts = [], {h: [] for h in STEPS}, {h: [] for h in STEPS}
    for _ in range(NETWORKS):
        sizes = [int(size) for size in rng.integers(2, 8, 4)]
        activation = str(rng.choice(["relu", "tanh", "sigmoid"]))
        network = mlp(sizes, activation, batch_norm=bool(rng.integers(2)), rng=rng)
        x, y = rng.normal(size=(6, sizes[0])), rng.normal(size=(6, sizes[-1]))
        softmax = bool(rng.integers(2))
        loss = SoftmaxCrossEntropy() if softmax else MeanSquaredError()
        batch = x, np.argmax(y, axis=1) if softmax else y, None
        f = _LossOfOneVector(network, loss, batch, None, True, training=True)
        largest = np.abs(f.gradient).max()
        for place in rng.choice(f.point.size, ENTRIES):
            direction = np.zeros(f.point.size)
            direction[place] = 1
            if (slope := f.slope(direction, 1e-5)) is not None:
                plain.append(abs(slope - f.gradient[place]) / largest)
            for h in STEPS:
                if (found := _extrapolate(f, direction, h)) is not None:
                    off = abs(found.value - f.gradient[place])
                    errors[h].append(off / largest)
                    doubts[h].append(off / found.doubt)
    print("step                error: median, 99 %, largest   error / doubt: largest")
    print(f"1e-05               {figures(plain)}")
    for h in STEPS:
        print(f"{h:.0e} extrapolated  {figures(errors[h])}      {max(doubts[h]):.2f}")


def figures(errors: list[float]) -> str:
    return "  ".join(f"{np.quantile(errors, share):.0e}" for share in (0.5, 0.99, 1))


if __name__ == "__main__":
    main()
