"""Which layer of one model is which of another."""

import keras
import pytest
from compared import network, twin, with_weights_of
from keras import layers as L
from zoo import randomize

from kerasviz.comparison.facts import take_apart
from kerasviz.comparison.matching import _in_order, match_layers, match_weights


def pairs(a, b):
    """Paths of the second model by those of the first; what is added has the key "+"."""
    left, right = take_apart(a).parts, take_apart(b).parts
    found = match_layers(left, right)
    paths = {left[i].facts.path: right[j].facts.path for i, j in found}
    lost = {part.facts.path: None for part in left if part.facts.path not in paths}
    return {**paths, **lost, "+": [part.facts.path for part in right if part.facts.path not in paths.values()]}


PATHS = ["conv1", "bn1", "conv2", "drop", "gap", "predictions"]
SAME = {path: path for path in PATHS}


def test_an_inserted_layer_shifts_nothing():
    assert pairs(network(), network(extra="extra", seed=1)) == {**SAME, "+": ["extra"]}


def test_a_removed_layer():
    assert pairs(network(extra="extra"), network(seed=1)) == {**SAME, "extra": None, "+": []}


def test_numbers_of_keras_are_no_names():
    """The second convolution of one model is the third of the other, of the same shape: its weights tell."""
    a = network(named=False)
    b = with_weights_of(network(named=False, extra="", seed=1), a, skip=[2])
    found = pairs(a, b)
    names = [layer.name for layer in b.layers if isinstance(layer, L.Conv2D)]
    assert found["+"] == [names[1]]
    assert [other for path, other in found.items() if path.startswith("conv2d")] == [names[0], names[2]]


def test_numbered_layers_with_other_weights_go_by_their_order():
    a, b = network(named=False), network(named=False, seed=1)
    found = pairs(a, b)
    assert found.pop("+") == []
    assert list(found.items()) == [(x.name, y.name) for x, y in zip(a.layers[1:], b.layers[1:], strict=True)]


def test_a_number_that_is_left_alone_is_no_name_either():
    """The second of three layers was removed, and another one added at the end."""

    def tower(last):
        x = inputs = keras.Input((6,))
        for width in (6, 6, last):
            x = L.Dense(width)(x)
        return randomize(keras.Model(inputs, x), last)

    a, b = tower(6), tower(9)
    for number, other in ((1, 1), (2, 3)):
        b.layers[number].set_weights(a.layers[other].get_weights())
    names = [[layer.name for layer in model.layers[1:]] for model in (a, b)]
    assert pairs(a, b) == {names[0][0]: names[1][0], names[0][1]: None, names[0][2]: names[1][1], "+": [names[1][2]]}


def test_weights_tell_more_than_a_path():
    """A layer was inserted and the others were numbered anew by hand: conv2 is now conv3."""
    a, b = network(), network(extra="conv2", name="conv3", seed=1)
    with_weights_of(b, a, skip=[2])
    assert pairs(a, b) == {**SAME, "conv2": "conv3", "+": ["conv2"]}


def test_a_path_tells_more_than_order():
    """Two layers of one shape in the other order, retrained."""

    def tower(names, seed):
        x = inputs = keras.Input((6,))
        for name in names:
            x = L.Dense(6, name=name)(x)
        return randomize(keras.Model(inputs, x), seed)

    assert pairs(tower("ab", 1), tower("ba", 2)) == {"a": "a", "b": "b", "+": []}


def test_all_renamed_and_retrained():
    found = pairs(network(), network(named=False, seed=1))
    assert found.pop("+") == [] and list(found) == PATHS
    assert [name.rstrip("_0123456789") for name in found.values()] == [
        "conv2d",
        "batch_normalization",
        "conv2d",
        "dropout",
        "global_average_pooling2d",
        "dense",
    ]


def test_a_replaced_head_is_the_head():
    assert pairs(network(), network(classes=9, head="scores", seed=1)) == {**SAME, "predictions": "scores", "+": []}


