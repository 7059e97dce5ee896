"""Opening what `--model` names."""

import difflib
import functools
import importlib
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from kerasviz.errors import DataError, KerasvizError, LoadError, ModelError, SettingError

if TYPE_CHECKING:
    from kerasviz.network import Network

#: The text on `--model` that all commands share.
HELP = (
    "A [bold].keras[/] or [bold].h5[/] file, or the folder of a SavedModel; [bold]keras:ResNet50[/] or any other "
    "network of keras.applications; [bold]imagenet[/], a small network trained on ImageNet; or [bold]shapes[/], the "
    "one inside kerasviz."
)
_PACKAGED = ("imagenet", "shapes")


@dataclass(frozen=True)
class Opened:
    """A model and what is known about its images and classes.

    Attributes:
        given: what the user named.
        network: the model, opened.
        model: the Keras model.
        labels: names of its classes, or None.
        preprocess: a mode of `kerasviz.data.preprocess` or a function, None if it is not known.
        preprocess_name: for manifests.
    """

    given: str
    network: "Network"
    model: object
    labels: list[str] | None = None
    preprocess: str | Callable | None = None
    preprocess_name: str = ""


def open_model(
    given: str,
    *,
    custom: list[str] | None = None,
    unsafe: bool = False,
    architecture: str | None = None,
    signature: str | None = None,
    labels: list[str] | None = None,
    preprocess: str = "auto",
) -> Opened:
    """Open a model.

    Args:
        given: see `HELP`.
        custom: classes and functions of the model, as "module:Name", or "module" alone if importing registers them.
        unsafe: run code that the file holds.
        architecture: what a file of weights belongs to: "keras:ResNet50", a `.json`, `.keras` or `.h5` file, or
            "module:function".
        signature: the name of a SavedModel's signature.
        labels: names of its classes, in the place of those that are known.
        preprocess: a mode of `kerasviz.data.preprocess`, or "auto" for what is known.

    Raises:
        LoadError: there is no such model, or it cannot be opened or downloaded.
        ModelError: it is no network that kerasviz can open.
        SettingError: `custom` or `architecture` cannot be imported, or `signature` is not for this file.
    """
    if given in _PACKAGED or given.lower().startswith("keras:"):
        if architecture or signature:
            raise SettingError(
                f"--{'architecture' if architecture else 'signature'} with the model {given}",
                expected="a file that needs it",
                mend="Leave it out",
            )
        opened = _named(given)
    else:
        opened = _from_file(given, custom or [], unsafe=unsafe, architecture=architecture, signature=signature)
    if labels is not None:
        opened = replace(opened, labels=labels)
    if preprocess != "auto":
        opened = replace(opened, preprocess=preprocess, preprocess_name=preprocess)
    return opened


def _named(given):
    """A model that is no file."""
    if given == "imagenet":
        from kerasviz.data import imagenet_labels, imagenet_model

        return _opened(given, imagenet_model(), imagenet_labels(), "none")
    if given == "shapes":
        from kerasviz.data import shapes

        return _opened(given, shapes.shapes_model(), list(shapes.CLASSES), "none")
    return _application(given)


def _from_file(given, custom, *, unsafe, architecture, signature):
    path = Path(given)
    # A checkpoint is named by what its files begin with.
    exists = path.exists() or Path(f"{path}.index").exists()
    if not exists and path.suffix not in (".keras", ".h5", ".hdf5", ".index"):
        raise LoadError(
            f"There is no model {given!r}",
            expected="a .keras or .h5 file, the folder of a SavedModel, 'imagenet', 'shapes', or 'keras:' with a name "
            "of keras.applications",
            mend=_advice(given),
        )
    from kerasviz.network import load

    objects, built = _import("--custom", custom), architecture and _architecture(architecture)
    try:
        model = load(given, architecture=built, signature=signature, custom_objects=objects, unsafe=unsafe)
        return _opened(given, model)
    except LoadError as error:
        raise _in_terms_of_options(error) from error


