import numpy as np
import pytest
from PIL import Image

from numpymlp.data import load_mnist, prepare_digit, read_digit_image
from numpymlp.data.background import without_edges, without_frame
from numpymlp.data.images import read_picture
from numpymlp.validation import InputError


@pytest.fixture(scope="module")
def digits():
    """200 test digits, twenty of each class, as (200, 28, 28)."""
    _, (x, y) = load_mnist()
    rows = np.concatenate([np.flatnonzero(y == k)[:20] for k in range(10)])
    return x[rows].reshape(-1, 28, 28)


def resized(digit, size, how=Image.Resampling.BICUBIC):
    picture = Image.fromarray(np.ascontiguousarray(digit, np.float32))
    return np.clip(np.asarray(picture.resize(size, how)), 0, 1)


def correlation(a, b):
    return float(np.corrcoef(a.ravel(), b.ravel())[0, 1])


def best_correlation(a, b):
    """Correlation at the best of the nine shifts by one pixel.

    A centre of mass halfway between two pixels is rounded either way: that is no fault.
    """
    b = b.reshape(28, 28)
    shifts = (-1, 0, 1)
    return max(correlation(a, np.roll(b, (i, j), (0, 1))) for i in shifts for j in shifts)


# ---- preparation ----


def test_a_rectangle_worked_by_hand():
    # 40 x 20 pixels of ink become 20 x 10. The centre of mass of 20 rows is at row 9.5: it comes
    # to 14 - 0.5 or + 0.5; of 10 columns at 4.5.
    picture = np.ones((100, 70))
    picture[50:90, 5:25] = 0
    prepared = prepare_digit(picture).reshape(28, 28)
    expected = np.zeros((28, 28))
    expected[4:24, 10:20] = 1
    np.testing.assert_allclose(prepared, expected, atol=1e-6)


def test_area_averaging_worked_by_hand():
    # 30 pixels become 20: each new one covers 1.5 old ones. A frame of 2 pixels fills the first
    # new pixel and the first third of the second.
    picture = np.zeros((40, 40))
    picture[5:35, 5:35] = 1
    picture[7:33, 7:33] = 0
    prepared = prepare_digit(picture).reshape(28, 28)
    np.testing.assert_allclose(prepared[14, 4:24], [1, 1 / 3, *[0] * 16, 1 / 3, 1], atol=1e-6)
    assert prepared.sum() == pytest.approx((30**2 - 26**2) / 1.5**2, rel=1e-5)


def test_mass_is_centred_not_the_box():
    picture = np.zeros((60, 60))
    picture[10:50, 10:30] = 1  # a heavy bar on the left ...
    picture[22:38, 30:50] = 1  # ... and a lighter arm to the right
    prepared = prepare_digit(picture).reshape(28, 28)
    # In the box of 20 x 20, columns 0-9 hold 20 pixels each and columns 10-19 hold 8 each: the
    # centre is column (200 * 4.5 + 80 * 14.5) / 280 = 7.36, so the box starts at 14 - 7.36 = 7.
    expected = np.zeros((28, 28))
    expected[4:24, 7:17] = 1
    expected[10:18, 17:27] = 1
    np.testing.assert_allclose(prepared, expected, atol=1e-6)


def test_a_digit_heavy_on_one_side_stays_inside_the_image():
    picture = np.zeros((60, 60))
    picture[10:50, 10:20] = 1
    picture[28:32, 20:50] = 1
    prepared = prepare_digit(picture).reshape(28, 28)
    # Centre (100 * 2 + 30 * 12) / 130 = 4.3; a start at 14 - 4.3 = 10 would cut the arm off.
    np.testing.assert_array_equal(np.flatnonzero(prepared.any(axis=0)), np.arange(8, 28))


def test_a_prepared_digit_is_left_as_it_is(digits):
    for digit in digits:
        once = prepare_digit(digit)
        assert once.shape == (784,)
        assert once.dtype == np.float32
        assert (once.min(), once.max()) == (0, 1)
    scores = [best_correlation(digit, prepare_digit(digit)) for digit in digits]
    assert np.mean(scores) > 0.995
    assert np.mean(np.array(scores) > 0.99) > 0.93


