"""A comparison in sentences."""

from collections.abc import Iterator

import numpy as np

from kerasviz.comparison.distances import WeightChange
from kerasviz.texts import count_text, size_text

#: By how much the share of zeros has to grow to be told beside other changes.
_MORE_ZEROS = 0.1


def sentences(found) -> Iterator[str]:
    """What was found, in a few sentences.

    Args:
        found: a `Comparison`.
    """
    yield from _of_layers(found) if found.by_layers else _of_arrays(found)
    yield from _of_tensors(found)
    yield from _of_head(found)
    yield from _of_common(found)
    yield from _of_weights(found)
    yield from _of_answers(found)
    yield from _of_maps(found)


def percent_of(share: float) -> str:
    """A share in percent, with three digits."""
    return f"{100 * share:.3g} %"


def _of_layers(found):
    renamed = sum(pair.renamed for pair in found.layers)
    training = sum("training" in pair.changes for pair in found.layers)
    total = count_text(found.a.layers, "layer")
    if found.same_weights and found.same_structure and not renamed and not training:
        yield f"The same {total} and the same weights, bit for bit ({count_text(found.a.parameters, 'parameter')})."
        return
    changed = len(found.changed)
    parts = [f"{changed or 'none'} of {total} changed"]
    parts += [f"{len(found.removed)} removed"] * bool(found.removed)
    parts += [f"{len(found.added)} added"] * bool(found.added)
    parts += [f"{renamed} renamed"] * bool(renamed)
    yield f"{', '.join(parts).capitalize()}."
    if found.same_weights:
        yield f"The same weights, bit for bit ({count_text(found.a.parameters, 'parameter')})."
    if training:
        yield f"Settings that matter in training alone differ in {count_text(training, 'layer')}."
    if 2 * len(found.layers) < found.a.layers:
        yield f"Only {count_text(len(found.layers), 'layer')} of the first model could be found in the second."


def _of_arrays(found):
    if found.same_weights:
        yield f"The same weights, bit for bit ({found.a.arrays} arrays, {count_text(found.a.parameters, 'parameter')})."
        return
    changed = sum(weight.nature != "same" for weight in found.weights)
    parts = [f"{changed or 'None'} of {count_text(found.a.arrays, 'weight')} changed"]
    parts += [f"{len(found.lost)} not found in the second model"] * bool(found.lost)
    parts += [f"{len(found.gained)} only there"] * bool(found.gained)
    yield f"{', '.join(parts)}."


def _of_tensors(found):
    for word, pairs in (("input", found.inputs), ("output", found.outputs)):
        for pair in pairs:
            if pair.a is None or pair.b is None:
                alone, which = (pair.b, "second") if pair.a is None else (pair.a, "first")
                yield f"Only the {which} model has the {word} {alone.name}."
            elif not pair.same:
                yield f"The {word} {pair.a.name} differs: {', '.join(_tensor_changes(pair))}."


def _tensor_changes(pair):
    if pair.a.shape != pair.b.shape:
        yield f"{size_text(pair.a.shape)} → {size_text(pair.b.shape)}"
    if pair.a.kind != pair.b.kind:
        yield f"{pair.a.kind or 'scores'} → {pair.b.kind or 'scores'}"
    if pair.rewired:
        yield "it comes from another layer"


def _of_head(found):
    head, other = found.a.head, found.b.head
    if not found.by_layers or None in (head, other) or found.same_weights:
        return
    pair = next((pair for pair in found.layers if pair.a.path == head), None)
    replaced = pair is None or bool({"class", "shape"} & set(pair.changes))
    if replaced and (pair is None or pair.b.path == other):
        yield f"The head was replaced: {_described(found, head, 0)} → {_described(found, other, 1)}."
    elif pair is not None and _all_same(found.layers, pair) and not _gone(found):
        yield f"Only the head changed, {head}."


def _of_common(found):
    pair = next((pair for pair in found.layers if pair.a.path == found.a.head), None)
    if found.same_weights or not found.by_layers or not _all_same(found.layers, pair):
        return
    if pair is not None and _all_same([pair]):
        yield "The weights that both have are the same, bit for bit."
    elif _gone(found) <= {found.a.head, found.b.head}:
        yield "All weights before it are the same, bit for bit."


def _all_same(pairs, but=None):
    """Whether there are weights, and all are the same."""
    natures = {weight.nature for pair in pairs if pair is not but for weight in pair.weights}
    return natures == {"same"}


