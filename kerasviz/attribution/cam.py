"""Class activation maps whose weights are gradients, or known without: CAM, Grad-CAM and its family."""

import tensorflow as tf

from kerasviz.attribution.base import register
from kerasviz.attribution.maps import GradientMap, space_of
from kerasviz.errors import ModelError, TargetError
from kerasviz.network.gap_head import gap_head
from kerasviz.targets import ClassScore


@register
class CAM(GradientMap):
    """Class activation mapping: the channels of the last feature map, weighted as the class weighs them.

    Zhou et al. 2016, "Learning Deep Features for Discriminative Localization", section 2: `Σₖ wₖᶜ Aₖ` with `wₖᶜ`
    the weight between channel k and class c in a network that ends in global average pooling and one linear
    layer. The mean of the map plus the bias is the score. For a target that is not a class but a function of the
    scores, `w` is how the target changes with the pooled channels.

    Args:
        model: a network with such a head: `kerasviz.to_gap` attaches one to any other.
        output: the name of the output, needed if the model has several.
        counterfactual: as for `ActivationMap`.
        rectify: keep only what speaks for the class. The paper's map is signed.
        resize: as for `ActivationMap`.
        batch_size: as for `ActivationMap`.
        sample: as for `Explainer`.

    Returns:
        On calling, an `Explanation` of the kind "heatmap", `(N, H, W)`, signed unless rectified.

    Raises:
        ModelError: the network ends otherwise.
        TargetError: there are several outputs and none is named.

    Example:
        >>> import kerasviz as kv
        >>> model = kv.data.shapes.shapes_model()
        >>> images = kv.data.shapes.scenes(2, seed=1).images
        >>> kv.CAM(model)(images).shape
        (2, 64, 64)
    """

    name = "cam"
    title = "CAM"

    def __init__(
        self,
        model,
        *,
        output: str | None = None,
        counterfactual: bool = False,
        rectify: bool = False,
        resize: bool = True,
        batch_size: int = 32,
        sample=None,
    ):
        self.output = output
        super().__init__(
            model,
            counterfactual=counterfactual,
            rectify=rectify,
            resize=resize,
            batch_size=batch_size,
            sample=sample,
        )

    def attribute(self, goal, tensors, arguments):  # noqa: D102
        if isinstance(goal, ClassScore) and goal.output != self.output and len(self.network.trace.outputs) > 1:
            raise TargetError(
                f"The target is a class of the output {goal.output!r}",
                expected=f"a class of the output {self.output!r}, which this CAM was made for",
                mend=f"Make another: CAM(model, output={goal.output!r})",
            )
        return super().attribute(goal, tensors, arguments)

    def weigh(self, activation, gradient):  # noqa: D102
        # Behind average pooling the gradient is w/Z at each of the Z positions.
        return tf.reduce_sum(gradient, axis=space_of(activation), keepdims=True)

    def _found(self, layer):
        head = gap_head(self.network, self.output)
        if head is None:
            raise ModelError(
                f"The network {self.network.name!r} does not end in global average pooling and one linear layer",
                expected="such a head, for which alone CAM is defined",
                mend="Attach one with kerasviz.to_gap and train it with kerasviz.retrain_gap; or use GradCAM, which "
                "needs none",
            )
        return (head.features,)


@register
class GradCAM(GradientMap):
    """Grad-CAM: the channels of a feature map, weighted by how much each raises the score, rectified.

    Selvaraju et al. 2017, "Grad-CAM: Visual Explanations from Deep Networks via Gradient-based Localization",
    section 3: `ReLU(Σₖ αₖ Aₖ)` with `αₖ` the mean over positions of `∂score/∂Aₖ`. The backward pass ends at the
    feature map, which makes this the cheapest of the methods. Arguments, result and errors as for `ActivationMap`.

    Example:
        >>> import kerasviz as kv
        >>> kv.GradCAM(model, layer="base/block5_conv3")(images, target=281).plot(images)  # doctest: +SKIP
    """

    name = "grad_cam"
    title = "Grad-CAM"

    def weigh(self, activation, gradient):  # noqa: D102
        return tf.reduce_mean(gradient, axis=space_of(activation), keepdims=True)


