import keras
import numpy as np
import pytest
from keras import layers as L

from kerasviz.data import shapes
from kerasviz.errors import InputError, LayerError, SettingError
from kerasviz.features.changes.correspondence import correspondence, hamming

BOXES = np.array([[1, 2, 4, 5], [3, 0, 7, 2], [0, 3, 2, 6]])


def network(nested=False):
    """Six by eight pixels; weights that are seeded, so that no feature is zero by chance."""
    inputs = keras.Input((6, 8, 2))
    x = L.Conv2D(3, 3, padding="same", activation="relu", name="conv")(inputs)
    x = L.Conv2D(4, 3, padding="same", name="linear")(x)
    base = keras.Model(inputs, x, name="base")
    if nested:
        inputs = keras.Input((6, 8, 2))
        x = base(inputs)
    x = L.GlobalAveragePooling2D(name="gap")(x)
    model = keras.Model(inputs, L.Dense(5, activation="softmax", name="predictions")(x))
    rng = np.random.default_rng(0)
    model.set_weights([rng.normal(size=w.shape) for w in model.get_weights()])
    return model


@pytest.fixture
def images(rng):
    return rng.normal(size=(3, 6, 8, 2)).astype("float32")


def brute_force(model, layer, images, boxes, fill):
    """The Hamming distances of Zeiler and Fergus 2014, 4.3, an image, a pair and a unit at a time."""
    features = keras.Model(model.inputs[0], model.get_layer(layer).output)
    signs = []
    for image, (x0, y0, x1, y1) in zip(images, boxes, strict=True):
        hidden = image.copy()
        hidden[y0:y1, x0:x1] = fill(image)
        change = features(image[None]).numpy() - features(hidden[None]).numpy()
        signs.append([0 if abs(c) < 1e-5 else np.sign(c) for c in change.ravel()])
    return np.array([[sum(a != b for a, b in zip(p, q, strict=True)) for p in signs] for q in signs])


def test_zero_is_a_sign_of_its_own():
    assert hamming(np.array([[1, -1, 1, 0], [1, 1, 1, -1]], np.int8)).tolist() == [[0, 2], [2, 0]]


def test_distances_of_many_units_are_those_counted_one_by_one(rng):
    # More than fit into one block, and some where nothing changes.
    signs = rng.integers(-1, 2, size=(4, 70_000)).astype(np.int8)
    signs[:, rng.random(70_000) < 0.5] = 0
    signs[:, [0, 2**16 - 1, 2**16, -1]] = [[1], [-1], [0], [1]]
    wanted = [[(a != b).sum() for a in signs] for b in signs]
    assert hamming(signs).tolist() == wanted


@pytest.mark.parametrize(
    ("fill", "value"),
    [
        ("grey", lambda image: (image.min() + image.max()) / 2),
        ("mean", lambda image: image.mean(axis=(0, 1))),
        (0.25, lambda image: 0.25),
        ([1.0, -2.0], lambda image: [1.0, -2.0]),
    ],
)
def test_distances_are_those_of_the_paper(images, fill, value):
    model = network()
    found = correspondence(model, images, {"box": BOXES}, layers=["conv", "linear", "gap"], fill=fill, random=0)
    for layer in ("conv", "linear", "gap"):
        wanted = brute_force(model, layer, images, BOXES, value)
        assert found.distances["box"][layer].tolist() == wanted.tolist()
    assert 0 < found.distances["box"]["conv"][0, 1] < 6 * 8 * 3


def test_rows_are_shares_over_unordered_pairs(images):
    found = correspondence(network(), images, {"box": BOXES}, layers="linear", random=4)
    (row,) = found.rows()
    distances = found.distances["box"]["linear"]
    shares = np.array([distances[0, 1], distances[0, 2], distances[1, 2]]) / (6 * 8 * 4)
    assert (row["part"], row["layer"], row["units"], row["pairs"]) == ("box", "linear", 192, 3)
    assert row["delta"] == 2 * (distances[0, 1] + distances[0, 2] + distances[1, 2])
    assert (row["mean"], row["std"]) == pytest.approx((shares.mean(), shares.std()))
    random = found.random["box"]["linear"]
    assert random.shape == (4, 3, 3)
    by_chance = np.array([[each[0, 1], each[0, 2], each[1, 2]] for each in random]) / 192
    assert (row["random_mean"], row["random_std"]) == pytest.approx((by_chance.mean(), by_chance.std()))
    assert f"{row['mean']:.3f} ± {row['std']:.3f}" in str(found)


