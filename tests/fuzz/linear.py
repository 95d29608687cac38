"""Random linear layers, of small multiples of 1/4: every product that makes a logit is exact.

The logits are then known to the bit, in float32 too, and the loss has its own bars; what comes
after (dX = G W, dW = G^T X) adds the usual bound of a matrix product.
"""

from __future__ import annotations

import os
import random
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import numpy as np

from softxent import reference_linear
from softxent.kernels import registry

from .calls import Call, integers
from .check import bars, disagreement
from .expected import Expected, Value, known
from .layout import lay
from .problem import DTYPES, Problem, draw_options, draw_target
from .session import NAMES, Session

PARTS = ("input", "linear_weight", "linear_bias")
FUNCTIONS = (
    "linear_cross_entropy", "linear_cross_entropy_with_grad", "linear_cross_entropy_stats",
    "linear_cross_entropy_jvp", "linear_cross_entropy_hvp",
)  # fmt: skip
AVAILABLE = [name for name, reason in registry.available().items() if reason is None]
LEAST = re.compile(r"at least (\d+) bytes")


class Layer:
    """A layer, a direction of it, and the problem of its logits."""

    def __init__(self, r: random.Random, rng: np.random.Generator) -> None:
        dtype = r.choices(tuple(DTYPES), (40, 24, 18, 18))[0]
        rows, classes = r.choice((0, 1, 2, 5, 11, 30)), r.choice((1, 2, 3, 7, 16, 25, 70, 97))
        if r.random() < 0.02:
            rows, classes = r.randint(1, 5), 1030  # from 1024 the products are our own
        lead = r.choice([(rows,)] * 4 + [(), (2, rows), (3, 1, 2)])
        features = r.choice((0, 1, 3, 8, 12))
        shapes = ((*lead, features), (classes, features), (classes,))
        self.parts = [_grid(rng, shape, 16) for shape in shapes]
        self.along = [_grid(rng, shape, 8) for shape in shapes]
        self.dtype = DTYPES[dtype]
        target, options = draw_target(r, rng, (*lead, classes))
        if r.random() < 0.2:
            self.parts[2][rng.random(classes) < 0.3] = -np.inf
        if r.random() < 0.3 and target.dtype.kind == "i":
            ignored = target == options.get("ignore_index", -100)
            self.parts[0][ignored] = np.nan  # not read
        elif r.random() < 0.05 and self.parts[0].size:
            self.parts[0].reshape(-1)[r.randrange(self.parts[0].size)] = np.nan
        options |= draw_options(r, rng, (*lead, classes))
        if not 1e-4 < options.get("temperature", 1.0) < 1e4:
            del options["temperature"]  # products of 1e20 overflow in float32
        self.biased, self.along_of = r.random() < 0.7, [r.random() < 0.7 for _ in PARTS]
        self.along_of[2] &= self.biased
        self.target, self.options = target, options
        x, w, b = self.exact
        with np.errstate(all="ignore"):
            z = reference_linear.logits(x, w, b)
            moved = reference_linear.logits_tangent(x, w, self.directions)
        wide = "float64" if dtype == "float64" else "float32"
        self.problem = Problem(wide, z.astype(wide), target, moved, moved, options)

    @property
    def exact(self) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
        x, w, b = self.parts
        return x, w, b if self.biased else None

    @property
    def directions(self) -> tuple[Any, Any, Any]:
        x, w, b = (v if given else None for v, given in zip(self.along, self.along_of, strict=True))
        return x, w, b


def _grid(rng: np.random.Generator, shape: tuple[int, ...], reach: int) -> np.ndarray:
    return np.asarray(rng.integers(-reach, reach + 1, shape) / 4.0)

    def reads(self) -> np.ndarray:
        """The input in float64, with rows of 0 where it is not read."""
        x = self.parts[0]
        if self.target.dtype.kind != "i":
            return x
        counts = self.target != self.options.get("ignore_index", -100)
        return np.where(np.asarray(counts)[..., None], x, 0.0)


