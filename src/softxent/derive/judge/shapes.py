"""Steps whose shapes do not fit: an error where the notation proves it, else not understood."""

from __future__ import annotations

from softxent.derive.judge.outcome import Outcome
from softxent.derive.trees import Big, Derivative, Expr, Gradient, Over, Relation, Symbol
from softxent.derive.understand.letters import bare
from softxent.derive.understand.reading import Reading
from softxent.derive.understand.values import Mismatch
from softxent.derive.verdicts import Verdict

_ARROWS = frozenset(("vec", "mathbf", "boldsymbol", "bm"))


def ill_typed(reading: Reading, trees: tuple[Expr, Expr], error: Mismatch) -> Outcome:
    """Return the verdict on a step that makes no sense as it was read.

    Texts use a letter for a number here and a vector there, leave indices out and broadcast: that
    shapes do not fit says little. It is an error where one side is written by its elements, and
    the other one is a vector by its very notation; or where a letter has lost an index that it
    has everywhere else.
    """
    proven = (
        error.rule != "shape-mismatch"
        or any(_by_elements(one) and _a_vector(other) for one, other in (trees, trees[::-1]))
        or (any(_by_elements(tree) for tree in trees) and _lost_index(reading, trees))
    )
    if proven:
        return Outcome(Verdict.ILL_TYPED, error.rule, f"{error.message}.")
    return Outcome(
        Verdict.OPAQUE,
        "shape-unclear",
        f"{error.message[:1].upper()}{error.message[1:]}, as the letters were read: what is a "
        "number and what a vector here cannot be told.",
    )


def _lost_index(reading: Reading, trees: tuple[Expr, Expr]) -> bool:
    """Whether a plain small letter stands bare here, and in no other statement."""
    split = reading.book.letters.split
    for tree in trees:
        for node in tree.walk():
            if not isinstance(node, Symbol) or node.subs or node.accents or not node.name.islower():
                continue
            name = split(node)[0]
            if not any(arity for arity in reading.book.letters.arities.get(name, ())):
                continue
            others = sum(
                isinstance(one, Symbol) and not one.subs and split(one)[0] == name
                for statement in reading.outline.statements
                for side in statement.sides
                for one in side.tree.walk()
            )
            here = sum(one == node for side in trees for one in side.walk())
            if others <= here:
                return True
    return False


def _by_elements(tree: Expr) -> bool:
    """Whether every quantity of a side has its indices, and no sum takes all of them away."""
    found = False
    waiting = [tree]
    while waiting:
        node = waiting.pop()
        if isinstance(node, Big):
            waiting.append(node.of)
            continue
        if isinstance(node, (Over, Relation, Gradient)):
            return False
        if isinstance(node, Symbol):
            if not node.subs or _arrow(node):
                return False
            found = True
            continue
        waiting += node.parts()
    return found


def _a_vector(tree: Expr) -> bool:
    """Whether a side is an arrow, or a derivative by one."""
    tree = bare(tree)
    if isinstance(tree, Symbol):
        return _arrow(tree) and not tree.subs and tree.name.islower()
    if isinstance(tree, Derivative):
        return len(tree.by) == 1 and _a_vector(tree.by[0])
    return isinstance(tree, Gradient)


def _arrow(symbol: Symbol) -> bool:
    return bool(_ARROWS & set(symbol.accents))
