"""Samplers: what they draw, in its moments and one by one, and what they are fitted on."""

import numpy as np
import pytest
from reference import prediction_difference as slow

from kerasviz.attribution.gaussian_sampler import ConditionalGaussianSampler
from kerasviz.attribution.samplers import ImageSampler, MarginalSampler
from kerasviz.errors import InputError, KerasvizWarning, SettingError


def gaussian(size, channels, seed=0):
    """A sampler of random moments, its channels unlike each other, that clips nothing."""
    rng = np.random.default_rng(seed)
    pixels = int(np.prod(size))
    factors = rng.normal(0, 1, (channels, pixels, pixels)) * (1 + np.arange(channels)[:, None, None])
    covariance = factors @ factors.swapaxes(1, 2) / pixels + 0.1 * np.eye(pixels)
    mean = rng.normal(0, 1, (channels, *size)) + 3 * np.arange(channels).reshape(-1, *[1] * len(size))
    return ConditionalGaussianSampler(mean, covariance, [-1e9] * channels, [1e9] * channels)


def draws_of(sampler, image, start, size, count, seed=0):
    return sampler.draw(image, np.array([start] * count), size, np.arange(count), seed)


SAMPLERS = {
    "image": (ImageSampler, 2),
    "marginal": (lambda: MarginalSampler(np.random.default_rng(3).normal(0, 1, (9, 8, 7, 2))), 2),
    "conditional": (lambda: gaussian((5, 4), 2), 2),
}


@pytest.mark.parametrize("name", SAMPLERS)
def test_a_draw_depends_on_its_place_its_number_and_the_seed_alone(name, rng):
    sampler = SAMPLERS[name][0]()
    image = rng.normal(0, 1, (8, 7, 2))
    starts = np.array([[r, c] for r in range(7) for c in range(6)] * 40)
    draws = np.repeat(np.arange(40), 42)
    whole = sampler.draw(image, starts, (2, 2), draws, 5)
    assert whole.shape == (1680, 2, 2, 2)
    order = rng.permutation(len(starts))
    np.testing.assert_array_equal(sampler.draw(image, starts[order], (2, 2), draws[order], 5), whole[order])
    for n in (0, 41, 700, 1679):
        alone = sampler.draw(image, starts[n : n + 1], (2, 2), draws[n : n + 1], 5)
        np.testing.assert_array_equal(alone[0], whole[n])
    by_number = whole.reshape(40, 42, -1)
    assert 4 < len({by_number[n, 20].tobytes() for n in range(40)}) <= 40
    other = sampler.draw(image, starts, (2, 2), draws, 6).reshape(40, 42, -1)
    assert (np.abs(other - by_number).max(-1) > 1e-6).mean() > 0.8


def test_the_conditional_distribution_of_a_known_covariance():
    covariance = np.array([[[2, 0.8, 0.3], [0.8, 1, 0.4], [0.3, 0.4, 1.5]]])
    sampler = ConditionalGaussianSampler(np.array([[1.0, 2, 3]]), covariance, [-99], [99])
    draws = draws_of(sampler, np.array([[7.0], [2.5], [2.0]]), (0,), (1,), 40000).ravel()
    gain, root = sampler.conditional((1,), (0,))
    np.testing.assert_allclose(1 + gain[0] @ [0.5, -1.0], [1.41791], atol=5e-6)
    np.testing.assert_allclose(root[0] @ root[0].T, [[1.359701]], atol=5e-7)
    assert abs(draws.mean() - 1.41791) < 4 * np.sqrt(1.359701 / 40000)
    assert abs(draws.var() - 1.359701) < 4 * 1.359701 * np.sqrt(2 / 40000)


#: The image is 9 x 8; patches are 5 x 6, windows 2 x 3: every place relative to the patch, each edge and corner.
PLACES = [(0, 0), (0, 2), (0, 5), (3, 0), (1, 1), (4, 2), (5, 4), (3, 5), (7, 0), (6, 3), (7, 5)]


