"""The filters of any convolution of a model."""

from collections.abc import Sequence

import numpy as np

from kerasviz.errors import InputError, SettingError
from kerasviz.features.weights.convolutions import read_kernel
from kerasviz.features.weights.filter_set import Filters, numbers_of
from kerasviz.features.weights.similarity import by_similarity
from kerasviz.network import loading

SORTS = ("norm", "similarity")


def filters(
    model,
    layer=None,
    *,
    part: str | None = None,
    channels: Sequence[int] | None = None,
    sort: str | None = None,
) -> Filters:
    """The filters of a convolution: of any kind, in one, two or three dimensions, in any nesting.

    Args:
        model: a built Keras model, or the path of a saved one. It is only read.
        layer: a path such as "base/block5_conv3", the end of one that is unique, an index into `model.layers`, or the
            layer object; None for the model's first convolution. A custom layer may be named if it has a weight of four
            axes `(kh, kw, inputs, filters)`.
        part: which kernel, of a layer with several: "depthwise" or "pointwise" of a separable convolution, or the name
            of a custom layer's weight. None for the first.
        channels: numbers of the filters wanted, counted from 0, or from the end if negative; None for all.
        sort: "norm" puts those of the largest Euclidean norm first. "similarity" puts those beside each other that
            point the same way: the leaves of a hierarchical clustering by average cosine distance, ordered so that
            neighbours are as near as the tree allows (Bar-Joseph et al. 2001); filters that are zero come last. None
            keeps them as asked for.

    Raises:
        LoadError: a path at which there is no model.
        ModelError: not a built Keras model.
        LayerError: no layer or several fit, or it holds no convolution's weights.
        SettingError: an unknown part, sort or channel.
        InputError: the weights contain NaN or infinity.

    Warns:
        KerasvizWarning: there are so many filters that neighbours are not put as near as can be (sort="similarity").

    Example:
        >>> import keras
        >>> model = keras.Sequential([keras.Input((32, 32, 3)), keras.layers.Conv2D(8, 7, name="stem")])
        >>> stem = filters(model, sort="norm")
        >>> stem.layer, stem.weights.shape
        ('stem', (7, 7, 3, 8))
        >>> norms = [row["norm"] for row in stem.statistics()]
        >>> norms == sorted(norms, reverse=True)
        True
    """
    if sort is not None and sort not in SORTS:
        raise SettingError(
            f"sort={sort!r} is no order", expected='"norm", "similarity" or None', mend="Choose one of these"
        )
    kernel = read_kernel(loading.as_model(model), layer, part)
    total = kernel.weights.shape[-1]
    order = np.arange(total) if channels is None else numbers_of(channels, total, "channels", "filters")
    if not np.isfinite(kernel.weights).all():
        raise InputError(
            f"The weights of {kernel.path!r} contain NaN or infinity",
            expected="finite weights",
            mend="The training diverged: go back to an earlier checkpoint",
        )
    flat = np.moveaxis(kernel.weights[..., order], -1, 0).reshape(len(order), -1).astype(np.float64)
    if sort == "norm":
        order = order[np.argsort(-np.linalg.norm(flat, axis=1), kind="stable")]
    elif sort == "similarity":
        order = order[by_similarity(flat)]
    return Filters(
        np.ascontiguousarray(kernel.weights[..., order]),
        kernel.path,
        kernel.kind,
        kernel.part,
        order,
        total,
        kernel.groups,
        kernel.depthwise,
        kernel.transposed,
        sort,
    )
