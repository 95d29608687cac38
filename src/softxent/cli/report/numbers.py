"""Numbers as people read them."""

from __future__ import annotations

import math

_SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def fixed(x: float, decimals: int) -> str:
    """With a true minus sign.

    >>> fixed(-0.156, 2), fixed(-0.001, 2)
    ('−0.16', '0.00')
    """
    text = f"{x:.{decimals}f}"
    if float(text) == 0:
        return text.removeprefix("-")
    return text.replace("-", "−")


def ulp(x: float | None) -> str:
    """An error in units in the last place: digits while it is small, then its size.

    >>> ulp(0.503), ulp(17.41), ulp(8388607.5), ulp(math.inf), ulp(None)
    ('0.50', '17.4', '8.4 · 10⁶', '∞', '–')
    """
    if x is None:
        return "–"
    if not math.isfinite(x):
        return "∞"
    if x < 9.995:
        return f"{x:.2f}"
    if x < 999.95:
        return f"{x:.1f}"
    if x < 99_999.5:
        return count(round(x))
    mantissa, exponent = f"{x:.1e}".split("e")
    return f"{mantissa} · 10{str(int(exponent)).translate(_SUPERSCRIPTS)}"


def milliseconds(x: float) -> str:
    """Three digits.

    >>> milliseconds(0.0107), milliseconds(3.149), milliseconds(84.15), milliseconds(1730.2)
    ('0.0107', '3.15', '84.2', '1,730')
    """
    if x >= 999.5:
        return count(round(x))
    return f"{x:.{max(0, 2 - math.floor(math.log10(x)))}f}" if x > 0 else "0"


def count(x: int) -> str:
    """Thousands apart.

    >>> count(131072)
    '131,072'
    """
    return f"{x:,}"


def percent(x: float) -> str:
    """A share.

    >>> percent(0.969949)
    '96.99 %'
    """
    return f"{100 * x:.2f} %"


def times(x: float) -> str:
    """A ratio.

    >>> times(9.34), times(0.131), times(99.4)
    ('9.3×', '0.13×', '99×')
    """
    if x >= 9.95:
        return f"{x:.0f}×"
    return f"{x:.1f}×" if x >= 0.995 else f"{x:.2f}×"
