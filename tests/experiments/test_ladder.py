"""The ladder: it trains each run once, resumes after a stop, and its table shows its file."""

from __future__ import annotations

import dataclasses
import json
import os
import re
import signal
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import joblib
import numpy as np
import pytest
from small_mnist import small_mnist, write_idx

from numpymlp import load_folder, plots
from numpymlp.__main__ import build_parser, main
from numpymlp.data import Distortion
from numpymlp.experiments.averaging import mean_probabilities
from numpymlp.experiments.environment import cores
from numpymlp.experiments.folders import RunData
from numpymlp.experiments.ladder import (
    label_of,
    run_folder,
    run_ladder,
    validate,
)
from numpymlp.experiments.named_recipes import RECIPES, NamedRecipe, find
from numpymlp.experiments.recipes import Recipe
from numpymlp.experiments.results import (
    COLUMNS,
    append_result,
    describe,
    duration,
    key,
    listing,
    read_results,
    result_of,
    table,
)
from numpymlp.storage.files import RunLock
from numpymlp.storage.models import load
from numpymlp.training.interrupts import TrainingInterrupted
from numpymlp.validation import InputError

SMALL = Recipe(hidden=(12,), epochs=2, batch_size=50)
OTHER = Recipe(hidden=(), epochs=1)
TWO_OTHERS = NamedRecipe("plain", OTHER, "nothing", "12 %", "somebody 1998", seeds=2)
THREE_SMALL = NamedRecipe("small", SMALL, "a layer", "3 %", "somebody else 2003", seeds=3)
VOTE = NamedRecipe("committee", SMALL, "a vote", "1 %", "many 2011", 1, members=(THREE_SMALL,))
LADDER = {named.name: named for named in (TWO_OTHERS, THREE_SMALL, VOTE)}


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """The first 600 training and 300 test images of MNIST, as a folder of IDX files."""
    folder = small_mnist(tmp_path_factory.mktemp("tiny"), 600, 300)
    return str(folder)


@pytest.fixture
def ladder(data, tmp_path, monkeypatch):
    """A function that runs a ladder of three small recipes."""
    monkeypatch.setattr("numpymlp.experiments.ladder.RECIPES", LADDER)
    monkeypatch.setattr("numpymlp.experiments.results.RECIPES", LADDER)

    def go(names=tuple(LADDER), **options):
        options = {"folder": tmp_path / "runs", "data": data, "verbose": 0} | options
        options.setdefault("say", lambda line: None)
        return run_ladder(names, results=tmp_path / "ladder.csv", **options)

    return go


def keys(rows):
    return [(row["recipe"], row["seed"]) for row in rows]


ALL = [("plain", "0"), ("plain", "1"), ("small", "0"), ("small", "1"), ("small", "2")]
ALL += [("committee", "0")]


def test_every_recipe_is_run_over_its_seeds_and_the_file_holds_the_results(ladder, data, tmp_path):
    rows = ladder()
    assert keys(rows) == ALL
    assert read_results(tmp_path / "ladder.csv") == rows
    (x, y), (x_test, y_test) = load_folder(data)
    for row in rows[:5]:
        recipe = LADDER[row["recipe"]].recipe
        folder = run_folder(tmp_path / "runs", recipe, int(row["seed"]), label_of(data))
        network = load(folder / "model.npz")
        assert float(row["test_accuracy"]) == pytest.approx(
            (network.predict(x_test) == y_test).mean(), abs=1e-5
        )
        assert float(row["train_accuracy"]) == pytest.approx(
            (network.predict(x) == y).mean(), abs=1e-5
        )
        assert row["settings"] == describe(recipe)
    assert len({row["test_accuracy"] for row in rows}) > 3  # the seeds differ


def test_a_run_of_unknown_length_counts_like_the_others_and_promises_no_time(ladder):
    said = []
    ladder(["plain", "small"], say=said.append)
    heads = [re.sub(r", [\d:]+ left", "", line[1:]) for line in said if line.startswith("\n==")]
    assert [head.partition(": ")[0] for head in heads] == [
        "== plain, seed 0 (0 %, time left not known yet)",
        "== plain, seed 1 (20 %)",
        "== small, seed 0 (40 %)",
        "== small, seed 1 (60 %)",
        "== small, seed 2 (80 %)",
    ]


