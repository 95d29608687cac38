"""Verdicts on names that get another meaning, conditions without a cue, constants, values."""

from __future__ import annotations

import pytest

from softxent.derive import check

SOFTMAX = r"$$y_k = \frac{e^{z_k}}{\sum_{j=1}^K e^{z_j}}$$" + "\n\n"
LOSS = SOFTMAX + r"$$C = -\sum_{k=1}^K t_k \log y_k$$" + "\n\n"


def said(text: str) -> str:
    """Return the verdicts on the steps of a document, "new" for a definition anew."""
    return " ".join(
        "new" if step.rule == "definition-new" else step.verdict.value for step in check(text).steps
    )


ANOTHER = [  # in the same section
    (r"The hinge loss is $$L = \sum_j \max(0, 1 - y_j f_j)$$ while the squared norm of the "
     r"difference is $$L = \Vert f - y \Vert_2^2$$", "DEFINITION new"),
    (r"The function $f(x) = (x - 1)^2$ is convex, while the function $f(x) = e^x$ has no minimum.",
     "DEFINITION new"),
    (r"Here $\sigma(x) = \frac{1}{1 + e^{-x}}$. With signs as labels $$L = -\log \sigma(y s)$$ "
     r"while with labels 0 and 1 $$L = -y \log \sigma(s) - (1 - y) \log(1 - \sigma(s))$$",
     "DEFINITION DEFINITION new"),
    # similar, or behind a conclusion, or the definition put in, or of single elements: a claim
    (r"The loss is $$L = -\sum_i y_i \log p_i$$ For a batch it is $$L = -\sum_i \log p_i$$",
     "DEFINITION FALSE"),
    (r"The function $f(x) = (x - 1)^2$ is convex, and hence $f(x) = e^x$.", "DEFINITION FALSE"),
    (LOSS + r"In terms of the scores it is $$C = -\sum_k t_k z_k + K \sum_j e^{z_j}$$",
     "DEFINITION DEFINITION FALSE"),
    (r"Let $\mathbf{r} = X \mathbf{w} - \mathbf{y}$. In components $$r_n = \sum_d \log(X_{nd}) w_d "
     r"- y_n$$", "DEFINITION FALSE"),
    (SOFTMAX + r"Or use the form $$y_k = \frac{e^{z_k}}{e^{z_j}}$$", "DEFINITION UNBOUND"),
    # alternatives
    (r"Writing $b = e^\beta$ or $b = e^{-\beta}$ we get more.", "DEFINITION new"),
    (r"The loss is $E = -\sum_i c_i \log p_i$. Some authors might define it as "
     r"$E = -\sum_i c_i \log p_i + (1 - c_i) \log(1 - p_i)$.", "DEFINITION new"),
    (r"The loss is $E = -\sum_i c_i \log p_i$. Some authors might define it as "
     r"$E = -\sum_i c_i \log p_i + (1 - c_i) \log(1 - p_i)$. "
     r"$$\frac{\partial E}{\partial p_i} = -\frac{c_i}{p_i}$$", "DEFINITION new TRUE"),
    # the same up to a factor, first values, the last element of a sequence, arguments
    (r"Let $J = -\frac{1}{n} \sum_{i=1}^n u_i$. We minimise $J = -\sum_{i=1}^n u_i$.",
     "DEFINITION OPAQUE"),
    (r"Let $J = -\frac{1}{n} \sum_{i=1}^n u_i$. We minimise $J = \frac{1}{n} \sum_{i=1}^n u_i$.",
     "DEFINITION FALSE"),
    (r"$$G_T = r_T, \quad G_t = r_t + G_{t+1}$$", "DEFINITION DEFINITION"),
    (r"where $F_t$ could be $$F_t = R(\tau)$$", "DEFINITION"),
    # further terms
    (LOSS + r"With a penalty on the scores $$C = -\sum_{k=1}^K t_k \log y_k + \frac{\lambda}{2} "
     r"\sum_k z_k^2$$ $$\frac{\partial C}{\partial z_i} = y_i \sum_k t_k - t_i + \lambda z_i$$",
     "DEFINITION DEFINITION new TRUE"),
    (LOSS + r"With a penalty on the scores $$C = -\sum_{k=1}^K t_k \log y_k + \frac{\lambda}{2} "
     r"\sum_k z_k^2$$ $$\frac{\partial C}{\partial z_i} = y_i \sum_k t_k - t_i$$",
     "DEFINITION DEFINITION new FALSE"),
    (LOSS + r"Hence $$C = -\sum_{k=1}^K t_k \log y_k + \sum_k z_k^2$$",
     "DEFINITION DEFINITION FALSE"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "wanted"), ANOTHER)
