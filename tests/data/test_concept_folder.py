"""Labelled images in a plain folder, read and written."""

import os
import re
import struct
import zlib
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from PIL import Image

from kerasviz.data import (
    Concept,
    ConceptArrays,
    ConceptFolder,
    Labelled,
    SceneConcepts,
    load_image,
    write_concept_folder,
)
from kerasviz.errors import DataError, SaveError, SettingError

LABELS = 'number,name,category\n1,car,object\n1,wheel,part\n2,"window, open",part\n700,Tür,part\n1,street,scene\n'
TAGS = "image,name,category\nstreet/b.jpg,street,scene\na.png,street,scene\na.png,street,scene\na.png,car,object\n"
CONCEPTS = (("car", "object"), ("wheel", "part"), ("window, open", "part"), ("Tür", "part"), ("street", "scene"))


def save(path, pixels):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.asarray(pixels)).save(path)


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "set"
    y, x = np.mgrid[:4, :6]
    save(folder / "images/a.png", np.stack([y * 60, x * 50, y * 0], -1).astype(np.uint8))
    save(folder / "images/street/b.jpg", np.full((4, 6, 3), 90, np.uint8))
    save(folder / "images/street/c10.png", np.full((8, 12), 40, np.uint8))
    save(folder / "images/street/c9.png", np.full((4, 6), 50, np.uint8))
    save(folder / "images/unlabelled.png", np.full((4, 6), 50, np.uint8))
    save(folder / "masks/object/a.png", np.array([[1, 1, 0], [0, 0, 1]], np.uint8))
    save(folder / "masks/part/a.png", np.array([[2, 0, 1], [0, 0, 700]], np.uint16))
    save(folder / "masks/part.2/a.png", np.array([[0, 0, 2], [0, 0, 0]], np.uint8))
    save(folder / "masks/part.10/a.png", np.array([[0, 0, 0], [0, 0, 1]], np.uint8))
    save(folder / "masks/part/street/c10.png", np.array([[1, 0, 2], [0, 0, 0]], np.uint8))
    save(folder / "masks/part/street/c9.png", np.array([[0, 0, 0], [1, 0, 0]], np.uint8))
    (folder / "labels.csv").write_text(LABELS, encoding="utf-8")
    (folder / "tags.csv").write_text(TAGS, encoding="utf-8")
    return folder


def opened(folder, **settings):
    return ConceptFolder(folder, **{"image_size": (4, 6), "map_size": (2, 3), **settings})


def test_concepts_images_maps_and_tags(folder):
    data = opened(folder)
    assert data.concepts == CONCEPTS
    assert data.categories == ("object", "part", "scene")
    assert (data.image_size, data.map_size, data.faults) == ((4, 6), (2, 3), ())
    names = ["images/a.png", "images/street/b.jpg", "images/street/c9.png", "images/street/c10.png"]
    assert [data.name_of(i) for i in range(len(data))] == names
    first = data.read(0)
    assert first.image[3, 5].tolist() == [180, 250, 0]
    assert first.maps.dtype == np.uint8
    assert first.maps.tolist() == [
        [[1, 1, 0], [0, 0, 1]],
        [[3, 0, 2], [0, 0, 4]],
        [[0, 0, 3], [0, 0, 0]],
        [[0, 0, 0], [0, 0, 2]],
    ]
    assert first.tags == (5, 1)
    second = data.read(1)
    assert (second.maps.shape, second.tags) == ((0, 2, 3), (5,))
    assert data.read(2).maps.tolist() == [[[0, 0, 0], [2, 0, 0]]]
    last = data.read(np.int64(3))
    assert (last.image.shape, last.image.max(), last.tags) == ((4, 6, 3), 40, ())
    assert last.maps.tolist() == [[[2, 0, 3], [0, 0, 0]]]


