r"""Brackets of all kinds: groups, sets, arguments, bars, Iverson brackets."""

from __future__ import annotations

from softxent.derive.parse.grammar import everything
from softxent.derive.parse.matrices import bracketed
from softxent.derive.parse.reader import Reader, written
from softxent.derive.parse.tokens import Token
from softxent.derive.trees import (
    Applied,
    Expr,
    Group,
    Indicator,
    Negative,
    Opaque,
    Relation,
    Sum,
    Symbol,
    Tuple,
    Unsupported,
)


def bracket(r: Reader, token: Token) -> Expr:
    """Read what an opening bracket or a bar begins."""
    if token.kind == "bar":
        return _bars(r, token)
    opening, close = r.at, r.close[r.at]
    r.take()
    if close < 0 or close >= r.end:
        return r.unsupported(token, "is never closed")
    closing = r.tokens[close]
    span = (token.start, closing.end)
    r.at = close + 1
    if token.kind == "left" and "." in (token.text, closing.text):
        return _half(r, opening, close)
    if conditional(r, opening + 1, close) or (
        token.text == "\\{" and _such_that(r, opening, close)
    ):
        return Opaque(r.source(opening, close + 1), span=span)
    matrix = bracketed(r, opening + 1, close, span)
    if matrix is not None and token.text in ("(", "["):
        return matrix
    value = r.inside(opening + 1, close, everything)
    if token.text != closing.text and not (isinstance(value, Tuple) and len(value.items) == 2):
        return r.unsupported(closing, f"closes a {written(token)}")
    if token.text == "[" and isinstance(value, Relation) and value.first is not None:
        return Indicator(value, span=span)
    return Group(value, token.text, span=span)


def applied(r: Reader, head: Symbol) -> Expr:
    """Read the bracket behind a symbol: its arguments, or Opaque where they are no analysis."""
    opening, close = r.at, r.close[r.at]
    r.at = close + 1
    span = (head.span[0], r.tokens[close].end)
    related = has_relation(r, opening + 1, close)
    middle = None if related else _divergence(r, opening + 1, close)
    if middle is not None:  # KL(p \| q) is a function of two arguments
        first, last = (
            r.inside(opening + 1, middle[0], everything),
            r.inside(middle[1], close, everything),
        )
        return Applied(head, (first, last), span=span)
    if related or conditional(r, opening + 1, close):
        return Opaque(r.tex[span[0] : span[1]], span=span)
    matrix = bracketed(r, opening + 1, close, (r.tokens[opening].start, span[1]))
    value = matrix or r.inside(opening + 1, close, everything)
    arguments = value.items if isinstance(value, Tuple) else (value,)
    arguments = tuple(
        Opaque(one.token, span=one.span)  # f(\cdot, y)
        if isinstance(one, Unsupported) and one.token in (r"\cdot", r"\bullet")
        else one
        for one in arguments
    )
    return Applied(head, arguments, span=span)


def has_relation(r: Reader, start: int, end: int) -> bool:
    """Whether a relation stands between two places, not deeper."""
    while start < end:
        if r.tokens[start].kind == "relation":
            return True
        start = r.skip(start)
    return False


def conditional(r: Reader, start: int, end: int) -> bool:
    r"""Whether a bar stands there that is no absolute value: p(y | x), KL(p \| q)."""
    bars = []
    place = start
    while place < end:
        token = r.tokens[place]
        if token.kind == "bar":
            bars.append(place)
        elif token.kind == "command" and token.text in ("mid", "parallel"):
            return True
        place = r.skip(place)
    if len(bars) % 2:
        return True
    middle = len(bars) == 2 and bars[1] == bars[0] + 1
    return middle and start < bars[0] and bars[1] + 1 < end


def _divergence(r: Reader, start: int, end: int) -> tuple[int, int] | None:
    r"""Return where the one `\|` or `||` between two arguments begins and ends, if it is there."""
    found: list[tuple[int, int]] = []
    place = start
    while place < end:
        token = r.tokens[place]
        double = token.kind == "bar" and token.text == "|" and _is_bar(r, place + 1, glued=True)
        if double or (token.kind == "bar" and token.text != "|") or token.text == "parallel":
            found.append((place, place + 1 + double))
        elif token.kind == "bar" or token.is_sign(",;"):
            return None
        place = r.skip(place) + double
    alone = len(found) == 1 and start < found[0][0] and found[0][1] < end
    return found[0] if alone else None


def _such_that(r: Reader, opening: int, close: int) -> bool:
    """Whether a set is given by a condition behind a colon."""
    place = opening + 1
    while place < close:
        if r.tokens[place].is_sign(":"):
            return True
        place = r.skip(place)
    return False


def _half(r: Reader, opening: int, close: int) -> Expr:
    r"""`\left. ... \right|`, `\left\{ ... \right.`: one side prints nothing."""
    first, last = r.tokens[opening], r.tokens[close]
    span = (first.start, last.end)
    if first.text == "\\{":
        value = bracketed(r, opening + 1, close, span, cases=True)
        if value is not None:
            return value
    if first.text == last.text:
        value = r.inside(opening + 1, close, everything)
        if not isinstance(value, Sum | Negative | Relation | Tuple):
            return value
    why = "a value at a place" if last.text == "|" else "a bracket on one side only"
    return Unsupported(written(last if first.text == "." else first), why, span=span)


def _bars(r: Reader, token: Token) -> Expr:
    """Absolute values and norms written with bars."""
    double = token.text == "|" and _is_bar(r, r.at + 1, glued=True)
    start = r.at + 1 + double
    place = start
    while place < r.end:
        other = r.tokens[place]
        if other.kind == "bar" and other.text == token.text:
            if not double or _is_bar(r, place + 1, glued=True):
                break
        place = r.skip(place)
    r.take()
    behind = r.tokens[r.at] if r.at < r.end else None
    if behind is not None and behind.kind == "_":
        return r.unsupported(token, "a value at a place")
    if place >= r.end or place == start:
        return r.unsupported(token, "a bar without its other one")
    value = r.inside(start, place, everything)
    r.at = place + 1 + double
    kind = "\\lVert" if double else token.text
    return Group(value, kind, span=(token.start, r.last()))


def _is_bar(r: Reader, place: int, *, glued: bool) -> bool:
    if place >= r.end:
        return False
    token = r.tokens[place]
    return token.kind == "bar" and token.text == "|" and token.glued == glued
