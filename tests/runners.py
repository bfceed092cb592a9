"""Runs of `numpymlp train` in processes of their own, for tests that disturb them."""

import csv
import json
import os
import subprocess
import sys
from pathlib import Path

from numpymlp.experiments.folders import CONFIG, METRICS, MODEL

ROOT = Path(__file__).parents[1]
# Every part with a state: Adam, dropout, batch norm, a schedule, early stopping, augmentation.
SETTINGS = [
    *("--epochs", "6", "--hidden", "32", "--batch-size", "64", "--batch-norm", "--dropout", "0.2"),
    *("--validation", "0.1", "--early-stopping", "4", "--label-smoothing", "0.1"),
    *("--rotation", "10", "--elastic", "20", "--max-norm", "3", "--no-figures", "--no-check"),
]
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT), "OPENBLAS_NUM_THREADS": "1"}


def start(arguments, program=("-m", "numpymlp"), **options):
    return subprocess.Popen(
        [sys.executable, *program, "train", *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=ENVIRONMENT,
        **options,
    )


def run(arguments, **options):
    """Run a command to its end; return status, standard output and standard error."""
    process = start(arguments, **options)
    output, errors = process.communicate(timeout=300)
    return process.returncode, output, errors


def result(folder):
    """The results of a run, without times."""
    metrics = json.loads((folder / METRICS).read_text())
    with (folder / "history.csv").open() as file:
        history = [{**row, "seconds": None} for row in csv.DictReader(file)]
    return {
        "model": (folder / MODEL).read_bytes(),
        "history": history,
        "metrics": {k: v for k, v in metrics.items() if "seconds" not in k},
        "config": json.loads((folder / CONFIG).read_text()),
    }


def leftovers(folder):
    return [path.name for path in folder.iterdir() if path.name.endswith(".tmp")]


def wait_for(process, text):
    """Read what a process prints until a line holds the text."""
    lines = []
    for line in process.stdout:
        lines.append(line)
        if text in line:
            return "".join(lines)
    raise AssertionError(f"{text!r} was not printed: {lines}, {process.stderr.read()}")
