"""What `localize` says at its end: figures, as a table or as JSON."""

import numpy as np

import kerasviz
from kerasviz import evaluation
from kerasviz.cli.boxing import best_iou
from kerasviz.cli.console import SOME_SKIPPED, Reporter, print_json, printable
from kerasviz.cli.localizing import Localizing, Measured
from kerasviz.errors import ImageError
from kerasviz.plotting.naming import percent


def carry_out(work: Localizing, reporter: Reporter, out, *, json: bool) -> int:
    """Measure, and print the figures.

    Args:
        work: what to do.
        reporter: says on stderr what goes on.
        out: the real stdout.
        json: print one JSON document instead of a table.

    Returns:
        The exit code.

    Raises:
        ImageError: no image could be read.
    """
    for fault in work.faults:
        reporter.skip(fault)
    measured, skipped = [], []
    for result in work.run(reporter.status):
        if isinstance(result, Measured):
            measured.append(result)
        else:
            skipped.append(str(result))
            reporter.skip(skipped[-1])
    reporter.status()
    if not measured:
        raise ImageError(
            f"None of the {len(work.cases)} annotated images could be read",
            expected="at least one picture",
            mend="The reasons stand above",
        )
    document = _document(work, measured, skipped, reporter.warnings)
    if work.folder is not None:
        work.folder.write_manifest(document)
    if json:
        print_json(document, out)
    else:
        _print(document, work, out)
    return SOME_SKIPPED if skipped or work.faults else 0


def _document(work, measured, skipped, warnings):
    true = [one.true for one in measured]
    labels = [one.case.label for one in measured]
    guesses = [one.guesses for one in measured]

    def errors(boxes, own):
        """The errors of a box for each guess, and of one for the true class."""
        first = [guessed[:1] for guessed in boxes]
        settings = {"true_boxes": true, "true_classes": labels, "iou": work.iou}
        top1 = evaluation.localization_error(first, [guess[:1] for guess in guesses], **settings)
        topk = evaluation.localization_error(boxes, guesses, **settings)
        known = evaluation.localization_error(own, [[label] for label in labels], **settings)
        return {"top1_error": top1.error, "topk_error": topk.error, "known_class_error": known.error}

    def of(name):
        found = [one.found[name] for one in measured]
        return {
            "title": work.explainers[name].title,
            "layer": work.explainers[name].layer,
            "threshold": work.thresholds[name] if work.explainers[name].kind == "heatmap" else None,
            **errors([each.boxes for each in found], [each.own for each in found]),
            "pointing": float(np.mean([each.hit for each in found])),
            "energy": float(np.mean([each.energy for each in found])),
        }

    def middle(share):
        own = [evaluation.center_box(one.shape, share) for one in measured]
        return errors([np.repeat(box, len(guess), 0) for box, guess in zip(own, guesses, strict=True)], own)

    k = [len(guess) for guess in guesses]
    return {
        "kerasviz": kerasviz.__version__,
        "model": printable(work.opened.given),
        "images": len({one.case.image for one in measured}),
        "objects": len(measured),
        "iou": work.iou,
        "k": max(k),
        "methods": {name: of(name) for name in work.explainers},
        # Half the sides of the image, and all of it.
        "baselines": {"the middle": middle(0.5), "the whole image": middle(1)},
        "classification": {
            "top1_error": float(np.mean([g[0] != label for g, label in zip(guesses, labels, strict=True)])),
            "topk_error": float(np.mean([label not in g for g, label in zip(guesses, labels, strict=True)])),
        },
        "cases": [_case(work, one) for one in measured],
        "skipped": [printable(reason) for reason in [*work.faults, *skipped]],
        "warnings": list(warnings),
        "files": [] if work.folder is None else sorted(path.name for path in work.folder.path.glob("*.png")),
    }


def _case(work, one):
    """One object, its boxes in pixels of the file."""

    def of(found):
        own = (found.own * one.scale).round(1).tolist()
        return {
            "guesses": [
                {"class": guess, "box": (box * one.scale).round(1).tolist() if box.any() else None}
                for guess, box in zip(one.guesses, found.boxes, strict=True)
            ],
            "box": own[0] if own else None,
            "iou": best_iou(found.own, one.true),
            "hit": found.hit,
            "energy": found.energy,
        }

    return {
        "file": printable(one.case.image),
        "class": one.case.label,
        "label": work.classes.label(one.case.label),
        "boxes": one.case.boxes.tolist(),
        "methods": {name: of(found) for name, found in one.found.items()},
    }


def _print(document, work, out):
    from rich.console import Console
    from rich.table import Table

    k = document["k"]
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold", pad_edge=False)
    table.add_column("Boxes", no_wrap=True)
    for title in ("Top-1", f"Top-{k}", "Known", "Pointing", "Energy"):
        table.add_column(title, justify="right", no_wrap=True)
    for row in [*document["methods"].values(), *({"title": t, **row} for t, row in document["baselines"].items())]:
        errors = [percent(row[key]) for key in ("top1_error", "topk_error", "known_class_error")]
        more = [percent(row[key]) if key in row else "" for key in ("pointing", "energy")]
        table.add_row(row["title"], *errors, *more)
    screen = Console(file=out, highlight=False)
    screen.print(table)
    wrong = document["classification"]
    screen.print(
        f"\n{document['objects']} objects in {document['images']} images; the classes alone: "
        f"{percent(wrong['top1_error'])} top-1, {percent(wrong['topk_error'])} top-{k} error. "
        f"\n[dim]Top-1, top-{k}: how often no guess has the class and a box that overlaps by {work.iou:g}. Known: "
        "the same for the box of the true class. Pointing: how often its map's maximum is on the object. Energy: "
        "the share of its map that is.[/]",
        soft_wrap=True,
    )
    if work.folder is not None:
        screen.print(f"Pictures in {printable(work.folder.path)}", style="cyan", markup=False, soft_wrap=True)
