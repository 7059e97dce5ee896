"""The command as a process of its own."""

import json
import os
import resource
import signal
import subprocess
import sys
import time

import pytest
from PIL import Image

import kerasviz as kv

KERASVIZ = [sys.executable, "-m", "kerasviz"]


def call(*words, **kwargs):
    words = [str(word) for word in words]
    return subprocess.run([*KERASVIZ, *words], capture_output=True, text=True, timeout=240, **kwargs)


def test_help_loads_nothing_heavy():
    code = (
        "import sys, atexit\n"
        "atexit.register(lambda: print('heavy:', sorted({'tensorflow', 'keras', 'matplotlib', 'numpy', 'PIL', 'cv2'}"
        " & set(sys.modules))))\n"
        "sys.argv = ['kerasviz', *sys.argv[1:]]\n"
        "from kerasviz.cli import main\nmain()\n"
    )
    for words in (["--help"], ["explain", "--help"], ["--version"], ["explain", "--nonsense"]):
        done = subprocess.run([sys.executable, "-c", code, *words], capture_output=True, text=True, timeout=60)
        assert done.stdout.endswith("heavy: []\n"), done
        assert done.returncode == (2 if "--nonsense" in words else 0)
    assert call("--version").stdout == f"kerasviz {kv.__version__}\n"


def test_help_answers_at_once():
    """In seconds of work, which other processes on the machine do not change."""

    def seconds():
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run([*KERASVIZ, "explain", "--help"], capture_output=True, check=True, timeout=60)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime

    assert min(seconds() for _ in range(3)) < 0.4


@pytest.mark.slow
def test_exit_codes(colors, pictures, bad, tmp_path):
    done = call("explain", *pictures.glob("*.png"), "-m", colors, "-o", tmp_path / "a", "--json")
    assert done.returncode == 1
    assert len(json.loads(done.stdout)["skipped"]) == 3  # nothing else on stdout
    for name in bad:
        (pictures / name).unlink()
    done = call("explain", pictures, "-m", colors, "-o", tmp_path / "b")
    assert done.returncode == 0 and "3 images, 3 pictures in" in done.stdout and "\x1b" not in done.stdout
    done = call("explain", pictures, "-m", tmp_path / "no.keras", "-o", tmp_path / "c")
    assert done.returncode == 2 and done.stdout == "" and "Traceback" not in done.stderr


@pytest.mark.slow
def test_an_interrupt_keeps_what_was_written(colors, tmp_path):
    folder, out = tmp_path / "many", tmp_path / "out"
    folder.mkdir()
    for number in range(400):
        Image.new("RGB", (24, 16), (number % 256, 0, 99)).save(folder / f"{number}.png")
    command = [*KERASVIZ, "explain", str(folder), "-m", str(colors), "-o", str(out), "--batch-size", "4"]
    # Started from a background job, the process would inherit that interrupts are ignored.
    process = subprocess.Popen(
        command,
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    until = time.monotonic() + 120
    while len(list(out.glob("*.png"))) < 10 and time.monotonic() < until:
        time.sleep(0.05)
    os.kill(process.pid, signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130 and "Interrupted" in said and "Traceback" not in said
    manifest = json.loads((out / "manifest.json").read_text())
    assert manifest["complete"] is False and 10 <= len(manifest["files"]) < 400
    assert sorted(path.name for path in out.glob("*")) == sorted([*manifest["files"], "manifest.json"])
    for name in manifest["files"]:
        kv.data.load_image(out / name)
