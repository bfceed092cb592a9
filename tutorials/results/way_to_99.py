"""Record the history that tutorial 10 shows: one network, with and without distorted digits.

    OPENBLAS_NUM_THREADS=1 python tutorials/results/way_to_99.py

writes `way_to_99.csv` into this folder, in about ten minutes on one core. The last line of each run
has the test accuracy: the test set is used once, after training.
"""

from pathlib import Path

import numpy as np

from numpymlp import (
    Adam,
    Cosine,
    SoftmaxCrossEntropy,
    Trainer,
    evaluate,
    load_mnist,
    mlp,
    train_validation_split,
)
from numpymlp.data import Distortion
from numpymlp.storage.files import write_csv

EPOCHS = 40
RUNS = {
    "digits as they are": None,
    "distorted digits": Distortion(shift=1, rotation=10, scaling=0.1, alpha=34),
}


def main() -> None:
    (x, y), test = load_mnist()
    train, validation = train_validation_split(x, y, 1 / 12, np.random.default_rng(0))
    lines = []
    for name, augment in RUNS.items():
        network = mlp([784, 800, 10], rng=np.random.default_rng(0))
        loss = SoftmaxCrossEntropy()
        trainer = Trainer(network, loss, Adam(2e-3), schedule=Cosine(), augment=augment)
        history = trainer.fit(*train, epochs=EPOCHS, validation=validation)
        for row in history.rows:
            del row["seconds"]  # depends on the machine, the other columns hardly do
            lines.append({"run": name, **row, "test_accuracy": None})
        lines[-1]["test_accuracy"] = evaluate(network, loss, *test).accuracy
    write_csv(Path(__file__).with_suffix(".csv"), lines[0], [line.values() for line in lines])


if __name__ == "__main__":
    main()
