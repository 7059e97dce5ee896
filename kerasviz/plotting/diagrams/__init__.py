"""Networks as boxes and arrows: what feeds what, drawn by Graphviz where it is installed, else by a layout of its own.

The input is a `kerasviz.network.wires.Wiring`; its parts are read by their attributes alone, since this floor and
that of networks stand side by side.
"""

from kerasviz.plotting.diagrams.making import write_diagram

__all__ = ["write_diagram"]
