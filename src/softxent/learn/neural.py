"""A neural network with a softmax output, as a scikit-learn classifier."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any

import numpy as np
from scipy import sparse
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import train_test_split
from sklearn.utils import check_random_state, gen_batches

from softxent.errors import describe, error
from softxent.kernels.budget import parse_memory
from softxent.learn.adam import Adam
from softxent.learn.layer import Array, Layer
from softxent.learn.network import ACTIVATIONS, Network, new_network
from softxent.learn.parameters import (
    check_choice,
    check_count,
    check_dtype,
    check_number,
    threads,
)
from softxent.learn.predictions import Predictions
from softxent.learn.progress import iterations
from softxent.learn.scales import Scales
from softxent.learn.targets import (
    known_targets,
    read_targets,
    refuse_balanced,
    row_weights,
    stream_classes,
)
from softxent.learn.training import AT_ONCE, SOLVERS, Plan, Rows, epoch, train


class NeuralClassifier(Predictions, ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """A network of hidden layers with a softmax output, trained by its cross-entropy.

    The mean loss of the rows plus alpha / 2 times the sum of all squared weights (biases are free),
    for features scaled to mean 0 and variance 1; the scaling is folded into the first layer in the
    end, so `coefs_` belong to the features as given. Sparse X is scaled but not centred.

    Arguments:
        hidden: how many neurons each hidden layer has, from the input on; () is softmax regression.
        activation: "tanh" or "relu" of the hidden layers.
        alpha: strength of the L2 penalty, >= 0.
        solver: "lbfgs" (all rows at once; best where they are few), "adam" (mini-batches), or
            "auto": lbfgs for at most 10 000 rows and 100 000 parameters.
        learning_rate: of Adam, > 0.
        batch_size: rows in a mini-batch of Adam.
        max_iter: at most so many epochs of Adam, or iterations of L-BFGS.
        tol, n_iter_no_change: done when the loss has not fallen by tol in so many of them.
        early_stopping: whether to hold `validation_fraction` of the rows out, judge by their loss,
            and go back to the best.
        class_weight, label_smoothing, warm_start, dtype, n_threads, verbose, max_memory: as in
            `SoftmaxRegression`.
        random_state: an integer fixes initial weights, order and what is held out.

    Attributes:
        classes_ (V,), coefs_ and intercepts_ (a list each, layer by layer, (in, out) and (out,), as
        in scikit-learn's MLPClassifier), n_iter_, loss_curve_, validation_loss_curve_ (early
        stopping only), n_features_in_, feature_names_in_.

    Source: network.py; `softxent.formula`, "gradient-normalised".

    >>> from sklearn.datasets import make_moons
    >>> from softxent.learn import NeuralClassifier
    >>> x, y = make_moons(400, noise=0.2, random_state=0)
    >>> model = NeuralClassifier(hidden=(16,), alpha=1e-3, random_state=0).fit(x, y)
    >>> bool(model.score(x, y) > 0.95)
    True
    """

    classes_: Array
    n_iter_: int
    loss_curve_: list[float]
    validation_loss_curve_: list[float]
    _scaling: tuple[Array, Array]
    _stream: tuple[Network, Adam, np.random.RandomState]  # of partial_fit

    def __init__(
        self,
        hidden: Sequence[int] = (64,),
        *,
        activation: str = "tanh",
        alpha: float = 1e-4,
        solver: str = "auto",
        learning_rate: float = 3e-3,
        batch_size: int = 128,
        max_iter: int = 200,
        tol: float = 1e-4,
        n_iter_no_change: int = 10,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        class_weight: Mapping[object, float] | str | None = None,
        label_smoothing: float = 0.0,
        warm_start: bool = False,
        dtype: str | None = None,
        max_memory: int | str = "64MiB",
        n_threads: int | None = None,
        verbose: bool = False,
        random_state: object = None,
    ) -> None:
        self.hidden = hidden
        self.activation = activation
        self.alpha = alpha
        self.solver = solver
        self.learning_rate = learning_rate
        self.batch_size = batch_size
        self.max_iter = max_iter
        self.tol = tol
        self.n_iter_no_change = n_iter_no_change
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.class_weight = class_weight
        self.label_smoothing = label_smoothing
        self.warm_start = warm_start
        self.dtype = dtype
        self.max_memory = max_memory
        self.n_threads = n_threads
        self.verbose = verbose
        self.random_state = random_state

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> NeuralClassifier:
        """Learn from all rows; arguments, errors and warnings as `SoftmaxRegression.fit`."""
        where = "NeuralClassifier.fit"
        self._check(where)
        X, y = self._validated(X, y, reset=True)
        targets = read_targets(where, y, X.dtype)
        s = row_weights(X, targets, sample_weight, self.class_weight, where)
        s = np.ones(X.shape[0]) if s is None else s
        random = check_random_state(self.random_state)
        scales = _scales(X, s)
        go_on = self.warm_start and np.array_equal(getattr(self, "classes_", ()), targets.classes)
        network = self._network(X, len(targets.classes), scales, random, go_on)
        kept, held_out = self._split(targets.indices, s, random)
        rows = Rows(X, targets.target, s, *scales)
        if held_out is not None:
            rows, judged = (
                Rows(X[part], targets.target[part], s[part], *scales) for part in (kept, held_out)
            )
        else:
            judged = None
        with (
            threads(where, self.n_threads, _work(X, network)),
            iterations(self.verbose, self.max_iter) as watch,
        ):
            training = train(network, rows, judged, self._plan(), random, watch)
        self._publish(network, scales)
        self.classes_ = targets.classes
        self.loss_curve_, self.n_iter_ = training.losses, len(training.losses)
        self.__dict__.pop("_stream", None)
        self.__dict__.pop("validation_loss_curve_", None)
        if judged is not None:
            self.validation_loss_curve_ = training.validation_losses
        if not training.converged:
            warnings.warn(
                f"NeuralClassifier reached max_iter={self.max_iter} while its loss was still "
                "falling. Raise max_iter, or tol, or use early_stopping=True.",
                ConvergenceWarning,
                stacklevel=2,
            )
        return self

    def partial_fit(
        self, X: Any, y: Any, classes: Any = None, sample_weight: Any = None
    ) -> NeuralClassifier:
        """One epoch of Adam over some rows, going on from before; scales are those of the first.

        Arguments: as `SoftmaxRegression.partial_fit`.
        """
        where = "NeuralClassifier.partial_fit"
        self._check(where)
        refuse_balanced(where, self.class_weight)
        first = not hasattr(self, "coefs_")
        X, y = self._validated(X, y, reset=first)
        classes = stream_classes(where, y, classes, None if first else self.classes_, X.dtype)
        targets = known_targets(where, y, classes, X.dtype)
        s = row_weights(X, targets, sample_weight, self.class_weight, where)
        s = np.ones(X.shape[0]) if s is None else s
        scales = _scales(X, s, constant=1.0) if first else self._scaling
        if hasattr(self, "_stream"):
            network, adam, random = self._stream
        else:
            random = check_random_state(self.random_state)
            network = self._network(X, len(classes), scales, random, go_on=not first)
            adam = Adam(self.learning_rate)
        rows = Rows(X, targets.target, s, *scales)
        with threads(where, self.n_threads, _work(X, network)):
            loss = epoch(network, rows, self._plan(), adam, random)
        if first:
            self.loss_curve_, self.n_iter_ = [], 0
        self._stream, self.classes_ = (network, adam, random), classes
        self._publish(network, scales)
        self.loss_curve_.append(loss)
        self.n_iter_ += 1
        return self

    def _logits(self, X: Any) -> Array:
        layers = [
            Layer(coef.T.astype(X.dtype, copy=False), intercept.astype(X.dtype, copy=False))
            for coef, intercept in zip(self.coefs_, self.intercepts_, strict=True)
        ]
        network = Network(layers, self.activation)
        z = np.empty((X.shape[0], len(layers[-1].bias)), X.dtype)
        for rows in gen_batches(X.shape[0], AT_ONCE):  # hidden layers of so many rows at a time
            z[rows] = network.logits(X[rows])
        return z[:, 1:] - z[:, :1] if z.shape[1] == 2 else z

    def _network(
        self,
        X: Any,
        n_classes: int,
        scales: tuple[Array, Array],
        random: np.random.RandomState,
        go_on: bool,
    ) -> Network:
        """A new network, or to go on the one learned before, for features that are scaled."""
        sizes = [X.shape[1], *self.hidden, n_classes]
        if go_on and self._sizes() == sizes:
            mean, scale = scales
            pairs = zip(self.coefs_, self.intercepts_, strict=True)
            layers = [Layer(coef.T.copy(), intercept.copy()) for coef, intercept in pairs]
            given = layers[0].weight
            weight = np.divide(given, scale, out=np.zeros_like(given), where=scale > 0)
            layers[0] = Layer(weight, (layers[0].bias + given @ mean).astype(given.dtype))
            return Network(layers, self.activation)
        return new_network(sizes, self.activation, random, X.dtype)

    def _publish(self, network: Network, scales: tuple[Array, Array]) -> None:
        """Fold the scaling into the first layer: W x~ + b = (W scale) x + b - (W scale) mean."""
        self._scaling = mean, scale = scales
        first, *others = network.layers
        weight = (first.weight * scale).astype(first.weight.dtype)
        bias = (first.bias - weight @ mean).astype(first.bias.dtype)
        layers = [Layer(weight, bias), *others]
        self.coefs_ = [layer.weight.T.copy() for layer in layers]
        self.intercepts_ = [layer.bias.copy() for layer in layers]

    def _split(
        self, indices: Array, s: Array, random: np.random.RandomState
    ) -> tuple[Array, Array | None]:
        """Rows to train on, and rows held out: of each class the same share where it has enough."""
        counting = np.flatnonzero(s)
        if not self.early_stopping:
            return counting, None
        indices = indices[counting]
        counts = np.unique(indices, return_counts=True)[1]
        n_held = int(np.ceil(self.validation_fraction * len(counting)))
        stratified = counts.min() >= 2 and n_held >= len(counts) <= len(counting) - n_held
        kept, held_out = train_test_split(
            counting,
            test_size=n_held,
            stratify=indices if stratified else None,
            random_state=random,
        )
        return kept, held_out

    def _sizes(self) -> list[int]:
        return [len(self.coefs_[0]), *(coef.shape[1] for coef in self.coefs_)]

    def _plan(self) -> Plan:
        return Plan(**{one.name: getattr(self, one.name) for one in fields(Plan)})

    def _check(self, where: str) -> None:
        """Check the parameters."""
        if not isinstance(self.hidden, (tuple, list)):
            raise error(
                TypeError,
                "parameter",
                where,
                "hidden",
                describe(self.hidden),
                "a tuple of integers, one a hidden layer",
                "For one layer of 64 neurons: hidden=(64,).",
            )
        for size in self.hidden:
            check_count(where, "hidden", size)
        check_choice(where, "activation", self.activation, ACTIVATIONS)
        check_choice(where, "solver", self.solver, SOLVERS)
        check_number(where, "alpha", self.alpha, 0)
        check_number(where, "label_smoothing", self.label_smoothing, 0, 1)
        check_number(where, "learning_rate", self.learning_rate, 0, above=True)
        check_number(where, "tol", self.tol, 0)
        check_number(where, "validation_fraction", self.validation_fraction, 0, 0.9, above=True)
        check_count(where, "batch_size", self.batch_size)
        check_count(where, "max_iter", self.max_iter)
        check_count(where, "n_iter_no_change", self.n_iter_no_change)
        check_dtype(where, self.dtype)
        parse_memory(where, self.max_memory)


def _work(x: Any, network: Network) -> float:
    """Multiplications of the largest product that goes through at once."""
    return float(min(x.shape[0], AT_ONCE) * max(layer.weight.size for layer in network.layers))


def _scales(x: Any, s: Array, constant: float = 0.0) -> tuple[Array, Array]:
    """Mean and 1 / standard deviation of each feature, over rows that count s_n times.

    Constant features get `constant`: 0 leaves them out, 1 keeps them for rows to come.
    """
    scales = Scales(x.shape[1], centred=not sparse.issparse(x))
    for rows in gen_batches(x.shape[0], AT_ONCE):
        scales.see(x[rows], s[rows])
    scale = np.sqrt(scales.inverse_variance())
    return scales.mean, np.where(scale > 0, scale, constant)
