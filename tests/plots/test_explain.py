import numpy as np
import pytest
from matplotlib.patches import FancyBboxPatch, Rectangle
from messages import one_clear_error
from pictures import traced

from numpymlp import plots
from numpymlp.plots.units import number


def shown(figure):
    return [text.get_text() for text in figure.axes[0].texts]


def test_every_number_of_a_small_pass_is_drawn():
    recorded = traced(2, 3, 2)
    figure = plots.pass_through(recorded)
    texts = shown(figure)
    for step in recorded.steps:
        if step.name in ("target", "1.closed"):
            continue
        prefix = {"b": "b ", "db": "db "}.get(step.name.rpartition(".")[2], "")
        for value in step.values.ravel():
            assert f"{prefix}{number(value)}" in texts, step.name
    boxes = [p for p in figure.axes[0].patches if isinstance(p, FancyBboxPatch)]
    assert len(boxes) == 2 + 3 + 3 + 2 + 2 + 1
    dashed = sum(box.get_linestyle() != "solid" for box in boxes)
    assert dashed == recorded["1.closed"].values.sum() > 0


def test_of_a_batch_the_row_that_is_asked_for_is_drawn():
    recorded = traced(4, 8, 6, 5, rows=3)
    figure = plots.pass_through(recorded, row=1)
    assert number(recorded["x"].values[1, 2]) in shown(figure)
    assert "sample 1 of 3" in shown(figure)[0]
    for value in recorded["2.dW"].values.ravel():
        assert number(value) in shown(figure)


def test_of_a_large_layer_the_most_active_units_are_drawn_and_the_others_counted():
    recorded = traced(64, 40, 10)
    texts = shown(plots.pass_through(recorded))
    order = np.argsort(-np.abs(recorded["1.y"].values[0]))
    for unit in order[:7]:
        assert f"[{unit}]" in texts
    open_gates = 40 - int(recorded["1.closed"].values.sum())
    assert {"33 more", f"{open_gates} of 40 open", "57 more"} <= set(texts)


def test_image_and_gradient_of_the_input_are_drawn():
    recorded = traced(64, 40, 10)
    figure = plots.pass_through(recorded, image_shape=(8, 8))
    image, gradient = figure.axes[0].images
    np.testing.assert_array_equal(image.get_array(), recorded["x"].values.reshape(8, 8))
    np.testing.assert_array_equal(gradient.get_array(), recorded["0.dx"].values.reshape(8, 8))


def test_all_columns_fade_but_those_that_are_lit():
    recorded = traced(2, 3, 2)  # input, Dense, ReLU, Dense, softmax, loss

    def veils(lit):
        patches = plots.pass_through(recorded, lit=lit).axes[0].patches
        found = [
            (p.get_x(), p.get_x() + p.get_width()) for p in patches if isinstance(p, Rectangle)
        ]
        boxes = {p.get_x() for p in patches if isinstance(p, FancyBboxPatch)}
        return [any(a <= x < b for a, b in found) for x in sorted(boxes)]

    assert veils(None) == [False] * 6
    assert veils([1, -1]) == [True, False, True, True, True, False]
    assert veils([]) == [True] * 6


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0"),
        (-0.0, "0"),
        (0.5, "0.5"),
        (-12.345, "\N{MINUS SIGN}12.3"),
        (0.012345, "0.012"),
        (3.2e-11, "3e\N{MINUS SIGN}11"),
        (123456.0, "1e5"),
    ],
)
def test_numbers_are_short(value, text):
    assert number(value) == text


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: plots.pass_through([1, 2]), r"trace\(network, loss, x, y\) returned, got list"),
        (lambda: plots.pass_through(traced(2, 3, 2), row=1), "row: expected 0 to 0"),
        (
            lambda: plots.pass_through(traced(2, 3, 2), lit=[6]),
            "lit: expected columns from -6 to 5",
        ),
        (
            lambda: plots.pass_through(traced(64, 40, 10), image_shape=(7, 8)),
            "image_shape: expected 64 pixels",
        ),
        (
            lambda: plots.pass_through(traced(*[2] * 10)),
            r"at most 7 layers with weights on a page, got 9: print\(trace\)",
        ),
    ],
)
def test_bad_input_gets_one_clear_error(call, message):
    one_clear_error(call, message)