def test_hiding_flips_the_units_that_it_should():
    """A unit per pixel that is the pixel: hiding a bright part lowers it, hiding a dark one raises it."""
    inputs = keras.Input((2, 4, 1))
    model = keras.Model(inputs, L.Conv2D(1, 1, use_bias=False, name="pixel")(inputs))
    model.set_weights([np.ones((1, 1, 1, 1))])
    images = np.zeros((3, 2, 4, 1), "float32")
    images[0, 0, 0], images[1, 0, 0], images[2, 0, 0] = 5, 7, -3  # bright, bright, dark
    found = correspondence(model, images, {"corner": [[0, 0, 1, 1]] * 3}, layers="pixel", fill=0, random=0)
    assert found.distances["corner"]["pixel"].tolist() == [[0, 0, 1], [0, 0, 1], [1, 1, 0]]
    assert found.rows()[0]["mean"] == pytest.approx((0 + 1 + 1) / 3 / 8)
    assert found.rows()[0]["random_mean"] is None


def test_changes_within_the_tolerance_are_no_change():
    """Pixels of 1, of which the second is raised by a ten-millionth of the largest feature."""
    inputs = keras.Input((1, 2, 1))
    model = keras.Model(inputs, L.Conv2D(1, 1, use_bias=False, name="pixel")(inputs))
    model.set_weights([np.ones((1, 1, 1, 1))])
    images = np.array([[100, 1], [100, 1 + 1e-5]], "float32").reshape(2, 1, 2, 1)
    given = {"layers": "pixel", "fill": 1, "random": 0}
    part = {"right": [[1, 0, 2, 1]] * 2}
    assert correspondence(model, images, part, **given).rows()[0]["delta"] == 0
    assert correspondence(model, images, part, tolerance=0, **given).rows()[0]["delta"] == 2


def test_masks_and_boxes_mean_the_same(images):
    masks = np.zeros((3, 6, 8), bool)
    for mask, (x0, y0, x1, y1) in zip(masks, BOXES, strict=True):
        mask[y0:y1, x0:x1] = True
    both = correspondence(network(), images, {"boxes": BOXES, "masks": masks}, layers="linear", random=2)
    assert both.distances["boxes"]["linear"].tolist() == both.distances["masks"]["linear"].tolist()
    assert both.random["boxes"]["linear"].tolist() == both.random["masks"]["linear"].tolist()


@pytest.mark.parametrize("batch_size", [1, 3, 4, 64])
def test_the_batch_size_changes_nothing(images, batch_size):
    found = [
        correspondence(network(), images, {"box": BOXES}, layers=["conv", "gap"], random=2, batch_size=size)
        for size in (2, batch_size)
    ]
    for layer in ("conv", "gap"):
        assert found[0].distances["box"][layer].tolist() == found[1].distances["box"][layer].tolist()
        assert found[0].random["box"][layer].tolist() == found[1].random["box"][layer].tolist()


def test_random_places_repeat_by_their_seed_and_differ_by_it(images):
    first, again, other = (
        correspondence(network(), images, {"box": BOXES}, layers="linear", random=3, seed=seed).random["box"]["linear"]
        for seed in (0, 0, 1)
    )
    assert first.tolist() == again.tolist() != other.tolist()
    assert len({each.tobytes() for each in first}) > 1


def test_random_places_stay_within():
    """Where the part is the only place allowed, hiding at random is hiding the part."""
    images = np.random.default_rng(1).normal(size=(3, 6, 8, 2)).astype("float32")
    boxes = np.array([[2, 1, 5, 4], [4, 2, 7, 5], [1, 3, 4, 6]])
    centres = np.zeros((3, 6, 8), bool)
    for n, (x0, y0, _, _) in enumerate(boxes):
        centres[n, y0 + 1, x0 + 1] = True
    found = correspondence(network(), images, {"box": boxes}, layers="linear", random=3, within=centres)
    for each in found.random["box"]["linear"]:
        assert each.tolist() == found.distances["box"]["linear"].tolist()


def test_a_random_patch_has_the_parts_form_and_stays_in_the_image():
    """Each unit is a pixel of a bright image: so many are hidden as the part has pixels, wherever that is."""
    inputs = keras.Input((6, 8, 1))
    model = keras.Model(inputs, L.Conv2D(1, 1, use_bias=False, name="pixel")(inputs))
    model.set_weights([np.ones((1, 1, 1, 1))])
    images = np.ones((2, 6, 8, 1), "float32")
    images[1] = 0  # nothing changes here, so a distance counts the pixels hidden in the other
    masks = np.zeros((2, 6, 8), bool)
    masks[:, 2, 1:4] = masks[:, 1, 2] = True
    found = correspondence(model, images, {"part": masks}, layers="pixel", fill=0, random=20)
    assert found.random["part"]["pixel"][:, 0, 1].tolist() == [4] * 20


