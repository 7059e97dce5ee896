"""Feature maps: their values, the pictures of them, and the files."""

import io

import keras
import numpy as np
import pytest
import tensorflow as tf
import zoo
from keras import layers as L
from PIL import Image
from reference import keras_eager

from kerasviz.errors import InputError, LayerError, LoadError, ModelError, SaveError, SettingError
from kerasviz.features.maps.activations import Activations
from kerasviz.features.maps.feature_maps import FeatureMaps
from kerasviz.network import Network
from kerasviz.plotting.colors import Palette

INFERNO, RDBU = (Palette.of(name, signed=signed).table for name, signed in (("inferno", False), ("RdBu_r", True)))


@pytest.fixture
def planted():
    """Channels of one colour image: the red, its edges from left to right, a dead one, and a constant one."""
    inputs = keras.Input((6, 9, 3))
    conv = L.Conv2D(4, 3, padding="same", name="conv")
    x = L.ReLU(name="relu")(conv(inputs))
    dense = L.Dense(3, name="scores")
    model = keras.Model(inputs, dense(L.GlobalAveragePooling2D(name="gap")(x)))
    kernel = np.zeros((3, 3, 3, 4), "float32")
    kernel[1, 1, 0, 0] = 1
    kernel[1, 0, 0, 1], kernel[1, 2, 0, 1] = -1, 1
    kernel[1, 1, 1, 2] = 1
    conv.set_weights([kernel, np.float32([0, 0, -100, 2.5])])
    dense.set_weights([np.arange(12, dtype="float32").reshape(4, 3) - 5, np.zeros(3, "float32")])
    return model


def expected(images):
    """What `planted` should make of images, before and after its rectifier."""
    red = np.pad(images[..., 0], ((0, 0), (0, 0), (1, 1)))
    maps = [red[:, :, 1:-1], red[:, :, 2:] - red[:, :, :-2], images[..., 1] - 100, np.full_like(images[..., 0], 2.5)]
    conv = np.stack(maps, axis=-1)
    return conv, np.maximum(conv, 0)


@pytest.fixture
def batch(rng):
    return rng.uniform(-1, 1, (5, 6, 9, 3)).astype("float32")


# Values


@pytest.mark.parametrize("batch_size", [1, 2, 5, 32])
def test_planted_maps(planted, batch, batch_size):
    maps = FeatureMaps(planted, ["relu", "conv", "scores"], batch_size=batch_size)(batch)
    conv, relu = expected(batch)
    assert maps.layers == ["relu", "conv", "scores"] and len(maps) == 5
    np.testing.assert_allclose(maps["conv"], conv, atol=1e-5)
    np.testing.assert_allclose(maps["relu"], relu, atol=1e-5)
    np.testing.assert_allclose(maps["scores"], planted.predict(batch, verbose=0), atol=1e-4)
    assert all(values.dtype == np.float32 for values in maps.values.values())


@pytest.mark.slow
def test_every_kind_of_model_as_keras_runs_it_alone(specimen):
    before = [variable.numpy() for variable in specimen.model.variables]
    maps = FeatureMaps(specimen.model, batch_size=2)(specimen.inputs)
    assert maps.layers == [specimen.layer]

    def score(outputs):
        return tf.add_n([tf.reduce_sum(tf.cast(output, tf.float32)) for output in keras.tree.flatten(outputs)])

    half = any("float16" in variable.dtype for variable in specimen.model.variables) or any(
        "mixed" in layer.dtype_policy.name for layer in specimen.model.layers
    )
    for i, sample in enumerate(keras_eager.samples_of(specimen.inputs)):
        alone = keras_eager.gradients(specimen.model, sample, score, layer=specimen.layer)[2]
        np.testing.assert_allclose(
            maps[specimen.layer][i], alone, **({"rtol": 0.01, "atol": 0.01} if half else {"atol": 1e-5})
        )
    assert all((a == b.numpy()).all() for a, b in zip(before, specimen.model.variables, strict=True))


