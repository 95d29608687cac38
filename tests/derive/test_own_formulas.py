"""Our own formulas before our own checker: every one true or a definition, and a slip is caught.

A formula is judged as a reader meets it: what it uses in front, then the formula itself.
"""

from __future__ import annotations

import re

import pytest

from softxent.derive import Step, Verdict, check
from softxent.formula import FORMULAS, premises

# These give a letter its meaning: there is nothing to decide.
DEFINITIONS = frozenset(
    "softmax largest-logit shifted-sum one-hot cross-entropy jvp batch-softmax batch-mean "
    "weighted-mean soft-mean output-neuron transformed-softmax temperature softcap label-smoothing "
    "label-smoothing-loss class-weights z-loss transform weighted-target weight-sum curvature "
    "logprob entropy".split()
)
# "A dot marks a directional derivative", as an equation: all partial derivatives, times the dots.
DOTS = {
    "linear-tangent": (
        r"\dot z_{no} = \sum_{m} \sum_{e} \frac{\partial z_{no}}{\partial x_{me}} \dot x_{me}"
        r" + \sum_{p} \sum_{e} \frac{\partial z_{no}}{\partial W_{pe}} \dot W_{pe}"
        r" + \sum_{p} \frac{\partial z_{no}}{\partial b_p} \dot b_p",
    ),
    "linear-weight-hvp": (
        r"G_{od} = \sum_{n} g_{no} x_{nd}",
        r"\dot G_{od} = \sum_{n} \sum_{p} \frac{\partial G_{od}}{\partial g_{np}} \dot g_{np}"
        r" + \sum_{n} \sum_{e} \frac{\partial G_{od}}{\partial x_{ne}} \dot x_{ne}",
    ),
    "linear-input-hvp": (
        r"h_{nd} = \sum_{o} g_{no} W_{od}",
        r"\dot h_{nd} = \sum_{m} \sum_{o} \frac{\partial h_{nd}}{\partial g_{mo}} \dot g_{mo}"
        r" + \sum_{o} \sum_{e} \frac{\partial h_{nd}}{\partial W_{oe}} \dot W_{oe}",
    ),
    "linear-bias-hvp": (
        r"q_o = \sum_{n} g_{no}",
        r"\dot q_o = \sum_{n} \sum_{p} \frac{\partial q_o}{\partial g_{np}} \dot g_{np}",
    ),
}
# Which words of a domain declare an assumption.
DECLARED = {"sum-to-one": re.compile(r"Σ\S* t\S* = 1")}

DECIDED = [id for id in FORMULAS if id not in DEFINITIONS]  # none is beyond reach


def judged(id: str, latex: str | None = None) -> list[Step]:
    """The steps of a formula, or of `latex` in its place, behind all that it stands on."""
    before = [*(formula.latex for formula in premises(id)), *DOTS.get(id, ())]
    text = "".join(f"$$\n{tex}\n$$\n" for tex in before)
    report = check(text + f"$$\n{latex or FORMULAS[id].latex}\n$$\n")
    assert report.stopped is None
    given = [step for step in report.steps if step.start < len(text)]
    assert {step.verdict for step in given} <= {Verdict.DEFINITION, Verdict.TRUE}
    return [step for step in report.steps if step.start >= len(text)]


def holds(id: str, step: Step) -> bool:
    """Whether a step is true on the formula's domain."""
    words = DECLARED.get(step.assumption or "")
    declared = words is not None and bool(words.search(FORMULAS[id].domain))
    return step.verdict is Verdict.TRUE or (step.verdict is Verdict.TRUE_IF and declared)


@pytest.mark.parametrize("id", DECIDED)
def test_true_on_its_domain(id: str) -> None:
    steps = judged(id)
    assert len(steps) == FORMULAS[id].latex.count(" = ")
    claims = [step for step in steps if step.verdict is not Verdict.DEFINITION]
    assert claims
    for step in claims:
        assert holds(id, step), step.message


@pytest.mark.parametrize("id", sorted(DEFINITIONS))
def test_definition(id: str) -> None:
    assert [step.verdict for step in judged(id)] == [Verdict.DEFINITION]


def test_most_are_decided() -> None:
    assert set(FORMULAS) >= DEFINITIONS
    assert len(DECIDED) > 0.5 * len(FORMULAS)


# ------------------------------------------------------------------ and a slip is caught

SLIPS = [
    ("log-softmax", r"\sum_{j} e^{z_j}", r"\sum_{j} z_j"),
    ("softmax-jacobian", "- y_i", "- y_k"),
    ("softmax-jvp", r"\sum_{j} y_j v_j", "y_k v_k"),
    ("softmax-vjp", r"y_i \left", r"v_i \left"),
    ("gradient", r"y_i \sum_{k} t_k", "y_i"),  # true where Σt = 1, which it does not promise
    ("gradient-normalised", "y_i - t_i", "t_i - y_i"),
    ("target-gradient", r"-\log", r"\log"),  # the lost minus sign
    ("hessian", r"\delta_{ij} - y_j", r"\delta_{ij} - y_i"),
    ("hvp", r"\left(\sum_{k} t_k\right)", ""),
    ("batch-mean-gradient", r"\frac{1}{N}", ""),
    ("linear-input-gradient", "W_{od}", "W_{oo}"),
    ("linear-bias-gradient", r"\sum_{n} ", ""),
    ("temperature-hvp", "T^2", "T"),
    ("softcap-gradient", "sech", "tanh"),
    ("softcap-hvp", r"\frac{2}{c}", r"\frac{1}{c}"),
    ("label-smoothing-gradient", "- t'_i", "- t_i"),
    ("class-weights-gradient", "- w_i t_i", "- t_i"),
    ("z-loss-gradient", r"2 \lambda", r"\lambda"),
    ("transform-slope", r"\frac{1}{T}", r"\frac{c}{T}"),
    ("loss", "(m - a_k)", "(a_k - m)"),
    ("loss-gradient", r"\sum_{j \neq i} \tilde w_j", r"\sum_{j} \tilde w_j"),
    ("loss-target-gradient", r"(1 - \varepsilon) ", ""),
    ("loss-hessian", r"- \delta_{ij}", r"+ \delta_{ij}"),
    ("linear-weight-hvp", r"\dot x_{nd}", "x_{nd}"),
]


@pytest.mark.parametrize(("id", "written", "slip"), SLIPS)
def test_a_slip_is_caught(id: str, written: str, slip: str) -> None:
    mutant = FORMULAS[id].latex.replace(written, slip, 1)
    assert mutant != FORMULAS[id].latex
    steps = [step for step in judged(id, mutant) if not holds(id, step)]
    assert {step.verdict for step in steps} & {Verdict.FALSE, Verdict.UNBOUND, Verdict.TRUE_IF}
