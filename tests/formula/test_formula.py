"""formula.py as data: complete, well formed, and every sign and index of it checked by number.

The truth beside the LaTeX is not another formula: losses are written down once with mpmath, and
each derivative is a difference quotient of them, good to 40 digits.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from itertools import product
from typing import Any

import mpmath
import numpy as np
import pytest
from latex_value import assignments, sides, tokens

from softxent import formula, reference

MP = mpmath.MPContext()
MP.dps = 80
STEP = MP.mpf(10) ** -20  # central differences: error about 1e-40, rounding about 1e-40
N, V, D = 3, 4, 2
SIZES = {"i": V, "j": V, "k": V, "o": V, "n": N, "d": D}
IDS = tuple(formula.FORMULAS)


# ------------------------------------------------------------------ the data


def test_every_equation_of_the_contract_is_there() -> None:
    assert set(IDS) >= {
        "softmax", "softmax-jacobian", "cross-entropy", "gradient", "log-sum-exp-form",
        "batch-mean", "output-neuron", "hessian", "hvp", "target-gradient", "temperature",
        "softcap", "label-smoothing", "class-weights", "z-loss", "entropy", "logprob",
        "linear-weight-gradient", "linear-input-gradient", "linear-bias-gradient",
    }  # fmt: skip
    for option in ("temperature", "softcap", "label-smoothing", "class-weights", "z-loss"):
        assert {f"{option}-gradient", f"{option}-hvp"} <= set(IDS)


def test_ids_are_unique() -> None:
    assert len(formula._ALL) == len(formula.FORMULAS)
    assert len({f.latex for f in formula._ALL}) == len(formula._ALL)


@pytest.mark.parametrize("id", IDS)
def test_fields_are_filled_and_braces_balance(id: str) -> None:
    f = formula.get(id)
    assert f.id == id
    assert all(text.strip() == text and text for text in (f.title, f.latex, f.domain, f.source))
    depth = {"{": 0, "(": 0}
    for token in tokens(f.latex):
        for opening, closing in (("{", "}"), ("(", ")")):
            depth[opening] += (token == opening) - (token == closing)
            assert depth[opening] >= 0
    assert not any(depth.values())
    assert f.latex.count(r"\left") == f.latex.count(r"\right")


def test_an_unknown_id_names_the_nearest() -> None:
    with pytest.raises(KeyError, match=r"no formula has the id 'gradiant'; did you mean gradient"):
        formula.get("gradiant")
    with pytest.raises(KeyError, match="softmax-jacobian"):
        formula.get("?")


@pytest.mark.parametrize("id", IDS)
def test_what_a_formula_uses_comes_before_it(id: str) -> None:
    premises = [f.id for f in formula.premises(id)]
    assert set(formula.get(id).uses) <= set(premises)
    assert id not in premises
    for at, premise in enumerate(premises):
        assert set(formula.get(premise).uses) <= set(premises[:at])


def test_a_formula_cannot_be_changed() -> None:
    with pytest.raises(AttributeError):
        formula.get("softmax").latex = "0"  # type: ignore[misc]
    with pytest.raises(TypeError):
        formula.FORMULAS["softmax"] = formula.get("hvp")  # type: ignore[index]


# ------------------------------------------------------------------ difference quotients


def _exact(x: Any) -> np.ndarray:
    x = np.asarray(x)
    out = np.empty(x.shape, object)
    out.flat = [MP.mpf(float(v)) for v in x.ravel()]
    return out


def _float(x: Any) -> np.ndarray:
    return np.asarray(np.frompyfunc(float, 1, 1)(x), np.float64)


def _difference(f: Callable[..., Any], points: Sequence[Any], which: int, direction: Any) -> Any:
    def at(s: Any) -> Any:
        return f(*(x + s * direction if i == which else x for i, x in enumerate(points)))

    return (at(STEP) - at(-STEP)) / (2 * STEP)


def _partial(f: Callable[..., Any], points: Sequence[Any], which: int) -> np.ndarray:
    """All partial derivatives of f with respect to points[which]; f's own axes come first."""
    x = points[which]
    units = np.eye(x.size, dtype=int).reshape(x.size, *x.shape)
    columns = [np.asarray(_difference(f, points, which, unit)) for unit in units]
    stacked = np.stack(columns, axis=-1)
    return stacked.reshape(stacked.shape[:-1] + x.shape)


