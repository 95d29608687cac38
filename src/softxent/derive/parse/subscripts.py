r"""Subscripts: `w_{ij}`, `E_{total}`, `y_{k = i}`, `batch_size`, and what stands in any script."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

from softxent.derive.parse import names
from softxent.derive.parse.grammar import argument, everything
from softxent.derive.parse.leaves import text
from softxent.derive.parse.reader import Reader
from softxent.derive.parse.tokens import Token
from softxent.derive.trees import (
    Applied,
    Entry,
    Expr,
    Group,
    Indicator,
    Number,
    Opaque,
    Product,
    Relation,
    Symbol,
)

_ARGUMENTS = dict.fromkeys(("frac", "dfrac", "tfrac", "cfrac", "binom"), 2)
_ARGUMENTS |= dict.fromkeys(("sqrt", *names.ACCENTS, *names.FONTS), 1)


def lowered(r: Reader, value: Expr, subs: tuple[Expr, ...]) -> Expr:
    """Put subscripts on what they hang on; 1_{k = i} is an Indicator."""
    span = (value.span[0], max(r.last(), value.span[1]))
    one = isinstance(value, Number) and value.value == 1
    if (one or is_one(value)) and len(subs) == 1 and not _named(value, "delta", "I", "chi"):
        bare = subs[0]
        while isinstance(bare, Group):
            bare = bare.of
        if isinstance(bare, Relation) and bare.first is not None:
            return Indicator(bare, span=span)
    if not subs:
        return value.at(span)
    if isinstance(value, Symbol):
        return replace(value, subs=value.subs + subs, span=span)
    if isinstance(value, Applied):
        head = replace(value.head, subs=value.head.subs + subs, span=span)
        return replace(value, head=head, span=span)
    if isinstance(value, Entry):
        return replace(value, subs=value.subs + subs, span=span)
    return Entry(value, subs, span=span)


def _named(value: Expr, *which: str) -> bool:
    return isinstance(value, Symbol) and value.name in which


def subscripts(r: Reader, sign: Token, base: Expr) -> tuple[Expr, ...]:
    """Read what stands behind a `_`."""
    if r.depth > 40 and r.sees("command"):
        return (argument(r),)
    whole = _unbraced(r, base)
    if whole is not None:
        return (whole,)
    start, end = script(r)
    while start < end and r.tokens[start].kind == "{" and r.close[start] == end - 1:
        start, end = start + 1, end - 1  # x_{{ij}}
    if start == end:
        return () if r.at > start else (r.unsupported(sign, "nothing is lowered"),)
    return indices(r, start, end)


def _unbraced(r: Reader, base: Expr) -> Expr | None:
    """Read a word that lacks its braces: `y_pred`, `batch_size`; None for a letter."""
    place = r.at
    while place < r.end and r.tokens[place].kind == "letter" and place - r.at < 20:
        if place > r.at and (not r.tokens[place].glued or r.tokens[place].gap):
            break
        place += 1
    name = "".join(token.text for token in r.tokens[r.at : place])
    named = isinstance(base, Symbol) and len(base.name) > 2 and base.name not in names.LETTERS
    known = name in names.SUBSCRIPT_WORDS and len(name) > 2
    if not known and not (named and len(name) > 2 and set(name) & set("aeiou")):
        return None
    span = (r.tokens[r.at].start, r.tokens[place - 1].end)
    r.at = place
    return Symbol(name, span=span)


def indices(r: Reader, start: int, end: int) -> tuple[Expr, ...]:
    """Read the tokens of a subscript: what commas divide, and runs of letters and digits."""
    items: list[Expr] = []
    bars = sum(token.kind == "bar" or token.text == "mid" for token in r.tokens[start:end])
    while start < end:
        comma = start
        while comma < end and not r.tokens[comma].is_sign(",;"):
            token = r.tokens[comma]
            if bars == 1 and start < comma and (token.kind == "bar" or token.text == "mid"):
                break  # p_{j|i}
            comma = r.skip(comma)
        if comma > start:
            items.extend(_item(r, start, min(comma, end)))
        start = comma + 1
    return tuple(items)


def _item(r: Reader, start: int, end: int) -> list[Expr]:
    tokens = r.tokens[start:end]
    if all(_plain(token) for token in tokens):
        return _run(tokens)
    if any(token.is_sign(":") for token in tokens):  # x_{1:t-1}
        return [Opaque(r.source(start, end), span=(tokens[0].start, tokens[-1].end))]
    value = r.inside(start, end, everything)
    if isinstance(value, Product) and not value.dot and not value.elementwise:
        if all(isinstance(part, Symbol) for part in value.factors):
            return list(value.factors)
    return [value]


def _plain(token: Token) -> bool:
    if token.kind == "command":
        return token.text in names.LETTERS or token.text in ("cdot", "bullet", "ast", "star")
    if token.kind == "sign":
        return token.text in ":*."
    return token.kind in ("letter", "digit", "word", "text")


def _run(tokens: list[Token]) -> list[Expr]:
    """Make indices of letters and digits side by side."""
    whole = (tokens[0].start, tokens[-1].end)
    if all(token.kind == "letter" for token in tokens):
        name = "".join(token.text for token in tokens)
        if len(name) > 1 and is_word(name):
            return [Symbol(name, span=whole)]
    items: list[Expr] = []
    for token in tokens:
        span = (token.start, token.end)
        last = items[-1] if items else None
        if token.kind == "digit":
            value = int(token.text)
            if isinstance(last, Number) and token.glued and last.value < 10**6:
                value += 10 * int(last.value)
                span = (last.span[0], span[1])
                items.pop()
            items.append(Number(Fraction(value), span=span))
        elif token.kind == "letter":
            items.append(Symbol(token.text, span=span))
        elif token.kind in ("word", "text"):
            items.append(name_of(token))
        elif token.text in names.LETTERS:
            items.append(Symbol(names.RENAMED.get(token.text, token.text), span=span))
        else:
            items.append(Opaque(token.text if token.text in ":." else "*", span=span))
    return items


def name_of(token: Token) -> Expr:
    r"""Make a name of a word in a script: n_{\text{in}}, though "in" names nothing elsewhere."""
    name = token.text.strip()
    return Symbol(name, span=(token.start, token.end)) if names.is_name(name) else text(token)


def is_word(name: str) -> bool:
    """Whether a lowered run of letters is a word: known, or long and with a vowel."""
    if name in names.SUBSCRIPT_WORDS or name.lower() in names.SUBSCRIPT_WORDS:
        return True
    return len(name) > 4 and bool(set(name) & set("aeou"))


def is_one(value: Expr) -> bool:
    """Whether a symbol is one that indicators are written with."""
    if not isinstance(value, Symbol) or value.subs:
        return False
    return value.name in ("1", "delta", "chi") or (value.name == "I" and not value.sups)


def script(r: Reader) -> tuple[int, int]:
    """Step over what is raised or lowered and return its tokens."""
    token = r.peek()
    if token is None:
        return r.at, r.at
    start = r.at
    if token.kind in ("{", "open", "left") and r.close[start] >= 0 and r.close[start] < r.end:
        r.at = r.close[start] + 1
        return (start + 1, r.at - 1) if token.kind == "{" else (start, r.at)
    if token.kind in ("letter", "digit", "word", "text", "sign", "prime", "dots"):
        r.at += 1
        return start, r.at
    if token.kind == "command" and token.text not in r.commands:
        r.at += 1
        return start, r.at
    if token.kind == "command" and token.text in _ARGUMENTS:  # x^\frac12
        r.at = _behind(r, start)
        return start, r.at
    return start, start


def _behind(r: Reader, place: int) -> int:
    """Return the place behind a command and its arguments, braces or single tokens."""
    takes = _ARGUMENTS[r.tokens[place].text]
    place += 1
    if place < r.end and r.tokens[place].kind == "open" and r.tokens[place].text == "[":
        place = r.skip(place)
    for _ in range(takes):
        if place < r.end and r.tokens[place].kind not in ("}", "close", "right", "_", "^"):
            place = r.skip(place)
    return min(place, r.end)
