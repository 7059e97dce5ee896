"""Every way to explain, on bare graphs: what it gives is what it gives for the live model."""

import numpy as np
import pytest
import tensorflow as tf
import zoo
from opened_graphs import OPENED, QUICK, assert_close, flat, opened

import kerasviz as kv
from kerasviz.data import ConceptArrays
from kerasviz.errors import KerasvizError
from kerasviz.network.graph import open_saved_model

pytestmark = pytest.mark.slow

METHODS = sorted(kv.attribution.methods())
#: These are compared over every kind of network in the zoo, and of activation.
JUDGED = ("saliency", "guided_backprop", "deconvnet", "grad_cam", "occlusion")
BENDING = ("bent", "rectifiers", "smooth")
#: Over the others, those that differ in what they need of a graph: its gradient, its rectifiers, its layers.
TELLING = ("saliency", "guided_backprop", "grad_cam")
#: By how much maps may differ, as a share of the range. Odds lose digits.
TOLERANCE = dict.fromkeys(METHODS, 1e-5) | {"prediction_difference": 1e-4}
#: The graph on which everything else is tried.
ONE = "module"


def judged():
    for name in OPENED:
        for method in JUDGED if name.removeprefix("export_") in (*zoo.ZOO, *BENDING) else TELLING:
            quick = name in QUICK and method in TELLING
            yield pytest.param(name, method, marks=[] if quick else pytest.mark.slow)


