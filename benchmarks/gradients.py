"""What each gradient method costs, as a ratio to the bare compiled pass that it needs.

    python benchmarks/gradients.py                          # VGG16, ResNet50, MobileNetV2; 224 px, batch 8
    python benchmarks/gradients.py --models MobileNetV2 --rounds 15 --json figures.json

The bare passes are plain TensorFlow, without kerasviz: the forward pass and the backward pass to the input, and
for Grad-CAM the forward pass and the backward pass to the last feature map; methods that average also need the
scores of the clean images, one forward pass. Everything is measured in the same run, in turns, so that a slow moment
of the machine hits all alike; the figure is the median over the rounds of the ratio within a round. Weights are
random: the arithmetic is the same.
"""

import argparse
import json
import statistics
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf
from passes import bare_passes, seconds_of

import kerasviz as kv

#: Noisy copies of SmoothGrad and points of integrated gradients: enough to see the cost of a pass among several.
COPIES = 4


def contenders(model, layer, size, images, classes):
    """Each method's call, and how often it needs the pass to the input and the pass to the layer."""
    forward, to_input, to_layer = bare_passes(model, layer, size)
    batch = len(images)

    def bare(function, times):
        def run():
            for _ in range(times):
                tf.nest.map_structure(np.asarray, function(images, classes))

        return run

    explainers = {
        "saliency": (kv.Saliency(model), "input"),
        "input_x_gradient": (kv.InputXGradient(model), "input"),
        "guided_backprop": (kv.GuidedBackprop(model), "input"),
        "deconvnet": (kv.DeconvNet(model), "input"),
        "grad_cam": (kv.GradCAM(model), "layer"),
        f"smooth_grad, {COPIES} samples": (kv.SmoothGrad(model, samples=COPIES, batch_size=batch), "inputs"),
        f"integrated_gradients, {COPIES} steps": (
            kv.IntegratedGradients(model, steps=COPIES, batch_size=batch),
            "inputs",
        ),
        "guided_grad_cam": (kv.GuidedGradCAM(model), "both"),
    }
    once, copies = bare(forward, 1), bare(to_input, COPIES)
    calls = {
        "input": bare(to_input, 1),
        "layer": bare(to_layer, 1),
        # The score that is explained is that of the clean images.
        "inputs": lambda: (once(), copies()),
        "both": lambda: (calls["input"](), calls["layer"]()),
    }
    calls |= {name: (lambda explain=explain: explain(images, classes)) for name, (explain, _) in explainers.items()}
    return calls, {name: needs for name, (_, needs) in explainers.items()}


def measure(name, size, batch, rounds):
    """The figures of one network."""
    model = getattr(keras.applications, name)(weights=None, input_shape=(size, size, 3))
    rng = np.random.default_rng(0)
    images, classes = (
        rng.random((batch, size, size, 3), "float32"),
        rng.integers(0, 1000, batch).astype("int32"),
    )
    layer = str(kv.Network(model).address())
    calls, needs = contenders(model, layer, size, images, classes)
    seconds = seconds_of(calls, rounds)
    rows = []
    for method, pass_name in needs.items():
        ratios = [ours / bare for ours, bare in zip(seconds[method], seconds[pass_name], strict=True)]
        rows.append(
            {
                "network": name,
                "method": method,
                "layer": layer if pass_name in ("layer", "both") else None,
                "seconds": statistics.median(seconds[method]),
                "bare_seconds": statistics.median(seconds[pass_name]),
                "ratio": statistics.median(ratios),
                "ratio_of_medians": statistics.median(seconds[method]) / statistics.median(seconds[pass_name]),
            }
        )
    return rows


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", nargs="+", default=["VGG16", "ResNet50", "MobileNetV2"])
    parser.add_argument("--size", type=int, default=224)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--json", help="also write the figures to this file")
    options = parser.parse_args()
    devices = [device.name for device in tf.config.list_physical_devices("GPU")] or ["CPU"]
    print(f"TensorFlow {tf.__version__}, Keras {keras.__version__}, {', '.join(devices)}")
    print(f"{options.size} px, batch {options.batch}, median of {options.rounds} rounds\n")
    rows = []
    for name in options.models:
        new = measure(name, options.size, options.batch, options.rounds)
        rows += new
        for row in new:
            print(
                f"{row['network']:12} {row['method']:32} {row['seconds']:7.3f} s, bare {row['bare_seconds']:7.3f} s, "
                f"ratio {row['ratio']:5.3f} (of medians {row['ratio_of_medians']:5.3f})",
                flush=True,
            )
        keras.backend.clear_session()
    if options.json:
        Path(options.json).write_text(json.dumps(rows, indent=2), encoding="utf-8")


if __name__ == "__main__":
    main()
