"""Fixtures of the attribution methods."""

import pytest
import zoo


@pytest.fixture
def fresh():
    """An ordinary small classifier that a test may change, and a batch of three images for it."""
    specimen = zoo.ZOO["sequential"]()
    return specimen.model, specimen.inputs
