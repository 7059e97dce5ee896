"""`probe`: the first samples of whatever `model.predict` takes."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from kerasviz.callbacks.probes import probe
from kerasviz.errors import InputError

X, Y = np.arange(20.0).reshape(10, 2), np.arange(10)


class Batches(keras.utils.PyDataset):
    def __init__(self, count):
        super().__init__()
        self.count, self.asked = count, []

    @property
    def num_batches(self):
        return self.count

    def __getitem__(self, number):
        self.asked.append(number)
        return X[3 * number : 3 * number + 3], Y[3 * number : 3 * number + 3], np.ones(3)


def dataset(*parts):
    return tf.data.Dataset.from_tensor_slices(parts if len(parts) > 1 else parts[0])


def same(found, expected):
    assert type(found) is type(expected)
    keras.tree.map_structure(np.testing.assert_array_equal, found, expected)


def test_the_first_of_arrays():
    same(probe(X, 4)[0], X[:4])
    same(probe([X, Y], 4)[0], [X[:4], Y[:4]])
    same(probe({"a": X}, 40)[0], {"a": X})
    assert probe(X, 4)[1] is None
    np.testing.assert_array_equal(probe(tf.constant(X), 4)[0], X[:4])


@pytest.mark.parametrize("count", [1, 4, 11])
def test_the_first_of_batches(count):
    same(probe(dataset(X, Y).batch(3), count), (X[:count], Y[:count]))
    same(probe(dataset(X).batch(3), count)[0], X[:count])
    assert probe(dataset(X).batch(3), count)[1] is None
    inputs, labels = probe(dataset({"a": X, "b": Y}, {"c": Y}).batch(3), count)
    same(inputs, {"a": X[:count], "b": Y[:count]})
    same(labels, {"c": Y[:count]})


def test_no_more_batches_are_made_than_needed():
    for count in (4, None):
        batches = Batches(count)
        same(probe(batches, 5), (X[:5], Y[:5]))
        assert batches.asked == [0, 1]
    probe(batches := Batches(4), 6)
    assert batches.asked == [0, 1]
    same(probe(dataset(X).batch(3).repeat(), 12)[0], np.concatenate([X, X[:2]]))


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (iter([X]), "next"),
        ((x for x in X), "next"),
        (dataset(X).batch(3).take(0), "data set is empty"),
        (Batches(0), "data set is empty"),
        (dataset(X, Y), r"dataset.batch\(32\)"),
        (tf.data.Dataset.from_generator(lambda: iter([np.ones((2, 3)), np.ones((2, 4))]), tf.float32), "of one shape"),
        (object(), "a object in the place of an array"),
        (3, "a int in the place"),
        ("images.npy", "a str in the place"),
        (None, "a NoneType in the place"),
    ],
)
def test_what_cannot_be_looked_at_again_is_refused(data, words):
    with pytest.raises(InputError, match=words):
        probe(data, 4)
