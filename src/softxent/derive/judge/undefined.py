"""Claims about something that the text never defines: they are neither proved nor refuted."""

from __future__ import annotations

from collections.abc import Iterator

from softxent.derive.core import Element, Free, Partial, Unknown, everything
from softxent.derive.judge.outcome import Outcome
from softxent.derive.trees import Applied, Derivative, Expr, Over, Sum, Symbol
from softxent.derive.understand.functions import KNOWN
from softxent.derive.understand.letters import bare, base_name
from softxent.derive.understand.outline import Statement
from softxent.derive.understand.quantities import elements_of, reached
from softxent.derive.understand.reading import Claim, Reading
from softxent.derive.verdicts import Verdict

_GENERIC = frozenset("f g h u v F G H".split())
"""Names of functions that stand for any function."""


class Undefined:
    """Looks in a false step for what it says about things that are not defined."""

    def __init__(self, reading: Reading) -> None:
        self.reading = reading
        self.book = reading.book

    def find(self, statement: Statement, trees: tuple[Expr, Expr], claim: Claim) -> Outcome | None:
        """Look for a property of something that the text never defines."""
        for core, quantity in claim.given.quantities.items():
            name = core.split("#")[0].split("·")[0]
            undefined = isinstance(quantity, Unknown) or "·" in core[1:]
            if undefined and name not in _GENERIC and not self._on_both(trees, name):
                return Outcome(
                    Verdict.OPAQUE,
                    "undefined",
                    f"{name} is never defined, so this can be neither proved nor refuted.",
                )
            if name in self.book.partly:
                return Outcome(
                    Verdict.UNSUPPORTED,
                    "unsupported",
                    f"{name} is defined for single elements only.",
                )
        moving = self._recursion(claim)
        if moving is not None:
            return Outcome(
                Verdict.OPAQUE,
                "undefined",
                f"{moving} goes on from one index to the next; derivatives are not followed there.",
            )
        far = self._far(trees, claim)
        if far is not None:
            return Outcome(
                Verdict.OPAQUE,
                "undefined",
                f"How {far[0]} depends on {far[1]} is never said.",
            )
        apart = _apart(claim)
        if apart is not None:
            left, right = (name.split("#")[0] for name in apart)
            return Outcome(
                Verdict.OPAQUE, "undefined", f"How {left} and {right} are related is never said."
            )
        stranger = self._stranger(statement, trees, claim)
        if stranger is not None:
            return Outcome(
                Verdict.OPAQUE,
                "undefined",
                f"{stranger} appears here only and is never defined.",
            )
        for name in self._differentiated(trees):
            return Outcome(
                Verdict.OPAQUE,
                "undefined",
                f"How {name} depends on what it is differentiated by is never said.",
            )
        return None

    def _recursion(self, claim: Claim) -> str | None:
        """Look for a derivative by what the text defines by its neighbour: h_t by h_{t-1}."""
        for one in everything(claim.left, claim.right):
            if not isinstance(one, Partial):
                continue
            name = one.by.name.split("#")[0]
            of = one.of
            moved = {index.letter for index in one.by.indices if index.shift}
            if isinstance(of, Element) and of.name == one.by.name:
                moved |= {index.letter for index in of.indices if index.shift}
                if moved & {index.letter for index in of.indices} and of != one.by:
                    return name
            for number, role in self.book.roles.items():
                if role == "update" and one.by.indices and self._heads(number, name):
                    return name
        return None

    def _heads(self, number: int, name: str) -> bool:
        """Whether a statement says h_t by h_{t-1}."""
        statement = self.reading.outline.statements[number]
        head = bare(statement.sides[0].tree)
        if not isinstance(head, Symbol) or self.book.letters.split(head)[0] != name:
            return False
        return any(
            isinstance(sub, Sum)
            for node in statement.sides[1].tree.walk()
            if isinstance(node, Symbol)
            for found, indices in [self.book.letters.split(node)]
            if found == name
            for sub in map(bare, indices)
        )

    def _far(self, trees: tuple[Expr, Expr], claim: Claim) -> tuple[str, str] | None:
        """Look for a derivative by something that nothing connects with what is derived."""
        quantities = claim.given.quantities
        for node, of in _derivatives(trees):
            core = self._core(of)
            if not isinstance(quantities.get(core), Unknown):
                continue
            linked = reached([core], quantities)
            for by in node.by:
                if isinstance(by, Symbol) and self._core(by) not in linked:
                    return self.book.tex(of), self.book.tex(by)
        return None

    def _core(self, symbol: Symbol) -> str:
        name, indices = self.book.letters.split(symbol)
        return self.book.core(name, self.book.rank(name, len(indices)))

    def _stranger(self, statement: Statement, trees: tuple[Expr, Expr], claim: Claim) -> str | None:
        """Look for a symbol that stands in this step only, on one side, and is not defined."""
        names = [self._quantities_in(tree) for tree in trees]
        for name in sorted(names[0] ^ names[1]):
            if name.rstrip("'").lower() in KNOWN:
                continue  # diag, softmax
            if name.rstrip("'") in _GENERIC or name.rstrip("'") in self.book.functions:
                continue
            if name in self.book.targets or name in self.book.letters.exponents:
                continue
            if name in claim.given.letters:
                continue
            if any(known == name for known, _ in self.book.definitions):
                continue
            if name in self.book.functions or name in self.book.letters.bound:
                continue
            elsewhere = any(
                name in self._quantities_in(side.tree)
                for other in self.reading.outline.statements
                for side in other.sides
                if other is not statement
            )
            used = sum(name in self._quantities_in(side.tree) for side in statement.sides)
            if not elsewhere and used == 1 and f"${name}" not in self.reading.outline.prose:
                return name
        return None

    def _quantities_in(self, tree: Expr) -> set[str]:
        out = set()
        for node in tree.walk():
            if isinstance(node, Over):
                continue
            if isinstance(node, Symbol):
                name, indices = self.book.letters.split(node)
                if indices or self.book.letters.alone >= {name}:
                    out.add(name)
        letters = {
            base_name(inner)
            for node in tree.walk()
            if isinstance(node, Symbol)
            for sub in node.subs
            for inner in sub.walk()
            if isinstance(inner, Symbol)
        }
        return {
            name
            for name in out - letters
            if name not in self.book.letters.sizes
            and name not in ("e", "\\pi", "\\delta", "1", "I")
        }

    def _on_both(self, trees: tuple[Expr, Expr], name: str) -> bool:
        return all(
            any(
                isinstance(node, Derivative)
                and node.of is not None
                and any(
                    isinstance(inner, Symbol) and self.book.letters.split(inner)[0] == name
                    for inner in node.of.walk()
                )
                for node in tree.walk()
            )
            for tree in trees
        )

    def _differentiated(self, trees: tuple[Expr, Expr]) -> list[str]:
        """Return what is undefined and differentiated on one side, by something else."""
        out = []
        for node, of in _derivatives(trees):
            name, indices = self.book.letters.split(of)
            rank = self.book.rank(name, len(indices))
            by = {self.book.letters.split(one)[0] for one in node.by if isinstance(one, Symbol)}
            if by == {name} or name in self.book.targets or self.book.functions.get(name):
                continue
            if name in self.book.letters.exponents:
                continue
            if not self.book.defined(name, rank) and not self._on_both(trees, name):
                out.append(name)
        return out


def _apart(claim: Claim) -> tuple[str, str] | None:
    """Look for two free quantities, each on one side only: p of the one, v of the other.

    q - p = softmax(z) - softmax(v) then says what p is. A derivative says more than that.
    """
    if any(isinstance(one, Partial) for one in everything(claim.left, claim.right)):
        return None
    quantities = claim.given.quantities
    free = []
    for side in (claim.left, claim.right):
        names = reached(elements_of(side), quantities)
        free.append({name for name in names if isinstance(quantities.get(name), Free)})
    left, right = sorted(free[0] - free[1]), sorted(free[1] - free[0])
    if {name.split("#")[0] for name in left} & {name.split("#")[0] for name in right}:
        return None  # p_i is p_{ni} of a single row
    return (left[0], right[0]) if left and right else None


def _derivatives(trees: tuple[Expr, Expr]) -> Iterator[tuple[Derivative, Symbol]]:
    """Yield the derivatives of a symbol, or of a function's name, with it."""
    for tree in trees:
        for node in tree.walk():
            if isinstance(node, Derivative) and node.of is not None:
                of = node.of.head if isinstance(node.of, Applied) else bare(node.of)
                if isinstance(of, Symbol):
                    yield node, of
