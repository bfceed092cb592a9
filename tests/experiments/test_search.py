"""The search: successive halving, evaluated on the last sixth; its table and its figure."""

from __future__ import annotations

import csv
import os
import re
import shlex
import signal

import numpy as np
import pytest
from matplotlib.image import imread
from scipy.stats import loguniform
from sklearn.exceptions import ConvergenceWarning

from numpymlp import plots
from numpymlp.__main__ import build_parser, main
from numpymlp.experiments.folders import RunData
from numpymlp.experiments.named_recipes import RECIPES
from numpymlp.experiments.recipes import Recipe
from numpymlp.experiments.search import OPTIONS, as_options, estimator, search, write_search
from numpymlp.validation import InputError

SETTINGS = {"learning_rate_init": loguniform(1e-5, 1e-1), "hidden_layer_sizes": [(4,), (6, 5)]}


def blobs(samples=240, classes=3, seed=0):
    rng = np.random.default_rng(seed)
    y = rng.integers(0, classes, samples)
    x = rng.normal(size=(samples, 6)) + 2 * np.eye(6)[y]
    return x.astype(np.float32), y


@pytest.fixture(scope="module")
def rows():
    recipe = Recipe(epochs=9, batch_size=20, learning_rate=1e-2)
    return search(recipe, *blobs(), candidates=9, settings=SETTINGS)


def test_the_best_third_is_trained_again_for_three_times_as_long(rows):
    rounds = {n: [row for row in rows if row["round"] == n] for n in (1, 2, 3)}
    assert [len(rounds[n]) for n in (1, 2, 3)] == [9, 3, 1]
    assert [{row["epochs"] for row in rounds[n]} for n in (1, 2, 3)] == [{1}, {3}, {9}]
    # The settings of each round were the best of the round before.
    for n in (1, 2):
        ranked = sorted(rounds[n], key=lambda row: -row["validation_accuracy"])
        settings = [{name: row[name] for name in SETTINGS} for row in ranked]
        least = ranked[len(rounds[n + 1]) - 1]["validation_accuracy"]
        for row in rounds[n + 1]:
            before = ranked[settings.index({name: row[name] for name in SETTINGS})]
            assert before["validation_accuracy"] >= least
    assert rows[0]["round"] == 3


def shares(lines):
    """Return the percents that are done, as the lines of a search say."""
    return [int(re.search(r"(\d+) %", line)[1]) for line in lines]


def test_a_search_says_from_the_start_what_is_done_and_what_is_left(monkeypatch):
    monkeypatch.setattr("numpymlp.experiments.search.INTERVAL", 0.001)
    lines = []
    recipe = Recipe(epochs=9, batch_size=20)
    search(recipe, *blobs(), candidates=9, settings=SETTINGS, say=lines.append)
    assert re.fullmatch(r"round 1 of 3: 9 settings for 1 epoch \(0 %, \d+:\d\d left\)", lines[0])
    assert [line.split(" (")[0] for line in lines if "round" in line][1:] == [
        "round 2 of 3: 3 settings for 3 epochs", "round 3 of 3: 1 setting for 9 epochs",
    ]  # fmt: skip
    assert lines[-1] == "  100 %, 0:00 left"
    assert shares(lines) == sorted(shares(lines))
    assert len(set(shares(lines))) > 4  # also within a round


def test_the_last_sixth_evaluates_and_the_rest_trains(rows):
    x, y = blobs()
    best = rows[0]
    recipe = Recipe(epochs=9, batch_size=20, learning_rate=1e-2)
    model = estimator(recipe).set_params(**{name: best[name] for name in SETTINGS})
    with pytest.warns(ConvergenceWarning):
        model.fit(x[:200], y[:200])
    assert model.n_iter_ == 9
    assert model.score(x[200:], y[200:]) == best["validation_accuracy"]


def test_the_same_seed_draws_the_same_settings(rows):
    recipe = Recipe(epochs=9, batch_size=20, learning_rate=1e-2)
    assert search(recipe, *blobs(), candidates=9, settings=SETTINGS) == rows
    assert search(recipe, *blobs(), candidates=9, settings=SETTINGS, seed=1) != rows


def test_a_setting_that_diverges_does_not_end_the_search():
    x, y = blobs()
    settings = {"learning_rate_init": [1e-2, 1e30], "batch_size": [20, 40]}
    rows = search(Recipe(epochs=3, batch_size=20), x, y, candidates=4, settings=settings)
    good, bad = ([r for r in rows if r["learning_rate_init"] == rate] for rate in (1e-2, 1e30))
    assert (len(good), len(bad)) == (4, 2)
    assert rows[0]["validation_accuracy"] == good[0]["validation_accuracy"] > 0.7
    assert max(row["validation_accuracy"] for row in bad) < 0.7


def test_a_few_settings_are_drawn_once_each_and_the_best_gets_all_epochs():
    settings = {"learning_rate_init": [1e-3, 1e-2], "hidden_layer_sizes": [(4,), (6, 5)]}
    rows = search(Recipe(epochs=9, batch_size=20), *blobs(), settings=settings)
    assert [row["epochs"] for row in rows] == [9, 9, 3, 3, 3, 3]


@pytest.mark.slow  # each process imports scikit-learn anew
def test_processes_change_nothing_and_count_what_they_have_done(rows, monkeypatch):
    monkeypatch.setattr("numpymlp.experiments.search.INTERVAL", 0.001)
    recipe, lines = Recipe(epochs=9, batch_size=20, learning_rate=1e-2), []
    options = {"candidates": 9, "settings": SETTINGS, "jobs": 2, "say": lines.append}
    assert search(recipe, *blobs(), **options) == rows
    assert len(set(shares(lines))) > 4


