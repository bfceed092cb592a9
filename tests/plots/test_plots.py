import itertools
import subprocess
import sys

import numpy as np
import pytest
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.text import Text

from numpymlp import metrics, plots
from numpymlp.plots.style import RIGHT, TRAIN, VALIDATION, WRONG
from numpymlp.training.history import History
from numpymlp.validation import InputError

CLASSES = 10


@pytest.fixture(scope="module")
def answers():
    """Images (N, 8, 8), labels and probabilities of a made-up classifier, 1 in 8 wrong."""
    rng = np.random.default_rng(3)
    y_true = rng.integers(0, CLASSES, 400)
    logits = 6.0 * np.eye(CLASSES)[y_true] + 2.2 * rng.normal(size=(400, CLASSES))
    rows = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    return rng.random((400, 8, 8)), y_true, rows


def history(epochs=6, **without):
    e = np.arange(1, epochs + 1)
    columns = {
        "epoch": e.tolist(),
        "running_train_loss": (0.9 / e**2).tolist(),
        "running_train_accuracy": (1 - 0.3 / e).tolist(),
        "validation_loss": (0.3 + 0.02 * (e - 4) ** 2).tolist(),
        "validation_accuracy": (0.95 - 0.01 * abs(e - 3)).tolist(),
        "learning_rate": (1e-3 / e).tolist(),
        "seconds": [0.5] * epochs,
    }
    return columns | without


def diagnostics():
    steps = np.arange(0, 500, 50)
    layers = {"Dense 1": np.geomspace(1e-2, 1e-4, 10), "Dense 2": np.geomspace(1e-1, 1e-4, 10)}
    return steps, layers


def boundary(classes=2, frames=3):
    rng = np.random.default_rng(0)
    points = rng.normal(size=(40, 2))
    points[:, 0] = np.floor(points[:, 0]) + 0.5
    labels = (points[:, 0] > 0).astype(int)
    x0, x1, inputs = plots.boundary_grid(points, size=50)
    # Frame n puts the boundary at x0 = n: the first is right everywhere.
    parts = [1 / (1 + np.exp(-8 * (inputs[:, 0] - n))) for n in range(frames)]
    rest = [(1 - p) / (classes - 1) for p in parts]
    pictures = [
        np.stack([r, p] + [r] * (classes - 2), axis=1) for p, r in zip(parts, rest, strict=True)
    ]
    return x0, x1, pictures, points, labels


def surface():
    w0, w1 = np.linspace(-2, 2, 41), np.linspace(-1, 1, 21)
    loss = w0[None] ** 2 + 5 * w1[:, None] ** 2
    ways = {"SGD": np.array([[-1.5, 0.8], [-0.5, 0.1]]), "Adam": np.array([[-1.5, 0.8], [0, 0]])}
    return w0, w1, loss, ways


