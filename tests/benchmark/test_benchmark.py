"""The benchmark: nothing is timed before equality, peers take turns, the tables tell the truth."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest
from attack import attack, one_short_line, snapshot
from mutations import ODD, mutated_json_file, places_in, with_value
from sklearn.neural_network import MLPClassifier

from numpymlp import __main__
from numpymlp.benchmark import command, machine, report, worker
from numpymlp.benchmark.command import Plan, run
from numpymlp.benchmark.equality import Case, NotEqualError
from numpymlp.benchmark.peers import PEERS
from numpymlp.validation import InputError

RNG = np.random.default_rng(0)
Y = np.arange(600) % 10
X = (RNG.normal(size=(10, 784))[Y] + RNG.normal(size=(600, 784))).astype(np.float32)


@pytest.fixture(autouse=True)
def _subnormal_numbers_stay():
    """Reset the process-wide flag that a peer sets: other tests need subnormal numbers."""
    yield
    if torch := sys.modules.get("torch"):
        torch.set_flush_denormal(False)


def test_the_peak_memory_is_0_where_the_system_does_not_tell(monkeypatch):
    monkeypatch.setattr(worker.Path, "exists", lambda path: False)
    monkeypatch.setitem(sys.modules, "resource", None)  # as on Windows
    assert worker._peak_memory() == 0


@pytest.fixture
def measured(monkeypatch):
    """Replace new processes by made-up numbers; record the tasks."""
    tasks: list[dict] = []

    def measure(task, threads):
        tasks.append(task)
        number = len(tasks)
        results = {
            "epoch": {"seconds": number / 10, "megabytes": 100.0 + number},
            "predict": {"seconds": number / 1e3, "seconds_of_one": number / 1e6},
            "cold": {"accuracy": 0.98 + number / 1e4, "epochs": 5},
            "accuracy": {"accuracy": 0.97 + number / 1e4, "epochs": 20, "seconds": 3.0},
        }
        return {**results[task["task"]], "wall": number / 2}

    monkeypatch.setattr(command, "measure", measure)
    monkeypatch.setattr(command, "prove_equality", lambda: [Case("Adam", "relu", 0.0, 2e-16)])
    monkeypatch.setattr(command, "_installed", list)
    monkeypatch.setattr(machine.Others, "cores", lambda self: 0.0)
    return tasks


def test_nothing_is_timed_or_written_if_the_proof_fails(measured, monkeypatch, tmp_path, capsys):
    def fail():
        raise NotEqualError("Adam: after step 3 the weights differ")

    monkeypatch.setattr(command, "prove_equality", fail)
    assert run(Plan(), tmp_path / "out") is False
    assert measured == []
    assert not (tmp_path / "out").exists()
    captured = capsys.readouterr()
    assert "after step 3" in captured.err
    assert "second" not in captured.out.lower()


def test_the_libraries_take_turns(measured, tmp_path) -> None:
    assert run(Plan(rows=["predictions"], repeats=3), tmp_path)
    order = [task["peer"] for task in measured]
    assert order == order[:6] * 3
    assert len(set(order)) == 6
    # each turn has another seed, and all libraries the same one
    assert [task["seed"] for task in measured] == [0] * 6 + [1] * 6 + [2] * 6


def test_a_whole_run_writes_all_rows_and_three_files(measured, tmp_path, capsys) -> None:
    assert run(Plan(), tmp_path)
    results = json.loads((tmp_path / "benchmark.json").read_text())
    shapes = [(row["sizes"], row["batch"]) for row in results["epochs"]]
    assert shapes == [(list(sizes), batch) for sizes, batch in command.SHAPES]
    assert all(row["rows"] == 60_000 for row in results["epochs"])
    assert {len(samples) for row in results["epochs"] for samples in row["peers"].values()} == {3}
    seeds = [task["seed"] for task in measured if task["task"] == "accuracy"]
    assert sorted(set(seeds)) == [0, 1, 2, 3, 4]
    text = (tmp_path / "benchmark.md").read_text()
    assert text in capsys.readouterr().out
    for part in (
        "784-512-512-10, batch 128",
        "geometric mean",
        "conv 8-conv 16-128-10, batch 128",
        "one sample",
        "98 %",
        "MiB",
        "seeds",
    ):
        assert part in text
    for name in ("python", "numpy", "scikit-learn"):
        assert f"{name} {results['environment']['versions'][name]}" in text
    assert (tmp_path / "benchmark.png").read_bytes().startswith(b"\x89PNG")


def test_rows_taken_one_after_the_other_come_together(measured, tmp_path) -> None:
    run(Plan(rows=["predictions"], repeats=1), tmp_path)
    run(Plan(rows=["cold"], repeats=1), tmp_path)
    text = (tmp_path / "benchmark.md").read_text()
    assert "**Prediction**" in text
    assert "cold process" in text
    assert "`numpymlp benchmark --only predictions --repeats 1` and" in text
    run(Plan(rows=["cold"], quick=True), tmp_path)  # a quick run is another benchmark
    assert "**Prediction**" not in (tmp_path / "benchmark.md").read_text()


def test_of_rows_taken_again_nothing_old_is_said(measured, monkeypatch, tmp_path) -> None:
    for repeats, load in ((1, 3.0), (2, 0.0)):
        monkeypatch.setattr(command.os, "getloadavg", lambda load=load: (load, load, load))
        run(Plan(rows=["cold"], repeats=repeats), tmp_path)
    text = (tmp_path / "benchmark.md").read_text()
    assert "--repeats 2`" in text
    assert "--repeats 1`" not in text
    assert "not to be relied on" not in text


def test_the_number_of_threads_is_part_of_the_command(measured, monkeypatch, tmp_path) -> None:
    monkeypatch.setattr(command, "CORES", 2)
    run(Plan(rows=["cold"], threads=1), tmp_path)
    assert "--repeats 3 --threads 1`" in (tmp_path / "benchmark.md").read_text()


def test_peak_memory_is_that_of_the_worker_alone() -> None:
    program = """
