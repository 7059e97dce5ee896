"""The configurations of Keras models: what would run, and what would never end, when Keras builds them."""

import json
import re
from collections import defaultdict

import keras

from kerasviz.network.files import refusals
from kerasviz.network.files.keras2 import is_keras2, modernized

#: How deep dictionaries and lists may nest. A network in a network takes four levels, and Keras a score of Python's.
DEPTH = 200
#: Where Keras keeps the functions that a model is made of; others may read, write or fetch files.
_BUILTIN = ("activations", "constraints", "initializers", "losses", "metrics", "regularizers")
_FUNCTIONS = re.compile(rf"keras(\.src)?\.({'|'.join(_BUILTIN)}|ops|random)\b")
_NOT_AS_WRITTEN = "has a damaged configuration: its layers are not as Keras writes them"
#: Layers that run what is not in Keras.
_FOREIGN = {
    "TFSMLayer": "a TFSMLayer, which runs a SavedModel from a folder of this machine",
    "TorchModuleWrapper": "a PyTorch module as Python pickle, which can hold code",
    "JaxLayer": "a JaxLayer, which runs Python code",
    "FlaxLayer": "a FlaxLayer, which runs Python code",
}


def parse_config(path, text: str, version: str | None = None) -> tuple[dict, bool]:
    """The configuration of a model, not nested absurdly and without loops.

    Args:
        path: for messages.
        text: JSON.
        version: of the Keras that wrote it, as far as the file says.

    Returns:
        The configuration, and whether it is one for `keras2.build`.

    Raises:
        LoadError: it is damaged, or Keras would never finish with it.
    """
    try:
        config = json.loads(text)
    except RecursionError as error:
        raise refusals.tricky(path, f"nests its configuration deeper than {DEPTH} levels") from error
    except ValueError as error:
        raise refusals.damaged(path, f"has a damaged configuration: {str(error)[:100]}") from error
    if not isinstance(config, dict) or not isinstance(config.get("config"), dict | list):
        raise refusals.damaged(path, "has a damaged configuration: it is not that of a model")
    nodes = _nodes(path, config)
    old = is_keras2(config, version)
    if old:
        try:
            config = modernized(config)
        except (KeyError, TypeError, IndexError, AttributeError) as error:
            raise refusals.damaged(path, _NOT_AS_WRITTEN) from error
        nodes = _nodes(path, config)
    for node in nodes:
        if "layers" in node and "input_layers" in node:
            _refuse_loops(path, node["layers"])
    return config, old


def refuse_code(path, config: dict, custom_objects: dict | None = None):
    """Refuse a configuration that runs code from the file, or names code of other modules than Keras.

    Keras imports whatever module a file of its older versions names, and calls what it finds there.

    Args:
        path: for messages.
        config: from `parse_config`.
        custom_objects: classes and functions that are allowed, by name, besides the registered ones.

    Raises:
        LoadError: there is such a thing in it.
    """
    for node in _nodes(path, config):
        name, module = node.get("class_name"), node.get("module")
        if name == "__lambda__" or node.get("function_type") == "lambda" or node.get("output_shape_type") == "lambda":
            raise refusals.unsafe(path, "a Lambda layer with Python code")
        if isinstance(node.get("vocabulary"), str):
            raise refusals.unsafe(path, f"a layer that reads the file {node['vocabulary']!r} of this machine")
        if not isinstance(name, str):
            continue
        key = node.get("config") if name == "function" else node.get("registered_name", name)
        if isinstance(key, str) and keras.saving.get_registered_object(key, custom_objects) is not None:
            continue
        if name in _FOREIGN:
            raise refusals.unsafe(path, _FOREIGN[name])
        if module is not None and not _of_keras(name, module, key):
            raise refusals.unknown(path, repr(str(key or name)))


def _of_keras(name, module, key):
    """Whether Keras itself has the class or function, and it is one that models are made of."""
    if name != "function":
        return re.match(r"keras(\.|$)", str(module)) is not None and name[:1].isupper()
    if module == "builtins":
        # Not Python's own: Keras writes this for its functions that are known by their name alone.
        return any(hasattr(getattr(keras, home), str(key)) for home in _BUILTIN)
    return _FUNCTIONS.match(str(module)) is not None


def _nodes(path, config):
    """Every dictionary in a configuration."""
    found, level = [], [config]
    for _ in range(DEPTH):
        dicts = [node for node in level if isinstance(node, dict)]
        found += dicts
        level = [value for node in dicts for value in node.values()] + [
            value for node in level if isinstance(node, list) for value in node
        ]
        if not level:
            return found
    raise refusals.tricky(path, f"nests its configuration deeper than {DEPTH} levels")


def _refuse_loops(path, layers):
    """Follow the calls of a functional model as Keras does, of which some versions never tire."""
    try:
        calls = {layer["name"]: [list(_sources(call)) for call in layer["inbound_nodes"]] for layer in layers}
        made = {layer["name"]: int(layer["class_name"] == "InputLayer") for layer in layers}
    except (TypeError, KeyError, IndexError, AttributeError, ValueError) as error:
        raise refusals.damaged(path, _NOT_AS_WRITTEN) from error
    if len(calls) < len(layers):
        raise refusals.damaged(path, "is damaged: two of its layers have the same name")
    first, waiting, ready = dict(made), defaultdict(list), list(calls)
    while ready:
        name = ready.pop()
        while made[name] - first[name] < len(calls[name]):
            missing = _missing(calls[name][made[name] - first[name]], made)
            if missing is not None:
                waiting[missing].append(name)
                break
            made[name] += 1
            ready += waiting.pop((name, made[name] - 1), [])
    blocked = {name: call for call, names in waiting.items() for name in names}
    if blocked:
        raise refusals.damaged(path, f"is damaged: {_why(blocked, calls)}")


def _why(blocked, calls):
    """Of layers that wait for others, one that waits for what never comes."""
    name, seen = next(iter(blocked)), set()
    while name not in seen and blocked[name][0] in blocked:
        seen.add(name)
        name = blocked[name][0]
    source, index = blocked[name]
    if source not in calls:
        return f"the layer {name!r} takes the output of {source!r}, which is no layer"
    return f"the layer {name!r} takes the output of call {index} of {source!r}, which never comes"


def _missing(sources, made):
    """The first call whose output is not there yet."""
    return next((source for source in sources if not 0 <= source[1] < made.get(source[0], 0)), None)


def _sources(call):
    """The layers, and which of their calls, whose outputs a call takes."""
    if isinstance(call, list):  # as Keras 2 writes it: [[name, call, output, options], ...]
        for entry in [call] if call and isinstance(call[0], str) else call:
            yield entry[0], int(entry[1])
        return
    level = [call]
    while level:
        node = level.pop()
        if isinstance(node, dict):
            if node.get("class_name") == "__keras_tensor__":
                name, index, _ = node["config"]["keras_history"]
                yield name, int(index)
            level += node.values()
        elif isinstance(node, list):
            level += node
