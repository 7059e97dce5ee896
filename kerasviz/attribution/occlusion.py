"""Occlusion: what the score loses when a patch hides a part of the input, at every position."""

import copy
from dataclasses import asdict

import numpy as np
import tensorflow as tf

from kerasviz.attribution.approximation import Approximation, error
from kerasviz.attribution.base import register
from kerasviz.attribution.fills import described
from kerasviz.attribution.patches import cut
from kerasviz.attribution.patching import Patching
from kerasviz.attribution.positions import Grid, per_axis
from kerasviz.checks import checked_seed
from kerasviz.errors import LayerError, SettingError, TargetError
from kerasviz.network.spatial import is_spatial
from kerasviz.targets import ClassScore
from kerasviz.targets.classes import TOP


@register
class Occlusion(Patching):
    """What the score loses when a patch hides a part of the input.

    Zeiler and Fergus 2014, "Visualizing and Understanding Convolutional Networks", section 4.2. A patch slides over the
    input; a pixel's value is the drop of the score, as the mean over the patches that cover it. The last position
    along each axis is moved back to the edge, so that every pixel is covered.

    Args:
        model: as for `Perturbation`.
        size: of the patch in pixels: a number, or a tuple of one for each axis of space; None for a seventh of the
            shortest axis, 32 of 224. A list of these gives a sweep: the map is the mean of the maps of all sizes,
            and each stands in the extras.
        stride: the step between positions, the same way; a list has one for each size. None for a quarter of the size
            (over volumes, half): a pixel of a picture is then covered by about 16 patches.
        fill: what hides the part; see `kerasviz.attribution.fills.fill_like`. "grey" is the paper's; it is the middle
            of each image's own range.
        interpolate: put each position's drop at the patch's centre and interpolate linearly; allows strides larger
            than the patch.
        three_maps: also give the paper's three maps, a value for each position, as extras: "activation", the sum
            over space of the feature map that is strongest on the clean image; "probability", of the explained
            class; "top_class", the most probable one.
        layer: whose feature map `three_maps` looks at; None for the last layer with a spatial feature map.
        inputs: as for `Perturbation`.
        probability: as for `Perturbation`.
        incremental: compute anew only what the patch reaches, wherever that is faster; the same values up to the
            rounding of float32. `plan` tells what it saves.
        approximate: an `Approximation`, for a faster map that is not exact; None for the exact one.
        seed: of the noise, where that is the fill.
        precision: as for `Perturbation`.
        batch_size: as for `Perturbation`.
        sample: as for `Explainer`.

    Returns:
        On calling, an `Explanation` as `Perturbation` describes. Its extras hold "drop", the drop at each position
        (`(N, rows, columns)`); for a sweep "drop 50/10" for size 50 and stride 10, and "map 50/10".

    Raises:
        LayerError: the layer has no spatial feature map.
        SettingError: a setting is out of range; the patch does not fit into the input; the stride is larger than it.

    Example:
        >>> import kerasviz as kv
        >>> explain = kv.Occlusion(model, size=32, stride=8, fill="grey")  # doctest: +SKIP
        >>> explain(images, target=281).plot(images)  # doctest: +SKIP
    """

    name = "occlusion"
    title = "Occlusion"

    def __init__(
        self,
        model,
        size=None,
        stride=None,
        fill="grey",
        *,
        interpolate: bool = False,
        three_maps: bool = False,
        layer=None,
        inputs=None,
        probability: bool = False,
        incremental: bool = True,
        approximate: Approximation | None = None,
        seed: int = 0,
        precision: str = "float32",
        batch_size: int = 32,
        sample=None,
    ):
        self.pairs = _pairs(size, stride)
        self.fill, self.interpolate, self.seed = fill, bool(interpolate), checked_seed(seed)
        super().__init__(
            model, inputs=inputs, probability=probability, precision=precision, batch_size=batch_size, sample=sample
        )
        self.incremental, self.approximate = bool(incremental), _checked(approximate, three_maps)
        self.field = 1.0 if approximate is None else approximate.field
        self.three_maps = bool(three_maps)
        if self.three_maps:
            self._address = self._found(layer)
            self.layer = str(self._address)

    @property
    def settings(self):  # noqa: D102
        sizes, strides = zip(*self.pairs, strict=True)
        return {
            "size": sizes[0] if len(sizes) == 1 else list(sizes),
            "stride": strides[0] if len(strides) == 1 else list(strides),
            "fill": described(self.fill),
            "interpolate": self.interpolate,
            **({} if self.approximate is None else {"approximate": asdict(self.approximate)}),
            **({"seed": self.seed} if described(self.fill) == "noise" else {}),
            **super().settings,
        }

    def approximation_error(self, inputs, target=None) -> dict:
        """How far the approximate maps of some images are from the exact ones, which it computes for that.

        Args:
            inputs: as when explaining.
            target: as when explaining.

        Returns:
            A dict of arrays `(N,)`, each as a share of the range of the exact map: "max" and "mean" of the absolute
            differences; and "correlation" of the two maps. With several perturbed inputs a dict of these.
        """
        exact = copy.copy(self)
        exact.approximate, exact.field = None, 1.0
        maps = [explain(inputs, target).values for explain in (self, exact)]
        if isinstance(maps[0], dict):
            return {name: error(maps[0][name], maps[1][name]) for name in maps[0]}
        return error(*maps)

    def _companions(self, arrays):
        return self.filled(arrays, self.fill, self.seed)

    def _patches_over(self, space):
        return [(grid.starts, grid.size) for grid in self.grids(space)]

    def _calls(self, arrays):
        return sum(
            len(arrays[n]) * sum(len(grid.starts) for grid in self.grids(arrays[n].shape[1:-1])) for n in self.numbers
        )

    def grids(self, space) -> list[Grid]:
        """The positions of the patch over an input whose axes of space have these sizes, for each size of a sweep."""
        return [Grid.of(space, *_settled(size, stride, space), gaps=self.interpolate) for size, stride in self.pairs]

    def _map(self, sample, advance):
        fill = tf.convert_to_tensor(sample.companions[self.numbers.index(sample.number)])
        extras, maps = {}, []
        for grid in self.grids(sample.space):
            found = self._of_grid(sample, grid, fill, advance)
            drop = sample.score - found.pop("score")
            maps.append(grid.interpolated(drop) if self.interpolate else grid.mean(drop))
            tag = f" {_words(grid.size)}/{_words(grid.stride)}" if len(self.pairs) > 1 else ""
            found = {"drop": drop, **found}
            extras |= {f"{name}{tag}": np.reshape(values, grid.shape) for name, values in found.items()}
            if tag:
                extras[f"map{tag}"] = maps[-1].astype(np.float32)
        return np.mean(maps, axis=0), extras

    def _of_grid(self, sample, grid, fill, advance):
        """What is found at each position of a grid, by name, `(P,)` each."""
        starts, size = grid.starts, np.array(grid.size, np.int32)

        def at(some, sample=sample, **options):
            patches = starts[some]
            return self.swept(sample, patches, lambda part: cut(fill, patches[part], size), advance, **options)

        everywhere = np.arange(len(starts))
        if self.three_maps:
            marked = sample._replace(arguments=[*sample.arguments, self._strongest(sample)])
            return at(everywhere, marked, body="_in_three_maps")
        if self.approximate is None or self.approximate.keep == 1:
            return {"score": at(everywhere)}
        first = self.approximate.first(grid)
        scores = self.approximate.between(grid, at(first))
        second = self.approximate.second(grid, scores)
        if len(second):
            scores[second] = at(second)
        advance(len(starts) - len(first) - len(second))
        return {"score": scores.astype(np.float32)}

    def _strongest(self, sample):
        """The channel of the largest total activation on the clean sample, `(1,)`."""
        return self._run(sample.goal, self._strongest_channel, sample.tensors, sample.arguments)

    def _strongest_channel(self, goal, tensors, arguments):
        done = self.network.forward(tensors, [self._address])
        return tf.argmax(_total(done.activations[self._address]), axis=-1, output_type=tf.int32)

    def _in_three_maps(self, goal, tensors, arguments):
        *arguments, strongest = arguments
        done = self.network.forward(tensors, dict.fromkeys((self._address, *goal.addresses(self.network))))
        activation = _total(done.activations[self._address])
        posterior = ClassScore(output=goal.output, probability=True)
        unsettled = [tf.fill(tf.shape(strongest), TOP), *arguments[1:]]
        return {
            "score": goal.score(self.network, done, arguments),
            "activation": tf.gather(activation, strongest, axis=1, batch_dims=1),
            "probability": posterior.score(self.network, done, arguments),
            "top_class": posterior.settle(self.network, done, unsettled)[0],
        }

    def _goal(self, target):
        goal = super()._goal(target)
        if self.three_maps and type(goal) is not ClassScore:
            raise TargetError(
                f"target={target!r} with three_maps=True",
                expected="a class, whose probability one of the maps shows",
                mend="Leave three_maps out for other targets",
            )
        return goal

    def _found(self, layer):
        address = self.network.address(layer)
        shape = self.network.trace.shape_of(address.path)
        if not is_spatial(shape, self.network.inputs):
            raise LayerError(
                f"The layer {str(address)!r} has the output {shape}",
                expected="a spatial feature map: batch, axes of space, channels",
                mend="Take a layer before the flattening or pooling; layer=None finds the last one",
            )
        return address


