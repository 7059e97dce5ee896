"""What MAP-Elites costs, as a ratio to the bare compiled forward passes that it needs.

    python benchmarks/map_elites.py                                   # all networks, both encodings
    python benchmarks/map_elites.py --models digits --encodings direct --rounds 15 --json figures.json

A generation needs one forward pass of its children, in batches. The bare passes are plain TensorFlow, without kerasviz,
of random images in batches of the same size. The figure is the median over the rounds of the ratio within a round; in a
round both are measured in turns. Opening the model, tracing and the fresh `model.predict` at the end are left out: they
are paid once. "digits" is a small convolutional network with random weights, on images of 8 x 8.
"""

import argparse
import json
import statistics
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

import kerasviz as kv
from kerasviz.synthesis.fooling.archive import Archive
from kerasviz.synthesis.fooling.map_elites import MapElites


def digits_model():
    layers = keras.layers
    return keras.Sequential(
        [
            keras.Input((8, 8, 1)),
            layers.Rescaling(1 / 255),
            layers.Conv2D(16, 3, padding="same", activation="relu"),
            layers.Conv2D(32, 3, padding="same", activation="relu"),
            layers.MaxPooling2D(),
            layers.Flatten(),
            layers.Dense(64, activation="relu"),
            layers.Dense(10, activation="softmax"),
        ]
    )


#: For each network its maker, the generations that are measured in a round, and those that come before.
NETWORKS = {
    "digits": (digits_model, 40, 100),
    "shapes": (kv.data.shapes.shapes_model, 4, 30),
    "imagenet": (kv.data.imagenet_model, 1, 2),
}


def measure(name, encoding, rounds, population, batch_size):
    """The ratio for one network and encoding."""
    make, generations, before = NETWORKS[name]
    model = make()
    evolve = MapElites(model, encoding=encoding, population=population, value_range=(0, 255), batch_size=batch_size)
    signature = [tf.TensorSpec((batch_size, *model.input_shape[1:]))]
    bare = tf.function(lambda images: model(images, training=False), input_signature=signature, autograph=False)
    images = np.random.default_rng(0).uniform(0, 255, (batch_size, *model.input_shape[1:])).astype("float32")
    archive = Archive.empty(len(evolve.classes), np.random.default_rng(0))

    def forward():
        for _ in range(generations * population // batch_size):
            bare(images).numpy()

    with ThreadPoolExecutor(1) as worker:
        # Wirings have grown by then, and tracing is over.
        for _ in range(before):
            evolve._evolve(archive, worker)
        forward()
        ratios, seconds = [], []
        for _ in range(rounds):
            start = time.perf_counter()
            forward()
            middle = time.perf_counter()
            for _ in range(generations):
                evolve._evolve(archive, worker)
            end = time.perf_counter()
            ratios.append((end - middle) / (middle - start))
            seconds.append((middle - start) / generations)
    line = {
        "network": name,
        "encoding": encoding,
        "population": population,
        "batch": batch_size,
        "forward_ms": round(1000 * statistics.median(seconds), 2),
        "cost": round(statistics.median(ratios), 3),
        "lowest": round(min(ratios), 3),
    }
    print(", ".join(f"{key} {value}" for key, value in line.items()), flush=True)
    return line


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", nargs="+", default=list(NETWORKS), choices=list(NETWORKS))
    parser.add_argument("--encodings", nargs="+", default=["direct", "cppn"])
    parser.add_argument("--population", type=int, default=200)
    parser.add_argument("--batch-size", type=int, default=50)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    lines = [
        measure(name, encoding, options.rounds, options.population, options.batch_size)
        for name in options.models
        for encoding in options.encodings
    ]
    if options.json:
        options.json.write_text(json.dumps(lines, indent=2))


if __name__ == "__main__":
    main()
