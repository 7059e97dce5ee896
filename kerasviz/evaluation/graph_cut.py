"""The object that a saliency map hints at, cut out by its colours."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np

from kerasviz.errors import InputError, SettingError
from kerasviz.evaluation.box_finding import mask_boxes
from kerasviz.plotting import display_image
from kerasviz.plotting.arrays import check_finite, to_numbers
from kerasviz.plotting.montage import read_pictures
from kerasviz.plotting.notices import warn


def graphcut(image, saliency, foreground: float = 0.95, background: float = 0.30, iterations: int = 5) -> np.ndarray:
    """Cuts the object out of an image by its colours, seeded by a saliency map (Simonyan et al. 2014, section 3.2).

    Saliency marks the most discriminative part of an object, not all of it; the cut spreads over pixels of
    like colour. Pixels above the `foreground` quantile of the saliency are object, pixels below the
    `background` quantile are not (both strictly). A mixture of Gaussians of the colours is fitted to either
    group (not to the pixels between, as `grabCut` would by itself: half the picture would count as background), and
    the pixels between go where the graph cut of OpenCV's `grabCut` puts them.

    Where so many pixels share the lowest value that none lies below the quantile, as in a map that went through
    a ReLU, these are the background. Where none lies above the `foreground` quantile, as in a constant map,
    nothing tells the object: the mask is the whole image, with a `KerasvizWarning`.

    The result repeats: the seed of OpenCV's random numbers is set for each image. They belong to a thread, so
    this happens in a thread of its own and leaves the caller's as they were.

    Args:
        image: `(H, W)` grey or `(H, W, C)`, read as `kerasviz.plotting.display_image` does: `uint8`, or floats
            in 0..1. Give the display image, not the network's input.
        saliency: `(H, W)`, one finite value a pixel.
        foreground: quantile over which a pixel is object.
        background: quantile under which it is not.
        iterations: number of cuts. The paper makes 1, with the colours of the seeds alone; each further one
            first learns the colours anew from the cut before (Rother et al. 2004, GrabCut).

    Returns:
        Boolean `(H, W)`. Its box, as in the paper, is `mask_boxes(mask)`: that of its largest component.

    Raises:
        InputError: wrong shapes or types, NaN or infinity.
        SettingError: quantiles or iterations out of range.

    Example:
        >>> image = np.full((20, 30, 3), 255, np.uint8)
        >>> image[5:15, 10:20] = (200, 0, 0)
        >>> y, x = np.ogrid[:20, :30]
        >>> saliency = 1 / (1 + np.hypot(y - 10, x - 15))  # the strongest in the middle of the red
        >>> mask_boxes(graphcut(image, saliency)).tolist()
        [[10, 5, 20, 15]]
    """
    _check(foreground, background, iterations)
    picture = display_image(image)
    if picture.ndim != 3:
        raise InputError(
            f"The image has the shape {np.shape(image)}, which is a batch",
            expected="one image",
            mend="Use graphcut_boxes, or pass the images one by one",
        )
    return _cut_all([picture], [_to_map(saliency, picture, "")], foreground, background, iterations)[0]


def graphcut_boxes(
    images, saliency, foreground: float = 0.95, background: float = 0.30, iterations: int = 5
) -> list[np.ndarray]:
    """The box of each image by `graphcut`: the largest component of its mask.

    Args:
        images: a batch `(N, H, W, C)` or `(N, H, W)`, or a list of images of any sizes.
        saliency: `(N, H, W)`, an array or an `Explanation`; or a list of maps `(H, W)`.
        foreground: as for `graphcut`.
        background: as for `graphcut`.
        iterations: as for `graphcut`.

    Returns:
        For each image an `int64` array `(1, 4)`, as `boxes` gives.

    Raises:
        InputError: wrong shapes or types, NaN or infinity (the sample is named), or maps and images that do
            not pair up.
        SettingError: quantiles or iterations out of range.

    Example:
        >>> from kerasviz.data import shapes
        >>> scenes = shapes.scenes(2, seed=1)
        >>> saliency = np.random.default_rng(0).random((2, 64, 64)) * (1 + scenes.subject_mask())
        >>> [found.shape for found in graphcut_boxes(scenes.images, saliency)]
        [(1, 4), (1, 4)]
    """
    _check(foreground, background, iterations)
    pictures = read_pictures(images)
    maps = list(saliency)
    if len(maps) != len(pictures):
        raise InputError(
            f"{len(pictures)} images were given with {len(maps)} maps",
            expected="one map for each image",
            mend="Pass the batch that was explained",
        )
    pairs = zip(maps, pictures, strict=True)
    maps = [_to_map(values, picture, f" of sample {index}") for index, (values, picture) in enumerate(pairs)]
    return [mask_boxes(mask) for mask in _cut_all(pictures, maps, foreground, background, iterations)]


def _to_map(saliency, picture: np.ndarray, name: str) -> np.ndarray:
    values = to_numbers(saliency, f"The saliency map{name}")
    if values.shape != picture.shape[:2]:
        raise InputError(
            f"The saliency map{name} has the shape {values.shape}, its image {picture.shape[:2]}",
            expected="one value for each pixel of the image",
            mend="Reduce channels by kerasviz.plotting.reduce_channels, and resize the map to the image",
        )
    values = values.astype(np.float64)
    check_finite(values[None], f"saliency map{name}", single=True)
    return values


def _cut_all(pictures, maps, foreground, background, iterations) -> list[np.ndarray]:
    seeds = [_seed(values, foreground, background) for values in maps]
    blind = [index for index, trimap in enumerate(seeds) if trimap is None]
    if blind:
        which = "The saliency map has" if len(maps) == 1 else f"The saliency maps of samples {blind} have"
        warn(f"{which} no value above the quantile {foreground}: the whole image is taken for the object")
    with ThreadPoolExecutor(max_workers=1) as own_thread:
        masks = own_thread.map(lambda picture, trimap: _cut(picture, trimap, iterations), pictures, seeds)
        return list(masks)


def _seed(values: np.ndarray, foreground: float, background: float) -> np.ndarray | None:
    """What `grabCut` starts from: sure pixels, and the rest; None if no pixel is surely object."""
    import cv2

    low, high = np.quantile(values, [background, foreground])
    sure, away = values > high, values < low
    if not sure.any():
        return None
    trimap = np.full(values.shape, cv2.GC_PR_BGD, np.uint8)
    trimap[away if away.any() else values == values.min()] = cv2.GC_BGD
    trimap[sure] = cv2.GC_FGD
    return trimap


def _cut(picture: np.ndarray, trimap: np.ndarray | None, iterations: int) -> np.ndarray:
    import cv2

    if trimap is None:
        return np.ones(picture.shape[:2], bool)
    cv2.setRNGSeed(0)  # of this thread; k-means draws from it
    # A picture of the sure pixels alone: grabCut would fit its colours to all others, too.
    sure = trimap != cv2.GC_PR_BGD
    colors = [np.zeros((1, 65)), np.zeros((1, 65))]
    cv2.grabCut(picture[sure][None], trimap[sure][None], None, *colors, 0, cv2.GC_INIT_WITH_MASK)
    cv2.grabCut(picture, trimap, None, *colors, 1, cv2.GC_EVAL_FREEZE_MODEL)
    cv2.grabCut(picture, trimap, None, *colors, iterations - 1, cv2.GC_EVAL)
    return (trimap == cv2.GC_FGD) | (trimap == cv2.GC_PR_FGD)


def _check(foreground, background, iterations) -> None:
    numbers = all(isinstance(each, (int, float, np.number)) for each in (foreground, background))
    if not (numbers and 0 < background < foreground < 1):
        raise SettingError(
            f"The quantiles foreground={foreground!r} and background={background!r} are out of range",
            expected="0 < background < foreground < 1",
            mend="Use the paper's, 0.95 and 0.30",
        )
    if not isinstance(iterations, (int, np.integer)) or iterations < 1:
        raise SettingError(f"iterations={iterations!r} is no number of cuts", expected="1 or more", mend="Use 5")
