"""Why a network decided as it did: methods that attribute a score to pixels and positions."""

from kerasviz.attribution.ablation import Ablation
from kerasviz.attribution.approximation import Approximation
from kerasviz.attribution.base import CompiledExplainer, Explainer, methods, register
from kerasviz.attribution.cam import (
    CAM,
    EigenCAM,
    GradCAM,
    GradCAMPlusPlus,
    HiResCAM,
    LayerCAM,
    XGradCAM,
)
from kerasviz.attribution.gaussian_sampler import ConditionalGaussianSampler
from kerasviz.attribution.gradients import DeconvNet, GuidedBackprop, InputXGradient, Saliency
from kerasviz.attribution.guided_grad_cam import GuidedGradCAM
from kerasviz.attribution.integrated_gradients import IntegratedGradients
from kerasviz.attribution.maps import ActivationMap, GradientMap
from kerasviz.attribution.occlusion import Occlusion
from kerasviz.attribution.one_call import explain, explainer
from kerasviz.attribution.prediction_difference import PredictionDifference
from kerasviz.attribution.rise import RISE
from kerasviz.attribution.samplers import ImageSampler, MarginalSampler, Sampler
from kerasviz.attribution.smoothgrad import SmoothGrad
from kerasviz.attribution.trial_cam import AblationCAM, ScoreCAM

__all__ = [
    "CAM",
    "RISE",
    "Ablation",
    "AblationCAM",
    "ActivationMap",
    "Approximation",
    "CompiledExplainer",
    "ConditionalGaussianSampler",
    "DeconvNet",
    "EigenCAM",
    "Explainer",
    "GradCAM",
    "GradCAMPlusPlus",
    "GradientMap",
    "GuidedBackprop",
    "GuidedGradCAM",
    "HiResCAM",
    "ImageSampler",
    "InputXGradient",
    "IntegratedGradients",
    "LayerCAM",
    "MarginalSampler",
    "Occlusion",
    "PredictionDifference",
    "Saliency",
    "Sampler",
    "ScoreCAM",
    "SmoothGrad",
    "XGradCAM",
    "explain",
    "explainer",
    "methods",
    "register",
]