def _checked(approximate, three_maps):
    if approximate is not None and (not isinstance(approximate, Approximation) or three_maps):
        raise SettingError(
            f"approximate={approximate!r}" + (" with three_maps=True" if three_maps else ""),
            expected="a kerasviz.attribution.Approximation, for the map of the score's drop alone",
            mend="Leave it out for exact maps",
        )
    return approximate


def _pairs(size, stride):
    """The size and stride of each sweep."""
    sizes = size if isinstance(size, list) else [size]
    strides = stride if isinstance(stride, list) else [stride] * len(sizes)
    if not sizes or len(sizes) != len(strides):
        raise SettingError(
            f"size={size!r} with stride={stride!r}",
            expected="a list of sizes and one of as many strides",
            mend="size=[10, 50, 100], stride=[5, 10, 50] for a sweep; a tuple is one size along each axis",
        )
    return list(zip(sizes, strides, strict=True))


def _settled(size, stride, space):
    """A size and a stride, their defaults filled in."""
    size = per_axis("size", max(1, round(min(space) / 7)) if size is None else size, len(space))
    parts = 4 if len(space) < 3 else 2
    return size, tuple(max(1, n // parts) for n in size) if stride is None else stride


def _total(activation):
    """The sum of each channel over space, `(N, C)`."""
    return tf.reduce_sum(activation, axis=list(range(1, activation.shape.rank - 1)))


def _words(numbers):
    return "x".join(map(str, numbers if len(set(numbers)) > 1 else numbers[:1]))
