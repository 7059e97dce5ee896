"""Broden's format."""

import csv
import os
import re
import shutil
import zlib
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from PIL import Image

from kerasviz.data import Broden, load_image
from kerasviz.errors import DataError, SettingError

HEADER = "image,split,ih,iw,sh,sw,color,object,part,material,scene,texture"
LABELS = [
    "number,name,category,frequency,coverage,syns",
    "1,red-c,color(2),2,1.0,",
    "2,car,object(2),2,0.5,auto;automobile",
    '300,"wheel, spoked",part(2);object(1),3,0.1,',
    "65535,Tür,part(1),1,0.1,door",
    "7,street,scene(2),2,2.0,",
    "8,striped,texture(1),1,1.0,",
    "9,dotted,texture(1),1,1.0,",
]
CONCEPTS = [
    ("red-c", "color"),
    ("car", "object"),
    ("wheel, spoked", "object"),
    ("wheel, spoked", "part"),
    ("Tür", "part"),
    ("street", "scene"),
    ("striped", "texture"),
    ("dotted", "texture"),
]
IMAGE, MASK = (4, 6), (2, 3)


def save_mask(path, numbers, mode="RGB"):
    """As published: red + 256 * green; blue is noise that must not be read."""
    numbers = np.asarray(numbers)
    pixels = np.stack([numbers % 256, numbers // 256, np.full_like(numbers, 99)], -1).astype(np.uint8)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).convert(mode).save(path)


def save_image(path, value, size=IMAGE):
    path.parent.mkdir(parents=True, exist_ok=True)
    y, x = np.mgrid[: size[0], : size[1]]
    Image.fromarray(np.stack([y * 40, x * 40, np.full_like(x, value)], -1).astype(np.uint8)).save(path)


def write_index(folder, rows, header=HEADER):
    with (folder / "index.csv").open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([header.split(","), *rows])


def row(image, *cells, sizes=(*IMAGE, *MASK)):
    return [image, "train", *sizes, *cells, *[""] * (6 - len(cells))]


ROWS = [
    row("dtd/a.png", "", "", "", "", "7", "8;9"),
    row("ade/b, c.png", "ade/b_color.png", "ade/b_object.png", "ade/b_part_1.png;ade/b_part_2.png", "", "7", ""),
    row("ade/unlabelled.png"),
    row("ade/zero.png", "", "", "", "", "0", ""),
    row("ade/Straße.png", "", "ade/Straße_object.png;2"),
]


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "broden"
    folder.mkdir()
    (folder / "label.csv").write_text("\n".join(LABELS), encoding="utf-8")
    images = folder / "images"
    save_image(images / "dtd/a.png", 10)
    save_image(images / "ade/b, c.png", 20)
    save_image(images / "ade/Straße.png", 30)
    save_mask(images / "ade/b_color.png", [[1, 1, 1], [0, 0, 1]])
    save_mask(images / "ade/b_object.png", [[2, 300, 0], [2, 2, 0]])
    save_mask(images / "ade/b_part_1.png", [[300, 0, 0], [0, 65535, 0]])
    save_mask(images / "ade/b_part_2.png", [[65535, 0, 300], [0, 0, 0]], "RGBA")
    save_mask(images / "ade/Straße_object.png", [[0, 0, 300], [0, 0, 0]])
    write_index(folder, ROWS)
    return folder


def test_concepts_are_labels_by_category(folder):
    data = Broden(folder)
    assert data.concepts == tuple(CONCEPTS)
    assert data.concepts[3].category == "part"
    assert data.categories == ("color", "object", "part", "scene", "texture")
    assert (data.image_size, data.map_size, data.faults) == (IMAGE, MASK, ())


def test_images_maps_and_tags(folder):
    data = Broden(folder)
    assert [data.name_of(i) for i in range(len(data))] == [
        "images/dtd/a.png",
        "images/ade/b, c.png",
        "images/ade/Straße.png",
    ]
    tagged = data.read(0)
    assert tagged.maps.shape == (0, *MASK)
    assert tagged.tags == (6, 7, 8)
    full = data.read(1)
    assert full.maps.dtype == np.uint8
    assert full.maps.tolist() == [
        [[1, 1, 1], [0, 0, 1]],
        [[2, 3, 0], [2, 2, 0]],
        [[4, 0, 0], [0, 5, 0]],
        [[5, 0, 4], [0, 0, 0]],
    ]
    assert full.tags == (6,)
    assert full.image[1, 2].tolist() == [40, 80, 20]
    mixed = data.read(np.int64(2))
    assert mixed.maps.tolist() == [[[0, 0, 3], [0, 0, 0]]]
    assert mixed.tags == (2,)
    assert mixed.image[0, 0, 2] == 30


def test_categories_can_be_chosen(folder):
    (folder / "images/ade/b_color.png").unlink()  # not looked for
    data = Broden(folder, categories=["part", "object"])
    assert data.concepts == tuple(CONCEPTS[1:5])  # in the order of the index
    assert [data.name_of(i) for i in range(len(data))] == ["images/ade/b, c.png", "images/ade/Straße.png"]
    assert data.read(0).maps.tolist() == [
        [[1, 2, 0], [1, 1, 0]],
        [[3, 0, 0], [0, 4, 0]],
        [[4, 0, 3], [0, 0, 0]],
    ]
    assert data.read(0).tags == ()
    assert Broden(folder, categories="texture").read(0).tags == (1, 2)
    for wrong in (["colour"], []):
        with pytest.raises(SettingError, match="'color', 'object', 'part', 'scene', 'texture'"):
            Broden(folder, categories=wrong)


def test_columns_without_labels_are_not_read(folder):
    rows = [[*ROWS[0], "../any note"], [*ROWS[1][:9], "gone.png", *ROWS[1][10:], ""]]  # "material" has no label
    write_index(folder, rows, HEADER + ",note")
    data = Broden(folder)
    assert (len(data), data.faults, data.categories[3]) == (2, (), "scene")


def test_sizes_can_be_chosen(folder):
    data = Broden(folder, image_size=(9, 8), map_size=(4, 9), channels=1)
    sample = data.read(1)
    np.testing.assert_array_equal(
        sample.image, load_image(folder / "images/ade/b, c.png", (9, 8), fit="stretch", channels=1)
    )
    np.testing.assert_array_equal(sample.maps[1], np.kron([[2, 3, 0], [2, 2, 0]], np.ones((2, 3))))
    assert sample.maps.dtype == np.uint8
    assert data.read(0).maps.shape == (0, 4, 9)


def test_rows_of_other_sizes_are_faults_unless_a_size_is_given(folder):
    save_image(folder / "images/big.png", 5, (8, 12))
    save_mask(folder / "images/big_object.png", np.full((4, 6), 2))
    rows = [
        row("big.png", "", "big_object.png", sizes=(8, 12, 4, 6)),
        *ROWS,
        row("dtd/a.png", "", "", "", "", "7", sizes=(*IMAGE, 1, 1)),  # no mask, so its size is of no interest
    ]
    write_index(folder, rows)
    data = Broden(folder)
    assert (len(data), data.image_size, data.map_size) == (4, IMAGE, MASK)
    assert data.faults == ("index.csv line 2: ih x iw is 8 x 12, and 4 x 6 in most rows; image_size would fit them",)
    data = Broden(folder, image_size=8)
    assert data.faults == ("index.csv line 2: sh x sw is 4 x 6, and 2 x 3 in most rows; map_size would fit them",)
    data = Broden(folder, image_size=8, map_size=1)
    assert (len(data), data.faults) == (5, ())
    assert data.read(0).maps.tolist() == [[[2]]]
    assert data.read(0).image.shape == (8, 8, 3)


def test_rows_without_masks_do_not_decide_about_the_size_of_maps(folder):
    write_index(folder, [row("dtd/a.png", "", "", "", "", "7", "0;8;0;8", sizes=(*IMAGE, 1, 1))] * 3 + ROWS[1:2])
    data = Broden(folder)
    assert (len(data), data.map_size, data.faults) == (4, MASK, ())
    assert data.read(0).tags == (6, 7)


@pytest.mark.parametrize(
    ("bad", "fault"),
    [
        (row("dtd/a.png")[:-1], "11 values stand in 12 columns"),
        ([*row("dtd/a.png"), "x"], "13 values stand in 12 columns"),
        (row("", "", "", "", "", "7"), "image is empty"),
        (row("gone.png", "", "", "", "", "7"), "images/gone.png is missing"),
        (row("dtd", "", "", "", "", "7"), "images/dtd is no regular file"),
        (row("dtd/a.png/b", "", "", "", "", "7"), "images/dtd/a.png/b is missing"),
        (row("n" * 300, "", "", "", "", "7"), "cannot be read: .*too long"),
        (row("dtd/a.png", "ade/gone.png"), "images/ade/gone.png is missing"),
        (row("dtd/a.png", "ade/b_color.png;gone.png"), "images/gone.png is missing"),
        (row("dtd/a.png", "", "", "", "", "77"), "label.csv lists no number 77 for 'scene'"),
        (row("dtd/a.png", "", "", "", "", "8"), "label.csv lists no number 8 for 'scene'"),
        (row("dtd/a.png", "", "", "", "", "7", sizes=("4.0", 6, 2, 3)), "ih is '4.0', not a whole number"),
        (row("dtd/a.png", "", "", "", "", "7", sizes=(4, 0, 2, 3)), "iw is '0', not a whole number"),
        (row("dtd/a.png", "", "", "", "", "7", sizes=(4, 6, "²", 3)), "sh is '²', not"),
        (row("dtd/a.png", "", "", "", "", "7", sizes=(4, 6, 2, "")), "sw is '', not"),
        (row("../broden/images/dtd/a.png", "", "", "", "", "7"), "leads outside"),
        (row("dtd/../../images/dtd/a.png", "", "", "", "", "7"), "leads outside"),
        (row("dtd/a.png", "..\\x.png"), "leads outside"),
        (row("dtd/a.png", "/etc/passwd"), "'/etc/passwd' leads outside"),
        (row("dtd/a.png", "C:x.png"), "leads outside"),
    ],
)
def test_bad_rows_are_left_out_and_named(folder, bad, fault):
    write_index(folder, [ROWS[0], bad, *ROWS[1:]])
    data = Broden(folder)
    assert len(data) == 3
    assert data.read(1).maps[1].tolist() == [[2, 3, 0], [2, 2, 0]]
    assert len(data.faults) == 1
    assert re.fullmatch(f"index.csv line 3: .*({fault}).*", data.faults[0])


def test_faults_are_told_in_the_order_of_lines(folder):
    bad = [row("gone.png", "", "", "", "", "7"), row("x"), row("dtd/a.png", "", "", "", "", "70"), ["short"]]
    bad[1][2] = "tall"
    write_index(folder, [*bad, [], *ROWS])
    faults = Broden(folder).faults
    assert [fault.split(":")[0] for fault in faults] == [f"index.csv line {line}" for line in (2, 3, 4, 5)]


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        ("x,cup,object(1),1,1,", "number is 'x', not a whole number from 1 to 65535"),
        ("0,-,object(1),1,1,", "number is '0', not"),
        ("65536,cup,object(1),1,1,", "number is '65536', not"),
        ("2,cup,object(1),1,1,", "number 2 is there twice"),
        ("3,,object(1),1,1,", "name is empty"),
        ("3,cup,,1,1,", "category is '', not such as"),
        ("3,cup,object(1;part(1),1,1,", r"category is 'object\(1;part\(1\)', not such as"),
        ("3,cup,colour(1),1,1,", "index.csv has no column for the category 'colour'"),
        ("3,cup", "2 values stand in 6 columns"),
    ],
)
def test_bad_labels_are_left_out_and_named(folder, line, fault):
    (folder / "label.csv").write_text("\n".join([*LABELS, line]), encoding="utf-8")
    data = Broden(folder)
    assert data.concepts == tuple(CONCEPTS)
    assert len(data.faults) == 1
    assert re.match(f"label.csv line 9: {fault}", data.faults[0])


