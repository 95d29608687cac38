"""Spoil a right call in one way, and say which error it must then raise."""

from __future__ import annotations

import random
from typing import Any

import numpy as np

from .calls import DIRECTIONS, Call
from .problem import Problem

INF, NAN = float("inf"), float("nan")
NUMBERS = {
    "temperature": (0.0, -1.0, INF, NAN, 10**400),
    "softcap": (0.0, -30.0, INF, NAN),
    "label_smoothing": (-0.1, 1.0000001, INF, NAN),
    "z_loss": (-1e-9, INF, -INF, NAN),
}
CHOICES = {"reduction": ("average", None, 1), "empty": ("none", None, "")}
NO_NUMBERS = ("1", None, [1.0], True, 1j)
NO_LOGITS = (np.int64, np.uint8, np.bool_, np.complex64, np.longdouble, np.object_, "U1")
NO_TARGETS = (np.bool_, np.complex128, np.object_, "datetime64[s]")


class Tensor:
    """What a tensor that records gradients shows of itself."""

    requires_grad = True
    shape = (2, 3)
    dtype = "torch.float32"


def spoil(r: random.Random, p: Problem, call: Call) -> None:
    """Change the call so that it must raise, if the way that was drawn applies to it."""
    ways = [_logits, _implementation]
    if call.function == "one_hot":
        ways = [_one_hot]
    elif "target" in call.arrays:
        ways += [_target, _target, _option, _option, _weights]
    elif call.function in ("softmax", "log_softmax", "logsumexp"):
        ways.append(_number)
    if call.function in DIRECTIONS:
        ways.append(_direction)
    if call.function in ("softmax", "log_softmax", "cross_entropy_with_grad"):
        ways += [_out, _out]
    if call.function not in ("softmax_jacobian", "one_hot"):
        ways.append(_axis)
    if raised := r.choice(ways)(r, p, call):
        call.raises = {raised}


Raised = tuple[type[Exception], str] | None


def _logits(r: random.Random, p: Problem, call: Call) -> Raised:
    z = call.arrays["logits"]
    chance = r.random()
    if chance < 0.4:
        call.arrays["logits"] = np.zeros(z.shape, r.choice(NO_LOGITS))
        return TypeError, "logits-dtype"
    if chance < 0.6:
        shape = list(z.shape)
        shape[call.axis] = 0
        call.arrays["logits"] = np.zeros(shape, z.dtype)
        return ValueError, "logits-shape"
    if chance < 0.75:
        call.arrays["logits"] = r.choice((z.dtype.type(1), np.zeros((), z.dtype)))
        return ValueError, "logits-shape"
    if chance < 0.85:
        call.arrays["logits"] = Tensor()
        return NotImplementedError, "requires-grad"
    call.arrays["logits"] = np.ma.masked_array(np.zeros((2, 3)))
    return TypeError, "array-type"


def _target(r: random.Random, p: Problem, call: Call) -> Raised:
    t = call.arrays["target"]
    if p.soft:
        if r.random() < 0.3:
            call.options["ignore_index"] = r.choice((0, -1, 7))
            return ValueError, "option-conflict"
        if not t.size:
            return None
        call.arrays["target"] = np.concatenate([t, t[..., :1]], axis=-1)
        return ValueError, "target-shape"
    chance = r.random()
    if chance < 0.5 and t.size:
        return _out_of_range(r, p, call)
    if chance < 0.65:
        call.arrays["target"] = np.zeros(t.shape, r.choice(NO_TARGETS))
        return TypeError, "target-dtype"
    if chance < 0.75 and call.arrays["logits"].shape != t.shape:
        call.arrays["target"] = np.ones(t.shape, np.float32)
        return TypeError, "target-dtype"
    if chance < 0.85 and call.function == "cross_entropy_jvp":
        call.options["target_tangent"] = call.arrays["logits"]
        return ValueError, "option-conflict"
    call.arrays["target"] = np.stack([t, t], axis=r.choice((0, -1)))
    return ValueError, "target-shape"


def _out_of_range(r: random.Random, p: Problem, call: Call) -> Raised:
    classes, ignore = p.logits.shape[-1], call.options.get("ignore_index", -100)
    bad = r.choice((-1, -classes, classes, classes + 1, 2**31, 2**32, -(2**63), 2**63 - 1, 2**63))
    if bad == ignore:
        return None
    values = np.array(p.target, np.uint64 if bad > 2**63 - 1 else np.int64)
    if bad > 2**63 - 1 and (p.target < 0).any():
        values[...] = 0
    values.reshape(-1)[r.randrange(values.size)] = bad
    call.arrays["target"] = values
    return IndexError, "target-range"


def _option(r: random.Random, p: Problem, call: Call) -> Raised:
    if r.random() < 0.5:
        return _number(r, p, call)
    chance = r.random()
    if chance < 0.5:
        name = r.choice(tuple(CHOICES))
        call.options[name] = r.choice(CHOICES[name])
        return ValueError, "option-range"
    if chance < 0.75:
        call.options["ignore_index"] = r.choice((1.5, "0", True, [1]))
        return TypeError, "option-type"
    if chance < 0.9:
        call.options[r.choice(("temprature", "dim", "class_weight"))] = 1.0
        return TypeError, "option-name"
    call.options["ignore_index"] = r.choice((2**63, -(2**63) - 1))
    return ValueError, "option-range"


