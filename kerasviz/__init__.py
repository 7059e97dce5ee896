"""Explains image networks written in Keras 3: where they look, and why they decide.

The names below are imported when they are first used, so that `import kerasviz` costs next to nothing
and the command line answers without loading TensorFlow.
"""

import os as _os
import sys as _sys

from kerasviz.errors import ModelError as _ModelError
from kerasviz.lazy import lazily as _lazily

__version__ = "0.1.0"

_HOME = {
    "Network": "network",
    "load": "network",
    "clone_with_rule": "network",
    "swap_activations": "network",
    "to_logits": "network",
    "to_gap": "network",
    "retrain_gap": "network",
    "Explanation": "explanation",
    "explain": "attribution",
    "Saliency": "attribution",
    "InputXGradient": "attribution",
    "SmoothGrad": "attribution",
    "IntegratedGradients": "attribution",
    "GuidedBackprop": "attribution",
    "DeconvNet": "attribution",
    "CAM": "attribution",
    "GradCAM": "attribution",
    "GradCAMPlusPlus": "attribution",
    "LayerCAM": "attribution",
    "HiResCAM": "attribution",
    "XGradCAM": "attribution",
    "EigenCAM": "attribution",
    "ScoreCAM": "attribution",
    "AblationCAM": "attribution",
    "GuidedGradCAM": "attribution",
    "Occlusion": "attribution",
    "RISE": "attribution",
    "PredictionDifference": "attribution",
    "Ablation": "attribution",
    "filters": "features",
    "fit_gabor": "features",
    "FeatureMaps": "features",
    "channel_statistics": "features",
    "receptive_fields": "features",
    "top_activations": "features",
    "Reconstruction": "features",
    "reconstruct_top": "features",
    "correspondence": "features",
    "invariance": "features",
    "dissect": "features",
    "ActivationMaximization": "synthesis",
    "ClassModel": "synthesis",
    "DeepDream": "synthesis",
    "FeatureInversion": "synthesis",
    "Caricature": "synthesis",
    "fooling_images": "synthesis",
    "train_generator": "synthesis",
    "GeneratorMaximization": "synthesis",
    "critical_samples": "generalization",
    "critical_sample_ratio": "generalization",
    "critical_sample_curve": "generalization",
    "CriticalSampleRatio": "generalization",
    "CriticalSampleTraining": "generalization",
    "RandomizationTest": "generalization",
    "loss_sensitivity": "generalization",
    "write_report": "report",
    "examine": "inspection",
    "diagram": "inspection",
    "compare": "comparison",
    "attribution": None,
    "callbacks": None,
    "comparison": None,
    "data": None,
    "errors": None,
    "evaluation": None,
    "features": None,
    "generalization": None,
    "inspection": None,
    "network": None,
    "objectives": None,
    "plotting": None,
    "report": None,
    "synthesis": None,
    "targets": None,
}

__getattr__, _, _names = _lazily(__name__, _HOME)
__all__ = ["__version__", *_names]  # noqa: PLE0604


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
