"""What documents mean: definitions, roles, index sets, cases, assumptions."""

from __future__ import annotations

import pytest

from softxent.derive.scan import scan
from softxent.derive.understand import Reading, cues
from softxent.derive.understand.sets import Sets

SOFTMAX = r"$$y_k = \frac{e^{z_k}}{\sum_{j=1}^K e^{z_j}}$$" + "\n\n"


def read(text: str) -> Reading:
    return Reading(scan(text))


DEFINITIONS = [
    (r"$$y_k = \frac{e^{z_k}}{\sum_j e^{z_j}}$$", ("y", 1)),
    (r"$$C = -\sum_k t_k \log y_k$$", ("C", 0)),
    (r"$$E(y, t) = -\sum_k t_k \log y_k$$", ("E", 0)),
    (r"$$y_i(z_i) = \frac{e^{z_i}}{\sum_j e^{z_j}}$$", ("y", 1)),
    (r"$$\sigma(z_j) = \frac{e^{z_j}}{\sum_i e^{z_i}}$$", (r"\sigma", 1)),
    (r"We denote $\sum_i e^{z_i}$ as $\Sigma$.", (r"\Sigma", 0)),
    (r"$$x = \frac{1}{S}$$ where $S$ represents $\sum_i e^{z_i}$.", ("S", 0)),
    (r"$\leftarrow z = \sum_j e^{z_j}$", ("z", 0)),
    (r"$$S := \sum_j e^{z_j}$$", ("S", 0)),
    (r"$$\hat{y}_{n,i} = x_n w_i$$", (r"\hat{y}", 2)),
    (r"$$\mathbf{z} = W \mathbf{x} + \mathbf{b}$$", ("z", 1)),
    (r"$$\sigma^2 = \frac{1}{m} \sum_{i=1}^m x_i^2$$", (r"\sigma", 0)),
    (r"$$E = \sum_k (y_k - t_k)^2$$ $$\frac{\partial E}{\partial y_k} = g_k$$", ("g", 1)),
]


@pytest.mark.parametrize(("text", "key"), DEFINITIONS)
def test_what_defines(text: str, key: tuple[str, int]) -> None:
    assert key in read(text).book.definitions


@pytest.mark.parametrize(
    "text", ["$k = i$", "Let $N = 1$.", r"$t_j = 0$", r"$$\sum_k y_k = 1$$", r"$i = 1, \dots, K$"]
)
def test_what_does_not_define(text: str) -> None:
    assert not read(text).book.definitions


@pytest.mark.parametrize(
    ("text", "targets"),
    [
        (r"$$C = -\sum_k t_k \log y_k$$", {"t"}),
        (SOFTMAX + r"$$L = -\sum_i y_i \log p_i$$", set()),  # y is the output here
        (r"$$L = -\mathbf{y}^T \log \mathbf{p}$$", {"y"}),
        (r"$$L = \sum_k (y_k - t_k)^2$$", set()),
        ("<!-- softxent: q is target -->\n\n$$a = \\sum_k q_k$$", {"q"}),
    ],
)
def test_targets_by_their_role(text: str, targets: set[str]) -> None:
    assert read(text).book.targets == targets


def conditions(text: str) -> list[list[str]]:
    outline = read(text).outline
    return [
        [f"{c.left.name} {c.relation} {c.right.name}" for c in sign.conditions]  # type: ignore[union-attr]
        for statement in outline.statements
        for sign in statement.signs
    ]


