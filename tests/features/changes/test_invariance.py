import keras
import numpy as np
import pytest
from keras import layers as L

from kerasviz.errors import InputError, LayerError, SettingError, TargetError
from kerasviz.features.changes.invariance import invariance
from kerasviz.features.changes.warping import warp
from kerasviz.targets import Channel

ALL = {
    "vertical_translation": [-2, 0, 1.5],
    "horizontal_translation": [0, 3],
    "scale": [0.8, 1, 1.5],
    "rotation": [0, 30, 360],
}


def network(nested=False, activation="softmax"):
    inputs = keras.Input((9, 12, 2))
    x = L.Conv2D(3, 3, padding="same", activation="relu", name="conv")(inputs)
    x = L.Conv2D(4, 3, padding="same", name="linear")(x)
    base = keras.Model(inputs, x, name="base")
    if nested:
        inputs = keras.Input((9, 12, 2))
        x = base(inputs)
    x = L.Dropout(0.5, name="drop")(L.GlobalAveragePooling2D(name="gap")(x))
    model = keras.Model(inputs, L.Dense(5, activation=activation, name="predictions")(x))
    rng = np.random.default_rng(0)
    model.set_weights([rng.normal(size=w.shape) for w in model.get_weights()])
    return model


@pytest.fixture
def images(rng):
    return rng.normal(size=(3, 9, 12, 2)).astype("float32")


def shifted(images, down, right):
    """Whole pixels, the outermost ones repeated."""
    height, width = images.shape[1:3]
    rows = np.clip(np.arange(height) - down, 0, height - 1)
    columns = np.clip(np.arange(width) - right, 0, width - 1)
    return images[:, rows][:, :, columns]


@pytest.mark.parametrize("amount", [-20, -3, 0, 1, 8])
def test_whole_pixels_of_translation_move_values_and_change_none(images, amount):
    assert np.array_equal(warp(images, "vertical_translation", amount), shifted(images, amount, 0))
    assert np.array_equal(warp(images, "horizontal_translation", amount), shifted(images, 0, amount))


def test_half_a_pixel_lies_between_two():
    row = np.array([0.0, 4, 10, 2]).reshape(1, 1, 4, 1)
    assert warp(row, "horizontal_translation", 0.5).ravel().tolist() == [0, 2, 7, 6]


def test_quarter_turns_are_counter_clockwise_and_exact(rng):
    squares = rng.normal(size=(2, 7, 7, 5)).astype("float32")
    for quarters in (-1, 0, 1, 2, 3, 4, 5):
        wanted = np.rot90(squares, quarters, axes=(1, 2))
        assert np.array_equal(warp(squares, "rotation", 90 * quarters), wanted)
    oblong = rng.normal(size=(1, 4, 9, 1)).astype("float32")
    assert np.array_equal(warp(oblong, "rotation", 180), oblong[:, ::-1, ::-1])


def test_scale_is_about_the_centre():
    """On a ramp a magnified pixel is where it was, nearer to the centre by the factor."""
    ramp = np.add.outer(np.arange(9.0) * 10, np.arange(13.0))[None, :, :, None]
    found = warp(ramp, "scale", 2)[0, :, :, 0]
    assert found[4, 6] == 46
    assert found[2, 8] == (4 - 1) * 10 + 6 + 1
    assert warp(ramp, "scale", 0.5)[0, 4, 8, 0] == 40 + 6 + 4
    assert np.array_equal(warp(ramp, "scale", 1), ramp)


def test_rotation_turns_a_ramp_by_its_angle():
    ramp = np.tile(np.arange(41.0), (41, 1))[None, :, :, None]
    found = warp(ramp, "rotation", 30)[0, 10:31, 10:31, 0] - 20
    y, x = np.mgrid[-10:11, -10:11]
    # What is now at (x, y), y downwards, was at this column.
    assert np.abs(found - (np.cos(np.pi / 6) * x - np.sin(np.pi / 6) * y)).max() < 1 / 32


def test_borders():
    row = np.arange(1.0, 5).reshape(1, 1, 4, 1)
    assert warp(row, "horizontal_translation", 2).ravel().tolist() == [1, 1, 1, 2]
    assert warp(row, "horizontal_translation", 2, "reflect").ravel().tolist() == [3, 2, 1, 2]
    assert warp(row, "horizontal_translation", 2, -7).ravel().tolist() == [-7, -7, 1, 2]