import subprocess, sys
held = b"x" * 400_000_000
code = "from numpymlp.benchmark import worker; print(worker._peak_memory())"
print(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout)
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert 10 < float(done.stdout) < 380


@pytest.mark.parametrize(("repeats", "times"), [(None, 1), (2, 2)])
def test_a_quick_run_repeats_as_often_as_it_is_told_to(measured, tmp_path, repeats, times) -> None:
    run(Plan(rows=["cold"], quick=True, repeats=repeats), tmp_path)
    (row,) = json.loads((tmp_path / "benchmark.json").read_text())["cold"]
    assert {len(samples) for samples in row["peers"].values()} == {times}
    assert f"--quick --repeats {times}`" in (tmp_path / "benchmark.md").read_text()


def test_a_busy_machine_is_not_forgotten_and_other_code_is_not_mixed_in(
    measured, monkeypatch, tmp_path
) -> None:
    monkeypatch.setattr(machine.Others, "cores", lambda self: None)  # as outside of Linux
    for row, load in (("predictions", 3.0), ("cold", 0.0)):
        monkeypatch.setattr(command.os, "getloadavg", lambda load=load: (load, load, load))
        run(Plan(rows=[row], repeats=1), tmp_path)
    assert "load average 3.0" in (tmp_path / "benchmark.md").read_text()
    monkeypatch.setattr(report, "_source", lambda: "another")
    run(Plan(rows=["cold"], repeats=1), tmp_path)
    text = (tmp_path / "benchmark.md").read_text()
    assert "**Prediction**" not in text
    assert "not to be relied on" not in text


def test_cores_that_other_programs_used_are_named_and_kept_in_mind(
    measured, monkeypatch, tmp_path, capsys
) -> None:
    monkeypatch.setattr(command.os, "getloadavg", lambda: (0.1, 0.1, 0.1))
    assert not machine.busy(3.0, 0.02)  # the load of what ran before
    for row, cores in (("predictions", 1.3), ("cold", 0.0)):
        monkeypatch.setattr(machine.Others, "cores", lambda self, cores=cores: cores)
        run(Plan(rows=[row], repeats=1), tmp_path)
        text = (tmp_path / "benchmark.md").read_text()
        assert "1.30 cores on average meanwhile): these times are not to be relied on" in text
    output = capsys.readouterr().out
    assert f"{report.place(report.environment(command.CORES))}; load average 0.1" in output


SPIN = "import time\nwhile time.process_time() < 0.6: pass"


@pytest.mark.skipif(not machine.STAT.exists(), reason="the system does not tell")
def test_the_work_of_others_counts_and_the_own_does_not(monkeypatch) -> None:
    def counted() -> float:
        others = machine.Others()
        _, before, _ = others.before
        subprocess.run([sys.executable, "-c", SPIN], check=True)
        busy, own = machine._busy_seconds() - before, machine._own_seconds() - others.before[2]
        assert own > 0.58  # clocks tick 100 times a second
        assert busy > own - 0.1
        return others.cores()

    assert counted() is not None
    monkeypatch.setattr(machine, "_own_seconds", lambda: 0.0)
    others = machine.Others()
    subprocess.run([sys.executable, "-c", SPIN], check=True)
    assert others.cores() > 0.05  # as if another user had started it
    monkeypatch.setattr(machine, "STAT", machine.Path("/no/such/file"))
    assert machine.Others().cores() is None