class LinearSession(Session):
    """Calls on one layer."""

    def __init__(self, r: random.Random, rng: np.random.Generator) -> None:
        self.layer = Layer(r, rng)
        self.road = r.choice((None, "native"))  # whose matrix products: by size, or our own
        self.expected = Expected(self.layer.problem)

    def draw(self, r: random.Random) -> Call:
        """A call of which every array has its place."""
        layer = self.layer
        x, w, b = (part.astype(layer.dtype) for part in layer.parts)
        t = layer.target if layer.problem.soft else integers(r, layer.target)
        function = r.choice(FUNCTIONS)
        arrays: dict[str, Any] = {"input": x, "linear_weight": w, "target": t}
        options = dict(layer.options)
        if layer.biased:
            options["linear_bias"] = b
        call = Call(function, arrays, options)
        if function[-3:] in ("jvp", "hvp"):
            laid = [None if v is None else lay(r, v.astype(layer.dtype)) for v in layer.directions]
            call.laid += [x for x in laid if x is not None]
            arrays["directions"] = tuple(None if x is None else x.array for x in laid)
        if function[-4:] in ("grad", "_hvp") and r.random() < 0.5:
            options["grads"] = r.sample(PARTS, r.randint(0, 3))
        options["implementation"] = r.choice(AVAILABLE)
        if r.random() < 0.12:
            spoil(r, call)
        for names in (arrays, options):
            for name, value in names.items():
                if type(value) is np.ndarray and value.dtype.kind in "iufV":
                    call.laid.append(lay(r, value))
                    names[name] = call.laid[-1].array
        if not call.raises:
            self._place_outputs(r, call)
            if r.random() < 0.4:
                with self._on_road():
                    call.options["max_memory"] = _least(call) + r.choice((0, 0, 100, 5000))
        return call

    def check(self, call: Call) -> Iterator[str]:
        """Make the call; yield each way in which it is wrong."""
        with self._on_road():
            yield from super().check(call)

    @contextmanager
    def _on_road(self) -> Iterator[None]:
        before = os.environ.pop("SOFTXENT_BLAS", None)
        if self.road:
            os.environ["SOFTXENT_BLAS"] = self.road
        try:
            yield
        finally:
            os.environ.pop("SOFTXENT_BLAS", None)
            if before is not None:
                os.environ["SOFTXENT_BLAS"] = before

    def _place_outputs(self, r: random.Random, call: Call) -> None:
        if call.function != "linear_cross_entropy_with_grad" or r.random() < 0.5:
            return
        asked = [name for name in call.options.get("grads", PARTS) if r.random() < 0.7]
        out: list[Any] = [None, None, None]
        for i, (name, part) in enumerate(zip(PARTS, self.layer.parts, strict=True)):
            if name in asked and (name != "linear_bias" or self.layer.biased):
                call.outs.append(lay(r, np.empty(part.shape, self.layer.dtype), output=True))
                out[i] = call.outs[-1].array
        call.options["out"] = tuple(out)

    def check_outputs(self, call: Call, result: Any) -> Iterator[str]:
        """The loss and the statistics like those of the logits, gradients part by part."""
        layer, problem = self.layer, self.layer.problem
        if call.function == "linear_cross_entropy_stats":
            for name, value in zip(result._fields, result, strict=True):
                if what := self.check_output(f"stats.{name}", np.asarray(value), problem):
                    yield what
            return
        still = not any(layer.along_of)
        if call.function == "linear_cross_entropy_jvp":
            if still and np.any(result):
                yield "the derivative along no direction is not 0"
            elif not still and (what := self.check_output("jvp", np.asarray(result), problem)):
                yield what
            return
        parts = result
        if call.function != "linear_cross_entropy_hvp":
            loss, parts = result if isinstance(result, tuple) else (result, ())
            if what := self.check_output("loss", np.asarray(loss), problem):
                yield what
        asked = call.options.get("grads", PARTS)
        for name, got in zip(PARTS, parts, strict=bool(parts)):
            if name not in asked or (name == "linear_bias" and not layer.biased):
                if got is not None:
                    yield f"{name} was not asked for"
                continue
            right = self._part(name, second=call.function[-3:] == "hvp")
            dtype = NAMES[layer.dtype]
            if what := disagreement(name, got, right, dtype, dtype):
                yield what

    def _part(self, name: str, *, second: bool) -> Value:
        """A gradient of a part of the layer, or its part of the Hessian-vector product."""
        layer, options = self.layer, self.layer.options
        (x, w, b), counts = layer.exact, self.expected.bound.keep
        x = np.where(counts[..., None], x, 0.0)  # other rows are not read
        if second and not any(layer.along_of):
            return Value(np.zeros(layer.parts[PARTS.index(name)].shape), 0.0, 0.0, True)
        if second:
            v = tuple(layer.directions)
            value = reference_linear.linear_cross_entropy_hvp(
                x, w, layer.target, v, linear_bias=b, **options
            )
            terms = [self._rows("hvp"), self._rows("grad")]
        else:
            _, value = reference_linear.linear_cross_entropy_with_grad(
                x, w, layer.target, linear_bias=b, **options
            )
            terms = [self._rows("grad")]
        rows = (len(self.expected.rows), x.shape[-1])
        along_x, along_w, _ = layer.directions
        x_size = [np.abs(m).reshape(rows) for m in (x, x * 0 if along_x is None else along_x)]
        w_size = [np.abs(m) for m in (w, w * 0 if along_w is None else along_w)]
        unit = 2.0**-53 if layer.dtype == np.float64 else 2.0**-24
        error: Any = 0.0
        for (size, off), x_abs, w_abs in zip(terms, x_size, w_size, strict=False):
            off = off + (len(size) + size.shape[-1] + 16) * unit * size
            if name == "input":
                error = error + (off @ w_abs).reshape(x.shape)
            elif name == "linear_weight":
                error = error + off.T @ x_abs
            elif x_abs is x_size[0]:
                error = error + off.sum(axis=0)
        part = getattr(value, name)
        return known(Value(part, np.abs(part), error))

    def _rows(self, name: str) -> tuple[np.ndarray, np.ndarray]:
        """(size, error) of an output of the kernels, as matrices of rows."""
        right, unit = self.expected(name), self.layer.problem.dtype
        shape = self.expected.rows.shape
        allowed = bars(name, right.value, right.scale + right.error, unit) + right.error
        return np.abs(right.value).reshape(shape), np.reshape(allowed, shape)