def test_numbers_with_one_name_and_category_are_one_concept(folder):
    (folder / "label.csv").write_text(
        "\n".join([*LABELS, "4,car,object,1,1,", "5,cup, object ;part (3),1,1,"]), "utf-8"
    )
    save_mask(folder / "images/ade/b_object.png", [[2, 4, 5], [0, 0, 0]])
    data = Broden(folder)
    assert data.concepts[1:4] == (("car", "object"), ("wheel, spoked", "object"), ("cup", "object"))
    assert data.concepts[6] == ("cup", "part")
    assert data.read(1).maps[1].tolist() == [[2, 2, 4], [0, 0, 0]]


def test_more_than_255_concepts_need_wider_maps(folder):
    more = [f"{number},thing {number},object(1),1,1," for number in range(1000, 1300)]
    (folder / "label.csv").write_text("\n".join([*LABELS, *more]), encoding="utf-8")
    save_mask(folder / "images/ade/b_object.png", [[2, 1299, 1000], [0, 0, 0]])
    data = Broden(folder)
    maps = data.read(1).maps
    assert maps.dtype == np.uint16
    assert data.concepts[maps[1, 0, 1] - 1] == ("thing 1299", "object")
    assert maps[1].tolist() == [[2, 303, 4], [0, 0, 0]]


