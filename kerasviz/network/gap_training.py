"""`retrain_gap`: a network given the head of class activation mapping, and trained with it."""

import json
from pathlib import Path

import keras
import numpy as np

from kerasviz import progress
from kerasviz.errors import SaveError, SettingError
from kerasviz.network.gap_model import to_gap
from kerasviz.network.layers import walk

_MANIFEST = "training.json"


def retrain_gap(
    model,
    train,
    validation=None,
    *,
    layer=None,
    conv: int | None = None,
    classes: int | None = None,
    activation: str | None = "softmax",
    epochs: int = 10,
    fine_tune_epochs: int = 0,
    fine_tune_rate: float = 1e-5,
    compile: dict | None = None,
    callbacks=(),
    checkpoint=None,
    sample=None,
    **fit,
) -> keras.Model:
    """Give a model the head of class activation mapping, and train it: the head first, then the rest if asked.

    Zhou et al. 2016, "Learning Deep Features for Discriminative Localization", section 3. The model is copied as
    by `to_gap` and never changed. While the head is trained, the layers below it are frozen. While the whole is
    fine-tuned, batch normalizations keep the statistics that they have, which small batches would spoil.

    Args:
        model: as for `to_gap`.
        train: what `model.fit` takes: a `tf.data.Dataset` or `keras.utils.PyDataset` of batches, or `(images, labels)`.
        validation: the same, for figures at the end of each epoch, or None.
        layer: as for `to_gap`.
        conv: as for `to_gap`.
        classes: as for `to_gap`.
        activation: as for `to_gap`.
        epochs: of the head.
        fine_tune_epochs: further epochs with all layers; 0 for none.
        fine_tune_rate: the learning rate then.
        compile: arguments of `model.compile`. By default Adam at 1e-3, the accuracy, and the cross-entropy that
            fits the activation and the labels. An optimizer is copied.
        callbacks: Keras callbacks, for both phases. Epochs are numbered through.
        checkpoint: a folder that keeps the state after each epoch. After an interruption the same call goes on from
            the last whole epoch; once done, it returns the trained model at once.
        sample: as for `to_gap`.
        **fit: further arguments of `model.fit`: `batch_size`, `class_weight`, `steps_per_epoch`, `verbose`, … With
            `verbose` Keras draws its own bars.

    Returns:
        An ordinary compiled Keras model that saves and loads; `model.history` is that of the last phase, None
        if it was done before. All its layers are as trainable as they were in the model.

    Raises:
        LayerError: as for `to_gap`.
        ModelError: as for `to_gap`.
        SaveError: the folder cannot be written.
        SettingError: a number is out of range, or the folder keeps another training.

    Example:
        >>> import kerasviz as kv
        >>> model = kv.data.shapes.shapes_model()
        >>> scenes = kv.data.shapes.scenes(16, seed=3)
        >>> trained = kv.retrain_gap(model, (scenes.images, scenes.labels), layer="relu4", conv=8, epochs=1)
        >>> kv.CAM(trained)(scenes.images[:2]).shape
        (2, 64, 64)
    """
    _check(epochs, fine_tune_epochs, fine_tune_rate)
    trained = to_gap(model, layer, conv=conv, classes=classes, activation=activation, sample=sample)
    asked = {"layer": str(layer), "conv": conv, "classes": trained.output_shape[-1], "activation": str(activation)}
    folder = None if checkpoint is None else _folder(Path(checkpoint), asked)
    # Containers before their parts: setting theirs sets that of the parts.
    flags = [(part, part.trainable) for _, part in walk(trained) if isinstance(part, keras.layers.Layer)]
    head = trained.layers[-3 if conv else -2 :]
    compiled = {**_defaults(activation, train, trained.output_shape[-1]), **(compile or {})}
    data = {"callbacks": list(callbacks), **_fed(train, validation), **fit}
    try:
        for part, _ in flags:
            part.trainable = any(part is own for own in head)
        history = _phase(trained, "head", compiled, 0, epochs, folder, data)
        if fine_tune_epochs:
            for part, _ in flags:
                part.trainable = not isinstance(part, keras.layers.BatchNormalization)
            slower = {**compiled, "optimizer": _copied(compiled["optimizer"], fine_tune_rate)}
            history = _phase(trained, "whole", slower, epochs, epochs + fine_tune_epochs, folder, data)
    finally:
        for part, trainable in flags:
            part.trainable = trainable
    # Which weights are trained is fixed when a model is compiled.
    _compile(trained, compiled)
    trained.history = history
    return trained


