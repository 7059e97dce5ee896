"""A small network in float64 numpy loops: forward, backward by the chain rule, and the deconvnet of Zeiler and Fergus.

A network is a list of dicts, each a layer: `{"kind": "conv", "kernel", "bias", "stride", "padding"}`,
`{"kind": "relu"}`, `{"kind": "pool", "size", "stride", "padding"}`, `{"kind": "flatten"}`,
`{"kind": "dense", "kernel", "bias"}`. One image at a time, `(H, W, C)`.
"""

import numpy as np


def forward(net, image):
    """The input of each layer, and the output of the last."""
    values = [np.asarray(image, np.float64)]
    for layer in net:
        values.append(_forward(layer, values[-1]))
    return values


def _forward(layer, x):
    kind = layer["kind"]
    if kind == "relu":
        return np.maximum(x, 0)
    if kind == "flatten":
        return x.reshape(-1)
    if kind == "dense":
        return x @ layer["kernel"].astype(np.float64) + layer["bias"]
    result = {}
    for place, window in windows(layer, x.shape[:2]):
        patch = [x[position] for position, _ in window]
        if kind == "pool":
            result[place] = np.max(patch, axis=0)
        else:
            kernel = layer["kernel"].astype(np.float64)
            result[place] = layer["bias"] + sum(
                v @ kernel[offset] for v, (_, offset) in zip(patch, window, strict=True)
            )
    rows, columns = (max(place[axis] for place in result) + 1 for axis in (0, 1))
    return np.array([[result[i, j] for j in range(columns)] for i in range(rows)])


def windows(layer, sizes):
    """Each output position with the input positions under its window, as `(position, offset in the window)`.

    "same" pads so that the output has ceil(size / stride) positions, the odd pixel behind.
    """
    window = layer["kernel"].shape[:2] if layer["kind"] == "conv" else (layer["size"],) * 2
    stride = layer["stride"]
    counts, before = [], []
    for size, extent in zip(sizes, window, strict=True):
        if layer["padding"] == "same":
            count = -(-size // stride)
            before.append(max((count - 1) * stride + extent - size, 0) // 2)
        else:
            count = (size - extent) // stride + 1
            before.append(0)
        counts.append(count)
    for i in range(counts[0]):
        for j in range(counts[1]):
            inside = []
            for a in range(window[0]):
                for b in range(window[1]):
                    row, column = i * stride - before[0] + a, j * stride - before[1] + b
                    if 0 <= row < sizes[0] and 0 <= column < sizes[1]:
                        inside.append(((row, column), (a, b)))
            yield (i, j), inside


def unpool(layer, below, signal, overlap="add"):
    """Put each value of a signal at the position of its window's maximum, the first one of equals.

    Args:
        layer: the pooling.
        below: its input, which holds the switches.
        signal: shaped like its output.
        overlap: what happens where the maxima of two windows coincide: "add" or "overwrite".
    """
    result = np.zeros_like(below)
    for place, window in windows(layer, below.shape[:2]):
        for channel in range(below.shape[-1]):
            values = [below[(*position, channel)] for position, _ in window]
            switch = window[int(np.argmax(values))][0]
            if overlap == "add":
                result[(*switch, channel)] += signal[(*place, channel)]
            else:
                result[(*switch, channel)] = signal[(*place, channel)]
    return result


def transposed(layer, below, signal):
    """A convolution's filters, transposed: every output spreads its signal through its window."""
    if layer["kind"] == "dense":
        return layer["kernel"].astype(np.float64) @ signal
    result = np.zeros_like(below)
    for place, window in windows(layer, below.shape[:2]):
        for position, offset in window:
            result[position] += layer["kernel"][offset].astype(np.float64) @ signal[place]
    return result


def backward(net, image, seed, *, rule="backprop", overlap="add", rectify_all=False, down_to=0):
    """Send a signal from the output down to the input.

    Args:
        net: the network.
        image: the input, which sets the switches and the ReLUs' states.
        seed: the signal at the output.
        rule: of the ReLUs: "backprop", "guided", or "deconvnet", with which this is the deconvnet itself.
        overlap: as for `unpool`.
        rectify_all: rectify in front of every convolution and dense layer, where Zeiler and Fergus rectify each
            layer's reconstruction whether or not the network has a ReLU there.
        down_to: the number of the layer at whose input to stop.
    """
    values = forward(net, image)
    signal = np.asarray(seed, np.float64)
    for number in reversed(range(down_to, len(net))):
        layer, below = net[number], values[number]
        if layer["kind"] in ("conv", "dense"):
            signal = transposed(layer, below, np.maximum(signal, 0) if rectify_all else signal)
        elif layer["kind"] == "pool":
            signal = unpool(layer, below, signal, overlap)
        elif layer["kind"] == "flatten":
            signal = signal.reshape(below.shape)
        elif rule == "backprop":
            signal = signal * (below > 0)
        elif rule == "guided":
            signal = signal * (below > 0) * (signal > 0)
        else:
            signal = np.maximum(signal, 0)
    return signal


def differences(function, x, step=1e-6):
    """Central finite differences of a scalar function."""
    x = np.asarray(x, np.float64)
    result = np.zeros_like(x)
    for place in np.ndindex(x.shape):
        moved = x.copy()
        moved[place] += step
        above = function(moved)
        moved[place] -= 2 * step
        result[place] = (above - function(moved)) / (2 * step)
    return result
