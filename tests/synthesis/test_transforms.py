"""Transforms against numpy, SciPy and OpenCV; their gradients against the adjoint."""

import json
from dataclasses import asdict

import cv2
import numpy as np
import pytest
import tensorflow as tf
from scipy import ndimage

from kerasviz.errors import SettingError
from kerasviz.synthesis import transforms
from kerasviz.synthesis.influences import Transform
from kerasviz.synthesis.transforms import STANDARD, Jitter, Noise, Pad, Roll, Rotate, Scale, standard

CASES = [
    Pad(2),
    Pad(2, fill="reflect"),
    Jitter(3),
    Roll(3),
    Scale(0.5, 2.0),
    Scale(among=(0.5, 0.75, 1.5, 2.0)),
    Rotate(40.0),
    Rotate(among=(-90, 30, 5), fill="reflect"),
    Noise(0.2),
]


@pytest.fixture
def images(rng):
    return rng.uniform(0, 1, (3, 9, 12, 2)).astype(np.float32)


def seeds(count):
    return [tf.constant([123, number], tf.int32) for number in range(count)]


def drawn(transform, images, count, seen=lambda images: images, dtype=tf.float32):
    """What is seen of the images under many draws, in one compiled call."""
    images = tf.constant(images, tf.float32)
    draws = tf.function(
        lambda seeds: tf.map_fn(lambda seed: seen(transform.transform(images, seed)), seeds, fn_output_signature=dtype),
        autograph=False,
    )
    return draws(tf.stack(seeds(count))).numpy()


def applied(transform, images, seed=(0, 0)):
    return transform.transform(tf.constant(images, tf.float32), tf.constant(seed, tf.int32)).numpy()


def test_all_transforms_are_here():
    kinds = {kind for kind in vars(transforms).values() if isinstance(kind, type) and issubclass(kind, Transform)}
    assert {type(case) for case in CASES} == kinds - {Transform}


@pytest.mark.slow
@pytest.mark.parametrize("transform", CASES, ids=str)
def test_draws_repeat_differ_and_are_the_same_for_all_images(transform, images):
    images = np.tile(images, (6, 1, 1, 1))  # so many that kernels for wide matrices come in
    done = [applied(transform, images, (0, number)) for number in range(3)]
    assert (applied(transform, images, (0, 1)) == done[1]).all()
    differ = [other.shape != done[0].shape or (other != done[0]).any() for other in done[1:]]
    assert any(differ) == (not isinstance(transform, Pad))
    if any(differ):
        first = [applied(transform, images, (number, 0)) for number in range(3)]
        assert any(other.shape != first[0].shape or (other != first[0]).any() for other in first[1:])
    for row, whole in enumerate(done[1][:3]):
        assert (applied(transform, images[row : row + 1], (0, 1))[0] == whole).all()


@pytest.mark.slow
@pytest.mark.parametrize("transform", CASES, ids=str)
def test_gradients_are_the_adjoint(transform, images, rng):
    """All transforms are linear up to a constant: <T x - T 0, y> = <x, Tᵀ y>."""
    for seed in seeds(3):
        x = tf.constant(images)
        with tf.GradientTape() as tape:
            tape.watch(x)
            done = transform.transform(x, seed)
        y = rng.standard_normal(done.shape).astype(np.float32)
        back = tape.gradient(done, x, y).numpy().astype(np.float64)
        moved = done.numpy().astype(np.float64) - transform.transform(tf.zeros_like(x), seed).numpy()
        for image in range(len(images)):
            assert (moved[image] * y[image]).sum() == pytest.approx((images[image] * back[image]).sum(), abs=2e-4)
        assert np.abs(back).max() > 0.5


@pytest.mark.slow
def test_transforms_run_inside_a_loop_with_unknown_sizes(images):
    """As an ascent has them: compiled, new draws in each turn of a loop, gradients inside of it."""

    def step(transform, images, seed):
        with tf.GradientTape() as tape:
            tape.watch(images)
            energy = tf.reduce_sum(transform.transform(images, seed) ** 3)
        return tape.gradient(energy, images)

    @tf.function(input_signature=[tf.TensorSpec([None] * 4)], autograph=False)
    def loop(images):
        def body(number, sums):
            return number + 1, [
                total + step(transform, images, tf.stack([5, number]))
                for transform, total in zip(CASES, sums, strict=True)
            ]

        return tf.while_loop(lambda number, _: number < 3, body, (0, [tf.zeros_like(images)] * len(CASES)))[1]

    for given in (images, images[:1, :5, :4, :1].repeat(5, axis=3)):
        for transform, found in zip(CASES, loop(given), strict=True):
            expected = sum(step(transform, tf.constant(given), tf.constant([5, number])) for number in range(3))
            np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4, err_msg=str(transform))


