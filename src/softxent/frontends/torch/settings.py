"""From the keywords of a call to checked settings, and from tensors to a checked layout.

Everything here looks at dtypes and shapes alone, so it holds for any device, and for the stand-ins
that `torch.compile` and `torch.func` pass. What has to read values (is every class index in range,
is a weight negative?) is done where values can be read: `native` on the CPU, else on demand.
"""

from __future__ import annotations

from math import isfinite
from numbers import Real
from typing import NamedTuple

import torch
from torch import Tensor

from softxent.contracts import IGNORE, Options
from softxent.errors import describe, error


class Scalars(NamedTuple):
    """The options of a row's loss that are numbers, checked."""

    ignore_index: int = IGNORE
    label_smoothing: float = 0.0
    temperature: float = 1.0
    softcap: float | None = None
    z_loss: float = 0.0


class Settings(NamedTuple):
    """All options of a call; numbers are checked, tensors have their shape checked by `layout`."""

    scalars: Scalars = Scalars()
    reduction: str = "mean"
    empty: str = "zero"
    weight: Tensor | None = None
    """(V,) class weights."""
    row_weight: Tensor | None = None
    """One factor for each row, of the rows' shape."""
    normalizer: float | Tensor | None = None
    """What the mean divides by instead of its own denominators."""
    check_targets: bool = False


class Layout(NamedTuple):
    """Where the classes lie in a problem, and which form its target has."""

    axis: int
    """The class axis of the logits, not negative."""
    lead: tuple[int, ...]
    """The rows' shape: the logits' without the class axis."""
    n_classes: int
    soft: bool
    """Whether the target is soft (floats of the logits' shape)."""


def bind_settings(
    where: str,
    *,
    weight: Tensor | None = None,
    ignore_index: int | None = IGNORE,
    label_smoothing: float = 0.0,
    reduction: str = "mean",
    temperature: float = 1.0,
    softcap: float | None = None,
    z_loss: float = 0.0,
    row_weight: Tensor | None = None,
    empty: str = "zero",
    normalizer: float | Tensor | None = None,
    check_targets: bool = False,
    size_average: bool | None = None,
    reduce: bool | None = None,
) -> Settings:
    """Check the options of a call; `where` names the caller in errors."""
    if size_average is not None or reduce is not None:
        reduction = torch.nn._reduction.legacy_get_string(size_average, reduce)
    given = (ignore_index, label_smoothing, temperature, softcap, z_loss)
    scalars = PLAIN.scalars
    if given != scalars or reduction != "mean" or empty != "zero":
        options = Options(
            ignore_index=ignore_index,  # type: ignore[arg-type]  # None means -100
            label_smoothing=label_smoothing,
            reduction=reduction,
            temperature=temperature,
            softcap=softcap,
            z_loss=z_loss,
            empty=empty,
            where=where,
        )
        scalars = Scalars(
            options.ignore_index,
            options.label_smoothing,
            options.temperature,
            options.softcap,
            options.z_loss,
        )
    elif weight is None and row_weight is None and normalizer is None and not check_targets:
        return PLAIN
    if weight is not None:
        _check_factors(where, "weight", weight)
        if weight.requires_grad:
            raise error(
                NotImplementedError,
                "requires-grad",
                where,
                "weight",
                f"{describe(weight)} with requires_grad=True",
                "class weights that record no gradient",
                "Pass weight.detach(); to learn weights, use row_weight, which may require grad.",
            )
    if row_weight is not None:
        _check_factors(where, "row_weight", row_weight)
    if normalizer is not None:
        normalizer = _checked_normalizer(where, normalizer, reduction)
    return Settings(scalars, reduction, empty, weight, row_weight, normalizer, check_targets)


def layout(
    where: str, logits: Tensor, target: Tensor, axis: int | None, settings: Settings
) -> Layout:
    """Check logits, target and options against each other."""
    if (  # the road of small calls, 1 us instead of 3
        axis is None
        and isinstance(logits, Tensor)
        and isinstance(target, Tensor)
        and logits.dtype in FLOATS
        and target.dtype is torch.int64
        and logits.ndim == 2
        and target.shape == logits.shape[:1]
        and settings.weight is None
        and settings.row_weight is None
        and logits.device == target.device
        and logits.layout is torch.strided
        and logits.shape[1]
    ):
        n_rows, n_classes = logits.shape
        return Layout(1, (n_rows,), n_classes, False)
    check_floats(where, "input", logits)
    place = class_axis(where, logits, axis)
    shape = tuple(logits.shape)
    lead, n_classes = shape[:place] + shape[place + 1 :], shape[place]
    if n_classes == 0:
        raise no_classes(where, logits)
    soft = check_target(where, target, lead, shape, settings.scalars.ignore_index)
    check_weights(where, settings, lead, n_classes)
    if target.device != logits.device:
        raise _device_error(where, "target", target, logits)
    return Layout(place, lead, n_classes, soft)


