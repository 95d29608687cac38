"""Big operators: what they run over, and how far they reach."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from softxent.derive.core import Compare, Index, Real, Total
from softxent.derive.trees import (
    Big,
    Derivative,
    Expr,
    Negative,
    Number,
    Over,
    Product,
    Relation,
    Sum,
    Symbol,
    Tuple,
)
from softxent.derive.understand.letters import bare, base_name, is_bold
from softxent.derive.understand.sets import size_place
from softxent.derive.understand.values import NotDefined, Unreadable, Value, elementwise, scalar

if TYPE_CHECKING:
    from softxent.derive.understand.translate import Translator

_KINDS = {"sum": "sum", "prod": "product", "max": "max", "min": "min", "mean": "mean", "E": "mean"}


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


def big(t: Translator, tree: Big) -> Value:
    """Return a sum, product, maximum or mean."""
    if tree.name not in _KINDS:
        raise NotDefined(tree.name, tree.span)
    kind = _KINDS[tree.name]
    over = tree.over
    if isinstance(tree.of, Tuple) and kind in ("max", "min") and not over.index:
        from softxent.derive.understand import calls

        return calls.largest_of(t, kind, tree.of)
    if not over.index:
        vector = _of_vector(t, tree, kind)
        if vector is not None:
            return vector
        over = replace(over, index=(guessed(t, tree),))
        t.notes.append(
            (
                "sum-no-index",
                f"the sum does not say what runs; read as over {base_name(over.index[0])}",
            )
        )
    names = [base_name(letter) for letter in over.index]
    before = {name: t.bound.get(name) for name in names}
    outer = {name for name in names if name in t.bound or name in t.outside}
    for name in sorted(outer):
        t.notes.append(
            ("letter-shadowed", f"the letter {name} is free and also runs in a sum of this step")
        )
    places = []
    bounds = limits(t, over)
    lettered: list[tuple[str, str]] = []
    for name in names:
        place = t.binder(name)
        t.book.sets.find(place)
        if bounds.place:
            t.join(place, bounds.place)
        core = t.fresh() if (t.parameters or name == "·e") else name
        if bounds.size in t.single and bounds.size is not None:
            core = "·one"
        places.append(place)
        lettered.append((core, place))
    for name, pair in zip(names, lettered, strict=True):
        t.bound[name] = pair
    try:
        conditions = _conditions(t, over, names)
        inside_conditions = len(t.conditions)
        value = t.value(tree.of)
        conditions += t.conditions[inside_conditions:]
        del t.conditions[inside_conditions:]
    finally:
        for name, old in before.items():
            if old is None:
                del t.bound[name]
            else:
                t.bound[name] = old

    def total(real: Real) -> Real:
        for at in range(len(lettered) - 1, -1, -1):
            core, place = lettered[at]
            if core == "·one":
                continue
            mine = tuple(conditions) if at == len(lettered) - 1 else ()
            real = Total(
                kind,  # type: ignore[arg-type]
                core,
                t.set_name(place),
                real,
                mine,
                bounds.lower,
                bounds.upper,
            )
        return real

    return elementwise([value], t.join, lambda reals: total(reals[0]))


class Limits:
    """From where to where a letter runs."""

    def __init__(self) -> None:
        self.lower: Index | None = None
        self.upper: Index | None = None
        self.place: str | None = None
        self.size: str | None = None


def limits(t: Translator, over: Over) -> Limits:
    """Return the bounds of a big operator; None where it runs over the whole set."""
    out = Limits()
    if over.relation == "in" and over.lower is not None:
        if isinstance(over.lower, Symbol):
            out.size = base_name(over.lower)
            if not over.lower.subs:
                out.place = size_place(out.size)
        return out
    upper = over.upper
    start = over.lower if over.relation == "=" else None
    first = int(start.value) if isinstance(start, Number) else None
    if start is not None and first is None:
        out.lower, _ = t.index(start)
    if isinstance(upper, Number):
        out.place = size_place(str(upper.value))
        if first is not None and first not in (0, 1):
            out.lower = Index("", first)
        return out
    if isinstance(upper, Symbol) and not (base_name(upper) in t.bound or _is_letter(t, upper)):
        out.size = base_name(upper)
        out.place = size_place(out.size)
        if first is not None and first not in (0, 1):
            out.lower = Index("", first)
        return out
    if isinstance(upper, Sum) and first == 0 and isinstance(upper.terms[0], Symbol):
        if _minus_one(upper):
            out.size = base_name(upper.terms[0])
            out.place = size_place(out.size)
            return out
    if upper is not None:
        if isinstance(upper, Sum) and isinstance(upper.terms[0], Symbol):
            name = base_name(upper.terms[0])
            if name in t.book.letters.sizes and name not in t.bound and name not in t.free:
                raise Unreadable("\\sum", f"a sum that ends before {name}", upper.span)
        out.upper, place = t.index(upper)
        out.place = place
        if first is not None and first > 1:
            out.lower = Index("", first)
    elif first is not None and first > 1:
        out.lower = Index("", first)
    return out


def _minus_one(tree: Sum) -> bool:
    return (
        len(tree.terms) == 2
        and isinstance(tree.terms[1], Negative)
        and isinstance(tree.terms[1].of, Number)
        and tree.terms[1].of.value == 1
    )


def _is_letter(t: Translator, symbol: Symbol) -> bool:
    """Whether an upper limit is an index letter of the step, as in a sum up to i."""
    name = base_name(symbol)
    if name in t.outside:
        return True
    return name in t.book.letters.in_subscripts and name.islower() and name in t.book.letters.bound


def _conditions(t: Translator, over: Over, names: list[str]) -> list[Compare]:
    out: list[Compare] = []
    if over.relation in ("neq", "lt", "le", "gt", "ge") and over.lower is not None:
        others = over.lower.items if isinstance(over.lower, Tuple) else (over.lower,)
        for other in others:
            right, place = t.index(other)
            for name in names:
                if place:
                    t.join(t.bound[name][1], place)
                out.append(Compare(over.relation, Index(t.bound[name][0]), right))  # type: ignore[arg-type]
    elif over.relation == "with" and over.lower is not None:
        several = over.lower.items if isinstance(over.lower, Tuple) else (over.lower,)
        for one in several:
            if not isinstance(one, Relation) or one.first is None:
                raise Unreadable("\\sum", "a condition that we do not read", over.span)
            out += _ordered(t, one, over.upper is not None)
    return out


def _ordered(t: Translator, relation: Relation, bounded: bool) -> list[Compare]:
    """Return the comparisons of a condition, without those that hold of every index."""
    out: list[Compare] = []
    left = relation.first
    for link in relation.links:
        right = link.right
        pair = (left, right)
        starts = isinstance(left, Number) and left.value in (0, 1) and link.relation == "le"
        starts = starts or (bounded and link.relation == "=" and isinstance(right, Number))
        ends = isinstance(right, Symbol) and base_name(right) in t.book.letters.sizes
        if not starts and not (ends and link.relation in ("le", "lt")) and None not in pair:
            out += t.compare(Relation(left, (link,), span=relation.span))
        left = right
    return out


def guessed(t: Translator, tree: Big) -> Symbol:
    """Return the letter that a sum without one runs over."""
    inside = free_letters(t, tree.of)
    declared = [letter for letter in t.book.outline.bare_sum if letter in inside]
    if declared:
        return Symbol(declared[-1])
    letters = sorted(inside - t.outside - set(t.bound))
    if len(letters) == 1:
        return Symbol(letters[0].removeprefix("\\"))
    raise Unreadable("\\" + tree.name, "what runs is not said", tree.span)


def _of_vector(t: Translator, tree: Big, kind: str) -> Value | None:
    r"""Return `\max(z)` or `\sum y`: over the elements of a vector."""
    if free_letters(t, tree.of) - t.outside - set(t.bound):
        return None
    if not any(isinstance(node, Symbol) and is_bold(node) for node in tree.of.walk()):
        if kind == "sum":
            return None
    value = t.value(bare(tree.of))
    if value.rank != 1:
        return None
    letter = t.fresh()
    of = value.at((Index(letter),))
    return scalar(Total(kind, letter, t.set_name(value.sets[0]), of))  # type: ignore[arg-type]
