"""What a classifier learns from: labels of any kind, or a probability for every class."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import sparse
from sklearn.preprocessing import LabelEncoder
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import _check_sample_weight, column_or_1d

from softxent.errors import describe, error
from softxent.learn.layer import Array
from softxent.learn.parameters import check_number

SUM_TOLERANCE = 1e-4  # float32 probabilities that someone else has normalised


@dataclass(frozen=True, slots=True, eq=False)
class Targets:
    """Classes, and each row's class index or its probabilities."""

    classes: Array
    target: Array  # (N,) int64, or (N, V) floats

    @property
    def indices(self) -> Array:
        """(N,) the class of each row; of soft targets the most probable one."""
        return self.target if self.target.ndim == 1 else np.argmax(self.target, axis=1)


def read_targets(where: str, y: object, dtype: np.dtype[np.floating]) -> Targets:
    """Read labels (N,), or probabilities (N, V) with V >= 2, whose classes are 0 ... V-1."""
    if is_soft(y):
        soft = probabilities(where, y, dtype)
        return Targets(np.arange(soft.shape[1]), soft)
    labels = column_or_1d(y, warn=True)
    check_classification_targets(labels)
    encoder = LabelEncoder()
    target = encoder.fit_transform(labels).astype(np.int64)
    if len(encoder.classes_) < 2:
        raise error(
            ValueError,
            "classes",
            where,
            "y",
            f"of one class, {encoder.classes_.tolist()[0]!r}",
            "at least two classes",
            "A classifier has nothing to tell apart here.",
        )
    return Targets(encoder.classes_, target)


def known_targets(where: str, y: object, classes: Array, dtype: np.dtype[np.floating]) -> Targets:
    """Read further targets of classes that are known already."""
    if is_soft(y):
        soft = probabilities(where, y, dtype)
        if soft.shape[1] != len(classes):
            raise error(
                ValueError,
                "classes",
                where,
                "y",
                describe(soft),
                f"one column for each of the {len(classes)} classes",
                "Columns are in the order of classes_.",
            )
        return Targets(classes, soft)
    labels = column_or_1d(y, warn=True)
    order = np.argsort(classes)
    at = np.searchsorted(classes, labels, sorter=order)
    target = order[np.minimum(at, len(classes) - 1)]
    unknown = classes[target] != labels
    if np.any(unknown):
        raise error(
            ValueError,
            "classes",
            where,
            "y",
            f"{labels[unknown].tolist()[0]!r} in row {int(np.argmax(unknown))}",
            f"one of the {len(classes)} classes known",
            "Name all classes at the first call: partial_fit(X, y, classes=...)."
            if where.endswith("partial_fit")
            else f"They are {describe(classes)}: {', '.join(map(str, classes[:5]))} ...",
        )
    return Targets(classes, target.astype(np.int64))


def stream_classes(
    where: str, y: object, classes: object, known: Array | None, dtype: np.dtype[np.floating]
) -> Array:
    """Return the classes that rows in pieces have: those known, as named, or columns of soft y."""
    if known is not None:
        _same_classes(where, classes, known)
        return known
    if classes is not None:
        named: Array = np.unique(np.asarray(classes))
        if len(named) < 2:
            raise error(
                ValueError,
                "classes",
                where,
                "classes",
                f"{len(named)} label" + "s" * (len(named) != 1),
                "at least two",
                "Name all labels that will ever come.",
            )
        return named
    if is_soft(y):
        return read_targets(where, y, dtype).classes
    raise error(
        ValueError,
        "classes",
        where,
        "classes",
        "None",
        "all labels that will ever come, at the first call",
        "partial_fit(X, y, classes=np.unique(all_labels)).",
    )


def _same_classes(where: str, classes: object, known: Array) -> None:
    if classes is not None and not np.array_equal(np.unique(np.asarray(classes)), known):
        raise error(
            ValueError,
            "classes",
            where,
            "classes",
            describe(classes),
            "those of the first call, or None",
            "Fit a new model for other classes.",
        )


def is_soft(y: object) -> bool:
    """Whether y is a matrix of probabilities: two axes and at least two columns."""
    shape: tuple[int, ...] = getattr(y, "shape", None) or np.asarray(y).shape
    return len(shape) == 2 and shape[1] >= 2


