"""The driver of class activation maps: forward, weigh, combine, rectify, resize. A method only weighs."""

from abc import abstractmethod
from collections.abc import Callable

import tensorflow as tf

from kerasviz.attribution.base import Attributed, CompiledExplainer, Explainer
from kerasviz.attribution.interpolation import upsample
from kerasviz.errors import LayerError, SettingError


class ActivationMap(Explainer):
    """A heatmap made of the channels of a feature map, or of several; each method weighs them in its own way.

    Args:
        model: any built Keras model, nested as it may be, or the path of a saved one.
        layer: the feature map: a path such as "base/block5_conv3", a unique name, an index, or a layer; None for
            the last layer with a spatial feature map. A list of layers fuses their maps: each is divided by its
            own maximum, and the mean is taken at the input's size.
        counterfactual: show what speaks against the target: the score's sign is turned (Selvaraju et al. 2017,
            section 3.3).
        rectify: keep only what speaks for the target, before the map is resized.
        resize: interpolate to the input's size; otherwise the map keeps the feature map's own.
        reshape: lays the layer's output out as a map, `(N, …) -> (N, *space, C)`, where it is not one: a vision
            transformer's tokens become a grid, its class token dropped. It may move and drop values, and nothing
            else; the channels stay the last axis.
        batch_size: how many samples, or variants of samples, run at once.
        sample: as for `Explainer`.

    Returns:
        On calling, an `Explanation` of the kind "heatmap": `(N, H, W)`, not normalized, and not negative if
        rectified. For 1-D and 3-D inputs `(N, T)` and `(N, D, H, W)`. With several inputs the map is over the one
        that the layer sees.

    Raises:
        LayerError: a layer is unknown or has no spatial feature map, or fused layers lie over different inputs.
        SettingError: several layers are to be fused without being resized, a counterfactual is asked of a method
            that knows no target, or `reshape` does not keep the batch axis.

    Attributes:
        knows_target: whether the map depends on the target.
    """

    needs_layer = True
    kind = "heatmap"
    knows_target: bool = True

    def __init__(
        self,
        model,
        layer=None,
        *,
        counterfactual: bool = False,
        rectify: bool = True,
        resize: bool = True,
        reshape: Callable | None = None,
        batch_size: int = 32,
        sample=None,
    ):
        super().__init__(model, batch_size=batch_size, sample=sample)
        if counterfactual and not self.knows_target:
            raise SettingError(
                f"counterfactual=True for {self.title}, whose map is the same for every target",
                expected="a method that knows the target",
                mend="Use GradCAM(model, counterfactual=True)",
            )
        self.counterfactual, self.rectify, self.resize, self.reshape = counterfactual, rectify, resize, reshape
        self.signed = not rectify
        self.addresses = self._found(layer)
        self.layer = ", ".join(map(str, self.addresses))
        #: The number of the input that the map lies over.
        self.input = self._seen_input()

    @property
    def settings(self):  # noqa: D102
        chosen = {"counterfactual": self.counterfactual, "rectify": self.rectify, "resize": self.resize}
        if self.reshape is not None:
            chosen["reshape"] = getattr(self.reshape, "__name__", type(self.reshape).__name__)
        return chosen

    @property
    def explained_inputs(self):  # noqa: D102
        return [self.network.inputs.specs[self.input].name]

    def laid_out(self, tensor: tf.Tensor) -> tf.Tensor:
        """An activation or its gradient as a map `(N, *space, C)`."""
        return tensor if self.reshape is None else self.reshape(tensor)

    def finished(self, maps: list[tf.Tensor], tensors: list[tf.Tensor]) -> tf.Tensor:
        """The heatmap of the sums over channels of each layer: rectified, resized to the input, fused."""
        if self.rectify:
            maps = [tf.nn.relu(values) for values in maps]
        if len(maps) > 1:
            maps = [_by_maximum(values) for values in maps]
        if self.resize:
            sizes = tf.shape(tensors[self.input])[1 : maps[0].shape.rank]
            maps = [upsample(values, sizes) for values in maps]
        return tf.add_n(maps) / len(maps)

    def _found(self, layer):
        wanted = layer if isinstance(layer, list | tuple) else [layer]
        if not wanted or (len(wanted) > 1 and not self.resize):
            raise SettingError(
                f"layer={layer!r} with resize={self.resize}",
                expected="one layer, or several whose maps are resized to the input",
                mend="Name a layer, or leave resize=True",
            )
        return tuple(self.network.address(one) for one in wanted)

    def _seen_input(self):
        numbers = {str(address): self._input_below(address) for address in self.addresses}
        if len(set(numbers.values())) > 1:
            names = {layer: self.network.inputs.specs[number].name for layer, number in numbers.items()}
            raise LayerError(
                f"The layers lie over different inputs: {names}",
                expected="layers over the same input, to fuse their maps",
                mend="Make an explainer for each input",
            )
        return next(iter(numbers.values()))

    def _input_below(self, address):
        """The first input, of those that a layer sees, with as many axes of space as its map."""
        shape = self._map_shape(address)
        sources = self.network.trace.sources_of(address)
        for number, spec in enumerate(self.network.inputs.specs):
            axes = len(spec.shape) - 1 if not spec.floating and len(spec.shape) == 2 else len(spec.shape) - 2
            if spec.name in sources and axes == len(shape) - 2:
                return number
        raise LayerError(
            f"The layer {str(address)!r} has {len(shape) - 2} axes of space, {shape}",
            expected="as many as an input that it depends on has",
            mend="Tokens are not laid out like the image: take a layer that keeps the image's axes, or give reshape=",
        )

    def _map_shape(self, address):
        shape = self.network.trace.shape_of(address.path)
        if shape is not None and self.reshape is not None:
            shape = _reshaped(self.reshape, shape)
        if shape is None or len(shape) < 3:
            raise LayerError(
                f"The layer {str(address)!r} has the output {shape}" + (" after reshape" if self.reshape else ""),
                expected="a spatial feature map: batch, one or more axes of space, channels",
                mend="Take a layer before the flattening or pooling; layer=None finds the last one",
            )
        return shape


