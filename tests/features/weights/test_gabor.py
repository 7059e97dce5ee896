"""Gabor fits: planted functions are found again, in the convention that is promised."""

import csv
import json

import keras
import numpy as np
import pytest
from keras import layers as L

from kerasviz.errors import InputError, KerasvizWarning, SaveError, SettingError
from kerasviz.features.weights import gabor_function
from kerasviz.features.weights.filters import filters
from kerasviz.features.weights.gabor import fit_gabor


def planted(orientation, frequency, phase, *, shape=(11, 11), sigma=2.2, aspect=0.7, at=(0.0, 0.0), amplitude=1.0):
    """A Gabor function written out with loops, from the record's docstring; `at` is right and up of the middle."""
    height, width = shape
    o = np.radians(orientation)
    picture = np.zeros(shape)
    for row in range(height):
        for column in range(width):
            x, y = column - (width - 1) / 2 - at[0], (height - 1) / 2 - row - at[1]
            a, b = x * np.cos(o) + y * np.sin(o), y * np.cos(o) - x * np.sin(o)
            envelope = np.exp(-(a**2 + aspect**2 * b**2) / (2 * sigma**2))
            picture[row, column] = amplitude * envelope * np.cos(2 * np.pi * frequency * a + phase)
    return picture


def turned(found, true, whole):
    """How far angles are apart on a circle of a whole turn."""
    return np.abs((np.asarray(found) - true + whole / 2) % whole - whole / 2)


#: Orientation, frequency, phase, and the rest, of functions on kernels of several shapes.
PLANTED = [
    (0, 0.2, 0.0, {}),
    (90, 0.15, 1.2, {}),
    (37, 0.25, -2.0, {"at": (0.8, -0.6)}),
    (90 + 61, 0.31, 3.0, {"sigma": 1.8, "aspect": 1.0}),
    (122, 0.12, 0.5, {"sigma": 2.5, "aspect": 0.5, "at": (-1.3, 0.4)}),
    (45, 0.6, 0.4, {}),  # between half a cycle along the axes and along the diagonals
    (15, 0.18, -1.5, {"shape": (7, 7), "sigma": 1.6}),
    (100, 0.22, 2.2, {"shape": (7, 9), "sigma": 1.7, "at": (1.1, 0.3)}),
    (170, 0.3, 0.0, {"shape": (8, 5), "sigma": 1.2, "aspect": 1.1}),
]


@pytest.mark.parametrize(("orientation", "frequency", "phase", "more"), PLANTED)
@pytest.mark.parametrize("scale", [1e-4, 30.0])
def test_planted_functions_are_found_exactly(orientation, frequency, phase, more, scale):
    picture = planted(orientation, frequency, phase, **more) * scale + 0.3 * scale
    fits = fit_gabor(picture[..., None, None])
    assert turned(fits.orientation[0], orientation, 180) < 1e-3 and 0 <= fits.orientation[0] < 180
    assert fits.frequency[0] == pytest.approx(frequency, rel=1e-5)
    # The wave of 180 degrees runs backwards.
    backwards = turned(fits.orientation[0], orientation, 360) > 90
    assert turned(fits.phase[0], -phase if backwards else phase, 2 * np.pi) < 1e-3
    height, width = picture.shape
    right, up = more.get("at", (0, 0))
    assert fits.column[0] == pytest.approx((width - 1) / 2 + right, abs=1e-3)
    assert fits.row[0] == pytest.approx((height - 1) / 2 - up, abs=1e-3)
    assert fits.sigma[0] == pytest.approx(more.get("sigma", 2.2), rel=1e-3)
    assert fits.aspect[0] == pytest.approx(more.get("aspect", 0.7), rel=1e-3)
    assert fits.amplitude[0] == pytest.approx(scale, rel=1e-3)
    assert fits.offset[0] == pytest.approx(0.3 * scale, rel=1e-3)
    assert fits.residual[0] < 1e-9 and fits.converged[0] and fits.share[0] == 1
    np.testing.assert_allclose(fits.fitted[0], picture, atol=1e-5 * scale)


@pytest.mark.parametrize("orientation", [0, 37, 90, 122, 151])
def test_the_search_starts_at_the_peak_of_the_spectrum(orientation):
    u, v = gabor_function._peaks(planted(orientation, 0.25, 0.5))[0]
    assert turned(np.degrees(np.arctan2(v, u)), orientation, 180) < 5
    assert np.hypot(u, v) == pytest.approx(0.25, abs=0.02)


