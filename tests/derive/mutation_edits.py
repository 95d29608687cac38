"""Single slips of the pen, on trees: what the mutation suite puts into true steps.

Written apart from the checker's own list of repairs: what it cannot undo, it should still see.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields, replace
from fractions import Fraction

from softxent.derive.trees import (
    Applied,
    Big,
    Call,
    Cases,
    Derivative,
    Ellipsis,
    Expr,
    Gradient,
    Group,
    Indicator,
    Link,
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
    Tuple,
)

ONE, TWO = Number(Fraction(1)), Number(Fraction(2))
_TURNED = {"=": "neq", "neq": "=", "lt": "ge", "le": "gt", "gt": "le", "ge": "lt"}
_VALUES = (Product, Quotient, Power, Derivative, Applied, Call)


@dataclass(frozen=True)
class Pool:
    """What stands in a step: its index letters and its symbols with indices."""

    letters: tuple[str, ...]
    symbols: tuple[Symbol, ...]


def pool(*sides: Expr) -> Pool:
    """Collect the letters and symbols of a step."""
    letters: dict[str, None] = {}
    symbols: dict[tuple[object, ...], Symbol] = {}
    for node in (node for side in sides for node in side.walk()):
        if isinstance(node, Symbol) and node.subs and node.name != "delta":
            symbols.setdefault((node.name, node.accents, len(node.subs)), node)
            letters.update((sub.name, None) for sub in node.subs if is_letter(sub))
        if isinstance(node, Over):
            letters.update((one.name, None) for one in node.index if is_letter(one))
    return Pool(tuple(letters), tuple(symbols.values()))


def is_letter(expr: object) -> bool:
    """Whether this is a plain letter, as indices are."""
    return isinstance(expr, Symbol) and expr == Symbol(expr.name) and len(expr.name) == 1


def mutants(tree: Expr, given: Pool) -> Iterator[tuple[str, Expr]]:
    """Yield every single edit of a side: its kind and the tree it makes."""
    seen = {tree}
    for kind, local in _kinds(given):
        for edited in _everywhere(tree, local):
            if edited not in seen:
                seen.add(edited)
                yield kind, edited
    if not isinstance(tree, Sum):
        edited = tree.of if isinstance(tree, Negative) else Negative(tree)
        if edited not in seen:
            yield "flip a sign", edited


def _kinds(given: Pool) -> list[tuple[str, Callable[[Expr], Iterator[Expr]]]]:
    return [
        ("drop a factor", _drop_factor),
        ("drop a term", _drop_term),
        ("change an index", lambda tree: _change_index(tree, given)),
        ("flip a sign", _flip_sign),
        ("drop a sum", _drop_sum),
        ("add a sum", lambda tree: _add_sum(tree, given)),
        ("move a parenthesis", _parenthesis),
        ("lose a subscript", _lose_subscript),
        ("turn a fraction", _turn_fraction),
        ("drop a power", _drop_power),
        ("change a condition", _condition),
        ("log or none", _logarithm),
        ("write twice", _twice),
        ("change a number", _number),
        ("take another symbol", lambda tree: _symbol(tree, given)),
    ]


# ---------------------------------------------------------------------- everywhere in a tree
def _everywhere(tree: Expr, local: Callable[[Expr], Iterator[Expr]]) -> Iterator[Expr]:
    """Yield the tree with a local edit at each of its nodes, where the node's place allows it."""
    yield from local(tree)
    for field in fields(tree):
        if field.name == "span" or (field.name == "sups" and isinstance(tree, Symbol)):
            continue
        value = getattr(tree, field.name)
        for new in _inside(value, local, _demand(tree, field.name)):
            yield replace(tree, **{field.name: new})  # type: ignore[arg-type]


def _inside(value: object, local: Callable[[Expr], Iterator[Expr]], only: type) -> Iterator[object]:
    if isinstance(value, Node):
        for edited in _everywhere(value, local):  # type: ignore[arg-type]
            if isinstance(edited, only):
                yield edited
    elif isinstance(value, tuple):
        for at, item in enumerate(value):
            for new in _inside(item, local, only):
                yield (*value[:at], new, *value[at + 1 :])


def _demand(tree: Expr, name: str) -> type:
    """Return what may stand in a place: a head stays a symbol, a condition a condition."""
    if isinstance(tree, Applied) and name == "head":
        return Symbol
    if isinstance(tree, Derivative | Gradient) and name == "by":
        return Symbol
    if isinstance(tree, Symbol | Over | Indicator | Cases | Relation | Link) and name != "right":
        return Relation if isinstance(tree, Indicator) else Node
    return Node


# ---------------------------------------------------------------------- the kinds
def _drop_factor(tree: Expr) -> Iterator[Expr]:
    if isinstance(tree, Product):
        for at in range(len(tree.factors)):
            yield _product(tree, (*tree.factors[:at], *tree.factors[at + 1 :]))
    elif isinstance(tree, Quotient):
        yield tree.above
    elif isinstance(tree, Applied) and len(tree.arguments) == 1:
        yield Group(tree.arguments[0])
        if tree.head.subs:  # y_i (1 - y_j); f without its (x) is only another way to write it
            yield tree.head


