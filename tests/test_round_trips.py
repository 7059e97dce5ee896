"""Models that were explained, cloned, retrained or given another head: saved, opened again, and the same."""

import functools
import zipfile

import keras
import numpy as np
import pytest
import zoo

import kerasviz as kv
from kerasviz.errors import KerasvizWarning, LoadError, ModelError
from kerasviz.network import clone_with_rule, swap_activations, to_logits

pytestmark = pytest.mark.filterwarnings("ignore:You are saving your model as an HDF5 file")

KINDS = sorted(zoo.ZOO)
#: Looked at closely. They hold their layers in other ways: in models inside models, in lists of custom ones, twice.
FEW = ["dicts", "nested_twice", "shared_layer", "subclassed"]
#: What the old format of Keras cannot hold: ops among the layers, and models that are more than their layers.
NOT_IN_HDF5 = {"functional": "Relu", "functional_with_own_call": "OwnCall", "subclassed": "Subclassed"}
IN_HDF5 = [name for name in KINDS if name not in NOT_IN_HDF5]


def kinds(names=KINDS, quick="subclassed"):
    """Parameters, all slow but one."""
    return [pytest.param(name, marks=[pytest.mark.slow] * (name != quick)) for name in names]


@functools.cache
def specimen_of(name):
    """The same for all tests, which do not change it."""
    return zoo.ZOO[name]()


def saliency(model, inputs, target):
    return keras.tree.flatten(kv.Saliency(model)(inputs, target=target).values)


def explanations(model, specimen):
    """Of methods that go by gradients, by rules and by a layer: one array for each input."""
    methods = [kv.Saliency(model), kv.GuidedBackprop(model), kv.GradCAM(model, layer=specimen.layer, rectify=False)]
    return [
        array
        for method in methods
        for array in keras.tree.flatten(method(specimen.inputs, target=specimen.target).values)
    ]


def outputs(model, inputs):
    return keras.tree.flatten(model(inputs, training=False))


def assert_same(found, wanted, tolerance=0.0):
    """Equal to a share of the largest value."""
    for one, other in zip(found, wanted, strict=True):
        one, other = np.asarray(one, np.float64), np.asarray(other, np.float64)
        assert one.shape == other.shape
        assert np.abs(one - other).max() <= tolerance * np.abs(other).max()


def reopened(model, path):
    """The model after a round trip through a file, or through a folder if the path has no suffix."""
    if path.suffix:
        model.save(path)
    else:
        model.export(path, verbose=False)
    return kv.load(path)


def saved(model, path):
    """What a file holds that depends on the model: its configuration and its weights, to the byte."""
    model.save(path)
    with zipfile.ZipFile(path) as archive:
        return archive.read("config.json"), archive.read("model.weights.h5")


@pytest.mark.parametrize("name", kinds())
def test_a_model_that_was_explained_is_saved_as_before(name, tmp_path):
    specimen = zoo.ZOO[name]()
    before = saved(specimen.model, tmp_path / "model.keras")
    kv.GradCAM(specimen.model, layer=specimen.layer, rectify=False)(specimen.inputs, target=specimen.target)
    if specimen.rectifiers:
        clone_with_rule(specimen.model, "guided").model(specimen.inputs)
        swap_activations(specimen.model, {"relu": "softplus"}).model(specimen.inputs)
    to_logits(specimen.model)(specimen.inputs)
    assert saved(specimen.model, tmp_path / "model.keras") == before


JUDGED = ("saliency", "guided_backprop", "deconvnet", "grad_cam", "occlusion")


def judged(model, specimen):
    return [
        array
        for method in JUDGED
        for array in keras.tree.flatten(
            kv.explain(model, specimen.inputs, method=method, target=specimen.target).values
        )
    ]


