"""`ClassFitness`: the probability of a class as the fitness of a genetic algorithm."""

import math
from collections.abc import Callable, Mapping

import numpy as np

from kerasviz.synthesis.fooling.confidence import checked_classes, checked_confidence, confirmed
from kerasviz.synthesis.fooling.direct import Direct
from kerasviz.synthesis.fooling.genetic import Evolution, Reals
from kerasviz.synthesis.fooling.judging import Judge
from kerasviz.synthesis.fooling.record import FoolingImages


class ClassFitness:
    """How sure a network is that images show a class; images are written with a gene for each value.

    Args:
        model: any built Keras classifier that ends in a softmax or sigmoid, or the path of a saved one.
        index: the class.
        size: as for `kerasviz.synthesis.fooling.map_elites.MapElites`, likewise below.
        preprocess: what happens to images before the network takes them.
        value_range: the smallest and the largest value of images, before `preprocess`.
        eight_bit: round images to the 256 levels of a picture file.
        input: the name of the input that is made.
        output: the name of the output whose classes are meant.
        others: a sample of each other input by name.
        batch_size: how many images the network takes at once.
        sample: inputs with a batch axis, for subclassed models that declare no input shape.

    Raises:
        InputError: no input can be made, or several could be meant.
        ModelError: the model cannot be opened.
        SettingError: a setting is wrong, or the range of values is not known or infinite.
        TargetError: the model gives no probabilities of classes, or there is no such class.

    Example:
        >>> import kerasviz as kv
        >>> from kerasviz.synthesis.fooling.genetic import GeneticAlgorithm
        >>> circle = ClassFitness(kv.data.shapes.shapes_model(), 2, value_range=(0, 255))
        >>> evolve = GeneticAlgorithm(circle, population=16, crossover="uniform", mutation_rate=0.1)
        >>> circle.record(evolve(3)).images.shape
        (1, 64, 64, 3)
    """

    def __init__(
        self,
        model,
        index: int,
        *,
        size: int | tuple[int, int] | None = None,
        preprocess: str | Callable | None = None,
        value_range: tuple[float, float] | None = None,
        eight_bit: bool = True,
        input: str | None = None,
        output: str | None = None,
        others: Mapping[str, np.ndarray] | None = None,
        batch_size: int = 50,
        sample=None,
    ):
        self._judge = Judge(
            model,
            Direct(),
            batch_size,
            size=size,
            preprocess=preprocess,
            value_range=value_range,
            eight_bit=eight_bit,
            input=input,
            output=output,
            others=others,
            sample=sample,
        )
        self._class = checked_classes([index], self._judge.predicting.count)
        #: What a genetic algorithm evolves.
        self.genes = Reals(math.prod(self._judge.space.shape))

    def __call__(self, genes: np.ndarray) -> np.ndarray:
        """The probability of the class, `(N,)` float32.

        Args:
            genes: `(N, H * W * C)`, 0 to 1.
        """
        return self._judge.probabilities(self._shaped(genes))[:, self._class[0]]

    def record(self, evolution: Evolution, confidence: float = 0.99) -> FoolingImages:
        """The image that an evolution found, as a record: its confidence is predicted anew.

        Args:
            evolution: of a `kerasviz.synthesis.fooling.genetic.GeneticAlgorithm` with this fitness.
            confidence: the probability that counts as found, between 0 and 1.

        Raises:
            SettingError: the confidence is out of range.
        """
        space = self._judge.space
        return confirmed(
            self._judge.predicting,
            self._judge.images(self._shaped(evolution.best[None])),
            self._class,
            steps=[evolution.generation],
            wanted=checked_confidence(confidence),
            low=space.low,
            high=space.high,
            history={
                "generation": np.arange(len(evolution.history["best"])),
                "confidence": evolution.history["best"][:, None].astype(np.float32),
            },
            method="genetic",
            settings={**self._judge.settings, "classes": self._class.tolist(), **evolution.settings},
        )

    def _shaped(self, genes):
        return {"values": np.asarray(genes, np.float32).reshape(-1, *self._judge.space.shape)}
