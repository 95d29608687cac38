"""Verdicts on small documents: one table a subject."""

from __future__ import annotations

import subprocess
import sys
import time

import pytest

from softxent.derive import Report, Step, check
from softxent.derive.judge.rules import RULES

SOFTMAX = r"$$y_k = \frac{e^{z_k}}{\sum_{j=1}^K e^{z_j}}$$" + "\n\n"
LOSS = SOFTMAX + r"$$C = -\sum_{k=1}^K t_k \log y_k$$" + "\n\n"


def last(text: str) -> tuple[str, str]:
    """Return verdict and rule of the last step of a document."""
    report = check(text)
    assert report.steps, text
    for step in report.steps:
        assert step.rule in RULES
    step = report.steps[-1]
    return step.verdict.value, step.rule


TRUE = [
    SOFTMAX + r"$$\sum_k y_k = 1$$",
    SOFTMAX + r"$$\frac{\partial y_k}{\partial z_i} = y_k (\delta_{ki} - y_i)$$",
    SOFTMAX + r"$$\frac{\partial y_k}{\partial z_i} = y_k (1\{k = i\} - y_i)$$",
    SOFTMAX + r"$$\log y_k = z_k - \log \sum_j e^{z_j}$$",
    SOFTMAX + r"If $k = i$: $$\frac{\partial y_k}{\partial z_i} = y_k (1 - y_i)$$",
    SOFTMAX + r"If $k \neq i$: $$\frac{\partial y_k}{\partial z_i} = - y_k y_i$$",
    SOFTMAX + "- Case 1: $i = k$\n" + r"  $$\frac{\partial y_k}{\partial z_i} = y_i (1 - y_k)$$",
    SOFTMAX + r"$$\frac{\partial y_k}{\partial z_i} = \begin{cases} y_k (1 - y_k) & i = k \\ "
    r"-y_k y_i & i \neq k \end{cases}$$",
    LOSS + r"$$\frac{\partial C}{\partial z_i} = y_i \sum_k t_k - t_i$$",
    LOSS + r"$$\frac{\partial C}{\partial y_k} = -\frac{t_k}{y_k}$$",
    LOSS + r"$$\frac{\partial C}{\partial z_i} = \sum_k \frac{\partial C}{\partial y_k}"
    r" \frac{\partial y_k}{\partial z_i}$$",
    LOSS + r"$$\frac{\partial^2 C}{\partial z_i \partial z_j} = \Big(\sum_k t_k\Big) y_i "
    r"(\delta_{ij} - y_j)$$",
    r"$$\frac{d}{dx} x^3 = 3 x^2$$",
    r"$$\frac{d}{dx} \tanh x = 1 - \tanh^2 x$$",
    r"$$(f(x) g(x))' = f'(x) g(x) + f(x) g'(x)$$",
    r"$$(f(g(x)))' = f'(g(x)) g'(x)$$",
    r"Let $\sigma(x) = \frac{1}{1 + e^{-x}}$." + r"$$\sigma'(x) = \sigma(x) (1 - \sigma(x))$$",
    r"Let $\sigma(x) = \frac{1}{1 + e^{-x}}$." + r"$$\frac{d}{dx} \sigma(a x + b) = "
    r"a \sigma(a x + b) (1 - \sigma(a x + b))$$",
    r"$$E = \frac{1}{2} \sum_j (y_j - t_j)^2$$ $$\frac{\partial E}{\partial y_j} = y_j - t_j$$",
    r"$$z_j = \sum_i w_{ij} x_i$$ $$\frac{\partial z_j}{\partial w_{ij}} = x_i$$",
    r"$$z_1 + z_2 + \dots + z_n = \sum_{i=1}^n z_i$$",
    r"$$\mathbf{z} = W \mathbf{x} + \mathbf{b}$$ $$z_i = \sum_j W_{ij} x_j + b_i$$",
    r"Let $\mathbf{p} = \text{softmax}(\mathbf{z})$." + r"$$\frac{\partial \mathbf{p}}"
    r"{\partial \mathbf{z}} = \text{diag}(\mathbf{p}) - \mathbf{p} \mathbf{p}^T$$",
    r"$$L_i = -\log\frac{e^{f_{y_i}}}{\sum_j e^{f_j}}$$ "
    r"$$L_i = -f_{y_i} + \log \sum_j e^{f_j}$$",
    r"$$H(p, q) = -\sum_i p_i \log q_i$$ $$H(p) = -\sum_i p_i \log p_i$$ "
    r"$$D = \sum_i p_i \log \frac{p_i}{q_i}$$ $$D = H(p, q) - H(p)$$",
    r"$$\sigma^2 = \frac{1}{m} \sum_{i=1}^m (x_i - \mu)^2$$ "
    r"$$\frac{\partial \sigma^2}{\partial \mu} = -\frac{2}{m} \sum_i (x_i - \mu)$$",
    r"$$S_i = \frac{e^{a_i}}{\sum_k e^{a_k}}$$ $$D_j S_i = \frac{\partial S_i}{\partial a_j}$$ "
    r"$$D_j S_i = S_i (\delta_{ij} - S_j)$$",
]

