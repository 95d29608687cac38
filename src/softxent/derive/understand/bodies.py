"""What stands in the body of a possible definition: numbers, lists, the head itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

from softxent.derive.trees import (
    Applied,
    Big,
    Ellipsis,
    Expr,
    Group,
    Matrix,
    Negative,
    Opaque,
    Product,
    Relation,
    Sum,
    Symbol,
    Transpose,
    Tuple,
    Unsupported,
)
from softxent.derive.understand.reach import letters_free
from softxent.derive.understand.symbols import bare

if TYPE_CHECKING:
    from softxent.derive.understand.book import Book


def assigned(head: Symbol | Applied, body: Expr) -> bool:
    """Whether it puts a new value in the place of the old: w = w - eta g, k = k + 1."""
    terms = body.terms if isinstance(body, Sum) else ()
    return any((term.of if isinstance(term, Negative) else term) == head for term in terms)


def scaled(head: Applied, body: Expr) -> bool:
    r"""Whether it puts a multiple in the place of the old value: \Delta(i) = \Delta(i) * \eta."""
    return isinstance(body, Product) and head in body.factors


def solves(head: Symbol, body: Expr) -> bool:
    """Whether the head itself stands in the body, and not as a term or a factor of a term.

    `v = b v + c g` gives v a new value; `z = e^z / S` is an equation for z, or a slip.
    """
    terms = body.terms if isinstance(body, Sum) else (body,)
    rest: list[Expr] = []
    for term in terms:
        term = bare(term.of if isinstance(term, Negative) else term)
        factors = term.factors if isinstance(term, Product) else (term,)
        rest += [one for one in factors if one != head]
    if len(rest) < len(terms):
        return False
    return any(node == head for one in rest for node in one.walk())


def stray(book: Book, tree: Expr, names: set[str]) -> bool:
    """Whether a body lacks some of the letters that its head has."""
    return bool(names - letters_free(tree, book.letters.split))


def is_delta(head: Symbol) -> bool:
    """Whether it is a Kronecker delta."""
    if head.name == "delta" and len(head.subs) == 2:
        return True
    return (
        len(head.subs) == 1 and isinstance(head.subs[0], Relation) and head.name in ("delta", "1")
    )


def numbers(body: Expr) -> bool:
    """Whether there is nothing but numbers in a body."""
    return not any(isinstance(node, Symbol | Opaque | Big) for node in body.walk())


def listed(body: Expr) -> bool:
    """Whether it is a vector or matrix written by its entries."""
    inner = bare(body)
    if isinstance(inner, Transpose):
        inner = bare(inner.of)
    return isinstance(inner, Tuple | Matrix) or (
        isinstance(inner, Group) and isinstance(inner.of, Tuple | Matrix)
    )


def mentions(book: Book, body: Expr, name: str, arity: int) -> bool:
    """Whether a body holds a quantity itself."""
    for node in body.walk():
        if isinstance(node, Symbol):
            other, indices = book.letters.split(node)
            if other == name and book.rank(other, len(indices)) == arity:
                return True
    return False


def calls_itself(head: Applied, body: Expr) -> bool:
    """Whether the body of f(x) = ... calls f: that says something of f, and defines nothing."""
    return any(
        isinstance(node, Applied)
        and node.head == head.head
        and len(node.arguments) == len(head.arguments)
        for node in body.walk()
    )


def recurs(head: Applied, body: Expr) -> bool:
    r"""Whether it is a step of a recursion: \theta(i + 1) = \theta(i) + ..."""
    letters = {node for one in head.arguments for node in one.walk() if isinstance(node, Symbol)}
    shifted = all(isinstance(bare(one), Sum) for one in head.arguments)
    return shifted and any(
        isinstance(node, Applied)
        and node.head == head.head
        and node.arguments != head.arguments
        and {part for one in node.arguments for part in one.walk() if isinstance(part, Symbol)}
        == letters
        for node in body.walk()
    )


def others(book: Book, body: Expr, symbol: Symbol) -> bool:
    """Whether a body holds a symbol's quantity otherwise than in that very form."""
    name, indices = book.letters.split(symbol)
    for node in body.walk():
        if isinstance(node, Big) and indices and symbol in node.of.walk():
            if not node.over.index or any(one in indices for one in node.over.index):
                return True  # z_i - \max(z_i): all of them are meant
        if isinstance(node, Symbol) and node != symbol and book.letters.split(node)[0] == name:
            return True
    return any(isinstance(node, Ellipsis) for node in body.walk())


def readable(body: Expr) -> bool:
    """Whether a body has nothing in it that is no analysis, or that the parser did not read."""
    return not any(
        isinstance(node, Unsupported | Opaque) or (isinstance(node, Big) and node.name == "E")
        for node in body.walk()
    )