def test_the_committee_is_the_mean_of_the_probabilities_of_its_members(ladder, data, tmp_path):
    row = ladder()[-1]
    _, (x, y) = load_folder(data)
    members = [
        load(run_folder(tmp_path / "runs", SMALL, seed, label_of(data)) / "model.npz")
        for seed in range(3)
    ]
    probabilities = np.mean([member.predict_proba(x) for member in members], axis=0)
    accuracy = (probabilities.argmax(axis=1) == y).mean()
    assert float(row["test_accuracy"]) == pytest.approx(accuracy, abs=1e-5)
    assert row["settings"] == f"3 x {describe(SMALL)}"
    assert row["averaged_accuracy"] == ""


def test_runs_and_committee_are_also_scored_with_the_views_of_their_recipe(
    ladder, data, tmp_path, monkeypatch
):
    small = dataclasses.replace(SMALL, average=4)
    named = dataclasses.replace(LADDER["small"], recipe=small, seeds=2)
    both = dataclasses.replace(VOTE, recipe=small, members=(named, TWO_OTHERS))
    for name, one in (("small", named), ("committee", both)):
        monkeypatch.setitem(LADDER, name, one)
    rows = ladder(["small", "committee"])
    assert [row["recipe"] for row in rows] == ["small", "small", "committee"]
    assert rows[-1]["settings"] == f"2 x {describe(SMALL)}; 2 x {describe(OTHER)}"
    _, (x, y) = load_folder(data)
    means = []
    for recipe, seed in ((small, 0), (small, 1), (OTHER, 0), (OTHER, 1)):
        network = load(run_folder(tmp_path / "runs", recipe, seed, label_of(data)) / "model.npz")
        means.append(mean_probabilities(network, x, small.build_views(), recipe.average))
    for row, p in zip(rows, [*means[:2], sum(means)], strict=True):
        expected = (p.argmax(axis=1) == y).mean()
        assert float(row["averaged_accuracy"]) == pytest.approx(expected, abs=1e-5)
    assert rows[0]["averaged_accuracy"] != rows[0]["test_accuracy"]
    here = result_of(named, rows, label_of(data))
    assert here.averaged == pytest.approx(50 * sum(float(r["averaged_accuracy"]) for r in rows[:2]))
    assert f"| {here.averaged:.2f} % |" in table(rows, label_of(data), ["small"])
    assert validate(small, data=data)["average"] == 4
    # Runs that were begun with another number of views are averaged again.
    more = dataclasses.replace(named, recipe=dataclasses.replace(small, average=9), seeds=1)
    monkeypatch.setitem(LADDER, "small", more)
    (tmp_path / "ladder.csv").unlink()
    (again,) = ladder(["small"])
    network = load(run_folder(tmp_path / "runs", small, 0, label_of(data)) / "model.npz")
    p = mean_probabilities(network, x, small.build_views(), 9)
    expected = (p.argmax(axis=1) == y).mean()
    assert float(again["averaged_accuracy"]) == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("absent", [1, 3])
def test_a_file_of_an_earlier_version_without_the_last_columns_is_read(absent, ladder, tmp_path):
    rows = ladder(["plain"])
    path = tmp_path / "ladder.csv"
    lines = [line.rsplit(",", absent)[0] for line in path.read_text().splitlines()]
    path.write_text("\n".join(lines) + "\n")
    older = read_results(path)
    assert older == [row | dict.fromkeys(COLUMNS[-absent:], "") for row in rows]
    assert ladder(["plain"]) == older  # nothing is repeated


@pytest.mark.skipif(cores() < 2, reason="two jobs need two cores")
@pytest.mark.parametrize("validation", [False, True])
def test_runs_side_by_side_have_the_results_of_one_after_the_other(validation, ladder, tmp_path):
    one_by_one = ladder(validation=validation, folder=tmp_path / "others")
    (tmp_path / "ladder.csv").unlink()
    with joblib.parallel_config("threading"):
        rows = ladder(validation=validation, jobs=2)

    def results(rows):
        return sorted((*key(row), row["test_accuracy"], row["train_accuracy"]) for row in rows)

    assert results(rows) == results(one_by_one)
    assert len(rows) == (5 if validation else 6)