def _drop_term(tree: Expr) -> Iterator[Expr]:
    if isinstance(tree, Sum):
        for at in range(len(tree.terms)):
            if not isinstance(tree.terms[at], Ellipsis):
                yield _sum((*tree.terms[:at], *tree.terms[at + 1 :]))


def _change_index(tree: Expr, given: Pool) -> Iterator[Expr]:
    """Take another letter; and l - 1 for l."""
    if isinstance(tree, Symbol):
        for at, sub in enumerate(tree.subs):
            for other in _other_letters(sub, given):
                yield replace(tree, subs=(*tree.subs[:at], other, *tree.subs[at + 1 :]))
        for at, sup in enumerate(tree.sups):
            bare = sup.of if isinstance(sup, Group) else sup
            if isinstance(bare, Sum) and is_letter(bare.terms[0]):
                yield replace(tree, sups=(*tree.sups[:at], bare.terms[0], *tree.sups[at + 1 :]))
    elif isinstance(tree, Over):
        for at, letter in enumerate(tree.index):
            for other in _other_letters(letter, given):
                yield replace(tree, index=(*tree.index[:at], other, *tree.index[at + 1 :]))


def _other_letters(sub: Expr, given: Pool) -> Iterator[Symbol]:
    if is_letter(sub):
        yield from (Symbol(name) for name in given.letters if sub != Symbol(name))
    elif isinstance(sub, Sum) and is_letter(sub.terms[0]):
        yield sub.terms[0]  # type: ignore[misc]


def _flip_sign(tree: Expr) -> Iterator[Expr]:
    if isinstance(tree, Sum):
        for at, term in enumerate(tree.terms):
            if not isinstance(term, Ellipsis):
                new = term.of if isinstance(term, Negative) else Negative(term)
                yield _sum((*tree.terms[:at], new, *tree.terms[at + 1 :]))
    elif isinstance(tree, Power) and not isinstance(tree.exponent, Sum):
        yield replace(tree, exponent=_opposite(tree.exponent))
    elif isinstance(tree, Group) and not isinstance(tree.of, Sum) and tree.kind in "([":
        yield replace(tree, of=_opposite(tree.of))


def _opposite(tree: Expr) -> Expr:
    return tree.of if isinstance(tree, Negative) else Negative(tree)


def _drop_sum(tree: Expr) -> Iterator[Expr]:
    if isinstance(tree, Big) and tree.name in ("sum", "prod") and not isinstance(tree.of, Tuple):
        yield tree.of


def _add_sum(tree: Expr, given: Pool) -> Iterator[Expr]:
    if (isinstance(tree, Symbol) and tree.subs) or isinstance(tree, _VALUES):
        inside = {node.name for node in tree.walk() if isinstance(node, Symbol)}
        bound = {one.name for node in tree.walk() if isinstance(node, Over) for one in node.index}
        for letter in given.letters:
            if letter in inside - bound:
                yield Big("sum", Over((Symbol(letter),)), tree)


def _parenthesis(tree: Expr) -> Iterator[Expr]:
    """Move a bracket: a (b + c) for a b + c and back, in sums, fractions, powers and functions."""
    if isinstance(tree, Sum):
        for at, term in enumerate(tree.terms[:-1]):
            head, rest = tree.terms[:at], tree.terms[at + 1 :]
            for wide in _widened(term, rest):
                yield _sum((*head, wide))
    elif isinstance(tree, Product):
        inner = _bare(tree.factors[-1])
        if isinstance(inner, Sum):
            first = _product(tree, (*tree.factors[:-1], inner.terms[0]))
            yield Group(Sum((first, *inner.terms[1:])))
    elif isinstance(tree, Power) and isinstance(_bare(tree.base), Product):
        factors = _bare(tree.base).factors  # type: ignore[union-attr]
        yield Product((*factors[:-1], replace(tree, base=factors[-1])))
    elif isinstance(tree, Big | Call) and isinstance(_bare(tree.of), Sum):
        inner = _bare(tree.of)
        yield Group(Sum((replace(tree, of=inner.terms[0]), *inner.terms[1:])))  # type: ignore[union-attr]
    elif isinstance(tree, Applied) and isinstance(tree.arguments[0], Sum):
        first, *rest = tree.arguments[0].terms
        yield Group(Sum((replace(tree, arguments=(first,)), *rest)))
    elif isinstance(tree, Call) and isinstance(_bare(tree.of), Product):
        factors = _bare(tree.of).factors  # type: ignore[union-attr]
        yield Product((replace(tree, of=factors[0]), *factors[1:]))
    elif isinstance(tree, Quotient):
        for name in ("above", "below"):
            inner = _bare(getattr(tree, name))
            if isinstance(inner, Sum) and not any(isinstance(t, Ellipsis) for t in inner.terms):
                short = replace(tree, **{name: inner.terms[-1]})
                yield Group(Sum((*inner.terms[:-1], short)))


