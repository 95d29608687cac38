"""Values with their derivatives: numbers with parts along ε₁, ε₂, ε₁ε₂, …, where every ε² = 0.

The coefficient of ε₁ε₂ is the mixed second derivative, and so on: one ε for each ∂ that is open.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction
from math import gcd
from typing import TypeAlias

from softxent.derive.exact import elementary
from softxent.derive.exact.atoms import Exponent
from softxent.derive.exact.elementary import Value
from softxent.derive.exact.stops import Undefined, Unsupported


class Jet:
    """parts: the value at key 0, and at key 2^a + 2^b + … the coefficient of ε_a ε_b …"""

    __slots__ = ("_reciprocal", "parts")

    def __init__(self, parts: dict[int, Value]) -> None:
        self.parts = parts
        self._reciprocal: Real | None = None

    def __add__(self, other: Real) -> Real:
        parts = dict(self.parts)
        if isinstance(other, Jet):
            for key, value in other.parts.items():
                parts[key] = parts[key] + value if key in parts else value
            return jet(parts)
        parts[0] = parts[0] + other
        return Jet(parts)

    __radd__ = __add__

    def __neg__(self) -> Jet:
        return Jet({key: -value for key, value in self.parts.items()})

    def __sub__(self, other: Real) -> Real:
        return self + (-other)

    def __rsub__(self, other: Real) -> Real:
        return -self + other

    def __mul__(self, other: Real) -> Real:
        if not isinstance(other, Jet):
            if not other:
                return other
            return jet({key: value * other for key, value in self.parts.items()})
        parts: dict[int, Value] = {}
        for a, x in self.parts.items():
            if not x:
                continue
            for b, y in other.parts.items():
                if not a & b:
                    term = x * y
                    parts[a | b] = parts[a | b] + term if a | b in parts else term
        parts.setdefault(0, Fraction(0))
        return jet(parts)

    def shifted(self, bit: int) -> Jet:
        """Return ε times this."""
        parts = {key | bit: value for key, value in self.parts.items() if not key & bit}
        parts[0] = Fraction(0)
        return Jet(parts)

    def reciprocal(self) -> Real:
        """Return 1 / this, found once."""
        if self._reciprocal is None:
            self._reciprocal = lift(_invert, lambda _, at: -(at * at), self)
        return self._reciprocal

    __rmul__ = __mul__

    def __truediv__(self, other: Real) -> Real:
        return self * reciprocal(other)

    def __rtruediv__(self, other: Real) -> Real:
        return reciprocal(self) * other


Real: TypeAlias = "Value | Jet"


def jet(parts: dict[int, Value]) -> Real:
    """Return the simplest value with these parts; part 0 is there."""
    kept = {key: value for key, value in parts.items() if not key or value}
    return Jet(kept) if len(kept) > 1 else kept[0]


def value_of(x: Real) -> Value:
    """Return the value without its derivatives."""
    return x.parts[0] if isinstance(x, Jet) else x


def along(x: Real, bit: int) -> Real:
    """Return the derivative along one ε."""
    if not isinstance(x, Jet):
        return Fraction(0)
    parts = {key ^ bit: value for key, value in x.parts.items() if key & bit}
    parts.setdefault(0, Fraction(0))
    return jet(parts)


def seeded(x: Real, bit: int) -> Real:
    """Return x + ε."""
    return x + Jet({0: Fraction(0), bit: Fraction(1)})


def lift(function: Callable[[Value], Value], slope: Callable[[Real, Real], Real], x: Real) -> Real:
    """Return function(x), where slope(u, function(u)) is its derivative: f(u + εv) = f + ε f' v."""
    if not isinstance(x, Jet):
        return function(x)
    bit = 1 << (max(x.parts).bit_length() - 1)
    plain = jet({key: value for key, value in x.parts.items() if not key & bit})
    at = lift(function, slope, plain)
    step = slope(plain, at) * along(x, bit)
    return at + (step.shifted(bit) if isinstance(step, Jet) else jet({0: Fraction(0), bit: step}))


