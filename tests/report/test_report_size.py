"""How large a report of photographs is."""

import cv2
import numpy as np
import pytest

import kerasviz as kv
from kerasviz.report import write_report


@pytest.mark.slow
def test_twenty_photographs_are_under_five_megabytes(tmp_path):
    data = pytest.importorskip("skimage.data")
    photographs = [data.astronaut(), data.chelsea(), data.coffee(), data.immunohistochemistry(), data.rocket()]
    corners = [
        one[y, x]
        for one in photographs
        for y in (slice(300), slice(-300, None))
        for x in (slice(300), slice(-300, None))
    ]
    images = np.stack([cv2.resize(corner, (224, 224), interpolation=cv2.INTER_AREA) for corner in corners])
    path = write_report(kv.data.imagenet_model(), images, tmp_path / "page.html", labels=kv.data.imagenet_labels())
    assert len(images) == 20
    assert 2e6 < path.stat().st_size < 5e6
