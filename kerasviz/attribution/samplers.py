"""What may stand in a window of an image whose own pixels are unknown: random draws of them."""

import itertools
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator

import numpy as np

from kerasviz.checks import checked_count, checked_seed
from kerasviz.errors import InputError, SettingError

#: Draws of one place that come from one generator: making one costs more than some dozens of numbers.
_BLOCK = 16


class Sampler(ABC):
    """Draws of what may stand in a window of an image. Make your own by writing `draw`."""

    def check(self, shape: tuple, size: tuple, name: str) -> None:  # noqa: B027, there may be nothing to refuse
        """Refuse images that it cannot draw for.

        Args:
            shape: of one image, `(*space, C)`.
            size: of the windows, along each axis of space.
            name: of the input, for errors.

        Raises:
            InputError: the images do not fit.
            SettingError: the windows do not fit.
        """

    @abstractmethod
    def draw(self, image: np.ndarray, starts: np.ndarray, size: tuple, draws: np.ndarray, seed: int) -> np.ndarray:
        """Draw what may stand in windows of one image.

        A draw depends on the image, its window's place, its own number and the seed alone, not on the others.

        Args:
            image: `(*space, C)`, as the model takes it.
            starts: `(n, axes)`, the first pixel of the window of each draw.
            size: of the windows, along each axis of space.
            draws: `(n,)`, the number of each draw among those of its window, from 0.
            seed: a whole number.

        Returns:
            `(n, *size, C)`.
        """


class ImageSampler(Sampler):
    """The same image's own windows at other places, each as likely as any other.

    It needs no other images. What it draws has the image's own colours and textures, but also its subject.
    """

    def check(self, shape, size, name):  # noqa: D102
        if tuple(shape[:-1]) == tuple(size):
            raise SettingError(
                f"window={times(size)} for the input {name!r} of {times(shape[:-1])}",
                expected="a window smaller than the image, so that there are others to draw",
                mend="Take a smaller window, or give training_images=",
            )

    def draw(self, image, starts, size, draws, seed):  # noqa: D102
        shape = [whole - length + 1 for whole, length in zip(image.shape[:-1], size, strict=True)]
        found = drawn(seed, starts, draws, lambda numbers, count: numbers.integers(np.prod(shape) - 1, size=count))
        found += found >= np.ravel_multi_index(tuple(np.transpose(starts)), shape)
        return windows(image, np.transpose(np.unravel_index(found, shape)), size)


class MarginalSampler(Sampler):
    """The window at the same place of other images, chosen at random.

    Zintgraf et al. 2017, section 3: the marginal distribution, which ignores what surrounds the window. The images
    of one place are drawn without replacement: as many draws as images give their exact mean.

    Args:
        images: `(N, *space, C)`, at least two, of the size of those that are explained.

    Raises:
        InputError: they are no such array, too few, or hold NaN.

    Example:
        >>> import numpy as np
        >>> sampler = MarginalSampler(np.arange(48.0).reshape(4, 4, 3, 1))
        >>> draws = sampler.draw(np.zeros((4, 3, 1)), np.array([[2, 1]] * 4), (2, 1), np.arange(4), seed=0)
        >>> draws.shape, np.sort(draws[:, 0, 0, 0]).tolist()
        ((4, 2, 1, 1), [7.0, 19.0, 31.0, 43.0])
    """

    def __init__(self, images):
        self.images = np.concatenate(list(batches(images if hasattr(images, "shape") else np.asarray(images))))
        if len(self.images) < 2:
            raise InputError(
                f"{len(self.images)} image to draw from",
                expected="at least two, and better some hundreds",
                mend="Give more images; without any, the explained image's own windows are drawn",
            )

    @classmethod
    def fit(cls, images, *, most: int = 1000, seed: int = 0) -> "MarginalSampler":
        """Keep a random choice of images.

        Args:
            images: `(N, *space, C)`, or an iterable of such batches, with or without labels, which is read once.
            most: how many images are kept at most. Each has the same chance, whatever the batches.
            seed: of the choice.

        Raises:
            InputError: as for the class.
            SettingError: `most` or the seed is out of range.
        """
        most, numbers = checked_count("most", most), np.random.default_rng(checked_seed(seed))
        kept = []
        for seen, image in enumerate(itertools.chain.from_iterable(batches(images))):
            if kept and image.shape != kept[0].shape:
                raise InputError(
                    f"Images of the shapes {kept[0].shape} and {image.shape}",
                    expected="images of one size, whose places can be compared",
                    mend="Resize them, or take the conditional sampler",
                )
            # Vitter 1985, algorithm R. A copy, since a view would keep its whole batch in memory.
            place = seen if seen < most else int(numbers.integers(seen + 1))
            if place < most:
                kept[place : place + 1] = [image.copy()]
        return cls(np.stack(kept))

    def check(self, shape, size, name):  # noqa: D102
        if tuple(shape) != self.images.shape[1:]:
            raise InputError(
                f"The input {name!r} has images of {tuple(shape)}, and those to draw from are {self.images.shape[1:]}",
                expected="images of one shape",
                mend="Resize the images to draw from as those that are explained",
            )

    def draw(self, image, starts, size, draws, seed):  # noqa: D102
        places, which = unique(starts)
        orders = np.stack([np.random.default_rng([seed, *place]).permutation(len(self.images)) for place in places])
        chosen = orders[which, draws % len(self.images)]
        return np.stack([self.images[(n, *box(start, size))] for n, start in zip(chosen, starts, strict=True)])


