"""The page of a dissection: one HTML file that needs nothing beside it."""

from pathlib import Path

from kerasviz import pages, progress
from kerasviz.data.concepts.base import ConceptData
from kerasviz.features.dissection.counting import THRESHOLD, above_chance, count_detectors, headline
from kerasviz.features.dissection.record import Dissection
from kerasviz.features.dissection.strips import GAP, TALLEST, Strips
from kerasviz.features.dissection.tables import order
from kerasviz.writing import plain, write_whole

_BAR, _STEP, _BETWEEN, _TALL, _LEFT = 11, 15, 14, 130, 34
_LONGEST = 24  # characters of a label beneath its bar


def write_report(
    dissection: Dissection, data: ConceptData, path, *, threshold: float = THRESHOLD, runners_up: int = 4
) -> Path:
    """Write the page: what the layer detects, and for each unit its concept and the images that prove it.

    One file: styles, scripts and pictures are inside, nothing is fetched, and it can be mailed or printed. Units can be
    sorted and filtered; without JavaScript they are a list by descending IoU. Reads only the top images from the
    data set. 512 units with 9 photographs each are about 12 MB.

    Args:
        dissection: of a layer.
        data: the data set that was dissected.
        path: where to; a file that is there is replaced, whole or not at all.
        threshold: what a detector's IoU must exceed.
        runners_up: how many concepts a unit lists after its label, at most.

    Returns:
        The path.

    Raises:
        InputError: `data` is another data set.
        DataError: an image cannot be read.
        SettingError: `threshold` is no IoU.
        SaveError: the file cannot be written.

    Example:
        >>> from kerasviz.data import shapes
        >>> from kerasviz.data.concepts import SceneConcepts
        >>> from kerasviz.features.dissection.running import dissect
        >>> data = SceneConcepts(16, map_size=(32, 32))
        >>> found = dissect(shapes.shapes_model(), "relu5", data)["relu5"]
        >>> write_report(found, data, "relu5.html").name
        'relu5.html'
    """
    strips = Strips(dissection, data)
    counts = count_detectors(dissection, threshold)
    colors = {category: pages.COLORS[k % len(pages.COLORS)] for k, category in enumerate(dissection.categories)}
    text = pages.render(
        __package__,
        "report.html.j2",
        dissection=dissection,
        counts=counts,
        rows=counts.rows(),
        headline=headline(dissection, threshold),
        chance=None if dissection.chance is None else above_chance(dissection),
        colors=colors,
        chart=_chart(dissection, threshold, colors),
        units=_units(dissection, strips, threshold, runners_up),
        settings=plain(dict(dissection.settings)),
    )
    return write_whole(path, text)


def detected(dissection: Dissection, threshold: float = THRESHOLD) -> dict[str, list[tuple[int, list[int]]]]:
    """The concepts that label detectors, by category; most units first, of equal ones in the data set's order.

    Returns:
        For each category with any: pairs of the number of a concept and its units, from 0, best first.
    """
    labels, iou = dissection.best
    units = [unit for unit in order(dissection).tolist() if iou[unit] > threshold]
    found = {}
    for category in dissection.categories:
        members = [k for k, concept in enumerate(dissection.concepts) if concept.category == category]
        pairs = [(k, [unit for unit in units if labels[unit] == k]) for k in members]
        pairs = sorted((pair for pair in pairs if pair[1]), key=lambda pair: -len(pair[1]))
        if pairs:
            found[category] = pairs
    return found


def _units(dissection, strips, threshold, runners_up):
    """What the page says of each unit, drawn as it is asked for."""
    ranked = dissection.ranked(runners_up + 1)
    with progress.bar(len(dissection), "Drawing units") as advance:
        for unit in order(dissection).tolist():
            label, names = dissection.label(unit), strips.names(unit)
            # Pictures of few pixels are shown larger, for eyes; the file holds them as they are.
            scale = max(1, TALLEST / strips.size[0])
            height, width = strips.size
            yield {
                "number": unit + 1,
                "label": label,
                "iou": float(dissection.best.iou[unit]),
                "detector": bool(dissection.best.iou[unit] > threshold),
                "chance": None if dissection.chance is None else float(dissection.chance_iou[unit].max()),
                "runners_up": [
                    (dissection.concepts[k], float(dissection.iou[unit, k]))
                    for k in ranked[unit, 1:].tolist()
                    if k >= 0
                ],
                "active": bool(dissection.tallies.activations[unit].any() or dissection.top.masks[unit].any()),
                "uri": strips.uri(unit),
                "names": names,
                "width": round(scale * (len(names) * (width + GAP) - GAP)),
                "height": round(scale * height),
            }
            advance()


def _chart(dissection, threshold, colors):
    """The places of the bars: one for each concept that labels a detector, by category, the most units first."""
    groups = detected(dissection, threshold)
    if not groups:
        return None
    most = max(len(units) for pairs in groups.values() for _, units in pairs)
    step = max(1, round(most / 4))
    ticks = list(range(0, most + 1, step))
    left, bars, titles = _LEFT, [], []
    for category, pairs in groups.items():
        title = {"category": category, "concepts": len(pairs), "units": sum(len(u) for _, u in pairs)}
        titles.append(title | {"color": colors[category]})
        for number, units in pairs:
            name = dissection.concepts[number].name
            height = round(_TALL * len(units) / most, 2)
            bars.append(
                {
                    "x": left,
                    "y": _TALL - height,
                    "height": height,
                    "name": name,
                    "short": name if len(name) <= _LONGEST else name[: _LONGEST - 1] + "…",
                    "units": [unit + 1 for unit in units],
                    "category": category,
                    "color": colors[category],
                }
            )
            left += _STEP
        left += _BETWEEN
    return {
        "bars": bars,
        "groups": titles,
        "ticks": [{"count": tick, "y": round(_TALL * (1 - tick / most), 2)} for tick in ticks],
        "width": left + 40,
        "left": _LEFT,
        "bar": _BAR,
        "tall": _TALL,
        "below": 8 + round(6.2 * max(len(bar["short"]) for bar in bars)),
    }
