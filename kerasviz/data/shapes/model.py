"""The embedded network, trained on the scenes, and a few scenes as picture files."""

from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING

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
    import keras

    path = _packaged("kerasviz.data.shapes", "shapes_cnn.keras")
    try:
        return keras.models.load_model(path, compile=False)
    except (ValueError, OSError) as error:
        raise DataError(
            f"The packaged network {path} cannot be read ({error})",
            expected="the file that was installed with kerasviz",
            mend="Install kerasviz again",
        ) from error


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
