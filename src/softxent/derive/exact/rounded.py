"""Numbers of many digits: what is computed with where the exact form grows past its cap."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

from softxent.derive.exact import digits as dec
from softxent.derive.exact.atoms import Exponent
from softxent.derive.exact.numbers import Poly, approximate
from softxent.derive.exact.stops import LogOfZero, TooLarge, Undefined

_LARGEST_EXPONENT = 80
"""e^-80 is still seen beside 1 among 60 digits."""


class Rounded:
    """A decimal with `places` good digits where nothing cancels."""

    __slots__ = ("places", "value")

    def __init__(self, value: Decimal, places: int) -> None:
        self.value = value
        self.places = places

    def _other(self, other: object) -> Decimal | None:
        if isinstance(other, Rounded):
            return other.value
        if isinstance(other, (Fraction, int)):
            return dec.decimal_of(other, dec.context(self.places))
        if isinstance(other, Poly):
            return approximate(other, self.places)[0]
        return None

    def __add__(self, other: object) -> Rounded:
        value = self._other(other)
        if value is None:
            return NotImplemented
        return Rounded(dec.context(self.places).add(self.value, value), self.places)

    __radd__ = __add__

    def __neg__(self) -> Rounded:
        return Rounded(self.value.copy_negate(), self.places)

    def __sub__(self, other: object) -> Rounded:
        value = self._other(other)
        if value is None:
            return NotImplemented
        return Rounded(dec.context(self.places).subtract(self.value, value), self.places)

    def __rsub__(self, other: object) -> Rounded:
        return -self + other

    def __mul__(self, other: object) -> Rounded:
        value = self._other(other)
        if value is None:
            return NotImplemented
        return Rounded(dec.context(self.places).multiply(self.value, value), self.places)

    __rmul__ = __mul__

    def __truediv__(self, other: object) -> Rounded:
        value = self._other(other)
        if value is None:
            return NotImplemented
        return Rounded(_quotient(self.value, value, self.places), self.places)

    def __rtruediv__(self, other: object) -> Rounded:
        value = self._other(other)
        if value is None:
            return NotImplemented
        return Rounded(_quotient(value, self.value, self.places), self.places)

    def __bool__(self) -> bool:
        return bool(self.value)

    def apply(self, name: str) -> Rounded:
        """Return the function called `name` at this number."""
        at = dec.context(self.places)
        if name == "exp":
            if self.value.copy_abs() > _LARGEST_EXPONENT:
                raise TooLarge("an exponent is too large")
            return Rounded(dec.exp(self.value, at), self.places)
        if name == "log" and not self.value:
            raise LogOfZero("the logarithm of zero")
        return Rounded(dec.apply(name, self.value, self.places), self.places)

    def power(self, exponent: Exponent) -> Rounded:
        """Return this number to a rational power."""
        at = dec.context(self.places)
        if not self.value:
            if exponent < 0:
                raise Undefined("division by zero")
            return Rounded(Decimal(0 if exponent else 1), self.places)
        if exponent.denominator == 1:
            if abs(exponent.numerator) > 10_000:
                raise TooLarge("a power is too large")
            return Rounded(at.power(self.value, exponent.numerator), self.places)
        if self.value < 0:
            raise Undefined("a root of a negative number")
        logarithm = at.multiply(at.ln(self.value), dec.decimal_of(exponent, at))
        return Rounded(dec.exp(logarithm, at), self.places)

    def sign(self) -> int:
        """Return -1, 0 or 1; what may be 0 but for rounding has no sign that could be told."""
        if self.value and abs(self.value) < Decimal(10) ** (-self.places // 2):
            raise TooLarge("the sign of a number cannot be told from its digits")
        return (self.value > 0) - (self.value < 0)


def _quotient(above: Decimal, below: Decimal, places: int) -> Decimal:
    # A denominator that is 0 but for rounding must not become a huge number.
    if abs(below) < Decimal(10) ** (-places // 2):
        raise Undefined("division by zero")
    return dec.context(places).divide(above, below)
