"""Installs the oldest versions that pyproject.toml admits into a fresh environment, and runs the tests there.

    python scripts/test_oldest.py              # the quick tests
    python scripts/test_oldest.py -- -k rules  # whatever follows goes to pytest

Run it with the oldest Python that the metadata admits, before a release that changes a bound.
"""

import argparse
import re
import subprocess
import sys
import tempfile
import tomllib
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def oldest(requirements: list[str]) -> list[str]:
    """Each requirement pinned to its lower bound."""
    pins = []
    for requirement in requirements:
        name, bound = re.match(r"([\w.-]+)(?:\[[^]]*\])?\s*[>=]=\s*([\w.]+)", requirement).groups()
        pins.append(f"{name}=={bound}.*" if bound.count(".") == 1 else f"{name}=={bound}")
    return pins


def main():
    """Install and test."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pytest", nargs="*", default=["-m", "not slow"], help="arguments of pytest")
    options = parser.parse_args()
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    pins = oldest(project["dependencies"])
    print("oldest versions:", ", ".join(pins), flush=True)
    with tempfile.TemporaryDirectory() as folder:
        venv.create(folder, with_pip=True)
        python = str(Path(folder) / "bin" / "python")
        subprocess.run([python, "-m", "pip", "install", "--quiet", *pins], check=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", f"{ROOT}[test]", *pins], check=True)
        subprocess.run([python, "-m", "pip", "list"], check=True)
        sys.exit(subprocess.run([python, "-m", "pytest", "-q", *options.pytest], cwd=ROOT).returncode)


if __name__ == "__main__":
    main()