TRUE += [
    r"The loss is $L = -\log p_c$ with $c$ the correct class and $p_i = \frac{e^{z_i}}{\sum_j "
    r"e^{z_j}}$. $$\frac{dL}{dz_c} = p_c - 1$$ and for $j \neq c$, $$\frac{dL}{dz_j} = p_j$$",
    r"Let $a = \sigma(z)$, $z = wx + b$ and $C = \frac{(y - a)^2}{2}$, $\sigma$ the sigmoid. "
    r"$$\frac{\partial C}{\partial w} = (a - y) \sigma'(z) x$$ $$z_j = w_j x_j$$",
    r"$$z_j^{(l)} = \sum_k w_{jk}^{(l)} a_k^{(l-1)} + b_j^{(l)}$$ "
    r"$$\delta_j^{(l)} = \frac{\partial C}{\partial z_j^{(l)}}$$ "
    r"$$\frac{\partial C}{\partial w_{jk}^{(l)}} = a_k^{(l-1)} \delta_j^{(l)}$$",
    r"$$\alpha_{ij} = \frac{\exp(e_{ij})}{\sum_{k=1}^n \exp(e_{ik})}$$ "
    r"$$c_i = \sum_{j=1}^n \alpha_{ij} h_j$$ "
    r"$$\frac{\partial c_i}{\partial e_{ij}} = \alpha_{ij} (h_j - c_i)$$",
    r"Hypothesis $h_\theta(x) = g(\theta^T x)$ with $g(z) = \frac{1}{1+e^{-z}}$. "
    r"$$J(\theta) = -\frac{1}{m} \sum_{i=1}^m \left[ y^{(i)} \log h_\theta(x^{(i)}) + "
    r"(1 - y^{(i)}) \log (1 - h_\theta(x^{(i)})) \right]$$ "
    r"$$\frac{\partial J(\theta)}{\partial \theta_j} = \frac{1}{m} \sum_{i=1}^m "
    r"(h_\theta(x^{(i)}) - y^{(i)}) x_j^{(i)}$$",
]

FALSE = [
    SOFTMAX + r"$$\sum_k y_k = 2$$",
    SOFTMAX + r"$$\frac{\partial y_k}{\partial z_i} = y_k (\delta_{ki} + y_i)$$",
    SOFTMAX + r"$$\frac{\partial y_k}{\partial z_i} = y_i (\delta_{ki} - y_i)$$",
    SOFTMAX + r"If $k = i$: $$\frac{\partial y_k}{\partial z_i} = y_k (1 + y_i)$$",
    SOFTMAX + r"If $k \neq i$: $$\frac{\partial y_k}{\partial z_i} = y_k y_i$$",
    LOSS + r"$$\frac{\partial C}{\partial z_i} = t_i - y_i \sum_k t_k$$",
    LOSS + r"$$\frac{\partial C}{\partial y_k} = -\sum_k \frac{t_k}{y_k}$$",
    r"$$\frac{d}{dx} x^3 = 2 x^3$$",
    r"$$(f(x) g(x))' = f'(x) g'(x)$$",
    r"Let $\sigma(x) = \frac{1}{1 + e^{-x}}$." + r"$$\sigma'(x) = \sigma(x) (1 + \sigma(x))$$",
    r"$$E = \sum_j (y_j - t_j)^2$$ $$\frac{\partial E}{\partial y_j} = y_j - t_j$$",
    r"$$y_k = \frac{e^{z_k}}{\sum_j e^{z_j}}$$ $$y_k = \frac{e^{z_k}}{\sum_j e^{-z_j}}$$",
]

