"""Softmax regression on rows in several places: a fit whose partitions stay where they are.

    model = SoftmaxRegression().fit(x, y)    # x, y: dask.array

Each step of the optimiser sends the weights to where the partitions are and gets the sum of their
losses and gradients back; the optimiser itself runs here. Since the sums over parts are the sum
over the whole, the optimum is that of a fit on one machine; sums are taken in a fixed tree, so the
result does not depend on how many workers there are, nor on which is faster.

Why Dask: it is Python alone, its arrays are what `fit` takes anyway, and its scheduler keeps the
graph that a partition came from. So it loads a lost partition again by itself, which is all that a
fit needs to survive: no state lives on the workers but the rows.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import numpy as np

from softxent.errors import describe, error
from softxent.learn import dask_tasks as tasks
from softxent.learn.dask_tasks import WHERE, Look
from softxent.learn.layer import Array, Layer
from softxent.learn.parameters import threads
from softxent.learn.parts import Sums
from softxent.learn.targets import (
    Targets,
    balanced,
    check_weights,
    class_weights,
    known_targets,
    read_targets,
)

if TYPE_CHECKING:
    from softxent.learn.regression import SoftmaxRegression

FAN_IN = 8  # results that one task adds up


def is_dask(x: object) -> bool:
    """Whether x is a collection of Dask, which is not imported for that."""
    return type(x).__module__.partition(".")[0] == "dask"


def fit(model: SoftmaxRegression, X: Any, y: Any, sample_weight: Any = None) -> SoftmaxRegression:
    """Fit a SoftmaxRegression to Dask arrays; `SoftmaxRegression.fit` calls it for them.

    It is part of `fit`, not a function to look for, because scikit-learn would take a Dask array
    for something to load whole: where the data outgrow the machine, that call would end it.

    It runs where Dask runs: on the workers of the `distributed.Client` that is active, else in
    threads of this process. Our kernels take `n_threads` threads in each task, one unless said
    otherwise: partitions are what runs side by side.

    Memory: of the workers, their rows, `max_memory` for each task, and the weights; here, the
    optimiser's copies of the weights. Rows never come here; Dask may copy a small partition to a
    worker that has nothing to do.

    When a worker dies, its partitions are loaded anew by others, and the fit goes on. That needs
    that they can be: files that every worker reads, seeded random numbers, arrays in the graph.
    What was once sent to a worker and is nowhere else (`client.scatter` without `broadcast`) is
    lost, and the fit ends with an error of Dask's.

    A step costs a few milliseconds for each partition, whatever it holds (measured: 4 ms of a
    worker's processor): take partitions of some ten MB, not of some ten kB.

    To predict where the rows are: `x.map_blocks(model.predict, drop_axis=1, dtype=...)`.

    Arguments:
        model: the estimator; parameters mean what they mean on one machine.
        X: (N, D) dask.array, of dense or of scipy.sparse blocks; any chunks of rows.
        y: (N,) labels or (N, V) probabilities, dask.array or in memory. Each partition may have
            some of the classes; there are those of all.
        sample_weight: (N,), dask.array or in memory, or None.

    Raises:
        As `SoftmaxRegression.fit`, with the number of the partition.

    >>> import dask.array as da
    >>> from softxent.learn import SoftmaxRegression
    >>> x = da.random.default_rng(0).normal(size=(1000, 3), chunks=(100, 3))
    >>> model = SoftmaxRegression(alpha=0.01).fit(x, x.sum(axis=1) > 0)
    >>> bool(model.score(x[:100].compute(), x[:100].sum(axis=1).compute() > 0) > 0.95)
    True
    """
    dask = _dask()
    budget = model._check(WHERE)
    n_threads = int(model.n_threads or 1)
    with _quiet(), threads(WHERE, n_threads):
        read, look_at, make_part = (_later(f) for f in (tasks.read, tasks.look, tasks.make_part))
        blocks = dask.persist(
            *(
                read(number, *arrays, model._dtypes(), n_threads)
                for number, arrays in enumerate(_partitions(X, y, sample_weight))
            )
        )
        looks: list[Look] = dask.compute([look_at(block) for block in blocks])[0]
        blocks = [block for block, look in zip(blocks, looks, strict=True) if look.rows]
        looks = [look for look in looks if look.rows]
        dtype, classes, by_class = _agreed(looks, model.class_weight)
        same = (_sent(classes), _sent(by_class), dtype, model.label_smoothing, budget)
        parts = list(dask.persist(*(make_part(block, *same) for block in blocks)))
        del blocks  # the parts have the rows now
        totals = dask.compute([_later(tasks.total_weight)(part) for part in parts])[0]
        check_weights(0.0, sum(totals), WHERE, " times class_weight")
        model.__dict__.pop("feature_names_in_", None)
        model.n_features_in_ = looks[0].features
        shape = (sum(look.rows for look in looks), looks[0].features)
        return model._fit_part(Partitions(parts, shape, dtype, sum(totals)), classes)


@dataclass(frozen=True, slots=True, eq=False)
class Partitions:
    """Rows in partitions, each a DensePart or SparsePart on some worker: a `Part` of parts."""

    parts: list[Any]
    shape: tuple[int, int]
    dtype: np.dtype[Any]
    total_weight: float

    def class_totals(self, n_classes: int) -> Array:
        """(V,) sum_n s_n t_nk."""
        totals: Array = self._sum("class_totals", n_classes)
        return totals

    def loss_and_gradient(self, layer: Layer) -> Sums:
        """sum_n s_n C_n, and its gradient by W and b."""
        sums: Sums = self._sum("loss_and_gradient", layer)
        return sums

    def hessian_vector(self, layer: Layer, direction: Layer) -> Layer:
        """The Hessian by W and b together, times a direction."""
        product: Layer = self._sum("hessian_vector", layer, direction)
        return product

    def second_moments(self, whole: bool, layer: Layer | None) -> Array:
        """sum_n s_n c_n (x_n, 1)(x_n, 1)ᵀ."""
        moments: Array = self._sum("second_moments", whole, layer)
        return moments

    def _sum(self, what: str, *arguments: Any) -> Any:
        """Of what every part answers, the sum, added up FAN_IN at a time where the answers are."""
        # Tasks of the graph, not data sent beforehand: whoever dies, the scheduler has them still
        sent = [_sent(one) for one in arguments]
        ask, add = _later(tasks.ask), _later(tasks.add)
        answers = [ask(part, what, *sent) for part in self.parts]
        while len(answers) > 1:
            answers = [add(answers[i : i + FAN_IN]) for i in range(0, len(answers), FAN_IN)]
        return _dask().compute(answers[0], optimize_graph=False)[0]


def _partitions(X: Any, y: Any, sample_weight: Any) -> list[tuple[Any, Any, Any]]:
    """Return (x, y, weight) of each partition, yet to be computed."""
    da: Any = importlib.import_module("dask.array")
    if not isinstance(X, da.Array) or X.ndim != 2:
        raise error(
            TypeError,
            "array-type",
            WHERE,
            "X",
            describe(X),
            "a dask.array (N, D)",
            "Of a dask.dataframe: X.to_dask_array(lengths=True).",
        )
    X = X if X.numblocks[1] == 1 else X.rechunk({1: -1})
    columns = [X.to_delayed().ravel().tolist()]
    for name, values in (("y", y), ("sample_weight", sample_weight)):
        if values is None:
            columns.append([None] * X.numblocks[0])
            continue
        known = not np.isnan(X.chunks[0]).any()
        if not isinstance(values, da.Array):
            values = np.asarray(values)
            values = da.from_array(values, chunks=-1) if known else values
        fits = values.shape[0] == X.shape[0] if known else True
        if known and fits and not np.isnan(values.chunks[0]).any():
            values = values.rechunk({0: X.chunks[0], **{i: -1 for i in range(1, values.ndim)}})
        elif not isinstance(values, da.Array) or values.numblocks[0] != X.numblocks[0] or not fits:
            raise error(
                ValueError,
                "target-shape",
                WHERE,
                name,
                describe(values),
                f"as many rows as X, {describe(X)}",
                "Where lengths are unknown: compute_chunk_sizes(), or equally many partitions.",
            )
        columns.append(values.to_delayed().ravel().tolist())
    return list(zip(*columns, strict=True))


def _agreed(looks: Sequence[Look], class_weight: Any) -> tuple[np.dtype[Any], Array, Array | None]:
    """The dtype, the classes and their weights of all partitions together."""
    first = looks[0] if looks else None
    if first is None:
        raise error(
            ValueError, "empty", WHERE, "X", "without a row", "some rows", "Look at its filters."
        )
    for look in looks:
        if (look.features, look.columns) != (first.features, first.columns):
            raise error(
                ValueError,
                "linear-shape",
                WHERE,
                f"partition {look.number}",
                f"of {look.features} features and {look.columns} columns of y",
                f"{first.features} and {first.columns}, as in partition {first.number}",
                "All partitions have the same columns.",
            )
    least = min(look.least_weight for look in looks)
    check_weights(least, float(sum(look.weight for look in looks)), WHERE)
    dtype: np.dtype[Any] = np.result_type(*(look.dtype for look in looks))
    if first.columns:
        classes = np.arange(first.columns)
    else:
        every = np.concatenate([look.labels for look in looks])
        classes = read_targets(WHERE, every, dtype).classes
    if class_weight is None:
        return dtype, classes, None
    if isinstance(class_weight, str) and class_weight == "balanced":
        counts = np.zeros(len(classes))
        for look in looks:
            at = known_targets(WHERE, look.labels, classes, dtype).target
            np.add.at(counts, at, look.counts)
        return dtype, classes, balanced(counts)
    return (
        dtype,
        classes,
        class_weights(Targets(classes, np.arange(len(classes))), class_weight, None, WHERE),
    )


# Dask's words for it


def _later(function: Callable[..., Any]) -> Any:
    """The function as one whose call is a task."""
    return _dask().delayed(function, pure=False, traverse=False)


def _sent(value: Any) -> Any:
    """A value as a task, so that it travels once to each worker."""
    return _dask().delayed(value, name=f"softxent-{uuid4().hex}", traverse=False)


def _quiet() -> AbstractContextManager[object]:
    """No warning that a graph is large: the weights go out with each step, and are meant to."""
    if "distributed" not in sys.modules:  # its settings are not read yet: leave them so
        return nullcontext()
    quiet: AbstractContextManager[object] = _dask().config.set(
        {"distributed.admin.large-graph-warning-threshold": "1TB"}
    )
    return quiet


def _dask() -> Any:
    return importlib.import_module("dask")
