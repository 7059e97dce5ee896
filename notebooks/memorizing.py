"""The experiment of 06_memorized.ipynb at full length: six data sets, and five ways to train on two of them.

    python notebooks/memorizing.py                # about five minutes on two cores; stopped, it goes on from there

Handwritten digits, 8x8, from scikit-learn: 1000 to train on, 797 to validate. The network has two hidden layers of 512
units. It writes models/memorizing, which the notebook draws.
"""

import argparse
import time
from pathlib import Path

import keras
from sklearn.datasets import load_digits

import kerasviz as kv
from kerasviz.generalization.randomization.data_sets import KINDS

#: Of the boxes in which critical samples are searched, for pixels of 0 to 1.
RADIUS = 0.05
#: Of the boxes whose critical samples are trained on.
TRAINED_RADIUS = 0.2
TRAINED_ON, EPOCHS, BATCH = 1000, 100, 50
CRITICAL = {"radius": TRAINED_RADIUS, "search": "fgsm"}
REGULARIZATIONS = {
    "none": {},
    "dropout": {"dropout": 0.5},
    "weight decay": {"weight_decay": 1e-2},
    "critical samples": kv.generalization.Regularization(critical=CRITICAL),
    "both": kv.generalization.Regularization(build={"dropout": 0.5}, critical=CRITICAL),
}
RESULT = Path(__file__).parent / "models" / "memorizing"


def digits():
    """Images `(N, 8, 8, 1)` of 0 to 1 and labels: those to train on, and those to validate with."""
    bunch = load_digits()
    images, labels = bunch.images[..., None].astype("float32") / 16, bunch.target
    return (images[:TRAINED_ON], labels[:TRAINED_ON]), (images[TRAINED_ON:], labels[TRAINED_ON:])


def build(dropout=0.0, weight_decay=None):
    """The network: what `RandomizationTest` trains on each data set."""
    layers = [keras.Input((8, 8, 1)), keras.layers.Flatten()]
    for _ in range(2):
        layers += [keras.layers.Dense(512, "relu"), keras.layers.Dropout(dropout)]
    model = keras.Sequential([*layers, keras.layers.Dense(10, "softmax")])
    rate = keras.optimizers.schedules.CosineDecay(1e-3, EPOCHS * TRAINED_ON // BATCH)
    optimizer = keras.optimizers.Adam(rate, weight_decay=weight_decay)
    model.compile(optimizer, "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def test(data, regularizations, **settings):
    """A randomization test of the network on some of the data sets, with some of the regularizations by name."""
    train, validation = digits()
    return kv.RandomizationTest(
        build,
        *train,
        validation=validation,
        data=data,
        regularizations={name: REGULARIZATIONS[name] for name in regularizations},
        epochs=EPOCHS,
        batch_size=BATCH,
        radius=RADIUS,
        search=kv.generalization.LASS(steps=20),
        every=10,
        **settings,
    )


def main():
    """Run the test, print its table, and save it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, default=Path("memorizing"), help="where unfinished work is kept")
    folder = parser.parse_args().folder
    began = time.process_time()
    everything = test(KINDS, ["none"], folder=folder).run()
    regularized = test(("true", "random labels"), list(REGULARIZATIONS), folder=folder).run()
    result = kv.generalization.RandomizationResult({**everything.runs, **regularized.runs}, regularized.settings)
    print(result)
    print(
        f"{sum(run.seconds for run in result.runs.values()):.0f} s, {time.process_time() - began:.0f} s of processors"
    )
    result.save(RESULT, overwrite=True)


if __name__ == "__main__":
    main()
