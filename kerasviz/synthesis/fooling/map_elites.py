"""`MapElites`: one image for each class, all evolved together."""

from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from kerasviz.checks import checked_choice, checked_count, checked_number, checked_seed
from kerasviz.errors import SettingError, TargetError
from kerasviz.progress import bar
from kerasviz.synthesis.fooling.archive import EMPTY, Archive
from kerasviz.synthesis.fooling.confidence import checked_classes, checked_confidence, confirmed
from kerasviz.synthesis.fooling.encoding import Encoding, Genes, encoding_of, rows
from kerasviz.synthesis.fooling.judging import Judge
from kerasviz.synthesis.fooling.keeping import Keeper
from kerasviz.synthesis.fooling.record import FoolingImages

#: When to stop, by name: which of the classes must have reached the confidence.
GOALS = {"every": np.min, "median": np.median}
#: Genes of as many pairs as are varied at once; what is drawn depends on it.
_GROUP = 1 << 17


class MapElites:
    """Evolves images that a network takes for its classes, one for each class: made once, called often.

    Mouret and Clune 2015, "Illuminating search spaces by mapping elites", as Nguyen, Yosinski and Clune 2015, "Deep
    Neural Networks are Easily Fooled", use it, with the settings of their code. There is a cell for each class, which
    keeps the image of the highest probability of that class so far. Generation 0 is random. In each generation pairs
    of parents are drawn from the cells, all alike likely, with replacement; their mutated children are compared with
    every cell, and one that is better than several takes them all. No gradient is used.

    All reported confidences are predicted anew; see `kerasviz.synthesis.fooling.confidence`. A run repeats bit for bit
    on the same machine with the same seed and batch size. On a GPU that needs
    `tf.config.experimental.enable_op_determinism()`.

    Args:
        model: any built Keras classifier that ends in a softmax or sigmoid, or the path of a saved one.
        encoding: "direct", a gene for each value, for images that look like noise; "cppn", for regular pictures; or an
            `Encoding` with settings of its own.
        population: how many children a generation has, an even number. 200 in the authors' code for MNIST, 400 for
            CPPNs on ImageNet.
        classes: the classes that get a cell, each once; None for all.
        confidence: the probability that is asked of each class, between 0 and 1.
        mutation_rate: the probability of a gene to mutate.
        halve_every: after so many generations each the rate is halved, as in the paper (1000); None for never, as in
            the authors' code.
        size: height and width, for networks that take any.
        preprocess: what happens to images before the network takes them: a mode of `kerasviz.data.preprocess`, whose
            images are 0 to 255, or a function of tensors that keeps their shape; None if the network takes them as
            they are.
        value_range: the smallest and the largest value of images, before `preprocess`; needed unless that is a mode.
        eight_bit: round images to the 256 levels of a picture file before the network sees them, so that what is saved
            fools, too.
        input: the name of the input that is made, for models with several.
        output: the name of the output whose classes are meant, for models with several.
        others: for models with several inputs, a sample of each other one by name, without a batch axis.
        batch_size: how many images the network takes at once.
        sample: inputs with a batch axis, for subclassed models that declare no input shape.

    Raises:
        InputError: no input can be made, or several could be meant.
        ModelError: the model cannot be opened.
        SettingError: a setting is wrong, or the range of values is not known or infinite.
        TargetError: the model gives no probabilities of classes, or there are no such classes.

    Example:
        >>> import kerasviz as kv
        >>> evolve = MapElites(kv.data.shapes.shapes_model(), population=32, value_range=(0, 255))
        >>> made = evolve(3)
        >>> made.images.shape[1:], made.history["confidence"].shape[0]
        ((64, 64, 3), 4)
    """

    def __init__(
        self,
        model,
        *,
        encoding: str | Encoding = "direct",
        population: int = 200,
        classes=None,
        confidence: float = 0.99,
        mutation_rate: float = 0.1,
        halve_every: int | None = None,
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
        self.encoding, self.confidence = encoding_of(encoding), checked_confidence(confidence)
        self.population = _even(checked_count("population", population, 2))
        self.mutation_rate = checked_number("mutation_rate", mutation_rate, 0, 1)
        self.halve_every = None if halve_every is None else checked_count("halve_every", halve_every)
        self._judge = Judge(
            model,
            self.encoding,
            min(checked_count("batch_size", batch_size), self.population),
            size=size,
            preprocess=preprocess,
            value_range=value_range,
            eight_bit=eight_bit,
            input=input,
            output=output,
            others=others,
            sample=sample,
        )
        self.classes = _once(checked_classes(classes, self._judge.predicting.count))

    @property
    def network(self):
        """The network, opened."""
        return self._judge.network

    @property
    def space(self):
        """The images that are made: size, channels and range of values."""
        return self._judge.space

    def __call__(
        self,
        generations: int,
        *,
        seed: int = 0,
        goal: str | None = None,
        checkpoint: str | Path | None = None,
        every: int = 100,
    ) -> FoolingImages:
        """Evolve an image for each class.

        Args:
            generations: at most, after generation 0.
            seed: of all draws.
            goal: stop after the generation in which "every" class, or the "median" of the classes, has reached the
                confidence; None to go on to the end.
            checkpoint: a file that the state is kept in; if it is there, the run goes on from it, and ends as if it had
                never stopped, whatever it was stopped by. With more generations, an ended run goes on, too.
            every: so many generations after the last the state is kept again.

        Returns:
            A record with an image for each class. Its `steps` are the generations that the images come from. Its
            history holds "generation" `(L,)`, from 0, and "confidence" `(L, K)` of each class after it, as the search
            saw it.

        Raises:
            SaveError: the checkpoint cannot be written.
            SettingError: a setting is out of range, the checkpoint is of another run, or the network returns no
                numbers.

        Warns:
            KerasvizWarning: the checkpoint is damaged, and passed over.
        """
        generations, seed = checked_count("generations", generations, 0), checked_seed(seed)
        if goal is not None:
            checked_choice("goal", goal, GOALS)
        run = self._settings(seed)
        # Names that Keras gives change from process to process; the network is known by its answers.
        identity = {name: value for name, value in run.items() if name not in ("model", "input", "output")}
        keeper = Keeper(checkpoint, identity, checked_count("every", every))
        archive = keeper.read(self._confidences) or Archive.empty(len(self.classes), np.random.default_rng(seed))
        done = archive.generation
        with (
            bar(generations, "MAP-Elites", "generations", before=max(done, 0)) as advance,
            ThreadPoolExecutor(1) as worker,
        ):
            while archive.generation < generations and not self._reached(archive, goal):
                self._evolve(archive, worker)
                keeper.keep(archive)
                advance(int(archive.generation > 0))
        if archive.generation > done:
            keeper.keep(archive, last=True)
        return confirmed(
            self._judge.predicting,
            self._judge.images(archive.genes),
            self.classes,
            steps=archive.found,
            wanted=self.confidence,
            low=self.space.low,
            high=self.space.high,
            history={"generation": np.arange(len(archive.history)), "confidence": np.stack(archive.history)},
            method="map_elites",
            settings={**run, "generations": generations, "goal": goal},
        )

    def _evolve(self, archive, worker):
        """One generation: children, their probabilities, and the cells that they take."""
        if archive.generation < 0:
            groups = [self.encoding.first(self.population, self.space, archive.rng)]
        else:
            groups = self._children(archive, worker)
        batches = self._judge.batches(groups)
        judged = [(batch, self._judge.probabilities(batch)[:, self.classes]) for batch in batches]
        # Not before: all parents are of the generation before.
        for batch, probabilities in judged:
            archive.take(batch, probabilities)
        if archive.confidences.min() == EMPTY:
            raise SettingError(
                f"The model {self.network.name!r} returns NaN for random images",
                expected="probabilities",
                mend="Look at value_range and preprocess, and at the weights",
            )
        archive.close()

    def _children(self, archive, worker) -> Iterator[Genes]:
        """The children of a generation, a group of pairs after another."""
        mothers, fathers = archive.parents(self.population // 2)
        number, rng = archive.generation + 1, archive.rng
        rate = self.mutation_rate / 2 ** ((number - 1) // self.halve_every if self.halve_every else 0)
        size = max(1, _GROUP // sum(array[0].size for array in archive.genes.values()))
        groups = (
            self.encoding.children(rows(archive.genes, mothers[part]), rows(archive.genes, fathers[part]), rng, rate)
            for part in (slice(start, start + size) for start in range(0, len(mothers), size))
        )
        # The next children are made while the network looks at these; where all are made at once, there are none.
        return _ahead(groups, worker) if size < len(mothers) else groups

    def _confidences(self, genes):
        return self._judge.probabilities(genes)[np.arange(len(self.classes)), self.classes]

    def _reached(self, archive, goal):
        return goal is not None and archive.generation >= 0 and GOALS[goal](archive.confidences) >= self.confidence

    def _settings(self, seed):
        return {
            **self._judge.settings,
            "classes": self.classes.tolist(),
            "confidence": self.confidence,
            "seed": seed,
            "population": self.population,
            "mutation_rate": self.mutation_rate,
            "halve_every": self.halve_every,
        }


def _ahead(items: Iterator, worker: ThreadPoolExecutor) -> Iterator:
    """The same items; each is made, in the worker, while the one before is in use."""
    pending = worker.submit(next, items, None)
    while (item := pending.result()) is not None:
        pending = worker.submit(next, items, None)
        yield item


def _once(classes):
    if len(np.unique(classes)) < len(classes):
        raise TargetError(
            f"classes={classes.tolist()}",
            expected="each class once",
            mend="Run it with several seeds for several images",
        )
    return classes


def _even(population):
    if population % 2:
        raise SettingError(
            f"population={population}", expected="an even number: each pair has two children", mend="Add one"
        )
    return population
