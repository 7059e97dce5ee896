"""What of a network is computed on boxes, what whole, and what that saves."""

import itertools
from dataclasses import dataclass

import numpy as np
import tensorflow as tf

from kerasviz.network.incremental.boxes import Span
from kerasviz.network.incremental.costs import Cost, cost_of
from kerasviz.network.incremental.tracing import Traced, Unit

#: Boxes are worth it only if they are expected to save this share of the time, since expectations err.
_WORTH = 0.05


@dataclass
class Row:
    """What a plan does with an op.

    Attributes:
        layer: the path of its layer.
        op: its type.
        full: rows and columns of its output.
        region: of the box, as the mean over the positions; those of the output where it is computed whole.
        macs: multiplications with weights of a whole pass.
        run: of one position, as the mean over the positions.
        why: why it is computed whole; "" on boxes.
    """

    layer: str
    op: str
    full: tuple
    region: tuple
    macs: int
    run: float
    why: str


@dataclass(repr=False)
class Plan:
    """What is computed on boxes, for patches at some positions.

    Attributes:
        units: the units computed on boxes; none if the whole network is run for each position.
        spans: by the name of a tensor its spans along rows and columns, one for each distinct start.
        work: by the name of a tensor what one place of it costs, with all that shares its box.
        frontier: the tensors at which whole maps begin.
        rows: a `Row` for each op that depends on the image.
        why: why the whole network is run; "" otherwise.
    """

    units: list[Unit]
    spans: dict[str, list[Span]]
    work: dict[str, float]
    frontier: list[tf.Tensor]
    rows: list[Row]
    why: str = ""

    @property
    def macs(self) -> int:
        """Multiplications with weights of a whole pass."""
        return sum(row.macs for row in self.rows)

    @property
    def run(self) -> float:
        """Those needed for one position, as the mean over the positions: the bound of the arithmetic."""
        return sum(row.run for row in self.rows)

    @property
    def saved(self) -> float:
        """The share of the multiplications that is saved."""
        return 1 - self.run / self.macs if self.macs else 0.0

    def __str__(self):
        lines = [f"{'layer':32} {'map':>11} {'region':>11} {'multiplications':>15}  computed"]
        for layer, rows in itertools.groupby(self.rows, key=lambda row: row.layer):
            rows = list(rows)
            macs, run = (sum(values) for values in zip(*((row.macs, row.run) for row in rows), strict=True))
            whole = next((row.why for row in rows if row.why), "")
            share = f"{run / macs:.1%} of {_short(macs)}" if macs else ""
            sizes = (" x ".join(f"{n:.3g}" for n in numbers) for numbers in (rows[-1].full, rows[-1].region))
            lines.append("{:32} {:>11} {:>11} {:>15}  {}".format(layer or "-", *sizes, share, whole or "on boxes"))
        head = self.why or f"{self.saved:.1%} of {_short(self.macs)} multiplications are saved"
        return "\n".join([head[0].upper() + head[1:] + ".", *lines])

    # What a notebook shows; the fields are long arrays.
    __repr__ = __str__


def plan(traced: Traced, starts, size, *, share: float = 1.0, force: bool = False) -> Plan:
    """Choose what is computed on boxes: the ops up to one of them, wherever all in all that costs least.

    Args:
        traced: the network.
        starts: the distinct first rows, and the distinct first columns, of the patches.
        size: rows and columns of a patch.
        share: boxes are cut to this share of each axis; under 1 the result is an approximation.
        force: take boxes wherever they can be taken, worth it or not.
    """
    spans = _spans(traced, starts, size, share)
    costs = [cost_of(unit, spans) for unit in traced.units]
    able = [unit.step is not None and unit.step.output.name in spans for unit in traced.units]
    whole = sum(cost.whole for cost in costs)
    gains = np.where(able, [cost.boxed - cost.whole for cost in costs], 0.0)
    totals = whole + np.cumsum(gains) + _entries(traced, able)
    last = len(totals) - 1 if force else int(np.argmin(totals)) if len(totals) else -1
    worth = any(able[: last + 1]) and (force or totals[last] < (1 - _WORTH) * whole)
    boxed = [worth and fits and number <= last for number, fits in enumerate(able)]
    units = [unit for unit, inside in zip(traced.units, boxed, strict=True) if inside]
    return Plan(
        units=units,
        spans=spans,
        work=_work(traced, units, costs),
        frontier=_frontier(traced, {unit.op.name for unit in units}),
        rows=[_row(unit, cost, spans, inside) for unit, cost, inside in zip(traced.units, costs, boxed, strict=True)],
        why="" if worth else _why_not(traced, able),
    )


