"""The network of 02_where.ipynb, trained at full length: a finer map for `kv.CAM`.

    python notebooks/localizing.py                # about two minutes on two cores

Scenes of 64x64 pixels with one subject of ten classes. The network inside kerasviz is cut after "relu3", where its map
has 16x16 positions, and trained with a new head, first the head, then all. It writes models/finer.npz, which the
notebook loads.
"""

import argparse
from pathlib import Path

import keras
import numpy as np

import kerasviz as kv

WEIGHTS = Path(__file__).parent / "models" / "finer.npz"


def train():
    """The trained network: one epoch for the head, then six for all of it."""
    keras.utils.set_random_seed(0)
    training, validation = kv.data.shapes.scenes(6000, seed=0), kv.data.shapes.scenes(300, seed=5)
    return kv.retrain_gap(
        kv.data.shapes.shapes_model(),
        (training.images, training.labels),
        (validation.images, validation.labels),
        layer="relu3",
        conv=96,
        epochs=1,
        fine_tune_epochs=6,
        fine_tune_rate=2e-3,
        batch_size=64,
    )


def load_weights(model):
    """Give a model that is cut alike the weights of the whole training."""
    with np.load(WEIGHTS) as stored:
        model.set_weights([stored[f"{n:02}"] for n in range(len(stored.files))])


def main():
    """Train, and keep the weights."""
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    model = train()
    print(f"validation accuracy {model.history.history['val_accuracy'][-1]:.1%}")
    np.savez_compressed(WEIGHTS, **{f"{n:02}": weight for n, weight in enumerate(model.get_weights())})


if __name__ == "__main__":
    main()
