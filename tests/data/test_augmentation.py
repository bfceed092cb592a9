from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from numpymlp.data.augmentation import (
    BLOCK,
    Distortion,
    affine_matrices,
    affine_places,
    elastic_field,
    read_at,
    smoothing_matrix,
)
from numpymlp.validation import InputError

STRONG = {"shift": 2.0, "rotation": 20.0, "scaling": 0.2, "shear": 15.0, "alpha": 34.0}


def generator(seed=0):
    return np.random.default_rng(seed)


def images(count, rows, columns, seed=7):
    return generator(seed).random((count, rows, columns), dtype=np.float32)


def distort(pictures, angle=0.0, shear=0.0, height=1.0, width=1.0, shift=(0.0, 0.0)):
    """Send all images through one affine map."""
    count = len(pictures)
    every = [np.full(count, value) for value in (angle, shear, height, width)]
    shifts = np.tile(np.asarray(shift, float), (count, 1))
    return read_at(pictures, affine_places(affine_matrices(*every), shifts, pictures.shape[1:]))


# ---- exact cases ----


@given(rows=st.integers(1, 30), columns=st.integers(1, 30), count=st.integers(1, 5))
def test_without_strength_images_stay_as_they_are(rows, columns, count):
    x = images(count, rows, columns)
    np.testing.assert_array_equal(Distortion()(x, generator()), x)


@given(
    down=st.integers(-4, 4),
    right=st.integers(-4, 4),
    rows=st.integers(4, 9),
    columns=st.integers(4, 9),
)
def test_a_shift_by_whole_pixels_is_exact_and_background_comes_in(down, right, rows, columns):
    x = images(2, rows, columns)
    framed = np.zeros((2, rows + 8, columns + 8), np.float32)
    framed[:, 4 + down : 4 + down + rows, 4 + right : 4 + right + columns] = x
    expected = framed[:, 4:-4, 4:-4]
    np.testing.assert_array_equal(distort(x, shift=(down, right)), expected)


def test_a_shift_by_half_a_pixel_is_the_mean_of_neighbours_worked_by_hand():
    x = np.array([[[1, 2], [3, 6]]], np.float32)
    # Everything moves right by a half: each pixel is the mean of itself and its left neighbour.
    np.testing.assert_allclose(distort(x, shift=(0, 0.5)), [[[0.5, 1.5], [1.5, 4.5]]])
    # Both axes: the mean of four, with 0 beyond the border.
    np.testing.assert_allclose(distort(x, shift=(0.5, 0.5)), [[[0.25, 0.75], [1.0, 3.0]]])


@pytest.mark.parametrize("quarters", [1, 2, 3, -1])
@pytest.mark.parametrize("side", [5, 28])
def test_quarter_turns_are_exact_and_counter_clockwise(quarters, side):
    x = images(3, side, side)
    expected = np.rot90(x, quarters, axes=(1, 2))
    np.testing.assert_allclose(distort(x, angle=quarters * math.pi / 2), expected, atol=1e-5)


def test_growing_threefold_spreads_every_third_pixel():
    x = images(1, 9, 9)
    grown = distort(x, height=3, width=3)
    np.testing.assert_allclose(grown[:, 1::3, 1::3], x[:, 3:6, 3:6], atol=1e-6)


def test_shear_slants_the_tops_to_the_right_by_its_angle():
    x = np.zeros((1, 5, 9), np.float32)
    x[:, :, 4] = 1  # an upright line
    slanted = distort(x, shear=math.pi / 4)  # one pixel to the right for each row up
    np.testing.assert_allclose(slanted[0], np.eye(9, dtype=np.float32)[[6, 5, 4, 3, 2]], atol=1e-6)


@given(
    angle=st.floats(-3, 3),
    shear=st.floats(-1, 1),
    height=st.floats(0.5, 2),
    width=st.floats(0.5, 2),
)
def test_the_matrix_undoes_scaling_then_slanting_then_turning(angle, shear, height, width):
    # In (row, column), with rows counted downwards.
    scale = np.diag([height, width])
    slant = np.array([[1, 0], [-math.tan(shear), 1]])
    turn = np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
    (matrix,) = affine_matrices([angle], [shear], [height], [width])
    np.testing.assert_allclose(matrix @ (turn @ slant @ scale), np.eye(2), atol=1e-9)


