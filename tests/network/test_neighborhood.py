"""Boxes and balls, compared in double precision; directions and their slopes."""

import numpy as np
import pytest
import tensorflow as tf

from kerasviz.errors import SettingError
from kerasviz.network.neighborhood import (
    Neighborhood,
    box,
    checked_bounds,
    checked_radius,
    into_ball,
    slope,
    steepest,
)


def exact(radius):
    return tf.constant(radius, tf.float64)


def lengths(change):
    return np.sqrt((change.astype("float64").reshape(len(change), -1) ** 2).sum(axis=1))


def graph(body, *arguments):
    return tf.nest.map_structure(np.asarray, tf.function(body, autograph=False)(*arguments))


@pytest.mark.parametrize("offset", [0.0, 1.0, 1e4, -3e6])
@pytest.mark.parametrize("radius", [0.0, 1e-3, 0.3, 61.9 * 2**-10, 8.0])
def test_the_sides_of_a_box_are_the_outermost_numbers_inside(offset, radius, rng):
    images = (rng.standard_normal((50, 3, 2)) + offset).astype("float32")
    low, high = (side.numpy() for side in box(tf.constant(images), exact(radius)))
    for side, outward in ((low, -np.inf), (high, np.inf)):
        assert np.abs(side.astype("float64") - images.astype("float64")).max() <= radius
        # Two numbers further out, all are outside: no side is needlessly near.
        beyond = np.nextafter(np.nextafter(side, np.float32(outward)), np.float32(outward))
        assert np.abs(beyond.astype("float64") - images.astype("float64")).min() > radius * (1 - 1e-12)
    assert (low <= images).all() and (images <= high).all()


def test_a_box_ends_at_the_bounds():
    low, high = box(tf.constant([[0.0, 100.0, 254.0]]), exact(3.0), (0, 255))
    np.testing.assert_array_equal(low, [[0, 97, 251]])
    np.testing.assert_array_equal(high, [[3, 103, 255]])


@pytest.mark.parametrize("offset", [0.0, 1.0, 1e4, -3e6])
@pytest.mark.parametrize("radius", [0.0, 0.37, 5.0])
def test_no_point_leaves_the_ball(offset, radius, rng):
    images = (rng.standard_normal((200, 5, 4)) + offset).astype("float32")
    points = images + 3 * rng.standard_normal(images.shape).astype("float32")
    pulled = into_ball(tf.constant(points), tf.constant(images), exact(radius)).numpy()
    change = pulled.astype("float64") - images
    assert lengths(change).max() <= radius
    way = points.astype("float64") - images
    wanted = way * np.minimum(1, radius / lengths(way))[:, None, None]
    # Rounded towards the image, by two numbers of single precision at most.
    np.testing.assert_allclose(change, wanted, atol=2 * np.spacing(np.float32(np.abs(offset) + 8)), rtol=1e-6)


def test_no_point_leaves_the_ball_in_double_precision(rng):
    """Where no rounding to single precision draws it in."""
    images, way = rng.standard_normal((500, 7)), rng.standard_normal((500, 7))
    pulled = into_ball(tf.constant(images + 9 * way), tf.constant(images), exact(0.1)).numpy()
    assert lengths(pulled - images).min() > 0.1 - 1e-9 and lengths(pulled - images).max() <= 0.1


def test_points_inside_the_ball_stay_to_the_bit(rng):
    images = rng.standard_normal((9, 6)).astype("float32") * 100
    points = images + rng.standard_normal((9, 6)).astype("float32") / 10
    np.testing.assert_array_equal(into_ball(tf.constant(points), tf.constant(images), exact(5.0)), points)


def test_projections_of_a_neighbourhood():
    images, points = tf.constant([[0.0, 10.0]]), tf.constant([[-6.0, 18.0]])

    def projected(norm, bounds, **how):
        return Neighborhood(images, exact(5.0), norm, bounds).project(points, **how).numpy()

    np.testing.assert_array_equal(projected("linf", None), [[-5, 15]])
    np.testing.assert_array_equal(projected("linf", (0, 12)), [[0, 12]])
    for how in ({}, {"exact": False}):
        np.testing.assert_allclose(projected("l2", None, **how), [[-3, 14]], atol=1e-6)
        np.testing.assert_allclose(projected("l2", (0, 12), **how), [[0, 12]], atol=1e-6)
    inside = Neighborhood(images, exact(11.0), "l2", None).project(points, exact=False)
    np.testing.assert_array_equal(inside, points)
    at_itself = Neighborhood(images, exact(1.0), "l2", None).project(images, exact=False)
    np.testing.assert_array_equal(at_itself, images)


