"""What a model is made of: layers, heads, rectifiers."""

import warnings

from kerasviz.errors import KerasvizWarning, LayerError, RuleError
from kerasviz.network import Network, clone_with_rule
from kerasviz.network.gap_head import gap_head
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
        - "rules": for "deconvnet" and "guided" the rectifiers that are "replaced", those "missed" inside custom code,
          and the "reason" why there is none, or None;
        - "layers": each one's "path", "class", "shape" (None if it is not one tensor), "parameters", "calls", whether
          it has a spatial "map", and whether it is or holds a "rectifier".

    Example:
        >>> import kerasviz as kv
        >>> from kerasviz.data import shapes
        >>> model = shapes.shapes_model()
        >>> examine(kv.Network(model), model)["outputs"][0]["head"]
        'softmax'
    """
    rules = {name: _rule(model, name) for name in RULES if name != "backprop"}
    replaced = {path for rule in rules.values() for path in rule["replaced"]}
    return {
        "name": network.name,
        "parameters": model.count_params(),
        "inputs": [
            {"name": spec.name, "shape": list(spec.shape), "dtype": spec.dtype} for spec in network.inputs.specs
        ],
        "outputs": [_output(network, name) for name in network.trace.outputs],
        "default_layer": _default_layer(network),
        "rules": rules,
        "layers": [_layer(network, path, replaced) for path in network.layers],
    }


def _rule(model, name):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", KerasvizWarning)  # what was missed is listed
        try:
            clone = clone_with_rule(model, name)
        except RuleError as error:
            return {"replaced": [], "missed": [], "reason": error.given}
    return {"replaced": list(clone.replaced), "missed": list(clone.missed), "reason": None}


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


def _layer(network, path, replaced):
    entry, shape = network.entry(path), network.trace.shape_of(path)
    return {
        "path": path,
        "class": entry.kind,
        "shape": None if shape is None else list(shape),
        "parameters": entry.parameters,
        "calls": network.trace.calls_of(path),
        "map": is_spatial(shape, network.inputs),
        # An activation is listed by the attribute that holds it: "conv1.activation".
        "rectifier": any(one == path or one.rpartition(".")[0] == path for one in replaced),
    }
