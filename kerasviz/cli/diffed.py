"""What `diff` says at its end: sentences, the layers that changed, and what the models say of images."""

from collections import Counter
from collections.abc import Iterator, Sequence

import kerasviz
from kerasviz.cli.console import SOME_SKIPPED, Reporter, print_json, printable
from kerasviz.cli.diffing import Diffing, Read
from kerasviz.cli.manifest import of_model, versions
from kerasviz.comparison import Comparison, LayerPair
from kerasviz.comparison.moves import strength_of
from kerasviz.texts import count_text, size_text

#: The exit code for models that differ, as that of Unix's `diff`.
DIFFERENT = SOME_SKIPPED
_MOST_IMAGES, _MOST_SETTINGS = 50, 4
_BAR, _LABEL, _VALUE = 10, 24, 40


def carry_out(work: Diffing, reporter: Reporter, out, *, top_changed: int, json: bool) -> int:
    """Read, compare, draw, and say what was found.

    Args:
        work: what to do.
        reporter: says on stderr what goes on.
        out: the real stdout.
        top_changed: how many changed layers are listed.
        json: print one JSON document instead of text.

    Returns:
        The exit code.

    Raises:
        ImageError: there are images, and none could be read.
        SaveError: a picture cannot be written.
    """
    pictures = work.read(reporter.status)
    for reason in pictures.skipped:
        reporter.skip(reason)
    reporter.status("comparing")
    found = work.compare(pictures)
    files = work.draw(found, pictures, reporter.status)
    reporter.status()
    document = _document(work, found, pictures, files, reporter.warnings)
    if files:
        work.folder.write_manifest(document)
    if json:
        print_json(document, out)
    else:
        _print(work, found, files, top_changed, out)
    return 0 if found.same and not pictures.skipped else DIFFERENT


def _document(work: Diffing, found: Comparison, pictures: Read, files: Sequence[str], warnings):
    told = found.as_dict()
    for side, opened, frame in zip(("a", "b"), work.opened, work.frames or (None, None), strict=True):
        told[side] = {"given": printable(opened.given), **told[side]}
        if frame is not None:
            told[side]["images"] = of_model(opened, frame)["input"]
    for answer, file in zip(told["images"], pictures.files, strict=True):
        answer["file"] = printable(file)
    for answer, name in zip(told["images"], files, strict=False):
        answer["picture"] = name
    return {
        "kerasviz": kerasviz.__version__,
        **told,
        "folder": printable(work.folder.path) if files else None,
        "files": list(files),
        "skipped": [printable(reason) for reason in pictures.skipped],
        "warnings": list(warnings),
        "versions": versions(),
    }


def _print(work, found, files, top_changed, out):
    from rich.console import Console
    from rich.markup import escape
    from rich.text import Text

    screen = Console(file=out, highlight=False)
    for side, opened, facts in zip("AB", work.opened, (found.a, found.b), strict=True):
        told = (
            f"{count_text(facts.layers, 'op' if facts.bare else 'layer')}, {count_text(facts.parameters, 'parameter')}"
        )
        screen.print(f"[bold]{side}[/]  [cyan]{escape(printable(opened.given))}[/]  {told}", soft_wrap=True)
    screen.print()
    style = "green" if found.same else "bold"
    for number, sentence in enumerate((*found.summary, *found.notes)):
        screen.print(Text(sentence, style=style if number == 0 else ""))
    _print_layers(found, top_changed, screen)
    if found.images:
        _print_images(work, found, screen)
    if files:
        screen.print(f"\n{count_text(len(files), 'picture')} in [cyan]{escape(printable(work.folder.path))}[/]")


def _print_layers(found: Comparison, most: int, screen):
    from rich.table import Table
    from rich.text import Text

    alone, changed = list(_alone(found)), found.changed
    if not alone and not changed and not any(pair.renamed for pair in found.layers):
        return
    screen.print()
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold", pad_edge=False)
    table.add_column("", no_wrap=True)
    table.add_column("Layer", overflow="fold", max_width=44)
    table.add_column("How far", no_wrap=True)
    table.add_column("‖a−b‖/‖a‖", no_wrap=True, justify="right")
    table.add_column("What changed", overflow="fold")
    moved = [pair.relative for pair in changed if pair.relative not in (None, float("inf"))]
    farthest = max(moved, default=0)
    for pair in changed[:most]:
        told = Text("\n").join(_what(pair))
        bar, number = _distance(pair, farthest)
        table.add_row("~", Text(pair.a.path or "(model)"), bar, number, told)
    for mark, path, told in alone[:most]:
        style = "red" if mark == "−" else "green"
        table.add_row(Text(mark, style), Text(path, style), "", "", Text(told, style))
    if table.row_count:
        screen.print(table)
    left = max(0, len(changed) - most) + max(0, len(alone) - most)
    if left:
        screen.print(f"… and {left} more: --top-changed {max(len(changed), len(alone))}, or --json, lists them")
    for text in _renamed(found):
        screen.print(Text(text))
    same = sum(pair.same for pair in found.layers)
    if same:
        screen.print(f"[dim]{count_text(same, 'layer')} unchanged[/]")