def samples(*seconds):
    return [{"seconds": s, "megabytes": 10.0} for s in seconds]


def results(**rows):
    return {
        "environment": report.environment(2),
        "quick": False,
        "load": 0.1,
        "commands": ["numpymlp benchmark"],
        "equality": {"settings": 32, "steps": 60, "difference": 1e-15},
        **rows,
    }


def test_the_table_worked_by_hand() -> None:
    peers = {"numpymlp": samples(2, 1, 9), "torch": samples(1, 3, 1), "jax": samples(4, 4, 4)}
    slow = {"numpymlp": samples(1), "torch": samples(2), "jax": samples(8)}
    row = {"sizes": [784, 10], "batch": 32, "rows": 60_000}
    text = report.markdown(results(epochs=[{**row, "peers": peers}, {**row, "peers": slow}]))
    lines = text.splitlines()
    assert (
        "| 784-10, batch 32 | 2.00 (1.00 to 9.00) | 1.00 (1.00 to 3.00) | 4.00 (4.00 to 4.00) |"
        in lines
    )
    assert "| 784-10, batch 32 | 1.00 | 0.50 | 2.00 |" in lines  # a peer wins, and it is shown
    assert "| geometric mean | 1.00 | 1.00 | 4.00 |" in lines


def test_times_from_a_busy_machine_say_so() -> None:
    assert "not to be relied on" not in report.markdown(results())
    assert "load average 3.0 at the start" in report.markdown({**results(), "load": 3.0})


def test_a_run_that_does_not_reach_the_goal_has_no_time() -> None:
    cold = [
        {"accuracy": 0.981, "epochs": 4, "wall": 2.0},
        {"accuracy": 0.979, "epochs": 4, "wall": 2.0},
    ]
    row = {**command.COLD, "peers": {"numpymlp": cold[:1], "torch": cold, "jax": cold[1:]}}
    lines = report.markdown(results(cold=[row])).splitlines()
    assert "| numpymlp, float32 | 2.00 | 1 of 1 | 98.10% | 4 |" in lines
    assert "| PyTorch, eager, fused Adam | 2.00 | 1 of 2 | 98.10% 97.90% | 4 4 |" in lines
    assert "| JAX, whole epoch compiled |  | 0 of 1 | 97.90% | 4 |" in lines


def test_like_is_compared_with_like() -> None:
    peers = {"numpymlp": samples(1), "numpymlp64": samples(2), "sklearn": samples(6)}
    row = {"sizes": [784, 10], "batch": 32, "rows": 60_000, "peers": peers}
    text = report.markdown(results(epochs=[row]))
    assert "Both in float64, scikit-learn takes 3.00 times as long" in text
    assert "| 784-10, batch 32 | 1.00 | 2.00 | 6.00 |" in text


def installed(peer: str) -> str:
    if peer in command.OPTIONAL:
        pytest.importorskip(peer)
    return peer


@pytest.mark.parametrize("peer", [name for name in PEERS if name != "products"])
@pytest.mark.filterwarnings("ignore")
def test_every_library_learns_and_stops_when_it_is_told(peer) -> None:
    model = PEERS[installed(peer)]([784, 16, 10], 64, 1e-2)
    epochs = []
    model.train((X, Y), 6, lambda: epochs.append(1) or len(epochs) == 4)
    assert len(epochs) == 4
    assert (model.predict(X.astype(model.dtype)) == Y).mean() > 0.9


@pytest.mark.parametrize("peer", command.PEERS_OF["convolution"])
@pytest.mark.filterwarnings("ignore")
def test_every_library_learns_with_convolutions(peer) -> None:
    model = PEERS[installed(peer)]([784, 16, 10], 64, 1e-2, filters=[2, 3])
    model.train((X, Y), 8, lambda: False)
    assert (model.predict(X.astype(model.dtype)) == Y).mean() > 0.9
    parameters = sum(W.size for W in _arrays(model))
    assert parameters == 25 * 2 + 2 + 25 * 2 * 3 + 3 + 48 * 16 + 16 + 16 * 10 + 10


def _arrays(peer):
    if hasattr(peer, "parameters"):
        return [np.asarray(array) for pair in peer.parameters for array in pair]
    if hasattr(peer, "torch"):
        return [array.detach().numpy() for array in peer.model.parameters()]
    return [peer.model.parameters]


