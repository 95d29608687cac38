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
        "OPAQUE TRUE TRUE TRUE",
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

SLOPE = r"$$\frac{\partial}{\partial a_j} \frac{e^{a_i}}{\sum_k e^{a_k}} = "
ABBREVIATIONS = [
    (
        rf"{SOFTMAX}We start with the $i=j$ case: {SLOPE}\frac{{e^{{a_i}} T - e^{{a_j}} e^{{a_i}}}}"
        r"{T^2}$$ To be short, $T$ stands for $\sum_k e^{a_k}$. $$\frac{e^{a_i}}{T} "
        r"\frac{T - e^{a_j}}{T} = p_i (1 - p_j)$$",
        "TRUE TRUE",
    ),
    (
        rf"{SOFTMAX}We do the case where $i \ne j$: {SLOPE}\frac{{e^{{a_j}} e^{{a_i}}}}{{T^2}}$$ "
        r"where $T$ is $\sum_k e^{a_k}$.",
        "FALSE",
    ),
]

NABLA = SOFTMAX + r"We write $$D_j p_i = \frac{\partial p_i}{\partial a_j}$$ for short. "
OPERATORS = [
    (NABLA + r"$$D_j p_i = p_i (\delta_{ij} - p_j)$$", "TRUE"),
    (NABLA + r"$$D_i p_j = p_i (\delta_{ij} - p_i)$$", "FALSE"),
    (
        NABLA + r"$$a_k = \sum_m W_{km} x_m$$ $$D_{ij} a_k = \frac{\partial \sum_m W_{km} x_m}"
        r"{\partial W_{ij}} = \delta_{ik} x_j$$ $$D_{ij} a_k = \delta_{ik} x_i$$",
        "TRUE TRUE UNBOUND",
    ),
    (NABLA + r"$$D_{ijk} p_i = 0$$", "UNSUPPORTED"),
    (NABLA + r"A constant $D$: $$p_i = \frac{e^{a_i + D}}{\sum_k e^{a_k + D}}$$", "TRUE"),
    (
        NABLA + r"$D = -\max(a_1, \dots, a_n)$: $$p_i = \frac{e^{a_i + D}}{\sum_k e^{a_k + D}}$$",
        "TRUE",
    ),
]

WHOLE = r"$$s(\mathbf z)_i = \frac{e^{z_i}}{\sum_k e^{z_k}}$$ "
WHOLE_VECTORS = [
    (
        WHOLE + r"With $\mathbf c = (c, \dots, c)$, $$s(\mathbf z + \mathbf c)_j = "
        r"\frac{e^{z_j + c}}{\sum_k e^{z_k + c}} = s(\mathbf z)_j$$",
        "TRUE TRUE",
    ),
    (WHOLE + r"$$s(2 \mathbf z)_j = \frac{e^{z_j}}{\sum_k e^{z_k}}$$", "FALSE"),
    (WHOLE + r"$$s(2 \mathbf z)_j = \frac{e^{2 z_j}}{\sum_k e^{2 z_k}}$$", "TRUE"),
    (
        WHOLE + r"$$\frac{\partial}{\partial q_k} s(\textbf{q}, i) = "
        r"s(\textbf{q}, i) (\delta_{ik} - s(\textbf{q}, k))$$",
        "TRUE",
    ),
    (
        WHOLE + r"$$\frac{\partial}{\partial q_k} s(\mathbf q, i) = "
        r"s(\mathbf q, k) (\delta_{ik} + s(\mathbf q, i))$$",
        "FALSE",
    ),
]

NEURONS = (
    r"$$E = -\sum_j t_j \log o_j$$ $$o_j = \frac{e^{z_j}}{\sum_k e^{z_k}}$$ The input is "
    r"$$z_j = \sum_i w_{ij} o_i + b$$ of the layer before. With $\sum_j t_j = 1$: "
)
LAYER_BEFORE = [
    (NEURONS + r"$$\frac{\partial z_j}{\partial w_{ij}} = o_i$$", "TRUE-IF TRUE"),
    (NEURONS + r"$$\frac{\partial z_j}{\partial w_{ij}} = o_j$$", "TRUE-IF UNBOUND"),
    (NEURONS + r"$$\frac{\partial E}{\partial w_{pq}} = (o_q - t_q) o_p$$", "TRUE-IF TRUE-IF"),
    (
        NEURONS + r"$$\frac{\partial E}{\partial w_{ij}} = \frac{\partial E}{\partial o_j} "
        r"\frac{\partial o_j}{\partial z_j} \frac{\partial z_j}{\partial w_{ij}}$$",
        "TRUE-IF FALSE",
    ),
]

