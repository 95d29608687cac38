"""Pieces of a walk through a document: paragraphs, sides, what a formula is by itself."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from softxent.derive.document import Formula
from softxent.derive.trees import Expr, Group, Link, Negative, Number, Relation, Row, Symbol
from softxent.derive.understand.cases import is_range
from softxent.derive.understand.outline import Side


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
    if [link.relation for link in relation.links] == ["to"] and _limit(relation.links[0].right):
        return False
    return (
        not is_range(relation)
        and any(link.relation in ("=", "define", "to") for link in relation.links)
        and (relation.first is not None or bool(relation.links))
    )


def _limit(tree: Expr) -> bool:
    inner = unsigned(tree)
    return isinstance(inner, Number) or (isinstance(inner, Symbol) and inner.name == "infty")


def only(rows: tuple[Row, ...]) -> Expr | None:
    """Return the expression that some rows are, where they are nothing else."""
    if len(rows) != 1 or len(rows[0].relations) != 1 or rows[0].relations[0].links:
        return None
    return rows[0].relations[0].first


def unsigned(tree: Expr) -> Expr:
    """Return what stands behind brackets and minus signs."""
    while isinstance(tree, Group | Negative):
        tree = tree.of
    return tree


def words_of(tex: str) -> str:
    r"""Return the words of a remark before a formula: "since" of `\text{since } t_k = 1`."""
    return re.sub(r"\\[a-zA-Z]+\s*\{|[{}()$]", " ", tex)
