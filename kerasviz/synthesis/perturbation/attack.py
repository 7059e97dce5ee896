"""The base of all attacks: opening the model, checking what is asked, and confirming what was found."""

from abc import ABC, abstractmethod

import numpy as np
import tensorflow as tf

from kerasviz.checks import checked_choice, checked_count
from kerasviz.data.preprocessing import as_function
from kerasviz.errors import InputError, TargetError
from kerasviz.network import Network
from kerasviz.network.changing import changed_input, inside_graph, without_gradient
from kerasviz.network.loading import as_model
from kerasviz.network.neighborhood import NORMS, checked_bounds
from kerasviz.network.streaming import Stream
from kerasviz.synthesis.perturbation.predicting import Prediction
from kerasviz.synthesis.perturbation.record import Perturbed
from kerasviz.synthesis.pictures import rounded
from kerasviz.synthesis.settings import preprocess_name
from kerasviz.targets import ClassScore, class_scores

#: Batches that are predicted together.
_TOGETHER = 8


class Attack(ABC):
    """Looks near images for points of another class: made once, which compiles, and called often.

    The network runs in inference mode; weights that change later, in training, are seen. The model is not changed.

    Args:
        model: any built Keras classifier, or the path of a saved one. An output of one unit under a sigmoid has the
            classes 0 and 1.
        norm: how far a point is from its image: "linf", the largest change of a value, or "l2", the Euclidean length of
            all changes of an image together.
        preprocess: what happens to the images before the model takes them, so that distances are in the units of the
            images and not of the model's input: a mode of `kerasviz.data.preprocess`, or a differentiable function of
            tensors that keeps their shape. None if the model takes the images as they are.
        bounds: the smallest and the largest value that images can have, such as `(0, 255)`: points keep within. None
            for no such limit.
        input: the name of the input that is changed, for models with several.
        output: the name of the output whose class counts, for models with several.
        batch_size: samples that run at once; bounds the memory, changes no result but for rounding.
        sample: inputs with a batch axis, for subclassed models that declare no input shape.

    Raises:
        InputError: no input can be changed, or several could be meant.
        ModelError: the model cannot be opened.
        SettingError: a setting is out of range, or the output has no gradient with respect to the input.
        TargetError: the model is no classifier of whole images.
    """

    #: What it is called in records.
    method: str

    def __init__(
        self,
        model,
        *,
        norm: str = "linf",
        preprocess=None,
        bounds: tuple[float, float] | None = None,
        input: str | None = None,
        output: str | None = None,
        batch_size: int = 32,
        sample=None,
    ):
        checked_choice("norm", norm, NORMS)
        self.norm, self.bounds = norm, checked_bounds(bounds)
        self.batch_size = checked_count("batch_size", batch_size)
        prepare, self._preprocess = as_function(preprocess), preprocess
        model = as_model(model)
        self.network = Network(model, sample=sample)
        self._number = changed_input(self.network, input)
        self._spec = self.network.inputs.specs[self._number]
        self.input, self.output = self._spec.name, output
        self._scores = class_scores(self.network, output)
        self._prepare = inside_graph(prepare, self._spec)
        self._predict = Prediction(model, self.network, output, self._number, self._prepare, self.batch_size)
        aims, targeted = tf.TensorSpec((None,), tf.int32), tf.TensorSpec((), tf.bool)
        self._compiled = self.network.function(self.points, (aims, targeted, *self.signature()))

    @property
    def probable(self) -> bool:
        """Whether the model gives probabilities, and not scores."""
        return self._predict.probable

    def signature(self) -> tuple:
        """The `tf.TensorSpec` of each further argument of `points`."""
        return ()

    @abstractmethod
    def points(self, tensors: list, aims: tf.Tensor, targeted: tf.Tensor, *arguments) -> tf.Tensor:
        """The points that are found near a batch of images, inside a `tf.function`.

        Args:
            tensors: the inputs, flat, before `preprocess`.
            aims: `(N,)` int32: the classes to reach if targeted, and to leave if not.
            targeted: bool, a scalar.
            *arguments: those of `signature`.
        """

    def settings(self) -> dict:
        """What a result depends on, beside the model, the images and what a call is given."""
        return {
            "norm": self.norm,
            "preprocess": preprocess_name(self._preprocess),
            "bounds": self.bounds,
            "input": self.input,
            "output": self.output,
            "batch_size": self.batch_size,
        }

    def scores_at(self, tensors: list, points: tf.Tensor) -> tf.Tensor:
        """The scores of all classes, `(N, K)`, with points in the place of the images."""
        tensors = [self._prepare(points) if i == self._number else tensor for i, tensor in enumerate(tensors)]
        return self._scores(self.network.forward(tensors))

    def images_of(self, tensors: list) -> tf.Tensor:
        """The input that is changed."""
        return tensors[self._number]

    def gradient(self, tape: tf.GradientTape, score: tf.Tensor, points: tf.Tensor, weights=None) -> tf.Tensor:
        """The gradient of a score, or of a weighted sum of scores, with respect to the points.

        Raises:
            SettingError: it does not depend on them.
        """
        found = tape.gradient(score, points, output_gradients=weights)
        if found is None:
            raise without_gradient(self._spec)
        return found

    def attacked(self, images, target, labels, arguments=(), *, radius=None, settings=None) -> Perturbed:
        """What a call returns, from what it was given.

        Args:
            images: as for a call.
            target: as for a call.
            labels: as for a call.
            arguments: further ones of `points`, arrays.
            radius: for the record.
            settings: of this call, for the record.
        """
        stream = Stream(self.network.inputs, images, _TOGETHER * self.batch_size)
        aims = self._checked_aims(target, labels, stream.total)
        if stream.total:
            for _, arrays in stream:
                self._check_within_bounds(arrays[self._number])
        parts = []
        for start, arrays in stream.with_bar("Perturbations"):
            self._check_within_bounds(arrays[self._number])
            outputs = self._predict(arrays)
            if aims is None:
                own = outputs.argmax(axis=1).astype(np.int32)
            else:
                own = np.broadcast_to(aims[start : start + len(outputs)] if aims.ndim else aims, len(outputs))
            parts.append(self._part(arrays, outputs, own, target is not None, arguments))
        named = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
        given = named.pop("aims")
        return Perturbed(
            **named,
            target=given if target is not None else None,
            true_classes=given if labels is not None else None,
            norm=self.norm,
            radius=radius,
            bounds=self.bounds,
            probable=self.probable,
            method=self.method,
            settings={**self.settings(), **(settings or {})},
        )

    def _part(self, arrays, outputs, aims, targeted, arguments):
        """The arrays of a record for some samples."""
        images = arrays[self._number]
        found = []
        for first in range(0, len(images), self.batch_size):
            rows = slice(first, first + self.batch_size)
            found.append(self._compiled([array[rows] for array in arrays], aims[rows], targeted, *arguments).numpy())
        points = np.concatenate(found)
        change = points.astype(np.float64) - images
        flat = np.abs(change.reshape(len(change), -1))
        part = {
            "points": points,
            "perturbations": change.astype(points.dtype),
            "outputs": outputs,
            "new_outputs": self._predict(self._with(arrays, points)),
            "distances": flat.max(axis=1) if self.norm == "linf" else np.sqrt((flat**2).sum(axis=1)),
            "aims": np.array(aims, np.int32),
        }
        if self.bounds is not None:
            saved = rounded(points, *self.bounds)
            same = np.array_equal(saved, points)
            part["rounded_outputs"] = part["new_outputs"] if same else self._predict(self._with(arrays, saved))
        return part

    def _with(self, arrays, points):
        return [points if i == self._number else array for i, array in enumerate(arrays)]

    def _checked_aims(self, target, labels, count):
        """The classes to reach or to leave, one for all or `(N,)`; None for the predicted ones."""
        if target is not None and labels is not None:
            raise TargetError(
                "target= and labels= are both given",
                expected="the class to reach, or the true classes to lead away from",
                mend="Leave one of them out",
            )
        given = target if labels is None else labels
        if given is None:
            return None
        if count is None and np.ndim(given):
            raise TargetError(
                "Each sample of a data set is given a class of its own",
                expected="one class for all, or arrays of images",
                mend="Call the attack for a batch at a time, with the classes of that batch",
            )
        aims = ClassScore(given, output=self.output).arguments(self.network, count or 1)[0]
        return aims if count is not None else aims[0]

    def _check_within_bounds(self, images):
        if self.bounds is not None and (images.min() < self.bounds[0] or images.max() > self.bounds[1]):
            raise InputError(
                f"The images hold values from {images.min():g} to {images.max():g}",
                expected=f"values within bounds={self.bounds}",
                mend="Bounds and distances are in the units of the images before any preprocessing",
            )
