"""What two models say of an image, and how far their explanations are apart."""

from dataclasses import dataclass

import numpy as np

from kerasviz.predictions import Prediction

#: What rounding makes of outputs, as a share of the largest; and of two maps that are alike.
_ROUNDING, _ALIKE = 1e-4, 0.99


@dataclass(frozen=True)
class Answer:
    """What both models say of an image.

    Attributes:
        name: of the image.
        top: the first model's strongest class.
        top_b: the second's.
        explained: the class whose maps were made, as the first model sees it.
        explained_b: as the second sees it; another class where the classes of the models differ.
        difference: the largest difference between the probabilities of a class (between the scores, where these are
            none); None where the classes differ, or a value is not finite.
        magnitude: of the largest of them, at least 1: what rounding is measured by.
        agree: whether both name the same class; None where that cannot be told.
    """

    name: str
    top: Prediction
    top_b: Prediction
    explained: Prediction
    explained_b: Prediction
    difference: float | None = None
    magnitude: float = 1.0
    agree: bool | None = None

    @property
    def same(self) -> bool:
        """Whether both say the same, but for rounding: the outputs differ by at most 1/10,000 of the largest."""
        return self.difference is not None and self.difference <= _ROUNDING * self.magnitude

    def as_dict(self) -> dict:
        """The answer as JSON can hold it."""
        predictions = {name: getattr(self, name) for name in ("top", "top_b", "explained", "explained_b")}
        return {
            "name": self.name,
            **{name: _of_prediction(prediction) for name, prediction in predictions.items()},
            "agree": self.agree,
            "largest_difference": self.difference,
            "same": self.same,
        }


@dataclass(frozen=True, eq=False)
class MapMove:
    """The maps of both models by one method.

    Attributes:
        method: its registered name.
        title: as its paper writes it.
        kind: "pixels" or "heatmap".
        signed: whether negative values mean something.
        layer: that the method looked at in the first model, or None.
        layer_b: in the second.
        maps: of the first model, `(N, H, W)` float32; channels are reduced as pictures of the kind do.
        maps_b: of the second, resized to those of the first if it takes images of another size.
        rank_correlation: Spearman's, `(N,)`; NaN where one map is the same everywhere, or not finite.
        ssim: the structural similarity, `(N,)`; NaN where a map is not finite.
        strength: the largest magnitude of the second map in units of that of the first, `(N,)`; NaN where that is 0.
        resized: whether the second model's maps were.
    """

    method: str
    title: str
    kind: str
    signed: bool
    layer: str | None
    layer_b: str | None
    maps: np.ndarray
    maps_b: np.ndarray
    rank_correlation: np.ndarray
    ssim: np.ndarray
    strength: np.ndarray
    resized: bool = False

    @property
    def same(self) -> bool:
        """Whether all maps are alike: rank correlation and structural similarity at least 0.99."""
        return bool((self.rank_correlation >= _ALIKE).all() and (self.ssim >= _ALIKE).all())

    @property
    def farthest(self) -> int:
        """The image whose map moved most: the least rank correlation, and first of all one that is not known."""
        return int(np.argmin(np.where(np.isnan(self.rank_correlation), -2, self.rank_correlation)))

    def as_dict(self) -> dict:
        """The figures as JSON can hold them, without the maps."""
        told = ("method", "title", "kind", "signed", "layer", "layer_b", "resized", "same")
        figures = ("rank_correlation", "ssim", "strength")
        return {
            **{name: getattr(self, name) for name in told},
            **{name: [None if np.isnan(x) else float(x) for x in getattr(self, name)] for name in figures},
        }


def strength_of(one: Prediction) -> str:
    """The probability or the score for readers."""
    value = one.score if one.probability is None else one.probability
    return one.strength if np.isfinite(value) else "not finite"


def _of_prediction(one):
    strength = {"probability": one.probability, "score": one.score}
    finite = {name: None if value is None or not np.isfinite(value) else value for name, value in strength.items()}
    return {"class": one.index, "label": one.label, **finite}
