import numpy as np
import pytest
from matplotlib.colors import to_hex
from messages import one_clear_error
from pictures import benchmark_figure

from numpymlp import plots


def test_one_hue_is_one_library_and_hatching_is_float64():
    bars = benchmark_figure(3).axes[0].patches
    colours = [to_hex(bar.get_facecolor()) for bar in bars]
    assert colours[0] == colours[1] != colours[2]
    assert len(set(colours)) == 3
    assert [bool(bar.get_hatch()) for bar in bars] == [False, True, True, False]


def test_the_headline_chart_shows_geometric_means_and_the_panels_seconds():
    figure = benchmark_figure(3)
    widths = [bar.get_width() for bar in figure.axes[0].patches]
    np.testing.assert_allclose(widths, [1.0, 2.0, 4.0, 0.4])
    texts = [text.get_text().strip() for text in figure.axes[3].texts]
    assert texts == ["3 s", "6 s", "12 s", "1.2 s"]
    assert any("2 threads" in text.get_text() for axes in figure.axes for text in axes.texts)


@pytest.mark.parametrize(
    ("networks", "reference", "message"),
    [
        ({}, "a", "at least one network, got none"),
        ({"n": {"a": [1.0]}}, "b", "reference: expected one of a, got 'b'"),
        ({"n": {"a": [1.0]}, "m": {"b": [1.0]}}, "a", r"m: expected the labels \['a'\]"),
        ({"n": {"a": [0.0]}}, "a", "n: expected finite seconds above 0"),
        ({"n": {"a": []}}, "a", "n: expected finite seconds above 0"),
    ],
)
def test_bad_input_gets_one_clear_error(networks, reference, message):
    one_clear_error(lambda: plots.benchmark_times(networks, reference=reference), message)
