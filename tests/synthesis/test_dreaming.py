"""DeepDream, against the notebook's loop and against the activations of what it returns."""

import keras
import numpy as np
import pytest
from keras import layers as L
from reference.dreaming import dream
from zoo import images as random_images
from zoo import randomize

from kerasviz.errors import InputError, LayerError, ModelError, SettingError
from kerasviz.synthesis.dreaming import DeepDream


def network(shape, dense=True):
    """A small one, of one size where it ends in a dense layer on all positions."""
    image = keras.Input(shape)
    x = L.Conv2D(4, 3, padding="same", activation="relu", name="conv1")(image)
    x = middle = L.Conv2D(5, 3, strides=2, activation="elu", name="conv2")(x)
    x = L.Dense(3, activation="softmax")(L.Flatten()(x) if dense else L.GlobalAveragePooling2D()(x))
    return randomize(keras.Model(image, x)), keras.Model(image, middle)


@pytest.fixture(scope="module")
def fixed():
    return network((12, 9, 3))[0]


@pytest.fixture(scope="module")
def part():
    """Up to "conv2" with the same weights, for images of any size."""
    return network((None, None, 3), dense=False)[1]


@pytest.fixture(scope="module")
def dreamer(fixed):
    return DeepDream(fixed, "conv2", octaves=2, octave_scale=1.5, jitter=0, step_size=0.01, value_range=(-1, 1))


@pytest.fixture(scope="module")
def photographs():
    return random_images(18, 14, 3, low=-0.9, high=0.9)


@pytest.mark.slow
def test_one_octave_without_jitter_is_the_plain_loop(fixed, part):
    x = random_images(12, 9, 3, low=-0.9, high=0.9)
    make = DeepDream(fixed, "conv2", octaves=1, jitter=0, step_size=0.02, value_range=(-1, 1))
    made = make(x, steps=6)
    # A step is a share of the range of values, which is 2 wide.
    wanted = [dream(part, one, [(12, 9)], steps=6, step_size=0.04, low=-1, high=1) for one in x]
    np.testing.assert_allclose(made.images, wanted, atol=1e-5)
    np.testing.assert_allclose(made.scores, (part(made.images).numpy() ** 2).mean((1, 2, 3)), rtol=1e-5)
    assert (made.scores > made.history["score"][0]).all()


@pytest.mark.slow
def test_octaves_keep_the_detail_at_sizes_the_network_was_not_built_for(dreamer, part, photographs):
    made = dreamer(photographs, steps=4, snapshots=True)
    sizes = [(12, 9), (18, 14)]
    wanted = [dream(part, one, sizes, steps=4, step_size=0.02, low=-1, high=1) for one in photographs]
    np.testing.assert_allclose(made.images, wanted, atol=1e-4)
    np.testing.assert_allclose(made.scores, (part(made.images).numpy() ** 2).mean((1, 2, 3)), rtol=1e-4)
    assert made.history["step"].tolist() == [0, 4, 8]
    np.testing.assert_allclose(made.history["score"][-1], made.scores)
    assert made.snapshot_steps.tolist() == [4, 8]
    np.testing.assert_allclose(made.snapshots[-1], made.images, atol=1e-6)
    assert made.snapshots[0].shape == made.images.shape


@pytest.mark.slow
def test_a_step_too_far_is_not_taken_back():
    image = keras.Input((4, 4, 1))
    model = keras.Model(image, L.Activation(lambda x: keras.ops.sin(3 * x), name="waves")(image))
    make = DeepDream(model, "waves", octaves=1, jitter=0, step_size=0.2, value_range=(-1, 1))
    made = make(np.full((1, 4, 4, 1), 0.5), steps=1)
    # From near the crest at π / 6 down the other side.
    np.testing.assert_allclose(made.images, 0.9, atol=1e-6)
    assert made.scores[0] == pytest.approx(np.sin(2.7) ** 2, rel=1e-4)
    assert made.scores[0] < made.history["score"][0, 0]


@pytest.mark.slow
def test_an_image_does_not_depend_on_its_batch_mates(dreamer, photographs):
    among, alone = dreamer(photographs, steps=2), dreamer(photographs[1:2], steps=2)
    np.testing.assert_allclose(alone.images[0], among.images[1], atol=1e-5)


def test_the_model_and_the_photographs_stay_as_they_are(fixed, dreamer, photographs):
    x = random_images(12, 9, 3)
    before, weights, kept = fixed(x).numpy(), fixed.get_weights(), photographs.copy()
    nodes = [len(layer._inbound_nodes) for layer in fixed.layers]
    dreamer(photographs, steps=1)
    assert np.array_equal(fixed(x).numpy(), before)
    assert all(np.array_equal(new, old) for new, old in zip(fixed.get_weights(), weights, strict=True))
    assert np.array_equal(photographs, kept)
    assert [len(layer._inbound_nodes) for layer in fixed.layers] == nodes


