r"""Big operators, `\sum_{j \neq i}^n`, and what they run over."""

from __future__ import annotations

from softxent.derive.parse import names
from softxent.derive.parse.brackets import conditional
from softxent.derive.parse.derivatives import scope
from softxent.derive.parse.grammar import everything
from softxent.derive.parse.reader import Reader
from softxent.derive.parse.subscripts import indices
from softxent.derive.parse.tokens import Token
from softxent.derive.trees import (
    Big,
    Ellipsis,
    Expr,
    Group,
    Opaque,
    Over,
    Product,
    Relation,
    Symbol,
    Tuple,
    Unsupported,
)


def big(r: Reader, token: Token) -> Expr:
    r"""Read `\sum`, `\prod`, `\max`... behind its name."""
    name = names.BIG[token.text]
    return with_bounds(r, token, name, None)


def arg(r: Reader, token: Token) -> Expr:
    r"""Read `\arg\max`."""
    if r.sees("command", "max") or r.sees("command", "min"):
        return with_bounds(r, token, "arg" + r.take().text, None)
    return r.unsupported(token, "not followed by max or min")


def underset(r: Reader, token: Token) -> Expr:
    r"""Read `\underset{j}{\max}`: the bounds of an operator; a note under anything else."""
    start, end = r.at, r.skip(r.at)
    if not r.sees("{") or end >= r.end:
        return r.unsupported(token, "lacks a part")
    r.at = end
    inner = r.at
    while inner < r.end and r.tokens[inner].kind == "{":
        inner += 1
    operator = r.tokens[inner] if inner < r.end else None
    name = names.BIG.get(operator.text, "") if operator is not None else ""
    if operator is not None and operator.text == "arg" and inner + 1 < r.end:
        name = "arg" + r.tokens[inner + 1].text
    if operator is None or name not in names.BIG.values():
        r.at = start
        return r.commands["overset"](r, token)  # sizes, as `\underset{n \times m}{X}`
    r.at = r.skip(r.at)
    return with_bounds(r, token, name, (start + 1, end - 1))


def expectation(r: Reader, token: Token, value: Symbol) -> Expr:
    r"""Read what stands behind `\mathbb{E}`, if it is an operator there."""
    if not (r.sees("_") or r.sees("open") or r.sees("left")):
        return value
    return with_bounds(r, token, "E", None)


def with_bounds(r: Reader, token: Token, name: str, lower: tuple[int, int] | None) -> Expr:
    """Read the bounds of an operator and what it acts on; lower: those read before it."""
    begin = r.last() if lower is None else r.tokens[lower[0] - 1].start
    upper: tuple[int, int] | None = None
    while (script := r.peek()) is not None and script.kind in ("_", "^"):
        r.take()
        piece = _script(r)
        if piece is None or (lower if script.kind == "_" else upper) is not None:
            return r.unsupported(script, "a bound that is not understood")
        if script.kind == "_":
            lower = piece
        else:
            upper = piece
    over = _over(r, lower, upper, (begin, r.last()))
    behind = r.peek()
    bracket = behind is not None and behind.kind in ("open", "left")
    if name in names.BRACKETED_BIG and bracket and 0 <= r.close[r.at] < r.end:
        if name == "E" or over == Over() or _lists(r):
            return _bracketed(r, token, name, over)
    of = scope(r, whole=True)
    if of is None:
        of = Tuple((), span=(r.last(), r.last()))
    return Big(name, over, of, span=(token.start, r.last()))


def _lists(r: Reader) -> bool:
    """Whether the bracket that follows has a comma in it: max_j(a_j, b)."""
    place, close = r.at + 1, r.close[r.at]
    while place < close:
        if r.tokens[place].is_sign(",;"):
            return True
        place = r.skip(place)
    return False


def _bracketed(r: Reader, token: Token, name: str, over: Over) -> Expr:
    opening, close = r.at, r.close[r.at]
    of = r.inside(opening + 1, close, everything)
    if name == "E" and conditional(r, opening + 1, close):
        place = (r.tokens[opening + 1].start, r.tokens[close - 1].end)
        of = Opaque(r.source(opening + 1, close), span=place)
    r.at = close + 1
    if name == "E" and of == Tuple(()):
        return r.unsupported(token, "an expectation of nothing")
    if not isinstance(of, Tuple):
        kind = r.tokens[opening].text
        of = Group(of, kind, span=(r.tokens[opening].start, r.tokens[close].end))
    return Big(name, over, of, span=(token.start, r.last()))


def _script(r: Reader) -> tuple[int, int] | None:
    token = r.peek()
    if token is None:
        return None
    start = r.at
    if token.kind == "{":
        if not 0 <= r.close[start] < r.end:
            return None
        r.at = r.close[start] + 1
        return start + 1, r.at - 1
    if token.kind in ("letter", "digit", "word", "text", "command"):
        r.at += 1
        return start, r.at
    return None


