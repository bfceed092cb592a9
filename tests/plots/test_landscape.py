import numpy as np
import pytest
from messages import one_clear_error
from pictures import boundary, surface
from sklearn.linear_model import LogisticRegression

from numpymlp import mlp, plots

IMAGES, LABELS = np.zeros((2, 4, 4)), [0, 1]
ROWS = np.array([[0.9, 0.1], [0.2, 0.8]])


def test_paths_start_together_and_the_minimum_is_marked():
    w0, w1, loss, ways = surface()
    figure = plots.optimizer_paths(w0, w1, loss, ways)
    axes = figure.axes[0]
    np.testing.assert_array_equal(axes.lines[0].get_xydata(), ways["SGD"])
    np.testing.assert_array_equal(axes.lines[2].get_xydata(), ways["Adam"])
    start, minimum = axes.lines[-2:]
    np.testing.assert_array_equal(start.get_xydata(), [[-1.5, 0.8]])
    np.testing.assert_allclose(minimum.get_xydata(), [[0, 0]], atol=1e-12)
    assert [text.get_text() for text in figure.legends[0].get_texts()] == [
        "SGD, 1 steps",
        "Adam, 1 steps",
    ]
    assert axes.get_xlim() == (-2, 2)
    assert axes.get_ylim() == (-1, 1)


def test_of_paths_that_start_apart_each_start_is_marked():
    w0, w1, loss, ways = surface()
    axes = plots.optimizer_paths(w0, w1, loss, {**ways, "apart": [[1, 0.5], [0, 0]]}).axes[0]
    assert [text.get_text() for text in axes.texts] == ["start", "start", "minimum"]
    assert [line.get_xydata().tolist() for line in axes.lines[-3:-1]] == [[[-1.5, 0.8]], [[1, 0.5]]]


def test_boundary_frames_count_the_points_that_are_misclassified():
    x0, x1, pictures, points, labels = boundary()
    figure = plots.boundary_filmstrip(
        x0, x1, pictures, points, labels, frame_titles=["start", "epoch 1", "epoch 2"]
    )
    assert figure.get_suptitle() == "How the boundary forms: 40 points"
    wrong = [int(((points[:, 0] > n) != labels).sum()) for n in range(3)]
    assert [axes.get_title(loc="left") for axes in figure.axes] == [
        f"start: {wrong[0]} wrong",
        f"epoch 1: {wrong[1]} wrong",
        f"epoch 2: {wrong[2]} wrong",
    ]
    for n, axes in enumerate(figure.axes):
        crosses = next(line for line in axes.lines if line.get_marker() == "x")
        assert len(crosses.get_xdata()) == wrong[n]
        if n == 0:
            line = axes.collections[0].get_paths()[0].vertices
            np.testing.assert_allclose(line[:, 0], 0, atol=1e-3)
    names = [text.get_text() for text in figure.legends[0].get_texts()]
    assert names == ["class 0", "class 1", "boundary", "misclassified"]


class Threshold:
    """A classifier that knows no probabilities, and names its classes."""

    classes_ = np.array(["left", "right"])

    def predict(self, x):
        return self.classes_[(np.asarray(x)[:, 0] > 0.5).astype(int)]


def test_the_boundary_of_a_network_or_an_estimator_takes_one_call():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(60, 2))
    y = (x[:, 0] > 0).astype(int)
    network = mlp([2, 8, 2], rng=rng)
    single = mlp([2, 8, 1], output="sigmoid", rng=rng)
    for model in (network, single, LogisticRegression().fit(x, y)):
        figure = plots.decision_boundary(model, x, y)
        wrong = int((np.asarray(model.predict(x)).ravel() != y).sum())
        assert figure.axes[0].get_title(loc="left") == f"{wrong} wrong"
    figure = plots.decision_boundary(Threshold(), x, np.where(x[:, 0] > 0.5, "right", "left"))
    assert figure.axes[0].get_title(loc="left") == "0 wrong"
    names = [text.get_text() for text in figure.legends[0].get_texts()]
    assert names[:2] == ["left", "right"]
    line = figure.axes[0].collections[0].get_paths()[0].vertices
    np.testing.assert_allclose(line[:, 0], 0.5, atol=0.05)


