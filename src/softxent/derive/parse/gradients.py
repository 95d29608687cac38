r"""Gradients: `\nabla_z C`.

It takes one factor, as `\nabla_z C\, x^\top` is the gradient times a row; of a product whose first
factor has no gradient of its own, `\nabla_x x^\top A x`, it takes all.
"""

from __future__ import annotations

from softxent.derive.parse.grammar import factor, juxtaposed, printed
from softxent.derive.parse.reader import Reader
from softxent.derive.parse.subscripts import indices
from softxent.derive.parse.tokens import Token
from softxent.derive.trees import (
    Expr,
    Gradient,
    Number,
    Product,
    Quotient,
    Symbol,
    Transpose,
    Tuple,
    Unsupported,
)

_BEGIN = frozenset("letter word text command open left { digit dots bar begin".split())


def nabla(r: Reader, token: Token) -> Expr:
    r"""Read `\nabla_z C`: it takes one factor, and of `\nabla_x x^\top A x` the whole product."""
    by: Expr | None = None
    if r.sees("_"):
        r.take()
        start, end = r.at, min(r.skip(r.at), r.end)
        r.at = end
        braces = start < end and r.tokens[start].kind == "{"
        found = indices(r, start + braces, end - braces)
        by = (found[0] if len(found) == 1 else Tuple(found)) if found else None
    if r.sees("^"):
        return r.unsupported(token, "a power of it")
    behind = r.peek()
    of = None
    if behind is not None and _begins(behind):
        of = printed(r, factor(r))
        if r.braced and isinstance(of, Product):
            of = Unsupported("{", "braces, which print nothing", span=of.span)
        if isinstance(by, Symbol) and _is_begun(of) and _stands(r, by.name):
            of = _product(r, of)
    return Gradient(of, by, span=(token.start, r.last()))


def _is_begun(of: Expr) -> bool:
    """Whether a factor has no gradient of its own: a number, a row, a bold letter."""
    if isinstance(of, Symbol):
        return "mathbf" in of.accents
    return isinstance(of, Number | Transpose | Quotient)


def _stands(r: Reader, name: str) -> bool:
    """Whether a letter stands in what follows of a product."""
    place = r.at
    while place < min(r.end, r.at + 40):
        token = r.tokens[place]
        if token.kind in ("relation", "quad") or token.is_sign("+-,;") or token.text == "odot":
            return False
        stop = r.skip(place)
        if any(one.text == name for one in r.tokens[place:stop]):
            return True
        place = stop
    return False


def _product(r: Reader, first: Expr) -> Expr:
    """Read the factors that follow the first of a product."""
    token = r.peek()
    if token is not None and token.text in ("cdot", "times"):
        r.take()
    rest = juxtaposed(r)
    more = rest.factors if isinstance(rest, Product) else (rest,)
    return Product((first, *more), span=(first.span[0], max(first.span[1], rest.span[1])))


def _begins(token: Token) -> bool:
    """Whether a token can begin what an operator acts on."""
    if token.text in ("cdot", "times", "odot", "circ", "ast"):
        return False
    return token.kind in _BEGIN
