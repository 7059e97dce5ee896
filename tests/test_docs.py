"""What the documents say is true: examples run, links lead somewhere, commands exist."""

import doctest
import importlib
import re
import shlex
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parent.parent
README = ROOT / "README.md"
PACKAGE = ROOT / "kerasviz"
#: Every document of the repository; folders with a dot hold environments and caches.
DOCUMENTS = sorted(
    path for path in ROOT.rglob("*.md") if not any(part.startswith(".") for part in path.relative_to(ROOT).parts)
)


def modules_with_examples():
    """Names of the modules whose text holds a doctest; read, not imported."""
    files = sorted(path for path in PACKAGE.rglob("*.py") if ">>> " in path.read_text(encoding="utf-8"))
    parts = [path.relative_to(ROOT).with_suffix("").parts for path in files]
    return [".".join(part[:-1] if part[-1] == "__init__" else part) for part in parts]


def fences(text, language):
    """`(line number, code)` of each fenced block of a language."""
    found = re.finditer(rf"^```{language}\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    return [(text[: match.start(1)].count("\n") + 1, match[1]) for match in found]


def commands(text):
    """The arguments of every call of `kerasviz` in the shell blocks."""
    found = []
    for _, block in fences(text, "sh"):
        for line in block.splitlines():
            for part in line.split("&&"):
                words = shlex.split(part, comments=True)
                if words and Path(words[0]).name == "kerasviz":
                    found.append(words[1:])
    return found


def example(name):
    """A module as a parameter; the examples of wings that search and train take their time."""
    long = name.startswith(("kerasviz.synthesis", "kerasviz.generalization", "kerasviz.features.dissection"))
    return pytest.param(name, marks=[pytest.mark.slow] if long else [])


@pytest.mark.parametrize("name", [example(name) for name in modules_with_examples()])
def test_examples_in_docstrings_give_what_they_show(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    # As pytest and doctest do it: each example sees its module's names, and none of another example's.
    module = importlib.import_module(name)
    said = []
    runner = doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE)
    for test in doctest.DocTestFinder().find(module, name):
        runner.run(test, out=said.append)
    assert runner.summarize(verbose=False).attempted > 0
    assert not said, "".join(said)


@pytest.mark.slow
def test_python_in_the_readme_runs_in_order(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    blocks = fences(README.read_text(encoding="utf-8"), "python")
    assert blocks
    names = {}
    for line, code in blocks:
        # The line numbers of a failure are then those of the README.
        exec(compile("\n" * (line - 1) + code, README, "exec"), names)
    assert names["explanation"].values.shape == (8, 64, 64)
    assert names["explanation"].values.dtype == np.float32
    assert len(names["figure"].axes) == 2 * len(names["images"])
    assert names["other"].layer == "relu4" and (names["other"].target == 3).all()
    assert (names["guided"].target == names["scenes"].labels).all()
    gap = names["integrated"].extras["completeness_gap"]
    assert np.abs(gap).max() < 0.2 * np.abs(names["integrated"].score).max()


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_to_files(document):
    text = re.sub(r"^```.*?^```", "", document.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    targets = [target.split("#")[0] for target in re.findall(r"\]\(([^)\s]+)\)", text)]
    missing = [t for t in targets if t and "://" not in t and not (document.parent / t).exists()]
    assert not missing


def test_files_that_the_readme_names_exist():
    text = README.read_text(encoding="utf-8")
    named = set(re.findall(r"(?<![\w/.])(?:benchmarks|docs|kerasviz|notebooks|scripts|tests)/[\w./-]*\w", text))
    assert "scripts/readme_pictures.py" in named
    assert not [name for name in named if not (ROOT / name).exists()]


def test_commands_in_the_readme_are_understood():
    import typer

    from kerasviz.attribution import methods
    from kerasviz.attribution.one_call import method_name
    from kerasviz.cli import app

    group = typer.main.get_command(app)
    said = commands(README.read_text(encoding="utf-8"))
    assert {words[0] for words in said} >= {"explain", "inspect", "demo"}
    for name, *arguments in said:
        assert name in group.commands, name
        # Parses, checks options and required arguments, and runs nothing.
        context = group.commands[name].make_context(name, list(arguments))
        asked = context.params.get("method", ())
        # `fool` and `perturb` have methods of their own, one of which typer has checked.
        for method in () if isinstance(asked, str) else asked:
            assert method == "all" or method_name(method) in methods()
