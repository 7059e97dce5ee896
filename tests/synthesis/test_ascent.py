"""The engine: steps against a plain loop, looks, ends, starts without a gradient, and that nothing else is touched."""

import warnings
from dataclasses import dataclass

import keras
import numpy as np
import pytest
import tensorflow as tf
import zoo

from kerasviz import targets as T
from kerasviz.errors import InputError, KerasvizWarning, SettingError, TargetError
from kerasviz.network import Network
from kerasviz.synthesis.ascent import Ascent, Setting
from kerasviz.synthesis.influences import Adjustment, Regularizer, Transform
from kerasviz.synthesis.parametrizations import Fourier, Pixels
from kerasviz.synthesis.spaces import ImageSpace

SPACE = ImageSpace(6, 5, 2, -1.0, 3.0)


@dataclass(frozen=True)
class Squares(Regularizer):
    weight: float

    def penalty(self, images):
        return self.weight * tf.reduce_sum(images**2, axis=(1, 2, 3))


@dataclass(frozen=True)
class Noise(Transform):
    def transform(self, images, seed):
        return images + tf.random.stateless_normal(images.shape[1:], seed, alg="philox")


@dataclass(frozen=True)
class Larger(Transform):
    def transform(self, images, seed):
        return tf.pad(images, [[0, 0], [2, 2], [2, 2], [0, 0]])


@dataclass(frozen=True)
class Halved(Adjustment):
    def adjust(self, images, gradients, step):
        return tf.where(step % 2 == 0, images / 2, images)


@dataclass(frozen=True)
class Along(Adjustment):
    def adjust(self, images, gradients, step):
        return images + gradients


@pytest.fixture(scope="module")
def model():
    inputs = keras.Input((6, 5, 2))
    x = keras.layers.Conv2D(4, 3, activation="tanh", name="conv")(inputs)
    outputs = keras.layers.Dense(3, activation="softmax")(keras.layers.Flatten()(x))
    return zoo.randomize(keras.Model(inputs, outputs))


@pytest.fixture(scope="module")
def network(model):
    return Network(model)


@pytest.fixture(scope="module")
def make(model, network):
    def make(space=SPACE, parametrization=None, **setting):
        setting.setdefault("optimizer", keras.optimizers.SGD(0.1))
        return Ascent(model, network, Setting(space, parametrization or Pixels(), **setting))

    return make


@pytest.fixture(scope="module")
def plain(make):
    return make()


def logits(model, images):
    """The scores before the softmax, by the model's own layers."""
    inner = keras.Model(model.input, model.layers[-1].input)
    return inner(images).numpy() @ model.layers[-1].kernel.numpy() + model.layers[-1].bias.numpy()


def gradient(model, images, label):
    images = tf.constant(images)
    dense = model.layers[-1]
    inner = keras.Model(model.input, dense.input)
    with tf.GradientTape() as tape:
        tape.watch(images)
        score = (tf.matmul(inner(images), dense.kernel.value) + dense.bias.value)[:, label]
    return tape.gradient(score, images).numpy()


def test_steps_against_a_plain_loop(make, model):
    climb = make(regularizers=(Squares(0.3),), adjustments=(Halved(),)).run(T.ClassScore(1), 2, steps=5, look=1)
    units, scores, penalties = Pixels().start(SPACE, 2, 0)[0], [], []
    for step in range(6):
        images = units * 4 - 1
        scores.append(logits(model, images)[:, 1])
        penalties.append(0.3 * (units**2).sum((1, 2, 3)))
        units = np.clip(units + 0.1 * (4 * gradient(model, images, 1) - 0.6 * units), 0, 1)
        units = units / 2 if step % 2 == 0 else units
    np.testing.assert_allclose(climb.history["score"], scores, rtol=1e-4)
    np.testing.assert_allclose(climb.history["penalty"], penalties, rtol=1e-4)
    np.testing.assert_array_equal(climb.history["step"], np.arange(6))
    np.testing.assert_array_equal(climb.steps, np.argmax(np.array(scores) - penalties, axis=0))


