"""Two models laid side by side: what became of each layer, weight, input and output."""

from collections import Counter
from dataclasses import replace
from itertools import zip_longest

from kerasviz import progress
from kerasviz.comparison.configuration import config_changes
from kerasviz.comparison.distances import WeightChange, weight_change
from kerasviz.comparison.facts import Anatomy, Part, Weight
from kerasviz.comparison.matching import match_layers, match_weights
from kerasviz.comparison.record import Comparison, LayerPair, TensorPair
from kerasviz.comparison.rewiring import rewired


def side_by_side(a: Anatomy, b: Anatomy) -> Comparison:
    """Compare layers and weights, or where only one is a bare graph weights alone."""
    by_layers = a.facts.bare == b.facts.bare
    found, other_outputs = _by_layers(a, b) if by_layers else (_by_weights(a, b), ())
    outputs = enumerate(zip_longest(a.facts.outputs, b.facts.outputs))
    return Comparison(
        a.facts,
        b.facts,
        inputs=tuple(TensorPair(*pair) for pair in zip_longest(a.facts.inputs, b.facts.inputs)),
        outputs=tuple(TensorPair(*pair, rewired=number in other_outputs) for number, pair in outputs),
        by_layers=by_layers,
        **found,
    )


def _by_layers(a, b):
    """What is found, and the numbers of outputs that come from other layers."""
    pairs = match_layers(a.parts, b.parts)
    paths = {a.parts[i].facts.path: b.parts[j].facts.path for i, j in pairs}
    layers, outputs = rewired(a.network, b.network, paths)
    made = []
    with progress.bar(len(pairs), "Comparing weights") as advance:
        for i, j in pairs:
            one, other = a.parts[i], b.parts[j]
            made.append(
                LayerPair(
                    one.facts,
                    other.facts,
                    renamed=one.plain != other.plain,
                    config=config_changes(one.config, other.config),
                    weights=_weights_of_pair(one, other),
                    rewired=one.facts.path in layers,
                    told=None not in (one.config, other.config),
                )
            )
            advance()
    paired = {i for i, _ in pairs}, {j for _, j in pairs}
    silent = [pair.a.path for pair in made if not pair.told]
    return {
        "layers": tuple(made),
        "removed": tuple(part.facts for i, part in enumerate(a.parts) if i not in paired[0]),
        "added": tuple(part.facts for j, part in enumerate(b.parts) if j not in paired[1]),
        "notes": _note_of_silent(silent),
    }, outputs


def _note_of_silent(paths):
    if not paths:
        return ()
    listed = ", ".join(paths[:3]) + (f" and {len(paths) - 3} more" if len(paths) > 3 else "")
    return (f"Settings could not be compared, since get_config does not tell them: {listed}.",)


def _weights_of_pair(a: Part, b: Part) -> tuple[WeightChange, ...]:
    """By name, and what is left by shape in order."""
    names = {weight.name: weight for weight in b.weights}
    pairs = {weight.name: names.pop(weight.name, None) for weight in a.weights}
    for weight in a.weights:
        if pairs[weight.name] is None:
            pairs[weight.name] = next((one for one in names.values() if one.shape == weight.shape), None)
            if pairs[weight.name] is not None:
                del names[pairs[weight.name].name]
    found = [weight_change(weight, pairs[weight.name]) for weight in a.weights]
    return tuple(found + [weight_change(None, weight) for weight in names.values()])


def _by_weights(a, b):
    left, right = a.weights, b.weights
    pairs = dict(match_weights(left, right))
    numbers = {id(weight): number for number, weight in enumerate(left)}
    layers, lost = [], []
    with progress.bar(len(left), "Comparing weights") as advance:
        for part in a.parts:
            changes, paths = [], Counter()
            for weight in part.weights:
                other = pairs.get(numbers[id(weight)])
                advance()
                if other is None:
                    lost.append(weight_change(_named_in_full(weight), None))
                    continue
                changes.append(weight_change(weight, right[other]))
                paths[right[other].layer] += weight.size
            if changes:
                (path, _), *_ = paths.most_common(1)
                layers.append(LayerPair(part.facts, replace(part.facts, path=path), weights=tuple(changes)))
    taken = set(pairs.values())
    gained = [weight_change(None, _named_in_full(weight)) for j, weight in enumerate(right) if j not in taken]
    which = "first" if a.facts.bare else "second"
    note = (
        f"The {which} model is a bare graph, whose layers are ops: weights were paired by their values, names and "
        "shapes, and layers and settings were not compared."
    )
    return {"layers": tuple(layers), "lost": tuple(lost), "gained": tuple(gained), "notes": (note,)}


def _named_in_full(weight: Weight) -> Weight:
    return replace(weight, name=f"{weight.layer}/{weight.name}" if weight.layer else weight.name)