def test_calls_of_a_shared_layer():
    specimen = zoo.ZOO["shared_layer"]()
    maps = FeatureMaps(specimen.model, ["shared@0", "shared", "copy"])(specimen.inputs)
    first = specimen.model.get_layer("shared")(specimen.inputs).numpy()
    second = specimen.model.get_layer("shared")(first).numpy()
    for layer, wanted in (("shared@0", first), ("copy", first), ("shared", second)):
        np.testing.assert_allclose(maps[layer], wanted, atol=1e-5)
    assert np.abs(first - second).max() > 0.1


def test_layers_by_index_object_and_end_of_a_path():
    model = zoo.ZOO["nested_in_sequential"]().model
    maps = FeatureMaps(model, ["conv2", 0, model.get_layer("base"), model.get_layer("base").get_layer("conv2")])
    assert [str(address) for address in maps.addresses] == ["base/conv2", "rescale", "base"]
    images = zoo.images(12, 10, 3)
    found = maps(images)
    np.testing.assert_allclose(found["rescale"], images * 0.5 + 0.1, atol=1e-6)
    assert found["conv2"] is found["base/conv2"] and found["conv2"].shape == (3, 6, 5, 6)


def test_all_maps_leave_out_what_makes_none():
    def paths(name):
        return [str(address) for address in FeatureMaps(zoo.ZOO[name]().model, "all").addresses]

    assert paths("sequential") == ["conv1", "conv2", "act"]  # not the Dropout, which passes one on
    assert paths("shared_layer") == ["shared@0", "copy", "shared@1"]
    assert paths("nested_in_sequential") == [
        "rescale",
        *(f"base/{n}" for n in ("conv1", "pool", "conv2", "bn", "relu")),
    ]
    assert paths("conv3d") == ["conv1", "pool"]
    assert paths("image_and_table") == ["conv1"]
    assert [p for p in paths("dicts") if "conv1" in p] == ["tower/conv1@0", "tower/conv1@1"]


def test_an_open_network_and_free_sizes(planted, batch):
    network = Network(planted)
    assert FeatureMaps(network, "conv").network is network
    inputs = keras.Input((None, None, 3))
    free = FeatureMaps(keras.Model(inputs, L.Conv2D(2, 1, name="conv")(inputs)), "conv")
    assert free(batch)["conv"].shape == (5, 6, 9, 2) and free(batch[:2, :4, :3])["conv"].shape == (2, 4, 3, 2)


# What they hold


@pytest.fixture
def maps():
    """Two images of 2 x 3 positions; the four channels are told apart by peak and mean."""
    values = np.zeros((2, 2, 3, 4), "float32")
    values[0, ..., 0] = 2
    values[0, 0, 0, 1] = 6
    values[0, ..., 2] = [[1, 2, 3], [4, 5, 6]]
    values[1, ..., 3] = 1
    return Activations({"base/map": values})


def test_the_strongest(maps):
    assert maps.strongest(4).tolist() == [[2, 1, 0, 3], [3, 0, 1, 2]]  # of the equal peaks the larger mean
    assert maps.strongest(2, "map", by="mean").tolist() == [[2, 0], [3, 0]]
    assert Activations({"a": -maps["map"]}).strongest(1).tolist() == [[3], [0]]
    vectors = Activations({"v": np.float32([[1, 3, 2], [5, 0, 5]])})
    assert vectors.strongest(2).tolist() == [[1, 2], [0, 2]]


def test_the_distribution_is_that_of_each_image(maps):
    found = maps.distribution()
    assert found["mean"].tolist() == [[2, 1, 3.5, 0], [0, 0, 0, 1]]
    assert found["max"].tolist() == [[2, 6, 6, 0], [0, 0, 0, 1]] and found["min"].tolist()[0] == [2, 0, 1, 0]
    np.testing.assert_allclose(found["std"][0], [0, np.sqrt(5), np.sqrt(35 / 12), 0])
    np.testing.assert_allclose(found["zeros"], [[0, 5 / 6, 0, 1], [1, 1, 1, 0]])


