"""Run the trials that chose the settings of the recipes `elastic`, `record` and `lenet`.

    OPENBLAS_NUM_THREADS=1 python tutorials/results/trials.py

runs the trials that are missing from `trials.csv` in this folder. Those of `elastic` and `record`
took eight hours on one core: the last four with OpenBLAS's AVX-512 routines, the others with those
for an older processor, which are half as fast. GELU, and the `VARIANTS`, which a recipe cannot
express, took 12 to 20 minutes each with AVX2 routines.

Each trial trains on the first 50,000 training images, with seed 0 if its row names no other, and is
evaluated on the last 10,000; the test images are not used. One image is 0.01 % of the accuracy, and
another seed changes a result by a few hundredths of a percent, so compare settings by the loss.
"""

import csv
import dataclasses
from pathlib import Path

import numpy as np

from numpymlp import SoftmaxCrossEntropy, evaluate
from numpymlp.data import five_sixths
from numpymlp.data.augmentation import affine_matrices, affine_places, read_at
from numpymlp.experiments import folders
from numpymlp.experiments.ladder import validate
from numpymlp.experiments.recipes import Recipe
from numpymlp.experiments.results import describe
from numpymlp.storage.files import RunLock, write_csv

FILE = Path(__file__).with_suffix(".csv")
COLUMNS = ("settings", "held_out_accuracy", "held_out_loss", "running_train_loss", "seconds")

# The settings are written out, so that later changes of a recipe leave the trials as they were.
# The distortion and the network, 784-800-10, of Simard et al. (2003).
NARROW = Recipe(
    hidden=(800,),
    learning_rate=2e-3,
    batch_size=128,
    epochs=20,
    shift=1.0,
    rotation=10.0,
    scaling=0.1,
    elastic=34.0,
)
WIDE = dataclasses.replace(
    NARROW,
    hidden=(1500, 1000, 500),
    batch_size=256,
    rotation=15.0,
    scaling=0.15,
    elastic=20.0,
)
LONG = dataclasses.replace(WIDE, epochs=60)
DECAYING = dataclasses.replace(
    LONG, dropout=0.1, learning_rate=3e-3, optimizer="adamw", weight_decay=0.1
)
STRONG = dataclasses.replace(DECAYING, scaling=0.2, elastic=36.0, sigma=5.5)
# Batches twice as large: half as many steps, each with twice the decay.
LARGE_BATCHES = dataclasses.replace(DECAYING, batch_size=512, weight_decay=0.2)
LENET = Recipe(
    model="lenet",
    filters=(8, 16),
    hidden=(128,),
    learning_rate=5e-3,
    batch_size=128,
    epochs=6,
)
DISTORTED = dataclasses.replace(
    LENET,
    filters=(16, 32),
    hidden=(256,),
    dropout=0.2,
    learning_rate=3e-3,
    optimizer="adamw",
    weight_decay=0.1,
    epochs=60,
    shift=1.0,
    rotation=15.0,
    scaling=0.15,
    elastic=28.0,
    sigma=5.0,
)
TRIALS = [
    dataclasses.replace(base, **changes)
    for base, changes in (
        (NARROW, {}),
        (NARROW, {"rotation": 0.0, "scaling": 0.0, "shift": 0.0}),
        (NARROW, {"rotation": 5.0, "scaling": 0.05, "shift": 0.5}),
        (NARROW, {"elastic": 37.0, "sigma": 5.5}),
        (NARROW, {"elastic": 30.0, "sigma": 6.0}),
        (NARROW, {"elastic": 14.0}),
        (NARROW, {"elastic": 20.0}),
        (NARROW, {"elastic": 20.0, "sigma": 5.0}),
        (NARROW, {"elastic": 20.0, "rotation": 5.0, "scaling": 0.05, "shift": 0.5}),
        (NARROW, {"elastic": 20.0, "rotation": 7.5, "shift": 1.5}),
        (NARROW, {"elastic": 20.0, "rotation": 15.0, "scaling": 0.15}),
        (WIDE, {}),
        (WIDE, {"hidden": (2000, 1000)}),
        (WIDE, {"elastic": 28.0, "sigma": 5.0}),
        (WIDE, {"batch_norm": True, "learning_rate": 3e-3}),
        (WIDE, {"dropout": 0.1, "learning_rate": 3e-3}),
        (LONG, {}),
        (LONG, {"dropout": 0.1, "learning_rate": 3e-3}),
        (LONG, {"dropout": 0.2, "learning_rate": 3e-3}),
        (LONG, {"dropout": 0.1, "learning_rate": 3e-3, "elastic": 28.0, "sigma": 5.0}),
        (LONG, {"dropout": 0.2, "learning_rate": 3e-3, "epochs": 120}),
        (DECAYING, {}),
        (DECAYING, {"epochs": 100}),
        (DECAYING, {"weight_decay": 0.3}),
        (DECAYING, {"input_dropout": 0.1}),
        (LARGE_BATCHES, {"epochs": 140, "learning_rate": 4e-3}),
        (LARGE_BATCHES, {"epochs": 85, "hidden": (2000, 1500, 1000, 500)}),
        (DECAYING, {"epochs": 100, "learning_rate": 1.5e-3, "weight_decay": 0.2}),
        (DECAYING, {"epochs": 100, "dropout": 0.0}),
        (DECAYING, {"shear": 10.0}),
        (DECAYING, {"scaling": 0.2, "shift": 1.5}),
        (DECAYING, {"epochs": 100, "scaling": 0.2, "shift": 1.5, "shear": 10.0}),
        (STRONG, {"epochs": 100}),
        (
            STRONG,
            {
                "epochs": 180,
                "hidden": (2000, 1500, 1000, 500),
                "batch_size": 512,
                "dropout": 0.0,
            },
        ),
        (STRONG, {"epochs": 280}),
        (STRONG, {}),
        (STRONG, {"activation": "gelu"}),
        (LENET, {}),
        (LENET, {"epochs": 8, "dropout": 0.3, "learning_rate": 4e-3}),
        (LENET, {"filters": (16, 32), "dropout": 0.4, "learning_rate": 4e-3}),
        (LENET, {"epochs": 8, "filters": (16, 32), "dropout": 0.4, "learning_rate": 4e-3}),
        (DISTORTED, {"epochs": 20}),
        (DISTORTED, {"epochs": 20, "dropout": 0.0}),
    )
]


