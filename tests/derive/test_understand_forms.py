"""What the language of derivations can say: one small document a form, and what comes of it.

Beside each document stand the verdicts on its steps, without those that define.
"""

from __future__ import annotations

import pytest

from softxent.derive import check
from softxent.derive.parse import parse
from softxent.derive.understand.spelling import Spelling

SOFTMAX = r"$$y_k = \frac{e^{z_k}}{\sum_{j=1}^K e^{z_j}}$$" + "\n\n"
LOSS = SOFTMAX + r"$$C = -\sum_{k=1}^K t_k \log y_k$$" + "\n\n"
SIGMOID = r"Let $\sigma(x) = \frac{1}{1 + e^{-x}}$." + "\n\n"
BOTH = SOFTMAX.replace("y_k", "p_k")


def verdicts(text: str) -> str:
    return " ".join(s.verdict.value for s in check(text).steps if s.verdict.value != "DEFINITION")


VECTORS = [
    (r"$$Z = XW + b$$ $$Z_{ij} = \sum_k X_{ik} W_{kj} + b_j$$", "TRUE"),
    (r"$$\mathbf{Z} = \mathbf{X}\mathbf{W} + \mathbf{b}$$", ""),
    (
        r"$$Z = XW + b$$ $$\frac{\partial L}{\partial W} = X^T \frac{\partial L}{\partial Z}$$",
        "TRUE",
    ),
    (SOFTMAX + r"$$\nabla_{\mathbf z} \log y_k = \mathbf{e}_k - \mathbf{y}$$", "TRUE"),
    (SOFTMAX + r"$$\nabla_{\mathbf z} \log y_k = \mathbf{e}_k + \mathbf{y}$$", "FALSE"),
    (
        r"$$E = \frac12 \|\mathbf{y} - \mathbf{t}\|^2$$ "
        r"$$\nabla_{\mathbf{y}} E = \mathbf{y} - \mathbf{t}$$",
        "TRUE",
    ),
    (
        r"The softmax $\sigma$: $$\sigma(z)_j = \frac{e^{z_j}}{\sum_{k=1}^K e^{z_k}}$$ "
        r"$$y = \sigma(z)$$ $$\frac{\partial y_i}{\partial z_j} = y_i(\delta_{ij} - y_j)$$",
        "TRUE",
    ),
    (
        r"$$\|\mathbf{X} - \mathbf{U}\mathbf{V}\|_2^2 = "
        r"\sum_{i,j} (x_{ij} - \sum_k u_{ik} v_{kj})^2$$",
        "TRUE",
    ),
    (r"$$\text{Softmin}(x) = \text{Softmax}(-x)$$", ""),
    (r"$$\frac{\partial}{\partial w}(w^t x + b) = x$$", "TRUE"),
    (
        LOSS + r"$$\mathbf{1}^T \mathbf{t} = 1$$ "
        r"$$\frac{\partial C}{\partial \mathbf{z}} = \mathbf{y} - \mathbf{t}$$",
        "TRUE-IF TRUE-IF",
    ),
    (r"$$\ell(x, y) = L = \{l_1,\dots,l_N\}^\top, \quad l_n = \left| x_n - y_n \right|$$", "TRUE"),
    (
        r"$$\mathbf{x} = \{ x_1, ..., x_n \}$$ "
        r"$$\mathbf{p} = \text{softmax}(\mathbf{x}) = \{ p_1, ..., p_n \}$$ $$\sum_i p_i = 1$$",
        "TRUE TRUE",
    ),
    (r"$$p_j = softmax(o_j)$$ $$\frac{\partial p_j}{\partial o_j} = p_j (1 - p_j)$$", "TRUE"),
    # I_{kj} is the unit matrix, unless the text says what I is
    (SOFTMAX + r"$$\frac{\partial y_k}{\partial z_j} = y_k (I_{kj} - y_j)$$", "TRUE"),
    (SOFTMAX + r"$$\frac{\partial y_k}{\partial z_j} = y_k (I_{kj} + y_j)$$", "FALSE"),
    (r"$$I_{kj} = 2 x_k x_j$$ $$I_{kj} = I_{jk}, \quad \sum_j I_{kj} = 1$$", "TRUE FALSE"),
    # a general term between the dots
    (
        r"$$\sum_l e^{z_l} = e^{z_1} + e^{z_2} + \dots + e^{z_j} + \dots + e^{z_n}$$"
        r"$$\prod_l z_l = z_1 \cdots z_k \cdots z_n$$",
        "TRUE TRUE",
    ),
    (r"$$\sum_l z_l = z_1 + \dots + e^{z_k} + \dots + z_n$$", "UNSUPPORTED"),
    (
        r"$$-\sum_w y_w \log p_w = -[y_1 \log p_1 + \cdots + "
        r"y_o \log p_o + \cdots + y_w \log p_w]$$",
        "UNSUPPORTED",
    ),
    (r"$$C = -\sum_k t_k \log y_k$$ $$C = 1/2 \log(2) + 1/4 \log(4) + 1/4 \log(4)$$", ""),
    # what could not be read is anything: what holds all the same is true, nothing is false
    (
        SOFTMAX + r"$$R = \int_0^1 x dx, \quad C = R - \sum_k t_k \log y_k$$ "
        r"$$\frac{\partial C}{\partial y_k} = -\frac{t_k}{y_k}$$ $$C = R + 1$$ $$2 R = R$$",
        "UNSUPPORTED TRUE OPAQUE OPAQUE",
    ),
    # by a square, as of the variance of a batch
    (
        r"$$m = \frac{1}{N} \sum_{i=1}^N x_i$$ $$\sigma^2 = \frac{1}{N} \sum_{i=1}^N (x_i - m)^2$$ "
        r"$$u_i = \frac{x_i - m}{\sqrt{\sigma^2 + \epsilon}}$$"
        r"$$\frac{\partial L}{\partial \sigma^2} = -\frac{1}{2} \sum_i "
        r"\frac{\partial L}{\partial u_i} (x_i - m) (\sigma^2 + \epsilon)^{-3/2}$$"
        r"$$\frac{\partial L}{\partial \sigma^2} = -\frac{1}{2} \sum_i "
        r"\frac{\partial L}{\partial u_i} (x_i - m) (\sigma^2 + \epsilon)^{-1/2}$$",
        "TRUE FALSE",
    ),
    # a bracket that is transposed behind a vector
    (
        r"$a^{(1)} = \tanh(u)$, $z = W a^{(1)} + b$, $\delta = \frac{\partial L}{\partial z}$. "
        r"$$\frac{\partial L}{\partial W} = \delta (a^{(1)})^T$$",
        "TRUE",
    ),
    # a letter that never stands without its bracket is called, also if nothing says what it is
    (
        r"$\ell(\theta) = \log L(\theta)$, $g(z) = 1 / (1 + e^{-z})$. "
        r"$$\frac{\partial}{\partial \theta_j} \ell(\theta) = (y - g(\theta^T x)) x_j$$",
        "UNSUPPORTED",
    ),
    # it says what the cost is a function of, and nothing else
    (
        r"$C = C(a_1, \dots, a_n)$, $a_j = \tanh(z_j)$. $$\frac{\partial C}{\partial z_j} = "
        r"\frac{\partial C}{\partial a_j} \frac{\partial a_j}{\partial z_j}$$",
        "TRUE TRUE",
    ),
    # how often a derivative is taken
    (
        SOFTMAX + r"$$L = \log \sum_l e^{z_l}$$ $$\partial_{z_j} L = y_j, \quad "
        r"\partial_{z_j}^2 L = y_j (1 - y_j), \quad \partial_{z_j}^2 L = y_j (1 + y_j)$$",
        "TRUE TRUE FALSE",
    ),
    # of all of them; and what a chain says at last, where the beginning is a probability
    (
        SOFTMAX + r"$$E(z_1, \dots, z_K) = -\ln p(t | z) = -\sum_k t_k \ln y_k$$"
        r"$$\frac{\partial E}{\partial y_k} = -\frac{t_k}{y_k}, \quad "
        r"\frac{\partial E(z_1, \dots, z_K)}{\partial y_k} = \frac{t_k}{y_k}$$",
        "OPAQUE OPAQUE TRUE FALSE",
    ),
    # a sum that only counts runs as far as the other one of its letter in the step
    (
        r"$$s_i = (1 - a) y_i + \frac{a}{K}$$ "
        r"$$\sum_i s_i = (1 - a) \sum_i y_i + \sum_{i=1}^K \frac{a}{K}$$"
        r"$$\sum_i s_i = (1 - a) \sum_i y_i + \sum_{i=1}^K \frac{1}{K}$$",
        "TRUE FALSE",
    ),
    (
        SOFTMAX + r"Here $K$ is the number of classes, and $L = -\sum_k t_k \log y_k$. "
        r"$$\sum_k (t_k + \frac{1}{K}) = 1 + \sum_k t_k$$",
        "TRUE",
    ),
    # solved for z, a definition of y is a claim
    (
        SOFTMAX + r"$$e^{z_k} = y_k \sum_j e^{z_j}$$ $$z_k = \log y_k + \log \sum_j e^{z_j}$$ "
        r"$$z_k = \log y_k - \log \sum_j e^{z_j}$$",
        "TRUE TRUE FALSE",
    ),
    # one letter with one argument and with two; p log p is of a distribution
    (
        r"$$H(p) = -\sum_i p_i \log p_i$$ $$H(p, q) = -\sum_i p_i \log q_i$$ "
        r"$$D(p, q) = \sum_i p_i \log \frac{p_i}{q_i}$$ "
        r"$$H(p, q) = H(p) + D(p, q)$$ $$H(p, q) = H(p) - D(p, q)$$ $$\sum_i p_i = 1$$",
        "TRUE FALSE TRUE-IF",
    ),
    # an example in the end takes nothing back
    (
        r"$$H(p, q) = -\sum_i p_i \log q_i$$ $$\frac{\partial H(p, q)}{\partial q_i} = "
        r"-\frac{p_i}{q_i}$$ For two classes $p = (y, 1 - y)$ and $q = (a, 1 - a)$.",
        "TRUE",
    ),
]

