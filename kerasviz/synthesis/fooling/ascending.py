"""`FoolingAscent`: from noise to images that a network is sure of, along its gradient."""

import math
from collections.abc import Callable, Mapping

import keras
import numpy as np

from kerasviz.checks import checked_choice, checked_count, checked_seed
from kerasviz.errors import SettingError, TargetError
from kerasviz.network import loading
from kerasviz.network.heads import SQUASH
from kerasviz.synthesis.adjustments import Decay
from kerasviz.synthesis.fooling.confidence import checked_classes, checked_confidence, confirmed
from kerasviz.synthesis.fooling.predicting import Predicting
from kerasviz.synthesis.fooling.record import FoolingImages
from kerasviz.synthesis.making import ground, optimizer_settings
from kerasviz.synthesis.parametrizations.pixels import Pixels
from kerasviz.synthesis.pictures import rounded
from kerasviz.synthesis.settings import preprocess_name
from kerasviz.synthesis.watching import Look
from kerasviz.targets import LogProbability

STARTS = ("gaussian", "uniform", "zero")
#: Of the Gaussian noise to begin with, in units of the range.
_DEVIATION = 0.1
#: The part of what the wanted confidence leaves open by which it must be surpassed on the way, so that the last digits
#: of another computation do not undo it.
_MARGIN = 0.1


