"""Explanations as pictures whose colours mean the same at each look."""

import warnings

import numpy as np

from kerasviz import plotting
from kerasviz.errors import InputError, KerasvizWarning
from kerasviz.explanation import Explanation
from kerasviz.plotting.compose import default_percentile
from kerasviz.plotting.ranges import limits
from kerasviz.plotting.saving import rendered


class Painter:
    """Draws the explanations of the same inputs.

    Args:
        inputs: by name, with a batch axis.
        display: as many images to draw in their place, or None.
        scale: "first" for the range of the first explanation that has one; or as for `kerasviz.plotting.plot`.
        cmap: colour map, or None.
        alpha: opacity of heat maps, or None.

    Raises:
        InputError: there are not as many images to display, or one cannot be drawn.
    """

    def __init__(self, inputs: dict[str, np.ndarray], display, *, scale, cmap, alpha):
        self._scale, self._alpha = scale, alpha
        self._cmap = {} if cmap is None else {"cmap": cmap}
        self._ranges: dict[str, tuple[float, float]] = {}
        count = len(next(iter(inputs.values())))
        if display is not None and len(display) != count:
            raise InputError(
                f"{len(display)} images are to be displayed for {count} inputs",
                expected="one image for each",
                mend="Pass as many; images= says how many of the data are explained",
            )
        self._shown = {name: _shown(array) for name, array in inputs.items() if array.ndim > 2}
        if display is not None:
            first = next((name for name, array in inputs.items() if array.ndim == 4), next(iter(inputs)))
            pictures = [plotting.display_image(image) for image in display]
            shapes = {picture.shape for picture in pictures}
            if len(shapes) > 1 or pictures[0].ndim != 3:
                raise InputError(
                    f"The images to display have the shapes {', '.join(map(str, sorted(shapes)))}",
                    expected="images of one size, (H, W, C)",
                    mend="Resize them",
                )
            self._shown = {first: pictures} | {name: shown for name, shown in self._shown.items() if name != first}
        self._shapes = {array.shape for array in inputs.values()}

    def paint(self, explanation: Explanation) -> dict[str, list[np.ndarray]]:
        """A picture for each sample, by the name of the input where there are several; none for inputs without space.

        Heat maps lie over the image, maps of pixels stand alone; signals and volumes are drawn as
        `kerasviz.plotting.plot` does.
        """
        painted = {}
        for name, values in explanation.by_input.items():
            maps = self._maps(values, explanation)
            if maps.ndim > 1:
                scale = self._range(name, maps, explanation)
                draw = self._pictures if maps.ndim == 3 else self._figures
                painted[name] = list(draw(maps, self._beneath(name, maps.ndim), explanation, scale))
        return painted

    def _maps(self, values, explanation):
        """Values without their channels, `(N, *space)`."""
        if explanation.kind == "heatmap" or values.shape not in self._shapes:
            return values
        return plotting.reduce_channels(values, "sum" if explanation.signed else "max_abs")

    def _beneath(self, name, axes):
        if name in self._shown:
            return self._shown[name]
        return next((shown for shown in self._shown.values() if np.ndim(shown[0]) == axes), None)

    def _range(self, name, maps, explanation):
        if self._scale != "first":
            return self._scale
        if name not in self._ranges:
            percentile = default_percentile(explanation.kind, signed=explanation.signed)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", KerasvizWarning)  # drawing says it
                low, high = limits(maps, signed=explanation.signed, percentile=percentile, scale="batch")[0].tolist()
            if not low < high:
                return "batch"
            self._ranges[name] = (low, high)
        return self._ranges[name]

    def _pictures(self, maps, images, explanation, scale):
        if explanation.kind == "heatmap" and images is not None:
            photos = np.stack(images)
            return plotting.overlay(
                photos, maps, signed=explanation.signed, scale=scale, alpha=self._alpha, channels=False, **self._cmap
            )
        paint = plotting.signed if explanation.signed else plotting.heatmap
        return paint(maps, scale=scale, channels=False, **self._cmap)

    def _figures(self, maps, images, explanation, scale):
        for i in range(len(maps)):
            beneath = None if images is None else np.asarray(images[i])[None]
            yield rendered(
                plotting.plot(
                    maps[i : i + 1],
                    beneath,
                    signed=explanation.signed,
                    kind=explanation.kind,
                    scale=scale,
                    alpha=self._alpha,
                    dims=maps.ndim - 1,
                    dpi=100,
                    **self._cmap,
                )
            )


def _shown(array):
    return [plotting.display_image(image) for image in array] if array.ndim == 4 else list(array)
