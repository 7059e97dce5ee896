"""`explain`: any method by name, in one call."""

import difflib
import inspect
import weakref

from kerasviz.attribution.base import Explainer, methods
from kerasviz.errors import SettingError
from kerasviz.explanation import Explanation
from kerasviz.network.layers import walk
from kerasviz.network.loading import as_model

# Explainers made here, kept as long as their model lives: in a notebook the same call is made again and again.
_made: weakref.WeakKeyDictionary = weakref.WeakKeyDictionary()


def explain(model, images, method: str = "grad_cam", target=None, **settings) -> Explanation:
    """Explain a batch by the name of a method.

    The compiled explainer is kept with the model, so that the next call with the same settings costs one pass.

    Args:
        model: any built Keras model, or the path of a saved one (opened anew at each call).
        images: what the model takes, with a batch axis.
        method: a registered name; dashes and capitals do not matter ("Grad-CAM" is "grad_cam").
        target: what is explained; None for each sample's top class. See `kerasviz.targets`.
        **settings: the method's own, such as `layer=` or `samples=`.

    Raises:
        SettingError: the method or a setting of it is unknown.

    Example:
        >>> import kerasviz as kv
        >>> kv.explain(model, images, method="grad_cam").plot(images)  # doctest: +SKIP
    """
    model = as_model(model)
    key = (
        method_name(method),
        tuple(sorted(settings.items(), key=lambda item: item[0])),
        _fingerprint(model),
    )
    try:
        made = _made.setdefault(model, {})
        if key not in made:
            made[key] = explainer(model, method, **settings)
        kept = made[key]
    except TypeError:  # A setting that cannot be hashed, such as a baseline array.
        kept = explainer(model, method, **settings)
    return kept(images, target)


def explainer(model, method: str, **settings) -> Explainer:
    """Make the explainer of a method by its name.

    Raises:
        SettingError: the method or a setting of it is unknown.
    """
    kind = methods()[method_name(method)]
    known = [name for name in inspect.signature(kind).parameters if name not in ("model", "explainer")]
    unknown = [name for name in settings if name not in known]
    if unknown:
        raise SettingError(
            f"{kind.title} has no setting {unknown[0]!r}",
            expected=f"settings among {', '.join(known)}",
            mend=f"See help(kerasviz.{kind.__name__})",
        )
    return kind(model, **settings)


def method_name(given: str) -> str:
    """The registered name that a user's spelling means.

    Raises:
        SettingError: there is none.
    """
    plain = {name.replace("_", ""): name for name in methods()}
    wanted = str(given).lower().replace("-", "").replace("_", "").replace(" ", "")
    if wanted in plain:
        return plain[wanted]
    near = [plain[name] for name in difflib.get_close_matches(wanted, plain, n=2)]
    raise SettingError(
        f"No method is called {given!r}",
        expected=f"one of {', '.join(methods())}",
        mend=f"Did you mean {' or '.join(map(repr, near))}?" if near else "Choose one of these",
    )


def _fingerprint(model):
    """Changes when a layer or its activation is replaced, after which a kept explainer would be stale."""
    return tuple((id(layer), id(getattr(layer, "activation", None))) for _, layer in walk(model))
