"""The names of everything a scene can show: classes, categories and concepts."""

from kerasviz.data.concepts.base import Concept
from kerasviz.data.shapes.outlines import DISTRACTORS, SUBJECTS
from kerasviz.errors import SettingError

PALETTE = {
    "red": (222, 56, 54),
    "orange": (244, 142, 38),
    "yellow": (250, 212, 56),
    "green": (64, 170, 78),
    "cyan": (48, 190, 200),
    "blue": (52, 104, 214),
    "purple": (138, 74, 196),
    "pink": (238, 106, 172),
    "white": (248, 248, 248),
    "black": (38, 38, 42),
}
"""The colour concepts: red, green and blue in 0..255, before an object's own change of brightness."""

TEXTURES = ("stripes", "dots", "checks", "zigzag")
BACKGROUNDS = ("clouds", "bricks", "grid", "waves", "rays", "hills")

CATEGORIES = ("shape", "part", "colour", "texture", "background")
"""The categories of concepts, in the order of `Scenes.maps`."""

CLASSES = tuple(SUBJECTS)
"""The classes, in the order of the labels and of the outputs of `shapes_model`."""


def _parts():
    pieces = [piece for shape in (*SUBJECTS.values(), *DISTRACTORS.values()) for piece in shape]
    return tuple(dict.fromkeys(piece.part for piece in pieces if piece.part))


_NAMES = ((*SUBJECTS, *DISTRACTORS), _parts(), tuple(PALETTE), TEXTURES, BACKGROUNDS)

CONCEPTS = tuple(Concept(name, category) for category, names in zip(CATEGORIES, _NAMES, strict=True) for name in names)
"""Every concept. Concept `CONCEPTS[k]` is the value `k + 1` in `Scenes.maps`.

No two have the same name. A pixel shows at most one of a category."""

CODES = {concept.name: code for code, concept in enumerate(CONCEPTS, 1)}


def find_concept(concept: Concept | str) -> tuple[int, int]:
    """Return a concept's category index and its code in `Scenes.maps`.

    Raises:
        SettingError: no concept has that name.
    """
    name = concept.name if isinstance(concept, Concept) else concept
    code = CODES.get(name) if isinstance(name, str) else None
    if code is None:
        raise SettingError(
            f"There is no concept {name!r} in the scenes",
            expected=f"one of {', '.join(CODES)}",
            mend="Pass a name, or an entry of kerasviz.data.shapes.CONCEPTS",
        )
    return CATEGORIES.index(CONCEPTS[code - 1].category), code
