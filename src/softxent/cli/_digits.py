"""Softmax regression on the 1797 handwritten digits that scikit-learn bundles.

The objective is that of `LogisticRegression(C=...)`: the mean cross-entropy of z = X Wᵀ + b plus
the sum of W squared over 2 C N, the intercept b unpenalised. Loss, gradient and Hessian-vector
product are softxent's; SciPy's trust-region Newton method only asks for them.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any, NamedTuple, cast

import numpy as np
from scipy.optimize import minimize
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import confusion_matrix, log_loss
from sklearn.model_selection import train_test_split
from threadpoolctl import threadpool_limits

import softxent
from softxent.cli._checks import Check

CLASSES = 10
C = 1.0  # scikit-learn's default regularisation
GRADIENT_NORM = 1e-10  # where both optimisers stop

Floats = np.ndarray[Any, np.dtype[np.float64]]
Ints = np.ndarray[Any, np.dtype[np.int64]]
Progress = Callable[[float, float], None]  # called with (objective, gradient norm)


class Split(NamedTuple):
    """Images as rows of 64 greys in [0, 1], and the digits they show."""

    train_x: Floats
    train_t: Ints
    test_x: Floats
    test_t: Ints


def load() -> Split:
    """Two thirds to learn from and a held-out third: stratified, shuffled, always the same."""
    images, digits = load_digits(return_X_y=True)
    train_x, test_x, train_t, test_t = train_test_split(
        images / 16.0, digits, test_size=1 / 3, stratify=digits, shuffle=True, random_state=0
    )
    return Split(train_x, train_t.astype(np.int64), test_x, test_t.astype(np.int64))


@dataclass(frozen=True, slots=True)
class Objective:
    """The penalised loss over a flat vector of parameters: W (V, D) first, then b (V,)."""

    x: Floats
    t: Ints

    @property
    def size(self) -> int:
        """Number of parameters."""
        return CLASSES * int(self.x.shape[1] + 1)

    def split(self, parameters: Floats) -> tuple[Floats, Floats]:
        """W and b as views into the flat vector."""
        return parameters[:-CLASSES].reshape(CLASSES, -1), parameters[-CLASSES:]

    def value_and_gradient(self, parameters: Floats) -> tuple[float, Floats]:
        """L + |W|² / (2 C N), and its gradient."""
        weight, bias = self.split(parameters)
        loss, grads = softxent.linear_cross_entropy_with_grad(
            self.x, weight, self.t, linear_bias=bias, grads=("linear_weight", "linear_bias")
        )
        d_weight, d_bias = weight_and_bias(grads)
        scale = 1 / (C * len(self.x))
        value = float(loss) + 0.5 * scale * float(np.vdot(weight, weight))
        return value, np.concatenate([(d_weight + scale * weight).ravel(), d_bias])

    def hvp(self, parameters: Floats, direction: Floats) -> Floats:
        """The objective's Hessian times a direction; the Hessian itself is never formed."""
        weight, bias = self.split(parameters)
        v_weight, v_bias = self.split(direction)
        product = softxent.linear_cross_entropy_hvp(
            self.x, weight, self.t, (None, v_weight, v_bias), linear_bias=bias
        )
        d_weight, d_bias = weight_and_bias(product)
        scale = 1 / (C * len(self.x))
        return np.concatenate([(d_weight + scale * v_weight).ravel(), d_bias])


def weight_and_bias(grads: softxent.LinearGrads) -> tuple[Floats, Floats]:
    """Return the parts that were asked for."""
    return cast("tuple[Floats, Floats]", (grads.linear_weight, grads.linear_bias))


class Learned(NamedTuple):
    """What training leaves to look at."""

    objective: Floats  # by iteration, the start first
    gradient_norm: Floats
    weight: Floats  # (V, D)
    confusion: Ints  # (V, V) of the held-out third: row is the digit, column what it was read as


