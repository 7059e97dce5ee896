"""Has a network learned, or memorized? Critical samples, the randomization test, and training against memorization.

The names below are imported when they are first used.
"""

import importlib as _importlib

_HOME = {
    "CriticalSampleSearch": "critical_search",
    "CriticalSamples": "critical_record",
    "FGSM": "searches",
    "LASS": "searches",
    "PGD": "searches",
    "Search": "searches",
    "critical_sample_ratio": "one_call",
    "critical_samples": "one_call",
}

__all__ = [*_HOME]  # noqa: PLE0604


def __getattr__(name):
    if name not in _HOME:
        raise AttributeError(f"module 'kerasviz.generalization' has no attribute {name!r}")
    value = getattr(_importlib.import_module(f"kerasviz.generalization.{_HOME[name]}"), name)
    globals()[name] = value
    return value


def __dir__():
    return sorted(__all__)
