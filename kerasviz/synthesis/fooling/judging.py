"""What a network makes of encoded images: decoding, preprocessing and the network in one compiled function."""

from collections.abc import Callable, Iterable, Iterator, Mapping

import numpy as np
import tensorflow as tf

from kerasviz.checks import checked_count
from kerasviz.errors import SettingError
from kerasviz.network import loading
from kerasviz.network.changing import inside_graph
from kerasviz.synthesis.fooling.encoding import Encoding, Genes, joined, rows
from kerasviz.synthesis.fooling.predicting import Predicting
from kerasviz.synthesis.making import described, ground
from kerasviz.synthesis.others import other_inputs
from kerasviz.synthesis.pictures import from_picture
from kerasviz.synthesis.settings import preprocess_name
from kerasviz.targets import ClassScore

_TOP = 255  # the levels of a picture, less one


class Judge:
    """The probabilities of all classes for encoded images; compiled once, for batches of one size.

    Args:
        model: any built Keras classifier that ends in a softmax or sigmoid, or the path of a saved one.
        encoding: how images are written.
        batch_size: how many images the network takes at once.
        size: as for `kerasviz.synthesis.fooling.map_elites.MapElites`, likewise all below.
        preprocess: what happens to images before the network takes them.
        value_range: the smallest and the largest value of images, before `preprocess`.
        eight_bit: whether images are rounded to the 256 levels of a picture file.
        input: the name of the input that is made.
        output: the name of the output whose classes are meant.
        others: a sample of each other input by name.
        sample: inputs with a batch axis, for subclassed models.

    Attributes:
        network: the network, opened.
        space: of the images.
        predicting: the model's own probabilities, for the record.
        settings: what a manifest says of all this.

    Raises:
        InputError: no input can be made, or several could be meant.
        ModelError: the model cannot be opened.
        SettingError: a setting is wrong, or the range of values is not known or infinite.
        TargetError: the model gives no probabilities of classes.
    """

    def __init__(
        self,
        model,
        encoding: Encoding,
        batch_size: int,
        *,
        size: int | tuple[int, int] | None = None,
        preprocess: str | Callable | None = None,
        value_range: tuple[float, float] | None = None,
        eight_bit: bool = True,
        input: str | None = None,
        output: str | None = None,
        others: Mapping[str, np.ndarray] | None = None,
        sample=None,
    ):
        model = loading.as_model(model)
        made = ground(model, size=size, preprocess=preprocess, value_range=value_range, input=input, sample=sample)
        if not made.space.bounded:
            raise SettingError(
                f"value_range={value_range!r}",
                expected="a range, which genes from 0 to 1 stand for",
                mend="Take the smallest and the largest value of the images that the network was trained on",
            )
        self.network, self.space = made.network, made.space
        self._encoding, self._eight_bit = encoding, bool(eight_bit)
        self._batch_size = checked_count("batch_size", batch_size)
        known = {"input": input, "output": output, "others": others, "batch_size": batch_size}
        self.predicting = Predicting(model, self.network, preprocess=preprocess, **known)
        self.predicting.check_size(self.space)
        inside_graph(made.prepare, self.network.inputs.specs[made.number])
        self._probabilities, self._decoded = self._compiled(
            made.number, made.prepare, other_inputs(self.network, made.number, others)
        )
        self.settings = {
            "model": self.network.name,
            "input": made.input,
            "output": self.predicting.output,
            "size": [self.space.height, self.space.width],
            "value_range": [self.space.low, self.space.high],
            "preprocess": preprocess_name(preprocess),
            "eight_bit": self._eight_bit,
            "batch_size": self._batch_size,
            "encoding": described(encoding),
        }

    def probabilities(self, genes: Genes) -> np.ndarray:
        """The probabilities of all classes, `(N, K)` float32.

        Args:
            genes: a population of any size.
        """
        return self._run(self._probabilities, genes)

    def images(self, genes: Genes) -> np.ndarray:
        """The images as they are returned, `(N, H, W, C)` float32 in values before preprocessing.

        Args:
            genes: a population of any size.
        """
        levels = self._run(self._decoded, genes)
        if self._eight_bit:
            # As a picture file is read, to the last digit.
            return from_picture(levels.astype(np.uint8), self.space.low, self.space.high)
        return np.asarray(self._values(levels), np.float32).clip(self.space.low, self.space.high)

    def batches(self, groups: Iterable[Genes]) -> Iterator[Genes]:
        """The same individuals in batches for the network, the last of which may be smaller.

        Args:
            groups: populations of any sizes, one after another.
        """
        held: list[Genes] = []
        for group in groups:
            held.append(group)
            while sum(map(_count, held)) >= self._batch_size:
                whole = joined(held)
                yield rows(whole, slice(self._batch_size))
                held = [rows(whole, slice(self._batch_size, None))]
        if sum(map(_count, held)):
            yield joined(held)

    def _compiled(self, number, prepare, others):
        """The compiled functions of genes: probabilities, and decoded images."""
        spec, output = self.network.inputs.specs[number], self.predicting.output
        goal = ClassScore(output=output, probability=True)
        logarithms = self.network.trace.outputs[output].head == "log_softmax"

        def probabilities(genes):
            tensors = [None if other is None else tf.repeat(other, self._batch_size, axis=0) for other in others]
            tensors[number] = tf.ensure_shape(prepare(self._values(self._levels(genes))), spec.shape)
            scores = goal.scores(self.network, self.network.forward(tensors))
            return tf.exp(scores) if logarithms else scores

        example = self._encoding.first(self._batch_size, self.space, np.random.default_rng(0))
        signature = [{name: tf.TensorSpec(array.shape, array.dtype) for name, array in example.items()}]
        return (
            tf.function(body, input_signature=signature, autograph=False).get_concrete_function()
            for body in (probabilities, self._levels)
        )

    def _levels(self, genes):
        """Decoded images: levels of a picture, or units."""
        units = self._encoding.units(genes, self.space)
        return tf.floor(units * _TOP) if self._eight_bit else units

    def _values(self, levels):
        return self.space.low + levels * ((self.space.high - self.space.low) / (_TOP if self._eight_bit else 1))

    def _run(self, function, genes):
        parts = []
        for batch in self.batches([genes]):
            count = _count(batch)
            tensors = {name: tf.constant(_filled(array, self._batch_size)) for name, array in batch.items()}
            parts.append(function(tensors).numpy()[:count])
        return np.concatenate(parts)


def _count(genes):
    """How many individuals a population has."""
    return len(next(iter(genes.values())))


def _filled(array, count):
    """An array with its last row repeated up to a length."""
    missing = count - len(array)
    return np.concatenate([array, np.repeat(array[-1:], missing, axis=0)]) if missing else array
