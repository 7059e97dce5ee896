"""How far a network's features move when its images are moved, enlarged or turned.

Zeiler and Fergus 2014, "Visualizing and Understanding Convolutional Networks", section 4.1 and figure 5.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from kerasviz import progress
from kerasviz.checks import checked_count
from kerasviz.errors import LayerError, SettingError
from kerasviz.features.changes.altered import Subject
from kerasviz.features.changes.following import Followed
from kerasviz.features.changes.warping import NEUTRAL, check
from kerasviz.network.network import chunks
from kerasviz.targets import ClassScore, as_target


@dataclass(frozen=True, eq=False)
class Curves:
    """What becomes of N images along the A amounts of one transform.

    Attributes:
        amounts: `(A,)` pixels, factors or degrees.
        distances: by layer, `(N, A)`: the Euclidean distance of the features to those of the image as it was.
        relative: the same over the norm of those features; NaN where that is 0.
        scores: `(N, A)`, the target's.
    """

    amounts: np.ndarray
    distances: Mapping[str, np.ndarray]
    relative: Mapping[str, np.ndarray]
    scores: np.ndarray


@dataclass(frozen=True, eq=False)
class Invariance:
    """How far features move under transforms of the images.

    Attributes:
        curves: by the name of the transform.
        layers: the layers, in the order asked.
        target: `(N,)` class numbers, or a few words for any other target.
        score: what the scores are: "probability" or "score".
    """

    curves: Mapping[str, Curves]
    layers: tuple[str, ...]
    target: np.ndarray | str
    score: str

    def __getitem__(self, transform: str) -> Curves:
        """The curves of one transform."""
        if transform not in self.curves:
            raise SettingError(
                f"The transform {transform!r} was not asked for",
                expected=f"one of {', '.join(map(repr, self.curves))}",
                mend="Ask for it with transforms=",
            )
        return self.curves[transform]

    def rows(self) -> list[dict]:
        """A table, a row for each transform, amount, image and layer; `pandas.DataFrame(rows)` takes it.

        Returns:
            Dicts of "transform", "amount", "image" (its number), "layer", "distance", "relative" (None where the
            features are 0) and "score".
        """
        return [
            {
                "transform": transform,
                "amount": float(amount),
                "image": image,
                "layer": layer,
                "distance": float(curves.distances[layer][image, n]),
                "relative": float(share) if np.isfinite(share := curves.relative[layer][image, n]) else None,
                "score": float(curves.scores[image, n]),
            }
            for transform, curves in self.curves.items()
            for n, amount in enumerate(curves.amounts)
            for image in range(len(curves.scores))
            for layer in self.layers
        ]

    def plot(self, *, titles=None, relative: bool = False, dpi: float = 150):
        """Draw the curves as the paper's figure 5 does.

        A row for each transform: a panel for the distances at each layer, and one for the scores; a line for
        each image. Every panel has its own range.

        Args:
            titles: N names of the images, beside the first row.
            relative: draw the distances over the norm of the features, which compares layers.
            dpi: dots an inch, on the screen and in a file.

        Returns:
            A matplotlib `Figure`, unknown to pyplot.

        Raises:
            InputError: another number of titles than of images.
        """
        from kerasviz.features.changes.curve_panels import draw_curves

        return draw_curves(self, titles, relative=relative, dpi=dpi)

    def __str__(self):
        lines = [f"mean over {len(next(iter(self.curves.values())).scores)} images"]
        for transform, curves in self.curves.items():
            for n, amount in enumerate(curves.amounts):
                shares = [f"{layer} {_mean(curves.relative[layer][:, n])}" for layer in self.layers]
                score = f"{self.score} {curves.scores[:, n].mean():.3f}"
                lines.append(f"{transform} {amount:g}: relative distance {', '.join(shares)}; {score}")
        return "\n".join(lines)


def invariance(
    model,
    images,
    *,
    transforms: Mapping | None = None,
    layers=None,
    target=None,
    border="edge",
    batch_size: int = 32,
) -> Invariance:
    """Follow features and a class's probability while images are moved, enlarged and turned.

    Zeiler and Fergus 2014, section 4.1. They found that small transforms change the first layer's features much and the
    top layer's little, almost in proportion for translation and scale, and that the output is not invariant to
    rotation but for objects that look alike turned.

    The transform is applied to the inputs as the model takes them, so behind any preprocessing that is not part of the
    model; see `kerasviz.features.changes.warping.warp`. An amount that changes nothing has the distance 0 exactly.

    Args:
        model: any built Keras model, or the path of a saved one.
        images: what the model takes; one of the inputs has the shape `(N, H, W, C)`.
        transforms: amounts by the name of the transform: "vertical_translation" and "horizontal_translation" in pixels
            (down and right are positive), "scale" as a factor, "rotation" in degrees, counter-clockwise. None for
            the paper's three: 13 vertical translations of up to a quarter of the height either way (the paper's 60
            of 224 pixels is about that), scales from 1 to 1.8, and rotations through 360 degrees in steps of 15.
        layers: one layer or several, each as `Network.address` takes it; their features are flattened. None for the
            first layer with a kernel, and the layer in front of the last one with a kernel: what the classifier gets.
        target: whose score is followed; None for each untransformed image's top class. See `kerasviz.targets`. Class
            numbers are followed by their probability where the model ends in one, others by their score.
        border: what comes in from outside. "edge" repeats the outermost pixels: a constant would bring in an edge
            that no image has, and zero is not black for most preprocessings. "reflect" mirrors the image there; a
            number, in the model's units, is that constant.
        batch_size: how many samples run at once; bounds the memory.

    Returns:
        An `Invariance`.

    Raises:
        InputError: images that do not fit the model.
        LayerError: a layer is unknown, or does not see the image.
        SettingError: a setting is out of range.
        TargetError: the target does not fit the outputs or the batch.

    Example:
        >>> from kerasviz.data import shapes
        >>> found = invariance(shapes.shapes_model(), shapes.scenes(2, seed=1).images, transforms={"scale": [1, 1.2]})
        >>> found.layers, found["scale"].distances["conv1"][:, 0]
        (('conv1', 'gap'), array([0., 0.], dtype=float32))
    """
    subject = Subject.of(model, images, _first_and_last if layers is None else layers)
    network, count = subject.network, len(subject.images)
    size = checked_count("batch_size", batch_size)
    asked = _amounts(_paper_amounts(subject.images.shape[1]) if transforms is None else transforms, border)
    goal, score = _goal(network, target)
    given = goal.arguments(network, count)
    followed = Followed(subject, goal, given)
    parts = []
    steps = sum(len(amounts) for amounts in asked.values()) * count
    with progress.bar(steps, "Invariance") as advance:
        for arrays in chunks([*subject.arrays, *given], size):
            start = followed.start(arrays)
            found = {
                transform: followed.along(start, transform, amounts, border, advance)
                for transform, amounts in asked.items()
            }
            parts.append((start, found))
    names = tuple(str(address) for address in subject.addresses)
    norms = np.concatenate([start.norms for start, _ in parts], axis=1)
    curves = {
        transform: _curves(amounts, names, norms, [found[transform] for _, found in parts])
        for transform, amounts in asked.items()
    }
    is_class = isinstance(goal, ClassScore)
    classes = np.concatenate([start.settled[0] for start, _ in parts]) if is_class else goal.describe()
    return Invariance(curves, names, classes, score)


def _curves(amounts, names, norms, parts):
    distances = np.concatenate([apart for apart, _ in parts], axis=1)
    relative = np.full_like(distances, np.nan)
    np.divide(distances, norms[..., None], out=relative, where=norms[..., None] > 0)
    scores = np.concatenate([score for _, score in parts])
    return Curves(
        np.array(amounts), dict(zip(names, distances, strict=True)), dict(zip(names, relative, strict=True)), scores
    )


def _mean(values):
    known = values[np.isfinite(values)]
    return f"{known.mean():.3f}" if known.size else "unknown"


def _goal(network, target):
    """The target, and what its scores are called."""
    goal = as_target(target)
    if target is goal or not isinstance(goal, ClassScore):
        probability = isinstance(goal, ClassScore) and goal.probability
        return goal, "probability" if probability else "score"
    outputs = network.trace.outputs
    output = outputs.get(goal.output) if goal.output else next(iter(outputs.values()))
    if output is None or output.head not in ("softmax", "sigmoid"):
        return goal, "score"
    return ClassScore(goal.index, output=goal.output, probability=True), "probability"


def _amounts(transforms, border):
    """The amounts of each transform as floats, checked."""
    if not isinstance(transforms, Mapping) or not transforms:
        raise SettingError(
            f"transforms={transforms!r}",
            expected=f"a dict of amounts by name: {', '.join(NEUTRAL)}",
            mend='transforms={"scale": [1, 1.2, 1.5]}',
        )
    found = {}
    for transform, amounts in transforms.items():
        listed = np.asarray(amounts).ravel().tolist()
        for amount in listed:
            check(transform, amount, border)
        if not listed:
            raise SettingError(f"The {transform} has no amounts", expected="one or more", mend="Leave it out")
        found[transform] = [float(amount) for amount in listed]
    return found


def _paper_amounts(height):
    quarter = np.linspace(-height / 4, height / 4, 13)
    return {
        "vertical_translation": np.unique(np.rint(quarter)),
        "scale": np.linspace(1, 1.8, 9),
        "rotation": np.arange(0, 361, 15),
    }


def _first_and_last(network):
    """The first layer with a kernel, and the one in front of the last: what the classifier gets."""
    calls = [call for call in network.trace.calls if call.shape is not None]
    kernels = [n for n, call in enumerate(calls) if network.entry(call.path).kernel]
    if len(kernels) < 2:
        raise LayerError(
            f"{network.name!r} has {len(kernels)} layers with a kernel: which are its first and last is not clear",
            expected="a network of two or more layers with a kernel",
            mend="Name the layers: layers=[...]",
        )
    before = [n for n in range(kernels[0], kernels[-1]) if not calls[n].passes_on]
    return [calls[kernels[0]].path, calls[before[-1]].path]
