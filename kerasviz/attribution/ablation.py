"""Ablation by segments: what the score loses when a segment of the input is hidden."""

import warnings

import numpy as np
import tensorflow as tf

from kerasviz.attribution.base import register
from kerasviz.attribution.fills import described
from kerasviz.attribution.perturbation import Perturbation
from kerasviz.attribution.superpixels import METHODS, require_scikit_image, scaled
from kerasviz.checks import checked_choice, checked_count, checked_seed
from kerasviz.errors import InputError, KerasvizWarning, SettingError

#: Steps of the progress bar for an image: its number of segments is not known in advance.
_STEPS = 100


@register
class Ablation(Perturbation):
    """What the score loses when a segment of the input is hidden, one segment after another.

    A pixel's value is the drop of the score when its segment is hidden, undivided: large segments can have large
    values because they are large. Superpixels follow the edges of an image, so that whole parts are hidden and no
    pattern of squares is pasted in. It costs one forward pass for each segment.

    Args:
        model: as for `Perturbation`.
        segments: how an image is divided. "slic" (Achanta et al. 2012, k-means over colours and places; pictures,
            volumes and signals), "felzenszwalb" (Felzenszwalb and Huttenlocher 2004, a graph; pictures) and
            "quickshift" (Vedaldi and Soatto 2008, a density, with LIME's settings; pictures) are scikit-image's, on a
            copy of each image scaled to 0 … 1; they need `pip install "kerasviz[superpixels]"`. "grid" are equal
            boxes. Or an array of labels, `(*space)` or `(N, *space)`: each number is a segment. Or a callable that
            gets one image scaled to 0 … 1, `(*space, C)`, and returns such labels.
        count: about how many segments are wanted. SLIC makes fewer where the image is uneven; Felzenszwalb's makes
            up to twice as many; quickshift finds its own number, as arrays and callables do.
        fill: what hides a segment; see `kerasviz.attribution.fills.fill_like`.
        inputs: as for `Perturbation`. Labels in an array must fit each of them.
        probability: as for `Perturbation`.
        seed: of the noise, where that is the fill.
        precision: as for `Perturbation`.
        batch_size: as for `Perturbation`.
        sample: as for `Explainer`.

    Returns:
        On calling, an `Explanation` as `Perturbation` describes. Its extras hold "segments", `(N, *space)` int32:
        each sample's segments, renumbered from 0 without gaps in the order of their labels.

    Raises:
        InputError: the labels do not fit an input, or the method cannot divide it.
        PackageError: scikit-image is not installed, and `segments` needs it.
        SettingError: as for `Perturbation`, or the name of a method is unknown.

    Warns:
        KerasvizWarning: a method finds a single segment.

    Example:
        >>> import kerasviz as kv
        >>> explain = kv.Ablation(model, "slic", count=80, fill="blur")  # doctest: +SKIP
        >>> explain(images, target=281).plot(images)  # doctest: +SKIP
    """

    name = "ablation"
    title = "Superpixel ablation"
    passes_per = "segment"

    def __init__(
        self,
        model,
        segments="slic",
        *,
        count: int = 50,
        fill="mean",
        inputs=None,
        probability: bool = False,
        seed: int = 0,
        precision: str = "float32",
        batch_size: int = 32,
        sample=None,
    ):
        self.segments, self.count = _checked_segments(segments), checked_count("count", count)
        self.fill, self.seed = fill, checked_seed(seed)
        super().__init__(
            model, inputs=inputs, probability=probability, precision=precision, batch_size=batch_size, sample=sample
        )

    @property
    def settings(self):  # noqa: D102
        named = isinstance(self.segments, str)
        return {
            "segments": self.segments if named else described(self.segments),
            **({"count": self.count} if named else {}),
            "fill": described(self.fill),
            **({"seed": self.seed} if described(self.fill) == "noise" else {}),
            **super().settings,
        }

    def _companions(self, arrays):
        names = zip(self.numbers, self.explained_inputs, strict=True)
        divided = [self._divided(arrays[number], name) for number, name in names]
        whole = np.logical_or.reduce([labels.reshape(len(labels), -1).max(1) == 0 for labels in divided])
        if isinstance(self.segments, str) and whole.any():
            warnings.warn(
                f"{self.title}: segments={self.segments!r} finds a single segment in the samples "
                f"{np.flatnonzero(whole)[:10].tolist()}, whose maps are the same everywhere",
                KerasvizWarning,
                stacklevel=3,
            )
        return [*self.filled(arrays, self.fill, self.seed), *divided]

    def _calls(self, arrays):
        return _STEPS * len(self.numbers) * len(arrays[0])

    def _map(self, sample, advance):
        which = self.numbers.index(sample.number)
        fill, segments = sample.companions[which], sample.companions[len(self.numbers) + which]
        count = int(segments.max()) + 1
        drops = []
        for start in range(0, count, self.batch_size):
            some = np.arange(start, min(start + self.batch_size, count), dtype=np.int32)
            left = self._run(
                sample.goal,
                self._without,
                sample.tensors,
                sample.arguments,
                some,
                segments,
                fill,
                number=sample.number,
            )
            drops.append(sample.score - left.numpy())
            advance(_STEPS * (start + len(some)) // count - _STEPS * start // count)
        return np.concatenate(drops)[segments[0]], {"segments": segments[0]}

    def _without(self, goal, tensors, arguments, numbers, segments, fill, *, number):
        """The scores without some segments, each hidden alone."""
        hidden = segments == tf.reshape(numbers, [-1, *[1] * (segments.shape.rank - 1)])
        variants = tf.where(hidden[..., None], fill, tensors[number])
        return self._of_variants(goal, tensors, arguments, variants, number=number)

    def _divided(self, array, name):
        """The segments of each sample of an input, `(N, *space)` int32."""
        space = array.shape[1:-1]
        if isinstance(self.segments, np.ndarray):
            labels = self.segments if self.segments.ndim == array.ndim - 1 else self.segments[None]
            if labels.shape not in ((1, *space), (len(array), *space)):
                raise _misfit(self.segments, f"{space} or {(len(array), *space)}", name)
            return np.broadcast_to(_renumbered(labels), array.shape[:-1])
        if isinstance(self.segments, str):
            method = METHODS[self.segments]
            method.check(array, self.segments, name)
            return _renumbered([method.divide(scaled(image), self.count) for image in array])
        found = [np.asarray(self.segments(scaled(image))) for image in array]
        for labels in found:
            if labels.shape != space or labels.dtype.kind not in "bui":
                raise _misfit(labels, f"{space}", name)
        return _renumbered(found)


def _checked_segments(segments):
    if isinstance(segments, str):
        checked_choice("segments", segments, tuple(METHODS))
        if segments != "grid":
            require_scikit_image(segments)
        return segments
    if callable(segments):
        return segments
    try:
        labels = np.array(segments)
    except ValueError:
        labels = np.array(None)
    if labels.dtype.kind not in "bui" or labels.ndim == 0:
        raise SettingError(
            f"segments, of the type {type(segments).__name__}, is no array of whole numbers",
            expected=f"the number of each pixel's segment, one of {', '.join(map(repr, METHODS))}, or a callable",
            mend='Leave it out for "slic"',
        )
    return labels


def _misfit(labels, expected, name):
    return InputError(
        f"The segments of the input {name!r} have the shape {labels.shape} and the type {labels.dtype}",
        expected=f"whole numbers of the shape {expected}",
        mend="Give each pixel the number of its segment",
    )


def _renumbered(labels):
    """Labels of some samples, from 0 without gaps in each, int32."""
    return np.stack([np.unique(one, return_inverse=True)[1].reshape(one.shape) for one in labels]).astype(np.int32)