def test_pad_is_numpys(images):
    frame = ((0, 0), (2, 2), (2, 2), (0, 0))
    assert (applied(Pad(2), images) == np.pad(images, frame, constant_values=0.5)).all()
    assert (applied(Pad(2, fill=-1), images) == np.pad(images, frame, constant_values=-1)).all()
    assert (applied(Pad(2, fill="reflect"), images) == np.pad(images, frame, mode="reflect")).all()


def test_jitter_is_a_window_at_every_place():
    image = np.arange(7 * 8, dtype=np.float32).reshape(1, 7, 8, 1)
    places = []
    for window in drawn(Jitter(2), image, 200)[:, 0, ..., 0]:
        top, left = divmod(int(window[0, 0]), 8)
        assert (window == image[0, top : top + 5, left : left + 6, 0]).all()
        places.append((top, left))
    counts = [places.count((top, left)) for top in range(3) for left in range(3)]
    assert sum(counts) == 200 and min(counts) > 10


@pytest.mark.slow
def test_roll_is_numpys_to_every_place():
    image = np.arange(7 * 8, dtype=np.float32).reshape(1, 7, 8, 1)
    places = []
    for rolled in drawn(Roll(1), image, 200):
        [(down, right)] = [
            (y, x) for y in range(-3, 4) for x in range(-3, 4) if (np.roll(image, (y, x), (1, 2)) == rolled).all()
        ]
        places.append((down, right))
    counts = [places.count((down, right)) for down in (-1, 0, 1) for right in (-1, 0, 1)]
    assert sum(counts) == 200 and min(counts) > 10


@pytest.mark.parametrize("factor", [0.5, 0.9, 1.0, 1.3, 2.0])
def test_scale_is_opencvs_bilinear_resize(factor, images):
    found = applied(Scale(among=[factor]), images)
    size = round(12 * factor), round(9 * factor)
    for image, scaled in zip(images, found, strict=True):
        np.testing.assert_allclose(scaled, cv2.resize(image, size, interpolation=cv2.INTER_LINEAR), atol=1e-5)


@pytest.mark.slow
def test_scales_are_drawn_from_all_of_the_range():
    flat = np.zeros((1, 10, 100, 1))

    def sizes(scale, count):
        return drawn(scale, flat, count, lambda images: tf.shape(images)[1:3], tf.int32)

    heights, widths = sizes(Scale(0.8, 1.2), 200).T
    assert np.abs(heights - widths / 10).max() <= 0.55
    assert 80 <= widths.min() < 82 and 118 < widths.max() <= 120 and 98 < widths.mean() < 102
    assert set(sizes(Scale(among=(0.5, 0.7, 2)), 30)[:, 1]) == {50, 70, 200}
    assert sizes(Scale(among=[0.02]), 1).tolist() == [[1, 2]]


