r"""Expressions of `core` as TeX that people read: \frac, \sum, deltas, e^{...}, cases.

>>> from softxent.derive.write.terms import delta, element, negative, plus, times
>>> from softxent.derive.core import Index
>>> y = element("y", "k")
>>> tex(times(y, plus(delta(Index("k"), Index("i")), negative(element("y", "i")))))
'y_k \\left(\\delta_{ki} - y_i\\right)'
"""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

from softxent.derive.core import (
    Apply,
    Choose,
    Compare,
    Const,
    Divide,
    Element,
    Index,
    Partial,
    Plus,
    Raise,
    Real,
    Size,
    Times,
    Total,
)
from softxent.derive.write.terms import as_delta, free_letters, inside, negative, split_number

_RELATIONS = {"eq": "=", "neq": r"\neq", "lt": "<", "le": r"\le", "gt": ">", "ge": r"\ge"}
_BIG = {"sum": r"\sum", "product": r"\prod", "max": r"\max", "min": r"\min"}
_FUNCTIONS = {"log": r"\log", "tanh": r"\tanh", "cosh": r"\cosh", "sech": r"\mathrm{sech}"}


def tex(expr: Real) -> str:
    """Write an expression."""
    if not isinstance(expr, Plus):
        return _term(expr)
    text = _term(expr.terms[0])
    for term in expr.terms[1:]:
        sign, rest = ("-", negative(term)) if _is_negative(term) else ("+", term)
        text += f" {sign} {_term(rest)}"
    return text


def with_bounds(expr: Real) -> Real:
    """Return an expression whose sums are written with their bounds, as in a definition."""

    def bounded(at: Real) -> Real | None:
        if isinstance(at, Total) and at.kind == "sum" and not at.conditions:
            return replace(at, upper=Index("", 1))
        return None

    return inside(expr, bounded)


def condition(compare: Compare) -> str:
    """Write a condition between two indices."""
    return f"{compare.left.letter} {_RELATIONS[compare.relation]} {compare.right.letter}"


def _term(expr: Real) -> str:
    """Write what may stand between + and -."""
    number, _ = split_number(expr)
    if isinstance(expr, Times) and number < 0:
        return "-" + _term(negative(expr))
    if isinstance(expr, Times):
        return _product(expr.factors)
    return _factor(expr)


def _product(factors: tuple[Real, ...]) -> str:
    text = ""
    for at, factor in enumerate(factors):
        last = at == len(factors) - 1
        if isinstance(factor, Plus) or (not last and _is_open(factor)) or _is_negative(factor):
            written = _bracket(factor)
        else:
            written = _factor(factor)
        if text and _wants_space(factors[at - 1], factor):
            text += r" \cdot" if written[:1].isdigit() else r" \,"
        text += f" {written}" if text else written
    return text


def _factor(expr: Real) -> str:
    match expr:
        case Const(value):
            return _number(value)
        case Element(name, indices):
            return letter(name) + _subscript(tuple(one.letter for one in indices))
        case Size(name):
            return name
        case Divide(above, below):
            return rf"\frac{{{tex(above)}}}{{{tex(below)}}}"
        case Raise(Apply(function, of), exponent) if function != "exp":
            return f"{_FUNCTIONS[function]}^{_script(tex(exponent))}{_argument(of, True)}"
        case Raise(base, exponent):
            plain = isinstance(base, Element) and not base.indices
            plain = plain or (isinstance(base, Element | Const) and not _is_negative(base))
            written = _factor(base) if plain else _bracket(base)
            return f"{written}^{_script(tex(exponent))}"
        case Apply("exp", of):
            return f"e^{{{tex(of)}}}"
        case Apply(function, of):
            return _FUNCTIONS[function] + _argument(of, function != "log")
        case Total():
            inner = expr.of
            closed = isinstance(inner, Plus) or _is_negative(inner)
            return f"{_big(expr)} {_bracket(inner) if closed else _term(inner)}"
        case Choose(rows):
            if (pair := as_delta(expr)) is not None:
                return r"\delta" + _subscript(tuple(one.letter for one in pair), brace=True)
            cases = [f"{tex(value)} & {_when(when)}" for when, value in rows]
            return r"\begin{cases} " + r" \\ ".join(cases) + r" \end{cases}"
        case Partial():
            return _derivative(expr)
    return _bracket(expr)


