"""`compare`: layers, weights and the sentences about them."""

import json
import warnings

import keras
import numpy as np
import pytest
import zoo
from compared import changed, holding, network, twin, with_weights_of
from keras import layers as L

from kerasviz.comparison import compare
from kerasviz.comparison.configuration import config_changes, configuration
from kerasviz.errors import LoadError, ModelError


@pytest.fixture
def model():
    return network()


def pair(found, path):
    return next(pair for pair in found.layers if pair.a.path == path)


# Layers


def test_the_same_model(model):
    found = compare(model, twin(model))
    assert found.same and found.same_weights and found.same_structure and changed(found) == {}
    assert found.summary == ("The same 6 layers and the same weights, bit for bit (414 parameters).",)
    assert found.relative == 0 and found.a == found.b and found.a.parameters == model.count_params() == 414


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(zoo.ZOO))
def test_every_kind_of_model_is_its_own_twin(name):
    specimen = zoo.ZOO[name]()
    found = compare(specimen.model, specimen.model)
    assert found.same and found.a.arrays == len({id(v) for v in specimen.model.weights})
    assert found.a.parameters == specimen.model.count_params()


def test_a_known_change_of_one_kernel(model):
    other = twin(model)
    kernel = other.get_layer("conv2").kernel
    values = kernel.numpy()
    values[0, 0, 0, 0] += 2.5
    kernel.assign(values)
    found = compare(model, other)
    assert changed(found) == {"conv2": ("weights",)} and not found.same and found.same_structure
    kernel, bias = pair(found, "conv2").weights
    assert (kernel.name, bias.name) == ("kernel", "bias") and bias.identical
    assert kernel.changed == 1 and kernel.largest == pytest.approx(2.5, rel=1e-6)
    before = [weight.numpy().astype("float64").ravel() for weight in model.get_layer("conv2").weights]
    assert kernel.relative == pytest.approx(2.5 / np.linalg.norm(before[0]), rel=1e-6)
    assert pair(found, "conv2").relative == pytest.approx(2.5 / np.linalg.norm(np.concatenate(before)), rel=1e-6)
    everything = np.concatenate([weight.ravel() for weight in model.get_weights()]).astype("float64")
    assert found.relative == pytest.approx(2.5 / np.linalg.norm(everything), rel=1e-6)
    assert found.summary[0] == "1 of 6 layers changed." and found.changed == (pair(found, "conv2"),)


def test_the_farthest_first_and_nan_before_it(model):
    other = twin(model)
    for name, factor in {"conv1": 1.5, "conv2": 3.0, "predictions": 1.1}.items():
        kernel = other.get_layer(name).kernel
        kernel.assign(kernel * factor)
    found = compare(model, other)
    assert [one.a.path for one in found.changed] == ["conv2", "conv1", "predictions"]
    bias = other.get_layer("predictions").bias
    bias.assign([1.0, np.nan, np.inf, 1.0])
    found = compare(model, other)
    assert [one.a.path for one in found.changed] == ["predictions", "conv2", "conv1"]
    assert found.changed[0].broken == 2 and "Values became NaN or infinite: 2 in predictions." in found.summary
    back = compare(other, model)
    assert "Values were NaN or infinite and are no longer: 2 in predictions." in back.summary
    assert back.changed[0].a.path == "conv2"
    json.loads(found.to_json())


def test_a_replaced_head(model):
    other = with_weights_of(network(classes=7, head="scores", seed=1), model)
    found = compare(model, other)
    head = pair(found, "predictions")
    assert head.changes == ("shape", "settings", "weights", "name") and head.b.path == "scores"
    assert [(one.key, one.a, one.b) for one in head.config] == [("units", 4, 7)]
    assert [weight.nature for weight in head.weights] == ["reshaped", "reshaped"]
    assert found.summary == (
        "1 of 6 layers changed, 1 renamed.",
        "The output predictions differs: 4 → 7.",
        "The head was replaced: predictions (Dense, 4) → scores (Dense, 7).",
        "All weights before it are the same, bit for bit.",
    )


def test_only_the_head_was_trained(model):
    other = twin(model)
    other.get_layer("predictions").bias.assign(np.ones(4))
    summary = compare(model, other).summary
    assert summary[1:3] == ("Only the head changed, predictions.", "All weights before it are the same, bit for bit.")


