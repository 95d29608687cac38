"""How far big operators reach, and which letters are free in a tree."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from softxent.derive.trees import Big, Derivative, Expr, Negative, Product, Relation, Sum, Symbol
from softxent.derive.understand.symbols import base_name

if TYPE_CHECKING:
    from softxent.derive.understand.translate import Translator


def reach(t: Translator, terms: tuple[Expr, ...]) -> list[Expr]:
    r"""Return the terms of a sum with big operators extended over what follows.

    A sum ends at the next + or -, unless that leaves its letter unbound: in
    `\sum_k t_k a - t_k z_k` the second term can only be inside.
    """
    out: list[Expr] = []
    rest = list(terms)
    while rest:
        term = rest.pop(0)
        letters = running(term)
        if rest and letters:
            strays = [letters & free_letters(t, later) for later in rest]
            open_here = t.outside | set(t.bound)
            last = max((n for n, stray in enumerate(strays) if stray - open_here), default=-1)
            either = any(stray for stray in strays)
            if last >= 0 and not t.wide:
                names = ", ".join(sorted(set().union(*strays)))
                t.notes.append(
                    (
                        "scope-extended",
                        f"the sum over {names} is read as reaching over the terms behind it, "
                        f"as {names} would be unbound otherwise; brackets would say so",
                    )
                )
                term = extended(term, rest[: last + 1])
                rest = rest[last + 1 :]
            elif either:
                t.choices += 1
                if t.wide:
                    term = extended(term, rest)
                    rest = []
        elif rest and isinstance(_operator(term), Derivative):
            t.choices += 1
            if t.wide:
                term = extended(term, rest)
                rest = []
        out.append(term)
    return out


def running(term: Expr) -> frozenset[str]:
    """Return the letters of a big operator at the end of a term."""
    found = _operator(term)
    if isinstance(found, Big):
        letters = {base_name(letter) for letter in found.over.index}
        return frozenset(letters) | running(found.of)
    return frozenset()


def _operator(term: Expr) -> Big | Derivative | None:
    """Return the operator at the end of a term whose reach is open."""
    if isinstance(term, Negative):
        return _operator(term.of)
    if isinstance(term, Product):
        return _operator(term.factors[-1])
    if isinstance(term, Big):
        return term
    if isinstance(term, Derivative) and term.operator:
        return term
    return None


def extended(term: Expr, more: list[Expr]) -> Expr:
    """Return a term whose last operator reaches over further terms."""
    if isinstance(term, Negative):
        return Negative(extended(term.of, more), span=term.span)
    if isinstance(term, Product):
        last = extended(term.factors[-1], more)
        return replace(term, factors=(*term.factors[:-1], last))
    if isinstance(term, Big):
        if _operator(term.of) is not None:
            return replace(term, of=extended(term.of, more))
        return replace(term, of=_joined(term.of, more))
    if isinstance(term, Derivative) and term.of is not None:
        return replace(term, of=_joined(term.of, more))
    return _joined(term, more)


def _joined(of: Expr, more: list[Expr]) -> Expr:
    first = of.terms if isinstance(of, Sum) else (of,)
    return Sum((*first, *more), span=(of.span[0], more[-1].span[1]))


def free_letters(t: Translator, tree: Expr) -> frozenset[str]:
    """Return the letters that a tree uses as indices and does not bind."""
    return letters_free(tree, t.book.letters.split)


def letters_free(tree: Expr, split: object) -> frozenset[str]:
    """Return the index letters that are free in a tree, by how symbols are split."""
    if isinstance(tree, Symbol):
        found: set[str] = set()
        for sub in split(tree)[1]:  # type: ignore[operator]
            for node in sub.walk():
                if isinstance(node, Symbol):
                    found.add(base_name(node))
        return frozenset(found)
    if isinstance(tree, Big):
        inner = letters_free(tree.of, split)
        own = {base_name(letter) for letter in tree.over.index}
        for bound in (tree.over.lower, tree.over.upper):
            if isinstance(bound, Relation):
                inner |= _plain_letters(bound)
            elif tree.over.relation not in ("=", "in", "") and bound is not None:
                inner |= _plain_letters(bound)
        return inner - own
    if isinstance(tree, Relation):
        return _plain_letters(tree)
    out: frozenset[str] = frozenset()
    for part in tree.parts():
        out |= letters_free(part, split)
    return out


def _plain_letters(tree: Expr) -> frozenset[str]:
    return frozenset(base_name(node) for node in tree.walk() if isinstance(node, Symbol))