OTHER = [
    (LOSS + r"$$\frac{\partial C}{\partial z_i} = y_i - t_i$$", "TRUE-IF", "assumption-undeclared"),
    (LOSS + r"The targets $t$ sum to 1. $$\frac{\partial C}{\partial z_i} = y_i - t_i$$",
     "TRUE-IF", "assumption-declared"),
    (LOSS + r"Here $t$ is one-hot. $$\frac{\partial C}{\partial z_i} = y_i - t_i$$",
     "TRUE-IF", "assumption-declared"),
    (LOSS + r"$$\frac{\partial C}{\partial z_i} = \frac{\partial C}{\partial y_k}"
     r"\frac{\partial y_k}{\partial z_i}$$", "UNBOUND", "letter-unbound"),
    (SOFTMAX + r"$$C = -\sum_k t_j \log y_k$$", "UNBOUND", "letter-unbound"),
    (SOFTMAX + r"$$\vec{y} = 1 - \sum_k y_k + y_j$$", "ILL-TYPED", "shape-mismatch"),
    (r"$$\sigma(z_j) = \frac{e^{z_j}}{\sum_i e^{z_i}}$$ $$\frac{\partial \sigma(z_j)}"
     r"{\partial z_k} = \sigma(z_j) (\delta_{jk} - \sigma(k))$$", "ILL-TYPED", "notation-call"),
    (r"$$\frac{d}{dx} x^2 + 3x = 2x + 3$$", "AMBIGUOUS", "scope-ambiguous"),
    (SOFTMAX + r"$$\oint y_k = 1$$", "UNSUPPORTED", "unsupported"),
    (SOFTMAX + r"$$y_k = P(c = k \mid x)$$", "OPAQUE", "not-analysis"),
    (r"$$\frac{\partial E}{\partial y_k} = y_k - t_k$$", "OPAQUE", "undefined"),
    (SOFTMAX + r"$$y_i = \frac{e^{z_i}}{\sum_n e^{z_n}}$$", "DEFINITION", "definition-again"),
    (r"$$L = -\sum_k t_k \log y_k$$" + "\n\n## Squares\n\n" + r"$$L = \sum_k (y_k - t_k)^2$$",
     "DEFINITION", "definition-new"),
    (r"For example $\mathbf{y} = (0, 1, 0)$, where $y_k$ is the label.", "DEFINITION",
     "definition-instance"),
]  # fmt: skip


@pytest.mark.parametrize("text", TRUE)
def test_true(text: str) -> None:
    assert last(text)[0] in ("TRUE", "DEFINITION")
    assert all(step.verdict.value in ("TRUE", "DEFINITION") for step in check(text).steps)


@pytest.mark.parametrize("text", FALSE)
def test_false(text: str) -> None:
    report = check(text)
    step = report.steps[-1]
    assert step.verdict.value == "FALSE"
    assert step.witness is not None
    assert step.witness.left != step.witness.right


@pytest.mark.parametrize(("text", "verdict", "rule"), OTHER)
def test_other_verdicts(text: str, verdict: str, rule: str) -> None:
    assert last(text) == (verdict, rule)


