"""The sentences with which files are refused."""

import re
import zipfile

from kerasviz.errors import LoadError


def foreign(path, state: str, mend: str) -> LoadError:
    """The file is something else than a model that can be opened."""
    return LoadError(
        f"{str(path)!r} {state}",
        expected="a .keras or .h5 file, or the folder of a SavedModel",
        mend=mend,
    )


def damaged(path, what: str = "is truncated or damaged") -> LoadError:
    """The file is of a known kind, and not whole."""
    return foreign(path, what, "Copy or save the model again")


def tricky(path, trick: str) -> LoadError:
    """The file has something that no program that saves models writes."""
    return LoadError(
        f"{str(path)!r} {trick}",
        expected="a file as Keras or TensorFlow writes it",
        mend="Do not trust it: ask its maker for a file saved anew",
    )


def unsafe(path, holds: str) -> LoadError:
    """Opening the file would run code of its maker's choice."""
    return LoadError(
        f"{str(path)!r} holds {holds}",
        expected="a model without code in its file",
        mend="Pass unsafe=True only if you trust whoever made the file: its code will run",
    )


def unknown(path, name: str) -> LoadError:
    """The model needs a class or function that Keras lacks."""
    return LoadError(
        f"{str(path)!r} holds a class or function that Keras does not know: {name}",
        expected="built-in layers, or custom_objects with the others",
        mend="Pass custom_objects={'Name': Name}, or register the class before loading",
    )


def newer(path, version: str, own: str) -> LoadError:
    """The file was written by a Keras that came after this one."""
    return LoadError(
        f"{str(path)!r} was written by Keras {version}, and this is Keras {own}",
        expected=f"a file of Keras {own} or older",
        mend="Upgrade Keras: pip install --upgrade keras",
    )


def weights_only(path) -> LoadError:
    """The file lacks the architecture."""
    return foreign(
        path,
        "holds weights only",
        "Pass architecture= with what they belong to: a model, a function that builds it, or a .json file",
    )


#: How versions of Keras say that they do not know a class or function.
_UNKNOWN = re.compile(
    r"(?:Could not (?:locate (?:class|function)|deserialize class)|Unknown (?:layer|activation function):?) '(\w+)'"
    r"|Could not deserialize '(?:\w+\.)*(\w+)' because it is not"
)


def explained(path, error: Exception) -> LoadError:
    """One line for what went wrong inside Keras or TensorFlow.

    Args:
        path: the file.
        error: what was raised.
    """
    # Keras tells the cause last, after the configurations of all layers around it.
    text = " ".join(str(error).split()).rpartition("Exception encountered: ")[2]
    if "Lambda" in text and ("safe" in text or "arbitrary code" in text):
        return unsafe(path, "a Lambda layer with Python code")
    if "truncated file" in text or isinstance(error, zipfile.BadZipFile):
        return damaged(path)
    if "custom_objects" in text or "Unknown layer" in text or _UNKNOWN.search(text):
        named = _UNKNOWN.search(text)
        return unknown(path, repr(named[1] or named[2]) if named else text[:200])
    return LoadError(
        f"{str(path)!r} cannot be opened: {type(error).__name__}: {text[:200]}",
        expected="a whole model, saved by Keras or TensorFlow",
        mend="If it is damaged, copy or save it again",
    )
