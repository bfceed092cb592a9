import numpy as np
import pytest
from messages import one_clear_error
from pictures import answers

from numpymlp import plots

IMAGES, LABELS = np.zeros((2, 4, 4)), [0, 1]
ROWS = np.array([[0.9, 0.1], [0.2, 0.8]])


def test_distortions_stand_in_order_beside_the_original_on_one_scale():
    images, _, _ = answers()
    figure = plots.distortions(images[0], images[1:13])
    drawn = figure.axes[0].images
    for shown, given in zip(drawn, images[:13], strict=True):
        np.testing.assert_array_equal(shown.get_array(), given)
    assert {shown.get_clim() for shown in drawn} == {(images[:13].min(), images[:13].max())}
    left, top = zip(*((im.get_extent()[0], im.get_extent()[3]) for im in drawn[1:]), strict=True)
    assert list(left[:6]) == sorted(left[:6]) == list(left[6:])
    assert len(set(top[:6])) == len(set(top[6:])) == 1
    assert top[6] > top[0]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: plots.distortions(IMAGES[0], IMAGES, columns=0), "columns: .*got 0"),
        (lambda: plots.distortions(IMAGES[0], np.zeros((3, 5, 5))), "copies of this image"),
    ],
)
def test_bad_input_gets_one_clear_error(call, message):
    one_clear_error(call, message)
