"""The search among codes: the authors' steps, the bounds, the start, and that nothing is changed."""

import json

import keras
import numpy as np
import pytest
from reference import generator_search

from kerasviz import targets
from kerasviz.errors import InputError, LayerError, SettingError
from kerasviz.synthesis.generator import GeneratorMaximization, TrainedGenerator

CODES, PIXELS = 5, 12


def _linear_generator(rng, activation=None):
    generator = keras.Sequential(
        [keras.Input((CODES,)), keras.layers.Dense(PIXELS, activation), keras.layers.Reshape((4, 3, 1))]
    )
    weights = rng.normal(size=(CODES, PIXELS)).astype("float32")
    generator.set_weights([weights, rng.normal(size=PIXELS).astype("float32")])
    return generator, weights


def _classifier(rng, hidden=None):
    layers = [keras.Input((4, 3, 1)), keras.layers.Flatten()]
    if hidden:
        layers.append(keras.layers.Dense(hidden, "tanh", name="code"))
    model = keras.Sequential([*layers, keras.layers.Dense(3, name="scores")])
    model.set_weights([rng.normal(size=weight.shape).astype("float32") for weight in model.get_weights()])
    return model


def _trained(generator, *, mean=2.0, deviation=1.0, lowest=0.0, value_range=(-np.inf, np.inf)):
    full = np.ones(CODES, "float32")
    return TrainedGenerator(generator, "code", mean * full, deviation * full, lowest=lowest, value_range=value_range)


def _codes(generator, images):
    """The codes of images that a linear generator made."""
    weights, bias = (np.float64(weight) for weight in generator.get_weights())
    return np.linalg.lstsq(weights.T, (images.reshape(len(images), -1) - bias).T, rcond=None)[0].T


def _begin(seed, count):
    return np.stack([np.random.default_rng([seed, i]).standard_normal(CODES) for i in range(count)])


@pytest.mark.slow
def test_one_step_on_linear_networks_is_the_vector_in_closed_form(rng):
    generator, weights = _linear_generator(rng)
    model = _classifier(rng)
    # Bounds so far away that they never cut anything off.
    search = GeneratorMaximization(model, _trained(generator, mean=0, deviation=1e3, lowest=-1), decay=1, rate=0.5)
    made = search(1, 2, steps=1, seed=4)
    direction = weights.astype("float64") @ model.get_weights()[0][:, 1]
    expected = _begin(4, 2) + 0.5 * direction / np.abs(direction).mean()
    np.testing.assert_allclose(_codes(generator, made.images), expected, atol=1e-4)


@pytest.mark.slow
def test_the_steps_are_those_of_the_authors_with_both_divisions(rng):
    generator, weights = _linear_generator(rng)
    model = _classifier(rng, hidden=6)
    into, offset, out, _ = (np.float64(weight) for weight in model.get_weights())
    generate = lambda code: code @ weights + np.float64(generator.get_weights()[1])  # noqa: E731

    def image_gradient(image):
        return into @ ((1 - np.tanh(image @ into + offset) ** 2) * out[:, 2])

    made = GeneratorMaximization(model, _trained(generator), decay=0.9, rate=0.3)(2, 3, steps=7, seed=1)
    expected = [
        generator_search.searched(
            np.clip(code, 0, 5),
            7,
            first=0.3,
            last=1e-10,
            generate=generate,
            image_gradient=image_gradient,
            back=lambda code, difference: weights @ difference,
            low=0,
            high=5,
            decay=0.9,
        )
        for code in _begin(1, 3)
    ]
    np.testing.assert_allclose(_codes(generator, made.images), expected, atol=1e-4)
    # Cut off, then decayed: a code at its bound ends at 0.9 of it.
    assert np.isclose(_codes(generator, made.images), 0, atol=1e-4).any()


@pytest.mark.slow
def test_scores_are_those_of_the_returned_images_before_softmax(rng):
    generator, _ = _linear_generator(rng, "sigmoid")
    model = _classifier(rng, hidden=6)
    headed = keras.Model(model.inputs, keras.layers.Softmax()(model.outputs[0]))
    made = GeneratorMaximization(headed, _trained(generator, value_range=(0, 1)))([0, 2, 1], steps=5)
    scores = model.predict(made.images, verbose=0)
    np.testing.assert_allclose(made.scores, scores[[0, 1, 2], [0, 2, 1]], rtol=1e-5)
    assert made.names == ("class 0", "class 2", "class 1")
    assert made.settings["method"] == "generator_maximization"
    assert (made.steps == 5).all()


@pytest.mark.slow
def test_the_default_step_is_the_authors_share_of_the_mean_bound(rng):
    generator, _ = _linear_generator(rng)
    model = _classifier(rng)
    assert GeneratorMaximization(model, _trained(generator)).rate == pytest.approx(5 * 8 / 11.85)
    assert GeneratorMaximization(model, _trained(generator), deviations=1).rate == pytest.approx(3 * 8 / 11.85)
    signed = GeneratorMaximization(model, _trained(generator, mean=1, lowest=-2))
    assert signed.rate == pytest.approx(3 * 8 / 11.85)


@pytest.mark.slow
def test_the_default_is_the_last_image_and_the_best_can_be_kept(rng):
    generator, _ = _linear_generator(rng)
    model = _classifier(rng)
    search = GeneratorMaximization(model, _trained(generator), decay=0.5)
    # The decay wins as steps shrink: the best image comes early.
    last, best = search(0, steps=60, look=1), search(0, steps=60, look=1, keep="best")
    assert last.scores[0] == last.history["score"][-1, 0]
    assert best.scores[0] == best.history["score"].max() > last.scores[0]


