"""What `dissect` writes and says at its end: files of each layer, the manifest, and the counts on the terminal."""

from collections.abc import Sequence

import kerasviz
from kerasviz.cli.console import SOME_SKIPPED, Reporter, print_json, printable
from kerasviz.cli.dissecting import Dissecting
from kerasviz.cli.manifest import versions
from kerasviz.features.dissection.comparing import compare
from kerasviz.features.dissection.counting import above_chance, count_detectors
from kerasviz.features.dissection.record import Dissection
from kerasviz.features.dissection.report import write_report
from kerasviz.features.dissection.tables import write_csv, write_json
from kerasviz.writing import plain

_MOST_NAMED = 20


def carry_out(work: Dissecting, reporter: Reporter, out, *, json: bool) -> int:
    """Dissect, write all files, and print the counts.

    Args:
        work: what to do.
        reporter: says on stderr what goes on.
        out: the real stdout.
        json: print the manifest instead of the counts.

    Returns:
        The exit code.

    Raises:
        KerasvizError: a layer cannot be dissected, no image can be read, or something cannot be written.
    """
    entries = dict(work.results.complete)
    # Those to come are listed already: a run that is stopped in between must know its files again.
    entries |= {name: _planned(work, layer, name) for layer, name in work.results.names.items() if name not in entries}
    work.results.open(_manifest(work, entries, [], reporter.warnings, complete=False))
    records = []
    reporter.status(f"dissecting {', '.join(work.layers)}")
    for record in work.run():
        reporter.status(f"writing {record.layer}")
        name = work.results.names[record.layer]
        entries[name] = _write(work, record, name)
        records.append(record)
    reporter.status()
    skipped = list(dict.fromkeys(reason for record in records for reason in record.skipped))
    for reason in skipped[:_MOST_NAMED]:
        reporter.skip(reason)
    if len(skipped) > _MOST_NAMED:
        reporter.skip(f"{len(skipped) - _MOST_NAMED} more, named in manifest.json")
    manifest = _manifest(work, entries, skipped, reporter.warnings, complete=True)
    work.results.write_manifest(manifest)
    if json:
        print_json(plain(manifest), out)
    else:
        _print(work, records, out)
    return SOME_SKIPPED if skipped else 0


def _write(work, record: Dissection, name):
    path = work.results.path
    record.save(path / name, overwrite=True)
    write_csv(record, path / f"{name}.csv")
    write_json(record, path / f"{name}.json")
    write_report(record, work.data, path / f"{name}.html")
    counts = count_detectors(record)
    entry = {
        **_planned(work, record.layer, name),
        "done": True,
        "network": record.network,
        "units": counts.units,
        "images": record.images,
        "threshold": counts.threshold,
        "detectors": counts.detectors,
        "unique_best": counts.unique_best,
        "unique_every": counts.unique_every,
        "by_category": counts.rows()[:-1],
    }
    if record.chance is not None:
        chance = above_chance(record)
        entry["above_chance"] = {"percentile": 95, "iou": chance.limit, "units": int(chance.units.sum())}
    return entry


def _planned(work, layer, name):
    return {
        "name": name,
        "layer": layer,
        "rotation": work.rotation,
        "done": False,
        "csv": f"{name}.csv",
        "json": f"{name}.json",
        "html": f"{name}.html",
        "arrays": name,
    }


def _manifest(work, entries, skipped, warnings: Sequence[str], *, complete):
    return {
        "kerasviz": kerasviz.__version__,
        "complete": complete,
        "folder": printable(work.results.path),
        "request": work.request,
        "results": list(entries.values()),
        "skipped": [printable(reason) for reason in skipped],
        "warnings": list(warnings),
        "versions": versions(),
    }


def _print(work, records, out):
    for record in records:
        chance = f"; {above_chance(record).units.sum()} above chance" if record.chance is not None else ""
        page = printable(work.results.path / f"{work.results.names[record.layer]}.html")
        turned = "" if work.rotation is None else f", rotated by {work.rotation:g}"
        out.write(f"{printable(record.layer)}{turned}, {record.images} images{chance}\n")
        out.write(f"{printable(count_detectors(record))}\n{page}\n\n")
    if len(records) > 1:
        out.write(f"{printable(compare({record.layer: record for record in records}))}\n")
