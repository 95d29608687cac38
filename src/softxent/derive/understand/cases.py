"""Cases such as "if j = k": which one is open, and what counts as the condition of one."""

from __future__ import annotations

import re
from collections.abc import Iterable

from softxent.derive.trees import Ellipsis, Expr, Relation, Symbol, Tuple
from softxent.derive.understand.letters import GREEK, bare
from softxent.derive.understand.outline import Condition

_OPPOSITE = {"eq": "neq", "neq": "eq"}
_RELATIONS = {"=": "eq", "neq": "neq", "lt": "lt", "le": "le", "gt": "gt", "ge": "ge"}
_LOWERED = re.compile(r"_\s*(\{[^{}]*\}|\\?[A-Za-z]+)")


class Cases:
    """The cases that are open at a place of the document, as a walk through it finds them."""

    def __init__(self, formulas: Iterable[str]) -> None:
        self._conditions: tuple[Condition, ...] = ()
        self._treated: set[tuple[str, frozenset[str]]] = set()
        self._indices = set("ijklmnopqrs")
        for tex in formulas:
            for lowered in _LOWERED.findall(tex):
                self._indices.update(re.findall(r"\\?[A-Za-z]+", lowered))

    def condition(self, relation: Relation) -> Condition | None:
        """Return `j = k` between two index letters of the document as a condition."""
        condition = condition_of(relation)
        if condition is None or not all(
            name in self._indices or name.removeprefix("\\") in GREEK
            for name in condition.letters()
        ):
            return None
        return condition

    def open(self, condition: Condition) -> None:
        """Open a case; it takes the place of another one about the same letters."""
        letters = condition.letters()
        kept = tuple(one for one in self._conditions if one.letters() != letters)
        self._conditions = (*kept, condition)
        self._treated.add((condition.relation, letters))

    def close(self) -> None:
        """Close all cases."""
        self._conditions = ()
        self._treated = set()

    def both(self) -> bool:
        """Whether both cases of what is open have been treated."""
        return any(
            (_OPPOSITE.get(relation, ""), letters) in self._treated
            for relation, letters in self._treated
        )

    def held(self, conditions: tuple[Condition, ...]) -> tuple[Condition, ...]:
        """Return all the conditions that hold, where a row has these of its own."""
        conditions = tuple(dict.fromkeys(conditions))
        own = {condition.letters() for condition in conditions}
        return (*(one for one in self._conditions if one.letters() not in own), *conditions)


def condition_of(relation: Relation) -> Condition | None:
    """Return a comparison of two letters as a condition."""
    if relation.first is None or len(relation.links) != 1:
        return None
    link = relation.links[0]
    kind = _RELATIONS.get(link.relation)
    left, right = bare(relation.first), bare(link.right)
    if kind is None:
        return None
    if _letter(left) and _letter(right):
        return Condition(kind, left, right)
    if kind == "neq" and _letter(left) and isinstance(right, Symbol):
        return Condition(kind, left, right)
    return None


def is_range(relation: Relation) -> bool:
    """Whether a relation only says which values an index has: i = 1, ..., K."""
    if not isinstance(relation.first, Symbol) or len(relation.links) != 1:
        return False
    right = bare(relation.links[0].right)
    listed = isinstance(right, Tuple) and any(isinstance(one, Ellipsis) for one in right.items)
    return _letter(relation.first) and (listed or isinstance(right, Ellipsis))


def _letter(tree: Expr) -> bool:
    if not isinstance(tree, Symbol) or tree.subs or tree.sups or tree.accents:
        return False
    return (len(tree.name) == 1 and tree.name.islower()) or tree.name in GREEK - {"pi", "sigma"}
