import io
import os
import struct
import threading
import time
import tracemalloc
import warnings
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image, ImageFile

from kerasviz.data import find_images, load_image, load_images, read_images
from kerasviz.errors import ImageError, KerasvizWarning, SettingError

RED, WHITE, BLACK = [255, 0, 0], [255, 255, 255], [0, 0, 0]


def save(path, picture, **options):
    picture.save(path, **options)
    return path


@pytest.fixture
def photo():
    """A picture that no two filters, crops or channel orders treat alike."""
    y, x = np.mgrid[0:60, 0:90]
    return np.stack([x * 255 // 89, y * 255 // 59, (x * 7 + y * 13) % 256], -1).astype(np.uint8)


# How pixels are read


def test_rgb_is_read_exactly(tmp_path, photo):
    path = save(tmp_path / "a.png", Image.fromarray(photo))
    image = load_image(path)
    assert image.dtype == np.uint8
    np.testing.assert_array_equal(image, photo)
    image[:] = 0  # the caller's own, writable


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("suffix", ["png", "tif", "jpg"])
def test_exif_orientation_turns_the_picture_upright(tmp_path, orientation, suffix):
    upright = np.zeros((16, 32, 3), np.uint8)
    upright[:8, :8] = 255  # top left
    upright[8:, 24:] = 100  # bottom right
    # The inverse of what a viewer does for each value, EXIF 2.3 section 4.6.4, tag 274.
    stored = {
        1: upright,
        2: upright[:, ::-1],
        3: upright[::-1, ::-1],
        4: upright[::-1],
        5: upright.transpose(1, 0, 2),
        6: np.rot90(upright, 1),
        7: upright[::-1, ::-1].transpose(1, 0, 2),
        8: np.rot90(upright, -1),
    }[orientation]
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = save(tmp_path / f"a.{suffix}", Image.fromarray(np.ascontiguousarray(stored)), exif=exif)
    image = load_image(path)
    assert image.shape == (16, 32, 3)
    np.testing.assert_allclose(image.astype(int), upright, atol=2)  # JPEG is not exact


def test_damaged_exif_is_reported_and_the_picture_still_read(tmp_path, photo):
    exif = b"Exif\0\0" + b"no tiff header here"
    path = save(tmp_path / "a.png", Image.fromarray(photo), exif=exif)
    with pytest.warns(KerasvizWarning, match=r"EXIF data of .*a\.png are damaged") as caught:
        image = load_image(path)
    assert caught[0].filename == __file__  # where the reader of the warning can act
    np.testing.assert_array_equal(image, photo)


@pytest.mark.parametrize("suffix", ["tif", "jpg"])
def test_cmyk_red_is_red(tmp_path, suffix):
    path = save(tmp_path / f"a.{suffix}", Image.new("CMYK", (8, 8), (0, 255, 255, 0)))
    np.testing.assert_allclose(load_image(path)[4, 4], RED, atol=2)


@pytest.mark.parametrize("suffix", ["png", "tif", "pgm"])
def test_16_bit_grey_is_scaled(tmp_path, suffix):
    values = np.array([[0, 128, 129, 32768, 65535]], np.uint16)
    path = tmp_path / f"a.{suffix}"
    cv2.imwrite(str(path), values)
    expected = [0, 0, 1, 128, 255]
    assert load_image(path)[0].tolist() == [[v] * 3 for v in expected]
    assert load_image(path, channels=1)[0, :, 0].tolist() == expected


def test_dark_16_bit_grey_is_dark(tmp_path):
    for suffix in ("png", "tif", "pgm"):
        path = tmp_path / f"a.{suffix}"
        cv2.imwrite(str(path), np.full((2, 2), 255, np.uint16))
        assert load_image(path).max() == 1


def test_16_bit_colour_is_scaled(tmp_path):
    values = np.array([[[0, 32768, 65535]]], np.uint16)  # OpenCV writes blue first
    cv2.imwrite(str(tmp_path / "a.png"), values)
    assert load_image(tmp_path / "a.png").tolist() == [[[255, 128, 0]]]


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (np.float32([[0, 0.5, 1]]), [0, 128, 255]),
        (np.float32([[0, 100.4, 255]]), [0, 100, 255]),
        (np.int32([[0, 100, 255]]), [0, 100, 255]),
        (np.int32([[0, 32768, 65535]]), [0, 128, 255]),
    ],
)
def test_wide_tiff_is_scaled_by_its_range(tmp_path, values, expected):
    path = save(tmp_path / "a.tif", Image.fromarray(values))
    assert load_image(path, channels=1)[0, :, 0].tolist() == expected


