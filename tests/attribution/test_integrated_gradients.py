"""Integrated gradients: quadratures, baselines and completeness."""

import numpy as np
import pytest
import zoo
from reference import averages, keras_eager
from zoo_cases import case_of

import kerasviz as kv
from kerasviz.attribution.integrated_gradients import QUADRATURES, quadrature
from kerasviz.errors import InputError, SettingError

RULES = ["gauss_legendre", "trapezoid", "left", "right", "middle"]


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("steps", [1, 2, 7, 50])
def test_quadratures_equal_their_definitions(rule, steps):
    points, weights = quadrature(rule, steps)
    expected_points, expected_weights = averages.points_of(rule, steps)
    np.testing.assert_allclose(points, expected_points, atol=1e-12)
    np.testing.assert_allclose(weights, expected_weights, atol=1e-12)
    np.testing.assert_allclose(weights.sum(), 1)


def test_all_quadratures_are_listed():
    assert set(QUADRATURES) == set(RULES)


def test_gauss_legendre_is_exact_for_polynomials():
    points, weights = quadrature("gauss_legendre", 4)
    np.testing.assert_allclose([weights @ points**k for k in range(8)], [1 / (k + 1) for k in range(8)], rtol=1e-12)
    assert abs(weights @ points**8 - 1 / 9) > 1e-6


@pytest.mark.slow
@pytest.mark.parametrize("rule", RULES)
def test_every_rule_equals_a_loop_over_points(rule):
    case = case_of("conv1d")
    baseline = zoo.images(20, 2, seed=8)
    fast = kv.IntegratedGradients(case.model, baseline=baseline, steps=6, rule=rule)(case.inputs, 1).values
    for i in range(case.count):

        def gradient(at):
            return keras_eager.gradients(case.model, at, case.score(1))[1]

        (slow,) = averages.integrated_gradients(gradient, case.samples[i], baseline[i : i + 1], rule=rule, steps=6)
        assert np.abs(fast[i] - slow).max() <= 1e-5 * np.abs(slow).max()


@pytest.mark.parametrize("batch_size", [1, 16])
def test_the_batch_size_changes_nothing(batch_size):
    case = case_of("conv1d")
    whole = kv.IntegratedGradients(case.model, steps=10, batch_size=30, gap=True)(case.inputs, 1)
    parts = kv.IntegratedGradients(case.model, steps=10, batch_size=batch_size, gap=True)(case.inputs, 1)
    assert np.abs(parts.values - whole.values).max() <= 1e-5 * np.abs(whole.values).max()
    np.testing.assert_allclose(parts.extras["completeness_gap"], whole.extras["completeness_gap"], atol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["functional", "image_and_table"])
def test_the_gap_is_what_the_sum_misses(name):
    """Recomputed from the user's own model; it shrinks as the points grow denser."""
    case = case_of(name)
    scores = []
    for i, (sample, number) in enumerate(zip(case.samples, case.numbers, strict=True)):
        black = [np.zeros_like(a[i : i + 1]) for a in as_list(case.inputs)]
        with keras_eager.running():
            at_image = case.plain_model(sample, training=False)
            at_black = case.plain_model(black if len(black) > 1 else black[0], training=False)
        scores.append(float(case.score(number)(at_image) - case.score(number)(at_black)))
    gaps = []
    for steps in (5, 40, 200):
        explanation = kv.IntegratedGradients(case.model, steps=steps, gap=True, batch_size=200)(
            case.inputs, case.target
        )
        maps = explanation.values.values() if isinstance(explanation.values, dict) else [explanation.values]
        missed = sum(m.astype("float64").reshape(3, -1).sum(1) for m in maps) - scores
        np.testing.assert_allclose(explanation.extras["completeness_gap"], missed, atol=1e-5)
        gaps.append(np.abs(missed).max())
    assert gaps[-1] < 0.3 * gaps[0]
    assert gaps[-1] < 0.01 * np.abs(scores).max()


