"""Where each pixel of a montage comes from."""

import numpy as np
import pytest

from kerasviz.errors import InputError, SettingError
from kerasviz.plotting import grid


def flat(level, height=10, width=20):
    return np.full((height, width, 3), level, np.uint8)


def test_layout_of_an_odd_count():
    sheet = grid([flat(10), flat(20), flat(30)], pad=2, fill=200)
    assert sheet.shape == (2 * 12 + 2, 2 * 22 + 2, 3)
    expected = np.full(sheet.shape, 200, np.uint8)
    expected[2:12, 2:22] = 10
    expected[2:12, 24:44] = 20
    expected[14:24, 2:22] = 30
    np.testing.assert_array_equal(sheet, expected)


@pytest.mark.parametrize(
    "count, given, expected",
    [
        (5, {}, (2, 3)),
        (7, {}, (3, 3)),
        (5, {"rows": 2}, (2, 3)),
        (5, {"rows": 1}, (1, 5)),
        (5, {"cols": 2}, (3, 2)),
        (5, {"rows": 4, "cols": 2}, (4, 2)),
    ],
)
def test_rows_and_columns(count, given, expected):
    sheet = grid([flat(0, 3, 4)] * count, pad=0, **given)
    assert sheet.shape[:2] == (3 * expected[0], 4 * expected[1])
    assert (sheet == 0).all(-1).sum() == count * 12


def test_smaller_pictures_stand_in_the_middle():
    sheet = grid([flat(0, 10, 20), flat(50, 4, 6)], rows=1, pad=1, fill=(1, 2, 3))
    assert (sheet[4:8, 29:35] == 50).all()
    ring = sheet[:, 22:].copy()
    ring[4:8, 7:13] = (1, 2, 3)
    assert (ring == (1, 2, 3)).all()


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", "uint8"])
def test_pictures_are_displayed_as_images_are(dtype):
    top = 255 if dtype == "uint8" else 1
    sheet = grid(np.array([[[0, top]], [[top, 0]]], dtype), pad=0, cols=1)
    assert sheet[..., 0].tolist() == [[0, 255], [255, 0]]


def test_labels_add_a_strip_that_holds_ink_within_the_cell():
    plain = grid([flat(10), flat(20)], rows=1)
    for fill, ink in ((255, np.min), (0, np.max)):
        labelled = grid([flat(10), flat(20)], rows=1, fill=fill, labels=["a much too long label", ""])
        head = labelled.shape[0] - plain.shape[0]
        assert head > 8
        strip = labelled[2 : 2 + head]
        assert abs(int(ink(strip[:, 2:22])) - fill) > 100
        assert (strip[:, 22:] == fill).all()
        assert (labelled[2 + head : 12 + head, 2:22] == 10).all()
        assert (labelled[2 + head : 12 + head, 24:44] == 20).all()


def test_labels_have_accents():
    wide = [flat(0, 40, 200)] * 2
    same = grid(wide, labels=["cámara", "cámara"], pad=0, rows=1)
    np.testing.assert_array_equal(same[:, :200], same[:, 200:])
    # A font without a letter draws the same box for each one that it lacks.
    other = grid(wide, labels=["á", "ø"], pad=0, rows=1)
    assert (other[:, :200] != other[:, 200:]).any()


@pytest.mark.parametrize(
    "images, more, error",
    [
        ([], {}, InputError),
        (np.zeros((4, 5)), {}, InputError),
        (np.zeros((8, 9, 3), np.uint8), {}, InputError),
        ([np.zeros((1, 8, 9, 3))], {}, InputError),
        ([flat(0)], {"labels": "a"}, InputError),
        ([flat(0)], {"labels": ["a", "b"]}, InputError),
        ([flat(0)] * 5, {"rows": 2, "cols": 2}, SettingError),
        ([flat(0)], {"rows": 0}, SettingError),
        ([flat(0)], {"cols": 1.5}, SettingError),
        ([flat(0)], {"pad": -1}, SettingError),
        ([flat(0)], {"fill": 256}, SettingError),
        ([flat(0)], {"fill": (0, 0)}, SettingError),
        ([flat(0)], {"fill": "white"}, SettingError),
    ],
)
def test_misuse(images, more, error):
    with pytest.raises(error):
        grid(images, **more)


def test_not_finite_names_the_image():
    with pytest.raises(InputError, match="index 1"):
        grid([np.zeros((3, 3)), np.full((3, 3), np.nan)])
