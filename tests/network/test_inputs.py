"""A user's inputs against what the model takes."""

from collections import OrderedDict

import keras
import numpy as np
import pytest
import tensorflow as tf
import zoo

import kerasviz as kv
from kerasviz.errors import InputError, ModelError


@pytest.fixture(scope="module")
def networks():
    return {name: kv.Network(zoo.ZOO[name]().model) for name in ("functional", "image_and_table", "dicts")}


IMAGES = zoo.images(12, 10, 3)
BROKEN = IMAGES.copy()
BROKEN[1, 0, 0, 0] = np.nan


@pytest.mark.parametrize(
    ("name", "inputs", "message"),
    [
        ("functional", IMAGES[0], r"\(12, 10, 3\): one sample without a batch axis.*images\[None\]"),
        ("functional", IMAGES[:, :11], r"the shape \(3, 11, 10, 3\).*\(None, 12, 10, 3\)"),
        ("functional", IMAGES[..., :1], r"the shape \(3, 12, 10, 1\)"),
        ("functional", IMAGES[:0], "empty batch"),
        ("functional", BROKEN, r"NaN or infinite values in the samples \[1\]"),
        ("functional", np.full(IMAGES.shape, "a"), "dtype <U1"),
        ("functional", {"picture": IMAGES}, r"keys \['picture'\].*'image'"),
        ("functional", tf.data.Dataset.from_tensor_slices(IMAGES), "tf.data.Dataset"),
        ("image_and_table", IMAGES, r"one array.*2 inputs, 'image' .*'table'"),
        (
            "image_and_table",
            [IMAGES, zoo.images(6, count=2)],
            r"different numbers of samples: \{'image': 3, 'table': 2\}",
        ),
        ("dicts", {"left": IMAGES}, r"keys \['left'\].*'left'.*'right'"),
    ],
)
def test_what_does_not_fit_is_said(networks, name, inputs, message):
    with pytest.raises(InputError, match=message):
        networks[name].inputs.check(inputs)


def test_numbers_of_other_types_are_cast_and_not_touched(networks):
    inputs = networks["functional"].inputs
    whole = np.arange(360).reshape(1, 12, 10, 3) % 256
    for given in (
        whole.astype("uint8"),
        whole.astype("int64"),
        whole.astype("float64"),
        tf.constant(whole),
        [whole[0]],
    ):
        (array,) = inputs.check(given)
        assert array.dtype == np.float32
        np.testing.assert_array_equal(array, whole)
    frozen = IMAGES.copy()
    frozen.flags.writeable = False
    np.testing.assert_array_equal(inputs.check(frozen)[0], IMAGES)
    np.testing.assert_array_equal(inputs.check({"image": IMAGES})[0], IMAGES)


def test_dicts_and_lists_reach_the_inputs_by_name(networks):
    table = zoo.images(6)
    image, numbers = networks["image_and_table"].inputs.check({"table": table, "image": IMAGES})
    np.testing.assert_array_equal(image, IMAGES)
    np.testing.assert_array_equal(numbers, table)
    left, right = networks["dicts"].inputs.check({"right": IMAGES * 2, "left": IMAGES})
    np.testing.assert_array_equal(right, left * 2)


def test_integer_inputs_refuse_fractions():
    tokens = keras.Input((5,), dtype="int32")
    model = keras.Model(tokens, keras.layers.Dense(2)(keras.layers.Flatten()(keras.layers.Embedding(9, 3)(tokens))))
    inputs = kv.Network(model).inputs
    np.testing.assert_array_equal(inputs.check([[1.0, 2, 3, 4, 5]])[0], [[1, 2, 3, 4, 5]])
    with pytest.raises(InputError, match=r"fractions.*whole numbers"):
        inputs.check([[1.5, 2, 3, 4, 5]])


def test_a_model_that_declares_no_inputs_needs_a_sample():
    class Open(keras.Model):
        def __init__(self):
            super().__init__()
            self.dense = keras.layers.Dense(2)
            self.dense.build((None, 4))
            self.built = True

        def call(self, x):
            return self.dense(x)

    model, data = Open(), zoo.images(4)
    with pytest.raises(ModelError, match="sample="):
        kv.Network(model)
    explanation = kv.Saliency(model, sample=data)(data, target=1)
    np.testing.assert_allclose(explanation, np.tile(model.dense.kernel.numpy()[:, 1], (3, 1)), rtol=1e-6)


