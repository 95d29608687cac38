"""Rules of school algebra: brackets, common factors, fractions, logarithms, order."""

from __future__ import annotations

from collections.abc import Sequence

from softxent.derive.core import (
    Apply,
    Const,
    Divide,
    Element,
    Partial,
    Plus,
    Raise,
    Real,
    Times,
    Total,
)
from softxent.derive.write.rules import Rule
from softxent.derive.write.sums import expanded
from softxent.derive.write.terms import (
    TWO,
    canonical,
    divide,
    everywhere,
    factors_of,
    free_letters,
    inside,
    negative,
    plus,
    same,
    split_number,
    terms_of,
    times,
)


def expand() -> Rule:
    """a (b + c) → a b + a c; terms of opposite sign cancel."""

    def at(expr: Real) -> Real:
        terms: list[Real] = []
        for term in terms_of(expr):
            for one in terms_of(_everything(term)):
                against = [n for n, two in enumerate(terms) if same(two, negative(one))]
                if against:
                    del terms[against[0]]
                else:
                    terms.append(one)
        return plus(*terms)

    why = "The brackets are opened; terms of opposite sign cancel."
    return Rule("expand", "distribute", why, at)


def _everything(expr: Real) -> Real:
    opened = expanded(expr)
    if isinstance(opened, Plus):
        return plus(*(_everything(one) for one in opened.terms))
    return opened


def collect() -> Rule:
    """a b + a c + d → a (b + c) + d: terms go together with those they have most in common with."""

    def at(expr: Real) -> Real | None:
        if not isinstance(expr, Plus):
            return None
        left, out = list(expr.terms), []
        while left:
            first = left.pop(0)
            common = max((_common((first, one)) for one in left), key=len, default=[])
            group = [first, *(one for one in left if common and _has(one, common))]
            left = [one for one in left if not any(one is other for other in group)]
            if len(group) == 1:
                out.append(first)
                continue
            rests = [_without(term, common) for term in group]
            out.append(times(*common, _numbered(rests)))
        return plus(*out)

    why = "The common factor is taken out of the bracket."
    return Rule("collect", "collect", why, lambda whole: everywhere(whole, at))


def _numbered(terms: Sequence[Real]) -> Real:
    """Return a sum of terms, a number that they share in front."""
    number, _ = split_number(terms[0])
    if number in (1, -1) or any(abs(split_number(one)[0]) != abs(number) for one in terms):
        return plus(*terms)
    inverse = Const(1 / number)
    return times(Const(number), plus(*(times(inverse, one) for one in terms)))


def _common(terms: Sequence[Real]) -> list[Real]:
    """Return the factors, no numbers, that all terms have."""
    common: list[Real] = []
    for factor in factors_of(terms[0]):
        if isinstance(factor, Const):
            continue
        tried = [*common, factor]
        if all(_has(term, tried) for term in terms):
            common = tried
    return common


def _has(term: Real, wanted: Sequence[Real]) -> bool:
    have = [canonical(one) for one in factors_of(term)]
    for one in wanted:
        if canonical(one) not in have:
            return False
        have.remove(canonical(one))
    return True


def _without(term: Real, taken: Sequence[Real]) -> Real:
    rest = list(factors_of(term))
    for one in taken:
        rest.pop(next(n for n, factor in enumerate(rest) if same(factor, one)))
    return times(*rest)


def cancel() -> Rule:
    """a / b · b → a; powers of one function are put together."""

    def at(expr: Real) -> Real | None:
        factors = list(factors_of(expr)) if isinstance(expr, Times | Divide) else []
        below = [one for f in factors if isinstance(f, Divide) for one in factors_of(f.below)]
        above = [
            one for f in factors for one in factors_of(f.above if isinstance(f, Divide) else f)
        ]
        gone = 0
        for one in list(below):
            place = next((n for n, two in enumerate(above) if same(one, two)), None)
            if place is not None:
                gone += 1
                below.remove(one)
                del above[place]
        powers = _powers(above)
        if not gone and powers == above:
            return None
        if not below:
            return times(*powers)
        fixed = [one for one in powers if not free_letters(one)]
        moving = [one for one in powers if free_letters(one)]
        if any(free_letters(one) for one in below):
            return times(divide(times(*powers), times(*below)))
        return times(divide(times(*fixed), times(*below)), *moving)

    why = "What stands above and below a fraction line cancels."
    return Rule("cancel", "cancel", why, lambda whole: inside(whole, at))


def _powers(factors: Sequence[Real]) -> list[Real]:
    """Put f f together as f², for functions."""
    out: list[Real] = []
    for one in factors:
        place = next((n for n, two in enumerate(out) if two == one), None)
        if place is not None and isinstance(one, Apply) and one.function != "exp":
            out[place] = Raise(one, TWO)
        else:
            out.append(one)
    return out


