"""HTML pages: what a browser would show of the text, tags gone, entities decoded."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html import unescape

from softxent.derive.document import Formula, Pin
from softxent.derive.scan import _markup
from softxent.derive.scan._drawn import ADDRESS, drawn
from softxent.derive.scan._macros import Macros
from softxent.derive.scan._markup import Piece, Rules
from softxent.derive.scan._view import Builder, View

RULES = Rules()
_TOKEN = re.compile(
    r"<(?P<close>/?)(?P<name>[A-Za-z][A-Za-z0-9:-]*)(?P<attributes>[^<>]*)>|(?P<comment><!--)"
    r"|<[!?][^<>]*>"
)
_ENTITY = re.compile(r"&(?:#\d{1,7}|#[xX][0-9a-fA-F]{1,6}|[A-Za-z][A-Za-z0-9]{1,31});")
_ATTRIBUTE = re.compile(r"""\b(class|type|alt|display|data-tex)\s*=\s*(?:"([^"]*)"|'([^']*)')""")
_ANNOTATION = re.compile(r"<annotation[^<>]*x-tex[^<>]*>([^<]*)</annotation")
_STYLE = re.compile(r"\A\s*(\{?)\\(?:displaystyle|textstyle)(?![A-Za-z])\s*")
_SKIPPED = {"script", "style", "head", "pre", "code", "kbd", "textarea", "svg", "noscript", "math",
            "template", "button", "select", "iframe"}  # fmt: skip
_BLOCKS = set(
    "p div ul ol dl dt dd table tr td th section article blockquote figure figcaption header "
    "footer main aside nav hr form body center".split()
)
_HEADINGS = {f"h{level}": level for level in range(1, 7)}
_SPACE = re.compile(r"\s*")
_SPANS = re.compile(r"<(/?)(span|p|div|li|td)\b[^<>]*>")


def read(text: str) -> Iterator[Piece]:
    """Return the pieces of an HTML page."""
    parts = list(_Page(text).parts())
    macros = Macros("\n".join(part.text for part in parts if isinstance(part, View)), text)
    for part in parts:
        if isinstance(part, View):
            yield from _markup.read(part, RULES, macros)
        else:
            yield part


