"""The page of a dissection: what it holds, and what it does in a browser."""

import base64
import io
from html.parser import HTMLParser

import numpy as np
import pytest
from PIL import Image
from planted_dissections import CONCEPTS, INTERSECTIONS, Pictures, planted

from kerasviz.data.concepts.base import Concept
from kerasviz.errors import InputError, SettingError
from kerasviz.features.dissection.report import detected, write_report
from kerasviz.features.dissection.strips import OUTLINE, Strips, spotlight

EVIL = '<script>alert(1)</script>" onload="x'
NAMED = (Concept(EVIL, "part"), *CONCEPTS[1:])


class Named(Pictures):
    """The same with a concept that is code."""

    concepts = NAMED


class Page(HTMLParser):
    """A page taken apart: attributes of all elements by tag, and the text outside of scripts and styles."""

    def __init__(self, text):
        super().__init__()
        self.elements, self.text, self._inside = [], "", ""
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        self._inside = tag

    def handle_endtag(self, tag):
        self._inside = ""

    def handle_data(self, data):
        if self._inside not in ("script", "style"):
            self.text += data

    def all(self, tag):
        return [attrs for name, attrs in self.elements if name == tag]


def page(record, path, data=None, **settings):
    return Page(write_report(record, data or Pictures(), path / "page.html", **settings).read_text("utf-8"))


def decoded(uri):
    head, _, body = uri.partition(",")
    assert head == "data:image/jpeg;base64"
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(body, validate=True))))


# The file


def test_cards_in_order_with_their_values(tmp_path):
    chance = [[10, 0, 0, 0, 0]] * 6
    found = page(planted(chance=chance, skipped=("broken.png: no picture",)), tmp_path)
    cards = [one for one in found.all("li") if "data-unit" in one]
    assert [one["data-unit"] for one in cards] == ["1", "2", "3", "6", "4", "5"]
    assert [one["id"] for one in cards] == [f"unit-{one['data-unit']}" for one in cards]
    assert [one["data-detector"] for one in cards] == ["yes"] * 3 + ["no"] * 3
    assert [one["data-label"] for one in cards] == ["wheel", "wheel", "red", "wheel", "wheel", ""]
    assert float(cards[3]["data-iou"]) == 0.04
    assert "4/6 units covering 2 concepts with IoU ≥ 0.04" in found.text
    assert "4 unique detectors with IoU > 0.04" in found.text and "2 when it counts once" in found.text
    assert "chance 0.053" in found.text and "then wing 0.111, car 0.042" in found.text
    assert "broken.png: no picture" in found.text and "Never above its threshold" not in found.text
    assert "fraction" in found.text and "0.005" in found.text


def test_bars_are_as_tall_as_counts(tmp_path):
    found = page(planted(), tmp_path)
    assert detected(planted()) == {"part": [(0, [0, 1])], "colour": [(2, [2])]}
    bars = [float(one["height"]) for one in found.all("rect")]
    assert bars == [130, 65]
    assert "wheel (part): 2 units" in found.text and "red (colour): 1 unit" in found.text
    assert [one["href"] for one in found.all("a")] == ["#unit-1", "#unit-2", "#unit-3"]


def test_bars_stand_by_category_the_most_units_first():
    record = planted([[0, 50, 0, 0, 0], [50, 0, 0, 0, 0], [0, 60, 0, 0, 0], [0, 0, 0, 50, 0]], [[100] * 3] * 4)
    assert detected(record) == {"part": [(1, [2, 0]), (0, [1])], "colour": [(3, [3])]}


def test_nothing_is_fetched_and_no_label_is_code(tmp_path):
    found = page(planted(concepts=NAMED), tmp_path, Named())
    for _, attrs in found.elements:
        for name in ("src", "href", "srcset", "action", "xlink:href"):
            assert attrs.get(name, "#").startswith(("data:", "#")), attrs
        assert not any(name.startswith("on") for name in attrs)
    assert len(found.all("script")) == 1 and found.text.count(EVIL) >= 4
    assert any(one.get("data-label") == EVIL for one in found.all("li"))
    text = (tmp_path / "page.html").read_text("utf-8")
    assert "http:" not in text and "https:" not in text and "url(" not in text and "@import" not in text
    policy = next(one["content"] for one in found.all("meta") if "http-equiv" in one)
    assert policy.startswith("default-src 'none'")


def test_names_of_images_are_no_code(tmp_path):
    data = Pictures(prefix=EVIL)
    found = page(planted(data=data), tmp_path, data)
    assert EVIL in found.all("img")[0]["alt"] and len(found.all("script")) == 1


def test_pictures_are_lit_where_the_unit_is_active(tmp_path):
    mask = np.zeros((20, 30), bool)
    mask[4:12, 6:18] = True
    record, data = planted(), Pictures()
    record.top.masks[0, :] = np.packbits(mask)
    record.top.masks[4] = 0
    record.tallies.activations[4] = 0
    found = page(record, tmp_path, data)
    images = found.all("img")
    assert len(images) == 5 and found.text.count("Never above its threshold.") == 1
    assert set(data.reads) == set(record.top.numbers[[0, 1, 2, 3, 5]].ravel()) and len(data.reads) == len(
        set(data.reads)
    )
    strip = decoded(images[0]["src"]).astype(int)
    assert strip.shape == (40, 4 * 60 + 3 * 3, 3)
    assert (images[0]["width"], images[0]["height"]) == ("598", "96")  # shown larger
    for place in range(4):
        tile, original = strip[:, place * 63 : place * 63 + 60], data.read(int(record.top.numbers[0, place])).image
        inside, outside = np.zeros((40, 60), bool), np.ones((40, 60), bool)
        inside[8:24, 12:36], outside[7:25, 11:37] = True, False
        # JPEG blurs the noise of a pixel; its mean stays.
        assert tile[inside].mean() == pytest.approx(original[inside].mean(), rel=0.03)
        assert tile[outside].mean() == pytest.approx(original[outside].mean() / 5, rel=0.06)
        corner = np.zeros((40, 60), bool)
        corner[:4] = True
        assert tile[corner].mean() == pytest.approx(original[corner].mean() / 5, rel=0.1)


