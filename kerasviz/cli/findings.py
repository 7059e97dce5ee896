"""What `kerasviz inspect` prints of a model."""

_HEADS = {None: "scores", "stuck": "probabilities that cannot be taken apart"}


def print_findings(findings: dict, layers: list[dict], out):
    """Print what was found, for people; of the layers only those given."""
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    screen = Console(file=out, highlight=False)
    chosen = findings["default_layer"]
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold", pad_edge=False)
    table.add_column("Layer", no_wrap=True, overflow="fold")
    table.add_column("Class", style="dim", overflow="ellipsis")
    table.add_column("Output", no_wrap=True)
    table.add_column("Parameters", justify="right")
    table.add_column("Map", justify="center", style="green")
    table.add_column("Rectifier", justify="center", style="yellow")
    for layer in layers:
        above, slash, name = layer["path"].rpartition("/")
        mark = "[bold green]" if layer["path"] == chosen["path"] else "[not dim]"
        table.add_row(
            f"[dim]{escape(above + slash)}[/]{mark}{escape(name)}[/]",
            layer["class"],
            _shape(layer["shape"]),
            f"{layer['parameters']:,}" if layer["parameters"] else "",
            "●" if layer["map"] else "",
            "✓" if layer["rectifier"] else "",
        )
    screen.print(table)

    facts = Table.grid(padding=(0, 2))
    facts.add_column(style="bold", no_wrap=True)
    facts.add_column(overflow="fold")
    facts.add_row("Model", f"{escape(findings['name'])}, {findings['parameters']:,} parameters")
    for spec in findings["inputs"]:
        facts.add_row("Input", f"{escape(spec['name'])} {_shape(spec['shape'])} {spec['dtype']}")
    for output in findings["outputs"]:
        facts.add_row("Output", f"{escape(output['name'])} {_shape(output['shape'])}, {_head(output['head'])}")
    default = f"[green]{escape(chosen['path'])}[/]" if chosen["path"] else escape(chosen["reason"])
    facts.add_row("Default layer", default)
    for name, rule in findings["rules"].items():
        count, missed = len(rule["replaced"]), len(rule["missed"])
        said = f"changes {count} rectifier{'' if count == 1 else 's'}"
        if missed:
            said += f", [yellow]misses {missed} inside custom code: {escape(', '.join(rule['missed']))}[/]"
        facts.add_row(f"Rule {name}", escape(rule["reason"]) if rule["reason"] else said)
    for output in findings["outputs"]:
        of = f" of {escape(output['name'])}" if len(findings["outputs"]) > 1 else ""
        facts.add_row(
            "CAM" + of,
            f"possible: {escape(output['cam'])} is averaged, then one linear layer"
            if output["cam"]
            else "not possible: the network does not end in global average pooling and one linear layer",
        )
    screen.print()
    screen.print(facts)


def _shape(shape):
    return "" if shape is None else " × ".join("?" if side is None else str(side) for side in shape[1:]) or "1"


def _head(head):
    return _HEADS.get(head, f"a {head} of scores")