@pytest.mark.parametrize(
    "values",
    [np.float32([[-1, 1]]), np.float32([[0, 300]]), np.float32([[0, np.nan]]), np.int32([[0, 70000]])],
)
def test_values_without_a_black_to_white_range_are_refused(tmp_path, values):
    path = save(tmp_path / "depth.tif", Image.fromarray(values))
    with pytest.raises(ImageError, match=r"depth\.tif holds numbers from"):
        load_image(path)


def test_one_bit_is_black_and_white(tmp_path):
    picture = Image.new("1", (2, 1))
    picture.putpixel((1, 0), 1)
    assert load_image(save(tmp_path / "a.png", picture)).tolist() == [[BLACK, WHITE]]
    assert load_image(tmp_path / "a.png", channels=1).tolist() == [[[0], [255]]]


def test_palette_is_looked_up(tmp_path):
    picture = Image.new("P", (2, 1), 0)
    picture.putpalette([10, 20, 30, *RED])
    picture.putpixel((1, 0), 1)
    assert load_image(save(tmp_path / "a.png", picture)).tolist() == [[[10, 20, 30], RED]]


def test_transparent_palette_entry_is_white(tmp_path):
    picture = Image.new("P", (2, 1), 0)
    picture.putpalette([10, 20, 30, *RED])
    picture.putpixel((1, 0), 1)
    for options in ({"transparency": 0}, {"transparency": b"\0\xff"}):
        path = save(tmp_path / "a.png", picture, **options)
        assert load_image(path).tolist() == [[WHITE, RED]]


def test_alpha_is_laid_over_white(tmp_path):
    colour = Image.new("RGBA", (1, 1), (255, 0, 0, 102))  # 40 % red, 60 % white
    np.testing.assert_allclose(load_image(save(tmp_path / "a.png", colour)), [[[255, 153, 153]]], atol=1)
    grey = Image.new("LA", (1, 1), (0, 102))
    np.testing.assert_allclose(load_image(save(tmp_path / "b.png", grey)), [[[153] * 3]], atol=1)
    np.testing.assert_allclose(load_image(tmp_path / "b.png", channels=1), [[[153]]], atol=1)


def test_transparent_colour_key_is_white(tmp_path):
    picture = Image.fromarray(np.array([[RED, [1, 2, 3]]], np.uint8))
    path = save(tmp_path / "a.png", picture, transparency=(1, 2, 3))
    assert load_image(path).tolist() == [[RED, WHITE]]


def test_animation_gives_its_first_frame(tmp_path):
    frames = [Image.new("RGB", (4, 4), colour) for colour in ("red", "blue", "green")]
    for suffix in ("gif", "webp", "png", "tif"):
        options = {"lossless": True} if suffix == "webp" else {}
        path = save(tmp_path / f"a.{suffix}", frames[0], save_all=True, append_images=frames[1:], **options)
        assert load_image(path)[2, 2].tolist() == RED, suffix


def test_grey_is_itu_601(tmp_path):
    picture = Image.fromarray(np.array([[RED, [0, 255, 0], [0, 0, 255]]], np.uint8))
    grey = load_image(save(tmp_path / "a.png", picture), channels=1)
    np.testing.assert_array_equal(grey, [[[76], [150], [29]]])


def test_content_counts_and_not_the_suffix(tmp_path, photo):
    path = tmp_path / "wrong.jpg"
    Image.fromarray(photo).save(path, format="PNG")
    np.testing.assert_array_equal(load_image(path), photo)


def test_file_objects(tmp_path, photo):
    path = save(tmp_path / "a.png", Image.fromarray(photo))
    with path.open("rb") as stream:
        np.testing.assert_array_equal(load_image(stream), photo)
        assert not stream.closed
        np.testing.assert_array_equal(load_image(stream), photo)  # wherever it stands
    with path.open("r", encoding="latin-1") as stream, pytest.raises(ImageError, match="TextIOWrapper"):
        load_image(stream)
    with pytest.raises(ImageError, match="ndarray cannot be read"):
        load_image(photo)


# Sizes


