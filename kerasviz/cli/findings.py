"""What `kerasviz inspect` prints of a model: what is wrong with it, facts, and what takes its memory."""

from itertools import groupby

#: Places that are listed of each kind of problem.
_PLACES = 4
_COLORS = {"broken": "bold red", "suspicious": "yellow", "note": "cyan"}
_BAR = 24


def print_problems(findings: dict, screen):
    """Print what is wrong with the weights, the worst first."""
    from rich.markup import escape
    from rich.table import Table

    from kerasviz.texts import count_text

    if not findings["problems"]:
        counted = count_text(len(findings["weights"]), "weight")
        numbers = count_text(findings["sizes"]["values"], "number")
        screen.print(f"[green]✓[/] nothing is wrong with the {counted} ({numbers})")
        screen.print()
        return
    table = Table.grid(padding=(0, 2))
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for (severity, kind), group in groupby(findings["problems"], key=lambda one: (one["severity"], one["kind"])):
        places = list(group)
        table.add_row(f"[{_COLORS[severity]}]{severity}[/]", _title(kind, places))
        for place in places[:_PLACES] if any(place["path"] for place in places) else ():
            table.add_row("", f"[bold]{escape(place['path'])}[/]  {escape(place['text'])}")
        if len(places) > _PLACES:
            table.add_row("", f"[dim]and {len(places) - _PLACES} more, which --weights lists[/]")
    screen.print(table)
    screen.print()


def print_facts(findings: dict, screen):
    """Print what the model takes and gives, and what the methods find in it."""
    from rich.markup import escape
    from rich.table import Table

    from kerasviz.inspection import head_text
    from kerasviz.texts import size_text

    facts = Table.grid(padding=(0, 2))
    facts.add_column(style="bold", no_wrap=True)
    facts.add_column(overflow="fold")
    facts.add_row("Model", f"{escape(findings['name'])}, {findings['parameters']:,} parameters")
    for name, value in _file(findings["file"]):
        facts.add_row(name, escape(value))
    for spec in findings["inputs"]:
        facts.add_row("Input", f"{escape(spec['name'])} {size_text(spec['shape'])} {spec['dtype']}")
    for output in findings["outputs"]:
        facts.add_row("Output", f"{escape(output['name'])} {size_text(output['shape'])}, {head_text(output['head'])}")
    chosen = findings["default_layer"]
    default = f"[green]{escape(chosen['path'])}[/]" if chosen["path"] else escape(chosen["reason"])
    facts.add_row("Default layer", default)
    for name, rule in findings["rules"].items():
        facts.add_row(f"Rule {name}", _rule(rule))
    for output in findings["outputs"]:
        of = f" of {escape(output['name'])}" if len(findings["outputs"]) > 1 else ""
        facts.add_row(
            "CAM" + of,
            f"possible: {escape(output['cam'])} is averaged, then one linear layer"
            if output["cam"]
            else "not possible: the network does not end in global average pooling and one linear layer",
        )
    for name, text in _precision(findings["quantization"]):
        facts.add_row(name, escape(text))
    screen.print(facts)
    screen.print()


def print_sizes(findings: dict, screen):
    """Print what takes the memory, with a bar for each of the heaviest layers."""
    from rich.markup import escape

    from kerasviz.cli.columns import Column, print_columns
    from kerasviz.texts import bytes_text

    sizes = findings["sizes"]
    if not sizes["bytes"]:
        return
    dtypes = ", ".join(
        dtype if len(sizes["dtypes"]) == 1 else f"{dtype} {bytes_text(row['bytes'])} ({row['share']:.0%})"
        for dtype, row in sizes["dtypes"].items()
    )
    screen.print()
    screen.print(f"[bold]{bytes_text(sizes['bytes'])} in memory[/], {dtypes}")
    rows = sizes["heaviest"]
    most = max(row["share"] for row in rows)
    print_columns(
        screen,
        [
            Column("Heaviest", [escape(row["layer"] or findings["name"]) for row in rows]),
            Column("", [f"[cyan]{_bar(row['share'] / most)}[/]" for row in rows], rank=1),
            Column("Size", [bytes_text(row["bytes"]) for row in rows], right=True),
            Column("Share", [f"{row['share']:.1%}" for row in rows], right=True),
        ],
    )


def _title(kind, places):
    from kerasviz.inspection.diagnosis import KINDS
    from kerasviz.texts import count_text

    text = KINDS[kind]
    channels = sum(len(place["channels"]) for place in places)
    counted = [count_text(channels, "channel") if channels else "", f"{len(places)} places" if len(places) > 1 else ""]
    counted = " in ".join(part for part in counted if part)
    return f"{text}[dim]{': ' + counted if counted else ''}[/]"


def _rule(rule):
    from rich.markup import escape

    count, missed = len(rule["replaced"]), len(rule["missed"])
    said = f"changes {count} rectifier{'' if count == 1 else 's'}"
    if missed:
        said += f", [yellow]misses {missed}: {escape(', '.join(rule['missed']))}[/]"
    return escape(rule["reason"]) if rule["reason"] else said


def _precision(found):
    """Rows on dtypes and quantization, where there is more to say than that all is float32."""
    from kerasviz.texts import count_text

    if list(found["policies"]) not in ([], ["float32"]):
        counted = (f"{name} ({count_text(len(paths), 'layer')})" for name, paths in found["policies"].items())
        yield "Precision", ", ".join(counted)
    for name, paths in found["modes"].items():
        yield "Quantized", f"{name} ({count_text(len(paths), 'layer')})"
    if found["lora"]:
        yield "LoRA", count_text(len(found["lora"]), "layer")
    for text in found["meaning"].values():
        yield "", text


def _file(file: dict | None):
    """Rows on what the file says of itself."""
    from kerasviz.texts import bytes_text

    if file is None:
        return
    yield "File", file["path"]
    yield "Format", f"{file['format']}, {bytes_text(file['bytes'])} with {bytes_text(file['weight_bytes'])} of weights"
    versions = {"Keras": file["keras_version"], "TensorFlow": file["tensorflow_version"]}
    made = [
        file["maker"],
        *(f"{name} {version}" for name, version in versions.items() if version),
        file["backend"] and f"on {file['backend']}",
        file["saved_on"] and file["saved_on"].replace("@", " "),
    ]
    if any(made):
        yield "Made by", ", ".join(part for part in made if part)
    alike: dict[str, list[str]] = {}
    for signature in file["signatures"]:
        sides = (", ".join(map(_tensor, signature[side])) for side in ("inputs", "outputs"))
        alike.setdefault(" → ".join(sides), []).append(signature["name"])
    for sides, names in alike.items():
        yield "Signature", f"{', '.join(names)}: {sides}"


def _tensor(tensor):
    from kerasviz.texts import size_text

    return " ".join(part for part in (tensor["name"], size_text(tensor["shape"]), tensor["dtype"]) if part)


def _bar(share):
    eighths = max(1, round(share * _BAR * 8))
    return "█" * (eighths // 8) + " ▏▎▍▌▋▊▉"[eighths % 8].strip()
