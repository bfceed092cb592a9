"""Recognize digits in image files of any size, dark on light or light on dark."""

from __future__ import annotations

import argparse

from numpymlp.storage.files import shown
from numpymlp.validation import InputError


def options(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    parser.add_argument("model", metavar="MODEL", help="folder of a run, or its model.npz")
    parser.add_argument("images", metavar="IMAGE", nargs="+", help="image file of one digit")


def run(options: argparse.Namespace) -> None:
    """Print the three most probable digits of each image; name those that cannot be read last."""
    from numpymlp.data.images import read_digit_image
    from numpymlp.experiments.begun import load_run

    network, faults = load_run(options.model), []
    for path in options.images:
        try:
            image = read_digit_image(path)
        except InputError as error:
            faults.append(str(error))
            continue
        probabilities = network.predict_proba(image[None, :])[0]
        ranked = probabilities.argsort()[::-1][:3]
        text = ", ".join(f"{digit}: {probabilities[digit]:.1%}" for digit in ranked)
        print(f"{shown(path)}: {ranked[0]}  ({text})")
    if faults:
        more = f" (and {len(faults) - 1} more that cannot be read)" if len(faults) > 1 else ""
        raise InputError(f"{faults[0]}{more}")
