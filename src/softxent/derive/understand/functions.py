"""Functions that are one whatever the text says: log, exp, softmax, diag, the larger of two."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING

from softxent.derive.core import (
    Apply,
    Choose,
    Compare,
    Const,
    Divide,
    Index,
    Plus,
    Raise,
    Real,
    Times,
    Total,
)
from softxent.derive.trees import Call, Ellipsis, Expr, Number, Symbol, Tuple
from softxent.derive.understand.values import (
    ONE,
    ZERO,
    Mismatch,
    Unreadable,
    Value,
    elementwise,
    negative,
    scalar,
)

if TYPE_CHECKING:
    from softxent.derive.understand.translate import Translator

_ONE_NUMBER = {
    "ln": "log",
    "log": "log",
    "exp": "exp",
    "tanh": "tanh",
    "sin": "sin",
    "cos": "cos",
    "sinh": "sinh",
    "cosh": "cosh",
    "arctan": "arctan",
    "sqrt": "sqrt",
    "sgn": "sign",
    "sign": "sign",
    "abs": "abs",
    "sigmoid": "sigmoid",
    "logistic": "sigmoid",
    "relu": "relu",
    "softplus": "softplus",
}
_RECIPROCAL = {"sech": ("cosh", None), "csch": ("sinh", None), "sec": ("cos", None)}
_RATIO = {"tan": ("sin", "cos"), "cot": ("cos", "sin"), "coth": ("cosh", "sinh")}
JOINED = {*_ONE_NUMBER, "softmax", "logsoftmax", "diag"}
"""Names that take what stands behind them, with or without a bracket."""
_VECTOR = {"softmax", "logsoftmax", "lse", "logsumexp", "diag", "tr", "sum", "mean", "max", "min"}
KNOWN = frozenset((*_ONE_NUMBER, *_VECTOR, *_RECIPROCAL, *_RATIO))
"""Their names, as the text may write them."""


def call(t: Translator, tree: Call) -> Value:
    """Return a function that is one whatever the text says."""
    name = tree.name.lower()
    if name == "log" and tree.base is not None:
        if tree.base == Symbol("e"):
            name = "ln"
        elif isinstance(tree.base, Number) and tree.base.value in (2, 10):
            base = f"log{tree.base.value}"
            return elementwise([t.value(tree.of)], t.join, lambda reals: Apply(base, reals[0]))
        else:
            below = t.number_of(tree.base)
            return elementwise(
                [t.value(tree.of)],
                t.join,
                lambda reals: Divide(Apply("log", reals[0]), Apply("log", below)),
            )
    if name == "lg":
        return elementwise([t.value(tree.of)], t.join, lambda reals: Apply("log10", reals[0]))
    return named(t, name, t.value(tree.of), tree)


def named(t: Translator, name: str, value: Value, tree: Expr) -> Value:
    """Return a function known by its name, of a value."""
    if name in _ONE_NUMBER:
        function = _ONE_NUMBER[name]
        return elementwise([value], t.join, lambda reals: Apply(function, reals[0]))
    if name in _RECIPROCAL:
        below = _RECIPROCAL[name][0]
        return elementwise([value], t.join, lambda reals: Divide(ONE, Apply(below, reals[0])))
    if name in _RATIO:
        top, bottom = _RATIO[name]
        return elementwise([value], t.join, lambda r: Divide(Apply(top, r[0]), Apply(bottom, r[0])))
    if name in _VECTOR:
        return _of_vector(t, name, value, tree)
    raise Unreadable(name, "a function that we do not know", tree.span)


def _of_vector(t: Translator, name: str, value: Value, tree: Expr) -> Value:
    if value.rank == 0:
        raise Mismatch(f"{name} of a number: it takes a vector", "shape-mismatch", tree.span)
    if name == "tr":
        if value.rank != 2:
            raise Mismatch("the trace of what is no matrix", "shape-mismatch", tree.span)
        t.join(*value.sets)
        letter = t.fresh()
        of = value.at((Index(letter), Index(letter)))
        return scalar(Total("sum", letter, t.set_name(value.sets[0]), of))
    last = value.sets[-1]
    if name == "diag":
        if value.rank != 1:
            raise Unreadable("diag", "of what is no vector", tree.span)
        return Value(
            (last, last),
            lambda i: Choose((((Compare("eq", i[0], i[1]),), value.at(i[:1])), ((), ZERO))),
        )

    def total(kind: str, outer: tuple[Index, ...], exponential: bool) -> Real:
        letter = t.fresh()
        of = value.at((*outer, Index(letter)))
        if exponential:
            of = Apply("exp", of)
        return Total(kind, letter, t.set_name(last), of)  # type: ignore[arg-type]

    if name in ("sum", "mean", "max", "min"):
        if value.rank != 1:
            raise Unreadable(name, "of a matrix", tree.span)
        return scalar(total(name, (), False))
    if name in ("lse", "logsumexp"):
        sets = value.sets[:-1]
        return Value(sets, lambda i: Apply("log", total("sum", i, True)))
    if name == "softmax":
        return Value(
            value.sets, lambda i: Divide(Apply("exp", value.at(i)), total("sum", i[:-1], True))
        )
    return Value(
        value.sets,
        lambda i: Plus((value.at(i), negative(Apply("log", total("sum", i[:-1], True))))),
    )


def largest_of(t: Translator, kind: str, items: Tuple) -> Value:
    """Return max(a, b) of two numbers, by their difference; max(a_1, ..., a_n) of a vector."""
    if any(isinstance(item, Ellipsis) for item in items.items):
        return named(t, kind, t.value(items), items)
    if len(items.items) != 2:
        raise Unreadable(kind, "of a list", items.span)
    first, second = (t.value(item) for item in items.items)
    sign = Const(Fraction(1 if kind == "max" else -1))
    half = Const(Fraction(1, 2))

    def one(reals: list[Real]) -> Real:
        a, b = reals
        if a == ZERO and kind == "max":
            return Apply("relu", b)
        if b == ZERO and kind == "max":
            return Apply("relu", a)
        gap = Apply("abs", Plus((a, negative(b))))
        return Times((half, Plus((a, b, Times((sign, gap))))))

    return elementwise([first, second], t.join, one)


def square_sum(t: Translator, value: Value) -> Real:
    """Return the sum of the squares of all elements."""
    letters = tuple(t.fresh() for _ in value.sets)
    real: Real = Raise(value.at(tuple(Index(one) for one in letters)), Const(Fraction(2)))
    for letter, place in zip(reversed(letters), reversed(value.sets), strict=True):
        real = Total("sum", letter, t.set_name(place), real)
    return real
