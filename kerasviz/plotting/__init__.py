"""Arrays in, pictures out: the only place where a map is normalized, clipped or coloured.

Functions that return arrays give `uint8` RGB pictures; functions that return a matplotlib `Figure` never
touch pyplot, its open figures or `rcParams`. Inputs are never modified.

Shared rules, which the functions refer to:

*Shapes.* A map is `(H, W)`, a batch `(N, H, W)`; either may end in a channel axis, which is reduced to one
value a pixel. Four axes are always `(N, H, W, C)`. Three axes are `(H, W, C)` if the last has length 1, or
has length 3 or 4 and is shorter than both others; else they are `(N, H, W)`. `channels` settles the question:
the name of a reduction (see `reduce_channels`) says that the last axis holds channels, `False` says that
there is no such axis.

*Range.* Colours are relative to the map's own values, so multiplying a map by any positive constant draws the
same picture. Unsigned maps run from 0 to the `percentile`-th percentile of the pixels, signed ones from `-v`
to `+v` with `v` that percentile of `|values|`; values beyond are clipped. Where the percentile is zero (a map
with few pixels that are not) the largest value takes its place. `scale="image"` gives each map its own range,
so that it is drawn alike alone and in any batch; `"batch"` shares one range; `(low, high)` fixes it, and a
signed map takes the larger of the two magnitudes for both sides, so that zero stays in the middle.

*Nothing to see.* A map that is zero or constant has no range of its own. It is drawn in the neutral colour
(the lowest of an unsigned colour map, the middle of a signed one) with one `KerasvizWarning`.

*Colour maps.* Any matplotlib name or `Colormap` object. The middle of a diverging map that is almost white is
lifted to pure white.
"""

from kerasviz.plotting.arrays import reduce_channels
from kerasviz.plotting.boxes import draw_boxes
from kerasviz.plotting.colors import heatmap, signed
from kerasviz.plotting.compose import overlay
from kerasviz.plotting.figures import figure, plot
from kerasviz.plotting.images import display_image
from kerasviz.plotting.kernels import filters
from kerasviz.plotting.montage import grid
from kerasviz.plotting.positions import three_maps
from kerasviz.plotting.saving import save_png
from kerasviz.plotting.sheets import sweep_sheet

__all__ = [
    "display_image",
    "draw_boxes",
    "figure",
    "filters",
    "grid",
    "heatmap",
    "overlay",
    "plot",
    "reduce_channels",
    "save_png",
    "signed",
    "sweep_sheet",
    "three_maps",
]
