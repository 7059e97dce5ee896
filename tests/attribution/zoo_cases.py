"""A kind of model of the zoo, with its explainers made once, and the slow references for it."""

import functools
import warnings
from contextlib import contextmanager
from unittest import mock

import keras
import numpy as np
import pytest
import zoo
from reference import averages, cam_family, keras_eager
from reference.grad_cam import grad_cam

import kerasviz as kv
from kerasviz.errors import KerasvizWarning

#: Settings that make the averaging methods quick.
SETTINGS = {
    "smooth_grad": {"samples": 3, "seed": 5},
    "integrated_gradients": {"steps": 4, "gap": True},
    "occlusion": {"size": 2, "stride": 2},
    "rise": {"samples": 5, "probability": False},
    "ablation": {"segments": "grid", "count": 6},
    "prediction_difference": {"window": 2, "stride": 2, "samples": 2},
}
METHODS = sorted(kv.attribution.methods())
#: Classes for which no map of the random networks is zero, where the zoo's own target has such maps.
TARGETS = {
    "conv3d": [0, 2, 0],
    "dicts": ("species", [1, 3, 1]),
    "functional": [1, 0, 2],
    "nested_in_sequential": [1, 1, 2],
    "sequential": [2, 2, 3],
    "sequential_deferred": [1, 1, 0],
    "softmax_then_reshape": [0, 1, 2],
}
#: Class activation maps with a weighting of their own, all on the driver of Grad-CAM.
WEIGHTINGS = ("eigen_cam", "grad_cam_plus_plus", "hires_cam", "layer_cam", "xgrad_cam")
TRIALS = ("ablation_cam", "score_cam")
#: What changes parts of the image.
PERTURBATIONS = ("ablation", "occlusion", "prediction_difference", "rise")
#: Methods whose values are differences of scores, which lose digits.
DIFFERENCES = (*TRIALS, *PERTURBATIONS)
#: By how much values of the same sample may differ between batches, as a share of the map's maximum. Odds magnify.
TOLERANCE = dict.fromkeys(METHODS, 1e-06) | dict.fromkeys(DIFFERENCES, 1e-5) | {"prediction_difference": 1e-4}
#: Networks with one output that end in global average pooling and one linear layer.
POOLED = (
    "conv1d",
    "custom_layers",
    "functional",
    "functional_with_own_call",
    "mixed_float16",
    "nested_in_sequential",
    "nested_twice",
    "shared_layer",
    "subclassed",
    "with_preprocessing",
)
RULES = {"guided_backprop": "guided", "deconvnet": "deconvnet"}


