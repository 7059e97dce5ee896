"""A Keras model beside the SavedModel of it: the same weights under other paths."""

import contextlib
import io

import numpy as np
import pytest
from compared import changed, network, twin, with_weights_of
from zoo import images

import kerasviz as kv
from kerasviz.comparison import compare

pytestmark = pytest.mark.slow


def exported(model, folder):
    with contextlib.redirect_stdout(io.StringIO()):
        model.export(folder, verbose=False)
    return kv.load(folder)


@pytest.fixture
def model():
    return network()


def test_the_same_weights(model, tmp_path):
    graph = exported(model, tmp_path / "a")
    for found in (compare(model, graph, images(12, 10, 3)), compare(graph, model)):
        assert found.same and found.same_weights and not found.by_layers and found.lost == found.gained == ()
        assert found.summary[0] == "The same weights, bit for bit (10 arrays, 414 parameters)."
        assert len(found.notes) == 1 and "is a bare graph" in found.notes[0]
        assert {weight.nature for weight in found.weights} == {"same"} and len(found.weights) == 10
    found = compare(model, graph)
    paths = {pair.a.path: pair.b.path for pair in found.layers}
    assert list(paths) == ["conv1", "bn1", "conv2", "predictions"]
    assert all(other.startswith(path) for path, other in paths.items())


def test_a_changed_weight_is_found_under_its_path(model, tmp_path):
    other = twin(model)
    bias = other.get_layer("conv1").bias
    bias.assign(bias * 3)
    found = compare(model, exported(other, tmp_path / "a"))
    assert changed(found) == {"conv1": ("weights",)} and not found.same
    (weight,) = [weight for weight in found.weights if weight.nature != "same"]
    assert weight.name == "bias" and weight.relative == pytest.approx(2, rel=1e-6)
    assert found.summary[0] == "1 of 10 weights changed."


def test_an_added_layer_and_another_head(model, tmp_path):
    other = with_weights_of(network(extra="extra", classes=7, seed=1), model, skip=[2])
    found = compare(model, exported(other, tmp_path / "a"))
    assert [weight.name for weight in found.lost] == ["predictions/kernel", "predictions/bias"]
    assert {weight.shape_b for weight in found.gained} == {(3, 3, 5, 5), (5,), (5, 7), (7,)}
    assert changed(found) == {} and found.summary[:2] == (
        "None of 10 weights changed, 2 not found in the second model, 4 only there.",
        "The output predictions differs: 4 → 7.",
    )


def test_two_graphs_are_compared_by_their_ops(model, tmp_path):
    first = exported(model, tmp_path / "a")
    assert compare(first, exported(model, tmp_path / "b")).same
    found = compare(first, exported(with_weights_of(network(strides=2, seed=1), model), tmp_path / "c"))
    assert found.by_layers and found.same_weights and not found.same_structure
    (pair,) = found.changed
    assert (pair.a.kind, [(one.key, one.a, one.b) for one in pair.config]) == (
        "Conv2D",
        [("strides", [1, 1, 1, 1], [1, 2, 2, 1])],
    )
    assert np.array_equal(pair.b.shape, (None, 6, 5, 5))
