"""The linear layer and its loss: ours beside its three bare products and beside PyTorch's."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

import softxent
from softxent.contracts import Array
from softxent.kernels import blas
from softxent.measure.peers import Call, Peer
from softxent.measure.record import TOO_LONG, Case, Record, first_line
from softxent.measure.timing import interleaved, sample

# N, D, V
SHAPES = ((2048, 512, 32_000), (1024, 256, 131_072))
PRODUCTS = "three products"
MAX_MEMORY = 64 << 20  # our default, and one of PyTorch's chunks
MOST_ROUNDS = 3  # a round takes many seconds, and products vary little
PROBE = 16  # who takes long is found out on one row in so many
TITLES = {
    PRODUCTS: "its three products alone",
    "torch": "PyTorch, full logits",
    "torch.chunked": "PyTorch, chunks of 64 MiB",
    "torch.chunked.auto": "PyTorch, chunks it chooses",
}


def measure(record: Record, case: Case, peers: Sequence[Peer], rounds: int, pause: float) -> None:
    """Record the rows of one shape (N, D, V)."""
    x, w, target = problem(case.shape)
    makers: dict[str, Callable[[Array, Array, Array], Call]] = {PRODUCTS: three_products}
    if any(peer.key == "torch" for peer in peers):
        makers |= torch_calls()
    theirs: dict[str, Call] = {}
    few = max(1, len(x) // PROBE)
    for key, make in makers.items():
        try:
            probe = make(x[:few], w, target[:few])
            expected = sample(probe) * len(x) / few
            if expected > TOO_LONG:  # or it was only slow to start
                expected = sample(probe) * len(x) / few
            if expected > TOO_LONG:
                record.skip(case, f"takes about {expected:.0f} s a call", key)
            else:
                theirs[key] = make(x, w, target)
        except Exception as error:  # somebody else's code: it may raise anything
            record.skip(case, first_line(error), key)
    ours: dict[str, Call] = {
        "linear": lambda: softxent.linear_cross_entropy_with_grad(
            x, w, target, max_memory=MAX_MEMORY
        )
    }
    times = interleaved(ours | theirs, min(rounds, MOST_ROUNDS), pause)
    for key in theirs:
        record.add("linear", case, times["linear"], key, times[key])


def problem(shape: tuple[int, ...]) -> tuple[Array, Array, Array]:
    """Return features, weights that make logits of about unit variance, and class indices."""
    n, d, v = shape
    rng = np.random.default_rng(n + d + v)
    x = rng.standard_normal((n, d), dtype=np.float32)
    w = rng.standard_normal((v, d), dtype=np.float32) / np.float32(d**0.5)
    return x, w, rng.integers(0, v, n)


def three_products(x: Array, w: Array, target: Array) -> Call:
    """Return z = x wᵀ, dx = g w and dw = gᵀ x on our BLAS, into arrays that exist."""
    z, dx, dw = np.zeros((len(x), len(w)), x.dtype), np.zeros_like(x), np.zeros_like(w)
    product = blas.pick().product

    def call() -> None:
        product(x, w.T, z)
        product(z, w, dx)
        product(z.T, x, dw)

    return call


def torch_calls() -> dict[str, Callable[[Array, Array, Array], Call]]:
    """Return PyTorch's ways: all logits at once and, where it has it, its own chunked loss."""
    import torch

    functional: Any = torch.nn.functional
    makers = {
        "torch": _of_leaves(lambda x, w, t: functional.cross_entropy(functional.linear(x, w), t))
    }
    options: Any = getattr(torch.nn, "LinearCrossEntropyOptions", None)
    if options is not None:  # since PyTorch 2.13

        def chunks(x: Any, w: Any, t: Any) -> Any:
            rows = max(1, MAX_MEMORY // (len(w) * w.element_size()))
            chosen = options(batch_chunk_size=rows, chunking_method=None)
            return functional.linear_cross_entropy(x, w, t, options=chosen)

        makers["torch.chunked"] = _of_leaves(chunks)
        makers["torch.chunked.auto"] = _of_leaves(
            lambda x, w, t: functional.linear_cross_entropy(x, w, t, options=options())
        )
    return makers


def _of_leaves(function: Callable[..., Any]) -> Callable[[Array, Array, Array], Call]:
    """The maker of a call: `function` and its backward, for leaves made once."""

    def make(x: Array, w: Array, target: Array) -> Call:
        import torch

        torch.set_num_threads(softxent.get_num_threads())
        leaves = [torch.from_numpy(array.copy()).requires_grad_() for array in (x, w)]
        index = torch.from_numpy(target)

        def call() -> object:
            for leaf in leaves:
                leaf.grad = None
            loss = function(*leaves, index)
            loss.backward()
            return loss

        return call

    return make
