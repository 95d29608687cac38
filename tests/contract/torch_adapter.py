"""NumPy's functions by PyTorch's front end: derivatives come from autograd and torch.func.

Arrays keep their layout where a tensor can have it; negative strides and foreign byte orders are
copied. A name that has no counterpart in PyTorch is a KeyError: `FrontEnd.lacks` lists them.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from functools import partial
from typing import Any

import ml_dtypes
import numpy as np
import torch
from torch import Tensor

from softxent import torch as ours

Function = Callable[..., Any]


def call(implementation: str, name: str, *arrays: Any, **options: Any) -> Any:
    """Call NumPy's function `name` through PyTorch; arrays in and out."""
    tensors = [tensor(x) for x in arrays]
    chosen = {key: _option(key, value) for key, value in options.items()}
    return array(FUNCTIONS[name](implementation, *tensors, **chosen))


# ------------------------------------------------------------------ arrays and tensors


def tensor(x: Any) -> Any:
    """The array's memory as a tensor; lists and NumPy scalars become tensors, the rest stays."""
    if isinstance(x, (tuple, type(None), Tensor)):  # directions of a linear layer
        return tuple(map(tensor, x)) if isinstance(x, tuple) else x
    x = np.asarray(x)
    if x.dtype.name == "bfloat16":
        return tensor(x.view(np.int16)).view(torch.bfloat16)
    if not x.dtype.isnative:
        x = x.astype(x.dtype.newbyteorder("="))
    if any(stride < 0 or stride % max(x.itemsize, 1) for stride in x.strides):
        x = x.copy()
    if x.flags.writeable:
        return torch.from_numpy(x)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "The given NumPy array is not writable")
        return torch.from_numpy(x)


def array(x: Any) -> Any:
    """The tensor's values as an array (a NumPy scalar without axes), in tuples too."""
    if isinstance(x, tuple):
        return type(x)(*map(array, x)) if hasattr(x, "_fields") else tuple(map(array, x))
    if not isinstance(x, Tensor):
        return x
    x = x.detach()
    if x.dtype == torch.bfloat16:
        return x.view(torch.int16).numpy().view(ml_dtypes.bfloat16)[()]
    return x.resolve_neg().numpy()[()]


def _option(name: str, value: Any) -> Any:
    if name in ("weight", "row_weight") and isinstance(value, (float, list, tuple)):
        return tensor(np.asarray(value))
    if isinstance(value, np.ndarray):
        return tensor(value)
    if getattr(value, "requires_grad", False) and not isinstance(value, Tensor):
        return torch.ones(3, requires_grad=True)  # a stand-in for a tensor becomes a real one
    return value


def _leaf(x: Tensor) -> Tensor:
    """The same memory as a leaf that requires grad; what cannot is left to the function to say."""
    x = x.detach()
    return x.requires_grad_() if x.is_floating_point() else x


# ------------------------------------------------------------------ softmax


def _softmax(
    name: str, implementation: str, z: Tensor, *, axis: int = -1, **options: Any
) -> Tensor:
    result: Tensor = getattr(ours, name)(z, dim=axis, implementation=implementation, **options)
    return result


def _softmax_jvp(implementation: str, z: Tensor, tangent: Tensor) -> Tensor:
    function = partial(_softmax, "softmax", implementation)
    result: Tensor = torch.func.jvp(function, (z,), (tangent,))[1]
    return result


def _softmax_vjp(implementation: str, z: Tensor, cotangent: Tensor) -> Tensor:
    z = _leaf(z)
    return torch.autograd.grad(_softmax("softmax", implementation, z), z, cotangent)[0]


def _softmax_jacobian(implementation: str, z: Tensor) -> Tensor:
    function = partial(_softmax, "softmax", implementation)
    function(z)
    rows = torch.func.vmap(torch.func.jacrev(function))(z.reshape(-1, z.shape[-1]))
    return rows.reshape(*z.shape, z.shape[-1])


# ------------------------------------------------------------------ cross-entropy


def _cross_entropy(
    implementation: str, z: Tensor, target: Any, *, axis: int = -1, **options: Any
) -> Tensor:
    return ours.cross_entropy(z, target, axis=axis, implementation=implementation, **options)


def _with_grad(
    implementation: str, z: Tensor, target: Any, **options: Any
) -> tuple[Tensor, Tensor]:
    z = _leaf(z)
    loss = _cross_entropy(implementation, z, target, **options)
    return loss, _grad(loss, z)


def _jvp(
    implementation: str,
    z: Tensor,
    target: Any,
    tangent: Tensor,
    *,
    target_tangent: Tensor | None = None,
    **options: Any,
) -> Tensor:
    def loss(z: Tensor, target: Any = target) -> Tensor:
        return _cross_entropy(implementation, z, target, **options)

    if not z.is_floating_point():
        return loss(z)  # raises
    pairs = [(z, tangent), *([] if target_tangent is None else [(target, target_tangent)])]
    primals, tangents = zip(*pairs, strict=True)
    result: Tensor = torch.func.jvp(loss, primals, tangents)[1]
    return result


