r"""What a document does to the TeX inside its delimiters, undone.

`\\(1\\{k = i\\}\\)` of Jekyll means `1\{k = i\}`; WordPress writes `$latex x$`; an HTML editor
leaves `&lt;` in a formula; a display in a quotation has `> ` before each line.
"""

from __future__ import annotations

import re
from html import unescape

from softxent.derive.scan._view import View

_DOUBLED = re.compile(r"\\\\\\\\|\\\\(?=[^\s&\\])")
_MARKDOWN = re.compile(r"\\_(?=[\w{\\(])|\\\*|\\\\\\\\")
_BRACES = re.compile(r"\\\\[{}]")
_QUOTED = re.compile(r"(?<=\n)[ \t]*>[ \t]?")
_COMMENT = re.compile(r"(?<!\\)%[^\n]*\n")
_ENTITY = re.compile(r"&(?:#\d{1,7}|#[xX][0-9a-fA-F]{1,6}|[A-Za-z][A-Za-z0-9]{1,31});")
_BREAK = re.compile(r"<br\s{0,9}/?>")
_LIQUID = re.compile(r"\{%-?\s*(?:end)?raw\s*-?%\}")
_WORDPRESS = re.compile(r"\Alatex\s|&(?:amp;)?(?:s|bg|fg)=[-\w]{1,20}\s*\Z")


def undo(tex: View, *, doubled: bool, markdown: bool, quoted: bool) -> View:
    """Return the TeX that its author meant.

    doubled: between `\\\\(` and `\\\\)`, where every backslash is written twice. quoted: the
    formula begins in a line of a Markdown quotation.
    """
    if quoted:
        tex = tex.sub(_QUOTED, lambda found: "")
    if "%" in tex.text:
        tex = tex.sub(_LIQUID, lambda found: "")
        tex = tex.sub(_COMMENT, lambda found: "\n")
    if "&" in tex.text:
        tex = tex.sub(_ENTITY, _character)
    if "<br" in tex.text:
        tex = tex.sub(_BREAK, lambda found: " ")
    if doubled:
        # Two are one, four are a row's end; two before a space can only be a row's end.
        tex = tex.sub(_DOUBLED, lambda found: found.group()[len(found.group()) // 2 :])
    elif markdown and "\\" in tex.text:
        pairs = "\\\\{" in tex.text and "\\\\}" in tex.text
        if pairs and not re.search(r"\\begin", tex.text):
            tex = tex.sub(_BRACES, lambda found: found.group()[1:])
    if markdown:
        tex = tex.sub(_MARKDOWN, lambda found: found.group()[len(found.group()) // 2 :])
    if tex.text.startswith("latex"):
        tex = tex.sub(_WORDPRESS, lambda found: "")
    return tex.strip()


def _character(found: re.Match[str]) -> str | None:
    character = unescape(found.group())
    return None if character == found.group() else character.replace("\u00a0", " ")
