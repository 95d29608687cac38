"""Numbers, vectors and matrices as functions of their indices; products and transposes of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction

from softxent.derive.core import Const, Divide, Index, Plus, Real, Times, Total
from softxent.derive.trees import NOWHERE, Span

Indices = tuple[Index, ...]


class Unreadable(Exception):
    """The step cannot be read: a token, where it stands, and why."""

    def __init__(self, token: str, why: str, span: Span = NOWHERE) -> None:
        super().__init__(f"{token}: {why}")
        self.token = token
        self.why = why
        self.span = span


class NotDefined(Exception):
    """Something that is no analysis: P(l = k, x)."""

    def __init__(self, text: str, span: Span = NOWHERE) -> None:
        super().__init__(text)
        self.text = text
        self.span = span


class Mismatch(Exception):
    """The step makes no sense: a vector equal to a number, a function of an index."""

    def __init__(self, message: str, rule: str = "shape-mismatch", span: Span = NOWHERE) -> None:
        super().__init__(message)
        self.message = message
        self.rule = rule
        self.span = span


@dataclass(frozen=True, slots=True)
class Value:
    """sets: the place of each of its indices; `row`: a vector lying down, as x^T does."""

    sets: tuple[str, ...]
    at: Callable[[Indices], Real]
    row: bool = False

    @property
    def rank(self) -> int:
        """0 for a number, 1 for a vector, 2 for a matrix."""
        return len(self.sets)

    def number(self) -> Real:
        """Return the number that it is."""
        if self.sets:
            raise Mismatch("a vector stands where a number is needed")
        return self.at(())


ZERO = Const(Fraction(0))
ONE = Const(Fraction(1))


def constant(value: Fraction | int) -> Value:
    """Return a rational number as a value."""
    real = Const(Fraction(value))
    return Value((), lambda _: real)


def scalar(real: Real) -> Value:
    """Return a number as a value."""
    return Value((), lambda _: real)


def negative(real: Real) -> Real:
    """Return -x."""
    if isinstance(real, Const):
        return Const(-real.value)
    return Times((Const(Fraction(-1)), real))


def elementwise(
    values: list[Value], join: Callable[[str, str], None], function: Callable[[list[Real]], Real]
) -> Value:
    """Return a function of numbers applied element by element; numbers go with everything."""
    shaped = [value for value in values if value.sets]
    if not shaped:
        reals = [value.at(()) for value in values]
        real = function(reals)
        return scalar(real)
    first = shaped[0]
    for other in shaped[1:]:
        if other.rank != first.rank:
            raise Mismatch(f"a {_word(first)} and a {_word(other)} do not go together")
        for one, two in zip(first.sets, other.sets, strict=True):
            join(one, two)

    def at(indices: Indices) -> Real:
        return function([value.at(indices if value.sets else ()) for value in values])

    return Value(first.sets, at, first.row)


def add(values: list[Value], join: Callable[[str, str], None], first: bool = False) -> Value:
    """Return a sum of terms of one shape; a vector is added to every row of a matrix.

    first: to every column, in texts where samples are columns.
    """
    if any(value.rank == 2 for value in values):
        whole = next(value for value in values if value.rank == 2)
        values = [_spread(value, whole, first) if value.rank == 1 else value for value in values]
    return elementwise(values, join, lambda reals: Plus(tuple(reals)))


def _spread(vector: Value, matrix: Value, first: bool) -> Value:
    """Return a matrix with the same vector for each row (or column)."""
    if first and not vector.row:
        sets = (vector.sets[0], matrix.sets[1])
        return Value(sets, lambda indices: vector.at(indices[:1]))
    sets = (matrix.sets[0], vector.sets[0])
    return Value(sets, lambda indices: vector.at(indices[1:]))


def times(
    one: Value,
    two: Value,
    join: Callable[[str, str], None],
    fresh: Callable[[], str],
    name: Callable[[str], str],
) -> Value:
    """Return the product of numbers, vectors and matrices, as linear algebra has it."""
    if not one.sets or not two.sets:
        row = one.row or two.row
        shaped = elementwise([one, two], join, lambda reals: Times(tuple(reals)))
        return Value(shaped.sets, shaped.at, row)
    if one.rank == 1 and two.rank == 1 and not one.row and two.row:
        return Value(
            one.sets + two.sets,
            lambda indices: Times((one.at(indices[:1]), two.at(indices[1:]))),
        )
    if one.rank > 2 or two.rank > 2:
        raise Mismatch("a product of arrays with more than two indices")
    join(one.sets[-1], two.sets[0])
    letter = fresh()
    split = one.rank - 1
    inner = name(two.sets[0])

    def at(indices: Indices) -> Real:
        left = one.at((*indices[:split], Index(letter)))
        right = two.at((Index(letter), *indices[split:]))
        return Total("sum", letter, inner, Times((left, right)))

    return Value(one.sets[:-1] + two.sets[1:], at, one.row and two.rank == 2)


def divide(one: Value, two: Value, join: Callable[[str, str], None]) -> Value:
    """Return a quotient, element by element."""
    if one.sets or not two.sets:
        return elementwise([one, two], join, lambda reals: Divide(reals[0], reals[1]))
    return elementwise([two, one], join, lambda reals: Divide(reals[1], reals[0]))


def transpose(value: Value) -> Value:
    """Return the transpose."""
    if value.rank == 2:
        return Value(value.sets[::-1], lambda indices: value.at(indices[::-1]))
    return Value(value.sets, value.at, not value.row) if value.rank == 1 else value


def _word(value: Value) -> str:
    return {0: "number", 1: "vector", 2: "matrix"}.get(value.rank, "larger array")
