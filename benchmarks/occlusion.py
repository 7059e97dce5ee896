"""What occlusion costs: position by position, in batches, and incrementally, beside the bound of the arithmetic.

    python benchmarks/occlusion.py                              # VGG16, ResNet50, MobileNetV2; 224 px, patches of 16
    python benchmarks/occlusion.py --models VGG16 --strides 8 --rounds 5 --json figures.json

In each round, in turns, so that a slow moment of the machine hits all alike: the bare compiled forward pass over
a ready batch; (a) a Python loop that hides a part and runs the compiled pass, a few positions of it; (b) batched brute
force, some batches of it; (c) the incremental sweep, the whole of it. Figures are per position, and medians over the
rounds. The bound is the share of the multiplications that no exact method can save, counted from the shapes of the
layers, position by position; "over bound" is (c) over what that share of (b) would take. Weights are random:
the arithmetic is the same.
"""

import argparse
import json
import statistics
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf
from passes import seconds_of

import kerasviz as kv
from kerasviz.attribution.perturbation import Sample
from kerasviz.attribution.positions import Grid
from kerasviz.targets import ClassScore

#: Positions of the Python loop, and batches of brute force and of bare passes, in each round.
LOOP, BATCHES = 4, 2


def contenders(model, patch, stride, batch, size):
    """The calls to be timed, with the number of positions that each runs, and the plan."""
    image = np.random.default_rng(0).uniform(-1, 1, (1, size, size, 3)).astype("float32")
    grid = Grid.of((size, size), patch, stride)
    some = np.random.default_rng(1).permutation(len(grid.starts))[: BATCHES * batch]
    images = np.repeat(image, batch, 0)
    explain = kv.Occlusion(model, patch, stride, batch_size=batch)
    brute = kv.Occlusion(model, patch, stride, batch_size=batch, incremental=False)
    sample = Sample(ClassScore(0), [tf.constant(image)], [tf.constant([0])], 0, 0.0, [])
    hidden = tf.zeros((batch, patch, patch, 3))
    scores = keras.models.clone_model(model)
    scores.set_weights(model.get_weights())
    scores.layers[-1].activation = keras.activations.linear
    forward = tf.function(
        lambda given: scores(given, training=False)[:, 0],
        input_signature=[tf.TensorSpec((None, size, size, 3))],
        autograph=False,
    )

    def bare():
        for _ in range(BATCHES):
            np.asarray(forward(images))

    def loop():
        for row, column in grid.starts[some[:LOOP]]:
            copy = image.copy()
            copy[:, row : row + patch, column : column + patch] = 0
            np.asarray(forward(copy))

    def swept(explainer, starts):
        return lambda: explainer.swept(sample, starts, lambda part: hidden[: len(part)], lambda _: None)

    calls = {"bare": bare, "loop": loop, "brute": swept(brute, grid.starts[some])}
    counts = {"bare": BATCHES * batch, "loop": LOOP, "brute": len(some), "incremental": len(grid.starts)}
    plan = explain.plan((size, size, 3), target=0)
    # Where the plan falls back both run the same; part of the sweep shows that.
    partly = not plan.units
    calls["incremental"] = swept(explain, grid.starts[some] if partly else grid.starts)
    counts["incremental"] = len(some) if partly else len(grid.starts)
    return calls, counts, plan, len(grid.starts)


def measure(name, patch, stride, batch, rounds, size):
    """The figures of one model and one grid."""
    model = getattr(keras.applications, name)(weights=None, input_shape=(size, size, 3))
    calls, counts, plan, positions = contenders(model, patch, stride, batch, size)
    each = {key: [taken / counts[key] for taken in seconds] for key, seconds in seconds_of(calls, rounds).items()}

    def ratio(one, other, factor=1.0):
        pairs = zip(each[one], each[other], strict=True)
        return statistics.median(a / b * factor for a, b in pairs)

    share = plan.run / plan.macs
    return {
        "model": name,
        "patch": patch,
        "stride": stride,
        "positions": positions,
        "milliseconds": {key: 1000 * statistics.median(values) for key, values in each.items()},
        "brute over bare": ratio("brute", "bare"),
        "speed-up over loop": ratio("loop", "incremental"),
        "speed-up over brute": ratio("brute", "incremental"),
        "bound": 1 / share,
        "over bound": ratio("incremental", "brute", 1 / share),
        "on boxes": len(plan.units) / len(plan.rows),
    }


def main():
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--models", nargs="+", default=["VGG16", "ResNet50", "MobileNetV2"])
    parser.add_argument("--strides", nargs="+", type=int, default=[8, 4])
    parser.add_argument("--patch", type=int, default=16)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--size", type=int, default=224)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    figures = []
    for name in options.models:
        for stride in options.strides:
            found = measure(name, options.patch, stride, options.batch, options.rounds, options.size)
            figures.append(found)
            times = ", ".join(f"{key} {value:.1f}" for key, value in found["milliseconds"].items())
            print(f"{name}, {options.patch} px every {stride}: {found['positions']} positions; ms each: {times}")
            print(
                f"  brute {found['brute over bare']:.2f} of bare; incremental {found['speed-up over brute']:.2f} times "
                f"brute, {found['speed-up over loop']:.2f} times the loop; bound {found['bound']:.2f}, "
                f"{found['over bound']:.2f} over it; {found['on boxes']:.0%} of the ops on boxes",
                flush=True,
            )
    if options.json:
        options.json.write_text(json.dumps(figures, indent=2), encoding="utf-8")


if __name__ == "__main__":
    main()
