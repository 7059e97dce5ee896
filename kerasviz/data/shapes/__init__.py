"""Scenes of shapes with known contents, and a small network that was trained on them.

Everything a method claims about an image can be checked here: which pixels are the subject, and which
show every concept (shape, part, colour, texture, background). The scenes are drawn when asked for; nothing is
downloaded.

Example:
    >>> from kerasviz.data import shapes
    >>> batch = shapes.scenes(16, seed=1)
    >>> wheels = batch.mask("wheel")
"""

from kerasviz.data.shapes.concepts import CATEGORIES, CLASSES, CONCEPTS, Concept
from kerasviz.data.shapes.generation import SceneObject, Scenes, scenes, stream
from kerasviz.data.shapes.model import example_pictures, shapes_model

__all__ = [
    "CATEGORIES",
    "CLASSES",
    "CONCEPTS",
    "Concept",
    "SceneObject",
    "Scenes",
    "example_pictures",
    "scenes",
    "shapes_model",
    "stream",
]