CASES = [
    ("If $j = k$:\n\n$$A = B$$", [["j eq k"]]),
    (r"When $j \neq k$," + "\n\n$$A = B$$", [["j neq k"]]),
    ("1. $j = k$\n\n   $$A = B$$\n\n2. $j \\ne k$\n\n   $$A = C$$", [["j eq k"], ["j neq k"]]),
    ("- Case 1: $i = o$\n  $$A = B$$", [["i eq o"]]),
    ("• Case 2: $i \\neq o$\n$$A = B$$", [["i neq o"]]),
    (r"If $\boxed{j=k}$..." + "\n\n$$A = B$$", [["j eq k"]]),
    ("For $i = j$ we have $$A = B$$", [["i eq j"]]),
    ("If i = j then\n\n$$A = B$$", [["i eq j"]]),
    (
        "If $j = k$: $$A = B$$ If $j \\neq k$: $$A = C$$ Thus $$A = D$$",
        [["j eq k"], ["j neq k"], []],
    ),
    ("If $j = k$: $$A = B$$ Thus $$A = D$$", [["j eq k"], ["j eq k"]]),
    ("If $j = k$: $$A = B$$ Putting those together $$A = D$$", [["j eq k"], []]),
    ("If $j = k$: $$A = B$$\n\n## Next\n\n$$A = D$$", [["j eq k"], []]),
    (r"where $1\{k = i\}$ is $1$ if $k = i$ and $0$ otherwise. $$A = B$$", [[]]),
    ("splitting out the $i=o$ case from the sum we get $$A = B$$", [[]]),
    (r"$$A = B \quad \text{if } i \neq j$$", [["i neq j"]]),
    (r"$$\begin{aligned} A &= B && \text{since } j = k \\ &= C \end{aligned}$$", [["j eq k"]] * 2),
]


@pytest.mark.parametrize(("text", "expected"), CASES)
def test_cases_open_and_close(text: str, expected: list[list[str]]) -> None:
    assert conditions(text) == expected


FACTS = [
    ("The target $t$ is one-hot encoded.", "one-hot"),
    ("Only one component of the label $t$ is 1 and all other components are zero.", "one-hot"),
    ("since $t_k = 1$ only for the correct class", "one-hot"),
    ("Thus $t_o = 1$ for exactly one class and $0$ for all else.", "one-hot"),
    ("The targets $t$ sum to 1.", "sum-to-one"),
    (r"The labels satisfy $\sum_k t_k = 1$, so they sum to one.", "sum-to-one"),
    ("Let us assume $N = 1$ without loss of generality.", "size-one"),
    ("We look at a single training example. Consider one sample with target $t$.", "size-one"),
]


@pytest.mark.parametrize(("text", "kind"), FACTS)
def test_assumptions_of_the_prose(text: str, kind: str) -> None:
    assert kind in {fact.kind for fact in read(text).outline.facts}


def test_the_sum_of_the_outputs_is_no_assumption_on_the_targets() -> None:
    text = SOFTMAX + (
        r"so that the sum of all outputs is 1. $$C = -\sum_k t_k \log y_k$$ "
        r"$$\frac{\partial C}{\partial z_i} = y_i - t_i$$"
    )
    from softxent.derive import check

    step = check(text).steps[-1]
    assert (step.verdict.value, step.declared_line) == ("TRUE-IF", None)


def test_index_sets_are_shared_by_place() -> None:
    reading = read(SOFTMAX + r"$$C = -\sum_{i=1}^n t_i \log y_i$$")
    sets = reading.book.sets
    assert sets.name("y.0") == sets.name("z.0") == sets.name("t.0")
    assert sets.sizes("y.0") == ["K", "n"]


def test_sets_are_copied_and_compared() -> None:
    sets = Sets()
    sets.join("a", "b")
    sets.join("c", "d")
    before = sets.copy()
    sets.join("e", "a")
    assert not sets.merged(before)
    sets.join("b", "c")
    assert sets.merged(before)
    assert before.find("a") != before.find("c")


@pytest.mark.parametrize(
    ("before", "between", "which"),
    [
        ("Also we denote ", " as ", "second"),
        ("where ", " represents ", "first"),
        ("Let ", " be ", "first"),
        ("where ", " and ", ""),
    ],
)
def test_names_that_are_given(before: str, between: str, which: str) -> None:
    assert cues.names_something(before, between) == which


@pytest.mark.parametrize("text", ["we combine both cases", "Putting those together", "wrap up"])
def test_words_that_close_a_case(text: str) -> None:
    assert cues.closes(text) == "strong"
