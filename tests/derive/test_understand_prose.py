"""What the words around formulas mean: cases, settings, assumptions, limits, updates."""

from __future__ import annotations

import pytest

from softxent.derive import Report, Verdict, check
from softxent.derive.scan import scan
from softxent.derive.understand import Reading

SOFTMAX = r"$$y_i = \frac{e^{z_i}}{\sum_k e^{z_k}}$$" + "\n"
SAME = "\n" + r"$$\frac{\partial y_i}{\partial z_j} = y_i - y_i y_j$$" + "\n"
OTHER = "\n" + r"$$\frac{\partial y_i}{\partial z_j} = -y_i y_j$$" + "\n"


def verdicts(text: str) -> list[Verdict]:
    """Return the verdicts on a text's steps."""
    return [step.verdict for step in check(text).steps]


def facts(text: str) -> dict[str, set[str]]:
    """Return the kinds of facts that a text declares, with their names."""
    found: dict[str, set[str]] = {}
    for fact in Reading(scan(text)).outline.facts:
        found.setdefault(fact.kind, set()).update(fact.names)
    return found


@pytest.mark.parametrize(
    ("one", "two"),
    [
        ("For $i = j$ we get", "while for $i \\ne j$"),
        ("For $i = j$ we get", "and for $i \\ne j$ instead"),
        ("If $i = j$, then", "whereas when $i \\neq j$,"),
        ("If $i = j$:", "Otherwise ($i \\ne j$):"),
        ("If $i = j$:", "Otherwise, we have"),
        ("If $i = j$:", "In all other cases"),
        ("If $i$ equals $j$:", "If $i$ does not equal $j$:"),
        ("When $i$ and $j$ are the same we have", "When $i$ and $j$ are different:"),
        ("When $i$ is equal to $j$,", "When $i$ differs from $j$,"),
        ("**When i=j**\n", "**When i≠j**\n"),
        ("- Case 1: $i = j$\n", "- Case 2: $i \\neq j$\n"),
        ("当$i = j$时，", "当 $i \\ne j$ 时："),
        ("При $i = j$ получаем", "а при $i \\ne j$"),
        ("다음은 $i=j$인 경우입니다.\n", "다음은 $i≠j$인 경우입니다.\n"),
        ("Für $i = j$ gilt", "und für $i \\ne j$"),
        ("Dans le cas où $i = j$ on a", "et pour $i \\ne j$ on trouve"),
    ],
)
def test_two_cases(one: str, two: str) -> None:
    report = check(SOFTMAX + one + SAME + two + OTHER)
    assert [step.verdict for step in report.steps[1:]] == [Verdict.TRUE, Verdict.TRUE]


def test_a_case_of_plain_text() -> None:
    text = (
        "Let S = Σ_j e^{z_j} and y_i = e^{z_i} / S.\n\nThen for i = j\n"
        "    ∂y_i/∂z_j = y_i − y_i y_j\nwhile for i ≠ j\n    ∂y_i/∂z_j = −y_i y_j\n"
    )
    assert verdicts(text)[-2:] == [Verdict.TRUE, Verdict.TRUE]


def test_a_mention_leaves_the_case_that_is_open() -> None:
    text = SOFTMAX + "If $i = j$:" + SAME + "The entries off the diagonal ($i \\ne j$) are" + OTHER
    assert verdicts(text)[1:] == [Verdict.TRUE, Verdict.TRUE]


@pytest.mark.parametrize(
    "before",
    ["Since the delta is 1 if $i = j$ and 0 otherwise, we find", "In both cases, $i = j$ or not,"],
)
def test_a_mention_opens_no_case(before: str) -> None:
    outline = Reading(scan(SOFTMAX + before + OTHER)).outline
    assert outline.statements[-1].signs[0].conditions == ()


def test_a_mention_is_a_fact() -> None:
    found = facts(SOFTMAX + "We look at entries off the diagonal, i.e. $i \\ne j$. Now" + OTHER)
    assert found["i ≠ j"] == found["j ≠ i"] == {"i", "j"}