@functools.cache
def judged_live(name):
    return judged(specimen_of(name).model, specimen_of(name))


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.*the map is zero everywhere")
@pytest.mark.parametrize(
    ("name", "suffix"),
    [(name, suffix) for name in KINDS for suffix in (".keras", ".h5") if name in IN_HDF5 or suffix == ".keras"],
)
def test_a_model_explains_as_before(name, suffix, tmp_path):
    """What a SavedModel gives is compared in network/test_graph_explanations.py."""
    specimen = specimen_of(name)
    loaded = reopened(specimen.model, tmp_path / f"model{suffix}")
    assert sum(np.any(array) for array in judged_live(name)) >= 2  # some classes of some networks speak for nothing
    assert_same(judged(loaded, specimen), judged_live(name), 1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("name", IN_HDF5)
def test_hdf5_holds_the_same(name, tmp_path):
    specimen = specimen_of(name)
    loaded = reopened(specimen.model, tmp_path / "model.h5")
    assert_same(outputs(loaded, specimen.inputs), outputs(specimen.model, specimen.inputs))


@pytest.mark.parametrize(("name", "word"), NOT_IN_HDF5.items())
def test_what_hdf5_cannot_hold_is_named(name, word, tmp_path):
    specimen_of(name).model.save(tmp_path / "model.h5")
    with pytest.raises(LoadError, match=f"'{word}'"):
        kv.load(tmp_path / "model.h5")


@pytest.mark.parametrize("name", kinds())
def test_a_clone_with_a_rule_is_saved_as_the_plain_model(name, tmp_path):
    specimen = specimen_of(name)
    clone = clone_with_rule(specimen.model, "deconvnet").model
    plain = outputs(specimen.model, specimen.inputs)
    for suffix in (".keras", ".h5") if name in IN_HDF5 else (".keras",):
        assert_same(outputs(reopened(clone, tmp_path / f"clone{suffix}"), specimen.inputs), plain)


@pytest.mark.slow
@pytest.mark.parametrize("name", FEW)
def test_a_rule_is_not_in_the_file_and_can_be_applied_anew(name, tmp_path):
    specimen = specimen_of(name)
    loaded = reopened(clone_with_rule(specimen.model, "deconvnet").model, tmp_path / "clone.keras")
    assert_same(explanations(loaded, specimen), explanations(specimen.model, specimen), 1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("name", FEW)
def test_an_exported_rule_is_told_and_left_away(name, tmp_path):
    specimen = specimen_of(name)
    with pytest.warns(KerasvizWarning, match="a gradient of its own"):
        loaded = reopened(clone_with_rule(specimen.model, "guided").model, tmp_path / "clone")
    found, wanted = (saliency(model, specimen.inputs, specimen.target) for model in (loaded, specimen.model))
    assert_same(found, wanted, 1e-5)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:The graph had a gradient of its own")
@pytest.mark.parametrize(
    "rule",
    [
        "guided",
        "deconvnet",
    ],
)
def test_a_rule_can_be_applied_anew_to_an_exported_clone(rule, tmp_path):
    specimen = specimen_of("shared_layer")
    loaded = reopened(clone_with_rule(specimen.model, rule).model, tmp_path / "clone")
    assert_same(explanations(loaded, specimen), explanations(specimen.model, specimen), 1e-5)


CHANGES = {"softened": lambda model: swap_activations(model, {"relu": "softplus"}).model, "to_logits": to_logits}
#: Kinds whose configuration would lose the change: it is in a custom class, or in the place of a whole layer or op.
LOST = {
    "softened": [
        "dicts",
        "functional",
        "functional_with_own_call",
        "mixed_float16",
        "nested_in_sequential",
        "nested_twice",
        "subclassed",
    ],
    "to_logits": ["functional_with_own_call", "nested_twice", "sequential", "softmax_then_reshape", "subclassed"],
}


@pytest.mark.parametrize(
    ("change", "name"),
    [
        pytest.param(change, *param.values, marks=param.marks)
        for change in CHANGES
        for param in kinds(quick="custom_layers")
    ],
)
def test_a_changed_clone_opens_as_changed_or_is_not_saved(change, name, tmp_path):
    specimen = specimen_of(name)
    clone = CHANGES[change](specimen.model)
    if name in LOST[change]:
        with pytest.raises(ModelError, match=r"a file would hold it as it was before the change.*clone\.export"):
            clone.save(tmp_path / "clone.keras")
        return
    loaded = reopened(clone, tmp_path / "clone.keras")
    assert_same(outputs(loaded, specimen.inputs), outputs(clone, specimen.inputs))


@pytest.mark.slow
@pytest.mark.parametrize(("change", "name"), [(change, name) for change in CHANGES for name in FEW])
def test_an_exported_clone_opens_as_changed(change, name, tmp_path):
    specimen = specimen_of(name)
    clone = CHANGES[change](specimen.model)
    loaded = reopened(clone, tmp_path / "exported")
    assert_same(outputs(loaded, specimen.inputs), outputs(clone, specimen.inputs), 1e-6)
    found, wanted = (saliency(model, specimen.inputs, specimen.target) for model in (loaded, clone))
    assert_same(found, wanted, 1e-5)


#: A pooled head has the inputs that its feature map depends on: here all of them, and only one.
GAP_KINDS = [name for name in KINDS if name not in ("dicts", "image_and_table")]


@functools.cache
def headed(name):
    specimen = specimen_of(name)
    return specimen.inputs, zoo.randomize(kv.to_gap(specimen.model, specimen.layer, classes=3), seed=8)


@pytest.mark.parametrize("name", kinds(GAP_KINDS))
def test_a_model_with_a_pooled_head_opens_as_the_same(name, tmp_path):
    """In the old format too, if its layers are none but layers: a subclassed model is opened."""
    inputs, model = headed(name)
    wanted = outputs(model, inputs)
    for suffix in (".keras",) if name.startswith("functional") else (".keras", ".h5"):
        assert_same(outputs(reopened(model, tmp_path / f"gap{suffix}"), inputs), wanted)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["gap.keras", "gap.h5", "exported"])
@pytest.mark.parametrize("kind", ["nested_twice", "subclassed"])
def test_class_activation_maps_outlive_the_file(kind, name, tmp_path):
    inputs, model = headed(kind)
    loaded = reopened(model, tmp_path / name)
    assert_same(outputs(loaded, inputs), outputs(model, inputs), 1e-6)
    found, wanted = (kv.CAM(one)(inputs, target=1).values for one in (loaded, model))
    assert np.abs(wanted).max() > 0
    assert_same([found], [wanted], 1e-5)


@pytest.mark.slow
# Its optimizer has not made a step, of which Keras warns when it opens such a model.
@pytest.mark.filterwarnings("ignore:Skipping variable loading for optimizer")
def test_a_retrained_model_opens_as_the_same_and_goes_on_training(tmp_path):
    specimen, labels = specimen_of("nested_twice"), np.array([0, 1, 2])
    model = kv.retrain_gap(specimen.model, (specimen.inputs, labels), epochs=2, fine_tune_epochs=1)
    figures = model.evaluate(specimen.inputs, labels, verbose=0)
    wanted = kv.CAM(model)(specimen.inputs, target=1).values
    loaded = reopened(model, tmp_path / "gap.keras")
    assert_same(outputs(loaded, specimen.inputs), outputs(model, specimen.inputs))
    assert_same([kv.CAM(loaded)(specimen.inputs, target=1).values], [wanted], 1e-6)

    whole = keras.models.load_model(tmp_path / "gap.keras")
    assert whole.evaluate(specimen.inputs, labels, verbose=0) == figures
    assert len(whole.trainable_weights) == len(model.trainable_weights) == 9
    whole.fit(specimen.inputs, labels, epochs=20, verbose=0)
    assert whole.evaluate(specimen.inputs, labels, verbose=0)[0] < figures[0]