def split_fraction() -> Rule:
    """(f g - h h') / g² → f / g - h / g · h' / g."""

    def at(expr: Real) -> Real | None:
        match expr:
            case Divide(above, Raise(below, Const(power))) if power == 2:
                return plus(*(_over_square(term, below) for term in terms_of(above)))
        return None

    why = "The fraction is taken apart, one sum below each factor."
    return Rule("split-fraction", "split-fraction", why, lambda whole: everywhere(whole, at))


def _over_square(term: Real, below: Real) -> Real:
    number, rest = split_number(term)
    factors = list(factors_of(rest))
    place = next((n for n, one in enumerate(factors) if same(one, below)), None)
    if place is not None:
        del factors[place]
        return times(Const(number), divide(times(*factors), below))
    first, *others = factors
    return times(Const(number), divide(first, below), divide(times(*others), below))


def one_fraction() -> Rule:
    """1 / b · a → a / b, where b is a sum or has an index."""

    def at(expr: Real) -> Real | None:
        if not isinstance(expr, Times):
            return None
        for place, one in enumerate(expr.factors):
            match one:
                case Divide(Const(value), below) if value == 1 and _indexed(below):
                    rest = list(expr.factors[:place] + expr.factors[place + 1 :])
                    partner = _partner(rest)
                    if partner is not None:
                        above = rest.pop(partner)
                        return times(*rest[:partner], divide(above, below), *rest[partner:])
        return None

    why = "The two factors are written as one fraction."
    return Rule("one-fraction", "collect", why, lambda whole: inside(whole, at))


def _indexed(expr: Real) -> bool:
    return isinstance(expr, Total) or bool(free_letters(expr))


def _partner(factors: Sequence[Real]) -> int | None:
    """Return which factor goes on top: an exponential, or the last one with an index."""
    for n, one in enumerate(factors):
        if isinstance(one, Apply) and one.function == "exp":
            return n
    many = [n for n, one in enumerate(factors) if isinstance(one, Element) and free_letters(one)]
    return many[-1] if many else None


def logarithm() -> Rule:
    """log(f / g) → log f - log g, and log e^f → f."""

    def at(expr: Real) -> Real | None:
        match expr:
            case Apply("log", Divide(above, below)):
                return plus(_log(above), negative(_log(below)))
        return None

    why = "The logarithm of a quotient is a difference, and it undoes the exponential."
    return Rule("logarithm", "logarithm", why, lambda whole: everywhere(whole, at))


def _log(of: Real) -> Real:
    return of.of if isinstance(of, Apply) and of.function == "exp" else Apply("log", of)


def order() -> Rule:
    """-a + b → b - a; constants stand in front as one fraction, then letters, sums and brackets."""

    def at(expr: Real) -> Real | None:
        match expr:
            case Plus(terms) if split_number(terms[0])[0] < 0:
                positive = [one for one in terms if split_number(one)[0] >= 0]
                rest = [one for one in terms if split_number(one)[0] < 0]
                return plus(*positive, *rest) if positive else None
            case Times(factors):
                bracket = any(isinstance(one, Plus | Apply | Partial) for one in factors)
                ordered = sorted(factors, key=lambda one: _rank(one, bracket))
                return _joined(ordered)
        return None

    why = "The same terms, in another order."
    return Rule("order", "order", why, lambda whole: inside(whole, at))


def _rank(factor: Real, bracket: bool) -> int:
    """Constants, then the slope J, then letters, brackets, logarithms; a bare sum at the end."""
    if isinstance(factor, Const):
        return 0
    if isinstance(factor, Divide | Plus) and not free_letters(factor):
        return 1
    if isinstance(factor, Element) and factor.name == "J":
        return 2
    if isinstance(factor, Apply) and factor.function == "log":
        return 5
    if isinstance(factor, Total):
        return 3 if bracket else 4
    return 3


def _joined(factors: Sequence[Real]) -> Real:
    """Return a product whose constant fractions are one: 2 · 1/c · 1/T → 2/(c T)."""
    fractions = [one for one in factors if isinstance(one, Divide) and not free_letters(one)]
    if not fractions or (len(fractions) == 1 and not isinstance(factors[0], Const)):
        return times(*factors)
    number, _ = split_number(times(*factors))
    above = times(Const(abs(number)), *(one.above for one in fractions))
    below: list[Real] = []
    for one in (part for fraction in fractions for part in factors_of(fraction.below)):
        if below and below[-1] == one:
            below[-1] = Raise(one, TWO)
        else:
            below.append(one)
    rest = [one for one in factors if one not in fractions and not isinstance(one, Const)]
    return times(Const(number / abs(number)), divide(above, times(*below)), *rest)
