"""What all explainers share: checking, compiling once, running in batches, and the registry by name."""

import threading
import warnings
from abc import ABC, abstractmethod
from collections import OrderedDict
from typing import ClassVar, NamedTuple

import numpy as np
import tensorflow as tf

from kerasviz import progress
from kerasviz.checks import checked_count
from kerasviz.errors import KerasvizWarning, SettingError, TargetError
from kerasviz.explanation import Explanation
from kerasviz.network import Network
from kerasviz.targets import ClassScore, Target, as_target

#: Compiled functions that an explainer keeps, the last used: one or two per kind of target.
_KEPT_FUNCTIONS = 16
#: What the values over pixels can be reduced to over channels.
REDUCTIONS = {
    "max_abs": lambda values: tf.reduce_max(tf.abs(values), axis=-1),
    "sum": lambda values: tf.reduce_sum(values, axis=-1),
    "sum_abs": lambda values: tf.reduce_sum(tf.abs(values), axis=-1),
}
_METHODS: dict[str, type["Explainer"]] = {}


class Attributed(NamedTuple):
    """What an explainer computes for a batch, as tensors.

    Attributes:
        values: a map for each explained input.
        score: `(N,)` the explained scores.
        arguments: the target's arguments, settled.
        extras: further tensors with a row per sample.
    """

    values: list[tf.Tensor]
    score: tf.Tensor
    arguments: list[tf.Tensor]
    extras: dict[str, tf.Tensor]


class Explainer(ABC):
    """A method of explanation for one model: constructed once, called often.

    Args:
        model: any built Keras model, or the path of a saved one. It is never modified.
        batch_size: how many samples run at once; bounds the memory, changes no value.
        sample: inputs with a batch axis, for subclassed models that declare no input shape.

    Raises:
        ModelError: the model is not a Keras model, not built, or tells no input shape and there is no sample.

    Attributes:
        name: the registered name.
        title: how the method's paper writes it.
        needs_layer: whether it looks at a layer.
        signed: whether negative values mean evidence against the target.
        kind: "pixels" or "heatmap".
        passes: how many forward and backward passes one explanation costs, for each of `passes_per`.
        slow: whether an explanation of a photograph takes minutes at the defaults: thousands of passes. What runs all
            methods leaves these out.
        passes_per: "image", "channel" of the feature map, "position" of a patch, or "segment".
    """

    name: ClassVar[str]
    title: ClassVar[str]
    needs_layer: ClassVar[bool] = False
    kind: ClassVar[str] = "pixels"
    signed: bool = True
    passes: int = 1
    passes_per: ClassVar[str] = "image"
    slow: ClassVar[bool] = False
    layer: str | None = None

    def __init__(self, model, *, batch_size: int = 32, sample=None):
        self.batch_size = checked_count("batch_size", batch_size)
        self.network = self._open(model, sample)
        self._functions: OrderedDict = OrderedDict()
        self._lock = threading.RLock()

    def __call__(self, inputs, target=None) -> Explanation:
        """Explain each sample of a batch.

        Args:
            inputs: what `model.predict` takes, with a batch axis: arrays or tensors, a list or dict of them for
                several inputs. Integer images are cast.
            target: what is explained; None for each sample's top class. See `kerasviz.targets`.

        Returns:
            An `Explanation`.

        Raises:
            InputError: the inputs do not fit the model, are empty, or hold NaN.
            TargetError: the target does not fit the outputs or the batch.

        Warns:
            KerasvizWarning: a map is zero everywhere or not finite, or a softmax could not be taken off.
        """
        arrays = self.network.inputs.check(inputs)
        companions = self._companions(arrays)
        goal = self._goal(target)
        count = len(arrays[0])
        arguments = goal.arguments(self.network, count)
        self.network.warn_of_heads()
        batches = [slice(start, min(start + self.batch_size, count)) for start in range(0, count, self.batch_size)]
        parts = []
        steps = sum(self._calls([array[rows] for array in arrays]) for rows in batches)
        with progress.bar(steps, self.title) as advance:
            for rows in batches:
                batch = ([array[rows] for array in part] for part in (arrays, arguments, companions))
                parts.append(tf.nest.map_structure(np.asarray, self._explain_batch(goal, *batch, advance)))
                _check_scores(parts[-1].score, rows.stop - rows.start)
        return self._explanation(goal, tf.nest.map_structure(lambda *rows: np.concatenate(rows), *parts))

    @property
    def settings(self) -> dict:
        """The settings that the values depend on."""
        return {}

    @property
    def explained_inputs(self) -> list[str]:
        """Names of the inputs that get a map, in the order of `Attributed.values`."""
        return [spec.name for spec in self.network.inputs.specs if spec.floating]

    def _open(self, model, sample):
        return Network(model, sample=sample)

    def require_compilable(self):
        """Refuse to be part of another method's graph.

        Raises:
            SettingError: the method runs in several calls.
        """
        raise SettingError(
            f"{self.title} runs in several passes of its own",
            expected="a method that is computed in one pass, such as Saliency or GuidedBackprop",
            mend="Raise its own number of samples instead",
        )

    def _goal(self, target) -> Target:
        """What a user's target means.

        Raises:
            TargetError: a sample's score would depend on others.
        """
        goal = as_target(target)
        if not goal.alone:
            raise TargetError(
                f"The target {goal.describe()!r} depends on the whole batch",
                expected="one whose score for a sample depends on that sample alone",
                mend="Diversity is for the synthesis of images",
            )
        return goal

    def _companions(self, arrays):
        """Further arrays with a row per sample that the method needs, made from the inputs and checked."""
        return []

    @abstractmethod
    def _calls(self, arrays) -> int:
        """How many steps of the progress bar a batch of inputs takes."""

    @abstractmethod
    def _explain_batch(self, goal, arrays, arguments, companions, advance) -> Attributed:
        """Explain a batch; calls `advance` after each step."""

    def _scores(self, goal, tensors, arguments):
        """The scores of a batch and the target's settled arguments, inside a `tf.function`."""
        done = self.network.forward(tensors, goal.addresses(self.network))
        settled = goal.settle(self.network, done, arguments)
        return goal.score(self.network, done, settled), settled

    def _run(self, goal, body, arrays, arguments, /, *more, **fixed):
        """`body(goal, arrays, arguments, *more, **fixed)`, compiled once for each kind of target.

        It is free in the batch size. `fixed` is what is no tensor; each value of it compiles anew.
        """
        rows = tf.nest.map_structure(lambda a: tf.TensorSpec((None, *a.shape[1:]), a.dtype), [arguments, *more])
        key = (body.__name__, goal.key(), tuple(tf.nest.flatten(rows)), tuple(fixed.items()))
        with self._lock:
            if key not in self._functions:
                self._functions[key] = self.network.function(
                    lambda tensors, *rest: body(goal, tensors, *rest, **fixed), rows
                )
            self._functions.move_to_end(key)
            while len(self._functions) > _KEPT_FUNCTIONS:
                self._functions.popitem(last=False)
            function = self._functions[key]
        return function(arrays, arguments, *more)

    def _explanation(self, goal, done):
        self._warn_of_nothing(done.values)
        maps = [value.astype(np.float32, copy=False) for value in done.values]
        values = maps[0] if len(maps) == 1 else dict(zip(self.explained_inputs, maps, strict=True))
        return Explanation(
            values=values,
            method=self.name,
            signed=self.signed,
            kind=self.kind,
            layer=self.layer,
            target=done.arguments[0] if isinstance(goal, ClassScore) else goal.describe(),
            score=done.score,
            settings=self.settings,
            extras=done.extras,
        )

    def _warn_of_nothing(self, values):
        rows = [value.reshape(len(value), -1) for value in values]
        empty = np.logical_and.reduce([~row.any(axis=1) for row in rows])
        broken = np.logical_or.reduce([~np.isfinite(row).all(axis=1) for row in rows])
        for which, state in (
            (empty, "zero everywhere for the samples {}. Nothing that it looks at changes the score"),
            (broken, "not finite for the samples {}. Look for NaN in the weights and outputs of the model"),
        ):
            if which.any():
                listed = np.flatnonzero(which)[:10].tolist()
                warnings.warn(f"{self.title}: the map is {state.format(listed)}", KerasvizWarning, stacklevel=4)


