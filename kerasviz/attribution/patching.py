"""Methods that paste patches into an image, at many positions: how the variants are run."""

from abc import abstractmethod
from collections.abc import Callable

import numpy as np
import tensorflow as tf

from kerasviz.attribution.patches import paste
from kerasviz.attribution.perturbation import Perturbation, Sample
from kerasviz.errors import InputError, SettingError
from kerasviz.network.incremental import Incremental, Plan


class Patching(Perturbation):
    """A perturbation of one patch at a time; see `Perturbation`.

    Where it pays, the runs are incremental: exact, but only what a patch reaches is computed anew, see
    `kerasviz.network.incremental`. `plan` tells what that saves.

    Attributes:
        incremental: whether runs may be incremental.
        field: the share of each axis of a feature map that a patch may reach; under 1 the runs are approximate.
    """

    passes_per = "position"
    incremental: bool = True
    field: float = 1.0

    def plan(self, image_shape=None, *, target=None, number: int = 0) -> Plan:
        """What of the network is computed anew for a patch, and what that saves.

        Args:
            image_shape: `(H, W, C)`, needed by models that take any size.
            target: as when explaining one image: targets may look at different layers.
            number: which size, of a sweep of several, from 0.

        Returns:
            A `Plan`; print it. Its `rows` tell the layers one by one, `saved` the share of the multiplications that
            is saved, `why` why the whole network is run for each position, where it is.

        Raises:
            InputError: the image's shape is not known, or does not fit the model.
            SettingError: there is no such size, or the input has no rows and columns.

        Example:
            >>> import kerasviz as kv
            >>> print(kv.Occlusion(model, size=16, stride=8).plan((224, 224, 3)))  # doctest: +SKIP
        """
        goal, first = self._goal(target), self.numbers[0]
        arrays = [self._blank(n, image_shape if n == first else None) for n in range(len(self.network.inputs.specs))]
        sizes = self._patches_over(arrays[first].shape[1:-1])
        if arrays[first].ndim != 4 or not 0 <= number < len(sizes):
            raise SettingError(
                f"number={number} of {len(sizes)} sizes, for the shape {arrays[first].shape[1:]}",
                expected=f"a number from 0 to {len(sizes) - 1}, and an input of rows, columns and channels",
                mend="Signals and volumes are run whole for each position",
            )
        engine = self._engine(goal, arrays, goal.arguments(self.network, 1), first, "_score_alone")
        return engine.plan(*sizes[number], share=self.field)

    @abstractmethod
    def _patches_over(self, space) -> list[tuple[np.ndarray, tuple]]:
        """The starts `(P, axes)` and the size of the patches over an input, for each size of a sweep."""

    def swept(self, sample: Sample, starts: np.ndarray, patches: Callable, advance, body: str = "_score_alone"):
        """What the network makes of copies of a sample, a patch pasted into each.

        Args:
            sample: the sample.
            starts: `(P, axes)` int32, the first pixel of each patch.
            patches: `indices -> (n, *size, C)`, the patches for some of the positions, all of one size.
            advance: called with the number of variants after each run of them.
            body: the name of a method `(goal, tensors, arguments) -> tensors` with a row per variant, that runs
                inside a `tf.function`.

        Returns:
            What `body` returns as arrays, `(P, …)`, in the order of `starts`.
        """
        groups, run = self._runs(sample, starts, tuple(patches(np.arange(1)).shape[1:-1]), body)
        parts = []
        for some in groups:
            found = run(some, tf.cast(patches(some), sample.perturbed.dtype))
            parts.append(tf.nest.map_structure(np.asarray, found))
            advance(len(some))
        order = np.argsort(np.concatenate(groups))
        return tf.nest.map_structure(lambda *rows: np.concatenate(rows)[order], *parts)

    def _runs(self, sample, starts, size, body):
        """Which positions run together, and `(indices, patches) -> tensors`, which runs them."""
        if self.incremental and starts.shape[1] == 2 and self.precision == "float32":
            engine = self._engine(sample.goal, sample.tensors, sample.arguments, sample.number, body)
            sweep = engine.sweep(starts, size, self.batch_size, share=self.field)
            if sweep is not None:
                clean = sweep.clean(sample.tensors, sample.arguments)
                return sweep.groups, lambda some, patches: sweep.run(clean, some, patches)

        def run(some, patches):
            given = (sample.tensors, sample.arguments, starts[some], patches)
            return self._run(sample.goal, self._pasted, *given, number=sample.number, body=body)

        return np.split(np.arange(len(starts)), range(self.batch_size, len(starts), self.batch_size)), run

    def _engine(self, goal, tensors, arguments, number, body):
        """The traced network for a kind of target and these shapes."""
        signature = [[tf.TensorSpec((None, *a.shape[1:]), a.dtype) for a in part] for part in (tensors, arguments)]
        key = ("incremental", body, goal.key(), number, tuple(tf.nest.flatten(signature)))
        with self._lock:
            if key not in self._functions:
                self._functions[key] = Incremental(
                    self.network, lambda inputs, settled: getattr(self, body)(goal, inputs, settled), signature, number
                )
            self._functions.move_to_end(key)
            return self._functions[key]

    def _score_alone(self, goal, tensors, arguments):
        return self._scores(goal, tensors, arguments)[0]

    def _pasted(self, goal, tensors, arguments, starts, patches, *, number, body):
        variants = paste(tensors[number], starts, patches)
        return getattr(self, body)(goal, *self.among(tensors, arguments, variants, number))

    def _blank(self, number, image_shape):
        """A sample of zeros of an input's shape, or of an image's."""
        spec = self.network.inputs.specs[number]
        shape = spec.shape[1:] if image_shape is None else tuple(image_shape)
        if None in shape:
            raise InputError(
                f"The input {spec.name!r} has the shape {spec.shape}",
                expected="an image's shape, since the model takes any",
                mend="Give image_shape=(224, 224, 3), or whatever your images have",
            )
        return self.network.inputs.check_one(number, np.zeros((1, *shape), spec.dtype))
