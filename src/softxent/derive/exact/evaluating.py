"""The value of an expression at a point that the caller gives."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from time import thread_time
from typing import TypeAlias

from softxent.derive.core import Free, Given, Real
from softxent.derive.exact import elementary, points
from softxent.derive.exact.digits import working_context
from softxent.derive.exact.elementary import Value
from softxent.derive.exact.jets import Jet
from softxent.derive.exact.machine import Machine
from softxent.derive.exact.program import Program
from softxent.derive.exact.rounded import Rounded
from softxent.derive.exact.stops import Unsupported

Array: TypeAlias = "int | Fraction | Sequence[Array]"


@dataclass(frozen=True, slots=True)
class At:
    """A point: values of the free quantities, by name; a name "e^z" gives the exponentials of z.

    Arrays are nested sequences; the sizes of the sets are read from them, or given.
    """

    values: Mapping[str, Array]
    letters: Mapping[str, int] = field(default_factory=dict)
    sizes: Mapping[str, int] = field(default_factory=dict)


def evaluate(real: Real, given: Given, point: At, *, budget_seconds: float = 2.0) -> Value:
    """Return the exact value of an expression: a Fraction where it is rational.

    Raises `stops.Stop` where there is none; the reason is its text.
    """
    with working_context():
        return _evaluated(real, given, point, thread_time() + budget_seconds)


def _evaluated(real: Real, given: Given, point: At, deadline: float) -> Value:
    program = Program((real,), given)
    sizes = {set: 1 for uses in program.all_uses() for set in uses.depth} | dict(point.sizes)
    held = points.Point(sizes, "0", points.PAPER)
    for name in program.names:
        quantity = program.quantity(name)
        if isinstance(quantity, Free):
            logarithmic = name not in point.values
            array = point.values.get(f"e^{name}" if logarithmic else name)
            if array is None:
                raise Unsupported(f"the point has no value for {name}")
            held.values[name] = {}
            _fill(held, program, name, array, (), logarithmic)
    machine = Machine(program, held, deadline)
    machine.letters = dict(point.letters)
    value = program.sides[0].value(machine, machine.letters, ())
    if isinstance(value, Jet):
        raise Unsupported("a derivative is left open")
    return value


def _fill(
    point: points.Point,
    program: Program,
    name: str,
    array: Array,
    places: tuple[int, ...],
    logarithmic: bool,
) -> None:
    """Put an array into a point, and its lengths into the sizes."""
    sets = program.quantity(name).sets
    if isinstance(array, (int, Fraction)):
        if len(places) != len(sets):
            raise Unsupported(f"{name} has {len(sets)} indices, not {len(places)}")
        value: Value = Fraction(array)
        if logarithmic:
            value = elementary.log(value)
        if not isinstance(value, Rounded):
            point.values[name][places] = value
        return
    if len(places) >= len(sets):
        raise Unsupported(f"{name} has {len(sets)} indices, not more")
    set = sets[len(places)]
    point.sizes[set] = len(array)
    for number, part in enumerate(array, program.first(set)):
        _fill(point, program, name, part, (*places, number), logarithmic)
