"""Why a network decided as it did: methods that attribute a score to pixels and positions."""

from kerasviz.attribution.averaging import IntegratedGradients, SmoothGrad
from kerasviz.attribution.base import CompiledExplainer, Explainer, methods, register
from kerasviz.attribution.cam import GradCAM, GuidedGradCAM
from kerasviz.attribution.gradients import DeconvNet, GuidedBackprop, InputXGradient, Saliency
from kerasviz.attribution.one_call import explain, explainer

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