def test_other_widths_go_by_the_classes_between_two_pairs():
    def tower(width, prefix):
        x = inputs = keras.Input((6,))
        for number in range(3):
            x = L.Dense(width, name=f"{prefix}{number}")(x)
            x = L.ReLU(name=f"{prefix}relu{number}")(x)
        return keras.Model(inputs, x)

    found = pairs(tower(4, "a"), tower(5, "b"))
    assert found == {f"a{n}": f"b{n}" for n in range(3)} | {f"arelu{n}": f"brelu{n}" for n in range(3)} | {"+": []}


def test_two_architectures_have_little_in_common():
    """One convolution of one shape among five is chance."""

    def tower(names, widths):
        x = inputs = keras.Input((8, 8, 4))
        for name, width in zip(names, widths, strict=True):
            x = L.Conv2D(width, 3, padding="same", name=name)(x)
        return randomize(keras.Model(inputs, x))

    a, b = tower("abcde", (4, 5, 6, 7, 8)), tower("uvwxyz", (4, 9, 10, 11, 12, 13))
    randomize(b, 3)
    assert pairs(a, b) == {**dict.fromkeys("abcde"), "+": list("uvwxyz")}


def test_constant_weights_tell_nothing():
    """Fresh normalizations are all alike: names and order pair them."""

    def tower(*names):
        x = inputs = keras.Input((6,))
        for name in names:
            x = L.BatchNormalization(name=name)(x)
        return keras.Model(inputs, x)

    assert pairs(tower("a", "b"), tower("b", "c")) == {"b": "b", "a": None, "+": ["c"]}


def test_a_renamed_container_renames_what_is_in_it():
    def nested(name):
        inner = keras.Sequential([keras.Input((6,)), L.Dense(4, name="one"), L.Dense(4, name="two")], name=name)
        x = inputs = keras.Input((6,))
        return randomize(keras.Model(inputs, inner(x)))

    a = nested("base")
    assert pairs(a, nested("backbone")) == {"base/one": "backbone/one", "base/two": "backbone/two", "+": []}


def test_the_same_model():
    model = network()
    assert pairs(model, model) == {**SAME, "+": []} == pairs(model, twin(model))


@pytest.mark.parametrize(
    ("seconds", "kept"),
    [([0, 1, 2], [0, 1, 2]), ([2, 0, 1], [0, 1]), ([1, 0, 3, 2], [0, 2]), ([3, 4, 0, 1, 2], [0, 1, 2]), ([], [])],
)
def test_the_most_pairs_in_order(seconds, kept):
    found = _in_order(list(enumerate(seconds)))
    assert [j for _, j in found] == kept and found == [(seconds.index(j), j) for j in kept]


def test_weights_alone_go_by_bits_then_by_name_then_by_order():
    """Both biases are zero, and one kernel was changed."""

    def weights(names, seed=None, doubled=()):
        x = inputs = keras.Input((4,))
        for name in names:
            x = L.Dense(4, name=name)(x)
        model = keras.Model(inputs, x)
        for number, layer in enumerate(model.layers[1:]):
            kernel = keras.random.normal((4, 4), seed=number)
            layer.kernel.assign(kernel * (2 if layer.name in doubled else 1))
        return take_apart(model).weights

    a, b = weights("pqr"), weights("pqr", doubled="q")
    order = [4, 5, 2, 3, 0, 1]
    shuffled = [b[n] for n in order]
    assert {a[i].tail: shuffled[j].tail for i, j in match_weights(a, shuffled)} == {one.tail: one.tail for one in a}
    other = weights("xyz", doubled="y")
    named = {a[i].tail: other[j].tail for i, j in match_weights(a, other)}
    assert named == {f"{x}/{w}": f"{y}/{w}" for x, y in zip("pqr", "xyz", strict=True) for w in ("kernel", "bias")}