def _over(
    r: Reader, lower: tuple[int, int] | None, upper: tuple[int, int] | None, span: tuple[int, int]
) -> Over:
    top = r.inside(*upper, everything) if upper is not None and upper[0] < upper[1] else None
    if lower is None or lower[0] >= lower[1]:
        return Over(upper=top, span=span)
    start, end = lower
    if r.tokens[start].text == "forall" and start + 1 < end:
        start += 1
    if _stacked(r, start):
        start, end = start + 2, r.close[start + 1]
    items = _items(r, start, end)
    related = [item for item in items if isinstance(item, Relation)]
    if not related:
        found = items
        if all(isinstance(item, Symbol) for item in found):
            return Over(tuple(i for i in found if isinstance(i, Symbol)), "", None, top, span=span)
        return Over((), "in", items[0] if len(items) == 1 else Tuple(items), top, span=span)
    if len(related) == 1 and items[0] is related[0] and len(items) > 1:
        first, links = related[0].first, related[0].links
        if isinstance(first, Symbol) and len(links) == 1:
            listed = Tuple((links[0].right, *items[1:]), span=span)  # i = 1, 2, \dots; j \neq i, k
            return Over((first,), links[0].relation, listed, top, span=span)
    if len(related) == 1 and items[-1] is related[0] and len(related[0].links) == 1:
        first, link = related[0].first, related[0].links[0]
        heads = (*items[:-1], *(_several(first) if first is not None else ()))
        if heads and all(isinstance(head, Symbol) for head in heads):
            letters = tuple(head for head in heads if isinstance(head, Symbol))
            condition = len(letters) > 1 and link.relation not in ("in", "=", "sim")
            if not condition:
                return _bounded(letters, link.relation, link.right, top, span)
    return _conditions(items, related, top, span)


def _bounded(
    letters: tuple[Symbol, ...],
    relation: str,
    right: Expr,
    top: Expr | None,
    span: tuple[int, int],
) -> Over:
    """Make `k = 1`, or `k = 1 \\dots K` with both its bounds."""
    if relation == "=" and top is None and isinstance(right, Tuple | Product):
        parts = right.items if isinstance(right, Tuple) else right.factors
        if len(parts) == 3 and isinstance(parts[1], Ellipsis):
            return Over(letters, "=", parts[0], parts[2], span=span)
    return Over(letters, relation, right, top, span=span)


def _conditions(
    items: tuple[Expr, ...], related: list[Relation], top: Expr | None, span: tuple[int, int]
) -> Over:
    """Make `i, j \\neq i` and `1 \\le i < j`: letters, and conditions that have to hold."""
    letters: list[Symbol] = []
    for item in items:
        if isinstance(item, Symbol):
            letters.extend([item] if item not in letters else [])
        elif isinstance(item, Relation):
            sides = [item.first, *(link.right for link in item.links)]
            if len(item.links) > 1:  # 1 \le i < j \le n: the ones in the middle run
                sides = sides[1:-1] if not isinstance(sides[0], Symbol) else sides[:-1]
            else:
                sides = sides[:1]
            letters.extend(s for s in sides if isinstance(s, Symbol) and s not in letters)
    lower: Expr = related[0] if len(related) == 1 else Tuple(tuple(related), span=span)
    if not letters:
        lower = Unsupported("_", "runs over nothing that is a letter", span=span)
    return Over(tuple(letters), "with", lower, top, span=span)


def _items(r: Reader, start: int, end: int) -> tuple[Expr, ...]:
    r"""Read what commas, `:` and rows divide; letters side by side run each."""
    items: list[Expr] = []
    while start < end:
        stop = start
        while stop < end and not (r.tokens[stop].is_sign(",;:") or r.tokens[stop].kind == "row"):
            if r.tokens[stop].kind == "bar" or r.tokens[stop].text == "mid":
                break
            stop = r.skip(stop)
        stop = min(stop, end)
        if stop > start:
            if any(r.tokens[place].kind == "relation" for place in range(start, stop)):
                items.append(r.inside(start, stop, everything))
            else:
                items.extend(indices(r, start, stop))
        start = stop + 1
    return tuple(items)


def _several(first: Expr) -> tuple[Expr, ...]:
    """Return the letters of `(x, y) \\in D` and `ij = 1`."""
    if isinstance(first, Group):
        first = first.of
    if isinstance(first, Tuple):
        return first.items
    if isinstance(first, Product) and not first.dot:
        return first.factors
    return (first,)


def _stacked(r: Reader, start: int) -> bool:
    token = r.tokens[start]
    return (
        token.kind == "command"
        and token.text == "substack"
        and (start + 1 < r.end and r.tokens[start + 1].kind == "{" and r.close[start + 1] > 0)
    )