_ROWS = r"\\ -y_2 y_1 & y_2(1-y_2) & \cdots & -y_2 y_K \\ \vdots & \vdots & \ddots & \vdots \\ "
_JACOBIAN = (
    r"\begin{bmatrix} y_1(1-y_1) & -y_1 y_2 & \cdots & -y_1 y_K "
    + _ROWS
    + r"-y_K y_1 & -y_K y_2 & \cdots & y_K(1-y_K) \end{bmatrix}"
)
MATRICES = [
    (
        SOFTMAX + r"$$\frac{\partial \mathbf{y}}{\partial \mathbf{z}} = \begin{bmatrix} "
        r"\frac{\partial y_1}{\partial z_1} & \cdots & \frac{\partial y_1}{\partial z_K} \\ "
        r"\vdots & \ddots & \vdots \\ \frac{\partial y_K}{\partial z_1} & \cdots & "
        r"\frac{\partial y_K}{\partial z_K} \end{bmatrix}$$",
        "TRUE",
    ),
    (
        SOFTMAX
        + r"$$\frac{\partial \mathbf{y}}{\partial \mathbf{z}} = "
        + _JACOBIAN
        + r" = \text{diag}(\mathbf{y}) - \mathbf{y}\mathbf{y}^T$$",
        "TRUE TRUE",
    ),
    (
        SOFTMAX
        + r"$$\frac{\partial \mathbf{y}}{\partial \mathbf{z}} = \begin{bmatrix} y_1(1-y_1) & "
        r"\cdots & y_1 y_K \\ \vdots & \ddots & \vdots \\ y_K y_1 & \cdots & y_K(1-y_K) "
        r"\end{bmatrix}$$",
        "FALSE",
    ),
    (
        SOFTMAX
        + r"$$\frac{\partial \mathbf{y}}{\partial \mathbf{z}} = "
        + _JACOBIAN.replace("y_K(1-y_K)", "y_K(1+y_K)")
        + "$$",
        "UNSUPPORTED",
    ),
    (
        r"$$Z = \begin{pmatrix} z_{11} & \cdots & z_{1n} \\ \vdots & \ddots & \vdots \\ z_{m1} & "
        r"\cdots & z_{mn} \end{pmatrix}$$",
        "",
    ),
]

