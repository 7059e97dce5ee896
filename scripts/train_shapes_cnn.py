"""Trains the embedded network of kerasviz.data.shapes and writes the packaged pictures.

Takes about five minutes on two idle processor cores. Run from the repository's root:

    python scripts/train_shapes_cnn.py
"""

import argparse
import os
import time
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import keras
import numpy as np
from PIL import Image

from kerasviz.data.shapes import CLASSES, scenes
from kerasviz.data.shapes.model import untrained

HOME = Path(__file__).parents[1] / "kerasviz" / "data"
TRAINING_SEED, HELD_OUT_SEED, PICTURE_SEED = 0, 1, 2
PICTURES = ("bird", "boat", "car", "fish", "flower", "house")


def train(count: int, epochs: int) -> keras.Model:
    """Train on scenes of a seed of their own."""
    keras.utils.set_random_seed(0)
    batch_size = 64
    data = scenes(count, seed=TRAINING_SEED)
    model = untrained()
    steps = epochs * -(-count // batch_size)
    rate = keras.optimizers.schedules.CosineDecay(0.0, steps, warmup_target=4e-3, warmup_steps=steps // 20)
    optimizer = keras.optimizers.AdamW(rate, weight_decay=1e-3)
    model.compile(optimizer, loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(data.images, data.labels, batch_size=batch_size, epochs=epochs, verbose=2)
    return model


def accuracy(model: keras.Model, count: int = 4000, *, subject: bool = True) -> float:
    """Return the share of held-out scenes that the network names right."""
    data = scenes(count, seed=HELD_OUT_SEED, subject=subject)
    return float((model.predict(data.images, verbose=0).argmax(axis=1) == data.labels).mean())


def write_pictures(model: keras.Model) -> None:
    """Write one scene for each of `PICTURES`: the one, of many, that the network is surest of."""
    data = scenes(600, seed=PICTURE_SEED)
    sureness = model.predict(data.images, verbose=0)
    for name in PICTURES:
        label = CLASSES.index(name)
        best = np.where(data.labels == label, sureness[:, label], 0).argmax()
        Image.fromarray(data.images[best]).save(HOME / "pictures" / f"{name}.png", optimize=True)


def main() -> None:
    """Train, report, and write the packaged files."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--scenes", type=int, default=20000)
    parser.add_argument("--epochs", type=int, default=7)
    settings = parser.parse_args()
    begin = time.perf_counter()
    model = train(settings.scenes, settings.epochs)
    print(f"trained in {time.perf_counter() - begin:.0f} s, {model.count_params()} parameters")
    print(f"held-out accuracy {accuracy(model):.3f}, without subjects {accuracy(model, subject=False):.3f}")
    np.savez_compressed(HOME / "shapes" / "shapes_cnn.npz", *model.get_weights())
    (HOME / "pictures").mkdir(exist_ok=True)
    write_pictures(model)


if __name__ == "__main__":
    main()
