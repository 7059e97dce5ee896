"""`Watch` and its album: when it looks, what its files are called and hold."""

import warnings

import keras
import numpy as np
import pytest
from keras import layers as L
from PIL import Image, ImageSequence

from kerasviz.callbacks import Watch
from kerasviz.callbacks.shots import Picture, Shot
from kerasviz.errors import KerasvizWarning, ModelError, SaveError, SettingError

SIZE = (56, 40)


class Steps(Watch):
    """Sees the one weight of `stepping`, and draws it as a grey level."""

    def __init__(self, name="steps", broken=(), **settings):
        super().__init__(name, **settings)
        self.opened, self.broken = 0, broken

    def open(self):
        self.opened += 1

    def look(self):
        steps = round(float(self.model.get_weights()[0][0, 0]))
        if steps in self.broken:
            raise self.broken[steps]
        if steps % 2:
            warnings.warn(f"Odd numbers such as {steps}", KerasvizWarning, stacklevel=2)
        pixels = np.full((*SIZE, 3), steps, np.uint8)
        return Shot(steps, (Picture("0", "", pixels),), {"steps": steps})


@keras.saving.register_keras_serializable("callbacks")
class Stepping(keras.Sequential):
    """Its weight is the number of batches that it was trained on."""

    def train_step(self, data):
        self.layers[0].kernel.assign_add([[1.0]])
        return {"loss": self.layers[0].kernel[0, 0]}


def stepping():
    model = Stepping([keras.Input((1,)), L.Dense(1, use_bias=False, kernel_initializer="zeros")])
    model.compile("sgd", "mse", run_eagerly=True)
    return model


def fit(watch, model=None, **settings):
    """Three batches an epoch, the last one short."""
    five = np.zeros((5, 1))
    settings = {"x": five, "y": five, "epochs": 4, "batch_size": 2, "verbose": 0, "callbacks": [watch]} | settings
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Odd numbers", KerasvizWarning)
        (model or stepping()).fit(**settings)
    return watch.history


def levels(path):
    """The grey level of each look on a picture: tiles are enlarged by 2, and stand under a line of text."""
    with Image.open(path) as file:
        pixels = np.asarray(file.convert("RGB"))
    height = 2 * SIZE[0]
    rows = np.flatnonzero((pixels[:, 2:-2] == pixels[:, 2:3]).all(axis=(1, 2)) & (pixels[:, 2, 0] < 255))
    found = pixels[rows, 2, 0].reshape(-1, height)
    assert (found == found[:, :1]).all()
    return found[:, 0].tolist()


def names(folder):
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        pytest.param({}, [(0, 3), (1, 6), (2, 9), (3, 12)], marks=pytest.mark.slow),
        ({"every": 2}, [(0, 3), (2, 9), (3, 12)]),
        pytest.param({"every": 9, "initial": True}, [(-1, 0), (0, 3), (3, 12)], marks=pytest.mark.slow),
        ({"keep": 2}, [(2, 9), (3, 12)]),
        pytest.param({"keep": 0}, [], marks=pytest.mark.slow),
        ({"unit": "batch", "every": 5}, [(5, 5), (10, 10), (12, 12)]),
        pytest.param(
            {"unit": "batch", "every": 4, "initial": True}, [(0, 0), (4, 4), (8, 8), (12, 12)], marks=pytest.mark.slow
        ),
    ],
)
def test_it_looks_when_it_is_time(settings, expected):
    assert fit(Steps(**settings)) == expected


@pytest.mark.slow
def test_it_looks_after_steps_that_were_made_together():
    model = keras.Sequential([keras.Input((1,)), L.Dense(1, use_bias=False, kernel_initializer="zeros")])
    # The gradient of (w - 1e6)² is -2e6: each step adds 2, whose evenness is no matter for a warning.
    model.compile(keras.optimizers.SGD(1e-6), "mse", steps_per_execution=2)
    watch = Steps(unit="batch", every=2)
    fit(watch, model, x=np.ones((9, 1)), y=np.full((9, 1), 1e6), epochs=2)
    # Five batches an epoch end as 2, 4 and 5; the look that was due at 6 comes at 7.
    assert watch.history == [(2, 4), (4, 8), (7, 14), (9, 18), (10, 20)]