def as_list(inputs):
    return inputs if isinstance(inputs, list) else [inputs]


@pytest.mark.slow
def test_the_gap_is_of_the_unreduced_values():
    case = case_of("conv1d")
    full = kv.IntegratedGradients(case.model, steps=3, gap=True)(case.inputs, 1)
    reduced = kv.IntegratedGradients(case.model, steps=3, gap=True, reduce="max_abs")(case.inputs, 1)
    np.testing.assert_allclose(reduced.extras["completeness_gap"], full.extras["completeness_gap"], atol=1e-6)
    np.testing.assert_allclose(reduced.values, np.abs(full.values).max(-1), rtol=1e-5)
    assert "completeness_gap" not in kv.IntegratedGradients(case.model, steps=3)(case.inputs, 1).extras


@pytest.mark.slow
def test_every_form_of_a_baseline():
    case = case_of("conv1d")
    one = zoo.images(20, 2, count=1, seed=8)[0]
    batch = np.repeat(one[None], 3, axis=0)
    expected = kv.IntegratedGradients(case.model, baseline=batch, steps=3)(case.inputs, 1).values
    seen = []

    def callable_baseline(inputs):
        seen.append(inputs.copy())
        return one

    for baseline in (one, one.tolist(), {case.explainer("saliency").explained_inputs[0]: one}, callable_baseline):
        values = kv.IntegratedGradients(case.model, baseline=baseline, steps=3)(case.inputs, 1).values
        np.testing.assert_array_equal(values, expected)
    np.testing.assert_array_equal(seen[0], case.inputs)
    number = kv.IntegratedGradients(case.model, baseline=np.float32(0.5), steps=3)
    halves = kv.IntegratedGradients(case.model, baseline=np.full((20, 2), 0.5), steps=3)
    np.testing.assert_array_equal(number(case.inputs, 1).values, halves(case.inputs, 1).values)
    assert number.settings["baseline"] == 0.5
    assert halves.settings["baseline"] == "ndarray"


def test_baselines_by_name_leave_the_others_at_zero():
    case = case_of("image_and_table")
    table = zoo.images(6, seed=5)
    explanation = kv.IntegratedGradients(case.model, baseline={"table": table}, steps=3)(case.inputs, 1)
    as_zeros = kv.IntegratedGradients(case.model, baseline={"table": table, "image": 0.0}, steps=3)(case.inputs, 1)
    np.testing.assert_array_equal(explanation["image"].values, as_zeros["image"].values)
    at_zero = kv.IntegratedGradients(case.model, steps=3)(case.inputs, 1)
    assert np.abs(explanation["table"].values - at_zero["table"].values).max() > 1e-3


@pytest.mark.parametrize(
    "baseline",
    [
        np.zeros((20,)),
        np.zeros((2, 20, 2)),
        np.full((20, 2), np.nan),
        "black",
        [[1], [2, 3]],
        None,
        lambda inputs: None,
        lambda inputs: inputs[:1],
    ],
    ids=["shape", "count", "NaN", "word", "ragged", "None", "returns None", "returns too few"],
)
def test_baselines_that_do_not_fit(baseline):
    case = case_of("conv1d")
    with pytest.raises(InputError, match="baseline"):
        kv.IntegratedGradients(case.model, baseline=baseline, steps=3)(case.inputs, 1)


def test_baselines_for_unknown_inputs():
    with pytest.raises(SettingError, match="'tabel'"):
        kv.IntegratedGradients(case_of("image_and_table").model, baseline={"tabel": 0.0})


def test_the_caller_keeps_his_baseline():
    case = case_of("conv1d")
    baseline = zoo.images(20, 2, count=3, seed=8)
    baseline.flags.writeable = False
    kept = baseline.copy()
    kv.IntegratedGradients(case.model, baseline=baseline, steps=3)(case.inputs, 1)
    np.testing.assert_array_equal(baseline, kept)