@register
class GradCAMPlusPlus(GradientMap):
    """Grad-CAM++: Grad-CAM with positions weighted too, so that several objects of a class are all seen.

    Chattopadhay et al. 2018, "Grad-CAM++: Improved Visual Explanations for Deep Convolutional Networks", section
    3.2: `wₖ = Σ αₖ ReLU(g)` over positions, with `αₖ = g² / (2 g² + g³ ΣAₖ)` for a score `exp(S)`. The factor
    `exp(S)` scales the whole map and is left out, since it overflows for logits over 88. `α` is not normalized to
    the sum of one, which the authors' program does and their paper does not. Arguments, result and errors as for
    `ActivationMap`.

    Example:
        >>> import kerasviz as kv
        >>> kv.GradCAMPlusPlus(model)(images).plot(images)  # doctest: +SKIP
    """

    name = "grad_cam_plus_plus"
    title = "Grad-CAM++"

    def weigh(self, activation, gradient):  # noqa: D102
        space = space_of(activation)
        # g² cancels, but for positions without a gradient, which ReLU(g) drops.
        total = tf.reduce_sum(activation, axis=space, keepdims=True)
        alpha = tf.math.divide_no_nan(1.0, 2.0 + gradient * total)
        return tf.reduce_sum(alpha * tf.nn.relu(gradient), axis=space, keepdims=True)


@register
class LayerCAM(GradientMap):
    """LayerCAM: each position of a feature map weighted by its own positive gradient; sharp at early layers too.

    Jiang et al. 2021, "LayerCAM: Exploring Hierarchical Class Activation Maps for Localization", section III-B:
    `ReLU(Σₖ ReLU(g) Aₖ)`. Arguments, result and errors as for `ActivationMap`.

    Example:
        >>> import kerasviz as kv
        >>> kv.LayerCAM(model, layer=["block3_pool", "block5_pool"])(images)  # doctest: +SKIP
    """

    name = "layer_cam"
    title = "LayerCAM"

    def weigh(self, activation, gradient):  # noqa: D102
        return tf.nn.relu(gradient)


@register
class HiResCAM(GradientMap):
    """HiResCAM: each position of a feature map weighted by its own gradient.

    Draelos and Carin 2020, "Use HiResCAM instead of Grad-CAM for faithful explanations of convolutional neural
    networks", section 3: `Σₖ g Aₖ`. Behind the feature map one linear layer alone: the map, neither rectified nor
    resized, sums to the score less the bias. Arguments, result and errors as for `ActivationMap`.

    Example:
        >>> import kerasviz as kv
        >>> kv.HiResCAM(model, rectify=False, resize=False)(images)  # doctest: +SKIP
    """

    name = "hires_cam"
    title = "HiResCAM"

    def weigh(self, activation, gradient):  # noqa: D102
        return gradient


@register
class XGradCAM(GradientMap):
    """XGrad-CAM: Grad-CAM with each position's gradient weighted by its share of the channel's activation.

    Fu et al. 2020, "Axiom-based Grad-CAM: Towards Accurate Visualization and Explanation of CNNs", section 3.2:
    `wₖ = Σ g Aₖ / Σ Aₖ` over positions. Arguments, result and errors as for `ActivationMap`.

    Example:
        >>> import kerasviz as kv
        >>> kv.XGradCAM(model)(images).plot(images)  # doctest: +SKIP
    """

    name = "xgrad_cam"
    title = "XGrad-CAM"

    def weigh(self, activation, gradient):  # noqa: D102
        space = space_of(activation)
        return tf.math.divide_no_nan(
            tf.reduce_sum(gradient * activation, axis=space, keepdims=True),
            tf.reduce_sum(activation, axis=space, keepdims=True),
        )


@register
class EigenCAM(GradientMap):
    """Eigen-CAM: a feature map's first principal component, whatever the class.

    Muhammad and Yeasin 2020, "Eigen-CAM: Class Activation Map using Principal Components", section III: the
    projection of the activations, positions by channels and not centred, on their first right singular vector.
    It needs no gradient and shows what stands out, not why a class was chosen. The vector's sign is free; here
    the map's sum is positive. Arguments, result and errors as for `ActivationMap`; a counterfactual is refused.

    Example:
        >>> import kerasviz as kv
        >>> kv.EigenCAM(model)(images).plot(images)  # doctest: +SKIP
    """

    name = "eigen_cam"
    title = "Eigen-CAM"
    knows_target = False

    def weigh(self, activation, gradient):  # noqa: D102
        shape = tf.shape(activation)
        positions = tf.reshape(activation, [shape[0], -1, shape[-1]])
        _, _, vectors = tf.linalg.svd(positions, full_matrices=False)
        first = vectors[:, :, 0]
        total = tf.reduce_sum(positions * first[:, None], axis=[1, 2])
        first *= tf.where(total < 0, -1.0, 1.0)[:, None]
        return tf.reshape(first, tf.concat([shape[:1], tf.ones_like(shape[1:-1]), shape[-1:]], 0))
