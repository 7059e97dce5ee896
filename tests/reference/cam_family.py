"""The family of class activation maps for one sample, in float64 loops: a weighting each, and the sum over channels.

`activation` is `(*space, C)` and `gradient`, of the score, the same shape. Each weighting returns an array of the
activation's shape: what every value is multiplied with before channels are summed.
"""

import numpy as np

from reference.resizing import linear


def weighted_sum(activation, weights, *, rectify=True, sizes=None):
    """The map of some weights: the sum over channels, rectified, then resized."""
    total = np.zeros(activation.shape[:-1])
    for channel in range(activation.shape[-1]):
        total += weights[..., channel] * activation[..., channel].astype(np.float64)
    if rectify:
        total[total < 0] = 0
    return total if sizes is None else linear(total, sizes)


def fused(maps, sizes):
    """The mean of the rectified maps of several layers, each divided by its own maximum and resized."""
    total = np.zeros(sizes)
    for values in maps:
        if values.max() > 0:
            total += linear(values / values.max(), sizes)
    return total / len(maps)


def _same_everywhere(activation, values):
    return np.broadcast_to(np.asarray(values, np.float64), activation.shape)


def _channels(activation):
    return range(activation.shape[-1])


def _positions(activation):
    return list(np.ndindex(activation.shape[:-1]))


def cam(activation, kernel):
    """Zhou et al. 2016, section 2: the weights `(C,)` of the class in the linear layer behind the pooling."""
    return _same_everywhere(activation, kernel)


def grad_cam(activation, gradient):
    """Selvaraju et al. 2017, section 3, equation 1: the mean gradient of the channel."""
    z = len(_positions(activation))
    means = [sum(float(gradient[(*p, k)]) for p in _positions(activation)) / z for k in _channels(activation)]
    return _same_everywhere(activation, means)


def grad_cam_plus_plus(activation, gradient):
    """Chattopadhay et al. 2018, section 3.2, with Y = exp(S), whose factor exp(S) is left out; α not normalized."""
    weights = []
    for k in _channels(activation):
        total = sum(float(activation[(*p, k)]) for p in _positions(activation))
        weight = 0.0
        for p in _positions(activation):
            g = float(gradient[(*p, k)])
            below = 2 * g**2 + g**3 * total
            alpha = g**2 / below if below != 0 else 0.0
            weight += alpha * max(g, 0.0)
        weights.append(weight)
    return _same_everywhere(activation, weights)


def layer_cam(activation, gradient):
    """Jiang et al. 2021, section III-B: the positive gradient of the position."""
    weights = np.zeros(activation.shape)
    for place in np.ndindex(activation.shape):
        weights[place] = max(float(gradient[place]), 0.0)
    return weights


def hires_cam(activation, gradient):
    """Draelos and Carin 2020, section 3: the gradient of the position."""
    return gradient.astype(np.float64)


def xgrad_cam(activation, gradient):
    """Fu et al. 2020, section 3.2: the gradient's mean, weighted with the activation; 0 where that sums to 0."""
    weights = []
    for k in _channels(activation):
        above = sum(float(gradient[(*p, k)]) * float(activation[(*p, k)]) for p in _positions(activation))
        below = sum(float(activation[(*p, k)]) for p in _positions(activation))
        weights.append(above / below if below != 0 else 0.0)
    return _same_everywhere(activation, weights)


def eigen_cam(activation, gradient=None):
    """Muhammad and Yeasin 2020, section III: the first right singular vector of positions × channels, not centred.

    It is the eigenvector of AᵀA with the largest eigenvalue; of its two signs the one whose map has a positive sum.
    """
    rows = np.array([activation[p] for p in _positions(activation)], np.float64)
    _, vectors = np.linalg.eigh(rows.T @ rows)
    first = vectors[:, -1]
    if (rows @ first).sum() < 0:
        first = -first
    return _same_everywhere(activation, first)


def masks(activation, sizes):
    """Wang et al. 2020, section 3, equation 5: each channel upsampled and scaled to 0 … 1; None for a constant one."""
    result = []
    for k in _channels(activation):
        channel = activation[..., k].astype(np.float64)
        if channel.max() == channel.min():
            result.append(None)
            continue
        large = linear(channel, sizes)
        result.append((large - large.min()) / (large.max() - large.min()))
    return result


def score_cam(activation, image, score_of, *, baseline=0.0, max_channels=None, softmax=False):
    """Wang et al. 2020, section 3, definition 3 and algorithm 1.

    Args:
        activation: of the clean image.
        image: `(*sizes, channels)`.
        score_of: `image -> float`.
        baseline: a number, or an array of the image's shape.
        max_channels: try only those with the largest standard deviation over positions.
        softmax: of the weights over the channels that were tried.
    """
    image = image.astype(np.float64)
    nothing = np.zeros_like(image) + baseline
    by_spread = sorted(_channels(activation), key=lambda k: -activation[..., k].astype(np.float64).std())
    tried = by_spread[:max_channels]
    weights = {}
    for k, mask in enumerate(masks(activation, image.shape[:-1])):
        if mask is not None and k in tried:
            masked = nothing + (image - nothing) * mask[..., None]
            weights[k] = score_of(masked) - score_of(nothing)
    if softmax:
        total = sum(np.exp(w) for w in weights.values())
        weights = {k: np.exp(w) / total for k, w in weights.items()}
    return _same_everywhere(activation, [weights.get(k, 0.0) for k in _channels(activation)])


def ablation_cam(activation, score, score_without):
    """Desai and Ramaswamy 2020, section 3: the share of the score that is lost with the channel.

    Args:
        activation: of the clean image.
        score: of the clean image.
        score_without: `k -> float`, the score when channel k of the feature map is zero.
    """
    lost = [score - score_without(k) for k in _channels(activation)]
    return _same_everywhere(activation, [w / abs(score) if score != 0 else w for w in lost])


#: Those of the gradient, by the name of the method; Eigen-CAM ignores it.
BY_GRADIENT = {
    "grad_cam": grad_cam,
    "grad_cam_plus_plus": grad_cam_plus_plus,
    "layer_cam": layer_cam,
    "hires_cam": hires_cam,
    "xgrad_cam": xgrad_cam,
    "eigen_cam": eigen_cam,
}
