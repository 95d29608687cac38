"""Minimise the objective by SciPy's optimisers, and say how it went."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from scipy.optimize import OptimizeResult, minimize

from softxent.learn.layer import Array
from softxent.learn.objective import Objective

SOLVERS = ("auto", "lbfgs", "newton-cg")
# L-BFGS gives up where F falls by less than so many times its rounding: nothing is left to gain.
SMALLEST_FALL = 64
FIRST_ROUND = 10  # iterations before the curvature is taken anew; each round is twice as long

Watch = Callable[[int, float, float], None]  # iteration, F, largest entry of the gradient


@dataclass(frozen=True, slots=True)
class Solution:
    """Where the optimiser ended."""

    theta: Array  # (W, b), one row a class, float64
    n_iter: int
    losses: list[float]  # F at the start and after each iteration
    gradient_norm: float
    converged: bool
    stalled: bool  # F could not be lowered further, though the gradient is above tol


def solve(
    objective: Objective,
    start: Array,
    *,
    solver: str,
    tol: float,
    max_iter: int,
    watch: Watch | None = None,
) -> Solution:
    """Minimise F from (W, b) = `start` until no entry of its gradient exceeds `tol`."""
    run = _Run(objective, tol, watch)
    theta, length, gave_up = start, FIRST_ROUND, False
    if np.any(start):
        objective.rescale(start)
    u = objective.scaling.from_layer(theta).ravel()
    run.losses.append(objective.value_and_gradient(u)[0])
    while objective.gradient_norm > tol and run.n_iter < max_iter:
        before = run.n_iter
        length = min(length, max_iter - before)
        found = minimize(
            objective.value_and_gradient,
            u,
            jac=True,
            callback=run.after_iteration,
            **_how(objective, solver, length),
        )
        theta = objective.scaling.to_layer(found.x.reshape(objective.shape))
        if objective.value != found.fun:  # the last point tried was not taken: back to the best
            objective.value_and_gradient(found.x)
        if objective.gradient_norm <= tol or run.n_iter == max_iter:
            break
        u = objective.rescale(theta)
        if run.n_iter < before + length:  # it gave up: once more in new coordinates, or no more
            if gave_up:
                break
            gave_up = True
        length *= 2
    norm = objective.gradient_norm
    return Solution(theta, run.n_iter, run.losses, norm, norm <= tol, run.n_iter < max_iter)


@dataclass(slots=True)
class _Run:
    objective: Objective
    tol: float
    watch: Watch | None
    losses: list[float] = field(default_factory=list)

    @property
    def n_iter(self) -> int:
        return len(self.losses) - 1

    def after_iteration(self, intermediate_result: OptimizeResult) -> None:
        self.losses.append(float(intermediate_result.fun))
        if self.watch is not None:
            self.watch(self.n_iter, self.losses[-1], self.objective.gradient_norm)
        if self.objective.gradient_norm <= self.tol:
            raise StopIteration


def _how(objective: Objective, solver: str, max_iter: int) -> dict[str, Any]:
    if solver == "newton-cg":
        return {
            "method": "trust-ncg",
            "hessp": objective.hessian_vector,
            "options": {"maxiter": max_iter, "gtol": 0.0},
        }
    return {
        "method": "L-BFGS-B",
        "options": {
            "maxiter": max_iter,
            "maxfun": 20 * max_iter + 20,
            "maxls": 50,
            "gtol": 0.0,
            "ftol": SMALLEST_FALL * float(np.finfo(np.float64).eps),
        },
    }
