"""Asking two models about images: what they say, and how they explain it."""

import inspect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from kerasviz.attribution import Explainer, explainer, methods
from kerasviz.attribution.one_call import UNFIT, check_settings
from kerasviz.comparison.facts import Anatomy
from kerasviz.comparison.moves import Answer, MapMove
from kerasviz.comparison.similarity import rank_correlation, structural_similarity
from kerasviz.errors import SettingError, TargetError
from kerasviz.explanation import Explanation
from kerasviz.network.network import chunks
from kerasviz.plotting import reduce_channels
from kerasviz.plotting.images import fit
from kerasviz.predictions import Classes, strongest


@dataclass(frozen=True)
class Sides:
    """What is asked of both models; each pair is of the first and the second.

    Attributes:
        anatomies: the models.
        inputs: the images as each takes them, checked.
        classes: of the output that is compared.
        names: of the images.
        target: class numbers of all or each image, None for the first model's top class.
    """

    anatomies: tuple[Anatomy, Anatomy]
    inputs: tuple[np.ndarray, np.ndarray]
    classes: tuple[Classes, Classes]
    names: Sequence[str]
    target: np.ndarray | None

    @property
    def same_classes(self) -> bool:
        """Whether the classes are the same, as far as can be told: as many, and of no other labels."""
        a, b = self.classes
        labelled = a.labels is not None and b.labels is not None
        return a.count == b.count and not (labelled and list(a.labels) != list(b.labels))

    def check_target(self):
        """Refuse classes that a model does not have.

        Raises:
            TargetError: it has not.
        """
        if self.target is None:
            return
        if self.target.shape not in ((), (len(self.names),)) or self.target.dtype.kind not in "iu":
            raise TargetError(
                f"target={self.target.tolist()!r}",
                expected=f"a class number, or one for each of the {len(self.names)} images",
                mend="Leave it out to explain what the first model sees",
            )
        least = min(classes.count for classes in self.classes)
        if self.target.min() < 0 or self.target.max() >= least:
            raise TargetError(
                f"target={self.target.tolist()!r} is not among the classes of both models",
                expected=f"0 to {least - 1}",
                mend="Leave it out to explain each model's own top class",
            )

    def answers(self, batch_size: int) -> list[Answer]:
        """What both say of the images."""
        said = [
            [one for (part,) in chunks([inputs], batch_size) for one in classes.predict(part)]
            for inputs, classes in zip(self.inputs, self.classes, strict=True)
        ]
        return [self._answer(i, *both) for i, both in enumerate(zip(*said, strict=True))]

    def _answer(self, i, a, b):
        top, top_b = strongest(a, 1)[0], strongest(b, 1)[0]
        if self.target is not None:
            number = int(np.broadcast_to(self.target, len(self.names))[i])
            explained, explained_b = a[number], b[number]
        else:
            explained, explained_b = top, b[top.index] if self.same_classes else top_b
        if self.same_classes:
            known = top.probability is not None and top_b.probability is not None
            values = np.array([[one.probability if known else one.score for one in said] for said in (a, b)])
            told = (self.names[i], top, top_b, explained, explained_b)
            if not np.isfinite(values).all():
                return Answer(*told)
            difference, magnitude = np.abs(values[0] - values[1]).max(), np.abs(values).max()
            return Answer(*told, float(difference), max(1.0, float(magnitude)), top.index == top_b.index)
        agree = top.label == top_b.label if top.label is not None and top_b.label is not None else None
        return Answer(self.names[i], top, top_b, explained, explained_b, agree=agree)

    def moves(self, answers: Sequence[Answer], explainers) -> list[MapMove]:
        """The maps of both by each method.

        Args:
            answers: of `answers`.
            explainers: pairs of them.
        """
        goals = [
            classes.target(np.array([getattr(answer, name).index for answer in answers], np.int32))
            for classes, name in zip(self.classes, ("explained", "explained_b"), strict=True)
        ]
        return [
            _move(one, *(each(inputs, goal) for each, inputs, goal in zip(pair, self.inputs, goals, strict=True)))
            for one, pair in explainers.items()
        ]

    def explainers(
        self, names: Sequence[str], settings: Mapping, paths: Mapping[str, str], *, drop_unfit: bool, **common
    ) -> tuple[dict[str, tuple[Explainer, Explainer]], dict[str, str]]:
        """A pair of explainers by each method, and why others do not fit.

        Args:
            names: registered names of methods.
            settings: those of the methods, which must be known to one of them at least.
            paths: the path in the second model of layers of the first, for the setting `layer`.
            drop_unfit: leave out what does not fit, rather than raise, unless a layer was named.
            **common: settings for the methods that have them.

        Raises:
            SettingError: no method has a setting.
            KerasvizError: a method does not fit.
        """
        known = {name: inspect.signature(methods()[name]).parameters for name in names}
        for setting in settings:
            if not any(setting in parameters for parameters in known.values()):
                check_settings(methods()[names[0]], {setting: None})
        own = [
            {**common, "output": classes.output, **given}
            for classes, given in zip(self.classes, (settings, self._moved(settings, paths)), strict=True)
        ]
        made, left_out = {}, {}
        for name in names:
            try:
                made[name] = tuple(
                    explainer(anatomy.model, name, **{key: each[key] for key in each if key in known[name]})
                    for anatomy, each in zip(self.anatomies, own, strict=True)
                )
            except UNFIT as error:
                if not drop_unfit or "layer" in settings:
                    raise
                left_out[name] = str(error)
        return made, left_out

    def _moved(self, settings, paths):
        """The settings for the second model: its own paths of layers."""
        if "layer" not in settings:
            return settings
        given, network = settings["layer"], self.anatomies[0].network

        def found(spec):
            address = network.address(spec)
            path = paths.get(address.path, address.path)
            return path if address.call == -1 else f"{path}@{address.call}"

        layer = [found(spec) for spec in given] if isinstance(given, list | tuple) else found(given)
        return {**settings, "layer": layer}


