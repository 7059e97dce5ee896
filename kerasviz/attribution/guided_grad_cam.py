"""Guided Grad-CAM."""

import tensorflow as tf

from kerasviz.attribution.base import Attributed, CompiledExplainer, register
from kerasviz.attribution.cam import GradCAM
from kerasviz.attribution.gradients import GuidedBackprop
from kerasviz.errors import LayerError


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
        gradient = gradients[self._cam.input]
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
