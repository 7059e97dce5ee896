"""`Explanation`: what every explainer returns."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

import kerasviz
from kerasviz import plotting
from kerasviz.errors import InputError
from kerasviz.plotting.naming import class_name
from kerasviz.reading import read_arrays, read_json, reading
from kerasviz.writing import write_folder

_ARRAYS = "arrays.npz"
_MANIFEST = "manifest.json"


@dataclass(frozen=True, eq=False)
class Explanation:
    """The values of an explanation, raw: signed, not normalized, not coloured. Behaves as its array.

    It holds no model and no copy of the images. Image i's values do not depend on its batch mates.

    Attributes:
        values: float32. Over pixels the shape of the input `(N, H, W, C)`, or `(N, H, W)` after a reduction over
            channels; a heatmap is `(N, H, W)`. 1-D and 3-D inputs have one or three axes of space. For a model
            with several inputs a dict by input name, unless the method makes one map.
        method: the method's registered name, such as "grad_cam".
        signed: whether negative values mean something: evidence against the target.
        kind: "pixels" or "heatmap".
        layer: the path of the layer that was looked at, or None.
        target: `(N,)` class numbers, or a few words for any other target.
        score: `(N,)` float32, the explained score of each sample.
        settings: the method's settings.
        extras: further arrays with one row per sample, such as integrated gradients' "completeness_gap".

    Example:
        >>> import numpy as np
        >>> heat = Explanation(np.ones((1, 4, 4), "float32"), method="grad_cam", signed=False, kind="heatmap")
        >>> np.asarray(heat).shape, float(heat.max())
        ((1, 4, 4), 1.0)
    """

    values: np.ndarray | dict
    method: str = ""
    signed: bool = True
    kind: str = "pixels"
    layer: str | None = None
    target: np.ndarray | str = ""
    score: np.ndarray | None = None
    settings: Mapping = field(default_factory=dict)
    extras: Mapping = field(default_factory=dict)

    def __array__(self, dtype=None, copy=None):
        return np.array(self._one(), dtype=dtype) if copy else np.asarray(self._one(), dtype=dtype)

    def __len__(self):
        return len(next(iter(self.values.values())) if isinstance(self.values, dict) else self.values)

    def __getitem__(self, key):
        """The values at an index; or, by the name of an input, the explanation of that input alone."""
        if isinstance(key, str) and isinstance(self.values, dict):
            if key not in self.values:
                raise InputError(
                    f"No input is called {key!r}",
                    expected=f"one of {', '.join(map(repr, self.values))}",
                    mend="Inputs are called as in model.inputs, or by their dict keys",
                )
            return replace(self, values=self.values[key])
        return self._one()[key]

    def __getattr__(self, name):
        # Only what is not found otherwise: shape, max, mean and so on come from the array.
        if name.startswith("_"):
            raise AttributeError(name)
        return getattr(self._one(), name)

    @property
    def by_input(self) -> dict[str, np.ndarray]:
        """The values by the name of the input; "" where there is one array for all."""
        return self.values if isinstance(self.values, dict) else {"": self.values}

    def plot(self, images=None, *, labels=None, **style):
        """Draw it as this kind of map should be drawn.

        Args:
            images: `(N, H, W, C)`, what to draw beside or beneath: the display images, or the network's inputs.
            labels: names of the classes by their numbers, a list or a dict, for the titles.
            **style: passed to `kerasviz.plotting.plot`: `cmap`, `percentile`, `scale`, `alpha`, `titles`, …

        Returns:
            A `matplotlib.figure.Figure`.
        """
        style = {"titles": [self._title(i, labels) for i in range(len(self))], **style}
        return plotting.plot(self._one(), images, signed=self.signed, kind=self.kind, **style)

    def save(self, folder, images=None, *, labels=None, overwrite: bool = False) -> Path:
        """Save the arrays, a picture of each sample and a manifest; whole or not at all.

        With values for several inputs there are no pictures: save `explanation["name of an input"]` for them.

        Args:
            folder: a folder that does not exist yet, or is empty.
            images: as for `plot`.
            labels: as for `plot`.
            overwrite: replace a folder that a `save` made before, and that holds nothing else.

        Returns:
            The folder.

        Raises:
            SaveError: the folder holds something, or cannot be written.
            InputError: the images do not fit.
            SettingError: a class has no label.
        """
        return write_folder(
            folder,
            lambda made: self._write(made, images, labels),
            ours=_is_saved if overwrite else None,
            mend="Choose another, or pass overwrite=True to replace an explanation saved there",
        )

    @classmethod
    def load(cls, folder) -> "Explanation":
        """Read what `save` wrote.

        Raises:
            LoadError: the folder holds no saved explanation, or a damaged one.
        """
        folder = Path(folder)
        with reading(folder, "explanation", "a folder that Explanation.save wrote"):
            manifest = read_json(folder / _MANIFEST)
            groups = {"values": {}, "extras": {}}
            for name, array in read_arrays(folder / _ARRAYS).items():
                group, _, key = name.partition("/")
                groups.setdefault(group, {})[key] = array
            values = groups["values"]
            return cls(
                values[""] if list(values) == [""] else values,
                score=groups.get("score", {}).get(""),
                target=groups["target"][""] if "target" in groups else manifest["target"],
                extras=groups["extras"],
                **{name: manifest[name] for name in ("method", "signed", "kind", "layer", "settings")},
            )

    def _one(self):
        if isinstance(self.values, dict):
            raise InputError(
                f"The explanation has values for {len(self.values)} inputs",
                expected="the name of one",
                mend=f"Take one of them: explanation[{next(iter(self.values))!r}]",
            )
        return self.values

    def _title(self, i, labels):
        target = self.target
        if not isinstance(target, str):
            target = class_name(labels, int(target[i]))
        score = "" if self.score is None else f", score {float(self.score[i]):.3g}"
        return f"{self.method}: {target}{score}"

    def _write(self, folder, images, labels):
        arrays = {f"values/{name}".rstrip("/"): array for name, array in self.by_input.items()}
        arrays |= {f"extras/{name}": array for name, array in self.extras.items()}
        if self.score is not None:
            arrays["score"] = self.score
        if not isinstance(self.target, str):
            arrays["target"] = self.target
        np.savez_compressed(folder / _ARRAYS, **arrays)
        pictures = self._write_pictures(folder, images, labels) if not isinstance(self.values, dict) else []
        manifest = {
            "kerasviz": kerasviz.__version__,
            "method": self.method,
            "signed": self.signed,
            "kind": self.kind,
            "layer": self.layer,
            "target": self.target if isinstance(self.target, str) else self.target.tolist(),
            "score": None if self.score is None else self.score.tolist(),
            "settings": dict(self.settings),
            "pictures": pictures,
        }
        text = json.dumps(manifest, indent=2, default=str)
        (folder / _MANIFEST).write_text(text, encoding="utf-8")

    def _write_pictures(self, folder, images, labels):
        if images is not None and len(images) != len(self):
            raise InputError(
                f"{len(images)} images were given with {len(self)} maps",
                expected="one image a map",
                mend="Pass the batch that was explained",
            )
        names = []
        for i in range(len(self)):
            beside = None if images is None else images[i : i + 1]
            title = self._title(i, labels)
            figure = plotting.plot(self._one()[i : i + 1], beside, signed=self.signed, kind=self.kind, titles=[title])
            names.append(f"{i:04d}.png")
            figure.savefig(folder / names[-1], metadata={"Description": title})
        return names


def _is_saved(folder):
    """Whether a folder holds a saved explanation, and nothing beside it."""
    try:
        manifest = json.loads((folder / _MANIFEST).read_text(encoding="utf-8"))
        own = {_ARRAYS, _MANIFEST, *manifest["pictures"]}
        return "kerasviz" in manifest and {part.name for part in folder.iterdir()} <= own
    except (OSError, ValueError, KeyError, TypeError):
        return False
