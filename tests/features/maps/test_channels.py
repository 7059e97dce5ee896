"""Statistics of channels: against numpy over the whole set, whatever the batches."""

import csv

import keras
import numpy as np
import pytest
import tensorflow as tf
import zoo
from keras import layers as L

import kerasviz as kv
from kerasviz.errors import InputError, LayerError, SaveError, SettingError
from kerasviz.features.maps import channels
from kerasviz.features.maps.channels import channel_statistics
from kerasviz.features.maps.feature_maps import FeatureMaps


def planted(activation="relu"):
    """Channels: brightness, a dead one, a constant one, one that is active in few images."""
    inputs = keras.Input((4, 7, 1))
    conv = L.Conv2D(4, 1, activation=activation, name="conv")
    model = keras.Model(inputs, L.GlobalAveragePooling2D(name="gap")(conv(inputs)))
    conv.set_weights([np.float32([1, 1, 0, 1]).reshape(1, 1, 1, 4), np.float32([0, -100, 3, -0.9])])
    return model


@pytest.fixture
def batch(rng):
    """23 images of which three have a bright pixel, and many pixels are black."""
    images = rng.uniform(-0.8, 0.8, (23, 4, 7, 1)).astype("float32")
    images[[2, 11, 22], 1, 3] = 1
    return images


