"""Weights from a TensorFlow checkpoint into a Keras 3 model."""

import re

import keras
import tensorflow as tf

from kerasviz.errors import LoadError
from kerasviz.network.files.checkpoints import Checkpoint

_VALUE = "/.ATTRIBUTES/VARIABLE_VALUE"


def restore(model: keras.Model, path, checkpoint: Checkpoint):
    """Give a model the weights of a checkpoint.

    Three ways to name weights are understood: by the place of their layer, as `model.save_weights` of Keras 2 does; by
    the name of the variable, as TensorFlow 1 does; and by Keras 3's own objects, as `tf.train.Checkpoint(model=model)`
    does.

    Args:
        model: built; its weights are replaced.
        path: for messages.
        checkpoint: from `read_checkpoint`.

    Raises:
        LoadError: they do not fit; with the first that does not.
    """
    keys = _by_place(model, path, checkpoint) or _by_name(model, checkpoint)
    if keys is None:
        _by_object(model, path, checkpoint)
        return
    for variable in model.weights:
        key = keys.get(id(variable))
        if key is None:
            raise _misfit(path, model, f"it has none for {variable.path!r}")
        if checkpoint.shapes[key] != tuple(variable.shape):
            raise _misfit(
                path, model, f"{variable.path!r} is {tuple(variable.shape)}, and {key!r} {checkpoint.shapes[key]}"
            )
    reader = tf.train.load_checkpoint(str(checkpoint.prefix))
    for variable in model.weights:
        variable.assign(reader.get_tensor(keys[id(variable)]))


def _by_place(model, path, checkpoint):
    """The key of each weight where keys are "layer_with_weights-0/kernel", or None where they are not."""
    begin = next(
        (match[1] for key in checkpoint.shapes if (match := re.match(r"((?:\w+/)?)layer_with_weights-\d+/", key))), None
    )
    if begin is None:
        return None
    keys = {}
    for key in checkpoint.shapes:
        if not key.startswith(f"{begin}layer_with_weights-") or not key.endswith(_VALUE) or ".OPTIMIZER_SLOT" in key:
            continue
        *steps, name = key[len(begin) : -len(_VALUE)].split("/")
        layer = model
        while steps and (place := re.fullmatch(r"layer_with_weights-(\d+)", steps[0])):
            held = [each for each in getattr(layer, "layers", ()) if each.weights]
            if int(place[1]) >= len(held):
                raise _misfit(path, model, f"it has no layer for {key[len(begin) : -len(_VALUE)]!r}")
            layer, steps = held[int(place[1])], steps[1:]
        # Keras 2 called the kernel of a DepthwiseConv2D "depthwise_kernel".
        fitting = [weight for weight in layer.weights if weight.name == name] or [
            weight for weight in layer.weights if f"depthwise_{weight.name}" == name
        ]
        if len(fitting) != 1:
            raise _misfit(path, model, f"none of its weights is {key[len(begin) : -len(_VALUE)]!r}")
        keys[id(fitting[0])] = key
    return keys


def _by_name(model, checkpoint):
    """The key of each weight where keys are names such as "conv1/kernel", or None where they are not."""
    keys = {id(weight): weight.path for weight in model.weights if weight.path in checkpoint.shapes}
    return keys or None


def _by_object(model, path, checkpoint):
    """Let TensorFlow follow the objects."""
    roots = {key.split("/")[0] for key in checkpoint.shapes if key.endswith(_VALUE)} - {"save_counter", "optimizer"}
    wrapped = len(roots) == 1 and not hasattr(model, next(iter(roots)))
    holder = tf.train.Checkpoint(**{roots.pop(): model}) if wrapped else tf.train.Checkpoint(model)
    try:
        holder.read(str(checkpoint.prefix)).assert_existing_objects_matched().expect_partial()
    except (AssertionError, ValueError, tf.errors.OpError) as error:
        raise _misfit(path, model, " ".join(str(error).split())[:300]) from error


def _misfit(path, model, what):
    return LoadError(
        f"The weights in {str(path)!r} do not fit the architecture {model.name!r}: {what.rstrip('.')}",
        expected="the architecture that they were saved from, with the same names or order of layers",
        mend="Build that; or restore the checkpoint where it was made, and save the model with model.save",
    )