def test_categories_can_be_chosen(folder):
    data = opened(folder, categories=["scene", "object"])
    assert data.concepts == (CONCEPTS[0], CONCEPTS[4])
    assert (len(data), data.faults) == (2, ())
    assert data.read(0).maps.tolist() == [[[1, 1, 0], [0, 0, 1]]]
    assert data.read(0).tags == (2, 1)
    with pytest.raises(SettingError, match=r"no 'parts'.*'object', 'part', 'scene'"):
        opened(folder, categories="parts")


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("fit", ["crop", "stretch"])
@pytest.mark.parametrize("size", [(3, 3), (7, 5), (2, 9), (16, 24)])
def test_images_are_fitted_as_load_image_does(folder, fit, size, channels):
    image = opened(folder, image_size=size, fit=fit, channels=channels).read(0).image
    np.testing.assert_array_equal(image, load_image(folder / "images/a.png", size, fit=fit, channels=channels))


def test_masks_are_cut_as_the_image_is(folder):
    # The picture shows its own mask: after the cut they still agree, pixel by pixel.
    mask = np.repeat(np.repeat(np.random.default_rng(0).integers(0, 3, (8, 20)), 6, 0), 6, 1).astype(np.uint8)
    save(folder / "images/a.png", mask * 100)
    save(folder / "masks/part/a.png", mask[3::6, 3::6])  # at a sixth of the resolution
    for size, shape in [((24, 24), "crop"), ((8, 12), "crop"), ((8, 2), "crop"), ((16, 40), "stretch")]:
        sample = opened(folder, image_size=size, map_size=size, fit=shape, categories="part").read(0)
        expected = load_image(folder / "images/a.png", size, fit=shape, channels=1)[..., 0]
        shown = np.array([0, 100, 200])[sample.maps[0]]
        assert np.mean(np.abs(shown - expected.astype(int)) > 50) < 0.1
    # Maps of another shape than the images still show the same part: here columns 6 to 13 of 20.
    sample = opened(folder, image_size=(24, 24), map_size=(8, 4), categories="part").read(0)
    np.testing.assert_array_equal(sample.maps[0], mask[3::6, 3::6][:, [7, 9, 11, 13]])


def test_nearest_means_the_pixel_under_the_centre(folder):
    save(folder / "masks/part/a.png", np.array([[0, 1, 2, 1, 0, 2]] * 4, np.uint8))
    sample = opened(folder, map_size=(1, 2), categories="part")
    assert sample.read(0).maps[0].tolist() == [[1, 0]]
    big = opened(folder, map_size=(4, 12), categories="part").read(0)
    assert big.maps[0, 3].tolist() == [0, 0, 1, 1, 2, 2, 1, 1, 0, 0, 2, 2]


def grey_png(path, rows, bits):
    """A PNG of grey values with few bits, which Pillow does not write."""
    packed = b"".join(
        b"\0" + int("".join(f"{value:0{bits}b}" for value in row).ljust(8, "0"), 2).to_bytes(1, "big") for row in rows
    )

    def chunk(kind, content):
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = struct.pack(">IIBBBBB", len(rows[0]), len(rows), bits, 0, 0, 0, 0)
    path.write_bytes(
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(packed)) + chunk(b"IEND", b"")
    )


@pytest.mark.parametrize("bits", [1, 2])
def test_masks_of_few_bits(folder, bits):
    rows = [[1, 0, 1], [0, bits, 1]]
    grey_png(folder / "masks/part/a.png", rows, bits)
    expected = np.array([0, 2, 3])[rows]
    np.testing.assert_array_equal(opened(folder).read(0).maps[1], expected)
    grey_png(folder / "masks/part/a.png", [row[:2] for row in rows], 4)
    save(folder / "images/a.png", np.zeros((4, 4), np.uint8))
    narrow = opened(folder, image_size=4, map_size=2, categories="part").read(0).maps
    np.testing.assert_array_equal(narrow[0], expected[:, :2] - (expected[:, :2] > 0))


def test_masks_with_palettes_are_read_by_index(folder):
    picture = Image.fromarray(np.array([[2, 0, 1], [0, 0, 1]], np.uint8))
    picture.putpalette([0, 0, 0, 0, 0, 0, 9, 9, 9])  # two indices of one colour
    picture.save(folder / "masks/part/a.png", transparency=1)
    assert opened(folder).read(0).maps[1].tolist() == [[3, 0, 2], [0, 0, 2]]