def searched(candidates):
    rng = np.random.default_rng(4)
    return [
        {
            "round": n,
            "epochs": epochs,
            "learning_rate_init": float(10 ** rng.uniform(-4, -1)),
            "batch_size": int(rng.choice([32, 64, 128, 256, 512])),
            "hidden_layer_sizes": [(64,), (256, 128)][rng.integers(2)],
            "dropout": float(rng.uniform(0, 0.4)),
            "validation_accuracy": 1 - 0.05 / epochs * rng.uniform(0.5, 2),
        }
        for n, epochs in ((1, 1), (2, 3), (3, 9))
        for _ in range(max(1, candidates // epochs))
    ]


def weights(units=40):
    return np.random.default_rng(1).normal(size=(64, units)) * np.linspace(1, 2, units)


def every_picture(answers):
    images, y_true, rows = answers
    pred = rows.argmax(axis=1)
    long_names = [f"Ankle boot {k}" for k in range(CLASSES)]
    matrix = metrics.confusion_matrix(y_true, pred, CLASSES)
    scores = metrics.precision_recall_f1(y_true, pred, CLASSES)
    steps, layers = diagnostics()
    hidden = [np.maximum(weights()[:5].ravel(), 0), np.tanh(weights()[0])]
    wrong = int(np.flatnonzero(pred != y_true)[0])
    one = images[wrong], hidden, rows[wrong]
    mnist = np.random.default_rng(0).multinomial(10000, np.full(100, 0.01)).reshape(10, 10)
    return {
        "grid": lambda: plots.prediction_grid(images, y_true, pred),
        "grid, one image": lambda: plots.prediction_grid(images[:1], y_true[:1], pred[:1]),
        "grid, names": lambda: plots.prediction_grid(images, y_true, pred, class_names=long_names),
        "mistakes": lambda: plots.mistakes(images, y_true, rows),
        "mistakes, names": lambda: plots.mistakes(images, y_true, rows, class_names=long_names),
        "pairs": lambda: plots.confused_pairs(images, y_true, rows),
        "pairs, wide": lambda: plots.confused_pairs(np.repeat(images, 3, axis=2), y_true, rows),
        "pairs, names": lambda: plots.confused_pairs(images, y_true, rows, class_names=long_names),
        "confusion": lambda: plots.confusion_matrix(matrix),
        "confusion, names": lambda: plots.confusion_matrix(matrix, class_names=long_names),
        "confusion, large": lambda: plots.confusion_matrix(mnist + np.diag([1000] * 10)),
        "confusion, many": lambda: plots.confusion_matrix(np.ones((26, 26)) + 90 * np.eye(26)),
        "confusion, two": lambda: plots.confusion_matrix([[9, 0], [2, 11]]),
        "scores": lambda: plots.class_scores(scores),
        "scores, names": lambda: plots.class_scores(scores, class_names=long_names),
        "reliability": lambda: plots.reliability_diagram(metrics.reliability_table(y_true, rows)),
        "curves": lambda: plots.learning_curves(history()),
        "curves, one epoch": lambda: plots.learning_curves(history(1)),
        "curves, long": lambda: plots.learning_curves(history(1000)),
        "curves, runs": lambda: plots.learning_curves({f"run {i}": history() for i in range(9)}),
        "curves, title": lambda: plots.learning_curves(
            history(), title="Learning curves of a network of three wide layers, and of its rate"
        ),
        "weights": lambda: plots.first_layer_weights(weights()),
        "filmstrip": lambda: plots.weights_filmstrip([weights() * k for k in range(7)], range(7)),
        "activations": lambda: plots.activations(*one, truth=int(y_true[wrong])),
        "activations, deep": lambda: plots.activations(images[0], hidden * 3, rows[0]),
        "activations, names": lambda: plots.activations(
            *one,
            truth=int(y_true[wrong]),
            class_names=[f"a rather {name}" for name in long_names],
        ),
        "activations, many": lambda: plots.activations(
            *one[:2], np.linspace(0, 2 / 47, 47), truth=3
        ),
        "diagnostics": lambda: plots.training_diagnostics(
            steps, gradient_rms=layers, dead_share=layers, update_ratio=layers
        ),
        "diagnostics, one step": lambda: plots.training_diagnostics(
            steps[:1], dead_share={name: column[:1] for name, column in layers.items()}
        ),
        "paths": lambda: plots.optimizer_paths(*surface()),
        "boundary": lambda: plots.decision_boundary(*boundary()),
        "boundary, three": lambda: plots.decision_boundary(*boundary(3, 6)),
        "search": lambda: plots.search_results(searched(27)),
        "search, few": lambda: plots.search_results(searched(2)[:2]),
        "distortions": lambda: plots.distortions(images[0], images[1:13]),
        "distortions, one": lambda: plots.distortions(images[0].ravel(), images[1:2]),
    }


def texts(figure):
    """Every text that is drawn, tick labels outside the panel left out."""
    found = [t for t in figure.findobj(Text) if t.get_visible() and t.get_text().strip()]
    ticks = {}
    for axes, axis in itertools.product(_all_axes(figure), ("xaxis", "yaxis")):
        low, high = sorted(getattr(axes, axis).get_view_interval())
        for tick in (
            *getattr(axes, axis).get_major_ticks(),
            *getattr(axes, axis).get_minor_ticks(),
        ):
            shown = axes.axison and low - 1e-9 <= tick.get_loc() <= high + 1e-9
            ticks[tick.label1], ticks[tick.label2] = shown and tick.get_visible(), False
    return [t for t in found if ticks.get(t, True)]


def _all_axes(figure):
    return [a for axes in figure.axes for a in (axes, *axes.child_axes)]


PICTURES = list(
    every_picture((np.zeros((400, 8, 8)), np.arange(400) % 10, np.full((400, 10), 0.1)))
)


@pytest.mark.parametrize("name", PICTURES)
def test_text_is_legible_stays_inside_and_keeps_apart(answers, name):
    figure = every_picture(answers)[name]()
    assert isinstance(figure, Figure)
    assert figure.get_figwidth() == 8.0
    figure.draw_without_rendering()
    boxes = [(t.get_text(), t.get_window_extent()) for t in texts(figure)]
    assert len(boxes) >= 3
    page = figure.bbox
    for text, box in boxes:
        inside = box.x0 >= -1 and box.y0 >= -1 and box.x1 <= page.x1 + 1 and box.y1 <= page.y1 + 1
        assert inside, f"{text!r} leaves the picture: {box}"
    for (text_a, a), (text_b, b) in itertools.combinations(boxes, 2):
        width = min(a.x1, b.x1) - max(a.x0, b.x0)
        height = min(a.y1, b.y1) - max(a.y0, b.y0)
        assert width <= 2 or height <= 2, f"{text_a!r} runs into {text_b!r}"
    # 8 inches shown 800 pixels wide: 5.5 points are 7.6 pixels, 7 points 9.7.
    smallest = min(text.get_fontsize() for text in texts(figure))
    assert smallest >= (5.5 if "names" in name or "many" in name else 7.0)


def test_neither_pyplot_nor_global_settings_are_touched():
    code = (
        "import sys, matplotlib; before = dict(matplotlib.rcParams);"
        "from numpymlp import plots;"
        "plots.confusion_matrix([[3, 1], [0, 2]]).savefig(sys.argv[1], format='png');"
        "assert 'matplotlib.pyplot' not in sys.modules;"
        "assert dict(matplotlib.rcParams) == before"
    )
    subprocess.run([sys.executable, "-c", code, "/dev/null"], check=True, timeout=60)


# ---- images ----


def test_grid_says_right_in_green_and_wrong_in_red_with_the_truth():
    images = np.arange(3 * 16.0).reshape(3, 16)
    figure = plots.prediction_grid(images, [4, 7, 1], [4, 9, 1])
    title, note, *labels = figure.axes[0].texts
    assert title.get_text() == "Predictions: 2 of 3 right"
    assert "✓ right" in note.get_text()
    assert [label.get_text() for label in labels] == ["✓ 4", "✗ 9, truth 7", "✓ 1"]
    assert [label.get_color() for label in labels] == [RIGHT, WRONG, RIGHT]
    drawn = figure.axes[0].images
    np.testing.assert_array_equal(drawn[1].get_array(), images[1].reshape(4, 4))
    assert {image.get_clim() for image in drawn} == {(0.0, 47.0)}
    assert {image.get_interpolation() for image in drawn} == {"nearest"}


def test_grid_shows_rows_times_columns(answers):
    images, y_true, _ = answers
    figure = plots.prediction_grid(images, y_true, y_true, rows=2, columns=5, title="Mine")
    assert len(figure.axes[0].images) == 10
    assert figure.axes[0].texts[0].get_text() == "Mine: 10 of 10 right"


def test_mistakes_are_ranked_and_show_both_leading_classes(answers):
    images, y_true, rows = answers
    figure = plots.mistakes(images, y_true, rows, limit=6)
    wrong = np.flatnonzero(rows.argmax(axis=1) != y_true)
    surest = wrong[np.argsort(-rows[wrong].max(axis=1))][:6]
    axes = figure.axes[0]
    assert axes.texts[0].get_text() == f"Mistakes, the surest first: 6 of {len(wrong)}"
    assert f"{len(wrong)} of 400 samples" in axes.texts[1].get_text()
    for drawn, i in zip(axes.images, surest, strict=True):
        np.testing.assert_array_equal(drawn.get_array(), images[i])
    captions = axes.texts[5:]
    bars = axes.patches
    for n, i in enumerate(surest):
        first, second = np.argsort(-rows[i])[:2]
        truth, top, next_best = captions[3 * n : 3 * n + 3]
        assert truth.get_text() == f"truth: {y_true[i]}"
        assert top.get_text().startswith(f"✗ {first}  {100 * rows[i, first]:.1f} %")
        assert top.get_color() == WRONG
        mark = "✓" if second == y_true[i] else "✗"
        assert next_best.get_text().startswith(f"{mark} {second}  ")
        assert (next_best.get_color() == RIGHT) == (second == y_true[i])
        full, part = bars[4 * n], bars[4 * n + 1]
        assert part.get_width() / full.get_width() == pytest.approx(rows[i, first])


def test_no_percentage_claims_certainty():
    rows = np.array([[0.99999, 0.00001], [0.6, 0.4]])
    figure = plots.mistakes(np.zeros((2, 4)), [1, 1], rows)
    shown = [text.get_text() for text in figure.axes[0].texts]
    assert "✗ 0  > 99.9 %" in shown
    assert "✓ 1  < 0.1 %" in shown


def test_confused_pairs_are_counted_and_illustrated():
    y_true = np.array([0] * 10 + [1] * 3 + [2] * 5)
    pred = np.array([1] * 10 + [2] * 3 + [2] * 5)
    rows = 0.05 + 0.85 * np.eye(3)[pred]
    figure = plots.confused_pairs(np.zeros((18, 4, 4)), y_true, rows)
    shown = [text.get_text() for text in figure.axes[0].texts]
    assert shown[0] == "The most confused pairs"
    assert shown[1].startswith("These 2 pairs make 13 of 13 mistakes")
    assert shown[2:] == ["0 called 1", "10 times", "1 called 2", "3"]
    longest, short = figure.axes[0].patches
    assert short.get_width() / longest.get_width() == pytest.approx(0.3)
    left_of_images = min(image.get_extent()[0] for image in figure.axes[0].images)
    assert 1 < longest.get_x() + longest.get_width() < left_of_images - 0.7
    assert len(figure.axes[0].images) == 8 + 3


# ---- scores ----


def test_confusion_matrix_scales_to_the_mistakes():
    matrix = np.array([[970, 10, 0], [0, 1000, 5], [0, 0, 0]])
    figure = plots.confusion_matrix(matrix)
    assert figure.get_suptitle() == "Confusion matrix: 99.24 % of 1,985 samples are right"
    counts, shares = figure.axes[:2]
    assert (counts.get_xlabel(), counts.get_ylabel()) == ("predicted class", "true class")
    heat = counts.images[0]
    assert heat.get_clim() == (0, 10)
    assert heat.get_array().mask.diagonal().all()
    assert shares.images[0].get_clim() == pytest.approx((0, 1000 / 980))
    assert [text.get_text() for text in counts.texts] == ["970", "10", "", "", "1000", "5"] + [
        ""
    ] * 3
    dash = "\N{EN DASH}"
    in_shares = [text.get_text() for text in shares.texts]
    assert in_shares == ["99.0", "1.0", "", "", "99.5", "0.5", dash, dash, dash]
    marks = [text.get_text() for text in figure.legends[0].get_texts()]
    assert marks == ["✓ right", "✗ mistake"]


def test_confusion_matrix_of_a_faultless_classifier():
    figure = plots.confusion_matrix(np.diag([5, 6]))
    assert figure.get_suptitle() == "Confusion matrix: 100 % of 11 samples are right"


def test_scores_hang_from_one():
    scores = metrics.precision_recall_f1([0, 0, 0, 0, 1, 1], [0, 0, 0, 1, 1, 1])
    figure = plots.class_scores(scores, class_names=["cat", "dog"])
    axes = figure.axes[0]
    assert len(axes.containers) == 3
    for bars, values in zip(
        axes.containers, (scores.precision, scores.recall, scores.f1), strict=True
    ):
        np.testing.assert_allclose([bar.get_y() + bar.get_height() for bar in bars], values)
        assert {bar.get_y() for bar in bars} == {1.0}
    low, high = axes.get_ylim()
    assert high == 1.0
    assert 0.6 < low < 2 / 3
    assert [label.get_text() for label in axes.get_xticklabels()] == ["cat\n(4)", "dog\n(2)"]
    names = [text.get_text().split()[0] for text in figure.legends[0].get_texts()]
    assert names == ["precision", "recall", "F1"]


def test_reliability_shows_what_the_table_holds(answers):
    _, y_true, rows = answers
    table = metrics.reliability_table(y_true, rows, bins=8)
    figure = plots.reliability_diagram(table)
    upper, lower = figure.axes
    filled = table.count > 0
    error = 100 * metrics.expected_calibration_error(y_true, rows, bins=8)
    assert figure.get_suptitle() == f"Reliability: expected calibration error {error:.2f} %"
    dots = upper.lines[-1].get_xydata()
    np.testing.assert_allclose(dots[:, 0], 100 * table.confidence[filled])
    np.testing.assert_allclose(dots[:, 1], 100 * table.accuracy[filled])
    assert [text.get_text() for text in lower.texts] == [str(c) for c in table.count[filled]]
    assert lower.get_yscale() == "log"
    lean = 100 * (rows.max(axis=1).mean() - metrics.accuracy(y_true, rows.argmax(axis=1)))
    word = "more" if lean > 0 else "less"
    expected = f"on average {abs(lean):.2f} percentage points {word} sure than right"
    assert lower.get_title(loc="right") == expected


def test_reliability_of_one_who_is_as_sure_as_right():
    rows = np.array([[0.75, 0.25]] * 4)
    figure = plots.reliability_diagram(metrics.reliability_table([0, 0, 0, 1], rows))
    assert figure.get_suptitle() == "Reliability: expected calibration error 0.00 %"
    assert figure.axes[1].get_title(loc="right") == "on average as sure as right"


# ---- training ----


def test_learning_curves_of_one_run():
    figure = plots.learning_curves(history())
    loss, accuracy, rate = figure.axes
    assert [axes.get_title(loc="left") for axes in (loss, accuracy)] == ["Loss", "Accuracy"]
    assert accuracy.get_ylabel() == "accuracy (%)"
    assert rate.get_ylabel() == "learning rate"
    assert {axes.get_xlabel() for axes in figure.axes} == {"epoch"}
    np.testing.assert_allclose(loss.lines[0].get_ydata(), history()["running_train_loss"])
    held_out = 100 * np.array(history()["validation_accuracy"])
    np.testing.assert_allclose(accuracy.lines[1].get_ydata(), held_out)
    assert [line.get_color() for line in loss.lines[:2]] == [TRAIN, VALIDATION]
    names = [text.get_text() for text in figure.legends[0].get_texts()]
    assert names == ["train (running mean)", "validation"]


def test_best_epoch_is_that_of_the_lowest_validation_loss():
    figure = plots.learning_curves(history())
    loss, accuracy, rate = figure.axes
    assert loss.get_title(loc="right") == "lowest loss, epoch 4: 0.3000"
    assert accuracy.get_title(loc="right") == "lowest loss, epoch 4: 94.00 %"
    for axes in (loss, accuracy, rate):
        assert axes.lines[-1].get_xdata() == [4, 4]
    figure = plots.learning_curves(history(), best_epoch=3)
    assert figure.axes[1].get_title(loc="right") == "epoch 3: 95.00 %"


def test_loss_axis_is_logarithmic_only_where_the_loss_spans_ten():
    assert plots.learning_curves(history()).axes[0].get_yscale() == "log"
    flat = history(running_train_loss=[0.5] * 6)
    figure = plots.learning_curves(flat)
    assert figure.axes[0].get_yscale() == "linear"
    assert figure.axes[0].get_ylabel() == "loss"


def test_columns_that_do_not_exist_are_not_drawn():
    none = [None] * 6
    figure = plots.learning_curves(history(validation_loss=none, validation_accuracy=none))
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["train (running mean)"]
    assert len(figure.axes[0].lines) == 1
    regression = {k: v for k, v in history().items() if "accuracy" not in k and "rate" not in k}
    assert len(plots.learning_curves(regression).axes) == 1


def test_a_diverged_run_is_drawn_up_to_its_end():
    losses = [1.0, 0.5, float("nan"), float("nan"), float("nan"), float("inf")]
    figure = plots.learning_curves(history(validation_loss=losses))
    assert figure.axes[0].get_title(loc="right") == "lowest loss, epoch 2: 0.5000"


def test_runs_are_told_apart_by_colour_and_sets_by_dashes():
    figure = plots.learning_curves({"SGD": history(), "Adam": history(8)})
    loss = figure.axes[0]
    assert len(loss.lines) == 4
    assert loss.lines[0].get_color() == loss.lines[1].get_color() != loss.lines[2].get_color()
    assert loss.lines[0].get_linestyle() == loss.lines[2].get_linestyle() == "--"
    assert loss.lines[1].get_linestyle() == "-"
    parts, runs = figure.legends
    assert [text.get_text() for text in runs.get_texts()] == ["SGD", "Adam"]
    assert len(parts.get_texts()) == 2


def test_the_trainers_history_can_be_drawn_as_it_is():
    columns = {"epoch": [1, 2], "running_train_loss": [0.5, 0.25], "learning_rate": [0.1, 0.1]}
    rows = [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
    figure = plots.learning_curves(History(rows))
    assert list(figure.axes[0].lines[0].get_ydata()) == [0.5, 0.25]
    figure = plots.learning_curves({"a": History(rows), "b": columns})
    assert len(figure.axes[0].lines) == 2


def test_diagnostics_have_a_panel_for_what_is_given_and_the_guide_line():
    steps, layers = diagnostics()
    figure = plots.training_diagnostics(
        steps, gradient_rms=layers, dead_share=layers, update_ratio=layers
    )
    gradient, dead, update = figure.axes
    assert gradient.get_yscale() == update.get_yscale() == "log"
    assert dead.get_ylim()[0] == 0
    np.testing.assert_allclose(dead.lines[0].get_ydata(), 100 * layers["Dense 1"])
    np.testing.assert_allclose(gradient.lines[1].get_ydata(), layers["Dense 2"])
    assert list(update.lines[-1].get_ydata()) == [1e-3, 1e-3]
    assert [text.get_text() for text in update.texts] == ["guide line: 1e-3"]
    assert update.get_xlabel() == "step"
    assert [text.get_text() for text in figure.legends[0].get_texts()] == list(layers)
    assert len(plots.training_diagnostics(steps, dead_share=layers).axes) == 1


# ---- network ----


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
    assert shown[1] == "6 of 40 hidden units, those of the largest weights (RMS) first"
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
    assert answer.get_title(loc="left") == "answer: 1 ✗"
    np.testing.assert_allclose([bar.get_width() for bar in answer.patches], [10, 70, 20])
    assert [to_hex(bar.get_facecolor()).upper() for bar in answer.patches[1:]] == [WRONG, RIGHT]
    right = plots.activations(image, hidden, np.array([0.1, 0.7, 0.2]), truth=1)
    assert right.axes[3].get_title(loc="left") == "answer: 1 ✓"


def test_of_many_classes_the_likeliest_are_drawn_and_the_truth():
    answer = np.arange(47) / np.arange(47).sum()
    figure = plots.activations(np.zeros((4, 4)), [np.ones(3)], answer, truth=5)
    panel = figure.axes[2]
    shown = [int(tick.get_text()) for tick in panel.get_yticklabels()]
    assert shown == [*range(46, 35, -1), 5]
    np.testing.assert_allclose([bar.get_width() for bar in panel.patches], 100 * answer[shown])


# ---- landscape ----


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


def test_one_step_of_diagnostics_is_a_point():
    figure = plots.training_diagnostics([7], dead_share={"Dense 1": [0.25]})
    line = figure.axes[0].lines[0]
    assert (line.get_marker(), line.get_xydata().tolist()) == ("o", [[7, 25]])


def test_boundary_frames_count_the_points_on_the_wrong_side():
    x0, x1, pictures, points, labels = boundary()
    figure = plots.decision_boundary(
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
    assert names == ["class 0", "class 1", "boundary", "on the wrong side"]


def test_one_sigmoid_column_is_class_one():
    x0, x1, pictures, points, labels = boundary(frames=1)
    both = plots.decision_boundary(x0, x1, pictures, points, labels)
    one = plots.decision_boundary(x0, x1, [pictures[0][:, 1:]], points, labels)
    np.testing.assert_allclose(
        one.axes[0].images[0].get_array(), both.axes[0].images[0].get_array(), atol=1e-12
    )


def test_distortions_stand_in_order_beside_the_original_on_one_scale(answers):
    images, _, _ = answers
    figure = plots.distortions(images[0], images[1:13])
    drawn = figure.axes[0].images
    for shown, given in zip(drawn, images[:13], strict=True):
        np.testing.assert_array_equal(shown.get_array(), given)
    assert {shown.get_clim() for shown in drawn} == {(images[:13].min(), images[:13].max())}
    left, top = zip(*((im.get_extent()[0], im.get_extent()[3]) for im in drawn[1:]), strict=True)
    assert list(left[:6]) == sorted(left[:6]) == list(left[6:])
    assert len(set(top[:6])) == len(set(top[6:])) == 1
    assert top[6] > top[0]


def test_grid_of_inputs_lies_in_the_order_of_the_picture():
    x0, x1, inputs = plots.boundary_grid([[0.0, 10.0], [1.0, 30.0]], size=3, margin=0.5)
    np.testing.assert_allclose(x0, [-0.5, 0.5, 1.5])
    np.testing.assert_allclose(x1, [0, 20, 40])
    np.testing.assert_allclose(inputs[1], [0.5, 0])
    np.testing.assert_allclose(inputs[3], [-0.5, 20])


# ---- bad input ----

IMAGES, LABELS = np.zeros((2, 4, 4)), [0, 1]
ROWS = np.array([[0.9, 0.1], [0.2, 0.8]])


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: plots.prediction_grid(np.zeros((2, 6)), LABELS, LABELS), r"got \(2, 6\)"),
        (lambda: plots.prediction_grid(IMAGES[0, 0], LABELS, LABELS), r"image\[None\]"),
        (lambda: plots.prediction_grid(IMAGES[:1], LABELS, LABELS), "images and y_true.*1 and 2"),
        (lambda: plots.prediction_grid(IMAGES * np.nan, LABELS, LABELS), "expected finite numbers"),
        (lambda: plots.prediction_grid(IMAGES[:0], [], []), "expected shape"),
        (lambda: plots.prediction_grid(IMAGES, [0, -1], LABELS), "y_true.*labels from -1 to 0"),
        (
            lambda: plots.prediction_grid(IMAGES, LABELS, LABELS, class_names=["a"]),
            "class_names: expected a name for each of the 2 classes, got 1",
        ),
        (
            lambda: plots.prediction_grid(IMAGES, LABELS, LABELS, rows=0),
            "rows: .*at least 1, got 0",
        ),
        (lambda: plots.prediction_grid(IMAGES, LABELS, LABELS, columns=-1), "columns: .*got -1"),
        (lambda: plots.mistakes(IMAGES, LABELS[::-1], ROWS, limit=-1), "limit: .*got -1"),
        (lambda: plots.first_layer_weights(weights(), columns=0), "columns: .*got 0"),
        (lambda: plots.weights_filmstrip([weights()] * 2, [0, 1], units=0), "units: .*got 0"),
        (lambda: plots.distortions(IMAGES[0], IMAGES, columns=0), "columns: .*got 0"),
        (lambda: plots.boundary_grid([[0.0, 1.0]], size=0), "size: .*got 0"),
        (lambda: plots.boundary_grid([[0.0, np.nan]]), "points: expected finite numbers"),
        (
            lambda: plots.confusion_matrix([[1, 2], [3, 4]], class_names=["a", "b", "c"]),
            "a name for each of the 2 classes, got 3",
        ),
        (
            lambda: plots.decision_boundary(
                [0, 1], [0, 1], [5 * ROWS[[0, 1, 0, 1]]], [[0, 0]], [0]
            ),
            "are these logits",
        ),
        (lambda: plots.mistakes(IMAGES, LABELS, ROWS), "at least one wrong answer.* 2 right ones"),
        (lambda: plots.mistakes(IMAGES, LABELS, ROWS * np.nan), "NaN or infinity, first in row 0"),
        (lambda: plots.mistakes(IMAGES, [0, 2], ROWS), r"labels from 0 to 1 \(2 classes\)"),
        (lambda: plots.confused_pairs(IMAGES, LABELS, ROWS), "at least one wrong answer"),
        (lambda: plots.distortions(IMAGES[0], np.zeros((3, 5, 5))), "copies of this image"),
        (lambda: plots.confusion_matrix([[1, 2, 3]]), r"shape \(K, K\).*\(1, 3\)"),
        (lambda: plots.confusion_matrix([[1, -2], [0, 1]]), "at least 0.*got -2 to 1"),
        (lambda: plots.learning_curves([0.5, 0.2]), "a dict of columns.*got list"),
        (lambda: plots.learning_curves({}), "a dict of columns with 'epoch' among them"),
        (lambda: plots.learning_curves({"epoch": []}), "at least one epoch, got none"),
        (lambda: plots.learning_curves({"epoch": [1]}), r"a column of losses or accuracies.*epoch"),
        (
            lambda: plots.learning_curves({"epoch": [1, 2], "validation_loss": [0.5]}),
            "columns of one length.*'validation_loss': 1",
        ),
        (lambda: plots.learning_curves({"SGD": {"loss": [1]}}), r"SGD: expected .*\['loss'\]"),
        (lambda: plots.learning_curves(history(), best_epoch=9), "epochs 1 to 6, got 9"),
        (lambda: plots.training_diagnostics([0, 1]), "at least one of gradient_rms"),
        (
            lambda: plots.training_diagnostics([0, 1], dead_share={"Dense 1": [0.1]}),
            r"dead_share\['Dense 1'\]: expected one number for each step, shape \(2,\), got \(1,\)",
        ),
        (lambda: plots.first_layer_weights(np.zeros((10, 3))), r"expected 9 .*\(3, 3\), got 10"),
        (lambda: plots.first_layer_weights(np.full((9, 2), np.nan)), "training diverged"),
        (lambda: plots.weights_filmstrip([weights()], [0]), "at least two snapshots"),
        (lambda: plots.weights_filmstrip([weights(3), weights(4)], [0, 1]), "snapshots of one sha"),
        (lambda: plots.activations(IMAGES[0], [], ROWS[0]), "one row .units,. of each hidden"),
        (lambda: plots.activations(IMAGES[0], [IMAGES[0]], ROWS[0]), r"got shapes \[\(4, 4\)\]"),
        (lambda: plots.activations(IMAGES[0], [[1.0]], ROWS[0], truth=2), "truth: .*0 to 1"),
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
        (lambda: plots.boundary_grid([1.0, 2.0]), r"points: expected shape \(N, 2\), got \(2,\)"),
        (
            lambda: plots.decision_boundary([0, 1], [0, 1], [ROWS], [[0, 0]], [0]),
            r"shape \(4, K\), one row for each grid point, got \(2, 2\)",
        ),
        (lambda: plots.decision_boundary([0, 1], [0, 1], [], [[0, 0]], [0]), "got none"),
        (
            lambda: plots.decision_boundary(*boundary()[:4], np.full(40, 2)),
            "labels: expected labels from 0 to 1",
        ),
        (
            lambda: plots.decision_boundary(*boundary(), frame_titles=["start"]),
            "frame_titles: expected one for each of 3 frames, got 1",
        ),
    ],
)
def test_bad_input_gets_one_clear_error(call, message):
    with pytest.raises(InputError, match=message):
        call()


# ---- what a critical eye found ----


def test_a_layer_whose_gradient_is_0_is_still_seen():
    gone = np.zeros(4)
    figure = plots.training_diagnostics(
        np.arange(4), gradient_rms={"alive": np.full(4, 1e-3), "dead": gone}
    )
    axes = figure.axes[0]
    assert "exactly 0: dead" in axes.get_title(loc="right")
    (marks,) = [line for line in axes.lines if line.get_marker() == "v"]
    assert len(marks.get_xdata()) == 4
    # Where nothing is above 0 there is no logarithm.
    figure = plots.training_diagnostics(np.arange(4), gradient_rms={"dead": gone})
    assert figure.axes[0].get_yscale() == "linear"


def test_certainty_is_not_claimed_by_rounding():
    from numpymlp.plots.style import percent

    assert [percent(p) for p in (1, 0.9996, 0.5, 0.0004, 0)] == [
        "100 %", "> 99.9 %", "50.0 %", "< 0.1 %", "0 %",
    ]  # fmt: skip
    matrix = np.array([[99_999, 1], [0, 100_000]])
    figure = plots.confusion_matrix(matrix)
    texts = [text.get_text() for axes in figure.axes for text in axes.texts]
    assert ">99.9" in texts
    assert "> 99.99 % of 200,000 samples" in figure._suptitle.get_text()


@pytest.mark.parametrize(
    ("call", "message"),
    [
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
            "layer_names: expected one for each of 1 layers",
        ),
        (
            lambda: plots.optimizer_paths([0, 1], [0, 1], np.ones((2, 2)), {"a": np.ones((2, 2))}),
            "there is no way down",
        ),
        (
            lambda: plots.decision_boundary(
                [0, 1], [0, 1], [np.full((4, 10), 0.1)], np.ones((2, 2)), [0, 1]
            ),
            "at most 7, got",
        ),
        (
            lambda: plots.decision_boundary(
                [0, 1], [0, 1], [np.full((4, 2), 0.5)], np.ones((2, 3)), [0, 1]
            ),
            r"points: expected shape \(N, 2\)",
        ),
        (
            lambda: plots.search_results([{"epochs": 1, "round": 1, "validation_accuracy": 0.9}]),
            "at least one setting",
        ),
    ],
)
def test_mistakes_with_pictures_are_told(call, message):
    with pytest.raises(InputError, match=message):
        call()
