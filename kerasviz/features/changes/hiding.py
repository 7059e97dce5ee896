"""Parts of images that are hidden: where they are, where else they could be, and what hides them."""

import numpy as np

from kerasviz.errors import InputError, SettingError
from kerasviz.plotting.boxes import to_boxes

_FILLS = ("grey", "mean")


def fill_like(images: np.ndarray, fill) -> np.ndarray:
    """What hides parts of images.

    Args:
        images: `(N, H, W, C)`.
        fill: "grey" for the middle of each image's own range, "mean" for its mean colour, a number, or a colour of C
            numbers.

    Returns:
        An array of the shape and dtype of `images`; do not write to it.

    Raises:
        SettingError: it is none of these.
    """
    if isinstance(fill, str) and fill in _FILLS:
        wide = images.astype(np.float64)
        if fill == "mean":
            made = wide.mean(axis=(1, 2), keepdims=True)
        else:
            made = (wide.min((1, 2, 3), keepdims=True) + wide.max((1, 2, 3), keepdims=True)) / 2
    else:
        made = np.asarray(fill)
        fits = made.dtype.kind in "iuf" and made.shape in ((), images.shape[-1:])
        if not fits or not np.isfinite(made).all():
            raise SettingError(
                f"fill={fill!r}",
                expected=f'"grey", "mean", a number, or a colour of {images.shape[-1]} numbers',
                mend='Leave it out for "grey"',
            )
    made = made if images.dtype.kind == "f" else np.rint(made)
    return np.broadcast_to(made.astype(images.dtype), images.shape)


def to_masks(given, what: str, shape: tuple[int, int, int]) -> np.ndarray:
    """The places of a part as boolean masks `(N, H, W)`.

    Args:
        given: `(N, 4)` boxes `x0, y0, x1, y1` in pixels, half open; a pixel lies in a box that holds its centre. Or
            boolean masks.
        what: what it is, for the message: "The part 'eye'".
        shape: `(N, H, W)` of the images.

    Raises:
        InputError: wrong shape or type, another number than of images, or an image without a pixel of the part.
    """
    array = given if isinstance(given, np.ndarray) else None
    if array is not None and (array.dtype == bool or array.ndim == 3):
        if array.dtype != bool or array.shape != shape:
            raise InputError(
                f"{what} has the shape {array.shape} and the type {array.dtype}",
                expected=f"boolean masks {shape}, or boxes ({shape[0]}, 4)",
                mend="Make masks of the images' size, as in mask > 0",
            )
        masks = array
    else:
        boxes = to_boxes(given, what)
        if len(boxes) != shape[0]:
            raise InputError(
                f"{what} has {len(boxes)} boxes for {shape[0]} images",
                expected="one for each image",
                mend="Leave out the images that do not show the part",
            )
        y, x = (np.arange(length) + 0.5 for length in shape[1:])
        x0, y0, x1, y1 = boxes.T[..., None]
        masks = ((y0 <= y) & (y < y1))[:, :, None] & ((x0 <= x) & (x < x1))[:, None, :]
    empty = np.flatnonzero(~masks.any(axis=(1, 2)))
    if empty.size:
        raise InputError(
            f"{what} has no pixel in the image {empty[0]}",
            expected="a place in each image",
            mend="Leave out the images that do not show the part",
        )
    return masks


class RandomPlaces:
    """Patches of the form that a part has in each image, anywhere in that image.

    Args:
        masks: the part, `(N, H, W)` bool, with a pixel in each image.
        within: where the patches may have their centres, of the same shape; None for anywhere.
        name: of the part, for errors.

    Raises:
        SettingError: a patch has no room in its image.
    """

    def __init__(self, masks: np.ndarray, within: np.ndarray | None, name: str):
        self._shape = masks.shape
        self._patches, self._corners = [], []
        for n, mask in enumerate(masks):
            rows, columns = (np.flatnonzero(mask.any(axis=axis)) for axis in (1, 0))
            patch = mask[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
            high, wide = patch.shape
            # The upper left corners from which the patch does not leave the image.
            free = np.ones((mask.shape[0] - high + 1, mask.shape[1] - wide + 1), bool)
            if within is not None:
                free = within[n, high // 2 :, wide // 2 :][: free.shape[0], : free.shape[1]]
            if not free.any():
                raise SettingError(
                    f"The part {name!r} takes {wide} x {high} pixels of the image {n}, and finds no other place within",
                    expected="a place for the patch's centre from which it does not leave the image",
                    mend="Give a larger region within, or random=0",
                )
            self._patches.append(patch)
            self._corners.append(free)

    def draw(self, seed: int, draw: int) -> np.ndarray:
        """Masks `(N, H, W)`; those of image i depend on `seed`, `draw` and i."""
        moved = np.zeros(self._shape, bool)
        for n, (patch, free) in enumerate(zip(self._patches, self._corners, strict=True)):
            corners = np.flatnonzero(free)
            corner = corners[np.random.default_rng((seed, draw, n)).integers(len(corners))]
            y, x = divmod(corner, free.shape[1])
            moved[n, y : y + patch.shape[0], x : x + patch.shape[1]] = patch
        return moved
