"""The ops of a traced network that can be computed on boxes alone.

Each is computed on the change of its inputs where it is linear, since a change is zero outside its box and in the
padding; otherwise on the changed values, with clean ones around them.
"""

from abc import ABC, abstractmethod

import numpy as np
import tensorflow as tf

from kerasviz.network.incremental.boxes import Box, Span, cut, place
from kerasviz.network.incremental.changes import Changed


class Step(ABC):
    """One op, or a few that belong together, computed on boxes.

    Args:
        op: the op that makes the output.
        inputs: the tensors that change, `(N, H, W, C)` each.

    Attributes:
        shares_box: whether the output's box is its first input's.
    """

    shares_box = False

    def __init__(self, op: tf.Operation, inputs: list[tf.Tensor]):
        self.op, self.inputs, self.output = op, inputs, op.outputs[0]

    def span(self, axis: int, spans: list[Span]) -> Span:
        """The places of the output that change along an axis (0 rows, 1 columns), from those of the inputs."""
        united = spans[0]
        for span in spans[1:]:
            united = united.united(span)
        return united

    @property
    def macs(self) -> int:
        """Multiplications with weights for one place of the output."""
        return 0

    @property
    def moved(self) -> int:
        """About how many values are read or written for one place of the output."""
        return self.output.shape[-1]

    @property
    def clean(self) -> list[tf.Tensor]:
        """The maps whose clean values are needed."""
        return []

    @property
    def fixed(self) -> list[tf.Tensor]:
        """The tensors that it takes beside its inputs, which do not change."""
        return []

    @abstractmethod
    def run(self, inputs: list[Changed], box: Box, graph) -> Changed:
        """Compute it inside a graph.

        Args:
            inputs: the changed maps.
            box: of the output.
            graph: its `clean_of(tensor)` gives a function that returns the clean map, its `fixed(tensor)` a tensor
                that does not change.
        """


class Passed(Step):
    """An op that returns its input, as far as the change goes: a bias, an identity."""

    shares_box = True
    moved = 0

    def run(self, inputs, box, graph):  # noqa: D102
        return Changed(graph.clean_of(self.output), box, inputs[0].change)


class Pointwise(Step):
    """An op that treats each position by itself, linear or not, of one map or several.

    Args:
        op: the op.
        inputs: the maps among its operands.
        rebuild: `(operands) -> tensor`, the op anew.
        linear: `(operands) -> tensor`, its change from those of its maps where it is linear in them; or None.
    """

    def __init__(self, op, inputs, rebuild, linear=None):
        super().__init__(op, inputs)
        self._rebuild, self._linear = rebuild, linear
        self.shares_box = len(inputs) == 1

    @property
    def moved(self):  # noqa: D102
        channels = sum(tensor.shape[-1] for tensor in self.inputs) + self.output.shape[-1]
        return channels if self._linear else 3 * channels

    @property
    def clean(self):  # noqa: D102
        return [] if self._linear else [*self.inputs, self.output]

    @property
    def fixed(self):  # noqa: D102
        maps = {tensor.name for tensor in self.inputs}
        return [tensor for tensor in self.op.inputs if tensor.name not in maps]

    def run(self, inputs, box, graph):  # noqa: D102
        changed = dict(zip((tensor.name for tensor in self.inputs), inputs, strict=True))

        def operand(tensor, changes):
            if tensor.name not in changed:
                return _in_box(graph.fixed(tensor), box)
            return changed[tensor.name].change_in(box) if changes else changed[tensor.name].values_in(box)

        made = (self._linear or self._rebuild)([operand(t, self._linear is not None) for t in self.op.inputs])
        clean = graph.clean_of(self.output)
        return Changed(clean, box, change=made) if self._linear else Changed(clean, box, values=made)


class Padded(Step):
    """Constant padding of rows and columns: the change only moves."""

    def __init__(self, op, inputs, before):
        super().__init__(op, inputs)
        self._before = before

    def span(self, axis, spans):  # noqa: D102
        return spans[0].shifted(self._before[axis], self.output.shape[1 + axis])

    def run(self, inputs, box, graph):  # noqa: D102
        moved = inputs[0].box.shifted(self._before)
        return Changed(graph.clean_of(self.output), box, place(inputs[0].change, moved, box))


class Cropped(Step):
    """A slice of rows, columns and channels without gaps."""

    def __init__(self, op, inputs, begin, channels):
        super().__init__(op, inputs)
        self._begin, self._channels = begin, channels

    def span(self, axis, spans):  # noqa: D102
        return spans[0].shifted(-self._begin[axis], self.output.shape[1 + axis])

    def run(self, inputs, box, graph):  # noqa: D102
        moved = inputs[0].box.shifted([-by for by in self._begin])
        return Changed(graph.clean_of(self.output), box, place(inputs[0].change[..., self._channels], moved, box))