REPAIRS = [  # in the author's own hand
    (LOSS + r"$$\frac{\partial C}{\partial z_i} = y_i \sum_k t_k + t_i$$", "t_k - t_i"),
    (SOFTMAX + r"$$\frac{\partial y_k}{\partial z_i} = y_k (\delta_{ki} - y_k)$$",
     r"→ y_i(\delta_{ki} - y_k)"),
    (SOFTMAX + r"$$\frac{\partial y_{k}}{\partial z_i} = y_{k} \left(\delta_{ki} - y_{k}\right)$$",
     r"→ y_{i}\left(\delta_{ki} - y_{k}\right)"),
    (LOSS + r"$$\frac{\partial C}{\partial y_k} = -\sum_k \frac{t_k}{y_k}$$",
     r"\sum_k \frac{t_k}{y_k} → \frac{t_k}{y_k}"),
    (LOSS + r"$$\frac{\partial C}{\partial z_i} = \frac{\partial C}{\partial y_k}"
     r"\frac{\partial y_k}{\partial z_i}$$", r"→ \sum_k \frac{\partial C}{\partial y_k}"),
    (LOSS + r"$$\frac{\partial C}{\partial y_k} = -t_k y_k$$", r"\frac{t_k}{y_k}"),
    (r"$$\frac{d}{dx} \tanh x = 1 - \tanh x$$", r"\tanh x → \tanh(x)^2"),
    (r"$$\frac{d}{dx} (b - a) x^2 = 2 x (a - b)$$", "-2 x (a - b)"),
    (r"$$p_i = \frac{\exp(z_i / T)}{\sum_j \exp(z_j / T)}$$ "
     r"$$\frac{\partial p_i}{\partial z_j} = p_i (\delta_{ij} - p_j)$$", "{T}"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "repair"), REPAIRS)
def test_a_single_edit_is_proposed(text: str, repair: str) -> None:
    assert repair in (check(text).steps[-1].repair or "")


NOT_CLAIMED = [  # what holds for some values only, or cannot be told: never FALSE
    (SOFTMAX + r"$$\frac{\partial}{\partial z_i} y_k = -y_k y_i$$", "TRUE-IF", "k ≠ i"),
    (SOFTMAX + r"$$\frac{\partial y_k}{\partial z_i} = y_k (1 - y_i)$$", "TRUE-IF", "k = i"),
    (SOFTMAX + r"$$\frac{y_k}{y_i} = e^{z_k + z_i}$$", "FALSE", None),
    (SOFTMAX + r"$$y_1 = \frac{e^{z_1}}{e^{z_1} + e^{z_2}}$$", "TRUE-IF", "K=2"),
    (
        SOFTMAX + r"$$\frac{\partial y_k}{\partial w} = \frac{\partial y_i}{\partial w}$$",
        "OPAQUE",
        None,
    ),
    (SOFTMAX + r"$$\frac{\partial y_k}{\partial w} = y_k x$$", "OPAQUE", None),
    (r"The boundary is $$\theta_0 + \theta_1 x = 0$$", "OPAQUE", None),
    (r"We factor $P A = L U$", "OPAQUE", None),
    (r"$$\tan(\theta) = y / x$$", "OPAQUE", None),
    (r"$$(a + b)^2 = a^2 + b^2$$", "FALSE", None),
    (SOFTMAX + r"$$y_i + y_k = 2$$", "FALSE", None),
    (LOSS + r"Set the gradient to zero: $$\frac{\partial C}{\partial z_i} = 0$$", "OPAQUE", None),
    (
        r"$$\max(\alpha x, x) = \begin{cases} x & x > 0 \\ \alpha x & x \leq 0 \end{cases}$$",
        "TRUE-IF",
        r"0 < \alpha < 1",
    ),
    (r"$$e^1 + e^2 = 10.107$$", "TRUE", None),
    (r"$$e^1 + e^2 = 10.108$$", "FALSE", None),
    (r"$$(-1)^{k} x_k = -x_k$$", "FALSE", None),
    (SOFTMAX + r"$$\sum_k y_k = 2$$", "FALSE", None),
]


@pytest.mark.parametrize(("text", "verdict", "assumption"), NOT_CLAIMED)
def test_what_is_no_false_claim(text: str, verdict: str, assumption: str | None) -> None:
    step = check(text).steps[-1]
    assert (step.verdict.value, step.assumption) == (verdict, assumption)


def test_docstrings_are_read_each_by_itself() -> None:
    code = (
        '"""Losses."""\n'
        "def f():\n"
        '    r"""$$L = a b$$ $$\\frac{\\partial L}{\\partial a} = b$$"""\n'
        "def g():\n"
        '    r"""$$L = a + b$$ $$\\frac{\\partial L}{\\partial a} = 1$$"""\n'
    )
    verdicts = [step.verdict.value for step in check(code, "module.py").steps]
    assert verdicts == ["DEFINITION", "TRUE", "DEFINITION", "TRUE"]