@pytest.mark.slow
def test_each_fit_begins_anew_and_goes_on_where_it_is_told_to(tmp_path):
    watch, model = Steps(every=2, folder=tmp_path), stepping()
    fit(watch, model, epochs=3)
    assert watch.history == [(0, 3), (2, 9)]
    assert fit(watch, model, initial_epoch=3, epochs=6) == [(3, 12), (4, 15), (5, 18)]
    assert watch.opened == 2
    assert levels(tmp_path / "steps.png") == [3, 9, 12, 15, 18]
    # A model that begins at its beginning has nothing to do with the pictures that are there.
    fit(watch, epochs=1)
    assert levels(tmp_path / "steps.png") == [3, 9, 12, 15, 18]
    fit(watch, epochs=2)
    assert levels(tmp_path / "steps.png") == [3, 6]


@pytest.mark.slow
def test_initial_looks_of_a_resumed_training_have_its_number(tmp_path):
    model = stepping()
    fit(Steps(folder=tmp_path, initial=True), model, epochs=2)
    assert levels(tmp_path / "steps.png") == [0, 3, 6]
    assert fit(Steps(folder=tmp_path, initial=True), model, initial_epoch=2, epochs=3) == [(1, 6), (2, 9)]
    assert levels(tmp_path / "steps-epoch-0000.png") == [0]
    assert levels(tmp_path / "steps.png") == [0, 3, 6, 9]
    # Another training, without a look before it, does not take that of this one.
    fit(Steps(folder=tmp_path), epochs=2)
    assert levels(tmp_path / "steps.png") == [3, 6]


@pytest.mark.slow
def test_a_training_that_was_backed_up_goes_on(tmp_path):
    def restored(callbacks):
        model = stepping()
        # Behind the watch, too: it restores the weights only after the watch was opened.
        backup = keras.callbacks.BackupAndRestore(tmp_path / "backup", delete_checkpoint=False)
        watch = Steps(folder=tmp_path / "pictures", initial=True)
        fit(watch, model, callbacks=[watch, backup, *callbacks], epochs=4)
        return watch

    def stop(epoch, logs):
        if epoch == 2:
            raise ValueError("stopped")

    with pytest.raises(ValueError, match="stopped"):
        restored([keras.callbacks.LambdaCallback(on_epoch_begin=stop)])
    watch = restored([])
    assert watch.history == [(1, 6), (2, 9), (3, 12)]
    assert levels(tmp_path / "pictures" / "steps.png") == [0, 3, 6, 9, 12]


def test_files_are_named_by_what_is_done_and_hold_it(tmp_path):
    fit(Steps("grad_cam", folder=tmp_path / "a" / "b", every=2, initial=True), epochs=4)
    looks = {"0000": 0, "0001": 3, "0003": 9, "0004": 12}
    expected = {f"grad_cam-epoch-{number}.png": [level] for number, level in looks.items()}
    assert names(tmp_path / "a" / "b") == sorted([*expected, "grad_cam.gif", "grad_cam.png"])
    for name, level in expected.items():
        assert levels(tmp_path / "a" / "b" / name) == level
    with Image.open(tmp_path / "a" / "b" / "grad_cam-epoch-0000.png") as file:
        assert file.text == {"Title": "grad_cam, before training"}
    with Image.open(tmp_path / "a" / "b" / "grad_cam.gif") as gif:
        frames = [int(np.asarray(frame.convert("RGB"))[60, 60, 0]) for frame in ImageSequence.Iterator(gif)]
    assert frames == [0, 3, 9, 12]
    assert levels(tmp_path / "a" / "b" / "grad_cam.png") == frames


