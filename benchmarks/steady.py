"""Whether 200 calls with varying classes and batch sizes trace again, or grow memory.

Run it: `python benchmarks/steady.py`.
"""

import argparse
import gc
import resource
from pathlib import Path

import keras
import numpy as np

import kerasviz as kv


class CountTraces(keras.layers.Layer):
    """Passes its input on, and counts how often Python runs through it: once for each trace."""

    traces = 0

    def call(self, x):
        CountTraces.traces += 1
        return x


def resident_mb():
    """The resident memory of this process now, in MB."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 1e6


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--calls", type=int, default=200)
    options = parser.parse_args()
    base = keras.applications.MobileNetV2(weights=None, input_shape=(96, 96, 3))
    model = keras.Model(base.input, CountTraces()(base.output))
    rng = np.random.default_rng(0)
    for kind in (kv.Saliency, kv.GuidedBackprop, kv.DeconvNet, kv.GradCAM, kv.GuidedGradCAM):
        explain = kind(model)
        before = CountTraces.traces
        memory = []
        for call in range(options.calls):
            count = int(rng.integers(1, 6))
            images = rng.random((count, 96, 96, 3), "float32")
            explain(images, rng.integers(0, 1000, count))
            if call in (options.calls // 4, options.calls - 1):
                gc.collect()
                memory.append(resident_mb())
        # Guided Grad-CAM runs two networks in its one trace.
        print(
            f"{kind.__name__:15} passes through Python in {options.calls} calls: {CountTraces.traces - before}, "
            f"memory {memory[0]:.0f} MB after a quarter, {memory[-1]:.0f} MB at the end",
            flush=True,
        )


if __name__ == "__main__":
    main()
