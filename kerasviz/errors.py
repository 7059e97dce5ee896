"""One family of errors, and the warning that goes with them.

Every error says what was given, what was expected and how to mend it, and is raised before any work is done.
Catch `KerasvizError` to catch them all; each is also the built-in error that fits (`ValueError`, `OSError`).
"""


class KerasvizError(Exception):
    """Base of every error that kerasviz raises on purpose.

    Args:
        given: a sentence that states what was given and why it cannot be used.
        expected: what would have been right; read after the word "Expected".
        mend: a sentence that tells the reader what to do.
    """

    def __init__(self, given: str, *, expected: str, mend: str):
        self.given, self.expected, self.mend = given, expected, mend
        super().__init__(" ".join(map(_sentence, (given, f"Expected {expected}", mend))))

    def __reduce__(self):
        # Keyword-only arguments are lost by the default pickling of exceptions.
        return _rebuild, (type(self), self.given, self.expected, self.mend)


def _sentence(text):
    return text if text.endswith((".", "?")) else f"{text}."


def _rebuild(kind, given, expected, mend):
    return kind(given, expected=expected, mend=mend)


class ModelError(KerasvizError, ValueError):
    """The model cannot be opened: not a Keras model, not built, or on another backend."""


class LoadError(KerasvizError, OSError):
    """A model file is missing, damaged, foreign, newer than this Keras, or unsafe."""


class LayerError(KerasvizError, ValueError):
    """A layer is unknown, ambiguous, never reached, or has no spatial feature map."""


class RuleError(KerasvizError, ValueError):
    """A backward rule is unknown or would change nothing."""


class InputError(KerasvizError, ValueError):
    """An input array has the wrong structure, shape, type or values."""


class TargetError(KerasvizError, ValueError):
    """A target does not fit the model's outputs or the batch."""


class SettingError(KerasvizError, ValueError):
    """A setting of a method, a picture or a command is out of range."""


class PackageError(KerasvizError, ImportError):
    """A package that kerasviz does not always need is not installed."""


class ImageError(KerasvizError, ValueError):
    """A picture file cannot be read."""


class DataError(KerasvizError, ValueError):
    """A data set or a packaged network is missing or damaged."""


class SaveError(KerasvizError, OSError):
    """A result cannot be written."""


class KerasvizWarning(UserWarning):
    """Something works, but not as a reader of the picture may assume."""
