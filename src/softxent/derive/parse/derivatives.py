r"""Fractions, and the derivatives that are written as fractions.

A fraction is a Derivative if a \partial (or d) begins its numerator and its denominator; a \partial
anywhere else becomes Unsupported: what is meant there is not guessed.
"""

from __future__ import annotations

from softxent.derive.parse import names
from softxent.derive.parse.grammar import (
    argument,
    divided,
    everything,
    factor,
    juxtaposed,
    printed,
    term,
)
from softxent.derive.parse.reader import Reader
from softxent.derive.parse.subscripts import indices
from softxent.derive.parse.tokens import Token
from softxent.derive.trees import (
    Call,
    Derivative,
    Expr,
    Negative,
    Number,
    Power,
    Quotient,
    Relation,
    Span,
    Sum,
    Symbol,
    Tuple,
    Unsupported,
)

Range = tuple[int, int]


def fraction(r: Reader, token: Token) -> Expr:
    r"""Read `\frac` behind its name."""
    above, below = _piece(r), _piece(r)
    span = (token.start, r.last())
    if above is None or below is None:
        return r.unsupported(token, "lacks a part")
    if isinstance(above, tuple) and isinstance(below, tuple):
        return quotient(r, above, below, span)
    upper = r.inside(*above, divided) if isinstance(above, tuple) else above
    lower = r.inside(*below, divided) if isinstance(below, tuple) else below
    return _divided(r, upper, lower, span)


def over(r: Reader, token: Token) -> Expr:
    r"""Read a group that `\over` divides; the reader stands at its start."""
    start, end, place = r.at, r.end, r.at
    while r.tokens[place] is not token:
        place = r.skip(place)
    r.at = end
    span = (r.tokens[start].start, r.tokens[end - 1].end)
    if token.text == "atop":
        return r.unsupported(token)
    if token.text == "choose":
        above = r.inside(start, place, everything)
        below = r.inside(place + 1, end, everything)
        if above == Tuple(()) or below == Tuple(()):
            return Unsupported(r"\choose", "an empty part", span=span)
        return Call("binom", Tuple((above, below), span=span), span=span)
    value = quotient(r, (start, place), (place + 1, end), span)
    if isinstance(value, Quotient) and isinstance(value.above, Relation):
        return Unsupported(r"\over", "divides a relation", span=span)
    return value


def quotient(r: Reader, above: Range, below: Range, span: Span) -> Expr:
    """Make the node of a fraction: a Derivative if it is written like one."""
    sign = _differential(r, *below)
    if sign and sign == _differential(r, *above, alone=True):
        return _derivative(r, above, below, span, sign)
    if (
        sign
        and r.tokens[above[0]].is_sign("-")
        and sign == _differential(r, above[0] + 1, above[1])
    ):
        value = _derivative(r, (above[0] + 1, above[1]), below, span, sign)
        return value if isinstance(value, Unsupported) else Negative(value, span=value.span)
    upper, lower = r.inside(*above, divided), r.inside(*below, divided)
    return _divided(r, upper, lower, span)


def _divided(r: Reader, upper: Expr, lower: Expr, span: Span) -> Expr:
    if Tuple(()) in (upper, lower):
        return Unsupported(r.tex[span[0] : span[1]][:20], "an empty part", span=span)
    return Quotient(upper, lower, span=span)


def partial(r: Reader, token: Token) -> Expr:
    r"""Read `\partial` outside a fraction: `\partial_z^2 f`, `\partial C / \partial z_i`."""
    if r.sees("_"):
        r.take()
        start = r.at
        end = r.skip(start)
        r.at = min(end, r.end)
        braces = start < r.end and r.tokens[start].kind == "{"
        by = indices(r, start + braces, r.at - braces)
        if r.sees("^"):
            r.take()
            order = argument(r)
            if len(by) != 1 or not (isinstance(order, Number) and order.value in (1, 2, 3, 4)):
                return r.unsupported(token, "how often is not said")
            by *= int(order.value)
        if not by or r.sees("_"):
            return r.unsupported(token, "by what is not said")
        of = scope(r)
        return Derivative(of, by, operator=True, span=(token.start, r.last()))
    value = _on_one_line(r, r.at - 1)
    if value is not None:
        return value
    return r.unsupported(token, "is part of no fraction")


def inline(r: Reader) -> Expr | None:
    """Read `dC/dz`, where the reader stands at a d; None if it is a letter like others."""
    behind = r.tokens[r.at + 1] if r.at + 1 < r.end else None
    if behind is None or not (behind.glued or behind.is_sign("/") or behind.kind == "^"):
        return None
    return _on_one_line(r, r.at)


