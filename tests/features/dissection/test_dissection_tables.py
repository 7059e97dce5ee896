"""The field's table, and the JSON document."""

import csv
import json

import numpy as np
import pytest
from planted_dissections import INTERSECTIONS, planted

from kerasviz.data.concepts.base import Concept
from kerasviz.errors import SaveError, SettingError
from kerasviz.features.dissection.tables import document, rows, write_csv, write_json

ODD = (Concept('a,"b"', "part"), Concept("wing\n2", "part"), Concept("größe", "colour"), Concept("", "colour"))


def read(path):
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_columns_order_and_values(tmp_path):
    table = read(write_csv(planted(), tmp_path / "conv.csv"))
    names = [f"{kind}-{part}" for kind in ("part", "colour", "object") for part in PARTS]
    assert list(table[0]) == ["unit", "category", "label", "score", *names]
    # By descending score, of equal ones by unit.
    assert [row["unit"] for row in table] == ["1", "2", "3", "6", "4", "5"]
    assert [row["label"] for row in table] == ["wheel", "wheel", "red", "wheel", "wheel", ""]
    assert float(table[0]["score"]) == 50 / 150 and float(table[3]["score"]) == 0.04
    third = table[2]
    assert [third[f"part-{part}"] for part in PARTS[:4]] == ["wing", "100", "100", "20"]
    assert float(third["part-iou"]) == 20 / 180
    assert [third[f"object-{part}"] for part in PARTS] == ["", "0", "100", "0", "0.0"]
    dead = table[-1]
    assert dead["category"] == dead["part-label"] == "" and dead["score"] == "0.0" and dead["part-activation"] == "0"


PARTS = ("label", "truth", "activation", "intersect", "iou")


def test_iou_follows_from_the_other_columns():
    for row in rows(planted()):
        for kind in ("part", "colour", "object"):
            truth, active, both, iou = (row[f"{kind}-{part}"] for part in PARTS[1:])
            assert iou == (both / (truth + active - both) if both else 0)


def test_permuted_units_give_the_same_rows_under_other_numbers():
    order = [3, 5, 0, 4, 2, 1]
    renamed = {order.index(row["unit"] - 1) + 1: {**row, "unit": None} for row in rows(planted())}
    permuted = {row["unit"]: {**row, "unit": None} for row in rows(planted(order=order))}
    assert renamed == permuted


def test_any_label_survives(tmp_path):
    record = planted([[9, 0, 0, 0], [0, 9, 0, 0], [0, 0, 9, 0]], [[100, 100]] * 3, concepts=ODD, categories=ODD_KINDS)
    assert [row["label"] for row in read(write_csv(record, tmp_path / "odd.csv"))] == [one.name for one in ODD[:3]]
    assert json.loads(write_json(record, tmp_path / "odd.json").read_text("utf-8"))["results"][2]["label"] == "größe"


ODD_KINDS = ("part", "colour")


def test_pandas_reads_it(tmp_path):
    pandas = pytest.importorskip("pandas", reason="pandas is no dependency")
    frame = pandas.read_csv(write_csv(planted(), tmp_path / "conv.csv"))
    assert frame["unit"].tolist() == [1, 2, 3, 6, 4, 5] and frame["part-intersect"].dtype == np.int64
    assert frame["score"].tolist() == [row["score"] for row in rows(planted())]
    assert frame["label"].isna().tolist() == [False] * 5 + [True]
    pandas.testing.assert_frame_equal(pandas.DataFrame(rows(planted())).replace("", None), frame, check_dtype=False)


def test_the_document(tmp_path):
    chance = [[10, 0, 0, 0, 0]] + [[0] * 5] * 5
    record = planted(chance=chance, thresholds=np.array([0, 1, 2, 3, np.inf, -np.inf], np.float32))
    text = write_json(record, tmp_path / "conv.json").read_text("utf-8")
    found = json.loads(text, parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))
    assert found == document(record)
    assert found["detectors"]["units"] == 3
    assert (found["detectors"]["unique_best"], found["detectors"]["unique_every"]) == (2, 4)
    assert found["detectors"]["by_category"][1] == {
        "category": "colour",
        "unique_best": 1,
        "detectors_best": 1,
        "unique_every": 1,
        "detectors_every": 2,
    }
    assert found["concepts"][3] == {"name": "blue", "category": "colour", "pixels": 100}
    assert found["chance"]["percentile"] == 95 and found["chance"]["units_above"] == 4
    assert found["chance"]["iou"] == pytest.approx(np.percentile([10 / 190, 0, 0, 0, 0, 0], 95))
    second, last = found["results"][1], found["results"][-1]
    assert [(one["name"], one["iou"]) for one in second["runners_up"]] == [("wing", 20 / 180), ("car", 8 / 192)]
    assert second["categories"]["object"] == {
        "label": "car", "truth": 100, "activation": 100, "intersect": 8, "iou": 8 / 192,
    }  # fmt: skip
    assert found["results"][0]["chance_iou"] == 10 / 190 and found["results"][0]["above_chance"] is True
    assert (last["unit"], last["label"], last["threshold"], last["runners_up"]) == (5, None, "inf", [])
    numbers = record.top.numbers[1].tolist()
    assert [one["number"] for one in second["top_images"]] == numbers
    assert second["top_images"][0]["name"] == f"pictures/no {numbers[0]}"
    assert second["top_images"][0]["activation"] == float(record.top.values[1, 0])
    assert document(planted())["chance"] is None and "chance_iou" not in document(planted())["results"][0]
    assert len(document(record, runners_up=1)["results"][1]["runners_up"]) == 1


def test_writes_whole_files_or_none(tmp_path):
    write_csv(planted(), tmp_path / "conv.csv")
    with pytest.raises(SaveError, match="is a file"):
        write_csv(planted(), tmp_path / "conv.csv" / "conv.csv")
    write_csv(planted(INTERSECTIONS[:1], [[100] * 3]), tmp_path / "conv.csv")
    assert len(read(tmp_path / "conv.csv")) == 1 and [path.name for path in tmp_path.iterdir()] == ["conv.csv"]
    with pytest.raises(SettingError, match="runners_up=-1"):
        document(planted(), runners_up=-1)
