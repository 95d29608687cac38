r"""Matrices written by their entries: what stands in row r and column c, by the corners.

[ y_1 (1 - y_1)  ...   - y_1 y_K   ]
[      :          .         :      ]    r = c:  y_r (1 - y_r),   else  - y_r y_c
[   - y_K y_1    ...  y_K (1 - y_K)]
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from fractions import Fraction

from softxent.derive.trees import Ellipsis, Expr, Matrix, Node, Number, Symbol
from softxent.derive.understand.ellipsis import LETTER, general, put
from softxent.derive.understand.symbols import bare, flat
from softxent.derive.understand.values import Unreadable

ROW, COLUMN = Symbol("·r"), Symbol("·c")
_LARGEST = 8


@dataclass(frozen=True, slots=True)
class Entries(Node):
    """`of` at every value of ROW and COLUMN; `diagonal`, of ROW, where both are equal."""

    rows: Expr
    columns: Expr
    of: Expr
    diagonal: Expr | None = None


def matrix_of(tree: Matrix) -> Entries:
    """Return what a matrix with dots stands for."""
    rows = [[_split(bare(entry), tree) for entry in row] for row in tree.rows]
    width = len(rows[0])
    dotted = [n for n, row in enumerate(rows) if all(isinstance(one, Ellipsis) for one in row)]
    if len(rows) > _LARGEST or width > _LARGEST or any(len(row) != width for row in rows):
        raise Unreadable("matrix", "rows that are not of one length", tree.span)
    if len(dotted) != 1 or dotted[0] != len(rows) - 2 or width < 3:
        raise Unreadable("matrix", "a matrix written by its entries", tree.span)
    corners = rows[0][0], rows[0][-1], rows[-1][0], rows[-1][-1]
    if any(isinstance(corner, Ellipsis) for corner in corners):
        raise Unreadable("matrix", "a matrix without its corners", tree.span)
    ends: list[tuple[str, Expr]] = []
    of = _merge(corners[1], corners[2], ends)
    sizes = {kind: {end for one, end in ends if one == kind} for kind in ("row", "column")}
    if of is None or any(len(one) != 1 for one in sizes.values()):
        raise Unreadable("matrix", "what the dots stand for is not clear", tree.span)
    (height,), (breadth,) = sizes["row"], sizes["column"]
    along = general(corners[0], corners[3]) if height == breadth else None
    diagonal = _put(along[0], LETTER, ROW) if along is not None else None
    found = Entries(height, breadth, of, diagonal, span=tree.span)
    if diagonal == _put(of, COLUMN, ROW):
        found = replace(found, diagonal=None)
    if not _fits(found, rows, along[1] if along is not None else 1):
        raise Unreadable("matrix", "entries that follow no rule that we see", tree.span)
    return found


def _fits(found: Entries, rows: list[list[Expr]], first: int) -> bool:
    """Whether the entries that are written, at the beginning of rows and columns, follow."""
    for n, row in enumerate(rows[:-2]):
        for m, entry in enumerate(row[:-2]):
            if isinstance(entry, Ellipsis):
                continue
            here = found.diagonal if n == m and found.diagonal is not None else found.of
            wanted = _put(_put(here, ROW, _number(first + n)), COLUMN, _number(first + m))
            if wanted != entry:
                return False
    corner = found.diagonal if found.diagonal is not None else found.of
    return _put(_put(corner, ROW, _number(first)), COLUMN, _number(first)) == rows[0][0]


def _number(value: int) -> Expr:
    return Number(Fraction(value))


def _merge(one: Expr, other: Expr, ends: list[tuple[str, Expr]]) -> Expr | None:
    """Return what the entries at the ends of the first row and of the first column are cases of."""
    if one == other:
        return one
    if isinstance(one, Number) and isinstance(other, Symbol):
        ends.append(("row", other))
        return ROW
    if isinstance(other, Number) and isinstance(one, Symbol):
        ends.append(("column", one))
        return COLUMN
    if type(one) is not type(other):
        return None
    changes: dict[str, object] = {}
    for part in fields(one):
        left, right = getattr(one, part.name), getattr(other, part.name)
        if part.name == "span" or left == right:
            continue
        if isinstance(left, Node) and isinstance(right, Node):
            merged: object = _merge(left, right, ends)  # type: ignore[arg-type]
        elif isinstance(left, tuple) and isinstance(right, tuple) and len(left) == len(right):
            items = [
                _merge(a, b, ends) if isinstance(a, Node) and isinstance(b, Node) else None  # type: ignore[arg-type]
                for a, b in zip(left, right, strict=True)
            ]
            merged = None if None in items else tuple(items)
        else:
            return None
        if merged is None:
            return None
        changes[part.name] = merged
    return replace(one, **changes)  # type: ignore[arg-type]


def _put(tree: Expr, letter: Symbol, value: Expr) -> Expr:
    return put(tree, value, letter)


def _split(tree: Expr, matrix: Matrix) -> Expr:
    """Return `a_{11}` with two subscripts where the matrix has an `a_{mn}` too."""
    two = {
        node.name
        for node in matrix.walk()
        if isinstance(node, Symbol) and len(flat(node.subs)) == 2
    }
    return _divided(tree, two) if two else tree


def _divided(tree: Expr, two: set[str]) -> Expr:
    if isinstance(tree, Symbol):
        subs = flat(tree.subs)
        if tree.name in two and len(subs) == 1 and isinstance(subs[0], Number):
            digits = str(subs[0].value)
            if len(digits) == 2 and digits.isdigit():
                return replace(tree, subs=tuple(_number(int(digit)) for digit in digits))
        return replace(tree, subs=tuple(subs)) if tree.name in two else tree
    changes: dict[str, object] = {}
    for part in fields(tree):
        value = getattr(tree, part.name)
        if isinstance(value, Node):
            changes[part.name] = _divided(value, two)  # type: ignore[arg-type]
        elif isinstance(value, tuple) and part.name != "span":
            changes[part.name] = tuple(
                _divided(item, two) if isinstance(item, Node) else item  # type: ignore[arg-type]
                for item in value
            )
    return replace(tree, **changes) if changes else tree  # type: ignore[arg-type]
