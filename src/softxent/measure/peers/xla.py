"""JAX on the CPU, which XLA compiles.

XLA uses as many threads as NPROC says when it starts, all CPUs otherwise.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import numpy as np

from softxent.contracts import Array
from softxent.measure.peers.base import FLOATS, Call, Peer, check_op


class Jax(Peer):
    """`jit(value_and_grad(...))` of the loss as its users write it: logsumexp(z) - z_t."""

    def prepare(self, op: str, logits: Array, target: Array) -> Call:
        """The mean loss and its gradient, compiled; the call waits for both."""
        check_op(op)
        jax = _jax()
        with _wide(logits):
            z, t = _put(logits), _put(target)
            function = jax.jit(jax.value_and_grad(_mean) if op == "loss_and_grad" else _mean)
            jax.block_until_ready(function(z, t))  # compiles

        def call() -> object:
            return jax.block_until_ready(function(z, t))

        def wide_call() -> object:
            with _wide(logits):
                return call()

        return wide_call if logits.dtype == "float64" else call

    def functions(self) -> dict[str, Callable[..., Array]]:
        """Its three functions of jax.nn, the loss, and its gradient by jax.grad."""
        jax = _jax()

        def ready(function: Callable[..., Any]) -> Callable[..., Array]:
            compiled = jax.jit(function)

            def call(*arrays: Array) -> Array:
                with _wide(arrays[0]):
                    return np.asarray(compiled(*map(_put, arrays)))

            return call

        return {
            "softmax": ready(jax.nn.softmax),
            "log_softmax": ready(jax.nn.log_softmax),
            "logsumexp": ready(lambda z: jax.nn.logsumexp(z, axis=1)),
            "loss": ready(_loss),
            "gradient": ready(jax.grad(lambda z, t: _loss(z, t).sum())),
        }


def _loss(z: Any, t: Any) -> Any:
    jax = _jax()
    return jax.nn.logsumexp(z, axis=1) - jax.numpy.take_along_axis(z, t[:, None], axis=1)[:, 0]


def _mean(z: Any, t: Any) -> Any:
    return _loss(z, t).mean()


def _put(values: Array) -> Any:
    jax = _jax()
    return jax.device_put(values, jax.devices("cpu")[0])


def _wide(values: Array) -> AbstractContextManager[Any]:
    """Float64 has to be allowed, or JAX takes it for float32 without a word."""
    if values.dtype != "float64":
        return nullcontext()
    try:
        allowed: AbstractContextManager[Any] = _jax().enable_x64(True)
    except AttributeError:  # before JAX 0.8
        allowed = importlib.import_module("jax.experimental").enable_x64(True)
    return allowed


def _jax() -> Any:
    return importlib.import_module("jax")


JAX = Jax(key="jax", title="JAX (XLA)", package="jax", module="jax", dtypes=FLOATS)
