"""What every parametrization keeps."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from reference import parametrizations as reference

from kerasviz.data import load_images
from kerasviz.errors import InputError, SettingError
from kerasviz.synthesis.parametrizations import Fourier, LaplacianPyramid, Pixels
from kerasviz.synthesis.parametrizations.squashing import EDGE
from kerasviz.synthesis.spaces import ImageSpace

WAYS = {
    "pixels": Pixels(),
    "sigmoid": Pixels(squash="sigmoid"),
    "fourier": Fourier(),
    "steep": Fourier(decay=2.0),
    "pyramid": LaplacianPyramid(),
}
FORMULAS = {
    "sigmoid": lambda numbers, size: numbers[0],
    "fourier": lambda numbers, size: reference.fourier(numbers[0], *size),
    "pyramid": lambda numbers, size: reference.pyramid(numbers, *size),
}


@pytest.fixture(params=WAYS)
def way(request):
    return WAYS[request.param]


def test_an_image_begins_alike_in_any_batch_and_unlike_its_mates(way):
    space = ImageSpace(5, 7, 3, 0.0, 1.0)
    five, three, other = way.start(space, 5, seed=4), way.start(space, 3, seed=4), way.start(space, 3, seed=5)
    for all_of_it, part, else_ in zip(five, three, other, strict=True):
        np.testing.assert_array_equal(all_of_it[:3], part)
        assert len(np.unique(all_of_it.reshape(5, -1)[:, 0])) == 5
        assert not np.array_equal(else_, part)


def test_an_image_does_not_depend_on_its_batch_mates(way, rng):
    space = ImageSpace(6, 5, 3, 0.0, 1.0)
    numbers = [rng.normal(size=array.shape).astype(np.float32) for array in way.start(space, 5, seed=4)]
    alone = way.images([tf.constant(array[3:4]) for array in numbers], space)
    np.testing.assert_allclose(way.images(list(map(tf.constant, numbers)), space)[3:4], alone, atol=1e-6)


@pytest.mark.parametrize("bounds", [(-3.0, 5.0), (0.0, 255.0)])
@pytest.mark.parametrize("name", ["sigmoid", "fourier", "pyramid"])
def test_values_stay_within_the_range(name, bounds, rng):
    space = ImageSpace(5, 8, 3, *bounds)
    numbers = [100 * rng.normal(size=array.shape).astype(np.float32) for array in WAYS[name].start(space, 4, seed=0)]
    images = WAYS[name].images(list(map(tf.constant, numbers)), space).numpy()
    assert (images.min(), images.max()) == bounds


@pytest.mark.slow
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize("size", [(6, 6), (5, 8), (9, 7), (1, 4)])
def test_images_come_back(way, rng, size, channels):
    space = ImageSpace(*size, channels, -1.0, 3.0)
    images = rng.uniform(-0.9, 2.9, (2, *space.shape)).astype(np.float32)
    numbers = way.parameters_of(images, space)
    for array, begun in zip(numbers, way.start(space, 2, seed=0), strict=True):
        assert (array.shape, array.dtype) == (begun.shape, begun.dtype)
    np.testing.assert_allclose(way.images(list(map(tf.constant, numbers)), space), images, atol=2e-5)


@pytest.mark.parametrize("channels", [1, 3])
def test_images_without_a_range_come_back(way, rng, channels):
    space = ImageSpace(5, 8, channels)
    images = (7 * rng.normal(size=(2, *space.shape))).astype(np.float32)
    numbers = way.parameters_of(images, space)
    np.testing.assert_allclose(way.images(list(map(tf.constant, numbers)), space), images, atol=1e-4)


def test_images_come_back_in_colours_of_their_own(rng):
    space, matrix = ImageSpace(5, 8, 2, 0.0, 1.0), rng.normal(size=(2, 2))
    images = rng.uniform(0.1, 0.9, (2, *space.shape))
    for way in (Fourier(decorrelate=matrix), LaplacianPyramid(decorrelate=matrix)):
        numbers = way.parameters_of(images, space)
        np.testing.assert_allclose(way.images(list(map(tf.constant, numbers)), space), images, atol=1e-5)


@pytest.mark.parametrize("noise", [0.0, 1e-9])
def test_colours_of_grey_pictures_give_the_nearest_grey(rng, noise):
    space, grey = ImageSpace(5, 8, 3), np.outer(np.full(3, 3**-0.5), [1, 0, 0]) + noise * rng.normal(size=(3, 3))
    images = rng.normal(size=(1, *space.shape))
    way = Fourier(decorrelate=grey)
    found = way.images(list(map(tf.constant, way.parameters_of(images, space))), space)
    np.testing.assert_allclose(found, images.mean(axis=-1, keepdims=True).repeat(3, axis=-1), atol=1e-5)


def test_black_and_white_come_back_to_less_than_half_a_level(way):
    space = ImageSpace(6, 9, 1, 0.0, 255.0)
    pictures = (255 * (np.indices((6, 9)).sum(axis=0) % 2)).astype(np.uint8)[None, :, :, None]
    found = way.images(list(map(tf.constant, way.parameters_of(pictures, space))), space).numpy()
    np.testing.assert_array_equal(np.rint(found), pictures)
    if not way.of_pixels:
        np.testing.assert_allclose(np.abs(found - pictures), EDGE * 255, rtol=0.02)


def test_images_may_leave_the_range_by_rounding():
    space, images = ImageSpace(1, 2, 1, 0.0, 255.0), np.array([[[[-0.2], [255.2]]]])
    np.testing.assert_array_equal(Pixels().parameters_of(images, space)[0].ravel(), [0, 1])


@pytest.mark.parametrize(
    ("images", "says"),
    [
        (np.zeros((5, 7, 3)), r"shape \(5, 7, 3\)"),
        (np.zeros((2, 7, 5, 3)), r"\(count, 5, 7, 3\)"),
        (np.zeros((0, 5, 7, 3)), "batch axis"),
        (np.full((2, 5, 7, 3), np.nan), "finite"),
        (np.full((2, 5, 7, 3), 200.0), "200 .* 0 to 1"),
        (np.full((2, 5, 7, 3), -0.1), "-0.1 "),
    ],
)
def test_images_that_do_not_fit(way, images, says):
    with pytest.raises(InputError, match=says):
        way.parameters_of(images, ImageSpace(5, 7, 3, 0.0, 1.0))


@pytest.mark.parametrize("way", [Fourier(decorrelate=np.eye(3)), LaplacianPyramid(decorrelate=np.eye(3))])
def test_a_matrix_that_does_not_fit_the_channels(way):
    with pytest.raises(SettingError, match=r"3 channels.* 4 of the images"):
        way.start(ImageSpace(5, 7, 4), 1, seed=0)


@pytest.mark.slow
@pytest.mark.parametrize("size", [(6, 6), (5, 8), (6, 7)])
@pytest.mark.parametrize("name", FORMULAS)
def test_gradients_against_finite_differences(rng, name, size):
    way, space = WAYS[name], ImageSpace(*size, 3, -1.0, 1.0)
    numbers = [rng.normal(size=array.shape) for array in way.start(space, 1, seed=0)]
    pull = rng.normal(size=(1, *space.shape))

    def pulled(numbers):
        matrix = None if name == "sigmoid" else reference.IMAGENET
        return (reference.stretched(FORMULAS[name](numbers, size), -1.0, 1.0, matrix) * pull).sum()

    tensors = [tf.constant(array, tf.float32) for array in numbers]
    with tf.GradientTape() as tape:
        tape.watch(tensors)
        score = tf.reduce_sum(way.images(tensors, space) * tf.constant(pull, tf.float32))
    for i, gradient in enumerate(tape.gradient(score, tensors)):
        for at in rng.choice(numbers[i].size, min(numbers[i].size, 12), replace=False):
            around = []
            for step in (1e-5, -1e-5):
                moved = [array.copy() for array in numbers]
                moved[i].flat[at] += step
                around.append(pulled(moved))
            slope = (around[0] - around[1]) / 2e-5
            assert gradient.numpy().flat[at] == pytest.approx(slope, abs=1e-4 * float(np.abs(gradient).max()))


@pytest.mark.slow
@pytest.mark.parametrize("name", ["pixels", "sigmoid", "fourier", "pyramid"])
def test_fits_a_photograph(name, request):
    """To a mean error under 0.01 of the range, by squares."""
    way, space = WAYS[name], ImageSpace(40, 51, 3, 0.0, 255.0)
    picture = load_images(request.config.rootpath / "kerasviz/data/pictures/bird.png", size=(40, 51))
    variables = [tf.Variable(array) for array in way.start(space, 1, seed=0)]
    optimizer = keras.optimizers.Adam(0.1)
    optimizer.build(variables)

    @tf.function
    def fit():
        for _ in tf.range(400):
            with tf.GradientTape() as tape:
                loss = tf.reduce_mean((way.images(variables, space) / 255 - picture / 255) ** 2)
            optimizer.apply(tape.gradient(loss, variables), variables)
            for variable, value in zip(variables, way.project(list(variables), space), strict=True):
                variable.assign(value)
        return way.images(variables, space)

    assert np.abs(fit().numpy() - picture).mean() / 255 < 0.01
