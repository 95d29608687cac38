"""Whether two sides are equal: at points, exactly, until a false step would have been seen."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from itertools import product
from time import thread_time

from softxent.derive.core import Free, Given, Real
from softxent.derive.exact import points as at_points
from softxent.derive.exact.abstraction import freed
from softxent.derive.exact.bound import degree
from softxent.derive.exact.digits import working_context
from softxent.derive.exact.elementary import Value
from softxent.derive.exact.jets import Jet
from softxent.derive.exact.machine import Machine
from softxent.derive.exact.numbers import approximate
from softxent.derive.exact.points import Point, Style, assumptions, base_sizes, draw
from softxent.derive.exact.program import Program
from softxent.derive.exact.rounded import Rounded
from softxent.derive.exact.stops import (
    OutOfTime,
    Outside,
    Stop,
    TooLarge,
    TooMuch,
    Undefined,
    Unsupported,
)
from softxent.derive.exact.wording import witness
from softxent.derive.exact.work import limited
from softxent.derive.verdicts import Witness

_ENOUGH = 1e-6
_MOST_POINTS = 4
_MOST_SETTINGS = 256
_MOST_WORK = 20_000
_DIGITS = "too large: a number has too many digits"
_ZERO = Fraction(0)


@dataclass(frozen=True, slots=True)
class Decision:
    """What was found out about left = right."""

    equal: bool | None
    """None: could not be decided; `why` says the reason."""
    exact: bool = True
    """Decided by exact numbers; else by 60 digits and again by 120."""
    witness: Witness | None = None
    """For a false step, a point at which the sides differ."""
    why: str = ""
    error: float = 0.0
    """How likely, at most, a false step would be called true (over the choice of the points)."""
    late: bool = False
    """Undecided because the budget was used up."""


def decide(
    left: Real,
    right: Real,
    given: Given,
    *,
    seed: int = 0,
    sizes: Mapping[str, int] | None = None,
    budget_seconds: float = 2.0,
    nice: bool = True,
) -> Decision:
    """Decide whether left = right for all values of the free letters and quantities.

    sizes: of the index sets, where they are not to be chosen. budget_seconds: of
    processor time; after it the answer is None. nice: look for a witness that is easy to redo;
    False where only the answer counts.
    """
    simpler = freed(left, right, given)
    if simpler is not None:
        seconds = budget_seconds / 2
        found = _decided(left, right, simpler[0], seed, sizes or {}, seconds, nice)
        if found.equal or (found.equal is False and simpler[1]):
            return found
        budget_seconds = seconds
    return _decided(left, right, given, seed, sizes or {}, budget_seconds, nice)


def _decided(
    left: Real,
    right: Real,
    given: Given,
    seed: int,
    sizes: Mapping[str, int],
    budget_seconds: float,
    nice: bool,
) -> Decision:
    deadline = thread_time() + budget_seconds
    try:
        with working_context():
            program = Program((left, right), given)
            return _Trial(program, seed, sizes, deadline, nice).decided()
    except Unsupported as reason:
        return Decision(None, why=f"unsupported: {reason}")
    except Stop as reason:
        return Decision(None, why=str(reason), late=isinstance(reason, OutOfTime))
    except RecursionError:
        return Decision(None, why="the formula is nested too deeply")
    except (MemoryError, OverflowError):
        return Decision(None, why="a number is too large")


class _Outcome:
    """Of one point: how many settings of the letters were compared, and what came out."""

    __slots__ = ("compared", "exact", "large", "missing", "why", "witness")

    def __init__(self, why: str = "", exact: bool = True) -> None:
        self.compared = 0
        self.missing = 0
        """At how many settings a side has no value; an index outside its set does not count."""
        self.exact = exact
        self.witness: Witness | None = None
        self.why = why
        self.large = False

    @property
    def tells(self) -> bool:
        """Whether more settings were compared than not: (-1)^x = -1 holds wherever x is odd."""
        return self.witness is not None or self.compared > self.missing


class _Trial:
    """The points at which a step is tried, in order."""

    def __init__(
        self,
        program: Program,
        seed: int,
        sizes: Mapping[str, int],
        deadline: float,
        nice: bool = True,
    ) -> None:
        self.program = program
        self.seed = seed
        self.deadline = deadline
        self.nice = nice
        self.fixed = {
            name
            for name, kinds in assumptions(program.given).items()
            if any(kind.startswith("size-") for kind in kinds)
        } | set(sizes)
        self.sizes = base_sizes(program) | dict(sizes)
        self.exactly = True
        """Until the exact form has grown too long."""

    def decided(self) -> Decision:
        """Try small numbers, then random ones until a false step would have been seen."""
        exact, why, passed = True, "", 0
        error = 1.0
        wide: tuple[Style, ...] = at_points.WIDE
        needed = at_points.turns(self.program)
        for number in range(max(_MOST_POINTS, needed)):
            styles, more = (at_points.FIRST, 0) if number == 0 else (wide, number % 2)
            sizes = {
                set: size if set in self.fixed else size + more for set, size in self.sizes.items()
            }
            try:
                outcome, style = self._outcome(styles, sizes, number)
            except OutOfTime:
                if passed > 1 and number >= needed:
                    break  # enough has been seen; `error` says how much
                raise
            if number:
                wide = wide[wide.index(style) :]
            if outcome.witness is not None:
                nicer = self._nicer(outcome, number) if self.nice else outcome
                return Decision(False, nicer.exact, nicer.witness)
            if not outcome.tells:
                why = why or outcome.why
                continue
            passed += 1
            exact = exact and outcome.exact
            if number:
                error *= min(1.0, degree(self.program, sizes) / style.choices)
                if passed > 1 and number + 1 >= needed and error <= _ENOUGH:
                    break
        if passed < 2:
            return Decision(None, why=why or "there is no value to compare")
        return Decision(True, exact, error=error)

    def _outcome(
        self, styles: tuple[Style, ...], sizes: dict[str, int], number: int
    ) -> tuple[_Outcome, Style]:
        """Try one point, in the first style in which it has values on both sides.

        A style in which some settings have none is taken only where no other does better.
        """
        whys: list[str] = []
        partly: tuple[_Outcome, Style] | None = None
        large = False
        for style in styles if self.exactly else ():
            point = draw(self.program, sizes, f"{self.seed}/{number}/{style}", style, number)
            try:
                outcome = self._at(point)
            except TooMuch as reason:
                self.exactly = False
                whys.append(f"too large: {reason}")
                break
            if outcome.witness is not None or (outcome.compared and not outcome.missing):
                return outcome, style
            if outcome.tells and partly is None:
                partly = outcome, style
            whys.append(outcome.why)
            large = large or outcome.large
        if partly is not None:
            return partly
        if large or not self.exactly:
            for style in styles:
                if style.choices >= at_points.LARGE.choices:
                    continue  # what e^z does there lies beyond 120 digits
                point = draw(self.program, sizes, f"{self.seed}/{number}/{style}", style, number)
                outcome = self._by_digits(point)
                if outcome.tells:
                    return outcome, style
                whys.append(outcome.why)
        return _Outcome(why=whys[0]), styles[0]

    def _nicer(self, found: _Outcome, number: int) -> _Outcome:
        """Look for a point at which the sides differ, too, and that is easier to redo.

        One-hot targets first, which hide much and read well; then small numbers.
        """
        kinds = [getattr(self.program.quantity(name), "kind", "") for name in self.program.names]
        tries = [(at_points.PAPER, True)] if "target" in kinds else []
        if number:
            tries += [(at_points.NEXT, False)]
            tries += [(style, False) for style in at_points.NICER] * 4
        for again, (style, hot) in enumerate(tries):
            seed = f"{self.seed}/nicer/{again}"
            try:
                outcome = self._at(draw(self.program, self.sizes, seed, style, 0, hot))
            except Stop:
                break
            if outcome.witness is not None:
                return outcome
        return found

    def _settings(self, machine: Machine) -> list[dict[str, int]]:
        """Return values of the free letters that the conditions allow.

        On paper all of them; at random points, where no element is like another by chance, one for
        each way in which the letters are ordered and meet the ends of their sets.
        """
        given, letters = self.program.given, self.program.free
        ranges = [machine.range(given.letters[letter]) for letter in letters]
        settings: list[dict[str, int]] = []
        seen: set[tuple[int, ...]] = set()
        for number, places in enumerate(product(*ranges)):
            if number > 100 * _MOST_SETTINGS or len(settings) >= _MOST_SETTINGS:
                break
            if machine.point.style is not at_points.PAPER:
                ends = [(n == r[0]) - (n == r[-1]) for n, r in zip(places, ranges, strict=True)]
                order = [(a > b) - (a < b) for a in places for b in places]
                pattern = (*ends, *order)
                if pattern in seen:
                    continue
            setting = dict(zip(letters, places, strict=True))
            if machine.holds(given.conditions, setting):
                settings.append(setting)
                if machine.point.style is not at_points.PAPER:
                    seen.add(pattern)
        return settings

    def _at(self, point: Point) -> _Outcome:
        """Compare the sides at a point, exactly, for all values of the letters."""
        with limited(_MOST_WORK):
            return self._exactly(point)

    def _exactly(self, point: Point) -> _Outcome:
        outcome = _Outcome(why="no value of the letters meets the conditions")
        machine = Machine(self.program, point, self.deadline)
        if not self._meets(machine):
            outcome.why = "an assumption about a defined quantity does not hold"
            return outcome
        for setting in self._settings(machine):
            machine.letters = setting
            try:
                left, right = self._sides(machine)
                side, exact = machine.decided(left, right)
            except Undefined as reason:
                outcome.missing += not isinstance(reason, Outside)
                outcome.why = f"no value: {reason}"
                continue
            except TooMuch:
                raise
            except (TooLarge, ArithmeticError) as reason:
                outcome.why = f"too large: {reason}" if isinstance(reason, Stop) else _DIGITS
                outcome.large = True
                if not outcome.compared:
                    return outcome  # other numbers will do better
                continue
            outcome.compared += not machine.doubtful
            outcome.missing += machine.doubtful
            outcome.why = "a negative number to a power that is no whole number"
            outcome.exact = outcome.exact and exact
            if side:
                outcome.witness = witness(machine, left, right)
                outcome.exact = exact
                return outcome
        return outcome

    def _sides(self, machine: Machine) -> tuple[Value, Value]:
        values: list[Value] = []
        for node in self.program.sides:
            value = node.value(machine, machine.letters, ())
            if isinstance(value, Jet):
                raise TooLarge("a derivative is left open")
            values.append(value)
        return values[0], values[1]

    def _by_digits(self, point: Point) -> _Outcome:
        """Compare the sides to 60 digits, and again to 120."""
        outcome = _Outcome(exact=False)
        few, many = (Machine(self.program, point, self.deadline, places) for places in (60, 120))
        for setting in self._settings(few):
            few.letters = many.letters = setting
            try:
                coarse, fine = self._sides(few), self._sides(many)
                side = _side_by_digits(coarse, fine)
            except Undefined as reason:
                outcome.missing += not isinstance(reason, Outside)
                outcome.why = f"no value: {reason}"
                continue
            except TooLarge as reason:
                outcome.why = f"too large: {reason}"
                continue
            except ArithmeticError:
                outcome.why = _DIGITS
                continue
            outcome.compared += not few.doubtful
            outcome.missing += few.doubtful
            if side:
                outcome.witness = witness(many, *fine)
                return outcome
        return outcome

    def _meets(self, machine: Machine) -> bool:
        """Return whether what is assumed of defined quantities is so at this point."""
        held = assumptions(self.program.given)
        try:
            return all(
                _has(machine, name, held[name])
                for name in self.program.names
                if name in held and not isinstance(self.program.quantity(name), Free)
            )
        except (Undefined, TooLarge):
            return False


def _has(machine: Machine, name: str, kinds: frozenset[str]) -> bool:
    """Return whether the elements of a defined quantity are as assumed."""
    rows: dict[tuple[int, ...], list[Value]] = {}
    for places in machine.point.elements(machine.program.quantity(name).sets, machine.program):
        value = machine.element(name, places, ())
        if not isinstance(value, Jet):
            rows.setdefault(places[:-1], []).append(value)
    one = Fraction(1)
    for row in rows.values():
        if {"sum-to-one", "one-hot"} & kinds and machine.decided(sum(row, _ZERO), one)[0]:
            return False
        if {"one-hot", "binary"} & kinds and not all(value in (0, 1) for value in row):
            return False
        if "positive" in kinds and not all(machine.decided(value, _ZERO)[0] > 0 for value in row):
            return False
    return True


def _side_by_digits(coarse: tuple[Value, Value], fine: tuple[Value, Value]) -> int:
    """Return the sign of left - right where 60 and 120 digits agree on it."""
    differences: list[Decimal] = []
    for (left, right), places in ((coarse, 60), (fine, 120)):
        a, b = (_decimal(value, places) for value in (left, right))
        size = max(abs(a), abs(b), Decimal(1))
        differences.append((a - b) / size)
    first, second = differences
    if abs(second) < Decimal("1e-90") and abs(first) < Decimal("1e-40"):
        return 0
    if abs(second) > Decimal("1e-35") and abs(first - second) * 1000 < abs(second):
        return 1 if second > 0 else -1
    raise TooLarge("the digits do not tell whether the sides differ")


def _decimal(value: Value, places: int) -> Decimal:
    return value.value if isinstance(value, Rounded) else approximate(value, places)[0]
