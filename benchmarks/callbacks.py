"""What an epoch costs with `Explain` on 8 images, as a ratio to the epoch and the explanation without it.

    python benchmarks/callbacks.py    # the embedded network, MobileNetV2 at 96 pixels
    python benchmarks/callbacks.py --models shapes --samples 512 --rounds 3 --json figures.json

"over explainer" is the time of an epoch with the callback, which writes a picture and TensorBoard's events, over that
of an epoch without it and of the compiled explainer, called alone on these images. "over passes" has plain TensorFlow's
bare compiled pass to the layer in the place of the explainer. Everything is measured in the same run, in turns; the
figures are the medians over the rounds of the ratios within a round. An epoch is measured from its beginning to its
end inside one long `fit`, so that no compilation and no begin or end of a training is in it. Two epochs of a busy
machine differ by more than the callback takes, which "look" tells by itself.
"""

import argparse
import json
import statistics
import tempfile
import time
from pathlib import Path

import keras
import numpy as np
from passes import bare_passes

import kerasviz as kv
from kerasviz.callbacks import Explain

IMAGES = 8


def network(name, samples):
    """A model that is trained, the layer that Grad-CAM looks at, and its data."""
    if name == "shapes":
        scenes = kv.data.shapes.scenes(samples, seed=3)
        return kv.data.shapes.shapes_model(), "relu5", scenes.images.astype("float32"), scenes.labels
    model = getattr(keras.applications, name)(weights=None, input_shape=(96, 96, 3), classes=10)
    layer = next(each.name for each in reversed(model.layers) if len(each.output.shape) == 4)
    rng = np.random.default_rng(0)
    return model, layer, rng.uniform(-1, 1, (samples, 96, 96, 3)).astype("float32"), rng.integers(10, size=samples)


class Rounds(keras.callbacks.Callback):
    """Around all epochs: every second one has the callback, and after each of these both bare calls are made."""

    def __init__(self, watch, bare):
        super().__init__()
        self.watch, self.bare = watch, bare
        self.seconds = {"plain": [], "watched": [], "look": []} | {name: [] for name in bare}

    def set_model(self, model):
        super().set_model(model)
        self.watch.set_model(model)

    def on_train_begin(self, logs=None):
        self.watch.on_train_begin(logs)

    def on_epoch_begin(self, epoch, logs=None):
        self.start = time.perf_counter()
        if epoch % 2:
            self.watch.on_epoch_begin(epoch, logs)

    def on_epoch_end(self, epoch, logs=None):
        if not epoch % 2:
            self.seconds["plain"].append(time.perf_counter() - self.start)
            return
        calls = {"look": lambda: self.watch.on_epoch_end(epoch, logs)} | self.bare
        for name, call in calls.items():
            start = time.perf_counter()
            call()
            self.seconds[name].append(time.perf_counter() - start)
            if name == "look":
                self.seconds["watched"].append(time.perf_counter() - self.start)


def measure(name, samples, rounds):
    """The figures for one network."""
    model, layer, x, y = network(name, samples)
    model.compile(keras.optimizers.SGD(1e-4), "sparse_categorical_crossentropy")
    _, _, to_layer = bare_passes(model, layer, x.shape[1])
    explain, classes = kv.GradCAM(model, layer=layer), y[:IMAGES].astype(np.int32)
    images = x[:IMAGES]
    bare = {
        "explainer": lambda: explain(images, classes),
        "passes": lambda: [np.asarray(part) for part in to_layer(images, classes)],
    }
    for call in bare.values():
        call()
    with tempfile.TemporaryDirectory() as folder:
        watch = Explain("grad_cam", images, images=IMAGES, target=classes, layer=layer, folder=folder, log_dir=folder)
        timed = Rounds(watch, bare)
        # The first two epochs compile.
        model.fit(x, y, batch_size=32, epochs=2 * rounds + 2, verbose=0, callbacks=[timed])
        watch.close()
    seconds = {key: values[1:] for key, values in timed.seconds.items()}
    line = {"network": name, "samples": samples}
    line |= {f"{key}_ms": round(1000 * statistics.median(values), 1) for key, values in seconds.items()}
    for key in bare:
        parts = zip(seconds["watched"], seconds["plain"], seconds[key], strict=True)
        ratios = [watched / (plain + alone) for watched, plain, alone in parts]
        line[f"over {key}"] = round(statistics.median(ratios), 3)
    print(", ".join(f"{key} {value}" for key, value in line.items()), flush=True)
    return line


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", nargs="+", default=["shapes", "MobileNetV2"])
    parser.add_argument("--samples", type=int, default=512, help="of an epoch")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    lines = [measure(name, options.samples, options.rounds) for name in options.models]
    if options.json:
        options.json.write_text(json.dumps(lines, indent=2))


if __name__ == "__main__":
    main()
