"""`Comparison`: what `compare` returns."""

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

from kerasviz.comparison.configuration import ConfigChange
from kerasviz.comparison.distances import WeightChange, ratio
from kerasviz.comparison.facts import LayerFacts, ModelFacts, TensorFacts
from kerasviz.comparison.moves import Answer, MapMove
from kerasviz.writing import as_json, plain


@dataclass(frozen=True)
class LayerPair:
    """A layer of the first model and what it is in the second.

    Attributes:
        a: the layer.
        b: the same in the second model. Where layers were not compared, its path alone, of the op or scope that holds
            most of the weights.
        renamed: whether its path is another, beyond numbers that Keras gave.
        config: settings that differ.
        weights: its weights, in order.
        rewired: whether it takes its input from other layers, beyond those that were added or removed.
        told: whether the settings of both are known.
    """

    a: LayerFacts
    b: LayerFacts
    renamed: bool = False
    config: tuple[ConfigChange, ...] = ()
    weights: tuple[WeightChange, ...] = ()
    rewired: bool = False
    told: bool = True

    @property
    def changes(self) -> tuple[str, ...]:
        """What differs: "class", "shape", "activation", "settings", "inputs", "weights", "name", "training"."""
        differs = {
            "class": self.a.kind != self.b.kind,
            "shape": self.a.shape != self.b.shape and None not in (self.a.shape, self.b.shape),
            "activation": self.a.activations != self.b.activations,
            "settings": any(not change.training for change in self.config),
            "inputs": self.rewired,
            "weights": any(weight.nature != "same" for weight in self.weights),
            "name": self.renamed,
            "training": any(change.training for change in self.config),
        }
        return tuple(name for name, found in differs.items() if found)

    @property
    def same(self) -> bool:
        """Whether it computes the same from the same weights: it may be named or trained otherwise.

        An output of another shape comes from layers before it, if the settings are known to be the same.
        """
        return not set(self.changes) - {"name", "training", *(["shape"] if self.told else [])}

    @property
    def reshaped(self) -> bool:
        """Whether a weight came, went, or has another shape."""
        return any(weight.nature in ("added", "removed", "reshaped") for weight in self.weights)

    @property
    def relative(self) -> float | None:
        """‖a − b‖ / ‖a‖ over all weights that have one shape in both; None if there are none."""
        return relative(self.weights)

    @property
    def largest(self) -> float | None:
        """The largest |a − b| of such weights."""
        return max((weight.largest for weight in self.weights if weight.largest is not None), default=None)

    @property
    def changed(self) -> int:
        """How many values of such weights differ."""
        return sum(weight.changed or 0 for weight in self.weights)

    @property
    def broken(self) -> int:
        """How many more values are NaN or infinite in the second model than in the first; negative for fewer."""
        return sum((weight.nonfinite_b or 0) - (weight.nonfinite or 0) for weight in self.weights)


@dataclass(frozen=True)
class TensorPair:
    """An input or output of both models; None where one has fewer.

    Attributes:
        a: in the first.
        b: in the second.
        rewired: whether an output comes from another layer.
    """

    a: TensorFacts | None
    b: TensorFacts | None
    rewired: bool = False

    @property
    def same(self) -> bool:
        """Whether all is the same; names do not count."""
        return self._told(self.a) == self._told(self.b) and not self.rewired

    @staticmethod
    def _told(facts):
        return None if facts is None else (facts.shape, facts.kind)


