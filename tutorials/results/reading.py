"""Measure how well `predict` reads pictures of digits, and what it says of pictures of none.

    numpymlp train --output runs/reading
    python tutorials/results/reading.py runs/reading

renders 1,000 pictures of test digits in eight settings, and 200 blanks, letters and scribbles,
reads all of them, and writes the table of `reading.md` and the picture beside it. The pictures
depend on nothing but the seed. It takes about a minute.
"""

import io
import re
import sys
import tempfile
from pathlib import Path

import matplotlib
import numpy as np
from PIL import Image, ImageDraw, ImageFilter, ImageFont

from numpymlp import load_mnist, plots
from numpymlp.commands.predict import note_on
from numpymlp.data.images import read_picture
from numpymlp.experiments.begun import load_run
from numpymlp.experiments.reading import LEAST_LIKENESS, answers_of, likeness

LETTERS = "AEFHKMNRVWXaekmnwx"  # the letters that look like no digit
# The fonts that matplotlib brings along.
FONTS = ("DejaVuSans.ttf", "DejaVuSans-Oblique.ttf", "DejaVuSerif.ttf", "DejaVuSansMono.ttf")
FONT_FOLDER = Path(matplotlib.get_data_path()) / "fonts" / "ttf"
HERE = Path(__file__).parent
SETTINGS = ("plain", "frame", "gradient", "shadow", "vignette", "lined paper", "JPEG", "noise")


def ink_of(digit, side, pen, rng):
    """Return a digit of MNIST (28, 28) as smooth ink of a given size, its pen thinner or wider."""
    image = Image.fromarray(np.uint8(255 * digit)).resize((side, side), Image.Resampling.BICUBIC)
    reach = 2 * round(side * abs(pen)) + 1
    image = image.filter(ImageFilter.GaussianBlur(side / 120))
    if pen > 0:
        image = image.filter(ImageFilter.MaxFilter(reach))
    elif pen < 0:
        image = image.filter(ImageFilter.MinFilter(reach))
    image = image.rotate(rng.uniform(-6, 6), Image.Resampling.BICUBIC)
    return np.asarray(image, np.float32) / 255


def light(setting, height, width, rng):
    """Return the light that falls on each point of the paper, at most 1."""
    down, right = np.mgrid[0 : 1 : height * 1j, 0 : 1 : width * 1j]
    if setting == "gradient":
        angle, depth = rng.uniform(0, 2 * np.pi), rng.uniform(0.3, 0.7)
        slope = np.cos(angle) * (down - 0.5) + np.sin(angle) * (right - 0.5)
        return 1 - depth * (0.5 + slope / (abs(np.cos(angle)) + abs(np.sin(angle))))
    if setting == "shadow":
        # The edge of a hand or a phone across a corner: a soft step along a line.
        corner = down if rng.integers(2) else 1 - down
        beside = right if rng.integers(2) else 1 - right
        slant, reach = rng.uniform(0.5, 2), rng.uniform(0.3, 0.9)
        depth, soft = rng.uniform(0.25, 0.55), rng.uniform(0.02, 0.12)
        return 1 - depth / (1 + np.exp((corner + slant * beside - reach) / soft))
    if setting == "vignette":
        radius = np.hypot(down - rng.uniform(0.4, 0.6), right - rng.uniform(0.4, 0.6))
        return 1 - rng.uniform(0.4, 0.8) * (radius / 0.71) ** 2
    return np.ones((height, width))


