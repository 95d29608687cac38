r"""A row to what it states: its relations, and the remarks between and beside them."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from softxent.derive.parse.grammar import divided, everything
from softxent.derive.parse.language import reader
from softxent.derive.parse.reader import Reader
from softxent.derive.parse.rows import Line
from softxent.derive.parse.tokens import Token
from softxent.derive.parse.words import is_symbol, role
from softxent.derive.trees import (
    Ellipsis,
    Expr,
    Group,
    Link,
    Number,
    Opaque,
    Relation,
    Remark,
    Row,
    Symbol,
    Tuple,
)


def row(tex: str, line: Line) -> Row | None:
    """Read a line; None if nothing stands in it."""
    said = _Statements(reader(tex, line.main))
    said.read()
    remarks = list(said.remarks)
    for tokens in line.remarks:
        remarks.append(_remark(reader(tex, tokens), [(0, len(tokens))]))
    remarks.extend(said.r.remarks)
    remarks = [one for one in remarks if one.text or one.formulas]
    relations = tuple(_stated(one) for one in said.found if one != Tuple(()))
    if not relations and not remarks:
        return None
    tokens = line.main + [token for one in line.remarks for token in one]
    spans = [(token.start, token.end) for token in tokens]
    spans += [one.span for one in relations]
    spans += [one.span for one in remarks]
    span = (min(start for start, _ in spans), max(end for _, end in spans))
    return Row(relations, tuple(remarks), span, line.boxed)


@dataclass
class _Statements:
    """Goes through a row from left to right.

    found: what is stated; whole: whether the last of it is finished. buffer: the pieces of the
    remark that is open; leading: it began the row, and ends at the first gap or comma behind a
    formula.
    """

    r: Reader
    found: list[Expr] = field(default_factory=list)
    remarks: list[Remark] = field(default_factory=list)
    whole: bool = True
    buffer: list[tuple[int, int]] | None = None
    leading: bool = False

    def read(self) -> None:
        """Read all of the row."""
        r = self.r
        place = self.start()
        first, sign = place, ""
        while place < r.end:
            token = r.tokens[place]
            what = self.kind(place, first)
            if not what:
                place = r.skip(place)
                continue
            self.formula(first, place, sign)
            if what == "words":
                self.words(place, token)
                sign = ""
            elif what == "because":
                self.open(place, leading=token.text == "forall" and not self.found)
                sign = ""
            elif what == "therefore":
                self.shut()
                self.whole, sign = True, ""
            else:
                sign = what if sign in ("", "quad") else sign
                self.gap(place)
            place += 1
            first = place
        self.formula(first, r.end, sign)
        self.shut()

    def start(self) -> int:
        r"""Return where the row begins: behind a `\Rightarrow` that only says "thus"."""
        r = self.r
        if r.end and r.tokens[0].kind == "relation" and r.tokens[0].text in ("implies", "iff"):
            place = 1
            while place < r.end:
                if r.tokens[place].kind == "relation":
                    return 1
                place = r.skip(place)
        return 0

    def kind(self, place: int, first: int) -> str:
        """Return what a token divides the row as, "" if it is part of a formula."""
        r = self.r
        token = r.tokens[place]
        before = r.tokens[place - 1] if place > first else None
        behind = r.tokens[place + 1] if place + 1 < r.end else None
        if token.kind == "text":
            script = before is not None and before.kind in ("_", "^")
            return "" if script or is_symbol(token, before, behind) else "words"
        if token.kind == "command" and token.text in ("because", "forall", "therefore"):
            return "therefore" if token.text == "therefore" else "because"
        if token.kind == "sign" and token.text in ",;:":
            return token.text
        if token.is_sign("."):
            number = behind is not None and behind.kind == "digit" and behind.glued
            return "" if number else "."
        if token.kind == "quad":
            inside = before is not None and behind is not None
            if token.text == "thick" and not self.between(first, place):
                return ""
            if not inside or _binds(before) or _binds(behind):
                return "" if inside else "quad"
            return "quad"
        return ""

    def between(self, first: int, place: int) -> bool:
        """Whether a statement stands before a gap and another one behind it."""
        r, behind = self.r, place + 1
        last = min(r.end, place + 100)
        while behind < last and r.tokens[behind].kind not in ("relation", "text", "quad"):
            if r.tokens[behind].is_sign(",;:"):
                return False
            behind = r.skip(behind)
        related = behind < last and r.tokens[behind].kind == "relation"
        return related and _has_relation(r, first, place)

    # ------------------------------------------------------------------ remarks
    def words(self, place: int, token: Token) -> None:
        """Words: they begin a remark, end one, or are one."""
        first = not self.found and self.buffer is None
        what = role(token.text, first=first)
        if what == "reason" or (what == "and" and self.buffer is not None):
            self.open(place, leading=first)
            return
        self.shut()
        self.whole = True
        self.remarks.append(_remark(self.r, [(place, place + 1)]))

    def open(self, place: int, *, leading: bool = False) -> None:
        """Begin a remark, or go on with the one that is open."""
        if self.buffer is None:
            self.buffer, self.leading = [], leading
        self.buffer.append((place, place + 1))

    def gap(self, place: int) -> None:
        """A comma or a gap: it may end a remark."""
        if self.buffer is not None and self.leading and len(self.buffer) > 1:
            quantified = self.r.tokens[self.buffer[0][0]].text == "forall"
            if quantified and self.quantifies(place + 1):
                self.buffer.append((place, place + 1))
            else:
                self.shut()
        elif self.buffer is not None:
            self.buffer.append((place, place + 1))

    def quantifies(self, place: int) -> bool:
        r"""Whether one more letter follows, as behind the comma of `\forall i, j \in N: ..`."""
        r, relation = self.r, ""
        while place < r.end:
            token = r.tokens[place]
            if token.is_sign(",;:") or (token.kind == "quad" and token.text != "thick"):
                return relation in ("", "in")
            if token.kind == "relation":
                relation = token.text
            place = r.skip(place)
        return False

    def shut(self) -> None:
        """End the remark that is open."""
        if self.buffer is not None:
            self.remarks.append(_remark(self.r, self.buffer))
            self.buffer = None
            self.whole = True

    # ------------------------------------------------------------------ statements
    def formula(self, start: int, end: int, sign: str) -> None:
        """A formula between two dividing tokens; sign: what stands before it."""
        r = self.r
        while start < end and r.tokens[start].kind == "quad":
            start += 1
        while end > start and r.tokens[end - 1].kind == "quad":
            end -= 1
        if start >= end:
            return
        if self.buffer is not None:
            self.buffer.append((start, end))
            return
        aside = self.aside(start, end, sign)
        if aside < end:
            worded = aside + 2 < end and r.tokens[aside + 1].kind == "text"
            self.remarks.append(_remark(r, [(aside + worded, end - worded)]))
            end = aside
        if start >= end:
            return
        token = r.tokens[start]
        if token.kind == "relation" and start + 1 == end:  # "the sign =" in a text
            value: Expr = Opaque(r.source(start, end), span=(token.start, token.end))
        else:
            value = r.inside(start, end, divided)
        self.say(value, sign)

    def aside(self, start: int, end: int, sign: str) -> int:
        """Return where a condition in brackets begins, `(j = k)` at the end of a formula."""
        r = self.r
        place = last = start
        while place < end:
            last, place = place, r.skip(place)
        token = r.tokens[last]
        if token.kind not in ("open", "left") or token.text not in ("(", "["):
            return end
        if r.close[last] != end - 1:
            return end
        inner = range(last + 1, end - 1)
        if inner and r.tokens[inner[0]].text == "because":
            return last
        if inner and r.tokens[inner[0]].kind == "text":
            return end if last > start and self.multiplies(last, end) else last
        if last == start:  # behind a gap: a condition, or the number of an equation
            number = all(r.tokens[i].kind == "digit" for i in inner)
            related = _has_relation(r, last + 1, end - 1)
            return last if sign == "quad" and self.found and (number or related) else end
        apart = token.gap or r.tokens[last - 1].kind in ("close", "right")
        return last if apart and _has_relation(r, last + 1, end - 1) else end

    def multiplies(self, opening: int, end: int) -> bool:
        r"""Whether a bracket is a factor: `a (\text{diag}(p) - b)`, not `a (\text{if } ..)`."""
        r = self.r
        word, behind = r.tokens[opening + 1], r.tokens[opening + 2]
        if opening + 2 == end - 1:  # one word alone: an argument, or a remark apart
            apart = not r.tokens[opening].glued or r.tokens[opening].gap
            return not apart and is_symbol(word, r.tokens[opening], None)
        added = behind.is_sign("+-*/") and role(word.text, first=True) == "label"
        named = is_symbol(word, r.tokens[opening], behind)
        return added or (named and not behind.is_sign(",;:"))

    def say(self, value: Expr, sign: str) -> None:
        """One more statement, or one more item of the last."""
        last = self.found[-1] if self.found and not self.whole else None
        self.whole = False
        if last is not None and sign == ":" and _is_map(last, value):
            span = (last.span[0], value.span[1])
            self.found[-1] = Opaque(self.r.tex[span[0] : span[1]], span=span)
            return
        if last is None or sign != ",":
            self.found.append(value)
        elif isinstance(last, Relation) and last.links:
            if isinstance(value, Relation):
                self.found.append(value)
            else:
                self.found[-1] = _listed(last, value)
        elif isinstance(value, Relation) and value.first is not None:
            if _alike(last, value.first):
                span = (last.span[0], value.first.span[1])
                items = Tuple((*_items(last), value.first), span=span)
                self.found[-1] = Relation(items, value.links, span=(span[0], value.span[1]))
            else:
                self.found.append(value)
        else:
            span = (last.span[0], value.span[1])
            self.found[-1] = Tuple((*_items(last), value), span=span)


def _binds(token: Token | None) -> bool:
    """Whether a token cannot end or begin a statement."""
    return token is not None and (
        token.kind == "relation"
        or token.is_sign("+-*/")
        or (token.kind == "command" and token.text in ("cdot", "times", "odot", "circ"))
    )


def _has_relation(r: Reader, start: int, end: int) -> bool:
    while start < end:
        if r.tokens[start].kind == "relation":
            return True
        start = r.skip(start)
    return False


def _items(value: Expr) -> tuple[Expr, ...]:
    return value.items if isinstance(value, Tuple) else (value,)


def _is_map(last: Expr, value: Expr) -> bool:
    r"""Whether `f: \mathbb{R}^n \to \mathbb{R}` says from where to where f goes."""
    if isinstance(last, Relation) or not isinstance(value, Relation):
        return False
    return value.first is not None and {link.relation for link in value.links} == {"to"}


def _alike(last: Expr, first: Expr) -> bool:
    """Whether `j, k \\in N` or `y_1, y_2 > 0` lists what stands on the left."""
    items = [item for item in _items(last) if not isinstance(item, Ellipsis)]
    if not isinstance(first, Symbol) or not all(isinstance(item, Symbol) for item in items):
        return False
    if not first.subs:
        return not any(item.subs for item in items if isinstance(item, Symbol))
    return all(isinstance(item, Symbol) and item.name == first.name for item in items)


def _listed(last: Relation, value: Expr) -> Relation:
    """Add an item to the right side of a relation: `i = 1, 2, \\ldots, n`."""
    link = last.links[-1]
    items = Tuple((*_items(link.right), value), span=(link.right.span[0], value.span[1]))
    more = Link(link.relation, items, span=link.span)
    span = (last.span[0], value.span[1])
    return Relation(last.first, (*last.links[:-1], more), span=span)


def _stated(value: Expr) -> Relation:
    return value if isinstance(value, Relation) else Relation(value, (), span=value.span)


# ---------------------------------------------------------------------- remarks
def _remark(r: Reader, pieces: list[tuple[int, int]]) -> Remark:
    """Make a remark of some tokens, with the formulas in it."""
    parts: list[str] = []
    formulas: list[Relation] = []
    behind = -1
    for start, end in pieces:
        place = start
        while place < end:
            token = r.tokens[place]
            stop = place + 1
            if token.kind == "text":
                parts.append(token.text)
            elif token.text == "forall":
                parts.append("for all")
            elif token.text not in ("because", "therefore") and token.kind not in ("quad", "dots"):
                stop = _behind_formula(r, place, end)
                parts.append(r.source(place, stop))
                formulas.extend(_mined(r, place, stop))
            behind, place = stop, stop
    tokens = [token for start, end in pieces for token in r.tokens[start:end]]
    span = (tokens[0].start, tokens[-1].end) if behind >= 0 else (0, 0)
    text = re.sub(r" ([,;:.])", r"\1", " ".join(" ".join(parts).split())).strip(" ,;.")
    return Remark(text, span, tuple(formulas))


def _behind_formula(r: Reader, place: int, end: int) -> int:
    while place < end and r.tokens[place].kind not in ("text", "quad"):
        place = r.skip(place)
    return min(place, end)


def _mined(r: Reader, start: int, end: int) -> list[Relation]:
    while end > start and r.tokens[end - 1].is_sign(".,;:"):
        end -= 1
    while start < end and r.tokens[start].is_sign(".,;:"):
        start += 1
    if start >= end:
        return []
    value = r.inside(start, end, everything)
    while isinstance(value, Group) and isinstance(value.of, Relation | Group):
        value = value.of
    items = value.items if isinstance(value, Tuple) else (value,)
    if not any(isinstance(item, Relation) for item in items):
        items = (value,)
    return [
        _stated(item)
        for item in items
        if item != Tuple(()) and not (isinstance(item, Group) and isinstance(item.of, Number))
    ]
