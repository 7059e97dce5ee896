"""Draws of a window given what surrounds it, where patches of images are Gaussian."""

import itertools
import warnings

import numpy as np

from kerasviz.attribution.samplers import Sampler, batches, box, drawn, times, unique, windows
from kerasviz.checks import checked_count, checked_seed
from kerasviz.errors import InputError, KerasvizWarning, SettingError

#: What is added to each pixel's variance, as a share of their mean: far below the rounding of pictures to 8 bits.
_JITTER = 1e-6
#: The same for channels that are constant.
_LEAST_JITTER = 1e-30


class ConditionalGaussianSampler(Sampler):
    """The window given the pixels around it, where patches are Gaussian.

    Zintgraf et al. 2017, section 3.1: each channel of a patch is multivariate normal, wherever the patch lies, and
    independent of the other channels. A window of a patch given the rest of it has the mean
    `μ₁ + Σ₁₂ Σ₂₂⁻¹ (x₂ - μ₂)` and the covariance `Σ₁₁ - Σ₁₂ Σ₂₂⁻¹ Σ₂₁`. The patch is centred on the window; at an
    edge of the image it is moved inside, and the window then lies off its centre. Draws are clipped to the range of
    the channel's values. `ConditionalGaussianSampler.fit` makes one from images.

    Args:
        mean: `(C, *size)`, the mean patch of each channel.
        covariance: `(C, d, d)`, of the `d` pixels of a patch, in the order of `mean[c].ravel()`; positive definite.
        low: `(C,)`, the smallest value of each channel.
        high: `(C,)`, the largest.

    Raises:
        InputError: a shape does not fit the others, or a covariance is not positive definite.

    Example:
        >>> import numpy as np
        >>> covariance = np.array([[[2, 0.8, 0.3], [0.8, 1, 0.4], [0.3, 0.4, 1.5]]])
        >>> sampler = ConditionalGaussianSampler(np.array([[1.0, 2, 3]]), covariance, low=[-9], high=[9])
        >>> gain, root = sampler.conditional((1,), (0,))
        >>> (gain @ [0.5, -1.0] + 1).round(5).tolist(), (root**2).round(6).tolist()
        ([[1.41791]], [[[1.359701]]])
    """

    def __init__(self, mean, covariance, low, high):
        self.mean, self.covariance = np.asarray(mean, np.float64), np.asarray(covariance, np.float64)
        self.low, self.high = np.asarray(low, np.float64), np.asarray(high, np.float64)
        #: Of a patch, along each axis of space.
        self.size = self.mean.shape[1:]
        pixels = int(np.prod(self.size))
        fits = self.size and self.covariance.shape == (len(self.mean), pixels, pixels)
        if not fits or self.low.shape != self.mean.shape[:1] or self.high.shape != self.low.shape:
            raise InputError(
                f"mean {self.mean.shape}, covariance {self.covariance.shape}, low {self.low.shape}, "
                f"high {self.high.shape}",
                expected="the shapes (C, *size), (C, d, d), (C,) and (C,), with d pixels in a patch",
                mend="ConditionalGaussianSampler.fit(images, size) makes them",
            )
        self._conditionals: dict = {}
        self.conditional(self.size, (0,) * len(self.size))

    @classmethod
    def fit(cls, images, size, *, patches: int = 20_000, seed: int = 0) -> "ConditionalGaussianSampler":
        """Estimate mean and covariance from random patches of images.

        The images are read once, and all patches of images of equal sizes have the same chance, however the images
        are cut into batches. In memory are one batch and the chosen patches: 47 MB for 14 x 14 pixels of 3 channels.

        Where a covariance would be singular (constant images, or few), a millionth of the mean variance is added to
        that of every pixel.

        Args:
            images: `(N, *space, C)`, or an iterable of such batches, with or without labels; their
                sizes may differ.
            size: of a patch in pixels: a number, or one for each axis of space. A window and what surrounds it: the
                paper takes 14 for windows of 10.
            patches: how many; 20,000 is the authors' number.
            seed: of the choice.

        Raises:
            InputError: the images are no such arrays, of different channels, smaller than a patch, or hold NaN.
            SettingError: a number is out of range.

        Warns:
            KerasvizWarning: there are fewer different patches than pixels in a patch.
        """
        count, numbers = checked_count("patches", patches), np.random.default_rng(checked_seed(seed))
        kept, low, high, places = None, np.inf, -np.inf, 0
        for seen, image in enumerate(itertools.chain.from_iterable(batches(images)), start=1):
            size = _checked_size(size, image)
            views = np.lib.stride_tricks.sliding_window_view(image, size, axis=range(len(size)))
            space = views.shape[: len(size)]
            # Each place of the choice holds every image so far with the same chance.
            renewed = np.flatnonzero(numbers.random(count) < 1 / seen)
            kept = np.empty((count, *views.shape[len(size) :]), np.float32) if kept is None else kept
            kept[renewed] = views[tuple(numbers.integers(0, whole, len(renewed)) for whole in space)]
            axes = tuple(range(len(size)))
            low, high = np.minimum(low, image.min(axes)), np.maximum(high, image.max(axes))
            places += int(np.prod(space))
        pixels = int(np.prod(size))
        if min(places, count) <= pixels:
            warnings.warn(
                f"{min(places, count)} patches tell little about how {pixels} pixels vary together: give more images, "
                "or take smaller patches",
                KerasvizWarning,
                stacklevel=2,
            )
        flat = kept.reshape(count, kept.shape[1], pixels)
        covariance = np.stack([_covariance(flat[:, channel]) for channel in range(kept.shape[1])])
        return cls(kept.mean(0, dtype=np.float64), covariance, low, high)

    def conditional(self, size: tuple, offset: tuple) -> tuple[np.ndarray, np.ndarray]:
        """The distribution of a window's pixels given the rest of the patch.

        Args:
            size: of the window, along each axis.
            offset: where it lies in the patch.

        Returns:
            The gain `Σ₁₂ Σ₂₂⁻¹`, `(C, inside, outside)`, and a root of the covariance, `(C, inside, inside)`: lower
            triangular, its product with its transpose is the covariance. Pixels are in the order of a raveled patch.
        """
        if (size, offset) not in self._conditionals:
            inside = self._inside(size, offset)
            # The factor of the whole, the outside first, holds that of the conditional covariance.
            order = np.concatenate([np.flatnonzero(~inside), np.flatnonzero(inside)])
            outside = len(order) - inside.sum()
            factor = _cholesky(self.covariance[:, order[:, None], order])
            known, between = factor[:, :outside, :outside], factor[:, outside:, :outside]
            gain = np.linalg.solve(known.swapaxes(1, 2), between.swapaxes(1, 2)).swapaxes(1, 2)
            self._conditionals[size, offset] = gain, np.ascontiguousarray(factor[:, outside:, outside:])
        return self._conditionals[size, offset]

    def check(self, shape, size, name):  # noqa: D102
        if len(shape) - 1 != len(self.size) or shape[-1] != len(self.mean):
            raise InputError(
                f"The input {name!r} has images of {tuple(shape)}, and the sampler patches of {times(self.size)} "
                f"with {len(self.mean)} channels",
                expected="the same axes of space and channels",
                mend="Fit the sampler on images as the model takes them",
            )
        if any(patch > whole for patch, whole in zip(self.size, shape[:-1], strict=True)):
            raise InputError(
                f"The input {name!r} has images of {times(shape[:-1])}, smaller than the patches of {times(self.size)}",
                expected="images at least as large as a window and what surrounds it",
                mend="Take a smaller window= or padding=",
            )
        if any(window > patch for window, patch in zip(size, self.size, strict=True)):
            raise SettingError(
                f"window={times(size)} with patches of {times(self.size)}",
                expected="windows up to the size of the patches that were fitted",
                mend=f"Give window={times(self.size)} or less, or fit larger patches",
            )

    def draw(self, image, starts, size, draws, seed):  # noqa: D102
        size, channels = tuple(size), len(self.mean)
        places, which = unique(starts)
        margin = np.subtract(self.size, size) // 2
        corners = np.clip(places - margin, 0, np.subtract(image.shape[:-1], self.size))
        patches = np.moveaxis(windows(image, corners, self.size), -1, 1).reshape(len(places), channels, -1)
        apart = patches - self.mean.reshape(channels, -1)
        count = int(np.prod(size))
        noise = drawn(seed, starts, draws, lambda numbers, many: numbers.standard_normal((many, channels, count)))
        found = np.empty((len(draws), channels, count))
        offsets, kinds = unique(places - corners)
        for kind, offset in enumerate(map(tuple, offsets.tolist())):
            gain, root = self.conditional(size, offset)
            inside = self._inside(size, offset)
            here = kinds == kind
            means = np.empty((len(places), channels, count))
            # Products of one size for each place and each draw: so no batch changes their rounding.
            means[here] = np.matmul(gain, apart[here][..., ~inside, None])[..., 0]
            means[here] += self.mean.reshape(channels, -1)[:, inside]
            rows = here[which]
            found[rows] = means[which[rows]] + np.matmul(root, noise[rows][..., None])[..., 0]
        found = np.clip(found, self.low[:, None], self.high[:, None])
        return np.moveaxis(found.reshape(len(draws), channels, *size), 1, -1)

    def _inside(self, size, offset):
        """Which pixels of a raveled patch a window covers."""
        inside = np.zeros(self.size, bool)
        inside[box(offset, size)] = True
        return inside.ravel()


