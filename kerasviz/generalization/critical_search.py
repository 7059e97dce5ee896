"""`CriticalSampleSearch`: is there, in a box around an image, a point at which the predicted class changes?"""

import threading

import numpy as np
import tensorflow as tf

from kerasviz import progress
from kerasviz.checks import checked_count, checked_seed
from kerasviz.data.preprocessing import as_function
from kerasviz.errors import InputError
from kerasviz.generalization.critical_record import CriticalSamples
from kerasviz.generalization.hunting import Hunted, Hunter
from kerasviz.generalization.searches import as_search
from kerasviz.network import Network
from kerasviz.network.changing import changed_input, inside_graph
from kerasviz.network.neighborhood import checked_bounds, checked_radius
from kerasviz.network.streaming import Stream
from kerasviz.targets import class_scores

#: Batches whose samples are searched together: those that are found make room for others.
_TOGETHER = 8
#: Steps between two looks at which samples still need a search: few first, when many are found.
_ROUNDS = (1, 1, 2, 4, 8, 16)


class CriticalSampleSearch:
    """Looks for critical samples: made once, which compiles, and called often.

    A sample is critical if within the box of a radius around it (the L∞ norm) there is a point of another predicted
    class: Arpit et al. 2017, "A Closer Look at Memorization in Deep Networks", Definition 1. What counts is the
    class that the network predicts, not the true one. The network runs in inference mode; weights that change
    later, in training, are seen.

    A search can miss a point, but what it finds is there: each found point lies in the box, to the last bit. So
    the ratio of critical samples is a lower bound, and only ratios of the same radius, search and data compare.

    Args:
        model: any built Keras classifier, or the path of a saved one.
        search: "lass" (the paper's), "pgd", "fgsm", or one of `kerasviz.generalization.LASS`, `PGD`, `FGSM` with
            settings of your own.
        preprocess: what happens to the images before the model takes them, so that the radius is in the units of
            the images and not of the model's input: a mode of `kerasviz.data.preprocess`, or a differentiable
            function of tensors that keeps their shape. None if the model takes the images as they are.
        input: the name of the input that is changed, for models with several.
        output: the name of the output whose class counts, for models with several.
        bounds: the smallest and largest value that images can have, such as `(0, 255)`: found points keep within.
            None, as in the paper, for no such limit.
        batch_size: samples that run at once; bounds the memory, changes no value.
        sample: inputs with a batch axis, for subclassed models that declare no input shape.

    Raises:
        InputError: no input can be changed, or several could be meant.
        ModelError: the model cannot be opened.
        SettingError: a setting is out of range.
        TargetError: the model is no classifier of whole images.

    Example:
        >>> import kerasviz as kv
        >>> model = kv.data.shapes.shapes_model()
        >>> search = CriticalSampleSearch(model, search="fgsm")
        >>> found = search(kv.data.shapes.scenes(8, seed=3).images, radius=8)
        >>> found.points.shape, bool(found.ratio > 0)
        ((8, 64, 64, 3), True)
    """

    def __init__(
        self,
        model,
        *,
        search="lass",
        preprocess=None,
        input: str | None = None,
        output: str | None = None,
        bounds: tuple[float, float] | None = None,
        batch_size: int = 32,
        sample=None,
    ):
        self.search, self.bounds = as_search(search), checked_bounds(bounds)
        self.batch_size = checked_count("batch_size", batch_size)
        prepare, self._preprocess = as_function(preprocess), preprocess
        self.network = Network(model, sample=sample)
        self._number = changed_input(self.network, input)
        self.input = self.network.inputs.specs[self._number].name
        self.output = output
        self._hunter = Hunter(
            self.network,
            self.search,
            number=self._number,
            scores=class_scores(self.network, output),
            preprocess=inside_graph(prepare, self.network.inputs.specs[self._number]),
            bounds=self.bounds,
        )
        self._functions, self._lock = {}, threading.Lock()

    def __call__(self, images, radius: float, seed: int = 0) -> CriticalSamples:
        """Search around each image.

        Args:
            images: what `model.predict` takes, before `preprocess`; or a batched `tf.data.Dataset` of them, with or
                without labels. All found points are kept in memory; `ratio` keeps none.
            radius: half the side of the box, in the units of the images. At 0 no sample is critical.
            seed: of the noise.

        Raises:
            InputError: the images do not fit the model, hold NaN, or leave the bounds.
            SettingError: the radius or the seed is out of range.
        """
        parts = list(self.blocks(images, radius, seed))
        steps, classes, new_classes = (np.concatenate([getattr(p, name) for p in parts]) for name in Hunted._fields[1:])
        return CriticalSamples(
            points=np.concatenate([part.points for part in parts]),
            steps=steps,
            classes=classes,
            new_classes=new_classes,
            radius=float(radius),
            settings=self.settings(seed),
        )

    def ratio(self, images, radius: float, seed: int = 0) -> float:
        """The share of critical samples (CSR), for any number of images: none are kept.

        Args:
            images: as for a call.
            radius: as for a call.
            seed: as for a call.

        Raises:
            InputError: as for a call.
            SettingError: as for a call.
        """
        found, count = 0, 0
        for part in self.blocks(images, radius, seed):
            found, count = found + int(part.found.sum()), count + len(part.steps)
        return found / count

    def settings(self, seed: int) -> dict:
        """What a result depends on, beside the model, the images and the radius."""
        named = self._preprocess
        return {
            **self.search.settings(),
            "preprocess": getattr(named, "__name__", str(named)) if callable(named) else named,
            "input": self.input,
            "output": self.output,
            "bounds": self.bounds,
            "seed": seed,
        }

    def blocks(self, images, radius: float, seed: int = 0):
        """Yield what is found around some samples after the others, as a `Hunted` of arrays.

        Args:
            images: as for a call.
            radius: as for a call.
            seed: as for a call.

        Raises:
            InputError: as for a call.
            SettingError: as for a call.
        """
        radius, seed = checked_radius(radius), checked_seed(seed)
        stream = self.stream(images)
        known = stream.expected()
        with progress.bar((known or 1) * self.search.steps, "Critical samples") as advance:
            for _, arrays in stream:
                yield self.search_arrays(arrays, radius, seed, advance if known else lambda steps: None)

    def stream(self, images) -> Stream:
        """Images as for a call, in the parts that are searched together."""
        return Stream(self.network.inputs, images, _TOGETHER * self.batch_size)

    def hunt(self, tensors: list, radius: tf.Tensor, seed: tf.Tensor) -> Hunted:
        """The whole search for one batch, inside a `tf.function`; see `Hunter.hunt`."""
        return self._hunter.hunt(tensors, radius, seed)

    def search_arrays(self, arrays: list, radius: float, seed: int = 0, advance=lambda steps: None) -> Hunted:
        """Search around some samples, a few steps at a time; those that are found leave the batches.

        Args:
            arrays: the inputs, flat, as `network.inputs.check` returns them.
            radius: as for a call.
            seed: as for a call.
            advance: gets the numbers of steps that were made or are no longer needed: in all, unless the radius is 0 or
                the search stops early, the number of samples times that of steps.

        Returns:
            A `Hunted` of arrays.

        Raises:
            InputError: the images leave the bounds.
        """
        self._check_within_bounds(arrays[self._number])
        own, count, total = arrays[self._number], len(arrays[0]), self.search.steps
        kept = Hunted(own.copy(), *(np.full(count, -1, np.int32) for _ in range(3)))
        fixed = np.float64(radius), np.array([seed, 0], np.int32)
        if radius == 0 or self.search.random_start:
            for rows in self._batches(np.arange(count)):
                _put(kept, rows, self._run(self._hunter.begun, [array[rows] for array in arrays], *fixed))
        last, left = 0, np.arange(count if radius else 0)
        while len(left) and last < total:
            first, last = last, min(total, last + _ROUNDS[min(last.bit_length(), len(_ROUNDS) - 1)])
            for rows in self._batches(left):
                tensors, state = [array[rows] for array in arrays], Hunted(*(part[rows] for part in kept))
                between = np.int32(first), np.int32(last)
                _put(kept, rows, self._run(self._hunter.advanced, tensors, state, *fixed, *between))
                advance(len(rows) * (last - first))
            end = self._end(kept.steps, last)
            if end is not None:
                late = kept.steps > end
                kept.steps[late], kept.new_classes[late] = -1, kept.classes[late]
                break
            searched, left = left, left[kept.steps[left] < 0]
            advance((len(searched) - len(left)) * (total - last))
        missed = kept.steps < 0
        kept.points[missed] = own[missed]
        return kept

    def _batches(self, rows):
        """Rows in batches of about one size: none of only a few."""
        return np.array_split(rows, -(-len(rows) // self.batch_size))

    def _end(self, steps, made):
        """The step after which `Search.stop` ends the search, of those whose finds are all known; None to go on."""
        if self.search.stop is None:
            return None
        known = made + (made == self.search.steps)
        new = np.bincount(steps[steps >= 0], minlength=known)[1:known]
        few = np.flatnonzero(new < self.search.stop * len(steps))
        return int(few[0]) + 1 if len(few) else None

    def _run(self, body, tensors, *arguments):
        """`body(tensors, *arguments)` as arrays, compiled once."""
        name = body.__name__
        with self._lock:
            if name not in self._functions:
                specs = tf.nest.map_structure(self._spec, arguments)
                self._functions[name] = self.network.function(body, specs)
        return tf.nest.map_structure(np.asarray, self._functions[name](tensors, *arguments))

    def _spec(self, array):
        """The form of an argument: points are like the changed input, with the axes that it leaves free."""
        points = self.network.inputs.specs[self._number].shape
        return tf.TensorSpec(points if array.ndim == len(points) else (None,) * array.ndim, array.dtype)

    def _check_within_bounds(self, images):
        if self.bounds is not None and (images.min() < self.bounds[0] or images.max() > self.bounds[1]):
            raise InputError(
                f"The images hold values from {images.min():g} to {images.max():g}",
                expected=f"values within bounds={self.bounds}",
                mend="Bounds and radius are in the units of the images before any preprocessing",
            )


def _put(kept, rows, new):
    for mine, part in zip(kept, new, strict=True):
        mine[rows] = part