def test_a_modules_docstring_is_read_with_each() -> None:
    code = (
        'r"""Here $$s(x) = \\frac{1}{1 + e^{-x}}$$"""\n'
        "def f():\n"
        '    r"""$$s\'(x) = s(x) (1 - s(x))$$"""\n'
    )
    steps = check(code, "module.py").steps
    assert [step.verdict.value for step in steps] == ["DEFINITION", "TRUE"]


def test_a_formula_that_is_too_long_is_told() -> None:
    text = SOFTMAX + "$$x = " + "+".join(["x"] * 20_000) + "$$\n\n" + r"$$\sum_k y_k = 1$$"
    steps = check(text).steps
    assert [step.verdict.value for step in steps] == ["DEFINITION", "UNSUPPORTED", "TRUE"]
    assert "characters" in steps[1].message


def test_a_long_document_is_checked_as_far_as_time_allows() -> None:
    text = SOFTMAX + "\n\n".join([r"$\sum_k y_k = 1$"] * 2_000)
    told: list[Step] = []
    report = check(text, time_limit=6.0, tell=told.append)
    assert report.stopped and "6 s" in report.stopped
    decided = [step for step in report.steps if step.verdict.value != "UNSUPPORTED"]
    assert len(decided) > 10 and {step.verdict.value for step in decided[1:]} == {"TRUE"}
    assert {step.line for step in report.steps} <= {step.line for step in told}


def test_a_false_reason_is_a_step_of_its_own() -> None:
    report = check(LOSS + r"This holds since $\sum_k y_k = 2$.")
    assert report.steps[-1].verdict.value == "REASON-FALSE"


def test_errors_that_cancel_are_noted() -> None:
    report = check(
        LOSS + r"$$\frac{\partial C}{\partial y_k} = \frac{t_k}{y_k} = -\frac{t_k}{y_k}$$"
    )
    assert [step.verdict.value for step in report.steps[-2:]] == ["FALSE", "FALSE"]
    assert report.steps[-1].rule == "step-inherits"
    assert "errors-cancel" in {note.rule for note in report.notes}


def test_a_single_row() -> None:
    text = (
        r"$$L = -\frac{1}{N} \sum_{n=1}^N \sum_{i=1}^C t_{n,i} \log p_{n,i}$$ "
        "\n\nLet $N = 1$. Then\n\n" + r"$$L = -\sum_i t_i \log p_i$$"
    )
    step = check(text).steps[-1]
    assert (step.verdict.value, step.assumption, step.declared_line) == ("TRUE-IF", "N=1", 3)


def test_pins_win() -> None:
    text = "<!-- softxent: q is target -->\n\n" + r"$$\sum_k q_k = 1$$"
    assert check(text).steps[-1].verdict.value == "TRUE-IF"


def test_places_point_into_the_document() -> None:
    text = "One line.\n\n" + SOFTMAX + r"And $\sum_k y_k = 2$."
    step = check(text).steps[-1]
    assert text[step.start : step.end] == r"\sum_k y_k = 2"
    assert (step.line, step.column) == (5, 17)
    assert text.splitlines()[step.line - 1][step.column - 1] == "="


@pytest.mark.parametrize("text", ["", "No formula here.", "$k$ and $i$", r"if $k = i$, then"])
def test_nothing_to_check(text: str) -> None:
    assert check(text).vacuous


def test_rules_are_complete() -> None:
    for code, (title, explanation, example) in RULES.items():
        assert code == code.lower()
        assert title and explanation and example


def test_one_step_is_quick() -> None:
    text = r"$$\sum_k t_k (a - b_k) = a \sum_k t_k - \sum_k t_k b_k$$"
    check(text)
    start = time.perf_counter()
    report = check(text)
    assert report.steps[0].verdict.value == "TRUE"
    assert time.perf_counter() - start < 0.2  # 0.02 on a quiet machine


def test_the_time_limit_is_kept() -> None:
    report: Report = check((LOSS + r"$$\sum_k y_k = 2$$") * 30, time_limit=0.0)
    assert report.stopped
    assert {step.rule for step in report.steps} == {"time"}


def test_import_is_light() -> None:
    code = (
        "import numpy, sys, time; start = time.perf_counter(); import softxent.derive;"
        "assert 'softxent.derive.exact' not in sys.modules; print(time.perf_counter() - start)"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert float(ran.stdout) < 1.0  # 0.03 on a quiet machine