@pytest.mark.parametrize("start", PLACES)
def test_draws_have_the_moments_of_the_window_given_what_is_around_it(start, rng):
    sampler, size, count = gaussian((5, 6), 2), (2, 3), 6000
    image = rng.normal(0, 3, (9, 8, 2))
    draws = draws_of(sampler, image, start, size, count)
    flat = np.moveaxis(draws, -1, 1).reshape(count, 2, -1)
    for channel in range(2):
        mean, covariance = slow.conditional(
            sampler.mean[channel], sampler.covariance[channel], image[..., channel], start, size
        )
        variances = np.diag(covariance)
        assert np.abs((flat[:, channel].mean(0) - mean) / np.sqrt(variances / count)).max() < 4.5
        deviations = np.sqrt((np.outer(variances, variances) + covariance**2) / count)
        assert np.abs((np.cov(flat[:, channel].T) - covariance) / deviations).max() < 4.5
        # Far from those of no surroundings, and of the other channel: the bounds above can fail.
        assert np.abs((mean - sampler.mean[channel].mean()) / np.sqrt(variances / count)).max() > 30
    between = np.corrcoef(flat.reshape(count, -1).T)[:6, 6:]
    assert np.abs(between).max() < 4.5 / np.sqrt(count)


@pytest.mark.parametrize(
    ("patch", "window", "space"), [((5, 4), (1, 2), (7, 6)), ((4,), (2,), (9,)), ((3, 2, 3), (1, 2, 2), (4, 5, 3))]
)
def test_means_and_roots_at_every_place(patch, window, space, rng):
    sampler, image = gaussian(patch, 3), rng.normal(0, 2, (*space, 3))
    seen = set()
    for start in np.ndindex(*(whole - length + 1 for whole, length in zip(space, window, strict=True))):
        first = slow.corner(start, window, patch, space)
        offset = tuple(int(s - f) for s, f in zip(start, first, strict=True))
        seen.add(offset)
        gain, root = sampler.conditional(window, offset)
        cut = image[tuple(slice(f, f + length) for f, length in zip(first, patch, strict=True))]
        covered = np.zeros(patch, bool)
        covered[tuple(slice(o, o + length) for o, length in zip(offset, window, strict=True))] = True
        for channel in range(3):
            mean, covariance = slow.conditional(
                sampler.mean[channel], sampler.covariance[channel], image[..., channel], start, window
            )
            around = (cut[..., channel] - sampler.mean[channel])[~covered]
            found = sampler.mean[channel][covered] + gain[channel] @ around
            np.testing.assert_allclose(found, mean, rtol=1e-8, atol=1e-8)
            np.testing.assert_allclose(root[channel] @ root[channel].T, covariance, rtol=1e-8, atol=1e-8)
    # Every place inside the patch that the image's edges make.
    assert len(seen) == np.prod([length - inner + 1 for length, inner in zip(patch, window, strict=True)])


def test_windows_as_large_as_the_patch_are_drawn_without_surroundings(rng):
    sampler = gaussian((2, 3), 2)
    count = 5000
    draws = draws_of(sampler, rng.normal(50, 9, (6, 7, 2)), (2, 2), (2, 3), count)
    flat = np.moveaxis(draws, -1, 1).reshape(count, 2, -1)
    for channel in range(2):
        variances = np.diag(sampler.covariance[channel])
        errors = (flat[:, channel].mean(0) - sampler.mean[channel].ravel()) / np.sqrt(variances / count)
        assert np.abs(errors).max() < 4.5
        ratios = flat[:, channel].var(0) / variances
        assert np.abs(ratios - 1).max() < 4.5 * np.sqrt(2 / count)


def test_draws_are_clipped_to_the_range_of_their_own_channel(rng):
    free = gaussian((4, 4), 2)
    sampler = ConditionalGaussianSampler(free.mean, free.covariance, [-0.25, 2.0], [0.5, 4.5])
    image = rng.normal(0, 1, (6, 6, 2))
    draws, expected = (draws_of(one, image, (2, 1), (2, 2), 500) for one in (sampler, free))
    np.testing.assert_array_equal(draws, np.clip(expected, [-0.25, 2.0], [0.5, 4.5]))
    np.testing.assert_array_equal(draws.min((0, 1, 2)), [-0.25, 2.0])
    np.testing.assert_array_equal(draws.max((0, 1, 2)), [0.5, 4.5])


def correlated(count, space, channels, seed=1):
    """Images whose neighbours vary together, each channel in a way of its own."""
    rng = np.random.default_rng(seed)
    noise = rng.normal(0, 1, (count, space[0] + 2, space[1] + 2, channels))
    mixed = noise[:, 1:-1, 1:-1] + 0.9 * noise[:, :-2, 1:-1] * np.arange(channels) - 0.7 * noise[:, 1:-1, 2:]
    return (mixed * (1 + np.arange(channels)) + 5 * np.arange(channels)).astype("float32")


