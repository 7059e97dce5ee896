"""What a step of activation maximization costs, as a ratio to the bare compiled pass forward and backward to the input.

    python benchmarks/ascent.py                          # ResNet50, MobileNetV2, the embedded network
    python benchmarks/ascent.py --models MobileNetV2 --batches 1 --rounds 9

A run of S steps stands against S bare passes over the same number of images, in plain TensorFlow, without kerasviz. It
has everything in it that a run has: the optimizer, the looks at the images every 16 steps, and what the presets add to
the pixels ("plain" nothing; "natural" and "small" the way from Fourier coefficients and the transforms). Both are
measured in turns; the figure is the median over the rounds of the ratio within a round.
"""

import argparse
import json
import statistics
from pathlib import Path

import keras
import numpy as np
from passes import bare_passes, seconds_of

import kerasviz as kv


def network(name):
    """A flat model that ends in a softmax, and the range of its images."""
    if name == "shapes":
        return kv.data.shapes.shapes_model(), (0, 255)
    return getattr(keras.applications, name)(weights=None), (-1, 1)


def measure(name, presets, batch, steps, rounds):
    """The ratios for one network and one number of images."""
    model, value_range = network(name)
    size = model.input_shape[1]
    inner = model.layers[-1] if isinstance(model.layers[-1], keras.Model) else model
    layer = next(each.name for each in reversed(inner.layers) if len(each.output.shape) == 4)
    _, to_input, _ = bare_passes(inner, layer, size)
    images = np.random.default_rng(0).uniform(*value_range, (batch, size, size, 3)).astype("float32")
    classes = np.arange(batch, dtype=np.int32) % model.output_shape[-1]

    def bare():
        for _ in range(steps):
            np.asarray(to_input(images, classes))

    makers = {
        preset: kv.ActivationMaximization(model, preset=preset, value_range=value_range, batch_size=batch)
        for preset in presets
    }
    calls = {"bare": bare}
    for preset, make in makers.items():
        calls[preset] = lambda make=make: make(classes.tolist(), steps=steps)
    seconds = seconds_of(calls, rounds)
    lines = []
    for preset in presets:
        ratios = [mine / theirs for mine, theirs in zip(seconds[preset], seconds["bare"], strict=True)]
        line = {
            "network": name,
            "batch": batch,
            "preset": preset,
            "bare step, ms": round(1000 * statistics.median(seconds["bare"]) / steps, 2),
            "step, ms": round(1000 * statistics.median(seconds[preset]) / steps, 2),
            "cost": round(statistics.median(ratios), 3),
        }
        lines.append(line)
        print(", ".join(f"{key} {value}" for key, value in line.items()), flush=True)
    return lines


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", nargs="+", default=["ResNet50", "MobileNetV2", "shapes"])
    parser.add_argument("--presets", nargs="+", default=["plain", "natural"])
    parser.add_argument("--batches", nargs="+", type=int, default=[1, 8])
    parser.add_argument("--steps", type=int, default=32, help="in a run")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    lines = [
        line
        for name in options.models
        for batch in options.batches
        for line in measure(name, options.presets, batch, options.steps, options.rounds)
    ]
    if options.json:
        options.json.write_text(json.dumps(lines, indent=2))


if __name__ == "__main__":
    main()
