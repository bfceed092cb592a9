"""The cheat sheet: it lists what the package has, and its formulas compute what the classes do."""

from __future__ import annotations

import inspect
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import numpymlp
from numpymlp import initializers, layer_protocol, losses, optimizers, schedules

COURSE = Path(__file__).resolve().parent.parent / "tutorials"
SHEET = (COURSE / "cheat_sheet.md").read_text(encoding="utf-8")
NAMES = {name: getattr(numpymlp, name) for name in numpymlp.__all__} | vars(initializers)
Row = list[str]


def rows(heading: str) -> list[Row]:
    """Return the cells of the table under a heading, row by row, without its head."""
    section = SHEET.split(f"\n## {heading}\n")[1].split("\n## ")[0]
    lines = [line for line in section.splitlines() if line.startswith("| [")]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines]


def code(cell: str) -> list[str]:
    return re.findall(r"`([^`]+)`", cell)


def built(cell: str) -> Any:
    return eval(code(cell)[0], dict(NAMES))


def run(cells: list[str], known: dict[str, Any]) -> dict[str, Any]:
    """Run the lines of the cells with these names; return all names."""
    helpers = re.search(r"```python\n(.*?)```", SHEET, re.DOTALL)
    assert helpers is not None
    names = {"np": np, **known}
    exec(helpers[1], names)
    for line in [line for cell in cells for line in code(cell)]:
        exec(line, names)
    return names


def of(heading: str) -> Any:
    """Parametrize a test with the rows under a heading."""
    return pytest.mark.parametrize(
        "row", rows(heading), ids=[code(row[0])[0] for row in rows(heading)]
    )


def public(base: type) -> set[str]:
    found = [NAMES[name] for name in numpymlp.__all__]
    return {
        kind.__name__
        for kind in found
        if inspect.isclass(kind) and issubclass(kind, base) and kind is not base
    }


@pytest.mark.parametrize(
    ("heading", "expected"),
    [
        ("Layers", public(layer_protocol.Layer)),
        ("Losses", public(losses.Loss) | {"L2Penalty"}),
        ("Optimizers", public(optimizers.Optimizer)),
        ("Schedules", {n for n in numpymlp.__all__ if n in vars(schedules)}),
        (
            "Initializers",
            {
                name
                for name, value in vars(initializers).items()
                if getattr(value, "__module__", "") == initializers.__name__
                and not name.startswith("_")
                and name != "fans"
            },
        ),
    ],
)
def test_the_sheet_lists_all_that_the_package_has(heading: str, expected: set[str]) -> None:
    listed = {text.partition("(")[0] for row in rows(heading) for text in code(row[0])}
    assert listed == expected


def test_every_link_of_the_sheet_leads_to_the_file_of_its_name() -> None:
    links = re.findall(r"\[`(\w+)[^`]*`\]\(([^)]+)\)", SHEET)
    assert links
    for name, target in links:
        source = inspect.getsourcefile(NAMES[name])
        assert source is not None
        assert Path(source) == (COURSE / target).resolve(), name


@of("Layers")
def test_the_formulas_of_a_layer_are_those_of_its_class(row: Row) -> None:
    rng = np.random.default_rng(0)
    layer = built(row[0])
    if "W" in layer.shapes():
        layer.initialize(rng)
    for name in layer.shapes():
        getattr(layer, name)[...] += 0.1  # no bias is 0 and no factor 1
    layer.rng = np.random.default_rng(1)
    before, after = (eval(shape, {"N": 6, "F": 5, "C": 2}) for shape in code(row[3]))
    x = rng.normal(size=before)
    y = layer.forward(x, training=True)
    assert y.shape == after
    dy = rng.normal(size=after)
    dx = layer.backward(dy)
    known = {name: getattr(layer, name) for name in (*layer.shapes(), *layer.config())}
    # A second generator with the same seed draws dropout's mask again.
    names = run(row[1:3], {**known, "rng": np.random.default_rng(1), "x": x, "dy": dy})
    np.testing.assert_allclose(y, names["y"], rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(dx, names["dx"], rtol=1e-7, atol=1e-11)
    for gradient in layer.declared("parameter").values():
        np.testing.assert_allclose(getattr(layer, gradient), names[gradient], rtol=1e-7)


@of("Losses")
def test_the_formulas_of_a_loss_are_those_of_its_class(row: Row) -> None:
    rng = np.random.default_rng(0)
    loss = built(row[0])
    if isinstance(loss, losses.L2Penalty):
        p, mask = rng.normal(size=20), np.arange(20) % 2.0
        value = loss.forward(p, mask)
        names = run(row[1:], {"strength": loss.strength, "parameters": p, "mask": mask})
        assert value == pytest.approx(names["L"], rel=1e-12)
        np.testing.assert_allclose(loss.backward(), names["dparameters"], rtol=1e-12)
        return
    z = rng.normal(size=(6, 4))
    y = losses.softmax(rng.normal(size=(6, 4)))  # rows that every loss accepts
    value = loss.forward(z, y)
    names = run(row[1:], {**vars(loss), "z": z, "y": y, "N": 6, "K": 4})
    assert value == pytest.approx(names["L"], rel=1e-12)
    np.testing.assert_allclose(loss.backward(), names["dz"], rtol=1e-9, atol=1e-15)


@of("Optimizers")
def test_the_formulas_of_an_optimizer_are_those_of_its_class(row: Row) -> None:
    rng = np.random.default_rng(0)
    optimizer = built(row[0])
    parameters, mask = rng.normal(size=8), np.arange(8) % 2.0
    if isinstance(optimizer, numpymlp.AdamW):
        optimizer.mask = mask
    names = {**vars(optimizer), "p": parameters.copy(), "m": 0.0, "v": 0.0, "mask": mask}
    for t in range(1, 8):
        g, factor = rng.normal(size=8), 1 / t
        optimizer.step(parameters, g, factor)
        now = {"g": g, "t": t, "a": optimizer.learning_rate * factor}
        names = run(row[1:], {**names, **now, "mu": getattr(optimizer, "momentum", 0)})
        np.testing.assert_allclose(parameters, names["p"], rtol=1e-9)


@of("Schedules")
def test_the_formula_of_a_schedule_is_that_of_its_class(row: Row) -> None:
    schedule = built(row[0])
    for step in range(200):
        # Not at the drops of StepDecay, where rounding decides.
        if step % 40:
            names = run(row[1:], {**vars(schedule), "s": step, "S": 200})
            assert schedule(step, 200) == pytest.approx(names["f"], rel=1e-12), step


@of("Initializers")
def test_the_variance_of_an_initializer_is_that_of_the_sheet(row: Row) -> None:
    for text in code(row[0]):
        initializer = eval(text, dict(NAMES))
        weights = initializer((300, 200), np.random.default_rng(0))
        known = {"fan_in": 300, "fan_out": 200, **vars(initializer)}
        assert weights.var() == pytest.approx(eval(code(row[1])[0], known), rel=0.03), text