def test_the_fitted_moments_are_those_of_all_patches():
    images, size, count = correlated(12, (9, 11), 2), (3, 4), 20000
    sampler = ConditionalGaussianSampler.fit(images, size, seed=4)
    every = np.moveaxis(slow.every_patch(images, size), -1, 1).reshape(-1, 2, 12).astype(np.float64)
    for channel in range(2):
        mean, covariance = every[:, channel].mean(0), np.cov(every[:, channel].T)
        variances = np.diag(covariance)
        errors = (sampler.mean[channel].ravel() - mean) / np.sqrt(variances / count)
        assert np.abs(errors).max() < 4.5
        deviations = np.sqrt((np.outer(variances, variances) + covariance**2) / count)
        assert np.abs((sampler.covariance[channel] - covariance) / deviations).max() < 5
        # What neighbours have in common stands out of the noise.
        apart = covariance - np.diag(variances)
        assert np.abs(apart / deviations).max() > 30
    np.testing.assert_array_equal(sampler.low, images.min((0, 1, 2)))
    np.testing.assert_array_equal(sampler.high, images.max((0, 1, 2)))


def test_every_image_and_every_place_has_the_same_chance():
    numbers = np.arange(40.0)
    images = np.broadcast_to(numbers[:, None, None, None], (40, 6, 5, 1))
    sampler = ConditionalGaussianSampler.fit(images, 2, patches=8000, seed=2)
    assert abs(sampler.mean.mean() - 19.5) < 4.5 * numbers.std() / np.sqrt(8000)
    assert abs(sampler.covariance[0, 0, 0] / numbers.var() - 1) < 4.5 * np.sqrt(0.8 / 8000)
    ramp = np.broadcast_to(np.arange(9.0)[:, None, None], (5, 9, 6, 1))
    sampler = ConditionalGaussianSampler.fit(ramp, (3, 2), patches=8000, seed=2)
    np.testing.assert_allclose(sampler.mean[0, :, 0], [3, 4, 5], atol=4.5 * 2 / np.sqrt(8000))


@pytest.mark.parametrize("cut", [1, 5, 12])
def test_batches_change_no_fit_and_no_caller(cut):
    images = correlated(12, (8, 7), 2)
    images.flags.writeable = False
    whole = ConditionalGaussianSampler.fit(images, 3, patches=500, seed=1)
    parts = ConditionalGaussianSampler.fit((images[at : at + cut] for at in range(0, 12, cut)), 3, patches=500, seed=1)
    for name in ("mean", "covariance", "low", "high"):
        np.testing.assert_array_equal(getattr(parts, name), getattr(whole, name))
    other = ConditionalGaussianSampler.fit(images, 3, patches=500, seed=2)
    assert np.abs(other.mean - whole.mean).max() > 1e-3
    marginal = MarginalSampler.fit(images, most=5, seed=1)
    labelled = ((images[at : at + cut], np.zeros(cut)) for at in range(0, 12, cut))
    by_parts = MarginalSampler.fit(labelled, most=5, seed=1)
    np.testing.assert_array_equal(by_parts.images, marginal.images)


def test_images_of_several_sizes():
    images = correlated(30, (12, 12), 2)
    parts = [images[:10, :7], images[10:], images[:5, 3:, 1:9]]
    sampler = ConditionalGaussianSampler.fit(iter(parts), 3, seed=1)
    whole = ConditionalGaussianSampler.fit(images, 3, seed=1)
    scale = np.sqrt(np.diagonal(whole.covariance, axis1=1, axis2=2)).reshape(whole.mean.shape)
    assert np.abs((sampler.mean - whole.mean) / scale).max() < 0.1


def test_one_pixel_and_pictures_of_bytes(rng):
    images = rng.integers(0, 256, (20, 6, 5, 3)).astype("uint8")
    sampler = ConditionalGaussianSampler.fit(images, 1, patches=5000)
    expected = images.reshape(-1, 3).astype(float)
    assert np.abs(sampler.mean.ravel() - expected.mean(0)).max() < 4.5 * 75 / np.sqrt(5000)
    np.testing.assert_allclose(sampler.covariance.ravel(), expected.var(0), rtol=0.06)
    np.testing.assert_array_equal(sampler.high, images.max((0, 1, 2)))


