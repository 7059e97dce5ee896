"""The weights of a model on the terminal."""

from rich.markup import escape

from kerasviz.cli.columns import Column, print_columns
from kerasviz.texts import bytes_text, number_text, numbers_text


def print_weights(findings: dict, screen):
    """Print a table of all weights with their numbers and their health."""
    rows = findings["weights"]
    told: dict[str, list[dict]] = {}
    for problem in findings["problems"]:
        told.setdefault(problem["path"], []).append(problem)
    columns = [
        Column("Weight", [_label(row, told.get(row["path"], [])) for row in rows]),
        Column("Shape", ["×".join(map(str, row["shape"])) or "1" for row in rows], rank=4),
        Column("Type", [row["dtype"] for row in rows], rank=7),
        Column("Size", [bytes_text(row["bytes"]) for row in rows], 6, True),
        *(
            Column(title, [number_text(row[key]) for row in rows], rank, True)
            for title, key, rank in (("Min", "minimum", 1), ("Max", "maximum", 1), ("Mean", "mean", 3))
        ),
        Column("Deviation", [number_text(row["deviation"]) for row in rows], 3, True),
        Column("Zeros", [f"{row['zeros']:.0%}" if row["zeros"] else "" for row in rows], 5, True),
        Column("Health", [_health(row, told.get(row["path"], [])) for row in rows], rank=2, least=10),
    ]
    missing = print_columns(screen, columns)
    if missing:
        text = f"left out: {', '.join(missing)}, for which it takes a wider window, or --json"
        screen.print(f"[dim]{text}[/]")


def _label(row, problems):
    worst = problems[0]["severity"] if problems else "note"
    color = {"broken": "bold red", "suspicious": "yellow", "note": "not dim"}[worst]
    above, slash, name = row["path"].rpartition("/")
    return f"[dim]{escape(above + slash)}[/][{color}]{escape(name)}[/]"


def _health(row, problems):
    parts = []
    if row["nan"]:
        parts.append(f"[bold red]{row['nan']} NaN[/]")
    if row["infinite"]:
        parts.append(f"[bold red]{row['infinite']} infinite[/]")
    if row["negative"]:
        parts.append(f"[bold red]{row['negative']} negative[/]")
    if any(problem["kind"] == "huge" for problem in problems):
        parts.append("[yellow]exploded[/]")
    if row["initial"]:
        parts.append("[dim]as before training[/]")
    elif row["zero"]:
        parts.append("[yellow]all zero[/]")
    elif row["constant"]:
        parts.append("one value")
    if row["dead"]:
        parts.append(f"dead: {numbers_text(row['dead'], 4)}")
    if row["equal"]:
        parts.append(f"[yellow]{numbers_text([' = '.join(map(str, group)) for group in row['equal']], 3)}[/]")
    if row["also"]:
        parts.append(f"shared with {escape(numbers_text(row['also'], 2))}")
    return ", ".join(parts)
