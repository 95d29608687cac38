"""The verdict on one equality."""

from __future__ import annotations

import re
from dataclasses import fields, is_dataclass, replace
from fractions import Fraction
from time import perf_counter

from softxent.derive.core import Choose, Compare, Const, Element, Index, Real
from softxent.derive.exact import decide
from softxent.derive.judge import assume
from softxent.derive.judge.mending import Mending, tied
from softxent.derive.judge.outcome import Outcome, clean
from softxent.derive.judge.undefined import Undefined
from softxent.derive.trees import Applied, Big, Expr, Group, Number, Opaque, Over, Symbol
from softxent.derive.understand import define
from softxent.derive.understand.book import Definition
from softxent.derive.understand.letters import bare, base_name
from softxent.derive.understand.outline import Sign, Statement
from softxent.derive.understand.reading import Claim, Read, Reading
from softxent.derive.understand.values import Mismatch, NotDefined, Unreadable
from softxent.derive.verdicts import Verdict, Witness

_ONE = Fraction(1)


class Steps:
    """Judges the steps of one document, in order."""

    def __init__(self, reading: Reading, deadline: float, repair: bool = True) -> None:
        self.reading = reading
        self.book = reading.book
        self.deadline = deadline
        self.mending = Mending(reading, deadline, repair)
        self.undefined = Undefined(reading)
        self.mended: dict[tuple[int, int], Expr] = {}

    # ------------------------------------------------------------------ one step
    def judge(self, statement: Statement, at: int) -> Outcome:
        """Return the verdict on the equality between two neighbouring sides."""
        sign = statement.signs[at]
        trees = self._trees(statement, at)
        role = self.book.roles.get(statement.number, "")
        opaque_before = at == 1 and _opaque(statement.sides[1].tree)
        if role in ("instance", "update", "element") and at == 0:
            rule = "definition-instance" if role == "instance" else "definition-recursive"
            return Outcome(Verdict.DEFINITION, rule, _DEFINES[role])
        try:
            if role == "definition" and (at == 0 or opaque_before):
                first = statement.sides[0].tree if opaque_before else trees[0]
                if not _opaque(trees[1]):
                    return self._definition(statement, at, (first, trees[1]), sign)
            left, right, claim = self.reading.step(statement, at, trees, sign.conditions)
        except NotDefined as error:
            return Outcome(
                Verdict.OPAQUE, "not-analysis", f"{error.text} is not mathematics that we define."
            )
        except Unreadable as error:
            return Outcome(Verdict.UNSUPPORTED, "unsupported", f"{error.token}: {error.why}.")
        except Mismatch as error:
            return self._ill_typed(statement, at, trees, sign, error)
        except RecursionError:
            return Outcome(Verdict.UNSUPPORTED, "unsupported", "Nested too deeply.")
        outcome = self._decided(statement, at, trees, sign, left, right, claim)
        outcome.notes += claim.notes
        return outcome

    def _trees(self, statement: Statement, at: int) -> tuple[Expr, Expr]:
        left = self.mended.get((statement.number, at), statement.sides[at].tree)
        return left, statement.sides[at + 1].tree

    def _budget(self, most: float) -> float:
        return max(0.05, min(most, self.deadline - perf_counter()))

    # ------------------------------------------------------------------ definitions
    def _definition(
        self, statement: Statement, at: int, trees: tuple[Expr, Expr], sign: Sign
    ) -> Outcome:
        left, right, claim = self.reading.step(statement, at, trees, sign.conditions, first=0)
        decision = decide(claim.left, claim.right, claim.given, budget_seconds=self._budget(1.0))
        stray = self._strays(statement, trees[1], claim)
        if stray:
            letters = ", ".join(stray)
            outcome = Outcome(
                Verdict.UNBOUND,
                "letter-unbound",
                f"{letters} is free on the {claim.one_sided[stray[0]]} of the definition only.",
            )
        elif decision.equal is False:
            outcome = self._decided(statement, at, trees, sign, left, right, claim)
        else:
            outcome = Outcome(Verdict.DEFINITION, "definition", "Defines its left side.")
        outcome.notes += claim.notes
        return outcome

    def _strays(self, statement: Statement, body: Expr, claim: Claim) -> list[str]:
        """Return the letters of a definition that are an oversight.

        A letter that names the correct class (L = -log y_c) is none: it is bound nowhere.
        """
        lost = [name for name, side in claim.one_sided.items() if side == "left"]
        extra = [name for name, side in claim.one_sided.items() if side == "right"]
        bound = tied(claim)
        if lost and extra:
            return [name for name in (*extra, *lost) if name not in bound]
        sums = any(isinstance(node, Big) for node in body.walk())
        return [
            name for name in extra if name not in bound and sums and name in self.book.letters.bound
        ]

    def _restated(self, statement: Statement, at: int) -> bool:
        """Whether a step says the definition of its left side again, letters aside."""
        found = self._known(statement) if at == 0 else None
        if found is None:
            return False
        return _skeleton(found.body) == _skeleton(statement.sides[1].tree)

    def _known(self, statement: Statement) -> Definition | None:
        head = bare(statement.sides[0].tree)
        symbol = head.head if isinstance(head, Applied) else head
        if not isinstance(symbol, Symbol):
            return None
        name, indices = self.book.letters.split(symbol)
        arity = len(indices)
        if isinstance(head, Applied) and not indices:
            family = self.book.family(name, statement.number)
            if family is not None:
                return family
        if (name, arity) not in self.book.definitions:
            arity = self.book.rank(name, arity)
        return self.book.definition(name, arity, statement.number)

    # ------------------------------------------------------------------ equalities
    def _decided(
        self,
        statement: Statement,
        at: int,
        trees: tuple[Expr, Expr],
        sign: Sign,
        left: Read,
        right: Read,
        claim: Claim,
    ) -> Outcome:
        decision = decide(claim.left, claim.right, claim.given, budget_seconds=self._budget(1.5))
        if decision.equal:
            if self._restated(statement, at) or self.book.roles.get(statement.number) == "delta":
                return Outcome(
                    Verdict.DEFINITION, "definition-again", "The definition, said again."
                )
            return Outcome(
                Verdict.TRUE, "step-true", "Both sides are equal.", numeric=not decision.exact
            )
        if decision.equal is None:
            return Outcome(Verdict.UNSUPPORTED, "unsupported", f"Not decided: {decision.why}.")
        found = self.assumed(statement, claim)
        if found is not None:
            return found
        if claim.choices and self._wide(statement, at, trees, sign):
            return Outcome(
                Verdict.AMBIGUOUS,
                "scope-ambiguous",
                "False if the sum or derivative ends at the next + or -, true if it reaches over "
                "the terms behind it.",
                witness=clean(decision.witness),
            )
        unknown = self.undefined.find(statement, trees, claim)
        if unknown:
            return unknown
        again = self._again(statement, at, trees, sign, claim)
        if again:
            return again
        unbound = [
            name
            for name in claim.one_sided
            if name not in tied(claim) and not self._runs(trees, name)
        ]
        if unbound:
            return self._unbound(statement, at, trees, sign, claim, unbound, decision.witness)
        return self._false(statement, at, trees, sign, clean(decision.witness))

    def assumed(self, statement: Statement, claim: Claim) -> Outcome | None:
        """Try assumptions, the weakest first."""
        for one in assume.weakest_first(self.reading, claim.given):
            given = replace(claim.given, assumed=claim.given.assumed | one.assumed)
            decision = decide(claim.left, claim.right, given, budget_seconds=self._budget(0.5))
            if decision.equal:
                return self.supposed(statement, one, not decision.exact)
        return None

    def supposed(
        self, statement: Statement, one: assume.Assumption, numeric: bool = False
    ) -> Outcome:
        """Return the verdict TRUE-IF, with the line at which the text says so."""
        fact = assume.declared(self.reading, statement, one.kind, one.names)
        line = self.reading.document.line_column(fact.offset)[0] if fact else None
        what = {
            "sum-to-one": f"{', '.join(sorted(one.names))} sums to 1",
            "one-hot": f"{', '.join(sorted(one.names))} is one-hot",
        }.get(one.kind, f"{', '.join(sorted(one.names))} = 1")
        where = f"as line {line} says" if line else "which the text does not say"
        return Outcome(
            Verdict.TRUE_IF,
            "assumption-declared" if line else "assumption-undeclared",
            f"True if {what}, {where}.",
            one.kind,
            line,
            numeric=numeric,
        )

    def _wide(self, statement: Statement, at: int, trees: tuple[Expr, Expr], sign: Sign) -> bool:
        """Whether the step is true where operators reach as far as they can."""
        for wide in ((False, True), (True, False), (True, True)):
            try:
                _, _, claim = self.reading.step(statement, at, trees, sign.conditions, wide=wide)
            except (NotDefined, Unreadable, Mismatch):
                continue
            if decide(claim.left, claim.right, claim.given, budget_seconds=self._budget(0.5)).equal:
                return True
        return False

    def _runs(self, trees: tuple[Expr, Expr], letter: str) -> bool:
        """Whether a letter that is free on one side runs in a sum of the step."""
        return any(
            isinstance(node, Big) and letter in {base_name(one) for one in node.over.index}
            for tree in trees
            for node in tree.walk()
        )

    # ------------------------------------------------------------------ second definitions
    def _again(
        self,
        statement: Statement,
        at: int,
        trees: tuple[Expr, Expr],
        sign: Sign,
        claim: Claim,
    ) -> Outcome | None:
        """Look whether a step that differs from a definition is a new one."""
        found = self._known(statement) if at == 0 else None
        if found is None or found.number == statement.number:
            return None
        one = self._single(statement, found, trees)
        if one is not None:
            define.define(self.book, statement, again=True)
            return one
        if self._strays(statement, trees[1], claim):
            return None
        other = self.reading.outline.statements[found.number]
        cued = bool(_NEW.search(statement.cue))
        if statement.section == other.section and not cued and sign.relation == "=":
            return None
        false = self._false(statement, at, trees, sign, None)
        if false.repair is not None:
            return None
        if not define.define(self.book, statement, again=True):
            return None
        return Outcome(Verdict.DEFINITION, "definition-new", "Gives its left side another meaning.")

    def _single(
        self, statement: Statement, found: Definition, trees: tuple[Expr, Expr]
    ) -> Outcome | None:
        """Look whether the new form is the old one with a single row: N = 1."""
        facts = [fact for fact in self.reading.outline.facts if fact.kind == "size-one"]
        if not facts:
            return None
        single = frozenset().union(*(fact.names or {"N", "M", "m", "B"} for fact in facts))
        try:
            _, _, claim = self.reading.step(
                statement, 0, (found.body, trees[1]), single=(frozenset(single), frozenset())
            )
        except (NotDefined, Unreadable, Mismatch):
            return None
        if not decide(claim.left, claim.right, claim.given, budget_seconds=self._budget(0.5)).equal:
            return None
        names = frozenset(n for n in single if n in self.book.letters.sizes) or single
        return self.supposed(statement, assume.Assumption("N=1", frozenset(), names))

    # ------------------------------------------------------------------ false, and mended
    def _false(
        self,
        statement: Statement,
        at: int,
        trees: tuple[Expr, Expr],
        sign: Sign,
        witness: Witness | None,
    ) -> Outcome:
        outcome = Outcome(Verdict.FALSE, "step-false", "The two sides differ.", witness=witness)
        self.mending.mend(statement, at, trees, sign, (), outcome)
        if outcome.repair:
            outcome.message = f"The two sides differ; {outcome.repair} would mend it."
        elif self.mending.other_case(statement, at, trees, sign):
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
        except (NotDefined, Unreadable, Mismatch):
            return None
        if decide(claim.left, claim.right, claim.given, budget_seconds=self._budget(0.5)).equal:
            return Outcome(Verdict.TRUE, "step-true", "")
        return self.assumed(statement, claim)

    # ------------------------------------------------------------------ letters and shapes
    def _unbound(
        self,
        statement: Statement,
        at: int,
        trees: tuple[Expr, Expr],
        sign: Sign,
        claim: Claim,
        letters: list[str],
        witness: Witness | None,
    ) -> Outcome:
        name = letters[0]
        outcome = Outcome(
            Verdict.UNBOUND,
            "letter-unbound",
            f"{name} is free on the {claim.one_sided[name]} only, and nothing binds it.",
            witness=clean(witness),
        )
        if self._class_letter(claim, name):
            one = assume.Assumption("one-hot", frozenset(), frozenset(self.book.targets))
            supposed = self.supposed(statement, one)
            outcome.rule = "letter-undeclared"
            outcome.assumption, outcome.declared_line = "one-hot", supposed.declared_line
            outcome.message = (
                f"{name} is never introduced; the step is true if it is the class of the one-hot "
                f"{', '.join(sorted(self.book.targets))}."
            )
            return outcome
        self.mending.mend(statement, at, trees, sign, tuple(letters), outcome)
        if outcome.repair:
            outcome.message += f" {outcome.repair} would mend it."
        return outcome

    def _class_letter(self, claim: Claim, letter: str) -> bool:
        """Whether the step is true with the target one-hot at a letter."""
        for core in assume.target_names(self.reading, claim.given):
            quantity = claim.given.quantities[core]
            if len(quantity.sets) != 1:
                continue
            left = _put_one_hot(claim.left, core, letter)
            right = _put_one_hot(claim.right, core, letter)
            letters = {**claim.given.letters, letter: quantity.sets[0]}
            given = replace(claim.given, letters=letters)
            if decide(left, right, given, budget_seconds=self._budget(0.5)).equal:
                return True
        return False

    def _ill_typed(
        self,
        statement: Statement,
        at: int,
        trees: tuple[Expr, Expr],
        sign: Sign,
        error: Mismatch,
    ) -> Outcome:
        outcome = Outcome(Verdict.ILL_TYPED, error.rule, f"{error.message}.")
        self.mending.mend(statement, at, trees, sign, (), outcome)
        return outcome