# Montages


def tile(sheet, row, column, zoom, shape=(2, 3)):
    """The picture in a cell of a sheet without numbers, one pixel a position."""
    high, wide = shape[0] * zoom, shape[1] * zoom
    top, left = 2 + row * (high + 2), 2 + column * (wide + 2)
    cell = sheet[top : top + high, left : left + wide]
    assert (cell == cell[::zoom, ::zoom].repeat(zoom, 0).repeat(zoom, 1)).all()
    return cell[::zoom, ::zoom]


def test_pixels_of_a_montage(maps):
    sheet = maps.montage(channels="all", percentile=100, zoom=4, cols=2, numbers=False)
    assert sheet.shape == (2 * (8 + 2) + 2, 2 * (12 + 2) + 2, 3) and (sheet[:2] == 255).all()
    levels = np.floor(np.arange(1, 7).reshape(2, 3) / 6 * 255 + 0.5).astype(int)
    assert (tile(sheet, 1, 0, 4) == INFERNO[levels]).all()
    spot = np.zeros((2, 3), int)
    spot[0, 0] = 255
    assert (tile(sheet, 0, 1, 4) == INFERNO[spot]).all()
    for row, column in ((0, 0), (1, 1)):  # flat: no range of its own
        assert (tile(sheet, row, column, 4) == INFERNO[0]).all()


def test_ranges_of_a_montage(maps):
    style = {"percentile": 100, "zoom": 1, "numbers": False}
    shared = maps.montage(channels=[0, 3], scale="shared", cols=2, **style)  # 6 is the largest of channels not drawn
    assert (tile(shared, 0, 0, 1) == INFERNO[85]).all() and (tile(shared, 0, 1, 1) == INFERNO[0]).all()
    fixed = maps.montage(channels=[0], scale=(1, 3), **style)
    assert (tile(fixed, 0, 0, 1) == INFERNO[128]).all()
    clipped = maps.montage(channels=[2], **(style | {"percentile": 60}))  # of 1 to 6: 4
    assert (tile(clipped, 0, 0, 1) == INFERNO[[[64, 128, 191], [255, 255, 255]]]).all()
    # The 99th percentile of a channel that is almost everywhere zero is zero.
    sparse = Activations({"a": np.pad(np.ones((1, 1, 1, 1), "float32"), ((0, 0), (0, 19), (0, 19), (0, 0)))}).montage(
        zoom=1
    )
    assert sheet_colors(sparse) >= {tuple(INFERNO[0]), tuple(INFERNO[255])}


def sheet_colors(sheet):
    return set(map(tuple, sheet.reshape(-1, 3).tolist()))


def test_signed_maps_diverge_about_zero(maps):
    values = maps["map"].copy()
    values[0, 1, 2, 2] = -3
    signed = Activations({"a": values})
    style = {"channels": [2], "percentile": 100, "zoom": 1, "numbers": False}
    wanted = np.array([[256 + 51, 256 + 102, 256 + 154], [256 + 205, 512, 256 - 154]])
    assert (tile(signed.montage(**style), 0, 0, 1) == RDBU[wanted]).all()
    assert (tile(signed.montage(signed=False, **style), 0, 0, 1)[1, 2] == INFERNO[0]).all()
    # The other image has nothing negative.
    assert (
        tile(signed.montage(image=1, **(style | {"channels": [3], "scale": (0, 1)})), 0, 0, 1) == INFERNO[255]
    ).all()