def test_an_inserted_layer(model):
    other = with_weights_of(network(extra="extra", seed=1), model, skip=[2])
    found = compare(model, other)
    assert [layer.path for layer in found.added] == ["extra"] and found.added[0].kind == "Conv2D"
    assert changed(found) == {} and found.removed == () and not found.same and not found.same_structure
    assert found.summary == (
        "None of 6 layers changed, 1 added.",
        "The weights that both have are the same, bit for bit.",
    )
    back = compare(other, model)
    assert [layer.path for layer in back.removed] == ["extra"] and back.added == ()


def test_a_renamed_layer(model):
    other = with_weights_of(network(name="middle", seed=1), model)
    found = compare(model, other)
    assert changed(found) == {"conv2": ("name",)} and pair(found, "conv2").b.path == "middle"
    assert found.same_weights and found.same_structure and not found.same and found.changed == ()
    assert found.summary[0] == "None of 6 layers changed, 1 renamed."


def test_numbers_that_keras_gave_are_no_names():
    a = network(named=False)
    found = compare(a, with_weights_of(network(named=False, seed=1), a))
    assert found.same and pair(found, a.layers[1].name).b.path != a.layers[1].name


def test_another_stride(model):
    """The layers behind it have another output shape, which is no change of theirs."""
    found = compare(model, with_weights_of(network(strides=2, seed=1), model))
    conv = pair(found, "conv2")
    assert [(one.key, one.a, one.b) for one in conv.config] == [("strides", [1, 1], [2, 2])]
    assert (conv.a.shape, conv.b.shape) == ((None, 12, 10, 5), (None, 6, 5, 5))
    assert changed(found) == {"conv2": ("shape", "settings"), "drop": ("shape",)}
    assert found.changed == (conv,) and found.same_weights and not found.same_structure


def test_another_activation(model):
    found = compare(model, with_weights_of(network(act="gelu", seed=1), model))
    conv = pair(found, "conv2")
    assert conv.changes == ("activation", "settings") and (conv.a.activations, conv.b.activations) == (
        ("relu",),
        ("gelu",),
    )


def test_another_class(model):
    other = with_weights_of(network(seed=1), model)
    inputs = keras.Input((12, 10, 3))
    x = inputs
    for layer in other.layers[1:]:
        x = L.SpatialDropout2D(0.5, name="drop")(x) if layer.name == "drop" else layer(x)
    found = compare(model, keras.Model(inputs, x))
    drop = pair(found, "drop")
    assert "class" in drop.changes and (drop.a.kind, drop.b.kind) == ("Dropout", "SpatialDropout2D")
    assert found.same_weights and found.summary[0] == "1 of 6 layers changed."


def test_settings_of_training(model):
    other = twin(model)
    other.get_layer("conv1").trainable = False
    found = compare(model, other)
    assert changed(found) == {"conv1": ("training",)} and found.same_structure and not found.same
    assert found.changed == ()
    assert "Settings that matter in training alone differ in 1 layer." in found.summary


def residual(skip):
    """A network with two layers in line, and a skip connection from the first or the second."""
    inputs = keras.Input((6,), name="x")
    first = L.Dense(6, name="first")(inputs)
    second = L.Dense(6, name="second")(first)
    third = L.Dense(6, name="third")(second)
    total = L.Add(name="sum")([third, {"first": first, "second": second, "x": inputs}[skip]])
    return zoo.randomize(keras.Model(inputs, L.Dense(3, name="scores")(total)))


def test_other_connections():
    a = residual("first")
    assert compare(a, residual("first")).same
    found = compare(a, residual("second"))
    assert changed(found) == {"sum": ("inputs",)} and found.same_weights and not found.same_structure
    assert changed(compare(a, residual("x"))) == {"sum": ("inputs",)}


def test_an_output_from_another_layer():
    a = residual("first")
    b = keras.Model(a.input, [a.get_layer("scores").output, a.get_layer("second").output])
    c = keras.Model(a.input, [a.get_layer("scores").output, a.get_layer("third").output])
    found = compare(b, c)
    assert [one.rewired for one in found.outputs] == [False, True] and not found.same_structure
    assert any(sentence.endswith("differs: it comes from another layer.") for sentence in found.summary)
    found = compare(a, b)
    assert found.outputs[1].a is None and found.outputs[1].b.shape == (None, 6) and not found.same


