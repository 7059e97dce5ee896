"""Images by their frequencies."""

import json

import numpy as np
import pytest
import tensorflow as tf
from reference import parametrizations as reference

from kerasviz.errors import SettingError
from kerasviz.synthesis.parametrizations import Fourier
from kerasviz.synthesis.parametrizations.fourier import frequency_weights
from kerasviz.synthesis.spaces import ImageSpace


def test_weights_of_a_small_image():
    rows = [[16, 16, 8], [16, 11.313708, 7.155418], [8, 7.155418, 5.656854], [16, 11.313708, 7.155418]]
    np.testing.assert_allclose(frequency_weights(4, 4), rows, atol=1e-6)
    np.testing.assert_allclose(frequency_weights(4, 4, decay=0.0), np.full((4, 3), 4.0))


def test_colours_of_one_number():
    """A brightness of 1 everywhere: the spectrum has only its mean, 4 · 4 · 4 of which the weights make 16."""
    spectrum = np.zeros((1, 2, 3, 4, 3), np.float32)
    spectrum[0, 0, 0, 0, 0] = 4.0
    [image] = Fourier().images([tf.constant(spectrum)], ImageSpace(4, 4, 3, 0.0, 1.0)).numpy()
    np.testing.assert_allclose(image, np.broadcast_to([0.637107, 0.642097, 0.642097], (4, 4, 3)), atol=1e-6)


@pytest.mark.parametrize("size", [(6, 6), (5, 8), (8, 5), (7, 9), (1, 6), (5, 1)])
@pytest.mark.parametrize("decay", [1.0, 0.0, 1.7])
def test_against_the_formula(rng, size, decay):
    numbers = rng.normal(size=(2, 2, 3, size[0], size[1] // 2 + 1))
    values = reference.fourier(numbers, *size, decay)
    images = Fourier(decay=decay).images([tf.constant(numbers, tf.float32)], ImageSpace(*size, 3, -1.0, 3.0))
    np.testing.assert_allclose(images, reference.stretched(values, -1.0, 3.0, reference.IMAGENET), atol=2e-5)


@pytest.mark.parametrize("channels", [1, 2, 4])
def test_without_a_range_and_without_colours(rng, channels):
    space, numbers = ImageSpace(5, 8, channels), rng.normal(size=(2, 2, channels, 5, 5))
    images = Fourier().images([tf.constant(numbers, tf.float32)], space)
    np.testing.assert_allclose(images, reference.fourier(numbers, 5, 8), atol=2e-5)
    matrix = rng.normal(size=(channels, channels))
    images = Fourier(decorrelate=matrix).images([tf.constant(numbers, tf.float32)], space)
    np.testing.assert_allclose(images, reference.coloured(reference.fourier(numbers, 5, 8), matrix), atol=5e-5)


def test_a_wave_along_the_width_varies_along_the_width():
    spectrum = np.zeros((1, 2, 1, 6, 5), np.float32)
    spectrum[0, 0, 0, 0, 2] = 1.0
    [image] = Fourier().images([tf.constant(spectrum)], ImageSpace(6, 9, 1)).numpy()
    wave = np.cos(2 * np.pi * 2 * np.arange(9) / 9)
    # Twice, since the other half of the spectrum is its mirror image.
    strength = 2 / (6 * 9) * np.sqrt(6 * 9) / (2 / 9) / 4
    np.testing.assert_allclose(image[..., 0], np.broadcast_to(strength * wave, (6, 9)), atol=1e-6)


@pytest.mark.parametrize("decay", [0.0, 1.0, 2.0])
def test_the_first_images_have_amplitudes_that_fall_with_the_frequency(decay):
    space = ImageSpace(48, 64, 3)
    fourier = Fourier(decay=decay, decorrelate=False)
    images = fourier.images(fourier.start(space, 8, seed=0), space).numpy()
    amplitudes = np.sqrt((np.abs(np.fft.rfft2(images, axes=(1, 2))) ** 2).mean(axis=(0, 3)))
    frequencies = np.hypot(np.fft.fftfreq(48)[:, None], np.fft.rfftfreq(64)[None])
    inner = (frequencies > 1.5 / 64) & (np.arange(33) > 0) & (np.arange(33) < 32)
    slope = np.polyfit(np.log(frequencies[inner]), np.log(amplitudes[inner]), 1)[0]
    assert slope == pytest.approx(-decay, abs=0.05)


def test_begins_with_noise_of_the_deviation():
    [spectra] = Fourier(deviation=0.2).start(ImageSpace(30, 41, 3), 3, seed=1)
    assert spectra.dtype == np.float32
    assert spectra.shape == (3, 2, 3, 30, 21)
    assert spectra.std() == pytest.approx(0.2, rel=0.02)


def test_settings():
    fourier = Fourier(decay=2, decorrelate=np.eye(1))
    assert json.loads(json.dumps(fourier.settings())) == {
        "parametrization": "fourier",
        "deviation": 0.01,
        "decay": 2.0,
        "decorrelate": [[1.0]],
    }


@pytest.mark.parametrize("setting", [{"deviation": -0.1}, {"decay": -1}, {"decay": np.inf}])
def test_refused(setting):
    with pytest.raises(SettingError, match=f"{next(iter(setting))}="):
        Fourier(**setting)
