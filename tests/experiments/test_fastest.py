"""`--workers auto`: the number of processes that is measured to be faster, said and recorded."""

import json

import numpy as np
import pytest
from small_mnist import small_mnist

from numpymlp.__main__ import main
from numpymlp.experiments import fastest
from numpymlp.experiments.folders import CONFIG, MODEL, RunData
from numpymlp.experiments.recipes import Recipe


@pytest.fixture
def data():
    rng = np.random.default_rng(0)
    x, y = rng.random((200, 49), dtype=np.float32), rng.integers(0, 3, 200)
    return RunData("random", x, y, x[:10], y[:10])


@pytest.fixture
def measured(monkeypatch):
    """Let the processes take these shares of the time of one, and the machine have these cores."""

    def pretend(shares, cores):
        def seconds(number, recipe, data, threads):
            assert len(threads) == 1
            return {threads[0]: [1.0, 2.0, 9.0], "split": [0.0, 2 * shares[number], 9.0]}

        monkeypatch.setattr(fastest, "seconds_in_turn", seconds)
        monkeypatch.setattr(fastest, "cores", lambda: cores)

    return pretend


@pytest.mark.parametrize("distorted", [{}, {"rotation": 5.0}])
def test_one_process_and_two_are_timed_in_turn_and_change_nothing(data, distorted):
    recipe = Recipe(hidden=(8,), batch_size=16, validation=0.1, early_stopping=1, **distorted)
    before = [array.copy() for array in (data.x, data.y)]
    seconds = fastest.seconds_in_turn(2, recipe, data, (1,), rounds=2, rows=100)
    assert list(seconds) == [1, "split"]
    assert all(len(times) == 2 and min(times) > 0 for times in seconds.values())
    for array, old in zip((data.x, data.y), before, strict=True):
        np.testing.assert_array_equal(array, old)


@pytest.mark.parametrize(
    ("cores", "shares", "number", "line"),
    [
        (2, {2: 0.8}, 2, "workers: 2, measured just now: 2 processes take 0.80 of the time of one"),
        (3, {2: 0.97}, 1, "workers: 1, measured just now: 2 processes take 0.97"),
        (2, {2: 1.5}, 1, "workers: 1, measured just now: 2 processes take 1.50"),
        (4, {2: 0.8, 4: 0.5}, 4, "2 processes take 0.80 of the time of one, 4 processes take 0.50"),
        (7, {2: 0.8, 4: 0.79}, 2, "workers: 2, "),
        (1, {}, 1, "workers: 1, since this process may use one core"),
    ],
)
def test_the_fastest_number_is_chosen_unless_one_is_about_as_fast(
    data, measured, cores, shares, number, line
):
    measured(shares, cores)
    found = fastest.fastest(Recipe(hidden=(8,)), data)
    assert found[0] == number
    assert line in found[1]


def test_more_workers_than_units_are_not_tried(data, measured):
    measured({2: 0.5}, 8)
    assert fastest.fastest(Recipe(hidden=(3,)), data)[0] == 2
    number, line = fastest.fastest(Recipe(hidden=(1,)), data)
    assert (number, line) == (1, "workers: 1, since it cannot be split")


def test_a_run_has_the_number_that_was_measured_and_its_bits(tmp_path, capsys, measured):
    (tmp_path / "data").mkdir()
    small = small_mnist(tmp_path / "data", 300, 50)
    settings = ["--data", str(small), "--hidden", "7", "--epochs", "1", "--no-figures"]
    settings.append("--no-check")
    measured({2: 0.5}, 2)
    for name, workers in (("a", "auto"), ("b", "2")):
        run = ["train", *settings, "--workers", workers, "--output", str(tmp_path / name)]
        assert main(run) == 0
    first, *_ = capsys.readouterr().out.split("training:")
    assert "\nworkers: 2, measured just now: " in first
    assert json.loads((tmp_path / "a" / CONFIG).read_text())["workers"] == 2
    assert (tmp_path / "a" / MODEL).read_bytes() == (tmp_path / "b" / MODEL).read_bytes()


def test_threads_beside_auto_are_refused_before_a_file_is_written(tmp_path, capsys):
    folder = tmp_path / "run"
    status = main(["train", "--workers", "auto", "--threads", "1", "--output", str(folder)])
    assert status == 2
    assert "--threads: expected none with --workers auto, which" in capsys.readouterr().err
    assert not folder.exists()
