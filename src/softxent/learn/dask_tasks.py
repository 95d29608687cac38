"""What a fit of `dask.py` runs where the partitions are."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from scipy import sparse
from sklearn.utils import check_array
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import column_or_1d

import softxent
from softxent.learn.layer import Array
from softxent.learn.parts import DensePart, Part, SparsePart, Sums
from softxent.learn.scales import check_features
from softxent.learn.targets import is_soft, known_targets, probabilities

WHERE = "SoftmaxRegression.fit"


class Look(NamedTuple):
    """What has to be known of each partition before the classes are."""

    number: int
    rows: int
    features: int
    dtype: np.dtype[Any]
    columns: int  # of soft targets; 0 for labels
    labels: Array
    counts: Array  # rows of each label, or the sum of each column, weighted
    least_weight: float
    weight: float


class Block(NamedTuple):
    """A partition, checked."""

    number: int
    x: Any
    y: Array
    weight: Array | None


def read(number: int, x: Any, y: Any, weight: Any, dtypes: Any, n_threads: int) -> Block:
    """Check the arrays of a partition."""
    _use_threads(n_threads)
    try:
        none = {"ensure_min_samples": 0}  # a partition may be empty
        x = check_array(x, accept_sparse="csr", dtype=dtypes, order="C", input_name="X", **none)
        check_features(WHERE, x)
        y = probabilities(WHERE, y, x.dtype) if is_soft(y) else column_or_1d(y)
        if y.ndim == 1 and len(y):
            check_classification_targets(y)
        if weight is not None:
            weight = check_array(
                weight, dtype=np.float64, ensure_2d=False, input_name="sample_weight", **none
            )
            weight = column_or_1d(weight)
            if len(weight) != x.shape[0]:
                raise ValueError(f"X has {x.shape[0]} rows, sample_weight has {len(weight)}")
        if len(y) != x.shape[0]:
            raise ValueError(f"X has {x.shape[0]} rows, y has {len(y)}")
    except ValueError as exc:
        raise ValueError(f"{WHERE}: in partition {number}: {exc}") from None
    return Block(number, x, y, weight)


def look(block: Block) -> Look:
    """Count what all partitions have to agree on."""
    number, x, y, weight = block
    counts: Array
    if y.ndim == 1:
        labels, at = np.unique(y, return_inverse=True)
        counts = np.bincount(at, weight, len(labels))
    else:
        labels = np.arange(y.shape[1])
        counts = (np.ones(len(y)) if weight is None else weight) @ y
    columns = y.shape[1] if y.ndim == 2 else 0
    least = 0.0 if weight is None else float(weight.min(initial=0.0))
    total = float(len(y) if weight is None else weight.sum())
    rows, features = x.shape
    return Look(number, rows, features, x.dtype, columns, labels, counts, least, total)


def make_part(
    block: Block,
    classes: Array,
    by_class: Array | None,
    dtype: np.dtype[Any],
    label_smoothing: float,
    budget: int,
) -> Part:
    """Name classes by their index among those of all partitions, and weigh the rows."""
    target = known_targets(WHERE, block.y, classes, dtype).target
    weight = block.weight
    if by_class is not None:
        weight = np.ones(len(target)) if weight is None else weight
        weight = weight * (by_class[target] if target.ndim == 1 else target @ by_class)
    kind: Callable[..., Part] = SparsePart if sparse.issparse(block.x) else DensePart
    return kind(block.x.astype(dtype, copy=False), target, weight, label_smoothing, budget)


def total_weight(part: Part) -> float:
    """sum_n s_n."""
    return part.total_weight


def ask(part: Part, what: str, *arguments: Any) -> Any:
    """Return what a part answers."""
    return getattr(part, what)(*arguments)


def add(answers: list[Any]) -> Any:
    """Return the sum of answers: numbers, arrays, layers or `Sums`."""
    first, *others = answers
    for other in others:
        if isinstance(first, Sums):
            first = Sums(first.loss + other.loss, first.gradient + other.gradient)
        else:
            first = first + other
    return first


def _use_threads(n_threads: int) -> None:
    """Set the threads of our kernels on a worker; the BLAS's are what Dask has set, one."""
    distributed: Any = sys.modules.get("distributed")  # a worker has it
    try:
        if distributed is None or distributed.get_worker() is None:
            return
    except ValueError:  # no worker: fit itself has set them, and sets them back
        return
    softxent.set_num_threads(n_threads)
