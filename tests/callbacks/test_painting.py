"""`Painter`: one range of colours for all looks, whatever the images are."""

import numpy as np
import pytest

from kerasviz import plotting
from kerasviz.callbacks.painting import Painter
from kerasviz.errors import InputError, KerasvizWarning
from kerasviz.explanation import Explanation
from kerasviz.plotting.colors import Palette
from kerasviz.plotting.saving import rendered

GREY = np.full((2, 4, 6, 1), 0.5)


def painter(inputs=GREY, display=None, scale="first", cmap="gray", alpha=1.0):
    inputs = inputs if isinstance(inputs, dict) else {"image": inputs}
    return Painter(inputs, display, scale=scale, cmap=cmap, alpha=alpha)


def explanation(values, *, signed=False, kind="heatmap"):
    return Explanation(values, signed=signed, kind=kind)


def maps(first, second=0.0, size=(4, 6)):
    """Two maps, each with one value at a corner."""
    values = np.zeros((2, *size), "float32")
    values[:, 1, 1] = first, second
    return explanation(values)


def shown(painted, name=""):
    """The grey level at that corner."""
    return [int(picture[1, 1, 0]) for picture in painted[name]]


def test_a_value_has_one_colour_at_all_looks():
    paint = painter().paint
    assert shown(paint(maps(4.0, 1.0))) == [255, 64]
    assert shown(paint(maps(1.0, 2.0))) == [64, 128]
    assert shown(paint(maps(9.0, 0.5))) == [255, 32]


def test_the_first_look_with_a_range_gives_it():
    paint = painter().paint
    with pytest.warns(KerasvizWarning, match="zero or constant"):
        assert shown(paint(maps(0.0))) == [0, 0]
    assert shown(paint(maps(2.0, 1.0))) == [255, 128]
    assert shown(paint(maps(1.0, 4.0))) == [128, 255]


@pytest.mark.parametrize(
    ("scale", "expected"),
    [("image", [[255, 255], [255, 255]]), ("batch", [[255, 64], [128, 255]]), ((0, 8), [[128, 32], [32, 64]])],
)
def test_other_ranges_are_those_of_plotting(scale, expected):
    paint = painter(scale=scale).paint
    assert [shown(paint(maps(4.0, 1.0))), shown(paint(maps(1.0, 2.0)))] == expected


def test_pixels_are_reduced_as_plotting_does_and_stand_alone():
    values = np.zeros((2, 4, 6, 3), "float32")
    values[0, 1, 1], values[1, 1, 1], values[1, 2] = (3, -1, 2), (-1, -1, 0), 1e-3
    pixels = painter(np.zeros((2, 4, 6, 3)), cmap=None).paint
    # Signed: the sum of the channels; the 99th percentile of 48 values lies between the two largest.
    top = np.percentile([4, 2, *[3e-3] * 6, *[0] * 40], 99)
    palette = Palette.of("RdBu_r", signed=True).table
    [first, second] = pixels(explanation(values, signed=True, kind="pixels"))[""]
    assert first[1, 1].tolist() == palette[-1].tolist()
    assert second[1, 1].tolist() == palette[256 - round(2 / top * 256)].tolist()
    # A quarter more, in the same range.
    [_, second] = pixels(explanation(1.25 * values, signed=True, kind="pixels"))[""]
    assert second[1, 1].tolist() == palette[256 - round(2.5 / top * 256)].tolist()
    # Unsigned: the largest magnitude.
    [first, _] = painter(np.zeros((2, 4, 6, 3)), scale=(0, 6)).paint(explanation(values, kind="pixels"))[""]
    assert first[1, 1].tolist() == [128] * 3
    # Already reduced.
    [first, _] = painter(np.zeros((2, 4, 6, 3)), scale=(0, 6)).paint(explanation(values[..., 0], kind="pixels"))[""]
    assert first[1, 1].tolist() == [128] * 3


def test_signed_heat_maps_keep_zero_in_the_middle():
    images = np.full((2, 4, 6, 3), 200, np.uint8)
    paint = painter(images, cmap=None, alpha=None).paint
    values = np.zeros((2, 4, 6), "float32")
    values[0, 1, 1], values[1, 1, 1] = 4, -4
    [first, second] = paint(explanation(values, signed=True))[""]
    red, blue = Palette.of("RdBu_r", signed=True).table[[-1, 0]]
    # As opaque as strong: at most three quarters, and not at all at zero.
    assert first[1, 1].tolist() == np.round(200 * 0.25 + red * 0.75).tolist()
    assert second[1, 1].tolist() == np.round(200 * 0.25 + blue * 0.75).tolist()
    assert first[0, 0].tolist() == [200] * 3


