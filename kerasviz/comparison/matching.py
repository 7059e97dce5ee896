"""Which layer of one model is which of another, and which weight."""

from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Sequence
from difflib import SequenceMatcher

from kerasviz.comparison.facts import Part, Weight

Pairs = list[tuple[int, int]]


def match_layers(a: Sequence[Part], b: Sequence[Part]) -> Pairs:
    """Pairs of layers that stand for each other, by their numbers, in the order of the first model.

    In this order: the same path and the same weights; the same weights under another path; the same path. What is left
    between two pairs is aligned by class, shapes of weights and output shape, if that finds at least half of the fewer;
    then, if it has weights, without the output shape; and if then the classes left between two pairs are the same on
    both sides, by place. A path that Keras numbered itself ("conv2d_3") says nothing if other layers share its name.
    """
    pairs: dict[int, int] = {}
    _pair_unique(a, b, pairs, lambda part: None if part.ambiguous or not part.digest else (part.plain, part.digest))
    _pair_unique(a, b, pairs, lambda part: part.digest)
    _pair_unique(a, b, pairs, lambda part: None if part.ambiguous else part.plain)
    _align(a, b, pairs, lambda part: (part.facts.kind, part.signature, part.facts.shape))
    _align(a, b, pairs, lambda part: (part.facts.kind, part.signature) if part.weights else object())
    for left, right in _gaps(pairs, len(a), len(b)):
        if [a[i].facts.kind for i in left] == [b[j].facts.kind for j in right]:
            pairs.update(zip(left, right, strict=True))
    return sorted(pairs.items())


def match_weights(a: Sequence[Weight], b: Sequence[Weight]) -> Pairs:
    """Pairs of weights where layers cannot be compared: by their bits, then by name and shape, then by shape in order.

    Weights of the same bits are told apart by their names, or else taken in order.
    """
    pairs: dict[int, int] = {}
    _pair_in_order(a, b, pairs, lambda weight: (weight.digest, weight.tail))
    _pair_in_order(a, b, pairs, lambda weight: weight.digest)
    _pair_in_order(a, b, pairs, lambda weight: (weight.tail, weight.shape))
    _align(a, b, pairs, lambda weight: weight.shape)
    return sorted(pairs.items())


def _pair_unique(a, b, pairs: dict, key: Callable):
    """Add pairs of what has a key that nothing else has that is not paired; None is no key."""
    left = {i: key(part) for i, part in enumerate(a) if i not in pairs}
    taken = set(pairs.values())
    right = {j: key(part) for j, part in enumerate(b) if j not in taken}
    counts = Counter(left.values()), Counter(right.values())
    places = {found: j for j, found in right.items()}
    for i, found in left.items():
        if found is not None and counts[0][found] == counts[1][found] == 1:
            pairs[i] = places[found]


def _pair_in_order(a, b, pairs: dict, key: Callable):
    """Add pairs of what has one key, the first with the first."""
    taken, waiting = set(pairs.values()), {}
    for j, part in enumerate(b):
        if j not in taken:
            waiting.setdefault(key(part), []).append(j)
    for i, part in enumerate(a):
        if i not in pairs and waiting.get(key(part)):
            pairs[i] = waiting[key(part)].pop(0)


def _align(a, b, pairs: dict, key: Callable):
    """Add pairs of what has one key and stands between the same pairs, in order."""
    for left, right in _gaps(pairs, len(a), len(b)):
        matcher = SequenceMatcher(None, [key(a[i]) for i in left], [key(b[j]) for j in right], autojunk=False)
        blocks = matcher.get_matching_blocks()
        # Two architectures have a few layers of one shape by chance.
        if 2 * sum(block.size for block in blocks) < min(len(left), len(right)):
            continue
        for block in blocks:
            for k in range(block.size):
                pairs[left[block.a + k]] = right[block.b + k]


def _gaps(pairs: dict, length_a: int, length_b: int):
    """The numbers that are not paired, between each two pairs that stand in the same order in both."""
    taken = set(pairs.values())
    gaps, before = [], (-1, -1)
    for i, j in [*_in_order(sorted(pairs.items())), (length_a, length_b)]:
        left = [k for k in range(before[0] + 1, i) if k not in pairs]
        right = [k for k in range(before[1] + 1, j) if k not in taken]
        if left and right:
            gaps.append((left, right))
        before = (i, j)
    return gaps


def _in_order(pairs: Pairs) -> Pairs:
    """The most pairs of which the second numbers rise, too."""
    ends: list[int] = []  # the least last number of a run of each length
    last: list[int] = []  # where that is
    previous: list[int | None] = []
    for place, (_, j) in enumerate(pairs):
        length = bisect_left(ends, j)
        previous.append(last[length - 1] if length else None)
        ends[length : length + 1] = [j]
        last[length : length + 1] = [place]
    found, place = [], last[-1] if last else None
    while place is not None:
        found.append(pairs[place])
        place = previous[place]
    return found[::-1]