@dataclass(frozen=True, slots=True)
class Result:
    """What training gave, beside scikit-learn's on the same rows."""

    loss: float  # the objective at our optimum
    sklearn_loss: float  # the same objective at scikit-learn's, computed by scikit-learn
    accuracy: float  # on the held-out third
    sklearn_accuracy: float
    agreement: float  # share of the held-out third with the same prediction
    gradient_norm: float
    iterations: int
    sklearn_iterations: int
    seconds: float
    sklearn_seconds: float
    train_rows: int
    test_rows: int
    learned: Learned

    def checks(self) -> list[Check]:
        """The bars of this part."""
        apart = abs(self.loss / self.sklearn_loss - 1)
        return [
            Check("loss apart from scikit-learn's, relative", apart, 1e-8),
            Check("accuracy on the held-out third", self.accuracy, 0.95, "%", at_least=True),
            Check("same predictions as scikit-learn", self.agreement, 0.995, "%", at_least=True),
        ]

    def as_dict(self) -> dict[str, Any]:
        """For --json: the numbers, without what is there to look at."""
        numbers = {f.name: getattr(self, f.name) for f in fields(self) if f.name != "learned"}
        return numbers | {"passed": all(check.passed for check in self.checks())}


def run(data: Split, progress: Progress) -> Result:
    """Train ours and scikit-learn's, and compare."""
    # Products of 1 MFLOP: waking BLAS threads costs more than they save, on busy cores 7 times more
    # (0.5 s against 3.6 s for ours, 0.2 s against 1.5 s for scikit-learn's).
    with threadpool_limits(1, user_api="blas"):
        ours, path = _train(data, progress)
        peer, peer_seconds = _sklearn(data)
        objective = Objective(data.train_x, data.train_t)
        steps = [objective.value_and_gradient(parameters) for parameters in path]
    weight, bias = objective.split(ours.x)
    predicted = softxent.cross_entropy_stats(data.test_x @ weight.T + bias, data.test_t).prediction
    peer_predicted = peer.predict(data.test_x)
    return Result(
        loss=float(ours.fun),
        sklearn_loss=_sklearn_loss(peer, data),
        accuracy=float(np.mean(predicted == data.test_t)),
        sklearn_accuracy=float(np.mean(peer_predicted == data.test_t)),
        agreement=float(np.mean(predicted == peer_predicted)),
        gradient_norm=float(np.linalg.norm(ours.jac)),
        iterations=int(ours.nit),
        sklearn_iterations=int(np.max(peer.n_iter_)),
        seconds=ours.seconds,
        sklearn_seconds=peer_seconds,
        train_rows=len(data.train_t),
        test_rows=len(data.test_t),
        learned=Learned(
            objective=np.array([value for value, _ in steps]),
            gradient_norm=np.array([np.linalg.norm(gradient) for _, gradient in steps]),
            weight=weight,
            confusion=confusion_matrix(data.test_t, predicted, labels=range(CLASSES)),
        ),
    )


def _train(data: Split, progress: Progress) -> tuple[Any, list[Floats]]:
    """SciPy's result with the seconds it took, and the parameters after each iteration."""
    objective = Objective(data.train_x, data.train_t)
    path = [np.zeros(objective.size)]

    def value_and_gradient(parameters: Floats) -> tuple[float, Floats]:
        value, gradient = objective.value_and_gradient(parameters)
        progress(value, float(np.linalg.norm(gradient)))
        return value, gradient

    begin = time.perf_counter()
    found = minimize(
        value_and_gradient,
        path[0],
        jac=True,
        hessp=objective.hvp,
        method="trust-ncg",
        callback=lambda parameters: path.append(parameters.copy()),
        options={"gtol": GRADIENT_NORM},
    )
    found.seconds = time.perf_counter() - begin
    return found, path


def _sklearn(data: Split) -> tuple[Any, float]:
    begin = time.perf_counter()
    model = LogisticRegression(C=C, tol=GRADIENT_NORM, max_iter=10_000)
    model.fit(data.train_x, data.train_t)
    return model, time.perf_counter() - begin


def _sklearn_loss(model: Any, data: Split) -> float:
    # scikit-learn's own cross-entropy, so that the two losses share no code.
    mean = log_loss(data.train_t, model.predict_proba(data.train_x))
    return float(mean + np.vdot(model.coef_, model.coef_) / (2 * C * len(data.train_x)))
