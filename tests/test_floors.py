"""What import-linter cannot say: who may reach into Keras."""

import ast
from pathlib import Path

import kerasviz

PACKAGE = Path(kerasviz.__file__).parent


def imported(path):
    """The modules that a file names in its imports."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)


def test_only_one_module_imports_private_keras():
    reaching = {
        str(path.relative_to(PACKAGE))
        for path in PACKAGE.rglob("*.py")
        if any(name.startswith("keras.src") for name in imported(path))
    }
    assert reaching == {"network/internals.py"}