@pytest.mark.parametrize(
    ("pixels", "message"),
    [
        (np.full((2, 3), 3, np.uint8), "masks/part/a.png has the label number 3. Expected .* labels.csv .* 'part'"),
        (np.full((2, 3), 65535, np.uint16), "the label number 65535"),
        (np.zeros((3, 2), np.uint8), "masks/part/a.png is 3 x 2 pixels .* its image 4 x 6"),
        (np.zeros((2, 3, 3), np.uint8), "has pixels of the kind RGB"),
        (None, "masks/part/a.png cannot be read as PNG"),
    ],
)
def test_bad_masks_are_errors_of_their_image_alone(folder, pixels, message):
    path = folder / "masks/part/a.png"
    if pixels is None:
        path.write_bytes(path.read_bytes()[:50])
    else:
        save(path, pixels)
    data = opened(folder)
    with pytest.raises(DataError, match=message):
        data.read(0)
    assert data.read(2).maps.tolist() == [[[0, 0, 0], [2, 0, 0]]]


def test_bad_images_are_errors_of_their_own(folder):
    data = opened(folder)
    (folder / "images/a.png").write_bytes(b"")
    with pytest.raises(DataError, match=r"images/a\.png is empty"):
        data.read(0)
    (folder / "images/a.png").unlink()
    with pytest.raises(DataError, match=r"images/a\.png does not exist"):
        data.read(0)


def test_masks_may_differ_from_the_aspect_by_rounding(folder):
    save(folder / "images/a.png", np.zeros((333, 500), np.uint8))
    for shape in [(33, 50), (34, 50), (67, 100), (333, 500), (166, 250)]:
        save(folder / "masks/part/a.png", np.zeros(shape, np.uint8))
        opened(folder, categories="part").read(0)
    for shape in [(32, 50), (33, 53), (333, 502)]:
        save(folder / "masks/part/a.png", np.zeros(shape, np.uint8))
        with pytest.raises(DataError, match="aspect ratio"):
            opened(folder, categories="part").read(0)


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        ("0,cup,part", "number is '0', not a whole number from 1 to 65535"),
        ("cup,3,part", "number is 'cup', not"),
        ("3,,part", "name is empty"),
        ("3,cup,", "the category '' cannot name a folder"),
        ("3,cup,part.2", "the category 'part.2' cannot name a folder"),
        ("3,cup,.git", "the category '.git' cannot name a folder"),
        ("3,cup,a/b", "the category 'a/b' cannot name a folder"),
        ("3,cup,../masks/part", "'../masks/part' leads outside the folder"),
        ("3,cup,/etc", "'/etc' leads outside the folder"),
        ("1,cup,part", "'part' has the number 1 already"),
        ("3,cup", "2 values stand in 3 columns"),
    ],
)
def test_bad_labels_are_left_out_and_named(folder, line, fault):
    (folder / "labels.csv").write_text(f"{LABELS}{line}\n4,knob,part\n", encoding="utf-8")
    data = opened(folder)
    assert data.concepts == (*CONCEPTS, ("knob", "part"))
    assert len(data.faults) == 1
    assert data.faults[0].startswith(f"labels.csv line 7: {fault}")


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        ("b.jpg,street,scene", "there is no image 'b.jpg'"),
        ("../set/images/a.png,street,scene", "'../set/images/a.png' leads outside the folder"),
        ("a.png,street,part", "labels.csv has no 'street' of the category 'part'"),
        ("a.png,street", "2 values stand in 3 columns"),
    ],
)
def test_bad_tags_are_left_out_and_named(folder, line, fault):
    (folder / "tags.csv").write_text(f"{TAGS}{line}\nstreet/c9.png,Tür,part\n", encoding="utf-8")
    data = opened(folder)
    assert data.faults == (f"tags.csv line 6: {fault}",)
    assert data.read(2).tags == (4,)
    assert data.read(0).tags == (5, 1)