class _Page:
    def __init__(self, text: str) -> None:
        self.text, self.whole = text, View.of(text)
        self.build = Builder()
        self.absent: set[str] = set()
        self.depth = 0  # of lists
        self.display = False  # KaTeX says so around the formula
        self.emphasised = False  # an <em> is open that was a subscript

    def parts(self) -> Iterator[View | Formula | Pin]:
        at = 0
        while token := _TOKEN.search(self.text, at):
            self._keep(at, token.start())
            at = token.end()
            if token["comment"]:
                close = self._find("-->", at)
                words = self.text[at:close].strip() if close is not None else ""
                at = close + 3 if close is not None else at
                name, colon, rest = words.partition(":")
                if colon and name.strip().lower() == "softxent":
                    yield self._flush(token.start())
                    yield Pin(rest.strip(), token.start(), at)
            elif token["name"]:
                formula, at = self._tag(token)
                if formula:
                    yield self._flush(token.start())
                    yield formula
        self._keep(at, len(self.text))
        yield self._flush(len(self.text))

    def _tag(self, token: re.Match[str]) -> tuple[Formula | None, int]:
        """Take one tag; return a formula if it holds one, and where to read on."""
        name, at, start = token["name"].lower(), token.end(), token.start()
        values = {found[1].lower(): found[2] or found[3] or "" for found in
                  _ATTRIBUTE.finditer(token["attributes"])}  # fmt: skip
        kind = values.get("class", "")
        if name in _HEADINGS:
            self._mark("#" * _HEADINGS[name] + " " if not token["close"] else "", start)
            at = at if token["close"] else self._spaces(at)
        elif name == "li":
            self._mark(" " * min(self.depth, 20) + "- " if not token["close"] else "", start)
            at = at if token["close"] else self._spaces(at)
        elif name == "br":
            self.build.put("\n", start)
        elif name in _BLOCKS:
            if name in ("ul", "ol"):
                self.depth = max(0, self.depth + (-1 if token["close"] else 1))
            self._mark("", start)
        elif name in ("em", "i"):
            self._emphasis(token)
        elif token["close"]:
            pass
        elif name == "span" and "katex-display" in kind:
            self.display = True
        elif name == "span" and "katex-html" in kind:
            at = self._behind_span(at)
        elif name == "span" and values.get("data-tex"):
            offset = token.start("attributes") + token["attributes"].find(values["data-tex"])
            at = self._behind_span(at)
            end = offset + len(values["data-tex"])
            return self._formula(offset, end, token.start(), at, False), at
        elif name == "img" and (address := ADDRESS.search(token["attributes"])):
            offset = token.start("attributes")
            tex = self.whole.cut(offset + address.start("query"), offset + address.end("query"))
            tex = drawn(tex.sub(_ENTITY, _character))
            if tex.text:
                return Formula(tex.text, tex.places(), False, start, at), at
        elif name == "img" and "mwe-" not in kind and re.search(r"\b(?:la)?tex\b", kind, re.I):
            where = token["attributes"].find(values.get("alt", "\0"))
            offset = token.start("attributes") + where
            if where >= 0 and values["alt"]:
                return self._formula(offset, offset + len(values["alt"]), start, at, False), at
        elif name in _SKIPPED and not token["attributes"].endswith("/"):
            return self._skip(token, values)
        return None, at

    def _emphasis(self, token: re.Match[str]) -> None:
        """Restore the `_` of `y_i = z_i` that Markdown took for emphasis: `y<em>i = z</em>i`."""
        before = self.text[max(0, token.start() - 1) : token.start()]
        behind = self.text[token.end() : token.end() + 1]
        if not token["close"] and (before.isalnum() or before in ("}", ")")) and behind.strip():
            self.emphasised = True
            self.build.put("_", token.start())
        elif token["close"] and self.emphasised:
            self.emphasised = False
            self.build.put("_", token.start())

    def _skip(self, token: re.Match[str], values: dict[str, str]) -> tuple[Formula | None, int]:
        name, at = token["name"].lower(), token.end()
        close = self._find(f"</{token['name']}", at)
        if close is None:
            return None, at
        end = self.text.find(">", close) + 1 or len(self.text)
        if name == "script" and "math/tex" in values.get("type", ""):
            display = "display" in values["type"]
            return self._formula(at, close, token.start(), end, display, decode=False), end
        if name == "math":
            display, self.display = values.get("display") == "block" or self.display, False
            found = _ANNOTATION.search(self.text, at, close)
            if found:
                return self._formula(*found.span(1), token.start(), end, display), end
        return None, end

    def _formula(
        self, start: int, stop: int, opening: int, end: int, display: bool, *, decode: bool = True
    ) -> Formula | None:
        tex = self.whole.cut(start, stop)
        if decode:
            tex = tex.sub(_ENTITY, _character)
        styled = _STYLE.match(tex.text)
        if styled:  # {\displaystyle x = y} of Wikipedia
            tex = tex.cut(styled.end(), len(tex.text)).strip()
            if styled[1] and tex.text.endswith("}"):
                tex = tex.cut(0, len(tex.text) - 1)
        tex = tex.strip()
        return Formula(tex.text, tex.places(), display, opening, end) if tex.text else None

    def _keep(self, start: int, stop: int) -> None:
        if start < stop:
            part = self.whole.cut(start, stop).sub(_ENTITY, _character)
            self.build.keep(part, 0, len(part.text))

    def _mark(self, words: str, origin: int) -> None:
        self.build.put("\n\n" + words, origin)

    def _flush(self, end: int) -> View:
        view, self.build = self.build.view(end), Builder()
        return view

    def _spaces(self, at: int) -> int:
        found = _SPACE.match(self.text, at)
        return found.end() if found else at

    def _behind_span(self, at: int) -> int:
        depth = 1
        for tag in _SPANS.finditer(self.text, at):
            if tag[2] != "span":
                return tag.start()
            depth += -1 if tag[1] else 1
            if depth == 0:
                return tag.end()
        return len(self.text)

    def _find(self, words: str, start: int) -> int | None:
        if words in self.absent:
            return None
        found = self.text.find(words, start)
        if found < 0:
            self.absent.add(words)
            return None
        return found


def _character(found: re.Match[str]) -> str | None:
    character = unescape(found.group())
    return None if character == found.group() else character
