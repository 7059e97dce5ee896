"""The whole way on scikit-learn's digits: classifier, generator, preferred images, and what they are like.

`experiment()` is also an example of the use of all of it; run this file to see its figures and save its sheet.
"""

import time

import keras
import numpy as np
import pytest
from sklearn.datasets import load_digits

from kerasviz import plotting
from kerasviz.synthesis.generator import GeneratorMaximization, train_generator
from kerasviz.synthesis.maximization import ActivationMaximization

CLASSES = list(range(10))


def _digits():
    """Training images 0 to 1, their labels, and images that nothing is trained on."""
    digits = load_digits()
    order = np.random.default_rng(0).permutation(len(digits.images))
    images = (digits.images[order, ..., None] / 16).astype("float32")
    return images[:1400], digits.target[order][:1400], images[1400:]


def _classifier(images, labels):
    layers, seeds = keras.layers, iter(range(10))

    def start():
        return {"activation": "relu", "kernel_initializer": keras.initializers.GlorotUniform(next(seeds))}

    model = keras.Sequential(
        [
            keras.Input((8, 8, 1)),
            layers.Conv2D(32, 3, padding="same", **start()),
            layers.Conv2D(32, 3, padding="same", **start()),
            layers.MaxPooling2D(),
            layers.Conv2D(64, 3, padding="same", name="conv", **start()),
            layers.Dropout(0.3, seed=1),
            layers.Flatten(),
            layers.Dense(64, name="code", **start()),
            layers.Dropout(0.5, seed=2),
            layers.Dense(10, name="scores", kernel_initializer=keras.initializers.GlorotUniform(9)),
        ]
    )
    model.compile(keras.optimizers.Adam(2e-3), keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    model.fit(images, labels, epochs=20, batch_size=50, shuffle=False, verbose=0)
    return model


def _nearest(points, others):
    """The mean distance of each of some points to the nearest of others."""
    points, others = (array.reshape(len(array), -1).astype("float64") for array in (points, others))
    return float(np.sqrt(((points[:, None] - others[None]) ** 2).sum(-1)).min(1).mean())


def experiment(epochs=20):
    """Train on the digits, make the preferred image of each class in some ways, and measure them."""
    images, labels, unseen = _digits()
    model = _classifier(images, labels)
    features = keras.Model(model.inputs[0], model.get_layer("code").output)
    began = time.process_time()
    trained = train_generator(model, images, "code", value_range=(0, 1), width=16, epochs=epochs, validation=unseen)
    seconds = time.process_time() - began
    made = {
        "generator": GeneratorMaximization(model, trained)(CLASSES).images,
        "generator, 1.5 σ": GeneratorMaximization(model, trained, deviations=1.5)(CLASSES).images,
        "pixels": ActivationMaximization(model, value_range=(0, 1), preset="plain")(CLASSES, steps=200).images,
    }
    scores, known = model.predict(images, verbose=0), features.predict(images, verbose=0)
    found = {"seconds": seconds, "best_training_scores": scores.max(0), "history": trained.history, "images": made}
    found["real"] = images[scores.argmax(0)]
    for name, pictures in {**made, "unseen": unseen}.items():
        found[name] = {
            "feature_distance": _nearest(features.predict(pictures, verbose=0), known),
            "pixel_distance": _nearest(pictures, images),
        }
        if name in made:
            own = model.predict(pictures, verbose=0)
            found[name] |= {"scores": np.diag(own), "classes": own.argmax(1)}
    return found


@pytest.mark.slow
def test_preferred_digits_beat_the_best_training_images_and_look_like_the_data():
    found = experiment()
    pixels, unseen = found["pixels"], found["unseen"]
    for name, share in (("generator", 0.65), ("generator, 1.5 σ", 0.5)):
        made = found[name]
        assert (made["scores"] > found["best_training_scores"]).sum() >= 8
        assert made["classes"].tolist() == CLASSES
        # Scores over those of all data lie away from the data; how far differs.
        assert made["feature_distance"] < share * pixels["feature_distance"]
        assert made["pixel_distance"] < share * pixels["pixel_distance"]
        assert made["pixel_distance"] < 2 * unseen["pixel_distance"]
    # The generator has learned to invert the layer, on images that it never saw.
    history = found["history"]
    assert history["val_image"][-1] < 0.4 * history["val_image"][0]
    assert history["val_image"][-1] < 0.03


if __name__ == "__main__":
    result = experiment()
    print(f"trained in {result['seconds']:.1f} s of CPU time")
    print({name: round(values[-1], 4) for name, values in result["history"].items()})
    for kind in (*result["images"], "unseen"):
        print(kind, {name: np.round(value, 2) for name, value in result[kind].items()})
    print("best training scores", np.round(result["best_training_scores"], 2))
    rows = {name: plotting.display_image(each, value_range=(0, 1)) for name, each in result["images"].items()}
    plotting.figure(result["real"], rows, image_title="best training image", value_range=(0, 1)).savefig("digits.png")
