"""Opening saved models: `.keras` and `.h5` files, safely."""

import json
import re
import zipfile
from pathlib import Path

import h5py
import keras

from kerasviz.errors import LoadError

#: First bytes of files that are something else.
_HDF5 = b"\x89HDF\r\n\x1a\n"
_ZIP = b"PK\x03\x04"
_CONVERT = {
    ".tflite": "TensorFlow Lite files keep no Keras layers: open the model that it was converted from",
    ".onnx": "Convert it to Keras first, or open the model that it was exported from",
    ".pth": "It is a PyTorch file: build the model in Keras and copy the weights",
    ".pt": "It is a PyTorch file: build the model in Keras and copy the weights",
    ".pb": "It is part of a SavedModel: wrap its folder in keras.layers.TFSMLayer",
}


def load(path, *, custom_objects: dict | None = None, safe_mode: bool = True) -> keras.Model:
    """Open a saved Keras model, without its optimizer and losses.

    Args:
        path: a `.keras` file, or a whole-model `.h5` file of Keras 2 or 3.
        custom_objects: classes and functions of the model that are not Keras's own, by name.
        safe_mode: refuse to run code from the file (a `Lambda` of a Python lambda). Turn it off only for a file
            whose maker you trust.

    Returns:
        An ordinary, built Keras model.

    Raises:
        LoadError: the file is missing, truncated, foreign, holds only weights, was written by a newer Keras, or
            needs classes or code that were not given or allowed.

    Example:
        >>> import kerasviz as kv
        >>> model = kv.load("cats.keras")  # doctest: +SKIP
    """
    path = Path(path)
    _check(path)
    try:
        if safe_mode and path.suffix != ".keras":
            _refuse_code(path)
        return keras.models.load_model(path, custom_objects=custom_objects, compile=False, safe_mode=safe_mode)
    except LoadError:
        raise
    # Keras raises nearly anything on a damaged file: KeyError, OSError, struct.error, TypeError and more.
    except Exception as error:
        raise _explained(path, error) from error


def as_model(model):
    """A model, or the one saved at a path."""
    return load(model) if isinstance(model, str | Path) else model


def _check(path):
    if not path.exists():
        raise LoadError(
            f"There is no file {str(path)!r}",
            expected="a saved model",
            mend="Check the path and the working folder",
        )
    if path.is_dir():
        raise LoadError(
            f"{str(path)!r} is a folder",
            expected="a .keras or .h5 file",
            mend="A SavedModel can be wrapped: keras.Sequential([keras.layers.TFSMLayer(folder, ...)])",
        )
    try:
        with path.open("rb") as file:
            start = file.read(8)
    except OSError as error:
        raise LoadError(
            f"{str(path)!r} cannot be read: {error.strerror}",
            expected="a file that you may read",
            mend="Check its permissions",
        ) from error
    kind = path.suffix.lower()
    if start.startswith(_HDF5):
        if path.suffix not in (".h5", ".hdf5"):
            raise _foreign(path, "is an HDF5 file", "Rename it so that it ends in .h5")
        if path.name.endswith(".weights.h5"):
            raise _foreign(path, "holds weights only", "Build the model, and call model.load_weights on this file")
    elif start.startswith(_ZIP) and kind not in _CONVERT:
        _check_archive(path)
    elif kind in _CONVERT:
        raise _foreign(path, f"is a {kind} file", _CONVERT[kind])
    else:
        state = "is empty" if not start else "is damaged, or not a model file"
        raise _foreign(path, state, "Save or copy the model again: model.save('model.keras')")


def _check_archive(path):
    try:
        with zipfile.ZipFile(path) as archive:
            names = set(archive.namelist())
            if not {"config.json", "metadata.json"} <= names:
                raise _foreign(path, "is an archive of something else", "Save the model with model.save")
            written_by = json.loads(archive.read("metadata.json"))["keras_version"]
    except LoadError:
        raise
    except (zipfile.BadZipFile, EOFError, OSError, ValueError, KeyError, TypeError) as error:
        raise _foreign(path, "is truncated or damaged", "Copy or save the model again") from error
    if not path.suffix == ".keras":
        raise _foreign(path, "is a Keras file under another name", "Rename it so that it ends in .keras")
    if _major_minor(written_by) > _major_minor(keras.__version__):
        raise LoadError(
            f"{str(path)!r} was written by Keras {written_by}, and this is Keras {keras.__version__}",
            expected=f"a file of Keras {keras.__version__} or older",
            mend="Upgrade Keras: pip install --upgrade keras",
        )


def _refuse_code(path):
    """Refuse a Lambda of a Python lambda in an HDF5 file, which Keras before 3.11.3 runs in safe mode too."""
    with h5py.File(path) as file:
        # Read and written again, so that no escape sequence hides a word.
        config = json.dumps(json.loads(file.attrs.get("model_config", "{}")))
    if '"class_name": "__lambda__"' in config or '"function_type": "lambda"' in config:
        raise _unsafe(path)


def _unsafe(path):
    return LoadError(
        f"{str(path)!r} holds a Lambda layer with Python code",
        expected="a model without code in its file",
        mend="Pass safe_mode=False only if you trust whoever made the file: its code will run",
    )


def _major_minor(version):
    parts = str(version).split(".")[:2]
    return tuple(int(part) if part.isdecimal() else 0 for part in parts)


def _foreign(path, state, mend):
    return LoadError(f"{str(path)!r} {state}", expected="a whole model in a .keras or .h5 file", mend=mend)


#: How versions of Keras say that they do not know a class or function.
_UNKNOWN = re.compile(
    r"(?:Could not (?:locate (?:class|function)|deserialize class)|Unknown (?:layer|activation function):?) '(\w+)'"
)


def _unknown_name(text):
    """The name in Keras's message, which is long, else the beginning of that."""
    named = _UNKNOWN.search(text)
    return repr(named[1]) if named else text[:200]


def _explained(path, error):
    """One line for what went wrong inside Keras."""
    text = " ".join(str(error).split())
    if "Lambda" in text and ("safe" in text or "arbitrary code" in text):
        return _unsafe(path)
    if "truncated file" in text or isinstance(error, zipfile.BadZipFile):
        return _foreign(path, "is truncated or damaged", "Copy or save the model again")
    if "custom_objects" in text or "Unknown layer" in text or _UNKNOWN.search(text):
        return LoadError(
            f"{str(path)!r} holds a class or function that Keras does not know: {_unknown_name(text)}",
            expected="built-in layers, or custom_objects with the others",
            mend="Pass custom_objects={'Name': Name}, or register the class before loading",
        )
    if "model config" in text.lower() or "No model config" in text:
        return _foreign(path, "holds weights only", "Build the model, and call model.load_weights on this file")
    return LoadError(
        f"{str(path)!r} cannot be opened: {type(error).__name__}: {text[:200]}",
        expected="a whole model, saved by Keras",
        mend="If it is damaged, copy or save it again",
    )
