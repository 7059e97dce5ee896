"""Folders of fooling images: what `FoolingImages.save` writes, and how it is read again."""

from collections import Counter
from pathlib import Path

import numpy as np

import kerasviz
from kerasviz import plotting
from kerasviz.reading import holds_only, read_arrays, read_json, reading
from kerasviz.writing import plain, write_csv, write_json

_ARRAYS, _MANIFEST, _TABLE, _SHEET = "arrays.npz", "manifest.json", "images.csv", "sheet.png"
#: What the manifest says that the folder holds.
HOLDS = "fooling images"
_FIELDS = ("images", "classes", "confidences", "predicted", "steps")
_SAVED = ("saved_confidences", "saved_predicted")
#: The numbers of channels that a PNG file holds as they are.
CHANNELS = (1, 3, 4)


def write(made, folder: Path, labels=None):
    """Write images into an empty folder; see `FoolingImages.save`.

    Args:
        made: `FoolingImages`.
        folder: there, and empty.
        labels: names of the classes by their numbers, or None.
    """
    arrays = {name: getattr(made, name) for name in (*_FIELDS, *_SAVED) if getattr(made, name) is not None}
    arrays |= {f"history/{name}": np.asarray(value) for name, value in made.history.items()}
    np.savez_compressed(folder / _ARRAYS, range=np.array([made.low, made.high], np.float64), **arrays)
    rows = made.rows(labels)
    if made.images.shape[-1] in CHANNELS:
        rows = [{**row, "file": name} for row, name in zip(rows, _names(made.classes.tolist()), strict=True)]
        for row, picture in zip(rows, made.pictures(), strict=True):
            told = {name: row[name] for name in ("class", "label", "saved_confidence") if row.get(name) is not None}
            plotting.save_png(folder / row["file"], picture, told)
    write_csv(folder / _TABLE, rows)
    made.plot(labels).savefig(folder / _SHEET)
    manifest = {
        "kerasviz": kerasviz.__version__,
        "holds": HOLDS,
        "method": made.method,
        "wanted": made.wanted,
        "found": int(made.found.sum()),
        "median": made.median,
        "value_range": [made.low, made.high] if made.bounded else None,
        "images": rows,
        "settings": dict(made.settings),
        "files": sorted([*(path.name for path in folder.iterdir()), _MANIFEST]),
    }
    write_json(folder / _MANIFEST, plain(manifest))


def read(folder: Path) -> dict:
    """The fields of `FoolingImages` in a folder.

    Raises:
        LoadError: it holds none, or damaged ones.
    """
    with reading(folder, HOLDS, "a folder that FoolingImages.save or `kerasviz fool` wrote"):
        manifest, arrays = read_json(folder / _MANIFEST), read_arrays(folder / _ARRAYS)
        low, high = arrays.pop("range").tolist()
        history = {name.partition("/")[2]: arrays[name] for name in arrays if name.startswith("history/")}
        fields = {name: arrays[name] for name in _FIELDS} | {name: arrays.get(name) for name in _SAVED}
        told = {name: manifest[name] for name in ("wanted", "method", "settings")}
        return {**fields, **told, "low": low, "high": high, "history": history}


def is_saved(folder) -> bool:
    """Whether a folder holds fooling images that were saved, and nothing beside them."""
    return holds_only(Path(folder), _MANIFEST, HOLDS)


def _names(classes):
    """A file name for each image: its class, and a number from the second of a class on."""
    width, seen, names = len(str(max(classes))), Counter(), []
    for number in classes:
        seen[number] += 1
        names.append(f"class-{number:0{width}d}" + (f"-{seen[number]}" if seen[number] > 1 else "") + ".png")
    return names
