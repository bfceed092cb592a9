"""The command line: what it prints, what it writes, and the one line that reports each error."""

import errno
import itertools
import json
import os
import re
import shlex
import shutil
import subprocess
import sys

import numpy as np
import pytest
from attack import one_short_line, reset_peak, resident_peak
from small_mnist import small_mnist, write_idx

from numpymlp import load_loss, load_mnist
from numpymlp.__main__ import COMMANDS, build_parser, main
from numpymlp.commands.options import Parser, settings_as_options
from numpymlp.experiments import pages, reports  # noqa: F401 - before a test replaces `read_data`
from numpymlp.experiments.begun import load_run
from numpymlp.experiments.folders import find_model, new_run_folder
from numpymlp.experiments.recipes import Recipe
from numpymlp.validation import InputError


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """The first 2,000 training and 500 test images of MNIST, as a folder of IDX files."""
    folder = small_mnist(tmp_path_factory.mktemp("small-mnist"), 2000, 500)
    return str(folder)


@pytest.fixture(scope="module")
def run(small, tmp_path_factory):
    """A finished run on the small data."""
    folder = tmp_path_factory.mktemp("runs") / "run"
    arguments = ["train", "--data", small, "--output", str(folder), "--epochs", "8", "--quiet"]
    assert main([*arguments, "--batch-size", "64", "--no-figures"]) == 0
    return folder


# ---- options ----


@pytest.mark.parametrize("command", COMMANDS)
def test_help_shows_and_explains_every_option(command):
    COMMANDS[command].options(parser := Parser())
    assert all(re.match(r"\w", action.help or "") for action in parser._actions)


def test_every_setting_of_a_recipe_is_an_option_of_train():
    changed = {
        "model": "lenet", "filters": (4, 5),
        "hidden": (3, 2), "activation": "tanh", "batch_norm": True, "dropout": 0.1,
        "input_dropout": 0.2, "optimizer": "adamw", "learning_rate": 0.3, "schedule": "cosine",
        "batch_size": 4, "epochs": 5, "label_smoothing": 0.6, "l2": 0.7, "weight_decay": 0.8,
        "validation": 0.9, "early_stopping": 10, "max_norm": 11.0, "average": 12, "shift": 12.0,
        "rotation": 13.0, "scaling": 0.14, "shear": 15.0, "elastic": 16.0, "sigma": 17.0,
    }  # fmt: skip
    assert set(changed) == set(Recipe.__dataclass_fields__)
    words = ["train"]
    for name, value in changed.items():
        words.append("--" + name.replace("_", "-"))
        words += [] if value is True else [str(value).strip("()").replace(" ", "")]
    given = vars(build_parser().parse_args(words))
    del given["function"]
    assert given == changed
    assert vars(build_parser().parse_args(["train"])).keys() == {"function"}


# ---- train ----


def test_train_prints_data_network_check_progress_accuracy_and_folder(small, tmp_path, capsys):
    folder = tmp_path / "run"
    assert main(["train", "--data", small, "--epochs", "2", "--output", str(folder)]) == 0
    out = capsys.readouterr().out
    expected = [
        r"2,000 training and 500 test images, 10 classes",
        r"Dense\(784 -> 192\) +\(N, 192\) +150,720",
        r"total +152,650",
        r"gradients checked: relative error \de-\d\d",
        r"epoch 1/2  train loss \d\.\d{4} acc 0\.\d{4}  \d",
        r"epoch 2/2 ",
        r"test accuracy \d\d\.\d\d%",
        rf"saved to {folder}",
    ]
    positions = [re.search(pattern, out) for pattern in expected]
    assert all(positions), [p for p, m in zip(expected, positions, strict=True) if not m]
    starts = [match.start() for match in positions]
    assert starts == sorted(starts)
    assert float(re.search(r"relative error (\S+)", out)[1]) < 1e-6


def test_a_run_folder_holds_model_history_and_metrics(run):
    metrics = json.loads((run / "metrics.json").read_text())
    for name in ("test_accuracy", "train_accuracy", "test_loss", "seconds", "seed", "parameters"):
        assert isinstance(metrics[name], int | float), name
    for name in ("numpymlp", "numpy", "python"):
        assert re.match(r"\d+\.\d+", metrics[name]), name
    assert (metrics["epochs"], metrics["parameters"], metrics["seed"]) == (8, 152_650, 0)
    assert metrics["test_accuracy"] > 0.85
    assert len((run / "history.csv").read_text().splitlines()) == 9
    with np.load(run / "model.npz", allow_pickle=False) as arrays:
        assert arrays["parameters"].shape == (152_650,)


