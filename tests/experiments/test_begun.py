"""A run that was begun: its network from the checkpoint, and a finished run trained on."""

import json
import shutil
import signal

import numpy as np
import pytest
from small_mnist import small_mnist

from numpymlp.__main__ import main
from numpymlp.experiments import runs
from numpymlp.experiments.begun import load_run, restore
from numpymlp.experiments.folders import (
    CHECKPOINT,
    CONFIG,
    CONFUSION,
    FILES,
    METRICS,
    MODEL,
    PAGE,
    REPORT,
    as_stored,
    read_config,
)
from numpymlp.experiments.parallel_runs import build
from numpymlp.experiments.recipes import Recipe
from numpymlp.experiments.snapshots import SNAPSHOTS, epochs_to_keep, read_snapshots
from numpymlp.storage.files import StorageError
from numpymlp.storage.models import load
from numpymlp.training.interrupts import TrainingInterrupted
from numpymlp.training.trainer import Trainer

RECIPE = Recipe(hidden=(12,), epochs=2, batch_size=64, dropout=0.2)
PLAIN = {"check": False, "figures": False, "verbose": 0, "say": lambda line: None}


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return str(small_mnist(tmp_path_factory.mktemp("small-mnist"), 600, 100))


@pytest.fixture(scope="module")
def finished(data, tmp_path_factory):
    folder = tmp_path_factory.mktemp("finished")
    runs.train(RECIPE, folder=folder, data=data, **PLAIN)
    return folder


@pytest.fixture
def run(finished, tmp_path):
    """A finished run of two epochs, to change."""
    return shutil.copytree(finished, tmp_path / "run")


@pytest.fixture
def interrupted(data, tmp_path, monkeypatch):
    """A run that was interrupted in its second epoch."""
    folder = tmp_path / "interrupted"
    folder.mkdir()
    take_steps = Trainer._run_epoch

    def stop_in_the_second(trainer, batches):
        if trainer.state.epoch == 1:
            trainer._request_stop(signal.SIGINT)
        return take_steps(trainer, batches)

    with monkeypatch.context() as patch:
        patch.setattr(Trainer, "_run_epoch", stop_in_the_second)
        with pytest.raises(TrainingInterrupted):
            runs.train(RECIPE, folder=folder, data=data, **PLAIN)
    assert not (folder / MODEL).exists()
    return folder


def test_an_interrupted_run_is_used_from_its_checkpoint_which_one_line_says(
    interrupted, capsys, tmp_path
):
    before = {path.name: path.read_bytes() for path in interrupted.iterdir()}
    for command in (
        ["evaluate", interrupted],
        ["page", interrupted],
        ["explain", interrupted],
        ["export", interrupted, tmp_path / "model.onnx"],
    ):
        assert main(list(map(str, command))) == 0
        first = capsys.readouterr().out.splitlines()[0]
        assert "is not finished: this is its network after 1 of 2 epochs; resume it with" in first
    assert {name: (interrupted / name).read_bytes() for name in before} == before


def test_the_network_of_a_checkpoint_is_that_of_the_trainer(interrupted, run):
    np.testing.assert_array_equal(
        load_run(interrupted).parameters, restore(interrupted).trainer.network.parameters
    )
    expected = load(run / MODEL).parameters
    (run / MODEL).unlink()
    np.testing.assert_array_equal(load_run(run).parameters, expected)


def lengthened(run, epochs=5):
    assert main(["train", "--resume", str(run), "--epochs", str(epochs), "--no-figures"]) == 0
    return load(run / MODEL).parameters


