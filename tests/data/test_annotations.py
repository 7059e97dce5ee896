"""True boxes from COCO JSON and CSV."""

import json
import re

import pytest

from kerasviz.data.annotations import read_annotations
from kerasviz.errors import DataError

HEADER = "image,label,x0,y0,x1,y1\n"


def written(tmp_path, content, name="boxes"):
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def coco(**changes):
    content = {
        "images": [
            {"id": 7, "file_name": "val/a.jpg", "height": 40, "width": 60},
            {"id": 3, "file_name": "b.jpg"},
            {"id": 9, "file_name": "empty.jpg"},
        ],
        "categories": [{"id": 18, "name": "dog"}, {"id": 17, "name": "cat"}],
        "annotations": [
            {"id": 1, "image_id": 3, "category_id": 17, "bbox": [10, 20, 30.5, 5]},
            {"id": 2, "image_id": 7, "category_id": 18, "bbox": [0, 0, 1, 2], "iscrowd": 0},
            {"id": 3, "image_id": 3, "category_id": 18, "bbox": [1, 1, 99, 99], "iscrowd": 1},
            {"id": 4, "image_id": 3, "category_id": 18, "bbox": [4, 5, 6, 7]},
        ],
    }
    return json.dumps({**content, **changes})


def test_coco_boxes_turn_from_sizes_into_corners(tmp_path):
    read = read_annotations(written(tmp_path, coco()))
    assert read.images == {
        "val/a.jpg": [("dog", (0, 0, 1, 2))],
        "b.jpg": [("cat", (10, 20, 40.5, 25)), ("dog", (4, 5, 10, 12))],
        "empty.jpg": [],
    }
    assert read.images["b.jpg"][0].label == "cat"
    assert read.images["b.jpg"][0].box == (10, 20, 40.5, 25)
    assert read.faults == ()


@pytest.mark.parametrize(
    ("entry", "fault"),
    [
        ({"image_id": 4, "category_id": 17, "bbox": [0, 0, 1, 1]}, "image_id 4 is unknown"),
        ({"image_id": 3, "category_id": "cat", "bbox": [0, 0, 1, 1]}, "category_id 'cat' is unknown"),
        ({"image_id": [3], "category_id": 17, "bbox": [0, 0, 1, 1]}, r"image_id \[3\] is unknown"),
        ({"image_id": 3, "category_id": 17}, "bbox is None"),
        ({"image_id": 3, "category_id": 17, "bbox": [0, 0, 1]}, r"bbox is \[0, 0, 1\]"),
        ({"image_id": 3, "category_id": 17, "bbox": [0, 0, "wide", 1]}, "width is 'wide', no number"),
        ({"image_id": 3, "category_id": 17, "bbox": [0, None, 1, 1]}, "y is None, no number"),
        ({"image_id": 3, "category_id": 17, "bbox": [True, 0, 1, 1]}, "x is True, no number"),
        ({"image_id": 3, "category_id": 17, "bbox": [10**400, 0, 1, 1]}, "x is 1.*no number"),
        ({"image_id": 3, "category_id": 17, "bbox": [5, 5, -2, 3]}, r"\(5.0, 5.0, -2.0, 3.0\) .* has no area"),
        ({"image_id": 3, "category_id": 17, "bbox": [5, 5, 2, 0]}, r"\(x, y, width, height\) has no area"),
        ({"image_id": 3, "category_id": 17, "bbox": [1e300, 5, 2, 3]}, "has no area"),
        ("a box", "it is 'a box', no object"),
    ],
)
def test_faults_in_coco_are_named_and_do_not_cost_the_others(tmp_path, entry, fault):
    good = {"image_id": 3, "category_id": 17, "bbox": [0, 0, 1, 1]}
    read = read_annotations(written(tmp_path, coco(annotations=[good, entry, good])))
    assert read.images["b.jpg"] == [("cat", (0, 0, 1, 1))] * 2
    assert len(read.faults) == 1
    assert read.faults[0].startswith("annotations[1]: ")
    assert re.search(fault, read.faults[0])


