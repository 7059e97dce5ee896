"""Upsampling against a loop over half-pixel centres."""

import numpy as np
import pytest
import tensorflow as tf
from reference.resizing import linear

from kerasviz.attribution.interpolation import upsample


@pytest.mark.parametrize(
    ("shape", "sizes"),
    [((5,), (13,)), ((5,), (3,)), ((3, 4), (7, 9)), ((6, 2), (4, 11)), ((2, 3, 4), (5, 3, 9)), ((1, 3, 2), (4, 6, 1))],
)
def test_interpolates_linearly_between_half_pixel_centres(shape, sizes, rng):
    maps = rng.normal(0, 1, (2, *shape)).astype("float32")
    result = upsample(tf.constant(maps), sizes).numpy()
    assert result.shape == (2, *sizes)
    for i in range(2):
        np.testing.assert_allclose(result[i], linear(maps[i], sizes), rtol=1e-5, atol=1e-6)


def test_a_ramp_by_hand():
    """Four pixels for two: centres at -.25, .25, .75 and 1.25 of the old ones; the ends are repeated."""
    np.testing.assert_allclose(upsample(tf.constant([[0.0, 4.0]]), [4]).numpy(), [[0, 1, 3, 4]])
