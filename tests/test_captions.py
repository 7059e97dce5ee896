"""Grad-CAM of a word at a step: a captioning network of an image and the words so far."""

import warnings

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

import kerasviz as kv

STEPS, WORDS = 6, 20
STATES = "both"


def captioner(*, mask_zero=False, inputs="dict"):
    """An untrained network with attention over the feature map "features"; the image is not square."""
    keras.utils.set_random_seed(3)
    image = keras.Input((32, 48, 3), name="image")
    words = keras.Input((STEPS,), dtype="int32", name="words")
    x = layers.Conv2D(8, 3, strides=2, padding="same", activation="relu")(layers.Rescaling(1 / 255)(image))
    features = layers.Conv2D(12, 3, strides=2, padding="same", activation="relu", name="features")(x)
    start = layers.Dense(16, activation="tanh")(layers.GlobalAveragePooling2D()(features))
    embedded = layers.Embedding(WORDS, 10, mask_zero=mask_zero)(words)
    state = layers.GRU(16, return_sequences=True)(embedded, initial_state=start)
    seen = layers.MultiHeadAttention(2, 8)(state, layers.Reshape((96, 12))(features))
    scores = layers.Dense(WORDS, activation="softmax", name="word")(layers.Concatenate(name=STATES)([state, seen]))
    given = {"dict": {"image": image, "words": words}, "list": [image, words], "swapped": [words, image]}
    return keras.Model(given[inputs], scores)


def arranged(images, words, inputs):
    """The data as the network takes it."""
    return {"dict": {"image": images, "words": words}, "list": [images, words], "swapped": [words, images]}[inputs]


def by_tape(model, images, words, step, word):
    """The score before the softmax and the unresized map, by a plain `GradientTape`."""
    given = {tensor.name: tensor for tensor in model.inputs}
    features = model.get_layer("features").output
    head = model.get_layer("word")
    tail = keras.Model([features, given["words"]], model.get_layer(STATES).output)
    maps = keras.Model(given["image"], features)(tf.cast(images, tf.float32))
    with tf.GradientTape() as tape:
        tape.watch(maps)
        state = tail([maps, tf.constant(words)])[:, step]
        score = tf.reduce_sum(state * head.kernel[:, word], axis=-1) + head.bias[word]
    weights = tf.reduce_mean(tape.gradient(score, maps), axis=(1, 2), keepdims=True)
    return score.numpy(), tf.nn.relu(tf.reduce_sum(weights * maps, axis=-1)).numpy()


@pytest.fixture
def images(rng):
    return rng.integers(0, 256, (3, 32, 48, 3)).astype("uint8")


@pytest.fixture
def words(rng):
    """Three rows of words, the first of which ends early."""
    numbers = rng.integers(1, WORDS, (3, STEPS)).astype("int32")
    numbers[0, 4:] = 0
    return numbers


@pytest.mark.parametrize("inputs", ["dict", "list", "swapped"])
@pytest.mark.parametrize("mask_zero", [False, True])
@pytest.mark.slow
def test_word_at_a_step_equals_the_tape(images, words, mask_zero, inputs):
    model = captioner(mask_zero=mask_zero, inputs=inputs)
    explain = kv.GradCAM(model, layer="features", resize=False)
    for step, word in [(0, 7), (5, 3)]:
        found = explain(arranged(images, words, inputs), target=lambda scores, s=step, w=word: scores[:, s, w])
        score, heat = by_tape(model, images, words, step, word)
        assert heat.max() > 1e-4
        np.testing.assert_allclose(found.score, score, rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(found.values, heat, rtol=1e-4, atol=1e-7)


@pytest.mark.slow
def test_mask_of_the_embedding_counts(images, words):
    """With a mask the GRU stops where the words end, so the score of the last step is another."""
    last = [
        kv.GradCAM(captioner(mask_zero=masked), layer="features")(
            {"image": images, "words": words}, target=lambda scores: scores[:, 5, 7]
        ).score
        for masked in (False, True)
    ]
    assert last[0][0] != last[1][0]
    np.testing.assert_allclose(last[0][1:], last[1][1:], rtol=1e-6)


@pytest.mark.slow
def test_own_word_and_step_for_each_sample(images, words):
    """`ClassScore` with a mask over the steps is the reusable target: words and steps are data."""
    model, data = captioner(), {"image": images, "words": words}
    # Rectified, the map of an untrained network may be zero.
    explain = kv.GradCAM(model, layer="features", resize=False)
    steps, numbers = [0, 2, 5], [7, 3, 11]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", kv.errors.KerasvizWarning)
        found = explain(data, target=kv.targets.ClassScore(numbers, mask=np.eye(STEPS)[steps]))
    for i, (step, word) in enumerate(zip(steps, numbers, strict=True)):
        score, heat = by_tape(model, images, words, step, word)
        np.testing.assert_allclose(found.score[i], score[i], rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(found.values[i], heat[i], rtol=1e-4, atol=1e-7)


@pytest.mark.slow
def test_guided_grad_cam_is_the_product(images, words):
    model, data = captioner(), {"image": images, "words": words}

    def target(scores):
        return scores[:, 2, 7]

    heat = kv.GradCAM(model, layer="features")(data, target).values
    strokes = kv.GuidedBackprop(model)(data, target)
    found = kv.GuidedGradCAM(model, layer="features")(data, target)
    assert found.shape == images.shape
    assert np.abs(found.values).max() > 0
    np.testing.assert_allclose(found.values, heat[..., None] * np.asarray(strokes), rtol=1e-4, atol=1e-9)


def test_without_a_layer_the_image_is_looked_at():
    """The words have maps too, `(N, T, C)`, later in the network."""
    assert kv.GradCAM(captioner()).layer == "features"
