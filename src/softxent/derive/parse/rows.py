r"""A display to its rows: environments opened, `&` and `\\` gone, broken lines joined."""

from __future__ import annotations

from dataclasses import dataclass, field

from softxent.derive.parse import names
from softxent.derive.parse.points import settled
from softxent.derive.parse.reader import pairs
from softxent.derive.parse.tokens import Token

_OPERATORS = frozenset("cdot times ast odot circ pm mp div".split())
_NOTED = frozenset("overset stackrel underset".split())
_ARROWS = {"xrightarrow": "to", "xleftarrow": "to", "xRightarrow": "implies"}
_OPEN = frozenset(("{", "open", "left", "begin"))
_CLOSE = frozenset(("}", "close", "right", "end"))
_MAX_DEPTH = 20


@dataclass(slots=True)
class Line:
    """A row: its statement, and what stands beside it."""

    main: list[Token]
    remarks: list[list[Token]] = field(default_factory=list)
    boxed: bool = False
    lone: bool = True
    """Nothing stands in its first column, or it has one only."""
    open: int = 0
    """How many brackets it leaves open."""


def lines(tokens: list[Token]) -> list[Line]:
    """Divide a formula into its rows."""
    found = _lines(_prepared(settled(tokens)), 0)
    joined: list[Line] = []
    for line in found:
        if not line.main and not line.remarks:
            continue
        if joined and _continues(joined[-1], line):
            joined[-1].main.extend(line.main)
            joined[-1].open += _open(line.main)
            joined[-1].remarks.extend(line.remarks)
        else:
            line.open = _open(line.main)
            joined.append(line)
    for line in joined:
        line.main = _whole(line.main)
    return joined


def _prepared(tokens: list[Token]) -> list[Token]:
    r"""Make `\overset{!}{=}`, `\xrightarrow{..}` and `{=}` plain relations."""
    close = pairs(tokens, soft=False)
    found: list[Token] = []
    place = 0
    while place < len(tokens):
        token = tokens[place]
        start = place
        if token.kind == "command" and token.text in _ARROWS:
            place += 1
            if place < len(tokens) and tokens[place].text == "[":
                while place < len(tokens) and tokens[place].kind != "close":
                    place += 1
                place += 1
            label = place
            place = _behind(close, place) if place < len(tokens) else place
            end = tokens[min(place, len(tokens)) - 1].end
            # z -softmax-> p takes z to something else: neither equal to it nor its new value
            done = any(t.kind in ("text", "word") for t in tokens[label:place])
            relation = "implies" if done else _ARROWS[token.text]
            found.append(Token("relation", relation, token.start, end))
            continue
        note = ""
        if token.kind == "command" and token.text in _NOTED and start + 1 < len(tokens):
            behind = _behind(close, start + 1)
            note = "".join(t.text for t in tokens[start + 1 : behind])
            start = behind
        if start < len(tokens) and (tokens[start].kind == "{" or note):
            last = max(start, close[start])
            inner = tokens[start + 1 : last] if tokens[start].kind == "{" else [tokens[start]]
            if len(inner) == 1 and inner[0].kind == "relation":
                text = inner[0].text
                if text == "=" and ("def" in note or "triangle" in note):
                    text = "define"
                found.append(Token("relation", text, token.start, tokens[last].end))
                place = last + 1
                continue
        found.append(token)
        place += 1
    return found


def _behind(close: list[int], place: int) -> int:
    return (close[place] if close[place] >= 0 else place) + 1


# ---------------------------------------------------------------------- environments
def _lines(tokens: list[Token], depth: int) -> list[Line]:
    tokens = _trimmed(tokens)
    if not tokens:
        return []
    close = pairs(tokens, soft=False)
    inner = _wrapped(tokens, close)
    if inner is not None and depth < _MAX_DEPTH:
        found = _lines(tokens[inner[0] : inner[1]], depth + 1)
        if tokens[0].text == "boxed":
            for line in found:
                line.boxed = True
        return found
    found = []
    for cells in _cells(tokens, close):
        found.extend(_opened(cells, depth))
    return found


def _trimmed(tokens: list[Token]) -> list[Token]:
    start, end = 0, len(tokens)
    while start < end and tokens[start].kind == "quad":
        start += 1
    while end > start and tokens[end - 1].kind == "quad":
        end -= 1
    return tokens[start:end]


def _wrapped(tokens: list[Token], close: list[int]) -> tuple[int, int] | None:
    r"""Return what stands in a `\boxed{..}`, or in braces, that is all there is."""
    end = len(tokens)
    while end > 0 and tokens[end - 1].is_sign(".,;"):
        end -= 1
    start = 1 if tokens[0].kind == "command" and tokens[0].text in ("boxed", "fbox") else 0
    if start >= end or tokens[start].kind != "{" or close[start] != end - 1:
        return None
    if start == 0 and not any(_divides(tokens[place]) for place in _top(close, 1, end - 1)):
        return None
    return start + 1, end - 1


def _divides(token: Token) -> bool:
    return token.kind in ("relation", "row") or token.is_sign("&") or _is_rows(token)


def _is_rows(token: Token) -> bool:
    return token.kind == "begin" and token.text in names.ROW_ENVIRONMENTS


def _top(close: list[int], start: int, end: int) -> list[int]:
    places = []
    while start < end:
        places.append(start)
        start = _behind(close, start)
    return places


