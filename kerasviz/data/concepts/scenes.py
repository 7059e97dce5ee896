"""The embedded scenes as a densely labelled data set."""

import hashlib

import numpy as np
from PIL import Image

import kerasviz
from kerasviz.data.concepts.base import ConceptData, Labelled
from kerasviz.data.concepts.settings import check_size
from kerasviz.data.shapes import CONCEPTS, scenes, stream


class SceneConcepts(ConceptData):
    """The scenes of `kerasviz.data.shapes`: shapes, parts, colours, textures and backgrounds, drawn when read.

    A scene takes about a millisecond. Nothing is kept, and the same number gives the same scene in any order and
    on any thread.

    Args:
        count: how many scenes, at least 1.
        size: `(height, width)` of the images, each at least 32.
        seed: at least 0. The embedded network was trained on seed 0; all others are new to it.
        map_size: `(height, width)` of the label maps, by nearest neighbour; None means `size`. Half of `size` makes
            dissection about four times cheaper.

    Attributes:
        concepts: `kerasviz.data.shapes.CONCEPTS`.
        image_size: `size`.
        map_size: as given. There are five maps an image, one for each of `kerasviz.data.shapes.CATEGORIES`.

    Raises:
        SettingError: an argument is out of range.

    Example:
        >>> from kerasviz.data.concepts import SceneConcepts
        >>> data = SceneConcepts(1000, map_size=(32, 32))
        >>> data.read(999).maps.shape, data.name_of(999)
        ((5, 32, 32), 'scene 999')
    """

    concepts = CONCEPTS

    def __init__(
        self,
        count: int = 1000,
        *,
        size: tuple[int, int] = (64, 64),
        seed: int = 1,
        map_size: int | tuple[int, int] | None = None,
    ):
        if map_size is not None:
            map_size = check_size("map_size", map_size)
        stream(count, size=size, seed=seed)  # checks them, and draws nothing yet
        self._count, self._seed = int(count), int(seed)
        self.image_size = int(size[0]), int(size[1])
        self.map_size = map_size or self.image_size

    def __len__(self):
        return self._count

    @property
    def fingerprint(self) -> str:
        """Depends on the arguments and on the version of kerasviz, which draws the scenes."""
        settings = (kerasviz.__version__, self._count, self.image_size, self._seed, self.map_size)
        return hashlib.blake2b(repr(settings).encode(), digest_size=16).hexdigest()

    def read(self, number: int) -> Labelled:
        """A scene and its labels."""
        scene = scenes(1, size=self.image_size, seed=self._seed, start=self.checked(number))
        maps = scene.maps[0]
        if self.map_size != self.image_size:
            nearest = Image.Resampling.NEAREST
            maps = np.stack([Image.fromarray(labels).resize(self.map_size[::-1], nearest) for labels in maps])
        return Labelled(scene.images[0], maps)

    def name_of(self, number: int) -> str:
        """Such as "scene 17"."""
        return f"scene {self.checked(number)}"
