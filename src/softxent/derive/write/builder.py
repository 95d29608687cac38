"""Writes a derivation down while it is found: sections, definitions, and chains by rules."""

from __future__ import annotations

from dataclasses import dataclass, field

from softxent.derive.core import Compare, Real
from softxent.derive.write.derivation import Chain, Define, Section, Step, Text
from softxent.derive.write.questions import Question, asked_at
from softxent.derive.write.rules import Rule
from softxent.derive.write.tex import tex
from softxent.derive.write.world import Definition, World


@dataclass(slots=True)
class Builder:
    """The sections so far, and all that is known."""

    world: World = field(default_factory=World)
    sections: list[Section] = field(default_factory=list)
    asked: set[str] = field(default_factory=set)
    done: set[str] = field(default_factory=set)
    _title: str = ""
    _level: int = 2
    _items: list[Text | Define | Chain] = field(default_factory=list)
    _conditions: tuple[Compare, ...] = ()

    def first(self, key: str) -> bool:
        """Say whether this is the first time that a key is asked for."""
        new = key not in self.done
        self.done.add(key)
        return new

    def section(self, title: str, level: int = 3, conditions: tuple[Compare, ...] = ()) -> None:
        """Begin a section; conditions: the case that it treats."""
        self.end()
        self._title, self._level, self._conditions = title, level, conditions

    def end(self) -> None:
        """End the section that is open."""
        if self._title:
            section = Section(self._title, self._level, tuple(self._items), self._conditions)
            self.sections.append(section)
        self._title, self._items = "", []

    def say(self, text: str) -> None:
        """Write a paragraph."""
        self._items.append(Text(text))

    def define(self, definition: Definition, meaning: str, id: str = "") -> None:
        """Write a definition, and know it from here on."""
        self.world.define(definition)
        questions = self._ask(f"define-{definition.name}")
        self._items.append(Define(definition.left, definition.body, meaning, id, questions))

    def chain(self, start: Real, *rules: Rule, learn: bool = True, form: str = "") -> Real:
        """Apply rule after rule; those that change nothing leave no step. Return what comes out.

        learn: the result may be used later on, under the name `form` if it has one.
        """
        steps: list[Step] = []
        now = start
        for rule in rules:
            after = rule.rewrite(now)
            if after == now or tex(after) == tex(now):
                now = after
                continue
            given = self.world.given(now, after, conditions=self._conditions)
            questions = self._ask(rule.id)
            steps.append(Step(now, after, rule.code, rule.why, given, questions))
            now = after
        if steps:
            self._items.append(Chain(tuple(steps)))
        if learn:
            self.world.learn(start, now, form)
        return now

    def _ask(self, id: str) -> tuple[Question, ...]:
        new = tuple(one for one in asked_at(id) if one.text not in self.asked)
        self.asked.update(one.text for one in new)
        return new