def photograph(ink, setting, rng):
    """Return gray values, 8 bits, of ink (rows, columns) on paper in a setting."""
    margins = [round(ink.shape[0] * part) for part in rng.uniform(0.02, 0.6, 4)]
    ink = np.pad(ink, (margins[:2], margins[2:]))
    height, width = ink.shape
    paper, pen = rng.uniform(0.75, 1.0), rng.uniform(0.0, 0.3)
    if rng.integers(2):  # chalk
        paper, pen = rng.uniform(0.0, 0.25), rng.uniform(0.75, 1.0)
    ground = np.full((height, width), paper)
    if setting == "lined paper":
        line = Image.new("L", (width, height))
        draw = ImageDraw.Draw(line)
        step, thick = rng.uniform(0.12, 0.3) * height, max(1, round(height / 150))
        tilt = rng.uniform(-0.03, 0.03) * width
        for at in np.arange(rng.uniform(0, step), height, step):
            draw.line([(0, at), (width, at + tilt)], 255, thick)
            if step > 0.2 * height:
                across = at * width / height
                draw.line([(across, 0), (across - tilt, height)], 255, thick)
        ground += rng.uniform(0.15, 0.4) * (pen - paper) * np.asarray(line) / 255
    gray = (ground + ink * (pen - ground)) * light(setting, height, width, rng)
    if setting == "frame":
        before = rng.integers(1, 12, 4)
        gray = np.pad(gray, (before[:2], before[2:]), constant_values=rng.uniform(0, 1))
    noise = rng.uniform(0.05, 0.12) if setting == "noise" else 0.01
    gray = gray + noise * rng.normal(0, 1, gray.shape)
    image = Image.fromarray(np.uint8(np.clip(np.round(255 * gray), 0, 255)))
    if setting == "JPEG":
        image = image.filter(ImageFilter.GaussianBlur(rng.uniform(0, image.width / 120)))
        image.save(buffer := io.BytesIO(), "JPEG", quality=int(rng.integers(5, 40)))
        image = Image.open(buffer)
    return np.asarray(image)


def digits(x, y, count, rng):
    """Yield pictures of test digits with their setting and label."""
    for n, row in enumerate(rng.permutation(len(x))[:count]):
        side, pen = int(rng.integers(80, 260)), rng.uniform(-0.012, 0.03)
        ink = ink_of(x[row].reshape(28, 28), side, pen, rng)
        setting = SETTINGS[n % len(SETTINGS)]
        yield photograph(ink, setting, rng), setting, int(y[row])


def letter(rng):
    """Return the ink of a printed letter."""
    side = int(rng.integers(80, 260))
    image = Image.new("L", (side, side))
    font = ImageFont.truetype(str(FONT_FOLDER / rng.choice(FONTS)), round(0.8 * side))
    text = str(rng.choice(list(LETTERS)))
    ImageDraw.Draw(image).text((side / 2, side / 2), text, 255, font, "mm")
    return np.asarray(image, np.float32) / 255


def scribble(rng):
    """Return the ink of one to three random smooth strokes with many turns."""
    side = int(rng.integers(80, 260))
    image = Image.new("L", (side, side))
    draw = ImageDraw.Draw(image)
    for _ in range(rng.integers(1, 4)):
        turns = rng.uniform(0.1, 0.9, (rng.integers(6, 13), 2)) * side
        t = np.linspace(0, len(turns) - 1, 40 * len(turns))
        smooth = np.exp(-0.5 * ((t[:, None] - np.arange(len(turns))) / 0.5) ** 2)
        way = smooth @ turns / smooth.sum(axis=1, keepdims=True)
        thick = max(2, round(side * rng.uniform(0.03, 0.08)))
        draw.line([tuple(place) for place in way], 255, thick, "curve")
    return np.asarray(image.filter(ImageFilter.GaussianBlur(side / 150)), np.float32) / 255


def nothing(rng):
    """Return no ink."""
    return np.zeros((int(rng.integers(80, 260)),) * 2, np.float32)


OTHERS = {"blank": (nothing, 20), "letter": (letter, 90), "scribble": (scribble, 90)}


def others(rng):
    """Yield pictures without a digit, with their kind."""
    for kind, (ink, count) in OTHERS.items():
        for n in range(count):
            yield photograph(ink(rng), SETTINGS[n % len(SETTINGS)], rng), kind