def _hvp(implementation: str, z: Tensor, target: Any, vector: Tensor, **options: Any) -> Tensor:
    z = _leaf(z)
    loss = _cross_entropy(implementation, z, target, **options)
    (grad,) = torch.autograd.grad(loss, z, torch.ones_like(loss), create_graph=True)
    return torch.autograd.grad(grad, z, vector)[0]


def _hessian(implementation: str, z: Tensor, target: Any, **options: Any) -> Tensor:
    def loss(z: Tensor) -> Tensor:
        return _cross_entropy(implementation, z, target, **options).sum()

    if not z.is_floating_point():
        return loss(z)  # raises
    whole = torch.func.hessian(loss)(z)
    n, classes = z[..., 0].numel(), z.shape[-1]
    blocks = whole.reshape(n, classes, n, classes).diagonal(dim1=0, dim2=2)
    return blocks.movedim(-1, 0).reshape(*z.shape, classes)


def _target_grad(implementation: str, z: Tensor, target: Any, **options: Any) -> Tensor:
    target = _leaf(target) if isinstance(target, Tensor) else target
    loss = _cross_entropy(implementation, z, target, **options)
    return _grad(loss, target)


def _stats(
    implementation: str, z: Tensor, target: Any, *, axis: int = -1, **options: Any
) -> tuple[Tensor, ...]:
    return ours.cross_entropy_stats(z, target, axis=axis, implementation=implementation, **options)


def _grad(loss: Tensor, leaf: Tensor) -> Tensor:
    """The gradient of the loss, or of the sum of the rows' losses."""
    return torch.autograd.grad(loss, leaf, torch.ones_like(loss))[0]


# ------------------------------------------------------------------ the last layer


def _linear(name: str, implementation: str, *tensors: Any, **options: Any) -> Any:
    return getattr(ours, name)(*tensors, implementation=implementation, **options)


def _linear_loss(
    implementation: str, x: Tensor, w: Tensor, target: Any, b: Tensor | None, options: Any
) -> Tensor:
    result: Tensor = _linear(
        "linear_cross_entropy", implementation, x, w, target, linear_bias=b, **options
    )
    return result


def _linear_with_grad(
    implementation: str,
    x: Tensor,
    w: Tensor,
    target: Any,
    *,
    linear_bias: Tensor | None = None,
    **options: Any,
) -> tuple[Tensor, tuple[Tensor | None, ...]]:
    x, w, b = _leaf(x), _leaf(w), None if linear_bias is None else _leaf(linear_bias)
    loss = _linear_loss(implementation, x, w, target, b, options)
    parts = [part for part in (x, w, b) if part is not None]
    grads = torch.autograd.grad(loss, parts, torch.ones_like(loss))
    return loss, (*grads, None)[:3]


def _linear_jvp(
    implementation: str,
    x: Tensor,
    w: Tensor,
    target: Any,
    directions: tuple[Tensor | None, ...],
    *,
    linear_bias: Tensor | None = None,
    **options: Any,
) -> Tensor:
    given = {
        place: (part, along)
        for place, (part, along) in enumerate(zip((x, w, linear_bias), directions, strict=True))
        if along is not None
    }

    def loss(*moving: Tensor) -> Tensor:
        now = {0: x, 1: w, 2: linear_bias, **dict(zip(given, moving, strict=True))}
        return _linear_loss(implementation, now[0], now[1], target, now[2], options)

    primals, tangents = zip(*given.values(), strict=True)
    result: Tensor = torch.func.jvp(loss, primals, tangents)[1]
    return result


def _linear_hvp(
    implementation: str,
    x: Tensor,
    w: Tensor,
    target: Any,
    directions: tuple[Tensor | None, ...],
    *,
    linear_bias: Tensor | None = None,
    **options: Any,
) -> tuple[Tensor | None, ...]:
    x, w, b = _leaf(x), _leaf(w), None if linear_bias is None else _leaf(linear_bias)
    loss = _linear_loss(implementation, x, w, target, b, options)
    parts = [part for part in (x, w, b) if part is not None]
    grads = torch.autograd.grad(loss, parts, torch.ones_like(loss), create_graph=True)
    moved = [
        (grad, along) for grad, along in zip(grads, directions, strict=False) if along is not None
    ]
    firsts, alongs = zip(*moved, strict=True)
    return (*torch.autograd.grad(firsts, parts, alongs), None)[:3]


FUNCTIONS: dict[str, Function] = {
    "softmax": partial(_softmax, "softmax"),
    "log_softmax": partial(_softmax, "log_softmax"),
    "softmax_jvp": _softmax_jvp,
    "softmax_vjp": _softmax_vjp,
    "softmax_jacobian": _softmax_jacobian,
    "cross_entropy": _cross_entropy,
    "cross_entropy_with_grad": _with_grad,
    "cross_entropy_jvp": _jvp,
    "cross_entropy_hvp": _hvp,
    "cross_entropy_hessian": _hessian,
    "cross_entropy_target_grad": _target_grad,
    "cross_entropy_stats": _stats,
    "linear_cross_entropy": partial(_linear, "linear_cross_entropy"),
    "linear_cross_entropy_stats": partial(_linear, "linear_cross_entropy_stats"),
    "linear_cross_entropy_with_grad": _linear_with_grad,
    "linear_cross_entropy_jvp": _linear_jvp,
    "linear_cross_entropy_hvp": _linear_hvp,
}