@pytest.mark.parametrize("value", [0.0, 0.1, 200.1, -7.0])
def test_constant_images_draw_their_constant(value, rng):
    images = np.full((3, 9, 9, 2), value, "float32")
    images[..., 1] = rng.normal(0, 1, (3, 9, 9))
    sampler = ConditionalGaussianSampler.fit(images, 4, seed=0)
    draws = draws_of(sampler, rng.normal(0, 50, (9, 9, 2)), (0, 4), (2, 2), 30)
    np.testing.assert_array_equal(draws[..., 0], np.float32(value))
    assert draws[..., 1].std() > 0.1


def test_images_that_are_too_few_are_told_and_still_drawn_from(rng):
    images = rng.normal(0, 1, (2, 6, 6, 1))
    with pytest.warns(KerasvizWarning, match="8 patches tell little about how 25 pixels") as caught:
        sampler = ConditionalGaussianSampler.fit(images, 5, patches=900)
    assert caught[0].filename == __file__
    draws = draws_of(sampler, images[0], (2, 2), (3, 3), 50)
    assert np.isfinite(draws).all()
    assert images.min() <= draws.min()
    assert draws.max() <= images.max()
    # One of the patches it was fitted on: what is around the window says almost all about it.
    np.testing.assert_allclose(draws.mean(0), images[0, 2:5, 2:5], atol=0.1)


def test_patches_of_smooth_images_whose_covariance_is_nearly_singular():
    x = np.linspace(0, 1, 16)
    shift = np.random.default_rng(0).uniform(0, 6, (40, 1, 1, 1))
    images = np.sin(shift + 5 * x[:, None, None] + 3 * x[None, :, None])
    sampler = ConditionalGaussianSampler.fit(images, 8, patches=4000)
    draws = draws_of(sampler, images[3], (5, 6), (4, 4), 100)
    # The wave goes on through the window; a hundredth is what the jitter leaves.
    np.testing.assert_allclose(draws.mean(0), images[3, 5:9, 6:10], atol=0.01)


def test_marginal_draws_are_the_same_place_of_all_images_in_a_random_order(rng):
    images = rng.normal(0, 1, (30, 7, 6, 2))
    sampler, orders = MarginalSampler(images), set()
    for start in ((0, 0), (4, 2), (5, 3)):
        draws = draws_of(sampler, images[0], start, (2, 3), 60, seed=1)
        window = images[:, start[0] : start[0] + 2, start[1] : start[1] + 3]
        which = [int(np.flatnonzero((window == draw).all((1, 2, 3)))[0]) for draw in draws]
        assert sorted(which[:30]) == list(range(30))
        assert which[30:] == which[:30]
        assert which[:10] != list(range(10))
        orders.add(tuple(which))
    assert len(orders) == 3


def test_each_image_is_drawn_first_equally_often(rng):
    sampler = MarginalSampler(np.arange(10.0).reshape(10, 1, 1, 1) * np.ones((1, 40, 50, 1)))
    starts = np.array([[r, c] for r in range(40) for c in range(50)])
    first = sampler.draw(np.zeros((40, 50, 1)), starts, (1, 1), np.zeros(2000, int), 3).ravel()
    counts = np.bincount(first.astype(int), minlength=10)
    assert np.abs(counts - 200).max() < 4.5 * np.sqrt(2000 * 0.1 * 0.9)


def test_kept_images_are_a_random_choice():
    images = np.arange(20.0).reshape(20, 1, 1, 1)
    kept = [MarginalSampler.fit(images, most=5, seed=seed).images.ravel() for seed in range(1000)]
    assert all(len(set(chosen)) == 5 for chosen in kept)
    counts = np.bincount(np.concatenate(kept).astype(int), minlength=20)
    assert np.abs(counts - 250).max() < 4.5 * np.sqrt(1000 * 0.25 * 0.75)


def test_changes_to_the_images_after_fitting_are_not_seen(rng):
    images = rng.normal(0, 1, (4, 5, 5, 1))
    for sampler in (MarginalSampler(images), MarginalSampler.fit([images])):
        before = draws_of(sampler, images[0], (1, 1), (2, 2), 4)
        images += 1
        np.testing.assert_array_equal(draws_of(sampler, images[0], (1, 1), (2, 2), 4), before)