def test_distances_and_probabilities_are_those_of_the_warped_images(images):
    model = network()
    found = invariance(model, images, transforms=ALL, layers=["conv", "linear", "gap"])
    features = keras.Model(model.inputs[0], [model.get_layer(name).output for name in (*found.layers, "predictions")])
    *then, before = (each.numpy() for each in features(images))
    assert found.target.tolist() == before.argmax(axis=1).tolist()
    assert found.score == "probability"
    for transform, amounts in ALL.items():
        curves = found[transform]
        assert curves.amounts.tolist() == amounts
        for n, amount in enumerate(amounts):
            *now, after = (each.numpy() for each in features(warp(images, transform, amount)))
            assert curves.scores[:, n] == pytest.approx(after[np.arange(3), found.target], abs=1e-6)
            for layer, old, new in zip(found.layers, then, now, strict=True):
                wanted = np.linalg.norm((new - old).reshape(3, -1), axis=1)
                assert curves.distances[layer][:, n] == pytest.approx(wanted, rel=1e-4, abs=1e-5)
                wanted /= np.linalg.norm(old.reshape(3, -1), axis=1)
                assert curves.relative[layer][:, n] == pytest.approx(wanted, rel=1e-4, abs=1e-5)


def test_amounts_that_change_nothing_have_distance_zero_exactly(images):
    neutral = {"vertical_translation": [0], "horizontal_translation": [0.0], "scale": [1], "rotation": [0, 360, -720]}
    found = invariance(network(), images, transforms=neutral)
    start = found["scale"].scores
    for transform in neutral:
        curves = found[transform]
        assert all((curves.distances[layer] == 0).all() for layer in found.layers)
        assert (curves.scores == start).all()


def test_global_averages_do_not_see_where_an_object_is():
    """An object far from the border on a constant ground: the map moves with it, its mean stays."""
    images = np.full((1, 24, 24, 2), 0.5, "float32")
    images[:, 10:14, 9:13] = np.random.default_rng(0).normal(size=(4, 4, 2))
    inputs = keras.Input((24, 24, 2))
    x = L.Conv2D(4, 3, activation="relu", name="conv")(inputs)
    model = keras.Model(inputs, L.Dense(3)(L.GlobalAveragePooling2D(name="gap")(x)))
    found = invariance(model, images, transforms={"vertical_translation": [-5, 4], "rotation": [45]})
    assert (found["vertical_translation"].relative["conv"] > 0.1).all()
    assert (found["vertical_translation"].relative["gap"] < 1e-6).all()
    assert found["rotation"].relative["gap"][0, 0] > 1e-3


def test_layers_left_out_are_the_first_and_what_the_classifier_gets(images):
    assert invariance(network(), images, transforms={"scale": [1]}).layers == ("conv", "gap")
    assert invariance(network(nested=True), images, transforms={"scale": [1]}).layers == ("base/conv", "gap")


def test_nested_models_give_the_same_curves(images):
    flat = invariance(network(), images, transforms=ALL, layers="linear")
    nested = invariance(network(nested=True), images, transforms=ALL, layers="base/linear")
    for transform in ALL:
        assert nested[transform].distances["base/linear"] == pytest.approx(flat[transform].distances["linear"])


@pytest.mark.parametrize("batch_size", [1, 2])
def test_the_batch_size_changes_nothing(images, batch_size):
    whole = invariance(network(), images, transforms=ALL, target=[0, 3, 1])
    parts = invariance(network(), images, transforms=ALL, target=[0, 3, 1], batch_size=batch_size)
    assert parts.target.tolist() == [0, 3, 1]
    for transform in ALL:
        assert parts[transform].scores == pytest.approx(whole[transform].scores, abs=1e-6)
        for layer in whole.layers:
            wanted = whole[transform].distances[layer]
            assert parts[transform].distances[layer] == pytest.approx(wanted, rel=1e-4, abs=1e-5)


def test_targets_other_than_probabilities(images):
    model = network(activation=None)
    logits = model.predict(shifted(images, 2, 0), verbose=0)
    found = invariance(model, images, transforms={"vertical_translation": [2]}, target=1)
    assert found.score == "score"
    assert found["vertical_translation"].scores[:, 0] == pytest.approx(logits[:, 1], rel=1e-4)
    channel = invariance(model, images, transforms={"vertical_translation": [2]}, target=Channel("gap", 2))
    gap = keras.Model(model.input, model.get_layer("gap").output).predict(shifted(images, 2, 0), verbose=0)
    assert channel["vertical_translation"].scores[:, 0] == pytest.approx(gap[:, 2], rel=1e-4)
    assert channel.target == "channel 2 of gap"


def test_the_papers_amounts_are_the_default(images):
    found = invariance(network(), images[:1])
    assert list(found.curves) == ["vertical_translation", "scale", "rotation"]
    assert found["vertical_translation"].amounts.tolist() == [-2, -1, 0, 1, 2]
    assert found["scale"].amounts[[0, -1]].tolist() == [1, 1.8]
    assert found["rotation"].amounts.tolist() == list(range(0, 361, 15))