def _along(f: Callable[..., Any], points: Sequence[Any], directions: Sequence[Any]) -> Any:
    def at(s: Any) -> Any:
        return f(*(x + s * v for x, v in zip(points, directions, strict=True)))

    return (at(STEP) - at(-STEP)) / (2 * STEP)


exp, log, tanh = (np.frompyfunc(f, 1, 1) for f in (MP.exp, MP.log, MP.tanh))


# ------------------------------------------------------------------ one row, with options


@cache
def row_values(options: tuple[str, ...], one_hot: bool) -> dict[str, Any]:
    """Every symbol a formula about one row may use; an option not named is switched off."""
    rng = np.random.default_rng(7)
    z, v, w = (_exact(rng.normal(size=V)), _exact(rng.normal(size=V)), _exact(rng.random(V) + 0.5))
    t, t_dot, tau = _exact(rng.normal(size=V)), _exact(rng.normal(size=V)), 2
    if one_hot:
        t = _exact(np.eye(V)[tau])
    eps = MP.mpf(0.1) if "smoothing" in options else MP.mpf(0)
    lam = MP.mpf(0.3) if "z-loss" in options else MP.mpf(0)
    temperature = MP.mpf(0.7) if "temperature" in options else MP.mpf(1)
    c = MP.mpf(1.5)
    w_used = w if "weights" in options else _exact(np.ones(V))

    def transform(z: Any) -> Any:
        return (c * tanh(z / c) if "softcap" in options else z) / temperature

    def lse(a: Any) -> Any:
        return log(np.sum(exp(a)))

    def softmax(z: Any) -> Any:
        return exp(transform(z)) / np.sum(exp(transform(z)))

    def ce_of_a(a: Any, t: Any) -> Any:
        target = w_used * ((1 - eps) * t + eps / V)
        return -np.sum(target * log(exp(a) / np.sum(exp(a)))) + lam * lse(a) ** 2

    def ce(z: Any, t: Any) -> Any:
        return ce_of_a(transform(z), t)

    def gradient(z: Any, t: Any) -> np.ndarray:
        return _partial(ce, (z, t), 0)

    def z_loss(a: Any) -> Any:
        return lam * lse(a) ** 2

    a, y = transform(z), softmax(z)
    m = max(a)
    target = w_used * ((1 - eps) * t + eps / V)
    values = {
        "z": z, "v": v, "t": t, "dot t": t_dot, "tau": np.array(tau), "a": a, "y": y, "w": w,
        "m": m, "s": np.sum(exp(a - m)) - 1, "lse": lse(a), "V": V, "T": temperature, "c": c,
        "varepsilon": eps, "lambda": lam, "t'": (1 - eps) * t + eps / V, "tilde w": target,
        "S": np.sum(target), "u": np.sum(target) + 2 * lam * lse(a), "C": ce(z, t), "Z": z_loss(a),
        "J": _difference(transform, (z,), 0, 1), "da/dz": _partial(transform, (z,), 0),
        "dy/dz": _partial(softmax, (z,), 0), "dC/dz": gradient(z, t),
        "dC/da": _partial(ce_of_a, (a, t), 0), "dC/dt": _partial(ce, (z, t), 1),
        "ddC/dzdz": _partial(gradient, (z, t), 0), "dZ/da": _partial(z_loss, (a,), 0),
        "ddZ/dada": _partial(lambda a: _partial(z_loss, (a,), 0), (a,), 0),
        "dot C": _along(ce, (z, t), (v, t_dot)), "ell": np.sum(t * log(y)),
        "H": np.sum(y * -log(y)),
    }  # fmt: skip
    return {name: _float(value) for name, value in values.items()}


# ------------------------------------------------------------------ a batch behind a linear layer


