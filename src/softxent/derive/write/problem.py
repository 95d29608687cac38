"""What is to be derived: a result, a road, a target and options, checked once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields

from softxent.derive.core import Element, Real
from softxent.derive.write.source import defined
from softxent.derive.write.terms import element, plus, with_elements
from softxent.derive.write.world import Definition
from softxent.errors import describe, error, nearest

RESULTS = ("jacobian", "gradient", "target-gradient", "hessian", "hvp")
TOUR = "tour"
ROADS = ("cases", "log-sum-exp")
TARGETS = ("soft", "probability", "index")
REDUCTIONS = ("none", "mean", "sum")
SWITCHES = ("temperature", "softcap", "label_smoothing", "weight", "z_loss", "linear")
_WHERE = "derive"


@dataclass(frozen=True, slots=True)
class Problem:
    """A result under options; the options are switches, their values stay letters."""

    result: str = "gradient"
    road: str = "cases"
    """"cases": k = i and k ≠ i, then the chain rule; "log-sum-exp": a loss without softmax."""
    target: str = "soft"
    """"soft": any numbers; "probability": they sum to one; "index": a class index, one-hot."""
    temperature: bool = False
    softcap: bool = False
    label_smoothing: bool = False
    weight: bool = False
    z_loss: bool = False
    reduction: str = "none"
    """"none": the loss of a row; "mean" or "sum" over N rows."""
    linear: bool = False
    """The logits are x W^T + b: gradients by W, x and b."""

    def __post_init__(self) -> None:
        """Refuse what is unknown or does not go together."""
        for name, known in _CHOICES.items():
            _check_choice(name, getattr(self, name), known)
        for name in SWITCHES:
            value = getattr(self, name)
            if not isinstance(value, bool):
                came, fix = describe(value), "Its value stays a letter; pass True to have it."
                raise error(TypeError, "option-type", _WHERE, name, came, "True or False", fix)
        if self.linear and self.result != "gradient":
            raise _conflict("linear", self.result, "the result gradient", "Leave one of them out.")
        if self.linear and self.reduction == "none":
            raise _conflict("linear", "without a reduction", "mean or sum", "Add reduction='mean'.")
        if self.result == "jacobian" and (wrong := self._of_the_loss()):
            raise _conflict(
                wrong, "on", "temperature and softcap only", "The Jacobian is of the softmax alone."
            )
        if self.result == "target-gradient" and self.target == "index":
            raise _conflict(
                "target", "'index'", "'soft' or 'probability'", "An index has no derivative."
            )

    def _of_the_loss(self) -> str:
        """Return an option that is on and changes the loss, but not the softmax."""
        names = ("label_smoothing", "weight", "z_loss", "linear")
        if self.reduction != "none":
            return "reduction"
        return next((one for one in names if getattr(self, one)), "")

    @property
    def s(self) -> str:
        """The letter of what the softmax sees."""
        return "a" if self.temperature or self.softcap else "z"

    @property
    def q(self) -> str:
        """The letter of the target that the cross-entropy sees."""
        if self.label_smoothing:
            return r"\tilde{w}" if self.weight else "t'"
        return "t"

    @property
    def main(self) -> str:
        """The letter of the cross-entropy: C where it is all of a row's loss."""
        return "E" if self.z_loss else "C"

    @property
    def losses(self) -> tuple[str, ...]:
        """What L is made of: C, or its two parts where their means have other denominators."""
        return ("E", "Z") if self.z_loss and self.weighted_mean else ("C",)

    @property
    def sums_to_one(self) -> bool:
        """Whether a sum of the target to one makes a result simpler."""
        if self.result in ("jacobian", "target-gradient") or self.target == "soft":
            return False
        return not self.weight or (self.target == "index" and not self.label_smoothing)

    @property
    def weighted_mean(self) -> bool:
        """Whether the mean divides by the weights of the classes."""
        return self.weight and self.target == "index" and self.reduction == "mean"

    @property
    def options(self) -> dict[str, object]:
        """All that was asked for, as plain data."""
        return {one.name: getattr(self, one.name) for one in fields(self)}

    def definitions(self) -> list[tuple[Definition, str, str]]:
        """Return the definitions, in order, with a sentence and the id of the formula."""
        out = []

        def add(id: str, meaning: str, side: int = -1, **renamed: str) -> None:
            name, letters, body = defined(id, side)
            name = renamed.get(name, name)
            out.append((Definition(name, letters, _renamed(body, renamed)), meaning, id))

        if self.temperature and self.softcap:
            add("transform", "A soft cap $c$, then a temperature $T$, turn the logits into")
        elif self.temperature:
            add("temperature", "The temperature $T$ divides the logits:")
        elif self.softcap:
            add("softcap", "The soft cap $c$ bounds the logits:")
        if self.softcap:
            add(
                "transform-slope" if self.temperature else "softcap-slope",
                "Its slope will be needed again and again, so it gets a letter:",
            )
        add("softmax", f"The softmax of ${self.s}$:", z=self.s)
        if self.result == "jacobian":
            return out
        if self.q == r"\tilde{w}":
            add("weighted-target", r"Smoothing by $\varepsilon$ and class weights $w_k$ make of it")
        elif self.q == "t'":
            add("label-smoothing", r"Smoothing by $\varepsilon$ mixes it with the uniform target:")
        weights = self.weight and not self.label_smoothing
        words = "The cross-entropy" if self.z_loss else "The loss of a row is the cross-entropy"
        id = "class-weights" if weights else "cross-entropy"
        add(id, words + (", weighted by class:" if weights else ":"), t=self.q, C=self.main)
        if self.z_loss:
            add("log-sum-exp", "The logarithm of the denominator:", 1, a=self.s)
            add("z-loss", r"The z-loss, $\lambda$ times its square, keeps it from growing:")
            both = Definition("C", (), plus(element("E"), element("Z")))
            out.append((both, "The loss of a row is both together:", ""))
        return out


_CHOICES = {"result": RESULTS, "road": ROADS, "target": TARGETS, "reduction": REDUCTIONS}


def _renamed(expr: Real, names: dict[str, str]) -> Real:
    return with_elements(expr, lambda one: Element(names.get(one.name, one.name), one.indices))


def _check_choice(name: str, value: object, known: tuple[str, ...]) -> None:
    if not isinstance(value, str) or value not in known:
        expected = "one of " + ", ".join(repr(one) for one in known)
        fix = nearest(value if isinstance(value, str) else "", known)
        raise error(ValueError, "option-range", _WHERE, name, describe(value), expected, fix)


def _conflict(argument: str, came: str, expected: str, fix: str) -> ValueError:
    return error(ValueError, "derive-conflict", _WHERE, argument, came, expected, fix)


def problem_from(result: str, options: Mapping[str, object]) -> Problem | None:
    """Return the problem that keywords describe; None is the tour, which has none."""
    known = [one.name for one in fields(Problem) if one.name != "result"]
    for name in options:
        if name not in known:
            fix = nearest(name, known)
            raise error(TypeError, "option-name", _WHERE, "keyword", repr(name), "an option", fix)
    _check_choice("result", result, (*RESULTS, TOUR))
    if result == TOUR:
        if options:
            fix = "Name one result to choose its options."
            raise _conflict("tour", f"given {next(iter(options))}", "no options", fix)
        return None
    return Problem(result, **options)  # type: ignore[arg-type]