class GradientMap(ActivationMap, CompiledExplainer):
    """An activation map whose weights come from the gradient at the feature map; the backward pass ends there."""

    @abstractmethod
    def weigh(self, activation: tf.Tensor, gradient: tf.Tensor) -> tf.Tensor:
        """The weights of a feature map.

        Args:
            activation: `(N, *space, C)`.
            gradient: the score's with respect to it, of the same shape.

        Returns:
            Weights that broadcast to the activation; the map is the sum of their product over channels.
        """

    def attribute(self, goal, tensors, arguments):  # noqa: D102
        done, scores, settled, _, gradients = self.differentiated(goal, tensors, arguments, at=self.addresses)
        maps = []
        for address in self.addresses:
            activation, gradient = self.laid_out(done.activations[address]), self.laid_out(gradients[address])
            weights = self.weigh(activation, -gradient if self.counterfactual else gradient)
            maps.append(tf.reduce_sum(weights * activation, axis=-1))
        return Attributed([self.finished(maps, tensors)], scores, settled, {})


def space_of(activation: tf.Tensor) -> list[int]:
    """The axes of space of a feature map `(N, *space, C)`."""
    return list(range(1, activation.shape.rank - 1))


def _reshaped(reshape, shape):
    """The shape that a layer's output has after `reshape`."""
    batch = 7  # Any would do; a reshape that mixes samples is told by its loss.
    try:
        traced = tf.function(reshape, autograph=False).get_concrete_function(
            tf.TensorSpec((batch, *shape[1:]), tf.float32)
        )
        found = tuple(traced.structured_outputs.shape)
    except (AttributeError, TypeError, ValueError, tf.errors.OpError) as error:
        raise SettingError(
            f"reshape={reshape!r} fails for a feature map of the shape {shape}: {error}",
            expected="a callable (N, …) -> (N, *space, C) made of TensorFlow or keras.ops",
            mend="For tokens behind a class token: lambda x: tf.reshape(x[:, 1:], (-1, 14, 14, x.shape[-1]))",
        ) from error
    if not found or found[0] not in (None, batch):
        raise SettingError(
            f"reshape={reshape!r} makes {found} of {(batch, *shape[1:])}",
            expected="the samples as they were, along the first axis",
            mend="Drop what does not belong to the grid, such as a class token, before the tokens are laid out",
        )
    return (shape[0], *found[1:])


def _by_maximum(maps):
    return tf.math.divide_no_nan(maps, tf.reduce_max(tf.abs(maps), axis=list(range(1, maps.shape.rank)), keepdims=True))
