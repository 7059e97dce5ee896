"""What kind of file or folder a path leads to, told by its contents."""

import re
from pathlib import Path

from kerasviz.errors import LoadError
from kerasviz.network.files import refusals
from kerasviz.network.files.archives import PYTORCH

#: The kinds that can be opened.
KERAS, HDF5, SAVED_MODEL, CHECKPOINT = "keras", "hdf5", "saved_model", "checkpoint"

_AGAIN = "Save or copy the model again: model.save('model.keras')"
_FIRST_BYTES = ((b"\x89HDF\r\n\x1a\n", HDF5), (b"PK\x03\x04", KERAS), (b"PK\x05\x06", KERAS))
#: Other files: their names, what they are, and the way from there to a model that opens.
_FOREIGN = (
    (
        r"\.tflite$",
        "is a TensorFlow Lite file",
        "It keeps no layers and no gradients: open the model that it was converted from, or convert it with "
        "tflite2onnx and then onnx2tf -osd, and open the SavedModel that comes out",
    ),
    (
        r"\.onnx$",
        "is an ONNX file",
        "Convert it with onnx2tf -i model.onnx -osd, and open the SavedModel that comes out",
    ),
    (r"\.(pth?|ckpt\.pt|torchscript)$", *PYTORCH),
    (r"\.safetensors$", "holds weights of a PyTorch or JAX model", PYTORCH[1]),
    (r"^saved_model\.pb$", "is the graph of a SavedModel", "Name its folder, which holds the variables, too"),
    (
        r"\.pbtxt$",
        "is a graph written as text",
        "Write it as binary: tf.saved_model.save(tf.saved_model.load(folder), other_folder), and open that folder",
    ),
    (
        r"\.pb$",
        "is a frozen graph of TensorFlow 1",
        "Import it with tf.compat.v1.wrap_function and tf.graph_util.import_graph_def, and save that with "
        "tf.saved_model.save",
    ),
    (
        r"\.meta$",
        "is the graph of a TensorFlow 1 checkpoint",
        "Restore it with tf.compat.v1.train.import_meta_graph, and save it with tf.compat.v1.saved_model.simple_save",
    ),
    (r"\.mlmodel$", "is a Core ML file", "Open the model that it was converted from"),
    (
        r"\.weights\.json$",
        "is the list of a model's weights in several files",
        "Build the model, call model.load_weights on this file, and model.save('model.keras')",
    ),
    (
        r"\.json$",
        "is an architecture without weights",
        "Pass it as architecture=, and the file of the weights as the path; a model of TensorFlow.js is converted with "
        "tensorflowjs_converter --input_format=tfjs_layers_model --output_format=keras",
    ),
    (r"\.(npz|npy)$", "is a file of NumPy", "Build the model, and give it the arrays with model.set_weights"),
    (r"\.(pkl|pickle|joblib)$", "is a Python pickle, which runs code when it is opened", _AGAIN),
)


def kind_of(path) -> tuple[str, Path]:
    """Which kind of model is at a path.

    Args:
        path: a file, a folder, or what the files of a checkpoint begin with.

    Returns:
        `KERAS`, `HDF5`, `SAVED_MODEL` or `CHECKPOINT`, and the path; that of a checkpoint without ".index".

    Raises:
        LoadError: there is nothing, or something else, with the way to convert it where there is one.
    """
    path = Path(path)
    if path.is_dir():
        return _kind_of_folder(path)
    if path.suffix == ".index" and path.exists():
        return CHECKPOINT, path.with_suffix("")
    if not path.exists() and Path(f"{path}.index").exists():
        return CHECKPOINT, path
    if shard := re.fullmatch(r"(.+)\.data-\d{5}-of-\d{5}", path.name):
        if path.with_name(shard[1] + ".index").exists():
            return CHECKPOINT, path.with_name(shard[1])
        raise refusals.foreign(path, "is half of a checkpoint", "Put the .index file of the checkpoint beside it")
    if not path.exists():
        raise LoadError(
            f"There is no file {str(path)!r}",
            expected="a saved model",
            mend="Check the path and the working folder",
        )
    return _kind_of_file(path), path


def _kind_of_folder(path):
    if (path / "saved_model.pb").is_file():
        return SAVED_MODEL, path
    holds = {entry.name for entry in path.iterdir()}
    if "saved_model.pbtxt" in holds:
        raise refusals.foreign(
            path,
            "is a SavedModel whose graph is written as text",
            "Write it as binary: tf.saved_model.save(tf.saved_model.load(folder), other_folder)",
        )
    if {"config.json", "metadata.json"} <= holds:
        raise refusals.foreign(
            path,
            "is a .keras file, unpacked",
            "Pack it again: the files in it, without the folder, as a .zip named .keras",
        )
    if "model.json" in holds:
        raise refusals.foreign(
            path,
            "is a folder with model.json, as TensorFlow.js writes it",
            "Convert it with tensorflowjs_converter --input_format=tfjs_layers_model --output_format=keras",
        )
    if path.suffix == ".mlpackage":
        raise refusals.foreign(path, "is a Core ML package", "Open the model that it was converted from")
    checkpoints = sorted(name.removesuffix(".index") for name in holds if name.endswith(".index"))
    if checkpoints:
        raise refusals.foreign(
            path, "is a folder with checkpoints", f"Name one of them, such as {str(path / checkpoints[-1])!r}"
        )
    raise refusals.foreign(path, "is a folder without saved_model.pb", "Name the folder of the SavedModel, or a file")


def _kind_of_file(path):
    try:
        with path.open("rb") as file:
            start = file.read(8)
    except OSError as error:
        raise LoadError(
            f"{str(path)!r} cannot be read: {error.strerror}",
            expected="a file that you may read",
            mend="Check its permissions",
        ) from error
    if start[4:8] == b"TFL3":
        raise refusals.foreign(path, *_FOREIGN[0][1:])
    for pattern, state, mend in _FOREIGN:
        if re.search(pattern, path.name, re.IGNORECASE):
            raise refusals.foreign(path, state, mend)
    for first, kind in _FIRST_BYTES:
        if start.startswith(first):
            return kind
    raise refusals.foreign(path, "is damaged, or not a model file" if start else "is empty", _AGAIN)
