"""Fixtures that every test may use."""

import gc
import shutil
from collections import Counter

import keras
import numpy as np
import pytest
import zoo as _zoo

MODELS = sorted(_zoo.ZOO)


def pytest_configure(config):
    """The order below counts: by itself, xdist starts with the files that hold the most tests."""
    config.option.loadscopereorder = False


def pytest_collection_modifyitems(items):
    """The longest first: one worker runs a file's tests, and at the end the others would wait for it."""
    slow = Counter(item.path for item in items if item.get_closest_marker("slow"))
    items.sort(key=lambda item: (item.path.name != "test_notebooks.py", -slow[item.path], str(item.path)))


def pytest_collection_finish():
    """Tracing makes millions of objects that live; looking through them for cycles took a seventh of the time."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(100_000, 50, 100)


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


@pytest.fixture(scope="session")
def chromium():
    """A real browser without a window, which logs what a page says and fetches."""
    webdriver = pytest.importorskip("selenium.webdriver", reason="selenium is not installed")
    binary, driver = shutil.which("chromium") or shutil.which("google-chrome"), shutil.which("chromedriver")
    if binary is None or driver is None:
        pytest.skip("there is no Chromium with its driver")
    options = webdriver.ChromeOptions()
    options.binary_location = binary
    for argument in ("--headless=new", "--no-sandbox", "--disable-gpu"):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    browser = webdriver.Chrome(options=options, service=webdriver.ChromeService(driver))
    yield browser
    browser.quit()


@pytest.fixture
def rng():
    """A seeded generator."""
    return np.random.default_rng(0)