class FoolingAscent:
    """Makes images that a network takes for a class with a wanted confidence: made once, called often.

    Nguyen, Yosinski and Clune 2015, "Deep Neural Networks are Easily Fooled", section "gradient ascent": gradient
    descent on the cross-entropy −Σ 1{y=k} log ŷ_k of the class that is asked, from an image of Gaussian noise. Each
    image is done as soon as it reaches the confidence, and is kept as it was then: what it becomes does not depend on
    the others. All reported confidences are predicted anew; see `kerasviz.synthesis.fooling.confidence`.

    The paper's own loop takes steps of a size that depends on the progress; this takes those of an optimizer. Its L2
    term, which draws the image to the mean after each step, is `decay`.

    Args:
        model: any built Keras classifier that ends in a softmax or sigmoid, or the path of a saved one.
        confidence: the probability that is asked of each class, between 0 and 1.
        size: height and width, for networks that take any.
        preprocess: what happens to images before the network takes them: a mode of `kerasviz.data.preprocess`, whose
            images are 0 to 255, or a differentiable function of tensors that keeps their shape; None if the network
            takes them as they are.
        value_range: the smallest and the largest value of images, before `preprocess`; needed unless that is a mode.
            Images never leave it. `(-inf, inf)` for no range.
        optimizer: of Keras; a copy is used. By default Adam with steps of 0.01, in units of the range (0 to 1).
        decay: the share by which each value is brought nearer to the middle of the range after each step, 0 to 1; 0.01
            in the paper's regularized images.
        eight_bit: round images to the 256 levels of a picture file, and let an image be done only if it fools as it is
            then: what is saved fools, too. Images without a range are not rounded.
        look: steps between two looks at whether images are done.
        input: the name of the input that is made, for models with several.
        output: the name of the output whose classes are asked, for models with several.
        others: for models with several inputs, a sample of each other one by name, without a batch axis.
        batch_size: how many images are made at once; bounds the memory.
        sample: inputs with a batch axis, for subclassed models that declare no input shape.

    Raises:
        InputError: no input can be made, or several could be meant.
        ModelError: the model cannot be opened.
        SettingError: a setting is wrong, or the range of values is not known.
        TargetError: the model gives no probabilities of classes.

    Example:
        >>> import kerasviz as kv
        >>> fool = FoolingAscent(kv.data.shapes.shapes_model(), value_range=(0, 255))
        >>> made = fool([2, 5], steps=200)
        >>> made.found.tolist(), bool(made.confidences.min() >= 0.99)
        ([True, True], True)
    """

    def __init__(
        self,
        model,
        *,
        confidence: float = 0.99,
        size: int | tuple[int, int] | None = None,
        preprocess: str | Callable | None = None,
        value_range: tuple[float, float] | None = None,
        optimizer: keras.optimizers.Optimizer | None = None,
        decay: float = 0.0,
        eight_bit: bool = True,
        look: int = 4,
        input: str | None = None,
        output: str | None = None,
        others: Mapping[str, np.ndarray] | None = None,
        batch_size: int = 16,
        sample=None,
    ):
        self.confidence, self.look = checked_confidence(confidence), checked_count("look", look)
        self.optimizer = _checked_optimizer(optimizer)
        self.decay, self.output, self.batch_size = decay, output, checked_count("batch_size", batch_size)
        model = loading.as_model(model)
        known = {"size": size, "preprocess": preprocess, "value_range": value_range}
        self._ground = ground(model, **known, input=input, sample=sample)
        self.predicting = Predicting(
            model,
            self._ground.network,
            preprocess=preprocess,
            input=input,
            output=output,
            others=others,
            batch_size=batch_size,
        )
        self.predicting.check_size(self.space)
        self._check_head()
        self.eight_bit = eight_bit and self.space.bounded
        self._ascent = self._ground.ascent(
            others,
            parametrization=Pixels(_DEVIATION),
            adjustments=(Decay(decay, 0.5 if self.space.bounded else 0.0),) if decay else (),
            optimizer=self.optimizer,
        )
        self._logarithms = self.predicting.logarithms()

    @property
    def network(self):
        """The network, opened."""
        return self._ground.network

    @property
    def space(self):
        """The images that are made: size, channels and range of values."""
        return self._ground.space

    def __call__(self, classes=None, *, steps: int = 500, seed: int = 0, start="gaussian") -> FoolingImages:
        """Make an image for each class.

        Args:
            classes: a class number or several, of which one may come twice; None for all classes.
            steps: at most, for each image.
            seed: of the noise to begin with. That of an image depends on its class alone, and on how often the class
                came before.
            start: what to begin with. "gaussian": noise around the middle of the range, of a standard deviation of a
                tenth of it (around 0, of 0.1, where there is no range). "uniform": over the range. "zero": the value
                0. Or images `(N, H, W, C)` before preprocessing, one for each class.

        Raises:
            InputError: the images to begin with do not fit.
            SettingError: a setting is out of range.
            TargetError: there are no such classes.

        Warns:
            KerasvizWarning: an image has no gradient to begin with.
        """
        asked = checked_classes(classes, self.predicting.count)
        steps, seed = checked_count("steps", steps), checked_seed(seed)
        first = self._start(start, asked, seed)
        done = _Done(asked, math.log1p(-(1 - self.confidence) * (1 - _MARGIN)), self._logarithms, self._finished)
        climb = self._ascent.run(
            LogProbability(asked, output=self.output),
            len(asked),
            steps=steps,
            seed=seed,
            images=first,
            look=self.look,
            callbacks=[done],
            batch_size=self.batch_size,
            title="Fooling images",
        )
        missed = done.steps < 0
        images = done.images(climb.images.shape)
        images[missed] = self._finished(climb.images[missed])
        return confirmed(
            self.predicting,
            images,
            asked,
            steps=done.steps,
            wanted=self.confidence,
            low=self.space.low,
            high=self.space.high,
            history=_history(climb.history, done.steps),
            method="gradient",
            settings=self._settings(asked, steps, seed, start),
        )

    def _check_head(self):
        name = self.predicting.output
        if self.network.trace.outputs[name].head not in SQUASH:
            raise TargetError(
                f"The softmax of {self.network.name!r} cannot be taken off the output {name!r}",
                expected="an output that ends in a softmax or sigmoid, through whose logarithm a gradient passes",
                mend='Fool it without a gradient: method="map_elites"',
            )

    def _start(self, start, asked, seed):
        if not isinstance(start, str):
            return self._ground.start(start, len(asked))
        checked_choice("start", start, STARTS)
        space = self.space
        if start == "uniform" and not space.bounded:
            raise SettingError(
                "start='uniform' for images without a range", expected="a range", mend="Use start='gaussian'"
            )
        if start == "zero":
            if not space.low <= 0 <= space.high:
                raise SettingError(
                    f"start='zero' for values from {space.low:g} to {space.high:g}",
                    expected="a range with 0 in it",
                    mend="Use start='gaussian', or give images",
                )
            return np.zeros((len(asked), *space.shape), np.float32)
        units = np.empty((len(asked), *space.shape))
        for i, number in enumerate(asked.tolist()):
            rng = np.random.default_rng([seed, number, np.count_nonzero(asked[:i] == number)])
            if start == "uniform":
                units[i] = rng.random(space.shape)
            else:
                units[i] = _DEVIATION * rng.standard_normal(space.shape) + 0.5 * space.bounded
        return self._inside(space.of_unit(units))

    def _inside(self, images):
        """Images as float32 within the range, which rounding may leave by a last digit."""
        low, high = np.float32(self.space.low), np.float32(self.space.high)
        return np.asarray(images, np.float32).clip(low, high)

    def _finished(self, images):
        """Images of the search as they are returned."""
        inside = self._inside(images)
        return rounded(inside, self.space.low, self.space.high) if self.eight_bit else inside

    def _settings(self, asked, steps, seed, start):
        return {
            "model": self.network.name,
            "input": self._ground.input,
            "output": self.predicting.output,
            "size": [self.space.height, self.space.width],
            "preprocess": preprocess_name(self._ground.preprocess),
            "classes": asked.tolist(),
            "confidence": self.confidence,
            "steps": steps,
            "seed": seed,
            "start": start if isinstance(start, str) else "images",
            "optimizer": optimizer_settings(self.optimizer),
            "decay": self.decay,
            "eight_bit": self.eight_bit,
            "look": self.look,
        }


