"""The SavedModels of every origin, written and opened once, beside the live models that they must agree with."""

import contextlib
import functools
import inspect
import warnings

import keras
import numpy as np
import pytest
import saved_models
from keras import layers as L

import kerasviz as kv
from kerasviz.errors import KerasvizWarning, LayerError
from kerasviz.network import Network
from kerasviz.network.graph import open_saved_model
from kerasviz.network.layers import walk

#: Settings that make the averaging methods quick.
SETTINGS = {
    "smooth_grad": {"samples": 3, "seed": 5},
    "integrated_gradients": {"steps": 4},
    "occlusion": {"size": 2, "stride": 2},
    "rise": {"samples": 5, "probability": False},
    "ablation": {"segments": "grid", "count": 6},
    "prediction_difference": {"window": 2, "stride": 2, "samples": 2},
}
#: Of exported models, the layers that compute nothing at inference, and so are not in the graph.
NOTHING = (L.Dropout, L.RandomFlip)
#: Layers whose parts have no scope of their own in the file.
OPAQUE = (L.TimeDistributed, L.MultiHeadAttention)
#: Origins whose signature gives no batch of scores for a batch of images.
REFUSED = ("module_without_batch",)
OPENED = [name for name in saved_models.ORIGINS if name not in REFUSED]
#: One of each kind that is written quickly.
QUICK = ("export_nested_in_sequential", "module", "signature_of_integers", "session_simple_save")


def origins(names=OPENED, quick=QUICK):
    """Names of origins as parameters, all but a few of them for slow tests."""
    return [pytest.param(name, marks=[] if name in quick else pytest.mark.slow) for name in names]


class Opened:
    """An origin, opened, with what was computed of it.

    Attributes:
        name: of the origin.
        folder: of the SavedModel.
        original: its `Original`.
        twin: the live model.
        model: the opened graph.
    """

    def __init__(self, name):
        self.name = name
        self.folder, self.original = saved_models.written(name)
        self.twin, self.inputs = self.original.twin, self.original.inputs
        self.model = open_saved_model(self.folder, self.original.signature)

    @functools.cached_property
    def network(self):
        return Network(self.model)

    @functools.cached_property
    def live(self):
        return _live(self.twin)

    @property
    def given(self):
        """The inputs as the opened graph takes them: those of a list by name."""
        if isinstance(self.inputs, list):
            return dict(zip([tensor.name for tensor in self.twin.inputs], self.inputs, strict=True))
        return self.inputs

    @functools.cached_property
    def forward(self):
        """What one pass of the opened graph gives: scores by output, and activations by path."""
        taps = {"at": self.network.address(self.at)}
        with contextlib.suppress(LayerError):  # Of one test alone.
            taps["last"] = self.network.address()
        taps |= {path: self.network.address(path) for path in self.same_paths}
        return _forward(self.network, self.given, taps)

    @functools.cached_property
    def live_forward(self):
        """The same of the live model."""
        layer = self.live.address(self.original.layer)
        paths = {path: self.live.address(path) for path in self.same_paths}
        return _forward(self.live, self.inputs, {"last": layer, "at": layer, **paths})

    @functools.cached_property
    def same_paths(self):
        """The layers of a live model that Keras 3 exported that have an activation: all have a path in the file.

        But what Keras makes of `keras.ops.relu(x)` has no scope there, and some layers open none for those inside: a
        `TimeDistributed` never, attention not in Keras 3.7.
        """
        if self.name not in saved_models.KERAS_3:
            return []
        layers = {path: layer for path, layer in walk(self.twin) if isinstance(layer, L.Layer)}
        wrapped = tuple(f"{path}/" for path, layer in layers.items() if isinstance(layer, OPAQUE))
        last = {call.path: call for call in self.live.trace.calls}
        return [
            path
            for path, layer in layers.items()
            if path in last
            and last[path].shape is not None
            and not last[path].passes_on
            and not isinstance(layer, NOTHING)
            and not path.startswith(wrapped)
        ]

    def explained(self, method, **settings):
        """What a method gives for the opened graph and for the live model, at the original's layer if it takes one."""
        settings = {**SETTINGS.get(method, {}), **settings}
        here, live = settings, settings
        if "layer" in inspect.signature(kv.attribution.methods()[method]).parameters:
            here, live = {**settings, "layer": self.at}, {**settings, "layer": self.original.layer}
        found = _explained(self.model, self.given, self.original.saved_target, method, here)
        given = b"".join(np.asarray(array).tobytes() for array in keras.tree.flatten(self.inputs))
        key = (id(self.twin), given, str(self.original.target), method, str(settings))
        if key not in _live_maps:
            _live_maps[key] = _explained(self.twin, self.inputs, self.original.target, method, live)
        return found, _live_maps[key]

    @property
    def at(self):
        """The path, in the opened graph, of the last feature map."""
        return self.original.at or self.original.layer


#: Of live models, by their `id()`: many origins share one.
_live_maps = {}


@functools.cache
def _live(model):
    return Network(model)


def _forward(network, inputs, taps):
    def run(tensors):
        done = network.forward(tensors, dict.fromkeys(taps.values()))
        return done.scores, {name: done.activations[address] for name, address in taps.items()}

    scores, activations = network.function(run)(network.inputs.check(inputs))
    return {name: np.asarray(tensor) for name, tensor in scores.items()}, activations


def _explained(model, inputs, target, method, settings):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", KerasvizWarning)  # Maps of zeros, and layers before tokens.
        return kv.attribution.explainer(model, method, **settings)(inputs, target)


@functools.cache
def opened(name):
    """An origin that tests share: they must not change it. Skips where it cannot be written."""
    why = saved_models.missing(name)
    if why:
        pytest.skip(why)
    return Opened(name)


def flat(values):
    """The maps of an explanation as a list, in the order of their names."""
    return [values[name] for name in sorted(values)] if isinstance(values, dict) else [np.asarray(values)]


def assert_close(found, expected, tolerance):
    """Arrays agree to a share of the range of what is expected."""
    found, expected = np.asarray(found, "float64"), np.asarray(expected, "float64")
    assert found.shape == expected.shape
    assert np.abs(found - expected).max() <= tolerance * max(np.ptp(expected), 1e-12)


def live_outputs(original):
    """The outputs of the live model that the target is about."""
    return chosen(original, original.twin(original.inputs, training=False))


def chosen(original, outputs):
    """Of a live model's outputs, the one that the target is about."""
    name = original.target[0] if isinstance(original.target, tuple) else None
    if isinstance(outputs, list):
        outputs = outputs[original.twin.output_names.index(name)]
    return np.asarray(outputs[name] if isinstance(outputs, dict) else outputs, "float32")