def test_stray_files_are_named(folder):
    save(folder / "masks/part/street/d.png", np.zeros((2, 3), np.uint8))
    save(folder / "masks/part/street/b.jpg", np.zeros((2, 3), np.uint8))
    save(folder / "masks/parts/a.png", np.zeros((2, 3), np.uint8))
    save(folder / "images/a.jpg", np.zeros((2, 3), np.uint8))
    (folder / "masks/object/x.png").symlink_to(folder / "gone.png")
    (folder / "masks/object/.hidden").touch()
    data = opened(folder)
    expected = [
        "images/a.png has the same masks as images/a.jpg",
        "masks/parts: labels.csv has no category 'parts'",
        "masks/object/x.png cannot be read: .*No such file.*",
        "masks/part/street/b.jpg is no PNG file",
        "masks/part/street/d.png: there is no image 'street/d'",
        *(f"tags.csv line {line}: there is no image 'a.png'" for line in (3, 4, 5)),
    ]
    for pattern, fault in zip(expected, data.faults, strict=True):
        assert re.fullmatch(pattern, fault)
    assert data.name_of(0) == "images/a.jpg"


def test_sets_that_cannot_be_used(folder, tmp_path):
    with pytest.raises(DataError, match="is no folder"):
        opened(folder / "gone")
    (folder / "labels.csv").rename(tmp_path / "labels.csv")
    with pytest.raises(DataError, match=r"labels\.csv cannot be read"):
        opened(folder)
    (folder / "labels.csv").write_text("number,name\n1,car\n")
    with pytest.raises(DataError, match="without category"):
        opened(folder)
    (tmp_path / "labels.csv").rename(folder / "labels.csv")
    (folder / "images").rename(tmp_path / "images")
    with pytest.raises(DataError, match="holds no pictures"):
        opened(folder)
    (folder / "images").mkdir()
    with pytest.raises(DataError, match="holds no pictures"):
        opened(folder)
    save(folder / "images/x.png", np.zeros((2, 3), np.uint8))
    with pytest.raises(DataError, match=r"none has a label, and there are 10 faults, the first: masks/object/a\.png"):
        opened(folder)


@pytest.mark.parametrize("settings", [{"image_size": "big"}, {"map_size": (3,)}, {"fit": "pad"}, {"channels": 2}])
def test_bad_settings(folder, settings):
    with pytest.raises(SettingError, match=next(iter(settings))):
        opened(folder, **settings)


def test_reading_on_many_threads_is_as_reading_one_by_one(tmp_path):
    data = ConceptFolder(write_concept_folder(SceneConcepts(12, seed=3), tmp_path / "set"), image_size=64)
    serial = [data.read(i) for i in range(12)]
    order = np.random.default_rng(0).permutation(np.repeat(np.arange(12), 4))
    with ThreadPoolExecutor(8) as pool:
        for number, sample in zip(order, pool.map(data.read, order), strict=True):
            np.testing.assert_array_equal(sample.image, serial[number].image)
            np.testing.assert_array_equal(sample.maps, serial[number].maps)


def test_the_fingerprint_changes_with_files_tables_and_arguments(folder, tmp_path):
    first = opened(folder).fingerprint
    assert opened(folder).fingerprint == first
    folder = folder.rename(tmp_path / "moved")
    assert opened(folder).fingerprint == first
    prints = {first}

    def differs(**settings):
        fingerprint = opened(folder, **settings).fingerprint
        assert fingerprint not in prints
        prints.add(fingerprint)

    differs(categories=["object"])
    differs(image_size=8)
    differs(map_size=8)
    differs(fit="stretch")
    differs(channels=1)
    for name in ("masks/part.2/a.png", "images/street/b.jpg"):
        os.utime(folder / name, ns=(0, 1))
        differs()
    (folder / "tags.csv").write_text(TAGS + "a.png,wheel,part\n", encoding="utf-8")
    differs()
    (folder / "tags.csv").unlink()
    differs()
    (folder / "labels.csv").write_text(LABELS.replace("car", "bus"), encoding="utf-8")
    differs()
    text = LABELS.replace("1,wheel", "9,wheel").replace('2,"window', '1,"window').replace("9,wheel", "2,wheel")
    (folder / "labels.csv").write_text(text.replace("car", "bus"), encoding="utf-8")
    differs()  # by the numbers alone
    (folder / "masks/part.2/a.png").unlink()
    differs()


# Writing


def shown(sample, concepts):
    """What each pixel shows, and what the whole image does."""
    codes = np.arange(1, concepts + 1)[:, None, None, None]
    return (sample.maps == codes).any(axis=1), set(sample.tags)