def test_spotlight_pixel_by_pixel():
    picture = np.full((8, 12, 3), 200, np.uint8)
    mask = np.zeros((4, 6), bool)
    mask[1:3, 2:4] = True
    drawn = spotlight(picture, mask)
    expected = np.full((8, 12, 3), 40)
    expected[1:7, 3:9] = OUTLINE
    expected[2:6, 4:8] = 200
    np.testing.assert_array_equal(drawn, expected)
    assert (spotlight(picture, ~mask & False) == 40).all() and (spotlight(picture, mask | True) == 200).all()
    assert (picture == 200).all()


def test_large_images_are_shrunk_and_grey_ones_drawn():
    class Large(Pictures):
        image_size = (192, 288)

        def read(self, number):
            grey = super().read(number).image[..., :1]
            return type(self._whole(number))(np.kron(grey, np.ones((5, 5, 1), np.uint8))[:192, :288], None)

        def _whole(self, number):
            return super().read(number)

    data = Large()
    strips = Strips(planted(data=data), data)
    assert strips.size == (96, 144) and strips.draw(0).shape == (96, 4 * 144 + 9, 3)


def test_another_data_set_is_refused(tmp_path):
    for other in (Pictures(3), Pictures(prefix="others/no")):
        with pytest.raises(InputError, match="The data set is not the one that was dissected"):
            write_report(planted(), other, tmp_path / "page.html")
    with pytest.raises(InputError, match="concepts"):
        write_report(planted(concepts=NAMED), Pictures(), tmp_path / "page.html")
    with pytest.raises(SettingError, match="is no IoU"):
        write_report(planted(), Pictures(), tmp_path / "page.html", threshold=4)
    assert not list(tmp_path.iterdir())


def test_no_detector_and_fewer_images_than_places(tmp_path):
    record = planted(INTERSECTIONS[3:5], [[100] * 3, [0] * 3])
    record.top.numbers[:, 2:] = -1
    record = planted(
        INTERSECTIONS[3:5], [[100] * 3, [0] * 3], top=type(record.top).of(Pictures(), *_arrays(record.top))
    )
    found = page(record, tmp_path)
    assert "No unit is a detector." in found.text and not found.all("svg")
    assert decoded(found.all("img")[0]["src"]).shape == (40, 2 * 60 + 3, 3)
    assert found.all("img")[0]["alt"].startswith("2 images in which unit 1 is the most active")


def _arrays(top):
    return top.numbers, top.values, top.masks


# In a browser


@pytest.fixture
def browser(chromium):
    chromium.set_window_size(1000, 900)
    return chromium


@pytest.mark.slow
def test_sort_and_filter(browser, tmp_path):
    from selenium.webdriver.common.by import By
    from selenium.webdriver.common.keys import Keys
    from selenium.webdriver.support.select import Select

    write_report(planted(concepts=NAMED), Named(), tmp_path / "page.html")
    browser.get((tmp_path / "page.html").as_uri())

    def units():
        shown = browser.find_elements(By.CSS_SELECTOR, "li.unit:not([hidden])")
        return [int(one.get_attribute("data-unit")) for one in shown if one.is_displayed()]

    def field(name):
        return browser.find_element(By.NAME, name)

    assert units() == [1, 2, 3, 6, 4, 5]
    Select(field("sort")).select_by_value("unit")
    assert units() == [1, 2, 3, 4, 5, 6]
    Select(field("sort")).select_by_value("label")
    assert units() == [1, 2, 6, 4, 3, 5]  # those without a label last
    field("detectors").send_keys(Keys.SPACE)
    assert units() == [1, 2, 3]
    Select(field("category")).select_by_value("colour")
    assert units() == [3] and browser.find_element(By.TAG_NAME, "output").text == "1 of 6 units"
    field("detectors").click()
    Select(field("category")).select_by_value("")
    field("text").send_keys("WING")
    assert units() == [2, 3]  # also among the runners-up
    field("text").send_keys(Keys.CONTROL, "a")
    field("text").send_keys("unit 4")
    assert units() == [4]
    field("text").send_keys(Keys.ENTER)
    assert browser.current_url.endswith("page.html") and units() == [4]
    script = "return [...document.querySelectorAll('img')].map(one => [one.decode && one.src.slice(0, 10)])"
    assert browser.execute_script(script) == [["data:image"]] * len(browser.find_elements(By.TAG_NAME, "img"))
    assert list(browser.get_log("browser")) == []


@pytest.mark.slow
def test_without_javascript_it_is_a_list(browser, tmp_path):
    from selenium.webdriver.common.by import By

    write_report(planted(), Pictures(), tmp_path / "page.html")
    browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    try:
        browser.get((tmp_path / "page.html").as_uri())
        assert not browser.find_element(By.CSS_SELECTOR, "form.controls").is_displayed()
        assert len([one for one in browser.find_elements(By.CSS_SELECTOR, "li.unit") if one.is_displayed()]) == 6
    finally:
        browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})
