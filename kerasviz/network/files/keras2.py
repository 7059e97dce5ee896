"""Configurations that Keras 2 wrote, in the words of Keras 3.

Keras 3 reads them layer by layer, but takes a network in a network for disconnected and a single output for a list,
and refuses settings and names that its layers no longer have, those of every MobileNet and DenseNet among them.
"""

import re

import keras

#: Settings that Keras 3 lacks, by layer; dropped where they say what it does anyway.
_DROPPED = (
    (r"(Depthwise|Separable)Conv[12]D", {"groups": 1}),
    (r"Conv[123]DTranspose", {"groups": 1}),
    (r"LSTM|GRU|SimpleRNN|RNN|ConvLSTM[123]D", {"time_major": False}),
)
#: Settings that these layers inherited in Keras 2, and never used.
_UNUSED = re.compile(r"kernel_(initializer|regularizer|constraint)")


def is_keras2(config: dict, version: str | None) -> bool:
    """Whether Keras 2 or 1 wrote a configuration.

    Args:
        config: of a model.
        version: what the file says, None where it does not.
    """
    version = version or config.get("keras_version")
    return str(version).startswith(("1.", "2.")) if version else "module" not in config


def modernized(config: dict) -> dict:
    """The same layer or model as Keras 3 writes it into HDF5 files, by its name and settings alone.

    Args:
        config: as its file has it.

    Raises:
        KeyError, TypeError, IndexError, AttributeError: it is no such configuration.
    """
    kept = {key: value for key, value in config.items() if key not in ("module", "registered_name", "build_config")}
    kept["class_name"] = config.get("registered_name") or config["class_name"]
    if "name" in kept:
        kept["name"] = _name(kept["name"])
    if not _is_model(kept):
        return {**kept, "config": _settings(kept["class_name"], kept["config"])}
    inner = kept["config"]
    # Keras 1 and 2.0 write a Sequential as its layers alone.
    inner = {"name": "sequential", "layers": inner} if isinstance(inner, list) else {**inner}
    inner["layers"] = [modernized(layer) for layer in (*_first(kept["class_name"], inner["layers"]), *inner["layers"])]
    if "input_layers" in inner:
        nested = {layer["name"]: layer["class_name"] for layer in inner["layers"] if _starts_at_one(layer)}
        for layer in inner["layers"]:
            layer["inbound_nodes"] = [_call(call, nested) for call in layer["inbound_nodes"]]
        # At the ends, Keras 3, too, counts the calls of a functional model from 1.
        sequential = {name for name, kind in nested.items() if kind == "Sequential"}
        for side in ("input_layers", "output_layers"):
            ends = _call(inner[side], sequential)
            inner[side] = ends[0] if len(ends) == 1 and isinstance(ends[0], list) else ends
    return {**kept, "config": inner}


def build(config: dict, custom_objects: dict | None = None, unsafe: bool = False) -> keras.Model:
    """The model of a configuration that Keras 2 wrote.

    Args:
        config: from `modernized`.
        custom_objects: as for `kerasviz.load`.
        unsafe: as for `kerasviz.load`.
    """
    name = config["class_name"]
    own = {"module": "keras", "class_name": "Sequential" if name == "Sequential" else "Model", "registered_name": None}
    kind = own if _is_model(config) else {"module": None, "class_name": name, "registered_name": name}
    return keras.saving.deserialize_keras_object(
        {**kind, "config": config["config"]}, custom_objects=custom_objects, safe_mode=not unsafe
    )


def _settings(kind, settings):
    """The settings of a layer without those that Keras 3 refuses."""
    dropped = {name: value for kinds, gone in _DROPPED if re.fullmatch(kinds, kind) for name, value in gone.items()}
    unused = _UNUSED if re.fullmatch(_DROPPED[0][0], kind) else re.compile(r"(?!)")
    kept = {
        name: value
        for name, value in settings.items()
        if (name not in dropped or value != dropped[name]) and not unused.fullmatch(name)
    }
    if kind != "InputLayer":
        kept.pop("batch_input_shape", None)
    if "layer" in kept:  # of a wrapper, such as Bidirectional; Keras 3 reads it by its module
        inner = kept["layer"]
        settings = _settings(inner["class_name"], inner["config"])
        kept["layer"] = {"module": "keras.layers", "registered_name": None, **inner, "config": settings}
    return {**kept, "name": _name(kept["name"])} if "name" in kept else kept


def _name(name):
    """Keras 3 has no slashes in names."""
    return name.replace("/", "_")


def _is_model(layer):
    return layer["class_name"] in ("Functional", "Model", "Sequential")


def _starts_at_one(layer):
    """Whether Keras 2 counts the calls of a layer from 1, for it was called once when it was made."""
    return _is_model(layer) and any(inner["class_name"] == "InputLayer" for inner in layer["config"]["layers"])


def _first(kind, layers):
    """The input of a `Sequential` that has it as a setting of its first layer."""
    settings = layers[0]["config"] if kind == "Sequential" and layers else {}
    if layers and layers[0]["class_name"] != "InputLayer" and "batch_input_shape" in settings:
        shape = {"name": f"{settings['name']}_input", "batch_input_shape": settings["batch_input_shape"]}
        yield {"class_name": "InputLayer", "config": shape}


def _call(call, nested):
    """The sources of a call, [[name, call, output, options], ...], with those of networks counted from 0."""
    return [
        [_name(each[0]), each[1] - (_name(each[0]) in nested), *each[2:]] if isinstance(each, list) else each
        for each in call
    ]