def test_gratings_and_edges_by_hand():
    """Nothing of the package's makes them: the convention is what it says."""
    row, column = np.mgrid[:11, :11]
    window = np.exp(-((row - 5) ** 2 + (column - 5) ** 2) / 12)
    vertical = window * np.cos(2 * np.pi * 0.25 * (column - 5))
    horizontal = window * np.cos(2 * np.pi * 0.25 * (row - 5))
    # Bright along row = column, which falls to the right.
    falling = window * np.cos(2 * np.pi * 0.25 * (column - row) / np.sqrt(2))
    bright_right, bright_top = window * np.sign(column - 5), window * np.sign(5 - row)
    pictures = np.stack([vertical, horizontal, falling, bright_right, bright_top], axis=-1)[:, :, None]
    fits = fit_gabor(pictures)
    assert turned(fits.orientation, np.array([0, 90, 45, 0, 90]), 180).max() < 0.1
    np.testing.assert_allclose(fits.frequency[:3], 0.25, rtol=1e-3)
    assert turned(fits.phase[:3], 0, 2 * np.pi).max() < 1e-3
    # An edge is bright on the side to which its orientation points: right at 0, up at 90.
    np.testing.assert_allclose(fits.phase[3:], -np.pi / 2, atol=0.05)
    assert fits.orientation[[0, 3]].tolist() == [0, 0]


def test_noise_of_a_tenth_moves_them_little(rng):
    cases = [case for case in PLANTED if case[3].get("shape", (11, 11)) == (11, 11)]
    clean = np.stack([planted(*case[:3], **case[3]) for case in cases], axis=-1)
    fits = fit_gabor((clean + 0.1 * clean.std((0, 1)) * rng.normal(size=clean.shape))[:, :, None])
    true = np.array([case[:3] for case in cases]).T
    apart = turned(fits.orientation, true[0], 180)
    assert apart.max() < 1
    np.testing.assert_allclose(fits.frequency, true[1], rtol=0.01)
    backwards = turned(fits.orientation, true[0], 360) > 90
    assert turned(fits.phase, np.where(backwards, -true[2], true[2]), 2 * np.pi)[[0, 1, 3, 5]].max() < 0.1
    # One hundredth of the variance is noise, less what nine parameters can follow.
    assert fits.residual.min() > 0.005 and fits.residual.max() < 0.012


def test_colour_filters_are_fitted_in_their_principal_plane(rng):
    colours = np.array([[0.6, 0.64, 0.48], [0.8, 0.0, -0.6], [0.0, -0.28, 0.96]])
    waves = [planted(30, 0.2, 0.7), planted(110, 0.14, -1.0), planted(75, 0.25, 2.0)]
    other = planted(120, 0.3, 0)
    other *= np.sqrt(0.25 * waves[1].var() / other.var())
    kernels = [wave[..., None] * colour for wave, colour in zip(waves, colours, strict=True)]
    # A colour of its own that does not vary over the pixels has no part in the plane.
    kernels[0] = kernels[0] + np.array([5.0, -2.0, 1.0])
    kernels[1] = kernels[1] + other[..., None] * np.array([0.6, 0.0, 0.8])
    fits = fit_gabor(np.stack(kernels, axis=-1))
    np.testing.assert_allclose(fits.colour[[0, 2]], colours[[0, 2]], atol=1e-6)
    assert np.abs(fits.colour[1] @ colours[1]) > 0.99
    assert turned(fits.orientation, np.array([30, 110, 75]), 180).max() < 1
    np.testing.assert_allclose(fits.frequency, [0.2, 0.14, 0.25], rtol=0.01)
    assert turned(fits.phase, np.array([0.7, -1.0, 2.0]), 2 * np.pi)[[0, 2]].max() < 1e-3
    np.testing.assert_allclose(fits.share[[0, 2]], 1)
    assert fits.share[1] == pytest.approx(0.8, abs=0.01)


def test_noise_alone_is_not_explained_and_nothing_is_drawn_at_random(rng):
    noise = rng.normal(size=(11, 11, 3, 3))
    first, second = fit_gabor(noise), fit_gabor(noise)
    assert first.residual.min() > 0.7 and first.residual.max() <= 1 and first.share.max() < 0.6
    for name in ("orientation", "phase", "residual", "fitted"):
        np.testing.assert_array_equal(getattr(first, name), getattr(second, name))
    np.testing.assert_allclose(
        first.residual, ((first.planes - first.fitted) ** 2).mean((1, 2)) / first.planes.var((1, 2))
    )
    # Each by itself.
    np.testing.assert_allclose(fit_gabor(noise[..., 1:2]).residual, first.residual[1:2])


def test_kernels_of_nine_weights_need_the_five_parameters():
    picture = planted(60, 0.3, 0.8, shape=(3, 3), sigma=1.1, aspect=1.0, amplitude=2.0)
    with pytest.raises(InputError, match="centred=True"):
        fit_gabor(picture[..., None, None])
    fits = fit_gabor(picture[..., None, None], centred=True)
    assert fits.orientation[0] == pytest.approx(60, abs=0.01) and fits.frequency[0] == pytest.approx(0.3, rel=1e-3)
    assert fits.phase[0] == pytest.approx(0.8, abs=1e-3) and fits.amplitude[0] == pytest.approx(2, rel=1e-3)
    assert (fits.row[0], fits.column[0], fits.aspect[0], fits.offset[0]) == (1, 1, 1, 0) and fits.centred


