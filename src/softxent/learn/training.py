"""Train a network: mini-batches with Adam, or all rows at once with L-BFGS."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from scipy import sparse
from scipy.optimize import OptimizeResult, minimize
from sklearn.utils import gen_batches

import softxent
from softxent.learn.adam import Adam
from softxent.learn.layer import Array, Layer
from softxent.learn.network import Network, flatten, unflatten
from softxent.learn.progress import Watch

SOLVERS = ("auto", "adam", "lbfgs")
AT_ONCE = 4096  # rows that go through the network together
SMALL_ROWS, SMALL_NETWORK = 10_000, 100_000  # "auto" is L-BFGS up to here


@dataclass(frozen=True, slots=True, eq=False)
class Rows:
    """A training set, given to the network as (x - mean) * scale."""

    x: Any
    target: Array
    s: Array  # (N,) weights
    mean: Array
    scale: Array

    def take(self, rows: Any) -> tuple[Any, Array, Array]:
        """Return x~, target and weights of some rows."""
        x = self.x[rows]
        if sparse.issparse(x):
            x = x.multiply(self.scale).tocsr().astype(self.x.dtype)
        else:
            x = ((x - self.mean) * self.scale).astype(self.x.dtype, copy=False)
        return x, self.target[rows], self.s[rows]

    def pieces(self) -> Iterator[tuple[Any, Array, Array]]:
        """Yield all rows, some thousand at a time."""
        yield from map(self.take, gen_batches(self.x.shape[0], AT_ONCE))

    def loss(self, network: Network) -> float:
        """Their mean cross-entropy, unpenalised."""
        total = 0.0
        for x, target, s in self.pieces():
            losses = softxent.cross_entropy(network.logits(x), target, reduction="none")
            total += float(np.vdot(losses, s))
        return total / float(self.s.sum())


@dataclass(frozen=True, slots=True)
class Plan:
    """How to train; the fields are the estimator's parameters."""

    solver: str
    alpha: float
    label_smoothing: float
    learning_rate: float
    batch_size: int
    max_iter: int
    tol: float
    n_iter_no_change: int


@dataclass(slots=True)
class Training:
    """What happened: the penalised loss of each epoch or iteration, and why it ended."""

    losses: list[float] = field(default_factory=list)
    validation_losses: list[float] = field(default_factory=list)
    converged: bool = False


def train(
    network: Network,
    rows: Rows,
    held_out: Rows | None,
    plan: Plan,
    random: np.random.RandomState,
    watch: Watch | None = None,
) -> Training:
    """Train the network in place. With rows held out it ends at the best loss on them."""
    solver = plan.solver
    if solver == "auto":
        small = rows.x.shape[0] <= SMALL_ROWS and flatten(network.layers).size <= SMALL_NETWORK
        solver = "lbfgs" if small else "adam"
    stop = _Stop(network, held_out, plan, watch)
    if solver == "lbfgs":
        _all_at_once(network, rows, plan, stop)
    else:
        adam = Adam(plan.learning_rate)
        for _ in range(plan.max_iter):
            loss = epoch(network, rows, plan, adam, random)
            if stop.after(loss):
                break
    stop.finish()
    return stop.training


def epoch(
    network: Network, rows: Rows, plan: Plan, adam: Adam, random: np.random.RandomState
) -> float:
    """One pass over the rows in random order; return their mean penalised loss as they came."""
    total = 0.0
    order = random.permutation(rows.x.shape[0])
    for batch in gen_batches(len(order), plan.batch_size):
        x, target, s = rows.take(np.sort(order[batch]))
        weight = float(s.sum())
        if weight == 0:
            continue
        loss, gradients = network.loss_and_gradients(x, target, s / weight, plan.label_smoothing)
        adam.step(network.layers, _penalised(network.layers, gradients, plan.alpha))
        total += (loss + _penalty(network.layers, plan.alpha)) * weight
    return total / float(rows.s.sum())


def _all_at_once(network: Network, rows: Rows, plan: Plan, stop: _Stop) -> None:
    """L-BFGS on the mean loss of all rows."""
    total = float(rows.s.sum())
    largest = np.inf

    def value_and_gradient(flat: Array) -> tuple[float, Array]:
        nonlocal largest
        layers = unflatten(flat, network.layers)
        network.layers[:] = layers
        value, sums = _penalty(layers, plan.alpha), None
        for x, target, s in rows.pieces():
            loss, gradients = network.loss_and_gradients(x, target, s / total, plan.label_smoothing)
            value += loss
            sums = (
                gradients if sums is None else [a + b for a, b in zip(sums, gradients, strict=True)]
            )
        gradient = flatten(_penalised(layers, sums or [], plan.alpha))
        largest = float(np.max(np.abs(gradient), initial=0.0))
        return value, gradient

    def after_iteration(intermediate_result: OptimizeResult) -> None:
        if stop.after(float(intermediate_result.fun), largest):
            raise StopIteration

    found = minimize(
        value_and_gradient,
        flatten(network.layers),
        jac=True,
        method="L-BFGS-B",
        callback=after_iteration,
        options={"maxiter": plan.max_iter, "maxfun": 20 * plan.max_iter, "gtol": 0.0, "maxls": 50},
    )
    network.layers[:] = unflatten(found.x, network.layers)
    stop.training.converged |= bool(found.success)


@dataclass(slots=True)
class _Stop:
    """Ends the training where it no longer helps, and keeps the best layers seen."""

    network: Network
    held_out: Rows | None
    plan: Plan
    watch: Watch | None
    training: Training = field(default_factory=Training)
    best: float = np.inf
    since: int = 0
    layers: list[Layer] | None = None

    def after(self, loss: float, largest: float = np.nan) -> bool:
        """Whether to end, after an epoch or iteration with this loss."""
        self.training.losses.append(loss)
        if self.watch is not None:
            self.watch(len(self.training.losses), loss, largest)
        judged = loss
        if self.held_out is not None:
            judged = self.held_out.loss(self.network)
            if judged < min(self.training.validation_losses, default=np.inf):
                self.layers = [
                    Layer(la.weight.copy(), la.bias.copy()) for la in self.network.layers
                ]
            self.training.validation_losses.append(judged)
        if judged < self.best - self.plan.tol:
            self.best, self.since = judged, 0
            return False
        self.since += 1
        self.training.converged = self.since >= self.plan.n_iter_no_change
        return self.training.converged

    def finish(self) -> None:
        if self.layers is not None:
            self.network.layers[:] = self.layers


def _penalty(layers: list[Layer], alpha: float) -> float:
    return 0.5 * alpha * sum(float(np.vdot(layer.weight, layer.weight)) for layer in layers)


def _penalised(layers: list[Layer], gradients: list[Layer], alpha: float) -> list[Layer]:
    return [
        Layer(g.weight + alpha * w.weight, g.bias) for w, g in zip(layers, gradients, strict=True)
    ]
