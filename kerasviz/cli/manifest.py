"""What all manifests tell: the model and how pictures are brought to it, and the versions."""

import importlib.metadata
import platform

from kerasviz.cli.console import printable
from kerasviz.cli.models import Opened


def of_model(opened: Opened, frame) -> dict:
    """The model, and how pictures become its input.

    Args:
        opened: the model.
        frame: how they are brought to its size.
    """
    return {
        "given": printable(opened.given),
        "name": opened.network.name,
        "input": {
            "height": frame.height,
            "width": frame.width,
            "channels": frame.channels,
            "fit": frame.fit,
            "preprocess": opened.preprocess_name,
        },
    }


def versions() -> dict[str, str]:
    """Of Python, and of the packages that numbers depend on."""
    packages = ("keras", "tensorflow", "numpy")
    return {"python": platform.python_version(), **{name: importlib.metadata.version(name) for name in packages}}
