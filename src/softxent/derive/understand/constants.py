"""Quantities equal to a number: one that is put in (N = 1, t_j = 0), or one that is claimed."""

from __future__ import annotations

import re
from collections.abc import Iterable
from fractions import Fraction
from itertools import pairwise
from typing import TYPE_CHECKING

from softxent.derive.trees import (
    Applied,
    Big,
    Cases,
    Derivative,
    Expr,
    Group,
    Indicator,
    Negative,
    Number,
    Power,
    Product,
    Quotient,
    Relation,
    Remark,
    Row,
    Symbol,
)
from softxent.derive.understand.bodies import numbers
from softxent.derive.understand.symbols import bare, base_name, flat

if TYPE_CHECKING:
    from softxent.derive.understand.book import Book
    from softxent.derive.understand.outline import Fact, Statement

_PUT_IN = re.compile(
    r"\b(?:let|if|when\w*|for|set\w*|suppose\w*|assum\w*|with|where|case|given|say|tak\w+|put\w*|"
    r"plug\w*|initial\w*|start\w*|begin\w*|choos\w+|pick\w*|consider\w*|until|unless|whether|would|"
    r"could|may|might|should|want|wish|ideal\w*|perfect\w*|example|limit|only|correct|true|target|"
    r"label\w*|class\w*|certain\w*|confident|off|dead|inactive|either|or|at|as|that|which|means|"
    r"exactly|sometimes|often|probabilit\w+|extreme)\b|[^\x00-\x7f–—’“”∴⇒]",
    re.I,
)
_WHEN = re.compile(r"\b(?:when|if|for|where|at|as|with)\b", re.I)
_SINCE = re.compile(r"\b(?:since|because|uses?|using|noting(?:\s+that)?)\s*$", re.I)
_OVER = re.compile(
    r"\s*(?:[.;:)]|$|,?\s*(?:so|we|this|it|and (?:so|thus|hence)|the (?:last|first|second))\b)",
    re.I,
)
FOR_VALUES = "it is said for the values that the row gives"
_ENDS = re.compile(r"(?<=[.!?])\s+(?=[A-Z$\\(])|\n\s*\n")


def formulas_of(rows: Iterable[Row]) -> frozenset[str]:
    """Return the names of the quantities that a text gives a formula.

    Not those with cases or indicators: a target, which is 1 for one class and 0 for the others.
    """
    out: set[str] = set()
    for row in rows:
        for relation in row.relations:
            head = relation.first
            if isinstance(head, Applied):
                head = head.head
            if not isinstance(head, Symbol) or not relation.links:
                continue
            if relation.links[0].relation not in ("=", "define"):
                continue
            nodes = list(relation.links[0].right.walk())
            named = {base_name(node) for node in nodes if isinstance(node, Symbol)}
            if named - {base_name(head)} and not any(
                isinstance(n, Cases | Indicator) for n in nodes
            ):
                out.add(base_name(head))
    return frozenset(out)


def divisors(trees: Iterable[Expr]) -> frozenset[str]:
    r"""Return the letters that sums are divided by: n, in `\frac{1}{n} \sum_i`."""
    out: set[str] = set()
    for tree in trees:
        for node in tree.walk():
            if isinstance(node, Product) and any(_is_sum(one) for one in node.factors):
                below = [one.below for one in node.factors if isinstance(one, Quotient)]
            elif isinstance(node, Quotient) and _is_sum(node.above):
                below = [node.below]
            else:
                continue
            out |= {base_name(n) for one in below for n in one.walk() if isinstance(n, Symbol)}
    return frozenset(out)


def without_sizes(facts: list[Fact], statements: list[Statement], said: set[int]) -> list[Fact]:
    """Return the facts without "for one sample" where a mean over the samples comes behind it.

    said: the offsets of those that only words say.
    """
    means = [one.number for one in statements if divisors(side.tree for side in one.sides)]
    last = max(means, default=-1)
    return [
        fact
        for fact in facts
        if fact.kind != "size-one" or fact.offset not in said or fact.number > last
    ]


def _is_sum(tree: Expr) -> bool:
    tree = bare(tree)
    return isinstance(tree, Big) and tree.name == "sum"