_DEFINES = {
    "instance": "A value put in.",
    "update": "Read as a definition by other elements of itself, or an update.",
    "element": "Defines a single element.",
}
_NEW = re.compile(
    r"\b(defin\w+|let\s+\$|consider\w*|denot\w+|instead|suppose|another|alternativ\w*|"
    r"for (?:example|instance)|(?:mean )?squared error|binary|now the)\b",
    re.I,
)


def _opaque(tree: Expr) -> bool:
    return isinstance(tree, Opaque)


def _skeleton(tree: Expr) -> list[str]:
    """Return what a formula is made of, whatever its letters and brackets."""
    out = []
    for node in tree.walk():
        if isinstance(node, Symbol):
            out.append(base_name(node) if node.subs or len(node.name) > 1 else "letter")
        elif not isinstance(node, Group | Over | Number):
            out.append(type(node).__name__)
    return [one for one in out if one != "letter"]


def _case_text(steps: Steps, sign: Sign) -> str:
    condition = sign.conditions[-1]
    left, right = steps.book.tex(condition.left), steps.book.tex(condition.right)
    was, needed = ("=", "\\neq") if condition.relation == "eq" else ("\\neq", "=")
    return f"{left} {was} {right} → {left} {needed} {right}"


def _put_one_hot(real: Real, core: str, letter: str) -> Real:
    """Put a Kronecker delta at a letter for the elements of a target."""

    def change(value: object) -> object:
        if isinstance(value, Element) and value.name == core:
            same = Compare("eq", value.indices[0], Index(letter))
            return Choose((((same,), Const(_ONE)), ((), Const(_ONE - 1))))
        if isinstance(value, tuple):
            return tuple(change(item) for item in value)
        if is_dataclass(value) and not isinstance(value, Index | Compare | type | Const):
            return replace(
                value, **{one.name: change(getattr(value, one.name)) for one in fields(value)}
            )
        return value

    return change(real)  # type: ignore[return-value]