def scope(r: Reader, *, whole: bool = False) -> Expr | None:
    r"""Read what an operator acts on, to the next + or - of its depth; None if nothing is there.

    A sign right behind the operator belongs to it. whole: `\odot` does not end it.
    """
    signs = []
    while (token := r.peek()) is not None and token.is_sign("+-"):
        signs.append(r.take())
    before = r.at
    value = term(r) if whole else juxtaposed(r)
    if value == Tuple(()) and r.at == before:
        if not signs:
            return None
        value = r.unsupported(signs[-1], "nothing stands behind it")
    if signs or isinstance(value, Tuple | Relation):
        value = printed(r, value)
    for sign in reversed(signs[-20:]):
        if sign.text == "-":
            value = Negative(value, span=(sign.start, value.span[1]))
    return value


# ---------------------------------------------------------------------- the parts
def _piece(r: Reader) -> Range | Expr | None:
    """Return the tokens of an argument of TeX, or the tree where it is no group."""
    token = r.peek()
    if token is None or token.kind in ("}", "close", "right", "^", "_") or token.is_sign("&"):
        return None
    start = r.at
    if token.kind == "{" and 0 <= r.close[start] < r.end:
        r.at = r.close[start] + 1
        return start + 1, r.at - 1
    if token.kind in ("letter", "digit", "word", "text"):
        r.at += 1
        return start, r.at
    return argument(r)


def _differential(r: Reader, start: int, end: int, *, alone: bool = False) -> str:
    r"""Return "partial", "d" or "delta" if that begins these tokens, "" otherwise.

    alone: a delta may stand there without anything behind it, or with an order.
    """
    if start >= end:
        return ""
    if r.tokens[start].kind == "{" and r.close[start] == end - 1:
        return _differential(r, start + 1, end - 1, alone=alone) if r.depth < 40 else ""
    token = r.tokens[start]
    if token.kind == "command" and token.text == "partial":
        return "partial"
    behind = r.tokens[start + 1] if start + 1 < end else None
    if token.kind == "command" and token.text == "delta":
        if behind is None or behind.kind == "^":
            return "delta" if alone else ""
        return "delta" if behind.kind in ("letter", "word", "{") or _is_letter(behind) else ""
    if token.kind == "letter" and token.text == "d":
        if start + 1 < end and r.tokens[start + 1].kind in ("_", "prime"):
            return ""
        return "d"
    return ""


def _is_letter(token: Token) -> bool:
    return token.kind == "command" and (
        token.text in names.LETTERS or token.text in names.ACCENTS or token.text in names.FONTS
    )


def _derivative(r: Reader, above: Range, below: Range, span: Span, sign: str) -> Expr:
    total = sign == "d"

    def bad(why: str) -> Expr:
        return Unsupported("d" if total else r"\partial", why, span=span)

    above, below = _stripped(r, above), _stripped(r, below)
    if total and below[0] + 1 >= below[1]:  # a quotient by a letter d
        return Quotient(r.inside(*above, everything), r.inside(*below, everything), span=span)
    start, order = above[0] + 1, 1
    if start < above[1] and r.tokens[start].kind == "^":
        found = _order(r, start + 1)
        if found is None:
            return bad("of an order that is no number")
        order, start = found
    if any(_is_sign(r, place, sign) for place in _top(r, start, above[1])):
        if not total:
            return bad("more than one in a numerator")
    by = _by(r, below, sign, order)
    if by is None:
        return bad("the orders above and below differ, or by what is unclear")
    of = r.inside(start, above[1], divided) if start < above[1] else None
    if of == Tuple(()):
        of = None
    if isinstance(of, Relation | Sum):
        return bad("more than a product in its numerator")
    if of is not None:
        return Derivative(of, by, total, span=span)
    of = scope(r)
    end = max(span[1], r.last())
    return Derivative(of, by, total, operator=True, span=(span[0], end))


def _stripped(r: Reader, piece: Range) -> Range:
    start, end = piece
    while start < end and r.tokens[start].kind == "{" and r.close[start] == end - 1:
        start, end = start + 1, end - 1
    return start, end


def _top(r: Reader, start: int, end: int) -> list[int]:
    places = []
    while start < end:
        places.append(start)
        start = r.skip(start)
    return places


def _is_sign(r: Reader, place: int, sign: str) -> bool:
    token = r.tokens[place]
    return token.text == sign and token.kind == ("letter" if sign == "d" else "command")