# Two processes would need a schedule that can be pickled.
@pytest.mark.parametrize("peer", [name for name in PEERS if name not in ("products", "workers")])
@pytest.mark.filterwarnings("ignore")
def test_every_library_follows_the_schedule(peer, monkeypatch) -> None:
    from sklearn.neural_network import _multilayer_perceptron as module

    monkeypatch.setattr(module, "AdamOptimizer", module.AdamOptimizer)  # restored at the end
    model = PEERS[installed(peer)]([784, 16, 10], 64, 1e-2, lambda step, total: float(step < 10))
    seen = []
    # ten steps an epoch: after the first nothing moves any more
    model.train((X, Y), 4, lambda: seen.append(model.predict(X)))
    assert (seen[0] == Y).mean() > 0.2
    np.testing.assert_array_equal(seen[0], seen[3])


@pytest.mark.parametrize("peer", ["numpymlp", "face", "sklearn32", "torch"])
@pytest.mark.filterwarnings("ignore")
def test_every_library_follows_beta2(peer) -> None:
    make, seen = PEERS[installed(peer)], []
    for beta2 in (0.999, 0.5):
        model = make([784, 16, 10], 64, 1e-2, beta2=beta2)
        model.train((X, Y), 1, lambda: True)
        seen.append(model.predict(10 * X[::-1] - 9 * X))  # hard to tell, so every weight counts
    assert (seen[0] != seen[1]).any()


def products(n: int) -> list:
    forward = [((n, 784), (784, 16)), ((n, 16), (16, 10))]
    return [*forward, ((16, n), (n, 10)), ((n, 10), (10, 16)), ((784, n), (n, 16))]


def test_the_products_are_those_of_an_epoch(monkeypatch) -> None:
    model = PEERS["products"]([784, 16, 10], 64, 1e-3)
    calls = []
    monkeypatch.setattr(np, "matmul", lambda a, b, out: calls.append((a.shape, b.shape)))
    model.train((X[:100], Y[:100]), 1, lambda: True)
    assert calls == products(64) + products(36)


@pytest.mark.parametrize(
    "task",
    [
        {
            "task": "epoch",
            "peer": "numpymlp",
            "sizes": [784, 8, 10],
            "batch": 200,
            "rows": 1000,
            "seed": 0,
        },
        {"task": "predict", "peer": "face", "sizes": [784, 8, 10], "seed": 0},
    ],
    ids=lambda task: task["task"],
)
def test_a_worker_measures_in_a_new_process(task) -> None:
    result = command.measure(task, threads=1)
    assert 0 < result["seconds"] < result["wall"]


def test_the_blas_is_named_as_the_measurements_see_it() -> None:
    code = "from numpymlp.benchmark.report import environment; print(environment(1)['blas'])"
    free = {name: value for name, value in os.environ.items() if name not in worker.FIXED}
    seen = {
        subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=variables
        ).stdout
        # The plainest routines that there are for this kind of processor, not what it finds.
        for variables in (free, {**free, "OPENBLAS_CORETYPE": "Prescott"})
    }
    assert len(seen) == 1
    assert "(" in seen.pop()


def test_a_worker_brings_in_only_the_library_it_measures() -> None:
    code = "import sys, numpymlp.benchmark.worker; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    assert not loaded & {"sklearn", "scipy", "torch", "jax", "matplotlib"}


def test_a_worker_that_fails_is_an_error_with_its_output() -> None:
    with pytest.raises(RuntimeError, match="KeyError"):
        command.measure({"task": "epoch", "peer": "numpymlp", "seed": 0}, threads=1)


@pytest.mark.filterwarnings("ignore")
def test_the_cold_run_stops_at_its_goal(monkeypatch) -> None:
    monkeypatch.setattr(worker, "load_mnist", lambda: ((X, Y), (X, Y)))
    from sklearn.neural_network import _multilayer_perceptron as module

    monkeypatch.setattr(module, "AdamOptimizer", module.AdamOptimizer)
    for peer in ("numpymlp", "sklearn32"):
        task = {
            "peer": peer,
            "sizes": [784, 16, 10],
            "batch": 64,
            "rate": 1e-2,
            "epochs": 20,
            "warmup": 0.2,
            "beta2": 0.99,
            "seed": 1,
        }
        result = worker.cold(task)
        assert result["accuracy"] >= 0.98
        assert result["epochs"] < 20


def test_accuracies_are_those_of_the_defaults(monkeypatch) -> None:
    monkeypatch.setattr(worker, "load_mnist", lambda: ((X, Y), (X, Y)))
    mine = worker.accuracy({"peer": "face", "seed": 1})
    peer = worker.accuracy({"peer": "sklearn32", "seed": 1})
    expected = MLPClassifier(random_state=1).fit(X, Y)
    assert mine["accuracy"] == peer["accuracy"] == expected.score(X, Y) == 1.0
    assert peer["epochs"] == expected.n_iter_ == mine["epochs"] + 1  # see the table of differences
    assert worker.accuracy({"peer": "numpymlp", "seed": 1})["accuracy"] > 0.9


