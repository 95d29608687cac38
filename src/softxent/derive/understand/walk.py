"""Walks a document in order and notes what it states, under which case, and what it assumes."""

from __future__ import annotations

import re
from fractions import Fraction

from softxent.derive.document import Document, Formula, Pin, Prose
from softxent.derive.trees import Number, Relation, Row, Symbol
from softxent.derive.understand import cues, slips
from softxent.derive.understand.cases import Cases, is_range, spoken
from softxent.derive.understand.constants import (
    FOR_VALUES,
    Constants,
    for_few,
    is_result,
    is_value,
    put_base,
    without_ranges,
    without_sizes,
)
from softxent.derive.understand.letters import bare, base_name
from softxent.derive.understand.outline import (
    Condition,
    Doubt,
    Fact,
    Outline,
    Sign,
    Statement,
)
from softxent.derive.understand.pieces import (
    Paragraph,
    behind,
    is_other,
    offset_of,
    only,
    running_letter,
    side_of,
    states,
    words_of,
)
from softxent.derive.understand.spelling import Spelling
from softxent.derive.understand.supposing import (
    declared_class,
    declared_sum,
    is_dimension,
    is_values,
    supposed,
)


def walk(document: Document) -> Outline:
    """Return what a document states."""
    return _Walk(document).outline


