"""The verdict on one equality."""

from __future__ import annotations

import re
from dataclasses import replace

from softxent.derive.core import Const
from softxent.derive.exact import decide
from softxent.derive.exact.deciding import Decision
from softxent.derive.judge import assume, excuses, outputs
from softxent.derive.judge.again import Definitions
from softxent.derive.judge.another import alternative, another, extended, said_again, scaled
from softxent.derive.judge.clock import Clock
from softxent.derive.judge.conditions import Conditions
from softxent.derive.judge.constants import constant
from softxent.derive.judge.earlier import Earlier
from softxent.derive.judge.hand import manners
from softxent.derive.judge.mending import Mending, tied
from softxent.derive.judge.outcome import Outcome, clean
from softxent.derive.judge.shapes import ill_typed
from softxent.derive.judge.unbound import class_named, unbound
from softxent.derive.judge.undefined import Undefined
from softxent.derive.trees import Big, Expr, Number, Opaque, Symbol
from softxent.derive.understand.book import Book, Definition
from softxent.derive.understand.letters import bare, base_name
from softxent.derive.understand.outline import Sign, Statement
from softxent.derive.understand.reading import PROBLEMS, Claim, Reading
from softxent.derive.understand.values import Mismatch, NotDefined, Unreadable
from softxent.derive.verdicts import Verdict, Witness

Trees = tuple[Expr, Expr]
_UNREAD = (Verdict.UNSUPPORTED, Verdict.OPAQUE)
_IF = re.compile(r"\b(?:if|when|where|for)\s+(?:the\s+)?$", re.I)


