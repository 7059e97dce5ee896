"""What importing costs, and under which backend it is refused."""

import os
import subprocess
import sys

import pytest


def run(code, **environment):
    """Run a line of Python in a process of its own."""
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env={**os.environ, **environment}, check=False
    )


def test_another_backend_is_refused_in_one_sentence():
    done = run("import kerasviz", KERAS_BACKEND="jax")
    last = done.stderr.strip().splitlines()[-1]
    assert done.returncode == 1
    assert "Keras runs on the backend 'jax'" in last
    assert "KERAS_BACKEND=tensorflow" in last


def test_importing_loads_nothing_heavy():
    heavy = ("tensorflow", "keras", "matplotlib", "cv2", "numpy")
    code = f"import kerasviz, sys; print([m for m in {heavy} if m in sys.modules])"
    assert run(code).stdout.strip() == "[]"


@pytest.mark.slow
def test_every_public_name_is_there():
    code = (
        "import kerasviz as kv; print([n for n in kv.__all__ if not hasattr(kv, n)], set(kv.__all__) <= set(dir(kv)))"
    )
    assert run(code).stdout.strip().splitlines()[-1] == "[] True"
