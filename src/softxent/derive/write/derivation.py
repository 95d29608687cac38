"""What a derivation is: sections of text, definitions and chains of steps, each with its rule."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from softxent.derive.core import Compare, Given, Real
from softxent.derive.write.questions import Question
from softxent.derive.write.rules import NAMES
from softxent.derive.write.tex import tex, with_bounds

SCHEMA_VERSION = 1


@dataclass(frozen=True, slots=True)
class Step:
    """left = right, by a rule, for a reason."""

    left: Real
    right: Real
    rule: str
    """The rule's code, "chain-rule" for example."""
    why: str
    """One plain sentence."""
    given: Given
    """From what it can be decided: definitions, index sets, the case that is open."""
    questions: tuple[Question, ...] = ()
    """What learners ask here."""

    @property
    def name(self) -> str:
        """The rule's name in words."""
        return NAMES[self.rule]

    @property
    def tex(self) -> str:
        """The step as TeX, `left = right`."""
        return f"{tex(self.left)} = {tex(self.right)}"


@dataclass(frozen=True, slots=True)
class Text:
    """A paragraph in Markdown, its mathematics between dollars."""

    text: str


@dataclass(frozen=True, slots=True)
class Define:
    """left = right, by definition; `id` is that of the formula it comes from, "" for none."""

    left: Real
    right: Real
    meaning: str
    id: str = ""
    questions: tuple[Question, ...] = ()

    @property
    def tex(self) -> str:
        """The definition as TeX, its sums with their bounds."""
        return f"{tex(self.left)} = {tex(with_bounds(self.right))}"


@dataclass(frozen=True, slots=True)
class Chain:
    """start = ... = end: the steps follow one another."""

    steps: tuple[Step, ...]

    @property
    def start(self) -> Real:
        """The first left side."""
        return self.steps[0].left

    @property
    def end(self) -> Real:
        """The last right side."""
        return self.steps[-1].right


@dataclass(frozen=True, slots=True)
class Section:
    """A heading and what stands below it; level 2 or 3."""

    title: str
    level: int
    items: tuple[Text | Define | Chain, ...]
    conditions: tuple[Compare, ...] = ()


@dataclass(frozen=True, slots=True)
class Derivation:
    """A whole derivation; `steps` and `questions` go through it in order."""

    title: str
    options: dict[str, object]
    sections: tuple[Section, ...]

    @property
    def chains(self) -> tuple[Chain, ...]:
        """All chains of steps."""
        return tuple(one for s in self.sections for one in s.items if isinstance(one, Chain))

    @property
    def steps(self) -> tuple[Step, ...]:
        """All steps."""
        return tuple(step for chain in self.chains for step in chain.steps)

    @property
    def definitions(self) -> tuple[Define, ...]:
        """All definitions."""
        return tuple(one for s in self.sections for one in s.items if isinstance(one, Define))

    @property
    def questions(self) -> tuple[Question, ...]:
        """All questions that are answered."""
        return tuple(self._questions())

    @property
    def result(self) -> tuple[Real, Real]:
        """Both sides of the last result."""
        return self.chains[-1].start, self.chains[-1].end

    def _questions(self) -> Iterator[Question]:
        for section in self.sections:
            for item in section.items:
                if isinstance(item, Define):
                    yield from item.questions
                elif isinstance(item, Chain):
                    for step in item.steps:
                        yield from step.questions

    def markdown(self, questions: bool = False) -> str:
        """Return the derivation as Markdown, as GitHub shows it."""
        from softxent.derive.write.markdown import markdown

        return markdown(self, questions)

    def latex(self, questions: bool = False, fragment: bool = False) -> str:
        """Return a LaTeX document; fragment: only what stands between begin and end."""
        from softxent.derive.write.latex import latex

        return latex(self, questions, fragment)

    def json(self) -> dict[str, object]:
        """Return the derivation as one JSON object, with its questions."""
        from softxent.derive.write.json_object import json_object

        return json_object(self)
