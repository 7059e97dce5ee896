"""What stands in the template: texts and numbers, worded and rounded."""

from kerasviz.plotting.naming import percent
from kerasviz.report.asking import Asked
from kerasviz.report.choosing import OPACITIES, Method
from kerasviz.report.explaining import Cell, Explained, named
from kerasviz.report.pictures import gradient
from kerasviz.writing import plain

_GROUPS = {"regions": "Region maps", "signed-regions": "Signed region maps", "pixels": "Pixel maps"}
_MEANINGS = {
    ("regions", False): "From dark blue over green to dark red: from nothing to the strongest evidence for the class.",
    ("signed-regions", True): "Red speaks for the class, blue against it; clear is neither.",
    ("pixels", False): "From black over red to light yellow: from nothing to the strongest effect.",
    ("pixels", True): "Red raises the score of the class, blue lowers it; white does neither.",
}
#: Images whose sides are shorter are enlarged in squares, as they are.
_COARSE = 128


def fill(asked: Asked, explained: list[Explained], tops: dict[str, float]) -> dict:
    """What the template names, but for the model, versions and notices.

    Args:
        asked: for what.
        explained: the images.
        tops: ends of the shared colour ranges by the keys of methods.
    """
    cells = [cell for image in explained for row in image.cells for cell in row]
    groups = dict.fromkeys(method.group for method in asked.methods)
    return {
        "title": asked.title,
        "methods": [_method(method, tops[method.key]) for method in asked.methods],
        "left_out": asked.left_out,
        "sliders": [{"group": group, "name": _GROUPS[group], "percent": OPACITIES[group]} for group in groups],
        # Where one map is all that a method has, its own range is the shared one.
        "switch": any(cell.own != cell.shared for cell in cells),
        "means": _means(asked),
        "commands": asked.commands,
        "options": plain(asked.options),
        "images": [_image(asked, one) for one in explained],
    }


def number(value: float) -> str:
    """A number for readers, with three digits and a real minus."""
    return f"{value:.3g}".replace("-", "−")


def span(method: Method, top: float) -> str:
    """A colour range for readers."""
    if top == 0:
        return "no range"
    return f"±{number(top)}" if method.signed else f"0 to {number(top)}"


def _means(asked):
    columns: dict[str | None, str] = {method.key: method.title for method in asked.methods}
    if any(None in measure.values for measure in asked.measures):
        columns[None] = "all methods"
    rows = [
        {
            "name": measure.name,
            "means": [{"mean": measure.mean(key), "count": measure.count(key)} for key in columns],
        }
        for measure in asked.measures
    ]
    return {"columns": list(columns.values()), "rows": rows}


def _method(method, top):
    return {
        "key": method.key,
        "title": method.title,
        "name": method.explain.name,
        "layer": method.explain.layer,
        "settings": plain(dict(method.explain.settings)),
        "group": method.group,
        "signed": method.signed,
        "gradient": gradient(method.palette),
        "meaning": _MEANINGS[method.group, method.signed],
        "percentile": method.percentile,
        "span": span(method, top),
        "ends": (f"−{number(top)}" if method.signed else "0", number(top)),
    }


def _image(asked, one: Explained):
    photograph, name = asked.photographs[one.number], asked.names[one.number]
    figures = [
        {"name": measure.name, "value": measure.at(one.number)} for measure in asked.measures if None in measure.values
    ]
    return {
        "id": one.number + 1,
        "name": name,
        "photograph": photograph,
        "ratio": f"{photograph.width / photograph.height:.5g}",
        "coarse": max(photograph.height, photograph.width) < _COARSE,
        "predictions": [_prediction(each, one.chosen) for each in one.listed],
        "figures": figures,
        "by_method": [
            {"name": measure.name, "values": [measure.at(one.number, method.key) for method in asked.methods]}
            for measure in asked.measures
            if any(measure.at(one.number, method.key) is not None for method in asked.methods)
        ],
        "rows": [
            {**_prediction(prediction, ()), "cells": [_cell(cell, name) for cell in cells]}
            for prediction, cells in zip(one.chosen, one.cells, strict=True)
        ],
    }


def _prediction(one, chosen):
    name = named(one)
    return {
        "name": name,
        # A label says no number.
        "number": None if one.label is None else one.index,
        "width": None if one.probability is None else f"{100 * one.probability:.4g}",
        "probability": None if one.probability is None else percent(one.probability),
        "score": number(one.score),
        "explained": one in chosen,
    }


def _cell(cell: Cell, name):
    method, label = cell.method, named(cell.prediction)
    facts = {
        "Image": name,
        "Class": label if cell.prediction.label is None else f"{label} ({cell.prediction.index})",
        "Probability": "" if cell.prediction.probability is None else percent(cell.prediction.probability),
        "Score explained": number(cell.score),
        "Method": method.title,
        "Layer": method.explain.layer or "",
        "Values": f"{number(cell.lowest)} to {number(cell.highest)}",
    }
    return {
        "method": method.title,
        "group": method.group,
        "name": label,
        "own": cell.own,
        "shared": cell.shared,
        "note": cell.note,
        "span": span(method, cell.top),
        "alt": f"{method.title} for {label}: map over {name}",
        "facts": [[title, text] for title, text in facts.items() if text],
    }
