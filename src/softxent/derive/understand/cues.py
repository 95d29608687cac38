"""What words of the prose mean: cases that open and close, assumptions, names that are given."""

from __future__ import annotations

import re

_OPENS = re.compile(
    r"(?:^|[.:;,!?]\s*|\n\s*|\b(?:and|now|so|then|first|second|secondly|otherwise|also|but|that)\b,?\s+)"
    r"(?:now,?\s+|then,?\s+|first,?\s+|next,?\s+|consider\s+|take\s+|the\s+|so\s+|\()*"
    r"(?:if|when|whenever|for|case|in (?:the |that )?case(?: where| when| of| that)?|"
    r"suppose(?: that)?|assume(?: that)?|assuming(?: that)?|let|where|with|provided(?: that)?)"
    r"(?:\s+(?:the|we have|is|are|both|all|indices|classes|case|cases|where|when|of|that))*"
    r"\s*[:(,]?\s*$",
    re.I,
)
_CASE = re.compile(r"\bcase\b[^.!?]{0,40}$", re.I)
_NUMBERED = re.compile(
    r"^[\s>*_•‣◦–\-]*(?:\(?(?:[0-9]{1,2}|[ivx]{1,3}|[a-z])[.):]\s*)?"
    r"(?:case\s*(?:[0-9]{1,2}|[ivx]{1,3}|[a-z])?\s*[.:)–\-]*)?[\s*_(:]*$",
    re.I,
)
_LOOSE = re.compile(
    r"(?:[.\n]\s*|^\s*)(?:now,?\s+|then,?\s+)?(?:if|when|case|for)\b[^.]{0,30}$", re.I
)
_NEVER = re.compile(
    r"\b(both|splitting|split|since|because|as|whether|not necessarily|or)\b[^.]{0,30}$", re.I
)
_MENTION = re.compile(
    r"^\s*(?:and\s+(?:0|zero|1|one)|,?\s*(?:0|zero|1|one)\b|otherwise|case from|term\b|part\b)",
    re.I,
)
_STRONG = re.compile(
    r"\b(put(?:ting)?\s+(?:\w+\s+){0,4}together|combin\w+|compact\w*|wrap\w*|merg\w+|unif\w+|"
    r"summari[sz]\w+|to sum up|in summary|overall|both\s+(?:cases|of|results|equations|parts)|"
    r"two cases|in general|altogether|plug\w*|substitut\w+|for all\b|going back|back to|"
    r"in one (?:formula|equation|expression|line)|written as one|bring\w* .{0,20}together)\b",
    re.I,
)
_WEAK = re.compile(r"\b(thus|therefore|hence|finally|so|consequently|it follows|now|∴)\b", re.I)

_ONE_HOT = re.compile(
    r"\bone[\s-]?hot\b|"
    r"\b1\b[^.]{0,40}\b(?:only\s+)?for\s+(?:only |exactly )?(?:the|one|a single)\s+"
    r"(?:correct|true|right|actual|class|target)|"
    r"\b(?:only|exactly)\s+one\b[^.]{0,40}\b(?:is|equals?|=|being|be)\s*\$?(?:1|one)\b|"
    r"=\s*1\$?\s*(?:only\s+)?for\s+(?:exactly|only)\s+one\b|"
    r"=\s*1\$?\s*only\s+(?:for|if|when)\b|"
    r"\ball\s+(?:the\s+)?other\w*[^.]{0,40}(?:0|zero)\b",
    re.I,
)
_SUM_ONE = re.compile(
    r"\bsums?\s+(?:up\s+)?to\s+\$?(?:1|one|unity)\b|\bsum\s+(?:of|over)\b[^.]{0,60}\bis\s+\$?(?:1|one)\b|"
    r"\badds?\s+up\s+to\s+\$?(?:1|one)\b|\bprobability distributions?\b|\bnormali[sz]ed\b",
    re.I,
)
_ABOUT_TARGET = re.compile(
    r"\b(targets?|labels?|true|ground[\s-]truth|actual|correct|desired|one[\s-]?hot|encod\w+|"
    r"class(?:es)?|truth|distribution)\b",
    re.I,
)
_ABOUT_OUTPUT = re.compile(
    r"\b(outputs?|softmax|predict\w*|estimat\w*|network|neurons?|logits?|squash\w*)\b", re.I
)
_SINGLE = re.compile(
    r"\b(?:a\s+)?(?:single|one)\s+(?:training\s+)?(?:example|sample|data\s*point|instance|"
    r"observation|record)\b|\bbatch(?:\s+size)?\s+of\s+(?:size\s+)?(?:1|one)\b",
    re.I,
)
_REASON = re.compile(
    r"\b(since|because|as|given that|due to(?: the fact that)?|noting that|using)\b", re.I
)
_DENOTE = (
    (
        re.compile(r"\b(?:denot\w+|writ\w+|abbreviat\w+|call\w*|defin\w+|introduc\w+)\s*$", re.I),
        re.compile(r"^\s*(?:simply\s+|just\s+|briefly\s+)?(?:as|by|with)\s*$", re.I),
        "second",
    ),
    (
        re.compile(r"\b(?:let|with|where|here|and)\s*(?:also\s+)?$|^\s*$|[.,;(]\s*$", re.I),
        re.compile(
            r"^\s*(?:here\s+|also\s+|simply\s+)*(?:represents?|denotes?|stands?\s+for|denote|"
            r"be\s+(?:short\s+for|defined\s+as)|is\s+short\s+for|is\s+defined\s+(?:as|by)|"
            r"abbreviates?|is\s+shorthand\s+for)\s*$",
            re.I,
        ),
        "first",
    ),
    (re.compile(r"\blet\s*$", re.I), re.compile(r"^\s*be\s*$", re.I), "first"),
    (
        re.compile(r"\b(?:writ\w+|use|us\w+)\s*$", re.I),
        re.compile(r"^\s*(?:instead of|for|to (?:denote|mean|represent))\s*$", re.I),
        "first",
    ),
)
_CALLED = re.compile(
    r"\b(?:correct|true|target|actual|right|ground[\s-]truth|gold)\s+(?:class|label|category|word|"
    r"token|output)\b[^.]{0,30}\b(?:call|denote|label|name|is|index\w*)\b[^.$]{0,20}?\$?\b([A-Za-z])\b",
    re.I,
)
_SENTENCE = re.compile(r"(?<=[.!?])\s+(?=[A-Z$\\(])")