def test_heat_maps_lie_over_the_images_of_any_kind():
    turbo = Palette.of("turbo", signed=False).table
    for images, grey in (
        (np.full((2, 4, 6, 1), 0.5), 128),
        (np.full((2, 4, 6, 3), 100, np.uint8), 100),
        (np.full((2, 9, 5, 3), 60.0), 60),
        (np.tile(np.linspace(-1, 1, 6)[None, None, :, None], (2, 4, 1, 1)), 51),
    ):
        paint = painter(images, cmap=None, alpha=None).paint
        [first, second] = paint(maps(2.0, 1.0, images.shape[1:3]))[""]
        assert first.shape == (*images.shape[1:3], 3)
        assert np.abs(first[1, 1] - (grey + turbo[-1].astype(float)) / 2).max() <= 0.51
        assert np.abs(second[1, 1] - (grey + turbo[128].astype(float)) / 2).max() <= 0.51


def test_other_images_can_be_displayed():
    display = [np.full((8, 12, 3), level, np.uint8) for level in (10, 20)]
    first, second = painter(display=display, alpha=0).paint(maps(2.0))[""]
    assert first.shape == (8, 12, 3)
    assert (first == 10).all()
    assert (second == 20).all()
    with pytest.raises(InputError, match="1 images are to be displayed for 2 inputs"):
        painter(display=display[:1])
    with pytest.raises(InputError, match=r"\(7, 12, 3\), \(8, 12, 3\)"):
        painter(display=[display[0], display[1][1:]])


def test_each_of_several_inputs_has_its_own_range_and_image():
    inputs = {"left": np.full((2, 4, 6, 1), 0.2), "right": np.full((2, 4, 6, 1), 0.6)}
    paint = painter(inputs).paint
    values = {"left": maps(4.0, 1.0).values, "right": maps(1.0, 0.5).values}
    painted = paint(explanation(values))
    assert shown(painted, "left") == [255, 64]
    assert shown(painted, "right") == [255, 128]
    values["right"] = maps(0.25, 0.5).values
    assert shown(paint(explanation(values)), "right") == [64, 128]
    # Without opacity the images are seen, in whose place others may stand: those of the first.
    clear = painter(inputs, alpha=0, display=np.zeros((2, 4, 6, 3), np.uint8)).paint(explanation(values))
    assert shown(clear, "left") == [0, 0]
    assert shown(clear, "right") == [153, 153]


def test_inputs_without_space_have_no_picture():
    inputs = {"image": GREY, "table": np.ones((2, 3))}
    values = {"image": maps(4.0, 1.0).values[..., None], "table": np.ones((2, 3))}
    painted = painter(inputs, scale=(0, 4)).paint(explanation(values, kind="pixels"))
    assert list(painted) == ["image"]
    assert shown(painted, "image") == [255, 64]
    assert painter(np.ones((2, 3))).paint(explanation(np.ones((2, 3)), kind="pixels")) == {}


@pytest.mark.slow
def test_signals_and_volumes_are_drawn_as_plotting_does():
    rng = np.random.default_rng(0)
    for shape, dims in (((2, 12, 2), 1), ((2, 3, 4, 5, 1), 3)):
        inputs, values = rng.normal(size=(2, *shape)).astype("float32")
        paint = painter(inputs, cmap="gray", alpha=None).paint
        for factor in (1, 2):
            found = paint(explanation(values * factor, kind="pixels", signed=True))[""]
            reduced = plotting.reduce_channels(values, "sum")
            top = float(np.percentile(np.abs(reduced), 99))
            for i in range(2):
                figure = plotting.plot(
                    factor * reduced[i : i + 1],
                    inputs[i : i + 1],
                    signed=True,
                    cmap="gray",
                    scale=(-top, top),
                    dims=dims,
                    dpi=100,
                )
                np.testing.assert_array_equal(found[i], rendered(figure))
    heat = painter(np.zeros((2, 12, 2), "float32"), alpha=None).paint(explanation(np.ones((2, 12)) * [[1], [2]]))
    assert len(heat[""]) == 2
    assert (heat[""][0] != heat[""][1]).any()