def batches(images) -> Iterator[np.ndarray]:
    """The batches of an array or an iterable of batches, with or without labels, checked; one image at least."""
    if not hasattr(images, "shape") and not isinstance(images, Iterable):
        raise InputError(
            f"Images to draw from of the type {type(images).__name__}",
            expected="an array of the shape (N, H, W, C), or an iterable of such batches",
            mend="Load pictures with kerasviz.data.load_images",
        )
    first = None
    for given in [images] if hasattr(images, "shape") else images:
        try:
            batch = np.asarray(given[0] if isinstance(given, tuple) else given)
        except ValueError:  # Rows of different lengths.
            batch = np.array(None)
        if batch.ndim < 3 or batch.dtype.kind not in "fbui" or not np.isfinite(batch).all():
            raise InputError(
                f"Images to draw from of the shape {batch.shape} and the type {batch.dtype}, or with NaN",
                expected="finite numbers of the shape (N, H, W, C)",
                mend="Give batches of images of one size, as the model takes them",
            )
        if first is not None and (batch.ndim, batch.shape[-1]) != (len(first), first[-1]):
            raise InputError(
                f"Batches to draw from of the shapes {first} and {batch.shape}",
                expected="the same number of axes and channels",
                mend="Convert all images to the channels that the model takes",
            )
        if len(batch):
            first = first or batch.shape
            yield batch
    if first is None:
        raise InputError(
            "No images to draw from",
            expected="an array of images, or an iterable of batches that has not been read before",
            mend="Give some hundreds of images of the kind that is explained",
        )


def drawn(seed, starts, draws, make):
    """Random numbers for each draw; `make(generator, count)` makes those of the first draws of a block."""
    blocks, which = unique(np.column_stack([starts, draws // _BLOCK]))
    inside, found = draws % _BLOCK, None
    for number, block in enumerate(blocks):
        rows = which == number
        made = make(np.random.default_rng([seed, *block]), inside[rows].max() + 1)
        found = np.empty((len(draws), *made.shape[1:]), made.dtype) if found is None else found
        found[rows] = made[inside[rows]]
    return found


def unique(rows):
    """The distinct rows, and the number of each row's among them."""
    found, which = np.unique(rows, axis=0, return_inverse=True)
    return found, which.ravel()


def windows(image, starts, size):
    """Windows of an image, `(n, *size, C)`."""
    return np.stack([image[box(start, size)] for start in starts])


def box(start, size) -> tuple:
    """The slices that cut a window."""
    return tuple(slice(first, first + length) for first, length in zip(start, size, strict=True))


def times(numbers) -> str:
    """Sizes in words."""
    return " x ".join(map(str, numbers))
