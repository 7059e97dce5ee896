"""The layers of a model on the terminal: as a tree, or as a list of paths."""

from rich.markup import escape

from kerasviz.cli.columns import Column, print_columns
from kerasviz.inspection.tree import guides, joined, short_names
from kerasviz.network.receptive_fields import short
from kerasviz.texts import bytes_text, size_text


def print_tree(findings: dict, layers: list[dict], screen):
    """Print layers as a tree, each by the shortest name that `--layer` takes."""
    layers = joined(layers)
    listed = {layer["path"]: layer for layer in layers}
    names = short_names([layer["path"] for layer in findings["layers"]])
    labels = []
    for (path, layer), line in zip(listed.items(), guides(list(listed)), strict=True):
        name = max(names[path], _inside(path, listed), key=len)
        labels.append(f"[dim]{line}[/]{_label(name, layer, findings)}")
    _print(labels, layers, screen)


def print_list(findings: dict, layers: list[dict], screen):
    """Print layers by their whole paths."""
    _print([_label(layer["path"], layer, findings) for layer in layers], layers, screen)


def _print(labels, layers, screen):
    columns = [
        Column("Layer", labels),
        Column("Output", [size_text(layer["shape"]) for layer in layers], rank=1),
        Column("Parameters", [f"{layer['parameters']:,}" if layer["parameters"] else "" for layer in layers], 2, True),
        Column("Class", [f"[dim]{escape(layer['class'])}[/]" for layer in layers], rank=4, least=9),
        Column("Activation", list(map(_activation, layers)), rank=3),
        Column("Sees", list(map(_field, layers)), rank=5, right=True),
        Column("Size", [bytes_text(layer["bytes"]) if layer["bytes"] else "" for layer in layers], 7, True),
        Column("Map", ["[green]●[/]" if layer["map"] else "" for layer in layers], rank=6),
        Column("Calls", list(map(_calls, layers)), rank=8, right=True),
    ]
    missing = print_columns(screen, columns)
    shown = {column.title for column in columns if any(column.cells)}.difference(missing)
    legend = []
    if any(layer["rectifier"] for layer in layers) and "Activation" in shown:
        legend.append("[yellow]✓[/] changed by the rules guided and deconvnet")
    if "Sees" in shown:
        wholes = any(layer["receptive_field"] and layer["receptive_field"]["whole"] for layer in layers)
        legend.append("Sees: pixels in a row that a unit sees / from one unit to the next")
        legend += ["+ and by other paths the whole image"] if wholes else []
    if "Map" in shown:
        legend.append("[green]●[/] a heat map can be made there")
    if missing:
        legend.append(f"left out: {', '.join(missing)}, for which it takes a wider window, or --json")
    for line in legend:
        screen.print(f"[dim]{line}[/]")


def _inside(path, listed):
    """A path from the nearest container on that is listed."""
    parts = path.split("/")
    above = (length for length in range(len(parts) - 1, 0, -1) if "/".join(parts[:length]) in listed)
    return "/".join(parts[next(above, 0) :])


def _label(name, layer, findings):
    above, slash, last = name.rpartition("/")
    default = layer["path"] == findings["default_layer"]["path"]
    label = f"[dim]{escape(above + slash)}[/]{'[bold green]' if default else '[not dim]'}{escape(last)}[/]"
    if default:
        label += " [green]◂ default[/]"
    if layer.get("inside"):
        label += f" [dim]… {layer['inside']} inside[/]"
    return label


def _activation(layer):
    text = escape(", ".join(layer["activations"]))
    return f"[yellow]{text} ✓[/]" if layer["rectifier"] and text else "[yellow]✓[/]" if layer["rectifier"] else text


def _field(layer):
    field = layer["receptive_field"]
    if field is None:
        return ""
    return f"{_sides(field['size'])}{'+' if field['whole'] else ''} / {_sides(field['stride'])}"


def _sides(sides):
    texts = [short(side) for side in sides]
    return texts[0] if len(set(texts)) == 1 else "×".join(texts)


def _calls(layer):
    return "" if layer["calls"] == 1 else str(layer["calls"])