@pytest.mark.slow
def test_jitter_and_noise_follow_the_seed(fixed):
    make = DeepDream(fixed, "conv1", octaves=1, jitter=4, value_range=(0, 255))
    first, again, other = (make(steps=3, seed=seed, count=2).images for seed in (0, 0, 1))
    assert np.array_equal(first, again)
    assert np.abs(first - other).mean() > 5
    # The jitter too, on one photograph.
    photograph = np.round(first[:1])
    first, again, other = (make(photograph, steps=3, seed=seed).images for seed in (0, 0, 1))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)
    # Rolled back after each step: what is found stays near where it is seen.
    assert np.abs(first - photograph).mean() < 3 * 1.5 + 0.1


@pytest.mark.slow
def test_weights_of_layers(fixed, photographs):
    x = photographs[:, :12, :9]
    make = DeepDream(fixed, {"conv1": 2.0, "conv2": -0.5}, octaves=1, jitter=0, value_range=(-1, 1))
    made = make(x, steps=1)
    activations = make.network.activations(made.images, ["conv1", "conv2"])
    wanted = 2 * (activations["conv1"] ** 2).mean((1, 2, 3)) - 0.5 * (activations["conv2"] ** 2).mean((1, 2, 3))
    np.testing.assert_allclose(made.scores, wanted, rtol=1e-5)
    assert made.names[0] == "2 * layer conv1 - 0.5 * layer conv2"
    assert made.settings["layers"] == {"conv1": 2.0, "conv2": -0.5}
    alike = DeepDream(fixed, ["conv1", "conv2"], value_range=(-1, 1))
    assert alike.layers == {"conv1": 1.0, "conv2": 1.0}


@pytest.mark.slow
def test_preprocessing_and_range_are_respected(photographs):
    free, _ = network((None, None, 3), dense=False)
    pixels = (photographs[:1] + 1) * 127.5
    raw = DeepDream(free, "conv2", octaves=1, jitter=0, value_range=(-1, 1))(photographs[:1], steps=2)
    made = DeepDream(free, "conv2", octaves=1, jitter=0, preprocess="tf")(pixels, steps=2)
    assert (made.low, made.high) == (0, 255)
    np.testing.assert_allclose(made.images / 127.5 - 1, raw.images, atol=1e-4)
    assert made.images.shape == pixels.shape


def test_parts_of_one_size_cannot_be_freed():
    image = keras.Input((8, 8, 3))
    x = L.Reshape((8, 8, 1))(L.Dense(64)(L.Flatten()(image)))
    model = keras.Model(image, L.Conv2D(2, 3, name="conv")(x))
    make = DeepDream(model, "conv", octaves=2, value_range=(0, 1))
    with pytest.raises(ModelError, match="cannot run on images of 6 × 6"):
        make(np.zeros((1, 8, 8, 3)))


@pytest.mark.parametrize(
    ("settings", "kind", "said"),
    [
        ({"octave_scale": 1.0}, SettingError, "octave_scale=1.0"),
        ({"octaves": 0}, SettingError, "octaves=0"),
        ({"step_size": 0}, SettingError, "step_size=0"),
        ({"jitter": -1}, SettingError, "jitter=-1"),
        ({"layers": {"conv1": 0.0}}, SettingError, "a weight that is not 0"),
        ({"layers": []}, SettingError, "at least one layer"),
        ({"layers": "conv9"}, LayerError, "conv9"),
        ({"value_range": None}, SettingError, "value_range"),
    ],
)
def test_wrong_settings(fixed, settings, kind, said):
    with pytest.raises(kind) as error:
        DeepDream(fixed, **{"layers": "conv1", "value_range": (0, 1), **settings})
    assert said in str(error.value)


def test_wrong_photographs(fixed, dreamer):
    with pytest.raises(InputError, match="batch axis"):
        dreamer(np.zeros((12, 9, 3)))
    with pytest.raises(InputError, match=r"\(N, H, W, 3\)"):
        dreamer(np.zeros((1, 12, 9, 1)))
    with pytest.raises(InputError, match="outside of the range"):
        dreamer(np.full((1, 12, 9, 3), 2.0))
    with pytest.raises(SettingError, match="fewer octaves"):
        DeepDream(fixed, "conv1", octaves=9, octave_scale=2.0, value_range=(0, 1))(np.zeros((1, 12, 9, 3)))


def test_noise_needs_a_size(part):
    with pytest.raises(SettingError, match="Pass size="):
        DeepDream(part, "conv1", value_range=(0, 1))()
