"""The top quantile of many channels at once, over a stream too long to keep."""

import math

import numpy as np

from kerasviz.errors import InputError, SettingError

CAPACITY = 1 << 14
"""Values that are kept for a channel: 64 kB each. Where they suffice, the quantile is exact."""

_PENDING = 1 << 24  # values over all channels that wait for a compaction at most
_ROUNDS = 4  # compactions come after so many times the values that are kept, so that early floors are found soon


class TopQuantile:
    """For each channel the value that a given share of all its values exceeds.

    Only the upper tail is kept. As soon as a channel has seen as many values as the tail may hold in the end, the
    smallest of them is a floor below which nothing matters any more: values under it are counted and dropped. In a
    stream in random order few of the later ones pass.

    With up to `capacity` values in the tail (about `total * fraction`) the result is that of `numpy.quantile`. Beyond,
    every `group` neighbours in order of size are kept as one, the middle one. Such a compaction shifts the rank of a
    value by at most `group / 2`; so the share of values above the result differs from `fraction` by at most
    `error_bound`, the number of compactions times that, over the number of values. There is one for every `capacity`
    values a channel that pass the floor (for fewer, above 1024 channels), hence at most `group / (2 * capacity)` in the
    worst order, which rises, and a small part of that in random order.

    Deterministic: the same values in the same batches give the same result, also when the state is stored
    between them.

    Args:
        channels: how many.
        total: the most values that a channel will get.
        fraction: the share of them above the quantile.
        capacity: values that are kept for a channel.

    Raises:
        SettingError: a number is out of range.

    Example:
        >>> values = np.random.default_rng(0).normal(size=(5000, 2)).astype(np.float32)
        >>> sketch = TopQuantile(2, total=5000, fraction=0.01)
        >>> for part in np.split(values, 10):
        ...     sketch.update(part)
        >>> bool((sketch.quantile() == np.quantile(values, 0.99, axis=0).astype(np.float32)).all())
        True
    """

    def __init__(self, channels: int, total: int, fraction: float = 0.005, capacity: int = CAPACITY):
        if not 0 < fraction < 1:
            raise SettingError(
                f"fraction={fraction!r}", expected="a share between 0 and 1", mend="Use 0.005, as Bau et al. 2017"
            )
        for name, value in (("channels", channels), ("total", total), ("capacity", capacity)):
            if value < 1:
                raise SettingError(f"{name}={value!r}", expected="1 or more", mend=f"Change {name}")
        self.fraction, self.total, self.capacity = fraction, total, capacity
        tail = self._tail(total)
        self.group = math.ceil(tail / capacity)
        self._kept = np.full((channels, math.ceil(tail / self.group) + 1), -np.inf, np.float32)
        self._floor = np.full(channels, -np.inf, np.float32)
        self._values, self._owners = [np.empty(0, np.float32)], [np.empty(0, np.int32)]
        self._most = min(_PENDING, channels * min(capacity, _ROUNDS * self._kept.shape[1]))
        self._pending = 0
        self.count = 0
        self.compactions = 0

    def update(self, values: np.ndarray):
        """Take in more values.

        Args:
            values: `(n, channels)` float32; not modified.

        Raises:
            InputError: NaN or infinite values, or more of them than were announced.
        """
        if not np.isfinite(values).all():
            raise InputError(
                "A feature map holds NaN or infinite values",
                expected="finite activations",
                mend="Look for the first layer that makes them with Network.activations",
            )
        if self.count + len(values) > self.total:
            raise InputError(
                f"A channel gets {self.count + len(values)} values",
                expected=f"at most {self.total}, as announced",
                mend="Announce as many as there will be",
            )
        self.count += len(values)
        channels = len(self._floor)
        step = max(1, self._most // channels)
        for start in range(0, len(values), step):
            part = np.ascontiguousarray(values[start : start + step], np.float32)
            passed = np.flatnonzero(part > self._floor)
            self._values.append(part.ravel()[passed])
            self._owners.append((passed % channels).astype(np.int32))
            self._pending += len(passed)
            if self._pending >= self._most:
                self._compact()

    def quantile(self) -> np.ndarray:
        """The quantile of each channel, `(channels,)` float32, interpolated linearly as `numpy.quantile` does.

        Raises:
            InputError: nothing was taken in.
        """
        if self.count == 0:
            raise InputError("No values were taken in", expected="at least one", mend="Look at the data set")
        rank = (self.count - 1) * (1 - self.fraction)
        above = self._tail(self.count)
        found = np.empty(len(self._floor), np.float64)
        for channel, raw in enumerate(self._by_channel()):
            kept = self._kept[channel]
            kept = kept[np.isfinite(kept)]
            values = np.concatenate([kept, raw]).astype(np.float64)
            weights = np.concatenate([np.full(len(kept), self.group), np.ones(len(raw), int)])
            order = np.argsort(-values, kind="stable")
            ranks = np.cumsum(weights[order])
            low, high = (values[order[min(np.searchsorted(ranks, k), len(order) - 1)]] for k in (above, above - 1))
            found[channel] = low if above == 1 else low + (high - low) * (rank - math.floor(rank))
        return found.astype(np.float32)

    @property
    def error_bound(self) -> float:
        """By how much the share of values above the quantile can differ from `fraction`; 0 where it is exact."""
        return 0.0 if self.group == 1 else self.compactions * math.ceil(self.group / 2) / max(1, self.count)

    def state(self) -> dict[str, np.ndarray]:
        """All that `restore` needs, as arrays."""
        return {
            "kept": self._kept,
            "floor": self._floor,
            "values": np.concatenate(self._values),
            "owners": np.concatenate(self._owners),
            "counts": np.array([self.count, self.compactions]),
        }

    def restore(self, state):
        """Go on from a stored `state` of a sketch with the same settings."""
        self._kept, self._floor = state["kept"].copy(), state["floor"].copy()
        self._values, self._owners = [state["values"].copy()], [state["owners"].copy()]
        self._pending = len(self._values[0])
        self.count, self.compactions = map(int, state["counts"])

    def _tail(self, count):
        """How many of the largest of `count` values the quantile may depend on."""
        return count - math.floor((count - 1) * (1 - self.fraction))

    def _by_channel(self):
        """The values that were not compacted yet, sorted, of one channel after another."""
        values, owners = np.concatenate(self._values), np.concatenate(self._owners)
        order = np.lexsort((values, owners))
        ends = np.cumsum(np.bincount(owners, minlength=len(self._floor)))
        return np.split(values[order], ends[:-1])

    def _compact(self):
        rest = []
        for channel, raw in enumerate(self._by_channel()):
            descending = raw[::-1]
            whole = len(descending) // self.group * self.group
            kept = np.concatenate([self._kept[channel], descending[self.group // 2 : whole : self.group]])
            size = self._kept.shape[1]
            self._kept[channel] = np.partition(kept, len(kept) - size)[-size:]
            rest.append(descending[whole:])
        self._floor = self._kept.min(axis=1)
        self._values = [np.concatenate(rest)]
        self._owners = [np.repeat(np.arange(len(rest), dtype=np.int32), [len(part) for part in rest])]
        self._pending = len(self._values[0])
        self.compactions += 1
