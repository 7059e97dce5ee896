"""Linear classifiers, whose nearest points of other classes are known."""

import keras
import numpy as np
from keras import layers as L


def linear(weights, bias, activation="softmax"):
    """A model whose scores are `inputs @ weights + bias`."""
    model = keras.Sequential([keras.Input(weights.shape[:1]), L.Dense(weights.shape[1], activation)])
    model.set_weights([weights, bias])
    return model


def nearest(weights, bias, points, order):
    """For each point its class, and the distances to the boundaries with the others: `(N,)` and `(N, K)`.

    Args:
        weights: `(F, K)`.
        bias: `(K,)`.
        points: `(N, F)`.
        order: of the dual norm of the weights: 1 for distances in linf, 2 for l2.
    """
    weights, points = weights.astype("float64"), points.astype("float64")
    scores = points @ weights + bias
    own = scores.argmax(axis=1)
    distances = np.full(scores.shape, np.inf)
    for i, k in enumerate(own):
        for j in set(range(weights.shape[1])) - {k}:
            distances[i, j] = (scores[i, k] - scores[i, j]) / np.linalg.norm(weights[:, k] - weights[:, j], order)
    return own, distances
