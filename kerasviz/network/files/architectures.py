"""Architectures for files that hold weights only."""

from pathlib import Path

import keras

from kerasviz.errors import KerasvizError, LoadError, SettingError
from kerasviz.network.files import keras2, refusals
from kerasviz.network.files.configs import parse_config, refuse_code
from kerasviz.network.files.sizes import bounded_variables


def build_architecture(
    architecture, held: int, *, custom_objects: dict | None = None, unsafe: bool = False
) -> keras.Model:
    """The model for which a file of weights was made, with any weights.

    Args:
        architecture: a built model, which comes back itself; a function without arguments that returns one; or the
            path of a `.json` file, `model.to_json()`.
        held: bytes of the weights, which bound those that a `.json` file may ask for.
        custom_objects: as for `kerasviz.load`.
        unsafe: as for `kerasviz.load`.

    Raises:
        LoadError: the `.json` file cannot be opened.
        SettingError: it is nothing of that kind, or a model that is not built.
    """
    if isinstance(architecture, str | Path):
        model = _from_json(Path(architecture), held, custom_objects, unsafe)
    elif isinstance(architecture, keras.Model):
        model = architecture
    else:
        model = architecture() if callable(architecture) else architecture
    if not isinstance(model, keras.Model):
        raise SettingError(
            f"The architecture is a {type(model).__name__}",
            expected="a Keras model, a function that returns one, or the path of a .json file",
            mend="For example architecture=lambda: keras.applications.ResNet50(weights=None)",
        )
    if not model.built:
        raise SettingError(
            f"The architecture {model.name!r} is not built, so that it has no weights yet",
            expected="a model that knows the shape of its inputs",
            mend="Call it once on an input, or give it a keras.Input, before the file is loaded",
        )
    return model


def _from_json(path, held, custom_objects, unsafe):
    if path.suffix != ".json":
        raise refusals.foreign(path, "is no architecture", "Write it with model.to_json() into a .json file")
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise LoadError(
            f"{str(path)!r} cannot be read: {error}", expected="a file of model.to_json()", mend="Check the path"
        ) from error
    config, old = parse_config(path, text)
    if not unsafe:
        refuse_code(path, config, custom_objects)
    try:
        with bounded_variables(path, held):
            if old:
                return keras2.build(config, custom_objects, unsafe)
            return keras.saving.deserialize_keras_object(config, custom_objects, safe_mode=not unsafe)
    except KerasvizError:
        raise
    # Keras raises nearly anything on a configuration that it does not understand.
    except Exception as error:
        raise refusals.explained(path, error) from error
