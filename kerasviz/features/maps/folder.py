"""Activations in a folder: an archive for each layer, pictures, and a manifest that names them."""

import re
from functools import partial
from pathlib import Path

import numpy as np

from kerasviz import plotting
from kerasviz.features.maps.figures import BY_AXES
from kerasviz.reading import read_arrays, read_json, reading
from kerasviz.writing import write_files, write_json

_MANIFEST = "manifest.json"
_ARRAY = "values"
_LONGEST = 80  # characters of a layer's path in a file's name


def save(activations, folder, *, pictures: bool, overwrite: bool) -> Path:
    """Write `Activations` as their method `save` says."""
    import kerasviz

    writers, layers = {}, []
    for number, (path, values) in enumerate(activations.values.items()):
        stem = f"{number:02d}-{re.sub(r'[^A-Za-z0-9_.@=+-]+', '-', path)[:_LONGEST]}"
        writers[f"{stem}.npz"] = partial(np.savez_compressed, **{_ARRAY: values})
        drawn = _pictures(activations, path, stem) if pictures and values.ndim in BY_AXES else {}
        writers |= drawn
        layers.append({"path": path, "file": f"{stem}.npz", "shape": list(values.shape), "pictures": list(drawn)})
    # The last of them, so that a folder with a manifest is whole.
    writers[_MANIFEST] = partial(write_json, document={"kerasviz": kerasviz.__version__, "layers": layers})
    write_files(folder, writers, overwrite=overwrite)
    return Path(folder)


def load(folder) -> dict[str, np.ndarray]:
    """The values that `save` wrote, by path."""
    folder = Path(folder)
    with reading(folder, "activations", "a folder that Activations.save wrote"):
        manifest = read_json(folder / _MANIFEST)
        values = {}
        for layer in manifest["layers"]:
            values[layer["path"]] = read_arrays(folder / Path(layer["file"]).name)[_ARRAY]
            if list(values[layer["path"]].shape) != layer["shape"]:
                raise ValueError(f"the values of {layer['path']!r} have another shape")
        return values


def _pictures(activations, path, stem):
    """For each picture's name what writes it."""
    if activations.values[path].ndim == 2:
        return {f"{stem}.png": lambda file: activations.plot(layer=path).savefig(file, metadata={"Title": path})}
    return {
        f"{stem}-{image:04d}.png": lambda file, image=image: plotting.save_png(
            file, activations.montage(image, path), {"Title": f"{path}, image {image}"}
        )
        for image in range(len(activations))
    }
