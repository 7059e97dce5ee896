"""Opening saved models of every kind, safely."""

from collections.abc import Callable
from pathlib import Path

import keras

from kerasviz.errors import KerasvizError, SettingError
from kerasviz.network.files import keras2, kinds, refusals
from kerasviz.network.files.architectures import build_architecture
from kerasviz.network.files.archives import read_archive, refuse_newer
from kerasviz.network.files.configs import parse_config, refuse_code
from kerasviz.network.files.hdf5 import read_hdf5
from kerasviz.network.files.saved_models import check_saved_model
from kerasviz.network.files.sizes import bounded_variables
from kerasviz.network.files.weights import fill, read_weights
from kerasviz.network.graph import of_saved, open_saved_model


def load(
    path,
    *,
    architecture: keras.Model | Callable[[], keras.Model] | str | Path | None = None,
    signature: str | None = None,
    custom_objects: dict | None = None,
    unsafe: bool = False,
) -> keras.Model:
    """Open a saved model, without its optimizer and losses.

    Everything that can be checked is checked before anything of the file is built: that no code in it would run, that
    it is whole, and that it holds the memory that it asks for.

    Args:
        path: a `.keras` file; an `.h5` file of Keras 2 or 3; the folder of a SavedModel (`model.export`,
            `tf.saved_model.save`, `model.save` of Keras 2, TensorFlow 1); or, with an architecture, any of the files, a
            file of weights only, or a TensorFlow checkpoint.
        architecture: what the weights belong to, where the file holds nothing else: a built model, whose weights are
            replaced; a function without arguments that returns one; or the path of a `.json` (`model.to_json()`),
            `.keras` or `.h5` file.
        signature: the name of a SavedModel's signature. None for Keras's own "serve", "serving_default", or the only
            one.
        custom_objects: classes and functions of the model that are not Keras's own, by name.
        unsafe: run code from the file: a `Lambda` of a Python lambda, pickles, layers that load from elsewhere,
            operations of a SavedModel that read and write files, run Python or use the network. Only for a file whose
            maker you trust.

    Returns:
        An ordinary, built Keras model. That of a SavedModel has a layer for each operation of its graph.

    Raises:
        LoadError: the file is missing, truncated, foreign, was written by a newer Keras, claims more than it holds,
            holds only weights, weights that do not fit the architecture, or needs classes or code that were not given
            or allowed.
        ModelError: the graph of a SavedModel is of no kind that can be opened.
        SettingError: `architecture` is nothing of that kind, or `signature` is given for a file that has none.

    Example:
        >>> import kerasviz as kv
        >>> model = kv.load("cats.keras")  # doctest: +SKIP
        >>> model = kv.load("exported", signature="serving_default")  # doctest: +SKIP
        >>> model = kv.load("cats.weights.h5", architecture=build_cats)  # doctest: +SKIP
    """
    kind, path = kinds.kind_of(path)
    if signature is not None and kind != kinds.SAVED_MODEL:
        raise SettingError(
            f"signature={signature!r} with {str(path)!r}, which has no signatures",
            expected="the folder of a SavedModel",
            mend="Leave it out",
        )
    if architecture is not None:
        return _with_architecture(kind, path, architecture, custom_objects, unsafe)
    if kind == kinds.CHECKPOINT:
        raise refusals.weights_only(path)
    try:
        if kind == kinds.SAVED_MODEL:
            return _saved_model(path, signature, unsafe)
        return _keras_file(kind, path, custom_objects, unsafe)
    except KerasvizError:
        raise
    # Keras and TensorFlow raise nearly anything on a damaged file: KeyError, OSError, struct.error and more.
    except Exception as error:
        raise refusals.explained(path, error) from error


def as_model(model):
    """A model, the one saved at a path, or that of what `tf.saved_model.load` returned."""
    if isinstance(model, str | Path):
        return load(model)
    return model if isinstance(model, keras.Model) else of_saved(model) or model


def _keras_file(kind, path, custom_objects, unsafe):
    file = read_archive(path, unsafe=unsafe) if kind == kinds.KERAS else _whole_hdf5(path)
    config, old = parse_config(path, file.config, file.keras_version)
    if not unsafe:
        refuse_code(path, config, custom_objects)
    with bounded_variables(path, file.arrays.bytes):
        if old:
            model = keras2.build(config, custom_objects, unsafe)
            fill(model, path, file.arrays)
            return model
        return keras.models.load_model(path, custom_objects=custom_objects, compile=False, safe_mode=not unsafe)


def _whole_hdf5(path):
    file = read_hdf5(path)
    if path.suffix not in (".h5", ".hdf5"):
        raise refusals.foreign(path, "is an HDF5 file", "Rename it so that it ends in .h5")
    if file.config is None:
        raise refusals.weights_only(path)
    refuse_newer(path, file.keras_version)
    return file


def _saved_model(folder, signature, unsafe):
    check_saved_model(folder, unsafe=unsafe)
    return open_saved_model(folder, signature)


def _with_architecture(kind, path, architecture, custom_objects, unsafe):
    held = read_weights(kind, path, unsafe=unsafe)
    settings = {"custom_objects": custom_objects, "unsafe": unsafe}
    if isinstance(architecture, str | Path) and Path(architecture).suffix != ".json":
        architecture = load(architecture, **settings)
    model = build_architecture(architecture, held.bytes, **settings)
    fill(model, path, held)
    return model
