"""The page of a run: read the run and its test data, write one HTML file."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from numpymlp.experiments import folders
from numpymlp.experiments.begun import load_run
from numpymlp.experiments.folders import CONFIG, PAGE, find_model, read_config
from numpymlp.experiments.snapshots import SNAPSHOTS, read_snapshots
from numpymlp.metrics.checks import check_names
from numpymlp.page.contents import page_contents
from numpymlp.page.html import page_html
from numpymlp.storage.files import shown, write_bytes
from numpymlp.validation import InputError


def write_page(
    run: str | os.PathLike[str],
    output: str | os.PathLike[str] | None = None,
    *,
    data: str | None = None,
    class_names: Sequence[str] | None = None,
) -> Path:
    """Write the page of a trained network: draw a digit, look inside, take a step.

    Parameters
    ----------
    run : path
        Folder of a run, or its model file.
    output : path, optional
        The HTML file; ``page.html`` in the folder of the run if None.
    data : str, optional
        Folder of four IDX files; None takes the data that the run was trained on.
    class_names : sequence of str, optional
        One for each class; the numbers from 0 if None.

    Returns
    -------
    Path
        The file.

    Raises
    ------
    InputError
        If the run, its data or the names do not fit a page; no file is written then.
    """
    model = find_model(run)
    network, folder = load_run(run), model.parent
    config = read_config(folder) if (folder / CONFIG).is_file() else {}
    loaded = folders.read_data(data or config.get("data"))
    x_test = network.check_batch(np.asarray(loaded.x_test), f"{loaded.name} for ")
    outputs = len(network.predict_proba(x_test[:1])[0])
    if loaded.y_test.max() >= outputs:
        raise InputError(
            f"{loaded.name}: expected labels below {outputs}, the outputs of the network, got "
            f"{loaded.y_test.max()}: is it the data set that the run was trained on?"
        )
    contents = page_contents(
        network,
        x_test,
        loaded.y_test,
        image_shape=loaded.image_shape or _square(x_test.shape[1]),
        class_names=check_names(class_names, outputs),
        snapshots=read_snapshots(folder / SNAPSHOTS, network),
    )
    right = (network.predict(x_test) == loaded.y_test).mean()
    layers = ", ".join(str(layer) for layer in network.layers)
    summary = (
        f"{layers}; {network.parameters.size:,} parameters. It reads {right:.2%} of "
        f"{len(x_test):,} test images of {shown(Path(loaded.name).name, 60)} right."
    )
    name = shown(folder.resolve().name if config else model.stem, 60)
    path = folder / PAGE if output is None else Path(output)
    write_bytes(path, page_html(f"A network to look into: {name}", summary, contents).encode())
    return path


def _square(numbers: int) -> tuple[int, int] | None:
    """Return the shape of a square image of so many pixels; None if it is no square."""
    side = round(numbers**0.5)
    return (side, side) if side * side == numbers and side > 3 else None