def test_the_network_of_each_run_is_shared_by_several_workers(ladder, data, tmp_path):
    rows = ladder(workers=2)
    assert {row["workers"] for row in rows} == {"2"}
    (tmp_path / "ladder.csv").unlink()
    alone = ladder(["small"], folder=tmp_path / "alone")
    assert {row["workers"] for row in alone} == {"1"}
    places = [run_folder(tmp_path / name, SMALL, 1, label_of(data)) for name in ("runs", "alone")]
    networks = [load(place / "model.npz").parameters for place in places]
    np.testing.assert_allclose(*networks, rtol=1e-3, atol=1e-4)
    assert not np.array_equal(*networks)  # the sums of the workers are rounded in another order


@pytest.mark.parametrize("options", [{"jobs": -1}, {"validation": True}])
def test_several_workers_train_neither_runs_side_by_side_nor_on_held_out_images(
    options, ladder, tmp_path
):
    with pytest.raises(InputError, match="workers: expected 1 for held-out images and for runs"):
        ladder(workers=2, **options)
    assert not (tmp_path / "ladder.csv").exists()


def test_a_run_that_the_file_has_is_not_repeated(ladder, monkeypatch):
    rows = ladder()
    monkeypatch.setattr("numpymlp.experiments.runs.train", None)
    monkeypatch.setattr("numpymlp.experiments.runs.resume", None)
    assert ladder() == rows


def test_a_model_that_is_missing_is_written_again_from_the_checkpoint(ladder, data, tmp_path):
    rows = ladder(["plain", "small"])
    model = run_folder(tmp_path / "runs", SMALL, 1, label_of(data)) / "model.npz"
    before = load(model).parameters.copy()
    model.unlink()
    assert ladder()[:5] == rows
    np.testing.assert_array_equal(load(model).parameters, before)


def test_a_member_without_its_model_is_trained_again_but_not_counted_twice(ladder, data, tmp_path):
    rows = ladder(["plain", "small"])
    folder = run_folder(tmp_path / "runs", SMALL, 1, label_of(data))
    before = load(folder / "model.npz").parameters.copy()
    for path in folder.iterdir():
        path.unlink()
    after = ladder()
    assert keys(after) == ALL
    assert after[:5] == rows
    np.testing.assert_array_equal(load(folder / "model.npz").parameters, before)


def test_a_run_whose_row_was_not_written_is_taken_from_its_folder(ladder, tmp_path, monkeypatch):
    rows = ladder(["plain"])
    (tmp_path / "ladder.csv").unlink()
    monkeypatch.setattr("numpymlp.experiments.runs.train", None)
    again = ladder(["plain"])
    for old, new in zip(rows, again, strict=True):
        assert {**old, "finished": ""} == {**new, "finished": ""}
    for metrics in (tmp_path / "runs").rglob("metrics.json"):  # as of an earlier version
        content = json.loads(metrics.read_text())
        del content["workers"]
        metrics.write_text(json.dumps(content))
    (tmp_path / "ladder.csv").unlink()
    assert {row["workers"] for row in ladder(["plain"])} == {""}


@pytest.fixture
def shuffled(data, tmp_path):
    """Another data set, in a folder of the same name."""
    folder = tmp_path / Path(data).name
    folder.mkdir()
    for path in Path(data).iterdir():
        content = path.read_bytes()
        if "labels" in path.name:
            content = content[:8] + content[8:][::-1]
        (folder / path.name).write_bytes(content)
    return str(folder)


def test_changed_settings_and_other_data_are_other_runs(
    ladder, data, shuffled, monkeypatch, tmp_path
):
    ladder(["plain"])
    changed = Recipe(hidden=(), epochs=2)
    assert describe(changed) != describe(OTHER)
    other = {**LADDER, "plain": NamedRecipe("plain", changed, "", seeds=2)}
    monkeypatch.setattr("numpymlp.experiments.ladder.RECIPES", other)
    rows = ladder(["plain"])
    assert keys(rows) == [*ALL[:2], *ALL[:2]]
    assert [row["epochs"] for row in rows] == ["1", "1", "2", "2"]
    paths = {
        run_folder(tmp_path, recipe, seed, label_of(folder))
        for recipe in (OTHER, changed)
        for seed in (0, 1)
        for folder in (None, data, shuffled)
    }
    assert len(paths) == 12
    assert len(ladder(["plain"], data=shuffled)) == 6


