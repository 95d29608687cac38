"""Shapes by the company that letters keep: what is a vector or a matrix, though nothing says so."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from softxent.derive.trees import (
    Applied,
    Derivative,
    Expr,
    Gradient,
    Indicator,
    Matrix,
    Negative,
    Opaque,
    Over,
    Product,
    Quotient,
    Sum,
    Symbol,
    Transpose,
    Tuple,
)
from softxent.derive.understand.symbols import bare, base_name, is_bold, is_word

if TYPE_CHECKING:
    from softxent.derive.understand.book import Book

_WEIGHTS = frozenset("W U V Theta".split())
_ROUNDS = 4


class Shapes:
    """What the products, transposes and sums of a document show.

    rank: of letters written without a subscript, by name: 1 for a vector, 2 for a matrix.
    linear: whether the document writes any vector or matrix whole.
    """

    def __init__(self, trees: Iterable[Expr]) -> None:
        self.rank: dict[str, int] = {}
        self.linear = False
        nodes = [node for tree in trees for node in tree.walk()]
        self._indices: set[str] = set()
        for node in nodes:
            if isinstance(node, Symbol):
                self._indices |= {base_name(s) for s in node.subs if isinstance(s, Symbol)}
        for node in nodes:
            if isinstance(node, Transpose):
                self.linear = True
                inner = bare(node.of)
                if isinstance(inner, Symbol):
                    self._enter(inner)
            elif isinstance(node, Applied) and node.head.name.lower() in ("softmax", "logsoftmax"):
                self._argument(node)
            elif isinstance(node, Matrix) or (isinstance(node, Symbol) and is_bold(node)):
                self.linear = True
        for _ in range(_ROUNDS):
            before = len(self.rank)
            for node in nodes:
                if isinstance(node, Product):
                    self._product(node)
                elif isinstance(node, Sum):
                    self._sum(node)
            if len(self.rank) == before:
                break

    def _argument(self, node: Applied) -> None:
        """A letter in the bracket of a softmax is a vector."""
        for one in node.arguments:
            inner = bare(one)
            inner = bare(inner.of) if isinstance(inner, Negative) else inner
            inner = bare(inner.above) if isinstance(inner, Quotient) else inner
            if isinstance(inner, Symbol) and len(node.arguments) == 1:
                if base_name(inner) not in self._indices:  # the class b of o_b = softmax(b)
                    self._enter(inner, 2 if inner.name.isupper() else 1)

    def _enter(self, symbol: Symbol, rank: int = 0) -> None:
        if not symbol.subs and not is_word(symbol.name):
            rank = rank or (2 if symbol.name.isupper() else 1)
            self.rank.setdefault(base_name(symbol), rank)

    def _product(self, node: Product) -> None:
        """`W x` with a bold x, `w^T x`, `X^T y`: what stands beside a vector or a transpose."""
        if node.elementwise:
            ranks = [self.of(factor) for factor in node.factors]
            known = next((rank for rank in ranks if rank), None)
            for factor in node.factors:
                inner = bare(factor)
                if known and isinstance(inner, Symbol) and len(inner.name) == 1:
                    self._enter(inner, known)
            return
        for one, other in zip(node.factors, node.factors[1:], strict=False):
            one, beside = bare(one), bare(other.of if isinstance(other, Transpose) else other)
            if not isinstance(beside, Symbol):
                continue
            if isinstance(one, Transpose) and isinstance(bare(one.of), Symbol):
                self._enter(beside)
            elif isinstance(one, Symbol) and one.name.isupper() and len(one.name) == 1:
                if is_bold(beside) or base_name(one) in self.rank:
                    self._enter(one)
                    self._enter(beside)

    def _sum(self, node: Sum) -> None:
        """`W a + b`: what is added to a vector is one."""
        for term in node.terms:
            if isinstance(term, Product) and isinstance(term.factors[0], Symbol):
                if term.factors[0].name in _WEIGHTS and self.of(term) == 1:
                    break
        else:
            return
        for term in node.terms:
            inner = bare(term.of if isinstance(term, Negative) else term)
            if isinstance(inner, Symbol) and inner.name.islower() and len(inner.name) == 1:
                self._enter(inner, 1)

    def of(self, tree: Expr) -> int | None:
        """Return the rank of an expression, None where nothing shows it."""
        tree = bare(tree)
        if isinstance(tree, Symbol):
            if tree.subs:
                return None
            if is_bold(tree):
                return 2 if tree.name.isupper() else 1
            return self.rank.get(base_name(tree))
        if isinstance(tree, Transpose | Negative):
            return self.of(tree.of)
        if isinstance(tree, Derivative) and tree.of is not None:
            return sum(self.of(by) or 0 for by in tree.by) + (self.of(tree.of) or 0) or None
        if isinstance(tree, Sum):
            return next((rank for rank in map(self.of, tree.terms) if rank), None)
        if isinstance(tree, Product):
            if tree.elementwise:
                return next((rank for rank in map(self.of, tree.factors) if rank), None)
            return self._of_product(tree.factors)
        return None

    def _of_product(self, factors: tuple[Expr, ...]) -> int | None:
        rank: int | None = None
        row = False
        for factor in factors:
            other = self.of(factor)
            lies = isinstance(bare(factor), Transpose)
            if not other:
                continue
            if rank is None:
                rank, row = other, lies and other == 1
            elif rank == 1 and other == 1:
                rank = 0 if row else 2
            elif rank and other:
                rank = rank + other - 2
        return rank


def unclear(book: Book, trees: Iterable[Expr]) -> str:
    """Return the first symbol whose shape is only guessed, "" where all of them are evident.

    Evident are numbers, sizes, elements that always have so many indices, and vectors in bold.
    """
    trees = tuple(trees)
    if not any(book.letters.split(node)[1] for node in _symbols(trees)):
        return next((book.tex(node) for node in _symbols(trees)), "")  # all of it is vectors
    for tree in trees:
        found = _guessed(book, tree)
        if found:
            return found
    return ""


def _symbols(trees: Iterable[Expr]) -> list[Symbol]:
    return [node for tree in trees for node in tree.walk() if isinstance(node, Symbol)]


def _guessed(book: Book, tree: Expr) -> str:
    if isinstance(tree, Symbol):
        name, indices = book.letters.split(tree)
        if name in ("e", "\\pi") and not book.known(name):
            return ""
        if is_bold(tree):
            return "" if not indices and tree.name.islower() else book.tex(tree)
        if indices:
            same = book.letters.arities.get(name, set()) == {len(indices)}
            return "" if same or tree.name == "delta" else book.tex(tree)
        plain = book.size(name, 0) or name in book.letters.bound
        return "" if plain or book.lost_index(name) else book.tex(tree)
    if isinstance(tree, Applied | Derivative | Gradient | Opaque | Matrix | Tuple):
        return book.tex(tree)
    if isinstance(tree, Over | Indicator):
        return ""
    return next((found for found in (_guessed(book, part) for part in tree.parts()) if found), "")
