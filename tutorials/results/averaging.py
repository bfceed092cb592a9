"""Measure test-time averaging on held-out training images; the test images are not used.

    OPENBLAS_NUM_THREADS=1 python tutorials/results/averaging.py FOLDER

trains some recipes on the first 50,000 training images, with seed 0, and evaluates them on the last
10,000 with several numbers and strengths of views. It keeps the networks in FOLDER, writes
`averaging.csv`, and prints the table of `averaging.md`. It takes half an hour on one core.
"""

import csv
import sys
from pathlib import Path

import numpy as np

from numpymlp import load, save
from numpymlp.data import five_sixths
from numpymlp.experiments import folders
from numpymlp.experiments.named_recipes import RECIPES
from numpymlp.experiments.recipes import GENTLE, Recipe
from numpymlp.metrics import accuracy, log_loss
from numpymlp.network import Network
from numpymlp.storage.files import write_csv

FILE = Path(__file__).with_suffix(".csv")
COLUMNS = ("recipe", "strength", "views", "held_out_accuracy", "held_out_loss")
NAMES = ("default", "elastic", "lenet-elastic")
STRENGTHS = (0.25, 0.5, 1.0)
VIEWS = (4, 16, 64)


def trained(recipe: Recipe, path: Path, x: np.ndarray, y: np.ndarray) -> Network:
    """Return the network in a file; train it if there is none."""
    if path.exists():
        return load(path)
    network = recipe.build_network(x.shape[1], 10, seed=0)
    trainer = recipe.build_trainer(network, seed=0, verbose=1)
    trainer.fit(x, y, recipe.epochs)
    save(network, path)
    return network


def measure(recipe: Recipe, network: Network, x: np.ndarray) -> dict[tuple[float, int], np.ndarray]:
    """Return the mean probabilities for each strength and number of views."""
    plain = network.predict_proba(x)
    rows = {(0.0, 0): plain}
    for strength in STRENGTHS:
        distortion = (recipe.build_distortion() or GENTLE).scaled(strength)
        total = plain.copy()
        views = distortion.views(x, max(VIEWS), np.random.default_rng(0))
        for count, view in enumerate(views, 1):
            total += network.predict_proba(view)
            if count in VIEWS:
                rows[strength, count] = total / (count + 1)
    return rows


def table() -> str:
    """Return the Markdown table of the file: one row for each recipe, strength and number."""
    with FILE.open(newline="") as file:
        rows = list(csv.DictReader(file))
    names = list(dict.fromkeys(row["recipe"] for row in rows))
    cells = {(row["recipe"], row["strength"], row["views"]): row for row in rows}
    lines = [f"| strength | views | {' | '.join(f'`{name}`' for name in names)} |"]
    lines.append("|---" * (len(names) + 2) + "|")
    for strength, views in dict.fromkeys((row["strength"], row["views"]) for row in rows):
        values = [cells[name, strength, views] for name in names]
        shown = [
            f"{float(v['held_out_accuracy']):.2%} ({float(v['held_out_loss']):.4f})".replace(
                "%", " %"
            )
            for v in values
        ]
        first = f"{float(strength):g}" if views != "0" else "image alone"
        lines.append(f"| {first} | {views} | {' | '.join(shown)} |")
    return "\n".join(lines)


def main(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    data = folders.training_data(None)
    first = five_sixths(data.y)
    x, y = np.asarray(data.x[first:]), data.y[first:]
    rows, everyone = [], {}
    for name in NAMES:
        recipe = RECIPES[name].recipe
        network = trained(recipe, folder / f"{name}.npz", data.x[:first], data.y[:first])
        everyone[name] = measure(recipe, network, x)
    # The committee of those that were trained on distorted images.
    both = [everyone[name] for name in NAMES[1:]]
    everyone["both"] = {key: np.mean([one[key] for one in both], axis=0) for key in both[0]}
    for name, means in everyone.items():
        for (strength, views), p in means.items():
            figures = f"{accuracy(y, p.argmax(axis=1)):.4f}", f"{log_loss(y, p):.4f}"
            rows.append([name, strength, views, *figures])
    write_csv(FILE, COLUMNS, rows)
    print(table())


if __name__ == "__main__":
    main(Path(sys.argv[1]))
