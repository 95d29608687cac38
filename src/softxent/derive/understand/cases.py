"""Cases such as "if j = k": which one is open, and what counts as the condition of one."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from softxent.derive.trees import Ellipsis, Expr, Relation, Row, Symbol, Tuple
from softxent.derive.understand.letters import GREEK, bare
from softxent.derive.understand.outline import Condition

_OPPOSITE = {"eq": "neq", "neq": "eq"}
_RELATIONS = {"=": "eq", "neq": "neq", "lt": "lt", "le": "le", "gt": "gt", "ge": "ge"}
_LETTER = r"\$?(?P<{}>[a-z])\$?"
_UNLIKE = (
    r"!=|≠|\\neq?|<>|(?:is|are) not (?:equal(?: to)?|the same(?: as)?)|does not equal|"
    r"differs? from|(?:is|are) (?:different(?: from)?|distinct(?: from)?|unequal(?: to)?)"
)
_ALIKE = (
    r"==?|(?:is|are) (?:equal(?: to)?|the same(?: as)?|identical(?: to)?)|equals|coincides? with"
)
_SPOKEN = (
    re.compile(
        r"\b(?:if|when|case\s*\d*\s*[:.]?|for|where)\s+(?:the case\s+)?(?:the ind(?:ex|ices)\s+)?"
        rf"{_LETTER.format('left')}\s*(?:(?P<unlike>{_UNLIKE})|{_ALIKE})\s*"
        rf"{_LETTER.format('right')}(?![A-Za-z$])",
        re.I,
    ),
    re.compile(
        r"\b(?:if|when|case\s*\d*\s*[:.]?|for|where)\s+(?:both\s+)?(?:the ind(?:ex|ices)\s+)?"
        rf"{_LETTER.format('left')}\s+and\s+{_LETTER.format('right')}\s+"
        rf"(?:(?P<unlike>{_UNLIKE}|differ|do not coincide)|{_ALIKE}|coincide|agree)(?![A-Za-z])",
        re.I,
    ),
)
_FOR = re.compile(
    r"\s*,?\s*(?:for|if|when|whenever|where)\s+(?:all\s+|any\s+)?"
    r"(?:\$+|\\\()([^$]{1,30}?)(?:\$|\\\))",
    re.I,
)
_LOWERED = re.compile(r"_\s*(\{[^{}]*\}|\\?[A-Za-z]+)")
_LABELS = re.compile(r"_\s*\{\s*(?:\w\s*,?\s*)?([A-Za-z])\s*_")


class Cases:
    """The cases that are open at a place of the document, as a walk through it finds them."""

    def __init__(self, formulas: Iterable[str]) -> None:
        self._conditions: tuple[Condition, ...] = ()
        self._treated: set[tuple[str, frozenset[str]]] = set()
        self._mentioned: Condition | None = None
        self._indices = set("ijklmnopqrs")
        self._labels: set[str] = set()
        """Letters of labels, the y of p_{y_i}."""
        for tex in formulas:
            self._labels.update(_LABELS.findall(tex))
            for lowered in _LOWERED.findall(tex):
                self._indices.update(re.findall(r"\\?[A-Za-z]+", lowered))

    def condition(self, relation: Relation) -> Condition | None:
        """Return `j = k` between two index letters of the document as a condition."""
        condition = condition_of(relation)
        if condition is not None and condition.relation == "eq":
            label = condition.right
            if isinstance(label, Symbol) and label.subs and label.name not in self._labels:
                return None
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
        self._mentioned = None

    def mention(self, condition: Condition | None) -> None:
        """Note a condition that the text speaks of without opening a case; None: no more."""
        self._mentioned = condition

    def settle(self) -> None:
        """Decide, where a display begins, what a condition spoken of before it means.

        "The entries off the diagonal, $i \\neq j$, are" leaves the case of i = j.
        """
        condition, self._mentioned = self._mentioned, None
        if condition is not None:
            opposite = _OPPOSITE.get(condition.relation)
            letters = condition.letters()
            if any(
                (one.relation, one.letters()) == (opposite, letters) for one in self._conditions
            ):
                self.open(condition)

    def otherwise(self) -> None:
        """Open the opposite of the case that is open."""
        for one in self._conditions[-1:]:
            if one.relation in _OPPOSITE:
                self.open(Condition(_OPPOSITE[one.relation], one.left, one.right))

    def close(self) -> None:
        """Close all cases."""
        self._conditions = ()
        self._treated = set()
        self._mentioned = None

    def last(self) -> tuple[Condition, ...]:
        """Return the condition of the case that was opened last."""
        return self._conditions[-1:]

    def both(self) -> bool:
        """Whether both cases of what is open have been treated."""
        return any(
            (_OPPOSITE.get(relation, ""), letters) in self._treated
            for relation, letters in self._treated
        )

    def of_row(self, row: Row) -> tuple[Condition, ...]:
        """Return the conditions that a row of a display says of itself."""
        out: list[Condition] = []
        for relation in row.relations[1:]:
            condition = self.condition(relation)
            if condition is not None:
                out.append(condition)
        for remark in row.remarks:
            if re.search(r"\b(both|and)\b", remark.text) and len(remark.formulas) > 1:
                continue
            if re.search(r"\b(if|when|for|where|since|because|as|case)\b", remark.text, re.I):
                for relation in remark.formulas:
                    condition = self.condition(relation)
                    if condition is not None:
                        out.append(condition)
        return tuple(out)

    def behind(self, after: str) -> tuple[Condition, ...]:
        r"""Return the condition that the words behind a formula add: "... for $k \neq j$"."""
        from softxent.derive.parse import parse

        found = _FOR.match(after)
        rows = parse(found[1]) if found else ()
        if len(rows) != 1 or len(rows[0].relations) != 1:
            return ()
        condition = self.condition(rows[0].relations[0])
        return () if condition is None else (condition,)

    def leading(self, relation: Relation) -> tuple[tuple[Condition, ...], Relation]:
        r"""Return the condition of `i = j \to \delta_{ij} = 1`, and what it is said of."""
        for at, link in enumerate(relation.links):
            if at and link.relation in ("implies", "to"):
                condition = self.condition(Relation(relation.first, relation.links[:at]))
                rest = Relation(link.right, relation.links[at + 1 :], span=relation.span)
                return ((), relation) if condition is None else ((condition,), rest)
        return (), relation

    def held(self, conditions: tuple[Condition, ...]) -> tuple[Condition, ...]:
        """Return all the conditions that hold, where a row has these of its own."""
        conditions = tuple(dict.fromkeys(conditions))
        own = {condition.letters() for condition in conditions}
        return (*(one for one in self._conditions if one.letters() not in own), *conditions)


def spoken(text: str, start: int) -> Iterator[tuple[Condition, str, str]]:
    """Yield the conditions said in words, "if i equals j", that end behind some place of a text.

    With each comes what stands before it and behind it.
    """
    for pattern in _SPOKEN:
        for match in pattern.finditer(text):
            if match.end() > start:
                relation = "neq" if match["unlike"] else "eq"
                condition = Condition(relation, Symbol(match["left"]), Symbol(match["right"]))
                yield condition, text[: match.start("left")].rstrip("$"), text[match.end() :]


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
    if kind == "eq" and _letter(left) and isinstance(right, Symbol) and len(right.subs) == 1:
        return Condition(kind, left, right) if _letter(right.subs[0]) else None
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