CLAIMED = [
    (
        r"$$\mu = \frac{1}{m}\sum_{i=1}^m x_i$$ $$\hat x_i = x_i - \mu$$"
        "\nThe deviations cancel, and so do the normalised values, "
        r"$\hat{x}_i = 0$.",
        1,
    ),
    (
        r"$$\alpha_{ij} = \frac{e^{s_{ij}}}{\sum_k e^{s_{ik}}}$$"
        "\nEach row is normalised,\n"
        r"$$\alpha_{ij} = 1$$",
        1,
    ),
    (SOFTMAX + "For the correct class we want $y_i = 1$.", 0),
    (SOFTMAX + "If $y_i = 0$, the loss is infinite. A confident network has $y_i = 1$.", 0),
    (r"$$a_j = \max(0, z_j)$$ When the unit is off, $a_j = 0$ and nothing flows.", 0),
    (r"$$v_i = \beta v_i + (1-\beta) g_i$$ We start at $v_i = 0$.", 0),
    (r"$$L = -\sum_i t_i \log p_i$$ $t_i = 0$ and $t_c = 1$.", 0),
    (r"$$t_i = \begin{cases} 1 & i = c \\ 0 & i \neq c \end{cases}$$ $t_i = 1$.", 0),
    (r"$$z_1 = w_1 x + b$$ We find $z_1 = 2$.", 0),
]


@pytest.mark.parametrize(("text", "wrong"), CLAIMED)
def test_claims_and_settings(text: str, wrong: int) -> None:
    found = verdicts(text)
    assert sum(one in (Verdict.FALSE, Verdict.UNBOUND) for one in found) == wrong


@pytest.mark.parametrize(
    ("text", "kind", "names"),
    [
        ("The targets need not be one-hot.", "one-hot", None),
        ("The targets $t_k$ need not sum to one.", "sum-to-one", None),
        ("We do not assume that the targets $t_k$ sum to 1.", "sum-to-one", None),
        ("The targets $t_k$ sum to one.", "sum-to-one", {"t"}),
        ("where $k$ is the true class.", "one-hot", set()),
        ("The correct class is $c$.", "one-hot", set()),
        ("$$L = \\frac{1}{n} \\sum_i (y_i - p_i)^2$$\n\nFor a single sample", "size-one", {"n"}),
        ("The output layer has 2 units.", "size-two", set()),
        ("We take three classes.", "size-three", set()),
        ("Take $K = 2$ here.", "size-two", None),
    ],
)
def test_facts(text: str, kind: str, names: set[str] | None) -> None:
    found = facts(text)
    if names is None and kind != "size-two":
        assert kind not in found
    else:
        assert kind in found
        assert names is None or found[kind] >= names


def test_the_letter_of_the_true_class() -> None:
    outline = Reading(
        scan("$$L = -\\log p_k$$ where $k$ is the index of the correct class.")
    ).outline
    assert [fact.letter for fact in outline.facts if fact.kind == "one-hot"] == ["k"]


def test_one_sample_of_a_mean() -> None:
    mean = "$$L = \\frac{1}{n} \\sum_i (y_i - p_i)^2$$\n"
    step = "$$\\frac{\\partial L}{\\partial p_i} = -2 (y_i - p_i)$$\n"
    assert verdicts(mean + "\nFor a single sample\n" + step)[-1] is Verdict.TRUE_IF
    assert verdicts(mean + "\nTherefore\n" + step)[-1] is Verdict.FALSE
    assert verdicts("For a single sample:\n" + mean + step)[-1] is Verdict.FALSE


def _wrong(report: Report) -> list[str]:
    bad = (Verdict.FALSE, Verdict.ILL_TYPED, Verdict.UNBOUND, Verdict.REASON_FALSE)
    return [
        f"{one.left} = {one.right}: {one.message}" for one in report.steps if one.verdict in bad
    ]