def _compile(model, compiled):
    model.compile(**{**compiled, "optimizer": _copied(compiled["optimizer"])})


def _phase(model, name, compiled, first, last, folder, data):
    """Train from epoch `first` to `last`, and return the history; or take up the weights where it was done before."""
    done = None if folder is None else folder / f"{name}.{last}.npz"
    if done is not None and done.exists():
        with np.load(done) as kept:
            model.set_weights(list(kept.values()))
        return None
    # A model of its own around the same layers: a resumed one would begin its next training at the same epoch.
    stage = keras.Model(model.input, model.output, name=model.name)
    _compile(stage, compiled)
    callbacks = list(data["callbacks"])
    if folder is not None:
        callbacks.append(keras.callbacks.BackupAndRestore(folder / f"{name}.{last}"))
    arguments = {**data, "callbacks": callbacks, "initial_epoch": first, "epochs": last}
    if "verbose" in data:
        history = stage.fit(**arguments)
    else:
        with progress.bar(last - first, f"Training the {name}") as advance:
            callbacks.append(keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: advance()))
            history = stage.fit(**arguments, verbose=0)
    if done is not None:
        np.savez(done, *model.get_weights())
    return history


def _copied(optimizer, rate=None):
    """A new optimizer like one, which stays the user's; with another learning rate."""
    optimizer = keras.optimizers.get(optimizer)
    config = optimizer.get_config()
    return type(optimizer).from_config(config if rate is None else {**config, "learning_rate": rate})


def _defaults(activation, train, classes):
    loss = {"softmax": "sparse_categorical_crossentropy", "sigmoid": "binary_crossentropy"}.get(activation, "mse")
    if activation == "softmax" and _label_shape(train)[1:] == (classes,):
        loss = "categorical_crossentropy"
    metrics = [] if loss == "mse" else ["accuracy"]
    return {"optimizer": keras.optimizers.Adam(1e-3), "loss": loss, "metrics": metrics}


def _label_shape(train):
    if hasattr(train, "element_spec"):
        return tuple(train.element_spec[1].shape)
    return np.shape(train[1] if isinstance(train, tuple) else train[0][1])


def _fed(train, validation):
    pair = isinstance(train, tuple)
    fed = {"x": train[0], "y": train[1]} if pair else {"x": train}
    if hasattr(train, "element_spec"):
        fed["shuffle"] = False  # A data set shuffles itself; Keras warns of its own default.
    return fed if validation is None else {**fed, "validation_data": validation}


def _check(epochs, fine_tune_epochs, rate):
    for name, value, least in (("epochs", epochs, 1), ("fine_tune_epochs", fine_tune_epochs, 0)):
        if isinstance(value, bool) or not isinstance(value, int) or value < least:
            raise SettingError(f"{name}={value!r}", expected=f"a whole number from {least} up", mend="Leave it out")
    if not rate > 0:
        raise SettingError(f"fine_tune_rate={rate!r}", expected="a number over 0", mend="1e-5 is the default")


def _folder(folder, asked):
    """Make the folder of a training, or find that it keeps this same one."""
    manifest = folder / _MANIFEST
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if not manifest.exists():
            manifest.write_text(json.dumps(asked), encoding="utf-8")
        kept = json.loads(manifest.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise SaveError(
            f"{str(folder)!r} cannot be used: {error}", expected="a folder to write to", mend="Choose another"
        ) from error
    if kept != asked:
        raise SettingError(
            f"{str(folder)!r} keeps a training with {kept}",
            expected=f"one with {asked}",
            mend="Choose another folder, or remove this one",
        )
    return folder
