"""Runs that are killed, interrupted, locked out or out of disk space end with the same result."""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import textwrap
import time
from datetime import datetime

import numpy as np
import pytest
from runners import ENVIRONMENT, SETTINGS, leftovers, result, run, start, wait_for
from small_mnist import small_mnist
from threadpoolctl import threadpool_info

from numpymlp.__main__ import main
from numpymlp.experiments import folders, runs
from numpymlp.experiments.environment import blas_threads, environment
from numpymlp.experiments.folders import CHECKPOINT, CONFIG, METRICS, MODEL, RunData
from numpymlp.experiments.recipes import Recipe
from numpymlp.experiments.reports import evaluate_run
from numpymlp.storage.archive import open_archive
from numpymlp.storage.models import load
from numpymlp.training.interrupts import TrainingInterrupted


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """The first 1,000 training and 200 test images of MNIST, as a folder of IDX files."""
    folder = small_mnist(tmp_path_factory.mktemp("small-mnist"), 1000, 200)
    return folder


def begin(small, folder):
    return ["--data", small, "--output", folder, *SETTINGS]


@pytest.fixture(scope="module")
def undisturbed(small, tmp_path_factory):
    """The result of a run without interruption, and its duration."""
    folder = tmp_path_factory.mktemp("runs") / "run"
    began = time.monotonic()
    status, output, errors = run(begin(small, folder))
    assert (status, errors) == (0, "")
    assert output.count("epoch ") >= 6
    return result(folder), time.monotonic() - began


def finish(small, folder):
    """Resume a run after a kill, or train again if it has no checkpoint."""
    if (folder / CHECKPOINT).exists():
        status, output, errors = run(["--resume", folder, "--no-figures"])
    else:
        assert not (folder / MODEL).exists()
        status, _, errors = run(["--resume", folder])
        assert (status, errors.count("\n")) == (2, 1)
        # A configuration alone counts as a file of the user; hidden files do not.
        overwrite = ["--overwrite"] if (folder / CONFIG).exists() else []
        status, output, errors = run([*begin(small, folder), *overwrite])
    assert (status, errors) == (0, "")
    return output


# ---- kills ----


def epochs_in_checkpoint(folder):
    if not (folder / CHECKPOINT).exists():
        return 0
    with open_archive(folder / CHECKPOINT, "checkpoint") as archive:
        return archive.header["epoch"]


def kill_and_finish(small, folder, undisturbed, wait):
    expected, _ = undisturbed
    process = start(begin(small, folder))
    time.sleep(wait)
    process.kill()
    output, _ = process.communicate()
    done = output.count("\nepoch ")
    assert epochs_in_checkpoint(folder) >= done - 1
    finish(small, folder)
    assert result(folder) == expected
    assert leftovers(folder) == []
    return done


def test_a_run_killed_at_a_random_moment_ends_as_an_undisturbed_one(small, tmp_path, undisturbed):
    chance = random.Random(3)
    for attempt in range(3):
        wait = chance.uniform(0.3, 1.0) * undisturbed[1]
        kill_and_finish(small, tmp_path / str(attempt), undisturbed, wait)


@pytest.mark.slow
def test_sixty_runs_killed_at_random_moments_end_as_an_undisturbed_one(
    small, tmp_path, undisturbed
):
    chance = random.Random(4)
    done = [
        kill_and_finish(
            small, tmp_path / str(attempt), undisturbed, chance.uniform(0.2, 1.0) * undisturbed[1]
        )
        for attempt in range(60)
    ]
    print(f"\n{len(done)} kills while training, after {sorted(done)} epochs: all ended the same")
    assert len(set(done)) > 2, "all kills hit the same epoch: the test proves little"


# Kill the process at its n-th call of fsync or replace, of which an atomic write consists.
KILLED_WRITER = """
    import os, signal, sys
    from numpymlp.__main__ import main

    left = int(os.environ["KILL_AT"])

    def dangerous(call):
        def wrapped(*arguments):
            global left
            left -= 1
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)
            return call(*arguments)
        return wrapped

    os.fsync, os.replace = dangerous(os.fsync), dangerous(os.replace)
    sys.exit(main(sys.argv[1:]))
"""


