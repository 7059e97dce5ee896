"""What a model takes: the inputs' structure, and checking a user's arrays against it."""

from dataclasses import dataclass

import keras
import numpy as np
import tensorflow as tf

from kerasviz.errors import InputError
from kerasviz.network import internals


@dataclass(frozen=True)
class InputSpec:
    """One input of a model: its name, its shape with the batch axis as None, and its dtype's name."""

    name: str
    shape: tuple
    dtype: str

    @property
    def floating(self) -> bool:
        """Whether a gradient with respect to it exists."""
        return tf.as_dtype(self.dtype).is_floating

    @property
    def tensor(self) -> tf.TensorSpec:
        """The signature of a traced function that takes it."""
        return tf.TensorSpec(self.shape, self.dtype)


class Inputs:
    """The inputs of one model: flattens, checks and packs them.

    Args:
        structure: `InputSpec` nested as the model takes its inputs.
        by_name: whether a flat list may also be given as a dict by input names, as graphs of layers allow.
    """

    def __init__(self, structure, by_name=False):
        self.structure = structure
        self.specs: list[InputSpec] = keras.tree.flatten(structure)
        self._by_name = by_name

    @classmethod
    def of(cls, model):
        """The inputs that a built model declares, or None if it declares none (a subclassed model may not)."""
        if hasattr(model, "declared_inputs"):
            return cls(model.declared_inputs)
        graph = internals.graph_of(model)
        if graph is not None:
            structure, _ = internals.graph_structure(graph)
            if isinstance(structure, list | tuple) and len(structure) == 1:
                structure = structure[0]
            return cls(keras.tree.map_structure(_declared, structure), by_name=True)
        shapes = (model.get_build_config() or {}).get("input_shape")
        if shapes is None or any(len(shape) == 0 for shape in _shapes(shapes)):
            return None
        return cls(_named(shapes, lambda shape, name: InputSpec(name, (None, *shape[1:]), "float32")))

    @classmethod
    def like(cls, arrays):
        """The inputs that arrays with a batch axis fit, for models that declare none."""
        arrays = keras.tree.map_structure(np.asarray, arrays)
        count = [0]

        def spec(array):
            count[0] += 1
            dtype = "float32" if array.dtype.kind in "fbui" else array.dtype.name
            return InputSpec(f"input_{count[0] - 1}", (None, *array.shape[1:]), dtype)

        if isinstance(arrays, dict):
            return cls({name: InputSpec(name, spec(a).shape, spec(a).dtype) for name, a in arrays.items()})
        return cls(keras.tree.map_structure(spec, arrays))

    def pack(self, tensors: list):
        """A flat list of tensors, nested as the model takes them."""
        by_spec = {id(spec): tensor for spec, tensor in zip(self.specs, tensors, strict=True)}
        return keras.tree.map_structure(lambda spec: by_spec[id(spec)], self.structure)

    def check(self, inputs) -> list[np.ndarray]:
        """A user's inputs as a flat list of arrays of the model's dtypes, checked.

        Args:
            inputs: what `model.predict` takes, with a batch axis: an array or tensor, or a list or dict of them.
                Integers and booleans are cast where the model takes floats.

        Raises:
            InputError: the structure, a shape or a dtype does not fit, the batch is empty, the inputs differ in
                number, or a value is NaN or infinite.
        """
        arrays = [self._checked(value, spec) for value, spec in zip(self.flatten(inputs), self.specs, strict=True)]
        counts = {spec.name: len(array) for spec, array in zip(self.specs, arrays, strict=True)}
        if len(set(counts.values())) > 1:
            raise InputError(
                f"The inputs have different numbers of samples: {counts}",
                expected="the same number of samples in every input",
                mend="Give each sample its row in every input",
            )
        return arrays

    def check_one(self, number: int, value) -> np.ndarray:
        """One of the inputs, by its number, checked by itself.

        Raises:
            InputError: as for `check`.
        """
        return self._checked(value, self.specs[number])

    def flatten(self, inputs) -> list:
        """The parts of some inputs, as they are, in the order of `specs`.

        Args:
            inputs: nested as the model takes them, or as a flat list or a dict by name.

        Raises:
            InputError: another structure, or a data set.
        """
        if isinstance(inputs, tf.data.Dataset):
            raise InputError(
                "The inputs are a tf.data.Dataset",
                expected="arrays",
                mend="Loop over the data set and explain a batch at a time",
            )
        if isinstance(inputs, dict) and self._by_name and not isinstance(self.structure, dict):
            structure = {spec.name: spec for spec in self.specs}
        elif isinstance(self.structure, dict) and not isinstance(inputs, dict):
            structure = self.specs
        else:
            structure = self.structure
        found: dict[int, object] = {}
        self._match(structure, inputs, found)
        # By spec, since the order in which dicts are flattened depends on their class.
        return [found[id(spec)] for spec in self.specs]

    def _match(self, structure, values, found):
        """Find the value for each spec of a structure."""
        if isinstance(values, dict) and (not isinstance(structure, dict) or set(values) != set(structure)):
            raise InputError(
                f"The inputs are a dict with the keys {list(values)}",
                expected=f"the model's inputs, {self._described()}",
                mend="Give exactly these",
            )
        if isinstance(structure, InputSpec):
            # A list of images is one input, not several.
            found[id(structure)] = values
        elif isinstance(structure, dict) and isinstance(values, dict):
            for key, part in structure.items():
                self._match(part, values[key], found)
        else:
            values = list(values) if isinstance(values, list | tuple) else [values]
            if len(values) != len(structure):
                raise InputError(
                    f"The inputs are {len(values)} arrays" if len(values) > 1 else "The inputs are one array",
                    expected=f"the model's {len(self.specs)} inputs, {self._described()}",
                    mend="Give them as a list in this order, or as a dict by name",
                )
            parts = structure.values() if isinstance(structure, dict) else structure
            for part, value in zip(parts, values, strict=True):
                self._match(part, value, found)

    def _described(self):
        return ", ".join(f"{spec.name!r} {spec.shape}" for spec in self.specs)

    @staticmethod
    def _checked(value, spec):
        try:
            array = np.asarray(value)
        except ValueError as error:
            raise InputError(
                f"The input {spec.name!r} is a list of arrays of different shapes",
                expected=f"the shape {spec.shape}",
                mend="Resize the images to one size: kerasviz.data.load_images(paths, size=...)",
            ) from error
        wanted = np.dtype(tf.as_dtype(spec.dtype).as_numpy_dtype)
        rank = len(spec.shape)
        if array.dtype.kind not in ("OSU" if spec.dtype == "string" else "fbui"):
            raise InputError(
                f"The input {spec.name!r} has the dtype {array.dtype}",
                expected="strings" if spec.dtype == "string" else f"numbers ({spec.dtype})",
                mend="Load pictures with kerasviz.data.load_images",
            )
        if array.ndim == rank - 1 and _fits(array.shape, spec.shape[1:]):
            raise InputError(
                f"The input {spec.name!r} has the shape {array.shape}: one sample without a batch axis",
                expected=f"the shape {spec.shape}",
                mend="Add the batch axis: images[None]",
            )
        if array.ndim != rank or not _fits(array.shape[1:], spec.shape[1:]):
            raise InputError(
                f"The input {spec.name!r} has the shape {array.shape}",
                expected=f"the shape {spec.shape}",
                mend="Resize the images, or add or drop the channel axis, as the model was trained",
            )
        if len(array) == 0:
            raise InputError(
                f"The input {spec.name!r} is an empty batch",
                expected="at least one sample",
                mend="Give a sample",
            )
        if array.dtype.kind == "f" and not np.isfinite(array).all():
            bad = [i for i, sample in enumerate(array) if not np.isfinite(sample).all()]
            raise InputError(
                f"The input {spec.name!r} has NaN or infinite values in the samples {bad[:10]}",
                expected="finite numbers",
                mend="Look at how these samples were made",
            )
        if wanted.kind in "ui" and array.dtype.kind == "f" and not np.array_equal(array, np.rint(array)):
            raise InputError(
                f"The input {spec.name!r} has fractions",
                expected=f"whole numbers ({spec.dtype})",
                mend="The model takes integers here: token numbers, or images that it scales itself",
            )
        return array.astype(wanted, copy=False)


def _fits(shape, wanted):
    return len(shape) == len(wanted) and all(w is None or s == w for s, w in zip(shape, wanted, strict=True))


def _declared(tensor):
    dtype = "float32" if tensor.dtype in ("float16", "bfloat16") else tensor.dtype
    return InputSpec(tensor.name, (None, *tensor.shape[1:]), dtype)


def _shapes(shapes):
    return list(shapes.values()) if isinstance(shapes, dict) else [shapes] if _is_shape(shapes) else list(shapes)


def _is_shape(value):
    return isinstance(value, list | tuple) and all(size is None or isinstance(size, int) for size in value)


def _named(shapes, make):
    if isinstance(shapes, dict):
        return {name: make(shape, name) for name, shape in shapes.items()}
    if _is_shape(shapes):
        return make(shapes, "input_0")
    return [make(shape, f"input_{i}") for i, shape in enumerate(shapes)]