class Steps:
    """Judges the steps of one document, in order."""

    def __init__(self, reading: Reading, clock: Clock, repair: bool = True) -> None:
        self.reading = reading
        self.book = reading.book
        self.clock = clock
        self.definitions = Definitions(reading, clock)
        self.mending = Mending(reading, clock, repair)
        self.undefined = Undefined(reading)
        self.earlier = Earlier(reading, clock, self.definitions)
        self.mended: dict[tuple[int, int], Expr] = {}
        self.conditions = Conditions(reading)
        self.spoiled: set[int] = set()
        """Definitions that are wrong and could not be mended."""

    # ------------------------------------------------------------------ one step
    def judge(self, statement: Statement, at: int) -> Outcome:
        """Return the verdict on the equality between two neighbouring sides."""
        outcome = self._judged(statement, at)
        if at == 0 and outcome.verdict in _UNREAD and outcome.rule not in ("condition", "time"):
            found = self.definitions.known(statement)
            if found is not None and another(self.reading, statement, found):
                self.definitions.unread[found.name] = statement.number
        return outcome

    def _judged(self, statement: Statement, at: int) -> Outcome:
        sign = statement.signs[at]
        trees = self._trees(statement, at)
        role = self.book.roles.get(statement.number, "")
        if at == 0:
            self.definitions.calls(statement)
        opaque_before = at == 1 and isinstance(statement.sides[1].tree, Opaque)
        if role in _DEFINES and at == 0:
            rule = "definition-instance" if role == "instance" else "definition-recursive"
            return Outcome(Verdict.DEFINITION, rule, _DEFINES[role])
        try:
            if role == "definition" and (at == 0 or opaque_before):
                first = statement.sides[0].tree if opaque_before else trees[0]
                if not isinstance(trees[1], Opaque):
                    return self._definition(statement, at, (first, trees[1]), sign)
            _, _, claim = self.reading.step(statement, at, trees, sign.conditions)
        except NotDefined as error:
            return Outcome(
                Verdict.OPAQUE, "not-analysis", f"{error.text} is not mathematics that we define."
            )
        except Unreadable as error:
            return Outcome(Verdict.UNSUPPORTED, "unsupported", f"{error.token}: {error.why}.")
        except Mismatch as error:
            outcome = ill_typed(self.reading, trees, error)
            both = "".join(side.tex for side in statement.sides[at : at + 2])
            outcome.message = manners(outcome.message, both)
            if outcome.verdict is Verdict.ILL_TYPED:
                self.mending.mend(statement, at, trees, sign, (), outcome)
            return outcome
        except RecursionError:
            return Outcome(Verdict.UNSUPPORTED, "unsupported", "Nested too deeply.")
        outcome = self._decided(statement, at, trees, sign, claim)
        outcome.notes += claim.notes
        return outcome

    def _trees(self, statement: Statement, at: int) -> Trees:
        left = self.mended.get((statement.number, at), statement.sides[at].tree)
        return left, statement.sides[at + 1].tree

    def _definition(self, statement: Statement, at: int, trees: Trees, sign: Sign) -> Outcome:
        _, _, claim = self.reading.step(statement, at, trees, sign.conditions, first=0)
        decision = self._decide(claim, 1.0)
        stray = self.definitions.strays(*trees, claim)
        if stray:
            words = [f"{one} on the {claim.one_sided[one]}" for one in stray]
            text = " and ".join(words).replace(" on", " is free on", 1) + " of the definition only."
            outcome = Outcome(Verdict.UNBOUND, "letter-unbound", text)
            outcome = _doubted(claim) or outcome
            if len(stray) == 2 and self.definitions.mend(statement, (stray[0], stray[1])):
                outcome.message += f" It is read with {stray[1]} on both sides from here on."
            else:
                self.spoiled.add(statement.number)
        elif (ends := self.definitions.end_inside(trees[1])) is not None:
            text = f"{ends[1]} is the end of the sum over {ends[0]} and stands inside in its place."
            outcome = Outcome(Verdict.UNBOUND, "letter-unbound", text)
        elif decision.equal is False and not self.definitions.says(statement, trees[1]):
            outcome = self._decided(statement, at, trees, sign, claim)
        else:
            outcome = Outcome(Verdict.DEFINITION, "definition", "Defines its left side.")
        outcome.notes += claim.notes
        unused = self.definitions.unused(trees[1])[:1]
        for letter, other in unused if outcome.verdict is not Verdict.UNBOUND else ():
            text = f"{letter} runs in a sum and does not occur in it; {other} does."
            outcome.notes.append(("letter-unused", text))
        return outcome

    # ------------------------------------------------------------------ equalities
    def _decide(self, claim: Claim, seconds: float, nice: bool = False) -> Decision:
        budget = self.clock.seconds(seconds)
        return decide(claim.left, claim.right, claim.given, budget_seconds=budget, nice=nice)

    def _decided(
        self, statement: Statement, at: int, trees: Trees, sign: Sign, claim: Claim
    ) -> Outcome:
        decision = self._decide(claim, 1.5, nice=True)
        plainer = None if decision.equal else outputs.freed(claim)
        if plainer is not None:
            again = self._decide(plainer, 1.0, nice=True)
            if again.equal is not None:
                claim, decision = plainer, again
        nothing = _unlinked(claim) if decision.equal and excuses.empty(trees, claim) else None
        if nothing is not None:
            return nothing
        if decision.equal:
            role = self.book.roles.get(statement.number)
            if self.definitions.restated(statement, at) or role == "delta":
                return Outcome(
                    Verdict.DEFINITION, "definition-again", "The definition, said again."
                )
            return Outcome(
                Verdict.TRUE, "step-true", "Both sides are equal.", numeric=not decision.exact
            )
        if decision.equal is None:
            return Outcome(Verdict.UNSUPPORTED, "unsupported", f"Not decided: {decision.why}.")
        if excuses.rounded(statement, at, claim):
            return Outcome(
                Verdict.TRUE, "step-rounded", "Equal to the digits that are written.", numeric=True
            )
        if at == 0 and self._told_anew(statement):
            return _new()
        if self.definitions.alias(statement, at):
            return Outcome(Verdict.DEFINITION, "definition", "Defines its right side.")
        found = self.assumed(statement, claim) or self._not_claimed(
            statement, at, trees, sign, claim, decision.witness
        )
        if found is not None:
            return found
        wrong = self.definitions.resting(statement, trees, self.spoiled)
        if wrong is not None:
            line = self.reading.document.line_column(wrong.signs[0].offset)[0]
            text = f"Rests on the definition in line {line}, which is wrong."
            return Outcome(Verdict.OPAQUE, "undefined", text)
        later = self.definitions.later(statement, trees) or self.definitions.lost(statement, trees)
        if later is not None:
            return Outcome(
                Verdict.OPAQUE,
                "undefined",
                f"What {later} is here could not be read; it is defined anew elsewhere.",
            )
        free = [
            name for name in claim.one_sided if name not in tied(claim) and not _runs(trees, name)
        ]
        # What is equal to a number is so for all its letters.
        if not free or any(isinstance(bare(tree), Number) for tree in trees):
            return self._false(statement, at, trees, sign, clean(decision.witness))
        side = 0 if claim.one_sided[free[0]] == "right" else 1
        unsaid = self.definitions.hidden(statement, trees[side], free[0])
        if unsaid is not None:
            return Outcome(
                Verdict.OPAQUE,
                "undefined",
                f"{unsaid} depends on {free[0]} by its definition, and does not show it.",
            )
        if not statement.display and _named(self.book, trees, free[0]):
            return Outcome(Verdict.DEFINITION, "definition-instance", _DEFINES["instance"])
        outcome = unbound(self.reading, self.clock, statement, claim, free[0], decision.witness)
        if outcome.rule == "letter-unbound":
            self.mending.mend(statement, at, trees, sign, tuple(free), outcome)
        before, _, after = (outcome.repair or "").partition("→")
        if outcome.rule == "letter-unbound" and after.count("\\sum") <= before.count("\\sum"):
            # No sum has been lost: the letter may be the class that the text names.
            named = class_named(self.reading, self.clock, statement, claim, free[0])
            return named or outcome
        return outcome

    def assumed(self, statement: Statement, claim: Claim) -> Outcome | None:
        """Try assumptions, the weakest first; undecided where the time does not suffice."""
        late = False
        for one in assume.weakest_first(self.reading, claim.given):
            given = replace(claim.given, assumed=claim.given.assumed | one.assumed)
            decision = self._decide(replace(claim, given=given), 0.5)
            if decision.equal:
                return assume.supposed(self.reading, statement, one, not decision.exact)
            late = late or decision.late
        lost = set() if isinstance(claim.right, Const) else claim.one_sided.keys()
        for letter in sorted(claim.given.letters.keys() - lost):
            if not _correct(self.reading, letter):
                continue  # a letter of all classes, though t_i = 1 is said of it, too
            named = class_named(self.reading, self.clock, statement, claim, letter)
            if named is not None:
                return named
        if late:
            return Outcome(
                Verdict.UNSUPPORTED,
                "unsupported",
                "Not decided: true under no assumption that could be tried in time.",
            )
        return None

    def _in_case(self, statement: Statement, claim: Claim) -> Outcome | None:
        """Look for a case of two letters, or of two classes, in which a step is true."""
        for words, compare in excuses.pairs(claim):
            given = replace(claim.given, conditions=(*claim.given.conditions, compare))
            if self._decide(replace(claim, given=given), 0.3).equal:
                one = assume.Assumption(words, frozenset(), frozenset((words,)))
                return assume.supposed(self.reading, statement, one)
        for one, smaller in assume.two_classes(claim):
            if self._decide(smaller, 0.3).equal:
                return assume.supposed(self.reading, statement, one)
        return None

    def _supposed(self, statement: Statement, claim: Claim) -> Outcome | None:
        return self.assumed(statement, claim) or self._in_case(statement, claim)

    def _not_claimed(
        self,
        statement: Statement,
        at: int,
        trees: Trees,
        sign: Sign,
        claim: Claim,
        witness: Witness | None,
    ) -> Outcome | None:
        """Look for what makes a step that differs no false claim."""
        found = self._in_case(statement, claim)
        if found is not None:
            return found
        for weaker in (excuses.fractions(claim), excuses.each_alone(claim)):
            if weaker is not None and self._decide(replace(claim, given=weaker[1]), 0.3).equal:
                one = assume.Assumption(weaker[0], frozenset(), frozenset((weaker[0],)))
                return assume.supposed(self.reading, statement, one)
        if excuses.put_in(trees, claim):
            return Outcome(
                Verdict.OPAQUE, "unclear", "It is computed from the values of an example."
            )
        if excuses.groundless(at, trees, claim):
            return Outcome(
                Verdict.OPAQUE,
                "undefined",
                "An equation between letters that nothing defines: it says what they are.",
            )
        if claim.choices and self._wide(statement, at, trees, sign):
            return Outcome(
                Verdict.AMBIGUOUS,
                "scope-ambiguous",
                "False if the sum or derivative ends at the next + or -, true if it reaches over "
                "the terms behind it.",
                witness=clean(witness),
            )
        return (
            _unlinked(claim)
            or constant(self.reading, self.clock, trees, claim)
            or self.conditions.find(statement, at, trees, claim)
            or self._again(statement, at, trees, sign, claim)
            or self.earlier.find(statement, at, trees, sign, self._supposed)
            or self.undefined.find(statement, trees, claim)
            or _doubted(claim)
        )

    def _wide(self, statement: Statement, at: int, trees: Trees, sign: Sign) -> bool:
        """Whether the step is true where operators reach as far as they can."""
        for wide in ((False, True), (True, False), (True, True)):
            try:
                _, _, claim = self.reading.step(statement, at, trees, sign.conditions, wide=wide)
            except PROBLEMS:
                continue
            if self._decide(claim, 0.5).equal:
                return True
        return False

    def _again(
        self, statement: Statement, at: int, trees: Trees, sign: Sign, claim: Claim
    ) -> Outcome | None:
        """Look whether a step that differs from a definition is a new one."""
        found = self.definitions.known(statement) if at == 0 else None
        if found is None or found.number == statement.number:
            return None
        one = self.definitions.single(statement, found, trees)
        if one is not None:
            return one
        if scaled(statement, found):
            text = "The same up to a factor, which does not move the minimum."
            return Outcome(Verdict.OPAQUE, "unclear", text)
        if self.definitions.ends(statement, found):
            return Outcome(Verdict.DEFINITION, "definition-recursive", _DEFINES["update"])
        if found.number > statement.number and isinstance(bare(trees[1]), Number):
            return Outcome(Verdict.DEFINITION, "definition-instance", _DEFINES["instance"])
        if self.definitions.strays(*trees, claim):
            return None
        if not self._other(statement, at, trees, sign, found):
            return None
        if not self.definitions.anew(statement):
            return Outcome(
                Verdict.OPAQUE,
                "undefined",
                "Another definition, it seems, that was not understood.",
            )
        return _new()

    def _other(
        self, statement: Statement, at: int, trees: Trees, sign: Sign, found: Definition
    ) -> bool:
        """Whether a step that contradicts a definition is another one, and no slip."""
        if self.definitions.tabled(statement, found):
            return True
        if not self.definitions.apart(statement, found):
            if self.book.plain or not another(self.reading, statement, found):
                return False
        elif said_again(statement, found):
            return False
        return statement.opens or self._false(statement, at, trees, sign, None).repair is None

    def _told_anew(self, statement: Statement) -> bool:
        """Whether a statement defines anew what has a definition before it, as its words say."""
        found = self.definitions.known(statement)
        told = self.definitions.let(statement) or alternative(self.reading, statement, found)
        if not told and found and not self.book.plain and extended(found, statement):
            self.definitions.ended.add(statement.number)
            told = True
        if not told:
            return False
        another = found is not None and found.number != statement.number
        return another and self.definitions.anew(statement)

    # ------------------------------------------------------------------ false, and mended
    def _false(
        self, statement: Statement, at: int, trees: Trees, sign: Sign, witness: Witness | None
    ) -> Outcome:
        outcome = Outcome(Verdict.FALSE, "step-false", "The two sides differ.", witness=witness)
        self.mending.mend(statement, at, trees, sign, (), outcome)
        if not outcome.repair and self.mending.other_case(statement, at, trees, sign):
            outcome.rule = "case-wrong"
            outcome.message = "False in the case that is open, true in the other."
            outcome.repair = _case_text(self, sign)
        return outcome

    def inherits(self, statement: Statement, at: int, mended: Expr) -> Outcome | None:
        """Return the verdict on a step with the right tree on its left, if it is true then."""
        sign = statement.signs[at]
        trees = (mended, statement.sides[at + 1].tree)
        try:
            _, _, claim = self.reading.step(statement, at, trees, sign.conditions)
        except PROBLEMS:
            return None
        if self._decide(claim, 0.5).equal:
            return Outcome(Verdict.TRUE, "step-true", "")
        found = self.assumed(statement, claim)
        return found if found is not None and found.verdict is Verdict.TRUE_IF else None