BENT = [
    (r"Since $r = \max(0, x)$, $$\frac{dr}{dx} = 1(x > 0)$$", "TRUE"),
    (r"Since $r = \max(0, x)$, $$\frac{dr}{dx} = 1(x < 0)$$", "FALSE"),
    (
        r"$$a_i = \max(0, z_i)$$ $$\frac{\partial a_i}{\partial z_i} = \mathbb{1}[z_i > 0]$$"
        r"$$\frac{\partial a_i}{\partial z_j} = \delta_{ij} \mathbf{1}_{z_i > 0}$$",
        "TRUE TRUE",
    ),
]

LABELLED = r"$$p_k = \frac{e^{f_k}}{\sum_j e^{f_j}}$$ $$L_i = -\log p_{y_i}$$ $$L = \sum_i L_i$$ "
SAMPLES = [
    (
        LABELLED + r"For $k \ne y_i$: $$\frac{\partial L_i}{\partial f_k} = p_k$$ "
        r"For $k = y_i$: $$\frac{\partial L_i}{\partial f_k} = p_k - 1$$",
        "TRUE TRUE",
    ),
    (
        LABELLED + r"For the other classes where $k \ne y_i$ the gradient is "
        r"$$\frac{\partial L_i}{\partial f_k} = -p_k$$",
        "FALSE",
    ),
]

MATRICES = [
    (
        r"$$\begin{pmatrix} z_1 & \dots & z_K \end{pmatrix} \xrightarrow{\text{softmax}} "
        r"\begin{pmatrix} e^{z_1} / S & \dots & e^{z_K} / S \end{pmatrix}$$",
        "",
    ),
    (
        r"$$B = softmax(W) = exp(W) \odot ((exp(W) \bold{1_n})^{-1} \bold{1_n^T})$$",
        "TRUE",
    ),
    (
        r"The shape of $y = (n \times (m + 1)) \times ((m + 1) \times 1) = (n \times 1)$.",
        "",
    ),
    (r"$$y = a \times b = b \times a$$", "TRUE"),
]

OTHERWISE_DEFINED = [
    (
        r"$$E = -\sum_i c_i \log p_i$$ Some sources define the function as "
        r"$E = -\sum_i c_i \log p_i + \sum_i (1 - c_i) \log(1 - p_i)$.",
        "",
    ),
    (r"$$E = \sum_i c_i$$ We note that $E = \sum_i 2 c_i$.", "FALSE"),
]

ENTROPIES = r"$$H = -\sum_i q_i \log q_i$$ $$C = -\sum_i p_i \log q_i$$ With $\sum_i p_i = 1$, "
OF_ANOTHER = [
    (ENTROPIES + r"$$\sum_i p_i \log p_i - \sum_i p_i \log q_i = C - H(p)$$", "TRUE-IF TRUE"),
    (
        r"$$S_j = \frac{e^{a_j}}{\sum_k e^{a_k}}$$ With $g(W) = W \mathbf x$ let "
        r"$$P_i = S_i(g(W))$$ "
        r"$$\frac{\partial P_k}{\partial W_{ij}} = P_k (\delta_{ki} - P_i) x_j$$ "
        r"$$\frac{\partial P_k}{\partial W_{ij}} = P_k (\delta_{ki} - P_k) x_j$$",
        "TRUE FALSE",
    ),
]

FORMS = [
    (
        r"$\hat y_i = \sum_j w_j x_{ij} + b$, $E = \sum_i (\hat y_i - y_i)^2$. In matrix form "
        r"$E = \|X w - y\|^2$.",
        "OPAQUE",
    ),
    (
        r"$$p_k = \frac{e^{f_k}}{\sum_j e^{f_j}}$$ True class $y$: $$L = -\log p_y$$"
        r"Case 1: $k = y$. $$\frac{\partial L}{\partial f_y} = p_y - 1$$ Case 2: $k \ne y$. "
        r"$$\frac{\partial p_y}{\partial f_k} = -p_y p_k$$"
        "\n\n"
        r"so $\frac{\partial L}{\partial f_k} = p_k$.",
        "TRUE TRUE TRUE-IF",
    ),
]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        *OF_ANOTHER,
        *FORMS,
        *SAMPLES,
        *MATRICES,
        *OTHERWISE_DEFINED,
        *ABBREVIATIONS,
        *OPERATORS,
        *WHOLE_VECTORS,
        *LAYER_BEFORE,
        *BENT,
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