class CompiledExplainer(Explainer):
    """An explainer whose whole work is one compiled function, so that other methods can build on it."""

    @abstractmethod
    def attribute(self, goal: Target, tensors: list[tf.Tensor], arguments: list[tf.Tensor]) -> Attributed:
        """Explain a batch, inside a `tf.function`.

        Args:
            goal: the target.
            tensors: the inputs, flat.
            arguments: the target's arguments for these samples.
        """

    def differentiated(self, goal, tensors, arguments, *, inputs=False, at=()):
        """The pass, the scores, the target's settled arguments, and the gradients at the inputs and at layers.

        Args:
            goal: the target.
            tensors: the inputs, flat.
            arguments: the target's arguments for these samples.
            inputs: as for `Network.differentiate`.
            at: as for `Network.differentiate`.
        """
        settled = arguments

        def score(done):
            nonlocal settled
            settled = goal.settle(self.network, done, arguments)
            return goal.score(self.network, done, settled)

        done, scores, at_inputs, at_layers = self.network.differentiate(
            tensors, score, inputs=inputs, at=at, taps=goal.addresses(self.network)
        )
        return done, scores, settled, at_inputs, at_layers

    def require_compilable(self):
        """It is."""

    def _calls(self, arrays):
        return 1

    def _explain_batch(self, goal, arrays, arguments, companions, advance):
        done = self._run(goal, self.attribute, arrays, arguments)
        advance()
        return done


def register(method: type[Explainer]) -> type[Explainer]:
    """Make a method known by its name to `explain`, the command line and the tests."""
    _METHODS[method.name] = method
    return method


def methods() -> dict[str, type[Explainer]]:
    """All registered methods by name."""
    return dict(_METHODS)


def _check_scores(scores, count):
    if scores.shape != (count,):
        raise TargetError(
            f"The target returned scores of the shape {scores.shape} for {count} samples",
            expected=f"one score per sample, the shape ({count},)",
            mend="Keep the batch axis: scores[:, k]",
        )
