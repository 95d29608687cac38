"""The language of steps as nodes that compute themselves at a point; equal parts are one node.

A node knows the index letters and the quantities that its value depends on, so a value is found
once for each setting of these: Σ_j e^{z_j} is summed once, whatever stands around it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from fractions import Fraction
from typing import TYPE_CHECKING, TypeAlias

from softxent.derive.core import Compare, Index
from softxent.derive.exact import elementary, jets
from softxent.derive.exact.jets import Real
from softxent.derive.exact.stops import LogOfZero, Outside, TooLarge, Undefined, Unsupported

if TYPE_CHECKING:
    from softxent.derive.exact.machine import Machine

Letters: TypeAlias = Mapping[str, int]
Seeds: TypeAlias = "tuple[tuple[int, str, tuple[int, ...]], ...]"
"""The open derivatives: (bit of its ε, quantity, indices of the element)."""


class Node:
    """A value that depends on letters, on quantities and, through definitions, on outer letters."""

    __slots__ = ("letters", "names", "outer")
    remembered = False

    def __init__(self, letters: frozenset[str], names: frozenset[str], outer: frozenset[str]):
        self.letters = letters
        self.names = names
        self.outer = outer

    def _compute(self, at: Machine, letters: Letters, seeds: Seeds) -> Real:
        """Return the value, with its derivatives along the seeds."""
        raise NotImplementedError

    def value(self, at: Machine, letters: Letters, seeds: Seeds) -> Real:
        """Return the value, computed at most once."""
        if seeds:
            seeds = tuple(seed for seed in seeds if seed[1] in self.names)
        if not self.remembered:
            return self._compute(at, letters, seeds)
        key = (
            self,
            *[letters.get(letter, at.letters.get(letter)) for letter in self.letters],
            *[at.letters.get(letter) for letter in self.outer],
            seeds,
        )
        found = at.memory.get(key)
        if found is None:
            at.tick()
            found = at.memory[key] = self._compute(at, letters, seeds)
        return found


def _gathered(
    nodes: tuple[Node, ...], without: str = ""
) -> tuple[frozenset[str], frozenset[str], frozenset[str]]:
    empty: frozenset[str] = frozenset()
    return (
        empty.union(*(node.letters for node in nodes)) - {without},
        empty.union(*(node.names for node in nodes)),
        empty.union(*(node.outer for node in nodes)),
    )


def _letters(*indices: Index | None) -> frozenset[str]:
    return frozenset(index.letter for index in indices if index is not None and index.letter)


def compared(conditions: tuple[Compare, ...]) -> frozenset[str]:
    """Return the letters that stand in conditions."""
    return frozenset().union(*(_letters(one.left, one.right) for one in conditions))


class ConstNode(Node):
    """A rational number."""

    __slots__ = ("number",)

    def __init__(self, number: Fraction):
        super().__init__(frozenset(), frozenset(), frozenset())
        self.number = number

    def _compute(self, at: Machine, letters: Letters, seeds: Seeds) -> Real:
        return self.number


class SizeNode(Node):
    """The size of an index set."""

    __slots__ = ("set",)

    def __init__(self, set: str):
        super().__init__(frozenset(), frozenset(), frozenset())
        self.set = set

    def _compute(self, at: Machine, letters: Letters, seeds: Seeds) -> Real:
        return Fraction(at.size(self.set))


class IndexNode(Node):
    """An index as a number."""

    __slots__ = ("index",)

    def __init__(self, index: Index):
        super().__init__(_letters(index), frozenset(), frozenset())
        self.index = index

    def _compute(self, at: Machine, letters: Letters, seeds: Seeds) -> Real:
        return Fraction(at.index(self.index, letters))


class ElementNode(Node):
    """An element of a quantity; names: of all that it depends on, itself included."""

    __slots__ = ("indices", "name")

    def __init__(
        self,
        name: str,
        indices: tuple[Index, ...],
        names: frozenset[str],
        outer: frozenset[str],
    ):
        super().__init__(_letters(*indices), names, outer)
        self.name = name
        self.indices = indices

    def _compute(self, at: Machine, letters: Letters, seeds: Seeds) -> Real:
        places = tuple([at.index(index, letters) for index in self.indices])
        return at.element(self.name, places, seeds)


class PlusNode(Node):
    """A sum of terms."""

    __slots__ = ("terms",)

    def __init__(self, terms: tuple[Node, ...]):
        super().__init__(*_gathered(terms))
        self.terms = terms

    def _compute(self, at: Machine, letters: Letters, seeds: Seeds) -> Real:
        return _summed([term.value(at, letters, seeds) for term in self.terms])


class TimesNode(Node):
    """A product of factors; 0 · log 0 is 0."""

    __slots__ = ("factors",)

    def __init__(self, factors: tuple[Node, ...]):
        super().__init__(*_gathered(factors))
        self.factors = factors

    def _compute(self, at: Machine, letters: Letters, seeds: Seeds) -> Real:
        values: list[Real] = []
        missing: LogOfZero | None = None
        for factor in self.factors:
            try:
                values.append(factor.value(at, letters, seeds))
            except LogOfZero as reason:
                missing = reason
        product = _multiplied(values)
        if missing is not None and (isinstance(product, jets.Jet) or product):
            raise missing
        return product


class DivideNode(Node):
    """above / below."""

    __slots__ = ("above", "below")

    def __init__(self, above: Node, below: Node):
        super().__init__(*_gathered((above, below)))
        self.above = above
        self.below = below

    def _compute(self, at: Machine, letters: Letters, seeds: Seeds) -> Real:
        below = self.below.value(at, letters, seeds)
        return jets.divide(self.above.value(at, letters, seeds), below)


class RaiseNode(Node):
    """base^exponent."""

    __slots__ = ("base", "exponent")
    remembered = True

    def __init__(self, base: Node, exponent: Node):
        super().__init__(*_gathered((base, exponent)))
        self.base = base
        self.exponent = exponent

    def _compute(self, at: Machine, letters: Letters, seeds: Seeds) -> Real:
        exponent = self.exponent.value(at, letters, seeds)
        base = self.base.value(at, letters, seeds)
        # (-1)^x has a value at whole numbers only, so that -1 = (-1)^x where x happens to be odd.
        if self.exponent.names and isinstance(exponent, Fraction) and not at.doubtful:
            varies = any(at.program.varies(name) for name in self.exponent.names)
            at.doubtful = varies and elementary.sign(jets.value_of(base)) < 0
        return jets.raise_to(base, exponent)


class ApplyNode(Node):
    """A function of one number."""

    __slots__ = ("function", "of")
    remembered = True

    def __init__(self, function: str, of: Node):
        super().__init__(*_gathered((of,)))
        self.function = function
        self.of = of
        if function not in jets.FUNCTIONS:
            raise Unsupported(f"the function {function}")

    def _compute(self, at: Machine, letters: Letters, seeds: Seeds) -> Real:
        return jets.apply(self.function, self.of.value(at, letters, seeds))


class TotalNode(Node):
    """A sum, product, maximum, minimum or mean over a letter."""

    __slots__ = ("conditions", "kind", "letter", "lower", "of", "set", "upper")
    remembered = True

    def __init__(
        self,
        kind: str,
        letter: str,
        set: str,
        of: Node,
        conditions: tuple[Compare, ...],
        lower: Index | None,
        upper: Index | None,
    ):
        inside, names, outer = _gathered((of,), without=letter)
        letters = inside | (compared(conditions) - {letter}) | _letters(lower, upper)
        super().__init__(letters, names, outer)
        self.kind = kind
        self.letter = letter
        self.set = set
        self.of = of
        self.conditions = conditions
        self.lower = lower
        self.upper = upper

    def _compute(self, at: Machine, letters: Letters, seeds: Seeds) -> Real:
        inner = dict(letters)
        values: list[Real] = []
        for place in self._range(at, letters):
            inner[self.letter] = place
            if not at.holds(self.conditions, inner):
                continue
            try:
                values.append(self.of.value(at, inner, seeds))
            except Outside:
                # Under a condition the range is what the writer means: x_{l-1} for l > 1.
                if not (self.conditions or self.lower or self.upper):
                    raise
        return _combined(self.kind, values)

    def _range(self, at: Machine, letters: Letters) -> range:
        whole = at.range(self.set)
        first, last = whole.start, whole.stop - 1
        if self.lower is not None:
            first = max(first, at.index(self.lower, letters))
        if self.upper is not None:
            last = min(last, at.index(self.upper, letters))
        return range(first, last + 1)


def _summed(values: list[Real]) -> Real:
    if not values:
        return Fraction(0)
    total = values[0]
    for value in values[1:]:
        total = total + value
    return total


def _multiplied(values: list[Real]) -> Real:
    if not values:
        return Fraction(1)
    product = values[0]
    for value in values[1:]:
        product = product * value
    return product


def _combined(kind: str, values: list[Real]) -> Real:
    if kind == "sum":
        return _summed(values)
    if kind == "product":
        return _multiplied(values)
    if not values:
        raise Undefined(f"the {kind} of nothing")
    if kind == "mean":
        return _summed(values) * Fraction(1, len(values))
    if kind not in ("max", "min"):
        raise Unsupported(f"the total {kind}")
    best = values[0]
    for value in values[1:]:
        difference = jets.value_of(value) - jets.value_of(best)
        side = elementary.sign(difference)
        if side == 0 and (isinstance(value, jets.Jet) or isinstance(best, jets.Jet)):
            raise Undefined(f"a {kind} has no derivative where two are equal")
        if (side > 0) == (kind == "max") and side:
            best = value
    return best


class ChooseNode(Node):
    """The first value whose conditions hold."""

    __slots__ = ("rows",)

    def __init__(self, rows: tuple[tuple[tuple[Compare, ...], Node], ...]):
        inside, names, outer = _gathered(tuple(node for _, node in rows))
        letters = inside.union(*(compared(conditions) for conditions, _ in rows))
        super().__init__(letters, names, outer)
        self.rows = rows

    def _compute(self, at: Machine, letters: Letters, seeds: Seeds) -> Real:
        for conditions, node in self.rows:
            if at.holds(conditions, letters):
                return node.value(at, letters, seeds)
        raise Undefined("no case applies")


class PartialNode(Node):
    """A partial derivative: one more ε, seeded at one element."""

    __slots__ = ("by", "indices", "of")
    remembered = True

    def __init__(self, of: Node, by: str, indices: tuple[Index, ...]):
        letters, names, outer = _gathered((of,))
        super().__init__(letters | _letters(*indices), names, outer)
        self.of = of
        self.by = by
        self.indices = indices

    def _compute(self, at: Machine, letters: Letters, seeds: Seeds) -> Real:
        places = tuple([at.index(index, letters) for index in self.indices])
        at.require(self.by, places)
        if self.by not in self.names:
            return Fraction(0)
        bit = seeds[-1][0] << 1 if seeds else 1
        inner = self.of.value(at, letters, (*seeds, (bit, self.by, places)))
        return jets.along(inner, bit)


class Interned:
    """Builds nodes, each different one once."""

    def __init__(self) -> None:
        self._nodes: dict[tuple[object, ...], Node] = {}

    def __call__(self, make: Callable[..., Node], *parts: object) -> Node:
        """Return make(*parts), or the node that was made so before."""
        key = (make, *parts)
        node = self._nodes.get(key)
        if node is None:
            node = self._nodes[key] = make(*parts)
        return node


def checked(value: Real, most: int) -> Real:
    """Return the value, unless its digits have grown past the cap."""
    plain = jets.value_of(value)
    if isinstance(plain, Fraction) and (
        plain.numerator.bit_length() > most or plain.denominator.bit_length() > most
    ):
        raise TooLarge("a number has too many digits")
    return value