def same(first, second, concepts):
    np.testing.assert_array_equal(first.image, second.image)
    (masks, tags), (other, others) = shown(first, concepts), shown(second, concepts)
    np.testing.assert_array_equal(masks, other)
    assert tags == others


def test_scenes_come_back_as_they_were_written(tmp_path):
    data = SceneConcepts(6, size=(40, 56), seed=5, map_size=(20, 28))
    folder = write_concept_folder(data, tmp_path / "new" / "set")
    again = ConceptFolder(folder, image_size=(40, 56), map_size=(20, 28))
    assert (again.concepts, len(again), again.faults) == (data.concepts, 6, ())
    for i in range(6):
        same(again.read(i), data.read(i), len(data.concepts))
    assert sorted(path.name for path in (tmp_path / "new").iterdir()) == ["set"]  # nothing temporary is left
    mask = Image.open(folder / "masks/colour/000000.png")
    assert mask.mode == "P"
    used = np.unique(np.asarray(mask))
    assert len({tuple(colour) for colour in np.reshape(mask.getpalette(), (-1, 3))[used].tolist()}) == len(used)


@pytest.mark.parametrize("count", [9, 300])
def test_maps_that_mix_categories_overlaps_and_tags_come_back(tmp_path, rng, count):
    concepts = [(f'thing "{k}", Ö', ("a", "b", "c d")[k % 3]) for k in range(count)]
    maps = rng.integers(0, count + 1, (3, 2, 4, 6))
    maps[1] = 0
    images = rng.integers(0, 256, (3, 8, 12, 1)).astype(np.uint8)
    data = ConceptArrays(images, maps, concepts, tags=[(), (2, count), (1,)])
    again = ConceptFolder(
        write_concept_folder(data, tmp_path), image_size=(8, 12), map_size=(4, 6), fit="stretch", channels=1
    )
    assert again.concepts == tuple(concepts)
    for i in range(3):
        same(again.read(i), data.read(i), count)
    assert len(again.read(1).maps) == 0  # no files for masks without a label


def test_only_the_first_are_written(tmp_path):
    folder = write_concept_folder(SceneConcepts(6), tmp_path, count=2)
    assert sorted(path.name for path in (folder / "images").iterdir()) == ["000000.png", "000001.png"]
    assert len(list((folder / "masks/shape").iterdir())) == 2
    for count in (0, -1, 1.5):
        with pytest.raises(SettingError, match="count"):
            write_concept_folder(SceneConcepts(6), tmp_path / "other", count=count)


class Broken(SceneConcepts):
    def read(self, number):
        if number == 1:
            raise DataError("Scene 1 is lost", expected="it", mend="Find it")
        return super().read(number)


def test_writing_is_whole_or_not_at_all(tmp_path):
    with pytest.raises(DataError, match="Scene 1 is lost"):
        write_concept_folder(Broken(3), tmp_path / "set")
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "mine.txt").touch()
    with pytest.raises(SaveError, match="exists already"):
        write_concept_folder(SceneConcepts(3), tmp_path / "set")
    with pytest.raises(SaveError, match="exists already"):
        write_concept_folder(SceneConcepts(3), tmp_path / "set" / "mine.txt")
    with pytest.raises(SaveError, match="cannot be written"):
        write_concept_folder(SceneConcepts(3), tmp_path / "set" / "mine.txt" / "below")
    assert [path.name for path in tmp_path.rglob("*")] == ["set", "mine.txt"]


@pytest.mark.parametrize(
    ("categories", "message"),
    [
        (["../up", "b"], "'../up' leads outside"),
        (["a/b", "b"], "cannot name a folder"),
        (["Part", "part"], "capitals"),
        (["part", "part.2"], "'part.2' cannot name a folder"),
    ],
)
def test_categories_that_cannot_be_folders(tmp_path, categories, message):
    concepts = [Concept("x", category) for category in categories]
    data = ConceptArrays(np.zeros((1, 8, 8, 3), np.uint8), np.ones((1, 8, 8), int), concepts)
    with pytest.raises(DataError, match=message):
        write_concept_folder(data, tmp_path / "set")
    assert list(tmp_path.iterdir()) == []
    assert isinstance(data.read(0), Labelled)
