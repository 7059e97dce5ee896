"""The ways to write images as numbers that an optimizer changes."""

from kerasviz.synthesis.parametrizations.base import Parametrization
from kerasviz.synthesis.parametrizations.colors import IMAGENET_COLORS, color_matrix
from kerasviz.synthesis.parametrizations.fourier import Fourier
from kerasviz.synthesis.parametrizations.generated import ThroughGenerator
from kerasviz.synthesis.parametrizations.pixels import Pixels
from kerasviz.synthesis.parametrizations.pyramid import LaplacianPyramid

__all__ = [
    "IMAGENET_COLORS",
    "Fourier",
    "LaplacianPyramid",
    "Parametrization",
    "Pixels",
    "ThroughGenerator",
    "color_matrix",
]
