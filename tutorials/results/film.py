"""The film that opens the README: a network of 64 hidden units learns to tell three spirals apart.

    python tutorials/results/film.py

writes `readme/film.gif` in a few seconds, the same bits on every run.
"""

from pathlib import Path

import numpy as np

from numpymlp import Adam, SoftmaxCrossEntropy, Trainer, mlp, plots

FRAMES, EPOCHS_A_FRAME = 22, 2
PATH = Path(__file__).parent / "readme" / "film.gif"


def spirals(samples: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Return points (3 samples, 2) on three spiral arms, and the arm of each."""
    radius = np.linspace(0.1, 1, samples)
    arms = []
    for arm in range(3):
        angle = 5.5 * radius + 2 * np.pi / 3 * arm + rng.normal(0, 0.12, samples)
        arms.append(np.column_stack([radius * np.sin(angle), radius * np.cos(angle)]))
    return np.concatenate(arms).astype(np.float32), np.repeat(np.arange(3), samples)


def main() -> None:
    """Train, and draw the decision boundary after every second epoch."""
    rng = np.random.default_rng(3)
    x, y = spirals(100, rng)
    network = mlp([2, 32, 32, 3], activation="relu", rng=rng)
    trainer = Trainer(network, SoftmaxCrossEntropy(), Adam(5e-3), batch_size=16, verbose=0)

    def frames():
        for frame in range(FRAMES):
            title = f"Learning three spirals, epoch {frame * EPOCHS_A_FRAME}"
            yield plots.decision_boundary(network, x, y, size=120, title=title)
            trainer.fit(x, y, epochs=EPOCHS_A_FRAME)

    plots.animate(frames(), PATH, seconds=0.3, width=520)
    print(f"{PATH}: {PATH.stat().st_size / 1e6:.2f} MB")


if __name__ == "__main__":
    main()
