"""The arithmetic of receptive fields: what the places of a tensor see of the image, and how one op changes that.

A tensor's `Field` tells of each of its axes what its places see: nothing of their own, a `Reach` along one axis of
the image, or, after a reshape, several axes folded into one. So an axis is a tuple of factors, in the order in which
they vary: a `Reach`, or a number of places that make no difference. `()` is any number of these.
"""

import math
from collections import Counter
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import zip_longest


class Lost(Exception):
    """What is done is known, and leaves no place a field of its own."""


@dataclass(frozen=True)
class Reach:
    """Place `j` of an axis sees the pixels from `start + stride * j` on, `size` of them, along one axis of the image.

    Attributes:
        axis: of the image, 0 for its first spatial one.
        start: the first pixel of place 0; negative where it lies in padding.
        stride: in pixels.
        size: in pixels.
        count: how many places there are.
        low: no place sees a pixel before this one, whatever the arithmetic says: padding shows nothing.
        high: nor one behind this one.
        mirrored: how many places at either end show a mirror image of those beside them.
    """

    axis: int
    start: Fraction
    stride: Fraction
    size: Fraction
    count: int
    low: Fraction
    high: Fraction
    mirrored: int = 0

    @classmethod
    def of_image(cls, axis: int, length: int) -> "Reach":
        """Each pixel sees itself."""
        return cls(axis, Fraction(0), Fraction(1), Fraction(1), length, Fraction(0), Fraction(length - 1))

    def ends(self, place: int) -> tuple[Fraction, Fraction]:
        """The first and the last pixel that a place sees, padding included."""
        first = self.start + self.stride * place
        return first, first + self.size - 1

    def slid(self, kernel: int, step: int, before: int, count: int) -> "Reach":
        """What a window sees that slides over the places.

        Args:
            kernel: its extent, dilation included.
            step: its stride.
            before: how many places are padded in front.
            count: how many windows there are.
        """
        reach = self.settled(kernel)
        if before > 0 or (count - 1) * step + kernel - before > self.count:
            reach = reach._bounded()
        return reach._wider(-before, kernel - 1 - before, step, count)

    def spread(self, kernel: int, step: int, before: int, count: int) -> "Reach":
        """The same for a transposed convolution, by the window that would slide over its output.

        An upper bound: which of the places a unit sees depends on where it lies between them.
        """
        back = Fraction(before, step)
        return self.settled()._bounded()._wider(back - Fraction(kernel - 1, step), back, Fraction(1, step), count)

    def resampled(self, scale: Fraction, spans: list[tuple[int, int]]) -> "Reach":
        """The places of a resized axis, an upper bound.

        Args:
            scale: the distance of two new places, in old ones.
            spans: the first and the last old place that each new one is made of.
        """
        first = min(span[0] - scale * place for place, span in enumerate(spans))
        last = max(span[1] - scale * place for place, span in enumerate(spans))
        return self.settled()._bounded()._wider(first, last, scale, len(spans))

    def enlarged(self, times: int) -> "Reach":
        """Each place repeated some times in a row."""
        scale = Fraction(1, times)
        return self.resampled(scale, [(place // times,) * 2 for place in range(self.count * times)])

    def padded(self, before: int, after: int) -> "Reach":
        """Places that see nothing added at both ends."""
        return self.settled()._bounded()._wider(-before, -before, 1, self.count + before + after)

    def reflected(self, before: int, after: int) -> "Reach":
        """Places that show those beside them in a mirror added at both ends."""
        return replace(self.padded(before, after), mirrored=max(before, after))

    def cut(self, first: int, step: int, count: int) -> "Reach":
        """Some of the places, at equal distances."""
        return self.settled()._wider(first, first, step, count)

    def phases(self, block: int) -> "Reach":
        """The places whose number divides by a block, which stand for the others too until `unphased`."""
        return self.cut(0, block, self.count // block)

    def unphased(self, block: int) -> "Reach":
        """The way back."""
        return self._wider(0, 0, Fraction(1, block), self.count * block)

    def united(self, other: "Reach") -> "Reach":
        """What either sees, an upper bound; of two strides that of the smaller field is kept."""
        both = (reach.settled()._bounded() for reach in (self, other))
        one, two = sorted(both, key=lambda reach: reach.size)
        # Both are straight lines, so that the ends are where they differ most.
        differences = [
            [theirs - ours for ours, theirs in zip(one.ends(place), two.ends(place), strict=True)]
            for place in (0, self.count - 1)
        ]
        before, after = min(0, *(pair[0] for pair in differences)), max(0, *(pair[1] for pair in differences))
        return replace(
            one,
            start=one.start + before,
            size=one.size + after - before,
            low=min(one.low, two.low),
            high=max(one.high, two.high),
        )

    def settled(self, kernel: int = 1) -> "Reach":
        """An upper bound that holds for mirrored places too, when a window of some extent slides over them."""
        # A window that starts in the mirror and holds its edge in the middle sees nothing that it does not hold.
        missing = max(0, 2 * self.mirrored + 1 - kernel) if self.mirrored else 0
        return replace(self._wider(-missing, missing, 1, self.count), mirrored=0)

    def pixels(self, place: int, clip: bool = True) -> tuple[int, int]:
        """The first pixel that a place sees, and the one behind the last."""
        first, last = self.ends(place)
        if clip:
            first, last = max(first, self.low), min(last, self.high)
        first = math.ceil(first)
        return first, max(first, math.floor(last) + 1)

    def _wider(self, first, last, step, count):
        """Places that each are made of several: place 0 of those from `first` to `last`."""
        return replace(
            self,
            start=self.start + self.stride * first,
            stride=self.stride * step,
            size=self.size + self.stride * (last - first),
            count=count,
        )

    def _bounded(self):
        """The same with what lies beyond the ends known to be empty."""
        return replace(self, low=max(self.low, self.ends(0)[0]), high=min(self.high, self.ends(self.count - 1)[1]))


@dataclass(frozen=True)
class Field:
    """What the places of a tensor see of an image.

    Attributes:
        axes: of the tensor, each a tuple of factors.
        whole: whether a place may see the whole image, beside what its axes tell.
        unknown: types of ops on the way that nothing is known of.
    """

    axes: tuple
    whole: bool = False
    unknown: frozenset = frozenset()

    def reach(self, axis: int) -> Reach | None:
        """What the places along an axis see, None if nothing of their own.

        Raises:
            Lost: several axes are folded into it.
        """
        factors = [factor for factor in self.axes[axis] if factor != 1]
        if not tells(factors):
            return None
        first, *rest = factors
        if not isinstance(first, Reach) or tells(rest):
            raise Lost
        return first.enlarged(math.prod(rest)) if rest else first

    def carried(self) -> Counter:
        """How many of the tensor's axes tell of each axis of the image."""
        return Counter(factor.axis for along in self.axes for factor in along if isinstance(factor, Reach))


def tells(along) -> bool:
    """Whether the places along an axis differ in what they see."""
    return any(isinstance(factor, Reach) for factor in along)


def places(along) -> int:
    """How many places the factors of an axis make."""
    return math.prod(factor.count if isinstance(factor, Reach) else factor for factor in along)


def united(axes, size: int | None = None) -> tuple:
    """What several tensors together tell along an axis that they share.

    Args:
        axes: the factors of each.
        size: of the axis; the tensors of other sizes are spread along it, and tell nothing.

    Raises:
        Lost: they tell of different axes of the image.
    """
    telling = [along for along in axes if tells(along) and size in (None, places(along))]
    telling = [tuple(factor for factor in along if factor != 1) for along in telling]
    both = telling[0] if telling else ()
    for along in telling[1:]:
        if along != both:
            both = tuple(_both(one, other) for one, other in zip_longest(both, along))
    return both


def _both(one, other):
    if isinstance(one, Reach) and isinstance(other, Reach) and (one.axis, one.count) == (other.axis, other.count):
        return one.united(other)
    if one != other:
        raise Lost
    return one


def regrouped(axes, shape) -> list[tuple]:
    """What a reshaped tensor's axes tell.

    Args:
        axes: the factors of each axis before.
        shape: the shape after.

    Raises:
        Lost: an axis of the image is split.
    """
    factors, made = _merged([factor for along in axes for factor in along]), []
    for size in shape:
        along, missing = [], size
        while factors and (missing > 1 or (not along and places(factors[:1]) == 1)):
            factor = factors.pop(0)
            count = places([factor])
            if missing % count:
                if isinstance(factor, Reach) or count % missing:
                    raise Lost
                factors.insert(0, count // missing)
                factor = count = missing
            along.append(factor)
            missing //= count
        made.append(tuple(along))
    return made


def _merged(factors):
    """The same factors, numbers beside one another made one."""
    merged = []
    for factor in factors:
        if isinstance(factor, int) and merged and isinstance(merged[-1], int):
            merged[-1] *= factor
        else:
            merged.append(factor)
    return merged