class Sliding(Step):
    """A window that slides over the map: convolution and pooling.

    Args:
        op: the op that makes the output.
        inputs: the map.
        kernel: the extent of the window along both axes, dilation included.
        stride: along both axes.
        before: the padding in front, along both axes.
    """

    def __init__(self, op, inputs, kernel, stride, before):
        super().__init__(op, inputs)
        self.kernel, self.stride, self.before = tuple(kernel), tuple(stride), tuple(before)
        self.shares_box = self.kernel == self.stride == (1, 1)

    def span(self, axis, spans):  # noqa: D102
        length = self.output.shape[1 + axis]
        return spans[0].slid(self.kernel[axis], self.stride[axis], self.before[axis], length)

    @property
    def moved(self):  # noqa: D102
        inside = 0 if self.shares_box else 3 * self.inputs[0].shape[-1] * self.stride[0] * self.stride[1]
        return inside + self.output.shape[-1]

    def window(self, box: Box) -> Box:
        """What is seen to make a box of the output."""
        return box if self.shares_box else box.window(self.kernel, self.stride, self.before)


class Convolution(Sliding):
    """A convolution: dense, grouped or depthwise, dilated, strided.

    Args:
        op: as for `Sliding`.
        inputs: as for `Sliding`.
        weights: the tensor of the kernel; or, in a grouped one, of the variable that holds it.
        kernel: as for `Sliding`.
        stride: as for `Sliding`.
        before: as for `Sliding`.
        dilation: along both axes.
        shape: of the weights.
        depthwise: whether each channel has filters of its own.
    """

    def __init__(self, op, inputs, weights, kernel, stride, before, dilation, shape, depthwise):
        super().__init__(op, inputs, kernel, stride, before)
        self._weights, self._dilation, self._shape, self.depthwise = weights, list(dilation), shape, depthwise

    @property
    def macs(self):  # noqa: D102
        rows, columns, channels, filters = self._shape
        return rows * columns * channels * filters

    @property
    def fixed(self):  # noqa: D102
        return [self._weights]

    def run(self, inputs, box, graph):  # noqa: D102
        seen, weights = inputs[0].change_in(self.window(box)), graph.fixed(self._weights)
        if weights.dtype == tf.resource:
            weights = tf.raw_ops.ReadVariableOp(resource=weights, dtype=seen.dtype)
        if self.depthwise:
            found = tf.nn.depthwise_conv2d(seen, weights, [1, *self.stride, 1], "VALID", dilations=self._dilation)
        else:
            found = tf.nn.conv2d(seen, weights, list(self.stride), "VALID", dilations=self._dilation)
        return Changed(graph.clean_of(self.output), box, found)


class MaxPool(Sliding):
    """Max pooling."""

    @property
    def clean(self):  # noqa: D102
        return [*self.inputs, self.output]

    def run(self, inputs, box, graph):  # noqa: D102
        reaches_out = any(self.before) or any(
            (self.output.shape[1 + a] - 1) * self.stride[a] + self.kernel[a] > self.inputs[0].shape[1 + a]
            for a in (0, 1)
        )
        seen = inputs[0].values_in(self.window(box), outside=-np.inf if reaches_out else None)
        return Changed(
            graph.clean_of(self.output), box, values=tf.nn.max_pool2d(seen, self.kernel, self.stride, "VALID")
        )


class AveragePool(Sliding):
    """Average pooling; padding does not count, so that windows at the edges have fewer values."""

    def run(self, inputs, box, graph):  # noqa: D102
        found = tf.nn.avg_pool2d(inputs[0].change_in(self.window(box)), self.kernel, self.stride, "VALID")
        counts = [self._counts(axis) for axis in (0, 1)]
        if any((along != size).any() for along, size in zip(counts, self.kernel, strict=True)):
            share = np.prod(self.kernel) / (counts[0][:, None] * counts[1][None, :])
            found *= cut(tf.constant(share[None, :, :, None], found.dtype), box)
        return Changed(graph.clean_of(self.output), box, found)

    def _counts(self, axis):
        """How many values of the map each window holds along an axis."""
        starts = np.arange(self.output.shape[1 + axis]) * self.stride[axis] - self.before[axis]
        ends = np.minimum(starts + self.kernel[axis], self.inputs[0].shape[1 + axis])
        return ends - np.maximum(starts, 0)


def _in_box(tensor, box):
    """A tensor that does not change, as it meets the box of one that does."""
    spatial = tensor.shape.rank is not None and tensor.shape.rank >= 3 and max(tensor.shape[-3:-1]) > 1
    if not spatial:
        return tensor
    whole = tf.reshape(tensor, [1, *[1] * (3 - min(tensor.shape.rank, 3)), *tensor.shape[-3:]])
    return cut(whole, box)