def _gone(found):
    """The paths of layers with weights that only one model has."""
    return {layer.path for layer in (*found.removed, *found.added) if layer.parameters}


def _described(found, path, side):
    facts = [(pair.a, pair.b)[side] for pair in found.layers] + list((found.removed, found.added)[side])
    layer = next(one for one in facts if one.path == path)
    return f"{path} ({layer.kind}, {size_text(layer.shape)})"


def _of_weights(found):
    told = [weight for weight in found.weights if weight.distance is not None]
    changed = [weight for weight in told if weight.nature != "same"]
    if changed:
        yield from _of_natures(changed, told)
        if any(weight.distance for weight in changed):
            yield f"All in all the weights moved by {percent_of(found.relative)} of their length (‖a − b‖ / ‖a‖)."
    for sign, words in ((1, "became NaN or infinite"), (-1, "were NaN or infinite and are no longer")):
        broken = {pair.a.path: sign * pair.broken for pair in found.layers if sign * pair.broken > 0}
        if broken:
            where = ", ".join(f"{number:,} in {path}" for path, number in list(broken.items())[:3])
            more = f" and {len(broken) - 3} more layers" if len(broken) > 3 else ""
            yield f"Values {words}: {where}{more}."


def _of_natures(changed: list[WeightChange], told: list[WeightChange]):
    natures = {weight.nature for weight in changed}
    zeros, zeros_b = (sum(getattr(weight, name) for weight in told) for name in ("zeros", "zeros_b"))
    size = sum(weight.size for weight in told)
    shares = f"{percent_of(zeros / size)} to {percent_of(zeros_b / size)}"
    only = next(iter(natures)) if len(natures) == 1 else ""
    quantized = sum(weight.nature.startswith("quantized") for weight in changed)
    if only.startswith("rounded to"):
        yield f"The weights were {only}, and are the same otherwise."
    elif only.startswith("as "):
        yield f"The weights are the same, kept {only}."
    elif natures <= {"pruned", "set to zero"}:
        yield f"Weights were set to zero, and none changed otherwise: zeros went from {shares}."
    elif zeros_b - zeros > _MORE_ZEROS * size:
        yield f"Zeros went from {shares}."
    if quantized:
        which = f"{quantized} of {count_text(len(changed), 'changed weight')}"
        yield f"{'All changed weights' if quantized == len(changed) else which} were quantized."


def _of_answers(found):
    if not found.images:
        return
    total = count_text(len(found.images), "image")
    other = sum(answer.agree is False for answer in found.images)
    if other:
        which = "The image" if len(found.images) == 1 else f"{other} of {total}"
        yield f"{which} {'gets' if other == 1 else 'get'} another top class."
    elif all(answer.agree for answer in found.images):
        yield f"Both name the same top class for {'the image' if len(found.images) == 1 else f'all {total}'}."
    known = [answer for answer in found.images if answer.difference is not None]
    if found.same_classes and len(known) < len(found.images):
        first = next(answer.name for answer in found.images if answer.difference is None)
        yield f"Outputs are NaN or infinite for {len(found.images) - len(known)} of {total}, such as {first}."
    if known and all(answer.same for answer in known):
        yield "The outputs are the same, but for rounding."
    elif known:
        farthest = max(known, key=lambda answer: answer.difference)
        yield f"The outputs differ by up to {farthest.difference:.3g} ({farthest.name})."


def _of_maps(found):
    still = [move.title for move in found.maps if move.same]
    if still:
        yield f"{', '.join(still)} did not move."
    for move in found.maps:
        if not move.same:
            yield from _of_move(found, move)


def _of_move(found, move):
    known = move.rank_correlation[~np.isnan(move.rank_correlation)]
    unknown, total = len(move.rank_correlation) - len(known), count_text(len(move.rank_correlation), "image")
    name = found.images[move.farthest].name
    if len(known) > 1:
        least = f"{known.min():.2f} at the least" + ("" if unknown else f" ({name})")
        yield f"{move.title} moved: rank correlation {known.mean():.2f} on average; {least}."
    elif len(known):
        yield f"{move.title} moved: rank correlation {known[0]:.2f}."
    if unknown:
        yield f"{move.title} gives a map that is flat or not finite for {unknown} of {total}, such as {name}."
    paths = {pair.a.path: pair.b.path for pair in found.layers} if found.by_layers else {}
    if paths.get(move.layer, move.layer) != move.layer_b and None not in (move.layer, move.layer_b):
        yield f"{move.title} looked at {move.layer} in the first model and at {move.layer_b} in the second."
