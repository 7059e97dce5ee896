"""A model as a diagram."""

from pathlib import Path

from kerasviz.network import Network
from kerasviz.network.wiring import wiring
from kerasviz.plotting.diagrams import write_diagram


def diagram(model, path, *, depth: int | None = None, sample=None, **drawing) -> Path:
    """Draw what feeds what in a model: any that can be explained, not only those that Keras has a graph of.

    Args:
        model: any built Keras model, or the path of a saved one.
        path: where to write: `.svg`, `.png`, `.pdf`, or `.dot` and `.gv` for Graphviz's own text.
        depth: how many levels of nested models and layers with parts lie open; None for all.
        sample: inputs with a batch axis. Needed only by subclassed models that declare no input shape.
        drawing: `max_nodes` and `engine`; see `kerasviz.plotting.diagrams.write_diagram`.

    Returns:
        The path.

    Raises:
        ModelError: as for `Network`.
        SettingError, SaveError, PackageError: as for `write_diagram`.

    Example:
        >>> import kerasviz as kv
        >>> kv.diagram(kv.data.shapes.shapes_model(), "shapes.svg", engine="own").name
        'shapes.svg'
    """
    return write_diagram(wiring(Network(model, sample=sample)), path, depth=depth, **drawing)
