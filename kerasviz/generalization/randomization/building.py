"""Models as a test needs them: built from a seed, checked, and told apart."""

import hashlib
import inspect
import json
import random

import keras
import numpy as np

from kerasviz.errors import InputError, ModelError, SettingError, TargetError
from kerasviz.network import Network
from kerasviz.network.layers import walk
from kerasviz.targets import class_scores


def build_seeded(build, arguments: dict, seed: int, sample: np.ndarray) -> keras.Model:
    """Call a user's function, so that a seed settles what the new model draws at random.

    Keras draws initial weights and the seeds of dropout from Python's own `random`, which is left as it was.

    Args:
        build: returns a new compiled classifier.
        arguments: its keyword arguments.
        seed: any.
        sample: images, to build a model that declares no input shape.

    Returns:
        The model, with the variables of its optimizer made.

    Raises:
        ModelError: what `build` returns is no compiled Keras model.
        SettingError: it does not take the arguments.
    """
    _check_call(build, arguments)
    state = random.getstate()
    random.seed(seed)
    try:
        model = build(**arguments)
        if not isinstance(model, keras.Model) or not model.compiled or model.optimizer is None:
            compiled = "that is not compiled" if isinstance(model, keras.Model) else "and no Keras model"
            raise ModelError(
                f"build returned a {type(model).__name__} {compiled}",
                expected="a new compiled Keras classifier",
                mend="Call model.compile(optimizer, loss) in it, and return the model",
            )
        if not model.built:
            model(sample)
        model.optimizer.build(model.trainable_variables)
    finally:
        random.setstate(state)
    return model


def open_checked(model: keras.Model, sample: np.ndarray) -> tuple[Network, int]:
    """Open a model that is to be trained.

    Args:
        model: as `build_seeded` returns it.
        sample: images.

    Returns:
        The network, and how many classes it tells apart.

    Raises:
        InputError: it has several inputs.
        TargetError: it has several outputs, or is no classifier of whole images.
    """
    network = Network(model, sample=sample)
    if len(network.inputs.specs) != 1 or len(network.trace.outputs) != 1:
        error, counts = (InputError, "inputs") if len(network.inputs.specs) != 1 else (TargetError, "outputs")
        raise error(
            f"The model {model.name!r} has several {counts}",
            expected="a classifier with one input and one output",
            mend="Build one that takes images and returns the probabilities of classes",
        )
    class_scores(network)
    (output,) = network.trace.outputs.values()
    return network, max(2, output.shape[-1] if len(output.shape) > 1 else 1)


def variables_of(model: keras.Model) -> list:
    """All that training changes: weights, statistics, the states of dropout, and what the optimizer keeps."""
    return [*model.variables, *model.optimizer.variables]


def fingerprint(model: keras.Model) -> str:
    """The SHA-256 of a compiled model: kinds and settings of its layers, loss and optimizer, and all variables.

    Names count for nothing, which Keras numbers anew in each process.
    """
    digest = hashlib.sha256()
    for part in (*(layer for _, layer in walk(model)), model.optimizer, model.loss):
        digest.update(json.dumps(_described(part), sort_keys=True, default=_text).encode())
    for variable in variables_of(model):
        value = np.asarray(variable)
        digest.update(f"{value.dtype}{value.shape};".encode())
        digest.update(value.tobytes())
    return digest.hexdigest()


def plain_arguments(arguments: dict) -> dict:
    """Keyword arguments as JSON can hold them: objects of Keras by their settings, functions by their names."""
    return json.loads(json.dumps(dict(arguments), default=_text))


def _described(part):
    kind = part if isinstance(part, str) else getattr(part, "__qualname__", type(part).__qualname__)
    # The parts of a model come by themselves.
    if isinstance(part, keras.Model) or not hasattr(part, "get_config"):
        return kind
    try:
        return [kind, _nameless(part.get_config())]
    except (NotImplementedError, TypeError, ValueError):
        return kind


def _nameless(config):
    if isinstance(config, dict):
        return {str(key): _nameless(value) for key, value in config.items() if key != "name"}
    return [_nameless(each) for each in config] if isinstance(config, list | tuple) else config


def _text(value):
    """What JSON does not have, in a text that is the same in each process."""
    if isinstance(value, np.ndarray | np.generic):
        return value.tolist()
    if hasattr(value, "get_config"):
        return _described(value)
    return getattr(value, "__qualname__", None) or type(value).__qualname__


def _check_call(build, arguments):
    if not callable(build) or isinstance(build, keras.Model):
        raise SettingError(
            f"build={build!r}", expected="a function that returns a new compiled model", mend="Pass the function itself"
        )
    try:
        inspect.signature(build).bind(**arguments)
    except TypeError as error:
        raise SettingError(
            f"build cannot be called with {arguments}: {error}",
            expected="regularizations by the names of its parameters",
            mend="Give build these parameters, or leave them out of regularizations",
        ) from error