@given(seed=st.integers(0, 99), background=st.sampled_from([-1.0, 0.0, 3.0]))
def test_far_outside_there_is_background_and_nothing_leaves_the_range(seed, background):
    x = images(4, 11, 7, seed)
    away = read_at(x, np.full((4, 2, 3, 3), 1e6, np.float32), background)
    np.testing.assert_array_equal(away, np.full((4, 3, 3), background))
    places = generator(seed).uniform(-20, 20, (4, 2, 11, 7)).astype(np.float32)
    read = read_at(x, places, background)
    assert read.min() >= min(background, x.min()) - 1e-5
    assert read.max() <= max(background, x.max()) + 1e-5


def test_a_plane_is_read_exactly_between_pixels():
    # Bilinear interpolation has no error on a + b row + c column + d row column.
    row, column = np.mgrid[:6, :8].astype(np.float32)
    plane = 1 + 2 * row - column + 0.5 * row * column
    r = generator(1).uniform(0, 5, (1, 1, 4, 4)).astype(np.float32)
    c = generator(2).uniform(0, 7, (1, 1, 4, 4)).astype(np.float32)
    read = read_at(plane[None], np.concatenate([r, c], axis=1))
    np.testing.assert_allclose(read[0], (1 + 2 * r - c + 0.5 * r * c)[0, 0], rtol=1e-5)


# ---- the elastic field ----


def test_the_elastic_displacement_has_the_strength_that_sigma_4_and_alpha_34_imply():
    field = elastic_field(6000, (28, 28), 4.0, 34.0, generator())
    centre = field[:, :, 13:15, 13:15].astype(np.float64)
    rms = np.sqrt(np.mean(centre**2, axis=(0, 2, 3)))
    # uniform in (-1, 1): 1/sqrt(3); a Gaussian kernel in two dimensions: 1 / (2 sqrt(pi) sigma)
    implied = 34 / (4 * math.sqrt(12 * math.pi))
    assert implied == pytest.approx(1.38, abs=0.005)
    np.testing.assert_allclose(rms, implied, rtol=0.03)
    whole = np.sqrt(np.mean(field.astype(np.float64) ** 2))
    assert whole == pytest.approx(1.27, rel=0.03)
    assert abs(centre.mean()) < 0.05


def test_the_field_is_the_blurred_noise_of_each_axis():
    rows, columns, sigma, alpha = 6, 9, 1.5, 3.0
    field = elastic_field(2, (rows, columns), sigma, alpha, generator(5))
    noise = 2.0 * generator(5).random((2, 2, rows, columns), dtype=np.float32) - 1
    kernel = np.exp(-0.5 * (np.arange(-30, 31) / sigma) ** 2)
    kernel /= kernel.sum()
    blurred = np.apply_along_axis(np.convolve, 2, noise, kernel)[:, :, 30 : 30 + rows]
    blurred = np.apply_along_axis(np.convolve, 3, blurred, kernel)[..., 30 : 30 + columns]
    np.testing.assert_allclose(field, alpha * blurred, atol=1e-5)


@given(size=st.integers(1, 40), sigma=st.floats(0.3, 9))
def test_the_smoothing_matrix_is_symmetric_and_keeps_the_mean_far_from_the_border(size, sigma):
    G = smoothing_matrix(size, sigma)
    np.testing.assert_array_equal(G, G.T)
    assert G.sum(axis=1).max() <= 1 + 1e-5
    if size > 12 * sigma:
        assert G[size // 2].sum() == pytest.approx(1, abs=1e-5)


def test_the_field_is_smooth():
    field = elastic_field(200, (28, 28), 4.0, 34.0, generator())
    step = np.diff(field, axis=-1)
    # For a field blurred by sigma, std(step) / std(field) is 1 / (sqrt(2) sigma).
    assert step.std() / field.std() == pytest.approx(1 / (4 * math.sqrt(2)), rel=0.1)


# ---- the batch ----


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.uint8])
def test_shapes_stay_and_integers_become_float32(dtype):
    rng = generator()
    for shape, image_shape in [((3, 784), None), ((3, 28, 28), None), ((3, 60), (6, 10))]:
        x = (255 * rng.random(shape)).astype(dtype)
        before = x.copy()
        y = Distortion(**STRONG, image_shape=image_shape)(x, rng)
        assert y.shape == x.shape
        assert y.dtype == (np.float64 if dtype == np.float64 else np.float32)
        np.testing.assert_array_equal(x, before)
        assert not np.array_equal(y, x)


