"""What opening a SavedModel and tracing its explanation cost, as a ratio to TensorFlow's own loading and one gradient.

    python benchmarks/saved_model.py    # ResNet50
    python benchmarks/saved_model.py --models MobileNetV2 --rounds 5 --json figures.json

"bare" is `tf.saved_model.load` and the trace of one gradient of its function with respect to the images. "opened" is
`kerasviz.load`, with all checks of its files, and the trace of `Saliency`. "steady" is a call of that explainer on a
batch of 8, over the bare compiled gradient. Everything is measured in the same run, in turns, in one process; the
figures are medians over the rounds of the ratios within a round.
"""

import argparse
import json
import statistics
import tempfile
import time
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

import kerasviz as kv

BATCH = 8


def timed(act):
    """What an act gives, and how long it took."""
    start = time.perf_counter()
    found = act()
    return found, time.perf_counter() - start


def bare_load(folder):
    """TensorFlow's own loading, and one traced gradient."""
    loaded = tf.saved_model.load(str(folder))
    spec = loaded.serve.concrete_functions[0].structured_input_signature[0][0]

    @tf.function(input_signature=[spec])
    def gradient(images):
        with tf.GradientTape() as tape:
            tape.watch(images)
            scores = tf.reduce_max(loaded.serve(images), axis=-1)
        return tape.gradient(scores, images)

    return gradient.get_concrete_function()


def measure(name, rounds, folder):
    """The figures of one network of keras.applications."""
    model = getattr(keras.applications, name)(weights=None)
    model.export(folder, verbose=False)
    shape = (BATCH, *model.input_shape[1:])
    images = np.random.default_rng(0).uniform(-1, 1, shape).astype("float32")
    del model
    found = [one_round(folder, images) for _ in range(rounds)]
    return {key: round(statistics.median(one[key] for one in found), 3) for key in found[0]}


def one_round(folder, images):
    """Each thing once, in turn."""
    gradient, bare = timed(lambda: bare_load(folder))
    model, load = timed(lambda: kv.load(folder))
    explain, trace = timed(lambda: kv.Saliency(model))
    tensor = tf.constant(images)
    gradient(tensor), explain(images, target=0)
    steady = timed(lambda: explain(images, target=0))[1] / timed(lambda: gradient(tensor).numpy())[1]
    return {"bare": bare, "load": load, "opened": load + trace, "ratio": (load + trace) / bare, "steady": steady}


def main():
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--models", nargs="+", default=["ResNet50"])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", type=Path)
    chosen = parser.parse_args()
    figures = {}
    for name in chosen.models:
        with tempfile.TemporaryDirectory() as folder:
            figures[name] = measure(name, chosen.rounds, folder)
        shown = "  ".join(f"{key} {value:.3f}" for key, value in figures[name].items())
        print(f"{name:16} {shown}", flush=True)
    if chosen.json:
        chosen.json.write_text(json.dumps(figures, indent=2))


if __name__ == "__main__":
    main()