@pytest.mark.parametrize(
    "text",
    [
        r"As $x \to -\infty$, $\sigma(x) = 0$. For large $x$ we have $\sigma(x) = 1$."
        "\n" + r"$$\sigma(x) = \frac{1}{1+e^{-x}}$$ $$\sigma'(x) = \sigma(x)(1 - \sigma(x))$$",
        r"The tanh saturates: $\tanh(x) = 1$ when $x$ is large.",
        r"When $z = 0$ we get $\sigma(z) = 0.5$. $$\sigma(z) = \frac{1}{1+e^{-z}}$$",
        r"Update $$w = w - \eta \frac{\partial L}{\partial w}$$ where $$L = (w x - y)^2$$ "
        r"$k = k - 1$",
        r"$\Delta w = -\eta \frac{\partial L}{\partial w}$: $w = w + \Delta w$. "
        r"$$w(k+1) = w(k) + \Delta w(k)$$",
        r"In Einstein notation the sum is implied. $$x^\top A x = x_i a_{ij} x_j$$",
        r"Let $f(x) = x^2$. It is not true that $\frac{df}{dx} = x$.",
        r"A common mistake is $(a + b)^2 = a^2 + b^2$.",
        r"$$(1\times(m+1))\times((m+1)\times 1) = 1\times 1$$",
        r"$$\Delta(i) = \Delta(i) * \eta^-$$",
        r"$$M(i+1) = \lambda M(i) - g(i)$$ $$\theta(i+1) = \theta(i) + M(i+1)$$",
        r"$$V\delta W = \beta V\delta W + (1-\beta)\delta W$$",
        r"$$f(z) = f(\sum_{i=1}^n \theta_i x_i)$$ $$f(z) = \frac{1}{1+e^{-z}}$$",
        r"$$L = \sum_{t=1}^T x_t$$ The last one, $t = T - 1$, because $t = T-1$.",
        r"$$R = r_1 + r_2 + r_3 = 1 + 3 + 5 = 9$$",
        r"$$y = w x + b$$ This is the same as setting $w = b = 1$.",
        "**exponential decay** : $s = s_0 e^{-kt}$\n\n**$1/t$ decay** : $s = s_0/(1+kt)$",
        r"$$h = \frac{1}{1 + e^{-n}} = \frac{1}{1 + e^{-0.3775}} = 0.5932$$",
        r"$$p_i = \frac{e^{z_i}}{\sum_{c=1}^C e^{z_c}} = \frac{e^{z_1}}{e^{z_1} + e^{z_2}}, "
        r"& \text{when } C = 2$$",
        r"$$z_i = \frac{z_i - \mu}{\sigma}$$",
        r"$$L = -\sum_i \log p_i \text{ where } y_i = 1$$ $$L = -\sum_i y_i \log p_i$$"
        r" $$\frac{\partial L}{\partial p_j} = -\frac{y_j}{p_j}$$",
        r"$$s(x) = s(x + c)$$ $$s(x)_i = \frac{e^{x_i}}{\sum_j e^{x_j}}$$",
    ],
)
def test_no_false_alarm(text: str) -> None:
    assert _wrong(check(text)) == []


@pytest.mark.parametrize(
    ("text", "verdict"),
    [
        (r"$$\text{softmax}(x) = \text{softmax}(x + c)$$", Verdict.TRUE),
        (r"$$f(x) = g(x) + 1$$ $$g(x) = f(x) - 1$$", Verdict.UNSUPPORTED),
        (r"that is $z_i = \frac{e^{z_i}}{\sum_j e^{z_j}}$.", Verdict.OPAQUE),
        (r"$$v = \beta v + (1-\beta) g$$", Verdict.DEFINITION),
        (r"$$f = \frac12 \sum_n r_n^2$$ In components $$f = \frac{1}{2}$$", Verdict.FALSE),
        (r"$$f = r^2$$ With $r = 1$ we have $$f = \frac{1}{2}$$", Verdict.DEFINITION),
        (r"$$p_1 = e^{z_1} / (e^{z_1} + e^{z_2})$$ Divide: $$p_1 = 1$$", Verdict.FALSE),
    ],
)
def test_the_last_step(text: str, verdict: Verdict) -> None:
    assert verdicts(text)[-1] is verdict
