"""Walks a document in order and notes what it states, under which case, and what it assumes."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from fractions import Fraction

from softxent.derive.document import Document, Formula, Pin, Prose
from softxent.derive.trees import (
    Big,
    Expr,
    Group,
    Link,
    Negative,
    Number,
    Relation,
    Row,
    Symbol,
)
from softxent.derive.understand import cues, slips
from softxent.derive.understand.cases import Cases, is_range
from softxent.derive.understand.letters import bare, base_name
from softxent.derive.understand.outline import (
    Condition,
    Doubt,
    Fact,
    Outline,
    Side,
    Sign,
    Statement,
)

_IN_WORDS = re.compile(
    r"\b(?:if|when|case\s*\d*\s*[:.]?|for)\s+(?:the case\s+)?(?P<left>[a-z])\s*"
    r"(?P<sign>=|==|≠|!=|\\neq?|<>|is not equal to|does not equal|is equal to|equals)\s*"
    r"(?P<right>[a-z])\b",
    re.I,
)
_BARE_SUM = re.compile(r"^\s*\\sum\s*$")
_RUNNING = re.compile(r"^\s*\\sum\s*(?:\\limits\s*)?_\s*\{?\s*(\\?[A-Za-z]+)")


@dataclass(slots=True)
class _Paragraph:
    """The prose of a paragraph, with its formulas between dollars."""

    text: str = ""
    places: list[tuple[int, int]] = field(default_factory=list)
    symbols: list[tuple[int, str]] = field(default_factory=list)
    formulas: int = 0
    item: bool = False
    behind_display: bool = False

    def add(self, text: str, offset: int) -> None:
        self.places.append((len(self.text), offset))
        self.text += text + " "

    def offset(self, at: int) -> int:
        """Return where a character of it stands in the document."""
        best = self.places[0] if self.places else (0, 0)
        for start, offset in self.places:
            if start <= at:
                best = (start, offset)
        return best[1] + at - best[0]


def walk(document: Document) -> Outline:
    """Return what a document states."""
    return _Walk(document).outline


class _Walk:
    def __init__(self, document: Document) -> None:
        from softxent.derive.parse import parse

        self.document = document
        self.outline = Outline()
        self.section = 0
        self.display: Statement | None = None
        self.last_inline: tuple[Formula, tuple[Row, ...], int] | None = None
        self.paragraph = _Paragraph()
        self.cases = Cases(piece.tex for piece in document.pieces if isinstance(piece, Formula))
        prose: list[str] = []
        previous: object = None
        for piece in document.pieces:
            if isinstance(piece, Pin):
                self.outline.pins.append(piece.text)
                continue
            if isinstance(piece, Prose):
                self._prose(piece, previous)
                prose.append(piece.text)
            else:
                rows = parse(piece.tex)
                if not piece.display:
                    prose.append(f"${piece.tex}$")
                if piece.display:
                    self._displayed(piece, rows)
                else:
                    self._inline(piece, rows)
            previous = piece
        self._flush()
        self.outline.prose = " ".join(prose)

    # ------------------------------------------------------------------ prose
    def _prose(self, piece: Prose, previous: object) -> None:
        new = piece.kind != "text" or not isinstance(previous, Formula)
        if isinstance(previous, Formula):
            between = self.document.text[previous.end : piece.start]
            new = new or bool(re.search(r"\n\s*\n", between))
        if new:
            self._flush()
            self.paragraph.item = piece.kind == "item"
        if piece.kind == "heading":
            self.section += 1
            self.cases.close()
            self.display = None
        self.paragraph.add(piece.text, piece.start)
        closing = cues.closes(piece.text)
        if closing == "strong" or (closing == "weak" and self.cases.both()):
            self.cases.close()
        for match in _IN_WORDS.finditer(piece.text):
            relation = "neq" if re.search(r"n[oe]t?\b|≠|!|\\n|<>", match["sign"]) else "eq"
            before = piece.text[: match.start("left")]
            if cues.opens_case(before, piece.text[match.end() :], False, False):
                left, right = Symbol(match["left"]), Symbol(match["right"])
                self.cases.open(Condition(relation, left, right))
        if piece.kind == "heading":
            self._flush()

    def _flush(self) -> None:
        """End a paragraph: find what its sentences assume."""
        paragraph, self.paragraph = self.paragraph, _Paragraph()
        text = paragraph.text
        self.last_inline = None
        if not text.strip():
            self.paragraph.behind_display = paragraph.behind_display
            return
        for start, sentence in cues.sentences(text):
            names = frozenset(
                name for at, name in paragraph.symbols if start <= at < start + len(sentence)
            )
            for kind, at in cues.assumptions(sentence):
                if kind != "size-one" and not names and not cues.about_targets(sentence):
                    continue
                if kind == "sum-to-one" and not cues.about_targets(sentence):
                    names = names or frozenset(("",))
                after = paragraph.behind_display and cues.begins_reason(text) and start == 0
                offset = paragraph.offset(start + at)
                self._fact(kind, names, offset, after)
        if self.display is not None and paragraph.behind_display:
            self._doubt(slips.class_letter(text, paragraph.offset(0), self.display))

    def _doubt(self, doubt: Doubt | None) -> None:
        if doubt is not None:
            self.outline.doubts.append(doubt)

    def _fact(self, kind: str, names: frozenset[str], offset: int, after: bool = False) -> None:
        number = len(self.outline.statements)
        self.outline.facts.append(Fact(kind, names, offset, number, after))

    # ------------------------------------------------------------------ cases
    # ------------------------------------------------------------------ formulas
    def _inline(self, formula: Formula, rows: tuple[Row, ...]) -> None:
        before = self.paragraph.text
        at = len(before)
        after = self._after(formula)
        self.paragraph.add(f"${formula.tex}$", formula.start)
        relations = [relation for row in rows for relation in row.relations]
        for relation in relations:
            for node in relation.walk():
                if isinstance(node, Symbol):
                    self.paragraph.symbols.append((at, base_name(node)))
        first = not before.strip()
        self.paragraph.formulas += 1
        condition = self.cases.condition(relations[0]) if len(relations) == 1 else None
        if condition is not None:
            self.outline.asides.extend(relations)
            boxed = any(row.boxed for row in rows)
            if cues.opens_case(before, after, boxed, first):
                self.cases.open(condition)
            elif re.search(r"\b(where|with|for|when)\s*$", before, re.I):
                self._stray(formula, condition, before)
            self.last_inline = None
            return
        if self._naming(formula, rows, before):
            return
        if any(_states(relation) for relation in relations):
            reason = cues.gives_reason(before)
            if len(relations) == 1 and self._given(formula, relations[0], before):
                self.last_inline = (formula, rows, len(self.paragraph.text))
                return
            self._rows(formula, rows, before, reason)
        else:
            self.outline.asides.extend(relations)
        self.last_inline = (formula, rows, len(self.paragraph.text))

    def _after(self, formula: Formula) -> str:
        text = self.document.text[formula.end : formula.end + 80]
        return re.sub(r"^(\$|\\+\)|\\+\])+", "", text)

    def _naming(self, formula: Formula, rows: tuple[Row, ...], before: str) -> bool:
        """Look for "denote A as B" and "where B represents A" with the formula before."""
        if self.last_inline is None:
            return False
        earlier, old, end = self.last_inline
        start = before.rfind(f"${earlier.tex}$", 0, end)
        if start < 0:
            return False
        lead, between = before[:start], before[start + len(earlier.tex) + 2 :]
        which = cues.names_something(lead, between)
        if not which:
            return False
        if _BARE_SUM.match(earlier.tex):
            running = _RUNNING.match(formula.tex)
            if running:
                self.outline.bare_sum.append(running[1])
                return True
        one, two = _only(old), _only(rows)
        if one is None or two is None:
            return False
        head, body = (two, one) if which == "second" else (one, two)
        if not isinstance(head, Symbol) or isinstance(body, Symbol | Number):
            return False
        first, second = (formula, earlier) if which == "second" else (earlier, formula)
        statement = self._statement(False, before, False)
        statement.sides = [_side(head, first), _side(body, second)]
        statement.signs = [Sign("define", first.start)]
        return True

    def _given(self, formula: Formula, relation: Relation, before: str) -> bool:
        """Look for what is put in, not claimed: N = 1, t_j = 0, a sum that is 1."""
        if len(relation.links) != 1 or relation.first is None:
            return False
        first, link = bare(relation.first), relation.links[0]
        if link.relation != "=" or not isinstance(_plain(link.right), Number):
            return False
        if isinstance(first, Symbol) and not isinstance(relation.first, Big):
            self.outline.asides.append(relation)
            if not first.subs and link.right == Number(Fraction(1)):
                self._fact("size-one", frozenset((base_name(first),)), formula.start)
            return True
        return False

    def _stray(self, formula: Formula, condition: Condition, before: str) -> None:
        if self.last_inline is None:
            return
        earlier, rows, end = self.last_inline
        if before[end:].strip().lower() in ("where", "with", "for", "when"):
            self._doubt(slips.stray_condition(formula, condition, before, earlier, rows))

    def _displayed(self, formula: Formula, rows: tuple[Row, ...]) -> None:
        before = self.paragraph.text
        relations = [relation for row in rows for relation in row.relations]
        if len(relations) == 1 and (condition := self.cases.condition(relations[0])) is not None:
            self.outline.asides.extend(relations)
            self.cases.open(condition)
            self._flush()
            return
        if len(relations) == 1 and self._given(formula, relations[0], before):
            self._flush()
            return
        reason = cues.begins_reason(before) if len(before) < 60 else cues.gives_reason(before)
        self._flush()
        self._rows(formula, rows, before, reason and before.rstrip().endswith(("since", "because")))
        self.paragraph.behind_display = True

    def _statement(self, display: bool, cue: str, reason: bool) -> Statement:
        statement = Statement(len(self.outline.statements), display, self.section, cue, reason)
        self.outline.statements.append(statement)
        return statement

    def _rows(self, formula: Formula, rows: tuple[Row, ...], cue: str, reason: bool) -> None:
        current: Statement | None = None
        fixed: tuple[Condition, ...] = ()
        for row in rows:
            conditions = self._row_conditions(row)
            if conditions and row is rows[0] and len(rows) > 1:
                fixed = conditions
            for relation in row.relations:
                if is_range(relation) or (
                    self.cases.condition(relation) is not None and len(row.relations) > 1
                ):
                    self.outline.asides.append(relation)
                    continue
                current = self._relation(
                    formula, row, relation, current, cue, reason, (*fixed, *conditions)
                )
            for remark in row.remarks:
                self._remark(formula, remark.text, remark.span, remark.formulas)
        if formula.display and current is not None:
            self.display = current

    def _row_conditions(self, row: Row) -> tuple[Condition, ...]:
        out: list[Condition] = []
        for relation in row.relations[1:]:
            condition = self.cases.condition(relation)
            if condition is not None:
                out.append(condition)
        for remark in row.remarks:
            if re.search(r"\b(both|and)\b", remark.text) and len(remark.formulas) > 1:
                continue
            if re.search(r"\b(if|when|for|where|since|because|as|case)\b", remark.text, re.I):
                for relation in remark.formulas:
                    condition = self.cases.condition(relation)
                    if condition is not None:
                        out.append(condition)
        return tuple(out)

    def _remark(
        self, formula: Formula, text: str, span: tuple[int, int], formulas: tuple[Relation, ...]
    ) -> None:
        offset = formula.places[min(span[0], len(formula.places) - 1)]
        names = frozenset(
            base_name(node)
            for relation in formulas
            for node in relation.walk()
            if isinstance(node, Symbol)
        )
        for kind, _ in cues.assumptions(text):
            if names or cues.about_targets(text):
                self._fact(kind, names, offset, True)
        for relation in formulas:
            if self.cases.condition(relation) is not None or not _states(relation):
                self.outline.asides.append(relation)
            elif not self._given(formula, relation, text):
                self._relation(formula, None, relation, None, text, True, (), inline=True)

    def _relation(
        self,
        formula: Formula,
        row: Row | None,
        relation: Relation,
        current: Statement | None,
        cue: str,
        reason: bool,
        conditions: tuple[Condition, ...],
        inline: bool = False,
    ) -> Statement | None:
        first, links = relation.first, list(relation.links)
        if first is None and links and links[0].relation == "to":
            first, links = links[0].right, links[1:]
        display = formula.display and not inline
        if first is None:
            statement = current if current is not None else (self.display if display else None)
            if statement is None:
                statement = self._statement(display, cue, reason)
        else:
            statement = self._statement(display, cue, reason)
            statement.boxed = row.boxed if row is not None else False
            statement.sides.append(_side(first, formula))
        held = self.cases.held(conditions)
        for link in links:
            if link.relation in ("implies", "iff") and statement.sides:
                statement = self._statement(display, cue, reason)
                statement.sides.append(_side(link.right, formula))
                continue
            statement.sides.append(_side(link.right, formula))
            statement.signs.append(Sign(link.relation, _offset(formula, link), held))
        return statement


def _offset(formula: Formula, link: Link) -> int:
    return formula.places[min(link.span[0], len(formula.places) - 1)]


def _side(tree: Expr, formula: Formula) -> Side:
    start, end = tree.span
    last = len(formula.places) - 1
    return Side(
        tree,
        formula.tex[start:end],
        formula.places[min(start, last)],
        formula.places[min(max(end - 1, start), last)] + 1,
    )


def _states(relation: Relation) -> bool:
    return (
        not is_range(relation)
        and any(link.relation in ("=", "define", "to") for link in relation.links)
        and (relation.first is not None or bool(relation.links))
    )


def _only(rows: tuple[Row, ...]) -> Expr | None:
    if len(rows) != 1 or len(rows[0].relations) != 1 or rows[0].relations[0].links:
        return None
    return rows[0].relations[0].first


def _plain(tree: Expr) -> Expr:
    while isinstance(tree, Group | Negative):
        tree = tree.of
    return tree