def test_one_sigmoid_column_is_class_one():
    x0, x1, pictures, points, labels = boundary(frames=1)
    both = plots.boundary_filmstrip(x0, x1, pictures, points, labels)
    one = plots.boundary_filmstrip(x0, x1, [pictures[0][:, 1:]], points, labels)
    np.testing.assert_allclose(
        one.axes[0].images[0].get_array(), both.axes[0].images[0].get_array(), atol=1e-12
    )


def test_grid_of_inputs_lies_in_the_order_of_the_picture():
    x0, x1, inputs = plots.boundary_grid([[0.0, 10.0], [1.0, 30.0]], size=3, margin=0.5)
    np.testing.assert_allclose(x0, [-0.5, 0.5, 1.5])
    np.testing.assert_allclose(x1, [0, 20, 40])
    np.testing.assert_allclose(inputs[1], [0.5, 0])
    np.testing.assert_allclose(inputs[3], [-0.5, 20])


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: plots.decision_boundary(Threshold, ROWS, LABELS), "model: expected a network or"),
        (
            lambda: plots.decision_boundary(Threshold(), ROWS, ["left", "middle"]),
            r"y: .*\['left', 'right'\], got .*'middle'",
        ),
        (
            lambda: plots.decision_boundary(mlp([3, 2]), ROWS, LABELS),
            r"expected x of shape \(N, 3\)",
        ),
        (
            lambda: plots.decision_boundary(mlp([2, 1], output="identity"), ROWS, LABELS),
            "a regression has values, no probabilities",
        ),
        (lambda: plots.boundary_grid([[0.0, 1.0]], size=0), "size: .*got 0"),
        (
            lambda: plots.boundary_grid([[0.0, np.nan]]),
            r"points: expected finite numbers \(N, 2\), got .* NaN",
        ),
        (
            lambda: plots.boundary_filmstrip(
                [0, 1], [0, 1], [5 * ROWS[[0, 1, 0, 1]]], [[0, 0]], [0]
            ),
            "are these logits",
        ),
        (lambda: plots.optimizer_paths([0, 1], [0, 1, 2], np.zeros((2, 3)), {}), r"\(3, 2\), got"),
        (
            lambda: plots.optimizer_paths(*surface()[:3], {"SGD": np.zeros(3)}),
            r"a path of shape \(steps \+ 1, 2\) for 'SGD', got \(3,\)",
        ),
        (lambda: plots.optimizer_paths(*surface()[:3], {}), "at least one path"),
        (
            lambda: plots.optimizer_paths(*surface()[:3], {"SGD": [[0, 0], [np.nan, 0]]}),
            "finite weights in the path of 'SGD', got NaN",
        ),
        (lambda: plots.boundary_grid([1.0, 2.0]), r"finite numbers \(N, 2\), got shape \(2,\)"),
        (
            lambda: plots.boundary_filmstrip([0, 1], [0, 1], [ROWS], [[0, 0]], [0]),
            r"shape \(4, K\), one row for each grid point, got \(2, 2\)",
        ),
        (lambda: plots.boundary_filmstrip([0, 1], [0, 1], [], [[0, 0]], [0]), "got none"),
        (
            lambda: plots.boundary_filmstrip(*boundary()[:4], np.full(40, 2)),
            "labels: expected labels from 0 to 1",
        ),
        (
            lambda: plots.boundary_filmstrip(*boundary(), frame_titles=["start"]),
            "frame_titles: expected length 3, .*, got 1",
        ),
        (
            lambda: plots.optimizer_paths([0, 1], [0, 1], np.ones((2, 2)), {"a": np.ones((2, 2))}),
            "losses that differ, got 1 everywhere",
        ),
        (
            lambda: plots.boundary_filmstrip(
                [0, 1], [0, 1], [np.full((4, 10), 0.1)], np.ones((2, 2)), [0, 1]
            ),
            "at most 7, got",
        ),
        (
            lambda: plots.boundary_filmstrip(
                [0, 1], [0, 1], [np.full((4, 2), 0.5)], np.ones((2, 3)), [0, 1]
            ),
            r"points: .* \(N, 2\), got shape \(2, 3\)",
        ),
    ],
)
def test_bad_input_gets_one_clear_error(call, message):
    one_clear_error(call, message)
