"""Films: figures shown one after the other, as a GIF or as a page with a slider.

Every picture of this package can be a frame: the weights after each epoch, a decision boundary
while it forms, the paths of optimizers.
"""

from __future__ import annotations

import base64
import io
import itertools
import json
import os
from collections.abc import Iterable
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from PIL import Image

from numpymlp.storage.files import check_path, write_bytes
from numpymlp.validation import InputError, check_positive_integer, check_range

MOST_FRAMES = 1000
HOLD = 2.0  # seconds that the last frame of a GIF stays

# A film in HTML: the frames as pictures inside the page, with play and a slider.
PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Film</title>
<style>
  body { margin: 1rem auto; max-width: 60rem; padding: 0 1rem; font: 1rem system-ui, sans-serif }
  img { width: 100% }
  div { display: flex; gap: 1rem }
  input { flex: 1 }
</style>
<img id="frame" alt="">
<div><button id="play">Play</button>
<input id="time" type="range" min="0" value="0" aria-label="Frame">
<output id="count"></output></div>
<script>
const frames = FRAMES, seconds = SECONDS;
const [frame, play, time, count] = ["frame", "play", "time", "count"].map((id) =>
  document.getElementById(id));
let timer = null;
time.max = frames.length - 1;
function show(n) {
  time.value = n;
  frame.src = `data:image/png;base64,${frames[n]}`;
  count.textContent = frame.alt = `frame ${n + 1} of ${frames.length}`;
}
function stop() {
  clearInterval(timer);
  timer = null;
  play.textContent = "Play";
}
play.onclick = () => {
  if (timer) return stop();
  if (Number(time.value) === frames.length - 1) show(0);
  play.textContent = "Pause";
  timer = setInterval(() => {
    if (Number(time.value) < frames.length - 1) show(Number(time.value) + 1);
    else stop();
  }, 1000 * seconds);
};
time.oninput = () => show(Number(time.value));
show(0);
</script>
</html>
"""


def animate(
    figures: Iterable[Figure],
    path: str | os.PathLike[str],
    *,
    seconds: float = 0.2,
    width: int = 800,
) -> None:
    """Write figures as a film, whole or not at all.

    Parameters
    ----------
    figures : iterable of Figure
        The frames, drawn one at a time, so that a generator keeps one in memory. All must have the
        size of the first.
    path : path-like
        ``film.gif`` plays in a loop and shows the last frame for 2 seconds;
        ``film.html`` has a button and a slider, and opens without a network connection.
    seconds : float from 0.02 to 10, default 0.2
        How long each frame is shown.
    width : int, default 800
        Of the film, in pixels.

    Raises
    ------
    InputError
        If there is no frame or more than a thousand, or the frames differ in size.

    Examples
    --------
    >>> plots.animate(map(plots.first_layer_weights, weights_after_each_epoch), "weights.gif")
    """
    suffix = os.path.splitext(check_path(path))[1].lower()
    if suffix not in (".gif", ".html"):
        raise InputError(f"{path}: expected a name that ends in .gif or .html, got {suffix!r}")
    check_range(seconds, "animate seconds", 0.02, 10)
    frames = [_drawn(figure, check_positive_integer(width, "animate width"))
              for figure in itertools.islice(figures, MOST_FRAMES + 1)]  # fmt: skip
    if not 0 < len(frames) <= MOST_FRAMES:
        raise InputError(
            f"animate expected 1 to {MOST_FRAMES:,} figures, got "
            f"{f'more than {MOST_FRAMES:,}' if frames else 'none'}: show every tenth step"
        )
    if len(sizes := {frame.size for frame in frames}) > 1:
        raise InputError(
            f"animate expected figures of one size, got {sorted(sizes)} in pixels: give all the "
            f"same figsize"
        )
    write_bytes(path, _gif(frames, seconds) if suffix == ".gif" else _html(frames, seconds))


def _drawn(figure: Any, width: int) -> Image.Image:
    """Return a figure as a picture of 128 colours, which keeps a thousand frames small."""
    if not isinstance(figure, Figure):
        raise InputError(f"animate expected figures of matplotlib, got {figure!r:.80}")
    file = io.BytesIO()
    figure.savefig(file, format="png", dpi=width / figure.get_size_inches()[0])
    with Image.open(file) as picture:
        return picture.convert("RGB").quantize(128, dither=Image.Dither.NONE)


def _gif(frames: list[Image.Image], seconds: float) -> bytes:
    times = np.full(len(frames), round(1000 * seconds))
    times[-1] = max(times[-1], 1000 * HOLD)
    file = io.BytesIO()
    frames[0].save(
        file,
        format="GIF",
        save_all=True,
        append_images=frames[1:],
        duration=times.tolist(),
        loop=0,
        optimize=False,
    )
    return file.getvalue()


def _html(frames: list[Image.Image], seconds: float) -> bytes:
    pictures = []
    for frame in frames:
        frame.save(file := io.BytesIO(), format="PNG", optimize=True)
        pictures.append(base64.b64encode(file.getvalue()).decode("ascii"))
    text = PAGE.replace("SECONDS", json.dumps(seconds)).replace("FRAMES", json.dumps(pictures))
    return text.encode()
