"""What two models say of images and how they explain it, on networks whose every answer is known."""

import json
import warnings

import keras
import numpy as np
import pytest
from keras import layers as L

import kerasviz as kv
from kerasviz.comparison import compare
from kerasviz.errors import InputError, KerasvizError, KerasvizWarning, LayerError, SettingError, TargetError

pytestmark = pytest.mark.slow


def colors(order=(0, 1, 2), classes=3, head="softmax", size=(16, 24), strength=6.0, dead=False, name="colours"):
    """Class k is the mean of colour `order[k]`, so that Grad-CAM draws just that colour."""
    inputs = keras.Input((*size, 3), name="image")
    conv = L.Conv2D(3, 1, activation="relu", name="conv")
    dense = L.Dense(classes, activation=head, name="classes")
    model = keras.Model(inputs, dense(L.GlobalAveragePooling2D(name="gap")(conv(inputs))), name=name)
    conv.set_weights([np.eye(3)[:, list(order)][None, None], np.full(3, -9.0 if dead else 0.0)])
    dense.set_weights([np.eye(3, classes) * strength, np.zeros(classes)])
    return model


@pytest.fixture
def images(rng):
    """The blue channel is empty; red and green are opposite, and red is the stronger in the first image alone."""
    ramp = rng.permutation(np.linspace(0, 1, 16 * 24)).reshape(16, 24)
    red = np.stack([ramp, 0.5 * ramp])
    found = np.zeros((2, 16, 24, 3), "float32")
    found[..., 0], found[..., 1] = red, [[[0.5]], [[1.0]]] * (1 - ramp)
    return found


def test_the_same_model(images):
    found = compare(colors(), colors(strength=6.0), images, methods=["grad-cam", "saliency"])
    assert found.same and found.same_answers and [move.method for move in found.maps] == ["grad_cam", "saliency"]
    assert all(answer.agree and answer.difference == 0 for answer in found.images)
    assert found.summary[1:] == (
        "Both name the same top class for all 2 images.",
        "The outputs are the same, but for rounding.",
        "Grad-CAM, Saliency did not move.",
    )


def test_swapped_colours(images):
    """The second model calls red what the first calls green, and looks there."""
    found = compare(colors(), colors((1, 0, 2)), images, names=["a.png", "b.png"])
    (move,) = found.maps
    a, b = found.images
    assert [(one.top.index, one.top_b.index) for one in (a, b)] == [(0, 1), (1, 0)] and a.agree is False
    assert a.explained.index == a.explained_b.index == 0 and b.explained_b.index == 1
    means = images[0].mean((0, 1))
    odds = np.exp(6 * means[[0, 1, 2]]), np.exp(6 * means[[1, 0, 2]])
    expected = [one / one.sum() for one in odds]
    assert a.difference == pytest.approx(np.abs(expected[0] - expected[1]).max(), abs=1e-6)
    assert a.explained_b.probability == pytest.approx(expected[1][0], abs=1e-6)
    # Weights of Grad-CAM are equal: its maps are the colours.
    np.testing.assert_allclose(move.maps[0] / move.maps[0].max(), images[0, ..., 0], atol=1e-6)
    np.testing.assert_allclose(move.maps_b[0] / move.maps_b[0].max(), 2 * images[0, ..., 1], atol=1e-6)
    np.testing.assert_allclose(move.rank_correlation, -1)
    np.testing.assert_allclose(move.strength, 0.5, rtol=1e-5)
    assert move.ssim.max() < 0 and not move.same and not found.same_answers
    assert (move.layer, move.layer_b, move.kind, move.signed) == ("conv", "conv", "heatmap", False)
    assert "2 of 2 images get another top class." in found.summary
    assert "Grad-CAM moved: rank correlation -1.00 on average; -1.00 at the least (a.png)." in found.summary


def test_a_class_for_all_and_one_for_each(images):
    models = colors(), colors((1, 0, 2))
    for target, expected in ((0, [0, 0]), ([1, 0], [1, 0]), (np.array([0, 1]), [0, 1])):
        found = compare(*models, images, target=target)
        assert [answer.explained.index for answer in found.images] == expected
        assert [answer.explained_b.index for answer in found.images] == expected
        direct = kv.GradCAM(models[1])(images, target)
        np.testing.assert_array_equal(found.maps[0].maps_b, direct.values)


def test_models_of_other_classes(images):
    found = compare(colors(), colors((1, 0, 2), classes=2), images)
    assert found.same_classes is False
    assert all(answer.difference is None and answer.agree is None for answer in found.images)
    # Each one's own top class, which is the same colour.
    assert [(one.explained.index, one.explained_b.index) for one in found.images] == [(0, 1), (1, 0)]
    np.testing.assert_allclose(found.maps[0].rank_correlation, 1)
    assert found.notes == (
        "The models have 3 classes and 2, so that their outputs cannot be compared; explained is each model's own top "
        "class.",
    )
    assert not found.same_answers
    with pytest.raises(TargetError, match="0 to 1"):
        compare(colors(), colors(classes=2), images, target=2)


