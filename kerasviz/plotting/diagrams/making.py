"""Diagrams as files."""

import html
import io
import re
import subprocess
import warnings
from pathlib import Path

from kerasviz.checks import checked_choice, checked_count
from kerasviz.errors import PackageError, SaveError, SettingError
from kerasviz.plotting.diagrams.dot import dot_text, installed, run_dot
from kerasviz.plotting.diagrams.labels import clean
from kerasviz.plotting.diagrams.layering import ranks_of
from kerasviz.plotting.notices import warn
from kerasviz.writing import write_whole

_PICTURES = (".svg", ".png", ".pdf")
_TEXTS = (".dot", ".gv")
_MOST_ROWS = 60  # that Graphviz draws unasked


def write_diagram(wiring, path, *, depth: int | None = None, max_nodes: int = 1000, engine: str | None = None) -> Path:
    """Draws a network as boxes and arrows: what feeds what, and each layer's class, shape and parameters.

    Nested models and layers with parts are framed. The file is there whole or not at all, and the same network gives
    the same bytes.

    Args:
        wiring: a `kerasviz.network.wires.Wiring`.
        path: where to write. Its end says what: `.svg`, with text as text and no ground, so that it stands on light
            and dark pages; `.png` or `.pdf`, on white; `.dot` or `.gv`, the text that Graphviz reads.
        depth: how many levels of containers lie open, see `Wiring.folded`; None for all.
        max_nodes: how many boxes there may be. Deeper levels are folded until no more are left, with a warning.
        engine: "dot" for the program of Graphviz, "own" for the layout of this package. None for Graphviz, but for the
            own layout where it is not installed, with a warning, and for pictures of more than 60 rows: Graphviz
            would make a strip of them, where the own layout begins new columns.

    Returns:
        The path.

    Raises:
        SettingError: `depth` or `max_nodes` is no whole number from 1 up, the engine is unknown, or the model itself
            calls more layers than `max_nodes`.
        SaveError: the name ends in something else, or the file cannot be written.
        PackageError: `engine="dot"`, and Graphviz is not installed.

    Example:
        >>> import keras
        >>> from kerasviz.network import Network
        >>> from kerasviz.network.wiring import wiring
        >>> model = keras.Sequential([keras.Input((8, 8, 3)), keras.layers.Conv2D(4, 3)])
        >>> write_diagram(wiring(Network(model)), "model.svg", engine="own").name
        'model.svg'
    """
    path = Path(path)
    suffix = path.suffix.lower()
    if suffix not in (*_PICTURES, *_TEXTS):
        raise SaveError(
            f"{path.name!r} is no diagram",
            expected=f"a name that ends in {', '.join((*_PICTURES, *_TEXTS))}",
            mend="Rename it",
        )
    checked_choice("engine", engine, (None, "dot", "own"))
    if engine == "dot" and suffix in _PICTURES and installed() is None:
        raise PackageError(
            "Graphviz is not installed: there is no program `dot`",
            expected="Graphviz",
            mend="Install it (apt install graphviz, brew install graphviz), or take engine='own'",
        )
    shown = _fitting(wiring, depth, checked_count("max_nodes", max_nodes))
    if suffix in _TEXTS:
        return write_whole(path, dot_text(shown))
    return write_whole(path, _picture(shown, suffix[1:], engine))


def _fitting(wiring, depth, max_nodes):
    """The wiring as deep as it fits."""
    shown = wiring if depth is None else wiring.folded(depth)
    deepest = shown.depth
    while len(shown.nodes) > max_nodes and shown.depth > 1:
        shown = shown.folded(shown.depth - 1)
    if len(shown.nodes) > max_nodes:
        raise SettingError(
            f"max_nodes={max_nodes}: the model {wiring.name!r} alone calls {len(shown.nodes)} layers",
            expected="at least as many",
            mend="Raise max_nodes; a diagram of many thousands takes minutes",
        )
    if shown.depth < deepest:
        warn(
            f"The diagram of {wiring.name!r} would have more than {max_nodes} boxes: what lies deeper than "
            f"depth={shown.depth} is folded. Raise max_nodes to see it"
        )
    return shown


def _picture(wiring, suffix, engine):
    if engine is None:
        engine = "own" if max(ranks_of(wiring).values(), default=0) >= _MOST_ROWS else _present()
    if engine == "dot":
        try:
            drawn = run_dot(dot_text(wiring, transparent=suffix == "svg"), suffix)
            return _titled(drawn, wiring) if suffix == "svg" else drawn
        except (OSError, subprocess.SubprocessError) as error:
            warn(f"Graphviz failed ({error}): the diagram is drawn in a layout of kerasviz's own")
    drawn = _drawn(wiring, suffix)
    return _titled(drawn, wiring) if suffix == "svg" else drawn


def _present():
    if installed():
        return "dot"
    warn("Graphviz is not installed (there is no program `dot`): the diagram is drawn in a layout of kerasviz's own")
    return "own"


def _drawn(wiring, suffix):
    import matplotlib

    from kerasviz.plotting.diagrams.drawing import draw

    file = io.BytesIO()
    ground = "none" if suffix == "svg" else "white"
    # Neither the time nor random names: the same network gives the same bytes.
    dates = {"svg": {"Date": None}, "pdf": {"CreationDate": None}}.get(suffix)
    style = {"svg.fonttype": "none", "svg.hashsalt": "kerasviz", "pdf.fonttype": 42}
    with matplotlib.rc_context(style), warnings.catch_warnings():
        # A name in a script that the font lacks: readers of an SVG see it in a font of theirs.
        warnings.filterwarnings("ignore", "Glyph .* missing from font", UserWarning)
        draw(wiring).savefig(file, format=suffix, facecolor=ground, metadata=dates)
    return file.getvalue()


def _titled(svg, wiring):
    """An SVG with a title and a description that are read out, in the place where they must stand."""
    layers = sum(node.role == "layer" for node in wiring.nodes)
    title = html.escape(clean(f"Diagram of {wiring.name}"))
    described = f"{layers} layers and {len(wiring.edges)} connections between them, the inputs at the top."
    head = f' role="img">\n<title>{title}</title>\n<desc>{described}</desc>'
    return re.sub(r"(<svg\b[^>]*)>", lambda found: found[1] + head, svg.decode(), count=1).encode()