def test_quarter_turns_are_numpys(rng):
    square = rng.uniform(0, 1, (2, 8, 8, 3)).astype(np.float32)
    for turns in (-1, 0, 1, 2):
        found = applied(Rotate(among=[90 * turns]), square)
        np.testing.assert_allclose(found, np.rot90(square, turns, axes=(1, 2)), atol=1e-5)
    assert (applied(Rotate(among=[0]), square) == square).all()
    oblong = square[:, :5]
    np.testing.assert_allclose(applied(Rotate(among=[180]), oblong), oblong[:, ::-1, ::-1], atol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("angle", [-130.0, -7.0, 10.0, 45.0, 90.0])
@pytest.mark.parametrize(("fill", "mode"), [(0.5, "grid-constant"), (-1.0, "grid-constant"), ("reflect", "mirror")])
def test_rotation_is_scipys(angle, fill, mode, images):
    value = 0 if fill == "reflect" else fill
    expected = ndimage.rotate(
        images.astype(np.float64), angle, axes=(2, 1), reshape=False, order=1, mode=mode, cval=value
    )
    np.testing.assert_allclose(applied(Rotate(among=[angle], fill=fill), images), expected, atol=2e-5)


def test_rotation_is_the_same_on_a_gpu(images, monkeypatch):
    """Where it is written in another way."""

    def turned():
        x = tf.constant(images)
        with tf.GradientTape() as tape:
            tape.watch(x)
            done = Rotate(among=[33]).transform(x, seeds(1)[0])
        return done.numpy(), tape.gradient(done, x, tf.sin(done * 9)).numpy()

    here = turned()
    monkeypatch.setattr(tf.config, "list_logical_devices", lambda kind: [kind])
    monkeypatch.setattr(tf.sparse, "sparse_dense_matmul", None)
    for found, expected in zip(turned(), here, strict=True):
        np.testing.assert_allclose(found, expected, atol=1e-6)


@pytest.mark.slow
def test_angles_are_drawn_from_all_of_the_range():
    """Seen in a slope to the right: after a turn it rises by the sine of the angle down the middle."""
    slope = np.tile(np.arange(9.0)[None, None, :, None], (1, 9, 1, 1))

    def angles(rotate):
        turned = drawn(rotate, slope, 200, lambda images: images[0, :, 4, 0])
        return np.degrees(np.arcsin((turned[:, 3] - turned[:, 5]) / 2))

    uniform = angles(Rotate(20))
    assert -20 <= uniform.min() < -19 and 19 < uniform.max() <= 20 and abs(uniform.mean()) < 2
    chosen = angles(Rotate(among=(-10, 0, 0, 15))).round().astype(int).tolist()
    assert set(chosen) == {-10, 0, 15} and chosen.count(0) > 1.5 * max(chosen.count(-10), chosen.count(15))


def test_noise_has_its_deviation():
    noise = applied(Noise(0.2), np.full((2, 60, 70, 3), 0.5)) - 0.5
    assert noise.std() == pytest.approx(0.2, rel=0.02) and abs(noise.mean()) < 0.005
    assert abs(np.corrcoef(noise[0].reshape(-1, 3).T)[0, 1]) < 0.05


def test_the_standard_transforms_are_lucids():
    pad, first, scale, rotate, last = STANDARD
    assert (pad, first, last) == (Pad(12, fill=0.5), Jitter(8), Jitter(4))
    assert scale.among == pytest.approx([1 + (i - 5) / 50 for i in range(11)])
    assert sorted(rotate.among) == sorted([*range(-10, 11), 0, 0, 0, 0, 0])
    assert standard(224, 300) == standard(160, 130) == STANDARD


@pytest.mark.parametrize(
    ("size", "pixels"),
    [(512, [27, 18, 9]), (64, [6, 4, 2]), (32, [3, 2, 1]), (28, [3, 2, 1]), (16, [2, 1, 1]), (8, [1, 1]), (1, [])],
)
def test_standard_transforms_fit_the_size(size, pixels):
    found = standard(size, 2 * size)
    assert [each.pixels for each in found if isinstance(each, Pad | Jitter)] == pixels
    assert [type(each) for each in found if isinstance(each, Scale | Rotate)] == [Scale, Rotate]
    assert [each.fill for each in standard(size, size, fill=0) if hasattr(each, "fill")] == [0] * (2 - (size == 1))


@pytest.mark.slow
def test_standard_transforms_keep_the_middle(rng):
    """A spot near the middle of a small image is still there, at nearly its place, after all of them."""
    image = np.zeros((1, 32, 24, 1), np.float32)
    image[0, 14:18, 10:14] = 1
    for seed in seeds(5):
        seen = tf.constant(image)
        for transform in standard(32, 24, fill=0):
            seen = transform.transform(seen, seed)
        seen = tf.image.resize(seen, (32, 24)).numpy()[0, ..., 0]
        assert 8 < seen.sum() < 22
        assert np.abs(np.array(ndimage.center_of_mass(seen)) - (15.5, 11.5)).max() < 3


@pytest.mark.parametrize("transform", CASES, ids=str)
def test_settings_are_written_and_read(transform):
    assert type(transform)(**json.loads(json.dumps(asdict(transform)))) == transform
    with pytest.raises(AttributeError):
        transform.fill = 1.0


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: Pad(0), "pixels=0"),
        (lambda: Pad(1, fill="grey"), "fill='grey'"),
        (lambda: Jitter(1.5), "pixels=1.5"),
        (lambda: Roll(-1), "pixels=-1"),
        (lambda: Scale(1.1, 0.9), "high=0.9"),
        (lambda: Scale(0, 1), "low=0"),
        (lambda: Scale(among=()), r"among=\(\)"),
        (lambda: Scale(among="all"), "among='all'"),
        (lambda: Scale(among=(1, -1)), "among=-1"),
        (lambda: Rotate(-10), "degrees=-10"),
        (lambda: Rotate(among=(0, None)), "among=None"),
        (lambda: Rotate(fill=float("nan")), "fill=nan"),
        (lambda: Noise(-0.1), "deviation=-0.1"),
        (lambda: standard(0, 8), "height=0"),
        (lambda: standard(8, 8.5), "width=8.5"),
        (lambda: standard(8, 8, fill="sky"), "fill='sky'"),
        (lambda: applied(Jitter(4), np.zeros((1, 4, 9, 1))), "Jitter of 4 pixels for images of 4 × 9"),
        (lambda: applied(Pad(4, fill="reflect"), np.zeros((1, 9, 4, 1))), "of 4 pixels for images of 9 × 4"),
    ],
)
def test_settings_are_checked(make, said):
    with pytest.raises(SettingError, match=said):
        make()
