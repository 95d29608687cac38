"""A random call on a problem: which function, how its arrays lie, where it writes, what is wrong.

A call carries its problem in another guise each time: the class axis elsewhere, targets of another
integer dtype, lists, any layout, `out=` or in place, other threads, the other implementation. What
it returns is turned back into the canonical form, so equal outputs must be equal to the bit.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import Any

import numpy as np

import softxent
from softxent.kernels import registry

from .layout import Laid, lay
from .problem import Problem

INTEGERS = tuple(np.dtype(f"{kind}{size}") for kind in "iu" for size in (1, 2, 4, 8))

OF_LOGITS = ("softmax", "log_softmax", "logsumexp", "softmax_jvp", "softmax_vjp")
OF_TARGET = (
    "cross_entropy", "cross_entropy_with_grad", "cross_entropy_jvp", "cross_entropy_hvp",
    "cross_entropy_hessian_diag", "cross_entropy_target_grad", "cross_entropy_stats",
)  # fmt: skip
FUNCTIONS = (*OF_LOGITS, *OF_TARGET, "softmax_jacobian", "cross_entropy_hessian", "one_hot")
WEIGHTS = (3, 3, 3, 1, 1, 3, 7, 3, 2, 2, 2, 2, 1, 1, 0.5)
IMPLEMENTATIONS = [
    *(name for name, reason in registry.available().items() if reason is None),
    None,
]
DIRECTIONS = {
    "softmax_jvp": "tangent", "softmax_vjp": "cotangent", "cross_entropy_jvp": "tangent",
    "cross_entropy_hvp": "vector",
}  # fmt: skip
SQUARES = ("softmax_jacobian", "cross_entropy_hessian")
# What the output of a function is called in `expected`; the others by their own name.
OUTPUTS = {
    "softmax_vjp": "softmax_jvp", "cross_entropy": "loss", "cross_entropy_hvp": "hvp",
    "cross_entropy_hessian": "hessian", "cross_entropy_hessian_diag": "hessian_diag",
    "cross_entropy_target_grad": "target_grad",
}  # fmt: skip


@dataclass
class Call:
    """One call, ready to be made."""

    function: str
    arrays: dict[str, Any]  # positional, in order
    options: dict[str, Any]
    axis: int = -1
    # (exception, code): what the call must raise; empty if it must return
    raises: set[tuple[type[Exception], str]] = field(default_factory=set)
    laid: list[Laid] = field(default_factory=list)
    outs: list[Laid] = field(default_factory=list)

    def make(self) -> Any:
        """Call the public function."""
        return getattr(softxent, self.function)(*self.arrays.values(), **self.options)

    @property
    def implementation(self) -> str:
        return registry.pick(self.options.get("implementation")).name

    def outputs(self, result: Any) -> dict[str, Any]:
        """Each output by the name it has in `expected`, the class axis last again."""
        if self.function == "cross_entropy_stats":
            return {f"stats.{k}": v for k, v in zip(result._fields, result, strict=True)}
        if self.function == "cross_entropy_with_grad":
            return {"loss": result[0], "grad": np.moveaxis(result[1], self.axis, -1)}
        name = OUTPUTS.get(self.function, self.function)
        if self.function == "cross_entropy_jvp":
            moved = self.options.get("target_tangent") is not None
            name = "jvp" if not moved else "jvp_both"
            if self.arrays["tangent"] is None:
                name = "jvp_target" if moved else "jvp_none"
        if self.function == "logsumexp" and self.options.get("keepdims"):
            result = np.squeeze(result, self.axis)[()]
        elif name not in ("logsumexp", "loss", "hessian", "softmax_jacobian", "one_hot") and (
            name[:3] != "jvp"
        ):
            result = np.moveaxis(result, self.axis, -1)
        return {name: result}

    def arrays_of(self, result: Any) -> list[Any]:
        """The arrays that were returned."""
        parts = result if isinstance(result, tuple) else (result,)
        return [x for part in parts for x in (part if isinstance(part, tuple) else (part,))]

    def given_outs(self) -> list[Any]:
        """The arrays that were passed as out."""
        out = self.options.get("out")
        return [x for x in (out if isinstance(out, tuple) else (out,)) if x is not None]

    def __str__(self) -> str:
        shown = [f"{k}={show(v)}" for k, v in (*self.arrays.items(), *self.options.items())]
        return f"{self.function}({', '.join(shown)})"


def show(value: Any) -> str:
    """An array as dtype[shape] and strides; small ones with their values."""
    if not isinstance(value, np.ndarray):
        return repr(value) if len(repr(value)) < 80 else repr(value)[:77] + "..."
    head = f"{value.dtype.str if value.dtype.kind != 'V' else value.dtype.name}{[*value.shape]}"
    if value.size <= 6:
        return f"{head}{value.tolist()}"
    return f"{head}(strides {value.strides})"


def draw_call(r: random.Random, p: Problem) -> Call:
    """A right call; `faults` spoils some of them."""
    function = r.choices(FUNCTIONS, WEIGHTS)[0]
    if function in SQUARES and (p.logits.shape[-1] > 12 or p.logits.size > 600):
        function = "softmax"
    if function == "one_hot":
        return draw_one_hot(r, p)
    ndim = p.logits.ndim
    axis = -1 if function == "softmax_jacobian" or r.random() < 0.7 else r.randrange(-ndim, ndim)

    def whole(x: np.ndarray) -> np.ndarray:
        return np.moveaxis(x, -1, axis)

    arrays: dict[str, Any] = {"logits": whole(p.logits)}
    options: dict[str, Any] = {}
    if axis != -1:
        options["axis"] = axis
    if function in OF_TARGET or function == "cross_entropy_hessian":
        arrays["target"] = whole(p.target) if p.soft else integers(r, p.target)
        options |= p.options
    elif function in ("softmax", "log_softmax", "logsumexp"):
        options |= {k: p.options[k] for k in ("temperature", "softcap") if k in p.options}
    if function in DIRECTIONS:
        arrays[DIRECTIONS[function]] = whole(p.tangent)
    if function == "cross_entropy_jvp":
        if p.soft and r.random() < 0.6:
            options["target_tangent"] = whole(p.target_tangent)
        if r.random() < 0.3:
            arrays["tangent"] = None
    if function == "logsumexp" and r.random() < 0.3:
        options["keepdims"] = True
    options["implementation"] = r.choices(IMPLEMENTATIONS, (70, 25, 5)[-len(IMPLEMENTATIONS) :])[0]
    return Call(function, arrays, options, axis)


def draw_one_hot(r: random.Random, p: Problem) -> Call:
    """The soft target that class indices stand for; of ignored rows the first class."""
    classes = p.logits.shape[-1]
    inside = (p.target >= 0) & (p.target < classes)
    target = np.asarray(np.where(inside, p.target, 0), np.int64)
    if p.soft:
        target = np.zeros(p.lead, np.int64)
    options = {"num_classes": r.choice((classes, np.int64(classes))), "dtype": p.logits.dtype}
    return Call("one_hot", {"target": integers(r, target)}, options)


def integers(r: random.Random, target: np.ndarray) -> np.ndarray:
    """The class indices in an integer dtype that holds them."""
    low, high = (int(target.min()), int(target.max())) if target.size else (0, 0)
    fits = [t for t in INTEGERS if np.iinfo(t).min <= low and high <= np.iinfo(t).max]
    return target.astype(r.choice(fits)) if r.random() < 0.6 else target


def lay_out(r: random.Random, call: Call) -> None:
    """Give every array its place in memory, and choose where to write."""

    def placed(name: str, x: Any) -> Any:
        if type(x) is not np.ndarray or x.dtype.kind not in "iufV" or name == "out":
            return x
        small = x.size <= 60 and x.size and name in ("target", "weight", "row_weight")
        if small and x.dtype in (np.float64, np.int64) and r.random() < 0.1:
            return x.tolist()
        call.laid.append(lay(r, x))
        return call.laid[-1].array

    call.arrays = {name: placed(name, x) for name, x in call.arrays.items()}
    call.options = {name: placed(name, x) for name, x in call.options.items()}
    if call.function not in ("softmax", "log_softmax", "cross_entropy_with_grad"):
        return
    where, logits = r.random(), call.arrays["logits"]
    if where < 0.4 or call.raises:
        return
    writable = logits.flags.writeable and logits.dtype.isnative and 0 not in logits.strides
    if where < 0.65 and writable:
        call.options["out"] = logits if r.random() < 0.5 else logits[...]
        call.outs = [x for x in call.laid if x.array is logits]
        call.laid = [x for x in call.laid if x.array is not logits]
        return
    native = logits.dtype if logits.dtype.isnative else logits.dtype.newbyteorder()
    call.outs = [lay(r, np.empty(logits.shape, native), output=True)]
    call.options["out"] = call.outs[0].array
