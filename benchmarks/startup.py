"""What importing kerasviz adds to importing TensorFlow and Keras, and how soon the command line answers.

Run it: `python benchmarks/startup.py`.
"""

import argparse
import statistics
import subprocess
import sys
import time

COMMANDS = {
    "import tensorflow, keras": [sys.executable, "-c", "import tensorflow, keras"],
    "import kerasviz": [sys.executable, "-c", "import kerasviz"],
    "import kerasviz and use its explainers": [
        sys.executable,
        "-c",
        "import kerasviz as kv; kv.GradCAM, kv.data.load_images, kv.plotting.plot",
    ],
    "kerasviz --help": [sys.executable, "-m", "kerasviz", "--help"],
}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    seconds = {name: [] for name in COMMANDS}
    for _ in range(options.rounds + 1):
        for name, command in COMMANDS.items():
            start = time.perf_counter()
            subprocess.run(command, check=True, capture_output=True)
            seconds[name].append(time.perf_counter() - start)
    for name, taken in seconds.items():
        # The first round fills the disk's cache.
        print(f"{name:42} median {statistics.median(taken[1:]):.2f} s, fastest {min(taken[1:]):.2f} s")


if __name__ == "__main__":
    main()
