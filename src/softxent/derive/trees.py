"""The trees that equations become: what `parse` returns and everything behind it reads.

Every node knows where it stands: `span` is (start, end), offsets into the TeX it was read from.
Nodes are compared without their spans. A tree says what was written, not what it means: whether
`f(x)` is a call or a product, and how far a sum reaches, is decided in `understand`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import TypeAlias

Span: TypeAlias = tuple[int, int]
NOWHERE: Span = (0, 0)


@dataclass(frozen=True, slots=True)
class Node:
    """What all nodes share."""

    span: Span = field(default=NOWHERE, compare=False, kw_only=True)

    def parts(self) -> Iterator[Expr]:
        """Yield the nodes right below this one."""
        names: tuple[str, ...] = type(self).__match_args__  # all fields but the span
        for name in names:
            value = getattr(self, name)
            if isinstance(value, Node):
                yield value  # type: ignore[misc]
            elif isinstance(value, tuple):
                yield from _nodes(value)

    def walk(self) -> Iterator[Expr]:
        """Yield this node and all below it, in the order they are written."""
        waiting: list[Expr] = [self]  # type: ignore[list-item]
        while waiting:
            node = waiting.pop()
            yield node
            below = list(node.parts())
            below.reverse()
            waiting += below

    def at(self, span: Span) -> Expr:
        """Return the same node at another place."""
        return replace(self, span=span)  # type: ignore[return-value]


@dataclass(frozen=True, slots=True)
class Number(Node):
    """A number: 2, 0.5, 1/2 is a Quotient."""

    value: Fraction


@dataclass(frozen=True, slots=True)
class Symbol(Node):
    r"""A letter or word with what hangs on it: `y_k`, `\hat y_{n,i}`, `w_{j \to o}`, `f'`.

    name: the letter as TeX names it, without the backslash: "y", "sigma", "Sigma", "CE" (a word).
    accents: outermost first: "hat", "tilde", "bar", "vec", "dot", "mathbf", "mathcal", "prime"...
    subs: subscripts that are indices or conditions, in order: `w_{ij}` has two, `y_{k=i}` one
    Relation. sups: superscripts that are no powers, as in `x^{(n)}`, `W^{[1]}`, `a^T` ("T").
    """

    name: str
    accents: tuple[str, ...] = ()
    subs: tuple[Expr, ...] = ()
    sups: tuple[Expr, ...] = ()


@dataclass(frozen=True, slots=True)
class Sum(Node):
    """Terms added; a difference has Negative terms."""

    terms: tuple[Expr, ...]


@dataclass(frozen=True, slots=True)
class Negative(Node):
    """-x."""

    of: Expr


@dataclass(frozen=True, slots=True)
class Product(Node):
    r"""Factors side by side, or with `\cdot`, `\times`, `*`; `dot`: one of these was written.

    elementwise: with `\odot` or `\circ` between; it binds looser than the others.
    """

    factors: tuple[Expr, ...]
    dot: bool = field(default=False, compare=False)
    elementwise: bool = False


@dataclass(frozen=True, slots=True)
class Quotient(Node):
    r"""`\frac{a}{b}`, `{a \over b}`, `a / b`."""

    above: Expr
    below: Expr


@dataclass(frozen=True, slots=True)
class Power(Node):
    """base^exponent; e^x is Power(Symbol("e"), x)."""

    base: Expr
    exponent: Expr


@dataclass(frozen=True, slots=True)
class Group(Node):
    r"""Something in brackets: ( ), [ ], \{ \}, | |, \lVert \rVert; `kind` is the opening one."""

    of: Expr
    kind: str = "("


@dataclass(frozen=True, slots=True)
class Entry(Node):
    r"""An entry of what is no symbol: `(W x)_i`; the 2 of a norm, `\|w\|_2`."""

    of: Expr
    subs: tuple[Expr, ...]


@dataclass(frozen=True, slots=True)
class Tuple(Node):
    """a, b, c in brackets, or a list behind a comma. An empty one: nothing stands there."""

    items: tuple[Expr, ...]


@dataclass(frozen=True, slots=True)
class Call(Node):
    r"""A named function of its argument: `\log y`, `\exp(x)`, `\max_j z_j` is a Big.

    Only for names that are functions whatever the text says (log, ln, exp, tanh, ...). Of
    `\sigma(z_j)` or `E(y, t)` the parser makes Applied.
    """

    name: str
    of: Expr
    base: Expr | None = None
    """The subscript of a logarithm."""


@dataclass(frozen=True, slots=True)
class Applied(Node):
    r"""A symbol with a bracket behind it: `\sigma(z_j)`, `y(1 - y)`: a call or a product."""

    head: Symbol
    arguments: tuple[Expr, ...]


@dataclass(frozen=True, slots=True)
class Over(Node):
    r"""What a big operator runs over: `\sum_{k=1}^K`, `_{j \neq k}`, `_{n \in N}`, `_k^K`, nothing.

    index: the letters that run, perhaps none; relation: "=", "in", "neq", "" (bare letters), ...;
    lower, upper: what stands there, None where nothing does.
    """

    index: tuple[Symbol, ...] = ()
    relation: str = ""
    lower: Expr | None = None
    upper: Expr | None = None


@dataclass(frozen=True, slots=True)
class Big(Node):
    r"""`\sum`, `\prod`, `\max`, `\mathbb{E}`...: `of` reaches to the next + or - at its depth.

    A second reading, in which it reaches further, is for `understand` to try.
    """

    name: str
    over: Over
    of: Expr


@dataclass(frozen=True, slots=True)
class Derivative(Node):
    r"""`\frac{\partial C}{\partial z_i}`, `\frac{d}{dx} f`, `\partial_i f`.

    of: None in a bare operator that nothing follows. by: one for each order, twice of `z_i^2`.
    total: written with d. operator: what it acts on stood behind the fraction, and reaches to the
    next + or - at its depth.
    """

    of: Expr | None
    by: tuple[Expr, ...]
    total: bool = False
    operator: bool = False


@dataclass(frozen=True, slots=True)
class Gradient(Node):
    r"""`\nabla_z C`."""

    of: Expr | None
    by: Expr | None = None


@dataclass(frozen=True, slots=True)
class Prime(Node):
    """A bracket with a prime, (f g)'; `f'(x)` is Applied of a Symbol with the accent "prime"."""

    of: Expr
    order: int = 1


@dataclass(frozen=True, slots=True)
class Indicator(Node):
    r"""`1\{k = i\}`, `\mathbb{1}[k = i]`, `[k = i]`; `\delta_{jk}` is a Symbol."""

    condition: Relation


@dataclass(frozen=True, slots=True)
class Cases(Node):
    r"""`\begin{cases}`: (value, condition); None for "otherwise" or where nothing is said."""

    rows: tuple[tuple[Expr, Relation | None], ...]


@dataclass(frozen=True, slots=True)
class Matrix(Node):
    """Rows of entries; a column vector has one entry a row."""

    rows: tuple[tuple[Expr, ...], ...]


@dataclass(frozen=True, slots=True)
class Transpose(Node):
    r"""`W^T`, `W^\top`, `W'` where it is a matrix."""

    of: Expr


