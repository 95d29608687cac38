"""Exact numbers and points as text that a reader can redo on paper."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from fractions import Fraction

from softxent.derive.exact.atoms import Atom, Exponent, Mono, int_of, mono_of
from softxent.derive.exact.elementary import Value
from softxent.derive.exact.machine import Machine
from softxent.derive.exact.numbers import Poly, approximate, poly_of
from softxent.derive.exact.points import Places, Point
from softxent.derive.exact.program import Program
from softxent.derive.exact.rounded import Rounded
from softxent.derive.verdicts import Witness

_LONGEST = 40
_DIGITS = 10


def text(value: Value) -> str:
    """Return a number as text: exactly where that is short, else its first digits and "…".

    >>> text(Fraction(1, 6))
    '1/6'
    """
    if isinstance(value, Fraction):
        written = str(value)
        if len(written) <= _LONGEST:
            return written
    elif isinstance(value, Poly) and len(value.terms) <= 4:
        written = _sum(value)
        if len(written) <= _LONGEST:
            return written
    decimal = value.value if isinstance(value, Rounded) else approximate(value, 30)[0]
    return f"{decimal:.{_DIGITS}g}…"


def _sum(value: Poly) -> str:
    terms = [(_monomial(mono), coefficient) for mono, coefficient in value.terms.items()]
    # Logarithms first, the rational last: "log 2 - 1/2".
    terms.sort(key=lambda term: (not term[0], term[1] < 0, term[0]))
    written = ""
    for mono, coefficient in terms:
        size = abs(coefficient)
        factor = mono if mono and size == 1 else f"{size} {mono}".strip()
        if mono and size.denominator != 1:
            factor = f"({size}) {mono}"
        if written:
            written += f" - {factor}" if coefficient < 0 else f" + {factor}"
        else:
            written = f"-{factor}" if coefficient < 0 else factor
    return written


def _monomial(mono: Mono) -> str:
    return " ".join(_atom(one, exponent) for one, exponent in mono)


def _atom(one: Atom, exponent: Exponent) -> str:
    if one.kind == "exp":
        inner = _monomial(mono_of(one))
        whole = inner if exponent == 1 and inner else f"{exponent} {inner}".strip()
        if whole == "1":
            return "e"
        return f"e^({whole})" if len(whole) > 1 else f"e^{whole}"
    if one.kind == "root":
        prime = int_of(one)
        return f"sqrt({prime})" if exponent == Fraction(1, 2) else f"{prime}^({exponent})"
    if one.kind == "of":
        base = f"({_sum(poly_of(one))})"
    elif one.kind == "log" and isinstance(one.of, int):
        base = f"log {one.of}"
    else:
        of = one.of
        inner = _sum(of) if isinstance(of, Poly) else str(of)
        base = f"|{one.kind}({inner})|"
    if exponent == 1:
        return base
    base = base if base[0] in "(|" else f"({base})"
    return f"{base}^{exponent}" if exponent > 0 else f"{base}^({exponent})"


def witness(machine: Machine, left: Value, right: Value) -> Witness:
    """Return the point at which two sides differ, as text."""
    program, point = machine.program, machine.point
    values: dict[str, str] = {}
    for name, drawn in point.exponentials.items():
        values[f"e^{name}"] = _array(drawn, str)
    for name in program.names:
        if name in point.values and name not in point.exponentials:
            values[name] = _array(point.values[name], text)
    values |= _functions(point)
    values |= {letter: str(machine.letters[letter]) for letter in program.free}
    main = _main_set(program, point)
    shown = {set for name in program.names for set in program.quantity(name).sets}
    shown |= {program.given.letters[letter] for letter in program.free} | set(program.own.depth)
    values |= {set: str(size) for set, size in point.sizes.items() if set in shown and set != main}
    return Witness(point.sizes.get(main, 1), values, text(left), text(right))


def _main_set(program: Program, point: Point) -> str:
    """Return the set whose size a reader asks for first: the free letter's, else the largest."""
    for letter in program.free:
        return program.given.letters[letter]
    return max(point.sizes, key=lambda set: point.sizes[set], default="")


def _array(values: Mapping[Places, Value], write: Callable[[Value], str]) -> str:
    """Return an array in nested parentheses, a number without."""
    if () in values:
        return write(values[()])
    rows: dict[int, dict[Places, Value]] = {}
    for places, value in values.items():
        rows.setdefault(places[0], {})[places[1:]] = value
    return "(" + ", ".join(_array(row, write) for row in rows.values()) + ")"


def _functions(point: Point) -> dict[str, str]:
    """Return the unknown functions that were tried: u + u v + u v w, each form by its parts."""
    forms: dict[str, dict[int, list[str]]] = {}
    for (name, own, number, key), coefficient in point.coefficients.items():
        if not isinstance(own, tuple) or not isinstance(number, int) or not isinstance(key, tuple):
            continue
        label = str(name) + (f"_{','.join(map(str, own))}" if own else "")
        argument = ""
        if key:
            of, places = key
            argument = f" {of}" + (f"_{','.join(map(str, places))}" if places else "")
        forms.setdefault(label, {}).setdefault(number, []).append(f"{coefficient}{argument}")
    return {
        label: "u + u v + u v w, "
        + ", ".join(
            f"{'uvw'[number]} = " + " + ".join(parts).replace("+ -", "- ")
            for number, parts in sorted(held.items())
        )
        for label, held in forms.items()
    }