LABELS = [
    (
        r"$$p_{n,k} = \frac{e^{z_{n,k}}}{\sum_j e^{z_{n,j}}}$$ "
        r"$$L = -\frac{1}{N}\sum_{n=1}^N \log p_{n, y_n}$$ "
        r"$$\frac{\partial L}{\partial z_{n,k}} = \frac{1}{N}(p_{n,k} - 1\{k = y_n\})$$",
        "TRUE",
    ),
    (
        r"$$p_{i,k} = \frac{e^{s_{ik}}}{\sum_j e^{s_{ij}}}$$ $$L_i = -\log p_{i,y_i}$$ "
        r"$$L = \frac{1}{N}\sum_{i=1}^N L_i$$ "
        r"$$\frac{\partial L}{\partial s_{ik}} = \frac{1}{N}(p_{ik} - 1\{y_i = k\})$$",
        "TRUE",
    ),
    (
        r"$$p_{n,k} = \frac{e^{z_{n,k}}}{\sum_j e^{z_{n,j}}}$$ $$\log p_{n, y_n} = "
        r"z_{n, y_n} + \log \sum_{n=1}^N \sum_j e^{z_{n,j}}$$",
        "FALSE",
    ),
    (
        r"$$p^{(i)}_c = \frac{e^{s^{(i)}_c}}{\sum_{l=1}^k e^{s^{(i)}_l}}$$ $$J = -\frac1m "
        r"\sum_{i=1}^m \sum_{c=1}^k \mathbb{1}[y^{(i)} = c] \log p_c^{(i)}$$ "
        r"$$\frac{\partial J}{\partial s^{(i)}_c} = "
        r"\frac1m (p^{(i)}_c - \mathbb{1}[y^{(i)} = c])$$",
        "TRUE",
    ),
    (
        r"$$L_i = \sum_{j \neq y_i} \max(0, s_{ij} - s_{i,y_i} + 1)$$ "
        r"$$L = \frac{1}{N} \sum_i L_i$$",
        "",
    ),
    (BOTH + r"$$L = -\log p_y$$ $$\frac{\partial L}{\partial z_k} = p_k - 1\{k=y\}$$", "TRUE"),
]

