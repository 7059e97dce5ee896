"""Folders of synthesized images: what `SynthesizedImages.save` writes, and how it is read again."""

import re
from pathlib import Path

import numpy as np

import kerasviz
from kerasviz import plotting
from kerasviz.reading import holds_only, read_arrays, read_json, reading
from kerasviz.writing import plain, write_json

MANIFEST = "manifest.json"
#: What the manifest says that the folder holds.
HOLDS = "synthesized images"
_ARRAYS, _SHEET, _HISTORY, _ANIMATION = "arrays.npz", "sheet.png", "history.png", "animation.gif"
_OPTIONAL = ("steps", "snapshots", "snapshot_steps")
_LONGEST = 60  # characters of a name in the name of a file


def write(made, folder: Path):
    """Write images into an empty folder; see `SynthesizedImages.save`.

    Args:
        made: `SynthesizedImages`.
        folder: there, and empty.
    """
    arrays = {"images": made.images, "scores": made.scores, "range": np.array([made.low, made.high], np.float64)}
    arrays |= {name: getattr(made, name) for name in _OPTIONAL if getattr(made, name) is not None}
    arrays |= {f"history/{key}": value for key, value in made.history.items()}
    # Not compressed: noise does not shrink, and snapshots are many.
    np.savez(folder / _ARRAYS, **arrays)
    rows = [{**row, "file": f"{row['image']:04d}-{_safe(row['name'])}.png"} for row in plain(made.rows())]
    for row, picture in zip(rows, made.pictures(), strict=True):
        plotting.save_png(folder / row["file"], picture, {"shows": row["name"], "score": row["score"]})
    made.plot().savefig(folder / _SHEET)
    if made.history:
        made.plot_history().savefig(folder / _HISTORY)
    if made.snapshots is not None:
        made.save_gif(folder / _ANIMATION)
    manifest = {
        "kerasviz": kerasviz.__version__,
        "holds": HOLDS,
        "images": rows,
        "value_range": [made.low, made.high] if made.bounded else None,
        "settings": dict(made.settings),
        "files": sorted([*(path.name for path in folder.iterdir()), MANIFEST]),
    }
    write_json(folder / MANIFEST, manifest)


def read(folder: Path) -> dict:
    """The fields of `SynthesizedImages` in a folder.

    Raises:
        LoadError: it holds none, or damaged ones.
    """
    with reading(folder, HOLDS, "a folder that SynthesizedImages.save or `kerasviz visualize` wrote"):
        manifest, arrays = read_json(folder / MANIFEST), read_arrays(folder / _ARRAYS)
        low, high = arrays.pop("range").tolist()
        history = {name.partition("/")[2]: arrays.pop(name) for name in list(arrays) if name.startswith("history/")}
        fields = {name: arrays[name] for name in ("images", "scores")}
        fields |= {name: arrays.get(name) for name in _OPTIONAL}
        names = [row["name"] for row in manifest["images"]]
        return {
            **fields,
            "names": names,
            "low": low,
            "high": high,
            "history": history,
            "settings": manifest["settings"],
        }


def is_saved(folder, holds: str = HOLDS) -> bool:
    """Whether a folder holds what was saved there, and nothing beside it.

    Args:
        folder: need not exist.
        holds: what its manifest has to say that it holds.
    """
    return holds_only(Path(folder), MANIFEST, holds)


def _safe(name):
    """A text that every file system takes as part of a name."""
    return re.sub(r"[^\w.+=@-]+", "-", name, flags=re.ASCII)[:_LONGEST].strip("-.") or "image"
