"""The figure of a `Comparison`. Imports matplotlib: import it only where a figure is drawn."""

import numpy as np

from kerasviz.comparison.moves import MapMove, strength_of
from kerasviz.errors import InputError, SettingError
from kerasviz.plotting import display_image, heatmap, overlay, signed
from kerasviz.plotting.canvas import Bar, Tile, draw_sheet
from kerasviz.plotting.colors import SIGNED, Palette
from kerasviz.plotting.compose import default_percentile
from kerasviz.plotting.counts import drawable
from kerasviz.plotting.images import fit
from kerasviz.plotting.ranges import limits, normalize


def draw(found, images, rows, *, tile: float = 2.0, dpi: float = 150):
    """The figure; see `Comparison.plot`."""
    if not found.maps:
        raise InputError(
            "There are no explanations to draw",
            expected="a comparison on images",
            mend="Pass images to compare, and a method that fits both models",
        )
    if images is not None and len(images) != len(found.images):
        raise InputError(
            f"{len(images)} images were given, and {len(found.images)} were compared",
            expected="one picture for each, in the same order",
            mend="Pass the images that were compared",
        )
    numbers = _numbers(rows, len(found.images))
    lines, titles = [], []
    wanted = [(number, move) for number in numbers for move in found.maps]
    for number, move in wanted[: drawable(len(wanted))]:
        photo = None if images is None else display_image(images[number])
        line = _line(found.images[number], move, number, photo)
        if photo is not None:
            line.insert(0, Tile(photo, found.images[number].name) if move is found.maps[0] else None)
        lines.append(line)
        titles.append(move.title)
    heads = [*([""] if images is not None else []), *_names(found), "difference, B − A"]
    return draw_sheet(lines, column_titles=heads, row_titles=titles, tile=tile, dpi=dpi)


def _numbers(rows, count):
    if rows is None:
        return range(count)
    wrong = [row for row in rows if not 0 <= row < count]
    if wrong:
        raise SettingError(
            f"rows holds {wrong[0]}, and {count} images were compared",
            expected=f"numbers from 0 to {count - 1}",
            mend="Leave rows out for all images",
        )
    return rows


def _names(found):
    same = found.a.name == found.b.name
    return ["A" if same else f"A: {found.a.name}", "B" if same else f"B: {found.b.name}"]


def _line(answer, move: MapMove, number, photo):
    units = [_unit(move, maps[number]) for maps in (move.maps, move.maps_b)]
    apart = units[1] - units[0]
    if photo is not None:
        apart = fit(apart, photo.shape[:2])
    told = [f"{one.name} {strength_of(one)}" for one in (answer.explained, answer.explained_b)]
    bar = Bar(Palette.of(SIGNED, signed=True), -1.0, 1.0)
    figures = (move.rank_correlation[number], move.ssim[number])
    alike = "rank {}, SSIM {}".format(*("–" if np.isnan(figure) else f"{figure:.3f}" for figure in figures))
    return [
        *(Tile(_picture(move, unit, photo), text) for unit, text in zip(units, told, strict=True)),
        Tile(signed(apart, scale=(-1.0, 1.0), channels=False), alike, bar),
    ]


def _unit(move, values):
    """A map as shares of the range that pictures of its kind have; zero where it is not finite."""
    maps = np.nan_to_num(values, nan=0.0, posinf=0.0, neginf=0.0)[None].astype(np.float64)
    if maps.max() == maps.min():
        return np.zeros_like(maps[0])  # Told by the figures above it; a warning would come for each picture.
    percentile = default_percentile(move.kind, signed=move.signed)
    ranges = limits(maps, signed=move.signed, percentile=percentile, scale="image")
    return normalize(maps, ranges, signed=move.signed)[0]


def _picture(move, unit, photo):
    scale = (-1.0, 1.0) if move.signed else (0.0, 1.0)
    if move.kind == "heatmap" and photo is not None:
        return overlay(photo, unit, signed=move.signed, scale=scale, channels=False)
    return (signed if move.signed else heatmap)(unit, scale=scale, channels=False)