_LAYERS = r"$$z^l = W^l a^{l-1} + b^l$$ $$a^l = \sigma(z^l)$$ " + (
    r"$$\delta^l = \frac{\partial C}{\partial z^l}$$ "
)
_ELEMENTS = (
    r"$$z^l_j = \sum_k w^l_{jk} a^{l-1}_k + b^l_j$$ $$a^l_j = \sigma(z^l_j)$$ "
    r"$$\delta^l_j = \frac{\partial C}{\partial z^l_j}$$ "
)
LAYERS = [
    (_LAYERS + r"$$\delta^l = ((W^{l+1})^T \delta^{l+1}) \odot \sigma'(z^l)$$", "TRUE"),
    (_LAYERS + r"$$\frac{\partial C}{\partial b^l} = \delta^l$$", "TRUE"),
    (_ELEMENTS + r"$$\delta^l_j = \sum_k w^{l+1}_{kj} \delta^{l+1}_k \sigma'(z^l_j)$$", "TRUE"),
    (_ELEMENTS + r"$$\delta^L_j = \frac{\partial C}{\partial a^L_j} \sigma'(z^L_j)$$", "TRUE"),
    (_ELEMENTS + r"$$\frac{\partial C}{\partial w^l_{jk}} = a^{l-1}_k \delta^l_j$$", "TRUE"),
    (
        r"From neuron $k$ in layer $l-1$ to neuron $j$. "
        + _ELEMENTS
        + r"$$\frac{\partial C}{\partial w^l_{jk}} = a^{l-1}_k \delta^l_j$$",
        "TRUE",
    ),
    (r"$$x^n y^n = (x y)^n$$", "TRUE"),
    (
        r"The error is $e^{(i)} = y^{(i)} - t^{(i)}$, and $$\sum_{i=1}^{n} (e^{(i)})^2 = "
        r"\mathbf{e}^T \mathbf{e}$$",
        "TRUE",
    ),
]

