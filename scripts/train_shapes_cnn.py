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

HOME = Path(__file__).parents[1] / "kerasviz" / "data"
TRAINING_SEED, HELD_OUT_SEED, PICTURE_SEED = 0, 1, 2
PICTURES = ("bird", "boat", "car", "fish", "flower", "house")


def build() -> keras.Model:
    """Build the untrained network."""
    image = x = keras.Input((64, 64, 3), name="image")
    x = keras.layers.Rescaling(1 / 127.5, offset=-1, name="rescaling")(x)
    for number, (channels, pool) in enumerate([(16, True), (32, True), (48, True), (64, False), (64, False)], 1):
        x = keras.layers.Conv2D(channels, 3, padding="same", use_bias=False, name=f"conv{number}")(x)
        x = keras.layers.BatchNormalization(name=f"bn{number}")(x)
        x = keras.layers.ReLU(name=f"relu{number}")(x)
        if pool:
            x = keras.layers.MaxPooling2D(name=f"pool{number}")(x)
    x = keras.layers.GlobalAveragePooling2D(name="gap")(x)
    scores = keras.layers.Dense(len(CLASSES), activation="softmax", name="predictions")(x)
    return keras.Model(image, scores, name="shapes_cnn")


def train(count: int, epochs: int) -> keras.Model:
    """Train on scenes of a seed of their own."""
    keras.utils.set_random_seed(0)
    batch_size = 64
    data = scenes(count, seed=TRAINING_SEED)
    model = build()
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
    bare = build()
    bare.set_weights(model.get_weights())
    bare.save(HOME / "shapes" / "shapes_cnn.keras")
    (HOME / "pictures").mkdir(exist_ok=True)
    write_pictures(bare)


if __name__ == "__main__":
    main()