def test_a_lengthened_run_has_the_bits_of_a_second_fit(run, capsys):
    begun = restore(run)
    trainer, samples = build(RECIPE, begun.data, 0, None, 0)
    trainer.run(*samples, 2)
    trainer.run(*samples, 3)
    np.testing.assert_array_equal(lengthened(run), trainer.network.parameters)
    output = capsys.readouterr().out
    assert "lengthened from 2 to 5 epochs: the one-cycle schedule now spans all of them" in output
    rate = trainer.first_rate * trainer.schedule(20, 50)
    before = begun.trainer.history["learning_rate"][-1]
    assert f"goes on at {rate:.2g}, after {before:.2g} at the last step" in output
    assert json.loads((run / METRICS).read_text())["epochs"] == 5
    config = json.loads((run / CONFIG).read_text())
    assert (config["epochs"], config["lengthened_from"]) == (5, 2)


def test_a_run_that_ended_early_says_the_rate_that_it_had_when_it_is_lengthened(data, tmp_path):
    recipe = Recipe(hidden=(4,), epochs=40, validation=0.2, early_stopping=1, learning_rate=0.05)
    runs.train(recipe, folder=tmp_path, data=data, **PLAIN)
    begun, said = restore(tmp_path), []
    assert begun.trainer.state.epoch < 40
    runs.resume(tmp_path, epochs=41, figures=False, verbose=0, say=said.append)
    rate = begun.trainer.history["learning_rate"][-1]
    (line,) = (line for line in said if line.startswith("lengthened"))
    assert line.endswith(f"after {rate:.2g} at the last step")


def test_a_model_that_cannot_be_written_costs_no_report(run, monkeypatch, capsys):
    (run / REPORT).write_text("of the shorter run")

    def refuse(*arguments):
        raise StorageError("the disk is full")

    monkeypatch.setattr("numpymlp.experiments.runs.save", refuse)
    assert main(["train", "--resume", str(run), "--epochs", "3", "--no-figures"]) == 2
    assert (run / REPORT).read_text() == "of the shorter run"


def test_overwriting_a_folder_that_holds_no_run_deletes_no_files_of_others(data, tmp_path, capsys):
    (tmp_path / PAGE).write_text("mine")
    command = ["train", "--data", data, "--hidden", "4", "--epochs", "1", "--no-figures"]
    assert main([*command, "--output", str(tmp_path), "--overwrite"]) == 0
    assert (tmp_path / PAGE).read_text() == "mine"


def test_a_run_that_was_killed_while_it_was_lengthened_ends_with_the_same_bits(run, tmp_path):
    other = shutil.copytree(run, tmp_path / "other")
    checkpoint = (run / CHECKPOINT).read_bytes()
    expected = lengthened(run)
    # Killed between the new configuration and the first checkpoint.
    shutil.copy(run / CONFIG, other / CONFIG)
    (other / CHECKPOINT).write_bytes(checkpoint)
    assert main(["train", "--resume", str(other), "--quiet"]) == 0
    np.testing.assert_array_equal(load(other / MODEL).parameters, expected)


def test_a_run_can_be_lengthened_again_and_its_curves_and_page_are_made(run, capsys):
    for epochs in (5, 9):
        assert main(["train", "--resume", str(run), "--epochs", str(epochs), "--quiet"]) == 0
    assert (run / "learning-curves.png").is_file()
    assert main(["page", str(run)]) == 0
    again = main(["train", "--resume", str(run), "--epochs", "9"])
    assert again == 0
    assert "is finished: 9 epochs" in capsys.readouterr().out


def test_a_longer_run_keeps_no_report_picture_or_page_of_the_shorter_one(run, capsys):
    other = run / "other-0123abcd"  # a report on other data
    other.mkdir()
    old = [*(run / name for name in (*FILES, PAGE)), other / REPORT, other / CONFUSION]
    for path in (*old, run / "notes.txt"):
        path.write_text("of the shorter run")
    lengthened(run, epochs=20)
    output = capsys.readouterr().out
    assert "deleted, since they were of the network before: report.txt, confusion.csv" in output
    assert "page.html, other-0123abcd/report.txt, other-0123abcd/confusion.csv; write" in output
    assert not any(path.exists() for path in (*old, other))
    assert (run / "notes.txt").read_text() == "of the shorter run"
    # Of the snapshots, those stay that a run of 20 epochs keeps too.
    kept = read_snapshots(run / SNAPSHOTS, load(run / MODEL))
    assert {each.epoch for each in kept} == epochs_to_keep(20)


