"""Which channels of a map are looked at."""

import numpy as np

from kerasviz.errors import SettingError

_MOST = 64  # channels, unless more are asked for


def ranked(values: np.ndarray, by: str) -> np.ndarray:
    """The channels of maps `(N, *space, C)`, the strongest first, `(N, C)`; see `Activations.strongest`.

    Raises:
        SettingError: `by` is neither "max" nor "mean".
    """
    if by not in ("max", "mean"):
        raise SettingError(f"by={by!r}", expected="'max' or 'mean'", mend="Leave it out for 'max'")
    space = tuple(range(1, values.ndim - 1))
    keys = [-values.mean(axis=space, dtype=np.float64), -values.max(axis=space)]
    # The last key counts first.
    return np.lexsort(keys if by == "max" else keys[::-1], axis=-1)


def choose(values: np.ndarray, channels, by: str, layer: str) -> list[int]:
    """The numbers of the channels of one map `(*space, C)` to draw; see `Activations.montage`.

    Raises:
        SettingError: there are no such channels.
    """
    count = values.shape[-1]
    if channels is None:
        channels = _MOST if count > _MOST else "all"
    if isinstance(channels, str) and channels == "all":
        return list(range(count))
    if isinstance(channels, int | np.integer) and not isinstance(channels, bool) and channels > 0:
        return ranked(values[None], by)[0, :channels].tolist()
    listed = np.asarray(channels)
    there = listed.ndim == 1 and listed.size > 0 and listed.dtype.kind in "iu"
    if not there or listed.min() < 0 or listed.max() >= count:
        raise SettingError(
            f"channels={channels!r} of the layer {layer!r}",
            expected=f'"all", how many of the strongest, or a list of numbers from 0 to {count - 1}',
            mend="Leave it out for all, but at most 64",
        )
    return listed.tolist()
