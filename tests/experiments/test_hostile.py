"""Run folders and data from somebody else: nothing outside them changes, and memory is bounded."""

import json
import os
import shutil
import struct
import warnings
from pathlib import Path

import numpy as np
import pytest
from attack import MEMORY, attack, one_short_line, snapshot
from memory import peak_below
from mutations import ODD, mutated_bytes, mutated_json_file, places_in, with_value
from PIL import Image

from numpymlp import Dense, Network, load, save
from numpymlp.__main__ import main
from numpymlp.experiments import folders
from numpymlp.experiments.folders import (
    CONFIG,
    CONFIG_FIELDS,
    LATER_FIELDS,
    METRICS,
    METRICS_FIELDS,
    MODEL,
    read_config,
)
from numpymlp.experiments.ladder import label_of, run_folder
from numpymlp.experiments.named_recipes import RECIPES
from numpymlp.experiments.recipes import MOST_EPOCHS, MOST_HIDDEN, Recipe
from numpymlp.experiments.reports import FILES
from numpymlp.experiments.results import COLUMNS, LATER, LONGEST, listing, read_results, table
from numpymlp.layer_protocol import MOST_LAYERS
from numpymlp.storage.archive import write_archive
from numpymlp.storage.files import csv_text, write_csv
from numpymlp.storage.reading import read_json
from numpymlp.validation import InputError


def write_idx(path, array, code=8, kind="u1"):
    header = struct.pack(">HBB", 0, code, array.ndim)
    header += struct.pack(f">{array.ndim}I", *array.shape)
    path.write_bytes(header + array.astype(f">{kind}").tobytes())


