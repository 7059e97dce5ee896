"""The critical sample ratio over the radius."""

from collections.abc import Callable, Sequence

import numpy as np

from kerasviz import progress
from kerasviz.checks import checked_seed
from kerasviz.errors import SettingError
from kerasviz.generalization.critical_search import CriticalSampleSearch
from kerasviz.generalization.curve_record import CriticalSampleCurve
from kerasviz.network.neighborhood import checked_radius


def critical_sample_curve(model, images, radii, *, seed: int = 0, **settings) -> CriticalSampleCurve:
    """Look for critical samples within several radii (Arpit et al. 2017, Definition 1).

    Radii are searched in ascending order. What was found within one lies within every larger one, too: such a sample
    is not searched again. So the curve never falls. Each radius has the same noise.

    Args:
        model: as for `CriticalSampleSearch`, which also states the source and the raised errors; or one that is
            ready, with its settings.
        images: what `model.predict` takes, before `preprocess`; found points are then kept. Or a batched
            `tf.data.Dataset` of such, with or without labels, of any length: it is gone through once, and points are
            not kept.
        radii: different numbers from 0 up, in any order, in the units of the images. At 0 no sample is critical.
        seed: of the noise.
        **settings: `search`, `preprocess`, `input`, `output`, `bounds`, `batch_size`, `sample` of
            `CriticalSampleSearch`.

    Raises:
        InputError: the images do not fit the model, hold NaN, or leave the bounds.
        SettingError: radii are missing, repeated or out of range; or settings come with a search that is ready.

    Example:
        >>> import kerasviz as kv
        >>> search = CriticalSampleSearch(kv.data.shapes.shapes_model(), search="fgsm", bounds=(0, 255))
        >>> curve = critical_sample_curve(search, kv.data.shapes.scenes(8, seed=3).images, [0, 4, 16])
        >>> curve.radii.tolist(), float(curve.ratios[0])
        ([0.0, 4.0, 16.0], 0.0)
    """
    radii, seed = checked_radii(radii), checked_seed(seed)
    if isinstance(model, CriticalSampleSearch):
        search = model
        if settings:
            raise SettingError(
                f"{', '.join(settings)} given with a search that is ready",
                expected="settings only with a model",
                mend="Give them to CriticalSampleSearch",
            )
    else:
        search = CriticalSampleSearch(model, **settings)
    stream = search.stream(images)
    in_memory, known = stream.total is not None, stream.expected()
    work = (known or 1) * np.count_nonzero(radii) * search.search.steps
    with progress.bar(int(work), "Critical sample curve") as advance:
        parts = []
        for _, arrays in stream:
            told = advance if known else lambda steps: None
            parts.append(curve_of_block(search, arrays, radii, seed, keep_points=in_memory, advance=told))
    return CriticalSampleCurve.joined(parts)


def checked_radii(given) -> np.ndarray:
    """Radii in ascending order, float64.

    Raises:
        SettingError: there are none, one is no number from 0 up, or one is there twice.
    """
    values = given.tolist() if isinstance(given, np.ndarray) else given
    if isinstance(values, str) or not isinstance(values, Sequence) or not len(values):
        raise SettingError(
            f"radii={given!r}",
            expected="a list of at least one radius",
            mend="The paper has 0.3 for pixel values of 0 to 255; radii=[0.3, 1, 2, 4, 8] shows what follows",
        )
    radii = np.array(sorted(map(checked_radius, values)))
    repeated = radii[1:][np.diff(radii) == 0]
    if len(repeated):
        raise SettingError(f"radii={given!r}: {repeated[0]:g} is there twice", expected="each once", mend="Take it out")
    return radii


def curve_of_block(
    search: CriticalSampleSearch, arrays: list, radii: np.ndarray, seed: int, *, keep_points: bool, advance: Callable
) -> CriticalSampleCurve:
    """The curve of some samples that are in memory, without a progress bar.

    Args:
        search: compiled.
        arrays: the inputs, flat, as `search.network.inputs.check` returns them.
        radii: as `checked_radii` returns them.
        seed: of the noise.
        keep_points: whether found points are wanted.
        advance: called with the number of steps that were made, or are saved; in all samples x steps for each radius
            over 0.

    Raises:
        InputError: the images leave the bounds.
    """
    count, steps = len(arrays[0]), search.search.steps
    smallest, left, kept = np.full(count, np.inf), np.arange(count), None
    for radius in radii.tolist():
        advance((count - len(left)) * steps if radius else 0)
        if not len(left):
            continue
        found = search.search_arrays([array[left] for array in arrays], radius, seed, advance)
        kept = kept or found
        critical = found.steps >= 0
        rows = left[critical]
        smallest[rows], kept.new_classes[rows] = radius, found.new_classes[critical]
        if keep_points:
            kept.points[rows] = found.points[critical]
        left = left[~critical]
    points = kept.points if keep_points else None
    return CriticalSampleCurve(radii, smallest, kept.classes, kept.new_classes, points, search.settings(seed))
