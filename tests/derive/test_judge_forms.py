"""Verdicts on what texts do beside plain derivations: names anew, reasons, unknown functions."""

from __future__ import annotations

import pytest

from softxent.derive import Report, check

SOFTMAX = r"$$y_k = \frac{e^{z_k}}{\sum_{j=1}^K e^{z_j}}$$" + "\n\n"
LOSS = SOFTMAX + r"$$C = -\sum_{k=1}^K t_k \log y_k$$" + "\n\n"


def verdicts(report: Report) -> list[str]:
    return [step.verdict.value for step in report.steps]


NAMES = [  # one name for two things, and what is said of it behind
    (r"Let $u = 2x$. $$\frac{du}{dx} = 2$$ Let $u = x^2$. $$\frac{du}{dx} = 2x$$",
     "DEFINITION TRUE DEFINITION TRUE"),
    (r"Let $u = 2x$. $$\frac{du}{dx} = 2$$ Let $u = x^2$. $$\frac{du}{dx} = 2$$",
     "DEFINITION TRUE DEFINITION FALSE"),
    (r"令 $u = g(v) = 2v$ $$g(v) = 2v$$ 令 $u = g(v) = v + 1$ $$\frac{dg(v)}{dv} = 1$$",
     "DEFINITION TRUE DEFINITION DEFINITION TRUE TRUE"),
    (r"When $i = k$: $$u = 2x$$ $$\frac{du}{dx} = 2$$ When $i \neq k$: $$u = \log x$$ "
     r"$$\frac{du}{dx} = \frac{1}{x}$$", "DEFINITION TRUE DEFINITION TRUE"),
    (r"$$u = 2x$$ $$u = 3x$$", "DEFINITION FALSE"),
    ("| name | value |\n|---|---|\n| one | $f(x) = \\tanh x$ |\n| two | $f(x) = x^2$ |\n",
     "DEFINITION DEFINITION"),
    (r"$$d(x_i, x_j) = \sum_k (x_{ik} - x_{jk})^2$$", "DEFINITION"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "wanted"), NAMES)
def test_names_that_are_used_again(text: str, wanted: str) -> None:
    assert verdicts(check(text)) == wanted.split()


SLIPS = [  # in a definition; what stands on it is judged as it is meant
    (r"$$p_j = \frac{e^{a_i}}{\sum_k e^{a_k}}$$ $$\log p_j = a_j - \log \sum_k e^{a_k}$$",
     "UNBOUND TRUE"),
    (r"$$p_j = \frac{e^{a_i}}{\sum_k e^{a_k}}$$ $$\log p_j = a_j + \log \sum_k e^{a_k}$$",
     "UNBOUND FALSE"),
    (r"$$L = -\sum_n \log q_i$$ $$L = -\sum_n \sum_i t_{ni} \log q_{ni}$$", "UNBOUND OPAQUE"),
    (r"$$p_i = \frac{e^{z_i}}{\sum_{j=1}^K e^{z_k}}$$", "UNBOUND"),
    (r"$$p_i = \frac{e^{z_i}}{\sum_{j=1}^k e^{z_k}}$$", "UNBOUND"),
    (r"$$E = \sum_{i=1}^k (x_i - m)^2$$", "DEFINITION"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "wanted"), SLIPS)
def test_slips_in_definitions(text: str, wanted: str) -> None:
    assert verdicts(check(text)) == wanted.split()


SIGNS = [  # where a function bends at 0, both sides of it are tried
    (r"$$\max(0, z) = \begin{cases} z & z > 0 \\ 0 & \text{otherwise} \end{cases}$$", "TRUE"),
    (r"$$\max(0, z) = \begin{cases} z & z > 0 \\ -1 & \text{otherwise} \end{cases}$$", "FALSE"),
    (r"$$f(z) = \max(0, z)$$ $$f'(z) = \begin{cases} 1 & z > 0 \\ 5 & z < 0\end{cases}$$",
     "DEFINITION FALSE"),
    (r"$$f(x) = \max(0, x)$$ $$f(x) = \begin{cases} x & x > 0 \\ -x & \text{else} \end{cases}$$",
     "DEFINITION FALSE"),
    (r"$$\sqrt{(x + 1)^2} = |x + 1|$$", "TRUE"),
    (r"$$\sqrt{(x + 1)^2} = x + 1$$", "FALSE"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "wanted"), SIGNS)
def test_both_sides_of_zero_are_tried(text: str, wanted: str) -> None:
    assert verdicts(check(text)) == wanted.split()


def test_a_sum_whose_letter_does_not_occur_is_noted() -> None:
    report = check(r"$$p_i = \frac{e^{z_i}}{\sum_{j=1}^K e^{z_i}}$$")
    assert [note.rule for note in report.notes] == ["letter-unused"]


