"""`FoolingAscent`: on linear networks in closed form; on a network that reads digits; and what it leaves alone."""

import keras
import numpy as np
import pytest
from keras import layers as L
from PIL import Image

from kerasviz.errors import InputError, SettingError, TargetError
from kerasviz.synthesis.fooling.ascending import FoolingAscent

SHAPE, CLASSES = (2, 3, 1), 4
ARRAYS = ("images", "classes", "confidences", "predicted", "steps", "saved_confidences")


def linear(scale=1.0, head="softmax", classes=CLASSES, **settings):
    """A network of linear scores; gives its weights and biases, too."""
    model = keras.Sequential([keras.Input(SHAPE), L.Flatten(), L.Dense(classes, head)])
    rng = np.random.default_rng(1)
    kernel, bias = scale * rng.normal(size=(6, classes)), 0.3 * rng.normal(size=classes)
    model.layers[-1].set_weights([kernel, bias])
    return model, kernel, bias


def softmax(scores):
    parts = np.exp(scores - scores.max(-1, keepdims=True))
    return parts / parts.sum(-1, keepdims=True)


def by_hand(image, weights, bias, number, *, rate, goal, look, steps, low, high, decay=0.0):
    """The paper's descent on the cross-entropy with fixed steps, in units of the range: the image and its step."""
    unit = (image.astype("float64").ravel() - low) / (high - low)
    for step in range(steps + 1):
        seen = softmax((low + (high - low) * unit) @ weights + bias)
        if step % look == 0 and seen[number] >= goal:
            return (low + (high - low) * unit).reshape(SHAPE), step
        unit = unit + rate * (high - low) * (weights[:, number] - weights @ seen)
        unit = unit.clip(0, 1)
        unit = 0.5 + (1 - decay) * (unit - 0.5)
    return (low + (high - low) * unit).reshape(SHAPE), -1