def _alone(found: Comparison) -> Iterator[tuple[str, str, str]]:
    """A mark, a path and a few words for what only one model has."""
    for mark, word, layers in (("−", "removed", found.removed), ("+", "added", found.added)):
        for layer in layers:
            size = size_text(layer.shape)
            told = [f"{word}: {layer.kind}", *([f"output {size}"] if size else [])]
            told += [count_text(layer.parameters, "parameter")] if layer.parameters else []
            yield mark, layer.path, ", ".join(told)
    for mark, which, weights in (("−", "A", found.lost), ("+", "B", found.gained)):
        for weight in weights:
            shape = " × ".join(map(str, weight.shape if weight.shape_b is None else weight.shape_b))
            yield mark, weight.name or weight.name_b, f"only in {which}: {shape or 'one value'}"


def _what(pair: LayerPair):
    """What changed about a layer, a line each."""
    from rich.text import Text

    lines = []
    if pair.a.kind != pair.b.kind:
        lines.append(f"{pair.a.kind} → {pair.b.kind}")
    settings = [change for change in pair.config if not change.training]
    lines += [f"{one.key}: {_value(one.a)} → {_value(one.b)}" for one in settings[:_MOST_SETTINGS]]
    if len(settings) > _MOST_SETTINGS:
        lines.append(f"and {count_text(len(settings) - _MOST_SETTINGS, 'more setting')}")
    if "activation" in pair.changes and not any(one.key == "activation" for one in settings):
        lines.append(f"{_joined(pair.a.activations)} → {_joined(pair.b.activations)}")
    if "shape" in pair.changes:
        lines.append(f"output {size_text(pair.a.shape)} → {size_text(pair.b.shape)}")
    if pair.rewired:
        lines.append("takes its input from other layers")
    lines += _of_weights(pair)
    if pair.renamed:
        lines.append(f"now {pair.b.path}")
    return [Text(line) for line in lines]


def _of_weights(pair):
    natures: dict[str, list[str]] = {}
    for weight in pair.weights:
        if weight.nature == "reshaped":
            shapes = [" × ".join(map(str, shape)) for shape in (weight.shape, weight.shape_b)]
            yield f"{weight.name} {' → '.join(shapes)}"
        elif weight.nature != "same":
            natures.setdefault(weight.nature, []).append(weight.name or weight.name_b)
    for nature, names in natures.items():
        yield f"{', '.join(names)} {nature}"
    if pair.broken > 0:
        yield f"{pair.broken:,} of the values NaN or infinite"


def _renamed(found: Comparison) -> Iterator[str]:
    """Layers that were only renamed, those of one container together."""
    groups: Counter = Counter()
    for pair in found.layers:
        if pair.renamed and pair.same:
            before, after = pair.a.path.split("/"), pair.b.path.split("/")
            while len(before) > 1 and len(after) > 1 and before[-1] == after[-1]:
                before.pop()
                after.pop()
            groups["/".join(before), "/".join(after), before != pair.a.path.split("/")] += 1
    for (before, after, inside), number in groups.items():
        yield f"renamed: {before} → {after}" + (f", with {count_text(number, 'layer')} inside" if inside else "")


def _print_images(work: Diffing, found: Comparison, screen):
    from rich.markup import escape
    from rich.table import Table
    from rich.text import Text

    screen.print()
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold", pad_edge=False)
    table.add_column("Image", overflow="fold", min_width=10)
    for side in "AB":
        table.add_column(side, overflow="fold")
    table.add_column("Largest\ndifference", justify="right", no_wrap=True)
    if found.maps:
        table.add_column("Method", min_width=9)
        table.add_column("Rank\ncorrelation", justify="right", no_wrap=True)
        table.add_column("SSIM", justify="right", no_wrap=True)
    for i, answer in enumerate(found.images[:_MOST_IMAGES]):
        said = [Text(f"{_short(one.name)} {strength_of(one)}") for one in (answer.top, answer.top_b)]
        if answer.agree is False:
            said[1].stylize("bold yellow")
        difference = "" if answer.difference is None else f"{answer.difference:.2g}"
        cells = [Text(printable(answer.name)), *said, difference]
        if not found.maps:
            table.add_row(*cells)
        for move in found.maps:
            table.add_row(*cells, Text(move.title), *map(_figure, (move.rank_correlation[i], move.ssim[i])))
            cells = ["", "", "", ""]
    screen.print(table)
    explained = dict.fromkeys(answer.explained.name for answer in found.images)
    if work.target is not None and found.maps:
        screen.print(f"[dim]explained: {', '.join(map(escape, explained))}[/]")
    if len(found.images) > _MOST_IMAGES:
        screen.print(f"… and {len(found.images) - _MOST_IMAGES} more, which --json lists")


def _distance(pair, farthest):
    """How far the weights of a layer moved, as a bar and as a number."""
    from rich.text import Text

    if pair.broken > 0:
        return Text("━" * _BAR, style="red"), "NaN"
    relative = pair.relative
    if relative is None or "weights" not in pair.changes:
        return Text(), ""
    share = 1.0 if relative >= farthest else relative / farthest
    # What is there at all is seen.
    filled = max(round(_BAR * share), relative > 0)
    bar = Text("━" * filled, style="yellow") + Text("╌" * (_BAR - filled), style="bright_black")
    return bar, "∞" if relative == float("inf") else f"{relative:.3g}"


def _figure(value):
    return "–" if value != value else f"{value:.3f}"  # NaN


def _value(value):
    text = str(value)
    return text if len(text) <= _VALUE else text[: _VALUE - 1] + "…"


def _short(name):
    return name if len(name) <= _LABEL else name[: _LABEL - 1] + "…"


def _joined(names):
    return ", ".join(names) or "no activation"
