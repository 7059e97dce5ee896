"""`FeatureVisualization`: images made at each look, from the same start."""

import numpy as np
import pytest
from watched_training import (
    Counted,
    assert_refused,
    assert_same_training,
    assert_traced_before_the_second_epoch,
    at_each_look,
    network,
    opened,
    trained,
)

from kerasviz import objectives
from kerasviz.callbacks import FeatureVisualization
from kerasviz.errors import InputError, LayerError, SettingError, TargetError
from kerasviz.synthesis import ActivationMaximization, SynthesizedImages, TotalVariation

RANGE = {"value_range": (0, 255)}


def both():
    return [objectives.channel("conv2", 3), 1]


@pytest.mark.slow
def test_each_look_makes_the_images_of_its_epoch_and_the_training_is_the_same():
    # Made anew for each: nothing may hang on the objects.
    watch = FeatureVisualization(both(), steps=3, seed=5, initial=True, settings={"keep": "last", "look": 2}, **RANGE)
    training = trained([watch])
    assert_same_training(training)
    assert_traced_before_the_second_epoch(training)
    maximize = ActivationMaximization(training.model, **RANGE)
    expected = at_each_look(training, lambda model: maximize(both(), steps=3, seed=5, keep="last", look=2))
    assert [epoch for epoch, _ in watch.history] == [-1, 0, 1, 2]
    for (_, made), other in zip(watch.history, expected, strict=True):
        assert isinstance(made, SynthesizedImages) and made.names == ("channel 3 of conv2", "class 1")
        assert made.steps.tolist() == [3, 3]
        np.testing.assert_array_equal(made.images, other.images)
        np.testing.assert_array_equal(made.scores, other.scores)
    assert (watch.history[0][1].images != watch.history[1][1].images).mean() > 0.5


@pytest.mark.slow
def test_a_look_shows_images_and_scores():
    given = {"preset": "plain", "regularizers": [TotalVariation(0.1)], "batch_size": 1}
    asked = objectives.channel("conv2", 3)
    settings = {key: value for key, value in given.items() if key != "preset"}
    watch = FeatureVisualization(
        asked, preset="plain", size=(20, 24), steps=2, settings={**settings, "count": 2}, **RANGE
    )
    model = network()
    shot = opened(watch, model).look()
    made = ActivationMaximization(model, size=(20, 24), **given, **RANGE)(asked, 2, steps=2)
    assert shot.result.settings == made.settings
    np.testing.assert_array_equal(shot.result.images, made.images)
    tags = ["channel 3 of conv2/0", "channel 3 of conv2/1"]
    assert [picture.tag for picture in shot.pictures] == tags
    assert shot.scalars == {f"{tag}/score": float(score) for tag, score in zip(tags, made.scores, strict=True)}
    for i, picture in enumerate(shot.pictures):
        assert picture.title == f"channel 3 of conv2 {made.scores[i]:.3g}"
        assert picture.pixels.shape == (20, 24, 3)
        np.testing.assert_array_equal(picture.pixels, np.rint(made.images[i]))


@pytest.mark.slow
def test_all_is_traced_before_the_first_look_and_callbacks_are_not_called():
    seen = []
    watch = FeatureVisualization(1, steps=4, settings={"look": 2, "callbacks": [seen.append]}, **RANGE)
    opened(watch, network())
    traced = len(Counted.calls)
    assert seen == []
    watch.look()
    assert [look.step for look in seen] == [0, 2, 4]
    assert len(Counted.calls) == traced


@pytest.mark.parametrize(
    ("settings", "error", "words"),
    [
        ({"objectives": "husky"}, TargetError, "husky"),
        ({"objectives": None}, TargetError, "top class"),
        ({"objectives": [1, 2], "settings": {"count": 3}}, TargetError, "2 objectives for 3 images"),
        ({"steps": 0}, SettingError, "steps=0"),
        ({"seed": -1}, SettingError, "seed=-1"),
        ({"settings": {"regulariser": ()}}, SettingError, "'regulariser'.*'regularizers'"),
        ({"settings": {"steps": 4}}, SettingError, "argument of its own"),
    ],
)
def test_what_needs_no_model_is_refused_at_once(settings, error, words):
    with pytest.raises(error, match=words):
        FeatureVisualization(**{"objectives": 1, **RANGE, **settings})


@pytest.mark.slow
@pytest.mark.parametrize(
    ("settings", "error", "words"),
    [
        ({"objectives": objectives.channel("conv9", 3)}, LayerError, "conv9"),
        ({"objectives": objectives.channel("conv2", 8)}, TargetError, "8"),
        ({"objectives": 4}, TargetError, "4"),
        ({"value_range": None}, SettingError, "value_range"),
        ({"value_range": (1, 0)}, SettingError, r"\(1, 0\)"),
        ({"size": 0}, SettingError, "size=0"),
        ({"preset": "best"}, SettingError, "best"),
        ({"preprocess": "vgg"}, SettingError, "vgg"),
        ({"settings": {"snapshots": [200]}}, SettingError, "snapshots"),
        ({"settings": {"images": np.zeros((1, 4, 4, 3))}}, InputError, r"\(1, 4, 4, 3\)"),
    ],
)
def test_mistakes_are_errors_before_the_first_epoch(settings, error, words):
    assert_refused(FeatureVisualization(**{"objectives": 1, **RANGE, **settings}), error, words)