@contextmanager
def zeros_allowed():
    """While entered, a random network may give a map of zeros."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", KerasvizWarning)
        yield


class Case:
    """A specimen of the zoo, its explainers by method, and the slow references for it."""

    def __init__(self, name):
        self.name = name
        self.specimen = zoo.ZOO[name]()
        self.model, self.inputs = self.specimen.model, self.specimen.inputs
        self.target = TARGETS.get(name, self.specimen.target)
        if name == "regression":
            self.model.layers[-1].kernel.assign(-self.model.layers[-1].kernel)
        self.count = len(keras.tree.flatten(self.inputs)[0])
        self._explainers, self._explanations, self._gradients = {}, {}, {}

    def explainer(self, method):
        if method not in self._explainers:
            self._explainers[method] = kv.attribution.explainer(self.model, method, **SETTINGS.get(method, {}))
        return self._explainers[method]

    def run(self, method, inputs, target):
        """Explain, whether or not some map is zero."""
        with zeros_allowed():
            return self.explainer(method)(inputs, target)

    def explanation(self, method):
        """Of the specimen's own inputs and target."""
        if method not in self._explanations:
            self._explanations[method] = self.run(method, self.inputs, self.target)
        return self._explanations[method]

    @property
    def samples(self):
        return keras_eager.samples_of(self.inputs)

    @property
    def numbers(self):
        """The class of each sample that the target means."""
        return keras_eager.numbers_of(self.target, self.count)

    def rows(self, *indices):
        """Some samples as a batch."""
        return keras.tree.map_structure(lambda array: array[list(indices)], self.inputs)

    def target_of(self, *indices):
        """The target of these samples, one number for each."""
        numbers = [self.numbers[i] for i in indices]
        return (self.target[0], numbers) if isinstance(self.target, tuple) else numbers

    @property
    def plain_model(self):
        """The user's model; for half precision, one of the same weights that computes in float32."""
        if self.name != "mixed_float16":
            return self.model
        policy = zoo.keras_policy
        with mock.patch.object(zoo, "keras_policy", lambda _: policy("float32")):
            twin = zoo.ZOO[self.name]().model
        twin.set_weights(self.model.get_weights())
        return twin

    def score(self, number):
        """`outputs -> scalar`, the score of a class."""
        names = list(getattr(self.model, "output_names", []) or [])
        return lambda outputs: keras_eager.class_scores(outputs, self.target, names, binary=self.name == "binary")[
            number
        ]

    def slow(self, method, i):
        """The maps of sample `i`, one per float input (or one heatmap), from the reference."""
        number, sample = self.numbers[i], self.samples[i]
        rule = RULES.get(method, "backprop")

        def gradient_of(at, rule=rule):
            return keras_eager.gradients(self.plain_model, at, self.score(number), rule=rule)[1]

        floats = [array[0] for array in keras.tree.flatten(sample) if array.dtype.kind == "f"]
        if method == "smooth_grad":
            return averages.smooth_grad(gradient_of, sample, samples=3, share=0.15, seed=5, statistic="mean")
        if method == "integrated_gradients":
            zeros = keras.tree.map_structure(np.zeros_like, sample)
            return averages.integrated_gradients(gradient_of, sample, zeros, rule="gauss_legendre", steps=4)
        if method == "input_x_gradient":
            return [x * g for x, g in zip(floats, gradient_of(sample), strict=True)]
        if method in ("grad_cam", "guided_grad_cam", "cam", *WEIGHTINGS):
            _, _, activation, gradient = keras_eager.gradients(
                self.plain_model, sample, self.score(number), layer=self.specimen.layer
            )
            # The first input is the one that the layer sees: of the zoo's dict model, the tower sees it last.
            if method in WEIGHTINGS:
                weights = getattr(cam_family, method)(activation, gradient)
                return [cam_family.weighted_sum(activation, weights, sizes=floats[0].shape[:-1])]
            if method == "cam":
                kernel = self.plain_model.layers[-1].get_weights()[0][:, number]
                weights = cam_family.cam(activation, kernel)
                return [cam_family.weighted_sum(activation, weights, rectify=False, sizes=floats[0].shape[:-1])]
            heat = grad_cam(activation, gradient, floats[0].shape[:-1])
            return [heat if method == "grad_cam" else heat[..., None] * gradient_of(sample, "guided")[0]]
        return gradient_of(sample)


@functools.cache
def case_of(name):
    """A kind of model, shared by all tests: they must not change it."""
    return Case(name)


#: The methods that between them run all the code; in quick tests they stand for the others.
DISTINCT = ("saliency", "smooth_grad", "integrated_gradients", "guided_grad_cam")
EACH_METHOD = [pytest.param(name, marks=[] if name in DISTINCT else pytest.mark.slow) for name in METHODS]
#: In quick tests one kind of model is for all methods, and some for the one that is made of two others.
TYPICAL = ("functional",)
FOR_ONE = ("dicts", "mixed_float16", "nested_in_sequential", "segmentation", "subclassed", "time_distributed")


def _swept(name, method):
    if method in TRIALS:
        return name in ("functional", "nested_in_sequential", "two_outputs")
    return method != "cam" or name in POOLED


def _mark(name, method):
    typical = name in TYPICAL and method not in (*WEIGHTINGS, *DIFFERENCES)
    return [] if typical or (name in FOR_ONE and method == "guided_grad_cam") else pytest.mark.slow


PAIRS = [
    pytest.param(name, method, marks=_mark(name, method))
    for name in sorted(zoo.ZOO)
    for method in METHODS
    if _swept(name, method)
]
#: These are compared with their references in modules of their own.
REFERENCED = [pair for pair in PAIRS if pair.values[1] not in DIFFERENCES]
