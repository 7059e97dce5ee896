"""Has a network learned, or memorized? Critical samples, the randomization test, and training against memorization.

The names below are imported when they are first used.
"""

from kerasviz.lazy import lazily as _lazily

_HOME = {
    "CriticalSampleCurve": "curve_record",
    "CriticalSampleRatio": "ratio_callback",
    "CriticalSampleSearch": "critical_search",
    "CriticalSampleTraining": "critical_training",
    "CriticalSamples": "critical_record",
    "FGSM": "searches",
    "LASS": "searches",
    "LossSensitivity": "sensitivity",
    "LossSensitivityRecorder": "sensitivity_callback",
    "PGD": "searches",
    "RandomizationResult": "randomization.record",
    "RandomizationRun": "randomization.record",
    "RandomizationTest": "randomization.running",
    "Regularization": "randomization.settings",
    "Search": "searches",
    "corrupt_labels": "randomization.corruption",
    "critical_sample_curve": "curve",
    "critical_sample_ratio": "one_call",
    "critical_samples": "one_call",
    "gaussian_images": "randomization.corruption",
    "gini": "inequality",
    "loss_sensitivity": "sensitivity",
    "plot_sensitivities": "sensitivity_figures",
    "random_labels": "randomization.corruption",
    "random_pixels": "randomization.corruption",
    "shuffled_pixels": "randomization.corruption",
    "unrolled_sensitivity": "unrolling",
}

__getattr__, __dir__, __all__ = _lazily(__name__, _HOME)
