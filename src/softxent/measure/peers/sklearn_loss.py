"""scikit-learn's own loss, the one that its LogisticRegression minimises."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

import softxent
from softxent.contracts import Array
from softxent.measure.peers.base import Call, Peer, check_op


class ScikitLearnLoss(Peer):
    """`sklearn._loss.HalfMultinomialLoss`: Cython and OpenMP, per row, unreduced."""

    def prepare(self, op: str, logits: Array, target: Array) -> Call:
        """Its per-row losses and gradients; it is spared the division by N."""
        check_op(op)
        loss = _loss(logits.shape[1])
        # C order is the one it is written for; class codes in the logits' dtype, as it asks.
        z, t = np.ascontiguousarray(logits), target.astype(logits.dtype)
        n = softxent.get_num_threads()

        def loss_and_grad() -> object:
            per_row, grad = loss.loss_gradient(t, z, n_threads=n)
            return np.mean(per_row), grad

        def only_loss() -> object:
            return np.mean(loss.loss(t, z, n_threads=n))

        return loss_and_grad if op == "loss_and_grad" else only_loss

    def functions(self) -> dict[str, Callable[..., Array]]:
        """Its loss, its gradient, and the probabilities that it predicts with."""

        def softmax(z: Array) -> Array:
            proba: Array = _loss(z.shape[1]).predict_proba(np.ascontiguousarray(z))
            return proba

        def loss(z: Array, t: Array) -> Array:
            values: Array = _loss(z.shape[1]).loss(t.astype(z.dtype), np.ascontiguousarray(z))
            return values

        def gradient(z: Array, t: Array) -> Array:
            grad: Array = _loss(z.shape[1]).gradient(t.astype(z.dtype), np.ascontiguousarray(z))
            return grad

        return {"softmax": softmax, "loss": loss, "gradient": gradient}


def _loss(n_classes: int) -> Any:
    from sklearn._loss.loss import HalfMultinomialLoss

    return HalfMultinomialLoss(n_classes=n_classes)


SKLEARN = ScikitLearnLoss(
    key="sklearn",
    title="scikit-learn HalfMultinomialLoss",
    package="scikit-learn",
    module="sklearn._loss.loss",
    dtypes=frozenset({"float32", "float64"}),
)
