"""A user's inputs against what the model takes."""

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
