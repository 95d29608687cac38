"""A function of rows, taken some rows at a time, with derivatives of every order that do the same.

`chunked(fn, ...)` computes what fn computes and keeps only its inputs for derivatives. These are
again functions of rows: the backward pass is `chunked(vjp of fn)`, the forward mode
`chunked(jvp of fn)`, a batch `chunked(vmap of fn)`. So the combinator is closed under all of them,
and no order of derivative ever holds more than one chunk's intermediate results.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import compress
from math import prod
from typing import Any, TypeAlias

import torch
from torch import Tensor
from torch.autograd import Function

from softxent.frontends.torch.forward_mode import nestable, primals

# What one chunk of logits may take, with all that is computed from it, where nobody says otherwise.
CHUNK_BYTES = 64 * 2**20

Tensors: TypeAlias = tuple[Tensor | None, ...]
Outputs: TypeAlias = tuple[tuple[Tensor, ...], tuple[Tensor, ...]]
"""Of each row, rows on axis 0; and sums over rows."""


def chunked(
    fn: Callable[..., Outputs],
    rows: Sequence[Tensor | None],
    shared: Sequence[Tensor | None],
    chunk_rows: int,
    values: Callable[..., Outputs] | None = None,
) -> Outputs:
    """Return fn(*rows, *shared), taken `chunk_rows` rows at a time.

    fn: (*rows, *shared) -> (outputs of each row, sums over rows), two tuples of tensors, by
        operations that torch.func can differentiate. Row n of its outputs depends on row n alone.
    rows: tensors with the rows on axis 0, or None. shared: tensors that every row needs, or None.
    values: computes the outputs of fn itself, all rows at once, perhaps faster; no derivative does.

    What is shared in bfloat16 or float16 reaches fn as float32, and its derivatives are summed in
    float32 and rounded once. Outputs of integers have no derivative.
    """
    walk = _Walk(lambda r, s: fn(*r, *s), len(rows), chunk_rows)
    if values is not None:
        walk.values = lambda r, s: values(*r, *s)
    return walk(*rows, *shared)


def chunked_rows(
    fn: Callable[..., Sequence[Tensor]],
    z: Tensor,
    rows: Sequence[Tensor | None],
    shared: Sequence[Tensor | None],
    max_bytes: int = CHUNK_BYTES,
    values: Callable[..., Sequence[Tensor]] | None = None,
) -> tuple[Tensor, ...]:
    """Return fn(z, *rows, *shared), outputs of the rows' shape, some rows at a time.

    z: logits, lead + (V,); rows: tensors of the shape of lead, or of z. No tensor is copied.
    """
    lead, n_classes = z.shape[:-1], z.shape[-1]
    parts = [z, *rows]
    axis = _split_axis(lead, [x for x in parts if x is not None])

    def split(x: Tensor | None) -> Tensor | None:
        if x is None:
            return None
        if axis is not None:
            return x.movedim(axis, 0)
        return x.reshape(-1, n_classes) if x.ndim > len(lead) else x.reshape(-1)

    def sliced(of: Callable[..., Sequence[Tensor]]) -> Callable[..., Outputs]:
        return lambda *tensors: (tuple(of(*tensors)), ())

    beside = 1 if axis is None else prod(lead) // max(lead[axis], 1)
    at_once = max_bytes // max(beside * n_classes * WIDE_BYTES, 1)
    outputs, _ = chunked(
        sliced(fn),
        [split(x) for x in parts],
        shared,
        max(at_once, 1),
        None if values is None else sliced(values),
    )
    if axis is not None:
        return tuple(x.movedim(0, axis) for x in outputs)
    return tuple(x.reshape(lead) for x in outputs)


# The most bytes for each logit of a chunk in a first derivative of anything in `reference`:
# statistics of soft targets under a softcap. `reference_linear.BYTES` has the rest.
WIDE_BYTES = 176


def _split_axis(lead: torch.Size, tensors: Sequence[Tensor]) -> int | None:
    """Return the axis to cut the rows along; None: all of them, as one axis, without a copy."""
    if len(lead) < 2:
        return None
    try:
        for x in tensors:
            x.view(-1, *x.shape[len(lead) :])
    except RuntimeError:  # strides that no single axis has
        return max(range(len(lead)), key=lambda axis: lead[axis])
    return None


class _Walk:
    """A function (rows, shared) -> outputs, and how it is cut."""

    def __init__(
        self,
        fn: Callable[[Tensors, Tensors], Outputs],
        n_rows: int,
        chunk_rows: int,
        sum_dtypes: tuple[torch.dtype, ...] | None = None,
    ) -> None:
        self.fn, self.n_rows, self.chunk_rows = fn, n_rows, chunk_rows
        self.sum_dtypes = sum_dtypes  # what sums are rounded to; None: as fn returns them
        self.values: Callable[[Tensors, Tensors], Outputs] | None = None
        self.n_outputs = 0  # of each row; known after the first chunk
        self.order = 0  # how many derivatives it is

    def __call__(self, *tensors: Tensor | None) -> Outputs:
        flat = _Chunked.apply(self, *tensors)
        return tuple(flat[: self.n_outputs]), tuple(flat[self.n_outputs :])

    def derived(
        self,
        fn: Callable[[Tensors, Tensors], Outputs],
        n_rows: int,
        sum_dtypes: tuple[torch.dtype, ...] | None,
        orders: int,
    ) -> _Walk:
        """Return the walk of a derivative. `chunk_rows` counts what a first derivative keeps.

        Every further order keeps twice as much, and so it takes half as many rows at once.
        """
        order = self.order + orders
        halvings = max(order - 1, 0) - max(self.order - 1, 0)
        walk = _Walk(fn, n_rows, max(self.chunk_rows >> halvings, 1), sum_dtypes)
        walk.order = order
        return walk

    def split(self, tensors: Sequence[Any]) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
        """Return what has rows, and what is shared."""
        return tuple(tensors[: self.n_rows]), tuple(tensors[self.n_rows :])

    def run(self, tensors: Tensors) -> tuple[Tensor, ...]:
        """Compute the outputs, chunk by chunk unless there is a faster way."""
        rows, shared = self.split(tensors)
        if self.values is not None:
            outputs, sums = self.values(rows, shared)
            self.n_outputs = len(outputs)
            return (*outputs, *sums)
        count = next(len(x) for x in rows if x is not None)
        shared = tuple(None if x is None else x.to(_sum_dtype(x.dtype)) for x in shared)
        if 0 < count <= self.chunk_rows:
            outputs, sums = self.fn(rows, shared)
            # An output may be one of the inputs, which autograd would take for a view of it.
            outputs = tuple(_fresh(x, rows) for x in outputs)
            sums = tuple(_fresh(x, shared) for x in sums)
        else:
            outputs, sums = self._loop(rows, shared, count)
        self.n_outputs = len(outputs)
        dtypes = self.sum_dtypes or tuple(x.dtype for x in sums)
        return (*outputs, *(x.to(dtype) for x, dtype in zip(sums, dtypes, strict=True)))

    def _loop(self, rows: Tensors, shared: Tensors, count: int) -> Outputs:
        outputs: tuple[Tensor, ...] = ()
        sums: tuple[Tensor, ...] = ()
        for start in range(0, max(count, 1), self.chunk_rows):  # of no rows: for the shapes
            chunk = slice(start, min(start + self.chunk_rows, count))
            part, sum_part = self.fn(tuple(None if x is None else x[chunk] for x in rows), shared)
            if start == 0:
                outputs = tuple(x.new_empty((count, *x.shape[1:])) for x in part)
                sums = tuple(torch.zeros_like(x, dtype=_sum_dtype(x.dtype)) for x in sum_part)
                if self.sum_dtypes is None:
                    self.sum_dtypes = tuple(x.dtype for x in sum_part)
            for whole, x in zip(outputs, part, strict=True):
                whole[chunk] = x
            for total, x in zip(sums, sum_part, strict=True):
                total += x
        return outputs, sums


class _Chunked(Function):
    """A walk, as an operation that autograd and torch.func know."""

    @staticmethod
    def forward(walk: _Walk, *tensors: Tensor | None) -> tuple[Tensor, ...]:
        """Run the walk; autocast would change the dtypes that fn has chosen."""
        device = next(x.device.type for x in tensors if x is not None)
        with torch.autocast(device, enabled=False):
            return walk.run(tensors)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, ...]) -> None:
        """Keep the inputs alone; a gradient or tangent that is zero stays None."""
        ctx.walk, *tensors = inputs
        ctx.output_dtypes = [x.dtype for x in output]
        ctx.set_materialize_grads(False)
        ctx.save_for_backward(*tensors)
        ctx.save_for_forward(*tensors)
        ctx.mark_non_differentiable(*[x for x in output if not x.is_floating_point()])

    @staticmethod
    def backward(ctx: Any, *cotangents: Tensor | None) -> tuple[Tensor | None, ...]:
        """Walk through the vector-Jacobian product."""
        _, *wanted = ctx.needs_input_grad
        if all(x is None for x in cotangents):
            return (None,) * (1 + len(wanted))
        tensors = ctx.saved_tensors
        walk, arguments = _vjp(ctx.walk, tensors, wanted, cotangents)
        by_row, sums = walk(*arguments)
        found = iter((*by_row, *sums))
        return (None, *(next(found) if want else None for want in wanted))

    @staticmethod
    @nestable
    def jvp(ctx: Any, _: None, *tangents: Tensor | None) -> tuple[Tensor | None, ...]:
        """Walk through the Jacobian-vector product."""
        floating = [dtype.is_floating_point for dtype in ctx.output_dtypes]
        walk, arguments = _jvp(ctx.walk, tuple(primals(ctx)), tangents, floating)
        by_row, sums = walk(*arguments)
        found = iter((*by_row, *sums))
        return tuple(next(found) if moves else None for moves in floating)

    @staticmethod
    def vmap(
        info: Any, in_dims: tuple[int | None, ...], walk: _Walk, *tensors: Tensor | None
    ) -> tuple[tuple[Tensor, ...], tuple[int, ...]]:
        """Walk through a batch: rows stay on axis 0, the batch is axis 1 of them."""
        batched, arguments = _vmap(walk, tensors, in_dims[1:], info.batch_size)
        by_row, sums = batched(*arguments)
        walk.n_outputs = len(by_row)
        return (*by_row, *sums), (1,) * len(by_row) + (0,) * len(sums)


def _vjp(
    walk: _Walk,
    tensors: Tensors,
    wanted: Sequence[bool],
    cotangents: Sequence[Tensor | None],
) -> tuple[_Walk, list[Tensor | None]]:
    """Return the walk of the gradients of the wanted tensors, and its arguments."""
    given = [x is not None for x in cotangents]
    row_cotangents = [x for x in cotangents[: walk.n_outputs] if x is not None]
    sum_cotangents = [x for x in cotangents[walk.n_outputs :] if x is not None]
    rows, shared = walk.split(tensors)
    want_rows, want_shared = walk.split(wanted)

    def fn(rows_and: Tensors, shared_and: Tensors) -> Outputs:
        rows, row_u = rows_and[: walk.n_rows], rows_and[walk.n_rows :]
        shared, sum_u = shared_and[: len(want_shared)], shared_and[len(want_shared) :]
        of, primals = _moving(walk, (*rows, *shared), wanted, given)
        outputs, pull, *_ = torch.func.vjp(of, *primals)
        u = zip((*row_u, *sum_u), outputs, strict=True)
        grads = pull(tuple(x.to(out.dtype) for x, out in u if x is not None))
        n_by_row = sum(want_rows)
        return grads[:n_by_row], grads[n_by_row:]

    dtypes = tuple(x.dtype for x in compress(shared, want_shared) if x is not None)
    derived = walk.derived(fn, len(rows) + len(row_cotangents), dtypes, orders=1)
    derived.n_outputs = sum(want_rows)
    return derived, [*rows, *row_cotangents, *shared, *sum_cotangents]


def _jvp(
    walk: _Walk, tensors: Tensors, tangents: Sequence[Tensor | None], floating: Sequence[bool]
) -> tuple[_Walk, list[Tensor | None]]:
    """Return the walk of the directional derivative of every floating output, and its arguments."""
    moves = [
        t is not None and x is not None and x.is_floating_point()
        for x, t in zip(tensors, tangents, strict=True)
    ]
    rows, shared = walk.split(tensors)
    row_moves, shared_moves = walk.split(moves)
    row_tangents, shared_tangents = walk.split(tangents)

    def fn(rows_and: Tensors, shared_and: Tensors) -> Outputs:
        rows, row_v = rows_and[: walk.n_rows], rows_and[walk.n_rows :]
        shared, shared_v = shared_and[: len(shared_moves)], shared_and[len(shared_moves) :]
        of, primals = _moving(walk, (*rows, *shared), moves, floating)
        v = zip((*row_v, *shared_v), primals, strict=True)
        along = tuple(t.to(x.dtype) for t, x in v if t is not None)
        rates = directional(of, primals, along)
        n_by_row = sum(floating[: walk.n_outputs])
        return rates[:n_by_row], rates[n_by_row:]

    dtypes = walk.sum_dtypes
    if dtypes is not None:
        dtypes = tuple(compress(dtypes, floating[walk.n_outputs :]))
    # The vector-Jacobian product, twice.
    derived = walk.derived(fn, len(rows) + sum(row_moves), dtypes, orders=2)
    derived.n_outputs = sum(floating[: walk.n_outputs])
    return derived, [
        *rows,
        *compress(row_tangents, row_moves),
        *shared,
        *compress(shared_tangents, shared_moves),
    ]


def _vmap(
    walk: _Walk, tensors: Tensors, dims: Sequence[int | None], size: int
) -> tuple[_Walk, list[Tensor | None]]:
    """Return the walk of a whole batch, and its arguments."""
    home = (1,) * walk.n_rows + (0,) * (len(tensors) - walk.n_rows)
    moved = [
        x if x is None or dim is None else x.movedim(dim, to)
        for x, dim, to in zip(tensors, dims, home, strict=True)
    ]
    at = [None if dim is None else to for dim, to in zip(dims, home, strict=True)]

    def fn(rows: Tensors, shared: Tensors) -> Outputs:
        whole = (*rows, *shared)
        batched = [x for x, dim in zip(whole, at, strict=True) if x is not None and dim is not None]

        def one(*some: Tensor) -> Outputs:
            found = iter(some)
            mixed = tuple(
                x if dim is None else next(found) for x, dim in zip(whole, at, strict=True)
            )
            return walk.fn(*walk.split(mixed))

        in_dims = tuple(dim for dim in at if dim is not None)
        outputs: Outputs = torch.func.vmap(one, in_dims, (1, 0))(*batched)
        return outputs

    derived = _Walk(fn, walk.n_rows, max(walk.chunk_rows // max(size, 1), 1), walk.sum_dtypes)
    derived.order = walk.order
    return derived, moved


def _moving(
    walk: _Walk, tensors: Tensors, moves: Sequence[bool], asked: Sequence[bool]
) -> tuple[Callable[..., tuple[Tensor, ...]], tuple[Tensor, ...]]:
    """Return fn as a function of the tensors that move, for the outputs asked for, and these."""

    def of(*moved: Tensor) -> tuple[Tensor, ...]:
        found = iter(moved)
        mixed = [next(found) if move else x for x, move in zip(tensors, moves, strict=True)]
        outputs, sums = walk.fn(*walk.split(mixed))
        return tuple(compress((*outputs, *sums), asked))

    return of, tuple(x for x in compress(tensors, moves) if x is not None)


def directional(
    of: Callable[..., tuple[Tensor, ...]], primals: tuple[Tensor, ...], along: tuple[Tensor, ...]
) -> tuple[Tensor, ...]:
    """Return J v as the derivative of J^T u by u, taken at u = 1: at 0, -inf would make NaN.

    Forward mode itself cannot run here: within torch.autograd.forward_ad.dual_level no second
    level can be opened, and torch.func.jvp opens one.
    """
    outputs, pull, *_ = torch.func.vjp(of, *primals)
    _, pull_again, *_ = torch.func.vjp(lambda *u: pull(u), *(torch.ones_like(x) for x in outputs))
    rates: tuple[Tensor, ...] = pull_again(along)
    return rates


def _sum_dtype(dtype: torch.dtype) -> torch.dtype:
    return torch.float32 if dtype in (torch.bfloat16, torch.float16) else dtype


def _fresh(x: Tensor, inputs: Tensors) -> Tensor:
    return x.clone() if any(x is y for y in inputs) else x
