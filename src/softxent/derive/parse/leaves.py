r"""The leaves of a tree: numbers, words, letters written together that are a word."""

from __future__ import annotations

from fractions import Fraction

from softxent.derive.parse import names
from softxent.derive.parse.reader import Reader
from softxent.derive.parse.tokens import Token
from softxent.derive.trees import Expr, Number, Opaque, Symbol, Unsupported

MAX_DIGITS = 40


def number(r: Reader) -> Expr:
    """Read digits with a point among them, the next token being one of them."""
    start, digits, point = r.here(), "", False
    while r.at < r.end:
        token = r.tokens[r.at]
        behind = r.tokens[r.at + 1] if r.at + 1 < r.end else None
        if digits and not token.glued:
            break
        if token.kind == "digit":
            digits += token.text
        elif (
            token.is_sign(".")
            and not point
            and behind is not None
            and behind.kind == "digit"
            and behind.glued
        ):
            digits += "."
            point = True
        else:
            break
        r.at += 1
    span = (start, r.last())
    if len(digits) > MAX_DIGITS:
        return Unsupported(digits[:8] + "...", f"more than {MAX_DIGITS} digits", span=span)
    if r.font and "." not in digits:
        return Symbol(digits, r.font, span=span)
    return Number(Fraction(digits if not digits.startswith(".") else "0" + digits), span=span)


def word(r: Reader) -> Expr | None:
    """Read letters written together that are a known word, or stand before a bracket."""
    place = r.at
    letters = [r.tokens[place].text]
    while place + 1 < r.end and len(letters) < 20:
        token = r.tokens[place + 1]
        if token.kind != "letter" or not token.glued or token.gap:
            break
        letters.append(token.text)
        place += 1
    if len(letters) < 2 or len(letters) == 20:
        return None
    name = "".join(letters)
    behind = r.tokens[place + 1] if place + 1 < r.end else Token("", "", 0, 0, False)
    called = behind.glued and len(name) > 2
    called = called and (
        behind.kind == "open" or (behind.kind == "_" and name in names.SUBSCRIPT_WORDS)
    )
    known = name in names.WORDS or (name in names.SUBSCRIPT_WORDS and len(name) > 3)
    if not known and not called:
        return None
    first, last = r.tokens[r.at], r.tokens[place]
    r.at = place + 1
    whole = Token("word", name, first.start, last.end)
    if name in r.commands and (name in names.FUNCTIONS or name in names.BIG):
        return r.commands[name](r, whole)
    return Symbol(name, r.font, span=(first.start, last.end))


def text(token: Token, font: tuple[str, ...] = ()) -> Expr:
    """Make a symbol of words that name something, an opaque piece of others."""
    place = (token.start, token.end)
    words = token.text.split()
    name = all(word[0].isalpha() and not set(word) - names.WORD_LETTERS for word in words)
    if words and name and not any(word.lower() in names.STOP for word in words):
        return Symbol(" ".join(words), font, span=place)
    return Opaque(" ".join(words), span=place)
