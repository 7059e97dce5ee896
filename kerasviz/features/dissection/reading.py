"""Images of a labelled data set, read ahead of the network."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from kerasviz.data.concepts.base import ConceptData, Labelled
from kerasviz.errors import DataError, ImageError

_THREADS = 4
_AHEAD = 2  # batches


@dataclass(frozen=True)
class Batch:
    """A few images of a data set.

    Attributes:
        end: how many places of the order are done with this batch.
        numbers: of the images in the data set.
        samples: the images and their labels.
        faults: why others could not be read, by number.
    """

    end: int
    numbers: list[int]
    samples: list[Labelled]
    faults: dict[int, str]


def batches(data: ConceptData, order: np.ndarray, start: int, size: int, known=frozenset()) -> Iterator[Batch]:
    """Read a data set in a given order. Images that cannot be read are left out, and named.

    Args:
        data: the data set.
        order: numbers of its images.
        start: the place in the order to begin at.
        size: of a batch, counting the images that cannot be read.
        known: numbers of images that are not to be read at all.
    """
    with ThreadPoolExecutor(_THREADS) as pool:
        waiting, place = [], start
        try:
            while place < len(order) or waiting:
                while place < len(order) and len(waiting) <= _AHEAD:
                    numbers = [number for number in order[place : place + size].tolist() if number not in known]
                    place = min(place + size, len(order))
                    parts = [numbers[first::_THREADS] for first in range(_THREADS)]
                    waiting.append((place, numbers, [pool.submit(_read, data, part) for part in parts]))
                end, numbers, futures = waiting.pop(0)
                read = {number: found for future in futures for number, found in future.result()}
                yield _gathered(end, numbers, [read[number] for number in numbers])
        finally:
            pool.shutdown(cancel_futures=True)


def _read(data, numbers):
    """The images of these numbers, or in their place why they cannot be read."""
    read = []
    for number in numbers:
        try:
            read.append((number, _checked(data.read(number), data)))
        except (DataError, ImageError, OSError) as error:
            read.append((number, f"{data.name_of(number)}: {error}"))
    return read


def _checked(sample, data):
    """A sample as the data set says that all are: one that is not is a fault as any other."""
    sizes, most = (sample.image.shape[:2], sample.maps.shape[1:]), max([*sample.tags, sample.maps.max(initial=0)])
    if sizes != (tuple(data.image_size), tuple(data.map_size)) or most > len(data.concepts):
        raise DataError(
            f"its image has {sizes[0]} pixels, its maps have {sizes[1]}, and the highest code is {most}",
            expected=f"{tuple(data.image_size)}, {tuple(data.map_size)}, and codes up to {len(data.concepts)}",
            mend="Look at how the data set reads it",
        )
    return sample


def _gathered(end, numbers, read):
    good = [(number, found) for number, found in zip(numbers, read, strict=True) if not isinstance(found, str)]
    faults = {number: found for number, found in zip(numbers, read, strict=True) if isinstance(found, str)}
    return Batch(end, [number for number, _ in good], [found for _, found in good], faults)
