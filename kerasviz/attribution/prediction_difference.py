"""Prediction difference analysis: what the score loses when a window of the input is unknown."""

import itertools
import math

import numpy as np

from kerasviz.attribution.base import register
from kerasviz.attribution.gaussian_sampler import ConditionalGaussianSampler
from kerasviz.attribution.patching import Patching
from kerasviz.attribution.positions import Grid, per_axis
from kerasviz.attribution.samplers import ImageSampler, MarginalSampler, Sampler, batches, times
from kerasviz.checks import checked_choice, checked_count, checked_seed
from kerasviz.errors import InputError, SettingError, TargetError
from kerasviz.targets import ClassScore

#: The samplers by name.
SAMPLERS = ("conditional", "marginal", "image")
#: The number of training images of the Laplace correction, as the authors' code has it.
TRAINING_SIZE = 100_000
#: How far beyond 0 and 1 rounding may carry a probability.
_ROUNDING = 1e-3


@register
class PredictionDifference(Patching):
    """What the score loses when a window of the input is unknown.

    Zintgraf et al. 2017, "Visualizing Deep Neural Network Decisions: Prediction Difference Analysis". A window slides
    over the image, all channels together. Its pixels are not hidden but drawn anew, several times, from what could
    stand there; the mean score of these copies is that of the image without the window. A pixel's value is the mean
    over the windows that cover it. No gradient is used. The target is settled on the clean image.

    The score of a class is its probability, where the output ends in softmax or sigmoid. The value of a window is then
    its weight of evidence in bits, `log₂ odds(c | x) - log₂ odds(c | x without it)`, where `odds(p) = p / (1 - p)`,
    and first the Laplace correction keeps sure networks finite: `p ← (p N + 1) / (N + K)`, with N training images and
    K classes (2 for a sigmoid). For every other target it is the plain difference of the scores: hidden units
    (section 3.3 of the paper: `kerasviz.targets.Channel` and `Neuron`), scores of your own, classes of an output of
    logits or a regression (put a `Softmax` behind logits for weights of evidence), and outputs that are maps, unless
    the mask of each sample picks one position.

    It costs `samples` forward passes at each position: at the paper's settings, half a million for an image of 224
    pixels. A `stride` of half a window costs a twenty-fifth of that and makes a coarser map.

    Args:
        model: as for `Perturbation`.
        training_images: images of the kind that the model is used to, as it takes them; the draws come from these. An
            array with a batch axis, or an iterable of such batches (a generator, a `tf.data.Dataset`, with or without
            labels), read once when this is made. For several perturbed inputs a dict of these by the input's name.
            None: the draws are the explained image's own windows at other places. That is no distribution of the
            paper's: it needs no images, and it may draw the subject once more.
        window: its size in pixels: a number, or a tuple of one for each axis of space. None for a twenty-second of
            the shortest axis of space, 10 of 224 as in the paper, but at least 3.
        padding: how many pixels around a window the "conditional" sampler looks at, on each side; 2 is the paper's.
        samples: how many draws for each window; 10 is the paper's for ImageNet.
        sampler: "conditional", the paper's: Gaussian given the pixels around the window, see
            `ConditionalGaussianSampler`, fitted on 20,000 patches; "marginal": the same place of up to 1000 of the
            images, see `MarginalSampler`; "image": the explained image's own windows; or a fitted `Sampler`. The
            last two take no `training_images`. None for "conditional" with these and "image" without.
        stride: the step between windows, the same way as `window`; 1 is the paper's. The last window along each axis
            is moved back to the edge, so that every pixel is covered.
        training_size: N of the Laplace correction, the number of images the model was trained on. None for 100,000,
            as in the authors' code: weights of evidence are then at most 34 bits.
        inputs: as for `Perturbation`.
        incremental: as for `Occlusion`.
        seed: of the draws and of the choice of images and patches. A draw depends on the seed, its place and its
            number alone, so that neither batches nor batch mates change it.
        precision: as for `Perturbation`.
        batch_size: as for `Perturbation`.
        sample: as for `Explainer`.

    Returns:
        On calling, an `Explanation` as `Perturbation` describes. Its extras hold for each window, `(N, rows,
        columns)`, the "difference" and the "score_without", the mean score of the copies.

    Raises:
        InputError: the images to draw from do not fit the model, are too few or too small, or hold NaN.
        SettingError: a setting is out of range, or the sampler needs images that are not given.
        TargetError: on calling, what should be a probability is none.

    Example:
        >>> import kerasviz as kv
        >>> explain = kv.PredictionDifference(model, training_images, stride=5)  # doctest: +SKIP
        >>> explain(images, target=281).plot(images)  # doctest: +SKIP
    """

    name = "prediction_difference"
    title = "Prediction difference analysis"
    slow = True

    def __init__(
        self,
        model,
        training_images=None,
        *,
        window=None,
        padding: int = 2,
        samples: int = 10,
        sampler=None,
        stride=1,
        training_size: int | None = None,
        inputs=None,
        incremental: bool = True,
        seed: int = 0,
        precision: str = "float32",
        batch_size: int = 32,
        sample=None,
    ):
        self.window, self.stride, self.padding = window, stride, _checked_padding(padding)
        self.samples, self.seed = checked_count("samples", samples), checked_seed(seed)
        self.training_size = checked_count("training_size", TRAINING_SIZE if training_size is None else training_size)
        self.sampler = _checked_sampler(sampler, training_images)
        super().__init__(
            model, inputs=inputs, probability=True, precision=precision, batch_size=batch_size, sample=sample
        )
        self.incremental, self.passes = bool(incremental), self.samples
        #: The sampler of each perturbed input, by its number.
        self.samplers = self._fitted(training_images)

    @property
    def settings(self):  # noqa: D102
        by_name = isinstance(self.sampler, str)
        return {
            "window": self.window,
            "stride": self.stride,
            "samples": self.samples,
            "sampler": self.sampler if by_name else type(self.sampler).__name__,
            **({"padding": self.padding} if self.sampler == "conditional" else {}),
            "training_size": self.training_size,
            "seed": self.seed,
            **super().settings,
        }

    def grid(self, space) -> Grid:
        """The positions of the window over an input whose axes of space have these sizes."""
        shortest = min(space)
        window = min(shortest, max(3, round(shortest / 22))) if self.window is None else self.window
        window = per_axis("window", window, len(space))
        stride = per_axis("stride", self.stride, len(space))
        if any(length > whole or step > length for whole, length, step in zip(space, window, stride, strict=True)):
            raise SettingError(
                f"window={times(window)} and stride={times(stride)} for an input of {times(space)}",
                expected="a window that fits into the input, and a stride up to the window's size",
                mend="Take a smaller stride" if self.window is None else "Take a smaller window or stride",
            )
        return Grid.of(space, window, stride)

    def _patches_over(self, space):
        grid = self.grid(space)
        return [(grid.starts, grid.size)]

    def _calls(self, arrays):
        windows = [math.prod(self.grid(arrays[n].shape[1:-1]).shape) for n in self.numbers]
        return self.samples * len(arrays[0]) * sum(windows)

    def _companions(self, arrays):
        for number in self.numbers:
            shape = arrays[number].shape[1:]
            name = self.network.inputs.specs[number].name
            self.samplers[number].check(shape, self.grid(shape[:-1]).size, name)
        return []

    def _map(self, sample, advance):
        grid, classes = self.grid(sample.space), self._classes(sample)
        starts = np.repeat(grid.starts, self.samples, axis=0)
        image = sample.perturbed.numpy()[0]

        def patches(some):
            return self._drawn(sample.number, image, starts[some], grid.size, some % self.samples)

        scores = self.swept(sample, starts, patches, advance).astype(np.float64)
        without = scores.reshape((*grid.shape, self.samples)).mean(-1)
        if classes is None:
            difference = sample.score - without
        else:
            difference = weight_of_evidence(sample.score, without, classes, self.training_size)
        extras = {"difference": difference, "score_without": without}
        return grid.mean(difference), {name: values.astype(np.float32) for name, values in extras.items()}

    def _drawn(self, number, image, starts, size, draws):
        drawn = np.asarray(self.samplers[number].draw(image, starts, size, draws, self.seed))
        wanted = (len(starts), *size, image.shape[-1])
        if drawn.shape != wanted or not np.isfinite(drawn).all():
            raise InputError(
                f"The sampler drew values of the shape {drawn.shape}, or some that are not finite",
                expected=f"finite numbers of the shape {wanted}",
                mend="Look at its draw method; Sampler tells what it returns",
            )
        return drawn.astype(image.dtype) if image.dtype.kind == "f" else np.rint(drawn).astype(image.dtype)

    def _classes(self, sample):
        """Among how many classes the score is a probability; None if it is none."""
        goal, outputs = sample.goal, self.network.trace.outputs
        if type(goal) is not ClassScore:
            return None
        output = outputs[next(iter(outputs)) if goal.output is None else goal.output]
        one_place = set(output.shape[1:-1]) <= {1} or _picks_one(sample.arguments[1:])
        if output.head in (None, "log_softmax") or not one_place:
            return None
        if not -_ROUNDING <= sample.score <= 1 + _ROUNDING:
            raise TargetError(
                f"The score {sample.score:.4g} of a class of an output made of probabilities",
                expected="a probability, from 0 to 1",
                mend="Explain it as kerasviz.targets.Custom(..., softmax=True), by plain differences",
            )
        return 2 if output.head == "sigmoid" else max(2, output.shape[-1] or 2)

    def _fitted(self, images):
        specs = self.network.inputs.specs
        for number in self.numbers:
            space = specs[number].shape[1:-1]
            if None not in space:
                self.grid(space)
        if not isinstance(self.sampler, str):
            return dict.fromkeys(self.numbers, self.sampler)
        if self.sampler == "image":
            return dict.fromkeys(self.numbers, ImageSampler())
        several = images if isinstance(images, dict) else dict.fromkeys(self.explained_inputs[:1], images)
        if set(several) != set(self.explained_inputs):
            raise InputError(
                f"Images to draw from for the inputs {', '.join(map(repr, several))}",
                expected=f"a dict of images for each of {', '.join(map(repr, self.explained_inputs))}",
                mend="Give them by the input's name, or inputs= to look at fewer",
            )
        return {number: self._fitted_on(several[specs[number].name], number) for number in self.numbers}

    def _fitted_on(self, images, number):
        found = self._batches(images, number)
        first = next(found)
        found = itertools.chain([first], found)
        if self.sampler == "marginal":
            return MarginalSampler.fit(found, seed=self.seed)
        size = tuple(length + 2 * self.padding for length in self.grid(first.shape[1:-1]).size)
        return ConditionalGaussianSampler.fit(found, size, seed=self.seed)

    def _batches(self, images, number):
        """The batches of an array, or of an iterable of batches with or without labels, as the model takes them."""
        rank = len(self.network.inputs.specs[number].shape)
        listed = isinstance(images, list) and images and not isinstance(images[0], tuple) and np.ndim(images[0]) < rank
        found = batches([images] if listed else images)
        return (self.network.inputs.check_one(number, batch) for batch in found)