def reciprocal(x: Real) -> Real:
    """Return 1 / x."""
    return x.reciprocal() if isinstance(x, Jet) else _invert(x)


def _invert(x: Value) -> Value:
    return elementary.divide(Fraction(1), x)


def linear(start: int, factors: Sequence[int], reals: Sequence[Real]) -> Real:
    """Return start + the sum of these numbers, each times its factor; rationals as integers."""
    tops: dict[int, int] = {0: start}
    bottoms: dict[int, int] = {0: 1}
    others: dict[int, Value] = {}
    for factor, real in zip(factors, reals, strict=True):
        for key, value in real.parts.items() if isinstance(real, Jet) else ((0, real),):
            if not isinstance(value, Fraction):
                term = value * Fraction(factor)
                others[key] = others[key] + term if key in others else term
                continue
            top, bottom = value.numerator * factor, value.denominator
            before = bottoms.get(key, 1)
            if bottom == before:
                tops[key] = tops.get(key, 0) + top
                continue
            common = gcd(bottom, before)
            tops[key] = tops.get(key, 0) * (bottom // common) + top * (before // common)
            bottoms[key] = before // common * bottom
    parts: dict[int, Value] = {key: Fraction(top, bottoms.get(key, 1)) for key, top in tops.items()}
    for key, value in others.items():
        parts[key] = parts[key] + value if key in parts else value
    return jet(parts)


def divide(above: Real, below: Real) -> Real:
    """Return above / below."""
    if isinstance(below, Jet):
        return above * reciprocal(below)
    if isinstance(above, Jet):
        return above * elementary.divide(Fraction(1), below)
    return elementary.divide(above, below)


def exp(x: Real) -> Real:
    """Return e^x."""
    return lift(elementary.exp, lambda _, at: at, x)


def log(x: Real) -> Real:
    """Return the natural logarithm of x."""
    return lift(elementary.log, lambda u, _: reciprocal(u), x)


def raise_to(base: Real, exponent: Real) -> Real:
    """Return base^exponent."""
    if not isinstance(exponent, Fraction):
        if not isinstance(base, Jet) and elementary.sign(base) == 0:
            if elementary.sign(value_of(exponent)) <= 0:
                raise Undefined("zero to a power that is not positive")
            return Fraction(0)
        return exp(exponent * log(base))
    return _power(base, exponent)


def _power(base: Real, exponent: Exponent) -> Real:
    if exponent == 0:
        return Fraction(1)
    if exponent == 1:
        return base
    return lift(
        lambda u: elementary.power(u, exponent),
        lambda u, _: _power(u, exponent - 1) * Fraction(exponent),
        base,
    )


def _off_kink(x: Real, name: str) -> int:
    """Return the sign of x, where 0 has no derivative."""
    side = elementary.sign(value_of(x))
    if side == 0 and isinstance(x, Jet):
        raise Undefined(f"{name} has no derivative at 0")
    return side


def _abs(x: Real) -> Real:
    return x * Fraction(_off_kink(x, "abs"))


def _relu(x: Real) -> Real:
    return x if _off_kink(x, "relu") > 0 else Fraction(0)


def _signum(x: Real) -> Real:
    return Fraction(_off_kink(x, "sign"))


def _step(x: Real) -> Real:
    side = elementary.sign(value_of(x))
    if side == 0:
        raise Undefined("the step function at its step")
    return Fraction(side > 0)


def _sqrt(x: Real) -> Real:
    return _power(x, Fraction(1, 2))


def _sigmoid(x: Real) -> Real:
    return reciprocal(exp(-x) + Fraction(1))


def _softplus(x: Real) -> Real:
    return log(exp(x) + Fraction(1))


def _tanh(x: Real) -> Real:
    square = exp(x * Fraction(2))
    return divide(square - Fraction(1), square + Fraction(1))


def _sinh(x: Real) -> Real:
    up = exp(x)
    return (up - reciprocal(up)) * Fraction(1, 2)


def _cosh(x: Real) -> Real:
    up = exp(x)
    return (up + reciprocal(up)) * Fraction(1, 2)


def _artanh(x: Real) -> Real:
    one = Fraction(1)
    return (log(x + one) - log(one - x)) * Fraction(1, 2)


def _sin(x: Real) -> Real:
    return lift(lambda u: elementary.function("sin", u), lambda u, _: _cos(u), x)


def _cos(x: Real) -> Real:
    return lift(lambda u: elementary.function("cos", u), lambda u, _: -_sin(u), x)


def _tan(x: Real) -> Real:
    return divide(_sin(x), _cos(x))


def _arctan(x: Real) -> Real:
    return lift(
        lambda u: elementary.function("arctan", u),
        lambda u, _: reciprocal(u * u + Fraction(1)),
        x,
    )


def _arcsin(x: Real) -> Real:
    return lift(
        lambda u: elementary.function("arcsin", u),
        lambda u, _: _power(Fraction(1) - u * u, Fraction(-1, 2)),
        x,
    )


def _pi() -> Value:
    return elementary.function("pi", Fraction(1))


def _arccos(x: Real) -> Real:
    return _pi() * Fraction(1, 2) - _arcsin(x)


def _erf(x: Real) -> Real:
    return lift(
        lambda u: elementary.function("erf", u),
        lambda u, _: exp(-(u * u)) * _power(_pi(), Fraction(-1, 2)) * Fraction(2),
        x,
    )


def _normal(x: Real) -> Real:
    """Return the distribution function of the standard normal."""
    return (_erf(x * _power(Fraction(2), Fraction(-1, 2))) + Fraction(1)) * Fraction(1, 2)


def _logarithm(base: int) -> Callable[[Real], Real]:
    return lambda x: log(x) * reciprocal(log(Fraction(base)))


_FUNCTIONS: dict[str, Callable[[Real], Real]] = {
    "exp": exp,
    "log": log,
    "ln": log,
    "log2": _logarithm(2),
    "log10": _logarithm(10),
    "sqrt": _sqrt,
    "abs": _abs,
    "sign": _signum,
    "sgn": _signum,
    "relu": _relu,
    "ReLU": _relu,
    "step": _step,
    "heaviside": _step,
    "sigmoid": _sigmoid,
    "logistic": _sigmoid,
    "softplus": _softplus,
    "tanh": _tanh,
    "sinh": _sinh,
    "cosh": _cosh,
    "coth": lambda x: reciprocal(_tanh(x)),
    "sech": lambda x: reciprocal(_cosh(x)),
    "csch": lambda x: reciprocal(_sinh(x)),
    "arctanh": _artanh,
    "artanh": _artanh,
    "arsinh": lambda x: log(x + _sqrt(x * x + Fraction(1))),
    "arcsinh": lambda x: log(x + _sqrt(x * x + Fraction(1))),
    "arccosh": lambda x: log(x + _sqrt(x * x - Fraction(1))),
    "sin": _sin,
    "cos": _cos,
    "tan": _tan,
    "cot": lambda x: divide(_cos(x), _sin(x)),
    "sec": lambda x: reciprocal(_cos(x)),
    "csc": lambda x: reciprocal(_sin(x)),
    "arctan": _arctan,
    "arcsin": _arcsin,
    "arccos": _arccos,
    "erf": _erf,
    "Phi": _normal,
    "pi": lambda x: x * _pi(),
}

FUNCTIONS = frozenset(_FUNCTIONS)
"""The names that `Apply.function` may have."""


def apply(name: str, x: Real) -> Real:
    """Return the function called `name` at x."""
    function = _FUNCTIONS.get(name)
    if function is None:
        raise Unsupported(f"the function {name}")
    return function(x)