@dataclass(frozen=True, slots=True)
class Ellipsis(Node):
    r"""`\dots`, `\cdots`: a term, factor or item that stands for others."""


@dataclass(frozen=True, slots=True)
class Opaque(Node):
    """Something read whole that is no analysis: `P(l = k, x)`, a word inside a formula."""

    text: str


@dataclass(frozen=True, slots=True)
class Unsupported(Node):
    """A token that the parser does not know, or cannot make sense of here."""

    token: str
    why: str = ""


@dataclass(frozen=True, slots=True)
class Relation(Node):
    r"""first, then links: `a = b \le c`. In a subscript, an indicator or a case it is a condition.

    Link: (relation, right side). Relations: "=", "neq", "lt", "le", "gt", "ge", "approx", "propto",
    "in", "notin", "define" (`:=`, `\equiv`, `\triangleq`), "to" (`\leftarrow`, `\to`), "implies",
    "iff", "sim". `first` is None where the formula begins with the relation and continues another.
    """

    first: Expr | None
    links: tuple[Link, ...]


@dataclass(frozen=True, slots=True)
class Link(Node):
    """A relation sign, at `span`, and what stands on its right."""

    relation: str
    right: Expr


Expr: TypeAlias = (
    Number
    | Symbol
    | Sum
    | Negative
    | Product
    | Quotient
    | Power
    | Group
    | Entry
    | Tuple
    | Call
    | Applied
    | Over
    | Big
    | Derivative
    | Gradient
    | Prime
    | Indicator
    | Cases
    | Matrix
    | Transpose
    | Ellipsis
    | Opaque
    | Unsupported
    | Relation
    | Link
)


@dataclass(frozen=True, slots=True)
class Remark:
    r"""What stands beside a row: behind a second `&`, in `\text{since ...}`, behind `\because`."""

    text: str
    span: Span
    formulas: tuple[Relation, ...] = ()
    """The mathematics in it."""


@dataclass(frozen=True, slots=True)
class Row:
    """One row of a display, or a whole inline formula.

    relations: usually one; several where commas or words stand between (`a = b, \\; c = d`).
    A Relation with no links is an expression that states nothing.
    """

    relations: tuple[Relation, ...]
    remarks: tuple[Remark, ...]
    span: Span
    boxed: bool = False


def _nodes(value: tuple[object, ...]) -> Iterator[Expr]:
    for item in value:
        if isinstance(item, Node):
            yield item  # type: ignore[misc]
        elif isinstance(item, tuple):
            yield from _nodes(item)