class _Done:
    """A callback that keeps each image as it is when it first fools, and ends a batch when all of its images do.

    Args:
        classes: the class asked of each.
        goal: the logarithm of the probability that must be reached.
        logarithms: gives those of all classes for some images.
        finished: gives images as they are returned.
    """

    def __init__(self, classes, goal: float, logarithms, finished):
        self.steps = np.full(len(classes), -1, np.int32)
        self._classes, self._goal = classes, goal
        self._logarithms, self._finished, self._kept = logarithms, finished, {}

    def __call__(self, look: Look) -> bool:
        near = np.flatnonzero((look.scores >= self._goal) & (self.steps[look.samples] < 0))
        if len(near):
            images = self._finished(look.images[near])
            seen, asked = self._logarithms(images), self._classes[look.samples[near]]
            sure = (seen.argmax(axis=1) == asked) & (seen[np.arange(len(near)), asked] >= self._goal)
            for sample, image in zip(look.samples[near[sure]], images[sure], strict=True):
                self.steps[sample], self._kept[sample] = look.step, image
        return bool((self.steps[look.samples] >= 0).all())

    def images(self, shape) -> np.ndarray:
        """The images that were kept; zeros in place of the others."""
        images = np.zeros(shape, np.float32)
        for sample, image in self._kept.items():
            images[sample] = image
        return images


def _checked_optimizer(given):
    if given is None:
        return keras.optimizers.Adam(0.01)
    if not isinstance(given, keras.optimizers.Optimizer):
        raise SettingError(
            f"optimizer={given!r}", expected="an optimizer of Keras", mend="For example keras.optimizers.Adam(0.01)"
        )
    return given


def _history(history, steps):
    """The confidence of each image at each look, as the search saw it; NaN once it was done."""
    seen = np.exp(history["score"])
    seen[(history["step"][:, None] > steps) & (steps >= 0)] = np.nan
    return {"step": history["step"], "confidence": seen.astype(np.float32)}
