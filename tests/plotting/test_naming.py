"""How numbers and classes are named for readers."""

import numpy as np

from kerasviz.plotting.naming import percent


def test_percentages_are_never_rounded_up_and_never_to_nothing():
    given = (0.98996, 0.99, float(np.float32(0.99)), 0.999999, 1.0, 0.0041, 0.0001, 0.00009, 1e-30, 0.0)
    assert [percent(number) for number in given] == [
        "98.99 %",
        "99.00 %",
        "99.00 %",
        "99.99 %",
        "100.00 %",
        "0.41 %",
        "0.01 %",
        "<0.01 %",
        "<0.01 %",
        "0.00 %",
    ]
