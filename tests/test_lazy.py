"""Lazy packages: every name is there, and none is hidden by a module of the same name."""

import importlib
import inspect
from pathlib import Path

import pytest


@pytest.mark.parametrize("name", ["kerasviz.features", "kerasviz.generalization"])
def test_no_module_takes_the_place_of_a_name(name):
    package = importlib.import_module(name)
    folder = Path(package.__file__).parent
    modules = {path.stem for path in folder.iterdir() if path.suffix == ".py" or path.is_dir()}
    assert not modules & set(package.__all__)
    assert len(package.__all__) > 20 and dir(package) == sorted(package.__all__)
    for each in package.__all__:
        assert not inspect.ismodule(getattr(package, each)), each


def test_another_name_is_an_attribute_error():
    import kerasviz.generalization

    with pytest.raises(AttributeError, match=r"module 'kerasviz\.generalization' has no attribute 'csr'"):
        _ = kerasviz.generalization.csr
