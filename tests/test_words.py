"""The captioning and question answering networks beside the notebooks: what they know, and where they look."""

from pathlib import Path

import numpy as np
import pytest

import kerasviz as kv

pytestmark = pytest.mark.slow
NOTEBOOKS = Path(__file__).resolve().parent.parent / "notebooks"


@pytest.fixture(scope="module")
def captions():
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(NOTEBOOKS)
        import captions

        yield captions


@pytest.fixture(scope="module")
def questions(captions):
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(NOTEBOOKS)
        import questions

        yield questions


@pytest.fixture(scope="module")
def writer(captions):
    return captions.load()


@pytest.fixture(scope="module")
def answerer(questions):
    return questions.load()


@pytest.fixture(scope="module")
def scenes(captions):
    return captions.some(300, seed=9)


def test_captions_of_scenes_it_never_saw(captions, writer, scenes):
    right = captions.accuracy(writer, scenes)
    assert right[[0, 3, 4, 7]].min() == 1  # the words of the grammar
    assert right[[1, 2, 8]].min() > 0.9 and right[[5, 6]].min() > 0.65


def test_captions_are_what_the_scenes_hold(captions, scenes):
    for i, text in enumerate(captions.captions(scenes)[:20]):
        assert scenes.mask(text[2])[i].any() and scenes.mask(text[6])[i].any() and scenes.mask(text[8])[i].any()
        assert text[2] == kv.data.shapes.CLASSES[scenes.labels[i]]


def test_without_a_layer_the_image_is_looked_at(writer, scenes, captions):
    """Not the words, whose maps come later in the network."""
    assert kv.GradCAM(writer).layer == "features"


def test_maps_of_words_point_at_what_they_name(captions, writer, scenes):
    before, after = captions.encoded(captions.captions(scenes)[:100])
    inputs = {"image": scenes.images[:100], "words": before}
    explain = kv.HiResCAM(writer, layer="features")
    hits = {}
    for step in (2, 6):
        mask = np.eye(captions.STEPS + 1)[[step] * 100]
        heat = explain(inputs, kv.targets.ClassScore(after[:, step], mask=mask))
        hits[step] = kv.evaluation.pointing_game(heat, scenes.instances[:100] == 1, tolerance=2).accuracy
    assert hits[2] > 0.9 and hits[6] < 0.1


def test_answers_about_scenes_it_never_saw(questions, answerer, scenes):
    figures = questions.accuracy(answerer, scenes, seed=4)
    for kind, least in {"colour": 0.8, "there": 0.7, "behind": 0.9}.items():
        assert figures[kind][0] > least, figures


def test_inputs_as_a_dict_and_as_a_list(questions, answerer, scenes):
    _, texts, replies, _ = questions.asked(scenes, seed=2)
    tokens, answers = questions.encoded(texts[:4]), [questions.ANSWERS.index(reply) for reply in replies[:4]]
    explain = kv.GradCAM(answerer, layer="features")
    names = [spec.name for spec in kv.Network(answerer).inputs.specs]
    by_name = {"image": scenes.images[:4], "question": tokens}
    as_dict = explain(by_name, answers)
    np.testing.assert_array_equal(as_dict, explain([by_name[name] for name in names], answers))
    other = explain({**by_name, "question": questions.encoded(["what is behind"] * 4)}, answers)
    assert np.abs(as_dict.values - other.values).max() > 0.1 * as_dict.values.max()