@pytest.mark.slow
def test_a_strip_holds_twelve_looks_evenly_chosen(tmp_path):
    fit(Steps(unit="batch", folder=tmp_path), epochs=9)
    # 27 looks: 26 / 11 batches from one to the next.
    assert levels(tmp_path / "steps.png") == [1, 3, 6, 8, 10, 13, 15, 18, 20, 22, 25, 27]
    with Image.open(tmp_path / "steps.gif") as gif:
        assert gif.n_frames == 27
    assert "steps-batch-0027.png" in names(tmp_path)
    # Batches are counted anew: those before are of another training.
    fit(Steps(unit="batch", every=2, folder=tmp_path), epochs=2)
    assert levels(tmp_path / "steps.png") == [2, 4, 6]


@pytest.mark.slow
def test_one_look_makes_no_strip(tmp_path):
    fit(Steps(folder=tmp_path), epochs=1)
    assert names(tmp_path) == ["steps-epoch-0001.png"]


@pytest.mark.slow
def test_pictures_of_another_size_are_left_out_of_the_strip(tmp_path):
    fit(Steps(folder=tmp_path), epochs=2)
    Image.new("RGB", (9, 9)).save(tmp_path / "steps-epoch-0001.png")
    (tmp_path / "steps-epoch-0002.png").write_bytes(b"no picture")
    (tmp_path / "steps-epoch-two.png").write_bytes(b"no picture")
    fit(Steps(folder=tmp_path), initial_epoch=2, epochs=4)
    assert levels(tmp_path / "steps.png") == [3, 6]


def test_what_is_wrong_at_each_look_is_told_once():
    watch = Steps(broken={6: ValueError("six"), 9: ValueError("nine"), 12: SettingError("12", expected="", mend="")})
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        stepping().fit(np.zeros((5, 1)), np.zeros((5, 1)), epochs=7, batch_size=2, verbose=0, callbacks=[watch])
    assert [step for step, _ in watch.history] == [0, 4, 5, 6]
    assert [str(each.message).split(",")[0] for each in told if each.category is KerasvizWarning] == [
        "Odd numbers such as 3",
        "Steps 'steps': what the model looks like after 2 epochs cannot be looked at",
        "Steps 'steps': what the model looks like after 4 epochs cannot be looked at",
    ]
    assert "training goes on. ValueError: six" in str(told[1].message)


def test_warnings_go_through_the_filters_of_the_user():
    with warnings.catch_warnings():
        warnings.simplefilter("error", KerasvizWarning)
        with pytest.raises(KerasvizWarning, match="Odd numbers"):
            stepping().fit(np.zeros((1, 1)), np.zeros((1, 1)), verbose=0, callbacks=[Steps()])


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"every": 0}, "every=0"),
        ({"every": 1.5}, "every=1.5"),
        ({"unit": "step"}, "'epoch', 'batch'"),
        ({"keep": -1}, "keep=-1"),
        ({"name": ""}, "name=''"),
        ({"name": "a/b"}, "name='a/b'"),
        ({"name": 3}, "name=3"),
    ],
)
def test_settings_out_of_range_are_refused(settings, words):
    with pytest.raises(SettingError, match=words):
        Steps(**settings)


def test_what_cannot_be_begun_is_an_error_before_the_first_batch(tmp_path):
    file = tmp_path / "file"
    file.write_text("no folder")
    for place in ("folder", "log_dir"):
        for path in (file, file / "below", "/proc/nowhere"):
            model = stepping()
            with pytest.raises(SaveError, match="may write to"):
                fit(Steps(**{place: path}), model)
            assert model.get_weights()[0] == 0
    model = Stepping([L.Dense(1)])
    model.compile("sgd", "mse", run_eagerly=True)
    with pytest.raises(ModelError, match="Build it before fit"):
        fit(Steps(initial=True), model)


def test_a_mistake_leaves_no_files(tmp_path):
    class Wrong(Steps):
        def open(self):
            raise SettingError("wrong", expected="right", mend="Mend it")

    with pytest.raises(SettingError):
        fit(Wrong(folder=tmp_path / "pictures", log_dir=tmp_path / "logs"))
    assert names(tmp_path) == []