def same_explanations(case, method, **settings):
    found, expected = case.explained(method, **settings)
    maps = list(zip(flat(found.values), flat(expected.values), strict=True))
    assert any(np.ptp(part) for _, part in maps), "the live map is zero: choose another target"
    for one, other in maps:
        assert_close(one, other, TOLERANCE[method])
    np.testing.assert_allclose(found.score, expected.score, rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(found.target, expected.target)


@pytest.mark.parametrize(("name", "method"), list(judged()))
def test_the_map_is_that_of_the_live_model(name, method):
    same_explanations(opened(name), method)


@pytest.mark.slow
@pytest.mark.parametrize("method", [method for method in METHODS if method not in TELLING])
def test_every_method(method):
    same_explanations(opened(ONE), method)


@pytest.mark.slow
@pytest.mark.parametrize("rule", ["guided_backprop", "deconvnet"])
@pytest.mark.parametrize("name", ["module_loop", "keras_2_loop", "export_simple_rnn", "session_simple_save"])
def test_rules_reach_loops_and_functions(name, rule):
    """The map under a rule is another than the plain gradient, and that of the live model."""
    case = opened(name)
    ruled, plain = case.explained(rule)[0], case.explained("saliency")[0]
    assert np.abs(ruled.values - plain.values).max() > 0.1 * np.ptp(plain.values)
    same_explanations(case, rule)


@pytest.mark.slow
def test_free_sizes():
    """Images of another size than those before, through one explainer."""
    case = opened("export_free_size")
    explain, live = kv.GradCAM(case.model), kv.GradCAM(case.twin)
    for size in ((14, 11), (9, 16)):
        images = zoo.images(*size, 3)
        assert_close(explain(images, 2).values, live(images, 2).values, 1e-5)


def test_a_batch_of_three_for_a_graph_of_one():
    """What was saved for one image at a time takes a batch, or says why it does not."""
    case = opened("module_batch_of_one")
    images = zoo.images(12, 10, 3)
    assert_close(kv.Saliency(case.model)(images, 2).values, kv.Saliency(case.twin)(images, 2).values, 1e-5)


# The other wings


IMAGES = zoo.images(12, 10, 3, count=8, seed=9)


def concepts():
    pictures = ((IMAGES + 1) * 127).astype("uint8")
    maps = (pictures[..., 0] > 128).astype(int)
    return ConceptArrays(pictures, maps, [("red", "colour")])


def scaled(pictures):
    return pictures / 127.0 - 1.0


#: What to compute of a model and the path of its last feature map.
WINGS = {
    "channel_statistics": lambda model, layer: kv.channel_statistics(model, [layer], IMAGES),
    "correspondence": lambda model, layer: kv.correspondence(
        model, IMAGES[:3], {"corner": np.array([[1, 1, 5, 5]] * 3)}, layers=[layer], random=2
    ),
    "critical_samples": lambda model, _: kv.critical_samples(model, IMAGES, 0.3, seed=1),
    "critical_sample_curve": lambda model, _: kv.critical_sample_curve(model, IMAGES, [0.1, 0.3], seed=1),
    "dissect": lambda model, layer: list(
        kv.dissect(model, [layer], concepts(), preprocess=scaled, fraction=0.2, chance=False).values()
    ),
    "feature_maps": lambda model, layer: list(kv.FeatureMaps(model, [layer])(IMAGES).values.values()),
    "filters": lambda model, _: kv.filters(model),
    "invariance": lambda model, layer: kv.invariance(
        model, IMAGES[:3], layers=[layer], transforms={"vertical_translation": [-1, 0, 1]}
    ),
    "loss_sensitivity": lambda model, _: kv.loss_sensitivity(model, IMAGES[:3], np.array([1, 0, 2])),
    "receptive_fields": lambda model, layer: str(kv.receptive_fields(model, [layer])).split(layer)[-1],
    "reconstruction": lambda model, layer: kv.Reconstruction(model, layer)(IMAGES[:2], [[0], [2]]),
    "top_activations": lambda model, layer: kv.top_activations(model, layer, IMAGES, k=3),
    "top_reconstructions": lambda model, layer: kv.reconstruct_top(model, layer, IMAGES, [0], k=2),
    "to_logits": lambda model, _: kv.to_logits(model)(IMAGES),
}
PIXELS = {"value_range": (-1, 1)}
WINGS |= {
    "activation_maximization": lambda model, _: kv.ActivationMaximization(model, **PIXELS)(1, steps=4),
    "activation_maximization_of_a_channel": lambda model, layer: kv.ActivationMaximization(model, **PIXELS)(
        kv.objectives.channel(layer, 2), steps=4
    ),
    "caricature": lambda model, layer: kv.Caricature(model, layer, **PIXELS)(IMAGES[:1], steps=3),
    "class_model": lambda model, _: kv.ClassModel(model, weight=0.1, **PIXELS)(1, steps=4),
    "deep_fool": lambda model, _: kv.synthesis.DeepFool(model, steps=3)(IMAGES[:2]),
    "dream": lambda model, layer: kv.DeepDream(model, [layer], octaves=1, jitter=1, **PIXELS)(IMAGES[:1], steps=2),
    "fast_gradient_sign": lambda model, _: kv.synthesis.FGSM(model)(IMAGES[:2], 0.1),
    "fooling_by_gradient": lambda model, _: kv.fooling_images(model, [1], steps=4, **PIXELS),
    "fooling_by_genes": lambda model, _: kv.fooling_images(model, [1], method="genetic", generations=2, **PIXELS),
    "fooling_by_elites": lambda model, _: kv.fooling_images(model, [1], method="map_elites", generations=2, **PIXELS),
    "inversion": lambda model, layer: kv.FeatureInversion(model, layer, **PIXELS)(IMAGES[:1], steps=3),
    "projected_gradient": lambda model, _: kv.synthesis.PGD(model, steps=2)(IMAGES[:2], 0.1, seed=1),
}


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::kerasviz.errors.KerasvizWarning")
@pytest.mark.parametrize("wing", sorted(WINGS))
def test_every_wing(wing):
    case = opened(ONE)
    found, expected = (
        arrays_of(WINGS[wing](model, layer))
        for model, layer in ((case.model, case.at), (case.twin, case.original.layer))
    )
    assert expected
    assert list(found) == list(expected)
    for key, array in expected.items():
        if isinstance(array, str) or array.dtype.kind in "OSU":
            np.testing.assert_array_equal(found[key], array, err_msg=key)
            continue
        assert_close(*(np.nan_to_num(one, posinf=9.0, neginf=-9.0) for one in (found[key], array)), 1e-5)


def arrays_of(value, at=""):
    """All numbers of a result by where they stand in it. Keys of dicts are numbered: they may be paths of layers."""
    if isinstance(value, np.ndarray | tf.Tensor | np.number | float | int):
        return {at: np.asarray(value)}
    if isinstance(value, str):
        return {at: value} if at == "" else {}
    if isinstance(value, dict):
        parts = enumerate(value.values())
    elif isinstance(value, list | tuple):
        parts = enumerate(value)
    elif type(value).__module__.startswith("kerasviz"):
        parts = sorted(vars(value).items())
    else:
        return {}
    return {place: array for key, part in parts for place, array in arrays_of(part, f"{at}/{key}").items()}


# Models made of a graph


def test_clones_of_a_graph_run():
    """Called as models are: eagerly."""
    case = opened(ONE)
    for clone in (lambda model: kv.clone_with_rule(model, "guided"), lambda model: kv.swap_activations(model, SWAPS)):
        assert_close(clone(case.model).model(case.inputs), clone(case.twin).model(case.inputs), 1e-5)


SWAPS = {"relu": "elu"}


def test_a_pooling_head_is_refused():
    """A graph cannot be cut and built on."""
    case = opened(ONE)
    with pytest.raises(KerasvizError) as error:
        kv.to_gap(case.model, case.at, classes=3)
    assert "\n" not in str(error.value)


def test_training_a_graph_is_refused(tmp_path):
    """It computes what it computes at inference: Keras alone would say that there are no gradients."""
    case = opened(ONE)
    model = open_saved_model(case.folder)
    with pytest.raises(KerasvizError) as error:
        model.compile("sgd", "sparse_categorical_crossentropy")
        kv.CriticalSampleTraining(model, 0.1).fit(case.inputs, np.array([0, 1, 2]), verbose=0)
    assert "\n" not in str(error.value)