@pytest.mark.parametrize("name", ["softmax", "classic", "default"])
def test_the_estimator_trains_the_network_of_the_recipe(name):
    recipe = RECIPES[name].recipe
    x, y = blobs(400)
    with pytest.warns(ConvergenceWarning):
        small = estimator(recipe).set_params(max_iter=2).fit(x, y)
    sizes = [W.shape for W in small.coefs_]
    assert sizes == list(zip((6, *recipe.hidden), (*recipe.hidden, 3), strict=True))
    assert small.batch_size == recipe.batch_size
    assert small.alpha == recipe.l2


@pytest.mark.parametrize(
    ("recipe", "words"),
    [
        (RECIPES["elastic"].recipe, "shift, rotation, scaling"),
        (Recipe(optimizer="sgd"), "optimizer sgd"),
        (Recipe(max_norm=2.0), "max_norm"),
    ],
)
def test_a_recipe_that_the_estimator_cannot_express_is_refused(recipe, words):
    with pytest.raises(InputError, match=words):
        search(recipe, *blobs())


def test_table_and_figure_hold_the_results(rows, tmp_path):
    write_search(tmp_path, rows)
    with (tmp_path / "search.csv").open(encoding="utf-8") as file:
        table = list(csv.DictReader(file))
    assert len(table) == len(rows)
    assert float(table[0]["validation_accuracy"]) == pytest.approx(
        rows[0]["validation_accuracy"], rel=1e-3
    )
    assert table[0]["hidden_layer_sizes"] in ("4", "6-5")
    assert imread(tmp_path / "search.png").shape[1] == 1200

    figure = plots.search_results(rows)
    rates, sizes, empty = figure.axes
    assert (rates.get_title("left"), sizes.get_title("left")) == tuple(SETTINGS)
    assert not empty.axison
    drawn = np.concatenate([points.get_offsets() for points in rates.collections])
    expected = [(r["learning_rate_init"], 100 - 100 * r["validation_accuracy"]) for r in rows]
    np.testing.assert_allclose(sorted(map(tuple, drawn)), sorted(expected))
    assert rates.get_xscale() == "log"
    assert [label.get_text() for label in sizes.get_xticklabels()] == ["4", "6-5"]
    assert [text.get_text() for text in figure.legends[0].texts] == [
        "1 epoch", "3 epochs", "9 epochs",
    ]  # fmt: skip


def test_settings_are_given_as_options_of_train():
    row = {"epochs": 6, "learning_rate_init": 0.0123456, "batch_size": 64, "dropout": 0.25}
    row |= {"hidden_layer_sizes": (256, 128), "alpha": 1e-5, "validation_accuracy": 0.98}
    text = as_options(row)
    assert text == (
        "--learning-rate 0.01235 --batch-size 64 --dropout 0.25 --hidden 256,128 --l2 1e-05"
    )
    options = build_parser().parse_args(["train", *shlex.split(text)])
    assert (options.hidden, options.l2, options.batch_size) == ((256, 128), 1e-5, 64)
    assert set(OPTIONS) == set(search.__kwdefaults__["settings"])


@pytest.mark.skipif(os.name == "nt", reason="needs signals to its own process")
def test_ctrl_c_ends_the_search():
    x, y = blobs()
    fits = []

    def interrupt(trainer):
        fits.append(1)
        os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        search(Recipe(epochs=9, batch_size=20), x, y, candidates=9,
               settings={**SETTINGS, "callbacks": [[interrupt]]})  # fmt: skip
    assert len(fits) == 1


def test_an_error_of_zero_is_drawn():
    rows = [{"round": 1, "epochs": 1, "alpha": 0.1 * n, "validation_accuracy": a}
            for n, a in ((1, 0.9), (2, 1.0))]  # fmt: skip
    points = plots.search_results(rows).axes[0].collections[0].get_offsets()
    np.testing.assert_allclose(points[:, 1], [10, 5])


def test_a_figure_needs_rows():
    with pytest.raises(InputError, match="rows: expected"):
        plots.search_results([])
    with pytest.raises(InputError, match="rows: expected"):
        plots.search_results([{"epochs": 1}])


def test_search_from_the_command_line(tmp_path, capsys, monkeypatch):
    x, y = blobs(600)
    monkeypatch.setattr(
        "numpymlp.experiments.folders.read_data", lambda folder: RunData("blobs", x, y, x, y)
    )
    options = ["--candidates", "3", "--output", str(tmp_path / "found"), "--recipe", "classic"]
    monkeypatch.setattr("numpymlp.experiments.search.search.__kwdefaults__", {
        **search.__kwdefaults__, "settings": {"learning_rate_init": [0.1, 0.01, 0.001]},
    })  # fmt: skip
    assert main(["search", *options]) == 0
    out = capsys.readouterr().out
    assert "best of 3: " in out
    assert re.search(
        r"train with it: .*numpymlp train --recipe classic --learning-rate 0.\d+\n", out
    )
    # The suggested command can be pasted, and the next search does not overwrite the results.
    suggested = shlex.split(out.split("numpymlp ", 1)[1].split("\n")[0])
    assert build_parser().parse_args(suggested).recipe == "classic"
    other = [*options[:3], str(tmp_path / "other")]
    assert main(["search", *other, "--data", "my digits"]) == 0
    assert "train --data 'my digits' --learning-rate" in capsys.readouterr().out
    assert main(["search", *options]) == 2
    assert "holds files" in capsys.readouterr().err
    assert (tmp_path / "found" / "search.csv").exists()
