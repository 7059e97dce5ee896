"""What all pages share: the head, the policy, escaping."""

import sys

import jinja2
import pytest

from kerasviz import pages

TEMPLATE = """{% extends "page.html.j2" %}
{% block title %}{{ name }}{% endblock %}
{% block style %}
h3 { color: red; }
{% endblock %}
{% block body %}
<p title="{{ name }}">{{ name }}</p>
{% endblock %}
{% block script %}
"use strict";
{% endblock %}
"""


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A package with a page of its own."""
    (tmp_path / "own_pages").mkdir()
    (tmp_path / "own_pages" / "__init__.py").touch()
    (tmp_path / "own_pages" / "own.html.j2").write_text(TEMPLATE, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    yield "own_pages"
    sys.modules.pop("own_pages", None)


def test_blocks_stand_in_their_places_and_text_is_escaped(package):
    text = pages.render(package, "own.html.j2", name='<b>"é"&')
    escaped = "&lt;b&gt;&#34;é&#34;&amp;"
    assert f"<title>{escaped}</title>" in text
    assert f'<body>\n<p title="{escaped}">{escaped}</p>\n<script>\n"use strict";\n</script>\n</body>' in text
    style = text[text.index("<style>") : text.index("</style>")]
    assert style.index("--ground") < style.index("@media print") < style.index("h3 { color: red; }")


def test_the_browser_may_fetch_nothing(package):
    text = pages.render(package, "own.html.j2", name="")
    policy = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'unsafe-inline'"
    assert f'<meta http-equiv="Content-Security-Policy" content="{policy}">' in text
    assert text.count("href=") == 1 and '<link rel="icon" href="data:,">' in text and "://" not in text


def test_a_name_that_is_missing_is_an_error(package):
    with pytest.raises(jinja2.UndefinedError, match="name"):
        pages.render(package, "own.html.j2")
