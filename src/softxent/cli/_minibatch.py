"""One real mini-batch: logits, probabilities, loss and y - t, and the gradient checked.

The logits are those of a linear model a few gradient steps old; the rows are held-out digits.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

import softxent
from softxent.cli._checks import Check
from softxent.cli._digits import CLASSES, Floats, Ints, Split, weight_and_bias
from softxent.measure import truth

STEPS, RATE = 20, 1.0
ROWS = 3
EACH = 4  # digits of each class in the map of y - t
ULP_BAR, LOSS_ULP_BAR, DIFFERENCE_BAR = 6.0, 4.0, 1e-11
# f'(0) = sum_k c_k (f(kh) - f(-kh)) / h + O(h^8). At h = 1/32 the truncation (about 1e-15 here) and
# the rounding of the loss (1e-16 / h) are both far below DIFFERENCE_BAR.
STENCIL = ((1, 4 / 5), (2, -1 / 5), (3, 4 / 105), (4, -1 / 280))
STEP = 1 / 32


@dataclass(frozen=True, slots=True)
class Batch:
    """The rows shown, float64; `loss` per row, `gradient` = y - t."""

    images: Floats
    target: Ints
    logits: Floats
    probabilities: Floats
    loss: Floats
    gradient: Floats
    mean_loss: float
    map_target: Ints  # more rows of the same model, sorted by class
    map_gradient: Floats


@dataclass(frozen=True, slots=True)
class Errors:
    """How far loss and gradient are from the truth."""

    max_ulp: float  # gradient against mpmath, the worst of float32 and float64, sum and mean
    loss_max_ulp: float
    max_difference: float  # gradient against central differences of our own loss, float64

    def checks(self) -> list[Check]:
        """The bars of this part."""
        return [
            Check("gradient against differences of the loss", self.max_difference, DIFFERENCE_BAR),
            Check("gradient against 60 digits of mpmath", self.max_ulp, ULP_BAR, "ULP"),
            Check("loss against 60 digits of mpmath", self.loss_max_ulp, LOSS_ULP_BAR, "ULP"),
        ]

    def as_dict(self) -> dict[str, Any]:
        """For --json."""
        return {
            "max_ulp": self.max_ulp,
            "loss_max_ulp": self.loss_max_ulp,
            "max_difference": self.max_difference,
            "passed": all(check.passed for check in self.checks()),
        }


def make(data: Split) -> Batch:
    """Descend a few steps, then take the clearest, the median and the hardest held-out digit."""
    weight, bias = np.zeros((CLASSES, data.train_x.shape[1])), np.zeros(CLASSES)
    for _ in range(STEPS):
        _, grads = softxent.linear_cross_entropy_with_grad(
            data.train_x,
            weight,
            data.train_t,
            linear_bias=bias,
            grads=("linear_weight", "linear_bias"),
        )
        d_weight, d_bias = weight_and_bias(grads)
        weight -= RATE * d_weight
        bias -= RATE * d_bias
    logits = data.test_x @ weight.T + bias
    order = np.argsort(softxent.cross_entropy(logits, data.test_t, reduction="none"))
    chosen = order[np.linspace(0, len(order) - 1, ROWS).astype(int)]
    z, t = logits[chosen], data.test_t[chosen]
    loss, gradient = softxent.cross_entropy_with_grad(z, t, reduction="none")
    several = np.concatenate([np.flatnonzero(data.test_t == k)[:EACH] for k in range(CLASSES)])
    _, map_gradient = softxent.cross_entropy_with_grad(
        logits[several], data.test_t[several], reduction="none"
    )
    return Batch(
        images=data.test_x[chosen],
        target=t,
        logits=z,
        probabilities=softxent.softmax(z),
        loss=np.asarray(loss),
        gradient=gradient,
        mean_loss=float(softxent.cross_entropy(z, t)),
        map_target=data.test_t[several],
        map_gradient=map_gradient,
    )


def check(batch: Batch) -> Errors:
    """Measure loss and gradient of the batch, in both dtypes, unreduced and as the mean."""
    gradient_ulp = loss_ulp = 0.0
    for dtype in ("float64", "float32"):
        z = batch.logits.astype(dtype)
        right = truth.Rows(z, batch.target)
        loss, gradient = softxent.cross_entropy_with_grad(z, batch.target, reduction="none")
        _, mean_gradient = softxent.cross_entropy_with_grad(z, batch.target)
        loss_ulp = max(loss_ulp, truth.worst(loss, right.loss, dtype))
        gradient_ulp = max(
            gradient_ulp,
            truth.worst(gradient, right.gradient, dtype),
            truth.worst(mean_gradient, right.gradient / len(z), dtype),
        )
    apart = np.abs(central_differences(batch.logits, batch.target) - batch.gradient)
    return Errors(gradient_ulp, loss_ulp, float(np.max(apart)))


def central_differences(logits: Floats, target: Ints) -> Floats:
    """dC/dz of each row by an eighth-order difference of `cross_entropy` in every direction."""
    slope = np.zeros(logits.shape)
    # nudged[n, i] is row n with z_i moved by kh, so one call gives the loss in all V directions
    targets = np.repeat(target[:, None], logits.shape[1], axis=1)
    for k, coefficient in STENCIL:
        move = k * STEP * np.eye(logits.shape[1])
        ahead = softxent.cross_entropy(logits[:, None] + move, targets, reduction="none")
        behind = softxent.cross_entropy(logits[:, None] - move, targets, reduction="none")
        slope += coefficient * (ahead - behind) / STEP
    return slope