_DEFINES = {
    "instance": "A value put in.",
    "update": "Read as a definition by other elements of itself, or an update.",
    "element": "Defines a single element.",
}


def _unlinked(claim: Claim) -> Outcome | None:
    """Return that a derivative is not defined, where nothing links what with by what."""
    found = excuses.unlinked(claim)
    if found is None:
        return None
    return Outcome(
        Verdict.OPAQUE, "undefined", f"How {found[0]} depends on {found[1]} is never said."
    )


def _new() -> Outcome:
    return Outcome(Verdict.DEFINITION, "definition-new", "Gives its left side another meaning.")


def _doubted(claim: Claim) -> Outcome | None:
    """Return that a claim is not understood, where the reading had to guess."""
    if not claim.doubts:
        return None
    text = claim.doubts[0].rstrip(".")
    return Outcome(Verdict.OPAQUE, "unclear", f"{text[:1].upper()}{text[1:]}.")


def _correct(reading: Reading, letter: str) -> bool:
    """Whether the text calls a letter the correct class, in words, and not "if" it is."""
    text = reading.document.text
    return any(
        one.letter == letter
        and not one.names
        and not _IF.search(text, max(0, one.offset - 20), one.offset)
        for one in reading.outline.facts
    )


def _named(book: Book, trees: Trees, letter: str) -> bool:
    r"""Whether a symbol equals another whose subscript is part of its name: n_y = \tau."""
    left, right = (bare(tree) for tree in trees)
    if not isinstance(left, Symbol) or not isinstance(right, Symbol):
        return False
    return not (left.subs and right.subs) and letter not in book.letters.bound


def _runs(trees: Trees, letter: str) -> bool:
    """Whether a letter that is free on one side runs in a sum of the step."""
    return any(
        isinstance(node, Big) and letter in {base_name(one) for one in node.over.index}
        for tree in trees
        for node in tree.walk()
    )


def _case_text(steps: Steps, sign: Sign) -> str:
    condition = sign.conditions[-1]
    left, right = steps.book.tex(condition.left), steps.book.tex(condition.right)
    was, needed = ("=", "\\neq") if condition.relation == "eq" else ("\\neq", "=")
    return f"{left} {was} {right} → {left} {needed} {right}"