def swap(path, make):
    def change(folder):
        make(folder / "images" / path)

    return change


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (swap("ade/b, c.png", lambda p: save_image(p, 1, (4, 5))), "images/ade/b, c.png is 4 x 5 .* Expected 4 x 6"),
        (swap("ade/b, c.png", lambda p: p.write_bytes(b"")), r"b, c\.png is empty"),
        (swap("ade/b, c.png", lambda p: p.unlink()), r"b, c\.png does not exist"),
        (swap("ade/b_part_2.png", lambda p: p.unlink()), "images/ade/b_part_2.png cannot be read as PNG"),
        (swap("ade/b_part_2.png", lambda p: p.write_bytes(b"GIF89a")), "images/ade/b_part_2.png cannot be read as PNG"),
        (swap("ade/b_part_2.png", lambda p: p.write_bytes(p.read_bytes()[:60])), "b_part_2.png cannot be read as PNG"),
        (swap("ade/b_part_2.png", lambda p: save_mask(p, [[0, 2]])), "b_part_2.png is 1 x 2 .* Expected 2 x 3"),
        (swap("ade/b_part_2.png", lambda p: save_mask(p, np.full(MASK, 6))), "the label number 6. Expected .* 'part'"),
        (swap("ade/b_part_2.png", lambda p: save_mask(p, np.full(MASK, 2))), "the label number 2. Expected .* 'part'"),
        (swap("ade/b_object.png", lambda p: save_mask(p, np.full(MASK, 65535))), "number 65535. Expected .* 'object'"),
        (swap("ade/b_part_2.png", lambda p: Image.new("L", MASK[::-1]).save(p)), "has pixels of the kind L"),
    ],
)
def test_what_only_pixels_tell_is_an_error_of_that_image_alone(folder, change, message):
    data = Broden(folder)
    change(folder)
    with pytest.raises(DataError, match=message):
        data.read(1)
    assert data.read(2).tags == (2,)


