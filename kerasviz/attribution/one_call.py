"""`explain`: any method by name, in one call."""

import difflib
import inspect
import re
import threading
import weakref
from collections import OrderedDict

from kerasviz.attribution.base import Explainer, methods
from kerasviz.errors import InputError, LayerError, ModelError, PackageError, RuleError, SettingError
from kerasviz.explanation import Explanation
from kerasviz.network.layers import walk
from kerasviz.network.loading import as_model

# Explainers made here, kept as long as their model lives: in a notebook the same call is made again and again.
_made: weakref.WeakKeyDictionary = weakref.WeakKeyDictionary()
_lock = threading.RLock()
#: What a method raises that is not made for a model, or needs a package that is missing.
UNFIT = (RuleError, LayerError, InputError, ModelError, PackageError)
#: Of those of one model, the last used: a loop over seeds or layers must not fill the memory.
_KEPT = 16


def explain(model, images, method: str = "grad_cam", target=None, **settings) -> Explanation:
    """Explain a batch by the name of a method.

    The compiled explainer is kept with the model, so that the next call with the same settings costs one pass.

    Args:
        model: any built Keras model, or the path of a saved one (opened anew at each call).
        images: what the model takes, with a batch axis.
        method: a registered name; dashes and capitals do not matter ("Grad-CAM++" is
            "grad_cam_plus_plus").
        target: what is explained; None for each sample's top class. See `kerasviz.targets`.
        **settings: the method's own, such as `layer=` or `samples=`.

    Raises:
        SettingError: the method or a setting of it is unknown.

    Example:
        >>> import kerasviz as kv
        >>> kv.explain(model, images, method="grad_cam").plot(images)  # doctest: +SKIP
    """
    return _kept(as_model(model), method, settings)(images, target)


def _kept(model, method, settings):
    """The explainer that was made for these settings before, or a new one."""
    # With types, since 1 == True == 1.0; and layers to be fused may be a list.
    plain = {name: tuple(value) if isinstance(value, list) else value for name, value in settings.items()}
    values = tuple(sorted((name, type(value).__name__, value) for name, value in plain.items()))
    key = (method_name(method), values, _fingerprint(model))
    try:
        hash(key)
    except TypeError:  # A setting such as a baseline array.
        return explainer(model, method, **settings)
    with _lock:
        made = _made.setdefault(model, OrderedDict())
        if key not in made:
            made[key] = explainer(model, method, **settings)
        made.move_to_end(key)
        while len(made) > _KEPT:
            made.popitem(last=False)
        return made[key]


def explainer(model, method: str, **settings) -> Explainer:
    """Make the explainer of a method by its name.

    Raises:
        SettingError: the method or a setting of it is unknown.
    """
    kind = methods()[method_name(method)]
    check_settings(kind, settings)
    return kind(model, **settings)


def check_settings(kind: type[Explainer], settings):
    """Refuse settings that a method does not have.

    Raises:
        SettingError: one is unknown.
    """
    known = [name for name in inspect.signature(kind).parameters if name not in ("model", "explainer")]
    unknown = [name for name in settings if name not in known]
    if unknown:
        raise SettingError(
            f"{kind.title} has no setting {unknown[0]!r}",
            expected=f"settings among {', '.join(known)}",
            mend=f"See help(kerasviz.{kind.__name__})",
        )


def method_name(given: str) -> str:
    """The registered name that a user's spelling means.

    Raises:
        SettingError: there is none.
    """
    plain = {name.replace("_", ""): name for name in methods()}
    wanted = re.sub(r"[-_ ]", "", str(given).lower()).replace("+", "plus")
    if wanted in plain:
        return plain[wanted]
    near = [plain[name] for name in difflib.get_close_matches(wanted, plain, n=2)]
    raise SettingError(
        f"No method is called {given!r}",
        expected=f"one of {', '.join(methods())}",
        mend=f"Did you mean {' or '.join(map(repr, near))}?" if near else "Choose one of these",
    )


def _fingerprint(model):
    """Changes when a layer, its activation or another function that it holds is replaced.

    A twin keeps the old ones, so that a kept explainer would be stale.
    """
    return tuple(
        (id(layer), *(id(held) for held in vars(layer).values() if callable(held))) for _, layer in walk(model)
    )
