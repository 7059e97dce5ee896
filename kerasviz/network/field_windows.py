"""What ops that move a window over the rows and columns of a map, or move the rows and columns, do to its field.

Each function takes an op and the field of each of its inputs, and returns what the axes of its output tell, as
`kerasviz.network.field_steps.step` does.
"""

import math
from fractions import Fraction

import numpy as np
import tensorflow as tf

from kerasviz.network.field_reach import Lost, tells


def convolution(op, given):
    """A window that slides over the map, and sums over the channels."""
    field, axes = given[0], _spatial(op)
    if field is None or given[1] is not None:
        raise Lost  # The image is in the kernel.
    kernel = zip(axes, op.inputs[1].shape[: len(axes)], strict=True)
    dilations = op.get_attr("dilations")
    made = _slid(op, field, {axis: (size - 1) * dilations[axis] + 1 for axis, size in kernel})
    if op.type != "DepthwiseConv2dNative":
        made[_channels(op)] = ()
    return made


def pooled(op, given):
    """A window that slides over the map."""
    extents, axes = op.get_attr("ksize"), _spatial(op)
    made = _slid(op, given[0], {axis: extents[axis] for axis in axes})
    for axis in {*range(len(made))}.difference(axes):
        if extents[axis] > 1:
            made[axis] = ()
    return made


def _slid(op, field, extents):
    axes, strides = list(field.axes), op.get_attr("strides")
    for axis, extent in extents.items():
        reach, count = field.reach(axis), op.outputs[0].shape[axis]
        if reach is not None:
            before = _before(op, axis, extent, reach.count, count)
            axes[axis] = (reach.slid(extent, strides[axis], before, count),)
    return axes


def transposed(op, given):
    """A window that slides over the output, backwards."""
    field, spatial = given[2], _spatial(op)
    if field is None or given[1] is not None:
        raise Lost
    axes, strides, dilations = list(field.axes), op.get_attr("strides"), op.get_attr("dilations")
    for axis, size in zip(spatial, op.inputs[1].shape[: len(spatial)], strict=True):
        reach, count = field.reach(axis), op.outputs[0].shape[axis]
        if reach is not None:
            extent = (size - 1) * dilations[axis] + 1
            before = _before(op, axis, extent, count, reach.count)
            axes[axis] = (reach.spread(extent, strides[axis], before, count),)
    axes[_channels(op)] = ()
    return axes


def _spatial(op):
    layout = op.get_attr("data_format").decode()
    return [layout.index(letter) for letter in "DHW" if letter in layout]


def _channels(op):
    return op.get_attr("data_format").decode().index("C")


def _before(op, axis, extent, places, windows):
    """The padding in front. Of an odd number of places in all, the smaller half."""
    padding = op.get_attr("padding")
    if padding == b"EXPLICIT":
        return op.get_attr("explicit_paddings")[2 * axis]
    return max((windows - 1) * op.get_attr("strides")[axis] + extent - places, 0) // 2 if padding == b"SAME" else 0


def padded(op, given):
    """Rows and columns added at the edges, empty or a mirror image."""

    def pad(reach, before, after):
        return reach.reflected(before, after) if op.type == "MirrorPad" else reach.padded(before, after)

    ends = constant(op.inputs[1]).tolist()
    return _each(given[0], lambda axis, reach: pad(reach, *ends[axis]) if any(ends[axis]) else reach)


def sliced(op, given):
    """Some of the rows and columns."""
    spec = constant(op.inputs[1]), constant(op.inputs[2])
    if op.type == "Slice":
        return _each(given[0], lambda axis, reach: reach.cut(int(spec[0][axis]), 1, op.outputs[0].shape[axis]))
    return _by_index(op, given[0], *spec, constant(op.inputs[3]))