def test_faults_in_the_lists_of_coco_are_named(tmp_path):
    images = [{"id": 3, "file_name": "b.jpg"}, {"id": 3, "file_name": "c.jpg"}, {"id": 4}, "x"]
    read = read_annotations(written(tmp_path, coco(images=images, annotations=[])))
    assert read.images == {"b.jpg": []}
    assert [fault.split(":")[0] for fault in read.faults] == ["images[1]", "images[2]", "images[3]"]
    assert "id 3 is there twice" in read.faults[0]
    categories = [{"id": 17, "name": " "}]
    read = read_annotations(written(tmp_path, coco(categories=categories)))
    assert read.faults[0] == "categories[0]: it has no id or no name"
    assert read.images["b.jpg"] == []


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_csv_with_any_order_more_columns_and_quotes(tmp_path, end):
    lines = [
        "\ufeffX0, y0,x1,y1,Image,LABEL,note",
        '1,2,3.5,4,"a, b.jpg",cat,""',
        "",
        "0,0,9,9,c.jpg, grey wolf ,far",
        '5,5,6,6,"a, b.jpg",Ångström\'s,',
    ]
    read = read_annotations(written(tmp_path, end.join(lines)))
    assert read.images == {
        "a, b.jpg": [("cat", (1, 2, 3.5, 4)), ("Ångström's", (5, 5, 6, 6))],
        "c.jpg": [("grey wolf", (0, 0, 9, 9))],
    }
    assert read.faults == ()


def test_faults_in_csv_have_line_numbers(tmp_path):
    rows = [
        "a.jpg,cat,1,2,3,4",
        "a.jpg,cat,1,2,3",
        "a.jpg,cat,1,2,3,4,5",
        "",
        ",cat,1,2,3,4",
        "a.jpg, ,1,2,3,4",
        "a.jpg,cat,one,2,3,4",
        "a.jpg,cat,1,nan,3,4",
        "a.jpg,cat,3,2,1,4",
        "a.jpg,cat,1,2,3,2",
        '"two',
        'lines.jpg",cat,1,2,3,',
        "a.jpg,dog,-5,0,3.5,4",
    ]
    read = read_annotations(written(tmp_path, HEADER + "\n".join(rows)))
    assert read.images == {"a.jpg": [("cat", (1, 2, 3, 4)), ("dog", (-5, 0, 3.5, 4))]}
    assert read.faults == (
        "line 3: 5 values stand in 6 columns",
        "line 4: 7 values stand in 6 columns",
        "line 6: image is empty",
        "line 7: label is empty",
        "line 8: x0 is 'one', no number",
        "line 9: y0 is 'nan', no number",
        "line 10: the box (3.0, 2.0, 1.0, 4.0) has no area",
        "line 11: the box (1.0, 2.0, 3.0, 2.0) has no area",
        "line 13: y1 is '', no number",
    )


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", r"without one column each for \['image', 'label'"),
        ("a.jpg,cat,1,2,3,4\n", "'image', 'label', 'x0'"),
        ("image,label,x,y,w,h\n", r"'x0', 'y0', 'x1', 'y1'\]"),
        ("image,label,x0,y0,x1,y1,x0\n", r"for \['x0'\]"),
        (HEADER + '"a.jpg,cat,1,2,3,4\n', "cannot be understood as CSV: line 2"),
        (b"\x89PNG\r\n\x1a\n\xff", "cannot be read: 'utf-8'"),
        ('{"images": [', "cannot be understood as JSON.*column"),
        ("[" * 100_000, "cannot be understood as JSON"),
        ("[]", "has no lists images, annotations, categories"),
        ('{"images": [], "annotations": {}}', "has no lists annotations, categories"),
    ],
)
def test_files_of_neither_kind_are_refused(tmp_path, content, message):
    path = written(tmp_path, content)
    with pytest.raises(DataError, match=message) as caught:
        read_annotations(path)
    assert str(path) in str(caught.value)
    assert "COCO JSON" in str(caught.value)
    assert HEADER.strip() in str(caught.value)


def test_missing_files_and_folders(tmp_path):
    with pytest.raises(DataError, match=r"gone\.csv cannot be read"):
        read_annotations(tmp_path / "gone.csv")
    with pytest.raises(DataError, match="cannot be read"):
        read_annotations(str(tmp_path))