def box_average(image, height, width):
    return image.reshape(height, image.shape[0] // height, width, -1, 3).mean((1, 3))


def test_size_is_height_then_width(tmp_path, photo):
    path = save(tmp_path / "a.png", Image.fromarray(photo))
    for fit in ("crop", "stretch", "pad"):
        assert load_image(path, (20, 45), fit=fit).shape == (20, 45, 3)
        assert load_image(path, np.int64(20), fit=fit, channels=1).shape == (20, 20, 1)


def test_shrinking_averages(tmp_path):
    # One white column in four: without antialiasing a quarter of this size is all black or all white.
    stripes = np.zeros((64, 64, 3), np.uint8)
    stripes[:, ::4] = 255
    path = save(tmp_path / "a.png", Image.fromarray(stripes))
    inner = load_image(path, 16, fit="stretch")[2:-2, 2:-2].astype(int)
    assert abs(inner - 64).max() < 16


def test_crop_keeps_the_centre_and_the_aspect(tmp_path):
    # Three squares side by side, each of one colour.
    picture = np.zeros((40, 120, 3), np.uint8)
    picture[:, :40], picture[:, 40:80], picture[:, 80:] = RED, [0, 255, 0], [0, 0, 255]
    path = save(tmp_path / "wide.png", Image.fromarray(picture))
    np.testing.assert_array_equal(load_image(path, 40), picture[:, 40:80])
    # At the edges the filter reaches into the neighbours, as in resizing all of it and then cropping.
    resized = Image.fromarray(picture).resize((60, 20), Image.Resampling.BICUBIC)
    np.testing.assert_array_equal(load_image(path, 20), np.asarray(resized)[:, 20:40])
    tall = save(tmp_path / "tall.png", Image.fromarray(picture.transpose(1, 0, 2)))
    np.testing.assert_array_equal(load_image(tall, 40), picture[:, 40:80])
    np.testing.assert_array_equal(load_image(path, (40, 120)), picture)


def test_central_fraction_cuts_that_part_of_the_short_side(tmp_path, photo):
    path = save(tmp_path / "a.png", Image.fromarray(photo))  # 60 x 90
    # Half of the short side is 30: at that size nothing is interpolated.
    np.testing.assert_array_equal(load_image(path, 30, central_fraction=0.5), photo[15:45, 30:60])


def test_stretch_takes_all_of_the_picture(tmp_path, photo):
    path = save(tmp_path / "a.png", Image.fromarray(photo[..., :1].repeat(3, 2)))  # a ramp to the right
    ramp = load_image(path, 30, fit="stretch")[15, :, 0]
    expected = box_average(photo[..., :1].repeat(3, 2), 30, 30)[15, :, 0]
    np.testing.assert_allclose(ramp, expected, atol=2)


def test_pad_keeps_all_of_the_picture_on_black(tmp_path):
    path = save(tmp_path / "a.png", Image.new("RGB", (90, 30), "white"))
    image = load_image(path, 45, fit="pad")
    expected = np.zeros((45, 45, 3))
    expected[15:30] = 255
    np.testing.assert_array_equal(image, expected)


@pytest.mark.parametrize("fit", ["crop", "pad", "stretch"])
def test_very_long_pictures(tmp_path, fit):
    path = save(tmp_path / "a.png", Image.new("RGB", (5000, 1), "white"))
    image = load_image(path, 32, fit=fit)
    assert image.shape == (32, 32, 3)
    assert image.max() == 255


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"size": 0}, "size=0"),
        ({"size": (4, -1)}, "size="),
        ({"size": (4, 4, 3)}, "size="),
        ({"size": 2.5}, "size=2.5"),
        ({"size": "big"}, "size='big'"),
        ({"fit": "crob"}, "Did you mean 'crop'"),
        ({"fit": None}, "fit=None"),
        ({"channels": 4}, "channels=4"),
        ({"size": 4, "central_fraction": 0}, "central_fraction=0"),
        ({"size": 4, "central_fraction": float("nan")}, "central_fraction=nan"),
        ({"size": 4, "central_fraction": 0.5, "fit": "pad"}, "together with fit='pad'"),
        ({"size": None, "central_fraction": 0.5}, "together with .* size=None"),
        ({"max_pixels": 0}, "max_pixels=0"),
    ],
)
def test_bad_settings(settings, message):
    for function in (load_image, load_images, read_images):
        with pytest.raises(SettingError, match=message):
            function("missing.png", **settings)  # the setting is told before the file is looked for


# Files that cannot be read


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(width, height, body=b""):
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    pixels = chunk(b"IDAT", zlib.compress(body))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + pixels + chunk(b"IEND", b"")