def test_the_same_seed_gives_the_same_model_and_another_seed_another(small, tmp_path):
    def parameters(name, seed):
        folder = str(tmp_path / name)
        options = ["--data", small, "--epochs", "1", "--seed", str(seed), "--quiet"]
        assert main(["train", "--output", folder, "--no-figures", *options]) == 0
        return load_run(folder).parameters

    first, second, other = parameters("a", 1), parameters("b", 1), parameters("c", 2)
    np.testing.assert_array_equal(first, second)
    assert (first != other).any()


def test_the_options_reach_the_network_and_the_configuration(small, tmp_path, capsys):
    folder = tmp_path / "run"
    options = (
        "--hidden 32,16 --activation leaky_relu --batch-norm --dropout 0.2 --input-dropout 0.1 "
        "--optimizer adamw --weight-decay 0.05 --learning-rate 0.003 --schedule cosine "
        "--batch-size 50 --epochs 2 --label-smoothing 0.1 --l2 1e-5 --validation 0.2 "
        "--early-stopping 3 --seed 5"
    )
    arguments = ["train", "--data", small, "--output", str(folder), "--no-figures"]
    assert main([*arguments, *options.split()]) == 0
    out = capsys.readouterr().out
    assert "Dropout(0.1)" in out
    assert "  val loss " in out
    network = load_run(folder)
    assert [repr(layer) for layer in network.layers] == [
        "Dropout(0.1)",
        "Dense(784 -> 32)", "BatchNorm(32)", "LeakyReLU(0.01)", "Dropout(0.2)",
        "Dense(32 -> 16)", "BatchNorm(16)", "LeakyReLU(0.01)", "Dropout(0.2)",
        "Dense(16 -> 10)",
    ]  # fmt: skip
    assert load_loss(find_model(folder)).label_smoothing == 0.1
    config = json.loads((folder / "config.json").read_text())
    assert (config["optimizer"], config["weight_decay"], config["l2"]) == ("adamw", 0.05, 1e-5)
    assert (config["learning_rate"], config["schedule"], config["seed"]) == (0.003, "cosine", 5)


def test_a_lenet_is_trained_and_evaluated_with_the_same_commands(small, tmp_path, capsys):
    folder = str(tmp_path / "run")
    options = "--model lenet --filters 2,3 --hidden 8 --epochs 1 --rotation 5 --batch-norm"
    arguments = ["train", "--data", small, "--output", folder, *options.split()]
    assert main(arguments) == 0
    out = capsys.readouterr().out
    assert "Conv2D(1 -> 2, 5 x 5)" in out
    assert "gradients checked" in out
    kinds = [type(layer).__name__ for layer in load_run(folder).layers]
    assert kinds[:5] == ["Reshape", "Conv2D", "MaxPool2D", "BatchNorm", "ReLU"]
    assert main(["evaluate", folder, "--data", small]) == 0


def test_a_wrong_gradient_is_reported_before_training(small, tmp_path, capsys, monkeypatch):
    from numpymlp.layers import ReLU

    monkeypatch.setattr(ReLU, "backward", lambda self, dy, input_gradient=True: dy)
    arguments = ["train", "--data", small, "--output", str(tmp_path / "run"), "--epochs", "1"]
    assert main(arguments) == 2
    captured = capsys.readouterr()
    assert "gradients are wrong" in captured.err
    assert "epoch 1" not in captured.out
    assert main([*arguments, "--no-check", "--overwrite", "--no-figures"]) == 0


def test_a_run_is_not_overwritten_without_the_option_overwrite(run, small, capsys):
    before = (run / "model.npz").read_bytes()
    arguments = ["train", "--data", small, "--output", str(run), "--epochs", "1", "--quiet"]
    assert main(arguments) == 2
    assert "--overwrite" in capsys.readouterr().err
    assert (run / "model.npz").read_bytes() == before


@pytest.mark.parametrize("option", ["--validation 1.5", "--batch-norm --batch-size 1999"])
def test_an_error_after_loading_the_data_leaves_the_old_run_unchanged(run, small, option):
    before = {path.name: path.read_bytes() for path in run.iterdir() if path.is_file()}
    arguments = ["train", "--data", small, "--output", str(run), "--overwrite", "--quiet"]
    assert main([*arguments, *option.split()]) == 2
    assert {path.name: path.read_bytes() for path in run.iterdir() if path.is_file()} == before