def _widened(term: Expr, rest: tuple[Expr, ...]) -> Iterator[Expr]:
    if isinstance(term, Negative):
        yield from (Negative(wide) for wide in _widened(term.of, rest))
    elif isinstance(term, Product):
        yield replace(term, factors=(*term.factors[:-1], Group(Sum((term.factors[-1], *rest)))))
    elif isinstance(term, Symbol) and term.subs:
        yield Product((term, Group(Sum((ONE, *rest)))))  # a + b for a (1 + b)
    elif isinstance(term, Big | Call) and not isinstance(term.of, Tuple):
        yield replace(term, of=Group(Sum((term.of, *rest))))
    elif isinstance(term, Quotient):
        yield replace(term, above=_sum((term.above, *rest)))


def _lose_subscript(tree: Expr) -> Iterator[Expr]:
    if isinstance(tree, Symbol):
        for name in ("subs", "sups"):
            held = getattr(tree, name)
            for at in range(len(held)):
                if held[at] != Symbol("T"):
                    yield replace(tree, **{name: (*held[:at], *held[at + 1 :])})


def _turn_fraction(tree: Expr) -> Iterator[Expr]:
    if isinstance(tree, Quotient):
        yield replace(tree, above=tree.below, below=tree.above)


def _drop_power(tree: Expr) -> Iterator[Expr]:
    if isinstance(tree, Power) and isinstance(_bare(tree.exponent), Number | Negative):
        yield tree.base
    elif isinstance(tree, Derivative) and len(tree.by) > 1:
        yield replace(tree, by=tree.by[:1])


def _condition(tree: Expr) -> Iterator[Expr]:
    """Turn = and ≠ round; let a sum begin at 2, or end one earlier or at all."""
    if isinstance(tree, Relation) and len(tree.links) == 1:
        link = tree.links[0]
        if link.relation in _TURNED:
            yield replace(tree, links=(replace(link, relation=_TURNED[link.relation]),))
    elif isinstance(tree, Over):
        if tree.relation == "neq":
            yield replace(tree, relation="", lower=None)
            yield replace(tree, relation="=")
        elif tree.relation == "=" and isinstance(tree.lower, Number):
            yield replace(tree, lower=replace(tree.lower, value=tree.lower.value + 1))
    elif isinstance(tree, Cases) and len(tree.rows) == 2:
        (first, one), (second, other) = tree.rows
        yield replace(tree, rows=((second, one), (first, other)))


def _logarithm(tree: Expr) -> Iterator[Expr]:
    """Lose a logarithm or an exponential, or take one too many."""
    if isinstance(tree, Call) and tree.name in ("log", "ln", "exp"):
        yield Group(tree.of) if isinstance(tree.of, Sum) else tree.of
    elif isinstance(tree, Power) and tree.base == Symbol("e"):
        yield Group(tree.exponent) if isinstance(tree.exponent, Sum) else tree.exponent
    elif isinstance(tree, Symbol) and tree.subs and tree.name != "delta":
        yield Call("log", tree)


def _twice(tree: Expr) -> Iterator[Expr]:
    if isinstance(tree, Sum):
        for at, term in enumerate(tree.terms):
            if not isinstance(term, Ellipsis):
                yield _sum((*tree.terms[:at], term, *tree.terms[at:]))
    elif isinstance(tree, Product):
        for at, factor in enumerate(tree.factors):
            yield replace(tree, factors=(*tree.factors[:at], factor, *tree.factors[at:]))


def _number(tree: Expr) -> Iterator[Expr]:
    if isinstance(tree, Number):
        yield replace(tree, value=tree.value + 1)


def _symbol(tree: Expr, given: Pool) -> Iterator[Expr]:
    """t_k for y_k."""
    if isinstance(tree, Symbol) and tree.subs and tree.name != "delta":
        for other in given.symbols:
            same = (other.name, other.accents) == (tree.name, tree.accents)
            if len(other.subs) == len(tree.subs) and not same:
                yield replace(other, subs=tree.subs)


# ---------------------------------------------------------------------- putting together
def _product(tree: Product, factors: tuple[Expr, ...]) -> Expr:
    return factors[0] if len(factors) == 1 else replace(tree, factors=factors)


def _sum(terms: tuple[Expr, ...]) -> Expr:
    return terms[0] if len(terms) == 1 else Sum(terms)


def _bare(tree: Expr) -> Expr:
    return tree.of if isinstance(tree, Group) and tree.kind in "([" else tree


def stripped(tree: Expr) -> Expr:
    """Return a tree without its round brackets, to compare what two trees say."""
    if isinstance(tree, Group) and tree.kind in ("(", "[", "{", r"\{"):
        return stripped(tree.of)
    changed = {}
    for field in fields(tree):
        if field.name != "span":
            changed[field.name] = _stripped(getattr(tree, field.name))
    return replace(tree, **changed)  # type: ignore[return-value]


def _stripped(value: object) -> object:
    if isinstance(value, Node):
        return stripped(value)  # type: ignore[arg-type]
    if isinstance(value, tuple):
        return tuple(_stripped(item) for item in value)
    return value
