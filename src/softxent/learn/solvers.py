"""Minimise the objective by SciPy's optimisers, and say how it went."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
from scipy.optimize import OptimizeResult, minimize
from scipy.sparse.linalg import LinearOperator, cg

from softxent.learn.layer import Array
from softxent.learn.objective import Objective
from softxent.learn.progress import Watch

SOLVERS = ("auto", "lbfgs", "newton-cg")
# L-BFGS gives up where F falls by less than so many times its rounding: nothing is left to gain.
SMALLEST_FALL = 64
FIRST_ROUND = 10  # iterations before the curvature is taken anew; each round is twice as long
NEWTON_PRODUCTS = 100  # Hessian-vector products of one last step, at most


@dataclass(frozen=True, slots=True)
class Solution:
    """Where the optimiser ended."""

    theta: Array  # (W, b), one row a class, float64
    n_iter: int
    losses: list[float]  # F at the start and after each iteration
    gradient_norm: float
    converged: bool
    stalled: bool  # neither F nor its gradient could be lowered further, and it is above tol


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
    theta, length = start, FIRST_ROUND
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
        if run.n_iter < before + length:  # it gave up
            theta = objective.scaling.to_layer(_finish(run, u, max_iter).reshape(objective.shape))
            break
        length *= 2
    norm = objective.gradient_norm
    return Solution(theta, run.n_iter, run.losses, norm, norm <= tol, run.n_iter < max_iter)


def _finish(run: _Run, u: Array, max_iter: int) -> Array:
    """Go on by Newton steps while they halve the gradient.

    Where F is within its rounding of the least value, a line search is blind: a gradient of 1e-8
    lowers F by 1e-16. The gradient itself is still right to many digits.
    """
    objective = run.objective
    while objective.gradient_norm > run.tol and run.n_iter < max_iter:
        at, norm = u, objective.gradient_norm
        gradient = objective.value_and_gradient(at)[1]
        hessian = LinearOperator(
            (u.size, u.size), matvec=partial(objective.hessian_vector, at), dtype=u.dtype
        )
        # H step = -g
        step, _ = cg(hessian, -gradient, rtol=1e-3, maxiter=NEWTON_PRODUCTS)
        u = at + step
        value, _ = objective.value_and_gradient(u)
        if not objective.gradient_norm < norm / 2:
            objective.value_and_gradient(at)
            return at
        run.after_step(value)
    return u


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
        self.after_step(float(intermediate_result.fun))
        if self.objective.gradient_norm <= self.tol:
            raise StopIteration

    def after_step(self, value: float) -> None:
        self.losses.append(value)
        if self.watch is not None:
            self.watch(self.n_iter, value, self.objective.gradient_norm)


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
