r"""What one formula alone cannot show: that `z^l` is the z of a layer, and `FL` one name.

The parser reads `z^l` as a power and `FL(p_t)` as a product, as any formula by itself would be.
Here the whole document is looked at, and its trees are put right before anything has a meaning.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import fields, replace
from fractions import Fraction

from softxent.derive.trees import (
    Applied,
    Derivative,
    Ellipsis,
    Expr,
    Group,
    Negative,
    Node,
    Number,
    Over,
    Power,
    Product,
    Relation,
    Remark,
    Row,
    Sum,
    Symbol,
    Transpose,
    Tuple,
)
from softxent.derive.understand.ellipsis import LETTER, general, put
from softxent.derive.understand.symbols import bare, base_name, is_word

_LAYERS = re.compile(r"\blayers?\b|层|層|couche|Schicht|слой|слоя|capa\b", re.I)
_SAMPLES = re.compile(
    r"\b(?:samples?|(?:training )?examples?|instances?|data ?points?|observations?)\b|样本", re.I
)
_ORDINALS = frozenset(("th", "st", "nd", "rd"))
_LONG = 4
"""So many small letters side by side are a word: intersection."""


class Spelling:
    """How one document writes; `of` puts a row right."""

    def __init__(self, rows: Iterable[Row], text: str) -> None:
        trees = [relation for row in rows for relation in _relations(row)]
        nodes = [node for tree in trees for node in tree.walk()]
        self._marks = _marks(trees, nodes, text)
        """Letters that tell quantities apart from above, and whose: l, in z^l and a^{l-1}."""
        self._marked = frozenset().union(*self._marks.values()) if self._marks else frozenset()
        self._turns = _transposes(trees, nodes)
        """Letters that only ever stand above to transpose: w^t x, V^H V."""
        self._words = _words(trees)
        self._error = _error(nodes)
        """Whether e is a letter: the error of a sample, e^{(i)}."""
        self._changes = _changes(nodes)
        """What stands behind a Delta: Delta w is one name."""
        self._lists = any(isinstance(node, Applied) and _of_all(node) for node in nodes)
        """Whether something is called with a list that has dots: E(w_1, ..., w_K)."""
        self.plain = not (
            self._marks or self._words or self._error or self._changes or self._turns or self._lists
        )

    def of(self, row: Row) -> Row:
        """Return a row as this document means it."""
        if self.plain:
            return row
        return replace(
            row,
            relations=tuple(self._mended(one) for one in row.relations),  # type: ignore[misc]
            remarks=tuple(self._remark(one) for one in row.remarks),
        )

    def _remark(self, remark: Remark) -> Remark:
        return replace(remark, formulas=tuple(self._mended(one) for one in remark.formulas))  # type: ignore[misc]

    def _mended(self, tree: Expr) -> Expr:
        if isinstance(tree, Relation) and _names_arguments(tree):
            return tree
        changes: dict[str, object] = {}
        for part in fields(tree):
            value = getattr(tree, part.name)
            if part.name == "span":
                continue
            if isinstance(value, Node):
                new: object = self._mended(value)  # type: ignore[arg-type]
            elif isinstance(value, tuple):
                new = tuple(self._item(item) for item in value)
            else:
                continue
            if new != value:
                changes[part.name] = new
        if changes:
            tree = replace(tree, **changes)  # type: ignore[arg-type]
        if isinstance(tree, Power):
            return self._raised(tree)
        if isinstance(tree, Applied) and _of_all(tree):
            return replace(tree.head, span=tree.span)
        return self._joined(tree) if isinstance(tree, Product) else tree

    def _item(self, item: object) -> object:
        if isinstance(item, Node):
            return self._mended(item)  # type: ignore[arg-type]
        return tuple(self._item(one) for one in item) if isinstance(item, tuple) else item

    def _raised(self, tree: Power) -> Expr:
        """Return `z^l`, read as a power, as a symbol with a mark above it."""
        base = tree.base
        if isinstance(tree.exponent, Symbol) and base_name(tree.exponent) in self._turns:
            return Transpose(base, span=tree.span)
        if self._error and base == Symbol("e") and _bracketed(tree.exponent):
            return replace(base, sups=(tree.exponent,), span=tree.span)
        head = base.head if isinstance(base, Applied) else base
        if not isinstance(head, Symbol) or head.sups or base_name(head) not in self._marked:
            return tree
        letter, exponent = _shifted(tree.exponent), tree.exponent
        listed = exponent.items if isinstance(exponent, Tuple) else ()
        if listed and all(_shifted(one) in self._marks for one in listed):
            marked = replace(head, sups=listed, span=tree.span)
            return replace(base, head=marked) if isinstance(base, Applied) else marked
        fixed = isinstance(exponent, Number) or (
            isinstance(exponent, Symbol) and exponent.name.isupper() and not exponent.subs
        )
        if letter in self._marks or fixed:
            marked = replace(head, sups=(exponent,), span=tree.span)
            return replace(base, head=marked) if isinstance(base, Applied) else marked
        return tree

    def _joined(self, tree: Product) -> Expr:
        """Return a product with its runs of letters that are words as words."""
        out: list[Expr] = []
        for run in _runs(tree):
            if out and out[-1] == Symbol("Delta") and self._changes:
                changed = self._changed(out[-1], run[0])
                if changed is not None:
                    out[-1:] = [changed, *run[1:]]
                    continue
            last = run[-1].head if isinstance(run[-1], Applied) else run[-1]
            if len(run) < 2 or _spelled(run) not in self._words or not isinstance(last, Symbol):
                out += run
                continue
            span = (run[0].span[0], last.span[1])
            word = replace(last, name=_spelled(run), span=span)
            whole = (run[0].span[0], run[-1].span[1])
            end = run[-1]
            out.append(replace(end, head=word, span=whole) if isinstance(end, Applied) else word)
        return out[0] if len(out) == 1 else replace(tree, factors=tuple(out))

    def _changed(self, delta: Expr, factor: Expr) -> Expr | None:
        r"""Return `\Delta w` as one symbol."""
        head = factor.head if isinstance(factor, Applied) else factor
        if not isinstance(head, Symbol) or is_word(head.name):
            return None
        span = (delta.span[0], head.span[1])
        new = replace(head, accents=("Delta", *head.accents), span=span)
        if isinstance(factor, Applied):
            return replace(factor, head=new, span=(delta.span[0], factor.span[1]))
        return new


def _bracketed(tree: Expr) -> bool:
    return (
        isinstance(tree, Group) and isinstance(tree.of, Symbol) and tree.of == Symbol(tree.of.name)
    )


def _error(nodes: list[Expr]) -> bool:
    """Whether e is a letter of the text: in bold, or e^{(i)} beside other x^{(i)}."""
    symbols = [node for node in nodes if isinstance(node, Symbol)]
    bold = any(one.name == "e" and not one.subs and "mathbf" in one.accents for one in symbols)
    above = {sup for one in symbols for sup in one.sups}
    return any(
        isinstance(node, Power)
        and node.base == Symbol("e")
        and _bracketed(node.exponent)
        and (bold or node.exponent in above)
        for node in nodes
    )


def _changes(nodes: list[Expr]) -> bool:
    r"""Whether a `\Delta` always stands before a letter."""
    deltas = sum(node == Symbol("Delta") for node in nodes)
    behind = 0
    for node in nodes:
        if isinstance(node, Product):
            for one, other in zip(node.factors, node.factors[1:], strict=False):
                head = other.head if isinstance(other, Applied) else other
                behind += one == Symbol("Delta") and isinstance(head, Symbol)
    return 0 < deltas == behind


def _names_arguments(tree: Relation) -> bool:
    """Whether it says what something is a function of: C = C(a_1, ..., a_n)."""
    sides = [tree.first, *(link.right for link in tree.links)]
    return any(isinstance(one, Applied) and _of_all(one) and one.head in sides for one in sides)


def _of_all(tree: Applied) -> bool:
    r"""Whether something is called with `w_1, \dots, w_K`: E(w_1, ..., w_K) is E."""
    given = tree.arguments
    if len(given) < 3 or not isinstance(given[-2], Ellipsis) or is_word(tree.head.name):
        return False
    found = general(given[0], given[-1])
    if found is None or not (isinstance(found[0], Symbol) and found[0].subs == (LETTER,)):
        return False
    one, first, _ = found
    return all(put(one, Number(Fraction(first + n))) == given[n] for n in range(len(given) - 2))


def _relations(row: Row) -> list[Relation]:
    return [*row.relations, *(one for remark in row.remarks for one in remark.formulas)]


def _transposes(trees: list[Relation], nodes: list[Expr]) -> frozenset[str]:
    """Return which of t and H stand above letters and brackets, and nowhere else."""
    out = set()
    for letter in ("t", "H"):
        symbols = sum(isinstance(node, Symbol) and node.name == letter for node in nodes)
        above = 0
        for node in nodes:
            if not isinstance(node, Product):
                continue
            for factor in node.factors:
                if isinstance(factor, Power) and factor.exponent == Symbol(letter):
                    inner = bare(factor.base)
                    small = letter == "t" or (isinstance(inner, Symbol) and inner.name.isupper())
                    above += small and inner != Symbol("e") and not isinstance(inner, Number)
        if 0 < above == symbols:
            out.add(letter)
    return frozenset(out)


# ---------------------------------------------------------------------- marks above
def _marks(trees: list[Relation], nodes: list[Expr], text: str) -> dict[str, frozenset[str]]:
    """Return the letters that stand above quantities as marks, with the names of these.

    Such a letter is never a number: it stands above at least two quantities and nowhere else. And
    something shows that it counts layers or samples: a shift, a derivative by it, or the words.
    """
    above: dict[str, set[str]] = {}
    sure: set[str] = set()
    shifted: set[str] = set()
    bound: set[str] = set()
    lowered: set[str] = set()
    for node in nodes:
        if isinstance(node, Over):
            bound |= {base_name(letter) for letter in node.index}
        base = node.base if isinstance(node, Power) else None
        if isinstance(base, Applied):
            base = base.head
        if isinstance(node, Power) and isinstance(base, Symbol) and base.name != "e":
            for one in node.exponent.items if isinstance(node.exponent, Tuple) else ():
                if _shifted(one):  # the layer and the sample of a^{x, l}
                    above.setdefault(_shifted(one), set()).add(base_name(base))
                    sure.add(_shifted(one))
            letter = _shifted(node.exponent)
            if letter:
                above.setdefault(letter, set()).add(base_name(base))
                if isinstance(node.exponent, Sum):
                    shifted.add(letter)
                if base.subs:
                    lowered.add(letter)
        if isinstance(node, Derivative):
            for by in node.by:
                letter = _shifted(by.exponent) if isinstance(by, Power) else ""
                if letter:
                    sure.add(letter)
    out: dict[str, frozenset[str]] = {}
    numbers = set().union(*(_numbers(tree) for tree in trees)) if above else set()
    layers, samples = bool(_LAYERS.search(text)), bool(_SAMPLES.search(text))
    for letter, names in above.items():
        if letter in shifted:
            both = names & _below(nodes, letter)
            if len(both) > 1:  # lse^j up to the block j and lse_j of it, dv^{j-1} and dv_j
                out[letter] = frozenset(names)
                continue
        if letter in numbers or len(names) < 2 or letter == "T":
            continue
        counts = letter in sure or (letter not in bound and (letter in shifted or layers))
        if counts or (letter in bound and letter in lowered and samples):
            out[letter] = frozenset(names)
    return out


def _below(nodes: list[Expr], letter: str) -> set[str]:
    """Return the quantities that have a letter as their only index."""
    return {
        base_name(node)
        for node in nodes
        if isinstance(node, Symbol) and node.subs == (Symbol(letter.removeprefix("\\")),)
    }


def _ordinal(tree: Expr) -> bool:
    """Whether it is an ordinal of the prose: the (l-1)^th."""
    return any(isinstance(node, Symbol) and node.name in _ORDINALS for node in tree.walk())


def _shifted(tree: Expr) -> str:
    """Return the letter of `l`, `l - 1` or `l + 1`, "" for anything else."""
    if isinstance(tree, Sum) and len(tree.terms) == 2:
        first, second = tree.terms
        number = second.of if isinstance(second, Negative) else second
        return _shifted(first) if isinstance(number, Number) else ""
    if not isinstance(tree, Symbol) or tree.subs or tree.sups or is_word(tree.name):
        return ""
    return base_name(tree)


def _numbers(tree: Expr) -> set[str]:
    """Return the letters that stand for numbers or vectors: in no subscript, exponent or bound."""
    if isinstance(tree, Symbol):
        return set() if tree.subs or tree.sups else {base_name(tree)}
    if isinstance(tree, Over):
        return set()
    if isinstance(tree, Power):
        listed = isinstance(tree.exponent, Tuple)
        inner = set() if listed or _shifted(tree.exponent) else _numbers(tree.exponent)
        return _numbers(tree.base) | inner
    if isinstance(tree, Relation):  # `l = 1, ..., L` only says where it runs
        sides = [tree.first, *(link.right for link in tree.links)]
        parts = [one for one in sides if one is not None and not _shifted(one)]
        if not tree.links:  # the layer `$l-1$` of the prose
            parts = [one for one in parts if not _shifted(one) and not _ordinal(one)]
        return set().union(*(_numbers(one) for one in parts))
    return set().union(*(_numbers(part) for part in tree.parts()))


# ---------------------------------------------------------------------- words
def _words(trees: list[Relation]) -> frozenset[str]:
    """Return the runs of letters that are one name.

    Either long, as in `intersection_c`, or capitals that head a definition, `FL(p_t) = ...`. None
    of the letters stands anywhere by itself.
    """
    found: set[str] = set()
    single: set[str] = set()
    for tree in trees:
        _collect(tree, found, single)
    heads = {_spelled(_runs(side)[0]) for side in _heads(trees) if len(_runs(side)) == 1}
    out = set()
    for run in found:
        long = len(run) >= _LONG and not run.isupper()
        named = run in heads and (run.isupper() or (len(run) > 2 and run[0].isupper()))
        if run in single or ((long or named) and not set(run) & single):
            out.add(run)
    return frozenset(out)


def _heads(trees: list[Relation]) -> Iterable[Product]:
    for tree in trees:
        if tree.links and tree.links[0].relation in ("=", "define"):
            if isinstance(tree.first, Product):
                yield tree.first


def _collect(tree: Expr, found: set[str], single: set[str]) -> None:
    if isinstance(tree, Product):
        for run in _runs(tree):
            if len(run) > 1:
                found.add(_spelled(run))
                last = run[-1]
                inside = last.arguments if isinstance(last, Applied) else ()
                for part in inside:
                    _collect(part, found, single)
            else:
                _collect(run[0], found, single)
        return
    if isinstance(tree, Symbol):
        single.add(tree.name)
    for part in tree.parts():
        _collect(part, found, single)


def _runs(tree: Product) -> list[list[Expr]]:
    """Return the factors, with letters that touch each other in the source together."""
    out: list[list[Expr]] = []
    for factor in tree.factors:
        last = out[-1][-1] if out else None
        if last is not None and _plain(last) and _begins(factor):
            if last.span[1] == factor.span[0] and factor.span != (0, 0):
                out[-1].append(factor)
                continue
        out.append([factor])
    return out


def _plain(tree: Expr) -> bool:
    return isinstance(tree, Symbol) and len(tree.name) == 1 and tree == Symbol(tree.name)


def _begins(tree: Expr) -> bool:
    head = tree.head if isinstance(tree, Applied) else tree
    return isinstance(head, Symbol) and len(head.name) == 1 and not head.accents and not head.sups


def _spelled(run: list[Expr]) -> str:
    heads = [one.head if isinstance(one, Applied) else one for one in run]
    return "".join(head.name for head in heads if isinstance(head, Symbol))
