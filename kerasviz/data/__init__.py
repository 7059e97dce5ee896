"""Pictures and labels from files, preprocessing, and networks and data sets that come inside packages.

Nothing here imports TensorFlow before it is needed; `shapes` and the labelled data sets of `concepts` are imported
when they are first used.
"""

import importlib

from kerasviz.data.annotations import read_annotations
from kerasviz.data.finding import find_images
from kerasviz.data.imagenet import imagenet_labels, imagenet_model
from kerasviz.data.images import load_image, load_images, read_images
from kerasviz.data.labels import read_labels
from kerasviz.data.preprocessing import preprocess, unpreprocess

_CONCEPTS = (
    "Broden",
    "Concept",
    "ConceptArrays",
    "ConceptData",
    "ConceptFolder",
    "Labelled",
    "SceneConcepts",
    "write_concept_folder",
)

__all__ = [  # noqa: PLE0604
    *_CONCEPTS,
    "concepts",
    "find_images",
    "imagenet_labels",
    "imagenet_model",
    "load_image",
    "load_images",
    "preprocess",
    "read_annotations",
    "read_images",
    "read_labels",
    "shapes",
    "unpreprocess",
]


def __getattr__(name):
    if name in ("concepts", "shapes"):
        return importlib.import_module(f"kerasviz.data.{name}")
    if name in _CONCEPTS:
        return getattr(importlib.import_module("kerasviz.data.concepts"), name)
    raise AttributeError(f"module 'kerasviz.data' has no attribute {name!r}")


def __dir__():
    return sorted(__all__)
