"""The embedded network, trained on the scenes, and a few scenes as picture files."""

from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING
from zipfile import BadZipFile

import numpy as np

from kerasviz.data.shapes.concepts import CLASSES
from kerasviz.errors import DataError

if TYPE_CHECKING:
    import keras


def shapes_model() -> "keras.Model":
    """Load a small convolutional network that names the subject of a scene.

    It takes "image", `(N, 64, 64, 3)` in 0..255, and rescales it itself. Blocks "conv1".."conv5" (each with
    "bn" and "relu" of the same number) are followed by "gap" and the softmax "predictions" over `CLASSES`.
    The last feature map, "relu5", is 8 x 8. `scripts/train_shapes_cnn.py` in the repository trained it.

    It names 98.8 % of 4000 held-out scenes right (`scenes(4000, seed=1)`), and 10.3 % of the same scenes
    without their subjects, where guessing gives 10 %.

    Returns:
        A new copy of the model, not compiled.

    Raises:
        DataError: the packaged file is missing or cannot be read.

    Example:
        >>> from kerasviz.data import shapes
        >>> batch = shapes.scenes(100, seed=1)
        >>> guesses = shapes.shapes_model().predict(batch.images, verbose=0).argmax(axis=1)
        >>> float((guesses == batch.labels).mean()) > 0.95
        True
    """
    path = _packaged("kerasviz.data.shapes", "shapes_cnn.npz")
    model = untrained()
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as kept:
            model.set_weights(list(kept.values()))
    except (ValueError, OSError, BadZipFile) as error:
        raise DataError(
            f"The packaged network {path} cannot be read ({error})",
            expected="the file that was installed with kerasviz",
            mend="Install kerasviz again",
        ) from error
    return model


def untrained() -> "keras.Model":
    """The network of `shapes_model` before its training.

    Only its weights are packaged: a whole model that one version of Keras saves, older ones may not read.
    """
    import keras

    image = x = keras.Input((64, 64, 3), name="image")
    x = keras.layers.Rescaling(1 / 127.5, offset=-1, name="rescaling")(x)
    for number, (channels, pool) in enumerate([(16, True), (32, True), (48, True), (64, False), (64, False)], 1):
        x = keras.layers.Conv2D(channels, 3, padding="same", use_bias=False, name=f"conv{number}")(x)
        x = keras.layers.BatchNormalization(name=f"bn{number}")(x)
        x = keras.layers.ReLU(name=f"relu{number}")(x)
        if pool:
            x = keras.layers.MaxPooling2D(name=f"pool{number}")(x)
    x = keras.layers.GlobalAveragePooling2D(name="gap")(x)
    scores = keras.layers.Dense(len(CLASSES), activation="softmax", name="predictions")(x)
    return keras.Model(image, scores, name="shapes_cnn")


def example_pictures() -> dict[str, Path]:
    """Return the packaged pictures: PNG files of 64 x 64 scenes, by the class of their subject.

    Raises:
        DataError: there are none.

    Example:
        >>> from kerasviz.data import shapes
        >>> "house" in shapes.example_pictures()
        True
    """
    folder = _packaged("kerasviz.data", "pictures")
    return {path.stem: path for path in sorted(folder.glob("*.png"))}


def _packaged(package, name):
    path = Path(str(resources.files(package) / name))
    if not path.exists():
        raise DataError(
            f"{path} is missing",
            expected="the files that are installed with kerasviz",
            mend="Install kerasviz again",
        )
    return path
