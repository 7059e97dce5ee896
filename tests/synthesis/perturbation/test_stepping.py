"""FGSM and PGD against closed forms and vectors by hand."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers as L
from reference.linear_networks import linear, nearest

from kerasviz.errors import SettingError
from kerasviz.synthesis.perturbation.odds import log_odds, margin, strongest_others
from kerasviz.synthesis.perturbation.stepping import FGSM, PGD


@pytest.fixture(scope="module")
def binary():
    """A single linear unit under a sigmoid: its weights, its model, and points on both sides."""
    weights = np.float32([1, -2, 0.5, 0])
    return weights, linear(weights[:, None], np.float32([0.1]), "sigmoid"), np.float32([[1, 0, 0, 3], [-1, 1, 2, 3]])


@keras.saving.register_keras_serializable("perturbation")
def saturated(x):
    return 1 - keras.ops.relu(1 - x)


@pytest.fixture(scope="module")
def bent():
    """Scores 1 - relu(1 - x): they grow with x as far as 1."""
    return keras.Sequential([keras.Input((5,)), L.Lambda(saturated), L.Softmax()])


@pytest.mark.parametrize("norm", ["linf", pytest.param("l2", marks=pytest.mark.slow)])
def test_one_step_of_a_linear_unit(binary, norm):
    weights, model, points = binary
    way = np.sign(weights) if norm == "linf" else weights / np.linalg.norm(weights)
    attack = FGSM(model, norm=norm)
    # The first is of class 1, and led away from it; then both are led to class 1.
    away, towards = attack(points, 0.25), attack(points, 0.25, target=1)
    assert away.classes.tolist() == [1, 0]
    np.testing.assert_allclose(away.points, points + 0.25 * np.stack([-way, way]), atol=1e-6)
    np.testing.assert_allclose(towards.points, points + 0.25 * way, atol=1e-6)
    each = attack(points, 0.25, target=[0, 1]).points
    np.testing.assert_allclose(each, points + 0.25 * np.stack([-way, way]), atol=1e-6)
    np.testing.assert_allclose(attack(points, 0.25, labels=1).points, points - 0.25 * way, atol=1e-6)


@pytest.mark.slow
def test_many_steps_of_a_linear_unit_reach_the_same_edge(binary):
    weights, model, points = binary
    for norm, way in (("linf", np.sign(weights)), ("l2", weights / np.linalg.norm(weights))):
        found = PGD(model, norm=norm, steps=10, random_start=False)(points, 0.25, target=1)
        np.testing.assert_allclose(found.points, points + 0.25 * way, atol=1e-5)
        np.testing.assert_allclose(found.distances, 0.25, rtol=1e-5)
    # From a point drawn anywhere, too, where every value matters to the class.
    found = PGD(model, steps=20)(points, 0.25, target=1)
    np.testing.assert_allclose(found.points[:, :3], (points + 0.25 * np.sign(weights))[:, :3], atol=1e-6)


@pytest.mark.slow
def test_the_gradient_of_the_cross_entropy_in_closed_form(rng):
    weights, bias = rng.standard_normal((6, 4)).astype("float32"), rng.standard_normal(4).astype("float32")
    points = rng.standard_normal((20, 6)).astype("float32")
    model = linear(weights, bias)
    probabilities = model.predict(points, verbose=0).astype("float64")
    own = probabilities.argmax(axis=1)
    # The cross-entropy with class k has the gradient W (p - 1_k).
    slopes = (probabilities - np.eye(4)[own]) @ weights.T
    for norm, ways in (("linf", np.sign(slopes)), ("l2", slopes / np.linalg.norm(slopes, axis=1, keepdims=True))):
        np.testing.assert_allclose(FGSM(model, norm=norm)(points, 2.0).points, points + 2 * ways, atol=2e-5)


@pytest.mark.slow
def test_the_way_is_right_where_probabilities_are_exactly_one(rng):
    weights, points = rng.standard_normal((8, 2)).astype("float32"), rng.standard_normal((30, 8)).astype("float32")
    model = linear(weights * 1e4, np.zeros(2, "float32"))
    found = FGSM(model)(points, 0.5)
    # The gradient of the cross-entropy is a multiple of this.
    assert (found.outputs.min(axis=1) == 0).mean() > 0.9
    lead = np.sign(weights[:, 0] - weights[:, 1])
    ways = np.where(found.classes[:, None] == 0, -lead, lead)
    np.testing.assert_allclose(found.points, points + 0.5 * ways, atol=1e-6)


@pytest.mark.slow
def test_vectors_of_a_bent_network(bent):
    points = np.float32([[2, -9, 9, 1, -3]])
    # Scores are 1, -9, 1, 1, -3. Where they have saturated, nothing moves; class 1 is left, 4 is another.
    np.testing.assert_allclose(FGSM(bent)(points, 0.1, labels=1).points, [[2, -9.1, 9, 1, -2.9]], atol=1e-6)
    np.testing.assert_allclose(FGSM(bent)(points, 0.1, target=1).points, [[2, -8.9, 9, 1, -3.1]], atol=1e-6)
    # The odds of class 1 fall by 1 with x1, and by nearly nothing with x4: e^-3 / (3 e).
    small = np.exp(-3) / (3 * np.e + np.exp(-3))
    way = np.array([0, -1, 0, 0, small]) / np.hypot(1, small)
    np.testing.assert_allclose(FGSM(bent, norm="l2")(points, 0.1, labels=1).points, points + 0.1 * way, atol=1e-6)


@pytest.mark.slow
def test_steps_of_a_bent_network_by_hand(bent):
    points = np.float32([[0.95, 0, 0, 0, 0]])
    attack = PGD(bent, steps=2, step=0.5, random_start=False)
    # Beyond 1 the first score has no gradient, and stays; the others fall by 0.1 twice.
    np.testing.assert_allclose(attack(points, 0.2, target=0).points, [[1.05, -0.2, -0.2, -0.2, -0.2]], atol=1e-6)
    # Away from class 0: four times as many steps as fit, and each is held at the side of the box.
    attack = PGD(bent, steps=8, step=0.5, random_start=False, bounds=(-0.5, 0.96))
    np.testing.assert_allclose(attack(points, 0.2).points, [[0.75, 0.2, 0.2, 0.2, 0.2]], atol=1e-6)
    points[0, 1] = -0.4
    found = attack(points, 0.2, target=4).points
    np.testing.assert_allclose(found, [[0.75, -0.5, -0.2, -0.2, 0.2]], atol=1e-6)


@pytest.mark.slow
def test_the_margin_looks_at_the_strongest_other_class_alone():
    weights = np.float32([[1, 0, 0.9], [0, 1, 0], [0, 0, 0.1]])
    points = np.float32([[1, 0.5, 0]])
    model = linear(weights, np.zeros(3, "float32"))
    margin = PGD(model, steps=1, step=1, random_start=False, loss="margin")(points, 0.3, labels=0)
    # Class 2 is the strongest other: 0.9 x0 + 0.1 x2 less x0.
    np.testing.assert_allclose(margin.points, [[0.7, 0.5, 0.3]], atol=1e-6)
    entropy = PGD(model, steps=1, step=1, random_start=False)(points, 0.3, labels=0)
    np.testing.assert_allclose(entropy.points, [[0.7, 0.8, 0.3]], atol=1e-6)


@pytest.mark.slow
def test_the_best_point_on_the_way_is_kept():
    """The scores are x and its fold: steps of the whole radius overshoot the peak at 0.3, and come back."""
    inputs = keras.Input((1,))
    peak = 1 - keras.ops.abs(inputs - 0.35)
    model = keras.Model(inputs, L.Softmax()(L.Concatenate()([peak, keras.ops.zeros_like(inputs)])))
    points = np.float32([[0.0]])
    found = PGD(model, steps=3, step=0.4, random_start=False)(points, 1.0, target=0)
    # On the way lie 0, 0.4, 0 and 0.4.
    np.testing.assert_allclose(found.points, [[0.4]], atol=1e-6)
    assert PGD(model, steps=2, step=0.4, random_start=False)(points, 1.0, target=0).points[0, 0] == np.float32(0.4)


@pytest.mark.slow
@pytest.mark.parametrize(("norm", "order"), [("linf", 1), ("l2", 2)])
def test_it_finds_what_linear_networks_have(norm, order, rng):
    weights, bias = rng.standard_normal((12, 4)).astype("float32"), rng.standard_normal(4).astype("float32")
    points = rng.standard_normal((200, 12)).astype("float32")
    _, distances = nearest(weights, bias, points, order)
    radius = float(np.median(distances.min(axis=1)))
    there = distances.min(axis=1) <= radius
    for loss, share in (("margin", 0.95), ("cross_entropy", 0.9)):
        found = PGD(linear(weights, bias), norm=norm, loss=loss, batch_size=200)(points, radius)
        assert not found.success[~there].any() and found.success.sum() >= share * there.sum()
    k = 2
    there = (distances[:, k] <= radius) & (distances.min(axis=1) == distances[:, k])
    found = PGD(linear(weights, bias), norm=norm, batch_size=200)(points, 1.3 * radius, target=k)
    assert there.any() and found.success[there].mean() > 0.9
    assert not found.success[(distances[:, k] > 1.31 * radius) & np.isfinite(distances[:, k])].any()


@pytest.mark.parametrize("norm", [pytest.param("linf", marks=pytest.mark.slow), "l2"])
@pytest.mark.parametrize("offset", [0, pytest.param(10000, marks=pytest.mark.slow)])
def test_points_leave_neither_neighbourhood_nor_bounds(network, norm, offset):
    model, images = network
    images, bounds = images + np.float32(offset), (offset - 1, offset + 1)
    # Far from zero, rounding to single precision is a good part of the radius.
    model = keras.Sequential([keras.Input((7, 6, 2)), L.Rescaling(1.0, -float(offset)), model])
    radius = 0.0614 if norm == "linf" else 0.31
    found = PGD(model, norm=norm, steps=7, bounds=bounds)(images, radius)
    change = found.points.astype("float64") - images.astype("float64")
    sizes = np.abs(change).max(axis=(1, 2, 3)) if norm == "linf" else np.sqrt((change**2).sum(axis=(1, 2, 3)))
    assert sizes.max() <= radius and sizes.max() > (0.97 if norm == "linf" else 0.9) * radius
    np.testing.assert_array_equal(found.distances, sizes)
    assert found.points.min() >= bounds[0] and found.points.max() <= bounds[1]
    np.testing.assert_array_equal(found.perturbations, change.astype("float32"))
    assert found.success.any()


@pytest.mark.slow
def test_nothing_moves_within_no_radius(network):
    model, images = network
    for norm in ("linf", "l2"):
        for attack in (FGSM(model, norm=norm), PGD(model, norm=norm, steps=2)):
            found = attack(images, 0)
            np.testing.assert_array_equal(found.points, images)
            assert not found.success.any() and not found.distances.any()


@pytest.mark.slow
def test_seeds(network):
    model, images = network
    attack = PGD(model, norm="l2", steps=3)
    first, again, other = (attack(images, 0.2, seed=seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first.points, again.points)
    assert (first.points != other.points).any()
    assert (first.settings["seed"], other.settings["seed"]) == (1, 2)
    still = PGD(model, norm="l2", steps=3, random_start=False)
    np.testing.assert_array_equal(still(images, 0.2, seed=1).points, still(images, 0.2, seed=2).points)


def test_odds_and_margins():
    scores = tf.constant([[1.0, 3.0, 2.0], [200.0, 0.0, -200.0]])
    classes = tf.constant([1, 0])
    others = np.log(np.exp(1) + np.exp(2))
    np.testing.assert_allclose(log_odds(scores, classes), [3 - others, 200], rtol=1e-6)
    probabilities = tf.nn.softmax(scores)[0, 1]
    np.testing.assert_allclose(log_odds(scores, classes)[0], np.log(probabilities / (1 - probabilities)), rtol=1e-5)
    np.testing.assert_allclose(margin(scores, classes), [1, 200])
    assert strongest_others(scores, classes, 2).numpy().tolist() == [[2, 0], [1, 2]]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"steps": 0}, "steps=0"),
        ({"step": 0}, "step=0"),
        ({"step": True}, "step=True"),
        ({"step": np.inf}, "step=inf"),
        ({"loss": "mse"}, "'cross_entropy', 'margin'"),
        ({"norm": "l1"}, "'linf', 'l2'"),
    ],
)
def test_wrong_settings(network, settings, message):
    with pytest.raises(SettingError, match=message):
        PGD(network[0], **settings)
