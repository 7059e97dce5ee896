"""Filters that do nothing, and filters that do the same."""

import numpy as np

from kerasviz.inspection.columns import Columns

#: Filters whose norm is at most this share of the largest are zero for all that the next layer sees.
NOTHING = 1e-5
#: Filters are equal if the norm of their difference is at most this share of the larger's.
TOLERANCE = 1e-4
#: Filters of fewer weights are equal by chance.
FEWEST = 2
_PROBES = 3
#: Values that are compared, or squared, at once.
_MOST = 1 << 22


def norms(columns: Columns) -> np.ndarray:
    """The Euclidean norm of each filter, `(filters,)`; not finite where its weights are not."""
    values = columns.values
    squares = np.zeros(values.shape[1], np.float64)
    step = max(1, _MOST // max(1, values.shape[1]))
    with np.errstate(over="ignore", invalid="ignore"):
        for start in range(0, len(values), step):
            block = values[start : start + step]
            squares += np.einsum("ij,ij->j", block, block)
    return np.sqrt(squares)


def dead(lengths: np.ndarray) -> np.ndarray:
    """The numbers of the filters that are zero beside the others, of their norms."""
    finite = lengths[np.isfinite(lengths)]
    return np.flatnonzero(lengths <= NOTHING * finite.max()) if finite.size else np.zeros(0, int)


def equal(columns: Columns, lengths: np.ndarray, tolerance: float = TOLERANCE) -> list[list[int]]:
    """Groups of filters that are equal and look at the same inputs; those that are zero, or not finite, equal none.

    The filters are sorted by what they give for a few random inputs. Only those that give about the same are
    compared, so that thousands of filters take no longer than reading them a few times.

    Args:
        columns: the filters.
        lengths: their norms, as `norms` gives them.
        tolerance: equal are those whose difference has at most this share of the larger norm.

    Returns:
        Lists of two numbers or more, in rising order.
    """
    values, looks_at = columns
    fit = np.isfinite(lengths)
    fit[dead(lengths)] = False
    numbers = np.flatnonzero(fit)
    if len(values) < FEWEST or len(numbers) < 2:
        return []
    # Each probe tells two filters apart by their distance times a normal number, but for rounding.
    probes = np.random.default_rng(0).standard_normal((_PROBES, len(values))).astype(values.dtype)
    with np.errstate(over="ignore", invalid="ignore"):
        answers = probes @ values
    near = (5 * tolerance + 1e-5) * lengths
    runs = _runs(numbers, looks_at.astype(float), np.zeros(len(lengths)))
    for answer in (lengths, *answers):
        runs = [part for run in runs for part in _runs(run, answer, near)]
    groups = [group for run in runs for group in _groups(values, lengths, np.sort(run), tolerance)]
    return sorted(groups)


def _runs(numbers, answer, near):
    """Parts of some filters, of two or more, whose neighbours in order of an answer are near each other."""
    numbers = numbers[np.argsort(answer[numbers], kind="stable")]
    apart = np.diff(answer[numbers]) > np.maximum(near[numbers[1:]], near[numbers[:-1]])
    return [run for run in np.split(numbers, np.flatnonzero(apart) + 1) if len(run) > 1]


def _groups(values, lengths, numbers, tolerance):
    """Groups of those that equal their lowest."""
    while len(numbers) > 1:
        first, others = numbers[0], numbers[1:]
        apart = _distances(values, first, others)
        same = apart <= tolerance * np.maximum(lengths[first], lengths[others])
        if same.any():
            yield [int(first), *others[same].tolist()]
        numbers = others[~same]


def _distances(values, one, others):
    step = max(1, _MOST // len(values))
    parts = [values[:, others[start : start + step]] for start in range(0, len(others), step)]
    return np.concatenate([np.linalg.norm(part - values[:, [one]], axis=0) for part in parts])
