r"""What a document does to the TeX inside its delimiters, undone.

`\\(1\\{k = i\\}\\)` of Jekyll means `1\{k = i\}`; WordPress writes `$latex x$`; an HTML editor
leaves `&lt;` in a formula; a display in a quotation has `> ` before each line.
"""

from __future__ import annotations

import re

from softxent.derive.scan._view import View

_DOUBLED = re.compile(r"\\\\\\\\|\\\\(?=[^\s&\\])")
_MARKDOWN = re.compile(r"\\_(?=[\w{\\(])|\\\*|\\\\\\\\")
_BRACES = re.compile(r"\\\\[{}]")
_QUOTED = re.compile(r"(?<=\n)[ \t]*>[ \t]?")
_COMMENT = re.compile(r"(?<!\\)%[^\n]*\n")
_ENTITY = re.compile(r"&(?:amp|lt|gt);")
_ENTITIES = {"&amp;": "&", "&lt;": "<", "&gt;": ">"}
_LIQUID = re.compile(r"\{%-?\s*(?:end)?raw\s*-?%\}")
_WORDPRESS = re.compile(r"\Alatex\s")
# Words are no prose inside these.
_WORDS = re.compile(
    r"\\(?:text[a-z]*|mathrm|mathit|mathsf|mbox|hbox|operatorname\*?|tag\*?|label|intertext|"
    r"shortintertext|begin|end)\s*\{[^{}]*\}|\\[A-Za-z]+"
)
_SMALL_WORD = re.compile(
    r"(?:^|(?<=[\s,.;]))(?:the|is|are|of|and|that|we|to|in|with|this|which|it|as|by|or|not|you|on|be"
    r"|have|was|der|die|und|ist|el|los|que|les|est|pour)(?=[\s,.;]|$)"
)
_OTHER_SCRIPT = re.compile("[\u3040-\u30ff\u4e00-\u9fff\uac00-\ud7af\u0400-\u04ff]{2,}")
_BLANK = re.compile(r"\n[ \t\r]*\n")


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
        tex = tex.sub(_ENTITY, lambda found: _ENTITIES[found.group()])
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


def is_prose(text: str, *, inline: bool) -> bool:
    """Whether what stands between two delimiters is a sentence: then they are no pair."""
    if len(text) < 3:
        return False
    plain = _WORDS.sub("", text)
    small = len(_SMALL_WORD.findall(plain))
    if inline and small and not re.search(r"[\\^_=]", text):
        return True
    other = sum(len(found) for found in _OTHER_SCRIPT.findall(plain))
    if small >= 2 or other >= (3 if inline else 8):
        return True
    return bool(_BLANK.search(plain)) and len(re.findall(r"(?<=\s)[A-Za-z]{3,}(?=\s)", plain)) >= 8
