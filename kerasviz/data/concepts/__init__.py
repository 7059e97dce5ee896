"""Densely labelled data sets: images whose every pixel may show concepts, for network dissection.

`SceneConcepts` is embedded and needs no download, `Broden` reads the published data set's format, `ConceptFolder`
a plain one of one's own. `ConceptData` is what they share, and what a data set of another kind derives from.

Example:
    >>> from kerasviz.data.concepts import SceneConcepts
    >>> data = SceneConcepts(100)
    >>> sample = data.read(17)
    >>> sample.image.shape, sample.maps.shape, data.concepts[sample.maps[0].max() - 1].category
    ((64, 64, 3), (5, 64, 64), 'shape')
"""

import importlib

# The scenes import `Concept` from here: were they imported at once, that would go round in a circle.
_HOME = {
    "Broden": "broden",
    "Concept": "base",
    "ConceptArrays": "arrays",
    "ConceptData": "base",
    "ConceptFolder": "folder",
    "Labelled": "base",
    "SceneConcepts": "scenes",
    "write_concept_folder": "writing",
}

__all__ = [  # noqa: PLE0604
    *_HOME
]


def __getattr__(name):
    if name not in _HOME:
        raise AttributeError(f"module 'kerasviz.data.concepts' has no attribute {name!r}")
    return getattr(importlib.import_module(f"kerasviz.data.concepts.{_HOME[name]}"), name)


def __dir__():
    return sorted(__all__)
