"""An HTML page taken apart, for tests that read it."""

from __future__ import annotations

import re
from html.parser import HTMLParser


class Page(HTMLParser):
    """Tags that do not close each other, ids, attributes, text, tables as lists of cells."""

    VOID = frozenset({"meta", "br", "hr", "img", "input", "link"})

    def __init__(self, text):
        super().__init__()
        self.open, self.tags, self.ids, self.attributes = [], [], [], []
        self.text, self.headings, self.rows = [], [], []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_startendtag(self, tag, attrs):
        self.note(tag, attrs)

    def handle_starttag(self, tag, attrs):
        self.note(tag, attrs)
        if tag not in self.VOID:
            self.open.append(tag)
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")
        if tag == "h2":
            self.headings.append("")

    def note(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += [(tag, name, value or "") for name, value in attrs]
        self.ids += [value for name, value in attrs if name == "id"]

    def handle_endtag(self, tag):
        assert self.open and self.open.pop() == tag

    def handle_data(self, data):
        if "style" not in self.open:
            self.text.append(data)
        if "h2" in self.open:
            self.headings[-1] += data
        if self.rows and {"td", "th"} & set(self.open):
            self.rows[-1][-1] += data


def assert_loads_nothing(source: str, page: Page) -> None:
    """No script, nothing from elsewhere, no handler of an event."""
    assert not {"script", "link", "iframe", "object", "embed", "img", "base"} & set(page.tags)
    assert "http" not in source and "@import" not in source
    for _, name, value in page.attributes:
        assert not name.startswith("on")
        if name in ("src", "href", "srcset", "action", "data"):
            assert value.startswith(("#", "data:image/png;base64,"))
        assert all(inside.startswith("#") for inside in re.findall(r"url\(([^)]*)\)", value))
    style = source.partition("<style>")[2].partition("</style>")[0]
    assert "url(" not in style and "@font-face" not in style


def assert_references_lead_somewhere(page: Page) -> None:
    """Every #name is the id of one element."""
    assert len(page.ids) == len(set(page.ids))
    for _, name, value in page.attributes:
        targets = re.findall(r"url\(#([^)]*)\)", value)
        if name == "href" and value.startswith("#"):
            targets.append(value[1:])
        assert set(targets) <= set(page.ids)


def assert_reads_out(page: Page) -> None:
    """Every picture says what it shows, every head cell what it is the head of."""
    svgs = page.tags.count("svg")
    roles = [(tag, name, value) for tag, name, value in page.attributes if name == "role"]
    assert roles.count(("svg", "role", "img")) == svgs
    labels = [value for tag, name, value in page.attributes if (tag, name) == ("svg", "aria-label")]
    assert len(labels) == svgs and all(labels)
    scopes = [1 for tag, name, _ in page.attributes if (tag, name) == ("th", "scope")]
    assert len(scopes) == page.tags.count("th")