def test_features_that_are_zero_have_no_relative_distance():
    inputs = keras.Input((4, 4, 1))
    model = keras.Model(inputs, L.Conv2D(1, 1, use_bias=False, name="pixel")(inputs))
    model.set_weights([np.ones((1, 1, 1, 1))])
    images = np.zeros((1, 4, 4, 1), "float32")
    given = {"transforms": {"vertical_translation": [1]}, "layers": "pixel", "border": 2, "target": 0}
    found = invariance(model, images, **given)
    assert found["vertical_translation"].distances["pixel"].tolist() == [[4.0]]  # four pixels of 2
    assert np.isnan(found["vertical_translation"].relative["pixel"]).all()
    assert found.rows() == [
        {
            "transform": "vertical_translation",
            "amount": 1.0,
            "image": 0,
            "layer": "pixel",
            "distance": 4.0,
            "relative": None,
            "score": 8.0,
        }
    ]
    assert "pixel unknown" in str(found)


def test_integer_inputs_are_rounded():
    inputs = keras.Input((1, 4, 1), dtype="uint8")
    x = L.Conv2D(1, 1, use_bias=False, name="pixel")(L.Rescaling(1.0)(inputs))
    model = keras.Model(inputs, L.Dense(2)(L.Flatten()(x)))
    model.get_layer("pixel").set_weights([np.ones((1, 1, 1, 1))])
    images = np.array([0, 9, 9, 0], np.uint8).reshape(1, 1, 4, 1)
    found = invariance(model, images, transforms={"horizontal_translation": [0.5]}, layers="pixel")
    # 0 4.5 9 4.5, rounded to even: 0 4 9 4.
    assert found["horizontal_translation"].distances["pixel"][0, 0] == pytest.approx(np.hypot(5, 4))


def test_the_figure_has_a_panel_for_each_layer_and_the_scores(images):
    found = invariance(network(), images, transforms=ALL)
    fig = found.plot(titles=["a", "$b$", "c"])
    assert len(fig.axes) == len(ALL) * 3
    panel = fig.axes[1]
    assert panel.get_xlabel() == "vertical translation (pixels)"
    assert [line.get_ydata().tolist() for line in panel.lines] == (
        found["vertical_translation"].distances["gap"].tolist()
    )
    scores = fig.axes[-1]
    assert [line.get_ydata().tolist() for line in scores.lines] == found["rotation"].scores.tolist()
    assert [text.get_text() for text in fig.axes[2].get_legend().get_texts()] == ["a", "$b$", "c"]
    relative = found.plot(relative=True).axes[0]
    assert relative.lines[0].get_ydata().tolist() == found["vertical_translation"].relative["conv"][0].tolist()
    with pytest.raises(InputError, match="2 titles"):
        found.plot(titles=["a", "b"])


def test_inputs_stay_as_they_were(images):
    given = images.copy()
    invariance(network(), given, transforms=ALL)
    assert np.array_equal(given, images)


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        ({"transforms": {"shear": [1]}}, SettingError, "no transform 'shear'"),
        ({"transforms": {}}, SettingError, "vertical_translation"),
        ({"transforms": {"scale": []}}, SettingError, "no amounts"),
        ({"transforms": {"scale": [1, 0]}}, SettingError, "scale cannot be 0"),
        ({"transforms": {"rotation": [np.nan]}}, SettingError, "rotation cannot be nan"),
        ({"transforms": {"rotation": ["30"]}}, SettingError, "cannot be '30'"),
        ({"border": "wrap"}, SettingError, "border='wrap'"),
        ({"batch_size": True}, SettingError, "batch_size=True"),
        ({"layers": "cnov"}, LayerError, "conv"),
        ({"target": 5}, TargetError, "classes"),
        ({"images": np.zeros((2, 9, 12))}, InputError, "shape"),
    ],
)
def test_what_does_not_fit_is_refused(images, change, error, words):
    given = {"images": images, "transforms": ALL, **change}
    with pytest.raises(error, match=words):
        invariance(network(), **given)


def test_other_kinds_of_models_are_refused():
    lone = keras.Sequential([keras.Input((8, 8, 1)), L.GlobalAveragePooling2D(), L.Dense(2)])
    with pytest.raises(LayerError, match="1 layers with a kernel"):
        invariance(lone, np.zeros((1, 8, 8, 1)))
    rows = keras.Sequential([keras.Input((8,)), L.Dense(2, name="dense")])
    with pytest.raises(InputError, match="0 of the inputs"):
        invariance(rows, np.zeros((1, 8)), layers="dense")
    found = invariance(network(), np.zeros((1, 9, 12, 2)), transforms={"scale": [1]})
    with pytest.raises(SettingError, match="'rotation' was not asked for"):
        found["rotation"]