@cache
def batch_values(normalised: bool) -> dict[str, Any]:
    rng = np.random.default_rng(8)
    x, w, b, x_dot, w_dot, b_dot = (
        _exact(rng.normal(size=shape)) for shape in ((N, D), (V, D), (V,)) * 2
    )
    t = rng.normal(size=(N, V))
    t = _exact(t)
    if normalised:
        t[:, 0] += 1 - t.sum(axis=1)

    def logits(x: Any, w: Any, b: Any) -> Any:
        return x.dot(w.T) + b

    def softmax(z: Any) -> Any:
        return exp(z) / np.sum(exp(z), axis=1)[:, None]

    def mean(z: Any) -> Any:
        return -np.sum(t * log(softmax(z))) / N

    def loss(x: Any, w: Any, b: Any) -> Any:
        return mean(logits(x, w, b))

    def part(which: int) -> Callable[..., np.ndarray]:
        return lambda *points: _partial(loss, points, which)

    def g(x: Any, w: Any, b: Any) -> np.ndarray:
        return _partial(mean, (logits(x, w, b),), 0)

    points, directions = (x, w, b), (x_dot, w_dot, b_dot)
    z = logits(*points)
    values = {
        "x": x, "W": w, "b": b, "dot x": x_dot, "dot W": w_dot, "dot b": b_dot, "t": t, "z": z,
        "y": softmax(z), "N": N, "L": mean(z), "dL/dz": g(*points), "g": g(*points),
        "dL/dx": part(0)(*points), "dL/dW": part(1)(*points), "dL/db": part(2)(*points),
        "dot z": _along(logits, points, directions), "dot g": _along(g, points, directions),
        "dot h": _along(part(0), points, directions), "dot G": _along(part(1), points, directions),
        "dot q": _along(part(2), points, directions),
    }  # fmt: skip
    return {name: _float(value) for name, value in values.items()}


@cache
def mean_values(soft: bool) -> dict[str, Any]:
    """The weighted means have no other definition than the package's own: here the reference's."""
    rng = np.random.default_rng(9)
    z, w, r = rng.normal(size=(N, V)), rng.random(V) + 0.5, rng.random(N) + 0.5
    tau = rng.integers(V, size=N)
    target = rng.random((N, V)) if soft else tau
    options = {"weight": w, "z_loss": 0.3}
    stats = reference.cross_entropy_stats(z, target, **options)
    loss = reference.cross_entropy(z, target, row_weight=r, **options)
    values = {"N": N, "r": r, "w": w, "tau": tau, "C": stats.loss, "Z": stats.z_loss, "L": loss}
    return {name: np.asarray(value) for name, value in values.items()}


# ------------------------------------------------------------------ every formula against the truth

ALL_OPTIONS = ("smoothing", "softcap", "temperature", "weights", "z-loss")
OPTIONS_OF = {
    "temperature": ("temperature",),
    "softcap": ("softcap",),
    "label-smoothing": ("smoothing",),
    "class-weights": ("weights",),
    "z-loss": ("z-loss",),
}
TOGETHER = {
    "transform", "transform-slope", "weighted-target", "loss", "loss-gradient", "logit-gradient",
    "loss-target-gradient", "loss-hvp", "loss-hessian", "log-sum-exp", "transformed-softmax",
    "largest-logit", "shifted-sum", "weight-sum", "curvature",
}  # fmt: skip
BATCH = {id for id in IDS if id.startswith(("batch-", "linear-"))} | {"output-neuron"}


def values_for(id: str) -> dict[str, Any]:
    if id in ("weighted-mean", "soft-mean"):
        return mean_values(id == "soft-mean")
    if id in BATCH:
        return batch_values(id == "batch-mean-gradient")
    if id in TOGETHER:
        return row_values(ALL_OPTIONS, False)
    option = next((name for name in OPTIONS_OF if id.startswith(name)), None)
    one_hot = id in ("one-hot", "gradient-normalised")
    return row_values(OPTIONS_OF[option] if option else (), one_hot)


def largest_difference(latex: str, values: dict[str, Any]) -> float:
    nodes = sides(latex, values, SIZES)
    assert len(nodes) >= 2
    return max(
        abs(node.value(at) - nodes[0].value(at))
        for at, node in product(assignments(nodes, SIZES), nodes[1:])
    )


@pytest.mark.parametrize("id", IDS)
def test_the_equation_is_true(id: str) -> None:
    assert largest_difference(formula.get(id).latex, values_for(id)) < 1e-13


@pytest.mark.parametrize("id", IDS)
def test_a_wrong_sign_or_index_would_be_seen(id: str) -> None:
    """The check above can fail: it does for each sign flipped and each j ≠ i dropped."""
    latex, values = formula.get(id).latex, values_for(id)
    wrong = [
        latex[:at] + {"+": "-", "-": "+"}[sign] + latex[at + 1 :]
        for at, sign in enumerate(latex)
        if sign in "+-"
    ]
    wrong += [latex.replace(r"\sum_{j \neq i}", r"\sum_{j}", 1)] if r"\neq" in latex else []
    wrong += [latex + " + 1"]
    for mutant in wrong:
        assert largest_difference(mutant, values) > 1e-3, mutant
