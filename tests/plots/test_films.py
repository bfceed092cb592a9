"""Films: the frames come back from the file in order, and bad frames leave no file."""

import base64
import io
import json
import re

import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

from numpymlp import InputError, plots

GRAYS = (0.0, 0.3, 0.6, 0.9)


def figure(gray, size=(4, 3)):
    return Figure(figsize=size, facecolor=str(gray))


def middle(picture):
    return np.asarray(picture.convert("L"))[100, 100] / 255


def test_a_gif_holds_the_frames_in_order_and_holds_the_last(tmp_path):
    plots.animate(map(figure, GRAYS), tmp_path / "film.gif", seconds=0.1, width=200)
    with Image.open(tmp_path / "film.gif") as film:
        assert film.n_frames == 4
        assert film.size == (200, 150)
        times = []
        for n, gray in enumerate(GRAYS):
            film.seek(n)
            times.append(film.info["duration"])
            assert middle(film) == pytest.approx(gray, abs=0.01)
        assert film.info["loop"] == 0
    assert times == [100, 100, 100, 2000]


def test_a_page_holds_the_frames_and_names_no_other_file(tmp_path):
    plots.animate(map(figure, GRAYS), tmp_path / "film.html", width=200)
    text = (tmp_path / "film.html").read_text()
    [frames] = re.findall(r"const frames = (\[.*?\]), seconds = 0.2;", text)
    for frame, gray in zip(json.loads(frames), GRAYS, strict=True):
        with Image.open(io.BytesIO(base64.b64decode(frame))) as picture:
            assert middle(picture) == pytest.approx(gray, abs=0.01)
    assert "http" not in text


@pytest.mark.parametrize(
    ("figures", "name", "options", "words"),
    [
        ([], "a.gif", {}, "expected 1 to 1,000 figures, got none"),
        ([figure(0)], "a.mp4", {}, r"ends in .gif or .html, got '.mp4'"),
        ([figure(0), figure(0, (4, 4))], "a.gif", {}, "figures of one size"),
        ([figure(0), "x"], "a.gif", {}, "expected figures of matplotlib, got 'x'"),
        ([figure(0)], "a.gif", {"seconds": 0}, "animate seconds"),
        ([figure(0)], "a.gif", {"width": 0}, "animate width"),
    ],
)
def test_bad_frames_and_settings_are_refused_and_no_file_is_written(
    figures, name, options, words, tmp_path
):
    with pytest.raises(InputError, match=words):
        plots.animate(figures, tmp_path / name, **{"width": 100, **options})
    assert list(tmp_path.iterdir()) == []