OUTPUTS = r"$$a = \phi(w x + b)$$ $$J = -y \log a - (1 - y) \log(1 - a)$$ "
UNKNOWN = [  # a function that the text only names
    (OUTPUTS + r"$$\frac{\partial J}{\partial a} = -\frac{y}{a} + \frac{1-y}{1-a}$$", "TRUE"),
    (OUTPUTS + r"$$\frac{\partial J}{\partial a} = -\frac{y}{a} - \frac{1-y}{1-a}$$", "FALSE"),
    (OUTPUTS + r"$$a(1-a) \frac{a-y}{a(1-a)} = a - y$$", "TRUE"),
    (OUTPUTS + r"$$a(1-a) \frac{a-y}{a(1-a)} = a + y$$", "FALSE"),
    (OUTPUTS + r"$$\frac{\partial a}{\partial b} = a(1-a)$$", "OPAQUE"),
    (r"$$v_i = x_i w$$ $$\frac{\partial E_i}{\partial w} = \frac{\partial E_i}{\partial v_i} "
     r"\frac{\partial v_i}{\partial w}$$", "TRUE-IF"),
    (r"$$v_i = x_i w$$ $$\frac{\partial E_i}{\partial w} = \frac{\partial E_i}{\partial v_i} "
     r"\frac{\partial v_i}{\partial x_i}$$", "FALSE"),
    (r"$$s_k = a s_{k-1} + x_k$$ $$\frac{\partial E}{\partial s_{k-1}} = "
     r"\frac{\partial E}{\partial s_k} \frac{\partial s_k}{\partial s_{k-1}}$$", "OPAQUE"),
    (r"$$s(x) = \frac{1}{1+e^{-x}}$$ $$\frac{ds(x)}{dx} = s(x) - s^2(x)$$", "TRUE"),
    (r"$$s(x) = \frac{1}{1+e^{-x}}$$ Its first-order derivative: "
     r"$$\frac{ds(x)}{dx} = s(x) + s^2(x)$$", "FALSE"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "wanted"), UNKNOWN)
def test_functions_that_nothing_defines(text: str, wanted: str) -> None:
    assert verdicts(check(text))[-1] == wanted


GRADIENT = LOSS + r"$$\frac{\partial C}{\partial z_i} = "
REASONS = [  # the verdict on the step, then on its reason
    (GRADIENT + r"y_i \sum_k t_k - t_i$$ because $\sum_k y_k = 1$.", "TRUE TRUE"),
    (GRADIENT + r"y_i \sum_k t_k - t_i$$ because $\sum_k y_k = 2$.", "TRUE REASON-FALSE"),
    (GRADIENT + r"y_i \sum_k t_k + t_i$$ because $\sum_k y_k = 1$.", "FALSE TRUE"),
    (GRADIENT + r"y_i - t_i$$ because $\sum_k t_k = 1$.", "TRUE-IF TRUE-IF"),
    (LOSS + r"Let $j$ be the correct class, so that $t$ is one-hot. "
     r"$$\frac{\partial C}{\partial z_j} = y_j - 1$$ since $t_j = 1$.", "TRUE-IF"),
    (LOSS + r"Here $t$ is one-hot, where $t_i = 1$ if the actual class is $i$. "
     r"$$-t_i (1 - y_i) = -t_i + y_i$$", "FALSE"),
    (LOSS + r"Let $j$ be the correct class, so that $t$ is one-hot. "
     r"$$\frac{\partial C}{\partial z_j} = y_j + 1$$ since $t_j = 1$.", "FALSE"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "wanted"), REASONS)
def test_reasons(text: str, wanted: str) -> None:
    report = check(text)
    assert verdicts(report)[2:] == wanted.split()
    supposed = [step for step in report.steps if step.verdict.value == "TRUE-IF"]
    assert all(step.declared_line for step in supposed)


def test_an_eigenvector_is_asked_for() -> None:
    text = r"$$S = \sum_i \mathbf{x}_i \mathbf{x}_i^T$$ $$S \mathbf{v} = \lambda \mathbf{v}$$"
    assert verdicts(check(text))[-1] == "OPAQUE"


ROUNDED = {
    r"$$5/3 = 1.667$$": "TRUE",
    r"$$5/3 = 1.666$$": "TRUE",
    r"$$-5/3 = -1.666$$": "TRUE",
    r"$$5/3 = 1.665$$": "FALSE",
    r"$$5/3 = 1.668$$": "FALSE",
    r"$$0.0799 = 0.08$$": "TRUE",
}


@pytest.mark.parametrize("text", ROUNDED)
def test_decimals_are_rounded_or_cut_off(text: str) -> None:
    assert verdicts(check(text)) == [ROUNDED[text]]


WITNESSES = [  # small numbers, whatever logarithms allow
    (r"$$p = \frac{1}{1 + e^{-x}}$$ $$-y \log p + (1-y) \log(1-p) = \log(1 + e^x) - y x$$",
     {"e^x": "2", "y": "2"}),
    (r"$$\log(a (1 - a)) = \log a - \log(1 - a)$$", {"a": "7/10"}),
]  # fmt: skip


@pytest.mark.parametrize(("text", "values"), WITNESSES)
def test_witnesses_are_small(text: str, values: dict[str, str]) -> None:
    witness = check(text).steps[-1].witness
    assert witness is not None
    assert witness.values.keys() == values.keys()
    assert all(len(value) <= len(values[name]) for name, value in witness.values.items())
