"""Single edits of an expression: what a slip of the pen would have to be undone by."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields, replace
from fractions import Fraction
from itertools import pairwise

from softxent.derive.trees import (
    Applied,
    Big,
    Call,
    Derivative,
    Expr,
    Group,
    Indicator,
    Negative,
    Node,
    Number,
    Over,
    Power,
    Product,
    Quotient,
    Relation,
    Sum,
    Symbol,
    Transpose,
)
from softxent.derive.understand.letters import base_name, is_bold

Local = Callable[[Expr], Iterator[Expr]]


@dataclass(frozen=True, slots=True)
class Pool:
    """What an edit may put in: letters of the step, elements of both sides."""

    letters: tuple[str, ...]
    elements: tuple[Expr, ...]
    unbound: tuple[str, ...] = ()
    logits: tuple[Symbol, ...] = ()
    scalars: tuple[Symbol, ...] = ()
    """Numbers and sizes of the text: T, N."""


def edits(tree: Expr, pool: Pool) -> Iterator[Expr]:
    """Yield the tree with each single edit, likely ones first."""
    seen = {tree}
    for local in _locals(pool):
        for edited in everywhere(tree, local):
            if edited not in seen:
                seen.add(edited)
                yield edited


def everywhere(tree: Expr, local: Local) -> Iterator[Expr]:
    """Yield the tree with a local edit at each of its nodes."""
    yield from local(tree)
    for part in fields(tree):
        value = getattr(tree, part.name)
        if isinstance(value, Node):
            for edited in everywhere(value, local):  # type: ignore[arg-type]
                if isinstance(tree, Derivative) and isinstance(edited, Negative):
                    continue  # nobody writes ∂(-C)
                if isinstance(edited, Symbol) or part.name not in ("head", "condition"):
                    yield replace(tree, **{part.name: edited})  # type: ignore[arg-type]
                elif isinstance(value, Relation) and isinstance(edited, Relation):
                    yield replace(tree, **{part.name: edited})  # type: ignore[arg-type]
        elif isinstance(value, tuple) and part.name not in ("span", "index"):
            for at, item in enumerate(value):
                if isinstance(item, Node):
                    for edited in everywhere(item, local):  # type: ignore[arg-type]
                        if part.name in ("by", "links") and type(edited) is not type(item):
                            continue
                        new = (*value[:at], edited, *value[at + 1 :])
                        yield replace(tree, **{part.name: new})  # type: ignore[arg-type]
                elif isinstance(item, tuple):
                    for inner, one in enumerate(item):
                        if not isinstance(one, Node):
                            continue
                        for edited in everywhere(one, local):  # type: ignore[arg-type]
                            row = (*item[:inner], edited, *item[inner + 1 :])
                            new = (*value[:at], row, *value[at + 1 :])
                            yield replace(tree, **{part.name: new})  # type: ignore[arg-type]


def _locals(pool: Pool) -> list[Local]:
    return [
        lambda tree: _argument(tree, pool),
        lambda tree: _sum_over(tree, pool),
        lambda tree: _chain_rule(tree, pool),
        _drop_big,
        lambda tree: _letter(tree, pool),
        _flip,
        lambda tree: _insert(tree, pool, inside=True),
        _drop,
        lambda tree: _condition(tree, pool),
        _bracket,
        _power,
        lambda tree: _insert(tree, pool, inside=False),
        lambda tree: _symbol(tree, pool),
        _transpose,
        _invert,
        lambda tree: _scale(tree, pool),
        _number,
    ]


def _argument(tree: Expr, pool: Pool) -> Iterator[Expr]:
    r"""\sigma(k) -> \sigma(z_k)."""
    if isinstance(tree, Applied) and len(tree.arguments) == 1:
        argument = tree.arguments[0]
        if isinstance(argument, Symbol) and not argument.subs:
            for logit in pool.logits:
                if base_name(logit) != base_name(argument):
                    yield replace(tree, arguments=(replace(logit, subs=(argument,)),))


def _sum_over(tree: Expr, pool: Pool) -> Iterator[Expr]:
    """x_o -> the sum over o of x_o."""
    if isinstance(tree, Symbol | Number | Over):
        return
    for letter in pool.unbound:
        symbol = Symbol(letter.removeprefix("\\"))
        if isinstance(tree, Product | Quotient | Sum | Big | Negative | Applied):
            of = tree if not isinstance(tree, Sum) else Group(tree)
            if isinstance(tree, Negative):
                continue
            yield Big("sum", Over((symbol,)), of, span=tree.span)


def _chain_rule(tree: Expr, pool: Pool) -> Iterator[Expr]:
    r"""`\frac{∂C}{∂y_j} \frac{∂y_j}{∂z_j}` -> the sum over k of it, with y_k."""
    if not isinstance(tree, Product):
        return
    for first, second in pairwise(tree.factors):
        if not isinstance(first, Derivative) or not isinstance(second, Derivative):
            continue
        middle = second.of
        if first.by != (middle,) or not isinstance(middle, Symbol) or len(middle.subs) != 1:
            continue
        for letter in _fresh(tree, pool):
            inner = replace(middle, subs=(letter,))
            factors = tuple(
                replace(one, by=(inner,))
                if one is first
                else replace(one, of=inner)
                if one is second
                else one
                for one in tree.factors
            )
            yield Big("sum", Over((letter,)), replace(tree, factors=factors), span=tree.span)


def _fresh(tree: Expr, pool: Pool) -> Iterator[Symbol]:
    """Yield a letter for an index that the step does not use."""
    used = {base_name(one) for one in tree.walk() if isinstance(one, Symbol)} | set(pool.letters)
    letter = next((one for one in "kjimnlopqr" if one not in used), None)
    if letter is not None:
        yield Symbol(letter)


def _drop_big(tree: Expr) -> Iterator[Expr]:
    if isinstance(tree, Big):
        yield tree.of
    if isinstance(tree, Product):
        for at, factor in enumerate(tree.factors):
            if isinstance(factor, Big):
                inner = factor.of.factors if isinstance(factor.of, Product) else (factor.of,)
                yield replace(tree, factors=(*tree.factors[:at], *inner, *tree.factors[at + 1 :]))


def _letter(tree: Expr, pool: Pool) -> Iterator[Expr]:
    """Swap one index letter for another of the step."""
    if not isinstance(tree, Symbol) or not tree.subs:
        return
    for at, sub in enumerate(tree.subs):
        if isinstance(sub, Symbol) and not sub.subs:
            for letter in pool.letters:
                if letter != base_name(sub):
                    new = Symbol(letter.removeprefix("\\"), span=sub.span)
                    yield replace(tree, subs=(*tree.subs[:at], new, *tree.subs[at + 1 :]))


def _flip(tree: Expr) -> Iterator[Expr]:
    if isinstance(tree, Sum):
        first, last = tree.terms[0], tree.terms[-1]
        if len(tree.terms) == 2 and isinstance(last, Negative) and not isinstance(first, Negative):
            yield replace(tree, terms=(last.of, Negative(first, span=first.span)))
        else:
            yield Negative(Group(tree), span=tree.span)
        for at, term in enumerate(tree.terms):
            new = term.of if isinstance(term, Negative) else Negative(term, span=term.span)
            yield replace(tree, terms=(*tree.terms[:at], new, *tree.terms[at + 1 :]))
    elif isinstance(tree, Negative):
        yield tree.of
    elif isinstance(tree, Product | Quotient | Big | Symbol | Group | Power):
        yield Negative(tree, span=tree.span)


def _insert(tree: Expr, pool: Pool, inside: bool) -> Iterator[Expr]:
    """Put in a factor: inside sums first, where letters get lost."""
    if inside:
        if isinstance(tree, Big):
            for element in pool.elements:
                of = tree.of.factors if isinstance(tree.of, Product) else (_held(tree.of),)
                yield replace(tree, of=Product((element, *of)))
        return
    if isinstance(tree, Product | Sum | Quotient | Symbol | Big | Power):
        for element in pool.elements:
            if isinstance(tree, Product):
                yield replace(tree, factors=(element, *tree.factors))
            else:
                yield Product((element, _held(tree)), span=tree.span)


def _held(tree: Expr) -> Expr:
    return Group(tree) if isinstance(tree, Sum | Negative) else tree


def _drop(tree: Expr) -> Iterator[Expr]:
    """Leave out a factor or a term."""
    if isinstance(tree, Product):
        for at in range(len(tree.factors)):
            rest = tree.factors[:at] + tree.factors[at + 1 :]
            yield rest[0] if len(rest) == 1 else replace(tree, factors=rest)
    elif isinstance(tree, Sum):
        for at in range(len(tree.terms)):
            rest = tree.terms[:at] + tree.terms[at + 1 :]
            yield rest[0] if len(rest) == 1 else replace(tree, terms=rest)
    elif isinstance(tree, Quotient):
        yield tree.above
    elif isinstance(tree, Applied) and len(tree.arguments) == 1:
        yield Group(tree.arguments[0], span=tree.span)
        yield tree.head


def _condition(tree: Expr, pool: Pool) -> Iterator[Expr]:
    """Turn a condition round, or drop it from a sum."""
    if isinstance(tree, Big) and tree.over.relation == "neq":
        yield replace(tree, over=replace(tree.over, relation="", lower=None))
        for letter in pool.letters:
            other = Symbol(letter.removeprefix("\\"))
            if other != tree.over.lower and other not in tree.over.index:
                yield replace(tree, over=replace(tree.over, lower=other))
    if isinstance(tree, Indicator) and len(tree.condition.links) == 1:
        link = tree.condition.links[0]
        turned = {"=": "neq", "neq": "="}.get(link.relation)
        if turned:
            new = Relation(tree.condition.first, (replace(link, relation=turned),))
            yield replace(tree, condition=new)


def _bracket(tree: Expr) -> Iterator[Expr]:
    """Move a bracket: a(b + c) <-> ab + c, and how far a sum reaches."""
    if isinstance(tree, Sum):
        for at in range(len(tree.terms) - 1):
            term = tree.terms[at]
            rest = tree.terms[at + 1 :]
            for wide in _widened(term, rest):
                before = tree.terms[:at]
                yield Sum((*before, wide)) if before else wide
    if isinstance(tree, Product) and isinstance(_inner(tree.factors[-1]), Sum):
        inner = _inner(tree.factors[-1])
        if isinstance(inner, Sum):
            first = Product((*tree.factors[:-1], inner.terms[0]))
            yield Group(Sum((first, *inner.terms[1:])))
    if isinstance(tree, Big) and isinstance(_inner(tree.of), Sum):
        inner = _inner(tree.of)
        if isinstance(inner, Sum):
            yield Group(Sum((replace(tree, of=inner.terms[0]), *inner.terms[1:])))
    if isinstance(tree, Derivative) and tree.of is not None and isinstance(_inner(tree.of), Sum):
        inner = _inner(tree.of)
        if isinstance(inner, Sum):
            yield Group(Sum((replace(tree, of=inner.terms[0]), *inner.terms[1:])))


def _widened(term: Expr, rest: tuple[Expr, ...]) -> Iterator[Expr]:
    if isinstance(term, Negative):
        for wide in _widened(term.of, rest):
            yield Negative(wide)
    elif isinstance(term, Product):
        yield replace(term, factors=(*term.factors[:-1], Group(Sum((term.factors[-1], *rest)))))
        if isinstance(term.factors[-1], Big):
            for wide in _widened(term.factors[-1], rest):
                yield replace(term, factors=(*term.factors[:-1], wide))
    elif isinstance(term, Big):
        yield replace(term, of=Group(Sum((term.of, *rest))))
    elif isinstance(term, Quotient):
        yield replace(term, above=Sum((term.above, *rest)))
        yield replace(term, below=Sum((term.below, *rest)))


def _inner(tree: Expr) -> Expr:
    return tree.of if isinstance(tree, Group) and tree.kind in ("(", "[") else tree


def _symbol(tree: Expr, pool: Pool) -> Iterator[Expr]:
    """Take another quantity of the step instead."""
    if isinstance(tree, Symbol) and tree.subs:
        for element in pool.elements:
            if isinstance(element, Symbol) and len(element.subs) == len(tree.subs):
                if base_name(element) != base_name(tree):
                    yield replace(element, subs=tree.subs, span=tree.span)


def _power(tree: Expr) -> Iterator[Expr]:
    if isinstance(tree, Power) and isinstance(tree.exponent, Number):
        yield tree.base
    elif isinstance(tree, Symbol | Group | Applied | Call | Big):
        held = Group(tree) if isinstance(tree, Big) else tree
        yield Power(held, Number(Fraction(2)), span=tree.span)


def _transpose(tree: Expr) -> Iterator[Expr]:
    if isinstance(tree, Transpose):
        yield tree.of
    elif isinstance(tree, Symbol) and not tree.subs and (tree.name.isupper() or is_bold(tree)):
        yield Transpose(tree, span=tree.span)
    elif isinstance(tree, Applied) and len(tree.arguments) == 1:
        for head in _transpose(tree.head):
            yield Product((head, Group(tree.arguments[0])), span=tree.span)


def _invert(tree: Expr) -> Iterator[Expr]:
    if isinstance(tree, Quotient):
        yield Quotient(tree.below, tree.above, span=tree.span)
    if isinstance(tree, Product):
        for at, factor in enumerate(tree.factors):
            rest = tree.factors[:at] + tree.factors[at + 1 :]
            if not isinstance(factor, Big | Number):
                above = rest[0] if len(rest) == 1 else Product(rest)
                yield Quotient(above, factor, span=tree.span)
    if isinstance(tree, Group) and isinstance(tree.of, Symbol):
        yield replace(tree, of=Sum((Number(Fraction(1)), Negative(tree.of))))


def _scale(tree: Expr, pool: Pool) -> Iterator[Expr]:
    """Divide by a number of the text that got lost: 1/N, 1/T."""
    if isinstance(tree, Product | Sum | Quotient | Big | Symbol | Group):
        for number in pool.scalars:
            if isinstance(tree, Big | Product):
                one = Quotient(Number(Fraction(1)), number)
                rest = tree.factors if isinstance(tree, Product) else (tree,)
                yield Product((one, *rest), span=tree.span)
            else:
                yield Quotient(tree, number, span=tree.span)


def _number(tree: Expr) -> Iterator[Expr]:
    if isinstance(tree, Product | Quotient | Big):
        yield Product((Number(Fraction(2)), _held(tree)), span=tree.span)
        yield Quotient(tree, Number(Fraction(2)), span=tree.span)
    elif isinstance(tree, Number):
        for step in (1, -1):
            yield replace(tree, value=tree.value + step)
