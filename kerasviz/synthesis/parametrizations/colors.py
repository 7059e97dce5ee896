"""Colours whose numbers are independent of one another, as those of photographs are not.

In photographs red, green and blue rise and fall together. Where an optimizer changes brightness, and the two
contrasts of colour beside it, by steps that fit how much each varies in photographs, it does not run off into
colours that none of them has (Olah et al. 2017, "Feature Visualization"). The change of axes is a matrix `M`, a
square root of the covariance of colours, `M Mᵀ = covariance`, up to a factor: `colour = M @ numbers`.
"""

import numpy as np

from kerasviz.errors import InputError, SettingError

_IMAGENET_ROOT = np.array([[0.26, 0.09, 0.02], [0.27, 0.00, -0.05], [0.27, -0.09, 0.03]])
#: Of red, green and blue in ImageNet's photographs, as lucid has it. Its columns are brightness, red against blue,
#: and green against both.
IMAGENET_COLORS = _IMAGENET_ROOT / np.linalg.norm(_IMAGENET_ROOT, axis=0).max()
IMAGENET_COLORS.flags.writeable = False


def color_matrix(images) -> np.ndarray:
    """The matrix that makes colours out of independent numbers, computed from your images.

    The columns are the principal axes of the pixels' colours, the most varying first, each as long as its standard
    deviation, all divided by the length of the longest. The range of the images' values therefore does not matter.
    Each axis points to where its entries sum to more than 0 (or, if they sum to 0, the first of them does).

    Args:
        images: `(N, H, W, C)`, any number of channels, any values. Some hundred photographs will do.

    Returns:
        `(C, C)` float64, for `decorrelate=` of a parametrization.

    Raises:
        InputError: not images, not finite, or all pixels have the same colour.

    Example:
        >>> import numpy as np
        >>> brightness = np.random.default_rng(0).normal(size=(4, 8, 8, 1))
        >>> color_matrix(brightness * [1.0, 2.0]).round(3).tolist()
        [[0.447, 0.0], [0.894, 0.0]]
    """
    images = np.asarray(images)
    if images.ndim != 4 or images.size == 0 or images.dtype.kind not in "fbui":
        raise InputError(
            f"The images have the shape {images.shape} and the dtype {images.dtype}",
            expected="numbers of the shape (N, H, W, C)",
            mend="Load pictures with kerasviz.data.load_images",
        )
    if not np.isfinite(images).all():
        raise InputError(
            "The images hold NaN or infinite values", expected="finite numbers", mend="Look at how they were made"
        )
    channels = images.shape[-1]
    mean = images.mean(axis=(0, 1, 2), dtype=np.float64)
    scatter = np.zeros((channels, channels))
    # Image by image, so that no float64 copy of all of them is held.
    for image in images:
        deviations = image.reshape(-1, channels) - mean
        scatter += deviations.T @ deviations
    variances, axes = np.linalg.eigh(scatter)
    if variances[-1] <= 1e-12 * max(1.0, (mean**2).sum()):
        raise InputError(
            "All pixels of the images have the same colour",
            expected="images with several colours",
            mend="Give more images, or decorrelate=False",
        )
    variances, axes = variances[::-1], axes[:, ::-1]
    # What rounding leaves of an axis along which nothing varies.
    spreads = np.sqrt(np.where(variances > 1e-10 * variances[0], variances, 0))
    sums = axes.sum(axis=0)
    signs = np.sign(np.where(np.abs(sums) > 1e-9, sums, axes[0]))
    return axes * np.where(signs < 0, -1, 1) * spreads / spreads[0] + 0.0


def checked_colors(decorrelate) -> bool | tuple:
    """The setting `decorrelate` of a parametrization, checked and immutable.

    Args:
        decorrelate: True for ImageNet's colours where images have three channels, and for channels as they are
            elsewhere; False for channels as they are; or a matrix, such as `color_matrix` makes.

    Raises:
        SettingError: it is something else.
    """
    if isinstance(decorrelate, bool | np.bool_):
        return bool(decorrelate)
    try:
        matrix = np.asarray(decorrelate, np.float64)
    except (TypeError, ValueError):
        matrix = np.empty(0)
    square = matrix.ndim == 2 and matrix.shape[0] == matrix.shape[1] > 0
    if not square or not np.isfinite(matrix).all() or not matrix.any():
        raise SettingError(
            f"decorrelate={decorrelate!r}",
            expected="True, False, or a square matrix of finite numbers",
            mend="Compute a matrix by kerasviz.synthesis.color_matrix(images)",
        )
    return tuple(map(tuple, matrix.tolist()))


def matrix_of(decorrelate: bool | tuple, channels: int) -> np.ndarray | None:
    """The matrix that a checked setting means for images of some channels; None for channels as they are.

    Raises:
        SettingError: a matrix for another number of channels.
    """
    if isinstance(decorrelate, bool):
        return IMAGENET_COLORS if decorrelate and channels == 3 else None
    if len(decorrelate) != channels:
        raise SettingError(
            f"decorrelate is a matrix for {len(decorrelate)} channels",
            expected=f"one for the {channels} of the images",
            mend="Compute it from images of the same kind",
        )
    return np.array(decorrelate)
