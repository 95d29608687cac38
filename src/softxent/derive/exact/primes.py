"""Powers and prime factors of rationals: logarithms and roots are written by primes."""

from __future__ import annotations

from fractions import Fraction
from functools import lru_cache
from math import gcd, isqrt

from softxent.derive.exact.stops import TooLarge, Undefined

MAX_BITS = 20_000
"""Of a numerator or denominator."""

_LIMIT = 2048
# Right below 3.3e24 (Sorenson and Webster 2015); a number past that is only very likely prime, and
# a composite taken for a prime costs an exact verdict, never a right one.
_BASES = (2, 3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41)
_STEPS = 2000


def rational_power(base: Fraction, exponent: int) -> Fraction:
    """Return base^exponent, within the cap on digits."""
    if not base and exponent < 0:
        raise Undefined("division by zero")
    bits = max(base.numerator.bit_length(), base.denominator.bit_length())
    if abs(exponent) * bits > MAX_BITS and abs(base) != 1 and base:
        raise TooLarge("a power has too many digits")
    if abs(base) == 1:
        exponent %= 2
    return base**exponent


def prime_exponents(value: Fraction) -> list[tuple[int, int]]:
    """Return (prime, exponent) pairs of a positive rational."""
    if max(value.numerator.bit_length(), value.denominator.bit_length()) > 600:
        raise TooLarge("a number has too many digits to be taken apart")
    return [*factors(value.numerator), *((p, -e) for p, e in factors(value.denominator))]


@lru_cache(maxsize=8192)
def factors(n: int) -> tuple[tuple[int, int], ...]:
    """Return (prime, exponent) pairs of n ≥ 1, primes ascending.

    A composite whose factors are all large may stay as it is: time is bounded.

    >>> factors(360)
    ((2, 3), (3, 2), (5, 1))
    """
    found: dict[int, int] = {}
    for p in _small():
        if p * p > n:
            break
        while n % p == 0:
            found[p] = found.get(p, 0) + 1
            n //= p
    rest = [n] if n > 1 else []
    while rest:
        n = rest.pop()
        divisor = n if n < _LIMIT * _LIMIT or _is_prime(n) else _divisor(n)
        if divisor == n:
            found[n] = found.get(n, 0) + 1
        else:
            rest += [divisor, n // divisor]
    return tuple(sorted(found.items()))


@lru_cache(maxsize=1)
def _small() -> tuple[int, ...]:
    return tuple(n for n in range(2, _LIMIT) if all(n % d for d in range(2, isqrt(n) + 1)))


def _is_prime(n: int) -> bool:
    """Miller and Rabin's test; n is odd and has no small factor."""
    odd, twos = n - 1, 0
    while odd % 2 == 0:
        odd, twos = odd // 2, twos + 1
    for base in _BASES:
        x = pow(base, odd, n)
        if x in (1, n - 1):
            continue
        for _ in range(twos - 1):
            x = x * x % n
            if x == n - 1:
                break
        else:
            return False
    return True


def _divisor(n: int) -> int:
    """Pollard's rho: a proper divisor of n, or n where none is found in time."""
    root = isqrt(n)
    if root * root == n:
        return root
    slow = fast = 2
    for _ in range(_STEPS):
        slow = (slow * slow + 1) % n
        fast = (fast * fast + 1) % n
        fast = (fast * fast + 1) % n
        divisor = gcd(slow - fast, n)
        if divisor == n:
            return n
        if divisor > 1:
            return divisor
    return n
