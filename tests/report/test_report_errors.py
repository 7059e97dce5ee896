"""What a report refuses, before it does anything."""

import keras
import numpy as np
import pytest
from keras import layers
from reported import photographs, small

import kerasviz as kv
from kerasviz.errors import InputError, ModelError, SaveError, SettingError, TargetError
from kerasviz.report import write_report

WRONG = {
    "names": ({"names": ["a"]}, InputError, "1 names for 2 images"),
    "text as names": ({"names": "ab"}, SettingError, "names is of the type str"),
    "labels": ({"labels": ["a"]}, SettingError, "1 labels"),
    "display": ({"display": np.zeros((3, 4, 4, 3))}, InputError, "display holds 3 pictures for 2 images"),
    "display of batches": ({"display": np.zeros((2, 1, 4, 4, 3))}, InputError, "which is a batch"),
    "target": ({"targets": [3]}, TargetError, "targets holds 3"),
    "target by name": ({"targets": ["cat"]}, TargetError, "targets="),
    "output": ({"output": "other"}, TargetError, "no output 'other'"),
    "nothing": ({"top": 0}, SettingError, "top=0 without targets"),
    "top": ({"top": 1.5}, SettingError, "top=1.5"),
    "batch": ({"batch_size": 0}, SettingError, "batch_size=0"),
    "seed": ({"seed": -1}, SettingError, "seed=-1"),
    "method": ({"methods": ["grad-came"]}, SettingError, "Did you mean 'grad_cam'"),
    "no method": ({"methods": []}, SettingError, "at least one"),
    "measures": ({"measures": [1, 2]}, SettingError, "measures is of the type list"),
    "measure's method": ({"measures": {"IoU": {"occlusion": [1, 2]}}}, SettingError, "figures of 'occlusion'"),
    "measure's count": ({"measures": {"IoU": [1.0]}}, InputError, r"shape \(1,\) for 2 images"),
    "measure's text": ({"measures": {"IoU": ["a", "b"]}}, InputError, "no numbers"),
    "title": ({"title": 3}, SettingError, "title=3"),
}


@pytest.mark.parametrize("case", WRONG)
def test_refused(case, tmp_path):
    settings, error, message = WRONG[case]
    with pytest.raises(error, match=message):
        write_report(small(), photographs(2), tmp_path / "page.html", **settings)
    assert not list(tmp_path.iterdir())


def test_images_that_do_not_fit(tmp_path):
    images = photographs(2).astype(np.float32)
    images[1, 0, 0, 0] = np.nan
    for given, message in ((images, r"samples \[1\]"), (images[0], "without a batch axis"), (images[:, :5], "shape")):
        with pytest.raises(InputError, match=message):
            write_report(small(), given, tmp_path / "page.html")
    with pytest.raises(SettingError, match="was made for the model 'small', which takes or returns another shape"):
        write_report(small(), photographs(2), tmp_path / "page.html", methods=[kv.Saliency(small(2))])
    with pytest.raises(ModelError, match="No method fits"):
        write_report(_dense(), photographs(2), tmp_path / "page.html", methods=["grad-cam"])
    assert not list(tmp_path.iterdir())


def _dense():
    return keras.Sequential([keras.Input((24, 32, 3)), layers.Flatten(), layers.Dense(2)])


def test_models_that_take_no_picture(tmp_path):
    one, two = keras.Input((8, 8, 3)), keras.Input((8, 8, 3))
    both = keras.Model([one, two], layers.Flatten()(layers.Add()([one, two])))
    images = np.zeros((1, 8, 8, 3), np.uint8)
    with pytest.raises(InputError, match="several inputs is not supported"):
        write_report(both, [images, images], tmp_path / "page.html")
    for shape in ((16, 2), (4, 8, 8, 1)):
        flat = keras.Sequential([keras.Input(shape), layers.Flatten(), layers.Dense(2)])
        with pytest.raises(InputError, match="A report shows pictures"):
            write_report(flat, np.zeros((1, *shape)), tmp_path / "page.html")


def test_places_that_cannot_be_written(tmp_path):
    (tmp_path / "file").write_text("")
    for place, message in ((tmp_path, "is a folder"), (tmp_path / "file" / "page.html", "file' is a file")):
        with pytest.raises(SaveError, match=message):
            write_report("no such model", None, place)
