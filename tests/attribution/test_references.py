"""Every method against its slow reference, on every kind of model."""

import numpy as np
import pytest
from zoo_cases import REFERENCED, WEIGHTINGS, case_of


@pytest.mark.parametrize(("name", "method"), REFERENCED)
def test_equals_the_reference_from_the_paper(name, method):
    """Relative to the largest value of each sample's map; mixed precision is computed in float32, so the same."""
    case = case_of(name)
    explanation = case.explanation(method)
    maps = list(explanation.values.values()) if isinstance(explanation.values, dict) else [explanation.values]
    references = [case.slow(method, i) for i in range(case.count)]
    # Rectified maps of random networks may be zero; signed ones are not.
    lively = [any(slow.any() for slow in expected) for expected in references]
    assert all(lively) or (any(lively) and method in WEIGHTINGS)
    for i, expected in enumerate(references):
        assert len(maps) == len(expected)
        for fast, slow in zip(maps, expected, strict=True):
            assert fast.shape[1:] == slow.shape
            assert fast.dtype == np.float32
            assert np.abs(fast[i] - slow).max() <= 1e-5 * np.abs(slow).max()