def straighten(x):
    """Shear each image so that its ink stands upright (LeCun et al. 1998: "deslanted")."""
    images, place = x.reshape(-1, 28, 28), np.arange(28)
    ink = np.maximum(images.sum(axis=(1, 2)), 1e-6)
    centre = images.sum(axis=2) @ place / ink
    row = place - centre[:, None]
    column = place - (images.sum(axis=1) @ place / ink)[:, None]
    spread = np.maximum((images.sum(axis=2) * row**2).sum(axis=1), 1e-6)
    slant = np.einsum("nij,ni,nj->n", images, row, column) / spread
    none, one = np.zeros(len(images)), np.ones(len(images))
    matrices = affine_matrices(none, np.arctan(slant), one, one)
    shifts = np.stack((none, slant * (centre - 13.5)), axis=1)
    return read_at(images, affine_places(matrices, shifts, (28, 28))).reshape(x.shape)


def as_it_is(x):
    return x


# How each variant of STRONG distorts a batch in an epoch, and prepares the held-out images.
WEAKENING = "in the last 12 epochs weaker and weaker, at last a fifth as strong"
VARIANTS = {
    "unchanged": (lambda distortion, x, rng, epoch: distortion(x, rng), as_it_is),
    "half as strong in the last 12 epochs": (
        lambda distortion, x, rng, epoch: distortion.scaled(0.5 if epoch >= 48 else 1)(x, rng),
        as_it_is,
    ),
    "half as strong in the last 6 epochs": (
        lambda distortion, x, rng, epoch: distortion.scaled(0.5 if epoch >= 54 else 1)(x, rng),
        as_it_is,
    ),
    WEAKENING: (
        lambda distortion, x, rng, epoch: distortion.scaled(min(1, 1 - (epoch - 47) / 15))(x, rng),
        as_it_is,
    ),
    "straightened, then distorted": (
        lambda distortion, x, rng, epoch: distortion(straighten(x), rng),
        straighten,
    ),
    "distorted, then straightened": (
        lambda distortion, x, rng, epoch: straighten(distortion(x, rng)),
        straighten,
    ),
}


def row_of(settings, accuracy, loss, running_loss, seconds):
    values = settings, f"{accuracy:.4f}", f"{loss:.4f}", f"{running_loss:.4f}", f"{seconds:.0f}"
    return dict(zip(COLUMNS, values, strict=True))


def try_recipe(recipe):
    """Train and validate one recipe; return its row of the table."""
    result = validate(recipe, seed=0, verbose=1)
    figures = ("test_accuracy", "test_loss", "running_train_loss", "training_seconds")
    return row_of(describe(recipe), *(result[name] for name in figures))


def try_variant(name, seed):
    """Train STRONG with another distortion, and validate it; return its figures."""
    distort, prepare = VARIANTS[name]
    data = folders.training_data(None)
    x, y, first = np.asarray(data.x), data.y, five_sixths(data.y)
    network = STRONG.build_network(784, 10, seed)
    trainer = STRONG.build_trainer(network, seed, verbose=1)
    distortion = trainer.augment
    trainer.augment = lambda x, rng: distort(distortion, x, rng, trainer.state.epoch)
    history = trainer.fit(x[:first], y[:first], STRONG.epochs)
    held_out = evaluate(network, SoftmaxCrossEntropy(), prepare(x[first:]), y[first:])
    figures = history["running_train_loss"][-1], sum(history["seconds"])
    return held_out.accuracy, held_out.loss, *figures


def read() -> list[dict[str, str]]:
    """Return the rows of the file; none if it does not exist yet."""
    if not FILE.exists():
        return []
    with FILE.open(newline="") as file:
        return list(csv.DictReader(file))


def add(row: dict[str, str]) -> None:
    """Add a row to the file, all of it or nothing, also while another process writes."""
    with RunLock(FILE.parent, f".{FILE.name}.lock", wait=True):
        write_csv(FILE, COLUMNS, [[r[column] for column in COLUMNS] for r in [*read(), row]])


def main() -> None:
    for recipe in TRIALS:
        if describe(recipe) not in [row["settings"] for row in read()]:
            add(try_recipe(recipe))
    # Unchanged with seed 0 is one of the TRIALS.
    first = [(name, 0) for name in VARIANTS if name != "unchanged"]
    for name, seed in [*first, ("unchanged", 1), (WEAKENING, 1)]:
        settings = f"{describe(STRONG)}, {name}" + (", seed 1" if seed else "")
        if settings not in [row["settings"] for row in read()]:
            add(row_of(settings, *try_variant(name, seed)))


if __name__ == "__main__":
    main()