def _checked_size(size, image):
    """The size of a patch along each axis of space of an image."""
    axes = image.ndim - 1
    size = tuple(size) if isinstance(size, list | tuple) else (size,) * axes
    if len(size) != axes:
        raise SettingError(
            f"size={size!r} for images with {axes} axes of space",
            expected=f"a whole number of pixels, or {axes} of them",
            mend="size=14 is the paper's",
        )
    size = tuple(checked_count("size", length) for length in size)
    if any(length > whole for length, whole in zip(size, image.shape[:-1], strict=True)):
        raise InputError(
            f"Images to draw from of {times(image.shape[:-1])}, smaller than patches of {times(size)}",
            expected="images at least as large as a window and what surrounds it",
            mend="Take a smaller window= or padding=",
        )
    return size


def _covariance(rows):
    """The covariance of the columns, made positive definite."""
    found = (
        np.atleast_2d(np.cov(rows.astype(np.float64), rowvar=False))
        if len(rows) > 1
        else np.zeros((rows.shape[1],) * 2)
    )
    return found + np.eye(len(found)) * max(_JITTER * np.diag(found).mean(), _LEAST_JITTER)


def _cholesky(covariance):
    try:
        return np.linalg.cholesky(covariance)
    except np.linalg.LinAlgError as error:
        raise InputError(
            "The covariance of a channel is not positive definite",
            expected="symmetric matrices with positive eigenvalues",
            mend="Add a small number to their diagonals, as ConditionalGaussianSampler.fit does",
        ) from error
