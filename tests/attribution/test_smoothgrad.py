"""SmoothGrad: its statistics, its noise, and what it may be wrapped around."""

import keras
import numpy as np
import pytest
import tensorflow as tf
import zoo
from reference import averages
from zoo_cases import case_of

import kerasviz as kv
from kerasviz.errors import InputError, SettingError


@pytest.mark.parametrize("statistic", ["mean", "square", "variance"])
@pytest.mark.parametrize("name", ["functional", pytest.param("image_and_table", marks=pytest.mark.slow)])
def test_statistics_equal_a_loop_over_samples(name, statistic):
    """The maps of the noisy copies from kerasviz.Saliency, one by one, averaged in float64."""
    case = case_of(name)
    saliency = case.explainer("saliency")
    explain = kv.SmoothGrad(saliency, samples=7, noise=0.2, statistic=statistic, seed=11)
    explanation = explain(case.inputs, case.target)
    given = explanation.values if isinstance(explanation.values, dict) else {"": explanation.values}
    for i in range(case.count):

        def maps(sample, i=i):
            values = saliency(sample, case.target_of(i)).values
            return [v[0] for v in values.values()] if isinstance(values, dict) else [values[0]]

        slow = averages.smooth_grad(maps, case.samples[i], samples=7, share=0.2, seed=11, statistic=statistic)
        for fast, expected in zip(given.values(), slow, strict=True):
            assert np.abs(fast[i] - expected).max() <= 1e-5 * np.abs(expected).max()
    assert explanation.signed is (statistic == "mean")


@pytest.mark.slow
@pytest.mark.parametrize("wrapped", ["saliency", "guided_backprop", "grad_cam", "integrated_gradients"])
def test_without_noise_it_is_the_method_itself(wrapped):
    case = case_of("conv1d")
    explain = case.explainer(wrapped)
    smooth = kv.SmoothGrad(explain, samples=3, noise=0)(case.inputs, 1)
    plain = explain(case.inputs, 1)
    assert np.abs(smooth.values - plain.values).max() <= 1e-6 * np.abs(plain.values).max()
    assert (smooth.kind, smooth.layer, smooth.signed) == (plain.kind, plain.layer, plain.signed)
    assert smooth.settings["explainer"] == wrapped
    np.testing.assert_allclose(smooth.score, plain.score, rtol=1e-6)


def test_a_model_means_its_saliency():
    case = case_of("conv1d")
    by_model = kv.SmoothGrad(case.model, samples=4, seed=2)(case.inputs, 1).values
    by_method = kv.SmoothGrad(case.explainer("saliency"), samples=4, seed=2)(case.inputs, 1).values
    np.testing.assert_array_equal(by_model, by_method)


def test_seeds():
    case = case_of("conv1d")
    same = [kv.SmoothGrad(case.explainer("saliency"), samples=4, seed=2)(case.inputs, 1).values for _ in range(2)]
    np.testing.assert_array_equal(*same)
    explain = kv.SmoothGrad(case.explainer("saliency"), samples=4, seed=3)
    other = explain(case.inputs, 1).values
    np.testing.assert_array_equal(other, explain(case.inputs, 1).values)
    assert np.abs(other - same[0]).max() > 1e-3 * np.abs(other).max()


@pytest.mark.parametrize("batch_size", [1, 8])
def test_the_batch_size_changes_nothing(batch_size):
    case = case_of("conv1d")
    settings = {"samples": 9, "seed": 4, "statistic": "variance"}
    whole = kv.SmoothGrad(case.explainer("saliency"), batch_size=27, **settings)(case.inputs, 1).values
    parts = kv.SmoothGrad(case.explainer("saliency"), batch_size=batch_size, **settings)(case.inputs, 1).values
    assert np.abs(parts - whole).max() <= 1e-5 * np.abs(whole).max()


class Kept(keras.layers.Layer):
    """Keeps every batch that it sees."""

    seen: list = []  # noqa: RUF012

    def call(self, x):
        tf.py_function(lambda t: self.seen.append(t.numpy()), [x], [])
        return x


def test_the_noise_is_normal_with_a_share_of_each_images_range():
    inputs = keras.Input((8, 8, 2))
    x = Kept()(inputs)
    model = zoo.randomize(keras.Model(inputs, zoo.head(keras.layers.Conv2D(3, 3, activation="relu")(x))))
    images = zoo.images(8, 8, 2, count=2) * np.array([1, 100], "float32")[:, None, None, None]
    images[1] += 1000
    explain = kv.SmoothGrad(model, samples=60, noise=0.1, seed=1)
    Kept.seen.clear()
    explain(images, 0)
    noisy = np.concatenate([batch.reshape(-1, 2, 8, 8, 2) for batch in Kept.seen if len(batch) > 2])
    noise = (noisy - images)[-60:]
    ranges = np.ptp(images, axis=(1, 2, 3))
    np.testing.assert_allclose(noise.std(axis=(0, 2, 3, 4)), 0.1 * ranges, rtol=0.03)
    np.testing.assert_allclose(noise.mean(axis=(0, 2, 3, 4)) / ranges, 0, atol=0.005)
    # The same for every image of the batch, up to its range; different for every draw.
    np.testing.assert_allclose(noise[:, 0] / ranges[0], noise[:, 1] / ranges[1], atol=1e-4)
    correlations = np.corrcoef(noise[:, 0].reshape(60, -1)) - np.eye(60)
    assert np.abs(correlations).max() < 0.5


def test_the_class_is_settled_on_the_clean_image():
    """Under heavy noise the noisy copies would often choose another class."""
    case = case_of("functional")
    explain = kv.SmoothGrad(case.explainer("saliency"), samples=10, noise=2.0)
    top = explain(case.inputs)
    np.testing.assert_array_equal(top.values, explain(case.inputs, top.target).values)
    np.testing.assert_array_equal(top.target, case.explainer("saliency")(case.inputs).target)
    np.testing.assert_allclose(top.score, case.explainer("saliency")(case.inputs).score, rtol=1e-6)


def test_refuses_what_runs_in_several_passes_of_its_own():
    case = case_of("conv1d")
    with pytest.raises(SettingError, match="several passes"):
        kv.SmoothGrad(case.explainer("smooth_grad"))
    with pytest.raises(SettingError, match="baseline of their own"):
        kv.SmoothGrad(kv.IntegratedGradients(case.model, baseline=np.zeros((20, 2))))


def test_smooth_integrated_gradients_equal_a_loop():
    case = case_of("conv1d")
    inner = kv.IntegratedGradients(case.model, baseline=0.5, steps=4)
    fast = kv.SmoothGrad(inner, samples=3, seed=7)(case.inputs, 1).values
    for i in range(case.count):
        slow = averages.smooth_grad(
            lambda sample: [inner(sample, 1).values[0]],
            case.samples[i],
            samples=3,
            share=0.15,
            seed=7,
            statistic="mean",
        )
        assert np.abs(fast[i] - slow[0]).max() <= 1e-5 * np.abs(slow[0]).max()


def test_token_numbers_take_no_noise():
    """Nothing would be smoothed: refused instead."""
    tokens = keras.Input((9,), dtype="int32")
    x = keras.layers.Conv1D(5, 3, activation="relu")(keras.layers.Embedding(20, 4)(tokens))
    model = keras.Model(tokens, keras.layers.Dense(3)(keras.layers.GlobalAveragePooling1D()(x)))
    with pytest.raises(InputError, match="integers"):
        kv.SmoothGrad(kv.GradCAM(model))
