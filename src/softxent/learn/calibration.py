"""How far probabilities can be trusted: of what was called 80 % sure, are 80 % right?

See temperature.py for how to mend them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from softxent.errors import describe, error
from softxent.learn.layer import Array
from softxent.learn.parameters import check_choice, check_count
from softxent.learn.targets import known_targets, probabilities

STRATEGIES = ("uniform", "quantile")


@dataclass(frozen=True, slots=True, eq=False)
class ReliabilityCurve:
    """A reliability diagram: (M,) of each bin; NaN where a bin holds no row."""

    confidence: Array
    """The mean probability of the predicted class."""
    accuracy: Array
    """The share of rows whose predicted class is right."""
    count: Array
    """How many rows, int64."""
    edges: Array
    """(M + 1,) where bins begin and end; a bin holds its upper edge."""


def reliability_curve(
    y: Any,
    proba: Any,
    n_bins: int = 15,
    strategy: str = "uniform",
    *,
    classes: Any = None,
) -> ReliabilityCurve:
    r"""Return how often predictions are right, by how sure they are.

    Rows are put into bins B_m by the probability of the class that they predict, the largest one.
    With o_n the predicted class of row n,

    .. math:: \operatorname{conf}(B_m) = \frac{1}{|B_m|} \sum_{n \in B_m} y_{n o_n},
              \qquad \operatorname{acc}(B_m) = \frac{1}{|B_m|} \sum_{n \in B_m} t_{n o_n}

    Arguments:
        y: (N,) labels, or (N, V) probabilities of the truth, t.
        proba: (N, V) probabilities as `predict_proba` returns them.
        n_bins: how many bins, M.
        strategy: "uniform", bins of equal width ((m - 1) / M, m / M]; or "quantile", bins of
            equally many rows, as far as equal probabilities allow.
        classes: (V,) labels of the columns, `estimator.classes_`; None: y is their numbers.

    Raises:
        ValueError: proba that are no probabilities, labels that are no class, no rows.

    >>> from softxent.learn import reliability_curve
    >>> curve = reliability_curve([0, 1, 1], [[0.9, 0.1], [0.2, 0.8], [0.9, 0.1]], n_bins=5)
    >>> curve.accuracy, curve.count
    (array([nan, nan, nan, 1. , 0.5]), array([0, 0, 0, 1, 2]))

    Source: Guo, Pleiss, Sun and Weinberger 2017, "On calibration of modern neural networks",
    section 2.
    """
    where = "reliability_curve"
    check_count(where, "n_bins", n_bins)
    check_choice(where, "strategy", strategy, STRATEGIES)
    p, target = _checked(where, y, proba, classes)
    predicted = np.argmax(p, axis=1)
    rows = np.arange(len(p))
    confidence = p[rows, predicted].astype(np.float64)
    right = target[rows, predicted] if target.ndim == 2 else target == predicted
    edges = np.linspace(0, 1, n_bins + 1)
    if strategy == "quantile":
        edges = np.quantile(confidence, edges)
    bins = np.searchsorted(edges[1:-1], confidence, side="left")  # (lower, upper]
    count = np.bincount(bins, minlength=n_bins)
    means = [
        np.divide(
            np.bincount(bins, values, n_bins), count, out=np.full(n_bins, np.nan), where=count > 0
        )
        for values in (confidence, right)
    ]
    return ReliabilityCurve(means[0], means[1], count, edges)


def expected_calibration_error(
    y: Any,
    proba: Any,
    n_bins: int = 15,
    strategy: str = "uniform",
    *,
    classes: Any = None,
) -> float:
    r"""Return by how much confidence and accuracy differ, in the mean over rows, bin by bin.

    .. math:: E = \sum_{m} \frac{n_m}{N} \left| a_m - c_m \right|

    Bin m has n_m of the N rows, a share a_m of them right, with a mean confidence of c_m.
    0 is best, 1 worst. It depends on the bins: compare only what was measured with the same ones.

    Arguments, errors: as `reliability_curve`.

    >>> from softxent.learn import expected_calibration_error
    >>> probabilities = [[0.9, 0.1], [0.2, 0.8], [0.9, 0.1]]
    >>> round(expected_calibration_error([0, 1, 1], probabilities, n_bins=5), 4)
    0.3333

    Source: Naeini, Cooper and Hauskrecht 2015; Guo et al. 2017, equation 3.
    """
    curve = reliability_curve(y, proba, n_bins, strategy, classes=classes)
    apart = np.abs(curve.accuracy - curve.confidence)[curve.count > 0]
    return float(apart @ curve.count[curve.count > 0] / curve.count.sum())


def brier_score(y: Any, proba: Any, *, classes: Any = None) -> float:
    r"""Return the mean squared distance of the probabilities from the truth.

    .. math:: \text{BS} = \frac{1}{N} \sum_{n} \sum_{k} (y_{nk} - t_{nk})^2

    0 is best, 2 worst: certain, and wrong. (For two classes some authors, and scikit-learn's
    `brier_score_loss`, count one of them only, which is half of this.)

    Arguments, errors: as `reliability_curve`.

    >>> from softxent.learn import brier_score
    >>> round(brier_score([0, 1], [[1.0, 0.0], [0.5, 0.5]]), 4)
    0.25

    Source: Brier 1950, "Verification of forecasts expressed in terms of probability".
    """
    p, target = _checked("brier_score", y, proba, classes)
    apart = np.array(p, np.float64)
    if target.ndim == 2:
        apart -= target
    else:
        apart[np.arange(len(p)), target] -= 1
    return float(np.vdot(apart, apart) / len(p))


def _checked(where: str, y: Any, proba: Any, classes: Any) -> tuple[Array, Array]:
    """Return probabilities (N, V), and class indices (N,) or soft targets (N, V)."""
    p = np.asarray(proba)
    if p.ndim != 2 or p.shape[1] < 2 or len(p) == 0:
        raise error(
            ValueError,
            "probabilities",
            where,
            "proba",
            describe(p),
            "(N, V) probabilities of at least one row and two classes",
            "Pass what predict_proba returns.",
        )
    dtype: Any = p.dtype if p.dtype == np.float32 else np.float64
    p = probabilities(where, p, np.dtype(dtype), "proba")
    labels = np.arange(p.shape[1]) if classes is None else np.asarray(classes)
    if labels.shape != p.shape[1:]:
        raise error(
            ValueError,
            "classes",
            where,
            "classes",
            describe(labels),
            f"a label for each of the {p.shape[1]} columns of proba",
            "Pass estimator.classes_.",
        )
    target = known_targets(where, y, labels, np.dtype(dtype)).target
    if len(target) != len(p):
        raise error(
            ValueError,
            "target-shape",
            where,
            "y",
            f"of {len(target)} rows",
            f"{len(p)}, those of proba",
            "Pass truth and probabilities of the same rows.",
        )
    return p, target
