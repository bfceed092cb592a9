import io
import itertools
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import matplotlib
import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.style import library
from matplotlib.text import Text
from pictures import answers, boundary, every_picture, surface

from numpymlp import metrics, plots
from numpymlp.plots.style import FONT, fit, percent


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


@pytest.mark.parametrize("name", every_picture())
def test_text_is_legible_stays_inside_and_keeps_apart(name):
    figure = every_picture()[name]()
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


def hostile():
    """The settings of several styles at once, each of which damaged a picture."""
    styles = ("grayscale", "ggplot", "seaborn-v0_8-darkgrid", "dark_background")
    settings = {key: value for name in styles for key, value in library[name].items()}
    more = {
        "axes.grid": True, "axes.titlesize": 40, "font.weight": "bold", "image.origin": "lower",
        "lines.linestyle": ":", "lines.marker": "o", "hatch.color": "red", "path.sketch": (3, 9, 2),
        "savefig.transparent": True, "text.parse_math": False, "xtick.major.size": 20,
        "legend.facecolor": "red", "axes.unicode_minus": False,
    }  # fmt: skip
    return {key: value for key, value in (settings | more).items() if "font.family" not in key}


def pixels(figure):
    figure.savefig(file := io.BytesIO(), dpi=30, format="png")
    return file.getvalue()


@pytest.mark.parametrize("name", every_picture())
def test_the_users_style_changes_no_picture(name):
    # dark_background gave dark text on black, a grid struck out the numbers of a matrix.
    draw = every_picture()[name]
    expected = pixels(draw())
    with matplotlib.rc_context(hostile()):
        assert pixels(draw()) == expected


def test_the_users_font_is_kept_and_ours_has_the_marks():
    with matplotlib.rc_context({"font.family": ["monospace"]}):
        for name in ("mistakes", "confusion, names"):
            figure = every_picture()[name]()
            figure.draw_without_rendering()
            assert {tuple(t.get_fontfamily()) for t in texts(figure)} == {("monospace", FONT)}


def test_a_dollar_sign_in_a_name_is_no_mathematics():
    # Two of them were typeset as a formula, three were an error.
    names = ["$5 bill", "Ba$$in", "$a$, $b"]
    images, y_true, rows = answers()
    few, truth = rows[:, :3] / rows[:, :3].sum(axis=1, keepdims=True), y_true % 3
    matrix = metrics.confusion_matrix(truth, few.argmax(axis=1), 3)
    scores = metrics.precision_recall_f1(truth, few.argmax(axis=1), 3)
    columns = {name: [0.5, 0.0] for name in names}
    curves = {name: {"epoch": [1, 2], "validation_loss": [2, 1]} for name in names}
    x0, x1, frames, points, labels = boundary()
    searched = [
        {"round": 1, "epochs": 1, "validation_accuracy": 0.9, "$a$": name} for name in names
    ]
    figures = {
        "grid": plots.prediction_grid(images, truth, few.argmax(axis=1), class_names=names),
        "mistakes": plots.mistakes(images, truth, few, class_names=names),
        "pairs": plots.confused_pairs(images, truth, few, class_names=names),
        "confusion": plots.confusion_matrix(matrix, class_names=names),
        "scores": plots.class_scores(scores, class_names=names),
        "activations": plots.activations(
            images[0], [[1.0, 2.0]] * 3, few[0], truth=1, class_names=names, layer_names=names
        ),
        "curves": plots.learning_curves(curves),
        "diagnostics": plots.training_diagnostics([0, 1], gradient_rms=columns),
        "paths": plots.optimizer_paths(*surface()[:3], {name: [[0, 0], [1, 1]] for name in names}),
        "boundary": plots.boundary_filmstrip(x0, x1, frames, points, labels, frame_titles=names),
        "search": plots.search_results(searched),
    }
    for what, figure in figures.items():
        figure.draw_without_rendering()
        drawn = [t._preprocess_math(t.get_text()) for t in texts(figure)]
        shown = " ".join(text.replace("\n", " ") for text, mathematics in drawn if not mathematics)
        assert all(name in shown for name in names), what


def test_names_in_wide_characters_get_a_smaller_font():
    kanji = "\N{CJK UNIFIED IDEOGRAPH-732B}" * 10
    assert fit(kanji, 1, 12) == pytest.approx(72 / 10)
    assert fit("m" * 10, 1, 12) == pytest.approx(72 / 6.2)


def test_pictures_drawn_in_threads_leave_the_global_settings_alone():
    before = dict(matplotlib.rcParams)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: plots.confusion_matrix(np.eye(2)), range(16)))
    assert dict(matplotlib.rcParams) == before


def test_certainty_is_not_claimed_by_rounding():
    assert [percent(p) for p in (1, 0.9996, 0.5, 0.0004, 0)] == [
        "100 %", "> 99.9 %", "50.0 %", "< 0.1 %", "0 %",
    ]  # fmt: skip
    matrix = np.array([[99_999, 1], [0, 100_000]])
    figure = plots.confusion_matrix(matrix)
    texts = [text.get_text() for axes in figure.axes for text in axes.texts]
    assert ">99.9" in texts
    assert "> 99.99 % of 200,000 samples" in figure._suptitle.get_text()
