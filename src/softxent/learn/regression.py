r"""Softmax (multinomial logistic) regression, from 2 classes to a million."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np
from scipy import sparse
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.exceptions import ConvergenceWarning

from softxent.kernels.budget import parse_memory
from softxent.learn.dask import fit as fit_partitions
from softxent.learn.dask import is_dask
from softxent.learn.layer import Array, Layer
from softxent.learn.objective import Objective
from softxent.learn.parameters import (
    check_choice,
    check_count,
    check_dtype,
    check_number,
    threads,
)
from softxent.learn.parts import DensePart, Part, SparsePart
from softxent.learn.predictions import Predictions
from softxent.learn.progress import iterations
from softxent.learn.scales import Scales
from softxent.learn.sgd import Descent
from softxent.learn.solvers import SOLVERS, Solution, solve
from softxent.learn.targets import (
    known_targets,
    read_targets,
    refuse_balanced,
    row_weights,
    stream_classes,
)


class SoftmaxRegression(Predictions, ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    r"""Multinomial logistic regression: softmax of a linear layer, cross-entropy, L2 penalty.

    .. math:: F = \frac{\sum_{n} s_n C_n}{\sum_{n} s_n}
              + \frac{\alpha}{2} \sum_{o} \sum_{d} W_{od}^2

    C_n is the cross-entropy of row n, s_n its sample weight times its class weight. The N x V
    logits are never held: training takes `max_memory` beside data, weights and the optimiser's
    some 25 copies of the weights.

    Arguments:
        alpha: strength of the L2 penalty, >= 0; the intercept is not penalised. scikit-learn's
            `LogisticRegression(C=...)` has the same optimum at alpha = 1 / (C sum_n s_n), that is
            1 / (C N) without weights. The default is small: 1e-4.
        fit_intercept: whether to learn b.
        class_weight: None, "balanced", or a dict from label to weight.
        label_smoothing: eps in [0, 1]: the target becomes (1 - eps) t + eps / V.
        solver: "lbfgs", "newton-cg" (trust region, with exact Hessian-vector products), or "auto",
            which is "lbfgs". Both work in coordinates scaled by the curvature (see objective.py).
        tol: done when no entry of the gradient by W and b exceeds it.
        max_iter: at most so many iterations of the solver.
        warm_start: begin at the weights of the fit before.
        dtype: "float32" or "float64" to compute in; None is that of X, float64 for integers.
        max_memory: bytes for the logits at a time, an integer or text such as "64MiB".
        batch_size: rows in a step of `partial_fit`, fewer where max_memory holds fewer.
        n_threads: threads of our kernels; None leaves `softxent.get_num_threads()`.
        verbose: whether to show a progress bar on stderr.
        random_state: accepted as every scikit-learn classifier does; nothing here is random.

    Attributes:
        classes_ (V,), coef_ (V, D) and intercept_ (V,), or (1, D) and (1,) for two classes, whose
        logits are (0, z); n_iter_ (1,); loss_curve_: F at the start and after each iteration, or
        the mean loss of each `partial_fit`; n_features_in_, feature_names_in_.

    Accuracy: the loss and its derivatives are those of `softxent.linear_cross_entropy`.

    Source: `softxent.formula`, "soft-mean", "linear-weight-gradient", "linear-bias-gradient".

    >>> from sklearn.datasets import load_iris
    >>> from softxent.learn import SoftmaxRegression
    >>> model = SoftmaxRegression(alpha=1e-3).fit(*load_iris(return_X_y=True))
    >>> model.predict([[5.1, 3.5, 1.4, 0.2]]), model.coef_.shape
    (array([0]), (3, 4))
    """

    classes_: Array
    coef_: Array
    intercept_: Array
    loss_curve_: list[float]
    n_iter_: Array

    def __init__(
        self,
        alpha: float = 1e-4,
        *,
        fit_intercept: bool = True,
        class_weight: Mapping[object, float] | str | None = None,
        label_smoothing: float = 0.0,
        solver: str = "auto",
        tol: float = 1e-4,
        max_iter: int = 1000,
        warm_start: bool = False,
        dtype: str | None = None,
        max_memory: int | str = "64MiB",
        batch_size: int = 256,
        n_threads: int | None = None,
        verbose: bool = False,
        random_state: object = None,
    ) -> None:
        self.alpha = alpha
        self.fit_intercept = fit_intercept
        self.class_weight = class_weight
        self.label_smoothing = label_smoothing
        self.solver = solver
        self.tol = tol
        self.max_iter = max_iter
        self.warm_start = warm_start
        self.dtype = dtype
        self.max_memory = max_memory
        self.batch_size = batch_size
        self.n_threads = n_threads
        self.verbose = verbose
        self.random_state = random_state

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> SoftmaxRegression:
        """Learn from all rows at once, to the optimum.

        Arguments:
            X: (N, D) dense (memory-mapped too) or sparse; float32 or float64, others are converted.
                A dask.array is fitted where its partitions are (see dask.py).
            y: (N,) labels of any kind, or (N, V) probabilities of the classes 0 ... V-1.
            sample_weight: (N,) how much each row counts, >= 0; None is 1.

        Raises:
            ValueError: NaN or infinity in X, shapes that do not fit, fewer than two classes, a
                parameter outside its range. TypeError: a parameter of the wrong type.

        Warns:
            ConvergenceWarning: max_iter was not enough; it says what to change.
        """
        if is_dask(X):
            return fit_partitions(self, X, y, sample_weight)
        where = "SoftmaxRegression.fit"
        budget = self._check(where)
        X, y = self._validated(X, y, reset=True)
        targets = read_targets(where, y, X.dtype)
        weight = row_weights(X, targets, sample_weight, self.class_weight, where)
        with threads(where, self.n_threads, float(np.prod(X.shape)) * len(targets.classes)):
            return self._fit_part(self._part(X, targets.target, weight, budget), targets.classes)

    def partial_fit(
        self, X: Any, y: Any, classes: Any = None, sample_weight: Any = None
    ) -> SoftmaxRegression:
        """Learn from some rows, going on from what was learned before: one pass, in mini-batches.

        Arguments:
            X, y, sample_weight: as `fit`.
            classes: (V,) all labels that will ever come; needed at the first call, unless y holds
                probabilities.

        The step length falls as the steps go on; the largest safe one is found from the rows.
        """
        where = "SoftmaxRegression.partial_fit"
        budget = self._check(where)
        refuse_balanced(where, self.class_weight)
        X, y = self._validated(X, y, reset=not hasattr(self, "coef_"))
        known = self.classes_ if hasattr(self, "coef_") else None
        classes = stream_classes(where, y, classes, known, X.dtype)
        targets = known_targets(where, y, classes, X.dtype)
        weight = row_weights(X, targets, sample_weight, self.class_weight, where)
        with threads(where, self.n_threads, float(np.prod(X.shape)) * len(classes)):
            descent = getattr(self, "_descent", None) or self._begin(X, len(classes), budget)
            descent.alpha, descent.label_smoothing = self.alpha, self.label_smoothing
            descent.batch_size, descent.budget = self.batch_size, budget
            loss = descent.learn(
                X.astype(descent.layer.weight.dtype, copy=False), targets.target, weight
            )
        if known is None:
            self.loss_curve_, self.n_iter_ = [], np.zeros(1, np.int32)
        self._descent, self.classes_ = descent, classes
        self.loss_curve_.append(loss)
        self.n_iter_ = self.n_iter_ + 1
        self._publish(descent.layer)
        return self

    def _begin(self, X: Any, n_classes: int, budget: int) -> Descent:
        if hasattr(self, "coef_"):  # goes on from a fit
            layer = self._layer()
        else:
            weight = np.zeros((n_classes, X.shape[1]), X.dtype, order="F")
            layer = Layer(weight, np.zeros(n_classes, X.dtype))
        return Descent(
            layer,
            self.fit_intercept,
            self.alpha,
            self.label_smoothing,
            self.batch_size,
            budget,
            Scales(X.shape[1], centred=self.fit_intercept and not sparse.issparse(X)),
        )

    def _fit_part(self, part: Part, classes: Array) -> SoftmaxRegression:
        """Minimise over the rows of a part, and keep what was learned."""
        objective = Objective(part, len(classes), self.alpha, self.fit_intercept)
        with iterations(self.verbose, self.max_iter) as watch:
            solution = solve(
                objective,
                self._start(objective, classes),
                solver=self.solver,
                tol=self.tol,
                max_iter=self.max_iter,
                watch=watch,
            )
        self.classes_ = classes
        theta = solution.theta.astype(part.dtype)
        self.coef_ = np.ascontiguousarray(theta[:, : part.shape[1]])
        self.intercept_ = (
            theta[:, -1].copy() if self.fit_intercept else np.zeros(len(theta), part.dtype)
        )
        self.n_iter_ = np.array([solution.n_iter], np.int32)
        self.loss_curve_ = solution.losses
        self.__dict__.pop("_descent", None)
        _warn(self, solution)
        return self

    def _start(self, objective: Objective, classes: Array) -> Array:
        start = np.zeros(objective.shape)
        features = objective.part.shape[1]
        if (
            self.warm_start
            and hasattr(self, "coef_")
            and self.coef_.shape[1] == features
            and np.array_equal(self.classes_, classes)
        ):
            start[:, :features] = self.coef_
            if self.fit_intercept:
                start[:, -1] = self.intercept_
        return start

    def _logits(self, X: Any) -> Array:
        z: Array = np.asarray(X @ self.coef_.T.astype(X.dtype, copy=False))
        z += self.intercept_.astype(X.dtype, copy=False)
        return z

    def _layer(self) -> Layer:
        """All classes' W (V, D) and b (V,), newly made: of two classes, the first one's are 0."""
        rows = len(self.classes_)
        weight = np.zeros((rows, self.coef_.shape[1]), self.coef_.dtype, order="F")
        bias = np.zeros(rows, self.coef_.dtype)
        weight[-len(self.coef_) :], bias[-len(self.coef_) :] = self.coef_, self.intercept_
        return Layer(weight, bias)

    def _part(self, X: Any, target: Array, weight: Array | None, budget: int) -> Part:
        if sparse.issparse(X):
            return SparsePart(X, target, weight, self.label_smoothing, budget)
        return DensePart(X, target, weight, self.label_smoothing, budget)

    def _publish(self, layer: Layer) -> None:
        learned = slice(1, None) if len(self.classes_) == 2 else slice(None)
        self.coef_, self.intercept_ = layer.weight[learned], layer.bias[learned]

    def _check(self, where: str) -> int:
        """Check the parameters; return the budget in bytes."""
        check_number(where, "alpha", self.alpha, 0)
        check_number(where, "label_smoothing", self.label_smoothing, 0, 1)
        check_choice(where, "solver", self.solver, SOLVERS)
        check_number(where, "tol", self.tol, 0)
        check_count(where, "max_iter", self.max_iter, 0)
        check_count(where, "batch_size", self.batch_size)
        check_dtype(where, self.dtype)
        return parse_memory(where, self.max_memory)


def _warn(model: SoftmaxRegression, solution: Solution) -> None:
    if solution.converged:
        return
    norm = (
        f"the largest entry of the gradient is {solution.gradient_norm:.2g}, tol is {model.tol:.2g}"
    )
    if solution.stalled:
        finer = ""
        if model.coef_.dtype == np.float32:
            finer = ", or fit in dtype='float64'"
        message = (
            f"SoftmaxRegression stopped after {solution.n_iter} iterations, where rounding leaves "
            f"nothing to gain: {norm}. Raise tol{finer}."
        )
    else:
        message = (
            f"SoftmaxRegression reached max_iter={model.max_iter}: {norm}. Raise max_iter or tol, "
            "or, if classes can be told apart without an error and weights grow without end, alpha."
        )
    warnings.warn(message, ConvergenceWarning, stacklevel=4)
