"""Methods of one gradient: saliency, input × gradient, guided backpropagation, DeconvNet."""

import tensorflow as tf

from kerasviz.attribution.base import REDUCTIONS, Attributed, CompiledExplainer, register
from kerasviz.attribution.checks import require_floats
from kerasviz.checks import checked_choice
from kerasviz.network import Network


class GradientMethod(CompiledExplainer):
    """An explainer from the gradient of the score at the input.

    Args:
        model: as for `Explainer`.
        reduce: how channels are reduced: None keeps them and the sign; "max_abs" is the largest absolute value,
            "sum" the signed sum, "sum_abs" the sum of absolute values.
        batch_size: as for `Explainer`.
        sample: as for `Explainer`.

    Raises:
        InputError: all inputs of the model are integers.
        SettingError: `reduce` is unknown.
    """

    def __init__(self, model, *, reduce: str | None = None, batch_size: int = 32, sample=None):
        checked_choice("reduce", reduce, (None, *REDUCTIONS))
        super().__init__(model, batch_size=batch_size, sample=sample)
        require_floats(self.network, self.title)
        self.reduce = reduce
        self.signed = reduce in (None, "sum")

    @property
    def settings(self):  # noqa: D102
        return {"reduce": self.reduce}

    def attribute(self, goal, tensors, arguments):  # noqa: D102
        score, settled, gradients = self.gradient(goal, tensors, arguments)
        values = [
            self._reduced(self.attributed(tensor, gradient))
            for tensor, gradient in zip(tensors, gradients, strict=True)
            if gradient is not None
        ]
        return Attributed(values, score, settled, {})

    def gradient(self, goal, tensors, arguments):
        """The scores, the target's settled arguments, and the gradient at each input (None for integers)."""
        _, scores, settled, gradients, _ = self.differentiated(goal, tensors, arguments, inputs=True)
        return scores, settled, gradients

    def attributed(self, tensor: tf.Tensor, gradient: tf.Tensor) -> tf.Tensor:
        """The values at an input, from the input and the gradient there."""
        return gradient

    def _reduced(self, values):
        return values if self.reduce is None or values.shape.rank < 3 else REDUCTIONS[self.reduce](values)


@register
class Saliency(GradientMethod):
    """The gradient of the score at the input: how the score would change with each pixel.

    With `reduce="max_abs"` the image-specific class saliency map of Simonyan, Vedaldi and Zisserman 2013,
    "Deep Inside Convolutional Networks", section 3.

    Arguments and errors as for `GradientMethod`.

    Example:
        >>> import numpy as np, keras, kerasviz as kv
        >>> model = keras.Sequential([keras.Input((8, 8, 3)), keras.layers.Conv2D(4, 3, activation="relu"),
        ...                           keras.layers.GlobalAveragePooling2D(), keras.layers.Dense(5, "softmax")])
        >>> images = np.random.default_rng(0).random((2, 8, 8, 3), "float32")
        >>> kv.Saliency(model)(images, target=3).shape
        (2, 8, 8, 3)
        >>> kv.Saliency(model, reduce="max_abs")(images).shape
        (2, 8, 8)
    """

    name = "saliency"
    title = "Saliency"


@register
class InputXGradient(GradientMethod):
    """The input times the gradient: each pixel's share in the score of a network without biases.

    Shrikumar et al. 2016, "Not Just a Black Box", section 3 (as the method compared with); exact shares where
    the network is piecewise linear and goes through the origin. Zero pixels get zero, so that the meaning depends
    on the model's preprocessing.

    Arguments and errors as for `GradientMethod`.
    """

    name = "input_x_gradient"
    title = "Input × gradient"

    def attributed(self, tensor, gradient):  # noqa: D102
        return tensor * gradient


class RuleMethod(GradientMethod):
    """A gradient under a backward rule of the rectifiers.

    Args:
        model: as for `Explainer`.
        smooth: also apply the rule to smooth activations, which the paper does not; see `kerasviz.network.rules`.
        reduce: as for `GradientMethod`.
        batch_size: as for `Explainer`.
        sample: as for `Explainer`.

    Raises:
        RuleError: the model has no rectifier, so that the rule would change nothing.

    Warns:
        KerasvizWarning: some rectifiers, inside custom code, could not be reached.
    """

    rule: str

    def __init__(self, model, *, smooth: bool = False, reduce: str | None = None, batch_size: int = 32, sample=None):
        self.smooth = smooth
        super().__init__(model, reduce=reduce, batch_size=batch_size, sample=sample)

    @property
    def settings(self):  # noqa: D102
        return {"smooth": self.smooth, **super().settings}

    def _open(self, model, sample):
        return Network(model, rule=self.rule, smooth=self.smooth, sample=sample)


@register
class GuidedBackprop(RuleMethod):
    """Guided backpropagation: only positive signals pass down, and only through active rectifiers.

    Springenberg et al. 2014, "Striving for Simplicity", section 3.4. Sharp pictures, that depend little on the
    class: Adebayo et al. 2018 found that they change little when the upper layers are randomized.

    Arguments and errors as for `RuleMethod`.
    """

    name = "guided_backprop"
    title = "Guided backprop"
    rule = "guided"


@register
class DeconvNet(RuleMethod):
    """The DeconvNet of Zeiler and Fergus 2013, section 2.1, as a gradient rule.

    Signals are rectified on the way down wherever the network rectifies on the way up, max-pooling goes back
    through its switches and convolutions through their transposed filters. That is the deconvnet itself, with
    three differences of the gradient's form: where pooling windows overlap, contributions to one position add
    (the paper leaves open what unpooling does there); batch normalization goes back with its scale; and the
    score itself, being no rectifier, is not rectified.

    Only the switches know the image: a network without max-pooling, such as MobileNet, gives every image the
    same map.

    Arguments and errors as for `RuleMethod`.
    """

    name = "deconvnet"
    title = "DeconvNet"
    rule = "deconvnet"
