"""Critical samples in one call. Where several batches or radii follow, make a `CriticalSampleSearch` once."""

from kerasviz.generalization.critical_record import CriticalSamples
from kerasviz.generalization.critical_search import CriticalSampleSearch


def critical_samples(model, images, radius: float, *, seed: int = 0, **settings) -> CriticalSamples:
    """Find the critical samples among images: those whose predicted class changes within a box around them.

    Args:
        model: as for `CriticalSampleSearch`, which also states the source and the raised errors.
        images: as for `CriticalSampleSearch.__call__`.
        radius: half the side of the box, in the units of the images.
        seed: of the noise.
        **settings: `search`, `preprocess`, `input`, `output`, `bounds`, `batch_size`, `sample` of
            `CriticalSampleSearch`.

    Example:
        >>> import kerasviz as kv
        >>> model = kv.data.shapes.shapes_model()
        >>> scenes = kv.data.shapes.scenes(8, seed=3)
        >>> found = kv.critical_samples(model, scenes.images, radius=8, search="fgsm")
        >>> len(found), found.critical.dtype.name
        (8, 'bool')
    """
    return CriticalSampleSearch(model, **settings)(images, radius, seed)


def critical_sample_ratio(model, images, radius: float, *, seed: int = 0, **settings) -> float:
    """The share of critical samples (CSR) among images, 0 to 1; for any number of them, since no point is kept.

    Args:
        model: as for `critical_samples`.
        images: as for `critical_samples`.
        radius: as for `critical_samples`.
        seed: as for `critical_samples`.
        **settings: as for `critical_samples`.

    Example:
        >>> import kerasviz as kv
        >>> model = kv.data.shapes.shapes_model()
        >>> kv.critical_sample_ratio(model, kv.data.shapes.scenes(4, seed=3).images, radius=0)
        0.0
    """
    return CriticalSampleSearch(model, **settings).ratio(images, radius, seed)
