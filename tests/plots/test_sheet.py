import numpy as np
import pytest
from matplotlib.patches import Rectangle
from pictures import seen

from numpymlp import plots
from numpymlp.plots.style import WRONG


def test_each_picture_has_its_image_its_ink_and_its_bars():
    pictures = [seen(), seen(blank=True)]
    shares = np.array([0.0, 0.99999, 0.00001])
    notes = ["", "blank: nothing differs from the border"]
    figure = plots.reading_sheet(pictures, [shares, None], ["a.png", "b$.png"], notes)
    (axes,) = figure.axes
    np.testing.assert_array_equal(axes.images[0].get_array(), pictures[0].gray)
    np.testing.assert_array_equal(axes.images[1].get_array().ravel(), pictures[0].digit)
    assert len(axes.images) == 3  # nothing was seen in the blank picture
    outlines = [patch for patch in axes.patches if not patch.get_fill()]
    (outline,) = outlines
    assert isinstance(outline, Rectangle)
    assert outline.get_width() / outline.get_height() == pytest.approx(30 / 40)
    bars = [patch.get_width() for patch in axes.patches if patch.get_fill()]
    assert np.divide(bars[1::2], bars[::2]) == pytest.approx(shares)
    texts = {text.get_text(): text for text in axes.texts}
    assert {"a.png", r"b\$.png", "answer: 1", "> 99.9 %"} <= set(texts)
    assert texts[notes[1]].get_color() == WRONG
