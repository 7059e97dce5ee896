"""What stands in the boxes of a diagram, and in which colours."""

import re
from dataclasses import dataclass

from kerasviz.texts import size_text

#: Lines, and text outside of boxes: as legible on a white page as on a black one.
NEUTRAL = "#767676"
#: Text in boxes, all of which are light.
INK = "#1c1c1c"
_LONGEST = 40  # characters of a line


@dataclass(frozen=True)
class Kind:
    """A kind of layer: its name, and the colours of its boxes and of their frames."""

    name: str
    fill: str
    frame: str


_ENDS = Kind("input, output", "#ffffff", "#404040")
_FOLDED = Kind("folded", "#d4d8dd", "#39424d")
_OTHER = Kind("other", "#efefef", "#8a8a8a")
_ACTIVATIONS = (
    "activation|relu|relu6|p_?relu|leaky_?relu|thresholded_?relu|elu|c?elu|selu|gelu|glu|silu|swish|mish|sigmoid|"
    "log_?sigmoid|softmax|log_?softmax|tanh|softplus|softsign|erf|hard_?(sigmoid|swish|silu|tanh)"
)
_MERGES = "add|add_?v2|add_?n|sub|subtract|mul|multiply|average|maximum|minimum|dot|stack|pack|concat\\w*"
#: The first that fits the whole name of a class wins; op types of TensorFlow are names too.
_KINDS = (
    (Kind("merge", "#fcefb4", "#8a750f"), _MERGES),
    (Kind("activation", "#fddfc4", "#b5631c"), _ACTIVATIONS),
    (Kind("normalization", "#e4dcf3", "#6c54a3"), ".*norm.*"),
    (Kind("pooling", "#d2ebd3", "#3b8245"), ".*pool.*"),
    (Kind("convolution", "#cee2f4", "#2f6da5"), ".*conv.*"),
    (Kind("attention, recurrent", "#caecec", "#1f7c7d"), ".*(attention|lstm|gru|rnn|bidirectional).*"),
    (Kind("dense, embedding", "#f6d0d9", "#a93a5a"), ".*(dense|matmul|einsum|embedding).*"),
)


def kind_of(node) -> Kind:
    """The kind of a node's layer."""
    if node.role != "layer":
        return _ENDS
    if node.holds:
        return _FOLDED
    return next((kind for kind, fits in _KINDS if re.fullmatch(fits, node.kind, re.IGNORECASE)), _OTHER)


def kinds_in(nodes) -> list[Kind]:
    """The kinds of some nodes, each once, in a fixed order."""
    found = {kind_of(node) for node in nodes}
    return [kind for kind in (_ENDS, *(kind for kind, _ in _KINDS), _FOLDED, _OTHER) if kind in found]


def name_text(node, around: str | None) -> str:
    """What a node or container is called inside the frame of a container, or outside of all (None)."""
    name = node.id if node.role == "layer" else node.id.partition(":")[2]
    if around is not None:
        path = around.partition("@")[0]
        name = name.removeprefix(f"{path}/") if name != around else name.rpartition("/")[2]
    return shortened(clean(name), _LONGEST)


def details_text(node, wiring_edges) -> str:
    """Class, shape and parameters of a node.

    Args:
        node: of a wiring.
        wiring_edges: the edges that leave it; of a node that returns several tensors they tell the shapes.
    """
    shapes = {edge.tensor: edge.shape for edge in wiring_edges} if node.shape is None else {0: node.shape}
    sizes = ", ".join(size_text(shapes[number]) for number in sorted(shapes))
    held = f"{node.holds} layers" if node.holds > 1 else "1 layer" if node.holds else ""
    role = "" if node.role == "layer" else node.role
    parts = (role, node.kind, held, sizes, parameters_text(node.parameters))
    return shortened(clean(" · ".join(part for part in parts if part)), _LONGEST + 20)


def parameters_text(parameters: int) -> str:
    """A number of parameters; "" for none."""
    shown = f"{parameters / 1e6:,.2f} M" if parameters >= 1_000_000 else f"{parameters:,}"
    return f"{shown} params" if parameters else ""


def clean(text: str) -> str:
    """A text without line breaks, control characters and what is no Unicode."""
    return "".join(letter if letter.isprintable() else " " for letter in text)


def shortened(text: str, most: int) -> str:
    """A text of at most some characters: its middle is left out where it is longer."""
    return text if len(text) <= most else f"{text[: most // 2]}…{text[len(text) - (most - 1) // 2 :]}"
