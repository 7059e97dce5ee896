"""Figures: what is in each place, proportions, and nothing left behind."""

import os
import subprocess
import sys

import matplotlib
import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from kerasviz.errors import InputError, KerasvizWarning, SettingError
from kerasviz.plotting import figure, heatmap, overlay, plot, signed
from kerasviz.plotting.volumes import choose_slices

RNG = np.random.default_rng(0)
PHOTOS = RNG.integers(0, 256, (3, 24, 40, 3)).astype(np.uint8)
MAPS = RNG.random((3, 24, 40))
SIGNED = RNG.normal(size=(3, 24, 40, 3))


def pictures(fig):
    """The arrays drawn, in the order of reading: by rows, then columns; colour bars left out."""
    placed = [(axes.get_position(), axes.images[0].get_array()) for axes in fig.axes if axes.images]
    placed.sort(key=lambda each: (-round(each[0].y0 + each[0].height / 2, 3), each[0].x0))
    return [np.asarray(array) for _, array in placed]


def texts(fig):
    return [text.get_text() for text in fig.texts]


def shapes_on_paper(fig):
    wide, high = fig.get_size_inches()
    boxes = [axes.get_position() for axes in fig.axes if axes.images]
    return [(box.height * high) / (box.width * wide) for box in boxes]


def test_figure_puts_the_images_first_then_a_column_each():
    columns = {"saliency": heatmap(MAPS), "grad-cam": overlay(PHOTOS, MAPS)}
    fig = figure(PHOTOS, columns, row_titles=["a", "b", "c"], image_title="photo")
    drawn = pictures(fig)
    for row in range(3):
        np.testing.assert_array_equal(drawn[3 * row], PHOTOS[row])
        np.testing.assert_array_equal(drawn[3 * row + 1], columns["saliency"][row])
        np.testing.assert_array_equal(drawn[3 * row + 2], columns["grad-cam"][row])
    assert texts(fig) == ["photo", "saliency", "grad-cam", "a", "b", "c"]
    heads = {text.get_text(): text.get_position() for text in fig.texts}
    assert heads["photo"][0] < heads["saliency"][0] < heads["grad-cam"][0]
    assert heads["a"][1] > heads["b"][1] > heads["c"][1]
    assert len(pictures(figure(None, [heatmap(MAPS)]))) == 3


def test_pictures_of_any_sizes_keep_their_proportions():
    images = [np.zeros((24, 40, 3), np.uint8), np.zeros((60, 20), np.uint8), np.zeros((5, 5, 3), np.uint8)]
    fig = figure(images, [images], titles=["again"])
    expected = [shape for image in images for shape in [image.shape[0] / image.shape[1]] * 2]
    np.testing.assert_allclose(shapes_on_paper(fig), expected, rtol=1e-6)
    check_room(fig)


def test_nothing_overlaps_and_nothing_leaves_the_page():
    fig = plot(MAPS, PHOTOS, signed=False, kind="heatmap", colorbar=True, titles=["long " * 30, "b", "$5_$6^"])
    check_room(fig)


def test_long_titles_are_broken_into_lines_that_read_downwards():
    fig = plot(MAPS[:1], signed=False, titles=["alpha beta gamma delta epsilon zeta eta theta iota"])
    lines = sorted(fig.texts, key=lambda text: -text.get_position()[1])
    assert " ".join(line.get_text() for line in lines) == "alpha beta gamma delta epsilon zeta eta theta iota"
    assert len(lines) == 2


def check_room(fig):
    FigureCanvasAgg(fig).draw()
    boxes = [axes.get_tightbbox() for axes in fig.axes] + [text.get_window_extent() for text in fig.texts]
    for index, box in enumerate(boxes):
        assert box.x0 >= 0 and box.y0 >= 0 and box.x1 <= fig.bbox.x1 and box.y1 <= fig.bbox.y1
        for other in boxes[index + 1 :]:
            apart = (
                box.x1 <= other.x0 + 1,
                other.x1 <= box.x0 + 1,
                box.y1 <= other.y0 + 1,
                other.y1 <= box.y0 + 1,
            )
            assert any(apart)


