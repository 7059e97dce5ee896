"""`Stream`: the same samples in the same order, whatever they come in."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers as L

from kerasviz.errors import InputError, SettingError
from kerasviz.network.inputs import Inputs
from kerasviz.network.streaming import Stream


@pytest.fixture
def samples():
    """Eleven samples, each full of its own number."""
    return np.broadcast_to(np.arange(11, dtype="float32")[:, None, None, None], (11, 2, 3, 1)).copy()


@pytest.fixture
def inputs():
    return Inputs.of(keras.Sequential([keras.Input((2, 3, 1)), L.Flatten()]))


@pytest.fixture
def two_inputs():
    left, right = keras.Input((2, 3, 1), name="left"), keras.Input((1,), name="right")
    return Inputs.of(keras.Model({"left": left, "right": right}, L.Concatenate()([L.Flatten()(left), right])))


class Indexed(keras.utils.PyDataset):
    """Batches of four with labels; beyond its end it gives empty ones, as slicing does."""

    def __init__(self, samples, batches=3):
        super().__init__()
        self.samples, self.batches = samples, batches

    @property
    def num_batches(self):
        return self.batches

    def __getitem__(self, index):
        part = self.samples[4 * index : 4 * index + 4]
        return part, np.full(len(part), -1)


class Again:
    """A collection of batches."""

    def __init__(self, batches):
        self.batches = batches

    def __iter__(self):
        return iter(self.batches)


def read(stream):
    """The first number and the sample numbers of every batch."""
    return [(start, part[0][:, 0, 0, 0].astype(int).tolist()) for start, part in stream]


def sources(samples):
    labels = np.full(11, -1)
    data = tf.data.Dataset.from_tensor_slices((samples, labels))
    return {
        "array": samples,
        "tensor": tf.constant(samples),
        "tf.data": data.batch(4),
        "tf.data without labels": tf.data.Dataset.from_tensor_slices(samples).batch(11),
        "with weights": tf.data.Dataset.from_tensor_slices((samples, labels, labels)).batch(5),
        "PyDataset": Indexed(samples),
        "collection": Again([(samples[:1],), (samples[1:9], labels[1:9]), samples[9:]]),
    }


KINDS = sorted(sources(np.zeros((11, 2, 3, 1), "float32")))


@pytest.mark.parametrize("kind", KINDS)
def test_all_samples_in_their_order_as_often_as_wanted(inputs, samples, kind):
    stream = Stream(inputs, sources(samples)[kind], batch_size=3)
    for _ in range(2):
        batches = read(stream)
        assert [number for _, numbers in batches for number in numbers] == list(range(11))
        assert [start for start, _ in batches] == [numbers[0] for _, numbers in batches]
        assert max(len(numbers) for _, numbers in batches) == 3  # larger ones are split
    assert stream.total == 11


def test_the_total_is_known_before_only_where_something_tells(inputs, samples):
    assert Stream(inputs, samples).total == 11
    stream = Stream(inputs, sources(samples)["tf.data"])
    assert stream.total is None
    list(stream.with_bar("test"))
    assert stream.total == 11


@pytest.mark.parametrize("kind", KINDS)
def test_some_samples_by_number(inputs, samples, kind):
    stream = Stream(inputs, sources(samples)[kind], batch_size=4)
    (taken,) = stream.take([7, 0, 10, 7])
    assert taken[:, 0, 0, 0].tolist() == [7, 0, 10, 7] and taken.shape == (4, 2, 3, 1)
    with pytest.raises(InputError, match="no sample 11"):
        stream.take([3, 11])
    with pytest.raises(InputError, match="no sample -1"):
        stream.take([-1])


def test_samples_taken_hold_no_batch(inputs, samples, monkeypatch):
    stream, bases, stack = Stream(inputs, Again([samples]), batch_size=11), [], np.stack
    monkeypatch.setattr(np, "stack", lambda rows: (bases.extend(row.base for row in rows), stack(rows))[1])
    stream.take([2])
    assert bases == [None]


def test_several_inputs(two_inputs, samples):
    right = np.arange(11, dtype="float32")[:, None] * 10
    batches = {"left": samples, "right": right}
    labelled = tf.data.Dataset.from_tensor_slices((batches, np.zeros(11))).batch(4)
    for source in (batches, labelled, Again([batches])):
        stream = Stream(two_inputs, source, batch_size=3)
        order = [spec.name for spec in two_inputs.specs]
        for start, part in stream:
            by_name = dict(zip(order, part, strict=True))
            assert by_name["left"][:, 0, 0, 0].tolist() == list(range(start, start + len(part[0])))
            assert by_name["right"][:, 0].tolist() == [10 * n for n in range(start, start + len(part[0]))]
        taken = dict(zip(order, stream.take([9, 4]), strict=True))
        assert taken["left"][:, 1, 2, 0].tolist() == [9, 4] and taken["right"][:, 0].tolist() == [90, 40]


def test_integers_are_cast_as_the_model_takes_them(inputs):
    ((_, (part,)),) = Stream(inputs, Again([np.full((1, 2, 3, 1), 7, np.uint8)]))
    assert part.dtype == np.float32 and part.max() == 7


def test_what_cannot_be_gone_through(inputs, samples):
    for data, said in (
        ((batch for batch in [samples]), "generator"),
        (iter([samples]), "only once"),
        (tf.data.Dataset.from_tensor_slices(samples).batch(2).repeat(), "never ends"),
        (Indexed(samples, batches=None), "never ends"),
        ([], "shape"),
        (samples[:0], "empty"),
        (samples[0], "batch axis"),
        ("images/", "dtype"),
    ):
        with pytest.raises(InputError, match=said):
            Stream(inputs, data)
    for size in (0, -1, 2.0, True, None):
        with pytest.raises(SettingError, match="batch_size"):
            Stream(inputs, samples, batch_size=size)


def test_what_turns_out_wrong_on_the_way(inputs, samples):
    bad = samples.copy()
    bad[2] = np.nan
    for data, said in (
        (Again([]), "empty"),
        (tf.data.Dataset.from_tensor_slices(samples), "batch axis"),
        (Again([(samples, 1, 2, 3)]), "tuple of 4"),
        (Again([samples, samples[:, :1]]), r"shape \(11, 1, 3, 1\)"),
        (Again([samples, bad]), r"NaN or infinite values in the samples \[2\]"),
    ):
        with pytest.raises(InputError, match=said):
            list(Stream(inputs, data))
