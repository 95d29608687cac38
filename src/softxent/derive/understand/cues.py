"""What words of the prose mean: cases that open and close, assumptions, names that are given."""

from __future__ import annotations

import re

_OPENS = re.compile(
    r"(?:^|[.:;,!?]\s*|\n\s*|\b(?:and|now|so|then|first|second|secondly|otherwise|also|but|that|while|whereas|"
    r"however|else|yet|meanwhile|on the other hand|similarly|likewise|et|und|y)\b,?\s+)"
    r"(?:now,?\s+|then,?\s+|first,?\s+|next,?\s+|consider\s+|take\s+|the\s+|so\s+|\()*"
    r"(?:if|when|whenever|for|case|in (?:the |that )?case(?: where| when| of| that)?|"
    r"suppose(?: that)?|assume(?: that)?|assuming(?: that)?|let|where|with|provided(?: that)?|"
    r"wenn|falls|für|im fall|fall|si|pour|lorsque|quand|cas où|cas|cuando|para|caso|se|quando)"
    r"(?:\s+(?:the|we have|is|are|both|all|indices|classes|case|cases|where|when|of|that))*"
    r"\s*[:(,]?\s*$",
    re.I,
)
_CASE = re.compile(r"\b(?:case|cas|caso|fall|falle)\b[^.!?]{0,40}$", re.I)
_CASE_BEHIND = re.compile(
    r"(?:^|[.:;,!?]\s*|\b(?:and|now|then|first|we|us|to|we[’']ll|let[’']s)\s+)"
    r"(?:now,?\s+|next,?\s+|first,?\s+|again\s+)*"
    r"(?:in|for|(?:start|begin)(?:ing)? with|consider|take|do|compute|handle|treat|tackle|"
    r"look(?:ing)? at|turn(?:ing)? to|(?:go|move|moving) on to|derive|calculate)\s+"
    r"(?:only\s+)?the\s*$",
    re.I,
)
_THOSE = re.compile(
    r"(?:^|[.:;,!?]\s*|\b(?:and|but|while|now|then)\s+)(?:for|in) (?:the|all|any|every|each|an?)"
    r"(?: (?:other|remaining|rest of the|incorrect|wrong|correct|true))? "
    r"(?:rows?|class(?:es)?|columns?|entries|entry|elements?|terms?|outputs?|cases?|units?|neurons?|"
    r"components?|scores?|logits?|weights?|indices|ones),?\s+"
    r"(?:where|with|for which|such that)\s*$",
    re.I,
)
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
_OTHERWISE = re.compile(
    r"(?:^|[.\n])[\s>*_•–-]*(?:otherwise|else|if not|in (?:the|all) other cases?|sonst|sinon|"
    r"иначе|否则)\b[^.$]*$",
    re.I,
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
_ANEW = re.compile(
    r"(?:^|[.\n]\s*)(?:(?:for )?example\b|another\b|alternativ|or\b|exercise\b|construct\b|"
    r"beispiel\b|exemple\b|ejemplo\b|instead\b|now (?:consider|take|let))|"
    r"(?:\*\*|__|</b>|</strong>|\\textbf\{[^}]*\})\s*[:：]\s*$|"
    r"\b(?:another|different|second|other) "
    r"(?:example|definition|loss|function|choice|version|base)\b",
    re.I,
)
_ALTERNATIVE = re.compile(
    r"\b(?:alternativ\w*|(?:some|other|many|certain|several|different) (?:sources?|authors?|books?|"
    r"texts?|textbooks|people|papers?|posts?|definitions?|conventions?)|"
    r"(?:another|other|different|second|generali[sz]ed|general|common|modified) "
    r"(?:\w+ )?(?:forms?|versions?|variants?|definitions?|conventions?|base|choice)|"
    r"(?:also|sometimes|often|elsewhere) (?:be )?defined?|"
    r"defined? (?:it )?(?:differently|otherwise)|"
    r"(?:might|may|could|would) (?:also )?(?:be )?defined?|redefin\w+|instead of)\b|"
    r"\bor\s*$",
    re.I,
)
_ANOTHER = re.compile(
    r"\b(?:another|different|alternative) (?:\w+ )?(?:base|definition|form|version|convention)s?\b|"
    r"\binstead of\b",
    re.I,
)
_FOREIGN = re.compile(r"[\u0400-\u04ff\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]")
_FOREIGN_BOTH = re.compile(r"或|和|及|两种|または|とき以外|또는|\bи\b|или|否则|其他")
_WEAK = re.compile(r"\b(thus|therefore|hence|finally|so|consequently|it follows|now|∴)\b", re.I)

_ONE_HOT = re.compile(
    r"(?<![A-Za-z])one[\s-]?hot\b|"
    r"\b1\b[^.]{0,40}\b(?:only\s+)?for\s+(?:only |exactly )?(?:the|one|a single)\s+"
    r"(?:correct|true|right|actual|class|target)|"
    r"\b(?:only|exactly)\s+one\b[^.]{0,40}\b(?:is|equals?|=|being|be)\s*\$?(?:1|one)\b|"
    r"=\s*1\$?\s*(?:only\s+)?for\s+(?:exactly|only)\s+one\b|"
    r"=\s*1\$?\s*only\s+(?:for|if|when)\b|"
    r"\ball\s+(?:the\s+)?other\w*[^.]{0,40}(?:0|zero)\b|"
    r"独热|独热编码|ワンホット|원[- ]?핫|унитарн\w+ код",
    re.I,
)
_SUM_ONE = re.compile(
    r"\bsums?\s+(?:up\s+)?to\s+\$?(?:1|one|unity)\b|\bsum\s+(?:of|over)\b[^.]{0,60}\bis\s+\$?(?:1|one)\b|"
    r"\badds?\s+up\s+to\s+\$?(?:1|one)\b|\bprobability distributions?\b|"
    r"\bdistributions?\s+\$|\bnormali[sz]ed\b",
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
_FEW = re.compile(
    r"\b(?:only\s+|exactly\s+)?(?:(?P<two>two|2|\$2\$)|three|3|\$3\$)[\s-]+(?:\w+\s+)?"
    r"(?:class|classes|units|outputs|categories|neurons|labels|nodes|inputs|logits|scores|"
    r"components|options|elements|outcomes|alternatives|events)\b|(?P<binary>\bbinary\b)|"
    r"\$\s*[A-Za-z]\s*=\s*(?:(?P<equal>2)|3)\s*\$",
    re.I,
)
_NOT = re.compile(
    r"(?:\b(?:not|never|without|cannot|neither|nor|no need)\b|n[’']t\b)"
    r"(?:(?!\b(?:and|but|since|because|while)\b)[^.,;:]){0,60}$",
    re.I,
)
_TRUE = (
    r"(?:correct|true|target|actual|ground[\s-]truth|gold|right|labell?ed)\s+"
    r"(?:class|label|category|word|token|output|one|answer|index)"
)
_TRUE_CLASS = re.compile(
    r"\$\s*(?P<before>[A-Za-z])\s*\$,?\s+(?:is|denotes|being|be|stands for|represents|indexes|"
    r"indicates|as)\s+(?:the\s+)?(?:(?:index|label|position|number|id)\s+(?:of|for)\s+)?(?:the\s+)?"
    rf"{_TRUE}\b|\b{_TRUE},?\s+(?:is\s+|be\s+|index\s+)?\$\s*(?P<after>[A-Za-z])\s*\$",
    re.I,
)
_SINGLE = re.compile(
    r"\b(?:a\s+)?(?:single|one)\s+(?:training\s+)?(?:example|sample|data\s*point|instance|"
    r"observation|record)\b|\bbatch(?:\s+size)?\s+of\s+(?:size\s+)?(?:1|one)\b",
    re.I,
)
_REASON = re.compile(
    r"\b(since|because|as|given that|due to(?: the fact that)?|noting that|using)\b", re.I
)
_NAMED_AS = re.compile(
    r"\b(?:(?:re)?defin\w+|(?:re)?writ\w+|express\w+|known|given|denot\w+|represent\w+|stat\w+|"
    r"formulat\w+|referr\w+|read|computed?|calculated?|modell?ed|simplif\w+|introduc\w+|such|same|"
    r"well)(?:\s+(?:the|this|that|our|an?|its|it|them|be|here|to)|\s+[\w-]+){0,4}\s+as\b",
    re.I,
)
"""Here "as" is no reason: "we define the loss as"."""
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
        re.compile(r"(?<!\bnot)\s*$", re.I),  # whatever stands before it
        re.compile(
            r"^\s*(?:here\s+|simply\s+|just\s+)*(?:stands?\s+for|abbreviates?|"
            r"is\s+(?:just\s+)?(?:short|shorthand|an?\s+abbreviation|a\s+shortcut)\s+for)"
            r"(?:\s+the\s+(?:sum|expression|quantity|term))?\s*$",
            re.I,
        ),
        "first",
    ),
    (re.compile(r"\b(?:where|with|here)\s*$", re.I), re.compile(r"^\s*is\s*$", re.I), "first"),
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
    sentence = re.sub(r"\*+|\b_+|_+\b", "", _SENTENCE.split(before)[-1])
    if _FOREIGN.search(sentence + after.split("$")[0]):
        return not _FOREIGN_BOTH.search(sentence + after.split("$")[0])
    if re.match(r"\s*:\s*$", after.split("$")[0]) and re.search(r"\bwhere\s*$", sentence, re.I):
        return True
    if first or _NUMBERED.match(sentence.split("\n")[-1]):
        return True
    if _NEVER.search(sentence):
        return False
    if _OTHERWISE.search(sentence):
        return True
    if len(sentence) > 160:
        sentence = sentence[-160:]
    starts = sentence.lstrip(" >*_•‣◦–-")
    lead = bool(_OPENS.search(sentence)) and (
        len(starts) < 40 or bool(re.match(r"[A-Z]", starts[:1])) or boxed
    )
    lead = lead and not re.search(r"\b(?:1|one|0|zero)\b[^.]*\bif\s*$", sentence, re.I)
    if _THOSE.search(sentence) and not re.search(r"\b(?:both|two|sum\w*)\b", sentence, re.I):
        return True
    if re.search(r"\b(where|with)\s*$", sentence, re.I) and not starts.lower().startswith(
        ("where", "with")
    ):
        return False
    if re.match(r"\s*case\b", after) and _CASE_BEHIND.search(sentence):
        return True
    return lead or bool(_CASE.search(sentence)) or (boxed and bool(_LOOSE.search(sentence)))


def otherwise(text: str) -> bool:
    """Whether the last sentence of a text turns to the opposite of the open case."""
    return bool(_OTHERWISE.search(text.rstrip()))


def mentions_case(before: str, after: str) -> bool:
    """Whether `j = k` in the text, which opens no case, may say where the next formula holds."""
    return not _MENTION.match(after) and not re.search(r"\b(?:both|or)\s*$", before, re.I)


def closes(text: str) -> str:
    """Return "strong", "weak" or "" for the words before a formula."""
    if _STRONG.search(text):
        return "strong"
    return "weak" if _WEAK.search(text) else ""


def begins_anew(text: str, starts: bool = True) -> bool:
    """Whether what follows may use names for other things than what stands before.

    starts: the text does not go on behind a formula in the middle of a sentence.
    """
    return bool(_ANEW.search(text if starts else f"$ {text}"))


def alternative(text: str) -> bool:
    """Whether the last sentence announces another definition beside the known one.

    Or the one before it, where it says so plainly: "A different base can be used. This yields".
    """
    *before, last = _SENTENCE.split(text)
    return bool(_ALTERNATIVE.search(last)) or any(map(_ANOTHER.search, before[-1:]))


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
    if one_hot and _NOT.search(sentence[: one_hot.start()]):
        one_hot = None
    if one_hot:
        out.append(("one-hot", one_hot.start()))
    total = _SUM_ONE.search(sentence)
    if total and not one_hot and not _NOT.search(sentence[: total.start()]):
        out.append(("sum-to-one", total.start()))
    single = _SINGLE.search(sentence)
    if single and re.search(r"\b(for|consider|assume|of|on|with|per|suppose)\b", sentence, re.I):
        out.append(("size-one", single.start()))
    few = _FEW.search(sentence)
    if few:
        two = few["two"] or few["binary"] or few["equal"]
        out.append(("size-two" if two else "size-three", few.start()))
    return out


def true_classes(sentence: str) -> list[tuple[str, int]]:
    """Return the letters that a sentence gives the true class, and where."""
    found = _TRUE_CLASS.finditer(sentence)
    return [(match["before"] or match["after"], match.start()) for match in found]


def about_targets(sentence: str) -> bool:
    """Whether a sentence without a symbol speaks of the targets, not of the outputs."""
    return bool(_ABOUT_TARGET.search(sentence)) and not _ABOUT_OUTPUT.search(sentence)


def gives_reason(sentence: str) -> bool:
    """Whether what follows in a sentence is the reason for something."""
    return bool(_REASON.search(_NAMED_AS.sub(" ", _SENTENCE.split(sentence)[-1])))


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
