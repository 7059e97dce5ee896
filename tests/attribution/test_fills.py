"""What hides a part of an image: each fill against its definition."""

import numpy as np
import pytest
import zoo
from reference import occlusion as slow

from kerasviz.attribution.fills import described, fill_like
from kerasviz.errors import InputError, SettingError

SHAPES = [(12, 17, 3), (30, 2), (5, 9, 7, 1)]


def ranged(*shape):
    """Images of very different ranges."""
    images = zoo.images(*shape).astype("float64")
    for i, (scale, offset) in enumerate([(1, 0), (120, 127), (1e-3, -5)]):
        images[i] = images[i] * scale + offset
    return images.astype("float32")


def assert_close(found, expected, images, tolerance=1e-6):
    """Relative to the size of each image's numbers."""
    assert found.shape == images.shape
    assert found.dtype == images.dtype
    for one, wanted, image in zip(found, expected, images, strict=True):
        assert np.abs(one - wanted).max() <= tolerance * np.abs(image).max()


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("name", ["grey", "mean"])
def test_grey_and_mean_are_each_images_own(name, shape):
    images = ranged(*shape)
    assert_close(fill_like(images, name, "image"), [getattr(slow, name)(image) for image in images], images)


def test_grey_is_the_middle_of_the_range_and_not_the_mean():
    image = np.full((1, 4, 4, 2), 10.0, "float32")
    image[0, 0, 0] = [0, 100]
    np.testing.assert_array_equal(fill_like(image, "grey", "image"), np.full((1, 4, 4, 2), 50.0))
    mean = fill_like(image, "mean", "image")
    np.testing.assert_allclose(mean, np.broadcast_to([150 / 16, 250 / 16], (1, 4, 4, 2)))


@pytest.mark.parametrize("shape", [*SHAPES, (1, 6, 3), (2, 40, 1), (64, 48, 3)])
def test_blur_is_a_gaussian_as_wide_as_a_tenth_of_each_axis(shape):
    images = zoo.images(*shape)
    found = fill_like(images, "blur", "image")
    # OpenCV cuts the Gaussian off at four deviations.
    assert_close(found, [slow.blur(image) for image in images], images, 2e-4)


def test_blur_hides_what_is_small_and_keeps_what_is_constant():
    """A sine of a quarter of the axis is damped to exp(-(2π σ / period)² / 2), σ a tenth of the axis: 4 %."""
    wave = np.cos(2 * np.pi * np.arange(81) / 20)
    images = np.broadcast_to(wave[None, :, None, None], (1, 81, 24, 1)).astype("float32")
    blurred = fill_like(images, "blur", "image")[0]
    damped = np.exp(-((2 * np.pi * 8.1 / 20) ** 2) / 2)
    np.testing.assert_allclose(blurred, damped * images[0], atol=1e-3)
    constant = np.full((1, 10, 8, 3), [3.0, -2, 7], "float32")
    np.testing.assert_allclose(fill_like(constant, "blur", "image"), constant, rtol=1e-6)


@pytest.mark.parametrize("shape", [(90, 70, 3), (5000, 2), (20, 18, 17, 2)])
def test_noise_has_the_mean_and_deviation_of_each_channel(shape):
    images = ranged(*shape)
    images[..., -1] *= 3
    found = fill_like(images, "noise", "image", seed=4).astype("float64")
    count = np.prod(shape[:-1])
    for noise, image in zip(found, images.astype("float64"), strict=True):
        for k in range(shape[-1]):
            deviation = image[..., k].std()
            assert abs(noise[..., k].mean() - image[..., k].mean()) < 4 * deviation / np.sqrt(count)
            assert abs(noise[..., k].std() / deviation - 1) < 4 / np.sqrt(2 * count)
            # A normal distribution has no excess, unlike the uniform one of the images.
            unit = (noise[..., k] - noise[..., k].mean()) / noise[..., k].std()
            assert abs((unit**4).mean() - 3) < 4 * np.sqrt(24 / count)
    flat = found[0].reshape(-1, shape[-1])
    correlations = np.corrcoef(flat.T) - np.eye(shape[-1])
    assert np.abs(correlations).max() < 4 / np.sqrt(count)


def test_noise_is_the_same_draw_for_all_images_and_another_for_another_seed():
    images = ranged(12, 10, 3)
    found = fill_like(images, "noise", "image", seed=4).astype("float64")
    axes = (1, 2)
    unit = (found - images.mean(axes, keepdims=True, dtype="float64")) / images.astype("float64").std(
        axes, keepdims=True
    )
    np.testing.assert_allclose(unit[1], unit[0], atol=1e-4)
    np.testing.assert_allclose(unit[2], unit[0], atol=1e-2)
    np.testing.assert_array_equal(fill_like(images, "noise", "image", seed=4), found.astype("float32"))
    other = fill_like(images, "noise", "image", seed=5)[0]
    assert abs(np.corrcoef(other.ravel(), found[0].ravel())[0, 1]) < 0.3


@pytest.mark.parametrize("name", ["grey", "mean", "blur", "noise"])
@pytest.mark.parametrize("shape", SHAPES)
def test_a_fill_does_not_depend_on_batch_mates_and_leaves_the_images_alone(name, shape):
    images = ranged(*shape)
    images.flags.writeable = False
    before = images.copy()
    whole = fill_like(images, name, "image", seed=2)
    for i in range(3):
        np.testing.assert_array_equal(fill_like(images[i : i + 1], name, "image", seed=2)[0], whole[i])
    np.testing.assert_array_equal(images, before)


