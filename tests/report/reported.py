"""Small models, and a page taken apart."""

import base64
import html
import io
import json
import re
from html.parser import HTMLParser

import keras
import numpy as np
from keras import layers
from PIL import Image
from zoo import randomize

from kerasviz.report import write_report

EVIL = "</script><script>alert(1)</script>' onload=\"x"


def small(classes=3, head="softmax", shape=(24, 32, 3), name="small", layer="conv"):
    """A network of one convolution, with random weights."""
    image = keras.Input(shape, name="image")
    x = layers.Conv2D(6, 3, activation="relu", name=layer)(image)
    x = layers.GlobalAveragePooling2D()(x)
    return randomize(keras.Model(image, layers.Dense(classes, activation=head, name="classes")(x), name=name))


def photographs(count=3, shape=(24, 32, 3)):
    """Smooth noise, so that compression keeps it."""
    rng = np.random.default_rng(3)
    coarse = rng.integers(0, 256, (count, 4, 4, shape[-1]))
    tall, wide = np.arange(shape[0]) * 4 // shape[0], np.arange(shape[1]) * 4 // shape[1]
    return coarse[:, tall][:, :, wide].astype(np.uint8)


class Page(HTMLParser):
    """The elements in order as (tag, attributes, text inside), and the text outside of scripts and styles."""

    def __init__(self, source):
        super().__init__()
        self.source, self.elements, self.text, self._open = source, [], "", []
        self.feed(source)

    def handle_starttag(self, tag, attrs):
        self.elements.append([tag, dict(attrs), ""])
        if tag in ("br", "td", "th", "span"):
            self.handle_data(" ")
        if tag not in ("meta", "link", "img", "input", "br"):
            self._open.append(self.elements[-1])

    def handle_endtag(self, tag):
        assert self._open.pop()[0] == tag  # all is closed in order

    def handle_data(self, data):
        for element in self._open:
            element[2] += data
        if not any(element[0] in ("script", "style") for element in self._open):
            self.text += data

    def all(self, tag, **attributes):
        return [
            (attrs, " ".join(text.split()))
            for name, attrs, text in self.elements
            if name == tag and all(value in attrs.get(key.rstrip("_"), "").split() for key, value in attributes.items())
        ]

    def cells(self):
        """For each cell its facts, and its pictures in its own and in the shared range."""
        found = []
        for tag, attrs, _ in self.elements:
            if tag == "button" and attrs.get("class") == "cell":
                found.append({"title": attrs["data-title"], **dict(json.loads(attrs["data-facts"])), "maps": []})
            elif tag == "img" and "alt" in attrs and ": map over" in attrs["alt"]:
                found[-1]["maps"].append(decoded(attrs["src"]))
        return found

    def photograph(self, number):
        """What stands for an image."""
        uri = re.search(rf"\.photo-{number} {{ background-image: url\((.*?)\)", self.source)[1]
        return decoded(html.unescape(uri))


def decoded(uri):
    """The pixels at a data address."""
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(uri.partition(",")[2], validate=True))))


def page(model, images, path, **settings):
    """The page, written and taken apart."""
    return Page(write_report(model, images, path / "page.html", **settings).read_text("utf-8"))