def test_heat_maps_are_laid_over_the_image():
    drawn = pictures(plot(MAPS, PHOTOS, signed=False, kind="heatmap", cols=1))
    np.testing.assert_array_equal(drawn[0::2], PHOTOS)
    np.testing.assert_array_equal(drawn[1::2], overlay(PHOTOS, MAPS))
    small = MAPS[:, ::8, ::8] - 0.5
    drawn = pictures(plot(small, PHOTOS, signed=True, kind="heatmap", cols=1))
    np.testing.assert_array_equal(drawn[1::2], overlay(PHOTOS, small, signed=True))
    drawn = pictures(plot(MAPS, signed=False, kind="heatmap", cols=1))
    np.testing.assert_array_equal(drawn, heatmap(MAPS, cmap="turbo", percentile=100))


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_pixel_maps_stand_beside_the_image(dtype):
    values = SIGNED.astype(dtype)
    drawn = pictures(plot(values, PHOTOS, signed=True, cols=1))
    np.testing.assert_array_equal(drawn[0::2], PHOTOS)
    np.testing.assert_array_equal(drawn[1::2], signed(values))
    drawn = pictures(plot(np.abs(values), PHOTOS / 255.0, signed=False, cols=1))
    np.testing.assert_array_equal(drawn[0::2], PHOTOS)
    np.testing.assert_array_equal(drawn[1::2], heatmap(np.abs(values)))


def test_settings_reach_the_picture():
    drawn = pictures(plot(MAPS, signed=False, cols=3, cmap="gray", percentile=90, scale="batch"))
    np.testing.assert_array_equal(drawn, heatmap(MAPS, cmap="gray", percentile=90, scale="batch"))
    drawn = pictures(plot(MAPS, PHOTOS, signed=False, kind="heatmap", cols=1, alpha=0.2, value_range=(0, 500)))
    np.testing.assert_array_equal(drawn[1::2], overlay(PHOTOS, MAPS, alpha=0.2, value_range=(0, 500)))
    drawn = pictures(plot(SIGNED, signed=True, channels="mean", cols=1))
    np.testing.assert_array_equal(drawn, signed(SIGNED, channels="mean"))


def test_colour_bars_tell_the_range():
    fig = plot(SIGNED[:1, ..., 0], signed=True, colorbar=True, scale=(-2, 1))
    bar = next(axes for axes in fig.axes if not axes.images)
    assert bar.get_ylim() == (-2, 2)
    assert [label.get_text() for label in bar.get_yticklabels()] == ["−2", "0", "2"]
    fig = plot(MAPS, signed=False, colorbar=True, percentile=100)
    tops = [axes.get_ylim()[1] for axes in fig.axes if not axes.images]
    np.testing.assert_allclose(tops, MAPS.max(axis=(1, 2)))
    with pytest.warns(KerasvizWarning):
        assert len(plot(np.zeros((1, 4, 4)), signed=False, colorbar=True).axes) == 1


def test_a_constant_map_in_a_batch_warns_once_and_is_neutral():
    maps = SIGNED.copy()
    maps[1] = 0
    with pytest.warns(KerasvizWarning, match="sample 1") as caught:
        drawn = pictures(plot(maps, signed=True, cols=1))
    assert len(caught) == 1
    assert (drawn[1] == 255).all()