def _big(total: Total) -> str:
    """Write the sign of a sum; with bounds where nothing in it says what its letter runs over."""
    under = ", ".join(condition(one) for one in total.conditions) or total.letter
    if total.upper is None and (total.conditions or total.letter in free_letters(total.of)):
        return f"{_BIG[total.kind]}_{{{under}}}"
    return f"{_BIG[total.kind]}_{{{under}=1}}^{{{total.set}}}"


def _derivative(expr: Partial) -> str:
    by = [expr.by]
    of = expr.of
    while isinstance(of, Partial):
        by.insert(0, of.by)
        of = of.of
    below = " ".join(rf"\partial {_factor(one)}" for one in by)
    if len(by) > 1 and len(set(by)) == 1:
        below = rf"\partial {_factor(by[0])}^{len(by)}"
    sign = r"\partial" if len(by) == 1 else rf"\partial^{len(by)}"
    if isinstance(of, Element) or (isinstance(of, Apply) and of.function == "exp"):
        return rf"\frac{{{sign} {_factor(of)}}}{{{below}}}"
    written = _bracket(of) if isinstance(of, Plus | Times | Choose) else _factor(of)
    return rf"\frac{{{sign}}}{{{below}}} {written}"


def _argument(of: Real, always: bool) -> str:
    """Write what a function is of, in a bracket where it could be misread."""
    simple = isinstance(of, Element | Total | Divide) or (
        isinstance(of, Apply) and of.function == "exp"
    )
    return f" {_factor(of)}" if simple and not always else rf"\left({tex(of)}\right)"


def _when(conditions: tuple[Compare, ...]) -> str:
    if not conditions:
        return r"\text{otherwise}"
    return r"\text{if } " + ", ".join(condition(one) for one in conditions)


def _number(value: Fraction) -> str:
    if value < 0:
        return "-" + _number(-value)
    if value.denominator == 1:
        return str(value.numerator)
    return rf"\frac{{{value.numerator}}}{{{value.denominator}}}"


def letter(name: str) -> str:
    """Write a letter as TeX names it; words stand upright."""
    return rf"\mathrm{{{name}}}" if name.isalpha() and len(name) > 1 else name


def _subscript(letters: tuple[str, ...], brace: bool = False) -> str:
    joined = "".join(letters) if all(len(one) == 1 for one in letters) else ""
    joined = joined or " ".join(letters)
    if not joined:
        return ""
    return f"_{joined}" if len(joined) == 1 and not brace else f"_{{{joined}}}"


def _script(text: str) -> str:
    return text if len(text) == 1 else f"{{{text}}}"


def _bracket(expr: Real) -> str:
    return rf"\left({tex(expr)}\right)"


def _is_negative(expr: Real) -> bool:
    return split_number(expr)[0] < 0


def _is_open(expr: Real) -> bool:
    """Whether an expression takes in whatever is written behind it."""
    match expr:
        case Total():
            return True
        case Apply(function, of):
            return function == "log"
        case Partial(of):
            while isinstance(of, Partial):
                of = of.of
            return not (isinstance(of, Element) or (isinstance(of, Apply) and of.function == "exp"))
        case Times(factors):
            return _is_open(factors[-1])
    return False


def _wants_space(before: Real, factor: Real) -> bool:
    """Whether a thin space keeps an upright word, or a number, from its neighbour."""
    return _is_word(before) or _is_word(factor) or isinstance(factor, Const)


def _is_word(expr: Real) -> bool:
    match expr:
        case Raise(base):
            return _is_word(base)
        case Element(name):
            return len(name) > 1 and name.isalpha()
        case Apply(function):
            return function == "sech"
    return False