def kill_in_write_and_finish(small, folder, expected, at):
    program = ("-c", textwrap.dedent(KILLED_WRITER))
    process = subprocess.run(
        [sys.executable, *program, "train", *map(str, begin(small, folder))],
        capture_output=True,
        env={**ENVIRONMENT, "KILL_AT": str(at)},
    )
    if process.returncode == 0:
        return False
    assert process.returncode == -signal.SIGKILL
    finish(small, folder)
    assert result(folder) == expected
    assert leftovers(folder) == []
    return True


@pytest.mark.parametrize("at", [1, 5, 14])
def test_a_run_killed_during_a_write_ends_as_an_undisturbed_one(small, tmp_path, undisturbed, at):
    # 1: config.json before it has its name, 5: checkpoint 0 likewise, 14: that of an epoch
    assert kill_in_write_and_finish(small, tmp_path / "run", undisturbed[0], at)


@pytest.mark.slow
def test_a_run_killed_at_every_single_write_ends_as_an_undisturbed_one(
    small, tmp_path, undisturbed
):
    at = 1
    while kill_in_write_and_finish(small, tmp_path / str(at), undisturbed[0], at):
        at += 1
    # config, checkpoint 0 and 6 more, model, history, metrics: 3 calls each
    assert at == 3 * 11 + 1


# ---- signals ----


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_with_a_checkpoint_and_the_command_to_resume(
    small, tmp_path, undisturbed, number, status
):
    folder = tmp_path / "run"
    process = start(begin(small, folder))
    wait_for(process, "epoch 2/6")
    process.send_signal(number)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == status
    assert errors.count("\n") == 1
    assert "the checkpoint is saved, resume with: " in errors
    assert f"numpymlp train --resume {folder}\n" in errors
    assert not (folder / METRICS).exists()
    assert epochs_in_checkpoint(folder) >= 2
    output = finish(small, folder)
    assert f"resuming {folder}: " in output
    assert result(folder) == undisturbed[0]


def test_a_signal_at_the_last_step_stops_the_caller_but_the_run_is_complete(
    small, tmp_path, monkeypatch
):
    def interrupt_at_the_end(self, step, total_steps):
        if step == total_steps - 1:
            os.kill(os.getpid(), signal.SIGTERM)
        return 1.0

    recipe = Recipe(hidden=(4,), epochs=2, schedule="constant")
    monkeypatch.setattr("numpymlp.schedules.Constant.__call__", interrupt_at_the_end)
    with pytest.raises(TrainingInterrupted, match="was at its end and is complete") as caught:
        runs.train(recipe, folder=tmp_path, data=str(small), figures=False, say=str, verbose=0)
    assert caught.value.number == signal.SIGTERM
    assert runs.resume(tmp_path, say=str)["epochs"] == 2


