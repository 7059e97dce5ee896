"""The methods that a command line asks for."""

import inspect
import warnings

from kerasviz.attribution import explainer, methods
from kerasviz.attribution.one_call import UNFIT, method_name
from kerasviz.errors import (
    KerasvizWarning,
    ModelError,
    SettingError,
)

#: Parameters of explainers that `--set` does not offer.
_NO_SETTINGS = {"model", "explainer", "layer", "sample", "batch_size", "seed", "output"}


def method_names(given: list[str]) -> tuple[list[str], bool]:
    """Registered names from `--method`, and whether all were asked for: those that are not slow.

    Raises:
        SettingError: a name is unknown; the nearest are listed.
    """
    words = [word.strip() for entry in given for word in entry.split(",") if word.strip()]
    if any(word.lower() == "all" for word in words):
        return [name for name, kind in methods().items() if not kind.slow], True
    return list(dict.fromkeys(method_name(word) for word in words)), False


def make_explainers(opened, names, *, drop_unfit, asked, common):
    """The explainers by name, each with the settings that it knows; and why others were left out.

    Args:
        opened: the model.
        names: registered names of methods.
        drop_unfit: leave out, with a warning, methods that the model is not made for, or that need a package that is
            missing; otherwise they raise.
        asked: settings that the user gave; one that no method has is refused.
        common: settings for the methods that have them.
    """
    known = {name: inspect.signature(methods()[name]).parameters for name in names}
    for setting in asked:
        if not any(setting in parameters for parameters in known.values()):
            plain = {key for parameters in known.values() for key in parameters} - _NO_SETTINGS
            raise SettingError(
                f"{', '.join(names)} has no setting {setting!r}",
                expected=f"one of {', '.join(sorted(plain))}" if plain else "a method with settings",
                mend="Leave it out, or choose a method that has it",
            )
    made, left_out = {}, {}
    for name in names:
        own = {key: value for key, value in {**common, **asked}.items() if key in known[name]}
        try:
            made[name] = explainer(opened.model, name, **own)
        except UNFIT as error:
            if not drop_unfit or "layer" in own:
                raise
            left_out[name] = str(error)
            warnings.warn(f"{name} is left out. {error}", KerasvizWarning, stacklevel=2)
    if not made:
        raise ModelError(
            f"No method fits the model {opened.network.name!r}",
            expected="a network of images with a spatial feature map or a gradient",
            mend="`kerasviz inspect` shows what it is made of",
        )
    return made, left_out