def as_target(target) -> np.ndarray | None:
    """Class numbers as an array.

    Raises:
        TargetError: something else.
    """
    if target is None:
        return None
    found = np.asarray(target)
    if found.dtype.kind not in "iu":
        raise TargetError(
            f"target={target!r}",
            expected="a class number, or one for each image",
            mend="Leave it out to explain what the first model sees",
        )
    return found


def check_images(anatomy: Anatomy, which: str):
    """Refuse a model that does not take one image.

    Raises:
        SettingError: it takes something else.
    """
    specs = anatomy.network.inputs.specs
    if len(specs) > 1 or len(specs[0].shape) != 4:
        listed = ", ".join(f"{spec.name!r} {spec.shape}" for spec in specs)
        raise SettingError(
            f"The {which} model, {anatomy.network.name!r}, takes {listed}: its explanations cannot be compared",
            expected="models of one image, (N, H, W, C)",
            mend="Leave the images out to compare layers and weights",
        )


def _move(method, a: Explanation, b: Explanation) -> MapMove:
    maps, maps_b = (_reduced(explanation) for explanation in (a, b))
    resized = maps.shape != maps_b.shape
    if resized:
        maps_b = np.stack([fit(one, maps.shape[1:]) for one in maps_b])
    finite = np.isfinite(maps).all(axis=(1, 2)) & np.isfinite(maps_b).all(axis=(1, 2))
    ranks, ssim, strength = (np.full(len(maps), np.nan) for _ in range(3))
    if finite.any():
        both = maps[finite], maps_b[finite]
        ranks[finite] = rank_correlation(*both)
        ssim[finite] = structural_similarity(*both, signed=a.signed)
        largest = [np.abs(each).max(axis=(1, 2)) for each in both]
        strength[finite] = np.divide(*largest[::-1], out=np.full(len(largest[0]), np.nan), where=largest[0] > 0)
    kind = methods()[method]
    return MapMove(method, kind.title, a.kind, a.signed, a.layer, b.layer, maps, maps_b, ranks, ssim, strength, resized)


def _reduced(explanation):
    values = np.asarray(explanation)
    if values.ndim == 3:
        return values
    return reduce_channels(values, "sum" if explanation.signed else "max_abs").astype(np.float32)
