"""Diagrams in the language of Graphviz, and its program `dot`."""

import html
import shutil
import subprocess

from kerasviz.plotting.diagrams.labels import INK, NEUTRAL, clean, details_text, kind_of, kinds_in, name_text

#: Seconds. Graphs of a thousand layers take about ten.
_PATIENCE = 60
_FONT = "Helvetica,Arial,sans-serif"


def installed() -> str | None:
    """The path of the program, None if there is none."""
    return shutil.which("dot")


def dot_text(wiring, *, transparent: bool = True) -> str:
    """A wiring in the DOT language.

    Names come from files that anybody may have written. Ids of the graph are therefore numbers, and what is shown
    is escaped.

    Args:
        wiring: a `Wiring`.
        transparent: whether there is no ground behind the diagram; else it is white.
    """
    numbers = {node.id: f"n{number}" for number, node in enumerate(wiring.nodes)}
    leaving: dict[str, list] = {}
    for edge in wiring.edges:
        leaving.setdefault(edge.source, []).append(edge)
    inside: dict[str | None, list[str]] = {}
    for node in wiring.nodes:
        inside.setdefault(node.within, []).append(_box(node, numbers[node.id], leaving.get(node.id, ())))
    # Containers stand behind their parts, so that these are complete.
    for number, container in enumerate(wiring.containers):
        title = _escaped(name_text(container, container.within))
        lines = [
            f"subgraph cluster_{number} {{",
            f'  label=<{title} <font point-size="9">{_escaped(container.kind)}</font>>;',
            *(f"  {line}" for line in inside.get(container.id, ())),
            "}",
        ]
        inside.setdefault(container.within, []).extend(lines)
    pairs = dict.fromkeys((numbers[edge.source], numbers[edge.target]) for edge in wiring.edges)
    ground = "transparent" if transparent else "white"
    lines = [
        f"digraph {_quoted(wiring.name)} {{",
        f'  graph [bgcolor={ground}, fontname="{_FONT}", fontcolor="{NEUTRAL}", fontsize=11, labelloc=t, labeljust=l,',
        f'         ranksep=0.25, nodesep=0.25, color="{NEUTRAL}", style="rounded,dashed", label={_heading(wiring)}];',
        f'  node [shape=box, style="filled,rounded", fontname="{_FONT}", fontcolor="{INK}", fontsize=10,',
        '        margin="0.1,0.02", height=0.4];',
        f'  edge [color="{NEUTRAL}", arrowsize=0.6];',
        *(f"  {line}" for line in inside.get(None, ())),
        *(f"  {source} -> {target};" for source, target in pairs),
        "}",
    ]
    return "\n".join(lines) + "\n"


def run_dot(text: str, suffix: str) -> bytes:
    """What `dot` makes of a graph.

    Args:
        text: in the DOT language.
        suffix: of the file, "svg", "png" or "pdf".

    Raises:
        OSError: it cannot be started.
        subprocess.SubprocessError: it fails, or takes longer than a minute.
    """
    command = [installed() or "dot", f"-T{suffix}", *(["-Gdpi=96"] if suffix == "png" else [])]
    done = subprocess.run(command, input=text.encode(), capture_output=True, timeout=_PATIENCE, check=True)
    return done.stdout


def _box(node, number, leaving):
    kind = kind_of(node)
    name, details = _escaped(name_text(node, node.within)), _escaped(details_text(node, leaving))
    small = f'<tr><td><font point-size="9">{details}</font></td></tr>'
    label = f'<table border="0" cellspacing="1" cellpadding="0"><tr><td><b>{name}</b></td></tr>{small}</table>'
    return (
        f'{number} [label=<{label}>, fillcolor="{kind.fill}", color="{kind.frame}", '
        f"tooltip={_quoted(f'{node.id}: {node.kind}')}];"
    )


def _heading(wiring):
    """The name of the model above a row of the colours."""
    cells = "".join(
        f'<td bgcolor="{kind.fill}" color="{kind.frame}"><font color="{INK}">{_escaped(kind.name)}</font></td>'
        for kind in kinds_in(wiring.nodes)
    )
    name = _escaped(wiring.name)
    legend = f'<table border="0" cellborder="1" cellspacing="5" cellpadding="3"><tr>{cells}</tr></table>'
    return (
        f'<<table border="0"><tr><td><font point-size="14"><b>{name}</b></font></td></tr>'
        f'<tr><td><font point-size="9">{legend}</font></td></tr></table>>'
    )


def _escaped(text):
    """Text for a label in the style of HTML, which may not be empty. Backslashes begin escapes there too."""
    return html.escape(clean(text), quote=True).replace("\\", "\\\\") or " "


def _quoted(text):
    """A string of the language. Backslashes begin escapes, and ampersands names of characters."""
    return '"' + clean(text).replace("&", "&amp;").replace("\\", "\\\\").replace('"', '\\"') + '"'