def test_validation_needs_no_folder_and_so_runs_next_to_a_ladder(ladder, tmp_path):
    with RunLock(tmp_path):
        (row,) = ladder(["plain"], folder=tmp_path, seeds=1, validation=True)
    assert row["data"].endswith(", validation")
    ladder(["small"], folder=tmp_path / "new", seeds=1, validation=True)
    assert not (tmp_path / "new").exists()


def test_two_ladders_may_write_one_file_and_no_run_counts_twice(tmp_path):
    path = tmp_path / "ladder.csv"
    rows = [row(seed=seed, accuracy=0.9 + seed / 1000) for seed in range(40)]
    with ThreadPoolExecutor(8) as pool:
        for each in [*rows, *rows[:7]]:
            pool.submit(append_result, path, each)
    found = read_results(path)
    assert sorted(found, key=lambda r: int(r["seed"])) == rows
    assert (
        result_of(LADDER["plain"], [*rows, *rows]).seeds == 40
    )  # a merge of two branches can duplicate rows


def test_settings_without_effect_do_not_make_another_recipe():
    assert describe(Recipe(sigma=3.0)) == describe(Recipe())
    assert describe(Recipe(learning_rate=1e-2)) == describe(Recipe())
    assert describe(Recipe(rotation=10, l2=1)) == describe(Recipe(rotation=10.0, l2=1.0))
    assert describe(Recipe(elastic=30.0, sigma=3.0)) != describe(Recipe(elastic=30.0))
    assert describe(Recipe(learning_rate=2e-2)) != describe(Recipe())


@pytest.mark.skipif(os.name == "nt", reason="needs signals to its own process")
def test_after_an_interruption_it_resumes_with_the_same_result(ladder, data, tmp_path, monkeypatch):
    recipe = Recipe(hidden=(12,), epochs=3, batch_size=50, schedule="constant", rotation=9.0)
    monkeypatch.setitem(LADDER, "long", NamedRecipe("long", recipe, "", seeds=1))
    (straight,) = ladder(["long"], folder=tmp_path / "straight")
    (tmp_path / "ladder.csv").unlink()
    lines = []

    def interrupt_once(self, step, total_steps):
        if step == 17:  # in the middle of the second epoch
            os.kill(os.getpid(), signal.SIGINT)
        return 1.0

    with monkeypatch.context() as patch:
        patch.setattr("numpymlp.schedules.Constant.__call__", interrupt_once)
        with pytest.raises(TrainingInterrupted, match="the same command resumes"):
            ladder(["long"])
    assert not (tmp_path / "ladder.csv").exists()
    (resumed,) = ladder(["long"], say=lines.append)
    assert any(re.search("1 of 3 epochs are done, and [56] batches", line) for line in lines)
    networks = [
        load(run_folder(tmp_path / place, recipe, 0, label_of(data)) / "model.npz")
        for place in ("straight", "runs")
    ]
    np.testing.assert_array_equal(networks[0].parameters, networks[1].parameters)
    assert resumed["test_accuracy"] == straight["test_accuracy"]


def test_two_ladders_in_one_folder_are_refused(ladder, tmp_path):
    (tmp_path / "runs").mkdir()
    with RunLock(tmp_path / "runs"), pytest.raises(InputError, match="in use"):
        ladder(["plain"])


@pytest.mark.parametrize(
    "options", [{"names": ["plain", "nowhere"]}, {"names": ["plain"], "seeds": 0}]
)
def test_mistakes_are_found_before_anything_is_trained(ladder, tmp_path, options):
    with pytest.raises(InputError):
        ladder(**options)
    assert not (tmp_path / "runs").exists()


# ---- validation ----