def test_layers_of_nested_models(images):
    flat = correspondence(network(), images, {"box": BOXES}, layers="linear", random=1)
    nested = correspondence(network(nested=True), images, {"box": BOXES}, layers="base/linear", random=1)
    assert nested.distances["box"]["base/linear"].tolist() == flat.distances["box"]["linear"].tolist()


def test_inputs_and_model_stay_as_they_were(images):
    model, given = network(), images.copy()
    weights = model.get_weights()
    correspondence(model, given, {"box": BOXES}, layers="gap", random=1)
    assert np.array_equal(given, images)
    assert all(np.array_equal(a, b) for a, b in zip(weights, model.get_weights(), strict=True))


def test_the_second_input_is_left_alone(images):
    """The image alone is hidden; the numbers beside it stay."""
    image, numbers = keras.Input((6, 8, 2), name="image"), keras.Input((3,), name="numbers")
    x = L.Concatenate(name="both")([L.Flatten()(image), numbers])
    model = keras.Model([image, numbers], L.Dense(2)(x))
    found = correspondence(model, [images, np.ones((3, 3))], {"box": BOXES}, layers="both", random=0)
    # Of the pixels of each box and the other, those in both may agree; the three numbers never change.
    assert found.units["both"] == 6 * 8 * 2 + 3
    assert found.distances["box"]["both"][1, 2] == 2 * (4 * 2 + 2 * 3)


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        ({"images": np.zeros((1, 6, 8, 2))}, InputError, "one image"),
        ({"parts": {}}, InputError, "No parts"),
        ({"parts": {"eye": BOXES[:2]}}, InputError, "'eye' has 2 boxes for 3 images"),
        ({"parts": {"eye": np.zeros((3, 6, 8))}}, InputError, "boolean masks"),
        ({"parts": {"eye": np.zeros((3, 6, 8), bool)}}, InputError, "no pixel in the image 0"),
        ({"parts": {"eye": BOXES + np.array([[0], [0], [9]])}}, InputError, "no pixel in the image 2"),
        ({"parts": {"eye": BOXES[:, ::-1]}}, InputError, "ends before it starts"),
        ({"layers": "cnov"}, LayerError, "conv"),
        ({"layers": []}, LayerError, "No layer"),
        ({"fill": "gray"}, SettingError, "grey"),
        ({"fill": [1, 2, 3]}, SettingError, "a colour of 2 numbers"),
        ({"fill": np.nan}, SettingError, "fill=nan"),
        ({"random": -1}, SettingError, "random=-1"),
        ({"seed": 0.5}, SettingError, "seed=0.5"),
        ({"batch_size": 0}, SettingError, "batch_size=0"),
        ({"tolerance": 1}, SettingError, "tolerance=1"),
    ],
)
def test_what_does_not_fit_is_refused(images, change, error, words):
    given = {"images": images, "parts": {"box": BOXES}, "layers": "conv", **change}
    with pytest.raises(error, match=words):
        correspondence(network(), **given)


def test_a_patch_without_room_is_refused(images):
    whole = {"all": [[0, 0, 8, 6]] * 3}
    corner = np.zeros((3, 6, 8), bool)
    corner[:, 0, 0] = True
    with pytest.raises(SettingError, match="'all' takes 8 x 6 pixels of the image 0"):
        correspondence(network(), images, whole, layers="conv", within=corner)
    assert correspondence(network(), images, whole, layers="conv", within=corner, random=0).rows()


@pytest.mark.slow
def test_a_trained_network_relates_roofs_only_at_its_top():
    """As in the paper: hiding a part of the object acts more alike than hiding as much of it elsewhere."""
    scenes = shapes.scenes(40, seed=1, classes=["house"])
    houses = scenes.subject_mask()
    roofs = scenes.mask("roof") & houses
    seen = roofs.sum(axis=(1, 2)) >= 8
    found = correspondence(
        shapes.shapes_model(),
        scenes.images[seen],
        {"roof": roofs[seen]},
        layers=["conv1", "gap"],
        random=3,
        within=houses[seen],
    )
    low, high = found.rows()
    assert low["mean"] == pytest.approx(low["random_mean"], rel=0.1)
    assert high["mean"] < 0.8 * high["random_mean"]