@pytest.mark.parametrize("size", [(97, 97), (333, 333), (61, 61), (28, 28)])
@pytest.mark.parametrize("how", ["NEAREST", "BILINEAR", "BICUBIC"])
@pytest.mark.parametrize("inverted", [False, True])
def test_resized_digits_come_back(digits, size, how, inverted):
    scores = []
    for digit in digits[::4]:
        picture = resized(digit, size, Image.Resampling[how])
        prepared = prepare_digit(1 - picture if inverted else picture)
        scores.append(best_correlation(digit, prepared))
    assert np.mean(scores) > 0.96
    assert np.min(scores) > 0.7


def test_digits_in_the_middle_of_large_noisy_canvases_come_back(digits):
    rng = np.random.default_rng(0)
    scores = []
    for digit in digits[::8]:
        canvas = np.full((600, 900), 0.9)
        top, left = rng.integers(10, 380), rng.integers(10, 680)
        canvas[top : top + 211, left : left + 211] -= 0.8 * resized(digit, (211, 211))
        canvas += rng.normal(0, 0.02, canvas.shape)
        canvas[2, 3] = 0  # a speck
        scores.append(best_correlation(digit, prepare_digit(np.clip(canvas, 0, 1))))
    assert np.mean(scores) > 0.95
    assert np.min(scores) > 0.8


def test_noise_as_strong_as_the_borders_is_no_ink(digits):
    rng = np.random.default_rng(1)
    for digit in digits[::20]:
        canvas = 0.1 + 0.7 * resized(np.pad(digit, 14), (672, 672))
        noisy = prepare_digit(np.clip(canvas + rng.normal(0, 0.1, canvas.shape), 0, 1))
        assert best_correlation(digit, noisy) > 0.85
        # Noise averaged in would leave 0.4 sigma / contrast, 0.06, on the ground.
        assert noisy[digit.ravel() == 0].mean() < 0.02