@pytest.mark.parametrize("start", [(0, 0), (2, 1), (4, 3)])
def test_the_images_own_windows_come_from_every_other_place_equally_often(start):
    image = np.arange(36.0).reshape(6, 6, 1)[:, :5]
    count = 9000
    draws = draws_of(ImageSampler(), image, start, (2, 2), count, seed=2)
    corners = draws[:, 0, 0, 0].astype(int)
    for draw, corner in zip(draws[:200], corners, strict=False):
        row, column = divmod(corner, 6)
        np.testing.assert_array_equal(draw, image[row : row + 2, column : column + 2])
    places = {r * 6 + c for r in range(5) for c in range(4)} - {start[0] * 6 + start[1]}
    assert set(corners) == places
    counts = np.bincount(corners)[sorted(places)]
    assert np.abs(counts - count / 19).max() < 4.5 * np.sqrt(count / 19)


GOOD = np.random.default_rng(0).normal(0, 1, (6, 8, 7, 3))
BAD_IMAGES = {
    "NaN": (np.where(np.arange(7)[:, None] == 3, np.nan, GOOD), "NaN"),
    "infinite": (np.full((2, 8, 7, 3), np.inf), "NaN"),
    "strings": (np.full((2, 8, 7, 3), "a"), "type"),
    "no batch axis": (np.zeros((8, 3)), "shape"),
    "none": (np.zeros((0, 8, 7, 3)), "No images"),
    "no batches": ([], "No images"),
    "no iterable": (5, "int"),
    "ragged": ([[[1.0], [2.0, 3.0]]], "type"),
    "channels": ([GOOD, GOOD[..., :1]], "channels"),
    "axes": ([GOOD, GOOD[..., 0]], "axes"),
}


@pytest.mark.parametrize("problem", BAD_IMAGES)
@pytest.mark.parametrize("fit", [MarginalSampler.fit, lambda images: ConditionalGaussianSampler.fit(images, 3)])
def test_images_that_cannot_be_drawn_from(problem, fit):
    images, words = BAD_IMAGES[problem]
    with pytest.raises(InputError, match=words):
        fit(images)


def test_what_else_is_refused():
    with pytest.raises(InputError, match="6 x 5, smaller than patches of 7 x 7"):
        ConditionalGaussianSampler.fit(np.zeros((2, 6, 5, 1)), 7)
    with pytest.raises(InputError, match="one size"):
        MarginalSampler.fit([GOOD, GOOD[:, :5]])
    with pytest.raises(InputError, match="1 image to draw from"):
        MarginalSampler(GOOD[:1])
    for settings in ({"patches": 0}, {"patches": 10.0}, {"seed": -1}, {"size": (3, 3, 3)}, {"size": 0}, {"size": "a"}):
        with pytest.raises(SettingError, match=next(iter(settings))):
            ConditionalGaussianSampler.fit(GOOD, **{"size": 3, **settings})
    for settings in ({"most": 0}, {"seed": 1.5}):
        with pytest.raises(SettingError, match=next(iter(settings))):
            MarginalSampler.fit(GOOD, **settings)
    mean, covariance = np.zeros((2, 3)), np.stack([np.eye(3)] * 2)
    for broken in (
        (mean, covariance[:1], [0, 0], [1, 1]),
        (mean, covariance[:, :2], [0, 0], [1, 1]),
        (mean, covariance, [0], [1, 1]),
        (mean[:, 0], covariance, [0, 0], [1, 1]),
        (mean, -covariance, [0, 0], [1, 1]),
    ):
        with pytest.raises(InputError, match=r"shapes|positive definite"):
            ConditionalGaussianSampler(*broken)


@pytest.mark.parametrize(
    ("shape", "size", "error", "words"),
    [
        ((8, 7, 2), (3, 3), InputError, "channels"),
        ((8, 3), (3,), InputError, "axes"),
        ((8, 4, 3), (3, 3), InputError, "smaller than the patches of 5 x 5"),
        ((8, 7, 3), (6, 3), SettingError, "window=6 x 3"),
    ],
)
def test_images_and_windows_that_a_gaussian_does_not_fit(shape, size, error, words):
    sampler = ConditionalGaussianSampler.fit(GOOD, 5, patches=100)
    sampler.check((5, 5, 3), (5, 5), "image")
    with pytest.raises(error, match=words):
        sampler.check(shape, size, "image")


def test_images_that_other_samplers_do_not_fit():
    MarginalSampler(GOOD).check((8, 7, 3), (8, 7), "image")
    with pytest.raises(InputError, match=r"'image' has images of \(7, 8, 3\)"):
        MarginalSampler(GOOD).check((7, 8, 3), (2, 2), "image")
    ImageSampler().check((8, 7, 3), (8, 6), "image")
    with pytest.raises(SettingError, match="8 x 7"):
        ImageSampler().check((8, 7, 3), (8, 7), "image")