def test_validation_evaluates_the_weights_that_early_stopping_restores(data, monkeypatch):
    recipe = dataclasses.replace(
        SMALL,
        epochs=30,
        learning_rate=0.3,
        schedule="constant",
        validation=0.2,
        early_stopping=2,
    )
    networks = []
    build = Recipe.build_network
    monkeypatch.setattr(
        Recipe,
        "build_network",
        lambda *arguments: networks.append(build(*arguments)) or networks[-1],
    )
    metrics = validate(recipe, 0, data=data)
    (x, y), _ = load_folder(data)
    assert metrics["epochs"] < 30
    assert metrics["test_accuracy"] == (networks[-1].predict(x[500:]) == y[500:]).mean()


def test_validation_trains_on_five_sixths_and_never_sees_the_test_images(ladder, data, monkeypatch):
    (x, y), test = load_folder(data)
    seen = []
    fit = "numpymlp.training.trainer.Trainer.fit"

    def record(self, x, y, epochs, *, validation):
        seen.append((x, y, validation))
        return original(self, x, y, epochs, validation=validation)

    from numpymlp.training.trainer import Trainer

    original = Trainer.fit
    monkeypatch.setattr(fit, record)
    broken = (np.full_like(test[0], np.nan), test[1])
    monkeypatch.setattr(
        "numpymlp.experiments.folders.read_data", lambda folder: RunData("tiny", x, y, *broken)
    )
    metrics = validate(SMALL, 0)
    ((x_train, y_train, (x_held, y_held)),) = seen
    np.testing.assert_array_equal(x_train, x[:500])
    np.testing.assert_array_equal(y_train, y[:500])
    np.testing.assert_array_equal(x_held, x[500:])
    np.testing.assert_array_equal(y_held, y[500:])
    assert 0.1 < metrics["test_accuracy"] < 1
    rows = ladder(validation=True)
    assert keys(rows) == ALL[:5]  # no committee
    assert {row["data"].split(", ")[1] for row in rows} == {"validation"}
    assert "held-out error here" in table(rows, rows[0]["data"])
    with pytest.raises(InputError, match="got the committee alone"):
        ladder(["committee"], validation=True)


def test_sorted_data_cannot_be_validated(monkeypatch):
    x = np.zeros((60, 4), np.float32)
    sorted_data = RunData("sorted", x, np.arange(60) // 10, x, np.arange(60) % 6)
    monkeypatch.setattr("numpymlp.experiments.folders.read_data", lambda folder: sorted_data)
    with pytest.raises(InputError, match=r"all 6 classes .* sorted by class"):
        validate(SMALL, 0)


def test_images_that_are_not_square_are_distorted_in_their_own_shape(tmp_path, capsys):
    images = np.zeros((40, 16, 36))  # 576 numbers, which could be 24 x 24
    images[:, 4:12, 17:19] = 255
    for prefix in ("train", "t10k"):
        write_idx(tmp_path / f"{prefix}-images-idx3-ubyte", images)
        write_idx(tmp_path / f"{prefix}-labels-idx1-ubyte", np.arange(40) % 4)
    seen = []
    original = Distortion.__call__

    def look(self, x, rng):
        seen.append(self.image_shape)
        return original(self, x, rng)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Distortion, "__call__", look)
        drawn = []
        patch.setattr(
            "numpymlp.experiments.reports._write_figures",
            lambda folder, names, figures: drawn.append(figures),
        )
        prediction_grid = plots.prediction_grid

        def look_at_images(images, *answers, **names):
            seen.append(images.shape[1:])
            return prediction_grid(images, *answers, **names)

        patch.setattr(plots, "prediction_grid", look_at_images)
        run = ["train", "--recipe", "affine", "--hidden", "4", "--epochs", "1"]
        assert main([*run, "--data", str(tmp_path), "--output", str(tmp_path / "run")]) == 0
        assert main(["evaluate", str(tmp_path / "run")]) == 0
    assert set(seen) == {(16, 36)}
    assert ["predictions.png" in figures for figures in drawn] == [True, True]


# ---- the results file and the tables ----


def row(recipe="plain", seed=0, accuracy=0.9, settings=None, data="MNIST", seconds=10.0):
    cells = dict.fromkeys(COLUMNS, "1")
    cells |= {"recipe": recipe, "seed": str(seed), "test_accuracy": f"{accuracy:.5f}"}
    cells |= {"data": data, "seconds": f"{seconds:.1f}", "averaged_accuracy": ""}
    return cells | {"settings": settings or describe(LADDER[recipe].recipe)}