def check(found, values, tolerance=0.0):
    """Statistics against those of all values `(N, …, C)` at once."""
    lines = values.astype("float64").reshape(-1, values.shape[-1])
    np.testing.assert_allclose(found.mean, lines.mean(0), rtol=1e-6, atol=1e-7)
    np.testing.assert_allclose(found.std, lines.std(0), rtol=1e-5, atol=1e-7)
    # Batches of another size may be computed in another order.
    np.testing.assert_allclose(found.min, lines.min(0), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(found.max, lines.max(0), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(found.zeros, (lines == 0).mean(0), rtol=1e-12)
    peaks = values.reshape(len(values), -1, values.shape[-1]).max(1)
    np.testing.assert_allclose(found.active, (peaks > tolerance).mean(0), rtol=1e-12)
    assert found.positions == len(lines)


def test_planted_channels(batch):
    found = channel_statistics(planted(), "conv", batch, batch_size=5)["conv"]
    rectified = np.maximum(batch[..., 0], 0)
    check(found, np.stack([rectified, 0 * rectified, 0 * rectified + 3, np.maximum(batch[..., 0] - 0.9, 0)], -1))
    assert found.rectified and found.dead.tolist() == [False, True, False, False]
    assert found.constant.tolist() == [False, True, True, False]
    assert (found.mean[2], found.std[2], found.zeros[1], found.active[1]) == (3, 0, 1, 0)
    assert found.active[3] == 3 / 23


def test_without_a_rectifier_there_are_constant_units_and_no_dead(batch):
    found = channel_statistics(planted(None), "conv", batch)["conv"]
    assert not found.rectified and not found.dead.any() and found.constant.tolist() == [False, False, True, False]
    assert found.max[1] < 0


def test_the_tolerance(batch):
    model = planted()
    found = channel_statistics(model, "conv", batch, tolerance=0.11)["conv"]
    assert found.dead.tolist() == [False, True, False, True]  # 1 - 0.9 is a whisper
    assert found.active.tolist() == [(batch.max((1, 2, 3)) > 0.11).mean(), 0, 1, 0]
    assert channel_statistics(model, "conv", batch, tolerance=0.09)["conv"].dead.tolist() == [False, True, False, False]


@pytest.mark.parametrize("batch_size", [1, 2, 7, 22, 23, 100])
def test_the_size_of_batches_changes_nothing(batch, batch_size):
    model = zoo.randomize(planted())
    values = FeatureMaps(model, ["conv", "gap"])(batch)
    found = channel_statistics(model, ["conv", "gap"], batch, batch_size=batch_size)
    assert list(found.layers) == ["conv", "gap"] and found.images == 23
    check(found["conv"], values["conv"])
    check(found["gap"], values["gap"])


def test_data_sets(batch):
    model = zoo.randomize(planted())
    values = FeatureMaps(model, "conv")(batch)["conv"]
    labelled = tf.data.Dataset.from_tensor_slices((batch, np.zeros(23))).batch(6)

    class Collection:
        def __iter__(self):
            return iter([batch[:9], batch[9:10], batch[10:]])

    for data in (labelled, Collection()):
        found = channel_statistics(model, "conv", data, batch_size=4)
        assert found.images == 23
        check(found["conv"], values)


def test_sizes_that_differ_count_by_their_positions():
    inputs = keras.Input((None, None, 1))
    model = keras.Model(inputs, L.Activation("linear", name="same")(L.Conv2D(1, 1, name="conv")(inputs)))
    model.get_layer("conv").set_weights([np.ones((1, 1, 1, 1)), np.zeros(1)])

    class Collection:
        def __iter__(self):
            return iter([np.zeros((1, 2, 3, 1)), np.ones((2, 5, 3, 1))])

    found = channel_statistics(model, "same", Collection())["same"]
    assert (found.positions, found.mean[0]) == (36, pytest.approx(30 / 36))
    assert found.std[0] == pytest.approx(np.sqrt(30 / 36 * 6 / 36)) and found.zeros[0] == pytest.approx(6 / 36)


def test_a_large_mean_costs_no_digits_of_a_small_deviation(rng):
    """Sums of squares in float32 would leave nothing of it; in float64, half of the digits."""
    inputs = keras.Input((64, 64, 1))
    model = keras.Model(inputs, L.Rescaling(1.0, name="same")(inputs))
    images = (4096 + rng.integers(0, 3, (12, 64, 64, 1)) / 1024).astype("float32")
    found = channel_statistics(model, "same", images, batch_size=5)["same"]
    wide = images.astype("float64")
    assert found.mean[0] == pytest.approx(wide.mean(), rel=1e-12)
    assert found.std[0] == pytest.approx(wide.std(), rel=1e-6)


def test_constant_values_have_no_deviation():
    inputs = keras.Input((50, 37, 1))
    model = keras.Model(inputs, L.Rescaling(1.0, name="same")(inputs))
    found = channel_statistics(model, "same", np.full((7, 50, 37, 1), 0.1, "float32"), batch_size=3)["same"]
    assert found.std[0] == 0 and found.mean[0] == pytest.approx(float(np.float32(0.1)), rel=1e-15)
    assert found.constant[0]


@pytest.mark.slow
def test_every_kind_of_model(specimen):
    """All layers with a map, and a rank that each kind has: signals, pictures, volumes."""
    before = [variable.numpy() for variable in specimen.model.variables]
    network = kv.Network(specimen.model)
    values = FeatureMaps(network, "all")(specimen.inputs)
    found = channel_statistics(network, "all", specimen.inputs, batch_size=2)
    assert list(found.layers) == values.layers
    for path, each in values.values.items():
        check(found[path], each)
    assert all((a == b.numpy()).all() for a, b in zip(before, specimen.model.variables, strict=True))


def test_one_pass_and_one_compilation_for_all_layers(batch, monkeypatch):
    model, compiled, passes = planted(), [], []
    network = kv.Network(model)
    function = network.function

    def counted(body):
        compiled.append(body)
        run = function(body)
        return lambda part: (passes.append(len(part[0])), run(part))[1]

    monkeypatch.setattr(network, "function", counted)
    channel_statistics(network, ["conv", "gap"], batch, batch_size=10)
    assert len(compiled) == 1 and passes == [10, 10, 3]


def test_what_is_kept_does_not_grow(batch):
    sums = channels._Sums(*(np.ones(4) for _ in range(8)))
    assert {field: value.shape for field, value in vars(sums.merged(sums)).items()} == dict.fromkeys(vars(sums), (4,))


# What becomes of them


def test_rows_and_tables(batch, tmp_path):
    found = channel_statistics(planted(), ["conv", "gap"], batch)
    rows = found.rows()
    assert [(row["layer"], row["channel"]) for row in rows] == [(p, c) for p in ("conv", "gap") for c in range(4)]
    assert rows[1] == {
        "layer": "conv",
        "channel": 1,
        **dict.fromkeys(("mean", "std", "min", "max", "active"), 0.0),
        "zeros": 1.0,
        "dead": True,
        "constant": True,
    }
    path = found.to_csv(tmp_path / "new" / "gap.csv", "gap")
    with path.open(encoding="utf-8", newline="") as file:
        read = list(csv.DictReader(file))
    assert read == [{key: str(value) for key, value in row.items()} for row in rows[4:]]
    assert float(read[0]["mean"]) == found["gap"].mean[0]
    with pytest.raises(SaveError, match="exists already"):
        found.to_csv(path)
    assert len(found.to_csv(path, overwrite=True).read_text(encoding="utf-8").splitlines()) == 9
    for call in (found.rows, found.plot, lambda layer: found.to_csv(tmp_path / "lost.csv", layer)):
        with pytest.raises(LayerError, match="'conv', 'gap'"):
            call("lost")


def test_the_picture_is_sorted_and_marks_the_dead(batch):
    found = channel_statistics(planted(), ["conv", "gap"], batch)
    figure = found.plot()
    axes = figure.axes[0]
    band, line = (patch.get_data() for patch in axes.patches)
    order = np.argsort(found["conv"].mean)
    np.testing.assert_allclose(line.values, found["conv"].mean[order])
    np.testing.assert_allclose(band.values, found["conv"].max[order])
    np.testing.assert_allclose(band.baseline, found["conv"].min[order])
    marks = {line.get_color(): line.get_xdata().tolist() for line in axes.lines if line.get_marker() == "x"}
    assert marks == {"tab:red": [0], "tab:orange": [3]}
    said = [text.get_text() for text in figure.texts]
    assert said[0] == "conv: 4 channels, 1 dead, 1 constant" and "23 images" in " ".join(said[-2:])
    assert len(figure.axes) == 2 and len(found.plot("gap").axes) == 1


# What is refused


def test_what_does_not_fit(batch):
    model = planted()
    bad = batch.copy()
    bad[20] = np.inf
    for arguments, options, error, said in (
        (("lost", batch), {}, LayerError, "lost"),
        (([], batch), {}, SettingError, "no layer"),
        (("conv", batch[:0]), {}, InputError, "empty"),
        (("conv", (image for image in batch)), {}, InputError, "generator"),
        (("conv", bad), {}, InputError, r"\[20\]"),
        (("conv", batch[:, 1:]), {}, InputError, "shape"),
        (("conv", batch), {"batch_size": 0}, SettingError, "batch_size"),
        (("conv", batch), {"tolerance": -1}, SettingError, "tolerance"),
        (("conv", batch), {"tolerance": np.nan}, SettingError, "tolerance"),
    ):
        with pytest.raises(error, match=said):
            channel_statistics(model, *arguments, **options)


def test_activations_that_are_not_finite(batch):
    model = planted()
    kernel, _ = model.get_layer("conv").get_weights()
    for value in (np.nan, np.inf):
        model.get_layer("conv").set_weights([kernel, np.float32([0, 0, value, 0])])
        with pytest.raises(InputError, match=r"'conv'.*channel 2.*samples 0 to 9"):
            channel_statistics(model, "conv", batch, batch_size=10)
