"""The networks for codes and images of any shape: sizes, ranges, places and seeds."""

import numpy as np
import pytest
import tensorflow as tf

from kerasviz.errors import SettingError
from kerasviz.synthesis.generator import build_discriminator, build_generator


@pytest.mark.slow
@pytest.mark.parametrize(
    ("code", "image", "grid"),
    [
        ((7,), (8, 8, 1), (4, 4)),
        ((7,), (28, 28, 1), (4, 4)),
        ((7,), (30, 51, 3), (4, 7)),
        ((3, 4), (3, 5, 2), (3, 5)),
        ((5, 5, 6), (64, 64, 3), (4, 4)),
        ((4, 9, 2), (17, 36, 1), (5, 9)),
    ],
)
def test_images_have_their_size_and_range(code, image, grid, rng):
    generator = build_generator(code, image, value_range=(-3, 5), width=2)
    codes = 100 * rng.normal(size=(3, *code)).astype("float32")
    made = generator(codes).numpy()
    assert made.shape == (3, *image)
    assert -3 <= made.min() < 0 < 2 < made.max() <= 5
    starts = [layer.output.shape[1:3] for layer in generator.layers if layer.name in ("map", "enter_relu")]
    assert starts[0] == grid


def test_without_a_range_images_are_linear_in_the_last_layer(rng):
    codes = rng.normal(size=(4, 6)).astype("float32")
    generator = build_generator((6,), (4, 4, 1), value_range=(-np.inf, np.inf), width=2)
    before = generator(codes).numpy()
    kernel, bias = generator.get_layer("image").get_weights()
    generator.get_layer("image").set_weights([1000 * kernel, bias])
    np.testing.assert_allclose(generator(codes), 1000 * before, rtol=1e-4, atol=1e-3)
    assert abs(before).max() > 0


@pytest.mark.slow
def test_codes_are_divided_by_their_scale(rng):
    codes = rng.normal(size=(2, 6)).astype("float32")
    plain, scaled = (build_generator((6,), (4, 4, 1), width=2, code_scale=scale, seed=3) for scale in (1, 50))
    np.testing.assert_allclose(scaled(50 * codes), plain(codes), atol=1e-5)
    judges = [build_discriminator((4, 4, 1), (6,), width=2, code_scale=scale, seed=3) for scale in (1, 50)]
    images = rng.uniform(size=(2, 4, 4, 1)).astype("float32")
    np.testing.assert_allclose(judges[1]([images, 50 * codes]), judges[0]([images, codes]), atol=1e-5)


def test_a_place_of_a_map_code_is_that_place_of_the_image():
    generator = build_generator((8, 10, 2), (64, 80, 1), width=2, value_range=(-np.inf, np.inf))
    code = tf.Variable(tf.ones((1, 8, 10, 2)))
    with tf.GradientTape() as tape:
        value = tf.reduce_sum(generator(code)[0, 16:24, 48:56, 0])
    strength = np.abs(tape.gradient(value, code)[0].numpy()).sum(-1)
    rows, columns = np.indices(strength.shape)
    assert (strength * rows).sum() / strength.sum() == pytest.approx(2, abs=0.35)
    assert (strength * columns).sum() / strength.sum() == pytest.approx(6, abs=0.35)


def test_the_discriminator_sees_images_in_their_range_and_codes(rng):
    images = rng.uniform(size=(2, 9, 6, 3)).astype("float32")
    codes = rng.normal(size=(2, 3, 2, 4)).astype("float32")
    unit, wide = (
        build_discriminator((9, 6, 3), (3, 2, 4), width=2, value_range=span, seed=1) for span in ((0, 1), (-10, 40))
    )
    logits = unit([images, codes]).numpy()
    assert logits.shape == (2, 1)
    np.testing.assert_allclose(wide([50 * images - 10, codes]), logits, atol=1e-5)
    assert np.abs(unit([images[::-1], codes]) - logits).min() > 1e-5
    assert np.abs(unit([images, codes[::-1]]) - logits).min() > 1e-5


def test_initial_weights_follow_the_seed_and_no_two_layers_are_alike():
    first, same, other = (build_generator((16,), (4, 4, 1), width=2, seed=seed).get_weights() for seed in (1, 1, 2))
    for one, two in zip(first, same, strict=True):
        np.testing.assert_array_equal(one, two)
    assert not np.array_equal(first[0], other[0])
    # dense1 and dense2 have equal shapes, and the same first numbers if they had the same seed.
    assert first[0].shape == first[2].shape
    assert not np.array_equal(first[0], first[2])


@pytest.mark.parametrize(
    ("arguments", "settings", "message"),
    [
        (((0,), (8, 8, 1)), {}, "code_shape"),
        (((None, 3), (8, 8, 1)), {}, "code_shape"),
        ((8, (8, 8, 1)), {}, "code_shape"),
        (((4,), (8, 8)), {}, "image_shape"),
        (((4,), (8, 8, 1)), {"value_range": (1, 0)}, "value_range"),
        (((4,), (8, 8, 1)), {"value_range": (0, np.inf)}, "value_range"),
        (((4,), (8, 8, 1)), {"width": 0}, "width"),
        (((4,), (8, 8, 1)), {"code_scale": 0}, "code_scale"),
        (((4,), (8, 8, 1)), {"seed": -1}, "seed"),
    ],
)
def test_wrong_settings(arguments, settings, message):
    with pytest.raises(SettingError, match=message):
        build_generator(*arguments, **settings)
    with pytest.raises(SettingError, match=message):
        build_discriminator(*reversed(arguments), **settings)
