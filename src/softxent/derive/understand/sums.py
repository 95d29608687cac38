"""Big operators: what they run over, and how far they reach."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING

from softxent.derive.core import Compare, Index, Real, Times, Total
from softxent.derive.trees import (
    Big,
    Expr,
    Negative,
    Number,
    Over,
    Relation,
    Sum,
    Symbol,
    Tuple,
)
from softxent.derive.understand import labels
from softxent.derive.understand.reach import free_letters
from softxent.derive.understand.sets import size_place
from softxent.derive.understand.symbols import bare, base_name, is_bold, mean_size
from softxent.derive.understand.values import (
    Mismatch,
    NotDefined,
    Unreadable,
    Value,
    elementwise,
    scalar,
)

if TYPE_CHECKING:
    from softxent.derive.understand.translate import Translator

_KINDS = {"sum": "sum", "prod": "product", "max": "max", "min": "min", "mean": "mean", "E": "mean"}


def big(t: Translator, tree: Big) -> Value:
    """Return a sum, product, maximum or mean."""
    if tree.name not in _KINDS:
        raise NotDefined(tree.name, tree.span)
    kind = _KINDS[tree.name]
    over = _turned(t, tree)
    if isinstance(tree.of, Tuple) and kind in ("max", "min") and not over.index:
        from softxent.derive.understand import functions

        return functions.largest_of(t, kind, tree.of)
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
    inside = {base_name(node) for node in tree.of.walk() if isinstance(node, Symbol)}
    if tree.name == "E" and not inside & set(names):
        raise NotDefined("E", tree.span)  # over what p says, not over an index p
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
        elif _endless(tree, over, name):
            t.join(place, f"endless/{name}")
        if _counts_elsewhere(t, name):
            t.join(place, f"endless/{name}")
        core = t.fresh() if (t.parameters or name == "·e") else name
        if bounds.size in t.single and bounds.size is not None:
            core = "·one"
        places.append(place)
        lettered.append((core, place))
    for name, pair in zip(names, lettered, strict=True):
        t.bound[name] = pair
    try:
        weights: list[Real | None] = []
        conditions = _conditions(t, over, names, weights)
        if weights and kind != "sum":
            raise Unreadable("\\" + tree.name, "a condition with a label", tree.span)
        inside_conditions = len(t.conditions)
        value = t.value(tree.of)
        if value.rank and kind == "sum":
            _carried(t, tree, value, names)
        conditions += t.conditions[inside_conditions:]
        del t.conditions[inside_conditions:]
    finally:
        for name, old in before.items():
            if old is None:
                del t.bound[name]
            else:
                t.bound[name] = old

    def total(real: Real) -> Real:
        if weights:
            real = Times((*(one for one in weights if one is not None), real))
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


def _carried(t: Translator, tree: Big, value: Value, names: list[str]) -> None:
    """Refuse a sum over i of something that has an index elsewhere, but not here."""
    inside = free_letters(t, tree.of)
    bold = any(isinstance(node, Symbol) and is_bold(node) for node in tree.of.walk())
    if not bold and not inside & set(names) and not t.book.letters.linear:
        message = f"a sum over {', '.join(names)} of something that does not depend on it"
        raise Mismatch(message, span=tree.span)


def _endless(tree: Big, over: Over, name: str) -> bool:
    r"""Whether nothing tells how far a letter runs: `\sum_m T_i`. It is as far everywhere, then."""
    return not _used(tree, name) and over.upper is None and over.lower is None


def _counts_elsewhere(t: Translator, name: str) -> bool:
    r"""Whether a letter only counts in this step: \sum_i y_i + \sum_{i=1}^K 1/K is about K y's."""
    return any(
        node.name == "sum" and not _used(node, name)
        for statement in t.book.outline.statements[t.number : t.number + 1]  # none of a repair's
        for side in statement.sides
        for node in side.tree.walk()
        if isinstance(node, Big) and any(base_name(one) == name for one in node.over.index)
    )


def _used(tree: Big, name: str) -> bool:
    return any(isinstance(node, Symbol) and base_name(node) == name for node in tree.of.walk())


def sized(t: Translator, factors: tuple[Expr, ...]) -> tuple[Expr, ...]:
    r"""Return the factors with the N of `\frac{1}{N} \sum_p` as the end of the sum."""
    out = list(factors)
    for at, (one, other) in enumerate(pairwise(factors)):
        size = mean_size(one, other)
        if size is not None and isinstance(other, Big):
            if base_name(size) in t.book.letters.sizes:
                out[at + 1] = replace(other, over=replace(other.over, relation="=", upper=size))
    return tuple(out)


def _turned(t: Translator, tree: Big) -> Over:
    r"""Return what runs: in `\sum_{i \neq j}` it is j where i is free in the step."""
    over = tree.over
    if over.relation != "neq" or len(over.index) != 1 or not isinstance(over.lower, Symbol):
        return over
    one, other = base_name(over.index[0]), base_name(over.lower)
    taken = t.outside | set(t.bound) | set(t.free)
    inside = free_letters(t, tree.of)
    swap = one in taken and other not in taken
    if one not in taken and other not in taken:
        swap = other in inside and one not in inside
    if swap and not over.lower.subs:
        return replace(over, index=(over.lower,), lower=over.index[0])
    return over


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
        if isinstance(over.lower, Symbol) and "mathbb" in over.lower.accents:
            raise Unreadable("\\sum", "a sum without an end", over.span)
        if isinstance(over.lower, Symbol):
            out.size = base_name(over.lower)
            if not over.lower.subs:
                out.place = size_place(out.size)
        return out
    upper = over.upper
    start = over.lower if over.relation == "=" else None
    if isinstance(start, Symbol) and upper is None:
        return out  # the sum over j = i, one of two cases: see _conditions
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


def _conditions(
    t: Translator, over: Over, names: list[str], weights: list[Real | None]
) -> list[Compare]:
    """Return the comparisons under a sum; those with a label go into the weights."""
    out: list[Compare] = []
    only = over.relation == "=" and over.upper is None and isinstance(over.lower, Symbol)
    if only and over.lower is not None:
        right, place = t.index(over.lower)
        for name in names:
            if place:
                t.join(t.bound[name][1], place)
            out.append(Compare("eq", Index(t.bound[name][0]), right))
    if over.relation in ("neq", "lt", "le", "gt", "ge") and over.lower is not None:
        others = over.lower.items if isinstance(over.lower, Tuple) else (over.lower,)
        for other in others:
            if labels.is_label(t, other) and over.relation == "neq":
                weights += [labels.compared(t, "neq", index, other) for index in over.index]
                continue
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
    if not letters and tree.name in ("max", "min"):
        letters = sorted(inside)  # z_i - \max(z_i): the largest of all of them
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