@pytest.mark.parametrize("side", [14_000, 100_000])  # where Pillow would warn, and where it would raise
def test_bomb_is_refused_before_decoding(tmp_path, side):
    path = tmp_path / "bomb.png"
    path.write_bytes(png(side, side, bytes(1000)))
    load_image(io.BytesIO(png(1, 1, bytes(4))))  # imports done
    tracemalloc.start()
    start = time.perf_counter()
    with pytest.raises(ImageError, match=rf"bomb\.png announces {side} x {side} = {side**2} pixels"):
        load_image(path)
    assert time.perf_counter() - start < 0.5
    assert tracemalloc.get_traced_memory()[1] < 2**20
    tracemalloc.stop()


def test_pixel_limit_is_the_callers(tmp_path, photo, monkeypatch):
    path = save(tmp_path / "a.png", Image.fromarray(photo))
    assert load_image(path, max_pixels=5400).shape == (60, 90, 3)
    with pytest.raises(ImageError, match="at most max_pixels=5399"):
        load_image(path, max_pixels=5399)
    # Pillow's own limit, a setting of the whole process, neither counts nor is changed.
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    assert load_image(path).shape == (60, 90, 3)
    assert Image.MAX_IMAGE_PIXELS == 100


@pytest.mark.parametrize("suffix", ["jpg", "png", "bmp", "tif", "webp", "ppm"])
def test_truncated_file(tmp_path, photo, suffix):
    path = save(tmp_path / f"half.{suffix}", Image.fromarray(photo))
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(ImageError, match=rf"half\.{suffix} cannot be decoded"):
        load_image(path)


def test_header_alone(tmp_path, photo):
    path = save(tmp_path / "a.png", Image.fromarray(photo))
    path.write_bytes(path.read_bytes()[:20])
    with pytest.raises(ImageError, match=r"a\.png cannot be decoded"):
        load_image(path)


def test_no_picture(tmp_path):
    (tmp_path / "text.jpg").write_text("I am a text that says I am a photo.")
    (tmp_path / "empty.png").touch()
    (tmp_path / "vector.eps").write_text("%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n")
    with pytest.raises(ImageError, match=r"text\.jpg is not a picture: no known format begins with b'I am a t'"):
        load_image(tmp_path / "text.jpg")
    with pytest.raises(ImageError, match=r"empty\.png is empty"):
        load_image(tmp_path / "empty.png")
    with pytest.raises(ImageError, match=r"vector\.eps is not a picture"):
        load_image(tmp_path / "vector.eps")
    with pytest.raises(ImageError, match=r"folder.*find_images"):
        load_image(tmp_path)
    with pytest.raises(ImageError, match=r"gone\.png does not exist"):
        load_image(tmp_path / "gone.png")
    with pytest.raises(ImageError, match="cannot be opened"):
        load_image("nul\0byte.png")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_pipe_does_not_hang(tmp_path):
    os.mkfifo(tmp_path / "pipe.png")
    with pytest.raises(ImageError, match=r"pipe\.png is not a regular file"):
        load_image(tmp_path / "pipe.png")


def test_nothing_global_is_changed(tmp_path, photo):
    good = save(tmp_path / "a.jpg", Image.fromarray(photo))
    bad = tmp_path / "b.jpg"
    bad.write_bytes(good.read_bytes()[:700])
    filters = list(warnings.filters)
    before = (Image.MAX_IMAGE_PIXELS, ImageFile.LOAD_TRUNCATED_IMAGES)
    list(read_images([good, bad]))
    assert (Image.MAX_IMAGE_PIXELS, ImageFile.LOAD_TRUNCATED_IMAGES) == before == (89478485, False)
    assert warnings.filters == filters


