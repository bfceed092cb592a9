"""Draw a digit of MNIST and twelve distortions of it, with the settings of the recipe `elastic`.

    python tutorials/results/distortions.py

writes `distortions.png` into this folder, in a second or two.
"""

from pathlib import Path

import numpy as np

from numpymlp import load_mnist, plots
from numpymlp.experiments.named_recipes import find


def main() -> None:
    (x, _), _ = load_mnist()
    digit = x[30]  # a three with a loop
    distort = find("elastic").build_distortion()
    copies = distort(np.tile(digit, (12, 1)), np.random.default_rng(0))
    picture = Path(__file__).with_suffix(".png")
    plots.distortions(digit, copies).savefig(picture)
    print(f"saved to {picture}")


if __name__ == "__main__":
    main()
