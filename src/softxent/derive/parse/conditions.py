r"""The conditions of `cases`: "if j = k", "otherwise", "1 for i = j and k = l"."""

from __future__ import annotations

from softxent.derive.parse.grammar import everything
from softxent.derive.parse.reader import Reader
from softxent.derive.trees import Expr, Group, Link, Opaque, Relation, Tuple

_ELSE = frozenset("otherwise else elsewhere default sonst sinon иначе 其他 其它 否则".split())


def value_end(r: Reader, start: int, end: int) -> int:
    """Return where a value ends in its cell: before words, a gap or a comma with a condition."""
    place = start
    while place < end:
        token = r.tokens[place]
        if token.kind == "text" and place > start:
            return place
        if token.kind == "quad" or token.is_sign(",;"):
            if token.text != "thick" or _relates(r, place + 1, end):
                return place
        place = r.skip(place)
    return end


def _relates(r: Reader, start: int, end: int) -> bool:
    return any(token.kind == "relation" for token in r.tokens[start : min(end, start + 100)])


def condition(r: Reader, cells: list[tuple[int, int]]) -> Relation | None:
    """Read the condition in some cells; None for "otherwise" and where nothing is said."""
    found: list[tuple[str, Relation]] = []
    words: list[str] = []
    start, end = 0, 0
    places: list[int] = []
    for first, last in cells:
        if first >= last:
            continue
        start, end = (start or r.tokens[first].start), r.tokens[last - 1].end
        places.extend(range(first, last))
        for expression, before in _pieces(r, first, last):
            words.extend(before.split())
            joined = "or" if words and words[-1].lower().strip(",") == "or" else "and"
            if expression is not None:
                found.append((joined, expression))
    if words and not any(one.links for _, one in found):
        plain = _plain(r, places)
        if not plain or plain.split()[0].lower().strip(",") in _ELSE:
            return None
        return Relation(Opaque(plain, span=(start, end)), (), span=(start, end))
    if not found:
        return None
    value = found[0][1]
    for joined, other in found[1:]:
        place = (other.span[0], other.span[0])
        span = (value.span[0], other.span[1])
        value = Relation(value, (Link(joined, other, span=place),), span=span)
    return value


def _plain(r: Reader, places: list[int]) -> str:
    """Return a condition that is words, "j is an output neuron", as it reads."""
    tokens = [r.tokens[place] for place in places if r.tokens[place].kind != "quad"]
    parts = [t.text.strip() if t.kind == "text" else r.tex[t.start : t.end] for t in tokens]
    return " ".join(" ".join(parts).split()).strip(" .,;:()")


def _pieces(r: Reader, start: int, end: int) -> list[tuple[Relation | None, str]]:
    """Return the formulas between the words, each with the words before it."""
    pieces: list[tuple[Relation | None, str]] = []
    before = ""
    while start < end:
        token = r.tokens[start]
        if token.kind == "text" or token.kind == "quad":
            before += " " + token.text if token.kind == "text" else ""
            start += 1
            continue
        stop = start
        while stop < end and r.tokens[stop].kind not in ("text", "quad"):
            stop = r.skip(stop)
        for one in _relations(r, start, min(stop, end)):
            pieces.append((one, before))
            before = ""
        start = stop
    if before:
        pieces.append((None, before))
    return pieces


def _relations(r: Reader, start: int, end: int) -> list[Relation]:
    while end > start and r.tokens[end - 1].is_sign(".,;:"):
        end -= 1
    while start < end and r.tokens[start].is_sign(",;:"):
        start += 1
    if start >= end:
        return []
    value: Expr = r.inside(start, end, everything)
    while isinstance(value, Group) and isinstance(value.of, Relation | Tuple | Group):
        value = value.of  # (i = j)
    items = value.items if isinstance(value, Tuple) else (value,)
    if not any(isinstance(item, Relation) for item in items):
        items = (value,)
    return [
        item if isinstance(item, Relation) else Relation(item, (), span=item.span)
        for item in items
        if item != Tuple(())
    ]
