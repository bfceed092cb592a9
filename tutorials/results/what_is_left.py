"""Look at what the best recipes still get wrong: tables and pictures of `what_is_left.md`.

    python tutorials/results/what_is_left.py runs/ladder record committee

reads the runs of these recipes that `numpymlp ladder` keeps in this folder, trains nothing, prints
the tables, and writes the images that all runs of a recipe misread into `what_is_left.csv`, beside
this file. From there and from `ladder.csv` it draws a picture for each recipe, and `ladder.png`.
Without a folder, it only draws.
"""

import argparse
import itertools
import statistics
from pathlib import Path

import numpy as np

from numpymlp import metrics
from numpymlp.experiments import folders
from numpymlp.experiments.averaging import mean_probabilities
from numpymlp.experiments.begun import load_run
from numpymlp.experiments.ladder import label_of, run_folder
from numpymlp.experiments.named_recipes import RECIPES
from numpymlp.experiments.results import members_of, read_results, result_of, results_file
from numpymlp.plots import style
from numpymlp.storage.files import write_csv
from numpymlp.storage.reading import read_csv, text

HERE = Path(__file__)
COLUMNS = ("recipe", "image", "label", "answer", "probability")
AVERAGED = {"color": style.TRAIN, "markersize": 13, "markeredgewidth": 1.8, "zorder": 3}


def members(name, folder, x):
    """Return (recipe, probabilities alone, probabilities averaged) of each run of a recipe."""
    found, whole = [], RECIPES[name]
    for named, seeds in members_of(whole) or [(whole, whole.seeds)]:
        recipe = named.recipe
        for seed in range(seeds):
            network = load_run(run_folder(folder, recipe, seed, label_of(None)))
            averaged = mean_probabilities(network, x, recipe.build_views(), recipe.average)
            found.append((named.name, network.predict_proba(x), averaged))
    return found


def accuracy(rows, y):
    return metrics.accuracy(y, rows.argmax(axis=1))


def print_members(found, y):
    """Print the accuracy of each recipe's members and of their vote, alone and averaged."""
    print("| members | accuracy of each | of their vote | each, averaged | vote, averaged |")
    print("|---|---|---|---|---|")
    groups = {name: [m for m in found if m[0] == name] for name, *_ in found}
    if len(groups) > 1:
        groups["all"] = found
    for name, group in groups.items():
        cells = [f"{len(group)} x `{name}`" if name != "all" else f"all {len(group)}"]
        for kind in (1, 2):  # of the images alone, averaged over the views
            own = [f"{100 * accuracy(member[kind], y):.2f}" for member in group]
            if name == "all":
                own = [f"mean {statistics.mean(map(float, own)):.2f}"]
            vote = accuracy(sum(member[kind] for member in group), y)
            cells += [", ".join(own), f"{100 * vote:.2f}"]
        print(f"| {' | '.join(cells)} |")


def print_agreement(found, y):
    """Print how often two members give the same answer, and share the same mistake."""
    print("\n| pairs | same answer | mistakes that both make, of those that either makes |")
    print("|---|---|---|")
    pairs = {}
    for (a, p, _), (b, q, _) in itertools.combinations(found, 2):
        one, two = p.argmax(axis=1), q.argmax(axis=1)
        either, both = (one != y) | (two != y), (one != y) & (two != y)
        pairs.setdefault((a, b), []).append(((one == two).mean(), both.sum() / either.sum()))
    for (a, b), figures in pairs.items():
        same, shared = np.mean(figures, axis=0)
        print(f"| {a} and {b} | {same:.2%} | {shared:.0%} |")


def left(found, y):
    """Return the images that every member gets wrong, and how many members each image fools."""
    wrong = np.sum([rows.argmax(axis=1) != y for _, rows, _ in found], axis=0)
    return np.flatnonzero(wrong == len(found)), wrong


