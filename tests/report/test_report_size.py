"""How large a report of photographs is."""

import cv2
import numpy as np
import pytest

import kerasviz as kv
from kerasviz.report import write_report


@pytest.mark.slow
def test_twenty_photographs_would_be_under_five_megabytes(tmp_path):
    data = pytest.importorskip("skimage.data")
    photographs = [data.astronaut(), data.chelsea(), data.coffee(), data.immunohistochemistry()]
    images = np.stack([cv2.resize(one[:300, :300], (224, 224), interpolation=cv2.INTER_AREA) for one in photographs])
    path = write_report(kv.data.imagenet_model(), images, tmp_path / "page.html", labels=kv.data.imagenet_labels())
    # The page grows with the images, all but the model's part; 20 would take minutes.
    assert 2e6 < 20 / len(images) * path.stat().st_size < 5e6
