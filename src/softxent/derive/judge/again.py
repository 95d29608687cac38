"""Steps that differ from a definition because they are another definition."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

from softxent.derive.exact import decide
from softxent.derive.judge import assume
from softxent.derive.judge.clock import Clock
from softxent.derive.judge.mending import tied
from softxent.derive.judge.outcome import Outcome
from softxent.derive.trees import Applied, Big, Expr, Group, Node, Number, Over, Symbol
from softxent.derive.understand import define
from softxent.derive.understand.book import Definition, Function
from softxent.derive.understand.letters import bare, base_name
from softxent.derive.understand.outline import Statement
from softxent.derive.understand.reach import letters_free
from softxent.derive.understand.reading import PROBLEMS, Claim, Reading

_NEW = re.compile(
    r"\b(defin\w+|let\s+\$|consider\w*|denot\w+|instead|suppose|another|alternativ\w*|"
    r"for (?:example|instance)|(?:mean )?squared error|binary|now the)\b",
    re.I,
)

_LET = re.compile(
    r"(?:\b(?:let|call|define|put|soit|posons|sei|setze|sea|seja|sia|пусть)|[令设設记記])"
    r"(?:\s+(?:now|us|also|then|again))*\s*[:：]?\s*$",
    re.I,
)
"""Right before a formula: it says what its left side is, from here on."""

_FOLLOWS = re.compile(
    r"\b(since|because|so that|then|hence|therefore|thus|we have|we get|it follows|to get|"
    r"to obtain|becomes|this gives|in other words|equivalently|can be (?:re)?written)\b[^.]*$",
    re.I,
)


class Definitions:
    """Knows what is defined where a statement stands, and compares with it."""

    def __init__(self, reading: Reading, clock: Clock) -> None:
        self.reading = reading
        self.book = reading.book
        self.clock = clock
        self.changes: list[int] = []
        """The statements that gave something another meaning."""
        self.unread: dict[str, int] = {}
        """What got another meaning that was not understood, and the last statement that gave it."""
        self.ended: set[int] = set()
        """Those of them that put an end to the meaning before: a loss with one more term."""

    def anew(self, statement: Statement) -> bool:
        """Let a statement define its left side anew, from here on."""
        if not define.define(self.book, statement, again=True):
            return False
        self._enter()
        self.changes.append(statement.number)
        return True

    def calls(self, statement: Statement) -> None:
        """Enter what "let x = g(y) = 2 y" says of g, where g was something else before."""
        head = bare(statement.sides[1].tree)
        if len(statement.sides) < 3 or not isinstance(head, Applied) or not self.let(statement):
            return
        known = self.book.functions.get(self.book.letters.split(head.head)[0], ())
        if known and all(one.number < statement.number for one in known):
            rest = replace(statement, sides=statement.sides[1:], signs=statement.signs[1:])
            define.define(self.book, rest, again=True)
            self._enter()

    def alias(self, statement: Statement, at: int) -> bool:
        r"""Let a step define the unseen symbol on its right: `x_j \to x_j - m = x'_j`."""
        if not at or not define._unseen(self.book, statement, at + 1):
            return False
        sides, signs = statement.sides[at : at + 2][::-1], statement.signs[at : at + 1]
        if define.define(self.book, replace(statement, sides=sides, signs=signs)) != "definition":
            return False
        self._enter()
        return True

    def mend(self, statement: Statement, letters: tuple[str, str]) -> bool:
        """Go on with a definition whose right side has one letter for another; as it is meant."""
        for several in self.book.definitions.values():
            for at, found in enumerate(several):
                if found.number == statement.number and letters[1] in found.letters:
                    several[at] = replace(found, body=_renamed(found.body, letters))
                    self.book.quantities.forget(-1)
                    return True
        return False

    def _enter(self) -> None:
        """Put the definitions in order, after one more."""
        for found in (self.book.definitions, self.book.functions):
            for several in found.values():
                several.sort(key=_number)

    def follow(self, other: Definitions) -> None:
        """Make the changes that were made in another reading of the same document."""
        for number in other.changes[len(self.changes) :]:
            if not self.anew(self.reading.outline.statements[number]):
                self.changes.append(number)

    def let(self, statement: Statement) -> bool:
        """Whether the words right before a statement say that it defines."""
        return not statement.reason and bool(_LET.search(statement.cue))

    def known(self, statement: Statement) -> Definition | None:
        """Return the definition of what stands on the left."""
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

    def later(self, statement: Statement, trees: tuple[Expr, Expr]) -> str | None:
        """Return a name that is read with a definition behind a step, though it had one before.

        The earlier one could not be read: what the name means at the step is not known.
        """
        number = statement.number
        for node in (one for tree in trees for one in tree.walk()):
            if not isinstance(node, Symbol):
                continue
            name, indices = self.book.letters.split(node)
            rank = self.book.rank(name, len(indices))
            found: Definition | Function | None = self.book.definition(name, rank, number)
            called = self.book.functions.get(name, ())
            found = found or next(iter(called), None)
            if found is not None and found.number > number and self._headed(name, number):
                return name
            if called and self.book.family(name, number):
                return name
        return None

    def lost(self, statement: Statement, trees: tuple[Expr, Expr]) -> str | None:
        """Return a name in a step whose last meaning was not understood."""
        for node in (one for tree in trees for one in tree.walk() if self.unread):
            if isinstance(node, Symbol):
                name, indices = self.book.letters.split(node)
                last = self.unread.get(name, statement.number)
                arity = self.book.rank(name, len(indices))
                found = self.book.definition(name, arity, statement.number)
                if last < statement.number and (found is None or found.number < last):
                    return name
        return None

    def ends(self, statement: Statement, found: Definition) -> bool:
        """Whether a definition is of the last element only, and a step goes on from it by itself.

        `G_T = r_T`, `G_t = r_t + G_{t+1}`.
        """
        head = bare(statement.sides[0].tree)
        if not isinstance(head, Symbol) or not any(one.isupper() for one in found.letters):
            return False
        own = self.book.letters.split(head)[0]
        return any(
            isinstance(node, Symbol) and node != head and self.book.letters.split(node)[0] == own
            for node in statement.sides[1].tree.walk()
        )

    def resting(
        self, statement: Statement, trees: tuple[Expr, Expr], wrong: set[int]
    ) -> Statement | None:
        """Return which of some wrong definitions a step stands on."""
        for node in (one for tree in trees for one in tree.walk() if wrong):
            if isinstance(node, Symbol):
                name, indices = self.book.letters.split(node)
                arity = self.book.rank(name, len(indices))
                found = self.book.definition(name, arity, statement.number)
                if found is not None and found.number in wrong - {statement.number}:
                    return self.reading.outline.statements[found.number]
        return None

    def hidden(self, statement: Statement, tree: Expr, letter: str) -> str | None:
        """Return a name that depends on a letter without showing it: L = -t_i log y_i."""
        waiting, seen = [tree], {""}
        while waiting:
            for node in waiting.pop().walk():
                if not isinstance(node, Symbol):
                    continue
                name, indices = self.book.letters.split(node)
                arity = self.book.rank(name, len(indices))
                found = self.book.definition(name, arity, statement.number)
                if found is None or name in seen or found.number == statement.number:
                    continue
                seen.add(name)
                free = letters_free(found.body, self.book.letters.split) - set(found.letters)
                if letter in free:
                    return name
                waiting.append(found.body)
        return None

    def _headed(self, name: str, number: int) -> bool:
        """Whether a statement up to a number has a name alone on one of its sides."""
        for other in self.reading.outline.statements[: number + 1]:
            for side in other.sides[:-1]:
                tree = bare(side.tree)
                head = tree.head if isinstance(tree, Applied) else tree
                if isinstance(head, Symbol) and self.book.letters.split(head)[0] == name:
                    return True
        return False

    def says(self, statement: Statement, body: Expr) -> bool:
        """Whether a statement's right side is what its left side is by definition."""
        found = self.known(statement)
        return found is not None and found.body is body

    def restated(self, statement: Statement, at: int) -> bool:
        """Whether a step says the definition of its left side again, letters aside."""
        found = self.known(statement) if at == 0 else None
        if found is None:
            return False
        return skeleton(found.body) == skeleton(statement.sides[1].tree)

    def strays(self, head: Expr, body: Expr, claim: Claim) -> list[str]:
        """Return the letters of a definition that are an oversight.

        A letter that names the correct class (L = -log y_c) is none: it is bound nowhere.
        """
        lost = [name for name, side in claim.one_sided.items() if side == "left"]
        named = letters_free(head, self.book.letters.split)  # in its arguments: d(x_i, x_j)
        extra = [
            name for name, side in claim.one_sided.items() if side == "right" and name not in named
        ]
        index = {one for one in self.book.letters.bound if not one.startswith("\\")}
        extra = [name for name in extra if name in index or not _put_in(name, body)]
        bound = tied(claim)
        if lost and extra:
            return [name for name in (*extra, *lost) if name not in bound]
        sums = any(isinstance(node, Big) for node in body.walk())
        instead = {other for _, other in self.unused(body)}
        known = (self.book.letters.bound | instead) & letters_free(body, self.book.letters.split)
        return [name for name in extra if name not in bound and sums and name in known]

    def unused(self, body: Expr) -> list[tuple[str, str]]:
        r"""Return the letters of sums that do not occur in them, and what stands there instead.

        `\sum_{j=1}^K e^{z_i}`: j, i. A sum of what has no index at all has none that is wrong.
        """
        out = []
        for node in body.walk():
            if not isinstance(node, Big) or node.name not in ("sum", "prod"):
                continue
            own = [base_name(one) for one in node.over.index]
            if any(
                isinstance(one, Symbol) and base_name(one) in own
                for tree in (node.of, node.over.lower, node.over.upper)
                if tree is not None
                for one in tree.walk()
            ):
                continue
            instead = sorted(letters_free(node.of, self.book.letters.split))
            out += [(own[0], other) for other in instead if len(own) == 1]
        return out

    def end_inside(self, body: Expr) -> tuple[str, str] | None:
        r"""Return a sum's letter and its end where the end stands in for it: `\sum_j^k e^{z_k}`."""
        unused = self.unused(body)
        for node in body.walk():
            if isinstance(node, Big) and isinstance(node.over.upper, Symbol):
                for one in node.over.index:
                    pair = (base_name(one), base_name(node.over.upper))
                    if pair in unused:
                        return pair
        return None

    def apart(self, statement: Statement, found: Definition) -> bool:
        """Whether a statement may give its left side another meaning: elsewhere, or it says so."""
        other = self.reading.outline.statements[found.number]
        sentence = re.split(r"[.!?]\s", statement.cue)[-1]
        if _FOLLOWS.search(sentence):
            return False
        cued = bool(_NEW.search(sentence))
        cases = [set(one.signs[0].conditions) for one in (statement, other) if one.signs]
        elsewhere = statement.section != other.section or (all(cases) and cases[0] != cases[-1])
        elsewhere = elsewhere or self.tabled(statement, found)
        return elsewhere or cued or statement.signs[0].relation != "="

    def tabled(self, statement: Statement, found: Definition) -> bool:
        """Whether a statement and an earlier definition stand in two rows of a table."""
        document = self.reading.document
        other = self.reading.outline.statements[found.number]
        starts = [one.sides[0].start for one in (statement, other)]
        lines = {document.text.rfind("\n", 0, start) + 1 for start in starts}
        return len(lines) == 2 and all(document.text.startswith("|", line) for line in lines)

    def single(
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
        except PROBLEMS:
            return None
        seconds = self.clock.seconds(0.5)
        if not decide(
            claim.left, claim.right, claim.given, budget_seconds=seconds, nice=False
        ).equal:
            return None
        names = frozenset(n for n in single if n in self.book.letters.sizes) or single
        self.anew(statement)
        one = assume.Assumption("N=1", frozenset(), names)
        return assume.supposed(self.reading, statement, one)


def _renamed(tree: Expr, letters: tuple[str, str]) -> Expr:
    """Put one letter for another in the subscripts of a formula."""
    old, new = letters

    def put(value: Any, inside: bool = False) -> Any:
        if isinstance(value, Symbol) and inside and not value.subs and base_name(value) == old:
            return replace(value, name=new.removeprefix("\\"))
        if isinstance(value, Symbol):
            return replace(value, subs=put(value.subs, True), sups=put(value.sups, True))
        if isinstance(value, tuple):
            return tuple(put(one, inside) for one in value)
        if isinstance(value, Node):
            names: tuple[str, ...] = type(value).__match_args__
            return replace(value, **{one: put(getattr(value, one), inside) for one in names})
        return value

    renamed: Expr = put(tree)
    return renamed


def _put_in(letter: str, tree: Expr) -> bool:
    r"""Whether a letter stands in brackets behind names only, as what they are of: `R(\tau)`."""
    inside = [one for node in tree.walk() if isinstance(node, Applied) for one in node.arguments]
    whole = sum(isinstance(one, Symbol) and base_name(one) == letter for one in map(bare, inside))
    every = sum(isinstance(one, Symbol) and base_name(one) == letter for one in tree.walk())
    return bool(whole) and whole == every


def _number(found: Definition | Function) -> int:
    return found.number


def skeleton(tree: Expr) -> list[str]:
    """Return what a formula is made of, whatever its letters and brackets."""
    out = []
    for node in tree.walk():
        if isinstance(node, Symbol):
            out.append(base_name(node) if node.subs or len(node.name) > 1 else "letter")
        elif not isinstance(node, Group | Over | Number):
            out.append(type(node).__name__)
    return [one for one in out if one != "letter"]