def require_image_input(opened: Opened) -> tuple[int | None, int | None, int]:
    """The height, width and channels that a network of images takes; None for a free side.

    Raises:
        ModelError: it takes several inputs, or something that is no image.
    """
    specs = opened.network.inputs.specs
    listed = ", ".join(f"{spec.name!r} {spec.shape}" for spec in specs)
    if len(specs) > 1:
        raise ModelError(
            f"The model {opened.network.name!r} takes {len(specs)} inputs: {listed}",
            expected="a model of one image, which is all that a picture file can give",
            mend="Explain it from Python, where all inputs can be given: kerasviz.explain(model, inputs)",
        )
    shape = specs[0].shape
    if len(shape) != 4 or shape[3] not in (1, 3):
        raise ModelError(
            f"The model {opened.network.name!r} takes {listed}",
            expected="images: (batch, height, width, channels) with 3 channels or 1",
            mend="Explain it from Python: kerasviz.explain(model, inputs)",
        )
    return shape[1:]


def _opened(given, model, labels=None, preprocess=None):
    from kerasviz.network import Network

    return Opened(given, Network(model), model, labels, preprocess, preprocess or "")


def _application(given):
    import keras

    name = _application_name(given)
    try:
        model = getattr(keras.applications, name)(weights="imagenet")
    except Exception as error:  # Keras raises bare exceptions when a download fails
        raise LoadError(
            f"The ImageNet weights of {name} cannot be had: {error}",
            expected="a connection to storage.googleapis.com, or the weights in ~/.keras/models",
            mend="Use --model imagenet, which needs no connection, or save the network elsewhere and name the file",
        ) from error
    home = next(
        module
        for module in vars(keras.applications).values()
        if hasattr(module, name) and hasattr(module, "preprocess_input")
    )
    opened = _opened(f"keras:{name}", model, _imagenet_labels(), home.preprocess_input)
    return replace(opened, preprocess_name=f"{name}'s own")


def _application_name(given):
    """The name in keras.applications that "keras:resnet50" means."""
    import keras

    names = {name.lower(): name for name in dir(keras.applications) if name[0].isupper()}
    wanted = given.partition(":")[2]
    if wanted.lower() in names:
        return names[wanted.lower()]
    near = difflib.get_close_matches(wanted.lower(), names, n=3)
    raise LoadError(
        f"keras.applications has no network {wanted!r}",
        expected="keras: and a name such as keras:ResNet50",
        mend=f"Did you mean {_listed('keras:' + names[n] for n in near)}?"
        if near
        else f"It has {', '.join(names.values())}",
    )


def _architecture(given):
    """What `--architecture` names, as `kerasviz.load` takes it."""
    if given.lower().startswith("keras:"):
        import keras

        return functools.partial(getattr(keras.applications, _application_name(given)), weights=None)
    if Path(given).suffix in (".json", ".keras", ".h5", ".hdf5"):
        return given
    if ":" not in given:
        raise SettingError(
            f"--architecture {given}",
            expected="keras:ResNet50, a .json, .keras or .h5 file, or module:function",
            mend="Write the function that builds the network behind its module and a colon",
        )
    return next(iter(_import("--architecture", [given]).values()))


def _imagenet_labels():
    from kerasviz.data import imagenet_labels

    try:
        return imagenet_labels()
    except DataError:
        return None  # classes then go by their numbers, which are right, too


def _import(option, names):
    """What `--custom` or `--architecture` names, by name."""
    objects = {}
    for given in names:
        module, _, name = given.partition(":")
        sys.path.insert(0, str(Path.cwd()))
        try:
            imported = importlib.import_module(module)
            if name:
                objects[name] = getattr(imported, name)
        except (ImportError, AttributeError, ValueError) as error:
            raise SettingError(
                f"{option} {given} cannot be imported: {error}",
                expected="module:Name, of a module that is installed or in this folder",
                mend="Check the spelling",
            ) from error
        finally:
            sys.path.remove(str(Path.cwd()))
    return objects


def _in_terms_of_options(error: KerasvizError) -> KerasvizError:
    """The same error with the option that mends it."""
    mend = error.mend
    if "unsafe=True" in mend:
        mend = "Add --unsafe only if you trust whoever made the file: its code will run"
    elif "custom_objects" in mend:
        mend = "Name each with --custom module:Name"
    mend = mend.replace("architecture=", "--architecture ").replace("signature=", "--signature ")
    return type(error)(error.given, expected=error.expected, mend=mend)


def _advice(given):
    import keras

    names = {name.lower(): f"keras:{name}" for name in dir(keras.applications) if name[0].isupper()}
    names |= {"imagenet": "imagenet", "shapes": "shapes"}
    near = difflib.get_close_matches(given.lower(), names, n=3)
    return f"Did you mean {_listed(names[n] for n in near)}?" if near else "Check the path and the folder"


def _listed(names):
    return " or ".join(names)