SLOW_STEPS = """
    import signal, sys, time
    import numpy as np
    from numpymlp import SGD, MeanSquaredError, Network, Dense, Trainer
    from numpymlp.training.checkpoint import Checkpoint

    class Slow(SGD):
        def step(self, *arguments):
            print("step", flush=True)
            for _ in range(100):  # a signal ends a single sleep
                time.sleep(0.01)
            super().step(*arguments)
            print("done", flush=True)

    x = np.random.default_rng(0).normal(size=(10, 2))
    network = Network([Dense(2, 2)], output="identity", rng=np.random.default_rng(0))
    trainer = Trainer(network, MeanSquaredError(), Slow(0.1), batch_size=2, verbose=0,
                      checkpoint=Checkpoint(sys.argv[2]),
                      stop_signals=(signal.SIGINT, signal.SIGTERM))
    trainer.fit(x, x, 2)
    print(trainer.state.stopped, trainer.state.batch, signal.Signals(trainer.stop_signal).name)
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_first_signal_lets_the_step_end_and_the_second_aborts(tmp_path, number):
    def begin():
        process = start([tmp_path / "checkpoint.npz"], ("-c", textwrap.dedent(SLOW_STEPS)))
        wait_for(process, "step")
        process.send_signal(number)
        return process

    process = begin()
    output, errors = process.communicate(timeout=60)
    assert (output, errors) == (f"done\ninterrupted 1 {number.name}\n", "")
    with open_archive(tmp_path / "checkpoint.npz", "checkpoint") as archive:
        assert archive.header["batch"] == 1

    process = begin()
    time.sleep(0.2)
    process.send_signal(number)
    output, errors = process.communicate(timeout=60)
    assert "done" not in output
    if number == signal.SIGINT:
        assert errors.endswith("KeyboardInterrupt\n")
    else:
        assert process.returncode == -signal.SIGTERM
    with open_archive(tmp_path / "checkpoint.npz", "checkpoint") as archive:
        assert archive.header["batch"] == 0


def test_two_runs_of_one_second_get_a_folder_each(tmp_path, monkeypatch):
    class OneSecond:
        @staticmethod
        def now():
            return datetime(2026, 1, 2, 3, 4, 5)

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("numpymlp.experiments.folders.datetime", OneSecond)
    with folders.fresh_folder(None) as first:
        with folders.fresh_folder(None) as second:
            assert second.name == "2026-01-02_03-04-05-2"
        assert first.is_dir()
        assert not second.exists()
        (first / "config.json").touch()
    assert first.name == "2026-01-02_03-04-05"
    assert (first / "config.json").exists()


def test_a_signal_that_the_caller_ignored_stays_ignored(small, tmp_path):
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        process = start(begin(small, tmp_path / "run"))  # which inherits what is ignored here
    finally:
        signal.signal(signal.SIGHUP, before)
    wait_for(process, "epoch 1/6")
    process.send_signal(signal.SIGHUP)
    process.communicate(timeout=60)
    assert process.returncode == 0


# ---- locks, overwriting, resuming ----


def everything(folder):
    return {path.name: (path.read_bytes(), path.stat().st_mtime_ns) for path in folder.iterdir()}


def test_a_second_process_gets_an_error_at_once_and_touches_nothing(small, tmp_path, undisturbed):
    folder = tmp_path / "run"
    process = start(begin(small, folder))
    wait_for(process, "epoch 1/6")
    process.send_signal(signal.SIGSTOP)
    try:
        before = everything(folder)
        for arguments in ([*begin(small, folder), "--overwrite"], ["--resume", folder]):
            status, output, errors = run(arguments)
            assert (status, output) == (2, "")
            assert f"{folder} is in use by another process: wait" in errors
        status, _, errors = run(begin(small, folder))
        assert status == 2
        assert "already holds files" in errors
        assert everything(folder) == before
    finally:
        process.send_signal(signal.SIGCONT)
    _, errors = process.communicate(timeout=60)
    assert (process.returncode, errors) == (0, "")
    assert result(folder) == undisturbed[0]


def test_a_finished_run_is_not_trained_again(small, tmp_path, undisturbed):
    folder = tmp_path / "run"
    # In another process: this one may use another number of threads, which changes the bits.
    assert run(begin(small, folder))[0] == 0
    assert result(folder) == undisturbed[0]
    before = everything(folder)
    status, output, _ = run(["--resume", folder])
    assert status == 0
    assert "is finished: 6 epochs" in output
    assert everything(folder) == before


def test_a_run_that_overwrites_another_and_is_killed_leaves_nothing_of_the_other(
    small, finished, tmp_path
):
    folder = shutil.copytree(finished, tmp_path / "run")
    evaluate_run(folder)
    assert evaluate_run(folder, shuffled(small, tmp_path / "other"))[1].parent == folder
    program = ("-c", textwrap.dedent(KILLED_WRITER))
    process = subprocess.run(
        [sys.executable, *program, "train", *map(str, begin(small, folder)), "--overwrite"],
        capture_output=True,
        env={**ENVIRONMENT, "KILL_AT": "4"},
    )
    assert process.returncode == -signal.SIGKILL
    assert [path.name for path in folder.iterdir() if path.name[0] != "."] == [CONFIG]


def shuffled(small, folder):
    """Copy the data, but for the test labels, which now stand in another order."""
    shutil.copytree(small, folder)
    labels = folder / "t10k-labels-idx1-ubyte"
    labels.write_bytes(labels.read_bytes()[:8] + labels.read_bytes()[8:][::-1])
    return str(folder)


def test_data_that_changed_since_training_get_their_own_report(small, tmp_path):
    data = shuffled(small, tmp_path / "data")
    arguments = ["--data", data, "--output", tmp_path / "run", *SETTINGS, "--epochs", "1"]
    assert main(["train", *map(str, arguments), "--quiet"]) == 0
    assert evaluate_run(tmp_path / "run")[1] == tmp_path / "run"
    shutil.rmtree(data)
    shutil.copytree(small, data)
    assert evaluate_run(tmp_path / "run")[1].parent == tmp_path / "run"


def test_a_run_that_cannot_start_leaves_the_previous_run_unchanged(small, tmp_path, capsys):
    folder = tmp_path / "run"
    arguments = [*map(str, begin(small, folder)), "--overwrite", "--quiet"]
    assert main(["train", *arguments]) == 0
    before = {k: v for k, v in everything(folder).items() if k != ".lock"}
    for wrong in (
        ["--data", str(tmp_path)],
        ["--dropout", "2"],
        ["--checkpoint-minutes", "inf"],
    ):
        assert main(["train", *arguments, *wrong]) == 2
        assert {k: v for k, v in everything(folder).items() if k != ".lock"} == before
    assert capsys.readouterr().err.count("\n") == 3


@pytest.fixture(scope="module")
def finished(small, tmp_path_factory):
    folder = tmp_path_factory.mktemp("finished") / "run"
    assert main(["train", *map(str, begin(small, folder)), "--epochs", "1", "--quiet"]) == 0
    return folder


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda run: (run / CONFIG).unlink(), "holds no config.json"),
        (lambda run: (run / CHECKPOINT).unlink(), "holds no checkpoint.npz"),
        (lambda run: (run / CONFIG).write_text("{"), "is not the configuration of a run"),
        (lambda run: (run / CONFIG).write_text("[]"), "is not the configuration of a run"),
        (lambda run: (run / CONFIG).write_text("{}"), "seed is missing"),
        (lambda run: edit_config(run, epochs="six"), "epochs: expected a whole number"),
        (lambda run: edit_config(run, hidden=5), "hidden: expected sizes such as (128,), got 5"),
        (lambda run: edit_config(run, batch_norm=1), "config.json: --batch-norm: expected True"),
        (lambda run: edit_config(run, hidden=[16]), "is from another training run: its network is"),
        (lambda run: edit_config(run, optimizer="sgd"), "its optimizer is"),
        (lambda run: edit_config(run, seed=1), "its seed is 0, this one's is 1"),
        (lambda run: edit_config(run, seed="x"), "seed: expected a whole number"),
        (lambda run: edit_config(run, checkpoint_minutes="x"), "minutes: expected a number"),
        (lambda run: edit_config(run, surprise=1), "unknown settings"),
        (lambda run: edit_config(run, data=None), "was trained on other data than MNIST"),
        (lambda run: edit_config(run, data=5), "data: expected a folder, or null, got 5"),
        (lambda run: edit_config(run, checkpoint_minutes=True), "expected a number in [0, "),
        (lambda run: edit_config(run, threads=0), "threads: expected a whole number from 1"),
        (lambda run: (run / CHECKPOINT).write_bytes(b"PK\3\4"), "is truncated"),
        (lambda run: os.replace(run / MODEL, run / CHECKPOINT), "is not a numpymlp checkpoint"),
    ],
)
def test_a_run_that_cannot_be_resumed_says_why(finished, tmp_path, capsys, change, message):
    folder = shutil.copytree(finished, tmp_path / "run")
    change(folder)
    assert main(["train", "--resume", str(folder), "--quiet"]) == 2
    errors = capsys.readouterr().err
    assert message in errors
    assert errors.count("\n") == 1


def test_metrics_that_were_damaged_are_written_again(finished, tmp_path):
    folder = shutil.copytree(finished, tmp_path / "run")
    before = result(folder)
    (folder / METRICS).write_text("{}")
    assert main(["train", "--resume", str(folder), "--quiet", "--no-figures"]) == 0
    assert result(folder) == before


def edit_config(run, **changes):
    config = json.loads((run / CONFIG).read_text())
    (run / CONFIG).write_text(json.dumps({**config, **changes}))


def test_a_resumed_run_keeps_its_number_of_threads_and_says_if_another_is_given(
    finished, tmp_path, capsys
):
    folder = shutil.copytree(finished, tmp_path / "run")
    (folder / METRICS).unlink()
    assert json.loads((folder / CONFIG).read_text())["threads"] == 1
    edit_config(folder, threads=2)
    resume = ["train", "--resume", str(folder), "--no-figures"]
    assert main(resume) == 0
    assert "BLAS threads: 2 of 2 cores, as the run was begun" in capsys.readouterr().out
    assert json.loads((folder / METRICS).read_text())["threads"] == 2
    (folder / METRICS).unlink()
    assert main([*resume, "--threads", "1"]) == 0
    output = capsys.readouterr().out
    assert "BLAS threads: 1 of 2 cores, as given" in output
    assert "the run was begun with 2: the last digits of its result may differ" in output


def test_a_run_of_an_earlier_version_which_recorded_no_threads_is_resumed(
    finished, tmp_path, capsys
):
    folder = shutil.copytree(finished, tmp_path / "run")
    (folder / METRICS).unlink()
    config = json.loads((folder / CONFIG).read_text())
    del config["threads"]
    (folder / CONFIG).write_text(json.dumps(config))
    assert main(["train", "--resume", str(folder), "--no-figures"]) == 0
    assert "begun with" not in capsys.readouterr().out


def test_resume_keeps_its_own_settings(tmp_path, capsys):
    assert main(["train", "--resume", str(tmp_path), "--epochs", "9", "--seed", "0"]) == 2
    errors = capsys.readouterr().err
    assert "--resume keeps all settings of the run but the number of --epochs, got --seed" in errors
    assert main(["train", "--resume", str(tmp_path / "no")]) == 2
    assert "holds no config.json" in capsys.readouterr().err
    assert not (tmp_path / "no").exists()


FULL_DISK = """
    import resource, signal, sys
    from numpymlp.__main__ import main

    limit = int(sys.argv.pop())
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
    sys.exit(main(sys.argv[1:]))