def test_a_picture_cropped_to_the_ink_is_read_where_the_border_shows_the_ground(digits):
    scores = []
    for digit in digits:
        rows, columns = np.flatnonzero(digit.any(axis=1)), np.flatnonzero(digit.any(axis=0))
        tight = digit[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
        scores.append(best_correlation(digit, prepare_digit(1 - tight)))
    assert np.mean(scores) > 0.98


@pytest.mark.parametrize(("width", "colour"), [(1, 0.0), (1, 0.5), (3, 0.8), (20, 0.0), (60, 0.5)])
@pytest.mark.parametrize("inverted", [False, True])
def test_a_uniform_frame_of_any_width_and_colour_changes_nothing(digits, width, colour, inverted):
    # A frame of one pixel was taken for the paper, and the paper for ink.
    for digit in digits[::10]:
        paper = 1 - np.pad(digit, 8)
        framed = np.pad(paper, width, constant_values=colour)
        if inverted:
            paper, framed = 1 - paper, 1 - framed
        np.testing.assert_array_equal(prepare_digit(framed), prepare_digit(paper))


def test_frames_of_unequal_sides_in_each_other_and_resized_are_removed(digits):
    for digit in digits[::10]:
        paper = 1 - np.pad(digit, 8)
        expected = prepare_digit(paper)
        unequal = np.pad(paper, ((1, 7), (3, 2)))
        np.testing.assert_array_equal(prepare_digit(unequal), expected)
        box = np.pad(np.pad(paper, 2, constant_values=0.3), 5, constant_values=1)
        np.testing.assert_array_equal(prepare_digit(np.pad(box, 1)), expected)
        soft = resized(np.pad(paper, 1), (230, 230))
        assert best_correlation(digit, prepare_digit(soft)) > 0.8


SIDES = {"top": np.s_[:4], "bottom": np.s_[-4:], "left": np.s_[:, :4], "right": np.s_[:, -4:]}


@pytest.mark.parametrize("missing", [*SIDES, ("top", "left"), ("left", "right"), tuple(SIDES)[1:]])
@pytest.mark.parametrize("colour", [0.0, 0.6])
def test_a_frame_that_lacks_sides_is_removed(digits, missing, colour):
    for digit in digits[::20]:
        paper = 1 - np.pad(digit, 12)
        framed = paper.copy()
        for side in SIDES.keys() - {*np.atleast_1d(missing)}:
            framed[SIDES[side]] = colour
        wide = np.kron(framed, np.ones((3, 3)))
        soft = resized(framed, (200, 200))
        for expected, picture in ((paper, framed), (1 - paper, 1 - framed)):
            np.testing.assert_array_equal(prepare_digit(picture), prepare_digit(expected))
        assert best_correlation(digit, prepare_digit(wide)) > 0.95
        assert best_correlation(digit, prepare_digit(soft)) > 0.8


def test_a_framed_rectangle_of_ink_is_read_as_without_the_frame():
    paper = np.pad(np.zeros((24, 5)), 8, constant_values=1)
    for colour in (0.0, 0.5):
        framed = np.pad(paper, 3, constant_values=colour)
        np.testing.assert_array_equal(prepare_digit(framed), prepare_digit(paper))
        twice = np.pad(np.pad(framed, 4, constant_values=1), 2, constant_values=colour)
        np.testing.assert_array_equal(prepare_digit(twice), prepare_digit(paper))


def test_a_bar_of_ink_at_the_edge_is_no_stripe(digits):
    seven = np.zeros((20, 14))
    seven[:3], seven[3:, 8:11] = 1, 1
    pictures = [seven, seven[::-1], seven.T, np.pad(seven, ((0, 4), (0, 0)))]
    for digit in digits:
        ink = digit > 0.3
        pictures.append(ink[np.ix_(ink.any(axis=1), ink.any(axis=0))])
    for picture in pictures:
        gray = np.asarray(picture, np.float32)
        assert without_edges(gray) is gray


def nearest_labels(pictures, x, y):
    """Labels of the nearest training digits, by Euclidean distance."""
    rows = np.stack([prepare_digit(picture) for picture in pictures])
    return y[((x**2).sum(axis=1) - 2 * rows @ x.T).argmin(axis=1)]


def test_framed_digits_are_read_as_well_as_unframed_ones(digits):
    (x, y), _ = load_mnist()
    x, y, truth = x[:10_000], y[:10_000], np.repeat(np.arange(10), 20)
    paper = 1 - np.pad(digits, ((0, 0), (8, 8), (8, 8)))
    right = np.mean(nearest_labels(paper, x, y) == truth)
    assert right > 0.9
    for colour in (0.0, 0.5):
        framed = [np.pad(picture, 1, constant_values=colour) for picture in paper]
        assert np.mean(nearest_labels(framed, x, y) == truth) == right


def test_ink_is_never_taken_for_a_frame(digits):
    # A bold 1 fills its box, and a square ring of ink looks like a frame round a blank page.
    pictures = [np.pad(digit > limit, 8) for digit in digits for limit in (0.1, 0.5)]
    pictures += [resized(picture, (132, 132)) for picture in pictures[:80]]
    pictures += [0.5 + 0.15 * np.pad(digit, 8) for digit in digits]
    bar, ring = np.ones((20, 4)), np.pad(np.zeros((14, 8)), 2, constant_values=1)
    pictures += [np.pad(bar, 8), np.pad(ring, 8), 1 - np.pad(ring, 8)]
    for picture in pictures:
        gray = np.asarray(picture, np.float32)
        assert without_edges(without_frame(gray)).shape == gray.shape


def test_the_scale_of_values_does_not_matter(digits):
    digit = np.round(digits[0] * 255) / 255
    expected = prepare_digit(digit)
    as_bytes = np.round(digit * 255).astype(np.uint8)
    for picture in (as_bytes, as_bytes.astype(np.int64), as_bytes.tolist(), digit * 0.5 + 0.25):
        np.testing.assert_allclose(prepare_digit(picture), expected, atol=1e-5)
    np.testing.assert_array_equal(
        prepare_digit(digit > 0.5), prepare_digit((digit > 0.5).astype(float))
    )


def test_the_array_passed_in_is_left_alone(digits):
    digit = digits[3].copy()
    prepare_digit(digit)
    np.testing.assert_array_equal(digit, digits[3])


@pytest.mark.parametrize("shape", [(1, 200), (200, 1), (3, 3), (2, 500)])
def test_one_pixel_in_an_odd_shape_is_blank(shape):
    picture = np.zeros(shape)
    picture[shape[0] // 2, shape[1] // 2] = 1
    with pytest.raises(InputError, match="blank"):
        prepare_digit(picture)


@pytest.mark.parametrize("shape", [(5, 200), (200, 5), (40, 500)])
def test_odd_shapes_give_a_digit(shape):
    rows, columns = shape
    picture = np.zeros(shape)
    picture[1 : rows - 1, columns // 4 : columns // 4 + 3] = 1
    picture[rows // 2, columns // 4 : columns // 2] = 1
    prepared = prepare_digit(picture)
    assert prepared.shape == (784,)
    assert prepared.max() == 1


def test_a_speck_darker_than_a_faint_digit_changes_nothing(digits):
    rng = np.random.default_rng(0)
    for digit in digits[::20]:
        faint = 1 - 0.25 * np.pad(resized(digit, (112, 112)), 20)
        dusty = faint.copy()
        dusty[tuple(rng.integers(2, 8, 2))] = 0
        np.testing.assert_array_equal(prepare_digit(dusty), prepare_digit(faint))


@pytest.mark.parametrize(
    ("picture", "message"),
    [
        (np.zeros(784), r"got \(784,\): a flat row needs reshape\(28, 28\)"),
        (np.zeros((28, 28, 3)), "average the colours"),
        (np.zeros((0, 5)), r"\(0, 5\)"),
        (0.5, r"\(\)"),
        ("seven", "gray values"),
        (np.zeros((28, 28), complex), "got complex128"),
        (np.full((28, 28), np.nan), "got nan to nan"),
        (np.full((28, 28), 200.0), "from 0 to 1 for float64, got 200.0 to 200.0"),
        (np.full((28, 28), 300), "from 0 to 255 for int64, got 300 to 300"),
        (np.full((28, 28), -0.1), "got -0.1 to -0.1"),
        (np.zeros((28, 28)), "blank"),
        (np.ones((28, 28)), "blank"),
        (np.pad(np.full((9, 9), 0.05), 9), r"blank picture \(contrast 5%\)"),
    ],
)
def test_what_is_no_picture_of_a_digit_is_named(picture, message):
    with pytest.raises(InputError, match=message):
        prepare_digit(picture)


@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_the_advice_for_a_colour_picture_works(digits, dtype):
    # Without astype, a mean of bytes is refused: floats count to 1.
    gray = (digits[0] * (255 if dtype == np.uint8 else 1)).astype(dtype)
    image = np.stack([gray] * 4, axis=2)
    with pytest.raises(InputError, match=r"image\[\.\.\., :3\]\.mean\(axis=2\)\.astype\(image"):
        prepare_digit(image)
    averaged = image[..., :3].mean(axis=2).astype(image.dtype)
    np.testing.assert_allclose(prepare_digit(averaged), prepare_digit(gray), atol=0.01)


# ---- files ----


def test_what_was_found_is_shown_in_the_picture(tmp_path):
    gray = np.full((900, 600), 255, np.uint8)
    gray[300:600, 150:300] = 0
    framed = np.pad(gray, 50, constant_values=100)  # 1000 x 700, shown as 400 x 280
    picture = read_picture(saved(tmp_path / "a.png", Image.fromarray(framed)))
    assert picture.gray.shape == (400, 280)
    assert picture.box == pytest.approx((140, 260, 80, 140))
    assert picture.parts == 1
    np.testing.assert_array_equal(picture.digit, read_digit_image(tmp_path / "a.png"))
    blank = read_picture(saved(tmp_path / "b.png", Image.new("L", (50, 40), 200)))
    assert (blank.box, blank.digit, blank.parts) == (None, None, 0)


def test_digits_side_by_side_are_counted_and_parts_of_one_are_not(tmp_path, digits):
    counts = []
    for first, second in zip(digits[::7], digits[3::7], strict=False):
        for parts in ([first], [first, second], [first, second, first]):
            spread = np.hstack([np.pad(part, ((0, 0), (2, 2))) for part in parts])
            image = Image.fromarray(np.uint8(255 - 255 * np.kron(spread, np.ones((3, 3)))))
            counts.append(read_picture(saved(tmp_path / "a.png", image)).parts)
    counts = np.reshape(counts, (-1, 3))
    assert (np.mean(counts == [1, 2, 3], axis=0) >= [1, 0.9, 0.9]).all()


def saved(path, image, **options):
    image.save(path, **options)
    return path


def gray_image(digit, dark=True):
    picture = np.round(resized(digit, (140, 140)) * 255).astype(np.uint8)
    return Image.fromarray(255 - picture if dark else picture)


@pytest.mark.parametrize("dark", [True, False])
@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB", "RGBA", "LA", "I;16"])
def test_every_mode_of_png_is_read(tmp_path, digits, mode, dark):
    for digit in digits[::40]:
        image = gray_image(digit, dark)
        if mode == "I;16":
            converted = Image.fromarray(np.asarray(image).astype(np.uint16) * 257)
        else:
            converted = image.convert(mode, dither=Image.Dither.NONE)
        assert converted.mode == mode
        read = read_digit_image(saved(tmp_path / "digit.png", converted))
        # Black and white loses the gray of the edges; all else is the same picture.
        assert correlation(read, prepare_digit(np.asarray(image))) > (0.9 if mode == "1" else 0.999)


@pytest.mark.parametrize(
    ("name", "mode", "options"),
    [
        ("a.jpg", "L", {"quality": 90}),
        ("a.jpg", "RGB", {"quality": 90, "progressive": True}),
        ("a.jpg", "CMYK", {"quality": 90}),
        ("a.gif", "P", {}),
        ("a.bmp", "RGB", {}),
        ("a.wrong-ending", "L", {"format": "PNG"}),
    ],
)
def test_other_formats_are_read(tmp_path, digits, name, mode, options):
    image = gray_image(digits[50])
    read = read_digit_image(saved(tmp_path / name, image.convert(mode), **options))
    assert correlation(read, prepare_digit(np.asarray(image))) > 0.99


@pytest.mark.parametrize("ink", [0, 255])
@pytest.mark.parametrize("mode", ["RGBA", "LA", "P"])
def test_ink_on_a_transparent_ground_is_seen(tmp_path, digits, ink, mode):
    alpha = gray_image(digits[30], dark=False)
    image = Image.merge("LA", [Image.new("L", alpha.size, ink), alpha])
    if mode == "P":
        flat = Image.fromarray((np.asarray(alpha) > 127).astype(np.uint8))
        flat = flat.convert("P")
        flat.putpalette([255, 0, 0, ink, ink, ink])
        saved(tmp_path / "a.png", flat, transparency=0)
    else:
        saved(tmp_path / "a.png", image.convert(mode))
    read = read_digit_image(tmp_path / "a.png")
    assert correlation(read, prepare_digit(np.asarray(alpha))) > (0.9 if mode == "P" else 0.999)


def test_the_orientation_that_a_camera_notes_is_obeyed(tmp_path, digits):
    image = gray_image(digits[140])
    exif = Image.Exif()
    exif[0x0112] = 6  # rotate by 90 degrees clockwise to see it upright
    turned = image.transpose(Image.Transpose.ROTATE_90)
    read = read_digit_image(saved(tmp_path / "a.jpg", turned, exif=exif, quality=95))
    assert correlation(read, prepare_digit(np.asarray(image))) > 0.99


def test_sixteen_bits_are_measured_against_their_own_full_scale(tmp_path, digits):
    faint = np.asarray(gray_image(digits[0], dark=False)).astype(np.uint16) * 10
    with pytest.raises(InputError, match=r"blank picture \(contrast 4%\)"):
        read_digit_image(saved(tmp_path / "a.png", Image.fromarray(faint)))
