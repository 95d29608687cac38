"""Letters that stand free on one side only."""

from __future__ import annotations

from dataclasses import fields, is_dataclass, replace
from fractions import Fraction

from softxent.derive.core import Choose, Compare, Const, Element, Index, Real
from softxent.derive.exact import decide
from softxent.derive.judge import assume
from softxent.derive.judge.clock import Clock
from softxent.derive.judge.outcome import Outcome, clean
from softxent.derive.understand.outline import Statement
from softxent.derive.understand.reading import Claim, Reading
from softxent.derive.verdicts import Verdict, Witness

_ONE, _ZERO = Const(Fraction(1)), Const(Fraction(0))


def unbound(
    reading: Reading,
    clock: Clock,
    statement: Statement,
    claim: Claim,
    name: str,
    witness: Witness | None,
) -> Outcome:
    """Return what is to be said of a letter that nothing binds."""
    outcome = Outcome(
        Verdict.UNBOUND,
        "letter-unbound",
        f"{name} is free on the {claim.one_sided[name]} only, and nothing binds it.",
        witness=clean(witness),
    )
    if _told(reading, name) or not _names_the_class(clock, reading, claim, name, False):
        return outcome
    targets = frozenset(reading.book.targets)
    one = assume.Assumption("one-hot", frozenset(), targets)
    outcome.rule = "letter-undeclared"
    outcome.assumption = "one-hot"
    outcome.declared_line = assume.supposed(reading, statement, one).declared_line
    outcome.message = (
        f"{name} is never introduced; the step is true if it is the class of the one-hot "
        f"{', '.join(sorted(targets))}."
    )
    return outcome


def class_named(
    reading: Reading, clock: Clock, statement: Statement, claim: Claim, name: str
) -> Outcome | None:
    """Return TRUE-IF where a letter is the class, as the text says, and the step true with it."""
    if not _told(reading, name) or not _names_the_class(clock, reading, claim, name, True):
        return None
    targets = frozenset(reading.book.targets)
    return assume.supposed(reading, statement, assume.Assumption("one-hot", frozenset(), targets))


def _told(reading: Reading, name: str) -> bool:
    return any(
        fact.kind == "one-hot" and getattr(fact, "letter", "") == name
        for fact in reading.outline.facts
    )


def _names_the_class(clock: Clock, reading: Reading, claim: Claim, letter: str, told: bool) -> bool:
    """Whether the step is true with the target one-hot at a letter.

    told: the text says that the letter is the class. Where it does not, only a target that stands
    in the step itself may be meant: ∂C/∂y_k ∂y_k/∂z_i without its sum is true of the class k, too.
    """
    for core in assume.target_names(reading, claim.given):
        quantity = claim.given.quantities[core]
        if len(quantity.sets) != 1:
            continue
        left, right, assumed = claim.left, claim.right, claim.given.assumed
        if told:
            assumed |= {f"one-hot:{core}:{letter}"}
        else:
            left, right = (_put_one_hot(real, core, letter) for real in (left, right))
        letters = {**claim.given.letters, letter: quantity.sets[0]}
        given = replace(claim.given, letters=letters, assumed=assumed)
        if decide(left, right, given, budget_seconds=clock.seconds(0.5), nice=False).equal:
            return True
    return False


def _put_one_hot(real: Real, core: str, letter: str) -> Real:
    """Put a Kronecker delta at a letter for the elements of a target."""

    def change(value: object) -> object:
        if isinstance(value, Element) and value.name == core:
            same = Compare("eq", value.indices[0], Index(letter))
            return Choose((((same,), _ONE), ((), _ZERO)))
        if isinstance(value, tuple):
            return tuple(change(item) for item in value)
        if is_dataclass(value) and not isinstance(value, Index | Compare | type | Const):
            return replace(
                value, **{one.name: change(getattr(value, one.name)) for one in fields(value)}
            )
        return value

    return change(real)  # type: ignore[return-value]
