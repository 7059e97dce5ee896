"""A small SavedModel of every origin, each beside a live Keras model that computes the same.

`ORIGINS[name](folder)` writes one and returns its `Original`. Tests of bare graphs run over `ORIGINS`: whatever they
ask of the graph has its answer in the live model. Networks that Keras did not write are written here once more, in
TensorFlow's own functions, from the weights of `plain`.
"""

from saved_models import keras_2, keras_3, tensorflow_1, tensorflow_2
from saved_models.keras_3 import export, wrapped
from saved_models.origins import (
    KERAS_2,
    KERAS_3,
    ORIGINS,
    TARGET,
    TENSORFLOW,
    TENSORFLOW_1,
    Original,
    missing,
    plain,
    written,
)

__all__ = [
    "KERAS_2",
    "KERAS_3",
    "ORIGINS",
    "TARGET",
    "TENSORFLOW",
    "TENSORFLOW_1",
    "Original",
    "export",
    "keras_2",
    "keras_3",
    "missing",
    "plain",
    "tensorflow_1",
    "tensorflow_2",
    "wrapped",
    "written",
]
