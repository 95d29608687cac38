"""Letters that are numbers in one statement, whatever they are elsewhere."""

from __future__ import annotations

from typing import TYPE_CHECKING

from softxent.derive.trees import Applied, Derivative, Expr, Symbol, Transpose
from softxent.derive.understand.symbols import FUNCTION_LETTERS, base_name, is_bold, is_word

if TYPE_CHECKING:
    from softxent.derive.understand.book import Book, Function


def of(book: Book, trees: list[Expr]) -> frozenset[str]:
    """Return the letters that are numbers in a statement, though vectors elsewhere.

    In sigma(x) = 1 / (1 + e^{-x}) the x is any number, whatever x is in w^T x.
    """
    out: set[str] = set()
    for tree in trees:
        for node in tree.walk():
            if not isinstance(node, Applied):
                continue
            name, indices = book.letters.split(node.head)
            function = book.functions.get(name)
            generic = not function and name in FUNCTION_LETTERS and not book.known(name)
            if indices or not (generic or (function and _of_numbers(book, function[-1]))):
                continue
            for argument in node.arguments:
                if isinstance(argument, Symbol) and not argument.subs and not argument.sups:
                    if not is_bold(argument):
                        out.add(base_name(argument))
    if out:
        for tree in trees:
            for node in tree.walk():
                if isinstance(node, Transpose) and isinstance(node.of, Symbol):
                    out.discard(base_name(node.of))
    return frozenset(out) | _variables(book, trees)


def _variables(book: Book, trees: list[Expr]) -> set[str]:
    """Return what a formula without any other vector is differentiated by."""
    vectors: set[str] = set()
    found: set[str] = set()
    for tree in trees:
        for node in tree.walk():
            if isinstance(node, Symbol) and not is_word(node.name):
                name, indices = book.letters.split(node)
                if indices or is_bold(node) or book.rank(name, 0):
                    vectors.add(name)
            if isinstance(node, Derivative) and node.of is not None:
                inside = {base_name(n) for n in node.of.walk() if isinstance(n, Symbol)}
                for by in node.by:
                    if isinstance(by, Symbol) and not by.subs and not is_bold(by):
                        if base_name(by) in inside:
                            found.add(base_name(by))
    return found if vectors <= found else set()


def _of_numbers(book: Book, function: Function) -> bool:
    """Whether a function takes a number: nothing else in its body is a vector."""
    for node in function.body.walk():
        if isinstance(node, Transpose):
            return False
        if isinstance(node, Applied) and node.head.name.lower() in ("softmax", "logsoftmax"):
            return False
        if isinstance(node, Symbol) and node not in function.parameters:
            name, indices = book.letters.split(node)
            if book.rank(name, len(indices)) > len(indices):
                return False
    return True
