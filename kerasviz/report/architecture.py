"""What a report says of the model: its layers with their receptive fields, its heads, its first filters."""

from dataclasses import dataclass

from kerasviz.errors import InputError, LayerError, SettingError
from kerasviz.features.fields import receptive_fields
from kerasviz.features.weights.filters import filters
from kerasviz.inspection import examine, head_text
from kerasviz.network import Network
from kerasviz.network.receptive_fields import short
from kerasviz.report.pictures import png
from kerasviz.texts import size_text

#: Filters that are drawn.
_FILTERS, _COLUMNS = 64, 16


@dataclass(frozen=True)
class FirstFilters:
    """A picture of a layer's filters: its address and size, the layer's path, how many are drawn and there are."""

    uri: str
    height: int
    width: int
    layer: str
    drawn: int
    total: int
    colored: bool


def describe(network: Network, model, image_size: tuple[int, int]) -> dict:
    """All that the page says of a model, in texts and numbers.

    Args:
        network: the model, opened.
        model: the Keras model.
        image_size: rows and columns of the images, for models that take any.
    """
    found = examine(network, model)
    fields = _fields(network, image_size)
    return {
        **found,
        "inputs": [{**spec, "shape": size_text(spec["shape"])} for spec in found["inputs"]],
        "outputs": [
            {**output, "shape": size_text(output["shape"]), "head": head_text(output["head"])}
            for output in found["outputs"]
        ],
        "layers": [
            {**layer, "shape": size_text(layer["shape"]), "field": fields.get(layer["path"])}
            for layer in found["layers"]
        ],
        "rectifiers": sum(layer["rectifier"] for layer in found["layers"]),
        "filters": first_filters(model),
    }


def first_filters(model) -> FirstFilters | None:
    """The filters of the first convolution if each is one tile, in colour or grey; else None."""
    try:
        found = filters(model)
    except (LayerError, InputError):
        return None
    if found.weights.ndim != 4 or not (found.weights.shape[-2] in (1, 3) or found.depthwise):
        return None
    drawn = min(_FILTERS, len(found))
    some = filters(model, found.layer, channels=range(drawn))
    if not some.weights.any():
        return None
    picture = some.picture(cols=min(_COLUMNS, drawn))
    return FirstFilters(
        png(picture),
        *picture.shape[:2],
        found.layer,
        drawn,
        found.total,
        some.weights.shape[-2] == 3 and not found.depthwise,
    )


def _fields(network, image_size):
    """Texts of the receptive fields by the layers' paths, as far as they are known."""
    size = None if network.inputs.specs[0].shape[1:3] == image_size else image_size
    try:
        rows = receptive_fields(network, size=size).rows()
    except (LayerError, SettingError):
        return {}
    texts = {}
    for row in rows:
        size, stride = (_sides(row[name]) for name in ("size", "stride"))
        more = ", and the whole image by other paths" if row["whole"] else ""
        texts[row["layer"].partition("@")[0]] = {"size": size + more, "stride": stride}
    return texts


def _sides(sides):
    texts = [short(side) for side in sides]
    return texts[0] if len(set(texts)) == 1 else " × ".join(texts)
