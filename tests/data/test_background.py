import numpy as np
import pytest

from numpymlp.data import load_mnist, prepare_digit
from numpymlp.data.background import averaging, with_even_paper


@pytest.fixture(scope="module")
def pictures():
    """Ten test digits as dark ink, one of each class, (140, 140), with paper round them."""
    _, (x, y) = load_mnist()
    rows = [np.flatnonzero(y == k)[0] for k in range(10)]
    return [1 - 0.8 * np.pad(np.kron(x[n].reshape(28, 28), np.ones((4, 4))), 14) for n in rows]


DOWN, RIGHT = np.mgrid[0 : 1 : 140 * 1j, 0 : 1 : 140 * 1j]
LIGHTS = {
    "gradient": 1 - 0.5 * RIGHT,
    "shadow in a corner": 1 - 0.4 / (1 + np.exp((DOWN + RIGHT - 0.5) / 0.03)),
    "vignette": 1 - 0.5 * ((DOWN - 0.5) ** 2 + (RIGHT - 0.5) ** 2) / 0.5,
}


@pytest.mark.parametrize("light", LIGHTS)
def test_uneven_light_on_dark_ink_is_divided_away(pictures, light):
    """A shadow in a corner was taken for ink: an 8 was read as a 4."""
    for picture in pictures:
        found, expected = prepare_digit(picture * LIGHTS[light]), prepare_digit(picture)
        assert np.corrcoef(found, expected)[0, 1] > 0.97


@pytest.mark.parametrize("light", LIGHTS)
def test_uneven_light_behind_light_ink_is_subtracted(pictures, light):
    for picture in pictures:
        ink = (1 - picture) / 0.8
        found = prepare_digit(0.4 * LIGHTS[light] + 0.6 * ink)
        assert np.corrcoef(found, prepare_digit(picture))[0, 1] > 0.95


def test_even_paper_is_left_as_it_is(pictures):
    for picture in pictures:
        for gray in (np.float32(picture), np.float32(1 - picture)):
            same = gray.copy()
            assert with_even_paper(same) is same
            np.testing.assert_array_equal(same, gray)


def test_a_blank_picture_in_uneven_light_is_blank():
    for light in LIGHTS.values():
        with pytest.raises(ValueError, match="blank picture"):
            prepare_digit(0.9 * light)


def test_ruled_lines_are_no_ink(pictures):
    scores = []
    for picture in pictures:
        lined = picture.copy()
        lined[5::20] = np.minimum(lined[5::20], 0.7)
        scores.append(np.corrcoef(prepare_digit(lined), prepare_digit(picture))[0, 1])
    assert np.mean(scores) > 0.85


@pytest.mark.parametrize("shape", [(64, 64), (64, 2000), (2000, 64), (65, 300)])
def test_pictures_of_any_shape_keep_their_middle(shape):
    gray = np.linspace(0.2, 1, shape[1], dtype=np.float32) * np.ones((shape[0], 1), np.float32)
    even = with_even_paper(gray)
    assert min(even.shape) >= 48
    assert np.ptp(even) < 0.7 * 0.8


def test_averages_keep_the_mean():
    weights = averaging(30, 20)
    np.testing.assert_allclose(weights.sum(axis=1), 1, rtol=1e-6)
    np.testing.assert_allclose(weights.mean(axis=0), 1 / 30, rtol=1e-6)