@pytest.mark.parametrize(
    "text",
    [
        "hello\n",
        ",".join(COLUMNS) + "\nplain,0\n",
        ",".join(COLUMNS) + "\n" + ",".join(["x"] * len(COLUMNS)) + "\n",
        ",".join(COLUMNS) + "\n" + ",".join(["1"] * (len(COLUMNS) + 1)) + "\n",
        "\0",
        '"',
    ],
)
def test_another_file_is_refused_and_kept(text, tmp_path):
    path = tmp_path / "ladder.csv"
    path.write_text(text)
    for use in (lambda: read_results(path), lambda: append_result(path, row())):
        with pytest.raises(InputError, match="not a results file of the ladder"):
            use()
    assert path.read_text() == text


def test_rows_are_appended_in_order_and_survive(tmp_path):
    rows = [row(seed=seed, accuracy=0.9 + seed / 100) for seed in range(4)]
    for one in rows:
        append_result(tmp_path / "ladder.csv", one)
    assert read_results(tmp_path / "ladder.csv") == rows
    assert read_results(tmp_path / "nothing.csv") == []


def test_the_result_is_mean_and_standard_deviation_worked_by_hand():
    # 90, 91, 95: mean 92, deviations -2, -1, 3: variance (4 + 1 + 9) / 2 = 7
    rows = [row(seed=s, accuracy=a, seconds=t) for s, a, t in ((0, 0.9, 5), (1, 0.91, 7))]
    rows += [row(seed=2, accuracy=0.95, seconds=60)]
    rows += [row(accuracy=0.1, settings="old settings"), row(accuracy=0.1, data="Fashion")]
    rows += [row("small", accuracy=0.1)]
    here = result_of(LADDER["plain"], rows)
    assert here.accuracy == pytest.approx(92)
    assert here.spread == pytest.approx(7**0.5)
    assert (here.seeds, here.seconds) == (3, 7)
    assert str(here) == "92.00 ± 2.65 %"
    assert str(result_of(LADDER["small"], rows)) == "10.00 %"  # one run has no spread
    assert result_of(LADDER["plain"], rows[3:4]) is None


def test_the_table_has_the_published_number_next_to_ours(ladder):
    rows = [row(seed=s, accuracy=a) for s, a in ((0, 0.91), (1, 0.93))]
    rows += [row("committee", accuracy=0.99, settings=f"3 x {describe(SMALL)}", seconds=600)]
    lines = table(rows).splitlines()
    assert len({line.count("|") for line in lines}) == 1
    assert len(lines) == 2 + 3
    plain, small, committee = ([c.strip() for c in line.split("|")[1:-1]] for line in lines[2:])
    assert plain == [
        "`plain`", "784-10", "nothing", "12 %, somebody 1998", "8.00 %", "92.00 ± 1.41 %", "2",
        "10 s",
    ]  # fmt: skip
    assert small[3:] == ["3 %, somebody else 2003", "", "", "", ""]  # nothing is invented
    assert committee[4:] == ["1.00 %", "99.00 %", "1", "10 min"]
    assert committee[1] == "3 x 784-12-10"
    two = row("committee", accuracy=0.98, settings=f"2 x {describe(SMALL)}")
    assert "98.00 %" in table([two], names=["committee"], seeds=2)
    text = listing(rows)
    assert "92.00 ± 1.41 % on the test images of MNIST (2 seeds, 10 s each)" in text
    assert text.count("not measured yet") == 1


@pytest.mark.parametrize("name", [name for name, named in RECIPES.items() if not named.committee])
def test_what_recipes_prints_can_be_pasted(name):
    (line,) = [
        line
        for block in re.split(r"\n(?=\S)", listing([]))
        if block.split()[0] == name
        for line in block.splitlines()
        if "same as: numpymlp " in line
    ]
    words = line.split("numpymlp ")[1].split()
    given = vars(build_parser().parse_args(words))
    settings = {key: given[key] for key in given if key in Recipe.__dataclass_fields__}
    assert find("default", **settings) == RECIPES[name].recipe


def test_durations_are_in_seconds_or_minutes():
    assert [duration(s) for s in (0.4, 7.2, 99, 101, 3600)] == [
        "0 s", "7 s", "99 s", "2 min", "60 min",
    ]  # fmt: skip