def _spans(traced, starts, size, share):
    """The spans of all maps that boxes suffice for."""
    image = traced.image
    spans = (
        {
            image.name: [
                Span(np.asarray(first), np.asarray(first) + size[axis] - 1, image.shape[1 + axis])
                for axis, first in enumerate(starts)
            ]
        }
        if image.shape.rank == 4
        else {}
    )
    for unit in traced.units:
        if unit.step is not None and all(tensor.name in spans for tensor in unit.step.inputs):
            found = [unit.step.span(axis, [spans[t.name][axis] for t in unit.step.inputs]) for axis in (0, 1)]
            spans[unit.step.output.name] = [span.cropped(share) if share < 1 else span for span in found]
    return spans


def _work(traced, units, costs):
    whole = {unit.op.name: cost for unit, cost in zip(traced.units, costs, strict=True)}
    work, home = {traced.image.name: 0.0}, {traced.image.name: traced.image.name}
    for unit in units:
        step, (rows, columns) = unit.step, unit.op.outputs[0].shape[1:3]
        name = home[step.inputs[0].name] if step.shares_box else step.output.name
        home[step.output.name] = name
        work[name] = work.get(name, 0.0) + whole[unit.op.name].whole / (rows * columns)
    return work


def _frontier(traced, boxed):
    """The tensors computed on boxes, or the image, that what is computed whole takes."""
    inside = {traced.image.name, *(unit.op.outputs[0].name for unit in traced.units if unit.op.name in boxed)}
    taken = [tensor for unit in traced.units if unit.op.name not in boxed for op in unit.ops for tensor in op.inputs]
    taken += traced.outputs
    return list({tensor.name: tensor for tensor in taken if tensor.name in inside}.values())


def _entries(traced, able):
    """For each unit, what it costs to lay boxes into whole maps if they end behind it."""
    count = len(traced.units)
    place = {unit.op.outputs[0].name: number for number, unit in enumerate(traced.units) if able[number]}
    until = dict.fromkeys(place, -1)
    for number, unit in enumerate(traced.units):
        for tensor in (tensor for op in unit.ops for tensor in op.inputs):
            if tensor.name in until:
                until[tensor.name] = max(until[tensor.name], number if able[number] else count)
    until |= {tensor.name: count for tensor in traced.outputs if tensor.name in until}
    costs = np.zeros(count)
    for name, number in place.items():
        # Between a map and the last op that takes it, the map crosses the border.
        costs[number : until[name]] += Cost.entry(traced.units[number].op.outputs[0].shape)
    return costs


def _row(unit, cost, spans, boxed):
    shape = tuple(unit.op.outputs[0].shape[1:-1]) if unit.op.outputs[0].shape.rank else ()
    region = shape
    if boxed:
        region = tuple(float(span.sizes.mean()) for span in spans[unit.op.outputs[0].name])
    why = "" if boxed else unit.why or "a whole pass from here on is as cheap"
    return Row(unit.path, unit.op.type, shape, region, cost.macs, cost.run if boxed else cost.macs, why)


def _short(number):
    for unit, size in (("G", 1e9), ("M", 1e6), ("k", 1e3)):
        if number >= size:
            return f"{number / size:.3g} {unit}"
    return f"{number:.0f}"


def _why_not(traced, able):
    if not any(able):
        first = next((unit for unit in traced.units if unit.why), None)
        return "no layer can be computed on boxes" + (f": {first.why}" if first else "")
    return "the boxes soon cover the whole maps: they would save less than they cost"