def _cells(tokens: list[Token], close: list[int]) -> list[list[list[Token]]]:
    r"""Divide at `\\` and `&`."""
    rows: list[list[list[Token]]] = [[]]
    first = 0
    for place in _top(close, 0, len(tokens)):
        token = tokens[place]
        if token.kind == "row" or token.is_sign("&"):
            rows[-1].append(_trimmed(tokens[first:place]))
            first = place + 1
            if token.kind == "row":
                rows.append([])
    rows[-1].append(_trimmed(tokens[first:]))
    return rows


def _opened(cells: list[list[Token]], depth: int) -> list[Line]:
    """Make the line of a row; an environment with rows of its own in it makes several."""
    main, remarks, more = _columns(cells)
    lone = len(cells) == 1 or not cells[0]
    close = pairs(main, soft=False)
    for place in _top(close, 0, len(main)):
        system = main[place].kind == "begin" and close[place] > 0 and _is_system(main, close, place)
        if (_is_rows(main[place]) or system) and close[place] > 0 and depth < _MAX_DEPTH:
            inner = _lines(main[place + 1 : close[place]], depth + 1)
            if inner:
                inner[0].main = main[:place] + inner[0].main
                inner[-1].main = inner[-1].main + main[close[place] + 1 :]
                inner[-1].remarks.extend(remarks)
                return inner + [Line(one) for one in more]
    boxed = _wrapped(main, close) if main else None
    if boxed is not None and main[0].text == "boxed":
        return [Line(main[boxed[0] : boxed[1]], remarks, True, lone), *(Line(one) for one in more)]
    return [Line(main, remarks, False, lone), *(Line(one) for one in more)]


def _is_system(main: list[Token], close: list[int], place: int) -> bool:
    r"""Whether `cases` or an `array` is all there is, with a relation in the rows: a system."""
    token = main[place]
    if token.text not in names.CASES and token.text != "array":
        return False
    if place or close[place] < len(main) - 1 - (main[-1].kind == "sign"):
        return False
    inner = main[place + 1 : close[place]]
    rows = _cells(inner, pairs(inner, soft=False))
    wanted = 0 if token.text in names.CASES else 1
    return all(_relates(row[: wanted + 1]) for row in rows if any(row))


def _relates(cells: list[list[Token]]) -> bool:
    """Whether a relation stands in some cells, before the comma or gap of a condition."""
    depth = 0
    for cell in cells:
        for token in cell:
            depth += (token.kind in _OPEN) - (token.kind in _CLOSE)
            if depth == 0 and token.kind == "relation":
                return True
            if depth == 0 and (token.kind in ("quad", "text") or token.is_sign(",;")):
                return False
    return False


def _columns(cells: list[list[Token]]) -> tuple[list[Token], list[list[Token]], list[list[Token]]]:
    """Return the statement of a row, its remarks, and further statements beside it."""
    count = 2
    if len(cells) > 2 and (
        (len(cells[1]) == 1 and _joins(cells[1][0]))  # eqnarray: a & = & b
        or (not cells[1] and cells[2] and (_starts(cells[2]) or cells[2][0].kind == "relation"))
    ):
        count = 3
    main = [token for cell in cells[:count] for token in cell]
    remarks, more = [], []
    for place in range(count, len(cells), 2):
        first, second = cells[place], cells[place + 1] if place + 1 < len(cells) else []
        plain = not any(token.kind in ("text", "dots") for token in first[:1])
        if first and second and second[0].kind == "relation" and plain:
            more.append(first + second)
        elif first or second:
            remarks.append(first + second)
    return main, remarks, more


def _joins(token: Token) -> bool:
    return token.kind == "relation" or token.is_sign("+-*/") or _is_operator(token)


# ---------------------------------------------------------------------- broken lines
def _continues(before: Line, line: Line) -> bool:
    """Whether a row goes on where the one before it broke off."""
    if not before.main or not line.main:
        return False
    last = before.main[-1]
    if last.kind == "relation" or last.is_sign("+-*/") or _is_operator(last):
        return True
    if before.open > 0:
        return True
    if not _starts(line.main):
        return False
    minus = line.main[0].is_sign("-")
    related = any(token.kind == "relation" for token in line.main)
    return not minus or not related or (line.lone and not before.lone)


def _starts(tokens: list[Token]) -> bool:
    return tokens[0].is_sign("+-*/") or _is_operator(tokens[0])


def _is_operator(token: Token) -> bool:
    return token.kind == "command" and token.text in _OPERATORS


def _open(tokens: list[Token]) -> int:
    """Return how many brackets are left open."""
    depth = 0
    for token in tokens:
        depth += (token.kind == "open") - (token.kind == "close")
        depth += token.kind == "left" and token.text != "."
        depth -= token.kind == "right" and token.text != "."
    return depth


def _whole(tokens: list[Token]) -> list[Token]:
    r"""Drop `\right.` and `\left.` where a bracket goes on over a break."""
    dots = [t for t in tokens if t.kind in ("left", "right") and t.text == "."]
    if len(dots) < 2:
        return tokens
    left = sum(t.kind == "left" and t.text != "." for t in tokens)
    right = sum(t.kind == "right" and t.text != "." for t in tokens)
    if left != right:
        return tokens
    return [t for t in tokens if not (t.kind in ("left", "right") and t.text == ".")]