def test_all_channels_of_an_image_get_the_distortion_of_a_grey_one():
    distort = Distortion(1.0, 20.0, 0.2, 10.0, 8.0, 3.0, 0.5, image_shape=(7, 9))
    x = generator(1).random((40, 7, 9, 3), np.float32)
    distorted = distort(x, generator(2))
    for channel in range(3):
        grey = distort(x[..., channel], generator(2))
        np.testing.assert_array_equal(distorted[..., channel], grey)
    rows = distort(x.reshape(40, -1), generator(2))
    np.testing.assert_array_equal(rows, distorted.reshape(40, -1))


def test_the_same_generator_gives_the_same_distortions_and_another_gives_others():
    x = images(5, 28, 28)
    distortion = Distortion(**STRONG)
    first, again = distortion(x, generator(3)), distortion(x, generator(3))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, distortion(x, generator(4)))
    assert not np.array_equal(*distortion(np.stack([x[0], x[0]]), generator(3)))


def test_what_happens_to_an_image_does_not_depend_on_the_others_beside_it():
    count = BLOCK + 5  # more than one block
    x = images(count, 12, 12)
    other = images(count, 12, 12, seed=8)
    mixed = np.where(np.arange(count)[:, None, None] % 2 == 0, x, other)
    distortion = Distortion(**STRONG)
    whole, half = distortion(x, generator(1)), distortion(mixed, generator(1))
    np.testing.assert_array_equal(half[::2], whole[::2])
    np.testing.assert_array_equal(half[1::2], distortion(other, generator(1))[1::2])


def test_affine_and_elastic_places_are_added_and_read_once():
    x = images(6, 28, 28)
    distortion = Distortion(**STRONG, sigma=3.0)
    rng = generator(9)
    matrices, shifts = distortion.draw_affine(6, rng)
    field = elastic_field(6, (28, 28), 3.0, STRONG["alpha"], rng)
    expected = read_at(x, affine_places(matrices, shifts, (28, 28)) + field)
    np.testing.assert_array_equal(distortion(x, generator(9)), expected)


def test_the_six_draws_of_an_affine_map_are_independent():
    shift, rotation, scaling, shear = 1.0, 10.0, 0.1, 10.0
    distortion = Distortion(shift=shift, rotation=rotation, scaling=scaling, shear=shear)
    matrices, shifts = distortion.draw_affine(2000, generator())
    # Back from matrices to draws: the first row is [cos, sin] / height.
    angle = np.arctan2(matrices[:, 0, 1], matrices[:, 0, 0])
    height = 1 / np.hypot(matrices[:, 0, 0], matrices[:, 0, 1])
    width = 1 / (np.linalg.det(matrices) * height)
    slant = width * (matrices[:, 1] * np.stack([np.cos(angle), np.sin(angle)], axis=1)).sum(axis=1)
    draws = np.stack([angle, height, width, slant, *shifts.T])
    correlations = np.corrcoef(draws) - np.eye(6)
    assert np.abs(correlations).max() < 0.1
    assert np.abs(height - 1).max() == pytest.approx(scaling, rel=0.02)
    assert np.abs(width - 1).max() == pytest.approx(scaling, rel=0.02)


def test_blocks_change_nothing(monkeypatch):
    x = images(50, 14, 14)
    distortion = Distortion(**STRONG)
    expected = distortion(x, generator(2))
    monkeypatch.setattr("numpymlp.data.augmentation.BLOCK", 50)
    np.testing.assert_allclose(distortion(x, generator(2)), expected, atol=1e-5)


@given(
    shift=st.floats(0.5, 5),
    rotation=st.floats(1, 180),
    scaling=st.floats(0.01, 0.5),
    shear=st.floats(1, 60),
)
def test_draws_fill_their_ranges_and_do_not_leave_them(shift, rotation, scaling, shear):
    settings = {"shift": shift, "rotation": rotation, "scaling": scaling, "shear": shear}
    for name, value in settings.items():
        matrices, shifts = Distortion(**{name: value}).draw_affine(400, generator())
        drawn = {
            "shift": shifts[:, 0] / shift,
            "rotation": np.arctan2(matrices[:, 0, 1], matrices[:, 0, 0]) / math.radians(rotation),
            "scaling": (1 / matrices[:, 0, 0] - 1) / scaling,
            "shear": np.arctan(matrices[:, 1, 0]) / math.radians(shear),
        }[name]
        assert 0.95 < drawn.max() <= 1 + 1e-9
        assert -1 - 1e-9 <= drawn.min() < -0.95
        assert abs(drawn.mean()) < 0.15


