"""Explains image networks written in Keras 3: where they look, and why they decide.

The names below are imported when they are first used, so that `import kerasviz` costs next to nothing
and the command line answers without loading TensorFlow.
"""

import importlib as _importlib
import os as _os
import sys as _sys

from kerasviz.errors import ModelError as _ModelError

__version__ = "0.1.0"

_HOME = {
    "Network": "kerasviz.network",
    "load": "kerasviz.network",
    "clone_with_rule": "kerasviz.network",
    "swap_activations": "kerasviz.network",
    "to_logits": "kerasviz.network",
    "to_gap": "kerasviz.network",
    "retrain_gap": "kerasviz.network",
    "Explanation": "kerasviz.explanation",
    "explain": "kerasviz.attribution",
    "Saliency": "kerasviz.attribution",
    "InputXGradient": "kerasviz.attribution",
    "SmoothGrad": "kerasviz.attribution",
    "IntegratedGradients": "kerasviz.attribution",
    "GuidedBackprop": "kerasviz.attribution",
    "DeconvNet": "kerasviz.attribution",
    "CAM": "kerasviz.attribution",
    "GradCAM": "kerasviz.attribution",
    "GradCAMPlusPlus": "kerasviz.attribution",
    "LayerCAM": "kerasviz.attribution",
    "HiResCAM": "kerasviz.attribution",
    "XGradCAM": "kerasviz.attribution",
    "EigenCAM": "kerasviz.attribution",
    "ScoreCAM": "kerasviz.attribution",
    "AblationCAM": "kerasviz.attribution",
    "GuidedGradCAM": "kerasviz.attribution",
    "Occlusion": "kerasviz.attribution",
    "RISE": "kerasviz.attribution",
    "PredictionDifference": "kerasviz.attribution",
    "Ablation": "kerasviz.attribution",
    "filters": "kerasviz.features",
    "fit_gabor": "kerasviz.features",
    "FeatureMaps": "kerasviz.features",
    "channel_statistics": "kerasviz.features",
    "receptive_fields": "kerasviz.features",
    "top_activations": "kerasviz.features",
    "Reconstruction": "kerasviz.features",
    "reconstruct_top": "kerasviz.features",
    "correspondence": "kerasviz.features",
    "invariance": "kerasviz.features",
    "dissect": "kerasviz.features",
    "critical_samples": "kerasviz.generalization",
    "critical_sample_ratio": "kerasviz.generalization",
    "critical_sample_curve": "kerasviz.generalization",
    "CriticalSampleRatio": "kerasviz.generalization",
    "CriticalSampleTraining": "kerasviz.generalization",
    "RandomizationTest": "kerasviz.generalization",
    "loss_sensitivity": "kerasviz.generalization",
    "attribution": None,
    "data": None,
    "errors": None,
    "evaluation": None,
    "features": None,
    "generalization": None,
    "network": None,
    "plotting": None,
    "targets": None,
}

__all__ = ["__version__", *_HOME]  # noqa: PLE0604


def __getattr__(name):
    if name not in _HOME:
        raise AttributeError(f"module 'kerasviz' has no attribute {name!r}")
    home = _HOME[name]
    value = _importlib.import_module(f"kerasviz.{name}" if home is None else home)
    if home is not None:
        value = getattr(value, name)
    globals()[name] = value
    return value


def __dir__():
    return sorted(__all__)


def _refuse_other_backends():
    keras = _sys.modules.get("keras")
    backend = keras.backend.backend() if hasattr(keras, "backend") else _os.environ.get("KERAS_BACKEND")
    if backend and backend != "tensorflow":
        raise _ModelError(
            f"Keras runs on the backend {backend!r}",
            expected="'tensorflow', whose gradients kerasviz works with",
            mend="Set the environment variable KERAS_BACKEND=tensorflow before Keras is imported",
        )


_refuse_other_backends()
