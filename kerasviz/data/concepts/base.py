"""What a densely labelled data set is."""

import operator
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from kerasviz.errors import SettingError


class Concept(NamedTuple):
    """Something that pixels can show.

    Attributes:
        name: such as "wheel".
        category: such as "part".
    """

    name: str
    category: str


@dataclass(frozen=True, eq=False)
class Labelled:
    """An image and what its pixels show.

    Attributes:
        image: `(H, W, C)` uint8, as it is before preprocessing.
        maps: `(M, h, w)` unsigned integers, at the resolution of the segmentation: 0 for nothing, `k + 1` for
            `ConceptData.concepts[k]`. As many maps as it takes, from 0 on, and not as many for each image: a pixel
            may show several concepts of one category.
        tags: the codes `k + 1` of the concepts that the whole image shows, such as a scene, each once.
    """

    image: np.ndarray
    maps: np.ndarray
    tags: tuple[int, ...] = ()


class ConceptData(ABC):
    """Images whose every pixel is labelled with concepts, read one by one.

    A data set of another kind sets the attributes and has `fingerprint`, `__len__`, `read` and `name_of`.

    Attributes:
        concepts: all of them, no two alike.
        image_size: `(H, W)` of all images.
        map_size: `(h, w)` of all label maps.
        faults: what was left out when the set was opened, each with its place and the reason.
    """

    concepts: tuple[Concept, ...]
    image_size: tuple[int, int]
    map_size: tuple[int, int]
    faults: tuple[str, ...] = ()

    @property
    def categories(self) -> tuple[str, ...]:
        """The categories, in the order in which the concepts name them."""
        return tuple(dict.fromkeys(concept.category for concept in self.concepts))

    @property
    @abstractmethod
    def fingerprint(self) -> str:
        """Changes when the images, the labels or their order do."""

    @abstractmethod
    def __len__(self) -> int:
        """How many images there are."""

    @abstractmethod
    def read(self, number: int) -> Labelled:
        """One image and its labels. May be called from several threads at once.

        Args:
            number: from 0 to the length less one.

        Raises:
            DataError: it cannot be read: a missing file, a wrong size, an unknown label.
            SettingError: there is no such number.
        """

    @abstractmethod
    def name_of(self, number: int) -> str:
        """What a reader calls an image: its file's path within the set, or "scene 17"."""

    def checked(self, number: int) -> int:
        """A number of an image as an int.

        Raises:
            SettingError: there is no such number.
        """
        try:
            index = operator.index(number)
        except TypeError:
            index = -1
        if not 0 <= index < len(self):
            raise SettingError(
                f"There is no image {number!r} in the data set",
                expected=f"a whole number from 0 to {len(self) - 1}",
                mend="Count from 0",
            )
        return index