def test_a_run_without_a_name_is_named_by_date_and_time(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    folder = new_run_folder(None)
    assert folder.is_dir()
    assert re.fullmatch(r"runs/\d{4}-\d\d-\d\d_\d\d-\d\d-\d\d", folder.as_posix())


def test_divergence_is_one_line_and_status_1(small, tmp_path, capsys):
    arguments = ["train", "--data", small, "--output", str(tmp_path / "run"), "--epochs", "2"]
    assert main([*arguments, "--optimizer", "sgd", "--learning-rate", "1e30", "--quiet"]) == 1
    err = capsys.readouterr().err
    assert len(err.splitlines()) == 1
    assert "learning rate" in err


# ---- evaluate, predict ----


def test_evaluate_prints_the_same_accuracy_for_a_folder_and_a_file(run, small, capsys):
    accuracy = json.loads((run / "metrics.json").read_text())["test_accuracy"]
    for target in (run, run / "model.npz"):
        assert main(["evaluate", str(target), "--data", small]) == 0
        assert f"{accuracy:.2%}" in capsys.readouterr().out


def test_evaluate_uses_the_data_of_the_training_run_by_default(run, small, capsys):
    assert main(["evaluate", str(run)]) == 0
    assert f"{small}, test images: 500 samples" in capsys.readouterr().out


def test_evaluate_saves_the_report_on_other_data_in_a_subfolder(run, small, tmp_path, capsys):
    shutil.copytree(small, tmp_path / "other")
    assert main(["evaluate", str(run), "--data", str(tmp_path / "other")]) == 0
    assert not list(run.glob("other-*"))  # the same data as in training, under another name
    labels = tmp_path / "other" / "t10k-labels-idx1-ubyte"
    labels.write_bytes(labels.read_bytes()[:8] + labels.read_bytes()[8:][::-1])
    capsys.readouterr()
    assert main(["evaluate", str(run), "--data", str(tmp_path / "other")]) == 0
    (report,) = run.glob("other-*/report.txt")
    assert report.read_text() in capsys.readouterr().out
    # Data with the same name and other content get another folder.
    labels.write_bytes(labels.read_bytes()[:8] + bytes(len(labels.read_bytes()) - 8))
    assert main(["evaluate", str(run), "--data", str(tmp_path / "other")]) == 0
    assert len(list(run.glob("other-*/report.txt"))) == 2


def test_evaluate_uses_mnist_for_a_model_without_a_run(run, tmp_path, capsys):
    shutil.copy(run / "model.npz", tmp_path)
    assert main(["evaluate", str(tmp_path / "model.npz")]) == 0
    assert "MNIST, test images: 10,000 samples" in capsys.readouterr().out


def test_evaluate_averages_over_views_where_asked(run, small, tmp_path, capsys):
    output = ["--output", str(tmp_path / "report")]
    assert main(["evaluate", str(run), *output, "--average", "3"]) == 0
    out = capsys.readouterr().out
    assert f"{small}, test images, mean over each image and 3 distorted views: 500 samples" in out
    accuracy = json.loads((run / "metrics.json").read_text())["test_accuracy"]
    assert f"  images alone       {accuracy:.2%}" in out
    assert (tmp_path / "report" / "activations.png").is_file()
    assert main(["evaluate", str(run), *output, "--average", "0"]) == 0
    assert "alone" not in capsys.readouterr().out
    assert main(["evaluate", str(run), "--average", "-1"]) == 2
    assert "--average: expected" in capsys.readouterr().err


def test_train_scores_with_the_views_and_evaluate_takes_as_many(small, tmp_path, capsys):
    folder = str(tmp_path / "run")
    arguments = ["train", "--data", small, "--output", folder, "--epochs", "1", "--no-figures"]
    assert main([*arguments, "--average", "2"]) == 0
    averaged = json.loads((tmp_path / "run" / "metrics.json").read_text())["averaged_test_accuracy"]
    assert f"; averaged over views {averaged:.2%}), " in capsys.readouterr().out
    assert main(["evaluate", folder]) == 0
    out = capsys.readouterr().out
    assert "2 distorted views" in out
    assert f"accuracy             {averaged:.2%}" in out


def test_predict_reads_image_files(run, tmp_path, capsys):
    from PIL import Image

    (_, (x, y)) = load_mnist()
    network = load_run(run)
    sure = network.predict_proba(x[:200]).max(axis=1).argmax()
    digit = (255 - 255 * x[sure].reshape(28, 28)).astype(np.uint8)  # dark on light
    path = tmp_path / "digit.png"
    Image.fromarray(np.kron(digit, np.ones((5, 5), np.uint8))).save(path)
    assert main(["predict", str(run), str(path), str(path)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2
    assert lines[0].startswith(f"{path}: {y[sure]}  ({y[sure]}: ")
    # Images that cannot be read do not keep the others from being read.
    (tmp_path / "text.png").write_text("no image")
    images = [tmp_path / "text.png", path, tmp_path / "no.png", path]
    assert main(["predict", str(run), *map(str, images)]) == 2
    out, err = capsys.readouterr()
    assert out.splitlines() == lines
    assert "text.png" in err
    assert "(and 1 more that cannot be read)" in err
    assert len(err.splitlines()) == 1


def picture_of(shapes, path):
    """Save bars of ink, as (top, bottom, left, right) on 100 x 100 white pixels."""
    from PIL import Image

    gray = np.full((100, 100), 255, np.uint8)
    for top, bottom, left, right in shapes:
        gray[top:bottom, left:right] = 0
    Image.fromarray(gray).save(path)
    return str(path)


def test_predict_takes_the_latest_run_and_says_so(run, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    image = picture_of([(20, 80, 40, 50)], tmp_path / "one.png")
    assert main(["predict", image]) == 2
    assert "there is no finished one in runs/" in capsys.readouterr().err
    shutil.copytree(run, tmp_path / "runs" / "mine")
    assert main(["predict", image]) == 0
    first, answer = capsys.readouterr().out.splitlines()
    assert first == f"the network of {os.path.join('runs', 'mine')}"
    assert answer.startswith(image)
    assert main(["predict", str(run)]) == 2
    assert "expected image files after the run" in capsys.readouterr().err


def test_predict_tells_what_is_no_single_digit_and_draws_all_but_bad_files(run, tmp_path, capsys):
    blank = picture_of([], tmp_path / "blank.png")
    two = picture_of([(20, 80, 20, 30), (20, 80, 60, 70)], tmp_path / "two.png")
    cross = picture_of([(0, 100, 48, 52), (48, 52, 0, 100)], tmp_path / "cross.png")
    (tmp_path / "bad.png").write_text("no image")
    sheet = tmp_path / "sheet.png"
    images = [str(tmp_path / "bad.png"), blank, two, cross]
    assert main(["predict", str(run), *images, "--output", str(sheet)]) == 2
    out, err = capsys.readouterr()
    assert "bad.png: expected a PNG" in err
    assert out.splitlines()[0] == f"{blank}: blank: nothing differs from the border"
    assert out.splitlines()[1] == f"{two}: 2 separate shapes: crop the picture to one digit"
    assert "100.0 %" not in out
    assert " 0.0 %" not in out
    assert sheet.read_bytes().startswith(b"\x89PNG")
    assert main(["predict", str(run), blank, "--output", "sheet.txt"]) == 2
    assert "--output: expected a name that ends with .png" in capsys.readouterr().err
    # If every file could be read, but one has no answer, the status is 1.
    one = picture_of([(20, 80, 40, 50)], tmp_path / "one.png")
    assert main(["predict", str(run), one]) == 0
    for images in ([one, blank], [two]):
        with pytest.raises(SystemExit) as stop:
            main(["predict", str(run), *images])
        assert stop.value.code == 1


# ---- errors ----


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["tarin"], "got 'tarin': did you mean train?"),
        (["train", "--hiden", "3"], "--hiden"),
        (["train", "--hidden", "12,x"], "256,128"),
        (["train", "--filters", "8"], "--filters: expected --model lenet, got 'mlp': it has none"),
        (["train", "--model", "lenet", "--hidden", "9,9"], "--hidden: expected one hidden layer"),
        (["train", "--model", "lenet", "--filters", "9999999"], "--filters: expected at most"),
        (["train", "--model", "cnn"], "got 'cnn'"),
        (["train", "--epochs", "0"], "--epochs: expected a whole number of at least 1, got 0"),
        (["train", "--dropout", "1.5"], "[0, 1)"),
        (["train", "--weight-decay", "0.1"], "--weight-decay: expected --optimizer adamw, got"),
        (["train", "--early-stopping", "3"], "--early-stopping: expected validation data"),
        (["train", "--data", "nowhere"], "nowhere"),
        (["evaluate", "nowhere"], "nowhere"),
        (["evaluate", "."], "model.npz"),
        (["predict", "nowhere", "image.png"], "nowhere"),
        (["train", "--validation", "2"], "--validation: expected a number in (0, 1), got 2.0"),
        (["train", "--learning-rate", "-1"], "--learning-rate: expected a number in (0, inf)"),
        (["train", "--hidden", "none", "--dropout", "0.2"], "expected hidden layers"),
        (["train", "--sigma", "3"], "--sigma: expected --elastic"),
        (["train", "--hidden", "99999999999"], "--hidden: expected at most 100,000,000 weights"),
        (["check", "--hidden", "99999999999"], "--hidden: expected at most 1,000,000 weights"),
        (["train", "--hidden", "99999999999999999999"], "--hidden: expected at most"),
        (["train", "--hidden", "9223372036854775807"], "--hidden: expected at most"),
        (["train", "--batch-size", "9" * 30], "--batch-size: expected a whole number of at most"),
        (["check", "--inputs", "9" * 20], "--inputs: expected a whole number of at most"),
        (["check", "--rows", "9" * 5000], "--rows: expected a whole number"),
        (["check", "--outputs", "x"], "--outputs: expected a whole number"),
        (["check", "--outputs", "1"], "--outputs: expected at least two for --loss softmax"),
        (["check", "--label-smoothing", "0.1", "--loss", "sigmoid"], "expected --loss softmax"),
        (["search", "--jobs", "9" * 20], "--jobs: expected a whole number of at most"),
        (["search", "--candidates", "9" * 8], "--candidates: expected a whole number of at most"),
        (["train", "--variant", "emnist-letters"], "--variant emnist-letters: expected --data"),
        (["check", "--seed", "-1"], "--seed: expected a whole number of at least 0, got -1"),
        (["search", "--seed", "-1"], "--seed: expected a whole number"),
        (["search", "--jobs", "0"], "--jobs: expected a number of processes from 1"),
        (["recipes", "--results", "typo.csv"], "there is no typo.csv"),
        (["ladder", "--table", "--results", "typo.csv"], "there is no typo.csv"),
        (["ladder", "--table", "--seeds", "0"], "--seeds: expected a whole number"),
        (["ladder", "--seeds", "0"], "--seeds: expected a whole number"),
        (["train", "--scaling", "2"], "--scaling: expected a number in [0, 1), got 2.0"),
        (["train", "--recipe", "committee"], "--recipe: expected one that trains one network"),
        (["ladder", "--folder", "a file/runs"], "expected a folder for the runs"),
        (
            ["train", "--hidden", "1000000,1000000"],
            "--hidden: expected at most 100,000,000 weights",
        ),
        (
            ["train", "--hidden", ",".join("1" * 600)],
            "--hidden: expected at most 249 hidden layers",
        ),
        (["train", "--epochs", "50001"], "--epochs: expected at most 50,000, got 50001"),
        (["evaluate", "nowhere", "--output", "x"], "nowhere"),
    ],
)
def test_an_error_is_one_line_on_standard_error_and_status_2(arguments, message, tmp_path):
    (tmp_path / "a file").touch()
    done = subprocess.run(
        [sys.executable, "-m", "numpymlp", *arguments],
        cwd=tmp_path, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 2
    # A run that was not begun leaves no empty folder.
    assert not list(tmp_path.glob("runs/*"))
    assert message in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert "Traceback" not in done.stderr


def test_a_wrong_image_is_one_line_and_status_2(run, tmp_path, capsys):
    (tmp_path / "text.png").write_text("no image")
    assert main(["predict", str(run), str(tmp_path / "text.png")]) == 2
    assert "text.png" in capsys.readouterr().err


NUMBERS = [
    (command, action.option_strings[0])
    for command, parser in build_parser()._subparsers._group_actions[0].choices.items()
    for action in parser._actions
    if action.type not in (None, str) and not action.choices
]


@pytest.mark.parametrize("value", ["9" * 19, "9" * 23, "9" * 5000, "1e400", "nan"])
def test_every_number_option_has_an_upper_bound_that_fits_memory(
    value, tmp_path, monkeypatch, capsys
):
    """--hidden 9223372036854775807 was a traceback; --candidates of 23 digits ran until killed."""
    monkeypatch.chdir(tmp_path)
    assert len(NUMBERS) > 25
    # Whatever passes the checks would have trained: that shows here as another error.
    monkeypatch.setattr("numpymlp.experiments.folders.read_data", stop_here)
    for command, option in NUMBERS:
        more = {"--weight-decay": ["--optimizer", "adamw"], "--sigma": ["--elastic", "3"]}
        more["--early-stopping"] = ["--validation", "0.1"]
        try:
            status = main([command, option, value, *more.get(option, [])])
        except SystemExit as error:
            status = error.code
        errors = capsys.readouterr().err
        # Any seed, and a strong penalty, are right in a gradient check; a step may have any length.
        assert (status, errors.count("\n")) in ((2, 1), (0, 0)), (command, option)
        right = {("check", "--l2"), ("check", "--seed"), ("explain", "--learning-rate")}
        assert status == 2 or (command, option) in right
        assert len(errors) < 1500, (command, option)


def stop_here(folder):
    raise InputError("all options are accepted")


@pytest.mark.parametrize("closed", [">&-", "2>&-", ">&- 2>&-"])
def test_a_closed_output_is_no_error(closed, small, tmp_path):
    options = f"--data {small} --output {tmp_path}/run --epochs 1 --no-check --no-figures"
    for command, status in ((f"train {options}", 0), ("recipes", 0), ("evaluate nowhere", 2)):
        done = subprocess.run(
            ["sh", "-c", f"{sys.executable} -m numpymlp {command} {closed}"],
            capture_output=True, text=True,
        )  # fmt: skip
        assert (done.returncode, "Traceback" in done.stderr) == (status, False)


def test_a_pipe_that_windows_reports_as_an_invalid_argument_is_closed(
    monkeypatch, capsys, tmp_path
):
    def fail(options):
        raise OSError(errno.EINVAL, "Invalid argument")

    monkeypatch.setattr(COMMANDS["recipes"], "run", fail)
    assert main(["recipes"]) == 2
    assert "Invalid argument" in capsys.readouterr().err
    monkeypatch.setattr(sys, "platform", "win32")
    with (tmp_path / "out").open("w") as file:
        monkeypatch.setattr(sys, "stdout", file)
        assert main(["recipes"]) == 141


def test_a_message_with_control_characters_is_shown_without_them(monkeypatch, capsys):
    def fail(options):
        raise InputError("\x1b[2J" + "x" * 41_000)

    monkeypatch.setattr(COMMANDS["recipes"], "run", fail)
    assert main(["recipes"]) == 2
    errors = capsys.readouterr().err
    assert errors.startswith("numpymlp: \\x1b[2Jxxx")
    assert len(errors) < 1050


def test_a_closed_pipe_is_no_error():
    command = f"{sys.executable} -m numpymlp recipes | true"
    done = subprocess.run(["sh", "-c", command], capture_output=True, text=True)
    assert done.stderr == ""


@pytest.mark.parametrize("closed", [">&-", "2>&-", ">&- 2>&-", "> /dev/full", "2> /dev/full"])
@pytest.mark.parametrize(("arguments", "status"), [("recipes", 0), ("train --data nowhere", 2)])
def test_a_stream_that_is_closed_or_full_is_no_traceback(arguments, status, closed):
    # With sys.stdout or sys.stderr None, the command ended in an AttributeError.
    command = f"{shlex.quote(sys.executable)} -m numpymlp {arguments} {closed}"
    done = subprocess.run(["sh", "-c", command], capture_output=True, text=True)
    assert done.returncode == (2 if closed == "> /dev/full" else status)
    assert len((done.stderr + done.stdout * status).splitlines()) <= 1


def test_training_needs_neither_output_nor_errors(small, tmp_path):
    words = ["train", "--data", small, "--epochs", "1", "--output", str(tmp_path / "run")]
    command = f"{shlex.quote(sys.executable)} -m numpymlp {shlex.join(words)} >&- 2>&-"
    assert subprocess.run(["sh", "-c", command]).returncode == 0
    assert (tmp_path / "run" / "metrics.json").is_file()


# ---- several data sets in one folder ----


@pytest.fixture(scope="module")
def several(tmp_path_factory):
    """Two data sets in one folder, as EMNIST is distributed: letters count from 1."""
    folder = tmp_path_factory.mktemp("several") / "gzip"
    folder.mkdir()
    for variant, first in (("emnist-digits", 0), ("emnist-letters", 1)):
        for part, n in (("train", 60), ("test", 30)):
            y = np.arange(n) % 2 + first
            x = np.zeros((n, 8, 8))
            x[y == first] = 200
            write_idx(folder / f"{variant}-{part}-images-idx3-ubyte", x)
            write_idx(folder / f"{variant}-{part}-labels-idx1-ubyte", y)
    return folder


def test_a_folder_of_several_data_sets_is_trained_on_with_variant(several, tmp_path, capsys):
    run = str(tmp_path / "run")
    assert main(["train", "--data", str(several), "--output", run]) == 2
    error = capsys.readouterr().err
    assert "choose one with --variant emnist-digits or 'emnist-letters'" in error
    words = ["train", "--data", str(several), "--variant", "emnist-letters", "--output", run]
    assert main([*words, "--epochs", "20", "--batch-size", "10"]) == 0
    assert "3 classes" in capsys.readouterr().out
    # evaluate and resume find the data set again, without options.
    assert main(["evaluate", run]) == 0
    report = capsys.readouterr().out
    assert f"{several}/emnist-letters, test images: 30 samples" in report
    assert re.search(r"macro avg +1\.0000 +1\.0000 +1\.0000 +30", report)
    assert main(["train", "--resume", run]) == 0
    for variant in ("emnist-letters", "emnist-digits"):
        assert main(["evaluate", run, "--data", str(several), "--variant", variant]) == 0
    assert len(list((tmp_path / "run").glob("emnist-digits-*/report.txt"))) == 1
    assert main(["recipes", "--data", str(several / "emnist-digits")]) == 0


def test_a_variant_that_the_folder_lacks_is_named(several, capsys):
    assert main(["train", "--data", str(several), "--variant", "emnist-mnist"]) == 2
    assert f"{several}/emnist-mnist: expected a folder" in capsys.readouterr().err


# ---- the words of errors ----


@pytest.mark.parametrize("command", ["train", "search", "ladder --validate --only softmax"])
def test_data_of_one_class_are_refused_without_advice_that_does_not_exist(
    command, several, tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    for part, n in (("train", 60), ("t10k", 30)):
        write_idx(tmp_path / f"{part}-images-idx3-ubyte", np.ones((n, 8, 8)))
        write_idx(tmp_path / f"{part}-labels-idx1-ubyte", np.full(n, 3))
    assert main([*command.split(), "--data", str(tmp_path)]) == 2
    error = capsys.readouterr().err
    assert "expected at least two classes in the training labels, got 3 everywhere" in error
    assert "output=" not in error


def test_errors_of_a_command_name_its_options_instead_of_arguments():
    names = {"batch_norm": "--batch-norm", "optimizer": "--optimizer", "validation": "--validation"}
    for text, expected in (
        ("Adam validation: got 2", "--validation: got 2"),
        ("take validation=0.1, or more", "take --validation 0.1, or more"),
        ("expected optimizer='adamw'", "expected --optimizer adamw"),
        ("set batch_norm=True: then", "set --batch-norm: then"),
        ("choose another batch_norm", "choose another --batch-norm"),
        ("expected validation data", "expected validation data"),
        ("my/batch_norm/x.npz is damaged", "my/batch_norm/x.npz is damaged"),
    ):
        with pytest.raises(InputError) as caught, settings_as_options(names):
            raise InputError(text)
        assert str(caught.value) == expected


def test_an_error_behind_the_options_names_options_too(small, tmp_path, capsys):
    words = ["train", "--data", small, "--output", str(tmp_path / "run"), "--quiet"]
    assert main([*words, "--batch-norm", "--batch-size", "1999"]) == 2
    assert "choose another --batch-size" in capsys.readouterr().err
    assert main([*words, "--checkpoint-minutes", "-1"]) == 2
    assert "--checkpoint-minutes: expected" in capsys.readouterr().err


# ---- the package ----


def test_import_needs_only_numpy_and_the_standard_library():
    program = (
        "import sys, numpy; before = set(sys.modules); import numpymlp; "
        "new = {name.split('.')[0] for name in set(sys.modules) - before}; "
        "print(sorted(new - set(sys.stdlib_module_names) - {'numpymlp', 'numpy'}))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    # NumPy's random generators import two modules of Cython.
    rest = [name for name in eval(done.stdout) if "cython" not in name]
    assert rest == []


@pytest.mark.parametrize(
    ("error", "status", "message"),
    [
        (KeyboardInterrupt(), 130, "interrupted"),
        (PermissionError(13, "Permission denied", "runs"), 2,
         "the system refused: [Errno 13] Permission denied: 'runs'"),
    ],
)  # fmt: skip
def test_ctrl_c_and_errors_of_the_system_are_one_line(error, status, message, capsys, monkeypatch):
    def fail(options):
        raise error

    monkeypatch.setattr(COMMANDS["recipes"], "run", fail)
    assert main(["recipes"]) == status
    assert capsys.readouterr().err == f"numpymlp: {message}\n"


def test_characters_that_the_terminal_lacks_are_replaced():
    done = subprocess.run(
        [sys.executable, "-m", "numpymlp", "recipes"],
        env={**os.environ, "PYTHONIOENCODING": "ascii"}, capture_output=True,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, b"")
    assert b" ? " in done.stdout


@pytest.mark.parametrize("loss", ["sigmoid", "squared-error"])
def test_one_output_unit_can_be_checked(loss, capsys):
    assert main(["check", "--loss", loss, "--outputs", "1"]) == 0
    assert "Dense(4 -> 1)" in capsys.readouterr().out


# ---- odd values of options ----

ODD_TEXTS = (
    "0", "-1", "0.5", "1000000000", "1" + "0" * 30, "nan", "inf", "-inf", "1e400", "",
    "9" * 5000, "\x1b[2J\n",
)  # fmt: skip
# What each command needs; the data and files are missing, so that none of them begins its work.
NEEDED = {"evaluate": ["no-run"], "predict": ["no-run", "image.png"]}
OF_MISSING_DATA = {"train", "search", "ladder", "evaluate"}


def options_with_a_value(command):
    (commands,) = (each.choices for each in build_parser()._actions if each.choices)
    return [
        action.option_strings[0]
        for action in commands[command]._actions
        if action.option_strings and action.nargs != 0
    ]


@pytest.mark.parametrize("command", COMMANDS)
def test_odd_values_of_every_option_end_in_one_short_line(command, capsys, monkeypatch, tmp_path):
    def stop(*arguments, **options):
        raise InputError("all options were accepted")

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("numpymlp.commands.check.check_gradients", stop)
    monkeypatch.setattr("numpymlp.commands.explain.trace", stop)
    monkeypatch.setattr("numpymlp.benchmark.command.prove_equality", stop)
    monkeypatch.setattr("numpymlp.experiments.results.read_results", stop)
    parser, least = build_parser(), reset_peak()
    monkeypatch.setattr("numpymlp.__main__.build_parser", lambda: parser)
    missing = ["--data", "no-data"] if command in OF_MISSING_DATA else []
    for option, text in itertools.product(options_with_a_value(command), ODD_TEXTS):
        words = [command, *NEEDED.get(command, []), *missing, f"{option}={text}"]
        try:
            status = main(words)
        except SystemExit as end:
            status = end.code
        assert status == 2, words
        one_short_line(capsys.readouterr().err.removesuffix("\n"))
    assert resident_peak() - least < 2**28


def test_without_a_command_the_help_is_printed(capsys):
    with pytest.raises(SystemExit) as stop:
        main([])
    assert stop.value.code == 0
    assert "train" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["evalute"], "got 'evalute': did you mean evaluate? (see numpymlp --help)"),
        (
            ["train", "--epoch-s", "3"],
            "numpymlp train: unrecognized arguments: --epoch-s 3: did you mean --epochs? "
            "(see numpymlp train --help)",
        ),
        (["check", "--activaton=tanh"], "did you mean --activation? (see numpymlp check --help)"),
        (["train", "--optimizer", "addam"], "got 'addam': did you mean adam?"),
        (["train", "--lr", "1"], "unrecognized arguments: --lr 1: did you mean --learning-rate?"),
        (["train", "--max_iter=9"], "did you mean --epochs?"),
        (["train", "surplus"], "unrecognized arguments: surplus (see numpymlp train --help)"),
    ],
)
def test_a_misspelt_name_is_answered_with_the_likely_one(arguments, words, capsys):
    with pytest.raises(SystemExit) as stop:
        main(arguments)
    assert stop.value.code == 2
    error = capsys.readouterr().err
    assert words in error
    assert error.count("\n") == 1


def test_evaluate_and_page_take_the_latest_run(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    for command in ("evaluate", "page"):
        assert main([command]) == 2
        assert "there is no finished one in runs/" in capsys.readouterr().err
    data = small_mnist(tmp_path, 200, 50)
    for name in ("b", "a"):
        settings = ["--hidden", "8", "--epochs", "1", "--no-figures", "--no-check", "--quiet"]
        assert main(["train", "--output", f"runs/{name}", "--data", str(data), *settings]) == 0
    (tmp_path / "runs" / "c").mkdir()  # a run without a model, as after a kill
    assert main(["page"]) == 0
    assert (tmp_path / "runs" / "a" / "page.html").is_file()
    assert main(["evaluate"]) == 0
    output = capsys.readouterr().out
    assert "the network of runs/a\n" in output
    assert "are in runs/a" in output
