"""What takes the memory of a model."""

from collections import Counter

from kerasviz.inspection.health import Weight


def sizes(found: list[Weight], most: int = 10) -> dict:
    """The bytes of a model's weights, by dtype and by layer.

    Args:
        found: all weights of a model, as `kerasviz.inspection.weights` gives them.
        most: of so many layers the heaviest are listed.

    Returns:
        A dict with

        - "bytes" in memory, all together, and "values", how many numbers that is;
        - "dtypes": for each dtype the "bytes", their "share" of all, and the "values", the largest first;
        - "heaviest": the layers that hold the most themselves, their parts not counted: each one's "layer" ("" for the
          model itself), "bytes", "share" and "values".
    """
    total = sum(weight.bytes for weight in found)
    by_dtype = _sums(found, lambda weight: weight.dtype, total)
    by_layer = _sums(found, lambda weight: weight.layer, total)
    return {
        "bytes": total,
        "values": sum(weight.size for weight in found),
        "dtypes": by_dtype,
        "heaviest": [{"layer": layer, **row} for layer, row in list(by_layer.items())[:most] if row["bytes"]],
    }


def _sums(found, key, total):
    bytes_, counts = Counter(), Counter()
    for weight in found:
        bytes_[key(weight)] += weight.bytes
        counts[key(weight)] += weight.size
    return {
        name: {"bytes": count, "share": count / total if total else 0.0, "values": counts[name]}
        for name, count in bytes_.most_common()
    }