def test_inputs_of_another_size():
    def sized(*shape):
        inputs = keras.Input(shape, name="image")
        return zoo.randomize(keras.Model(inputs, zoo.head(L.Conv2D(4, 3, name="conv")(inputs))))

    found = compare(sized(12, 10, 3), sized(16, 16, 3))
    assert changed(found) == {"conv": ("shape",)} and found.same_weights and not found.same_structure
    assert "The input image differs: 12 × 10 × 3 → 16 × 16 × 3." in found.summary


# What was done to weights


def test_half_precision(model):
    other = twin(model)
    other.set_weights([weight.astype("float16").astype("float32") for weight in model.get_weights()])
    found = compare(model, other)
    assert "The weights were rounded to float16, and are the same otherwise." in found.summary
    assert found.relative < 1e-3


def test_pruning(model):
    other = twin(model)
    kernel = other.get_layer("conv2").kernel.numpy()
    flat = kernel.reshape(-1)
    flat[np.argsort(np.abs(flat))[:90]] = 0
    other.get_layer("conv2").kernel.assign(kernel)
    found = compare(model, other)
    share = f"{100 * 90 / 414:.3g} %"
    assert f"Weights were set to zero, and none changed otherwise: zeros went from 0 % to {share}." in found.summary
    assert pair(found, "conv2").weights[0].nature == "pruned"


def test_integers_with_their_scale(model):
    other = twin(model)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of layers that cannot be quantized
        other.quantize("int8")
    found = compare(model, other)
    kernel = next(one for one in pair(found, "predictions").weights if one.name == "kernel")
    layer = other.get_layer("predictions")
    restored = np.asarray(layer._kernel) / np.asarray(layer.kernel_scale)
    before = model.get_layer("predictions").kernel.numpy()
    assert kernel.distance == pytest.approx(np.linalg.norm(before - restored), rel=1e-5)
    assert kernel.largest < np.abs(before).max() / 127 and kernel.dtype_b == "int8"
    assert kernel.nature == "quantized to int8" and "All changed weights were quantized." in found.summary
    settings = {one.key: (one.a, one.b) for one in pair(found, "predictions").config}
    assert settings["dtype"] == ("float32", "int8_from_float32")
    assert "inputs" not in pair(found, "predictions").changes and not any(one.rewired for one in found.outputs)


# Settings of layers


class Secretive(L.Layer):
    def __init__(self, factor, **settings):
        super().__init__(**settings)
        self.factor = factor

    def call(self, x):
        return x * self.factor

    def get_config(self):
        raise NotImplementedError


class Telling(Secretive):
    def get_config(self):
        return {**L.Layer.get_config(self), "factor": self.factor, "odd": {1, 2}}


def scaled(layer):
    inputs = keras.Input((4,))
    return keras.Model(inputs, layer(inputs))


def test_layers_that_tell_nothing():
    found = compare(scaled(Secretive(2.0, name="s")), scaled(Secretive(3.0, name="s")))
    assert found.layers[0].config == () and not found.layers[0].told
    assert found.notes == ("Settings could not be compared, since get_config does not tell them: s.",)
    # Its output shape may have changed for a reason of its own.
    a, b = (scaled(Secretive(np.ones((size, 1)), name="s")) for size in (1, 3))
    assert compare(a, b).changed[0].changes == ("shape",)


def test_settings_that_json_cannot_hold():
    a, b = (
        scaled(Telling(np.arange(40.0) if big else value, name="s")) for big, value in ((0, 2.0), (0, np.float32(3)))
    )
    (change,) = compare(a, b).layers[0].config
    assert (change.key, change.a, change.b) == ("factor", 2.0, 3.0)
    large = configuration(Telling(np.arange(40.0))), configuration(Telling(np.arange(40.0) + 1))
    assert config_changes(large[0], configuration(Telling(np.arange(40.0)))) == ()
    assert [change.key for change in config_changes(*large)] == ["factor"]
    json.loads(json.dumps(large[0]))


