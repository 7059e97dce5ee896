"""Grad-CAM of answers: a network of an image and a question, worked out by hand."""

import keras
import numpy as np
import pytest
from keras import layers

import kerasviz as kv

RED, BLUE = 1, 2  # words; 0 fills up a question


def answerer(inputs="dict"):
    """It counts the pixels of the colour that the question names: "none" has no score, "some" their mean.

    The feature map is the image's own colours, (red, green, blue); the question lets one of them through.
    """
    image = keras.Input((6, 8, 3), name="image")
    question = keras.Input((2,), dtype="int32", name="question")
    features = layers.Conv2D(3, 1, activation="relu", use_bias=False, name="features")(image)
    asked = layers.GlobalMaxPooling1D(name="asked")(layers.Embedding(3, 3, name="words")(question))
    let_through = layers.Multiply(name="gate")([features, layers.Reshape((1, 1, 3))(asked)])
    scores = layers.Dense(2, activation="softmax", use_bias=False, name="answer")(
        layers.GlobalAveragePooling2D()(let_through)
    )
    given = {"dict": {"image": image, "question": question}, "list": [image, question], "swapped": [question, image]}
    model = keras.Model(given[inputs], scores)
    model.get_layer("features").set_weights([np.eye(3)[None, None]])
    model.get_layer("words").set_weights([np.array([[0, 0, 0], [1, 0, 0], [0, 0, 1]])])
    model.get_layer("answer").set_weights([np.array([[0.0, 1.0]] * 3)])
    return model


@pytest.fixture
def image():
    """A red patch of 4 pixels on the left, a blue one of 6 on the right."""
    picture = np.zeros((1, 6, 8, 3), np.float32)
    picture[0, 1:3, 1:3, 0] = 1
    picture[0, 3:5, 5:8, 2] = 1
    return picture


@pytest.mark.parametrize("inputs", ["dict", "list", "swapped"])
def test_same_picture_other_question(image, inputs):
    pictures, questions = np.repeat(image, 2, axis=0), np.array([[0, RED], [BLUE, 0]], np.int32)
    data = {
        "dict": {"image": pictures, "question": questions},
        "list": [pictures, questions],
        "swapped": [questions, pictures],
    }[inputs]
    found = kv.GradCAM(answerer(inputs), layer="features")(data, target=1)
    # The score is the mean of the channel asked for, whose gradient is 1/48 everywhere.
    np.testing.assert_allclose(found.score, [4 / 48, 6 / 48], rtol=1e-6)
    np.testing.assert_allclose(found.values, pictures[[0, 1], :, :, [0, 2]] / 48, rtol=1e-6, atol=1e-9)


def test_own_answer_by_default_and_what_speaks_against(image):
    model, data = answerer(), {"image": image, "question": np.array([[RED, 0]], np.int32)}
    np.testing.assert_array_equal(kv.GradCAM(model, layer="features")(data).target, [1])
    against = kv.GradCAM(model, layer="features", counterfactual=True, rectify=False)(data, target=1)
    np.testing.assert_allclose(against.values, -image[..., 0] / 48, rtol=1e-6, atol=1e-9)


def test_default_layer_lies_over_the_image(image):
    explain = kv.GradCAM(answerer())
    assert explain.explained_inputs == ["image"]
    assert explain({"image": image, "question": np.array([[RED, 0]], np.int32)}, target=1).shape == (1, 6, 8)


def test_guided_grad_cam_keeps_what_was_asked_for(image):
    data = {"image": image, "question": np.array([[BLUE, 0]], np.int32)}
    found = kv.GuidedGradCAM(answerer(), layer="features")(data, target=1)
    # The heatmap is 1/48 on the blue patch, and so is the gradient of the blue channel there.
    expected = np.zeros_like(image)
    expected[..., 2] = image[..., 2] / 48**2
    np.testing.assert_allclose(found.values, expected, rtol=1e-5, atol=1e-10)