def test_palettes_are_looked_up_as_in_the_original(folder):
    path = folder / "images/ade/b_object.png"
    picture = Image.fromarray(np.array([[0, 1, 0], [1, 1, 0]], np.uint8))
    picture.putpalette([0, 0, 0, 44, 1, 9])
    picture.save(path, transparency=b"\x00\x80")
    assert Broden(folder).read(1).maps[1].tolist() == [[0, 3, 0], [3, 3, 0]]


def test_headers_that_are_too_large_are_not_decoded(folder):
    data = Broden(folder)
    path = folder / "images/ade/b_object.png"
    content = bytearray(path.read_bytes())
    content[16:24] = (60000).to_bytes(4, "big") * 2
    content[29:33] = zlib.crc32(content[12:29]).to_bytes(4, "big")
    path.write_bytes(content)
    with pytest.raises(DataError, match="60000 x 60000"):
        data.read(1)


@pytest.mark.parametrize("name", ["index.csv", "label.csv"])
def test_missing_and_broken_tables(folder, name):
    path = folder / name
    good = path.read_text(encoding="utf-8")
    for content, message in [
        (b"", "starts with ''"),
        (good.replace("image,", "file,").replace("name,", "title,").encode(), "without (image|name)"),
        (good.replace("split", "ih").replace("syns", "name").encode(), "with '(ih|name)' twice"),
        (good.encode() + b'\n"open', "cannot be understood as CSV: line"),
        (good.encode("utf-16"), "cannot be understood as CSV"),
    ]:
        path.write_bytes(content)
        with pytest.raises(DataError, match=message) as caught:
            Broden(folder)
        assert str(path) in str(caught.value)
    path.unlink()
    with pytest.raises(DataError, match=f"{name} cannot be read"):
        Broden(folder)
    with pytest.raises(DataError, match="is no folder"):
        Broden(path)


