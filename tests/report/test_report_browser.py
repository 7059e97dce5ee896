"""What a report does in a browser."""

import base64
import io

import numpy as np
import pytest
from PIL import Image
from reported import photographs, small

from kerasviz.report import write_report

pytestmark = pytest.mark.slow


#: Nobody waits for smooth scrolling.
CALM = {"name": "prefers-reduced-motion", "value": "reduce"}


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    path = tmp_path_factory.mktemp("page") / "page.html"
    model, images = small(shape=(120, 160, 3)), photographs(2, (120, 160, 3))
    return write_report(model, images, path, methods=["grad-cam", "saliency"], labels=["cat", "dog", "cow"]).as_uri()


@pytest.fixture
def browser(chromium, address):
    chromium.set_window_size(1280, 1000)
    chromium.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "", "features": [CALM]})
    chromium.get_log("performance")
    chromium.get(address)
    yield chromium
    assert [entry for entry in chromium.get_log("browser") if entry["level"] != "INFO"] == []


def cells(browser):
    return browser.find_elements("css selector", "button.cell")


def press(browser, *keys):
    from selenium.webdriver import ActionChains

    ActionChains(browser).send_keys(*keys).perform()


def style(browser, element, name):
    return browser.execute_script("return getComputedStyle(arguments[0])[arguments[1]]", element, name)


def opacity(browser, group):
    return float(style(browser, browser.find_element("css selector", f".cell img.{group}"), "opacity"))


def slide(browser, field, value):
    browser.execute_script(
        "arguments[0].value = arguments[1]; arguments[0].dispatchEvent(new Event('input', {bubbles: true}))",
        field,
        value,
    )


def pixels(browser, element):
    place = browser.execute_script(
        "arguments[0].scrollIntoView({block: 'center', behavior: 'instant'});"
        "const r = arguments[0].getBoundingClientRect();"
        "return {x: r.x + scrollX, y: r.y + scrollY, width: r.width, height: r.height, scale: 1}",
        element,
    )
    shot = browser.execute_cdp_cmd("Page.captureScreenshot", {"clip": place, "captureBeyondViewport": True})
    return Image.open(io.BytesIO(base64.b64decode(shot["data"]))).convert("RGB")


def like(picture, image):
    """The mean difference of two pictures, at 16 x 12 pixels: of their structure."""
    small = [np.asarray(one.convert("RGB").resize((16, 12), Image.Resampling.BOX), float) for one in (picture, image)]
    return np.abs(small[0] - small[1]).mean()


def test_a_cell_is_enlarged_and_left(browser):
    from selenium.webdriver.common.keys import Keys
    from selenium.webdriver.support.wait import WebDriverWait

    dialog = browser.find_element("tag name", "dialog")

    def at():
        title = dialog.find_element("tag name", "h2").text
        facts = dict(zip(*(texts(dialog, tag) for tag in ("dt", "dd")), strict=True))
        return title, facts["Image"], facts["Class"].split()[0]

    def texts(parent, tag):
        return [one.text for one in parent.find_elements("tag name", tag)]

    titles = [one.get_attribute("data-title") for one in cells(browser)]
    assert not dialog.is_displayed() and len(titles) == 8
    cells(browser)[1].click()
    assert dialog.is_displayed() and at() == (titles[1], "image 1", titles[1].split()[-1])
    assert titles[1].startswith("Saliency: ")
    stage = dialog.find_element("css selector", ".stage .photo")
    assert stage.size["width"] > 1.5 * cells(browser)[1].size["width"]
    press(browser, Keys.ARROW_RIGHT)
    assert at() == (titles[2], "image 1", titles[2].split()[-1]) and titles[2].startswith("Grad-CAM: ")
    press(browser, Keys.ARROW_DOWN)
    assert at()[:2] == (titles[4], "image 2")
    press(browser, Keys.ARROW_LEFT, Keys.ARROW_UP, Keys.ARROW_UP, Keys.ARROW_UP)
    assert at()[:2] == (titles[1], "image 1")  # there is none above
    dialog.find_element("name", "next").click()
    press(browser, Keys.ESCAPE)
    assert not dialog.is_displayed()
    # The browser tells a page of the end of a dialog a moment later.
    WebDriverWait(browser, 5).until(lambda _: browser.switch_to.active_element == cells(browser)[2])
    press(browser, Keys.ENTER)
    assert dialog.is_displayed() and at()[0] == titles[2]
    dialog.find_element("name", "close").click()
    assert not dialog.is_displayed()
    # The browser tells a page of the end of a dialog a moment later.
    WebDriverWait(browser, 5).until(lambda _: browser.switch_to.active_element == cells(browser)[2])


