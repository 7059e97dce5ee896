"""What is wrong with the weights of a model, or worth a second look."""

from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass

from kerasviz.inspection.health import Weight, look_trained
from kerasviz.texts import number_text, numbers_text

#: From the worst on. "broken": what comes out is NaN. "suspicious": no training that went well does that. "note": it
#: happens in good models, and costs something or says something.
SEVERITIES = ("broken", "suspicious", "note")
#: Magnitudes above which a weight has exploded; biases of a regression and statistics of raw pixels are large.
_HUGE = {"kernel": 1e4, "embedding": 1e4, "gamma": 1e4, "moving_variance": 1e12, "moving_mean": 1e6}
_HUGE_ELSE = 1e6
#: The share of a layer's channels above which dead ones are no longer the price of a good training.
_MANY_DEAD = 0.5

#: The kinds of problems in words, in the order in which they are told.
KINDS = {
    "nan": "NaN: the training diverged, or the file is damaged",
    "infinite": "infinite values: the training diverged, or the file is damaged",
    "negative_variance": "negative variances, whose root is NaN",
    "huge": "exploded values",
    "zero": "nothing but zeros, which let nothing pass",
    "constant": "one value throughout",
    "equal_filters": "equal filters, which do the same work twice",
    "never_updated": "normalizations whose statistics no training has updated",
    "dead_filters": "filters of zeros, which find nothing",
    "dead_channels": "channels that a normalization holds constant",
    "untrained": "it looks untrained",
    "initial": "initial values that no training has changed",
}


@dataclass(frozen=True)
class Problem:
    """Something found in a weight.

    Attributes:
        severity: one of `SEVERITIES`.
        kind: one of `KINDS`, which say what each means.
        path: of the weight; of the layer for what concerns all its weights; "" for the whole model.
        layer: the path of the layer; "" for the model itself.
        text: what was found there, in words.
        channels: the numbers of the output channels that are concerned, if it concerns some; of equal ones all but the
            first of each group, which could be left out.
    """

    severity: str
    kind: str
    path: str
    layer: str
    text: str
    channels: tuple[int, ...] = ()

    def as_dict(self) -> dict:
        """All of it as JSON can hold it."""
        return {**asdict(self), "channels": list(self.channels)}


def problems(found: list[Weight]) -> list[Problem]:
    """What is wrong with weights, the worst first, in the order of the model.

    Args:
        found: all weights of a model, as `kerasviz.inspection.weights` gives them.

    Example:
        >>> import keras
        >>> import numpy as np
        >>> from kerasviz.inspection.health import weights
        >>> model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(2, name="hidden")])
        >>> model.layers[0].set_weights([np.array([[1.0, np.nan], [2, 0]]), np.arange(2)])
        >>> [(problem.severity, problem.path, problem.text) for problem in problems(weights(model))]
        [('broken', 'hidden/kernel', '1 of 4 values is NaN')]
    """
    trained = look_trained(found)
    listed = [problem for weight in found if weight.statistics is not None for problem in _of(weight, trained)]
    listed += _never_updated(found, trained)
    if not trained:
        text = "every bias, scale and statistic is at its initial value"
        listed.append(Problem("note", "untrained", "", "", text))
    order = list(KINDS)
    return sorted(listed, key=lambda one: (SEVERITIES.index(one.severity), order.index(one.kind)))


def _of(weight: Weight, trained: bool) -> Iterator[Problem]:
    def problem(severity, kind, text, channels=()):
        return Problem(severity, kind, weight.path, weight.layer, text, tuple(channels))

    numbers = weight.statistics
    for kind, count, word in (("nan", numbers.nan, "NaN"), ("infinite", numbers.infinite, "infinite")):
        if count:
            yield problem("broken", kind, f"{_of_all(count, weight.size)} {word}")
    if weight.negative:
        text = f"{_of_all(weight.negative, weight.size)} negative, down to {number_text(numbers.minimum)}"
        yield problem("broken", "negative_variance", text)
    if weight.role in ("state", "scale"):
        return
    if numbers.largest > _HUGE.get(weight.role, _HUGE_ELSE):
        text = f"values from {number_text(numbers.minimum)} to {number_text(numbers.maximum)}"
        yield problem("suspicious", "huge", text)
    yield from _of_one_value(weight, trained, problem)
    if weight.dead:
        yield _of_dead(weight, problem)
    if weight.equal:
        pairs = [" = ".join(map(str, group)) for group in weight.equal]
        text = f"of {weight.filters} filters {numbers_text(pairs, 4)}"
        yield problem("suspicious", "equal_filters", text, sorted(n for group in weight.equal for n in group[1:]))


def _of_one_value(weight, trained, problem):
    value = number_text(weight.statistics.minimum)
    if weight.initial:
        # Of statistics one problem tells, for mean and variance together.
        if trained and weight.role not in ("moving_mean", "moving_variance", "lora"):
            yield problem("note", "initial", f"all {value}")
    elif weight.zero and (weight.size > 1 or weight.role == "kernel"):
        matters = weight.role in ("kernel", "gamma", "embedding", "moving_variance")
        yield problem("suspicious" if matters else "note", "zero", f"all {weight.size} values are zero")
    elif weight.constant:
        severity = "suspicious" if weight.role in ("kernel", "embedding") and weight.trainable else "note"
        yield problem(severity, "constant", f"all {weight.size} values are {value}")


def _of_dead(weight, problem):
    total = weight.filters or weight.size
    severity = "suspicious" if len(weight.dead) > _MANY_DEAD * total else "note"
    kind = "dead_filters" if weight.role == "kernel" else "dead_channels"
    text = f"{len(weight.dead)} of {total}: {numbers_text(weight.dead)}"
    return problem(severity, kind, text, weight.dead)


def _never_updated(found: Iterable[Weight], trained: bool) -> Iterator[Problem]:
    """Normalizations whose mean and variance are as they were made, beside weights that a training has changed."""
    homes: dict[str, dict[str, Weight]] = {}
    for weight in found:
        homes.setdefault(weight.home, {})[weight.role] = weight
    for held in homes.values():
        statistics = [held.get(role) for role in ("moving_mean", "moving_variance")]
        if trained and all(weight is not None and weight.initial for weight in statistics):
            text = "mean 0 and variance 1 in all channels"
            layer = statistics[1].layer
            yield Problem("suspicious", "never_updated", layer, layer, text)


def _of_all(count, size):
    if size == 1:
        return "the value is"
    return f"{count:,} of {size:,} values {'is' if count == 1 else 'are'}"