@pytest.mark.slow
@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_drawn_points_fill_the_neighbourhood_evenly(norm):
    images = tf.constant(np.float32([[0.2, -0.5], [0.9, 0.5]]))
    seeds = np.stack([np.arange(2000), np.zeros(2000)], axis=1).astype("int32")
    near = Neighborhood(images, exact(2.0), norm, None)
    drawn = graph(lambda s: tf.map_fn(near.drawn, s, fn_output_signature=tf.float32), seeds) - images.numpy()
    np.testing.assert_allclose(drawn[:, 0], drawn[:, 1], atol=1e-6)
    change = drawn[:, 0].astype("float64")
    sizes = np.abs(change).max(axis=1) if norm == "linf" else lengths(change)
    # In two dimensions a quarter of the area lies within half of the radius, whatever the norm.
    assert sizes.max() <= 2 + 1e-6 and abs((sizes < 1).mean() - 0.25) < 0.03
    assert np.abs(change.mean(axis=0)).max() < 0.08
    quadrants = np.bincount((change > 0) @ [1, 2], minlength=4) / len(change)
    np.testing.assert_allclose(quadrants, 0.25, atol=0.04)


@pytest.mark.slow
def test_drawn_points_keep_to_ball_and_bounds(rng):
    images = rng.uniform(0, 255, (20, 4, 3)).astype("float32")
    for norm, radius in (("linf", 30.3), ("l2", 100.7)):
        points = graph(lambda x, n=norm, r=radius: Neighborhood(x, exact(r), n, (0, 255)).drawn([3, 0]), images)
        change = points.astype("float64") - images
        assert (np.abs(change).max() if norm == "linf" else lengths(change).max()) <= radius
        assert points.min() >= 0 and points.max() <= 255 and np.abs(change).max() > 20


def test_directions_and_slopes():
    gradients = tf.constant([[3.0, -4.0, 0.0], [0.0, 0.0, 0.0]])
    np.testing.assert_array_equal(steepest(gradients, "linf"), [[1, -1, 0], [0, 0, 0]])
    np.testing.assert_allclose(steepest(gradients, "l2"), [[0.6, -0.8, 0], [0, 0, 0]], rtol=1e-6)
    # Along the direction of length 1 a linear function grows by its dual norm.
    np.testing.assert_allclose(slope(gradients, "linf"), [7, 0])
    np.testing.assert_allclose(slope(gradients, "l2"), [5, 0], rtol=1e-6)


@pytest.mark.parametrize("size", [1e-30, 1e30])
def test_directions_of_gradients_whose_squares_single_precision_cannot_hold(size):
    gradients = tf.constant([[3.0, -4.0]]) * size
    np.testing.assert_allclose(steepest(gradients, "l2"), [[0.6, -0.8]], rtol=1e-6)
    np.testing.assert_allclose(slope(gradients, "l2"), [5 * size], rtol=1e-6)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_gradients_that_are_not_finite_move_nothing(bad):
    gradients = tf.constant([[bad, -4.0], [3.0, -4.0]])
    np.testing.assert_array_equal(steepest(gradients, "linf"), [[0, -1], [1, -1]])
    np.testing.assert_allclose(steepest(gradients, "l2"), [[0, 0], [0.6, -0.8]], rtol=1e-6)
    np.testing.assert_allclose(slope(gradients, "linf"), [4, 7])
    np.testing.assert_allclose(slope(gradients, "l2"), [0, 5], rtol=1e-6)


@pytest.mark.parametrize("radius", [-1, np.nan, np.inf, True, "4", None])
def test_wrong_radii(radius):
    with pytest.raises(SettingError, match="radius="):
        checked_radius(radius)


@pytest.mark.parametrize("bounds", [(1, 0), 255, (0, np.inf), (np.nan, 1), (0, 1, 2), "ab"])
def test_wrong_bounds(bounds):
    with pytest.raises(SettingError, match="bounds="):
        checked_bounds(bounds)


def test_right_ones():
    assert (checked_radius(np.float32(2)), checked_bounds(None), checked_bounds([0, 255])) == (2.0, None, (0.0, 255.0))