def _by_index(op, field, begin, end, strides):
    """What `tensor[begin:end:stride, ...]` tells."""
    names = ("begin", "end", "ellipsis", "new_axis", "shrink_axis")
    masks = {name: op.get_attr(f"{name}_mask") for name in names}
    shape = op.inputs[0].shape

    def marked(name, number):
        return bool(masks[name] >> number & 1)

    numbers = range(len(begin))
    known = sum(not marked("new_axis", number) and not marked("ellipsis", number) for number in numbers)
    made, axis = [], 0
    for number in numbers:
        if marked("ellipsis", number):
            passed = shape.rank - known
            made += [field.axes[axis + extra] for extra in range(passed)]
            axis += passed
        elif marked("new_axis", number):
            made.append(())
        else:
            if not marked("shrink_axis", number):
                ends = (None if marked(n, number) else int(at[number]) for n, at in (("begin", begin), ("end", end)))
                taken = range(shape[axis])[slice(*ends, int(strides[number]))]
                made.append(_cut(field, axis, shape[axis], taken))
            axis += 1
    return made + list(field.axes[axis:])


def _cut(field, axis, size, taken):
    if taken == range(size):
        return field.axes[axis]
    reach = field.reach(axis)
    if reach is None:
        return ()
    if taken.step < 0:
        raise Lost
    return (reach.cut(taken.start, taken.step, len(taken)),)


def _each(field, change):
    """The axes of a field after `change(axis, reach)` of those that tell of one axis of the image."""
    reaches = [field.reach(axis) for axis in range(len(field.axes))]
    return [() if reach is None else (change(axis, reach),) for axis, reach in enumerate(reaches)]


def resized(op, given):
    """Places between others are mixed of the nearest, which ones depends on where they lie."""
    around = {"ResizeBilinear": (0, 1), "ResizeBicubic": (-1, 2)}.get(op.type)
    aligned, halves = op.get_attr("align_corners"), op.get_attr("half_pixel_centers")

    def resize(axis, reach):
        count = op.outputs[0].shape[axis]
        if count == reach.count:
            return reach
        scale = Fraction(reach.count, count)
        if aligned and count > 1:
            scale = Fraction(reach.count - 1, count - 1)
        half = Fraction(1, 2) if halves else 0
        if around is None:
            half += Fraction(1, 2) / scale if aligned else 0
            return reach.resampled(scale, [(math.floor((place + half) * scale),) * 2 for place in range(count)])
        spans = []
        for place in range(count):
            at = (place + half) * scale - half
            spans.append((at, at) if at.denominator == 1 else tuple(math.floor(at) + by for by in around))
        return reach.resampled(scale, spans)

    return _each(given[0], resize)


def batched(op, given):
    """One half of a dilated convolution: every n-th place, the others in the batch."""
    field, block, ends = given[0], constant(op.inputs[1]).tolist(), constant(op.inputs[2]).tolist()
    axes = [(), *field.axes[1:]]
    if tells(field.axes[0]):
        raise Lost
    for axis, (by, (before, after)) in enumerate(zip(block, ends, strict=True), start=1):
        reach = field.reach(axis)
        if reach is None:
            continue
        if op.type == "SpaceToBatchND":
            axes[axis] = (reach.padded(before, after).phases(by),)
        else:
            reach = reach.unphased(by)
            axes[axis] = (reach.cut(before, 1, reach.count - before - after),)
    return axes


def shuffled(op, given):
    """Places moved into channels or back, a block at a time."""
    block, spatial = op.get_attr("block_size"), _spatial(op)

    def change(axis, reach):
        if axis not in spatial:
            raise Lost
        return reach.enlarged(block) if op.type == "DepthToSpace" else reach.slid(block, block, 0, reach.count // block)

    return _each(given[0], change)


def constant(tensor: tf.Tensor) -> np.ndarray:
    """The value of an operand.

    Raises:
        Lost: it is known only when the op runs.
    """
    value = tf.get_static_value(tensor)
    if value is None:
        raise Lost
    return value