"""


@pytest.mark.skipif(
    not hasattr(signal, "SIGXFSZ"), reason="Windows has no limit for the size of a file"
)
def test_a_full_disk_ends_a_run_with_one_line_and_free_space_lets_it_resume(
    small, tmp_path, undisturbed
):
    folder = tmp_path / "run"
    program = ("-c", textwrap.dedent(FULL_DISK))
    # The first checkpoint holds no moments of Adam yet: it alone fits into 150,000 bytes.
    status, _, errors = run([*begin(small, folder), 150_000], program=program)
    assert status == 2
    assert errors == (
        f"numpymlp: {folder / CHECKPOINT} could not be written: the disk is full (File too "
        f"large); free some space or choose another folder; the previous file is unchanged\n"
    )
    assert epochs_in_checkpoint(folder) == 0
    assert leftovers(folder) == []
    finish(small, folder)
    assert result(folder) == undisturbed[0]


def test_a_run_that_diverges_in_its_first_epoch_saves_no_model(small, tmp_path, capsys):
    folder = tmp_path / "run"
    arguments = ["--optimizer", "sgd", "--schedule", "constant", "--epochs", "3"]
    arguments += ["--data", str(small), "--output", str(folder), "--no-check", "--quiet"]
    assert main(["train", *arguments, "--learning-rate", "1e38"]) == 1
    errors = capsys.readouterr().err
    assert "training diverged at step" in errors
    assert "learning rate" in errors
    assert "before training back" in errors
    assert not (folder / MODEL).exists()


def test_weights_of_a_later_divergence_are_saved(small, tmp_path, capsys, monkeypatch):
    from numpymlp import schedules

    folder = tmp_path / "run"
    monkeypatch.setattr(
        schedules.OneCycle, "__call__", lambda self, step, total: 1.0 if step < 20 else 1e38
    )
    assert main(["train", *map(str, begin(small, folder)), "--quiet"]) == 1
    errors = capsys.readouterr().err
    assert f"weights of epoch 1 back. They are in {folder / MODEL}." in errors
    network = load(folder / MODEL)
    assert np.isfinite(network.parameters).all()
    assert not (folder / METRICS).exists()


# ---- reproducibility ----


def test_the_same_seed_and_thread_count_give_the_same_bits_in_another_process(small, tmp_path):
    # 784 x 512 is enough for BLAS to divide the work among its threads.
    settings = ["--hidden", "512", "--epochs", "1", "--batch-size", "256", "--no-figures"]
    environment = {**ENVIRONMENT, "OPENBLAS_NUM_THREADS": "2"}
    models = []
    for name in ("a", "b"):
        arguments = ["--data", small, "--output", tmp_path / name, *settings]
        command = [sys.executable, "-m", "numpymlp", "train", *map(str, arguments)]
        subprocess.run(command, check=True, capture_output=True, env=environment)
        models.append((tmp_path / name / MODEL).read_bytes())
    assert models[0] == models[1]


def test_metrics_record_what_can_change_the_bits(undisturbed):
    metrics = undisturbed[0]["metrics"]
    assert metrics.items() >= {**environment(), "threads": 1, "seed": 0}.items()
    assert metrics["blas"] != "unknown"


def test_the_number_of_threads_is_read_from_the_library():
    script = "from numpymlp.experiments.environment import blas_threads; print(blas_threads())"
    for threads in ("1", "2"):
        output = subprocess.run(
            [sys.executable, "-c", script],
            capture_output=True,
            text=True,
            env={**ENVIRONMENT, "OPENBLAS_NUM_THREADS": threads},
        ).stdout
        assert int(output) == min(int(threads), os.cpu_count())


def test_the_routines_of_blas_are_recorded():
    names = sorted({pool["architecture"] for pool in threadpool_info() if "architecture" in pool})
    assert names
    assert environment()["blas"].endswith(f" ({', '.join(names)})")


def test_the_routines_of_an_unknown_blas_are_left_out(monkeypatch):
    monkeypatch.setattr("threadpoolctl.threadpool_info", list)
    assert "(" not in environment()["blas"]


def test_the_threads_of_an_unknown_blas_come_from_the_variables(monkeypatch):
    monkeypatch.setattr("threadpoolctl.threadpool_info", list)
    for name in ("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "OMP_NUM_THREADS"):
        monkeypatch.delenv(name, raising=False)
    assert blas_threads() >= 1
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    assert blas_threads() == 7
    monkeypatch.setenv("OPENBLAS_NUM_THREADS", "3")
    assert blas_threads() == 3


def test_a_folder_name_that_is_not_utf_8_and_a_numpy_seed_are_kept(small, tmp_path):
    odd = os.fsdecode(os.fsencode(tmp_path) + b"/d\xff")
    shutil.copytree(small, odd)
    (tmp_path / "run").mkdir()
    recipe = Recipe(hidden=(4,), epochs=1)
    options = {"figures": False, "verbose": 0, "say": lambda line: None}
    runs.train(recipe, folder=tmp_path / "run", seed=np.int64(3), data=odd, **options)
    config = json.loads((tmp_path / "run" / CONFIG).read_text())
    assert (config["data"], config["seed"]) == (odd, 3)
    assert runs.resume(tmp_path / "run", **options)["seed"] == 3


def test_the_fingerprint_changes_with_every_image_and_every_label():
    rng = np.random.default_rng(0)
    x, y = rng.random((200, 9), dtype=np.float32), rng.integers(0, 3, 200)
    before = RunData("toy", x, y, x.copy(), y.copy())
    seen = {before.fingerprint}
    for name in ("x", "y", "x_test", "y_test"):
        changed = getattr(before, name).copy()
        changed[17] = changed[17] / 2 if name.startswith("x") else (changed[17] + 1) % 3
        seen.add(before._replace(**{name: changed}).fingerprint)
    assert len(seen) == 5
    assert RunData("other", x.copy(), y, x, y).fingerprint == before.fingerprint