def read_all(pictures, network, training_x):
    """Return the pictures as `predict` sees them, and its answers; None for blank ones."""
    seen = []
    with tempfile.TemporaryDirectory() as folder:
        for gray in pictures:
            Image.fromarray(gray).save(path := Path(folder) / "picture.png", compress_level=1)
            seen.append(read_picture(path))
    rows = np.array([picture.digit for picture in seen if picture.digit is not None])
    found = iter(answers_of(network, rows, training_x))
    return seen, [None if picture.digit is None else next(found) for picture in seen]


def given(picture, answer):
    """Return the digit that `predict` answers and its probability; (None, 0) if it refuses."""
    if answer is None or answer.unlike or picture.parts > 1:
        return None, 0.0
    return int(answer.probabilities.argmax()), float(answer.probabilities.max())


def table(kinds, right, sure, weak, refused, plain):
    """Return the rows of a table, one for each kind and one for all."""
    rows = []
    for kind in [*dict.fromkeys(kinds), "all"]:
        chosen = np.array([kind in (k, "all") for k in kinds])
        columns = [column[chosen].sum() for column in (right, sure, weak, refused, plain)]
        rows.append(f"| {kind} | {chosen.sum():,} | " + " | ".join(map(str, columns)) + " |")
    return rows


def main(run):
    (x, _), (x_test, y_test) = load_mnist()
    network = load_run(run)
    limit = np.quantile(likeness(x[59_000:], x[:59_000]), 0.02)
    rng = np.random.default_rng(2026)
    pictures, kinds, truths = zip(*digits(x_test, y_test, 1000, rng), strict=True)
    more, more_kinds = zip(*others(rng), strict=True)
    kinds += more_kinds
    truths = np.array([*truths, *[-1] * len(more)])
    seen, answers = read_all([*pictures, *more], network, x)
    answered = [given(*pair) for pair in zip(seen, answers, strict=True)]
    label = np.array([-2 if digit is None else digit for digit, _ in answered])
    sure = np.array([share > 0.9 for _, share in answered])
    weak = np.array([a is not None and a.weak for a in answers]) & (label >= 0)
    plain = np.array(
        [p.digit is not None and network.predict_proba(p.digit[None]).max() > 0.9 for p in seen]
    )
    lines = [
        "| pictures | number | read right | answer over 90 % | weak answer | no answer | "
        "over 90 % by the network alone |",
        "|---|" + "---:|" * 6,
    ]
    for part in (slice(0, 1000), slice(1000, None)):
        columns = (label == truths, sure, weak, label < 0, plain)
        lines += table(kinds[part], *(column[part] for column in columns))
    lines += [
        "",
        f"Likeness that 98 of 100 held-out training digits reach: {limit:.3f} "
        f"(limit: {LEAST_LIKENESS}).",
    ]
    wrong = (label >= 0) & (label != truths)
    wrong[1000:] = False
    lines[-1] += f" Of {wrong.sum()} wrong answers, {(wrong & sure).sum()} have more than 90 %."
    text = "\n".join(lines)
    print(text)
    page = HERE / "reading.md"
    old = page.read_text(encoding="utf-8")
    marks = "<!-- table -->\n", "\n<!-- end of table -->"
    new = re.sub(f"(?s){marks[0]}.*{marks[1]}", lambda _: f"{marks[0]}{text}{marks[1]}", old)
    page.write_text(new, encoding="utf-8")
    draw(seen, answers, kinds, truths)


def draw(seen, answers, kinds, truths):
    """Draw the first picture of six kinds as `predict` would."""
    chosen = [kinds.index(kind) for kind in ("shadow", "vignette", "lined paper", "letter")]
    chosen += [1000 + 20 + 90]  # the first scribble
    names = [f"{kinds[n]}, {truths[n]}" if truths[n] >= 0 else kinds[n] for n in chosen]
    figure = plots.reading_sheet(
        [seen[n] for n in chosen],
        [answers[n] and answers[n].probabilities for n in chosen],
        names,
        [note_on(seen[n], answers[n]) for n in chosen],
    )
    figure.savefig(HERE / "reading.png", dpi=100)


if __name__ == "__main__":
    main(sys.argv[1])