@pytest.mark.slow
def test_it_begins_from_the_codes_of_images(rng):
    generator, _ = _linear_generator(rng, "tanh")
    model = _classifier(rng, hidden=CODES)
    trained = _trained(generator, mean=0, lowest=-1, value_range=(-1, 1))
    images = rng.uniform(-1, 1, size=(2, 4, 3, 1)).astype("float32")
    search = GeneratorMaximization(model, trained)
    made = search(1, 2, steps=1, images=images, snapshots=[0])
    codes = keras.Model(model.inputs, model.get_layer("code").output).predict(images, verbose=0)
    np.testing.assert_allclose(made.snapshots[0], trained.images(codes), atol=1e-6)
    assert made.settings["from_images"]


@pytest.mark.slow
def test_codes_of_images_come_from_the_network_of_the_generator(rng):
    generator, _ = _linear_generator(rng, "tanh")
    encoder, other = _classifier(rng, hidden=CODES), _classifier(rng)
    trained = _trained(generator, mean=0, lowest=-1, value_range=(-1, 1))
    images = rng.uniform(-1, 1, size=(1, 4, 3, 1)).astype("float32")
    made = GeneratorMaximization(other, trained, encoder=encoder)(1, steps=1, images=images, snapshots=[0])
    codes = keras.Model(encoder.inputs, encoder.get_layer("code").output).predict(images, verbose=0)
    np.testing.assert_allclose(made.snapshots[0], trained.images(codes), atol=1e-6)
    with pytest.raises(LayerError, match="code"):
        GeneratorMaximization(other, trained)(1, steps=1, images=images)


@pytest.mark.slow
def test_the_generators_preprocessing_holds_unless_another_is_given(rng):
    generator, _ = _linear_generator(rng, "sigmoid")
    generator = keras.Sequential([generator, keras.layers.Rescaling(255.0)])
    model = _classifier(rng, hidden=CODES)
    full = np.ones(CODES, "float32")
    trained = TrainedGenerator(generator, "code", full, full, lowest=-1, value_range=(0, 255), preprocess="tf")
    own = GeneratorMaximization(model, trained)(0, steps=2)
    assert own.scores[0] == pytest.approx(model.predict(own.images / 127.5 - 1, verbose=0)[0, 0], rel=1e-4)
    # The codes of images are still those of the classifier that the generator was trained with.
    images = rng.uniform(0, 255, size=(1, 4, 3, 1)).astype("float32")
    plain = GeneratorMaximization(model, trained, preprocess="scale")(0, steps=2, images=images, snapshots=[0])
    assert plain.scores[0] == pytest.approx(model.predict(plain.images / 255, verbose=0)[0, 0], rel=1e-4)
    codes = keras.Model(model.inputs, model.get_layer("code").output).predict(images / 127.5 - 1, verbose=0)
    np.testing.assert_allclose(plain.snapshots[0], trained.images(codes), atol=1e-3)
    json.dumps(dict(plain.settings), allow_nan=False)


@pytest.mark.slow
def test_runs_repeat_and_change_neither_network(rng):
    generator, _ = _linear_generator(rng, "sigmoid")
    model = _classifier(rng, hidden=6)
    before = [weight.copy() for weight in (*generator.get_weights(), *model.get_weights())]
    search = GeneratorMaximization(model, _trained(generator, value_range=(0, 1)), batch_size=2)
    three = search([0, 1, 2], steps=4, seed=3)
    again = search([0, 1, 2], steps=4, seed=3)
    np.testing.assert_array_equal(three.images, again.images)
    np.testing.assert_array_equal(search([0, 1], steps=4, seed=3).images, three.images[:2])
    for old, new in zip(before, (*generator.get_weights(), *model.get_weights()), strict=True):
        np.testing.assert_array_equal(old, new)


@pytest.mark.slow
def test_errors_come_before_any_work(rng):
    generator, _ = _linear_generator(rng)
    model = _classifier(rng)
    with pytest.raises(SettingError, match="decay"):
        GeneratorMaximization(model, _trained(generator), decay=1.5)
    with pytest.raises(SettingError, match="rate"):
        GeneratorMaximization(model, _trained(generator), rate=-1)
    with pytest.raises(SettingError, match="deviations"):
        GeneratorMaximization(model, _trained(generator), deviations=-1)
    search = GeneratorMaximization(model, _trained(generator))
    with pytest.raises(SettingError, match="steps"):
        search(0, steps=0)
    with pytest.raises(InputError, match="shape"):
        search(0, images=np.zeros((1, 8, 8, 1)))
    colour = keras.Sequential([keras.Input((4, 3, 3)), keras.layers.Flatten(), keras.layers.Dense(3)])
    with pytest.raises(SettingError, match="channels"):
        GeneratorMaximization(colour, _trained(generator))(0, steps=1)


@pytest.mark.slow
def test_other_objectives_pass_through_both_networks(rng):
    generator, _ = _linear_generator(rng, "sigmoid")
    model = _classifier(rng, hidden=6)
    search = GeneratorMaximization(model, _trained(generator, value_range=(0, 1)))
    made = search(targets.Channel("code", 4) - targets.Channel("code", 1), steps=20, snapshots=[0])
    codes = keras.Model(model.inputs, model.get_layer("code").output)
    activations = codes.predict(made.images, verbose=0)[0]
    assert made.scores[0] == pytest.approx(activations[4] - activations[1], rel=1e-4)
    start = codes.predict(made.snapshots[0], verbose=0)[0]
    assert made.scores[0] > start[4] - start[1]