def test_noise_takes_nothing_from_the_global_generator():
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    fill_like(ranged(12, 10, 3), "noise", "image")
    np.testing.assert_array_equal(np.random.get_state()[1], before)  # noqa: NPY002


IMAGES = zoo.images(6, 5, 3)
ONE = zoo.images(6, 5, 3, count=1, seed=9)[0]
GIVEN = {
    "number": (0.25, np.full((3, 6, 5, 3), 0.25)),
    "int": (-2, np.full((3, 6, 5, 3), -2.0)),
    "numpys number": (np.float64(0.5), np.full((3, 6, 5, 3), 0.5)),
    "colour": ([1, 2.5, -3], np.broadcast_to([1, 2.5, -3], (3, 6, 5, 3))),
    "tuple": ((1, 2, 3), np.broadcast_to([1, 2, 3], (3, 6, 5, 3))),
    "array of a colour": (np.array([1.0, 2, 3]), np.broadcast_to([1, 2, 3], (3, 6, 5, 3))),
    "image": (ONE, np.broadcast_to(ONE, (3, 6, 5, 3))),
    "image in lists": (ONE.tolist(), np.broadcast_to(ONE, (3, 6, 5, 3))),
    "batch": (IMAGES[::-1] * 2, IMAGES[::-1] * 2),
    "callable": (lambda images: images[:, ::-1] / 2, IMAGES[:, ::-1] / 2),
    "callable of a number": (lambda images: images.max(), np.full((3, 6, 5, 3), IMAGES.max())),
    "callable of a colour": (lambda images: [1, 2, 3], np.broadcast_to([1, 2, 3], (3, 6, 5, 3))),
    "callable of an image": (lambda images: images[1], np.broadcast_to(IMAGES[1], (3, 6, 5, 3))),
}


@pytest.mark.parametrize("kind", GIVEN)
def test_numbers_colours_arrays_and_callables(kind):
    fill, expected = GIVEN[kind]
    found = fill_like(IMAGES, fill, "image")
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, expected.astype("float32"))


@pytest.mark.parametrize(("channels", "space"), [(2, (2,)), (3, (3, 3)), (1, (1, 4))])
def test_a_colour_is_told_from_a_row_of_pixels(channels, space):
    colour = [5.0, 6.0, 7.0][:channels]
    found = fill_like(np.zeros((2, *space, channels), "float32"), colour, "image")
    np.testing.assert_array_equal(found, np.broadcast_to(colour, (2, *space, channels)))


def test_integer_pictures_get_whole_numbers_of_their_own_type():
    images = np.random.default_rng(0).integers(0, 256, (3, 20, 14, 3)).astype("uint8")
    images[1] //= 4
    images[2, 0, 0], images[2, 1:, 1:] = 255, 0
    for name in ("grey", "mean", "blur"):
        found = fill_like(images, name, "image")
        assert found.dtype == np.uint8
        expected = np.stack([np.broadcast_to(getattr(slow, name)(image), image.shape) for image in images])
        assert np.abs(found - expected).max() <= 0.5 + 0.06
    noise = fill_like(images, "noise", "image")
    unbounded = fill_like(images.astype("float64"), "noise", "image")
    assert unbounded.min() < 0
    assert unbounded.max() > 255
    assert np.abs(noise - np.clip(unbounded, 0, 255)).max() <= 0.5
    np.testing.assert_array_equal(fill_like(images, 200, "image"), np.full_like(images, 200))
    np.testing.assert_array_equal(fill_like(images, [1, 2, 255], "image")[0, 0, 0], [1, 2, 255])


@pytest.mark.parametrize("fill", [300, -1, 0.4, [0, 0, 256], 255.5, lambda images: images - 300.0])
def test_numbers_that_integer_pictures_cannot_hold(fill):
    """Cast, 300 would be 44 and 0.4 would be 0."""
    images = np.random.default_rng(0).integers(0, 256, (2, 6, 5, 3)).astype("uint8")
    with pytest.raises(InputError, match="uint8"):
        fill_like(images, fill, "image")


@pytest.mark.parametrize("name", ["Grey", "gray", "black", ""])
def test_unknown_names(name):
    with pytest.raises(SettingError, match="'grey', 'mean', 'blur', 'noise'"):
        fill_like(IMAGES, name, "image")


BAD = {
    "NaN": float("nan"),
    "infinite colour": [1.0, float("inf"), 0],
    "two channels": [1.0, 2.0],
    "transposed": np.zeros((5, 6, 3)),
    "too many": np.zeros((4, 6, 5, 3)),
    "without channels": np.zeros((6, 5)),
    "ragged": [[1.0], [2.0, 3.0], [4.0]],
    "None": None,
    "words": ["red", "green", "blue"],
    "callable of the wrong shape": lambda images: images[..., :1],
    "callable of nothing": lambda images: None,
    "callable of words": lambda images: "black",
}


@pytest.mark.parametrize("problem", BAD)
def test_fills_that_do_not_fit(problem):
    with pytest.raises(InputError, match="'photo'"):
        fill_like(IMAGES, BAD[problem], "photo")


def test_descriptions_can_be_written_down():
    def beige(images):
        return images

    assert described("noise") == "noise"
    assert (described(2), type(described(np.float32(0.5)))) == (2.0, float)
    assert described((1, 2, 3)) == [1, 2, 3]
    assert described(beige) == "beige"
    assert described(np.zeros(3)) == "ndarray"
