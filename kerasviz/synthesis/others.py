"""The inputs beside the image, of networks that take several."""

from collections.abc import Mapping

import numpy as np

from kerasviz.errors import InputError
from kerasviz.network import Network


def other_inputs(network: Network, number: int, others: Mapping | None) -> list[np.ndarray | None]:
    """A batch of one sample of each input but the image, in the order of the network's inputs.

    Args:
        network: of one input or several.
        number: of the input that is the image; its place holds None.
        others: a sample of each other input by name, without a batch axis.

    Raises:
        InputError: one is missing, unknown, or does not fit.
    """
    others = dict(others or {})
    found: list[np.ndarray | None] = []
    for i, spec in enumerate(network.inputs.specs):
        if i == number:
            found.append(None)
        elif spec.name not in others:
            raise InputError(
                f"The model {network.name!r} also takes {spec.name!r} {spec.shape}",
                expected="a sample of each input but the image",
                mend=f"Pass others={{{spec.name!r}: …}}, without a batch axis",
            )
        else:
            found.append(network.inputs.check_one(i, np.asarray(others.pop(spec.name))[None]))
    if others:
        raise InputError(
            f"others holds {', '.join(map(repr, others))}",
            expected=f"inputs of {network.name!r} beside the image",
            mend="Leave the others out",
        )
    return found
