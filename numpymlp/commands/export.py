"""Write a saved network as an ONNX file, for other programs to run."""

from __future__ import annotations

import argparse

from numpymlp.commands.options import run_or_latest


def options(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    parser.add_argument(
        "run",
        metavar="RUN",
        nargs="?",
        help="folder of a run, or its model.npz (default: the latest run in runs/)",
    )
    parser.add_argument("output", metavar="FILE", help="the file to write, such as model.onnx")


def run(options: argparse.Namespace) -> None:
    """Write the file and print what is in it."""
    from numpymlp.experiments.begun import load_run
    from numpymlp.storage.onnx import INPUT, OUTPUTS, export_onnx

    network = load_run(run_or_latest(options.run))
    export_onnx(network, options.output)
    print(f"{options.output}: input {INPUT}, output {OUTPUTS[network.head.name]}, float32")