def probabilities(
    where: str, y: object, dtype: np.dtype[np.floating], argument: str = "y"
) -> Array:
    """Check soft targets: finite, none negative, each row of sum 1."""
    if sparse.issparse(y):
        raise error(
            TypeError,
            "probabilities",
            where,
            argument,
            "a sparse matrix",
            "a dense one",
            "y.toarray(); or, where each row has one 1, y.argmax(axis=1) as labels.",
        )
    soft = np.ascontiguousarray(np.asarray(y), dtype)
    sums = soft.sum(axis=1, dtype=np.float64)
    wrong = ~(np.abs(sums - 1) <= SUM_TOLERANCE) | (soft < 0).any(axis=1)
    if np.any(wrong):
        row = int(np.argmax(wrong))
        raise error(
            ValueError,
            "probabilities",
            where,
            argument,
            f"{soft[row][:4]} (sum {sums[row]:.6g}) in row {row}",
            "probabilities: none negative, of sum 1 in each row",
            "Divide each row by its sum, or give one label a row.",
        )
    return soft


def row_weights(
    x: object,
    targets: Targets,
    sample_weight: object,
    class_weight: Mapping[Any, float] | str | None,
    where: str = "fit",
) -> Array | None:
    """s_n: the sample weight times that of the row's class (of soft targets, the expected one).

    Float64, (N,); None where all are 1.
    """
    if sample_weight is None and class_weight is None:
        return None
    weight = np.array(_check_sample_weight(sample_weight, x, dtype=np.float64, copy=True))
    check_weights(float(weight.min()), float(weight.sum()), where)
    if class_weight is not None:
        by_class = class_weights(targets, class_weight, weight, where)
        hard = targets.target.ndim == 1
        weight *= by_class[targets.target] if hard else targets.target @ by_class
        check_weights(0.0, float(weight.sum()), where, " times class_weight")
    return weight


def check_weights(least: float, total: float, where: str = "fit", times: str = "") -> None:
    """Raise if some weight is negative, or all are 0."""
    if least < 0 or not total > 0:
        raise error(
            ValueError,
            "sample-weight",
            where,
            "sample_weight" + times,
            f"{least:.6g} in some row" if least < 0 else "0 in every row",
            "no negative weights, and some above 0",
            "Weights count rows: 2 is as if the row stood there twice, 0 as if it did not.",
        )


def class_weights(
    targets: Targets,
    class_weight: Mapping[Any, float] | str,
    weight: Array | None = None,
    where: str = "fit",
) -> Array:
    """(V,) weights: "balanced", or those of a dict, 1 for classes that it leaves out."""
    n_classes = len(targets.classes)
    if isinstance(class_weight, str) and class_weight == "balanced":
        if targets.target.ndim == 1:
            return balanced(np.bincount(targets.target, weight, n_classes))
        s = np.ones(len(targets.target)) if weight is None else weight
        return balanced(s @ targets.target)
    if not isinstance(class_weight, Mapping):
        raise error(
            ValueError,
            "parameter",
            where,
            "class_weight",
            describe(class_weight),
            "None, 'balanced' or a dict from label to weight",
            "Classes that a dict leaves out have weight 1.",
        )
    at = {label: k for k, label in enumerate(targets.classes.tolist())}
    weights = np.ones(n_classes)
    for label, value in class_weight.items():
        if label not in at:
            raise error(
                ValueError,
                "parameter",
                where,
                "class_weight",
                f"for a label {label!r:.60}",
                f"labels among the {n_classes} classes",
                "Take it out of the dict.",
            )
        check_number(where, f"class_weight[{label!r:.60}]", value, 0)
        weights[at[label]] = value
    return weights


def balanced(counts: Array) -> Array:
    """N / (V N_k) for N_k rows of each class, or the sums of their weights; 0 for an empty one."""
    weights = np.zeros(len(counts))
    np.divide(counts.sum(), len(counts) * counts, out=weights, where=counts > 0)
    return weights


def refuse_balanced(where: str, class_weight: object) -> None:
    """Raise where rows come in pieces and class_weight asks for the counts of all."""
    if isinstance(class_weight, str) and class_weight == "balanced":
        raise error(
            ValueError,
            "parameter",
            where,
            "class_weight",
            "'balanced'",
            "None or a dict from label to weight",
            "Count all labels first: weight N / (V N_k) for each class k.",
        )