@dataclass(frozen=True, repr=False)
class Comparison:
    """Two models, compared. It holds neither of them, and no images.

    Attributes:
        a: the first model.
        b: the second.
        layers: the layers of `a` that have a counterpart in `b`, in the order of `a`.
        removed: layers that only `a` has.
        added: layers that only `b` has.
        inputs: of both, by place.
        outputs: of both, by place.
        by_layers: whether the layers were compared. Those of a bare graph and of a Keras model are not: they are
            paired by their weights alone, and what has none is not listed.
        lost: weights that only `a` has, where layers were not compared.
        gained: weights that only `b` has, where layers were not compared.
        images: what both say of each image.
        maps: the explanations of both, by method.
        same_classes: whether the classes of both are the same, as far as can be told; None without images.
        left_out: methods that do not fit one of the models, and why.
        notes: what else is worth knowing, a sentence each.

    Example:
        >>> from kerasviz.comparison import compare
        >>> from kerasviz.data import shapes
        >>> compare(shapes.shapes_model(), shapes.shapes_model()).same
        True
    """

    a: ModelFacts
    b: ModelFacts
    layers: tuple[LayerPair, ...]
    removed: tuple[LayerFacts, ...] = ()
    added: tuple[LayerFacts, ...] = ()
    inputs: tuple[TensorPair, ...] = ()
    outputs: tuple[TensorPair, ...] = ()
    by_layers: bool = True
    lost: tuple[WeightChange, ...] = ()
    gained: tuple[WeightChange, ...] = ()
    images: tuple[Answer, ...] = ()
    maps: tuple[MapMove, ...] = ()
    same_classes: bool | None = None
    left_out: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    @cached_property
    def changed(self) -> tuple[LayerPair, ...]:
        """The pairs that differ in more than a name or a setting of training, the farthest first.

        Those with new NaN come first, then those with weights of other shapes, then by their relative distance.
        """

        def far(pair):
            return pair.broken > 0, pair.reshaped, -1.0 if pair.relative is None else pair.relative

        return tuple(sorted((pair for pair in self.layers if not pair.same), key=far, reverse=True))

    @property
    def same_weights(self) -> bool:
        """Whether all weights of both are the same, bit for bit."""
        gone = (*self.lost, *self.gained) or any(layer.parameters for layer in (*self.removed, *self.added))
        return not gone and all(weight.nature == "same" for weight in self.weights)

    @property
    def same_structure(self) -> bool:
        """Whether both compute alike, given the same weights, as far as was compared."""
        alone = self.removed or self.added or not all(pair.same for pair in (*self.inputs, *self.outputs))
        return not alone and all(set(pair.changes) <= {"name", "training", "weights"} for pair in self.layers)

    @property
    def same_answers(self) -> bool:
        """Whether both say the same of all images, and explain it by the same maps, as far as was compared."""
        return all(answer.same for answer in self.images) and all(move.same for move in self.maps)

    @property
    def same(self) -> bool:
        """Whether nothing was found that differs, not even a name."""
        named = any(pair.changes for pair in self.layers)
        return self.same_weights and self.same_structure and self.same_answers and not named

    @property
    def weights(self) -> tuple[WeightChange, ...]:
        """All weights of paired layers."""
        return tuple(weight for pair in self.layers for weight in pair.weights)

    @property
    def relative(self) -> float | None:
        """‖a − b‖ / ‖a‖ over all weights that have one shape in both; None if there are none."""
        return relative(self.weights)

    @property
    def summary(self) -> tuple[str, ...]:
        """What was found, in a few sentences."""
        from kerasviz.comparison.wording import sentences

        return tuple(sentences(self))

    def __repr__(self):
        told = (
            f"{one.name!r} ({one.layers:,} {'ops' if one.bare else 'layers'}, {one.parameters:,} parameters)"
            for one in (self.a, self.b)
        )
        return "\n".join([f"Comparison of {' with '.join(told)}", *self.summary, *self.notes])

    def plot(self, images=None, *, rows=None, **style):
        """Draw how far the explanations moved: for each image and method the map of both and the difference.

        Maps are drawn as shares of their own largest magnitude, so that only places count. The difference is b − a of
        these shares: red where the second model looks more, blue where less, on one scale for all.

        Args:
            images: `(N, H, W, C)` or a list of pictures of any sizes, what to draw beside and beneath; None for none.
            rows: numbers of the images to draw, None for all; at most 64 rows are drawn.
            **style: "tile", the width of a column in inches, and "dpi".

        Returns:
            A `matplotlib.figure.Figure`.

        Raises:
            InputError: nothing was explained, or there are not as many images.
        """
        from kerasviz.comparison.figures import draw

        return draw(self, images, rows, **style)

    def as_dict(self) -> dict:
        """All that was found as strict JSON can hold it: no arrays of maps, and no NaN."""
        found = {
            "same": self.same,
            "same_weights": self.same_weights,
            "same_structure": self.same_structure,
            "same_answers": self.same_answers if self.images else None,
            "summary": list(self.summary),
            "relative_distance": self.relative,
            "a": dataclasses.asdict(self.a),
            "b": dataclasses.asdict(self.b),
            "layers_compared": self.by_layers,
            "layers": [_of_pair(pair) for pair in self.layers],
            "removed": [dataclasses.asdict(layer) for layer in self.removed],
            "added": [dataclasses.asdict(layer) for layer in self.added],
            "weights_lost": [_of_weight(weight) for weight in self.lost],
            "weights_gained": [_of_weight(weight) for weight in self.gained],
            "inputs": [{**dataclasses.asdict(pair), "same": pair.same} for pair in self.inputs],
            "outputs": [{**dataclasses.asdict(pair), "same": pair.same} for pair in self.outputs],
            "same_classes": self.same_classes,
            "images": [answer.as_dict() for answer in self.images],
            "maps": [move.as_dict() for move in self.maps],
            "left_out": dict(self.left_out),
            "notes": list(self.notes),
        }
        return plain(found)

    def to_json(self) -> str:
        """`as_dict` as text."""
        return as_json(self.as_dict())


def relative(weights) -> float | None:
    """‖a − b‖ / ‖a‖ over several weights; None if none has a distance."""
    told = [weight for weight in weights if weight.distance is not None]
    if not told:
        return None
    return ratio(math.hypot(*(weight.distance for weight in told)), math.hypot(*(weight.norm for weight in told)))


def _of_pair(pair):
    return {
        "path": pair.a.path,
        "path_b": pair.b.path,
        "changes": list(pair.changes),
        "a": dataclasses.asdict(pair.a),
        "b": dataclasses.asdict(pair.b),
        "settings": [dataclasses.asdict(change) for change in pair.config],
        "relative_distance": pair.relative,
        "largest_change": pair.largest,
        "values_changed": pair.changed,
        "weights": [_of_weight(weight) for weight in pair.weights],
    }


def _of_weight(weight):
    return {**dataclasses.asdict(weight), "nature": weight.nature, "relative_distance": weight.relative}
