"""Evolution the slow way: a loop over genes, over pixels and over cells, as the papers and their code state it."""

import colorsys
import math

import numpy as np

KINDS = (
    math.sin,
    lambda p: 2 * (1 / (1 + math.exp(-p)) - 0.5),
    lambda p: math.exp(-(p**2)),
    lambda p: min(max(p, -3), 3) / 3,
)


def polynomial_step(u, eta):
    """The step of a gene for a draw."""
    if u < 0.5:
        return (2 * u) ** (1 / (eta + 1)) - 1
    return 1 - (2 * (1 - u)) ** (1 / (eta + 1))


def sbx_pair(a, b, u, eta):
    """The lower and the upper child of two genes from 0 to 1, for a draw."""
    y1, y2 = min(a, b), max(a, b)

    def spread(beta):
        alpha = 2 - beta ** -(eta + 1)
        if u <= 1 / alpha:
            return (u * alpha) ** (1 / (eta + 1))
        return (1 / (2 - u * alpha)) ** (1 / (eta + 1))

    lower = 0.5 * (y1 + y2 - spread(1 + 2 * y1 / (y2 - y1)) * (y2 - y1))
    upper = 0.5 * (y1 + y2 + spread(1 + 2 * (1 - y2) / (y2 - y1)) * (y2 - y1))
    return min(max(lower, 0), 1), min(max(upper, 0), 1)


def compete(cells, children, generation):
    """Children against every cell of an archive, one after another.

    Args:
        cells: a list of `[probability or None, individual, generation]`, which is changed.
        children: `(individual, probabilities)` of each.
        generation: theirs.
    """
    for child, probabilities in children:
        for cell, probability in zip(cells, probabilities, strict=True):
            if cell[0] is None or probability > cell[0]:
                cell[:] = probability, child, generation


def network_of(genes, number, most):
    """One genome of a population as a dict: the sources of each target with their weights, by names."""

    def name(slot):
        return "xyd1"[slot] if slot < 4 else slot - 4

    links = {}
    for target in range(genes["links"].shape[1]):
        # Hidden neurons are called by their numbers, outputs by "out0" and so on.
        called = target if target < most else f"out{target - most}"
        links[called] = {
            name(source): 20 * float(genes["weights"][number, target, source]) - 10
            for source in np.flatnonzero(genes["links"][number, target]).tolist()
        }
    return links


def cppn_pixel(genes, number, most, x, y):
    """The outputs of a CPPN at a place."""
    links = network_of(genes, number, most)
    values = {"x": x, "y": y, "d": math.sqrt(x * x + y * y), "1": 1.0}
    outputs = []
    for target, (called, sources) in enumerate(links.items()):
        if target < most and target >= genes["hidden"][number]:
            continue
        total = sum(weight * values[source] for source, weight in sources.items())
        values[called] = KINDS[genes["kinds"][number, target]](total)
        if target >= most:
            outputs.append(abs(values[called]))
    return outputs


def cppn_image(genes, number, most, height, width):
    """The image of a CPPN, 0 to 1: grey, or by hue, lightness and saturation."""
    longer = max(height, width)
    image = []
    for row in range(height):
        for column in range(width):
            x, y = ((2 * at + 1 - side) / (longer - 1) for at, side in ((column, width), (row, height)))
            outputs = cppn_pixel(genes, number, most, x, y)
            image.append(colorsys.hls_to_rgb(*outputs) if len(outputs) == 3 else outputs)
    return np.array(image).reshape(height, width, -1)