def check_target(
    where: str, target: Tensor, lead: tuple[int, ...], whole: tuple[int, ...], ignore_index: int
) -> bool:
    """Check the target's dtype and shape; return whether it is soft."""
    if not isinstance(target, Tensor):
        raise _tensor_error(where, "target", target)
    shape = tuple(target.shape)
    if target.dtype in _INTEGERS:
        if shape == lead:
            return False
        fix = "It has the shape of the logits without the class axis."
        if shape == whole:
            fix = "If it is one-hot, pass it as floats; class indices have no class axis."
        elif shape == (*lead, 1):
            fix = "Drop its last axis: target[..., 0]."
        raise error(
            ValueError,
            "target-shape",
            where,
            "target",
            describe(target),
            f"class indices of shape {lead}",
            fix,
        )
    if target.dtype not in FLOATS or (shape == lead and shape != whole):
        raise error(
            TypeError,
            "target-dtype",
            where,
            "target",
            describe(target),
            "integers (class indices) or floats of the logits' shape (a soft target)",
            "A mask is no class index; target.long() says that you mean 0 and 1."
            if target.dtype is torch.bool
            else "Convert it, for example target.long().",
        )
    if shape != whole:
        raise error(
            ValueError,
            "target-shape",
            where,
            "target",
            describe(target),
            f"class indices of shape {lead} or a soft target of shape {whole}",
            "A soft target has a value for every logit.",
        )
    if ignore_index != IGNORE:
        raise error(
            ValueError,
            "option-conflict",
            where,
            "ignore_index",
            str(ignore_index),
            "None or -100 with a soft target",
            "Leave rows of a soft target out with row_weight.",
        )
    return True


def check_weights(where: str, settings: Settings, lead: tuple[int, ...], n_classes: int) -> None:
    """Check the shapes of weight and row_weight."""
    weight, row_weight = settings.weight, settings.row_weight
    if weight is not None and tuple(weight.shape) != (n_classes,):
        raise error(
            ValueError,
            "option-shape",
            where,
            "weight",
            describe(weight),
            f"one weight per class, shape ({n_classes},)",
            "Weights of rows go in row_weight.",
        )
    if row_weight is not None and tuple(row_weight.shape) != lead:
        raise error(
            ValueError,
            "option-shape",
            where,
            "row_weight",
            describe(row_weight),
            f"one weight per row, shape {lead}",
            "It has the shape of the logits without the class axis.",
        )


def check_floats(where: str, argument: str, value: Tensor) -> None:
    """Check that a tensor is dense and of one of the four dtypes."""
    if not isinstance(value, Tensor):
        raise _tensor_error(where, argument, value)
    if value.dtype not in FLOATS or value.layout is not torch.strided:
        came = describe(value)
        if value.layout is not torch.strided:
            came += f" of layout {value.layout}"
        raise error(
            TypeError,
            "logits-dtype",
            where,
            argument,
            came,
            "a dense tensor of float32, float64, bfloat16 or float16",
            f"Convert it, for example {argument}.float().",
        )


def class_axis(where: str, logits: Tensor, axis: int | None, argument: str = "axis") -> int:
    """Return the class axis, not negative; None is PyTorch's rule: 1, or 0 for one row (C,)."""
    n_axes = logits.ndim
    if axis is None and n_axes:
        return 1 if n_axes > 1 else 0
    if n_axes == 0:
        raise error(
            ValueError,
            "logits-shape",
            where,
            "input",
            describe(logits),
            "at least one axis, that of the classes",
            "Pass a tensor of shape (C,), (N, C) or (N, C, d1, ...).",
        )
    if isinstance(axis, bool) or not isinstance(axis, int) or not -n_axes <= axis < n_axes:
        raise error(
            ValueError if isinstance(axis, int) and not isinstance(axis, bool) else TypeError,
            "axis",
            where,
            argument,
            describe(axis),
            f"an integer in [{-n_axes}, {n_axes})",
            f"The logits are {describe(logits)}.",
        )
    return axis % n_axes


