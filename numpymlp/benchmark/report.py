"""Write the results of the benchmark: the environment, tables in Markdown and a figure.

A cell shows the median of its measurements, then the minimum and maximum. Ratios are of medians;
above 1, this package is faster. Rows in which another library wins are shown like all others.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import platform
from collections.abc import Callable, Sequence
from importlib import metadata
from pathlib import Path
from statistics import geometric_mean, median
from typing import Any

from matplotlib.figure import Figure

from numpymlp import __version__
from numpymlp.benchmark.machine import busy
from numpymlp.benchmark.worker import GOAL, in_fresh_process
from numpymlp.experiments.environment import processor
from numpymlp.plots.benchmark import benchmark_times

Results = dict[str, Any]
Samples = Sequence[dict[str, Any]]  # the measurements of one library

NAMES = {
    "numpymlp": "numpymlp, float32",
    "numpymlp64": "numpymlp, float64",
    "workers": "numpymlp, two processes",
    "face": "numpymlp.sklearn",
    "sklearn32": "scikit-learn, float32",
    "sklearn": "scikit-learn, float64",
    "torch": "PyTorch, eager, fused Adam",
    "jax": "JAX, whole epoch compiled",
    "products": "matrix products alone",
}
SETTINGS = {
    "numpymlp": "numpymlp at its command's defaults, made for MNIST: 784-192-10, one-cycle",
    "face": "numpymlp.sklearn at scikit-learn's defaults: 784-100-10, until it converges",
    "sklearn32": "scikit-learn at its defaults: 784-100-10, until it converges",
}
LIBRARIES = ("numpy", "scipy", "scikit-learn", "torch", "jax")


def environment(threads: int) -> dict[str, Any]:
    """Return the machine, the number of threads, each BLAS in use, and all versions.

    "source" is a checksum of this package's code: results of different code must not be mixed.
    """
    versions = {"numpymlp": __version__, "python": platform.python_version()}
    for name in LIBRARIES:
        with contextlib.suppress(metadata.PackageNotFoundError):
            versions[name] = metadata.version(name)
    return {
        "machine": processor(),
        "cores": os.cpu_count(),
        "system": f"{platform.system()} {platform.machine()}",
        "threads": threads,
        # As in the measurements, whose environment differs from that of this process.
        "blas": in_fresh_process({"task": "blas"}, threads)["names"],
        "versions": versions,
        "source": _source(),
    }


def _source() -> str:
    files = sorted(Path(__file__).parent.parent.rglob("*.py"))
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()[:12]


def place(environment: dict[str, Any]) -> str:
    """Describe the machine: processor, cores, system and the routines of each BLAS."""
    return (
        f"{environment['machine']}, {environment['threads']} of {environment['cores']} cores, "
        f"{environment['system']}; BLAS: {', '.join(environment['blas'])}"
    )


def title(task: dict[str, Any]) -> str:
    """Describe a measurement: task, library, network and seed."""
    network = [network_of(task)] if "sizes" in task else []
    return ", ".join([task["task"], NAMES[task["peer"]], *network, f"seed {task['seed']}"])


def shape(sizes: Sequence[Any], batch: int | None = None) -> str:
    """Format a network as 784-128-10, with the batch size if given."""
    return "-".join(map(str, sizes)) + (f", batch {batch}" if batch else "")


def network_of(task: dict[str, Any]) -> str:
    """Format the network of a task, "conv 8-conv 16-128-10" with convolutions."""
    filters = [f"conv {n}" for n in task.get("filters", ())]
    return shape([*filters, *task["sizes"][1:]] if filters else task["sizes"], task.get("batch"))


def ratio(results: Results, peer: str, mine: str = "numpymlp") -> float:
    """Return the geometric mean over all shapes of a library's epoch time divided by `mine`'s."""
    return geometric_mean(_ratio(row["peers"], peer, mine) for row in results["epochs"])


def _ratio(peers: dict[str, Samples], peer: str, mine: str = "numpymlp") -> float:
    return median_of(peers[peer], "seconds") / median_of(peers[mine], "seconds")


def median_of(samples: Samples, key: str) -> float:
    """Return the median of a number over the measurements of one library."""
    return median(sample[key] for sample in samples)


# ---- Markdown ----


def markdown(results: Results) -> str:
    """Return the results as Markdown, the environment first."""
    where = results["environment"]
    equality = results["equality"]
    versions = ", ".join(f"{name} {version}" for name, version in where["versions"].items())
    commands = " and ".join(f"`{command}`" for command in results["commands"])
    parts = [
        f"Made with {commands} on {place(where)}; {versions}.",
        f"Equality first: in {equality['settings']} settings of solver, activation and L2 term, "
        f"the weights of numpymlp.sklearn and of scikit-learn agree to "
        f"{equality['difference']:.1e} after each of {equality['steps']} steps in float64. PyTorch "
        f"and JAX train the same networks in the same way, but are no part of this proof.",
    ]
    load, others = results["load"], results.get("others")  # not in the results of version 0.1
    what = f"load average {load:.1f} at the start"
    if others is not None:
        what = f"{others:.2f} cores on average meanwhile"
    if busy(load, others):
        parts.append(f"Other programs were running ({what}): these times are not to be relied on.")
    elif others is not None:
        parts.append(f"The machine was free: other programs used {what}.")
    if results["quick"]:
        parts.append("A quick run: fewer samples.")
    for row, write in WRITERS.items():
        if row in results:
            parts += write(results)
    return "\n\n".join(parts) + "\n"


def _epochs(results: Results) -> list[str]:
    rows = results["epochs"]
    peers = list(rows[0]["peers"])

    def by_network(cell: Callable[[dict[str, Samples], str], str], *last: list[str]) -> str:
        body = [
            [shape(row["sizes"], row["batch"]), *(cell(row["peers"], peer) for peer in peers)]
            for row in rows
        ]
        return table(["network", *(NAMES[peer] for peer in peers)], [*body, *last])

    means = ["geometric mean", *(f"{ratio(results, peer):.2f}" for peer in peers)]
    like_for_like = ""
    if {"sklearn", "numpymlp64"} <= set(peers):
        like_for_like = (
            f". Both in float64, scikit-learn takes {ratio(results, 'sklearn', 'numpymlp64'):.2f} "
            f"times as long, in the geometric mean"
        )
    return [
        f"**Seconds an epoch of {rows[0]['rows']:,} samples**, Adam, ReLU; median (minimum to "
        f"maximum) of {_processes(rows[0])}. float64 is what scikit-learn makes of all data that "
        f"is not float32",
        by_network(lambda measured, peer: _spread(measured[peer], "seconds")),
        f"**As a multiple of numpymlp's time in float32**: above 1, numpymlp is faster"
        f"{like_for_like}",
        by_network(lambda measured, peer: f"{_ratio(measured, peer):.2f}", means),
        "**Peak memory of the process**, data included, in MiB; of two processes, the first",
        by_network(lambda measured, peer: f"{median_of(measured[peer], 'megabytes'):.0f}"),
    ]


def _convolution(results: Results) -> list[str]:
    (row,) = results["convolution"]
    body = [
        [
            NAMES[peer],
            _spread(samples, "seconds"),
            f"{_ratio(row['peers'], peer):.2f}",
            f"{median_of(samples, 'megabytes'):.0f}",
        ]
        for peer, samples in row["peers"].items()
    ]
    return [
        f"**Convolution: seconds an epoch of {row['rows']:,} samples** with {network_of(row)}; "
        f"filters of 5 x 5, each with a max pool of 2 x 2 and ReLU; median (minimum to maximum) of "
        f"{_processes(row)}",
        table(["", "seconds", "multiple of numpymlp's time", "peak memory, MiB"], body),
    ]


def _predictions(results: Results) -> list[str]:
    (row,) = results["predictions"]
    body = [
        [NAMES[peer], _spread(samples, "seconds", 1e3), _spread(samples, "seconds_of_one", 1e6)]
        for peer, samples in row["peers"].items()
    ]
    return [
        f"**Prediction** with {shape(row['sizes'])}; median (minimum to maximum) of "
        f"{_processes(row)}",
        table(["", "10,000 samples, ms", "one sample, \N{MICRO SIGN}s"], body),
    ]


def _cold(results: Results) -> list[str]:
    (row,) = results["cold"]
    body = []
    for peer, samples in row["peers"].items():
        reached = [sample for sample in samples if sample["accuracy"] >= GOAL]
        accuracies = " ".join(f"{sample['accuracy']:.2%}" for sample in samples)
        epochs = " ".join(str(sample["epochs"]) for sample in samples)
        seconds = _spread(reached, "wall") if reached else ""
        share = f"{len(reached)} of {len(samples)}"
        body.append([NAMES[peer], seconds, share, accuracies, epochs])
    return [
        f"**Wall time of a whole cold process until 98 % test accuracy**, from start to exit, "
        f"{shape(row['sizes'], row['batch'])}, all with Adam (beta2 "
        f"{row.get('beta2', 0.999):g}) and "
        f"the one-cycle schedule to {row['rate']:g} over {row['epochs']} epochs, the first "
        f"{row.get('warmup', 0.1):.0%} of them rising: settings that were chosen for numpymlp, on "
        f"training images held out. Median (minimum to maximum) of the runs that reached it; each "
        f"run has another seed",
        table(["", "seconds", "reached", "test accuracy", "epochs"], body),
    ]


def _accuracy(results: Results) -> list[str]:
    (row,) = results["accuracy"]
    body = [
        [
            SETTINGS[peer],
            _spread(samples, "accuracy", 100),
            _spread(samples, "epochs", digits=0),
            _spread(samples, "seconds", digits=1),
        ]
        for peer, samples in row["peers"].items()
    ]
    return [
        f"**Final test accuracy over {_times(row)} seeds**; median (minimum to maximum)",
        table(["", "accuracy, %", "epochs", "seconds"], body),
    ]


WRITERS = {
    "epochs": _epochs,
    "convolution": _convolution,
    "predictions": _predictions,
    "cold": _cold,
    "accuracy": _accuracy,
}


def _times(row: dict[str, Any]) -> int:
    return len(next(iter(row["peers"].values())))


def _processes(row: dict[str, Any]) -> str:
    return f"{_times(row)} fresh processes" if _times(row) > 1 else "one fresh process"


def _spread(samples: Samples, key: str, unit: float = 1.0, digits: int = 2) -> str:
    """Format the median of a number and, of several, its minimum and maximum."""
    values = [sample[key] * unit for sample in samples]
    middle, least, most = (f"{f(values):.{digits}f}" for f in (median, min, max))
    return f"{middle} ({least} to {most})" if len(values) > 1 else middle


def table(head: Sequence[str], body: Sequence[Sequence[str]]) -> str:
    """Return a table in Markdown, numbers to the right."""
    rows = [head, ["---"] + ["---:"] * (len(head) - 1), *body]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


# ---- the figure ----


def figure(results: Results) -> Figure:
    """Draw the time of an epoch for each network and library, and the geometric mean of all."""
    rows, where = results["epochs"], results["environment"]
    versions = [f"{name} {version}" for name, version in where["versions"].items()]
    pairs = [", ".join(versions[i : i + 2]) for i in range(0, len(versions), 2)]
    return benchmark_times(
        {
            shape(row["sizes"], row["batch"]): {
                _short(peer): [sample["seconds"] for sample in samples]
                for peer, samples in row["peers"].items()
            }
            for row in rows
        },
        reference=_short("numpymlp"),
        no_library=[_short("products")],
        task=f"an epoch of {rows[0]['rows']:,} samples",
        note="\n".join([where["machine"], f"{where['threads']} threads", *pairs]),
    )


def _short(peer: str) -> str:
    """Return the name of a library without how it was run."""
    return NAMES[peer].split(", eager")[0].split(", whole")[0]
