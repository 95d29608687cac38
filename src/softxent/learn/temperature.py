r"""Temperature scaling: divide the logits by one number, so that the probabilities can be trusted.

With u = 1/T the mean loss of softmax(u z) is convex in u, and its derivatives are sums of those of
the cross-entropy along the direction z (`softxent.cross_entropy_jvp`, `cross_entropy_hvp`):

    L(u) = (1/S) sum_n s_n C(u z_n, t_n),    L'(u) = (1/S) sum_n s_n sum_k (y_nk - t_nk) z_nk,
    L''(u) = (1/S) sum_n s_n z_nᵀ (diag(y_n) - y_n y_nᵀ) z_n,    S = sum_n s_n

So there is one minimum, and Newton's method finds it in a handful of passes over the rows; each
step is kept within the two values between which L' changes its sign.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.exceptions import ConvergenceWarning
from sklearn.frozen import FrozenEstimator
from sklearn.utils import gen_batches, get_tags
from sklearn.utils.validation import check_consistent_length, check_is_fitted

import softxent
from softxent.errors import describe, error
from softxent.learn.layer import Array
from softxent.learn.targets import Targets, known_targets, row_weights

LEAST, MOST = 1e-4, 1e4  # what T may become
CLOSE = 1e-12  # of u: a Newton step so short leaves an error that no float64 shows
STEPS = 200  # bisection alone needs 45
CHUNK = 16 << 20  # bytes of logits at a time
TINY = float(np.log(np.finfo(np.float64).tiny))  # what log 0 of an estimator counts as


def temperature_scale(
    estimator: Any, X: Any, y: Any, sample_weight: Any = None
) -> TemperatureScaled:
    """Return the fitted estimator with its logits divided by the T that suits these rows best.

    Arguments:
        estimator: any fitted classifier with `decision_function` or `predict_log_proba`. It is
            used as it is; labels that it predicts stay the same.
        X, y, sample_weight: rows that it was *not* trained on: T is meant to undo how much too sure
            it is of those that it has seen. y: labels, or (N, V) probabilities.

    Returns:
        `TemperatureScaled`, with `temperature_`.

    Raises, warns: as `TemperatureScaled.fit`.

    >>> from sklearn.datasets import load_iris
    >>> from softxent.learn import SoftmaxRegression, temperature_scale
    >>> x, y = load_iris(return_X_y=True)
    >>> model = SoftmaxRegression(alpha=0.1).fit(x[::2], y[::2])
    >>> round(temperature_scale(model, x[1::2], y[1::2]).temperature_, 3)
    0.137
    """
    return TemperatureScaled(FrozenEstimator(estimator)).fit(X, y, sample_weight)


class TemperatureScaled(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    r"""A fitted classifier whose probabilities are softmax(z / T).

    Logits z are what `decision_function` returns, (0, z) for two classes; of an estimator without
    it what `predict_log_proba` returns, where log 0 counts as the logarithm of the smallest normal
    float64, -708.4: an estimator that was certain and wrong would else have no T at all.

    Arguments:
        estimator: a fitted classifier. `fit` never changes it; in a `FrozenEstimator`, as
            `temperature_scale` has it, `clone` does not either.

    Attributes:
        temperature_: T, within [1e-4, 1e4]. 1 where no T matters, all logits of a row being equal.
        classes_, n_features_in_, feature_names_in_: those of the estimator.

    Memory: the logits (N, V), once.

    Source: Guo, Pleiss, Sun and Weinberger 2017, "On calibration of modern neural networks".
    """

    temperature_: float

    def __init__(self, estimator: Any) -> None:
        self.estimator = estimator

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> TemperatureScaled:
        """Find T for these rows; the estimator stays as it is.

        Raises:
            NotFittedError: the estimator is not fitted. TypeError: it has no logits.
            ValueError: labels that it does not know, NaN, shapes that do not fit.

        Warns:
            ConvergenceWarning: the best T is a bound, as where no row is predicted wrongly.
        """
        where = "temperature_scale"
        check_is_fitted(self.estimator)
        check_consistent_length(X, y)
        z = self._centred(where, X)
        targets = known_targets(where, y, np.asarray(self.classes_), z.dtype)
        weight = row_weights(X, targets, sample_weight, None)
        self.temperature_ = 1 / _best(_Loss(z, targets, weight))
        if not LEAST < self.temperature_ < MOST:
            right = "sure" if self.temperature_ <= LEAST else "unsure"
            warnings.warn(
                f"temperature_scale ended at its bound, T = {self.temperature_:g}: the loss of "
                f"these {len(z)} rows falls the more {right} the estimator is. Take more rows, "
                "among them some that it predicts wrongly; or keep its probabilities as they are.",
                ConvergenceWarning,
                stacklevel=2,
            )
        return self

    def decision_function(self, X: Any) -> Array:
        """Return the logits z / T (N, V); for two classes (N,), where z > 0 says classes_[1]."""
        z = self._logits("decision_function", X) / self.temperature_
        scaled: Array = z[:, 1] - z[:, 0] if z.shape[1] == 2 else z
        return scaled

    def predict(self, X: Any) -> Array:
        """Return what the estimator predicts: T changes no label."""
        check_is_fitted(self)
        labels: Array = self.estimator.predict(X)
        return labels

    def predict_proba(self, X: Any) -> Array:
        """Return (N, V) probabilities, softmax(z / T)."""
        z = self._logits("predict_proba", X)
        return softxent.softmax(z / self.temperature_)

    def predict_log_proba(self, X: Any) -> Array:
        """Return (N, V) logarithms of the probabilities."""
        z = self._logits("predict_log_proba", X)
        return softxent.log_softmax(z / self.temperature_)

    @property
    def classes_(self) -> Array:
        """(V,) labels of the columns."""
        classes: Array = self.estimator.classes_
        return classes

    def __getattr__(self, name: str) -> Any:
        # scikit-learn looks for them here; not every estimator has them
        if name in ("n_features_in_", "feature_names_in_") and "estimator" in self.__dict__:
            return getattr(self.estimator, name)
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "temperature_")

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags = get_tags(self.estimator).input_tags
        return tags

    def _logits(self, where: str, X: Any) -> Array:
        """Z (N, V), float32 or float64."""
        if where != "temperature_scale":
            check_is_fitted(self)
        if hasattr(self.estimator, "decision_function"):
            z = np.asarray(self.estimator.decision_function(X))
        elif hasattr(self.estimator, "predict_log_proba"):
            with np.errstate(divide="ignore"):  # log 0, which some estimators warn of
                z = np.maximum(self.estimator.predict_log_proba(X), TINY)
        else:
            raise error(
                TypeError,
                "array-type",
                where,
                "estimator",
                describe(self.estimator),
                "a classifier with decision_function or predict_log_proba",
                "Pass one that tells how sure it is.",
            )
        z = z.astype(np.float64 if z.dtype != np.float32 else np.float32, copy=False)
        if z.ndim == 1:
            z = np.stack([np.zeros_like(z), z], axis=1)
        if z.ndim != 2 or z.shape[1] != len(self.classes_) or not np.isfinite(z).all():
            raise error(
                ValueError,
                "logits-shape",
                where,
                "decision_function(X)",
                describe(z),
                f"finite logits of shape (N, {len(self.classes_)})",
                "Pass a classifier with one logit a class (SVC: decision_function_shape='ovr').",
            )
        return z

    def _centred(self, where: str, X: Any) -> Array:
        """Z minus each row's largest entry, which changes no probability and spares digits."""
        z = self._logits(where, X)
        with np.errstate(over="ignore"):
            z = z - z.max(axis=1, keepdims=True)
        centred: Array = np.maximum(z, np.finfo(z.dtype).min / (4 * MOST * z.shape[1]))
        return centred