def check_divisor(where: str, normalizer: Tensor | float) -> float:
    """Return the number that a normalizer is, having looked at it."""
    divisor = float(normalizer)
    if not (isfinite(divisor) and divisor >= 0.0):
        raise error(
            ValueError,
            "option-range",
            where,
            "normalizer",
            str(divisor),
            "a finite number >= 0",
            "It replaces what the mean divides by; 0 makes the mean empty.",
        )
    return divisor


def slope(logits: Tensor, temperature: float, softcap: float | None) -> Tensor:
    """Return J = da/dz = sech^2(z/c) / T, the slope of softcap and temperature."""
    if softcap is None:
        return torch.full_like(logits, 1.0 / temperature)
    # sech^2 x = 4 e^{-2|x|} / (1 + e^{-2|x|})^2, which does not cancel as 1 - tanh^2 x does
    e = torch.exp(-2.0 * (logits / softcap).abs())
    return 4.0 * e / (1.0 + e) ** 2 / temperature


def _check_factors(where: str, name: str, value: Tensor) -> None:
    if not isinstance(value, Tensor):
        raise _tensor_error(where, name, value)
    if value.dtype not in FLOATS and value.dtype not in _INTEGERS:
        raise error(
            TypeError,
            "option-type",
            where,
            name,
            describe(value),
            "a tensor of real numbers",
            f"Convert it, for example {name}.float().",
        )


def _checked_normalizer(where: str, value: object, reduction: str) -> float | Tensor:
    expected = 'a number >= 0 or a tensor of one, with reduction="mean"'
    fix = "It replaces what the mean divides by, for example with the count of a larger batch."
    if reduction != "mean":
        came = f"{describe(value)} with reduction={reduction!r}"
        raise error(ValueError, "option-conflict", where, "normalizer", came, expected, fix)
    if isinstance(value, Tensor):
        if value.numel() != 1 or value.requires_grad or value.dtype.is_complex:
            came = describe(value) + (" with requires_grad=True" if value.requires_grad else "")
            raise error(ValueError, "option-type", where, "normalizer", came, expected, fix)
        return value.reshape(())
    if isinstance(value, bool) or not isinstance(value, Real):
        raise error(TypeError, "option-type", where, "normalizer", describe(value), expected, fix)
    number = float(value)
    if not 0.0 <= number < float("inf"):
        raise error(ValueError, "option-range", where, "normalizer", describe(value), expected, fix)
    return number


def no_classes(where: str, logits: Tensor) -> ValueError:
    """Build the error of logits without a class."""
    return error(
        ValueError,
        "logits-shape",
        where,
        "input",
        describe(logits),
        "at least one class on the class axis",
        "A softmax over no classes has no value.",
    )


def is_readable(*tensors: Tensor | None) -> bool:
    """Say whether the values of these tensors can be looked at here, without waiting for a device.

    Not inside torch.compile, and not if torch.func has wrapped one of them.
    """
    if torch.compiler.is_compiling():
        return False
    return all(x is None or _has_values(x) for x in tensors)


def _has_values(x: Tensor) -> bool:
    if type(x) not in (Tensor, torch.nn.Parameter) or x.device.type != "cpu":
        return False  # or a stand-in of torch.compile
    if torch._C._functorch.is_functorch_wrapped_tensor(x):
        return False
    try:
        x.data_ptr()
    except RuntimeError:  # a batch, or a wrapper without memory
        return False
    return True


def _tensor_error(where: str, argument: str, value: object) -> TypeError:
    return error(
        TypeError,
        "tensor-type",
        where,
        argument,
        f"{describe(value)}, a {type(value).__module__}.{type(value).__qualname__}"
        if hasattr(value, "dtype")
        else describe(value),
        "a torch.Tensor",
        "Convert it with torch.as_tensor; softxent's NumPy functions take arrays.",
    )


def _device_error(where: str, argument: str, value: Tensor, other: Tensor) -> ValueError:
    return error(
        ValueError,
        "device",
        where,
        argument,
        f"{describe(value)} on {value.device}",
        f"a tensor on {other.device}, where input is",
        f"Move it: {argument}.to(input.device).",
    )


MAX_MEMORY = "256MiB"
"""The scratch of the linear losses unless a caller says otherwise: with the 64 MiB of the NumPy
functions 131072 classes leave 128 rows a chunk, and the products take a fifth longer."""
PLAIN = Settings()
"""A call without options; small ones take a shorter road."""
FLOATS = frozenset({torch.float32, torch.float64, torch.bfloat16, torch.float16})
_INTEGERS = frozenset(
    {
        torch.int64,
        torch.int32,
        torch.int16,
        torch.int8,
        torch.uint8,
        torch.uint16,
        torch.uint32,
        torch.uint64,
    }
)
