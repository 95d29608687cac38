"""Sentences that stand between two delimiters by accident, and prices that look like formulas."""

from __future__ import annotations

import re

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
_TWO_WORDS = re.compile(r"(?<![A-Za-z])[A-Za-z]{3,40}\s{1,5}[A-Za-z]{3}")
_BLANK = re.compile(r"\n[ \t\r]*\n")
_SCRIPT = re.compile(r"[_^]\s*\{[^{}]*\}")
_MATHEMATICS = re.compile(r"[\\^_=<>+()'|]")
_PRICE = re.compile(
    r"\s{0,3}\d[\d.,]{0,20}\s{0,3}[;,.)，。；、（(][^\\^_=]{0,200}?[^\W\d_]{2}[^\\^_=]*\Z"
)
_NUMBER = re.compile(r"\s*[-+]?\d{1,20}(?:\.\d{1,20})?\s*")
_LETTERS = re.compile(r"(?<![A-Za-z\\])[A-Za-z]{3}")


def is_money(inside: str, behind: str) -> bool:
    """Whether two single dollars are prices: the rule of Pandoc, and what MathJax takes too."""
    if _PRICE.match(inside):
        return True
    if not inside[0].isspace() and not inside[-1].isspace():
        return behind.isdigit()
    # `$ x = y $` with blanks: mathematics without a word, or a letter, or a number.
    if len(inside.strip()) == 1 or _NUMBER.fullmatch(inside):
        return False
    if re.search(r"[\\^_=]", inside):
        return bool(_TWO_WORDS.search(inside))
    listed = bool(_MATHEMATICS.search(inside)) or "," in inside or "-" in inside
    return not listed or bool(_LETTERS.search(inside)) or not re.search("[A-Za-z]", inside)


def is_prose(text: str, *, inline: bool) -> bool:
    """Whether what stands between two delimiters is a sentence: then they are no pair."""
    if len(text) < 3:
        return False
    plain = _SCRIPT.sub("", _WORDS.sub("", text))
    small = len(_SMALL_WORD.findall(plain))
    if inline and small and not re.search(r"[\\^_=]", text):
        return True
    other = sum(len(found) for found in _OTHER_SCRIPT.findall(plain))
    if small >= 2 or other >= (3 if inline else 8):
        return True
    return bool(_BLANK.search(plain)) and len(re.findall(r"(?<=\s)[A-Za-z]{3,}(?=\s)", plain)) >= 8