def test_another_meaning(text: str, wanted: str) -> None:
    assert said(text) == wanted


BACK = SOFTMAX + (
    r"In general, a different base can be used: $$y_k = \frac{e^{b z_k}}{\sum_{j=1}^K e^{b z_j}}$$"
    "\n\n"
)
EARLIER = [  # with what a name was before
    (BACK + r"$$\frac{\partial y_k}{\partial z_i} = y_k (\delta_{ki} - y_i)$$", "TRUE"),
    (BACK + r"$$\frac{\partial y_k}{\partial z_i} = b y_k (\delta_{ki} - y_i)$$", "TRUE"),
    (BACK + r"$$\frac{\partial y_k}{\partial z_i} = y_k (\delta_{ki} + y_i)$$", "FALSE"),
    (BACK + r"With two of them, $$y_1 = \frac{1}{1 + e^{z_2 - z_1}}$$", "TRUE-IF"),
]


@pytest.mark.parametrize(("text", "wanted"), EARLIER)
def test_an_earlier_meaning(text: str, wanted: str) -> None:
    assert said(text).split()[-1] == wanted


CONDITIONS = [
    (r"We look at $$x^2 + y^2 - 32 = 0$$ where $y = -1/u$.", "OPAQUE DEFINITION"),
    (r"Here $y = e^x$. We have $$x^2 + y^2 - 32 = 0$$", "DEFINITION FALSE"),
    (r"$$\ell(m) = -\sum_i (x_i - m)^2$$ Setting the derivative to zero: "
     r"$$\frac{\partial \ell}{\partial m} = 2 \sum_i (x_i - m) = 0$$", "DEFINITION TRUE OPAQUE"),
    (r"$$\ell(m) = -\sum_i (x_i - m)^2$$ $$\frac{\partial \ell}{\partial m} = \sum_i (x_i - m) = 0"
     r"$$", "DEFINITION FALSE OPAQUE"),
    # the rows behind it solve it, until the text speaks again
    (r"$$\ell(m) = -\sum_{i=1}^N (x_i - m)^2$$ $$\begin{aligned} \frac{\partial \ell}{\partial m} "
     r"&= 0 \\ \implies \sum_i x_i &= N m \end{aligned}$$ Now we know that "
     r"$$\ell(m) = -\sum_{i=1}^N (x_i + m)^2$$", "DEFINITION OPAQUE OPAQUE FALSE"),
    (LOSS + r"$$\sum_k (y_k - t_k) = 0$$", "DEFINITION DEFINITION TRUE-IF"),
    (SOFTMAX + r"$$\sum_k y_k = 0$$", "DEFINITION FALSE"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "wanted"), CONDITIONS)
def test_conditions_without_a_cue(text: str, wanted: str) -> None:
    assert said(text) == wanted


LOOSE = [
    (r"$$p = a e^{-\lambda w^2}$$ $$\log p = C - \lambda w^2$$", "DEFINITION OPAQUE"),
    (r"$$u = \max(x)$$ $$x_j \to x_j - u = x'_j$$ $$\sum_j x'_j = \sum_j x_j - \sum_j u$$",
     "DEFINITION DEFINITION DEFINITION TRUE"),
    (r"The lengths are the same, $n_y = \tau$, and $y_i = h_i$.", "DEFINITION DEFINITION"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "wanted"), LOOSE)
def test_what_is_said_loosely(text: str, wanted: str) -> None:
    assert said(text) == wanted


REPAIRS = [
    (LOSS + r"$$\frac{\partial C}{\partial z_j} = \frac{\partial C}{\partial y_j} "
     r"\frac{\partial y_j}{\partial z_j}$$", r"→ \sum_k \frac{\partial C}{\partial y_k}"),
    (SOFTMAX + r"For $i \neq k$: $$\frac{\partial y_k}{\partial z_i} = \frac{0 - e^{z_k} e^{z_i}}"
     r"{\sum_j e^{z_j}}$$", r"\sum_j e^{z_j} → \left(\sum_j e^{z_j}\right)^2"),
    (r"$$\mathbf{z} = W \mathbf{x}$$ $$E = \frac{1}{2} \mathbf{z}^T \mathbf{z}$$ "
     r"$$\frac{\partial E}{\partial \mathbf{x}} = W \mathbf{z}$$", r"→ W^T"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "repair"), REPAIRS)
def test_more_slips_are_mended(text: str, repair: str) -> None:
    step = check(text).steps[-1]
    assert step.verdict.value == "FALSE"
    assert repair in (step.repair or "")