def test_labels(images):
    first, second = ["red", "green", "blue"], ["green", "red", "blue"]
    found = compare(colors(), colors((1, 0, 2)), images, labels=first, labels_b=second)
    assert found.same_classes is False and [answer.agree for answer in found.images] == [True, True]
    assert [answer.top_b.label for answer in found.images] == ["red", "green"]
    found = compare(colors(), colors(), images, labels=first)
    assert found.same_classes and found.images[0].top_b.label == "red"
    found = compare(colors(), colors(classes=2), images, labels=first)
    assert found.images[0].top.label == "red" and found.images[0].top_b.label is None
    for name in ("labels", "labels_b"):
        with pytest.raises(SettingError, match="2 labels"):
            compare(colors(), colors(), images, **{name: ["a", "b"]})


def test_scores_without_probabilities(images):
    """Outputs are compared, and rounding is measured by the largest."""
    found = compare(colors(head=None), colors(head=None, strength=6.0006), images)
    means = images[0].mean((0, 1)).max()
    assert found.images[0].difference == pytest.approx(0.0006 * means, rel=0.01)
    assert found.images[0].top.probability is None and found.images[0].same
    assert not compare(colors(head=None), colors(head=None, strength=6.01), images).images[0].same


def test_images_of_other_sizes_and_values(images):
    """The second model takes twice the size, and 0 to 255; its maps are brought to the size of the first."""
    b = colors(size=(32, 48), strength=6 / 255)
    larger = 255 * images.repeat(2, axis=1).repeat(2, axis=2)
    found = compare(colors(), b, images, images_b=larger)
    (move,) = found.maps
    assert move.resized and move.maps_b.shape == move.maps.shape == (2, 16, 24)
    np.testing.assert_allclose(move.rank_correlation, 1)
    assert found.images[0].difference < 1e-6
    assert "Maps of the second model (32 × 48) were resized to those of the first (16 × 24)." in found.notes
    with pytest.raises(InputError, match=r"second model.*images_b="):
        compare(colors(), b, images)
    with pytest.raises(InputError, match="images_b holds 1"):
        compare(colors(), b, images, images_b=larger[:1])


def test_a_map_with_nothing_to_see(images):
    with pytest.warns(KerasvizWarning, match="zero everywhere"):
        found = compare(colors(), colors(dead=True), images, target=0)
    (move,) = found.maps
    assert np.isnan(move.rank_correlation).all() and (move.ssim < 0.7).all() and (move.strength == 0).all()
    assert not move.same and move.farthest == 0
    assert "Grad-CAM gives a map that is flat or not finite for 2 of 2 images, such as image 1." in found.summary
    told = json.loads(found.to_json())
    assert told["maps"][0]["rank_correlation"] == [None, None]
    assert len(found.plot(images).axes) == 2 * 4 + 2


def test_nan_in_a_model(images):
    broken = colors()
    broken.get_layer("conv").bias.assign([np.nan, 0, 0])
    with pytest.warns(KerasvizWarning, match="not finite"):
        found = compare(colors(), broken, images)
    assert found.images[0].difference is None and not found.images[0].same and found.images[0].agree is None
    assert "Outputs are NaN or infinite for 2 of 2 images, such as image 1." in found.summary
    json.loads(found.to_json())
    found.plot(images)


# Methods


def test_a_layer_of_the_first_model_is_found_in_the_second(images):
    """Renamed and untouched: the layer that became of it is looked at."""

    def named(first, second):
        inputs = keras.Input((16, 24, 3))
        x = L.Conv2D(3, 1, activation="relu", name=first)(inputs)
        x = L.GlobalAveragePooling2D()(L.Conv2D(3, 1, activation="relu", name=second)(x))
        model = keras.Model(inputs, L.Dense(3, activation="softmax", name="classes")(x))
        for layer, factor in ((first, 1.0), (second, 2.0)):
            model.get_layer(layer).set_weights([factor * np.eye(3)[None, None], np.zeros(3)])
        model.get_layer("classes").set_weights([np.eye(3), np.zeros(3)])
        return model

    found = compare(named("low", "high"), named("one", "two"), images, settings={"layer": "low"})
    assert (found.maps[0].layer, found.maps[0].layer_b) == ("low", "one")
    assert not any("looked at" in sentence for sentence in found.summary)
    found = compare(named("low", "high"), named("one", "two"), images, settings={"layer": ["low", "high"]})
    assert found.maps[0].layer_b == kv.GradCAM(named("one", "two"), layer=["one", "two"]).layer
    # One that has no counterpart is looked for by its own path, and never left out without a word.
    with pytest.raises(LayerError, match="'high'"):
        compare(named("low", "high"), colors(), images, settings={"layer": "high"})
    with pytest.raises(LayerError, match="nowhere"):
        compare(named("low", "high"), named("one", "two"), images, settings={"layer": "nowhere"})


