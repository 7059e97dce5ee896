"""What is computed on boxes, what it saves, and what the plan says."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers as L
from zoo import randomize

import kerasviz as kv
from kerasviz.attribution.positions import Grid
from kerasviz.network import Network
from kerasviz.network.incremental import Incremental, planning
from kerasviz.network.incremental.classes import Classes
from kerasviz.network.incremental.costs import Cost, cost_of


def engine_of(model):
    network = Network(model)
    signature = [[tf.TensorSpec((None, *model.input_shape[1:]))], []]
    return Incremental(network, lambda tensors, arguments: network.forward(tensors).scores, signature, 0)


@pytest.fixture(scope="module")
def skipping():
    """A network whose first map meets the last ones again, and that pools in between."""
    inputs = keras.Input((40, 32, 3))
    first = L.Conv2D(4, 3, padding="same", activation="relu", name="first")(inputs)
    x = first
    for number in range(3):
        x = L.Conv2D(8, 3, padding="same", activation="relu", name=f"deep{number}")(x)
    x = L.Concatenate(name="meeting")([L.MaxPooling2D(4, name="pool")(x), L.AveragePooling2D(4, name="skip")(first)])
    x = L.Conv2D(8, 3, padding="same", name="last")(x)
    return engine_of(randomize(keras.Model(inputs, L.Dense(3, name="scores")(L.GlobalAveragePooling2D()(x)))))


def test_arithmetic_is_counted_from_the_shapes(skipping):
    # One patch of 5 x 4 at row 12, column 8: by hand, layer by layer.
    plan = skipping.plan([[12, 8]], (5, 4), force=True)
    macs = {row.layer: (row.macs, row.run) for row in plan.rows if row.macs}
    wanted = {
        "first": (40 * 32 * 9 * 3 * 4, 7 * 6 * 9 * 3 * 4),
        "deep0": (40 * 32 * 9 * 4 * 8, 9 * 8 * 9 * 4 * 8),
        "deep1": (40 * 32 * 9 * 8 * 8, 11 * 10 * 9 * 8 * 8),
        "deep2": (40 * 32 * 9 * 8 * 8, 13 * 12 * 9 * 8 * 8),
        # Rows 8 to 20 and columns 4 to 15 are in the windows 2 to 5 and 1 to 3 of 10 and 8; one more on each side.
        "last": (10 * 8 * 9 * 12 * 8, 6 * 5 * 9 * 12 * 8),
        "scores": (24, 24),
    }
    assert set(macs) == set(wanted)
    for layer, (whole, run) in wanted.items():
        assert macs[layer][0] == whole
        assert macs[layer][1] == pytest.approx(run)
    assert plan.macs == sum(whole for whole, _ in macs.values())
    assert plan.saved == pytest.approx(1 - sum(run for _, run in wanted.values()) / plan.macs)


@pytest.mark.slow
@pytest.mark.parametrize(("patch", "stride", "ratio"), [(16, 4, 9.14), (16, 8, 8.88), (8, 4, 10.82), (32, 8, 6.50)])
def test_the_bound_of_vgg16(patch, stride, ratio):
    # Computed independently from the layers' shapes, with exact intervals for each position.
    plan = kv.Occlusion(vgg16(), size=patch, stride=stride).plan()
    assert plan.macs == pytest.approx(15.3466e9 + 123.6e6, rel=1e-4)
    assert plan.macs / plan.run == pytest.approx(ratio, abs=0.006)


def vgg16(made=[]):  # noqa: B006
    """The network, made once."""
    if not made:
        made.append(keras.applications.VGG16(weights=None))
    return made[0]


def test_laying_boxes_into_maps_is_paid_at_every_border(skipping):
    traced = skipping.traced
    spans = planning._spans(traced, [np.array([12]), np.array([8])], (5, 4), 1.0)
    able = [unit.step is not None and unit.step.output.name in spans for unit in traced.units]
    found = planning._entries(traced, able)
    for border in range(len(traced.units)):
        boxed = {unit.op.name for n, unit in enumerate(traced.units) if able[n] and n <= border}
        wanted = sum(
            Cost.entry(tensor.shape) for tensor in planning._frontier(traced, boxed) if tensor is not traced.image
        )
        assert found[border] == pytest.approx(wanted)


def covered():
    """A network whose last maps are soon reached everywhere."""
    inputs = x = keras.Input((48, 48, 3))
    for _ in range(3):
        x = L.Conv2D(8, 3, padding="same", activation="relu")(x)
    x = L.MaxPooling2D(8)(x)
    for _ in range(3):
        x = L.Conv2D(32, 5, padding="same", activation="relu")(x)
    return engine_of(randomize(keras.Model(inputs, L.Dense(3)(L.GlobalAveragePooling2D()(x)))))


@pytest.mark.parametrize("part", [False, True])
def test_boxes_end_where_that_costs_least(skipping, part):
    engine = covered() if part else skipping
    grid = Grid.of(engine.traced.image.shape[1:3], (5, 4), (4, 4))
    distinct = [np.unique(column) for column in grid.starts.T]
    chosen = engine.plan(grid.starts, grid.size)
    spans = planning._spans(engine.traced, distinct, grid.size, 1.0)
    units = engine.traced.units
    able = [unit.step is not None and unit.step.output.name in spans for unit in units]

    def cost(border):
        boxed = {unit.op.name for n, unit in enumerate(units) if able[n] and n <= border}
        each = [(unit, cost_of(unit, spans)) for unit in units]
        entry = sum(Cost.entry(t.shape) for t in planning._frontier(engine.traced, boxed))
        return sum(one.boxed if unit.op.name in boxed else one.whole for unit, one in each) + entry

    best = min(range(len(units)), key=cost)
    assert [unit.op.name for unit in chosen.units] == [
        unit.op.name for n, unit in enumerate(units) if able[n] and n <= best
    ]
    assert len(chosen.units) > 0
    assert (len(chosen.units) < sum(able)) == part


def test_where_the_whole_map_is_needed_at_once_nothing_is_saved():
    inputs = keras.Input((16, 16, 3))
    gate = L.Dense(3, activation="sigmoid")(L.GlobalAveragePooling2D(keepdims=True)(inputs))
    x = L.Conv2D(4, 3)(L.Multiply()([inputs, gate]))
    model = randomize(keras.Model(inputs, L.Dense(2)(L.GlobalAveragePooling2D()(x))))
    plan = kv.Occlusion(model, size=4, stride=2).plan()
    assert not plan.units
    assert plan.saved == 0
    assert "no layer can be computed on boxes" in plan.why
    # What is run whole counts all the same.
    assert plan.macs == plan.run == pytest.approx(14 * 14 * 9 * 3 * 4 + 4 * 2, rel=1e-3)
    assert any("rows and columns needs the whole map" in row.why or "no map" in row.why for row in plan.rows)
    assert str(plan).startswith("No layer can be computed on boxes")


def test_patches_that_soon_cover_everything_run_whole():
    inputs = keras.Input((12, 12, 3))
    x = inputs
    for _ in range(4):
        x = L.Conv2D(4, 5, padding="same", activation="relu")(x)
    model = randomize(keras.Model(inputs, L.Dense(2)(L.GlobalAveragePooling2D()(x))))
    plan = kv.Occlusion(model, size=8, stride=2).plan()
    assert not plan.units
    assert "save less than they cost" in plan.why
    assert {row.why for row in plan.rows if row.op == "Conv2D"} == {"a whole pass from here on is as cheap"}


def test_the_plan_in_words(skipping):
    plan = skipping.plan(Grid.of((40, 32), (5, 4), (4, 4)).starts, (5, 4), force=True)
    lines = str(plan).splitlines()
    assert lines[0] == f"{plan.saved:.1%} of {plan.macs / 1e6:.3g} M multiplications are saved."
    first = next(line for line in lines if line.startswith("first"))
    row = next(row for row in plan.rows if row.op == "Conv2D" and row.layer == "first")
    assert first.split()[1:4] == ["40", "x", "32"]
    assert f"{row.run / row.macs:.1%} of {row.macs / 1e3:.3g} k" in first
    assert first.endswith("on boxes")


def test_free_sizes_need_an_image_and_signals_have_no_plan():
    inputs = keras.Input((None, None, 3))
    x = L.Conv2D(4, 3, activation="relu")(inputs)
    free = randomize(keras.Model(inputs, L.Dense(2)(L.GlobalAveragePooling2D()(x))))
    with pytest.raises(kv.errors.InputError, match="image_shape"):
        kv.Occlusion(free, size=4).plan()
    assert kv.Occlusion(free, size=4).plan((20, 18, 3)).rows[0].full == (18, 16)
    with pytest.raises(kv.errors.InputError, match="shape"):
        kv.Occlusion(free, size=4).plan((20, 18, 1))
    with pytest.raises(kv.errors.SettingError, match="number=1 of 1 sizes"):
        kv.Occlusion(free, size=4).plan((20, 18, 3), number=1)
    signal = keras.Input((20, 2))
    model = randomize(keras.Model(signal, L.Dense(2)(L.GlobalAveragePooling1D()(L.Conv1D(3, 3)(signal)))))
    with pytest.raises(kv.errors.SettingError, match="run whole"):
        kv.Occlusion(model, size=4).plan()


@pytest.mark.parametrize("batch_size", [1, 8, 64])
def test_the_boxes_of_a_group_hold_what_changes(skipping, batch_size):
    grid = Grid.of((40, 32), (5, 4), (3, 3))
    made = skipping.plan(grid.starts, grid.size, force=True)
    names = [name for name in made.work if name in made.spans]
    places = [np.unique(column, return_inverse=True)[1] for column in grid.starts.T]
    classes = Classes(names, made, places, batch_size)
    for chunk in classes.chunks(batch_size):
        origins, sizes = classes.boxes(chunk)
        for number, name in enumerate(names):
            for axis in (0, 1):
                span, where = made.spans[name][axis], places[axis][chunk]
                first, last = origins[:, number, axis], origins[:, number, axis] + sizes[number, axis] - 1
                assert (first <= span.first[where]).all()
                assert (last >= span.last[where]).all()
                assert (first >= 0).all()
                assert (last < span.length).all()


def test_a_dense_layer_over_a_map_is_counted_at_each_place():
    inputs = keras.Input((10, 8, 3))
    x = L.Dense(5, name="over")(L.Conv2D(4, 3, padding="same")(inputs))
    model = randomize(keras.Model(inputs, L.Dense(2, name="scores")(L.Flatten()(x))))
    rows = kv.Occlusion(model, size=3, stride=3).plan().rows
    assert sum(row.macs for row in rows if row.layer == "over") == 10 * 8 * 4 * 5
    assert sum(row.macs for row in rows if row.layer == "scores") == 10 * 8 * 5 * 2
