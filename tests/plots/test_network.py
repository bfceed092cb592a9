import numpy as np
import pytest
from matplotlib.colors import to_hex
from messages import one_clear_error
from pictures import weights

from numpymlp import plots
from numpymlp.plots.style import RIGHT, WRONG

IMAGES, LABELS = np.zeros((2, 4, 4)), [0, 1]
ROWS = np.array([[0.9, 0.1], [0.2, 0.8]])


def test_first_layer_weights_share_one_symmetric_scale():
    W = weights()
    figure = plots.first_layer_weights(W, rows=2, columns=3)
    drawn = figure.axes[0].images
    strongest = np.argsort(-np.sqrt((W**2).mean(axis=0)))[:6]
    assert len(drawn) == 6
    for image, unit in zip(drawn, strongest, strict=True):
        np.testing.assert_array_equal(image.get_array(), W[:, unit].reshape(8, 8))
    (scale,) = {image.get_clim() for image in drawn}
    assert scale[0] == -scale[1]
    assert 0 < scale[1] <= abs(W).max()
    shown = [text.get_text() for text in figure.axes[0].texts]
    assert shown[1] == "6 of 40 hidden units, largest RMS weight first"
    assert shown[2:] == [f"unit {unit}" for unit in strongest]


def test_filmstrip_has_a_row_a_unit_and_a_column_a_moment():
    still = weights(6)
    moved = still.copy()
    moved[:, 4] += 1.0
    moved[:, 2] -= 0.5
    figure = plots.weights_filmstrip([still, (still + moved) / 2, moved], [0, 5, 10], units=2)
    drawn = figure.axes[0].images
    assert len(drawn) == 6
    assert len({image.get_clim() for image in drawn}) == 1
    shown = [text.get_text() for text in figure.axes[0].texts]
    assert shown[2:5] + shown[5:] == ["start", "epoch 5", "epoch 10", "unit 4", "unit 2"]
    np.testing.assert_array_equal(drawn[-1].get_array(), moved[:, 2].reshape(8, 8))


def test_activations_run_from_pixels_to_probabilities():
    image = np.arange(16.0)
    hidden = [np.array([0.0, 2.0, 0.0, 1.0]), np.array([-1.0, 0.5, 0.0])]
    figure = plots.activations(image, hidden, np.array([0.1, 0.7, 0.2]), truth=2)
    first, one, two, answer = figure.axes[:4]
    np.testing.assert_array_equal(first.images[0].get_array(), image.reshape(4, 4))
    assert first.get_xlabel() == "truth: 2"
    assert one.get_xlabel() == "2 of 4 above 0"
    assert one.images[0].get_clim() == (0.0, 2.0)
    assert two.images[0].get_clim() == (-1.0, 1.0)
    assert answer.get_title(loc="left") == "prediction: 1 ✗"
    np.testing.assert_allclose([bar.get_width() for bar in answer.patches], [10, 70, 20])
    assert [to_hex(bar.get_facecolor()).upper() for bar in answer.patches[1:]] == [WRONG, RIGHT]
    right = plots.activations(image, hidden, np.array([0.1, 0.7, 0.2]), truth=1)
    assert right.axes[3].get_title(loc="left") == "prediction: 1 ✓"


def test_of_many_classes_the_most_probable_and_the_true_one_are_drawn():
    answer = np.arange(47) / np.arange(47).sum()
    figure = plots.activations(np.zeros((4, 4)), [np.ones(3)], answer, truth=5)
    panel = figure.axes[2]
    shown = [int(tick.get_text()) for tick in panel.get_yticklabels()]
    assert shown == [*range(46, 35, -1), 5]
    np.testing.assert_allclose([bar.get_width() for bar in panel.patches], 100 * answer[shown])


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: plots.first_layer_weights(weights(), columns=0), "columns: .*got 0"),
        (lambda: plots.weights_filmstrip([weights()] * 2, [0, 1], units=0), "units: .*got 0"),
        (lambda: plots.first_layer_weights(np.zeros((10, 3))), r"expected 9 .*\(3, 3\), got 10"),
        (lambda: plots.first_layer_weights(np.full((9, 2), np.nan)), "training diverged"),
        (lambda: plots.weights_filmstrip([weights()], [0]), "at least two snapshots"),
        (lambda: plots.weights_filmstrip([weights(3), weights(4)], [0, 1]), "snapshots of one sha"),
        (lambda: plots.activations(IMAGES[0], [], ROWS[0]), "one row .units,. of each hidden"),
        (lambda: plots.activations(IMAGES[0], [IMAGES[0]], ROWS[0]), r"got shapes \[\(4, 4\)\]"),
        (lambda: plots.activations(IMAGES[0], [[1.0]], ROWS[0], truth=2), "truth: .*0 to 1"),
        (
            lambda: plots.activations(np.ones((2, 2)), [np.ones(3)], [0.5, 2.0]),
            "from 0 to 1",
        ),
        (
            lambda: plots.activations(np.ones((2, 2)), [np.full(3, np.nan)], [0.5, 0.5]),
            "finite numbers",
        ),
        (
            lambda: plots.activations(np.ones((2, 2)), [np.ones(3)], [0.5, 0.5], layer_names=[]),
            "layer_names: expected length 1, .*, got 0",
        ),
    ],
)
def test_bad_input_gets_one_clear_error(call, message):
    one_clear_error(call, message)
