"""Pictures and labels from files, preprocessing, and networks that come inside packages.

Nothing here imports TensorFlow before it is needed; `shapes` is imported when it is first used.
"""

import importlib

from kerasviz.data.annotations import read_annotations
from kerasviz.data.finding import find_images
from kerasviz.data.imagenet import imagenet_labels, imagenet_model
from kerasviz.data.images import load_image, load_images, read_images
from kerasviz.data.labels import read_labels
from kerasviz.data.preprocessing import preprocess, unpreprocess

__all__ = [
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
    if name == "shapes":
        return importlib.import_module("kerasviz.data.shapes")
    raise AttributeError(f"module 'kerasviz.data' has no attribute {name!r}")


def __dir__():
    return sorted(__all__)
