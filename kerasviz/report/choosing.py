"""The methods of a report: made for the model, told apart, and drawn each in its colours."""

import inspect
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from kerasviz.attribution import Explainer, explainer, methods
from kerasviz.attribution.one_call import UNFIT, method_name
from kerasviz.errors import (
    ModelError,
    SettingError,
)
from kerasviz.network import Network
from kerasviz.plotting.colors import SIGNED, UNSIGNED, Palette
from kerasviz.plotting.compose import OVERLAY, default_percentile

#: What a report shows unless told: which region speaks for a class, which details there, and which pixels the score
#: depends on. One or two passes each, so that a report of many images takes seconds, not minutes.
DEFAULT_METHODS = ("grad_cam", "guided_grad_cam", "saliency")
#: How maps lie over the image until somebody moves a slider, as `kerasviz.plotting` draws them: regions are looked
#: through; where their sign matters each pixel is as opaque as it is strong; maps of pixels are looked at alone.
OPACITIES = {"regions": 50, "signed-regions": 75, "pixels": 100}


@dataclass(frozen=True)
class Method:
    """A method of a report.

    Attributes:
        key: the registered name; a second explainer of the same method has "_2" behind it.
        title: for readers, told apart in the same way.
        explain: the explainer.
    """

    key: str
    title: str
    explain: Explainer

    @property
    def signed(self) -> bool:
        """Whether negative values speak against the class."""
        return bool(self.explain.signed)

    @property
    def group(self) -> str:
        """Which of `OPACITIES` it has."""
        if self.explain.kind == "pixels":
            return "pixels"
        return "signed-regions" if self.signed else "regions"

    @property
    def percentile(self) -> float:
        """Where the range of its maps ends."""
        return default_percentile(self.explain.kind, signed=self.signed)

    @cached_property
    def palette(self) -> Palette:
        """Its colours."""
        unsigned = UNSIGNED if self.explain.kind == "pixels" else OVERLAY
        return Palette.of(SIGNED if self.signed else unsigned, signed=self.signed)


def read_methods(given) -> list[str | Explainer]:
    """What was asked for: registered names, each once, and explainers.

    Raises:
        SettingError: a name is unknown, or something else was given.
    """
    if given is None:
        return list(DEFAULT_METHODS)
    if isinstance(given, str | Explainer):
        given = [given]
    if not isinstance(given, Sequence) or not given:
        raise SettingError(
            f"methods={given!r}",
            expected="names of methods or explainers, at least one",
            mend=f"Leave it out for {', '.join(DEFAULT_METHODS)}",
        )
    return list(dict.fromkeys(one if isinstance(one, Explainer) else method_name(one) for one in given))


def keys_of(asked: list[str | Explainer]) -> list[str]:
    """The key of each method: its registered name, with "_2" behind it where another explainer has it already."""
    names = [one if isinstance(one, str) else one.name for one in asked]
    counts = [names[: place + 1].count(name) for place, name in enumerate(names)]
    return [name if count == 1 else f"{name}_{count}" for name, count in zip(names, counts, strict=True)]


def make_methods(
    model, network: Network, asked: list[str | Explainer], **common
) -> tuple[list[Method], dict[str, str]]:
    """The methods of the report, and why others do not fit the model.

    Args:
        model: the Keras model.
        network: the same, opened.
        asked: of `read_methods`.
        **common: settings for the methods that have them.

    Returns:
        The methods, and by title the reason for each that is left out.

    Raises:
        ModelError: none is left.
        SettingError: an explainer was made for another model.
    """
    made, left_out = [], {}
    for key, one in zip(keys_of(asked), asked, strict=True):
        if isinstance(one, Explainer):
            _check_model(one, network)
        else:
            kind = methods()[one]
            own = {name: value for name, value in common.items() if name in inspect.signature(kind).parameters}
            try:
                one = explainer(model, one, **own)
            except UNFIT as error:
                left_out[kind.title] = str(error)
                continue
        again = key.removeprefix(one.name).removeprefix("_")
        made.append(Method(key, f"{one.title} ({again})" if again else one.title, one))
    if not made:
        raise ModelError(
            f"No method fits the model {network.name!r}: {' '.join(left_out.values())}",
            expected="a network of images with a spatial feature map or a gradient",
            mend="Name a method that fits it: methods=",
        )
    return made, left_out


def _check_model(explain, network):
    theirs = [[spec.shape for spec in one.inputs.specs] for one in (explain.network, network)]
    heads = [[tuple(output.shape) for output in one.trace.outputs.values()] for one in (explain.network, network)]
    if theirs[0] != theirs[1] or heads[0] != heads[1]:
        raise SettingError(
            f"The explainer {explain.title} was made for the model {explain.network.name!r}, which takes or returns "
            f"another shape than {network.name!r}",
            expected="explainers of the model that the report is about",
            mend="Make it for this model, or give its name",
        )
