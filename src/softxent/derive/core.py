"""The small language in which steps are decided: real numbers, indices, sums, partial derivatives.

`understand` translates the trees of `parse` into it, with every letter resolved; `exact` computes
it. Vectors and matrices are gone: each is written by its elements.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields, is_dataclass
from fractions import Fraction
from typing import Literal, TypeAlias


@dataclass(frozen=True, slots=True)
class Index:
    """An index letter, shifted: `k` is Index("k"), `l - 1` is Index("l", -1). "" is a constant."""

    letter: str
    shift: int = 0


@dataclass(frozen=True, slots=True)
class Compare:
    """A condition between indices; "eq", "neq", "lt", "le", "gt", "ge"."""

    relation: Literal["eq", "neq", "lt", "le", "gt", "ge"]
    left: Index
    right: Index


@dataclass(frozen=True, slots=True)
class Const:
    """A rational number."""

    value: Fraction


@dataclass(frozen=True, slots=True)
class Element:
    """An element of a quantity: z_i, y_{n,k}, C. What it is, `Given.quantities` says."""

    name: str
    indices: tuple[Index, ...] = ()


@dataclass(frozen=True, slots=True)
class IndexValue:
    """An index taken as a number, as in `n x^{n-1}` or (k - 1)."""

    index: Index


@dataclass(frozen=True, slots=True)
class Size:
    """The size of an index set, as in 1/N."""

    set: str


@dataclass(frozen=True, slots=True)
class Plus:
    """A sum of terms."""

    terms: tuple[Real, ...]


@dataclass(frozen=True, slots=True)
class Times:
    """A product of factors."""

    factors: tuple[Real, ...]


@dataclass(frozen=True, slots=True)
class Divide:
    """above / below."""

    above: Real
    below: Real


@dataclass(frozen=True, slots=True)
class Raise:
    """base^exponent."""

    base: Real
    exponent: Real


@dataclass(frozen=True, slots=True)
class Apply:
    """A function of one number: exp, log, log2, log10, tanh, sin, cos, sqrt, abs, sign, relu,
    sigmoid, softplus, sinh, cosh, arctan..."""

    function: str
    of: Real


@dataclass(frozen=True, slots=True)
class Total:
    """Over all values of a letter in its set, where all the conditions hold.

    lower, upper: bounds within the set, None for the whole of it.
    """

    kind: Literal["sum", "product", "max", "min", "mean"]
    letter: str
    set: str
    of: Real
    conditions: tuple[Compare, ...] = ()
    lower: Index | None = None
    upper: Index | None = None


@dataclass(frozen=True, slots=True)
class Choose:
    """The first value whose conditions all hold; the last one's are ()."""

    rows: tuple[tuple[tuple[Compare, ...], Real], ...]


@dataclass(frozen=True, slots=True)
class Partial:
    """The partial derivative of `of` by an element.

    The element's quantity counts as independent: what defines it is not looked into, and everything
    else is. So dE/dy_k takes y as it stands, and dE/dz_i goes through y to z.
    """

    of: Real
    by: Element


Real: TypeAlias = (
    Const
    | Element
    | IndexValue
    | Size
    | Plus
    | Times
    | Divide
    | Raise
    | Apply
    | Total
    | Choose
    | Partial
)


@dataclass(frozen=True, slots=True)
class Free:
    """A quantity that nothing defines: its elements are independent variables.

    kind: how it is sampled. "log" - its exponential is a positive rational (a logit); "rational" -
    any rational; "positive" - a positive rational; "probability" - positive, of sum 1 over its last
    index; "target" - a rational, one-hot or of sum 1 where that is assumed (`Given.assumed`).
    """

    sets: tuple[str, ...] = ()
    kind: Literal["log", "rational", "positive", "probability", "target"] = "rational"


@dataclass(frozen=True, slots=True)
class Defined:
    """A quantity with a formula: name_{letters} = body."""

    letters: tuple[str, ...]
    sets: tuple[str, ...]
    body: Real


@dataclass(frozen=True, slots=True)
class Unknown:
    """A function of which only the arguments are known: a loss E(y), an activation f(z_j).

    It is sampled as a polynomial of degree 3 with random rational coefficients. elementwise: each
    of its elements depends on the elements of the same indices only.
    """

    sets: tuple[str, ...]
    of: tuple[str, ...]
    elementwise: bool = False


Quantity: TypeAlias = Free | Defined | Unknown


@dataclass(frozen=True, slots=True)
class Given:
    """All that a step is decided from."""

    quantities: Mapping[str, Quantity]
    letters: Mapping[str, str] = field(default_factory=dict)
    """The free index letters of the step, and the set of each: it is meant for all their values."""
    conditions: tuple[Compare, ...] = ()
    """What the case that is open says of them."""
    assumed: frozenset[str] = frozenset()
    """Of "sum-to-one:t", "one-hot:t", "size-one:N", ...: the name behind the colon is a quantity or
    a set."""


def everything(*values: object) -> Iterator[object]:
    """Yield all that expressions are made of, themselves included."""
    waiting = list(values)
    while waiting:
        value = waiting.pop()
        yield value
        if isinstance(value, tuple):
            waiting += value
        elif is_dataclass(value):
            waiting += [getattr(value, one.name) for one in fields(value)]
