"""Packages whose names are imported when they are first used, so that importing them costs next to nothing."""

import importlib
import sys
from collections.abc import Callable, Mapping


def lazily(package: str, home: Mapping[str, str | None]) -> tuple[Callable, Callable, list[str]]:
    """What makes a package lazy: assign it to the package's `__getattr__`, `__dir__` and `__all__`.

    A module must not be called like a public name of its package: once imported, it would take the name's place.

    Args:
        package: its full name.
        home: by public name the module it is in, relative to the package; None if it is itself a module there.
    """

    def find(name):
        if name not in home:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        module = importlib.import_module(f"{package}.{home[name] or name}")
        value = module if home[name] is None else getattr(module, name)
        setattr(sys.modules[package], name, value)
        return value

    return find, lambda: sorted(home), [*home]
