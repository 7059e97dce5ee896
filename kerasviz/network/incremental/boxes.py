"""Boxes: the part of a feature map that a change of the image can reach, one for each variant, all of one size."""

from dataclasses import dataclass

import numpy as np
import tensorflow as tf


@dataclass(frozen=True)
class Span:
    """The places along one axis that each of some changes reaches.

    Attributes:
        first: `(S,)` the first place.
        last: `(S,)` the last one, itself included.
        length: of the axis.
    """

    first: np.ndarray
    last: np.ndarray
    length: int

    def slid(self, kernel: int, stride: int, before: int, length: int) -> "Span":
        """The outputs of a window that slides over the axis which see any of these places.

        Args:
            kernel: the extent of the window, dilation included.
            stride: its step.
            before: how many places are padded in front.
            length: of the output.
        """
        first = -((self.first + before - kernel + 1) // -stride)
        return Span(first, (self.last + before) // stride, length)._inside()

    def shifted(self, by: int, length: int) -> "Span":
        """The same places, counted from another start, on an axis of another length."""
        return Span(self.first + by, self.last + by, length)._inside()

    def united(self, other: "Span") -> "Span":
        """The smallest span that holds both."""
        return Span(np.minimum(self.first, other.first), np.maximum(self.last, other.last), self.length)

    def cropped(self, share: float) -> "Span":
        """The middle of each span, at most this share of the axis: what an approximation keeps."""
        most = max(1, round(share * self.length))
        over = np.maximum(self.sizes - most, 0)
        return Span(self.first + over // 2, self.last - (over - over // 2), self.length)

    @property
    def sizes(self) -> np.ndarray:
        """How many places each spans."""
        return self.last - self.first + 1

    def _inside(self):
        # A stride over the change may miss it whole; one place is kept, where nothing changes.
        first = np.clip(self.first, 0, self.length - 1)
        return Span(first, np.clip(self.last, first, self.length - 1), self.length)


class Box:
    """The box of each variant on a map, inside a graph.

    Args:
        origin: `(P, 2)` int32, the first row and column of each; may lie outside the map.
        size: `(2,)` int32, rows and columns of all of them.
    """

    def __init__(self, origin: tf.Tensor, size: tf.Tensor):
        self.origin, self.size = origin, size
        self._rows = None

    def shifted(self, by) -> "Box":
        """The same box, counted from another start."""
        return Box(self.origin + tf.constant(by, tf.int32), self.size)

    def window(self, kernel, stride, before) -> "Box":
        """What a sliding window sees to make this box of its output; arguments as for `Span.slid`, by axis."""
        origin = self.origin * tf.constant(stride) - tf.constant(before)
        return Box(origin, (self.size - 1) * tf.constant(stride) + tf.constant(kernel))

    def places(self):
        """The rows `(P, h)` and columns `(P, w)`."""
        if self._rows is None:
            self._rows = [self.origin[:, axis, None] + tf.range(self.size[axis]) for axis in (0, 1)]
        return self._rows


def cut(values: tf.Tensor, box: Box, outside: float | None = None) -> tf.Tensor:
    """The part of a map in each box.

    Args:
        values: `(1, H, W, C)`.
        box: where.
        outside: what stands beyond the edges; None if no box reaches beyond.

    Returns:
        `(P, h, w, C)`.
    """
    _, height, width, channels = values.shape
    rows, columns = box.places()
    here, there = rows, columns
    if outside is not None:
        here, there = tf.clip_by_value(rows, 0, height - 1), tf.clip_by_value(columns, 0, width - 1)
    table = tf.reshape(values, [height * width, channels])
    found = tf.gather(table, here[:, :, None] * width + there[:, None, :])
    if outside is None:
        return found
    inside = (rows == here)[:, :, None, None] & (columns == there)[:, None, :, None]
    return tf.where(inside, found, tf.cast(outside, found.dtype))


def place(values: tf.Tensor, inner: Box, outer: Box) -> tf.Tensor:
    """What fills one box, laid into another; zeros around it.

    Args:
        values: `(P, h, w, C)`, in the boxes `inner`.
        inner: where they are.
        outer: where they go; what lies outside it is dropped.

    Returns:
        `(P, *outer.size, C)`.
    """
    if inner is outer:
        return values
    channels = values.shape[-1]
    rows, columns = (outer.places()[axis] - inner.origin[:, axis, None] for axis in (0, 1))
    inside = [(at >= 0) & (at < inner.size[axis]) for axis, at in enumerate((rows, columns))]
    # Row 0 of the table is the zeros around.
    table = tf.concat([tf.zeros([1, channels], values.dtype), tf.reshape(values, [-1, channels])], 0)
    start = 1 + tf.range(tf.shape(values)[0]) * inner.size[0] * inner.size[1]
    index = start[:, None, None] + rows[:, :, None] * inner.size[1] + columns[:, None, :]
    return tf.gather(table, tf.where(inside[0][:, :, None] & inside[1][:, None, :], index, 0))