def test_files_are_closed(tmp_path, photo):
    good = save(tmp_path / "a.png", Image.fromarray(photo))
    (tmp_path / "b.png").write_bytes(good.read_bytes()[:300])
    if not Path("/proc/self/fd").exists():
        pytest.skip("open files are counted in /proc")
    before = len(list(Path("/proc/self/fd").iterdir()))
    for _ in range(5):
        list(read_images([good, tmp_path / "b.png"]))
    assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_threads(tmp_path, photo):
    path = save(tmp_path / "a.jpg", Image.fromarray(photo))
    alone, seen = load_image(path, 32), []
    threads = [threading.Thread(target=lambda: seen.append(load_image(path, 32))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(seen) == 8
    assert all(np.array_equal(alone, image) for image in seen)


# Several files


def test_load_images_stacks_in_the_order_given(tmp_path, photo):
    first = save(tmp_path / "b.png", Image.fromarray(photo))
    second = save(tmp_path / "a.png", Image.fromarray(255 - photo))
    batch = load_images([first, second, first], size=(20, 30))
    assert batch.dtype == np.float32
    expected = [load_image(path, (20, 30)) for path in (first, second, first)]
    np.testing.assert_array_equal(batch, expected)
    np.testing.assert_array_equal(load_images(str(first), size=None), photo[None])
    assert load_images([first]).shape == (1, 224, 224, 3)
    assert load_images((path for path in [first]), size=(8, 9), channels=1).shape == (1, 8, 9, 1)


def test_load_images_preprocesses(tmp_path):
    path = save(tmp_path / "a.png", Image.new("RGB", (9, 9), (255, 0, 51)))
    np.testing.assert_allclose(load_images(path, preprocess="tf")[0, 3, 3], [1, -1, -0.6], atol=1e-6)
    np.testing.assert_allclose(load_images(path, preprocess="caffe")[0, 3, 3], [-52.939, -116.779, 131.32])
    assert load_images(path, preprocess=lambda x: x * 2).max() == 510
    with pytest.raises(SettingError, match="Did you mean 'torch'"):
        load_images("missing.png", preprocess="touch")


def test_load_images_names_the_bad_file(tmp_path, photo):
    good = save(tmp_path / "good.png", Image.fromarray(photo))
    (tmp_path / "bad.png").touch()
    with pytest.raises(ImageError, match=r"bad\.png is empty"):
        load_images([good, tmp_path / "bad.png"])
    with pytest.raises(ImageError, match="No picture files"):
        load_images([])
    small = save(tmp_path / "small.png", Image.fromarray(photo[:9]))
    with pytest.raises(ImageError, match=r"small\.png is 9 x 90 pixels .*good\.png is 60 x 90"):
        load_images([good, small], size=None)


def test_read_images_goes_on_after_a_bad_file(tmp_path, photo):
    good = save(tmp_path / "good.png", Image.fromarray(photo))
    bad = tmp_path / "bad.png"
    bad.write_bytes(good.read_bytes()[:200])
    pairs = read_images([good, bad, "missing.png", str(good)], size=(20, 30), channels=1)
    assert next(pairs)[0] == good  # one at a time
    rest = list(pairs)
    assert [path for path, _ in rest] == [bad, "missing.png", str(good)]
    assert isinstance(rest[0][1], ImageError)
    assert "bad.png" in str(rest[0][1])
    assert "missing.png does not exist" in str(rest[1][1])
    np.testing.assert_array_equal(rest[2][1], load_image(good, (20, 30), channels=1))


def test_find_images(tmp_path, monkeypatch):
    names = ["b/img10.png", "b/img2.JPG", "b/img1.webp", "b/notes.txt", "a/x.tiff", "b/c/deep.gif", "z.bmp"]
    names += [".hidden/x.png", "b/._img2.jpg", "Z2.png"]
    for name in names:
        (tmp_path / name).parent.mkdir(exist_ok=True, parents=True)
        (tmp_path / name).touch()
    monkeypatch.chdir(tmp_path)

    def found(paths):
        return [path.as_posix() for path in find_images(paths)]

    in_b = ["b/c/deep.gif", "b/img1.webp", "b/img2.JPG", "b/img10.png"]
    assert found("b") == in_b
    assert found(".") == ["a/x.tiff", *in_b, "Z2.png", "z.bmp"]
    assert found("b/*") == in_b
    assert found("b/img?.*") == ["b/img1.webp", "b/img2.JPG"]
    assert found("**/*.tiff") == ["a/x.tiff"]
    assert found(str(tmp_path / "*.bmp")) == [(tmp_path / "z.bmp").as_posix()]
    # The order of the arguments is kept; each file comes once; a file named outright is taken as it is.
    assert found(["z.bmp", "b/notes.txt", "b", Path("b/img2.JPG")]) == ["z.bmp", "b/notes.txt", *in_b]


def test_find_images_takes_a_name_with_brackets_as_it_is(tmp_path):
    path = tmp_path / "cat[1].png"
    path.touch()
    assert find_images(path) == [path]


def test_find_images_finds_nothing(tmp_path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "notes.txt").touch()
    (tmp_path / "a.png").touch()
    for path in ("empty", "*.jpeg", "*.txt", "gone.png", ""):
        with pytest.raises(ImageError, match="leads to no picture"):
            find_images([tmp_path / "a.png", str(tmp_path / "empty" / path) if path else "no/such/place"])
    with pytest.raises(ImageError, match="No paths"):
        find_images([])