@pytest.mark.parametrize(
    ("plan", "message"),
    [
        (Plan(repeats=0), "--repeats: expected a whole number"),
        (Plan(threads=0), "--threads: expected a whole number"),
        (Plan(threads=10_000), "--threads: expected 1 to"),
    ],
)
def test_wrong_options_are_named_before_anything_is_done(plan, message, tmp_path) -> None:
    with pytest.raises(InputError, match=message):
        run(plan, tmp_path)


def test_the_command_hands_on_its_options(monkeypatch, tmp_path) -> None:
    seen = []
    monkeypatch.setattr(command, "run", lambda plan, folder: seen.append((plan, folder)) or True)
    arguments = [
        "--quick",
        "--only",
        "cold",
        "--repeats",
        "2",
        "--threads",
        "1",
        "--output",
        str(tmp_path),
    ]
    assert __main__.main(["benchmark", *arguments]) == 0
    assert seen == [(Plan(["cold"], True, 2, 1), str(tmp_path))]
    monkeypatch.setattr(command, "run", lambda plan, folder: False)
    with pytest.raises(SystemExit):
        __main__.main(["benchmark"])


@pytest.mark.slow
def test_a_quick_run_from_end_to_end(tmp_path) -> None:
    assert run(Plan(quick=True), tmp_path)
    assert (tmp_path / "benchmark.png").exists()


# ---- an edited file of an earlier run ----


@pytest.fixture
def earlier(measured, monkeypatch, tmp_path):
    """The folder of a short run, beside which a second one can be made."""
    where = report.environment(1)
    monkeypatch.setattr(report, "environment", lambda threads: where)
    monkeypatch.setattr(command, "_installed", lambda peers: list(peers[:3]))
    run(Plan(["epochs", "predictions"], quick=True), tmp_path / "run")
    return tmp_path / "run"


def attack_earlier(folder, mutants, count):
    """Read damaged results as a run of the row "cold" does, and write its report."""
    results = json.loads((folder / "benchmark.json").read_text())

    def read():
        kept = command._kept_rows(folder, results, ["cold"])
        text = report.markdown({**results, **kept})
        assert all(map(str.isprintable, text.split("\n")))

    _, accepted = attack("benchmark.json", folder / "benchmark.json", mutants, read)
    assert 0 < accepted < count


def earlier_mutants(folder, count, seed):
    good, rng = (folder / "benchmark.json").read_bytes(), np.random.default_rng(seed)
    attack_earlier(folder, (mutated_json_file(rng, good) for _ in range(count)), count)


def test_a_thousand_mutants_of_an_earlier_run_are_refused_or_kept(earlier) -> None:
    earlier_mutants(earlier, 1_000, seed=0)


@pytest.mark.slow
def test_a_hundred_thousand_mutants_of_an_earlier_run_are_refused_or_kept(earlier) -> None:
    earlier_mutants(earlier, 100_000, seed=1)


def odd_results(folder):
    """The results of a run with each of their fields set to each of the odd values."""
    good = json.loads((folder / "benchmark.json").read_text())
    return [with_value(good, place, value) for place in places_in(good) for value in ODD]


def test_fields_of_an_earlier_run_set_to_odd_values_are_refused_or_kept(earlier):
    changed = odd_results(earlier)[::9]
    attack_earlier(earlier, (json.dumps(each).encode() for each in changed), len(changed))


@pytest.mark.slow
def test_every_odd_value_in_an_earlier_run_ends_in_one_line_or_a_whole_report(
    earlier, capsys
) -> None:
    """Through the command, with the figure."""
    refused, outside = 0, [path for path in snapshot(earlier.parent) if path.parent != earlier]
    for changed in (values := odd_results(earlier)):
        (earlier / "benchmark.json").write_text(json.dumps(changed))
        arguments = ["--quick", "--only", "cold", "--output", str(earlier)]
        if __main__.main(["benchmark", *arguments]) != 0:
            one_short_line(capsys.readouterr().err.removesuffix("\n"))
            refused += 1
        capsys.readouterr()
    assert 0 < refused < len(values)
    assert [path for path in snapshot(earlier.parent) if path.parent != earlier] == outside
    with capsys.disabled():
        print(f"\nbenchmark.json through benchmark: {len(values):,} values, {refused:,} refused")