def test_signals_have_a_curve_and_a_band_with_a_row_for_each_channel():
    waves = RNG.normal(size=(2, 50, 3))
    values = RNG.normal(size=(2, 50, 3))
    fig = plot(values, waves, signed=True, titles=["one", "two"])
    curves = [axes for axes in fig.axes if axes.lines]
    bands = [axes for axes in fig.axes if axes.images]
    assert texts(fig) == ["one", "two"]
    for index in range(2):
        drawn = np.stack([line.get_ydata() for line in curves[index].lines], axis=-1)
        np.testing.assert_array_equal(drawn, waves[index])
        band = np.asarray(bands[index].images[0].get_array())
        rows = band[:: band.shape[0] // 3]
        np.testing.assert_array_equal(rows, signed(values[index].T))
        np.testing.assert_allclose(bands[index].get_xlim(), curves[index].get_xlim())


def test_signals_with_one_value_a_step():
    waves = np.sin(np.arange(60.0)).reshape(2, 30)
    fig = plot(np.abs(waves), waves, signed=False, kind="heatmap")
    band = np.asarray(next(axes for axes in fig.axes if axes.images).images[0].get_array())
    np.testing.assert_array_equal(band[:1], heatmap(np.abs(waves[:1]), cmap="turbo", percentile=100))
    alone = plot(waves, signed=True)
    np.testing.assert_array_equal(alone.axes[0].lines[0].get_ydata(), waves[0])


def test_volumes_are_strips_of_slices_with_the_strongest_among_them():
    volume = RNG.random((1, 20, 6, 9, 1))
    values = np.zeros((1, 20, 6, 9))
    values[0, 13, 2, 3] = 5.0
    fig = plot(values, volume, signed=False, kind="heatmap", titles=["scan"])
    numbers = [int(text.split()[1]) for text in texts(fig) if text.startswith("slice")]
    assert numbers == [0, 3, 5, 8, 11, 13, 16, 19]
    assert "scan" in texts(fig)
    drawn = pictures(fig)
    np.testing.assert_array_equal(drawn[5][..., 0], np.round(volume[0, 13, ..., 0] * 255))
    np.testing.assert_array_equal(drawn[8 + 5], overlay(volume[0, 13], values[0, 13]))
    few = plot(SIGNED[:1, :4, :, :, None] * [1.0, 2.0], signed=True)
    np.testing.assert_array_equal(pictures(few), signed((SIGNED[0, :4] * 3.0), channels=False, scale="batch"))


def test_the_strongest_slice_is_always_shown():
    for z in range(20):
        chosen = choose_slices(np.arange(20) == z)
        assert z in chosen
        assert len(set(chosen.tolist())) == 8
        assert (np.diff(chosen) > 0).all()
    assert choose_slices(np.ones(3)).tolist() == [0, 1, 2]


@pytest.mark.parametrize(
    "values, images, kind, more, axes",
    [
        ((2, 28, 28), (2, 28, 28), "pixels", {}, 4),
        ((2, 8, 8), (2, 8, 8), "pixels", {}, 4),
        ((2, 28, 12), (2, 28, 12), "pixels", {"dims": 2}, 4),
        ((2, 28, 12), (2, 28, 12), "pixels", {}, "signals"),
        ((2, 28), (2, 28, 3), "heatmap", {}, "signals"),
        ((2, 28, 28), None, "pixels", {}, 2),
        ((2, 5, 8, 8), None, "heatmap", {}, 10),
        ((2, 8, 9, 5), None, "pixels", {}, 2),
        ((2, 5, 8, 9), None, "pixels", {"dims": 3}, 10),
    ],
)
def test_spatial_axes_are_found(values, images, kind, more, axes):
    photos = None if images is None else RNG.random(images)
    fig = plot(RNG.random(values), photos, signed=False, kind=kind, **more)
    if axes == "signals":
        assert sum(bool(each.lines) for each in fig.axes) == 2
    else:
        assert len(fig.axes) == axes


def test_many_samples_are_cut_with_a_warning():
    maps = RNG.random((66, 4, 5))
    with pytest.warns(KerasvizWarning, match="Of 66 samples the first 64"):
        fig = plot(maps, signed=False, dpi=20)
    np.testing.assert_array_equal(pictures(fig), heatmap(maps[:64]))


@pytest.mark.parametrize(
    "args, more, error",
    [
        ((MAPS,), {"kind": "overlay"}, SettingError),
        ((MAPS,), {"cmap": "trubo"}, SettingError),
        ((MAPS,), {"alpha": 2}, SettingError),
        ((MAPS,), {"cols": -1}, SettingError),
        ((MAPS,), {"channels": "max"}, SettingError),
        ((MAPS,), {"dims": 4}, InputError),
        ((MAPS,), {"titles": ["a"]}, InputError),
        ((MAPS, PHOTOS[:2]), {}, InputError),
        ((MAPS[0], PHOTOS[0]), {}, InputError),
        ((MAPS, list(PHOTOS[:2])), {}, InputError),
        ((np.where(MAPS > 2, 0, np.nan),), {}, InputError),
    ],
)
def test_plot_misuse(args, more, error):
    with pytest.raises(error):
        plot(*args, signed=False, **more)


def test_figure_misuse():
    with pytest.raises(InputError, match="3, 2 pictures"):
        figure(PHOTOS, [PHOTOS[:2]])
    with pytest.raises(InputError, match="titles"):
        figure(PHOTOS, [PHOTOS], titles=["a", "b"])
    with pytest.raises(InputError, match="row titles"):
        figure(PHOTOS, [PHOTOS], row_titles=["a"])
    with pytest.raises(InputError):
        figure(None, [])


def test_a_notebook_shows_the_figure():
    fig = plot(MAPS[:1], signed=False, dpi=100)
    assert isinstance(fig, Figure)
    png = fig._repr_png_()
    assert png[:4] == b"\x89PNG"
    width, height = (int.from_bytes(png[at : at + 4], "big") for at in (16, 20))
    np.testing.assert_allclose([width, height], fig.get_size_inches() * 100, atol=1)


LEAVES_NOTHING = """
import sys
import numpy as np
import kerasviz.plotting as p
assert "matplotlib" not in sys.modules and "cv2" not in sys.modules and "PIL" not in sys.modules
import matplotlib
before = dict(matplotlib.rcParams)
maps, photos = np.random.rand(2, 8, 9), np.random.rand(2, 8, 9, 3)
p.heatmap(maps); p.signed(maps); p.overlay(photos, maps); p.grid(photos, labels=["a", "b"])
p.filters(np.random.rand(3, 3, 3, 4))
p.figure(photos, [photos])._repr_png_()
p.plot(maps, photos, signed=False, kind="heatmap", colorbar=True)._repr_png_()
p.plot(maps[0], signed=True)._repr_png_()
p.plot(photos, signed=False, kind="heatmap")._repr_png_()
assert "tensorflow" not in sys.modules and "keras" not in sys.modules
assert "matplotlib.pyplot" not in sys.modules
assert dict(matplotlib.rcParams) == before
"""


@pytest.mark.slow
def test_matplotlib_is_loaded_late_and_left_as_it_was():
    # Without a backend named, merely reading rcParams imports pyplot.
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "MPLBACKEND": "agg"}
    done = subprocess.run(
        [sys.executable, "-c", LEAVES_NOTHING], capture_output=True, text=True, env=environment, check=False
    )
    assert done.returncode == 0, done.stderr


def test_open_figures_of_the_user_are_left_alone():
    pyplot = pytest.importorskip("matplotlib.pyplot")
    before = pyplot.get_fignums()
    plot(MAPS, PHOTOS, signed=False)
    figure(PHOTOS, [PHOTOS])
    assert pyplot.get_fignums() == before


def test_style_sheets_that_would_spoil_pictures_do_not():
    with matplotlib.rc_context({"image.origin": "lower", "image.cmap": "gray", "axes.grid": True}):
        fig = plot(MAPS[:1], signed=False)
        assert fig.axes[0].images[0].origin == "upper"
        np.testing.assert_array_equal(pictures(fig)[0], heatmap(MAPS[0]))
