"""What units of a layer see of the image: boxes, the patches cut there, and how both are drawn."""

import numpy as np

from kerasviz import plotting
from kerasviz.errors import InputError, LayerError
from kerasviz.network import Network
from kerasviz.network.layers import Address
from kerasviz.network.receptive_fields import ReceptiveField, receptive_field
from kerasviz.network.streaming import Stream

_PERCENTILE = 99.5  # beyond it contrast is clipped: a reconstruction has a few very strong pixels
_SIDE = 64  # pixels below which patches are enlarged, so that the gaps between them stay thin


def source_of(network: Network, address: Address, name: str | None = None) -> int:
    """The number, among the network's inputs, of the one that a layer looks at.

    Args:
        network: the network.
        address: the layer.
        name: of the input, for a layer that looks at several.

    Raises:
        InputError: the layer looks at several inputs and none is named, or not at the one that is.
    """
    names = [spec.name for spec in network.inputs.specs]
    seen = sorted(network.trace.sources_of(address) or names, key=names.index)
    if name is None and len(seen) == 1:
        return names.index(seen[0])
    if name not in seen:
        raise InputError(
            f"The layer {str(address)!r} looks at {', '.join(map(repr, seen))}, and input={name!r} is given",
            expected="one of these",
            mend=f"Say which: input={seen[0]!r}",
        )
    return names.index(name)


def field_of(network: Network, address: Address, source: int, size: tuple[int, ...]) -> ReceptiveField | None:
    """The receptive field of a layer in one input of some size; None if its units have no place there.

    Args:
        network: the network.
        address: the layer.
        source: the number of the input.
        size: of it, along its axes of space.
    """
    spec = network.inputs.specs[source]
    try:
        field = receptive_field(network, address, size if None in spec.shape[1:-1] else None)
    except LayerError:
        return None
    return field if field.input == spec.name else None


def boxes_in(field: ReceptiveField | None, positions: np.ndarray, size: tuple[int, ...]) -> np.ndarray:
    """What units see of an image.

    Args:
        field: of the layer; None for units that see it all.
        positions: `(M, axes)`.
        size: of the image, along its axes of space.

    Returns:
        `(M, 2 * axes)` int: the first pixels along all axes, then those behind the last: `y0, x0, y1, x1`.
    """
    if field is None:
        return np.tile([0] * len(size) + list(size), (len(positions), 1)).astype(int)
    places, back = np.unique(positions, axis=0, return_inverse=True)
    return np.array([field.box(place) for place in places], int)[back.reshape(-1)]


def cut(image: np.ndarray, box) -> np.ndarray:
    """The part of an image `(*space, C)` in a box of starts and ends; a view."""
    starts, ends = np.reshape(box, (2, -1)).tolist()
    return image[tuple(map(slice, starts, ends))]


def collect(data, name: str, asked) -> dict:
    """Patches of samples that may be too many for memory; goes through the data once.

    Args:
        data: as for `Stream`, in any type; batches may be dicts by the names of inputs.
        name: of the input, for batches that are dicts.
        asked: triples of a sample's number, a box in it, and a key.

    Returns:
        The patches by key; copies.

    Raises:
        InputError: the data ends before a sample, or a box is beyond its rim.
    """
    wanted: dict[int, list] = {}
    for number, box, key in asked:
        wanted.setdefault(number, []).append((box, key))
    found = {}
    for start, (images,) in Stream(_AsGiven(name), data):
        for number in sorted(wanted.keys() & set(range(start, start + len(images)))):
            for box, key in wanted.pop(number):
                _check_inside(images[number - start], box, number)
                found[key] = cut(images[number - start], box).copy()
        if not wanted:
            return found
    raise InputError(
        f"The data ends before sample {min(wanted)}",
        expected="all samples that the numbers are of, in their order",
        mend="Pass the data in which they were found",
    )


def stretched(values: np.ndarray) -> np.ndarray:
    """A reconstruction `(H, W, C)` as a picture: zero is mid-grey, its own contrast stretched about it.

    Returns:
        `uint8`, `(H, W, 3)`.
    """
    magnitude = np.abs(values)
    reach = float(np.percentile(magnitude, _PERCENTILE)) or float(magnitude.max()) or 1.0
    return plotting.display_image(values, value_range=(-reach, reach))


def alike(pictures: list[np.ndarray]) -> list[np.ndarray]:
    """Pictures brought to one size by white borders, so that a pixel is as large in each of them."""
    high, wide = (max(picture.shape[axis] for picture in pictures) for axis in (0, 1))
    made = []
    for picture in pictures:
        below, right = high - picture.shape[0], wide - picture.shape[1]
        borders = ((below // 2, below - below // 2), (right // 2, right - right // 2), (0, 0))
        made.append(np.pad(picture, borders, constant_values=255))
    return made


def montage(pictures: list[np.ndarray], cols: int = 3) -> np.ndarray:
    """Patches in rows of `cols`, enlarged by whole numbers where they are small.

    Returns:
        `uint8`, `(H, W, 3)`.
    """
    zoom = max(1, -(-_SIDE // max(max(picture.shape[:2]) for picture in pictures)))
    return plotting.grid([picture.repeat(zoom, 0).repeat(zoom, 1) for picture in pictures], cols=cols)


class _AsGiven:
    """Takes images as they are, in the place of a network's inputs."""

    def __init__(self, name):
        self._name = name

    def check(self, images):
        if isinstance(images, dict) and self._name in images:
            images = images[self._name]
        try:
            array = np.asarray(images)
        except ValueError:
            array = np.zeros(0, object)
        if array.dtype.kind not in "fbui" or array.ndim < 2:
            raise InputError(
                f"The data holds a {type(images).__name__} that is no batch of images",
                expected="images of one size in a batch",
                mend=f"Pass those of the input {self._name!r} alone",
            )
        return [array]


def _check_inside(image, box, number):
    ends = box[len(box) // 2 :]
    if image.ndim <= len(ends) or (np.array(image.shape[: len(ends)]) < ends).any():
        raise InputError(
            f"Sample {number} of the data has the shape {image.shape}, and a patch ends at {ends.tolist()}",
            expected="the images in the size in which the network took them, with an axis of channels",
            mend="Resize them to the network's input",
        )
