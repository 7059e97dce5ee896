"""Why a network decided as it did: methods that attribute a score to pixels and positions."""

from kerasviz.attribution.base import CompiledExplainer, Explainer, methods, register
from kerasviz.attribution.cam import GradCAM, GuidedGradCAM
from kerasviz.attribution.gradients import DeconvNet, GuidedBackprop, InputXGradient, Saliency
from kerasviz.attribution.integrated_gradients import IntegratedGradients
from kerasviz.attribution.one_call import explain, explainer
from kerasviz.attribution.smoothgrad import SmoothGrad

__all__ = [
    "CompiledExplainer",
    "DeconvNet",
    "Explainer",
    "GradCAM",
    "GuidedBackprop",
    "GuidedGradCAM",
    "InputXGradient",
    "IntegratedGradients",
    "Saliency",
    "SmoothGrad",
    "explain",
    "explainer",
    "methods",
    "register",
]
