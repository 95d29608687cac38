"""PyTorch on the CPU: eager, and through torch.compile."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

import softxent
from softxent.contracts import Array
from softxent.measure.peers.base import FLOATS, Call, Peer, Unavailable, check_op


class Torch(Peer):
    """`torch.nn.functional.cross_entropy` and `.backward()`."""

    def prepare(self, op: str, logits: Array, target: Array) -> Call:
        """The mean loss and the gradient of a leaf, whose old gradient is dropped first."""
        import torch

        check_op(op)
        torch.set_num_threads(softxent.get_num_threads())
        leaf, index = tensor(logits), torch.from_numpy(target)
        cross_entropy = self._function(torch.nn.functional.cross_entropy)
        if op == "loss":
            return _without_grad(cross_entropy, leaf, index)
        leaf.requires_grad_()

        def loss_and_grad() -> object:
            leaf.grad = None
            loss = cross_entropy(leaf, index)
            loss.backward()
            return loss

        return loss_and_grad

    def functions(self) -> dict[str, Callable[..., Array]]:
        """Its three functions, and the loss with reduction="none"."""
        import torch
        from torch.nn import functional

        torch.set_num_threads(softxent.get_num_threads())

        def of_logits(function: Callable[[Any], Any]) -> Callable[..., Array]:
            ready = self._function(function, dynamic=True)
            return lambda z: array(ready(tensor(z)))

        per_row = self._function(
            lambda z, t: functional.cross_entropy(z, t, reduction="none"), dynamic=True
        )

        def gradient(z: Array, t: Array) -> Array:
            leaf = tensor(z).requires_grad_()
            per_row(leaf, torch.from_numpy(t)).sum().backward()
            return array(leaf.grad)

        return {
            "softmax": of_logits(lambda z: torch.softmax(z, 1)),
            "log_softmax": of_logits(lambda z: torch.log_softmax(z, 1)),
            "logsumexp": of_logits(lambda z: torch.logsumexp(z, 1)),
            "loss": lambda z, t: array(per_row(tensor(z), torch.from_numpy(t))),
            "gradient": gradient,
        }

    def _function(self, function: Callable[..., Any], *, dynamic: bool = False) -> Any:
        return function


class TorchCompile(Torch):
    """The same, compiled for the one shape at hand; the compiler writes the backward too."""

    def prepare(self, op: str, logits: Array, target: Array) -> Call:
        """Compile forward and backward for these shapes, outside the timing.

        Drops what was compiled before: the compiler keeps at most 8 versions of one function, and
        then refuses. An older call still works; it compiles itself anew.
        """
        import torch
        from torch._dynamo.exc import TorchDynamoException

        torch.compiler.reset()
        try:
            call = super().prepare(op, logits, target)
            call()  # compiles
        except TorchDynamoException as error:  # no compiler, or one that fails: at any shape
            first = str(error).strip().partition("\n")[0]
            raise Unavailable(f"it does not compile here: {first}") from error
        return call

    def _function(self, function: Callable[..., Any], *, dynamic: bool = False) -> Any:
        import torch

        return torch.compile(function, fullgraph=True, dynamic=dynamic)


def _without_grad(function: Callable[..., Any], *arguments: Any) -> Call:
    import torch

    def call() -> object:
        with torch.no_grad():
            return function(*arguments)

    return call


def tensor(values: Array) -> Any:
    """Return a tensor on a copy of a NumPy array, bfloat16 included."""
    import torch

    if values.dtype.name == "bfloat16":
        return torch.from_numpy(values.copy().view(np.int16)).view(torch.bfloat16)
    return torch.from_numpy(values.copy())


def array(values: Any) -> Array:
    """Return a tensor as a NumPy array, bfloat16 included."""
    import torch

    values = values.detach()
    if values.dtype == torch.bfloat16:
        import ml_dtypes

        narrow: Array = values.view(torch.int16).numpy().view(ml_dtypes.bfloat16)
        return narrow
    result: Array = values.numpy()
    return result


TORCH = Torch(key="torch", title="PyTorch eager", package="torch", module="torch", dtypes=FLOATS)
TORCH_COMPILE = TorchCompile(
    key="torch.compile", title="torch.compile", package="torch", module="torch", dtypes=FLOATS
)
