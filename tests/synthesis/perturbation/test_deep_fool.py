"""DeepFool against the nearest boundaries of linear networks, which are known."""

import keras
import numpy as np
import pytest
from keras import layers as L
from reference.linear_networks import linear, nearest

from kerasviz.errors import SettingError
from kerasviz.synthesis.perturbation.deep_fool import DeepFool

ORDERS = [pytest.param("linf", 1, marks=pytest.mark.slow), ("l2", 2)]


@pytest.fixture(scope="module")
def case():
    """Weights and bias of a linear network of five classes, its model, and points."""
    rng = np.random.default_rng(1)
    weights, bias = rng.standard_normal((12, 5)).astype("float32"), rng.standard_normal(5).astype("float32")
    return weights, bias, linear(weights, bias), rng.standard_normal((60, 12)).astype("float32")


@pytest.mark.slow
@pytest.mark.parametrize(("norm", "order"), ORDERS)
def test_exact_on_a_linear_network(case, norm, order):
    weights, bias, model, points = case
    own, distances = nearest(weights, bias, points, order)
    touched = DeepFool(model, norm=norm, overshoot=0)(points)
    np.testing.assert_allclose(touched.distances, distances.min(axis=1), rtol=1e-5, atol=1e-7)
    crossed = DeepFool(model, norm=norm)(points)
    np.testing.assert_allclose(crossed.distances, 1.02 * distances.min(axis=1), rtol=1e-5, atol=1e-7)
    np.testing.assert_array_equal(crossed.new_classes, distances.argmin(axis=1))
    assert crossed.success.all() and crossed.radius is None
    # The point itself: along the difference of the weights, by its length in the norm.
    for i in range(5):
        way = weights[:, distances[i].argmin()] - weights[:, own[i]].astype("float64")
        unit = np.sign(way) if norm == "linf" else way / np.linalg.norm(way)
        np.testing.assert_allclose(crossed.points[i], points[i] + 1.02 * distances[i].min() * unit, atol=1e-5)


@pytest.mark.slow
def test_only_the_classes_with_the_highest_scores_are_candidates(case):
    weights, bias, model, points = case
    _, distances = nearest(weights, bias, points, 2)
    second = np.argsort(points.astype("float64") @ weights + bias, axis=1)[:, -2]
    found = DeepFool(model, overshoot=0, top=2, steps=1)(points)
    to_second = distances[np.arange(60), second]
    assert (to_second > distances.min(axis=1) * 1.01).any()
    np.testing.assert_allclose(found.distances, to_second, rtol=1e-5)


@pytest.mark.slow
def test_a_target_is_reached_and_no_nearer_than_its_boundary(case):
    weights, bias, model, points = case
    own, distances = nearest(weights, bias, points, 2)
    found = DeepFool(model)(points, target=3)
    assert found.success.all() and (found.new_classes == 3).all()
    there = own == 3
    assert there.any() and (found.distances[there] == 0).all()
    least = distances[~there, 3]
    assert (found.distances[~there] >= least).all()
    # Where no third class lies between, the boundary is exact.
    straight = np.isclose(found.distances[~there], 1.02 * least, rtol=1e-5)
    assert straight.mean() > 0.4


@pytest.mark.slow
def test_images_of_another_class_than_their_label_stay(case):
    *_, model, points = case
    plain = DeepFool(model)(points)
    labels = plain.classes.copy()
    labels[::2] = (labels[::2] + 1) % 5
    found = DeepFool(model)(points, labels=labels)
    assert (found.distances[::2] == 0).all() and found.success.all()
    np.testing.assert_array_equal(found.points[1::2], plain.points[1::2])


@pytest.mark.slow
def test_a_single_unit_under_a_sigmoid():
    weights = np.float32([3, -4])
    model = linear(weights[:, None], np.float32([1]), "sigmoid")
    points = np.float32([[1, 0], [-1, 1], [0, 0.25]])
    found = DeepFool(model)(points)
    np.testing.assert_allclose(found.distances[:2], 1.02 * np.abs(points[:2] @ weights + 1) / 5, rtol=1e-5)
    assert found.classes.tolist()[:2] == [1, 0] and found.new_classes.tolist()[:2] == [0, 1]


@pytest.mark.slow
def test_bounds_are_kept_and_the_boundary_still_crossed():
    # Both values should fall, but the first is at the bound already.
    model = linear(np.float32([[3, 0], [4, 0]]), np.float32([0, 2]))
    found = DeepFool(model, bounds=(0, 1))(np.float32([[0, 0.75]]))
    assert found.success.all() and found.points[0, 0] == 0
    np.testing.assert_allclose(found.points[0, 1], 0.75 - 1.02 * 0.25, atol=1e-6)
    free = DeepFool(model)(np.float32([[0, 0.75]]))
    np.testing.assert_allclose(free.distances, 1.02 / 5, rtol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_a_curved_network_is_fooled_from_less_far_than_by_one_step(network, norm):
    model, images = network
    found = DeepFool(model, norm=norm)(images)
    assert found.success.all() and (found.new_classes != found.classes).all()
    # Just over the boundary, where the two classes are nearly equal.
    assert np.abs(found.new_confidences[:, 1] - found.confidences[:, 1]).max() < 0.1
    one = DeepFool(model, norm=norm, steps=1)(images)
    assert not one.success.all()
    np.testing.assert_allclose(one.points[one.success], found.points[one.success], atol=1e-6)


@pytest.mark.slow
def test_a_network_without_slope_stays_where_it_is():
    model = linear(np.zeros((3, 2), "float32"), np.float32([1, 0]))
    found = DeepFool(model, steps=3)(np.ones((2, 3)))
    np.testing.assert_array_equal(found.points, np.ones((2, 3)))
    assert not found.success.any()


@pytest.mark.slow
def test_gradients_of_a_network_with_a_loop_inside():
    inputs = keras.Input((6, 3))
    x = L.GRU(4)(inputs)
    model = keras.Model(inputs, L.Dense(3, activation="softmax")(x))
    images = np.random.default_rng(0).standard_normal((5, 6, 3)).astype("float32")
    assert DeepFool(model)(images).success.all()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"steps": 0}, "steps=0"),
        ({"top": 1}, "top=1"),
        ({"overshoot": -0.1}, "overshoot=-0.1"),
        ({"overshoot": np.nan}, "overshoot=nan"),
        ({"overshoot": True}, "overshoot=True"),
        ({"norm": "l1"}, "'linf', 'l2'"),
    ],
)
def test_wrong_settings(network, settings, message):
    with pytest.raises(SettingError, match=message):
        DeepFool(network[0], **settings)
