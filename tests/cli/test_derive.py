"""`softxent derive`: a derivation out, in three formats; refusals with exit code 2."""

from __future__ import annotations

import json

import pytest

from softxent.cli import derive as command
from softxent.cli import main
from softxent.derive import check
from softxent.derive.verdicts import Verdict
from softxent.derive.write import problem


def run(capsys, *arguments: str) -> tuple[int, str, str]:
    code = main(["derive", *arguments])
    out, err = capsys.readouterr()
    return code, out, err


def test_markdown_passes_our_own_checker(capsys):
    code, out, err = run(capsys, "gradient", "--target", "probability", "--questions")
    assert (code, err) == (0, "")
    assert out.startswith("# The gradient of softmax cross-entropy\n")
    report = check(out, dialect="markdown", time_limit=120.0)
    assert {step.verdict for step in report.steps} == {
        Verdict.TRUE,
        Verdict.TRUE_IF,
        Verdict.DEFINITION,
    }


def test_formats(capsys, tmp_path):
    assert json.loads(run(capsys, "jacobian", "--json")[1])["options"]["result"] == "jacobian"
    whole = run(capsys, "jacobian", "--format", "latex")[1]
    assert r"\begin{document}" in whole
    assert r"\begin{document}" not in run(capsys, "jacobian", "--format", "latex", "--fragment")[1]
    file = tmp_path / "jacobian.tex"
    code, out, _ = run(capsys, "jacobian", "--format", "latex", "-o", str(file))
    assert (code, out) == (0, "")
    assert file.read_text() == whole


def test_options_reach_the_derivation(capsys):
    arguments = ("--temperature", "--softcap", "--label-smoothing", "--weight", "--z-loss")
    data = json.loads(run(capsys, "gradient", "--json", *arguments, "--reduction", "sum")[1])
    on = {name for name, value in data["options"].items() if value is True}
    assert on == {"temperature", "softcap", "label_smoothing", "weight", "z_loss"}
    assert data["options"]["reduction"] == "sum"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("gradient", "--linear"), "[derive-conflict]"),
        (("tour", "--weight"), "[derive-conflict]"),
        (("gradient", "--fragment"), "--fragment goes with --format latex"),
        (("gradient", "--json", "--format", "latex"), "contradict"),
        (("gradient", "-o", "/nowhere/at/all.md"), "--output"),
        (("gradients",), "invalid choice"),
        (("gradient", "--road", "short"), "invalid choice"),
    ],
)
def test_what_cannot_be_is_refused_with_2(capsys, arguments, said):
    code, out, err = run(capsys, *arguments)
    assert (code, out) == (2, "")
    assert said in err


def test_the_command_has_what_the_function_has():
    assert set(command.RESULTS) == {*problem.RESULTS, problem.TOUR}
    assert {one.replace("-", "_") for one in command.SWITCHES} == set(problem.SWITCHES)