def opens_case(before: str, after: str, boxed: bool, first: bool) -> bool:
    """Whether `j = k` in the text opens a case.

    before, after: the prose of its paragraph; first: nothing but a list mark stands before it.
    """
    if _MENTION.match(after):
        return False
    sentence = _SENTENCE.split(before)[-1]
    if first or _NUMBERED.match(sentence.split("\n")[-1]):
        return True
    if _NEVER.search(sentence):
        return False
    if len(sentence) > 160:
        sentence = sentence[-160:]
    starts = sentence.lstrip(" >*_•‣◦–-")
    lead = bool(_OPENS.search(sentence)) and (
        len(starts) < 40 or bool(re.match(r"[A-Z]", starts[:1])) or boxed
    )
    lead = lead and not re.search(r"\b(?:1|one|0|zero)\b[^.]*\bif\s*$", sentence, re.I)
    if re.search(r"\b(where|with)\s*$", sentence, re.I) and not starts.lower().startswith(
        ("where", "with")
    ):
        return False
    return lead or bool(_CASE.search(sentence)) or (boxed and bool(_LOOSE.search(sentence)))


def closes(text: str) -> str:
    """Return "strong", "weak" or "" for the words before a formula."""
    if _STRONG.search(text):
        return "strong"
    return "weak" if _WEAK.search(text) else ""


def sentences(text: str) -> list[tuple[int, str]]:
    """Return the sentences of a paragraph and where each begins."""
    out, at = [], 0
    for part in _SENTENCE.split(text):
        found = text.find(part, at)
        out.append((found, part))
        at = found + len(part)
    return out


def assumptions(sentence: str) -> list[tuple[str, int]]:
    """Return what a sentence assumes of targets, and where in it."""
    out = []
    one_hot = _ONE_HOT.search(sentence)
    if one_hot:
        out.append(("one-hot", one_hot.start()))
    total = _SUM_ONE.search(sentence)
    if total and not one_hot:
        out.append(("sum-to-one", total.start()))
    single = _SINGLE.search(sentence)
    if single and re.search(r"\b(for|consider|assume|of|on|with|per|suppose)\b", sentence, re.I):
        out.append(("size-one", single.start()))
    return out


def about_targets(sentence: str) -> bool:
    """Whether a sentence without a symbol speaks of the targets, not of the outputs."""
    return bool(_ABOUT_TARGET.search(sentence)) and not _ABOUT_OUTPUT.search(sentence)


def gives_reason(sentence: str) -> bool:
    """Whether what follows in a sentence is the reason for something."""
    return bool(_REASON.search(_SENTENCE.split(sentence)[-1]))


def begins_reason(text: str) -> bool:
    """Whether a text begins with a reason for what stands before it."""
    return bool(re.match(r"\W*(?:since|because|as|given that|due to|noting that)\b", text, re.I))


def names_something(before: str, between: str) -> str:
    """Return which of two formulas is a name for the other: "first", "second" or ""."""
    before, between = before[-60:], between.strip("\n")
    for lead, middle, which in _DENOTE:
        if middle.match(between) and lead.search(before):
            return which
    return ""


def correct_class(text: str) -> re.Match[str] | None:
    """Return where a text gives the correct class a letter."""
    return _CALLED.search(text)