@pytest.mark.slow
def test_adjustments_get_the_gradient_of_the_objective(make, model):
    climb = make(adjustments=(Along(),), optimizer=keras.optimizers.SGD(0.0)).run(
        T.ClassScore(1), 1, steps=1, keep="last"
    )
    start = Pixels().start(SPACE, 1, 0)[0]
    np.testing.assert_allclose((climb.images + 1) / 4, start + 4 * gradient(model, start * 4 - 1, 1), rtol=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize(
    "name, size",
    [
        ("mean_abs", lambda g: np.abs(g).mean((1, 2, 3), keepdims=True)),
        ("rms", lambda g: np.sqrt((g**2).mean((1, 2, 3), keepdims=True))),
        ("l2", lambda g: np.sqrt((g**2).sum((1, 2, 3), keepdims=True))),
    ],
)
def test_normalized_steps(make, model, name, size):
    climb = make(normalize=name).run(T.ClassScore(1), 2, steps=1, keep="last")
    start = Pixels().start(SPACE, 2, 0)[0]
    slope = gradient(model, start * 4 - 1, 1)
    expected = np.clip(start + 0.1 * slope / size(slope), 0, 1)
    np.testing.assert_allclose((climb.images + 1) / 4, expected, rtol=1e-4, atol=1e-6)


def test_returned_scores_are_those_of_the_returned_images(make, model):
    climb = make(transforms=(Noise(),)).run(T.Each([T.ClassScore(k) for k in (2, 0, 1)]), 3, steps=9, look=4)
    np.testing.assert_allclose(climb.scores, logits(model, climb.images)[[0, 1, 2], [2, 0, 1]], rtol=1e-5)
    np.testing.assert_array_equal(climb.history["step"], [0, 4, 8, 9])
    np.testing.assert_array_equal(climb.scores, climb.history["score"].max(0))
    assert climb.images.min() >= -1 and climb.images.max() <= 3


@pytest.mark.slow
def test_the_last_look_can_be_kept(make):
    wild = make(optimizer=keras.optimizers.SGD(-0.5))
    best = wild.run(T.ClassScore(0), 2, steps=6, look=2)
    last = wild.run(T.ClassScore(0), 2, steps=6, look=2, keep="last")
    np.testing.assert_array_equal(best.steps, [0, 0])
    np.testing.assert_array_equal(last.steps, [6, 6])
    np.testing.assert_array_equal(last.scores, best.history["score"][-1])


@pytest.mark.slow
def test_an_image_does_not_depend_on_its_mates(make):
    targets = [T.ClassScore(2), T.Channel("conv", 1), T.ClassScore(0)]
    ascent = make(parametrization=Fourier(), transforms=(Noise(),), optimizer=keras.optimizers.Adam(0.05))
    together = ascent.run(T.Each(targets), 3, steps=8)
    parts = ascent.run(T.Each(targets), 3, steps=8, batch_size=2)
    alone = ascent.run(targets[0], 1, steps=8)
    np.testing.assert_allclose(parts.images, together.images, atol=1e-4)
    np.testing.assert_allclose(alone.images[0], together.images[0], atol=1e-4)
    np.testing.assert_allclose(parts.history["score"], together.history["score"], rtol=1e-3, atol=1e-4)


@pytest.mark.slow
def test_seeds(make):
    ascent = make(transforms=(Noise(),))
    first, again, other = (ascent.run(T.ClassScore(1), 2, steps=4, seed=seed) for seed in (3, 3, 4))
    np.testing.assert_array_equal(first.images, again.images)
    assert not np.allclose(first.images, other.images)
    assert not np.allclose(first.images[0], first.images[1])


@pytest.mark.slow
def test_transforms_draw_anew_in_each_step(make):
    # Seen through noise alone, a linear objective has the same gradient; so the draws are looked at themselves.
    drawn = []

    @dataclass(frozen=True)
    class Spy(Transform):
        def transform(self, images, seed):
            nothing = tf.numpy_function(lambda s: drawn.append(tuple(s)) or np.float32(0), [seed], tf.float32)
            return images + tf.ensure_shape(nothing, ())

    make(transforms=(Spy(), Spy())).run(T.ClassScore(1), 1, steps=3, seed=7)
    assert drawn == [(7, 0), (7, 1), (7, 2), (7, 3), (7, 4), (7, 5)]


@pytest.mark.slow
def test_transformed_images_come_back_to_the_network_size(make):
    climb = make(transforms=(Larger(),)).run(T.ClassScore(1), 1, steps=3)
    assert climb.scores[0] > climb.history["score"][0, 0]


@pytest.mark.slow
def test_another_class_compiles_nothing_anew(plain):
    plain.run(T.ClassScore(0), 2, steps=1)
    climbers = list(plain._climbers.values())
    plain.run(T.ClassScore([1, 2]), 2, steps=1)
    assert list(plain._climbers.values()) == climbers


def test_from_given_images(plain, rng):
    images = rng.uniform(-1, 3, (2, 6, 5, 2)).astype("float32")
    kept = images.copy()
    climb = plain.run(T.ClassScore(1), 2, steps=2, images=images, snapshots=(0, 2))
    np.testing.assert_allclose(climb.snapshots[0], images, atol=1e-5)
    np.testing.assert_array_equal(images, kept)
    np.testing.assert_array_equal(climb.snapshot_steps, [0, 2])


@pytest.mark.slow
def test_a_goal_ends_a_batch_when_all_have_reached_it(plain):
    whole = plain.run(T.ClassScore(1), 3, steps=40, look=4)
    goal = np.sort(whole.history["score"].min(1))[5]
    climb = plain.run(T.ClassScore(1), 3, steps=40, look=4, goal=goal)
    assert len(climb.history["step"]) == 6 and (climb.scores >= goal).all()
    np.testing.assert_array_equal(climb.history["score"], whole.history["score"][:6])


@pytest.mark.slow
def test_patience_ends_what_gets_no_better(make):
    climb = make(optimizer=keras.optimizers.SGD(0.0)).run(T.ClassScore(1), 2, steps=100, look=5, patience=3)
    np.testing.assert_array_equal(climb.history["step"], [0, 5, 10, 15])


@pytest.mark.slow
def test_callbacks_see_every_look_and_can_end_it(plain):
    looks = []
    climb = plain.run(
        T.ClassScore(1),
        3,
        steps=9,
        look=3,
        batch_size=2,
        callbacks=[lambda look: looks.append(look), lambda look: look.step == 6],
    )
    assert [(look.step, look.samples.tolist()) for look in looks] == [
        (step, rows) for rows in ([0, 1], [2]) for step in (0, 3, 6)
    ]
    np.testing.assert_array_equal(looks[2].scores, climb.history["score"][2, :2])
    np.testing.assert_array_equal(looks[2].images, climb.images[:2])


def test_batches_that_end_early_leave_gaps(plain):
    def stop(look):
        return look.samples[0] == 0 and look.step == 3

    climb = plain.run(T.ClassScore(1), 2, steps=6, look=3, batch_size=1, callbacks=[stop], snapshots=(6,))
    np.testing.assert_array_equal(np.isnan(climb.history["score"]), [[0, 0], [0, 0], [1, 0]])
    np.testing.assert_array_equal(climb.snapshots[0, 0], climb.images[0])


def dead(**more):
    inputs = keras.Input((4, 4, 1))
    x = keras.layers.Dense(3, bias_initializer=keras.initializers.Constant(-2.0), **more)(
        keras.layers.Flatten()(inputs)
    )
    model = keras.Model(inputs, x)
    kernel = np.random.default_rng(0).normal(size=(16, 3))
    model.layers[-1].kernel.assign(kernel)
    return model


def test_a_start_without_a_gradient_is_led_out():
    model = dead(activation="relu")
    space = ImageSpace(4, 4, 1, -1.0, 1.0)
    ascent = Ascent(model, Network(model), Setting(space, Pixels(), optimizer=keras.optimizers.SGD(0.1)))
    climb = ascent.run(T.Channel(model.layers[-1].name, [1, 2]), 2, steps=150)
    best = np.abs(model.layers[-1].kernel.numpy()).sum(0) - 2
    np.testing.assert_allclose(climb.scores, best[1:], rtol=1e-5)  # the corner of the box, where no more can be had


@pytest.mark.slow
def test_a_start_without_a_gradient_and_without_a_way_out():
    model = dead(activation=lambda x: 0 * x)
    ascent = Ascent(model, Network(model), Setting(ImageSpace(4, 4, 1, 0.0, 1.0), Pixels()))
    with pytest.warns(KerasvizWarning, match="no rectifier"):
        ascent.run(T.Channel(model.layers[-1].name, 1), 1, steps=2)


@pytest.mark.slow
def test_gradients_that_are_not_finite_leave_an_image_as_it_is(plain):
    # The gradient of the square root is infinite at zero, which only the first image is at.
    def score(outputs):
        return tf.sqrt(tf.maximum(outputs[:, 1] - tf.constant([1e9, -1e9]), 0)) + outputs[:, 1]

    with warnings.catch_warnings():
        warnings.simplefilter("error", KerasvizWarning)
        climb = plain.run(T.Custom(score), 2, steps=2, keep="last", snapshots=(0,))
    assert np.isfinite(climb.images).all()
    assert np.abs(climb.images[1] - climb.snapshots[0, 1]).max() > 0


@pytest.mark.slow
def test_a_score_that_is_not_finite_is_told(plain):
    with pytest.warns(KerasvizWarning, match="not finite for the images"):
        climb = plain.run(T.Custom(lambda outputs: outputs[:, 1] * np.nan), 2, steps=2)
    assert np.isfinite(climb.images).all()


@pytest.mark.slow
def test_nothing_of_the_user_changes(make, model):
    optimizer = keras.optimizers.Adam(0.1)
    weights = [weight.copy() for weight in model.get_weights()]
    make(optimizer=optimizer).run(T.ClassScore(1), 1, steps=3)
    assert not optimizer.built and int(optimizer.iterations) == 0
    for before, after in zip(weights, model.get_weights(), strict=True):
        np.testing.assert_array_equal(before, after)


@pytest.mark.slow
def test_schedules_count_the_steps(make, model):
    schedule = keras.optimizers.schedules.PiecewiseConstantDecay([1], [0.1, 0.0])
    climb = make(optimizer=keras.optimizers.SGD(schedule)).run(T.ClassScore(1), 1, steps=6, look=1)
    scores = climb.history["score"][:, 0]
    assert scores[2] == scores[-1] != scores[0]


@pytest.mark.slow
def test_the_whole_batch_compares(make):
    ascent = make(parametrization=Pixels(deviation=0.2))
    objective = T.ClassScore(1) - 5 * T.Diversity("conv")
    with pytest.raises(SettingError, match="batch_size=3"):
        ascent.run(objective, 3, steps=1, batch_size=2)
    alike = ascent.run(T.ClassScore(1), 3, steps=20, keep="last").images
    apart = ascent.run(objective, 3, steps=20, keep="last").images
    assert np.std(apart, axis=0).mean() > np.std(alike, axis=0).mean()


@pytest.mark.parametrize(
    "setting, message",
    [
        ({"normalize": "max"}, "normalize='max'"),
        ({"transforms": (Squares(1),)}, "of the kind Transform"),
        ({"regularizers": ("tv",)}, "of the kind Regularizer"),
        ({"parametrization": Fourier(), "adjustments": (Halved(),)}, "Use parametrization=Pixels"),
    ],
)
def test_wrong_settings(make, setting, message):
    with pytest.raises(SettingError, match=message):
        make(**setting)


@pytest.mark.parametrize(
    "wrong",
    [
        {"steps": 0},
        {"look": 0},
        {"keep": "first"},
        {"patience": 0},
        {"seed": -1},
        {"snapshots": (9,)},
        {"batch_size": 0},
    ],
)
def test_wrong_runs(plain, wrong):
    with pytest.raises(SettingError):
        plain.run(T.ClassScore(1), 1, **{"steps": 4, **wrong})


def test_wrong_objectives(plain):
    with pytest.raises(TargetError):
        plain.run(T.ClassScore(9), 1, steps=1)
    with pytest.raises(TargetError, match="2 targets for 3"):
        plain.run(T.Each([T.ClassScore(0)] * 2), 3, steps=1)


@pytest.mark.slow
def test_other_inputs():
    specimen = zoo.ZOO["image_and_table"]()
    model, network = specimen.model, Network(specimen.model)
    image, table = network.inputs.specs
    rows = network.inputs.check(specimen.inputs)[1]
    setting = Setting(ImageSpace(*image.shape[1:], -1.0, 1.0), Pixels())
    ascent = Ascent(model, network, setting, input=image.name, others={table.name: rows[2]})
    climb = ascent.run(T.ClassScore(1), 2, steps=3)
    again = network.function(lambda tensors: list(network.forward(tensors).scores.values()))
    (scores,) = again([climb.images, rows[[2, 2]]])
    np.testing.assert_allclose(climb.scores, scores[:, 1], rtol=1e-4)
    with pytest.raises(InputError, match="also takes"):
        Ascent(model, network, setting, input=image.name)
    with pytest.raises(InputError, match="beside the image"):
        Ascent(model, network, setting, input=image.name, others={table.name: rows[0], "more": 1})


@pytest.mark.slow
def test_every_kind_of_model(specimen):
    network = Network(specimen.model, sample=specimen.inputs)
    images = [spec for spec in network.inputs.specs if len(spec.shape) == 4 and spec.floating]
    if not images:
        pytest.skip("takes no images")
    rows = network.inputs.check(specimen.inputs)
    number = network.inputs.specs.index(images[0])
    others = {spec.name: rows[i][0] for i, spec in enumerate(network.inputs.specs) if i != number}
    size = [side or 12 for side in images[0].shape[1:]]
    setting = Setting(ImageSpace(*size, -1.0, 1.0), Pixels(deviation=0.2))
    ascent = Ascent(specimen.model, network, setting, input=images[0].name, others=others)
    target = T.as_target(specimen.target)
    classes = isinstance(target, T.ClassScore) and target.describe_output(network)[1] != 1
    goal = T.ClassScore(1, output=target.output) if classes else T.as_target(0)
    climb = ascent.run(goal, 2, steps=8)
    assert (climb.scores > climb.history["score"][0]).all()
    tensors = [np.repeat(array[:1], 2, axis=0) for array in rows]
    tensors[number] = climb.images

    @tf.function(autograph=False)
    def run(tensors, arguments):
        return goal.score(network, network.forward(tensors, goal.addresses(network)), arguments)

    np.testing.assert_allclose(climb.scores, run(tensors, goal.arguments(network, 2)), rtol=1e-4, atol=1e-5)
