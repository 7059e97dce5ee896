"""Class activation maps from gradients: Grad-CAM and guided Grad-CAM."""

import tensorflow as tf

from kerasviz.attribution.base import Attributed, CompiledExplainer, register
from kerasviz.attribution.gradients import GuidedBackprop
from kerasviz.attribution.interpolation import upsample
from kerasviz.errors import LayerError


@register
class GradCAM(CompiledExplainer):
    """Grad-CAM: the channels of a feature map, weighted by how much each raises the score, rectified.

    Selvaraju et al. 2017, "Grad-CAM: Visual Explanations from Deep Networks via Gradient-based Localization",
    section 3: `ReLU(Σₖ αₖ Aₖ)` with `αₖ` the mean over positions of `∂score/∂Aₖ`, rectified before it is
    upsampled. The backward pass ends at the feature map, which makes this the cheapest of the methods.

    Args:
        model: any built Keras model, nested as it may be, or the path of a saved one.
        layer: the feature map: a path such as "base/block5_conv3", a unique name, an index, or a layer; None for
            the last layer with a spatial feature map.
        resize: interpolate to the input's size; otherwise the map keeps the feature map's own.
        batch_size: as for `Explainer`.
        sample: as for `Explainer`.

    Returns:
        On calling, an `Explanation` of the kind "heatmap": `(N, H, W)`, not negative, not normalized. For 1-D and
        3-D inputs `(N, T)` and `(N, D, H, W)`. With several inputs the map is over the one that the layer sees.

    Raises:
        LayerError: the layer is unknown or has no spatial feature map.

    Example:
        >>> import kerasviz as kv
        >>> kv.GradCAM(model, layer="base/block5_conv3")(images, target=281).plot(images)  # doctest: +SKIP
    """

    name = "grad_cam"
    title = "Grad-CAM"
    needs_layer = True
    kind = "heatmap"
    signed = False

    def __init__(self, model, layer=None, *, resize: bool = True, batch_size: int = 32, sample=None):
        super().__init__(model, batch_size=batch_size, sample=sample)
        self._address = self.network.address(layer)
        self.layer = str(self._address)
        self.resize = resize
        self._input = self._seen_input()

    @property
    def settings(self):  # noqa: D102
        return {"resize": self.resize}

    @property
    def explained_inputs(self):  # noqa: D102
        return [self.network.inputs.specs[self._input].name]

    def attribute(self, goal, tensors, arguments):  # noqa: D102
        settled = arguments

        def score(done):
            nonlocal settled
            settled = goal.settle(self.network, done, arguments)
            return goal.score(self.network, done, settled)

        done, scores, _, gradients = self.network.differentiate(
            tensors, score, at=(self._address,), taps=goal.addresses(self.network)
        )
        activation, gradient = done.activations[self._address], gradients[self._address]
        space = list(range(1, activation.shape.rank - 1))
        weights = tf.reduce_mean(gradient, axis=space, keepdims=True)
        maps = tf.nn.relu(tf.reduce_sum(weights * activation, axis=-1))
        if self.resize:
            maps = upsample(maps, tf.shape(tensors[self._input])[1 : 1 + len(space)])
        return Attributed([maps], scores, settled, {})

    def _seen_input(self):
        """The number of the input that the map lies over: the first, of those that the layer sees, with its axes."""
        shape = self.network.trace.shape_of(self._address.path)
        if shape is None or len(shape) < 3:
            raise LayerError(
                f"The layer {self.layer!r} has the output {shape}",
                expected="a spatial feature map: batch, one or more axes of space, channels",
                mend="Take a layer before the flattening or pooling; layer=None finds the last one",
            )
        sources = self.network.trace.sources_of(self._address)
        for number, spec in enumerate(self.network.inputs.specs):
            axes = len(spec.shape) - 1 if not spec.floating and len(spec.shape) == 2 else len(spec.shape) - 2
            if spec.name in sources and axes == len(shape) - 2:
                return number
        raise LayerError(
            f"The layer {self.layer!r} has {len(shape) - 2} axes of space, {shape}",
            expected="as many as an input that it depends on has",
            mend="Tokens are not laid out like the image: take a layer that keeps the image's axes",
        )


@register
class GuidedGradCAM(CompiledExplainer):
    """Guided Grad-CAM: guided backpropagation, masked by the Grad-CAM heatmap.

    Selvaraju et al. 2017, section 3.1: the pointwise product of the two, the heatmap upsampled to the input and
    not normalized.

    Args:
        model: as for `GradCAM`.
        layer: as for `GradCAM`.
        smooth: as for `GuidedBackprop`.
        batch_size: as for `Explainer`.
        sample: as for `Explainer`.

    Raises:
        LayerError: as for `GradCAM`.
        RuleError: the model has no rectifier.
    """

    name = "guided_grad_cam"
    title = "Guided Grad-CAM"
    needs_layer = True
    passes = 2

    def __init__(self, model, layer=None, *, smooth: bool = False, batch_size: int = 32, sample=None):
        self._guided = GuidedBackprop(model, smooth=smooth, batch_size=batch_size, sample=sample)
        self._cam = GradCAM(model, layer, batch_size=batch_size, sample=sample)
        super().__init__(model, batch_size=batch_size, sample=sample)
        self.layer, self.smooth = self._cam.layer, smooth

    @property
    def settings(self):  # noqa: D102
        return {"smooth": self.smooth}

    @property
    def explained_inputs(self):  # noqa: D102
        return self._cam.explained_inputs

    def attribute(self, goal, tensors, arguments):  # noqa: D102
        cam = self._cam.attribute(goal, tensors, arguments)
        _, _, gradients = self._guided.gradient(goal, tensors, cam.arguments)
        gradient = gradients[self._cam._input]
        if gradient is None:
            raise LayerError(
                f"The layer {self.layer!r} lies over an integer input, which has no gradient",
                expected="a layer over a float input",
                mend="Use GradCAM alone",
            )
        heat = tf.cast(cam.values[0], gradient.dtype)
        return Attributed([gradient * heat[..., None]], cam.score, cam.arguments, {})

    def _open(self, model, sample):
        return self._cam.network
