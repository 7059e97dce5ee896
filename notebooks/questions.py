"""A small network that answers questions about the scenes of kerasviz: its questions, and how it was trained.

    python notebooks/questions.py    # about five minutes on two cores, after captions.py; writes models/questions.npz

The convolutions of the captioning network, a GRU over the question, and a modulation of the feature map by it.
"""

import argparse
import time
from pathlib import Path

import captions
import keras
import numpy as np
from keras import layers

from kerasviz.data.shapes.concepts import BACKGROUNDS, PALETTE
from kerasviz.data.shapes.outlines import DISTRACTORS, SUBJECTS

WEIGHTS = Path(__file__).parent / "models" / "questions.npz"
SHAPES = (*SUBJECTS, *DISTRACTORS)
ANSWERS = (*PALETTE, *BACKGROUNDS, "yes", "no")
WORDS = ("<none>", "what", "colour", "is", "the", "there", "a", "behind", *SHAPES)
LENGTH = 5
KINDS = ("colour", "there", "behind")


def encoded(questions) -> np.ndarray:
    """Questions as numbers of words, `(N, LENGTH)`."""
    rows = [[WORDS.index(word) for word in question.split()] for question in questions]
    return np.array([row + [0] * (LENGTH - len(row)) for row in rows], np.int32)


def asked(scenes, seed, kinds=KINDS):
    """A question for each scene: the kinds, the questions, the answers, and the shapes that they speak of."""
    rng = np.random.default_rng(seed)
    rows = []
    for seen, ground in zip(scenes.objects, captions.backgrounds(scenes), strict=True):
        shapes = [one.shape for one in seen]
        clear = [one for one in seen if shapes.count(one.shape) == 1]
        kind = kinds[rng.integers(len(kinds))]
        if kind == "colour":
            one = clear[rng.integers(len(clear))]
            rows.append((kind, f"what colour is the {one.shape}", one.colour, one.shape))
        elif kind == "there" and rng.random() < 0.5:
            shape = shapes[rng.integers(len(shapes))]
            rows.append((kind, f"is there a {shape}", "yes", shape))
        elif kind == "there":
            absent = [shape for shape in SHAPES if shape not in shapes]
            rows.append((kind, f"is there a {absent[rng.integers(len(absent))]}", "no", None))
        else:
            rows.append((kind, "what is behind", ground, None))
    return tuple(zip(*rows, strict=True))


def build() -> keras.Model:
    """The untrained network: an image and a question in, the probability of each answer out."""
    image = keras.Input((64, 64, 3), name="image")
    question = keras.Input((LENGTH,), dtype="int32", name="question")
    features = captions.image_trunk(image)
    asked_for = layers.GRU(96, name="reader")(layers.Embedding(len(WORDS), 48, name="embedding")(question))
    x = features
    for number in (1, 2):
        scale = layers.Reshape((1, 1, 96), name=f"scale_shape{number}")(
            layers.Dense(96, name=f"scale{number}")(asked_for)
        )
        shift = layers.Reshape((1, 1, 96), name=f"shift_shape{number}")(
            layers.Dense(96, name=f"shift{number}")(asked_for)
        )
        x = layers.Conv2D(96, 1, name=f"seek{number}")(x)
        x = layers.Add(name=f"add{number}")([layers.Multiply(name=f"times{number}")([x, scale]), shift])
        x = layers.ReLU(name=f"found{number}")(x)
    pooled = layers.Concatenate(name="both")(
        [layers.GlobalAveragePooling2D(name="mean")(x), layers.GlobalMaxPooling2D(name="strongest")(x)]
    )
    scores = layers.Dense(len(ANSWERS), activation="softmax", name="answer")(pooled)
    return keras.Model({"image": image, "question": question}, scores, name="questions")


def load() -> keras.Model:
    """The trained network."""
    model = build()
    with np.load(WEIGHTS) as kept:
        model.set_weights(list(kept.values()))
    return model


def answer(model, images, questions) -> list[str]:
    """The answer to a question for each image."""
    found = model.predict({"image": images, "question": encoded(questions)}, verbose=0, batch_size=100)
    return [ANSWERS[k] for k in found.argmax(-1)]


def accuracy(model, scenes, seed) -> dict[str, tuple[float, float]]:
    """By kind of question: how often the answer is right, and how often the commonest answer would be."""
    kinds, questions, right, _ = asked(scenes, seed)
    found = np.array(answer(model, scenes.images, questions))
    figures = {}
    for kind in KINDS:
        rows = np.array(kinds) == kind
        counts = np.unique(np.array(right)[rows], return_counts=True)[1]
        figures[kind] = (float((found == np.array(right))[rows].mean()), float(counts.max() / rows.sum()))
    return figures


def train(model, scenes, epochs, rate, given):
    """Train with other questions about the scenes in each epoch."""
    steps = epochs * -(-len(scenes) // 64)
    falling = keras.optimizers.schedules.CosineDecay(0.0, steps, warmup_target=rate, warmup_steps=steps // 10)
    model.compile(keras.optimizers.Adam(falling), "sparse_categorical_crossentropy", metrics=["accuracy"])
    for epoch in range(epochs):
        _, questions, right, _ = asked(scenes, seed=(epochs, epoch))
        labels = np.array([ANSWERS.index(word) for word in right])
        model.fit([given, encoded(questions)], labels, batch_size=64, verbose=2)


def main():
    """Train, measure, and write the weights."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--scenes", type=int, default=8000)
    parser.add_argument("--epochs", type=int, default=16, help="of the part behind the feature map")
    parser.add_argument("--more", type=int, default=4, help="further epochs, of all")
    options = parser.parse_args()
    begin = time.perf_counter()
    keras.utils.set_random_seed(0)
    scenes = captions.some(options.scenes, seed=0)
    model = build()
    # The eyes of the network that writes captions; `captions.py` comes first.
    writer = captions.load()
    for part in ("trunk", "mix1", "norm1", "mix2", "norm2"):
        model.get_layer(part).set_weights(writer.get_layer(part).get_weights())
    features, image, question = model.get_layer("features").output, model.input["image"], model.input["question"]
    seen = keras.Model(image, features).predict(scenes.images, verbose=0, batch_size=200)
    train(keras.Model([features, question], model.output), scenes, options.epochs, 3e-3, seen)
    train(keras.Model([image, question], model.output), scenes, options.more, 1e-3, scenes.images)
    print(f"trained in {time.perf_counter() - begin:.0f} s, {model.count_params()} parameters")
    for kind, (share, common) in accuracy(model, captions.some(1000, seed=1), seed=1).items():
        print(f"held-out accuracy, {kind}: {share:.2f}; of the commonest answer {common:.2f}")
    WEIGHTS.parent.mkdir(exist_ok=True)
    np.savez_compressed(WEIGHTS, *model.get_weights())


if __name__ == "__main__":
    main()
