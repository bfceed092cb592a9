import itertools
import subprocess
import sys

import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.text import Text
from pictures import every_picture

from numpymlp import plots
from numpymlp.plots.style import percent


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


def test_certainty_is_not_claimed_by_rounding():
    assert [percent(p) for p in (1, 0.9996, 0.5, 0.0004, 0)] == [
        "100 %", "> 99.9 %", "50.0 %", "< 0.1 %", "0 %",
    ]  # fmt: skip
    matrix = np.array([[99_999, 1], [0, 100_000]])
    figure = plots.confusion_matrix(matrix)
    texts = [text.get_text() for axes in figure.axes for text in axes.texts]
    assert ">99.9" in texts
    assert "> 99.99 % of 200,000 samples" in figure._suptitle.get_text()