@pytest.mark.parametrize(
    ("a", "b", "expected"),
    [
        (L.Dense(2), L.Dense(2, name="other"), {}),
        (L.Dense(2, use_bias=False), L.Dense(2), {"use_bias": (False, True)}),
        (L.Dense(2, dtype="mixed_float16"), L.Dense(2), {"dtype": ("mixed_float16", "float32")}),
        (
            L.Dense(2, kernel_initializer="zeros"),
            L.Dense(2, kernel_initializer=keras.initializers.RandomNormal(stddev=0.5)),
            {"kernel_initializer": ("Zeros()", "RandomNormal(mean=0.0, stddev=0.5)")},
        ),
        (L.Activation("relu"), L.Activation(keras.activations.gelu), {"activation": ("relu", "gelu")}),
        (L.TimeDistributed(L.Dense(2)), L.TimeDistributed(L.Dense(3)), {}),  # the layer inside is compared itself
        (L.ReLU(max_value=6.0), L.ReLU(), {"max_value": (6.0, None)}),
        (L.Reshape((2, 3)), L.Reshape((3, 2)), {"target_shape": ([2, 3], [3, 2])}),
    ],
)
def test_settings_of_kerases_own_layers(a, b, expected):
    found = config_changes(configuration(a), configuration(b))
    assert {change.key: (change.a, change.b) for change in found} == expected
    assert all(change.training == (change.key == "kernel_initializer") for change in found)


def test_lambdas_differ_by_their_code():
    a, b, c = (L.Lambda(function) for function in (lambda x: x * 2, lambda x: x * 3, lambda x: x * 2))
    assert [change.key for change in config_changes(configuration(a), configuration(b))] == ["function"]
    assert config_changes(configuration(a), configuration(a)) == ()
    del c


def test_ops_of_a_graph_of_layers():
    def sloped(slope):
        inputs = keras.Input((4,))
        return keras.Model(inputs, keras.ops.leaky_relu(inputs, negative_slope=slope))

    found = compare(sloped(0.1), sloped(0.3))
    assert [(change.key, change.a, change.b) for change in found.layers[0].config] == [("negative_slope", 0.1, 0.3)]


# Files and forms


@pytest.mark.slow
@pytest.mark.parametrize("suffix", ["keras", "h5"])
def test_files(model, tmp_path, suffix):
    model.save(tmp_path / f"a.{suffix}")
    assert compare(model, tmp_path / f"a.{suffix}").same
    with pytest.raises(LoadError, match=r"none\.keras"):
        compare(model, tmp_path / "none.keras")


def test_json_and_words(model):
    other = with_weights_of(network(strides=2, seed=1), model)
    found = compare(model, other)
    told = json.loads(found.to_json())
    assert told["same"] is False and told["summary"] == list(found.summary) and told["layers_compared"] is True
    conv = next(layer for layer in told["layers"] if layer["path"] == "conv2")
    assert conv["settings"] == [{"key": "strides", "a": [1, 1], "b": [2, 2], "training": False}]
    assert conv["weights"][0]["nature"] == "same" and conv["relative_distance"] == 0
    assert repr(found).splitlines()[:2] == [
        "Comparison of 'net' (6 layers, 414 parameters) with 'net' (6 layers, 414 parameters)",
        "1 of 6 layers changed.",
    ]
    assert told["same_answers"] is None and told["images"] == []


@pytest.mark.slow
def test_neither_model_is_touched(model):
    other = network(seed=1)
    before = [weight.copy() for one in (model, other) for weight in one.get_weights()]
    state = [dict(vars(one)) for one in (model, other)]
    compare(model, other, zoo.images(12, 10, 3))
    after = [weight for one in (model, other) for weight in one.get_weights()]
    assert all(np.array_equal(x, y) for x, y in zip(before, after, strict=True))
    assert [set(vars(one)) for one in (model, other)] == [set(one) for one in state]


def test_what_is_no_model(model):
    with pytest.raises(ModelError, match="second model"):
        compare(model, keras.Sequential([L.Dense(3)]))
    with pytest.raises(ModelError):
        compare(7, model)


def test_a_model_without_weights():
    plain = scaled(L.ReLU(name="r"))
    found = compare(plain, scaled(L.ReLU(name="r")))
    assert found.same and found.relative is None and found.a.head is None
    assert holding(plain) == []
