r"""Points and words between letters: what is a product, an end, an abbreviation, a word.

`-p_j.p_i` is a product, as are `a . b` and `a. b` where no statement follows; `a = b. c = d` is
two statements; `i.e.` and `if` are words.
"""

from __future__ import annotations

from softxent.derive.parse import names
from softxent.derive.parse.tokens import Token

_ENDS = frozenset(("letter", "digit", "word", "}", "close", "right", "prime"))
_BEGINS = frozenset(("letter", "word", "command", "open", "left", "{", "begin"))
_SHORT_WORDS = frozenset("if iff for and else".split())
_LONGEST = 12  # letters of a word
_FARTHEST = 200  # tokens that are looked at for a relation


def settled(tokens: list[Token]) -> list[Token]:
    """Return the tokens with words as text, and points that multiply as `\\cdot`."""
    found: list[Token] = []
    lowered: list[bool] = []  # of each open brace: whether it is a script's
    place = 0
    while place < len(tokens):
        token = tokens[place]
        script = bool(found) and found[-1].kind in ("_", "^")
        if token.kind == "{":
            lowered.append(script or any(lowered[-1:]))
        elif token.kind == "}" and lowered:
            lowered.pop()
        elif not script and not any(lowered[-1:]):
            count = _word(tokens, place) if token.kind in ("letter", "word") else 0
            if count:
                found.append(_text(tokens[place : place + count]))
                place += count
                continue
            if token.is_sign(".") and 0 < place < len(tokens) - 1:
                if _ends_number(tokens, place):
                    place += 1
                    continue
                token = _point(tokens, place)
        found.append(token)
        place += 1
    return found


def _text(tokens: list[Token]) -> Token:
    words = "".join(token.text for token in tokens)
    return Token("text", f" {words} ", tokens[0].start, tokens[-1].end, False)


def _word(tokens: list[Token], place: int) -> int:
    r"""Return how many tokens from here are a word that stands for itself, as `where` is."""
    first = place
    if tokens[place].kind == "word":
        behind = tokens[place + 1] if place + 1 < len(tokens) else None
        plain = behind is None or behind.kind not in ("open", "_", "^")
        word = tokens[place].text.lower()
        return (
            1 if plain and (word in _SHORT_WORDS or (len(word) > 3 and word in names.STOP)) else 0
        )
    while place < len(tokens) and tokens[place].kind == "letter" and place - first < _LONGEST:
        if place > first and not tokens[place].glued:
            break
        place += 1
    before = tokens[first - 1] if first else None
    if before is not None and before.kind == "letter" and tokens[first].glued:
        return 0
    if place < len(tokens) and tokens[place].kind == "letter" and tokens[place].glued:
        return 0
    word = "".join(token.text for token in tokens[first:place]).lower()
    if word in _SHORT_WORDS or (len(word) > 3 and word in names.STOP):
        return place - first
    return _abbreviation(tokens, first) if len(word) == 1 else 0


def _abbreviation(tokens: list[Token], place: int) -> int:
    """Return how many tokens are `i.e.`, `s.t.`, `w.r.t.`."""
    for count in (6, 4):
        some = tokens[place : place + count]
        glued = len(some) == count and all(token.glued for token in some[1:])
        if glued and "".join(token.text for token in some) in names.ABBREVIATIONS:
            return count
    return 0


def _ends_number(tokens: list[Token], place: int) -> bool:
    """Whether a point belongs to the number before it: `1. - x`."""
    before, token, behind = tokens[place - 1 : place + 2]
    if before.kind != "digit" or not token.glued:
        return False
    return behind.is_sign("+-*/") or behind.kind in ("close", "right", "}")


def _point(tokens: list[Token], place: int) -> Token:
    """Return the point itself, or `\\cdot` where it multiplies."""
    before, token, behind = tokens[place - 1 : place + 2]
    ends = before.kind in _ENDS or (before.kind == "command" and before.text in names.LETTERS)
    if not ends or behind.kind not in _BEGINS:
        return token
    if behind.kind == "command" and behind.text in names.NO_FACTORS:
        return token
    if behind.kind in ("letter", "word") and _word(tokens, place + 1):
        return token
    close = behind.glued and not behind.gap
    if close and token.glued and behind.text == "T" and _is_last(tokens, place + 1):
        return Token("^", "^", token.start, token.end)  # X.T of NumPy
    if token.glued and not close and _states(tokens, place + 1):
        return token
    return Token("command", "cdot", token.start, token.end, token.glued)


def _is_last(tokens: list[Token], place: int) -> bool:
    """Whether nothing hangs on a letter, and no letter is written together with it."""
    if place + 1 >= len(tokens):
        return True
    behind = tokens[place + 1]
    return behind.kind not in ("_", "^", "prime") and not (behind.kind == "letter" and behind.glued)


def _states(tokens: list[Token], place: int) -> bool:
    """Whether what stands from here to the next mark has a relation in it: a statement."""
    depth = 0
    for token in tokens[place : place + _FARTHEST]:
        depth += (token.kind in ("{", "open", "left", "begin")) - (
            token.kind in ("}", "close", "right", "end")
        )
        if depth < 0 or (depth == 0 and (token.kind in ("row", "text", "quad"))):
            return False
        if depth == 0 and token.kind == "relation":
            return True
        if depth == 0 and token.is_sign(",;.&"):
            return False
    return False
