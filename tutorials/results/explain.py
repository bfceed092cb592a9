"""Draw the decision boundary of `explain.md`: three spirals, and the network that tells them apart.

    python tutorials/results/explain.py

writes `explain/boundary.png` beside this file, in a few seconds.
"""

from pathlib import Path

import numpy as np

from numpymlp import Adam, SoftmaxCrossEntropy, Trainer, mlp, plots

rng = np.random.default_rng(1)
y = np.repeat([0, 1, 2], 150)
radius = 7 * np.sqrt(rng.random(len(y)))
angle = radius / 2 + 2.1 * y
x = np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1)
x += rng.normal(0, 0.5, x.shape)

network = mlp([2, 32, 32, 3], "tanh", rng=rng)
trainer = Trainer(network, SoftmaxCrossEntropy(), Adam(1e-2), batch_size=32, verbose=0)
trainer.fit(x, y, epochs=60)
figure = plots.decision_boundary(network, x, y, title="Three spirals")
figure.savefig(Path(__file__).parent / "explain" / "boundary.png")
