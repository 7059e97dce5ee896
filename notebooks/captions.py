"""A small captioning network for the scenes of kerasviz: how its captions are made, and how it was trained.

    python notebooks/captions.py    # about six minutes on two cores; writes models/captions.npz

A convolutional network, a GRU over the words so far, and an attention of each step over the positions of the last
feature map, trained by teacher forcing.
"""

import argparse
import time
from pathlib import Path

import keras
import numpy as np
from keras import layers

import kerasviz as kv
from kerasviz.data.shapes.concepts import BACKGROUNDS, PALETTE
from kerasviz.data.shapes.outlines import DISTRACTORS, SUBJECTS

WEIGHTS = Path(__file__).parent / "models" / "captions.npz"
START, END = "<start>", "<end>"
WORDS = (START, END, "a", "beside", "over", *PALETTE, *SUBJECTS, *DISTRACTORS, *BACKGROUNDS)
#: Words of a caption, the end included: "a red boat beside a blue star over waves <end>".
STEPS = 9


def caption(scene_objects, background: str) -> list[str]:
    """The caption of a scene: its subject, the distractor that shows most, and the ground."""
    subject, *others = scene_objects
    other = max(others, key=lambda one: (one.box[2] - one.box[0]) * (one.box[3] - one.box[1]))
    return ["a", subject.colour, subject.shape, "beside", "a", other.colour, other.shape, "over", background]


def usable(scenes) -> np.ndarray:
    """The numbers of the scenes in which the subject and a distractor show."""
    return np.array([i for i, seen in enumerate(scenes.objects) if len(seen) > 1 and seen[0].number == 1])


def backgrounds(scenes) -> list[str]:
    """The name of each scene's background."""
    masks = np.stack([scenes.mask(name).reshape(len(scenes), -1).any(1) for name in BACKGROUNDS], axis=1)
    return [BACKGROUNDS[k] for k in masks.argmax(1)]


def captions(scenes) -> list[list[str]]:
    """The caption of each scene."""
    return [caption(seen, name) for seen, name in zip(scenes.objects, backgrounds(scenes), strict=True)]


def encoded(texts) -> tuple[np.ndarray, np.ndarray]:
    """The words so far and the next words, `(N, STEPS + 1)` each."""
    numbers = np.array([[WORDS.index(word) for word in text] for text in texts], np.int32)
    edge = np.ones((len(numbers), 1), np.int32)
    return np.hstack([edge * WORDS.index(START), numbers]), np.hstack([numbers, edge * WORDS.index(END)])


def image_trunk(image):
    """A feature map "features" of 16 x 16 positions, over the first layers of kerasviz's own network."""
    first = kv.to_gap(kv.data.shapes.shapes_model(), "relu3")
    x = keras.Model(first.input, first.get_layer("gap_pool").input, name="trunk")(image)
    for number in (1, 2):
        x = layers.Conv2D(96, 3, padding="same", use_bias=False, name=f"mix{number}")(x)
        x = layers.BatchNormalization(name=f"norm{number}")(x)
        x = layers.ReLU(name=f"rectify{number}" if number == 1 else "features")(x)
    return x


def build() -> keras.Model:
    """The untrained network: an image and the words so far in, the probability of each next word out."""
    image = keras.Input((64, 64, 3), name="image")
    words = keras.Input((STEPS + 1,), dtype="int32", name="words")
    features = image_trunk(image)
    positions = layers.Reshape((256, 96), name="positions")(features)
    pooled = layers.GlobalAveragePooling2D(name="pool")(features)
    start = layers.Dense(96, activation="tanh", name="start")(pooled)
    embedded = layers.Embedding(len(WORDS), 48, name="embedding")(words)
    state = layers.GRU(96, return_sequences=True, name="decoder")(embedded, initial_state=start)
    seen = layers.MultiHeadAttention(2, 48, name="attention")(state, positions)
    x = layers.Dense(96, activation="relu", name="mixed")(layers.Concatenate(name="both")([state, seen]))
    scores = layers.Dense(len(WORDS), activation="softmax", name="word")(x)
    return keras.Model({"image": image, "words": words}, scores, name="captions")


def load() -> keras.Model:
    """The trained network."""
    model = build()
    with np.load(WEIGHTS) as kept:
        model.set_weights(list(kept.values()))
    return model


def describe(model, images) -> list[list[str]]:
    """Caption images greedily, a word after the other."""
    words = np.full((len(images), STEPS + 1), WORDS.index(END), np.int32)
    words[:, 0] = WORDS.index(START)
    for step in range(STEPS):
        found = model.predict({"image": images, "words": words}, verbose=0, batch_size=100)
        words[:, step + 1] = found[:, step].argmax(-1)
    return [[WORDS[k] for k in row[1:]] for row in words]


def accuracy(model, scenes) -> np.ndarray:
    """How often each word of a caption is right, the words before it given."""
    before, after = encoded(captions(scenes))
    found = model.predict({"image": scenes.images, "words": before}, verbose=0, batch_size=100).argmax(-1)
    return (found == after)[:, :STEPS].mean(0)


def some(count, seed):
    """Scenes that have a caption."""
    drawn = kv.data.shapes.scenes(count, seed=seed)
    keep = usable(drawn)
    return type(drawn)(
        drawn.images[keep],
        drawn.labels[keep],
        drawn.boxes[keep],
        drawn.maps[keep],
        drawn.instances[keep],
        tuple(drawn.objects[i] for i in keep),
    )


def fit(model, data, labels, epochs):
    """Train with a rate that rises and falls."""
    steps = epochs * -(-len(labels) // 64)
    rate = keras.optimizers.schedules.CosineDecay(0.0, steps, warmup_target=3e-3, warmup_steps=steps // 10)
    model.compile(keras.optimizers.Adam(rate), "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(data, labels, batch_size=64, epochs=epochs, verbose=2)


def main():
    """Train, measure, and write the weights."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--scenes", type=int, default=8000)
    parser.add_argument("--epochs", type=int, default=8)
    options = parser.parse_args()
    begin = time.perf_counter()
    keras.utils.set_random_seed(0)
    scenes = some(options.scenes, seed=0)
    before, after = encoded(captions(scenes))
    model = build()
    fit(model, {"image": scenes.images, "words": before}, after, options.epochs)
    print(f"trained in {time.perf_counter() - begin:.0f} s, {model.count_params()} parameters")
    right = accuracy(model, some(1000, seed=1))
    print("held-out accuracy by word:", " ".join(f"{share:.2f}" for share in right))
    WEIGHTS.parent.mkdir(exist_ok=True)
    np.savez_compressed(WEIGHTS, *model.get_weights())


if __name__ == "__main__":
    main()
