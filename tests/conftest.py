"""Fixtures that every test may use."""

import keras
import numpy as np
import pytest
import zoo as _zoo

MODELS = sorted(_zoo.ZOO)


def pytest_collection_modifyitems(items):
    """The notebooks first: one worker runs them one after another, and at the end the others would wait for it."""
    items.sort(key=lambda item: item.path.name != "test_notebooks.py")


@pytest.fixture(params=MODELS)
def specimen(request):
    """Each kind of model in turn; tests may change it."""
    return _zoo.ZOO[request.param]()


@pytest.fixture(autouse=True)
def _leave_no_trace():
    """No test, and nothing that it calls, may change global state of Keras."""
    policy, backend = keras.config.dtype_policy().name, keras.backend.floatx()
    yield
    assert keras.config.dtype_policy().name == policy
    assert keras.backend.floatx() == backend


@pytest.fixture
def rng():
    """A seeded generator."""
    return np.random.default_rng(0)
