"""The configurations of layers, and what differs between two."""

import inspect
import re
import warnings
from dataclasses import dataclass

import keras
import numpy as np

#: Keys that say nothing of what a layer computes: its name, and how it was built.
_ASIDE = frozenset({"name", "layers", "input_layers", "output_layers", "build_input_shape", "build_config"})
#: Endings of keys that matter when a model is trained, and not when it is used.
_TRAINING = ("trainable", "_initializer", "_regularizer", "_constraint", "seed")
_ADDRESS = re.compile(r" at 0x[0-9a-fA-F]+")


@dataclass(frozen=True)
class ConfigChange:
    """A setting that differs.

    Attributes:
        key: its name.
        a: its value in the first model, as JSON can hold it.
        b: in the second.
        training: whether it only matters when the model is trained.
    """

    key: str
    a: object
    b: object
    training: bool = False


def configuration(layer) -> dict | None:
    """The settings of a layer that say what it does, as JSON can hold them; None if it does not tell them.

    Layers inside it are left out. Objects are told by their class and settings, functions by name, arrays by shape and
    values if they are few.
    """
    node = getattr(layer, "node", None)
    if node is not None and hasattr(node, "attributes"):
        return {
            name: _attribute(value)
            for name, value in sorted(node.attributes.items())
            if not name.startswith("_") and value.WhichOneof("value") != "func"
        }
    if not isinstance(layer, keras.layers.Layer):
        return _of_operation(layer)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            config = layer.get_config()
        settings = {key: value for key, value in config.items() if key not in _ASIDE and not _is_layer(key, value)}
    except Exception:  # a custom layer's own code, which may raise anything
        return None
    policy = getattr(layer, "dtype_policy", None)
    if policy is not None and "dtype" in settings:
        settings["dtype"] = policy.name
    return {key: _plain(value) for key, value in settings.items()}


def config_changes(a: dict | None, b: dict | None) -> tuple[ConfigChange, ...]:
    """What differs between two configurations; a setting that only one has counts as None in the other."""
    if a is None or b is None:
        return ()
    keys = dict.fromkeys([*a, *b])
    return tuple(
        ConfigChange(key, a.get(key), b.get(key), key.endswith(_TRAINING))
        for key in keys
        if _comparable(a.get(key)) != _comparable(b.get(key))
    )


def _comparable(value):
    """Lists and tuples are one, and NaN is itself."""
    return repr(value)


def _of_operation(operation):
    """What an op of a graph of layers was made with."""
    names = [name for name in inspect.signature(type(operation).__init__).parameters if name not in ("self", "name")]
    return {name: _plain(getattr(operation, name)) for name in names if hasattr(operation, name)}


def _is_layer(key, value):
    """Whether a setting is a layer, or a list of them: these are compared themselves."""
    if isinstance(value, list | tuple) and value:
        return all(_is_layer(key, one) for one in value)
    if isinstance(value, keras.layers.Layer):
        return True
    inside = value.get("config") if isinstance(value, dict) and "class_name" in value else None
    return key != "dtype" and isinstance(inside, dict) and "name" in inside and "trainable" in inside


def _plain(value):
    if isinstance(value, dict):
        if "class_name" in value and "config" in value:
            return _object(value["class_name"], value["config"])
        return {str(key): _plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    if isinstance(value, np.ndarray):
        return _plain(value.tolist()) if value.size <= 16 else f"array {value.shape} of {value.dtype}, {_sum(value)}"
    if isinstance(value, np.generic):
        return value.item()
    if value is None or isinstance(value, str | int | float | bool):
        return value
    if inspect.isclass(value) or inspect.isroutine(value):
        return f"{value.__module__}.{value.__qualname__}"
    if hasattr(value, "get_config"):
        return _object(type(value).__name__, value.get_config())
    return _ADDRESS.sub("", repr(value))


def _object(name, config):
    if name == "__numpy__" or not isinstance(config, dict):
        return str(config) if name == "function" else f"{name}({_plain(config)})"
    if "DTypePolicy" in name and "name" in config:
        return config["name"]
    listed = ", ".join(f"{key}={_plain(value)}" for key, value in config.items() if value is not None)
    return f"{name}({listed})"


def _sum(array):
    with np.errstate(all="ignore"):
        return f"sum {array.sum():.9g}" if array.dtype.kind in "fiub" else repr(array)


def _attribute(value):
    """An attribute of a bare graph's op."""
    kind = value.WhichOneof("value")
    if kind == "list":
        filled = next((list(items) for _, items in value.list.ListFields()), [])
        return [_plain(each.decode("utf-8", "replace") if isinstance(each, bytes) else each) for each in filled]
    found = getattr(value, kind) if kind else None
    if isinstance(found, bytes):
        return found.decode("utf-8", "replace")
    return found if isinstance(found, str | int | float | bool | None) else " ".join(str(found).split())