FUNCTIONS = [
    (r"$$y(1-y)^2 = y - 2y^2 + y^3$$ $$n (1-x)^3 = n (1-x)(1-x)^2$$", "TRUE TRUE"),
    (
        r"$$(f(x) g(x))' = f'(x) g(x) + f(x) g'(x)$$ "
        r"$$\frac{d}{dx} f(g(x)) = f'(g(x)) g'(x)$$ $$\frac{df}{dx} = f'(x)$$",
        "TRUE TRUE TRUE",
    ),
    (
        r"$$\frac{d}{dt} f(x(t), y(t)) = \frac{\partial f}{\partial x}\frac{dx}{dt} + "
        r"\frac{\partial f}{\partial y}\frac{dy}{dt}$$",
        "TRUE",
    ),
    (
        r"$$z = g(x, y)$$ $$L = f(z)$$ $$\frac{\partial L}{\partial x} = "
        r"\frac{\partial L}{\partial z} \frac{\partial z}{\partial x}$$",
        "TRUE",
    ),
    (
        r"Let $f(x) = x^2$."
        "\n\n"
        r"And $f(x, y) = (x + y) z$ gives $\frac{\partial f}{\partial x}"
        r" = z$.",
        "TRUE",
    ),
    (r"$$f(x+h) = f(x) + h f'(x)$$", "OPAQUE"),
    (r"Let $\ell(s) = \log(1 + e^s) - y s$. $$\ell''(s) = \frac{e^s}{(1+e^s)^2}$$", "TRUE"),
    (SIGMOID + r"$$\sigma^{-1}(t) = \log \frac{t}{1 - t}$$", "UNSUPPORTED"),
    (r"$$(f * g)(x) = \sum_{y \in \mathbb{Z}} f(y) g(x - y)$$", "UNSUPPORTED"),
    (
        r"$$t'_k = (1 - \varepsilon) t_k + \frac{\varepsilon}{V}$$ "
        r"$$\sum_k t'_k (a_k - b) = \sum_k t'_k a_k - b \sum_k t'_k$$",
        "TRUE",
    ),
    (
        r"$$f(x) = \max(0,x) + a \min(0,x)$$ $$f(x) = \begin{cases} x, & \text{ if } x \ge 0 \\ "
        r"ax, & \text{ otherwise } \end{cases}$$",
        "TRUE",
    ),
    (r"$$f(x) = \begin{cases} e^{-x} & x \ge 0 \\ 0 & \mathrm{otherwise} \end{cases}$$", ""),
    (r"$$\sin(2x + \pi/2) = \cos(2x)$$", "TRUE"),
]

WORDS = [
    (
        r"$$FL = -\alpha (1-p_t)^\gamma \log p_t$$ $$\frac{\partial FL}{\partial p_t} = "
        r"\alpha\gamma (1-p_t)^{\gamma-1} \log p_t - \alpha\frac{(1-p_t)^\gamma}{p_t}$$",
        "TRUE",
    ),
    (r"$$IoU_c = \frac{intersection_c}{union_c}$$", ""),
    (r"Update by $\Delta w = -\eta g$: $w = w + \Delta w$.", ""),
    (r"$$S_\beta = \frac{\beta}{2} \sum_i x_i^2$$ For $\beta = 0.5$ this is flat.", ""),
    (
        r"$$E_{{\rm node}_i} = -\theta_i s_i$$ $$E = \sum_{i=1}^n E_{{\rm node}_i} = "
        r"-\sum_i \theta_i s_i$$",
        "TRUE",
    ),
]

INDICES = [
    (r"$$y_k = \frac{e^{z_k}}{\sum_{j=0}^{K-1} e^{z_j}}$$ $$\sum_{k=0}^{K-1} y_k = 1$$", "TRUE"),
    (
        r"$$P_k = \frac{e^{z_k}}{1 + \sum_{j=1}^{K-1} e^{z_j}}$$ "
        r"$$\sum_{k=1}^{K-1} P_k = 1 - P_K$$ "
        r"$$P_K = \frac{1}{1 + \sum_{j=1}^{K-1} e^{z_j}}$$",
        "TRUE",
    ),
    (r"$$(-1)^{k} x_k = -x_k$$", "FALSE"),
    (r"$$2^k x_k + x_k = (2^k + 1) x_k$$", "TRUE"),
    (r"$$W_{ij} = \omega^{ij}$$ $$H_{ij} = \frac{1}{i+j+1}$$", ""),
    (
        r"$$\mu_l = \frac{1}{N} \sum_p h_{pl}$$ "
        r"$$\frac{d\mu_l}{dh_{ij}} = \frac{1}{N} \delta_{jl}$$ $$\sum_p (h_{pl} - \mu_l) = 0$$",
        "TRUE TRUE",
    ),
    (
        LOSS + r"$$\frac{\partial C}{\partial z_i} = -t_i (1 - y_i) + \sum_{i \neq j} t_j y_i$$",
        "TRUE",
    ),
    (
        LOSS + r"$$\frac{\partial C}{\partial z_i} = -\sum_{j=i} t_j (1 - y_i) + "
        r"\sum_{j \neq i} t_j y_i$$",
        "TRUE",
    ),
    (r"$$\mu = \frac{1}{m}\sum_{i=1}^m x_i$$ $$\sum_{i=1}^m (x - \mu) = 0$$", "UNSUPPORTED"),
]

