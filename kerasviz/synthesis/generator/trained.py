"""`TrainedGenerator`: a generator with all that it takes to use it, in one folder."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import keras
import numpy as np

import kerasviz
from kerasviz.checks import checked_count, checked_number
from kerasviz.errors import InputError, LoadError
from kerasviz.network import loading
from kerasviz.reading import read_arrays, read_json, reading
from kerasviz.synthesis.settings import preprocess_name
from kerasviz.writing import write_folder, write_json

_MODEL, _ARRAYS, _MANIFEST = "generator.keras", "arrays.npz", "manifest.json"


@dataclass(frozen=True, eq=False)
class TrainedGenerator:
    """A generator of images from the activations of a layer of a classifier.

    Attributes:
        model: the generator, codes `(N, …)` to images `(N, H, W, C)`.
        layer: the path of the layer in the classifier.
        mean: of each unit of the layer over the training images, float32 of the shape of a code.
        deviation: its standard deviation, likewise.
        lowest: the lowest value of any unit.
        value_range: the smallest and the largest value of an image before preprocessing; infinite for no range.
        preprocess: what happens to images before the classifier takes them: a mode of `kerasviz.data.preprocess`,
            a function, or None.
        settings: of the training.
        history: the figures of each epoch, by name; see `kerasviz.synthesis.generator.training.GeneratorTraining`.

    Example:
        >>> model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(16), keras.layers.Reshape((4, 4, 1))])
        >>> trained = TrainedGenerator(model, "code", mean=np.float32([1, 2]), deviation=np.float32([1, 0.5]))
        >>> [bound.tolist() for bound in trained.bounds()]
        [[0.0, 0.0], [4.0, 3.5]]
    """

    model: keras.Model
    layer: str
    mean: np.ndarray
    deviation: np.ndarray
    lowest: float = 0.0
    value_range: tuple[float, float] = (0.0, 1.0)
    preprocess: str | Callable | None = None
    settings: Mapping = field(default_factory=dict)
    history: Mapping[str, list[float]] = field(default_factory=dict)

    def __post_init__(self):
        shapes = {tuple(self.model.input_shape[1:]), np.shape(self.mean), np.shape(self.deviation)}
        if len(shapes) > 1 or len(self.model.output_shape) != 4:
            raise InputError(
                f"The generator takes codes {self.model.input_shape[1:]} and makes {self.model.output_shape[1:]}, the "
                f"mean and the deviation of the codes are {np.shape(self.mean)} and {np.shape(self.deviation)}",
                expected="codes of one shape, and images (H, W, C)",
                mend="Take a generator and the statistics of the layer that it was trained on",
            )

    @property
    def code_shape(self) -> tuple[int, ...]:
        """Of one code."""
        return tuple(np.shape(self.mean))

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """Of one image, `(H, W, C)`."""
        return tuple(self.model.output_shape[1:])

    def bounds(self, deviations: float = 3.0) -> tuple[np.ndarray, np.ndarray]:
        """The lowest and the highest value that each unit of a code should take.

        The highest is the mean and so many standard deviations; the lowest is 0 where no code of the training images
        was below, as behind a rectifier, else the mean less the same (Nguyen et al. 2016 take 0 and 3).

        Args:
            deviations: how many.

        Returns:
            Two float32 arrays of the shape of a code.

        Raises:
            SettingError: `deviations` is negative.
        """
        spread = np.float32(checked_number("deviations", deviations, 0)) * self.deviation
        low = np.zeros_like(self.mean) if self.lowest >= 0 else self.mean - spread
        return low, self.mean + spread

    def images(self, codes, batch_size: int = 32) -> np.ndarray:
        """The images of codes, `(N, H, W, C)` float32.

        Args:
            codes: `(N, …)` activations of the layer.
            batch_size: how many are made at once.

        Raises:
            InputError: the codes have another shape.
        """
        codes = np.asarray(codes, np.float32)
        if codes.shape[1:] != self.code_shape or len(codes) == 0:
            raise InputError(
                f"The codes have the shape {codes.shape}",
                expected=f"(N, {', '.join(map(str, self.code_shape))}), at least one",
                mend=f"Take the activations of the layer {self.layer!r}",
            )
        size = checked_count("batch_size", batch_size)
        parts = [self.model(codes[i : i + size], training=False) for i in range(0, len(codes), size)]
        return np.concatenate([np.asarray(part, np.float32) for part in parts])

    def save(self, folder, *, overwrite: bool = False) -> Path:
        """Save everything, whole or not at all: generator.keras, arrays.npz and manifest.json.

        A preprocessing that is a function is not saved: `load` asks for it.

        Args:
            folder: one that does not exist yet, or is empty.
            overwrite: replace a folder that a `save` made before.

        Raises:
            SaveError: the folder holds something, or cannot be written.
        """
        return write_folder(
            folder,
            self._write,
            ours=_is_saved if overwrite else None,
            mend="Choose another, or replace a generator that was saved there with overwrite=True",
        )

    @classmethod
    def load(cls, folder, *, preprocess: Callable | None = None, custom_objects: dict | None = None):
        """Read what `save` wrote.

        Args:
            folder: the folder.
            preprocess: the function that images went through, if it was a function.
            custom_objects: layers of the generator that are not Keras's own, by name.

        Raises:
            LoadError: the folder holds no trained generator, or a damaged one, or the function is missing.
        """
        folder = Path(folder)
        with reading(folder, "trained generator", "a folder that TrainedGenerator.save wrote"):
            manifest, arrays = read_json(folder / _MANIFEST), read_arrays(folder / _ARRAYS)
            kept = {name: arrays[name] for name in ("mean", "deviation")}
            low, high = manifest["value_range"] or (-np.inf, np.inf)
            known = {name: manifest[name] for name in ("layer", "lowest", "settings", "history")}
            mode, is_function = manifest["preprocess"], manifest["preprocess_is_function"]
        if is_function != (preprocess is not None):
            raise LoadError(
                f"The images of the generator in {str(folder)!r} were prepared with {mode!r}"
                + (", a function" if is_function else ""),
                expected="that function" if is_function else "no other preprocessing",
                mend="Pass it: preprocess=" if is_function else "Leave preprocess out",
            )
        model = loading.load(folder / _MODEL, custom_objects=custom_objects)
        return cls(model, value_range=(low, high), preprocess=preprocess or mode, **kept, **known)

    def _write(self, folder):
        self.model.save(folder / _MODEL)
        np.savez_compressed(folder / _ARRAYS, mean=self.mean, deviation=self.deviation)
        write_json(
            folder / _MANIFEST,
            {
                "kerasviz": kerasviz.__version__,
                "kind": "trained generator",
                "layer": self.layer,
                "lowest": self.lowest,
                "value_range": list(self.value_range) if np.isfinite(self.value_range[1]) else None,
                "preprocess": preprocess_name(self.preprocess),
                "preprocess_is_function": callable(self.preprocess),
                "settings": dict(self.settings),
                "history": dict(self.history),
            },
        )


def _is_saved(folder: Path) -> bool:
    """Whether a folder holds a trained generator and nothing else."""
    return {path.name for path in folder.iterdir()} == {_MODEL, _ARRAYS, _MANIFEST}