def test_a_dict_is_read_by_key_whatever_its_class_and_order(networks):
    """Keras flattens an OrderedDict in its own order and a dict in that of its keys."""
    inputs = networks["dicts"].inputs
    left, right = IMAGES, IMAGES * 2
    expected = dict(
        zip([spec.name for spec in inputs.specs], inputs.check({"left": left, "right": right}), strict=True)
    )
    np.testing.assert_array_equal(expected["right"], right)
    for given in (OrderedDict(right=right, left=left), OrderedDict(left=left, right=right), [left, right]):
        for found, spec in zip(inputs.check(given), inputs.specs, strict=True):
            np.testing.assert_array_equal(found, expected[spec.name])
    with_lists = {"left": list(left), "right": list(right)}
    np.testing.assert_array_equal(inputs.check(with_lists)[0], left)


@pytest.mark.parametrize("kind", [dict, OrderedDict])
def test_a_model_of_a_dict_in_any_order_gets_each_input_its_own(kind):
    parts = kind((name, keras.Input((3,), name=name)) for name in ("zeta", "alpha"))
    model = keras.Model(parts, parts["zeta"] * 10 + parts["alpha"])
    network, ones = kv.Network(model), np.ones((2, 3), "float32")
    for given in ({"alpha": ones, "zeta": ones * 2}, OrderedDict(zeta=ones * 2, alpha=ones)):
        run = network.function(lambda tensors: next(iter(network.forward(tensors).outputs.values())))
        np.testing.assert_array_equal(run(network.inputs.check(given)), ones * 21)


def test_nested_structures_keep_their_places():
    first, second = keras.Input((3,)), keras.Input((4,), name="t")
    model = keras.Model([first, {"t": second}], keras.layers.Concatenate()([second, first]))
    network = kv.Network(model)
    a, b = np.full((2, 3), 1.0), np.full((2, 4), 2.0)
    (joined,) = network.activations([a, {"t": b}], -1).values()
    np.testing.assert_array_equal(joined, [[2, 2, 2, 2, 1, 1, 1]] * 2)
    with pytest.raises(InputError, match=r"keys \['u'\]"):
        network.inputs.check([a, {"u": b}])
    with pytest.raises(InputError, match=r"3 arrays.*the model's 2 inputs"):
        network.inputs.check([a, {"t": b}, a])


@pytest.mark.parametrize(
    ("name", "inputs", "message"),
    [
        ("functional", np.where(IMAGES > 2, IMAGES, np.inf), r"samples \[0, 1, 2\]"),
        ("functional", IMAGES[None], r"the shape \(1, 3, 12, 10, 3\).*Resize"),
        ("functional", IMAGES[0, 0], r"the shape \(10, 3\).*Resize"),
        ("functional", IMAGES.astype(complex), "dtype complex128"),
        ("functional", [IMAGES[0], IMAGES[1, :5]], "list of arrays of different shapes.*Resize"),
        ("image_and_table", [IMAGES, zoo.images(6), IMAGES], "3 arrays.*2 inputs"),
        ("image_and_table", [zoo.images(6), IMAGES], r"input 'image' has the shape \(3, 6\)"),
        ("image_and_table", {"image": IMAGES, "tabel": zoo.images(6)}, r"keys \['image', 'tabel'\]"),
        ("dicts", [IMAGES], "one array.*2 inputs, 'left' .*'right'"),
        ("dicts", {"left": IMAGES, "right": IMAGES[:2]}, r"numbers of samples: \{'left': 3, 'right': 2\}"),
    ],
)
def test_more_that_does_not_fit_is_said(networks, name, inputs, message):
    with pytest.raises(InputError, match=message):
        networks[name].inputs.check(inputs)


def test_strings_go_to_models_that_take_strings():
    words = keras.Input((), dtype="string")
    lookup = keras.layers.StringLookup(vocabulary=["cat", "dog"])
    model = keras.Model(words, keras.layers.Embedding(3, 2)(lookup(words)))
    network = kv.Network(model)
    (found,) = network.activations(np.array(["dog", "cat"]), -1).values()
    np.testing.assert_array_equal(found, model.layers[-1].embeddings.numpy()[[2, 1]])
    with pytest.raises(InputError, match=r"dtype float64.*Expected strings"):
        network.inputs.check(np.ones(2))


@pytest.mark.parametrize("dtype", ["bool", "uint8", "float16", "float64"])
def test_arrays_of_the_right_values_are_the_same_in_every_type(networks, dtype):
    given = (np.arange(360).reshape(1, 12, 10, 3) % 2).astype(dtype)
    (array,) = networks["functional"].inputs.check(given)
    assert array.dtype == np.float32 and given.dtype == dtype
    np.testing.assert_array_equal(array, given.astype("float32"))