def test_sliders_mix(browser):
    from selenium.webdriver.common.keys import Keys

    assert (opacity(browser, "regions"), opacity(browser, "pixels")) == (0.5, 1)
    slide(browser, browser.find_element("name", "regions"), 20)
    assert (opacity(browser, "regions"), opacity(browser, "pixels")) == (0.2, 1)
    assert browser.find_element("css selector", ".controls output").text == "20 %"
    cells(browser)[0].click()
    field = browser.find_element("css selector", "dialog input")
    assert field.get_attribute("value") == "20"
    field.send_keys(Keys.ARROW_RIGHT)
    enlarged = browser.find_element("css selector", "dialog img.regions")
    assert float(style(browser, enlarged, "opacity")) == 0.21 == opacity(browser, "regions")
    assert browser.find_element("name", "regions").get_attribute("value") == "21"
    assert "Grad-CAM" in browser.find_element("css selector", "dialog h2").text  # arrows moved the slider alone


def test_photograph_beneath_and_map_above(browser):
    photograph = pixels(browser, browser.find_element("css selector", "#image-1 .about .photo"))
    stack, uri = browser.find_element("css selector", "#image-1 .cell .photo"), "src"
    picture = stack.find_element("css selector", "img.own" if stack.find_elements("css selector", "img.own") else "img")
    coloured = Image.open(io.BytesIO(base64.b64decode(picture.get_attribute(uri).partition(",")[2])))
    places = [one.location["x"] for one in cells(browser)]
    assert len(set(places[0::2])) == len(set(places[1::2])) == 1 and places[0] + 100 < places[1]
    found = {}
    for value in (0, 50, 100):
        slide(browser, browser.find_element("name", "regions"), value)
        found[value] = pixels(browser, stack)
    assert like(found[0], photograph) < 4 < 20 < like(found[0], coloured)
    assert like(found[100], coloured) < 4 < 20 < like(found[100], photograph)
    half = Image.blend(photograph.resize((160, 120)), coloured.convert("RGB").resize((160, 120)), 0.5)
    assert like(found[50], half) < 4


def test_switch_of_ranges(browser):
    def shown():
        return [
            [
                one.get_attribute("class").split()[0]
                for one in cell.find_elements("tag name", "img")
                if one.is_displayed()
            ]
            for cell in cells(browser)
        ]

    before, texts = shown(), [cell.text for cell in cells(browser)]
    assert sum(one == ["own"] for one in before) == 6 and sum(one in (["regions"], ["pixels"]) for one in before) == 2
    browser.find_element("css selector", "input[value=shared]").click()
    assert sum(one == ["shared"] for one in shown()) == 6 and all(len(one) == 1 for one in shown())
    now = [cell.text for cell in cells(browser)]
    assert len(set(now[0::2])) == len(set(now[1::2])) == 1 and len(set(texts)) > 2
    browser.find_element("css selector", "input[value=own]").click()
    assert shown() == before and [cell.text for cell in cells(browser)] == texts


def test_keys_reach_everything_and_nothing_is_fetched(browser):
    from selenium.webdriver.common.keys import Keys

    reached, stops = [], set()
    for _ in range(30):
        press(browser, Keys.TAB)
        one = browser.switch_to.active_element
        stops.add(one)
        reached.append(one.get_attribute("name") or one.get_attribute("class") or one.tag_name)
    order = [name for name in dict.fromkeys(reached) if name in ("a", "regions", "pixels", "range", "cell")]
    assert order == ["a", "regions", "pixels", "range", "cell"] and set(cells(browser)) <= stops
    assert browser.execute_script("return performance.getEntriesByType('resource').filter("
                                  "one => !one.name.startsWith('data:')).length") == 0  # fmt: skip
    sent = [entry["message"] for entry in browser.get_log("performance") if 'requestWillBeSent"' in entry["message"]]
    assert sent and not [one for one in sent if '"url":"http' in one]
    broken = "return [...document.images].filter(one => !one.naturalWidth).length"
    assert browser.execute_script(broken) == 0


def test_dark_and_paper(browser):
    body, form = browser.find_element("tag name", "body"), browser.find_element("css selector", "form.controls")
    light = style(browser, body, "backgroundColor")
    dark = {"features": [{"name": "prefers-color-scheme", "value": "dark"}]}
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", dark)
    assert light == "rgb(255, 255, 255)" and style(browser, body, "backgroundColor") == "rgb(20, 23, 28)"
    assert form.is_displayed()
    browser.execute_script("document.querySelector('details').open = false")
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print", **dark})
    assert style(browser, body, "backgroundColor") == "rgb(255, 255, 255)" and not form.is_displayed()
    assert not browser.find_element("css selector", "nav ol").is_displayed()
    assert style(browser, browser.find_element("tag name", "section"), "breakInside") == "avoid"
    browser.execute_script("window.dispatchEvent(new Event('beforeprint'))")
    assert browser.find_element("css selector", ".layers").is_displayed()
    browser.execute_script("window.dispatchEvent(new Event('afterprint'))")
    assert not browser.execute_script("return document.querySelector('details').open")


def test_without_javascript_all_is_seen(browser, address):
    browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    try:
        browser.get(address)
        assert not browser.find_element("css selector", "form.controls").is_displayed()
        assert [len([one for one in cell.find_elements("tag name", "img") if one.is_displayed()])
                for cell in cells(browser)] == [1] * 8  # fmt: skip
        assert browser.find_element("css selector", "img.regions").value_of_css_property("opacity") == "0.5"
    finally:
        browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})