def write_data(folder, seed=0, labels=3):
    """Images of 3 x 3 pixels, 60 for training and 20 for the test."""
    folder.mkdir(parents=True)
    rng = np.random.default_rng(seed)
    for prefix, n in (("train", 60), ("t10k", 20)):
        write_idx(folder / f"{prefix}-images-idx3-ubyte", rng.integers(0, 256, (n, 3, 3)))
        write_idx(folder / f"{prefix}-labels-idx1-ubyte", np.arange(n) % labels)
    return folder


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder with data, other data, and a finished run."""
    folder = tmp_path_factory.mktemp("place")
    write_data(folder / "data")
    write_data(folder / "other", seed=1)
    options = ["--hidden", "4", "--epochs", "2", "--no-check", "--no-figures", "--quiet"]
    arguments = ["train", "--data", str(folder / "data"), "--output", str(folder / "run")]
    assert main([*arguments, *options]) == 0
    return folder


@pytest.fixture
def run(place, tmp_path):
    """A copy of the run, in a folder from somebody else."""
    return shutil.copytree(place / "run", tmp_path / "got" / "run")


def edit(run, **changes):
    path = run / (METRICS if "test_accuracy" in changes else CONFIG)
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def one_line(capsys):
    errors = capsys.readouterr().err
    assert errors.endswith("\n")
    one_short_line(errors[:-1])
    return errors


# ---- nothing outside changes ----


@pytest.mark.parametrize("exists", [True, False])
@pytest.mark.parametrize("command", ["evaluate", "evaluate other", "resume", "overwrite"])
def test_links_in_a_run_folder_change_nothing_outside(place, run, tmp_path, command, exists):
    outside = tmp_path / "home"
    (outside / "folder").mkdir(parents=True)
    other = folders.report_folder(run, folders.read_data(str(place / "other")))
    names = {".lock", *FILES, f".{FILES[0]}.{'0' * 12}.tmp"}
    if command == "resume":
        names |= {MODEL, "history.csv", METRICS}
    for name in names:
        (run / name).unlink(missing_ok=True)
        (run / name).symlink_to(outside / name)
        if exists:
            (outside / name).write_text("precious")
            (outside / "folder" / name).write_text("precious")
    other.symlink_to(outside / "folder")
    before = snapshot(outside)
    output, data = str(run), str(place / "data")
    options = ["--no-check", "--quiet"]
    arguments = {
        "evaluate": ["evaluate", output],
        "evaluate other": ["evaluate", output, "--data", str(place / "other")],
        "resume": ["train", "--resume", output, *options],
        "overwrite": [
            *("train", "--output", output, "--data", data, "--overwrite", "--hidden", "4"),
            *("--epochs", "1", *options),
        ],
    }
    assert main(arguments[command]) == 0
    assert snapshot(outside) == before


def test_a_linked_run_folder_of_the_ladder_is_replaced(place, tmp_path, monkeypatch):
    small = RECIPES["softmax"]
    data, runs_of_ladder = str(place / "data"), tmp_path / "ladder"
    link = run_folder(runs_of_ladder, small.recipe, 0, label_of(data))
    runs_of_ladder.mkdir()
    outside = shutil.copytree(place / "run", tmp_path / "outside")
    before = snapshot(outside)
    link.symlink_to(outside)
    arguments = ["ladder", "--only", "softmax", "--seeds", "1", "--data", data, "--quiet"]
    results = ["--folder", str(runs_of_ladder), "--results", str(tmp_path / "ladder.csv")]
    assert main([*arguments, *results]) == 0
    assert not link.is_symlink()
    assert snapshot(outside) == before


def test_evaluate_writes_into_another_folder_and_cleans_up_there(place, run, tmp_path):
    output = tmp_path / "report"
    output.mkdir()
    (output / f".report.txt.{'0' * 12}.tmp").touch()  # of an evaluation that was killed
    before = snapshot(run)
    assert main(["evaluate", str(run), "--output", str(output)]) == 0
    assert snapshot(run) == before
    assert (output / "report.txt").is_file()
    assert not list(output.glob("*.tmp"))


# ---- names from files ----


def test_a_name_with_control_characters_reaches_neither_terminal_nor_report(
    place, run, tmp_path, capsys
):
    name = tmp_path / "evil\n\x1b[2Jrm -rf\r"
    shutil.copytree(place / "other", name)
    edit(run, data=str(name))
    assert main(["evaluate", str(run)]) == 0
    report = next(run.glob("*/report.txt")).read_text()
    assert "evil\\n\\x1b[2Jrm" in report.splitlines()[0]
    printed = capsys.readouterr().out
    assert all(line.isprintable() for text in (report, printed) for line in text.split("\n"))
    edit(run, data=str(tmp_path / "\x1b[2J\n"))
    assert main(["evaluate", str(run)]) == 2
    one_line(capsys)


@pytest.mark.parametrize("name", [b"caf\xe9", b"a\rb", b"=cmd", b"-x"])
def test_every_command_reads_a_data_folder_of_any_name(place, tmp_path, capsys, name):
    data = os.fsdecode(os.path.join(os.fsencode(tmp_path), name))
    shutil.copytree(place / "data", data)
    run, results = str(tmp_path / "run"), str(tmp_path / "ladder.csv")
    small = ["--hidden", "3", "--epochs", "1", "--no-check", "--quiet"]
    assert main(["train", "--data", data, "--output", run, *small]) == 0
    assert main(["evaluate", run]) == 0
    ladder = ["ladder", "--only", "softmax", "--seeds", "1", "--data", data, "--results", results]
    for _ in range(2):  # the second time, the results file is read back and nothing is trained
        assert main([*ladder, "--folder", str(tmp_path / "runs"), "--quiet"]) == 0
    assert Path(results).read_text().count("\n") == 2
    assert main(["recipes", "--results", results, "--data", data]) == 0
    assert "1 run" in capsys.readouterr().out


ODD_NAMES = {
    "control": "a\x1b[2J\r\n",
    "bidi": "\u202egnp.exe",
    "byte": "caf\udce9",
    "long": "x" * 200,
}


@pytest.mark.parametrize("kind", ODD_NAMES)
def test_odd_names_of_images_reach_the_terminal_escaped(tmp_path, capsys, kind):
    save(Recipe(hidden=(4,)).build_network(784, 3, 0), tmp_path / MODEL)
    image = tmp_path / f"{ODD_NAMES[kind]}.png"
    Image.fromarray(np.eye(28, dtype=np.uint8) * 255).save(tmp_path / "plain.png")
    (tmp_path / "plain.png").rename(image)
    assert main(["predict", str(tmp_path / MODEL), str(image)]) == 0
    one_short_line(capsys.readouterr().out.removesuffix("\n"))
    image.write_bytes(b"damaged")
    assert main(["predict", str(tmp_path / MODEL), str(image)]) == 2
    one_line(capsys)


@pytest.mark.parametrize("kind", ODD_NAMES)
@pytest.mark.parametrize("command", ["resume", "evaluate", "predict", "recipes", "ladder"])
def test_odd_text_in_every_file_of_a_run_reaches_the_terminal_escaped(
    place, run, capsys, command, kind
):
    text, results = ODD_NAMES[kind] * 20, run.parent / "ladder.csv"
    write_csv(results, COLUMNS, [["softmax", *[text] * (len(COLUMNS) - 1)]])
    edit(run, data=text, activation=text, **{text: text})
    (run / MODEL).unlink()
    header = {"layers": [{"type": text, text: text}], "output": text, "loss": {"type": text}}
    write_archive(
        run / MODEL, "model", header, {text.encode("unicode_escape").decode(): np.ones(1)}
    )
    arguments = {
        "resume": ["train", "--resume", str(run)],
        "evaluate": ["evaluate", str(run), "--data", str(place / "data")],
        "predict": ["predict", str(run), "digit.png"],
        "recipes": ["recipes", "--results", str(results)],
        "ladder": ["ladder", "--table", "--results", str(results)],
    }
    assert main(arguments[command]) == 2
    one_line(capsys)


# ---- edited files ----


def read_back(path):
    """Read a file of a run as the commands do, and use what it holds."""
    if path.name == CONFIG:
        config = read_config(path.parent)
        for field in (*CONFIG_FIELDS, *LATER_FIELDS):
            config.pop(field)
        return Recipe.from_dict(config, str(path)).build_network(9, 3, seed=0)
    metrics = read_json(path, "the metrics of a run", METRICS_FIELDS)
    cells = {column: str(metrics.get(column, "")) for column in COLUMNS}
    return [csv_text(COLUMNS, [cells.values()]), *(f"{metrics[n]:.2%}" for n in ACCURACIES)]


ACCURACIES = ("test_accuracy", "train_accuracy", "seconds")


@pytest.mark.parametrize("name", [CONFIG, METRICS])
def test_every_field_of_the_json_files_set_to_odd_values_is_refused_or_fits(run, name):
    assert len(ODD) == 43
    document = json.loads((run / name).read_text())
    changed = [with_value(document, place, odd) for place in places_in(document) for odd in ODD]
    mutants = (json.dumps(each).encode() for each in changed)
    count, accepted = attack(
        f"fields of {name}", run / name, mutants, lambda: read_back(run / name)
    )
    assert 0 < accepted < count


def mutants_are_refused_or_fit(path, count, seed):
    good, rng = path.read_bytes(), np.random.default_rng(seed)
    mutants = (mutated_json_file(rng, good) for _ in range(count))
    _, accepted = attack(path.name, path, mutants, lambda: read_back(path))
    assert 0 < accepted < count


@pytest.mark.parametrize("name", [CONFIG, METRICS])
def test_a_thousand_mutants_of_the_json_files_are_refused_or_fit(run, name):
    mutants_are_refused_or_fit(run / name, 1_000, seed=0)


@pytest.mark.slow
@pytest.mark.parametrize("name", [CONFIG, METRICS])
def test_a_hundred_thousand_mutants_of_the_json_files_are_refused_or_fit(run, name):
    mutants_are_refused_or_fit(run / name, 100_000, seed=1)


@pytest.mark.slow
@pytest.mark.parametrize("name", [CONFIG, METRICS])
def test_the_commands_end_in_one_line_for_every_odd_value_and_write_nothing_outside(
    run, name, capsys, monkeypatch
):
    document, outside = json.loads((run / name).read_text()), run.parent.parent
    before = {path: held for path, held in snapshot(outside).items() if run not in path.parents}
    count = refused = 0
    resume = ["train", "--resume", str(run), "--no-figures", "--quiet"]
    monkeypatch.setattr("numpymlp.experiments.reports._write_figures", lambda *_: None)
    for path in places_in(document):
        for value in ODD:
            count += 1
            (run / name).write_text(json.dumps(with_value(document, path, value)))
            # evaluate does not read the recipe, nor metrics.json.
            commands = [resume, ["evaluate", str(run)]][
                : 1 + (path[0] in {*CONFIG_FIELDS, *LATER_FIELDS})
            ]
            for arguments in commands:
                if main(arguments) != 0:
                    one_line(capsys)
                    refused += 1
                capsys.readouterr()
    assert {path: held for path, held in snapshot(outside).items() if run not in path.parents} == (
        before
    )
    with capsys.disabled():
        print(f"\n{name} through the commands: {count:,} values, {refused:,} calls refused")


def results_mutants_are_refused_or_fit(path, count, seed):
    cells = {**dict.fromkeys(COLUMNS, "1"), "recipe": "softmax", "data": "a b, validation"}
    write_csv(path, COLUMNS, [[*{**cells, "seed": str(n)}.values()] for n in range(5)])
    good, rng = path.read_bytes(), np.random.default_rng(seed)

    def read():
        rows = read_results(path)
        for text in (listing(rows), table(rows)):
            assert all(map(str.isprintable, text.split("\n")))

    mutants = (mutated_bytes(rng, good) for _ in range(count))
    _, accepted = attack(path.name, path, mutants, read)
    assert 0 < accepted < count


def test_a_thousand_mutants_of_a_results_file_are_refused_or_fit(run):
    results_mutants_are_refused_or_fit(run / "ladder.csv", 1_000, seed=0)


@pytest.mark.slow
def test_a_hundred_thousand_mutants_of_a_results_file_are_refused_or_fit(run):
    results_mutants_are_refused_or_fit(run / "ladder.csv", 100_000, seed=1)


@pytest.mark.parametrize("value", ["98", None, 10**400, -1])
def test_an_accuracy_that_is_none_is_measured_again(run, value, capsys):
    edit(run, test_accuracy=value)
    assert main(["train", "--resume", str(run), "--quiet", "--no-figures"]) == 0
    assert 0 <= json.loads((run / METRICS).read_text())["test_accuracy"] <= 1


# ---- memory ----


@pytest.mark.parametrize("hidden", [[9000, 9000], [30000, 20000], [10**18], [1] * 300])
def test_a_configuration_larger_than_its_checkpoint_takes_no_memory(run, capsys, hidden):
    edit(run, hidden=hidden)
    with peak_below(2**24):
        assert main(["train", "--resume", str(run), "--quiet"]) == 2
    assert "expected at most" in (error := one_line(capsys)) or "does not fit" in error


def test_a_run_without_end_is_not_resumed(run, capsys):
    edit(run, epochs=3)
    assert main(["train", "--resume", str(run), "--quiet"]) == 2
    assert "ends with epoch 2, this one with epoch 3" in one_line(capsys)


@pytest.mark.parametrize("largest", [256, 2_000_000])
def test_one_huge_label_takes_no_memory(tmp_path, capsys, largest):
    data = write_data(tmp_path / "data")
    labels = np.arange(60)
    labels[7] = largest
    write_idx(data / "train-labels-idx1-ubyte", labels, 12, "i4")
    with peak_below(2**24):
        assert main(["train", "--data", str(data), "--output", str(tmp_path / "run")]) == 2
    assert "expected labels below 256 for 60 training images, got" in one_line(capsys)


def test_layers_that_a_model_file_cannot_hold_are_refused_before_training():
    with pytest.raises(InputError, match=f"hidden: expected at most {MOST_HIDDEN} hidden layers"):
        Recipe(hidden=(1,) * 600)
    deepest = Recipe(hidden=(1,) * MOST_HIDDEN, batch_norm=True, dropout=0.1, input_dropout=0.1)
    assert len(deepest.build_network(2, 2, 0).layers) <= MOST_LAYERS


def test_layers_that_a_model_file_cannot_hold_make_no_network(tmp_path):
    with pytest.raises(InputError, match="expected 1 to 1,000 layers, got 1,001"):
        Network([Dense(1, 1) for _ in range(MOST_LAYERS + 1)])
    largest = Network([Dense(1, 1) for _ in range(MOST_LAYERS)])
    save(largest, tmp_path / "model.npz")
    assert len(load(tmp_path / "model.npz").layers) == MOST_LAYERS


def test_the_longest_history_fits_into_a_checkpoint():
    row = {
        "epoch": MOST_EPOCHS,
        **dict.fromkeys(
            ("running_train_loss", "running_train_accuracy", "validation_loss",
             "validation_accuracy", "learning_rate", "seconds"), 2.2250738585072014e-308
        ),
    }  # fmt: skip
    assert MOST_EPOCHS * (len(json.dumps(row)) + 2) < 2**24 - 2**20


def test_the_longest_results_file_takes_little_memory_and_a_longer_one_is_refused(tmp_path):
    path, line = tmp_path / "ladder.csv", b",,,0,0,,0,,,,,,\n"
    head = ",".join(COLUMNS[:-LATER]).encode() + b"\n"  # of an earlier version: shorter lines
    path.write_bytes(head + line * ((LONGEST - len(head)) // len(line)))
    with peak_below(MEMORY):
        rows = read_results(path)
    assert len(rows) > 60_000
    path.write_bytes(path.read_bytes() + line)
    with pytest.raises(InputError, match="expected at most 1,048,576 bytes"):
        read_results(path)


# ---- huge numbers in a model ----


@pytest.mark.parametrize("command", ["evaluate", "predict"])
@pytest.mark.parametrize("fault", ["weights", "variance"])
def test_huge_weights_and_negative_variances_are_one_line(place, tmp_path, capsys, command, fault):
    network = Recipe(hidden=(4,), batch_norm=True).build_network(784, 3, 0)
    if fault == "weights":
        network.parameters += np.float32(3e38)
    else:
        network.buffers -= 5
    save(network, tmp_path / MODEL)
    Image.fromarray(np.eye(28, dtype=np.uint8) * 255).save(tmp_path / "digit.png")
    arguments = {"evaluate": [], "predict": [str(tmp_path / "digit.png")]}[command]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert main([command, str(tmp_path / MODEL), *arguments]) == 2
    assert "finite outputs" in one_line(capsys)


# ---- other systems, by simulation ----


def test_a_program_on_another_drive_is_named_by_its_whole_path(monkeypatch, tmp_path):
    def relpath(path, start="."):
        raise ValueError("path is on mount 'D:', start on mount 'C:'")

    monkeypatch.setattr("sys.argv", [str(tmp_path / "numpymlp")])
    monkeypatch.setattr(os.path, "relpath", relpath)
    assert folders.called_as() == str(tmp_path / "numpymlp")


def test_a_printed_command_is_quoted_for_the_shell_of_the_system(monkeypatch):
    assert folders.quoted("my run") == "'my run'"
    monkeypatch.setattr(os, "name", "nt")
    assert folders.quoted("my run") == '"my run"'
