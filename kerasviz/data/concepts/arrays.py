"""Labelled images that are in memory already."""

import hashlib

import numpy as np

from kerasviz.data.concepts.base import Concept, ConceptData, Labelled
from kerasviz.errors import InputError


class ConceptArrays(ConceptData):
    """Labelled images from arrays.

    Args:
        images: `(N, H, W, C)` uint8.
        maps: `(N, M, h, w)` whole numbers: 0 for nothing, `k + 1` for `concepts[k]`; or `(N, h, w)`.
        concepts: `Concept`s, or pairs of a name and a category.
        tags: for each image the concepts that it shows as a whole, as codes `k + 1`; None for none.

    Raises:
        InputError: the arrays do not fit together, or a code has no concept.

    Example:
        >>> import numpy as np
        >>> from kerasviz.data import ConceptArrays
        >>> images = np.zeros((2, 8, 8, 3), np.uint8)
        >>> maps = np.zeros((2, 8, 8), int)
        >>> maps[0, :4] = 1
        >>> data = ConceptArrays(images, maps, [("sky", "scene part")])
        >>> len(data), data.categories
        (2, ('scene part',))
    """

    def __init__(self, images, maps, concepts, tags=None):
        images, maps = np.asarray(images), np.asarray(maps)
        if images.ndim != 4 or images.dtype != np.uint8:
            raise InputError(
                f"The images have the shape {images.shape} and the dtype {images.dtype}",
                expected="(N, height, width, channels), uint8",
                mend="Pass pixels in 0..255, as they are before preprocessing",
            )
        maps = maps[:, None] if maps.ndim == 3 else maps
        if maps.ndim != 4 or len(maps) != len(images) or maps.dtype.kind not in "iu":
            raise InputError(
                f"The label maps have the shape {maps.shape} and the dtype {maps.dtype}",
                expected=f"({len(images)}, maps, height, width) whole numbers",
                mend="Give each image its maps",
            )
        self.concepts = tuple(Concept(*concept) for concept in concepts)
        self._tags = [()] * len(images) if tags is None else [tuple(map(int, each)) for each in tags]
        codes = {int(maps.min(initial=0)), int(maps.max(initial=0)), *(code for each in self._tags for code in each)}
        if len(self._tags) != len(images) or min(codes) < 0 or max(codes) > len(self.concepts):
            raise InputError(
                f"{len(self._tags)} rows of tags, and codes from {min(codes)} to {max(codes)}",
                expected=f"{len(images)} rows, and codes up to {len(self.concepts)}, the number of concepts",
                mend="The code of concepts[k] is k + 1; 0 stands for nothing",
            )
        if len(set(self.concepts)) < len(self.concepts):
            raise InputError("Two concepts are alike", expected="each once", mend="Give them one code")
        self._images, self._maps = images, maps
        self.image_size, self.map_size = images.shape[1:3], maps.shape[2:]

    @property
    def fingerprint(self) -> str:  # noqa: D102
        digest = hashlib.sha256(repr((self.concepts, self._tags, self._maps.dtype)).encode())
        for array in (self._images, self._maps):
            digest.update(repr(array.shape).encode())
            digest.update(np.ascontiguousarray(array).data)
        return digest.hexdigest()

    def __len__(self):
        return len(self._images)

    def read(self, number):  # noqa: D102
        number = self.checked(number)
        return Labelled(self._images[number], self._maps[number], self._tags[number])

    def name_of(self, number):  # noqa: D102
        return f"image {self.checked(number)}"
