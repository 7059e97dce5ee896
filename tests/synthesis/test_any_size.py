"""Networks of one size, on images of another."""

import keras
import numpy as np
import pytest
import zoo
from keras import layers as L

from kerasviz.errors import LayerError, ModelError
from kerasviz.network import Network
from kerasviz.synthesis.any_size import of_any_size, require_size


@pytest.mark.parametrize(
    "name",
    [
        "nested_twice",
        *(pytest.param(name, marks=pytest.mark.slow) for name in ("sequential", "dicts", "custom_layers")),
    ],
)
def test_the_same_at_its_own_size_and_local_at_another(name):
    specimen = zoo.ZOO[name]()
    network = Network(specimen.model)
    address = network.address(None)
    number = next(i for i, spec in enumerate(network.inputs.specs) if len(spec.shape) == 4)
    free, [place] = of_any_size(specimen.model, network, number, [address])
    opened = Network(free)
    inputs = [np.asarray(value) for value in network.inputs.flatten(specimen.inputs)]
    own = opened.activations(opened.inputs.pack(inputs), place)[str(place)]
    assert np.array_equal(own, network.activations(specimen.inputs, address)[str(address)])
    # Twice the image side by side: on the left all is as it was, but near the seam.
    inputs[number] = np.concatenate([inputs[number]] * 2, axis=2)
    wide = opened.activations(opened.inputs.pack(inputs), place)[str(place)]
    assert wide.shape[2] > own.shape[2]
    np.testing.assert_allclose(wide[:, :, :1], own[:, :, :1], rtol=1e-4, atol=1e-5)


@pytest.mark.slow
def test_shares_the_weights_and_leaves_the_model_alone():
    specimen = zoo.ZOO["nested_in_sequential"]()
    network = Network(specimen.model)
    address = network.address(None)
    free, [place] = of_any_size(specimen.model, network, 0, [address])
    model_names = [layer.name for layer in specimen.model.layers]
    opened = Network(free)
    before = opened.activations(specimen.inputs, place)[str(place)]
    for variable in specimen.model.trainable_variables:
        variable.assign(2 * variable)
    after = opened.activations(specimen.inputs, place)[str(place)]
    assert np.array_equal(after, network.activations(specimen.inputs, address)[str(address)])
    assert not np.allclose(after, before)
    assert [layer.name for layer in specimen.model.layers] == model_names
    assert specimen.model(specimen.inputs).shape[0] == 3


def test_several_calls_of_one_layer():
    specimen = zoo.ZOO["shared_layer"]()
    network = Network(specimen.model)
    free, places = of_any_size(specimen.model, network, 0, ["shared@0", "shared"])
    opened = Network(free)
    for place, own in zip(places, ["shared@0", "shared"], strict=True):
        wanted = network.activations(specimen.inputs, own)[own]
        assert np.array_equal(opened.activations(specimen.inputs, place)[str(place)], wanted)


def test_layers_of_one_name_in_two_models():
    image = keras.Input((12, 10, 3))
    left, right = zoo.small_base("left"), zoo.small_base("right")
    model = zoo.randomize(keras.Model(image, L.Add()([left(image), right(image)])))
    network, inputs = Network(model), zoo.images(12, 10, 3)
    own = ["left/conv1", "right/conv1"]
    free, places = of_any_size(model, network, 0, own)
    found = Network(free).activations(inputs, places)
    wanted = network.activations(inputs, own)
    for place, path in zip(places, own, strict=True):
        assert np.array_equal(found[str(place)], wanted[path])
    assert not np.allclose(wanted[own[0]], wanted[own[1]])


def test_layers_out_of_reach():
    specimen = zoo.ZOO["subclassed"]()
    network = Network(specimen.model)
    with pytest.raises(ModelError, match="cannot be opened"):
        of_any_size(specimen.model, network, 0, [network.address(None)])
    with pytest.raises(LayerError):
        of_any_size(specimen.model, network, 0, ["nowhere"])


def test_parts_that_need_a_size():
    image = keras.Input((8, 8, 3), name="image")
    x = L.Reshape((4, 16, 1))(L.Dense(64)(L.Flatten()(image)))
    model = keras.Model(image, L.Conv2D(2, 3, name="conv")(x))
    free, _ = of_any_size(model, Network(model), 0, ["conv"])
    require_size(free, "image", (8, 8))
    with pytest.raises(ModelError, match="images of 9 × 8"):
        require_size(free, "image", (9, 8))


@pytest.mark.slow
def test_images_that_are_too_small():
    specimen = zoo.ZOO["sequential"]()
    network = Network(specimen.model)
    free, _ = of_any_size(specimen.model, network, 0, ["conv2"])
    require_size(free, network.inputs.specs[0].name, (5, 6))
    with pytest.raises(ModelError, match="images of 4 × 6"):
        require_size(free, network.inputs.specs[0].name, (4, 6))
