"""What the search for critical samples costs, as a ratio to the bare compiled passes that it needs.

    python benchmarks/critical_samples.py                          # ResNet50, MobileNetV2, the embedded network
    python benchmarks/critical_samples.py --models MobileNetV2 --steps 12 --rounds 3 --json figures.json

T steps around an image that is not found need T passes forward and backward to the input, and one more forward to
look at the last point. An image that is found after t steps needs t backward and t + 1 forward passes. The bare passes
are plain TensorFlow, without kerasviz, on full batches. Everything is measured in the same run, in turns; the figure is
the median over the rounds of the ratio within a round. "none found" has a radius of nearly nothing; "half found" has
one at which about half of the images are critical, most of them after a step or two.
"""

import argparse
import json
import statistics
from pathlib import Path

import keras
import numpy as np
from passes import bare_passes, seconds_of

import kerasviz as kv
from kerasviz.generalization import LASS, CriticalSampleSearch

BATCH = 16


def network(name):
    """A flat model that ends in a softmax, a layer of it, and images that it takes."""
    if name == "shapes":
        return kv.data.shapes.shapes_model(), "relu5", kv.data.shapes.scenes(128, seed=3).images.astype("float32")
    model = getattr(keras.applications, name)(weights=None)
    rng = np.random.default_rng(0)
    layer = next(each.name for each in reversed(model.layers) if len(each.output.shape) == 4)
    return model, layer, rng.uniform(-1, 1, (2 * BATCH, 224, 224, 3)).astype("float32")


def half_radius(model, images):
    """A radius at which one step finds about a third of the images critical, and more steps about half."""
    search, low, high = CriticalSampleSearch(model, search="fgsm", batch_size=BATCH), 0.0, 1.0
    while search.ratio(images, high) < 0.3:
        low, high = high, high * 4
    for _ in range(5):
        middle = (low + high) / 2
        low, high = (middle, high) if search.ratio(images, middle) < 0.3 else (low, middle)
    return high


def measure(name, kinds, steps, rounds):
    """The ratios for one network."""
    model, layer, images = network(name)
    forward, to_input, _ = bare_passes(flat(model), layer, images.shape[1])
    classes = np.zeros(BATCH, np.int32)
    search = CriticalSampleSearch(model, search=LASS(steps), batch_size=BATCH)
    batches = [images[start : start + BATCH] for start in range(0, len(images), BATCH)]
    radii = {"none found": 1e-9, "half found": half_radius(model, images)}

    def bare(backward, forward_only):
        """So many passes of whole batches; parts of one count by their share."""
        for number in range(max(backward, forward_only)):
            part = batches[number % len(batches)]
            if number < backward:
                np.asarray(to_input(part, classes))
            if number < forward_only:
                np.asarray(forward(part, classes))

    lines = []
    for kind in kinds:
        radius = radii[kind]
        found = search(images, radius)
        taken = np.where(found.critical, found.steps, steps)
        # A step's pass forward and backward looks at the point before it; the last point needs a look of its own.
        backward, looks = taken.sum() / BATCH, len(images) / BATCH
        calls = {
            "bare": lambda backward=backward, looks=looks: bare(round(backward), round(looks)),
            "search": lambda radius=radius: search(images, radius),
        }
        seconds = seconds_of(calls, rounds)
        ratios = [mine / theirs for mine, theirs in zip(seconds["search"], seconds["bare"], strict=True)]
        line = {
            "network": name,
            "kind": kind,
            "ratio": round(found.ratio, 3),
            "batch passes": round(float(backward), 2),
            "bare_s": round(statistics.median(seconds["bare"]), 3),
            "search_s": round(statistics.median(seconds["search"]), 3),
            "cost": round(statistics.median(ratios), 3),
        }
        lines.append(line)
        print(", ".join(f"{key} {value}" for key, value in line.items()), flush=True)
    return lines


def flat(model):
    """The model without layers around it, for the bare passes."""
    return model.layers[-1] if isinstance(model.layers[-1], keras.Model) else model


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", nargs="+", default=["ResNet50", "MobileNetV2", "shapes"])
    parser.add_argument("--steps", type=int, default=100, help="at most, for each image")
    parser.add_argument("--kinds", nargs="+", default=["none found", "half found"])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    lines = [line for name in options.models for line in measure(name, options.kinds, options.steps, options.rounds)]
    if options.json:
        options.json.write_text(json.dumps(lines, indent=2))


if __name__ == "__main__":
    main()
