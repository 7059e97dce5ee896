"""Score-CAM and Ablation-CAM: channels weighted by trial, by the score with the channel alone or without it."""

from abc import abstractmethod
from numbers import Real

import numpy as np
import tensorflow as tf

from kerasviz.attribution.base import Attributed, register
from kerasviz.attribution.baselines import baseline_like
from kerasviz.attribution.interpolation import upsample
from kerasviz.attribution.maps import ActivationMap
from kerasviz.checks import checked_count
from kerasviz.errors import InputError, SettingError


class TrialMap(ActivationMap):
    """An activation map whose weights cost a forward pass for each channel of each sample.

    The passes run in batches of `batch_size`, which bounds the memory, whatever the number of channels.
    """

    passes_per = "channel"

    @abstractmethod
    def _weights(self, batch, address, maps, score, advance) -> np.ndarray:
        """The weights `(N, C)` of the channels of a feature map.

        Args:
            batch: the target, the inputs, the target's settled arguments, and the method's companions.
            address: of the feature map.
            maps: the feature map, as the layer returns it.
            score: the scores of the clean images.
            advance: called after each batch of trials.
        """

    def _channels(self, address):
        return self._map_shape(address)[-1] or 1

    def _calls(self, arrays):
        return sum(-(-len(arrays[0]) * self._channels(address) // self.batch_size) for address in self.addresses)

    def _explain_batch(self, goal, arrays, arguments, companions, advance):
        tensors = [tf.convert_to_tensor(array) for array in arrays]
        activations, score, settled = self._run(goal, self._clean, tensors, arguments)
        batch, advance = (goal, tensors, settled, companions), _Counted(advance)
        maps = []
        for address, activation in zip(self.addresses, activations, strict=True):
            weights = self._weights(batch, address, activation, score, advance)
            weights = -weights if self.counterfactual else weights
            laid_out = self.laid_out(activation)
            maps.append(tf.einsum("n...c,nc->n...", laid_out, tf.cast(weights, laid_out.dtype)))
        for _ in range(self._calls(arrays) - advance.count):
            advance()
        return Attributed([self.finished(maps, tensors)], score, settled, {})

    def _clean(self, goal, tensors, arguments):
        done = self.network.forward(tensors, dict.fromkeys((*self.addresses, *goal.addresses(self.network))))
        settled = goal.settle(self.network, done, arguments)
        activations = [done.activations[address] for address in self.addresses]
        return activations, goal.score(self.network, done, settled), settled

    def _tried(self, goal, trial, tensors, arguments, useful, advance, *more, **fixed):
        """The scores of the trials of the useful channels, `(N, C)`; NaN for the others.

        `trial(goal, tensors, arguments, rows, channels, *more, **fixed)` gives those of some trials, whose samples
        and channels are `rows` and `channels`, inside a `tf.function`.
        """
        scores = np.full(useful.shape, np.nan, np.float32)
        rows, channels = (places.astype(np.int32) for places in np.nonzero(useful))
        for start in range(0, len(rows), self.batch_size):
            some = slice(start, start + self.batch_size)
            found = self._run(goal, trial, tensors, arguments, rows[some], channels[some], *more, **fixed)
            scores[rows[some], channels[some]] = found
            advance()
        return scores


@register
class ScoreCAM(TrialMap):
    """Score-CAM: each channel weighted by the score of the image seen through it.

    Wang et al. 2020, "Score-CAM: Score-Weighted Visual Explanations for Convolutional Neural Networks", section 3:
    a channel, upsampled and scaled to 0 … 1, masks the image; its weight is the score of the masked image less that
    of the baseline. No gradient is used; it costs a forward pass for each channel. A channel that is the same
    everywhere masks nothing and has no weight. The target is settled on the clean image.

    Args:
        model: as for `ActivationMap`.
        layer: as for `ActivationMap`.
        max_channels: try only the channels that vary most over positions, by their standard deviation (as
            Faster-Score-CAM does); None for all.
        baseline: what is seen where the mask is 0: a number, an array of one image's shape, or a callable that
            makes one from the images. 0 is the paper's, whose images are centred there; where 0 is black and the score
            of a black image is high, maps come out empty: take a grey, or the mean.
        softmax: take the softmax of the weights over the channels that were tried (the paper's algorithm 1; its
            definition 3 does not). They are then all positive.
        counterfactual: as for `ActivationMap`; the weights are negated.
        rectify: as for `ActivationMap`.
        resize: as for `ActivationMap`.
        reshape: as for `ActivationMap`.
        batch_size: how many masked images run at once.
        sample: as for `Explainer`.

    Raises:
        InputError: the baseline does not fit, or the layer lies over an integer input, which cannot be masked.
        LayerError: as for `ActivationMap`.
        SettingError: a setting is out of range.

    Example:
        >>> import kerasviz as kv
        >>> kv.ScoreCAM(model, max_channels=32)(images).plot(images)  # doctest: +SKIP
    """

    name = "score_cam"
    title = "Score-CAM"

    def __init__(
        self,
        model,
        layer=None,
        *,
        max_channels: int | None = None,
        baseline=0.0,
        softmax: bool = False,
        counterfactual: bool = False,
        rectify: bool = True,
        resize: bool = True,
        reshape=None,
        batch_size: int = 32,
        sample=None,
    ):
        self.max_channels = None if max_channels is None else checked_count("max_channels", max_channels)
        self.baseline, self.softmax = baseline, softmax
        if isinstance(baseline, Real) and not np.isfinite(baseline):
            raise SettingError(f"baseline={baseline}", expected="a finite number", mend="0 is the default")
        super().__init__(
            model,
            layer,
            counterfactual=counterfactual,
            rectify=rectify,
            resize=resize,
            reshape=reshape,
            batch_size=batch_size,
            sample=sample,
        )
        spec = self.network.inputs.specs[self.input]
        if not spec.floating:
            raise InputError(
                f"The layer {self.layer!r} lies over the integer input {spec.name!r}",
                expected="a layer over a float input, which a mask can fade",
                mend="Use GradCAM or AblationCAM",
            )

    @property
    def settings(self):  # noqa: D102
        plain = float(self.baseline) if isinstance(self.baseline, Real) else type(self.baseline).__name__
        own = {"max_channels": self.max_channels, "baseline": plain, "softmax": self.softmax}
        return {**own, **super().settings}

    def _channels(self, address):
        return min(super()._channels(address), self.max_channels or np.inf)

    def _companions(self, arrays):
        return [baseline_like(arrays[self.input], self.baseline, self.explained_inputs[0])]

    def _weights(self, batch, address, maps, score, advance):
        goal, tensors, arguments, (baseline,) = batch
        maps = self.laid_out(maps)
        useful = self._useful(maps.numpy().reshape(len(maps), -1, maps.shape[-1]))
        empty = [baseline if number == self.input else tensor for number, tensor in enumerate(tensors)]
        nothing = self._run(goal, self._scores, empty, arguments)[0].numpy()
        channel_first = tf.transpose(maps, [0, maps.shape.rank - 1, *range(1, maps.shape.rank - 1)])
        scores = self._tried(goal, self._masked, tensors, arguments, useful, advance, channel_first, baseline)
        gains = np.where(useful, scores - nothing[:, None], -np.inf if self.softmax else 0)
        return np.where(useful, tf.nn.softmax(gains), 0) if self.softmax else gains

    def _useful(self, maps):
        """Which channels are tried, `(N, C)`, given the maps `(N, positions, C)`."""
        useful = maps.max(axis=1) > maps.min(axis=1)
        if self.max_channels is not None and self.max_channels < maps.shape[-1]:
            spread = np.where(useful, maps.std(axis=1), -1)
            # Stable, so that of equal channels the first are kept.
            least = np.argsort(-spread, axis=1, kind="stable")[:, self.max_channels :]
            np.put_along_axis(useful, least, False, axis=1)
        return useful

    def _masked(self, goal, tensors, arguments, rows, channels, maps, baseline):
        tensors, arguments = _taken(tensors, rows), _taken(arguments, rows)
        image, baseline = tensors[self.input], tf.gather(baseline, rows)
        masks = tf.gather_nd(maps, tf.stack([rows, channels], axis=1))
        space = list(range(1, masks.shape.rank))
        masks = upsample(masks, tf.shape(image)[1 : 1 + len(space)])
        least = tf.reduce_min(masks, space, keepdims=True)
        masks = tf.math.divide_no_nan(masks - least, tf.reduce_max(masks, space, keepdims=True) - least)
        tensors[self.input] = baseline + (image - baseline) * tf.cast(masks, image.dtype)[..., None]
        return self._scores(goal, tensors, arguments)[0]


@register
class AblationCAM(TrialMap):
    """Ablation-CAM: each channel weighted by what the score loses without it.

    Desai and Ramaswamy 2020, "Ablation-CAM: Visual Explanations for Deep Convolutional Network via Gradient-free
    Localization", section 3: `wₖ = (y - yₖ) / y` with `yₖ` the score when channel k is zero. Here divided by `|y|`,
    since a score before the softmax may be negative, and the sign would turn. The part of the network below the
    feature map runs once; the part above once for each channel. Channels that are zero everywhere are not tried.
    Arguments, result and errors as for `ActivationMap`; a counterfactual negates the weights.

    Example:
        >>> import kerasviz as kv
        >>> kv.AblationCAM(model)(images).plot(images)  # doctest: +SKIP
    """

    name = "ablation_cam"
    title = "Ablation-CAM"

    def _weights(self, batch, address, maps, score, advance):
        goal, tensors, arguments, _ = batch
        useful = tf.reduce_any(maps != 0, axis=list(range(1, maps.shape.rank - 1))).numpy()
        left = self._tried(goal, self._ablated, tensors, arguments, useful, advance, maps, address=address)
        score = score.numpy()[:, None]
        return np.where(useful, score - left, 0) / np.where(score == 0, 1, np.abs(score))

    def _ablated(self, goal, tensors, arguments, rows, channels, maps, *, address):
        kept = 1 - tf.one_hot(channels, maps.shape[-1], dtype=maps.dtype)
        kept = tf.reshape(kept, [-1, *[1] * (maps.shape.rank - 2), maps.shape[-1]])
        done = self.network.forward(
            _taken(tensors, rows),
            dict.fromkeys(goal.addresses(self.network)),
            stand_ins={address: tf.gather(maps, rows) * kept},
        )
        return goal.score(self.network, done, _taken(arguments, rows))


def _taken(tensors, rows):
    return [tf.gather(tensor, rows) for tensor in tensors]


class _Counted:
    """Counts the calls of a function."""

    def __init__(self, function):
        self.count, self._function = 0, function

    def __call__(self):
        self.count += 1
        self._function()