def test_a_set_without_any_usable_image_is_an_error(folder):
    shutil.rmtree(folder / "images")
    with pytest.raises(DataError, match=r"3 faults, the first: index.csv line 2: images/dtd/a.png is missing"):
        Broden(folder)


@pytest.mark.parametrize(
    "settings",
    [{"image_size": 0}, {"image_size": (4, 5, 6)}, {"map_size": 1.5}, {"map_size": True}, {"channels": 4}],
)
def test_bad_settings(folder, settings):
    with pytest.raises(SettingError, match=next(iter(settings))):
        Broden(folder, **settings)


def test_numbers_beyond_the_set(folder):
    data = Broden(folder)
    for number in (-1, 3, 1.0, "0"):
        for call in (data.read, data.name_of):
            with pytest.raises(SettingError, match="whole number from 0 to 2"):
                call(number)


def test_reading_on_many_threads_is_as_reading_one_by_one(folder):
    rows = []
    for i in range(24):
        save_image(folder / f"images/t/{i}.png", i)
        save_mask(folder / f"images/t/{i}_object.png", np.where(np.arange(6).reshape(2, 3) == i % 6, 300, 2))
        rows.append(row(f"t/{i}.png", "", f"t/{i}_object.png", "", "", "7"))
    write_index(folder, rows)
    data = Broden(folder)
    order = np.random.default_rng(0).permutation(np.repeat(np.arange(24), 4))
    with ThreadPoolExecutor(8) as pool:
        for number, sample in zip(order, pool.map(data.read, order), strict=True):
            assert sample.image[0, 0, 2] == number
            expected = np.full((1, 2, 3), 1 + 1)
            expected.flat[number % 6] = 3
            np.testing.assert_array_equal(sample.maps, expected)


def test_the_fingerprint_changes_with_files_tables_and_arguments(folder, tmp_path):
    first = Broden(folder).fingerprint
    assert Broden(folder).fingerprint == first
    assert Broden(str(folder), image_size=IMAGE).fingerprint == first
    moved = folder.rename(tmp_path / "moved")
    assert Broden(moved).fingerprint == first
    prints = {first}

    def differs(**settings):
        fingerprint = Broden(moved, **settings).fingerprint
        assert fingerprint not in prints
        prints.add(fingerprint)

    differs(categories=["object", "scene"])
    differs(image_size=8)
    differs(map_size=8)
    differs(channels=1)
    mask = moved / "images/ade/b_part_2.png"
    os.utime(mask, ns=(0, mask.stat().st_mtime_ns + 1))
    differs()
    times = mask.stat().st_mtime_ns
    mask.write_bytes(mask.read_bytes() + b"\0")
    os.utime(mask, ns=(0, times))
    differs()  # by its size alone
    os.utime(moved / "images/dtd/a.png", ns=(0, 0))
    differs()
    write_index(moved, ROWS[::-1])
    differs()
    write_index(moved, [row("dtd/a.png", "", "", "", "", "7", "8"), *ROWS[1:]])  # one tag less
    differs()
    (moved / "label.csv").write_text("\n".join(LABELS).replace("auto;", "car;"), encoding="utf-8")
    differs()
    mask.unlink()
    differs()
