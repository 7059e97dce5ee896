"""Runs of a network on many images that differ from one in a patch each: only what the patch reaches is computed."""

import threading
from collections import OrderedDict

import numpy as np
import tensorflow as tf

from kerasviz.network.incremental.boxes import Box
from kerasviz.network.incremental.changes import Changed
from kerasviz.network.incremental.classes import Classes
from kerasviz.network.incremental.planning import Plan, plan
from kerasviz.network.incremental.tracing import Traced

#: Sweeps that are kept, the last used: one for each size of the patch.
_KEPT = 8


class Incremental:
    """A network, run on many variants of one image, a patch pasted into each; exact.

    Args:
        network: a `Network`.
        body: `(tensors, arguments) -> tensors`, with a row per variant.
        signature: the specs of the flat inputs and of the arguments, two lists, of free batch size.
        number: of the input that the patches go into.
    """

    def __init__(self, network, body, signature, number):
        self.traced = Traced(network, body, signature, number)
        self._number, self._signature = number, signature
        self._functions: dict = {}
        self._sweeps: OrderedDict = OrderedDict()
        self._lock = threading.RLock()

    def plan(self, starts, size, *, share: float = 1.0, force: bool = False) -> Plan:
        """Choose what is computed on boxes; see `planning.plan`.

        Args:
            starts: `(P, 2)`, the first pixel of each patch.
            size: rows and columns of the patches.
            share: as for `planning.plan`.
            force: as for `planning.plan`.
        """
        distinct = [np.unique(column) for column in np.transpose(starts)]
        return plan(self.traced, distinct, size, share=share, force=force)

    def sweep(self, starts, size, batch_size: int, *, share: float = 1.0, force: bool = False) -> "Sweep | None":
        """The runs for patches at some positions; None if the plan computes nothing on boxes.

        Args:
            starts: as for `plan`.
            size: as for `plan`.
            batch_size: how many variants run at once.
            share: as for `plan`.
            force: as for `plan`.
        """
        key = (np.asarray(starts).tobytes(), tuple(size), batch_size, share, force)
        with self._lock:
            if key not in self._sweeps:
                made = self.plan(starts, size, share=share, force=force)
                self._sweeps[key] = Sweep(self._compiled(made), made, starts, batch_size) if made.units else None
            self._sweeps.move_to_end(key)
            while len(self._sweeps) > _KEPT:
                self._sweeps.popitem(last=False)
            return self._sweeps[key]

    def _compiled(self, made):
        key = tuple(unit.op.name for unit in made.units)
        with self._lock:
            if key not in self._functions:
                self._functions[key] = _Compiled(self.traced, made, self._signature, self._number)
            return self._functions[key]


class Sweep:
    """The runs of one plan over some positions.

    Attributes:
        groups: arrays of indices of positions; those of a group run together.
    """

    def __init__(self, compiled, made, starts, batch_size):
        self._compiled = compiled
        distinct = [np.unique(column, return_inverse=True) for column in np.transpose(starts)]
        self._classes = Classes(compiled.boxes, made, [where for _, where in distinct], batch_size)
        self.groups = self._classes.chunks(batch_size)

    def clean(self, tensors, arguments):
        """What the runs need of the unchanged image.

        Args:
            tensors: the inputs, flat, of one row each.
            arguments: of one row each.
        """
        return self._compiled.clean(tensors, arguments)

    def run(self, clean, group, patches):
        """What `body` returns for the variants of a group.

        Args:
            clean: what `clean` returned.
            group: one of `groups`.
            patches: `(n, h, w, C)`.
        """
        origins, sizes = self._classes.boxes(group)
        return self._compiled.run(*clean, origins, sizes, patches)


class _Compiled:
    """The two functions of a plan: the clean pass, and the variants."""

    def __init__(self, traced, made, signature, number):
        self._traced, self._units, self._frontier = traced, made.units, made.frontier
        self.boxes = _own_boxes(traced, made.units)
        steps = [unit.step for unit in made.units]
        kept = [traced.image, *(t for step in steps for t in step.clean), *made.frontier]
        self._kept = list({tensor.name: tensor for tensor in kept}.values())
        self._fixed = list({tensor.name: tensor for step in steps for tensor in step.fixed}.values())
        inside = {op.name for unit in made.units for op in unit.ops}
        rest = [op for unit in traced.units for op in unit.ops if op.name not in inside]
        self._beside = traced.beside(rest) + [t for t in self._fixed if t.name in traced.beside_names]
        image = signature[0][number]
        self.clean = _compiled(self._run_clean, signature)
        maps = [tf.TensorSpec((1, *t.shape[1:]), t.dtype) for t in self._kept]
        beside = [tf.TensorSpec(t.shape, t.dtype) for t in self._beside]
        table = tf.TensorSpec((None, len(self.boxes), 2), tf.int32)
        sizes = tf.TensorSpec((len(self.boxes), 2), tf.int32)
        patches = tf.TensorSpec((None, None, None, image.shape[-1]), image.dtype)
        self.run = _compiled(self._run_variants, [maps, beside, table, sizes, patches])

    def _run_clean(self, tensors, arguments):
        known = dict(zip((t.name for t in self._traced.given), [*tensors, *arguments], strict=True))
        wanted = self._traced.again([*self._kept, *self._beside], known)
        return [wanted[: len(self._kept)], wanted[len(self._kept) :]]

    def _run_variants(self, maps, beside, origins, sizes, patches):
        values = _Values(self._traced, self._kept, maps, self._beside, beside, self._fixed)
        boxes = {name: Box(origins[:, i], sizes[i]) for i, name in enumerate(self.boxes)}
        image = self._traced.image.name
        changed = {image: Changed(values.clean_of(self._traced.image), boxes[image], values=patches)}
        for unit in self._units:
            step = unit.step
            inputs = [changed[tensor.name] for tensor in step.inputs]
            box = boxes.get(step.output.name, inputs[0].box)
            changed[step.output.name] = step.run(inputs, box, values)
        count = tf.shape(patches)[0]
        known = {tensor.name: changed[tensor.name].whole() for tensor in self._frontier}
        for tensor, value in zip(self._beside, beside, strict=True):
            known[tensor.name] = tf.repeat(value, count, 0) if tensor.shape.rank and tensor.shape[0] is None else value
        return self._traced.pack(self._traced.again(self._traced.outputs, known))


class _Values:
    """Clean maps and tensors that do not change, inside a graph."""

    def __init__(self, traced, kept, maps, beside, values, fixed):
        self._maps = dict(zip((tensor.name for tensor in kept), maps, strict=True))
        known = dict(zip((tensor.name for tensor in beside), values, strict=True))
        self._fixed = dict(zip((tensor.name for tensor in fixed), traced.again(fixed, known), strict=True))

    def clean_of(self, tensor):
        return lambda: self._maps[tensor.name]

    def fixed(self, tensor):
        return self._fixed[tensor.name]


def _own_boxes(traced, units):
    """The names of the tensors that have a box of their own, the image first."""
    return [traced.image.name, *(unit.step.output.name for unit in units if not unit.step.shares_box)]


def _compiled(body, signature):
    function = tf.function(body, input_signature=signature, autograph=False).get_concrete_function()
    return lambda *given: function(*tf.nest.map_structure(tf.convert_to_tensor, list(given)))
