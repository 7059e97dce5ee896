"""What a model is made of: layers, heads, rectifiers, weights."""

import warnings

import keras

from kerasviz.errors import KerasvizWarning, LayerError, RuleError, SettingError
from kerasviz.inspection.activations import activations
from kerasviz.inspection.diagnosis import problems
from kerasviz.inspection.health import weights
from kerasviz.inspection.quantization import quantization
from kerasviz.inspection.sizes import sizes
from kerasviz.inspection.variables import bytes_of
from kerasviz.network import Network
from kerasviz.network.gap_head import gap_head
from kerasviz.network.layers import walk
from kerasviz.network.receptive_fields import receptive_fields
from kerasviz.network.rules import RULES
from kerasviz.network.spatial import is_spatial


def examine(network: Network, model) -> dict:
    """What a model is made of, and what the methods would find in it, as JSON can hold it.

    Args:
        network: the model, opened.
        model: the Keras model itself, of which backward rules make clones.

    Returns:
        A dict with

        - "name", and "parameters", how many there are;
        - "inputs": each one's "name", "shape" (None first, for the batch) and "dtype";
        - "outputs": each one's "name", "shape", "head" and "cam". The head is what it ends in, such as "softmax"; None
          for scores, "stuck" for probabilities that cannot be taken apart. "cam" is the path of the layer that CAM
          weighs, None where CAM is not possible;
        - "default_layer": the "path" of the layer that methods look at unless told, or None and the "reason";
        - "rules": for "deconvnet" and "guided" the rectifiers that are "replaced", those "missed",
          and the "reason" why there is none, or None;
        - "layers": each one's "path", "class", "shape" (None if it is not one tensor), "parameters", "bytes" of its
          weights in memory (with its parts), "activations" that it applies itself (see
          `kerasviz.inspection.activations.activations`), "receptive_field", "calls", whether it has a spatial "map",
          whether it is or holds a "rectifier", and under "rules" what each rule replaces there. The receptive field
          has the "size" and "stride" along each spatial axis, in pixels, and "whole", whether units also see the whole
          image by other paths; None without a map over the image;
        - "problems", the worst first, as `kerasviz.inspection.diagnosis.Problem` holds them;
        - "weights": each one's numbers and health, as `kerasviz.inspection.health.Weight` holds them;
        - "sizes": as `kerasviz.inspection.sizes.sizes` gives them;
        - "quantization": as `kerasviz.inspection.quantization.quantization` gives it.

    Example:
        >>> import kerasviz as kv
        >>> from kerasviz.data import shapes
        >>> model = shapes.shapes_model()
        >>> found = examine(kv.Network(model), model)
        >>> found["outputs"][0]["head"], found["problems"]
        ('softmax', [])
    """
    rules = _rules(model)
    found = weights(model)
    return {
        "name": network.name,
        "parameters": model.count_params(),
        "inputs": [
            {"name": spec.name, "shape": list(spec.shape), "dtype": spec.dtype} for spec in network.inputs.specs
        ],
        "outputs": [_output(network, name) for name in network.trace.outputs],
        "default_layer": _default_layer(network),
        "rules": rules,
        "layers": _layers(network, model, rules),
        "problems": [problem.as_dict() for problem in problems(found)],
        "weights": [weight.as_dict() for weight in found],
        "sizes": sizes(found),
        "quantization": quantization(model),
    }


def _rules(model):
    found: dict[str, dict] = {}
    for name in RULES:
        if name != "backprop":
            # All rules replace the same rectifiers, and to find those takes a trace of the whole network.
            known = (rule for rule in found.values() if rule["reason"] is None)
            found[name] = next(known, None) or _rule(model, name)
    return found


def _rule(model, name):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", KerasvizWarning)  # what was missed is listed
        try:
            opened = Network(model, rule=name)
        except RuleError as error:
            return {"replaced": [], "missed": [], "reason": error.given}
    return {"replaced": list(opened.replaced), "missed": list(opened.trace.missed_rectifiers), "reason": None}


def _output(network, name):
    output, found = network.trace.outputs[name], gap_head(network, name)
    return {
        "name": name,
        "shape": list(output.shape),
        "head": output.head,
        "cam": None if found is None else found.features.path,
    }


def _default_layer(network):
    try:
        return {"path": str(network.address()), "reason": None}
    except LayerError as error:
        return {"path": None, "reason": error.given}


def _layers(network, model, rules):
    fields, kinds, taken = _fields(network), activations(network, model), _bytes(model)
    replaced = {name: _by_layer(rule["replaced"], network.layers) for name, rule in rules.items()}
    rows = []
    for path in network.layers:
        entry, shape = network.entry(path), network.trace.shape_of(path)
        by_rule = {name: by_layer[path] for name, by_layer in replaced.items() if path in by_layer}
        rows.append(
            {
                "path": path,
                "class": entry.kind,
                "shape": None if shape is None else list(shape),
                "parameters": entry.parameters,
                "bytes": taken.get(path, 0),
                "activations": kinds[path],
                "receptive_field": fields.get(path),
                "calls": network.trace.calls_of(path),
                "map": is_spatial(shape, network.inputs),
                "rectifier": bool(by_rule),
                "rules": by_rule,
            }
        )
    return rows


def _by_layer(replaced, paths):
    """What was replaced by the path of its layer: an activation is listed by the attribute, "conv1.activation"."""
    known, found = set(paths), {}
    for one in replaced:
        path = one if one in known else one.rpartition(".")[0]
        found.setdefault(path, []).append(one)
    return found


def _fields(network):
    """The receptive fields by path, as far as they are known."""
    try:
        found = receptive_fields(network)
    except (LayerError, SettingError):  # no size of an image is known at which it runs
        return {}
    return {
        path: {
            "size": [float(side) for side in field.size],
            "stride": [float(side) for side in field.stride],
            "whole": field.whole,
        }
        for path, field in found.items()
    }


def _bytes(model):
    """The bytes of the weights of each layer and of its parts, by path."""
    return {
        path: sum(map(bytes_of, layer.variables))
        for path, layer in walk(model)
        if isinstance(layer, keras.layers.Layer)
    }
