"""What is being explained: a score for each sample, taken from a network's outputs or activations.

Wherever an explainer takes `target=`, it takes one of these:

| given | what is explained |
|---|---|
| None | each sample's own top class |
| an int | that class, for every sample |
| a list or array of ints | one class per sample |
| `("species", 3)` | a class of the output called "species", for models with several outputs |
| a `Target` of this module | see there |
| a callable | `outputs -> (N,)` scores; wrapped in `Custom` |

Scores are taken before softmax and sigmoid. An output of one unit under a sigmoid has the classes 0 and 1, whose
scores are minus and plus the logit. An output that is a map (segmentation) is summed over its positions.
"""

from kerasviz.errors import TargetError
from kerasviz.targets.base import Target
from kerasviz.targets.classes import ClassScore, LogProbability, class_scores
from kerasviz.targets.custom import Custom
from kerasviz.targets.each import Each
from kerasviz.targets.layers import Direction, Diversity, Layer
from kerasviz.targets.references import AlongActivation, MatchActivation
from kerasviz.targets.units import Channel, Neuron

__all__ = [
    "AlongActivation",
    "Channel",
    "ClassScore",
    "Custom",
    "Direction",
    "Diversity",
    "Each",
    "Layer",
    "LogProbability",
    "MatchActivation",
    "Neuron",
    "Target",
    "as_target",
    "class_scores",
]


def as_target(target) -> Target:
    """The `Target` that a user's `target=` means; see the head of this module.

    Raises:
        TargetError: it is none of the kinds listed there.
    """
    if isinstance(target, Target):
        return target
    if isinstance(target, tuple) and len(target) == 2 and isinstance(target[0], str):
        return ClassScore(target[1], output=target[0])
    if isinstance(target, str):
        raise TargetError(
            f"target={target!r} is a label",
            expected="a class number",
            mend="Look its number up in the list of labels: labels.index(...)",
        )
    if callable(target):
        return Custom(target)
    return ClassScore(target)