# ---- bad input ----


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"shift": -1}, "shift: expected a number in"),
        ({"rotation": 200}, r"rotation: expected a number in \[0, 180\], got 200"),
        ({"scaling": 1}, r"scaling: expected a number in \[0, 1\)"),
        ({"shear": 90}, "shear"),
        ({"alpha": math.nan}, "alpha"),
        ({"sigma": 0}, "sigma"),
        ({"background": math.inf}, "background"),
        ({"shift": 1e39}, "shift"),
        ({"alpha": 1e39}, "alpha"),
        ({"sigma": 1e13}, "sigma"),
    ],
)
def test_settings_out_of_range_are_refused(settings, words):
    with pytest.raises(InputError, match=words):
        Distortion(**settings)


SQUARE, OTHER = (
    r"\(N, rows, columns\), or \(N, side \* side\)",
    r"\(N, 28, 28\), or \(N, 28 \* 28\)",
)


@pytest.mark.parametrize(
    ("shape", "image_shape", "expected"),
    [
        ((3, 60), None, SQUARE),
        ((28, 26), None, SQUARE),
        ((3, 2, 2, 2, 2), None, SQUARE),
        ((3, 8), None, SQUARE),
        ((3, 0), None, SQUARE),
        ((3, 0, 5), None, SQUARE),
        ((3, 780), (28, 28), OTHER),
        ((3, 28, 27), (28, 28), OTHER),
        ((3, 14, 56), (28, 28), OTHER),
        ((3, 28, 27, 2), (28, 28), OTHER),
    ],
)
def test_rows_that_are_no_images_are_refused(shape, image_shape, expected):
    with pytest.raises(
        InputError, match=f"expected x of shape {expected}, N at least 1, got .*image_shape"
    ):
        Distortion(image_shape=image_shape)(np.zeros(shape, np.float32), generator())


@pytest.mark.parametrize("image_shape", [28, "ab", (784,), (28, 28, 1), (-28, -28), (28.0, 28.0)])
def test_an_image_shape_that_is_none_is_refused_before_the_first_batch(image_shape):
    with pytest.raises(InputError, match="Distortion image_shape"):
        Distortion(image_shape=image_shape)


def test_a_seed_is_no_generator_and_text_no_image():
    with pytest.raises(InputError, match="default_rng"):
        Distortion()(np.zeros((2, 4)), 0)
    with pytest.raises(InputError, match="numbers"):
        Distortion()(np.array([["a", "b"]]), generator())


@pytest.mark.parametrize("shape", [(28, 28), (12, 9, 2)])
def test_a_view_is_one_distortion_of_all_images(shape):
    x = np.random.default_rng(1).random((40, *shape))  # more than one block
    distort = Distortion(shift=1, rotation=20, scaling=0.1, alpha=20)
    views = list(distort.views(x, 35, np.random.default_rng(0)))
    assert len(views) == 35
    for i in (0, 39):
        expected = distort(np.repeat(x[i : i + 1], 35, axis=0), np.random.default_rng(0))
        np.testing.assert_array_equal([view[i] for view in views], expected)


def test_views_keep_the_shape_of_rows_and_their_number_is_checked():
    x = np.zeros((3, 784), np.float32)
    (view,) = Distortion(shift=1).views(x, 1, np.random.default_rng(0))
    assert view.shape == x.shape
    with pytest.raises(InputError, match="Distortion views"):
        next(Distortion(shift=1).views(x, 0, np.random.default_rng(0)))


def test_a_scaled_distortion_is_weaker_and_as_smooth():
    distortion = Distortion(1, 2, 0.3, 4, 5, 6, background=0.5, image_shape=(4, 6))
    assert distortion.scaled(0.5) == Distortion(
        0.5, 1, 0.15, 2, 2.5, 6, background=0.5, image_shape=(4, 6)
    )