def test_a_lengthened_run_that_is_killed_before_its_results_are_written_writes_them_again(
    run, tmp_path
):
    old = {name: (run / name).read_bytes() for name in (METRICS, MODEL)}
    lengthened(run)
    new = load(run / MODEL).parameters
    for name, content in old.items():  # as if killed behind the last checkpoint
        (run / name).write_bytes(content)
    assert main(["train", "--resume", str(run), "--quiet", "--no-figures"]) == 0
    assert json.loads((run / METRICS).read_text())["epochs"] == 5
    np.testing.assert_array_equal(load(run / MODEL).parameters, new)


def test_only_a_finished_run_is_lengthened_and_only_to_more_epochs(run, interrupted, capsys):
    for folder, epochs, words in (
        (run, "1", "--epochs: expected more than the 2 epochs of the run, got 1"),
        (interrupted, "9", "--epochs: expected a finished run to lengthen, got one with 1 of 2"),
        (run, "0", "--epochs: expected a whole number of at least 1"),
    ):
        before = {path.name: path.read_bytes() for path in folder.glob("*.*")}
        assert main(["train", "--resume", str(folder), "--epochs", epochs]) == 2
        assert words in capsys.readouterr().err
        assert {path.name: path.read_bytes() for path in folder.glob("*.*")} == before


def test_a_run_records_the_numbers_that_its_optimizer_chose(finished, data, tmp_path):
    assert json.loads((finished / CONFIG).read_text())["learning_rate"] == 0.01
    recipe = Recipe(hidden=(4,), epochs=1, optimizer="adamw")
    runs.train(recipe, folder=tmp_path, data=data, **PLAIN)
    config = json.loads((tmp_path / CONFIG).read_text())
    assert (config["learning_rate"], config["weight_decay"]) == (0.01, 0.01)


def test_a_configuration_says_what_is_off_and_names_its_data(finished, data, run):
    config = json.loads((finished / CONFIG).read_text())
    assert None not in config.values()
    off = ("weight_decay", "validation", "early_stopping", "max_norm", "checkpoint_minutes")
    assert [config[name] for name in off] == [False] * 5
    assert config["data"] == data
    assert as_stored({"data": None, "l2": 0.0}) == {"data": "MNIST", "l2": 0.0}
    # A run of an earlier version, which wrote null, is resumed too.
    (run / METRICS).unlink()
    (run / CONFIG).write_text(json.dumps({**config, **dict.fromkeys(off)}))
    assert main(["train", "--resume", str(run), "--quiet", "--no-figures"]) == 0
    (run / CONFIG).write_text(json.dumps({**config, "data": "MNIST"}))
    assert read_config(run)["data"] is None


def test_a_run_that_learned_nothing_says_so_and_what_to_try(data, tmp_path, capsys):
    plain = ["--data", data, "--hidden", "8", "--epochs", "1", "--no-figures", "--no-check"]
    common = ["train", "--output", str(tmp_path / "run"), "--overwrite", *plain]
    assert main([*common, "--learning-rate", "1e-9"]) == 0
    assert "the network learned nothing: one answer for all" in capsys.readouterr().out
    assert main([*common, "--optimizer", "sgd", "--learning-rate", "1e6"]) in (0, 1)
    assert main([*common, "--batch-size", "32"]) == 0
    assert "learned nothing" not in capsys.readouterr().out.splitlines()[-2]


def test_explain_with_an_image_takes_the_latest_run(finished, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["explain", "--image", "3"]) == 2
    assert "there is no finished one in runs/" in capsys.readouterr().err
    shutil.copytree(finished, tmp_path / "runs" / "one")
    assert main(["explain", "--image", "3"]) == 0
    assert "test image 3 of" in capsys.readouterr().out
