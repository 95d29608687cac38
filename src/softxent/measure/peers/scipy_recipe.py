"""The recipe one writes with SciPy: log_softmax, pick the targets, exp, subtract one."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from softxent.contracts import Array
from softxent.measure.peers.base import Call, Peer, check_op


class SciPyRecipe(Peer):
    """SciPy has no cross-entropy; this is the shortest one on top of `scipy.special`."""

    def prepare(self, op: str, logits: Array, target: Array) -> Call:
        """The recipe with the mean over rows."""
        from scipy.special import log_softmax

        check_op(op)
        rows = np.arange(len(target))

        def loss_and_grad() -> object:
            log_y = log_softmax(logits, axis=1)
            loss = -np.mean(log_y[rows, target])
            grad = np.exp(log_y)
            grad[rows, target] -= 1
            grad /= len(rows)
            return loss, grad

        def loss() -> object:
            return -np.mean(log_softmax(logits, axis=1)[rows, target])

        return loss_and_grad if op == "loss_and_grad" else loss

    def functions(self) -> dict[str, Callable[..., Array]]:
        """SciPy's three functions, and the recipe row by row."""
        from scipy.special import log_softmax, logsumexp, softmax

        def loss(z: Array, t: Array) -> Array:
            per_row: Array = -log_softmax(z, axis=1)[np.arange(len(t)), t]
            return per_row

        def gradient(z: Array, t: Array) -> Array:
            grad: Array = np.exp(log_softmax(z, axis=1))
            grad[np.arange(len(t)), t] -= 1
            return grad

        return {
            "softmax": lambda z: softmax(z, axis=1),
            "log_softmax": lambda z: log_softmax(z, axis=1),
            "logsumexp": lambda z: logsumexp(z, axis=1),
            "loss": loss,
            "gradient": gradient,
        }


SCIPY = SciPyRecipe(
    key="scipy",
    title="SciPy recipe",
    package="scipy",
    module="scipy.special",
    dtypes=frozenset({"float32", "float64"}),
    threaded=False,
)
