"""What dissection costs: both passes over the data, as a ratio to two bare forward passes over the same images.

    python benchmarks/dissection.py                       # the embedded network, MobileNetV2, ResNet50
    python benchmarks/dissection.py --networks ResNet50 --images 320 --rounds 5 --json figures.json
    python benchmarks/dissection.py --memory               # the peak over 1000 and over 20000 images

The bare passes are the compiled `tf.function` of the whole model over the same images in the same batches, twice,
without kerasviz. The images and their labels are in memory for both, so that neither waits for files; `--scenes`
draws the scenes anew in both instead. The networks of keras.applications have random weights: the arithmetic is the
same, and their units are active where any are. Label maps have 112 x 112 places, as Broden's, five a image, with some
20 concepts. Everything is measured in the same run, in turns; the figure is the median over the rounds of the ratio
within a round. The goal is 1.25.
"""

import argparse
import json
import resource
import statistics
import subprocess
import sys
from pathlib import Path

import cv2
import keras
import numpy as np
import tensorflow as tf
from passes import seconds_of

import kerasviz as kv
from kerasviz.data import shapes
from kerasviz.data.concepts.arrays import ConceptArrays

GOAL = 1.25


def labelled(count, size, map_size):
    """Scenes, enlarged to the size of a network, in memory."""
    batch = shapes.scenes(count, seed=1)
    images = np.stack([cv2.resize(image, size[::-1]) for image in batch.images])
    maps = [[cv2.resize(m, map_size[::-1], interpolation=cv2.INTER_NEAREST) for m in of] for of in batch.maps]
    return ConceptArrays(images, np.array(maps), shapes.CONCEPTS)


def network_of(name):
    """The model, its layer, and the preprocessing."""
    if name == "shapes":
        return shapes.shapes_model(), "relu5", "none"
    model = getattr(keras.applications, name)(weights=None, input_shape=(224, 224, 3))
    return model, str(kv.Network(model).address()), "tf"


def measure(name, options):
    """The figures of one network."""
    model, layer, mode = network_of(name)
    size = model.input_shape[1:3]
    data = labelled(options.images, size, size if name == "shapes" else (112, 112))
    inputs = kv.data.preprocess(data._images, mode)

    @tf.function(input_signature=[tf.TensorSpec((None, *size, 3))], autograph=False)
    def bare(images):
        return model(images, training=False)

    def twice():
        for _ in range(2):
            for start in range(0, len(inputs), options.batch):
                bare(inputs[start : start + options.batch]).numpy()

    def ours():
        return kv.dissect(model, layer, data, preprocess=mode, batch_size=options.batch)

    seconds = seconds_of(
        {"bare": twice, "ours": ours, "ready": lambda: ready(model, layer, data, options)}, options.rounds
    )
    # Opening and tracing are paid once, however many images there are.
    both = zip(seconds["ours"], seconds["ready"], seconds["bare"], strict=True)
    return {
        "network": name,
        "layer": layer,
        "images": options.images,
        "bare_seconds": statistics.median(seconds["bare"]),
        "seconds": statistics.median(seconds["ours"]),
        "ready_seconds": statistics.median(seconds["ready"]),
        "ratio": statistics.median((a - r) / b for a, r, b in both),
    }


def ready(model, layer, data, options):
    """Dissect a single image: what opening and tracing cost."""
    return kv.dissect(model, layer, data, images=1, batch_size=options.batch)


def peak(count):
    """The peak memory of this process after a dissection of so many scenes, in MB."""
    kv.dissect(shapes.shapes_model(), ["relu3", "relu5"], kv.data.SceneConcepts(count))
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main():
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--networks", nargs="+", default=["shapes", "MobileNetV2", "ResNet50"])
    parser.add_argument("--images", type=int, default=320)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--memory", action="store_true")
    parser.add_argument("--peak", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--json")
    options = parser.parse_args()
    if options.peak:
        print(peak(options.peak))
        return
    if options.memory:
        for count in (1000, 20000):
            command = [sys.executable, __file__, "--peak", str(count)]
            done = subprocess.run(command, check=True, capture_output=True, text=True)
            print(f"{count:6d} images: peak {float(done.stdout):.0f} MB")
        return
    rows = []
    print(
        f"{'network':14s}{'layer':>24s}{'images':>8s}{'bare s':>9s}{'ours s':>9s}{'opening':>9s}  ratio (goal {GOAL})"
    )
    for name in options.networks:
        rows.append(measure(name, options))
        r = rows[-1]
        print(
            f"{r['network']:14s}{r['layer']:>24s}{r['images']:8d}{r['bare_seconds']:9.2f}{r['seconds']:9.2f}"
            f"{r['ready_seconds']:9.2f}{r['ratio']:7.2f}",
            flush=True,
        )
    if options.json:
        Path(options.json).write_text(json.dumps(rows, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