class Constants:
    """What a document tells of numbers: which quantities have formulas, which letters run."""

    def __init__(self, rows: Iterable[Row], text: str) -> None:
        rows = list(rows)
        self.divisors = divisors(one for row in rows for one in row.relations)
        self.with_formulas = formulas_of(rows)
        self._running = running(rows)
        self._one_of_many = bool(re.search(r"(?<![A-Za-z])one[\s-]?hot\b", text, re.I))

    def claimed(
        self, head: Symbol, value: Expr, before: str, after: str, alone: bool = False
    ) -> bool:
        r"""Whether `\hat x_i = 0` is a claim: a formula says what it is, and no word puts it in.

        Also "since $t_k = 1$", where k runs in sums: a lost sum. alone: a display, so that
        `p_1 = 1` says something of the p that has a formula.
        """
        indices = [bare(sub) for sub in (*flat(head.subs), *flat(head.sups))]
        known = base_name(head) in self.with_formulas and not put_in(before, after)
        if indices and all(isinstance(one, Number) for one in indices):
            return known and alone and value in (Number(Fraction(0)), Number(Fraction(1)))
        letters = {base_name(one) for one in indices if isinstance(one, Symbol) and not one.subs}
        if not indices or len(letters) < len(indices):
            return False
        if known:
            return True
        given = bool(_SINCE.search(before)) and bool(_OVER.match(after))
        return given and letters <= self._running and not self._one_of_many


def running(rows: Iterable[Row]) -> frozenset[str]:
    """Return the letters that sums run over."""
    return frozenset(
        base_name(letter)
        for row in rows
        for relation in row.relations
        for node in relation.walk()
        if isinstance(node, Big)
        for letter in node.over.index
    )


def for_few(remark: Remark) -> bool:
    """Whether a row's remark says that it holds for a value: "when C = 2"."""
    return bool(_WHEN.search(remark.text)) and any(
        isinstance(one.first, Symbol)
        and [link.relation for link in one.links] == ["="]
        and is_value(one.links[0].right)
        for one in without_ranges(remark.formulas)
    )


def without_ranges(formulas: tuple[Relation, ...]) -> list[Relation]:
    r"""Return the formulas of a remark without the two parts of `i = 1, \dots, K`."""
    out = list(formulas)
    for one, other in pairwise(formulas):
        begins = len(one.links) == 1 and isinstance(one.links[0].right, Number)
        if begins and not other.links and isinstance(other.first, Symbol | Number):
            out = [rest for rest in out if rest is not one and rest is not other]
    return out


def put_in(before: str, after: str = "") -> bool:
    """Whether a sentence has words that put a value in, or speak of one value of many."""
    sentence = _ENDS.split(before)[-1] + " " + _ENDS.split(after)[0]
    words = re.sub(r"\$[^$]*\$", " ", sentence).split("$")[0]
    return bool(_PUT_IN.search(words))


def value_claimed(book: Book, statement: Statement, name: str, arity: int, body: Expr) -> bool:
    r"""Whether `f = \frac{1}{2}` is a claim: f has a formula, and the text puts no numbers in."""
    known = book.definitions.get((name, arity), ())
    earlier = [one for one in known if one.number < statement.number and not numbers(one.body)]
    if not earlier or book.outline.examples or statement.opens or statement.doubt:
        return False
    return is_fraction(body) and not put_in(statement.cue)


def is_fraction(tree: Expr) -> bool:
    r"""Whether it is one number as it is written: 2, -1/2, 1/(1); not 2 \cdot 3 + 1."""
    tree = bare(tree)
    if isinstance(tree, Negative):
        return is_fraction(tree.of)
    if isinstance(tree, Quotient):
        return is_fraction(tree.above) and is_fraction(tree.below)
    return isinstance(tree, Number)


def is_result(relation: Relation) -> bool:
    r"""Whether it gives a derivative a number, as a worked example does: df/dy = 5."""
    if len(relation.links) != 1 or not isinstance(relation.first, Derivative):
        return False
    value = relation.links[0].right
    return is_fraction(value) and value not in (Number(Fraction(0)), Number(Fraction(1)))


def put_base(head: Expr, before: str, zero: bool = False) -> Expr:
    """Return m for `m^0` where a word puts a value in: "set $m^0 = 0$"; else the head itself.

    zero: it is said to be 0, which a power with the exponent 0 never is.
    """
    if not isinstance(head, Power) or not isinstance(head.exponent, Number):
        return head
    return head.base if put_in(before) or (zero and head.exponent.value == 0) else head


def is_value(tree: Expr) -> bool:
    r"""Whether it is a number, or the vector of zeros or ones: \mathbf 0."""
    while isinstance(tree, Group | Negative):
        tree = tree.of
    return isinstance(tree, Number) or (isinstance(tree, Symbol) and tree.name in ("0", "1"))