# ---- the recipes ----


def test_every_named_recipe_builds_and_names_the_source_of_its_number():
    for name, named in RECIPES.items():
        assert named.name == name
        assert named.adds
        assert re.match(r"\d+\.\d+ % \(.+\)$", named.published), name
        assert re.search(r"(19|20)\d\d$", named.source), name
        network = named.recipe.build_network(784, 10, 0)
        named.recipe.build_trainer(network, 0, verbose=0)
    assert list(RECIPES)[-1] == "committee"
    assert RECIPES["default"].recipe == Recipe()


def test_a_recipe_passes_distortion_and_max_norm_to_the_trainer():
    recipe = Recipe(shift=2.0, elastic=30.0, sigma=3.0, max_norm=1.5)
    trainer = recipe.build_trainer(recipe.build_network(784, 10, 0), 0, verbose=0)
    assert (trainer.augment.shift, trainer.augment.alpha, trainer.augment.sigma) == (2, 30, 3)
    assert trainer.augment.rotation == 0
    assert trainer.constraint.limit == 1.5
    plain = Recipe().build_trainer(recipe.build_network(784, 10, 0), 0, verbose=0)
    assert plain.augment is None
    assert plain.constraint is None
    with pytest.raises(InputError, match="scaling"):
        Recipe(scaling=1.5)


def test_options_change_a_recipe_and_another_optimizer_brings_its_own_rate():
    assert find("affine") == RECIPES["affine"].recipe
    assert find("affine", epochs=3, rotation=0.0).epochs == 3
    assert find("affine", optimizer="sgd").learning_rate is None
    assert find("affine", optimizer="sgd", learning_rate=0.5).learning_rate == 0.5
    assert find("affine", optimizer="adam").learning_rate == find("affine").learning_rate
    with pytest.raises(InputError, match="ladder --only committee"):
        find("committee")


# ---- the commands ----


def test_train_takes_a_recipe_and_options_override_it(data, tmp_path, capsys):
    folder = tmp_path / "run"
    options = "--recipe elastic --hidden 16 --epochs 1 --no-figures --elastic 20 --max-norm 2"
    assert main(["train", "--data", data, "--output", str(folder), *options.split()]) == 0
    config = (folder / "config.json").read_text()
    for expected in ('"elastic": 20.0', '"rotation": 15.0', '"max_norm": 2.0', '"epochs": 1,'):
        assert expected in config
    assert load(folder / "model.npz").layers[0].outputs == 16


def test_ladder_and_recipes_from_the_command_line(data, tmp_path, capsys):
    results = tmp_path / "found.csv"
    arguments = ["--results", str(results)]
    ladder = ["ladder", "--only", "softmax", "--seeds", "2", "--data", data, "--quiet"]
    ladder += ["--folder", str(tmp_path / "runs"), *arguments]
    assert main(ladder) == 0
    out = capsys.readouterr().out
    assert re.search(r"^\| `softmax` \| none \|.*\| 2 \| \d+ s \|$", out, re.M)
    assert "published" not in out  # that was on MNIST
    assert keys(read_results(results)) == [("softmax", "0"), ("softmax", "1")]
    assert main([*ladder, "--table"]) == 0
    assert capsys.readouterr().out == out
    assert main(["recipes", *arguments]) == 0
    assert capsys.readouterr().out.count("not measured yet") == len(RECIPES)  # not on MNIST
    assert main(["recipes", *arguments, "--data", data]) == 0
    assert capsys.readouterr().out.count("not measured yet") == len(RECIPES) - 1
    assert main([*ladder[:-1], str(tmp_path / "nowhere" / "x.csv")]) != 0
    assert "folder that exists" in capsys.readouterr().err


def test_settings_with_effect_make_another_recipe():
    adamw = Recipe(optimizer="adamw")
    assert describe(dataclasses.replace(adamw, weight_decay=0.0)) != describe(adamw)


def test_a_folder_called_validation_is_evaluated_on_its_test_images(tmp_path):
    assert "test accuracy" in table([], "my, validation set 12345678")
    assert "held-out accuracy" in table([], "MNIST, validation")