def test_constant_filters_are_named_and_left_out():
    pictures = np.stack([planted(20, 0.2, 0), np.full((11, 11), 0.5), np.zeros((11, 11))], axis=-1)[:, :, None]
    with pytest.warns(KerasvizWarning, match="no Gabor fit: 8, 3"):
        fits = fit_gabor(pictures, order=[5, 8, 3])
    assert fits.converged.tolist() == [True, False, False]
    rows = fits.rows()
    assert [row["filter"] for row in rows] == [5, 8, 3]
    assert rows[1] == {**dict.fromkeys(rows[1]), "filter": 8, "converged": False}
    assert rows[0]["orientation"] == pytest.approx(20) and rows[0]["colour_0"] == 1


def test_a_search_that_does_not_come_to_rest_is_named(monkeypatch):
    monkeypatch.setattr(gabor_function, "_STEPS", 1)
    with pytest.warns(KerasvizWarning, match="did not come to rest for the filters 0"):
        fits = fit_gabor(planted(37, 0.25, -2.0, at=(0.8, -0.6))[..., None, None])
    assert not fits.converged[0] and fits.residual[0] < 1


def test_filters_of_a_model_keep_their_numbers(rng):
    model = keras.Sequential([keras.Input((32, 32, 3)), L.Conv2D(3, 7, name="stem"), L.Conv2D(2, 3, name="deep")])
    waves = [planted(o, 0.2, 0.3, shape=(7, 7), sigma=1.6) for o in (10, 60, 130)]
    kernel = np.stack(waves, axis=-1)[:, :, None] * np.array([0.6, 0.64, 0.48])[:, None] * [1, 3, 2]
    model.get_layer("stem").set_weights([kernel, np.zeros(3)])
    fits = fit_gabor(filters(model, sort="norm"))
    assert fits.order.tolist() == [1, 2, 0]
    np.testing.assert_allclose(fits.orientation, [60, 130, 10], atol=1e-3)
    np.testing.assert_allclose(fits.amplitude, [3, 2, 1], rtol=1e-4)
    with pytest.raises(InputError, match=r"\(3, 3, 3, 2\)|first convolution|nine|parameters"):
        fit_gabor(filters(model, "deep"))


def test_files_and_figures(tmp_path):
    pictures = np.stack([planted(20, 0.2, 0), planted(179.9, 0.3, 1.0), np.zeros((11, 11))], axis=-1)[:, :, None]
    with pytest.warns(KerasvizWarning, match="no Gabor fit: 4"):
        fits = fit_gabor(pictures, order=[7, 2, 4])
    folder = fits.save(tmp_path)
    assert sorted(path.name for path in folder.iterdir()) == [
        "gabor-orientations.png",
        "gabor.csv",
        "gabor.json",
        "gabor.png",
    ]
    assert json.loads((folder / "gabor.json").read_text()) == {"centred": False, "filters": fits.rows()}
    with (folder / "gabor.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["filter"] for row in rows] == ["7", "2", "4"] and rows[2]["orientation"] == ""
    assert float(rows[0]["frequency"]) == fits.frequency[0]
    with pytest.raises(SaveError, match="3 more exists already"):
        fits.save(folder)

    figure = fits.plot()
    texts = [text.get_text() for text in figure.texts]
    assert texts[:6] == ["filter", "fit", "left"] * 2
    assert texts[6:] == ["7", "20°, 0.20", "0%", "2", "0°, 0.30", "0%", "4"]
    shown = np.asarray(figure.axes[0].images[0].get_array())[..., 0]
    largest = np.abs(pictures[..., 0, 0] - pictures[..., 0, 0].mean())
    assert shown[np.unravel_index(largest.argmax(), largest.shape)] == 255
    np.testing.assert_array_equal(figure.axes[2].images[0].get_array(), 128)
    with pytest.warns(KerasvizWarning, match="first 1 are drawn"):
        assert len(fits.plot(limit=1).axes) == 3

    dots = fits.plot_orientations().axes[0].collections[0]
    angle, radius = dots.get_offsets()[0]
    assert np.degrees(angle) == pytest.approx(20) and radius == pytest.approx(0.2)


@pytest.mark.parametrize(
    ("weights", "more", "said"),
    [
        (np.ones((7, 7, 3)), {}, r"\(7, 7, 3\)"),
        (np.ones((7, 7, 5, 2)), {}, "1 to 4 inputs"),
        (np.full((7, 7, 1, 2), np.inf), {}, "infinity"),
        (np.ones((1, 16, 1, 2)), {}, "1 x 16"),
        (np.ones((2, 2, 1, 2)), {"centred": True}, "2 x 2"),
        (np.ones((7, 7, 1, 2)), {"order": [1]}, "1 numbers"),
    ],
)
def test_misuse(weights, more, said):
    with pytest.raises(InputError, match=said):
        fit_gabor(weights, **more)


def test_a_limit_that_is_none():
    with pytest.raises(SettingError, match="limit=0"):
        fit_gabor(planted(20, 0.2, 0)[..., None, None]).plot(limit=0)
