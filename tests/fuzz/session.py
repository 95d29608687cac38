"""The calls on one problem: each is made, and compared with all that is known of its result."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from typing import Any

import numpy as np

from .calls import Call, draw_call, lay_out
from .check import bars, disagreement, dtype_of
from .expected import Expected
from .faults import spoil
from .problem import DTYPES, Problem, draw_problem

CODE = re.compile(r"\[([a-z-]+)\]$")
NAMES = {dtype: name for name, dtype in DTYPES.items()}


class Session:
    """What every kind of problem has to keep: errors have their code, memory its bytes."""

    expected: Expected

    def draw(self, r: random.Random) -> Call:
        """The next call."""
        raise NotImplementedError

    def check_outputs(self, call: Call, result: Any) -> Iterator[str]:
        """Yield how what was returned is wrong."""
        raise NotImplementedError

    def check(self, call: Call) -> Iterator[str]:
        """Make the call; yield each way in which it is wrong."""
        raises = call.raises | self._raises(call)
        try:
            result = call.make()
        except Exception as error:
            code = CODE.search(str(error))
            if (type(error), code[1] if code else "") not in raises:
                wanted = ", ".join(f"{kind.__name__} [{code}]" for kind, code in raises)
                yield f"raised {type(error).__name__}: {error} (expected {wanted or 'a result'})"
            if not all(x.untouched for x in (*call.laid, *call.outs)):
                yield "an array was written before the error"
            return
        if raises:
            yield f"returned, and should have raised {sorted(code for _, code in raises)}"
            return
        with np.errstate(all="ignore"):
            yield from self.check_outputs(call, result)
        if not all(x.untouched for x in call.laid):
            yield "an input was modified"
        if not all(any(x is y for y in call.arrays_of(result)) for x in call.given_outs()):
            yield "returned another array than out"
        for x in call.outs:
            x.restore()
        if not all(x.untouched for x in call.outs):
            yield "memory beside out was written"

    def _raises(self, call: Call) -> set[tuple[type[Exception], str]]:
        """What the problem itself raises: an empty mean with empty="raise"."""
        averages = "target" in call.arrays and call.function[-5:] != "stats"
        averages &= call.function != "one_hot"
        return {(ValueError, "empty")} if averages and self.expected.raises else set()

    def check_output(self, name: str, got: np.ndarray, p: Problem) -> str | None:
        """Compare one output with the reference."""
        dtype = unit = dtype_of(name, p.dtype, NAMES[p.target.dtype] if p.soft else None)
        if name == "target_grad" and dtype == "float64" and p.dtype != "float64":
            unit = "float32"  # a float64 target does not make narrower logits more exact
        if what := disagreement(name, got, self.expected(name), dtype, unit):
            return what
        negative = p.soft and bool((p.target.astype(np.float64) < 0).any())
        if name == "loss" and not negative and (np.signbit(got) & (got == 0)).any():
            return "the loss is -0.0"
        return None


class RowsSession(Session):
    """Calls of the functions of logits."""

    def __init__(self, r: random.Random, rng: np.random.Generator) -> None:
        self.problem = draw_problem(r, rng)
        self.expected = Expected(self.problem)
        self.seen: dict[tuple[str, str], np.ndarray] = {}

    def draw(self, r: random.Random) -> Call:
        """A call, spoilt or not, of which every array has its place."""
        call = draw_call(r, self.problem)
        if r.random() < 0.12:
            spoil(r, self.problem, call)
        lay_out(r, call)
        return call

    def check_outputs(self, call: Call, result: Any) -> Iterator[str]:
        """Against the reference, earlier calls, and the other implementation."""
        for name, value in call.outputs(result).items():
            got = np.array(value)
            if name == "jvp_none":
                if got.any():
                    yield f"{name} is {got}, not 0"
            elif what := self.check_output(name, got, self.problem) or self._check_bits(
                name, got, call.implementation
            ):
                yield what

    def _check_bits(self, name: str, got: np.ndarray, implementation: str) -> str | None:
        same = self.seen.setdefault((name, implementation), got)
        if same.tobytes() != got.tobytes():
            return f"{name} has other bits than in an earlier call: {_differ(got, same)}"
        for (other, by), value in self.seen.items():
            if other == name and by != implementation:
                return self._compare(name, got, value)
        return None

    def _compare(self, name: str, a: np.ndarray, b: np.ndarray) -> str | None:
        """Two implementations, each within its bar of the truth, are within two of each other."""
        p, right = self.problem, self.expected(name)
        unit = dtype_of(name, p.dtype, NAMES[p.target.dtype] if p.soft else None)
        if unit == "int64":
            return None
        if name == "target_grad" and p.dtype != "float64" and unit == "float64":
            unit = "float32"
        x, y = a.astype(np.float64), b.astype(np.float64)
        allowed = 2.1 * bars(name, x, right.scale, unit)
        if unit == "float64":
            allowed = allowed + right.error
        apart = (np.abs(x - y) > allowed) & np.isfinite(x) & np.isfinite(y)
        if not apart.any():
            return None
        return f"{name} differs between implementations: {_differ(a, b, apart)}"


def _differ(a: np.ndarray, b: np.ndarray, where: np.ndarray | None = None) -> str:
    if where is None:
        where = (a != b) & ~((a != a) & (b != b)) | (np.signbit(a) != np.signbit(b))
    if not where.any():
        return "only in the bits of NaN"
    at = np.unravel_index(int(where.argmax()), where.shape)
    return f"{a[at]!r} and {b[at]!r} at {[int(i) for i in at]}"
