"""Slips put into true steps: at least 99 of 100 are seen. `mutations.py` says how, and runs all.

Here a sample that is always the same; all of them with SOFTXENT_MUTANTS=all in the environment.
"""

from __future__ import annotations

import os
import random
from collections import Counter
from fractions import Fraction

import pytest
from derive.exact_builder import SOFTMAX, E, d, defined, delta, el, given, sigma, unknown
from derive.mutation_edits import mutants, pool, stripped
from derive.mutation_proof import same
from derive.mutations import (
    CORPUS,
    Mutant,
    all_mutants,
    documents,
    original,
    rates,
    run,
    sample,
    table,
)

from softxent.derive import check
from softxent.derive.core import Apply, Given
from softxent.derive.parse import parse_expression, unparse

MUTANTS = os.environ.get("SOFTXENT_MUTANTS", "300")


@pytest.mark.timeout(3 * 3600)
def test_slips_are_seen() -> None:
    every = [one for path in documents() for one in all_mutants(path)]
    chosen = every if MUTANTS == "all" else sample(every, int(MUTANTS))
    results = [run(mutant) for mutant in chosen]
    missed = [f"{one} {one.mutant}" for one in results if one.result == "missed"]
    not_true, reported = rates(Counter(one.result for one in results))
    assert not_true >= 0.99, "\n".join([table(results, "kind"), *missed])
    assert reported >= 0.85, table(results, "kind")


def test_what_is_only_written_again_stays_true() -> None:
    """The machinery itself raises no alarm: a side that is parsed, written and put back."""
    steps = [
        (original(path.name), *step)
        for path in documents()
        if path.parent == CORPUS
        for step in original(path.name).true_steps()
    ]
    for document, number, statement, at in random.Random(0).sample(steps, 40):
        tex = unparse(statement.sides[at + 1].tree)
        said = document.run(Mutant(document.path.name, number, at, at + 1, "none", tex))
        step = document.step(statement, at)
        assert step is not None
        assert (said.verdict, said.result) == (step.verdict.value, "equivalent"), said


def test_the_same_is_said_of_the_text_itself() -> None:
    """Mutants are put into the scanned document; here into its source, as a user writes it."""
    every = [
        one for name in ("softmax_github.md", "two_layer.tex") for one in all_mutants(CORPUS / name)
    ]
    for mutant in sample(every, 12, seed=1):
        document = original(mutant.path)
        statement = document.statements[mutant.statement][1]
        side, text = statement.sides[mutant.side], document.document.text
        assert text[side.start : side.end] == side.tex
        report = check(text[: side.start] + mutant.tex + text[side.end :], mutant.path)
        line, _ = document.document.line_column(statement.signs[mutant.at].offset)
        said = run(mutant).verdict
        assert said in [one.verdict.value for one in report.steps if one.line == line], mutant


EDITS = [
    (r"\sum_k t_k y_k", "drop a sum", "t_k y_k"),
    (r"\sum_k t_k y_k", "drop a factor", r"\sum_k y_k"),
    (r"\sum_k t_k y_k", "take another symbol", r"\sum_k t_k t_k"),
    (r"\sum_k t_k y_k", "lose a subscript", r"\sum_k t y_k"),
    (r"\sum_k t_k y_i", "change an index", r"\sum_i t_k y_i"),
    (r"\sum_k t_k y_i", "change an index", r"\sum_k t_k y_k"),
    (r"y_i (1 - y_j)", "add a sum", r"y_i (1 - \sum_j y_j)"),
    (r"y_i (1 - y_j)", "flip a sign", "y_i (1 + y_j)"),
    (r"y_i (1 - y_j)", "move a parenthesis", "y_i(1) - y_j"),
    (r"y_i (1 - y_j)", "drop a factor", "(1 - y_j)"),
    (r"y_i - t_i", "drop a term", "y_i"),
    (r"y_i - t_i", "write twice", "y_i - t_i - t_i"),
    (r"\frac{e^{z_i}}{S}", "turn a fraction", r"\frac{S}{e^{z_i}}"),
    (r"\frac{1}{2 N} \sum_n x_n^2", "drop a power", r"\frac{1}{2 N} \sum_n x_n"),
    (r"\frac{1}{2 N} \sum_n x_n^2", "drop a factor", r"\sum_n x_n^2"),
    (r"\frac{1}{2 N} \sum_n x_n^2", "change a number", r"\frac{1}{3 N} \sum_n x_n^2"),
    (r"\sum_{k \neq i} t_k", "change a condition", r"\sum_k t_k"),
    (r"t_k 1\{k = i\}", "change a condition", r"t_k 1\{k \neq i\}"),
    (r"\sum_{k=1}^K t_k", "change a condition", r"\sum_{k=2}^K t_k"),
    (r"t_k \log y_k", "log or none", "t_k y_k"),
    (r"\log (a_k + b_k)", "move a parenthesis", r"(\log a_k + b_k)"),
]


@pytest.mark.parametrize(("tex", "kind", "edited"), EDITS)
def test_edits(tex: str, kind: str, edited: str) -> None:
    tree = parse_expression(tex)
    made = {stripped(other) for name, other in mutants(tree, pool(tree)) if name == kind}
    assert stripped(parse_expression(edited)) in made


def test_an_edit_is_never_the_original() -> None:
    for tex, _, _ in EDITS:
        tree = parse_expression(tex)
        assert tree not in {other for _, other in mutants(tree, pool(tree))}


GIVEN = given({**SOFTMAX, "f": unknown("K", "y", elementwise=True)}, {"i": "K", "j": "K"})
Y, T = (lambda at: el("y", at)), (lambda at: el("t", at))
SAME = [
    (d(Y("i"), el("z", "j")), Y("i") * (delta("i", "j") - Y("j")), GIVEN, True),
    (d(Y("i"), el("z", "j")), Y("i") * (delta("i", "j") - Y("i")), GIVEN, False),
    (sigma("k", "K", Y("k")), E(el("z", "i").real) ** 0, GIVEN, True),
    (sigma("k", "K", T("k")), E(el("z", "i").real) ** 0, GIVEN, False),
    (el("f", "i") + el("f", "j"), el("f", "j") + el("f", "i"), GIVEN, True),
    (el("f", "i"), el("f", "j"), GIVEN, False),
]


@pytest.mark.parametrize(("left", "right", "context", "equal"), SAME)
def test_proofs_of_equivalence(left: E, right: E, context: Given, equal: bool) -> None:
    assert same(left.real, right.real, context) is equal


def test_an_equivalence_may_need_what_the_text_assumes() -> None:
    left, right = sigma("k", "K", T("k")), E(el("z", "i").real) ** 0
    assumed = given(SOFTMAX, {"i": "K"}, assumed=("sum-to-one:t",))
    assert same(left.real, right.real, assumed)


def test_an_equivalence_holds_where_the_case_does() -> None:
    case = given(SOFTMAX, {"i": "K", "j": "K"}, ("i = j",))
    assert same(Y("i").real, Y("j").real, case)
    assert not same(Y("i").real, Y("j").real, GIVEN)


def test_what_has_no_value_proves_nothing() -> None:
    context = given({"c": defined("", "", Fraction(0))})
    nothing = Apply("log", el("c").real)
    assert not same(nothing, nothing, context)


def test_samples_are_the_same_and_of_all_kinds() -> None:
    every = all_mutants(CORPUS / "softmax_jekyll.md")
    chosen = sample(every, 60)
    assert chosen == sample(every, 60)
    assert {one.kind for one in chosen} == {one.kind for one in every}