@pytest.mark.parametrize("decay", [0.0, pytest.param(0.01, marks=pytest.mark.slow)])
def test_steps_and_confidences_are_those_of_the_closed_form(decay):
    model, weights, bias = linear(1.5)
    start = np.random.default_rng(3).uniform(-1, 3, (CLASSES, *SHAPE)).astype("float32")
    fool = FoolingAscent(
        model,
        confidence=0.8,
        value_range=(-1, 3),
        optimizer=keras.optimizers.SGD(0.01),
        decay=decay,
        eight_bit=False,
        look=3,
    )
    made = fool(steps=90, start=start)
    expected, steps = zip(
        *(
            by_hand(start[k], weights, bias, k, rate=0.01, goal=0.82, look=3, steps=90, low=-1, high=3, decay=decay)
            for k in range(CLASSES)
        ),
        strict=True,
    )
    assert made.steps.tolist() == list(steps) and len(set(steps)) > 2
    np.testing.assert_allclose(made.images, np.stack(expected), atol=1e-4)
    assert np.abs(made.images - start).max() > 0.5
    seen = softmax(made.images.reshape(CLASSES, -1).astype("float64") @ weights + bias)
    np.testing.assert_allclose(made.confidences, seen.diagonal(), atol=1e-5)
    levels = np.rint((made.images.astype("float64") + 1) / 4 * 255) * 4 / 255 - 1
    of_files = softmax(levels.reshape(CLASSES, -1) @ weights + bias).diagonal()
    np.testing.assert_allclose(made.saved_confidences, of_files, atol=1e-5)
    assert np.abs(of_files - seen.diagonal()).max() > 1e-4
    # Seen on the way: up to the goal, and nothing of an image that was done.
    for k, step in enumerate(steps):
        known, step = made.history["confidence"][:, k], step if step >= 0 else 90
        assert np.isnan(known).tolist() == (made.history["step"] > step).tolist()
        assert known[step // 3] == pytest.approx(made.confidences[k], abs=1e-5) and known[: step // 3].max() < 0.82


@pytest.mark.slow
def test_the_first_step_goes_against_the_cross_entropy():
    model, weights, bias = linear()
    start = np.full((2, *SHAPE), 0.4, "float32")
    rate = keras.optimizers.SGD(0.01)
    fool = FoolingAscent(model, confidence=0.99, value_range=(0, 1), optimizer=rate, eight_bit=False, look=1)
    made = fool([2, 0], steps=1, start=start)
    seen = softmax(start.reshape(2, -1) @ weights + bias)
    direction = weights[:, [2, 0]].T - seen @ weights.T
    np.testing.assert_allclose((made.images - start).reshape(2, -1), 0.01 * direction, atol=1e-6)
    asked = seen[[0, 1], [2, 0]]
    assert made.steps.tolist() == [-1, -1] and not made.found.any() and (made.confidences > asked).all()
    np.testing.assert_allclose(made.history["confidence"], [asked, made.confidences], atol=1e-6)


@pytest.mark.slow
def test_all_digits_are_fooled_and_their_files_too(digits_model, digits, tmp_path):
    """Over 99 % for each class, as the user's own predict says of what stands in the files."""
    images, classes = digits
    assert (digits_model.predict(images, verbose=0).argmax(1) == classes).mean() > 0.97
    fool = FoolingAscent(digits_model, value_range=(0, 16))
    for start in ("gaussian", "uniform", "zero"):
        made = fool(start=start)
        assert made.found.all() and made.saved_found.all() and made.classes.tolist() == [*range(10)]
        assert made.images.min() >= 0 and made.images.max() <= 16
        folder = made.save(tmp_path / start)
        pixels = np.stack([np.asarray(Image.open(folder / f"class-{k}.png")) for k in range(10)])
        seen = digits_model.predict(pixels[..., None] * np.float32(16 / 255), verbose=0)
        assert (seen.argmax(1) == range(10)).all() and seen.diagonal().min() >= 0.99
        np.testing.assert_allclose(made.confidences, seen.diagonal(), atol=1e-5)


@pytest.mark.slow
def test_an_image_depends_on_its_class_and_seed_alone(digits_model):
    fool = FoolingAscent(digits_model, value_range=(0, 16))
    several = fool([3, 7, 3, 1, 8], seed=5)
    for name in ARRAYS:
        np.testing.assert_array_equal(getattr(fool([3, 7, 3, 1, 8], seed=5), name), getattr(several, name))
    few = FoolingAscent(digits_model, value_range=(0, 16), batch_size=2)([7, 3], seed=5)
    np.testing.assert_array_equal(few.steps, several.steps[[1, 0]])
    # Another batch size is another order of sums, and rounding to levels may tell by one.
    assert np.abs(few.images - several.images[[1, 0]]).max() <= 16 / 255 + 1e-5
    assert np.abs(several.images[0] - several.images[2]).max() > 1
    assert np.abs(fool([7], seed=6).images - few.images[0]).max() > 1


@pytest.mark.slow
def test_an_image_is_done_when_it_fools_as_a_picture():
    """On a network for which rounding to levels makes a difference, and with steps that are smaller than it."""
    model = linear(100)[0]
    settings = {"confidence": 0.9, "value_range": (0, 1), "optimizer": keras.optimizers.SGD(1e-5), "look": 1}
    exact = FoolingAscent(model, eight_bit=False, **settings)(steps=400, seed=2)
    made = FoolingAscent(model, **settings)(steps=400, seed=2)
    assert exact.found.all() and not exact.saved_found.all() and made.found.all() and made.saved_found.all()
    assert (made.steps > exact.steps).any()


@pytest.mark.slow
def test_a_low_confidence_is_not_enough_without_the_lead():
    model = linear(2)[0]
    made = FoolingAscent(model, confidence=0.26, value_range=(0, 1), look=1)(steps=300)
    assert made.found.all() and (model.predict(made.images, verbose=0).argmax(1) == range(CLASSES)).all()
    assert made.confidences.min() < 0.5


@pytest.mark.slow
def test_what_images_begin_with():
    model = linear()[0]
    still = {"optimizer": keras.optimizers.SGD(1e-9), "eight_bit": False}
    fool, free = (FoolingAscent(model, value_range=ends, **still) for ends in ((-1, 3), (-np.inf, np.inf)))
    noise, draws = (
        np.stack([getattr(np.random.default_rng([5, k, i]), name)(size=SHAPE) for k, i in ((2, 0), (0, 0), (2, 1))])
        for name in ("normal", "random")
    )
    for made, expected in (
        (fool([2, 0, 2], steps=1, seed=5), 1 + 0.4 * noise),
        (fool([2, 0, 2], steps=1, seed=5, start="uniform"), 4 * draws - 1),
        (fool([2, 0, 2], steps=1, start="zero"), 0 * noise),
        (free([2, 0, 2], steps=1, seed=5), 0.1 * noise),
    ):
        np.testing.assert_allclose(made.images, expected.clip(made.low, made.high), atol=1e-6)
    with pytest.raises(SettingError, match="without a range"):
        free(start="uniform")


@pytest.mark.slow
def test_embedded_network():
    from kerasviz.data import shapes

    model = shapes.shapes_model()
    made = FoolingAscent(model, value_range=(0, 255))()
    seen = model.predict(made.pictures().astype("float32"), verbose=0)
    assert made.found.all() and seen.diagonal().min() >= 0.99 and (made.images == np.rint(made.images)).all()


@pytest.mark.slow
def test_the_model_stays_as_it_was():
    model, weights, _ = linear()
    model.compile(keras.optimizers.Adam(0.1), "sparse_categorical_crossentropy")
    optimizer = keras.optimizers.Adam(0.05)
    before = dict(vars(model)), [np.array(part) for part in model.optimizer.variables], optimizer.get_config()
    FoolingAscent(model, value_range=(0, 1), optimizer=optimizer)([1], steps=2)
    assert {name for name in {*before[0], *vars(model)} if before[0].get(name) is not vars(model).get(name)} == set()
    np.testing.assert_array_equal(model.layers[-1].kernel, weights.astype("float32"))
    for part, kept in zip(model.optimizer.variables, before[1], strict=True):
        np.testing.assert_array_equal(part, kept)
    assert optimizer.get_config() == before[2] and not optimizer.built


@pytest.mark.slow
def test_each_class_of_one_unit_under_a_sigmoid():
    model, weights, bias = linear(3, "sigmoid", classes=1)
    made = FoolingAscent(model, confidence=0.95, value_range=(0, 1))(steps=200)
    up = 1 / (1 + np.exp(-(made.images.reshape(2, -1) @ weights + bias)[:, 0]))
    np.testing.assert_allclose(made.confidences, [1 - up[0], up[1]], atol=1e-5)
    assert made.found.all() and made.classes.tolist() == [0, 1] and made.confidences.min() >= 0.95


@pytest.mark.slow
def test_preprocessing_and_one_of_two_outputs():
    inputs = keras.Input(SHAPE)
    flat = L.Flatten()(inputs)
    outputs = {"a": L.Dense(2, "softmax", name="a")(flat), "b": L.Dense(3, "softmax", name="b")(flat)}
    model = keras.Model(inputs, outputs)
    kernel = np.random.default_rng(2).normal(size=(6, 3)).astype("float32") * 8
    model.get_layer("b").set_weights([kernel, np.zeros(3, "float32")])
    made = FoolingAscent(model, output="b", preprocess="scale")([2, 1], steps=200)
    assert made.high == 255 and made.images.max() > 1 and made.found.all()
    seen = softmax(made.images.reshape(2, -1).astype("float64") / 255 @ kernel)
    np.testing.assert_allclose(made.confidences, [seen[0, 2], seen[1, 1]], atol=1e-5)
    assert made.settings["preprocess"] == "scale" and made.settings["output"] == "b"


@pytest.mark.slow
def test_images_without_a_range_are_not_rounded():
    model, weights, bias = linear()
    fool = FoolingAscent(model, value_range=(-np.inf, np.inf), optimizer=keras.optimizers.SGD(0.5))
    made = fool([1], seed=2)
    noise = np.random.default_rng([2, 1, 0]).standard_normal(SHAPE)
    assert made.found.all() and made.saved_confidences is None
    assert np.abs(fool([1], steps=1, seed=2).images - 0.1 * noise).max() < 0.5 * np.abs(weights).sum(1).max()
    np.testing.assert_allclose(made.confidences, softmax(made.images.reshape(1, -1) @ weights + bias)[:, 1], atol=1e-5)


@pytest.mark.slow
def test_what_is_wrong_is_said_before_any_work():
    model = linear()[0]
    fool = FoolingAscent(model, value_range=(1, 3))
    for error, said, words in (
        (TargetError, "0 to 3", {"classes": 4}),
        (TargetError, "0 to 3", {"classes": []}),
        (TargetError, "0 to 3", {"classes": [0.5]}),
        (SettingError, "steps=0", {"steps": 0}),
        (SettingError, "seed=-1", {"seed": -1}),
        (SettingError, "start='noise'", {"start": "noise"}),
        (SettingError, "start='zero'", {"start": "zero"}),
        (InputError, "to begin with", {"start": np.zeros((4, *SHAPE))}),
        (InputError, "to begin with", {"start": np.ones((3, *SHAPE))}),
    ):
        with pytest.raises(error, match=said):
            fool(**words)
    for error, said, settings in (
        (SettingError, "confidence=1", {"confidence": 1}),
        (SettingError, "value_range is not given", {"value_range": None}),
        (SettingError, "size=", {"size": (4, 4)}),
        (SettingError, "optimizer='adam'", {"optimizer": "adam"}),
        (SettingError, "rate=2", {"decay": 2}),
        (SettingError, "look=0", {"look": 0}),
        (SettingError, "preprocessing 'lost'", {"preprocess": "lost"}),
        (TargetError, "no output 'lost'", {"output": "lost"}),
    ):
        with pytest.raises(error, match=said):
            FoolingAscent(model, **{"value_range": (0, 1), **settings})
    with pytest.raises(TargetError, match="Softmax"):
        FoolingAscent(linear(head=None)[0], value_range=(0, 1))
    inputs = keras.Input(SHAPE)
    halves = [L.Dense(3, "softmax")(L.Flatten()(inputs)) for _ in range(2)]
    with pytest.raises(TargetError, match="map_elites"):
        FoolingAscent(keras.Model(inputs, L.Average()(halves)), value_range=(0, 1))
