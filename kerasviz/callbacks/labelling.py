"""Names of classes, checked before a training begins."""

import numpy as np

from kerasviz.network import Network
from kerasviz.plotting.naming import class_name
from kerasviz.targets import ClassScore


def require_labels(labels, network: Network, goal: ClassScore):
    """Refuse labels that do not name every class that the target can come to.

    Args:
        labels: names of the classes by their numbers, a list or a dict; None for none.
        network: that is explained.
        goal: some class numbers, or each sample's top class.

    Raises:
        SettingError: a class has no label.
    """
    _, width, binary = goal.describe_output(network)
    top = range(2 if binary else width or 0)
    for number in top if goal.index is None else {int(number) for number in np.ravel(goal.index)}:
        class_name(labels, number)