def weight_of_evidence(clean, without, classes: int, training_size: int) -> np.ndarray:
    """What an observation adds to the logarithm of the odds of a class, in bits.

    Robnik-Šikonja and Kononenko 2008, "Explaining Classifications for Individual Instances", section 3.

    Args:
        clean: the probability with the observation.
        without: the probability without it, of any shape.
        classes: K of the Laplace correction `p ← (p N + 1) / (N + K)`.
        training_size: N of it.

    Returns:
        `log₂ odds(clean) - log₂ odds(without)`, float64.

    Example:
        >>> round(float(weight_of_evidence(0.9, 0.5, classes=1000, training_size=100_000)), 6)
        3.061081
    """

    def log_odds(probability):
        p = np.clip(np.asarray(probability, np.float64), 0, 1)
        return np.log2(p * training_size + 1) - np.log2((1 - p) * training_size + classes - 1)

    return log_odds(clean) - log_odds(without)


def _picks_one(masks):
    """Whether a mask, with a row for one sample, leaves a single position of a map."""
    return any(np.sum(mask) == 1 and np.count_nonzero(mask) == 1 for mask in masks)


def _checked_padding(padding):
    if isinstance(padding, bool) or not isinstance(padding, int | np.integer) or padding < 0:
        raise SettingError(
            f"padding={padding!r}", expected="a whole number of pixels from 0 up", mend="2 is the paper's"
        )
    return int(padding)


def _checked_sampler(sampler, images):
    """The sampler, or its name."""
    if isinstance(sampler, Sampler):
        needs = False
    else:
        sampler = ("image" if images is None else "conditional") if sampler is None else sampler
        checked_choice("sampler", sampler, SAMPLERS)
        needs = sampler != "image"
    if needs != (images is not None):
        raise SettingError(
            f"sampler={sampler!r} {'without' if needs else 'with'} training images",
            expected="training_images for 'conditional' and 'marginal', and none for other samplers",
            mend="Give training_images that the model is used to" if needs else "Leave one of the two out",
        )
    return sampler