def test_which_channels_are_drawn(maps):
    def first_colors(**style):
        sheet = maps.montage(scale=(0, 6), zoom=1, cols=1, numbers=False, **style)
        rows = (sheet.shape[0] - 2) // 4
        return [tile(sheet, row, 0, 1)[0, 0].tolist() for row in range(rows)]

    colors = [INFERNO[level].tolist() for level in (85, 255, 43, 0)]
    assert first_colors(channels="all") == first_colors() == colors
    assert first_colors(channels=3) == [colors[2], colors[1], colors[0]]
    assert first_colors(channels=2, by="mean") == [colors[2], colors[0]]
    assert first_colors(channels=[3, 1, 3]) == [colors[3], colors[1], colors[3]]
    assert first_colors(channels=99) == [colors[c] for c in (2, 1, 0, 3)]
    many = np.zeros((1, 1, 1, 70), "float32") + np.arange(70)
    sheet = Activations({"a": many}).montage(scale=(0, 69), zoom=1, cols=8, numbers=False)
    assert sheet.shape == (8 * 3 + 2, 8 * 3 + 2, 3) and sheet[2, 2].tolist() == INFERNO[255].tolist()


def test_channels_bear_their_numbers(maps):
    plain, numbered = (maps.montage(channels=[1], zoom=20, numbers=numbers) for numbers in (False, True))
    assert numbered.shape[0] > plain.shape[0] and (numbered[-42:-2] == plain[-42:-2]).all()
    assert (numbered[:-42] < 100).any()
    assert (maps.montage(channels=[3], zoom=20)[:-42] < 100).sum() > 2 * (numbered[:-42] < 100).sum()  # "3 flat"


def test_maps_of_signals_are_strips():
    values = np.float32([[[0, 4], [1, 3], [2, 2], [4, 0]]])
    sheet = Activations({"a": values}).montage(percentile=100, zoom=5, numbers=False)
    assert sheet.shape == (2 * 18 + 2, 4 * 5 + 4, 3)
    levels = np.array([0, 64, 128, 255])
    assert (sheet[2:18, 2:22:5] == INFERNO[levels]).all() and (
        sheet[20:36, 6:22:5] == INFERNO[[255, 191, 128, 0]]
    ).all()


def test_maps_of_volumes_are_rows_of_slices():
    values = np.zeros((1, 20, 2, 3, 2), "float32")
    values[0, 13, :, :, 0] = 1  # not among eight slices at even distances
    values[0, 0, :, :, 1] = 0.5
    sheet = Activations({"a": values}).montage(percentile=100, zoom=1, numbers=False)
    assert sheet.shape == (2 * (2 + 2 + 2) + 2, 8 * 4 + 1 + 4, 3)
    bright = [(sheet[3, 3 + 4 * n] == INFERNO[255]).all() for n in range(8)]
    assert bright == [n == 5 for n in range(8)]  # slice 14 gave way
    assert (sheet[9, 3] == INFERNO[255]).all() and (sheet[9, 7] == INFERNO[0]).all()


# Figures


def texts(figure):
    return [text.get_text() for text in figure.texts]


def pictures(figure):
    return [np.asarray(axes.images[0].get_array()) for axes in figure.axes if axes.images]


def test_a_plot_has_the_image_and_its_strongest_channels(maps, rng):
    photos = rng.integers(0, 255, (2, 10, 15, 3)).astype(np.uint8)
    figure = maps.plot(photos, channels=2, percentile=100)
    drawn = pictures(figure)
    assert [t for t in texts(figure) if "channel" in t] == [
        "channel 2: 6",
        "channel 1: 6",
        "channel 3: 1",
        "channel 0: 0",
    ]
    assert len(drawn) == 6 and (drawn[0] == photos[0]).all() and (drawn[3] == photos[1]).all()
    assert (drawn[2][0] == INFERNO[[255, 0, 0]]).all()
    both = Activations({"first": maps["map"], "second": -maps["map"]}).plot(photos, channels=1, percentile=100)
    assert [t for t in texts(both) if t in ("first", "second")] == ["first", "second"] * 2
    assert [len(picture) for picture in pictures(both)] == [10, 2, 2] * 2


def test_an_overlay_mixes_map_and_image(maps):
    photos = np.full((2, 2, 3, 3), 100, np.uint8)
    over = pictures(maps.plot(photos, channels=[1], overlay=True, percentile=100))[1]
    turbo = Palette.of("turbo", signed=False).table
    np.testing.assert_allclose(over[0, 0], 50 + turbo[255] / 2, atol=1)
    np.testing.assert_allclose(over[1, 1], 50 + turbo[0] / 2, atol=1)


