"""Recognize digits in image files of any size, dark on light or light on dark."""

from __future__ import annotations

import argparse

from numpymlp.storage.files import shown


def options(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    parser.add_argument("model", metavar="MODEL", help="folder of a run, or its model.npz")
    parser.add_argument("images", metavar="IMAGE", nargs="+", help="image file of one digit")


def run(options: argparse.Namespace) -> None:
    """Print the three most probable digits of each image."""
    from numpymlp.data.images import read_digit_image
    from numpymlp.experiments.folders import load_run

    network = load_run(options.model)
    for path in options.images:
        probabilities = network.predict_proba(read_digit_image(path)[None, :])[0]
        ranked = probabilities.argsort()[::-1][:3]
        text = ", ".join(f"{digit}: {probabilities[digit]:.1%}" for digit in ranked)
        print(f"{shown(path)}: {ranked[0]}  ({text})")