def _number(r: random.Random, p: Problem, call: Call) -> Raised:
    of_softmax = "target" not in call.arrays
    name = r.choice(("temperature", "softcap") if of_softmax else tuple(NUMBERS))
    if r.random() < 0.7:
        call.options[name] = r.choice(NUMBERS[name])
        return ValueError, "option-range"
    value = r.choice(NO_NUMBERS)
    if name == "softcap" and value is None:
        return None
    call.options[name] = value
    return TypeError, "option-type"


def _weights(r: random.Random, p: Problem, call: Call) -> Raised:
    name, size = r.choice((("weight", p.logits.shape[-1:]), ("row_weight", p.lead)))
    chance = r.random()
    if chance < 0.5:
        weights = np.ones(size)
        if not weights.size:
            return None
        weights.reshape(-1)[r.randrange(weights.size)] = r.choice((-1e-300, -1.0, INF, NAN))
        call.options[name] = weights
        return ValueError, "option-range"
    if chance < 0.65:
        call.options[name] = np.full(size, r.choice((True, 1j, "1")))
        return TypeError, "option-type"
    call.options[name] = r.choice((np.ones((*size, 1)), np.ones((2, *size)), np.ones((3, 2, 1, 7))))
    return ValueError, "option-shape"


def _direction(r: random.Random, p: Problem, call: Call) -> Raised:
    name = DIRECTIONS[call.function]
    v = call.arrays[name]
    if v is None:
        return None
    if r.random() < 0.4:
        call.arrays[name] = v.astype(np.float32).astype(np.int32)
        return TypeError, "logits-dtype"
    call.arrays[name] = r.choice((v[None], np.concatenate([v, v], axis=r.randrange(v.ndim))))
    return (ValueError, "direction-shape") if call.arrays[name].shape != v.shape else None


def _axis(r: random.Random, p: Problem, call: Call) -> Raised:
    ndim = p.logits.ndim
    if r.random() < 0.5:
        call.options["axis"] = r.choice((ndim, -ndim - 1, 10**30))
        return ValueError, "axis"
    call.options["axis"] = r.choice((1.5, "last", None, True, (0, 1)))
    return TypeError, "axis"


def _implementation(r: random.Random, p: Problem, call: Call) -> Raised:
    call.options["implementation"] = r.choice(("cuda", "nativ", ""))
    return ValueError, "implementation"


def _out(r: random.Random, p: Problem, call: Call) -> Raised:
    z = call.arrays["logits"]
    if type(z) is not np.ndarray:
        return None
    out: Any
    chance = r.random()
    if chance < 0.2:
        out = np.zeros((*z.shape, 1), z.dtype)
        raised = ValueError, "out-shape"
    elif chance < 0.4:
        out = np.zeros(z.shape, np.float32 if z.dtype != np.float32 else np.float16)
        raised = TypeError, "out-type"
    elif chance < 0.5:
        out, raised = z.tolist(), (TypeError, "out-type")
    elif chance < 0.65:
        out = np.zeros(z.shape, z.dtype)
        out.flags.writeable = False
        raised = ValueError, "out-memory"
    elif chance < 0.8 and z.shape and z.size > 1:
        place = r.choice([axis for axis, n in enumerate(z.shape) if n > 1])
        strides = [0 if axis == place else s for axis, s in enumerate(np.zeros_like(z).strides)]
        out = np.lib.stride_tricks.as_strided(np.zeros_like(z), z.shape, strides)
        raised = ValueError, "out-memory"
    elif z.size > 1:  # one number further than the logits
        memory = np.zeros(z.size + 1, z.dtype)
        call.arrays["logits"] = np.ndarray(z.shape, z.dtype, memory)
        call.arrays["logits"][...] = z
        out = np.ndarray(z.shape, z.dtype, memory, z.itemsize)
        raised = ValueError, "out-memory"
        # laid out already: it must not move
        call.arrays["logits"] = call.arrays["logits"].view(Fixed)
    else:
        return None
    call.options["out"] = out
    return raised


def _one_hot(r: random.Random, p: Problem, call: Call) -> Raised:
    t = call.arrays["target"]
    chance = r.random()
    if chance < 0.3:
        call.options["num_classes"] = r.choice((0, -1))
        return ValueError, "logits-shape"
    if chance < 0.5:
        call.options["num_classes"] = r.choice((1.5, "3", None, True))
        return TypeError, "logits-shape"
    if chance < 0.65:
        call.arrays["target"] = np.ones(t.shape, r.choice((np.float64, np.bool_)))
        return TypeError, "target-dtype"
    if chance < 0.8 or not t.size:
        call.options["dtype"] = r.choice((np.int64, np.longdouble, "U1"))
        return TypeError, "logits-dtype"
    call.arrays["target"] = np.full(t.shape, r.choice((-1, p.logits.shape[-1], 2**63 - 1)))
    return IndexError, "target-range"


class Fixed(np.ndarray):
    """An array that stays where it is."""
