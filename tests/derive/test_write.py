"""Derivations that we write: every step holds, by the exact engine and by our own checker."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from softxent import formula
from softxent.derive import check
from softxent.derive.exact import decide
from softxent.derive.verdicts import Verdict
from softxent.derive.write import Derivation, derive
from softxent.derive.write.questions import QUESTIONS
from softxent.derive.write.rules import NAMES
from softxent.derive.write.source import equation
from softxent.derive.write.tex import tex

EVERY = {one: True for one in ("temperature", "softcap", "label_smoothing", "weight", "z_loss")}
ROADS = ("cases", "log-sum-exp")

# Each result by both roads, each option alone and all together, each target, each reduction.
COVERING = [
    ("jacobian", {}),
    ("jacobian", {"road": "log-sum-exp", "temperature": True}),
    ("jacobian", {"softcap": True}),
    ("gradient", {"target": "index"}),
    ("gradient", {"road": "log-sum-exp", "target": "probability", "reduction": "mean"}),
    ("gradient", {"temperature": True, "z_loss": True, "reduction": "sum"}),
    ("gradient", {"road": "log-sum-exp", "softcap": True, "target": "index", "weight": True}),
    ("gradient", {"label_smoothing": True, "target": "probability"}),
    ("gradient", {"road": "log-sum-exp", "label_smoothing": True, "target": "index"}),
    ("gradient", {"weight": True, "target": "index", "reduction": "mean"}),
    ("gradient", {**EVERY}),
    ("gradient", {**EVERY, "road": "log-sum-exp"}),
    ("target-gradient", {**EVERY}),
    ("target-gradient", {"reduction": "mean"}),
    ("hessian", {"road": "log-sum-exp"}),
    ("hessian", {"temperature": True, "softcap": True}),
    ("hvp", {"road": "log-sum-exp", "z_loss": True}),
    ("hvp", {"target": "probability", "weight": True}),
]
# Decided exactly as well, but slow for the checker: second derivatives of many rows, the layer.
SLOW = [
    ("hvp", {**EVERY}),
    ("hessian", {"reduction": "mean", "target": "probability"}),
    ("hvp", {"reduction": "mean", "road": "log-sum-exp"}),
    ("gradient", {"reduction": "mean", "linear": True, "target": "probability"}),
    ("gradient", {**EVERY, "reduction": "mean", "target": "index"}),
    ("hvp", {"weight": True, "z_loss": True, "reduction": "mean", "target": "index"}),
]


def name(case: tuple[str, dict[str, object]]) -> str:
    """A derivation in one word."""
    result, options = case
    words = [one if value is True else str(value) for one, value in options.items()]
    return "-".join([result, *words])


def hold(derivation: Derivation) -> None:
    """Every step is decided, and equal."""
    assert derivation.steps
    for step in derivation.steps:
        sizes = {"V": 3, "N": 2, "D": 2}
        decision = decide(step.left, step.right, step.given, sizes=sizes, budget_seconds=20.0)
        assert decision.equal is True, (step.tex, decision)


@pytest.mark.parametrize("case", COVERING + SLOW, ids=name)
def test_every_step_is_exactly_true(case):
    result, options = case
    hold(derive(result, **options))


@pytest.mark.parametrize("case", COVERING, ids=name)
def test_the_checker_calls_every_printed_step_true(case):
    result, options = case
    derivation = derive(result, **options)
    report = check(derivation.markdown(questions=True), dialect="markdown", time_limit=120.0)
    for step in report.steps:
        declared = step.verdict is Verdict.TRUE_IF and step.declared_line
        assert step.verdict in (Verdict.TRUE, Verdict.DEFINITION) or declared, step
    assert report.coverage.checked == report.coverage.total > len(derivation.steps)


def test_the_checker_reads_the_latex_too():
    derivation = derive("gradient", target="probability", road="log-sum-exp")
    report = check(derivation.latex(questions=True), dialect="latex", time_limit=120.0)
    assert {step.verdict for step in report.steps} <= {
        Verdict.TRUE,
        Verdict.DEFINITION,
        Verdict.TRUE_IF,
    }
    assert report.coverage.checked == report.coverage.total > len(derivation.steps)


# ---------------------------------------------------------------------- what comes out
RESULTS = [
    ("jacobian", {}, "softmax-jacobian"),
    ("gradient", {}, "gradient"),
    ("gradient", {"target": "probability"}, "gradient-normalised"),
    ("gradient", {"target": "probability", "reduction": "mean"}, "batch-mean-gradient"),
    ("gradient", {"temperature": True}, "temperature-gradient"),
    ("gradient", {"softcap": True}, "softcap-gradient"),
    ("gradient", {"label_smoothing": True}, "label-smoothing-gradient"),
    ("gradient", {"weight": True}, "class-weights-gradient"),
    ("target-gradient", {}, "target-gradient"),
    ("target-gradient", EVERY, "loss-target-gradient"),
    ("hessian", {}, "hessian"),
    ("hvp", {}, "hvp"),
    ("hvp", {"temperature": True}, "temperature-hvp"),
    ("hvp", {"softcap": True}, "softcap-hvp"),
    ("hvp", {"label_smoothing": True}, "label-smoothing-hvp"),
    ("hvp", {"weight": True}, "class-weights-hvp"),
]


@pytest.mark.parametrize("road", ROADS)
@pytest.mark.parametrize(("result", "options", "id"), RESULTS, ids=[one[2] for one in RESULTS])
def test_the_result_is_that_of_formula_py(result, options, id, road):
    derivation = derive(result, road=road, **options)
    left, right = derivation.result
    wanted_left, wanted_right = equation(id)
    assert tex(left) == tex(wanted_left)
    given = derivation.chains[-1].steps[-1].given
    if "softcap" in options:  # the formula writes J as what it is
        given = replace(given, quantities={**given.quantities, **_slope()})
    assert decide(right, wanted_right, given, budget_seconds=20.0).equal is True


def _slope() -> dict[str, object]:
    quantities = derive("jacobian", softcap=True).steps[-1].given.quantities
    return {one: quantities[one] for one in ("J", "c")}


def test_both_roads_end_at_the_same_line():
    ends = {tex(derive("gradient", road=road, target="probability").result[1]) for road in ROADS}
    assert ends == {"y_i - t_i"}


def test_it_is_derived_from_formula_py(monkeypatch):
    """With twice the loss in formula.py, twice the gradient comes out."""
    double = formula.get("cross-entropy").latex.replace("-", "-2 ")
    twice = replace(formula.get("cross-entropy"), latex=double)
    monkeypatch.setattr(formula, "FORMULAS", {**formula.FORMULAS, "cross-entropy": twice})
    equation.cache_clear()
    try:
        for road in ROADS:
            derivation = derive("gradient", road=road)
            hold(derivation)
            assert "2" in tex(derivation.result[1])
    finally:
        equation.cache_clear()


# ---------------------------------------------------------------------- rules and questions
def test_every_step_has_a_rule_and_one_sentence_why():
    for step in derive("tour").steps:
        assert step.rule in NAMES
        assert step.name == NAMES[step.rule]
        assert step.why.endswith(".")
        assert step.why.count(". ") == 0


def test_the_roads_differ_where_they_should():
    rules = {road: [step.rule for step in derive("gradient", road=road).steps] for road in ROADS}
    assert {"quotient-rule", "case-split", "join-cases"} <= set(rules["cases"])
    assert "logarithm" in rules["log-sum-exp"]
    assert "quotient-rule" not in rules["log-sum-exp"]


def test_only_one_step_needs_the_sum_of_the_target():
    steps = derive("gradient", target="probability").steps
    assert [step.rule for step in steps].count("sum-to-one") == 1
    assert steps[-1].rule == "sum-to-one"


def test_every_question_is_answered_once_in_the_tour():
    assert sorted(one.text for one in derive("tour").questions) == sorted(
        one.text for one in QUESTIONS
    )
    assert len(QUESTIONS) == 15


# ---------------------------------------------------------------------- formats
def test_json_has_every_step():
    derivation = derive("hvp", temperature=True)
    data = json.loads(json.dumps(derivation.json()))
    assert data["schema_version"] == 1
    assert data["options"]["temperature"] is True
    items = [item for section in data["sections"] for item in section["items"]]
    assert {item["kind"] for item in items} == {"text", "definition", "chain"}
    steps = [step for item in items if item["kind"] == "chain" for step in item["steps"]]
    assert [f"{step['left']} = {step['right']}" for step in steps] == [
        step.tex for step in derivation.steps
    ]
    assert {"left", "right", "rule", "name", "why", "questions"} == set(steps[0])
    formulas = [item["formula"] for item in items if item["kind"] == "definition"]
    assert formulas == [one.id for one in derivation.definitions]
    assert formulas == ["temperature", "softmax", "cross-entropy"]


@pytest.mark.parametrize("questions", [False, True])
def test_latex_is_a_whole_document_and_its_fragment_is_in_it(questions):
    derivation = derive("gradient", target="probability")
    whole = derivation.latex(questions)
    fragment = derivation.latex(questions, fragment=True)
    assert whole.startswith(r"\documentclass")
    assert fragment.strip() in whole
    assert "documentclass" not in fragment
    for name in ("align*", "enumerate", "quote", "cases"):
        assert whole.count(rf"\begin{{{name}}}") == whole.count(rf"\end{{{name}}}")
    assert whole.count("{") == whole.count("}")
    assert ("Question" in whole) is questions


def test_markdown_is_what_github_shows():
    text = derive("tour").markdown(questions=True)
    assert text.count("```math\n") * 2 == text.count("```")
    for block in text.split("```math\n")[1:]:
        body = block.split("```")[0]
        assert body.count("{") == body.count("}")
        assert "operatorname" not in body  # GitHub has refused it
        assert r"\begin{aligned}" not in body or body.count("&=") >= 1


# ---------------------------------------------------------------------- what is refused
@pytest.mark.parametrize(
    ("result", "options", "kind", "code"),
    [
        ("gradient", {"temprature": True}, TypeError, "option-name"),
        ("gradient", {"temperature": 2.0}, TypeError, "option-type"),
        ("gradient", {"road": "short"}, ValueError, "option-range"),
        ("gradients", {}, ValueError, "option-range"),
        ("hessian", {"linear": True, "reduction": "mean"}, ValueError, "derive-conflict"),
        ("gradient", {"linear": True}, ValueError, "derive-conflict"),
        ("jacobian", {"weight": True}, ValueError, "derive-conflict"),
        ("jacobian", {"reduction": "mean"}, ValueError, "derive-conflict"),
        ("target-gradient", {"target": "index"}, ValueError, "derive-conflict"),
        ("tour", {"weight": True}, ValueError, "derive-conflict"),
    ],
)
def test_what_does_not_go_together_is_refused(result, options, kind, code):
    with pytest.raises(kind, match=rf"\[{code}\]"):
        derive(result, **options)