def _least(call: Call) -> int:
    """The smallest budget that is enough, as the error of a budget of one byte has it."""
    small = replace(call, options={**call.options, "max_memory": 1})
    try:
        with np.errstate(all="warn"):
            small.make()
    except ValueError as error:
        if found := LEAST.search(str(error)):
            return int(found[1])
    for x in call.outs:
        x.restore()
    return 1


def spoil(r: random.Random, call: Call) -> None:
    """Change the call so that it must raise."""
    x, w = call.arrays["input"], call.arrays["linear_weight"]
    other = np.dtype(np.float32 if x.dtype != np.float32 else np.float64)
    ways: list[tuple[dict[str, Any], str, Any, tuple[type[Exception], str]]] = [
        (call.arrays, "linear_weight", np.ones((len(w), w.shape[1] + 1), w.dtype), SHAPE),
        (call.arrays, "linear_weight", w[0], SHAPE),
        (call.arrays, "linear_weight", w[:0], SHAPE),
        (call.arrays, "linear_weight", w.astype(other), (TypeError, "linear-dtype")),
        (call.arrays, "input", x.astype(np.float32).astype("i4"), (TypeError, "logits-dtype")),
        (call.options, "linear_bias", np.zeros(len(w) + 1, w.dtype), SHAPE),
        (call.options, "max_memory", r.choice((0, -1, "64 pounds", True)), MEMORY),
        (call.options, "max_memory", r.choice((1.5, None)), (TypeError, "max-memory")),
    ]
    if "directions" in call.arrays:
        wrong = (np.zeros((3, *x.shape), x.dtype), None, None)
        ways.append((call.arrays, "directions", wrong, (ValueError, "direction-shape")))
        ways.append((call.arrays, "directions", (None,), (TypeError, "direction-shape")))
    if call.function[-4:] in ("grad", "_hvp"):
        ways.append((call.options, "grads", ["weight"], (ValueError, "grads")))
    names, name, value, raised = r.choice(ways)
    names[name] = value
    call.raises = {raised}


SHAPE, MEMORY = (ValueError, "linear-shape"), (ValueError, "max-memory")
