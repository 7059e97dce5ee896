"""The probabilities that a user's own `model.predict` gives for images."""

from collections.abc import Callable, Mapping

import numpy as np
import tensorflow as tf

from kerasviz.checks import checked_count
from kerasviz.errors import SettingError, TargetError
from kerasviz.network import Network, loading
from kerasviz.network.changing import changed_input
from kerasviz.network.network import chunks
from kerasviz.network.predicting import predicted
from kerasviz.synthesis.others import other_inputs
from kerasviz.synthesis.settings import preparation
from kerasviz.synthesis.spaces import ImageSpace
from kerasviz.targets import ClassScore, LogProbability

#: By how much the probabilities of a sample, in half precision, may miss 1.
_SLACK = 0.02


class Predicting:
    """A model's own probabilities, by a fresh `model.predict` for each question.

    See `kerasviz.network.predicting.predicted` for how that leaves no trace on it.

    Args:
        model: any built Keras classifier, or the path of a saved one.
        network: the same, opened; None to open it here.
        preprocess: a mode of `kerasviz.data.preprocess`, or a function of tensors; None for none.
        input: the name of the input that images go to, for models with several.
        output: the name of the output whose classes are meant, for models with several.
        others: for models with several inputs, a sample of each other one, by name, without a batch axis.
        batch_size: images at once.
        sample: inputs with a batch axis, for subclassed models that declare no input shape.

    Raises:
        InputError: no input can be changed, or several could be meant.
        SettingError: the preprocessing is unknown.
        TargetError: the output gives no probabilities of classes.

    Example:
        >>> import kerasviz as kv
        >>> predicting = Predicting(kv.data.shapes.shapes_model())
        >>> predicting(kv.data.shapes.scenes(2, seed=3).images).shape[0]
        2
    """

    def __init__(
        self,
        model,
        network: Network | None = None,
        *,
        preprocess: str | Callable | None = None,
        input: str | None = None,
        output: str | None = None,
        others: Mapping | None = None,
        batch_size: int = 32,
        sample=None,
    ):
        self.model = loading.as_model(model)
        self.network = Network(self.model, sample=sample) if network is None else network
        self.output, width, binary = ClassScore(output=output).describe_output(self.network)
        self._head = check_probabilities(self.network, self.output, width)
        #: How many classes there are; two for a unit under a sigmoid.
        self.count = 2 if binary else width
        self._prepare = preparation(preprocess)
        self.number = changed_input(self.network, input)
        self.batch_size = checked_count("batch_size", batch_size)
        self._others = other_inputs(self.network, self.number, others)

    def __call__(self, images: np.ndarray) -> np.ndarray:
        """The probabilities of all classes, `(N, K)` float32; for a unit under a sigmoid those of the classes 0 and 1.

        Args:
            images: `(N, H, W, C)`, before preprocessing.

        Raises:
            InputError: the images do not fit the model.
            TargetError: what the model returns are no probabilities.
        """
        batches = np.array_split(np.asarray(images, np.float32), -(-len(images) // self.batch_size))
        prepared = np.concatenate([np.asarray(self._prepare(tf.constant(batch))) for batch in batches])
        found = predicted(self.model, self.network, self._inputs(prepared), self.output, self.batch_size)
        self._check(found)
        return found

    def logarithms(self) -> Callable:
        """A function that gives the logarithms of the probabilities as a search sees them: compiled, in float32.

        It takes images `(N, H, W, C)` and returns `(N, K)`, and is for what is asked often, on the way.
        """
        goal = LogProbability(output=self.output)

        def body(tensors):
            prepared = list(tensors)
            prepared[self.number] = self._prepare(tensors[self.number])
            return goal.scores(self.network, self.network.forward(prepared))

        run = self.network.function(body)
        return lambda images: np.concatenate(
            [run(part).numpy() for part in chunks(self._parts(images), self.batch_size)]
        )

    def check_size(self, space: ImageSpace):
        """Refuse images of another size than the network takes: they fool as they are, not resized.

        Raises:
            SettingError: the size is another.
        """
        own = self.network.inputs.specs[self.number].shape[1:3]
        if any(side not in (None, asked) for side, asked in zip(own, space.shape[:2], strict=True)):
            raise SettingError(
                f"size={space.shape[:2]}",
                expected=f"{own}, the size that {self.network.name!r} takes",
                mend="Leave it out: an image fools as it is, not resized",
            )

    def _parts(self, images):
        """The flat inputs, with the images in their place."""
        return [images if other is None else np.repeat(other, len(images), axis=0) for other in self._others]

    def _inputs(self, prepared):
        inputs = self.network.inputs
        return inputs.check(inputs.pack(self._parts(prepared)))

    def _check(self, found):
        """Refuse values that are no probabilities: an output whose end could not be looked into may be anything."""
        fits = np.isfinite(found).all() and found.min(initial=0) >= 0 and found.max(initial=0) <= 1 + _SLACK
        if self._head != "sigmoid":
            fits &= bool((np.abs(found.sum(axis=1) - 1) <= _SLACK).all())
        if not fits:
            raise _no_probabilities(self.network, self.output)


def check_probabilities(network: Network, output: str, width: int | None) -> str:
    """What an output ends in, if it gives one probability for each class.

    Args:
        network: the network.
        output: the name of the output.
        width: how many classes it has.

    Returns:
        "softmax", "log_softmax", "sigmoid", or `kerasviz.network.heads.STUCK` where only its values can tell.

    Raises:
        TargetError: it gives scores, or more than one answer for an image.
    """
    shape, head = network.trace.outputs[output].shape, network.trace.outputs[output].head
    if len(shape) > 2 or (width == 1 and head != "sigmoid"):
        raise TargetError(
            f"The output {output!r} of {network.name!r} has the shape {shape}",
            expected="one probability for each class, (N, K), or a single unit under a sigmoid",
            mend="Only classifiers of whole images can be fooled",
        )
    if head is None:
        raise _no_probabilities(network, output)
    return head


def _no_probabilities(network, output):
    return TargetError(
        f"The output {output!r} of {network.name!r} gives no probabilities",
        expected="an output that ends in a softmax or sigmoid, for a confidence is a probability",
        mend="If its outputs are scores, add the softmax: keras.Sequential([model, keras.layers.Softmax()])",
    )
