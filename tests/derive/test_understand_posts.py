"""Habits of posts about softmax and its relatives: what they mean, and what their slips are.

Beside each document stand the verdicts on its steps, without those that define.
"""

from __future__ import annotations

import pytest

from softxent.derive import check

SOFTMAX = r"$$p_i = \frac{e^{a_i}}{\sum_k e^{a_k}}$$" + "\n\n"
TARGETS = SOFTMAX + r"One-hot $t$: $$E = -\log \prod_c p_c^{t_c} = -\sum_c t_c \log p_c$$" + "\n\n"
LINES = "We use row vectors.\n\n" + (
    r"$$s_i = \frac{e^{a_i}}{\sum_k e^{a_k}}$$ $$H = -\sum_i y_i \log s_i$$" + "\n\n"
)
ROWS = r"Elements $x_{ij}$, $$u_j = \sum_{i=1}^n y_i x_{ij}$$" + "\n\n"
RELU = r"$$\text{ReLU}'(z) = \begin{cases} 1 & \text{if } z > 0 \\ "


def verdicts(text: str) -> str:
    return " ".join(s.verdict.value for s in check(text).steps if s.verdict.value != "DEFINITION")


FRACTIONS = [
    (
        r"$$u = \frac{1}{v} \sum_i q_i$$ $$\lambda/v (\sum_i q_i - v r) = \lambda u - \lambda r$$",
        "TRUE",
    ),
    (r"$$s = \frac{a}{v(b - v)}$$ $$s = a / v (b - v)$$", "FALSE"),
]

TWO_FAMILIES = [
    (
        r"$$u^j = \lambda_j u^{j-1} + v_j$$ $$w^j = w^{j-1} + u^j - w_j$$ $$u_j = v_j$$ "
        r"$$\lambda_j u^{j-1} + u_j + w_j = \lambda_j u^{j-1} + v_j + w_j$$",
        "TRUE",
    ),
    (
        r"$$\exp(s^j) = \exp(s^{j-1}) + \exp(s_j)$$ $$\lambda_j = e^{s^{j-1} - s^j}, "
        r"\quad q^{j-1} + q_j = \lambda_j$$",
        "OPAQUE OPAQUE",
    ),
]

LET = [
    (
        r"Let $x = g_1(u) = e^u$."
        "\n\n"
        r"Let $u = g_2(v) = v^2$."
        "\n\n"
        r"Let $x = g_1(u) = \log u$."
        "\n\n"
        r"$$\frac{\partial g_1(u)}{\partial u} = \frac{1}{u}$$",
        "TRUE TRUE TRUE TRUE",
    ),
    (
        r"Let $g(a_i) = a_i - \max(a_i)$. $$g(a_1) = a_1 - \max_j a_j$$",
        "",
    ),
]

TARGET_EXPONENTS = [
    (TARGETS + r"$$\frac{\partial E}{\partial a_i} = p_i - t_i$$", "TRUE TRUE-IF"),
    (TARGETS + r"$$\frac{\partial E}{\partial a_i} = p_i + t_i$$", "TRUE FALSE"),
    (
        r"$$-\log L = \xi(\mathbf{t}, \mathbf{p}) = -\log \prod_c p_c^{t_c} "
        r"= -\sum_c t_c \log p_c$$ For a 2 class system "
        r"$\xi(\mathbf{t}, \mathbf{p}) = -t_c \log p_c - (1 - t_c) \log(1 - p_c)$. "
        r"$$\frac{\partial \xi}{\partial p_i} = -\frac{t_i}{p_i}$$",
        "OPAQUE TRUE TRUE OPAQUE TRUE",
    ),
]

CONDITIONS = [
    (SOFTMAX + r"because $\frac{\partial}{\partial a_j} e^{a_k} = 0$ for $k \neq j$.", "TRUE"),
    (
        SOFTMAX + r"because $\frac{\partial}{\partial a_j} e^{a_k} = 1$ for $k \neq j$.",
        "REASON-FALSE",
    ),
    (
        SOFTMAX + r"$$i = j \rightarrow \delta_{ij} = 1$$ $$p_i \delta_{ij} = p_j \delta_{ij}$$",
        "TRUE",
    ),
    (r"at the step $t - 1 \rightarrow t$ we have $$h = x + y$$", ""),
]

