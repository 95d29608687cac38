r"""The leaves of a tree: numbers, words, letters written together that are a word."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

from softxent.derive.parse import names
from softxent.derive.parse.reader import Reader
from softxent.derive.parse.tokens import Pattern, Token
from softxent.derive.trees import Call, Expr, Number, Opaque, Symbol, Unsupported

MAX_DIGITS = 40
_LONGEST = 30  # letters of a word
_LOOKS_LIKE_WORD = Pattern(
    r"(?=.{5})(?!.*[^aeiouyAEIOUY]{5})(?!.*[aeiou]{4})(?=.*[aeou])[A-Za-z][a-z]{2,}(?:[A-Z][a-z]{2,})*"
)


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
    while place + 1 < r.end and len(letters) < _LONGEST:
        token = r.tokens[place + 1]
        if token.kind != "letter" or not token.glued or token.gap:
            break
        letters.append(token.text)
        place += 1
    if len(letters) < 2 or len(letters) == _LONGEST:
        return None
    name = "".join(letters)
    if not _is_word(r, name, place + 1):
        place = r.at + len(_joined_function(name)) - 1
        if place < r.at or _is_word(r, name, place + 1):
            return None
        name = name[: place + 1 - r.at]
    first, last = r.tokens[r.at], r.tokens[place]
    r.at = place + 1
    digits = _digits(r, name)
    if digits and name == "log":
        value = r.commands[name](r, Token("word", name, first.start, last.end))
        base = Number(Fraction(digits), span=(last.end, last.end + len(digits)))
        return replace(value, base=base) if isinstance(value, Call) else value
    if digits:  # relu6(x)
        name, last = name + digits, r.tokens[r.at - 1]
    whole = Token("word", name, first.start, last.end)
    if name in r.commands and (name in names.FUNCTIONS or name in names.BIG):
        return r.commands[name](r, whole)
    return Symbol(name, r.font, span=(first.start, last.end))


def _digits(r: Reader, name: str) -> str:
    """Take the digits between a name and its bracket: `relu6(x)`, `log10(x)`."""
    place, digits = r.at, ""
    while place < r.end and r.tokens[place].kind == "digit" and len(digits) < 4:
        if not r.tokens[place].glued:
            return ""
        digits += r.tokens[place].text
        place += 1
    behind = r.tokens[place] if place < r.end else None
    if not digits or behind is None or behind.kind != "open" or not behind.glued:
        return ""
    if name != "log" and (len(name) < 3 or name in names.FUNCTIONS or name in names.BIG):
        return ""
    r.at = place
    return digits


def _is_word(r: Reader, name: str, behind: int) -> bool:
    """Whether letters written together are one name; behind: the place behind them."""
    if name in names.WORDS or (name in names.SUBSCRIPT_WORDS and len(name) > 3):
        return True
    if name in names.FUNCTIONS and len(name) > 3:
        return True
    if any(_joined_function(name[skip:]) for skip in range(3)) or name.lower() in names.STOP:
        return False
    vowels = sum(letter in "aeiouAEIOU" for letter in name)
    enough = 4 if set(name) & set("wxyzWXYZ") else 5  # axbyc is a product, blank is not
    if enough * vowels >= len(name) and _LOOKS_LIKE_WORD().fullmatch(name):
        return "".join(sorted(name)) != name
    if "_" in name.strip("_"):
        return True
    token = r.tokens[behind] if behind < r.end else None
    if token is None or not token.glued or token.gap:
        return False
    if token.kind == "_":
        return len(name) > 2 and name in names.SUBSCRIPT_WORDS
    if token.kind != "open":
        return False
    return len(name) > 2 or (name.isupper() and _is_argument(r, behind))


def _joined_function(name: str) -> str:
    """Return the function that letters begin with, if a letter or two follow it: `logp`."""
    for function in names.JOINED_FUNCTIONS:
        if name.startswith(function) and 0 < len(name) - len(function) < 3:
            return function
    return ""


def _is_argument(r: Reader, place: int) -> bool:
    """Whether a bracket behind two capitals makes them one name: `FL(p_t)`, not `AB(x + y)`."""
    close = r.close[place]
    return 0 <= close < r.end and not any(
        token.kind == "relation" or token.is_sign("+-*/") for token in r.tokens[place:close]
    )


def text(token: Token, font: tuple[str, ...] = ()) -> Expr:
    """Make a symbol of words that name something, an opaque piece of others."""
    place = (token.start, token.end)
    words = token.text.split()
    name = all(names.is_name(word) for word in words)
    if words and name and not any(word.lower() in names.STOP for word in words):
        return Symbol(" ".join(words), font, span=place)
    return Opaque(" ".join(words), span=place)
