"""Counts of pixels over a data set, and the intersection over union that follows from them."""

from dataclasses import dataclass

import numpy as np

from kerasviz.data.concepts.base import Concept


@dataclass(frozen=True, eq=False)
class Tallies:
    """How often units are active where concepts show, in pixels of the label maps, summed over a data set.

    Attributes:
        intersections: `(U, K)` int64, pixels where unit u is active and concept k shows.
        activations: `(U, G)` int64, pixels where unit u is active in the images that have a label of category g.
        labelled: `(K,)` int64, pixels that show concept k. For the whole image's concepts, all of its pixels.
    """

    intersections: np.ndarray
    activations: np.ndarray
    labelled: np.ndarray

    @classmethod
    def zeros(cls, units: int, concepts: int, categories: int) -> "Tallies":
        """Nothing counted yet."""
        return cls(
            np.zeros((units, concepts), np.int64), np.zeros((units, categories), np.int64), np.zeros(concepts, np.int64)
        )

    def iou(self, concepts: tuple[Concept, ...], categories: tuple[str, ...]) -> np.ndarray:
        """The intersection over union of every unit and concept, over the whole set: `(U, K)` float64.

        A unit's activation counts where the image has a label of the concept's category only (Bau et al. 2017,
        section 2.3): elsewhere nobody looked for the concept. 0 where the union is empty.
        """
        of = np.array([categories.index(concept.category) for concept in concepts])
        union = self.activations[:, of] + self.labelled - self.intersections
        return np.divide(self.intersections, union, out=np.zeros(union.shape), where=union > 0)