ROW_VECTORS = [
    (
        LINES + r"$$\nabla_{\mathbf a} H = -\frac{\mathbf y}{\mathbf s} "
        r"\left(\text{diag}(\mathbf s) - \mathbf s^\top \mathbf s\right)$$",
        "TRUE",
    ),
    (
        LINES + r"$$\nabla_{\mathbf a} H = \frac{\mathbf y}{\mathbf s} "
        r"\left(\text{diag}(\mathbf s) - \mathbf s^\top \mathbf s\right)$$",
        "FALSE",
    ),
    (
        ROWS + r"$$\mathbf{v} = \mathbf{w} + \sum_{i=1}^n y_i \mathbf{x}_i$$ $$v_j = w_j + u_j$$",
        "TRUE",
    ),
    (
        ROWS + r"$$\mathbf{v} = \mathbf{w} + \sum_{i=1}^n y_i \mathbf{x}_i$$ $$v_j = w_j - u_j$$",
        "FALSE",
    ),
]

NAMES = [
    (RELU + r"0 & \text{otherwise} \end{cases}$$", "TRUE"),
    (RELU.replace("1 &", "2 &") + r"0 & \text{otherwise} \end{cases}$$", "FALSE"),
    (
        r"$$\mathbb{R}^{d \times 1} \cdot \mathbb{R}^{1 \times k} + 1 = \mathbb{R}^{d \times k}$$",
        "OPAQUE",
    ),
    (r"$$H(p, q) = E_p[-\log q]$$ and $$H(p, q) = -\sum_x p(x) \log q(x)$$", "OPAQUE"),
    (r"$$a = \sigma(w^T x + b) = \sigma(z)$$ $$\frac{\partial z}{\partial b} = 1$$", "TRUE TRUE"),
]

DOUBTS = [
    (
        r"$$\sigma(\mathbf{z})_i = \frac{e^{z_i}}{\sum_j e^{z_j}}$$ "
        r"$$[\sigma(\mathbf{a})]_i = \frac{e^{a_i}}{\sum_j e^{a_j}}$$ "
        r"$$\frac{\partial}{\partial a_j} \frac{e^{a_i}}{\sum_k e^{a_k}} "
        r"= \sigma_i (\delta_{ij} - \sigma_j)$$",
        "UNSUPPORTED OPAQUE",
    ),
    (r"The size of $a$ is $N \times N_K - 1 = N \times 1$.", "OPAQUE"),
    (r"$$m^k = \beta m^{k-1} + g^k, \quad m^0 = 0$$", ""),
    (
        r"For a single sample the loss is $l_i$. $$L = \sum_{i=1}^n y_i w x_i$$ "
        r"$$\frac{\partial L}{\partial w} = y_i x_i$$",
        "OPAQUE",
    ),
    (r"$$s = \log\frac{1}{a} \exp(-b)$$ $$s = -\log a - b$$", "TRUE"),
    (r"$$s = \log\frac{1}{a} \exp(-b)$$ $$s = -\log a + b$$", "FALSE"),
    (r"$$L_i = -\log p_{i, y_i}$$ $$L_0 = -\log p_{0, 2}$$", ""),
    (r"$$m' = \max(m_i, m)$$", ""),
    (
        r"以及one hot label $\mathbf y$: $\sum_k t_k = 1$. " + TARGETS + r"$$\sum_c y_c = 1$$",
        "TRUE-IF TRUE TRUE-IF",
    ),
]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        *FRACTIONS,
        *TWO_FAMILIES,
        *LET,
        *TARGET_EXPONENTS,
        *CONDITIONS,
        *ROW_VECTORS,
        *NAMES,
        *DOUBTS,
    ],
)
def test_posts(text: str, expected: str) -> None:
    assert verdicts(text) == expected