def draw_left(images, lines, name):
    """Draw images with the label of the data set, and the answer of the mean probabilities."""
    columns, size, step = min((8, 7, 6), key=lambda n: -len(lines) % n), 0.82, 1.3
    one = "member of the committee" if RECIPES[name].committee else f"run of {name}"
    title = f"The {len(lines)} test images that every {one} gets wrong"
    below = "Below each: what their vote over 64 views says, and its probability; green if right"
    figure, axes = style.page(0.75 + step * -(-len(lines) // columns), title, below)
    for place, line in enumerate(lines):
        down, right = divmod(place, columns)
        x, top = 0.2 + right * 0.97, 0.8 + down * step
        style.write(axes, x, top, f"{place + 1}: label {line['label']}", size=style.SMALL)
        style.stamp(axes, images[int(line["image"])], x, top + 0.1, size)
        text = f"{line['answer']}: {style.percent(float(line['probability']), 0)}"
        color = style.WRONG if line["answer"] != line["label"] else style.RIGHT
        style.write(axes, x, top + size + 0.2, text, size=style.SMALL, color=color)
    return figure


def place_of(name):
    """Return where a label stands, so that it covers no mark."""
    if name in ("lenet", "lenet-elastic", "record", "committee"):
        return {"xytext": (-11, -4), "ha": "right"}
    return {"xytext": (8, -4)}


def draw_ladder():
    """Draw the test error of every recipe against its training time, and the published errors."""
    figure = style.new_figure(5.2)
    axes = figure.subplots()
    results = read_results(results_file())
    for named in RECIPES.values():
        here = result_of(named, results)
        if here is None:
            continue
        published, error = float(named.published.split()[0]), 100 - here.accuracy
        axes.plot([here.seconds] * 2, [error, published], color=style.FAINT, zorder=1)
        if here.averaged is not None:
            axes.plot(here.seconds, 100 - here.averaged, "_", **AVERAGED)
        axes.plot(here.seconds, error, "o", color=style.TRAIN, markersize=7, zorder=3)
        axes.plot(
            here.seconds, published, "D", color=style.WRONG, markerfacecolor="white", zorder=2
        )
        axes.annotate(
            named.name, (here.seconds, error), textcoords="offset points",
            fontsize=style.SMALL, color=style.INK, **place_of(named.name),
        )  # fmt: skip
    axes.set_xscale("log")
    axes.set_yscale("log")
    ticks = {1: "1 s", 10: "10 s", 60: "1 min", 600: "10 min", 3600: "1 h"}
    axes.set_xticks(list(ticks), list(ticks.values()))
    axes.set_ylim(bottom=0.2)
    axes.set_yticks(
        [0.2, 0.3, 0.5, 1, 2, 5, 10], ["0.2 %", "0.3 %", "0.5 %", "1 %", "2 %", "5 %", "10 %"]
    )
    axes.minorticks_off()
    style.tidy(axes, "", "time of a training run", "test error", grid="both")
    axes.plot([], [], "o", color=style.TRAIN, label="mean test error here")
    axes.plot([], [], "_", label="averaged over 64 views", **AVERAGED)
    axes.plot(
        [], [], "D", color=style.WRONG, markerfacecolor="white",
        label="published, of unknown time",
    )  # fmt: skip
    style.headline(figure, "The ladder: test error on MNIST against training time")
    style.legend(figure, 3)
    return figure


def look(name, folder, x, y):
    """Print the tables of a recipe; return the lines of the images that all its runs misread."""
    print(f"\n## {name}\n")
    found = members(name, folder, x)
    print_members(found, y)
    print_agreement(found, y)
    p = sum(averaged for *_, averaged in found) / len(found)
    rows, wrong = left(found, y)
    mistakes = (p.argmax(axis=1) != y).sum()
    print(
        f"\n{len(rows)} images are read wrong by all {len(found)}, {(wrong > 0).sum()} by at "
        f"least one; the vote makes {mistakes} mistakes"
    )
    cells = [[name, r, y[r], p[r].argmax(), f"{p[r].max():.3f}"] for r in rows]
    return [dict(zip(COLUMNS, map(str, line), strict=True)) for line in cells]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", nargs="?", type=Path, help="that of the ladder's runs")
    parser.add_argument("recipes", nargs="*", default=["committee"], help="such as record")
    options = parser.parse_args()
    data = folders.read_data(None)
    x, file = np.asarray(data.x_test), HERE.with_suffix(".csv")
    lines = read_csv(file, "a table of images", dict.fromkeys(COLUMNS, text()))
    for name in options.recipes if options.folder else ():
        others = [line for line in lines if line["recipe"] != name]
        lines = others + look(name, options.folder, x, data.y_test)
        write_csv(file, COLUMNS, [list(line.values()) for line in lines])
    for name in dict.fromkeys(line["recipe"] for line in lines):
        own = [line for line in lines if line["recipe"] == name]
        picture = draw_left(x.reshape(-1, 28, 28), own, name)
        picture.savefig(HERE.with_name(f"{HERE.stem}_{name}.png"), metadata={"Software": None})
    draw_ladder().savefig(HERE.with_name("ladder.png"), metadata={"Software": None})


if __name__ == "__main__":
    main()
