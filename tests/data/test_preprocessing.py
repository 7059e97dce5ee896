import numpy as np
import pytest

from kerasviz.data import preprocess, unpreprocess
from kerasviz.errors import InputError, SettingError

MODES = ["none", "scale", "tf", "torch", "caffe", "lite"]


@pytest.fixture
def images():
    return np.random.default_rng(0).integers(0, 256, (3, 5, 7, 3), np.uint8)


@pytest.mark.parametrize("mode", ["tf", "torch", "caffe"])
def test_equal_to_keras(images, mode):
    from keras.applications.imagenet_utils import preprocess_input

    expected = preprocess_input(images.astype(np.float32), data_format="channels_last", mode=mode)
    np.testing.assert_array_equal(preprocess(images, mode), expected)
    np.testing.assert_array_equal(preprocess(images[0], mode), expected[0])


@pytest.mark.parametrize(
    ("mode", "expected"),
    [
        (None, [255, 127, 0]),
        ("none", [255, 127, 0]),
        ("scale", [1, 127 / 255, 0]),
        ("tf", [1, 127 / 127.5 - 1, -1]),
        ("torch", [(1 - 0.485) / 0.229, (127 / 255 - 0.456) / 0.224, -0.406 / 0.225]),
        ("caffe", [0 - 103.939, 127 - 116.779, 255 - 123.68]),
        ("lite", [1, 0, -127 / 128]),
    ],
)
def test_values_by_hand(mode, expected):
    result = preprocess(np.array([[[255, 127, 0]]], np.uint8), mode)
    assert result.dtype == np.float32
    np.testing.assert_allclose(result[0, 0], expected, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("mode", [*MODES, None])
def test_inverse(mode):
    every = np.arange(256, dtype=np.uint8).repeat(3).reshape(1, 16, 16, 3)
    every[..., 1] = 255 - every[..., 1]  # so that a channel order matters
    back = unpreprocess(preprocess(every, mode), mode)
    assert back.dtype == np.uint8
    np.testing.assert_array_equal(back, every)


@pytest.mark.parametrize("mode", [*MODES, None, lambda x: np.multiply(x, 0, out=x)])
def test_caller_keeps_its_array(images, mode):
    for given in (images, images.astype(np.float32)):
        before = given.copy()
        result = preprocess(given, mode)
        assert not np.shares_memory(result, given)
        np.testing.assert_array_equal(given, before)
    if not callable(mode):
        before = result.copy()
        unpreprocess(result, mode)
        np.testing.assert_array_equal(result, before)


def test_functions_get_float32_pixels(images):
    seen = []

    def halve(pixels):
        seen.append(pixels)
        return pixels.astype(np.float64)[..., :1] / 2

    result = preprocess(images, halve)
    np.testing.assert_array_equal(seen[0], images)
    assert seen[0].dtype == result.dtype == np.float32
    np.testing.assert_array_equal(result, images[..., :1] / 2)


@pytest.mark.parametrize(
    "function", [lambda x: None, lambda x: x[0], lambda x: x[:1], lambda x: x * np.nan, lambda x: "text"]
)
def test_functions_that_return_nonsense(images, function):
    with pytest.raises(InputError, match="preprocessing function returned"):
        preprocess(images, function)


def test_one_channel(images):
    np.testing.assert_allclose(preprocess(images[..., :1], "lite"), (images[..., :1] - 127.0) / 128)
    for mode in ("torch", "caffe"):
        with pytest.raises(InputError, match=f"1 channels.*'{mode}'"):
            preprocess(images[..., :1], mode)
        with pytest.raises(InputError, match=f"1 channels.*'{mode}'"):
            unpreprocess(images[..., :1], mode)


def test_unpreprocess_clips_and_rounds():
    values = np.float32([[[-3, -0.996, 0.999], [0.0, 0.0038, 9]]])
    assert unpreprocess(values, "tf").tolist() == [[[0, 1, 255], [128, 128, 255]]]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (np.zeros((5, 5)), r"shape \(5, 5\)"),
        (np.zeros((0, 5, 5, 3)), r"shape \(0, 5, 5, 3\)"),
        (np.full((1, 1, 3), -1.0), "values from -1 to -1"),
        (np.full((1, 1, 3), 256.0), "values from 256 to 256"),
        (np.full((1, 1, 3), np.nan), "NaN or infinite"),
        (np.full((1, 1, 3), 0.5), "scaled to 0..1 before"),
        ([np.zeros((4, 4, 3)), np.zeros((5, 4, 3))], "no array of numbers"),
        ("cat.jpg", "no array of numbers"),
    ],
)
def test_bad_images(given, message):
    with pytest.raises(InputError, match=message):
        preprocess(given, "tf")


def test_black_images_are_fine():
    assert preprocess(np.zeros((1, 1, 3)), "tf").tolist() == [[[-1, -1, -1]]]
    assert preprocess(np.ones((1, 1, 3)), "scale")[0, 0, 0] == np.float32(1 / 255)


def test_bad_modes(images):
    for function in (preprocess, unpreprocess):
        with pytest.raises(SettingError, match=r"'cafe' is unknown.*Did you mean 'caffe'"):
            function(images, "cafe")
        with pytest.raises(SettingError, match=r"'TF' is unknown.*Did you mean 'tf'"):
            function(images, "TF")
        with pytest.raises(SettingError, match="7 is unknown"):
            function(images, 7)
    with pytest.raises(SettingError, match="inverse is not known"):
        unpreprocess(images, np.negative)


@pytest.mark.parametrize("mode", MODES)
def test_as_a_function_of_tensors(images, mode):
    import tensorflow as tf

    from kerasviz.data.preprocessing import as_function

    pixels = tf.constant(images.astype("float32"))
    with tf.GradientTape() as tape:
        tape.watch(pixels)
        computed = as_function(mode)(pixels)
    np.testing.assert_allclose(computed, preprocess(images, mode), rtol=1e-6, atol=1e-6)
    slope = {"none": 1, "scale": 1 / 255, "tf": 2 / 255, "caffe": 1, "lite": 1 / 128}.get(mode)
    expected = [1 / 255 / std for std in (0.229, 0.224, 0.225)] if slope is None else slope
    np.testing.assert_allclose(tape.gradient(computed, pixels)[0, 0, 0], np.broadcast_to(expected, 3), rtol=1e-5)
