"""What the class activation maps cost, as a ratio to the bare compiled passes that they need, and Score-CAM's memory.

    python benchmarks/cam.py                            # MobileNetV2, ResNet50; 224 px, batch 8; and the memory
    python benchmarks/cam.py --models MobileNetV2 --size 96 --rounds 15 --json figures.json

The bare passes are plain TensorFlow, without kerasviz. For the methods of the gradient: the forward pass and the
backward pass to the feature map; the goal is 1.05. For Eigen-CAM: the forward pass. For Score-CAM: the forward
passes of as many masked images, in chunks of the same size, of images that are masked already: making the masks is
ours; the goal is 1.15. Everything is measured in the same run, in turns, so that a slow moment of the machine hits
all alike; the figure is the median over the rounds of the ratio within a round. Weights are random: the arithmetic
is the same.

The memory is how much the peak of a process of its own grows while Score-CAM runs over a layer of 64 channels, and
over one of 1024, at the same batch size: it should hardly depend on the number of channels.
"""

import argparse
import json
import statistics
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf
from passes import bare_passes, seconds_of

import kerasviz as kv

GRADIENT_GOAL, TRIAL_GOAL = 1.05, 1.15
BY_GRADIENT = ("cam", "grad_cam", "grad_cam_plus_plus", "layer_cam", "hires_cam", "xgrad_cam")


def row(network, method, layer, ours, bare, goal):
    """A figure of the table, from the seconds of each round."""
    return {
        "network": network,
        "method": method,
        "layer": layer,
        "seconds": statistics.median(ours),
        "bare_seconds": statistics.median(bare),
        "ratio": statistics.median(a / b for a, b in zip(ours, bare, strict=True)),
        "goal": goal,
    }


def measure(name, options):
    """The figures of one network."""
    size, batch = options.size, options.batch
    model = getattr(keras.applications, name)(weights=None, input_shape=(size, size, 3))
    rng = np.random.default_rng(0)
    images = rng.random((batch, size, size, 3), "float32")
    classes = rng.integers(0, 1000, batch).astype("int32")
    layer = str(kv.Network(model).address())
    forward, _, to_layer = bare_passes(model, layer, size)

    explainers = {method: kv.attribution.explainer(model, method) for method in (*BY_GRADIENT, "eigen_cam")}
    calls = {method: (lambda explain=explain: explain(images, classes)) for method, explain in explainers.items()}
    calls["to layer"] = lambda: tf.nest.map_structure(np.asarray, to_layer(images, classes))
    calls["forward"] = lambda: np.asarray(forward(images, classes))
    seconds = seconds_of(calls, options.rounds)
    rows = [row(name, method, layer, seconds[method], seconds["to layer"], GRADIENT_GOAL) for method in BY_GRADIENT]
    # Its singular value decomposition is not part of the bare pass: a figure without a goal.
    rows.append(row(name, "eigen_cam", layer, seconds["eigen_cam"], seconds["forward"], None))
    return [*rows, measure_trials(name, model, layer, forward, images[:1], classes[:1], options)]


def measure_trials(name, model, layer, forward, images, classes, options):
    """Score-CAM of one image over some channels, against the passes of the clean and the masked images alone."""
    # Rectified, a random network's map may be zero.
    explain = kv.ScoreCAM(model, max_channels=options.channels, batch_size=options.chunk, rectify=False)
    features = keras.Model(model.inputs[0], model.get_layer(layer).output)(images).numpy()
    # Channels that are the same everywhere mask nothing, so that their passes are not made.
    tried = min(options.channels, int((features.max((1, 2)) > features.min((1, 2))).sum()))
    masked = np.random.default_rng(1).random((tried, *images.shape[1:]), "float32") * images
    numbers = np.repeat(classes, tried)

    def bare():
        # The clean image and the baseline.
        np.asarray(forward(images, classes))
        np.asarray(forward(np.zeros_like(images), classes))
        for start in range(0, tried, options.chunk):
            chunk = slice(start, start + options.chunk)
            np.asarray(forward(masked[chunk], numbers[chunk]))

    seconds = seconds_of({"ours": lambda: explain(images, classes), "bare": bare}, options.rounds)
    return row(name, f"score_cam, {tried} channels", layer, seconds["ours"], seconds["bare"], TRIAL_GOAL)


def peak():
    """The peak of this process's memory in MB."""
    (line,) = [line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM")]
    return int(line.split()[1]) / 1024


def grow(channels, size, batch_size):
    """By how many MB the peak grows while Score-CAM runs over a layer of so many channels."""
    inputs = keras.Input((size, size, 3))
    x = keras.layers.Conv2D(channels, 3, strides=16, activation="relu", name="map")(inputs)
    x = keras.layers.GlobalAveragePooling2D()(x)
    model = keras.Model(inputs, keras.layers.Dense(10)(x))
    explain = kv.ScoreCAM(model, batch_size=batch_size, rectify=False)
    images = np.random.default_rng(0).random((1, size, size, 3), "float32")
    # What TensorFlow takes for itself on a first call is not counted.
    kv.ScoreCAM(model, max_channels=2, batch_size=2, rectify=False)(images, 0)
    before = peak()
    explain(images, 0)
    return peak() - before


def measure_memory(options):
    """The growth over 64 and over 1024 channels, in a process each."""
    rows = []
    for channels in (64, 1024):
        command = [sys.executable, __file__, "--grow", str(channels)]
        command += ["--size", str(options.size), "--chunk", str(options.chunk)]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        rows.append(
            {
                "method": "score_cam",
                "channels": channels,
                "batch_size": options.chunk,
                "peak_growth_mb": float(done.stdout.split()[-1]),
                "all_masked_images_mb": channels * options.size**2 * 3 * 4 / 2**20,
            }
        )
    return rows


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", nargs="*", default=["MobileNetV2", "ResNet50"])
    parser.add_argument("--size", type=int, default=224)
    parser.add_argument("--batch", type=int, default=8, help="images of the methods of the gradient")
    parser.add_argument("--channels", type=int, default=128, help="how many Score-CAM tries, of one image")
    parser.add_argument("--chunk", type=int, default=32, help="Score-CAM's batch_size")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--json", help="also write the figures to this file")
    parser.add_argument("--grow", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.grow:
        print(grow(options.grow, options.size, options.chunk))
        return
    devices = [device.name for device in tf.config.list_physical_devices("GPU")] or ["CPU"]
    print(f"TensorFlow {tf.__version__}, Keras {keras.__version__}, {', '.join(devices)}")
    print(f"{options.size} px, batch {options.batch}, median of {options.rounds} rounds\n")
    rows = []
    for name in options.models:
        new = measure(name, options)
        rows += new
        for one in new:
            print(
                f"{one['network']:12} {one['method']:24} {one['seconds']:7.3f} s, bare {one['bare_seconds']:7.3f} s, "
                f"ratio {one['ratio']:5.3f} (goal {one['goal'] or 'none'})",
                flush=True,
            )
        keras.backend.clear_session()
    for one in measure_memory(options):
        rows.append(one)
        print(
            f"score_cam over {one['channels']:4} channels, {one['batch_size']} at once: peak grows by "
            f"{one['peak_growth_mb']:.0f} MB (all masked images at once: {one['all_masked_images_mb']:.0f} MB)"
        )
    if options.json:
        Path(options.json).write_text(json.dumps(rows, indent=2), encoding="utf-8")


if __name__ == "__main__":
    main()
