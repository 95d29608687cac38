"""Pieces of a walk through a document: paragraphs, sides, what a formula is by itself."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from softxent.derive.document import Document, Formula
from softxent.derive.trees import Expr, Group, Link, Negative, Number, Relation, Row, Sum, Symbol
from softxent.derive.understand.cases import is_range
from softxent.derive.understand.outline import Side

_BARE_SUM = re.compile(r"^\s*\\sum\s*$")
_RUNNING = re.compile(r"^\s*\\sum\s*(?:\\limits\s*)?_\s*\{?\s*(\\?[A-Za-z]+)")


@dataclass(slots=True)
class Paragraph:
    """The prose of a paragraph, with its formulas between dollars."""

    text: str = ""
    places: list[tuple[int, int]] = field(default_factory=list)
    symbols: list[tuple[int, str]] = field(default_factory=list)
    formulas: int = 0
    item: bool = False
    behind_display: bool = False

    def add(self, text: str, offset: int) -> None:
        """Lengthen it by a text that stands at some offset."""
        self.places.append((len(self.text), offset))
        self.text += text + " "

    def offset(self, at: int) -> int:
        """Return where a character of it stands in the document."""
        best = self.places[0] if self.places else (0, 0)
        for start, offset in self.places:
            if start <= at:
                best = (start, offset)
        return best[1] + at - best[0]


def behind(formula: Formula, document: Document) -> str:
    """Return the text right behind an inline formula."""
    text = document.text[formula.end : formula.end + 80]
    return re.sub(r"^(\$|\\+\)|\\+\])+", "", text)


def running_letter(bare_sum: str, full: str) -> str:
    r"""Return the k of `\sum_k` where one formula is a sum without index and one has it."""
    found = _RUNNING.match(full) if _BARE_SUM.match(bare_sum) else None
    return found[1] if found else ""


def offset_of(formula: Formula, link: Link) -> int:
    """Return where a relation sign stands in the document."""
    return formula.places[min(link.span[0], len(formula.places) - 1)]


def side_of(tree: Expr, formula: Formula) -> Side:
    """Return one side of an equality with its place."""
    start, end = tree.span
    last = len(formula.places) - 1
    return Side(
        tree,
        formula.tex[start:end],
        formula.places[min(start, last)],
        formula.places[min(max(end - 1, start), last)] + 1,
    )


def states(relation: Relation) -> bool:
    """Whether a relation states that two things are equal; x \\to \\infty does not."""
    if [link.relation for link in relation.links] == ["to"]:
        right = relation.links[0].right
        if _limit(right) or (relation.first is not None and _counts(relation.first, right)):
            return False
    return (
        not is_range(relation)
        and any(link.relation in ("=", "define", "to") for link in relation.links)
        and (relation.first is not None or bool(relation.links))
    )


def _counts(left: Expr, right: Expr) -> bool:
    r"""Whether an arrow leads from one step to the next: t - 1 \to t."""
    names = [{n for n in one.walk() if isinstance(n, Symbol)} for one in (left, right)]
    plain = all(isinstance(one, Symbol | Sum) for one in (left, right))
    return plain and left != right and len(names[0]) == 1 and names[0] == names[1]


def _limit(tree: Expr) -> bool:
    inner = unsigned(tree)
    return isinstance(inner, Number) or (isinstance(inner, Symbol) and inner.name == "infty")


def only(rows: tuple[Row, ...]) -> Expr | None:
    """Return the expression that some rows are, where they are nothing else."""
    if len(rows) != 1 or len(rows[0].relations) != 1 or rows[0].relations[0].links:
        return None
    return rows[0].relations[0].first


def is_other(row: Row, relation: Relation) -> bool:
    r"""Whether an equation is the second of two: `f = x \text{ or } f = 2 x`."""
    return relation is not row.relations[0] and any(
        remark.text.strip(" ,.").lower() in ("or", "or else")
        and remark.span[1] <= relation.span[0] <= remark.span[1] + 2
        for remark in row.remarks
    )


def unsigned(tree: Expr) -> Expr:
    """Return what stands behind brackets and minus signs."""
    while isinstance(tree, Group | Negative):
        tree = tree.of
    return tree


def words_of(tex: str) -> str:
    r"""Return the words of a remark before a formula: "since" of `\text{since } t_k = 1`."""
    return re.sub(r"\\[a-zA-Z]+\s*\{|[{}()$]", " ", tex)