class _Loss:
    """L'(u) and L''(u) over logits (N, V)."""

    def __init__(self, z: Array, targets: Targets, weight: Array | None) -> None:
        self.z, self.target = z, targets.target
        self.s = np.ones(len(z)) if weight is None else weight
        self.passes = 0

    def slope(self, u: float) -> float:
        """L'(u) = (1/S) sum_n s_n (y_n - t_n)·z_n."""
        return self._mean(
            u, lambda a, t, z, options: softxent.cross_entropy_jvp(a, t, z, **options)
        )

    def curvature(self, u: float) -> float:
        """L''(u) = (1/S) sum_n s_n z_n·(H_n z_n)."""
        return self._mean(
            u, lambda a, t, z, options: softxent.cross_entropy_hvp(a, t, z, **options) * z
        )

    def _mean(self, u: float, of: Callable[[Array, Any, Array, Any], Any]) -> float:
        """Of logits a = u z and targets, a few rows at a time, in float64."""
        self.passes += 1
        total = 0.0
        at_once = max(1, CHUNK // (8 * self.z.shape[1]))
        for rows in gen_batches(len(self.z), at_once):
            z = self.z[rows].astype(np.float64)
            options = {"reduction": "none", "row_weight": self.s[rows]}
            total += float(np.sum(of(u * z, self.target[rows], z, options)))
        return total / float(self.s.sum())


def _best(loss: _Loss) -> float:
    """The u in [1/MOST, 1/LEAST] where L is least: Newton's method between two signs of L'."""
    if not np.any(loss.z):
        return 1.0
    low, high = 1 / MOST, 1 / LEAST
    if loss.slope(low) >= 0:
        return low
    if loss.slope(high) <= 0:
        return high
    u = 1.0
    for _ in range(STEPS):
        slope, curvature = loss.slope(u), loss.curvature(u)
        if abs(slope) <= CLOSE * u * curvature:
            return u
        low, high = (u, high) if slope < 0 else (low, u)
        newton = u - slope / curvature if curvature > 0 else low
        # Outside of the two signs: half-way between their exponents
        u = newton if low < newton < high else float(np.sqrt(low * high))
        if high - low <= CLOSE * u:
            return u
    return u
