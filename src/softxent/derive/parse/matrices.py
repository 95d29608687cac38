r"""Environments inside an expression: matrices, arrays in brackets, `cases`."""

from __future__ import annotations

from softxent.derive.parse import names
from softxent.derive.parse.conditions import condition, value_end
from softxent.derive.parse.grammar import everything
from softxent.derive.parse.reader import Reader
from softxent.derive.parse.tokens import Token
from softxent.derive.trees import Call, Cases, Expr, Matrix, Relation, Span, Tuple

Range = tuple[int, int]


def environment(r: Reader, token: Token) -> Expr:
    r"""Read from `\begin` to `\end`."""
    opening, close = r.at, r.close[r.at]
    r.take()
    if close < 0 or close >= r.end:
        return r.unsupported(token, "has no end")
    span = (token.start, r.tokens[close].end)
    if r.tokens[close].text != token.text:
        r.at = close + 1
        return r.unsupported(r.tokens[close], f"ends {token.text}").at(span)
    if token.text in names.CASES:
        r.at = close + 1
        return _cases(r, opening + 1, close, span)
    if token.text in names.MATRICES:
        r.at = close + 1
        matrix = Matrix(_cells(r, opening + 1, close), span=span)
        return Call("det", matrix, span=span) if token.text == "vmatrix" else matrix
    if token.text in names.ROW_ENVIRONMENTS:
        rows = rows_of(r, opening + 1, close)
        if len(rows) == 1:
            r.at = close + 1
            pieces = [r.inside(first, last, everything) for first, last in rows[0] if first < last]
            if len(pieces) == 1:
                return pieces[0]
    r.at = close + 1
    return r.unsupported(token, "rows inside an expression").at(span)


def bracketed(r: Reader, start: int, end: int, span: Span, *, cases: bool = False) -> Expr | None:
    r"""Read `[\begin{array}..\end{array}]` and the like; None where that is not what stands there.

    cases: it stands behind a brace that nothing closes.
    """
    if start >= end or r.tokens[start].kind != "begin" or r.close[start] != end - 1:
        return None
    kind = r.tokens[start].text
    if cases and (kind == "array" or kind in names.ROW_ENVIRONMENTS or kind == "matrix"):
        return _cases(r, start + 1, end - 1, span)
    if not cases and kind in ("array", "matrix", "smallmatrix"):
        return Matrix(_cells(r, start + 1, end - 1), span=span)
    return None


def rows_of(r: Reader, start: int, end: int) -> list[list[Range]]:
    r"""Divide tokens at `\\` and `&`; empty rows are left out."""
    rows: list[list[Range]] = [[]]
    first = place = start
    while place < end:
        token = r.tokens[place]
        if token.kind == "row" or token.is_sign("&"):
            rows[-1].append((first, place))
            first = place + 1
            if token.kind == "row":
                rows.append([])
        place = r.skip(place)
    rows[-1].append((first, end))
    return [row for row in rows if any(a < b for a, b in row)]


def _cells(r: Reader, start: int, end: int) -> tuple[tuple[Expr, ...], ...]:
    return tuple(
        tuple(r.inside(first, last, everything) for first, last in row)
        for row in rows_of(r, start, end)
    )


def _cases(r: Reader, start: int, end: int, span: Span) -> Expr:
    rows: list[tuple[Expr, Relation | None]] = []
    for row in rows_of(r, start, end):
        first, last = row[0]
        stop = value_end(r, first, last)
        where = [(stop, last), *row[1:]]
        value = r.inside(first, stop, everything)
        if isinstance(value, Tuple) and len(value.items) == 1:
            value = value.items[0]  # a comma at its end
        rows.append((value, condition(r, where)))
    return Cases(tuple(rows), span=span)
