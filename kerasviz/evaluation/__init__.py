"""How far a picture can be trusted: measures that compare explanations with what is known of the image.

*Boxes* are rows of `x0, y0, x1, y1` in pixels of the image, `x1` and `y1` exclusive: `image[y0:y1, x0:x1]`. They
may be fractions of pixels. A single box may be given as `(4,)`. The boxes of a batch are a list with one
`(B, 4)` array an image, or one `(N, 4)` array where each image has a single one.

*Heat maps* are `(N, H, W)`, finite, at the resolution of the boxes and masks: an `Explanation` or an array.
"""

from kerasviz.evaluation.box_finding import boxes, mask_boxes
from kerasviz.evaluation.graph_cut import graphcut, graphcut_boxes
from kerasviz.evaluation.localization import Localization, center_box, iou, localization_error
from kerasviz.evaluation.pointing import PointingGame, energy, pointing_game

__all__ = [
    "Localization",
    "PointingGame",
    "boxes",
    "center_box",
    "energy",
    "graphcut",
    "graphcut_boxes",
    "iou",
    "localization_error",
    "mask_boxes",
    "pointing_game",
]