class _Walk:
    def __init__(self, document: Document) -> None:
        from softxent.derive.parse import parse

        self.document = document
        self.outline = Outline()
        self.section = 0
        self.said: set[int] = set()
        self.opening = False
        self.case_at = 0
        """Where the case that is open was opened."""
        self.display: Statement | None = None
        self.last_inline: tuple[Formula, tuple[Row, ...], int] | None = None
        self.paragraph = Paragraph()
        self.cases = Cases(piece.tex for piece in document.pieces if isinstance(piece, Formula))
        parsed = [parse(one.tex) if isinstance(one, Formula) else () for one in document.pieces]
        everything = [row for rows in parsed for row in rows]
        self.constants = Constants(everything, document.text)
        spelling = Spelling(everything, document.text)
        prose: list[str] = []
        previous: object = None
        for piece, read in zip(document.pieces, parsed, strict=True):
            if isinstance(piece, Pin):
                self.outline.pins.append(piece.text)
                continue
            if isinstance(piece, Prose):
                self._prose(piece, previous)
                prose.append(piece.text)
            else:
                rows = tuple(spelling.of(row) for row in read)
                if not piece.display:
                    prose.append(f"${piece.tex}$")
                if piece.display:
                    self._displayed(piece, rows)
                else:
                    self._inline(piece, rows)
            previous = piece
        self._flush()
        self.outline.facts = without_sizes(self.outline.facts, self.outline.statements, self.said)
        self.outline.prose = " ".join(prose)

    def _prose(self, piece: Prose, previous: object) -> None:
        new = piece.kind != "text" or not isinstance(previous, Formula)
        if isinstance(previous, Formula):
            between = self.document.text[previous.end : piece.start]
            new = new or bool(re.search(r"\n\s*\n", between))
        if new:
            self._flush()
            self.paragraph.item = piece.kind == "item"
        if piece.kind == "heading":
            self.cases.close()
            self.display = None
        inside = not new and isinstance(previous, Formula) and not previous.display
        if piece.kind != "text" or cues.begins_anew(piece.text, not inside):
            self.section += 1
            self.opening = True
        at = len(self.paragraph.text)
        self.paragraph.add(piece.text, piece.start)
        closing = cues.closes(piece.text)
        if closing == "strong" or (closing == "weak" and self.cases.both()):
            for condition in self.cases.last() if closing == "weak" else ():
                self._holds(condition, self.case_at)  # "so" may go on with the case as well
            self.cases.close()
        self._spoken(at)
        if piece.kind == "heading":
            self._flush()

    def _spoken(self, start: int) -> None:
        """Open the case that is said in words in what was added to the paragraph."""
        for condition, before, after in spoken(self.paragraph.text, start):
            if cues.opens_case(before, after, False, False):
                self._open(condition, self.paragraph.offset(start))

    def _open(self, condition: Condition, offset: int) -> None:
        self.cases.open(condition)
        self.case_at = offset

    def _flush(self) -> None:
        """End a paragraph: find what its sentences assume."""
        paragraph, self.paragraph = self.paragraph, Paragraph()
        text = paragraph.text
        self.last_inline = None
        if not text.strip():
            self.paragraph.behind_display = paragraph.behind_display
            return
        for start, sentence in cues.sentences(text):
            for letter, at in cues.true_classes(sentence):
                self._fact("one-hot", frozenset(), paragraph.offset(start + at), letter=letter)
            names = frozenset(
                name for at, name in paragraph.symbols if start <= at < start + len(sentence)
            )
            for kind, at in cues.assumptions(sentence):
                if kind == "size-one":
                    names |= self.constants.divisors
                elif not kind.startswith("size") and not names and not cues.about_targets(sentence):
                    continue
                if kind == "sum-to-one" and not cues.about_targets(sentence):
                    names = names or frozenset(("",))
                after = paragraph.behind_display and cues.begins_reason(text) and start == 0
                offset = paragraph.offset(start + at)
                self.said.add(offset)
                self._fact(kind, names, offset, after)
        if self.display is not None and paragraph.behind_display:
            self._doubt(slips.class_letter(text, paragraph.offset(0), self.display))

    def _doubt(self, doubt: Doubt | None) -> None:
        if doubt is not None:
            self.outline.doubts.append(doubt)

    def _fact(
        self,
        kind: str,
        names: frozenset[str],
        offset: int,
        after: bool = False,
        letter: str = "",
    ) -> None:
        number = len(self.outline.statements)
        self.outline.facts.append(Fact(kind, names, offset, number, after, letter))

    def _inline(self, formula: Formula, rows: tuple[Row, ...]) -> None:
        before = self.paragraph.text
        at = len(before)
        after = behind(formula, self.document)
        self.paragraph.add(f"${formula.tex}$", formula.start)
        if len(formula.tex) == 1:
            self._spoken(at)
        relations = [relation for row in rows for relation in row.relations]
        for relation in relations:
            self._declared(formula, relation, before, after)
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
                self._open(condition, formula.start)
                self.last_inline = None
                return
            if re.search(r"\b(where|with|for|when)\s*$", before, re.I):
                self._stray(formula, condition, before)
            if cues.mentions_case(before, after):
                self._mentioned(condition, formula.start)
            self.last_inline = None
            return
        if self._naming(formula, rows, before):
            return
        if any(states(relation) for relation in relations):
            reason = cues.gives_reason(before)
            if len(relations) == 1 and self._given(formula, relations[0], before, after):
                self.last_inline = (formula, rows, len(self.paragraph.text))
                return
            self.cases.mention(None)
            self._rows(formula, rows, before, reason, self.cases.behind(after))
        else:
            self.outline.asides.extend(relations)
        self.last_inline = (formula, rows, len(self.paragraph.text))

    def _declared(self, formula: Formula, relation: Relation, before: str, after: str) -> None:
        r"""Look for `\sum_k t_k = 1` and, beside "one-hot", for `t_c = 1`: facts on targets."""
        summed = declared_sum(relation)
        if summed:
            self._fact("sum-to-one", frozenset((summed,)), formula.start)
        named = declared_class(relation, before, after)
        if named is not None:
            self._fact("one-hot", frozenset((named[0],)), formula.start, letter=named[1])

    def _mentioned(self, condition: Condition, offset: int) -> None:
        """Note a condition in a sentence that opens no case: a step may need it all the same."""
        self.cases.mention(condition)
        self._holds(condition, offset)

    def _holds(self, condition: Condition, offset: int) -> None:
        """Declare a condition that a step may need."""
        sign = {"eq": "=", "neq": "≠"}.get(condition.relation)
        both = (condition.left, condition.right)
        names = [base_name(one) for one in both if isinstance(one, Symbol)]
        if sign and len(names) == 2:
            for one, other in (names, names[::-1]):
                self._fact(f"{one} {sign} {other}", frozenset(names), offset)

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
        letter = running_letter(earlier.tex, formula.tex)
        if letter:
            self.outline.bare_sum.append(letter)
            return True
        one, two = only(old), only(rows)
        if one is None or two is None:
            return False
        head, body = (two, one) if which == "second" else (one, two)
        if not isinstance(head, Symbol) or isinstance(body, Symbol | Number):
            return False
        first, second = (formula, earlier) if which == "second" else (earlier, formula)
        statement = self._statement(False, before, False)
        statement.sides = [side_of(head, first), side_of(body, second)]
        statement.signs = [Sign("define", first.start)]
        return True

    def _given(self, formula: Formula, relation: Relation, before: str, after: str = "") -> bool:
        """Look for what is put in, not claimed: N = 1, t_j = 0, a sum that is 1."""
        if relation.first is None or any(link.relation != "=" for link in relation.links):
            return False
        *heads, value = (relation.first, *(link.right for link in relation.links))
        bases = [put_base(bare(one), before, value == Number(Fraction(0))) for one in heads]
        symbols = [one for one in bases if isinstance(one, Symbol)]
        if not symbols or len(symbols) < len(heads) or not is_value(value):
            return False
        alone = formula.display and not after and not self.outline.examples
        if any(self.constants.claimed(one, value, before, after, alone) for one in symbols):
            return False
        self.outline.asides.append(relation)
        for one in symbols:
            self.outline.examples |= bool(one.subs) or not one.name.isupper()
            if not one.subs and value == Number(Fraction(1)):
                self._fact("size-one", frozenset((base_name(one),)), formula.start)
        return True

    def _stray(self, formula: Formula, condition: Condition, before: str) -> None:
        if self.last_inline is None:
            return
        earlier, rows, end = self.last_inline
        if before[end:].strip().lower() in ("where", "with", "for", "when"):
            self._doubt(slips.stray_condition(formula, condition, before, earlier, rows))

    def _displayed(self, formula: Formula, rows: tuple[Row, ...]) -> None:
        before = self.paragraph.text
        relations = [relation for row in rows for relation in row.relations]
        for relation in relations:
            self._declared(formula, relation, before, "")
        if cues.otherwise(before):
            self.cases.otherwise()
        self.cases.settle()
        if len(relations) == 1 and (condition := self.cases.condition(relations[0])) is not None:
            self.outline.asides.extend(relations)
            self._open(condition, formula.start)
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
        statement.opens, self.opening = self.opening, False
        statement.alternative = cues.alternative(cue)
        self.outline.statements.append(statement)
        return statement

    def _rows(
        self,
        formula: Formula,
        rows: tuple[Row, ...],
        cue: str,
        reason: bool,
        fixed: tuple[Condition, ...] = (),
    ) -> None:
        current: Statement | None = None
        for row in rows:
            conditions = self.cases.of_row(row)
            if conditions and row is rows[0] and len(rows) > 1:
                fixed = conditions
            for relation in row.relations:
                aside = is_range(relation) or is_values(relation)
                if aside or is_dimension(relation, formula.tex, cue):
                    self.outline.asides.append(relation)
                    continue
                if self.cases.condition(relation) is not None and len(row.relations) > 1:
                    self.outline.asides.append(relation)
                    continue
                current = self._relation(
                    formula, row, relation, current, cue, reason, (*fixed, *conditions)
                )
                if current is not None and is_other(row, relation):
                    current.alternative = True
            for remark in row.remarks:
                if current is not None and for_few(remark):
                    current.doubt = FOR_VALUES
                self._remark(formula, remark.text, remark.span, remark.formulas)
        if formula.display and current is not None:
            self.display = current

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
        claims = without_ranges(formulas)
        for relation in formulas:
            said = states(relation) and any(relation is one for one in claims)
            if self.cases.condition(relation) is not None or not said:
                self.outline.asides.append(relation)
            elif not self._given(
                formula, relation, words_of(formula.tex[span[0] : relation.span[0]])
            ):
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
        leading, relation = self.cases.leading(relation)
        conditions = (*conditions, *leading)
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
            statement.doubt = supposed(cue, relation, display)
            if self.outline.examples and is_result(relation):
                statement.doubt = statement.doubt or "it is a number of an example"
            statement.boxed = row.boxed if row is not None else False
            statement.sides.append(side_of(first, formula))
        held = self.cases.held(conditions)
        for link in links:
            if link.relation in ("implies", "iff") and statement.sides:
                statement = self._statement(display, cue, reason)
                statement.sides.append(side_of(link.right, formula))
                continue
            statement.sides.append(side_of(link.right, formula))
            statement.signs.append(Sign(link.relation, offset_of(formula, link), held))
        return statement