def test_methods_that_do_not_fit(images):
    flat = keras.Sequential([keras.Input((16, 24, 3)), L.Flatten(), L.Dense(3, activation="softmax")])
    with pytest.warns(KerasvizWarning, match="grad_cam is left out"):
        found = compare(colors(), flat, images)
    assert found.maps == () and list(found.left_out) == ["grad_cam"] and len(found.images) == 2
    with pytest.raises(InputError, match="no explanations"):
        found.plot(images)
    with pytest.raises(KerasvizError):
        compare(colors(), flat, images, methods=["grad-cam"])
    assert [move.method for move in compare(colors(), flat, images, methods="saliency").maps] == ["saliency"]
    with pytest.raises(SettingError, match="No method is called"):
        compare(colors(), flat, images, methods=["gradcamm"])
    with pytest.raises(SettingError, match="no setting 'samples'"):
        compare(colors(), colors(), images, settings={"samples": 3})


@pytest.mark.slow
def test_all_methods_that_are_not_slow(images):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", KerasvizWarning)
        found = compare(colors(), colors(), images[:1], methods="all")
    assert {"grad_cam", "cam", "saliency", "integrated_gradients"} <= {move.method for move in found.maps}
    assert all(move.same for move in found.maps)


def test_several_outputs(images):
    def doubled():
        inputs = keras.Input((16, 24, 3))
        near, far = colors(name="one"), colors((1, 0, 2), name="two")
        return keras.Model(inputs, {"near": near(inputs), "far": far(inputs)})

    models = doubled(), doubled()
    with pytest.raises(TargetError, match="2 outputs"):
        compare(*models, images)
    found = compare(*models, images, output="far", settings={"layer": "two/conv"})
    assert found.same and [answer.top.index for answer in found.images] == [1, 0]
    # Of a model with one output that is meant, whatever it is called.
    found = compare(colors((1, 0, 2)), models[0], images, output="far")
    assert found.images[0].difference < 1e-6


# Pictures


def test_what_is_drawn(images):
    found = compare(colors(), colors((1, 0, 2)), images, target=0, names=["a.png", "b$.png"], methods=["grad-cam"])
    figure = found.plot(images)
    # Each row: image, both maps, the difference and its bar.
    assert len(figure.axes) == 10
    texts = [text.get_text() for text in figure.texts]
    strengths = [f"class 0 {one.strength}" for one in (found.images[0].explained, found.images[0].explained_b)]
    assert {"a.png", "b$.png", "A", "B", "difference, B − A", "Grad-CAM", *strengths} <= set(texts)
    assert f"rank -1.000, SSIM {found.maps[0].ssim[0]:.3f}" in texts
    drawn = [axes.images[0].get_array() for axes in figure.axes if axes.images]
    apart = images[0, ..., 1] * 2 - images[0, ..., 0]
    np.testing.assert_array_equal(drawn[3], kv.plotting.signed(apart, scale=(-1.0, 1.0), channels=False))
    assert len(found.plot(images, rows=[1]).axes) == 5 and len(found.plot().axes) == 8
    with pytest.raises(InputError, match="3 images"):
        found.plot(np.concatenate([images, images[:1]]))
    with pytest.raises(SettingError, match="rows holds 2"):
        found.plot(images, rows=[2])


def test_pixels_are_drawn_beside_the_image_in_the_colours_of_their_sign(images):
    found = compare(colors(), colors((1, 0, 2)), images, target=0, methods=["saliency"])
    (move,) = found.maps
    assert move.maps.shape == (2, 16, 24)
    explanation = kv.Saliency(colors())(images, 0)
    reduced = explanation.values.sum(-1) if move.signed else np.abs(explanation.values).max(-1)
    np.testing.assert_allclose(move.maps, reduced, atol=1e-7)
    drawn = [axes.images[0].get_array() for axes in found.plot(images).axes if axes.images]
    paint = kv.plotting.signed if move.signed else kv.plotting.heatmap
    np.testing.assert_array_equal(drawn[1], paint(move.maps[0]))


# What is refused


def test_what_does_not_fit_is_refused(images):
    for name, given in {"names": ["a"], "target": 1, "methods": "saliency", "settings": {"layer": "conv"}}.items():
        with pytest.raises(InputError, match=f"{name} came without images"):
            compare(colors(), colors(), **{name: given})
    with pytest.raises(InputError, match="names holds 1"):
        compare(colors(), colors(), images, names=["a"])
    for target in ("red", 0.5, [0, 1, 2], -1, 3):
        with pytest.raises(TargetError):
            compare(colors(), colors(), images, target=target)
    table = keras.Sequential([keras.Input((4,)), L.Dense(3)])
    with pytest.raises(SettingError, match="second model"):
        compare(colors(), table, images)
    assert compare(table, table).same