CHAINS = [
    (
        r"Let $\hat{y}_i = \frac{e^{z_i}}{\sum_{c=1}^C e^{z_c}} = p_i$. If $i \neq j$: "
        r"$$\frac{\partial p_i}{\partial z_j} = -p_i p_j$$",
        "TRUE TRUE",
    ),
    (
        r"$$S(x_i) = S_i = \frac{e^{x_i}}{\sum_{k=1}^K e^{x_k}}$$ "
        r"$$\frac{\partial S_i}{\partial x_i} = S_i (1 - S_i)$$",
        "TRUE TRUE",
    ),
    (
        r"$$J(\theta) = \operatorname{CE}(\mathbf{y}, \mathbf{p}) = -\sum_{i=1}^K y_i \log p_i$$",
        "TRUE",
    ),
    (
        r"$$p_j = \frac{e^{a_i}}{\sum_{k=1}^N e^a_k}$$ "
        r"$$p_j = \frac{e^{a_j}}{\sum_{k=1}^N e^{a_k}}$$"
        r" $$\frac{\partial p_j}{\partial a_j} = p_j (1 - p_j)$$",
        "UNSUPPORTED TRUE",
    ),
]

PROSE = [
    (
        LOSS + r"with $\sum_{r=1}^R t_r = 1$. $$\frac{\partial C}{\partial z_i} = y_i - t_i$$",
        "TRUE-IF TRUE-IF",
    ),
    (
        LOSS + "其中 $t$ 是独热编码。 "
        r"$$\frac{\partial C}{\partial z_i} = y_i - t_i$$",
        "TRUE-IF",
    ),
    (
        SOFTMAX + r"当 $i = j$ 时： $$\frac{\partial y_i}{\partial z_j} = y_i(1-y_i)$$ "
        r"当 $i \neq j$ 时： "
        r"$$\frac{\partial y_i}{\partial z_j} = -y_i y_j$$",
        "TRUE TRUE",
    ),
    (
        SOFTMAX
        + "다음은 $i≠j$인 경우입니다.\n\n"
        + r"$$\frac{\partial y_i}{\partial z_j} = -y_i y_j$$",
        "TRUE",
    ),
    (
        SOFTMAX + r"the derivative by its $j$'th input, where $j \neq i$:" + "\n\n"
        r"$$\frac{\partial y_i}{\partial z_j} = -y_i y_j$$",
        "TRUE",
    ),
    (SIGMOID + r"When $z = 0$ we get $\sigma(z) = 0.5$.", "OPAQUE"),
    (SIGMOID + r"As $x \to \infty$, $\sigma(x) = 1$.", "OPAQUE"),
    (r"$$(1 \times n) \times (n \times 1) = 1 \times 1$$ for $c = 1 \cdots C$", ""),
    (r"$$E[w_i x_i] = E[w_i] E[x_i]$$", "UNSUPPORTED"),
    (
        r"In Einstein notation sums over repeated indices are implied. "
        r"$$\frac{d}{dx_k} x_i a_{ij} x_j = a_{kj} x_j + x_i a_{ik}$$",
        "OPAQUE",
    ),
]

TABLES = [VECTORS, MATRICES, LABELS, LAYERS, FUNCTIONS, WORDS, INDICES, CHAINS, PROSE]


@pytest.mark.parametrize(("text", "expected"), [row for table in TABLES for row in table])
def test_forms(text: str, expected: str) -> None:
    assert verdicts(text) == expected


@pytest.mark.parametrize(
    ("tex", "name"),
    [
        (r"z^l = a^{l-1} + \frac{\partial C}{\partial z^l}", "z"),
        (r"FL(p_t) = \log p_t", "FL"),
        (r"\Delta w = g", "w"),
    ],
)
def test_what_only_the_document_shows(tex: str, name: str) -> None:
    (row,) = parse(tex)
    head = Spelling([row], tex).of(row).relations[0].first
    assert getattr(head, "name", getattr(getattr(head, "head", None), "name", "")) == name