def test_vectors_are_bars_with_the_strongest_numbered():
    values = np.float32([[1, -3, 2, 0], [0, 1, 0, 7]])
    figure = Activations({"scores": values}).plot(channels=2)
    axes = figure.axes
    for row in (0, 1):
        assert [bar.get_height() for bar in axes[row].patches] == values[row].tolist()
    assert [text.get_text() for text in axes[0].texts] == ["2", "0"] and axes[1].texts[0].get_text() == "3"
    colors = [bar.get_facecolor()[:3] for bar in axes[0].patches]
    assert colors[0] == colors[2] != colors[1] == colors[3]
    beside = Activations({"scores": values}).plot(np.zeros((2, 4, 5, 3), np.uint8))
    assert len(pictures(beside)) == 2


def test_signals_and_volumes_are_drawn(rng):
    signals = Activations({"a": rng.random((2, 8, 5)).astype("float32")})
    figure = signals.plot(rng.random((2, 16, 1)), channels=[4, 2], percentile=100)
    band = pictures(figure)[0]
    high = signals["a"][0, :, 4]
    assert (band[0] == INFERNO[np.floor(high / high.max() * 255 + 0.5).astype(int)]).all()
    assert texts(figure)[0] == "a, image 0: channels 4, 2"
    volumes = Activations({"a": rng.random((1, 3, 4, 5, 2)).astype("float32")})
    shown = pictures(volumes.plot(channels="all", percentile=100))
    assert len(shown) == 6
    own = volumes["a"][0, 2, ..., 1] / volumes["a"][..., 1].max()
    assert (shown[5] == INFERNO[np.floor(own * 255 + 0.5).astype(int)]).all()
    with pytest.raises(InputError, match="Volumes"):
        volumes.plot(rng.random((1, 6, 4, 5, 2)))
    with pytest.raises(SettingError, match="17 channels"):
        Activations({"a": np.ones((1, 4, 17), "float32")}).plot(channels="all")


# Files


def test_what_is_saved_is_read_back(planted, batch, tmp_path):
    maps = FeatureMaps(planted, ["conv", "scores"])(batch[:2])
    folder = maps.save(tmp_path / "new" / "maps")
    read = Activations.load(folder)
    assert read.layers == maps.layers
    assert all((read[layer] == maps[layer]).all() for layer in maps.layers)
    names = {"00-conv.npz", "00-conv-0000.png", "00-conv-0001.png", "01-scores.npz", "01-scores.png", "manifest.json"}
    assert {path.name for path in folder.iterdir()} == names
    with Image.open(folder / "00-conv-0001.png") as picture:
        assert (np.asarray(picture) == maps.montage(1, "conv")).all() and picture.text["Title"] == "conv, image 1"
    with pytest.raises(SaveError, match="exists already"):
        maps.save(folder)
    maps.save(folder, overwrite=True)
    (tmp_path / "file").write_text("")
    with pytest.raises(SaveError):
        maps.save(tmp_path / "file")


def test_names_of_layers_are_not_trusted_in_files(tmp_path):
    maps = Activations({"../../a/b": np.ones((1, 2, 2, 1), "float32"), "..-..-a/b": np.zeros((1, 2), "float32")})
    folder = maps.save(tmp_path / "out", pictures=False)
    assert sorted(path.name for path in folder.iterdir()) == ["00-..-..-a-b.npz", "01-..-..-a-b.npz", "manifest.json"]
    assert Activations.load(folder).layers == maps.layers and [path.name for path in tmp_path.iterdir()] == ["out"]


def test_damaged_files_are_named(maps, tmp_path):
    folder = maps.save(tmp_path / "out")
    (folder / "00-base-map.npz").write_bytes(b"PK\3\4 no archive")
    for place in (folder, tmp_path, tmp_path / "nowhere"):
        with pytest.raises(LoadError, match="no activations"):
            Activations.load(place)