def _order(r: Reader, place: int) -> tuple[int, int] | None:
    """Return the order of a derivative, and the place behind it."""
    end = r.skip(place) if place < r.end else place
    digits = [t for t in r.tokens[place:end] if t.kind not in "{}"]
    if len(digits) != 1 or digits[0].kind != "digit" or not 0 < int(digits[0].text) < 10:
        return None
    return int(digits[0].text), end


def _by(r: Reader, below: Range, sign: str, order: int) -> tuple[Expr, ...] | None:
    """Read the denominator of a derivative: a variable for each of its orders."""
    found: list[Expr] = []
    kept = (r.at, r.end, r.bar)
    r.at, r.end, r.bar = *below, ""
    try:
        while r.peek() is not None:
            if not _is_sign(r, r.at, sign):
                return None
            r.take()
            if r.peek() is None or r.sees("^"):
                return None
            found.append(_word(r) or factor(r))
    finally:
        r.at, r.end, r.bar = kept
    by: list[Expr] = []
    for one in found:
        power = one.exponent if isinstance(one, Power) else None
        if order > len(found) and isinstance(one, Power) and isinstance(power, Number):
            if power.value.denominator != 1 or not 0 < power.value < 10:
                return None
            by.extend([one.base] * int(power.value))
        else:
            by.append(one)
    return tuple(by) if len(by) == order else None


def _word(r: Reader) -> Expr | None:
    r"""Read a run of letters behind a \partial, `\partial net_{o1}`: it is one name."""
    place = r.at
    while place < r.end and r.tokens[place].kind == "letter":
        if place > r.at and (not r.tokens[place].glued or r.tokens[place].text == "d"):
            break
        place += 1
    if place - r.at < 3 or (place < r.end and r.tokens[place].kind not in "_^"):
        return None
    name = "".join(token.text for token in r.tokens[r.at : place])
    span = (r.tokens[r.at].start, r.tokens[place - 1].end)
    r.at = place
    return r.scripted(r, Symbol(name, span=span), False)


# ---------------------------------------------------------------------- on one line
def _on_one_line(r: Reader, start: int) -> Expr | None:
    r"""Read `\partial C / \partial z` from its first sign on; None if it is none."""
    sign = "d" if r.tokens[start].kind == "letter" else "partial"
    place = start + 1
    if place < r.end and r.tokens[place].kind == "^":
        place = r.skip(place + 1) if place + 1 < r.end else r.end
    place = _behind_factor(r, place)
    slash = place
    if slash + 1 >= r.end or not r.tokens[slash].is_sign("/"):
        return None
    place = slash + 1
    if r.tokens[place].kind in ("open", "{") and r.close[place] > 0:
        close = r.close[place]
        if close < r.end and _is_sign(r, place + 1, sign):
            below, place = (place + 1, close), close + 1
            r.at = place
            span = (r.tokens[start].start, r.last())
            return _derivative(r, (start, slash), below, span, sign)
        return None
    while place < r.end and _is_sign(r, place, sign) and place + 1 < r.end:
        if place > slash + 1 and sign == "d" and not r.tokens[place].glued:
            break
        place = _behind_factor(r, place + 1, one=sign == "d")
    if place == slash + 1:
        return None
    r.at = place
    span = (r.tokens[start].start, r.last())
    return _derivative(r, (start, slash), (slash + 1, place), span, sign)


def _behind_factor(r: Reader, place: int, *, one: bool = False) -> int:
    """Return the place behind a factor, found without reading it."""
    while place < r.end and r.tokens[place].kind == "command":
        text = r.tokens[place].text
        if text in names.LETTERS:
            break
        if text not in names.ACCENTS and text not in names.FONTS and text not in names.FUNCTIONS:
            return place
        place += 1
    if place >= r.end or r.tokens[place].is_sign("/"):
        return place
    letters = 20 if r.tokens[place].kind == "letter" and not one else 0
    place = r.skip(place)
    while letters and place < r.end and r.tokens[place].kind == "letter":
        if not r.tokens[place].glued:
            break
        place, letters = place + 1, letters - 1
    while place < r.end:
        token = r.tokens[place]
        if token.kind in "_^" and place + 1 < r.end:
            place = r.skip(place + 1)
        elif token.kind == "prime":
            place += 1
        elif token.kind == "open" and token.glued and token.text == "(" and r.close[place] > 0:
            place = r.skip(place)
        else:
            break
    return min(place, r.end)