# What is refused


def test_layers_that_do_not_fit():
    model = zoo.ZOO["nested_in_sequential"]().model
    for layers, error, said in (
        ("conv3", LayerError, "conv2"),
        (["conv1", "lost"], LayerError, "lost"),
        ("base/conv1@1", LayerError, "called 1 times"),
        (99, LayerError, "outside"),
        ([], SettingError, "no layer"),
        (1.5, LayerError, "float"),
    ):
        with pytest.raises(error, match=said):
            FeatureMaps(model, layers)
    table = keras.Sequential([keras.Input((5,)), L.Dense(3, name="dense")])
    for layers in (None, "all"):
        with pytest.raises(LayerError, match="spatial"):
            FeatureMaps(table, layers)
    assert FeatureMaps(table, "dense")(np.ones((2, 5), "float32"))["dense"].shape == (2, 3)
    inputs = keras.Input((8, 3))
    several = keras.Model(inputs, L.LSTM(4, return_sequences=True, return_state=True, name="lstm")(inputs)[0])
    with pytest.raises(LayerError, match="no single tensor"):
        FeatureMaps(several, "lstm")
    with pytest.raises(SettingError, match="batch_size"):
        FeatureMaps(model, batch_size=0)
    with pytest.raises(ModelError):
        FeatureMaps(object())


def test_inputs_that_do_not_fit(planted, batch):
    run = FeatureMaps(planted)
    bad = batch.copy()
    bad[3, 0] = np.nan
    for images, said in (
        (batch[0], "batch axis"),
        (batch[:0], "empty"),
        (bad, r"\[3\]"),
        (batch[:, :4], "shape"),
        (tf.data.Dataset.from_tensor_slices(batch), "tf.data.Dataset"),
    ):
        with pytest.raises(InputError, match=said):
            run(images)


def test_pictures_that_cannot_be_drawn(maps):
    two = Activations({"a": maps["map"], "b": np.ones((2, 4), "float32")})
    for call, error, said in (
        (lambda: two.montage(), LayerError, "2 layers"),
        (lambda: two.plot(), LayerError, "2 layers"),
        (lambda: two.montage(layer="b"), LayerError, "plot"),
        (lambda: two["c"], LayerError, "'a', 'b'"),
        (lambda: maps.montage(2), InputError, "from 0 to 1"),
        (lambda: maps.montage(channels=[4]), SettingError, "0 to 3"),
        (lambda: maps.montage(channels=0), SettingError, "channels=0"),
        (lambda: maps.montage(channels=[]), SettingError, "channels"),
        (lambda: maps.montage(channels="most"), SettingError, "most"),
        (lambda: maps.montage(channels=2, by="sum"), SettingError, "sum"),
        (lambda: maps.montage(scale="image"), SettingError, "shared"),
        (lambda: maps.montage(percentile=0), SettingError, "percentile"),
        (lambda: maps.montage(zoom=0), SettingError, "zoom"),
        (lambda: maps.montage(cmap="lost"), SettingError, "lost"),
        (lambda: maps.strongest(5), SettingError, "4 channels"),
        (lambda: maps.plot(overlay=True), SettingError, "overlay"),
        (lambda: maps.plot(np.zeros((3, 4, 4, 3))), InputError, "3 images"),
        (lambda: Activations({"a": np.full((1, 2, 2, 1), np.nan)}).montage(), InputError, "NaN"),
        (lambda: Activations({"a": np.full((1, 2, 2, 1), np.inf)}).plot(), InputError, "infinity"),
        (lambda: Activations({"a": np.ones((1, 1, 2, 2, 2, 1))}).plot(), LayerError, "cannot be drawn"),
    ):
        with pytest.raises(error, match=said):
            call()


def test_a_figure_shows_itself_in_a_notebook(maps):
    with Image.open(io.BytesIO(maps.plot()._repr_png_())) as picture:
        assert picture.format == "PNG"
